/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The import's JSON reader. Lines: one object a line. Items: objects in a row, in an array, or in
 * the array of an object whose one key is "items"; an item has no object within it, and no string
 * goes over a line end, so what is damaged is left behind at the next '{' and the rest is read.
 *
 * jansson reads each object on its own. Its messages quote the input, and so are never repeated:
 * only where and what kind.
 */
#include "store/import_reader.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES (1024 * 1024)
#define ITEM_MAX       (64 * 1024)

enum place {
    PLACE_START,   /* before a list or an item; behind a list, too: several may stand in a file */
    PLACE_ITEMS,   /* an item, or the end of the array or the input */
    PLACE_GARBAGE, /* the same, but text that is neither was reported and is passed over */
    PLACE_CLOSING, /* behind the array of an object: its '}' */
    PLACE_COUNT
};

struct json_reader {
    struct import_reader reader;
    struct import *import;              /* borrowed */
    const struct import_schema *schema; /* borrowed */
    bool lines;
    struct strbuf carry; /* what no step has used yet */
    uint64_t line;
    bool begun;                              /* behind the place of a byte order mark */
    struct strbuf joined[SCHEMA_VALUES_MAX]; /* arrays of strings, with '|' between them */

    bool cutting;       /* lines: this one is too long, its bytes are dropped up to its end */
    struct strbuf kept; /* its beginning */

    enum place place;
    bool in_object, in_array;
};

/* Uses up some bytes at the beginning, taken and reported; used_out 0: more of them are needed.
 * False to stop. */
typedef bool step_fn(struct json_reader *reader, const char *bytes, size_t length, bool at_end,
                     size_t *used_out);

static struct json_reader *self(struct import_reader *reader)
{
    return (struct json_reader *)reader;
}

/* ---- one object ---- */

static bool fault(struct json_reader *reader, struct import_record *record, enum import_class about,
                  const char *column, const char *reason)
{
    return import_fault(reader->import, &(struct import_fault){.line = record->line,
                                                               .about = about,
                                                               .column = column,
                                                               .reason = reason,
                                                               .text = record->text,
                                                               .text_length = record->text_length});
}

static const char *why_not(const json_error_t *error, enum import_class *about_out)
{
    switch (json_error_code(error)) {
    case json_error_invalid_utf8:
        *about_out = IMPORT_ENCODING;
        return "not valid UTF-8";
    case json_error_null_character:
    case json_error_null_byte_in_key:
        *about_out = IMPORT_ENCODING;
        return "a NUL character";
    case json_error_duplicate_key:
        return "a key stands twice";
    case json_error_stack_overflow:
        return "nested too deeply";
    case json_error_premature_end_of_input:
        return "the object does not end";
    case json_error_end_of_input_expected:
        return "text behind the object";
    case json_error_numeric_overflow:
        return "a number is too large";
    default:
        return "not valid JSON";
    }
}

static bool refuse_json(struct json_reader *reader, struct import_record *record,
                        const json_error_t *error)
{
    char reason[96];
    enum import_class about = IMPORT_SYNTAX;
    const char *why = why_not(error, &about);
    snprintf(reason, sizeof(reason), "%s (byte %d)", why, error->position);
    return fault(reader, record, about, NULL, reason);
}

enum value_check { VALUE_GOOD, VALUE_BAD, VALUE_NO_MEMORY };

/* An array of strings as the CSV has it. */
static enum value_check join(json_t *array, struct strbuf *out)
{
    size_t i;
    json_t *item;
    strbuf_clear(out);
    strbuf_add(out, "", 0);
    json_array_foreach(array, i, item)
    {
        const char *text = json_string_value(item);
        if (text == NULL || *text == '\0' || strchr(text, '|') != NULL)
            return VALUE_BAD;
        strbuf_add_str(out, i > 0 ? "|" : "");
        strbuf_add_str(out, text);
    }
    return out->failed ? VALUE_NO_MEMORY : VALUE_GOOD;
}

/* One key and its value into the record; *reason_out says what is wrong with it. */
static enum value_check take_value(struct json_reader *reader, size_t at, json_t *value,
                                   struct import_record *record, const char **reason_out)
{
    bool list = reader->schema->lists & 1u << at;
    if (json_is_null(value))
        return VALUE_GOOD; /* how exports write what is not there */
    if (json_is_string(value)) {
        record->values[at] = json_string_value(value);
        return VALUE_GOOD;
    }
    *reason_out =
        list ? "must be a string, or an array of strings that are not empty and have no '|'"
             : "must be a string";
    if (!list || !json_is_array(value))
        return VALUE_BAD;
    enum value_check check = join(value, &reader->joined[at]);
    record->values[at] = reader->joined[at].data;
    return check;
}

/* The class of what is wrong with a value, by the contract's column it stands for. */
static enum import_class class_of(const struct import_schema *schema, size_t at)
{
    for (int column = 0; column < COLUMN_COUNT; column++)
        if (schema->places[column] == at)
            return COLUMN_CLASS(column);
    return IMPORT_SYNTAX;
}

/* A mistyped key is worth repeating when it is a plain word; what else stands there may be an
 * address. */
static bool refuse_key(struct json_reader *reader, struct import_record *record, const char *key)
{
    char reason[80] = "unknown key";
    size_t plain = strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-");
    if (plain > 0 && plain <= 40 && key[plain] == '\0')
        snprintf(reason, sizeof(reason), "unknown key \"%s\"", key);
    return fault(reader, record, IMPORT_SYNTAX, NULL, reason);
}

static bool take_object(struct json_reader *reader, json_t *object, struct import_record *record)
{
    const struct import_schema *schema = reader->schema;
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        size_t at = 0;
        const char *reason = "";
        while (at < schema->count && strcmp(schema->names[at], key) != 0)
            at++;
        if (at == schema->count)
            return refuse_key(reader, record, key);
        enum value_check check = take_value(reader, at, value, record, &reason);
        if (check == VALUE_NO_MEMORY)
            return false;
        if (check == VALUE_BAD)
            return fault(reader, record, class_of(schema, at), schema->names[at], reason);
    }
    for (size_t at = 0; at < schema->count; at++)
        if ((schema->required & 1u << at) && json_object_get(object, schema->names[at]) == NULL)
            return fault(reader, record, class_of(schema, at), schema->names[at], "missing");
    return import_record(reader->import, record);
}

/* The object that began on that line; the reader stands behind it already. */
static bool take_json(struct json_reader *reader, uint64_t line, const char *text, size_t length)
{
    struct import_record record = {.line = line, .text = text, .text_length = length};
    json_error_t error = {.position = 0};
    for (size_t i = 0; i < SCHEMA_VALUES_MAX; i++)
        record.values[i] = "";
    if (memchr(text, '\0', length) != NULL)
        return fault(reader, &record, IMPORT_ENCODING, NULL, "a NUL byte");
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL && json_error_code(&error) == json_error_out_of_memory)
        return false;
    bool go_on;
    if (root == NULL)
        go_on = refuse_json(reader, &record, &error);
    else if (!json_is_object(root))
        go_on = fault(reader, &record, IMPORT_SYNTAX, NULL, "not a JSON object");
    else
        go_on = take_object(reader, root, &record);
    json_decref(root);
    return go_on;
}

/* ---- lines ---- */

static bool is_blank(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (strchr(" \t\r\n", text[i]) == NULL || text[i] == '\0')
            return false;
    return true;
}

/* The end of one line that was too long, or more of it. */
static bool cut_line(struct json_reader *reader, const char *bytes, size_t length, bool ends,
                     bool at_end)
{
    if (!reader->cutting)
        import_hold(reader->import);
    if (reader->kept.length == 0)
        strbuf_add(&reader->kept, bytes, length < IMPORT_TEXT_MAX ? length : IMPORT_TEXT_MAX);
    import_taken(reader->import, bytes, length);
    reader->cutting = !ends;
    if (!ends && !at_end)
        return !reader->kept.failed;
    struct import_record record = {
        .line = reader->line++, .text = reader->kept.data, .text_length = reader->kept.length};
    reader->cutting = false;
    bool go_on = fault(reader, &record, IMPORT_TOO_LONG, NULL, "longer than 1 MiB");
    strbuf_clear(&reader->kept);
    return go_on;
}

static bool step_line(struct json_reader *reader, const char *bytes, size_t length, bool at_end,
                      size_t *used_out)
{
    const char *end = memchr(bytes, '\n', length);
    size_t whole = end != NULL ? (size_t)(end - bytes) : length;
    *used_out = 0;
    if (end == NULL && !at_end && whole <= LINE_MAX_BYTES && !reader->cutting)
        return true;
    *used_out = whole + (end != NULL);
    if (reader->cutting || whole > LINE_MAX_BYTES)
        return cut_line(reader, bytes, *used_out, end != NULL, at_end);
    import_taken(reader->import, bytes, *used_out);
    uint64_t line = reader->line++;
    return is_blank(bytes, whole) || take_json(reader, line, bytes, whole);
}

/* ---- items ---- */

static void use(struct json_reader *reader, const char *bytes, size_t length)
{
    import_taken(reader->import, bytes, length);
    for (size_t i = 0; i < length; i++)
        reader->line += bytes[i] == '\n';
}

/* Length of the item that begins at bytes[0], a '{'; 0 when it goes on beyond them. *bad_out: it
 * does not hold, and that is what of it was looked at. */
static size_t measure_item(const char *bytes, size_t length, bool at_end, const char **bad_out)
{
    bool quoted = false;
    size_t i = 1;
    *bad_out = NULL;
    for (; i < length && i < ITEM_MAX; i++) {
        char c = bytes[i];
        if (quoted && c == '\\') {
            i++;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (quoted && c == '\n') {
            *bad_out = "a string that is not closed on its line";
            return i;
        } else if (!quoted && (c == '{' || c == '[')) {
            *bad_out = "an item that holds another, or does not end";
            return i;
        } else if (!quoted && c == '}') {
            return i + 1;
        }
    }
    if (i >= ITEM_MAX)
        *bad_out = "an item that does not end within 64 KiB";
    else if (at_end)
        *bad_out = "an item that does not end";
    return *bad_out != NULL ? (i < length ? i : length) : 0;
}

/* Gives up what is damaged as far as the next '{' in it. */
static bool leave_item(struct json_reader *reader, const char *bytes, size_t length,
                       const char *reason, size_t *used_out)
{
    const char *next = length > 1 ? memchr(bytes + 1, '{', length - 1) : NULL;
    *used_out = next != NULL ? (size_t)(next - bytes) : length;
    struct import_record record = {.line = reader->line, .text = bytes, .text_length = *used_out};
    reader->place = PLACE_GARBAGE;
    use(reader, bytes, *used_out);
    return fault(reader, &record, IMPORT_SYNTAX, NULL, reason);
}

/* How much of a measured item is one item. A quote too many turns inside and outside around, up to
 * the next such quote, and hides the braces of the good items between: what does not hold ends
 * before the next '{' in it. */
static size_t cut_item(const char *bytes, size_t length)
{
    json_error_t error;
    const char *next = memchr(bytes + 1, '{', length - 1);
    if (next == NULL)
        return length;
    json_t *root = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, &error);
    bool whole = root != NULL || json_error_code(&error) == json_error_out_of_memory;
    json_decref(root);
    return whole ? length : (size_t)(next - bytes);
}

static bool step_item(struct json_reader *reader, const char *bytes, size_t length, bool at_end,
                      size_t *used_out)
{
    const char *bad;
    *used_out = measure_item(bytes, length, at_end, &bad);
    if (bad != NULL)
        return leave_item(reader, bytes, *used_out, bad, used_out);
    if (*used_out == 0)
        return true;
    *used_out = cut_item(bytes, *used_out);
    uint64_t line = reader->line;
    reader->place = PLACE_ITEMS;
    use(reader, bytes, *used_out);
    return take_json(reader, line, bytes, *used_out);
}

/* Text where none may stand: reported once, passed over up to what may be an item or the end. */
static bool pass_over(struct json_reader *reader, const char *bytes, size_t length,
                      size_t *used_out)
{
    size_t used = 0;
    while (used < length && bytes[used] != '{' && bytes[used] != '\n' &&
           (bytes[used] != ']' || !reader->in_array))
        used++;
    struct import_record record = {.line = reader->line, .text = bytes, .text_length = used};
    bool told = reader->place == PLACE_GARBAGE;
    reader->place = PLACE_GARBAGE;
    *used_out = used > 0 ? used : 1;
    use(reader, bytes, *used_out);
    return told || fault(reader, &record, IMPORT_SYNTAX, NULL, "text that is no item");
}

/* `{ "items": [` at the beginning, in any spacing. used_out 0: more is needed to tell. */
static bool begins_items(const char *bytes, size_t length, size_t *used_out)
{
    static const char want[] = "{\"items\":[";
    size_t at = 0;
    size_t i = 0;
    *used_out = 0;
    for (; i < length && want[at] != '\0'; i++) {
        char c = bytes[i];
        bool space = c == ' ' || c == '\t' || c == '\r' || c == '\n';
        if (space && (at == 1 || at >= 8))
            continue;
        if (c != want[at] && !(at == 2 && c == 'I'))
            return false;
        at++;
    }
    *used_out = want[at] == '\0' ? i : 0;
    return true;
}

static bool step_start(struct json_reader *reader, const char *bytes, size_t length, bool at_end,
                       size_t *used_out)
{
    reader->place = PLACE_ITEMS;
    if (bytes[0] == '[') {
        reader->in_array = true;
        reader->in_object = false;
        *used_out = 1;
    } else if (bytes[0] == '{' && begins_items(bytes, length, used_out)) {
        if (*used_out == 0 && length < ITEM_MAX && !at_end) {
            reader->place = PLACE_START;
            return true;
        }
        reader->in_object = reader->in_array = *used_out > 0;
    } else {
        *used_out = 0;
    }
    use(reader, bytes, *used_out);
    return *used_out > 0 || step_item(reader, bytes, length, at_end, used_out);
}

static bool step_items(struct json_reader *reader, const char *bytes, size_t length, bool at_end,
                       size_t *used_out)
{
    size_t space = strspn(bytes, reader->in_array ? " \t\r\n," : " \t\r\n");
    bool closing = reader->place == PLACE_CLOSING;
    if (space > 0) {
        *used_out = space < length ? space : length;
        /* What was passed over was of one line; what follows is reported again. */
        if (reader->place == PLACE_GARBAGE && memchr(bytes, '\n', *used_out) != NULL)
            reader->place = PLACE_ITEMS;
        use(reader, bytes, *used_out);
        return true;
    }
    if (reader->place == PLACE_START && (bytes[0] == '{' || bytes[0] == '['))
        return step_start(reader, bytes, length, at_end, used_out);
    if (bytes[0] == '{' && !closing)
        return step_item(reader, bytes, length, at_end, used_out);
    if (closing ? bytes[0] != '}' : bytes[0] != ']' || !reader->in_array)
        return pass_over(reader, bytes, length, used_out);
    reader->in_array = false;
    reader->place = closing || !reader->in_object ? PLACE_START : PLACE_CLOSING;
    *used_out = 1;
    use(reader, bytes, 1);
    return true;
}

/* ---- the reader ---- */

static bool run(struct json_reader *reader, bool at_end)
{
    step_fn *step = reader->lines ? step_line : step_items;
    struct strbuf *carry = &reader->carry;
    size_t at = 0;
    bool go_on = !carry->failed;
    if (go_on && !reader->begun && (carry->length >= 3 || at_end)) {
        bool mark = carry->length >= 3 && memcmp(carry->data, "\xef\xbb\xbf", 3) == 0;
        reader->begun = true;
        at = mark ? 3 : 0;
        import_taken(reader->import, carry->data, at);
    }
    while (go_on && reader->begun && at < carry->length) {
        size_t used = 0;
        go_on = step(reader, carry->data + at, carry->length - at, at_end, &used);
        if (used == 0)
            break;
        at += used;
    }
    if (at > 0) {
        carry->length -= at;
        memmove(carry->data, carry->data + at, carry->length);
        carry->data[carry->length] = '\0';
    }
    for (size_t i = 0; i < SCHEMA_VALUES_MAX && go_on; i++)
        go_on = !reader->joined[i].failed;
    return go_on;
}

static bool feed(struct import_reader *base, const char *bytes, size_t length)
{
    struct json_reader *reader = self(base);
    strbuf_add(&reader->carry, bytes, length);
    return run(reader, false);
}

static bool finish(struct import_reader *base)
{
    struct json_reader *reader = self(base);
    if (!run(reader, true))
        return false;
    if (reader->cutting)
        return cut_line(reader, "", 0, true, true);
    if (!reader->in_array && reader->place != PLACE_CLOSING)
        return true;
    struct import_record record = {.line = reader->line};
    reader->in_array = false; /* told once, also when reading goes on here */
    reader->place = PLACE_START;
    return fault(reader, &record, IMPORT_SYNTAX, NULL,
                 "the list of items does not end: is the file whole?");
}

static uint64_t line(const struct import_reader *reader)
{
    return ((const struct json_reader *)reader)->line;
}

static void save(const struct import_reader *base, struct strbuf *out)
{
    const struct json_reader *reader = (const struct json_reader *)base;
    strbuf_add_char(out, (char)('0' + (int)reader->place));
    strbuf_add_char(out, reader->in_object ? 'o' : '-');
    strbuf_add_char(out, reader->in_array ? 'a' : '-');
}

static bool restore(struct import_reader *base, uint64_t at, const char *state)
{
    struct json_reader *reader = self(base);
    if (strlen(state) != 3 || state[0] < '0' || state[0] >= '0' + PLACE_COUNT)
        return false;
    reader->place = (enum place)(state[0] - '0');
    reader->in_object = state[1] == 'o';
    reader->in_array = state[2] == 'a';
    reader->line = at;
    reader->begun = true;
    return true;
}

static void free_reader(struct import_reader *base)
{
    struct json_reader *reader = self(base);
    for (size_t i = 0; i < SCHEMA_VALUES_MAX; i++)
        strbuf_free(&reader->joined[i]);
    strbuf_free(&reader->carry);
    strbuf_free(&reader->kept);
    free(reader);
}

struct import_reader *import_json_new(struct import *import, const struct import_schema *schema,
                                      bool lines)
{
    static const struct import_reader_ops ops = {feed, finish, line, save, restore, free_reader};
    struct json_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL)
        return NULL;
    reader->reader.ops = &ops;
    reader->import = import;
    reader->schema = schema;
    reader->lines = lines;
    reader->line = 1;
    return &reader->reader;
}
