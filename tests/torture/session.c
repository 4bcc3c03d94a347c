/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every replay script (tests/replay) over and over, each time with another allocation failing: the
 * first, the second … until the script is through before the failure's turn comes; and the same
 * with all allocations failing from there on. What a script expects is not compared, since what
 * failed is answered otherwise; the oracle (oracle.h) says what must hold all the same. Also: no
 * crash, no leak, no finding of the sanitizers, and every session comes to its end.
 *
 * A script is a process of its own, which runs all its failures; when it dies, that is reported and
 * another takes over behind the failure that killed it.
 */
#include "tests/torture/alloc.h"
#include "tests/torture/oracle.h"
#include "tests/torture/runs.h"

#include "base/log.h"
#include "tests/unit/test_proxy_fakes.h"
#include "tests/unit/test_proxy_script.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <glob.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SHORT 40 /* failures a script and mode in make check */

static struct {
    int fd; /* the client's; -1: none */
    SSL_CTX *tls_context;
    SSL *ssl;
    struct strbuf in;
    bool eof;
} run;

/* Check's runtime, as much of it as the fakes need: a promise broken is a finding. */
void _mark_point(const char *file, int line)
{
    (void)file;
    (void)line;
}

void _ck_assert_failed(const char *file, int line, const char *expr, const char *msg, ...)
{
    va_list args;
    char text[512] = "";
    va_start(args, msg);
    if (msg != NULL)
        vsnprintf(text, sizeof(text), msg, args);
    va_end(args);
    finding("%s:%d: %s %s", file, line, expr, text);
}

/* ---- the client ---- */

static ssize_t receive(char *chunk, size_t size)
{
    if (run.ssl == NULL)
        return recv(run.fd, chunk, size, 0);
    int n = SSL_read(run.ssl, chunk, (int)size);
    int code = n > 0 ? 0 : SSL_get_error(run.ssl, n);
    if (n > 0)
        return n;
    errno = EAGAIN;
    return code == SSL_ERROR_WANT_READ || code == SSL_ERROR_WANT_WRITE ? -1 : 0;
}

static void take_lines(void)
{
    char *feed;
    while (run.in.length > 0 && (feed = memchr(run.in.data, '\n', run.in.length)) != NULL) {
        char line[2048];
        size_t length = (size_t)(feed - run.in.data) + 1;
        ck_assert(length >= 2 && length < sizeof(line));
        memcpy(line, run.in.data, length);
        memmove(run.in.data, run.in.data + length, run.in.length - length + 1);
        run.in.length -= length;
        if (line[length - 2] != '\r')
            finding("a reply does not end in CRLF");
        line[length - 2] = '\0';
        oracle_reply(line);
    }
}

static void read_some(void)
{
    char chunk[16384];
    torture_pause();
    while (run.fd >= 0 && !run.eof) {
        ssize_t got = receive(chunk, sizeof(chunk));
        if (got < 0 && errno == EAGAIN)
            break;
        if (got <= 0)
            run.eof = true;
        else
            strbuf_add(&run.in, chunk, (size_t)got);
    }
    take_lines();
    torture_resume();
}

static void turn(void)
{
    world_pump();
    read_some();
}

static void turns(int n)
{
    while (n-- > 0)
        turn();
}

static bool session_lives(void)
{
    return atomic_load(&world.gate.sessions) > 0;
}

/* Until nothing is owed, or nothing more comes. A password is hashed in another thread. */
static void await_replies(void)
{
    for (int i = 0; i < 25 && oracle_owed() && !run.eof; i++) {
        turn();
        for (int j = 0; j < 3000 && session_lives() && world.session->state == SMTP_AUTH_CHECK;
             j++) {
            usleep(1000);
            turn();
        }
    }
}

static void send_bytes(const char *bytes, size_t length)
{
    if (oracle_must_wait())
        await_replies();
    if (oracle_must_wait())
        oracle_blur();
    if (run.fd < 0 || run.eof)
        return;
    oracle_sent(bytes, length);
    size_t at = 0;
    for (int waits = 0; at < length && waits < 1000 && !run.eof;) {
        torture_pause();
        ssize_t sent = run.ssl != NULL ? SSL_write(run.ssl, bytes + at, (int)(length - at))
                                       : send(run.fd, bytes + at, length - at, MSG_NOSIGNAL);
        torture_resume();
        if (sent > 0)
            at += (size_t)sent;
        else if (run.ssl == NULL && errno != EAGAIN)
            return;
        else
            waits++;
        turn();
    }
}

static void close_client(void)
{
    torture_pause();
    SSL_free(run.ssl);
    run.ssl = NULL;
    torture_resume();
    if (run.fd >= 0)
        close(run.fd);
    run.fd = -1;
    turns(10);
}

static void start_tls(bool wrapped)
{
    await_replies();
    if (run.fd < 0 || run.eof || (!wrapped && !oracle_may_start_tls()))
        return;
    torture_pause();
    run.tls_context = world_client_tls();
    run.ssl = SSL_new(run.tls_context);
    ck_assert(run.ssl != NULL && SSL_set_fd(run.ssl, run.fd) == 1);
    torture_resume();
    for (int i = 0; i < 300; i++) {
        torture_pause();
        int n = SSL_connect(run.ssl);
        int code = SSL_get_error(run.ssl, n);
        torture_resume();
        if (n == 1) {
            oracle_tls_started();
            return;
        }
        if (code != SSL_ERROR_WANT_READ && code != SSL_ERROR_WANT_WRITE)
            break;
        world_pump();
    }
    close_client();
}

static bool wrapped_listener;

static void begin_session(const char *text)
{
    char listener[32];
    char peer[32];
    int pair[2];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(50000)};
    ck_assert_int_eq(sscanf(text, "%31s %31s", listener, peer), 2);
    ck_assert_int_eq(inet_pton(AF_INET, peer, &address.sin_addr), 1);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    const struct config *config = world.lane.snapshot->config;
    size_t index = 0;
    while (strcmp(config->listeners[index].name, listener) != 0)
        index++;
    wrapped_listener = config->listeners[index].tls == TLS_IMPLICIT;
    torture_pause();
    struct bufferevent *bev =
        bufferevent_socket_new(loop_base(world.loop), pair[0], BEV_OPT_CLOSE_ON_FREE);
    torture_resume();
    ck_assert_ptr_nonnull(bev);
    atomic_fetch_add(&world.entrance.sessions, 1);
    atomic_fetch_add(&world.gate.sessions, 1);
    run.fd = pair[1];
    oracle_begin();
    world.session =
        smtp_serve(&world.lane, &world.entrance, index, bev, (const struct sockaddr *)&address);
    if (world.session == NULL && session_lives())
        finding("a session that could not begin is still counted");
}

/* ---- the language, without its expectations (tests/replay/README) ---- */

static size_t unescape(char *text)
{
    size_t length = 0;
    ck_assert(script_unescape(text, &length));
    return length;
}

static void do_repeat(char *text)
{
    char *bytes;
    unsigned long n = strtoul(text, &bytes, 10);
    struct strbuf all = {0};
    size_t length = unescape(++bytes);
    torture_pause();
    for (; n > 0; n--)
        strbuf_add(&all, bytes, length);
    torture_resume();
    send_bytes(all.data, all.length);
    torture_pause();
    strbuf_free(&all);
    torture_resume();
}

static void do_client(char *text, bool line)
{
    size_t length = unescape(text);
    if (line)
        memcpy(text + length, "\r\n", 3);
    send_bytes(text, length + (line ? 2 : 0));
}

static void do_word(const char *word, char *text)
{
    static const char ehlo[] = "EHLO client.acme.example\r\n";
    if (strcmp(word, "C:") == 0 || strcmp(word, "bytes") == 0)
        do_client(text, word[0] == 'C');
    else if (strcmp(word, "repeat") == 0)
        do_repeat(text);
    else if (strcmp(word, "S:") == 0)
        await_replies();
    else if (strcmp(word, "J:") == 0 || strcmp(word, "U:") == 0)
        turns(2);
    else if (strcmp(word, "session") == 0 || strcmp(word, "greeted") == 0) {
        begin_session(text);
        await_replies();
        if (word[0] == 'g')
            send_bytes(ehlo, sizeof(ehlo) - 1);
        await_replies();
    } else if (strcmp(word, "advance") != 0 || !session_lives() || world.session != NULL)
        (void)script_event(word, text); /* false: what it would happen to is gone already */
}

static void do_alone(const char *word)
{
    static const char message[] = "From: news@acme.example\r\n\r\nHello you\r\n.\r\n";
    if (strcmp(word, "S-") == 0 || strcmp(word, "S.") == 0)
        turns(10);
    else if (strcmp(word, "C:") == 0)
        send_bytes("\r\n", 2);
    else if (strcmp(word, "message") == 0)
        send_bytes(message, sizeof(message) - 1);
    else if (strcmp(word, "tls") == 0)
        start_tls(wrapped_listener);
    else if (strcmp(word, "close") == 0)
        close_client();
    else if (strcmp(word, "half-close") == 0 && run.fd >= 0)
        shutdown(run.fd, SHUT_WR);
    else if (strcmp(word, "penalty") == 0)
        await_replies();
    else
        (void)script_event(word, NULL);
}

static void do_line(char *line)
{
    if (line[0] == '\0' || line[0] == '#')
        return;
    char *space = strchr(line, ' ');
    if (space == NULL) {
        do_alone(line);
        return;
    }
    *space = '\0';
    do_word(line, space + 1);
}

/* ---- one run ---- */

static char *lines[512]; /* of the script */
static size_t n_lines;

static void read_script(const char *path)
{
    FILE *script = fopen(path, "r");
    ck_assert_ptr_nonnull(script);
    char *line = NULL;
    size_t size = 0;
    for (ssize_t length; (length = getline(&line, &size, script)) > 0;) {
        ck_assert_uint_lt(n_lines, sizeof(lines) / sizeof(lines[0]));
        line[strcspn(line, "\n")] = '\0';
        lines[n_lines++] = strdup(line);
    }
    free(line);
    fclose(script);
}

/* Everybody answers now; so must the session, or end. */
static void come_to_an_end(void)
{
    world.provider.hold = false;
    world.journal = JOURNAL_LATER;
    world_release_lookups(false);
    await_replies();
    turns(10);
    if (session_lives() && connection_deadline(world.session->connection)->at != INT64_MAX &&
        !event_pending(connection_deadline(world.session->connection)->timer, EV_TIMEOUT, NULL))
        finding("a deadline without a timer");
    if (session_lives() && oracle_owed()) {
        world_advance(3600 * CLOCK_SECOND);
        turns(10);
        if (session_lives() && oracle_owed())
            finding("an answer is owed, and nobody owes it to the session (state %d)",
                    (int)world.session->state);
    }
    if (!session_lives() && run.fd >= 0 && !run.eof)
        finding("the session is over and its connection is not");
    close_client();
    /* libevent may have lost the event that would have told of the client's end. */
    if (session_lives() && connection_deadline(world.session->connection)->at != INT64_MAX)
        world_advance(3600 * CLOCK_SECOND);
    turns(3);
    if (session_lives())
        finding("the session did not end (state %d)", (int)world.session->state);
    ck_assert_uint_eq(atomic_load(&world.entrance.sessions), 0);
    ck_assert_uint_eq(ticket_count(world.lane.sessions), 0);
}

/* The world as it was, for the next run. */
static void tidy(void)
{
    struct error err;
    oracle_end();
    world_forget_transactions();
    strbuf_free(&world.body);
    strbuf_free(&run.in);
    SSL_CTX_free(run.tls_context);
    run.tls_context = NULL;
    run.eof = false;
    world.n_rows = world.n_said = 0;
    world.store_hold = false;
    world.session = NULL;
    world.provider =
        (struct fake_provider){.max_recipients = 16, .capabilities = CAPABILITY_8BITMIME};
    world.lane.draining = false;
    /* A helper may still hash for a session that is gone. */
    workers_free(&world.workers);
    ck_assert_int_eq(workers_new(1, 16, &world.workers, &err), RESULT_OK);
    turns(3);
    credentials_free(&world.gate.credentials);
    guesses_free(&world.gate.guesses);
    ck_assert_int_eq(guesses_new(&world.gate.guesses, &err), RESULT_OK);
    ck_assert_int_eq(credentials_new(world.workers, world.gate.peers, world.gate.guesses,
                                     &world.gate.credentials, &err),
                     RESULT_OK);
    rates_free(&world.gate.rates);
    world.gate.rates = rates_new();
    ck_assert_ptr_nonnull(world.gate.rates);
}

static unsigned long run_script(void *arg, unsigned long failing, enum torture_mode mode,
                                bool *reached_out)
{
    (void)arg;
    static char line[65536];
    run.fd = -1;
    torture_arm(failing, mode);
    for (size_t i = 0; i < n_lines; i++) {
        str_copy(line, sizeof(line), lines[i]);
        do_line(line);
    }
    come_to_an_end();
    unsigned long count = torture_disarm();
    *reached_out = torture_failures() > 0;
    tidy();
    return count;
}

static void begin_script(void *arg)
{
    log_set_level((enum log_level)(LOG_LEVEL_ERROR + 1));
    read_script(arg);
    world_make();
}

static void end_script(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < n_lines; i++)
        free(lines[i]);
    n_lines = 0;
    world_free();
}

int main(int argc, char **argv)
{
    glob_t scripts;
    signal(SIGPIPE, SIG_IGN);
    if (glob(REPLAY_FOLDER "/*.replay", 0, NULL, &scripts) != 0)
        return EXIT_FAILURE;
    struct torture_subject *subjects = calloc(scripts.gl_pathc, sizeof(*subjects));
    if (subjects == NULL)
        return EXIT_FAILURE;
    for (size_t i = 0; i < scripts.gl_pathc; i++)
        subjects[i] = (struct torture_subject){.name = strrchr(scripts.gl_pathv[i], '/') + 1,
                                               .begin = begin_script,
                                               .run = run_script,
                                               .end = end_script,
                                               .arg = scripts.gl_pathv[i]};
    int status = torture_main(argc, argv, subjects, scripts.gl_pathc, SHORT);
    free(subjects);
    globfree(&scripts);
    return status;
}
