/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was known of a person at an earlier moment: the facts of now without what came later. Events
 * recorded since are left out, suspensions and invalidations are as they were. What left no trace
 * cannot be brought back: an event that retention erased, a form's version that was added since,
 * and the configuration; who asks with these facts compares the answer with the one that was given.
 */
#ifndef OCTROI_OFFICE_THEN_H
#define OCTROI_OFFICE_THEN_H

#include "office/past.h"
#include "policy/facts.h"

/* An act waits for the desk and for whoever else writes: ten seconds, and what it takes itself. */
#define THEN_NEAR (15 * CLOCK_SECOND)

struct then {
    struct facts facts;
    size_t later; /* of the person's events, how many were recorded since */
    /* Something came so shortly before that it may not have been written yet: what an act carries
     * is the moment it was asked for, and it counts once it is on record (THEN_NEAR). */
    bool near;
};

/* history is of the same view of the registry, and of this person; stream NULL: of no stream. Good
 * until the next question to the registry, and as long as arena. */
enum result then_read(struct registry *registry, const uint8_t key[RECIPIENT_KEY_BYTES],
                      const char *partner, const char *stream, int64_t at,
                      const struct past *history, struct arena *arena, struct then *then_out,
                      struct error *err);

#endif
