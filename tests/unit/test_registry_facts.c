/* SPDX-License-Identifier: Apache-2.0 */
/* The facts a verdict rests on, and the store of a loop that hands them out. */
#include "tests/unit/test_registry.h"

#include "base/loop.h"
#include "store/journal.h"
#include "store/store.h"

#include <signal.h>
#include <sys/wait.h>

static const struct facts *ask(struct registry *registry, uint8_t who, const char *partner)
{
    uint8_t key[RECIPIENT_KEY_BYTES];
    const struct facts *facts = NULL;
    struct error err = {0};
    memset(key, who, sizeof(key));
    ck_assert_msg(registry_facts(registry, key, partner, "news", &facts, &err) == RESULT_OK, "%s",
                  err.text);
    return facts;
}

START_TEST(nobody_has_no_events)
{
    struct bench bench;
    bench_open(&bench);
    const struct facts *facts = ask(bench.registry, 1, "acme");
    ck_assert_uint_eq(facts->n_events, 0);
    ck_assert(!facts->partner_suspended);
    ck_assert(!facts->stream_suspended);
    bench_close(&bench);
}
END_TEST

/* What a read-only connection, as a loop has one, knows of person 1 and acme. */
static const struct form_facts *reader_sees(struct registry *reader, bool partner_suspended,
                                            enum presence presence)
{
    const struct facts *facts = ask(reader, 1, "acme");
    ck_assert_uint_eq(facts->n_events, 1);
    ck_assert(facts->partner_suspended == partner_suspended);
    ck_assert_ptr_nonnull(facts->events[0].form);
    ck_assert_int_eq(facts->events[0].form->presence, presence);
    return facts->events[0].form;
}

START_TEST(what_is_remembered_is_forgotten_when_others_write)
{
    struct bench bench;
    bench_open(&bench);
    struct registry *writer = bench.registry;
    struct registry *reader = NULL;
    struct error *err = &bench.err;
    put_form(writer, "jeu-ete", 1, "2026-01-01T00:00:00Z", "\"beta\"", "\"travel\"", err);
    struct event_input event = grant(1, 1, "2026-01-05T00:00:00Z");
    event.supplier = "leads";
    put(writer, &event);
    ck_assert_int_eq(registry_open_as(bench.path, SQL_READ, 100, &reader, err), RESULT_OK);
    reader_sees(reader, false, PRESENCE_NEVER);
    const struct form_facts *form = reader_sees(reader, false, PRESENCE_NEVER);
    ck_assert_ptr_eq(reader_sees(reader, false, PRESENCE_NEVER), form); /* it does remember */
    ck_assert_int_eq(form->effective_until, INT64_MAX);
    ck_assert_int_eq(ask(reader, 1, "beta")->events[0].form->presence, PRESENCE_LISTED);

    ck_assert_int_eq(registry_suspend(writer, SUSPEND_PARTNER, "acme", "stop", at(NOW), err),
                     RESULT_OK);
    reader_sees(reader, true, PRESENCE_NEVER);
    ck_assert(!ask(reader, 1, "beta")->partner_suspended);
    ck_assert_int_eq(registry_suspend(writer, SUSPEND_STREAM, "beta/news", "stop", at(NOW), err),
                     RESULT_OK);
    ck_assert(ask(reader, 1, "beta")->stream_suspended);
    ck_assert_int_eq(registry_resume(writer, SUSPEND_PARTNER, "acme", "go", at(NOW), err),
                     RESULT_OK);
    reader_sees(reader, false, PRESENCE_NEVER);
    ck_assert_int_eq(registry_suspend(writer, SUSPEND_FORM, "jeu-ete", "stop", at(NOW), err),
                     RESULT_OK);
    ck_assert(reader_sees(reader, false, PRESENCE_NEVER)->suspended);
    put_form(writer, "jeu-ete", 2, "2026-02-01T00:00:00Z", "\"acme\"", "", err);
    form = reader_sees(reader, false, PRESENCE_LATER);
    ck_assert_int_eq(form->effective_until, at("2026-02-01T00:00:00Z"));
    ck_assert_uint_eq(form->n_categories, 1);
    ck_assert_int_eq(registry_invalidate_form(writer, "jeu-ete", 1, "x", at(NOW), err), RESULT_OK);
    ck_assert(reader_sees(reader, false, PRESENCE_LATER)->invalidated);
    /* Suppliers: suspended, resumed, invalid, among others that are. */
    ck_assert(!ask(reader, 1, "beta")->events[0].supplier_suspended);
    for (int i = 0; i < 40; i++) {
        char other[24];
        snprintf(other, sizeof(other), "%c-other-%d", 'a' + i % 26, i);
        struct event_input brought = grant(2, 1, "2026-01-05T00:00:00Z");
        brought.supplier = other;
        put(writer, &brought);
        ck_assert_int_eq(registry_suspend(writer, SUSPEND_SUPPLIER, other, "x", at(NOW), err),
                         RESULT_OK);
    }
    ck_assert(!ask(reader, 1, "beta")->events[0].supplier_suspended);
    ck_assert_int_eq(registry_suspend(writer, SUSPEND_SUPPLIER, "leads", "x", at(NOW), err),
                     RESULT_OK);
    ck_assert(ask(reader, 1, "beta")->events[0].supplier_suspended);
    ck_assert(ask(writer, 1, "beta")->events[0].supplier_suspended);
    ck_assert_int_eq(registry_resume(writer, SUSPEND_SUPPLIER, "leads", "x", at(NOW), err),
                     RESULT_OK);
    ck_assert(!ask(reader, 1, "beta")->events[0].supplier_suspended);
    ck_assert(!ask(writer, 1, "beta")->events[0].supplier_suspended);
    /* What is undone was never so. */
    ck_assert_int_eq(registry_begin(writer, err), RESULT_OK);
    ck_assert_int_eq(registry_suspend(writer, SUSPEND_SUPPLIER, "leads", "x", at(NOW), err),
                     RESULT_OK);
    ck_assert(ask(writer, 1, "beta")->events[0].supplier_suspended);
    ck_assert(!ask(reader, 1, "beta")->events[0].supplier_suspended);
    registry_rollback(writer);
    ck_assert(!ask(writer, 1, "beta")->events[0].supplier_suspended);
    registry_close(&reader);
    bench_close(&bench);
}
END_TEST

START_TEST(no_more_is_remembered_than_there_is_room_for)
{
    struct bench bench;
    bench_open(&bench);
    struct registry *reader = NULL;
    put_form(bench.registry, "jeu-ete", 1, "2026-01-01T00:00:00Z", "\"acme\"", "", &bench.err);
    struct event_input event = grant(1, 1, "2026-01-05T00:00:00Z");
    put(bench.registry, &event);
    ck_assert_int_eq(registry_open_as(bench.path, SQL_READ, 100, &reader, &bench.err), RESULT_OK);
    for (int i = 0; i < 3 * REGISTRY_KEPT_MOST; i++) {
        char partner[32];
        snprintf(partner, sizeof(partner), "partner-%d", i);
        ck_assert_int_eq(ask(reader, 1, partner)->events[0].form->presence, PRESENCE_NEVER);
        ck_assert_uint_le(reader->kept.count, REGISTRY_KEPT_MOST + 1);
        reader_sees(reader, false, PRESENCE_LISTED);
    }
    registry_close(&reader);
    bench_close(&bench);
}
END_TEST

START_TEST(presence_is_listed_later_or_never)
{
    struct bench bench;
    bench_open(&bench);
    struct registry *registry = bench.registry;
    struct error *err = &bench.err;
    put_form(registry, "jeu-ete", 1, "2026-01-01T00:00:00Z", "\"early\"", "", err);
    put_form(registry, "jeu-ete", 2, "2026-02-01T00:00:00Z", "\"acme\",\"beta\"",
             "\"travel\",\"energy\"", err);
    put_form(registry, "jeu-ete", 3, "2026-03-01T00:00:00Z", "\"late\"", "", err);
    put_form(registry, "autre", 9, "2026-03-01T00:00:00Z", "\"elsewhere\"", "", err);
    struct event_input event = grant(1, 2, "2026-02-05T00:00:00Z");
    put(registry, &event);
    static const struct {
        const char *partner;
        enum presence presence;
    } rows[] = {{"acme", PRESENCE_LISTED}, {"beta", PRESENCE_LISTED},     {"late", PRESENCE_LATER},
                {"early", PRESENCE_NEVER}, {"elsewhere", PRESENCE_NEVER}, {"ACME", PRESENCE_NEVER}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct facts *facts = ask(registry, 1, rows[i].partner);
        ck_assert_uint_eq(facts->n_events, 1);
        ck_assert_msg(facts->events[0].form->presence == rows[i].presence, "%s", rows[i].partner);
    }
    const struct form_facts *form = ask(registry, 1, "acme")->events[0].form;
    ck_assert_str_eq(form->id, "jeu-ete");
    ck_assert_int_eq(form->version, 2);
    ck_assert_str_eq(form->collector, "987654321");
    ck_assert_uint_eq(form->channels, CHANNEL_BIT(CHANNEL_EMAIL) | CHANNEL_BIT(CHANNEL_SMS));
    ck_assert_uint_eq(form->purposes, PURPOSE_BIT(PURPOSE_RECEIPT));
    ck_assert_int_eq(form->effective_from, at("2026-02-01T00:00:00Z"));
    ck_assert_int_eq(form->effective_until, at("2026-03-01T00:00:00Z"));
    ck_assert_uint_eq(form->n_categories, 2);
    ck_assert_str_eq(form->categories[0], "energy");
    ck_assert_str_eq(form->categories[1], "travel");

    /* A list that was invalidated vouches for nobody. */
    ck_assert_int_eq(registry_invalidate_form(registry, "jeu-ete", 3, "x", at(NOW), err),
                     RESULT_OK);
    ck_assert_int_eq(ask(registry, 1, "late")->events[0].form->presence, PRESENCE_NEVER);
    ck_assert(!ask(registry, 1, "acme")->events[0].form->invalidated);
    ck_assert_int_eq(registry_invalidate_form(registry, "jeu-ete", 2, "x", at(NOW), err),
                     RESULT_OK);
    ck_assert(ask(registry, 1, "acme")->events[0].form->invalidated);
    bench_close(&bench);
}
END_TEST

static size_t naming(const struct facts *facts)
{
    size_t found = 0;
    for (size_t i = 0; i < facts->n_events; i++)
        found += facts->events[i].names_this_partner;
    return found;
}

START_TEST(twenty_events_come_as_they_are)
{
    struct bench bench;
    bench_open(&bench);
    struct registry *registry = bench.registry;
    const char *named[] = {"acme", "beta"};
    put_form(registry, "jeu-ete", 1, "2026-01-01T00:00:00Z", "\"acme\",\"beta\"", "", &bench.err);
    put_form(registry, "jeu-ete", 2, "2026-02-01T00:00:00Z", "\"acme\",\"beta\"", "", &bench.err);
    for (int i = 0; i < 20; i++) {
        struct event_input event = grant(1, i % 3, "2026-02-05T00:00:00Z");
        event.occurred_at += i;
        event.evidence = i % 2 == 0 ? "yes" : "";
        event.supplier = i % 4 == 0 ? "leads" : "";
        event.partners = named;
        event.n_partners = (size_t)(i % 3);
        if (i % 5 == 0)
            event.kind = EVENT_OBJECTED;
        if (i == 10)
            event.collector = "987654321";
        if (i == 11)
            event.basis = BASIS_PROFESSIONAL;
        put(registry, &event);
    }
    struct event_input other = grant(2, 1, "2026-02-05T00:00:00Z");
    put(registry, &other);
    ck_assert_int_eq(registry_suspend(registry, SUSPEND_SUPPLIER, "leads", "x", 1, &bench.err),
                     RESULT_OK);
    const struct facts *facts = ask(registry, 1, "beta");
    ck_assert_uint_eq(facts->n_events, 20);
    for (size_t n = 0; n < 20; n++) {
        const struct consent_event *event = &facts->events[n];
        int i = (int)(event->occurred_at - at("2026-02-05T00:00:00Z"));
        ck_assert_int_gt(event->id, 0);
        ck_assert_int_eq(event->kind, i % 5 == 0 ? EVENT_OBJECTED : EVENT_GIVEN);
        ck_assert_int_eq(event->channel, CHANNEL_EMAIL);
        ck_assert_int_eq(event->basis, i == 11 ? BASIS_PROFESSIONAL : BASIS_CONSENT);
        ck_assert_int_eq(event->has_evidence, i % 2 == 0);
        ck_assert_int_eq(event->supplier != NULL, i % 4 == 0);
        ck_assert_int_eq(event->supplier_suspended, i % 4 == 0);
        ck_assert_int_eq(event->names_partners, i % 3 > 0);
        ck_assert_int_eq(event->names_this_partner, i % 3 > 1);
        ck_assert_int_eq(event->collector != NULL, i == 10);
        if (i % 3 == 0)
            ck_assert_ptr_null(event->form);
        else
            ck_assert_int_eq(event->form->version, i % 3);
    }
    ck_assert_int_eq(registry_resume(registry, SUSPEND_SUPPLIER, "leads", "x", 2, &bench.err),
                     RESULT_OK);
    facts = ask(registry, 1, "beta");
    for (size_t n = 0; n < 20; n++)
        ck_assert(!facts->events[n].supplier_suspended);
    ck_assert_uint_eq(naming(facts), 6);
    /* A name that another one begins with is another name. */
    ck_assert_uint_eq(naming(ask(registry, 1, "bet")), 0);
    ck_assert_uint_eq(naming(ask(registry, 1, "beta2")), 0);
    bench_close(&bench);
}
END_TEST

START_TEST(suspensions_show_at_once)
{
    struct bench bench;
    bench_open(&bench);
    struct registry *registry = bench.registry;
    struct error *err = &bench.err;
    put_form(registry, "jeu-ete", 1, "2026-01-01T00:00:00Z", "\"acme\"", "", err);
    struct event_input event = grant(1, 1, "2026-01-05T00:00:00Z");
    put(registry, &event);
    ck_assert_int_eq(registry_suspend(registry, SUSPEND_PARTNER, "acme", "x", 1, err), RESULT_OK);
    ck_assert(ask(registry, 1, "acme")->partner_suspended);
    ck_assert(!ask(registry, 1, "acme")->stream_suspended);
    ck_assert(!ask(registry, 1, "beta")->partner_suspended);
    ck_assert_int_eq(registry_resume(registry, SUSPEND_PARTNER, "acme", "x", 2, err), RESULT_OK);
    ck_assert(!ask(registry, 1, "acme")->partner_suspended);
    ck_assert_int_eq(registry_suspend(registry, SUSPEND_STREAM, "acme/news", "x", 3, err),
                     RESULT_OK);
    ck_assert(ask(registry, 1, "acme")->stream_suspended);
    ck_assert(!ask(registry, 1, "beta")->stream_suspended);
    const struct facts *facts = NULL; /* who asks outside any stream */
    ck_assert_int_eq(registry_facts(registry, event.recipient_key, "acme", NULL, &facts, err),
                     RESULT_OK);
    ck_assert(!facts->stream_suspended);
    ck_assert(!ask(registry, 1, "acme")->events[0].form->suspended);
    ck_assert_int_eq(registry_suspend(registry, SUSPEND_FORM, "jeu-ete", "x", 4, err), RESULT_OK);
    ck_assert(ask(registry, 1, "acme")->events[0].form->suspended);
    bench_close(&bench);
}
END_TEST

START_TEST(a_withdrawal_elsewhere_is_seen_by_the_next_question)
{
    struct bench bench;
    bench_open(&bench);
    struct registry *reader = NULL;
    ck_assert_int_eq(registry_open_as(bench.path, SQL_READ, 10, &reader, &bench.err), RESULT_OK);
    struct event_input event = grant(1, 0, "2026-01-05T00:00:00Z");
    put(bench.registry, &event);
    ck_assert_uint_eq(ask(reader, 1, "acme")->n_events, 1);
    for (unsigned i = 1; i <= 50; i++) {
        event.kind = EVENT_WITHDRAWN;
        event.occurred_at++;
        put(bench.registry, &event);
        const struct facts *facts = ask(reader, 1, "acme");
        ck_assert_uint_eq(facts->n_events, 1 + i);
    }
    registry_close(&reader);
    bench_close(&bench);
}
END_TEST

/* The writer dies without closing, and the index of its WAL is lost with the machine: a reader that
 * may not write to the database must still find what was committed. */
START_TEST(a_withdrawal_outlives_its_writer)
{
    struct bench bench;
    bench_open(&bench);
    registry_close(&bench.registry);
    pid_t child = fork();
    if (child == 0) {
        struct registry *writer = NULL;
        struct event_input event = grant(1, 0, "2026-01-05T00:00:00Z");
        unsigned added = 0;
        event.kind = EVENT_WITHDRAWN;
        bool ok = registry_open(bench.path, false, &writer, NULL) == RESULT_OK &&
                  registry_add_event(writer, &event, at(NOW), &added, NULL) == RESULT_OK;
        raise(ok ? SIGKILL : SIGABRT);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(WTERMSIG(status), SIGKILL);
    char name[320];
    snprintf(name, sizeof(name), "%s-shm", bench.path);
    ck_assert_int_eq(unlink(name), 0);
    struct registry *reader = NULL;
    ck_assert_int_eq(registry_open_as(bench.path, SQL_READ, 10, &reader, &bench.err), RESULT_OK);
    ck_assert_uint_eq(ask(reader, 1, "acme")->n_events, 1);
    ck_assert_int_eq(ask(reader, 1, "acme")->events[0].kind, EVENT_WITHDRAWN);
    registry_close(&reader);
    bench_close(&bench);
}
END_TEST

START_TEST(damage_is_an_error_and_not_an_absence)
{
    struct bench bench;
    bench_open(&bench);
    struct event_input event = grant(1, 0, "2026-01-05T00:00:00Z");
    event.kind = EVENT_OBJECTED;
    put(bench.registry, &event);
    ck_assert_int_eq(
        sql_exec(bench.registry->db, "UPDATE standing SET kind = 'no-such-kind'", &bench.err),
        RESULT_OK);
    const struct facts *facts = NULL;
    ck_assert_int_eq(
        registry_facts(bench.registry, event.recipient_key, "acme", "news", &facts, &bench.err),
        RESULT_DAMAGED);
    ck_assert_ptr_null(facts);
    ck_assert_int_eq(
        registry_facts(bench.registry, event.recipient_key, "acme", "news", &facts, &bench.err),
        RESULT_DAMAGED); /* the read transaction before was ended */
    bench_close(&bench);
}
END_TEST

/* ---- the store of a loop, over a journal that is only a note of what was handed to it ---- */

static struct {
    unsigned appended;
    unsigned freed;
    struct loop_task *done;
    enum result *result;
} journal_double;

void journal_append(struct journal *journal, struct journal_batch *batch, struct loop *home,
                    struct loop_task *done, enum result *result_out)
{
    (void)journal;
    (void)batch;
    journal_double.appended++;
    journal_double.done = done;
    journal_double.result = result_out;
    if (done != NULL) {
        *result_out = RESULT_OK;
        loop_post(home, done);
    }
}

void journal_batch_free(struct journal_batch **batch)
{
    journal_double.freed++;
    *batch = NULL;
}

struct heard {
    unsigned facts, durable;
    size_t events;
    enum result result;
    struct ticket ticket;
};

static void hear_facts(void *owner, struct ticket ticket, enum result result,
                       const struct facts *facts)
{
    struct heard *heard = owner;
    heard->facts++;
    heard->result = result;
    heard->ticket = ticket;
    heard->events = facts != NULL ? facts->n_events : 99;
}

static void hear_durable(void *owner, struct ticket ticket, enum result result)
{
    struct heard *heard = owner;
    heard->durable++;
    heard->result = result;
    heard->ticket = ticket;
}

START_TEST(the_store_answers)
{
    struct bench bench;
    bench_open(&bench);
    struct loop *loop = NULL;
    struct store *store = NULL;
    ck_assert_int_eq(loop_new(0, &loop, &bench.err), RESULT_OK);
    ck_assert_int_eq(store_open_sqlite(bench.path, NULL, loop, &store, &bench.err), RESULT_OK);
    struct event_input event = grant(1, 0, "2026-01-05T00:00:00Z");
    put(bench.registry, &event);
    struct store_query query = {.partner = "acme", .stream = "news"};
    memset(query.recipient_key, 1, sizeof(query.recipient_key));
    struct heard heard = {0};
    struct ticket ticket = {.slot = 3, .generation = 7, .item = 5};
    store_look_up(store, &query, hear_facts, &heard, ticket);
    ck_assert_uint_eq(heard.facts, 1);
    ck_assert_int_eq(heard.result, RESULT_OK);
    ck_assert_uint_eq(heard.events, 1);
    ck_assert_uint_eq(heard.ticket.item, 5);

    store_append(store, NULL, NULL, NULL, ticket);
    ck_assert_uint_eq(journal_double.appended, 1);
    ck_assert_ptr_null(journal_double.done);
    heard = (struct heard){0};
    store_append(store, NULL, hear_durable, &heard, ticket);
    ck_assert_uint_eq(heard.durable, 0); /* on the loop, not before */
    loop_turn(loop);
    ck_assert_uint_eq(heard.durable, 1);
    ck_assert_int_eq(heard.result, RESULT_OK);
    ck_assert_uint_eq(heard.ticket.generation, 7);

    /* A table gone under our feet: no facts, and no verdict on their absence. */
    ck_assert_int_eq(
        sql_exec(bench.registry->db, "ALTER TABLE standing RENAME TO gone", &bench.err), RESULT_OK);
    store_look_up(store, &query, hear_facts, &heard, ticket);
    ck_assert_int_eq(heard.result, RESULT_UNAVAILABLE);
    ck_assert_uint_eq(heard.events, 99);

    /* What the journal still owes comes even when the store is closed. */
    heard = (struct heard){0};
    store_append(store, NULL, hear_durable, &heard, ticket);
    store_close(&store);
    ck_assert_ptr_null(store);
    loop_free(&loop);
    ck_assert_uint_eq(heard.durable, 1);
    ck_assert_int_eq(store_open_sqlite("/nonexistent/registry.db", NULL, NULL, &store, &bench.err),
                     RESULT_NOT_FOUND);
    bench_close(&bench);
}
END_TEST

static size_t look(struct store *store, uint8_t person)
{
    struct store_query query = {.partner = "acme", .stream = "news"};
    struct heard heard = {0};
    memset(query.recipient_key, person, sizeof(query.recipient_key));
    store_look_up(store, &query, hear_facts, &heard, (struct ticket){0});
    ck_assert_uint_eq(heard.facts, 1);
    ck_assert_int_eq(heard.result, RESULT_OK);
    return heard.events;
}

/* What arrived together is judged by one state; what comes later sees what was written before. */
START_TEST(looked_up_together)
{
    struct bench bench;
    bench_open(&bench);
    struct loop *loop = NULL;
    struct store *store = NULL;
    ck_assert_int_eq(loop_new(0, &loop, &bench.err), RESULT_OK);
    ck_assert_int_eq(store_open_sqlite(bench.path, NULL, loop, &store, &bench.err), RESULT_OK);
    struct event_input event = grant(1, 0, "2026-01-05T00:00:00Z");
    put(bench.registry, &event);
    store_hold(store);
    event = grant(2, 0, "2026-01-05T00:00:00Z");
    put(bench.registry, &event);
    ck_assert_uint_eq(look(store, 2), 1); /* nothing was asked before: this is the state */
    event.kind = EVENT_WITHDRAWN;
    event.occurred_at += CLOCK_SECOND;
    put(bench.registry, &event);
    ck_assert_uint_eq(look(store, 2), 1);
    ck_assert_uint_eq(look(store, 1), 1);
    store_release(store);
    ck_assert_uint_eq(look(store, 2), 2);
    event = grant(3, 0, "2026-01-05T00:00:00Z");
    put(bench.registry, &event);
    ck_assert_uint_eq(look(store, 3), 1); /* nothing is held any more */
    store_hold(store);
    store_release(store);
    ck_assert_uint_eq(look(store, 3), 1);
    store_close(&store);
    loop_free(&loop);
    bench_close(&bench);
}
END_TEST

/* A state in which an answer failed is held no longer, and one beyond what may be remembered begins
 * anew. */
START_TEST(a_failed_answer_is_held_no_longer)
{
    struct bench bench;
    bench_open(&bench);
    struct event_input event = grant(1, 0, "2026-01-05T00:00:00Z");
    put(bench.registry, &event);
    struct registry *reader = NULL;
    const struct facts *facts = NULL;
    ck_assert_int_eq(registry_open_as(bench.path, SQL_READ, 10, &reader, &bench.err), RESULT_OK);
    ck_assert_int_eq(
        sql_exec(bench.registry->db, "UPDATE standing SET kind = 'no-such-kind'", &bench.err),
        RESULT_OK);
    registry_hold(reader);
    ck_assert_int_eq(
        registry_facts(reader, event.recipient_key, "acme", "news", &facts, &bench.err),
        RESULT_DAMAGED);
    ck_assert(!registry_holding(reader));
    ck_assert_int_eq(sql_exec(bench.registry->db, "UPDATE standing SET kind = 'given'", &bench.err),
                     RESULT_OK);
    ck_assert_uint_eq(ask(reader, 1, "acme")->n_events, 1);
    ck_assert(registry_holding(reader));
    reader->kept.count = REGISTRY_KEPT_MOST;
    event = grant(2, 0, "2026-01-05T00:00:00Z");
    put(bench.registry, &event);
    ck_assert_uint_eq(ask(reader, 2, "acme")->n_events, 1);
    ck_assert(registry_holding(reader));
    registry_release(reader);
    ck_assert(!registry_holding(reader));
    ck_assert(sqlite3_get_autocommit(reader->db));
    registry_close(&reader);
    bench_close(&bench);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {nobody_has_no_events,
                                  what_is_remembered_is_forgotten_when_others_write,
                                  no_more_is_remembered_than_there_is_room_for,
                                  presence_is_listed_later_or_never,
                                  twenty_events_come_as_they_are,
                                  suspensions_show_at_once,
                                  a_withdrawal_elsewhere_is_seen_by_the_next_question,
                                  a_withdrawal_outlives_its_writer,
                                  damage_is_an_error_and_not_an_absence,
                                  the_store_answers,
                                  looked_up_together,
                                  a_failed_answer_is_held_no_longer,
                                  NULL};
    Suite *const suites[] = {unit_suite("facts", tests), NULL};
    return unit_run(suites);
}
