/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The immediate stop of a partner, a stream, a form or a supplier, and its end: as a part of the
 * page on what is stopped, and as acts.
 */
#ifndef OCTROI_CONSOLE_STOP_H
#define OCTROI_CONSOLE_STOP_H

#include "console/visit.h"

/* What is suspended now; texts in the visit's arena. */
struct stop {
    struct stop *next;
    enum suspension_kind kind;
    const char *id;
    int64_t since;
    const char *reason;
};

/* All that is suspended now, oldest first; read once a page. */
enum result stops_read(struct visit *visit, struct stop **stops_out, struct error *err);
/* NULL: it is not suspended. */
const struct stop *stop_find(const struct stop *stops, enum suspension_kind kind, const char *id);

/* The state in a badge, nothing when it is in service. */
void stop_badge(struct visit *visit, const struct stop *stop);
/* A section: that it is suspended since when and why, with the way to resume; or what suspending it
 * does, folded, with a reason to be given. Nothing to press for who may not. what: a constant to be
 * translated that says what happens, such as "No message of this partner passes …". */
void stop_part(struct visit *visit, enum suspension_kind kind, const char *id,
               const struct stop *stop, const char *what);
/* Every suspension of it there was, newest first; nothing when there was none. */
enum result stop_history_part(struct visit *visit, enum suspension_kind kind, const char *id,
                              struct error *err);
/* The page on what this names, such as "/console/partners/acme"; appended. */
void stop_path(struct strbuf *out, enum suspension_kind kind, const char *id);

#endif
