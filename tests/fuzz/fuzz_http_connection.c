/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole connections of partners over HTTP: the input is what a client says, with lines among it
 * that say what else happens (README.md). What must hold, whatever comes in whatever pieces: each
 * request that the gate takes up is the one a second reader (http_model.h) sees at that place, or
 * it is refused and is the last; each is answered once, in order, with HTTP that is well-formed,
 * and not before its messages have ended; what is handed in was asked for by somebody with the
 * credentials for it; a connection ends in answers or a close; nothing is logged as an error, and
 * nothing is left of it, nor counted, at the end.
 */
#include "base/log.h"
#include "proxy/credentials.h"
#include "tests/fuzz/http_judge.h"
#include "tests/fuzz/mutate.h"
#include "tests/unit/test_script.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define SAID_MAX   (96 * 1024) /* bytes of a connection */
#define PIECE_MAX  4096
#define PIECES_MAX 2000
#define PATIENCE   (5 * CLOCK_SECOND) /* for what must come; nothing waits for it that is right */

static struct {
    struct talk *talk; /* the one that speaks; NULL: none yet */
    const char *listener;
    bool lan;
    bool rough; /* connections may end within an answer */
    size_t cut, pieces;
} run;

static int64_t time_ahead;

int64_t __real_clock_monotonic(void);
int64_t __wrap_clock_monotonic(void);
int64_t __wrap_clock_monotonic(void)
{
    return __real_clock_monotonic() + time_ahead;
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

int __real_getpeername(int fd, struct sockaddr *address, socklen_t *length);
int __wrap_getpeername(int fd, struct sockaddr *address, socklen_t *length);
int __wrap_getpeername(int fd, struct sockaddr *address, socklen_t *length)
{
    int result = __real_getpeername(fd, address, length);
    struct sockaddr_in *in = (struct sockaddr_in *)address;
    if (result == 0 && talk_of(ntohs(in->sin_port))->lan)
        inet_pton(AF_INET, "192.0.2.10", &in->sin_addr);
    return result;
}

/* ---- passwords, without the helpers ---- */

static struct {
    enum { AUTH_SOON, AUTH_AT_ONCE, AUTH_HOLD, AUTH_BUSY } mode;
    bool waiting, matches;
    credentials_fn *answer;
    void *owner;
    struct ticket ticket;
} passwords;

bool __wrap_credentials_check(struct credentials *credentials, const struct peer_key *from,
                              const char *name, const char *hash, const char *password,
                              struct loop *home, credentials_fn *answer, void *owner,
                              struct ticket ticket);
bool __wrap_credentials_check(struct credentials *credentials, const struct peer_key *from,
                              const char *name, const char *hash, const char *password,
                              struct loop *home, credentials_fn *answer, void *owner,
                              struct ticket ticket)
{
    (void)credentials;
    (void)from;
    (void)name;
    (void)home;
    bool matches = hash != NULL && strcmp(password, "secret") == 0;
    if (passwords.mode == AUTH_BUSY || passwords.waiting)
        return false;
    if (passwords.mode == AUTH_AT_ONCE) {
        answer(owner, ticket, matches);
        return true;
    }
    passwords.waiting = true;
    passwords.matches = matches;
    passwords.answer = answer;
    passwords.owner = owner;
    passwords.ticket = ticket;
    return true;
}

static void release_passwords(void)
{
    if (!passwords.waiting)
        return;
    passwords.waiting = false;
    passwords.answer(passwords.owner, passwords.ticket, passwords.matches);
}

/* ---- the client ---- */

static void hear(struct talk *talk)
{
    char bytes[16384];
    while (talk->fd >= 0 && !talk->ended && !talk->deaf) {
        ssize_t n = recv(talk->fd, bytes, sizeof(bytes), 0);
        if (n < 0 && errno == EAGAIN)
            break;
        talk->was_reset = n < 0;
        if (n <= 0)
            talk->ended = true;
        else
            strbuf_add(&talk->got, bytes, (size_t)n);
    }
    judge_got(talk);
}

static void turn(void)
{
    if (passwords.mode != AUTH_HOLD)
        release_passwords();
    loop_turn(stage.loop);
    for (size_t i = 0; i < judged.n_talks; i++)
        hear(&judged.talks[i]);
}

static void settle(int most)
{
    size_t before, after = 0;
    int same = 0;
    do {
        before = after;
        turn();
        after = atomic_load(&stage.gate.sessions) + judged.n_messages;
        for (size_t i = 0; i < judged.n_talks; i++)
            after +=
                judged.talks[i].got.length + judged.talks[i].n_arrivals + judged.talks[i].ended;
        same = before == after ? same + 1 : 0;
    } while (same < 3 && --most > 0);
}

static void say(const char *bytes, size_t length)
{
    struct talk *talk = run.talk;
    for (size_t at = 0; at < length && talk->fd >= 0 && !talk->half_closed && !talk->lost;) {
        size_t piece = run.cut > 0 && run.pieces < PIECES_MAX ? run.cut : PIECE_MAX;
        if (piece > length - at)
            piece = length - at;
        if (talk->said.length + piece > SAID_MAX)
            return;
        ssize_t sent = send(talk->fd, bytes + at, piece, MSG_NOSIGNAL);
        talk->lost = sent != (ssize_t)piece;
        if (sent <= 0)
            return;
        strbuf_add(&talk->said, bytes + at, (size_t)sent);
        at += (size_t)sent;
        run.pieces++;
        turn();
    }
}

static void connect_again(void)
{
    size_t door = 0;
    const struct config *config = stage.lane.snapshot->config;
    if (judged.n_talks == TALKS)
        return;
    while (strcmp(config->listeners[door].name, run.listener) != 0)
        door++;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons(stage.ports[door])};
    socklen_t length = sizeof(address);
    struct talk *talk = &judged.talks[judged.n_talks++];
    *talk = (struct talk){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                          .lan = run.lan,
                          .balanced = strcmp(run.listener, "balanced") == 0};
    run.talk = talk;
    must(talk->fd >= 0 && connect(talk->fd, (struct sockaddr *)&address, length) == 0);
    must(getsockname(talk->fd, (struct sockaddr *)&address, &length) == 0);
    must(fcntl(talk->fd, F_SETFL, O_NONBLOCK) == 0);
    talk->port = ntohs(address.sin_port);
    turn();
}

/* What it was told until then it was told. A reset leaves no port behind that must wait. */
static void leave(struct talk *talk)
{
    static const struct linger at_once = {.l_onoff = 1};
    talk->deaf = false;
    hear(talk);
    if (talk->fd >= 0) {
        (void)setsockopt(talk->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        close(talk->fd);
    }
    talk->fd = -1;
}

/* ---- the script ---- */

static void advance(int64_t seconds)
{
    struct http_connection *connection;
    time_ahead += seconds * CLOCK_SECOND;
    TAILQ_FOREACH(connection, &stage.lane.http->connections, entry)
    event_active(connection->deadline.timer, EV_TIMEOUT, 0);
    settle(6);
}

static void set_passwords(const char *text)
{
    static const char *const modes[] = {"soon", "at once", "hold", "busy"};
    for (int i = 0; i < 4; i++)
        if (strcmp(text, modes[i]) == 0)
            passwords.mode = i;
    if (strcmp(text, "go") == 0)
        release_passwords();
}

/* "N TEXT": N times TEXT, with escapes. */
static void repeat(char *text)
{
    char *end;
    size_t length = 0;
    unsigned long n = strtoul(text, &end, 10);
    struct strbuf all = {0};
    if (*end != ' ' || !script_unescape(end + 1, &length))
        return;
    for (; n > 0 && all.length + length <= SAID_MAX && length > 0; n--)
        strbuf_add(&all, end + 1, length);
    say(all.data, all.length);
    strbuf_free(&all);
}

static void choose(const char *text)
{
    static const char *const names[] = {"web", "few", "fair", "balanced"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strstr(text, names[i]) != NULL)
            run.listener = names[i];
    run.lan = strstr(text, "lan") != NULL;
}

static void do_client(const char *word)
{
    struct talk *talk = run.talk;
    if (strcmp(word, "close") == 0)
        leave(talk);
    else if (strcmp(word, "half-close") == 0 && talk->fd >= 0)
        talk->half_closed = shutdown(talk->fd, SHUT_WR) == 0;
    else if (strcmp(word, "deaf") == 0 || strcmp(word, "hears") == 0)
        talk->deaf = word[0] == 'd';
}

/* A line that is not said. */
static void do_word(const char *word, char *text)
{
    size_t length = 0;
    bool begins = strcmp(word, "connect") == 0;
    if (begins)
        choose(text);
    if (begins || run.talk == NULL)
        connect_again();
    if (strcmp(word, "bytes") == 0 && script_unescape(text, &length))
        say(text, length);
    else if (strcmp(word, "repeat") == 0)
        repeat(text);
    else if (strcmp(word, "cut") == 0)
        run.cut = strtoul(text, NULL, 10);
    else if (strcmp(word, "hold") == 0)
        judged.hold = true;
    else if (strcmp(word, "go") == 0)
        judged.hold = false, judge_release_messages();
    else if (strcmp(word, "hooks") == 0)
        judged.hooks_hold = strcmp(text, "hold") == 0, judge_release_hooks();
    else if (strcmp(word, "passwords") == 0)
        set_passwords(text);
    else if (strcmp(word, "advance") == 0)
        run.rough = true, advance((int64_t)(strtoul(text, NULL, 10) % 4000));
    else if (strcmp(word, "drain") == 0)
        run.rough = true, http_drain(&stage.lane);
    else if (strcmp(word, "abort") == 0)
        run.rough = true, http_abort_all(&stage.lane);
    else
        do_client(word);
    settle(20);
}

static void do_line(const char *line, size_t length)
{
    char *copy = calloc(1, length + 1);
    must(copy != NULL);
    memcpy(copy, line, length);
    char *space = strchr(copy, ' ');
    if (space != NULL)
        *space++ = '\0';
    do_word(copy, space != NULL ? space : copy + strlen(copy));
    free(copy);
}

/* ---- a run ---- */

/* Whether the second reader sees one more request than the gate took up. */
static bool sees_more(const struct talk *talk)
{
    struct model_request request;
    enum model_reading reading = model_read_request(&talk->said, talk->read_at, &request);
    model_free_request(&request);
    return reading == MODEL_CLEAR;
}

/* All that there is to see is answered, or the connection has ended. */
static bool is_done(const struct talk *talk)
{
    if (talk->fd < 0 || talk->ended)
        return true;
    return talk->n_answered == talk->n_arrivals && !talk->over && !sees_more(talk);
}

/* The end was announced, or nothing was left to say; unless it was a reset: who closes with
 * something unread takes back what has not arrived yet. */
static void check_end(const struct talk *talk)
{
    if (run.rough || talk->lost || talk->fd < 0 || talk->was_reset)
        return;
    must_say(talk->got_at == talk->got.length, "half an answer: %s", talk->got.data + talk->got_at);
    must_say(!talk->ended || talk->over || talk->half_closed ||
                 (talk->n_answered == talk->n_arrivals && !sees_more(talk)),
             "left without a word: %zu of %zu", talk->n_answered, talk->n_arrivals);
}

static bool all_done(void)
{
    struct http_connection *connection;
    for (size_t i = 0; i < judged.n_talks; i++)
        if (!is_done(&judged.talks[i]))
            break;
        else if (i + 1 == judged.n_talks)
            return true;
    TAILQ_FOREACH(connection, &stage.lane.http->connections, entry)
    if (connection->request != NULL && connection->request->stage == STAGE_PENALTY) {
        advance(31);
        return false;
    }
    return judged.n_talks == 0;
}

/* Turns until everybody has what it is owed. */
static void await(bool (*done)(void), const char *what)
{
    int64_t until = __real_clock_monotonic() + PATIENCE;
    while (!done()) {
        turn();
        must_say(__real_clock_monotonic() < until, "%s", what);
    }
}

static bool all_gone(void)
{
    for (size_t i = 0; i < judged.n_talks; i++)
        if (judged.talks[i].fd >= 0 && !judged.talks[i].ended)
            return false;
    return atomic_load(&stage.gate.sessions) == 0 && ticket_count(stage.lane.requests) == 0;
}

static void check_left(void)
{
    static const char *const accounts[] = {"acme-sms", "acme-lan", "acme-narrow", "acme-latin"};
    struct http_front *front = stage.lane.http;
    struct peer_key here = {{0}};
    for (size_t i = 0; i < sizeof(accounts) / sizeof(accounts[0]); i++)
        must(peers_count(stage.gate.peers, PEER_WINDOW, accounts[i], strlen(accounts[i])) == 0);
    must(peers_count(stage.gate.peers, PEER_PARTNER, "acme", 4) == 0);
    here.bytes[10] = here.bytes[11] = 0xff;
    here.bytes[12] = 127, here.bytes[15] = 1;
    must(peers_count(stage.gate.peers, PEER_ADDRESS, &here, sizeof(here)) == 0);
    for (size_t i = 0; i < stage.n_doors; i++)
        must(atomic_load(&stage.entrances[i].sessions) == 0 && stage.doors[i]->connections == 0);
    must(front->strangers == 0 && TAILQ_EMPTY(&front->connections));
    for (size_t i = 0; i < HTTP_HOLDERS; i++)
        must(front->held[i] == 0);
}

/* Everybody who owes an answer gives it, and the client listens. */
static void finish(void)
{
    passwords.mode = AUTH_SOON;
    judged.hold = judged.hooks_hold = false;
    for (size_t i = 0; i < judged.n_talks; i++)
        judged.talks[i].deaf = false;
    for (int i = 0; i < 3; i++) {
        judge_release_messages();
        judge_release_hooks();
        settle(50);
    }
    await(all_done, "not answered, nor ended");
    for (size_t i = 0; i < judged.n_talks; i++)
        check_end(&judged.talks[i]);
    for (int i = 0; i < 3 && !all_gone(); i++)
        advance(601);
    await(all_gone, "the connection does not end");
    check_left();
}

static void reset(void)
{
    for (size_t i = 0; i < judged.n_talks; i++) {
        struct talk *talk = &judged.talks[i];
        leave(talk);
        strbuf_free(&talk->said);
        strbuf_free(&talk->got);
        model_free_request(&talk->request);
        free(talk->arrivals);
    }
    memset(&run, 0, sizeof(run));
    memset(&judged, 0, sizeof(judged));
    memset(&passwords, 0, sizeof(passwords));
    run.listener = "web";
    stage.lane.http->draining = false;
    stage_forgive();
    /* The answers that are kept; the front holds them. */
    idempotency_let_go(&stage.gate.idempotency);
    must(idempotency_hold(&stage.gate.idempotency));
}

static void begin_stage(void)
{
    signal(SIGPIPE, SIG_IGN); /* as the gateway does */
    stage_make();
    must(atexit(stage_free) == 0);
    reset();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (stage.loop == NULL)
        begin_stage();
    const char *at = (const char *)data, *end = at + size, *said = at;
    for (; at < end;) {
        const char *feed = memchr(at, '\n', (size_t)(end - at));
        const char *next = feed != NULL ? feed + 1 : end;
        if (*at == '@') {
            say(said, (size_t)(at - said));
            do_line(at + 1, (size_t)((feed != NULL ? feed : end) - at - 1));
            said = next;
        } else if (run.talk == NULL) {
            connect_again();
        }
        at = next;
    }
    if (run.talk != NULL)
        say(said, (size_t)(end - said));
    finish();
    reset();
    return 0;
}

/* ---- mutation by the line ---- */

#define LOGIN "Authorization: Basic YWNtZS1zbXM6c2VjcmV0\r"
#define BODY  "{\"to\":\"+33612345670\",\"from\":\"ACME\",\"text\":\"Hello\"}"

const char *const fuzz_lines[] = {
    "@connect web",
    "@connect web lan",
    "@connect few",
    "@connect fair",
    "@connect balanced",
    "@cut 1",
    "@cut 7",
    "@cut 0",
    "@hold",
    "@go",
    "@hooks hold",
    "@hooks go",
    "@passwords hold",
    "@passwords go",
    "@passwords busy",
    "@passwords at once",
    "@advance 2",
    "@advance 31",
    "@advance 601",
    "@drain",
    "@abort",
    "@close",
    "@half-close",
    "@deaf",
    "@hears",
    "@turn",
    "@repeat 3000 0123456789",
    "@repeat 9000 0123456789",
    "@repeat 200 X: y\\r\\n",
    "@repeat 40 GET / HTTP/1.1\\r\\n\\r\\n",
    "@bytes \\r",
    "@bytes \\n",
    "@bytes X-Nul: \\0y\\r\\n",
    "@bytes " BODY,
    "POST /v1/messages HTTP/1.1\r",
    "POST /v1/messages HTTP/1.0\r",
    "POST /cgi-bin/sendsms HTTP/1.1\r",
    "POST /sms/json HTTP/1.1\r",
    "POST /1.0/sms/x/jobs HTTP/1.1\r",
    "POST /2010-04-01/Accounts/acme-sms/Messages.json HTTP/1.1\r",
    "POST /hooks/agg/inbound HTTP/1.1\r",
    "GET /hooks/agg/report?id=1 HTTP/1.1\r",
    "GET /1.0/auth/time HTTP/1.1\r",
    "GET /cgi-bin/sendsms?username=acme-sms&password=secret&to=%2B33612345670&text=Hi HTTP/1.1\r",
    "GET / HTTP/1.1\r",
    "HEAD / HTTP/1.1\r",
    "PUT /v1/messages HTTP/1.1\r",
    "OPTIONS * HTTP/1.1\r",
    "Host: gate.example\r",
    LOGIN,
    "Authorization: Basic YWNtZS1zbXM6d3Jvbmc=\r",
    "Authorization: Bearer acme-sms:secret\r",
    "Content-Type: application/json\r",
    "Content-Type: application/x-www-form-urlencoded\r",
    "Content-Length: 50\r",
    "Content-Length: 0\r",
    "Content-Length: 5000\r",
    "Content-Length: +2\r",
    "Content-Length : 2\r",
    "Content-Length:\r",
    " 50\r",
    "Transfer-Encoding: chunked\r",
    "Transfer-Encoding: gzip, chunked\r",
    "Transfer-Encoding:\r",
    " chunked\r",
    "Connection: close\r",
    "Connection: keep-alive\r",
    "Expect: 100-continue\r",
    "Idempotency-Key: a\r",
    "X-Forwarded-For: 192.0.2.10\r",
    "X-Forwarded-For: 192.0.2.11\r",
    "X-Forwarded-Proto: https\r",
    "Upgrade: h2c\r",
    "\r",
    BODY,
    "{}\r",
    "32\r",
    BODY "\r",
    "5\r",
    "{\"to\"\r",
    "2d\r",
    ":\"+33612345670\",\"from\":\"ACME\",\"text\":\"Hello\"}\r",
    "0\r",
    "0x32\r",
    "+32\r",
    "32 x\r",
    "32;x=y\r",
    "00\r",
    "-1\r",
    "ffffffffffffffff\r",
    "username=acme-sms&password=secret&to=%2B33612345670&text=Hi",
};

const size_t fuzz_n_lines = sizeof(fuzz_lines) / sizeof(fuzz_lines[0]);
