/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dossier for a regulator: a folder (or an archive of one) with one page to read and print, the
 * same numbers as CSV, the signed ends of the journal's chain, and all that is needed to check them
 * without octroi.
 */
#ifndef OCTROI_OFFICE_DOSSIER_H
#define OCTROI_OFFICE_DOSSIER_H

#include "base/html.h"
#include "config/config.h"
#include "office/folder.h"
#include "office/history.h"
#include "store/registry.h"
#include "store/tally.h"

/* One pass over the decisions fills all of these. */
enum dossier_tally {
    DOSSIER_SERIES,       /* day, partner, channel, purpose, mode, verdict, reason, effect */
    DOSSIER_DAYS,         /* day */
    DOSSIER_PARTNER_DAYS, /* partner, day */
    DOSSIER_REASONS,      /* reason, mode */
    DOSSIER_PHASES,       /* partner, mode */
    DOSSIER_PARTNERS,     /* partner */
    DOSSIER_CHANNELS,     /* channel, purpose */
    DOSSIER_ORIGINS,      /* form, collector, supplier */
    DOSSIER_POLICIES,     /* channel, policy */
    DOSSIER_TALLIES
};

struct dossier {
    /* What it is made of; borrowed, as all texts. */
    const struct config *config;
    struct registry *registry;
    struct journal_index *index; /* up to what is durable */
    const char *journal_path;    /* state_dir/journal */
    struct tally_filter filter;
    int64_t change; /* a midnight in the period, which is compared before and after it; 0: is not */
    enum language language;
    struct folder *folder;         /* NULL: only gathered, and shown in parts */
    bool bare;                     /* sections without headings: what shows them has its own */
    const struct signing_key *key; /* borrowed; NULL: the private key could not be read */
    const char *public_key;        /* PEM */
    bool with_journal;
    int64_t made_at;
    struct tally *tallies[DOSSIER_TALLIES]; /* owned */
    struct history history;
    struct tally_counts totals;
    struct journal_erased erased;
    uint64_t rows; /* of the journal, when it was looked at */
    uint8_t head[SHA256_BYTES];
    size_t checkpoints;     /* listed */
    uint64_t first_segment; /* copied; 0: none */
    uint64_t segments;      /* copied */
    unsigned headings;
    struct page page;
};

#define DOSSIER_TALLY(tally) (1u << (tally))
#define DOSSIER_ALL          (DOSSIER_TALLY(DOSSIER_TALLIES) - 1)
/* dossier.c: the tallies wanted (DOSSIER_TALLY bits), totals (of the days), what was erased and the
 * history, for some of the sections; dossier_end in any case. */
enum result dossier_gather(struct dossier *dossier, unsigned wanted, struct error *err);
void dossier_end(struct dossier *dossier);
/* The whole folder. */
enum result dossier_make(struct dossier *dossier, struct error *err);
/* dossier_csv.c: the numbers. */
enum result dossier_csv(struct dossier *dossier, struct error *err);
/* dossier_chain.c: checkpoints.csv, the public key, the script, the segments. */
enum result dossier_chain(struct dossier *dossier, struct error *err);
/* SHA256SUMS, and its signature when there is the key. Last. */
enum result dossier_sums(struct dossier *dossier, struct error *err);

/* The page's sections, in the order of the page. */
void dossier_opening(struct dossier *dossier);
/* Before and after dossier->change, if there is one. */
void dossier_compared(struct dossier *dossier);
/* The regimes, channels and days. */
void dossier_before_after(struct dossier *dossier);
void dossier_reasons(struct dossier *dossier);
void dossier_rules(struct dossier *dossier);
void dossier_configurations(struct dossier *dossier);
enum result dossier_forms(struct dossier *dossier, struct error *err);
enum result dossier_suspensions(struct dossier *dossier, struct error *err);
void dossier_parties(struct dossier *dossier);
void dossier_proof(struct dossier *dossier);

/* What the days before dossier->change, and those from it on, come to: of everybody; and of the
 * partner whose rows of DOSSIER_PARTNER_DAYS begin at *at, which is moved past them (false: there
 * is none any more; id borrowed from the tally). */
struct dossier_halves {
    struct tally_counts before, after;
};
void dossier_halves(const struct dossier *dossier, struct dossier_halves *out);
bool dossier_halves_next(const struct dossier *dossier, size_t *at, const char **partner_out,
                         struct dossier_halves *out);
/* The same in words and rows, on any page: a sentence, then the rows of two tables and their heads.
 */
extern const char *const dossier_compared_heads[];
extern const char *const dossier_compared_partner_heads[];
void dossier_compared_sentence(const struct dossier *dossier, struct page *page);
void dossier_compared_rows(const struct dossier *dossier, struct page *page);
void dossier_compared_partner_rows(const struct dossier *dossier, struct page *page);

/* Of what was discarded, if any: what that means, and how many. */
void dossier_discarded_note(const struct dossier *dossier, struct page *page);
/* Whether it was in force in the period. */
bool dossier_suspended(const struct dossier *dossier, const struct suspension_row *row);
/* The numbers of a row: decisions, permitted, let through, blocked, deferred if asked, share. */
void dossier_counts_cells(struct page *page, const struct tally_counts *counts, bool deferred);
/* A partner's name by the history, else by the configuration, else its id. */
const char *dossier_partner_name(const struct dossier *dossier, const char *id);
/* "## title" with a number of its own, so that a lawyer can cite it. */
void dossier_heading(struct dossier *dossier, const char *msgid);

#endif
