/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a provider was last seen to offer, kept over restarts: a listener offers only what every
 * route behind it carries, and after a restart nobody has asked the provider yet. A file that
 * cannot be believed in full counts as absent.
 */
#include "adapters/internal.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

const struct capability_name capability_names[] = {
    {CAPABILITY_8BITMIME, "8BITMIME"},
    {CAPABILITY_PIPELINING, "PIPELINING"},
    {CAPABILITY_SIZE, "SIZE"},
    {CAPABILITY_STARTTLS, "STARTTLS"},
    {CAPABILITY_DSN, "DSN"},
    {CAPABILITY_SMTPUTF8, "SMTPUTF8"},
    {0, NULL},
};

static bool read_object(json_t *root, const char *endpoint, struct capabilities *out, bool *damaged)
{
    const char *seen_at = json_string_value(json_object_get(root, "endpoint"));
    json_t *list = json_object_get(root, "capabilities");
    json_t *size = json_object_get(root, "max_size");
    *damaged = seen_at == NULL || !json_is_array(list) || !json_is_integer(size) ||
               json_integer_value(size) < 0;
    if (*damaged || strcmp(seen_at, endpoint) != 0)
        return false;
    out->bits = CAPABILITY_KNOWN;
    out->max_size = (uint64_t)json_integer_value(size);
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        const char *name = json_string_value(item);
        for (const struct capability_name *known = capability_names; known->name != NULL; known++)
            if (name != NULL && strcmp(name, known->name) == 0)
                out->bits |= known->bit;
    }
    return true;
}

enum result capabilities_load(const char *path, const char *endpoint, struct capabilities *out,
                              struct error *err)
{
    *out = (struct capabilities){0};
    struct strbuf text = {0};
    enum result result = file_read(path, 64 * 1024, &text, err);
    if (result != RESULT_OK) {
        strbuf_free(&text);
        return result;
    }
    bool damaged = true;
    json_error_t problem = {.text = "not a JSON object"};
    json_t *root = json_loadb(text.data != NULL ? text.data : "", text.length,
                              JSON_REJECT_DUPLICATES, &problem);
    bool ok = root != NULL && read_object(root, endpoint, out, &damaged);
    json_decref(root);
    strbuf_free(&text);
    if (ok)
        return RESULT_OK;
    if (!damaged)
        return error_set(err, RESULT_NOT_FOUND, "%s is of another endpoint", path);
    return error_set(err, RESULT_DAMAGED, "%s does not hold a provider's capabilities", path);
}

enum result capabilities_save(const char *path, const char *endpoint,
                              const struct capabilities *capabilities, struct error *err)
{
    struct strbuf text = {0};
    strbuf_add_char(&text, '{');
    strbuf_add_json_field(&text, "endpoint", endpoint);
    strbuf_add_json_number(&text, "max_size", (int64_t)capabilities->max_size);
    strbuf_add_str(&text, ",\"capabilities\":[");
    const char *comma = "";
    for (const struct capability_name *known = capability_names; known->name != NULL; known++) {
        if ((capabilities->bits & known->bit) == 0)
            continue;
        strbuf_add_format(&text, "%s\"%s\"", comma, known->name);
        comma = ",";
    }
    strbuf_add_str(&text, "]}\n");
    enum result result =
        text.failed ? error_no_memory(err) : file_replace(path, 0644, text.data, text.length, err);
    strbuf_free(&text);
    return result;
}

/* ---- who writes it ---- */

struct capability_file {
    atomic_uint refs;
    char *path; /* owned */
    char endpoint[320];
    pthread_mutex_t lock;
    struct capabilities latest; /* under lock */
    pthread_mutex_t writing;    /* held while the file is written */
};

struct capability_file *capability_file_new(char *path, const char *endpoint)
{
    struct capability_file *file = calloc(1, sizeof(*file));
    if (file == NULL) {
        free(path);
        return NULL;
    }
    atomic_init(&file->refs, 1);
    file->path = path;
    str_copy(file->endpoint, sizeof(file->endpoint), endpoint);
    pthread_mutex_init(&file->lock, NULL);
    pthread_mutex_init(&file->writing, NULL);
    return file;
}

struct capability_file *capability_file_ref(struct capability_file *file)
{
    atomic_fetch_add(&file->refs, 1);
    return file;
}

void capability_file_unref(struct capability_file **file_pointer)
{
    struct capability_file *file = *file_pointer;
    *file_pointer = NULL;
    if (file == NULL || atomic_fetch_sub(&file->refs, 1) != 1)
        return;
    pthread_mutex_destroy(&file->lock);
    pthread_mutex_destroy(&file->writing);
    free(file->path);
    free(file);
}

void capability_file_set(struct capability_file *file, const struct capabilities *capabilities)
{
    pthread_mutex_lock(&file->lock);
    file->latest = *capabilities;
    pthread_mutex_unlock(&file->lock);
}

void capability_file_write(struct capability_file *file)
{
    struct error err;
    pthread_mutex_lock(&file->writing);
    pthread_mutex_lock(&file->lock);
    struct capabilities capabilities = file->latest;
    pthread_mutex_unlock(&file->lock);
    if (capabilities_save(file->path, file->endpoint, &capabilities, &err) != RESULT_OK)
        log_event(LOG_LEVEL_WARN, "capabilities not kept", LOG_TEXT("file", file->path),
                  LOG_TEXT("error", err.text));
    pthread_mutex_unlock(&file->writing);
}
