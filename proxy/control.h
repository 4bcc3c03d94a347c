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

/* The caller holds the state directory's lock: a socket that is already there is a dead one's. */
enum result control_new(const char *state_dir, struct loop *loop, control_fn *handle, void *arg,
                        struct control **control_out, struct error *err);
void control_free(struct control **control);

/* For commands: blocks, at most ten seconds. RESULT_UNAVAILABLE when no gateway runs. */
enum result control_call(const char *state_dir, const char *request, struct strbuf *reply,
                         struct error *err);

#endif
