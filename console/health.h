/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway knows of itself, copied for one page of the console's. */
#ifndef OCTROI_CONSOLE_HEALTH_H
#define OCTROI_CONSOLE_HEALTH_H

#include "store/journal.h"

/* A way out to a provider. */
struct visit_provider {
    const char *name;
    const char *adapter;      /* "smtp" */
    const char *breaker;      /* "closed": in service, "open": not asked, "half-open": tried */
    const char *said;         /* its last answer that was no success, without addresses; "" */
    int64_t retry_at;         /* next attempt while open; 0: none */
    unsigned attempts_failed; /* in a row */
    unsigned connections, busy, limit;
    uint64_t accepted, refused, unknown, failed; /* messages, since it was made */
};

enum visit_check { VISIT_CHECK_NONE, VISIT_CHECK_HOLDS, VISIT_CHECK_BROKEN, VISIT_CHECK_FAILED };

struct visit_health {
    const char *version;        /* of the program */
    const char *config_version; /* as `octroi status` names it */
    int64_t started_at, config_loaded_at;
    bool reload_failed; /* the configuration was read again since, and not taken */
    /* Now. */
    unsigned sessions, messages;
    const struct visit_provider *providers;
    size_t n_providers;
    /* The journal. */
    uint64_t rows, waiting; /* durable; on their way there */
    bool failing;           /* it cannot be written: nothing passes */
    const char *failing_why;
    bool has_behind; /* it was looked how many of them are not in its index yet */
    uint64_t behind;
    /* Its last verification, perhaps before the last start. */
    enum visit_check check;
    bool checking;           /* one is under way */
    int64_t checked_at;      /* when the last one began; 0: none */
    uint64_t checked_rows;   /* that it held, or looked at */
    const char *checked_why; /* what does not hold, or why it could not be done; "" */
    int64_t check_every;     /* microseconds; 0: it is not done unasked */
    /* Withdrawals that partners are to learn of, as of some seconds ago. */
    uint64_t notices_waiting, notices_overdue, notices_given_up, notices_untold;
    int64_t notices_oldest; /* of those waiting; 0: none */
};

#endif
