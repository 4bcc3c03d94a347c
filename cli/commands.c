/* SPDX-License-Identifier: Apache-2.0 */
/* The table of subcommands, in the order in which help shows them. */
#include "cli/command.h"
#include "office/output.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define FORMAT_HELP "  --format table|json|csv   how rows are printed; json is one object a line\n"

const struct command commands[] = {
    {"init", "DIR", "make a new gateway: configuration, keys, empty registry and journal",
     "DIR is made when missing. Nothing that exists is overwritten.\n", cli_init},
    {"serve", "[--takeover]", "run the gateway in the foreground",
     "SIGTERM finishes what runs and stops; SIGHUP reads the configuration again.\n"
     "  --takeover                from the gateway that runs, if one does: it hands its\n"
     "                            listening sockets over, finishes what runs and ends\n",
     cli_serve},
    {"check-config", "", "list what is wrong with the configuration, as file:line: message", "",
     cli_check_config},
    {"password", "", "read a password, print its hash for an account",
     "Asked for twice on a terminal; otherwise one line of standard input.\n", cli_password},
    {"key add", "", "make the key that seals addresses in links, or put a new one before it",
     "What was sealed under the keys before still opens. A running gateway takes the new one\n"
     "into use with its next reload, the first one of all with its next start.\n",
     cli_key_add},
    {"form add", "FILE.json [--force]", "take a version of a collection form into the registry",
     "FILE.json may be - for standard input. A version never changes once added.\n"
     "  --force                   also where consents on record would no longer pass, as they\n"
     "                            were given on the version before after this one begins\n",
     cli_form_add},
    {"form list", "[--format F]", "list the form versions", FORMAT_HELP, cli_form_list},
    {"form show", "ID@VERSION [--format F]", "show one form version",
     FORMAT_HELP "json prints the form itself, as it was added.\n", cli_form_show},
    {"form invalidate",
     "[ID[@VERSION]]... [--collector C] [--supplier S] --reason TEXT [--dry-run]",
     "let no consent given through these forms, or brought by this supplier, pass any more",
     "  ID                        every version of the form\n"
     "  --collector C             every form version of this collector, by SIREN or name\n"
     "  --supplier S              whatever this supplier brought or will bring, on any form\n"
     "  --dry-run                 only say how many grants and persons it would concern\n"
     "It cannot be undone. Events and evidence are kept.\n",
     cli_form_invalidate},
    {"consent import",
     "FILE [--input csv|jsonl|twilio] [--dry-run] [--resume] [--rejects FILE.csv "
     "[--rejects-with-lines]] [--summary FILE.json] [--form ID@VERSION --evidence TEXT] "
     "[--partner P]... [--channel C]... [--supplier S] [--occurred-at T]",
     "take consent events in from a file",
     "FILE may be - for standard input. Refused lines are named on standard error and\n"
     "make the exit code 1; the other lines are in.\n"
     "  --input F                 what FILE is, if its beginning does not tell: the consent\n"
     "                            CSV, JSON lines with the same names, or Twilio's consents\n"
     "  --dry-run                 check every line, keep nothing\n"
     "  --resume                  go on with an import of FILE that was interrupted\n"
     "  --rejects FILE.csv        name the refused lines there: line, column, reason\n"
     "  --rejects-with-lines      and the lines themselves, with the addresses in them\n"
     "  --summary FILE.json       write the counts there, too\n"
     "What Twilio's shape does not say:\n"
     "  --form ID@VERSION         the form version the opt-ins were given through, and\n"
     "  --evidence TEXT           what proves it; without them they are without proof\n"
     "  --partner P               default: the form's list, or all for opt-outs\n"
     "  --channel C               default: sms, or email for an e-mail address\n"
     "  --supplier S              who handed them over (default: twilio)\n"
     "  --occurred-at T           when what has no date happened, 2026-01-31T09:30:00Z\n",
     cli_consent_import},
    {"consent record",
     "ADDRESS --event E --channel C[|C] [--form ID@VERSION] [--partners P[|P]] [--basis B] "
     "[--supplier S] [--collector NAME] [--evidence TEXT] [--occurred-at T]",
     "record one event of one person",
     "  --event E                 given, renewed, active, withdrawn or objected\n"
     "  --channel C               email, sms, call, autocall, post; several with |\n"
     "  --form ID@VERSION         the form version the person saw\n"
     "  --partners P              default: the form's list, or all for withdrawn and objected\n"
     "  --basis B                 consent (default), soft-opt-in, professional, informed\n"
     "  --supplier S              who handed the event over\n"
     "  --collector NAME          objected: to this collector only\n"
     "  --evidence TEXT           what proves the act\n"
     "  --occurred-at T           when it happened (default: now), 2026-01-31T09:30:00Z\n",
     cli_consent_record},
    {"consent withdraw",
     "ADDRESS [--partner P]... [--channel C]... [--objection] [--evidence TEXT] [--occurred-at T]",
     "record that a person withdrew; it counts from the next verdict on",
     "  --partner P               default: all partners\n"
     "  --channel C               default: every channel the address can be reached on\n"
     "  --objection               an objection instead of a withdrawal\n"
     "  --evidence TEXT           what shows it, such as a ticket number\n"
     "  --occurred-at T           when it happened (default: now), 2026-01-31T09:30:00Z\n",
     cli_consent_withdraw},
    {"consent show",
     "ADDRESS [--partner P --channel C [--purpose receipt|transmission] [--at T]] [--format F]",
     "show a person's history, or judge a partner's question and explain it",
     "  --partner P --channel C   may this partner write to this person on this channel?\n"
     "  --purpose P               receipt of a message (default), or transmission of the data\n"
     "  --at T                    at this moment instead of now, "
     "2026-01-31T09:30:00Z\n" FORMAT_HELP,
     cli_consent_show},
    {"consent rebuild", "", "derive what is looked up before each message anew from the events",
     "May run beside the gateway. What is right is not written.\n", cli_consent_rebuild},
    {"screen",
     "--partner P --channel C [--column NAME] [--separator S] [--no-header] [--output FILE] "
     "[--blocked FILE] [--summary FILE] [--resume] LIST.csv",
     "tell whom of a list may be passed on to a partner, before it is",
     "LIST.csv may be - for standard input. Permitted rows are printed as they stand in the list;\n"
     "each row is journalled first. Rows that cannot be read are named on standard error, and\n"
     "make the exit code 1.\n"
     "  --channel C               email, sms, call, autocall or post: what the partner wants to "
     "do\n"
     "  --column NAME             the column with the address (default: the one called recipient,\n"
     "                            email, courriel, telephone, mobile or the like)\n"
     "  --no-header               the first row is a person, too; --column is then a number\n"
     "  --separator S             , or ; or tab (default: as the first row shows)\n"
     "  --output FILE             the permitted rows, instead of standard output\n"
     "  --blocked FILE            the other rows, with reason, explanation and ref\n"
     "  --summary FILE            the totals as JSON\n"
     "  --resume                  go on with a screening of this list that was interrupted\n",
     cli_screen},
    {"person", "ADDRESS [--format F | --export FILE.zip [--lang fr|en] [--force]]",
     "show what is held on one person, or export all of it for that person",
     "  --export FILE.zip         one archive: a page to read, JSON, a consent record, CSV,\n"
     "                            the forms; - for standard output\n"
     "  --lang fr|en              the language of the page (default: the environment's)\n"
     "  --force                   replace FILE.zip when it exists\n" FORMAT_HELP,
     cli_person},
    {"suspend", "partner|stream|form|supplier ID --reason TEXT",
     "block at once whatever relies on it",
     "A stream is written PARTNER/STREAM; a form is its id, for all versions.\n", cli_suspend},
    {"resume", "partner|stream|form|supplier ID --reason TEXT", "end a suspension",
     "A stream is written PARTNER/STREAM; a form is its id, for all versions.\n", cli_resume},
    {"notice list", "[--partner P] [--state S] [--overdue] [--limit N] [--format F]",
     "which partners were told of withdrawals, and which are yet to be",
     "  --partner P               of this partner only\n"
     "  --state S                 waiting, acknowledged, given-up, untold\n"
     "  --overdue                 what waits longer than the partner's overdue_after\n"
     "  --limit N                 at most N, the newest\n" FORMAT_HELP,
     cli_notice_list},
    {"notice retry", "[--partner P]", "try at once to tell partners what they did not take yet",
     "  --partner P               this partner only\n", cli_notice_retry},
    {"token add", "NAME --scope S[,S]... [--partner P] [--expires D] [--rate N]",
     "make a token for the interface for programs, and print it: once",
     "  --scope S,...             check, events, screen, decisions, persons, reports, forms,\n"
     "                            suspensions, metrics\n"
     "  --partner P               for this partner only, who may have check and events\n"
     "  --expires D               after so long, such as \"90 days\" (default: 1 year)\n"
     "  --rate N                  at most N requests a second (default: no limit)\n",
     cli_token_add},
    {"token list", "[--format F]", "list the tokens, also those that are good no more", FORMAT_HELP,
     cli_token_list},
    {"token revoke", "NAME|ID", "let a token count no more, from the next request on", "",
     cli_token_revoke},
    {"user add", "NAME --role R [--single-sign-on]", "let somebody enter the console",
     "The password is asked for twice on a terminal; otherwise it is one line of standard input.\n"
     "  --role R                  reader (counts, blocked messages, forms, dossier), compliance\n"
     "                            (all of that, persons, and acts), administrator (as reader,\n"
     "                            stops, users, health)\n"
     "  --single-sign-on          no password: the company's sign-on says who it is\n",
     cli_user_add},
    {"user list", "[--format F]", "list the console's users, also those who are removed",
     FORMAT_HELP, cli_user_list},
    {"user password", "NAME", "give a user a new password, and sign them out",
     "Asked for as by user add.\n", cli_user_password},
    {"user role", "NAME --role R", "let a user do more or less, and sign them out",
     "  --role R                  reader, compliance, administrator\n", cli_user_role},
    {"user remove", "NAME", "let a user in no more, from the next request on",
     "The journal goes on naming them, so the name is not given again.\n", cli_user_remove},
    {"user log-out", "NAME", "end all sessions of a user", "", cli_user_log_out},
    {"log",
     "[--ref REF] [--verdict V] [--partner P] [--channel C] [--reason R] [--recipient ADDRESS] "
     "[--since T] "
     "[--until T] [--limit N] [--format F]",
     "show the journal's decisions, newest first",
     "  --ref REF                 the one decision with this reference\n"
     "  --verdict V               pass, block or defer\n"
     "  --partner P, --channel C  of this partner, on this channel\n"
     "  --reason R                with this reason code, such as WITHDRAWN\n"
     "  --recipient ADDRESS       about this person\n"
     "  --since T, --until T      a time, or a date (UTC; --until includes that day)\n"
     "  --limit N                 at most N, 0 for all (default: 50 on a terminal, else "
     "all)\n" FORMAT_HELP,
     cli_log},
    {"verify", "[--checkpoint FILE] [--format F]",
     "check the journal's hash chain and its signed checkpoints",
     "  --checkpoint FILE         and that it goes as far as this checkpoint says, which was kept\n"
     "                            elsewhere: a digest's mail, or the line itself; - for standard\n"
     "                            input\n" FORMAT_HELP,
     cli_verify},
    {"report",
     "--from T --to T [--partner P] [--by COLUMN[,COLUMN]... | --dossier DIR [--compare DAY] "
     "[--with-journal]] "
     "[--lang fr|en] [--format F]",
     "count the decisions of a period, or make a dossier of it for a regulator",
     "  --from T, --to T          a time, or a date (UTC; --to includes that day)\n"
     "  --partner P               of this partner only\n"
     "  --by COLUMN,...           partner, stream, channel, purpose, verdict, reason, effect, "
     "mode,\n"
     "                            policy, day, form, collector, supplier\n"
     "  --dossier DIR             a new folder: a page to read and print, the numbers as CSV, and\n"
     "                            what it takes to check them without this program\n"
     "  --compare DAY             the same before DAY and from it on\n"
     "  --with-journal            with the journal's files of the period\n"
     "  --lang fr|en              default: what LC_ALL, LC_MESSAGES or LANG say\n" FORMAT_HELP
     "Without --by a table is an overview; json and csv are by partner, channel, verdict,\n"
     "reason, form and day.\n",
     cli_report},
    {"digest", "[--day DATE] [--lang fr|en] [--send]",
     "show what compliance is told by mail of a day, or send it",
     "  --day DATE                such as 2026-01-31 (default: yesterday)\n"
     "  --lang fr|en              default: what LC_ALL, LC_MESSAGES or LANG say; with --send\n"
     "                            what the configuration says\n"
     "  --send                    by mail, through the running gateway\n",
     cli_digest},
    {"alert test", "", "send a mail to compliance, to see whether it comes",
     "Through the running gateway, the way of the configuration's alerts.\n", cli_alert_test},
    {"remediation", "DIR [--list FILE.csv]... [--partner P] [--lang fr|en]",
     "list whom to ask again, what to delete, which partners to tell",
     "DIR is a new folder for the lists, as CSV by partner, form and supplier.\n"
     "  --list FILE.csv           the persons of the company's own file, with its columns, "
     "instead\n"
     "                            of everyone in the registry, who has no address there\n"
     "  --partner P               for this partner only, and nothing on deletion\n"
     "  --lang fr|en              default: what LC_ALL, LC_MESSAGES or LANG say\n",
     cli_remediation},
    {"provider list", "[--format F]", "list the providers, and how each is",
     FORMAT_HELP "From the running gateway; without one, what each was last seen to offer.\n",
     cli_provider_list},
    {"provider test", "NAME [--format F]",
     "connect to a provider now, step by step, without a message",
     FORMAT_HELP "Needs no running gateway. The exit code is 0 only if the provider works.\n",
     cli_provider_test},
    {"status", "[--format F]", "show the running gateway", FORMAT_HELP "csv is key,value.\n",
     cli_status},
    {"purge", "[--dry-run] [--format F]", "erase what has been kept long enough",
     "The periods are the configuration's (retention). The journal still verifies.\n"
     "  --dry-run                 only count, by kind; nothing is changed\n" FORMAT_HELP,
     cli_purge},
    {"backup", "[--with-keys] FILE | --verify FILE",
     "copy the registry and the journal, while the gateway serves",
     "FILE may be - for standard output, or with --verify for standard input.\n"
     "  --with-keys               the keys and the configuration, too: the copy then opens\n"
     "                            everything\n"
     "  --verify                  check a copy: its sums, the journal, the registry\n",
     cli_backup},
    {"restore", "FILE DIR", "check a copy and put it into an empty state directory",
     "FILE may be - for standard input. DIR is made when missing.\n", cli_restore},
    {"help", "[COMMAND | --names]", "explain a command, or list them all",
     "  --names                   only the names, one a line\n", cli_help},
    {"version", "", "print the version", "", cli_version},
    {0}};

static int word_count(const char *name)
{
    return strchr(name, ' ') != NULL ? 2 : 1;
}

const struct command *command_find(int argc, char *const *argv, int *words_out)
{
    for (const struct command *command = commands; command->name != NULL; command++) {
        int words = word_count(command->name);
        if (argc < words)
            continue;
        size_t first = strcspn(command->name, " ");
        if (strlen(argv[0]) != first || strncmp(argv[0], command->name, first) != 0)
            continue;
        if (words == 2 && strcmp(argv[1], command->name + first + 1) != 0)
            continue;
        *words_out = words;
        return command;
    }
    return NULL;
}

int command_unknown(int argc, char *const *argv)
{
    bool group = false;
    if (argc == 0) {
        fputs("octroi: a command is missing; see octroi help\n", stderr);
        return EXIT_USAGE;
    }
    size_t length = strlen(argv[0]);
    for (const struct command *command = commands; command->name != NULL; command++)
        if (length > 0 && strncmp(command->name, argv[0], length) == 0 &&
            command->name[length] == ' ') {
            fputs(group      ? ""
                  : argc > 1 ? "octroi: unknown command; there is:\n"
                             : "octroi: one word more; there is:\n",
                  stderr);
            fprintf(stderr, "  octroi %s %s\n", command->name, command->usage);
            group = true;
        }
    if (!group)
        fprintf(stderr, "octroi: unknown command '%s'; see octroi help\n", argv[0]);
    return EXIT_USAGE;
}

static void print_usage(FILE *stream, const struct command *command)
{
    fprintf(stream, "usage: octroi [-c FILE] %s%s%s\n", command->name,
            *command->usage != '\0' ? " " : "", command->usage);
}

void command_print_help(const struct command *command)
{
    print_usage(stdout, command);
    printf("\n%s.\n%s%s", command->summary, *command->details != '\0' ? "\n" : "",
           command->details);
}

int command_usage(const struct invocation *invocation, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "octroi %s: ", invocation->command->name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    print_usage(stderr, invocation->command);
    return EXIT_USAGE;
}

int command_failed(const struct error *err)
{
    fprintf(stderr, "octroi: %s\n", err->text);
    return EXIT_FAILED;
}

int command_listed(struct output **output, enum result result, const struct error *err)
{
    struct error end = {0};
    int code = result == RESULT_OK ? EXIT_DONE : command_failed(err);
    if (*output != NULL && output_end(output, &end) != RESULT_OK && code == EXIT_DONE)
        code = command_failed(&end);
    return code;
}

static void say(const char *prefix, const char *format, va_list args)
{
    fputs(prefix, stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

int command_failed_text(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say("octroi: ", format, args);
    va_end(args);
    return EXIT_FAILED;
}

void command_warn(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say("octroi: warning: ", format, args);
    va_end(args);
}
