/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the journal holds: what its last check found, the signed checkpoints of the period, and
 * how anybody can look for himself. */
#include "base/clock.h"
#include "console/dossier.h"
#include "console/layout.h"
#include "console/pages.h"
#include "console/send.h"
#include "office/verify_script.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_SHOWN 16

/* ---- the check ---- */

static void who_fact(struct visit *visit, const char *who)
{
    static const char user[] = "user ";
    if (who[0] == '\0')
        fact_tr(visit, N_("Asked for by"), N_("the gate itself, as scheduled"));
    else
        fact(visit, N_("Asked for by"),
             strncmp(who, user, strlen(user)) == 0 ? who + strlen(user) : who);
}

static void under_way(struct visit *visit, const struct checking *checking)
{
    struct strbuf share = {0};
    if (!checking->running) {
        part_notice(visit, "info", N_("The journal will be checked in a moment."), NULL);
        return;
    }
    language_add_share(&share, visit->language, checking->bytes_done, checking->bytes_total);
    if (checking->bytes_total > 0)
        part_notice(visit, "info",
                    N_("The journal is being checked: %s of it has been read. This page looks "
                       "again by itself."),
                    share.data != NULL ? share.data : "");
    else
        part_notice(visit, "info",
                    N_("The journal is being checked. This page looks again by itself."), NULL);
    visit->page.html.failed = visit->page.html.failed || share.failed;
    strbuf_free(&share);
}

static void result_fact(struct visit *visit, const struct checked *checked)
{
    fact_open(visit, N_("Result"));
    if (checked->result == RESULT_OK)
        badge_add(visit, "good", N_("the journal holds"));
    else if (checked->result == RESULT_DAMAGED)
        badge_add(visit, "bad", N_("the journal does not hold"));
    else
        badge_add(visit, "warn", N_("it could not be checked"));
    fact_close(visit);
}

static void last_check(struct visit *visit, const struct checked *checked)
{
    const struct verify_report *report = &checked->report;
    if (checked->ended_at == 0) {
        part_empty(visit,
                   N_("The journal was not checked yet. Have it checked now; it takes a minute for "
                      "some millions of entries, and the gate works on meanwhile."),
                   NULL, NULL);
        return;
    }
    facts_begin(visit);
    result_fact(visit, checked);
    fact_time(visit, N_("Last checked"), checked->ended_at);
    who_fact(visit, checked->who);
    if (checked->result == RESULT_OK) {
        fact_number(visit, N_("Entries that hold"), (int64_t)report->rows);
        fact_number(visit, N_("Signed checkpoints that hold"), (int64_t)report->checkpoints);
        fact_number(visit, N_("Entries erased by retention, still vouched for"),
                    (int64_t)report->erased);
    }
    facts_end(visit);
    if (checked->result == RESULT_OK)
        return;
    part_notice(visit, "bad",
                checked->result == RESULT_DAMAGED
                    ? N_("An entry was changed, removed or put in: %s. Tell your administrator at "
                         "once, and leave the journal’s files as they are: they are evidence.")
                    : N_("The journal’s files could not be read: %s. Tell your administrator."),
                report->where[0] != '\0' ? report->where : checked->why.text);
}

static void check_part(struct dossier_view *view)
{
    struct visit *visit = view->visit;
    struct strbuf path = {0};
    bool busy = view->checking.wanted || view->checking.running;
    page_raw(&visit->page, "<section id=\"proof\">\n");
    page_element_tr(&visit->page, "h2", N_("Whether the journal holds"));
    part_text(visit,
              N_("Every decision is written to the journal before it takes effect. Each entry "
                 "carries a hash of itself and of the entry before, and the gate signs the "
                 "last one at intervals. A check reads all of it and finds whether anything "
                 "was changed, removed or put in since."));
    if (busy)
        under_way(visit, &view->checking);
    last_check(visit, &view->checked);
    if (!busy && visit->checker != NULL) {
        act_begin(visit, "/console/dossier/verification");
        dossier_fields(view);
        act_end(visit, N_("Check it now"), "");
    }
    part_end(visit);
    strbuf_free(&path);
}

/* ---- checkpoints ---- */

struct checkpoints {
    struct visit *visit;  /* a row of its table each; NULL: a line each */
    struct strbuf *lines; /* borrowed */
    size_t shown;
};

static void checkpoint_row(struct visit *visit, const json_t *record, int64_t at)
{
    struct page *page = &visit->page;
    char path[64], hash[HASH_SHOWN + 1];
    json_int_t row = json_integer_value(json_object_get(record, "row"));
    (void)str_copy_n(hash, sizeof(hash), history_text(record, "head"),
                     strnlen(history_text(record, "head"), HASH_SHOWN));
    snprintf(path, sizeof(path), "/console/dossier/checkpoints/%" PRId64, (int64_t)row);
    page_row(page);
    cell_time(visit, at);
    page_number(page, (int64_t)row);
    page_code(page, hash);
    cell_link(visit, path, tr(visit->language, N_("Download")));
}

static bool on_checkpoint(void *arg, int64_t at, const char *text, size_t length)
{
    struct checkpoints *checkpoints = arg;
    checkpoints->shown++;
    if (checkpoints->visit == NULL) {
        strbuf_add(checkpoints->lines, text, length);
        strbuf_add_char(checkpoints->lines, '\n');
        return true;
    }
    json_t *record = json_loadb(text, length, 0, NULL);
    if (record == NULL)
        checkpoints->visit->page.html.failed = true;
    else
        checkpoint_row(checkpoints->visit, record, at);
    json_decref(record);
    return record != NULL;
}

static enum result checkpoints_part(struct dossier_view *view, struct error *err)
{
    static const char *const heads[] = {N_("Signed on"), N_("#Entries up to there"),
                                        N_("Hash of the last one"), N_("To keep"), NULL};
    struct visit *visit = view->visit;
    struct strbuf all = {0};
    struct checkpoints checkpoints = {.visit = visit};
    part_begin(visit, N_("Signed checkpoints"));
    part_text(visit, N_("The last checkpoint of each day, and those before and after the period. "
                        "Who keeps one elsewhere can prove later that nothing before it was "
                        "altered, nor cut off: hand them over, or file them with your minutes."));
    act_fold_begin(visit, N_("The checkpoints, day by day"));
    grid_begin(visit, N_("Signed checkpoints"), heads);
    enum result result = journal_index_checkpoints(
        visit->index, view->period.since, view->period.until, on_checkpoint, &checkpoints, err);
    grid_end(visit);
    act_fold_end(visit);
    strbuf_add_str(&all, "/console/dossier/checkpoints?");
    period_add_query(&all, &view->period);
    if (checkpoints.shown > 0) {
        page_raw(&visit->page, "<p>");
        part_link(visit, all.failed ? "/console/dossier/checkpoints" : all.data,
                  N_("Download all of these in one file"));
        page_raw(&visit->page, "</p>\n");
    } else {
        part_empty(visit,
                   N_("None was signed in this period yet: the gate signs one at least every "
                      "10,000 entries."),
                   NULL, NULL);
    }
    part_end(visit);
    strbuf_free(&all);
    return result;
}

/* ---- for others ---- */

static void step(struct visit *visit, const char *sentence, const char *path, const char *link,
                 const char *command)
{
    struct page *page = &visit->page;
    page_raw(page, "<li>");
    page_tr(page, sentence);
    if (path != NULL) {
        page_raw(page, " ");
        part_link(visit, path, link);
    }
    if (command != NULL)
        page_element(page, "pre", command);
    page_raw(page, "</li>\n");
}

static void others_part(struct visit *visit)
{
    part_begin(visit, N_("How others can check it without us"));
    part_text(visit,
              N_("Nothing of the gate’s own is needed: sha256sum, xxd and openssl, which every "
                 "Linux system has or offers."));
    page_raw(&visit->page, "<ol>\n");
    step(visit, N_("Take the gate’s public key, which checks its signatures."),
         "/console/dossier/public.pem", N_("Download public.pem"), NULL);
    step(visit, N_("Take the script that checks the journal; it is short, and can be read."),
         "/console/dossier/verify-journal.sh", N_("Download verify-journal.sh"), NULL);
    step(visit,
         N_("Take the journal’s files: a dossier drawn up with them has them in its folder "
            "“journal”; your administrator can copy them, too."),
         NULL, NULL, NULL);
    step(visit, N_("Check them:"), NULL, NULL, "sh verify-journal.sh journal public.pem");
    step(visit,
         N_("Compare with a checkpoint that was kept elsewhere: the journal must have that entry, "
            "with that hash."),
         NULL, NULL, NULL);
    page_raw(&visit->page, "</ol>\n");
    part_end(visit);
}

enum result dossier_view_proof(struct dossier_view *view, struct error *err)
{
    check_part(view);
    enum result result = checkpoints_part(view, err);
    others_part(view->visit);
    return result;
}

/* ---- downloads ---- */

static enum result no_checkpoint(struct visit *visit)
{
    return visit_nothing(visit, N_("There is no such checkpoint. Choose one on the page of the "
                                   "dossier."));
}

enum result dossier_checkpoints_page(struct visit *visit, struct error *err)
{
    char name[64];
    struct period period;
    const char *partner;
    struct checkpoints checkpoints = {.lines = &visit->page.html};
    dossier_period(visit, &period, &partner);
    enum result result = journal_index_checkpoints(visit->index, period.since, period.until,
                                                   on_checkpoint, &checkpoints, err);
    if (result != RESULT_OK)
        return result;
    if (checkpoints.shown == 0)
        return no_checkpoint(visit);
    snprintf(name, sizeof(name), "checkpoints-%.10s-%.10s.jsonl", period.from, period.to);
    return visit_send_text(visit, "application/x-ndjson", name, err);
}

enum result dossier_checkpoint_page(struct visit *visit, struct error *err)
{
    char name[64];
    struct checkpoints checkpoints = {.lines = &visit->page.html};
    const char *text = visit->tails[0];
    size_t length = strlen(text);
    if (length == 0 || length > 18 || strspn(text, "0123456789") != length || *text == '0')
        return no_checkpoint(visit);
    uint64_t row = strtoull(text, NULL, 10);
    enum result result =
        journal_index_checkpoint(visit->index, row, on_checkpoint, &checkpoints, err);
    if (result != RESULT_OK)
        return result;
    if (checkpoints.shown == 0)
        return no_checkpoint(visit);
    snprintf(name, sizeof(name), "checkpoint-%" PRIu64 ".json", row);
    return visit_send_text(visit, "application/json", name, err);
}

enum result dossier_script_page(struct visit *visit, struct error *err)
{
    strbuf_add_str(&visit->page.html, verify_script);
    return visit_send_text(visit, "text/x-sh; charset=utf-8", "verify-journal.sh", err);
}

enum result dossier_key_page(struct visit *visit, struct error *err)
{
    if (visit->clerk == NULL)
        return error_set(err, RESULT_UNAVAILABLE, "the gate ends");
    strbuf_add_str(&visit->page.html, clerk_public_key(visit->clerk));
    return visit_send_text(visit, "application/x-pem-file", "public.pem", err);
}
