/* SPDX-License-Identifier: Apache-2.0 */
/* What an input is, by what it begins with, and the words of the import. */
#include "store/import_internal.h"

#include <string.h>

/* What a first line or a first key is looked for in. */
#define HEAD_MAX 65536

static const char *const input_names[IMPORT_INPUT_COUNT] = {
    [IMPORT_CSV] = "csv",
    [IMPORT_JSONL] = "jsonl",
    [IMPORT_TWILIO] = "twilio",
};

const char *import_input_name(enum import_input input)
{
    return input_names[input];
}

bool import_input_parse(const char *text, enum import_input *input_out)
{
    for (int i = IMPORT_CSV; i < IMPORT_INPUT_COUNT; i++)
        if (strcmp(text, input_names[i]) == 0) {
            *input_out = (enum import_input)i;
            return true;
        }
    return false;
}

const char *import_class_name(enum import_class about)
{
    static const char *const names[] = {"syntax", "encoding", "too-long"};
    return about < IMPORT_RECIPIENT ? names[about]
                                    : import_schema_octroi.names[about - IMPORT_RECIPIENT];
}

/* A key of Twilio's that has no namesake among the contract's: all of them. */
static bool is_twilio(const char *word, size_t length)
{
    if (length == strlen("items") && strncmp(word + 1, "tems", 4) == 0)
        return true;
    for (size_t i = 0; i < import_schema_twilio.count; i++)
        if (strlen(import_schema_twilio.names[i]) == length &&
            memcmp(import_schema_twilio.names[i], word, length) == 0)
            return true;
    return false;
}

/* The first key of the object at text; false when it is not there yet. */
static bool detect_object(const char *text, size_t length, bool at_end, bool *twilio_out)
{
    const char *key = memchr(text, '"', length);
    const char *end = key != NULL ? memchr(key + 1, '"', length - (size_t)(key + 1 - text)) : NULL;
    *twilio_out = end != NULL && is_twilio(key + 1, (size_t)(end - key - 1));
    return end != NULL || at_end;
}

/* Whether a header names contact_id. */
static bool detect_header(const char *text, size_t length, bool at_end, bool *twilio_out)
{
    static const char name[] = "contact_id";
    const char *end = memchr(text, '\n', length);
    size_t line = end != NULL ? (size_t)(end - text) : length;
    *twilio_out = memmem(text, line, name, sizeof(name) - 1) != NULL;
    return end != NULL || at_end;
}

bool import_detect(const struct import_settings *settings, const char *bytes, size_t length,
                   bool at_end, struct import_detected *detected_out)
{
    struct import_detected detected = {settings->input, SHAPE_CSV};
    bool twilio = settings->input == IMPORT_TWILIO;
    size_t at = length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (at < length && bytes[at] != '\0' && strchr(" \t\r\n", bytes[at]) != NULL)
        at++;
    at_end = at_end || length >= HEAD_MAX;
    bool known = at < length || at_end;
    bool open = at < length && (bytes[at] == '[' || bytes[at] == '{');
    if (settings->input == IMPORT_DETECT && known) {
        if (open && bytes[at] == '[')
            twilio = true;
        else if (open)
            known = detect_object(bytes + at, length - at, at_end, &twilio);
        else if (!settings->json_name)
            known = detect_header(bytes + at, length - at, at_end, &twilio);
        detected.input = twilio                        ? IMPORT_TWILIO
                         : open || settings->json_name ? IMPORT_JSONL
                                                       : IMPORT_CSV;
    }
    if (settings->input == IMPORT_CSV || settings->input == IMPORT_JSONL)
        known = true;
    if (detected.input == IMPORT_JSONL)
        detected.shape = SHAPE_LINES;
    else if (detected.input == IMPORT_TWILIO)
        detected.shape = open || settings->json_name ? SHAPE_ITEMS : SHAPE_CSV;
    if (known)
        *detected_out = detected;
    return known;
}
