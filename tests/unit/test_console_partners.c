/* SPDX-License-Identifier: Apache-2.0 */
/* Partners and forms: what their pages say, and the acts that stop them. */
#include "tests/unit/stage_console.h"

#include <stdio.h>
#include <string.h>

static struct error err;

static void two_versions(void)
{
    ck_assert_int_eq(
        put_form(stage.registry, "jeu-ete", 1, "2026-01-01T00:00:00Z", "\"acme\"", "", &err),
        RESULT_OK);
    ck_assert_int_eq(put_form(stage.registry, "jeu-ete", 2, "2026-03-01T00:00:00Z",
                              "\"acme\",\"beta\"", "\"travel\"", &err),
                     RESULT_OK);
}

static const struct facts *facts_of_acme(void)
{
    const struct facts *facts;
    uint8_t key[RECIPIENT_KEY_BYTES] = {1};
    ck_assert_int_eq(registry_facts(stage.registry, key, "acme", "news", &facts, &err), RESULT_OK);
    return facts;
}

START_TEST(partners_with_their_counts)
{
    for (int i = 0; i < 3; i++)
        stage_decide(&(struct decision){.verdict = VERDICT_PASS, .reason = REASON_CONSENT}, NULL);
    stage_decide(&(struct decision){.verdict = VERDICT_BLOCK, .reason = REASON_WITHDRAWN}, NULL);
    stage_get(partners_page, "/console/partners");
    must_show("ACME Voyages");
    must_show("Beta &lt;SA&gt;");
    must_not_show("Beta <SA>");
    must_show("25.0%");
    stage_get_at(partner_page, "/console/partners/acme", "acme", NULL);
    must_show("zone=utc&amp;reason=WITHDRAWN&amp;partner=acme");
    must_show("partner=acme");
    must_show("data-chart=");
    stage.language = LANGUAGE_FR;
    stage_get_at(partner_page, "/console/partners/acme", "acme", NULL);
    must_show("Suspendre immédiatement");
    must_not_show("Suspend at once");
    stage_get_at(partner_page, "/console/partners/none", "none", NULL);
    ck_assert_int_eq(stage.visit.status, 404);
}
END_TEST

/* What left is not blocked, whatever the rules say of it. */
START_TEST(observed_is_not_blocked)
{
    const struct decision observed = {.partner = "ombre",
                                      .mode = MODE_OBSERVE,
                                      .verdict = VERDICT_BLOCK,
                                      .reason = REASON_UNPROVEN};
    two_versions();
    stage_get(partners_page, "/console/partners");
    must_not_show("Let through while observed");
    for (int i = 0; i < 3; i++)
        stage_decide(&observed, NULL);
    stage_decide(&(struct decision){.partner = "ombre",
                                    .mode = MODE_OBSERVE,
                                    .verdict = VERDICT_BLOCK,
                                    .reason = REASON_OBJECTED},
                 NULL);
    stage_get(partners_page, "/console/partners");
    must_show("Let through while observed");
    must_show("25.0%");
    must_not_show("100.0%");
    stage_get_at(partner_page, "/console/partners/ombre", "ombre", NULL);
    must_show("<span class=\"label\">Messages blocked</span> <strong>1</strong>");
    must_show("<span class=\"label\">Let through while observed</span> <strong>3</strong>");
    must_show("&quot;kind&quot;:&quot;observe&quot;,&quot;values&quot;:[3,0]");
    must_show("&quot;kind&quot;:&quot;block&quot;,&quot;values&quot;:[0,1]");
    must_show("verdict=observed&amp;purpose=receipt&amp;");
}
END_TEST

START_TEST(no_form_shows_it)
{
    stage_get_at(partner_page, "/console/partners/acme", "acme", NULL);
    must_show("No form shows this partner");
    two_versions();
    stage_get_at(partner_page, "/console/partners/acme", "acme", NULL);
    must_show("jeu-ete@1");
    must_show("jeu-ete@2");
    stage_get_at(partner_page, "/console/partners/beta", "beta", NULL);
    must_not_show("jeu-ete@1");
    must_show("jeu-ete@2");
}
END_TEST

START_TEST(suspends_and_resumes)
{
    ck_assert(!facts_of_acme()->partner_suspended);
    stage_post(suspend_act, "/console/suspensions",
               "kind=partner&id=acme&reason=complaint+of+jean%40example.org");
    must_lead_to("/console/partners/acme");
    ck_assert(facts_of_acme()->partner_suspended);
    ck_assert_str_eq(stage.visit.access.act, "suspend");
    ck_assert_str_eq(stage.visit.access.partner, "acme");
    stage_get_at(partner_page, "/console/partners/acme", "acme", NULL);
    must_show("complaint of j•••@example.org");
    must_not_show("jean@");
    must_show("still in force");
    /* A second time changes nothing, and says so. */
    stage_post(suspend_act, "/console/suspensions", "kind=partner&id=acme&reason=again");
    ck_assert_ptr_nonnull(strstr(stage.visit.location, "done=already-suspended."));
    stage_post(resume_act, "/console/resumptions", "kind=partner&id=acme&reason=settled");
    must_lead_to("/console/partners/acme");
    ck_assert(!facts_of_acme()->partner_suspended);
    stage_get_at(partner_page, "/console/partners/acme", "acme", NULL);
    must_show("settled");
    must_not_show("still in force");
}
END_TEST

START_TEST(a_stream_leads_back_to_its_partner)
{
    stage_post(suspend_act, "/console/suspensions", "kind=stream&id=acme%2Fnews&reason=r");
    must_lead_to("/console/partners/acme");
    ck_assert(facts_of_acme()->stream_suspended);
}
END_TEST

START_TEST(what_cannot_be_stopped)
{
    stage_post(suspend_act, "/console/suspensions", "kind=partner&id=acme&reason=++");
    ck_assert_int_eq(stage.visit.status, 400);
    must_show("A reason is missing");
    stage_post(suspend_act, "/console/suspensions", "kind=all&id=acme&reason=r");
    ck_assert_int_eq(stage.visit.status, 400);
    stage_post(suspend_act, "/console/suspensions", "kind=partner&id=nobody&reason=r");
    ck_assert_int_eq(stage.visit.status, 404);
    stage_post(suspend_act, "/console/suspensions", "kind=form&id=nothing&reason=r");
    ck_assert_int_eq(stage.visit.status, 404);
    ck_assert(!facts_of_acme()->partner_suspended);
    ck_assert_ptr_null(stage.visit.access.act);
}
END_TEST

START_TEST(who_may_not_is_offered_nothing)
{
    two_versions();
    stage.role = ROLE_READER;
    stage_get_at(partner_page, "/console/partners/acme", "acme", NULL);
    must_not_show("/console/suspensions");
    stage_get_at(form_version_page, "/console/forms/jeu-ete/2", "jeu-ete", "2");
    must_not_show("/invalidation");
    stage.role = ROLE_ADMINISTRATOR; /* stops, and does not judge forms */
    stage_get_at(partner_page, "/console/partners/acme", "acme", NULL);
    must_show("/console/suspensions");
    stage_get_at(form_version_page, "/console/forms/jeu-ete/2", "jeu-ete", "2");
    must_not_show("/invalidation");
}
END_TEST

START_TEST(a_version_as_it_was_shown)
{
    two_versions();
    stage_get_at(form_version_page, "/console/forms/jeu-ete/2", "jeu-ete", "2");
    must_show("<blockquote lang=\"fr\">J&#39;accepte</blockquote>");
    must_show("Partner added: Beta &lt;SA&gt;");
    must_show("Category added: travel");
    stage_get_at(form_version_page, "/console/forms/jeu-ete/1", "jeu-ete", "1");
    must_show("replaced by a later version");
    must_not_show("What changed since the version before");
    static const char *const none[] = {"3", "0", "", "x", "99999999999"};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        stage_get_at(form_version_page, "/console/forms/jeu-ete/3", "jeu-ete", none[i]);
        ck_assert_int_eq(stage.visit.status, 404);
    }
    stage_get_at(form_version_page, "/console/forms/autre/1", "autre", "1");
    ck_assert_int_eq(stage.visit.status, 404);
}
END_TEST

START_TEST(forms_and_their_suspension)
{
    stage_get(forms_page, "/console/forms");
    must_show("No collection form is registered");
    two_versions();
    stage_get(forms_page, "/console/forms");
    must_show("jeu-ete@1");
    stage_post(suspend_act, "/console/suspensions", "kind=form&id=jeu-ete&reason=wording");
    must_lead_to("/console/forms/jeu-ete");
    stage_get_at(form_page, "/console/forms/jeu-ete", "jeu-ete", NULL);
    must_show("wording");
    must_show("/console/resumptions");
    stage_get_at(form_page, "/console/forms/autre", "autre", NULL);
    ck_assert_int_eq(stage.visit.status, 404);
}
END_TEST

START_TEST(invalidates_once_confirmed)
{
    two_versions();
    const char *path = "/console/forms/jeu-ete/1/invalidation";
    stage_post_at(form_invalidate_act, path, "reason=box+ticked+before&confirm=jeu-ete%402",
                  "jeu-ete", "1");
    ck_assert_int_eq(stage.visit.status, 400);
    stage_post_at(form_invalidate_act, path, "reason=&confirm=jeu-ete%401", "jeu-ete", "1");
    ck_assert_int_eq(stage.visit.status, 400);
    stage_get_at(form_version_page, "/console/forms/jeu-ete/1", "jeu-ete", "1");
    must_show("/invalidation");
    stage_post_at(form_invalidate_act, path, "reason=box+ticked+before&confirm=jeu-ete%401",
                  "jeu-ete", "1");
    must_lead_to("/console/forms/jeu-ete/1");
    ck_assert_str_eq(stage.visit.access.act, "form.invalidate");
    ck_assert_str_eq(stage.visit.access.subject, "jeu-ete@1");
    stage_get_at(form_version_page, "/console/forms/jeu-ete/1", "jeu-ete", "1");
    must_show("box ticked before");
    must_not_show("/invalidation");
    stage_post_at(form_invalidate_act, path, "reason=again&confirm=jeu-ete%401", "jeu-ete", "1");
    ck_assert_ptr_nonnull(strstr(stage.visit.location, "done=unchanged."));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {partners_with_their_counts,
                                  observed_is_not_blocked,
                                  no_form_shows_it,
                                  suspends_and_resumes,
                                  a_stream_leads_back_to_its_partner,
                                  what_cannot_be_stopped,
                                  who_may_not_is_offered_nothing,
                                  a_version_as_it_was_shown,
                                  forms_and_their_suspension,
                                  invalidates_once_confirmed,
                                  NULL};
    Suite *const suites[] = {stage_suite("console partners", tests), NULL};
    return unit_run(suites);
}
