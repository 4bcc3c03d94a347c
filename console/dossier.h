/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the page of dossiers, a file each, and what they are told. */
#ifndef OCTROI_CONSOLE_DOSSIER_H
#define OCTROI_CONSOLE_DOSSIER_H

#include "console/counts.h"
#include "office/checker.h"
#include "office/clerk.h"
#include "office/dossier.h"

struct dossier_view {
    struct visit *visit;
    struct period period;
    const char *partner; /* NULL: all */
    int64_t outside;     /* a day asked to be compared that is not in the period; 0: none */
    struct dossier dossier;
    struct checked checked; /* ended_at 0: never */
    struct checking checking;
    struct clerk_entry entry;
};

/* Period and partner as the fields say, by default the whole month before this one. */
void dossier_period(const struct visit *visit, struct period *period_out, const char **partner_out);
/* The day before and after which is compared, as the field says: its midnight, 0 where it says none
 * or one that does not divide the period. */
int64_t dossier_change(const struct visit *visit, const struct period *period);
/* Appends "/console/dossier?from=…&to=…&partner=…&change=…"; change as dossier_change's. */
void dossier_path(struct strbuf *out, const struct period *period, const char *partner,
                  int64_t change);
/* The hidden fields of an act that goes back there. */
void dossier_fields(struct dossier_view *view);
/* What most readers do not look for, behind its title. */
void dossier_fold_begin(struct visit *visit, const char *title);
void dossier_fold_end(struct visit *visit);

/* dossier_report.c: what was decided, before and after, by whom and why. */
void dossier_view_summary(struct dossier_view *view);
void dossier_view_before_after(struct dossier_view *view);
enum result dossier_view_counts(struct dossier_view *view, struct error *err);
/* … and under which rules, forms and suspensions: as the dossier has it. */
enum result dossier_view_record(struct dossier_view *view, struct error *err);
/* dossier_proof.c: whether the journal holds, and how others see that. */
enum result dossier_view_proof(struct dossier_view *view, struct error *err);
/* dossier_act.c: to be drawn up, under way, ready. */
void dossier_view_archive(struct dossier_view *view);

#endif
