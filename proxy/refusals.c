/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/refusals.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdbool.h>

/* Lines of one kind a second, beside their sum: enough to see who it is, and a megabyte or two an
 * hour at most. */
#define LINES 2

static const struct {
    const char *name;
    const char *event;
} kinds[REFUSAL_COUNT] = {
    [REFUSAL_LISTENER] = {"listener_full", "refused, the listener is full"},
    [REFUSAL_ADDRESS] = {"address_full", "refused, too many connections of one address"},
    [REFUSAL_PARTNER] = {"partner_full", "refused, too many connections of one partner"},
    [REFUSAL_DESCRIPTORS] = {"no_descriptors", "refused, no descriptor to spare"},
    [REFUSAL_HANDSHAKE] = {"handshake_failed", "TLS handshake failed"},
    [REFUSAL_LOGIN_LATE] = {"login_late", "ended, not logged in in time"},
    [REFUSAL_SLOW] = {"too_slow", "ended, too slow"},
    [REFUSAL_CHATTER] = {"no_progress", "ended, too many commands without a message"},
    [REFUSAL_NONSENSE] = {"nonsense", "ended, what came is not of the protocol"},
    [REFUSAL_AUTH_FAILED] = {"auth_failed", "authentication failed"},
    [REFUSAL_AUTH_HELD] = {"auth_held", "authentication refused unseen"},
};

const char *refusal_name(enum refusal refusal)
{
    return kinds[refusal].name;
}

/* Several threads may find a new second at once, and a line or two more come out: harmless. */
static bool may_log(struct refusals *refusals, enum refusal refusal)
{
    uint64_t second = (uint64_t)(clock_monotonic() / CLOCK_SECOND);
    if (atomic_exchange(&refusals->kinds[refusal].second, second) != second)
        atomic_store(&refusals->kinds[refusal].lines, 0);
    return atomic_fetch_add(&refusals->kinds[refusal].lines, 1) < LINES;
}

void refusals_add(struct refusals *refusals, enum refusal refusal, const char *session,
                  const char *peer, const char *why)
{
    atomic_fetch_add(&refusals->kinds[refusal].count, 1);
    if (may_log(refusals, refusal))
        log_event(LOG_LEVEL_WARN, kinds[refusal].event, LOG_TEXT("peer", peer),
                  LOG_TEXT("session", session), LOG_TEXT("why", why));
    else
        atomic_fetch_add(&refusals->kinds[refusal].hidden, 1);
}

void refusals_tick(struct refusals *refusals)
{
    uint64_t second = (uint64_t)(clock_monotonic() / CLOCK_SECOND);
    if (atomic_exchange(&refusals->summed, second) == second)
        return;
    for (int i = 0; i < REFUSAL_COUNT; i++) {
        unsigned hidden = atomic_exchange(&refusals->kinds[i].hidden, 0);
        if (hidden > 0)
            log_event(LOG_LEVEL_WARN, kinds[i].event, LOG_NUMBER("more", hidden));
    }
}
