/* SPDX-License-Identifier: Apache-2.0 */
/* The chain of events and the standings derived from it: what holds, what shows, what is mended. */
#include "store/notices.h"
#include "tests/unit/test_registry.h"

#define EVENTS 5000 /* more than a batch of the rebuild, twice */

#define INSERT_STANDING                                                                      \
    "INSERT INTO standing (standing_id, recipient_key, digest, channel, kind, occurred_at, " \
    "form_id,"                                                                               \
    " form_version, partners, basis, supplier, collector, evidence) SELECT "

static void run(struct bench *bench, const char *sql)
{
    ck_assert_msg(sql_exec(bench->registry->db, sql, &bench->err) == RESULT_OK, "%s: %s", sql,
                  bench->err.text);
}

static void fill(struct bench *bench, unsigned count)
{
    put_form(bench->registry, "jeu-ete", 1, "2026-01-01T00:00:00Z", "\"acme\",\"beta\"", "",
             &bench->err);
    ck_assert_int_eq(registry_begin(bench->registry, &bench->err), RESULT_OK);
    for (unsigned i = 0; i < count; i++) {
        struct event_input event = grant((uint8_t)i, (int)(i % 2), "2026-01-05T00:00:00Z");
        const char *named[] = {"beta", "acme"};
        event.occurred_at += i;
        event.partners = named;
        event.n_partners = i % 3 == 2 ? 2 : 0;
        event.supplier = i % 4 == 0 ? "leads" : "";
        if (i % 5 == 0)
            event.kind = EVENT_WITHDRAWN;
        ck_assert_uint_eq(put(bench->registry, &event), 1);
    }
    ck_assert_int_eq(registry_commit(bench->registry, &bench->err), RESULT_OK);
}

/* Every byte of the derived table, in its order. */
static void dump(struct bench *bench, uint8_t digest[SHA256_BYTES])
{
    struct strbuf text = {0};
    sqlite3_stmt *statement = NULL;
    ck_assert_int_eq(sqlite3_prepare_v2(bench->registry->db,
                                        "SELECT * FROM standing ORDER BY standing_id", -1,
                                        &statement, NULL),
                     SQLITE_OK);
    while (sqlite3_step(statement) == SQLITE_ROW)
        for (int i = 0; i < sqlite3_column_count(statement); i++) {
            strbuf_add_format(&text, "%d,", sqlite3_column_type(statement, i));
            const void *blob = sqlite3_column_blob(statement, i);
            int length = sqlite3_column_bytes(statement, i);
            strbuf_add_format(&text, "%d:", length);
            strbuf_add(&text, blob != NULL ? blob : "", (size_t)length);
        }
    sqlite3_finalize(statement);
    ck_assert(sha256(text.data != NULL ? text.data : "", text.length, digest));
    strbuf_free(&text);
}

static enum result check(struct bench *bench, struct registry_report *report)
{
    return registry_check(bench->registry, NULL, NULL, report, &bench->err);
}

START_TEST(a_chain_that_nobody_touched_holds)
{
    struct bench bench;
    struct registry_report report;
    int64_t last;
    uint8_t head[SHA256_BYTES];
    bench_open(&bench);
    ck_assert_int_eq(check(&bench, &report), RESULT_OK);
    ck_assert_uint_eq(report.events, 0);
    fill(&bench, 300);
    ck_assert_msg(check(&bench, &report) == RESULT_OK, "%s", report.where);
    ck_assert_uint_eq(report.events, 300);
    ck_assert_int_eq(registry_head(bench.registry, &last, head, &bench.err), RESULT_OK);
    ck_assert_int_eq(last, 300);
    ck_assert_int_eq(report.last, 300);
    ck_assert_mem_eq(head, report.head, SHA256_BYTES);
    ck_assert_int_eq(registry_event_hash(bench.registry, 300, head, &bench.err), RESULT_OK);
    ck_assert_mem_eq(head, report.head, SHA256_BYTES);
    ck_assert_int_eq(registry_event_hash(bench.registry, 301, head, &bench.err), RESULT_NOT_FOUND);
    bench_close(&bench);
}
END_TEST

static const struct {
    const char *sql;
    const char *where;
} changes[] = {
    {"UPDATE event SET occurred_at = occurred_at + 1 WHERE event_id = 7", "event 7:"},
    {"UPDATE event SET recorded_at = recorded_at + 1 WHERE event_id = 7", "event 7:"},
    {"UPDATE event SET kind = 'renewed' WHERE event_id = 7", "event 7:"},
    {"UPDATE event SET channel = 'sms' WHERE event_id = 7", "event 7:"},
    {"UPDATE event SET partners = 'gamma' WHERE event_id = 7", "event 7:"},
    {"UPDATE event SET basis = 'informed' WHERE event_id = 7", "event 7:"},
    {"UPDATE event SET supplier = 'x' WHERE event_id = 7", "event 7:"},
    {"UPDATE event SET collector = 'x' WHERE event_id = 7", "event 7:"},
    {"UPDATE event SET evidence = evidence || '!' WHERE event_id = 7", "event 7:"},
    {"UPDATE event SET origin = 'x' WHERE event_id = 7", "event 7:"},
    {"UPDATE event SET form_id = 'x', form_version = 1 WHERE event_id = 7", "event 7:"},
    {"UPDATE event SET form_version = 2 WHERE event_id = 8", "event 8:"},
    {"UPDATE event SET recipient_key = zeroblob(32) WHERE event_id = 7", "event 7:"},
    {"UPDATE event SET salt = zeroblob(16) WHERE event_id = 7", "event 7:"},
    {"UPDATE event SET hash = zeroblob(32) WHERE event_id = 7", "event 7:"},
    {"DELETE FROM event WHERE event_id = 7", "event 8:"},
    {"UPDATE event SET event_id = 99 WHERE event_id = 7", "event 8:"},
    /* Half an erasure: the salt stays, so what was said could still be found out. */
    {"UPDATE event SET evidence = '' WHERE event_id = 7", "event 7:"},
    /* The derived table, without which a withdrawal is not seen. */
    {"DELETE FROM standing WHERE event_id = 6", "event 6: its standing is missing"},
    {"UPDATE standing SET kind = 'given' WHERE event_id = 6", "event 6: its standing says"},
    {"UPDATE standing SET occurred_at = 0 WHERE event_id = 6", "event 6: its standing says"},
    {"UPDATE standing SET evidence = 0 WHERE event_id = 7", "event 7: its standing says"},
    {"UPDATE standing SET form_id = NULL WHERE event_id = 8", "event 8: its standing says"},
    {"UPDATE standing SET standing_id = standing_id + 393 WHERE event_id = 7",
     "event 7: its standing is missing"},
    /* Where nobody looks for the person. */
    {"UPDATE standing SET standing_id = standing_id + 4294967296 WHERE event_id = 6",
     "event 6: its standing is missing"},
    {"UPDATE standing SET recipient_key = zeroblob(32) WHERE event_id = 6",
     "event 6: its standing says"},
    {INSERT_STANDING
     "standing_id + 393, recipient_key, zeroblob(16), channel, 'given',"
     " occurred_at, form_id, form_version, partners, basis, supplier, collector, evidence"
     " FROM standing WHERE event_id = 6",
     "standings follow from no event"},
    {INSERT_STANDING
     "400, zeroblob(32), digest, channel, 'given',"
     " occurred_at, form_id, form_version, partners, basis, supplier, collector, evidence"
     " FROM standing WHERE event_id = 6",
     "standings follow from no event"},
};

START_TEST(each_change_shows)
{
    struct bench bench;
    struct registry_report report;
    bench_open(&bench);
    fill(&bench, 30);
    run(&bench, "DROP TRIGGER event_no_update; DROP TRIGGER event_no_delete");
    run(&bench, changes[_i].sql);
    ck_assert_int_eq(sqlite3_changes(bench.registry->db), 1);
    ck_assert_int_eq(check(&bench, &report), RESULT_DAMAGED);
    ck_assert_msg(strstr(report.where, changes[_i].where) != NULL, "%s: %s", changes[_i].sql,
                  report.where);
    bench_close(&bench);
}
END_TEST

START_TEST(a_rebuild_gives_the_same_bytes)
{
    static const char *const harms[] = {
        "DELETE FROM standing",
        "DELETE FROM standing WHERE event_id % 3 = 0",
        "UPDATE standing SET kind = 'given', occurred_at = 0",
        "UPDATE standing SET standing_id = standing_id + 1 WHERE standing_id ="
        " (SELECT max(standing_id) FROM standing)",
        "UPDATE standing SET standing_id = standing_id + 5000",
        "UPDATE standing SET recipient_key = zeroblob(32)",
        INSERT_STANDING
        "standing_id + 5000, recipient_key, digest, channel, kind,"
        " occurred_at, form_id, form_version, partners, basis, supplier, collector, evidence"
        " FROM standing",
        "SELECT 1",
    };
    struct bench bench;
    struct registry_report report;
    uint8_t before[SHA256_BYTES], after[SHA256_BYTES];
    bench_open(&bench);
    fill(&bench, EVENTS);
    dump(&bench, before);
    for (size_t i = 0; i < sizeof(harms) / sizeof(harms[0]); i++) {
        run(&bench, harms[i]);
        dump(&bench, after);
        bool harmed = memcmp(before, after, sizeof(before)) != 0;
        ck_assert_msg(registry_rebuild(bench.registry, NULL, NULL, &report, &bench.err) ==
                          RESULT_OK,
                      "%s: %s", harms[i], bench.err.text);
        ck_assert_uint_eq(report.events, EVENTS);
        ck_assert_int_eq(report.missing + report.different + report.foreign > 0, harmed);
        dump(&bench, after);
        ck_assert_msg(memcmp(before, after, sizeof(before)) == 0, "%s", harms[i]);
        ck_assert_msg(check(&bench, &report) == RESULT_OK, "%s: %s", harms[i], report.where);
    }
    bench_close(&bench);
}
END_TEST

/* What is right is not written again: the file's counter of changes stands still. */
START_TEST(a_right_registry_is_not_written)
{
    struct bench bench;
    struct registry_report report;
    bench_open(&bench);
    fill(&bench, 100);
    int before = sqlite3_total_changes(bench.registry->db);
    ck_assert_int_eq(registry_rebuild(bench.registry, NULL, NULL, &report, &bench.err), RESULT_OK);
    ck_assert_int_eq(sqlite3_total_changes(bench.registry->db), before);
    bench_close(&bench);
}
END_TEST

START_TEST(an_erased_event_keeps_its_place)
{
    struct bench bench;
    struct registry_report report;
    const struct facts *facts;
    bench_open(&bench);
    fill(&bench, 20);
    struct event_input event = grant(7, 1, "2026-01-05T00:00:00Z");
    event.occurred_at += 7; /* event 8 */
    ck_assert_int_eq(registry_erase_event(bench.registry, 8, &bench.err), RESULT_OK);
    ck_assert_int_eq(registry_erase_event(bench.registry, 8, &bench.err), RESULT_OK);
    ck_assert_int_eq(registry_erase_event(bench.registry, 21, &bench.err), RESULT_NOT_FOUND);
    ck_assert_msg(check(&bench, &report) == RESULT_OK, "%s", report.where);
    ck_assert_uint_eq(report.erased, 1);
    ck_assert_uint_eq(report.events, 20);
    ck_assert_int_eq(
        registry_facts(bench.registry, event.recipient_key, "acme", NULL, &facts, &bench.err),
        RESULT_OK);
    ck_assert_uint_eq(facts->n_events, 0);
    sqlite3_stmt *statement = NULL;
    ck_assert_int_eq(sqlite3_prepare_v2(bench.registry->db,
                                        "SELECT 1 FROM event WHERE event_id = 8 AND"
                                        " recipient_key IS NULL AND evidence = '' AND origin = ''"
                                        " AND form_id IS NULL AND occurred_at = 0",
                                        -1, &statement, NULL),
                     SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
    sqlite3_finalize(statement);
    ck_assert_int_eq(registry_rebuild(bench.registry, NULL, NULL, &report, &bench.err), RESULT_OK);
    ck_assert_uint_eq(report.missing, 0);
    /* What was erased may be said again; it is then another event. */
    ck_assert_uint_eq(put(bench.registry, &event), 1);
    ck_assert_msg(check(&bench, &report) == RESULT_OK, "%s", report.where);
    ck_assert_int_eq(report.last, 21);
    bench_close(&bench);
}
END_TEST

START_TEST(no_half_erasure_is_taken)
{
    static const char *const halves[] = {
        "UPDATE event SET evidence = '' WHERE event_id = 3",
        "UPDATE event SET recipient_key = NULL, salt = zeroblob(32) WHERE event_id = 3",
        "UPDATE event SET recipient_key = NULL, channel = '', kind = '', occurred_at = 0,"
        " recorded_at = 0, form_id = NULL, form_version = NULL, partners = '', basis = '',"
        " supplier = '', collector = '', evidence = '', origin = '' WHERE event_id = 3",
    };
    struct bench bench;
    bench_open(&bench);
    fill(&bench, 5);
    for (size_t i = 0; i < sizeof(halves) / sizeof(halves[0]); i++)
        ck_assert_int_ne(sql_exec(bench.registry->db, halves[i], &bench.err), RESULT_OK);
    bench_close(&bench);
}
END_TEST

/* Two programs that write in turn make one chain. */
START_TEST(several_writers_make_one_chain)
{
    struct bench bench;
    struct registry *other = NULL;
    struct registry_report report;
    bench_open(&bench);
    ck_assert_int_eq(registry_open(bench.path, false, &other, &bench.err), RESULT_OK);
    for (uint8_t i = 0; i < 40; i++) {
        struct event_input event = grant(i, 0, "2026-01-05T00:00:00Z");
        ck_assert_uint_eq(put(i % 3 == 0 ? other : bench.registry, &event), 1);
        if (i % 7 == 0) { /* and one that thinks better of it */
            event.occurred_at++;
            ck_assert_int_eq(registry_begin(other, &bench.err), RESULT_OK);
            ck_assert_uint_eq(put(other, &event), 1);
            registry_rollback(other);
        }
    }
    ck_assert_msg(check(&bench, &report) == RESULT_OK, "%s", report.where);
    ck_assert_uint_eq(report.events, 40);
    ck_assert_int_eq(report.last, 40);
    registry_close(&other);
    bench_close(&bench);
}
END_TEST

/* Who rebuilds what is right keeps nobody waiting; who compares says what is not. */
START_TEST(looking_takes_no_lock)
{
    struct bench bench;
    struct registry *other = NULL;
    struct registry_report report;
    bench_open(&bench);
    fill(&bench, 1200);
    ck_assert_int_eq(registry_open(bench.path, false, &other, &bench.err), RESULT_OK);
    ck_assert_int_eq(registry_begin(other, &bench.err), RESULT_OK);
    ck_assert_int_eq(registry_rebuild(bench.registry, NULL, NULL, &report, &bench.err), RESULT_OK);
    ck_assert_uint_eq(report.events, 1200);
    ck_assert_int_eq(registry_compare(bench.registry, NULL, NULL, &report, &bench.err), RESULT_OK);
    registry_rollback(other);
    registry_close(&other);
    run(&bench, "DELETE FROM standing WHERE event_id = 1100");
    ck_assert_int_eq(registry_compare(bench.registry, NULL, NULL, &report, &bench.err),
                     RESULT_DAMAGED);
    ck_assert_uint_eq(report.missing, 1);
    bench_close(&bench);
}
END_TEST

#define KEY_OF_FE "fefefefefefefefefefefefefefefefefefefefefefefefefefefefefefefefe"

/* What layouts 7 to 10 brought. */
#define WITHOUT_TOTALS                                                                   \
    "DROP TRIGGER supplier_total_added; DROP TRIGGER supplier_total_erased; DROP TABLE " \
    "supplier_total;"
#define WITHOUT_NOTICES                                                               \
    WITHOUT_TOTALS "DROP TABLE token; DROP TABLE notice_delivery; DROP TABLE notice;" \
                   "DROP TABLE identifier; DROP TABLE notice_total;"                  \
                   "DROP TABLE console_session; DROP TABLE console_user;"

/* As layout 1 made them. */
static const char layout_1[] = WITHOUT_NOTICES
    "DROP TABLE standing; DROP TABLE event; DROP TABLE import_progress; DROP TABLE retention;"
    "CREATE TABLE event ("
    " event_id INTEGER PRIMARY KEY AUTOINCREMENT, digest BLOB NOT NULL UNIQUE,"
    " recipient_key BLOB NOT NULL, channel TEXT NOT NULL, kind TEXT NOT NULL,"
    " occurred_at BIGINT NOT NULL, recorded_at BIGINT NOT NULL, form_id TEXT,"
    " form_version INTEGER, partners TEXT NOT NULL, basis TEXT NOT NULL, supplier TEXT NOT NULL,"
    " collector TEXT NOT NULL, evidence TEXT NOT NULL, origin TEXT NOT NULL);"
    "CREATE INDEX event_recipient ON event (recipient_key);"
    "CREATE INDEX event_form ON event (form_id, form_version) WHERE form_id IS NOT NULL;"
    "CREATE TRIGGER event_no_update BEFORE UPDATE ON event"
    " BEGIN SELECT RAISE(ABORT, 'consent events are never changed'); END;"
    "CREATE TRIGGER event_no_delete BEFORE DELETE ON event"
    " BEGIN SELECT RAISE(ABORT, 'consent events are never deleted'); END;"
    "INSERT INTO event VALUES (3, x'00', zeroblob(32), 'email', 'given', 5, 6, NULL, NULL, '',"
    " 'consent', '', '', 'box', 'test'), (9, x'01', zeroblob(32), 'sms', 'withdrawn', 7, 8,"
    " 'jeu-ete', 1, 'acme', 'consent', 'leads', '', '', 'test'),"
    /* As the first, once an address in its evidence was masked. */
    " (11, x'02', zeroblob(32), 'email', 'given', 5, 9, NULL, NULL, '', 'consent', '', '', 'box',"
    " 'again'),"
    /* Somebody whose key begins with a one. */
    " (12, x'03', x'" KEY_OF_FE "', 'email', 'given', 5, 9, NULL, NULL, '', 'consent', '', '', '',"
    " 'test');"
    "DROP INDEX supplier_invalid; ALTER TABLE supplier DROP COLUMN invalidated_at;"
    "ALTER TABLE supplier DROP COLUMN invalid_reason;"
    "PRAGMA user_version = 1";

START_TEST(an_older_registry_is_taken_over)
{
    struct bench bench;
    struct registry_report report;
    const struct facts *facts;
    const uint8_t key[RECIPIENT_KEY_BYTES] = {0};
    bench_open(&bench);
    run(&bench, layout_1);
    registry_close(&bench.registry);
    ck_assert_msg(registry_open(bench.path, false, &bench.registry, &bench.err) == RESULT_OK, "%s",
                  bench.err.text);
    ck_assert_msg(check(&bench, &report) == RESULT_OK, "%s", report.where);
    ck_assert_uint_eq(report.events, 4);
    ck_assert_uint_eq(report.erased, 1); /* the twin: its place and number only */
    ck_assert_int_eq(report.last, 12);   /* the journal knows them by their numbers */
    ck_assert_int_eq(registry_facts(bench.registry, key, "acme", NULL, &facts, &bench.err),
                     RESULT_OK);
    ck_assert_uint_eq(facts->n_events, 2);
    uint8_t other[RECIPIENT_KEY_BYTES];
    memset(other, 0xfe, sizeof(other));
    ck_assert_int_eq(registry_facts(bench.registry, other, "acme", NULL, &facts, &bench.err),
                     RESULT_OK);
    ck_assert_uint_eq(facts->n_events, 1);
    ck_assert_int_eq(facts->events[0].id, 12);
    bench_close(&bench);
}
END_TEST

/* What layout 5 held of a person who is looked up by number from now on. */
static const char layout_5[] = WITHOUT_NOTICES
    "ALTER TABLE standing RENAME TO numbered;"
    "CREATE TABLE standing (recipient_key BLOB NOT NULL, digest BLOB NOT NULL,"
    " event_id BIGINT NOT NULL, channel TEXT NOT NULL, kind TEXT NOT NULL,"
    " occurred_at BIGINT NOT NULL, form_id TEXT, form_version INTEGER, partners TEXT NOT NULL,"
    " basis TEXT NOT NULL, supplier TEXT NOT NULL, collector TEXT NOT NULL,"
    " evidence INTEGER NOT NULL, PRIMARY KEY (recipient_key, digest)) WITHOUT ROWID;"
    "INSERT INTO standing SELECT recipient_key, digest, event_id, channel, kind, occurred_at,"
    " form_id, form_version, partners, basis, supplier, collector, evidence FROM numbered;"
    "DROP TABLE numbered; DROP INDEX supplier_invalid; PRAGMA user_version = 5";

START_TEST(standings_are_numbered)
{
    struct bench bench;
    struct registry_report report;
    uint8_t before[SHA256_BYTES], after[SHA256_BYTES];
    bench_open(&bench);
    fill(&bench, 1000);
    dump(&bench, before);
    run(&bench, layout_5);
    registry_close(&bench.registry);
    ck_assert_msg(registry_open(bench.path, false, &bench.registry, &bench.err) == RESULT_OK, "%s",
                  bench.err.text);
    dump(&bench, after);
    ck_assert_mem_eq(before, after, sizeof(before));
    ck_assert_msg(check(&bench, &report) == RESULT_OK, "%s", report.where);
    /* One that no event can have made is named, and nothing is changed. */
    run(&bench, layout_5);
    run(&bench, "UPDATE standing SET event_id = -7 WHERE event_id = 7");
    registry_close(&bench.registry);
    ck_assert_int_ne(registry_open(bench.path, false, &bench.registry, &bench.err), RESULT_OK);
    ck_assert_msg(strstr(bench.err.text, "consent rebuild") != NULL, "%s", bench.err.text);
    bench_close(&bench);
}
END_TEST

static uint64_t counted_by(struct bench *bench, const char *sql)
{
    uint64_t count = 0;
    ck_assert_int_eq(registry_count(bench->registry, sql, &count, &bench->err), RESULT_OK);
    return count;
}

/* A registry of layout 9: who brought what is counted once, and from then on as it comes and goes.
 */
START_TEST(suppliers_are_counted)
{
    static const char counted[] =
        "SELECT count(*) FROM supplier_total WHERE supplier = 'leads-sa' AND consents = 2"
        " AND last_at = 1780272000000000";
    struct bench bench;
    bench_open(&bench);
    for (uint8_t who = 1; who <= 3; who++) {
        struct event_input event = grant(who, 0, "2026-02-01T00:00:00Z");
        event.supplier = who == 3 ? "" : "leads-sa";
        ck_assert_uint_eq(put(bench.registry, &event), 1);
        ck_assert_uint_eq(put(bench.registry, &event), 0); /* twice the same is once */
    }
    ck_assert_uint_eq(counted_by(&bench, counted), 1);
    run(&bench, WITHOUT_TOTALS " PRAGMA user_version = 9");
    registry_close(&bench.registry);
    ck_assert_msg(registry_open(bench.path, false, &bench.registry, &bench.err) == RESULT_OK, "%s",
                  bench.err.text);
    ck_assert_uint_eq(counted_by(&bench, counted), 1);
    ck_assert_int_eq(registry_erase_event(bench.registry, 1, &bench.err), RESULT_OK);
    ck_assert_int_eq(registry_erase_event(bench.registry, 1, &bench.err), RESULT_OK);
    ck_assert_int_eq(registry_erase_event(bench.registry, 3, &bench.err), RESULT_OK);
    ck_assert_uint_eq(counted_by(&bench, "SELECT consents FROM supplier_total"), 1);
    bench_close(&bench);
}
END_TEST

/* Notices of layout 7: which of those that wait name partners, and how many are in which state. */
START_TEST(notices_are_counted)
{
    static const char layout_7[] = WITHOUT_TOTALS
        "DROP TABLE console_session; DROP TABLE console_user;"
        "DROP INDEX notice_named; ALTER TABLE notice DROP COLUMN named; DROP TABLE notice_total;"
        "DROP TRIGGER notice_total_added; DROP TRIGGER notice_total_moved;"
        "DROP TRIGGER notice_total_gone; PRAGMA user_version = 7";
    static const char *const counted[] = {
        "SELECT count(*) FROM notice WHERE named = 1 AND event_id = 2",
        "SELECT count(*) FROM notice_total WHERE state = 'waiting' AND deliveries = 1",
        "SELECT count(*) FROM notice INDEXED BY notice_named WHERE spread_at IS NULL AND named = 1",
    };
    static const char *named[] = {"acme"};
    struct bench bench;
    uint64_t count;
    bench_open(&bench);
    for (uint8_t who = 1; who <= 3; who++) {
        struct event_input event = grant(who, 0, "2026-02-01T00:00:00Z");
        event.kind = EVENT_WITHDRAWN;
        event.partners = named;
        event.n_partners = who == 2;
        ck_assert_uint_eq(put(bench.registry, &event), 1);
    }
    const struct concerned acme = {"acme", NULL};
    ck_assert_int_eq(registry_spread_notice(bench.registry, 1, &acme, 1, at(NOW), &bench.err),
                     RESULT_OK);
    run(&bench, layout_7);
    registry_close(&bench.registry);
    ck_assert_msg(registry_open(bench.path, false, &bench.registry, &bench.err) == RESULT_OK, "%s",
                  bench.err.text);
    for (size_t i = 0; i < sizeof(counted) / sizeof(counted[0]); i++) {
        ck_assert_int_eq(registry_count(bench.registry, counted[i], &count, &bench.err), RESULT_OK);
        ck_assert_msg(count == 1, "%s: %d", counted[i], (int)count);
    }
    bench_close(&bench);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("registry chain");
    TCase *cases = tcase_create("registry chain");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_test(cases, a_chain_that_nobody_touched_holds);
    tcase_add_loop_test(cases, each_change_shows, 0, sizeof(changes) / sizeof(changes[0]));
    tcase_add_test(cases, a_rebuild_gives_the_same_bytes);
    tcase_add_test(cases, a_right_registry_is_not_written);
    tcase_add_test(cases, looking_takes_no_lock);
    tcase_add_test(cases, an_erased_event_keeps_its_place);
    tcase_add_test(cases, no_half_erasure_is_taken);
    tcase_add_test(cases, several_writers_make_one_chain);
    tcase_add_test(cases, an_older_registry_is_taken_over);
    tcase_add_test(cases, standings_are_numbered);
    tcase_add_test(cases, suppliers_are_counted);
    tcase_add_test(cases, notices_are_counted);
    suite_add_tcase(suite, cases);
    Suite *suites[] = {suite, NULL};
    return unit_run(suites);
}
