/* SPDX-License-Identifier: Apache-2.0 */
#include "office/checkpoint.h"

#include "store/segment.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define OPENING "{\"type\":\"checkpoint\""

enum result checkpoint_of(const char *record, size_t length, const struct signing_key *key,
                          struct checkpoint *checkpoint_out, struct error *err)
{
    const char *gateway, *at;
    struct checkpoint found = {0};
    enum result result = RESULT_OK;
    json_t *json = json_loadb(record, length, JSON_REJECT_DUPLICATES, NULL);
    if (json == NULL || json_unpack(json, "{s:s, s:s}", "gateway", &gateway, "at", &at) != 0 ||
        !str_copy_n(found.line, sizeof(found.line), record, length) ||
        !str_copy(found.gateway, sizeof(found.gateway), gateway) ||
        !str_copy(found.at, sizeof(found.at), at) ||
        !checkpoint_read(record, length, &found.row, found.head) || found.row == 0) {
        result = error_set(err, RESULT_BAD_INPUT, "the checkpoint cannot be read");
    } else {
        const char *fault = checkpoint_fault(record, length, found.row, found.head, key);
        if (fault != NULL)
            result = error_set(err, RESULT_BAD_INPUT, "%s", fault);
    }
    json_decref(json);
    if (result == RESULT_OK)
        *checkpoint_out = found;
    return result;
}

/* What begins at text, without the line ends, blanks and marks of quotation that a mail program put
 * into it: nothing of a checkpoint but its names of keys and values could hold any, and they do
 * not.
 */
static enum result take_at(const char *text, const char *end, const struct signing_key *key,
                           struct checkpoint *checkpoint_out, struct error *err)
{
    char line[CHECKPOINT_MAX];
    size_t length = 0;
    bool line_start = false;
    for (; text < end && length < sizeof(line) - 1; text++) {
        if (*text == '\r' || *text == '\n') {
            line_start = true;
            continue;
        }
        if (line_start && (*text == ' ' || *text == '\t' || *text == '>'))
            continue;
        line_start = false;
        line[length++] = *text;
        if (*text == '}')
            return checkpoint_of(line, length, key, checkpoint_out, err);
    }
    return error_set(err, RESULT_BAD_INPUT, "the checkpoint has no end");
}

static enum result find_plain(const char *text, size_t length, const struct signing_key *key,
                              struct checkpoint *checkpoint_out, struct error *err)
{
    enum result result = RESULT_NOT_FOUND;
    const char *end = text + length;
    const char *at = text;
    while ((at = memmem(at, (size_t)(end - at), OPENING, strlen(OPENING))) != NULL) {
        result = take_at(at, end, key, checkpoint_out, err);
        if (result == RESULT_OK)
            return result;
        at++;
    }
    return result;
}

/* RFC 2045, 6.7, over the whole text: what is not encoded so stays as it is. */
static size_t decode_quoted(const char *text, size_t length, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < length; i++) {
        uint8_t byte;
        size_t next = i + 1;
        if (text[i] != '=') {
            out[n++] = text[i];
            continue;
        }
        if (i + 2 < length && hex_decode(text + i + 1, 2, &byte, 1)) {
            out[n++] = (char)byte;
            i += 2;
            continue;
        }
        while (next < length && (text[next] == ' ' || text[next] == '\t' || text[next] == '\r'))
            next++;
        if (next < length && text[next] == '\n')
            i = next; /* a soft line end */
        else
            out[n++] = text[i];
    }
    return n;
}

static bool is_base64(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/' || c == '=';
}

/* Bytes of the line at text without its end. */
static size_t line_length(const char *text, size_t left)
{
    const char *end = memchr(text, '\n', left);
    size_t length = end != NULL ? (size_t)(end - text) : left;
    return length > 0 && text[length - 1] == '\r' ? length - 1 : length;
}

/* Each run of lines of base64, decoded into out, which holds length bytes as gathered does. */
static enum result find_base64(const char *text, size_t length, char *gathered, char *out,
                               const struct signing_key *key, struct checkpoint *checkpoint_out,
                               struct error *err)
{
    enum result worst = RESULT_NOT_FOUND;
    size_t n = 0;
    for (size_t i = 0; i <= length;) {
        size_t line = i < length ? line_length(text + i, length - i) : 0;
        bool goes_on = line > 0;
        for (size_t j = 0; j < line && goes_on; j++)
            goes_on = is_base64(text[i + j]);
        if (goes_on) {
            memcpy(gathered + n, text + i, line);
            n += line;
        } else {
            ptrdiff_t got = n > 0 ? base64_decode(gathered, n, (uint8_t *)out) : -1;
            enum result result =
                got > 0 ? find_plain(out, (size_t)got, key, checkpoint_out, err) : RESULT_NOT_FOUND;
            if (result == RESULT_OK)
                return result;
            worst = result != RESULT_NOT_FOUND ? result : worst;
            n = 0;
        }
        const char *end = i < length ? memchr(text + i, '\n', length - i) : NULL;
        i = end != NULL ? (size_t)(end - text) + 1 : i < length ? length : length + 1;
    }
    return worst;
}

enum result checkpoint_find(const char *text, size_t length, const struct signing_key *key,
                            struct checkpoint *checkpoint_out, struct error *err)
{
    struct error why = {0};
    char *out = malloc(length + 1), *gathered = malloc(length + 1);
    enum result results[3] = {RESULT_NOT_FOUND, RESULT_NOT_FOUND, RESULT_NOT_FOUND};
    enum result result = out == NULL || gathered == NULL ? RESULT_NO_MEMORY : RESULT_OK;
    if (result == RESULT_OK) {
        results[0] = find_plain(text, length, key, checkpoint_out, &why);
        if (results[0] != RESULT_OK)
            results[1] =
                find_plain(out, decode_quoted(text, length, out), key, checkpoint_out, &why);
        if (results[0] != RESULT_OK && results[1] != RESULT_OK)
            results[2] = find_base64(text, length, gathered, out, key, checkpoint_out, &why);
        result = RESULT_NOT_FOUND;
        for (int i = 0; i < 3; i++)
            if (results[i] == RESULT_OK)
                result = RESULT_OK;
            else if (results[i] != RESULT_NOT_FOUND && result != RESULT_OK)
                result = results[i];
    }
    free(out);
    free(gathered);
    if (result == RESULT_NO_MEMORY)
        return error_no_memory(err);
    if (result == RESULT_NOT_FOUND)
        return error_set(err, RESULT_NOT_FOUND, "there is no checkpoint of a journal in it");
    if (result != RESULT_OK)
        return error_set(err, result, "%s", why.text);
    return RESULT_OK;
}
