/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCTROI_CONSOLE_PARTNER_FORMS_H
#define OCTROI_CONSOLE_PARTNER_FORMS_H

#include "console/visit.h"

/* A section: the form versions on which people could read this partner's name. */
enum result partner_forms_part(struct visit *visit, const struct partner *partner,
                               struct error *err);

#endif
