/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every key the configuration knows, in one table: what kind of value, which default, which
 * bounds. The check of a tree against it finds unknown, missing and wrong keys; what depends on
 * several keys at once is for the builders.
 */
#ifndef OCTROI_CONFIG_SCHEMA_H
#define OCTROI_CONFIG_SCHEMA_H

#include "config/tree.h"

enum kind {
    KIND_TEXT,    /* min and max bound its bytes */
    KIND_SECRET,  /* a text never repeated in a finding */
    KIND_NUMBER,  /* min and max bound the value, as in the next two */
    KIND_SIZE,    /* "64 MB": bytes */
    KIND_TIME,    /* "30 s", no months: microseconds */
    KIND_PERIOD,  /* "3 years": a duration of the calendar */
    KIND_BOOLEAN, /* */
    KIND_CHOICE,  /* one of words */
    KIND_TEXTS,   /* a list of texts, max bounds their number, min is the least */
    KIND_CHOICES, /* a list out of words */
};

struct word {
    const char *text; /* NULL ends a table */
    int value;        /* WORD_LATER: known, and refused by this version */
};
#define WORD_LATER (-1)

struct schema_key {
    const char *path; /* '*' stands for a name chosen by the administrator */
    enum kind kind;
    bool required;
    const char *fallback; /* as it would be written; NULL when there is none */
    int64_t min;
    int64_t max;
    const struct word *words;
};

#define NAME_BYTES_MAX 64
/* What a bind of SMPP has room for (3.4, 5.2). */
#define SMPP_SYSTEM_ID_LENGTH   15
#define SMPP_PASSWORD_LENGTH    8
#define SMPP_SYSTEM_TYPE_LENGTH 12

/* Finds what is wrong with each node on its own; sets node->bad, node->pattern, and node->number
 * for texts that stand for a number. RESULT_NO_MEMORY or RESULT_OK. */
enum result schema_check(struct tree *tree, struct problems *problems);
/* The key `name` of a group with this pattern ("" for the root); NULL when unknown. */
const struct schema_key *schema_find(const char *pattern, const char *name);
/* The number a text stands for under this key. False when it is out of bounds or no such thing. */
bool schema_number(const struct schema_key *key, const char *text, int64_t *number_out);

#endif
