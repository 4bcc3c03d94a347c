/* SPDX-License-Identifier: Apache-2.0 */
/* The process as its monitoring wants to see it, by the names every Prometheus client uses. */
#ifndef OCTROI_PROXY_METRICS_PROCESS_H
#define OCTROI_PROXY_METRICS_PROCESS_H

#include "proxy/metrics/text.h"

/* started_at: an instant. What the system does not tell is left out. */
void metrics_add_process(struct metrics_text *text, int64_t started_at);

#endif
