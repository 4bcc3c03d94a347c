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
    int64_t id;
    struct event_row event; /* strings valid during the call */
    const uint8_t *recipient_key;
    const void *sealed; /* NULL: the address is not known, or erased */
    size_t sealed_length;
    int64_t created_at;
};
typedef bool notice_fn(void *arg, const struct notice *notice);
/* Those that were not spread yet, oldest first, at most limit. */
enum result registry_unspread_notices(struct registry *registry, unsigned limit,
                                      notice_fn *on_notice, void *arg, struct error *err);
/* The partners who hold a grant of this person, or were named in one: each once. */
typedef bool holder_fn(void *arg, const char *partner);
enum result registry_holders(struct registry *registry, const uint8_t key[RECIPIENT_KEY_BYTES],
                             holder_fn *on_partner, void *arg, struct error *err);
/* One delivery for each of these partners, due at once; none: the notice has done its work, and its
 * address is erased. Once a notice. */
enum result registry_spread_notice(struct registry *registry, int64_t notice,
                                   const char *const *partners, size_t n_partners, int64_t at,
                                   struct error *err);

enum delivery_state { DELIVERY_WAITING, DELIVERY_ACKNOWLEDGED, DELIVERY_GIVEN_UP };
const char *delivery_state_name(enum delivery_state state);

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
/* Waiting and due: of each person and partner only the oldest that waits, so that news arrive in
 * order; at most limit, most overdue first. */
enum result registry_due_deliveries(struct registry *registry, int64_t now, unsigned limit,
                                    delivery_fn *on_delivery, void *arg, struct error *err);
/* An attempt was made. WAITING: next_at is when it is tried again. Else it has ended, and with the
 * last one that waited the notice's sealed address goes. */
enum result registry_note_delivery(struct registry *registry, int64_t notice, const char *partner,
                                   enum delivery_state state, int64_t at, int64_t next_at,
                                   const char *answer, struct error *err);

struct delivery_filter {
    const char *partner; /* NULL: any */
    bool has_state;
    enum delivery_state state;
    int64_t created_before; /* INT64_MAX: any; with WAITING: overdue */
    int64_t before_id;      /* keyset: notices below this id; INT64_MAX: from the newest */
    uint64_t limit;         /* 0: all */
};
/* Newest first. */
enum result registry_deliveries(struct registry *registry, const struct delivery_filter *filter,
                                delivery_fn *on_delivery, void *arg, struct error *err);

struct delivery_counts {
    uint64_t waiting, acknowledged, given_up;
    uint64_t overdue;       /* waiting, of notices made before the moment asked for */
    int64_t oldest_waiting; /* when its notice was made; 0: none waits */
};
/* partner NULL: of all. */
enum result registry_delivery_counts(struct registry *registry, const char *partner,
                                     int64_t overdue_before, struct delivery_counts *counts_out,
                                     struct error *err);

/* What a partner calls a person; "" forgets it. */
enum result registry_set_identifier(struct registry *registry,
                                    const uint8_t key[RECIPIENT_KEY_BYTES], const char *partner,
                                    const char *identifier, int64_t at, struct error *err);

#endif
