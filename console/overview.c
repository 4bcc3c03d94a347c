/* SPDX-License-Identifier: Apache-2.0 */
/* The first page: what passed and what was stopped lately, and whether all is well. */
#include "console/layout.h"
#include "console/pages.h"

enum result overview_page(struct visit *visit, struct error *err)
{
    const struct layout layout = {.place = PLACE_OVERVIEW, .title = N_("Overview")};
    (void)err;
    layout_begin(visit, &layout);
    layout_end(visit);
    return RESULT_OK;
}
