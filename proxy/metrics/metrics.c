/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The counters. Decisions are counted in one table a partner and channel, made with the first of
 * them and never removed, so that a counter lives through reloads; a lookup follows a short list
 * without a lock. Partners come from the configuration, so there are few; should somebody rename
 * them for years, those beyond the cap share one table.
 */
#include "proxy/metrics/metrics.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define LISTS       256
#define TABLES_MOST 4096
#define CLASSES     6         /* of HTTP status; [0] stays empty */
#define OTHER       "(other)" /* no partner's id has parentheses */

struct table {
    struct table *_Atomic next;
    char *partner; /* behind it; of the rest: OTHER */
    enum channel channel;
    _Atomic uint64_t counts[VERDICT_COUNT][REASON_COUNT][EFFECT_COUNT];
};

struct metrics {
    metrics_collect_fn *collect;
    void *arg; /* borrowed */
    pthread_mutex_t lock;
    unsigned n_tables;                  /* under lock */
    struct table *_Atomic lists[LISTS]; /* owned; only added to, under lock */
    struct table rest[CHANNEL_COUNT];
    struct histogram verdicts[CHANNEL_COUNT];
    _Atomic uint64_t requests[METRICS_SERVICE_COUNT][CLASSES];
    struct histogram request_times[METRICS_SERVICE_COUNT];
    _Atomic uint64_t token_failures[METRICS_TOKEN_FAILURES];
    _Atomic bool reload_ok;
    _Atomic int64_t reload_at;
};

struct metrics *metrics_new(metrics_collect_fn *collect, void *arg)
{
    static char other[] = OTHER;
    struct metrics *metrics = calloc(1, sizeof(*metrics));
    if (metrics == NULL)
        return NULL;
    pthread_mutex_init(&metrics->lock, NULL);
    metrics->collect = collect;
    metrics->arg = arg;
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        metrics->rest[i].partner = other;
        metrics->rest[i].channel = (enum channel)i;
    }
    return metrics;
}

void metrics_free(struct metrics **metrics_pointer)
{
    struct metrics *metrics = *metrics_pointer;
    if (metrics == NULL)
        return;
    for (size_t i = 0; i < LISTS; i++)
        for (struct table *table = metrics->lists[i], *next; table != NULL; table = next) {
            next = table->next;
            free(table);
        }
    pthread_mutex_destroy(&metrics->lock);
    free(metrics);
    *metrics_pointer = NULL;
}

void metrics_collect(const struct metrics *metrics, const struct snapshot *snapshot,
                     struct metrics_text *text)
{
    metrics->collect(metrics->arg, snapshot, text);
}

static void add_one(_Atomic uint64_t *count)
{
    atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
}

static uint64_t value_of(const _Atomic uint64_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

/* ---- decisions ---- */

/* FNV-1a: ids are the administrator's, nobody can aim at a list. */
static unsigned list_of(const char *partner, enum channel channel)
{
    uint32_t hash = 2166136261u ^ (uint32_t)channel;
    for (; *partner != '\0'; partner++)
        hash = (hash ^ (unsigned char)*partner) * 16777619u;
    return (hash ^ (hash >> 16)) % LISTS;
}

static struct table *find(const struct metrics *metrics, unsigned list, const char *partner,
                          enum channel channel)
{
    struct table *table = atomic_load_explicit(&metrics->lists[list], memory_order_acquire);
    while (table != NULL && (table->channel != channel || strcmp(table->partner, partner) != 0))
        table = atomic_load_explicit(&table->next, memory_order_acquire);
    return table;
}

/* Under the lock. NULL: no room. */
static struct table *add_table(struct metrics *metrics, unsigned list, const char *partner,
                               enum channel channel)
{
    size_t length = strlen(partner) + 1;
    struct table *table =
        metrics->n_tables < TABLES_MOST ? calloc(1, sizeof(*table) + length) : NULL;
    if (table == NULL)
        return NULL;
    table->partner = (char *)(table + 1);
    memcpy(table->partner, partner, length);
    table->channel = channel;
    atomic_init(&table->next, metrics->lists[list]);
    atomic_store_explicit(&metrics->lists[list], table, memory_order_release);
    metrics->n_tables++;
    return table;
}

static struct table *table_of(struct metrics *metrics, const char *partner, enum channel channel)
{
    unsigned list = list_of(partner, channel);
    struct table *table = find(metrics, list, partner, channel);
    if (table != NULL)
        return table;
    pthread_mutex_lock(&metrics->lock);
    table = find(metrics, list, partner, channel);
    if (table == NULL)
        table = add_table(metrics, list, partner, channel);
    pthread_mutex_unlock(&metrics->lock);
    return table != NULL ? table : &metrics->rest[channel];
}

void metrics_count_decision(struct metrics *metrics, const struct decision *decision)
{
    if (metrics == NULL)
        return;
    struct table *table = table_of(metrics, decision->partner, decision->channel);
    add_one(&table->counts[decision->verdict][decision->reason][decision->effect]);
}

static void each_of(const struct table *table, metrics_decisions_fn *each, void *arg)
{
    struct metrics_decisions found = {.partner = table->partner, .channel = table->channel};
    for (int v = 0; v < VERDICT_COUNT; v++)
        for (int r = 0; r < REASON_COUNT; r++)
            for (int e = 0; e < EFFECT_COUNT; e++) {
                found.count = value_of(&table->counts[v][r][e]);
                if (found.count == 0)
                    continue;
                found.verdict = (enum verdict)v;
                found.reason = (enum reason)r;
                found.effect = (enum effect)e;
                each(arg, &found);
            }
}

void metrics_each_decisions(const struct metrics *metrics, metrics_decisions_fn *each, void *arg)
{
    for (size_t i = 0; i < LISTS; i++)
        for (const struct table *table = metrics->lists[i]; table != NULL; table = table->next)
            each_of(table, each, arg);
    for (int i = 0; i < CHANNEL_COUNT; i++)
        each_of(&metrics->rest[i], each, arg);
}

void metrics_time_verdict(struct metrics *metrics, enum channel channel, int64_t took)
{
    if (metrics != NULL)
        histogram_add(&metrics->verdicts[channel], took);
}

void metrics_verdict_times(const struct metrics *metrics, enum channel channel,
                           struct histogram_reading *out)
{
    histogram_read(&metrics->verdicts[channel], out);
}

/* ---- requests ---- */

const char *metrics_service_name(enum metrics_service service)
{
    static const char *const names[METRICS_SERVICE_COUNT] = {
        [METRICS_SMS] = "sms",         [METRICS_WEBHOOK] = "webhook",
        [METRICS_API] = "api",         [METRICS_UNSUBSCRIBE] = "unsubscribe",
        [METRICS_METRICS] = "metrics", [METRICS_CONSOLE] = "console",
        [METRICS_NO_SERVICE] = "none",
    };
    return names[service];
}

void metrics_count_request(struct metrics *metrics, enum metrics_service service, int status,
                           int64_t took)
{
    if (metrics == NULL)
        return;
    int class = status / 100;
    add_one(&metrics->requests[service][class >= 1 && class < CLASSES ? class : CLASSES - 1]);
    histogram_add(&metrics->request_times[service], took);
}

uint64_t metrics_requests(const struct metrics *metrics, enum metrics_service service,
                          unsigned class)
{
    return value_of(&metrics->requests[service][class]);
}

void metrics_request_times(const struct metrics *metrics, enum metrics_service service,
                           struct histogram_reading *out)
{
    histogram_read(&metrics->request_times[service], out);
}

/* ---- tokens ---- */

const char *metrics_token_failure_name(enum metrics_token_failure failure)
{
    static const char *const names[METRICS_TOKEN_FAILURES] = {
        [METRICS_TOKEN_MISSING] = "missing",     [METRICS_TOKEN_WRONG] = "wrong",
        [METRICS_TOKEN_HELD] = "held",           [METRICS_TOKEN_CLEAR] = "clear",
        [METRICS_TOKEN_UNCHECKED] = "unchecked", [METRICS_TOKEN_SCOPE] = "scope",
        [METRICS_TOKEN_RATE] = "rate",
    };
    return names[failure];
}

void metrics_count_token_failure(struct metrics *metrics, enum metrics_token_failure failure)
{
    if (metrics != NULL)
        add_one(&metrics->token_failures[failure]);
}

uint64_t metrics_token_failures(const struct metrics *metrics, enum metrics_token_failure failure)
{
    return value_of(&metrics->token_failures[failure]);
}

/* ---- reloads ---- */

void metrics_note_reload(struct metrics *metrics, bool ok, int64_t at)
{
    if (metrics == NULL)
        return;
    atomic_store(&metrics->reload_ok, ok);
    if (ok)
        atomic_store(&metrics->reload_at, at);
}

bool metrics_reloaded(const struct metrics *metrics, int64_t *at_out)
{
    *at_out = atomic_load(&metrics->reload_at);
    return atomic_load(&metrics->reload_ok);
}
