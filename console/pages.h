/* SPDX-License-Identifier: Apache-2.0 */
/* The console's pages and acts; one file a page, its acts beside it (NAME_act.c). */
#ifndef OCTROI_CONSOLE_PAGES_H
#define OCTROI_CONSOLE_PAGES_H

#include "console/visit.h"

/* ---- overview.c ---- */
console_page overview_page;

/* ---- stop.c ---- */
console_page suspend_act, resume_act;

#endif
