/* SPDX-License-Identifier: Apache-2.0 */
/* What shapes read from a request. Answers are made in answer.c. */
#include "proxy/http/shape.h"

#include "base/crypto.h"
#include "base/flat.h"

#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

void http_call_end(struct http_call *call)
{
    json_decref(call->json);
    call->json = NULL;
    strbuf_free(&call->answer.body);
}

/* False: there are several that differ; *value_out is the first then. */
static bool find_header(const struct evkeyvalq *headers, const char *name, const char **value_out)
{
    const struct evkeyval *header;
    *value_out = NULL;
    TAILQ_FOREACH(header, headers, next)
    {
        if (!ascii_equal(header->key, name))
            continue;
        if (*value_out != NULL && strcmp(*value_out, header->value) != 0)
            return false;
        *value_out = header->value;
    }
    return true;
}

const char *http_header(const struct http_call *call, const char *name)
{
    const char *value;
    return call->headers != NULL && find_header(call->headers, name, &value) ? value : NULL;
}

bool http_header_clear(const struct evkeyvalq *headers, const char *name)
{
    const char *value;
    return find_header(headers, name, &value);
}

const char *http_media(const struct http_call *call)
{
    const char *type = http_header(call, "Content-Type");
    if (type == NULL)
        return "";
    size_t length = strcspn(type, "; \t");
    char *media = arena_copy(call->arena, type, length);
    if (media == NULL)
        return "";
    ascii_lower(media);
    return media;
}

/* ---- fields ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "+" and "%41" decoded into the arena. NULL: not decodable, or no memory. */
static char *decode(struct arena *arena, const char *text, size_t length, size_t *length_out)
{
    char *out = arena_alloc(arena, length + 1);
    size_t n = 0;
    for (size_t i = 0; out != NULL && i < length; i++) {
        if (text[i] == '%') {
            int high = length - i > 2 ? hex_digit(text[i + 1]) : -1;
            int low = length - i > 2 ? hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return NULL;
            out[n++] = (char)(high << 4 | low);
            i += 2;
        } else {
            out[n++] = text[i] == '+' ? ' ' : text[i];
        }
    }
    *length_out = n;
    return out;
}

static bool add_field(struct http_call *call, struct http_field ***last, const char *text,
                      size_t length)
{
    const char *equals = memchr(text, '=', length);
    size_t name_length = equals != NULL ? (size_t)(equals - text) : length;
    size_t ignored;
    struct http_field *field = arena_alloc(call->arena, sizeof(*field));
    if (field == NULL)
        return false;
    field->name = decode(call->arena, text, name_length, &ignored);
    field->value = equals != NULL
                       ? decode(call->arena, equals + 1, length - name_length - 1, &field->length)
                       : "";
    if (field->name == NULL || field->value == NULL)
        return false;
    **last = field;
    *last = &field->next;
    return true;
}

static bool add_fields(struct http_call *call, struct http_field ***last, const char *text,
                       size_t length, unsigned *n)
{
    const char *end = text + length;
    while (text < end) {
        const char *amp = memchr(text, '&', (size_t)(end - text));
        size_t part = (size_t)((amp != NULL ? amp : end) - text);
        if (part > 0 && (++*n > HTTP_FIELDS || !add_field(call, last, text, part)))
            return false;
        text += part + 1;
    }
    return true;
}

bool http_fields(struct http_call *call)
{
    static const char form[] = "application/x-www-form-urlencoded";
    if (call->fields != NULL)
        return true;
    struct http_field *first = NULL;
    struct http_field **last = &first;
    unsigned n = 0;
    if (!add_fields(call, &last, call->query, strlen(call->query), &n))
        return false;
    if (call->method == HTTP_METHOD_POST && strcmp(call->media, form) == 0 &&
        !add_fields(call, &last, call->body, call->length, &n))
        return false;
    /* With none, something that is not NULL, and has no name that anybody asks for. */
    if (first == NULL && (first = arena_alloc(call->arena, sizeof(*first))) != NULL)
        first->name = first->value = "";
    call->fields = first;
    return first != NULL;
}

const struct http_field *http_find_field(const struct http_call *call, const char *name)
{
    for (const struct http_field *field = call->fields; field != NULL; field = field->next)
        if (strcmp(field->name, name) == 0)
            return field;
    return NULL;
}

const char *http_field(const struct http_call *call, const char *name)
{
    const struct http_field *field = http_find_field(call, name);
    return field != NULL && strlen(field->value) == field->length ? field->value : NULL;
}

/* ---- JSON ---- */

bool http_json_read(const char *body, size_t length, json_t **json_out, char *why_out, size_t size)
{
    json_error_t error;
    json_t *json = flat_json(body, length);
    if (json == NULL)
        json = json_loadb(body, length, JSON_REJECT_DUPLICATES, &error);
    if (json == NULL) {
        /* Without what stands there: it may be a number or a text. */
        char *near = strstr(error.text, " near ");
        if (near != NULL)
            *near = '\0';
        snprintf(why_out, size, "line %d, column %d: %s", error.line, error.column, error.text);
        return false;
    }
    *json_out = json;
    if (json_is_object(json))
        return true;
    json_decref(json);
    *json_out = NULL;
    snprintf(why_out, size, "line 1, column 1: an object is expected");
    return false;
}

bool http_json(struct http_call *call, char *why_out, size_t size)
{
    return call->json != NULL ||
           http_json_read(call->body, call->length, &call->json, why_out, size);
}

const char *http_member(const struct http_call *call, const char *name)
{
    return json_string_value(json_object_get(call->json, name));
}

/* ---- who ---- */

void http_login_set(struct http_login *login, const char *name, const char *password)
{
    bool whole = str_copy(login->name, sizeof(login->name), name) &&
                 str_copy(login->password, sizeof(login->password), password);
    login->kind = whole && name[0] != '\0' ? LOGIN_PASSWORD : LOGIN_BAD;
}

static void split_login(struct http_login *login, char *text)
{
    char *colon = strchr(text, ':');
    if (colon == NULL) {
        login->kind = LOGIN_BAD;
        return;
    }
    *colon = '\0';
    http_login_set(login, text, colon + 1);
}

void http_authorization(const struct http_call *call, bool bearer, struct http_login *login)
{
    char text[HTTP_CREDENTIAL * 3 + 1] = "";
    const char *header = http_header(call, "Authorization");
    login->kind = LOGIN_NONE;
    if (header == NULL)
        return;
    login->kind = LOGIN_BAD;
    if (ascii_has_prefix(header, "Basic ")) {
        const char *coded = header + 6 + strspn(header + 6, " ");
        size_t length = strlen(coded);
        ptrdiff_t n = length <= (size_t)HTTP_CREDENTIAL * 4
                          ? base64_decode(coded, length, (uint8_t *)text)
                          : -1;
        if (n < 0)
            return;
        text[n] = '\0';
        if (strlen(text) == (size_t)n)
            split_login(login, text);
    } else if (bearer && ascii_has_prefix(header, "Bearer ")) {
        if (str_copy(text, sizeof(text), header + 7 + strspn(header + 7, " ")))
            split_login(login, text);
    }
    wipe(text, sizeof(text));
}

/* ---- messages ---- */

bool http_is_text(const char *text)
{
    struct sms_shape shape;
    return text[0] != '\0' && sms_measure(text, SMS_ALPHABET_GSM, &shape) && shape.parts > 0;
}

bool http_is_plain(const char *text, size_t max)
{
    size_t length = strlen(text);
    if (length == 0 || length > max || !utf8_valid(text, length))
        return false;
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++)
        if (*at < 0x20 || *at == 0x7f)
            return false;
    return true;
}

bool http_messages(struct http_call *call, size_t n)
{
    call->messages = arena_alloc(call->arena, n * sizeof(*call->messages));
    if (call->messages == NULL)
        return false;
    call->n_messages = n;
    for (size_t i = 0; i < n; i++)
        http_set_sender(&call->messages[i], NULL);
    return true;
}

void http_set_sender(struct http_message *message, const char *sender)
{
    message->what.sender = sender != NULL ? sender : "";
    sms_sender_kind(message->what.sender, &message->what.sender_ton, &message->what.sender_npi);
}

bool http_number(const char *text, int64_t max, int64_t *number_out)
{
    int64_t number = 0;
    if (text[0] == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        number = number * 10 + (*text - '0');
        if (number > max)
            return false;
    }
    *number_out = number;
    return true;
}

int64_t http_stable_number(const char *ref)
{
    uint8_t digest[SHA256_BYTES] = {0};
    uint64_t number = 0;
    /* Without the hash, which can fail when memory is short, 0 is no id of anything. */
    if (!sha256(ref, strlen(ref), digest))
        return 0;
    for (size_t i = 0; i < 8; i++)
        number = number << 8 | digest[i];
    return (int64_t)(number >> 11);
}
