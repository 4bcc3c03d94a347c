/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The provider's end of each connection of fuzz_relay, and a reader of its own for what the client
 * said and what was said to it: the n-th reply is the answer to the n-th thing said, whatever the
 * client makes of it.
 */
#ifndef OCTROI_TESTS_FUZZ_RELAY_PEER_H
#define OCTROI_TESTS_FUZZ_RELAY_PEER_H

#include <stdbool.h>
#include <stddef.h>

#define PEERS 16 /* connections a run */

void peer_reset(void);
unsigned peer_count(void);
/* A connection of the client; the newest is the one that the functions below are about. */
void peer_open(int fd);
void peer_choose(unsigned number);
void peer_say(const char *bytes, size_t length);
void peer_close(void);
void peer_half_close(void);
void peer_close_all(void);
/* Whether it reads what the client says. */
void peer_hear(bool hears);

/* Before and after the client's turn: what it has read, what it has said. */
void peer_look(void);
void peer_read(void);

/* By the transaction's number: what the session is told is what the provider said. */
void peer_check_recipient(unsigned transaction, unsigned index, int code);
void peer_check_accepted(unsigned transaction, unsigned recipients);
void peer_check_unsaid(unsigned transaction);
void peer_check_no_dot(unsigned transaction);
/* mail_finish was called: from now on its dot may be said. */
void peer_may_finish(unsigned transaction);

#endif
