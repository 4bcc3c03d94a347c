/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output that leaves at the end of the loop's turn, that of all sockets in one system call.
 *
 * A bufferevent writes what it was given in the loop's next turn, after asking the kernel whether
 * it may and telling it afterwards that it need not know any more: two system calls and a turn
 * around the one that counts. Short replies nearly always fit the socket, so they are written
 * without asking. And they are written together: each write wakes a peer, and a peer on the same
 * processor runs as soon as the call returns, so that one call a write would mean one change of
 * process a write. Linux's AIO hands over many writes at once (docs/adr/0013); on a socket they are
 * done when the call returns. Where the kernel has none to give, they are written one by one, and
 * so is what goes out under TLS: but as one record, whatever the pieces it was said in.
 */
#ifndef OCTROI_BASE_FLUSH_H
#define OCTROI_BASE_FLUSH_H

#include <stdbool.h>
#include <sys/queue.h>

struct bufferevent;
struct loop;

/* Part of whoever owns a bufferevent on a socket; one under TLS is left alone until its handshake
 * is done. */
struct flush {
    TAILQ_ENTRY(flush) entry; /* while due */
    bool due;
    /* The bufferevent whose output shall be written now; NULL: none any more. Changes nothing. */
    struct bufferevent *(*source)(struct flush *);
    /* All of it is out, and the bufferevent's write callback will not be called for it. What is
     * not out yet is left to the bufferevent, and so is an error of the socket. NULL: not asked. */
    void (*written)(struct flush *);
};

/* On the loop's thread. Asked for twice in a turn, it happens once. */
void flush_later(struct loop *loop, struct flush *flush);
/* To be called before flush is freed. */
void flush_forget(struct loop *loop, struct flush *flush);

/* Writes at once what goes at once of a bufferevent on a socket, and forgets nothing that is due:
 * for who is about to close it. Not from within a callback of the output. */
void flush_now(struct bufferevent *bev);

/* ---- for the loop ---- */

struct flusher;

/* NULL when memory is short. */
struct flusher *flusher_new(void);
void flusher_free(struct flusher **flusher);
/* Writes all that is due. */
void flusher_run(struct flusher *flusher);

#endif
