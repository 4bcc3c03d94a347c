/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration's history: the journal says under which one each decision was made. The records
 * stand before those of the first session that goes by them, because the journal keeps the order in
 * which it is given rows; nobody waits for them.
 */
#include "base/clock.h"
#include "proxy/internal.h"
#include "store/configuration.h"

enum result gateway_note_configuration(struct gateway *gateway, const struct config *config,
                                       const char *cause, struct error *err)
{
    const struct configuration_note note = {
        .program = PACKAGE_VERSION, .cause = cause, .at = clock_now()};
    struct journal_batch *batch = configuration_batch(config, &note);
    if (batch == NULL)
        return error_set(err, RESULT_NO_MEMORY, "cannot put the configuration on record");
    journal_append(gateway->journal, batch, gateway->main_loop, NULL, NULL);
    return RESULT_OK;
}
