/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/metrics/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- which format ---- */

const char *metrics_media(bool open)
{
    return open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                : "text/plain; version=0.0.4; charset=utf-8";
}

/* One range of an Accept header: "type/subtype; version=1.0.0; q=0.5". */
struct range {
    const char *media;
    size_t media_length;
    const char *version; /* NULL: any */
    size_t version_length;
    double weight;
};

static const char *skip_spaces(const char *text, const char *end)
{
    while (text < end && (*text == ' ' || *text == '\t'))
        text++;
    return text;
}

static size_t trimmed(const char *text, const char *end)
{
    while (end > text && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return (size_t)(end - text);
}

/* "0.5", at most three digits behind the point (RFC 9110, 12.4.2); what is none counts as 0. */
static double read_weight(const char *text, size_t length)
{
    double weight = 0;
    double place = 1;
    for (size_t i = 0; i < length; i++) {
        if (i == 1 ? text[i] != '.' : text[i] < '0' || text[i] > '9' || i > 4)
            return 0;
        if (i == 1)
            continue;
        weight += (text[i] - '0') * place;
        place /= 10;
    }
    return weight > 1 ? 0 : weight;
}

static void read_parameter(struct range *range, const char *text, const char *end)
{
    text = skip_spaces(text, end);
    const char *equals = memchr(text, '=', (size_t)(end - text));
    if (equals == NULL)
        return;
    const char *value = skip_spaces(equals + 1, end);
    size_t length = trimmed(value, end);
    if (length >= 2 && value[0] == '"' && value[length - 1] == '"') {
        value++;
        length -= 2;
    }
    size_t name = trimmed(text, equals);
    if (ascii_equal_n(text, name, "q"))
        range->weight = read_weight(value, length);
    if (ascii_equal_n(text, name, "version")) {
        range->version = value;
        range->version_length = length;
    }
}

static struct range read_range(const char *text, const char *end)
{
    struct range range = {.media = skip_spaces(text, end), .weight = 1};
    const char *part = memchr(text, ';', (size_t)(end - text));
    range.media_length = trimmed(range.media, part != NULL ? part : end);
    while (part != NULL) {
        const char *next = memchr(part + 1, ';', (size_t)(end - part - 1));
        read_parameter(&range, part + 1, next != NULL ? next : end);
        part = next;
    }
    return range;
}

static bool has_version(const struct range *range, const char *version)
{
    return range->version == NULL || (range->version_length == strlen(version) &&
                                      memcmp(range->version, version, range->version_length) == 0);
}

bool metrics_accepts_open(const char *accept)
{
    double best = 0;
    bool open = false;
    while (accept != NULL && *accept != '\0') {
        const char *end = accept + strcspn(accept, ",");
        struct range range = read_range(accept, end);
        bool is_open =
            ascii_equal_n(range.media, range.media_length, "application/openmetrics-text") &&
            (has_version(&range, "1.0.0") || has_version(&range, "0.0.1"));
        bool is_plain = ascii_equal_n(range.media, range.media_length, "text/plain") &&
                        has_version(&range, "0.0.4");
        if ((is_open || is_plain) && range.weight > best) {
            best = range.weight;
            open = is_open;
        }
        accept = *end == ',' ? end + 1 : end;
    }
    return open;
}

/* ---- families ---- */

static const char *ending(const struct metrics_text *text)
{
    return text->type == METRICS_COUNTER ? "_total" : text->type == METRICS_INFO ? "_info" : "";
}

static const char *type_name(const struct metrics_text *text)
{
    static const char *const names[] = {[METRICS_COUNTER] = "counter",
                                        [METRICS_GAUGE] = "gauge",
                                        [METRICS_HISTOGRAM] = "histogram",
                                        [METRICS_INFO] = "info"};
    return !text->open && text->type == METRICS_INFO ? "gauge" : names[text->type];
}

void metrics_family(struct metrics_text *text, enum metrics_type type, const char *name,
                    const char *unit, const char *help)
{
    text->family = name;
    text->type = type;
    const char *end = text->open ? "" : ending(text);
    strbuf_add_format(text->out, "# HELP %s%s %s\n", name, end, help);
    strbuf_add_format(text->out, "# TYPE %s%s %s\n", name, end, type_name(text));
    if (text->open && unit[0] != '\0')
        strbuf_add_format(text->out, "# UNIT %s %s\n", name, unit);
}

void metrics_end(struct metrics_text *text)
{
    if (text->open)
        strbuf_add_str(text->out, "# EOF\n");
}

/* ---- samples ---- */

static void add_value(struct strbuf *out, const char *value)
{
    for (; *value != '\0'; value++) {
        if (*value == '\n') {
            strbuf_add_str(out, "\\n");
            continue;
        }
        if (*value == '\\' || *value == '"')
            strbuf_add_char(out, '\\');
        strbuf_add_char(out, *value);
    }
}

/* bound: of a bucket; NULL: none. */
static void add_head(struct metrics_text *text, const char *end, const char *const *labels,
                     const char *bound)
{
    struct strbuf *out = text->out;
    char before = '{';
    strbuf_add_str(out, text->family);
    strbuf_add_str(out, end);
    for (; labels != NULL && *labels != NULL; labels += 2) {
        strbuf_add_char(out, before);
        strbuf_add_str(out, labels[0]);
        strbuf_add_str(out, "=\"");
        add_value(out, labels[1]);
        strbuf_add_char(out, '"');
        before = ',';
    }
    if (bound != NULL) {
        strbuf_add_char(out, before);
        strbuf_add_format(out, "le=\"%s\"", bound);
        before = ',';
    }
    strbuf_add_str(out, before == ',' ? "} " : " ");
}

static void end_number(struct strbuf *out, uint64_t value)
{
    strbuf_add_uint(out, value);
    strbuf_add_char(out, '\n');
}

void metrics_number(struct metrics_text *text, const char *const *labels, uint64_t value)
{
    add_head(text, ending(text), labels, NULL);
    end_number(text->out, value);
}

static void end_seconds(struct strbuf *out, int64_t microseconds)
{
    uint64_t size = microseconds < 0 ? -(uint64_t)microseconds : (uint64_t)microseconds;
    strbuf_add_format(out, "%s%" PRIu64 ".%06" PRIu64 "\n", microseconds < 0 ? "-" : "",
                      size / 1000000, size % 1000000);
}

void metrics_duration(struct metrics_text *text, const char *const *labels, int64_t microseconds)
{
    add_head(text, ending(text), labels, NULL);
    end_seconds(text->out, microseconds);
}

/* As OpenMetrics has it ("1.0", "0.0025"), in both formats: one series, whoever asks. */
static void format_bound(int64_t microseconds, char out[32])
{
    snprintf(out, 32, "%" PRId64 ".%06" PRId64, microseconds / 1000000, microseconds % 1000000);
    size_t length = strlen(out);
    while (out[length - 1] == '0' && out[length - 2] != '.')
        out[--length] = '\0';
}

void metrics_histogram(struct metrics_text *text, const char *const *labels,
                       const struct histogram_reading *reading)
{
    uint64_t count = 0;
    for (unsigned i = 0; i <= HISTOGRAM_BOUNDS; i++) {
        char bound[32] = "+Inf";
        if (i < HISTOGRAM_BOUNDS)
            format_bound(histogram_bounds[i], bound);
        count += reading->counts[i];
        add_head(text, "_bucket", labels, bound);
        end_number(text->out, count);
    }
    add_head(text, "_sum", labels, NULL);
    end_seconds(text->out, (int64_t)reading->sum);
    add_head(text, "_count", labels, NULL);
    end_number(text->out, count);
}
