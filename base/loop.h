/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One event loop, run by one thread, and its mailbox: the only way for another thread to reach
 * what lives there. Tasks are intrusive (embedded in what they act upon), so posting never
 * allocates and cannot fail.
 */
#ifndef OCTROI_BASE_LOOP_H
#define OCTROI_BASE_LOOP_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct event_base;
struct flusher;
struct loop;

/* The struct whose member a pointer points at. */
#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

struct loop_task {
    struct loop_task *next;          /* the loop's, while posted or deferred */
    void (*run)(struct loop_task *); /* on the loop's thread; may free the task */
};

/* index: 0 … n-1, unique among the loops of a process. */
enum result loop_new(unsigned index, struct loop **loop_out, struct error *err);
/* Only when the loop's thread has ended. Runs what is still posted or deferred first. */
void loop_free(struct loop **loop);

unsigned loop_index(const struct loop *loop);
struct event_base *loop_base(struct loop *loop);
struct flusher *loop_flusher(struct loop *loop);

/* Runs until loop_stop. Call on the thread that shall own the loop. */
void loop_run(struct loop *loop);
/* Runs what is ready once, without waiting: for tests, for short-lived commands, and for the end,
 * when its thread is gone. */
void loop_turn(struct loop *loop);
/* Nothing is posted or deferred. On the loop's thread, or when that has ended. */
bool loop_is_quiet(struct loop *loop);
void loop_stop(struct loop *loop); /* any thread */

/* Any thread: task->run happens on the loop's thread, in the order of posting. A task must not be
 * posted again before it ran. */
void loop_post(struct loop *loop, struct loop_task *task);
/* The loop's own thread: task->run happens after the running callback has returned. This is how
 * things are freed: closing marks, the loop's end frees. */
void loop_defer(struct loop *loop, struct loop_task *task);
/* Deferred tasks run and output leaves (base/flush.h) once the running callbacks have returned. On
 * the loop's thread. */
void loop_come_round(struct loop *loop);
/* Closes a descriptor whose events have just been deleted, once the kernel was told so. To be used
 * where others hold duplicates of it, for then closing alone does not end the kernel's watch. On
 * the loop's thread. */
void loop_close(struct loop *loop, int fd);

#endif
