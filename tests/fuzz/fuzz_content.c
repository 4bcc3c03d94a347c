/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream behind DATA against a second, plain reading of the same bytes: however they are cut,
 * the end, the refusal and the counts are the same, and nothing behind the end is looked at.
 */
#include "proxy/smtp/content.h"
#include "tests/fuzz/fuzz.h"

struct seen {
    enum content_verdict verdict;
    size_t end; /* bytes up to and with the final dot's line */
    uint64_t bytes;
    uint64_t header_bytes;
    bool header_ended;
    bool too_long;
};

/* The line that starts at start goes to its LF, or to the first bare CR or LF, or to size. */
static size_t line_end(const uint8_t *data, size_t size, size_t start, bool *bare_out)
{
    *bare_out = false;
    for (size_t i = start; i < size; i++) {
        bool after_cr = i > start && data[i - 1] == '\r';
        if ((data[i] == '\n') != after_cr) {
            *bare_out = true;
            return i;
        }
        if (data[i] == '\n')
            return i + 1;
    }
    return size;
}

static struct seen read_plainly(const uint8_t *data, size_t size)
{
    struct seen seen = {.verdict = CONTENT_MORE};
    size_t start = 0;
    while (start < size) {
        bool bare;
        size_t end = line_end(data, size, start, &bare);
        size_t length = end - start;
        size_t allowed = CONTENT_LINE_MAX + (data[start] == '.' ? 1 : 0);
        if (bare) {
            seen.verdict = CONTENT_BARE;
            return seen;
        }
        bool complete = data[end - 1] == '\n';
        if (complete && length == 3 && data[start] == '.') {
            seen.verdict = CONTENT_END;
            seen.end = end;
            return seen;
        }
        seen.too_long |= length + (complete ? 0 : 1) > allowed;
        if (!complete)
            return seen;
        seen.bytes += length;
        if (!seen.header_ended)
            seen.header_bytes += length;
        seen.header_ended |= length == 2;
        start = end;
    }
    return seen;
}

static struct seen read_in_pieces(const uint8_t *data, size_t size, int way)
{
    struct content_scan scan;
    struct seen seen = {.verdict = CONTENT_MORE};
    uint64_t state = fuzz_hash(data, size);
    size_t settled = 0; /* of data */
    size_t given = 0;
    content_start(&scan);
    while (given < size && seen.verdict == CONTENT_MORE) {
        given += fuzz_cut(way, &state, size - given);
        size_t length = given - settled;
        size_t used = 0;
        char *piece = fuzz_copy(data + settled, length, false);
        seen.verdict = content_scan(&scan, piece, length, &used);
        must(used <= length);
        if (seen.verdict == CONTENT_MORE) {
            size_t kept = length - used;
            must(kept <= 2 && memcmp(piece + used, ".\r", kept) == 0);
        }
        free(piece);
        settled += used;
    }
    if (seen.verdict == CONTENT_END)
        seen.end = settled;
    seen.bytes = scan.bytes;
    seen.header_bytes = scan.header_bytes;
    seen.header_ended = scan.header_ended;
    seen.too_long = scan.too_long;
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen plain = read_plainly(data, size);
    for (int way = 0; way < CUT_WAYS; way++) {
        struct seen seen = read_in_pieces(data, size, way);
        must(seen.verdict == plain.verdict);
        if (seen.verdict == CONTENT_BARE)
            continue; /* the counts are of no use any more */
        must(seen.bytes == plain.bytes);
        must(seen.header_bytes == plain.header_bytes);
        must(seen.header_ended == plain.header_ended);
        must(seen.too_long == plain.too_long);
        if (seen.verdict == CONTENT_MORE)
            continue;
        must(seen.end == plain.end && seen.bytes + 3 == seen.end);
        must(seen.end == 3 ? memcmp(data, ".\r\n", 3) == 0
                           : memcmp(data + seen.end - 5, "\r\n.\r\n", 5) == 0);
    }
    return 0;
}
