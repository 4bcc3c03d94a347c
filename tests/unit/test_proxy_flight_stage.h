/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a message's flight is tested against: a store, a journal and providers that do as they are
 * told, and a partner who remembers the reply.
 */
#ifndef OCTROI_TESTS_PROXY_FLIGHT_STAGE_H
#define OCTROI_TESTS_PROXY_FLIGHT_STAGE_H

#include "proxy/sms/sms.h"
#include "store/record.h"
#include "tests/unit/unit.h"

struct flight_stage {
    char folder[64];
    struct config *config;
    struct snapshot *snapshot;
    struct loop *loop;
    struct gate gate;
    struct lane lane;
    /* What the registry knows. */
    bool registry_fails, consents, withdrawn;
    /* The journal. */
    char rows[16][512];
    size_t n_rows;
    store_durable_fn *waiting[16];
    struct ticket waiting_ticket[16];
    size_t n_waiting;
    /* The provider. */
    char asked[16][256];
    size_t n_asked;
    struct sms_job {
        sms_answer_fn *answer;
        void *owner;
        struct ticket ticket;
        bool open;
    } job;
    unsigned notes, opted_out, abandoned;
    /* The reply. */
    unsigned replies;
    enum sms_end end;
    enum reason reason;
    char ref[RECORD_ID], to[32], provider_id[SMPP_ID_MAX], said[256];
    unsigned parts;
    int64_t retry_after;
};
extern struct flight_stage stage;

/* NULL: enforce, prospecting, no policy. */
struct setup {
    const char *mode, *class, *policy;
    int rate;
};

/* From nothing; whom the message is for has consented. */
void begin(struct setup setup);
/* Nothing may be in flight any more. */
void finish(void);
struct sms_submission usual(void);
void submit(const struct sms_submission *submission);
void submit_usual(void);
/* What waits in the journal is durable, or not; then the loop comes round. */
void sync_rows(enum result result);
/* The provider that was asked last answers. */
void provider_says(const struct sms_answer *what);
extern const struct sms_answer taken;

Suite *flight_answers_suite(void);
Suite *flight_rules_suite(void);
Suite *flight_parts_suite(void);

#endif
