/* SPDX-License-Identifier: Apache-2.0 */
/* A form version in words: as people saw it, and in what it differs from the one before. */
#ifndef OCTROI_CONSOLE_FORM_WORDS_H
#define OCTROI_CONSOLE_FORM_WORDS_H

#include "console/visit.h"

void form_shown_part(struct visit *visit, const struct form *form, const struct form_row *row);
/* before NULL: it is the first version. */
void form_differences_part(struct visit *visit, const struct form *form, const struct form *before);

#endif
