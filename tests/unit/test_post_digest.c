/* SPDX-License-Identifier: Apache-2.0 */
/* What a digest says, of a journal and a registry made for it. */
#include "tests/unit/test_post_parts.h"

#include "office/digest.h"
#include "proxy/post/mailing.h"
#include "tests/unit/test_config_help.h"
#include "tests/unit/test_journal.h"

#include <stdio.h>
#include <string.h>

#define DAY INT64_C(1769817600000000) /* 2026-01-31T00:00:00Z */
#define CONFIG                                                                              \
    "hostname = \"gate.example\" state_dir = \"state\"\nproviders: { relay: { adapter = "   \
    "\"esmtp\" host = \"127.0.0.1\" tls = \"none\" } }\npartners: { acme: { name = \"ACME " \
    "Voyages\" } beta: { name = \"Beta SA\" } }\nalerts: { to = [ \"dpo@acme.example\" ] "  \
    "from = \"octroi@gate.example\" provider = \"relay\" }\n"

static struct sandbox sandbox;
static struct box box;
static struct config *config;
static struct journal_index *journal_index;
static struct registry *registry;
static struct digest *digest;
static struct strbuf subject, text;

static void setup(void)
{
    struct error err = {0};
    sandbox_make(&sandbox);
    config = sandbox_config(&sandbox, CONFIG);
    box_new(&box, 1 << 20);
    box_open(&box);
    ck_assert_int_eq(registry_open(sandbox_path(&sandbox, "registry.db"), true, &registry, &err),
                     RESULT_OK);
    digest = NULL;
    subject = text = (struct strbuf){0};
}

static void teardown(void)
{
    digest_free(&digest);
    strbuf_free(&subject);
    strbuf_free(&text);
    registry_close(&registry);
    journal_index_close(&journal_index);
    config_unref(&config);
    box_free(&box);
    sandbox_remove(&sandbox);
}

/* count decisions of that partner by e-mail, blocked of them blocked, from that moment on. */
static void decide_as(const char *partner, int64_t at, unsigned count, unsigned blocked,
                      enum purpose purpose, enum mode mode)
{
    struct journal_batch *batch = journal_batch_new();
    struct recipient recipient = {.masked = "j•••@example.org"};
    for (unsigned i = 0; i < count; i++) {
        char id[RECORD_ID];
        bool block = i < blocked;
        record_new_id(id);
        struct decision decision = {
            .id = id,
            .at = at + i,
            .gateway = "gate.example",
            .session = "s",
            .partner = partner,
            .stream = "news",
            .account = "news",
            .channel = CHANNEL_EMAIL,
            .purpose = purpose,
            .recipient = &recipient,
            .verdict = block ? VERDICT_BLOCK : VERDICT_PASS,
            .reason = block ? (i % 4 == 0 ? REASON_WITHDRAWN : REASON_NO_CONSENT) : REASON_CONSENT,
            .effect = block && mode == MODE_ENFORCE ? EFFECT_REFUSED : EFFECT_PASSED,
            .mode = mode,
            .policy = "3f2a",
        };
        must(journal_batch_decision(batch, &decision));
    }
    ck_assert_int_eq(box_append(&box, batch), RESULT_OK);
}

static void decide(const char *partner, int64_t at, unsigned count, unsigned blocked)
{
    decide_as(partner, at, count, blocked, PURPOSE_RECEIPT, MODE_ENFORCE);
}

/* The digest of 31 January, the journal closed and checked. */
static void gather(void)
{
    struct error err = {0}, why = {0};
    struct verify_report report;
    struct digest_day day;
    box_close(&box);
    mailing_day("UTC", 20260131, &day);
    ck_assert_int_eq(day.since, DAY);
    ck_assert_int_eq(day.until, DAY + CLOCK_DAY);
    ck_assert_int_eq(day.week_since, DAY - 7 * CLOCK_DAY);
    ck_assert_int_eq(journal_index_open(box.index, box.directory, NULL, &journal_index, &err),
                     RESULT_OK);
    ck_assert_int_eq(journal_index_catch_up(journal_index, 0, NULL, &err), RESULT_OK);
    struct digest_sources sources = {
        .config = config, .index = journal_index, .registry = registry, .journal_key = box.key};
    ck_assert_msg(digest_gather(&sources, &day, DAY + CLOCK_DAY, &digest, &err) == RESULT_OK, "%s",
                  err.text);
    enum result result = journal_verify(box.directory, box.key, NULL, NULL, &report, &why);
    digest_checked(digest, result, &report, &why);
}

/* No-break spaces become plain ones, to be read here. */
static void plain_spaces(struct strbuf *buf)
{
    static const char *const wide[] = {"\u00a0", "\u202f"};
    for (size_t i = 0; i < 2; i++)
        for (char *at; (at = strstr(buf->data, wide[i])) != NULL;) {
            *at = ' ';
            memmove(at + 1, at + strlen(wide[i]), strlen(at + strlen(wide[i])) + 1);
        }
}

static void write_in(enum language language)
{
    strbuf_free(&subject);
    strbuf_free(&text);
    ck_assert(digest_write(digest, language, &subject, &text));
    ck_assert_ptr_null(strchr(subject.data, '\n'));
    plain_spaces(&subject);
    plain_spaces(&text);
    ck_assert_ptr_null(strstr(text.data, "example.org")); /* not even masked */
}

static void says(const char *what)
{
    ck_assert_msg(strstr(text.data, what) != NULL, "\"%s\" is not in:\n%s", what, text.data);
}

static void does_not_say(const char *what)
{
    ck_assert_msg(strstr(text.data, what) == NULL, "\"%s\" is in:\n%s", what, text.data);
}

START_TEST(counts_of_the_day_and_the_week)
{
    decide("acme", DAY - 7 * CLOCK_DAY - 10, 5, 5); /* before the week */
    decide("acme", DAY - 7 * CLOCK_DAY, 50, 5);
    decide("acme", DAY - 50, 50, 5);
    decide("acme", DAY, 100, 14); /* 14 %, 10 % before: no five points more */
    decide("beta", DAY + CLOCK_DAY - 10, 10, 0);
    decide("beta", DAY + CLOCK_DAY, 20, 20); /* after the day */
    gather();
    ck_assert_uint_eq(digest->total.decisions, 110);
    ck_assert_uint_eq(digest->total.block, 14);
    ck_assert_uint_eq(digest->week_total.decisions, 100);
    ck_assert_uint_eq(digest->n_lines, 2);
    ck_assert_uint_eq(digest->n_unusual, 0);
    write_in(LANGUAGE_EN);
    ck_assert_str_eq(subject.data, "31 January 2026: 110 messages judged, 12.7% blocked");
    says("On 31 January 2026 the gate gate.example judged 110 messages: 96 were permitted, 14 "
         "blocked (12.7%;\nin the week before 10.0%), 0 put off.\n");
    says("There is nothing you have to do.\n");
    says("ACME Voyages, E-mail\n  100 judged, 86 permitted, 14 blocked (14.0%; in the week before "
         "10.0%)");
    says("    10  NO_CONSENT: ");
    says("    4  WITHDRAWN: ");
    says("Beta SA, E-mail\n  10 judged, 10 permitted, 0 blocked (0.0%; in the week before –)");
    says("octroi verify --checkpoint FILE\n\n{\"type\":\"checkpoint\"");
    says("rows hold (signed checkpoints: 1).");
    write_in(LANGUAGE_FR);
    says("Vous n’avez rien à faire.\n");
    says("la passerelle gate.example a examiné 110 messages");
    does_not_say("There ");
}
END_TEST

/* Neither what left all the same is blocked, nor is a row of a list a message. */
START_TEST(messages_that_were_not_sent)
{
    decide("acme", DAY - CLOCK_DAY, 100, 10);
    decide("acme", DAY, 80, 8);
    decide_as("acme", DAY + 100, 20, 20, PURPOSE_RECEIPT, MODE_OBSERVE);
    decide_as("acme", DAY + 200, 500, 400, PURPOSE_TRANSMISSION, MODE_ENFORCE);
    gather();
    ck_assert_uint_eq(digest->n_unusual, 0);
    write_in(LANGUAGE_EN);
    ck_assert_str_eq(subject.data, "31 January 2026: 100 messages judged, 8.0% blocked");
    says("100 judged, 72 permitted, 8 blocked (8.0%; in the week before 10.0%)");
    says("  20 more, which the rules block, were let through: this partner is only observed\n");
}
END_TEST

START_TEST(more_than_usual)
{
    decide("acme", DAY - CLOCK_DAY, 100, 10);
    decide("acme", DAY, 20, 3); /* 15 %: half as much again, and five points */
    decide("beta", DAY - CLOCK_DAY, 100, 60);
    decide("beta", DAY, 100, 89); /* 89 to 60 is no half more */
    gather();
    ck_assert_uint_eq(digest->n_unusual, 1);
    write_in(LANGUAGE_EN);
    ck_assert_str_eq(subject.data, "1 partner blocked more than usual");
    says("* ACME Voyages, E-mail: 15.0% of the messages were blocked, 10.0% in the week before.\n");
    does_not_say("* Beta");
    does_not_say("There is nothing you have to do.");
    write_in(LANGUAGE_FR);
    ck_assert_str_eq(subject.data, "1 partenaire bloqué plus que d’habitude");
    says("* ACME Voyages, Courrier électronique : 15,0 % des messages ont été bloqués, contre 10,0 "
         "% la");
}
END_TEST

START_TEST(too_few_tell_nothing)
{
    decide("acme", DAY - CLOCK_DAY, 19, 0);
    decide("acme", DAY, 100, 100);
    decide("beta", DAY - CLOCK_DAY, 100, 0);
    decide("beta", DAY, 19, 19);
    gather();
    ck_assert_uint_eq(digest->n_unusual, 0);
}
END_TEST

START_TEST(a_broken_chain_comes_first)
{
    struct strbuf file = {0};
    decide("acme", DAY, 10, 1);
    box_close(&box);
    box_read(&box, 1, &file);
    char *found = strstr(file.data, "\"session\":\"s\"");
    ck_assert_ptr_nonnull(found);
    found[11] = 't';
    gather();
    box_write(&box, 1, file.data, file.length);
    struct verify_report report;
    struct error why = {0};
    enum result result = journal_verify(box.directory, box.key, NULL, NULL, &report, &why);
    ck_assert_int_eq(result, RESULT_DAMAGED);
    digest_checked(digest, result, &report, &why);
    write_in(LANGUAGE_EN);
    ck_assert_str_eq(subject.data, "The chain of the journal is broken: row 2");
    says("* The journal does not hold any more: row 2, id ");
    does_not_say("There is nothing you have to do.");
    write_in(LANGUAGE_FR);
    ck_assert_str_eq(subject.data, "La chaîne du journal est rompue : ligne 2");
    strbuf_free(&file);
}
END_TEST

START_TEST(an_empty_day_and_what_is_suspended)
{
    struct error err;
    ck_assert_int_eq(registry_suspend(registry, SUSPEND_PARTNER, "acme",
                                      "jeanne@other.example complained", DAY, &err),
                     RESULT_OK);
    ck_assert_int_eq(registry_suspend(registry, SUSPEND_STREAM, "beta/news", "x", DAY, &err),
                     RESULT_OK);
    ck_assert_int_eq(registry_resume(registry, SUSPEND_STREAM, "beta/news", "y", DAY + 1, &err),
                     RESULT_OK);
    gather();
    digest->notes = strdup("* The provider relay is out of service.\n");
    write_in(LANGUAGE_EN);
    ck_assert_str_eq(subject.data, "31 January 2026: no partner sent anything");
    says("partner ACME Voyages, since 31 January 2026: ");
    does_not_say("jeanne");
    does_not_say("beta/news");
    does_not_say("By partner");
    says("* The provider relay is out of service.\n");
    does_not_say("There is nothing you have to do.");
    /* Nobody checked, or it could not be read. */
    struct verify_report report = {0};
    err = (struct error){.code = RESULT_SYSTEM, .text = "no such file"};
    digest_checked(digest, RESULT_SYSTEM, &report, &err);
    write_in(LANGUAGE_EN);
    says("* The journal could not be checked: no such file.\n");
    says("It was not checked: no such file.\n");
}
END_TEST

/* A checkpoint that our key did not sign is none. */
START_TEST(a_checkpoint_of_somebody_else)
{
    struct signing_key *own = box.key;
    struct error err;
    decide("acme", DAY, 1, 0);
    box_close(&box);
    ck_assert_int_eq(signing_key_generate(&box.key, &err), RESULT_OK);
    gather();
    ck_assert(!digest->has_checkpoint);
    ck_assert_int_eq(digest->check, CHECK_BROKEN);
    write_in(LANGUAGE_EN);
    says("There is no signed checkpoint yet.\n");
    signing_key_free(&own);
}
END_TEST

Suite *digest_suite(void)
{
    const TTest *const tests[] = {counts_of_the_day_and_the_week,
                                  messages_that_were_not_sent,
                                  more_than_usual,
                                  too_few_tell_nothing,
                                  a_broken_chain_comes_first,
                                  an_empty_day_and_what_is_suspended,
                                  a_checkpoint_of_somebody_else,
                                  NULL};
    Suite *suite = suite_create("post digest");
    TCase *cases = tcase_create("post digest");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_checked_fixture(cases, setup, teardown);
    for (size_t i = 0; tests[i] != NULL; i++)
        tcase_add_test(cases, tests[i]);
    suite_add_tcase(suite, cases);
    return suite;
}
