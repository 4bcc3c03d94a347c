/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/server_model.h"

#include "tests/unit/test_proxy_fakes.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define LONGEST_LINE 12288 /* RFC 4954, 4; longer ones are refused before their end has come */
#define MESSAGES     256

struct text {
    const char *at;
    size_t length;
};

/* ---- the replies ---- */

struct reader {
    const struct conversation *talk;
    size_t in, out;
    struct text line; /* the last line taken from the client */
    int code;         /* of the last reply */
};

static bool next_line(const struct strbuf *from, size_t *at, struct text *line)
{
    if (*at >= from->length)
        return false;
    const char *begin = from->data + *at;
    const char *feed = memchr(begin, '\n', from->length - *at);
    if (feed == NULL)
        return false;
    *line = (struct text){begin, (size_t)(feed - begin) + 1};
    *at += line->length;
    return true;
}

static void check_reply_line(struct text line)
{
    must(line.length >= 6 && line.length <= 1024);
    must(memcmp(line.at + line.length - 2, "\r\n", 2) == 0);
    must(line.at[0] >= '2' && line.at[0] <= '5');
    must(isdigit((unsigned char)line.at[1]) && isdigit((unsigned char)line.at[2]));
    must(line.at[3] == ' ' || line.at[3] == '-');
    for (size_t i = 0; i + 2 < line.length; i++)
        must((unsigned char)line.at[i] >= 0x20 && line.at[i] != 0x7f);
}

/* The next whole reply; false when there is none. A last one that is cut is none, and only an end
 * may cut it. */
static bool next_reply(struct reader *reader)
{
    size_t at = reader->out;
    struct text line;
    int code = 0;
    while (next_line(&reader->talk->out, &at, &line)) {
        check_reply_line(line);
        int now = (line.at[0] - '0') * 100 + (line.at[1] - '0') * 10 + (line.at[2] - '0');
        must(code == 0 || now == code);
        code = now;
        if (line.at[3] == '-')
            continue;
        reader->out = at;
        reader->code = code;
        return true;
    }
    must(at >= reader->talk->out.length || reader->talk->ended);
    must(code == 0 || reader->talk->ended);
    return false;
}

static bool said_all(const struct reader *reader)
{
    return reader->out >= reader->talk->out.length;
}

/* After this the gate says nothing, and closes. */
static void must_have_ended(const struct reader *reader)
{
    must_say(said_all(reader), "more was said after %d, which ends the connection", reader->code);
    must_say(reader->talk->ended, "%d does not end the connection", reader->code);
}

/* ---- the messages ---- */

struct message {
    struct text sender;
    struct text recipients[128]; /* those the gate accepted */
    unsigned n_recipients;
    struct text content;
};

static struct message current, done[MESSAGES];
static unsigned n_done;

/* What stands between the first '<' and the last '>' of a command. */
static struct text path_of(struct text line)
{
    const char *open = memchr(line.at, '<', line.length);
    const char *close = memrchr(line.at, '>', line.length);
    if (open == NULL || close == NULL || close < open)
        return (struct text){line.at, 0};
    /* Parameters come behind the first '>' that no quote hides; without a quote it is the first. */
    if (memchr(line.at, '"', line.length) == NULL)
        close = memchr(open, '>', line.length - (size_t)(open - line.at));
    return (struct text){open + 1, (size_t)(close - open) - 1};
}

static bool is_verb(struct text line, const char *verb)
{
    size_t length = strlen(verb);
    return line.length >= length && strncasecmp(line.at, verb, length) == 0;
}

/* ---- the walk: one command, one reply ---- */

static bool is_bare(struct text line)
{
    return line.length < 2 || line.at[line.length - 2] != '\r' ||
           memchr(line.at, '\r', line.length - 2) != NULL;
}

/* The content from here on: its end, or where it breaks off for a bare CR or LF. */
static enum { CONTENT_ENDS, CONTENT_BREAKS, CONTENT_OPEN } take_content(struct reader *reader)
{
    const struct strbuf *in = &reader->talk->in;
    size_t begin = reader->in, line = reader->in;
    for (size_t i = reader->in; i < in->length; i++) {
        bool after_cr = i > begin && in->data[i - 1] == '\r';
        if ((in->data[i] == '\n') != after_cr)
            return CONTENT_BREAKS;
        if (in->data[i] != '\n')
            continue;
        if (i - line == 2 && in->data[line] == '.') {
            current.content = (struct text){in->data + begin, line - begin};
            reader->in = i + 1;
            return CONTENT_ENDS;
        }
        line = i + 1;
    }
    return CONTENT_OPEN;
}

/* True: go on with the next command. */
static bool walk_content(struct reader *reader)
{
    int kind = take_content(reader);
    if (!next_reply(reader)) {
        must_say(kind == CONTENT_OPEN || reader->talk->ended, "no answer to the content");
        return false;
    }
    if (kind == CONTENT_ENDS) {
        must(reader->code == 250 || reader->code >= 400);
        if (reader->code == 250 && n_done < MESSAGES)
            done[n_done++] = current;
        current = (struct message){0};
        return true;
    }
    /* Content that was refused already and then breaks off is answered with its first fault. */
    must(kind == CONTENT_BREAKS ? reader->code >= 400 : reader->code == 421);
    must_have_ended(reader);
    return false;
}

/* What a reply to a command line says about the transaction. */
static void note(struct reader *reader)
{
    struct text line = reader->line;
    bool good = reader->code / 100 == 2;
    if (is_verb(line, "MAIL") && good) {
        current = (struct message){.sender = path_of(line)};
    } else if (is_verb(line, "RCPT") && good) {
        must(reader->code == 250 && current.n_recipients < 128);
        current.recipients[current.n_recipients++] = path_of(line);
    } else if ((is_verb(line, "RSET") || is_verb(line, "EHLO") || is_verb(line, "HELO")) && good) {
        current = (struct message){0};
    }
    must(reader->code != 354 || is_verb(line, "DATA"));
    must(reader->code != 221 || is_verb(line, "QUIT"));
    must(reader->code != 220 || is_verb(line, "STARTTLS"));
}

/* A line has not come to its end yet. */
static void walk_partial(struct reader *reader)
{
    size_t held = reader->talk->in.length - reader->in;
    while (next_reply(reader)) {
        must(reader->code == 421 || (reader->code == 500 && held > LONGEST_LINE));
        if (reader->code == 421)
            must_have_ended(reader);
    }
}

/* A whole line came and has its reply. True: go on with the next one. */
static bool walk_line(struct reader *reader, bool *in_auth)
{
    struct text line = reader->line;
    bool long_line = line.length > LONGEST_LINE;
    if (reader->code == 421) {
        must_have_ended(reader);
        return false;
    }
    if (long_line) {
        *in_auth = false;
        must(reader->code == 500 || reader->code == 554);
        /* Its length was refused before its end came, and then that was bare. */
        if (reader->code == 500 && (line.at[line.length - 2] != '\r')) {
            must(next_reply(reader) && (reader->code == 554 || reader->code == 421));
            must_have_ended(reader);
            return false;
        }
        return reader->code == 500;
    }
    if (is_bare(line)) {
        must(reader->code == 554);
        must_have_ended(reader);
        return false;
    }
    if (*in_auth || is_verb(line, "AUTH")) {
        must(reader->code != 354 && reader->code != 220 && reader->code != 221);
        must((reader->code != 334 && reader->code != 235) || reader->code / 100 < 4);
        *in_auth = reader->code == 334;
        return true;
    }
    must(reader->code != 334 && reader->code != 235 && reader->code != 535);
    note(reader);
    if (reader->code == 221)
        must_have_ended(reader);
    if (reader->code == 354)
        return walk_content(reader);
    /* What follows the go-ahead for TLS is no text. */
    return reader->code != 221 && reader->code != 220;
}

static void walk(struct reader *reader)
{
    bool in_auth = false;
    if (!next_reply(reader))
        return;
    must(reader->code == 220 || reader->code == 421);
    for (;;) {
        if (!next_line(&reader->talk->in, &reader->in, &reader->line)) {
            walk_partial(reader);
            return;
        }
        if (!next_reply(reader)) {
            must_say(reader->talk->ended, "no answer to \"%.*s\"", (int)reader->line.length,
                     reader->line.at);
            return;
        }
        if (!walk_line(reader, &in_auth))
            return;
    }
}

/* ---- what a provider read ---- */

static const struct fake_message *taken[MESSAGES];
static unsigned n_taken;

/* The laxest of readers: CR, LF and CRLF all end a line. It, too, must see one message, and no
 * command within. */
static void check_wire(const struct fake_message *message)
{
    const struct strbuf *wire = &message->wire;
    bool in_content = false, dot = false;
    unsigned mails = 0;
    for (size_t at = 0; at < wire->length;) {
        const char *line = wire->data + at;
        size_t length = 0;
        while (at + length < wire->length && line[length] != '\r' && line[length] != '\n')
            length++;
        at += length;
        at += at + 1 < wire->length && memcmp(wire->data + at, "\r\n", 2) == 0 ? 2 : 1;
        must_say(!dot, "a provider reads on behind the final dot");
        if (in_content) {
            dot = length == 1 && line[0] == '.';
        } else if (length == 4 && memcmp(line, "DATA", 4) == 0) {
            in_content = true;
        } else {
            bool mail = length > 11 && memcmp(line, "MAIL FROM:<", 11) == 0;
            must(mail || (length > 9 && memcmp(line, "RCPT TO:<", 9) == 0));
            must(line[length - 1] == '>' && memchr(line, '\0', length) == NULL);
            mails += mail;
            must(mails == 1);
        }
    }
    must(dot == message->finished && in_content == message->content);
}

static void collect(void *arg, const struct fake_message *message)
{
    (void)arg;
    check_wire(message);
    must(!message->taken || (message->finished && message->accepted > 0));
    if (message->taken && n_taken < MESSAGES)
        taken[n_taken++] = message;
}

static bool same(struct text a, const char *b, size_t length)
{
    return a.length == length && (length == 0 || memcmp(a.at, b, length) == 0);
}

/* What a provider was given as content, without the trace line of the gate. */
static bool same_content(const struct fake_message *message, struct text content)
{
    const struct strbuf *wire = &message->wire;
    const char *at = memmem(wire->data, wire->length, "\r\nDATA\r\n", 8);
    must(at != NULL);
    at += 8;
    must(strncmp(at, "Received: from ", 15) == 0);
    for (int i = 0; i < 3; i++) {
        at = strstr(at, "\r\n");
        must(at != NULL);
        at += 2;
    }
    size_t length = wire->length - (size_t)(at - wire->data) - 3;
    return same(content, at, length);
}

/* How much of an address goes upstream as it was written: all of it, unless its domain is not
 * ASCII, for which its A-label goes. */
static int kept(struct text address)
{
    size_t at = address.length;
    while (at > 0 && address.at[at - 1] != '@')
        at--;
    for (size_t i = at; i < address.length; i++)
        if ((unsigned char)address.at[i] >= 0x80)
            return (int)at;
    return (int)address.length;
}

static const char *end_of(struct text address)
{
    return (size_t)kept(address) == address.length ? ">\r\n" : "";
}

static bool same_message(const struct fake_message *fake, const struct message *message)
{
    char line[1024];
    int length = snprintf(line, sizeof(line), "MAIL FROM:<%.*s%s", kept(message->sender),
                          message->sender.at, end_of(message->sender));
    if (strncmp(fake->wire.data, line, (size_t)length) != 0 ||
        !same_content(fake, message->content))
        return false;
    /* In any order: verdicts come in any. */
    unsigned found = 0;
    for (unsigned i = 0; i < message->n_recipients; i++) {
        struct text to = message->recipients[i];
        length = snprintf(line, sizeof(line), "\r\nRCPT TO:<%.*s%s", kept(to), to.at, end_of(to));
        found += memmem(fake->wire.data, fake->wire.length, line, (size_t)length) != NULL;
    }
    return found >= fake->accepted;
}

static void check_messages(const struct conversation *talk)
{
    unsigned used = 0, discarded = 0;
    n_taken = 0;
    world_each_message(collect, NULL);
    for (unsigned i = 0; i < n_done; i++) {
        /* The newest came first. */
        const struct fake_message *next = used < n_taken ? taken[n_taken - 1 - used] : NULL;
        bool all = next != NULL && same_message(next, &done[i]);
        if (all && !talk->discards)
            must_say(next->accepted == done[i].n_recipients, "250 with a recipient lost");
        used += all;
        discarded += !all;
    }
    unsigned rows = 0;
    for (size_t i = 0; i < world.n_rows; i++)
        rows += world.rows[i].durable && world.rows[i].effect == EFFECT_DISCARDED;
    must_say(discarded == 0 || talk->discards, "250 for a message that no provider took");
    must_say(discarded <= rows, "250 for a message that was neither taken nor discarded");
    must_say(n_taken - used <= 1, "a message was taken and not answered with 250");
}

void model_judge(const struct conversation *talk)
{
    struct reader reader = {.talk = talk};
    n_done = 0;
    current = (struct message){0};
    if (!talk->implicit_tls)
        walk(&reader);
    check_messages(talk);
}
