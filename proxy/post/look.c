/* SPDX-License-Identifier: Apache-2.0 */
/* How everything is: what the lookout is told. */
#include "proxy/post/internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/notices.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LOOK_EVERY   (2 * CLOCK_SECOND)
#define COUNT_EVERY  (30 * CLOCK_SECOND) /* what partners have not confirmed: it reads much */
#define PROVEN_AFTER (20 * CLOCK_SECOND) /* longer than a connection may take */

static void see(struct post *post, enum trouble_kind kind, const char *subject, const char *detail,
                int64_t now)
{
    if (!lookout_see(&post->lookout, kind, subject, detail, now))
        log_event(LOG_LEVEL_WARN, "too many things are wrong to tell compliance of each",
                  LOG_TEXT("subject", subject));
}

static void look_at_chain(struct post *post, const struct alerts_config *alerts, int64_t now)
{
    struct checked checked;
    if (now >= post->verify_at) {
        checker_ask(post->checker);
        post->verify_at = now + alerts->verify_every;
    }
    checker_last(post->checker, &checked);
    if (checked.run == 0 || (checked.result != RESULT_OK && checked.result != RESULT_DAMAGED))
        return; /* nobody knows */
    lookout_looked(&post->lookout, TROUBLE_CHAIN);
    if (checked.result == RESULT_DAMAGED)
        see(post, TROUBLE_CHAIN, "",
            *checked.report.where != '\0' ? checked.report.where : checked.why.text, now);
}

static void look_at_journal(struct post *post, int64_t now)
{
    struct journal_state state;
    journal_state(post->journal, &state);
    lookout_looked(&post->lookout, TROUBLE_JOURNAL);
    if (state.failing)
        see(post, TROUBLE_JOURNAL, "", state.last_error.text, now);
}

/* A breaker that is closed since we began says nothing: perhaps nobody tried. */
static bool is_known_to_work(const struct post *post, const struct provider_state *state,
                             int64_t now)
{
    return state->accepted + state->refused > 0 ||
           (state->connections > 0 && state->attempts_failed == 0 &&
            now - post->began_at >= PROVEN_AFTER);
}

static void look_at_providers(struct post *post, const struct snapshot *snapshot, int64_t now)
{
    lookout_looked(&post->lookout, TROUBLE_PROVIDER);
    for (size_t i = 0; i < snapshot->config->n_providers; i++) {
        struct provider_state state;
        char said[sizeof(state.last_error)];
        provider_state(snapshot->providers[i], &state);
        if (strcmp(state.breaker, "closed") == 0) {
            if (!is_known_to_work(post, &state, now))
                lookout_keep(&post->lookout, TROUBLE_PROVIDER, snapshot->config->providers[i].name);
            continue;
        }
        reply_scrub(state.last_error, said, sizeof(said));
        see(post, TROUBLE_PROVIDER, snapshot->config->providers[i].name, said, now);
    }
}

bool post_open_registry(struct post *post, struct error *err)
{
    bool moved = false;
    if (post->registry != NULL &&
        (registry_has_moved(post->registry, &moved, err) != RESULT_OK || moved))
        registry_close(&post->registry);
    return post->registry != NULL ||
           registry_open_reader(post->registry_path, &post->registry, err) == RESULT_OK;
}

static enum result look_at_partners(struct post *post, const struct config *config, int64_t now,
                                    struct error *err)
{
    if (now < post->count_at && post->count_at - now <= COUNT_EVERY)
        return RESULT_OK;
    post->count_at = now + COUNT_EVERY;
    for (size_t i = 0; i < config->n_notices; i++) {
        const struct notices_config *notices = &config->notices[i];
        uint64_t overdue;
        char detail[32];
        enum result result =
            registry_overdue_deliveries(post->registry, notices->partner->id,
                                        now - notices->overdue_after, &overdue, NULL, err);
        if (result != RESULT_OK)
            return result;
        snprintf(detail, sizeof(detail), "%" PRIu64, overdue);
        if (overdue > 0)
            see(post, TROUBLE_OVERDUE, notices->partner->id, detail, now);
    }
    lookout_looked(&post->lookout, TROUBLE_OVERDUE);
    return RESULT_OK;
}

struct suspensions {
    struct post *post;
    const struct config *config;
    int64_t now, newest;
};

static bool on_suspension(void *arg, const struct suspension_row *row)
{
    struct suspensions *suspensions = arg;
    struct post *post = suspensions->post;
    char subject[TROUBLE_SUBJECT];
    struct strbuf reason = {0};
    if (row->suspended_at > suspensions->newest)
        suspensions->newest = row->suspended_at;
    /* One that came and went between two looks is news, too. */
    if (row->resumed && row->suspended_at <= post->lookout.suspensions_until)
        return true;
    snprintf(subject, sizeof(subject), "%s %s", suspension_kind_name(row->kind), row->id);
    text_hide_addresses(row->reason, suspensions->config->region, &reason);
    see(post, TROUBLE_SUSPENDED, subject, reason.data != NULL ? reason.data : "", suspensions->now);
    strbuf_free(&reason);
    return true;
}

static enum result look_at_suspensions(struct post *post, const struct config *config, int64_t now,
                                       struct error *err)
{
    struct suspensions suspensions = {
        .post = post, .config = config, .now = now, .newest = post->lookout.suspensions_until};
    enum result result = registry_suspensions(post->registry, on_suspension, &suspensions, err);
    if (result != RESULT_OK)
        return result;
    post->suspension_at = suspensions.newest;
    lookout_looked(&post->lookout, TROUBLE_SUSPENDED);
    return RESULT_OK;
}

static void look_at_registry(struct post *post, const struct config *config, int64_t now)
{
    struct error err = {0};
    enum result result = post_open_registry(post, &err) ? RESULT_OK : RESULT_UNAVAILABLE;
    if (result == RESULT_OK)
        result = look_at_partners(post, config, now, &err);
    if (result == RESULT_OK)
        result = look_at_suspensions(post, config, now, &err);
    if (result != RESULT_OK) {
        registry_close(&post->registry);
        if (!post->failing)
            log_event(LOG_LEVEL_WARN, "the registry cannot be looked at for compliance",
                      LOG_TEXT("reason", err.text));
    }
    post->failing = result != RESULT_OK;
}

void post_look(struct post *post, const struct snapshot *snapshot, int64_t now)
{
    if (now < post->look_at && post->look_at - now <= LOOK_EVERY)
        return;
    post->look_at = now + LOOK_EVERY;
    lookout_begin(&post->lookout);
    look_at_chain(post, &snapshot->config->alerts, now);
    look_at_journal(post, now);
    look_at_providers(post, snapshot, now);
    look_at_registry(post, snapshot->config, now);
    lookout_end(&post->lookout);
}
