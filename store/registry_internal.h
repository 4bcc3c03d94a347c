/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the registry's own files share; nobody else includes it (unit tests apart). A registry is
 * one connection, its prepared statements (made at first use, kept until close) and the memory of
 * the last answer of registry_facts.
 */
#ifndef OCTROI_STORE_REGISTRY_INTERNAL_H
#define OCTROI_STORE_REGISTRY_INTERNAL_H

#include "base/arena.h"
#include "base/str.h"
#include "store/registry.h"
#include "store/segment.h"
#include "store/sql.h"

#include <sqlite3.h>

/* The layout this program writes; PRAGMA user_version of the file. */
#define REGISTRY_SCHEMA_VERSION 10
/* How long a writer waits for another one, as the interface promises. */
#define REGISTRY_BUSY_MS 10000
/* Caps on one person's history. Past them it is no history but an attack or a mistake: the
 * question is answered RESULT_NO_MEMORY, and nothing passes. */
#define REGISTRY_EVENTS_MAX  (512 * 1024)
#define REGISTRY_FACTS_BYTES (64u * 1024 * 1024)
/* Forms and suspensions remembered before all are forgotten, so that memory stays bounded. */
#define REGISTRY_KEPT_MOST 256

enum registry_statement {
    STATEMENT_READ_BEGIN,
    STATEMENT_READ_END,
    STATEMENT_DATA_VERSION,
    STATEMENT_FACTS_SUSPENSIONS,
    STATEMENT_FACTS_STOPS,
    STATEMENT_FACTS_EVENTS,
    STATEMENT_FACTS_FORM,
    STATEMENT_FACTS_CATEGORIES,
    STATEMENT_FORM_EXISTS,
    STATEMENT_PARTNER_LISTED,
    STATEMENT_SUPPLIER_ADD,
    STATEMENT_EVENT_ADD,
    STATEMENT_EVENT_LAST,
    STATEMENT_STANDING_ADD,
    STATEMENT_STANDING_KNOWN,
    STATEMENT_STANDING_STOPS,
    STATEMENT_STANDING_GET,
    STATEMENT_STANDING_SET,
    STATEMENT_STANDING_DROP,
    STATEMENT_STANDING_BATCH,
    STATEMENT_STANDING_STRETCH,
    STATEMENT_EVENT_BATCH,
    STATEMENT_EVENT_GET,
    STATEMENT_EVENT_FIND,
    STATEMENT_EVENT_ERASE,
    STATEMENT_EVENT_CHECKED,
    STATEMENT_EVENTS_CHECKED,
    STATEMENT_HORIZON,
    STATEMENT_HORIZON_SET,
    STATEMENT_PERSON,
    STATEMENT_TOKEN_FIND,
    STATEMENT_USER_FIND,
    STATEMENT_USER_SEEN,
    STATEMENT_SESSION_FIND,
    STATEMENT_SESSION_SEEN,
    STATEMENT_NOTICE_ADD,
    STATEMENT_NOTICES_UNSPREAD,
    STATEMENT_NOTICES_NAMED,
    STATEMENT_NOTICE_SPREAD,
    STATEMENT_NOTICE_DROP,
    STATEMENT_NOTICE_HOLDERS,
    STATEMENT_NOTICE_CATEGORIES,
    STATEMENT_DELIVERY_ADD,
    STATEMENT_DELIVERY_DUE,
    STATEMENT_DELIVERY_PARTNERS,
    STATEMENT_DELIVERY_OVERDUE,
    STATEMENT_DELIVERY_OLDEST,
    STATEMENT_DELIVERY_TOTALS,
    STATEMENT_DELIVERY_NOTE,
    STATEMENT_DELIVERIES_DROP,
    STATEMENT_ADDRESS_DROP,
    STATEMENT_IDENTIFIERS_DROP,
    STATEMENT_COUNT
};

/* What was read of forms, suspensions and suppliers, relative to the partners asked for. */
struct registry_kept {
    struct arena *arena; /* owned; everything below */
    struct known_form *forms;
    struct known_suspension *suspensions;
    const struct known_stop *stops; /* sorted by supplier; NULL: not read yet */
    size_t n_stops;
    size_t count;
    int64_t version; /* of the file they were read from: PRAGMA data_version; 0: unknown */
    int64_t changes; /* of this connection's own by then; -1: not to be relied on */
};

/* One event as it rests in the file, e-mail addresses in free text masked. All borrowed. */
struct event_record {
    int64_t id;
    const uint8_t *recipient_key; /* NULL: retention has erased the event */
    const char *channel, *kind;
    int64_t occurred_at, recorded_at;
    const char *form_id; /* NULL: none */
    int form_version;
    const char *partners, *basis, *supplier, *collector, *evidence, *origin;
};

#define SUPPLIER_MAX 128 /* bytes of its name */
/* Of one recipient. An address that so many lists hold is nobody's ("0600000000"), and to look
 * among so many takes long: nothing more is taken in but what closes. */
#define RECIPIENT_EVENTS_MOST 10000

#define EVENT_DIGEST_BYTES 16
#define EVENT_SALT_BYTES   16

/* Random bytes are cheaper by the kilobyte. */
struct event_salts {
    uint8_t pool[64 * EVENT_SALT_BYTES];
    size_t left; /* of the pool, at its end */
};

/* The end of the chain of events. Known within a write transaction only: others append, too. */
struct event_head {
    bool known;
    int64_t id; /* 0: there is no event */
    uint8_t hash[SHA256_BYTES];
};

/* What an import says row after row, found in this write transaction: nobody else can have changed
 * it meanwhile. */
struct registry_seen {
    char form_id[80]; /* "" : none */
    int form_version;
    int64_t form_key;
    char supplier[SUPPLIER_MAX + 1]; /* "" : none */
};

struct registry {
    sqlite3 *db;                               /* owned */
    sqlite3_stmt *statements[STATEMENT_COUNT]; /* owned; NULL until first used */
    bool in_transaction;                       /* between registry_begin and its end */
    bool holds;                                /* registry_hold; the next question begins to read */
    bool reading;                              /* it has: the transaction stays open */
    bool checking;                             /* the table of registry_check_event exists */
    struct hasher hasher;                      /* owned */
    struct event_head head;
    struct event_salts salts;
    struct registry_seen seen;
    struct strbuf scratch;   /* canonical text of an event */
    struct strbuf masked;    /* its free texts without addresses, each with its NUL */
    const char *refused;     /* the consent CSV's column the last refusal of an event is about */
    struct strbuf partners;  /* its joined partners */
    const struct seal *seal; /* borrowed; NULL: notices have no address */
    struct strbuf sealed;
    struct arena *arena; /* owned; strings of the last facts' events */
    struct registry_kept kept;
    struct consent_event *events; /* owned; grows, reused */
    size_t events_capacity;
    struct facts facts;
};

/* Brings the file to REGISTRY_SCHEMA_VERSION, one transaction a migration. */
enum result registry_migrate(struct registry *registry, struct error *err);
/* Refuses a file whose layout is not exactly this program's; writes nothing. */
enum result registry_check_schema(sqlite3 *db, struct error *err);

/* registry_open with every choice open: a read-only connection, another waiting time. */
enum result registry_open_as(const char *path, enum sql_access access, int busy_ms,
                             struct registry **registry_out, struct error *err);

/* The statement of that slot, prepared from sql when it was not yet. */
enum result registry_prepared(struct registry *registry, enum registry_statement slot,
                              const char *sql, sqlite3_stmt **statement_out, struct error *err);
/* One step; row_out says whether a row is there to be read. */
enum result registry_step(struct registry *registry, sqlite3_stmt *statement, bool *row_out,
                          struct error *err);
/* The one number a query gives. */
enum result registry_count(struct registry *registry, const char *sql, uint64_t *count_out,
                           struct error *err);
/* Ready for the next use, holding on to nothing the caller bound. */
void registry_done(sqlite3_stmt *statement);
void registry_bind_text(sqlite3_stmt *statement, int index, const char *text);
/* For what people write freely: e-mail addresses in it come to rest in their masked form only. The
 * text need not live on. */
enum result registry_bind_masked(sqlite3_stmt *statement, int index, const char *text,
                                 struct error *err);

/* ---- store/registry_chain.c: the chain of events ---- */

/* Columns of `event` in the order in which event_read takes them, from column 0 on. */
#define EVENT_COLUMNS                                                                          \
    "e.event_id, e.recipient_key, e.channel, e.kind, e.occurred_at, e.recorded_at, e.form_id," \
    " e.form_version, e.partners, e.basis, e.supplier, e.collector, e.evidence, e.origin"
enum { EVENT_COLUMN_COUNT = 14 };
/* Leads into the statement's row. RESULT_DAMAGED when it cannot be an event. */
enum result event_read(sqlite3_stmt *statement, struct event_record *record_out, struct error *err);
/* What makes two events the same: over all they say, but not when and by whom they were recorded.
 */
enum result event_digest(struct registry *registry, const struct event_record *record,
                         uint8_t digest[EVENT_DIGEST_BYTES], struct error *err);
/* INNER and HASH of an event that follows previous. */
enum result event_link(struct registry *registry, const struct event_record *record,
                       const uint8_t salt[EVENT_SALT_BYTES], const uint8_t previous[SHA256_BYTES],
                       uint8_t inner[SHA256_BYTES], uint8_t hash[SHA256_BYTES], struct error *err);
/* Within a write transaction: reads the head if it is not known. */
enum result event_find_head(struct registry *registry, struct error *err);
/* Within a write transaction, the head being known and record->id above the head's: appends. Right
 * after event_digest of the same record, whose text is still there. */
/* erased: only its place in the chain, as if retention had erased it at once. */
enum result event_append(struct registry *registry, const struct event_record *record, bool erased,
                         struct error *err);

/* The row event_read takes, as others are shown it. */
enum result event_read_row(sqlite3_stmt *statement, struct event_row *row, struct error *err);

/* ---- store/notices.c ---- */

/* Within the write transaction of a withdrawal or objection that was just appended. */
enum result notice_add(struct registry *registry, const struct event_input *event,
                       const struct event_record *record, struct error *err);
/* The columns behind EVENT_COLUMNS: the event's hash, sealed, created_at. */
enum { NOTICE_COLUMN_COUNT = 3 };
struct notice;
enum result notice_read(sqlite3_stmt *statement, struct notice *notice, struct error *err);
enum result rows_end(enum result result, bool damaged, const struct error *why, struct error *err);
/* Within a write transaction: all that is kept of the event's notice. */
enum result notice_drop(struct registry *registry, int64_t event_id, struct error *err);
/* Within a write transaction: what partners call a person of whom nothing else is left. */
enum result notice_forget_person(struct registry *registry, const uint8_t *key, struct error *err);

/* ---- store/registry_standing.c: what is derived from the events ---- */

/* A standing's number: the first 31 bits of the person's key, then the event's number. Of a hundred
 * million people every twentieth shares those bits with another, so that whoever reads a range
 * compares the key as well. */
#define STANDING_EVENT_BITS 32
#define STANDING_EVENT_MOST (((int64_t)1 << STANDING_EVENT_BITS) - 1)
struct standing_range {
    int64_t first, last; /* both within; none when last is below first */
};
struct standing_range standing_range(const uint8_t key[RECIPIENT_KEY_BYTES]);
int64_t standing_id(const uint8_t key[RECIPIENT_KEY_BYTES], int64_t event_id);
/* The standings of one person are those WHERE standing_id BETWEEN ?1 AND ?2 AND recipient_key = ?3.
 * The key is borrowed until registry_done. */
void standing_bind(sqlite3_stmt *statement, const uint8_t key[RECIPIENT_KEY_BYTES]);
/* The next so many rows behind a number (-1: from the start), and what is more of the last one's
 * neighbours: nobody's rows are torn apart. */
enum result standing_stretch(struct registry *registry, int64_t after, int rows,
                             struct standing_range *range_out, struct error *err);

/* From ?1, the number, to ?13, evidence. Borrowed until registry_done. */
void standing_bind_row(sqlite3_stmt *statement, const struct event_record *record,
                       const uint8_t digest[EVENT_DIGEST_BYTES]);
/* Within a write transaction, the event not being known. */
enum result standing_add(struct registry *registry, const struct event_record *record,
                         const uint8_t digest[EVENT_DIGEST_BYTES], struct error *err);
/* Whether the person has an event that says the same; rows_out: of the person, as many as were
 * looked at, all when it has none. */
enum result standing_known(struct registry *registry, const struct event_record *record,
                           const uint8_t digest[EVENT_DIGEST_BYTES], bool *known_out,
                           unsigned *rows_out, struct error *err);

/* How a standing compares with what its event makes of it. */
enum standing_state { STANDING_RIGHT, STANDING_MISSING, STANDING_DIFFERENT };
enum result standing_compare(struct registry *registry, const struct event_record *record,
                             const uint8_t digest[EVENT_DIGEST_BYTES],
                             enum standing_state *state_out, struct error *err);
/* Within a write transaction: makes it say what the event says; or takes it away. */
enum result standing_set(struct registry *registry, const struct event_record *record,
                         const uint8_t digest[EVENT_DIGEST_BYTES], struct error *err);
enum result standing_drop(struct registry *registry, int64_t id, struct error *err);

/* ---- store/registry_horizon.c: what an erased opposition leaves ---- */

/* Whether a grant lies so far back that an opposition to it may have been erased:
 * RESULT_BAD_INPUT, unless it is on record. record is complete but for its channel. */
enum result registry_check_horizon(struct registry *registry, const struct event_input *event,
                                   const struct event_record *record, struct error *err);
/* Within a write transaction: moves it on, never back. */
enum result registry_move_horizon(struct registry *registry, int64_t horizon, struct error *err);

/* A write transaction of its own unless the caller has one open; own is passed to the end, which
 * commits when result is RESULT_OK, else rolls back, and returns what came of it. */
enum result registry_enter(struct registry *registry, bool *own_out, struct error *err);
enum result registry_leave(struct registry *registry, bool own, enum result result,
                           struct error *err);

/* Sets of channels and purposes as they stand in the file: "email|sms". */
#define REGISTRY_SET_TEXT 64
void registry_channels_text(unsigned channels, char out[REGISTRY_SET_TEXT]);
void registry_purposes_text(unsigned purposes, char out[REGISTRY_SET_TEXT]);
bool registry_channels_parse(const char *text, unsigned *channels_out);
bool registry_purposes_parse(const char *text, unsigned *purposes_out);

#endif
