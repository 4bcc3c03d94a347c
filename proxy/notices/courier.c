/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/notices/courier.h"

#include "base/crypto.h"
#include "base/log.h"
#include "proxy/notices/message.h"
#include "store/record.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT_ONCE       8                    /* attempts at one partner that answers */
#define REST_MOST     (300 * CLOCK_SECOND) /* of one that does not: then somebody asks again */
#define PAUSE_LEAST   (5 * CLOCK_SECOND)
#define PAUSE_MOST    (12 * 3600 * CLOCK_SECOND)
#define UNCONFIGURED  (3600 * CLOCK_SECOND) /* until it is looked at again */
#define RECORD_AGAIN  CLOCK_SECOND          /* when journal or registry would not take it */
#define OUTAGE        3 /* failures in a row: when it answers again, all it kept out is due */
#define ANSWER_TEXT   120
#define PARTNER_BYTES 65

struct place {
    struct place *next;
    unsigned open;
    unsigned failures;   /* in a row */
    int64_t failed_at;   /* the last of them; 0: it answers */
    int64_t down_since;  /* the first of them */
    int64_t rests_until; /* 0: it does not */
    bool recovered;      /* what an outage or the clock kept out is due, since down_since */
    char partner[PARTNER_BYTES];
};

struct attempt {
    struct attempt *next;
    struct courier *courier; /* borrowed */
    struct place *place;     /* borrowed: as long as the courier */
    int64_t event;
    int64_t created_at;
    int64_t begun_at;
    unsigned before; /* attempts */
    char id[MESSAGE_ID];
    /* Once answered: */
    bool taken, refused; /* refused: nobody was asked */
    bool recorded;
    int64_t retry_after;
    enum delivery_state state;
    int64_t next_at;
    char answer[ANSWER_TEXT];
};

struct courier {
    struct courier_ops ops;
    const char *gateway;     /* borrowed */
    const struct seal *seal; /* borrowed; NULL: none */
    struct place *places;    /* owned, as those below */
    struct attempt *away;
    struct attempt *answered;
    struct attempt *settling;
    bool recording; /* courier_recorded is to come */
    int64_t settle_at;
    int64_t now;
};

/* ---- time ---- */

int64_t courier_pause(unsigned attempts)
{
    static const int seconds[] = {5, 60, 300, 1800, 7200, 21600};
    const unsigned known = sizeof(seconds) / sizeof(seconds[0]);
    return attempts < 1 ? 0 : attempts <= known ? seconds[attempts - 1] * CLOCK_SECOND : PAUSE_MOST;
}

/* Up to a tenth more, so that what failed together does not come again together. */
static int64_t jitter(int64_t pause)
{
    uint16_t random = 0;
    (void)random_bytes(&random, sizeof(random)); /* without, there is none */
    return pause + pause / 10 * random / 65536;
}

/* What the partner asked for, within bounds, else as usual. */
static int64_t pause_of(const struct attempt *attempt, unsigned attempts)
{
    int64_t asked = attempt->retry_after;
    if (asked <= 0)
        return jitter(courier_pause(attempts));
    return asked < PAUSE_LEAST ? PAUSE_LEAST : asked > PAUSE_MOST ? PAUSE_MOST : asked;
}

/* ---- partners ---- */

static struct place *find_place(struct courier *courier, const char *partner)
{
    struct place *place = courier->places;
    while (place != NULL && strcmp(place->partner, partner) != 0)
        place = place->next;
    if (place != NULL)
        return place;
    place = calloc(1, sizeof(*place));
    if (place == NULL || !str_copy(place->partner, sizeof(place->partner), partner)) {
        free(place);
        return NULL;
    }
    /* What was tried later than now was before the clock was put back, and this gateway started. */
    place->recovered = true;
    place->down_since = courier->now;
    place->next = courier->places;
    courier->places = place;
    return place;
}

/* The clock was put back: what was to wait for minutes would wait for as long besides. All that
 * waits is due now, and who did not answer is asked again. */
static void begin_anew(struct courier *courier)
{
    for (struct place *place = courier->places; place != NULL; place = place->next) {
        place->recovered = true;
        place->down_since = INT64_MIN;
        place->failed_at = 0;
        place->rests_until = 0;
    }
}

static void note_failure(struct courier *courier, struct attempt *attempt)
{
    struct place *place = attempt->place;
    /* What was on its way together fails together: once. */
    if (place->failed_at != 0 && attempt->begun_at <= place->failed_at)
        return;
    if (place->failures++ == 0) {
        place->down_since = attempt->begun_at;
        log_event(LOG_LEVEL_WARN, "a partner does not take notices",
                  LOG_TEXT("partner", place->partner), LOG_TEXT("answer", attempt->answer));
    }
    int64_t rest = courier_pause(place->failures);
    rest = attempt->retry_after > 0 ? pause_of(attempt, 1) : rest < REST_MOST ? rest : REST_MOST;
    place->failed_at = courier->now;
    place->rests_until = courier->now + rest;
}

static void note_success(struct place *place)
{
    if (place->failures > 0)
        log_event(LOG_LEVEL_INFO, "a partner takes notices again",
                  LOG_TEXT("partner", place->partner));
    place->recovered = place->recovered || place->failures >= OUTAGE;
    place->failures = 0;
    place->failed_at = 0;
    place->rests_until = 0;
}

/* How many may be begun now. One that does not answer is asked once in a while, by one. */
static unsigned room_at(const struct courier *courier, const struct place *place, bool asked_for)
{
    if (place->failures == 0)
        return place->open < AT_ONCE ? AT_ONCE - place->open : 0;
    bool rests = courier->now < place->rests_until &&
                 place->rests_until - courier->now <= PAUSE_MOST; /* the clock was put back */
    return place->open == 0 && (!rests || asked_for) ? 1 : 0;
}

/* ---- an attempt ---- */

static void unlink_attempt(struct attempt **list, struct attempt *attempt)
{
    while (*list != attempt)
        list = &(*list)->next;
    *list = attempt->next;
}

static void push(struct attempt **list, struct attempt *attempt)
{
    attempt->next = *list;
    *list = attempt;
}

static void on_answer(void *owner, const struct webhook_answer *answer)
{
    struct attempt *attempt = owner;
    struct courier *courier = attempt->courier;
    attempt->taken = answer->status >= 200 && answer->status < 300;
    attempt->retry_after = answer->retry_after;
    if (answer->status > 0)
        snprintf(attempt->answer, sizeof(attempt->answer), "%d%s", answer->status,
                 answer->status / 100 == 3 ? " (redirects are not followed)" : "");
    else
        snprintf(attempt->answer, sizeof(attempt->answer), "%s", answer->why);
    unlink_attempt(&courier->away, attempt);
    push(&courier->answered, attempt);
}

static bool post(struct courier *courier, struct attempt *attempt,
                 const struct notices_config *notices, const char *body, struct error *err)
{
    char id[MESSAGE_ID + 16], moment[48];
    struct strbuf signature = {0};
    bool posted = message_sign(notices, attempt->id, courier->now, body, &signature);
    snprintf(id, sizeof(id), "webhook-id: %s", attempt->id);
    snprintf(moment, sizeof(moment), "webhook-timestamp: %" PRId64, courier->now / CLOCK_SECOND);
    if (posted) {
        const char *const headers[] = {id, moment, signature.data, NULL};
        const struct webhook_call call = {
            .url = notices->url, .ca_file = notices->tls_ca_file, .headers = headers, .body = body};
        push(&courier->away, attempt);
        posted = courier->ops.post(courier->ops.arg, &call, on_answer, attempt);
        if (!posted)
            unlink_attempt(&courier->away, attempt);
    }
    strbuf_free(&signature);
    if (!posted)
        (void)error_no_memory(err);
    return posted;
}

/* Answered by ourselves: nobody is asked. */
static void refuse(struct courier *courier, struct attempt *attempt, enum delivery_state state,
                   int64_t next_at, const char *why)
{
    attempt->refused = true;
    attempt->state = state;
    attempt->next_at = next_at;
    str_copy(attempt->answer, sizeof(attempt->answer), why);
    push(&courier->answered, attempt);
}

static bool expired(const struct courier *courier, const struct attempt *attempt)
{
    return courier->now - attempt->created_at >= COURIER_GIVES_UP_AFTER;
}

static enum result begin(struct courier *courier, struct place *place,
                         const struct notices_config *notices, const struct delivery *delivery,
                         struct error *err)
{
    struct strbuf body = {0};
    struct attempt *attempt = calloc(1, sizeof(*attempt));
    if (attempt == NULL || !message_id(delivery, attempt->id)) {
        free(attempt);
        return error_no_memory(err);
    }
    attempt->courier = courier;
    attempt->place = place;
    attempt->event = delivery->notice.event.id;
    attempt->created_at = delivery->notice.created_at;
    attempt->begun_at = courier->now;
    attempt->before = delivery->attempts;
    enum result result = RESULT_OK;
    if (notices != NULL)
        result = message_body(notices, delivery, courier->seal, &body, err);
    if (notices == NULL)
        refuse(courier, attempt, expired(courier, attempt) ? DELIVERY_GIVEN_UP : DELIVERY_WAITING,
               courier->now + UNCONFIGURED, "nothing is configured");
    else if (result == RESULT_NOT_FOUND)
        refuse(courier, attempt, DELIVERY_UNTOLD, 0, err->text);
    else if (result != RESULT_OK || !post(courier, attempt, notices, body.data, err)) {
        result = result != RESULT_OK ? result : err->code;
        free(attempt);
        attempt = NULL;
    }
    if (body.data != NULL)
        wipe(body.data, body.length);
    strbuf_free(&body);
    if (attempt == NULL)
        return result;
    place->open++;
    return RESULT_OK;
}

/* ---- what is due ---- */

struct search {
    struct courier *courier;
    struct place *place;
    const struct notices_config *notices;
    unsigned room;
    enum result result;
    struct error *err;
};

static bool is_in(const struct attempt *list, const struct place *place, int64_t event)
{
    for (; list != NULL; list = list->next)
        if (list->event == event && list->place == place)
            return true;
    return false;
}

static bool is_open(const struct courier *courier, const struct place *place, int64_t event)
{
    return is_in(courier->away, place, event) || is_in(courier->answered, place, event) ||
           is_in(courier->settling, place, event);
}

/* One that cannot be begun keeps no other from being begun. */
static bool begin_due(void *arg, const struct delivery *delivery)
{
    struct search *search = arg;
    struct error why = {0};
    if (is_open(search->courier, search->place, delivery->notice.event.id))
        return true;
    enum result result = begin(search->courier, search->place, search->notices, delivery, &why);
    if (result == RESULT_OK)
        return --search->room > 0;
    if (search->result == RESULT_OK) {
        search->result = result;
        *search->err = why;
    }
    return result != RESULT_NO_MEMORY;
}

static bool find_any(void *arg, const struct delivery *delivery)
{
    (void)delivery;
    *(bool *)arg = true;
    return false;
}

static enum result serve(struct courier *courier, struct registry *registry,
                         const struct config *config, struct place *place, struct error *err)
{
    struct search search = {.courier = courier, .place = place, .err = err};
    struct error why = {0};
    enum result result = RESULT_OK;
    bool asked_for = false;
    if (place->recovered) {
        result = registry_hasten_deliveries(registry, place->partner, place->down_since,
                                            courier->now, err);
        place->recovered = result != RESULT_OK;
    }
    if (result == RESULT_OK && place->failures > 0)
        result = registry_due_deliveries(registry, place->partner, 0, find_any, &asked_for, err);
    search.room = room_at(courier, place, asked_for);
    if ((result != RESULT_OK && result != RESULT_DAMAGED) || search.room == 0)
        return result;
    search.notices = config_notices(config, place->partner);
    result =
        registry_due_deliveries(registry, place->partner, courier->now, begin_due, &search, &why);
    if (search.result == RESULT_OK && result != RESULT_OK)
        *err = why;
    return search.result == RESULT_OK ? result : search.result;
}

struct partners {
    struct courier *courier;
    bool failed;
};

static bool note_partner(void *arg, const char *partner)
{
    struct partners *partners = arg;
    partners->failed = find_place(partners->courier, partner) == NULL;
    return !partners->failed;
}

/* ---- what came of it ---- */

static void decide(struct courier *courier, struct attempt *attempt)
{
    struct place *place = attempt->place;
    if (attempt->refused)
        return;
    if (attempt->taken) {
        attempt->state = DELIVERY_ACKNOWLEDGED;
        attempt->next_at = 0;
        note_success(place);
        return;
    }
    attempt->state = expired(courier, attempt) ? DELIVERY_GIVEN_UP : DELIVERY_WAITING;
    attempt->next_at = courier->now + pause_of(attempt, attempt->before + 1);
    note_failure(courier, attempt);
    if (attempt->state == DELIVERY_GIVEN_UP)
        log_event(LOG_LEVEL_ERROR, "a notice is given up: the partner never took it",
                  LOG_TEXT("partner", place->partner), LOG_NUMBER("event", attempt->event),
                  LOG_TEXT("answer", attempt->answer));
}

static bool add_record(struct journal_batch *batch, const struct courier *courier,
                       const struct attempt *attempt)
{
    struct strbuf record = {0};
    char when[CLOCK_TEXT];
    clock_format(courier->now, when);
    strbuf_add_str(&record, "{\"type\":\"notified\"");
    strbuf_add_json_field(&record, "id", attempt->id);
    strbuf_add_json_field(&record, "at", when);
    strbuf_add_json_field(&record, "gateway", courier->gateway);
    strbuf_add_json_field(&record, "partner", attempt->place->partner);
    strbuf_add_json_number(&record, "event", attempt->event);
    strbuf_add_json_field(&record, "state", delivery_state_name(attempt->state));
    strbuf_add_json_number(&record, "attempts", (int64_t)attempt->before + 1);
    strbuf_add_json_field(&record, "answer", attempt->answer);
    strbuf_add_char(&record, '}');
    bool added = !record.failed && journal_batch_record(batch, record.data, record.length);
    strbuf_free(&record);
    return added;
}

/* Whatever has ended goes on record first: the registry forgets the address with it. */
static enum result record(struct courier *courier, struct error *err)
{
    bool any = false, added = true;
    struct journal_batch *batch = journal_batch_new();
    for (struct attempt *attempt = courier->settling; batch != NULL && attempt != NULL && added;
         attempt = attempt->next) {
        if (attempt->state == DELIVERY_WAITING || attempt->recorded)
            continue;
        any = true;
        added = add_record(batch, courier, attempt);
    }
    if (batch == NULL || !added) {
        journal_batch_free(&batch);
        return error_no_memory(err);
    }
    if (!any) {
        journal_batch_free(&batch);
        return RESULT_OK;
    }
    courier->recording = true;
    courier->ops.record(courier->ops.arg, batch);
    return RESULT_OK;
}

void courier_recorded(struct courier *courier, enum result result)
{
    courier->recording = false;
    if (result != RESULT_OK)
        courier->settle_at = courier->now + RECORD_AGAIN;
    for (struct attempt *attempt = courier->settling; attempt != NULL && result == RESULT_OK;
         attempt = attempt->next)
        attempt->recorded = true;
}

static enum result note_all(struct courier *courier, struct registry *registry, struct error *err)
{
    enum result result = registry_begin(registry, err);
    if (result != RESULT_OK)
        return result;
    for (struct attempt *attempt = courier->settling; attempt != NULL && result == RESULT_OK;
         attempt = attempt->next) {
        result = registry_note_delivery(registry, attempt->event, attempt->place->partner,
                                        attempt->state, courier->now, attempt->next_at,
                                        attempt->answer, err);
        if (result == RESULT_NOT_FOUND) /* retention came first */
            result = RESULT_OK;
    }
    if (result == RESULT_OK)
        return registry_commit(registry, err);
    registry_rollback(registry);
    return result;
}

static bool all_recorded(const struct courier *courier)
{
    for (const struct attempt *attempt = courier->settling; attempt != NULL;
         attempt = attempt->next)
        if (attempt->state != DELIVERY_WAITING && !attempt->recorded)
            return false;
    return true;
}

static void forget_settled(struct courier *courier)
{
    struct attempt *attempt;
    while ((attempt = courier->settling) != NULL) {
        courier->settling = attempt->next;
        attempt->place->open--;
        free(attempt);
    }
}

static enum result settle(struct courier *courier, struct registry *registry, struct error *err)
{
    enum result result = RESULT_OK;
    if (courier->recording || courier->now < courier->settle_at)
        return RESULT_OK;
    if (courier->settling == NULL) {
        for (struct attempt *attempt = courier->answered; attempt != NULL; attempt = attempt->next)
            decide(courier, attempt);
        courier->settling = courier->answered;
        courier->answered = NULL;
    }
    if (courier->settling != NULL && !all_recorded(courier))
        result = record(courier, err);
    if (result == RESULT_OK && courier->settling != NULL && !courier->recording &&
        all_recorded(courier)) {
        result = note_all(courier, registry, err);
        if (result == RESULT_OK)
            forget_settled(courier);
    }
    if (result != RESULT_OK)
        courier->settle_at = courier->now + RECORD_AGAIN;
    else if (courier->settling == NULL)
        courier->settle_at = 0;
    return result;
}

enum result courier_finish(struct courier *courier, struct registry *registry, int64_t now,
                           struct error *err)
{
    if (now < courier->now) /* the clock was put back */
        courier->settle_at = 0;
    if (now < courier->now - PAUSE_LEAST)
        begin_anew(courier);
    courier->now = now;
    return settle(courier, registry, err);
}

enum result courier_turn(struct courier *courier, struct registry *registry,
                         const struct config *config, int64_t now, struct error *err)
{
    struct partners partners = {.courier = courier};
    enum result result = courier_finish(courier, registry, now, err);
    if (result == RESULT_OK)
        result = registry_waiting_partners(registry, note_partner, &partners, err);
    if (result == RESULT_OK && partners.failed)
        result = error_no_memory(err);
    if (result != RESULT_OK)
        return result;
    /* What is wrong with one partner's is not the others' business. */
    for (struct place *place = courier->places; place != NULL; place = place->next) {
        struct error why = {0};
        enum result served = serve(courier, registry, config, place, &why);
        if (served != RESULT_OK && result == RESULT_OK) {
            result = served;
            *err = why;
        }
    }
    return result;
}

/* ---- life ---- */

struct courier *courier_new(const struct courier_ops *ops, const char *gateway,
                            const struct seal *seal)
{
    struct courier *courier = calloc(1, sizeof(*courier));
    if (courier == NULL)
        return NULL;
    courier->ops = *ops;
    courier->gateway = gateway;
    courier->seal = seal;
    return courier;
}

static void free_list(struct attempt *attempt)
{
    struct attempt *next;
    for (; attempt != NULL; attempt = next) {
        next = attempt->next;
        free(attempt);
    }
}

void courier_free(struct courier **courier_pointer)
{
    struct courier *courier = *courier_pointer;
    struct place *next;
    if (courier == NULL)
        return;
    free_list(courier->away);
    free_list(courier->answered);
    free_list(courier->settling);
    for (struct place *place = courier->places; place != NULL; place = next) {
        next = place->next;
        free(place);
    }
    free(courier);
    *courier_pointer = NULL;
}

unsigned courier_open(const struct courier *courier)
{
    unsigned count = 0;
    for (const struct place *place = courier->places; place != NULL; place = place->next)
        count += place->open;
    return count;
}
