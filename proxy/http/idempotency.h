/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers that are given again to who asks the same again (Idempotency-Key). For the whole gate, in
 * memory only: a restart forgets them. Bounded: past IDEMPOTENCY_SHARE of an account its oldest
 * give way, past IDEMPOTENCY_KEYS those of the account that has the most, so that nobody's many
 * keys cost another its few; and each ends after IDEMPOTENCY_TIME.
 */
#ifndef OCTROI_PROXY_HTTP_IDEMPOTENCY_H
#define OCTROI_PROXY_HTTP_IDEMPOTENCY_H

#include "base/clock.h"

#include <stdbool.h>
#include <stddef.h>

#define IDEMPOTENCY_KEYS  100000
#define IDEMPOTENCY_SHARE (IDEMPOTENCY_KEYS / 4)
#define IDEMPOTENCY_TIME  CLOCK_DAY
#define IDEMPOTENCY_ANSWER \
    1024 /* bytes of the body of an answer; native.c makes none that is longer */

struct idempotency;
struct kept;

/* The memory at *place is made by the first and freed by the last of those who hold it. Any thread.
 * False: no memory. */
bool idempotency_hold(struct idempotency **place);
void idempotency_let_go(struct idempotency **place);

enum idempotency_found {
    IDEMPOTENCY_NEW,     /* go on, and end it with idempotency_end */
    IDEMPOTENCY_AGAIN,   /* the answer was given before: *status_out and body_out are it */
    IDEMPOTENCY_RUNNING, /* the first one is not answered yet */
    IDEMPOTENCY_OTHER,   /* the key was used for something else */
    IDEMPOTENCY_FULL,    /* no memory, or all keys stand for what is not answered yet */
};
/* now: clock_monotonic. kept_out is set with NEW alone; body_out holds IDEMPOTENCY_ANSWER bytes and
 * a NUL. Any thread. */
enum idempotency_found idempotency_begin(struct idempotency *memory, const char *account,
                                         const char *key, const void *body, size_t length,
                                         int64_t now, struct kept **kept_out, int *status_out,
                                         char *body_out);
/* Keeps the answer, or with status 0 forgets the key. Takes kept. Any thread. */
void idempotency_end(struct idempotency *memory, struct kept **kept, int status, const char *body,
                     size_t length);

#endif
