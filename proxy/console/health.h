/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway knows of itself, for a page of the console's. */
#ifndef OCTROI_PROXY_CONSOLE_HEALTH_H
#define OCTROI_PROXY_CONSOLE_HEALTH_H

#include "console/visit.h"
#include "proxy/lane.h"

/* At the desk, while the gateway stands. Copied into the visit's arena; visit->health stays NULL
 * where the gate is no gateway's. */
enum result console_health(struct visit *visit, const struct gate *gate,
                           const struct snapshot *snapshot, struct error *err);

#endif
