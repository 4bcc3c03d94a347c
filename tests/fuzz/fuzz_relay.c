/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole connections to a provider: the input is a script of what a provider says and does, what a
 * session asks for, and how time passes (README.md lists its words). The sockets are pairs, the
 * clock is our own, and the loop is turned by hand. Whatever comes in whatever order:
 *   - the session is answered by the contract of adapters/adapter.h, each recipient once, in order,
 *     with the very code the provider gave to that RCPT;
 *   - a message is called accepted only if its dot was written and 2xx was the reply to that dot;
 *   - a connection is used again only with as many replies read as were owed;
 *   - no state is entered by a way that is not in the table, and nothing is left at the end.
 */
#include "adapters/smtp/smtp.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "tests/fuzz/mutate.h"
#include "tests/fuzz/relay_peer.h"
#include "tests/unit/test_script.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define TRANSACTIONS 8 /* a run */
#define RECIPIENTS   8 /* a transaction */
#define PROVIDERS    3

/* ---- what stands between the adapter and the system ---- */

static int64_t now = CLOCK_SECOND;

int64_t __wrap_clock_monotonic(void);
int64_t __wrap_clock_monotonic(void)
{
    return now;
}

void __wrap_log_fields(enum log_level level, const char *event, const struct log_field *fields,
                       size_t count);
void __wrap_log_fields(enum log_level level, const char *event, const struct log_field *fields,
                       size_t count)
{
    (void)fields;
    (void)count;
    must_say(level < LOG_LEVEL_ERROR, "logged as an error: %s", event);
}

static bool unreachable;

int __wrap_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol)
{
    (void)domain;
    (void)protocol;
    int pair[2];
    if (peer_count() == PEERS || socketpair(AF_UNIX, type, 0, pair) != 0) {
        errno = EMFILE;
        return -1;
    }
    peer_open(pair[1]);
    return pair[0];
}

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t length);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    (void)fd;
    (void)address;
    (void)length;
    errno = ECONNREFUSED;
    return unreachable ? -1 : 0;
}

/* ---- providers that last as long as the program ---- */

static struct loop *loop;
static struct config config = {.hostname = "gate.example.org"};
static struct provider_config configs[PROVIDERS];
static struct provider *providers[PROVIDERS];
static struct provider *provider; /* the one of this run */

/* The configuration is made by hand and outlives all. */
struct config *__wrap_config_ref(struct config *one);
struct config *__wrap_config_ref(struct config *one)
{
    return one;
}

static void begin_world(void)
{
    struct error err;
    signal(SIGPIPE, SIG_IGN);
    must(loop_new(0, &loop, &err) == RESULT_OK);
    for (int i = 0; i < PROVIDERS; i++) {
        configs[i] = (struct provider_config){
            .name = "fake",
            .adapter = ADAPTER_SMTP,
            .host = "127.0.0.1",
            .port = 25,
            .connections = 2,
            .connect_timeout = 10 * CLOCK_SECOND,
            .reply_timeout = 30 * CLOCK_SECOND,
            .final_timeout = 600 * CLOCK_SECOND,
            .idle_timeout = 60 * CLOCK_SECOND,
            .tls = i == 2 ? TLS_OPTIONAL : TLS_NONE,
            .username = i == 1 ? "user" : NULL,
            .password = i == 1 ? "pass" : NULL,
        };
        must(provider_new(&configs[i], &config, &loop, 1, &providers[i], &err) == RESULT_OK);
    }
}

static struct smtp_port *port(void)
{
    return (struct smtp_port *)provider->ports[0];
}

static void advance(unsigned seconds)
{
    struct smtp_connection *connection;
    now += (int64_t)seconds * CLOCK_SECOND;
    TAILQ_FOREACH(connection, &port()->connections, all)
    event_active(connection->timer, EV_TIMEOUT, 0);
    if (port()->wait_timer != NULL)
        event_active(port()->wait_timer, EV_TIMEOUT, 0);
}

/* ---- sessions ---- */

struct session {
    struct mail_transaction *transaction;
    unsigned number;
    unsigned recipients, answered, accepted;
    bool aborted, finished, content, refused, inside, ended;
};

static struct session sessions[TRANSACTIONS];
static unsigned n_sessions;

static void called(const struct session *session)
{
    must_say(!session->inside, "called back from within a call");
    must_say(!session->aborted && !session->ended, "called back after the end");
}

static void on_recipient(void *arg, unsigned index, const struct mail_reply *reply)
{
    struct session *session = arg;
    called(session);
    must(index == session->answered && index < session->recipients);
    session->answered++;
    session->accepted += reply->code / 100 == 2;
    must(reply->code >= 200 && reply->code <= 599 && reply->code / 100 != 3);
    peer_check_recipient(session->number, index, reply->code);
}

static void on_content_refused(void *arg, const struct mail_reply *reply)
{
    struct session *session = arg;
    called(session);
    must(session->content && !session->refused && reply->code >= 400);
    session->refused = true;
}

static void on_drained(void *arg)
{
    struct session *session = arg;
    called(session);
    must(mail_pending(session->transaction) < MAIL_PENDING_LOW);
}

static void on_finished(void *arg, enum outcome outcome, const struct mail_reply *reply,
                        const char *queue_id)
{
    struct session *session = arg;
    called(session);
    must(session->finished);
    must(outcome == OUTCOME_ACCEPTED || queue_id == NULL);
    if (outcome == OUTCOME_ACCEPTED) {
        must(reply->code / 100 == 2 && session->accepted > 0 && !session->refused);
        peer_check_accepted(session->number, session->accepted);
    } else {
        must(reply->code >= 400);
    }
    session->ended = true;
    session->transaction = NULL;
}

static void on_failed(void *arg, bool nothing_said, const struct error *why)
{
    struct session *session = arg;
    called(session);
    must(why->text[0] != '\0');
    if (nothing_said)
        peer_check_unsaid(session->number);
    peer_check_no_dot(session->number);
    session->ended = true;
    session->transaction = NULL;
}

static const struct mail_handler handler = {on_recipient, on_content_refused, on_drained,
                                            on_finished, on_failed};

/* The newest that has not ended. */
static struct session *session_now(void)
{
    for (unsigned i = n_sessions; i > 0; i--)
        if (sessions[i - 1].transaction != NULL)
            return &sessions[i - 1];
    return NULL;
}

static void add_recipient(struct session *session)
{
    char address[64];
    struct mail_rcpt rcpt = {.address = address, .notify = "", .orcpt = ""};
    if (session->recipients == RECIPIENTS || session->content || session->finished)
        return;
    snprintf(address, sizeof(address), "r%u.%u@example.net", session->number, session->recipients);
    session->inside = true;
    mail_recipient(session->transaction, session->recipients++, &rcpt);
    session->inside = false;
}

static void begin(const char *text)
{
    if (n_sessions == TRANSACTIONS)
        return;
    struct session *session = &sessions[n_sessions];
    char sender[32];
    struct error err;
    unsigned wanted = (unsigned)strtoul(text, NULL, 10);
    snprintf(sender, sizeof(sender), "a%u@example.org", n_sessions);
    struct mail_envelope envelope = {.sender = sender,
                                     .size = 1234,
                                     .eight_bit = strstr(text, "8bit") != NULL,
                                     .ret = "",
                                     .envid = ""};
    *session = (struct session){.number = n_sessions++, .inside = true};
    session->transaction = mail_begin(provider, loop, &envelope, &handler, session, &err);
    must(session->transaction != NULL);
    session->inside = false;
    for (unsigned i = 0; i < wanted && i < RECIPIENTS; i++)
        add_recipient(session);
}

/* Whole lines, so many bytes of them, dot-stuffed. */
static void give_content(struct session *session, unsigned long bytes)
{
    static const char line[] = "..23456789012345678901234567890123456789012345678901234567890\r\n";
    /* adapter.h: only when every recipient has been answered. */
    if (session->finished || session->answered < session->recipients || session->recipients == 0)
        return;
    struct evbuffer *content = evbuffer_new();
    must(content != NULL);
    for (unsigned long at = 0; at < bytes && at < 512 * 1024; at += sizeof(line) - 1)
        evbuffer_add(content, line, sizeof(line) - 1);
    session->content = session->inside = true;
    mail_content(session->transaction, content);
    session->inside = false;
    must(evbuffer_get_length(content) == 0);
    evbuffer_free(content);
}

static void finish(struct session *session)
{
    if (!session->content || session->finished)
        return;
    peer_may_finish(session->number);
    session->finished = session->inside = true;
    mail_finish(session->transaction);
    session->inside = false;
}

static void give_up(struct session *session)
{
    session->aborted = true;
    mail_abort(&session->transaction);
    must(session->transaction == NULL);
}

/* ---- the script ---- */

static bool hasty; /* the loop does not turn after the next line */

static void turn(int times)
{
    for (; times > 0; times--) {
        peer_look();
        loop_turn(loop);
        peer_read();
        must(port()->open <= 2);
    }
}

static void say(char *text, bool line)
{
    size_t length = 0;
    if (!script_unescape(text, &length))
        return;
    peer_read();
    peer_say(text, length);
    if (line)
        peer_say("\r\n", 2);
}

static void do_word(const char *word, char *text)
{
    struct session *session = session_now();
    if (strcmp(word, ">") == 0)
        say(text, true);
    else if (strcmp(word, "bytes") == 0)
        say(text, false);
    else if (strcmp(word, "begin") == 0)
        begin(text);
    else if (strcmp(word, "advance") == 0)
        advance((unsigned)strtoul(text, NULL, 10) % 100000);
    else if (strcmp(word, "peer") == 0)
        peer_choose((unsigned)strtoul(text, NULL, 10));
    else if (strcmp(word, "content") == 0 && session != NULL)
        give_content(session, strtoul(text, NULL, 10));
}

static void do_alone(const char *word)
{
    struct session *session = session_now();
    if (strcmp(word, "rcpt") == 0 && session != NULL)
        add_recipient(session);
    else if (strcmp(word, "finish") == 0 && session != NULL)
        finish(session);
    else if (strcmp(word, "abort") == 0 && session != NULL)
        give_up(session);
    else if (strcmp(word, "warm") == 0)
        provider_warm(provider, loop);
    else if (strcmp(word, "close") == 0)
        peer_close();
    else if (strcmp(word, "half-close") == 0)
        peer_half_close();
    else if (strcmp(word, "deaf") == 0)
        peer_hear(false);
    else if (strcmp(word, "hears") == 0)
        peer_hear(true);
    else if (strcmp(word, "unreachable") == 0)
        unreachable = !unreachable;
    else if (strcmp(word, "auth") == 0 && n_sessions == 0 && peer_count() == 0)
        provider = providers[1];
    else if (strcmp(word, "tls") == 0 && n_sessions == 0 && peer_count() == 0)
        provider = providers[2];
}

static void do_line(const char *line, size_t length)
{
    char *copy = fuzz_copy(line, length, true);
    char *space = strchr(copy, ' ');
    bool was_hasty = hasty;
    hasty = strcmp(copy, "at-once") == 0;
    if (space == NULL) {
        do_alone(copy);
    } else if (copy[0] != '#') {
        *space = '\0';
        do_word(copy, space + 1);
    }
    free(copy);
    if (!hasty && !was_hasty)
        turn(2);
}

/* ---- a run ---- */

static void finish_run(void)
{
    struct session *session;
    struct provider_state state;
    turn(4);
    while ((session = session_now()) != NULL)
        give_up(session);
    turn(4);
    peer_close_all();
    turn(8);
    advance(100000); /* what waits for a turn of its own */
    turn(8);
    peer_close_all();
    turn(8);
    provider_state(provider, &state);
    must_say(state.connections == 0 && state.busy == 0, "%u connections are left, %u busy",
             state.connections, state.busy);
    must(TAILQ_EMPTY(&port()->connections) && TAILQ_EMPTY(&port()->idle) &&
         TAILQ_EMPTY(&port()->waiters));
    must(port()->open == 0 && port()->granted == 0 && port()->n_idle == 0 &&
         port()->n_waiting == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (loop == NULL)
        begin_world();
    provider = providers[0];
    unreachable = hasty = false;
    n_sessions = 0;
    memset(sessions, 0, sizeof(sessions));
    peer_reset();
    const char *at = (const char *)data, *end = at + size;
    for (int n = 0; at < end && n < 300; n++) {
        const char *feed = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((feed != NULL ? feed : end) - at);
        do_line(at, length);
        at += length + 1;
    }
    finish_run();
    peer_reset();
    return 0;
}

/* ---- mutation by the line ---- */

const char *const fuzz_lines[] = {
    "begin 1",
    "begin 2",
    "begin 3 8bit",
    "begin 0",
    "rcpt",
    "content 100",
    "content 20000",
    "content 200000",
    "finish",
    "abort",
    "warm",
    "close",
    "half-close",
    "deaf",
    "hears",
    "unreachable",
    "at-once",
    "auth",
    "tls",
    "peer 0",
    "peer 1",
    "peer 2",
    "advance 2",
    "advance 11",
    "advance 31",
    "advance 61",
    "advance 181",
    "advance 601",
    "> 220 hi",
    "> 250-fake\\r\\n250-PIPELINING\\r\\n250-8BITMIME\\r\\n250 SIZE 9999",
    "> 250 fake",
    "> 250-fake\\r\\n250-STARTTLS\\r\\n250 AUTH PLAIN LOGIN",
    "> 250-fake\\r\\n250 AUTH LOGIN",
    "> 250 ok",
    "> 250-one\\r\\n250 two",
    "> 354 go",
    "> 334 VXNlcm5hbWU6",
    "> 235 ok",
    "> 421 closing",
    "> 450 later",
    "> 550 5.1.1 no",
    "> 552 full",
    "> 554 no",
    "> 251 else",
    "> 221 bye",
    "> 2x0",
    "> 250",
    "> 354 go\\r\\n250 ok",
    "> 250 ok\\r\\n250 ok",
    "> 250 ok\\r\\n250 ok\\r\\n250 ok",
    "> 250 ok\\r\\n421 bye",
    "bytes 25",
    "bytes 0 ok\\r\\n",
    "bytes 250-",
    "bytes \\n",
    "bytes \\r",
    "> 250 2.0.0 Ok: queued as 4XyZ9",
};

const size_t fuzz_n_lines = sizeof(fuzz_lines) / sizeof(fuzz_lines[0]);
