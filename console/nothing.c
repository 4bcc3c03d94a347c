/* SPDX-License-Identifier: Apache-2.0 */
/* A path under /console that is no page's: mistyped, or of a later version. */
#include "console/pages.h"

enum result nothing_page(struct visit *visit, struct error *err)
{
    (void)err;
    return visit_nothing(visit, N_("Nothing is at this address. Look for it from the overview."));
}
