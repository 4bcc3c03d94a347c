/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test_proxy_flight_stage.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "proxy/sms/inbound.h"
#include "proxy/sms/segments.h"
#include "proxy/sms/sent.h"
#include "store/journal.h"

#include <stdio.h>
#include <string.h>

struct journal_batch {
    char text[512];
    bool decision;
};

struct flight_stage stage;

struct provider {
    unsigned references;
    const struct provider_config *config;
};

enum result provider_new(const struct provider_config *config, struct config *owner,
                         struct loop *const *loops, unsigned n_loops,
                         struct provider **provider_out, struct error *err)
{
    (void)owner, (void)loops, (void)n_loops, (void)err;
    struct provider *provider = calloc(1, sizeof(*provider));
    ck_assert_ptr_nonnull(provider);
    *provider = (struct provider){.references = 1, .config = config};
    *provider_out = provider;
    return RESULT_OK;
}

struct provider *provider_ref(struct provider *provider)
{
    provider->references++;
    return provider;
}

void provider_unref(struct provider **provider)
{
    if (*provider != NULL && --(*provider)->references == 0)
        free(*provider);
    *provider = NULL;
}

const char *provider_name(const struct provider *provider)
{
    return provider->config->name;
}

const char *provider_digest(const struct provider *provider)
{
    return provider->config->digest;
}

void provider_capabilities(const struct provider *provider, struct capabilities *out)
{
    (void)provider;
    *out = (struct capabilities){0};
}

void provider_set_sink(struct provider *provider, const struct sms_sink *sink)
{
    (void)provider, (void)sink;
}

void sms_send(struct provider *provider, struct loop *loop, const struct sms_message *message,
              sms_answer_fn *answer, void *owner, struct ticket ticket)
{
    (void)loop;
    ck_assert_uint_lt(stage.n_asked, 16);
    const char *text = message->text;
    int length = text != NULL ? (int)strlen(text) : (int)message->raw->body.length;
    if (text == NULL)
        text = (const char *)message->raw->body.data;
    snprintf(stage.asked[stage.n_asked++], sizeof(stage.asked[0]),
             "%s sender=%s/%u to=%s %s=%.*s report=%d prospecting=%d", provider->config->name,
             message->sender, message->sender_ton, message->to,
             message->text != NULL ? "text" : "bytes", length, text, message->report,
             message->prospecting);
    stage.job = (struct sms_job){answer, owner, ticket, true};
}

void sms_abandon(struct provider *provider, struct loop *loop)
{
    (void)provider, (void)loop;
    stage.abandoned++;
}

void sent_note(struct sent *sent, const char *provider, const char *provider_id,
               const uint8_t key[RECIPIENT_KEY_BYTES], const char *ref, const char *account)
{
    static const uint8_t none[RECIPIENT_KEY_BYTES];
    (void)sent;
    ck_assert_mem_ne(key, none, sizeof(none));
    ck_assert_str_eq(provider, "first");
    ck_assert_str_eq(provider_id, "p1");
    ck_assert_str_eq(account, "acme-sms");
    ck_assert_uint_gt(strlen(ref), 0);
    stage.notes++;
}

void inbox_opted_out(struct inbox *inbox, const char *provider, const char *partner,
                     const uint8_t key[RECIPIENT_KEY_BYTES], const char *number)
{
    (void)inbox, (void)key;
    ck_assert_str_eq(provider, "first");
    ck_assert_str_eq(partner, "acme");
    ck_assert_str_eq(number, "+33612345678");
    stage.opted_out++;
}

struct journal_batch *journal_batch_new(void)
{
    return calloc(1, sizeof(struct journal_batch));
}

void journal_batch_free(struct journal_batch **batch)
{
    free(*batch);
    *batch = NULL;
}

bool journal_batch_decision(struct journal_batch *batch, const struct decision *row)
{
    batch->decision = true;
    snprintf(batch->text, sizeof(batch->text), "%s %s %s %s %s", verdict_name(row->verdict),
             reason_name(row->reason), effect_name(row->effect), channel_name(row->channel),
             row->provider != NULL ? row->provider : "-");
    ck_assert_ptr_null(strstr(row->recipient->masked, "12345678"));
    return true;
}

bool journal_batch_outcome(struct journal_batch *batch, const struct outcome_row *row)
{
    const char *outcome = outcome_name(row->outcome);
    snprintf(batch->text, sizeof(batch->text), "%s %s %s %s %s", outcome != NULL ? outcome : "null",
             effect_name(row->effect), row->provider, row->queue_id != NULL ? row->queue_id : "-",
             row->provider_reply != NULL ? row->provider_reply : "-");
    return true;
}

static void look_up(struct store *store, const struct store_query *query, store_facts_fn *answer,
                    void *owner, struct ticket ticket)
{
    (void)store;
    ck_assert_str_eq(query->partner, "acme");
    int64_t now = clock_now();
    struct form_facts form = {
        .id = "form",
        .version = 1,
        .collector = "collector",
        .channels = CHANNEL_BIT(CHANNEL_SMS),
        .purposes = PURPOSE_BIT(PURPOSE_RECEIPT),
        .effective_from = now - 30 * CLOCK_DAY,
        .effective_until = INT64_MAX,
        .presence = PRESENCE_LISTED,
    };
    const struct consent_event events[2] = {{.id = 7,
                                             .kind = EVENT_GIVEN,
                                             .channel = CHANNEL_SMS,
                                             .occurred_at = now - CLOCK_DAY,
                                             .has_evidence = true,
                                             .form = &form},
                                            {.id = 8,
                                             .kind = EVENT_WITHDRAWN,
                                             .channel = CHANNEL_SMS,
                                             .occurred_at = now - CLOCK_SECOND}};
    const struct facts facts = {.events = events,
                                .n_events = stage.withdrawn  ? 2
                                            : stage.consents ? 1
                                                             : 0};
    if (stage.registry_fails)
        answer(owner, ticket, RESULT_UNAVAILABLE, NULL);
    else
        answer(owner, ticket, RESULT_OK, &facts);
}

static void append(struct store *store, struct journal_batch *batch, store_durable_fn *answer,
                   void *owner, struct ticket ticket)
{
    (void)store;
    ck_assert_ptr_eq(owner, &stage.lane);
    ck_assert_uint_lt(stage.n_rows, 16);
    memcpy(stage.rows[stage.n_rows++], batch->text, sizeof(batch->text));
    journal_batch_free(&batch);
    if (answer == NULL)
        return;
    stage.waiting[stage.n_waiting] = answer;
    stage.waiting_ticket[stage.n_waiting++] = ticket;
}

static void close_store(struct store *store)
{
    (void)store;
}

static const struct store_ops store_ops = {
    .look_up = look_up, .append = append, .close = close_store};
static struct store store = {&store_ops};

/* What waits in the journal is durable, or not; then the loop comes round. */
void sync_rows(enum result result)
{
    size_t n = stage.n_waiting;
    stage.n_waiting = 0;
    for (size_t i = 0; i < n; i++)
        stage.waiting[i](&stage.lane, stage.waiting_ticket[i], result);
    loop_turn(stage.loop);
}

void provider_says(const struct sms_answer *what)
{
    ck_assert(stage.job.open);
    stage.job.open = false;
    stage.job.answer(stage.job.owner, stage.job.ticket, what);
    loop_turn(stage.loop);
}

static const char config_text[] =
    "hostname = \"gate.example\"\nstate_dir = \"state\"\n"
    "listeners: { smpp: { protocol = \"smpp\" bind = \"127.0.0.1:2775\" tls = \"none\" } }\n"
    "providers: { first: { adapter = \"capture\" directory = \"one\" }\n"
    "             second: { adapter = \"capture\" directory = \"two\" } }\n"
    "partners: { acme: { name = \"ACME\" mode = \"%s\" streams: {\n"
    "  texts: { channel = \"sms\" class = \"%s\" providers = [ \"first\", \"second\" ]"
    "           senders = [ \"ACME\", \"36180\" ] rate = %d"
    "    accounts: { acme-sms: { networks = [ \"127.0.0.0/8\" ] } } } } } }\n"
    "policies: { sms: { %s } }\n";

static void print_problem(void *arg, const char *file, int line, const char *message)
{
    (void)arg;
    fprintf(stderr, "%s:%d: %s\n", file, line, message);
}

static void write_file(const char *name, const char *text)
{
    char path[128];
    struct error err;
    snprintf(path, sizeof(path), "%s/%s", stage.folder, name);
    ck_assert_msg(file_replace(path, 0600, text, strlen(text), &err) == RESULT_OK, "%s", err.text);
}

void begin(struct setup setup)
{
    char text[2048], path[128];
    struct error err = {0};
    static const uint8_t key[32] = {1};
    memset(&stage, 0, sizeof(stage));
    str_copy(stage.folder, sizeof(stage.folder), "/tmp/octroi-flight-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(stage.folder));
    snprintf(path, sizeof(path), "%s/keys", stage.folder);
    ck_assert_int_eq(file_make_folder(path, 0700, &err), RESULT_OK);
    write_file("keys/recipient.key", "00\n");
    write_file("keys/journal.key", "key\n");
    snprintf(text, sizeof(text), config_text, setup.mode ? setup.mode : "enforce",
             setup.class ? setup.class : "prospecting", setup.rate,
             setup.policy ? setup.policy : "");
    write_file("octroi.conf", text);
    snprintf(path, sizeof(path), "%s/octroi.conf", stage.folder);
    ck_assert_msg(config_load(path, print_problem, NULL, &stage.config, &err) == RESULT_OK, "%s",
                  err.text);
    ck_assert_int_eq(loop_new(0, &stage.loop, &err), RESULT_OK);
    ck_assert_int_eq(snapshot_new(stage.config, NULL, &stage.loop, 1, &stage.snapshot, &err),
                     RESULT_OK);
    stage.gate.rates = rates_new();
    stage.gate.segments = segments_new();
    ck_assert_int_eq(lane_init(&stage.lane, &stage.gate, stage.loop, key, sizeof(key), &err),
                     RESULT_OK);
    stage.lane.store = &store;
    stage.lane.snapshot = snapshot_ref(stage.snapshot);
    stage.consents = true;
}

void finish(void)
{
    char command[128];
    loop_turn(stage.loop);
    ck_assert_uint_eq(sms_in_flight(&stage.lane), 0);
    ck_assert_uint_eq(atomic_load(&stage.gate.flights), 0);
    snapshot_unref(&stage.snapshot);
    lane_end(&stage.lane);
    loop_free(&stage.loop);
    segments_free(&stage.gate.segments);
    rates_free(&stage.gate.rates);
    snprintf(command, sizeof(command), "rm -r %s", stage.folder);
    ck_assert_int_eq(system(command), 0);
}

static void on_reply(void *owner, struct ticket ticket, const struct sms_reply *reply)
{
    ck_assert_ptr_eq(owner, &stage);
    ck_assert_uint_eq(ticket.item, 4711);
    stage.replies++;
    stage.end = reply->end;
    stage.reason = reply->reason;
    stage.parts = reply->parts;
    stage.retry_after = reply->retry_after;
    str_copy(stage.ref, sizeof(stage.ref), reply->ref);
    str_copy(stage.to, sizeof(stage.to), reply->to);
    str_copy(stage.provider_id, sizeof(stage.provider_id), reply->provider_id);
    str_copy(stage.said, sizeof(stage.said), reply->text);
}

struct sms_submission usual(void)
{
    return (struct sms_submission){
        .snapshot = stage.snapshot,
        .account = config_account(stage.config, "acme-sms"),
        .session = "session",
        .sender = "ACME",
        .sender_ton = SMPP_TON_ALPHANUMERIC,
        .to = "0612345678",
        .text = "Corse. STOP 36111",
    };
}

void submit(const struct sms_submission *submission)
{
    sms_submit(&stage.lane, submission, on_reply, &stage, (struct ticket){.item = 4711});
    loop_turn(stage.loop);
}

void submit_usual(void)
{
    const struct sms_submission submission = usual();
    submit(&submission);
}

const struct sms_answer taken = {.outcome = OUTCOME_ACCEPTED, .id = "p1", .text = ""};
