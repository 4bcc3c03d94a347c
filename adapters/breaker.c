/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/breaker.h"

const char *breaker_state_name(enum breaker_state state)
{
    static const char *const names[] = {"closed", "open", "half-open"};
    return names[state];
}

int64_t breaker_pause(unsigned openings, uint32_t chance)
{
    int64_t pause = BREAKER_FIRST_PAUSE;
    while (openings-- > 0 && pause < BREAKER_LAST_PAUSE)
        pause *= 2;
    if (pause > BREAKER_LAST_PAUSE)
        pause = BREAKER_LAST_PAUSE;
    /* Gateways that lost a provider together shall not come back to it together. */
    int64_t quarter = pause / 4;
    return pause - quarter + (int64_t)(chance % (uint64_t)(2 * quarter + 1));
}

static void open_now(struct breaker *breaker, int64_t now, uint32_t chance)
{
    breaker->state = BREAKER_OPEN;
    breaker->retry_at = now + breaker_pause(breaker->openings, chance);
    if (breaker->openings < 32)
        breaker->openings++;
}

bool breaker_admit(struct breaker *breaker, int64_t now, bool *probe_out)
{
    *probe_out = false;
    if (breaker->state == BREAKER_CLOSED)
        return true;
    if (breaker->state == BREAKER_HALF_OPEN || now < breaker->retry_at)
        return false;
    breaker->state = BREAKER_HALF_OPEN;
    *probe_out = true;
    return true;
}

void breaker_connected(struct breaker *breaker)
{
    breaker->state = BREAKER_CLOSED;
    breaker->unconnected = 0;
    /* What greets may still be mute when it matters: then it is on parole. */
    if (breaker->unanswered >= BREAKER_THRESHOLD)
        breaker->unanswered = BREAKER_THRESHOLD - 1;
    if (breaker->unanswered == 0)
        breaker->openings = 0;
}

bool breaker_unconnected(struct breaker *breaker, bool probe, int64_t now, uint32_t chance)
{
    /* Attempts that were begun before it opened come late and prove nothing new. */
    if (breaker->state != BREAKER_CLOSED && !probe)
        return false;
    breaker->unconnected++;
    if (breaker->state == BREAKER_CLOSED && breaker->unconnected < BREAKER_THRESHOLD)
        return false;
    open_now(breaker, now, chance);
    return true;
}

bool breaker_unanswered(struct breaker *breaker, int64_t now, uint32_t chance)
{
    breaker->unanswered++;
    if (breaker->state != BREAKER_CLOSED || breaker->unanswered < BREAKER_THRESHOLD)
        return false;
    open_now(breaker, now, chance);
    return true;
}

void breaker_answered(struct breaker *breaker)
{
    breaker->unanswered = 0;
    if (breaker->state == BREAKER_CLOSED)
        breaker->openings = 0;
}

void breaker_abandoned(struct breaker *breaker, bool probe, int64_t now)
{
    if (!probe || breaker->state != BREAKER_HALF_OPEN)
        return;
    breaker->state = BREAKER_OPEN;
    breaker->retry_at = now;
}
