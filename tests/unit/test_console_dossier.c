/* SPDX-License-Identifier: Apache-2.0 */
/* The page of dossiers: what it says of a period, the check of the journal that is asked for there,
 * and the dossier that the clerk draws up. */
#include "console/send.h"
#include "office/checker.h"
#include "office/clerk.h"
#include "tests/unit/stage_console.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAY "/console/dossier?from=2026-05-01&to=2026-05-31"

static char kept_path[512], spool[512];

static void start_checker(void)
{
    struct error err = {0};
    str_copy(kept_path, sizeof(kept_path), sandbox_path(&stage.sandbox, "checked.json"));
    const struct checker_options options = {.journal_path = stage.box.directory,
                                            .index_path = stage.box.index,
                                            .kept_path = kept_path,
                                            .key = stage.box.key};
    ck_assert_msg(checker_start(&options, &stage.checker, &err) == RESULT_OK, "%s", err.text);
}

static void start_clerk(void)
{
    struct error err = {0};
    str_copy(spool, sizeof(spool), sandbox_path(&stage.sandbox, "spool"));
    ck_assert_int_eq(mkdir(spool, 0700), 0);
    const struct clerk_options options = {.registry_path = stage.registry_path,
                                          .index_path = stage.box.index,
                                          .journal_path = stage.box.directory,
                                          .spool = spool,
                                          .key = stage.box.key};
    ck_assert_msg(clerk_start(&options, &stage.clerk, &err) == RESULT_OK, "%s", err.text);
}

static void a_moment(void)
{
    const struct timespec moment = {.tv_nsec = 5 * 1000 * 1000};
    nanosleep(&moment, NULL);
}

static void await_check(void)
{
    struct checking now = {.wanted = true};
    for (int i = 0; i < 4000 && (now.wanted || now.running); i++) {
        a_moment();
        checker_now(stage.checker, &now);
    }
    must(!now.wanted && !now.running);
}

static void await_dossier(struct clerk_entry *entry)
{
    *entry = (struct clerk_entry){.state = CLERK_WAITING};
    for (int i = 0; i < 4000 && (entry->state == CLERK_WAITING || entry->state == CLERK_WORKING);
         i++) {
        a_moment();
        clerk_look(stage.clerk, "claire", stage.now, entry);
    }
}

static void decide(const char *day, enum verdict verdict, enum reason reason, enum mode mode)
{
    char instant[32];
    snprintf(instant, sizeof(instant), "%sT10:00:00Z", day);
    stage_decide(&(struct decision){.at = at(instant),
                                    .partner = mode == MODE_OBSERVE ? "ombre" : "beta",
                                    .verdict = verdict,
                                    .reason = reason,
                                    .mode = mode},
                 NULL);
}

/* In May: 3 permitted, 2 blocked, 1 let through; 1 in April. */
static void decide_some(void)
{
    decide("2026-04-30", VERDICT_BLOCK, REASON_WITHDRAWN, MODE_ENFORCE);
    decide("2026-05-01", VERDICT_BLOCK, REASON_UNPROVEN, MODE_OBSERVE);
    decide("2026-05-02", VERDICT_PASS, REASON_CONSENT, MODE_ENFORCE);
    decide("2026-05-20", VERDICT_BLOCK, REASON_WITHDRAWN, MODE_ENFORCE);
    decide("2026-05-20", VERDICT_BLOCK, REASON_UNPROVEN, MODE_ENFORCE);
    decide("2026-05-30", VERDICT_PASS, REASON_CONSENT, MODE_ENFORCE);
    decide("2026-05-31", VERDICT_PASS, REASON_CONSENT, MODE_ENFORCE);
}

static unsigned files_in(const char *folder)
{
    char command[600];
    unsigned n = 0;
    snprintf(command, sizeof(command), "find '%s' -type f | wc -l", folder);
    FILE *pipe = popen(command, "r");
    ck_assert_ptr_nonnull(pipe);
    must(fscanf(pipe, "%u", &n) == 1);
    pclose(pipe);
    return n;
}

/* ---- the report ---- */

START_TEST(the_month_before_unless_asked)
{
    stage_get(dossier_page, "/console/dossier");
    must_show("value=\"2026-05-01\"");
    must_show("value=\"2026-05-31\"");
    must_show("No message was submitted in this period.");
    must_show("The journal was not checked yet.");
    must_show("None was signed in this period yet");
    must(stage.visit.access.act == NULL);
}
END_TEST

START_TEST(says_what_was_submitted_and_blocked)
{
    decide_some();
    stage_get(dossier_page, MAY);
    must_show(
        "from 1 May 2026 to 31 May 2026 (UTC, both days included), 6 messages were submitted");
    must_show("3 (50.0%) were permitted");
    must_show("2 (33.3%) were blocked by the rules and did not leave.");
    must_show("1 (16.7%) was let through to the provider although the rules block it");
    must_not_show("as if it");
    must_not_show("deferred: ");
    must_show("/console/blocked?verdict=stopped&amp;purpose=receipt&amp;from=2026-05-01&amp;"
              "to=2026-05-31&amp;zone=utc\"");
    must_show("to=2026-05-31&amp;zone=utc&amp;reason=WITHDRAWN");
    must_not_show("Rows of lists screened");
    must_show("Beta &lt;SA&gt;");
    must_not_show("<SA>");
    must_not_show("@example.org");
    stage_get(dossier_page, MAY "&partner=ombre");
    must_show("1 message of the partner Ombre was submitted");
    must_show("/console/blocked?verdict=observed&amp;purpose=receipt&amp;from=2026-05-01&amp;"
              "to=2026-05-31&amp;zone=utc&amp;reason=UNPROVEN&amp;partner=ombre");
    stage_get(dossier_page, "/console/dossier?from=2026-04-01&to=2026-04-30");
    must_show("1 message was submitted");
    must_show("1 (100.0%) was blocked");
}
END_TEST

START_TEST(says_what_was_answered_as_sent)
{
    decide_some();
    stage_decide(&(struct decision){.at = at("2026-05-10T09:00:00Z"),
                                    .partner = "beta",
                                    .verdict = VERDICT_BLOCK,
                                    .reason = REASON_NO_CONSENT,
                                    .mode = MODE_DISCARD,
                                    .effect = EFFECT_DISCARDED},
                 NULL);
    stage_get(dossier_page, MAY);
    must_show("3 (42.9%) were blocked by the rules and did not leave.");
    must_show("1 (33.3%) of these was answered to its partner as if it had been sent.");
    must_show("1 message of the period was answered so: the partner may believe that it was sent.");
}
END_TEST

START_TEST(rows_of_lists_are_told_apart)
{
    decide_some();
    stage_decide(&(struct decision){.at = at("2026-05-10T09:00:00Z"),
                                    .purpose = PURPOSE_TRANSMISSION,
                                    .verdict = VERDICT_BLOCK,
                                    .reason = REASON_NO_CONSENT},
                 NULL);
    stage_get(dossier_page, MAY);
    must_show("6 messages were submitted");
    must_show("2 (33.3%) were blocked by the rules and did not leave.");
    must_show("Rows of lists screened: 1, of which 0 permitted.");
    must_show("/console/blocked?verdict=all&amp;purpose=transmission&amp;from=2026-05-01");
    must_show("transmission of the data"); /* the acts judged, side by side */
}
END_TEST

START_TEST(compares_before_and_after)
{
    decide_some();
    stage_get(dossier_page, MAY);
    must_show("To compare, choose a day within the period");
    stage_get(dossier_page, MAY "&change=2026-05-20");
    must_show("Before 20 May 2026, the rules did not permit 50.0% of what was submitted; from that "
              "day on, 50.0%.");
    must_show("value=\"2026-05-20\"");
    /* Of what left: one of two before, none of two since. */
    must_show("of what was let through to the provider</td><td class=\"n\">50.0%</td><td "
              "class=\"n\">0.0%</td>");
    /* Of each partner too: the observed one has nothing from that day on. */
    must_show("<td>Before</td><td class=\"n\">1</td><td class=\"n\">0</td><td class=\"n\">1</td>");
    must_show("<td>From that day on</td><td class=\"n\">4</td><td class=\"n\">2</td>"
              "<td class=\"n\">0</td><td class=\"n\">2</td>");
}
END_TEST

/* Neither on the page, nor when the journal is checked, nor in what is handed over. */
START_TEST(the_compared_day_is_kept)
{
    struct clerk_entry entry;
    char archive[1 << 16];
    decide_some();
    start_checker();
    start_clerk();
    stage_get(dossier_page, MAY "&change=2026-05-20");
    unsigned forms = 0;
    static const char hidden[] = "type=\"hidden\" name=\"change\" value=\"2026-05-20\"";
    for (const char *at = stage.visit.page.html.data; (at = strstr(at, hidden)) != NULL; at++)
        forms++;
    ck_assert_uint_eq(forms, 2);
    stage_post(dossier_check_act, "/console/dossier/verification",
               "from=2026-05-01&to=2026-05-31&change=2026-05-20");
    must(strstr(stage.visit.location, MAY "&change=2026-05-20&done=checking.") != NULL);
    await_check();
    stage_post(dossier_draw_act, "/console/dossier/archive",
               "from=2026-05-01&to=2026-05-31&change=2026-05-20");
    must(strstr(stage.visit.location, MAY "&change=2026-05-20&done=drawing.") != NULL);
    await_dossier(&entry);
    ck_assert_int_eq(entry.state, CLERK_READY);
    ck_assert_int_eq(entry.order.change, at("2026-05-20T00:00:00Z"));
    int fd = clerk_open(stage.clerk, "claire", stage.now, &entry);
    ssize_t n = pread(fd, archive, sizeof(archive), 0);
    must(n > 0 && memmem(archive, (size_t)n, "before-after.csv", 16) != NULL);
    close(fd);
    /* What is ready is said to be this, and not to be that without the day. */
    stage_get(dossier_page, MAY "&change=2026-05-20");
    must_show("<dd>20 May 2026</dd>");
    must_show("notice good\"");
    stage_get(dossier_page, MAY);
    must_show("<dd>20 May 2026</dd>");
    must_not_show("notice good\"");
    clerk_stop(&stage.clerk);
    checker_stop(&stage.checker);
}
END_TEST

START_TEST(a_day_that_cannot_be_compared_is_said)
{
    decide_some();
    start_clerk();
    stage_get(dossier_page, MAY "&change=2026-06-20");
    must_show("Nothing is compared: 20 June 2026 is not within the period");
    must_show("value=\"2026-06-20\"");
    must_show("name=\"change\" value=\"\"");
    stage_get(dossier_page, MAY "&change=2026-05-01");
    must_show("Nothing is compared: 1 May 2026 is not within the period");
    stage_get(dossier_page, MAY "&change=2026-05-31");
    must_not_show("Nothing is compared");
    clerk_stop(&stage.clerk);
}
END_TEST

START_TEST(says_it_in_french)
{
    decide_some();
    stage.language = LANGUAGE_FR;
    stage_get(dossier_page, MAY "&change=2026-05-20");
    must_show("6 messages ont été présentés à la passerelle");
    must_show("2 (33,3 %) ont été bloqués par les règles");
    must_show("Avant le 20 mai 2026");
}
END_TEST

START_TEST(shows_forms_as_text)
{
    struct error err = {0};
    decide_some();
    must(put_form(stage.registry, "jeu-ete", 1, "2026-01-01T00:00:00Z", "\"beta\"", "", &err) ==
         RESULT_OK);
    must(registry_suspend(stage.registry, SUSPEND_PARTNER, "beta",
                          "<script>alert(1)</script> \xe2\x80\xae", at("2026-05-10T00:00:00Z"),
                          &err) == RESULT_OK);
    stage_get(dossier_page, MAY);
    must_show("<h3>jeu-ete@1</h3>");
    must_show("&lt;script&gt;alert(1)");
    must_not_show("<script>alert");
}
END_TEST

/* ---- the check ---- */

START_TEST(checks_the_journal_when_asked)
{
    decide_some();
    start_checker();
    stage_get(dossier_page, MAY);
    must_show("action=\"/console/dossier/verification\"");
    stage_post(dossier_check_act, "/console/dossier/verification",
               "from=2026-05-01&to=2026-05-31&partner=beta");
    ck_assert_int_eq(stage.visit.status, 303);
    must(strncmp(stage.visit.location, MAY "&partner=beta&done=checking.",
                 strlen(MAY "&partner=beta&done=checking.")) == 0);
    must(strstr(stage.visit.location, "#proof") != NULL);
    ck_assert_str_eq(stage.visit.access.act, "journal.verify");
    await_check();
    stage_get(dossier_page, MAY);
    must_show("good\">the journal holds<");
    must_show("<dd>claire</dd>");
    must_show("<dd>8</dd>");
    /* A gate that starts anew still knows. */
    checker_stop(&stage.checker);
    start_checker();
    stage_get(dossier_page, MAY);
    must_show("good\">the journal holds<");
    must_show("<dd>claire</dd>");
    checker_stop(&stage.checker);
}
END_TEST

START_TEST(one_check_at_a_time)
{
    struct checked last;
    box_fill(&stage.box, 400);
    start_checker();
    must(checker_ask_for(stage.checker, "user claire"));
    unsigned taken = 1;
    stage_get(dossier_page, MAY);
    bool under_way = strstr(stage.visit.page.html.data, "http-equiv=\"refresh\"") != NULL;
    /* While it lasts a second one is not taken, and leaves no record. */
    stage_post(dossier_check_act, "/console/dossier/verification", "");
    if (strstr(stage.visit.location, "done=checking-already.") != NULL)
        must(stage.visit.access.act == NULL);
    else
        taken++;
    await_check();
    checker_last(stage.checker, &last);
    ck_assert_uint_eq(last.run, taken);
    must(under_way || taken == 2);
    stage_get(dossier_page, MAY);
    must_not_show("http-equiv=\"refresh\"");
    checker_stop(&stage.checker);
}
END_TEST

START_TEST(a_changed_entry_is_said)
{
    struct strbuf text = {0};
    decide_some();
    box_close(&stage.box);
    stage_get(dossier_page, MAY); /* the index is past it */
    box_read(&stage.box, 1, &text);
    char *found = strstr(text.data, "WITHDRAWN");
    ck_assert_ptr_nonnull(found);
    memcpy(found, "UNPROVEN_", strlen("UNPROVEN_"));
    box_write(&stage.box, 1, text.data, text.length);
    start_checker();
    must(checker_ask_for(stage.checker, "user claire"));
    await_check();
    struct checked last;
    checker_last(stage.checker, &last);
    ck_assert_int_eq(last.result, RESULT_DAMAGED);
    checker_stop(&stage.checker);
    /* … and still known after a restart. */
    start_checker();
    checker_last(stage.checker, &last);
    ck_assert_int_eq(last.result, RESULT_DAMAGED);
    ck_assert_uint_eq(last.run, 0);
    must(strstr(last.report.where, "row ") != NULL);
    stage_get(dossier_page, MAY);
    must_show("bad\">the journal does not hold<");
    must_show("An entry was changed, removed or put in: row ");
    checker_stop(&stage.checker);
    strbuf_free(&text);
}
END_TEST

/* ---- the dossier ---- */

START_TEST(draws_a_dossier_up)
{
    struct clerk_entry entry;
    char magic[4] = "";
    decide_some();
    start_clerk();
    stage_get(dossier_archive_page, "/console/dossier/archive");
    ck_assert_int_eq(stage.visit.status, 404);
    stage_get(dossier_page, MAY "&partner=beta");
    must_show("name=\"journal\"");
    stage_post(dossier_draw_act, "/console/dossier/archive",
               "from=2026-05-01&to=2026-05-31&partner=beta");
    ck_assert_int_eq(stage.visit.status, 303);
    must(strstr(stage.visit.location, "done=drawing.") != NULL);
    ck_assert_str_eq(stage.visit.access.act, "dossier.draw");
    ck_assert_str_eq(stage.visit.access.partner, "beta");
    await_dossier(&entry);
    ck_assert_int_eq(entry.state, CLERK_READY);
    must(!entry.order.with_journal);
    must(entry.bytes > 1000);
    stage_get(dossier_page, MAY "&partner=beta");
    must_show("A dossier is ready.");
    must_show("href=\"/console/dossier/archive\"");
    stage_get(dossier_archive_page, "/console/dossier/archive");
    ck_assert_int_eq(stage.visit.status, 200);
    ck_assert_str_eq(stage.visit.access.act, "dossier.export");
    ck_assert_str_eq(stage.visit.access.subject, "2026-05-01/2026-05-31");
    ck_assert_ptr_nonnull(stage.visit.send);
    ck_assert_str_eq(stage.visit.send->name, "dossier-2026-05-01-2026-05-31.zip");
    must(pread(stage.visit.send->fd, magic, sizeof(magic), 0) == sizeof(magic));
    must(memcmp(magic, "PK\3\4", sizeof(magic)) == 0);
    visit_send_drop(&stage.visit);
    /* It has no name, and goes after an hour. */
    ck_assert_uint_eq(files_in(spool), 0);
    clerk_look(stage.clerk, "claire", entry.ended_at + CLERK_KEEP - 1, &entry);
    ck_assert_int_eq(entry.state, CLERK_READY);
    clerk_look(stage.clerk, "lucas", entry.ended_at, &entry);
    ck_assert_int_eq(entry.state, CLERK_NOTHING);
    ck_assert_int_eq(clerk_open(stage.clerk, "lucas", stage.now, &entry), -1);
    clerk_look(stage.clerk, "claire", clock_now() + CLERK_KEEP, &entry);
    ck_assert_int_eq(entry.state, CLERK_NOTHING);
    clerk_stop(&stage.clerk);
}
END_TEST

START_TEST(the_journal_is_for_compliance_alone)
{
    struct clerk_entry entry;
    decide_some();
    start_clerk();
    stage.role = ROLE_READER;
    stage_get(dossier_page, MAY);
    must_not_show("name=\"journal\"");
    stage_post(dossier_draw_act, "/console/dossier/archive", "from=2026-05-01&journal=1");
    ck_assert_int_eq(stage.visit.status, 403);
    clerk_look(stage.clerk, "claire", stage.now, &entry);
    ck_assert_int_eq(entry.state, CLERK_NOTHING);
    stage.role = ROLE_COMPLIANCE;
    stage_post(dossier_draw_act, "/console/dossier/archive", "from=2026-05-01&journal=1");
    ck_assert_str_eq(stage.visit.access.answer, "journal");
    await_dossier(&entry);
    ck_assert_int_eq(entry.state, CLERK_READY);
    must(entry.order.with_journal);
    /* Whose role was changed meanwhile does not get it any more. */
    stage.role = ROLE_READER;
    stage_get(dossier_page, MAY);
    must_not_show("href=\"/console/dossier/archive\"");
    stage_get(dossier_archive_page, "/console/dossier/archive");
    ck_assert_int_eq(stage.visit.status, 403);
    must(stage.visit.send == NULL);
    clerk_stop(&stage.clerk);
}
END_TEST

START_TEST(places_are_few)
{
    struct error err = {0};
    struct clerk_entry entry;
    const struct clerk_order order = {.since = at("2026-05-01T00:00:00Z"),
                                      .until = at("2026-06-01T00:00:00Z")};
    start_clerk();
    for (int i = 0; i < CLERK_MOST; i++) {
        char user[32];
        snprintf(user, sizeof(user), "user-%d", i);
        must(clerk_ask(stage.clerk, user, &order, stage.config, stage.now, &err) == RESULT_OK);
    }
    ck_assert_int_eq(clerk_ask(stage.clerk, "claire", &order, stage.config, stage.now, &err),
                     RESULT_UNAVAILABLE);
    stage_post(dossier_draw_act, "/console/dossier/archive", "");
    must(strstr(stage.visit.location, "done=drawing-crowded.") != NULL);
    must(stage.visit.access.act == NULL);
    /* Ended with some still waiting. */
    clerk_look(stage.clerk, "user-0", stage.now, &entry);
    must(entry.state != CLERK_NOTHING);
    clerk_stop(&stage.clerk);
}
END_TEST

START_TEST(a_failure_is_told)
{
    struct clerk_entry entry;
    decide_some();
    start_clerk();
    ck_assert_int_eq(rmdir(spool), 0); /* nowhere to write */
    stage_post(dossier_draw_act, "/console/dossier/archive", "");
    await_dossier(&entry);
    ck_assert_int_eq(entry.state, CLERK_FAILED);
    stage_get(dossier_page, MAY);
    must_show("The dossier could not be drawn up.");
    must_not_show("href=\"/console/dossier/archive\"");
    clerk_stop(&stage.clerk);
}
END_TEST

/* Whoever asked for what cannot be drawn up bars nobody else. */
START_TEST(failures_give_way)
{
    struct error err = {0};
    struct clerk_entry entry = {0};
    const struct clerk_order order = {.since = at("2026-05-01T00:00:00Z"),
                                      .until = at("2026-06-01T00:00:00Z")};
    start_clerk();
    ck_assert_int_eq(rmdir(spool), 0);
    for (int i = 0; i <= CLERK_MOST; i++) {
        char user[32];
        snprintf(user, sizeof(user), "user-%d", i);
        must(clerk_ask(stage.clerk, user, &order, stage.config, stage.now, &err) == RESULT_OK);
        for (int n = 0; n < 2000 && entry.state != CLERK_FAILED; n++) {
            usleep(5000);
            clerk_look(stage.clerk, user, stage.now, &entry);
        }
        ck_assert_int_eq(entry.state, CLERK_FAILED);
        entry = (struct clerk_entry){0};
    }
    clerk_stop(&stage.clerk);
}
END_TEST

/* ---- for others ---- */

START_TEST(gives_out_what_it_takes_to_check)
{
    decide_some();
    box_close(&stage.box); /* signs its last row */
    start_clerk();
    stage_get(dossier_page, MAY);
    must_show("href=\"/console/dossier/checkpoints/8\"");
    stage_get_at(dossier_checkpoint_page, "/console/dossier/checkpoints/8", "8", NULL);
    ck_assert_str_eq(stage.visit.send->name, "checkpoint-8.json");
    must_show("{\"type\":\"checkpoint\"");
    must_show("\"signature\":");
    static const char *const none[] = {"7", "0", "08", "x", "", "9999999999999999999"};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        stage_get_at(dossier_checkpoint_page, "/console/dossier/checkpoints/x", none[i], NULL);
        ck_assert_int_eq(stage.visit.status, 404);
        must(stage.visit.send == NULL);
    }
    stage_get(dossier_key_page, "/console/dossier/public.pem");
    must_show("-----BEGIN PUBLIC KEY-----");
    must_not_show("PRIVATE");
    stage_get(dossier_script_page, "/console/dossier/verify-journal.sh");
    must_show("#!/bin/sh");
    clerk_stop(&stage.clerk);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {the_month_before_unless_asked,
                                  says_what_was_submitted_and_blocked,
                                  says_what_was_answered_as_sent,
                                  rows_of_lists_are_told_apart,
                                  compares_before_and_after,
                                  the_compared_day_is_kept,
                                  a_day_that_cannot_be_compared_is_said,
                                  says_it_in_french,
                                  shows_forms_as_text,
                                  checks_the_journal_when_asked,
                                  one_check_at_a_time,
                                  a_changed_entry_is_said,
                                  draws_a_dossier_up,
                                  the_journal_is_for_compliance_alone,
                                  places_are_few,
                                  a_failure_is_told,
                                  failures_give_way,
                                  gives_out_what_it_takes_to_check,
                                  NULL};
    Suite *const suites[] = {stage_suite("console dossier", tests), NULL};
    return unit_run(suites);
}
