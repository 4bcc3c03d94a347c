/* SPDX-License-Identifier: Apache-2.0 */
/* What may be stopped, wherever the stop is asked for: by command, over the interface for programs,
 * in the console; and what a person's "no" comes to that is handed in there. */
#ifndef OCTROI_OFFICE_STOPS_H
#define OCTROI_OFFICE_STOPS_H

#include "config/config.h"
#include "store/registry.h"

/* Whether the configuration knows the partner, or the stream ("PARTNER/STREAM"). Forms and
 * suppliers are the registry's to know: true. A suspension of something that left the configuration
 * can still be ended. */
bool stop_target_known(const struct config *config, enum suspension_kind kind, const char *id);

/* Takes out of an objection or withdrawal against this partner (NULL: everybody) the channels on
 * which it says nothing that is not on record (registry_find_stop). To be called in the transaction
 * the rest is added in. */
enum result stop_drop_known(struct registry *registry, struct event_input *event,
                            const char *partner, struct error *err);
/* Behind such a "no": the consent (its event) that lets the partner send the person offers on one
 * of the channels all the same, because she gave it later; 0: there is none. That the partner is
 * suspended does not hide it. */
enum result stop_overcome(const struct config *config, struct registry *registry,
                          const struct event_input *no, const struct partner *partner, int64_t now,
                          int64_t *consent_out, struct error *err);

#endif
