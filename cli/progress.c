/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/progress.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define DRAW_EVERY (CLOCK_SECOND / 10)
#define BAR_WIDTH  30

void progress_start(struct progress *progress, const char *what, const char *unit)
{
    *progress = (struct progress){.what = what,
                                  .unit = unit,
                                  .terminal = isatty(STDERR_FILENO) == 1,
                                  .started = clock_monotonic()};
}

void progress_show(struct progress *progress, uint64_t done, uint64_t total, uint64_t items)
{
    if (!progress->terminal)
        return;
    int64_t now = clock_monotonic();
    if (now - progress->drawn < DRAW_EVERY)
        return;
    progress->drawn = now;
    progress->shown = true;
    fprintf(stderr, "\r\033[K%s ", progress->what);
    if (total > 0) {
        double part = done < total ? (double)done / (double)total : 1.0;
        int filled = (int)(part * BAR_WIDTH);
        fprintf(stderr, "[%.*s%*s] %3d %% ", filled, "##############################",
                BAR_WIDTH - filled, "", (int)(part * 100));
    }
    double seconds = (double)(now - progress->started) / (double)CLOCK_SECOND;
    if (items > 0 && seconds > 0)
        fprintf(stderr, " %" PRIu64 " %s, %.0f/s", items, progress->unit, (double)items / seconds);
    fflush(stderr);
}

void progress_clear(struct progress *progress)
{
    if (progress->shown)
        fputs("\r\033[K", stderr);
    progress->shown = false;
    progress->drawn = 0;
}
