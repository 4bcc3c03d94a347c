/* SPDX-License-Identifier: Apache-2.0 */
/* Mail to compliance: when, what is said and what not, how it looks, and that it is not lost. */
#include "tests/unit/test_post_parts.h"

#include "base/clock.h"
#include "base/file.h"
#include "policy/calendar.h"
#include "proxy/post/letter.h"
#include "proxy/post/lookout.h"
#include "proxy/post/outbox.h"
#include "proxy/post/schedule.h"
#include "tests/unit/test_config_help.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MINUTE (60 * CLOCK_SECOND)
#define HOUR   (60 * MINUTE)

static int64_t at(const char *text)
{
    int64_t instant = 0;
    ck_assert(clock_parse(text, strlen(text), &instant));
    return instant;
}

/* ---- when ---- */

START_TEST(days_as_long_as_they_are)
{
    static const struct {
        int32_t date;
        const char *begins;
        int hours;
    } rows[] = {
        {20260328, "2026-03-27T23:00:00Z", 24}, {20260329, "2026-03-28T23:00:00Z", 23},
        {20260330, "2026-03-29T22:00:00Z", 24}, {20261025, "2026-10-24T22:00:00Z", 25},
        {20261231, "2026-12-30T23:00:00Z", 24},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t begins = date_begins("Europe/Paris", rows[i].date);
        int64_t ends = date_begins("Europe/Paris", date_before(rows[i].date, -1));
        ck_assert_int_eq(begins, at(rows[i].begins));
        ck_assert_int_eq(ends - begins, rows[i].hours * HOUR);
    }
    ck_assert_int_eq(date_begins("UTC", 20260329), at("2026-03-29T00:00:00Z"));
    ck_assert_int_eq(date_before(20260301, 1), 20260228);
    ck_assert_int_eq(date_before(20261231, -1), 20270101);
    int32_t date = 0;
    ck_assert(date_parse("2026-02-28", &date));
    ck_assert_int_eq(date, 20260228);
    ck_assert(!date_parse("2026-02-30", &date));
    ck_assert(!date_parse("28.2.2026", &date));
}
END_TEST

START_TEST(clocks_that_change)
{
    const int half_past_two = 150;
    /* 29 March: 02:00 is 03:00, 02:30 never comes. */
    ck_assert_int_eq(
        digest_due("Europe/Paris", half_past_two, at("2026-03-29T00:59:00Z"), 20260328), 0);
    ck_assert_int_eq(
        digest_due("Europe/Paris", half_past_two, at("2026-03-29T01:00:00Z"), 20260328), 20260328);
    /* 25 October: it comes twice. */
    ck_assert_int_eq(
        digest_due("Europe/Paris", half_past_two, at("2026-10-25T00:30:00Z"), 20261024), 20261024);
    ck_assert_int_eq(
        digest_due("Europe/Paris", half_past_two, at("2026-10-25T01:30:00Z"), 20261025), 0);
    /* A clock that was set back a day. */
    ck_assert_int_eq(digest_due("Europe/Paris", 0, at("2026-10-25T12:00:00Z"), 20261026), 0);
    /* Away at the time, and back the same day; or only the day after. */
    ck_assert_int_eq(digest_due("UTC", 450, at("2026-06-02T23:59:00Z"), 20260601), 20260601);
    ck_assert_int_eq(digest_due("UTC", 450, at("2026-06-03T07:29:00Z"), 20260601), 0);
    ck_assert_int_eq(digest_due("UTC", 450, at("2026-06-03T07:30:00Z"), 20260601), 20260602);
}
END_TEST

/* A year in steps of a quarter of an hour, with a gate that is away now and then. */
START_TEST(one_a_day_never_two)
{
    static const int minutes[] = {0, 150, 450, 1439};
    for (size_t i = 0; i < sizeof(minutes) / sizeof(minutes[0]); i++) {
        int32_t sent_on = 20251231;
        unsigned sent = 0, days = 0, chance = 1;
        int32_t today = 0;
        for (int64_t now = at("2026-01-01T00:00:00Z"); now < at("2027-01-01T00:00:00Z");
             now += 15 * MINUTE) {
            int32_t date = date_at("Europe/Paris", now);
            days += date != today;
            today = date;
            chance = chance * 1103515245 + 12345;
            struct local_time local;
            ck_assert(local_time_at("Europe/Paris", now, &local));
            /* The last quarter of a day it is always there. */
            bool there = chance >> 30 != 0 || local.minute >= 23 * 60 + 45;
            int32_t due = there ? digest_due("Europe/Paris", minutes[i] < 1430 ? minutes[i] : 1425,
                                             now, sent_on)
                                : 0;
            if (due == 0)
                continue;
            ck_assert_int_eq(due, date_before(today, 1));
            ck_assert_int_gt(today, sent_on);
            sent_on = today;
            sent++;
        }
        /* The first of January 2027 has begun there in the last hour. */
        ck_assert_uint_eq(days, 366);
        ck_assert_uint_ge(sent, 365);
    }
}
END_TEST

/* ---- what is said ---- */

static const int64_t patience[TROUBLE_KINDS] = {[TROUBLE_PROVIDER] = 5 * MINUTE};
static struct lookout lookout;

/* One look at which these are seen; all kinds are looked at. The sayings are said, as "new
 * journal;" and the like. */
static const char *look(int64_t now, bool journal, bool provider)
{
    static const char *const kinds[] = {"new", "again", "over"};
    static struct saying sayings[TROUBLES_MOST];
    static char said[400];
    said[0] = '\0';
    lookout_begin(&lookout);
    for (int i = 0; i < TROUBLE_KINDS; i++)
        lookout_looked(&lookout, (enum trouble_kind)i);
    if (journal)
        ck_assert(lookout_see(&lookout, TROUBLE_JOURNAL, "", "disk full", now));
    if (provider)
        ck_assert(lookout_see(&lookout, TROUBLE_PROVIDER, "relay", "", now));
    lookout_end(&lookout);
    size_t n = lookout_due(&lookout, now, patience, 24 * HOUR, sayings);
    for (size_t i = 0; i < n; i++) {
        size_t length = strlen(said);
        snprintf(said + length, sizeof(said) - length, "%s %s;", kinds[sayings[i].kind],
                 lookout.troubles[sayings[i].trouble].kind == TROUBLE_JOURNAL ? "journal"
                                                                              : "provider");
        lookout_said(&lookout, &sayings[i], now);
    }
    lookout_sweep(&lookout);
    return said;
}

/* As over a restart. */
static void again(void)
{
    struct strbuf text = {0};
    struct error err;
    ck_assert(lookout_write(&lookout, &text));
    memset(&lookout, 0x5a, sizeof(lookout));
    ck_assert_int_eq(lookout_read(&lookout, text.data, text.length, &err), RESULT_OK);
    strbuf_free(&text);
}

START_TEST(each_once_again_and_over)
{
    int64_t now = at("2026-01-01T00:00:00Z");
    memset(&lookout, 0, sizeof(lookout));
    ck_assert_str_eq(look(now, false, false), "");
    ck_assert_str_eq(look(now, true, true), "new journal;");
    ck_assert_str_eq(look(now + MINUTE, true, true), "");
    again();
    ck_assert_str_eq(look(now + 2 * MINUTE, true, true), "");
    ck_assert_str_eq(look(now + 5 * MINUTE, true, true), "new provider;");
    ck_assert_str_eq(look(now + 23 * HOUR, true, true), "");
    again();
    ck_assert_str_eq(look(now + 24 * HOUR, true, true), "again journal;");
    ck_assert_str_eq(look(now + 25 * HOUR, true, true), "again provider;");
    again();
    ck_assert_str_eq(look(now + 26 * HOUR, false, true), "over journal;");
    ck_assert_str_eq(look(now + 27 * HOUR, false, true), "");
    ck_assert_str_eq(look(now + 28 * HOUR, false, false), "over provider;");
    ck_assert_uint_eq(lookout.n, 0);
    ck_assert_str_eq(look(now + 29 * HOUR, true, false), "new journal;");
}
END_TEST

START_TEST(what_is_not_worth_a_mail)
{
    int64_t now = at("2026-01-01T00:00:00Z");
    memset(&lookout, 0, sizeof(lookout));
    /* Out of service for less than five minutes. */
    ck_assert_str_eq(look(now, false, true), "");
    ck_assert_str_eq(look(now + 4 * MINUTE, false, false), "");
    ck_assert_uint_eq(lookout.n, 0);
    ck_assert_str_eq(look(now + 5 * MINUTE, false, true), "");
    ck_assert_str_eq(look(now + 9 * MINUTE, false, true), "");
}
END_TEST

START_TEST(what_nobody_could_look_at_is_not_over)
{
    static struct saying sayings[TROUBLES_MOST];
    int64_t now = at("2026-01-01T00:00:00Z");
    memset(&lookout, 0, sizeof(lookout));
    ck_assert_str_eq(look(now, true, false), "new journal;");
    lookout_begin(&lookout);
    lookout_looked(&lookout, TROUBLE_CHAIN);
    lookout_end(&lookout);
    ck_assert_uint_eq(lookout_due(&lookout, now, patience, HOUR, sayings), 0);
    /* Only remembered: kept while nobody knows. Once seen here, not seeing it says something. */
    ck_assert_str_eq(look(now, false, false), "over journal;");
    ck_assert_str_eq(look(now, false, true), "");
    ck_assert_str_eq(look(now + 5 * MINUTE, false, true), "new provider;");
    again();
    for (int seen_here = 0; seen_here < 2; seen_here++) {
        lookout_begin(&lookout);
        lookout_looked(&lookout, TROUBLE_PROVIDER);
        lookout_keep(&lookout, TROUBLE_PROVIDER, "relay");
        lookout_end(&lookout);
        ck_assert_uint_eq(lookout_due(&lookout, now, patience, HOUR, sayings), seen_here);
        if (seen_here == 0)
            ck_assert_str_eq(look(now + 5 * MINUTE, false, true), "");
    }
    ck_assert_int_eq(sayings[0].kind, SAYING_OVER);
}
END_TEST

START_TEST(what_was_not_said_stays_due)
{
    static struct saying sayings[TROUBLES_MOST];
    int64_t now = at("2026-01-01T00:00:00Z");
    memset(&lookout, 0, sizeof(lookout));
    ck_assert(lookout_see(&lookout, TROUBLE_CHAIN, "", "row 17", now));
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(lookout_due(&lookout, now + i, patience, HOUR, sayings), 1);
    /* The end of what was told, not told yet: it is back, and that is no news. */
    lookout_said(&lookout, &sayings[0], now);
    lookout_begin(&lookout);
    lookout_looked(&lookout, TROUBLE_CHAIN);
    lookout_end(&lookout);
    ck_assert_uint_eq(lookout_due(&lookout, now, patience, HOUR, sayings), 1);
    ck_assert_int_eq(sayings[0].kind, SAYING_OVER);
    lookout_sweep(&lookout);
    ck_assert_uint_eq(lookout.n, 1);
    ck_assert(lookout_see(&lookout, TROUBLE_CHAIN, "", "row 17", now));
    ck_assert_uint_eq(lookout_due(&lookout, now, patience, HOUR, sayings), 0);
    /* More than can be remembered. */
    for (unsigned i = 0; i < TROUBLES_MOST - 1; i++) {
        char name[20];
        snprintf(name, sizeof(name), "p%u", i);
        ck_assert(lookout_see(&lookout, TROUBLE_OVERDUE, name, "1", now));
    }
    ck_assert(!lookout_see(&lookout, TROUBLE_OVERDUE, "one more", "1", now));
    struct error err;
    ck_assert_int_eq(lookout_read(&lookout, "{}", 2, &err), RESULT_DAMAGED);
    ck_assert_uint_eq(lookout.n, 0);
}
END_TEST

/* ---- how it looks ---- */

static void expect_wire(const struct strbuf *text)
{
    const char *line = text->data;
    while (*line != '\0') {
        const char *end = strstr(line, "\r\n");
        ck_assert_ptr_nonnull(end);
        ck_assert_int_le(end - line, 78);
        ck_assert_int_ne(*line, '.');
        for (const char *c = line; c < end; c++)
            ck_assert((unsigned char)*c >= ' ' && (unsigned char)*c < 0x7f);
        line = end + 2;
    }
}

START_TEST(a_letter)
{
    static const char *const to[] = {"a@example.org", "b@example.org"};
    struct strbuf out = {0};
    struct letter letter = {
        .at = at("2026-01-31T06:30:00Z"),
        .gateway = "gate.example",
        .from = "octroi@gate.example",
        .to = to,
        .n_to = 2,
        .subject =
            "La chaîne du journal est rompue : ligne 17, et une suite qui est bien trop longue",
        .text =
            ".début\nespace \nfin=\n...............................................................\
.................................................................................é\nsans fin",
    };
    ck_assert(letter_write(&letter, &out));
    expect_wire(&out);
    ck_assert_ptr_nonnull(strstr(out.data, "Date: Sat, 31 Jan 2026 06:30:00 +0000\r\n"));
    ck_assert_ptr_nonnull(strstr(out.data, "To: a@example.org,\r\n b@example.org\r\n"));
    ck_assert_ptr_nonnull(strstr(out.data, "Subject: =?utf-8?B?TGEgY2hhw65uZSBkdSBqb3VybmFsIGVzd"));
    ck_assert_ptr_nonnull(strstr(out.data, "\r\n\r\n=2Ed=C3=A9but\r\nespace=20\r\nfin=3D\r\n=2E."));
    ck_assert_ptr_nonnull(strstr(out.data, "\r\nsans fin\r\n"));
    ck_assert_ptr_null(strstr(out.data, "multipart"));
    strbuf_clear(&out);
    letter.subject =
        "plain, but far longer than the seventy-six characters that a line may have, so "
        "folded\r\nBcc: x@example.org";
    letter.attachment_name = "x.json";
    letter.attachment_type = "application/json";
    letter.attachment = "{\"a\":1}\n";
    ck_assert(letter_write(&letter, &out));
    expect_wire(&out);
    ck_assert_ptr_null(strstr(out.data, "\nBcc:"));
    ck_assert_ptr_nonnull(strstr(out.data, "\r\n\r\neyJhIjoxfQo=\r\n--"));
    ck_assert_ptr_nonnull(strstr(out.data, "--\r\n"));
    strbuf_free(&out);
}
END_TEST

/* ---- that it is not lost ---- */

static struct sandbox sandbox;

static struct outbox_mail new_mail(const char *text)
{
    struct outbox_mail mail = {.from = "octroi@gate.example", .to = "dpo@acme.example"};
    strbuf_add_str(&mail.text, text);
    return mail;
}

static size_t count(struct outbox *outbox, const char *names_expected)
{
    char **names;
    size_t n;
    struct error err;
    struct strbuf all = {0};
    ck_assert_int_eq(outbox_list(outbox, &names, &n, &err), RESULT_OK);
    for (size_t i = 0; i < n; i++) {
        strbuf_add_format(&all, "%s;", names[i]);
        free(names[i]);
    }
    free(names);
    if (names_expected != NULL)
        ck_assert_str_eq(all.data != NULL ? all.data : "", names_expected);
    strbuf_free(&all);
    return n;
}

START_TEST(an_outbox)
{
    struct outbox *outbox = NULL;
    struct outbox_mail back, mail = new_mail("Subject: x\r\n\r\ny\r\n");
    struct error err;
    sandbox_make(&sandbox);
    char *folder = strdup(sandbox_path(&sandbox, "post"));
    ck_assert_int_eq(outbox_open(folder, &outbox, &err), RESULT_OK);
    ck_assert_int_eq(outbox_put(outbox, "b", &mail, &err), RESULT_OK);
    ck_assert_int_eq(outbox_put(outbox, "a", &mail, &err), RESULT_OK);
    ck_assert_int_eq(outbox_put(outbox, "b", &mail, &err), RESULT_CONFLICT);
    outbox_close(&outbox);
    /* What a killed process left. */
    sandbox_write(&sandbox, "post/c.mail.tmp", "octroi-m", 0600);
    sandbox_write(&sandbox, "post/d.mail", "rubbish", 0600);
    ck_assert_int_eq(outbox_open(folder, &outbox, &err), RESULT_OK);
    outbox_tidy(outbox);
    ck_assert(!file_exists(sandbox_path(&sandbox, "post/c.mail.tmp")));
    count(outbox, "a;b;d;");
    ck_assert_int_eq(outbox_read(outbox, "b", &back, &err), RESULT_OK);
    ck_assert_str_eq(back.from, "octroi@gate.example");
    ck_assert_str_eq(back.to, "dpo@acme.example");
    ck_assert_str_eq(back.text.data, mail.text.data);
    outbox_mail_free(&back);
    ck_assert_int_eq(outbox_read(outbox, "d", &back, &err), RESULT_DAMAGED);
    ck_assert_int_eq(outbox_read(outbox, "e", &back, &err), RESULT_NOT_FOUND);
    outbox_set_aside(outbox, "d");
    ck_assert(file_exists(sandbox_path(&sandbox, "post/d.undelivered")));
    outbox_remove(outbox, "b");
    count(outbox, "a;");
    for (unsigned i = 1; i < OUTBOX_MOST; i++) {
        char name[20];
        snprintf(name, sizeof(name), "n%u", i);
        ck_assert_int_eq(outbox_put(outbox, name, &mail, &err), RESULT_OK);
    }
    ck_assert_int_eq(outbox_put(outbox, "one-more", &mail, &err), RESULT_UNAVAILABLE);
    outbox_close(&outbox);
    outbox_mail_free(&mail);
    free(folder);
    sandbox_remove(&sandbox);
}
END_TEST

/* The disk takes nothing: here the folder is gone. */
START_TEST(a_few_are_held_in_memory)
{
    struct outbox *outbox = NULL;
    struct outbox_mail back, mail = new_mail("Subject: x\r\n\r\ny\r\n");
    struct error err;
    sandbox_make(&sandbox);
    char *folder = strdup(sandbox_path(&sandbox, "post"));
    ck_assert_int_eq(outbox_open(folder, &outbox, &err), RESULT_OK);
    ck_assert_int_eq(outbox_put(outbox, "disk", &mail, &err), RESULT_OK);
    char *elsewhere = strdup(sandbox_path(&sandbox, "away"));
    ck_assert_int_eq(rename(folder, elsewhere), 0);
    for (unsigned i = 0; i < OUTBOX_HELD_MOST; i++) {
        char name[20];
        snprintf(name, sizeof(name), "n%u", i);
        /* The first finds nothing to list, either: that is no reason to say nothing. */
        ck_assert_int_eq(outbox_put(outbox, name, &mail, &err), RESULT_OK);
    }
    ck_assert_int_eq(outbox_put(outbox, "one-more", &mail, &err), RESULT_SYSTEM);
    ck_assert_int_eq(outbox_put(outbox, "n3", &mail, &err), RESULT_CONFLICT);
    ck_assert_int_eq(rename(elsewhere, folder), 0);
    ck_assert_uint_eq(count(outbox, NULL), OUTBOX_HELD_MOST + 1);
    ck_assert_int_eq(outbox_read(outbox, "n3", &back, &err), RESULT_OK);
    ck_assert_str_eq(back.text.data, mail.text.data);
    outbox_mail_free(&back);
    for (unsigned i = 0; i < OUTBOX_HELD_MOST; i++) {
        char name[20];
        snprintf(name, sizeof(name), "n%u", i);
        outbox_remove(outbox, name);
    }
    count(outbox, "disk;");
    outbox_close(&outbox);
    outbox_mail_free(&mail);
    free(folder);
    free(elsewhere);
    sandbox_remove(&sandbox);
}
END_TEST

int main(void)
{
    const TTest *const schedule[] = {days_as_long_as_they_are, clocks_that_change,
                                     one_a_day_never_two, NULL};
    const TTest *const said[] = {each_once_again_and_over, what_is_not_worth_a_mail,
                                 what_nobody_could_look_at_is_not_over, what_was_not_said_stays_due,
                                 NULL};
    const TTest *const mail[] = {a_letter, an_outbox, a_few_are_held_in_memory, NULL};
    Suite *const suites[] = {unit_suite("post schedule", schedule), unit_suite("post said", said),
                             unit_suite("post mail", mail), digest_suite(), NULL};
    return unit_run(suites);
}
