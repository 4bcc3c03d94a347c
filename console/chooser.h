/* SPDX-License-Identifier: Apache-2.0 */
/* How a page of counts is narrowed: by period, and where it can be, by partner and channel. */
#ifndef OCTROI_CONSOLE_CHOOSER_H
#define OCTROI_CONSOLE_CHOOSER_H

#include "console/counts.h"

struct chooser {
    struct period period;
    const char *partner; /* its id; "": all */
    const char *channel; /* "email"; "": all */
};

/* The fields `days`, or `from` and `to`, `partner` and `channel`. days: what is shown unasked. */
void chooser_read(const struct visit *visit, int64_t days, struct chooser *chooser_out);

enum { CHOOSE_ONE_PARTNER = 1, CHOOSE_CHANNEL = 2 };
/* Links for the usual periods and a form for all else. with: CHOOSE_ bits; CHOOSE_ONE_PARTNER: not
 * all at once. */
void chooser_write(struct visit *visit, const struct chooser *chooser, unsigned with);
/* Appends the way to the list of these messages, as counts_list_path. */
void chooser_list_path(struct strbuf *out, const struct chooser *chooser, const char *verdict);
/* Appends "from=2026-01-01&to=2026-01-31&partner=acme&channel=sms": what another page is to be
 * narrowed to, too. */
void chooser_add_query(struct strbuf *out, const struct chooser *chooser);
/* The same without the period, "" where all is shown. */
void chooser_narrow_query(struct strbuf *out, const struct chooser *chooser);
/* As people call it: of the configuration, else its id. */
const char *partner_words(const struct visit *visit, const char *id);

#endif
