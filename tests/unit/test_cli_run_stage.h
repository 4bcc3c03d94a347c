/* SPDX-License-Identifier: Apache-2.0 */
/* A folder with a gateway in it, and the built program run there from outside. */
#ifndef OCTROI_TESTS_CLI_RUN_STAGE_H
#define OCTROI_TESTS_CLI_RUN_STAGE_H

#include "base/str.h"
#include "tests/unit/unit.h"

extern char folder[256];
extern struct strbuf out; /* of the last run: standard output */
extern struct strbuf err; /* and standard error */

/* Within the folder; to be freed. */
char *path_of(const char *name);
void write_file(const char *name, const char *text);
void slurp(const char *name, struct strbuf *into);
/* Runs octroi in the folder. words: separated by '~'. input: its standard input, or NULL. */
int run_with(const char *input, const char *words);
int run(const char *words);
void expect(int code, const char *words);
void ck_has(const struct strbuf *text, const char *part);
void make_folder(void);
void remove_folder(void);
void make_gateway(void);

Suite *cli_journal_suite(void);

#endif
