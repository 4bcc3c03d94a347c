/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The courier under a clock of its own, with a real registry, a partner that does as told, and a
 * journal that may fail: what is sent, when it is tried again, in which order, what is on record.
 */
#include "proxy/notices/courier.h"

#include "base/jose.h"
#include "proxy/notices/message.h"
#include "proxy/notices/spread.h"
#include "tests/unit/test_config_help.h"
#include "tests/unit/test_registry.h"

#include <sys/stat.h>

#define ADDRESS "jean.dupont@example.org"
#define SECOND  CLOCK_SECOND
#define MINUTE  (60 * CLOCK_SECOND)
#define HOUR    (60 * MINUTE)

static const char config_text[] =
    "hostname = \"gate.example\" state_dir = \"state\"\n"
    "partners: { acme: { name = \"ACME\" notices: { url = \"https://acme.example/n\"\n"
    "secret = \"whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz\" address = \"sealed\"\n"
    "address_key = \"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\" } }\n"
    "beta: { name = \"BETA\" notices: { url = \"http://127.0.0.1:9/\"\n"
    "secret = \"whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz\" address = \"identifier\" } } }\n";

#define POSTS 4096
struct post {
    webhook_answer_fn *answer;
    void *owner;
    char url[64], id[64], signature[80];
    char body[600];
    int64_t at;
};

static struct world {
    struct bench bench;
    struct sandbox sandbox;
    struct config *config;
    struct seal *seal;
    struct courier *courier;
    int64_t now;
    struct post posts[POSTS];
    size_t n, answered;
    unsigned records; /* batches */
    struct strbuf journal;
    enum result journal_says;
} world;

static void ok(enum result result)
{
    ck_assert_msg(result == RESULT_OK, "%s", world.bench.err.text);
}

static bool post(void *arg, const struct webhook_call *call, webhook_answer_fn *answer, void *owner)
{
    ck_assert_ptr_eq(arg, &world);
    ck_assert_uint_lt(world.n, POSTS);
    struct post *post = &world.posts[world.n++];
    *post = (struct post){.answer = answer, .owner = owner, .at = world.now};
    ck_assert(str_copy(post->url, sizeof(post->url), call->url));
    ck_assert(str_copy(post->id, sizeof(post->id), call->headers[0]));
    ck_assert(str_copy(post->signature, sizeof(post->signature), call->headers[2]));
    ck_assert(str_copy(post->body, sizeof(post->body), call->body));
    return true;
}

/* The journal: what its records say without id and moment. */
static void record(void *arg, struct journal_batch *batch)
{
    ck_assert_ptr_eq(arg, &world);
    world.records += (unsigned)journal_batch_rows(batch);
    journal_batch_free(&batch);
    courier_recorded(world.courier, world.journal_says);
}

static void begin(void)
{
    const struct courier_ops ops = {.arg = &world, .post = post, .record = record};
    struct world *w = &world;
    *w = (struct world){.now = at(NOW)};
    bench_open(&w->bench);
    sandbox_make(&w->sandbox);
    w->config = sandbox_config(&w->sandbox, config_text);
    ok(seal_create(sandbox_path(&w->sandbox, "seal.key"), &w->bench.err));
    ok(seal_load(sandbox_path(&w->sandbox, "seal.key"), &w->seal, &w->bench.err));
    registry_seal_with(w->bench.registry, w->seal);
    w->courier = courier_new(&ops, "gate.example", w->seal);
    ck_assert_ptr_nonnull(w->courier);
}

static void end(void)
{
    courier_free(&world.courier);
    config_unref(&world.config);
    seal_free(&world.seal);
    sandbox_remove(&world.sandbox);
    bench_close(&world.bench);
}

/* Another process writes a withdrawal, and it is spread to this partner. */
static int64_t say_no(uint8_t who, const char *partner)
{
    static int count;
    unsigned added;
    uint8_t hash[SHA256_BYTES];
    int64_t id;
    const struct concerned concerned = {partner, NULL};
    struct event_input event = grant(who, 0, "2026-02-01T00:00:00Z");
    event.kind = EVENT_WITHDRAWN;
    event.occurred_at += ++count * SECOND;
    event.address = ADDRESS;
    ok(registry_add_event(world.bench.registry, &event, world.now, &added, &world.bench.err));
    ck_assert_uint_eq(added, 1);
    ok(registry_head(world.bench.registry, &id, hash, &world.bench.err));
    ok(registry_spread_notice(world.bench.registry, id, &concerned, 1, world.now,
                              &world.bench.err));
    return id;
}

static void turn(void)
{
    ok(courier_turn(world.courier, world.bench.registry, world.config, world.now,
                    &world.bench.err));
}

/* Answers all that is on its way: in the order given, or the other way round. */
static void answer(int status, int64_t retry_after)
{
    while (world.answered < world.n) {
        struct post *next = &world.posts[world.answered++];
        const struct webhook_answer answer = {
            .status = status, .retry_after = retry_after, .why = "Connection refused"};
        next->answer(next->owner, &answer);
    }
}

static void pass(int64_t time)
{
    world.now += time;
    turn();
}

static int64_t event_of(const struct post *post)
{
    const char *text = strstr(post->body, "\"event\":");
    ck_assert_ptr_nonnull(text);
    return strtol(text + 8, NULL, 10);
}

static struct delivery_counts counts(void)
{
    struct delivery_counts counts;
    ok(registry_delivery_counts(world.bench.registry, &counts, &world.bench.err));
    return counts;
}

/* ---- what is sent ---- */

START_TEST(what_is_sent)
{
    char expected[64], mac_text[64];
    uint8_t mac[SHA256_BYTES];
    struct strbuf content = {0};
    begin();
    int64_t id = say_no(1, "acme");
    turn();
    ck_assert_uint_eq(world.n, 1);
    const struct post *sent = &world.posts[0];
    ck_assert_str_eq(sent->url, "https://acme.example/n");
    ck_assert_ptr_nonnull(strstr(sent->body,
                                 "{\"type\":\"consent.withdrawn\",\"timestamp\":"
                                 "\"2026-06-01T00:00:00.000000Z\",\"data\":{\"event\":1,"
                                 "\"partner\":\"acme\",\"channel\":\"email\","));
    ck_assert_ptr_nonnull(strstr(sent->body, "\"scope\":\"all\""));
    ck_assert_ptr_nonnull(strstr(sent->body, "\"recipient\":{\"sealed\":\"eyJ"));
    ck_assert_ptr_nonnull(strstr(sent->body, "•@example.org\"}}"));
    ck_assert_ptr_null(strstr(sent->body, "dupont"));
    ck_assert_int_eq(strncmp(sent->id, "webhook-id: msg_", 16), 0);
    /* The signature, computed apart. */
    struct hmac *hmac = hmac_new((const uint8_t *)"012345678901234567890123", 24);
    strbuf_add_format(&content, "%s.%lld.%s", sent->id + 12, (long long)(world.now / SECOND),
                      sent->body);
    ck_assert(hmac_compute(hmac, content.data, content.length, mac));
    base64_encode(mac, sizeof(mac), mac_text);
    snprintf(expected, sizeof(expected), "webhook-signature: v1,");
    ck_assert_int_eq(strncmp(sent->signature, expected, strlen(expected)), 0);
    ck_assert_str_eq(sent->signature + strlen(expected), mac_text);
    /* A repetition has the same id. */
    answer(500, 0);
    pass(0);
    pass(10 * SECOND);
    ck_assert_uint_eq(world.n, 2);
    ck_assert_str_eq(world.posts[0].id, world.posts[1].id);
    ck_assert_int_eq(event_of(&world.posts[1]), id);
    answer(204, 0);
    pass(0);
    ck_assert_uint_eq(counts().states[DELIVERY_ACKNOWLEDGED], 1);
    ck_assert_uint_eq(world.records, 1);
    ck_assert_uint_eq(courier_open(world.courier), 0);
    hmac_free(&hmac);
    strbuf_free(&content);
    end();
}
END_TEST

START_TEST(identifiers)
{
    uint8_t key[RECIPIENT_KEY_BYTES];
    begin();
    say_no(1, "beta");
    say_no(2, "beta");
    memset(key, 2, sizeof(key));
    ok(registry_set_identifier(world.bench.registry, key, "beta", "C-2", world.now,
                               &world.bench.err));
    turn();
    ck_assert_uint_eq(world.n, 1);
    ck_assert_ptr_nonnull(strstr(world.posts[0].body, "\"recipient\":{\"identifier\":\"C-2\"}"));
    answer(200, 0);
    pass(0);
    ck_assert_uint_eq(counts().states[DELIVERY_ACKNOWLEDGED], 1);
    ck_assert_uint_eq(counts().states[DELIVERY_UNTOLD], 1);
    end();
}
END_TEST

/* ---- a partner that is down ---- */

START_TEST(an_hour_down_then_everything_in_order)
{
    int64_t last[4] = {0};
    begin();
    /* 120 withdrawals of three persons during the hour; every request is refused. */
    for (int minute = 0; minute < 60; minute++) {
        say_no((uint8_t)(1 + minute % 3), "acme");
        say_no((uint8_t)(1 + (minute + 1) % 3), "acme");
        for (int i = 0; i < 60; i++) {
            pass(SECOND);
            ck_assert_uint_le(courier_open(world.courier), minute == 0 ? 8 : 1);
            answer(0, 0);
        }
    }
    /* Not hammered: probes after 5 s, a minute, then every five minutes at most. */
    ck_assert_uint_ge(world.n, 10);
    ck_assert_uint_le(world.n, 20);
    size_t before = world.n;
    int64_t up_at = world.now;
    while (counts().states[DELIVERY_WAITING] > 0) {
        ck_assert_int_lt(world.now - up_at, 10 * MINUTE);
        pass(SECOND);
        answer(200, 0);
        turn();
    }
    ck_assert_uint_eq(counts().states[DELIVERY_ACKNOWLEDGED], 120);
    ck_assert_uint_eq(world.n - before, 120);
    for (size_t i = before; i < world.n; i++) {
        int64_t event = event_of(&world.posts[i]);
        int64_t index = (event - 1) / 2;
        int64_t who = event % 2 == 1 ? index % 3 : (index + 1) % 3;
        ck_assert_int_lt(last[who], event);
        last[who] = event;
    }
    ck_assert_uint_eq(world.records, 120);
    end();
}
END_TEST

START_TEST(when_it_is_tried_again)
{
    static const int64_t pauses[] = {5 * SECOND, MINUTE,   5 * MINUTE, 30 * MINUTE,
                                     2 * HOUR,   6 * HOUR, 12 * HOUR,  12 * HOUR};
    begin();
    say_no(1, "acme");
    turn();
    for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
        ck_assert_uint_eq(world.n, i + 1);
        answer(503, 0);
        pass(0);
        pass(pauses[i] - 1);
        ck_assert_uint_eq(world.n, i + 1);
        pass(pauses[i] / 10 + 1); /* and a tenth, at random */
    }
    while (counts().states[DELIVERY_WAITING] > 0) {
        ck_assert_int_lt(world.now, at(NOW) + 31 * CLOCK_DAY);
        answer(410, 0);
        pass(13 * HOUR);
    }
    ck_assert_int_ge(world.now, at(NOW) + 30 * CLOCK_DAY);
    ck_assert_uint_eq(counts().states[DELIVERY_GIVEN_UP], 1);
    ck_assert_uint_eq(world.records, 1);
    end();
}
END_TEST

START_TEST(when_the_clock_is_put_back)
{
    for (int restarted = 0; restarted < 2; restarted++) {
        const struct courier_ops ops = {.arg = &world, .post = post, .record = record};
        begin();
        say_no(1, "acme");
        turn();
        answer(503, 0);
        pass(0);
        pass(6 * SECOND);
        answer(503, 0);
        pass(0);
        say_no(2, "acme"); /* waits for the other: it does not answer */
        ck_assert_uint_eq(world.n, 2);
        pass(-2 * SECOND); /* so little is awaited */
        pass(2 * SECOND);
        ck_assert_uint_eq(world.n, 2);
        if (restarted != 0) {
            courier_free(&world.courier);
            world.courier = courier_new(&ops, "gate.example", world.seal);
        }
        pass(-HOUR);
        ck_assert_uint_ge(world.n, 3);
        answer(200, 0);
        pass(SECOND);
        answer(200, 0);
        pass(SECOND);
        ck_assert_uint_eq(world.n, 4);
        ck_assert_uint_eq(counts().states[DELIVERY_ACKNOWLEDGED], 2);
        end();
    }
}
END_TEST

START_TEST(what_the_partner_asks_for)
{
    begin();
    say_no(1, "acme");
    turn();
    answer(429, 90 * SECOND);
    pass(0);
    pass(89 * SECOND);
    ck_assert_uint_eq(world.n, 1);
    say_no(2, "acme"); /* it asked for peace, not for this one to wait */
    turn();
    ck_assert_uint_eq(world.n, 1);
    pass(SECOND);
    ck_assert_uint_eq(world.n, 2);
    answer(503, 400 * CLOCK_DAY); /* within bounds */
    pass(0);
    pass(12 * HOUR);
    ck_assert_uint_eq(world.n, 3);
    end();
}
END_TEST

START_TEST(one_it_never_takes_holds_up_nobody_else)
{
    begin();
    int64_t poison = say_no(1, "acme"), behind = say_no(1, "acme");
    for (int i = 0; i < 100; i++) {
        if (i % 10 == 0)
            say_no((uint8_t)(2 + i), "acme");
        pass(SECOND);
        while (world.answered < world.n) {
            struct post *next = &world.posts[world.answered++];
            const struct webhook_answer answer = {.status = event_of(next) == poison ? 400 : 200,
                                                  .why = ""};
            ck_assert_int_ne(event_of(next), behind);
            next->answer(next->owner, &answer);
        }
    }
    pass(0);
    ck_assert_uint_eq(counts().states[DELIVERY_ACKNOWLEDGED], 10);
    ck_assert_uint_eq(counts().states[DELIVERY_WAITING], 2);
    ck_assert_uint_le(world.n, 10 + 3);
    end();
}
END_TEST

START_TEST(somebody_asks_for_a_retry)
{
    uint64_t count;
    begin();
    say_no(1, "acme");
    turn();
    for (int i = 0; i < 4; i++) {
        answer(500, 0);
        pass(0);
        pass(40 * MINUTE);
    }
    answer(500, 0);
    pass(0);
    size_t before = world.n;
    pass(SECOND);
    ck_assert_uint_eq(world.n, before);
    ok(registry_retry_deliveries(world.bench.registry, NULL, world.now, &count, &world.bench.err));
    ck_assert_uint_eq(count, 1);
    turn();
    ck_assert_uint_eq(world.n, before + 1);
    end();
}
END_TEST

/* ---- what does not hold ---- */

START_TEST(nothing_is_noted_before_it_is_on_record)
{
    begin();
    say_no(1, "acme");
    turn();
    world.journal_says = RESULT_UNAVAILABLE;
    answer(200, 0);
    for (int i = 0; i < 10; i++)
        pass(SECOND);
    ck_assert_uint_eq(world.n, 1); /* it is not sent again meanwhile */
    ck_assert_uint_eq(counts().states[DELIVERY_WAITING], 1);
    world.journal_says = RESULT_OK;
    pass(SECOND);
    pass(SECOND);
    ck_assert_uint_eq(counts().states[DELIVERY_ACKNOWLEDGED], 1);
    end();
}
END_TEST

START_TEST(a_partner_without_configuration)
{
    begin();
    say_no(1, "gamma");
    for (int hour = 0; hour < 24 * 29; hour++)
        pass(HOUR);
    ck_assert_uint_eq(world.n, 0);
    ck_assert_uint_eq(counts().states[DELIVERY_WAITING], 1);
    for (int hour = 0; hour < 30; hour++)
        pass(HOUR);
    ck_assert_uint_eq(counts().states[DELIVERY_GIVEN_UP], 1);
    end();
}
END_TEST

START_TEST(at_once_there_are_some)
{
    begin();
    for (int i = 0; i < 50; i++)
        say_no((uint8_t)(1 + i), "acme");
    turn();
    ck_assert_uint_eq(world.n, 8);
    turn();
    ck_assert_uint_eq(world.n, 8);
    answer(200, 0);
    turn();
    ck_assert_uint_eq(world.n, 16);
    answer(0, 0);
    end();
}
END_TEST

/* One row that does not hold: the rest of that partner's go, and the other partners'. */
START_TEST(what_is_damaged_holds_nothing_up)
{
    begin();
    say_no(1, "beta");
    for (int i = 0; i < 3; i++)
        say_no((uint8_t)(1 + i), i < 2 ? "acme" : "beta");
    uint8_t key[RECIPIENT_KEY_BYTES];
    for (uint8_t who = 1; who <= 3; who += 2) {
        memset(key, who, sizeof(key));
        ok(registry_set_identifier(world.bench.registry, key, "beta", "C", world.now,
                                   &world.bench.err));
    }
    ok(sql_exec(world.bench.registry->db,
                "DROP TRIGGER event_no_update;"
                "UPDATE event SET kind = 'x' WHERE event_id IN (1, 2)",
                &world.bench.err));
    ck_assert_int_eq(courier_turn(world.courier, world.bench.registry, world.config, world.now,
                                  &world.bench.err),
                     RESULT_DAMAGED);
    ck_assert_ptr_nonnull(strstr(world.bench.err.text, "event "));
    ck_assert_uint_eq(world.n, 2);
    ck_assert_int_eq(event_of(&world.posts[0]) + event_of(&world.posts[1]), 3 + 4);
    ck_assert_str_ne(world.posts[0].url, world.posts[1].url);
    answer(204, 0);
    end();
}
END_TEST

/* ---- what comes of a request that fails ---- */

static void keep_answer(void *owner, const struct webhook_answer *answer)
{
    strbuf_add_format(owner, "%d %s", answer->status, answer->why);
}

/* What libcurl says of its own may quote the other side: only its words for the kind are kept. */
START_TEST(a_failure_is_told_in_words_of_ours)
{
    static const char *const headers[] = {NULL};
    struct webhooks *webhooks = NULL;
    struct strbuf text = {0};
    struct error err;
    const struct webhook_call call = {
        .url = "http://127.0.0.1:1/jean.dupont", .headers = headers, .body = "{}"};
    ck_assert_int_eq(webhooks_new(&webhooks, &err), RESULT_OK);
    ck_assert(webhooks_post(webhooks, &call, keep_answer, &text));
    for (int64_t until = clock_monotonic() + 20 * SECOND; text.length == 0;) {
        ck_assert_int_lt(clock_monotonic(), until);
        webhooks_wait(webhooks, 10);
    }
    ck_assert_int_eq(strncmp(text.data, "0 ", 2), 0);
    ck_assert_ptr_nonnull(strcasestr(text.data, "connect"));
    ck_assert_msg(strpbrk(text.data + 2, "0123456789") == NULL, "%s", text.data);
    webhooks_free(&webhooks);
    strbuf_free(&text);
}
END_TEST

/* ---- spreading ---- */

static void add_no(uint8_t who, const char *partner)
{
    unsigned added;
    struct event_input event = grant(who, 0, "2026-02-01T00:00:00Z");
    event.kind = EVENT_OBJECTED;
    event.address = ADDRESS;
    event.partners = &partner;
    event.n_partners = partner != NULL;
    ok(registry_add_event(world.bench.registry, &event, world.now, &added, &world.bench.err));
    ck_assert_uint_eq(added, 1);
}

static enum result spread(struct journal_index *index)
{
    bool more = true;
    enum result result = RESULT_OK;
    while (more && result == RESULT_OK)
        result = spread_notices(world.bench.registry, index, world.config, world.now, &more,
                                &world.bench.err);
    return result;
}

/* Those that name nobody wait for the index; those that name somebody do not wait for them. */
START_TEST(without_an_index)
{
    begin();
    ok(registry_begin(world.bench.registry, &world.bench.err));
    for (int i = 0; i < 250; i++)
        add_no((uint8_t)i, NULL);
    for (int i = 0; i < 150; i++)
        add_no((uint8_t)i, "acme");
    ok(registry_commit(world.bench.registry, &world.bench.err));
    ok(spread(NULL));
    ck_assert_uint_eq(counts().states[DELIVERY_WAITING], 150);
    end();
}
END_TEST

static bool name_partner(void *arg, const struct delivery *delivery)
{
    strbuf_add_format(arg, "%s ", delivery->partner);
    return true;
}

static void told(const char *expected)
{
    const struct delivery_filter all = {.created_before = INT64_MAX, .before_id = INT64_MAX};
    struct strbuf text = {0};
    ok(registry_deliveries(world.bench.registry, &all, name_partner, &text, &world.bench.err));
    ck_assert_str_eq(text.data != NULL ? text.data : "", expected);
    strbuf_free(&text);
}

/* An objection to all reaches whoever could have relied on the grant: also by a category the
 * person was shown, where the policy takes that, and by a later version of the form. */
START_TEST(whoever_could_rely_on_the_grant)
{
    static const char energy[] = "hostname = \"gate.example\" state_dir = \"state\"\n"
                                 "policies: { email: { partner_naming = \"%s\" } }\n"
                                 "partners: { acme: { name = \"A\" } late: { name = \"L\" }\n"
                                 "volt: { name = \"V\" categories = [\"other\", \"energy\"] } "
                                 "taxi: { name = \"T\" categories = [\"travel\"] } }\n";
    for (int i = 0; i < 2; i++) {
        struct journal_index *index = NULL;
        char text[512];
        begin();
        struct bench *bench = &world.bench;
        config_unref(&world.config);
        snprintf(text, sizeof(text), energy, i == 0 ? "category" : "named");
        world.config = sandbox_config(&world.sandbox, text);
        ok(put_form(bench->registry, "jeu-ete", 1, "2020-01-01T00:00:00Z", "\"acme\"", "\"energy\"",
                    &bench->err));
        ok(put_form(bench->registry, "jeu-ete", 2, "2026-01-05T00:00:00Z", "\"late\"", "",
                    &bench->err));
        struct event_input event = grant(1, 1, "2026-01-01T00:00:00Z");
        ck_assert_uint_eq(put(bench->registry, &event), 1);
        add_no(1, NULL);
        ck_assert_int_eq(mkdir(sandbox_path(&world.sandbox, "journal"), 0700), 0);
        ok(journal_index_open(sandbox_path(&world.sandbox, "index.db"),
                              sandbox_path(&world.sandbox, "journal"), NULL, &index, &bench->err));
        ok(spread(index));
        told(i == 0 ? "acme late volt " : "acme late ");
        journal_index_close(&index);
        end();
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {what_is_sent,
                                  identifiers,
                                  an_hour_down_then_everything_in_order,
                                  when_it_is_tried_again,
                                  when_the_clock_is_put_back,
                                  what_the_partner_asks_for,
                                  one_it_never_takes_holds_up_nobody_else,
                                  somebody_asks_for_a_retry,
                                  nothing_is_noted_before_it_is_on_record,
                                  a_partner_without_configuration,
                                  at_once_there_are_some,
                                  what_is_damaged_holds_nothing_up,
                                  a_failure_is_told_in_words_of_ours,
                                  NULL};
    const TTest *const spreading[] = {without_an_index, whoever_could_rely_on_the_grant, NULL};
    Suite *const suites[] = {unit_suite("courier", tests), unit_suite("spreading", spreading),
                             NULL};
    return unit_run(suites);
}
