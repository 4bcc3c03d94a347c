/* SPDX-License-Identifier: Apache-2.0 */
#include "office/words.h"

#include "base/clock.h"
#include "policy/model.h"
#include "store/tally.h"

#include <string.h>

struct word {
    const char *code;
    const char *text;
};

static const char *word_of(enum language language, const struct word *words, const char *code)
{
    for (; words->code != NULL; words++)
        if (strcmp(words->code, code) == 0)
            return tr(language, words->text);
    return code;
}

const char *word_channel(enum language language, const char *code)
{
    static const struct word words[] = {
        {"email", N_("E-mail")},        {"sms", N_("SMS")},
        {"call", N_("Telephone call")}, {"autocall", N_("Automated call")},
        {"post", N_("Post")},           {0}};
    return word_of(language, words, code);
}

const char *word_verdict(enum language language, const char *code)
{
    static const struct word words[] = {
        {"pass", N_("Permitted")}, {"block", N_("Blocked")}, {"defer", N_("Deferred")}, {0}};
    return word_of(language, words, code);
}

const char *word_reason(enum language language, const char *code)
{
    enum reason reason;
    return reason_parse(code, &reason) ? tr(language, reason_text(reason)) : code;
}

const char *word_mode(enum language language, const char *code)
{
    static const struct word words[] = {
        {"observe", N_("observed: messages are judged and counted, but let through")},
        {"enforce", N_("enforced: messages the rules block are not sent")},
        {"discard",
         N_("discarded: messages the rules block are not sent, though answered as sent")},
        {0}};
    return word_of(language, words, code);
}

const char *word_regime(enum language language, const char *code)
{
    static const struct word words[] = {{"observe", N_("Observed")},
                                        {"enforce", N_("Enforced")},
                                        {"discard", N_("Discarded")},
                                        {0}};
    return word_of(language, words, code);
}

const char *word_purpose(enum language language, const char *code)
{
    static const struct word words[] = {{"receipt", N_("receipt of messages")},
                                        {"transmission", N_("transmission of the data")},
                                        {TALLY_GONE, N_("erased at the end of its retention")},
                                        {0}};
    return word_of(language, words, code);
}

const char *word_basis(enum language language, const char *code)
{
    static const struct word words[] = {
        {"consent", N_("consent")},
        {"soft-opt-in", N_("exception for the seller's own customers")},
        {"professional", N_("information of a professional")},
        {"informed", N_("information without objection")},
        {0}};
    return word_of(language, words, code);
}

const char *word_role(enum language language, const char *code)
{
    static const struct word words[] = {{"reader", N_("reader")},
                                        {"compliance", N_("compliance officer")},
                                        {"administrator", N_("administrator")},
                                        {0}};
    return word_of(language, words, code);
}

const char *word_class(enum language language, const char *code)
{
    static const struct word words[] = {
        {"prospecting", N_("prospecting")}, {"service", N_("service messages")}, {0}};
    return word_of(language, words, code);
}

const char *word_origin(enum language language, const char *value)
{
    static const struct word words[] = {
        {TALLY_NONE, N_("none")}, {TALLY_GONE, N_("erased at the end of its retention")}, {0}};
    return word_of(language, words, value);
}

const char *word_column(enum language language, const char *name)
{
    static const struct word words[] = {{"partner", N_("Partner")},
                                        {"stream", N_("Stream")},
                                        {"channel", N_("Channel")},
                                        {"purpose", N_("Purpose")},
                                        {"verdict", N_("Verdict")},
                                        {"reason", N_("Reason")},
                                        {"effect", N_("Effect")},
                                        {"mode", N_("Mode")},
                                        {"policy", N_("Policy version")},
                                        {"day", N_("Day")},
                                        {"form", N_("Form")},
                                        {"collector", N_("Collector")},
                                        {"supplier", N_("Supplier")},
                                        {0}};
    return word_of(language, words, name);
}

void words_erased_decisions(struct strbuf *out, enum language language,
                            const struct journal_erased *erased, int64_t since)
{
    struct strbuf date = {0};
    if (erased->decisions_before == 0 || since >= erased->decisions_before)
        return;
    language_add_date(&date, language, erased->decisions_before);
    out->failed = out->failed || date.failed;
    if (!out->failed)
        strbuf_add_format(
            out,
            tr(language, N_("Decisions of before %s are erased, at the end of the retention of the "
                            "journal. Of the time before, only totals of what was let through "
                            "under observation are counted: they are a minimum.")),
            date.data);
    strbuf_free(&date);
}

void words_erased_detail(struct strbuf *out, enum language language,
                         const struct journal_erased *erased, int64_t since)
{
    struct strbuf date = {0};
    if (erased->detail_before == 0 || since >= erased->detail_before)
        return;
    language_add_date(&date, language, erased->detail_before);
    out->failed = out->failed || date.failed;
    if (!out->failed)
        strbuf_add_format(
            out,
            tr(language, N_("What was let through under observation before %s is erased in "
                            "detail. It is counted from totals by day, partner, channel and "
                            "reason, for the days that lie whole in the period: these figures are "
                            "a minimum.")),
            date.data);
    strbuf_free(&date);
}

void words_period(struct strbuf *out, enum language language, int64_t since, int64_t until)
{
    struct strbuf from = {0};
    struct strbuf to = {0};
    bool whole = since % CLOCK_DAY == 0 && until % CLOCK_DAY == 0 && until > since;
    if (whole) {
        language_add_date(&from, language, since);
        language_add_date(&to, language, until - CLOCK_DAY);
    } else {
        language_add_time(&from, language, since);
        language_add_time(&to, language, until);
    }
    out->failed = out->failed || from.failed || to.failed;
    if (!out->failed)
        strbuf_add_format(out,
                          whole ? tr(language, N_("from %s to %s (UTC, both days included)"))
                                : tr(language, N_("from %s to %s (end excluded)")),
                          from.data, to.data);
    strbuf_free(&from);
    strbuf_free(&to);
}
