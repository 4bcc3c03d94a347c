/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A company's own file as the persons to look at: with its addresses, it can act on the lists. Its
 * header names the columns; which of them holds the address must be plain from its name. A line
 * that cannot be used is named on standard error.
 */
#include "cli/remediation.h"
#include "cli/screen_column.h"

#include <stdlib.h>
#include <string.h>

struct reading {
    struct remediation *remediation;
    const char *name; /* of the file, for messages */
    size_t column;
    uint64_t refused;
    enum result result;
    struct error *err;
};

static const char *const known[] = {"recipient", "address",  "adresse",  "email",     "e-mail",
                                    "mail",      "courriel", "phone",    "telephone", "téléphone",
                                    "tel",       "mobile",   "portable", "msisdn"};
enum { KNOWN = sizeof(known) / sizeof(known[0]) };

static bool names_address(const char *text)
{
    for (size_t i = 0; i < KNOWN; i++)
        if (ascii_equal(text, known[i]))
            return true;
    return false;
}

/* The one by which the header has a column of addresses among others; a comma where none does, and
 * what is amiss is then said by take_header. */
static char find_separator(const char *text, size_t length)
{
    static const char separators[] = {',', ';', '\t'};
    struct layout layout;
    struct error none = {0};
    for (size_t i = 0; i < sizeof(separators); i++)
        for (size_t j = 0; j < KNOWN; j++) {
            const struct layout_question question = {.channel = CHANNEL_POST,
                                                     .header = true,
                                                     .column = known[j],
                                                     .separator = separators[i]};
            if (layout_find(&question, text, length, &layout, &none) == RESULT_OK &&
                layout.columns > 1)
                return separators[i];
        }
    return ',';
}

static enum result take_header(struct reading *reading, const struct csv_row *row)
{
    struct remediation *remediation = reading->remediation;
    size_t found = 0;
    for (size_t i = 0; i < row->count; i++) {
        if (!names_address(row->fields[i]))
            continue;
        reading->column = i;
        found++;
    }
    if (found != 1)
        return error_set(reading->err, RESULT_BAD_INPUT,
                         "%s: %s column is named as an address (such as email, recipient, phone)",
                         reading->name, found == 0 ? "no" : "more than one");
    remediation->names = calloc(row->count, sizeof(char *));
    if (remediation->names == NULL)
        return error_no_memory(reading->err);
    for (size_t i = 0; i < row->count; i++, remediation->n_columns++)
        if ((remediation->names[i] = strdup(row->fields[i])) == NULL)
            return error_no_memory(reading->err);
    return remediation_begin(remediation, reading->err);
}

static void refuse(struct reading *reading, const struct csv_row *row, const char *why)
{
    fprintf(stderr, "%s:%llu: %s\n", reading->name, (unsigned long long)row->line, why);
    reading->refused++;
}

static void take_person(struct reading *reading, const struct csv_row *row)
{
    struct remediation *remediation = reading->remediation;
    struct context *context = remediation->context;
    struct address address;
    struct recipient recipient;
    struct error err = {0};
    enum result result =
        address_parse(row->fields[reading->column], context->config->region, &address, &err);
    if (result != RESULT_OK) {
        refuse(reading, row, err.text);
        return;
    }
    result = recipient_make(context->hmac, &address, &recipient, reading->err);
    const struct person person = {
        .key = recipient.key, .masked = recipient.masked, .kind_known = true, .kind = address.kind};
    remediation->fields = row->fields;
    if (result == RESULT_OK)
        result = remediation_person(remediation, &person, reading->err);
    wipe(address.text, sizeof(address.text));
    reading->result = result;
}

static bool on_row(void *arg, const struct csv_row *row)
{
    struct reading *reading = arg;
    if (row->problem != NULL)
        refuse(reading, row, row->problem);
    else if (reading->remediation->names == NULL)
        reading->result = take_header(reading, row);
    else if (row->count != reading->remediation->n_columns)
        refuse(reading, row, "has another number of fields than the header");
    else
        take_person(reading, row);
    return reading->result == RESULT_OK;
}

static enum result read_all(struct reading *reading, FILE *input)
{
    static char block[65536];
    size_t n;
    struct csv *csv = csv_new(on_row, reading);
    if (csv == NULL)
        return error_no_memory(reading->err);
    bool going = true;
    bool first = true;
    while (going && (n = fread(block, 1, sizeof(block), input)) > 0) {
        if (first)
            csv_set_separator(csv, find_separator(block, n));
        first = false;
        going = csv_feed(csv, block, n);
    }
    if (going)
        going = csv_finish(csv);
    if (reading->result == RESULT_OK && ferror(input))
        reading->result = error_set(reading->err, RESULT_SYSTEM, "cannot read %s", reading->name);
    else if (reading->result == RESULT_OK && !going)
        reading->result = error_no_memory(reading->err);
    csv_free(&csv);
    wipe(block, sizeof(block));
    return reading->result;
}

enum result remediation_list(struct remediation *remediation, FILE *input, const char *name,
                             struct error *err)
{
    struct reading reading = {
        .remediation = remediation, .name = name, .result = RESULT_OK, .err = err};
    struct error end = {0};
    remediation->names = NULL;
    remediation->n_columns = 0;
    enum result result = read_all(&reading, input);
    if (result == RESULT_OK && remediation->names == NULL)
        result = error_set(err, RESULT_BAD_INPUT, "%s is empty: a header is missing", name);
    enum result ended = remediation_end(remediation, &end);
    if (result == RESULT_OK && ended != RESULT_OK)
        result = error_set(err, ended, "%s", end.text);
    for (size_t i = 0; i < remediation->n_columns; i++)
        free(remediation->names[i]);
    free(remediation->names);
    remediation->names = NULL;
    remediation->n_columns = 0;
    remediation->fields = NULL;
    remediation->refused += reading.refused;
    return result;
}
