/* SPDX-License-Identifier: Apache-2.0 */
/* A journal in a folder of its own, for the tests: made, filled, read back and removed. */
#ifndef OCTROI_TESTS_TEST_JOURNAL_H
#define OCTROI_TESTS_TEST_JOURNAL_H

#include "base/loop.h"
#include "store/journal.h"
#include "tests/unit/unit.h"

/* Check writes a message for each assertion to a file all its processes share. Threads, forked
 * children, loops over thousands of rows and tests that limit file sizes assert with this. */
#define must(condition) ((condition) ? (void)0 : must_failed(__FILE__, __LINE__, #condition))
_Noreturn void must_failed(const char *file, int line, const char *what);

struct box {
    char folder[200];
    char directory[240]; /* folder/journal */
    char index[240];
    char private_key[240];
    char public_key[240];
    struct signing_key *key;
    struct loop *loop;
    struct journal *journal; /* NULL while closed */
    uint64_t segment_size;
};

void box_new(struct box *box, uint64_t segment_size);
void box_free(struct box *box);
/* Fails the test unless it opens. */
void box_open(struct box *box);
enum result box_try_open(struct box *box, struct error *err);
void box_close(struct box *box);

/* A decision with every field set; number makes it unlike the others. id may be NULL. */
bool box_decision(struct journal_batch *batch, const char *id, unsigned number);
bool box_outcome(struct journal_batch *batch, const char *id);
/* Appends and waits for the answer. */
enum result box_append(struct box *box, struct journal_batch *batch);
/* count batches of one decision each, all durable. */
void box_fill(struct box *box, unsigned count);
enum result box_verify(struct box *box, bool with_index, struct verify_report *report);
/* Opens the index, catches up and puts all of `log` into out, a line an entry. */
void box_log(struct box *box, const char *index_path, uint64_t step, struct strbuf *out);

void box_path(const struct box *box, unsigned segment, char out[300]);
void box_read(const struct box *box, unsigned segment, struct strbuf *out);
void box_write(const struct box *box, unsigned segment, const char *data, size_t length);

Suite *record_suite(void);
Suite *write_suite(void);
Suite *verify_suite(void);
Suite *screening_suite(void);
Suite *outcomes_suite(void);
Suite *sent_suite(void);

#endif
