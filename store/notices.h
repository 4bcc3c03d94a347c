/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outbox: withdrawals and objections that partners are to learn of. A notice is written in the
 * transaction of its event, so that no event is ever without it; who is to be told is found out
 * afterwards ("spread"), one delivery a partner. The address is sealed, and erased once no delivery
 * waits. Several processes may write notices; only the gateway spreads and delivers.
 */
#ifndef OCTROI_STORE_NOTICES_H
#define OCTROI_STORE_NOTICES_H

#include "base/seal.h"
#include "store/registry.h"

/* From now on withdrawals and objections added through this connection with an address leave a
 * notice with the address sealed; without a seal (NULL, as at first), one without an address. seal
 * is borrowed, and outlives the connection. */
void registry_seal_with(struct registry *registry, const struct seal *seal);
#define SEAL_FOR_NOTICES "notice"

struct notice {
    struct event_row event;    /* its number is the notice's; strings valid during the call */
    const uint8_t *event_hash; /* SHA256_BYTES: as the chain of events has it */
    const uint8_t *recipient_key;
    const void *sealed; /* NULL: the address is not known, or erased */
    size_t sealed_length;
    int64_t created_at;
};
typedef bool notice_fn(void *arg, const struct notice *notice);
/* Those that were not spread yet, oldest first, until on_notice says false; named: only those that
 * name partners. RESULT_DAMAGED: one could not be read; those that can be are given all the same.
 */
enum result registry_unspread_notices(struct registry *registry, bool named, notice_fn *on_notice,
                                      void *arg, struct error *err);
/* The partners who hold a grant of this person, or were named in one, also by a later version of
 * its form: each once. */
typedef bool holder_fn(void *arg, const char *name);
enum result registry_holders(struct registry *registry, const uint8_t key[RECIPIENT_KEY_BYTES],
                             holder_fn *on_partner, void *arg, struct error *err);
/* The categories of partners that the forms of this person's grants showed: each once. */
enum result registry_holder_categories(struct registry *registry,
                                       const uint8_t key[RECIPIENT_KEY_BYTES],
                                       holder_fn *on_category, void *arg, struct error *err);
struct concerned {
    const char *partner;
    const char *hindrance; /* NULL: it is told. Else why it cannot be: on record as UNTOLD */
};
/* One delivery for each of these partners, each named once, due at once; nobody is concerned: the
 * notice has done its work and goes. Once a notice: what was spread already is RESULT_CONFLICT.
 * Inside a transaction, or alone. */
enum result registry_spread_notice(struct registry *registry, int64_t notice,
                                   const struct concerned *partners, size_t n_partners, int64_t at,
                                   struct error *err);

enum delivery_state {
    DELIVERY_WAITING,
    DELIVERY_ACKNOWLEDGED,
    DELIVERY_GIVEN_UP,
    DELIVERY_UNTOLD, /* nothing is configured, or the partner would not know who is meant */
    DELIVERY_STATES
};
/* "waiting", "acknowledged", "given-up", "untold" */
const char *delivery_state_name(enum delivery_state state);
bool delivery_state_parse(const char *text, enum delivery_state *state_out);

struct delivery {
    struct notice notice;
    const char *partner;
    const char *identifier; /* what the partner calls the person; NULL: not known */
    enum delivery_state state;
    unsigned attempts;
    int64_t next_at;
    int64_t last_at; /* 0: never tried */
    const char *last_answer;
    int64_t ended_at; /* 0: waiting */
};
typedef bool delivery_fn(void *arg, const struct delivery *delivery);
/* This partner's that wait and are due: of each person only the oldest that waits, so that news
 * arrive in order; most overdue first, until on_delivery says false. next_at of what somebody asked
 * to be retried (registry_retry_deliveries) may be 0. RESULT_DAMAGED: one could not be read; those
 * that can be are given all the same. */
enum result registry_due_deliveries(struct registry *registry, const char *partner, int64_t now,
                                    delivery_fn *on_delivery, void *arg, struct error *err);
/* The partners for whom something waits, each once. */
enum result registry_waiting_partners(struct registry *registry, holder_fn *on_partner, void *arg,
                                      struct error *err);
/* An attempt was made. WAITING: next_at is when it is tried again. Else it has ended, and with the
 * last one that waited the notice's sealed address goes. RESULT_NOT_FOUND: it does not wait. */
enum result registry_note_delivery(struct registry *registry, int64_t notice, const char *partner,
                                   enum delivery_state state, int64_t at, int64_t next_at,
                                   const char *answer, struct error *err);

/* What waits for this partner (NULL: for any) is due now, and of each partner one is to be tried
 * whatever it answered lately (its next_at is 0). What was given up, or could not be told, waits
 * again where the partner's name for the person is on record: the address is erased. */
enum result registry_retry_deliveries(struct registry *registry, const char *partner, int64_t now,
                                      uint64_t *count_out, struct error *err);

/* The partner answers again, or the clock was put back: what was tried and not taken since then is
 * due now, and so is what was never tried. */
enum result registry_hasten_deliveries(struct registry *registry, const char *partner,
                                       int64_t since, int64_t now, struct error *err);

struct delivery_filter {
    const char *partner;          /* NULL: any */
    const uint8_t *recipient_key; /* NULL: any */
    bool has_state;
    enum delivery_state state;
    int64_t created_before; /* INT64_MAX: any; with WAITING: overdue */
    int64_t before_id;      /* keyset: notices below this id; INT64_MAX: from the newest */
    uint64_t limit;         /* 0: all; the deliveries of one notice are never torn apart */
};
/* Newest first. */
enum result registry_deliveries(struct registry *registry, const struct delivery_filter *filter,
                                delivery_fn *on_delivery, void *arg, struct error *err);

struct delivery_counts {
    uint64_t states[DELIVERY_STATES];
    uint64_t overdue;       /* for the caller: each partner has its own idea of it */
    int64_t oldest_waiting; /* when its notice was made; 0: none waits */
};
/* Of all partners; overdue is 0. Costs what waits, not what is on record. */
enum result registry_delivery_counts(struct registry *registry, struct delivery_counts *counts_out,
                                     struct error *err);
/* How many of this partner's wait, of notices made before that moment, and when the oldest of those
 * was made (may be NULL; 0: none). */
enum result registry_overdue_deliveries(struct registry *registry, const char *partner,
                                        int64_t before, uint64_t *count_out, int64_t *oldest_out,
                                        struct error *err);

/* What a partner calls a person; "" forgets it. RESULT_BAD_INPUT: too long, or no UTF-8. Inside a
 * transaction, or alone. */
#define IDENTIFIER_MOST 256
enum result registry_set_identifier(struct registry *registry,
                                    const uint8_t key[RECIPIENT_KEY_BYTES], const char *partner,
                                    const char *identifier, int64_t at, struct error *err);
typedef bool identifier_fn(void *arg, const char *partner, const char *identifier, int64_t set_at);
enum result registry_identifiers(struct registry *registry, const uint8_t key[RECIPIENT_KEY_BYTES],
                                 identifier_fn *on_identifier, void *arg, struct error *err);

#endif
