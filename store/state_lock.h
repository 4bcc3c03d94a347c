/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state_dir/lock: who holds it may write the journal, and nobody else. `serve` holds it as long as
 * it runs; a command that writes to the journal takes it when no gateway runs.
 */
#ifndef OCTROI_STORE_STATE_LOCK_H
#define OCTROI_STORE_STATE_LOCK_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* Closing the descriptor gives the lock up. RESULT_CONFLICT when somebody else has it and keeps it
 * for longer than patience (microseconds). */
enum result state_lock_take(const char *state_dir, int64_t patience, int *fd_out,
                            struct error *err);
/* Whether somebody has it: a gateway that serves, mostly. Takes nothing. */
bool state_lock_held(const char *state_dir);
/* state_dir/purge.lock: one purge at a time, whether a gateway runs, ends or starts meanwhile: two
 * would write the same segment anew. RESULT_CONFLICT at once when there is one. */
enum result state_lock_purge(const char *state_dir, int *fd_out, struct error *err);

#endif
