/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a form file. A form is a legal exhibit: what is not understood is refused rather than
 * dropped, and the file is kept byte for byte beside what was read from it.
 */
#include "store/form.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_MAX      64
#define VERSION_MAX 1000000

/* What form_parse hands out; the form is its first member, so that form_free finds the arena. */
struct parsed_form {
    struct form form;
    struct arena *arena; /* owned; holds every string and list */
};

struct reader {
    struct form *form;
    struct arena *arena;
    json_t *root;
    struct error *err;
};

typedef bool word_check(const char *text);

bool form_id_valid(const char *text)
{
    size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789._-");
    return length >= 1 && length <= ID_MAX && text[length] == '\0' &&
           strchr("._-", text[0]) == NULL;
}

bool form_partner_valid(const char *text)
{
    bool letter = false;
    size_t i = 0;
    for (; i <= ID_MAX && text[i] != '\0'; i++) {
        char c = text[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && !(c >= '0' && c <= '9') && !(i > 0 && strchr("._-", c) != NULL))
            return false;
        letter = letter || is_letter;
    }
    return letter && i <= ID_MAX;
}

/* One printable line without the separator of joined lists. */
static bool category_valid(const char *text)
{
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f || text[i] == '|')
            return false;
    return length >= 1 && length <= ID_MAX;
}

static bool siren_or_empty(const char *text)
{
    return text[0] == '\0' || (strspn(text, "0123456789") == 9 && text[9] == '\0');
}

static bool language_valid(const char *text)
{
    static const char alphanumeric[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    size_t first = strspn(text, alphanumeric);
    if (first < 2 || first > 8 || strcspn(text, "0123456789") < first)
        return false;
    for (text += first; *text == '-';) {
        size_t length = strspn(++text, alphanumeric);
        if (length < 1 || length > 8)
            return false;
        text += length;
    }
    return *text == '\0';
}

static bool display_valid(const char *text)
{
    return strcmp(text, "inline") == 0 || strcmp(text, "link") == 0;
}

static bool url_valid(const char *text)
{
    if (text[0] == '\0')
        return true;
    for (const char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c <= 0x20 || *c == 0x7f)
            return false;
    return ascii_has_prefix(text, "https://") || ascii_has_prefix(text, "http://");
}

static bool text_valid(const char *text)
{
    return text[strspn(text, " \t\r\n")] != '\0';
}

static bool line_valid(const char *text)
{
    return text_valid(text) && text[strcspn(text, "\r\n")] == '\0';
}

static bool sha256_valid(const char *text)
{
    uint8_t digest[32];
    return hex_decode(text, strlen(text), digest, sizeof(digest));
}

static enum result wrong(struct reader *reader, const char *key, const char *what)
{
    return error_set(reader->err, RESULT_BAD_INPUT, "%s: %s", key, what);
}

/* Keys of object must all be among known (NULL-terminated); path says where in the file it is. */
static enum result check_keys(struct reader *reader, json_t *object, const char *path,
                              const char *const *known)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        size_t i = 0;
        while (known[i] != NULL && strcmp(known[i], key) != 0)
            i++;
        if (known[i] != NULL)
            continue;
        char name[128];
        log_escape(key, name, sizeof(name));
        return error_set(reader->err, RESULT_BAD_INPUT, "%s%s: unknown key", path, name);
    }
    return RESULT_OK;
}

/* A string of object, copied into the arena. fallback NULL: the key must be there. */
static enum result read_text(struct reader *reader, json_t *object, const char *path,
                             const char *key, const char *fallback, word_check *valid,
                             const char *shape, const char **out)
{
    char name[64];
    snprintf(name, sizeof(name), "%s%s", path, key);
    json_t *value = json_object_get(object, key);
    if (value == NULL && fallback == NULL)
        return wrong(reader, name, "missing");
    if (value != NULL && !json_is_string(value))
        return wrong(reader, name, "must be a string");
    const char *text = value != NULL ? json_string_value(value) : fallback;
    if (value != NULL && !valid(text))
        return wrong(reader, name, shape);
    *out = arena_str(reader->arena, text);
    return *out != NULL ? RESULT_OK : error_no_memory(reader->err);
}

/* An array of strings without repetition. required: the key must be there (it may be empty). */
static enum result read_list(struct reader *reader, const char *key, bool required,
                             word_check *valid, const char *shape, const char ***list_out,
                             size_t *count_out)
{
    json_t *array = json_object_get(reader->root, key);
    *count_out = 0;
    *list_out = NULL;
    if (array == NULL)
        return required ? wrong(reader, key, "missing") : RESULT_OK;
    if (!json_is_array(array))
        return wrong(reader, key, "must be a list of strings");
    size_t count = json_array_size(array);
    const char **list = arena_alloc(reader->arena, (count + 1) * sizeof(*list));
    if (list == NULL)
        return error_no_memory(reader->err);
    for (size_t i = 0; i < count; i++) {
        const char *text = json_string_value(json_array_get(array, i));
        if (text == NULL)
            return wrong(reader, key, "must be a list of strings");
        if (!valid(text))
            return error_set(reader->err, RESULT_BAD_INPUT, "%s: entry %zu %s", key, i + 1, shape);
        list[i] = arena_str(reader->arena, text);
        if (list[i] == NULL)
            return error_no_memory(reader->err);
    }
    *list_out = list;
    *count_out = count;
    return RESULT_OK;
}

static int compare_words(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Refuses an entry that stands twice in the list; the list keeps its order. */
static enum result check_repeats(struct reader *reader, const char *key, const char **list,
                                 size_t count)
{
    if (count < 2)
        return RESULT_OK;
    const char **sorted = arena_alloc(reader->arena, count * sizeof(*sorted));
    if (sorted == NULL)
        return error_no_memory(reader->err);
    memcpy(sorted, list, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), compare_words);
    for (size_t i = 1; i < count; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            return error_set(reader->err, RESULT_BAD_INPUT, "%s: \"%s\" stands twice", key,
                             sorted[i]);
    return RESULT_OK;
}

static bool channel_valid(const char *text)
{
    enum channel channel;
    return channel_parse(text, &channel);
}

static bool purpose_valid(const char *text)
{
    enum purpose purpose;
    return purpose_parse(text, &purpose);
}

static enum result read_lists(struct reader *reader)
{
    static const char partner_shape[] =
        "must be a partner id: letters, digits, '.', '_', '-', with at least one letter";
    struct form *form = reader->form;
    const char **words;
    size_t count;
    enum result result = read_list(reader, "channels", true, channel_valid,
                                   "must be email, sms, call, autocall or post", &words, &count);
    if (result == RESULT_OK && count == 0)
        result = wrong(reader, "channels", "must name at least one channel");
    if (result == RESULT_OK)
        result = check_repeats(reader, "channels", words, count);
    for (size_t i = 0; result == RESULT_OK && i < count; i++) {
        enum channel channel;
        if (channel_parse(words[i], &channel))
            form->channels |= CHANNEL_BIT(channel);
    }
    if (result == RESULT_OK)
        result = read_list(reader, "purposes", true, purpose_valid,
                           "must be receipt or transmission", &words, &count);
    if (result == RESULT_OK && count == 0)
        result = wrong(reader, "purposes", "must name at least one purpose");
    if (result == RESULT_OK)
        result = check_repeats(reader, "purposes", words, count);
    for (size_t i = 0; result == RESULT_OK && i < count; i++) {
        enum purpose purpose;
        if (purpose_parse(words[i], &purpose))
            form->purposes |= PURPOSE_BIT(purpose);
    }
    if (result == RESULT_OK)
        result = read_list(reader, "partners", true, form_partner_valid, partner_shape,
                           &form->partners, &form->n_partners);
    if (result == RESULT_OK)
        result = check_repeats(reader, "partners", form->partners, form->n_partners);
    if (result == RESULT_OK)
        result = read_list(reader, "partner_categories", false, category_valid,
                           "must be one line of at most 64 bytes without '|'", &form->categories,
                           &form->n_categories);
    if (result == RESULT_OK)
        result = check_repeats(reader, "partner_categories", form->categories, form->n_categories);
    return result;
}

static enum result read_version(struct reader *reader)
{
    json_t *value = json_object_get(reader->root, "version");
    if (value == NULL)
        return wrong(reader, "version", "missing");
    if (!json_is_integer(value) || json_integer_value(value) < 1 ||
        json_integer_value(value) > VERSION_MAX)
        return wrong(reader, "version", "must be a whole number from 1 to 1000000");
    reader->form->version = (int)json_integer_value(value);
    return RESULT_OK;
}

static enum result read_collector(struct reader *reader)
{
    static const char *const known[] = {"name", "siren", NULL};
    json_t *collector = json_object_get(reader->root, "collector");
    if (collector == NULL)
        return wrong(reader, "collector", "missing");
    if (!json_is_object(collector))
        return wrong(reader, "collector", "must be an object");
    enum result result = check_keys(reader, collector, "collector.", known);
    if (result == RESULT_OK)
        result = read_text(reader, collector, "collector.", "name", NULL, line_valid,
                           "must be one line of text", &reader->form->collector_name);
    if (result == RESULT_OK)
        result = read_text(reader, collector, "collector.", "siren", "", siren_or_empty,
                           "must be nine digits", &reader->form->collector_siren);
    return result;
}

static enum result read_artefact(struct reader *reader, json_t *artefact, struct form_artefact *out)
{
    static const char *const known[] = {"name", "sha256", NULL};
    if (!json_is_object(artefact))
        return wrong(reader, "artefacts", "must be a list of objects");
    enum result result = check_keys(reader, artefact, "artefacts.", known);
    if (result == RESULT_OK)
        result = read_text(reader, artefact, "artefacts.", "name", NULL, line_valid,
                           "must be one line of text", &out->name);
    if (result == RESULT_OK)
        result = read_text(reader, artefact, "artefacts.", "sha256", NULL, sha256_valid,
                           "must be 64 hexadecimal digits", &out->sha256);
    return result;
}

static enum result read_artefacts(struct reader *reader)
{
    json_t *artefacts = json_object_get(reader->root, "artefacts");
    struct form *form = reader->form;
    if (artefacts == NULL)
        return RESULT_OK;
    if (!json_is_array(artefacts))
        return wrong(reader, "artefacts", "must be a list");
    size_t count = json_array_size(artefacts);
    if (count == 0)
        return RESULT_OK;
    form->artefacts = arena_alloc(reader->arena, count * sizeof(*form->artefacts));
    if (form->artefacts == NULL)
        return error_no_memory(reader->err);
    enum result result = RESULT_OK;
    while (result == RESULT_OK && form->n_artefacts < count) {
        json_t *artefact = json_array_get(artefacts, form->n_artefacts);
        result = read_artefact(reader, artefact, &form->artefacts[form->n_artefacts++]);
    }
    return result;
}

static enum result read_effective_from(struct reader *reader)
{
    json_t *value = json_object_get(reader->root, "effective_from");
    if (value == NULL)
        return wrong(reader, "effective_from", "missing");
    const char *text = json_string_value(value);
    if (text == NULL || !clock_parse(text, strlen(text), &reader->form->effective_from))
        return wrong(reader, "effective_from",
                     "must be an RFC 3339 instant such as 2026-01-01T00:00:00Z");
    return RESULT_OK;
}

static enum result read_form(struct reader *reader)
{
    static const char *const known[] = {
        "id",        "version", "collector",      "channels", "language",           "display",
        "url",       "wording", "effective_from", "partners", "partner_categories", "purposes",
        "artefacts", NULL};
    struct form *form = reader->form;
    const struct {
        const char *key, *fallback;
        word_check *valid;
        const char *shape;
        const char **out;
    } texts[] = {
        {"id", NULL, form_id_valid,
         "must be lower-case letters, digits, '.', '_', '-', at most 64, beginning with a letter "
         "or "
         "digit",
         &form->id},
        {"language", NULL, language_valid, "must be a language tag such as \"fr\"",
         &form->language},
        {"display", NULL, display_valid, "must be \"inline\" or \"link\"", &form->display},
        {"url", "", url_valid, "must be an http or https URL", &form->url},
        {"wording", NULL, text_valid, "must not be empty", &form->wording},
    };
    if (!json_is_object(reader->root))
        return error_set(reader->err, RESULT_BAD_INPUT, "1:1: the file must hold one object");
    enum result result = check_keys(reader, reader->root, "", known);
    for (size_t i = 0; result == RESULT_OK && i < sizeof(texts) / sizeof(texts[0]); i++)
        result = read_text(reader, reader->root, "", texts[i].key, texts[i].fallback,
                           texts[i].valid, texts[i].shape, texts[i].out);
    if (result == RESULT_OK)
        result = read_version(reader);
    if (result == RESULT_OK)
        result = read_collector(reader);
    if (result == RESULT_OK)
        result = read_effective_from(reader);
    if (result == RESULT_OK)
        result = read_lists(reader);
    if (result == RESULT_OK)
        result = read_artefacts(reader);
    return result;
}

/* Jansson quotes the text near a mistake, line ends included; an error's text is one line. */
static enum result syntax_error(const json_error_t *problem, struct error *err)
{
    if (json_error_code(problem) == json_error_out_of_memory)
        return error_no_memory(err);
    char text[JSON_ERROR_TEXT_LENGTH];
    str_copy(text, sizeof(text), problem->text);
    for (char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    return error_set(err, RESULT_BAD_INPUT, "%d:%d: %s", problem->line, problem->column, text);
}

/* Jansson takes a NUL byte behind a number for white space, but the text kept would end there. */
static enum result nul_error(const char *json, const char *nul, struct error *err)
{
    int line = 1;
    const char *start = json;
    for (const char *c = json; c < nul; c++)
        if (*c == '\n') {
            line++;
            start = c + 1;
        }
    return error_set(err, RESULT_BAD_INPUT, "%d:%d: a NUL byte", line, (int)(nul - start) + 1);
}

enum result form_parse(const char *json, size_t length, struct form **form_out, struct error *err)
{
    const char *nul = memchr(json, '\0', length);
    if (nul != NULL)
        return nul_error(json, nul, err);
    json_error_t problem;
    json_t *root = json_loadb(json, length, JSON_REJECT_DUPLICATES, &problem);
    if (root == NULL)
        return syntax_error(&problem, err);
    enum result result = RESULT_NO_MEMORY;
    struct parsed_form *parsed = calloc(1, sizeof(*parsed));
    /* The smallest list entry, `"a",`, is four bytes of file and some forty of arena. */
    struct arena *arena = arena_new(64 * 1024 + 16 * length);
    if (parsed == NULL || arena == NULL) {
        error_no_memory(err);
        free(parsed);
        arena_free(&arena);
        goto out;
    }
    parsed->arena = arena;
    struct form *form = &parsed->form;
    struct reader reader = {.form = form, .arena = arena, .root = root, .err = err};
    result = read_form(&reader);
    if (result == RESULT_OK) {
        form->json = arena_copy(arena, json, length);
        if (form->json == NULL)
            result = error_no_memory(err);
    }
    if (result == RESULT_OK)
        *form_out = form;
    else
        form_free(&form);
out:
    json_decref(root);
    return result;
}

void form_free(struct form **form)
{
    if (*form == NULL)
        return;
    struct parsed_form *parsed = (struct parsed_form *)*form;
    arena_free(&parsed->arena);
    free(parsed);
    *form = NULL;
}
