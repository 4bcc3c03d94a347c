/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test_adapters_smsc.h"

#include "base/log.h"
#include "base/str.h"
#include "base/tls.h"
#include "tests/unit/test_adapters_fake.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The configuration here is made by hand and outlives all. */
__attribute__((weak)) struct config *config_ref(struct config *config)
{
    return config;
}
__attribute__((weak)) void config_unref(struct config **config)
{
    *config = NULL;
}

/* ---- the SMSC ---- */

static void smsc_open(struct smsc *smsc)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int small = 4096; /* so that what is not read soon stays with the client */
    smsc->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(smsc->listener, 0);
    ck_assert_int_eq(setsockopt(smsc->listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    ck_assert_int_eq(bind(smsc->listener, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(listen(smsc->listener, 16), 0);
    ck_assert_int_eq(getsockname(smsc->listener, (struct sockaddr *)&address, &length), 0);
    smsc->port = ntohs(address.sin_port);
}

static void take_connection(struct smsc *smsc)
{
    int fd = accept4(smsc->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    ck_assert_uint_lt(smsc->n_links, LINKS_MAX);
    struct smsc_link *link = &smsc->links[smsc->n_links++];
    *link = (struct smsc_link){.fd = fd};
    link->buffer = malloc((size_t)2 * SMPP_PDU_MAX);
    link->pdus = calloc(PDUS_MAX, sizeof(*link->pdus));
    if (smsc->tls != NULL) {
        link->ssl = SSL_new(smsc->tls);
        SSL_set_fd(link->ssl, fd);
        SSL_set_accept_state(link->ssl);
    }
}

void smsc_hang_up(struct smsc_link *link)
{
    if (link->fd < 0)
        return;
    SSL_free(link->ssl);
    link->ssl = NULL;
    close(link->fd);
    link->fd = -1;
}

void smsc_say(struct smsc_link *link, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    while (length > 0) {
        ssize_t wrote = link->ssl != NULL ? SSL_write(link->ssl, at, (int)length)
                                          : send(link->fd, at, length, MSG_NOSIGNAL);
        ck_assert_msg(wrote > 0, "the SMSC cannot write: %s", strerror(errno));
        at += wrote;
        length -= (size_t)wrote;
    }
}

void smsc_header(struct smsc_link *link, uint32_t command, uint32_t status, uint32_t sequence)
{
    uint8_t bytes[SMPP_HEADER_BYTES];
    size_t length = smpp_header_write(bytes, sizeof(bytes), command, status, sequence);
    smsc_say(link, bytes, length);
}

void smsc_answer(struct smsc_link *link, const struct pdu *pdu, uint32_t status, const char *id)
{
    uint8_t bytes[200];
    size_t length = smpp_response_write(bytes, sizeof(bytes), SMPP_RESP(pdu->header.command),
                                        status, pdu->header.sequence, id);
    ck_assert_uint_gt(length, 0);
    smsc_say(link, bytes, length);
}

static void answer_bind(struct smsc *smsc, struct smsc_link *link, const struct pdu *pdu)
{
    uint8_t bytes[200];
    unsigned number = (unsigned)(link - smsc->links);
    bool refuse = smsc->refuse_from != 0 && number >= smsc->refuse_from;
    uint32_t status = refuse ? SMPP_RALYBND : smsc->bind_status;
    if (smsc->refuse_as == pdu->header.command)
        status = SMPP_RBINDFAIL;
    size_t length = smpp_bind_response_write(bytes, sizeof(bytes), SMPP_RESP(pdu->header.command),
                                             status, pdu->header.sequence, "smsc", 0x34);
    link->bound = status == SMPP_ROK ? pdu->header.command : 0;
    smsc_say(link, bytes, length);
}

static void take_pdu(struct smsc *smsc, struct smsc_link *link, const struct smpp_header *header)
{
    struct pdu *pdu = malloc(sizeof(*pdu));
    ck_assert_ptr_nonnull(pdu);
    pdu->header = *header;
    pdu->length = header->length - SMPP_HEADER_BYTES;
    memcpy(pdu->body, link->buffer + SMPP_HEADER_BYTES, pdu->length);
    link->have -= header->length;
    memmove(link->buffer, link->buffer + header->length, link->have);
    bool is_bind = header->command == SMPP_BIND_TRANSCEIVER ||
                   header->command == SMPP_BIND_TRANSMITTER ||
                   header->command == SMPP_BIND_RECEIVER;
    if (is_bind) {
        smsc->n_binds++;
        ck_assert_uint_eq(smpp_bind_read(pdu->body, pdu->length, &smsc->last), SMPP_ROK);
    }
    if (is_bind && !smsc->binds_by_hand) {
        answer_bind(smsc, link, pdu);
        free(pdu);
        return;
    }
    if (smsc->answers_links &&
        (header->command == SMPP_ENQUIRE_LINK || header->command == SMPP_UNBIND)) {
        smsc_header(link, SMPP_RESP(header->command), SMPP_ROK, header->sequence);
        free(pdu);
        return;
    }
    ck_assert_uint_lt(link->n_pdus, PDUS_MAX);
    link->pdus[link->n_pdus++] = pdu;
}

static void read_link(struct smsc *smsc, struct smsc_link *link)
{
    while (link->fd >= 0 && !link->deaf) {
        size_t room = (size_t)2 * SMPP_PDU_MAX - link->have;
        uint8_t *at = link->buffer + link->have;
        int got = link->ssl != NULL ? SSL_read(link->ssl, at, (int)room)
                                    : (int)recv(link->fd, at, room, 0);
        bool again = link->ssl != NULL ? SSL_get_error(link->ssl, got) == SSL_ERROR_WANT_READ
                                       : got < 0 && errno == EAGAIN;
        if (got <= 0 && again)
            return;
        if (got <= 0) {
            link->left = true;
            smsc_hang_up(link);
            return;
        }
        link->have += (size_t)got;
        struct smpp_header header;
        while (link->have >= SMPP_HEADER_BYTES) {
            smpp_header_read(link->buffer, &header);
            if (link->have < header.length)
                break;
            take_pdu(smsc, link, &header);
        }
    }
}

static void smsc_turn(struct smsc *smsc)
{
    take_connection(smsc);
    for (unsigned i = 0; i < smsc->n_links; i++)
        read_link(smsc, &smsc->links[i]);
}

static void smsc_close(struct smsc *smsc)
{
    for (unsigned i = 0; i < smsc->n_links; i++) {
        struct smsc_link *link = &smsc->links[i];
        smsc_hang_up(link);
        for (size_t k = 0; k < link->n_pdus; k++)
            free(link->pdus[k]);
        free(link->pdus);
        free(link->buffer);
    }
    close(smsc->listener);
    SSL_CTX_free(smsc->tls);
}

static unsigned bound_now(const struct smpp_stage *stage, struct smsc_link **newest_out)
{
    unsigned n = 0;
    for (unsigned i = 0; i < stage->smsc.n_links; i++) {
        const struct smsc_link *link = &stage->smsc.links[i];
        if (link->fd < 0 || link->bound == 0)
            continue;
        n++;
        *newest_out = (struct smsc_link *)link;
    }
    return n;
}

struct smsc_link *smsc_bound(struct smpp_stage *stage, unsigned n)
{
    struct smsc_link *newest = NULL;
    struct provider_state state;
    WAIT_UNTIL(stage, bound_now(stage, &newest) == n);
    do {
        smpp_stage_turn(stage);
        provider_state(stage->provider, &state);
    } while (state.connections != n);
    return newest;
}

struct pdu *smsc_expect(struct smpp_stage *stage, struct smsc_link *link, uint32_t command)
{
    WAIT_UNTIL(stage, link->n_pdus > 0);
    struct pdu *pdu = link->pdus[0];
    ck_assert_msg(pdu->header.command == command, "%s came in place of %s",
                  smpp_command_name(pdu->header.command), smpp_command_name(command));
    link->n_pdus--;
    memmove(link->pdus, link->pdus + 1, link->n_pdus * sizeof(*link->pdus));
    return pdu;
}

struct pdu *smsc_expect_submit(struct smpp_stage *stage, struct smsc_link *link,
                               struct smpp_message *message_out)
{
    struct pdu *pdu = smsc_expect(stage, link, SMPP_SUBMIT_SM);
    ck_assert_uint_eq(smpp_message_read(SMPP_SUBMIT_SM, pdu->body, pdu->length, message_out),
                      SMPP_ROK);
    return pdu;
}

void smsc_serve_one(struct smpp_stage *stage, struct smsc_link *link, uint32_t status,
                    const char *id)
{
    struct pdu *pdu = smsc_expect(stage, link, SMPP_SUBMIT_SM);
    smsc_answer(link, pdu, status, id);
    free(pdu);
}

/* ---- the sink ---- */

static void on_inbound(void *gate, struct provider *provider, struct loop *loop,
                       const struct sms_inbound *inbound, sms_taken_fn *taken, void *owner,
                       struct ticket ticket)
{
    struct smpp_stage *stage = gate;
    struct sink_log *log = &stage->sink_log;
    ck_assert_ptr_eq(provider, stage->provider);
    ck_assert_int_eq(stage->turning, (int)loop_index(loop));
    log->n++;
    log->kind = inbound->kind;
    log->as_was = inbound->as_was != NULL;
    str_copy(log->from, sizeof(log->from), inbound->from);
    str_copy(log->to, sizeof(log->to), inbound->to);
    str_copy(log->text, sizeof(log->text), inbound->text);
    str_copy(log->id, sizeof(log->id), inbound->receipt != NULL ? inbound->receipt->id : "");
    log->state = inbound->receipt != NULL ? inbound->receipt->state : 0;
    if (!log->keep) {
        taken(owner, ticket, log->later ? SMS_TAKE_LATER : SMS_TAKEN);
        return;
    }
    log->kept[log->n_kept].taken = taken;
    log->kept[log->n_kept].owner = owner;
    log->kept[log->n_kept++].ticket = ticket;
}

void sink_answer(struct smpp_stage *stage, unsigned which, enum sms_taken taken)
{
    struct sink_log *log = &stage->sink_log;
    ck_assert_uint_lt(which, log->n_kept);
    sms_taken_fn *tell = log->kept[which].taken;
    void *owner = log->kept[which].owner;
    struct ticket ticket = log->kept[which].ticket;
    log->kept[which] = log->kept[--log->n_kept];
    tell(owner, ticket, taken);
}

/* ---- the stage ---- */

void smpp_stage_begin(struct smpp_stage *stage)
{
    signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_LEVEL_ERROR);
    memset(stage, 0, sizeof(*stage));
    stage->n_loops = 1;
    stage->turning = -1;
    snprintf(stage->folder, sizeof(stage->folder), "/tmp/octroi-smpp-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(stage->folder));
    stage->config.hostname = "gate.example.org";
    stage->config.state_dir = stage->folder;
    stage->provider_config = (struct provider_config){
        .name = "fake",
        .adapter = ADAPTER_SMPP,
        .host = "127.0.0.1",
        .username = "gate",
        .password = "secret",
        .system_type = "vma",
        .binds = SMPP_BINDS_TRANSCEIVER,
        .window = 10,
        .connections = 1,
        .enquire_every = 60 * CLOCK_SECOND,
        .connect_timeout = 10 * CLOCK_SECOND,
        .reply_timeout = 10 * CLOCK_SECOND,
    };
    stage->sink = (struct sms_sink){.on_inbound = on_inbound, .gate = stage};
}

static void serve_tls(struct smpp_stage *stage)
{
    char certificate[160], key[160];
    struct error err;
    snprintf(certificate, sizeof(certificate), "%s/cert.pem", stage->folder);
    snprintf(key, sizeof(key), "%s/key.pem", stage->folder);
    fake_certificate("smsc.example.org", certificate, key);
    ck_assert_int_eq(tls_server_context(certificate, key, false, &stage->smsc.tls, &err),
                     RESULT_OK);
    unlink(certificate);
    unlink(key);
}

void smpp_stage_serve(struct smpp_stage *stage)
{
    struct error err;
    smsc_open(&stage->smsc);
    if (stage->provider_config.tls != TLS_NONE)
        serve_tls(stage);
    stage->provider_config.port = stage->smsc.port;
    for (unsigned i = 0; i < stage->n_loops; i++)
        ck_assert_int_eq(loop_new(i, &stage->loops[i], &err), RESULT_OK);
    ck_assert_int_eq(provider_new(&stage->provider_config, &stage->config, stage->loops,
                                  stage->n_loops, &stage->provider, &err),
                     RESULT_OK);
    if (!stage->no_sink)
        provider_set_sink(stage->provider, &stage->sink);
    provider_warm(stage->provider, stage->loops[0]);
}

void smpp_stage_turn(struct smpp_stage *stage)
{
    for (unsigned i = 0; i < stage->n_loops; i++) {
        stage->turning = (int)i;
        loop_turn(stage->loops[i]);
    }
    stage->turning = -1;
    smsc_turn(&stage->smsc);
    usleep(100);
}

void smpp_stage_idle(struct smpp_stage *stage, int64_t microseconds)
{
    int64_t until = clock_monotonic() + microseconds;
    while (clock_monotonic() < until)
        smpp_stage_turn(stage);
}

void smpp_stage_end(struct smpp_stage *stage)
{
    char path[160];
    provider_unref(&stage->provider);
    for (unsigned i = 0; i < stage->n_loops; i++)
        loop_free(&stage->loops[i]);
    smsc_close(&stage->smsc);
    snprintf(path, sizeof(path), "%s/providers", stage->folder);
    ck_assert_int_eq(rmdir(path), 0); /* nothing was kept: there is nothing to know of SMPP */
    ck_assert_int_eq(rmdir(stage->folder), 0);
}

/* ---- messages ---- */

static void on_answer(void *owner, struct ticket ticket, const struct sms_answer *answer)
{
    struct sent *sent = owner;
    ck_assert_uint_eq(ticket.item, 77);
    ck_assert_msg(!sent->inside, "called back from within sms_send");
    ck_assert_msg(sent->stage->turning == -1 || sent->stage->turning == (int)sent->loop,
                  "answered on the wrong loop");
    sent->answers++;
    sent->outcome = answer->outcome;
    sent->refusal = answer->refusal;
    sent->parts = answer->parts;
    sent->status = answer->smpp_status;
    str_copy(sent->id, sizeof(sent->id), answer->id != NULL ? answer->id : "");
    str_copy(sent->text, sizeof(sent->text), answer->text);
}

void send_message(struct smpp_stage *stage, unsigned loop, struct sent *sent,
                  const struct sms_message *message)
{
    *sent = (struct sent){.stage = stage, .loop = loop, .inside = true};
    sms_send(stage->provider, stage->loops[loop], message, on_answer, sent,
             (struct ticket){.slot = 1, .generation = 1, .item = 77});
    sent->inside = false;
}

void send_text(struct smpp_stage *stage, struct sent *sent, const char *text)
{
    const struct sms_message message = {.reference = "ref",
                                        .sender = "ACME",
                                        .sender_ton = SMPP_TON_ALPHANUMERIC,
                                        .to = "+33612345678",
                                        .text = text};
    send_message(stage, 0, sent, &message);
}

void send_raw(struct smpp_stage *stage, struct sent *sent, const struct sms_raw *raw, bool report)
{
    const struct sms_message message = {.reference = "ref",
                                        .sender = "36105",
                                        .sender_ton = SMPP_TON_NETWORK,
                                        .to = "+33612345678",
                                        .raw = raw,
                                        .report = report};
    send_message(stage, 0, sent, &message);
}
