/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal: append-only segment files are the authority (format: store/record.h), an SQLite
 * index behind them serves the questions. One writer thread takes all batches that wait, chains
 * them, writes once, syncs once, and wakes the loops (group commit).
 */
#ifndef OCTROI_STORE_JOURNAL_H
#define OCTROI_STORE_JOURNAL_H

#include "base/crypto.h"
#include "base/error.h"
#include "base/histogram.h"
#include "base/loop.h"
#include "store/record.h"

#include <stdatomic.h>

/* ---- rows on their way in ---- */

struct journal_batch;

/* NULL when memory is short. */
struct journal_batch *journal_batch_new(void);
void journal_batch_free(struct journal_batch **batch);
/* False when memory is short; the batch must then be freed, not appended. */
bool journal_batch_decision(struct journal_batch *batch, const struct decision *decision);
bool journal_batch_outcome(struct journal_batch *batch, const struct outcome_row *outcome);
bool journal_batch_registry(struct journal_batch *batch, const struct registry_anchor *anchor);
/* Records composed elsewhere, each ended by LF. Takes the text's memory when all of them may be
 * taken, else RESULT_BAD_INPUT says what is wrong, never repeating any of it. */
enum result journal_batch_of(struct strbuf *lines, struct journal_batch **batch_out,
                             struct error *err);
/* Any other record: one JSON object without a line end, `type` first (docs/JOURNAL.md). */
bool journal_batch_record(struct journal_batch *batch, const char *record, size_t length);
size_t journal_batch_rows(const struct journal_batch *batch);

/* ---- the writer: one a gateway, under state_dir/lock ---- */

struct journal;

struct journal_options {
    const char *directory;         /* state_dir/journal, made when missing */
    const char *index_path;        /* what it knows must be there; NULL: not asked */
    const char *gateway;           /* name in the records */
    const struct signing_key *key; /* borrowed; signs the checkpoints */
    uint64_t segment_size;         /* bytes; a new segment is begun past it */
    /* Microseconds; checkpoints also come every 10,000 rows, at a segment's end and at close. */
    int64_t checkpoint_every;
};

struct journal_state {
    uint64_t rows;    /* durable, of all segments */
    uint64_t segment; /* number of the current one */
    uint64_t waiting; /* rows not yet durable */
    uint8_t head[SHA256_BYTES];
    bool failing; /* the last write did not succeed */
    struct error last_error;
};

/* Finds the end of the chain and starts the writer thread. A torn tail (a line the last writer did
 * not finish) is moved to NNNNNNNN.torn and noted by a `recovered` record; any other damage is
 * RESULT_DAMAGED and nothing is changed; so are rows that the index knows and the journal has not.
 */
enum result journal_open(const struct journal_options *options, struct journal **journal_out,
                         struct error *err);
/* Writes what waits and a last checkpoint, then ends the thread. */
void journal_close(struct journal **journal);

/* Any thread. Takes the batch. done->run (may be NULL: nobody waits) happens on home's thread,
 * once; by then *result_out says RESULT_OK (durable) or why not. Both must live until then. After
 * a failed write the file is cut back to its last durable row and the next batch tries again;
 * batches nobody waits for are kept for that, up to 100,000 rows. */
void journal_append(struct journal *journal, struct journal_batch *batch, struct loop *home,
                    struct loop_task *done, enum result *result_out);
void journal_state(struct journal *journal, struct journal_state *state_out);
/* From journal_append to durable, of the batches that somebody waited for. Any thread. */
void journal_waits(struct journal *journal, struct histogram_reading *waits_out);

/* ---- reading ---- */

struct verify_report {
    uint64_t rows;
    uint64_t erased;
    uint64_t checkpoints;
    uint64_t segments;
    uint64_t anchors;    /* records of the registry's chain */
    bool index_unread;   /* the index could not be opened: a shortened journal would not show */
    uint64_t torn_bytes; /* an unfinished last line: not an error, the next start removes it */
    uint8_t head[SHA256_BYTES];
    bool complete; /* all there is was read, and each row holds: what is wrong then is its end */
    /* When the journal does not hold: */
    char where[512]; /* "row 17, id 01KB…, journal/00000001.seg line 17: …", or the file */
};

typedef void verify_progress_fn(void *arg, uint64_t bytes_done, uint64_t bytes_total);
/* For each record of the registry's chain that the journal holds: false with why when the registry
 * is not as it says. */
typedef bool verify_anchor_fn(void *arg, int64_t event, const uint8_t hash[SHA256_BYTES],
                              char *why_out, size_t size);

/* A row that somebody remembers elsewhere: a signed checkpoint that was sent away, say. */
struct verify_known {
    uint64_t row; /* from 1 */
    uint8_t hash[SHA256_BYTES];
    const char *who; /* "the checkpoint"; in what is said when the journal is not as it says */
};

/* What to tell the caller meanwhile, and what the caller knows; each may be NULL. */
struct verify_calls {
    const struct verify_known *known; /* borrowed */
    const _Atomic bool *stop;         /* borrowed; true: it ends soon, with RESULT_UNAVAILABLE */
    verify_progress_fn *progress;
    verify_anchor_fn *anchor;
    void *arg;
};

/* Recomputes the chain and the checkpoints' signatures over what was durable at the start, and
 * compares with the index's last row, so that a shortened journal shows. index_path and calls may
 * be NULL. RESULT_DAMAGED when something does not hold. */
enum result journal_verify(const char *directory, const struct signing_key *public_key,
                           const char *index_path, const struct verify_calls *calls,
                           struct verify_report *report_out, struct error *err);

/* ---- the index: state_dir/journal.db, rebuilt from the segments whenever it is missing ---- */

struct journal_index;

/* registry_path: where the events are that decisions rely on; read while decisions are indexed,
 * so that sums can tell forms and suppliers. NULL: they all count as gone (store/tally.h). */
enum result journal_index_open(const char *index_path, const char *directory,
                               const char *registry_path, struct journal_index **index_out,
                               struct error *err);
void journal_index_close(struct journal_index **index);
/* As registry_watch. */
void journal_index_watch(struct journal_index *index, int (*is_over)(void *arg), void *arg);
/* Indexes what is durable and not yet indexed, in transactions of at most 5,000 rows; several
 * processes may do so at once. max_rows 0: all there is now. */
enum result journal_index_catch_up(struct journal_index *index, uint64_t max_rows,
                                   uint64_t *rows_out, struct error *err);

/* Remembers how far the journal is, without indexing that far: should rows be missing there one
 * day, it shows. */
enum result journal_index_note(struct journal_index *index, const struct journal_state *state,
                               struct error *err);

struct log_filter {
    const char *id; /* of the decision: its reference; NULL: any */
    bool has_verdict;
    enum verdict verdict;
    bool has_channel;
    enum channel channel;
    bool stopped;        /* only what was blocked or deferred */
    const char *partner; /* NULL: any */
    const char *stream;
    const char *reason;
    const char *effect;
    bool not_sent;       /* blocked, and nothing left: without what observe mode let through */
    const char *purpose; /* NULL: any */
    const uint8_t *recipient_key; /* NULL: any */
    int64_t since;                /* INT64_MIN: no limit */
    int64_t until;                /* exclusive; INT64_MAX: no limit */
    /* Newest first: those behind this one alone; before_seq 0: from the newest. */
    int64_t before_at;
    uint64_t before_seq;
    uint64_t limit; /* 0: all */
    bool oldest_first;
};

/* A decision with its outcome joined, as `log` shows it; NULL where the journal has null. */
struct log_entry {
    uint64_t seq;    /* the decision's row number in the chain, from 1 */
    int64_t instant; /* of at */
    const char *id, *at, *gateway, *session, *partner, *stream, *account, *channel, *purpose;
    const char *recipient, *recipient_key, *verdict, *reason, *effect, *mode, *policy;
    int64_t event; /* 0: null */
    const char *provider, *outcome, *provider_reply, *queue_id;
    int64_t size; /* -1: null */
    const char *hash;
    const char *list; /* screening: SHA-256 of the list; else NULL */
};

/* How far back so many decisions before this instant (INT64_MAX: all) reach, whatever they are: the
 * instant of the one behind them, which is before it. RESULT_NOT_FOUND: there are no more. */
enum result journal_index_back(struct journal_index *index, int64_t before, uint64_t rows,
                               int64_t *at_out, struct error *err);

/* Newest first, unless the filter turns it round; return false to stop. */
typedef bool log_entry_fn(void *arg, const struct log_entry *entry);
enum result journal_index_log(struct journal_index *index, const struct log_filter *filter,
                              log_entry_fn *on_entry, void *arg, struct error *err);
/* The instants of the oldest and the newest decision that pass the filter, whatever its limit and
 * order. RESULT_NOT_FOUND: there is none. */
enum result journal_index_span(struct journal_index *index, const struct log_filter *filter,
                               int64_t *oldest_out, int64_t *newest_out, struct error *err);

/* ---- screenings (store/index_screening.c) ---- */

struct listed_screening {
    char id[RECORD_ID];
    int64_t at;
    bool ended;
    uint64_t passed;    /* when it ended: rows permitted, as the journal has it */
    uint64_t decisions; /* rows that are decided, so far */
};

/* The latest screening of this list (SHA-256) for this partner and channel that has no end; when
 * there is none, the latest that has. RESULT_NOT_FOUND when the list was never screened so. */
enum result journal_index_screening(struct journal_index *index, const uint8_t list[SHA256_BYTES],
                                    const char *partner, enum channel channel,
                                    struct listed_screening *screening_out, struct error *err);

struct listed_decision {
    uint64_t row; /* of the list, from 1; without a gap */
    const char *id;
    const uint8_t *recipient_key; /* NULL when the row named nobody */
    enum verdict verdict;
    enum reason reason;
};

/* A screening's decisions in the order of the rows, of each row the last, one at a time: a list
 * may be of any size. */
struct listed_decisions;
enum result journal_index_decisions(struct journal_index *index, const char *screening,
                                    struct listed_decisions **decisions_out, struct error *err);
/* *row_out false: there are no more. What it gives is valid until the next call. RESULT_DAMAGED
 * when rows are missing, as after retention. */
enum result listed_decisions_next(struct listed_decisions *decisions, bool *row_out,
                                  struct listed_decision *decision_out, struct error *err);
void listed_decisions_free(struct listed_decisions **decisions);

/* What the journal knows of one person with one partner on one channel. */
struct contact {
    const char *partner, *channel;
    const char *recipient; /* masked; "" when not known */
    int64_t tried_at;      /* the last decision */
    int64_t passed_at;     /* the last that was let pass, rightly or not; 0: none */
};
typedef bool contact_fn(void *arg, const struct contact *contact);
enum result journal_index_contacts(struct journal_index *index,
                                   const uint8_t key[RECIPIENT_KEY_BYTES], contact_fn *on_contact,
                                   void *arg, struct error *err);

/* The SMS that a provider's id stands for (store/index_sent.c). */
#define SENT_NAME_MAX 65 /* the configuration allows 64 */
struct sent_message {
    char id[RECORD_ID]; /* of the decision */
    int64_t at;
    char partner[SENT_NAME_MAX], stream[SENT_NAME_MAX], account[SENT_NAME_MAX];
    bool report; /* the partner wants to be told what becomes of it */
};
/* The newest that this provider took under exactly this id, to this person; key (of
 * RECIPIENT_KEY_BYTES) NULL: to whomever. RESULT_NOT_FOUND when the index knows none: it should
 * have caught up. */
enum result journal_index_sent(struct journal_index *index, const char *provider,
                               const char *queue_id, const uint8_t *key,
                               struct sent_message *sent_out, struct error *err);
/* The partners whose SMS to this number were let pass since then, each once; provider NULL: through
 * any. Return false to stop. */
typedef bool reached_fn(void *arg, const char *partner);
enum result journal_index_reached(struct journal_index *index,
                                  const uint8_t key[RECIPIENT_KEY_BYTES], const char *provider,
                                  int64_t since, reached_fn *on_partner, void *arg,
                                  struct error *err);

/* How far the index is: rows, and the hash of the last one (zeros when there is none). */
enum result journal_index_head(struct journal_index *index, uint64_t *rows_out,
                               uint8_t hash_out[SHA256_BYTES], struct error *err);

/* What retention has erased. 0: nothing. */
struct journal_erased {
    int64_t decisions_before; /* every decision before this */
    int64_t detail_before;    /* what observe mode let through before this; its totals remain */
};
enum result journal_index_erased(struct journal_index *index, struct journal_erased *erased_out,
                                 struct error *err);

/* A record as it stands in the journal. Return false to stop. */
typedef bool history_record_fn(void *arg, int64_t at, const char *record, size_t length);
/* `configuration` records, oldest first: those in force when the period began, and those in it. */
enum result journal_index_configurations(struct journal_index *index, int64_t since, int64_t until,
                                         history_record_fn *on_record, void *arg,
                                         struct error *err);
/* The last checkpoint before the period, the last one of each day (UTC) in it, and the first one
 * after it, oldest first: enough to hold the whole period between two of them. */
enum result journal_index_checkpoints(struct journal_index *index, int64_t since, int64_t until,
                                      history_record_fn *on_record, void *arg, struct error *err);
/* The one that signs that row, from 1; nothing where there is none. */
enum result journal_index_checkpoint(struct journal_index *index, uint64_t row,
                                     history_record_fn *on_record, void *arg, struct error *err);

#endif
