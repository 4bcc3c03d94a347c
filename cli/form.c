/* SPDX-License-Identifier: Apache-2.0 */
/* `octroi form add|list|show`. */
#include "base/clock.h"
#include "base/crypto.h"
#include "base/file.h"
#include "cli/context.h"
#include "cli/options.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Far above any real form with its partner list, far below what would hurt. */
#define FORM_FILE_MAX (16 * 1024 * 1024)

/* ---- add ---- */

static bool read_input(const char *path, struct strbuf *text)
{
    FILE *input = input_open(path);
    if (input == NULL)
        return false;
    char chunk[16384];
    size_t got;
    while ((got = fread(chunk, 1, sizeof(chunk), input)) > 0 && text->length <= FORM_FILE_MAX)
        strbuf_add(text, chunk, got);
    bool complete = !ferror(input) && !text->failed && text->length <= FORM_FILE_MAX;
    input_close(&input);
    if (!complete)
        command_failed_text("%s cannot be read, or is larger than %d bytes", input_name(path),
                            FORM_FILE_MAX);
    return complete;
}

/* A partner that is on a list long before it is connected is usual; a typing mistake is, too. */
static void warn_of_unknown_partners(const struct config *config, const struct form *form)
{
    for (size_t i = 0; i < form->n_partners; i++)
        if (config_partner(config, form->partners[i]) == NULL)
            command_warn("the form lists partner '%s', which the configuration does not know",
                         form->partners[i]);
}

/* A version cannot be taken out again: what it would cost is said before. Counted without a lock,
 * as it may take a while; what an import takes in meanwhile is not in the number. */
static bool add_version(struct context *context, const struct form *form, bool force)
{
    struct form_end end;
    struct error err = {0};
    char until[CLOCK_TEXT];
    bool added = false;
    if (registry_form_end(context->registry, form, &end, &err) != RESULT_OK) {
        command_failed(&err);
        return false;
    }
    clock_format_seconds(form->effective_from, until);
    if (end.lost > 0 && !force) {
        command_failed_text("%s@%d would be in use until %s only: %" PRIu64
                            " consent%s given on it later would no longer pass; add --force to "
                            "take the version all the same",
                            form->id, end.version, until, end.lost, plural(end.lost));
        return false;
    }
    if (registry_add_form(context->registry, form, &added, &err) != RESULT_OK) {
        command_failed(&err);
        return false;
    }
    warn_of_unknown_partners(context->config, form);
    printf(added ? "added form %s@%d (%zu partner%s)\n"
                 : "form %s@%d (%zu partner%s) was there already; nothing changed\n",
           form->id, form->version, form->n_partners, plural(form->n_partners));
    if (added && end.version != 0)
        printf("%s@%d is in use until %s\n", form->id, end.version, until);
    return true;
}

int cli_form_add(const struct invocation *invocation, int argc, char **argv)
{
    char **operands;
    bool force = false;
    const struct option_spec specs[] = {{"force", OPTION_FLAG, &force}, {0}};
    int code = options_read(invocation, argc, argv, specs, 1, 1, &operands);
    if (code != OPTIONS_GO)
        return code;
    struct strbuf text = {0};
    struct form *form = NULL;
    struct context context = {0};
    struct error err = {0};
    code = EXIT_FAILED;
    if (!read_input(operands[0], &text))
        goto out;
    if (form_parse(text.data != NULL ? text.data : "", text.length, &form, &err) != RESULT_OK) {
        fprintf(stderr, "%s:%s\n", input_name(operands[0]), err.text);
        goto out;
    }
    if (!context_open(invocation, CONTEXT_REGISTRY, &context))
        goto out;
    if (add_version(&context, form, force))
        code = EXIT_DONE;
out:
    context_close(&context);
    form_free(&form);
    strbuf_free(&text);
    return code;
}

/* ---- list and show ---- */

static const struct column form_columns[] = {{"id", CELL_TEXT, false},
                                             {"version", CELL_NUMBER, false},
                                             {"collector", CELL_TEXT, false},
                                             {"collector_siren", CELL_TEXT, true},
                                             {"channels", CELL_WORDS, false},
                                             {"purposes", CELL_WORDS, true},
                                             {"language", CELL_TEXT, true},
                                             {"effective_from", CELL_TEXT, false},
                                             {"effective_until", CELL_TEXT, false},
                                             {"partners", CELL_NUMBER, false},
                                             {"events", CELL_NUMBER, false},
                                             {"added_at", CELL_TEXT, true},
                                             {"invalidated_at", CELL_TEXT, false},
                                             {"invalid_reason", CELL_TEXT, false},
                                             {"invalid_suppliers", CELL_WORDS, false},
                                             {0}};

struct listed_forms {
    struct context *context;
    struct output *output;
    enum result result;
    struct error err;
};

static bool add_supplier(void *arg, const struct supplier_row *row)
{
    struct strbuf *names = arg;
    strbuf_add_format(names, "%s%s", names->length > 0 ? "|" : "", row->id);
    return true;
}

static bool print_form_row(void *arg, const struct form_row *row)
{
    struct listed_forms *listed = arg;
    struct strbuf suppliers = {0};
    listed->result = registry_invalid_suppliers(listed->context->registry, row->id, row->version,
                                                add_supplier, &suppliers, &listed->err);
    char from[CLOCK_TEXT];
    char until[CLOCK_TEXT];
    char added[CLOCK_TEXT];
    char invalidated[CLOCK_TEXT];
    char channels[64];
    char purposes[64];
    clock_format_seconds(row->effective_from, from);
    clock_format_seconds(row->effective_until, until);
    clock_format_seconds(row->added_at, added);
    clock_format_seconds(row->invalidated_at, invalidated);
    channels_text(row->channels, channels, sizeof(channels));
    purposes_text(row->purposes, purposes, sizeof(purposes));
    bool invalid = row->invalidated_at != 0;
    const struct cell cells[] = {
        cell_text(row->id),
        cell_number(row->version),
        cell_text(row->collector_name),
        cell_filled(row->collector_siren),
        cell_text(channels),
        cell_text(purposes),
        cell_text(row->language),
        cell_text(from),
        row->effective_until == INT64_MAX ? cell_none() : cell_text(until),
        cell_number((int64_t)row->n_partners),
        cell_number((int64_t)row->events),
        cell_text(added),
        invalid ? cell_text(invalidated) : cell_none(),
        invalid ? cell_filled(row->invalid_reason) : cell_none(),
        cell_text(suppliers.data != NULL ? suppliers.data : ""),
    };
    bool more = output_row(listed->output, cells) && listed->result == RESULT_OK;
    strbuf_free(&suppliers);
    return more;
}

static int print_form_rows(struct context *context, const char *id, int version,
                           enum output_format format)
{
    struct error err = {0};
    struct output *output = output_new(stdout, format, form_columns);
    if (output == NULL)
        return command_failed_text("out of memory");
    struct listed_forms listed = {.context = context, .output = output};
    enum result result =
        registry_forms(context->registry, id, version, print_form_row, &listed, &err);
    if (listed.result == RESULT_OK)
        return command_listed(&output, result, &err);
    return command_listed(&output, listed.result, &listed.err);
}

int cli_form_list(const struct invocation *invocation, int argc, char **argv)
{
    enum output_format format = OUTPUT_TABLE;
    int code = options_read_format(invocation, argc, argv, &format);
    if (code != OPTIONS_GO)
        return code;
    struct context context;
    if (!context_open(invocation, CONTEXT_REGISTRY, &context))
        return EXIT_FAILED;
    code = print_form_rows(&context, NULL, 0, format);
    context_close(&context);
    return code;
}

struct shown_form {
    struct context *context;
    enum output_format format;
    enum result result;
    struct error err;
};

static void print_json_line(const struct form_row *row, struct shown_form *shown)
{
    json_t *json = json_loads(row->json, 0, NULL);
    char *line = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    if (line == NULL)
        shown->result =
            error_set(&shown->err, RESULT_DAMAGED, "the registry's text of form %s@%d is not JSON",
                      row->id, row->version);
    else
        puts(line);
    free(line);
    json_decref(json);
}

static void print_field(const char *name, const char *text)
{
    struct strbuf plain = {0};
    output_add_plain(&plain, text);
    printf("%-12s %s\n", name, plain.data != NULL ? plain.data : "-");
    strbuf_free(&plain);
}

static void print_names(const char *title, const char *const *names, size_t count)
{
    struct strbuf line = {0};
    for (size_t i = 0; i < count; i++)
        strbuf_add_format(&line, "%s%s", i > 0 ? ", " : "", names[i]);
    print_field(title, line.data != NULL ? line.data : "");
    strbuf_free(&line);
}

static void print_life(const struct form_row *row)
{
    char from[CLOCK_TEXT];
    char until[CLOCK_TEXT];
    clock_format_seconds(row->effective_from, from);
    clock_format_seconds(row->effective_until, until);
    printf("%-12s from %s%s%s\n", "in force", from,
           row->effective_until == INT64_MAX ? "" : " until ",
           row->effective_until == INT64_MAX ? "" : until);
    clock_format_seconds(row->added_at, from);
    printf("%-12s %s\n", "added", from);
    printf("%-12s %" PRIu64 "\n", "events", row->events);
    if (row->invalidated_at == 0)
        return;
    clock_format_seconds(row->invalidated_at, until);
    printf("%-12s since %s: no consent given through it passes\n", "INVALID", until);
    print_field("because", row->invalid_reason);
}

static bool print_supplier(void *arg, const struct supplier_row *row)
{
    char since[CLOCK_TEXT];
    (void)arg;
    clock_format_seconds(row->invalidated_at, since);
    print_field("supplier", row->id);
    printf("%-12s since %s: no consent it brought passes\n", "INVALID", since);
    print_field("because", row->invalid_reason);
    return true;
}

static void print_form(const struct form_row *row, struct shown_form *shown)
{
    struct form *form = NULL;
    char words[64];
    shown->result = form_parse(row->json, strlen(row->json), &form, &shown->err);
    if (shown->result != RESULT_OK) {
        error_prefix(&shown->err, "the registry's text of form %s@%d", row->id, row->version);
        return;
    }
    printf("%-12s %s@%d\n", "form", form->id, form->version);
    print_field("collector", form->collector_name);
    print_field("siren", form->collector_siren);
    channels_text(form->channels, words, sizeof(words));
    print_field("channels", words);
    purposes_text(form->purposes, words, sizeof(words));
    print_field("purposes", words);
    print_field("language", form->language);
    print_field("display", form->display);
    print_field("url", form->url);
    print_field("wording", form->wording);
    print_names("partners", form->partners, form->n_partners);
    print_names("categories", form->categories, form->n_categories);
    print_life(row);
    form_free(&form);
    shown->result = registry_invalid_suppliers(shown->context->registry, row->id, row->version,
                                               print_supplier, NULL, &shown->err);
}

static bool show_form_row(void *arg, const struct form_row *row)
{
    struct shown_form *shown = arg;
    if (shown->format == OUTPUT_JSON)
        print_json_line(row, shown);
    else
        print_form(row, shown);
    return shown->result == RESULT_OK;
}

static int show_form(struct context *context, const char *id, int version,
                     enum output_format format)
{
    struct shown_form shown = {.context = context, .format = format};
    struct error err = {0};
    if (format == OUTPUT_CSV)
        return print_form_rows(context, id, version, format);
    enum result result =
        registry_forms(context->registry, id, version, show_form_row, &shown, &err);
    if (result != RESULT_OK)
        return command_failed(&err);
    return shown.result == RESULT_OK ? EXIT_DONE : command_failed(&shown.err);
}

int cli_form_show(const struct invocation *invocation, int argc, char **argv)
{
    char **operands;
    const char *format_text = NULL;
    enum output_format format = OUTPUT_TABLE;
    char *id = NULL;
    int version = 0;
    const struct option_spec specs[] = {{"format", OPTION_TEXT, &format_text}, {0}};
    int code = options_read(invocation, argc, argv, specs, 1, 1, &operands);
    if (code != OPTIONS_GO)
        return code;
    if (!option_format(invocation, format_text, &format) ||
        !option_form(invocation, operands[0], &id, &version))
        return EXIT_USAGE;
    struct context context;
    code = EXIT_FAILED;
    if (context_open(invocation, CONTEXT_REGISTRY, &context)) {
        code = show_form(&context, id, version, format);
        context_close(&context);
    }
    free(id);
    return code;
}
