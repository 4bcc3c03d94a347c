/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records that a command composed and hands to whoever writes the journal. A record that could not
 * be read later would stand in the chain for ever, and one of the journal's own kinds would forge
 * it: each is looked at here before it is taken. Strict JSON (RFC 8259), one pass, no memory.
 */
#include "store/record.h"
#include "store/segment.h"

#include <string.h>

enum { NESTED_MOST = 8 };

struct scan {
    const char *at;
    const char *end;
};

static bool more(const struct scan *scan)
{
    return scan->at < scan->end;
}

static bool skip(struct scan *scan, const char *text)
{
    size_t length = strlen(text);
    if ((size_t)(scan->end - scan->at) < length || memcmp(scan->at, text, length) != 0)
        return false;
    scan->at += length;
    return true;
}

static size_t digits(struct scan *scan)
{
    const char *from = scan->at;
    while (more(scan) && *scan->at >= '0' && *scan->at <= '9')
        scan->at++;
    return (size_t)(scan->at - from);
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool escape(struct scan *scan)
{
    if (++scan->at >= scan->end)
        return false;
    if (*scan->at != 'u')
        return *scan->at != '\0' && strchr("\"\\/bfnrt", *scan->at++) != NULL;
    scan->at++;
    for (int i = 0; i < 4; i++, scan->at++)
        if (!more(scan) || !is_hex(*scan->at))
            return false;
    /* NUL, and halves of characters, are what readers stumble over; nobody here writes them. */
    return memcmp(scan->at - 4, "0000", 4) != 0 && (scan->at[-4] | 0x20) != 'd';
}

static bool string(struct scan *scan)
{
    if (!skip(scan, "\""))
        return false;
    while (more(scan)) {
        unsigned char c = (unsigned char)*scan->at;
        if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') { /* nearly all of them */
            scan->at++;
            continue;
        }
        if (c == '"') {
            scan->at++;
            return true;
        }
        size_t step = 1;
        if (c < 0x20)
            return false;
        if (c >= 0x80)
            step = utf8_sequence((const unsigned char *)scan->at, (size_t)(scan->end - scan->at));
        if (c == '\\') {
            if (!escape(scan))
                return false;
            continue;
        }
        if (step == 0)
            return false;
        scan->at += step;
    }
    return false;
}

static bool number(struct scan *scan)
{
    (void)skip(scan, "-");
    bool zero = more(scan) && *scan->at == '0';
    size_t whole = digits(scan);
    if (whole == 0 || whole > 18 || (zero && whole > 1))
        return false;
    if (skip(scan, ".") && digits(scan) == 0)
        return false;
    return true;
}

static bool value(struct scan *scan, int depth);

/* From behind the opening bracket to behind the closing one. */
static bool members(struct scan *scan, bool named, int depth)
{
    const char *close = named ? "}" : "]";
    if (skip(scan, close))
        return true;
    do {
        if (named && (!string(scan) || !skip(scan, ":")))
            return false;
        if (!value(scan, depth))
            return false;
    } while (skip(scan, ","));
    return skip(scan, close);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as NESTED_MOST */
static bool value(struct scan *scan, int depth)
{
    if (depth >= NESTED_MOST || !more(scan))
        return false;
    switch (*scan->at) {
    case '{':
    case '[':
        return scan->at++, members(scan, scan->at[-1] == '{', depth + 1);
    case '"':
        return string(scan);
    case 't':
        return skip(scan, "true");
    case 'f':
        return skip(scan, "false");
    case 'n':
        return skip(scan, "null");
    default:
        return number(scan);
    }
}

const char *record_fault(const char *record, size_t length)
{
    struct scan scan = {.at = record, .end = record + length};
    if (length > SEGMENT_RECORD_MAX)
        return "a record is longer than 65,536 bytes";
    if (length < 2 || *record != '{' || !value(&scan, 0) || more(&scan))
        return "a record is not one JSON object without spaces";
    scan.at = record;
    if (!skip(&scan, "{\"type\":\"") || !more(&scan) || *scan.at == '"')
        return "a record does not begin with its type";
    switch (record_type(record, length)) {
    case RECORD_SEGMENT:
    case RECORD_CHECKPOINT:
    case RECORD_RECOVERED:
    case RECORD_REGISTRY:
    case RECORD_CONFIGURATION:
        return "a record is of a kind that only the gateway itself writes";
    default:
        return NULL;
    }
}
