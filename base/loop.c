/* SPDX-License-Identifier: Apache-2.0 */
#include "base/loop.h"

#include "base/flush.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct task_queue {
    struct loop_task *first;
    struct loop_task **last;
};

struct loop {
    struct loop_task stop; /* first: run_stop finds the loop by it */
    atomic_bool stopping;  /* stop is posted, and has not run */
    unsigned index;
    struct event_base *base; /* owned */
    int wake_fd;
    struct event *wake;      /* owned */
    struct event *later;     /* owned; runs the deferred tasks, then the flusher */
    struct flusher *flusher; /* owned */
    pthread_mutex_t lock;
    struct task_queue posted;   /* under lock */
    struct task_queue deferred; /* the loop's thread only */
};

static void queue_push(struct task_queue *queue, struct loop_task *task)
{
    task->next = NULL;
    *queue->last = task;
    queue->last = &task->next;
}

static struct loop_task *queue_take(struct task_queue *queue)
{
    struct loop_task *first = queue->first;
    queue->first = NULL;
    queue->last = &queue->first;
    return first;
}

static void run_all(struct loop_task *task)
{
    while (task != NULL) {
        struct loop_task *next = task->next;
        task->run(task);
        task = next;
    }
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct loop *loop = arg;
    eventfd_t count;
    eventfd_read(fd, &count);
    pthread_mutex_lock(&loop->lock);
    struct loop_task *tasks = queue_take(&loop->posted);
    pthread_mutex_unlock(&loop->lock);
    run_all(tasks);
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct loop *loop = arg;
    run_all(queue_take(&loop->deferred));
    /* What these put off comes round again in this turn, and the output leaves behind it. */
    if (loop->deferred.first == NULL)
        flusher_run(loop->flusher);
}

static void run_stop(struct loop_task *task)
{
    struct loop *loop = (struct loop *)task;
    atomic_store(&loop->stopping, false);
    if (event_base_loopexit(loop->base, NULL) != 0)
        event_base_loopbreak(loop->base); /* needs no memory, and stops a little earlier */
}

/* With a changelist, what is added and taken back within a turn costs no system call; the flusher
 * does that with every reply. It forbids two events on duplicates of one descriptor: there are
 * none. */
static struct event_base *new_base(void)
{
    struct event_config *config = event_config_new();
    if (config == NULL)
        return NULL;
    event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST | EVENT_BASE_FLAG_NOLOCK);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

enum result loop_new(unsigned index, struct loop **loop_out, struct error *err)
{
    struct loop *loop = calloc(1, sizeof(*loop));
    if (loop == NULL)
        return error_no_memory(err);
    loop->index = index;
    loop->posted.last = &loop->posted.first;
    loop->deferred.last = &loop->deferred.first;
    pthread_mutex_init(&loop->lock, NULL);
    /* What libevent shares between bases, such as who takes signals, keeps its locks. */
    evthread_use_pthreads();
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->wake_fd < 0) {
        enum result result = error_errno(err, RESULT_SYSTEM, errno, "cannot make an eventfd");
        loop_free(&loop);
        return result;
    }
    loop->stop.run = run_stop;
    loop->base = new_base();
    if (loop->base != NULL) {
        loop->wake = event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
        loop->later = event_new(loop->base, -1, 0, on_later, loop);
    }
    loop->flusher = flusher_new();
    if (loop->wake == NULL || loop->later == NULL || loop->flusher == NULL ||
        event_add(loop->wake, NULL) != 0) {
        loop_free(&loop);
        return error_set(err, RESULT_SYSTEM, "cannot make an event loop");
    }
    *loop_out = loop;
    return RESULT_OK;
}

void loop_free(struct loop **loop_pointer)
{
    struct loop *loop = *loop_pointer;
    if (loop == NULL)
        return;
    /* What runs here may post or defer more. */
    while (loop->posted.first != NULL || loop->deferred.first != NULL) {
        run_all(queue_take(&loop->posted));
        run_all(queue_take(&loop->deferred));
    }
    if (loop->wake != NULL)
        event_free(loop->wake);
    if (loop->later != NULL)
        event_free(loop->later);
    flusher_free(&loop->flusher);
    if (loop->base != NULL)
        event_base_free(loop->base);
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    pthread_mutex_destroy(&loop->lock);
    free(loop);
    *loop_pointer = NULL;
}

unsigned loop_index(const struct loop *loop)
{
    return loop->index;
}

struct event_base *loop_base(struct loop *loop)
{
    return loop->base;
}

struct flusher *loop_flusher(struct loop *loop)
{
    return loop->flusher;
}

void loop_run(struct loop *loop)
{
    event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

void loop_turn(struct loop *loop)
{
    event_base_loop(loop->base, EVLOOP_NONBLOCK);
}

bool loop_is_quiet(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    bool quiet = loop->posted.first == NULL && loop->deferred.first == NULL;
    pthread_mutex_unlock(&loop->lock);
    return quiet;
}

void loop_stop(struct loop *loop)
{
    /* Through the mailbox, so that a stop asked for before loop_run is not forgotten. */
    if (!atomic_exchange(&loop->stopping, true))
        loop_post(loop, &loop->stop);
}

void loop_post(struct loop *loop, struct loop_task *task)
{
    pthread_mutex_lock(&loop->lock);
    bool was_empty = loop->posted.first == NULL;
    queue_push(&loop->posted, task);
    pthread_mutex_unlock(&loop->lock);
    if (was_empty)
        eventfd_write(loop->wake_fd, 1);
}

void loop_come_round(struct loop *loop)
{
    event_active(loop->later, EV_TIMEOUT, 0);
}

void loop_defer(struct loop *loop, struct loop_task *task)
{
    if (loop->deferred.first == NULL)
        loop_come_round(loop);
    queue_push(&loop->deferred, task);
}

static void close_now(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    close((int)(intptr_t)arg);
}

void loop_close(struct loop *loop, int fd)
{
    /* A timer runs behind the next look at the kernel, and with it behind the changelist. */
    static const struct timeval at_once;
    if (event_base_once(loop->base, -1, EV_TIMEOUT, close_now, (void *)(intptr_t)fd, &at_once) != 0)
        close(fd);
}
