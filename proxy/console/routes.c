/* SPDX-License-Identifier: Apache-2.0 */
/* Which path is which page of the service "console": what it asks of who comes, what it needs, and
 * how urgent it is at the desk (an act is never cut short). */
#include "console/pages.h"
#include "proxy/console/work.h"

#define GET  (HTTP_METHOD_GET | HTTP_METHOD_HEAD)
#define POST HTTP_METHOD_POST

#define TASK(name, permit_bits, need_bits, desk_pace)                                             \
    static void name##_at_desk(struct service_call *call)                                         \
    {                                                                                             \
        static const struct console_task task = {permit_bits, need_bits, DESK_##desk_pace, name}; \
        console_work(call, &task);                                                                \
    }
TASK(partners_page, PERMIT_READ, NEED_INDEX, PAGE)
TASK(partner_page, PERMIT_READ, NEED_INDEX, PAGE)
TASK(forms_page, PERMIT_READ, NEED_INDEX, PAGE)
TASK(form_page, PERMIT_READ, NEED_INDEX, PAGE)
TASK(form_version_page, PERMIT_READ, NEED_INDEX, PAGE)
TASK(form_invalidate_act, PERMIT_ACT, 0, SHORT)
TASK(suppliers_page, PERMIT_READ, NEED_INDEX, PAGE)
TASK(supplier_page, PERMIT_READ, NEED_INDEX, PAGE)
TASK(supplier_invalidate_act, PERMIT_ACT, 0, SHORT)
TASK(suspend_act, PERMIT_STOP, 0, URGENT)
TASK(resume_act, PERMIT_STOP, 0, SHORT)
TASK(persons_page, PERMIT_PERSONS, 0, PAGE)
TASK(persons_act, PERMIT_PERSONS, 0, SHORT)
TASK(person_page, PERMIT_PERSONS, NEED_INDEX, PAGE)
TASK(pack_act, PERMIT_PERSONS, NEED_INDEX, LONG)
TASK(objection_act, PERMIT_ACT, 0, URGENT)
TASK(withdrawal_act, PERMIT_ACT, 0, URGENT)
TASK(observe_page, PERMIT_READ, NEED_INDEX, PAGE)
TASK(overview_page, PERMIT_READ, NEED_INDEX | NEED_HEALTH, PAGE)
TASK(dossier_page, PERMIT_READ, NEED_INDEX, PAGE)
TASK(dossier_draw_act, PERMIT_READ, 0, SHORT)
TASK(dossier_archive_page, PERMIT_READ, 0, SHORT)
TASK(dossier_check_act, PERMIT_READ, 0, SHORT)
TASK(dossier_checkpoints_page, PERMIT_READ, NEED_INDEX, PAGE)
TASK(dossier_checkpoint_page, PERMIT_READ, NEED_INDEX, PAGE)
TASK(dossier_key_page, PERMIT_READ, 0, SHORT)
TASK(dossier_script_page, PERMIT_READ, 0, SHORT)
TASK(blocked_page, PERMIT_READ, NEED_INDEX, PAGE)
TASK(blocked_csv, PERMIT_READ | PERMIT_PERSONS, NEED_INDEX, PAGE)
TASK(blocked_one_page, PERMIT_READ, NEED_INDEX, PAGE)
TASK(blocked_person_act, PERMIT_READ | PERMIT_PERSONS, 0, SHORT)
TASK(users_page, PERMIT_ADMIN, 0, SHORT)
TASK(users_act, PERMIT_ADMIN, 0, SHORT)
TASK(login_page, 0, NEED_NOBODY, SHORT)
TASK(logout_act, 0, 0, SHORT)
TASK(language_act, 0, NEED_NOBODY, SHORT)

TASK(nothing_page, PERMIT_READ, 0, SHORT)

/* Whoever types the gateway's name alone means the console. */
static void root(struct service_call *call)
{
    http_answer(&call->http, 303, "text/html; charset=utf-8");
    call->http.answer.location = "/console";
    service_answer(call);
}

#define ROUTE(methods, pattern, name)                     \
    {                                                     \
        pattern, methods, SERVICE_CONSOLE, .handle = name \
    }

const struct service_route console_routes[] = {
    ROUTE(GET, "/console/static/*", console_asset),
    ROUTE(GET, "/console", overview_page_at_desk),
    ROUTE(GET, "/console/observe", observe_page_at_desk),
    ROUTE(GET, "/console/blocked", blocked_page_at_desk),
    ROUTE(POST, "/console/blocked", blocked_person_act_at_desk),
    ROUTE(GET, "/console/blocked.csv", blocked_csv_at_desk),
    ROUTE(GET, "/console/blocked/*", blocked_one_page_at_desk),
    ROUTE(GET, "/console/partners", partners_page_at_desk),
    ROUTE(GET, "/console/partners/*", partner_page_at_desk),
    ROUTE(GET, "/console/forms", forms_page_at_desk),
    ROUTE(GET, "/console/forms/*", form_page_at_desk),
    ROUTE(GET, "/console/forms/*/*", form_version_page_at_desk),
    ROUTE(POST, "/console/forms/*/*/invalidation", form_invalidate_act_at_desk),
    ROUTE(GET, "/console/suppliers", suppliers_page_at_desk),
    ROUTE(GET, "/console/suppliers/*", supplier_page_at_desk),
    ROUTE(POST, "/console/suppliers/*/invalidation", supplier_invalidate_act_at_desk),
    ROUTE(POST, "/console/suspensions", suspend_act_at_desk),
    ROUTE(POST, "/console/resumptions", resume_act_at_desk),
    ROUTE(GET, "/console/login", login_page_at_desk),
    ROUTE(POST, "/console/login", console_login),
    ROUTE(POST, "/console/logout", logout_act_at_desk),
    ROUTE(POST, "/console/language", language_act_at_desk),
    ROUTE(GET, "/console/dossier", dossier_page_at_desk),
    ROUTE(GET, "/console/dossier/archive", dossier_archive_page_at_desk),
    ROUTE(POST, "/console/dossier/archive", dossier_draw_act_at_desk),
    ROUTE(POST, "/console/dossier/verification", dossier_check_act_at_desk),
    ROUTE(GET, "/console/dossier/checkpoints", dossier_checkpoints_page_at_desk),
    ROUTE(GET, "/console/dossier/checkpoints/*", dossier_checkpoint_page_at_desk),
    ROUTE(GET, "/console/dossier/public.pem", dossier_key_page_at_desk),
    ROUTE(GET, "/console/dossier/verify-journal.sh", dossier_script_page_at_desk),
    ROUTE(GET, "/console/users", users_page_at_desk),
    ROUTE(POST, "/console/users", users_act_at_desk),
    ROUTE(GET, "/console/persons", persons_page_at_desk),
    ROUTE(POST, "/console/persons", persons_act_at_desk),
    ROUTE(GET, "/console/persons/*", person_page_at_desk),
    ROUTE(POST, "/console/persons/*/pack", pack_act_at_desk),
    ROUTE(POST, "/console/persons/*/objections", objection_act_at_desk),
    ROUTE(POST, "/console/persons/*/withdrawals", withdrawal_act_at_desk),
    {0},
};

/* Asked for behind all others. */
const struct service_route console_other_routes[] = {
    ROUTE(GET, "/", root),
    ROUTE(GET, "/console/*", nothing_page_at_desk),
    ROUTE(GET, "/console/*/*", nothing_page_at_desk),
    {0},
};
