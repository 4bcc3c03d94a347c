/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole SMPP sessions: the input is a script, a line a thing that happens (README.md). What must
 * hold, whatever happens in whatever order: the gate says well-formed PDUs only; it answers what
 * was asked and nothing twice; ESME_ROK names a message that was accepted; everything is answered
 * that an unbind_resp follows; a delivery is answered once; nothing is logged as an error; nothing
 * is left of a session, nor counted, at the end. What is handed in is judged by the stage.
 */
#include "base/log.h"
#include "tests/fuzz/mutate.h"
#include "tests/unit/test_proxy_smpp_stage.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define INPUT_LINES 300
#define SENT_MAX    (512 * 1024)
#define ASKED_MAX   (SENT_MAX / SMPP_HEADER_BYTES)

static struct {
    struct client client;
    bool began;
    bool half_closed;
    size_t cut; /* bytes of a piece; 0: whole */
    size_t pieces;
    struct strbuf out; /* what was said to the gate */
    size_t parsed;     /* of out */
    bool lost;         /* where PDUs begin is not known any more */
    size_t seen;       /* of the gate's PDUs, bytes */
    unsigned delivered;
    size_t hint; /* of asked: where the next answer's question may be, if answers come in order */
    uint32_t last_delivery; /* its sequence number; 0: none */
    bool ended;             /* unbind_resp with ROK came: nothing may come behind it */
} run;

static struct {
    uint32_t command, sequence;
    bool answered;
} asked[ASKED_MAX];
static size_t n_asked;
static size_t n_settled; /* the first of asked, all answered */

/* ---- the log ---- */

void __wrap_log_fields(enum log_level level, const char *event, const struct log_field *fields,
                       size_t count);
void __wrap_log_fields(enum log_level level, const char *event, const struct log_field *fields,
                       size_t count)
{
    (void)fields;
    (void)count;
    must_say(level < LOG_LEVEL_ERROR, "logged as an error: %s", event);
}

/* ---- the model ---- */

static bool has_response(uint32_t command)
{
    switch (command) {
    case SMPP_BIND_RECEIVER:
    case SMPP_BIND_TRANSMITTER:
    case SMPP_BIND_TRANSCEIVER:
    case SMPP_QUERY_SM:
    case SMPP_SUBMIT_SM:
    case SMPP_DELIVER_SM:
    case SMPP_UNBIND:
    case SMPP_REPLACE_SM:
    case SMPP_CANCEL_SM:
    case SMPP_ENQUIRE_LINK:
    case SMPP_SUBMIT_MULTI:
    case SMPP_DATA_SM:
        return true;
    default:
        return false;
    }
}

static void ask(uint32_t command, uint32_t sequence)
{
    must(n_asked < ASKED_MAX);
    asked[n_asked].command =
        has_response(command) ? SMPP_RESP(command) : (uint32_t)SMPP_GENERIC_NACK;
    asked[n_asked].sequence = sequence;
    asked[n_asked++].answered = false;
}

/* Notes the requests in what has been sent so far. */
static void note_asked(void)
{
    while (!run.lost && run.out.length - run.parsed >= SMPP_HEADER_BYTES) {
        struct smpp_header header;
        smpp_header_read((const uint8_t *)run.out.data + run.parsed, &header);
        if (header.length < SMPP_HEADER_BYTES || header.length > SMPP_PDU_MAX) {
            run.lost = true;
            ask(SMPP_OUTBIND, header.sequence); /* a generic_nack is due */
            return;
        }
        if (run.out.length - run.parsed < header.length)
            return;
        run.parsed += header.length;
        if ((header.command & SMPP_RESPONSE) == 0)
            ask(header.command, header.sequence);
    }
}

static bool was_accepted(const char *id)
{
    for (size_t i = 0; i < stage.n_staged; i++)
        if (stage.staged[i].accepted && strcmp(stage.staged[i].ref, id) == 0)
            return true;
    return false;
}

/* The first unanswered request between two places that this answers; n_asked: none. */
static size_t find_asked(const struct smpp_header *header, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (!asked[i].answered && asked[i].command == header->command &&
            asked[i].sequence == header->sequence)
            return i;
    return n_asked;
}

/* Of two that look the same, one behind the unbind, an answer may have been taken for the other's.
 */
static bool answered_as_another(size_t one, size_t unbind)
{
    for (size_t i = unbind + 1; i < n_asked; i++)
        if (asked[i].answered && asked[i].command == asked[one].command &&
            asked[i].sequence == asked[one].sequence) {
            asked[i].answered = false;
            return true;
        }
    return false;
}

static void check_response(const struct smpp_header *header, const uint8_t *body)
{
    /* What stands behind an unbind is not taken up, so the first of two is the one that is
     * answered. */
    size_t from = header->command == SMPP_RESP(SMPP_UNBIND) ? n_settled : run.hint;
    size_t i = find_asked(header, from, n_asked);
    if (i == n_asked)
        i = find_asked(header, n_settled, run.hint);
    must_say(i < n_asked, "nobody asked for %s %u", smpp_command_name(header->command),
             header->sequence);
    run.hint = i + 1;
    asked[i].answered = true;
    while (n_settled < n_asked && asked[n_settled].answered)
        n_settled++;
    must(header->status == SMPP_ROK || header->length == SMPP_HEADER_BYTES);
    bool submitted = header->command == SMPP_RESP(SMPP_SUBMIT_SM) ||
                     header->command == SMPP_RESP(SMPP_DATA_SM) ||
                     header->command == SMPP_RESP(SMPP_SUBMIT_MULTI);
    if (submitted && header->status == SMPP_ROK)
        must_say(was_accepted((const char *)body), "ESME_ROK for what nobody accepted");
    if (header->command != SMPP_RESP(SMPP_UNBIND) || header->status != SMPP_ROK)
        return;
    run.ended = true;
    for (size_t j = n_settled; j < i; j++)
        must_say(asked[j].answered || answered_as_another(j, i),
                 "unbound before %s %u was answered", smpp_command_name(asked[j].command),
                 asked[j].sequence);
}

static void check_gate(void)
{
    struct smpp_header header;
    const uint8_t *pdu;
    note_asked();
    while ((pdu = client_next(&run.client, &header)) != NULL) {
        must_say(!run.ended, "%s behind unbind_resp", smpp_command_name(header.command));
        if ((header.command & SMPP_RESPONSE) != 0)
            check_response(&header, pdu + SMPP_HEADER_BYTES);
        else
            must(header.command == SMPP_DELIVER_SM || header.command == SMPP_ENQUIRE_LINK ||
                 header.command == SMPP_UNBIND);
        if (header.command == SMPP_DELIVER_SM)
            run.last_delivery = header.sequence;
    }
}

/* ---- the client ---- */

static void turn(void)
{
    stage_turn(run.began ? &run.client : NULL);
    if (run.began)
        check_gate();
}

static void say(const uint8_t *bytes, size_t length)
{
    if (!run.began || run.half_closed || run.out.length + length > SENT_MAX)
        return;
    for (size_t at = 0; at < length && run.client.fd >= 0 && run.pieces < 4000;) {
        size_t part = run.cut > 0 && run.cut < length - at ? run.cut : length - at;
        run.pieces++;
        ssize_t sent = send(run.client.fd, bytes + at, part, MSG_NOSIGNAL);
        if (sent <= 0)
            break; /* the gate is gone, or does not read */
        strbuf_add(&run.out, bytes + at, (size_t)sent);
        at += (size_t)sent;
        turn();
    }
    turn();
}

static void begin(const char *text)
{
    static const char *const peers[] = {"192.0.2.10", "192.0.2.20", "192.0.2.30", "192.0.2.1"};
    size_t peer = 0;
    while (peer < 3 && strstr(text, peers[peer]) == NULL)
        peer++;
    if (run.began)
        return;
    client_connect(&run.client, strstr(text, "wrapped") != NULL ? "wrapped" : "plain", peers[peer]);
    run.began = true;
    turn();
}

/* ---- the script ---- */

static uint32_t command_of(const char *name)
{
    static const uint32_t commands[] = {
        SMPP_BIND_RECEIVER, SMPP_BIND_TRANSMITTER, SMPP_BIND_TRANSCEIVER,
        SMPP_QUERY_SM,      SMPP_SUBMIT_SM,        SMPP_DELIVER_SM,
        SMPP_UNBIND,        SMPP_REPLACE_SM,       SMPP_CANCEL_SM,
        SMPP_OUTBIND,       SMPP_ENQUIRE_LINK,     SMPP_SUBMIT_MULTI,
        SMPP_DATA_SM,       SMPP_GENERIC_NACK,     SMPP_ALERT_NOTIFICATION};
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(name, smpp_command_name(commands[i])) == 0)
            return commands[i];
        if (strcmp(name, smpp_command_name(SMPP_RESP(commands[i]))) == 0)
            return SMPP_RESP(commands[i]);
    }
    return (uint32_t)strtoul(name, NULL, 16);
}

/* "bind_transceiver 1 acme-lan secret" */
static void do_bind(uint32_t command, uint32_t sequence, const char *name, const char *password)
{
    uint8_t pdu[128];
    struct smpp_bind bind = {.version = 0x34};
    str_copy(bind.system_id, sizeof(bind.system_id), name);
    str_copy(bind.password, sizeof(bind.password), password);
    say(pdu, smpp_bind_write(pdu, sizeof(pdu), command, sequence, &bind));
}

static void do_submit(uint32_t command, uint32_t sequence, const char *to)
{
    static uint8_t pdu[1024 + SMPP_MULTI_MAX * 32];
    static const uint8_t payload[] = {0x04, 0x24, 0, 2, 'h', 'i', 0x14, 1, 0, 1, 'v'};
    struct smpp_message message = {.text = {(const uint8_t *)"Hello", 5}, .registered = 1};
    size_t length;
    str_copy(message.source.text, sizeof(message.source.text), "ACME");
    str_copy(message.destination.text, sizeof(message.destination.text), to);
    if (command == SMPP_DATA_SM) {
        message.text.length = 0;
        message.tlvs = (struct smpp_span){payload, sizeof(payload)};
    }
    if (command == SMPP_SUBMIT_MULTI) { /* "N": so many numbers; a list among them from 3 on */
        static struct smpp_destination all[SMPP_MULTI_MAX];
        size_t n = strtoul(to, NULL, 10) % SMPP_MULTI_MAX + 1;
        for (size_t i = 0; i < n; i++) {
            all[i].list = i == 2;
            str_copy(all[i].address.text, 21, "33612345678");
        }
        length = smpp_multi_write(pdu, sizeof(pdu), sequence, &message, all, n);
    } else {
        length = smpp_message_write(pdu, sizeof(pdu), command, sequence, &message);
    }
    say(pdu, length);
}

/* "NAME SEQUENCE [MORE …]": a PDU. */
static void do_pdu(const char *text)
{
    char name[32] = "", number[32] = "", one[32] = "", two[32] = "";
    int n = sscanf(text, "%31s %31s %31s %31s", name, number, one, two);
    uint32_t command = command_of(name);
    uint32_t sequence = (uint32_t)strtoul(number, NULL, 10);
    uint8_t pdu[SMPP_HEADER_BYTES];
    if (n > 2 && (command == SMPP_BIND_RECEIVER || command == SMPP_BIND_TRANSMITTER ||
                  command == SMPP_BIND_TRANSCEIVER))
        do_bind(command, sequence, one, two);
    else if (n > 2 &&
             (command == SMPP_SUBMIT_SM || command == SMPP_DATA_SM || command == SMPP_SUBMIT_MULTI))
        do_submit(command, sequence, one);
    else
        say(pdu, smpp_header_write(pdu, sizeof(pdu), command, (uint32_t)strtoul(one, NULL, 16),
                                   sequence));
}

static void do_bytes(const char *text)
{
    uint8_t bytes[512];
    size_t length = strlen(text) / 2;
    if (length <= sizeof(bytes) && hex_decode(text, 2 * length, bytes, length))
        say(bytes, length);
}

static void do_flood(const char *text)
{
    static uint8_t all[SMPP_HEADER_BYTES * 1024];
    unsigned long n = strtoul(text, NULL, 10) % 17;
    for (size_t at = 0; at < sizeof(all); at += SMPP_HEADER_BYTES)
        smpp_header_write(all + at, SMPP_HEADER_BYTES, SMPP_ENQUIRE_LINK, 0, (uint32_t)at);
    for (; n > 0; n--)
        say(all, sizeof(all));
}

static enum sms_end end_of(const char *text)
{
    return (enum sms_end)(strtoul(text, NULL, 10) % SMS_END_COUNT);
}

/* "reply I END": the I-th of those that wait. */
static void do_reply(const char *text)
{
    char *end = NULL;
    size_t n = strtoul(text, &end, 10);
    for (size_t i = 0; i < stage.n_staged; i++)
        if (stage.staged[i].held && n-- == 0) {
            stage_reply(i, end_of(end), 0);
            return;
        }
}

static void reply_all(enum sms_end end)
{
    for (size_t i = 0; i < stage.n_staged; i++) /* more may come meanwhile */
        if (stage.staged[i].held)
            stage_reply(i, end, 0);
}

static void do_deliver(const char *text)
{
    if (run.delivered++ < 300)
        stage_deliver(strstr(text, "beta") != NULL ? "beta-lan" : "acme-lan",
                      strstr(text, "report") != NULL ? SMS_INBOUND_REPORT : SMS_INBOUND_MESSAGE,
                      strtoul(text, NULL, 10) % 70000);
    else
        run.delivered--;
}

static void do_taken(const char *text)
{
    uint8_t pdu[SMPP_HEADER_BYTES];
    say(pdu, smpp_header_write(pdu, sizeof(pdu), SMPP_RESP(SMPP_DELIVER_SM),
                               (uint32_t)strtoul(text, NULL, 16), run.last_delivery));
}

static void do_passwords(const char *text)
{
    stage.no_helper = strcmp(text, "none") == 0;
    if (strcmp(text, "go") == 0)
        stage_release_passwords();
}

static void advance(int64_t seconds)
{
    stage_advance(run.began ? &run.client : NULL, seconds * CLOCK_SECOND);
}

static void client_leaves(void)
{
    run.client.deaf = false;
    turn();
    client_close(&run.client);
}

static void do_word(const char *word, const char *text)
{
    if (strcmp(word, "connect") == 0)
        begin(text);
    else if (strcmp(word, "pdu") == 0)
        do_pdu(text);
    else if (strcmp(word, "bytes") == 0)
        do_bytes(text);
    else if (strcmp(word, "flood") == 0)
        do_flood(text);
    else if (strcmp(word, "reply") == 0)
        do_reply(text);
    else if (strcmp(word, "replies") == 0)
        reply_all(end_of(text));
    else if (strcmp(word, "at-once") == 0)
        stage.at_once = true, stage.end = end_of(text);
    else if (strcmp(word, "hold") == 0)
        stage.at_once = false;
    else if (strcmp(word, "deliver") == 0)
        do_deliver(text);
    else if (strcmp(word, "taken") == 0)
        do_taken(text);
    else if (strcmp(word, "passwords") == 0)
        do_passwords(text);
    else if (strcmp(word, "cut") == 0)
        run.cut = strtoul(text, NULL, 10);
    else if (strcmp(word, "advance") == 0)
        advance((int64_t)(strtoul(text, NULL, 10) % 4000));
    else if (strcmp(word, "drain") == 0)
        smpp_drain(&stage.lane);
    else if (strcmp(word, "abort") == 0)
        smpp_abort_all(&stage.lane);
    else if (run.began && strcmp(word, "close") == 0)
        client_leaves();
    else if (run.began && strcmp(word, "half-close") == 0 && run.client.fd >= 0)
        run.half_closed = shutdown(run.client.fd, SHUT_WR) == 0;
    else if (strcmp(word, "deaf") == 0 || strcmp(word, "hears") == 0)
        run.client.deaf = word[0] == 'd';
    turn();
}

static void do_line(const char *line, size_t length)
{
    char *copy = calloc(1, length + 1);
    must(copy != NULL);
    memcpy(copy, line, length);
    char *space = strchr(copy, ' ');
    if (space != NULL)
        *space = '\0';
    do_word(copy, space != NULL ? space + 1 : copy + strlen(copy));
    free(copy);
}

/* ---- a run ---- */

/* Everybody who owes an answer gives it, and the client listens. Who is still served then has all
 * its answers. */
static void finish(void)
{
    run.client.deaf = false;
    stage.at_once = true;
    stage.end = SMS_END_ACCEPTED;
    stage.no_helper = false;
    for (int i = 0; i < 30; i++) {
        stage_release_passwords();
        reply_all(SMS_END_ACCEPTED);
        turn();
        /* Penalties, without what else time would do. */
        if (run.began && run.client.session != NULL && !run.client.ended &&
            run.client.session->state == ESME_PENALTY)
            advance(31);
    }
    for (int i = 0; i < 200; i++)
        turn();
    bool served = run.began && run.client.fd >= 0 && !run.client.ended &&
                  run.client.session != NULL &&
                  esme_is(run.client.session, ESME_BOUND | ESME_BIT(ESME_OPEN));
    for (size_t i = 0; i < n_asked && served; i++)
        must_say(asked[i].answered, "%s %u is not answered", smpp_command_name(asked[i].command),
                 asked[i].sequence);
    if (run.began)
        client_leaves();
    for (int i = 0; i < 4; i++) {
        advance(61);
        stage_release_passwords();
        reply_all(SMS_END_ACCEPTED);
    }
    must_say(atomic_load(&stage.gate.sessions) == 0, "the session does not end");
    must(atomic_load(&stage.entrance.sessions) == 0);
    must(ticket_count(stage.lane.binds) == 0);
    must(peers_count(stage.gate.peers, PEER_WINDOW, "acme-lan", 8) == 0);
    must(peers_count(stage.gate.peers, PEER_WINDOW, "beta-lan", 8) == 0);
    must(peers_count(stage.gate.peers, PEER_PARTNER, "acme", 4) == 0);
    must(binds_count(stage.gate.binds, "acme-lan") == 0);
    must_say(stage.taken + stage.later == run.delivered, "%u deliveries, %u answers", run.delivered,
             stage.taken + stage.later);
}

static void begin_stage(void)
{
    signal(SIGPIPE, SIG_IGN); /* as the gateway does */
    stage_make();
    must(atexit(stage_free) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (stage.loop == NULL)
        begin_stage();
    memset(&run, 0, sizeof(run));
    run.client.fd = -1;
    n_asked = n_settled = 0;
    stage.hold_passwords = true;
    const char *at = (const char *)data, *end = at + size;
    for (int lines = 0; at < end && lines < INPUT_LINES; lines++) {
        const char *feed = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((feed != NULL ? feed : end) - at);
        if (memchr(at, '\0', length) == NULL && stage.n_staged < STAGE_HELD / 2)
            do_line(at, length);
        at += length + 1;
    }
    finish();
    client_free(&run.client);
    strbuf_free(&run.out);
    stage_reset();
    return 0;
}

/* ---- mutation by the line ---- */

const char *const fuzz_lines[] = {
    "connect plain 192.0.2.10",
    "connect plain 192.0.2.30",
    "connect plain 192.0.2.1",
    "connect wrapped 192.0.2.10",
    "pdu bind_transmitter 1 acme-lan",
    "pdu bind_receiver 1 acme-lan",
    "pdu bind_transceiver 1 acme-lan",
    "pdu bind_transceiver 1 beta-lan",
    "pdu bind_transceiver 1 acme-sms secret",
    "pdu bind_transceiver 1 acme-sms wrong",
    "pdu submit_sm 2 33612345678",
    "pdu submit_sm 3 33612345678",
    "pdu data_sm 4 33612345678",
    "pdu submit_multi 5 1",
    "pdu submit_multi 5 20",
    "pdu submit_multi 5 250",
    "pdu enquire_link 6",
    "pdu unbind 7",
    "pdu query_sm 8",
    "pdu cancel_sm 8",
    "pdu replace_sm 8",
    "pdu deliver_sm 8",
    "pdu submit_sm 9",
    "pdu 77 9",
    "pdu generic_nack 1 3",
    "pdu unbind_resp 1",
    "pdu enquire_link_resp 1",
    "pdu deliver_sm_resp 1",
    "reply 0 0",
    "reply 1 0",
    "reply 0 1",
    "reply 0 3",
    "replies 0",
    "replies 1",
    "at-once 0",
    "at-once 1",
    "hold",
    "deliver report acme",
    "deliver 20 acme",
    "deliver 300 acme",
    "deliver 60000 beta",
    "taken 0",
    "taken 8",
    "passwords go",
    "passwords none",
    "cut 1",
    "cut 15",
    "cut 17",
    "cut 0",
    "advance 1",
    "advance 5",
    "advance 31",
    "advance 61",
    "advance 301",
    "drain",
    "abort",
    "close",
    "half-close",
    "deaf",
    "hears",
    "flood 1",
    "flood 16",
    "bytes 00000010000000150000000000000009",
    "bytes 0000000f000000150000000000000009",
    "bytes 00010001000000040000000000000009",
    "bytes 00000011000000040000000000000009",
    "bytes 00",
};

const size_t fuzz_n_lines = sizeof(fuzz_lines) / sizeof(fuzz_lines[0]);
