/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/esmtp/watch.h"

#include "base/str.h"

#include <string.h>

bool watch_init(struct wire_watch *watch)
{
    *watch = (struct wire_watch){.verb = WIRE_CONNECT, .owed = 1};
    watch->input = evbuffer_new();
    reply_reset(&watch->parser);
    return watch->input != NULL;
}

void watch_clear(struct wire_watch *watch)
{
    if (watch->input != NULL)
        evbuffer_free(watch->input);
    watch->input = NULL;
}

void watch_connected(struct wire_watch *watch)
{
    struct evbuffer *input = watch->input;
    bool mail_said = watch->mail_said; /* of the letter, over all connections */
    evbuffer_drain(input, evbuffer_get_length(input));
    *watch = (struct wire_watch){
        .verb = WIRE_CONNECT, .owed = 1, .input = input, .mail_said = mail_said};
    reply_reset(&watch->parser);
}

/* ---- what is said ---- */

static void end_of_line(struct wire_watch *watch)
{
    static const struct {
        const char *word;
        enum wire_verb verb;
    } verbs[] = {
        {"EHLO", WIRE_EHLO}, {"HELO", WIRE_HELO}, {"STARTTLS", WIRE_STARTTLS}, {"AUTH", WIRE_AUTH},
        {"MAIL", WIRE_MAIL}, {"RCPT", WIRE_RCPT}, {"DATA", WIRE_DATA},
    };
    enum wire_verb verb = WIRE_OTHER;
    if (watch->challenged)
        verb = WIRE_AUTH;
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]) && !watch->challenged; i++)
        if (ascii_equal_n(watch->word, watch->word_length, verbs[i].word))
            verb = verbs[i].verb;
    watch->verb = verb;
    watch->owed++;
    watch->word_length = 0;
    watch->in_argument = false;
    watch->challenged = false;
    if (verb == WIRE_MAIL)
        watch->mail_said = true;
    if (verb == WIRE_EHLO || verb == WIRE_HELO) {
        watch->offers = (struct capabilities){.bits = CAPABILITY_KNOWN};
        watch->offers_auth = false;
        watch->offers_chunking = false;
    }
}

void watch_said(struct wire_watch *watch, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char c = bytes[i];
        if (c == '\n')
            end_of_line(watch);
        else if (c == ' ' || c == '\r' || watch->challenged)
            watch->in_argument = true;
        else if (!watch->in_argument && watch->word_length < sizeof(watch->word))
            watch->word[watch->word_length++] = c;
    }
}

void watch_content_given(struct wire_watch *watch)
{
    watch->verb = WIRE_DOT;
    watch->owed++;
}

/* ---- what is heard ---- */

static bool is_keyword(const char *line, size_t length, const char *keyword)
{
    size_t n = strlen(keyword);
    return length >= n && ascii_equal_n(line, n, keyword) && (length == n || line[n] == ' ');
}

static bool names_mechanism(const char *text, size_t length)
{
    static const char *const mechanisms[] = {"PLAIN", "LOGIN", "CRAM-MD5"};
    while (length > 0) {
        const char *space = memchr(text, ' ', length);
        size_t word = space != NULL ? (size_t)(space - text) : length;
        for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++)
            if (ascii_equal_n(text, word, mechanisms[i]))
                return true;
        size_t skip = space != NULL ? word + 1 : word;
        text += skip;
        length -= skip;
    }
    return false;
}

static uint64_t parse_size(const char *text, size_t length)
{
    uint64_t size = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9' || size > (INT64_MAX - 9) / 10)
            return 0;
        size = size * 10 + (uint64_t)(text[i] - '0');
    }
    return size;
}

/* SMTPUTF8 is not among them: libESMTP cannot say it. */
static void on_line(void *arg, unsigned number, const char *text, size_t length)
{
    struct wire_watch *watch = arg;
    if (watch->verb != WIRE_EHLO || number == 0)
        return;
    if (is_keyword(text, length, "PIPELINING")) {
        watch->offers.bits |= CAPABILITY_PIPELINING;
    } else if (is_keyword(text, length, "8BITMIME")) {
        watch->offers.bits |= CAPABILITY_8BITMIME;
    } else if (is_keyword(text, length, "STARTTLS")) {
        watch->offers.bits |= CAPABILITY_STARTTLS;
    } else if (is_keyword(text, length, "CHUNKING")) {
        watch->offers_chunking = true;
    } else if (is_keyword(text, length, "DSN")) {
        watch->offers.bits |= CAPABILITY_DSN;
    } else if (is_keyword(text, length, "SIZE")) {
        watch->offers.bits |= CAPABILITY_SIZE;
        watch->offers.max_size = length > 5 ? parse_size(text + 5, length - 5) : 0;
    } else if (is_keyword(text, length, "AUTH") && length > 5) {
        watch->offers_auth |= names_mechanism(text + 5, length - 5);
    }
}

static void take_reply(struct wire_watch *watch)
{
    if (watch->owed == 0) {
        watch->ahead = true;
        return;
    }
    watch->owed--;
    watch->reply = watch->parser.reply;
    watch->answered = watch->verb;
    if (watch->reply.code >= 400) {
        watch->negative = watch->reply;
        watch->refused = watch->verb;
    }
    if (watch->verb == WIRE_AUTH && watch->reply.code == 235)
        watch->authenticated = true;
    watch->challenged = watch->verb == WIRE_AUTH && watch->reply.code == 334;
    if (watch->verb == WIRE_DOT && watch->final.code == 0)
        watch->final = watch->reply;
}

void watch_heard(struct wire_watch *watch, const char *bytes, size_t length)
{
    if (evbuffer_add(watch->input, bytes, length) != 0) {
        watch->ahead = true; /* memory is short: what cannot be read cannot be believed */
        return;
    }
    enum reply_status status;
    while ((status = reply_parse(&watch->parser, watch->input, on_line, watch)) == REPLY_DONE)
        take_reply(watch);
    /* Also half a line that nobody asked for. */
    if (status == REPLY_GARBAGE || (watch->owed == 0 && evbuffer_get_length(watch->input) > 0))
        watch->ahead = true;
}

void watch_secured(struct wire_watch *watch)
{
    watch->secure = true;
    /* What was learned in clear is forgotten. */
    watch->offers = (struct capabilities){.bits = CAPABILITY_KNOWN};
    watch->offers_auth = false;
    watch->offers_chunking = false;
}
