/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decisions and their outcomes into the index: in one transaction with each other, or in as many as
 * there are rows, what the log says afterwards is the same. Ids are shared, outcomes come early,
 * late, twice and otherwise than decided.
 */
#include "tests/unit/test_journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORLDS = 12, ROWS = 120, IDS = 25, MANY = 3000 };

static uint64_t state;

static unsigned below(unsigned n)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(state >> 33) % n;
}

static void id_of(unsigned number, char out[RECORD_ID])
{
    snprintf(out, RECORD_ID, "R%06u", number);
}

static void add_outcome(struct journal_batch *batch, unsigned number)
{
    static const enum effect effects[] = {
        EFFECT_PASSED, EFFECT_PASSED, EFFECT_PASSED,  EFFECT_PASSED,    EFFECT_PASSED,
        EFFECT_PASSED, EFFECT_PASSED, EFFECT_REFUSED, EFFECT_ABANDONED, EFFECT_DEFERRED};
    static const char *const replies[] = {NULL, "250 ok", "550 no", "250 \"quoted\""};
    static const char *const providers[] = {NULL, NULL, "relay-two"};
    char id[RECORD_ID];
    id_of(number, id);
    const struct outcome_row row = {.id = id,
                                    .at = INT64_C(1795467278000000),
                                    .outcome = below(3) == 0 ? OUTCOME_REFUSED : OUTCOME_ACCEPTED,
                                    .effect = effects[below(10)],
                                    .provider = providers[below(3)],
                                    .provider_reply = replies[below(40) == 0 ? 3 : below(3)],
                                    .queue_id = below(2) == 0 ? "4XyZ" : NULL,
                                    .size = (int64_t)below(3) - 1,
                                    .report = below(4) == 0};
    must(journal_batch_outcome(batch, &row));
}

static void log_in_steps(struct box *box, uint64_t step, struct strbuf *out)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/steps-%llu.db", box->folder, (unsigned long long)step);
    box_log(box, path, step, out);
    must(!out->failed && out->length > 0);
    unlink(path);
}

static void compare_steps(struct box *box)
{
    static const uint64_t steps[] = {0, 7, 1};
    struct strbuf first = {0};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct strbuf again = {0};
        log_in_steps(box, steps[i], i == 0 ? &first : &again);
        if (i > 0)
            must(again.length == first.length && memcmp(again.data, first.data, first.length) == 0);
        strbuf_free(&again);
    }
    strbuf_free(&first);
}

START_TEST(any_order)
{
    struct box box;
    state = (uint64_t)_i + 1;
    box_new(&box, 1 << 20);
    box_open(&box);
    struct journal_batch *batch = journal_batch_new();
    for (unsigned i = 0; i < ROWS; i++) {
        char id[RECORD_ID];
        id_of(below(IDS), id);
        if (below(2) == 0)
            must(box_decision(batch, id, i));
        else
            add_outcome(batch, below(IDS));
    }
    must(box_append(&box, batch) == RESULT_OK);
    box_close(&box);
    compare_steps(&box);
    box_free(&box);
}
END_TEST

/* More than may wait: the first are written before their outcomes come. */
START_TEST(more_than_wait)
{
    struct box box;
    struct strbuf log = {0};
    char id[RECORD_ID];
    box_new(&box, 1 << 24);
    box_open(&box);
    struct journal_batch *batch = journal_batch_new();
    for (unsigned i = 0; i < MANY; i++) {
        id_of(i, id);
        must(box_decision(batch, id, 4 * i + 1)); /* passed */
    }
    for (unsigned i = 0; i < MANY; i++) {
        id_of(i, id);
        must(box_outcome(batch, id));
    }
    must(box_append(&box, batch) == RESULT_OK);
    box_close(&box);
    log_in_steps(&box, 0, &log);
    size_t accepted = 0;
    for (const char *at = log.data; (at = strstr(at, "|accepted|250 2.0.0")) != NULL; at++)
        accepted++;
    ck_assert_uint_eq(accepted, MANY);
    strbuf_free(&log);
    box_free(&box);
}
END_TEST

Suite *outcomes_suite(void)
{
    Suite *suite = suite_create("outcomes in the index");
    TCase *tcase = tcase_create("outcomes");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, any_order, 0, WORLDS);
    tcase_add_test(tcase, more_than_wait);
    suite_add_tcase(suite, tcase);
    return suite;
}
