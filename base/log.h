/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's log: one line an event on standard error, key=value, written with one write(2) so
 * that threads never mix. Values that are not plain are quoted and escaped here, whatever they
 * hold, so that no peer can forge a line. Callers never pass a secret or a clear address.
 *
 *   2026-11-23T20:54:37Z info event="session opened" session=… peer=192.0.2.1
 */
#ifndef OCTROI_BASE_LOG_H
#define OCTROI_BASE_LOG_H

#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/* Call before the threads start; the default is INFO. */
void log_set_level(enum log_level level);

struct log_field {
    const char *key;
    const char *text;
    int64_t number;
};

#define LOG_TEXT(k, v)   ((struct log_field){.key = (k), .text = (v) != NULL ? (v) : "-"})
#define LOG_NUMBER(k, v) ((struct log_field){.key = (k), .number = (int64_t)(v)})

/* Any thread. log_event(LOG_LEVEL_INFO, "reloaded", LOG_TEXT("file", path), LOG_NUMBER("n", 3)); */
#define log_event(level, event, ...)                                               \
    log_fields(level, event, (const struct log_field[]){LOG_FIRST, ##__VA_ARGS__}, \
               sizeof((const struct log_field[]){LOG_FIRST, ##__VA_ARGS__}) /      \
                   sizeof(struct log_field))
/* Stands first in every list, so that a list without fields is one, too; not written. */
#define LOG_FIRST ((struct log_field){.key = NULL})
/* fields[0] is LOG_FIRST; count includes it. */
void log_fields(enum log_level level, const char *event, const struct log_field *fields,
                size_t count);

/* How a value appears in a line; length of what was written without the NUL. For tests and for
 * other places that print what a peer said. */
size_t log_escape(const char *text, char *out, size_t size);

#endif
