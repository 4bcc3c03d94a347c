/* SPDX-License-Identifier: Apache-2.0 */
/* Which path is whose, of the service "api" (docs/openapi.yaml describes each). */
#include "proxy/api/work.h"

#define GET  HTTP_METHOD_GET
#define POST HTTP_METHOD_POST

/* A handler is the action it hands to the desk. Behind its name: the parameters of its query. */
#define AT_DESK(name, ...)                                                         \
    static void name##_at_desk(struct service_call *call)                          \
    {                                                                              \
        static const char *const parameters[] = {__VA_ARGS__ __VA_OPT__(, ) NULL}; \
        api_work(call, api_##name, parameters);                                    \
    }
AT_DESK(decision)
AT_DESK(decisions, "partner", "channel", "verdict", "reason", "recipient_key", "since", "until",
        "limit", "cursor")
AT_DESK(events)
AT_DESK(form)
AT_DESK(form_add)
AT_DESK(form_invalidate)
AT_DESK(forms, "id")
AT_DESK(identifier)
AT_DESK(notices, "partner", "state", "limit", "cursor")
AT_DESK(partner)
AT_DESK(partners)
AT_DESK(person)
AT_DESK(report, "from", "to", "partner", "by")
AT_DESK(screening)
AT_DESK(suspensions, "kind", "in_force")
AT_DESK(suspend)
AT_DESK(resume)

#define ROUTE(methods, pattern, scope, once, name)                        \
    {                                                                     \
        pattern, methods, SERVICE_API, scope, false, once, name##_at_desk \
    }

const struct service_route api_routes[] = {
    {"/v1/openapi.yaml", GET, SERVICE_API, .handle = api_description},
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
    ROUTE(POST, "/v1/screenings", SCOPE_SCREEN, false, screening),
    ROUTE(GET, "/v1/suspensions", SCOPE_REPORTS, false, suspensions),
    ROUTE(POST, "/v1/suspensions", SCOPE_SUSPENSIONS, true, suspend),
    ROUTE(POST, "/v1/resumptions", SCOPE_SUSPENSIONS, true, resume),
    {0},
};
