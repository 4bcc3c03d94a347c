/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a reader of the import and the import itself know of each other. A reader turns bytes into
 * records or faults and hands them on; it knows nothing of the registry. Within the import only.
 */
#ifndef OCTROI_STORE_IMPORT_READER_H
#define OCTROI_STORE_IMPORT_READER_H

#include "base/str.h"
#include "store/import_event.h"

#define COLUMN_CLASS(column) ((enum import_class)(IMPORT_RECIPIENT + (int)(column)))

/* The keys of Twilio's items. */
enum twilio_key {
    TWILIO_CONTACT_ID,
    TWILIO_CORRELATION_ID,
    TWILIO_SENDER_ID,
    TWILIO_STATUS,
    TWILIO_SOURCE,
    TWILIO_DATE_OF_CONSENT,
    TWILIO_KEY_COUNT
};

/* The names a record's values have in its input. */
struct import_schema {
    const char *const *names;
    size_t count;
    unsigned required; /* bits: must be there as a column or key */
    unsigned lists;    /* bits: in JSON also an array of strings */
    /* Under which name a refusal about each of the contract's columns is reported. */
    const char *const *reported;
    const unsigned char *places; /* and its index in names; 0xff: it is in no record */
};
#define SCHEMA_VALUES_MAX 9
extern const struct import_schema import_schema_octroi;
extern const struct import_schema import_schema_twilio;

/* One row of the input. */
struct import_record {
    uint64_t line;
    const char *values[SCHEMA_VALUES_MAX]; /* by the schema's order, "" for what is not there */
    const size_t *numbers;                 /* their columns in a CSV, from 1; NULL: none */
    const char *text;                      /* as it stood */
    size_t text_length;
};

struct import_fault {
    uint64_t line;
    enum import_class about;
    const char *column; /* NULL: of no one value */
    size_t number;
    const char *reason;
    const char *text;
    size_t text_length;
};

/* False to stop. */
bool import_record(struct import *import, const struct import_record *record);
bool import_fault(struct import *import, const struct import_fault *fault);
/* The input cannot be read at all: always false. */
bool import_fail(struct import *import, enum result result, const struct error *err);
/* Bytes that will not be read again, in order: a record's before the record. */
void import_taken(struct import *import, const char *bytes, size_t length);
/* Just before bytes are taken behind which no record can begin: until the next record the progress
 * stays here. */
void import_hold(struct import *import);

/* ---- readers ---- */

struct import_reader;
struct import_reader_ops {
    /* False when the import said stop, or memory ran out. */
    bool (*feed)(struct import_reader *reader, const char *bytes, size_t length);
    bool (*finish)(struct import_reader *reader);
    /* Where the next record would begin: the line, and what else must be known to begin there. */
    uint64_t (*line)(const struct import_reader *reader);
    void (*save)(const struct import_reader *reader, struct strbuf *out);
    bool (*restore)(struct import_reader *reader, uint64_t line, const char *state);
    void (*free)(struct import_reader *reader);
};
struct import_reader {
    const struct import_reader_ops *ops;
};

struct import_reader *import_csv_new(struct import *import, const struct import_schema *schema);
/* lines: one object a line; else objects in a row, or in an array, or in the array of an object's
 * only key, "items". */
struct import_reader *import_json_new(struct import *import, const struct import_schema *schema,
                                      bool lines);

enum import_shape { SHAPE_CSV, SHAPE_LINES, SHAPE_ITEMS };
struct import_detected {
    enum import_input input; /* none of DETECT */
    enum import_shape shape;
};
/* What an input that begins with these bytes is. False when more of them are needed. */
bool import_detect(const struct import_settings *settings, const char *bytes, size_t length,
                   bool at_end, struct import_detected *detected_out);

#endif
