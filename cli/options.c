/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"

#include "base/clock.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* getopt_long's val of the option with index i is FIRST_OPTION + i: away from characters. */
#define FIRST_OPTION 1000
#define HELP_OPTION  999

void option_words_free(struct option_words *words)
{
    free(words->values);
    *words = (struct option_words){0};
}

static bool words_add(struct option_words *words, const char *word)
{
    const char **grown = reallocarray(words->values, words->count + 1, sizeof(*grown));
    if (grown == NULL)
        return false;
    words->values = grown;
    words->values[words->count++] = word;
    return true;
}

static int take_words(const struct invocation *invocation, const struct option_spec *spec,
                      char *text)
{
    for (char *word = text; word != NULL;) {
        char *bar = strchr(word, '|');
        if (bar != NULL)
            *bar++ = '\0';
        if (*word == '\0')
            return command_usage(invocation, "--%s has an empty value", spec->name);
        if (!words_add(spec->value, word))
            return command_failed_text("out of memory");
        word = bar;
    }
    return OPTIONS_GO;
}

static int take(const struct invocation *invocation, const struct option_spec *spec, char *text)
{
    bool *flag = spec->value;
    const char **value = spec->value;
    switch (spec->kind) {
    case OPTION_FLAG:
        if (*flag)
            return command_usage(invocation, "--%s is given twice", spec->name);
        *flag = true;
        return OPTIONS_GO;
    case OPTION_TEXT:
        if (*value != NULL)
            return command_usage(invocation, "--%s is given twice", spec->name);
        if (*text == '\0')
            return command_usage(invocation, "--%s has an empty value", spec->name);
        *value = text;
        return OPTIONS_GO;
    case OPTION_WORDS:
        return take_words(invocation, spec, text);
    }
    return OPTIONS_GO;
}

/* The word the option just read was typed in, its value aside. */
static const char *typed_word(char *const *argv)
{
    return optarg != NULL && optarg == argv[optind - 1] ? argv[optind - 2] : argv[optind - 1];
}

/* getopt_long completes unique prefixes; the word as typed must be the whole name. */
static bool typed_in_full(const char *name, const char *typed)
{
    size_t length = strlen(name);
    return strncmp(typed, "--", 2) == 0 && strncmp(typed + 2, name, length) == 0 &&
           (typed[2 + length] == '\0' || typed[2 + length] == '=');
}

static int refuse(const struct invocation *invocation, int option, char *const *argv)
{
    const char *typed = argv[optind - 1];
    int length = (int)strcspn(typed, "=");
    if (option == ':')
        return command_usage(invocation, "%.*s needs a value", length, typed);
    if (optopt >= HELP_OPTION)
        return command_usage(invocation, "%.*s takes no value", length, typed);
    if (optopt == 'c')
        return command_usage(invocation, "-c FILE stands before the command");
    if (optopt != 0) /* one letter, maybe of several: optind may not have moved yet */
        return command_usage(invocation, "unknown option -%c", optopt);
    return command_usage(invocation, "unknown option %.*s", length, typed);
}

static int read_one(const struct invocation *invocation, const struct option_spec *specs,
                    int option, char **argv)
{
    if (option == '?' || option == ':')
        return refuse(invocation, option, argv);
    const struct option_spec *spec = option == HELP_OPTION ? NULL : &specs[option - FIRST_OPTION];
    const char *typed = typed_word(argv);
    if (!typed_in_full(spec == NULL ? "help" : spec->name, typed))
        return command_usage(invocation, "unknown option %.*s", (int)strcspn(typed, "="), typed);
    if (spec == NULL) {
        command_print_help(invocation->command);
        return EXIT_DONE;
    }
    return take(invocation, spec, optarg);
}

static int read_all(const struct invocation *invocation, int argc, char **argv,
                    const struct option_spec *specs, size_t n_specs)
{
    struct option *table = calloc(n_specs + 2, sizeof(*table));
    if (table == NULL)
        return command_failed_text("out of memory");
    for (size_t i = 0; i < n_specs; i++)
        table[i] = (struct option){.name = specs[i].name,
                                   .has_arg = specs[i].kind == OPTION_FLAG ? no_argument
                                                                           : required_argument,
                                   .val = FIRST_OPTION + (int)i};
    table[n_specs] = (struct option){.name = "help", .has_arg = no_argument, .val = HELP_OPTION};
    int code = OPTIONS_GO;
    opterr = 0;
    optind = 0; /* glibc: start over, the program's own options were read before */
    while (code == OPTIONS_GO) {
        int option = getopt_long(argc, argv, ":", table, NULL);
        if (option < 0)
            break;
        code = read_one(invocation, specs, option, argv);
    }
    free(table);
    return code;
}

int options_read(const struct invocation *invocation, int argc, char **argv,
                 const struct option_spec *specs, int min, int max, char ***operands_out)
{
    size_t n_specs = 0;
    while (specs[n_specs].name != NULL)
        n_specs++;
    int code = read_all(invocation, argc, argv, specs, n_specs);
    if (code == OPTIONS_GO) {
        int given = argc - optind;
        if (given < min)
            code = command_usage(invocation, "an argument is missing");
        else if (given > max)
            code = command_usage(invocation, "there is an argument too many");
    }
    if (code != OPTIONS_GO) {
        for (size_t i = 0; i < n_specs; i++)
            if (specs[i].kind == OPTION_WORDS)
                option_words_free(specs[i].value);
        return code;
    }
    if (operands_out != NULL)
        *operands_out = argv + optind;
    return OPTIONS_GO;
}

/* ---- values ---- */

bool option_format(const struct invocation *invocation, const char *text,
                   enum output_format *format_out)
{
    if (text == NULL || output_format_parse(text, format_out))
        return true;
    command_usage(invocation, "--format is table, json or csv, not '%s'", text);
    return false;
}

int options_read_format(const struct invocation *invocation, int argc, char **argv,
                        enum output_format *format_out)
{
    const char *text = NULL;
    const struct option_spec specs[] = {{"format", OPTION_TEXT, &text}, {0}};
    int code = options_read(invocation, argc, argv, specs, 0, 0, NULL);
    if (code == OPTIONS_GO && !option_format(invocation, text, format_out))
        return EXIT_USAGE;
    return code;
}

bool option_language(const struct invocation *invocation, const char *text,
                     enum language *language_out)
{
    if (text == NULL || language_parse(text, language_out))
        return true;
    command_usage(invocation, "--lang is fr or en, not '%s'", text);
    return false;
}

bool option_channel(const struct invocation *invocation, const char *text,
                    enum channel *channel_out)
{
    if (text == NULL || channel_parse(text, channel_out))
        return true;
    command_usage(invocation, "--channel is email, sms, call, autocall or post, not '%s'", text);
    return false;
}

bool option_channels(const struct invocation *invocation, const struct option_words *words,
                     unsigned *channels_out)
{
    unsigned channels = 0;
    for (size_t i = 0; i < words->count; i++) {
        enum channel channel = CHANNEL_EMAIL;
        if (!option_channel(invocation, words->values[i], &channel))
            return false;
        channels |= CHANNEL_BIT(channel);
    }
    if (words->count > 0)
        *channels_out = channels;
    return true;
}

bool option_instant(const struct invocation *invocation, const char *name, const char *text,
                    int64_t *instant_out)
{
    if (text == NULL || clock_parse(text, strlen(text), instant_out))
        return true;
    command_usage(invocation, "--%s is a time such as 2026-01-31T09:30:00Z, not '%s'", name, text);
    return false;
}

bool option_day_or_instant(const struct invocation *invocation, const char *name, const char *text,
                           bool end_of_day, int64_t *instant_out)
{
    if (text == NULL || clock_parse(text, strlen(text), instant_out))
        return true;
    char midnight[32];
    int64_t day;
    int length = snprintf(midnight, sizeof(midnight), "%sT00:00:00Z", text);
    if (strlen(text) == strlen("2026-01-31") && clock_parse(midnight, (size_t)length, &day)) {
        *instant_out = end_of_day ? day + CLOCK_DAY : day;
        return true;
    }
    command_usage(invocation,
                  "--%s is a date such as 2026-01-31, or a time such as "
                  "2026-01-31T09:30:00Z, not '%s'",
                  name, text);
    return false;
}

/* Digits only, so neither sign nor space; false when it does not fit. */
static bool parse_count(const char *text, uint64_t *count_out)
{
    uint64_t count = 0;
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        unsigned digit = (unsigned)(*text - '0');
        if (*text < '0' || *text > '9' || __builtin_mul_overflow(count, 10, &count) ||
            __builtin_add_overflow(count, digit, &count))
            return false;
    }
    *count_out = count;
    return true;
}

bool option_count(const struct invocation *invocation, const char *name, const char *text,
                  uint64_t *count_out)
{
    if (text == NULL || parse_count(text, count_out))
        return true;
    command_usage(invocation, "--%s is a number, not '%s'", name, text);
    return false;
}

bool option_form(const struct invocation *invocation, const char *text, char **id_out,
                 int *version_out)
{
    if (text == NULL)
        return true;
    const char *at = strrchr(text, '@');
    uint64_t version = 0;
    if (at == NULL || at == text || !parse_count(at + 1, &version) || version == 0 ||
        version > 1000000) {
        command_usage(invocation, "a form version is written ID@VERSION, not '%s'", text);
        return false;
    }
    char *id = strndup(text, (size_t)(at - text));
    if (id == NULL) {
        command_failed_text("out of memory");
        return false;
    }
    *id_out = id;
    *version_out = (int)version;
    return true;
}
