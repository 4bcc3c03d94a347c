/* SPDX-License-Identifier: Apache-2.0 */
/* A digest in words: what happened, what is to be done, then the figures. */
#include "office/digest.h"

#include "office/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct writing {
    const struct digest *digest;
    enum language language;
    struct strbuf *out;
};

/* Every text here: said once, translated where it is used. */
#define SAY(w, text, ...) strbuf_add_format((w)->out, tr((w)->language, N_(text)), ##__VA_ARGS__)

static const char *partner_name(const struct config *config, const char *id)
{
    const struct partner *partner = config_partner(config, id);
    return partner != NULL && partner->name != NULL ? partner->name : id;
}

/* Copies that live in one expression: numbers and dates within a sentence. */
struct piece {
    char text[96];
};

static struct piece as_piece(struct strbuf *built)
{
    struct piece piece = {""};
    str_copy(piece.text, sizeof(piece.text), built->data != NULL ? built->data : "");
    strbuf_free(built);
    return piece;
}

static struct piece number(const struct writing *w, uint64_t value)
{
    struct strbuf built = {0};
    language_add_number(&built, w->language, (int64_t)value);
    return as_piece(&built);
}

static struct piece share(const struct writing *w, const struct tally_counts *counts)
{
    struct strbuf built = {0};
    language_add_share(&built, w->language, tally_stopped(counts), counts->decisions);
    return as_piece(&built);
}

static struct piece date(const struct writing *w, int64_t instant)
{
    struct strbuf built = {0};
    language_add_date(&built, w->language, instant);
    return as_piece(&built);
}

void digest_add_place(struct strbuf *out, enum language language, const char *where)
{
    if (strncmp(where, "row ", 4) == 0)
        strbuf_add_format(out, tr(language, N_("row %llu")), strtoull(where + 4, NULL, 10));
    else
        strbuf_add(out, where, strcspn(where, ":"));
}

void digest_add_suspended(struct strbuf *out, enum language language, const struct config *config,
                          enum suspension_kind kind, const char *id)
{
    switch (kind) {
    case SUSPEND_PARTNER:
        strbuf_add_format(out, tr(language, N_("partner %s")), partner_name(config, id));
        return;
    case SUSPEND_STREAM:
        strbuf_add_format(out, tr(language, N_("stream %s")), id);
        return;
    case SUSPEND_FORM:
        strbuf_add_format(out, tr(language, N_("form %s")), id);
        return;
    default:
        strbuf_add_format(out, tr(language, N_("supplier %s")), id);
    }
}

/* ---- the subject ---- */

static void add_subject(const struct writing *w)
{
    const struct digest *digest = w->digest;
    struct strbuf place = {0};
    if (digest->check == CHECK_BROKEN) {
        digest_add_place(&place, w->language, digest->check_text);
        SAY(w, "The chain of the journal is broken: %s", place.data != NULL ? place.data : "");
        strbuf_free(&place);
    } else if (digest->n_overdue > 0) {
        strbuf_add_format(w->out,
                          trn(w->language, "%zu partner has not confirmed withdrawals in time",
                              "%zu partners have not confirmed withdrawals in time",
                              digest->n_overdue),
                          digest->n_overdue);
    } else if (digest->n_unusual > 0) {
        strbuf_add_format(w->out,
                          trn(w->language, "%zu partner blocked more than usual",
                              "%zu partners blocked more than usual", digest->n_unusual),
                          digest->n_unusual);
    } else if (digest->total.decisions == 0) {
        SAY(w, "%s: no partner sent anything", date(w, digest->day.noon).text);
    } else {
        SAY(w, "%s: %s messages judged, %s blocked", date(w, digest->day.noon).text,
            number(w, digest->total.decisions).text, share(w, &digest->total).text);
    }
}

/* ---- what is to be done ---- */

static void add_broken(const struct writing *w)
{
    SAY(w, "* The journal does not hold any more: %s.\n", w->digest->check_text);
    SAY(w,
        "  It is the proof of what was decided. Have an administrator run \"octroi verify\" now, "
        "stop the\n  gate if it says the same, and keep the files as they are: nothing may be "
        "repaired before\n  somebody knows who changed them. The last backup and the earlier "
        "mails like this one say\n  what was there before.\n");
}

static const char *main_reason(const struct digest *digest, const struct digest_line *line)
{
    const struct tally_row *most = NULL;
    for (size_t i = 0; i < tally_count(digest->reasons); i++) {
        const struct tally_row *row = tally_row(digest->reasons, i);
        if (strcmp(row->keys[0], line->partner) == 0 && strcmp(row->keys[1], line->channel) == 0 &&
            tally_stopped(&row->counts) > (most != NULL ? tally_stopped(&most->counts) : 0))
            most = row;
    }
    return most != NULL ? most->keys[3] : "";
}

static void add_unusual(const struct writing *w, const struct digest_line *line)
{
    SAY(w, "* %s, %s: %s of the messages were blocked, %s in the week before.\n",
        partner_name(w->digest->config, line->partner), word_channel(w->language, line->channel),
        share(w, &line->day).text, share(w, &line->week).text);
    SAY(w,
        "  Most often: %s\n  Ask the partner what it changed, and whose addresses it now uses.\n",
        word_reason(w->language, main_reason(w->digest, line)));
}

static void add_overdue(const struct writing *w, const struct digest_overdue *overdue)
{
    SAY(w, "* %s has not confirmed %s withdrawals or objections in time; the oldest is of %s.\n",
        partner_name(w->digest->config, overdue->partner), number(w, overdue->notices).text,
        date(w, overdue->oldest).text);
    SAY(w,
        "  These persons are blocked here already. Remind the partner: it may reach them by other "
        "ways.\n  \"octroi notice list --partner %s\" shows each one.\n",
        overdue->partner);
}

static void add_tasks(const struct writing *w)
{
    const struct digest *digest = w->digest;
    if (digest->check == CHECK_BROKEN)
        add_broken(w);
    for (size_t i = 0; i < digest->n_overdue; i++)
        add_overdue(w, &digest->overdue[i]);
    for (size_t i = 0; i < digest->n_lines; i++)
        if (digest->lines[i].unusual)
            add_unusual(w, &digest->lines[i]);
    if (digest->notes != NULL)
        strbuf_add_str(w->out, digest->notes);
    if (digest->check == CHECK_NOT_DONE)
        SAY(w, "* The journal could not be checked: %s.\n  Have an administrator look at it.\n",
            digest->check_text);
    if (digest->check == CHECK_HOLDS && digest->n_overdue == 0 && digest->n_unusual == 0 &&
        digest->notes == NULL)
        SAY(w, "There is nothing you have to do.\n");
}

/* ---- the figures ---- */

static void add_reasons(const struct writing *w, const struct digest_line *line)
{
    for (size_t i = 0; i < tally_count(w->digest->reasons); i++) {
        const struct tally_row *row = tally_row(w->digest->reasons, i);
        if (strcmp(row->keys[0], line->partner) != 0 || strcmp(row->keys[1], line->channel) != 0 ||
            row->counts.pass == row->counts.decisions)
            continue;
        strbuf_add_format(w->out, "    %s  %s: %s\n", number(w, row->counts.decisions).text,
                          row->keys[3], word_reason(w->language, row->keys[3]));
    }
}

static void add_line(const struct writing *w, const struct digest_line *line)
{
    strbuf_add_format(w->out, "\n%s, %s\n", partner_name(w->digest->config, line->partner),
                      word_channel(w->language, line->channel));
    SAY(w, "  %s judged, %s permitted, %s blocked (%s; in the week before %s), %s put off\n",
        number(w, line->day.decisions).text, number(w, line->day.pass).text,
        number(w, tally_stopped(&line->day)).text, share(w, &line->day).text,
        share(w, &line->week).text, number(w, line->day.defer).text);
    if (line->day.let_through > 0)
        SAY(w,
            "  %s more, which the rules block, were let through: this partner is only observed\n",
            number(w, line->day.let_through).text);
    add_reasons(w, line);
}

static void add_title(const struct writing *w, const char *title)
{
    strbuf_add_format(w->out, "\n\n%s\n", title);
    for (const char *at = title; *at != '\0'; at++)
        if (((unsigned char)*at & 0xc0) != 0x80)
            strbuf_add_char(w->out, '-');
    strbuf_add_char(w->out, '\n');
}

static void add_suspensions(const struct writing *w)
{
    const struct digest *digest = w->digest;
    add_title(w, tr(w->language, N_("Suspended")));
    if (digest->n_suspensions == 0)
        SAY(w, "Nothing is.\n");
    for (size_t i = 0; i < digest->n_suspensions; i++) {
        const struct digest_suspension *suspension = &digest->suspensions[i];
        struct strbuf what = {0};
        digest_add_suspended(&what, w->language, digest->config, suspension->kind, suspension->id);
        SAY(w, "%s, since %s: %s\n", what.data != NULL ? what.data : "",
            date(w, suspension->since).text, suspension->reason);
        strbuf_free(&what);
    }
}

static void add_journal(const struct writing *w)
{
    const struct digest *digest = w->digest;
    add_title(w, tr(w->language, N_("The journal")));
    if (digest->check == CHECK_HOLDS)
        SAY(w, "It was checked row by row: %s rows hold (signed checkpoints: %s).\n",
            number(w, digest->verified.rows).text, number(w, digest->verified.checkpoints).text);
    else if (digest->check == CHECK_BROKEN)
        SAY(w, "It does not hold: %s.\n", digest->check_text);
    else
        SAY(w, "It was not checked: %s.\n", digest->check_text);
    if (!digest->has_checkpoint) {
        SAY(w, "There is no signed checkpoint yet.\n");
        return;
    }
    SAY(w,
        "\nKeep this mail. The line below is a signed checkpoint: it proves that the journal had "
        "%s\nrows, and should somebody cut off its end, this line shows it. To see whether they "
        "are "
        "still\nthere, give the mail or the attached file to an administrator for\n\n"
        "    octroi verify --checkpoint FILE\n\n",
        number(w, digest->checkpoint.row).text);
    strbuf_add_format(w->out, "%s\n", digest->checkpoint.line);
}

bool digest_write(const struct digest *digest, enum language language, struct strbuf *subject,
                  struct strbuf *text)
{
    struct writing w = {digest, language, subject};
    add_subject(&w);
    w.out = text;
    if (digest->total.decisions == 0)
        SAY(&w, "On %s no partner sent anything through %s.\n\n", date(&w, digest->day.noon).text,
            digest->config->hostname);
    else
        SAY(&w,
            "On %s the gate %s judged %s messages: %s were permitted, %s blocked "
            "(%s;\nin the week before %s), %s put off.\n\n",
            date(&w, digest->day.noon).text, digest->config->hostname,
            number(&w, digest->total.decisions).text, number(&w, digest->total.pass).text,
            number(&w, tally_stopped(&digest->total)).text, share(&w, &digest->total).text,
            share(&w, &digest->week_total).text, number(&w, digest->total.defer).text);
    add_tasks(&w);
    if (digest->n_lines > 0) {
        add_title(&w, tr(language, N_("By partner and channel")));
        for (size_t i = 0; i < digest->n_lines; i++)
            add_line(&w, &digest->lines[i]);
    }
    add_suspensions(&w);
    add_journal(&w);
    SAY(&w, "\n-- \nWritten by the gate %s itself. It holds no recipient's address.\n",
        digest->config->hostname);
    return !subject->failed && !text->failed;
}
