/* SPDX-License-Identifier: Apache-2.0 */
/* Consent CSV: what goes in, what is refused and with which words. */
#include "store/import.h"

#include "tests/unit/test_registry.h"

#define HEADER "recipient,channel,event,occurred_at,form,partners,basis,supplier,evidence\n"

struct seen {
    char problems[4096]; /* "line: reason\n" each */
    struct import_counts counts;
    struct error err;
};

static void see_problem(void *arg, const struct import_problem *problem)
{
    struct seen *seen = arg;
    size_t used = strlen(seen->problems);
    snprintf(seen->problems + used, sizeof(seen->problems) - used, "%llu: %s%s%s\n",
             (unsigned long long)problem->line, problem->column,
             *problem->column != '\0' ? ": " : "", problem->reason);
    ck_assert_ptr_null(problem->text);
}

static enum result import_text(struct registry *registry, const char *text, size_t length,
                               size_t piece, bool dry_run, struct seen *seen)
{
    *seen = (struct seen){.problems = ""};
    struct hmac *hmac = hmac_new((const uint8_t *)"0123456789abcdef", 16);
    ck_assert_ptr_nonnull(hmac);
    const struct import_settings settings = {.registry = registry,
                                             .hmac = hmac,
                                             .region = "FR",
                                             .origin = "import test.csv",
                                             .input = IMPORT_CSV,
                                             .dry_run = dry_run,
                                             .evidence = "",
                                             .supplier = "",
                                             .on_problem = see_problem,
                                             .arg = seen};
    struct import *import = import_new(&settings);
    ck_assert_ptr_nonnull(import);
    enum result result = RESULT_OK;
    for (size_t i = 0; result == RESULT_OK && i < length; i += piece) {
        result = import_feed(import, text + i, length - i < piece ? length - i : piece, &seen->err);
        ck_assert(sqlite3_get_autocommit(registry->db)); /* nothing stays locked in between */
    }
    if (result == RESULT_OK)
        result = import_finish(import, &seen->err);
    seen->counts = *import_counts(import);
    import_free(&import);
    hmac_free(&hmac);
    return result;
}

static void key_of(const char *text, uint8_t key[RECIPIENT_KEY_BYTES])
{
    struct hmac *hmac = hmac_new((const uint8_t *)"0123456789abcdef", 16);
    ck_assert_ptr_nonnull(hmac);
    struct address address;
    struct recipient recipient;
    ck_assert_int_eq(address_parse(text, "FR", &address, NULL), RESULT_OK);
    ck_assert_int_eq(recipient_make(hmac, &address, &recipient, NULL), RESULT_OK);
    memcpy(key, recipient.key, RECIPIENT_KEY_BYTES);
    hmac_free(&hmac);
}

struct history {
    char text[2048];
};

static bool see_event(void *arg, const struct event_row *row)
{
    struct history *history = arg;
    size_t used = strlen(history->text);
    snprintf(history->text + used, sizeof(history->text) - used, "%s %s %s@%d [%s] %s <%s> {%s}\n",
             channel_name(row->channel), event_kind_name(row->kind),
             row->form_id != NULL ? row->form_id : "-", row->form_version, row->partners,
             basis_name(row->basis), row->supplier, row->evidence);
    ck_assert_str_eq(row->origin, "import test.csv");
    return true;
}

static void history_of(struct registry *registry, const char *address, struct history *history)
{
    uint8_t key[RECIPIENT_KEY_BYTES];
    *history = (struct history){""};
    key_of(address, key);
    ck_assert_int_eq(registry_events(registry, key, see_event, history, NULL), RESULT_OK);
}

static void open_with_form(struct bench *bench)
{
    bench_open(bench);
    ck_assert_int_eq(put_form(bench->registry, "jeu-ete", 3, "2025-01-01T00:00:00Z",
                              "\"acme\",\"beta\"", "", &bench->err),
                     RESULT_OK);
}

START_TEST(rows_become_events)
{
    struct bench bench;
    open_with_form(&bench);
    static const char text[] =
        "\xef\xbb\xbf"
        "event,recipient,channel,occurred_at,form,partners,basis,supplier,evidence\r\n"
        "given,Jean@Example.org,email,2025-02-01T00:00:00Z,jeu-ete@3,beta|acme,,leads,\"ticked,\r\n"
        "then sent by JEAN@example.org\"\r\n"
        "\r\n"
        "withdrawn,06 12 34 56 78,sms|call|sms,2025-03-01T00:00:00+01:00,,,,,\n"
        "given,anna@example.org,email|post,2025-02-01T00:00:00Z,,,soft-opt-in,,";
    for (size_t piece = 1; piece < sizeof(text); piece = piece * 3 + 1) {
        struct seen seen;
        enum result result =
            import_text(bench.registry, text, sizeof(text) - 1, piece, false, &seen);
        ck_assert_msg(result == RESULT_OK, "%s", seen.err.text);
        ck_assert_str_eq(seen.problems, "");
        ck_assert_uint_eq(seen.counts.lines, 3);
        ck_assert_uint_eq(seen.counts.accepted, piece == 1 ? 3 : 0);
        ck_assert_uint_eq(seen.counts.duplicates, piece == 1 ? 0 : 3);
        ck_assert_uint_eq(seen.counts.events_added, piece == 1 ? 5 : 0);
    }
    struct history history;
    history_of(bench.registry, "jean@example.org", &history);
    ck_assert_str_eq(history.text,
                     "email given jeu-ete@3 [acme|beta] consent <leads> {ticked,\r\nthen sent by "
                     "j\u2022\u2022\u2022@example.org}\n");
    history_of(bench.registry, "+33612345678", &history);
    ck_assert_str_eq(history.text, "sms withdrawn -@0 [] consent <> {}\n"
                                   "call withdrawn -@0 [] consent <> {}\n");
    history_of(bench.registry, "anna@example.org", &history);
    ck_assert_str_eq(history.text, "email given -@0 [] soft-opt-in <> {}\n"
                                   "post given -@0 [] soft-opt-in <> {}\n");
    bench_close(&bench);
}
END_TEST

START_TEST(a_header_that_does_not_hold_refuses_the_file)
{
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"recipient,channel,event,occurred_at,form,partners,basis,supplier,evidence,colour\n",
         "1: unknown column \"colour\""},
        {"recipient,channel,event,occurred_at,form,partners,basis,supplier,Evidence\n",
         "1: unknown column \"Evidence\""},
        {"recipient,channel,event,occurred_at,form,partners,basis,supplier\n",
         "1: column \"evidence\" is missing"},
        {"recipient,channel,event,event,occurred_at,form,partners,basis,supplier,evidence\n",
         "1: column \"event\" stands twice"},
        {"jean@example.org,email,given\n", "1: column 1 has no known name"},
        {"", "1: the header is missing"},
        {"\n\n", "1: the header is missing"},
        {"recip\"ient\n", "1: a quote inside a field that does not start with one"},
    };
    struct bench bench;
    open_with_form(&bench);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[512];
        struct seen seen;
        snprintf(text, sizeof(text),
                 "%sjean@example.org,email,withdrawn,2025-01-01T00:00:00Z,,,,,\n", rows[i].text);
        const char *given = i == 5 || i == 6 ? rows[i].text : text;
        ck_assert_int_eq(import_text(bench.registry, given, strlen(given), 4096, false, &seen),
                         RESULT_BAD_INPUT);
        ck_assert_str_eq(seen.err.text, rows[i].error);
        ck_assert_uint_eq(seen.counts.lines, 0);
    }
    bench_close(&bench);
}
END_TEST

START_TEST(rows_that_do_not_hold_are_told_one_by_one)
{
    static const struct {
        const char *row, *reason; /* reason NULL: any, as long as it names the recipient column */
    } rows[] = {
        {"jean@example.org,fax,given,2025-02-01T00:00:00Z,,,,,", "channel: \"fax\" is unknown"},
        {"jean@example.org,,given,2025-02-01T00:00:00Z,,,,,", "channel: empty"},
        {"jean@example.org,email|,given,2025-02-01T00:00:00Z,,,,,",
         "channel: an empty value before or after '|'"},
        {"jean@example.org,email|sms,given,2025-02-01T00:00:00Z,,,,,",
         "channel: an e-mail address cannot be reached by sms"},
        {"0612345678,email,given,2025-02-01T00:00:00Z,,,,,",
         "channel: a phone number cannot be reached by email"},
        {"jean@example.org,anna@example.org,given,2025-02-01T00:00:00Z,,,,,",
         "channel: unknown value"},
        {"jean@example.org,email,yes,2025-02-01T00:00:00Z,,,,,", "event: \"yes\" is unknown"},
        {"jean@example.org,email,,2025-02-01T00:00:00Z,,,,,", "event: empty"},
        {"jean@example.org,email,0612345678,2025-02-01T00:00:00Z,,,,,", "event: unknown value"},
        {"jean@example.org,email,given,2025-02-30T00:00:00Z,,,,,",
         "occurred_at: \"2025-02-30T00:00:00Z\" is not an RFC 3339 instant with its offset"},
        {"jean@example.org,email,given,2025-02-01T00:00:00,,,,,",
         "occurred_at: \"2025-02-01T00:00:00\" is not an RFC 3339 instant with its offset"},
        {"jean@example.org,email,given,01/02/2025,,,,,",
         "occurred_at: not an RFC 3339 instant such as 2026-01-31T12:00:00Z"},
        {"jean@example.org,email,given,+33612345678,,,,,",
         "occurred_at: not an RFC 3339 instant such as 2026-01-31T12:00:00Z"},
        {"jean@example.org,email,given,2012-345678,,,,,",
         "occurred_at: not an RFC 3339 instant such as 2026-01-31T12:00:00Z"},
        {"jean@example.org,email,given,,,,,,", "occurred_at: empty"},
        {"jean@example.org,email,given,2999-01-01T00:00:00Z,,,,,",
         "occurred_at: a grant cannot lie in the future (2999-01-01T00:00:00Z)"},
        {"jean@example.org,email,given,2025-02-01T00:00:00Z,jeu-ete,,,,",
         "form: not written as ID@VERSION"},
        {"jean@example.org,email,given,2025-02-01T00:00:00Z,jean@example.org,,,,",
         "form: not written as ID@VERSION"},
        {"jean@example.org,email,given,2025-02-01T00:00:00Z,jeu-ete@03,,,,",
         "form: not written as ID@VERSION"},
        {"jean@example.org,email,given,2025-02-01T00:00:00Z,jeu-ete@4,,,,",
         "form: form jeu-ete@4 is not registered"},
        {"jean@example.org,email,given,2025-02-01T00:00:00Z,jeu-ete@3,acme|gamma,,,",
         "partners: partner \"gamma\" is not on the list of jeu-ete@3"},
        {"jean@example.org,email,given,2025-02-01T00:00:00Z,jeu-ete@3,anna@example.org,,,",
         "partners: value 1 is not a partner id"},
        {"jean@example.org,email,given,2025-02-01T00:00:00Z,jeu-ete@3,acme||beta,,,",
         "partners: an empty value before or after '|'"},
        {"jean@example.org,email,given,2025-02-01T00:00:00Z,,,maybe,,",
         "basis: \"maybe\" is unknown"},
        {"jean@example.org,email,given,2025-02-01T00:00:00Z,,,,Jean@example.org,",
         "supplier: repeats the recipient"},
        {"jean@example.org,email,given", "3 fields, the header has 9"},
        {"jean\"@example.org,email,given", "a quote inside a field that does not start with one"},
        {"jean@@example.org,email,given,2025-02-01T00:00:00Z,,,,,", NULL},
        {",email,given,2025-02-01T00:00:00Z,,,,,", NULL},
        {"12,sms,given,2025-02-01T00:00:00Z,,,,,", NULL},
    };
    struct bench bench;
    open_with_form(&bench);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int dry = 0; dry < 2; dry++) {
            char text[512];
            char wanted[256];
            struct seen seen;
            snprintf(text, sizeof(text), HEADER "%s\n", rows[i].row);
            snprintf(wanted, sizeof(wanted), "2: %s\n", rows[i].reason);
            ck_assert_int_eq(import_text(bench.registry, text, strlen(text), 4096, dry == 1, &seen),
                             RESULT_OK);
            if (rows[i].reason != NULL)
                ck_assert_str_eq(seen.problems, wanted);
            ck_assert_msg(rows[i].reason != NULL ||
                              strncmp(seen.problems, "2: recipient: ", 14) == 0,
                          "%s", seen.problems);
            ck_assert_ptr_null(strstr(seen.problems, "example.org"));
            ck_assert_ptr_null(strstr(seen.problems, "12345678"));
            ck_assert_uint_eq(seen.counts.lines, 1);
            ck_assert_uint_eq(seen.counts.refused, 1);
        }
    struct registry_counts counts;
    ck_assert_int_eq(registry_counts(bench.registry, &counts, NULL), RESULT_OK);
    ck_assert_uint_eq(counts.events, 0);
    bench_close(&bench);
}
END_TEST

START_TEST(good_rows_around_a_bad_one_are_kept)
{
    struct bench bench;
    open_with_form(&bench);
    static const char text[] =
        HEADER "a@example.org,email,given,2025-02-01T00:00:00Z,jeu-ete@3,,,,x\n"
               "b@example.org,fax,given,2025-02-01T00:00:00Z,jeu-ete@3,,,,x\n"
               "\"c@example.org\",email,objected,2999-02-01T00:00:00Z,unheard-of@7,zeta,,,\"line\n"
               "two\"\n"
               "d@example.org,email,given\n"
               "e@example.org,email,given,2025-02-01T00:00:00Z,jeu-ete@3,,,,\"\n"
               "f@example.org,email,withdrawn,2025-02-01T00:00:00Z,jeu-ete@3,,,,x\n"
               "g@example.org,email,given,2025-02-01T00:00:00Z,jeu-ete@3,,,,\"";
    struct seen seen;
    ck_assert_int_eq(import_text(bench.registry, text, sizeof(text) - 1, 4096, false, &seen),
                     RESULT_OK);
    ck_assert_str_eq(seen.problems, "3: channel: \"fax\" is unknown\n"
                                    "6: 3 fields, the header has 9\n"
                                    "7: a quoted field with a whole row in it: an open quote?\n"
                                    "9: a quoted field that is never closed\n");
    ck_assert_uint_eq(seen.counts.lines, 7);
    ck_assert_uint_eq(seen.counts.accepted, 3);
    ck_assert_uint_eq(seen.counts.refused, 4);
    bench_close(&bench);
}
END_TEST

/* Both would be one valid row of RFC 4180, and the withdrawals in it gone. */
START_TEST(two_stray_quotes_hide_no_row)
{
    static const char open_field[] =
        "a quoted field that is not closed on its line: an open quote?";
    static const char closed_behind[] = "a quote inside a field that does not start with one";
    struct bench bench;
    open_with_form(&bench);
    static const char text[] =
        "recipient,channel,event,occurred_at,form,partners,basis,evidence,supplier\n"
        "a@example.org,email,withdrawn,2025-02-01T00:00:00Z,,,,\"x,leads\n"
        "b@example.org,email,withdrawn,2025-02-01T00:00:00Z,,,,x,leads\n"
        "c@example.org,email,withdrawn,2025-02-01T00:00:00Z,,,,x\",leads\n"
        "d@example.org,email,withdrawn,2025-02-01T00:00:00Z,,,,\"x, y\",\"leads\n"
        "e@example.org,email,withdrawn,2025-02-01T00:00:00Z,,,,x,leads\n"
        "f@example.org,email,withdrawn,2025-02-01T00:00:00Z,,,,x,leads\"\n"
        "g@example.org,email,withdrawn,2025-02-01T00:00:00Z,,,,\"x, y\",leads\n";
    char want[512];
    struct seen seen;
    snprintf(want, sizeof(want), "2: %s\n4: %s\n5: %s\n7: %s\n", open_field, closed_behind,
             open_field, closed_behind);
    ck_assert_int_eq(import_text(bench.registry, text, sizeof(text) - 1, 4096, false, &seen),
                     RESULT_OK);
    ck_assert_str_eq(seen.problems, want);
    ck_assert_uint_eq(seen.counts.accepted, 3);
    bench_close(&bench);
}
END_TEST

START_TEST(a_dry_run_counts_and_writes_nothing)
{
    struct bench bench;
    open_with_form(&bench);
    static const char text[] =
        HEADER "a@example.org,email|post,given,2025-02-01T00:00:00Z,jeu-ete@3,,,leads,x\n"
               "a@example.org,email,given,2025-02-01T00:00:00Z,jeu-ete@3,,,leads,x\n"
               "b@example.org,email,withdrawn,2025-02-01T00:00:00Z,,,,,\n";
    struct seen seen;
    struct registry_counts counts;
    ck_assert_int_eq(import_text(bench.registry, text, sizeof(text) - 1, 7, true, &seen),
                     RESULT_OK);
    struct import_counts dry = seen.counts;
    ck_assert_uint_eq(dry.lines, 3);
    ck_assert_uint_eq(dry.accepted, 2);
    ck_assert_uint_eq(dry.duplicates, 1);
    ck_assert_uint_eq(dry.events_added, 3);
    ck_assert_int_eq(registry_counts(bench.registry, &counts, NULL), RESULT_OK);
    ck_assert_uint_eq(counts.events, 0);
    ck_assert_uint_eq(counts.suppliers, 0);
    ck_assert_int_eq(import_text(bench.registry, text, sizeof(text) - 1, 7, false, &seen),
                     RESULT_OK);
    ck_assert_mem_eq(&seen.counts, &dry, sizeof(dry));
    bench_close(&bench);
}
END_TEST

START_TEST(a_lock_held_elsewhere_stops_the_import)
{
    struct bench bench;
    open_with_form(&bench);
    struct registry *other = NULL;
    ck_assert_int_eq(registry_open(bench.path, false, &other, &bench.err), RESULT_OK);
    ck_assert_int_eq(registry_begin(other, &bench.err), RESULT_OK);
    sqlite3_busy_timeout(bench.registry->db, 50);
    static const char text[] = HEADER "a@example.org,fax,given,2025-02-01T00:00:00Z,,,,,\n"
                                      "a@example.org,email,given,2025-02-01T00:00:00Z,,,,,\n";
    struct seen seen;
    ck_assert_int_eq(import_text(bench.registry, text, sizeof(text) - 1, 4096, false, &seen),
                     RESULT_UNAVAILABLE);
    ck_assert_str_eq(seen.problems, "2: channel: \"fax\" is unknown\n");
    ck_assert_uint_eq(seen.counts.lines, 1);
    ck_assert_uint_eq(seen.counts.accepted, 0);
    registry_rollback(other);
    registry_close(&other);
    bench_close(&bench);
}
END_TEST

START_TEST(twenty_thousand_rows_in_short_transactions)
{
    struct bench bench;
    open_with_form(&bench);
    struct strbuf text = {0};
    strbuf_add_str(&text, HEADER);
    for (int i = 0; i < 20000; i++)
        strbuf_add_format(&text,
                          "person%d@example.org,email,given,2025-02-01T00:00:00Z,jeu-ete@3,,,"
                          "leads,form sent from 192.0.2.1\n",
                          i);
    ck_assert(!text.failed);
    struct seen seen;
    int64_t start = clock_monotonic();
    ck_assert_int_eq(import_text(bench.registry, text.data, text.length, 1 << 20, false, &seen),
                     RESULT_OK);
    int64_t taken = clock_monotonic() - start;
    ck_assert_uint_eq(seen.counts.accepted, 20000);
    ck_assert_msg(taken < 10 * CLOCK_SECOND, "%lld us", (long long)taken);
    ck_assert_int_eq(import_text(bench.registry, text.data, text.length, 1 << 16, false, &seen),
                     RESULT_OK);
    ck_assert_uint_eq(seen.counts.duplicates, 20000);
    ck_assert_uint_eq(seen.counts.events_added, 0);
    strbuf_free(&text);
    bench_close(&bench);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {rows_become_events,
                                  a_header_that_does_not_hold_refuses_the_file,
                                  rows_that_do_not_hold_are_told_one_by_one,
                                  good_rows_around_a_bad_one_are_kept,
                                  two_stray_quotes_hide_no_row,
                                  a_dry_run_counts_and_writes_nothing,
                                  a_lock_held_elsewhere_stops_the_import,
                                  twenty_thousand_rows_in_short_transactions,
                                  NULL};
    Suite *const suites[] = {unit_suite("consent csv", tests), NULL};
    return unit_run(suites);
}
