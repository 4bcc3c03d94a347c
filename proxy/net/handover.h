/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One gateway process gives its listening sockets to the next, so that whoever connects in between
 * waits in the kernel and is not refused (docs/adr/0012-handing-over.md). The conversation runs
 * over the control socket, one line of JSON each, between processes of one user:
 *
 *     new  {"command":"takeover"}                  checked its configuration, asks
 *     old  {"takeover":1,…,"sockets":[…]}          descriptors ride along; goes on serving
 *     new  {"command":"commit","binds":[…]}        has all it needs; these listeners it takes
 *     old  {"committed":true}                      stops accepting, drains, frees the lock
 *     new  {"command":"serving"}                   the old process ends
 *
 * Up to commit a broken connection changes nothing. After it, a connection that breaks before
 * `serving` makes the old process serve again, from the sockets it still holds. It owns the
 * conversation; it refuses to know what draining is.
 */
#ifndef OCTROI_PROXY_NET_HANDOVER_H
#define OCTROI_PROXY_NET_HANDOVER_H

#include "base/loop.h"
#include "base/str.h"
#include "proxy/net/inlet.h"

#define HANDOVER_REQUEST "{\"command\":\"takeover\"}"
#define HANDOVER_BATCH   32 /* descriptors in one message; the kernel takes 253 */
#define HANDOVER_BINDS   64

/* ---- the old process ---- */

struct handover;

struct handover_commit {
    char binds[HANDOVER_BINDS][INLET_BIND];
    size_t n;
};

/* committed: the new process takes these; false refuses, and the new process must give up.
 * broken: it went away before that; the handover is already freed. On the loop's thread. */
struct handover_calls {
    bool (*committed)(void *arg, const struct handover_commit *commit);
    void (*broken)(void *arg, const char *why);
    void *arg;
};

/* Sends the sockets. Takes fd, also on failure. drain_us: how long the new one may have to wait. */
enum result handover_offer(struct loop *loop, int fd, const struct inlets *inlets, int64_t drain_us,
                           const struct handover_calls *calls, struct handover **handover_out,
                           struct error *err);
void handover_free(struct handover **handover);
/* Frees the handover and keeps its connection, for handover_await. */
int handover_detach(struct handover **handover);
/* Blocks until the new process serves (true) or is gone or too slow (false). Takes fd. */
bool handover_await(int fd);
/* Says no, and why; takes fd. */
void handover_refuse(int fd, const char *why);

/* ---- the new process; these block ---- */

/* RESULT_NOT_FOUND: no gateway runs there, or none that still answers. Else *fd_out is the
 * connection and inlets has the sockets. */
enum result handover_ask(const char *state_dir, struct inlets *inlets, int *fd_out,
                         int64_t *drain_us_out, struct error *err);
/* The sockets of these listeners are ours from now on, and the old process drains.
 * RESULT_NOT_FOUND: it went away; the sockets are ours all the same. */
enum result handover_commit(int fd, const struct config *config, struct error *err);
void handover_serving(int fd);

/* ---- the lines ---- */

struct handover_offer {
    int64_t drain_us;
    bool more; /* another message follows */
    size_t n;
    struct {
        char bind[INLET_BIND];
        bool lent;
    } sockets[HANDOVER_BATCH];
};

void handover_write_offer(struct strbuf *out, const struct inlet *list, size_t n, int64_t drain_us,
                          bool more);
enum result handover_read_offer(const char *line, struct handover_offer *offer_out,
                                struct error *err);
void handover_write_commit(struct strbuf *out, const struct config *config);
enum result handover_read_commit(const char *line, struct handover_commit *commit_out,
                                 struct error *err);

#endif
