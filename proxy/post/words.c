/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/post/words.h"

#include "base/clock.h"
#include "office/digest.h"

#include <string.h>

struct writing {
    const struct trouble *trouble;
    enum language language;
    const struct config *config;
    struct strbuf *out;
};

#define SAY(w, text, ...) strbuf_add_format((w)->out, tr((w)->language, N_(text)), ##__VA_ARGS__)

static const char *partner_name(const struct writing *w)
{
    const struct partner *partner = config_partner(w->config, w->trouble->subject);
    return partner != NULL && partner->name != NULL ? partner->name : w->trouble->subject;
}

/* "partner acme" as people call it. */
static void add_suspended(const struct writing *w)
{
    const char *subject = w->trouble->subject, *space = strchr(subject, ' ');
    char word[32];
    enum suspension_kind kind;
    if (space != NULL && str_copy_n(word, sizeof(word), subject, (size_t)(space - subject)) &&
        suspension_kind_parse(word, &kind))
        digest_add_suspended(w->out, w->language, w->config, kind, space + 1);
    else
        strbuf_add_str(w->out, subject);
}

/* ---- what a line says ---- */

static void add_begun(const struct writing *w)
{
    switch (w->trouble->kind) {
    case TROUBLE_CHAIN:
        SAY(w, "The chain of the journal is broken: ");
        digest_add_place(w->out, w->language, w->trouble->detail);
        return;
    case TROUBLE_JOURNAL:
        SAY(w, "The journal cannot be written, nothing leaves");
        return;
    case TROUBLE_PROVIDER:
        SAY(w, "The provider %s is out of service", w->trouble->subject);
        return;
    case TROUBLE_OVERDUE:
        SAY(w, "%s has not confirmed withdrawals in time", partner_name(w));
        return;
    default:
        SAY(w, "Suspended: ");
        add_suspended(w);
    }
}

static void add_over(const struct writing *w)
{
    switch (w->trouble->kind) {
    case TROUBLE_CHAIN:
        SAY(w, "All clear: the journal holds again");
        return;
    case TROUBLE_JOURNAL:
        SAY(w, "All clear: the journal can be written again");
        return;
    case TROUBLE_PROVIDER:
        SAY(w, "All clear: the provider %s works again", w->trouble->subject);
        return;
    case TROUBLE_OVERDUE:
        SAY(w, "All clear: %s has confirmed what was overdue", partner_name(w));
        return;
    default:
        SAY(w, "No longer suspended: ");
        add_suspended(w);
    }
}

static void add_line(const struct writing *w, enum saying_kind kind)
{
    if (kind == SAYING_AGAIN)
        SAY(w, "Still: ");
    if (kind == SAYING_OVER)
        add_over(w);
    else
        add_begun(w);
}

/* ---- what it means, and what to do ---- */

static void add_task(const struct writing *w)
{
    const char *detail = w->trouble->detail;
    switch (w->trouble->kind) {
    case TROUBLE_CHAIN:
        SAY(w, "The check found: %s.\n\n", detail);
        SAY(w,
            "The journal is the proof of what was decided; somebody or something has changed it.\n"
            "What to do: have an administrator run \"octroi verify\" now, stop the gate if it says "
            "the\n"
            "same, and keep the files as they are. The last backup and the digests you were sent "
            "say\n"
            "what was there before.\n");
        return;
    case TROUBLE_JOURNAL:
        SAY(w, "The reason given is: %s.\n\n", detail);
        SAY(w, "No message leaves without its row in the journal: partners are told to try again "
               "later.\n"
               "What to do: have an administrator see to it, most often the disk is full.\n");
        return;
    case TROUBLE_PROVIDER:
        SAY(w, "What it said last: %s.\n\n", *detail != '\0' ? detail : "-");
        SAY(w,
            "What is permitted waits with the partners, or takes the next provider of the stream.\n"
            "Nothing is lost, and nothing passes that should not. What to do: have an "
            "administrator\n"
            "run \"octroi provider test %s\".\n",
            w->trouble->subject);
        return;
    case TROUBLE_OVERDUE:
        SAY(w, "Withdrawals or objections that it has not confirmed in time: %s.\n\n", detail);
        SAY(w,
            "These persons are blocked here already. What to do: remind the partner, which may "
            "reach\n"
            "them by other ways; \"octroi notice list --partner %s\" shows each one. As long as "
            "it\n"
            "does not answer, \"octroi suspend partner %s\" stops it.\n",
            w->trouble->subject, w->trouble->subject);
        return;
    default:
        SAY(w, "The reason given is: %s.\n\n", *detail != '\0' ? detail : "-");
        SAY(w, "All that rests on it is blocked from now on. What to do: nothing, if you know of "
               "it. Else\n"
               "find out who did it; \"octroi resume\" ends it.\n");
    }
}

static void add_relief(const struct writing *w)
{
    if (w->trouble->kind == TROUBLE_CHAIN)
        SAY(w,
            "It was found broken before, and it holds now: somebody put something right, or back.\n"
            "What to do: find out who and why, and keep note of it.\n");
    else if (w->trouble->kind == TROUBLE_SUSPENDED)
        SAY(w, "What rests on it is judged as before. What to do: nothing, if you know of it.\n");
    else
        SAY(w, "You have nothing to do.\n");
}

static void add_time(const struct writing *w, int64_t instant)
{
    struct strbuf time = {0};
    language_add_time(&time, w->language, instant);
    strbuf_add_str(w->out, time.data != NULL ? time.data : "");
    w->out->failed |= time.failed;
    strbuf_free(&time);
}

void words_trouble(const struct trouble *trouble, enum saying_kind kind, enum language language,
                   const struct config *config, struct strbuf *subject, struct strbuf *text)
{
    struct writing w = {trouble, language, config, subject};
    if (subject != NULL)
        add_line(&w, kind);
    w.out = text;
    add_line(&w, kind);
    strbuf_add_str(text, ".\n");
    SAY(&w, "First seen: ");
    add_time(&w, trouble->since);
    strbuf_add_str(text, "\n\n");
    if (kind == SAYING_OVER)
        add_relief(&w);
    else
        add_task(&w);
}

void words_several(size_t count, enum language language, struct strbuf *subject,
                   struct strbuf *text)
{
    strbuf_add_format(subject,
                      trn(language, "%zu thing to look at", "%zu things to look at", count), count);
    strbuf_add_str(text, tr(language, N_("Several things happened in a short time; here they are "
                                         "in one mail.\n")));
}

void words_foot(enum language language, const struct config *config, struct strbuf *text)
{
    strbuf_add_format(text,
                      tr(language, N_("\n-- \nWritten by the gate %s itself. It holds no "
                                      "recipient's address.\n")),
                      config->hostname);
}

void words_note(const struct trouble *trouble, enum language language, const struct config *config,
                struct strbuf *text)
{
    struct writing w = {trouble, language, config, text};
    strbuf_add_str(text, "* ");
    add_begun(&w);
    SAY(&w, ", since ");
    add_time(&w, trouble->since);
    strbuf_add_str(text, ".\n");
}

void words_test(enum language language, const struct config *config, struct strbuf *subject,
                struct strbuf *text)
{
    struct writing w = {NULL, language, config, subject};
    SAY(&w, "A test: mails of the gate reach you");
    w.out = text;
    SAY(&w,
        "Somebody tried with \"octroi alert test\" whether mails of the gate reach you. They do.\n"
        "You have nothing to do.\n");
    words_foot(language, config, text);
}
