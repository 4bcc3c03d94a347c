/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/http/text.h"

#include <string.h>

#define NAME_BYTES 64

static const struct {
    const char *text;
    unsigned of;
} names[HTTP_NAME_COUNT] = {
    [HTTP_TO] = {"to", HTTP_OF_MESSAGE},
    [HTTP_TO_DIGITS] = {"to_digits", HTTP_OF_MESSAGE},
    [HTTP_SENDER] = {"sender", HTTP_OF_MESSAGE},
    [HTTP_TEXT] = {"text", HTTP_OF_MESSAGE},
    [HTTP_REFERENCE] = {"reference", HTTP_OF_MESSAGE},
    [HTTP_PARTS] = {"parts", HTTP_OF_MESSAGE},
    [HTTP_UNICODE] = {"unicode", HTTP_OF_MESSAGE},
    [HTTP_PROSPECTING] = {"prospecting", HTTP_OF_MESSAGE},
    [HTTP_REPORT] = {"report", HTTP_OF_MESSAGE},
    [HTTP_VALIDITY] = {"validity", HTTP_OF_MESSAGE},
    [HTTP_VALIDITY_MINUTES] = {"validity_minutes", HTTP_OF_MESSAGE},
    [HTTP_USERNAME] = {"username", HTTP_OF_PROVIDER},
    [HTTP_PASSWORD] = {"password", HTTP_OF_PROVIDER},
    [HTTP_URL] = {"url", HTTP_OF_PROVIDER},
    [HTTP_REPORT_URL] = {"report_url", HTTP_OF_PROVIDER},
    [HTTP_INBOUND_URL] = {"inbound_url", HTTP_OF_PROVIDER},
    [HTTP_TIMESTAMP] = {"timestamp", HTTP_OF_TIME},
    [HTTP_METHOD] = {"method", HTTP_OF_REQUEST},
    [HTTP_REQUEST_URL] = {"request_url", HTTP_OF_REQUEST},
    [HTTP_BODY] = {"body", HTTP_OF_REQUEST},
    [HTTP_SIGNATURE] = {"signature", HTTP_OF_SIGNATURE},
    [HTTP_SETTING] = {"setting.", HTTP_OF_PROVIDER},
};

/* ---- reading ---- */

static struct http_piece *add_piece(struct http_text_reader *reader, struct http_piece ***end)
{
    struct http_piece *piece = arena_alloc(reader->arena, sizeof(*piece));
    if (piece == NULL)
        return NULL;
    **end = piece;
    *end = &piece->next;
    return piece;
}

static enum result read_name(struct http_text_reader *reader, const char *name, unsigned allowed,
                             struct http_piece *piece, struct error *err)
{
    static const char prefix[] = "setting.";
    unsigned index = piece->n_names;
    char wrong[160] = "";
    if (index == HTTP_ALTERNATIVES)
        return error_set(err, RESULT_BAD_INPUT, "a placeholder names more than %d values",
                         HTTP_ALTERNATIVES);
    enum http_name found = HTTP_NAME_COUNT;
    if (strncmp(name, prefix, sizeof(prefix) - 1) == 0)
        found = HTTP_SETTING;
    for (int i = 0; i < HTTP_SETTING; i++)
        if (strcmp(name, names[i].text) == 0)
            found = (enum http_name)i;
    if (found == HTTP_NAME_COUNT)
        return error_set(err, RESULT_BAD_INPUT, "{%.40s} is no placeholder", name);
    if ((names[found].of & allowed) == 0)
        return error_set(err, RESULT_BAD_INPUT, "{%.40s} has no meaning here", name);
    if (found == HTTP_SETTING) {
        const char *setting = name + sizeof(prefix) - 1;
        piece->settings[index] = reader->setting(reader->arg, setting, wrong, sizeof(wrong));
        if (piece->settings[index] == NULL)
            return error_set(err, RESULT_BAD_INPUT, "%s", wrong);
    }
    piece->names[index] = found;
    piece->n_names++;
    reader->named |= 1u << found;
    return RESULT_OK;
}

static enum result read_filter(const char *name, struct http_piece *piece, struct error *err)
{
    static const struct {
        const char *name;
        enum http_escape escape;
    } filters[] = {
        {"url", HTTP_FOR_URL},
        {"json", HTTP_FOR_JSON},
        {"xml", HTTP_FOR_XML},
        {"literal", HTTP_LITERAL},
    };
    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
        if (strcmp(name, filters[i].name) == 0) {
            piece->filtered = true;
            piece->filter = filters[i].escape;
            return RESULT_OK;
        }
    return error_set(err, RESULT_BAD_INPUT,
                     "\"|%.40s\" is not known: use |url, |json, |xml or "
                     "|literal",
                     name);
}

/* "a or b": the names, in place. */
static enum result read_names(struct http_text_reader *reader, char *at, unsigned allowed,
                              struct http_piece *piece, struct error *err)
{
    enum result result = RESULT_OK;
    while (at != NULL && result == RESULT_OK) {
        char *next = strstr(at, " or ");
        if (next != NULL) {
            *next = '\0';
            next += strlen(" or ");
        }
        result = read_name(reader, at, allowed, piece, err);
        at = next;
    }
    return result;
}

/* What stands between the braces. */
static enum result read_placeholder(struct http_text_reader *reader, const char *text,
                                    size_t length, unsigned allowed, struct http_piece *piece,
                                    struct error *err)
{
    char *inside = arena_copy(reader->arena, text, length);
    if (inside == NULL)
        return error_no_memory(err);
    char *filter = strrchr(inside, '|');
    char *question = strchr(inside, '?');
    if (filter != NULL) {
        *filter = '\0';
        enum result result = read_filter(filter + 1, piece, err);
        if (result != RESULT_OK)
            return result;
    }
    if (question != NULL) {
        char *colon = strchr(question, ':');
        if (colon == NULL)
            return error_set(err, RESULT_BAD_INPUT, "a placeholder with \"?\" has no \":\"");
        *question = *colon = '\0';
        piece->then = question + 1;
        piece->otherwise = colon + 1;
    }
    size_t last = strlen(inside);
    if (last > 0 && inside[last - 1] == '!') {
        inside[last - 1] = '\0';
        piece->needed = true;
    }
    return read_names(reader, inside, allowed, piece, err);
}

static enum result add_fixed(struct http_text_reader *reader, const char *text, size_t length,
                             struct http_piece ***end, struct error *err)
{
    if (length == 0)
        return RESULT_OK;
    struct http_piece *piece = add_piece(reader, end);
    if (piece == NULL)
        return error_no_memory(err);
    piece->fixed = arena_copy(reader->arena, text, length);
    piece->length = length;
    return piece->fixed != NULL ? RESULT_OK : error_no_memory(err);
}

enum result http_text_parse(struct http_text_reader *reader, const char *text, unsigned allowed,
                            struct http_text *text_out, struct error *err)
{
    struct http_piece **end = &text_out->first;
    enum result result = RESULT_OK;
    *text_out = (struct http_text){.constant = true};
    while (*text != '\0' && result == RESULT_OK) {
        size_t plain = strcspn(text, "{}");
        result = add_fixed(reader, text, plain, &end, err);
        text += plain;
        if (*text == '\0' || result != RESULT_OK)
            break;
        if (text[0] == text[1]) { /* a brace that stands for itself is written twice */
            result = add_fixed(reader, text, 1, &end, err);
            text += 2;
            continue;
        }
        size_t length = strcspn(text + 1, "{}");
        if (*text == '}' || text[1 + length] != '}')
            return error_set(err, RESULT_BAD_INPUT,
                             "a brace is not closed or not opened: write "
                             "{{ or }} for one that is meant");
        struct http_piece *piece = add_piece(reader, &end);
        result = piece == NULL ? error_no_memory(err)
                               : read_placeholder(reader, text + 1, length, allowed, piece, err);
        text_out->constant = false;
        for (unsigned i = 0; result == RESULT_OK && i < piece->n_names; i++)
            text_out->uses |= names[piece->names[i]].of;
        text += length + 2;
    }
    return result;
}

/* ---- writing ---- */

static bool unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void http_add_url(struct strbuf *out, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (unreserved(text[i]))
            strbuf_add_char(out, text[i]);
        else
            strbuf_add_format(out, "%%%02X", (unsigned char)text[i]);
    }
}

bool http_add_unescaped(struct strbuf *out, const char *text, size_t length, bool nuls)
{
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = (uint8_t)text[i];
        if (text[i] == '+') {
            byte = ' ';
        } else if (text[i] == '%') {
            if (length - i < 3 || !hex_decode(text + i + 1, 2, &byte, 1))
                return false;
            i += 2;
        }
        if (byte != 0 || nuls)
            strbuf_add_char(out, (char)byte);
    }
    return true;
}

static void add_xml(struct strbuf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '&':
            strbuf_add_str(out, "&amp;");
            break;
        case '<':
            strbuf_add_str(out, "&lt;");
            break;
        case '>':
            strbuf_add_str(out, "&gt;");
            break;
        case '"':
            strbuf_add_str(out, "&quot;");
            break;
        case '\'':
            strbuf_add_str(out, "&apos;");
            break;
        case '\t':
        case '\n':
        case '\r': /* as characters they would not survive in an attribute */
            strbuf_add_format(out, "&#%d;", *text);
            break;
        default: /* XML 1.0 has no other controls */
            if ((unsigned char)*text < 0x20)
                strbuf_add_str(out, "\xef\xbf\xbd");
            else
                strbuf_add_char(out, *text);
        }
    }
}

static bool has_control(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    return false;
}

/* RFC 8259: a number, or one of three words. */
static bool is_literal(const char *text)
{
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0 || strcmp(text, "null") == 0)
        return true;
    text += *text == '-';
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || (digits > 1 && *text == '0'))
        return false;
    text += digits;
    if (*text == '.') {
        digits = strspn(text + 1, "0123456789");
        text += 1 + digits;
        if (digits == 0)
            return false;
    }
    return *text == '\0';
}

/* name: whose value it is. */
static enum result add_value(const struct http_piece *piece, enum http_name name, const char *value,
                             enum http_escape escape, struct strbuf *out, struct error *err)
{
    /* {url} is the administrator's, and a URL already. */
    if (name == HTTP_URL && escape == HTTP_FOR_URL)
        escape = HTTP_AS_IS;
    switch (piece->filtered ? piece->filter : escape) {
    case HTTP_AS_IS:
        strbuf_add_str(out, value);
        return RESULT_OK;
    case HTTP_FOR_URL:
        http_add_url(out, value, strlen(value));
        return RESULT_OK;
    case HTTP_FOR_JSON:
        strbuf_add_json(out, value, strlen(value));
        return RESULT_OK;
    case HTTP_FOR_XML:
        add_xml(out, value);
        return RESULT_OK;
    case HTTP_FOR_HEADER:
        if (has_control(value))
            return error_set(err, RESULT_BAD_INPUT,
                             "{%s} holds a control character, which no header can carry",
                             names[name].text);
        strbuf_add_str(out, value);
        return RESULT_OK;
    case HTTP_LITERAL:
        if (*value != '\0' && !is_literal(value))
            return error_set(err, RESULT_BAD_INPUT,
                             "{%s} is neither a number nor true, false or "
                             "null",
                             names[name].text);
        strbuf_add_str(out, value);
        return RESULT_OK;
    }
    return RESULT_OK;
}

/* The first of its names that has a value; the last one when none has. */
static const char *value_of(const struct http_piece *piece, const struct http_values *values,
                            enum http_name *name_out)
{
    const char *value = NULL;
    *name_out = piece->names[0];
    for (unsigned i = 0; i < piece->n_names && (value == NULL || *value == '\0'); i++) {
        *name_out = piece->names[i];
        value = piece->names[i] == HTTP_SETTING ? piece->settings[i] : values->of[piece->names[i]];
    }
    if (value == NULL)
        value = "";
    return value;
}

/* What is written for it. */
static const char *word_of(const struct http_piece *piece, const struct http_values *values,
                           enum http_name *name_out)
{
    const char *value = value_of(piece, values, name_out);
    if (piece->then == NULL)
        return value;
    bool no = *value == '\0' || strcmp(value, "0") == 0 || strcmp(value, "false") == 0;
    return no ? piece->otherwise : piece->then;
}

bool http_text_absent(const struct http_text *text, const struct http_values *values)
{
    enum http_name name;
    for (const struct http_piece *piece = text->first; piece != NULL; piece = piece->next)
        if (piece->needed && *word_of(piece, values, &name) == '\0')
            return true;
    return false;
}

enum result http_text_write(const struct http_text *text, const struct http_values *values,
                            enum http_escape escape, struct strbuf *out, struct error *err)
{
    enum result result = RESULT_OK;
    for (const struct http_piece *piece = text->first; piece != NULL && result == RESULT_OK;
         piece = piece->next) {
        enum http_name name;
        if (piece->fixed != NULL) {
            strbuf_add(out, piece->fixed, piece->length);
            continue;
        }
        const char *word = word_of(piece, values, &name);
        result = add_value(piece, name, word, escape, out, err);
    }
    return result;
}
