/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole sessions: the input is a script as in tests/replay, of which only what makes things happen
 * is done; lines that expect something are turns of the loop. So every replay script is a seed, and
 * a finding can be made one. Whatever happens, in whatever order: server_model.h holds, the two
 * promises hold (test_proxy_fakes.c), no state is left by a way that is not in the table, and
 * nothing is left of the session at the end.
 */
#include "base/log.h"
#include "proxy/credentials.h"
#include "tests/fuzz/mutate.h"
#include "tests/fuzz/server_model.h"
#include "tests/unit/test_proxy_fakes.h"
#include "tests/unit/test_proxy_script.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define INPUT_LINES 400
#define SENT_MAX    (320 * 1024) /* bytes a run; more than any limit of the configuration */
#define PIECES_MAX  3000

static struct {
    int fd; /* -1: none, or closed */
    bool deaf;
    bool half_closed;
    bool began;
    size_t cut; /* bytes of a piece; 0: whole */
    size_t pieces;
    size_t seen;
    struct conversation talk;
} client;

/* ---- the log: an error in it is a finding ---- */

void __wrap_log_fields(enum log_level level, const char *event, const struct log_field *fields,
                       size_t count);
void __wrap_log_fields(enum log_level level, const char *event, const struct log_field *fields,
                       size_t count)
{
    (void)fields;
    (void)count;
    must_say(level < LOG_LEVEL_ERROR, "logged as an error: %s", event);
}

/* ---- passwords, without the helpers ---- */

static struct {
    enum { PASSWORDS_SOON, PASSWORDS_AT_ONCE, PASSWORDS_HOLD, PASSWORDS_BUSY } mode;
    bool waiting;
    bool matches;
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
    if (passwords.mode == PASSWORDS_BUSY || passwords.waiting)
        return false;
    if (passwords.mode == PASSWORDS_AT_ONCE) {
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

static bool do_auth(const char *text)
{
    static const char *const modes[] = {"soon", "at once", "hold", "busy"};
    for (int i = 0; i < 4; i++)
        if (strcmp(text, modes[i]) == 0) {
            passwords.mode = i;
            return true;
        }
    if (strcmp(text, "go") == 0)
        release_passwords();
    return true;
}

/* ---- the client ---- */

/* The second promise, the refusals' half: a refusal that names a row has that row. */
static void check_references(void)
{
    struct strbuf *out = &client.talk.out;
    while (client.seen < out->length) {
        char *line = out->data + client.seen;
        char *feed = memchr(line, '\n', out->length - client.seen);
        if (feed == NULL)
            return;
        client.seen += (size_t)(feed - line) + 1;
        const char *ref = memmem(line, (size_t)(feed - line), ", ref ", 6);
        char id[RECORD_ID] = "";
        if (ref == NULL || feed - ref < 6 + RECORD_ID || ref[6 + 10] != '-')
            continue;
        memcpy(id, ref + 6, RECORD_ID - 3);
        must_say(world_row_holds(id, line[0] == '5') || world.n_rows + 32 > WORLD_ROWS,
                 "answered before its row was durable: %.*s", (int)(feed - line), line);
    }
}

static void client_read(void)
{
    char chunk[16384];
    while (client.fd >= 0 && !client.deaf && !client.talk.ended) {
        ssize_t got = recv(client.fd, chunk, sizeof(chunk), 0);
        if (got < 0 && errno == EAGAIN)
            break;
        if (got <= 0)
            client.talk.ended = true;
        else
            strbuf_add(&client.talk.out, chunk, (size_t)got);
    }
    if (!client.talk.implicit_tls)
        check_references();
}

static void turn(void)
{
    if (passwords.mode != PASSWORDS_HOLD)
        release_passwords();
    world_pump();
    client_read();
}

/* Turns until a turn changes nothing that can be seen from here. */
static void settle(int most)
{
    size_t before, after = 0;
    do {
        before = after;
        turn();
        after = world.n_rows + world.n_said + world.body.length + client.talk.out.length +
                (atomic_load(&world.gate.sessions) > 0 ? 1 + (size_t)world.session->state : 0);
    } while (before != after && --most > 0);
}

static void client_send(const char *bytes, size_t length)
{
    for (size_t at = 0; at < length && client.fd >= 0 && !client.half_closed;) {
        size_t part = client.cut > 0 && client.cut < length - at ? client.cut : length - at;
        if (client.talk.in.length + part > SENT_MAX || client.pieces++ > PIECES_MAX)
            return;
        ssize_t sent = send(client.fd, bytes + at, part, MSG_NOSIGNAL);
        turn();
        if (sent <= 0)
            return; /* the gate is gone, or does not read */
        strbuf_add(&client.talk.in, bytes + at, (size_t)sent);
        at += (size_t)sent;
    }
}

/* What it was told until then it was told, whether it listened or not. */
static void client_close(void)
{
    client.deaf = false;
    client_read();
    if (client.fd >= 0)
        close(client.fd);
    client.fd = -1;
}

static void begin_session(const char *text)
{
    static const char *const listeners[] = {"plain", "maybe", "must", "wrapped"};
    static const char *const peers[] = {"192.0.2.10", "192.0.2.20", "192.0.2.30", "192.0.2.40",
                                        "192.0.2.50", "192.0.2.60", "127.0.0.1"};
    size_t listener = 0, peer = 0;
    if (client.began)
        return;
    for (size_t i = 0; i < sizeof(listeners) / sizeof(listeners[0]); i++)
        if (strncmp(text, listeners[i], strlen(listeners[i])) == 0)
            listener = i;
    for (size_t i = 0; i < sizeof(peers) / sizeof(peers[0]); i++)
        if (strstr(text, peers[i]) != NULL)
            peer = i;
    client.began = true;
    client.talk.implicit_tls = listener == 3;
    client.talk.discards = peer == 2;
    client.fd = world_connect(listeners[listener], peers[peer]);
    turn();
}

/* ---- the script ---- */

static void do_repeat(char *text)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    size_t length = 0;
    struct strbuf all = {0};
    if (*end != ' ' || !script_unescape(end + 1, &length))
        return;
    for (; n > 0 && all.length + length <= SENT_MAX && length > 0; n--)
        strbuf_add(&all, end + 1, length);
    client_send(all.data, all.length);
    strbuf_free(&all);
}

static void do_send(char *text, bool line)
{
    size_t length = 0;
    char end[] = "\r\n";
    if (!script_unescape(text, &length))
        return;
    if (line && client.cut == 0) {
        memcpy(text + length, end, 3); /* the caller left room */
        client_send(text, length + 2);
    } else {
        client_send(text, length);
        client_send(end, line ? 2 : 0);
    }
}

static void do_greeted(const char *text)
{
    static const char ehlo[] = "EHLO client.acme.example\r\n";
    if (client.began)
        return;
    begin_session(text);
    client_send(ehlo, sizeof(ehlo) - 1);
}

static void do_word(const char *word, char *text)
{
    if (strcmp(word, "C:") == 0)
        do_send(text, true);
    else if (strcmp(word, "bytes") == 0)
        do_send(text, false);
    else if (strcmp(word, "session") == 0)
        begin_session(text);
    else if (strcmp(word, "greeted") == 0)
        do_greeted(text);
    else if (strcmp(word, "repeat") == 0)
        do_repeat(text);
    else if (strcmp(word, "cut") == 0)
        client.cut = strtoul(text, NULL, 10);
    else if (strcmp(word, "auth") == 0)
        do_auth(text);
    else if (!script_event(word, text))
        settle(6); /* "S: …" and its like */
}

static void do_alone(const char *word)
{
    static const char message[] = "From: news@acme.example\r\n\r\nHello you\r\n.\r\n";
    if (strcmp(word, "message") == 0)
        client_send(message, sizeof(message) - 1);
    else if (strcmp(word, "C:") == 0)
        client_send("\r\n", 2);
    else if (strcmp(word, "close") == 0)
        client_close();
    else if (strcmp(word, "half-close") == 0 && client.fd >= 0)
        client.half_closed = shutdown(client.fd, SHUT_WR) == 0;
    else if (strcmp(word, "deaf") == 0)
        client.deaf = true;
    else if (strcmp(word, "hears") == 0)
        client.deaf = false;
    else if (!script_event(word, NULL))
        settle(6);
}

static void do_line(const char *line, size_t length)
{
    char *copy = malloc(length + 3);
    must(copy != NULL);
    memcpy(copy, line, length);
    memset(copy + length, 0, 3);
    char *space = strchr(copy, ' ');
    if (space == NULL) {
        do_alone(copy);
    } else if (copy[0] != '#') {
        *space = '\0';
        do_word(copy, space + 1);
    }
    free(copy);
}

/* ---- a run ---- */

static void check_rows(void)
{
    for (size_t i = 0; i < world.n_rows; i++)
        must_say(strstr(world.rows[i].text, "1@person.example") == NULL,
                 "a clear address in the journal: %s", world.rows[i].text);
}

/* Everybody who owes an answer gives it, and the client listens: then all must be answered. */
static void finish_run(void)
{
    world.provider.hold = false;
    world.store_hold = false;
    if (world.journal == JOURNAL_HOLD)
        world.journal = JOURNAL_LATER;
    passwords.mode = PASSWORDS_SOON;
    client.deaf = false;
    for (int i = 0; i < 40; i++) {
        world_release_lookups(i % 2 == 0);
        world_drain_provider();
        settle(20);
        if (atomic_load(&world.gate.sessions) > 0 && world.session->state == SMTP_PENALTY)
            world_advance(10 * CLOCK_SECOND);
        else if (i > 2)
            break;
    }
    settle(200);
    must_say(!client.half_closed || client.fd < 0 || client.talk.ended,
             "the session outlives its client");
    must(!client.began || client.fd >= 0 || atomic_load(&world.gate.sessions) == 0);
    if (client.fd < 0)
        client.talk.ended = true; /* what could not be read any more proves nothing */
    model_judge(&client.talk);
    check_rows();
    client_close();
    settle(20);
    must_say(atomic_load(&world.gate.sessions) == 0, "the session does not end");
    must(atomic_load(&world.entrance.sessions) == 0);
    must(ticket_count(world.lane.sessions) == 0);
}

static void begin_world(void)
{
    signal(SIGPIPE, SIG_IGN); /* as the gateway does */
    world_make();
    must(atexit(world_free) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (world.loop == NULL)
        begin_world();
    memset(&client, 0, sizeof(client));
    memset(&passwords, 0, sizeof(passwords));
    client.fd = -1;
    const char *at = (const char *)data, *end = at + size;
    for (int lines = 0; at < end && lines < INPUT_LINES; lines++) {
        const char *feed = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((feed != NULL ? feed : end) - at);
        do_line(at, length);
        at += length + 1;
    }
    finish_run();
    strbuf_free(&client.talk.in);
    strbuf_free(&client.talk.out);
    world_reset();
    return 0;
}

/* ---- mutation by the line ---- */

const char *const fuzz_lines[] = {
    "session plain 192.0.2.10",
    "session maybe 192.0.2.10",
    "session must 192.0.2.10",
    "session wrapped 192.0.2.10",
    "greeted plain 192.0.2.10",
    "greeted plain 192.0.2.20",
    "greeted plain 192.0.2.30",
    "greeted plain 192.0.2.40",
    "greeted plain 192.0.2.50",
    "greeted plain 192.0.2.60",
    "greeted plain 127.0.0.1",
    "greeted maybe 127.0.0.1",
    "C: EHLO client.acme.example",
    "C: HELO client",
    "C: MAIL FROM:<news@acme.example>",
    "C: MAIL FROM:<>",
    "C: MAIL FROM:<news@acme.example> SIZE=100 BODY=8BITMIME",
    "C: RCPT TO:<yes1@person.example>",
    "C: RCPT TO:<yes2@person.example>",
    "C: RCPT TO:<yes3@person.example>",
    "C: RCPT TO:<no@person.example>",
    "C: RCPT TO:<withdrawn1@person.example>",
    "C: RCPT TO:<objected1@person.example>",
    "C: RCPT TO:<broken1@person.example>",
    "C: RCPT TO:<unknown1@person.example>",
    "C: RCPT TO:<busy1@person.example>",
    "C: RCPT TO:<suspended1@person.example>",
    "C: DATA",
    "C: RSET",
    "C: NOOP",
    "C: QUIT",
    "C: STARTTLS",
    "C: VRFY x",
    "C: HELP",
    "C: AUTH PLAIN AGFjbWUtbG9naW4Ac2VjcmV0",
    "C: AUTH PLAIN AGFjbWUtbG9naW4Ad3Jvbmc=",
    "C: AUTH LOGIN",
    "C: AUTH PLAIN",
    "C: YWNtZS1sb2dpbg==",
    "C: c2VjcmV0",
    "C: *",
    "C: .",
    "C: ..",
    "C:",
    "C: From: news@acme.example",
    "C: From: news@other.example",
    "C: List-Unsubscribe: <https://acme.example/u>",
    "C: List-Unsubscribe-Post: List-Unsubscribe=One-Click",
    "message",
    "S-",
    "S: *",
    "close",
    "half-close",
    "drain",
    "abort",
    "deaf",
    "hears",
    "cut 1",
    "cut 7",
    "cut 0",
    "advance 2",
    "advance 31",
    "advance 301",
    "store hold",
    "store answers",
    "store answers reversed",
    "journal later",
    "journal sync",
    "journal hold",
    "journal fail",
    "journal answers",
    "journal gives up",
    "provider hold",
    "provider go",
    "provider clogs",
    "provider drains",
    "provider first unreachable",
    "provider fails said",
    "provider fails unsaid",
    "provider max 1",
    "provider rcpt 421 4.3.2 closing",
    "provider rcpt 550 5.1.1 no",
    "provider rcpt 250 2.1.5 ok",
    "provider data 554 5.6.0 no",
    "provider data 421 4.3.2 closing",
    "provider final 552 5.3.4 no",
    "provider final 421 4.3.2 closing",
    "provider final lost",
    "auth hold",
    "auth go",
    "auth busy",
    "auth at once",
    "repeat 300 NOOP\\r\\n",
    "repeat 1100 x",
    "repeat 13000 x",
    "repeat 70 Subject: 0123456789012345678901234567890123456789\\r\\n",
    "repeat 1600 0123456789012345678901234567890123456789\\r\\n",
    "bytes DATA\\r\\nFrom: news@acme.example\\r\\n\\r\\n.\\r\\n",
    "bytes \\r\\n.\\r\\n",
    "bytes \\n.\\n",
    "bytes \\r",
    "bytes \\n",
    "bytes .",
    "bytes MAIL FROM:<news@acme.example>\\r\\nRCPT TO:<yes1@person.example>\\r\\nDATA\\r\\n",
};

const size_t fuzz_n_lines = sizeof(fuzz_lines) / sizeof(fuzz_lines[0]);
