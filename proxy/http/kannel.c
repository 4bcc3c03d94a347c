/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shape of Kannel's smsbox: GET or POST /cgi-bin/sendsms, text answers. dlr-url is not called:
 * reports go where the administrator said. What would change the message and is not carried is
 * refused, not forgotten.
 */
#include "proxy/http/shape.h"

#include <iconv.h>
#include <stdio.h>
#include <string.h>

#define MEDIA         "text/plain; charset=utf-8"
#define HEADER_MAX    140
#define MESSAGE_CLASS 0x10 /* data_coding: a class follows in the lower two bits */

enum coding { CODING_GSM = 0, CODING_BINARY = 1, CODING_UCS2 = 2 };

/* What was asked for besides the text. */
struct wishes {
    enum coding coding;
    int64_t class; /* 0 … 3; -1: none */
    const struct http_field *header;
    int64_t validity;
    bool report;
};

static bool fail(struct http_call *call, int status, const char *text)
{
    http_answer(call, status, MEDIA);
    strbuf_add_str(&call->answer.body, text);
    return false;
}

static void refuse(struct http_call *call, enum http_trouble trouble)
{
    int status = http_trouble_status(trouble);
    if (status == 401)
        fail(call, 403, "Authorization failed for sendsms");
    else if (status == 429)
        fail(call, 503, http_trouble_text(trouble));
    else
        fail(call, status, http_trouble_text(trouble));
    if (call->answer.status == 503)
        call->answer.retry_after = HTTP_STRAIGHT_AWAY;
}

/* A field under its name or its older one. */
static const char *either(const struct http_call *call, const char *name, const char *older)
{
    const char *value = http_field(call, name);
    return value != NULL ? value : http_field(call, older);
}

static void login(struct http_call *call, struct http_login *login_out)
{
    login_out->kind = LOGIN_NONE;
    if (!http_fields(call))
        return;
    const char *name = either(call, "username", "user");
    const char *password = either(call, "password", "pass");
    if (name != NULL && password != NULL)
        http_login_set(login_out, name, password);
    else if (name != NULL || password != NULL)
        login_out->kind = LOGIN_BAD;
}

/* ---- reading ---- */

static bool read_number(const struct http_call *call, const char *name, int64_t max,
                        int64_t *number_out)
{
    const char *text = http_field(call, name);
    return text == NULL || text[0] == '\0' || http_number(text, max, number_out);
}

static bool read_wishes(struct http_call *call, struct wishes *out)
{
    int64_t coding = CODING_GSM;
    int64_t mask = 0;
    int64_t validity = 0;
    int64_t later = 0;
    *out = (struct wishes){.class = -1};
    out->header = http_find_field(call, "udh");
    if (out->header != NULL && out->header->length == 0)
        out->header = NULL;
    if (out->header != NULL && (out->header->length > HEADER_MAX ||
                                sms_header_length((const uint8_t *)out->header->value,
                                                  out->header->length) != out->header->length))
        return fail(call, 400, "udh is no user data header, rejected");
    if (http_find_field(call, "coding") == NULL && out->header != NULL)
        coding = CODING_BINARY; /* as Kannel has it */
    if (!read_number(call, "coding", 2, &coding))
        return fail(call, 400, "coding must be 0, 1 or 2, rejected");
    if (!read_number(call, "mclass", 3, &out->class))
        return fail(call, 400, "mclass must be 0 to 3, rejected");
    if (!read_number(call, "dlr-mask", 255, &mask) || !read_number(call, "dlrmask", 255, &mask))
        return fail(call, 400, "dlr-mask must be a number, rejected");
    if (!read_number(call, "validity", 10080, &validity))
        return fail(call, 400, "validity must be up to 10080 minutes, rejected");
    if (!read_number(call, "deferred", 1000000, &later) || later != 0)
        return fail(call, 400, "A message cannot be sent later, rejected");
    static const char *const absent[] = {"mwi", "pid", "meta-data", "compress"};
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
        char text[64];
        snprintf(text, sizeof(text), "%s is not carried, rejected", absent[i]);
        if (http_find_field(call, absent[i]) != NULL)
            return fail(call, 400, text);
    }
    out->coding = (enum coding)coding;
    out->validity = validity * 60 * CLOCK_SECOND;
    out->report = mask != 0;
    return true;
}

/* The charsets that are asked for in practice; iconv would load a module of any other name. */
static const char *charset_of(const struct http_call *call, enum coding coding)
{
    static const struct {
        const char *name;
        const char *iconv;
    } known[] = {
        {"UTF-8", "UTF-8"},         {"UTF8", "UTF-8"},         {"ISO-8859-1", "ISO-8859-1"},
        {"LATIN1", "ISO-8859-1"},   {"LATIN-1", "ISO-8859-1"}, {"ISO-8859-15", "ISO-8859-15"},
        {"US-ASCII", "US-ASCII"},   {"ASCII", "US-ASCII"},     {"WINDOWS-1252", "WINDOWS-1252"},
        {"CP1252", "WINDOWS-1252"}, {"UTF-16BE", "UTF-16BE"},  {"UTF-16LE", "UTF-16LE"},
        {"UCS-2", "UTF-16BE"},      {"UCS-2BE", "UTF-16BE"},
    };
    const char *asked = http_field(call, "charset");
    if (asked == NULL || asked[0] == '\0')
        return coding == CODING_UCS2 ? "UTF-16BE" : "UTF-8";
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (ascii_equal(asked, known[i].name))
            return known[i].iconv;
    return NULL;
}

/* The text as UTF-8 in the arena; NULL when it is not in that charset. */
static const char *convert(struct http_call *call, const char *charset,
                           const struct http_field *text)
{
    size_t room = text->length * 3 + 1;
    char *out = arena_alloc(call->arena, room + 1);
    iconv_t conversion = iconv_open("UTF-8", charset);
    if (conversion == (iconv_t)-1)
        return NULL;
    char *from = (char *)(uintptr_t)text->value;
    size_t left = text->length;
    char *to = out;
    bool done = out != NULL && iconv(conversion, &from, &left, &to, &room) == 0 && left == 0;
    iconv_close(conversion);
    if (!done)
        return NULL;
    *to = '\0';
    return strlen(out) == (size_t)(to - out) ? out : NULL;
}

static bool append(struct http_call *call, struct sms_raw *raw, const void *bytes, size_t length)
{
    uint8_t *body = arena_alloc(call->arena, raw->body.length + length + 1);
    if (body == NULL)
        return false;
    if (raw->body.length > 0)
        memcpy(body, raw->body.data, raw->body.length);
    memcpy(body + raw->body.length, bytes, length);
    raw->body.data = body;
    raw->body.length += length;
    return true;
}

/* What data_coding 0 will be read as, by the gate's judge and by the provider. */
static enum sms_alphabet alphabet_of(const struct http_call *call)
{
    const struct stream_config *stream = call->account->stream;
    return stream->n_providers > 0 ? stream->providers[0]->alphabet : SMS_ALPHABET_GSM;
}

static bool append_text(struct http_call *call, struct sms_raw *raw, const char *text,
                        enum coding coding)
{
    struct sms_shape shape;
    size_t length;
    enum sms_alphabet alphabet = alphabet_of(call);
    if (!sms_measure(text, alphabet, &shape))
        return false;
    if (coding == CODING_UCS2)
        shape.data_coding = 8; /* as asked, for it may be one of several parts */
    size_t room = strlen(text) * 2 + 2;
    uint8_t *bytes = arena_alloc(call->arena, room);
    if (bytes == NULL || !sms_encode(text, alphabet, &shape, bytes, room, &length))
        return false;
    raw->data_coding = shape.data_coding;
    return append(call, raw, bytes, length);
}

/* What has a header, a class or is no text goes as SMPP would have it. NULL: it cannot, or there is
 * no memory. */
static const struct sms_raw *make_raw(struct http_call *call, const struct wishes *wishes,
                                      const struct http_field *bytes, const char *text)
{
    struct sms_raw *raw = arena_alloc(call->arena, sizeof(*raw));
    if (raw == NULL)
        return NULL;
    raw->service_type = raw->schedule = raw->validity = "";
    raw->registered = wishes->report ? 1 : 0;
    if (wishes->header != NULL) {
        raw->esm_class = SMPP_ESM_UDHI;
        if (!append(call, raw, wishes->header->value, wishes->header->length))
            return NULL;
    }
    if (wishes->coding == CODING_BINARY) {
        raw->data_coding = 4;
        if (bytes != NULL && !append(call, raw, bytes->value, bytes->length))
            return NULL;
    } else if (text != NULL && !append_text(call, raw, text, wishes->coding)) {
        return NULL;
    }
    if (wishes->class >= 0)
        raw->data_coding = (uint8_t)(MESSAGE_CLASS | raw->data_coding | wishes->class);
    /* One message: what is longer than short_message goes as payload. */
    raw->payload = raw->body.length > 254;
    return raw->body.length > 0 && raw->body.length <= 64 * 1024 - 512 ? raw : NULL;
}

/* Several numbers, separated by spaces. */
static bool read_numbers(struct http_call *call, const char *to, const char *from, const char *text,
                         const struct sms_raw *raw, const struct wishes *wishes)
{
    size_t n = 0;
    for (const char *at = to + strspn(to, " "); *at != '\0'; at += strspn(at, " "), n++) {
        size_t length = strcspn(at, " ");
        if (length > HTTP_NUMBER_MAX)
            return fail(call, 400, "A receiver number is too long, rejected");
        at += length;
    }
    if (n == 0)
        return fail(call, 400, "Missing receiver number, rejected");
    if (n > HTTP_RECIPIENTS)
        return fail(call, 400, "Too many receiver numbers, rejected");
    if (!http_messages(call, n)) {
        refuse(call, TROUBLE_MEMORY);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        struct http_message *message = &call->messages[i];
        to += strspn(to, " ");
        size_t length = strcspn(to, " ");
        http_set_sender(message, from);
        message->what.to = arena_copy(call->arena, to, length);
        message->what.text = raw == NULL ? text : NULL;
        message->what.raw = raw;
        message->what.report = wishes->report;
        message->what.validity = wishes->validity;
        to += length;
        if (message->what.to == NULL) {
            refuse(call, TROUBLE_MEMORY);
            return false;
        }
    }
    return true;
}

static bool read(struct http_call *call)
{
    struct wishes wishes;
    if (!http_fields(call))
        return fail(call, 400, "The parameters cannot be read, rejected");
    const char *to = http_field(call, "to");
    const char *from = http_field(call, "from");
    const struct http_field *body = http_find_field(call, "text");
    const char *text = NULL;
    const struct sms_raw *raw = NULL;
    if (to == NULL)
        return fail(call, 400, "Missing receiver number, rejected");
    if (!http_is_plain(to, (HTTP_NUMBER_MAX + 1) * HTTP_RECIPIENTS))
        return fail(call, 400, "Garbage 'to' field, rejected");
    if (from != NULL && from[0] != '\0' && !http_is_plain(from, HTTP_SENDER_MAX))
        return fail(call, 400, "Garbage 'from' field, rejected");
    if (!read_wishes(call, &wishes))
        return false;
    if (wishes.coding != CODING_BINARY && body != NULL) {
        const char *charset = charset_of(call, wishes.coding);
        text = charset != NULL ? convert(call, charset, body) : NULL;
        if (text == NULL)
            return fail(call, 400,
                        charset == NULL ? "This charset is not known, rejected"
                                        : "text is not in its charset, rejected");
    }
    if (wishes.coding == CODING_BINARY || wishes.header != NULL || wishes.class >= 0) {
        raw = make_raw(call, &wishes, body, text);
        if (raw == NULL)
            return fail(call, 400, "This message cannot be encoded, rejected");
    } else if (text == NULL || !http_is_text(text)) {
        return fail(call, 400, "text is missing, empty or too long, rejected");
    }
    return read_numbers(call, to, from, text, raw, &wishes);
}

/* ---- answering ---- */

/* One line of UTF-8, whatever a provider said. */
static void add_line(struct strbuf *body, const char *text)
{
    size_t left = strlen(text);
    while (left > 0) {
        size_t n = utf8_sequence((const unsigned char *)text, left);
        bool shown = n > 1 || (n == 1 && (unsigned char)*text >= 0x20 && *text != 0x7f);
        strbuf_add(body, shown ? text : "?", shown ? n : 1);
        n = n > 0 ? n : 1;
        text += n;
        left -= n;
    }
}

enum told { TOLD_ACCEPTED, TOLD_FAILED, TOLD_UNKNOWN };

static enum told told_of(const struct http_message *message)
{
    return message->reply.end == SMS_END_ACCEPTED ? TOLD_ACCEPTED
           : message->reply.end == SMS_END_LOST   ? TOLD_UNKNOWN
                                                  : TOLD_FAILED;
}

/* Their numbers, or their references, if there are any. */
static void add_those(struct http_call *call, enum told told, const char *separator)
{
    struct strbuf *body = &call->answer.body;
    for (size_t i = 0; i < call->n_messages; i++) {
        const struct http_message *message = &call->messages[i];
        if (told_of(message) != told)
            continue;
        strbuf_add_str(body, separator);
        strbuf_add_str(body, told == TOLD_ACCEPTED ? message->reply.ref : message->what.to);
        separator = " ";
    }
}

/* Not "again later": a client that comes again by itself would send it twice. */
static void maybe_sent(struct http_call *call)
{
    fail(call, 503, "Unknown outcome, the message may have been sent: do not simply send it again");
    if (call->n_messages > 1) {
        add_those(call, TOLD_UNKNOWN, ", may have been sent to: ");
        add_those(call, TOLD_FAILED, ", failed to: ");
    } else if (call->messages[0].reply.ref[0] != '\0') {
        strbuf_add_format(&call->answer.body, ", ref %s", call->messages[0].reply.ref);
    }
}

static void render(struct http_call *call)
{
    const struct sms_reply *worst = &call->messages[0].reply; /* there is one at least */
    size_t counts[TOLD_UNKNOWN + 1] = {0};
    for (size_t i = 0; i < call->n_messages; i++) {
        const struct sms_reply *reply = &call->messages[i].reply;
        counts[told_of(&call->messages[i])]++;
        if (http_retry_after(reply) > http_retry_after(worst))
            worst = reply;
    }
    if (counts[TOLD_ACCEPTED] > 0) {
        fail(call, 202, "0: Accepted for delivery");
        add_those(call, TOLD_ACCEPTED, ": ");
        add_those(call, TOLD_FAILED, ", failed to: ");
        add_those(call, TOLD_UNKNOWN, ", may have been sent to: ");
        return;
    }
    if (counts[TOLD_UNKNOWN] > 0) {
        maybe_sent(call);
        return;
    }
    call->answer.retry_after = http_retry_after(worst);
    if (call->answer.retry_after != 0) {
        fail(call, 503, "Temporal failure, try again later.");
        return;
    }
    fail(call, worst->end == SMS_END_BAD_NUMBER ? 400 : 403,
         worst->end == SMS_END_BLOCKED ? reason_name(worst->reason) : "Rejected");
    strbuf_add_str(&call->answer.body, ": ");
    add_line(&call->answer.body, worst->text);
    if (worst->ref[0] != '\0')
        strbuf_add_format(&call->answer.body, " ref %s", worst->ref);
}

const struct http_shape kannel_shape = {"kannel", login, read, render, refuse};
