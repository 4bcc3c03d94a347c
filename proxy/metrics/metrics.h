/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the gateway counts for those who watch it, beside what its parts know of themselves. One for
 * all lanes; counting locks nothing and costs some hundred instructions a message. Nobody but
 * partners by their id is named in here: no recipient, no address, no text.
 */
#ifndef OCTROI_PROXY_METRICS_METRICS_H
#define OCTROI_PROXY_METRICS_METRICS_H

#include "base/histogram.h"
#include "store/record.h"

#include <stdbool.h>

struct metrics;
struct metrics_text;
struct snapshot;

/* Writes all there is to a scrape, on a lane's thread; what is configured is the snapshot's. */
typedef void metrics_collect_fn(void *arg, const struct snapshot *snapshot,
                                struct metrics_text *text);

/* NULL when memory is short. arg is borrowed. */
struct metrics *metrics_new(metrics_collect_fn *collect, void *arg);
void metrics_free(struct metrics **metrics);
void metrics_collect(const struct metrics *metrics, const struct snapshot *snapshot,
                     struct metrics_text *text);

/* ---- counting: any thread; metrics NULL (a gate without them): nothing is counted ---- */

/* A decision was handed to the journal. */
void metrics_count_decision(struct metrics *metrics, const struct decision *decision);
/* From a recipient's arrival to the verdict on it, in microseconds. */
void metrics_time_verdict(struct metrics *metrics, enum channel channel, int64_t took);

enum metrics_service {
    METRICS_SMS,     /* submissions */
    METRICS_WEBHOOK, /* what SMS providers call */
    METRICS_API,
    METRICS_UNSUBSCRIBE,
    METRICS_METRICS,
    METRICS_CONSOLE,
    METRICS_NO_SERVICE, /* a path that nothing is behind */
    METRICS_SERVICE_COUNT
};
/* A request over HTTP was answered so, after so many microseconds. */
void metrics_count_request(struct metrics *metrics, enum metrics_service service, int status,
                           int64_t took);

enum metrics_token_failure {
    METRICS_TOKEN_MISSING,
    METRICS_TOKEN_WRONG,     /* unknown, expired, revoked */
    METRICS_TOKEN_HELD,      /* not looked at: too many wrong ones from that address */
    METRICS_TOKEN_CLEAR,     /* came over a network without TLS */
    METRICS_TOKEN_UNCHECKED, /* could not be looked up */
    METRICS_TOKEN_SCOPE,     /* good, but not for that */
    METRICS_TOKEN_RATE,      /* good, but over its rate */
    METRICS_TOKEN_FAILURES
};
void metrics_count_token_failure(struct metrics *metrics, enum metrics_token_failure failure);

/* A configuration was read, at this instant, and is served (ok), or not. */
void metrics_note_reload(struct metrics *metrics, bool ok, int64_t at);

/* ---- reading, for collect.c ---- */

struct metrics_decisions {
    const char *partner; /* "(other)": of those there was no room for */
    enum channel channel;
    enum verdict verdict;
    enum reason reason;
    enum effect effect;
    uint64_t count; /* not 0 */
};
typedef void metrics_decisions_fn(void *arg, const struct metrics_decisions *decisions);
void metrics_each_decisions(const struct metrics *metrics, metrics_decisions_fn *each, void *arg);
void metrics_verdict_times(const struct metrics *metrics, enum channel channel,
                           struct histogram_reading *out);
const char *metrics_service_name(enum metrics_service service);
/* Those answered with status class00 … class99; class is 1 … 5. */
uint64_t metrics_requests(const struct metrics *metrics, enum metrics_service service,
                          unsigned class);
void metrics_request_times(const struct metrics *metrics, enum metrics_service service,
                           struct histogram_reading *out);
const char *metrics_token_failure_name(enum metrics_token_failure failure);
uint64_t metrics_token_failures(const struct metrics *metrics, enum metrics_token_failure failure);
/* Whether the last reload, or the start, went well, and when one last did. */
bool metrics_reloaded(const struct metrics *metrics, int64_t *at_out);

#endif
