/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stage for tests of the esmtp adapter: a loop, a provider, a scripted server, a folder; and
 * sessions that send one message and write down, word by word, what they are told. As that of
 * test_adapters_stage.h, but that SIGPIPE is not ignored: no worker may be hit by it.
 */
#ifndef OCTROI_TESTS_ADAPTERS_ESMTP_STAGE_H
#define OCTROI_TESTS_ADAPTERS_ESMTP_STAGE_H

#include "adapters/esmtp/esmtp.h"
#include "base/clock.h"
#include "tests/unit/test_adapters_fake.h"
#include "tests/unit/unit.h"

#include <unistd.h>

#define MILLISECONDS INT64_C(1000)
#define GUARD        (40 * CLOCK_SECOND)
#define ROWS(array)  ((int)(sizeof(array) / sizeof((array)[0])))

struct stage {
    char folder[64];
    struct config config;
    struct provider_config provider_config;
    struct loop *loop;
    struct provider *provider;
    struct fake *fake;
};

#define HEADER "Date: Mon, 1 Jan 2024 00:00:00 +0000\r\nFrom: <a@example.org>\r\n"
#define ID     "Message-ID: <1@example.org>\r\n"
#define PLAIN  HEADER ID "Subject: x\r\n\r\nbody\r\n"

struct session {
    struct stage *stage;
    struct mail_transaction *transaction;
    const char *content; /* as it is on the wire; NULL: PLAIN */
    uint64_t more;       /* bytes of lines behind it */
    size_t most_pending;
    unsigned drained;
    unsigned recipients;
    bool eight_bit, utf8, hold;
    bool inside; /* within one of the calls that must not call back */
    bool done;
    char why[512];
    char log[512];
};

void stage_path(const struct stage *stage, const char *name, char out[160]);
void stage_begin(struct stage *stage);
void stage_serve(struct stage *stage, const char *const *const *scripts);
void stage_end(struct stage *stage);
void session_begin(struct session *session, struct stage *stage);
void session_run(struct session *session, struct stage *stage);

#define WAIT_UNTIL(stage, condition)                                                            \
    do {                                                                                        \
        int64_t guard_ = clock_monotonic() + GUARD;                                             \
        while (!(condition)) {                                                                  \
            loop_turn((stage)->loop);                                                           \
            usleep(200);                                                                        \
            ck_assert_msg(clock_monotonic() < guard_, "nothing happens any more: " #condition); \
        }                                                                                       \
    } while (0)

/* Steps of a script. */
#define HELLO \
    "<EHLO gate.example.org", ">250-fake\r\n250-8BITMIME\r\n250-PIPELINING\r\n250 SIZE 9999999"
#define HI    ">220 hi", HELLO
#define MAIL  "<MAIL FROM:<a@example.org> SIZE=", ">250 2.1.0 ok"
#define RCPT  "<RCPT TO:<r@example.net>", ">250 2.1.5 ok"
#define DATA  "<DATA", ">354 go"
#define QUIT  "<QUIT", ">221 bye"
#define CODES "<EHLO", ">250-fake\r\n250 ENHANCEDSTATUSCODES"
#define BARE  "<MAIL", ">250 2.1.0 ok", "<RCPT", ">250 2.1.5 ok"
#define TLS   ">220 hi", "<EHLO", ">250-fake\r\n250 STARTTLS", "<STARTTLS", ">220 go", "T"
#define AUTH  ">220 hi", "<EHLO", ">250-fake\r\n250 AUTH PLAIN LOGIN"
#define STEPS 32

Suite *esmtp_work_suite(void);

#endif
