/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test_proxy_sms_world.h"

#include "base/clock.h"
#include "store/journal.h"
#include "store/notices.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct sms_world sms_world;

#define HASH "$y$j9T$DEBQ5UmuRZhkvPdLPgSBT/$nbaNCUNxSYRVBzYGvTv5GbaT9zLUiQzX6sc3Rm2FJD2"
#define STREAM(id, providers, senders, accounts)                               \
    id ": { name = \"" id "\" streams: { alerts: { channel = \"sms\" class = " \
       "\"prospecting\" providers = [ " providers " ] senders = [ " senders    \
       " ] accounts: { " accounts " } } } }\n"

static const char config_text[] =
    "hostname = \"gate.example\" state_dir = \"state\" region = \"FR\"\n"
    "listeners: { smpp: { protocol = \"smpp\" bind = \"127.0.0.1:2775\" tls = \"none\" } }\n"
    "providers: {\n"
    "agg: { adapter = \"capture\" directory = \"agg\" }\n"
    "other: { adapter = \"capture\" directory = \"other\" } }\n"
    "partners: {\n" STREAM("acme", "\"agg\"", "\"ACME\", \"+33755001234\"",
                           "acme-sms: { password = \"" HASH "\" } "
                           "acme-two: { password = \"" HASH "\" }")
        STREAM("beta", "\"other\", \"agg\"", "\"BETA\", \"38600\"",
               "beta-sms: { password = \"" HASH "\" }")
            STREAM("gamma", "\"agg\"", "\"38600\"", "gamma-sms: { password = \"" HASH "\" }")
                STREAM("delta", "\"other\"", "\"38600\"", "delta-sms: { password = \"" HASH "\" }")
                    STREAM("web", "\"agg\"", "\"WEB\"",
                           "web-sms: { password = \"" HASH "\" report_url = "
                           "\"http://127.0.0.1:%u/reports?key=s3cret\" }") "}\n";

static void open_journal(void)
{
    struct sms_world *world = &sms_world;
    struct error err;
    ck_assert_int_eq(signing_key_generate(&world->key, &err), RESULT_OK);
    struct journal_options options = {.directory = world->directory,
                                      .gateway = "gate.example",
                                      .key = world->key,
                                      .segment_size = 1 << 20,
                                      .checkpoint_every = 3600 * CLOCK_SECOND};
    ck_assert_msg(journal_open(&options, &world->journal, &err) == RESULT_OK, "%s", err.text);
}

/* ---- a partner's web server ---- */

static void on_request(struct evhttp_request *request, void *arg)
{
    struct sms_web *web = arg;
    struct evbuffer *body = evhttp_request_get_input_buffer(request);
    const char *type =
        evhttp_find_header(evhttp_request_get_input_headers(request), "Content-Type");
    ev_ssize_t length = evbuffer_copyout(body, web->body, sizeof(web->body) - 1);
    ck_assert_int_ge(length, 0);
    web->body[length] = '\0';
    web->got++;
    ck_assert(str_copy(web->type, sizeof(web->type), type != NULL ? type : ""));
    if (web->status / 100 == 3)
        evhttp_add_header(evhttp_request_get_output_headers(request), "Location", "/elsewhere");
    if (web->status != 0)
        evhttp_send_reply(request, web->status, "As told", NULL);
}

void sms_web_begin(struct sms_web *web, struct loop *loop)
{
    struct sockaddr_in address = {0};
    socklen_t size = sizeof(address);
    *web = (struct sms_web){.http = evhttp_new(loop_base(loop)), .status = 200};
    ck_assert_ptr_nonnull(web->http);
    evhttp_set_gencb(web->http, on_request, web);
    struct evhttp_bound_socket *bound = evhttp_bind_socket_with_handle(web->http, "127.0.0.1", 0);
    ck_assert_ptr_nonnull(bound);
    ck_assert_int_eq(
        getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&address, &size), 0);
    web->port = ntohs(address.sin_port);
}

void sms_web_end(struct sms_web *web)
{
    evhttp_free(web->http);
    web->http = NULL;
}

/* ---- the world ---- */

static void open_lanes(void)
{
    struct sms_world *world = &sms_world;
    static const uint8_t key[32] = {7};
    struct error err;
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(
            lane_init(&world->lanes[i], &world->gate, world->loops[i], key, sizeof(key), &err),
            RESULT_OK);
    }
    ck_assert_msg(snapshot_new(world->config, NULL, world->loops, 2, &world->snapshot, &err) ==
                      RESULT_OK,
                  "%s", err.text);
    for (unsigned i = 0; i < 2; i++)
        world->lanes[i].snapshot = snapshot_ref(world->snapshot);
}

static void open_inbox(void)
{
    struct sms_world *world = &sms_world;
    struct lane *const lanes[] = {&world->lanes[0], &world->lanes[1]};
    struct error err;
    world->sent = sent_new(100);
    world->inbox = inbox_new(lanes, 2, world->binds, world->sent);
    ck_assert_ptr_nonnull(world->sent);
    ck_assert_ptr_nonnull(world->inbox);
    ck_assert_msg(inbox_start(world->inbox, world->registry, world->index, world->directory,
                              world->seal, &err) == RESULT_OK,
                  "%s", err.text);
}

void sms_world_begin(void)
{
    struct sms_world *world = &sms_world;
    struct registry *registry = NULL;
    struct error err;
    world->unasked = false;
    sandbox_make(&world->sandbox);
    ck_assert(str_copy(world->registry, sizeof(world->registry),
                       sandbox_path(&world->sandbox, "registry.db")));
    ck_assert(
        str_copy(world->index, sizeof(world->index), sandbox_path(&world->sandbox, "journal.db")));
    ck_assert(str_copy(world->directory, sizeof(world->directory),
                       sandbox_path(&world->sandbox, "journal")));
    ck_assert_int_eq(mkdir(sandbox_path(&world->sandbox, "state"), 0700), 0);
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(loop_new(i, &world->loops[i], &err), RESULT_OK);
    sms_web_begin(&world->web, world->loops[1]);
    char text[sizeof(config_text) + 10];
    snprintf(text, sizeof(text), config_text, world->web.port);
    world->config = sandbox_config(&world->sandbox, text);
    ck_assert_msg(registry_open(world->registry, true, &registry, &err) == RESULT_OK, "%s",
                  err.text);
    registry_close(&registry);
    ck_assert_int_eq(seal_create(sandbox_path(&world->sandbox, "seal.key"), &err), RESULT_OK);
    ck_assert_int_eq(seal_load(sandbox_path(&world->sandbox, "seal.key"), &world->seal, &err),
                     RESULT_OK);
    open_journal();
    open_lanes();
    world->binds = binds_new();
    ck_assert_ptr_nonnull(world->binds);
    open_inbox();
}

static void close_inbox(void)
{
    struct sms_world *world = &sms_world;
    inbox_stop(world->inbox);
    sms_world_turn();
    inbox_free(&world->inbox);
    sent_free(&world->sent);
}

void sms_world_restart(void)
{
    close_inbox();
    open_inbox();
}

void sms_world_end(void)
{
    struct sms_world *world = &sms_world;
    inbox_stop(world->inbox);
    binds_shut(world->binds);
    sms_world_turn();
    snapshot_unref(&world->snapshot);
    for (unsigned i = 0; i < 2; i++)
        snapshot_unref(&world->lanes[i].snapshot);
    sms_world_turn();
    close_inbox();
    journal_close(&world->journal);
    sms_web_end(&world->web);
    for (unsigned i = 0; i < 2; i++)
        loop_free(&world->loops[i]);
    for (unsigned i = 0; i < 2; i++)
        lane_end(&world->lanes[i]);
    binds_free(&world->binds);
    signing_key_free(&world->key);
    seal_free(&world->seal);
    sandbox_remove(&world->sandbox);
}

struct provider *sms_world_provider(const char *name)
{
    const struct config *config = sms_world.config;
    for (size_t i = 0; i < config->n_providers; i++)
        if (strcmp(config->providers[i].name, name) == 0)
            return sms_world.snapshot->providers[i];
    ck_abort_msg("no provider %s", name);
}

void sms_world_turn(void)
{
    for (int i = 0; i < 4; i++)
        for (unsigned j = 0; j < 2; j++)
            if (sms_world.loops[j] != NULL)
                loop_turn(sms_world.loops[j]);
}

void sms_world_turn_until(const unsigned *done, unsigned count)
{
    int64_t until = clock_monotonic() + 20 * CLOCK_SECOND;
    sms_world_turn();
    while (*done < count && clock_monotonic() < until) {
        clock_sleep(1000);
        sms_world_turn();
    }
    ck_assert_uint_eq(*done, count);
}

static struct recipient recipient_of(const char *number)
{
    struct address address;
    struct recipient recipient;
    struct error err;
    ck_assert_msg(address_parse_phone(number, "FR", &address, &err) == RESULT_OK, "%s", number);
    ck_assert_int_eq(recipient_make(sms_world.lanes[0].hmac, &address, &recipient, &err),
                     RESULT_OK);
    return recipient;
}

void sms_world_key(const char *number, uint8_t key_out[RECIPIENT_KEY_BYTES])
{
    struct recipient recipient = recipient_of(number);
    memcpy(key_out, recipient.key, RECIPIENT_KEY_BYTES);
}

struct durable {
    struct loop_task task;
    unsigned ran;
};

static void on_durable(struct loop_task *task)
{
    ((struct durable *)task)->ran++;
}

const char *sms_world_send(const struct sms_sent *sent)
{
    static char ids[4][RECORD_ID];
    static unsigned turn;
    struct durable durable = {.task.run = on_durable};
    enum result result = RESULT_CONFLICT;
    char *id = ids[++turn % 4];
    struct recipient recipient = recipient_of(sent->number);
    struct journal_batch *batch = journal_batch_new();
    record_new_id(id);
    struct decision decision = {.id = id,
                                .at = clock_now() - sent->days * CLOCK_DAY,
                                .gateway = "gate.example",
                                .session = "s-1",
                                .partner = sent->partner,
                                .stream = "alerts",
                                .account = sent->account,
                                .channel = CHANNEL_SMS,
                                .recipient = &recipient,
                                .reason = REASON_CONSENT,
                                .policy = "3f2a",
                                .provider = sent->provider};
    struct outcome_row outcome = {.id = id,
                                  .at = decision.at,
                                  .outcome = OUTCOME_ACCEPTED,
                                  .queue_id = sent->queue_id,
                                  .size = 10,
                                  .report = !sms_world.unasked};
    ck_assert(journal_batch_decision(batch, &decision));
    ck_assert(sent->queue_id == NULL || journal_batch_outcome(batch, &outcome));
    journal_append(sms_world.journal, batch, sms_world.loops[0], &durable.task, &result);
    sms_world_turn_until(&durable.ran, 1);
    ck_assert_int_eq(result, RESULT_OK);
    return id;
}

static bool add_event(void *arg, const struct event_row *row)
{
    strbuf_add_format(arg, "%s %s [%s] %s: %s\n", event_kind_name(row->kind),
                      channel_name(row->channel), row->partners, row->origin, row->evidence);
    return true;
}

const char *sms_world_events(const char *number)
{
    static char text[4096];
    struct registry *registry = NULL;
    struct strbuf events = {0};
    struct error err;
    uint8_t key[RECIPIENT_KEY_BYTES];
    sms_world_key(number, key);
    ck_assert_int_eq(registry_open_reader(sms_world.registry, &registry, &err), RESULT_OK);
    ck_assert_int_eq(registry_events(registry, key, add_event, &events, &err), RESULT_OK);
    registry_close(&registry);
    ck_assert(str_copy(text, sizeof(text), events.data != NULL ? events.data : ""));
    strbuf_free(&events);
    return text;
}

static bool add_notice(void *arg, const struct notice *notice)
{
    struct strbuf *text = arg;
    struct error err;
    const struct event_row *row = &notice->event;
    strbuf_add_format(text, "%s %s [%s] ", event_kind_name(row->kind), channel_name(row->channel),
                      row->partners);
    if (notice->sealed == NULL)
        strbuf_add_str(text, "?");
    else
        ck_assert_int_eq(seal_open(sms_world.seal, SEAL_FOR_NOTICES, notice->sealed,
                                   notice->sealed_length, text, &err),
                         RESULT_OK);
    strbuf_add_char(text, '\n');
    return true;
}

const char *sms_world_notices(void)
{
    static char text[4096];
    struct registry *registry = NULL;
    struct strbuf notices = {0};
    struct error err;
    ck_assert_int_eq(registry_open_reader(sms_world.registry, &registry, &err), RESULT_OK);
    ck_assert_int_eq(registry_unspread_notices(registry, false, add_notice, &notices, &err),
                     RESULT_OK);
    registry_close(&registry);
    ck_assert(str_copy(text, sizeof(text), notices.data != NULL ? notices.data : ""));
    strbuf_free(&notices);
    return text;
}

void sms_world_sql(const char *sql)
{
    sqlite3 *db = NULL;
    char *why = NULL;
    ck_assert_int_eq(sqlite3_open(sms_world.registry, &db), SQLITE_OK);
    ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, &why) == SQLITE_OK, "%s", why);
    sqlite3_close(db);
}
