/* SPDX-License-Identifier: Apache-2.0 */
/* The recorder: what is told is durable, who is meant, whose a report is, and what cannot be. */
#include "base/clock.h"
#include "proxy/sms/recorder.h"
#include "store/registry_internal.h"
#include "tests/unit/test_proxy_sms_world.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct recorder *recorder;
static unsigned told;

struct asked {
    struct recorder_job job;
    const char *number;
    const char *seen; /* the events when it was told: a copy */
    const char *candidates[3];
    enum result result;
    char named[100];
    size_t wrote;
    bool repeated;
    struct sent_ref found;
};

static void on_told(struct loop_task *task)
{
    struct asked *asked = CONTAINER_OF(task, struct asked, job.task);
    asked->result = asked->job.result;
    asked->repeated = asked->job.repeated;
    asked->wrote = asked->job.n_wrote;
    asked->found = asked->job.found;
    asked->named[0] = '\0';
    for (size_t i = 0; i < asked->job.n_named; i++) {
        size_t used = strlen(asked->named);
        snprintf(asked->named + used, sizeof(asked->named) - used, "%s ", asked->job.named[i]);
    }
    if (asked->number != NULL)
        asked->seen = strdup(sms_world_events(asked->number));
    recorder_job_end(&asked->job);
    told++;
}

static void begin(void)
{
    struct error err;
    sms_world_begin();
    const struct recorder_options options = {.registry = sms_world.registry,
                                             .index = sms_world.index,
                                             .directory = sms_world.directory,
                                             .sent = sms_world.sent};
    ck_assert_msg(recorder_start(&options, &recorder, &err) == RESULT_OK, "%s", err.text);
    told = 0;
}

static void end(void)
{
    recorder_stop(&recorder);
    ck_assert_ptr_null(recorder);
    sms_world_end();
}

static void prepare(struct asked *asked, enum recorder_kind kind, const char *number)
{
    *asked = (struct asked){
        .job = {.task.run = on_told,
                .home = sms_world.loops[0],
                .kind = kind,
                .provider = "agg",
                .at = clock_now(),
                .origin = "STOP by SMS through agg",
                .evidence = "STOP"},
        .result = RESULT_CONFLICT,
    };
    asked->job.candidates = asked->candidates;
    if (number != NULL)
        sms_world_key(number, asked->job.key);
}

static void name(struct asked *asked, const char *partner)
{
    asked->candidates[asked->job.n_candidates++] = partner;
}

static void ask(struct asked *asked)
{
    unsigned before = told;
    ck_assert(recorder_submit(recorder, &asked->job));
    sms_world_turn_until(&told, before + 1);
}

START_TEST(told_when_durable)
{
    struct asked asked;
    begin();
    prepare(&asked, RECORDER_WITHDRAW, "+33612345678");
    name(&asked, "acme");
    asked.number = "+33612345678";
    ask(&asked);
    ck_assert_int_eq(asked.result, RESULT_OK);
    ck_assert_uint_eq(asked.wrote, 1);
    /* Another connection saw it before anything was answered. */
    ck_assert_str_eq(asked.seen, "withdrawn sms [acme] STOP by SMS through agg: STOP\n");
    free((char *)asked.seen);
    end();
}
END_TEST

/* Every commit is synced: what was told survives a power cut, not only a crash. */
START_TEST(each_commit_is_synced)
{
    struct registry *registry = NULL;
    struct error err;
    begin();
    ck_assert_int_eq(registry_open(sms_world.registry, false, &registry, &err), RESULT_OK);
    sqlite3_stmt *statement = NULL;
    ck_assert_int_eq(sqlite3_prepare_v2(registry->db, "PRAGMA synchronous", -1, &statement, NULL),
                     SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
    ck_assert_int_ge(sqlite3_column_int(statement, 0), 2); /* FULL */
    sqlite3_finalize(statement);
    registry_close(&registry);
    end();
}
END_TEST

#define MANY 600

START_TEST(stopping_finishes_what_was_taken)
{
    static struct asked all[MANY];
    begin();
    for (int i = 0; i < MANY; i++) {
        prepare(&all[i], RECORDER_WITHDRAW, "+33612345678");
        name(&all[i], i % 2 == 0 ? "acme" : "beta");
        memcpy(all[i].job.key, &i, sizeof(i)); /* each an event of its own */
        ck_assert(recorder_submit(recorder, &all[i].job));
    }
    recorder_stop(&recorder);
    sms_world_turn();
    ck_assert_uint_eq(told, MANY);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(all[i].result, RESULT_OK);
    struct registry *registry = NULL;
    struct registry_counts counts = {0};
    struct error err;
    ck_assert_int_eq(registry_open_reader(sms_world.registry, &registry, &err), RESULT_OK);
    ck_assert_int_eq(registry_counts(registry, &counts, &err), RESULT_OK);
    ck_assert_uint_eq(counts.events, MANY);
    registry_close(&registry);
    sms_world_end();
}
END_TEST

START_TEST(one_that_does_not_hold_keeps_no_other_out)
{
    struct asked good[3], bad;
    begin();
    for (int i = 0; i < 3; i++) {
        prepare(&good[i], RECORDER_WITHDRAW, "+33612345678");
        name(&good[i], "acme");
        good[i].job.at += i;
    }
    prepare(&bad, RECORDER_WITHDRAW, "+33612345678");
    name(&bad, "no partner's id");
    sqlite3 *db = NULL;
    ck_assert_int_eq(sqlite3_open(sms_world.registry, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    /* The first keeps the thread waiting, so that the others are one batch. */
    ck_assert(recorder_submit(recorder, &good[0].job));
    clock_sleep(50 * 1000);
    ck_assert(recorder_submit(recorder, &good[1].job));
    ck_assert(recorder_submit(recorder, &bad.job));
    ck_assert(recorder_submit(recorder, &good[2].job));
    sqlite3_close(db);
    sms_world_turn_until(&told, 4);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(good[i].result, RESULT_OK);
    ck_assert_int_eq(bad.result, RESULT_BAD_INPUT);
    end();
}
END_TEST

/* Ten seconds, for so long the registry is waited for. Meanwhile the queue fills. */
START_TEST(a_locked_registry_is_later)
{
    static struct asked all[10002];
    struct asked report;
    sqlite3 *db = NULL;
    begin();
    ck_assert_int_eq(sqlite3_open(sms_world.registry, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    for (int i = 0; i < 10000; i++) {
        prepare(&all[i], RECORDER_WITHDRAW, NULL);
        name(&all[i], "acme");
        memcpy(all[i].job.key, &i, sizeof(i));
        ck_assert(recorder_submit(recorder, &all[i].job));
    }
    prepare(&all[10000], RECORDER_WITHDRAW, NULL);
    name(&all[10000], "acme");
    ck_assert(!recorder_submit(recorder, &all[10000].job));
    /* What is not a withdrawal has room of its own. */
    prepare(&report, RECORDER_REPORT, NULL);
    report.job.id = "none";
    ck_assert(recorder_submit(recorder, &report.job));
    int64_t until = clock_monotonic() + 60 * CLOCK_SECOND;
    while (told == 0 && clock_monotonic() < until) {
        sms_world_turn();
        clock_sleep(1000);
    }
    ck_assert_int_eq(all[0].result, RESULT_UNAVAILABLE);
    ck_assert_str_eq(sms_world_events("+33612345678"), "");
    sqlite3_close(db);
    until = clock_monotonic() + 60 * CLOCK_SECOND;
    while (told < 10001 && clock_monotonic() < until)
        sms_world_turn();
    ck_assert_uint_eq(told, 10001);
    ck_assert_int_eq(all[9999].result, RESULT_OK);
    ck_assert_int_eq(report.result, RESULT_NOT_FOUND);
    ck_assert(recorder_submit(recorder, &all[10000].job)); /* and there is room again */
    sms_world_turn_until(&told, 10002);
    ck_assert_int_eq(all[10000].result, RESULT_OK);
    end();
}
END_TEST

START_TEST(a_broken_registry_is_told)
{
    struct asked asked;
    begin();
    sms_world_sql("ALTER TABLE standing RENAME TO gone");
    prepare(&asked, RECORDER_WITHDRAW, "+33612345678");
    name(&asked, "acme");
    ask(&asked);
    ck_assert_int_ne(asked.result, RESULT_OK);
    sms_world_sql("ALTER TABLE gone RENAME TO standing");
    prepare(&asked, RECORDER_WITHDRAW, "+33612345678");
    name(&asked, "acme");
    ask(&asked);
    ck_assert_int_eq(asked.result, RESULT_OK);
    ck_assert_str_eq(sms_world_events("+33612345678"),
                     "withdrawn sms [acme] STOP by SMS through agg: STOP\n");
    end();
}
END_TEST

static void copy_registry(const char *path)
{
    char sql[400];
    snprintf(sql, sizeof(sql), "VACUUM INTO '%s'", path);
    sms_world_sql(sql);
}

/* With what SQLite keeps beside it. */
static void move_registry(const char *from, const char *to)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (int i = 0; i < 3; i++) {
        char old_name[340], new_name[340];
        snprintf(old_name, sizeof(old_name), "%s%s", from, suffixes[i]);
        snprintf(new_name, sizeof(new_name), "%s%s", to, suffixes[i]);
        ck_assert(rename(old_name, new_name) == 0 || i > 0);
    }
}

static void withdraw_now(struct asked *asked, const char *partner)
{
    prepare(asked, RECORDER_WITHDRAW, "+33612345678");
    name(asked, partner);
    ask(asked);
}

/* A backup put back while the gate runs: the old file, still open, is nobody's any more. */
START_TEST(a_registry_that_is_replaced_is_followed)
{
    char fresh[320], old[320], away[320];
    struct asked asked;
    begin();
    snprintf(fresh, sizeof(fresh), "%s.new", sms_world.registry);
    snprintf(old, sizeof(old), "%s.old", sms_world.registry);
    snprintf(away, sizeof(away), "%s.away", sms_world.registry);
    copy_registry(fresh);
    withdraw_now(&asked, "acme");
    ck_assert_int_eq(asked.result, RESULT_OK);
    move_registry(sms_world.registry, old);
    move_registry(fresh, sms_world.registry);
    withdraw_now(&asked, "beta");
    ck_assert_int_eq(asked.result, RESULT_OK);
    ck_assert_str_eq(sms_world_events("+33612345678"),
                     "withdrawn sms [beta] STOP by SMS through agg: STOP\n");
    /* Away: nothing can be recorded, and it is told so, until it is back. */
    move_registry(sms_world.registry, away);
    withdraw_now(&asked, "gamma");
    ck_assert_int_ne(asked.result, RESULT_OK);
    move_registry(away, sms_world.registry);
    withdraw_now(&asked, "gamma");
    ck_assert_int_eq(asked.result, RESULT_OK);
    ck_assert_str_eq(sms_world_events("+33612345678"),
                     "withdrawn sms [beta] STOP by SMS through agg: STOP\n"
                     "withdrawn sms [gamma] STOP by SMS through agg: STOP\n");
    end();
}
END_TEST

/* Replaced between the look and the commit: what was written is told as a failure. */
START_TEST(a_registry_that_is_replaced_meanwhile_is_later)
{
    char fresh[320], old[320];
    struct asked asked;
    sqlite3 *db = NULL;
    begin();
    snprintf(fresh, sizeof(fresh), "%s.new", sms_world.registry);
    snprintf(old, sizeof(old), "%s.old", sms_world.registry);
    copy_registry(fresh);
    ck_assert_int_eq(sqlite3_open(sms_world.registry, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    prepare(&asked, RECORDER_WITHDRAW, "+33612345678");
    name(&asked, "acme");
    ck_assert(recorder_submit(recorder, &asked.job)); /* waits for the lock */
    clock_sleep(300 * 1000);
    ck_assert_uint_eq(told, 0);
    move_registry(sms_world.registry, old);
    move_registry(fresh, sms_world.registry);
    ck_assert_int_eq(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    sms_world_turn_until(&told, 1);
    ck_assert_int_eq(asked.result, RESULT_UNAVAILABLE);
    withdraw_now(&asked, "acme");
    ck_assert_int_eq(asked.result, RESULT_OK);
    ck_assert_str_eq(sms_world_events("+33612345678"),
                     "withdrawn sms [acme] STOP by SMS through agg: STOP\n");
    end();
}
END_TEST

static void give(const char *number, const char *partner, int64_t at)
{
    struct registry *registry = NULL;
    struct error err;
    unsigned added;
    struct event_input event = {.address_kind = ADDRESS_PHONE,
                                .kind = EVENT_GIVEN,
                                .channels = CHANNEL_BIT(CHANNEL_SMS),
                                .occurred_at = at,
                                .partners = &partner,
                                .n_partners = 1,
                                .supplier = "",
                                .collector = "",
                                .evidence = "",
                                .origin = "test"};
    sms_world_key(number, event.recipient_key);
    ck_assert_int_eq(registry_open(sms_world.registry, false, &registry, &err), RESULT_OK);
    ck_assert_msg(registry_add_event(registry, &event, clock_now(), &added, &err) == RESULT_OK,
                  "%s", err.text);
    registry_close(&registry);
}

static bool withdrawn_again(const char *partner, const char *id, int64_t minutes)
{
    struct asked asked;
    prepare(&asked, RECORDER_WITHDRAW, "+33612345678");
    name(&asked, partner);
    asked.job.id = id;
    asked.job.at += minutes * 60 * CLOCK_SECOND;
    ask(&asked);
    ck_assert_int_eq(asked.result, RESULT_OK);
    return asked.repeated;
}

/* A provider that did not hear our answer brings the same again and again. */
START_TEST(a_withdrawal_is_recorded_once)
{
    begin();
    ck_assert(!withdrawn_again("acme", "", -60));
    ck_assert(!withdrawn_again("acme", "", -40)); /* not the same any more */
    ck_assert(withdrawn_again("acme", "", -31));
    ck_assert(withdrawn_again("acme", "i-1", 0)); /* the same by its id */
    ck_assert(!withdrawn_again("acme", "", 0));
    ck_assert(withdrawn_again("acme", "", 0));
    ck_assert(!withdrawn_again("beta", "", 0)); /* another's */
    ck_assert_uint_eq(strlen(sms_world_events("+33612345678")),
                      4 * strlen("withdrawn sms [acme] STOP by SMS through agg: STOP\n"));
    /* What was given since is to be withdrawn. */
    give("+33612345678", "acme", clock_now());
    ck_assert(!withdrawn_again("acme", "", 0));
    ck_assert(withdrawn_again("acme", "", 0));
    end();
}
END_TEST

/* ---- who is meant ---- */

#define SHE   "+33612345678"
#define OTHER "+33687654321"

static const struct sms_sent history[] = {
    {"acme", "acme-sms", "agg", SHE, "1", 3},
    {"beta", "beta-sms", "agg", SHE, "2", 89},
    {"gamma", "gamma-sms", "agg", SHE, "3", 91},
    {"delta", "delta-sms", "other", SHE, "4", 5},
    {"gamma", "gamma-sms", "agg", "+33611111111", "5", 1},
};

START_TEST(who_is_meant)
{
    static const struct {
        const char *number;
        const char *candidates[3];
        const char *named; /* "": everybody */
        size_t wrote;
    } rows[] = {
        /* One candidate is it, whatever is on record. */
        {SHE, {"acme"}, "acme ", 1},
        {OTHER, {"acme"}, "acme ", 1},
        {SHE, {"gamma"}, "gamma ", 1},
        /* Several: those that wrote to her, through whatever provider. */
        {SHE, {"acme", "beta"}, "acme beta ", 2},
        {SHE, {"beta", "gamma"}, "beta ", 1}, /* 91 days are no longer lately */
        {SHE, {"acme", "delta"}, "acme delta ", 2},
        /* None of them did: all of them. */
        {OTHER, {"acme", "beta"}, "acme beta ", 0},
        /* Nobody's number: whoever wrote to her through this provider. */
        {SHE, {NULL}, "acme beta ", 2},
        {"+33611111111", {NULL}, "gamma ", 1},
        /* Nobody did: everybody. */
        {OTHER, {NULL}, "", 0},
    };
    begin();
    for (size_t i = 0; i < sizeof(history) / sizeof(history[0]); i++)
        sms_world_send(&history[i]);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct asked asked;
        prepare(&asked, RECORDER_WHO, rows[i].number);
        for (int j = 0; j < 3 && rows[i].candidates[j] != NULL; j++)
            name(&asked, rows[i].candidates[j]);
        ask(&asked);
        ck_assert_int_eq(asked.result, RESULT_OK);
        ck_assert_msg(strcmp(asked.named, rows[i].named) == 0, "row %zu: %s", i, asked.named);
        ck_assert_msg(asked.wrote == rows[i].wrote, "row %zu", i);
    }
    ck_assert_str_eq(sms_world_events(SHE), ""); /* asking writes nothing */
    end();
}
END_TEST

static void lose_journal(bool lose)
{
    char away[320];
    snprintf(away, sizeof(away), "%s.away", sms_world.directory);
    ck_assert_int_eq(lose ? rename(sms_world.directory, away) : rename(away, sms_world.directory),
                     0);
}

/* A short code stands behind the names of several, whoever lists it as its own. */
START_TEST(a_withdrawal_behind_what_is_shared)
{
    static const struct {
        const char *number;
        const char *candidates[3];
        const char *named; /* "": everybody */
        size_t wrote;
    } rows[] = {
        {SHE, {"gamma"}, "gamma acme beta ", 3},
        {SHE, {"beta"}, "beta acme ", 2},
        {SHE, {"beta", "delta"}, "acme beta delta ", 2},
        {OTHER, {"gamma"}, "gamma ", 1},
        {OTHER, {NULL}, "", 0},
    };
    struct asked asked;
    begin();
    for (size_t i = 0; i < sizeof(history) / sizeof(history[0]); i++)
        sms_world_send(&history[i]);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        prepare(&asked, RECORDER_WITHDRAW, rows[i].number);
        asked.job.shared = true;
        for (int j = 0; j < 3 && rows[i].candidates[j] != NULL; j++)
            name(&asked, rows[i].candidates[j]);
        ask(&asked);
        ck_assert_int_eq(asked.result, RESULT_OK);
        ck_assert_msg(strcmp(asked.named, rows[i].named) == 0, "row %zu: %s", i, asked.named);
        ck_assert_msg(asked.wrote == rows[i].wrote, "row %zu", i);
    }
    lose_journal(true);
    prepare(&asked, RECORDER_WITHDRAW, OTHER);
    asked.job.shared = true;
    name(&asked, "gamma");
    ask(&asked);
    ck_assert_int_eq(asked.result, RESULT_OK);
    ck_assert_str_eq(asked.named, "");
    lose_journal(false);
    end();
}
END_TEST

/* Rather too many than too few. */
START_TEST(without_the_journal_all_are_meant)
{
    struct asked asked;
    begin();
    for (size_t i = 0; i < sizeof(history) / sizeof(history[0]); i++)
        sms_world_send(&history[i]);
    prepare(&asked, RECORDER_WHO, SHE);
    ask(&asked);
    ck_assert_str_eq(asked.named, "acme beta ");
    lose_journal(true);
    prepare(&asked, RECORDER_WITHDRAW, SHE);
    ask(&asked);
    ck_assert_int_eq(asked.result, RESULT_OK);
    ck_assert_uint_eq(asked.wrote, 0);
    ck_assert_str_eq(sms_world_events(SHE), "withdrawn sms [] STOP by SMS through agg: STOP\n");
    lose_journal(false);
    prepare(&asked, RECORDER_WHO, SHE);
    ask(&asked);
    ck_assert_str_eq(asked.named, "acme beta ");
    end();
}
END_TEST

/* ---- reports ---- */

START_TEST(reports_find_their_message)
{
    static const struct {
        const char *provider, *id;
        bool found;
    } rows[] = {
        {"agg", "1A2B", true},    {"agg", "1a2b", true},  {"agg", "6699", true},
        {"other", "1A2B", false}, {"agg", "1A2C", false},
    };
    struct asked asked;
    begin();
    char ref[RECORD_ID];
    const struct sms_sent sent = {"acme", "acme-two", "agg", SHE, "1A2B", 0};
    str_copy(ref, sizeof(ref), sms_world_send(&sent));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        prepare(&asked, RECORDER_REPORT, SHE);
        asked.job.provider = rows[i].provider;
        asked.job.id = rows[i].id;
        ask(&asked);
        ck_assert_msg(asked.result == (rows[i].found ? RESULT_OK : RESULT_NOT_FOUND), "%s",
                      rows[i].id);
        if (rows[i].found) {
            ck_assert_str_eq(asked.found.ref, ref);
            ck_assert_str_eq(asked.found.account, "acme-two");
        }
    }
    /* What cannot be looked up is not unknown. */
    lose_journal(true);
    prepare(&asked, RECORDER_REPORT, NULL);
    asked.job.id = "1A2C";
    ask(&asked);
    ck_assert_int_ne(asked.result, RESULT_OK);
    ck_assert_int_ne(asked.result, RESULT_NOT_FOUND);
    lose_journal(false);
    end();
}
END_TEST

/* The provider may be faster with its report than we with our note. */
START_TEST(a_report_that_comes_early_is_looked_for_again)
{
    struct asked early, noted;
    begin();
    prepare(&early, RECORDER_REPORT, SHE);
    early.job.id = "E1";
    prepare(&noted, RECORDER_REPORT, SHE);
    noted.job.id = "E2";
    ck_assert(recorder_submit(recorder, &early.job));
    ck_assert(recorder_submit(recorder, &noted.job));
    clock_sleep(100 * 1000);
    sms_world_turn();
    ck_assert_uint_eq(told, 0);
    const struct sms_sent sent = {"acme", "acme-sms", "agg", SHE, "E1", 0};
    char ref[RECORD_ID];
    str_copy(ref, sizeof(ref), sms_world_send(&sent));
    sent_note(sms_world.sent, "agg", "E2", noted.job.key, "ref-2", "acme-two");
    sms_world_turn_until(&told, 2);
    ck_assert_int_eq(early.result, RESULT_OK);
    ck_assert_str_eq(early.found.ref, ref);
    ck_assert_int_eq(noted.result, RESULT_OK);
    ck_assert_str_eq(noted.found.ref, "ref-2");
    end();
}
END_TEST

START_TEST(stopping_waits_for_no_second_look)
{
    struct asked asked;
    begin();
    prepare(&asked, RECORDER_REPORT, NULL);
    asked.job.id = "none";
    ck_assert(recorder_submit(recorder, &asked.job));
    clock_sleep(50 * 1000);
    recorder_stop(&recorder);
    sms_world_turn();
    ck_assert_uint_eq(told, 1);
    ck_assert_int_eq(asked.result, RESULT_NOT_FOUND);
    sms_world_end();
}
END_TEST

Suite *sms_recorder_suite(void)
{
    const TTest *const tests[] = {told_when_durable,
                                  each_commit_is_synced,
                                  stopping_finishes_what_was_taken,
                                  one_that_does_not_hold_keeps_no_other_out,
                                  a_locked_registry_is_later,
                                  a_broken_registry_is_told,
                                  a_withdrawal_is_recorded_once,
                                  a_registry_that_is_replaced_is_followed,
                                  a_registry_that_is_replaced_meanwhile_is_later,
                                  who_is_meant,
                                  a_withdrawal_behind_what_is_shared,
                                  without_the_journal_all_are_meant,
                                  reports_find_their_message,
                                  a_report_that_comes_early_is_looked_for_again,
                                  stopping_waits_for_no_second_look,
                                  NULL};
    return unit_suite("sms_recorder", tests);
}
