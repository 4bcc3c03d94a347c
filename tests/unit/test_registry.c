/* SPDX-License-Identifier: Apache-2.0 */
/* The registry's file: layout, forms, events, suspensions, locks. */
#include "tests/unit/test_registry.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int64_t number(struct registry *registry, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    ck_assert_int_eq(sqlite3_prepare_v2(registry->db, sql, -1, &statement, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

START_TEST(layout_is_made_kept_and_guarded)
{
    struct bench bench;
    bench_open(&bench);
    struct stat info;
    ck_assert_int_eq(stat(bench.path, &info), 0);
    ck_assert_uint_eq(info.st_mode & 0777, 0600);
    ck_assert_int_eq(number(bench.registry, "PRAGMA user_version"), REGISTRY_SCHEMA_VERSION);
    ck_assert_int_eq(number(bench.registry, "PRAGMA synchronous"), 2);
    struct event_input event = grant(1, 0, "2026-01-01T00:00:00Z");
    ck_assert_uint_eq(put(bench.registry, &event), 1);
    registry_close(&bench.registry);
    ck_assert_int_eq(registry_open(bench.path, false, &bench.registry, &bench.err), RESULT_OK);
    ck_assert_int_eq(number(bench.registry, "SELECT count(*) FROM event"), 1);

    ck_assert_int_eq(sql_exec(bench.registry->db, "PRAGMA user_version = 99", NULL), RESULT_OK);
    registry_close(&bench.registry);
    ck_assert_int_eq(registry_open(bench.path, false, &bench.registry, &bench.err), RESULT_DAMAGED);
    ck_assert_ptr_nonnull(strstr(bench.err.text, "layout 99"));
    ck_assert_ptr_null(bench.registry);
    ck_assert_int_eq(registry_open_as(bench.path, SQL_READ, 10, &bench.registry, &bench.err),
                     RESULT_DAMAGED);
    bench_close(&bench);
}
END_TEST

START_TEST(foreign_and_missing_files_are_refused)
{
    struct bench bench;
    bench_open(&bench);
    registry_close(&bench.registry);
    ck_assert_int_eq(unlink(bench.path), 0);
    ck_assert_int_eq(registry_open(bench.path, false, &bench.registry, &bench.err),
                     RESULT_NOT_FOUND);
    sqlite3 *db = NULL;
    ck_assert_int_eq(sql_open(bench.path, SQL_CREATE, 10, &db, &bench.err), RESULT_OK);
    ck_assert_int_eq(sql_exec(db, "CREATE TABLE other (x)", &bench.err), RESULT_OK);
    sql_close(&db);
    ck_assert_int_eq(registry_open(bench.path, true, &bench.registry, &bench.err), RESULT_DAMAGED);
    ck_assert_ptr_nonnull(strstr(bench.err.text, "not a registry"));
    FILE *file = fopen(bench.path, "w");
    ck_assert_ptr_nonnull(file);
    for (int i = 0; i < 200; i++)
        fputs("this is no database at all\n", file);
    fclose(file);
    ck_assert_int_eq(registry_open(bench.path, true, &bench.registry, &bench.err), RESULT_DAMAGED);
    bench_close(&bench);
}
END_TEST

START_TEST(form_versions_are_immutable_and_in_order)
{
    struct bench bench;
    bench_open(&bench);
    struct registry *registry = bench.registry;
    struct error *err = &bench.err;
    static const struct {
        int version;
        const char *from, *partners;
        enum result result;
        const char *text;
    } rows[] = {
        {2, "2026-02-01T00:00:00Z", "\"acme\"", RESULT_OK, ""},
        {2, "2026-02-01T00:00:00Z", "\"acme\"", RESULT_OK, ""},
        {2, "2026-02-01T00:00:00Z", "\"acme\",\"beta\"", RESULT_CONFLICT,
         "form jeu-ete@2 is registered with other content"},
        {3, "2026-01-31T23:59:59Z", "\"acme\"", RESULT_CONFLICT,
         "form jeu-ete@3 would begin at 2026-01-31T23:59:59Z, before jeu-ete@2 does "
         "(2026-02-01T00:00:00Z)"},
        {1, "2026-02-01T00:00:01Z", "\"acme\"", RESULT_CONFLICT,
         "form jeu-ete@1 would begin at 2026-02-01T00:00:01Z, after jeu-ete@2 does "
         "(2026-02-01T00:00:00Z)"},
        {1, "2026-01-01T00:00:00Z", "\"acme\"", RESULT_OK, ""},
        {4, "2026-03-01T00:00:00Z", "", RESULT_OK, ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        *err = (struct error){0};
        ck_assert_int_eq(
            put_form(registry, "jeu-ete", rows[i].version, rows[i].from, rows[i].partners, "", err),
            rows[i].result);
        ck_assert_str_eq(err->text, rows[i].text);
    }
    ck_assert_int_eq(number(registry, "SELECT count(*) FROM form"), 3);
    ck_assert_int_eq(number(registry, "SELECT count(*) FROM form_partner"), 2);
    bench_close(&bench);
}
END_TEST

struct seen_forms {
    int versions[8];
    int64_t until[8];
    uint64_t events[8];
    int64_t invalidated[8];
    size_t partners[8];
    size_t count;
};

static bool see_form(void *arg, const struct form_row *row)
{
    struct seen_forms *seen = arg;
    seen->versions[seen->count] = row->version;
    seen->until[seen->count] = row->effective_until;
    seen->events[seen->count] = row->events;
    seen->invalidated[seen->count] = row->invalidated_at;
    seen->partners[seen->count] = row->n_partners;
    seen->count++;
    ck_assert_str_eq(row->collector_siren, "987654321");
    ck_assert_uint_eq(row->channels, CHANNEL_BIT(CHANNEL_EMAIL) | CHANNEL_BIT(CHANNEL_SMS));
    ck_assert_uint_eq(row->purposes, PURPOSE_BIT(PURPOSE_RECEIPT));
    ck_assert_ptr_nonnull(strstr(row->json, "\"wording\""));
    return true;
}

START_TEST(forms_are_listed_and_invalidated)
{
    struct bench bench;
    bench_open(&bench);
    struct registry *registry = bench.registry;
    struct error *err = &bench.err;
    put_form(registry, "jeu-ete", 1, "2026-01-01T00:00:00Z", "\"acme\",\"beta\"", "", err);
    put_form(registry, "jeu-ete", 2, "2026-02-01T00:00:00Z", "\"acme\"", "", err);
    struct event_input event = grant(1, 1, "2026-01-05T00:00:00Z");
    put(registry, &event);
    struct seen_forms seen = {0};
    ck_assert_int_eq(registry_forms(registry, "jeu-ete", 0, see_form, &seen, err), RESULT_OK);
    ck_assert_uint_eq(seen.count, 2);
    ck_assert_int_eq(seen.until[0], at("2026-02-01T00:00:00Z"));
    ck_assert_int_eq(seen.until[1], INT64_MAX);
    ck_assert_uint_eq(seen.partners[0], 2);
    ck_assert_uint_eq(seen.events[0], 1);
    ck_assert_uint_eq(seen.events[1], 0);
    ck_assert_int_eq(seen.invalidated[0], 0);

    ck_assert_int_eq(registry_invalidate_form(registry, "jeu-ete", 1, "pre-ticked", at(NOW), err),
                     RESULT_OK);
    ck_assert_int_eq(registry_invalidate_form(registry, "jeu-ete", 1, "again", at(NOW), err),
                     RESULT_CONFLICT);
    ck_assert_int_eq(registry_invalidate_form(registry, "jeu-ete", 9, "none", at(NOW), err),
                     RESULT_NOT_FOUND);
    seen = (struct seen_forms){0};
    ck_assert_int_eq(registry_forms(registry, "jeu-ete", 1, see_form, &seen, err), RESULT_OK);
    ck_assert_uint_eq(seen.count, 1);
    ck_assert_int_eq(seen.invalidated[0], at(NOW));
    ck_assert_int_eq(registry_forms(registry, "jeu-ete", 7, see_form, &seen, err),
                     RESULT_NOT_FOUND);
    ck_assert_int_eq(registry_forms(registry, "nobody", 0, see_form, &seen, err), RESULT_NOT_FOUND);
    seen = (struct seen_forms){0};
    ck_assert_int_eq(registry_forms(registry, NULL, 0, see_form, &seen, err), RESULT_OK);
    ck_assert_uint_eq(seen.count, 2);
    bench_close(&bench);
}
END_TEST

static bool count_event(void *arg, const struct event_row *row)
{
    (void)row;
    ++*(unsigned *)arg;
    return true;
}

START_TEST(events_are_added_once)
{
    struct bench bench;
    bench_open(&bench);
    struct registry *registry = bench.registry;
    const char *both[] = {"beta", "acme"};
    const char *turned[] = {"acme", "beta", "acme"};
    put_form(registry, "jeu-ete", 1, "2026-01-01T00:00:00Z", "\"acme\",\"beta\"", "", &bench.err);
    struct event_input event = grant(1, 1, "2026-01-05T00:00:00Z");
    event.address_kind = ADDRESS_PHONE;
    event.channels = CHANNEL_BIT(CHANNEL_SMS) | CHANNEL_BIT(CHANNEL_CALL);
    event.partners = both;
    event.n_partners = 2;
    ck_assert_uint_eq(put(registry, &event), 2);
    ck_assert_uint_eq(put(registry, &event), 0);
    event.partners = turned; /* the same partners */
    event.n_partners = 3;
    ck_assert_uint_eq(put(registry, &event), 0);
    event.origin = "another import";
    ck_assert_uint_eq(put(registry, &event), 0);
    event.channels |= CHANNEL_BIT(CHANNEL_POST);
    ck_assert_uint_eq(put(registry, &event), 1);

    /* Each of these is another event. */
    struct event_input others[7];
    for (size_t i = 0; i < 7; i++)
        others[i] = event;
    memset(others[0].recipient_key, 2, sizeof(others[0].recipient_key));
    others[1].kind = EVENT_RENEWED;
    others[2].occurred_at++;
    others[3].n_partners = 1;
    others[4].supplier = "mega-leads";
    others[5].evidence = "other";
    others[6].form_id = NULL;
    for (size_t i = 0; i < 7; i++)
        ck_assert_msg(put(registry, &others[i]) == 3, "other %zu", i);
    unsigned count = 0;
    ck_assert_int_eq(
        registry_events(registry, event.recipient_key, count_event, &count, &bench.err), RESULT_OK);
    ck_assert_uint_eq(count, 3 + 6 * 3);
    struct registry_counts counts;
    ck_assert_int_eq(registry_counts(registry, &counts, &bench.err), RESULT_OK);
    ck_assert_uint_eq(counts.events, 24);
    ck_assert_uint_eq(counts.forms, 1);
    ck_assert_uint_eq(counts.suppliers, 1);
    ck_assert_uint_eq(counts.suspensions, 0);
    bench_close(&bench);
}
END_TEST

START_TEST(objections_to_two_collectors_are_two_events)
{
    struct bench bench;
    bench_open(&bench);
    struct event_input event = grant(1, 0, "2026-01-05T00:00:00Z");
    event.kind = EVENT_OBJECTED;
    event.collector = "987654321";
    ck_assert_uint_eq(put(bench.registry, &event), 1);
    event.collector = "123456782";
    ck_assert_uint_eq(put(bench.registry, &event), 1);
    bench_close(&bench);
}
END_TEST

START_TEST(events_are_never_changed)
{
    struct bench bench;
    bench_open(&bench);
    struct event_input event = grant(1, 0, "2026-01-05T00:00:00Z");
    put(bench.registry, &event);
    ck_assert_int_ne(sql_exec(bench.registry->db, "UPDATE event SET kind = 'given'", &bench.err),
                     RESULT_OK);
    ck_assert_ptr_nonnull(strstr(bench.err.text, "never changed"));
    ck_assert_int_ne(sql_exec(bench.registry->db, "DELETE FROM event", &bench.err), RESULT_OK);
    ck_assert_int_eq(number(bench.registry, "SELECT count(*) FROM event"), 1);
    bench_close(&bench);
}
END_TEST

static const char *gamma_list[] = {"acme", "gamma"};
static const char *bad_list[] = {"0612345678"};

START_TEST(what_does_not_hold_is_refused)
{
    struct bench bench;
    bench_open(&bench);
    put_form(bench.registry, "jeu-ete", 3, "2026-01-01T00:00:00Z", "\"acme\"", "", &bench.err);
    static const struct {
        enum event_kind kind;
        enum address_kind address;
        enum channel channel;
        int form;
        const char *when;
        const char **partners;
        size_t n_partners;
        const char *supplier;
        const char *text; /* NULL: taken */
    } rows[] = {
        {EVENT_GIVEN, ADDRESS_EMAIL, CHANNEL_EMAIL, 4, "2026-01-05T00:00:00Z", NULL, 0, "",
         "form jeu-ete@4 is not registered"},
        {EVENT_RENEWED, ADDRESS_EMAIL, CHANNEL_EMAIL, 4, "2026-01-05T00:00:00Z", NULL, 0, "",
         "form jeu-ete@4 is not registered"},
        {EVENT_ACTIVE, ADDRESS_EMAIL, CHANNEL_EMAIL, 4, "2026-01-05T00:00:00Z", NULL, 0, "",
         "form jeu-ete@4 is not registered"},
        {EVENT_GIVEN, ADDRESS_EMAIL, CHANNEL_EMAIL, 3, "2026-01-05T00:00:00Z", gamma_list, 2, "",
         "partner \"gamma\" is not on the list of jeu-ete@3"},
        {EVENT_GIVEN, ADDRESS_EMAIL, CHANNEL_EMAIL, 3, "2030-01-01T00:00:00Z", NULL, 0, "",
         "a grant cannot lie in the future (2030-01-01T00:00:00Z)"},
        {EVENT_RENEWED, ADDRESS_EMAIL, CHANNEL_EMAIL, 0, "2026-06-01T00:00:00.000001Z", NULL, 0, "",
         "a grant cannot lie in the future (2026-06-01T00:00:00Z)"},
        {EVENT_GIVEN, ADDRESS_EMAIL, CHANNEL_EMAIL, 0, NOW, NULL, 0, "", NULL},
        {EVENT_ACTIVE, ADDRESS_EMAIL, CHANNEL_EMAIL, 0, "2030-01-01T00:00:00Z", NULL, 0, "",
         "an act of the person cannot lie in the future (2030-01-01T00:00:00Z)"},
        {EVENT_WITHDRAWN, ADDRESS_EMAIL, CHANNEL_EMAIL, 0, "2030-01-01T00:00:00Z", NULL, 0, "",
         NULL},
        {EVENT_OBJECTED, ADDRESS_EMAIL, CHANNEL_EMAIL, 4, "2030-01-01T00:00:00Z", gamma_list, 2, "",
         NULL},
        {EVENT_GIVEN, ADDRESS_EMAIL, CHANNEL_SMS, 3, "2026-01-05T00:00:00Z", NULL, 0, "",
         "an e-mail address cannot be reached on channel sms"},
        {EVENT_WITHDRAWN, ADDRESS_PHONE, CHANNEL_EMAIL, 0, "2026-01-05T00:00:00Z", NULL, 0, "",
         "a phone number cannot be reached on channel email"},
        {EVENT_GIVEN, ADDRESS_EMAIL, CHANNEL_EMAIL, 0, "2026-01-05T00:00:00Z", bad_list, 1, "",
         "partner 1 of the list is not a partner id"},
        {EVENT_GIVEN, ADDRESS_EMAIL, CHANNEL_EMAIL, 0, "2026-01-05T00:00:00Z", gamma_list, 2, "",
         NULL},
        {EVENT_GIVEN, ADDRESS_EMAIL, CHANNEL_EMAIL, 0, "2026-01-05T00:00:00Z", NULL, 0, "a\nb",
         "the supplier is not one line of at most 128 bytes"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct error err = {0};
        unsigned added = 9;
        unsigned checked = 9;
        struct event_input event = grant(1, rows[i].form, rows[i].when);
        event.kind = rows[i].kind;
        event.address_kind = rows[i].address;
        event.channels = CHANNEL_BIT(rows[i].channel);
        event.partners = rows[i].partners;
        event.n_partners = rows[i].n_partners;
        event.supplier = rows[i].supplier;
        enum result wanted = rows[i].text != NULL ? RESULT_BAD_INPUT : RESULT_OK;
        ck_assert_int_eq(registry_check_event(bench.registry, &event, at(NOW), &checked, &err),
                         wanted);
        ck_assert_str_eq(err.text, rows[i].text != NULL ? rows[i].text : "");
        err = (struct error){0};
        ck_assert_int_eq(registry_add_event(bench.registry, &event, at(NOW), &added, &err), wanted);
        ck_assert_str_eq(err.text, rows[i].text != NULL ? rows[i].text : "");
        ck_assert_uint_eq(added, rows[i].text != NULL ? 0 : 1);
        ck_assert_uint_eq(checked, added);
    }
    struct event_input nowhere = grant(1, 0, NOW);
    unsigned added;
    nowhere.channels = 0;
    ck_assert_int_eq(registry_add_event(bench.registry, &nowhere, at(NOW), &added, &bench.err),
                     RESULT_BAD_INPUT);
    ck_assert_int_eq(number(bench.registry, "SELECT count(*) FROM event"), 4);
    bench_close(&bench);
}
END_TEST

START_TEST(a_rolled_back_transaction_leaves_nothing)
{
    struct bench bench;
    bench_open(&bench);
    struct event_input event = grant(1, 0, "2026-01-05T00:00:00Z");
    ck_assert_int_eq(registry_begin(bench.registry, &bench.err), RESULT_OK);
    put(bench.registry, &event);
    ck_assert_int_eq(registry_begin(bench.registry, &bench.err), RESULT_CONFLICT);
    registry_rollback(bench.registry);
    ck_assert_int_eq(number(bench.registry, "SELECT count(*) FROM event"), 0);
    ck_assert_int_eq(registry_begin(bench.registry, &bench.err), RESULT_OK);
    put(bench.registry, &event);
    ck_assert_int_eq(registry_commit(bench.registry, &bench.err), RESULT_OK);
    ck_assert_int_eq(number(bench.registry, "SELECT count(*) FROM event"), 1);

    /* SQLite rolled back by itself: what follows must not pass for part of the transaction. */
    unsigned added;
    event.occurred_at++;
    ck_assert_int_eq(registry_begin(bench.registry, &bench.err), RESULT_OK);
    ck_assert_int_eq(sql_exec(bench.registry->db, "ROLLBACK", NULL), RESULT_OK);
    ck_assert_int_eq(registry_add_event(bench.registry, &event, at(NOW), &added, &bench.err),
                     RESULT_UNAVAILABLE);
    ck_assert_int_ne(registry_commit(bench.registry, &bench.err), RESULT_OK);
    ck_assert_int_eq(number(bench.registry, "SELECT count(*) FROM event"), 1);
    bench_close(&bench);
}
END_TEST

struct history {
    char text[512];
};

static bool see_suspension(void *arg, const struct suspension_row *row)
{
    struct history *history = arg;
    size_t used = strlen(history->text);
    snprintf(history->text + used, sizeof(history->text) - used, "%s %s %s %s;",
             suspension_kind_name(row->kind), row->id, row->reason,
             row->resumed ? row->resume_reason : "-");
    return true;
}

START_TEST(suspensions_keep_their_history)
{
    struct bench bench;
    bench_open(&bench);
    struct registry *registry = bench.registry;
    struct error *err = &bench.err;
    ck_assert_int_eq(registry_suspend(registry, SUSPEND_FORM, "jeu-ete", "why", 1, err),
                     RESULT_NOT_FOUND);
    ck_assert_int_eq(registry_suspend(registry, SUSPEND_SUPPLIER, "leads", "why", 1, err),
                     RESULT_NOT_FOUND);
    put_form(registry, "jeu-ete", 1, "2026-01-01T00:00:00Z", "\"acme\"", "", err);
    struct event_input event = grant(1, 0, "2026-01-05T00:00:00Z");
    event.supplier = "leads";
    put(registry, &event);
    static const struct {
        enum suspension_kind kind;
        const char *id;
    } rows[] = {{SUSPEND_PARTNER, "acme"},
                {SUSPEND_STREAM, "acme/news"},
                {SUSPEND_FORM, "jeu-ete"},
                {SUSPEND_SUPPLIER, "leads"}};
    for (size_t i = 0; i < 4; i++) {
        enum suspension_kind kind;
        ck_assert(suspension_kind_parse(suspension_kind_name(rows[i].kind), &kind));
        ck_assert_int_eq(kind, rows[i].kind);
        ck_assert_int_eq(registry_resume(registry, kind, rows[i].id, "x", 2, err), RESULT_CONFLICT);
        ck_assert_int_eq(registry_suspend(registry, kind, rows[i].id, "one", 2, err), RESULT_OK);
        ck_assert_int_eq(registry_suspend(registry, kind, rows[i].id, "two", 3, err),
                         RESULT_CONFLICT);
    }
    struct registry_counts counts;
    ck_assert_int_eq(registry_counts(registry, &counts, err), RESULT_OK);
    ck_assert_uint_eq(counts.suspensions, 4);
    ck_assert_int_eq(registry_resume(registry, SUSPEND_PARTNER, "acme", "settled", 4, err),
                     RESULT_OK);
    ck_assert_int_eq(registry_suspend(registry, SUSPEND_PARTNER, "acme", "relapse", 5, err),
                     RESULT_OK);
    struct history history = {""};
    ck_assert_int_eq(registry_suspensions(registry, see_suspension, &history, err), RESULT_OK);
    ck_assert_str_eq(history.text, "partner acme one settled;stream acme/news one -;"
                                   "form jeu-ete one -;supplier leads one -;"
                                   "partner acme relapse -;");
    enum suspension_kind kind;
    ck_assert(!suspension_kind_parse("channel", &kind));
    bench_close(&bench);
}
END_TEST

START_TEST(a_lock_held_elsewhere_is_unavailable)
{
    struct bench bench;
    bench_open(&bench);
    int ready[2];
    int done[2];
    char byte = 0;
    ck_assert_int_eq(pipe(ready), 0);
    ck_assert_int_eq(pipe(done), 0);
    pid_t child = fork();
    if (child == 0) {
        struct registry *other = NULL;
        bool ok = registry_open(bench.path, false, &other, NULL) == RESULT_OK &&
                  registry_begin(other, NULL) == RESULT_OK && write(ready[1], "x", 1) == 1 &&
                  read(done[0], &byte, 1) == 1 && registry_commit(other, NULL) == RESULT_OK;
        registry_close(&other);
        _exit(ok ? 0 : 1);
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    sqlite3_busy_timeout(bench.registry->db, 150);
    struct event_input event = grant(1, 0, "2026-01-05T00:00:00Z");
    unsigned added = 0;
    int64_t start = clock_monotonic();
    ck_assert_int_eq(registry_add_event(bench.registry, &event, at(NOW), &added, &bench.err),
                     RESULT_UNAVAILABLE);
    ck_assert_int_ge(clock_monotonic() - start, 100000);
    const struct facts *facts;
    ck_assert_int_eq(
        registry_facts(bench.registry, event.recipient_key, "acme", "news", &facts, &bench.err),
        RESULT_OK); /* readers never wait for writers */
    ck_assert_int_eq(write(done[1], "x", 1), 1);
    int status = 1;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_uint_eq(put(bench.registry, &event), 1);
    bench_close(&bench);
}
END_TEST

/* Reads the file as the user `nobody`; exit 0 when the result and a part of the text are as told.
 */
static int read_as_nobody(const char *path, enum result wanted, const char *part)
{
    pid_t child = fork();
    if (child == 0) {
        struct registry *registry = NULL;
        struct error err = {0};
        if (setgroups(0, NULL) != 0 || setgid(65534) != 0 || setuid(65534) != 0)
            _exit(2);
        enum result result = registry_open_as(path, SQL_READ, 10, &registry, &err);
        bool ok = result == wanted && strstr(err.text, part) != NULL;
        if (!ok)
            fprintf(stderr, "%d %s\n", (int)result, err.text);
        registry_close(&registry);
        _exit(ok ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    return status;
}

/* A read-only connection leaves these behind; the next writer to close removes them. */
static void drop_leftovers(const struct bench *bench)
{
    char name[320];
    snprintf(name, sizeof(name), "%s-wal", bench->path);
    unlink(name);
    snprintf(name, sizeof(name), "%s-shm", bench->path);
    unlink(name);
}

START_TEST(reading_needs_no_writer_but_needs_the_folder)
{
    struct bench bench;
    bench_open(&bench);
    registry_close(&bench.registry); /* no -wal and no -shm are left */
    ck_assert_int_eq(registry_open_as(bench.path, SQL_READ, 10, &bench.registry, &bench.err),
                     RESULT_OK);
    const struct facts *facts;
    struct event_input event = grant(1, 0, NOW);
    unsigned added;
    ck_assert_int_eq(
        registry_facts(bench.registry, event.recipient_key, "acme", "news", &facts, &bench.err),
        RESULT_OK);
    ck_assert_int_eq(registry_add_event(bench.registry, &event, at(NOW), &added, &bench.err),
                     RESULT_UNAVAILABLE);
    registry_close(&bench.registry);
    if (geteuid() == 0) {
        drop_leftovers(&bench);
        ck_assert_int_eq(chmod(bench.path, 0644), 0);
        ck_assert_int_eq(chmod(bench.folder, 0755), 0);
        ck_assert_int_eq(read_as_nobody(bench.path, RESULT_UNAVAILABLE, "folder"), 0);
        drop_leftovers(&bench);
        ck_assert_int_eq(chown(bench.folder, 65534, 65534), 0);
        ck_assert_int_eq(chown(bench.path, 65534, 65534), 0);
        ck_assert_int_eq(read_as_nobody(bench.path, RESULT_OK, ""), 0);
    }
    bench_close(&bench);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {layout_is_made_kept_and_guarded,
                                  foreign_and_missing_files_are_refused,
                                  form_versions_are_immutable_and_in_order,
                                  forms_are_listed_and_invalidated,
                                  events_are_added_once,
                                  objections_to_two_collectors_are_two_events,
                                  events_are_never_changed,
                                  what_does_not_hold_is_refused,
                                  a_rolled_back_transaction_leaves_nothing,
                                  suspensions_keep_their_history,
                                  a_lock_held_elsewhere_is_unavailable,
                                  reading_needs_no_writer_but_needs_the_folder,
                                  NULL};
    Suite *const suites[] = {unit_suite("registry", tests), NULL};
    return unit_run(suites);
}
