/* SPDX-License-Identifier: Apache-2.0 */
/*
 * smtp_load [OPTIONS] PORT SENDER RECIPIENT: mail over sessions that are kept, for what Postfix's
 * smtp-source cannot do. Each message goes to another recipient: a number is put in front of
 * RECIPIENT. Its report is one line of JSON.
 *
 *   -n N     so many messages; with -c so many sessions
 *   -t MS    messages for so long
 *   -f N     the first recipient's number (0)
 *   -r N     so many recipients, then the first again
 *   -s N     sessions at a time (1)
 *   -l N     bytes of the body (1024)
 *   -p       pipelined: the content of a message and MAIL, RCPT and DATA of the next are one write,
 *            if the server offers PIPELINING; content follows 354 and nothing else
 *   -T CA    TLS from the first byte; the server's certificate is for 127.0.0.1, from this
 * authority -i       idle: opens the sessions, goes past EHLO, says "N open" and holds them until
 * its standard input ends -c       churn: sessions that come and go: some send a mail, some are
 * refused a recipient, some quit, some just leave, or reset the connection, in the middle of it
 * (struct mix)
 *
 * An answer that is not the expected one, or a peer that leaves first, ends it: no figure is made
 * of such a run.
 */
#include "base/flush.h"
#include "base/tls.h"
#include "tests/bench/load.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SESSIONS_MAX = 100000,
    BODY_MAX = 1 << 24,
    LINE_MAX_BYTES = 1024,
    ADDRESS_MAX = 256,
    AWAITED_MAX = 8, /* answers a session waits for: DATA's, the dot's, three of the next mail */
    OPENING_MAX =
        200 /* sessions that have not heard the answer to EHLO; a listener's queue is finite */
};

enum step { GREETING, EHLO, MAIL, RCPT, DATA, DOT, QUIT, STEPS };
static const struct {
    const char *name;
    unsigned code;
} steps[STEPS] = {{"the greeting", 220}, {"EHLO", 250}, {"MAIL", 250}, {"RCPT", 250},
                  {"DATA", 354},         {"dot", 250},  {"QUIT", 221}};

/* What a session of the churn does; the others mail. */
enum errand { MAILS, REFUSED, QUITS, LEAVES, RESETS, GLANCES, ENVELOPE, CONTENT, ERRANDS };
static const char *const errand_names[ERRANDS] = {"mails",  "refused", "quits",    "leaves",
                                                  "resets", "glances", "envelope", "content"};
static const enum errand mix[] = {MAILS,  QUITS,   GLANCES, ENVELOPE, REFUSED,
                                  LEAVES, CONTENT, MAILS,   RESETS,   QUITS};

struct session {
    TAILQ_ENTRY(session) entry; /* of those that are open */
    struct bufferevent *bev;    /* owned */
    enum errand errand;
    enum step awaited[AWAITED_MAX]; /* answers, in their order */
    size_t first, n;
    bool pipelining; /* offered */
    bool ready;      /* EHLO is answered */
    bool leaving;    /* once what was said is out */
    bool resetting;  /* … by a reset */
    uint64_t number; /* of the recipient of the message that was begun last */
    uint64_t since;  /* when the message whose dot is awaited, or comes next, was begun */
    uint64_t since_next;
};

static struct load load;
static unsigned n_at_once = 1;
static size_t body_bytes = 1024, first_number;
static bool pipelined, idle, churn;
static const char *sender, *recipient;
static SSL_CTX *tls;
static struct event_base *base;
static char *body; /* with the final dot */
static TAILQ_HEAD(, session) sessions = TAILQ_HEAD_INITIALIZER(sessions);
static uint64_t n_open, n_ready, n_started, n_errands[ERRANDS];
static bool released; /* idle: the input has ended */
static uint64_t heard_at;

/* ---- saying ---- */

static void await(struct session *session, enum step step)
{
    if (session->n == AWAITED_MAX)
        tool_die("too many answers are awaited");
    session->awaited[(session->first + session->n++) % AWAITED_MAX] = step;
}

static void say(struct session *session, const char *text, size_t length)
{
    if (bufferevent_write(session->bev, text, length) != 0)
        tool_die("out of memory");
}

static void command(struct session *session, enum step step, const char *text)
{
    say(session, text, strlen(text));
    await(session, step);
}

/* The body is lines of text, the last of them the dot. */
static void make_body(void)
{
    static const char dot[] = ".\r\n";
    body = malloc(body_bytes + sizeof(dot));
    if (body == NULL)
        tool_die("out of memory");
    for (size_t i = 0; i < body_bytes; i++)
        body[i] = i % 80 == 78 ? '\r' : i % 80 == 79 ? '\n' : 'x';
    memcpy(body + body_bytes - 2, "\r\n", 2);
    memcpy(body + body_bytes, dot, sizeof(dot));
}

static void next_number(struct session *session, uint64_t now)
{
    session->number = load.next_number++;
    if (load.n_numbers > 0 && load.next_number == first_number + load.n_numbers)
        load.next_number = first_number;
    bool between = session->since == 0;
    *(between ? &session->since : &session->since_next) = now;
    load.sent++;
    load.sum += session->number;
}

/* MAIL, RCPT and DATA, or MAIL alone. Returns the length. */
static size_t write_envelope(struct session *session, char *out, size_t size)
{
    bool all = pipelined && session->pipelining;
    int n = snprintf(out, size, "MAIL FROM:<%s>\r\n", sender);
    await(session, MAIL);
    if (all) {
        n += snprintf(out + n, size - (size_t)n, "RCPT TO:<%" PRIu64 "%s>\r\nDATA\r\n",
                      session->number, recipient);
        await(session, RCPT);
        await(session, DATA);
    }
    return (size_t)n;
}

static void begin_mail(struct session *session)
{
    char text[3 * LINE_MAX_BYTES];
    next_number(session, tool_now());
    say(session, text, write_envelope(session, text, sizeof(text)));
}

static int write_header(const struct session *session, char *out, size_t size)
{
    return snprintf(out, size,
                    "From: <%s>\r\nTo: <%" PRIu64 "%s>\r\nSubject: one of many\r\n"
                    "Date: Mon, 2 Feb 2026 10:00:00 +0100\r\n"
                    "Message-ID: <%" PRIu64 ".%" PRIu64 "@load.test>\r\n\r\n",
                    sender, session->number, recipient, session->number, session->since);
}

/* The content, and where it is pipelined the next message's envelope, in one piece. */
static void say_content(struct session *session)
{
    size_t room = body_bytes + 8 * (size_t)LINE_MAX_BYTES;
    static char *text;
    if (text == NULL && (text = malloc(room)) == NULL)
        tool_die("out of memory");
    size_t n = (size_t)write_header(session, text, room);
    memcpy(text + n, body, body_bytes + 3);
    n += body_bytes + 3;
    await(session, DOT);
    uint64_t now = tool_now();
    if (pipelined && session->pipelining && load_goes_on(&load, now)) {
        next_number(session, now);
        n += write_envelope(session, text + n, room - n);
    }
    say(session, text, n);
}

/* ---- a session's life ---- */

static void set_callbacks(struct session *session);

static struct session *session_open(enum errand errand)
{
    struct session *session = calloc(1, sizeof(*session));
    int fd = tool_connect(load.port);
    if (session == NULL)
        tool_die("out of memory");
    session->errand = errand;
    session->bev =
        tls != NULL ? tls_bufferevent(base, fd, tls_client_session(tls, "127.0.0.1", true), false)
                    : bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (session->bev == NULL)
        tool_die("out of memory");
    await(session, GREETING);
    set_callbacks(session);
    bufferevent_enable(session->bev, EV_READ | EV_WRITE);
    TAILQ_INSERT_TAIL(&sessions, session, entry);
    n_open++;
    n_started++;
    n_errands[errand]++;
    return session;
}

static void session_end(struct session *session, bool reset)
{
    struct linger none = {.l_onoff = 1};
    if (reset && setsockopt(bufferevent_getfd(session->bev), SOL_SOCKET, SO_LINGER, &none,
                            sizeof(none)) != 0)
        tool_die("a connection cannot be reset");
    TAILQ_REMOVE(&sessions, session, entry);
    bufferevent_free(session->bev);
    n_open--;
    n_ready -= session->ready;
    free(session);
}

/* False: the session is over. */
static bool ready(struct session *session)
{
    session->ready = true;
    n_ready++;
    if (!churn)
        return true;
    switch (session->errand) {
    case QUITS:
        command(session, QUIT, "QUIT\r\n");
        return true;
    case LEAVES:
    case RESETS:
        session_end(session, session->errand == RESETS);
        return false;
    case REFUSED:
    case ENVELOPE:
    case CONTENT: {
        char text[LINE_MAX_BYTES];
        session->number = load.next_number;
        snprintf(text, sizeof(text), "MAIL FROM:<%s>\r\n", sender);
        command(session, MAIL, text);
        return true;
    }
    default:
        begin_mail(session);
        return true;
    }
}

static bool mail_answered(struct session *session)
{
    char text[LINE_MAX_BYTES];
    if (pipelined && session->pipelining && session->n > 0)
        return true;
    snprintf(text, sizeof(text), "RCPT TO:<%s%" PRIu64 "%s>\r\n",
             session->errand == REFUSED ? "nobody" : "", session->number, recipient);
    command(session, RCPT, text);
    return true;
}

static bool rcpt_answered(struct session *session)
{
    if (session->errand == REFUSED) {
        command(session, QUIT, "QUIT\r\n");
    } else if (session->errand == ENVELOPE) {
        session_end(session, n_started % 2 == 0);
        return false;
    } else if (!(pipelined && session->pipelining)) {
        command(session, DATA, "DATA\r\n");
    }
    return true;
}

static bool data_answered(struct session *session)
{
    char text[4 * LINE_MAX_BYTES];
    if (session->errand != CONTENT) {
        say_content(session);
        return true;
    }
    say(session, text, (size_t)write_header(session, text, sizeof(text)));
    say(session, body, body_bytes / 2);
    session->leaving = true;
    session->resetting = n_started % 2 == 0;
    return true;
}

static bool dot_answered(struct session *session)
{
    uint64_t now = tool_now();
    load_answered(&load, steps[DOT].code, session->since, now);
    session->since = session->since_next;
    session->since_next = 0;
    if (churn)
        command(session, QUIT, "QUIT\r\n");
    else if (session->n == 0 && load_goes_on(&load, now))
        begin_mail(session);
    return true;
}

/* False: the session is over. */
static bool answered(struct session *session, enum step step)
{
    switch (step) {
    case GREETING:
        command(session, EHLO, "EHLO client.test\r\n");
        return true;
    case EHLO:
        return ready(session);
    case MAIL:
        return mail_answered(session);
    case RCPT:
        return rcpt_answered(session);
    case DATA:
        return data_answered(session);
    case DOT:
        return dot_answered(session);
    default:
        session_end(session, false);
        return false;
    }
}

/* ---- hearing ---- */

static bool heard_line(struct session *session, const char *line)
{
    if (session->n == 0)
        tool_die("an answer to nothing: %s", line);
    enum step step = session->awaited[session->first];
    unsigned code = step == RCPT && session->errand == REFUSED ? 550 : steps[step].code;
    if ((unsigned)atoi(line) != code || (line[3] != ' ' && line[3] != '-'))
        tool_die("to %s: %s", steps[step].name, line);
    if (step == EHLO && strcasecmp(line + 4, "PIPELINING") == 0)
        session->pipelining = true;
    if (line[3] == '-')
        return true;
    session->first = (session->first + 1) % AWAITED_MAX;
    session->n--;
    return answered(session, step);
}

static void on_read(struct bufferevent *bev, void *arg)
{
    struct session *session = arg;
    struct evbuffer *input = bufferevent_get_input(bev);
    heard_at = tool_now();
    for (;;) {
        char line[LINE_MAX_BYTES];
        size_t end_bytes = 0;
        struct evbuffer_ptr end =
            evbuffer_search_eol(input, NULL, &end_bytes, EVBUFFER_EOL_CRLF_STRICT);
        if (end.pos < 0)
            break;
        size_t length = (size_t)end.pos;
        if (length < 4 || length >= sizeof(line))
            tool_die("an answer of %zu bytes", length);
        evbuffer_remove(input, line, length);
        evbuffer_drain(input, end_bytes);
        line[length] = '\0';
        if (!heard_line(session, line))
            return;
    }
    /* One that leaves waits for on_written, which this would keep from coming. */
    if (tls == NULL && !session->leaving)
        flush_now(bev);
}

static void on_written(struct bufferevent *bev, void *arg)
{
    struct session *session = arg;
    if (session->leaving && evbuffer_get_length(bufferevent_get_output(bev)) == 0)
        session_end(session, session->resetting);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    (void)bev;
    struct session *session = arg;
    if ((what & BEV_EVENT_CONNECTED) != 0)
        return;
    if (session->leaving)
        session_end(session, session->resetting);
    else
        tool_die("the peer is gone before it answered %s",
                 session->n > 0 ? steps[session->awaited[session->first]].name : "anything");
}

static void set_callbacks(struct session *session)
{
    bufferevent_setcb(session->bev, on_read, on_written, on_event, session);
}

/* ---- the runs ---- */

static void on_second(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    if (!(idle && n_ready == n_at_once) && tool_now() - heard_at > LOAD_PATIENCE)
        tool_die("no answer for a minute");
}

static void on_input(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    (void)arg;
    char byte;
    released = read(fd, &byte, 1) <= 0;
}

static void turn(void)
{
    if (event_base_loop(base, EVLOOP_ONCE) < 0)
        tool_die("the event loop failed");
}

static void open_all(void)
{
    while (n_ready < n_at_once) {
        while (n_open < n_at_once && n_open - n_ready < OPENING_MAX)
            session_open(MAILS);
        turn();
    }
}

static void run_mail(void)
{
    struct session *session;
    open_all();
    load.began = tool_now();
    TAILQ_FOREACH(session, &sessions, entry)
    {
        if (load_goes_on(&load, tool_now()))
            begin_mail(session);
        if (tls == NULL)
            flush_now(session->bev);
    }
    while (load.answered < load.sent || load_goes_on(&load, tool_now()))
        turn();
    TAILQ_FOREACH(session, &sessions, entry)
    command(session, QUIT, "QUIT\r\n");
    while (n_open > 0)
        turn();
    load_report(&load);
}

static void run_idle(void)
{
    struct event *input = event_new(base, STDIN_FILENO, EV_READ | EV_PERSIST, on_input, NULL);
    if (input == NULL)
        tool_die("out of memory");
    open_all();
    printf("%" PRIu64 " open\n", n_ready);
    fflush(stdout);
    event_add(input, NULL);
    while (!released)
        turn();
    event_free(input);
    while (!TAILQ_EMPTY(&sessions))
        session_end(TAILQ_FIRST(&sessions), false);
}

static void run_churn(void)
{
    load.began = tool_now();
    while (n_open > 0 || n_started < load.most) {
        while (n_open < n_at_once && n_started < load.most) {
            struct session *session = session_open(mix[n_started % (sizeof(mix) / sizeof(*mix))]);
            if (session->errand == GLANCES)
                session_end(session, false);
        }
        turn();
    }
    double seconds = (double)(tool_now() - load.began) / 1e9;
    printf("{\"sessions\": %" PRIu64 ", \"seconds\": %.6f, \"mailed\": %" PRIu64 ", \"errands\": {",
           n_started, seconds, load.answered);
    for (int i = 0; i < ERRANDS; i++)
        printf("%s\"%s\": %" PRIu64, i > 0 ? ", " : "", errand_names[i], n_errands[i]);
    puts("}}");
}

static void usage(void)
{
    fputs(
        "usage: smtp_load [-s SESSIONS] [-l BYTES] [-r RECIPIENTS] [-p | -i | -c] [-T CA] [-t MS] "
        "[-n N] [-f FIRST] PORT SENDER RECIPIENT\n",
        stderr);
    exit(2);
}

static void read_options(int argc, char **argv)
{
    struct error error;
    for (int option = 0; (option = getopt(argc, argv, LOAD_OPTIONS "s:l:r:picT:")) != -1;) {
        if (option == 's')
            n_at_once = (unsigned)tool_number("-s", optarg, 1, SESSIONS_MAX);
        else if (option == 'l')
            body_bytes = (size_t)tool_number("-l", optarg, 2, BODY_MAX);
        else if (option == 'r')
            load.n_numbers = (size_t)tool_number("-r", optarg, 1, 1000000000);
        else if (option == 'p')
            pipelined = true;
        else if (option == 'i')
            idle = true;
        else if (option == 'c')
            churn = true;
        else if (option == 'T') {
            if (tls_client_context(true, optarg, &tls, &error) != RESULT_OK)
                tool_die("%s", error.text);
        } else if (!load_option(&load, option, optarg))
            usage();
    }
    if (argc - optind != 3 || pipelined + idle + churn > 1)
        usage();
    load.port = (uint16_t)tool_number("PORT", argv[optind], 1, 65535);
    first_number = load.next_number;
    sender = argv[optind + 1];
    recipient = argv[optind + 2];
    if (strlen(sender) > ADDRESS_MAX || strlen(recipient) > ADDRESS_MAX)
        tool_die("an address is longer than %d bytes", ADDRESS_MAX);
    if (!idle && load.most == 0 && (churn || load.duration == 0))
        tool_die("-n has to say when it ends, or -t, of mail");
}

int main(int argc, char **argv)
{
    struct rlimit files;
    struct timeval second = {.tv_sec = 1};
    struct event_config *config = event_config_new();
    read_options(argc, argv);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    if (config == NULL)
        tool_die("out of memory");
    event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST | EVENT_BASE_FLAG_NOLOCK);
    base = event_base_new_with_config(config);
    event_config_free(config);
    struct event *watch = base != NULL ? event_new(base, -1, EV_PERSIST, on_second, NULL) : NULL;
    if (watch == NULL || event_add(watch, &second) != 0)
        tool_die("out of memory");
    signal(SIGPIPE, SIG_IGN);
    heard_at = tool_now();
    make_body();
    if (idle)
        run_idle();
    else if (churn)
        run_churn();
    else
        run_mail();
    event_free(watch);
    event_base_free(base);
    SSL_CTX_free(tls);
    free(body);
    return EXIT_SUCCESS;
}
