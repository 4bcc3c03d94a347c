/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `octroi digest` and `octroi alert test`: what compliance is told by mail, on the terminal, or by
 * the running gateway's own way. A command only puts a mail into state_dir/post; the gateway sends
 * it, and the command waits to see it go.
 */
#include "office/digest.h"
#include "base/clock.h"
#include "base/file.h"
#include "cli/context.h"
#include "cli/options.h"
#include "proxy/post/mailing.h"
#include "proxy/post/outbox.h"
#include "proxy/post/schedule.h"
#include "proxy/post/words.h"
#include "store/state_lock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATE_MOST ((size_t)1024 * 1024)
#define WAIT_MOST  (30 * CLOCK_SECOND)

/* ---- into the gateway's outbox ---- */

/* What mailing_put named it. */
static bool waits(struct outbox *outbox, const struct config *config, const char *stem)
{
    for (size_t i = 1; i <= config->alerts.n_to; i++) {
        char name[OUTBOX_NAME];
        snprintf(name, sizeof(name), "%s-%zu", stem, i);
        if (outbox_has(outbox, name))
            return true;
    }
    return false;
}

static int send_mail(const struct context *context, const struct mailing *mailing)
{
    const struct config *config = context->config;
    struct outbox *outbox = NULL;
    struct error err = {0};
    if (config->alerts.to == NULL)
        return command_failed_text("the configuration says nobody is told: it has no alerts");
    if (!state_lock_held(config->state_dir))
        return command_failed_text("the gateway is not running, and it is the gateway that sends "
                                   "mails: start it first");
    char *folder = file_join(config->state_dir, POST_FOLDER);
    enum result result =
        folder != NULL ? outbox_open(folder, &outbox, &err) : error_no_memory(&err);
    if (result == RESULT_OK)
        result = mailing_put(outbox, config, mailing, clock_now(), &err);
    int64_t until = clock_monotonic() + WAIT_MOST;
    while (result == RESULT_OK && waits(outbox, config, mailing->name) && clock_monotonic() < until)
        clock_sleep(CLOCK_SECOND / 10);
    bool sent = result == RESULT_OK && !waits(outbox, config, mailing->name);
    outbox_close(&outbox);
    free(folder);
    if (result != RESULT_OK)
        return command_failed(&err);
    if (!sent)
        return command_failed_text("%s has not taken the mail yet; the gateway goes on trying, and "
                                   "its log says why (octroi provider test %s)",
                                   config->alerts.provider->name, config->alerts.provider->name);
    printf("%s has taken the mail, for %zu recipient%s\n", config->alerts.provider->name,
           config->alerts.n_to, plural(config->alerts.n_to));
    return EXIT_DONE;
}

/* Unlike any other: who asks twice gets two. */
static void new_name(const char *stem, char out[OUTBOX_NAME])
{
    char id[RECORD_ID];
    record_new_id(id);
    snprintf(out, OUTBOX_NAME, "%s-%s", stem, id);
}

/* ---- the digest ---- */

/* What the gateway found to last. */
static char *read_notes(const struct config *config, enum language language)
{
    struct strbuf text = {0};
    char *notes = NULL;
    char *folder = file_join(config->state_dir, POST_FOLDER);
    char *path = folder != NULL ? file_join(folder, POST_STATE) : NULL;
    struct lookout *lookout = calloc(1, sizeof(*lookout));
    if (path != NULL && lookout != NULL && file_exists(path) &&
        file_read(path, STATE_MOST, &text, NULL) == RESULT_OK && text.length > 0 &&
        lookout_read(lookout, text.data, text.length, NULL) == RESULT_OK)
        notes = mailing_notes(lookout, config, language);
    free(lookout);
    free(path);
    free(folder);
    strbuf_free(&text);
    return notes;
}

static enum result make_digest(struct context *context, int32_t date, const char *timezone,
                               enum language language, struct digest **digest_out,
                               struct error *err)
{
    struct verify_report report = {0};
    struct error why = {0};
    struct digest_day day;
    mailing_day(timezone, date, &day);
    enum result result = journal_index_catch_up(context->index, 0, NULL, err);
    struct digest_sources sources = {.config = context->config,
                                     .index = context->index,
                                     .registry = context->registry,
                                     .journal_key = context->journal_public};
    enum result verified = journal_verify(context->journal_path, context->journal_public,
                                          context->index_path, NULL, &report, &why);
    if (result == RESULT_OK)
        result = digest_gather(&sources, &day, clock_now(), digest_out, err);
    if (result != RESULT_OK)
        return result;
    digest_checked(*digest_out, verified, &report, &why);
    (*digest_out)->notes = read_notes(context->config, language);
    return RESULT_OK;
}

static int show_or_send(struct context *context, const struct digest *digest,
                        enum language language, bool send)
{
    struct strbuf subject = {0}, text = {0};
    char name[OUTBOX_NAME];
    int code = EXIT_DONE;
    new_name("asked", name);
    struct mailing mailing = {.name = name,
                              .checkpoint = digest->has_checkpoint ? &digest->checkpoint : NULL};
    if (!digest_write(digest, language, &subject, &text)) {
        code = command_failed_text("out of memory");
    } else if (send) {
        mailing.subject = subject.data;
        mailing.text = text.data;
        code = send_mail(context, &mailing);
    } else {
        printf("%s\n\n%s", subject.data, text.data);
        if (fflush(stdout) != 0 || ferror(stdout))
            code = command_failed_text("cannot write to standard output");
    }
    strbuf_free(&subject);
    strbuf_free(&text);
    return code;
}

int cli_digest(const struct invocation *invocation, int argc, char **argv)
{
    const char *day = NULL, *lang = NULL;
    bool send = false;
    int32_t date = 0;
    const struct option_spec specs[] = {{"day", OPTION_TEXT, &day},
                                        {"lang", OPTION_TEXT, &lang},
                                        {"send", OPTION_FLAG, &send},
                                        {0}};
    int code = options_read(invocation, argc, argv, specs, 0, 0, NULL);
    if (code != OPTIONS_GO)
        return code;
    enum language language = language_of_environment();
    if (!option_language(invocation, lang, &language))
        return EXIT_USAGE;
    if (day != NULL && !date_parse(day, &date))
        return command_usage(invocation, "--day: '%s' is no date such as 2026-01-31", day);
    struct context context;
    if (!context_open(invocation,
                      CONTEXT_REGISTRY | CONTEXT_INDEX | CONTEXT_JOURNAL_PUBLIC | CONTEXT_STRICT,
                      &context))
        return EXIT_FAILED;
    const struct alerts_config *alerts = &context.config->alerts;
    const char *timezone = alerts->to != NULL ? alerts->timezone : "Europe/Paris";
    if (send && lang == NULL && alerts->to != NULL)
        language = alerts->language;
    if (date == 0)
        date = date_before(date_at(timezone, clock_now()), 1);
    struct digest *digest = NULL;
    struct error err = {0};
    code = make_digest(&context, date, timezone, language, &digest, &err) == RESULT_OK
               ? show_or_send(&context, digest, language, send)
               : command_failed(&err);
    digest_free(&digest);
    context_close(&context);
    return code;
}

int cli_alert_test(const struct invocation *invocation, int argc, char **argv)
{
    const struct option_spec specs[] = {{0}};
    int code = options_read(invocation, argc, argv, specs, 0, 0, NULL);
    if (code != OPTIONS_GO)
        return code;
    struct context context;
    struct strbuf subject = {0}, text = {0};
    char name[OUTBOX_NAME];
    if (!context_open(invocation, CONTEXT_REGISTRY | CONTEXT_STRICT, &context))
        return EXIT_FAILED;
    new_name("test", name);
    words_test(context.config->alerts.language, context.config, &subject, &text);
    struct mailing mailing = {.name = name, .subject = subject.data, .text = text.data};
    code = subject.failed || text.failed ? command_failed_text("out of memory")
                                         : send_mail(&context, &mailing);
    strbuf_free(&subject);
    strbuf_free(&text);
    context_close(&context);
    return code;
}
