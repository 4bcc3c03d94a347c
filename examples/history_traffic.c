/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of the made-up past. Each hour of the period has its share of the decisions wanted,
 * by stream: partners mail on weekdays in office hours, now and then a campaign. Who is written to
 * comes from the partner's list; the verdict is policy_judge's, the effect policy_effect's, on what
 * the registry holds by then.
 */
#include "examples/history.h"

#include "policy/calendar.h"
#include "policy/judge.h"

#include <stdlib.h>
#include <string.h>

#define HOUR (3600 * CLOCK_SECOND)

/* A message under way in this hour. */
struct sending {
    int64_t at;
    uint32_t flow;
};

/* A stream of the configuration, and who sends it how. */
struct flow {
    const struct stream_config *stream;
    size_t partner; /* of cast_partners */
    double weight;
    double owed;             /* of a decision, from the hours before */
    char mailing[RECORD_ID]; /* the session under way */
    unsigned left;           /* recipients it still has */
    const char *account;     /* borrowed */
};

struct traffic {
    struct flow *flows;
    size_t n_flows;
    double total; /* weight of all hours and flows together */
    uint64_t given;
    struct sending *sendings; /* owned; of one hour */
    size_t capacity;
};

struct pending {
    int64_t at;
    char id[RECORD_ID];
    enum outcome outcome;
    enum effect effect;
    const char *provider, *reply;
    char queue_id[20];
    int64_t size;
};

enum { PENDING = 65536 };

/* ---- how much, when ---- */

/* Of a weekday in Paris; what lies outside is habit, and negligence. */
static const double mail_hours[24] = {0.1, 0.05, 0.05, 0.05, 0.1, 0.4, 1.2, 3.5, 7, 11,  12,  9,
                                      6,   6,    8,    8.5,  8,   9,   8,   5,   3, 1.5, 0.8, 0.3};
static const double sms_hours[24] = {0, 0, 0,   0, 0, 0,  0,  0.3, 2, 6,   12,  14,
                                     9, 5, 6.5, 8, 9, 13, 10, 5,   1, 0.3, 0.1, 0};
static const double mail_days[7] = {1.0, 1.25, 1.15, 1.2, 0.95, 0.35, 0.3};
static const double sms_days[7] = {0.8, 1.0, 1.1, 1.2, 1.3, 0.7, 0.02};

/* The same for the same stream and day, whatever else is asked. */
static double campaign(size_t flow, int64_t day)
{
    struct chance chance = {.state = (uint64_t)day * 64 + flow};
    double at = chance_unit(&chance);
    return at < 0.08 ? 3.2 : at < 0.2 ? 1.7 : at < 0.3 ? 0.4 : 1.0;
}

static bool stopped(const struct history *history, const struct flow *flow, int64_t hour)
{
    const struct stream *terms = &flow->stream->terms;
    double days = (double)(history->end - hour) / (double)CLOCK_DAY;
    bool is = false;
    for (size_t i = 0; i < cast_n_acts; i++)
        if (cast_acts[i].kind == SUSPEND_PARTNER && cast_acts[i].days >= days &&
            strcmp(cast_acts[i].id, terms->partner->id) == 0)
            is = cast_acts[i].what == CAST_SUSPEND;
    return is;
}

static double weight_of(const struct history *history, size_t number, int64_t hour)
{
    const struct flow *flow = &history->traffic->flows[number];
    struct local_time local;
    bool sms = flow->stream->terms.channel == CHANNEL_SMS;
    if (!local_time_at("Europe/Paris", hour, &local))
        return 0;
    double share = (double)(hour - history->begin) / (double)(history->end - history->begin);
    double weight = flow->weight * (0.85 + 0.3 * share) * campaign(number, hour / CLOCK_DAY);
    weight *= (sms ? sms_hours : mail_hours)[local.minute / 60];
    weight *= (sms ? sms_days : mail_days)[local.weekday];
    /* A partner that is stopped gives up after a day, but for a machine somebody forgot. */
    return stopped(history, flow, hour - CLOCK_DAY) ? weight * 0.03
           : stopped(history, flow, hour)           ? weight * 0.4
                                                    : weight;
}

static enum result find_flows(struct history *history, struct error *err)
{
    const struct config *config = history->config;
    struct traffic *traffic = history->traffic;
    for (size_t p = 0; p < cast_n_partners; p++) {
        size_t before = traffic->n_flows;
        for (size_t i = 0; i < config->n_streams; i++) {
            const struct stream_config *stream = &config->streams[i];
            const struct stream *terms = &stream->terms;
            if (strcmp(terms->partner->id, cast_partners[p].id) != 0 || terms->n_senders == 0 ||
                stream->n_providers == 0 || terms->channel > CHANNEL_SMS)
                continue;
            double part = terms->class == CLASS_SERVICE   ? 0.15
                          : terms->channel == CHANNEL_SMS ? 0.4
                                                          : 1;
            traffic->flows[traffic->n_flows++] = (struct flow){
                .stream = stream, .partner = p, .weight = cast_partners[p].weight * part};
        }
        if (traffic->n_flows == before)
            return error_set(err, RESULT_NOT_FOUND,
                             "the configuration has no stream of %s: include "
                             "examples/partners.conf",
                             cast_partners[p].id);
    }
    for (size_t i = 0; i < traffic->n_flows; i++)
        for (size_t a = 0; a < config->n_accounts; a++)
            if (config->accounts[a].stream == traffic->flows[i].stream)
                traffic->flows[i].account = config->accounts[a].name;
    return RESULT_OK;
}

enum result traffic_open(struct history *history, struct error *err)
{
    struct traffic *traffic = history->traffic = calloc(1, sizeof(*traffic));
    history->pending = calloc(PENDING, sizeof(*history->pending));
    if (traffic != NULL)
        traffic->flows = calloc(history->config->n_streams + 1, sizeof(*traffic->flows));
    if (traffic == NULL || traffic->flows == NULL || history->pending == NULL)
        return error_no_memory(err);
    enum result result = find_flows(history, err);
    for (int64_t hour = history->begin; result == RESULT_OK && hour < history->end; hour += HOUR)
        for (size_t i = 0; i < traffic->n_flows; i++)
            traffic->total += weight_of(history, i, hour);
    return result;
}

void traffic_free(struct history *history)
{
    if (history->traffic != NULL) {
        free(history->traffic->flows);
        free(history->traffic->sendings);
    }
    free(history->traffic);
    free(history->pending);
    history->traffic = NULL;
    history->pending = NULL;
}

/* ---- one message ---- */

/* As record_new_id makes them, but the same in every run. */
static void make_id(struct history *history, int64_t at, char out[RECORD_ID])
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    uint64_t time = (uint64_t)(at / 1000);
    uint64_t count = history->ids++ * 7919 + 123456789;
    for (int i = 10; i-- > 0; time >>= 5)
        out[i] = digits[time & 31];
    out[10] = '-';
    for (int i = 17; i-- > 11; count >>= 5)
        out[i] = digits[count & 31];
    out[17] = '\0';
}

/* Somebody of the partner's list, who is on it by now; sometimes just anybody. */
static uint32_t pick_person(struct history *history, const struct flow *flow, int64_t at)
{
    struct population *population = &history->population;
    const struct audience *audience =
        &population->audiences[flow->partner * CHANNEL_COUNT + flow->stream->terms.channel];
    if (audience->count == 0 || chance_is(&history->chance, cast_partners[flow->partner].strays))
        return (uint32_t)chance_below(&history->chance, population->count);
    uint32_t person = 0;
    for (int tries = 0; tries < 8; tries++) {
        person = audience->people[chance_below(&history->chance, audience->count)];
        if (population->people[person].since <= at)
            break;
    }
    return person;
}

static enum result judge(struct history *history, const struct flow *flow, uint32_t person,
                         int64_t at, struct judgement *judgement, struct error *err)
{
    const struct stream *terms = &flow->stream->terms;
    const struct cast_partner *cast = &cast_partners[flow->partner];
    const struct channel_policy *policy = &history->config->policies[terms->channel];
    bool sms = terms->channel == CHANNEL_SMS;
    const struct facts *facts = NULL;
    const char *sender = terms->senders[0];
    if (chance_is(&history->chance, cast->foreign))
        sender = sms ? "INFO" : "routeur.example";
    const struct question question = {.partner = terms->partner,
                                      .stream = terms,
                                      .policy = policy,
                                      .channel = terms->channel,
                                      .purpose = PURPOSE_RECEIPT,
                                      .now = at,
                                      .sender = sender};
    enum result result =
        registry_facts(history->registry,
                       history->population.people[person].keys[sms ? ADDRESS_PHONE : ADDRESS_EMAIL],
                       terms->partner->id, terms->id, &facts, err);
    if (result != RESULT_OK)
        return result;
    policy_judge(&question, facts, judgement, NULL);
    bool careless = chance_is(&history->chance, cast->careless);
    if (judgement->verdict != VERDICT_PASS)
        return RESULT_OK;
    const struct mail_content content = {.from_domains = (const char **)&terms->senders[0],
                                         .n_from_domains = 1,
                                         .from_headers = 1,
                                         .list_unsubscribe = !careless,
                                         .list_unsubscribe_post = !careless,
                                         .unsubscribe_taken = !careless};
    if (sms)
        (void)policy_judge_sms(terms, policy, careless ? "Offre" : "Offre. STOP 36111", judgement);
    else
        (void)policy_judge_mail(terms, &content, judgement);
    return RESULT_OK;
}

/* Some of those who would be blocked the partner does not even try. */
static enum result choose(struct history *history, const struct flow *flow, int64_t at,
                          uint32_t *person_out, struct judgement *judgement, struct error *err)
{
    enum result result = RESULT_OK;
    for (int tries = 0; tries < 8; tries++) {
        *person_out = pick_person(history, flow, at);
        result = judge(history, flow, *person_out, at, judgement, err);
        if (result != RESULT_OK || judgement->verdict != VERDICT_BLOCK ||
            judgement->reason == REASON_SUSPENDED || judgement->reason == REASON_SECTOR_BAN ||
            !chance_is(&history->chance, cast_partners[flow->partner].tidies))
            break;
    }
    return result;
}

static void identify(struct history *history, uint32_t number, enum channel channel,
                     struct recipient *recipient)
{
    struct person *person = &history->population.people[number];
    enum address_kind kind = channel == CHANNEL_SMS ? ADDRESS_PHONE : ADDRESS_EMAIL;
    struct address address;
    memcpy(recipient->key, person->keys[kind], RECIPIENT_KEY_BYTES);
    if (kind == ADDRESS_EMAIL || person->phone[0] == '\0') {
        person_address(number, kind, &address);
        recipient_mask(&address, recipient);
        if (kind == ADDRESS_PHONE)
            str_copy(person->phone, sizeof(person->phone), recipient->masked);
    } else {
        str_copy(recipient->masked, sizeof(recipient->masked), person->phone);
    }
}

/* ---- troubles ---- */

/* Half an hour without a registry, and most of one without the provider. */
static bool lies_in(const struct history *history, int64_t at, double days, int64_t minutes)
{
    int64_t from = history->end - (int64_t)(days * (double)CLOCK_DAY);
    from = from / CLOCK_DAY * CLOCK_DAY + 8 * HOUR; /* mid-morning in France */
    return at >= from && at < from + minutes * 60 * CLOCK_SECOND;
}

/* ---- outcomes ---- */

static enum result write_outcome(struct history *history, const struct pending *pending,
                                 struct error *err)
{
    const struct outcome_row row = {.id = pending->id,
                                    .at = pending->at,
                                    .outcome = pending->outcome,
                                    .effect = pending->effect,
                                    .provider = pending->provider,
                                    .provider_reply = pending->reply,
                                    .queue_id =
                                        pending->queue_id[0] != '\0' ? pending->queue_id : NULL,
                                    .size = pending->size};
    strbuf_clear(&history->record);
    record_outcome(&history->record, &row);
    return history_add(history, err);
}

enum result traffic_settle(struct history *history, int64_t until, struct error *err)
{
    enum result result = RESULT_OK;
    while (
        result == RESULT_OK && history->n_pending > 0 &&
        (history->pending[history->first_pending].at <= until || history->n_pending == PENDING)) {
        result = write_outcome(history, &history->pending[history->first_pending], err);
        history->first_pending = (history->first_pending + 1) % PENDING;
        history->n_pending--;
    }
    return result;
}

static void await_outcome(struct history *history, const struct flow *flow,
                          const struct decision *decision, bool down)
{
    struct chance *chance = &history->chance;
    bool sms = decision->channel == CHANNEL_SMS;
    struct pending *pending =
        &history->pending[(history->first_pending + history->n_pending++) % PENDING];
    *pending = (struct pending){.outcome = OUTCOME_ACCEPTED,
                                .effect = EFFECT_PASSED,
                                .at = decision->at + 40000 + (int64_t)chance_below(chance, 700000),
                                .provider = decision->provider,
                                .size = sms ? 118 + (int64_t)chance_below(chance, 40)
                                            : 9000 + (int64_t)chance_below(chance, 60000)};
    str_copy(pending->id, sizeof(pending->id), decision->id);
    double at = chance_unit(chance);
    if (down) {
        pending->outcome = OUTCOME_NONE;
        pending->effect = EFFECT_DEFERRED;
        pending->reply = "the provider cannot be reached: Connection refused";
        pending->size = -1;
    } else if (at < cast_partners[flow->partner].bounces) {
        pending->outcome = OUTCOME_REFUSED;
        pending->reply = sms ? "command_status 0x0000000b" : cast_refusal(chance, history->hostile);
    } else if (at > 0.9985) {
        pending->outcome = OUTCOME_UNKNOWN;
        pending->reply = "the connection was lost before the answer";
    } else {
        uint64_t name = chance_next(chance);
        pending->reply = sms ? NULL : "250 2.0.0 Ok";
        for (int i = 0; i < 11; i++, name /= 31)
            pending->queue_id[i] = "0123456789BCDFGHJKLMNPQRSTVWXYZ"[name % 31];
    }
}

/* ---- the hour ---- */

static enum result decide(struct history *history, struct flow *flow, int64_t at, struct error *err)
{
    const struct stream *terms = &flow->stream->terms;
    struct recipient recipient;
    struct judgement judgement = {0};
    uint32_t person = 0;
    char id[RECORD_ID];
    enum result result = choose(history, flow, at, &person, &judgement, err);
    if (result != RESULT_OK)
        return result;
    if (lies_in(history, at, 9, 35)) {
        judgement = (struct judgement){.verdict = VERDICT_DEFER, .reason = REASON_UNABLE};
    }
    identify(history, person, terms->channel, &recipient);
    if (flow->left == 0) {
        make_id(history, at, flow->mailing);
        flow->left =
            1 + (unsigned)chance_below(&history->chance, terms->channel == CHANNEL_SMS ? 1 : 80);
    }
    flow->left--;
    make_id(history, at, id);
    enum effect effect = policy_effect(terms->partner->mode, judgement.verdict, judgement.reason);
    const struct decision decision = {
        .id = id,
        .at = at,
        .gateway = history->config->hostname,
        .session = flow->mailing,
        .partner = terms->partner->id,
        .stream = terms->id,
        .account = flow->account,
        .channel = terms->channel,
        .purpose = PURPOSE_RECEIPT,
        .recipient = &recipient,
        .verdict = judgement.verdict,
        .reason = judgement.reason,
        .effect = effect,
        .mode = terms->partner->mode,
        .policy = history->config->policies[terms->channel].version,
        .event = judgement.event,
        .provider = effect == EFFECT_PASSED ? flow->stream->providers[0]->name : NULL,
    };
    strbuf_clear(&history->record);
    record_decision(&history->record, &decision);
    result = history_add(history, err);
    history->made++;
    history->counts[judgement.verdict]++;
    if (result == RESULT_OK && effect == EFFECT_PASSED)
        await_outcome(history, flow, &decision, lies_in(history, at, 23, 40));
    return result;
}

static int compare_sendings(const void *a, const void *b)
{
    const struct sending *one = a, *other = b;
    if (one->at != other->at)
        return one->at < other->at ? -1 : 1;
    return (int)one->flow - (int)other->flow;
}

/* What falls to this hour of all that is wanted; the last hour gets what rounding left. */
static enum result plan(struct history *history, int64_t hour, size_t *count_out, struct error *err)
{
    struct traffic *traffic = history->traffic;
    int64_t length = history->end - hour < HOUR ? history->end - hour : HOUR;
    size_t count = 0;
    for (size_t i = 0; i < traffic->n_flows; i++) {
        struct flow *flow = &traffic->flows[i];
        flow->owed += (double)history->wanted * weight_of(history, i, hour) / traffic->total;
        while (flow->owed >= 1 || (hour + HOUR >= history->end && i + 1 == traffic->n_flows &&
                                   traffic->given < history->wanted)) {
            if (count == traffic->capacity) {
                size_t capacity = traffic->capacity > 0 ? traffic->capacity * 2 : 256;
                struct sending *grown = reallocarray(traffic->sendings, capacity, sizeof(*grown));
                if (grown == NULL)
                    return error_no_memory(err);
                traffic->sendings = grown;
                traffic->capacity = capacity;
            }
            traffic->sendings[count++] = (struct sending){
                .at = hour + (int64_t)chance_below(&history->chance, (uint64_t)length),
                .flow =
                    (uint32_t)(flow->owed >= 1 ? i
                                               : chance_below(&history->chance, traffic->n_flows))};
            flow->owed -= 1;
            traffic->given++;
        }
    }
    if (count > 0)
        qsort(traffic->sendings, count, sizeof(*traffic->sendings), compare_sendings);
    *count_out = count;
    return RESULT_OK;
}

enum result traffic_hour(struct history *history, int64_t hour, struct error *err)
{
    struct traffic *traffic = history->traffic;
    size_t count = 0;
    enum result result = plan(history, hour, &count, err);
    for (size_t i = 0; i < count && result == RESULT_OK; i++) {
        const struct sending *sending = &traffic->sendings[i];
        result = traffic_settle(history, sending->at, err);
        if (result == RESULT_OK)
            result = decide(history, &traffic->flows[sending->flow], sending->at, err);
    }
    return result;
}
