/* SPDX-License-Identifier: Apache-2.0 */
/* A verdict's explanation on standard output. Each returns an exit code, after having printed what
 * went wrong. */
#ifndef OCTROI_CLI_CONSENT_EXPLAIN_H
#define OCTROI_CLI_CONSENT_EXPLAIN_H

#include "office/explain.h"
#include "office/output.h"

int explanation_print(const struct explanation *explanation);
/* JSON or CSV. */
int explanation_print_row(const struct explanation *explanation, enum output_format format);

#endif
