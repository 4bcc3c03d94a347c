/* SPDX-License-Identifier: Apache-2.0 */
/* What index_kind.c and index_origin.c share; nobody else includes it. */
#ifndef OCTROI_STORE_INDEX_KIND_INTERNAL_H
#define OCTROI_STORE_INDEX_KIND_INTERNAL_H

#include "store/index_kind.h"
#include "store/numbering.h"
#include "store/sums.h"

enum kind_statement {
    KIND_FIND,
    KIND_ADD,
    KIND_OF,
    ORIGIN_FIND,
    ORIGIN_ADD,
    DAILY_ADD,
    DAILY_CLEAR,
    DAILY_ORIGIN_ADD,
    DAILY_ORIGIN_CLEAR,
    KIND_STATEMENT_COUNT
};

enum { ORIGIN_TEXTS = 3 /* form, collector, supplier */ };

struct index_kinds {
    sqlite3_stmt *statements[KIND_STATEMENT_COUNT]; /* owned; NULL until first used */
    struct numbering kinds, origins; /* of what has its row; origins by what an event says */
    struct strbuf key;
    struct sums by_kind, by_origin; /* of the transaction, not yet written */
    sqlite3 *registry;              /* owned, as those below; NULL until first used */
    sqlite3_stmt *event;
    sqlite3_stmt *form;
    bool reading;    /* a transaction of the registry */
    bool unreadable; /* the registry, until index_origin_refresh */
    bool said;       /* that it is */
};

enum result index_kinds_get(struct journal_index *index, struct index_kinds **kinds_out,
                            struct error *err);
/* The origin with these texts; it gets its row. */
enum result index_origin_number(struct journal_index *index,
                                const struct index_text origin[ORIGIN_TEXTS], int64_t *number_out,
                                struct error *err);
void index_registry_close(struct index_kinds *kinds);

#endif
