/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/post/mailing.h"

#include "base/clock.h"
#include "proxy/post/letter.h"
#include "proxy/post/schedule.h"
#include "proxy/post/words.h"

#include <stdio.h>
#include <string.h>

#define ATTACHMENT "octroi-checkpoint.json"

static bool compose(const struct config *config, const struct mailing *mailing, int64_t now,
                    struct strbuf *out)
{
    struct strbuf subject = {0}, attachment = {0};
    strbuf_add_format(&subject, "[%s] %s", config->hostname, mailing->subject);
    if (mailing->checkpoint != NULL)
        strbuf_add_format(&attachment, "%s\n", mailing->checkpoint->line);
    const struct letter letter = {
        .at = now,
        .gateway = config->hostname,
        .from = config->alerts.from,
        .to = config->alerts.to,
        .n_to = config->alerts.n_to,
        .subject = subject.data,
        .text = mailing->text,
        .attachment_name = mailing->checkpoint != NULL ? ATTACHMENT : NULL,
        .attachment_type = "application/json",
        .attachment = attachment.data,
    };
    bool ok = !subject.failed && !attachment.failed && letter_write(&letter, out);
    strbuf_free(&subject);
    strbuf_free(&attachment);
    return ok;
}

enum result mailing_put(struct outbox *outbox, const struct config *config,
                        const struct mailing *mailing, int64_t now, struct error *err)
{
    const struct alerts_config *alerts = &config->alerts;
    struct outbox_mail mail = {0};
    enum result result = RESULT_OK;
    if (!compose(config, mailing, now, &mail.text))
        result = error_set(err, RESULT_NO_MEMORY, "the mail cannot be composed");
    str_copy(mail.from, sizeof(mail.from), alerts->from);
    for (size_t i = 0; i < alerts->n_to && result == RESULT_OK; i++) {
        char name[OUTBOX_NAME];
        snprintf(name, sizeof(name), "%s-%zu", mailing->name, i + 1);
        str_copy(mail.to, sizeof(mail.to), alerts->to[i]);
        result = outbox_put(outbox, name, &mail, err);
        if (result == RESULT_CONFLICT)
            result = RESULT_OK;
    }
    outbox_mail_free(&mail);
    return result;
}

void mailing_day(const char *timezone, int32_t date, struct digest_day *day_out)
{
    *day_out = (struct digest_day){
        .since = date_begins(timezone, date),
        .until = date_begins(timezone, date_before(date, -1)),
        .week_since = date_begins(timezone, date_before(date, DIGEST_PERIOD)),
        .noon = date_begins("UTC", date) + CLOCK_DAY / 2,
    };
    snprintf(day_out->text, sizeof(day_out->text), "%04d-%02d-%02d", date / 10000 % 10000,
             date / 100 % 100, date % 100);
}

char *mailing_notes(const struct lookout *lookout, const struct config *config,
                    enum language language)
{
    struct strbuf notes = {0};
    for (size_t i = 0; i < lookout->n; i++) {
        const struct trouble *trouble = &lookout->troubles[i];
        /* The digest finds out the others itself. */
        if ((trouble->kind == TROUBLE_JOURNAL || trouble->kind == TROUBLE_PROVIDER) &&
            trouble->said_at != 0 && !trouble->over)
            words_note(trouble, language, config, &notes);
    }
    return notes.length > 0 ? strbuf_take(&notes) : NULL;
}
