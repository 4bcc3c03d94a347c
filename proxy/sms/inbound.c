/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each thing that comes in is an arrival, from the provider's call to the provider's answer. It
 * lives on the loop it came by; the recorder's thread and partners' loops are reached through
 * mailboxes. A number is clear only here and in what goes to the partner.
 */
#include "proxy/sms/inbox.h"

#include "base/log.h"
#include "policy/stop.h"
#include "proxy/sms/candidates.h"
#include "proxy/sms/delivery.h"
#include "proxy/sms/ids.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arrival {
    struct recorder_job job;
    struct inbox *inbox;       /* borrowed */
    struct loop *loop;         /* borrowed */
    struct snapshot *snapshot; /* owned reference */
    sms_taken_fn *taken;
    void *owner; /* borrowed */
    struct ticket ticket;
    enum sms_inbound_kind kind;
    bool stop;                /* a withdrawal */
    struct sms_delivery what; /* owned */
    char *text;               /* owned: of a message, UTF-8 */
    struct candidates candidates;
    char provider[SENT_NAME_MAX];
    char id[SMPP_ID_MAX]; /* the provider's */
    char origin[128];
    char evidence[256];
    char number[20]; /* hers, E.164 */
};

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
    size_t digits = 0; /* wherever: people part them ("+33 6 12") */
    for (const char *c = to; *c != '\0'; c++)
        digits += *c >= '0' && *c <= '9';
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
    if (arrival->text != NULL)
        wipe(arrival->text, strlen(arrival->text));
    free(arrival->text);
    snapshot_unref(&arrival->snapshot);
    wipe(arrival, sizeof(*arrival));
    free(arrival);
}

static void finish(struct arrival *arrival, enum inbox_count which, enum sms_taken taken)
{
    inbox_count(arrival->inbox, which);
    arrival->taken(arrival->owner, arrival->ticket, taken);
    end(arrival);
}

/* Taken all the same: to bring it again would change nothing. */
static void drop(struct arrival *arrival, enum inbox_count which, const char *words)
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

static bool is_bound(const struct arrival *arrival, const struct account_config *account)
{
    return binds_count(arrival->inbox->binds, account->name) > 0;
}

/* Whether there will ever be a way to tell it something: else a provider would keep it, and bring
 * it again, for ever. */
static bool has_way(const struct arrival *arrival, const struct account_config *account)
{
    const struct config *config = arrival->snapshot->config;
    bool smpp = false;
    for (size_t i = 0; i < config->n_listeners && !smpp; i++)
        smpp = config->listeners[i].protocol == PROTOCOL_SMPP;
    bool binds = account->password != NULL ||
                 (!account_logs_in(account) &&
                  (account->n_networks > 0 || account->certificate_sha256 != NULL));
    return account->report_url != NULL || (smpp && binds) || is_bound(arrival, account);
}

/* An account of one of these streams that can be told: by its bind, else by its report_url. partner
 * NULL: whoever's. */
static const struct account_config *find_account(const struct arrival *arrival,
                                                 const struct candidates *candidates,
                                                 const char *partner)
{
    const struct config *config = arrival->snapshot->config;
    const struct account_config *by_http = NULL;
    for (size_t i = 0; i < config->n_accounts; i++) {
        const struct account_config *account = &config->accounts[i];
        bool meant = false;
        for (size_t j = 0; j < candidates->n_streams && !meant; j++)
            meant = account->stream == candidates->streams[j];
        if (!meant || (partner != NULL && strcmp(account->stream->terms.partner->id, partner) != 0))
            continue;
        if (is_bound(arrival, account))
            return account;
        if (by_http == NULL && account->report_url != NULL)
            by_http = account;
    }
    return by_http;
}

static bool partner_has_way(const struct arrival *arrival, const char *partner)
{
    const struct config *config = arrival->snapshot->config;
    const struct candidates *candidates = &arrival->candidates;
    bool found = false;
    for (size_t i = 0; i < config->n_accounts && !found; i++)
        for (size_t j = 0; j < candidates->n_streams && !found; j++)
            found = config->accounts[i].stream == candidates->streams[j] &&
                    (partner == NULL ||
                     strcmp(candidates->streams[j]->terms.partner->id, partner) == 0) &&
                    has_way(arrival, &config->accounts[i]);
    return found;
}

/* Takes over what *what owns; what arrival has may be gone when this returns. */
static void hand_over(struct arrival *arrival, const struct account_config *account,
                      struct sms_delivery *what, sms_taken_fn *taken, void *owner)
{
    const struct ticket none = {0};
    struct strbuf body = {0};
    if (account->report_url == NULL || is_bound(arrival, account)) {
        binds_deliver(arrival->inbox->binds, account->name, what, arrival->loop, taken, owner,
                      none);
        return;
    }
    sms_delivery_json(what, arrival->text != NULL ? arrival->text : "", arrival->stop, &body);
    sms_delivery_end(what);
    if (body.failed || arrival->inbox->callbacks == NULL)
        taken(owner, none, SMS_TAKE_LATER);
    else
        callbacks_post(arrival->inbox->callbacks, account->name, account->report_url, body.data,
                       arrival->loop, taken, owner, none);
    if (body.data != NULL)
        wipe(body.data, body.length);
    strbuf_free(&body);
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

static void deliver(struct arrival *arrival, const struct account_config *account)
{
    hand_over(arrival, account, &arrival->what, on_delivered, arrival);
}

static void deliver_to_partner(struct arrival *arrival, const char *partner)
{
    const struct account_config *account = find_account(arrival, &arrival->candidates, partner);
    if (account != NULL)
        deliver(arrival, account);
    else if (partner_has_way(arrival, partner))
        finish(arrival, MESSAGES_LATER, SMS_TAKE_LATER);
    else
        drop(arrival, MESSAGES_UNWANTED, "a reply to a partner without report_url or SMPP");
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
    const struct account_config *account = find_account(arrival, candidates, partner);
    if (account == NULL) { /* it wrote under another name than the one she answered to */
        if (!candidates_of_partner(arrival->snapshot->config, arrival->provider, partner, &own))
            return;
        account = find_account(arrival, &own, partner);
    }
    if (account != NULL && sms_delivery_copy(&arrival->what, &copy))
        hand_over(arrival, account, &copy, nobody_waits, NULL);
    candidates_end(&own);
}

/* The withdrawal holds whether or not the partners hear of it. Only those hear who wrote to this
 * number: to the others it would be a number they did not have. */
static void tell_partners(struct arrival *arrival)
{
    if (arrival->what.body == NULL || arrival->text == NULL)
        return;
    for (size_t i = 0; i < arrival->job.n_wrote; i++)
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
    log_event(LOG_LEVEL_INFO, arrival->job.repeated ? "withdrawal repeated" : "withdrawal recorded",
              LOG_TEXT("provider", arrival->provider), LOG_TEXT("to", to),
              LOG_TEXT("partner", arrival->job.n_named == 0   ? "all"
                                  : arrival->job.n_named == 1 ? arrival->job.named[0]
                                                              : "several"));
    if (!arrival->job.repeated)
        inbox_count(arrival->inbox, STOPS_RECORDED);
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
    char to[24];
    const char *id = arrival->id;
    bool stop = inbound->kind == SMS_INBOUND_MESSAGE;
    show_to(arrival, to);
    show_id(inbound->id, from, arrival->id);
    snprintf(arrival->evidence, sizeof(arrival->evidence), "%s%s%s%s%s",
             stop ? "STOP" : "opted out", to[0] != '\0' ? " to " : "", to,
             id[0] != '\0' ? ", message " : "", id);
    snprintf(arrival->origin, sizeof(arrival->origin), "%s%s",
             stop ? "STOP by SMS through " : "opt-out told by ", arrival->provider);
}

static void withdraw(struct arrival *arrival)
{
    struct recorder_job *job = &arrival->job;
    arrival->stop = true;
    job->kind = RECORDER_WITHDRAW;
    job->task.run = on_withdrawn;
    job->origin = arrival->origin;
    job->evidence = arrival->evidence;
    job->id = arrival->id;
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
    else if (arrival->job.n_wrote == 1)
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

/* The end of a number that cannot be read, for somebody to find it in the provider's records, by
 * the provider's id, too, unless that tells more of it. */
static void show_unreadable(const struct sms_inbound *inbound, char tail_out[3],
                            char id_out[SMPP_ID_MAX])
{
    char digits[32] = "";
    size_t n = 0;
    for (const char *c = inbound->from; *c != '\0' && n + 1 < sizeof(digits); c++)
        if (*c >= '0' && *c <= '9')
            digits[n++] = *c;
    str_copy(tail_out, 3, n > 2 ? digits + n - 2 : "");
    plain(inbound->id, id_out, SMPP_ID_MAX);
    if (n >= 4 && strstr(id_out, digits + (n > 8 ? n - 8 : 0)) != NULL)
        id_out[0] = '\0';
    wipe(digits, sizeof(digits));
}

/* Without a number nothing can be recorded and nobody answered; to bring it again would not mend
 * it. It is left to people, who need to know of each. */
static void unreadable(struct arrival *arrival, const struct sms_inbound *inbound, bool stop)
{
    char tail[3], id[SMPP_ID_MAX], to[24];
    if (!stop) {
        drop(arrival, MESSAGES_NOBODYS, "a message from what is no telephone number");
        return;
    }
    show_unreadable(inbound, tail, id);
    show_to(arrival, to);
    log_event(LOG_LEVEL_ERROR,
              "STOP from what is no telephone number, nothing was recorded: withdraw by hand",
              LOG_TEXT("provider", arrival->provider), LOG_TEXT("to", to), LOG_TEXT("message", id),
              LOG_TEXT("number_ends", tail));
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
    job->address = arrival->number;
    job->shared = !sms_is_number(inbound->to, arrival->snapshot->config->region);
    job->candidates = arrival->candidates.partners;
    job->n_candidates = arrival->candidates.n_partners;
    return str_copy(arrival->number, sizeof(arrival->number), from->text) &&
           str_copy(arrival->what.from, sizeof(arrival->what.from), from->text + 1);
}

static void arrive_message(struct arrival *arrival, const struct sms_inbound *inbound)
{
    struct address from;
    bool stop = inbound->kind == SMS_INBOUND_OPT_OUT || stop_asked(inbound->text);
    unsigned ton = inbound->as_was != NULL ? inbound->as_was->source.ton : SMPP_TON_UNKNOWN;
    enum result carried = sms_delivery_of(inbound, &arrival->what);
    arrival->text = strdup(inbound->text);
    if (arrival->text == NULL)
        carried = RESULT_NO_MEMORY;
    if (!sms_read_origin(inbound->from, ton, arrival->snapshot->config->region, &from)) {
        unreadable(arrival, inbound, stop);
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
    const struct account_config *account = config_account(arrival->snapshot->config, ref->account);
    memcpy(arrival->what.receipt.id, ref->ref, sizeof(ref->ref));
    if (account == NULL)
        drop(arrival, REPORTS_UNKNOWN, "a delivery report for an account that is gone");
    else if (!ref->wanted)
        drop(arrival, REPORTS_UNWANTED, "a delivery report that nobody asked for");
    else if (!has_way(arrival, account))
        drop(arrival, REPORTS_UNWANTED,
             "a delivery report for an account without report_url or SMPP");
    else
        deliver(arrival, account);
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

/* The partner is told its own words back; a number that cannot be read goes as its digits. The id
 * is what it is on record. False: key or id cannot be made. */
static bool fill_from(struct arrival *arrival, const struct sms_inbound *inbound)
{
    struct address from;
    struct error err;
    size_t used = 0;
    char *out = arrival->what.from;
    unsigned ton = inbound->as_was != NULL ? inbound->as_was->source.ton : SMPP_TON_UNKNOWN;
    struct lane *lane = arrival->inbox->lanes[loop_index(arrival->loop)];
    bool ok = true;
    arrival->job.nobody =
        !sms_read_origin(inbound->from, ton, arrival->snapshot->config->region, &from);
    if (!arrival->job.nobody) {
        str_copy(out, sizeof(arrival->what.from), from.text + 1);
        sms_id_on_record(lane->hmac, inbound->receipt->id, from.text, arrival->id);
        ok = recipient_make_key(lane->hmac, &from, arrival->job.key, &err) == RESULT_OK &&
             (arrival->id[0] != '\0' || inbound->receipt->id[0] == '\0');
    } else {
        str_copy(arrival->id, sizeof(arrival->id), inbound->receipt->id);
        for (const char *c = inbound->from; *c != '\0' && used + 1 < sizeof(arrival->what.from);
             c++)
            if (*c >= '0' && *c <= '9')
                out[used++] = *c;
    }
    wipe(&from, sizeof(from));
    return ok;
}

static void arrive_report(struct arrival *arrival, const struct sms_inbound *inbound)
{
    struct recorder_job *job = &arrival->job;
    struct sent_ref ref;
    (void)sms_delivery_of(inbound, &arrival->what); /* of a report it needs no memory */
    if (!fill_from(arrival, inbound)) {
        finish(arrival, REPORTS_LATER, SMS_TAKE_LATER);
        return;
    }
    if (sent_find(arrival->inbox->sent, arrival->provider, arrival->id,
                  job->nobody ? NULL : job->key, &ref)) {
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

void inbox_on_inbound(void *gate, struct provider *provider, struct loop *loop,
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
