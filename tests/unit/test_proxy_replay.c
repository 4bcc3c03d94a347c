/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs tests/replay/NAME.replay: a conversation with the real session, line by line, each script
 * twice: as written, and with every byte sent alone. tests/replay/README tells the language. What a
 * script does not claim (a reply, a journal row, something told to a provider) is a failure, and so
 * is a line that is not of the language.
 */
#include "base/workers.h"
#include "tests/unit/test_proxy_fakes.h"
#include "tests/unit/test_proxy_script.h"

#include <errno.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    const char *file;
    int line;
    bool dribble; /* every byte alone */
    bool whole;   /* the script is about what comes in one piece */
    bool deaf;    /* the client does not read */
    int fd;       /* the client's; -1: none */
    SSL_CTX *tls_context;
    SSL *ssl;
    struct strbuf in; /* what the gate said and no line claimed */
    bool eof;
    size_t rows_claimed;
    size_t said_claimed;
    char ids[64][RECORD_ID];
    size_t n_ids;
} run;

#define wrong(format, ...)                                                                     \
    ck_abort_msg("%s:%d%s: " format, run.file, run.line, run.dribble ? " (byte by byte)" : "", \
                 ##__VA_ARGS__)

/* ---- matching ---- */

static bool known_id(const char *text)
{
    for (size_t i = 0; i < run.n_ids; i++)
        if (strncmp(run.ids[i], text, RECORD_ID - 3) == 0)
            return true;
    return false;
}

static bool is_id(const char *text)
{
    return strspn(text, "0123456789ABCDEFGHJKMNPQRSTVWXYZ-") >= RECORD_ID - 3 && text[10] == '-';
}

/* '*' matches anything, {id} the id of a decision: any (learn), or one a reply had. */
static bool matches(const char *pattern, const char *text, bool learn)
{
    for (; *pattern != '\0'; pattern++, text++) {
        if (*pattern == '*') {
            for (;; text++) {
                if (matches(pattern + 1, text, learn))
                    return true;
                if (*text == '\0')
                    return false;
            }
        }
        if (strncmp(pattern, "{id}", 4) == 0) {
            if (!is_id(text) || (!learn && !known_id(text)))
                return false;
            pattern += 3;
            text += RECORD_ID - 4;
        } else if (*pattern != *text) {
            return false;
        }
    }
    return *text == '\0';
}

/* ---- the client ---- */

static void read_some(void)
{
    char chunk[16384];
    for (;;) {
        if (run.fd < 0 || run.eof || run.deaf)
            return;
        ssize_t got;
        if (run.ssl != NULL) {
            int n = SSL_read(run.ssl, chunk, sizeof(chunk));
            int code = n > 0 ? 0 : SSL_get_error(run.ssl, n);
            if (n <= 0 && (code == SSL_ERROR_WANT_READ || code == SSL_ERROR_WANT_WRITE))
                return;
            got = n > 0 ? n : 0;
        } else {
            got = recv(run.fd, chunk, sizeof(chunk), 0);
            if (got < 0 && errno == EAGAIN)
                return;
        }
        if (got <= 0)
            run.eof = true;
        else
            strbuf_add(&run.in, chunk, (size_t)got);
    }
}

static void turn(void)
{
    world_pump();
    read_some();
}

static void send_bytes(const char *bytes, size_t length)
{
    size_t at = 0;
    for (int waits = 0; at < length && waits < 1000;) {
        size_t part = run.dribble && length < 4096 ? 1 : length - at;
        ssize_t sent;
        if (run.ssl != NULL)
            sent = SSL_write(run.ssl, bytes + at, (int)part);
        else
            sent = send(run.fd, bytes + at, part, MSG_NOSIGNAL);
        if (sent > 0)
            at += (size_t)sent;
        else if (run.ssl == NULL && errno != EAGAIN)
            return; /* the gate closed: what it said tells */
        else
            waits++;
        turn();
    }
}

static bool has_line(void)
{
    return run.in.length > 0 && memchr(run.in.data, '\n', run.in.length) != NULL;
}

/* The second promise, the refusals' half: a refusal that names a row has that row. */
static void check_reference(const char *line)
{
    const char *ref = strstr(line, "ref ");
    if (ref == NULL || !is_id(ref + 4))
        return;
    char *id = run.ids[run.n_ids++ % 64];
    memcpy(id, ref + 4, RECORD_ID - 3);
    id[RECORD_ID - 3] = '\0';
    if (!world_row_holds(id, line[0] == '5'))
        wrong("answered before its row was durable: %s", line);
}

static void expect_line(const char *pattern)
{
    for (int i = 0; i < 3000 && !has_line(); i++) {
        turn();
        if (i > 50)
            usleep(1000);
    }
    if (!has_line())
        wrong("expected \"%s\", got %s", pattern,
              run.eof             ? "the end"
              : run.in.length > 0 ? run.in.data
                                  : "nothing");
    char line[2048];
    size_t length = (size_t)((char *)memchr(run.in.data, '\n', run.in.length) - run.in.data) + 1;
    ck_assert(length >= 2 && length < sizeof(line));
    memcpy(line, run.in.data, length);
    memmove(run.in.data, run.in.data + length, run.in.length - length + 1);
    run.in.length -= length;
    if (line[length - 2] != '\r')
        wrong("a reply does not end in CRLF");
    line[length - 2] = '\0';
    check_reference(line);
    if (!matches(pattern, line, true))
        wrong("expected \"%s\", got \"%s\"", pattern, line);
}

static void settle(void)
{
    for (int i = 0; i < 30; i++)
        turn();
}

static void expect_silence(void)
{
    settle();
    if (run.in.length > 0)
        wrong("expected no reply, got \"%s\"", run.in.data);
    if (run.eof)
        wrong("expected no reply, got the end");
}

static void expect_end(void)
{
    for (int i = 0; i < 100 && !run.eof; i++)
        turn();
    if (run.in.length > 0)
        wrong("expected the end, got \"%s\"", run.in.data);
    if (!run.eof)
        wrong("the connection is still open");
}

/* Everything the gate said, up to now, is of no interest. */
static void forget_replies(void)
{
    settle();
    strbuf_clear(&run.in);
}

static void expect_no_session(void)
{
    for (int i = 0; i < 3000 && atomic_load(&world.gate.sessions) > 0; i++) {
        turn();
        if (i > 50)
            usleep(1000);
    }
    if (atomic_load(&world.gate.sessions) > 0)
        wrong("the session does not end");
}

static void close_client(void)
{
    SSL_free(run.ssl);
    run.ssl = NULL;
    if (run.fd >= 0)
        close(run.fd);
    run.fd = -1;
    settle();
}

static void start_tls(void)
{
    run.tls_context = world_client_tls();
    run.ssl = SSL_new(run.tls_context);
    ck_assert(run.ssl != NULL && SSL_set_fd(run.ssl, run.fd) == 1);
    for (int i = 0; i < 2000; i++) {
        int n = SSL_connect(run.ssl);
        int code = SSL_get_error(run.ssl, n);
        if (n == 1)
            return;
        if (code != SSL_ERROR_WANT_READ && code != SSL_ERROR_WANT_WRITE)
            break;
        world_pump();
    }
    wrong("no TLS");
}

/* ---- what came to the store and to the providers ---- */

/* Each word of the pattern, KEY=GLOB, is a word of the row; "reply=" takes all that follows. */
static bool row_matches(const char *pattern, const struct fake_row *row)
{
    char words[2048];
    char text[1700];
    snprintf(text, sizeof(text), "%s", row->text);
    str_copy(words, sizeof(words), pattern);
    char *reply = strstr(text, " reply=");
    for (char *word = words, *next; word != NULL && *word != '\0'; word = next) {
        bool is_reply = strncmp(word, "reply=", 6) == 0;
        next = is_reply ? NULL : strchr(word, ' ');
        if (next != NULL)
            *next++ = '\0';
        if (is_reply) {
            if (reply == NULL || !matches(word, reply + 1, false))
                return false;
            continue;
        }
        char copy[1700];
        str_copy(copy, sizeof(copy), text);
        bool found = false;
        char *save = copy;
        for (char *part; (part = strsep(&save, " ")) != NULL && !found;)
            found = matches(word, part, false);
        if (!found)
            return false;
    }
    return true;
}

static void expect_row(const char *pattern)
{
    for (int i = 0; i < 200 && world.n_rows == run.rows_claimed; i++)
        turn();
    if (world.n_rows == run.rows_claimed)
        wrong("expected the row \"%s\", there is none", pattern);
    const struct fake_row *row = &world.rows[run.rows_claimed++];
    if (!row_matches(pattern, row))
        wrong("expected the row \"%s\", got \"%s\"", pattern, row->text);
}

static void expect_said(const char *pattern)
{
    for (int i = 0; i < 200 && world.n_said == run.said_claimed; i++)
        turn();
    if (world.n_said == run.said_claimed)
        wrong("expected the provider to be told \"%s\", it was told nothing", pattern);
    const char *said = world.said[run.said_claimed++];
    if (!matches(pattern, said, false))
        wrong("expected the provider to be told \"%s\", it was told \"%s\"", pattern, said);
}

static void expect_all_claimed(void)
{
    settle();
    if (world.n_rows > run.rows_claimed)
        wrong("unclaimed row: %s", world.rows[run.rows_claimed].text);
    if (world.n_said > run.said_claimed)
        wrong("unclaimed, told to the provider: %s", world.said[run.said_claimed]);
    if (run.in.length > 0)
        wrong("unclaimed reply: %s", run.in.data);
}

/* ---- the language ---- */

static size_t unescape(char *text)
{
    size_t length = 0;
    if (!script_unescape(text, &length))
        wrong("an escape that does not exist");
    return length;
}

static void do_client_line(char *text)
{
    size_t length = unescape(text);
    memcpy(text + length, "\r\n", 3); /* the script's line end stood there: there is room */
    send_bytes(text, length + 2);
}

static void do_client_bytes(char *text)
{
    size_t length = unescape(text);
    send_bytes(text, length);
}

static void do_repeat(char *text)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (n == 0 || *end != ' ')
        wrong("repeat N BYTES");
    struct strbuf all = {0};
    size_t length = unescape(end + 1);
    for (; n > 0; n--)
        strbuf_add(&all, end + 1, length);
    send_bytes(all.data, all.length);
    strbuf_free(&all);
}

static void do_session(char *text)
{
    char listener[32];
    char peer[32];
    if (run.fd >= 0 || sscanf(text, "%31s %31s", listener, peer) != 2)
        wrong("session LISTENER PEER, once");
    run.fd = world_connect(listener, peer);
}

/* Past the greeting and EHLO, whose lines are claimed here. */
static void do_greeted(char *text)
{
    static const char ehlo[] = "EHLO client.acme.example\r\n";
    do_session(text);
    expect_line("220 *");
    send_bytes(ehlo, sizeof(ehlo) - 1);
    bool last = false;
    while (!last) {
        for (int i = 0; i < 100 && !has_line(); i++)
            turn();
        last = has_line() && strncmp(run.in.data, "250 ", 4) == 0;
        expect_line("250*");
    }
}

/* 36 bytes of content and the final dot. */
static void send_message(void)
{
    static const char message[] = "From: news@acme.example\r\n\r\nHello you\r\n.\r\n";
    send_bytes(message, sizeof(message) - 1);
}

/* While held, the one helper that hashes passwords is busy with this. */
static struct {
    struct worker_job job;
    _Atomic bool held;
} blocker;

static void block_helper(struct worker_job *job)
{
    (void)job;
    while (blocker.held)
        usleep(500);
}

static void helper_freed(struct loop_task *task)
{
    (void)task;
}

static void do_auth(const char *text)
{
    if (strcmp(text, "hold") == 0 && !blocker.held) {
        blocker.job =
            (struct worker_job){.task.run = helper_freed, .work = block_helper, .home = world.loop};
        blocker.held = true;
        ck_assert(workers_submit(world.workers, &blocker.job));
    } else if (strcmp(text, "go") == 0) {
        blocker.held = false;
    } else {
        wrong("auth hold|go");
    }
}

static void do_body(char *text, bool wanted)
{
    size_t length = unescape(text);
    bool found =
        world.body.length > 0 && memmem(world.body.data, world.body.length, text, length) != NULL;
    if (found != wanted)
        wrong("the content %s it:\n%s", found ? "has" : "lacks",
              world.body.data != NULL ? world.body.data : "");
}

static void do_word(const char *word, char *text)
{
    if (strcmp(word, "C:") == 0)
        do_client_line(text);
    else if (strcmp(word, "bytes") == 0)
        do_client_bytes(text);
    else if (strcmp(word, "repeat") == 0)
        do_repeat(text);
    else if (strcmp(word, "S:") == 0)
        expect_line(text);
    else if (strcmp(word, "J:") == 0)
        expect_row(text);
    else if (strcmp(word, "U:") == 0)
        expect_said(text);
    else if (strcmp(word, "session") == 0)
        do_session(text);
    else if (strcmp(word, "greeted") == 0)
        do_greeted(text);
    else if (strcmp(word, "body-has") == 0)
        do_body(text, true);
    else if (strcmp(word, "body-lacks") == 0)
        do_body(text, false);
    else if (strcmp(word, "auth") == 0)
        do_auth(text);
    else if (!script_event(word, text))
        wrong("not of the language, or not possible now: %s %s", word, text);
}

static bool do_alone(const char *word)
{
    if (strcmp(word, "S-") == 0)
        expect_silence();
    else if (strcmp(word, "S.") == 0)
        expect_end();
    else if (strcmp(word, "message") == 0)
        send_message();
    else if (strcmp(word, "tls") == 0)
        start_tls();
    else if (strcmp(word, "close") == 0)
        close_client();
    else if (strcmp(word, "half-close") == 0)
        ck_assert_int_eq(shutdown(run.fd, SHUT_WR), 0);
    else if (strcmp(word, "deaf") == 0)
        run.deaf = true;
    else if (strcmp(word, "hears") == 0)
        run.deaf = false;
    else if (strcmp(word, "forget") == 0)
        forget_replies();
    else if (strcmp(word, "penalty") == 0)
        for (int i = 0; i < 20000 && world.session->state != SMTP_PENALTY; i++) {
            turn();
            usleep(1000);
        }
    else if (strcmp(word, "ended") == 0)
        expect_no_session();
    else if (strcmp(word, "whole") == 0)
        run.whole = true;
    else
        return script_event(word, NULL);
    return true;
}

/* False: the rest is not for this run. */
static bool do_line(char *line)
{
    if (line[0] == '\0' || line[0] == '#')
        return true;
    char *space = strchr(line, ' ');
    if (space == NULL) {
        if (strcmp(line, "C:") == 0)
            send_bytes("\r\n", 2);
        else if (!do_alone(line))
            wrong("not of the language: %s", line);
        return !(run.whole && run.dribble);
    }
    *space = '\0';
    if (run.fd < 0 && (strcmp(line, "C:") == 0 || strcmp(line, "bytes") == 0))
        wrong("no session");
    do_word(line, space + 1);
    return true;
}

static void end_run(void)
{
    expect_all_claimed();
    blocker.held = false;
    world.provider.hold = false;
    world.journal = JOURNAL_LATER;
    world_release_lookups(false);
    close_client();
    expect_all_claimed();
    ck_assert_msg(atomic_load(&world.gate.sessions) == 0, "%s: the session did not end", run.file);
    ck_assert_uint_eq(atomic_load(&world.entrance.sessions), 0);
    ck_assert_uint_eq(ticket_count(world.lane.sessions), 0);
    SSL_CTX_free(run.tls_context);
    strbuf_free(&run.in);
    world_free();
}

static void run_script(const char *path, bool dribble)
{
    run.file = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
    run.dribble = dribble;
    run.fd = -1;
    world_make();
    FILE *script = fopen(path, "r");
    ck_assert_msg(script != NULL, "cannot open %s", path);
    char *line = NULL;
    size_t size = 0;
    bool go_on = true;
    for (ssize_t length; go_on && (length = getline(&line, &size, script)) > 0;) {
        run.line++;
        if (length >= 2 && line[length - 2] == '\r')
            wrong("a script's lines end in LF");
        char *copy = calloc(1, (size_t)length + 3);
        ck_assert_ptr_nonnull(copy);
        memcpy(copy, line, (size_t)length - (line[length - 1] == '\n'));
        go_on = do_line(copy);
        free(copy);
    }
    free(line);
    fclose(script);
    if (run.line == 0)
        wrong("an empty script");
    end_run();
}

/* ---- the suite ---- */

static glob_t scripts;

START_TEST(replays)
{
    run_script(scripts.gl_pathv[_i / 2], _i % 2 == 1);
}
END_TEST

/* The runner itself: a script that is wrong must not pass. */
static const char *const malformed[] = {
    "C: NOOP\n",
    "hello\n",
    "session plain 192.0.2.10\nS: 220 *\nX: what\n",
    "session plain 192.0.2.10\n", /* the greeting is not claimed */
    "session plain 192.0.2.10\nS: 250 *\n",
    "session plain 192.0.2.10\nS: 220 *\nJ: decision\n",
    "session plain 192.0.2.10\nS: 220 *\nC: \\q\n",
    "session plain 192.0.2.10\nS: 220 *\nS.\n",
    "session plain 192.0.2.10\nS: 220 *\nprovider sleeps\n",
    "session plain 192.0.2.10\r\n",
    "",
};

START_TEST(refuses_a_bad_script)
{
    char path[] = "/tmp/octroi-script-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    size_t length = strlen(malformed[_i]);
    ck_assert_int_eq(write(fd, malformed[_i], length), (ssize_t)length);
    close(fd);
    pid_t child = fork();
    if (child == 0) {
        ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
        char name[64];
        str_copy(name, sizeof(name), path);
        run_script(name, false);
        _exit(77);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    unlink(path);
    ck_assert_msg(!WIFEXITED(status) || WEXITSTATUS(status) != 77, "passed: %s", malformed[_i]);
}
END_TEST

Suite *late_suite(void); /* test_proxy_late.c */

int main(void)
{
    signal(SIGPIPE, SIG_IGN); /* as the gateway does */
    if (glob(REPLAY_FOLDER "/*.replay", 0, NULL, &scripts) != 0) {
        fprintf(stderr, "no script in %s\n", REPLAY_FOLDER);
        return EXIT_FAILURE;
    }
    Suite *suite = suite_create("replay");
    TCase *cases = tcase_create("replay");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_loop_test(cases, replays, 0, (int)(2 * scripts.gl_pathc));
    tcase_add_loop_test(cases, refuses_a_bad_script, 0,
                        (int)(sizeof(malformed) / sizeof(malformed[0])));
    suite_add_tcase(suite, cases);
    Suite *const suites[] = {suite, late_suite(), NULL};
    int status = unit_run(suites);
    globfree(&scripts);
    return status;
}
