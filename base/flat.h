/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON that is flat and plain: one object of texts in which nothing is escaped, whole numbers,
 * true, false and null. That is what this program writes and most others send, and it is read in a
 * tenth of the time that Jansson takes. What is not plain is not judged here: Jansson has the say
 * on it.
 */
#ifndef OCTROI_BASE_FLAT_H
#define OCTROI_BASE_FLAT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "text" at *at, in UTF-8, with nothing escaped in it; moves behind the closing quote. The text is
 * borrowed. False: it is none, *at stays. */
bool flat_text(const char **at, const char *end, const char **text_out, size_t *length_out);
/* A whole number without sign that is far from overflowing. */
bool flat_number(const char **at, const char *end, int64_t *number_out);
/* The object; NULL: it is not plain, or memory is short. To be freed by json_decref. */
json_t *flat_json(const char *text, size_t length);

#endif
