/* SPDX-License-Identifier: Apache-2.0 */
/* One mail to everyone that the configuration names, into the outbox; for the gate and for
 * commands.
 */
#ifndef OCTROI_PROXY_POST_MAILING_H
#define OCTROI_PROXY_POST_MAILING_H

#include "config/config.h"
#include "office/digest.h"
#include "proxy/post/lookout.h"
#include "proxy/post/outbox.h"

#define POST_FOLDER "post"       /* under state_dir */
#define POST_STATE  "state.json" /* in it: what was said (lookout.h) */

struct mailing {
    const char *name;    /* of OUTBOX_NAME less a few; the same name again changes nothing */
    const char *subject; /* without the gate's name */
    const char *text;
    const struct checkpoint *checkpoint; /* attached; NULL: none */
};

/* config has alerts. RESULT_OK: each will be sent, or waits already. RESULT_UNAVAILABLE: too many
 * wait; then none of it may be counted as said. */
enum result mailing_put(struct outbox *outbox, const struct config *config,
                        const struct mailing *mailing, int64_t now, struct error *err);

/* The day that has this local date, a number such as 20260131. */
void mailing_day(const char *timezone, int32_t date, struct digest_day *day_out);
/* What lasts, for a digest; NULL: nothing, or no memory. Owned by the caller. */
char *mailing_notes(const struct lookout *lookout, const struct config *config,
                    enum language language);

#endif
