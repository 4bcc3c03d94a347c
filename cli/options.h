/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of a subcommand, read strictly on top of getopt_long: exact names only (no
 * abbreviation, so that a new option never changes an old script), no value left out or empty,
 * nothing given twice unless it is a list. Operands may stand before, between or after. `--help`
 * is known everywhere. What is wrong is said on standard error with the usage line.
 */
#ifndef OCTROI_CLI_OPTIONS_H
#define OCTROI_CLI_OPTIONS_H

#include "base/language.h"
#include "cli/command.h"
#include "office/output.h"
#include "policy/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Values of an option that may be repeated, or hold several separated by '|'. */
struct option_words {
    const char **values; /* owned; the texts are argv's */
    size_t count;
};

enum option_kind {
    OPTION_FLAG, /* bool */
    OPTION_TEXT, /* const char *, NULL when not given */
    OPTION_WORDS /* struct option_words */
};

struct option_spec {
    const char *name; /* without the dashes; NULL ends the list */
    enum option_kind kind;
    void *value; /* of the type above, zeroed before */
};

/* Go on; every other value is the exit code the command shall return at once. */
#define OPTIONS_GO (-1)

/* operands_out: where the operands begin (at least min, at most max of them, NULL after the last).
 * Lists are released here unless the answer is OPTIONS_GO. argv's order and the '|' in its lists
 * are changed. */
int options_read(const struct invocation *invocation, int argc, char **argv,
                 const struct option_spec *specs, int min, int max, char ***operands_out);
/* For a command that takes --format and nothing else. */
int options_read_format(const struct invocation *invocation, int argc, char **argv,
                        enum output_format *format_out);
void option_words_free(struct option_words *words);

/* Each turns an option's text into its value, or prints why not and returns false: the command then
 * returns EXIT_USAGE. A text of NULL (not given) is true and changes nothing. */
bool option_format(const struct invocation *invocation, const char *text,
                   enum output_format *format_out);
bool option_language(const struct invocation *invocation, const char *text,
                     enum language *language_out);
bool option_channel(const struct invocation *invocation, const char *text,
                    enum channel *channel_out);
bool option_channels(const struct invocation *invocation, const struct option_words *words,
                     unsigned *channels_out);
bool option_instant(const struct invocation *invocation, const char *name, const char *text,
                    int64_t *instant_out);
/* RFC 3339, or a date: its first moment in UTC, or with end_of_day the first of the next day. */
bool option_day_or_instant(const struct invocation *invocation, const char *name, const char *text,
                           bool end_of_day, int64_t *instant_out);
bool option_count(const struct invocation *invocation, const char *name, const char *text,
                  uint64_t *count_out);
/* "ID@VERSION": the id is copied to id_out (owned by the caller). */
bool option_form(const struct invocation *invocation, const char *text, char **id_out,
                 int *version_out);

#endif
