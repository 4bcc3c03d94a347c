/* SPDX-License-Identifier: Apache-2.0 */
/* What enforcing would change for a partner that is observed. */
#include "tests/unit/stage_console.h"

#include <string.h>

static void decide(int n, const char *partner, enum mode mode, enum verdict verdict,
                   enum reason reason)
{
    const struct decision decision = {.partner = partner,
                                      .mode = mode,
                                      .verdict = verdict,
                                      .reason = reason,
                                      .at = stage.now - 2 * CLOCK_DAY};
    for (int i = 0; i < n; i++)
        stage_decide(&decision, NULL);
}

static void observe_ombre(void)
{
    decide(5, "ombre", MODE_OBSERVE, VERDICT_PASS, REASON_CONSENT);
    decide(3, "ombre", MODE_OBSERVE, VERDICT_BLOCK, REASON_UNPROVEN);
    decide(1, "ombre", MODE_OBSERVE, VERDICT_BLOCK, REASON_STALE);
    decide(1, "ombre", MODE_OBSERVE, VERDICT_BLOCK, REASON_OBJECTED); /* enforced all the same */
    decide(7, "acme", MODE_ENFORCE, VERDICT_BLOCK, REASON_UNPROVEN);
}

START_TEST(says_what_enforcing_would_change)
{
    observe_ombre();
    stage_get(observe_page, "/console/observe");
    must_show("<h2>Ombre</h2>");
    must_show("Of 10 messages that were judged while it was observed, 4 would not have left had "
              "the rules been enforced: 40.0%.");
    must_show("reason=UNPROVEN\">");
    must_show("zone=utc&amp;partner=ombre&amp;reason=STALE");
    must_show("Ask the supplier for the form and the evidence");
    must_show("href=\"/console/blocked?verdict=observed&amp;purpose=receipt&amp;from=");
    must_show("partner=ombre");
    must_show("<h2>The day it is enforced</h2>");
    must_show("0.1 messages a day"); /* 4 in 30 days */
    must_show("mode = &quot;enforce&quot;");
    must_show("&quot;kind&quot;:&quot;observe&quot;");
    ck_assert_uint_eq(stage_count("reason=UNPROVEN"), 1); /* not acme's */
    stage_get(observe_page, "/console/observe?days=4");
    must_show("1.0 messages a day");
}
END_TEST

START_TEST(says_what_is_enforced_already)
{
    observe_ombre();
    stage_get(observe_page, "/console/observe");
    must_show("reason=OBJECTED\">");
    must_show("verdict=stopped&amp;purpose=receipt");
    must_not_show("There was none of these");
}
END_TEST

START_TEST(says_that_nothing_would_change)
{
    decide(2, "ombre", MODE_OBSERVE, VERDICT_PASS, REASON_CONSENT);
    stage_get(observe_page, "/console/observe");
    must_show("Enforcing changes nothing for messages like these");
    must_show("There was none of these");
}
END_TEST

START_TEST(tells_of_others_than_the_observed)
{
    observe_ombre();
    stage_get(observe_page, "/console/observe?partner=acme");
    must_show("<h2>ACME Voyages</h2>");
    must_show("enforced now");
    must_show("It was not observed in this period");
    must_show("verdict=stopped&amp;purpose=receipt&amp;from=");
    must_not_show("The day it is enforced");
    stage_get(observe_page, "/console/observe?partner=beta");
    must_show("<h2>Beta &lt;SA&gt;</h2>");
    must_not_show("Beta <SA>");
    /* One that was observed before, and is not any more. */
    decide(2, "acme", MODE_OBSERVE, VERDICT_BLOCK, REASON_NO_CONSENT);
    stage_get(observe_page, "/console/observe?partner=acme");
    must_show("Of 2 messages that were judged while it was observed, 2 would not");
    must_not_show("UNPROVEN");
    must_not_show("The day it is enforced");
    /* One that nobody knows. */
    stage_get(observe_page, "/console/observe?partner=%3Cscript%3E");
    must_not_show("<script>");
    must_show("It was not observed in this period");
}
END_TEST

START_TEST(waits_for_a_partner_that_sends_nothing)
{
    stage_get(observe_page, "/console/observe");
    must_show("none of its messages was judged in this period");
    must_show("observed now");
}
END_TEST

START_TEST(tells_administrators_where)
{
    observe_ombre();
    stage_get(observe_page, "/console/observe");
    must_not_show(stage.config->file);
    must_show("Your administrator changes");
    stage.role = ROLE_ADMINISTRATOR;
    stage_get(observe_page, "/console/observe");
    must_show(stage.config->file);
}
END_TEST

START_TEST(says_how_to_begin)
{
    stage_close();
    stage_open(
        "hostname = \"gate.example\" state_dir = \"state\"\n"
        "providers: { relay: { adapter = \"capture\" directory = \"mail\" } }\n"
        "partners: { acme: { name = \"ACME\" mode = \"enforce\" streams: {\n"
        "  news: { channel = \"email\" providers = [ \"relay\" ] senders = [ \"a.example\" ] "
        "} } } }\n");
    stage_get(observe_page, "/console/observe");
    must_show("No partner is observed");
    must_show("mode = &quot;observe&quot;");
    must_show("A partner that was observed before");
    stage.language = LANGUAGE_FR;
    stage_get(observe_page, "/console/observe");
    must_not_show("No partner is observed");
}
END_TEST

START_TEST(lists_several)
{
    stage_close();
    stage_open(
        "hostname = \"gate.example\" state_dir = \"state\"\n"
        "providers: { relay: { adapter = \"capture\" directory = \"mail\" } }\n"
        "partners: {\n"
        "ombre: { name = \"Ombre\" mode = \"observe\" streams: {\n"
        "  news: { channel = \"email\" providers = [ \"relay\" ] senders = [ \"a.example\" ] "
        "} } }\n"
        "acme: { name = \"ACME\" mode = \"observe\" streams: {\n"
        "  news2: { channel = \"email\" providers = [ \"relay\" ] senders = [ \"b.example\" ] "
        "} } } }\n");
    decide(3, "ombre", MODE_OBSERVE, VERDICT_BLOCK, REASON_UNPROVEN);
    decide(1, "ombre", MODE_OBSERVE, VERDICT_PASS, REASON_CONSENT);
    decide(2, "acme", MODE_OBSERVE, VERDICT_PASS, REASON_CONSENT);
    stage_get(observe_page, "/console/observe?partner=acme");
    must_show("Partners that are observed now");
    must_show("partner=ombre\">Ombre</a>");
    must_show("75.0%");
    must_show("<h2>ACME</h2>");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {says_what_enforcing_would_change,
                                  says_what_is_enforced_already,
                                  says_that_nothing_would_change,
                                  tells_of_others_than_the_observed,
                                  waits_for_a_partner_that_sends_nothing,
                                  tells_administrators_where,
                                  says_how_to_begin,
                                  lists_several,
                                  NULL};
    Suite *const suites[] = {stage_suite("console observe", tests), NULL};
    return unit_run(suites);
}
