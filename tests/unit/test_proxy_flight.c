/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message's flight against a store, a journal and providers that do as they are told: what is
 * asked when, and that nothing is said or sent before what must be durable is.
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "proxy/sms/inbound.h"
#include "proxy/sms/segments.h"
#include "proxy/sms/sent.h"
#include "proxy/sms/sms.h"
#include "store/journal.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- the stage ---- */

struct journal_batch {
    char text[512];
    bool decision;
};

static struct {
    char folder[64];
    struct config *config;
    struct snapshot *snapshot;
    struct loop *loop;
    struct gate gate;
    struct lane lane;
    /* What the registry knows. */
    bool registry_fails, consents, withdrawn;
    /* The journal. */
    char rows[16][512];
    size_t n_rows;
    store_durable_fn *waiting[16];
    struct ticket waiting_ticket[16];
    size_t n_waiting;
    /* The provider. */
    char asked[16][256];
    size_t n_asked;
    struct sms_job {
        sms_answer_fn *answer;
        void *owner;
        struct ticket ticket;
        bool open;
    } job;
    unsigned notes, opted_out, abandoned;
    /* The reply. */
    unsigned replies;
    enum sms_end end;
    enum reason reason;
    char ref[RECORD_ID], to[32], provider_id[SMPP_ID_MAX], said[256];
    unsigned parts;
    int64_t retry_after;
} stage;

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
static void sync_rows(enum result result)
{
    size_t n = stage.n_waiting;
    stage.n_waiting = 0;
    for (size_t i = 0; i < n; i++)
        stage.waiting[i](&stage.lane, stage.waiting_ticket[i], result);
    loop_turn(stage.loop);
}

static void answer(const struct sms_answer *what)
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

struct setup {
    const char *mode, *class, *policy;
    int rate;
};

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

static void begin(struct setup setup)
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

static void finish(void)
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

static struct sms_submission usual(void)
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

static void submit(const struct sms_submission *submission)
{
    sms_submit(&stage.lane, submission, on_reply, &stage, (struct ticket){.item = 4711});
    loop_turn(stage.loop);
}

static void submit_usual(void)
{
    const struct sms_submission submission = usual();
    submit(&submission);
}

static const struct sms_answer taken = {.outcome = OUTCOME_ACCEPTED, .id = "p1", .text = ""};

/* ---- the order of things ---- */

START_TEST(passes)
{
    begin((struct setup){0});
    submit_usual();
    ck_assert_str_eq(stage.rows[0], "pass CONSENT passed sms first");
    ck_assert_uint_eq(stage.n_asked, 0); /* not before the row is durable */
    sync_rows(RESULT_OK);
    ck_assert_str_eq(stage.asked[0], "first sender=ACME/5 to=+33612345678 text=Corse. STOP 36111 "
                                     "report=0 prospecting=1");
    ck_assert_uint_eq(stage.replies, 0); /* not before the provider took it */
    answer(&taken);
    ck_assert_uint_eq(stage.replies, 1);
    ck_assert_int_eq(stage.end, SMS_END_ACCEPTED);
    ck_assert_str_eq(stage.provider_id, "p1");
    ck_assert_uint_eq(stage.parts, 1);
    ck_assert_str_eq(stage.rows[1], "accepted passed first p1 -");
    ck_assert_uint_eq(stage.n_waiting, 0);
    ck_assert_uint_eq(stage.notes, 0);
    finish();
}
END_TEST

START_TEST(blocked)
{
    begin((struct setup){0});
    stage.consents = false;
    submit_usual();
    ck_assert_str_eq(stage.rows[0], "block NO_CONSENT refused sms -");
    ck_assert_uint_eq(stage.replies, 0); /* not before the row is durable */
    sync_rows(RESULT_OK);
    ck_assert_int_eq(stage.end, SMS_END_BLOCKED);
    ck_assert_int_eq(stage.reason, REASON_NO_CONSENT);
    ck_assert_uint_gt(strlen(stage.ref), 0);
    ck_assert_uint_eq(stage.n_asked, 0);
    finish();
}
END_TEST

START_TEST(journal_fails)
{
    for (int consents = 0; consents < 2; consents++) {
        begin((struct setup){0});
        stage.consents = consents == 1;
        submit_usual();
        sync_rows(RESULT_UNAVAILABLE);
        ck_assert_int_eq(stage.end, SMS_END_UNABLE);
        ck_assert_uint_eq(stage.n_asked, 0);
        finish();
    }
}
END_TEST

START_TEST(registry_fails)
{
    begin((struct setup){0});
    stage.registry_fails = true;
    submit_usual();
    ck_assert_str_eq(stage.rows[0], "defer UNABLE deferred sms -");
    sync_rows(RESULT_OK);
    ck_assert_int_eq(stage.end, SMS_END_UNABLE);
    ck_assert_uint_eq(stage.n_asked, 0);
    finish();
}
END_TEST

/* A report that is wanted must find its message: the row with the provider's id comes first. */
START_TEST(report)
{
    for (int durable = 0; durable < 2; durable++) {
        begin((struct setup){0});
        struct sms_submission submission = usual();
        submission.report = true;
        submit(&submission);
        sync_rows(RESULT_OK);
        answer(&taken);
        ck_assert_uint_eq(stage.replies, 0);
        ck_assert_uint_eq(stage.notes, 0);
        sync_rows(durable ? RESULT_OK : RESULT_UNAVAILABLE);
        /* It has left: to call that a failure would send it twice. The row is tried again. */
        ck_assert_int_eq(stage.end, SMS_END_ACCEPTED);
        ck_assert_uint_eq(stage.notes, 1);
        ck_assert_uint_eq(stage.n_rows, durable ? 2 : 3);
        ck_assert_str_eq(stage.rows[stage.n_rows - 1], "accepted passed first p1 -");
        finish();
    }
}
END_TEST

/* ---- what providers say ---- */

static const struct {
    struct sms_answer answer;
    enum sms_end end;
    const char *row;
    uint32_t smpp;
} answers[] = {
    {{.outcome = OUTCOME_REFUSED,
      .refusal = SMS_REFUSED_FOR_GOOD,
      .id = "",
      .smpp_status = SMPP_RINVSRCADR,
      .text = "no"},
     SMS_END_REFUSED,
     "refused passed first - no",
     SMPP_RINVSRCADR},
    {{.outcome = OUTCOME_REFUSED,
      .refusal = SMS_REFUSED_FOR_GOOD,
      .id = "",
      .smpp_status = 0,
      .text = "no +33612345678"},
     SMS_END_REFUSED,
     "refused passed first - no +[…]",
     SMPP_RSUBMITFAIL},
    {{.outcome = OUTCOME_REFUSED,
      .refusal = SMS_REFUSED_NUMBER,
      .id = "",
      .smpp_status = SMPP_RINVDSTADR,
      .text = "number"},
     SMS_END_REFUSED,
     "refused passed first - number",
     SMPP_RINVDSTADR},
    {{.outcome = OUTCOME_REFUSED,
      .refusal = SMS_REFUSED_FOR_NOW,
      .id = "",
      .smpp_status = SMPP_RTHROTTLED,
      .text = "slow"},
     SMS_END_BUSY,
     "refused passed first - slow",
     SMPP_RTHROTTLED},
    {{.outcome = OUTCOME_REFUSED,
      .refusal = SMS_REFUSED_FOR_NOW,
      .id = "",
      .smpp_status = SMPP_RSYSERR,
      .text = "ill"},
     SMS_END_BUSY,
     "refused passed first - ill",
     SMPP_RSYSERR},
    {{.outcome = OUTCOME_UNKNOWN, .id = "", .smpp_status = 0, .text = "lost"},
     SMS_END_LOST,
     "unknown passed first - lost",
     SMPP_RSYSERR},
};

START_TEST(provider_answers)
{
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        begin((struct setup){0});
        submit_usual();
        sync_rows(RESULT_OK);
        answer(&answers[i].answer);
        ck_assert_int_eq(stage.end, answers[i].end);
        ck_assert_str_eq(stage.rows[1], answers[i].row);
        const struct sms_reply reply = {.end = stage.end,
                                        .smpp_status = answers[i].answer.smpp_status};
        ck_assert_uint_eq(sms_smpp_status(&reply, SMPP_RSUBMITFAIL), answers[i].smpp);
        ck_assert_uint_eq(stage.n_asked, 1); /* who was told something is the only one asked */
        finish();
    }
}
END_TEST

START_TEST(opted_out)
{
    begin((struct setup){0});
    submit_usual();
    sync_rows(RESULT_OK);
    answer(&(struct sms_answer){
        .outcome = OUTCOME_REFUSED, .refusal = SMS_REFUSED_OPTED_OUT, .id = "", .text = "21610"});
    ck_assert_int_eq(stage.end, SMS_END_BLOCKED);
    ck_assert_int_eq(stage.reason, REASON_WITHDRAWN);
    ck_assert_uint_eq(stage.opted_out, 1);
    finish();
}
END_TEST

START_TEST(next_provider)
{
    static const struct sms_answer none = {.outcome = OUTCOME_NONE, .id = "", .text = "away"};
    begin((struct setup){0});
    submit_usual();
    sync_rows(RESULT_OK);
    answer(&none);
    ck_assert_int_eq(strncmp(stage.asked[1], "second ", 7), 0);
    ck_assert_uint_eq(stage.replies, 0);
    answer(&none);
    ck_assert_int_eq(stage.end, SMS_END_BUSY);
    ck_assert_str_eq(stage.rows[1], "null deferred second - away");
    finish();
}
END_TEST

/* Whose form of message it is not is no reason to refuse it as long as another may carry it, now
 * or later. */
START_TEST(cannot_carry)
{
    static const struct sms_answer away = {.outcome = OUTCOME_NONE, .id = "", .text = "away"};
    static const struct sms_answer form = {.outcome = OUTCOME_REFUSED,
                                           .id = "",
                                           .cannot_carry = true,
                                           .smpp_status = SMPP_RINVESMCLASS,
                                           .text = "whole texts only"};
    static const struct {
        const struct sms_answer *first, *second;
        enum sms_end end;
        const char *row;
    } rows[] = {
        {&away, &form, SMS_END_BUSY, "null deferred second - whole texts only"},
        {&form, &away, SMS_END_BUSY, "null deferred second - away"},
        {&form, &form, SMS_END_REFUSED, "refused passed second - whole texts only"},
        {&form, &taken, SMS_END_ACCEPTED, "accepted passed second p1 -"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin((struct setup){0});
        submit_usual();
        sync_rows(RESULT_OK);
        answer(rows[i].first);
        ck_assert_uint_eq(stage.replies, 0);
        ck_assert_int_eq(strncmp(stage.asked[1], "second ", 7), 0);
        answer(rows[i].second);
        ck_assert_int_eq(stage.end, rows[i].end);
        ck_assert_str_eq(stage.rows[1], rows[i].row);
        finish();
    }
}
END_TEST

/* ---- modes, rules and what is no message ---- */

START_TEST(modes)
{
    begin((struct setup){.mode = "discard"});
    stage.consents = false;
    submit_usual();
    ck_assert_str_eq(stage.rows[0], "block NO_CONSENT discarded sms -");
    sync_rows(RESULT_OK);
    ck_assert_int_eq(stage.end, SMS_END_ACCEPTED);
    ck_assert_uint_eq(stage.n_asked, 0);
    ck_assert_uint_eq(stage.parts, 1);
    finish();

    begin((struct setup){.mode = "observe"});
    stage.consents = false;
    submit_usual();
    ck_assert_str_eq(stage.rows[0], "block NO_CONSENT passed sms first");
    sync_rows(RESULT_OK);
    answer(&taken);
    ck_assert_int_eq(stage.end, SMS_END_ACCEPTED);
    finish();

    begin((struct setup){.mode = "observe"});
    stage.withdrawn = true;
    submit_usual();
    sync_rows(RESULT_OK);
    ck_assert_int_eq(stage.end, SMS_END_BLOCKED);
    finish();
}
END_TEST

START_TEST(outside_hours)
{
    begin((struct setup){.policy = "hours = [ \"00:00-00:01\" ] days = \"mon\""});
    submit_usual();
    ck_assert_str_eq(stage.rows[0], "defer OUTSIDE_HOURS deferred sms -");
    sync_rows(RESULT_OK);
    ck_assert_int_eq(stage.end, SMS_END_DEFERRED);
    ck_assert_int_gt(stage.retry_after, 0);
    ck_assert_int_le(stage.retry_after, 15 * CLOCK_DAY);
    finish();
}
END_TEST

static const struct {
    const char *to;
    bool international;
    const char *e164; /* NULL: it is none */
} numbers[] = {
    {"0612345678", false, "+33612345678"},
    {"+33612345678", false, "+33612345678"},
    {"33612345678", true, "+33612345678"},
    {"33612345678", false, "+33612345678"},
    {"0033612345678", false, "+33612345678"},
    {"06 12 34 56 78", false, "+33612345678"},
    {"0692123456", false, "+262692123456"},
    {"262692123456", true, "+262692123456"},
    {"4915112345678", false, "+4915112345678"},
    {"12345", false, NULL},
    {"", false, NULL},
    {"ACME", false, NULL},
    {"33612345678x", true, NULL},
};

START_TEST(destinations)
{
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        begin((struct setup){0});
        struct sms_submission submission = usual();
        submission.to = numbers[i].to;
        submission.to_international = numbers[i].international;
        submit(&submission);
        if (numbers[i].e164 == NULL) {
            ck_assert_int_eq(stage.end, SMS_END_BAD_NUMBER);
            ck_assert_uint_eq(stage.n_rows, 0);
        } else {
            sync_rows(RESULT_OK);
            ck_assert_ptr_nonnull(strstr(stage.asked[0], numbers[i].e164));
            answer(&taken);
            ck_assert_str_eq(stage.to, numbers[i].e164);
        }
        finish();
    }
}
END_TEST

START_TEST(senders)
{
    static const struct {
        const char *sender, *row, *asked;
    } rows[] = {
        {"ACME", "pass CONSENT passed sms first", "first sender=ACME/5"},
        {"36180", "pass CONSENT passed sms first", "first sender=36180/"},
        {"", "pass CONSENT passed sms first", "first sender=ACME/5"}, /* the stream's first */
        {"acme", "block SENDER_NOT_ALLOWED refused sms -", NULL},
        {"OTHER", "block SENDER_NOT_ALLOWED refused sms -", NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin((struct setup){0});
        struct sms_submission submission = usual();
        submission.sender = rows[i].sender;
        submit(&submission);
        ck_assert_str_eq(stage.rows[0], rows[i].row);
        sync_rows(RESULT_OK);
        if (rows[i].asked != NULL) {
            ck_assert_int_eq(strncmp(stage.asked[0], rows[i].asked, strlen(rows[i].asked)), 0);
            answer(&taken);
        }
        finish();
    }
}
END_TEST

START_TEST(never_later)
{
    static const char *const classes[] = {"prospecting", "service"};
    for (size_t i = 0; i < 2; i++) {
        begin((struct setup){.class = classes[i]});
        struct sms_submission submission = usual();
        submission.scheduled = true;
        submit(&submission);
        ck_assert_int_eq(stage.end, SMS_END_BAD_SCHEDULE);
        ck_assert_uint_eq(stage.n_rows, 0);
        ck_assert_uint_eq(stage.n_asked, 0);
        finish();
    }
}
END_TEST

START_TEST(over_the_rate)
{
    begin((struct setup){.rate = 1});
    submit_usual();
    submit_usual();
    ck_assert_int_eq(stage.end, SMS_END_OVER_RATE);
    ck_assert_int_gt(stage.retry_after, 0);
    ck_assert_uint_eq(stage.n_rows, 1);
    sync_rows(RESULT_OK);
    answer(&taken);
    finish();
}
END_TEST

/* ---- the STOP mention, and parts ---- */

static void submit_raw(uint8_t esm_class, const char *bytes, size_t length, struct smpp_span tlvs)
{
    const struct sms_raw raw = {
        .esm_class = esm_class,
        .service_type = "",
        .schedule = "",
        .validity = "",
        .body = {(const uint8_t *)bytes, length},
        .tlvs = tlvs,
    };
    struct sms_submission submission = usual();
    submission.text = NULL;
    submission.raw = &raw;
    submit(&submission);
}

static void submit_bytes(uint8_t esm_class, const char *bytes, size_t length)
{
    submit_raw(esm_class, bytes, length, (struct smpp_span){0});
}

/* A part that only SAR TLVs call one. */
static void submit_sar(uint8_t total, uint8_t number, const char *text)
{
    const uint8_t tlvs[] = {0x02, 0x0c, 0,     2,    0,    0x42, 0x02, 0x0e,
                            0,    1,    total, 0x02, 0x0f, 0,    1,    number};
    submit_raw(0, text, strlen(text), (struct smpp_span){tlvs, sizeof(tlvs)});
}

/* A part by its header. */
static void submit_part(uint8_t reference, uint8_t total, uint8_t number, const char *text)
{
    char bytes[64];
    const uint8_t header[] = {5, 0, 3, reference, total, number};
    memcpy(bytes, header, sizeof(header));
    memcpy(bytes + sizeof(header), text, strlen(text));
    submit_bytes(SMPP_ESM_UDHI, bytes, sizeof(header) + strlen(text));
}

static void expect_row(const char *row)
{
    ck_assert_str_eq(stage.rows[stage.n_rows - 1], row);
    sync_rows(RESULT_OK);
    if (stage.job.open)
        answer(&taken);
}

START_TEST(stop_mention)
{
    begin((struct setup){.policy = "stop_mention = \"require\""});
    struct sms_submission submission = usual();
    submission.text = "Corse";
    submit(&submission);
    expect_row("block STOP_MISSING refused sms -");
    submit_bytes(0, "Corse", 5);
    expect_row("block STOP_MISSING refused sms -");
    submit_bytes(0, "Corse STOP 36111", 16);
    ck_assert_str_eq(stage.rows[stage.n_rows - 1], "pass CONSENT passed sms first");
    expect_row("pass CONSENT passed sms first");
    finish();
}
END_TEST

#define PART(number, text) "\x05\x00\x03\x42\x02" number text, (sizeof(text) - 1 + 6)

/* The mention is looked for in the last part, with the end of the one before. */
START_TEST(stop_mention_in_parts)
{
    begin((struct setup){.policy = "stop_mention = \"require\""});
    submit_bytes(SMPP_ESM_UDHI, PART("\x01", "Corse ST"));
    expect_row("pass CONSENT passed sms first");
    submit_bytes(SMPP_ESM_UDHI, PART("\x02", "OP 36111"));
    expect_row("pass CONSENT passed sms first");
    submit_bytes(SMPP_ESM_UDHI, PART("\x01", "Corse"));
    expect_row("pass CONSENT passed sms first");
    submit_bytes(SMPP_ESM_UDHI, PART("\x02", " encore"));
    expect_row("block STOP_MISSING refused sms -");
    finish();
}
END_TEST

START_TEST(parts_share_a_verdict)
{
    begin((struct setup){0});
    stage.consents = false;
    submit_bytes(SMPP_ESM_UDHI, PART("\x01", "a"));
    expect_row("block NO_CONSENT refused sms -");
    stage.consents = true; /* meanwhile: half a message is no message */
    submit_bytes(SMPP_ESM_UDHI, PART("\x02", "b"));
    expect_row("block NO_CONSENT refused sms -");
    submit_bytes(SMPP_ESM_UDHI, PART("\x01", "a")); /* seen before: another message */
    expect_row("pass CONSENT passed sms first");
    stage.withdrawn = true; /* a no counts from the next part on */
    submit_bytes(SMPP_ESM_UDHI, PART("\x02", "b"));
    expect_row("block WITHDRAWN refused sms -");
    finish();
}
END_TEST

/* SAR TLVs are advice: whoever ignores them delivers each part as a message. */
START_TEST(stop_mention_with_sar)
{
    begin((struct setup){.policy = "stop_mention = \"require\""});
    submit_sar(2, 1, "Corse");
    expect_row("block STOP_MISSING refused sms -");
    submit_sar(2, 1, "Corse STOP 36111");
    expect_row("pass CONSENT passed sms first");
    submit_sar(2, 2, "encore"); /* the mention before does not count for it */
    expect_row("block STOP_MISSING refused sms -");
    submit_sar(2, 1, "Corse STO");
    expect_row("block STOP_MISSING refused sms -");
    submit_sar(2, 2, "P 36111");
    expect_row("block STOP_MISSING refused sms -");
    finish();
}
END_TEST

/* The hour strikes between the parts: a message that was begun may end, within reason. */
START_TEST(hour_between_parts)
{
    static const struct {
        uint8_t total;
        bool sar, carried;
    } rows[] = {{2, false, true}, {10, false, true}, {11, false, false}, {2, true, false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin((struct setup){.policy = "hours = [ \"00:00-00:01\" ] days = \"mon\""});
        struct channel_policy *policy = &stage.config->policies[CHANNEL_SMS];
        struct opening *closed = policy->hours;
        size_t n_closed = policy->n_hours;
        policy->hours = NULL;
        policy->n_hours = 0;
        for (uint8_t part = 1; part <= 2; part++) {
            if (rows[i].sar)
                submit_sar(rows[i].total, part, "a");
            else
                submit_part(0x42, rows[i].total, part, "a");
            policy->hours = closed;
            policy->n_hours = n_closed;
            expect_row(part == 1 || rows[i].carried ? "pass CONSENT passed sms first"
                                                    : "defer OUTSIDE_HOURS deferred sms -");
        }
        finish();
    }
}
END_TEST

/* Of a message whose last part never comes nothing was looked at: the log says so, not each time.
 */
START_TEST(last_part_never_comes)
{
    for (int required = 0; required < 2; required++) {
        begin((struct setup){.policy = required ? "stop_mention = \"require\"" : ""});
        char path[128], log[4096];
        snprintf(path, sizeof(path), "%s/log", stage.folder);
        int before = dup(STDERR_FILENO);
        int file = open(path, O_RDWR | O_CREAT, 0600);
        ck_assert_int_eq(dup2(file, STDERR_FILENO), STDERR_FILENO);
        for (int i = 0; i < 5; i++) /* the same reference again and again: four that never ended */
            submit_part(0x42, 2, 1, "Corse");
        submit_part(0x42, 2, 2, " STOP 36111");
        submit_part(0x42, 2, 1, "Corse"); /* after one that did */
        ck_assert_int_eq(dup2(before, STDERR_FILENO), STDERR_FILENO);
        close(before);
        ssize_t n = pread(file, log, sizeof(log) - 1, 0);
        ck_assert_int_ge(n, 0);
        log[n] = '\0';
        close(file);
        const char *line = strstr(log, "expired without their last part\" partner=acme count=1");
        ck_assert_int_eq(line != NULL, required);
        if (line != NULL)
            ck_assert_ptr_null(strstr(line + 1, "expired"));
        sync_rows(RESULT_OK);
        sms_abort_all(&stage.lane);
        finish();
    }
}
END_TEST

/* ---- the end ---- */

START_TEST(given_up)
{
    begin((struct setup){0});
    submit_usual();
    sync_rows(RESULT_OK); /* the first is with the provider, */
    submit_usual();       /* the second waits for its row */
    ck_assert_uint_eq(sms_in_flight(&stage.lane), 2);
    sms_abort_all(&stage.lane);
    loop_turn(stage.loop);
    ck_assert_uint_eq(stage.abandoned, 1);
    ck_assert_uint_eq(stage.replies, 2);
    ck_assert_int_eq(stage.end, SMS_END_UNABLE);
    ck_assert_str_eq(stage.rows[2], "unknown passed first - the gateway ended");
    ck_assert_str_eq(stage.rows[3], "null abandoned first - the gateway ended");
    /* What comes late is nobody's any more. */
    sync_rows(RESULT_OK);
    answer(&taken);
    ck_assert_uint_eq(stage.replies, 2);
    ck_assert_uint_eq(stage.n_rows, 4);
    finish();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {passes,
                                  blocked,
                                  journal_fails,
                                  registry_fails,
                                  report,
                                  provider_answers,
                                  opted_out,
                                  next_provider,
                                  cannot_carry,
                                  modes,
                                  outside_hours,
                                  destinations,
                                  senders,
                                  never_later,
                                  over_the_rate,
                                  stop_mention,
                                  stop_mention_in_parts,
                                  parts_share_a_verdict,
                                  stop_mention_with_sar,
                                  hour_between_parts,
                                  last_part_never_comes,
                                  given_up,
                                  NULL};
    Suite *const suites[] = {unit_suite("flight", tests), NULL};
    return unit_run(suites);
}
