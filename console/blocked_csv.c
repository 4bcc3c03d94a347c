/* SPDX-License-Identifier: Apache-2.0 */
/* The list of blocked messages as a file: all that its filters let through, not a page of it. */
#include "console/decisions.h"
#include "console/pages.h"
#include "console/send.h"

enum result blocked_csv(struct visit *visit, struct error *err)
{
    struct decision_query query;
    decision_query_read(visit, &query);
    return visit_send_decisions(visit, &query.filter, "octroi-decisions.csv", err);
}
