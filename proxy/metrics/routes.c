/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /metrics. Answered on the loop: all that is asked is in memory, also what was counted in the
 * registry (proxy/notices). So it is answered while desk and disk are busy, too, which is when
 * somebody has to look.
 */
#include "proxy/http/service.h"
#include "proxy/metrics/metrics.h"
#include "proxy/metrics/text.h"

static void scrape(struct service_call *call)
{
    struct lane *lane = call->lane;
    bool open = metrics_accepts_open(http_header(&call->http, "Accept"));
    if (lane->gate->metrics == NULL || lane->snapshot == NULL) {
        service_problem(call, 503, "unavailable", "The gate is not there",
                        "There is nothing to be measured now, try again later.");
        return;
    }
    http_answer(&call->http, 200, metrics_media(open));
    struct metrics_text text = {.out = &call->http.answer.body, .open = open};
    metrics_collect(lane->gate->metrics, lane->snapshot, &text);
    metrics_end(&text);
    service_answer(call);
}

const struct service_route metrics_routes[] = {
    {.pattern = "/metrics",
     .methods = HTTP_METHOD_GET | HTTP_METHOD_HEAD,
     .service = SERVICE_METRICS,
     .scope = SCOPE_METRICS,
     .open_here = true,
     .handle = scrape},
    {0},
};
