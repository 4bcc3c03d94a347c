/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/http/value.h"

#include "adapters/http/text.h"
#include "base/flat.h"

#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 1000 /* of a form or a text */
#define INDEX_MAX  9999

/* ---- reading ---- */

static bool add_text(json_t *list, const char *text, size_t length)
{
    while (length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL)
        length--;
    while (length > 0 && strchr(" \t\r\n", *text) != NULL) {
        text++;
        length--;
    }
    return json_array_append_new(list, json_stringn(text, length)) == 0;
}

static json_t *read_text(const char *separator, const char *body, size_t length)
{
    json_t *list = json_array();
    size_t width = strlen(separator);
    bool ok = list != NULL;
    for (const char *end = body + length; ok;) {
        size_t left = (size_t)(end - body);
        const char *next = width > 0 ? memmem(body, left, separator, width) : NULL;
        ok = add_text(list, body, next != NULL ? (size_t)(next - body) : left) &&
             json_array_size(list) <= FIELDS_MAX;
        if (next == NULL)
            break;
        body = next + width;
    }
    if (!ok) {
        json_decref(list);
        return NULL;
    }
    return list;
}

static json_t *clean_text(const struct strbuf *text)
{
    struct strbuf out = {0};
    const char *at = text->data;
    for (size_t left = text->length; left > 0;) {
        size_t length = utf8_sequence((const unsigned char *)at, left);
        strbuf_add(&out, length > 0 ? at : "\xef\xbf\xbd", length > 0 ? length : 3);
        at += length > 0 ? length : 1;
        left -= length > 0 ? length : 1;
    }
    json_t *value = out.failed ? NULL : json_stringn(out.data != NULL ? out.data : "", out.length);
    strbuf_free(&out);
    return value;
}

/* One "name=value". */
static bool add_field(json_t *object, const char *field, size_t length)
{
    struct strbuf name = {0}, value = {0};
    const char *equals = memchr(field, '=', length);
    size_t name_length = equals != NULL ? (size_t)(equals - field) : length;
    bool ok = http_add_unescaped(&name, field, name_length, false);
    if (ok && equals != NULL)
        ok = http_add_unescaped(&value, equals + 1, length - name_length - 1, false);
    ok = ok && !name.failed && !value.failed;
    if (ok && name.length > 0 && json_object_get(object, name.data) == NULL)
        ok = json_object_set_new(object, name.data, clean_text(&value)) == 0;
    strbuf_free(&name);
    strbuf_free(&value);
    return ok;
}

/* The field at *text, moving it behind; *length_out may be 0. */
static const char *next_field(const char **text, const char *end, size_t *length_out)
{
    const char *field = *text;
    const char *next = memchr(field, '&', (size_t)(end - field));
    *length_out = (size_t)((next != NULL ? next : end) - field);
    *text = next != NULL ? next + 1 : end;
    return field;
}

bool http_value_add_form(json_t *object, const char *text, size_t length)
{
    const char *end = text + length;
    while (text < end) {
        size_t field_length;
        const char *field = next_field(&text, end, &field_length);
        if (field_length > 0 && !add_field(object, field, field_length))
            return false;
        if (json_object_size(object) > FIELDS_MAX)
            return false;
    }
    return true;
}

bool http_form_bytes(const char *form, size_t length, const char *name, struct strbuf *out)
{
    const char *end = form + length;
    bool found = false;
    while (form < end && !found) {
        struct strbuf own = {0};
        size_t field_length;
        const char *field = next_field(&form, end, &field_length);
        const char *equals = memchr(field, '=', field_length);
        if (equals != NULL && http_add_unescaped(&own, field, (size_t)(equals - field), false) &&
            own.data != NULL && strcmp(own.data, name) == 0)
            found = http_add_unescaped(out, equals + 1, field_length - (size_t)(equals - field) - 1,
                                       true);
        strbuf_free(&own);
    }
    return found && !out->failed;
}

/* The code unit of an escape such as \\ud83d at text; -1: there is none. */
static int32_t escaped_unit(const char *text, size_t left)
{
    uint8_t bytes[2];
    if (left < 6 || text[0] != '\\' || text[1] != 'u' || !hex_decode(text + 2, 4, bytes, 2))
        return -1;
    return bytes[0] << 8 | bytes[1];
}

/* Copies the escape at text, half a character that is escaped alone as U+FFFD. How long it is. */
static size_t copy_escape(const char *text, size_t left, struct strbuf *out)
{
    int32_t unit = escaped_unit(text, left);
    size_t length = unit >= 0 ? 6 : left > 1 ? 2 : 1;
    if (unit >= 0xd800 && unit < 0xdc00) {
        int32_t low = escaped_unit(text + 6, left - 6);
        if (low >= 0xdc00 && low < 0xe000)
            length = 12;
    }
    if (length == 6 && unit >= 0xd800 && unit < 0xe000)
        strbuf_add_str(out, "\\ufffd");
    else
        strbuf_add(out, text, length);
    return length;
}

/* What a strict reader would refuse the whole for is replaced: bytes that are not UTF-8, controls
 * (which JSON only has between its tokens, as blanks), halves of characters. */
static json_t *read_json(const char *body, size_t length)
{
    struct strbuf clean = {0};
    const char *end = body + length;
    strbuf_add(&clean, "", 0);
    while (body < end) {
        size_t left = (size_t)(end - body);
        size_t size = utf8_sequence((const unsigned char *)body, left);
        if (*body == '\\')
            body += copy_escape(body, left, &clean);
        else if (size == 1 && (unsigned char)*body < 0x20)
            strbuf_add_char(&clean, ' '), body++;
        else if (size > 0)
            strbuf_add(&clean, body, size), body += size;
        else
            strbuf_add_str(&clean, "\xef\xbf\xbd"), body++;
    }
    json_t *value =
        clean.failed || clean.data == NULL
            ? NULL
            : json_loadb(clean.data, clean.length,
                         JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    strbuf_free(&clean);
    return value;
}

json_t *http_value_read(enum http_format format, const char *separator, const char *body,
                        size_t length)
{
    if (format == HTTP_FORMAT_JSON) {
        json_t *plain = flat_json(body, length);
        return plain != NULL ? plain : read_json(body, length);
    }
    if (format == HTTP_FORMAT_TEXT)
        return read_text(separator, body, length);
    json_t *object = json_object();
    if (object != NULL && !http_value_add_form(object, body, length)) {
        json_decref(object);
        return NULL;
    }
    return object;
}

/* ---- paths ---- */

struct http_step {
    struct http_step *next;
    const char *name; /* NULL: index */
    size_t index;
};

static struct http_step *add_step(struct arena *arena, struct http_step ***end)
{
    struct http_step *step = arena_alloc(arena, sizeof(*step));
    if (step == NULL)
        return NULL;
    **end = step;
    *end = &step->next;
    return step;
}

enum result http_path_parse(struct arena *arena, const char *text, struct http_path *path_out,
                            struct error *err)
{
    struct http_step **end = &path_out->first;
    const char *at = text;
    path_out->first = NULL;
    while (*at != '\0') {
        size_t length = strcspn(at, ".[");
        struct http_step *step = add_step(arena, &end);
        if (step == NULL)
            return error_no_memory(err);
        if (length > 0) {
            step->name = arena_copy(arena, at, length);
            if (step->name == NULL)
                return error_no_memory(err);
            at += length;
        } else if (*at == '[') {
            char *closed = NULL;
            step->index = strtoul(at + 1, &closed, 10);
            if (closed == at + 1 || at[1] == '-' || at[1] == '+' || *closed != ']' ||
                step->index > INDEX_MAX)
                return error_set(err, RESULT_BAD_INPUT,
                                 "\"%.80s\" is no path: an index is "
                                 "written [0]",
                                 text);
            at = closed + 1;
        } else {
            return error_set(err, RESULT_BAD_INPUT,
                             "\"%.80s\" is no path: write "
                             "\"messages[0].status\"",
                             text);
        }
        if (*at == '.' && *++at == '\0')
            return error_set(err, RESULT_BAD_INPUT, "\"%.80s\" is no path: it ends in a dot", text);
    }
    return RESULT_OK;
}

json_t *http_path_find(const struct http_path *path, json_t *value)
{
    for (const struct http_step *step = path->first; step != NULL && value != NULL;
         step = step->next)
        value = step->name != NULL ? json_object_get(value, step->name)
                                   : json_array_get(value, step->index);
    return value;
}

bool http_path_text(const struct http_path *path, json_t *value, struct strbuf *out)
{
    json_t *found = http_path_find(path, value);
    strbuf_clear(out);
    if (found == NULL || json_is_null(found) || json_is_array(found) || json_is_object(found))
        return false;
    if (json_is_string(found)) {
        strbuf_add(out, json_string_value(found), json_string_length(found));
        return true;
    }
    char *text = json_dumps(found, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    if (text == NULL)
        out->failed = true;
    else
        strbuf_add_str(out, text);
    free(text);
    return true;
}

/* ---- conditions ---- */

static bool status_fits(const struct http_condition *condition, long status)
{
    for (size_t i = 0; i < condition->n_statuses; i++)
        if (condition->statuses[i] == status)
            return true;
    return condition->n_statuses == 0;
}

static bool text_fits(const struct http_condition *condition, const char *text)
{
    if (condition->n_is == 0 && condition->n_begins == 0)
        return true;
    for (size_t i = 0; i < condition->n_is; i++)
        if (strcmp(condition->is[i], text) == 0)
            return true;
    for (size_t i = 0; i < condition->n_begins; i++)
        if (strncmp(condition->begins[i], text, strlen(condition->begins[i])) == 0)
            return true;
    return false;
}

bool http_condition_holds(const struct http_condition *condition, long status, json_t *value)
{
    if (!status_fits(condition, status))
        return false;
    if (!condition->looks)
        return true;
    struct strbuf text = {0};
    bool holds = value != NULL && http_path_text(&condition->path, value, &text) && !text.failed &&
                 text_fits(condition, text.data != NULL ? text.data : "");
    strbuf_free(&text);
    return holds;
}
