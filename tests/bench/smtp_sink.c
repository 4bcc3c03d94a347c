/* SPDX-License-Identifier: Apache-2.0 */
/*
 * smtp_sink [-c CERTIFICATE -k KEY] [-r] PORT COUNTS: an SMTP server that takes every message and
 * counts it in the file COUNTS (struct tool_count), for what Postfix's smtp-sink cannot do: TLS,
 * from the first byte, and ten thousand sessions that idle.
 *
 *   -r  refuses every recipient
 *
 * What it is sent must be right: a recipient that does not begin with a number, or a command it
 * does not know, ends it.
 */
#include "base/flush.h"
#include "base/tls.h"
#include "tests/bench/tool.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <unistd.h>

enum { BACKLOG = 4096, LINE_MAX_BYTES = 1024, ANSWERS_MAX = 64 * LINE_MAX_BYTES };

/* What ends content; its first CRLF is that of the line before. */
static const char end_mark[] = "\r\n.\r\n";

struct session {
    struct bufferevent *bev; /* owned */
    bool content;            /* is being sent */
    bool quits;              /* ends once the answer is out */
    uint64_t number;         /* of the recipient */
};

static struct tool_count *counts;
static struct event_base *base;
static SSL_CTX *tls;
static bool refuses;

static void session_end(struct session *session)
{
    tls_say_goodbye(session->bev);
    bufferevent_free(session->bev);
    free(session);
}

static bool is(const char *line, const char *verb)
{
    return strncasecmp(line, verb, strlen(verb)) == 0;
}

static const char *recipient(struct session *session, const char *line)
{
    const char *address = strchr(line, '<');
    char *end = NULL;
    if (address == NULL)
        tool_die("a recipient without brackets");
    session->number = strtoull(address + 1, &end, 10);
    if (end == address + 1)
        tool_die("a recipient that does not begin with a number");
    return refuses ? "550 5.7.1 no\r\n" : "250 2.1.5 Ok\r\n";
}

static const char *answer(struct session *session, const char *line)
{
    if (is(line, "MAIL FROM:"))
        return "250 2.1.0 Ok\r\n";
    if (is(line, "RCPT TO:"))
        return recipient(session, line);
    if (is(line, "DATA")) {
        session->content = true;
        return "354 End data with <CR><LF>.<CR><LF>\r\n";
    }
    if (is(line, "EHLO "))
        return "250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n"
               "250 SIZE 1000000000\r\n";
    if (is(line, "RSET") || is(line, "NOOP"))
        return "250 2.0.0 Ok\r\n";
    if (is(line, "QUIT")) {
        session->quits = true;
        return "221 2.0.0 Bye\r\n";
    }
    tool_die("%.40s is nothing it takes", line);
}

/* The answer to the dot; NULL: more of the content is to come. */
static const char *take_content(struct session *session, struct evbuffer *input)
{
    struct evbuffer_ptr end = evbuffer_search(input, end_mark, sizeof(end_mark) - 1, NULL);
    if (end.pos < 0) {
        size_t held = evbuffer_get_length(input), kept = sizeof(end_mark) - 2;
        evbuffer_drain(input, held > kept ? held - kept : 0);
        return NULL;
    }
    evbuffer_drain(input, (size_t)end.pos + sizeof(end_mark) - 1);
    session->content = false;
    counts->messages++;
    counts->sum += session->number;
    return "250 2.0.0 Ok: taken\r\n";
}

static const char *take_command(struct session *session, struct evbuffer *input)
{
    char line[LINE_MAX_BYTES];
    size_t end_bytes = 0;
    struct evbuffer_ptr end =
        evbuffer_search_eol(input, NULL, &end_bytes, EVBUFFER_EOL_CRLF_STRICT);
    if (end.pos < 0)
        return NULL;
    if ((size_t)end.pos >= sizeof(line))
        tool_die("a command of %zd bytes", end.pos);
    evbuffer_remove(input, line, (size_t)end.pos);
    evbuffer_drain(input, end_bytes);
    line[end.pos] = '\0';
    return answer(session, line);
}

/* Answers to all that has come are one write. */
static void on_read(struct bufferevent *bev, void *arg)
{
    struct session *session = arg;
    struct evbuffer *input = bufferevent_get_input(bev);
    char answers[ANSWERS_MAX];
    size_t n = 0;
    const char *one = NULL;
    while (!session->quits && n < sizeof(answers) - LINE_MAX_BYTES &&
           (one = session->content ? take_content(session, input) : take_command(session, input)) !=
               NULL) {
        memcpy(answers + n, one, strlen(one));
        n += strlen(one);
    }
    if (one != NULL && !session->quits)
        tool_die("more commands at once than it takes");
    if (n > 0 && bufferevent_write(bev, answers, n) != 0)
        tool_die("out of memory");
    if (tls == NULL && !session->quits)
        flush_now(bev);
}

static void on_written(struct bufferevent *bev, void *arg)
{
    struct session *session = arg;
    if (session->quits && evbuffer_get_length(bufferevent_get_output(bev)) == 0)
        session_end(session);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    (void)bev;
    if ((what & BEV_EVENT_CONNECTED) == 0)
        session_end(arg);
}

static void greet(struct bufferevent *bev)
{
    static const char greeting[] = "220 sink.test ESMTP\r\n";
    if (bufferevent_write(bev, greeting, sizeof(greeting) - 1) != 0)
        tool_die("out of memory");
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer,
                      int peer_length, void *arg)
{
    (void)listener;
    (void)peer;
    (void)peer_length;
    (void)arg;
    int on = 1;
    struct session *session = calloc(1, sizeof(*session));
    if (session == NULL || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
        tool_die("a connection cannot be served");
    session->bev = tls != NULL ? tls_bufferevent(base, fd, SSL_new(tls), true)
                               : bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (session->bev == NULL)
        tool_die("out of memory");
    bufferevent_setcb(session->bev, on_read, on_written, on_event, session);
    bufferevent_enable(session->bev, EV_READ | EV_WRITE);
    greet(session->bev);
}

static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    (void)listener;
    (void)arg;
    tool_die("accept: %s", evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
}

static void serve(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct event_config *config = event_config_new();
    if (config == NULL)
        tool_die("out of memory");
    event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST | EVENT_BASE_FLAG_NOLOCK);
    base = event_base_new_with_config(config);
    event_config_free(config);
    struct evconnlistener *listener =
        base == NULL ? NULL
                     : evconnlistener_new_bind(
                           base, on_accept, NULL,
                           LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
                           BACKLOG, (struct sockaddr *)&address, sizeof(address));
    if (listener == NULL)
        tool_die("port %u cannot be listened on", port);
    evconnlistener_set_error_cb(listener, on_accept_error);
    event_base_dispatch(base); /* SIGTERM ends the program */
    tool_die("the event loop ended");
}

int main(int argc, char **argv)
{
    const char *certificate = NULL, *key = NULL;
    struct rlimit files;
    struct error error;
    for (int option = 0; (option = getopt(argc, argv, "c:k:r")) != -1;) {
        if (option == 'c')
            certificate = optarg;
        else if (option == 'k')
            key = optarg;
        else if (option == 'r')
            refuses = true;
        else
            return 2;
    }
    if (argc - optind != 2 || (certificate == NULL) != (key == NULL)) {
        fputs("usage: smtp_sink [-c CERTIFICATE -k KEY] [-r] PORT COUNTS\n", stderr);
        return 2;
    }
    if (certificate != NULL &&
        tls_server_context(certificate, key, false, &tls, &error) != RESULT_OK)
        tool_die("%s", error.text);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    signal(SIGPIPE, SIG_IGN);
    counts = tool_count_open(argv[optind + 1]);
    serve((uint16_t)tool_number("PORT", argv[optind], 1, 65535));
}
