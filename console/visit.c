/* SPDX-License-Identifier: Apache-2.0 */
#include "console/visit.h"

#include "base/clock.h"
#include "console/layout.h"
#include "policy/recipient.h"
#include "store/form.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_MOST     128
#define REASON_MOST 1000 /* characters; as over the interface for programs */
#define DONE_MARK   16   /* hex digits of what proves that a line was sent by an act */

/* ---- who ---- */

/* Who administers does not look people up, and who looks people up lets nobody in. */
static const unsigned permits_of[ROLE_COUNT] = {
    [ROLE_READER] = PERMIT_READ,
    [ROLE_COMPLIANCE] = PERMIT_READ | PERMIT_PERSONS | PERMIT_ACT | PERMIT_STOP,
    [ROLE_ADMINISTRATOR] = PERMIT_READ | PERMIT_STOP | PERMIT_ADMIN,
};

unsigned visit_permits_of(enum user_role role)
{
    return permits_of[role];
}

/* ---- what was asked ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Without the blanks around it, which whoever copies and pastes brings along. */
const char *visit_trimmed(const struct visit *visit, const char *text)
{
    size_t length = strlen(text);
    while (is_blank(*text))
        text++, length--;
    size_t kept = length;
    while (kept > 0 && is_blank(text[kept - 1]))
        kept--;
    if (kept == length)
        return text;
    const char *copy = arena_copy(visit->arena, text, kept);
    return copy != NULL ? copy : "";
}

const char *visit_whole_field(const struct visit *visit, const char *name)
{
    for (const struct visit_field *field = visit->fields; field != NULL; field = field->next)
        if (strcmp(field->name, name) == 0)
            return field->value;
    return "";
}

const char *visit_field(const struct visit *visit, const char *name)
{
    return visit_trimmed(visit, visit_whole_field(visit, name));
}

const char *visit_id_field(const struct visit *visit, const char *name)
{
    const char *text = visit_field(visit, name);
    for (const char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at <= ' ' || *at == 0x7f)
            return "";
    return strlen(text) <= ID_MOST ? text : "";
}

int64_t visit_number_field(const struct visit *visit, const char *name, int64_t most,
                           int64_t fallback)
{
    const char *text = visit_field(visit, name);
    size_t length = strlen(text);
    if (length == 0 || length > 18 || strspn(text, "0123456789") != length)
        return fallback;
    int64_t number = strtoll(text, NULL, 10);
    return number >= 1 && number <= most ? number : fallback;
}

bool visit_day_field(const struct visit *visit, const char *name, bool end, int64_t *instant_out)
{
    char whole[CLOCK_TEXT];
    const char *text = visit_field(visit, name);
    if (strlen(text) != strlen("2026-01-31"))
        return false;
    snprintf(whole, sizeof(whole), "%sT00:00:00Z", text);
    if (!clock_parse(whole, strlen(whole), instant_out))
        return false;
    *instant_out += end ? CLOCK_DAY : 0;
    return true;
}

/* 1 … REASON_MOST characters of UTF-8 without controls; a line end of a text area counts as a
 * space. */
static bool is_reason(char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t left = strlen(text);
    size_t n = 0;
    for (char *c = text; *c != '\0'; c++)
        if (*c == '\r' || *c == '\n' || *c == '\t')
            *c = ' ';
    while (left > 0) {
        size_t length = utf8_sequence(at, left);
        if (length == 0 || *at < 0x20 || *at == 0x7f ||
            (length == 2 && at[0] == 0xc2 && at[1] < 0xa0))
            return false;
        at += length;
        left -= length;
        n++;
    }
    return n >= 1 && n <= REASON_MOST;
}

const char *visit_reason_field(struct visit *visit, const char *name)
{
    struct strbuf hidden = {0};
    char *text = arena_str(visit->arena, visit_field(visit, name));
    const char *out = NULL;
    if (text == NULL || !is_reason(text))
        return NULL;
    text_hide_addresses(text, visit->config->region, &hidden);
    if (!hidden.failed)
        out = arena_str(visit->arena, hidden.data);
    strbuf_free(&hidden);
    return out;
}

/* ---- links ---- */

void visit_add_encoded(struct strbuf *out, const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
            c == '-' || c == '.' || c == '_' || c == '~') {
            strbuf_add_char(out, (char)c);
            continue;
        }
        strbuf_add_char(out, '%');
        strbuf_add_char(out, hex[c >> 4]);
        strbuf_add_char(out, hex[c & 15]);
    }
}

static void add_pair(struct strbuf *out, size_t begun, const char *name, const char *value)
{
    if (value == NULL || value[0] == '\0')
        return;
    strbuf_add_char(out, out->length == begun ? '?' : '&');
    visit_add_encoded(out, name);
    strbuf_add_char(out, '=');
    visit_add_encoded(out, value);
}

void visit_add_query(const struct visit *visit, struct strbuf *out, const char *name,
                     const char *value)
{
    size_t begun = out->length;
    if (!visit->posted)
        for (const struct visit_field *field = visit->fields; field != NULL; field = field->next)
            if (strcmp(field->name, name) != 0 && strcmp(field->name, "cursor") != 0 &&
                strcmp(field->name, "done") != 0)
                add_pair(out, begun, field->name, field->value);
    add_pair(out, begun, name, value);
}

/* ---- answering ---- */

/* The line was sent by an act of this session: a link of somebody else's cannot say it. */
static bool done_mark(const struct visit *visit, const char *done, char out[DONE_MARK + 1])
{
    struct strbuf text = {0};
    uint8_t digest[SHA256_BYTES];
    char hex[2 * SHA256_BYTES + 1];
    strbuf_add_format(&text, "done %s %s", done, visit->csrf);
    bool made = !text.failed && sha256(text.data, text.length, digest);
    strbuf_free(&text);
    if (made) {
        hex_encode(digest, sizeof(digest), hex);
        str_copy_n(out, DONE_MARK + 1, hex, DONE_MARK);
    }
    return made;
}

enum result visit_go(struct visit *visit, const char *path, struct error *err)
{
    visit->status = 303;
    visit->location = arena_str(visit->arena, path);
    return visit->location != NULL ? RESULT_OK : error_no_memory(err);
}

enum result visit_done(struct visit *visit, const char *path, const char *done, struct error *err)
{
    char mark[DONE_MARK + 1];
    struct strbuf text = {0};
    if (!done_mark(visit, done, mark))
        return error_no_memory(err);
    strbuf_add_format(&text, "%s%cdone=%s.%s", path, strchr(path, '?') != NULL ? '&' : '?', done,
                      mark);
    enum result result = text.failed ? error_no_memory(err) : visit_go(visit, text.data, err);
    strbuf_free(&text);
    return result;
}

const char *visit_was_done(const struct visit *visit)
{
    char mark[DONE_MARK + 1];
    const char *text = visit_field(visit, "done");
    size_t length = strcspn(text, ".");
    char *done = arena_copy(visit->arena, text, length);
    if (text[length] != '.' || done == NULL || visit->csrf[0] == '\0' ||
        !done_mark(visit, done, mark) || strcmp(mark, text + length + 1) != 0)
        return "";
    return done;
}

enum result visit_refuse(struct visit *visit, int status, const char *title, const char *sentence)
{
    const struct layout layout = {.place = PLACE_NONE, .title = title};
    strbuf_clear(&visit->page.html);
    visit->status = status;
    visit->location = NULL;
    layout_begin(visit, &layout);
    part_text(visit, sentence);
    if (visit->user[0] != '\0')
        part_link(visit, "/console", N_("Go to the overview"));
    layout_end(visit);
    return RESULT_OK;
}

enum result visit_nothing(struct visit *visit, const char *sentence)
{
    return visit_refuse(visit, 404, N_("There is no such page"), sentence);
}

static const char *copied(struct visit *visit, const char *text, bool *whole)
{
    const char *copy = text != NULL ? arena_str(visit->arena, text) : "";
    *whole = *whole && copy != NULL;
    return copy;
}

bool visit_note(struct visit *visit, const char *act, const struct access *what)
{
    struct access *access = &visit->access;
    bool whole = true;
    access->act = act;
    access->partner = copied(visit, what->partner, &whole);
    access->channel = copied(visit, what->channel, &whole);
    access->subject = copied(visit, what->subject, &whole);
    access->answer = copied(visit, what->answer, &whole);
    access->masked = copied(visit, what->masked, &whole);
    access->count = what->count;
    access->key = NULL;
    if (what->key == NULL)
        return whole;
    uint8_t *key = arena_alloc(visit->arena, RECIPIENT_KEY_BYTES);
    if (key != NULL)
        memcpy(key, what->key, RECIPIENT_KEY_BYTES);
    access->key = key;
    return whole && key != NULL;
}
