/* SPDX-License-Identifier: Apache-2.0 */
/*
 * smpp_load [-s SESSIONS] [-w WINDOW] [-a LOGIN] [-p PASSWORD] … PORT RECIPIENTS: sends short
 * messages over some sessions, on each as many at a time as the window says, another recipient each
 * time, for SECONDS or up to MESSAGES; awaits every answer, unbinds, and prints what load.h says.
 *
 * The clock runs from the first message to the last answer: binding is not in it. A message is
 * submit_sm from "ACME" with 100 characters of the GSM alphabet. Whatever is no answer to something
 * it asked ends it; how it was answered is counted by command_status.
 */
#include "tests/bench/load.h"
#include "wire/smpp.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS = 64, SESSIONS_MAX = 1000, WINDOW_MAX = 1000, MESSAGE_ROOM = 512 };

static const char text[] = "ACME: -20 % sur tous les voyages jusqu'au 31, code PRINTEMPS. "
                           "Sur acme.example. STOP au 36111 xxxxxx";
_Static_assert(sizeof text - 1 == 100, "a message has 100 characters");
static const char placeholder[] = "33600000000";

struct session {
    int fd;
    bool watching_write;
    bool bound, unbound;
    struct tool_buffer in, out;
    uint32_t next; /* sequence number; from 2 on: 1 was the bind */
    unsigned out_there;
    uint64_t *since; /* by sequence number modulo the slots; 0: nothing is waited for */
};

static struct load load;
static unsigned n_sessions = 1, window = 1, slots = 1;
static const char *login = "acme", *password = "secret";
static struct session *sessions;
static int epoll;
static uint8_t message[MESSAGE_ROOM];
static size_t message_length, number_at;
static unsigned n_unbound;

static void make_message(void)
{
    struct smpp_message submit = {
        .source = {.ton = SMPP_TON_ALPHANUMERIC, .text = "ACME"},
        .destination = {.ton = SMPP_TON_INTERNATIONAL, .npi = SMPP_NPI_E164},
        .text = {(const uint8_t *)text, sizeof text - 1},
    };
    memcpy(submit.destination.text, placeholder, sizeof placeholder);
    message_length = smpp_message_write(message, sizeof message, SMPP_SUBMIT_SM, 0, &submit);
    const uint8_t *at = memmem(message, message_length, placeholder, TOOL_NUMBER_BYTES);
    if (message_length == 0 || at == NULL)
        tool_die("the message cannot be written");
    number_at = (size_t)(at - message);
}

static void write_number(uint8_t *bytes, uint32_t number)
{
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(number >> (24 - 8 * i));
}

/* Fills the window; what is written then goes out at once. */
static void session_fill(struct session *session, uint64_t now)
{
    while (session->out_there < window && session->since[session->next % slots] == 0 &&
           TOOL_BUFFER_BYTES - session->out.end >= message_length && load_goes_on(&load, now)) {
        uint8_t *to = session->out.data + session->out.end;
        memcpy(to, message, message_length);
        write_number(to + 12, session->next);
        memcpy(to + number_at, load_next(&load), TOOL_NUMBER_BYTES);
        session->out.end += message_length;
        session->since[session->next % slots] = now;
        session->next = session->next == 0x7fffffff ? 2 : session->next + 1;
        session->out_there++;
    }
}

static void session_flush(struct session *session)
{
    if (!tool_buffer_write(&session->out, session->out.end, session->fd))
        tool_die("the peer is gone");
    bool held = session->out.start < session->out.end;
    size_t room = 0;
    if (!held)
        tool_buffer_room(&session->out, &room);
    if (held != session->watching_write)
        tool_watch(epoll, session->fd, held, session, false);
    session->watching_write = held;
}

static void session_say(struct session *session, uint32_t command, uint32_t sequence)
{
    size_t room = 0;
    uint8_t *to = tool_buffer_room(&session->out, &room);
    session->out.end += smpp_header_write(to, room, command, SMPP_ROK, sequence);
}

static void session_answer(struct session *session, const struct smpp_header *header,
                           const uint8_t *body, uint64_t now)
{
    uint64_t *since = &session->since[header->sequence % slots];
    struct smpp_response response;
    if (*since == 0)
        tool_die("an answer to nothing");
    if (smpp_response_read(body, header->length - SMPP_HEADER_BYTES, &response) != SMPP_ROK)
        tool_die("an answer that is not well-formed");
    if (header->status == SMPP_ROK && response.message_id[0] == '\0')
        tool_die("a message was taken and has no id");
    load_answered(&load, header->status, *since, now);
    *since = 0;
    session->out_there--;
}

static void session_take(struct session *session, const struct smpp_header *header,
                         const uint8_t *body, uint64_t now)
{
    switch (header->command) {
    case SMPP_RESP(SMPP_SUBMIT_SM):
        session_answer(session, header, body, now);
        break;
    case SMPP_RESP(SMPP_BIND_TRANSCEIVER):
        if (header->status != SMPP_ROK)
            tool_die("the bind was refused: %s", smpp_status_name(header->status));
        session->bound = true;
        break;
    case SMPP_ENQUIRE_LINK:
        session_say(session, SMPP_RESP(SMPP_ENQUIRE_LINK), header->sequence);
        break;
    case SMPP_RESP(SMPP_UNBIND):
        session->unbound = true;
        n_unbound++;
        break;
    default:
        tool_die("%s is nothing it expects", smpp_command_name(header->command));
    }
}

static void session_read(struct session *session)
{
    enum tool_read got = tool_buffer_read(&session->in, session->fd);
    if (got == TOOL_READ_END && session->unbound) {
        epoll_ctl(epoll, EPOLL_CTL_DEL, session->fd, NULL);
        return;
    }
    if (got == TOOL_READ_END)
        tool_die("the peer closed");
    uint64_t now = tool_now();
    while (session->in.end - session->in.start >= SMPP_HEADER_BYTES) {
        struct smpp_header header;
        const uint8_t *bytes = session->in.data + session->in.start;
        smpp_header_read(bytes, &header);
        if (header.length < SMPP_HEADER_BYTES || header.length > SMPP_PDU_MAX)
            tool_die("a command_length of %" PRIu32, header.length);
        if (session->in.end - session->in.start < header.length)
            break;
        session_take(session, &header, bytes + SMPP_HEADER_BYTES, now);
        session->in.start += header.length;
    }
}

/* One turn of the loop; fill: new messages are sent where the window has room. */
static void turn(bool fill)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(epoll, events, EVENTS, (int)(LOAD_PATIENCE / 1000000));
    if (n < 0 && errno != EINTR)
        tool_die("epoll: %s", strerror(errno));
    if (n == 0)
        tool_die("no answer for a minute");
    for (int i = 0; i < n; i++) {
        struct session *session = events[i].data.ptr;
        if (events[i].events & ~(uint32_t)EPOLLOUT)
            session_read(session);
        if (fill)
            session_fill(session, tool_now());
        session_flush(session);
    }
}

static void bind_all(void)
{
    struct smpp_bind bind = {.version = 0x34};
    snprintf(bind.system_id, sizeof bind.system_id, "%s", login);
    snprintf(bind.password, sizeof bind.password, "%s", password);
    for (unsigned i = 0; i < n_sessions; i++) {
        struct session *session = &sessions[i];
        session->fd = tool_connect(load.port);
        session->next = 2;
        tool_buffer_init(&session->in);
        tool_buffer_init(&session->out);
        session->since = calloc(slots, sizeof *session->since);
        if (session->since == NULL)
            tool_die("out of memory");
        tool_watch(epoll, session->fd, false, session, true);
        session->out.end =
            smpp_bind_write(session->out.data, TOOL_BUFFER_BYTES, SMPP_BIND_TRANSCEIVER, 1, &bind);
        session_flush(session);
        while (!session->bound)
            turn(false);
    }
}

static void send_all(void)
{
    load.began = tool_now();
    for (unsigned i = 0; i < n_sessions; i++) {
        session_fill(&sessions[i], load.began);
        session_flush(&sessions[i]);
    }
    while (load.answered < load.sent || load_goes_on(&load, tool_now()))
        turn(true);
}

static void unbind_all(void)
{
    for (unsigned i = 0; i < n_sessions; i++) {
        session_say(&sessions[i], SMPP_UNBIND, sessions[i].next);
        session_flush(&sessions[i]);
    }
    while (n_unbound < n_sessions)
        turn(false);
    for (unsigned i = 0; i < n_sessions; i++) {
        close(sessions[i].fd);
        tool_buffer_free(&sessions[i].in);
        tool_buffer_free(&sessions[i].out);
        free(sessions[i].since);
    }
    free(sessions);
}

int main(int argc, char **argv)
{
    for (int option = 0; (option = getopt(argc, argv, LOAD_OPTIONS "s:w:a:p:")) != -1;) {
        if (option == 's')
            n_sessions = (unsigned)tool_number("-s", optarg, 1, SESSIONS_MAX);
        else if (option == 'w')
            window = (unsigned)tool_number("-w", optarg, 1, WINDOW_MAX);
        else if (option == 'a')
            login = optarg;
        else if (option == 'p')
            password = optarg;
        else if (!load_option(&load, option, optarg))
            return 2;
    }
    if (argc - optind != 2) {
        fputs("usage: smpp_load [-s SESSIONS] [-w WINDOW] [-a LOGIN] [-p PASSWORD] " LOAD_USAGE_REST
              "\n",
              stderr);
        return 2;
    }
    load_open(&load, argv[optind], argv[optind + 1]);
    while (slots < 4 * window) /* answers may come in any order */
        slots *= 2;
    sessions = calloc(n_sessions, sizeof *sessions);
    if (sessions == NULL)
        tool_die("out of memory");
    epoll = tool_epoll();
    make_message();
    bind_all();
    send_all();
    unbind_all();
    load_report(&load);
    return EXIT_SUCCESS;
}
