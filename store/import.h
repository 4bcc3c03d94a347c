/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Consent events from a file into the registry, streamed, in constant memory: the contract's CSV,
 * JSON lines with the same keys, and Twilio's consent bulk shape. Rows are committed in
 * short transactions, shorter ones and with pauses while a gateway serves, and before each feed
 * returns, so that the registry is never locked while the caller reads or prints.
 *
 * How far the input has come is committed with the rows themselves. After a kill the same file,
 * fed from its beginning to an import that resumes, is compared with what was taken in and then
 * gone on with.
 *
 * Recipients are keyed at once and wiped; an address that a supplier repeats in its evidence is
 * replaced by its masked form. No reason given to the caller holds a value that could be an
 * address. One thread, the registry's.
 */
#ifndef OCTROI_STORE_IMPORT_H
#define OCTROI_STORE_IMPORT_H

#include "base/crypto.h"
#include "store/registry.h"

enum import_input {
    IMPORT_DETECT, /* by what the input begins with */
    IMPORT_CSV,
    IMPORT_JSONL,
    IMPORT_TWILIO, /* JSON or CSV */
    IMPORT_INPUT_COUNT
};
/* "csv", "jsonl", "twilio"; the parser knows these three. */
const char *import_input_name(enum import_input input);
bool import_input_parse(const char *text, enum import_input *input_out);

/* What a refusal is about: the shape of the line, or one of its values. */
enum import_class {
    IMPORT_SYNTAX,
    IMPORT_ENCODING,
    IMPORT_TOO_LONG,
    IMPORT_RECIPIENT, /* from here on in the order of the CSV's columns */
    IMPORT_CHANNEL,
    IMPORT_EVENT,
    IMPORT_OCCURRED_AT,
    IMPORT_FORM,
    IMPORT_PARTNERS,
    IMPORT_BASIS,
    IMPORT_SUPPLIER,
    IMPORT_EVIDENCE,
    IMPORT_CLASS_COUNT
};
/* "syntax", "encoding", "too-long", or the column's name. */
const char *import_class_name(enum import_class about);

struct import_counts {
    uint64_t lines;        /* rows read, the header apart: accepted + duplicates + refused */
    uint64_t accepted;     /* rows that brought at least one new event */
    uint64_t duplicates;   /* rows that said nothing new */
    uint64_t refused;      /* rows reported to on_problem */
    uint64_t events_added; /* one a channel */
    uint64_t classes[IMPORT_CLASS_COUNT]; /* the refused ones, by what was wrong */
};

struct import_problem {
    uint64_t line; /* on which the row begins */
    enum import_class about;
    const char *column; /* its name in this input, "" when it is none of one value */
    size_t number;      /* its place in a CSV's row, from 1; 0: none */
    const char *reason;
    const char
        *text; /* the row as it stood, at most IMPORT_TEXT_MAX bytes; NULL unless asked for */
    size_t text_length;
};
#define IMPORT_TEXT_MAX 16384

/* Called outside transactions, in the order of the lines. */
typedef void import_problem_fn(void *arg, const struct import_problem *problem);

struct import_settings {
    struct registry *registry; /* everything here is borrowed until import_free */
    struct hmac *hmac;
    const char *state_dir; /* where a gateway may serve, which then goes first; NULL: none does */
    const char *region;    /* "FR": how a national phone number is read */
    const char *origin; /* "import FILE": on record with each event, and the name of the progress */
    enum import_input input;
    bool json_name;  /* the file is called .json or the like: that counts when its beginning is
                      * damaged */
    bool dry_run;    /* everything is checked and counted, nothing is written */
    bool resumable;  /* the progress is kept */
    bool keep_texts; /* problems come with the row's text */
    /* What Twilio's shape does not say. */
    const char *form_id; /* of opt-ins; NULL: none, they are taken without proof */
    int form_version;
    const char *evidence;  /* of opt-ins; "" : none */
    const char **partners; /* none: the form's list, or for an opt-out all */
    size_t n_partners;
    unsigned channels;    /* 0: sms or email, as the address is */
    const char *supplier; /* "" : none */
    int64_t stopped_at;   /* when an opt-out without a date counts from */
    int64_t given_at;     /* likewise for an opt-in; 0: it is refused */
    import_problem_fn *on_problem;
    void *arg;
};

struct import;

/* NULL when memory is short. */
struct import *import_new(const struct import_settings *settings);
void import_free(struct import **import);

/* Of an import under this origin that did not come to its end: the line it would go on with. */
enum result import_unfinished(struct import *import, bool *found_out, uint64_t *line_out,
                              struct error *err);
/* Before the first feed: goes on where that one stopped. RESULT_NOT_FOUND when there is none,
 * RESULT_CONFLICT when it was begun with other settings. The input is fed from its beginning all
 * the same; a feed is RESULT_CONFLICT when it is not the one begun with. */
enum result import_resume(struct import *import, struct error *err);

/* RESULT_OK also when rows were refused. Else reading must stop: RESULT_BAD_INPUT for a header
 * that does not hold (the whole file is refused; the text is "line: reason"), or the registry's
 * own failure; what was committed before stays, and the counts say how much that is. */
enum result import_feed(struct import *import, const char *bytes, size_t length, struct error *err);
/* The end of the input. */
enum result import_finish(struct import *import, struct error *err);

/* Of the whole input, also when it was read in several goes. */
const struct import_counts *import_counts(const struct import *import);
/* Lines counted before this go. */
uint64_t import_lines_before(const struct import *import);
/* What it was read as; IMPORT_DETECT before enough of it was seen. */
enum import_input import_input(const struct import *import);
/* SHA-256 of all bytes fed. */
bool import_sha256(const struct import *import, uint8_t out[SHA256_BYTES]);

#endif
