/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the attempts of all loops say of a provider's health: its breaker, under its lock, and the
 * lines in the log when it goes out of service and comes back. It decides who may try; connecting
 * is the adapter's.
 */
#include "adapters/internal.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/str.h"
#include "store/record.h"

/* So long a due attempt is left to the background, which risks no partner's message. */
#define BACKGROUND_FIRST CLOCK_SECOND
/* Between two messages that are let in while an attempt is due. */
#define BEGIN_PAUSE CLOCK_SECOND

static uint32_t chance(void)
{
    uint32_t number = 0;
    (void)random_bytes(&number, sizeof(number)); /* without chance all pauses are the shortest */
    return number;
}

static void remember_error_locked(struct provider *provider, const struct error *why)
{
    /* A reply may repeat the recipient's address. */
    reply_scrub(why->text, provider->state.last_error, sizeof(provider->state.last_error));
}

static void say_out_locked(const struct provider *provider, struct error *why)
{
    error_set(why, RESULT_UNAVAILABLE, "provider %s is out of service: %s", provider->config->name,
              provider->state.last_error);
}

static void tell_opened(const struct provider *provider, int64_t pause, const char *error)
{
    log_event(LOG_LEVEL_WARN, "provider out of service",
              LOG_TEXT("provider", provider->config->name), LOG_NUMBER("retry_in_ms", pause / 1000),
              LOG_TEXT("error", error));
}

bool provider_admit(struct provider *provider, bool gives_way, bool *probe_out, struct error *why)
{
    int64_t now = clock_monotonic();
    pthread_mutex_lock(&provider->lock);
    bool admitted =
        breaker_admit(&provider->breaker, gives_way ? now - BACKGROUND_FIRST : now, probe_out);
    if (!admitted)
        say_out_locked(provider, why);
    pthread_mutex_unlock(&provider->lock);
    return admitted;
}

bool provider_may_begin(struct provider *provider, struct error *why)
{
    int64_t now = clock_monotonic();
    pthread_mutex_lock(&provider->lock);
    const struct breaker *breaker = &provider->breaker;
    bool due = breaker->state == BREAKER_OPEN && now >= breaker->retry_at;
    bool may = breaker->state == BREAKER_CLOSED || (due && now >= provider->next_begin);
    if (may && due)
        provider->next_begin = now + BEGIN_PAUSE;
    if (!may)
        say_out_locked(provider, why);
    pthread_mutex_unlock(&provider->lock);
    return may;
}

bool provider_is_out(struct provider *provider, struct error *why)
{
    pthread_mutex_lock(&provider->lock);
    bool out = provider->breaker.state != BREAKER_CLOSED;
    if (out)
        say_out_locked(provider, why);
    pthread_mutex_unlock(&provider->lock);
    return out;
}

bool provider_is_mute(struct provider *provider)
{
    pthread_mutex_lock(&provider->lock);
    const struct breaker *breaker = &provider->breaker;
    bool mute = breaker->state != BREAKER_CLOSED && breaker->unanswered >= BREAKER_THRESHOLD;
    pthread_mutex_unlock(&provider->lock);
    return mute;
}

void provider_connected(struct provider *provider)
{
    pthread_mutex_lock(&provider->lock);
    bool was_closed = provider->breaker.state == BREAKER_CLOSED;
    breaker_connected(&provider->breaker);
    pthread_mutex_unlock(&provider->lock);
    if (!was_closed)
        log_event(LOG_LEVEL_INFO, "provider back in service",
                  LOG_TEXT("provider", provider->config->name));
}

void provider_answered(struct provider *provider)
{
    pthread_mutex_lock(&provider->lock);
    breaker_answered(&provider->breaker);
    pthread_mutex_unlock(&provider->lock);
}

bool provider_unconnected(struct provider *provider, bool probe, const struct error *why)
{
    int64_t now = clock_monotonic();
    uint32_t number = chance();
    char error[sizeof(provider->state.last_error)];
    pthread_mutex_lock(&provider->lock);
    remember_error_locked(provider, why);
    str_copy(error, sizeof(error), provider->state.last_error);
    bool opened = breaker_unconnected(&provider->breaker, probe, now, number);
    int64_t pause = provider->breaker.retry_at - now;
    pthread_mutex_unlock(&provider->lock);
    if (opened)
        tell_opened(provider, pause, error);
    return opened;
}

bool provider_unanswered(struct provider *provider, const struct error *why)
{
    int64_t now = clock_monotonic();
    uint32_t number = chance();
    char error[sizeof(provider->state.last_error)];
    pthread_mutex_lock(&provider->lock);
    remember_error_locked(provider, why);
    str_copy(error, sizeof(error), provider->state.last_error);
    bool opened = breaker_unanswered(&provider->breaker, now, number);
    int64_t pause = provider->breaker.retry_at - now;
    pthread_mutex_unlock(&provider->lock);
    if (opened)
        tell_opened(provider, pause, error);
    return opened;
}

void provider_abandoned(struct provider *provider, bool probe)
{
    pthread_mutex_lock(&provider->lock);
    breaker_abandoned(&provider->breaker, probe, clock_monotonic());
    pthread_mutex_unlock(&provider->lock);
}

int64_t provider_retry_in(struct provider *provider)
{
    int64_t now = clock_monotonic();
    uint32_t number = chance();
    pthread_mutex_lock(&provider->lock);
    const struct breaker *breaker = &provider->breaker;
    int64_t wait = breaker_pause(breaker->openings, number);
    if (breaker->state == BREAKER_OPEN && breaker->retry_at > now)
        wait = breaker->retry_at - now;
    pthread_mutex_unlock(&provider->lock);
    return wait;
}

void provider_attempt_failed(struct provider *provider, const struct error *why)
{
    pthread_mutex_lock(&provider->lock);
    remember_error_locked(provider, why);
    pthread_mutex_unlock(&provider->lock);
}

void provider_count_failed(struct provider *provider, const struct error *why)
{
    pthread_mutex_lock(&provider->lock);
    provider->state.failed++;
    /* What keeps it out of service is worth more than that it is. */
    if (provider->breaker.state == BREAKER_CLOSED || provider->state.last_error[0] == '\0')
        remember_error_locked(provider, why);
    pthread_mutex_unlock(&provider->lock);
}
