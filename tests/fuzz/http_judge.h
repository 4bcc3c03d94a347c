/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What fuzz_http_connection holds against the gate: what it takes up, hands in and answers on each
 * connection, beside what the second reader (http_model.h) sees there.
 */
#ifndef OCTROI_TESTS_FUZZ_HTTP_JUDGE_H
#define OCTROI_TESTS_FUZZ_HTTP_JUDGE_H

#include "tests/fuzz/http_model.h"
#include "tests/unit/test_proxy_http_stage.h"

#define TALKS 4

/* A request that the gate took up. */
struct arrival {
    bool head, keyed, doubtful;
    unsigned submitted, accepted, waiting;
};

/* One connection of the client's. */
struct talk {
    int fd; /* -1: closed by the client */
    uint16_t port;
    bool lan;      /* it comes from 192.0.2.10 */
    bool balanced; /* … or a balancer says whence */
    bool ended;    /* the gate closed it */
    bool lost;     /* not everything could be said: the gate does not read, or is gone */
    bool half_closed, deaf, was_reset;
    struct strbuf said, got;
    size_t read_at; /* of said: where the next request begins */
    size_t got_at;
    struct arrival *arrivals;
    size_t n_arrivals, n_answered, n_continued;
    struct model_request request; /* the last arrival, as the model sees it */
    size_t request_at;            /* … and where it begins */
    bool over;                    /* the last answer there will be was given */
};

extern struct judged {
    struct talk talks[TALKS];
    size_t n_talks;
    size_t n_messages; /* handed in so far */
    bool hold, hooks_hold;
} judged;

/* The connection from that port of the client's. */
struct talk *talk_of(uint16_t port);
/* What the gate said since is as it must be. */
void judge_got(struct talk *talk);
/* What is held is answered. */
void judge_release_messages(void);
void judge_release_hooks(void);

#endif
