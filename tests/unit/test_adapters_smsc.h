/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stage for tests of the SMPP client: loops, a provider, and an SMSC that does as the test
 * says, all in one thread, so that nothing is left to chance. The SMSC reads what comes when the
 * stage turns; what it says is the test's, but for binds, which it answers by itself unless told
 * not to. Messages and inbound are written down with what became of them.
 */
#ifndef OCTROI_TESTS_ADAPTERS_SMSC_H
#define OCTROI_TESTS_ADAPTERS_SMSC_H

#include "adapters/internal.h"
#include "base/clock.h"

#define MILLISECONDS INT64_C(1000)
#define GUARD        (30 * CLOCK_SECOND)
#define LOOPS_MAX    2
#define LINKS_MAX    256
#define PDUS_MAX     2048

struct pdu {
    struct smpp_header header;
    uint8_t body[SMPP_PDU_MAX];
    size_t length;
};

/* One connection of the client's. */
struct smsc_link {
    int fd;          /* -1: closed, by either side */
    SSL *ssl;        /* owned; NULL in clear */
    uint32_t bound;  /* the command it bound with; 0: not yet */
    bool left;       /* the client closed it */
    bool deaf;       /* the SMSC does not read */
    uint8_t *buffer; /* owned; what is not a whole PDU yet */
    size_t have;
    struct pdu **pdus; /* owned; those not looked at yet, binds aside; enquiries, too */
    size_t n_pdus;
};

struct smsc {
    int listener;
    uint16_t port;
    SSL_CTX *tls;          /* owned; NULL: none */
    bool binds_by_hand;    /* binds are PDUs like others */
    bool answers_links;    /* enquire_link and unbind, by itself */
    uint32_t bind_status;  /* what binds are answered */
    uint32_t refuse_as;    /* a command that is not to bind; 0: none */
    unsigned refuse_from;  /* from this connection on: ALYBND; 0: none */
    unsigned n_binds;      /* that were asked for */
    struct smpp_bind last; /* the last one */
    struct smsc_link links[LINKS_MAX];
    unsigned n_links;
};

struct sink_log {
    bool later;      /* 0x08 */
    bool keep;       /* answered by sink_answer */
    unsigned n;      /* came */
    unsigned n_kept; /* of them not answered yet */
    struct {
        sms_taken_fn *taken;
        void *owner;
        struct ticket ticket;
    } kept[PDUS_MAX];
    enum sms_inbound_kind kind;
    char from[80], to[80], text[500], id[80];
    enum receipt_state state;
    bool as_was;
};

struct smpp_stage {
    char folder[64];
    struct config config;
    struct provider_config provider_config;
    struct loop *loops[LOOPS_MAX];
    unsigned n_loops;
    int turning; /* which loop's turn it is; -1: none */
    struct provider *provider;
    struct smsc smsc;
    struct sink_log sink_log;
    struct sms_sink sink;
    bool no_sink;
};

/* Defaults; the test may change provider_config before smpp_stage_serve. */
void smpp_stage_begin(struct smpp_stage *stage);
/* The provider, warmed. */
void smpp_stage_serve(struct smpp_stage *stage);
void smpp_stage_turn(struct smpp_stage *stage);
/* Turns for so long: for what shall not happen. */
void smpp_stage_idle(struct smpp_stage *stage, int64_t microseconds);
void smpp_stage_end(struct smpp_stage *stage);

#define WAIT_UNTIL(stage, condition)                                                            \
    do {                                                                                        \
        int64_t guard_ = clock_monotonic() + GUARD;                                             \
        while (!(condition)) {                                                                  \
            smpp_stage_turn(stage);                                                             \
            ck_assert_msg(clock_monotonic() < guard_, "nothing happens any more: " #condition); \
        }                                                                                       \
    } while (0)

/* Until so many binds stand, on the client's side, too; returns the newest link of the SMSC. */
struct smsc_link *smsc_bound(struct smpp_stage *stage, unsigned n);
/* The next PDU of the client on link, which must be this command; the caller frees it. */
struct pdu *smsc_expect(struct smpp_stage *stage, struct smsc_link *link, uint32_t command);
/* As a message; the caller frees the PDU, which it borrows. */
struct pdu *smsc_expect_submit(struct smpp_stage *stage, struct smsc_link *link,
                               struct smpp_message *message_out);
void smsc_say(struct smsc_link *link, const void *bytes, size_t length);
void smsc_header(struct smsc_link *link, uint32_t command, uint32_t status, uint32_t sequence);
/* submit_sm_resp, with a message id when status is ROK. */
void smsc_answer(struct smsc_link *link, const struct pdu *pdu, uint32_t status, const char *id);
/* Takes the next submit_sm and answers it. */
void smsc_serve_one(struct smpp_stage *stage, struct smsc_link *link, uint32_t status,
                    const char *id);
void smsc_hang_up(struct smsc_link *link);

/* A message sent, and its answer. */
struct sent {
    struct smpp_stage *stage;
    unsigned loop;
    unsigned answers;
    bool inside; /* within sms_send, which must not call back */
    enum outcome outcome;
    enum sms_refusal refusal;
    char id[SMPP_ID_MAX];
    unsigned parts;
    uint32_t status;
    char text[REPLY_TEXT_MAX];
};

void send_text(struct smpp_stage *stage, struct sent *sent, const char *text);
void send_raw(struct smpp_stage *stage, struct sent *sent, const struct sms_raw *raw, bool report);
void send_message(struct smpp_stage *stage, unsigned loop, struct sent *sent,
                  const struct sms_message *message);
void sink_answer(struct smpp_stage *stage, unsigned which, enum sms_taken taken);

#endif
