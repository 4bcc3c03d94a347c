/* SPDX-License-Identifier: Apache-2.0 */
/* What is due becomes mails in the outbox; only then it counts as said. */
#include "proxy/post/internal.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "proxy/post/schedule.h"
#include "proxy/post/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUR        (3600 * CLOCK_SECOND)
#define ALONE_MOST  3 /* more at a time go into one mail */
#define RETRY_EVERY (60 * CLOCK_SECOND)

/* ---- no flood ---- */

#define SAID_MOST (sizeof(((struct post *)0)->said) / sizeof(int64_t))

static unsigned budget(const struct post *post, unsigned an_hour, int64_t now)
{
    unsigned used = 0;
    for (size_t i = 0; i < SAID_MOST && i < post->n_said; i++)
        used += now - post->said[i] < HOUR && now >= post->said[i];
    return used < an_hour ? an_hour - used : 0;
}

static void count_mail(struct post *post, int64_t now)
{
    post->said[post->n_said++ % SAID_MOST] = now;
}

/* ---- one mail ---- */

/* The same news has the same name: while it waits to be sent it is not said twice. */
static bool name_of(const struct trouble *trouble, enum saying_kind kind, char out[OUTBOX_NAME])
{
    static const char *const words[] = {
        [SAYING_NEW] = "1-begun", [SAYING_AGAIN] = "2-lasts", [SAYING_OVER] = "3-over"};
    uint8_t hash[SHA256_BYTES];
    char hex[17], key[8];
    snprintf(key, sizeof(key), "%d", (int)trouble->kind);
    if (!sha256_pair(key, strlen(key), trouble->subject, strlen(trouble->subject), hash))
        return false;
    hex_encode(hash, 8, hex);
    snprintf(out, OUTBOX_NAME, "alert-%s-%s", hex, words[kind]);
    return true;
}

/* An all-clear that nobody has, and that is not true any more. */
static void take_back_relief(struct post *post, const struct trouble *trouble, size_t n_to)
{
    char stem[OUTBOX_NAME], name[OUTBOX_NAME + 24];
    if (!name_of(trouble, SAYING_OVER, stem))
        return;
    for (size_t i = 1; i <= n_to; i++) {
        snprintf(name, sizeof(name), "%s-%zu", stem, i);
        if (outbox_has(post->outbox, name) && strcmp(post->sending, name) != 0)
            outbox_remove(post->outbox, name);
    }
}

static bool put(struct post *post, const struct config *config, const char *name,
                struct strbuf *subject, struct strbuf *text, const struct checkpoint *checkpoint,
                int64_t now)
{
    struct error err = {0};
    struct mailing mailing = {name, subject->data, text->data, checkpoint};
    enum result result =
        subject->failed || text->failed || subject->data == NULL || text->data == NULL
            ? error_no_memory(&err)
            : mailing_put(post->outbox, config, &mailing, now, &err);
    if (result == RESULT_OK)
        log_event(LOG_LEVEL_INFO, "a mail to compliance is to be sent", LOG_TEXT("mail", name));
    else
        log_event(LOG_LEVEL_ERROR, "a mail to compliance cannot be written, later again",
                  LOG_TEXT("mail", name), LOG_TEXT("reason", err.text));
    strbuf_free(subject);
    strbuf_free(text);
    return result == RESULT_OK;
}

static bool say_one(struct post *post, const struct config *config, const struct saying *saying,
                    int64_t now)
{
    const struct trouble *trouble = &post->lookout.troubles[saying->trouble];
    struct strbuf subject = {0}, text = {0};
    char name[OUTBOX_NAME];
    if (!name_of(trouble, saying->kind, name))
        return false;
    if (saying->kind != SAYING_OVER)
        take_back_relief(post, trouble, config->alerts.n_to);
    words_trouble(trouble, saying->kind, config->alerts.language, config, &subject, &text);
    words_foot(config->alerts.language, config, &text);
    return put(post, config, name, &subject, &text, NULL, now);
}

static bool say_all(struct post *post, const struct config *config, const struct saying *sayings,
                    size_t n, int64_t now)
{
    struct strbuf subject = {0}, text = {0};
    char name[OUTBOX_NAME], id[RECORD_ID];
    record_new_id(id);
    snprintf(name, sizeof(name), "several-%s", id);
    words_several(n, config->alerts.language, &subject, &text);
    for (size_t i = 0; i < n; i++) {
        strbuf_add_format(&text, "\n%zu.  ", i + 1);
        words_trouble(&post->lookout.troubles[sayings[i].trouble], sayings[i].kind,
                      config->alerts.language, config, NULL, &text);
    }
    words_foot(config->alerts.language, config, &text);
    return put(post, config, name, &subject, &text, NULL, now);
}

static bool suspensions_are_said(const struct lookout *lookout)
{
    for (size_t i = 0; i < lookout->n; i++)
        if (lookout->troubles[i].kind == TROUBLE_SUSPENDED && lookout->troubles[i].said_at == 0)
            return false;
    return true;
}

void post_speak(struct post *post, const struct config *config, int64_t now)
{
    const struct alerts_config *alerts = &config->alerts;
    const int64_t patience[TROUBLE_KINDS] = {[TROUBLE_PROVIDER] = alerts->provider_down_after};
    static struct saying sayings[TROUBLES_MOST]; /* of the one thread there is */
    size_t n = lookout_due(&post->lookout, now, patience, alerts->repeat_after, sayings);
    unsigned left = budget(post, alerts->mails_an_hour, now);
    /* The last mail of an hour is for all that is due by then. */
    if (n > 0 && n <= ALONE_MOST && n < left + (n == 1)) {
        for (size_t i = 0; i < n; i++) {
            if (!say_one(post, config, &sayings[i], now))
                continue;
            lookout_said(&post->lookout, &sayings[i], now);
            count_mail(post, now);
        }
    } else if (n > 0 && left > 0 && say_all(post, config, sayings, n, now)) {
        for (size_t i = 0; i < n; i++)
            lookout_said(&post->lookout, &sayings[i], now);
        count_mail(post, now);
    }
    lookout_sweep(&post->lookout);
    if (suspensions_are_said(&post->lookout) &&
        post->suspension_at > post->lookout.suspensions_until)
        post->lookout.suspensions_until = post->suspension_at;
    post_save(post);
}

/* ---- the digest ---- */

static enum result gather(struct post *post, const struct config *config,
                          const struct checked *checked, int64_t now, struct digest **digest_out,
                          struct error *err)
{
    enum result result = RESULT_OK;
    struct digest_day day;
    mailing_day(config->alerts.timezone, post->digest_date, &day);
    if (post->index == NULL)
        result = journal_index_open(post->index_path, post->journal_path, post->registry_path,
                                    &post->index, err);
    if (result == RESULT_OK)
        result = journal_index_catch_up(post->index, 0, NULL, err);
    if (result == RESULT_OK && !post_open_registry(post, err))
        result = RESULT_UNAVAILABLE;
    struct digest_sources sources = {.config = config,
                                     .index = post->index,
                                     .registry = post->registry,
                                     .journal_key = post->options.journal_key};
    if (result == RESULT_OK)
        result = digest_gather(&sources, &day, now, digest_out, err);
    journal_index_close(&post->index); /* it is for once a day */
    if (result != RESULT_OK)
        return result;
    digest_checked(*digest_out, checked->result, &checked->report, &checked->why);
    (*digest_out)->notes = mailing_notes(&post->lookout, config, config->alerts.language);
    return RESULT_OK;
}

static bool say_digest(struct post *post, const struct config *config, const struct digest *digest,
                       int64_t now)
{
    struct strbuf subject = {0}, text = {0};
    char name[OUTBOX_NAME];
    snprintf(name, sizeof(name), "digest-%s", digest->day.text);
    if (!digest_write(digest, config->alerts.language, &subject, &text))
        subject.failed = true; /* put says so */
    return put(post, config, name, &subject, &text,
               digest->has_checkpoint ? &digest->checkpoint : NULL, now);
}

void post_digest(struct post *post, const struct config *config, int64_t now)
{
    const struct alerts_config *alerts = &config->alerts;
    struct checked checked;
    struct digest *digest = NULL;
    struct error err = {0};
    int32_t date =
        digest_due(alerts->timezone, alerts->digest_minute, now, post->lookout.digest_sent_on);
    if (date == 0) {
        post->digest_run = 0; /* the day went by, or the clock back */
        return;
    }
    if (post->digest_run == 0 || post->digest_date != date) {
        post->digest_date = date;
        post->digest_run = checker_ask(post->checker);
        post->digest_retry_at = 0;
    }
    checker_last(post->checker, &checked);
    if (checked.run < post->digest_run ||
        (now < post->digest_retry_at && post->digest_retry_at - now <= RETRY_EVERY))
        return;
    enum result result = gather(post, config, &checked, now, &digest, &err);
    if (result != RESULT_OK)
        log_event(LOG_LEVEL_ERROR, "the digest cannot be made, later again",
                  LOG_TEXT("reason", err.text));
    if (result == RESULT_OK && say_digest(post, config, digest, now)) {
        post->lookout.digest_sent_on = date_at(alerts->timezone, now);
        post->digest_run = 0;
        post_save(post);
    } else {
        post->digest_retry_at = now + RETRY_EVERY;
    }
    digest_free(&digest);
}
