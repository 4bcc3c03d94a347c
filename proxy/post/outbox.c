/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/post/outbox.h"

#include "base/file.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SUFFIX "mail"
#define ASIDE  "undelivered"
#define FIRST  "octroi-mail-1"
#define NO_WAY "the mail cannot be kept on disk, it is kept in memory only"

struct held {
    struct held *next;
    char name[OUTBOX_NAME];
    struct outbox_mail mail; /* owned */
};

struct outbox {
    char *folder;      /* owned */
    struct held *held; /* owned */
    size_t n_held;
};

void outbox_mail_free(struct outbox_mail *mail)
{
    strbuf_free(&mail->text);
}

/* Owned by the caller; NULL: no memory. */
static char *path_of(const struct outbox *outbox, const char *name, const char *suffix)
{
    struct strbuf path = {0};
    strbuf_add_format(&path, "%s/%s.%s", outbox->folder, name, suffix);
    return strbuf_take(&path);
}

static struct held **find_held(const struct outbox *outbox, const char *name)
{
    struct held **link = (struct held **)&outbox->held;
    while (*link != NULL && strcmp((*link)->name, name) != 0)
        link = &(*link)->next;
    return link;
}

void outbox_tidy(const struct outbox *outbox)
{
    DIR *files = opendir(outbox->folder);
    struct dirent *entry;
    while (files != NULL && (entry = readdir(files)) != NULL) {
        size_t length = strlen(entry->d_name), end = strlen("." SUFFIX ".tmp");
        if (length > end && strcmp(entry->d_name + length - end, "." SUFFIX ".tmp") == 0)
            (void)unlinkat(dirfd(files), entry->d_name, 0);
    }
    if (files != NULL)
        closedir(files);
}

enum result outbox_open(const char *folder, struct outbox **outbox_out, struct error *err)
{
    enum result result = file_make_folder(folder, 0700, err);
    if (result != RESULT_OK)
        return result;
    struct outbox *outbox = calloc(1, sizeof(*outbox));
    if (outbox == NULL || (outbox->folder = strdup(folder)) == NULL) {
        free(outbox);
        return error_no_memory(err);
    }
    *outbox_out = outbox;
    return RESULT_OK;
}

void outbox_close(struct outbox **outbox_pointer)
{
    struct outbox *outbox = *outbox_pointer;
    if (outbox == NULL)
        return;
    if (outbox->n_held > 0)
        log_event(LOG_LEVEL_ERROR, "mails to compliance are lost, the disk did not take them",
                  LOG_NUMBER("mails", outbox->n_held));
    while (outbox->held != NULL) {
        struct held *held = outbox->held;
        outbox->held = held->next;
        outbox_mail_free(&held->mail);
        free(held);
    }
    free(outbox->folder);
    free(outbox);
    *outbox_pointer = NULL;
}

bool outbox_has(const struct outbox *outbox, const char *name)
{
    char *path = path_of(outbox, name, SUFFIX);
    bool there = (path != NULL && file_exists(path)) || *find_held(outbox, name) != NULL;
    free(path);
    return there;
}

static enum result hold(struct outbox *outbox, const char *name, const struct outbox_mail *mail,
                        struct error *err)
{
    if (outbox->n_held == OUTBOX_HELD_MOST)
        return RESULT_SYSTEM; /* err says why it is not on disk */
    struct held *held = calloc(1, sizeof(*held));
    if (held == NULL)
        return error_no_memory(err);
    held->mail = *mail;
    held->mail.text = (struct strbuf){0};
    strbuf_add(&held->mail.text, mail->text.data, mail->text.length);
    if (held->mail.text.failed) {
        outbox_mail_free(&held->mail);
        free(held);
        return error_no_memory(err);
    }
    str_copy(held->name, sizeof(held->name), name);
    log_event(LOG_LEVEL_WARN, NO_WAY, LOG_TEXT("reason", err->text));
    *find_held(outbox, name) = held; /* there is none of that name: the end */
    outbox->n_held++;
    return RESULT_OK;
}

/* Never under its name before it is whole and synced. */
static enum result write_file(const struct outbox *outbox, const char *name,
                              const struct outbox_mail *mail, struct error *err)
{
    struct strbuf text = {0};
    char *path = path_of(outbox, name, SUFFIX);
    strbuf_add_format(&text, FIRST "\n%s\n%s\n", mail->from, mail->to);
    strbuf_add(&text, mail->text.data, mail->text.length);
    enum result result = path == NULL || text.failed
                             ? error_no_memory(err)
                             : file_replace(path, 0600, text.data, text.length, err);
    free(path);
    strbuf_free(&text);
    return result;
}

static void free_names(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

enum result outbox_put(struct outbox *outbox, const char *name, const struct outbox_mail *mail,
                       struct error *err)
{
    char **names = NULL;
    size_t n = 0;
    struct error local = {0};
    err = err != NULL ? err : &local;
    if (outbox_has(outbox, name))
        return error_set(err, RESULT_CONFLICT, "such a mail waits already");
    enum result result = outbox_list(outbox, &names, &n, err);
    free_names(names, n);
    if (result == RESULT_OK && n >= OUTBOX_MOST)
        return error_set(err, RESULT_UNAVAILABLE, "%d mails wait already", OUTBOX_MOST);
    if (result == RESULT_OK)
        result = write_file(outbox, name, mail, err);
    return result == RESULT_SYSTEM ? hold(outbox, name, mail, err) : result;
}

void outbox_remove(struct outbox *outbox, const char *name)
{
    struct held **link = find_held(outbox, name);
    struct held *held = *link;
    if (held != NULL) {
        *link = held->next;
        outbox->n_held--;
        outbox_mail_free(&held->mail);
        free(held);
    }
    char *path = path_of(outbox, name, SUFFIX);
    if (path != NULL && unlink(path) != 0 && errno != ENOENT)
        log_event(LOG_LEVEL_WARN, "a mail that was sent cannot be removed, it may be sent again",
                  LOG_TEXT("file", path), LOG_TEXT("reason", strerror(errno)));
    free(path);
    (void)file_sync_folder(outbox->folder, NULL); /* else it may be sent twice, that is all */
}

static size_t count_aside(const struct outbox *outbox)
{
    size_t n = 0;
    struct dirent *entry;
    DIR *files = opendir(outbox->folder);
    while (files != NULL && (entry = readdir(files)) != NULL) {
        const char *dot = strchr(entry->d_name, '.');
        n += dot != NULL && strcmp(dot, "." ASIDE) == 0;
    }
    if (files != NULL)
        closedir(files);
    return n;
}

void outbox_set_aside(struct outbox *outbox, const char *name)
{
    char *path = path_of(outbox, name, SUFFIX);
    char *aside = path_of(outbox, name, ASIDE);
    bool kept = path != NULL && aside != NULL && count_aside(outbox) < OUTBOX_ASIDE_MOST &&
                rename(path, aside) == 0;
    log_event(LOG_LEVEL_ERROR, "a mail to compliance is given up",
              LOG_TEXT("file", kept ? aside : "-"));
    free(path);
    free(aside);
    outbox_remove(outbox, name);
}

/* ---- what waits ---- */

struct names {
    char **list;
    size_t n;
};

static bool add_name(struct names *names, const char *name, size_t length)
{
    if (names->n == (size_t)2 * OUTBOX_MOST)
        return true; /* somebody filled the folder: these first */
    char *copy = strndup(name, length);
    char **list = copy != NULL ? realloc(names->list, (names->n + 1) * sizeof(*list)) : NULL;
    if (list == NULL) {
        free(copy);
        return false;
    }
    names->list = list;
    names->list[names->n++] = copy;
    return true;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

enum result outbox_list(const struct outbox *outbox, char ***names_out, size_t *n_out,
                        struct error *err)
{
    struct names names = {0};
    bool ok = true;
    struct dirent *entry;
    DIR *files = opendir(outbox->folder);
    *names_out = NULL;
    *n_out = 0;
    for (const struct held *held = outbox->held; held != NULL && ok; held = held->next)
        ok = add_name(&names, held->name, strlen(held->name));
    if (files == NULL && names.n == 0)
        return error_errno(err, RESULT_SYSTEM, errno, "cannot read %s", outbox->folder);
    while (files != NULL && ok && (entry = readdir(files)) != NULL) {
        const char *dot = strchr(entry->d_name, '.');
        if (dot != NULL && dot != entry->d_name && strcmp(dot, "." SUFFIX) == 0 &&
            (size_t)(dot - entry->d_name) < OUTBOX_NAME)
            ok = add_name(&names, entry->d_name, (size_t)(dot - entry->d_name));
    }
    if (files != NULL)
        closedir(files);
    if (!ok) {
        free_names(names.list, names.n);
        return error_no_memory(err);
    }
    if (names.n > 0)
        qsort(names.list, names.n, sizeof(*names.list), compare_names);
    *names_out = names.list;
    *n_out = names.n;
    return RESULT_OK;
}

/* The line at *at, which moves behind it. */
static bool take_line(const char **at, const char *end, char *out, size_t size)
{
    const char *stop = memchr(*at, '\n', (size_t)(end - *at));
    if (stop == NULL || stop == *at || !str_copy_n(out, size, *at, (size_t)(stop - *at)))
        return false;
    *at = stop + 1;
    return true;
}

static bool parse(const struct strbuf *file, struct outbox_mail *mail)
{
    const char *at = file->data, *end = file->data + file->length;
    char first[32];
    if (file->length == 0 || !take_line(&at, end, first, sizeof(first)) ||
        strcmp(first, FIRST) != 0 || !take_line(&at, end, mail->from, sizeof(mail->from)) ||
        !take_line(&at, end, mail->to, sizeof(mail->to)) || at == end)
        return false;
    strbuf_add(&mail->text, at, (size_t)(end - at));
    return true;
}

enum result outbox_read(const struct outbox *outbox, const char *name, struct outbox_mail *mail_out,
                        struct error *err)
{
    struct strbuf file = {0};
    enum result result = RESULT_OK;
    const struct held *held = *find_held(outbox, name);
    *mail_out = (struct outbox_mail){0};
    if (held != NULL) {
        *mail_out = held->mail;
        mail_out->text = (struct strbuf){0};
        strbuf_add(&mail_out->text, held->mail.text.data, held->mail.text.length);
    } else {
        char *path = path_of(outbox, name, SUFFIX);
        if (path == NULL)
            result = error_no_memory(err);
        else
            result = file_read(path, OUTBOX_MAIL_MOST, &file, err);
        free(path);
        if (result == RESULT_OK && !parse(&file, mail_out))
            result = error_set(err, RESULT_DAMAGED, "it is no mail");
        strbuf_free(&file);
    }
    if (result == RESULT_OK && mail_out->text.failed)
        result = error_no_memory(err);
    if (result != RESULT_OK)
        outbox_mail_free(mail_out);
    return result;
}
