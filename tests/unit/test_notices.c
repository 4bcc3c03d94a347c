/* SPDX-License-Identifier: Apache-2.0 */
/* The outbox in the registry: what leaves a notice, whom it concerns, the order of deliveries, what
 * is erased when. */
#include "store/notices.h"
#include "tests/unit/test_registry.h"

#define ADDRESS "jean.dupont@example.org"
#define HOUR    (3600 * CLOCK_SECOND)

static struct bench bench;
static struct seal *seal;
static char key_path[320];

static void begin(void)
{
    bench_open(&bench);
    snprintf(key_path, sizeof(key_path), "%s/seal.key", bench.folder);
    ck_assert_msg(seal_create(key_path, &bench.err) == RESULT_OK, "%s", bench.err.text);
    ck_assert_msg(seal_load(key_path, &seal, &bench.err) == RESULT_OK, "%s", bench.err.text);
    registry_seal_with(bench.registry, seal);
    ck_assert_int_eq(put_form(bench.registry, "jeu-ete", 1, "2020-01-01T00:00:00Z",
                              "\"acme\",\"beta\"", "", &bench.err),
                     RESULT_OK);
}

static void end(void)
{
    unlink(key_path);
    bench_close(&bench);
    seal_free(&seal);
}

static void ok(enum result result)
{
    ck_assert_msg(result == RESULT_OK, "%s", bench.err.text);
}

static struct event_input no(uint8_t who, enum event_kind kind, const char *when)
{
    struct event_input event = grant(who, 0, when);
    event.kind = kind;
    event.evidence = "";
    event.address = ADDRESS;
    return event;
}

/* The number of the event. */
static int64_t say_no(uint8_t who, const char *when)
{
    struct event_input event = no(who, EVENT_WITHDRAWN, when);
    uint8_t hash[SHA256_BYTES];
    int64_t id = 0;
    ck_assert_uint_eq(put(bench.registry, &event), 1);
    ok(registry_head(bench.registry, &id, hash, &bench.err));
    return id;
}

/* "EVENT kind channel address" a line. */
static bool add_notice(void *arg, const struct notice *notice)
{
    struct strbuf *text = arg;
    uint8_t hash[SHA256_BYTES];
    strbuf_add_format(text, "%d %s %s ", (int)notice->event.id, event_kind_name(notice->event.kind),
                      channel_name(notice->event.channel));
    if (notice->sealed == NULL)
        strbuf_add_str(text, "?");
    else
        ok(seal_open(seal, SEAL_FOR_NOTICES, notice->sealed, notice->sealed_length, text,
                     &bench.err));
    strbuf_add_char(text, '\n');
    ok(registry_event_hash(bench.registry, notice->event.id, hash, &bench.err));
    ck_assert_mem_eq(notice->event_hash, hash, sizeof(hash));
    return true;
}

static void unspread(const char *expected)
{
    struct strbuf text = {0};
    ok(registry_unspread_notices(bench.registry, false, add_notice, &text, &bench.err));
    ck_assert_str_eq(text.data != NULL ? text.data : "", expected);
    strbuf_free(&text);
}

/* "EVENT partner state attempts answer [identifier]" a line; "*" where the address is there. */
static bool add_delivery(void *arg, const struct delivery *delivery)
{
    strbuf_add_format(arg, "%d %s %s %u%s%s%s%s%s\n", (int)delivery->notice.event.id,
                      delivery->partner, delivery_state_name(delivery->state), delivery->attempts,
                      delivery->last_answer[0] != '\0' ? " " : "", delivery->last_answer,
                      delivery->identifier != NULL ? " = " : "",
                      delivery->identifier != NULL ? delivery->identifier : "",
                      delivery->notice.sealed != NULL ? " *" : "");
    return true;
}

static void due(const char *partner, int64_t now, const char *expected)
{
    struct strbuf text = {0};
    ok(registry_due_deliveries(bench.registry, partner, now, add_delivery, &text, &bench.err));
    ck_assert_str_eq(text.data != NULL ? text.data : "", expected);
    strbuf_free(&text);
}

static const struct delivery_filter all = {.created_before = INT64_MAX, .before_id = INT64_MAX};

static void listed(const struct delivery_filter *filter, const char *expected)
{
    struct strbuf text = {0};
    ok(registry_deliveries(bench.registry, filter, add_delivery, &text, &bench.err));
    ck_assert_str_eq(text.data != NULL ? text.data : "", expected);
    strbuf_free(&text);
}

static void spread(int64_t notice, const char *partner, const char *other)
{
    const struct concerned both[] = {{partner, NULL}, {other, NULL}};
    ok(registry_spread_notice(bench.registry, notice, both, other != NULL ? 2 : 1, at(NOW),
                              &bench.err));
}

static void note(int64_t notice, const char *partner, enum delivery_state state, int64_t next_at)
{
    ok(registry_note_delivery(bench.registry, notice, partner, state, at(NOW), next_at,
                              state == DELIVERY_WAITING ? "503" : "200", &bench.err));
}

/* ---- what leaves a notice ---- */

START_TEST(a_no_leaves_a_notice_once)
{
    begin();
    struct event_input event = grant(1, 1, "2026-01-01T00:00:00Z");
    event.address = ADDRESS;
    put(bench.registry, &event);
    event.kind = EVENT_ACTIVE;
    put(bench.registry, &event);
    unspread("");
    event = no(1, EVENT_OBJECTED, "2026-02-01T00:00:00Z");
    event.channels = CHANNEL_BIT(CHANNEL_EMAIL) | CHANNEL_BIT(CHANNEL_POST);
    ck_assert_uint_eq(put(bench.registry, &event), 2);
    ck_assert_uint_eq(put(bench.registry, &event), 0);
    event.kind = EVENT_WITHDRAWN;
    event.channels = CHANNEL_BIT(CHANNEL_EMAIL);
    ck_assert_uint_eq(put(bench.registry, &event), 1);
    unspread("3 objected email " ADDRESS "\n"
             "4 objected post " ADDRESS "\n"
             "5 withdrawn email " ADDRESS "\n");
    end();
}
END_TEST

START_TEST(without_an_address_or_a_key)
{
    begin();
    struct event_input event = no(1, EVENT_WITHDRAWN, "2026-02-01T00:00:00Z");
    event.address = NULL;
    put(bench.registry, &event);
    registry_seal_with(bench.registry, NULL);
    event = no(2, EVENT_WITHDRAWN, "2026-02-01T00:00:00Z");
    put(bench.registry, &event);
    unspread("1 withdrawn email ?\n2 withdrawn email ?\n");
    end();
}
END_TEST

START_TEST(goes_with_its_transaction)
{
    unsigned added;
    begin();
    struct event_input event = no(1, EVENT_WITHDRAWN, "2026-02-01T00:00:00Z");
    ok(registry_begin(bench.registry, &bench.err));
    ok(registry_add_event(bench.registry, &event, at(NOW), &added, &bench.err));
    unspread("1 withdrawn email " ADDRESS "\n");
    registry_rollback(bench.registry);
    unspread("");
    /* A check leaves none. */
    ok(registry_check_event(bench.registry, &event, at(NOW), &added, &bench.err));
    ck_assert_uint_eq(added, 1);
    unspread("");
    end();
}
END_TEST

START_TEST(the_address_is_nowhere_in_the_file)
{
    static char bytes[1 << 20];
    begin();
    spread(say_no(1, "2026-02-01T00:00:00Z"), "acme", NULL);
    for (int i = 0; i < 2; i++) {
        char path[320];
        snprintf(path, sizeof(path), "%s%s", bench.path, i == 0 ? "" : "-wal");
        FILE *file = fopen(path, "re");
        ck_assert_ptr_nonnull(file);
        size_t n = fread(bytes, 1, sizeof(bytes), file);
        fclose(file);
        ck_assert_uint_gt(n, 1000);
        ck_assert_ptr_null(memmem(bytes, n, "jean.dupont", 11));
    }
    end();
}
END_TEST

/* ---- whom it concerns ---- */

static bool add_holder(void *arg, const char *partner)
{
    strbuf_add_format(arg, "%s ", partner);
    return true;
}

static void holders(uint8_t who, const char *expected)
{
    uint8_t key[RECIPIENT_KEY_BYTES];
    struct strbuf text = {0};
    memset(key, who, sizeof(key));
    ok(registry_holders(bench.registry, key, add_holder, &text, &bench.err));
    ck_assert_str_eq(text.data != NULL ? text.data : "", expected);
    strbuf_free(&text);
}

START_TEST(holders_of_grants)
{
    static const char *two[] = {"gamma", "acme"};
    static const char *other[] = {"omega"};
    begin();
    struct event_input event = grant(1, 1, "2026-01-01T00:00:00Z");
    put(bench.registry, &event); /* the form's own list */
    event = grant(1, 0, "2026-01-02T00:00:00Z");
    event.partners = two;
    event.n_partners = 2;
    put(bench.registry, &event);
    event = no(1, EVENT_WITHDRAWN, "2026-02-01T00:00:00Z");
    event.partners = other; /* never held anything */
    event.n_partners = 1;
    put(bench.registry, &event);
    event = grant(2, 0, "2026-01-02T00:00:00Z");
    event.kind = EVENT_RENEWED;
    event.partners = other;
    event.n_partners = 1;
    put(bench.registry, &event);
    holders(1, "acme gamma beta ");
    holders(2, "omega ");
    holders(3, "");
    end();
}
END_TEST

/* Who joined the list later, and what the person saw of categories. */
START_TEST(holders_of_other_kinds)
{
    struct strbuf text = {0};
    uint8_t key[RECIPIENT_KEY_BYTES];
    begin();
    ok(put_form(bench.registry, "jeu-ete", 2, "2026-01-05T00:00:00Z", "\"acme\",\"late\"",
                "\"energy\",\"travel\"", &bench.err));
    ok(put_form(bench.registry, "jeu-ete", 3, "2026-01-07T00:00:00Z", "\"last\"", "\"games\"",
                &bench.err));
    struct event_input event = grant(1, 1, "2026-01-01T00:00:00Z");
    put(bench.registry, &event);
    event = grant(2, 2, "2026-01-06T00:00:00Z");
    put(bench.registry, &event);
    holders(1, "acme beta last late ");
    holders(2, "acme last late ");
    memset(key, 2, sizeof(key));
    ok(registry_holder_categories(bench.registry, key, add_holder, &text, &bench.err));
    ck_assert_str_eq(text.data, "energy travel ");
    strbuf_clear(&text);
    memset(key, 1, sizeof(key));
    ok(registry_holder_categories(bench.registry, key, add_holder, &text, &bench.err));
    ck_assert_uint_eq(text.length, 0);
    strbuf_free(&text);
    end();
}
END_TEST

START_TEST(those_that_name_partners)
{
    static const char *one[] = {"omega"};
    struct strbuf text = {0};
    begin();
    for (int i = 0; i < 3; i++)
        say_no((uint8_t)(1 + i), "2026-02-01T00:00:00Z");
    struct event_input event = no(5, EVENT_OBJECTED, "2026-02-01T00:00:00Z");
    event.partners = one;
    event.n_partners = 1;
    put(bench.registry, &event);
    ok(registry_unspread_notices(bench.registry, true, add_notice, &text, &bench.err));
    ck_assert_str_eq(text.data, "4 objected email " ADDRESS "\n");
    strbuf_free(&text);
    end();
}
END_TEST

START_TEST(spread_once_and_gone_when_nobody_is_concerned)
{
    begin();
    int64_t first = say_no(1, "2026-02-01T00:00:00Z");
    int64_t second = say_no(1, "2026-02-02T00:00:00Z");
    ok(registry_spread_notice(bench.registry, first, NULL, 0, at(NOW), &bench.err));
    ck_assert_int_eq(registry_spread_notice(bench.registry, first, NULL, 0, at(NOW), &bench.err),
                     RESULT_CONFLICT);
    const struct concerned some[] = {{"acme", NULL}, {"beta", "nothing is configured"}};
    ok(registry_spread_notice(bench.registry, second, some, 2, at(NOW), &bench.err));
    ck_assert_int_eq(registry_spread_notice(bench.registry, second, some, 2, at(NOW), &bench.err),
                     RESULT_CONFLICT);
    unspread("");
    listed(&all, "2 acme waiting 0 *\n2 beta untold 0 nothing is configured *\n");
    end();
}
END_TEST

START_TEST(nobody_can_be_told)
{
    begin();
    const struct concerned some[] = {{"acme", "why"}};
    ok(registry_spread_notice(bench.registry, say_no(1, "2026-02-01T00:00:00Z"), some, 1, at(NOW),
                              &bench.err));
    listed(&all, "1 acme untold 0 why\n"); /* without the address */
    end();
}
END_TEST

/* ---- deliveries ---- */

START_TEST(of_each_person_the_oldest)
{
    begin();
    int64_t first = say_no(1, "2026-02-01T00:00:00Z"), second = say_no(1, "2026-02-02T00:00:00Z");
    int64_t other = say_no(2, "2026-02-01T00:00:00Z");
    spread(first, "acme", "beta");
    spread(second, "acme", "beta");
    spread(other, "acme", NULL);
    due("acme", at(NOW) - 1, "");
    due("acme", at(NOW), "1 acme waiting 0 *\n3 acme waiting 0 *\n");
    note(first, "acme", DELIVERY_WAITING, at(NOW) + HOUR);
    /* The younger one waits for the older one. */
    due("acme", at(NOW), "3 acme waiting 0 *\n");
    due("acme", at(NOW) + HOUR, "3 acme waiting 0 *\n1 acme waiting 1 503 *\n");
    due("beta", at(NOW), "1 beta waiting 0 *\n");
    note(first, "acme", DELIVERY_ACKNOWLEDGED, 0);
    due("acme", at(NOW), "2 acme waiting 0 *\n3 acme waiting 0 *\n");
    due("gamma", at(NOW), "");
    end();
}
END_TEST

START_TEST(the_last_one_erases_the_address)
{
    begin();
    int64_t notice = say_no(1, "2026-02-01T00:00:00Z");
    spread(notice, "acme", "beta");
    note(notice, "acme", DELIVERY_ACKNOWLEDGED, 0);
    listed(&all, "1 acme acknowledged 1 200 *\n1 beta waiting 0 *\n");
    note(notice, "beta", DELIVERY_GIVEN_UP, 0);
    listed(&all, "1 acme acknowledged 1 200\n1 beta given-up 1 200\n");
    ck_assert_int_eq(registry_note_delivery(bench.registry, notice, "beta", DELIVERY_WAITING,
                                            at(NOW), 0, "", &bench.err),
                     RESULT_NOT_FOUND);
    end();
}
END_TEST

static uint64_t overdue(const char *partner, int64_t before)
{
    uint64_t count;
    int64_t oldest;
    ok(registry_overdue_deliveries(bench.registry, partner, before, &count, &oldest, &bench.err));
    ck_assert_int_eq(oldest, count > 0 ? at(NOW) : 0);
    return count;
}

START_TEST(lists_and_counts)
{
    struct delivery_counts counts;
    begin();
    for (int i = 0; i < 3; i++)
        spread(say_no((uint8_t)(1 + i), "2026-02-01T00:00:00Z"), "acme", "beta");
    note(2, "acme", DELIVERY_ACKNOWLEDGED, 0);
    struct delivery_filter filter = all;
    filter.partner = "acme";
    listed(&filter, "3 acme waiting 0 *\n2 acme acknowledged 1 200 *\n1 acme waiting 0 *\n");
    filter.has_state = true;
    filter.state = DELIVERY_WAITING;
    listed(&filter, "3 acme waiting 0 *\n1 acme waiting 0 *\n");
    filter.created_before = at(NOW);
    listed(&filter, "");
    filter = all;
    filter.limit = 1; /* whole notices */
    listed(&filter, "3 acme waiting 0 *\n3 beta waiting 0 *\n");
    filter.before_id = 3;
    listed(&filter, "2 acme acknowledged 1 200 *\n2 beta waiting 0 *\n");
    uint8_t key[RECIPIENT_KEY_BYTES];
    memset(key, 1, sizeof(key));
    filter = all;
    filter.recipient_key = key;
    listed(&filter, "1 acme waiting 0 *\n1 beta waiting 0 *\n");
    ok(registry_delivery_counts(bench.registry, &counts, &bench.err));
    ck_assert_uint_eq(counts.states[DELIVERY_WAITING], 5);
    ck_assert_uint_eq(counts.states[DELIVERY_ACKNOWLEDGED], 1);
    ck_assert_int_eq(counts.oldest_waiting, at(NOW));
    ck_assert_uint_eq(overdue("acme", at(NOW)), 0);
    ck_assert_uint_eq(overdue("acme", at(NOW) + 1), 2);
    ck_assert_uint_eq(overdue("gamma", at(NOW) + 1), 0);
    /* What goes with its event is counted no more, nor what ended otherwise meanwhile. */
    ok(registry_erase_event(bench.registry, 1, &bench.err));
    note(2, "beta", DELIVERY_GIVEN_UP, 0);
    for (int i = 0; i < 2; i++)
        note(3, i == 0 ? "acme" : "beta", DELIVERY_ACKNOWLEDGED, 0);
    ok(registry_delivery_counts(bench.registry, &counts, &bench.err));
    ck_assert_uint_eq(counts.states[DELIVERY_WAITING], 0);
    ck_assert_uint_eq(counts.states[DELIVERY_GIVEN_UP], 1);
    ck_assert_uint_eq(counts.states[DELIVERY_ACKNOWLEDGED], 3);
    ck_assert_int_eq(counts.oldest_waiting, 0);
    end();
}
END_TEST

/* How many steps the statement's program has taken since it was last asked. */
static int steps(enum registry_statement slot)
{
    ck_assert_ptr_nonnull(bench.registry->statements[slot]);
    return sqlite3_stmt_status(bench.registry->statements[slot], SQLITE_STMTSTATUS_VM_STEP, 1);
}

static int cost_of_counting(void)
{
    struct delivery_counts counts;
    ok(registry_delivery_counts(bench.registry, &counts, &bench.err));
    ck_assert_uint_eq(counts.states[DELIVERY_WAITING], 1);
    ck_assert_uint_eq(overdue("acme", at(NOW) + 1), 1);
    return steps(STATEMENT_DELIVERY_TOTALS) + steps(STATEMENT_DELIVERY_OLDEST) +
           steps(STATEMENT_DELIVERY_OVERDUE);
}

/* They are counted every few seconds: what was acknowledged over the years costs nothing. */
START_TEST(counting_costs_what_waits)
{
    static const char *const days[] = {"2026-02-01T00:00:00Z", "2026-02-02T00:00:00Z",
                                       "2026-02-03T00:00:00Z"};
    begin();
    ok(registry_begin(bench.registry, &bench.err));
    for (int i = 0; i < 600; i++) {
        int64_t id = say_no((uint8_t)i, days[i / 256]);
        spread(id, "acme", NULL);
        if (i != 1)
            note(id, "acme", i % 2 == 0 ? DELIVERY_ACKNOWLEDGED : DELIVERY_GIVEN_UP, 0);
        if (i == 1)
            ck_assert_int_lt(cost_of_counting(), 300);
    }
    ck_assert_int_lt(cost_of_counting(), 300);
    ok(registry_commit(bench.registry, &bench.err));
    end();
}
END_TEST

/* One row that does not hold is told of, and keeps no other from being seen. */
START_TEST(what_is_damaged_holds_nothing_up)
{
    struct strbuf text = {0};
    begin();
    for (int i = 0; i < 4; i++)
        say_no((uint8_t)(1 + i), "2026-02-01T00:00:00Z");
    spread(3, "acme", NULL);
    spread(4, "acme", NULL);
    ok(sql_exec(bench.registry->db,
                "DROP TRIGGER event_no_update;"
                "UPDATE event SET kind = 'x' WHERE event_id IN (1, 3)",
                &bench.err));
    ck_assert_int_eq(
        registry_unspread_notices(bench.registry, false, add_notice, &text, &bench.err),
        RESULT_DAMAGED);
    ck_assert_ptr_nonnull(strstr(bench.err.text, "event 1 "));
    ck_assert_str_eq(text.data, "2 withdrawn email " ADDRESS "\n");
    strbuf_clear(&text);
    ck_assert_int_eq(
        registry_due_deliveries(bench.registry, "acme", at(NOW), add_delivery, &text, &bench.err),
        RESULT_DAMAGED);
    ck_assert_str_eq(text.data, "4 acme waiting 0 *\n");
    strbuf_free(&text);
    end();
}
END_TEST

START_TEST(waiting_partners)
{
    struct strbuf text = {0};
    begin();
    for (int i = 0; i < 3; i++)
        spread(say_no((uint8_t)(1 + i), "2026-02-01T00:00:00Z"), i == 2 ? "zeta" : "acme", NULL);
    note(3, "zeta", DELIVERY_ACKNOWLEDGED, 0);
    ok(registry_waiting_partners(bench.registry, add_holder, &text, &bench.err));
    ck_assert_str_eq(text.data, "acme ");
    strbuf_free(&text);
    end();
}
END_TEST

START_TEST(once_more)
{
    uint64_t count;
    uint8_t key[RECIPIENT_KEY_BYTES];
    begin();
    for (int i = 0; i < 4; i++)
        spread(say_no((uint8_t)(1 + i), "2026-02-01T00:00:00Z"), "acme", i == 0 ? "beta" : NULL);
    note(1, "acme", DELIVERY_WAITING, at(NOW) + HOUR);
    note(2, "acme", DELIVERY_WAITING, at(NOW) + 2 * HOUR);
    note(3, "acme", DELIVERY_GIVEN_UP, 0);
    note(4, "acme", DELIVERY_GIVEN_UP, 0);
    note(1, "beta", DELIVERY_WAITING, at(NOW) + HOUR);
    memset(key, 4, sizeof(key));
    ok(registry_set_identifier(bench.registry, key, "acme", "C-4", at(NOW), &bench.err));
    ok(registry_retry_deliveries(bench.registry, "acme", at(NOW), &count, &bench.err));
    ck_assert_uint_eq(count, 3);
    due("acme", 0, "1 acme waiting 1 503 *\n"); /* one of them whatever was answered */
    due("acme", at(NOW),
        "1 acme waiting 1 503 *\n2 acme waiting 1 503 *\n"
        "4 acme waiting 1 200 = C-4\n");
    due("beta", at(NOW), "");
    ok(registry_retry_deliveries(bench.registry, NULL, at(NOW), &count, &bench.err));
    ck_assert_uint_eq(count, 1);
    due("beta", 0, "1 beta waiting 1 503 *\n");
    end();
}
END_TEST

/* ---- identifiers, and what retention takes along ---- */

static bool add_identifier(void *arg, const char *partner, const char *identifier, int64_t set_at)
{
    strbuf_add_format(arg, "%s=%s ", partner, identifier);
    ck_assert_int_eq(set_at, at(NOW));
    return true;
}

static void identifiers(uint8_t who, const char *expected)
{
    uint8_t key[RECIPIENT_KEY_BYTES];
    struct strbuf text = {0};
    memset(key, who, sizeof(key));
    ok(registry_identifiers(bench.registry, key, add_identifier, &text, &bench.err));
    ck_assert_str_eq(text.data != NULL ? text.data : "", expected);
    strbuf_free(&text);
}

START_TEST(what_a_partner_calls_a_person)
{
    uint8_t key[RECIPIENT_KEY_BYTES];
    char longer[IDENTIFIER_MOST + 2];
    begin();
    memset(key, 1, sizeof(key));
    memset(longer, 'x', sizeof(longer));
    longer[IDENTIFIER_MOST + 1] = '\0';
    ok(registry_set_identifier(bench.registry, key, "acme", "C-17", at(NOW), &bench.err));
    ok(registry_set_identifier(bench.registry, key, "beta", "17", at(NOW), &bench.err));
    ok(registry_set_identifier(bench.registry, key, "acme", "C-18", at(NOW), &bench.err));
    identifiers(1, "acme=C-18 beta=17 ");
    spread(say_no(1, "2026-02-01T00:00:00Z"), "acme", NULL);
    due("acme", at(NOW), "1 acme waiting 0 = C-18 *\n");
    ok(registry_set_identifier(bench.registry, key, "acme", "", at(NOW), &bench.err));
    identifiers(1, "beta=17 ");
    ck_assert_int_eq(
        registry_set_identifier(bench.registry, key, "acme", longer, at(NOW), &bench.err),
        RESULT_BAD_INPUT);
    ck_assert_int_eq(
        registry_set_identifier(bench.registry, key, "acme", "\xff", at(NOW), &bench.err),
        RESULT_BAD_INPUT);
    end();
}
END_TEST

START_TEST(retention_takes_it_along)
{
    struct registry_report report;
    uint8_t key[RECIPIENT_KEY_BYTES];
    begin();
    memset(key, 1, sizeof(key));
    int64_t first = say_no(1, "2026-02-01T00:00:00Z"), second = say_no(1, "2026-02-02T00:00:00Z");
    int64_t third = say_no(2, "2026-02-02T00:00:00Z");
    spread(first, "acme", NULL);
    spread(third, "acme", NULL);
    ok(registry_set_identifier(bench.registry, key, "acme", "C-17", at(NOW), &bench.err));
    ok(registry_erase_event(bench.registry, first, &bench.err));
    listed(&all, "3 acme waiting 0 *\n");
    identifiers(1, "acme=C-17 "); /* somebody is still on record */
    ok(registry_erase_event(bench.registry, second, &bench.err));
    unspread("");
    identifiers(1, "");
    ok(registry_check(bench.registry, NULL, NULL, &report, &bench.err));
    ck_assert_uint_eq(report.erased, 2);
    end();
}
END_TEST

int main(void)
{
    const TTest *const notices[] = {a_no_leaves_a_notice_once, without_an_address_or_a_key,
                                    goes_with_its_transaction, the_address_is_nowhere_in_the_file,
                                    NULL};
    const TTest *const concern[] = {
        holders_of_grants,        holders_of_other_kinds,
        those_that_name_partners, spread_once_and_gone_when_nobody_is_concerned,
        nobody_can_be_told,       NULL};
    const TTest *const deliveries[] = {of_each_person_the_oldest,
                                       the_last_one_erases_the_address,
                                       lists_and_counts,
                                       counting_costs_what_waits,
                                       what_is_damaged_holds_nothing_up,
                                       waiting_partners,
                                       once_more,
                                       NULL};
    const TTest *const retention[] = {what_a_partner_calls_a_person, retention_takes_it_along,
                                      NULL};
    Suite *const suites[] = {unit_suite("notices", notices), unit_suite("concerned", concern),
                             unit_suite("deliveries", deliveries),
                             unit_suite("retention", retention), NULL};
    return unit_run(suites);
}
