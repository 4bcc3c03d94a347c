/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers that are too long to be held: downloads. They are made in pieces at the desk, each a
 * short job, and a piece is made only when the one before has left for the client's socket: a
 * connection never has more than one waiting, however long the whole and however slow its reader.
 * Between two pieces nothing is held open, no transaction and no thread.
 *
 * What ends before its end is cut (a reset, never a clean close), so that no client takes a part
 * for the whole.
 */
#ifndef OCTROI_PROXY_HTTP_STREAM_H
#define OCTROI_PROXY_HTTP_STREAM_H

#include "proxy/desk/desk.h"
#include "proxy/http/service.h"

#define STREAM_PIECE      (128 * 1024) /* bytes a piece comes to; it ends with what passes that */
#define STREAM_PIECE_MOST (256 * 1024) /* … and may come to */
#define STREAM_ANY_LENGTH (-1)

/* Downloads at a time, over all lanes: of a user, and of an address, behind which an office is. */
#define STREAM_USER_MOST    2
#define STREAM_ADDRESS_MOST 6

/* Where the pieces come from. */
struct stream_source {
    void *own; /* owned */
    /* On a desk thread, one piece at a time: adds the next to out, which is empty and may stay so;
     * *last_out true: nothing follows. What fails, and more than STREAM_PIECE_MOST, cuts it. */
    enum result (*make)(void *own, struct desk_tools *tools, struct strbuf *out, bool *last_out,
                        struct error *err);
    /* On the lane's thread, once it has begun and is over: what goes on record of that. whole: the
     * client's connection has got all of it; else pieces may have been read by nobody. NULL: no
     * memory. May be NULL: nothing is recorded. */
    struct journal_batch *(*ended)(void *own, bool whole);
    void (*free)(void *own); /* on the lane's thread, after all others */
};

/* Counts the call among the downloads of this user, and of its address. False: there are as many as
 * there may be; the handler answers (429). */
bool service_stream_admit(struct service_call *call, const char *user);

/* Takes source, batch and the call. The answer is http.answer (status, type, disposition, …) with
 * source's pieces as its body; length: of all of them, or STREAM_ANY_LENGTH. Before its first byte
 * the first piece is made and batch is durable, which says who has it; where either fails (batch
 * NULL: no memory for it), unable answers, or with NULL a problem. HEAD gets the header alone, and
 * nothing is recorded. */
void service_stream(struct service_call *call, const struct stream_source *source, int64_t length,
                    struct journal_batch *batch, service_handler *unable);

/* A regular file from its beginning to its end as it is now. fd is taken, also when it fails. Any
 * thread. */
enum result stream_file(int fd, struct stream_source *source_out, int64_t *length_out,
                        struct error *err);

#endif
