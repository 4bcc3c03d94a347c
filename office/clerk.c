/* SPDX-License-Identifier: Apache-2.0 */
#include "office/clerk.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/harden.h"
#include "base/log.h"
#include "base/wake.h"
#include "office/dossier.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define NICENESS   10
#define TIDY_EVERY (60 * CLOCK_SECOND)

struct place {
    char user[CLERK_USER]; /* "": free */
    uint64_t number;       /* in the order of asking */
    struct clerk_entry entry;
    struct config *config; /* owned reference; until it is drawn up */
    int fd;                /* owned; -1 unless it is ready */
};

struct clerk {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    _Atomic bool stopping;
    /* Under lock. */
    struct place places[CLERK_MOST];
    uint64_t asked;
    /* Never changed. */
    char *spool, *registry_path, *index_path, *journal_path; /* owned */
    struct strbuf public_key;                                /* PEM */
    const struct signing_key *key;                           /* borrowed */
};

/* ---- drawing one up ---- */

static int is_over(void *arg)
{
    const struct clerk *clerk = arg;
    return clerk->stopping;
}

/* "2026-09-01", of the last moment before an end. */
static void day_of(int64_t instant, char out[CLOCK_TEXT])
{
    clock_format(instant, out);
    out[10] = '\0';
}

static void name_of(const struct clerk_order *order, char out[CLERK_NAME])
{
    char from[CLOCK_TEXT], to[CLOCK_TEXT];
    day_of(order->since, from);
    day_of(order->until - 1, to);
    snprintf(out, CLERK_NAME, "dossier-%.10s-%.10s", from, to);
}

static enum result draw_up(struct clerk *clerk, const struct config *config,
                           const struct clerk_order *order, struct folder *folder,
                           struct error *err)
{
    struct dossier dossier = {.config = config,
                              .journal_path = clerk->journal_path,
                              .language = order->language,
                              .folder = folder,
                              .key = clerk->key,
                              .public_key = clerk->public_key.data,
                              .with_journal = order->with_journal,
                              .made_at = clock_now()};
    dossier.filter.since = order->since;
    dossier.filter.until = order->until;
    dossier.change = order->change;
    dossier.filter.partner = order->partner[0] != '\0' ? order->partner : NULL;
    enum result result = registry_open_reader(clerk->registry_path, &dossier.registry, err);
    if (result == RESULT_OK)
        result = journal_index_open(clerk->index_path, clerk->journal_path, clerk->registry_path,
                                    &dossier.index, err);
    if (result == RESULT_OK) {
        registry_watch(dossier.registry, is_over, clerk);
        journal_index_watch(dossier.index, is_over, clerk);
        result = journal_index_catch_up(dossier.index, 0, NULL, err);
    }
    if (result == RESULT_OK)
        result = dossier_make(&dossier, err);
    if (result == RESULT_OK)
        result = folder_end(folder, err);
    journal_index_close(&dossier.index);
    registry_close(&dossier.registry);
    return result;
}

/* *fd_out is the archive. */
static enum result pack(struct clerk *clerk, const struct config *config,
                        const struct clerk_order *order, int *fd_out, struct error *err)
{
    struct folder folder;
    char name[CLERK_NAME];
    name_of(order, name);
    int fd = folder_nameless(clerk->spool, err);
    if (fd < 0)
        return RESULT_SYSTEM;
    enum result result = folder_pack(fd, name, clerk->spool, &folder, err);
    if (result == RESULT_OK) {
        folder.stop = &clerk->stopping;
        result = draw_up(clerk, config, order, &folder, err);
        folder_close(&folder);
    }
    if (result == RESULT_OK)
        *fd_out = fd;
    else
        close(fd);
    return result;
}

static void conclude(struct clerk *clerk, struct place *place, enum result result, int fd,
                     const struct error *err)
{
    struct clerk_entry *entry = &place->entry;
    struct stat st;
    if (result == RESULT_OK && fstat(fd, &st) == 0)
        entry->bytes = (uint64_t)st.st_size;
    entry->state = result == RESULT_OK ? CLERK_READY : CLERK_FAILED;
    entry->why = result;
    entry->ended_at = clock_now();
    name_of(&entry->order, entry->name);
    (void)strncat(entry->name, ".zip", sizeof(entry->name) - strlen(entry->name) - 1);
    place->fd = fd;
    config_unref(&place->config);
    if (result != RESULT_OK && !clerk->stopping)
        log_event(LOG_LEVEL_ERROR, "a dossier could not be drawn up", LOG_TEXT("user", place->user),
                  LOG_TEXT("reason", err->text));
}

/* ---- the thread ---- */

static void clear(struct place *place)
{
    if (place->fd >= 0)
        close(place->fd);
    config_unref(&place->config);
    *place = (struct place){.fd = -1};
}

static bool is_ended(const struct place *place)
{
    return place->entry.state == CLERK_READY || place->entry.state == CLERK_FAILED;
}

/* Under lock: what lay long enough goes. */
static void tidy(struct clerk *clerk, int64_t now)
{
    for (size_t i = 0; i < CLERK_MOST; i++) {
        struct place *place = &clerk->places[i];
        if (is_ended(place) && now - place->entry.ended_at >= CLERK_KEEP)
            clear(place);
    }
}

static struct place *next_place(struct clerk *clerk)
{
    struct place *next = NULL;
    for (size_t i = 0; i < CLERK_MOST; i++) {
        struct place *place = &clerk->places[i];
        if (place->entry.state == CLERK_WAITING && (next == NULL || place->number < next->number))
            next = place;
    }
    return next;
}

static void rest(struct clerk *clerk)
{
    wake_wait(&clerk->wake, &clerk->lock, TIDY_EVERY);
    tidy(clerk, clock_now());
}

static void *run(void *arg)
{
    struct clerk *clerk = arg;
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS);
    pthread_mutex_lock(&clerk->lock);
    while (!clerk->stopping) {
        struct place *place = next_place(clerk);
        struct error err = {0};
        int fd = -1;
        if (place == NULL) {
            rest(clerk);
            continue;
        }
        place->entry.state = CLERK_WORKING; /* nobody else takes it from here on */
        pthread_mutex_unlock(&clerk->lock);
        enum result result = pack(clerk, place->config, &place->entry.order, &fd, &err);
        pthread_mutex_lock(&clerk->lock);
        conclude(clerk, place, result, fd, &err);
    }
    pthread_mutex_unlock(&clerk->lock);
    return NULL;
}

/* ---- asking ---- */

/* Under lock. NULL: this user has none. */
static struct place *place_of(struct clerk *clerk, const char *user)
{
    for (size_t i = 0; i < CLERK_MOST; i++)
        if (strcmp(clerk->places[i].user, user) == 0)
            return &clerk->places[i];
    return NULL;
}

/* Under lock. What came to nothing has been told, or can be asked for again: it gives way. */
static struct place *failed_place(struct clerk *clerk)
{
    for (size_t i = 0; i < CLERK_MOST; i++)
        if (clerk->places[i].entry.state == CLERK_FAILED)
            return &clerk->places[i];
    return NULL;
}

static enum result take_place(struct clerk *clerk, const char *user, struct place **place_out,
                              struct error *err)
{
    struct place *place = place_of(clerk, user);
    if (place != NULL && !is_ended(place))
        return error_set(err, RESULT_CONFLICT, "one is under way already");
    if (place == NULL)
        place = place_of(clerk, "");
    if (place == NULL)
        place = failed_place(clerk);
    if (place == NULL)
        return error_set(err, RESULT_UNAVAILABLE, "%d users have one already", CLERK_MOST);
    *place_out = place;
    return RESULT_OK;
}

enum result clerk_ask(struct clerk *clerk, const char *user, const struct clerk_order *order,
                      struct config *config, int64_t now, struct error *err)
{
    struct place *place = NULL;
    if (user[0] == '\0' || strlen(user) >= CLERK_USER)
        return error_set(err, RESULT_BAD_INPUT, "nobody asks");
    pthread_mutex_lock(&clerk->lock);
    tidy(clerk, now);
    enum result result = take_place(clerk, user, &place, err);
    if (result == RESULT_OK) {
        clear(place);
        (void)str_copy(place->user, sizeof(place->user), user);
        place->number = ++clerk->asked;
        place->entry.state = CLERK_WAITING;
        place->entry.order = *order;
        place->entry.asked_at = now;
        place->config = config_ref(config);
        pthread_cond_signal(&clerk->wake);
    }
    pthread_mutex_unlock(&clerk->lock);
    return result;
}

/* Under lock. */
static const struct place *look(struct clerk *clerk, const char *user, int64_t now,
                                struct clerk_entry *out)
{
    tidy(clerk, now);
    const struct place *place = user[0] != '\0' ? place_of(clerk, user) : NULL;
    *out = place != NULL ? place->entry : (struct clerk_entry){0};
    return place;
}

void clerk_look(struct clerk *clerk, const char *user, int64_t now, struct clerk_entry *out)
{
    pthread_mutex_lock(&clerk->lock);
    (void)look(clerk, user, now, out);
    pthread_mutex_unlock(&clerk->lock);
}

int clerk_open(struct clerk *clerk, const char *user, int64_t now, struct clerk_entry *out)
{
    pthread_mutex_lock(&clerk->lock);
    const struct place *place = look(clerk, user, now, out);
    int fd = place != NULL && place->fd >= 0 ? fcntl(place->fd, F_DUPFD_CLOEXEC, 0) : -1;
    pthread_mutex_unlock(&clerk->lock);
    return fd;
}

const char *clerk_public_key(const struct clerk *clerk)
{
    return clerk->public_key.data;
}

/* ---- life ---- */

static void free_clerk(struct clerk *clerk)
{
    for (size_t i = 0; i < CLERK_MOST; i++)
        clear(&clerk->places[i]);
    pthread_cond_destroy(&clerk->wake);
    pthread_mutex_destroy(&clerk->lock);
    strbuf_free(&clerk->public_key);
    free(clerk->spool);
    free(clerk->registry_path);
    free(clerk->index_path);
    free(clerk->journal_path);
    free(clerk);
}

static enum result equip(struct clerk *clerk, const struct clerk_options *options,
                         struct error *err)
{
    clerk->key = options->key;
    clerk->spool = strdup(options->spool);
    clerk->registry_path = strdup(options->registry_path);
    clerk->index_path = strdup(options->index_path);
    clerk->journal_path = strdup(options->journal_path);
    if (clerk->spool == NULL || clerk->registry_path == NULL || clerk->index_path == NULL ||
        clerk->journal_path == NULL || !signing_key_add_public(options->key, &clerk->public_key))
        return error_no_memory(err);
    return RESULT_OK;
}

enum result clerk_start(const struct clerk_options *options, struct clerk **clerk_out,
                        struct error *err)
{
    struct clerk *clerk = calloc(1, sizeof(*clerk));
    if (clerk == NULL)
        return error_no_memory(err);
    pthread_mutex_init(&clerk->lock, NULL);
    wake_init(&clerk->wake);
    for (size_t i = 0; i < CLERK_MOST; i++)
        clerk->places[i].fd = -1;
    enum result result = equip(clerk, options, err);
    if (result == RESULT_OK) {
        sigset_t all, before;
        harden_thread_signals(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        int failed = pthread_create(&clerk->thread, NULL, run, clerk);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (failed != 0)
            result = error_errno(err, RESULT_SYSTEM, failed, "cannot start the clerk's thread");
    }
    if (result != RESULT_OK) {
        free_clerk(clerk);
        return result;
    }
    *clerk_out = clerk;
    return RESULT_OK;
}

void clerk_stop(struct clerk **clerk_pointer)
{
    struct clerk *clerk = *clerk_pointer;
    if (clerk == NULL)
        return;
    pthread_mutex_lock(&clerk->lock);
    clerk->stopping = true;
    pthread_cond_signal(&clerk->wake);
    pthread_mutex_unlock(&clerk->lock);
    pthread_join(clerk->thread, NULL);
    free_clerk(clerk);
    *clerk_pointer = NULL;
}
