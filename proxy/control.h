/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket, state_dir/control.sock: commands ask the running gateway. One line of JSON
 * in, one line of JSON out. Whoever may open the socket (mode 0600) may ask.
 */
#ifndef OCTROI_PROXY_CONTROL_H
#define OCTROI_PROXY_CONTROL_H

#include "base/error.h"
#include "base/loop.h"
#include "base/str.h"

struct control;

/* Fills reply with one JSON object, without a newline. On the loop's thread. */
typedef void control_fn(void *arg, const char *request, struct strbuf *reply);

/* A request that is a conversation of its own: true if it was one; fd is then the callee's. On the
 * loop's thread. */
typedef bool control_take_fn(void *arg, const char *request, int fd);

/* The caller holds the state directory's lock: a socket that is already there is a dead one's. */
enum result control_new(const char *state_dir, struct loop *loop, control_fn *handle,
                        control_take_fn *take, void *arg, struct control **control_out,
                        struct error *err);
void control_free(struct control **control);

/* RESULT_NOT_FOUND when nobody listens there. */
enum result control_connect(const char *state_dir, int *fd_out, struct error *err);
/* For commands: blocks, at most ten seconds for a gateway that is just being started or replaced,
 * and ten for its answer. A request that a gateway on its way out left without a word is said again
 * to the next: requests must bear that. RESULT_UNAVAILABLE when no gateway runs. */
enum result control_call(const char *state_dir, const char *request, struct strbuf *reply,
                         struct error *err);

#endif
