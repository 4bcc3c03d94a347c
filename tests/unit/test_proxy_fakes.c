/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test_proxy_fakes.h"

#include "base/str.h"
#include "store/journal.h"

#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct world world;

/* ---- time ---- */

int64_t __real_clock_monotonic(void);
int64_t __wrap_clock_monotonic(void);

/* The linker sends every call here (--wrap), so that a script need not wait five minutes. */
int64_t __wrap_clock_monotonic(void)
{
    return __real_clock_monotonic() + world.time_ahead;
}

void world_advance(int64_t microseconds)
{
    world.time_ahead += microseconds;
    if (atomic_load(&world.gate.sessions) > 0)
        event_active(connection_deadline(world.session->connection)->timer, EV_TIMEOUT, 0);
}

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
    va_list args;
    if (world.n_said == WORLD_SAID)
        return;
    va_start(args, format);
    vsnprintf(world.said[world.n_said], sizeof(world.said[0]), format, args);
    va_end(args);
    world.n_said++;
}

static void key_of(const char *address, uint8_t key[RECIPIENT_KEY_BYTES])
{
    struct address normal;
    struct recipient who;
    struct error err;
    must(address_parse_email(address, &normal, &err) == RESULT_OK);
    must(recipient_make(world.lane.hmac, &normal, &who, &err) == RESULT_OK);
    memcpy(key, who.key, RECIPIENT_KEY_BYTES);
}

/* ---- the registry: a person's name says what is known ---- */

static const char *const persons[] = {
    "yes1@person.example",      "yes2@person.example",       "yes3@person.example",
    "yes4@person.example",      "yes5@person.example",       "unknown1@person.example",
    "busy1@person.example",     "withdrawn1@person.example", "objected1@person.example",
    "broken1@person.example",   "suspended1@person.example", "\u00e9lodie@person.example",
    "yes1@b\u00fccher.example",
};

#define PERSONS (sizeof(persons) / sizeof(persons[0]))

static const char *person_of(const uint8_t key[RECIPIENT_KEY_BYTES])
{
    static uint8_t keys[PERSONS][RECIPIENT_KEY_BYTES]; /* every world has the same secret */
    static bool known;
    for (size_t i = 0; i < PERSONS && !known; i++)
        key_of(persons[i], keys[i]);
    known = true;
    for (size_t i = 0; i < PERSONS; i++)
        if (memcmp(key, keys[i], sizeof(keys[i])) == 0)
            return persons[i];
    return "no@person.example";
}

static bool named(const char *person, const char *name)
{
    return strncmp(person, name, strlen(name)) == 0;
}

static void answer_lookup(const uint8_t *key, store_facts_fn *answer, void *owner,
                          struct ticket ticket)
{
    const char *person = person_of(key);
    int64_t now = clock_now();
    struct form_facts form = {
        .id = "form",
        .version = 1,
        .collector = "collector",
        .channels = CHANNEL_BIT(CHANNEL_EMAIL),
        .purposes = PURPOSE_BIT(PURPOSE_RECEIPT),
        .effective_from = now - 30 * CLOCK_DAY,
        .effective_until = INT64_MAX,
        .presence = PRESENCE_LISTED,
    };
    struct consent_event events[2] = {
        {.id = 7,
         .kind = EVENT_GIVEN,
         .channel = CHANNEL_EMAIL,
         .occurred_at = now - CLOCK_DAY,
         .has_evidence = true,
         .form = &form},
        {.id = 8,
         .kind = named(person, "objected") ? EVENT_OBJECTED : EVENT_WITHDRAWN,
         .channel = CHANNEL_EMAIL,
         .occurred_at = now - CLOCK_SECOND},
    };
    struct facts facts = {.events = events, .n_events = 1};
    if (named(person, "no@"))
        facts.n_events = 0;
    if (named(person, "withdrawn") || named(person, "objected"))
        facts.n_events = 2;
    facts.partner_suspended = named(person, "suspended");
    if (named(person, "broken"))
        answer(owner, ticket, RESULT_UNAVAILABLE, NULL);
    else
        answer(owner, ticket, RESULT_OK, &facts);
}

static struct held_lookup {
    uint8_t key[RECIPIENT_KEY_BYTES];
    store_facts_fn *answer;
    void *owner;
    struct ticket ticket;
} lookups[64];
static size_t n_lookups;

static void look_up(struct store *store, const struct store_query *query, store_facts_fn *answer,
                    void *owner, struct ticket ticket)
{
    (void)store;
    if (!world.store_hold) {
        answer_lookup(query->recipient_key, answer, owner, ticket);
        return;
    }
    if (n_lookups == sizeof(lookups) / sizeof(lookups[0])) {
        answer(owner, ticket, RESULT_UNAVAILABLE, NULL);
        return;
    }
    struct held_lookup *held = &lookups[n_lookups++];
    *held = (struct held_lookup){.answer = answer, .owner = owner, .ticket = ticket};
    memcpy(held->key, query->recipient_key, sizeof(held->key));
}

void world_release_lookups(bool reversed)
{
    size_t n = n_lookups;
    struct held_lookup now[sizeof(lookups) / sizeof(lookups[0])];
    memcpy(now, lookups, sizeof(now));
    n_lookups = 0; /* an answer may bring the next question */
    for (size_t i = 0; i < n; i++) {
        struct held_lookup *held = &now[reversed ? n - 1 - i : i];
        answer_lookup(held->key, held->answer, held->owner, held->ticket);
    }
}

/* ---- the journal ---- */

struct journal_batch {
    struct fake_row rows[16];
    size_t n;
};

struct journal_batch *journal_batch_new(void)
{
    return calloc(1, sizeof(struct journal_batch));
}

void journal_batch_free(struct journal_batch **batch)
{
    free(*batch);
    *batch = NULL;
}

size_t journal_batch_rows(const struct journal_batch *batch)
{
    return batch->n;
}

static const char *or_dash(const char *text)
{
    return text != NULL ? text : "-";
}

bool journal_batch_decision(struct journal_batch *batch, const struct decision *decision)
{
    must(batch->n < 16);
    struct fake_row *row = &batch->rows[batch->n++];
    row->decision = true;
    row->effect = decision->effect;
    str_copy(row->id, sizeof(row->id), decision->id);
    if (decision->recipient != NULL)
        memcpy(row->key, decision->recipient->key, sizeof(row->key));
    snprintf(row->text, sizeof(row->text),
             "decision verdict=%s reason=%s effect=%s mode=%s recipient=%s account=%s "
             "provider=%s event=%lld id=%s",
             verdict_name(decision->verdict), reason_name(decision->reason),
             effect_name(decision->effect), mode_name(decision->mode),
             decision->recipient != NULL ? decision->recipient->masked : "-", decision->account,
             or_dash(decision->provider), (long long)decision->event, decision->id);
    return true;
}

bool journal_batch_outcome(struct journal_batch *batch, const struct outcome_row *outcome)
{
    must(batch->n < 16);
    struct fake_row *row = &batch->rows[batch->n++];
    row->effect = outcome->effect;
    str_copy(row->id, sizeof(row->id), outcome->id);
    snprintf(row->text, sizeof(row->text),
             "outcome outcome=%s effect=%s provider=%s queue=%s size=%lld id=%s reply=%s",
             or_dash(outcome_name(outcome->outcome)), effect_name(outcome->effect),
             or_dash(outcome->provider), or_dash(outcome->queue_id), (long long)outcome->size,
             outcome->id, or_dash(outcome->provider_reply));
    return true;
}

static struct held_append {
    store_durable_fn *answer;
    void *owner;
    struct ticket ticket;
    size_t first, n;
} appends[64];
static size_t n_appends;

static void answer_append(const struct held_append *held, bool durable)
{
    for (size_t i = held->first; i < held->first + held->n; i++)
        world.rows[i].durable = durable;
    held->answer(held->owner, held->ticket, durable ? RESULT_OK : RESULT_UNAVAILABLE);
}

static void append(struct store *store, struct journal_batch *batch, store_durable_fn *answer,
                   void *owner, struct ticket ticket)
{
    (void)store;
    struct held_append held = {answer, owner, ticket, world.n_rows, batch->n};
    if (world.n_rows + batch->n > WORLD_ROWS || n_appends == sizeof(appends) / sizeof(appends[0])) {
        journal_batch_free(&batch);
        if (answer != NULL)
            answer(owner, ticket, RESULT_UNAVAILABLE);
        return;
    }
    memcpy(world.rows + world.n_rows, batch->rows, batch->n * sizeof(batch->rows[0]));
    world.n_rows += batch->n;
    journal_batch_free(&batch);
    if (answer == NULL) {
        for (size_t i = held.first; i < world.n_rows; i++)
            world.rows[i].durable = true; /* it is tried until it is */
    } else if (world.journal == JOURNAL_SYNC) {
        answer_append(&held, true);
    } else {
        appends[n_appends++] = held;
    }
}

void world_release_appends(bool durable)
{
    size_t n = n_appends;
    struct held_append now[64];
    memcpy(now, appends, sizeof(now));
    n_appends = 0;
    for (size_t i = 0; i < n; i++)
        answer_append(&now[i], durable);
}

bool world_row_holds(const char *id, bool refused)
{
    for (size_t i = 0; i < world.n_rows; i++)
        /* The decision, or the outcome that says how what had passed was refused after all. */
        if (world.rows[i].durable && strcmp(world.rows[i].id, id) == 0 &&
            world.rows[i].effect == (refused ? EFFECT_REFUSED : EFFECT_DEFERRED))
            return true;
    return false;
}

static void close_store(struct store *store)
{
    (void)store;
}

static const struct store_ops store_ops = {
    .look_up = look_up, .append = append, .close = close_store};
static struct store fake_store = {&store_ops};

void world_store(struct store **store_out)
{
    *store_out = &fake_store;
}

/* ---- providers ---- */

struct provider {
    unsigned references;
    char name[64];
    char digest[65];
};

enum result provider_new(const struct provider_config *config, struct config *owner,
                         struct loop *const *loops, unsigned n_loops,
                         struct provider **provider_out, struct error *err)
{
    (void)owner;
    (void)loops;
    (void)n_loops;
    struct provider *provider = calloc(1, sizeof(*provider));
    if (provider == NULL)
        return error_no_memory(err);
    provider->references = 1;
    str_copy(provider->name, sizeof(provider->name), config->name);
    str_copy(provider->digest, sizeof(provider->digest), config->digest);
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
    return provider->name;
}

const char *provider_digest(const struct provider *provider)
{
    return provider->digest;
}

void provider_capabilities(const struct provider *provider, struct capabilities *out)
{
    bool less = world.provider.second_differs && strcmp(provider->name, "second") == 0;
    out->max_size = 0;
    out->bits = CAPABILITY_KNOWN | (less ? 0 : world.provider.capabilities);
}

#define RECIPIENTS 16
#define MAIL_LINE  512 /* longer than any address that the gate takes */

unsigned provider_max_recipients(const struct provider *provider)
{
    (void)provider;
    return world.provider.max_recipients < RECIPIENTS ? world.provider.max_recipients : RECIPIENTS;
}

struct mail_transaction {
    struct mail_transaction *next;
    struct provider *provider;
    const struct mail_handler *handler;
    void *session;
    struct fake_message message;
    char addresses[RECIPIENTS][MAIL_LINE];
    bool accepted[RECIPIENTS];
    unsigned n, answered;
    bool content, checked, refused, finished, dead;
};

static struct mail_transaction *transactions; /* the newest first; all kept until the end */

/* What goes behind "NAME=" in a command: it ends there, and nothing begins after it. */
static bool is_parameter(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    while (*at > ' ' && *at != 0x7f)
        at++;
    return *at == '\0';
}

struct mail_transaction *mail_begin(struct provider *provider, struct loop *loop,
                                    const struct mail_envelope *envelope,
                                    const struct mail_handler *handler, void *session,
                                    struct error *err)
{
    (void)loop;
    struct mail_transaction *transaction = calloc(1, sizeof(*transaction));
    if (transaction == NULL) {
        error_no_memory(err);
        return NULL;
    }
    transaction->provider = provider;
    transaction->handler = handler;
    transaction->session = session;
    transaction->next = transactions;
    transactions = transaction;
    must(is_parameter(envelope->ret) && is_parameter(envelope->envid));
    strbuf_add_format(&transaction->message.wire, "MAIL FROM:<%s>\r\n", envelope->sender);
    say("%s mail <%s> size=%llu%s%s%s%s%s%s", provider->name, envelope->sender,
        (unsigned long long)envelope->size, envelope->eight_bit ? " 8bit" : "",
        envelope->utf8 ? " utf8" : "", envelope->ret[0] ? " ret=" : "", envelope->ret,
        envelope->envid[0] ? " envid=" : "", envelope->envid);
    return transaction;
}

void mail_recipient(struct mail_transaction *transaction, unsigned index,
                    const struct mail_rcpt *rcpt)
{
    const char *address = rcpt->address;
    must(!transaction->dead && !transaction->content);
    must(index == transaction->n && transaction->n < RECIPIENTS);
    must(is_parameter(rcpt->notify) && is_parameter(rcpt->orcpt));
    must(str_copy(transaction->addresses[transaction->n++], MAIL_LINE, address));
    strbuf_add_format(&transaction->message.wire, "RCPT TO:<%s>\r\n", address);
    say("%s rcpt <%s>%s%s%s%s", transaction->provider->name, address,
        rcpt->notify[0] ? " notify=" : "", rcpt->notify, rcpt->orcpt[0] ? " orcpt=" : "",
        rcpt->orcpt);
}

/* The first promise: no message leaves before the row of each of its recipients is durable. */
static void check_rows(const struct mail_transaction *transaction)
{
    for (unsigned i = 0; i < transaction->n; i++) {
        uint8_t key[RECIPIENT_KEY_BYTES];
        bool found = !transaction->accepted[i];
        key_of(transaction->addresses[i], key);
        for (size_t j = 0; j < world.n_rows && !found; j++) {
            struct fake_row *row = &world.rows[j];
            found = row->decision && row->durable && !row->used && row->effect == EFFECT_PASSED &&
                    memcmp(row->key, key, sizeof(key)) == 0;
            row->used |= found;
        }
        must_say(found, "content left before the row of recipient %u was durable", i);
    }
}

void mail_content(struct mail_transaction *transaction, struct evbuffer *from)
{
    must(!transaction->dead && !transaction->finished);
    must(transaction->answered == transaction->n);
    size_t length = evbuffer_get_length(from);
    if (!transaction->content) {
        strbuf_add(&transaction->message.wire, "DATA\r\n", 6);
        say("%s data", transaction->provider->name);
    }
    transaction->content = transaction->message.content = true;
    if (length > 0 && !transaction->checked) {
        check_rows(transaction);
        transaction->checked = true;
    }
    strbuf_add(&world.body, evbuffer_pullup(from, -1), length);
    strbuf_add(&transaction->message.wire, evbuffer_pullup(from, -1), length);
    evbuffer_drain(from, length);
}

size_t mail_pending(const struct mail_transaction *transaction)
{
    (void)transaction;
    return world.provider.pending;
}

void mail_finish(struct mail_transaction *transaction)
{
    must(!transaction->dead && transaction->checked && !transaction->finished);
    must(world.body.length >= 2 && memcmp(world.body.data + world.body.length - 2, "\r\n", 2) == 0);
    transaction->finished = transaction->message.finished = true;
    strbuf_add(&transaction->message.wire, ".\r\n", 3);
    say("%s dot", transaction->provider->name);
}

void mail_abort(struct mail_transaction **transaction)
{
    must(!(*transaction)->dead);
    (*transaction)->dead = true;
    say("%s abort", (*transaction)->provider->name);
    *transaction = NULL;
}

void world_forget_transactions(void)
{
    while (transactions != NULL) {
        struct mail_transaction *next = transactions->next;
        strbuf_free(&transactions->message.wire);
        free(transactions);
        transactions = next;
    }
}

void world_each_message(world_message_fn *visit, void *arg)
{
    for (const struct mail_transaction *t = transactions; t != NULL; t = t->next)
        visit(arg, &t->message);
}

static void die(struct mail_transaction *transaction, bool nothing_said)
{
    struct error why;
    error_set(&why, RESULT_UNAVAILABLE, "lost of a sudden, said info@provider.example");
    transaction->dead = true;
    transaction->handler->on_failed(transaction->session, nothing_said, &why);
}

static struct mail_reply reply_of(int code, const char *text)
{
    struct mail_reply reply = {.code = code};
    str_copy(reply.text, sizeof(reply.text), text);
    return reply;
}

static void answer_recipient(struct mail_transaction *transaction)
{
    unsigned index = transaction->answered++;
    const char *address = transaction->addresses[index];
    struct mail_reply reply = reply_of(250, "2.1.5 Recipient ok");
    if (world.provider.rcpt_code != 0)
        reply = reply_of(world.provider.rcpt_code, world.provider.rcpt_text);
    else if (named(address, "unknown"))
        reply = reply_of(550, "5.1.1 <unknown1@person.example> no such user\n5.1.1 sorry");
    else if (named(address, "busy"))
        reply = reply_of(451, "4.2.1 Mailbox busy");
    transaction->accepted[index] = reply.code / 100 == 2;
    transaction->message.accepted += transaction->accepted[index];
    transaction->handler->on_recipient(transaction->session, index, &reply);
}

static void finish(struct mail_transaction *transaction)
{
    const struct fake_provider *now = &world.provider;
    struct mail_reply reply = reply_of(now->final_code, now->final_text);
    transaction->dead = true;
    if (now->final_code == 0) {
        transaction->message.taken = true;
        reply = reply_of(250, "2.0.0 Ok: queued as Q17");
        transaction->handler->on_finished(transaction->session, OUTCOME_ACCEPTED, &reply, "Q17");
    } else if (now->final_code == 1) {
        reply = reply_of(451, "the connection was lost");
        transaction->handler->on_finished(transaction->session, OUTCOME_UNKNOWN, &reply, NULL);
    } else {
        transaction->handler->on_finished(transaction->session, OUTCOME_REFUSED, &reply, NULL);
    }
}

static void provider_answers(struct mail_transaction *transaction)
{
    if (transaction->dead || world.provider.hold)
        return;
    if (world.provider.fails_unsaid && strcmp(transaction->provider->name, "first") == 0) {
        die(transaction, true);
    } else if (transaction->answered < transaction->n) {
        answer_recipient(transaction);
    } else if (transaction->content && world.provider.data_code != 0 && !transaction->refused) {
        struct mail_reply reply = reply_of(world.provider.data_code, world.provider.data_text);
        transaction->refused = true;
        transaction->handler->on_content_refused(transaction->session, &reply);
    } else if (transaction->finished) {
        finish(transaction);
    }
}

bool world_fail_provider(bool nothing_said)
{
    if (transactions == NULL || transactions->dead)
        return false;
    die(transactions, nothing_said && transactions->answered == 0);
    return true;
}

void world_drain_provider(void)
{
    world.provider.pending = 0;
    if (transactions != NULL && !transactions->dead)
        transactions->handler->on_drained(transactions->session);
}

void world_reset(void)
{
    must(n_lookups == 0 && n_appends == 0);
    world_forget_transactions();
    memset(world.rows, 0, world.n_rows * sizeof(world.rows[0]));
    world.n_rows = world.n_said = 0;
    strbuf_free(&world.body);
    world.provider =
        (struct fake_provider){.max_recipients = RECIPIENTS, .capabilities = CAPABILITY_8BITMIME};
    world.store_hold = false;
    world.journal = JOURNAL_LATER;
    world.lane.draining = false;
    world.session = NULL;
}

void world_pump(void)
{
    for (struct mail_transaction *t = transactions; t != NULL; t = t->next)
        provider_answers(t);
    if (world.journal != JOURNAL_HOLD)
        world_release_appends(world.journal != JOURNAL_FAIL);
    loop_turn(world.loop);
}
