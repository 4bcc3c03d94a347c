/* SPDX-License-Identifier: Apache-2.0 */
/* Which path is whose, of the service "api" (docs/openapi.yaml describes each). */
#include "proxy/api/work.h"

#define GET  HTTP_METHOD_GET
#define POST HTTP_METHOD_POST

/* A handler is the action it hands to the desk. Behind its name: its pace there (an act is never
 * long: that may be cut short), and the parameters of its query, ended by NULL. */
#define AT_DESK(name, pace, ...)                               \
    static void name##_at_desk(struct service_call *call)      \
    {                                                          \
        static const char *const parameters[] = {__VA_ARGS__}; \
        api_work(call, api_##name, DESK_##pace, parameters);   \
    }
AT_DESK(decision, LONG, NULL)
AT_DESK(decisions, LONG, "partner", "channel", "verdict", "reason", "recipient_key", "since",
        "until", "limit", "cursor", NULL)
AT_DESK(events, SHORT, NULL)
AT_DESK(form, SHORT, NULL)
AT_DESK(form_add, SHORT, NULL)
AT_DESK(form_invalidate, SHORT, NULL)
AT_DESK(forms, LONG, "id", NULL)
AT_DESK(identifier, SHORT, NULL)
AT_DESK(notices, LONG, "partner", "state", "limit", "cursor", NULL)
AT_DESK(partner, SHORT, NULL)
AT_DESK(partners, SHORT, NULL)
AT_DESK(person, LONG, NULL)
AT_DESK(report, LONG, "from", "to", "partner", "by", NULL)
AT_DESK(screening, LONG, NULL)
AT_DESK(suspensions, LONG, "kind", "in_force", NULL)
AT_DESK(suspend, URGENT, NULL)
AT_DESK(resume, SHORT, NULL)

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
