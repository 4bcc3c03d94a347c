/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of `octroi screen` share; nobody else includes it. screen.c says what is asked and
 * sums up, screen_rows.c reads and judges, screen_write.c puts rows where they belong.
 *
 * Rows go in batches: judged within one read transaction of the registry, handed to the journal as
 * one, and written out once all of the batch is durable. Nothing is ever held but the batches on
 * their way, whatever the size of the list.
 */
#ifndef OCTROI_CLI_SCREEN_H
#define OCTROI_CLI_SCREEN_H

#include "base/csv.h"
#include "cli/context.h"
#include "cli/journal_link.h"
#include "cli/outfile.h"
#include "cli/progress.h"
#include "cli/read_ahead.h"
#include "cli/screen_list.h"
#include "policy/judge.h"
#include "proxy/intake.h"

enum {
    SCREEN_ROWS = 2000,                /* of a batch */
    SCREEN_BYTES = 1024 * 1024,        /* of a batch's rows, after which it ends */
    SCREEN_LINES = 2 * SCREEN_BYTES,   /* of its records, the same */
    SCREEN_BATCHES = INTAKE_WINDOW + 1 /* on their way, and the one that is being filled */
};

struct screen_row {
    size_t offset; /* of the row as it stood, in the batch's raw */
    size_t length;
    uint64_t line; /* of the file */
    bool passes;
    bool shapeless; /* no row of as many fields as the others: it cannot be handed on as one */
    enum reason reason;
    size_t note; /* MALFORMED: why, in the batch's notes */
    char id[RECORD_ID];
};

struct screen_batch {
    struct strbuf raw;
    struct strbuf notes; /* each with its NUL */
    struct strbuf lines; /* the records of those rows that do not stand in the journal already */
    size_t records;
    size_t count;
    struct screen_row rows[SCREEN_ROWS];
};

struct screen {
    struct context *context;   /* borrowed, as all pointers below that do not say otherwise */
    struct registry *registry; /* owned; a reader */
    struct read_ahead *ahead;  /* owned; of the registry */
    struct journal_link *link; /* owned */
    struct list list;
    const struct partner *partner;
    const struct channel_policy *policy;
    const char *name; /* of the list, for messages */
    int64_t began_at;
    struct listed_decisions *earlier; /* owned; of the screening that is resumed, until used up */
    uint64_t resumed;                 /* rows whose verdict was there already */
    uint64_t corrected;               /* of them, those that were permitted and are not any more */
    uint64_t ended_with;              /* ended: rows permitted, as the journal has it */
    struct outfile passed, blocked, summary;
    struct progress progress;

    /* screen_rows.c: */
    struct csv *csv;              /* owned */
    uint64_t number;              /* of the row, from 1 */
    struct strbuf trimmed;        /* an address without blanks around it */
    struct screen_batch *batches; /* owned; a ring */
    size_t first, on_their_way;
    uint64_t records_before; /* sent through the link before the first row */
    uint64_t settled;        /* records of the batches of this run that are written */
    int64_t batch_at;        /* the moment its rows are judged at */
    int64_t batch_began;     /* monotonic */
    struct error error;

    uint64_t rows, passes, blocks[REASON_COUNT];

    /* What is small stands together. */
    enum channel channel;
    enum result failure;
    bool header;
    bool ended; /* it came to its end: no row is without a decision */
    bool keeps_blocked;
    bool header_seen;
    bool reading;       /* the registry, in one transaction */
    char id[RECORD_ID]; /* of the screening */
};

/* screen_rows.c: all rows, from the list to the outputs. */
enum result screen_run(struct screen *screen, struct error *err);
void screen_release(struct screen *screen);

/* screen_write.c. False after having failed; the reason is in screen->error. */
bool screen_write_header(struct screen *screen, const char *raw, size_t length);
bool screen_write_batch(struct screen *screen, const struct screen_batch *batch);
/* Remembers the first failure; always false. */
bool screen_fail(struct screen *screen, enum result result, const struct error *err);

#endif
