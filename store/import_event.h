/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One consent event from the contract's nine columns, whatever they come from: a file, or a request
 * of a program. What it refuses it says by column, never repeating what may be an address.
 */
#ifndef OCTROI_STORE_IMPORT_EVENT_H
#define OCTROI_STORE_IMPORT_EVENT_H

#include "base/str.h"
#include "store/import.h"

/* The contract's columns, in the order of enum import_class from IMPORT_RECIPIENT on. */
enum import_column {
    COLUMN_RECIPIENT,
    COLUMN_CHANNEL,
    COLUMN_EVENT,
    COLUMN_OCCURRED_AT,
    COLUMN_FORM,
    COLUMN_PARTNERS,
    COLUMN_BASIS,
    COLUMN_SUPPLIER,
    COLUMN_EVIDENCE,
    COLUMN_COUNT
};

/* One event being read; kept by the import for its memory. */
struct import_event {
    const struct import_settings *settings;
    const char *const *fields; /* by enum import_column */
    struct event_input event;  /* its pointers lead into the fields and in here */
    struct address address;    /* clear: wiped as soon as the columns are read */
    char form_id[72];
    struct strbuf lists;   /* '|'-joined values, cut up */
    struct strbuf text;    /* evidence: masked, or composed */
    const char **partners; /* owned; grows */
    size_t partners_capacity;
    enum import_column refused; /* the column the error is about */
};
void import_event_free(struct import_event *event);
/* RESULT_BAD_INPUT when a value does not hold; err says why, without the column. What was read has
 * the clear address, for as long as it takes to store it: import_event_wipe. */
enum result import_event_read(struct import_event *event, const char *const *fields,
                              struct error *err);
void import_event_wipe(struct import_event *event);

#endif
