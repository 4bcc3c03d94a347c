/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The horizon: the moment of the latest opposition that retention has erased. Whoever brings an old
 * file with a grant from before it might bring back what was taken back: the proof of the "no" is
 * gone, and with it the knowledge whose it was. So no grant up to the horizon is taken in any more,
 * from nobody; one that is on record already is still the same event, and changes nothing. One
 * number for all persons: a number for each would be the opposition list over again.
 */
#include "store/registry_internal.h"

#include "base/clock.h"

#include <inttypes.h>

/* false: none was erased yet. */
static enum result read_horizon(struct registry *registry, bool *there_out, int64_t *horizon_out,
                                struct error *err)
{
    sqlite3_stmt *statement;
    enum result result = registry_prepared(registry, STATEMENT_HORIZON,
                                           "SELECT horizon FROM retention", &statement, err);
    if (result != RESULT_OK)
        return result;
    result = registry_step(registry, statement, there_out, err);
    if (result == RESULT_OK && *there_out)
        *horizon_out = sqlite3_column_int64(statement, 0);
    registry_done(statement);
    return result;
}

static enum result all_known(struct registry *registry, const struct event_input *event,
                             struct event_record record, bool *known_out, struct error *err)
{
    enum result result = RESULT_OK;
    *known_out = true;
    for (int i = 0; result == RESULT_OK && *known_out && i < CHANNEL_COUNT; i++) {
        uint8_t digest[EVENT_DIGEST_BYTES];
        unsigned rows;
        if (!(event->channels & CHANNEL_BIT(i)))
            continue;
        record.channel = channel_name((enum channel)i);
        result = event_digest(registry, &record, digest, err);
        if (result == RESULT_OK)
            result = standing_known(registry, &record, digest, known_out, &rows, err);
    }
    return result;
}

enum result registry_check_horizon(struct registry *registry, const struct event_input *event,
                                   const struct event_record *record, struct error *err)
{
    bool there = false;
    bool known = false;
    int64_t horizon = 0;
    char given[CLOCK_TEXT];
    char erased[CLOCK_TEXT];
    if (event->kind != EVENT_GIVEN && event->kind != EVENT_RENEWED)
        return RESULT_OK;
    enum result result = read_horizon(registry, &there, &horizon, err);
    if (result != RESULT_OK || !there || event->occurred_at > horizon)
        return result;
    result = all_known(registry, event, *record, &known, err);
    if (result != RESULT_OK || known)
        return result;
    clock_format(event->occurred_at, given);
    clock_format(horizon, erased);
    return error_set(err, RESULT_BAD_INPUT,
                     "the grant (%.10s) is too old: objections and withdrawals up to %.10s have "
                     "been erased, so nobody can tell whether it was taken back",
                     given, erased);
}

enum result registry_move_horizon(struct registry *registry, int64_t horizon, struct error *err)
{
    sqlite3_stmt *statement;
    enum result result =
        registry_prepared(registry, STATEMENT_HORIZON_SET,
                          "INSERT INTO retention (one, horizon) VALUES (1, ?1) ON CONFLICT (one)"
                          " DO UPDATE SET horizon = max(horizon, excluded.horizon)",
                          &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(statement, 1, horizon);
    return sql_run(registry->db, statement, err);
}
