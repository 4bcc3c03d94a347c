/* SPDX-License-Identifier: Apache-2.0 */
/* A folder of configuration files for one test, and the findings of loading it as text. */
#ifndef OCTROI_TESTS_CONFIG_HELP_H
#define OCTROI_TESTS_CONFIG_HELP_H

#include "base/str.h"
#include "config/config.h"
#include "tests/unit/unit.h"

struct sandbox {
    char folder[256];
};

void sandbox_make(struct sandbox *sandbox);
void sandbox_remove(struct sandbox *sandbox);
void sandbox_write(const struct sandbox *sandbox, const char *name, const char *text,
                   unsigned mode);
/* The path of a file in the folder; good until the next call. */
const char *sandbox_path(const struct sandbox *sandbox, const char *name);
/* Loads main.conf. Findings, one a line, with the folder cut off, go to findings. */
enum result sandbox_load(const struct sandbox *sandbox, struct strbuf *findings,
                         struct config **config_out, struct error *err);
/* Loads main.conf, which must hold no mistake. */
struct config *sandbox_config(const struct sandbox *sandbox, const char *text);
/* Expects exactly these findings of this main.conf ("" for none). */
void expect_findings(const struct sandbox *sandbox, const char *label, const char *text,
                     const char *findings);

#endif
