/* SPDX-License-Identifier: Apache-2.0 */
/* Retention of the journal: what goes, what stays, what remains of it, and what a kill leaves. */
#include "base/file.h"
#include "store/journal_purge.h"
#include "store/sql.h"
#include "store/tally.h"
#include "tests/unit/test_journal.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT(text)  at(text "Z")
#define LIMIT     AT("2025-11-28T00:00:00")
#define DETAIL    AT("2026-10-29T00:00:00")
#define LONG_PAST AT("2020-01-01T12:00:00")

static int64_t at(const char *text)
{
    int64_t instant;
    must(clock_parse(text, strlen(text), &instant));
    return instant;
}

/* A decision, and its outcome a second later. The id says what it is. */
struct sample {
    const char *id;
    int64_t at;
    enum mode mode;
    enum verdict verdict;
    enum reason reason;
    const char *partner;
};

static void add(struct box *box, const struct sample *sample, bool outcome)
{
    struct journal_batch *batch = journal_batch_new();
    struct recipient recipient = {.masked = "j•••@example.org"};
    const struct decision decision = {.id = sample->id,
                                      .at = sample->at,
                                      .gateway = "gate.example",
                                      .session = "s-1",
                                      .partner = sample->partner != NULL ? sample->partner : "acme",
                                      .stream = "news",
                                      .account = "acme-news",
                                      .recipient = &recipient,
                                      .verdict = sample->verdict,
                                      .reason = sample->reason,
                                      .effect = EFFECT_PASSED,
                                      .mode = sample->mode,
                                      .policy = "3f2a"};
    const struct outcome_row row = {.id = sample->id,
                                    .at = sample->at + CLOCK_SECOND,
                                    .outcome = OUTCOME_ACCEPTED,
                                    .effect = EFFECT_PASSED,
                                    .size = 1};
    must(batch != NULL && journal_batch_decision(batch, &decision));
    if (outcome)
        must(journal_batch_outcome(batch, &row));
    must(box_append(box, batch) == RESULT_OK);
}

static void append_text(struct box *box, const char *text)
{
    struct strbuf lines = {0};
    struct journal_batch *batch = NULL;
    struct error err = {0};
    strbuf_add_str(&lines, text);
    must(journal_batch_of(&lines, &batch, &err) == RESULT_OK);
    must(box_append(box, batch) == RESULT_OK);
}

/* A record of the gateway itself, as old as any and about nobody. */
static void append_registry(struct box *box)
{
    const struct registry_anchor anchor = {.at = LONG_PAST, .gateway = "gate", .event = 1};
    struct journal_batch *batch = journal_batch_new();
    must(journal_batch_registry(batch, &anchor));
    must(box_append(box, batch) == RESULT_OK);
}

static enum result append(void *arg, struct strbuf *lines, struct error *err)
{
    struct journal_batch *batch = NULL;
    enum result result = journal_batch_of(lines, &batch, err);
    return result == RESULT_OK ? box_append(arg, batch) : result;
}

static enum result refuse(void *arg, struct strbuf *lines, struct error *err)
{
    (void)arg;
    (void)lines;
    return error_set(err, RESULT_UNAVAILABLE, "not now");
}

static struct journal_purge open_purge(struct box *box, int64_t journal, int64_t detail)
{
    struct journal_purge purge = {.directory = box->directory,
                                  .limits = {.journal = journal, .detail = detail},
                                  .append = append,
                                  .append_arg = box};
    struct signing_key *key = NULL;
    must(signing_key_load_public(box->public_key, &key, NULL) == RESULT_OK);
    must(journal_index_open(box->index, box->directory, NULL, &purge.index, NULL) == RESULT_OK);
    purge.key = key;
    return purge;
}

static void close_purge(struct journal_purge *purge)
{
    struct signing_key *key = (struct signing_key *)(uintptr_t)purge->key;
    signing_key_free(&key);
    journal_index_close(&purge->index);
}

static void begin(struct box *box)
{
    struct strbuf line = {0};
    record_purging(&line, &(struct journal_purge_limits){.journal = LIMIT, .detail = DETAIL},
                   clock_now());
    append_text(box, line.data);
    strbuf_free(&line);
}

/* Counts, closes the segment, erases; the numbers must be the same. */
static struct journal_purge_counts purge_all(struct box *box, int64_t journal, int64_t detail)
{
    struct journal_purge purge = open_purge(box, journal, detail);
    struct journal_purge_counts before;
    struct journal_purge_counts done;
    struct error err = {0};
    enum result result = journal_purge_count(&purge, &before, &err);
    ck_assert_msg(result == RESULT_OK, "%s", err.text);
    begin(box);
    result = journal_purge_run(&purge, &done, &err);
    ck_assert_msg(result == RESULT_OK, "%s", err.text);
    ck_assert_uint_eq(before.decisions, done.decisions);
    ck_assert_uint_eq(before.outcomes, done.outcomes);
    ck_assert_uint_eq(before.detail_decisions, done.detail_decisions);
    ck_assert_uint_eq(before.detail_outcomes, done.detail_outcomes);
    ck_assert_int_eq(before.oldest, done.oldest);
    ck_assert_int_eq(before.oldest_detail, done.oldest_detail);
    close_purge(&purge);
    return done;
}

static uint64_t erased_rows(struct box *box)
{
    struct verify_report report;
    enum result result = box_verify(box, true, &report);
    ck_assert_msg(result == RESULT_OK, "%s", report.where);
    return report.erased;
}

/* The ids that `log` shows, oldest first, from an index as it is and from one built anew. */
static void expect_log(struct box *box, const char *ids)
{
    for (int anew = 0; anew < 2; anew++) {
        struct strbuf log = {0};
        struct strbuf shown = {0};
        char path[260];
        snprintf(path, sizeof(path), "%s%s", box->index, anew ? ".anew" : "");
        if (anew)
            unlink(path);
        box_log(box, path, 0, &log);
        for (char *end = log.data + log.length; log.length > 0 && end > log.data;) {
            char *line = end - 1;
            while (line > log.data && line[-1] != '\n')
                line--;
            char *id = strchr(line, '|') + 1;
            strbuf_add(&shown, id, strcspn(id, "|"));
            strbuf_add_char(&shown, ' ');
            end = line;
        }
        ck_assert_str_eq(shown.data != NULL ? shown.data : "", ids);
        strbuf_free(&log);
        strbuf_free(&shown);
    }
}

static int64_t one_number(struct box *box, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    must(sql_open(box->index, SQL_READ, 1000, &db, NULL) == RESULT_OK);
    must(sql_prepare(db, sql, &statement, NULL) == RESULT_OK);
    must(sqlite3_step(statement) == SQLITE_ROW);
    int64_t number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sql_close(&db);
    return number;
}

START_TEST(aged_decisions_go_with_their_outcomes)
{
    struct box box;
    box_new(&box, 1 << 20);
    box_open(&box);
    add(&box, &(struct sample){.id = "A", .at = LONG_PAST}, true);
    add(&box, &(struct sample){.id = "LAST-OUT", .at = LIMIT - 1},
        true); /* its outcome is inside */
    add(&box, &(struct sample){.id = "FIRST-IN", .at = LIMIT}, true);
    add(&box, &(struct sample){.id = "NEW", .at = clock_now()}, true);
    append_registry(&box);
    append_text(&box, "{\"type\":\"later\",\"at\":\"2020-01-01T00:00:00.000000Z\","
                      "\"recipient_key\":\"00\"}\n");
    struct journal_purge_counts counts = purge_all(&box, LIMIT, DETAIL);
    ck_assert_uint_eq(counts.decisions, 3); /* with the record of a later version */
    ck_assert_uint_eq(counts.outcomes, 2);
    ck_assert_uint_eq(counts.detail_decisions + counts.detail_outcomes, 0);
    ck_assert_int_eq(counts.oldest, AT("2020-01-01T00:00:00"));
    ck_assert_uint_eq(erased_rows(&box), 5);
    expect_log(&box, "FIRST-IN NEW ");
    struct strbuf text = {0};
    box_read(&box, 1, &text);
    ck_assert_ptr_nonnull(strstr(text.data, "\"registry\""));
    ck_assert_ptr_null(strstr(text.data, "LAST-OUT"));
    strbuf_free(&text);
    /* Nothing is left to do, and the journal goes on. */
    counts = purge_all(&box, LIMIT, DETAIL);
    ck_assert_uint_eq(counts.decisions + counts.outcomes, 0);
    add(&box, &(struct sample){.id = "AFTER", .at = clock_now()}, true);
    expect_log(&box, "FIRST-IN NEW AFTER ");
    box_close(&box);
    box_open(&box);
    ck_assert_uint_eq(erased_rows(&box), 5);
    box_free(&box);
}
END_TEST

/* Who looked at a person ends with the decisions of that time; what names nobody stays. */
START_TEST(aged_looks_at_people_go)
{
#define LOOK(at, person)                                                                           \
    "{\"type\":\"access\",\"id\":\"X\",\"at\":\"" at "\",\"gateway\":\"g\",\"who\":\"token crm\"," \
    "\"act\":\"check\",\"recipient\":\"m\",\"recipient_key\":" person "}\n"
#define PERSON "\"abababababababababababababababababababababababababababababababab\""
    struct box box;
    box_new(&box, 1 << 20);
    box_open(&box);
    append_text(&box, LOOK("2020-01-01T00:00:00.000000Z", PERSON));
    append_text(&box, LOOK("2020-01-01T00:00:00.000000Z", "null"));
    append_text(&box, LOOK("2999-01-01T00:00:00.000000Z", PERSON));
    struct journal_purge_counts counts = purge_all(&box, LIMIT, DETAIL);
    ck_assert_uint_eq(counts.accesses, 1);
    ck_assert_uint_eq(counts.decisions, 0);
    ck_assert_uint_eq(erased_rows(&box), 1);
    ck_assert_int_eq(one_number(&box, "SELECT count(*) FROM access"), 1);
    box_free(&box);
}
END_TEST

static const struct sample observed[] = {
    {"O1", 0, MODE_OBSERVE, VERDICT_BLOCK, REASON_NO_CONSENT, "acme"},
    {"O2", 0, MODE_OBSERVE, VERDICT_BLOCK, REASON_NO_CONSENT, "acme"},
    {"O3", 0, MODE_OBSERVE, VERDICT_BLOCK, REASON_STALE, "beta"},
    {"O4", 0, MODE_OBSERVE, VERDICT_BLOCK, REASON_OBJECTED, "acme"}, /* enforced: no detail */
    {"O5", 0, MODE_OBSERVE, VERDICT_PASS, REASON_CONSENT, "acme"},
    {"O6", 0, MODE_ENFORCE, VERDICT_BLOCK, REASON_NO_CONSENT, "acme"},
};

static void add_observed(struct box *box, int64_t from, char mark)
{
    for (size_t i = 0; i < sizeof(observed) / sizeof(observed[0]); i++) {
        struct sample sample = observed[i];
        char id[4] = {observed[i].id[0], observed[i].id[1], mark, '\0'};
        sample.id = id;
        sample.at = from + (int64_t)i;
        add(box, &sample, true);
    }
}

/* What a report says of [since, until): decided, let through, with no partner asked for or one. */
static struct tally_counts reported(struct box *box, int64_t since, int64_t until,
                                    const char *partner)
{
    static const enum tally_by by[] = {TALLY_DAY, TALLY_MODE, TALLY_STREAM};
    const struct tally_filter filter = {.since = since, .until = until, .partner = partner};
    struct tally_counts sum = {0};
    struct tally *tally = tally_new(by, sizeof(by) / sizeof(by[0]));
    struct journal_index *index;
    must(tally != NULL &&
         journal_index_open(box->index, box->directory, NULL, &index, NULL) == RESULT_OK);
    must(journal_index_catch_up(index, 0, NULL, NULL) == RESULT_OK);
    must(journal_index_tally(index, &filter, &tally, 1, NULL) == RESULT_OK);
    for (size_t i = 0; i < tally_count(tally); i++)
        tally_counts_add(&sum, &tally_row(tally, i)->counts);
    tally_free(&tally);
    journal_index_close(&index);
    return sum;
}

static void expect_reported(struct box *box, int64_t since, int64_t until, const char *partner,
                            unsigned decisions, unsigned let_through)
{
    const struct tally_counts counts = reported(box, since, until, partner);
    ck_assert_uint_eq(counts.decisions, decisions);
    ck_assert_uint_eq(counts.let_through, let_through);
}

START_TEST(reports_count_what_was_erased)
{
    struct box box;
    box_new(&box, 1 << 20);
    box_open(&box);
    add_observed(&box, DETAIL - CLOCK_DAY, 'a');
    add_observed(&box, DETAIL - 10, 'b'); /* the same day */
    add_observed(&box, DETAIL, 'c');
    /* All samples say that they passed, so those of O4 and O6 count as let through, too. */
    expect_reported(&box, DETAIL - CLOCK_DAY, DETAIL + CLOCK_DAY, NULL, 18, 15);
    purge_all(&box, LIMIT, DETAIL);
    expect_reported(&box, DETAIL - CLOCK_DAY, DETAIL + CLOCK_DAY, NULL, 18, 15);
    expect_reported(&box, DETAIL - CLOCK_DAY, DETAIL, NULL, 12, 10);
    expect_reported(&box, DETAIL - CLOCK_DAY, DETAIL, "beta", 2, 2);
    /* Of half a day nobody knows the share: of 'b' only what is still there. */
    expect_reported(&box, DETAIL - 3600 * CLOCK_SECOND, DETAIL, NULL, 3, 2);
    box_free(&box);
}
END_TEST

/* A purge that was killed has written totals of what it has not erased. */
START_TEST(reports_count_nothing_twice)
{
    struct box box;
    box_new(&box, 1 << 20);
    box_open(&box);
    add_observed(&box, DETAIL - CLOCK_DAY, 'a');
    append_text(&box, "{\"type\":\"totals\",\"at\":\"2026-11-28T00:00:00.000000Z\",\"segment\":1,"
                      "\"day\":\"2026-10-28\",\"part\":1,\"mode\":\"observe\",\"verdict\":"
                      "\"block\",\"counts\":[{\"partner\":\"acme\",\"channel\":\"email\","
                      "\"reason\":\"NO_CONSENT\",\"rows\":2},{\"partner\":\"beta\",\"channel\":"
                      "\"email\",\"reason\":\"STALE\",\"rows\":1}]}\n");
    expect_reported(&box, DETAIL - CLOCK_DAY, DETAIL, NULL, 6, 5);
    box_free(&box);
}
END_TEST

START_TEST(totals_remain_of_what_observe_let_through)
{
    struct box box;
    box_new(&box, 1 << 20);
    box_open(&box);
    add_observed(&box, DETAIL - CLOCK_DAY, 'a');
    add_observed(&box, DETAIL - 10, 'b'); /* the same day */
    add_observed(&box, DETAIL, 'c');      /* just inside */
    struct journal_purge_counts counts = purge_all(&box, LIMIT, DETAIL);
    ck_assert_uint_eq(counts.detail_decisions, 6);
    ck_assert_uint_eq(counts.detail_outcomes, 6);
    ck_assert_uint_eq(counts.totals, 1);
    ck_assert_uint_eq(erased_rows(&box), 12);
    expect_log(&box, "O4a O5a O6a O4b O5b O6b O1c O2c O3c O4c O5c O6c ");
    ck_assert_int_eq(one_number(&box, "SELECT sum(rows) FROM total WHERE partner = 'acme' AND"
                                      " reason = 'NO_CONSENT' AND day = '2026-10-28'"),
                     4);
    ck_assert_int_eq(one_number(&box, "SELECT rows FROM total WHERE partner = 'beta'"), 2);
    /* A day later the rest goes, and only the rest is counted. */
    counts = purge_all(&box, LIMIT, DETAIL + CLOCK_DAY);
    ck_assert_uint_eq(counts.detail_decisions, 3);
    ck_assert_uint_eq(counts.totals, 1);
    ck_assert_int_eq(one_number(&box, "SELECT sum(rows) FROM total"), 9);
    /* What is erased as aged later on was counted already, or is now. */
    counts = purge_all(&box, DETAIL + CLOCK_DAY, DETAIL + CLOCK_DAY);
    ck_assert_uint_eq(counts.decisions, 9);
    ck_assert_uint_eq(counts.totals, 0);
    expect_log(&box, "");
    box_free(&box);
}
END_TEST

START_TEST(totals_first_and_once)
{
    struct box box;
    struct journal_purge_counts counts;
    struct error err = {0};
    box_new(&box, 1 << 20);
    box_open(&box);
    add_observed(&box, DETAIL - CLOCK_DAY, 'a');
    begin(&box);
    /* No totals, no erasure. */
    struct journal_purge purge = open_purge(&box, LIMIT, DETAIL);
    purge.append = refuse;
    ck_assert_int_eq(journal_purge_run(&purge, &counts, &err), RESULT_UNAVAILABLE);
    close_purge(&purge);
    ck_assert_uint_eq(erased_rows(&box), 0);
    /* Totals, then a kill: the next purge erases and does not count again. */
    char blocked[300];
    snprintf(blocked, sizeof(blocked), "%s/00000001.new", box.directory);
    purge = open_purge(&box, LIMIT, DETAIL);
    must(file_make_folder(blocked, 0700, &err) == RESULT_OK);
    ck_assert_int_ne(journal_purge_run(&purge, &counts, &err), RESULT_OK);
    rmdir(blocked);
    close_purge(&purge);
    append_text(&box, "{\"type\":\"totals\",\"at\":\"2026-11-28T00:00:00.000000Z\",\"segment\":1,"
                      "\"day\":\"2026-10-28\",\"part\":1,\"mode\":\"observe\",\"verdict\":"
                      "\"block\",\"counts\":[{\"partner\":\"acme\",\"channel\":\"email\","
                      "\"reason\":\"NO_CONSENT\",\"rows\":2},{\"partner\":\"beta\",\"channel\":"
                      "\"email\",\"reason\":\"STALE\",\"rows\":1}]}\n");
    counts = purge_all(&box, LIMIT, DETAIL);
    ck_assert_uint_eq(counts.detail_decisions, 3);
    ck_assert_uint_eq(counts.totals, 0);
    ck_assert_int_eq(one_number(&box, "SELECT sum(rows) FROM total"), 3);
    box_free(&box);
}
END_TEST

/* Between two segments, a purge that was killed has erased decisions whose outcomes it has not. */
START_TEST(outcomes_follow_over_segments)
{
    struct box box;
    struct sample late = {.id = "LATE",
                          .at = DETAIL - CLOCK_SECOND,
                          .mode = MODE_OBSERVE,
                          .verdict = VERDICT_BLOCK,
                          .reason = REASON_NO_CONSENT};
    box_new(&box, 1 << 20);
    box_open(&box);
    add(&box, &late, false);
    begin(&box);
    append_text(&box, "{\"type\":\"outcome\",\"id\":\"LATE\",\"at\":\"2026-10-29T01:00:00.000000Z\""
                      ",\"outcome\":\"accepted\"}\n");
    append_text(&box, "{\"type\":\"outcome\",\"id\":\"LOST\",\"at\":\"2026-10-29T01:00:00.000000Z\""
                      ",\"outcome\":\"accepted\"}\n");
    struct journal_purge_counts counts = purge_all(&box, LIMIT, DETAIL);
    ck_assert_uint_eq(counts.detail_decisions, 1);
    ck_assert_uint_eq(counts.detail_outcomes, 2);
    ck_assert_uint_eq(erased_rows(&box), 3);
    box_free(&box);
}
END_TEST

START_TEST(damage_is_not_worked_into)
{
    struct box box;
    struct strbuf text = {0};
    struct journal_purge_counts counts;
    struct error err = {0};
    box_new(&box, 1 << 20);
    box_open(&box);
    add(&box, &(struct sample){.id = "A", .at = LONG_PAST}, true);
    begin(&box);
    box_read(&box, 1, &text);
    char *found = strstr(text.data, "\"accepted\"");
    must(found != NULL);
    found[1] = 'A';
    struct journal_purge purge = open_purge(&box, LIMIT, DETAIL);
    must(journal_index_catch_up(purge.index, 0, NULL, &err) == RESULT_OK);
    box_write(&box, 1, text.data, text.length);
    ck_assert_int_eq(journal_purge_run(&purge, &counts, &err), RESULT_DAMAGED);
    ck_assert_ptr_nonnull(strstr(err.text, "row 3"));
    struct strbuf after = {0};
    box_read(&box, 1, &after);
    ck_assert_uint_eq(after.length, text.length);
    close_purge(&purge);
    strbuf_free(&text);
    strbuf_free(&after);
    box_free(&box);
}
END_TEST

/* Somebody builds the index anew while the purge runs, and has come half-way. */
static enum result set_back(void *arg, struct strbuf *lines, struct error *err)
{
    struct box *box = arg;
    sqlite3 *db = NULL;
    struct journal_index *index = NULL;
    must(sql_open(box->index, SQL_WRITE, 1000, &db, err) == RESULT_OK);
    must(sql_exec(db,
                  "DELETE FROM decision; UPDATE position SET segment = 1, offset = 0, rows = 0,"
                  " hash = zeroblob(32), seen_rows = 0, seen_hash = zeroblob(32)",
                  err) == RESULT_OK);
    sql_close(&db);
    must(journal_index_open(box->index, box->directory, NULL, &index, err) == RESULT_OK);
    must(journal_index_catch_up(index, 7, NULL, err) == RESULT_OK);
    journal_index_close(&index);
    return append(arg, lines, err);
}

/* Its place in the file would be the middle of a line in the file that replaces it. */
START_TEST(an_index_half_way_is_led_past)
{
    struct box box;
    struct error err = {0};
    struct journal_purge_counts counts;
    box_new(&box, 1 << 20);
    box_open(&box);
    add_observed(&box, DETAIL - CLOCK_DAY, 'a');
    add_observed(&box, DETAIL, 'b');
    begin(&box);
    struct journal_purge purge = open_purge(&box, LIMIT, DETAIL);
    purge.append = set_back;
    enum result result = journal_purge_run(&purge, &counts, &err);
    ck_assert_msg(result == RESULT_OK, "%s", err.text);
    close_purge(&purge);
    ck_assert_uint_eq(erased_rows(&box), 6);
    expect_log(&box, "O4a O5a O6a O1b O2b O3b O4b O5b O6b ");
    box_free(&box);
}
END_TEST

/* kill -9 at any moment: what is there holds, and the next purge finishes. */
START_TEST(killed_anywhere)
{
    struct box box;
    unsigned kills = 0;
    box_new(&box, 8 * 1024);
    box_open(&box);
    for (unsigned i = 0; i < 300; i++) {
        char id[12];
        snprintf(id, sizeof(id), "ID%u", i);
        add(&box, &(struct sample){.id = id, .at = i % 3 == 0 ? LIMIT + i : LONG_PAST + i}, true);
    }
    begin(&box);
    box_close(&box); /* the child has no threads of its own */
    for (unsigned round = 0; round < 400; round++) {
        pid_t child = fork();
        must(child >= 0);
        if (child == 0) {
            struct journal_purge purge = open_purge(&box, LIMIT, DETAIL);
            struct journal_purge_counts counts;
            _exit(journal_purge_run(&purge, &counts, NULL) == RESULT_OK ? 0 : 1);
        }
        usleep(200 + round * 97 % 9000);
        kill(child, SIGKILL);
        int status = 0;
        must(waitpid(child, &status, 0) == child);
        must(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
        kills += WIFSIGNALED(status);
        if (round % 20 == 0 || !WIFSIGNALED(status))
            (void)erased_rows(&box);
    }
    ck_assert_uint_gt(kills, 20);
    box_open(&box);
    purge_all(&box, LIMIT, DETAIL);
    ck_assert_uint_eq(erased_rows(&box), 400);
    ck_assert_int_eq(one_number(&box, "SELECT count(*) FROM decision"), 100);
    box_free(&box);
}
END_TEST

START_TEST(limits_are_midnights)
{
    struct duration year = {.months = 12};
    ck_assert_int_eq(journal_purge_limit(AT("2026-11-28T11:00:00"), year), LIMIT);
    ck_assert_int_eq(journal_purge_limit(AT("2026-11-28T00:00:00"), year), LIMIT);
    ck_assert_int_eq(journal_purge_limit(-1, (struct duration){0}), -CLOCK_DAY);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {aged_decisions_go_with_their_outcomes,
                                  aged_looks_at_people_go,
                                  totals_remain_of_what_observe_let_through,
                                  reports_count_what_was_erased,
                                  reports_count_nothing_twice,
                                  totals_first_and_once,
                                  outcomes_follow_over_segments,
                                  damage_is_not_worked_into,
                                  an_index_half_way_is_led_past,
                                  killed_anywhere,
                                  limits_are_midnights,
                                  NULL};
    Suite *const suites[] = {unit_suite("purge", tests), NULL};
    return unit_run(suites);
}
