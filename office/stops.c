/* SPDX-License-Identifier: Apache-2.0 */
#include "office/stops.h"

bool stop_target_known(const struct config *config, enum suspension_kind kind, const char *id)
{
    if (kind == SUSPEND_PARTNER)
        return config_partner(config, id) != NULL;
    return kind != SUSPEND_STREAM || config_has_stream(config, id);
}
