/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/progress.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DRAW_EVERY (CLOCK_SECOND / 10)
#define BAR_MOST   30
#define BAR_LEAST  10
#define LINE_MOST  200
/* A rate of the first moments says nothing. */
#define SECONDS_LEAST 0.5

void progress_start(struct progress *progress, const char *what, const char *unit)
{
    *progress = (struct progress){.what = what,
                                  .unit = unit,
                                  .terminal = isatty(STDERR_FILENO) == 1,
                                  .started = clock_monotonic()};
}

void progress_resume(struct progress *progress, uint64_t done, uint64_t items)
{
    progress->done_before = done;
    progress->items_before = items;
    progress->started = clock_monotonic();
}

static void add_time_left(double seconds, char *out, size_t size)
{
    uint64_t left = (uint64_t)(seconds + 0.999);
    if (left < 100)
        snprintf(out, size, ", %" PRIu64 " s left", left);
    else if (left < 100 * 60)
        snprintf(out, size, ", %" PRIu64 " min %02" PRIu64 " s left", left / 60, left % 60);
    else
        snprintf(out, size, ", %" PRIu64 " h %02" PRIu64 " min left", left / 3600, left / 60 % 60);
}

/* "1234 lines, 567/s, 8 s left", as far as that is known. */
static void describe(const struct progress *progress, uint64_t done, uint64_t total, uint64_t items,
                     double seconds, char *out, size_t size)
{
    uint64_t items_now = items > progress->items_before ? items - progress->items_before : 0;
    uint64_t done_now = done > progress->done_before ? done - progress->done_before : 0;
    int length = snprintf(out, size, "%" PRIu64 " %s", items, progress->unit);
    if (length < 0 || (size_t)length >= size || seconds < SECONDS_LEAST)
        return;
    out += length;
    size -= (size_t)length;
    length = snprintf(out, size, ", %.0f/s", (double)items_now / seconds);
    if (length < 0 || (size_t)length >= size || total <= done || done_now == 0)
        return;
    add_time_left((double)(total - done) * seconds / (double)done_now, out + length,
                  size - (size_t)length);
}

void progress_line(const struct progress *progress, uint64_t done, uint64_t total, uint64_t items,
                   double seconds, size_t width, char *out, size_t size)
{
    char figures[120];
    char bar[BAR_MOST + 16] = "";
    describe(progress, done, total, items, seconds, figures, sizeof(figures));
    if (total > 0) {
        double part = done < total ? (double)done / (double)total : 1.0;
        /* "[" "] " and " 100 %  " around it. */
        size_t others = strlen(progress->what) + 1 + 10 + strlen(figures);
        size_t room = width > others ? width - others : 0;
        int cells = (int)(room < BAR_MOST ? room : BAR_MOST);
        int filled = (int)(part * cells);
        if (cells >= BAR_LEAST)
            snprintf(bar, sizeof(bar), "[%.*s%*s] %3d %%  ", filled,
                     "##############################", cells - filled, "", (int)(part * 100));
        else
            snprintf(bar, sizeof(bar), "%3d %%  ", (int)(part * 100));
    }
    size_t most = width + 1 < size ? width + 1 : size;
    snprintf(out, most, "%s %s%s", progress->what, bar, figures);
}

static size_t terminal_width(void)
{
    struct winsize size;
    bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return known ? size.ws_col : 80;
}

void progress_show(struct progress *progress, uint64_t done, uint64_t total, uint64_t items)
{
    char line[LINE_MOST];
    if (!progress->terminal)
        return;
    int64_t now = clock_monotonic();
    if (now - progress->drawn < DRAW_EVERY)
        return;
    progress->drawn = now;
    progress->shown = true;
    /* One column is left free: a full line makes some terminals begin the next. */
    progress_line(progress, done, total, items,
                  (double)(now - progress->started) / (double)CLOCK_SECOND, terminal_width() - 1,
                  line, sizeof(line));
    fprintf(stderr, "\r\033[K%s", line);
    fflush(stderr);
}

void progress_clear(struct progress *progress)
{
    if (progress->shown)
        fputs("\r\033[K", stderr);
    progress->shown = false;
    progress->drawn = 0;
}
