/* SPDX-License-Identifier: Apache-2.0 */
/* The first page: counts of a period and of the one before, what needs attention, and how the gate
 * is. */
#include "console/health.h"
#include "tests/unit/stage_console.h"

#include <stdio.h>
#include <string.h>

static struct error err;

/* So many of them, days ago. */
static void decide(int n, int days_ago, const struct decision *what)
{
    struct decision decision = *what;
    decision.at = stage.now - days_ago * CLOCK_DAY;
    for (int i = 0; i < n; i++)
        stage_decide(&decision, NULL);
}

static const struct decision passed = {.verdict = VERDICT_PASS, .reason = REASON_CONSENT};
static const struct decision stopped = {.verdict = VERDICT_BLOCK, .reason = REASON_WITHDRAWN};
static const struct decision unproven = {.verdict = VERDICT_BLOCK, .reason = REASON_UNPROVEN};
static const struct decision late = {
    .verdict = VERDICT_DEFER, .reason = REASON_OUTSIDE_HOURS, .channel = CHANNEL_SMS};
static const struct decision observed = {
    .partner = "ombre", .mode = MODE_OBSERVE, .verdict = VERDICT_BLOCK, .reason = REASON_UNPROVEN};

/* What a tile says: its number, and what it was before. */
static void must_tile(const char *label, const char *number)
{
    char text[256];
    snprintf(text, sizeof(text), "<span class=\"label\">%s</span> <strong>%s</strong>", label,
             number);
    must_show(text);
}

START_TEST(counts_a_period)
{
    decide(6, 3, &passed);
    decide(2, 3, &stopped);
    decide(1, 2, &unproven);
    decide(1, 1, &late);
    decide(2, 1, &observed);
    decide(49, 31, &passed); /* of the period before */
    decide(1, 59, &passed);
    stage_get(overview_page, "/console");
    must_tile("Messages judged", "12");
    must_tile("Messages passed", "6");
    must_tile("Messages blocked", "3"); /* blocked and not sent */
    must_tile("Let through while observed", "2");
    must_tile("Messages deferred", "1");
    must_show("before: 50");
    must_show("Of 12 messages 25.0% were blocked, more than in the period before (0.0%).");
    must_show("href=\"/console/blocked?verdict=stopped&amp;purpose=receipt&amp;from=");
    must_show("zone=utc&amp;reason=WITHDRAWN");
    must_show("<th scope=\"col\" class=\"n\">Let through while observed</th>");
    must_show("verdict=observed&amp;purpose=receipt&amp;from=");
    must_not_show("Rows of lists screened");
    must_show("href=\"/console/partners/ombre\"");
    must_show("data-chart=");
    must_show("&quot;kind&quot;:&quot;observe&quot;");
    /* As many days as were asked for. */
    stage_get(overview_page, "/console?days=2");
    must_tile("Messages judged", "3");
    must_show("before: 9");
    /* What was let through is no second time among what was stopped. */
    must_show("&quot;kind&quot;:&quot;observe&quot;,&quot;values&quot;:[2,0]");
    must_show("&quot;kind&quot;:&quot;block&quot;,&quot;values&quot;:[0,0]");
    must_show("Of 3 messages 0.0% were blocked, less than in the period before (33.3%)");
    stage_get(overview_page, "/console?days=2&partner=acme");
    must_show("Of 1 message 0.0% was blocked, less than in the period before (33.3%)");
    stage_get(overview_page, "/console?days=90");
    must_tile("Messages judged", "62");
    must_not_show("before:"); /* there is nothing before: that is no nought */
    stage_get(overview_page, "/console?days=31");
    must_not_show("before:"); /* the journal is younger */
    ck_assert_ptr_null(stage.visit.access.act);
}
END_TEST

/* A list that was screened is no message, however long; nor is it among what the list shows behind
 * the numbers. */
START_TEST(rows_of_lists_are_no_messages)
{
    static const struct decision listed = {
        .purpose = PURPOSE_TRANSMISSION, .verdict = VERDICT_BLOCK, .reason = REASON_NO_CONSENT};
    static const struct decision permitted = {
        .purpose = PURPOSE_TRANSMISSION, .verdict = VERDICT_PASS, .reason = REASON_CONSENT};
    decide(30, 1, &listed);
    stage_get(overview_page, "/console");
    must_show("No message was judged in this period");
    must_show("Rows of lists screened: 30, of which 0 permitted.");
    decide(10, 1, &permitted);
    decide(3, 5, &passed);
    decide(1, 5, &stopped);
    stage_get(overview_page, "/console");
    must_tile("Messages judged", "4");
    must_tile("Messages blocked", "1");
    must_show("Of 4 messages 25.0% were blocked.");
    must_show("Rows of lists screened: 40, of which 10 permitted.");
    must_show("/console/blocked?verdict=all&amp;purpose=transmission&amp;from=");
    must_not_show("NO_CONSENT");
    must_not_show("blocked yesterday"); /* by nobody's message */
    stage_get(overview_page, "/console?channel=sms");
    must_not_show("Rows of lists screened");
    stage_get(partners_page, "/console/partners");
    must_show("25.0%");
    must_show("Rows of lists screened: 40, of which 10 permitted.");
    stage_get_at(partner_page, "/console/partners/acme", "acme", NULL);
    must_tile("Messages judged", "4");
    must_show("Rows of lists screened: 40, of which 10 permitted.");
    stage.language = LANGUAGE_FR;
    stage_get(overview_page, "/console");
    must_not_show("Rows of lists screened");
}
END_TEST

START_TEST(narrows_to_partner_and_channel)
{
    decide(3, 1, &passed);
    decide(1, 1, &late);
    decide(2, 1, &observed);
    stage_get(overview_page, "/console?partner=ombre");
    must_tile("Messages judged", "2");
    must_show("reason=UNPROVEN&amp;partner=ombre");
    stage_get(overview_page, "/console?channel=sms");
    must_tile("Messages judged", "1");
    must_tile("Messages deferred", "1");
    must_show("channel=sms");
    must_not_show("UNPROVEN");
    stage_get(overview_page, "/console?channel=email&partner=acme&days=7");
    must_tile("Messages judged", "3");
    must_show("/console?days=30&amp;partner=acme&amp;channel=email");
    /* What is no channel is none; a partner nobody knows stays chosen, as text. */
    stage_get(overview_page, "/console?channel=%3Cscript%3E&partner=%22%3E%3Cscript%3E");
    must_not_show("<script>");
    must_not_show("\"><script");
    must_show("No message of this partner");
}
END_TEST

START_TEST(says_what_to_do_where_nothing_is)
{
    stage_get(overview_page, "/console");
    must_show("No message was judged in this period");
    must_show("Nothing needs your attention");
    must_not_show("Is the gate well?"); /* where nobody knows */
    stage.language = LANGUAGE_FR;
    stage_get(overview_page, "/console");
    must_not_show("No message was judged");
    must_not_show("Nothing needs your attention");
}
END_TEST

START_TEST(sums_long_periods_up_by_month)
{
    decide(1, 0, &passed);
    decide(2, 150, &stopped);
    stage_get(overview_page, "/console?days=200");
    must_show("The numbers by month");
    must_not_show("The numbers by day");
    ck_assert_uint_le(stage_count("<tr>"), 20);
    stage_get(overview_page, "/console?days=90");
    must_show("The numbers by day");
}
END_TEST

START_TEST(counts_each_day_once)
{
    decide(4, 0, &passed);
    decide(5, 1, &passed);
    stage_get(overview_page, "/console?days=3");
    must_show("&quot;kind&quot;:&quot;pass&quot;,&quot;values&quot;:[0,5,4]");
    must_show("&quot;kind&quot;:&quot;block&quot;,&quot;values&quot;:[0,0,0]");
}
END_TEST

/* ---- what needs attention ---- */

START_TEST(names_what_is_suspended)
{
    ck_assert_int_eq(registry_suspend(stage.registry, SUSPEND_PARTNER, "beta",
                                      "<script>plainte de jean@example.org", stage.now, &err),
                     RESULT_OK);
    ck_assert_int_eq(
        registry_suspend(stage.registry, SUSPEND_PARTNER, "acme", "for a day", stage.now, &err),
        RESULT_OK);
    ck_assert_int_eq(
        registry_resume(stage.registry, SUSPEND_PARTNER, "acme", "settled", stage.now, &err),
        RESULT_OK);
    stage_get(overview_page, "/console");
    must_show("partner Beta &lt;SA&gt;");
    must_show("href=\"/console/partners/beta\"");
    must_show("&lt;script&gt;plainte de j•••@example.org");
    must_not_show("<script>plainte");
    must_not_show("jean@");
    must_not_show("for a day");
    must_not_show("Nothing needs your attention");
    must_show("Nothing passes any more: partner Beta");
    ck_assert_int_eq(
        registry_suspend(stage.registry, SUSPEND_STREAM, "acme/news", "hold", stage.now, &err),
        RESULT_OK);
    stage_get(overview_page, "/console");
    must_show("Nothing of this stream passes any more, the partner&#39;s other streams go on: ");
}
END_TEST

START_TEST(notices_unusual_blocks)
{
    for (int day = 2; day < 9; day++)
        decide(10, day, &passed);
    decide(20, 1, &stopped);
    decide(3, 0, &stopped); /* too few to tell anything */
    stage_get(overview_page, "/console");
    must_show("ACME Voyages: 100.0% of its messages were blocked yesterday, 0.0% in the week");
    must_show("partner=acme&amp;channel=email\">Look at these messages");
    must_not_show("blocked today");
    decide(20, 0, &stopped);
    stage_get(overview_page, "/console");
    must_show("blocked today");
    must_not_show("blocked yesterday");
}
END_TEST

/* What left all the same is no block. */
START_TEST(observes_without_alarm)
{
    static const struct decision fine = {.partner = "ombre",
                                         .mode = MODE_OBSERVE,
                                         .verdict = VERDICT_PASS,
                                         .reason = REASON_CONSENT};
    for (int day = 2; day < 9; day++)
        decide(10, day, &fine);
    decide(20, 1, &observed);
    stage_get(overview_page, "/console");
    must_tile("Let through while observed", "20");
    must_tile("Messages blocked", "0");
    must_show("Nothing needs your attention");
}
END_TEST

START_TEST(is_used_to_what_is_usual)
{
    for (int day = 0; day < 9; day++) {
        decide(10, day, &passed);
        decide(20, day, &stopped);
    }
    stage_get(overview_page, "/console");
    must_not_show("in the week before.");
    must_show("Nothing needs your attention");
}
END_TEST

/* ---- how the gate is ---- */

static const struct visit_provider well_provider = {
    .name = "relay", .adapter = "capture", .breaker = "closed", .said = "", .limit = 4};
static const struct visit_health well = {
    .version = "1.2.3",
    .config_version = "0123456789ab",
    .providers = &well_provider,
    .n_providers = 1,
    .rows = 1234,
    .failing_why = "",
    .has_behind = true,
    .check = VISIT_CHECK_HOLDS,
    .checked_rows = 1200,
    .checked_why = "",
    .check_every = 3600 * CLOCK_SECOND,
};

START_TEST(says_that_the_gate_is_well)
{
    struct visit_health health = well;
    health.checked_at = health.started_at = stage.now - CLOCK_SECOND;
    stage.health = &health;
    stage_get(overview_page, "/console");
    must_show("Is the gate well?");
    must_show("1,234 rows so far");
    must_show("1,200 rows, none changed");
    must_show("Provider relay takes messages");
    must_show("Nothing needs your attention");
    must_not_show("badge bad");
    /* Figures are for who looks after it. */
    must_not_show("0123456789ab");
    stage.role = ROLE_ADMINISTRATOR;
    stage_get(overview_page, "/console");
    must_show("0123456789ab");
    must_show("1.2.3");
}
END_TEST

START_TEST(says_what_is_wrong)
{
    struct visit_provider provider = well_provider;
    struct visit_health health = well;
    provider.breaker = "open";
    provider.said = "<b>421 no";
    health.providers = &provider;
    health.failing = true;
    health.failing_why = "No space left on <device>";
    health.check = VISIT_CHECK_BROKEN;
    health.checked_at = stage.now - CLOCK_DAY;
    health.checked_why = "row 17, id 01KB3ZQ5M8, journal/00000001.seg line 17: changed";
    health.reload_failed = true;
    health.behind = 1000000;
    health.notices_given_up = 3;
    stage.health = &health;
    stage.role = ROLE_ADMINISTRATOR;
    stage_get(overview_page, "/console");
    must_not_show("Nothing needs your attention");
    must_show("The journal cannot be written, so nothing passes");
    must_show("does not hold at row 17");
    must_show("relay is out of service");
    must_show("The configuration was changed and could not be taken");
    must_show("1,000,000 rows of the journal are not counted");
    must_show("No space left on &lt;device&gt;");
    must_show("&lt;b&gt;421 no");
    must_show("could not be passed on to a partner at all: 3");
}
END_TEST

START_TEST(misses_a_verification)
{
    struct visit_health health = well;
    health.started_at = stage.now - 10 * CLOCK_DAY;
    health.checked_at = stage.now - 4 * 3600 * CLOCK_SECOND;
    stage.health = &health;
    stage_get(overview_page, "/console");
    must_show("was not verified for longer than it should be");
    health.checking = true;
    stage_get(overview_page, "/console");
    must_not_show("was not verified for longer");
    health.checking = false;
    health.checked_at = stage.now - 3600 * CLOCK_SECOND;
    stage_get(overview_page, "/console");
    must_not_show("was not verified for longer");
    health.check = VISIT_CHECK_NONE;
    health.checked_at = 0;
    health.check_every = 0; /* nobody is told by mail: it is not done unasked */
    stage_get(overview_page, "/console");
    must_not_show("was not verified for longer");
    must_show("only where mail to compliance is configured");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {counts_a_period,
                                  rows_of_lists_are_no_messages,
                                  narrows_to_partner_and_channel,
                                  says_what_to_do_where_nothing_is,
                                  sums_long_periods_up_by_month,
                                  counts_each_day_once,
                                  names_what_is_suspended,
                                  notices_unusual_blocks,
                                  observes_without_alarm,
                                  is_used_to_what_is_usual,
                                  says_that_the_gate_is_well,
                                  says_what_is_wrong,
                                  misses_a_verification,
                                  NULL};
    Suite *const suites[] = {stage_suite("console overview", tests), NULL};
    return unit_run(suites);
}
