/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a list is laid out: what separates its fields, and in which column the address stands. Pure:
 * the first row goes in. When it cannot be told for sure, that is said, and never guessed.
 */
#ifndef OCTROI_CLI_SCREEN_COLUMN_H
#define OCTROI_CLI_SCREEN_COLUMN_H

#include "base/error.h"
#include "policy/model.h"

#include <stdbool.h>
#include <stddef.h>

struct layout_question {
    enum channel channel;
    const char *region; /* by which a national telephone number is read */
    bool header;        /* the first row names the columns */
    const char *column; /* its name, or its number from 1; NULL: to be found */
    char separator;     /* '\0': to be found */
};

struct layout {
    char separator;
    size_t column;  /* from 0 */
    size_t columns; /* of each row */
};

/* text: at least the first row, with what precedes it (a byte order mark, empty lines).
 * RESULT_BAD_INPUT says what is missing; columns are named only if that shows nobody's address. */
enum result layout_find(const struct layout_question *question, const char *text, size_t length,
                        struct layout *layout_out, struct error *err);
/* "," ";" or "tab". */
bool layout_separator(const char *text, char *separator_out);

#endif
