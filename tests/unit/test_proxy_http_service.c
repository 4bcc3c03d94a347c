/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services beside SMS: which listener has them, whose token may come in, that nothing is answered
 * before it is on record, and what becomes of a call whose client leaves. The store is a fake that
 * answers as told; the desk is the real one.
 */
#include "proxy/api/work.h"
#include "proxy/desk/desk.h"
#include "proxy/unsubscribe/link.h"
#include "store/registry_internal.h"
#include "store/tokens.h"
#include "tests/unit/test_proxy_http_shapes.h"

#include <pthread.h>
#include <string.h>

#define CHECK        "{\"recipient\":\"a@example.org\",\"partner\":\"acme\",\"channel\":\"email\"}"
#define BEARER(text) "Authorization: Bearer " text "\r\n"
#define GOOD         BEARER("good")

/* ---- the store ---- */

static struct {
    bool token_fails, facts_fail, hold;
    enum result durable; /* what becomes of appended rows */
    size_t rows;
    bool waiting;
    store_durable_fn *answer;
    struct ticket ticket;
    int64_t now_of_token;
} fake;

static const struct token tokens[] = {
    {.id = "id-good", .name = "good", .scopes = SCOPE_CHECK | SCOPE_SUSPENSIONS},
    {.id = "id-acme", .name = "acme", .partner = "acme", .scopes = SCOPE_CHECK},
    {.id = "id-poor", .name = "poor", .scopes = SCOPE_EVENTS},
    {.id = "id-full", .name = "full", .scopes = SCOPE_REPORTS | SCOPE_SUSPENSIONS},
    {.id = "id-slow", .name = "slow", .scopes = SCOPE_CHECK, .rate = 2},
};

static void find_token(struct store *store, const char *text, int64_t now, store_token_fn *answer,
                       void *owner, struct ticket ticket)
{
    (void)store;
    fake.now_of_token = now;
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]) && !fake.token_fails; i++)
        if (strcmp(tokens[i].name, text) == 0) {
            answer(owner, ticket, RESULT_OK, &tokens[i]);
            return;
        }
    answer(owner, ticket, fake.token_fails ? RESULT_UNAVAILABLE : RESULT_NOT_FOUND, NULL);
}

static void look_up(struct store *store, const struct store_query *query, store_facts_fn *answer,
                    void *owner, struct ticket ticket)
{
    static const struct facts nothing = {0};
    (void)store;
    must(strcmp(query->partner, "acme") == 0);
    answer(owner, ticket, fake.facts_fail ? RESULT_UNAVAILABLE : RESULT_OK,
           fake.facts_fail ? NULL : &nothing);
}

static void append(struct store *store, struct journal_batch *batch, store_durable_fn *answer,
                   void *owner, struct ticket ticket)
{
    (void)store;
    fake.rows += journal_batch_rows(batch);
    journal_batch_free(&batch);
    if (answer == NULL)
        return;
    must(owner == &stage.lane && !fake.waiting);
    fake.answer = answer;
    fake.ticket = ticket;
    fake.waiting = true;
    if (fake.hold)
        return;
    fake.waiting = false;
    answer(owner, ticket, fake.durable);
}

static void release(void)
{
    must(fake.waiting);
    fake.waiting = false;
    fake.answer(&stage.lane, fake.ticket, fake.durable);
}

static void close_store(struct store *store)
{
    (void)store;
}

/* ---- what the desk does, held up or out of memory for its answer ---- */

static struct {
    pthread_mutex_t gate;
    _Atomic bool fails;
    _Atomic bool endless;
} act = {.gate = PTHREAD_MUTEX_INITIALIZER};

api_action __real_api_suspend, __wrap_api_suspend, __real_api_forms, __wrap_api_forms;

enum result __wrap_api_forms(struct api_work *work, struct desk_tools *tools, struct error *err)
{
    uint64_t count;
    if (!act.endless)
        return __real_api_forms(work, tools, err);
    return registry_count(tools->registry,
                          "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
                          " SELECT count(*) FROM n",
                          &count, err);
}

enum result __wrap_api_suspend(struct api_work *work, struct desk_tools *tools, struct error *err)
{
    pthread_mutex_lock(&act.gate);
    enum result result = __real_api_suspend(work, tools, err);
    pthread_mutex_unlock(&act.gate);
    work->out.failed = work->out.failed || act.fails;
    return result;
}

static struct desk *desk;

static void make(void)
{
    static const struct store_ops ops = {
        .look_up = look_up, .find_token = find_token, .append = append, .close = close_store};
    static struct store store = {&ops};
    stage_make();
    memset(&fake, 0, sizeof(fake));
    stage.lane.store = &store;
}

static void end(void)
{
    stage.gate.desk = NULL;
    desk_stop(&desk);
    loop_turn(stage.loop);
    stage_free();
    must(atomic_load(&stage.gate.calls) == 0);
}

static void open_desk(void)
{
    static char registry[300], journal[300], index[300];
    static const uint8_t key[32] = {1};
    struct registry *fresh = NULL;
    struct error err = {0};
    snprintf(registry, sizeof(registry), "%s/registry.db", stage.folder);
    snprintf(journal, sizeof(journal), "%s/journal", stage.folder);
    snprintf(index, sizeof(index), "%s/journal.db", stage.folder);
    must_say(registry_open(registry, true, &fresh, &err) == RESULT_OK, "%s", err.text);
    registry_close(&fresh);
    const struct desk_options options = {.threads = 2,
                                         .registry_path = registry,
                                         .index_path = index,
                                         .journal_path = journal,
                                         .recipient_key = key,
                                         .recipient_key_length = sizeof(key),
                                         .long_most = CLOCK_SECOND / 2};
    must_say(desk_start(&options, &desk, &err) == RESULT_OK, "%s", err.text);
    stage.gate.desk = desk;
}

/* ---- asking ---- */

static const char *to(const char *path, const char *headers, const char *body)
{
    static char text[8192];
    must((size_t)snprintf(text, sizeof(text),
                          "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%s"
                          "Content-Length: %zu\r\n\r\n%s",
                          path, headers, strlen(body), body) < sizeof(text));
    return text;
}

static struct answer check(const char *headers, const char *body)
{
    return ask("api", to("/v1/check", headers, body));
}

static void must_be(const struct answer *answer, int status, const char *problem)
{
    char type[80];
    must_say(answer->status == status, "%d: %s", answer->status, answer->body);
    snprintf(type, sizeof(type), "\"urn:octroi:problem:%s\"", problem);
    must_say(strstr(answer->body, type) != NULL, "%s", answer->body);
    must_say(strcmp(answer_header(answer, "Content-Type"), "application/problem+json") == 0, "%s",
             answer->headers);
}

/* ---- which listener has what ---- */

START_TEST(test_services_of_a_listener)
{
    struct answer answer = ask("web", to("/v1/check", GOOD, CHECK));
    must_be(&answer, 404, "http-404");
    answer = ask("api", to("/v1/messages", with_login(""), MESSAGE));
    must_be(&answer, 404, "http-404");
    answer = ask("both", request("", MESSAGE));
    ck_assert_int_eq(answer.status, 202);
    answer = ask("both", to("/v1/check", GOOD, CHECK));
    ck_assert_int_eq(answer.status, 200);
    answer = ask("api", "GET /v1/check HTTP/1.1\r\nHost: x\r\n\r\n");
    must_be(&answer, 405, "http-405");
    ck_assert_str_eq(answer_header(&answer, "Allow"), "POST");
    answer = ask("api", "DELETE /v1/suspensions HTTP/1.1\r\nHost: x\r\n\r\n");
    must_be(&answer, 405, "http-405");
    ck_assert_str_eq(answer_header(&answer, "Allow"), "GET, POST");
}
END_TEST

/* ---- tokens ---- */

START_TEST(test_good_token)
{
    struct answer answer = check(GOOD, CHECK);
    ck_assert_int_eq(answer.status, 200);
    json_t *json = parse(&answer);
    must_text(json, "verdict", "block");
    must_text(json, "reason", "NO_CONSENT");
    must_text(json, "recipient", "•••@example.org");
    ck_assert_ptr_null(json_object_get(json, "rules"));
    json_decref(json);
    ck_assert_uint_eq(fake.rows, 1);
    ck_assert(fake.now_of_token > clock_now() - 60 * CLOCK_SECOND);
    answer = check(BEARER("  good"), CHECK);
    ck_assert_int_eq(answer.status, 200);
    ck_assert_uint_eq(stage.gate.calls, 0);
}
END_TEST

START_TEST(test_no_token)
{
    struct answer answer = check("", CHECK);
    must_be(&answer, 401, "unauthorized");
    ck_assert_str_eq(answer_header(&answer, "WWW-Authenticate"), "Bearer realm=\"octroi\"");
    answer = check(basic("acme-sms", "secret"), CHECK);
    must_be(&answer, 401, "unauthorized");
    ck_assert_uint_eq(fake.rows, 0);
}
END_TEST

/* Told late, later with each, and in the end not looked at: as passwords are. */
START_TEST(test_wrong_token)
{
    int64_t began = clock_monotonic();
    struct answer answer = check(BEARER("octroi_nobody"), CHECK);
    must_be(&answer, 401, "unauthorized");
    ck_assert_str_eq(answer_header(&answer, "WWW-Authenticate"),
                     "Bearer realm=\"octroi\", error=\"invalid_token\"");
    ck_assert_int_ge(clock_monotonic() - began, GUESS_DELAY_FIRST);
    ck_assert_uint_eq(atomic_load(&stage.gate.refusals.kinds[REFUSAL_AUTH_FAILED].count), 1);
    struct peer_key here;
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    peer_key_of((struct sockaddr *)&local, &here);
    for (int i = 0; i < GUESSES_FREE; i++)
        guesses_note(stage.gate.guesses, &here, "x", false, clock_monotonic());
    fake.now_of_token = 0;
    struct client client;
    client_open(&client, "api");
    client_say(&client, to("/v1/check", BEARER("octroi_nobody"), CHECK));
    stage_end_penalty(GUESS_DELAY_MOST - 20 * CLOCK_SECOND);
    answer = client_answer(&client);
    client_close(&client);
    must_be(&answer, 429, "too-many-failures");
    ck_assert_int_eq(fake.now_of_token, 0);
    ck_assert_uint_eq(fake.rows, 0);
}
END_TEST

START_TEST(test_token_in_clear)
{
    struct answer answer =
        ask("both", to("/v1/check", GOOD "X-Forwarded-For: 192.0.2.77\r\n", CHECK));
    must_be(&answer, 403, "in-clear");
    ck_assert_int_eq(fake.now_of_token, 0); /* not even looked up */
    ck_assert_str_eq(answer_header(&answer, "Connection"), "close");
    answer =
        ask("both", to("/v1/check",
                       GOOD "X-Forwarded-For: 192.0.2.77\r\nX-Forwarded-Proto: https\r\n", CHECK));
    ck_assert_int_eq(answer.status, 200);
}
END_TEST

START_TEST(test_terms_of_a_token)
{
    static const char beta[] =
        "{\"recipient\":\"a@example.org\",\"partner\":\"other\",\"channel\":\"email\"}";
    static const char nobody[] =
        "{\"recipient\":\"a@example.org\",\"partner\":\"nobody\",\"channel\":\"email\"}";
    struct answer answer = check(BEARER("poor"), CHECK);
    must_be(&answer, 403, "scope");
    ck_assert_ptr_nonnull(strstr(answer.body, "\\\"check\\\""));
    ck_assert_int_eq(check(BEARER("acme"), CHECK).status, 200);
    answer = check(BEARER("acme"), beta);
    must_be(&answer, 403, "other-partner");
    answer = check(BEARER("acme"), nobody); /* and who else there is, is not told */
    must_be(&answer, 403, "other-partner");
    answer = check(GOOD, nobody);
    must_be(&answer, 422, "unknown-partner");
    ck_assert_uint_eq(fake.rows, 1);
}
END_TEST

START_TEST(test_rate_of_a_token)
{
    struct answer answer = {0};
    int admitted = 0;
    for (int i = 0; i < 3; i++) {
        answer = check(BEARER("slow"), CHECK);
        admitted += answer.status == 200;
    }
    /* On a slow machine the next second may have begun. */
    for (int i = 0; i < 200 && answer.status == 200; i++)
        answer = check(BEARER("slow"), CHECK);
    ck_assert_int_ge(admitted, 2);
    must_be(&answer, 429, "over-rate");
    ck_assert_str_eq(answer_header(&answer, "Retry-After"), "1");
    ck_assert_int_eq(check(GOOD, CHECK).status, 200);
}
END_TEST

START_TEST(test_window_of_a_token)
{
    static const char name[] = "token:id-good";
    const size_t length = strlen(name);
    for (int i = 0; i < SERVICE_WINDOW - 1; i++)
        ck_assert(peers_enter(stage.gate.peers, PEER_WINDOW, name, length, 0));
    ck_assert_int_eq(check(GOOD, CHECK).status, 200); /* gives its place back */
    ck_assert_int_eq(check(GOOD, CHECK).status, 200);
    ck_assert(peers_enter(stage.gate.peers, PEER_WINDOW, name, length, 0));
    struct answer answer = check(GOOD, CHECK);
    must_be(&answer, 429, "over-window");
    ck_assert_str_eq(answer_header(&answer, "Retry-After"), "1");
    ck_assert_int_eq(check(BEARER("acme"), CHECK).status, 200);
}
END_TEST

/* ---- what cannot be said, or put on record ---- */

START_TEST(test_store_away)
{
    fake.token_fails = true;
    struct answer answer = check(GOOD, CHECK);
    must_be(&answer, 503, "unable");
    ck_assert_str_eq(answer_header(&answer, "Retry-After"), "5");
    fake.token_fails = false;
    fake.facts_fail = true;
    answer = check(GOOD, CHECK);
    must_be(&answer, 503, "unable");
    ck_assert_ptr_null(strstr(answer.body, "verdict"));
    ck_assert_uint_eq(fake.rows, 0);
}
END_TEST

START_TEST(test_record_before_answer)
{
    struct client client;
    fake.hold = true;
    client_open(&client, "api");
    client_say(&client, to("/v1/check", GOOD, CHECK));
    turn_until(fake.waiting);
    for (int i = 0; i < 20; i++)
        client_turn(&client);
    ck_assert_uint_eq(client.got.length, 0);
    ck_assert_uint_eq(stage.gate.calls, 1);
    release();
    ck_assert_int_eq(client_answer(&client).status, 200);
    client_say(&client, to("/v1/check", GOOD, CHECK));
    turn_until(fake.waiting);
    fake.durable = RESULT_UNAVAILABLE;
    release();
    struct answer answer = client_answer(&client);
    must_be(&answer, 503, "unrecorded");
    ck_assert_ptr_null(strstr(answer.body, "NO_CONSENT"));
    client_close(&client);
}
END_TEST

/* ---- without a client ---- */

START_TEST(test_client_leaves)
{
    struct client client;
    fake.hold = true;
    client_open(&client, "api");
    client_say(&client, to("/v1/check", GOOD, CHECK));
    turn_until(fake.waiting);
    http_abort_all(&stage.lane); /* who leaves is not read meanwhile, and noticed later */
    turn_until(stage.gate.sessions == 0);
    for (int i = 0; i < 5; i++)
        loop_turn(stage.loop);
    ck_assert_uint_eq(stage.gate.calls, 1);
    release();
    turn_until(stage.gate.calls == 0);
    client_close(&client);
}
END_TEST

START_TEST(test_lane_ends_before_the_answer)
{
    struct client client;
    fake.hold = true;
    client_open(&client, "api");
    client_say(&client, to("/v1/check", GOOD, CHECK));
    turn_until(fake.waiting);
    http_abort_all(&stage.lane);
    loop_turn(stage.loop);
    http_free(&stage.lane);
    stage.n_doors = 0; /* went with it */
    release();         /* finds nobody */
    client_close(&client);
}
END_TEST

START_TEST(test_drain_answers)
{
    struct client client;
    fake.hold = true;
    client_open(&client, "api");
    client_say(&client, to("/v1/check", GOOD, CHECK));
    turn_until(fake.waiting);
    http_drain(&stage.lane);
    ck_assert_uint_eq(stage.gate.sessions, 1);
    release();
    struct answer answer = client_answer(&client);
    ck_assert_int_eq(answer.status, 200);
    ck_assert_str_eq(answer_header(&answer, "Connection"), "close");
    client_await_close(&client);
    client_close(&client);
}
END_TEST

/* ---- the question ---- */

START_TEST(test_questions)
{
#define PERSON "\"recipient\":\"a@example.org\""
#define REST   "\"partner\":\"acme\",\"channel\":\"email\""
    static const struct {
        const char *body;
        int status;
        const char *problem, *says;
    } rows[] = {
        {"", 400, "malformed", "line 1"},
        {"[]", 400, "malformed", "object"},
        {"{" PERSON "," PERSON "," REST "}", 400, "malformed", "duplicate"},
        {"{" REST "}", 400, "malformed", "\\\"recipient\\\" is missing"},
        {"{\"recipient\":17," REST "}", 400, "malformed", "must be text"},
        {"{\"recipient\":\"a\\u0000@example.org\"," REST "}", 400, "malformed", ""},
        {"{" PERSON "," REST ",\"explian\":true}", 400, "malformed", "\\\"explian\\\": there are"},
        {"{" PERSON "," REST ",\"x@example.org\":1}", 400, "malformed", "unknown member: there"},
        {"{" PERSON "," REST ",\"explain\":1}", 400, "malformed", "true or false"},
        {"{" PERSON "," REST ",\"at\":\"yesterday\"}", 400, "malformed", "\\\"at\\\""},
        {"{" PERSON "," REST ",\"purpose\":\"fun\"}", 400, "malformed", "receipt or transmission"},
        {"{" PERSON ",\"partner\":\"acme\"}", 400, "malformed", "\\\"channel\\\" is missing"},
        {"{" PERSON ",\"partner\":\"acme\",\"channel\":\"fax\"}", 400, "malformed", "autocall"},
        {"{\"recipient\":\"hello\"," REST "}", 422, "bad-recipient", ""},
        {"{\"recipient\":\"+33612345670\"," REST "}", 422, "bad-recipient", "telephone"},
        {"{" PERSON ",\"partner\":\"acme\",\"channel\":\"sms\"}", 422, "bad-recipient", "e-mail"},
        {"{" PERSON "," REST ",\"stream\":\"nope\"}", 422, "unknown-stream", "partner's streams"},
        {"{" PERSON "," REST ",\"stream\":\"promo\"}", 422, "unknown-stream", "do not go"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer answer = check(GOOD, rows[i].body);
        must_say(answer.status == rows[i].status, "row %zu: %d %s", i, answer.status, answer.body);
        must_be(&answer, rows[i].status, rows[i].problem);
        must_say(strstr(answer.body, rows[i].says) != NULL, "row %zu: %s", i, answer.body);
        must_say(strstr(answer.body, "example.org") == NULL && strstr(answer.body, "3361") == NULL,
                 "row %zu repeats an address", i);
    }
    ck_assert_uint_eq(fake.rows, 0);
    struct answer answer =
        ask("api", "POST /v1/check HTTP/1.1\r\nHost: x\r\n" GOOD "Content-Length: 2\r\n\r\n{}");
    must_be(&answer, 415, "media-type");
}
END_TEST

START_TEST(test_explained)
{
    struct answer answer =
        check(GOOD, "{\"recipient\":\"06 12 34 56 70\",\"partner\":\"acme\",\"channel\":\"sms\","
                    "\"stream\":\"promo\",\"purpose\":\"transmission\","
                    "\"at\":\"2026-01-31T10:30:00+01:00\",\"explain\":true}");
    ck_assert_int_eq(answer.status, 200);
    json_t *json = parse(&answer);
    must_text(json, "stream", "promo");
    must_text(json, "purpose", "transmission");
    must_text(json, "at", "2026-01-31T09:30:00.000000Z");
    const json_t *rules = json_object_get(json, "rules");
    ck_assert_uint_gt(json_array_size(rules), 3);
    must_text(json_array_get(rules, 0), "finding", "holds");
    ck_assert_ptr_null(strstr(answer.body, "612345670"));
    json_decref(json);
}
END_TEST

/* ---- the desk, and acts that are done once ---- */

#define SUSPEND "{\"kind\":\"partner\",\"id\":\"acme\",\"reason\":\"a test\"}"

START_TEST(test_once)
{
    open_desk();
    struct answer first =
        ask("api", to("/v1/suspensions", GOOD "Idempotency-Key: k1\r\n", SUSPEND));
    ck_assert_int_eq(first.status, 201);
    struct answer again =
        ask("api", to("/v1/suspensions", GOOD "Idempotency-Key: k1\r\n", SUSPEND));
    ck_assert_int_eq(again.status, 201);
    ck_assert_str_eq(again.body, first.body);
    ck_assert_uint_eq(fake.rows, 1);
    again = ask("api", to("/v1/suspensions", GOOD "Idempotency-Key: k1\r\n",
                          "{\"kind\":\"partner\",\"id\":\"other\",\"reason\":\"a test\"}"));
    must_be(&again, 422, "key-reused");
    again = ask("api", to("/v1/suspensions", GOOD "Idempotency-Key: k2\r\n", SUSPEND));
    must_be(&again, 409, "no-change");
    again = ask("api", to("/v1/resumptions", GOOD "Idempotency-Key: k1\r\n", SUSPEND));
    ck_assert_int_eq(again.status, 200); /* another path, another key */
    again = ask("api", to("/v1/suspensions", GOOD "Idempotency-Key: k2\r\n", SUSPEND));
    ck_assert_int_eq(again.status, 201); /* what was refused was not remembered */
    again = ask("api", to("/v1/suspensions", GOOD "Idempotency-Key: \x01\r\n", SUSPEND));
    ck_assert_int_eq(again.status, 400);
}
END_TEST

START_TEST(test_questions_are_not_remembered)
{
    ck_assert_int_eq(check(GOOD "Idempotency-Key: k\r\n", CHECK).status, 200);
    fake.facts_fail = true;
    ck_assert_int_eq(check(GOOD "Idempotency-Key: k\r\n", CHECK).status, 503);
}
END_TEST

/* Its client has gone, and the lane drains: what the desk was given is done, and goes on record. */
START_TEST(test_desk_without_client)
{
    struct client client;
    open_desk();
    client_open(&client, "api");
    client_say(&client, to("/v1/suspensions", GOOD, SUSPEND));
    turn_until(stage.gate.calls == 1);
    client_close(&client);
    http_drain(&stage.lane);
    turn_until(stage.gate.calls == 0);
    ck_assert_uint_eq(fake.rows, 1);
}
END_TEST

/* What the registry took stands, though nobody can be told: asked again, it says so. */
START_TEST(test_act_that_cannot_be_recorded)
{
    open_desk();
    fake.durable = RESULT_UNAVAILABLE;
    struct answer answer =
        ask("api", to("/v1/suspensions", GOOD "Idempotency-Key: k\r\n", SUSPEND));
    must_be(&answer, 503, "unrecorded");
    ck_assert_ptr_nonnull(strstr(answer.body, "may have been done"));
    ck_assert_ptr_null(strstr(answer.body, "\"suspended\""));
    fake.durable = RESULT_OK;
    answer = ask("api", to("/v1/suspensions", GOOD "Idempotency-Key: k\r\n", SUSPEND));
    must_be(&answer, 409, "no-change");
}
END_TEST

/* It is on record all the same. */
START_TEST(test_act_whose_answer_finds_no_memory)
{
    open_desk();
    act.fails = true;
    struct answer answer = ask("api", to("/v1/suspensions", GOOD, SUSPEND));
    must_be(&answer, 503, "unable");
    ck_assert_uint_eq(fake.rows, 1);
    act.fails = false;
    answer = ask("api", to("/v1/suspensions", GOOD, SUSPEND));
    must_be(&answer, 409, "no-change");
    ck_assert_uint_eq(fake.rows, 1);
}
END_TEST

START_TEST(test_lane_ends_during_the_act)
{
    struct client client;
    open_desk();
    pthread_mutex_lock(&act.gate);
    client_open(&client, "api");
    client_say(&client, to("/v1/suspensions", GOOD, SUSPEND));
    turn_until(stage.gate.calls == 1);
    http_abort_all(&stage.lane);
    loop_turn(stage.loop);
    http_free(&stage.lane);
    stage.n_doors = 0; /* went with it */
    ck_assert_uint_eq(fake.rows, 0);
    pthread_mutex_unlock(&act.gate);
    turn_until(fake.rows == 1);
    client_close(&client);
}
END_TEST

static void do_nothing(struct loop_task *task)
{
    (void)task;
}

static enum result wait_at_gate(struct desk_job *job, struct desk_tools *tools, struct error *err)
{
    (void)job;
    (void)tools;
    (void)err;
    pthread_mutex_lock(&act.gate);
    pthread_mutex_unlock(&act.gate);
    return RESULT_OK;
}

START_TEST(test_full_desk)
{
    static struct desk_job jobs[2000];
    size_t n = 0;
    open_desk();
    pthread_mutex_lock(&act.gate);
    do {
        jobs[n] =
            (struct desk_job){.task.run = do_nothing, .home = stage.loop, .work = wait_at_gate};
    } while (desk_submit(desk, &jobs[n]) && ++n < 2000);
    ck_assert_uint_lt(n, 2000);
    struct answer answer = ask("api", to("/v1/suspensions", GOOD, SUSPEND));
    must_be(&answer, 503, "unable");
    ck_assert_str_eq(answer_header(&answer, "Retry-After"), "5");
    ck_assert_int_eq(check(GOOD, CHECK).status, 200); /* that one is answered on the loop */
    ck_assert_uint_eq(fake.rows, 1);
    pthread_mutex_unlock(&act.gate);
}
END_TEST

/* The body is read at the desk, the rest before. */
START_TEST(test_acts_that_cannot_be_read)
{
    static const struct {
        const char *path, *body, *says;
    } rows[] = {
        {"/v1/suspensions?x=1", SUSPEND, "parameter"},
        {"/v1/suspensions?kind=partner", SUSPEND, "there is none"},
        {"/v1/suspensions?a%00=1", SUSPEND, "unknown parameter"},
        {"/v1/suspensions?%zz", SUSPEND, "decoded"},
        {"/v1/suspensions", "", "line 1"},
        {"/v1/suspensions", "[]", "an object is expected"},
        {"/v1/suspensions", "{\"kind\":1,\"kind\":2}", "duplicate"},
        {"/v1/suspensions", "{\"x@example.org\":1}", "unknown member: there are"},
    };
    open_desk();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer answer = ask("api", to(rows[i].path, GOOD, rows[i].body));
        must_be(&answer, 400, "malformed");
        must_say(strstr(answer.body, rows[i].says) != NULL, "row %zu: %s", i, answer.body);
        ck_assert_ptr_null(strstr(answer.body, "example.org"));
    }
    ck_assert_uint_eq(fake.rows, 0);
}
END_TEST

/* ---- long questions, and ways out ---- */

START_TEST(test_window_of_long_questions)
{
    open_desk();
    for (int i = 0; i < API_LONG_MOST; i++)
        ck_assert(peers_enter(stage.gate.peers, PEER_LONG, "id-full", 7, 0));
    struct answer answer =
        ask("api", "GET /v1/forms HTTP/1.1\r\nHost: x\r\n" BEARER("full") "\r\n");
    must_be(&answer, 429, "over-window");
    ck_assert_str_eq(answer_header(&answer, "Retry-After"), "1");
    /* What is short is counted for itself, and whoever was counted gives the place back. */
    answer = ask("api", to("/v1/suspensions", BEARER("full"), SUSPEND));
    ck_assert_int_eq(answer.status, 201);
    peers_leave(stage.gate.peers, PEER_LONG, "id-full", 7);
    for (int i = 0; i < 3; i++) {
        answer = ask("api", "GET /v1/forms HTTP/1.1\r\nHost: x\r\n" BEARER("full") "\r\n");
        ck_assert_int_eq(answer.status, 200);
    }
}
END_TEST

START_TEST(test_question_that_takes_too_long)
{
    static const char forms[] = "GET /v1/forms HTTP/1.1\r\nHost: x\r\n" BEARER("full") "\r\n";
    open_desk();
    act.endless = true;
    struct answer answer = ask("api", forms);
    act.endless = false;
    must_be(&answer, 503, "too-long");
    ck_assert_ptr_nonnull(strstr(answer.body, "Narrow the question"));
    ck_assert_int_eq(ask("api", forms).status, 200);
}
END_TEST

static const char *way_out(const char *method, const char *ref)
{
    static char text[2048];
    const char *body = strcmp(method, "POST") == 0 ? "List-Unsubscribe=One-Click" : "";
    struct strbuf url = {0};
    struct link link = {.channel = CHANNEL_EMAIL,
                        .partner = "acme",
                        .stream = "news",
                        .address = {ADDRESS_EMAIL, "anna@client.example"}};
    must(str_copy(link.ref, sizeof(link.ref), ref));
    must(link_add(stage.gate.seal, "https://gate.example", &link, &url));
    snprintf(text, sizeof(text),
             "%s %s HTTP/1.1\r\nHost: x\r\nAccept-Language: en\r\n" FORM
             "Content-Length: %zu\r\n\r\n%s",
             method, strstr(url.data, "/u/"), strlen(body), body);
    strbuf_free(&url);
    return text;
}

static struct seal *open_way_out(void)
{
    char path[300];
    struct seal *seal = NULL;
    struct error err = {0};
    snprintf(path, sizeof(path), "%s/seal.key", stage.folder);
    must(seal_create(path, &err) == RESULT_OK && seal_load(path, &seal, &err) == RESULT_OK);
    stage.gate.seal = seal;
    open_desk();
    return seal;
}

/* How many of an address, and of a link, are under way: looks and presses apart. */
START_TEST(test_windows_of_a_way_out)
{
    static const char ref[] = "01KB3ZQ5M8-7GQX3D", other[] = "01KB3ZQ5M8-7GQX3E";
    static const enum peer_kind kinds[2][2] = {{PEER_VIEW, PEER_VIEWED},
                                               {PEER_PRESS, PEER_PRESSED}};
    static const char *const methods[] = {"GET", "POST"};
    static const int most[] = {8, 64};
    struct peer_key here;
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct seal *seal = open_way_out();
    peer_key_of((struct sockaddr *)&local, &here);
    for (int i = 0; i < 2; i++) {
        for (int n = 0; n < most[i] - 1; n++)
            ck_assert(peers_enter(stage.gate.peers, kinds[i][0], &here, sizeof(here), 0));
        ck_assert_int_eq(ask("out", way_out(methods[i], ref)).status, 200);
        ck_assert(peers_enter(stage.gate.peers, kinds[i][0], &here, sizeof(here), 0));
        struct answer answer = ask("out", way_out(methods[i], ref));
        ck_assert_int_eq(answer.status, 429);
        ck_assert_str_eq(answer_header(&answer, "Retry-After"), "1");
        ck_assert_int_eq(ask("out", way_out(methods[1 - i], ref)).status, i == 0 ? 200 : 429);
        peers_leave(stage.gate.peers, kinds[i][0], &here, sizeof(here));
        ck_assert_int_eq(ask("out", way_out(methods[i], ref)).status, 200);
        for (int n = 0; n < 2; n++)
            ck_assert(peers_enter(stage.gate.peers, kinds[i][1], ref, strlen(ref), 0));
        ck_assert_int_eq(ask("out", way_out(methods[i], ref)).status, 429);
        ck_assert_int_eq(ask("out", way_out(methods[i], other)).status, 200);
        ck_assert(peers_enter(stage.gate.peers, kinds[i][0], &here, sizeof(here), 0));
    }
    seal_free(&seal);
    stage.gate.seal = NULL;
}
END_TEST

/* The journal fails: the person is told what is so, in her browser, and the next look or press is
 * put on record. */
START_TEST(test_way_out_that_cannot_be_recorded)
{
    static const char ref[] = "01KB3ZQ5M8-7GQX3D";
    struct seal *seal = open_way_out();
    fake.durable = RESULT_UNAVAILABLE;
    struct answer answer = ask("out", way_out("POST", ref));
    ck_assert_int_eq(answer.status, 503);
    ck_assert_ptr_nonnull(strstr(answer.headers, "text/html"));
    ck_assert_ptr_nonnull(strstr(answer.body, "may have been recorded"));
    ck_assert_ptr_nonnull(strstr(answer.body, "press again"));
    answer = ask("out", way_out("GET", ref));
    ck_assert_int_eq(answer.status, 503);
    must_say(strstr(answer.body, "Nothing was recorded") != NULL, "%s", answer.body);
    fake.durable = RESULT_OK;
    fake.rows = 0;
    for (size_t i = 1; i < 3; i++) {
        answer = ask("out", way_out("POST", ref));
        ck_assert_int_eq(answer.status, 200);
        ck_assert_ptr_nonnull(strstr(answer.body, "on record before"));
        ck_assert_uint_eq(fake.rows, i == 1 ? 1 : 2);
        ck_assert_int_eq(ask("out", way_out("GET", ref)).status, 200);
        ck_assert_uint_eq(fake.rows, 2);
    }
    seal_free(&seal);
    stage.gate.seal = NULL;
}
END_TEST

START_TEST(test_no_desk)
{
    struct answer answer = ask("api", to("/v1/suspensions", GOOD, SUSPEND));
    ck_assert_int_eq(answer.status, 503);
    ck_assert_str_ne(answer_header(&answer, "Retry-After"), "");
}
END_TEST

Suite *http_service_suite(void)
{
    const TTest *const tests[] = {
        test_services_of_a_listener,
        test_good_token,
        test_no_token,
        test_wrong_token,
        test_token_in_clear,
        test_terms_of_a_token,
        test_rate_of_a_token,
        test_window_of_a_token,
        test_store_away,
        test_record_before_answer,
        test_client_leaves,
        test_lane_ends_before_the_answer,
        test_drain_answers,
        test_questions,
        test_explained,
        test_once,
        test_questions_are_not_remembered,
        test_desk_without_client,
        test_act_that_cannot_be_recorded,
        test_act_whose_answer_finds_no_memory,
        test_lane_ends_during_the_act,
        test_full_desk,
        test_acts_that_cannot_be_read,
        test_window_of_long_questions,
        test_question_that_takes_too_long,
        test_windows_of_a_way_out,
        test_way_out_that_cannot_be_recorded,
        test_no_desk,
        NULL,
    };
    Suite *suite = suite_create("http services");
    TCase *cases = tcase_create("http services");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_checked_fixture(cases, make, end);
    for (const TTest *const *test = tests; *test != NULL; test++)
        tcase_add_test(cases, *test);
    suite_add_tcase(suite, cases);
    return suite;
}
