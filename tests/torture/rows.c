/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A journal that runs out of memory while it is opened and written: each batch is durable as a
 * whole or not at all, what was called durable is there, and the journal verifies and goes on.
 */
#include "tests/torture/runs.h"

#include "base/log.h"
#include "tests/unit/test_journal.h"

#include <stdio.h>

#define SHORT   60
#define BATCHES 6 /* of a decision and its outcome; several segments */

void _mark_point(const char *file, int line)
{
    (void)file;
    (void)line;
}

void _ck_assert_failed(const char *file, int line, const char *expr, const char *msg, ...)
{
    (void)msg;
    fprintf(stderr, "FOUND: %s:%d: %s\n", file, line, expr);
    abort();
}

/* Whether the batch was called durable. */
static bool append_one(struct box *box, unsigned number)
{
    char id[RECORD_ID];
    struct journal_batch *batch = journal_batch_new();
    if (batch == NULL)
        return false;
    record_new_id(id);
    if (!box_decision(batch, id, number) || !box_outcome(batch, id)) {
        journal_batch_free(&batch);
        return false;
    }
    return box_append(box, batch) == RESULT_OK;
}

static unsigned long run(void *arg, unsigned long failing, enum torture_mode mode,
                         bool *reached_out)
{
    (void)arg;
    struct box box;
    struct error err = {0};
    struct verify_report report = {0};
    unsigned durable = 0;
    box_new(&box, 1500);
    torture_arm(failing, mode);
    bool opened = box_try_open(&box, &err) == RESULT_OK;
    for (unsigned i = 0; opened && i < BATCHES; i++)
        durable += append_one(&box, i);
    unsigned long count = torture_disarm();
    *reached_out = torture_failures() > 0;
    /* It goes on. */
    if (!opened)
        box_open(&box);
    must(append_one(&box, BATCHES));
    durable++;
    box_close(&box);
    enum result result = box_verify(&box, false, &report);
    if (result != RESULT_OK)
        fprintf(stderr, "FOUND: it does not verify: %s\n", report.where);
    must(result == RESULT_OK);
    must(report.rows % 2 == 0); /* no half of a batch */
    must(report.rows >= 2 * (uint64_t)durable);
    box_free(&box);
    return count;
}

static void begin(void *arg)
{
    (void)arg;
    log_set_level((enum log_level)(LOG_LEVEL_ERROR + 1));
}

int main(int argc, char **argv)
{
    const struct torture_subject subject = {.name = "rows", .begin = begin, .run = run};
    return torture_main(argc, argv, &subject, 1, SHORT);
}
