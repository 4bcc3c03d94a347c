/* SPDX-License-Identifier: Apache-2.0 */
/* Which path is whose, of the service "api" (docs/openapi.yaml describes each). */
#include "proxy/api/work.h"

#define GET  HTTP_METHOD_GET
#define POST HTTP_METHOD_POST

/* A handler is the action it hands to the desk. */
#define AT_DESK(name)                                     \
    static void name##_at_desk(struct service_call *call) \
    {                                                     \
        api_work(call, api_##name);                       \
    }
AT_DESK(decision)
AT_DESK(decisions)
AT_DESK(events)
AT_DESK(form)
AT_DESK(form_add)
AT_DESK(form_invalidate)
AT_DESK(forms)
AT_DESK(identifier)
AT_DESK(notices)
AT_DESK(partner)
AT_DESK(partners)
AT_DESK(person)
AT_DESK(report)
AT_DESK(screening)
AT_DESK(suspensions)
AT_DESK(suspend)
AT_DESK(resume)

#define ROUTE(methods, pattern, scope, once, name)                        \
    {                                                                     \
        pattern, methods, SERVICE_API, scope, false, once, name##_at_desk \
    }

const struct service_route api_routes[] = {
    {"/v1/check", POST, SERVICE_API, SCOPE_CHECK, .handle = api_check},
    ROUTE(GET, "/v1/decisions", SCOPE_DECISIONS, false, decisions),
    ROUTE(GET, "/v1/decisions/*", SCOPE_DECISIONS, false, decision),
    ROUTE(POST, "/v1/events", SCOPE_EVENTS, true, events),
    ROUTE(GET, "/v1/forms", SCOPE_REPORTS, false, forms),
    ROUTE(POST, "/v1/forms", SCOPE_FORMS, true, form_add),
    ROUTE(GET, "/v1/forms/*/*", SCOPE_REPORTS, false, form),
    ROUTE(POST, "/v1/forms/*/*/invalidation", SCOPE_FORMS, true, form_invalidate),
    ROUTE(POST, "/v1/identifiers", SCOPE_EVENTS, true, identifier),
    ROUTE(GET, "/v1/notices", SCOPE_REPORTS, false, notices),
    ROUTE(GET, "/v1/partners", SCOPE_REPORTS, false, partners),
    ROUTE(GET, "/v1/partners/*", SCOPE_REPORTS, false, partner),
    ROUTE(POST, "/v1/persons", SCOPE_PERSONS, false, person),
    ROUTE(GET, "/v1/reports", SCOPE_REPORTS, false, report),
    ROUTE(POST, "/v1/screenings", SCOPE_SCREEN, true, screening),
    ROUTE(GET, "/v1/suspensions", SCOPE_REPORTS, false, suspensions),
    ROUTE(POST, "/v1/suspensions", SCOPE_SUSPENSIONS, true, suspend),
    ROUTE(POST, "/v1/resumptions", SCOPE_SUSPENSIONS, true, resume),
    {0},
};
