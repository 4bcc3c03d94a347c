/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast an import goes. Alone, in transactions long enough to be cheap. Beside a gateway that
 * serves, mail goes first: what is refused waits for the journal's sync, on the disk the import
 * writes to, so transactions are a few pages, the log is folded in as often, each is followed by a
 * pause, and the processor is left to whoever else wants it. Of the three the size of what is
 * written at once counts most (docs/BENCHMARKS.md).
 */
#include "store/import_internal.h"

#include "base/clock.h"
#include "store/registry_internal.h"
#include "store/state_lock.h"

#include <stdio.h>
#include <sys/resource.h>

#define ALONE_TIME  (400 * CLOCK_SECOND / 1000)
#define BESIDE_TIME (1 * CLOCK_SECOND / 1000)
/* Pages of the log before it is folded in. Alone 64 MiB: they are written once for many rows. */
#define ALONE_PAGES  16384
#define BESIDE_PAGES 64
#define LOOK_EVERY   CLOCK_SECOND
/* Times the transaction took. */
#define BESIDE_PAUSE 2
/* Whatever a stopped process or a disk that hung makes of that. */
#define LONGEST_PAUSE CLOCK_SECOND

void import_pace_set(struct import *import, bool beside)
{
    char sql[64];
    /* Better late than slow for those who wait for a message. What cannot be set is no failure. */
    if (beside)
        (void)setpriority(PRIO_PROCESS, 0, 19);
    snprintf(sql, sizeof(sql), "PRAGMA wal_autocheckpoint = %d",
             beside ? BESIDE_PAGES : ALONE_PAGES);
    (void)sql_exec(import->settings.registry->db, sql, NULL);
    import->beside = beside;
}

void import_pace_look(struct import *import)
{
    int64_t now = clock_monotonic();
    if (import->settings.state_dir == NULL ||
        (import->looked_at != 0 && now - import->looked_at < LOOK_EVERY))
        return;
    import->looked_at = now;
    bool beside = state_lock_held(import->settings.state_dir);
    if (beside != import->beside)
        import_pace_set(import, beside);
}

bool import_pace_due(const struct import *import)
{
    return clock_monotonic() - import->opened_at >= (import->beside ? BESIDE_TIME : ALONE_TIME);
}

void import_pace_pause(const struct import *import)
{
    if (!import->beside)
        return;
    int64_t pause = BESIDE_PAUSE * (clock_monotonic() - import->opened_at);
    clock_sleep(pause < LONGEST_PAUSE ? pause : LONGEST_PAUSE);
}
