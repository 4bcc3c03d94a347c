/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What smpp_load, http_load and, but for the recipients, smtp_load have in common: their options,
 * the recipients, how long answers took, and the report, one line of JSON on standard output.
 */
#ifndef OCTROI_TESTS_BENCH_LOAD_H
#define OCTROI_TESTS_BENCH_LOAD_H

#include "tests/bench/tool.h"

#define LOAD_STATUSES   8 /* different ones */
#define LOAD_STEPS      256
#define LOAD_BUCKETS    (64 * LOAD_STEPS)
#define LOAD_PATIENCE   UINT64_C(60000000000) /* nanoseconds without an answer: the end */
#define LOAD_USAGE_REST "[-t SECONDS] [-n MESSAGES] [-f FIRST] PORT RECIPIENTS"

struct load {
    uint16_t port;
    uint64_t most;     /* messages */
    uint64_t duration; /* nanoseconds in which messages are sent; what is out is then awaited */
    /* Recipients: digits of TOOL_NUMBER_BYTES, with a line feed each. */
    const char *numbers;
    size_t n_numbers, next_number;
    uint64_t sent, sum, answered;
    uint64_t began, ended; /* of the first message, of the last answer */
    struct {
        uint32_t status;
        uint64_t count;
    } statuses[LOAD_STATUSES];
    /* Answers by how long they took: steps of 1/256 within each power of two of nanoseconds. */
    uint64_t times[LOAD_BUCKETS];
};

/* An option of both; false when it is none. */
bool load_option(struct load *load, int option, const char *value);
#define LOAD_OPTIONS "t:n:f:"
/* PORT and RECIPIENTS. */
void load_open(struct load *load, const char *port, const char *recipients);

/* Whether another message is to be sent at this time. */
bool load_goes_on(const struct load *load, uint64_t now);
/* The next recipient, counted as sent. They begin anew after the last one. */
const char *load_next(struct load *load);
void load_answered(struct load *load, uint32_t status, uint64_t since, uint64_t now);
void load_report(const struct load *load);

#endif
