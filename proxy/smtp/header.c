/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/smtp/header.h"

#include "base/str.h"
#include "policy/recipient.h"

#include <string.h>

#define FROM_MAILBOXES_MAX 16

/* ---- fields ---- */

struct field {
    const char *name;
    size_t name_length;
    const char *body; /* behind the colon, folded lines and all */
    size_t body_length;
};

static bool is_field_name(const char *text, size_t length)
{
    if (length == 0)
        return false;
    for (size_t i = 0; i < length; i++)
        if (text[i] < 33 || text[i] > 126)
            return false;
    return true;
}

/* The field at *at; moves *at behind it. RESULT_NOT_FOUND at the empty line or the end. */
static enum result next_field(const char **at, const char *end, struct field *field_out,
                              struct error *err)
{
    const char *start = *at;
    if (start == end || (end - start >= 2 && start[0] == '\r' && start[1] == '\n'))
        return RESULT_NOT_FOUND;
    if (*start == ' ' || *start == '\t')
        return error_set(err, RESULT_BAD_INPUT, "the header starts with a folded line");
    const char *line_end = memchr(start, '\n', (size_t)(end - start));
    const char *colon = memchr(start, ':', (size_t)((line_end ? line_end : end) - start));
    if (line_end == NULL || colon == NULL)
        return error_set(err, RESULT_BAD_INPUT, "a header line has no field name");
    const char *name_end = colon;
    /* Obsolete syntax lets spaces stand before the colon; some readers take them, some do not. */
    while (name_end > start && (name_end[-1] == ' ' || name_end[-1] == '\t'))
        name_end--;
    if (name_end != colon || !is_field_name(start, (size_t)(name_end - start)))
        return error_set(err, RESULT_BAD_INPUT, "a header field name is not valid");
    const char *after = line_end + 1;
    while (after < end && (*after == ' ' || *after == '\t')) {
        const char *fold = memchr(after, '\n', (size_t)(end - after));
        after = fold != NULL ? fold + 1 : end;
    }
    *field_out = (struct field){
        .name = start,
        .name_length = (size_t)(name_end - start),
        .body = colon + 1,
        .body_length = (size_t)(after - colon - 1),
    };
    *at = after;
    return RESULT_OK;
}

/* ---- From: a mailbox-list (RFC 5322, 3.4) ---- */

struct cursor {
    const char *at;
    const char *end;
};

static bool skip_comment(struct cursor *cursor)
{
    int depth = 0;
    do {
        char c = *cursor->at;
        if (c == '\\')
            cursor->at++;
        else if (c == '(')
            depth++;
        else if (c == ')')
            depth--;
        cursor->at++;
    } while (depth > 0 && cursor->at < cursor->end);
    return depth == 0 && cursor->at <= cursor->end;
}

/* White space, line folds and comments. */
static bool skip_space(struct cursor *cursor)
{
    while (cursor->at < cursor->end) {
        if (strchr(" \t\r\n", *cursor->at) != NULL && *cursor->at != '\0')
            cursor->at++;
        else if (*cursor->at != '(')
            return true;
        else if (!skip_comment(cursor))
            return false;
    }
    return true;
}

static bool skip_quoted(struct cursor *cursor)
{
    for (cursor->at++; cursor->at < cursor->end; cursor->at++) {
        if (*cursor->at == '\\')
            cursor->at++;
        else if (*cursor->at == '"') {
            cursor->at++;
            return true;
        }
    }
    return false;
}

static bool is_atom_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (unsigned char)c >= 0x80 || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~.", c) != NULL);
}

/* An atom (dots included) or a quoted string; false when neither stands here. */
static bool take_word(struct cursor *cursor)
{
    if (cursor->at < cursor->end && *cursor->at == '"')
        return skip_quoted(cursor);
    const char *start = cursor->at;
    while (cursor->at < cursor->end && is_atom_char(*cursor->at))
        cursor->at++;
    return cursor->at > start;
}

/* local-part "@" domain, the cursor behind the "@" already; the domain is a dot-atom. */
static bool take_domain(struct cursor *cursor, struct arena *arena, const char **domain_out)
{
    const char *start = cursor->at;
    while (cursor->at < cursor->end && is_atom_char(*cursor->at))
        cursor->at++;
    char *written = arena_copy(arena, start, (size_t)(cursor->at - start));
    char *domain = arena_alloc(arena, DOMAIN_MAX);
    if (written == NULL || domain == NULL || *written == '\0' ||
        domain_normalise(written, domain, NULL) != RESULT_OK)
        return false;
    *domain_out = domain;
    return true;
}

/* One mailbox: addr-spec, or [display-name] "<" addr-spec ">". */
static bool take_mailbox(struct cursor *cursor, struct arena *arena, const char **domain_out)
{
    int words = 0;
    if (!skip_space(cursor))
        return false;
    while (cursor->at < cursor->end && take_word(cursor)) {
        words++;
        if (cursor->at < cursor->end && *cursor->at == '@') {
            /* An addr-spec of its own: only when nothing stands before its local part. */
            cursor->at++;
            return words == 1 && take_domain(cursor, arena, domain_out) && skip_space(cursor);
        }
        if (!skip_space(cursor))
            return false;
    }
    if (cursor->at >= cursor->end || *cursor->at != '<')
        return false;
    cursor->at++;
    if (!take_word(cursor) || cursor->at >= cursor->end || *cursor->at != '@')
        return false;
    cursor->at++;
    if (!take_domain(cursor, arena, domain_out) || cursor->at >= cursor->end || *cursor->at != '>')
        return false;
    cursor->at++;
    return skip_space(cursor);
}

static enum result read_from(const struct field *field, struct arena *arena,
                             struct mail_content *content, struct error *err)
{
    const char **domains = arena_alloc(arena, FROM_MAILBOXES_MAX * sizeof(*domains));
    if (domains == NULL)
        return error_no_memory(err);
    struct cursor cursor = {field->body, field->body + field->body_length};
    content->from_domains = domains;
    for (;;) {
        if (content->n_from_domains == FROM_MAILBOXES_MAX ||
            !take_mailbox(&cursor, arena, &domains[content->n_from_domains])) {
            content->from_unreadable = true;
            return RESULT_OK;
        }
        content->n_from_domains++;
        if (cursor.at == cursor.end)
            return RESULT_OK;
        if (*cursor.at != ',') {
            content->from_unreadable = true;
            return RESULT_OK;
        }
        cursor.at++;
    }
}

/* ---- the whole block ---- */

static bool body_contains(const struct field *field, const char *text)
{
    size_t length = strlen(text);
    for (size_t i = 0; i + length <= field->body_length; i++)
        if (strncasecmp(field->body + i, text, length) == 0)
            return true;
    return false;
}

static bool is_unsubscribe(const char *name, size_t length)
{
    return ascii_equal_n(name, length, "List-Unsubscribe") ||
           ascii_equal_n(name, length, "List-Unsubscribe-Post");
}

static void trim(const char **start, const char **end)
{
    while (*start < *end && strchr(" \t\r\n", **start) != NULL)
        ++*start;
    while (*end > *start && strchr(" \t\r\n", (*end)[-1]) != NULL)
        --*end;
}

/* Whether what stands between start and end, names parted by colons, has one of ours. */
static bool list_covers(const char *start, const char *end)
{
    while (start < end) {
        const char *colon = memchr(start, ':', (size_t)(end - start));
        const char *from = start;
        const char *to = colon != NULL ? colon : end;
        trim(&from, &to);
        if (is_unsubscribe(from, (size_t)(to - from)))
            return true;
        start = colon != NULL ? colon + 1 : end;
    }
    return false;
}

/* A DKIM-Signature (RFC 6376, 3.5): whether its tag h names one of ours, also where it is not there
 * yet, which signs that it never will be. */
static bool signature_covers(const struct field *field)
{
    const char *at = field->body;
    const char *end = at + field->body_length;
    while (at < end) {
        const char *semicolon = memchr(at, ';', (size_t)(end - at));
        const char *stop = semicolon != NULL ? semicolon : end;
        const char *equals = memchr(at, '=', (size_t)(stop - at));
        const char *from = at;
        const char *to = equals != NULL ? equals : stop;
        trim(&from, &to);
        if (equals != NULL && ascii_equal_n(from, (size_t)(to - from), "h") &&
            list_covers(equals + 1, stop))
            return true;
        at = semicolon != NULL ? semicolon + 1 : end;
    }
    return false;
}

/* Without SMTPUTF8 bytes beyond ASCII are not of the standard, but much software sends them in
 * names and subjects, where the rules do not look; in a domain they are read as UTF-8 or not at
 * all. */
static enum result check_bytes(const char *block, size_t length, bool utf8, struct error *err)
{
    if (memchr(block, '\0', length) != NULL)
        return error_set(err, RESULT_BAD_INPUT, "the header holds a NUL byte");
    if (utf8 && !utf8_valid(block, length))
        return error_set(err, RESULT_BAD_INPUT, "the header is not UTF-8");
    return RESULT_OK;
}

enum result header_read(const char *block, size_t length, bool utf8, struct arena *arena,
                        struct mail_content *content_out, struct error *err)
{
    *content_out = (struct mail_content){0};
    if (check_bytes(block, length, utf8, err) != RESULT_OK)
        return RESULT_BAD_INPUT;
    const char *at = block;
    const char *end = block + length;
    struct field field;
    enum result result;
    while ((result = next_field(&at, end, &field, err)) == RESULT_OK) {
        if (ascii_equal_n(field.name, field.name_length, "From")) {
            if (content_out->from_headers++ == 0)
                result = read_from(&field, arena, content_out, err);
        } else if (ascii_equal_n(field.name, field.name_length, "List-Unsubscribe")) {
            content_out->list_unsubscribe |= body_contains(&field, "<https://");
        } else if (ascii_equal_n(field.name, field.name_length, "List-Unsubscribe-Post")) {
            content_out->list_unsubscribe_post |=
                body_contains(&field, "List-Unsubscribe=One-Click");
        }
        if (is_unsubscribe(field.name, field.name_length))
            content_out->unsubscribe_taken = true;
        else if (ascii_equal_n(field.name, field.name_length, "DKIM-Signature"))
            content_out->unsubscribe_taken |= signature_covers(&field);
        if (result != RESULT_OK)
            return result;
    }
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}
