/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the import's own files share; nobody else includes it. Records of a reader (import_reader.h)
 * become events (import_event.c), go into transactions (import.c), and bring the progress on
 * (import_progress.c).
 */
#ifndef OCTROI_STORE_IMPORT_INTERNAL_H
#define OCTROI_STORE_IMPORT_INTERNAL_H

#include "store/import_reader.h"

/* Twilio's values as the contract's; what fields_out points to lives as long as values and the
 * event's buffers. */
enum result import_twilio_fields(struct import_event *event, const char *const *values,
                                 struct strbuf *scratch, const char *fields_out[COLUMN_COUNT],
                                 struct error *err);

/* ---- progress ---- */

/* Where a record may begin. */
struct import_place {
    uint64_t bytes;               /* before it */
    uint8_t sha256[SHA256_BYTES]; /* of them */
    uint64_t line;
    struct strbuf reader; /* the reader's state; owned */
};
struct import_progress {
    uint8_t settings[SHA256_BYTES]; /* digest of what must be the same to go on */
    enum import_input input;
    enum import_shape shape;
    int64_t started_at;
    struct import_place place; /* everything before it is on record or refused, and counted */
    struct import_place told;  /* every refused line before it was told to the caller */
    struct import_counts counts;
};
void import_progress_free(struct import_progress *progress);
enum result import_progress_load(struct registry *registry, const char *origin,
                                 struct import_progress *progress_out, bool *found_out,
                                 struct error *err);
/* Inside a transaction. */
enum result import_progress_save(struct registry *registry, const char *origin,
                                 const struct import_progress *progress, struct error *err);
enum result import_progress_drop(struct registry *registry, const char *origin, struct error *err);

/* ---- the import ---- */

#define IMPORT_PROBLEMS 1000 /* of one batch */

/* As struct import_problem; its texts are in the import's, by their offsets. */
struct kept_problem {
    struct import_problem problem;
    size_t reason, text;
};

struct import {
    struct import_settings settings;
    const struct import_schema *schema;
    struct import_reader *reader; /* owned; NULL until the input is known */
    struct strbuf head;           /* what came before that */
    struct import_detected detected;

    bool open; /* a transaction is */
    int64_t opened_at;
    bool beside;                  /* of a gateway that serves */
    int64_t looked_at;            /* whether one does; 0: not yet */
    int64_t now;                  /* the moment of the batch: events are recorded then */
    struct import_counts pending; /* rows of the open transaction */
    struct import_counts counts;
    struct kept_problem *problems; /* owned; of the current batch */
    size_t n_problems;
    struct strbuf texts; /* theirs */

    struct import_event event;
    struct strbuf scratch; /* values that the settings add */

    struct sha256_stream *sum; /* owned; of the bytes taken */
    uint64_t taken;            /* how many these are */
    struct import_progress progress;
    struct import_place saved; /* the place of the last commit, or the beginning */
    bool held;                 /* the progress does not follow what is taken */
    bool moved;                /* something was, since it was saved */
    uint64_t resumes_at;       /* bytes to be compared before reading begins */
    bool replays;              /* reads again what is counted, for the refused lines in it */
    uint64_t lines_before;

    enum result failure; /* why reading stopped */
    struct error error;
};

/* ---- its pace: store/import_pace.c ---- */

/* Before a transaction: notices that a gateway began or ceased to serve. */
void import_pace_look(struct import *import);
void import_pace_set(struct import *import, bool beside);
/* Whether the open transaction has lasted long enough. */
bool import_pace_due(const struct import *import);
/* After it. */
void import_pace_pause(const struct import *import);

/* Ends the transaction, and tells the problems; done: at the end of the input. */
bool import_end_batch(struct import *import, bool done);
/* Into progress.place where the next record would begin, as of now. */
enum result import_note_place(struct import *import, struct error *err);
enum result import_copy_place(struct import_place *to, const struct import_place *from,
                              struct error *err);

#endif
