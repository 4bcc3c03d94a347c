/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static _Atomic int threshold = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
    atomic_store(&threshold, (int)level);
}

static int is_plain(unsigned char c)
{
    return c > 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '=';
}

size_t log_escape(const char *text, char *out, size_t size)
{
    size_t n = 0;
    size_t length = strlen(text);
    size_t plain = 0;
    while (plain < length && is_plain((unsigned char)text[plain]))
        plain++;
    if (plain == length && length > 0 && length < size) {
        memcpy(out, text, length + 1);
        return length;
    }
    if (size < 8) {
        if (size > 0)
            out[0] = '\0';
        return 0;
    }
    out[n++] = '"';
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (n + 6 > size) {
            /* Cut visibly rather than silently. */
            out[n - 1] = '~';
            break;
        }
        if (c == '"' || c == '\\') {
            out[n++] = '\\';
            out[n++] = (char)c;
        } else if (c >= 0x20 && c < 0x7f) {
            out[n++] = (char)c;
        } else {
            n += (size_t)snprintf(out + n, size - n, "\\x%02x", c);
        }
    }
    out[n++] = '"';
    out[n] = '\0';
    return n;
}

void log_fields(enum log_level level, const char *event, const struct log_field *fields,
                size_t count)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    if ((int)level < atomic_load_explicit(&threshold, memory_order_relaxed))
        return;
    char line[2048];
    char when[CLOCK_TEXT];
    clock_format_seconds(clock_now(), when);
    size_t n = (size_t)snprintf(line, sizeof(line), "%s %s event=", when, names[level]);
    n += log_escape(event, line + n, 200);
    for (size_t i = 1; i < count && n < sizeof(line) - 64; i++) {
        const struct log_field *field = &fields[i];
        size_t left = sizeof(line) - 2 - n;
        int wrote = field->text != NULL ? snprintf(line + n, left, " %s=", field->key)
                                        : snprintf(line + n, left, " %s=%lld", field->key,
                                                   (long long)field->number);
        if (wrote < 0 || (size_t)wrote >= left)
            break;
        n += (size_t)wrote;
        if (field->text != NULL)
            n += log_escape(field->text, line + n, sizeof(line) - 2 - n);
    }
    line[n++] = '\n';
    /* Nobody is left to tell when standard error is gone. */
    ssize_t ignored = write(STDERR_FILENO, line, n);
    (void)ignored;
}
