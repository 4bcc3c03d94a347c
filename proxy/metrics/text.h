/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics as text: OpenMetrics 1.0, or the format 0.0.4 that Prometheus had before. They differ in
 * where "_total" stands, in some types, and in the end mark; names of samples are the same in both.
 */
#ifndef OCTROI_PROXY_METRICS_TEXT_H
#define OCTROI_PROXY_METRICS_TEXT_H

#include "base/histogram.h"
#include "base/str.h"

enum metrics_type {
    METRICS_COUNTER,   /* samples get "_total" */
    METRICS_GAUGE,     /* as it is now */
    METRICS_HISTOGRAM, /* samples get "_bucket", "_sum", "_count" */
    METRICS_INFO,      /* samples get "_info", and are 1 */
};

struct metrics_text {
    struct strbuf *out; /* borrowed; remembers when memory was short */
    bool open;          /* OpenMetrics */
    const char *family; /* the writer's */
    enum metrics_type type;
};

/* The Content-Type of either. */
const char *metrics_media(bool open);
/* Whether who sends this Accept header (NULL: none) had rather have OpenMetrics: what is named with
 * the highest weight, of what we can write; the old format when neither is. */
bool metrics_accepts_open(const char *accept);

/* A family begins; all its samples follow before the next one. name ends with the unit, if it has
 * one ("seconds", "bytes"; ""), and has none of the types' endings. help is one line without
 * quotes and backslashes. */
void metrics_family(struct metrics_text *text, enum metrics_type type, const char *name,
                    const char *unit, const char *help);

/* Names and values of labels in turn, ended by NULL; NULL: none. */
#define METRICS_LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})
void metrics_number(struct metrics_text *text, const char *const *labels, uint64_t value);
/* In seconds. */
void metrics_duration(struct metrics_text *text, const char *const *labels, int64_t microseconds);
void metrics_histogram(struct metrics_text *text, const char *const *labels,
                       const struct histogram_reading *reading);
/* After the last family. */
void metrics_end(struct metrics_text *text);

#endif
