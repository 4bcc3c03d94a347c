/* SPDX-License-Identifier: Apache-2.0 */
/* Files instead of pages: decisions as CSV, in pieces none of which looks at much, and their
 * record. */
#include "base/csv.h"
#include "console/send.h"
#include "office/folder.h"
#include "store/index.h"
#include "tests/unit/stage_console.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct log_filter filter;
static const char *name;

static enum result sends(struct visit *visit, struct error *err)
{
    return visit_send_decisions(visit, &filter, name, err);
}

static void begin(void)
{
    filter = (struct log_filter){.since = INT64_MIN, .until = INT64_MAX};
    name = "decisions.csv";
}

/* All pieces; how many there were. */
static unsigned take_all(struct strbuf *out)
{
    struct visit_send *send = stage.visit.send;
    struct strbuf piece = {0};
    struct error err = {0};
    unsigned pieces = 0;
    bool last = false;
    ck_assert_ptr_nonnull(send);
    while (!last) {
        strbuf_clear(&piece);
        must(send->pieces.make(send->pieces.own, stage.index, &piece, &last, &err) == RESULT_OK);
        must(piece.length <= 160 * 1024);
        strbuf_add(out, piece.length > 0 ? piece.data : "", piece.length);
        must(++pieces < 10000);
    }
    strbuf_free(&piece);
    must(!out->failed);
    return pieces;
}

/* ---- what a spreadsheet reads ---- */

struct sheet_row {
    unsigned rows, fields;
    char first[24][100], seen[24][100];
};

static bool on_row(void *arg, const struct csv_row *row)
{
    struct sheet_row *sheet = arg;
    must(row->problem == NULL && row->count == 24);
    for (size_t i = 0; i < row->count; i++)
        str_copy(sheet->rows == 0 ? sheet->first[i] : sheet->seen[i], 100, row->fields[i]);
    sheet->rows++;
    return true;
}

static struct sheet_row read_sheet(const struct strbuf *out)
{
    struct sheet_row sheet = {0};
    struct csv *csv = csv_new(on_row, &sheet);
    must(csv != NULL && csv_feed(csv, out->data, out->length) && csv_finish(csv));
    csv_free(&csv);
    return sheet;
}

START_TEST(file_of_decisions)
{
    char id[RECORD_ID];
    struct strbuf out = {0};
    begin();
    stage_decide(&(struct decision){.verdict = VERDICT_BLOCK,
                                    .reason = REASON_WITHDRAWN,
                                    .session = "=HYPERLINK(\"x\")",
                                    .account = "a,\"b\""},
                 id);
    name = "d\"\r\n\xc3\xa9.csv";
    stage_get(sends, "/console/blocked.csv");
    ck_assert_str_eq(stage.visit.send->name, "d-----.csv");
    ck_assert_str_eq(stage.visit.send->type, "text/csv; charset=utf-8");
    ck_assert_uint_eq(take_all(&out), 1);
    ck_assert_int_eq(strncmp(out.data, "\xef\xbb\xbfid,at,gateway,session,", 25), 0);
    ck_assert_ptr_nonnull(strstr(out.data, ",size,hash,list\r\n"));
    ck_assert_str_eq(out.data + out.length - 2, "\r\n");
    ck_assert_ptr_nonnull(strstr(out.data, "\"'=HYPERLINK(\"\"x\"\")\""));
    struct sheet_row sheet = read_sheet(&out);
    ck_assert_uint_eq(sheet.rows, 2);
    ck_assert_str_eq(sheet.first[10], "recipient_key");
    ck_assert_str_eq(sheet.seen[0], id);
    ck_assert_str_eq(sheet.seen[3], "'=HYPERLINK(\"x\")");
    ck_assert_str_eq(sheet.seen[6], "a,\"b\"");
    ck_assert_str_eq(sheet.seen[12], "WITHDRAWN");
    ck_assert_str_eq(sheet.seen[16], ""); /* no event */
    ck_assert_uint_eq(stage.visit.send->pieces.count(stage.visit.send->pieces.own), 1);
    strbuf_free(&out);
}
END_TEST

START_TEST(nothing_to_send)
{
    struct strbuf out = {0};
    begin();
    stage_get(sends, "/console/blocked.csv");
    ck_assert_uint_eq(take_all(&out), 1);
    ck_assert_uint_eq(read_sheet(&out).rows, 1);
    strbuf_free(&out);
}
END_TEST

/* ---- on record ---- */

START_TEST(its_record)
{
    char partner[] = "acme", reason[] = "WITHDRAWN", stream[] = "news", effect[] = "refused";
    uint8_t key[RECIPIENT_KEY_BYTES] = {7};
    struct strbuf out = {0};
    begin();
    stage_decide(&(struct decision){.verdict = VERDICT_BLOCK, .reason = REASON_WITHDRAWN}, NULL);
    stage_decide(&(struct decision){.verdict = VERDICT_BLOCK,
                                    .reason = REASON_WITHDRAWN,
                                    .recipient = &(struct recipient){.key = {7}, .masked = "x"}},
                 NULL);
    filter.has_verdict = filter.has_channel = true;
    filter.verdict = VERDICT_BLOCK;
    filter.channel = CHANNEL_EMAIL;
    filter.partner = partner;
    filter.reason = reason;
    filter.recipient_key = key;
    filter.since = at("2026-01-01T00:00:00Z");
    filter.stopped = true;
    filter.stream = stream;
    filter.effect = effect;
    filter.before_at = 1;
    filter.before_seq = 1;
    filter.limit = 1;
    filter.oldest_first = true;
    stage_get(sends, "/console/blocked.csv");
    const struct access *access = &stage.visit.access;
    ck_assert_str_eq(access->act, "decision.export");
    ck_assert_str_eq(access->partner, "acme");
    ck_assert_str_eq(access->channel, "email");
    ck_assert_str_eq(access->subject,
                     "verdict=block verdict=block|defer effect=refused reason=WITHDRAWN "
                     "stream=news since=2026-01-01T00:00:00.000000Z");
    ck_assert_mem_eq(access->key, key, sizeof(key));
    memset(partner, 'x', 4); /* the filter was copied */
    memset(reason, 'x', 9);
    memset(stream, 'x', 4);
    memset(effect, 'x', 7);
    memset(key, 0, sizeof(key));
    ck_assert_uint_eq(take_all(&out), 1);
    ck_assert_uint_eq(read_sheet(&out).rows, 2);
    strbuf_free(&out);
}
END_TEST

/* ---- many ---- */

/* count rows from this seq on, `step` microseconds apart, the newest the last. */
static void insert(unsigned seq, unsigned count, int64_t step, const char *partner)
{
    char sql[900];
    snprintf(
        sql, sizeof(sql),
        "INSERT OR IGNORE INTO kind (partner, stream, channel, purpose, verdict, reason,"
        " effect, mode, policy, listed) VALUES ('%s', '', 'email', '', 'block', 'WITHDRAWN',"
        " '', '', '', 0);"
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %u)"
        " INSERT INTO decision (seq, hash, id, at, channel, kind, origin)"
        " SELECT %u + i, zeroblob(32), 'id-' || (%u + i), 1000000 + %u * 10 + i * %lld, 'email',"
        " kind, 0 FROM n, kind WHERE partner = '%s'",
        partner, count - 1, seq, seq, seq, (long long)step, partner);
    must(sqlite3_exec(stage.index->db, sql, NULL, NULL, NULL) == SQLITE_OK);
}

/* Each once, newest first, also where there are more at one instant than a piece looks at. */
START_TEST(many_decisions)
{
    struct strbuf out = {0};
    char line[40];
    const char *last;
    begin();
    insert(100000, 25000, 10, "acme");
    insert(130000, 45000, 0, "acme"); /* at one instant */
    insert(180000, 10000, 10, "beta");
    stage_get(sends, "/console/blocked.csv");
    unsigned pieces = take_all(&out);
    ck_assert_uint_gt(pieces, 15);
    last = strstr(out.data, "\r\n") + 2;
    unsigned expected = 189999;
    while (*last != '\0') {
        snprintf(line, sizeof(line), "id-%u,", expected);
        must(strncmp(last, line, strlen(line)) == 0);
        expected = expected == 180000 ? 174999 : expected == 130000 ? 124999 : expected - 1;
        last = strchr(last, '\n') + 1;
    }
    ck_assert_uint_eq(expected, 99999);
    ck_assert_uint_eq(stage.visit.send->pieces.count(stage.visit.send->pieces.own), 80000);
    strbuf_free(&out);
}
END_TEST

static int steps;

static int count_steps(void *arg)
{
    (void)arg;
    steps++;
    return 0;
}

/* A filter that lets little through does not make one piece look at all there is. */
START_TEST(few_of_many)
{
    struct visit_send *send;
    struct strbuf out = {0};
    struct error err = {0};
    bool last = false;
    int most = 0;
    begin();
    insert(1, 1, 10, "beta");
    insert(100000, 200000, 10, "acme");
    filter.has_channel = true; /* no index has it */
    filter.channel = CHANNEL_SMS;
    stage_get(sends, "/console/blocked.csv");
    send = stage.visit.send;
    sqlite3_progress_handler(stage.index->db, 1000, count_steps, NULL);
    unsigned pieces = 0;
    while (!last) {
        steps = 0;
        must(send->pieces.make(send->pieces.own, stage.index, &out, &last, &err) == RESULT_OK);
        most = steps > most ? steps : most;
        pieces++;
    }
    sqlite3_progress_handler(stage.index->db, 0, NULL, NULL);
    ck_assert_uint_eq(pieces, 10);
    ck_assert_int_lt(most, 400); /* thousands of steps; all of it takes ten times that */
    ck_assert_uint_eq(read_sheet(&out).rows, 1);
    strbuf_free(&out);
}
END_TEST

START_TEST(between_instants)
{
    struct strbuf out = {0};
    begin();
    insert(100000, 60000, 10, "acme");
    filter.since = 1000000 + 110000 * 10;
    filter.until = 1000000 + 150000 * 10;
    stage_get(sends, "/console/blocked.csv");
    (void)take_all(&out);
    ck_assert_uint_eq(read_sheet(&out).rows, 40001);
    ck_assert_ptr_nonnull(strstr(out.data, "\r\nid-149999,"));
    ck_assert_ptr_nonnull(strstr(out.data, "\r\nid-110000,"));
    strbuf_free(&out);
}
END_TEST

/* ---- files ---- */

static int fd;

static enum result sends_file(struct visit *visit, struct error *err)
{
    return visit_send_file(visit, fd, "application/zip", "pack.zip", err);
}

START_TEST(file_of_any_kind)
{
    struct error err = {0};
    fd = folder_nameless(stage.box.folder, &err);
    ck_assert_int_ge(fd, 0);
    struct stat status;
    must(fstat(fd, &status) == 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0600);
    ck_assert_uint_eq(status.st_nlink, 0);
    stage_get(sends_file, "/console/dossier");
    ck_assert_int_eq(stage.visit.send->fd, fd);
    visit_send_drop(&stage.visit);
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        file_of_decisions, nothing_to_send,  its_record,       many_decisions,
        few_of_many,       between_instants, file_of_any_kind, NULL};
    return unit_run((Suite *[]){stage_suite("console downloads", tests), NULL});
}
