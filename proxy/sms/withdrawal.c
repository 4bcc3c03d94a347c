/* SPDX-License-Identifier: Apache-2.0 */
/* Adds withdrawals, and finds those that are a repetition; when in doubt it is none. */
#include "proxy/sms/withdrawal.h"

#include <string.h>

/* A provider that did not hear our answer brings the same again, and people write STOP twice. An
 * older withdrawal does not stand for a new one: a consent of between the two may yet be told. */
#define SAME_WITHIN (10 * 60 * CLOCK_SECOND)

struct look {
    const struct recorder_job *job;
    int64_t withdrawn_at; /* the newest that says what the job says; 0: none */
    int64_t given_at;     /* whatever else the person did for this channel, or was told of her */
};

static int64_t later_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Among the names joined by '|'. */
static bool is_among(const char *joined, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = joined; *at != '\0'; at += *at == '|') {
        size_t n = strcspn(at, "|");
        if (n == length && memcmp(at, name, n) == 0)
            return true;
        at += n;
    }
    return false;
}

static bool covers(const struct event_row *row, const struct recorder_job *job)
{
    bool all = row->partners[0] == '\0' || job->n_named > 0;
    for (size_t i = 0; i < job->n_named && all && row->partners[0] != '\0'; i++)
        all = is_among(row->partners, job->named[i]);
    return all;
}

static bool is_same(const struct event_row *row, const struct recorder_job *job)
{
    bool same_id = job->id != NULL && job->id[0] != '\0' &&
                   strcmp(row->evidence, job->evidence) == 0 &&
                   strcmp(row->origin, job->origin) == 0;
    return same_id || row->occurred_at >= job->at - SAME_WITHIN;
}

static bool look_at(void *arg, const struct event_row *row)
{
    struct look *look = arg;
    bool against = row->kind == EVENT_WITHDRAWN || row->kind == EVENT_OBJECTED;
    if (row->channel != CHANNEL_SMS)
        return true;
    if (!against)
        look->given_at = later_of(look->given_at, later_of(row->occurred_at, row->recorded_at));
    else if (row->kind == EVENT_WITHDRAWN && row->occurred_at <= look->job->at &&
             covers(row, look->job) && is_same(row, look->job))
        look->withdrawn_at = later_of(look->withdrawn_at, row->occurred_at);
    return true;
}

enum result withdrawal_add(struct registry *registry, struct recorder_job *job, struct error *err)
{
    unsigned added;
    struct look look = {.job = job};
    struct event_input event = {
        .address_kind = ADDRESS_PHONE,
        .kind = EVENT_WITHDRAWN,
        .channels = CHANNEL_BIT(CHANNEL_SMS),
        .occurred_at = job->at,
        .partners = job->named,
        .n_partners = job->n_named,
        .supplier = "",
        .collector = "",
        .evidence = job->evidence,
        .origin = job->origin,
        .address = job->address,
    };
    memcpy(event.recipient_key, job->key, sizeof(event.recipient_key));
    enum result result = registry_events(registry, job->key, look_at, &look, err);
    job->repeated =
        result == RESULT_OK && look.withdrawn_at > 0 && look.given_at < look.withdrawn_at;
    if (result != RESULT_OK || job->repeated)
        return result;
    return registry_add_event(registry, &event, clock_now(), &added, err);
}
