/* SPDX-License-Identifier: Apache-2.0 */
/* How the gate is, in words for an officer: what somebody has to look at, and whether it is well.
 */
#ifndef OCTROI_CONSOLE_ATTENTION_H
#define OCTROI_CONSOLE_ATTENTION_H

#include "console/visit.h"

/* A section with what needs attention, the worst first, each with the way to where something can be
 * done; or that nothing does. */
enum result attention_part(struct visit *visit, struct error *err);

/* A section (health.c): is the gate well? In words for everybody; figures for administrators. */
void health_part(struct visit *visit);

#endif
