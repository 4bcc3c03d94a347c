/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many kinds of decisions, each in order in the index, into one order: the next few of all. A heap
 * holds the best places so far, the worst of them on top; a kind is left as soon as it comes to a
 * place that is worse, which for most is the first. So a kind costs one search of the index, and
 * no decision is read.
 */
#include "store/index.h"

static const char newest_sql[] = "SELECT at, seq FROM decision WHERE kind = ?1"
                                 " AND at BETWEEN ?2 AND ?3 ORDER BY at DESC";
static const char oldest_sql[] = "SELECT at, seq FROM decision WHERE kind = ?1"
                                 " AND at BETWEEN ?2 AND ?3 ORDER BY at";

struct heap {
    struct index_place *places;
    size_t count, most;
    bool oldest_first;
};

/* Whether a comes before b in the order that is asked for. */
static bool before(const struct heap *heap, const struct index_place *a,
                   const struct index_place *b)
{
    bool older = a->at < b->at || (a->at == b->at && a->seq < b->seq);
    bool same = a->at == b->at && a->seq == b->seq;
    return !same && older == heap->oldest_first;
}

static void swap(struct index_place *a, struct index_place *b)
{
    struct index_place kept = *a;
    *a = *b;
    *b = kept;
}

static void sink(struct heap *heap, size_t i)
{
    for (;;) {
        size_t worst = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < heap->count; child++)
            if (before(heap, &heap->places[worst], &heap->places[child]))
                worst = child;
        if (worst == i)
            return;
        swap(&heap->places[i], &heap->places[worst]);
        i = worst;
    }
}

static void rise(struct heap *heap, size_t i)
{
    while (i > 0 && before(heap, &heap->places[(i - 1) / 2], &heap->places[i])) {
        swap(&heap->places[i], &heap->places[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
}

static void take(struct heap *heap, const struct index_place *place)
{
    if (heap->count < heap->most) {
        heap->places[heap->count] = *place;
        rise(heap, heap->count++);
    } else if (before(heap, place, &heap->places[0])) {
        heap->places[0] = *place;
        sink(heap, 0);
    }
}

/* Rows of one instant come in no order: those of the worst place's are looked at to the last. */
static bool is_beyond(const struct heap *heap, const struct index_place *place)
{
    return heap->count == heap->most && place->at != heap->places[0].at &&
           before(heap, &heap->places[0], place);
}

static void sort(struct heap *heap)
{
    size_t count = heap->count;
    while (heap->count > 1) {
        swap(&heap->places[0], &heap->places[--heap->count]);
        sink(heap, 0);
    }
    heap->count = count;
}

/* Whether it is among those that are asked for, at both ends of which instants may be shared. */
static bool is_wanted(const struct heap *heap, const struct index_merge *merge,
                      const struct index_place *place)
{
    const struct log_filter *filter = merge->filter;
    if (filter->before_seq != 0 &&
        (place->at > filter->before_at ||
         (place->at == filter->before_at && place->seq >= (int64_t)filter->before_seq)))
        return false;
    return merge->after == NULL || before(heap, merge->after, place);
}

static void bounds(const struct index_merge *merge, int64_t *first_out, int64_t *last_out)
{
    const struct log_filter *filter = merge->filter;
    *first_out = filter->since;
    *last_out = filter->until > INT64_MIN ? filter->until - 1 : INT64_MIN;
    if (filter->until == INT64_MAX)
        *last_out = INT64_MAX;
    if (filter->before_seq != 0 && filter->before_at < *last_out)
        *last_out = filter->before_at;
    if (merge->after == NULL)
        return;
    if (filter->oldest_first)
        *first_out = merge->after->at;
    else
        *last_out = merge->after->at;
}

static enum result add_kind(struct journal_index *index, sqlite3_stmt *statement,
                            const struct index_merge *merge, struct heap *heap, struct error *err)
{
    enum result result = RESULT_OK;
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        const struct index_place place = {.at = sqlite3_column_int64(statement, 0),
                                          .seq = sqlite3_column_int64(statement, 1)};
        if (is_beyond(heap, &place))
            break;
        if (is_wanted(heap, merge, &place))
            take(heap, &place);
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        result = sql_failure(index->db, "index", err);
    sqlite3_reset(statement);
    return result;
}

enum result index_merge(struct journal_index *index, const struct index_merge *merge,
                        struct index_place *places, size_t *count_out, struct error *err)
{
    struct heap heap = {
        .places = places, .most = merge->most, .oldest_first = merge->filter->oldest_first};
    sqlite3_stmt *statement = NULL;
    int64_t first, last;
    bounds(merge, &first, &last);
    enum result result =
        sql_prepare(index->db, heap.oldest_first ? oldest_sql : newest_sql, &statement, err);
    if (result == RESULT_OK) {
        sqlite3_bind_int64(statement, 2, first);
        sqlite3_bind_int64(statement, 3, last);
    }
    for (size_t i = 0; result == RESULT_OK && i < merge->n_kinds; i++) {
        sqlite3_bind_int64(statement, 1, merge->kinds[i]);
        result = add_kind(index, statement, merge, &heap, err);
    }
    sqlite3_finalize(statement);
    sort(&heap);
    *count_out = heap.count;
    return result;
}
