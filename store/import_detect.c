/* SPDX-License-Identifier: Apache-2.0 */
/* What an input is, by what it begins with, and the words of the import. */
#include "store/import_reader.h"

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

/* Whether a header names contact_id; damaged JSON does so in quotes. */
static bool detect_header(const char *text, size_t length, bool at_end, bool *twilio_out)
{
    static const char name[] = "contact_id";
    const char *end = memchr(text, '\n', length);
    size_t line = end != NULL ? (size_t)(end - text) : length;
    *twilio_out =
        memmem(text, line, name, sizeof(name) - 1) != NULL && memchr(text, ':', line) == NULL;
    return end != NULL || at_end;
}

/* For an input that is to be told by its content. */
static bool detect_input(const struct import_settings *settings, const char *text, size_t length,
                         bool at_end, struct import_detected *detected_out)
{
    bool twilio = false;
    bool json = length > 0 && (text[0] == '[' || text[0] == '{');
    if (length == 0 && !at_end)
        return false;
    if (!json ? !detect_header(text, length, at_end, &twilio)
              : text[0] == '{' && !detect_object(text, length, at_end, &twilio))
        return false;
    bool array = json && text[0] == '[';
    json = json || (settings->json_name && !twilio);
    twilio = twilio || array || settings->input == IMPORT_TWILIO;
    if (twilio)
        *detected_out = (struct import_detected){IMPORT_TWILIO, json ? SHAPE_ITEMS : SHAPE_CSV};
    else
        *detected_out = json ? (struct import_detected){IMPORT_JSONL, SHAPE_LINES}
                             : (struct import_detected){IMPORT_CSV, SHAPE_CSV};
    return true;
}

bool import_detect(const struct import_settings *settings, const char *bytes, size_t length,
                   bool at_end, struct import_detected *detected_out)
{
    if (settings->input == IMPORT_CSV || settings->input == IMPORT_JSONL) {
        detected_out->input = settings->input;
        detected_out->shape = settings->input == IMPORT_CSV ? SHAPE_CSV : SHAPE_LINES;
        return true;
    }
    size_t at = length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (at < length && bytes[at] != '\0' && strchr(" \t\r\n", bytes[at]) != NULL)
        at++;
    return detect_input(settings, bytes + at, length - at, at_end || length >= HEAD_MAX,
                        detected_out);
}
