/* SPDX-License-Identifier: Apache-2.0 */
/* What pages ask a visit for, how they answer it, and what the parts make of hostile words. */
#include "tests/unit/stage_console.h"

#include "console/layout.h"

#include <stdio.h>
#include <string.h>

#define HOSTILE "<script>alert(\"x\")</script>'\xe2\x80\xae\x01&amp;"

static enum result reads_fields(struct visit *visit, struct error *err)
{
    int64_t day = 0;
    (void)err;
    ck_assert_str_eq(visit->path, "/console/blocked");
    ck_assert_str_eq(visit_field(visit, "blank"), "a b");
    ck_assert_str_eq(visit_field(visit, "partner"), "acme");
    ck_assert_str_eq(visit_field(visit, "none"), "");
    ck_assert_str_eq(visit_id_field(visit, "form"), ""); /* no id has a blank in it */
    ck_assert_str_eq(visit_id_field(visit, "partner"), "acme");
    ck_assert_int_eq(visit_number_field(visit, "n", 100, 7), 12);
    ck_assert_int_eq(visit_number_field(visit, "most", 100, 7), 7);
    ck_assert_int_eq(visit_number_field(visit, "partner", 100, 7), 7);
    ck_assert(visit_day_field(visit, "from", false, &day));
    ck_assert_int_eq(day, at("2026-05-01T00:00:00Z"));
    ck_assert(visit_day_field(visit, "from", true, &day));
    ck_assert_int_eq(day, at("2026-05-02T00:00:00Z"));
    ck_assert(!visit_day_field(visit, "partner", true, &day));
    struct strbuf query = {0};
    visit_add_query(visit, &query, "reason", "A&B");
    ck_assert_str_eq(query.data, "?partner=acme&form=jeu%20ete&n=12&most=101&from=2026-05-01&"
                                 "blank=%20a%20b%0D%0A&reason=A%26B");
    strbuf_free(&query);
    return RESULT_OK;
}

START_TEST(fields)
{
    stage_get(reads_fields, "/console/blocked?partner=acme&form=jeu+ete&n=12&most=101"
                            "&from=2026-05-01&cursor=1.2&done=suspended.0&blank=%20a+b%0D%0A");
}
END_TEST

static enum result reads_reason(struct visit *visit, struct error *err)
{
    (void)err;
    ck_assert(visit->posted);
    const char *reason = visit_reason_field(visit, "reason");
    ck_assert_ptr_nonnull(reason);
    ck_assert_str_eq(reason, "letter of j•••@example.org, of 3 March");
    ck_assert_ptr_null(visit_reason_field(visit, "empty"));
    ck_assert_ptr_null(visit_reason_field(visit, "control"));
    return visit_done(visit, "/console/partners/acme", "suspended-partner", err);
}

static char location[300];

static enum result shows_done(struct visit *visit, struct error *err)
{
    const struct layout layout = {
        .place = PLACE_PARTNERS, .title = N_("Partners"), .name = HOSTILE};
    (void)err;
    layout_begin(visit, &layout);
    fact(visit, N_("Form"), HOSTILE);
    fact_code(visit, N_("Reason"), HOSTILE, HOSTILE "2");
    part_sentence(visit, "p", N_("%s was suspended"), "%s%n" HOSTILE, NULL, NULL);
    part_notice(visit, "warn", N_("%s was suspended"), HOSTILE);
    part_link_named(visit, "/console/partners/\"><script>", HOSTILE);
    hidden_field(visit, "id", HOSTILE);
    text_field(visit, "id", N_("Partner"), "", HOSTILE, 64, false);
    chart_add(visit, N_("Day"), "{\"a\":\"" HOSTILE "\"}");
    layout_end(visit);
    return RESULT_OK;
}

START_TEST(acts_lead_back)
{
    stage_post(reads_reason, "/console/suspensions",
               "reason=letter+of+jean%40example.org,%0Aof+3+March&empty=++&control=a%01b");
    must_lead_to("/console/partners/acme");
    str_copy(location, sizeof(location), stage.visit.location);
    stage_get(shows_done, location);
    must_show("Suspended. From now on nothing of this partner&#39;s passes.");
    /* Nobody else's link says so. */
    char *mark = strrchr(location, '.');
    mark[1] = mark[1] == '0' ? '1' : '0';
    stage_get(shows_done, location);
    must_not_show("Suspended. From now on nothing of this partner&#39;s passes.");
}
END_TEST

START_TEST(words_of_others_are_text)
{
    static const enum language languages[] = {LANGUAGE_EN, LANGUAGE_FR};
    for (size_t i = 0; i < 2; i++) {
        stage.language = languages[i];
        stage_get(shows_done, "/console/partners?q=%22%3E%3Cscript%3E");
        must_show(i == 0 ? "<html lang=\"en\">" : "<html lang=\"fr\">");
        must_not_show("<script>");
        must_not_show("\x01");
        must_not_show("alert(\"x\")");
        must_show("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&#39;");
        must_show("%s%n&lt;script&gt;");
    }
}
END_TEST

static bool count_rows(void *arg, const struct log_entry *entry)
{
    unsigned *n = arg;
    ck_assert_str_eq(entry->reason, *n == 0 ? "UNPROVEN" : "WITHDRAWN");
    ck_assert_str_eq(entry->effect, *n == 0 ? "passed" : "refused");
    if (*n == 1)
        ck_assert_str_eq(entry->provider_reply, "550 no such user");
    ++*n;
    return true;
}

static enum result reads_journal(struct visit *visit, struct error *err)
{
    const struct log_filter all = {.since = INT64_MIN, .until = INT64_MAX};
    unsigned n = 0;
    enum result result = journal_index_log(visit->index, &all, count_rows, &n, err);
    ck_assert_uint_eq(n, 2);
    return result;
}

START_TEST(the_stage_has_a_journal)
{
    char id[RECORD_ID];
    stage_decide(&(struct decision){.verdict = VERDICT_BLOCK, .reason = REASON_WITHDRAWN}, id);
    stage_outcome(&(struct outcome_row){.id = id,
                                        .outcome = OUTCOME_REFUSED,
                                        .effect = EFFECT_REFUSED,
                                        .provider_reply = "550 no such user",
                                        .size = -1});
    stage_decide(&(struct decision){.at = stage.now + 1,
                                    .partner = "ombre",
                                    .mode = MODE_OBSERVE,
                                    .verdict = VERDICT_BLOCK,
                                    .reason = REASON_UNPROVEN},
                 NULL);
    stage_get(reads_journal, "/console/blocked");
}
END_TEST

static enum result refuses(struct visit *visit, struct error *err)
{
    (void)err;
    page_raw(&visit->page, "half a page");
    return visit_nothing(visit, N_("There is no such partner."));
}

START_TEST(refusals_are_pages)
{
    stage_get(refuses, "/console/partners/x");
    ck_assert_int_eq(stage.visit.status, 404);
    must_show("There is no such partner.");
    must_not_show("half a page");
    must_show("</html>");
}
END_TEST

START_TEST(roles_see_their_pages)
{
    static const struct {
        enum user_role role;
        bool persons, users;
    } rows[] = {{ROLE_READER, false, false},
                {ROLE_COMPLIANCE, true, false},
                {ROLE_ADMINISTRATOR, false, true}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        stage.role = rows[i].role;
        stage_get(shows_done, "/console/partners");
        must_show("href=\"/console/blocked\"");
        ck_assert_uint_eq(stage_count("href=\"/console/persons\""), rows[i].persons);
        ck_assert_uint_eq(stage_count("href=\"/console/users\""), rows[i].users);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {fields,
                                  acts_lead_back,
                                  words_of_others_are_text,
                                  refusals_are_pages,
                                  roles_see_their_pages,
                                  the_stage_has_a_journal,
                                  NULL};
    Suite *const suites[] = {stage_suite("console visit", tests), NULL};
    return unit_run(suites);
}
