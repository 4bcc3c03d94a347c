/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test_journal.h"

#include "store/index.h"
#include "store/segment.h"

#include <fcntl.h>
#include <spawn.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* ---- every byte counts ---- */

static void flip_all(struct box *box, unsigned segment, uint64_t *row, uint8_t bit)
{
    struct verify_report report;
    struct strbuf text = {0};
    char path[300];
    char file[40];
    snprintf(file, sizeof(file), "journal/%08u.seg", segment);
    box_path(box, segment, path);
    box_read(box, segment, &text);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    for (size_t i = 0; i < text.length; i++) {
        char flipped = (char)(text.data[i] ^ (bit != 0 ? bit : 1 << (i % 8)));
        char expected[40];
        must(pwrite(fd, &flipped, 1, (off_t)i) == 1);
        must(box_verify(box, false, &report) == RESULT_DAMAGED);
        must(strstr(report.where, file) != NULL);
        snprintf(expected, sizeof(expected), "row %llu, ", (unsigned long long)*row);
        if (text.data[i] != '\n' && strncmp(report.where, expected, strlen(expected)) != 0)
            ck_abort_msg("byte %zu of %s, %s: %s", i, file, expected, report.where);
        must(pwrite(fd, text.data + i, 1, (off_t)i) == 1);
        *row += text.data[i] == '\n';
    }
    close(fd);
    strbuf_free(&text);
}

START_TEST(every_changed_byte_is_found)
{
    static const uint8_t bits[] = {0, 0x20};
    struct box box;
    struct verify_report report;
    char id[RECORD_ID];
    box_new(&box, 1500);
    box_open(&box);
    record_new_id(id);
    struct journal_batch *batch = journal_batch_new();
    ck_assert(box_decision(batch, id, 1));
    ck_assert(box_outcome(batch, id));
    ck_assert_int_eq(box_append(&box, batch), RESULT_OK);
    box_fill(&box, 2);
    box_close(&box);
    ck_assert_int_eq(box_verify(&box, false, &report), RESULT_OK);
    ck_assert_uint_eq(report.segments, 2);
    for (size_t i = 0; i < sizeof(bits); i++) {
        uint64_t row = 1;
        flip_all(&box, 1, &row, bits[i]);
        flip_all(&box, 2, &row, bits[i]);
        ck_assert_uint_eq(row, report.rows + 1);
    }
    ck_assert_int_eq(box_verify(&box, false, &report), RESULT_OK);
    box_free(&box);
}
END_TEST

START_TEST(the_changed_row_is_named_with_its_id)
{
    struct box box;
    struct verify_report report;
    struct strbuf text = {0};
    char id[RECORD_ID];
    char expected[200];
    box_new(&box, 1 << 20);
    box_open(&box);
    record_new_id(id);
    struct journal_batch *batch = journal_batch_new();
    ck_assert(box_decision(batch, id, 1));
    ck_assert_int_eq(box_append(&box, batch), RESULT_OK);
    box_close(&box);
    box_read(&box, 1, &text);
    char *partner = strstr(text.data, "beta");
    *partner = 'B';
    box_write(&box, 1, text.data, text.length);
    ck_assert_int_eq(box_verify(&box, false, &report), RESULT_DAMAGED);
    snprintf(expected, sizeof(expected),
             "row 2, id %s, journal/00000001.seg line 2: the record does not match its hash", id);
    ck_assert_str_eq(report.where, expected);
    strbuf_free(&text);
    box_free(&box);
}
END_TEST

START_TEST(missing_and_shortened_files_are_named)
{
    struct box box;
    struct verify_report report;
    struct error err;
    struct strbuf text = {0};
    char path[300];
    box_new(&box, 1);
    box_open(&box);
    box_fill(&box, 3);
    box_close(&box);
    box_read(&box, 2, &text);
    box_path(&box, 2, path);
    unlink(path);
    ck_assert_int_eq(box_verify(&box, false, &report), RESULT_DAMAGED);
    ck_assert_str_eq(report.where, "journal/00000002.seg is missing");
    ck_assert_int_eq(box_try_open(&box, &err), RESULT_DAMAGED);
    ck_assert_ptr_nonnull(strstr(err.text, "00000002.seg"));
    /* Rows cut off the end of a finished segment. */
    size_t end = (size_t)((char *)memrchr(text.data, '\n', text.length - 1) - text.data) + 1;
    box_write(&box, 2, text.data, end);
    ck_assert_int_eq(box_verify(&box, false, &report), RESULT_DAMAGED);
    ck_assert_ptr_nonnull(strstr(report.where, "00000002.seg: it does not end with a checkpoint"));
    strbuf_free(&text);
    box_free(&box);
}
END_TEST

START_TEST(a_journal_of_another_key_does_not_hold)
{
    struct box box;
    struct verify_report report;
    struct error err;
    struct signing_key *other = NULL;
    box_new(&box, 1 << 20);
    box_open(&box);
    box_fill(&box, 1);
    box_close(&box);
    ck_assert_int_eq(signing_key_generate(&other, &err), RESULT_OK);
    ck_assert_int_eq(journal_verify(box.directory, other, NULL, NULL, &report, &err),
                     RESULT_DAMAGED);
    ck_assert_ptr_nonnull(strstr(report.where, "row 3, journal/00000001.seg line 3: "
                                               "the checkpoint's signature does not hold"));
    signing_key_free(&other);
    box_free(&box);
}
END_TEST

START_TEST(rows_cut_off_show_through_the_index)
{
    struct box box;
    struct verify_report report;
    struct strbuf log = {0};
    struct strbuf text = {0};
    box_new(&box, 1 << 20);
    box_open(&box);
    box_fill(&box, 3);
    box_close(&box);
    box_log(&box, box.index, 0, &log);
    ck_assert_int_eq(box_verify(&box, true, &report), RESULT_OK);
    box_read(&box, 1, &text);
    for (size_t cut = text.length - 1; cut > 0; cut--) {
        if (text.data[cut - 1] != '\n')
            continue;
        box_write(&box, 1, text.data, cut);
        ck_assert_int_eq(box_verify(&box, false, &report), RESULT_OK);
        ck_assert_int_eq(box_verify(&box, true, &report), RESULT_DAMAGED);
        ck_assert_ptr_nonnull(strstr(report.where, "but its index knows row 5: rows were cut off"));
    }
    strbuf_free(&log);
    strbuf_free(&text);
    box_free(&box);
}
END_TEST

START_TEST(rows_that_were_only_seen_show_too)
{
    struct box box;
    struct verify_report report;
    struct journal_state state;
    struct journal_index *index = NULL;
    struct strbuf text = {0};
    struct error err;
    box_new(&box, 1 << 20);
    box_open(&box);
    box_fill(&box, 3);
    journal_state(box.journal, &state);
    ck_assert_uint_eq(state.rows, 4);
    ck_assert_int_eq(journal_index_open(box.index, box.directory, NULL, &index, &err), RESULT_OK);
    ck_assert_int_eq(journal_index_note(index, &state, &err), RESULT_OK);
    journal_index_close(&index);
    box_close(&box);
    ck_assert_int_eq(box_verify(&box, true, &report), RESULT_OK);
    box_read(&box, 1, &text);
    size_t cut = text.length;
    for (int lines = 0; lines < 2; lines++)
        cut = (size_t)((char *)memrchr(text.data, '\n', cut - 1) - text.data) + 1;
    box_write(&box, 1, text.data, cut);
    ck_assert_int_eq(box_verify(&box, false, &report), RESULT_OK);
    ck_assert_int_eq(box_verify(&box, true, &report), RESULT_DAMAGED);
    ck_assert_ptr_nonnull(strstr(report.where, "but its index knows row 4: rows were cut off"));
    state.rows = 3; /* where a writer would go on */
    ck_assert_int_eq(index_compare_end(box.index, &state, &err), RESULT_DAMAGED);
    strbuf_free(&text);
    box_free(&box);
}
END_TEST

START_TEST(rows_replaced_show_through_the_index)
{
    struct box box;
    struct verify_report report;
    struct strbuf log = {0};
    char path[300];
    box_new(&box, 1 << 20);
    box_open(&box);
    box_fill(&box, 3);
    box_close(&box);
    box_log(&box, box.index, 0, &log);
    /* Someone who has the key writes another history. */
    box_path(&box, 1, path);
    unlink(path);
    box_open(&box);
    box_fill(&box, 4);
    box_close(&box);
    ck_assert_int_eq(box_verify(&box, false, &report), RESULT_OK);
    ck_assert_int_eq(box_verify(&box, true, &report), RESULT_DAMAGED);
    ck_assert_ptr_nonnull(strstr(report.where, "row 5, "));
    strbuf_free(&log);
    box_free(&box);
}
END_TEST

/* ---- erasing ---- */

static void erase_line(struct strbuf *out, const char *text, size_t length)
{
    struct line line;
    uint8_t inner[SHA256_BYTES];
    char hex[2 * SHA256_BYTES + 1];
    ck_assert(line_parse(text, length, &line));
    ck_assert(sha256_pair(line.salt, SALT_BYTES, line.record, line.length, inner));
    hex_encode(inner, sizeof(inner), hex);
    strbuf_add(out, text, 65);
    strbuf_add_format(out, "%s -\n", hex);
}

START_TEST(an_erased_record_keeps_the_chain)
{
    struct box box;
    struct verify_report report;
    struct strbuf text = {0};
    struct strbuf erased = {0};
    struct strbuf log = {0};
    box_new(&box, 1 << 20);
    box_open(&box);
    box_fill(&box, 3);
    box_close(&box);
    box_read(&box, 1, &text);
    unsigned number = 0;
    for (char *line = text.data; line < text.data + text.length; number++) {
        char *end = memchr(line, '\n', (size_t)(text.data + text.length - line));
        if (number == 2)
            erase_line(&erased, line, (size_t)(end - line));
        else
            strbuf_add(&erased, line, (size_t)(end - line) + 1);
        line = end + 1;
    }
    box_write(&box, 1, erased.data, erased.length);
    ck_assert_msg(box_verify(&box, false, &report) == RESULT_OK, "%s", report.where);
    ck_assert_uint_eq(report.erased, 1);
    ck_assert_uint_eq(report.rows, 5);
    box_open(&box);
    box_fill(&box, 1);
    box_close(&box);
    box_log(&box, box.index, 0, &log);
    size_t lines = 0;
    for (size_t i = 0; i < log.length; i++)
        lines += log.data[i] == '\n';
    ck_assert_uint_eq(lines, 3);
    ck_assert_int_eq(box_verify(&box, true, &report), RESULT_OK);
    strbuf_free(&text);
    strbuf_free(&erased);
    strbuf_free(&log);
    box_free(&box);
}
END_TEST

/* ---- the index ---- */

/* Records are read in place, and by Jansson when something in them is escaped: the same columns. */
START_TEST(plain_and_escaped_records_fill_the_same_columns)
{
    static const char *const replies[] = {"250 2.0.0 queued as 4XyZ", "250 2.0.0 \"é\" \\ queued"};
    struct box box;
    struct strbuf log = {0};
    box_new(&box, 3000);
    box_open(&box);
    for (unsigned i = 0; i < 2; i++) {
        char id[RECORD_ID];
        char expected[400];
        record_new_id(id);
        struct outcome_row row = {.id = id,
                                  .at = 1,
                                  .outcome = OUTCOME_REFUSED,
                                  .effect = EFFECT_DEFERRED,
                                  .provider = i == 0 ? NULL : "other",
                                  .provider_reply = replies[i],
                                  .queue_id = "4XyZ",
                                  .size = 1234};
        struct journal_batch *batch = journal_batch_new();
        ck_assert(box_decision(batch, id, 1));
        ck_assert(journal_batch_outcome(batch, &row));
        ck_assert_int_eq(box_append(&box, batch), RESULT_OK);
        strbuf_clear(&log);
        box_log(&box, box.index, 0, &log);
        snprintf(
            expected, sizeof(expected),
            " 42 1234|%s|2026-11-23T20:54:38.123456Z|gate.example|s-1|beta|news|acme-news|email|"
            "receipt|enforce|j•••@example.org|01%062d|pass|CONSENT|deferred|3f2a|%s|refused|%s|"
            "4XyZ|",
            id, 0, i == 0 ? "smarthost" : "other", replies[i]);
        ck_assert_msg(strstr(log.data, expected) != NULL, "no %s in %s", expected, log.data);
    }
    strbuf_free(&log);
    box_free(&box);
}
END_TEST

START_TEST(an_index_rebuilt_equals_one_that_grew)
{
    struct box box;
    struct strbuf grown = {0};
    struct strbuf rebuilt = {0};
    char other[260];
    box_new(&box, 3000);
    box_open(&box);
    for (int i = 0; i < 10; i++) {
        char id[RECORD_ID];
        struct journal_batch *batch = journal_batch_new();
        record_new_id(id);
        ck_assert(box_decision(batch, id, (unsigned)i));
        ck_assert_int_eq(box_append(&box, batch), RESULT_OK);
        strbuf_clear(&grown);
        box_log(&box, box.index, 1 + (uint64_t)i % 3, &grown);
        batch = journal_batch_new();
        ck_assert(box_outcome(batch, id));
        ck_assert_int_eq(box_append(&box, batch), RESULT_OK);
    }
    strbuf_clear(&grown);
    box_log(&box, box.index, 0, &grown);
    snprintf(other, sizeof(other), "%s/other.db", box.folder);
    box_log(&box, other, 0, &rebuilt);
    ck_assert_str_eq(grown.data, rebuilt.data);
    /* A file that is no index, and one of another version, are thrown away. */
    int fd = open(other, O_WRONLY | O_TRUNC | O_CLOEXEC);
    ck_assert_int_eq(write(fd, "this is not a database, and long enough to tell", 47), 47);
    close(fd);
    strbuf_clear(&rebuilt);
    box_log(&box, other, 0, &rebuilt);
    ck_assert_str_eq(grown.data, rebuilt.data);
    sqlite3 *db;
    ck_assert_int_eq(sqlite3_open(other, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    strbuf_clear(&rebuilt);
    box_log(&box, other, 0, &rebuilt);
    ck_assert_str_eq(grown.data, rebuilt.data);
    strbuf_free(&grown);
    strbuf_free(&rebuilt);
    box_free(&box);
}
END_TEST

START_TEST(a_broken_index_is_built_anew)
{
    static const char garbage[4096] = "garbage";
    struct box box;
    struct strbuf log = {0};
    struct strbuf rebuilt = {0};
    box_new(&box, 1 << 20);
    box_open(&box);
    box_fill(&box, 60);
    box_log(&box, box.index, 0, &log);
    /* The first page stays, so that it opens and then fails. */
    int fd = open(box.index, O_WRONLY | O_CLOEXEC);
    off_t size = lseek(fd, 0, SEEK_END);
    ck_assert_int_gt(size, 5 * 4096);
    for (off_t at = 4096; at < size; at += 4096)
        ck_assert_int_eq(pwrite(fd, garbage, sizeof(garbage), at), 4096);
    close(fd);
    box_log(&box, box.index, 0, &rebuilt);
    ck_assert_str_eq(log.data, rebuilt.data);
    /* Broken only where a new row must go: found in the middle of the transaction. */
    fd = open(box.index, O_WRONLY | O_CLOEXEC);
    ck_assert_int_eq(pwrite(fd, garbage, sizeof(garbage), 4096), 4096);
    close(fd);
    box_fill(&box, 1);
    strbuf_clear(&log);
    box_log(&box, box.index, 0, &log);
    size_t lines = 0;
    for (size_t i = 0; i < log.length; i++)
        lines += log.data[i] == '\n';
    ck_assert_uint_eq(lines, 61);
    strbuf_free(&log);
    strbuf_free(&rebuilt);
    box_free(&box);
}
END_TEST

/* A program of another version makes the index anew: rows that were cut off before must be missed
 * all the same. */
START_TEST(what_was_seen_outlives_the_index)
{
    sqlite3 *db = NULL;
    struct box box;
    struct verify_report report;
    struct strbuf text = {0};
    struct strbuf log = {0};
    box_new(&box, 1 << 20);
    box_open(&box);
    box_fill(&box, 60);
    box_log(&box, box.index, 0, &log);
    box_close(&box);
    box_read(&box, 1, &text);
    /* The last decision, and what was written when the journal was closed. */
    size_t cut = text.length;
    for (int i = 0; i < 2; i++)
        cut = (size_t)((char *)memrchr(text.data, '\n', cut - 1) - text.data) + 1;
    box_write(&box, 1, text.data, cut);
    ck_assert_int_eq(sqlite3_open(box.index, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, "PRAGMA user_version = 1", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    strbuf_clear(&log);
    box_log(&box, box.index, 0, &log);
    size_t lines = 0;
    for (size_t i = 0; i < log.length; i++)
        lines += log.data[i] == '\n';
    ck_assert_uint_eq(lines, 59);
    ck_assert_int_eq(box_verify(&box, false, &report), RESULT_OK);
    ck_assert_int_eq(box_verify(&box, true, &report), RESULT_DAMAGED);
    ck_assert_ptr_nonnull(strstr(report.where, "but its index knows row 61: rows were cut off"));
    strbuf_free(&text);
    strbuf_free(&log);
    box_free(&box);
}
END_TEST

START_TEST(several_processes_may_index_at_once)
{
    struct box box;
    struct strbuf log = {0};
    box_new(&box, 1 << 20);
    box_open(&box);
    for (int i = 0; i < 4; i++) {
        struct journal_batch *batch = journal_batch_new();
        for (unsigned j = 0; j < 3000; j++)
            must(box_decision(batch, NULL, j));
        ck_assert_int_eq(box_append(&box, batch), RESULT_OK);
    }
    box_close(&box);
    pid_t children[3];
    for (int i = 0; i < 3; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            struct journal_index *index = NULL;
            struct error err = {0};
            enum result result = journal_index_open(box.index, box.directory, NULL, &index, &err);
            if (result == RESULT_OK)
                result = journal_index_catch_up(index, 0, NULL, &err);
            if (result != RESULT_OK)
                fprintf(stderr, "%s\n", err.text);
            journal_index_close(&index);
            _exit(result == RESULT_OK ? 0 : 1);
        }
    }
    for (int i = 0; i < 3; i++) {
        int status;
        waitpid(children[i], &status, 0);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    box_log(&box, box.index, 0, &log);
    size_t lines = 0;
    for (size_t i = 0; i < log.length; i++)
        lines += log.data[i] == '\n';
    ck_assert_uint_eq(lines, 12000);
    strbuf_free(&log);
    box_free(&box);
}
END_TEST

START_TEST(the_index_refuses_a_broken_chain)
{
    struct box box;
    struct error err = {0};
    struct strbuf text = {0};
    struct journal_index *index = NULL;
    box_new(&box, 1 << 20);
    box_open(&box);
    box_fill(&box, 3);
    box_close(&box);
    box_read(&box, 1, &text);
    *strstr(text.data, "beta") = 'B';
    box_write(&box, 1, text.data, text.length);
    ck_assert_int_eq(journal_index_open(box.index, box.directory, NULL, &index, &err), RESULT_OK);
    ck_assert_int_eq(journal_index_catch_up(index, 0, NULL, &err), RESULT_DAMAGED);
    ck_assert_str_eq(err.text, "row 3, journal/00000001.seg: the record does not match its hash");
    journal_index_close(&index);
    strbuf_free(&text);
    box_free(&box);
}
END_TEST

/* ---- filters ---- */

struct seen {
    unsigned count;
    uint64_t first;
    uint64_t last;
};

static bool see(void *arg, const struct log_entry *entry)
{
    struct seen *seen = arg;
    if (seen->count++ == 0)
        seen->first = entry->seq;
    else
        ck_assert_uint_lt(entry->seq, seen->last);
    seen->last = entry->seq;
    return true;
}

START_TEST(the_log_is_filtered_newest_first)
{
    static const uint8_t key_of_3[RECIPIENT_KEY_BYTES] = {3};
    const int64_t start = INT64_C(1795467277123456);
    const struct log_filter any = {.since = INT64_MIN, .until = INT64_MAX};
    struct box box;
    struct error err;
    struct journal_index *index = NULL;
    box_new(&box, 1 << 20);
    box_open(&box);
    box_fill(&box, 12); /* rows 2 … 13 hold the numbers 0 … 11 */
    ck_assert_int_eq(journal_index_open(box.index, box.directory, NULL, &index, &err), RESULT_OK);
    ck_assert_int_eq(journal_index_catch_up(index, 0, NULL, &err), RESULT_OK);
    struct {
        struct log_filter filter;
        unsigned count;
        uint64_t first, last;
    } rows[] = {
        {any, 12, 13, 2}, {any, 3, 13, 11}, {any, 3, 10, 2}, {any, 9, 13, 3},
        {any, 4, 11, 2},  {any, 6, 12, 2},  {any, 3, 10, 2}, {any, 9, 13, 3},
        {any, 1, 5, 5},   {any, 2, 6, 5},   {any, 1, 6, 6},  {any, 0, 0, 0},
    };
    rows[1].filter.limit = 3;
    rows[2].filter.has_verdict = true;
    rows[2].filter.verdict = VERDICT_BLOCK;
    rows[3].filter.has_verdict = true;
    rows[3].filter.verdict = VERDICT_PASS;
    rows[4].filter.has_channel = true;
    rows[4].filter.channel = CHANNEL_SMS;
    rows[5].filter.partner = "acme";
    rows[6].filter.reason = "NO_CONSENT";
    rows[7].filter.reason = "CONSENT";
    rows[8].filter.recipient_key = key_of_3;
    rows[9].filter.since = start + 3 * CLOCK_SECOND;
    rows[9].filter.until = start + 5 * CLOCK_SECOND;
    rows[10].filter = rows[9].filter;
    rows[10].filter.partner = "acme";
    rows[10].filter.has_verdict = true;
    rows[10].filter.verdict = VERDICT_BLOCK;
    rows[11].filter.reason = "nonsense' OR 1";
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct seen seen = {0};
        ck_assert_int_eq(journal_index_log(index, &rows[i].filter, see, &seen, &err), RESULT_OK);
        ck_assert_msg(seen.count == rows[i].count && seen.first == rows[i].first &&
                          seen.last == rows[i].last,
                      "filter %zu: %u from %llu to %llu", i, seen.count,
                      (unsigned long long)seen.first, (unsigned long long)seen.last);
    }
    journal_index_close(&index);
    box_free(&box);
}
END_TEST

/* ---- the check a stranger can do ---- */

static int run_script(struct box *box)
{
    const char *source = getenv("srcdir");
    char script[400];
    char shell[] = "sh";
    char *const arguments[] = {shell, script, box->directory, box->public_key, NULL};
    pid_t child;
    int status;
    snprintf(script, sizeof(script), "%.300s/docs/verify-journal.sh", source ? source : ".");
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&quiet, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    ck_assert_int_eq(posix_spawnp(&child, "sh", &quiet, NULL, arguments, environ), 0);
    posix_spawn_file_actions_destroy(&quiet);
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

START_TEST(a_shell_verifies_it_too)
{
    struct box box;
    struct strbuf text = {0};
    box_new(&box, 1500);
    box_open(&box);
    box_fill(&box, 4);
    box_close(&box);
    ck_assert_int_eq(run_script(&box), 0);
    box_read(&box, 2, &text);
    *strstr(text.data, "acme") = 'A';
    box_write(&box, 2, text.data, text.length);
    ck_assert_int_eq(run_script(&box), 1);
    strbuf_free(&text);
    box_free(&box);
}
END_TEST

Suite *verify_suite(void)
{
    static const TTest *tests[17];
    const TTest *const list[] = {every_changed_byte_is_found,
                                 the_changed_row_is_named_with_its_id,
                                 missing_and_shortened_files_are_named,
                                 a_journal_of_another_key_does_not_hold,
                                 rows_cut_off_show_through_the_index,
                                 rows_that_were_only_seen_show_too,
                                 rows_replaced_show_through_the_index,
                                 an_erased_record_keeps_the_chain,
                                 plain_and_escaped_records_fill_the_same_columns,
                                 an_index_rebuilt_equals_one_that_grew,
                                 a_broken_index_is_built_anew,
                                 what_was_seen_outlives_the_index,
                                 several_processes_may_index_at_once,
                                 the_index_refuses_a_broken_chain,
                                 the_log_is_filtered_newest_first,
                                 a_shell_verifies_it_too,
                                 NULL};
    memcpy(tests, list, sizeof(list));
    return unit_suite("journal reading", tests);
}
