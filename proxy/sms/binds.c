/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binds that receive, by account, and what is on its way to them. It owns the list of places and
 * every delivery until its end; it refuses to keep one for a bind that is not there yet: who sent
 * it keeps it, and comes again.
 *
 * A delivery is held twice: by who waits for its answer (home), until that was told, and by the
 * bind's side, until the session answered or left. What has to be touched by two threads is under
 * the one lock; a place's lists are its loop's alone.
 */
#include "proxy/sms/binds.h"

#include "base/clock.h"
#include "base/str.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define BUCKETS  1024 /* accounts are hundreds; a power of two */
#define PATIENCE (60 * CLOCK_SECOND)
/* Deliveries one bind has not answered, late ones included: a session's window is smaller by far,
 * and what a peer lets lie must not pile up here. */
#define HELD_MOST 1000

struct delivery {
    struct loop_task task; /* to the bind's loop, then to home */
    TAILQ_ENTRY(delivery) of_place;
    TAILQ_ENTRY(delivery) of_all; /* under lock */
    struct binds *binds;          /* borrowed */
    struct bind_place *place;     /* owned: one reference, until released */
    struct sms_delivery what;     /* owned */
    int64_t deadline;             /* monotonic; the bind's loop's, as late */
    bool late;
    struct loop *home; /* borrowed */
    sms_taken_fn *taken;
    void *owner; /* borrowed */
    struct ticket ticket;
    unsigned refs;         /* under lock */
    bool decided;          /* under lock: answer holds */
    bool told;             /* under lock: home knows */
    enum sms_taken answer; /* under lock */
};
TAILQ_HEAD(deliveries, delivery);

struct bind_account;

struct bind_place {
    TAILQ_ENTRY(bind_place) of_account; /* under lock */
    struct binds *binds;                /* borrowed */
    struct bind_account *account;       /* borrowed while entered; under lock */
    struct loop *loop;                  /* borrowed */
    binds_take_fn *take;
    void *session;       /* borrowed */
    struct event *timer; /* owned; for the first in open */
    bool armed;
    struct deliveries open; /* with the session, oldest first */
    struct deliveries late; /* the session still has them, home was told */
    bool left;              /* the loop's */
    unsigned refs;          /* under lock: while entered one, and one each delivery */
};
TAILQ_HEAD(bind_places, bind_place);

struct bind_account {
    struct bind_account *next;
    struct bind_places places; /* whose turn it is first */
    unsigned count;
    char name[];
};

struct binds {
    pthread_mutex_t lock;
    struct bind_account *buckets[BUCKETS]; /* under lock, as those below */
    struct deliveries all;                 /* not told yet */
    bool shut;
    int64_t patience; /* microseconds */
};

/* ---- the accounts that have binds; all under lock ---- */

static struct bind_account **bucket_of(struct binds *binds, const char *name)
{
    uint32_t hash = 2166136261u;
    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return &binds->buckets[hash & (BUCKETS - 1)];
}

static struct bind_account *find_account(struct binds *binds, const char *name)
{
    struct bind_account *account = *bucket_of(binds, name);
    while (account != NULL && strcmp(account->name, name) != 0)
        account = account->next;
    return account;
}

static struct bind_account *find_or_add_account(struct binds *binds, const char *name)
{
    struct bind_account *account = find_account(binds, name);
    if (account != NULL)
        return account;
    size_t size = strlen(name) + 1;
    account = calloc(1, sizeof(*account) + size);
    if (account == NULL)
        return NULL;
    memcpy(account->name, name, size);
    TAILQ_INIT(&account->places);
    struct bind_account **bucket = bucket_of(binds, name);
    account->next = *bucket;
    *bucket = account;
    return account;
}

static void drop_account(struct binds *binds, struct bind_account *account)
{
    struct bind_account **link = bucket_of(binds, account->name);
    while (*link != account)
        link = &(*link)->next;
    *link = account->next;
    free(account);
}

/* ---- counting ---- */

static void place_unref(struct bind_place *place)
{
    struct binds *binds = place->binds;
    pthread_mutex_lock(&binds->lock);
    bool last = --place->refs == 0;
    pthread_mutex_unlock(&binds->lock);
    if (last)
        free(place);
}

static void delivery_ref(struct delivery *delivery)
{
    pthread_mutex_lock(&delivery->binds->lock);
    delivery->refs++;
    pthread_mutex_unlock(&delivery->binds->lock);
}

static void delivery_unref(struct delivery *delivery)
{
    struct binds *binds = delivery->binds;
    pthread_mutex_lock(&binds->lock);
    bool last = --delivery->refs == 0;
    pthread_mutex_unlock(&binds->lock);
    if (!last)
        return;
    sms_delivery_end(&delivery->what);
    free(delivery);
}

void sms_delivery_end(struct sms_delivery *what)
{
    free(what->body);
    free(what->tlvs);
    *what = (struct sms_delivery){0};
}

/* ---- answers ---- */

static void run_told(struct loop_task *task)
{
    struct delivery *delivery = CONTAINER_OF(task, struct delivery, task);
    struct binds *binds = delivery->binds;
    pthread_mutex_lock(&binds->lock);
    bool tell = !delivery->told;
    if (tell)
        TAILQ_REMOVE(&binds->all, delivery, of_all);
    delivery->told = true;
    pthread_mutex_unlock(&binds->lock);
    if (tell)
        delivery->taken(delivery->owner, delivery->ticket, delivery->answer);
    delivery_unref(delivery);
}

/* The first answer counts. On the bind's loop, which no longer needs the task. */
static void decide(struct delivery *delivery, enum sms_taken answer)
{
    struct binds *binds = delivery->binds;
    pthread_mutex_lock(&binds->lock);
    bool first = !delivery->decided;
    if (first) {
        delivery->decided = true;
        delivery->answer = answer;
        delivery->task.run = run_told;
    }
    pthread_mutex_unlock(&binds->lock);
    if (first)
        loop_post(delivery->home, &delivery->task);
}

/* ---- the bind's side, on its loop ---- */

/* The timer is left where it is when its delivery is answered; it then finds what is next. */
static bool arm(struct bind_place *place)
{
    const struct delivery *first = TAILQ_FIRST(&place->open);
    if (first == NULL || place->armed)
        return true;
    int64_t wait = first->deadline - clock_monotonic();
    if (wait < 0)
        wait = 0;
    struct timeval tv = {.tv_sec = (time_t)(wait / CLOCK_SECOND),
                         .tv_usec = (suseconds_t)(wait % CLOCK_SECOND)};
    place->armed = event_add(place->timer, &tv) == 0;
    return place->armed;
}

/* The session keeps what it was given: it stays here until answered, in vain, or left behind. */
static void give_up(struct bind_place *place, struct delivery *delivery)
{
    TAILQ_REMOVE(&place->open, delivery, of_place);
    TAILQ_INSERT_TAIL(&place->late, delivery, of_place);
    delivery->late = true;
    decide(delivery, SMS_TAKE_LATER);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct bind_place *place = arg;
    struct delivery *delivery;
    int64_t now = clock_monotonic();
    place->armed = false;
    while ((delivery = TAILQ_FIRST(&place->open)) != NULL && delivery->deadline <= now)
        give_up(place, delivery);
    /* Without memory for the timer nobody would wake for those that are left. */
    while (!arm(place))
        give_up(place, TAILQ_FIRST(&place->open));
}

/* Before the session had it: by binds_shut. */
static bool is_decided(struct delivery *delivery)
{
    pthread_mutex_lock(&delivery->binds->lock);
    bool decided = delivery->decided;
    pthread_mutex_unlock(&delivery->binds->lock);
    return decided;
}

/* The bind's side is done with it. */
static void release(struct delivery *delivery)
{
    place_unref(delivery->place);
    delivery_unref(delivery);
}

static void refuse(struct delivery *delivery)
{
    decide(delivery, SMS_TAKE_LATER);
    release(delivery);
}

static void run_take(struct loop_task *task)
{
    struct delivery *delivery = CONTAINER_OF(task, struct delivery, task);
    struct bind_place *place = delivery->place;
    if (place->left || is_decided(delivery)) {
        refuse(delivery);
        return;
    }
    delivery->deadline = clock_monotonic() + delivery->binds->patience;
    TAILQ_INSERT_TAIL(&place->open, delivery, of_place);
    if (!arm(place)) {
        TAILQ_REMOVE(&place->open, delivery, of_place);
        refuse(delivery);
        return;
    }
    /* It may be answered before take has returned. */
    delivery_ref(delivery);
    place->take(place->session, delivery, &delivery->what);
    delivery_unref(delivery);
}

void binds_answer(struct delivery *delivery, enum sms_taken taken)
{
    struct bind_place *place = delivery->place;
    TAILQ_REMOVE(delivery->late ? &place->late : &place->open, delivery, of_place);
    decide(delivery, taken);
    release(delivery);
}

static struct bind_place *new_place(struct binds *binds, struct loop *loop, binds_take_fn *take,
                                    void *session)
{
    struct bind_place *place = calloc(1, sizeof(*place));
    if (place == NULL)
        return NULL;
    place->binds = binds;
    place->loop = loop;
    place->take = take;
    place->session = session;
    place->refs = 1;
    TAILQ_INIT(&place->open);
    TAILQ_INIT(&place->late);
    place->timer = event_new(loop_base(loop), -1, 0, on_timer, place);
    if (place->timer == NULL) {
        free(place);
        return NULL;
    }
    return place;
}

struct bind_place *binds_enter(struct binds *binds, struct loop *loop, const char *account,
                               binds_take_fn *take, void *session)
{
    struct bind_place *place = new_place(binds, loop, take, session);
    if (place == NULL)
        return NULL;
    pthread_mutex_lock(&binds->lock);
    struct bind_account *entered = find_or_add_account(binds, account);
    if (entered != NULL) {
        place->account = entered;
        TAILQ_INSERT_HEAD(&entered->places, place, of_account);
        entered->count++;
    }
    pthread_mutex_unlock(&binds->lock);
    if (entered != NULL)
        return place;
    event_free(place->timer);
    free(place);
    return NULL;
}

static void leave_account(struct bind_place *place)
{
    struct binds *binds = place->binds;
    struct bind_account *account = place->account;
    pthread_mutex_lock(&binds->lock);
    TAILQ_REMOVE(&account->places, place, of_account);
    if (--account->count == 0)
        drop_account(binds, account);
    place->account = NULL;
    pthread_mutex_unlock(&binds->lock);
}

static void answer_all(struct deliveries *list)
{
    struct delivery *next;
    for (struct delivery *delivery = TAILQ_FIRST(list); delivery != NULL; delivery = next) {
        next = TAILQ_NEXT(delivery, of_place);
        binds_answer(delivery, SMS_TAKE_LATER);
    }
}

void binds_leave(struct bind_place **place_pointer)
{
    struct bind_place *place = *place_pointer;
    if (place == NULL)
        return;
    *place_pointer = NULL;
    leave_account(place);
    place->left = true;
    event_free(place->timer);
    place->timer = NULL;
    answer_all(&place->open);
    answer_all(&place->late);
    place_unref(place);
}

/* ---- the side of who delivers ---- */

/* The account's next bind, with a reference; NULL when there is none. Under lock. */
static struct bind_place *choose(struct binds *binds, const char *name)
{
    struct bind_account *account = binds->shut ? NULL : find_account(binds, name);
    if (account == NULL)
        return NULL;
    struct bind_place *place = TAILQ_FIRST(&account->places);
    while (place != NULL && place->refs > HELD_MOST)
        place = TAILQ_NEXT(place, of_account);
    if (place == NULL)
        return NULL;
    TAILQ_REMOVE(&account->places, place, of_account);
    TAILQ_INSERT_TAIL(&account->places, place, of_account);
    place->refs++;
    return place;
}

void binds_deliver(struct binds *binds, const char *account, struct sms_delivery *what,
                   struct loop *loop, sms_taken_fn *taken, void *owner, struct ticket ticket)
{
    struct delivery *delivery = calloc(1, sizeof(*delivery));
    struct bind_place *place = NULL;
    if (delivery != NULL) {
        *delivery = (struct delivery){
            .task.run = run_take,
            .binds = binds,
            .home = loop,
            .taken = taken,
            .owner = owner,
            .ticket = ticket,
            .refs = 2, /* home's and the bind's side's */
        };
        pthread_mutex_lock(&binds->lock);
        place = choose(binds, account);
        if (place != NULL)
            TAILQ_INSERT_TAIL(&binds->all, delivery, of_all);
        pthread_mutex_unlock(&binds->lock);
    }
    if (place == NULL) {
        free(delivery);
        sms_delivery_end(what);
        taken(owner, ticket, SMS_TAKE_LATER);
        return;
    }
    delivery->place = place;
    delivery->what = *what;
    *what = (struct sms_delivery){0};
    loop_post(place->loop, &delivery->task);
}

unsigned binds_count(struct binds *binds, const char *account)
{
    pthread_mutex_lock(&binds->lock);
    const struct bind_account *found = find_account(binds, account);
    unsigned count = found != NULL ? found->count : 0;
    pthread_mutex_unlock(&binds->lock);
    return count;
}

/* ---- life ---- */

struct binds *binds_new(void)
{
    struct binds *binds = calloc(1, sizeof(*binds));
    if (binds == NULL)
        return NULL;
    pthread_mutex_init(&binds->lock, NULL);
    TAILQ_INIT(&binds->all);
    binds->patience = PATIENCE;
    return binds;
}

void binds_set_patience(struct binds *binds, int64_t patience)
{
    binds->patience = patience;
}

/* The tasks of these may still be in a mailbox: they then find that all was said, and only free. */
void binds_shut(struct binds *binds)
{
    struct delivery *delivery;
    pthread_mutex_lock(&binds->lock);
    binds->shut = true;
    while ((delivery = TAILQ_FIRST(&binds->all)) != NULL) {
        TAILQ_REMOVE(&binds->all, delivery, of_all);
        bool on_its_way = delivery->decided;
        enum sms_taken answer = on_its_way ? delivery->answer : SMS_TAKE_LATER;
        delivery->decided = delivery->told = true;
        pthread_mutex_unlock(&binds->lock);
        delivery->taken(delivery->owner, delivery->ticket, answer);
        if (!on_its_way)
            delivery_unref(delivery);
        pthread_mutex_lock(&binds->lock);
    }
    pthread_mutex_unlock(&binds->lock);
}

void binds_free(struct binds **binds_pointer)
{
    struct binds *binds = *binds_pointer;
    if (binds == NULL)
        return;
    pthread_mutex_destroy(&binds->lock);
    free(binds);
    *binds_pointer = NULL;
}
