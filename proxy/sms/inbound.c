/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each thing that comes in is an arrival, from the provider's call to the provider's answer. It
 * lives on the loop it came by; the recorder's thread and partners' loops are reached through
 * mailboxes. A number is clear only here and in what goes to the partner.
 */
#include "proxy/sms/inbound.h"

#include "base/log.h"
#include "policy/stop.h"
#include "proxy/sms/candidates.h"
#include "proxy/sms/delivery.h"
#include "proxy/sms/recorder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum count {
    STOPS_RECORDED,
    STOPS_FAILED,
    STOPS_UNREADABLE,
    REPORTS_DELIVERED,
    REPORTS_LATER,
    REPORTS_UNKNOWN,
    MESSAGES_DELIVERED,
    MESSAGES_LATER,
    MESSAGES_NOBODYS,
    COUNTS
};

struct inbox {
    struct sms_sink sink;
    struct lane **lanes; /* owned; what it points at is borrowed */
    unsigned n_lanes;
    struct binds *binds;       /* borrowed */
    struct sent *sent;         /* borrowed */
    struct recorder *recorder; /* owned; NULL before the lanes' threads begin and once they ended */
    _Atomic uint64_t counts[COUNTS];
    /* What comes in without being anybody's is logged once a minute, with how many there were. */
    struct {
        _Atomic int64_t minute;
        _Atomic unsigned hidden;
    } spared[COUNTS];
};

struct arrival {
    struct recorder_job job;
    struct inbox *inbox;       /* borrowed */
    struct loop *loop;         /* borrowed */
    struct snapshot *snapshot; /* owned reference */
    sms_taken_fn *taken;
    void *owner; /* borrowed */
    struct ticket ticket;
    enum sms_inbound_kind kind;
    struct sms_delivery what; /* owned */
    struct candidates candidates;
    char provider[SENT_NAME_MAX];
    char id[SMPP_ID_MAX]; /* of a report, the provider's */
    char origin[128];
    char evidence[256];
};

static void count(struct inbox *inbox, enum count which)
{
    atomic_fetch_add(&inbox->counts[which], 1);
}

/* Printable ASCII, so that whatever a provider calls it fits on a line. */
static void plain(const char *text, char *out, size_t size)
{
    size_t i = 0;
    for (; text[i] != '\0' && i + 1 < size; i++)
        out[i] = text[i] > ' ' && text[i] < 0x7f ? text[i] : '_';
    out[i] = '\0';
}

/* Where it went, for the log and the evidence: a partner's sender id, a short code or a name. Any
 * other number may be a person's, should a provider mean it the other way round. */
static void show_to(const struct arrival *arrival, char out[24])
{
    const char *to = arrival->what.to;
    size_t digits = strspn(to + (*to == '+'), "0123456789");
    if (arrival->candidates.n_partners > 0 || digits <= 6)
        plain(to, out, 24);
    else
        str_copy(out, 24, "a_number");
}

/* ---- the end of an arrival ---- */

static void end(struct arrival *arrival)
{
    recorder_job_end(&arrival->job);
    candidates_end(&arrival->candidates);
    sms_delivery_end(&arrival->what);
    snapshot_unref(&arrival->snapshot);
    wipe(arrival, sizeof(*arrival));
    free(arrival);
}

static void finish(struct arrival *arrival, enum count which, enum sms_taken taken)
{
    count(arrival->inbox, which);
    arrival->taken(arrival->owner, arrival->ticket, taken);
    end(arrival);
}

/* Taken all the same: to bring it again would change nothing. */
static void drop(struct arrival *arrival, enum count which, const char *words)
{
    struct inbox *inbox = arrival->inbox;
    char to[24];
    show_to(arrival, to);
    int64_t minute = clock_monotonic() / (60 * CLOCK_SECOND) + 1;
    if (atomic_exchange(&inbox->spared[which].minute, minute) != minute)
        log_event(LOG_LEVEL_INFO, words, LOG_TEXT("provider", arrival->provider),
                  LOG_TEXT("to", to),
                  LOG_NUMBER("more", atomic_exchange(&inbox->spared[which].hidden, 0)));
    else
        atomic_fetch_add(&inbox->spared[which].hidden, 1);
    finish(arrival, which, SMS_TAKEN);
}

/* ---- to partners ---- */

/* An account of one of these streams that has a bind; partner NULL: whoever's. */
static const struct account_config *
find_bound(const struct arrival *arrival, const struct candidates *candidates, const char *partner)
{
    const struct config *config = arrival->snapshot->config;
    for (size_t i = 0; i < config->n_accounts; i++) {
        const struct account_config *account = &config->accounts[i];
        bool meant = false;
        for (size_t j = 0; j < candidates->n_streams && !meant; j++)
            meant = account->stream == candidates->streams[j];
        if (meant &&
            (partner == NULL || strcmp(account->stream->terms.partner->id, partner) == 0) &&
            binds_count(arrival->inbox->binds, account->name) > 0)
            return account;
    }
    return NULL;
}

static void on_delivered(void *owner, struct ticket ticket, enum sms_taken taken)
{
    (void)ticket;
    struct arrival *arrival = owner;
    if (arrival->kind == SMS_INBOUND_REPORT)
        finish(arrival, taken == SMS_TAKEN ? REPORTS_DELIVERED : REPORTS_LATER, taken);
    else
        finish(arrival, taken == SMS_TAKEN ? MESSAGES_DELIVERED : MESSAGES_LATER, taken);
}

static void deliver(struct arrival *arrival, const char *account)
{
    binds_deliver(arrival->inbox->binds, account, &arrival->what, arrival->loop, on_delivered,
                  arrival, (struct ticket){0});
}

static void deliver_to_partner(struct arrival *arrival, const char *partner)
{
    const struct account_config *account = find_bound(arrival, &arrival->candidates, partner);
    if (account != NULL)
        deliver(arrival, account->name);
    else
        finish(arrival, MESSAGES_LATER, SMS_TAKE_LATER);
}

/* ---- STOP ---- */

static void nobody_waits(void *owner, struct ticket ticket, enum sms_taken taken)
{
    (void)owner;
    (void)ticket;
    (void)taken;
}

static void tell_partner(struct arrival *arrival, const char *partner)
{
    struct candidates own = {0};
    const struct candidates *candidates = &arrival->candidates;
    struct sms_delivery copy;
    if (candidates->n_streams == 0) {
        if (!candidates_of_partner(arrival->snapshot->config, arrival->provider, partner, &own))
            return;
        candidates = &own;
    }
    const struct account_config *account = find_bound(arrival, candidates, partner);
    if (account != NULL && sms_delivery_copy(&arrival->what, &copy))
        binds_deliver(arrival->inbox->binds, account->name, &copy, arrival->loop, nobody_waits,
                      NULL, (struct ticket){0});
    candidates_end(&own);
}

/* The withdrawal holds whether or not the partners hear of it. Only those hear who wrote to this
 * number: to the others it would be a number they did not have. */
static void tell_partners(struct arrival *arrival)
{
    if (!arrival->job.certain || arrival->what.body == NULL)
        return;
    for (size_t i = 0; i < arrival->job.n_named; i++)
        tell_partner(arrival, arrival->job.named[i]);
}

static void on_withdrawn(struct loop_task *task)
{
    struct arrival *arrival = CONTAINER_OF(task, struct arrival, job.task);
    char to[24];
    if (arrival->job.result != RESULT_OK) {
        finish(arrival, STOPS_FAILED, SMS_TAKE_LATER);
        return;
    }
    show_to(arrival, to);
    log_event(LOG_LEVEL_INFO, "withdrawal recorded", LOG_TEXT("provider", arrival->provider),
              LOG_TEXT("to", to),
              LOG_TEXT("partner", arrival->job.n_named == 0   ? "all"
                                  : arrival->job.n_named == 1 ? arrival->job.named[0]
                                                              : "several"));
    count(arrival->inbox, STOPS_RECORDED);
    arrival->taken(arrival->owner, arrival->ticket, SMS_TAKEN);
    tell_partners(arrival);
    end(arrival);
}

/* The provider's id of what came in, unless it tells the person's number. */
static void show_id(const char *id, const struct address *from, char out[SMPP_ID_MAX])
{
    size_t length = strlen(from->text);
    const char *end = from->text + (length > 8 ? length - 8 : 0);
    plain(id, out, SMPP_ID_MAX);
    if (strstr(out, end) != NULL)
        out[0] = '\0';
}

static void write_evidence(struct arrival *arrival, const struct sms_inbound *inbound,
                           const struct address *from)
{
    char to[24], id[SMPP_ID_MAX];
    bool stop = inbound->kind == SMS_INBOUND_MESSAGE;
    show_to(arrival, to);
    show_id(inbound->id, from, id);
    snprintf(arrival->evidence, sizeof(arrival->evidence), "%s%s%s%s%s",
             stop ? "STOP" : "opted out", to[0] != '\0' ? " to " : "", to,
             id[0] != '\0' ? ", message " : "", id);
    snprintf(arrival->origin, sizeof(arrival->origin), "%s%s",
             stop ? "STOP by SMS through " : "opt-out told by ", arrival->provider);
}

static void withdraw(struct arrival *arrival)
{
    struct recorder_job *job = &arrival->job;
    job->kind = RECORDER_WITHDRAW;
    job->task.run = on_withdrawn;
    job->origin = arrival->origin;
    job->evidence = arrival->evidence;
    if (!recorder_submit(arrival->inbox->recorder, job))
        finish(arrival, STOPS_FAILED, SMS_TAKE_LATER);
}

/* ---- other messages ---- */

#define NOBODYS "a reply to a number that is no partner's"

/* A number that several partners send from: the reply is for the one that wrote to this person. */
static void on_known(struct loop_task *task)
{
    struct arrival *arrival = CONTAINER_OF(task, struct arrival, job.task);
    if (arrival->job.result != RESULT_OK)
        finish(arrival, MESSAGES_LATER, SMS_TAKE_LATER);
    else if (arrival->job.certain && arrival->job.n_named == 1)
        deliver_to_partner(arrival, arrival->job.named[0]);
    else
        drop(arrival, MESSAGES_NOBODYS, NOBODYS);
}

static void forward(struct arrival *arrival)
{
    struct recorder_job *job = &arrival->job;
    if (arrival->candidates.n_partners == 0) {
        drop(arrival, MESSAGES_NOBODYS, NOBODYS);
        return;
    }
    if (arrival->candidates.n_partners == 1) {
        deliver_to_partner(arrival, NULL);
        return;
    }
    job->kind = RECORDER_WHO;
    job->task.run = on_known;
    if (!recorder_submit(arrival->inbox->recorder, job))
        finish(arrival, MESSAGES_LATER, SMS_TAKE_LATER);
}

/* Without a number nothing can be recorded and nobody answered. */
static void unreadable(struct arrival *arrival, bool stop)
{
    if (!stop) {
        drop(arrival, MESSAGES_NOBODYS, "a message from what is no telephone number");
        return;
    }
    log_event(LOG_LEVEL_ERROR, "STOP from what is no telephone number, nothing was recorded",
              LOG_TEXT("provider", arrival->provider));
    finish(arrival, STOPS_UNREADABLE, SMS_TAKEN);
}

static bool identify(struct arrival *arrival, const struct sms_inbound *inbound,
                     const struct address *from)
{
    struct error err;
    struct recorder_job *job = &arrival->job;
    struct lane *lane = arrival->inbox->lanes[loop_index(arrival->loop)];
    bool ok = recipient_make_key(lane->hmac, from, job->key, &err) == RESULT_OK &&
              candidates_find(arrival->snapshot->config, arrival->provider, inbound->to,
                              &arrival->candidates);
    if (!ok)
        return false;
    write_evidence(arrival, inbound, from);
    job->at = clock_now();
    job->candidates = arrival->candidates.partners;
    job->n_candidates = arrival->candidates.n_partners;
    return str_copy(arrival->what.from, sizeof(arrival->what.from), from->text + 1);
}

static void arrive_message(struct arrival *arrival, const struct sms_inbound *inbound)
{
    struct address from;
    bool stop = inbound->kind == SMS_INBOUND_OPT_OUT || stop_asked(inbound->text);
    unsigned ton = inbound->as_was != NULL ? inbound->as_was->source.ton : SMPP_TON_UNKNOWN;
    enum result carried = sms_delivery_of(inbound, &arrival->what);
    if (!sms_read_origin(inbound->from, ton, arrival->snapshot->config->region, &from)) {
        unreadable(arrival, stop);
        return;
    }
    bool identified = identify(arrival, inbound, &from);
    wipe(&from, sizeof(from));
    if (!identified || (carried == RESULT_NO_MEMORY && !stop))
        finish(arrival, stop ? STOPS_FAILED : MESSAGES_LATER, SMS_TAKE_LATER);
    else if (stop)
        withdraw(arrival);
    else if (carried != RESULT_OK)
        drop(arrival, MESSAGES_NOBODYS, "a reply whose text cannot be handed on");
    else
        forward(arrival);
}

/* ---- reports ---- */

static void report_to(struct arrival *arrival, const struct sent_ref *ref)
{
    memcpy(arrival->what.receipt.id, ref->ref, sizeof(ref->ref));
    if (config_account(arrival->snapshot->config, ref->account) != NULL)
        deliver(arrival, ref->account);
    else
        drop(arrival, REPORTS_UNKNOWN, "a delivery report for an account that is gone");
}

static void on_found(struct loop_task *task)
{
    struct arrival *arrival = CONTAINER_OF(task, struct arrival, job.task);
    const struct sent_ref ref = arrival->job.found;
    if (arrival->job.result == RESULT_OK)
        report_to(arrival, &ref);
    else if (arrival->job.result == RESULT_NOT_FOUND)
        drop(arrival, REPORTS_UNKNOWN, "a delivery report for a message that is not on record");
    else
        finish(arrival, REPORTS_LATER, SMS_TAKE_LATER);
}

/* The partner is told its own words back; a number that cannot be read goes as its digits. */
static void fill_from(struct arrival *arrival, const struct sms_inbound *inbound)
{
    struct address from;
    size_t used = 0;
    char *out = arrival->what.from;
    unsigned ton = inbound->as_was != NULL ? inbound->as_was->source.ton : SMPP_TON_UNKNOWN;
    if (sms_read_origin(inbound->from, ton, arrival->snapshot->config->region, &from))
        str_copy(out, sizeof(arrival->what.from), from.text + 1);
    else
        for (const char *c = inbound->from; *c != '\0' && used + 1 < sizeof(arrival->what.from);
             c++)
            if (*c >= '0' && *c <= '9')
                out[used++] = *c;
    wipe(&from, sizeof(from));
}

static void arrive_report(struct arrival *arrival, const struct sms_inbound *inbound)
{
    struct recorder_job *job = &arrival->job;
    struct sent_ref ref;
    (void)sms_delivery_of(inbound, &arrival->what); /* of a report it needs no memory */
    fill_from(arrival, inbound);
    str_copy(arrival->id, sizeof(arrival->id), inbound->receipt->id);
    if (sent_find(arrival->inbox->sent, arrival->provider, arrival->id, &ref)) {
        report_to(arrival, &ref);
        return;
    }
    job->kind = RECORDER_REPORT;
    job->task.run = on_found;
    job->id = arrival->id;
    if (!recorder_submit(arrival->inbox->recorder, job))
        finish(arrival, REPORTS_LATER, SMS_TAKE_LATER);
}

/* ---- the sink ---- */

static struct arrival *arrival_new(struct inbox *inbox, struct provider *provider,
                                   struct loop *loop, enum sms_inbound_kind kind)
{
    struct snapshot *snapshot = inbox->lanes[loop_index(loop)]->snapshot;
    struct arrival *arrival = NULL;
    if (inbox->recorder != NULL && snapshot != NULL)
        arrival = calloc(1, sizeof(*arrival));
    if (arrival == NULL)
        return NULL;
    arrival->inbox = inbox;
    arrival->loop = loop;
    arrival->kind = kind;
    arrival->snapshot = snapshot_ref(snapshot);
    str_copy(arrival->provider, sizeof(arrival->provider), provider_name(provider));
    arrival->job.home = loop;
    arrival->job.provider = arrival->provider;
    return arrival;
}

static void on_inbound(void *gate, struct provider *provider, struct loop *loop,
                       const struct sms_inbound *inbound, sms_taken_fn *taken, void *owner,
                       struct ticket ticket)
{
    struct inbox *inbox = gate;
    struct arrival *arrival = arrival_new(inbox, provider, loop, inbound->kind);
    if (arrival == NULL) {
        taken(owner, ticket, SMS_TAKE_LATER);
        return;
    }
    arrival->taken = taken;
    arrival->owner = owner;
    arrival->ticket = ticket;
    if (inbound->kind == SMS_INBOUND_REPORT)
        arrive_report(arrival, inbound);
    else
        arrive_message(arrival, inbound);
}

/* ---- a provider that knows of an opt-out ---- */

struct opt_out {
    struct recorder_job job;
    struct inbox *inbox;       /* borrowed: outlives the recorder */
    const char *candidates[1]; /* partner */
    char provider[SENT_NAME_MAX];
    char partner[SENT_NAME_MAX];
    char origin[128];
};

static void on_opt_out(struct loop_task *task)
{
    struct opt_out *opt_out = CONTAINER_OF(task, struct opt_out, job.task);
    count(opt_out->inbox, opt_out->job.result == RESULT_OK ? STOPS_RECORDED : STOPS_FAILED);
    recorder_job_end(&opt_out->job);
    free(opt_out);
}

void inbox_opted_out(struct inbox *inbox, const char *provider, const char *partner,
                     const uint8_t key[RECIPIENT_KEY_BYTES])
{
    struct opt_out *opt_out = inbox->recorder != NULL ? calloc(1, sizeof(*opt_out)) : NULL;
    if (opt_out != NULL) {
        opt_out->inbox = inbox;
        str_copy(opt_out->provider, sizeof(opt_out->provider), provider);
        str_copy(opt_out->partner, sizeof(opt_out->partner), partner);
        opt_out->candidates[0] = opt_out->partner;
        snprintf(opt_out->origin, sizeof(opt_out->origin), "refused as opted out by %s",
                 opt_out->provider);
        opt_out->job = (struct recorder_job){
            .task.run = on_opt_out,
            .kind = RECORDER_WITHDRAW,
            .provider = opt_out->provider,
            .at = clock_now(),
            .candidates = opt_out->candidates,
            .n_candidates = 1,
            .origin = opt_out->origin,
            .evidence = "the provider's refusal of a message",
        };
        memcpy(opt_out->job.key, key, sizeof(opt_out->job.key));
    }
    if (opt_out != NULL && recorder_submit(inbox->recorder, &opt_out->job))
        return;
    free(opt_out);
    count(inbox, STOPS_FAILED);
    log_event(LOG_LEVEL_ERROR, "a withdrawal could not be recorded", LOG_TEXT("provider", provider),
              LOG_TEXT("reason", "too many wait, or memory is short"));
}

/* ---- life ---- */

struct inbox *inbox_new(struct lane *const *lanes, unsigned n_lanes, struct binds *binds,
                        struct sent *sent)
{
    struct inbox *inbox = calloc(1, sizeof(*inbox));
    if (inbox == NULL)
        return NULL;
    inbox->lanes = calloc(n_lanes, sizeof(struct lane *));
    if (inbox->lanes == NULL) {
        free(inbox);
        return NULL;
    }
    memcpy(inbox->lanes, lanes, n_lanes * sizeof(struct lane *));
    inbox->n_lanes = n_lanes;
    inbox->binds = binds;
    inbox->sent = sent;
    inbox->sink = (struct sms_sink){.on_inbound = on_inbound, .gate = inbox};
    return inbox;
}

const struct sms_sink *inbox_sink(const struct inbox *inbox)
{
    return &inbox->sink;
}

enum result inbox_start(struct inbox *inbox, const char *registry_path, const char *index_path,
                        const char *journal_directory, struct error *err)
{
    const struct recorder_options options = {
        .registry = registry_path,
        .index = index_path,
        .directory = journal_directory,
        .sent = inbox->sent,
    };
    return recorder_start(&options, &inbox->recorder, err);
}

void inbox_stop(struct inbox *inbox)
{
    if (inbox != NULL)
        recorder_stop(&inbox->recorder);
}

void inbox_free(struct inbox **inbox_pointer)
{
    struct inbox *inbox = *inbox_pointer;
    if (inbox == NULL)
        return;
    recorder_stop(&inbox->recorder);
    free(inbox->lanes);
    free(inbox);
    *inbox_pointer = NULL;
}

void inbox_counts(const struct inbox *inbox, struct inbox_counts *counts_out)
{
    uint64_t *const out[COUNTS] = {
        [STOPS_RECORDED] = &counts_out->stops_recorded,
        [STOPS_FAILED] = &counts_out->stops_failed,
        [STOPS_UNREADABLE] = &counts_out->stops_unreadable,
        [REPORTS_DELIVERED] = &counts_out->reports_delivered,
        [REPORTS_LATER] = &counts_out->reports_later,
        [REPORTS_UNKNOWN] = &counts_out->reports_unknown,
        [MESSAGES_DELIVERED] = &counts_out->messages_delivered,
        [MESSAGES_LATER] = &counts_out->messages_later,
        [MESSAGES_NOBODYS] = &counts_out->messages_nobodys,
    };
    for (int i = 0; i < COUNTS; i++)
        *out[i] = atomic_load(&inbox->counts[i]);
}
