/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/smtp/content.h"

#include <string.h>

void content_start(struct content_scan *scan)
{
    *scan = (struct content_scan){.in_header = true};
}

/* The line whose LF was just seen is complete. True when it was the final dot. */
static bool end_line(struct content_scan *scan, uint64_t line_bytes)
{
    if (scan->dot_first && line_bytes == 3)
        return true;
    scan->bytes += line_bytes;
    if (scan->in_header) {
        scan->header_bytes += line_bytes;
        if (line_bytes == 2) {
            scan->in_header = false;
            scan->header_ended = true;
        }
    }
    scan->column = 0;
    scan->after_cr = false;
    scan->dot_first = false;
    return false;
}

/* A last partial line that may become the final dot is given back, to be seen again with more. */
static size_t give_back(struct content_scan *scan)
{
    size_t partial = scan->column;
    if (!scan->dot_first || partial > 2 || (partial == 2 && !scan->after_cr))
        return 0;
    scan->column = 0;
    scan->after_cr = false;
    return partial;
}

enum content_verdict content_scan(struct content_scan *scan, const char *bytes, size_t length,
                                  size_t *used_out)
{
    const char *at = bytes;
    const char *end = bytes + length;
    *used_out = length;
    while (at < end) {
        if (scan->column == 0)
            scan->dot_first = *at == '.';
        const char *feed = memchr(at, '\n', (size_t)(end - at));
        size_t part = (size_t)((feed != NULL ? feed : end) - at);
        /* A CR may stand only right before a LF; one at the very end is judged with what follows.
         */
        const char *cr = part > 0 ? memchr(at, '\r', part) : NULL;
        if ((scan->after_cr && part > 0) || (cr != NULL && cr != at + part - 1))
            return CONTENT_BARE;
        scan->after_cr |= cr != NULL;
        scan->column += part;
        if (scan->column + 1 > (size_t)CONTENT_LINE_MAX + (scan->dot_first ? 1 : 0))
            scan->too_long = true;
        if (feed == NULL)
            break;
        if (!scan->after_cr)
            return CONTENT_BARE;
        at = feed + 1;
        if (end_line(scan, scan->column + 1)) {
            *used_out = (size_t)(at - bytes);
            return CONTENT_END;
        }
    }
    *used_out = length - give_back(scan);
    return CONTENT_MORE;
}
