/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a subcommand is, and how it tells what went wrong. The table of all of them (commands.c)
 * feeds the dispatch, `help`, every usage line and the documentation scan, so that none of these
 * can disagree.
 */
#ifndef OCTROI_CLI_COMMAND_H
#define OCTROI_CLI_COMMAND_H

#include "base/error.h"

#include <stdint.h>

enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1, /* it could not, or a check failed */
    EXIT_USAGE = 2   /* wrong usage */
};

struct command;

/* One run of the program. */
struct invocation {
    const char *config_file; /* -c, else $OCTROI_CONF, else /etc/octroi/octroi.conf */
    const struct command *command;
};

/* argv[0] is the command's (last) word, its arguments follow, argv[argc] is NULL. Returns an
 * enum exit_code. */
typedef int command_fn(const struct invocation *invocation, int argc, char **argv);

struct command {
    const char *name;    /* one or two words: "serve", "form add" */
    const char *usage;   /* what follows the name; "" for nothing */
    const char *summary; /* one line, no full stop */
    const char *details; /* lines on arguments and options, each ended; "" for none */
    command_fn *run;
};

/* Ends with an entry whose name is NULL. */
extern const struct command commands[];

/* The command that argv (its words, then arguments) begins with, and how many words name it; NULL
 * when there is none. */
const struct command *command_find(int argc, char *const *argv, int *words_out);
void command_print_help(const struct command *command);
/* What an unknown or half command gets: one line on standard error; returns EXIT_USAGE. */
int command_unknown(int argc, char *const *argv);

/* "octroi NAME: message" and the usage line on standard error; returns EXIT_USAGE. */
int command_usage(const struct invocation *invocation, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "octroi: text" on standard error; returns EXIT_FAILED. */
int command_failed(const struct error *err);
int command_failed_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Ends what was listed, if there is memory for it, and says what went wrong: the exit code. */
struct output;
int command_listed(struct output **output, enum result result, const struct error *err);
void command_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What a counted noun ends in: "1 row", "2 rows". */
static inline const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

command_fn cli_init;
command_fn cli_serve;
command_fn cli_check_config;
command_fn cli_password;
command_fn cli_key_add;
command_fn cli_form_add;
command_fn cli_form_list;
command_fn cli_form_show;
command_fn cli_form_invalidate;
command_fn cli_consent_import;
command_fn cli_consent_record;
command_fn cli_consent_withdraw;
command_fn cli_consent_rebuild;
command_fn cli_consent_show;
command_fn cli_screen;
command_fn cli_person;
command_fn cli_suspend;
command_fn cli_resume;
command_fn cli_notice_list;
command_fn cli_notice_retry;
command_fn cli_token_add;
command_fn cli_token_list;
command_fn cli_token_revoke;
command_fn cli_user_add;
command_fn cli_user_list;
command_fn cli_user_password;
command_fn cli_user_role;
command_fn cli_user_remove;
command_fn cli_user_log_out;
command_fn cli_log;
command_fn cli_verify;
command_fn cli_report;
command_fn cli_digest;
command_fn cli_alert_test;
command_fn cli_remediation;
command_fn cli_provider_list;
command_fn cli_provider_test;
command_fn cli_status;
command_fn cli_purge;
command_fn cli_backup;
command_fn cli_restore;
command_fn cli_help;
command_fn cli_version;

#endif
