/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may enter, as what, and who was here when; an administrator can end somebody's sessions.
 * Users are added, changed and removed at the command line, where the system says who does it.
 */
#include "console/layout.h"
#include "console/pages.h"
#include "office/words.h"

static bool add_user(void *arg, const struct user *user)
{
    struct visit *visit = arg;
    struct page *page = &visit->page;
    page_row(page);
    page_cell(page, user->name);
    page_cell(page, word_role(visit->language, user_role_name(user->role)));
    page_raw(page, "<td>");
    if (user->removed_at != 0)
        badge_add(visit, "bad", N_("removed"));
    else
        page_tr(page, user->has_password ? N_("password") : N_("single sign-on"));
    page_raw(page, "</td>");
    if (user->last_seen_at != 0)
        cell_time(visit, user->last_seen_at);
    else
        page_element_tr(page, "td", N_("never"));
    page_raw(page, "<td>");
    if (user->removed_at == 0 && user->has_password) {
        act_begin(visit, "/console/users");
        hidden_field(visit, "name", user->name);
        act_end(visit, N_("Log out everywhere"), "quiet");
    }
    page_raw(page, "</td>");
    return !page->html.failed;
}

enum result users_page(struct visit *visit, struct error *err)
{
    static const char *const heads[] = {N_("Name"),      N_("Role"), N_("Logs in by"),
                                        N_("Last seen"), N_("Act"),  NULL};
    const struct layout layout = {
        .place = PLACE_USERS,
        .title = N_("Users"),
        .lead = N_("Who may enter this console. Add, change and remove users on the gateway with "
                   "“octroi user”; all of it is on record.")};
    layout_begin(visit, &layout);
    grid_begin(visit, N_("Users of the console"), heads);
    enum result result = registry_users(visit->registry, add_user, visit, err);
    grid_end(visit);
    layout_end(visit);
    return result;
}

enum result users_act(struct visit *visit, struct error *err)
{
    const char *name = visit_id_field(visit, "name");
    enum result result = registry_close_sessions(visit->registry, name, err);
    if (result == RESULT_NOT_FOUND)
        return visit_nothing(visit, N_("There is no user of that name."));
    if (result != RESULT_OK)
        return result;
    const struct access done = {.subject = name, .answer = "done"};
    if (!visit_note(visit, "user.log-out", &done))
        return error_no_memory(err);
    return visit_done(visit, "/console/users", "sessions-ended", err);
}
