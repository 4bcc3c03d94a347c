/* SPDX-License-Identifier: Apache-2.0 */
/* What may be stopped, wherever the stop is asked for: by command, over the interface for programs,
 * in the console. */
#ifndef OCTROI_OFFICE_STOPS_H
#define OCTROI_OFFICE_STOPS_H

#include "config/config.h"
#include "store/registry.h"

/* Whether the configuration knows the partner, or the stream ("PARTNER/STREAM"). Forms and
 * suppliers are the registry's to know: true. A suspension of something that left the configuration
 * can still be ended. */
bool stop_target_known(const struct config *config, enum suspension_kind kind, const char *id);

#endif
