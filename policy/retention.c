/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/retention.h"

static bool is_grant(const struct retention_event *event)
{
    return event->kind == EVENT_GIVEN || event->kind == EVENT_RENEWED;
}

static bool is_opposition(const struct retention_event *event)
{
    return event->kind == EVENT_WITHDRAWN || event->kind == EVENT_OBJECTED;
}

/* Every event on record is an act of the person; a message she opened is none, and not on record.
 * One dated in the future counts as it stands: to keep is the safe side. */
static int64_t last_own_act(const struct retention_event *events, size_t n)
{
    int64_t last = INT64_MIN;
    for (size_t i = 0; i < n; i++)
        if (events[i].occurred_at > last)
            last = events[i].occurred_at;
    return last;
}

/* When a grant ended: with the first later "no" on its channel that leaves nothing of it, or when
 * the person had not been heard of for long enough. A "no" to some partners, or to a collector,
 * leaves the rest of the grant standing; what it closed is then kept a little longer than needed.
 */
static int64_t end_of(const struct retention_event *grant, const struct retention_event *events,
                      size_t n, int64_t silent_at)
{
    int64_t end = silent_at;
    for (size_t i = 0; i < n; i++) {
        const struct retention_event *event = &events[i];
        if (is_opposition(event) && event->of_all && event->channel == grant->channel &&
            event->occurred_at >= grant->occurred_at && event->occurred_at < end)
            end = event->occurred_at;
    }
    return end;
}

static void note(uint64_t *count, int64_t *oldest, int64_t occurred_at)
{
    ++*count;
    if (occurred_at < *oldest)
        *oldest = occurred_at;
}

/* An act keeps grants fresh for a time, and proves for as long as they are proved that it did. */
static void select_grants_and_acts(struct retention_event *events, size_t n,
                                   const struct retention_periods *periods, int64_t now,
                                   struct retention_counts *counts, bool *grant_kept_out)
{
    int64_t silent_at = n > 0 ? clock_add(last_own_act(events, n), periods->consent) : now;
    for (size_t i = 0; i < n; i++) {
        struct retention_event *event = &events[i];
        event->fate = RETENTION_KEEP;
        if (is_opposition(event))
            continue;
        int64_t end = is_grant(event) ? end_of(event, events, n, silent_at)
                                      : clock_add(event->occurred_at, periods->consent);
        if (clock_add(end, periods->proof) <= now) {
            event->fate = RETENTION_ERASE;
            note(&counts->proofs, &counts->oldest_proof, event->occurred_at);
        } else if (is_grant(event)) {
            *grant_kept_out = true;
            if (end <= now) {
                event->fate = RETENTION_PROOF;
                note(&counts->ended, &counts->oldest_ended, event->occurred_at);
            }
        }
    }
}

void retention_select(struct retention_event *events, size_t n,
                      const struct retention_periods *periods, int64_t now,
                      struct retention_counts *counts)
{
    bool grant_kept = false;
    *counts = (struct retention_counts){.oldest_ended = INT64_MAX,
                                        .oldest_proof = INT64_MAX,
                                        .oldest_opposition = INT64_MAX,
                                        .horizon = INT64_MIN};
    select_grants_and_acts(events, n, periods, now, counts, &grant_kept);
    /* As long as any grant of the person is on record, on whatever channel, her "no" stays: it may
     * be the only thing that stops it, under these rules or under later ones. */
    for (size_t i = 0; !grant_kept && i < n; i++) {
        struct retention_event *event = &events[i];
        if (!is_opposition(event) || clock_add(event->occurred_at, periods->opposition) > now)
            continue;
        event->fate = RETENTION_ERASE;
        note(&counts->oppositions, &counts->oldest_opposition, event->occurred_at);
        if (event->occurred_at > counts->horizon)
            counts->horizon = event->occurred_at;
    }
}
