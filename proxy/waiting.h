/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Says in the log what the end of the gateway still waits for, every few seconds: which sessions
 * while it drains, which step on the way down after that. It decides nothing and ends nothing.
 */
#ifndef OCTROI_PROXY_WAITING_H
#define OCTROI_PROXY_WAITING_H

struct gateway;

/* On the main thread, at every tick of a drain. What each lane still has is said by its own loop; a
 * loop that does not come round is named. */
void waiting_tick(struct gateway *gateway);

/* The way down, which no loop watches over: a thread of its own says which step takes long. */
struct farewell;

/* NULL when memory or threads are short: then nothing is said. The other functions take NULL. */
struct farewell *farewell_begin(void);
/* step: constant. */
void farewell_step(struct farewell *farewell, const char *step);
void farewell_end(struct farewell **farewell);

#endif
