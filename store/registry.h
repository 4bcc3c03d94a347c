/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry: forms, consent events, suppliers, suspensions, in one SQLite file (WAL). This is
 * the synchronous end for commands; sessions use store/store.h. Several processes may use it at
 * once; write transactions stay short (RESULT_UNAVAILABLE when the file stays locked for 10 s).
 * A struct registry belongs to one thread.
 */
#ifndef OCTROI_STORE_REGISTRY_H
#define OCTROI_STORE_REGISTRY_H

#include "base/clock.h"
#include "base/error.h"
#include "policy/facts.h"
#include "policy/recipient.h"
#include "store/form.h"

struct registry;

/* create: makes the file when missing. Migrations run here, in one transaction each. */
enum result registry_open(const char *path, bool create, struct registry **registry_out,
                          struct error *err);
/* For reading only; the layout must be this program's already. */
enum result registry_open_reader(const char *path, struct registry **registry_out,
                                 struct error *err);
void registry_close(struct registry **registry);
/* Asked while it works (sql_watch): not 0 ends what is under way with RESULT_UNAVAILABLE. */
void registry_watch(struct registry *registry, int (*is_over)(void *arg), void *arg);
/* Whether the file that was opened is no longer the one of that name: after a restore from a
 * backup, or while it is away, others write elsewhere than here. RESULT_UNAVAILABLE when nobody can
 * say. */
enum result registry_has_moved(struct registry *registry, bool *moved_out, struct error *err);
/* Whether opening it for writing would lay it out anew; writes nothing. Errors as registry_open: it
 * is none, or a newer program's. */
enum result registry_probe(const char *path, bool *older_out, struct error *err);

/* ---- forms ---- */

/* RESULT_CONFLICT when the version exists with other content, or when it would begin before an
 * earlier version does; adding the same file again is RESULT_OK and changes nothing. */
enum result registry_add_form(struct registry *registry, const struct form *form, bool *added_out,
                              struct error *err);

/* What adding a version does to the one before it, which from then on is in use only until the new
 * one begins: grants given through it later do not pass. */
struct form_end {
    int version;   /* the one that would end earlier than now; 0: none */
    uint64_t lost; /* grants on record that were given between its new end and its old one */
};
/* Changes nothing. A version that is there already, or that could not be added, ends none. */
enum result registry_form_end(struct registry *registry, const struct form *form,
                              struct form_end *end_out, struct error *err);

struct form_row {
    const char *id;
    int version;
    const char *collector_name, *collector_siren;
    unsigned channels, purposes;
    const char *language;
    int64_t effective_from;
    int64_t effective_until; /* INT64_MAX while current */
    size_t n_partners;
    int64_t added_at;
    int64_t invalidated_at; /* 0: valid */
    const char *invalid_reason;
    const char *json;
    uint64_t events; /* how many events name it */
};
typedef bool form_row_fn(void *arg, const struct form_row *row);
/* version 0: all versions; id NULL: all forms. RESULT_NOT_FOUND when an id was given and is not
 * there. */
enum result registry_forms(struct registry *registry, const char *id, int version,
                           form_row_fn *on_row, void *arg, struct error *err);
/* From now on no grant of this version passes. Its events and evidence stay. */
enum result registry_invalidate_form(struct registry *registry, const char *id, int version,
                                     const char *reason, int64_t at, struct error *err);

/* ---- invalidation in bulk ---- */

/* Whose grants are to count no more, for good: all that is named here together. Their events and
 * evidence stay. */
struct invalidation {
    const struct form_name {
        const char *id;
        int version; /* 0: every version that is still valid */
    } * forms;
    size_t n_forms;
    const char *collector; /* every valid form version it ran, by SIREN or name; NULL: none */
    const char *supplier;  /* whatever it brought or will bring, on any form; NULL: none */
};

/* One form version or supplier, and the grants that counted until then. */
struct invalidation_row {
    const char *form_id; /* NULL: a supplier */
    int form_version;
    const char *supplier;
    uint64_t grants, persons;
};
typedef bool invalidation_row_fn(void *arg, const struct invalidation_row *row);

struct invalidation_totals {
    uint64_t forms, suppliers;
    uint64_t grants, persons; /* each once, whatever fell twice */
};

/* Makes all of it invalid in one short write transaction; with a reason of NULL it only checks that
 * it could. RESULT_NOT_FOUND for what the registry does not know, RESULT_CONFLICT for what is
 * invalid already; then nothing is changed. */
enum result registry_invalidate(struct registry *registry, const struct invalidation *what,
                                const char *reason, int64_t at, struct error *err);
/* Counts what the registry_invalidate before it on this registry, with the same what and at, made
 * or would make fall. Takes no lock on the file, and time: what a supplier brought is looked for
 * among all events. */
enum result registry_count_invalidated(struct registry *registry, const struct invalidation *what,
                                       int64_t at, invalidation_row_fn *on_row, void *arg,
                                       struct invalidation_totals *totals_out, struct error *err);

struct supplier_row {
    const char *id;
    int64_t invalidated_at;
    const char *invalid_reason;
};
typedef bool supplier_row_fn(void *arg, const struct supplier_row *row);
/* The invalid suppliers that brought grants of this form version; id NULL: all there are. */
enum result registry_invalid_suppliers(struct registry *registry, const char *id, int version,
                                       supplier_row_fn *on_row, void *arg, struct error *err);

/* Whoever handed events over: one exists once an event names it. */
struct supplier_total {
    const char *id;
    uint64_t consents;          /* it brought, erased ones aside */
    int64_t first_at;           /* when its first event was recorded */
    int64_t last_at;            /* its last consent; 0: it never brought one */
    int64_t invalidated_at;     /* 0: what it brought counts */
    const char *invalid_reason; /* "" */
};
typedef bool supplier_total_fn(void *arg, const struct supplier_total *supplier);
/* Who brought most first; id NULL: all there are. RESULT_NOT_FOUND: there is none of that id.
 * Counts are kept as events come, so that this takes no time. */
enum result registry_suppliers(struct registry *registry, const char *id,
                               supplier_total_fn *on_supplier, void *arg, struct error *err);

/* ---- consent events ---- */

struct event_input {
    uint8_t recipient_key[RECIPIENT_KEY_BYTES];
    enum address_kind address_kind;
    enum event_kind kind;
    unsigned channels; /* CHANNEL_BIT set; one event is stored a channel */
    int64_t occurred_at;
    const char *form_id; /* NULL: none */
    int form_version;
    const char **partners; /* ids; empty: the form's own list, or all */
    size_t n_partners;
    enum basis basis;
    const char *supplier;  /* "" : none */
    const char *collector; /* objected to this collector only; "" : none */
    const char *evidence;  /* "" : none */
    const char *origin;    /* who recorded it: "import FILE", "command" */
    /* The person's address, clear and normalised, for the notice of a withdrawal or objection
     * (store/notices.h); NULL: not known. It comes to rest sealed or not at all. */
    const char *address;
};

/* One write transaction for many events. */
enum result registry_begin(struct registry *registry, struct error *err);
enum result registry_commit(struct registry *registry, struct error *err);
void registry_rollback(struct registry *registry);
/* Inside a transaction, or alone. RESULT_BAD_INPUT with a reason when the event does not hold: an
 * unknown form, a grant from the future (now), a partner that the form does not list (withdrawals
 * and objections are taken in all three cases). After any other failure inside a transaction roll
 * it back: some of the event's channels may be in it. An event
 * that is there already (same person, channel, kind, moment, form, partners, basis, supplier,
 * collector, evidence) changes nothing. added_out: how many rows were new. */
enum result registry_add_event(struct registry *registry, const struct event_input *event,
                               int64_t now, unsigned *added_out, struct error *err);
/* The same checks, and the same count, without writing; takes no lock. Events checked before on
 * this connection count as there already. */
enum result registry_check_event(struct registry *registry, const struct event_input *event,
                                 int64_t now, unsigned *added_out, struct error *err);

/* What a "no" says. */
struct stop_scope {
    enum event_kind kind; /* WITHDRAWN or OBJECTED */
    enum channel channel;
    const char *partner; /* NULL: everybody */
};
/* A later one within this time, with no grant between, says nothing new: nobody's list of grants is
 * so late and so exact. */
#define STOP_NEAR (24 * 3600 * CLOCK_SECOND)
/* Nor does one more, when there are so many of its scope and no grant since. */
#define STOPS_MOST 100
struct stop_standing {
    bool holds; /* one of this scope, or a wider one, is on record, and no grant between it and at
                   takes it back */
    bool said;  /* another one at `at` would say nothing that is not on record */
};
/* How a "no" of that scope, said at `at`, stands to what is on record of the person. An objection
 * says what a withdrawal does. Those against one collector are not counted. */
enum result registry_find_stop(struct registry *registry, const uint8_t key[RECIPIENT_KEY_BYTES],
                               const struct stop_scope *scope, int64_t at,
                               struct stop_standing *standing_out, struct error *err);

struct event_row {
    int64_t id;
    enum event_kind kind;
    enum channel channel;
    int64_t occurred_at, recorded_at;
    const char *form_id; /* NULL: none */
    int form_version;
    const char *partners; /* joined by '|', "" when none */
    enum basis basis;
    const char *supplier, *collector, *evidence, *origin;
};
typedef bool event_row_fn(void *arg, const struct event_row *row);
/* Oldest first. */
enum result registry_events(struct registry *registry, const uint8_t key[RECIPIENT_KEY_BYTES],
                            event_row_fn *on_row, void *arg, struct error *err);
/* One event by its number. RESULT_NOT_FOUND: there is none, or it is erased. */
enum result registry_find_event(struct registry *registry, int64_t id, event_row_fn *on_row,
                                void *arg, struct error *err);

/* ---- the chain of events, and what is derived from it ---- */

struct registry_report {
    uint64_t events; /* looked at */
    uint64_t erased; /* of them, by retention */
    int64_t last;    /* number of the last; 0: none */
    uint8_t head[SHA256_BYTES];
    uint64_t missing;   /* standings that were not there */
    uint64_t different; /* that did not say what their event says */
    uint64_t foreign;   /* that follow from no event */
    char where[256];    /* the first thing that does not hold, in words; "" when all does */
};
typedef void registry_progress_fn(void *arg, uint64_t done, uint64_t total);

/* The number and hash of the last event; 0 and zero bytes when there is none. */
enum result registry_head(struct registry *registry, int64_t *id_out,
                          uint8_t hash_out[SHA256_BYTES], struct error *err);
/* The hash of one event; RESULT_NOT_FOUND when there is none of that number. */
enum result registry_event_hash(struct registry *registry, int64_t id,
                                uint8_t hash_out[SHA256_BYTES], struct error *err);
/* Recomputes the chain and compares each standing with its event, in one read transaction.
 * RESULT_DAMAGED when something does not hold. */
enum result registry_check(struct registry *registry, registry_progress_fn *progress, void *arg,
                           struct registry_report *report_out, struct error *err);
/* Derives every standing anew from the events: what is missing is added, what differs replaced,
 * what follows from no event removed, in short transactions beside whoever else reads and writes. A
 * registry whose standings are right is not changed. Does not look at the chain's hashes. */
enum result registry_rebuild(struct registry *registry, registry_progress_fn *progress, void *arg,
                             struct registry_report *report_out, struct error *err);
/* The same without mending: RESULT_DAMAGED when a standing is not right. */
enum result registry_compare(struct registry *registry, registry_progress_fn *progress, void *arg,
                             struct registry_report *report_out, struct error *err);
/* Erases one event for good, and its standing: who it was about and what it said can no longer be
 * found out, the chain still holds. Inside a transaction, or alone. RESULT_NOT_FOUND for a number
 * that is not there; erasing twice is RESULT_OK. Whether it may be erased is the caller's to know.
 */
enum result registry_erase_event(struct registry *registry, int64_t id, struct error *err);

/* ---- the question ---- */

/* The facts policy needs, read in one transaction; valid until the next call on this registry.
 * stream NULL: the question is of no stream. A form's presence is relative to the lists of its
 * valid versions: an invalidated later version vouches for nobody. */
enum result registry_facts(struct registry *registry, const uint8_t key[RECIPIENT_KEY_BYTES],
                           const char *partner, const char *stream, const struct facts **facts_out,
                           struct error *err);

/* From here on to registry_release registry_facts answers from one state, the one that its first
 * question finds; an answer that fails ends that, and the next one finds a newer one. Nothing is
 * written meanwhile through this registry. */
void registry_hold(struct registry *registry);
void registry_release(struct registry *registry);
/* A state is held: what others write meanwhile is not seen. */
bool registry_holding(const struct registry *registry);

/* ---- suspension ---- */

enum suspension_kind {
    SUSPEND_PARTNER,
    SUSPEND_STREAM, /* "partner/stream" */
    SUSPEND_FORM,
    SUSPEND_SUPPLIER,
    SUSPENSION_KIND_COUNT
};
const char *suspension_kind_name(enum suspension_kind kind);
bool suspension_kind_parse(const char *text, enum suspension_kind *kind_out);

/* RESULT_NOT_FOUND for a form or supplier the registry does not know. Suspending what is suspended,
 * or resuming what is not, is RESULT_CONFLICT. Both stay in the history. */
enum result registry_suspend(struct registry *registry, enum suspension_kind kind, const char *id,
                             const char *reason, int64_t at, struct error *err);
enum result registry_resume(struct registry *registry, enum suspension_kind kind, const char *id,
                            const char *reason, int64_t at, struct error *err);

struct suspension_row {
    enum suspension_kind kind;
    const char *id;
    int64_t suspended_at;
    const char *reason;
    bool resumed;
    int64_t resumed_at;        /* when resumed */
    const char *resume_reason; /* "" when not resumed */
};
typedef bool suspension_row_fn(void *arg, const struct suspension_row *row);
/* The whole history, oldest first. */
enum result registry_suspensions(struct registry *registry, suspension_row_fn *on_row, void *arg,
                                 struct error *err);

struct registry_counts {
    uint64_t events, forms, suppliers;
    uint64_t suspensions; /* in force */
};
enum result registry_counts(struct registry *registry, struct registry_counts *counts_out,
                            struct error *err);

#endif
