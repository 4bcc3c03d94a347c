/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/screen_column.h"

#include "base/crypto.h"
#include "base/csv.h"
#include "base/str.h"
#include "policy/recipient.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <uninorm.h>

static const char separators[] = {',', ';', '\t'};
enum { SEPARATORS = sizeof(separators), NAME_MOST = 200 };

/* What people call the column, the likeliest first. */
static const char *const email_names[] = {"recipient", "email", "e-mail", "mail", "courriel", NULL};
static const char *const phone_names[] = {"recipient", "phone",  "telephone", "téléphone",
                                          "mobile",    "msisdn", "tel",       NULL};

/* The first row, taken with one separator. */
struct first_row {
    char separator;
    bool there;
    bool readable;
    size_t count;
    char *fields[CSV_FIELDS_MAX]; /* owned */
    bool no_memory;
    bool found;    /* the column was, at place */
    bool repeated; /* more than once */
    size_t place;
};

static bool keep_row(void *arg, const struct csv_row *row)
{
    struct first_row *first = arg;
    first->there = true;
    first->readable = row->problem == NULL;
    for (size_t i = 0; i < row->count; i++) {
        first->fields[i] = strdup(row->fields[i]);
        if (first->fields[i] == NULL) {
            first->no_memory = true;
            break;
        }
        first->count = i + 1;
    }
    return false;
}

static void read_first(struct first_row *first, char separator, const char *text, size_t length)
{
    *first = (struct first_row){.separator = separator};
    struct csv *csv = csv_new(keep_row, first);
    if (csv == NULL) {
        first->no_memory = true;
        return;
    }
    csv_set_separator(csv, separator);
    if (csv_feed(csv, text, length))
        (void)csv_finish(csv);
    first->no_memory |= csv_out_of_memory(csv);
    csv_free(&csv);
}

static void forget(struct first_row *first)
{
    for (size_t i = 0; i < first->count; i++)
        free(first->fields[i]);
}

/* As people compare words: case, accents written in one piece or two, and blanks around do not
 * matter. */
static bool same_name(const char *field, const char *name)
{
    int difference = 1;
    while (*field == ' ')
        field++;
    size_t length = strlen(field);
    while (length > 0 && field[length - 1] == ' ')
        length--;
    return length < NAME_MOST &&
           u8_casecmp((const uint8_t *)field, length, (const uint8_t *)name, strlen(name), NULL,
                      UNINORM_NFC, &difference) == 0 &&
           difference == 0;
}

static void look_for(struct first_row *first, const char *name)
{
    for (size_t i = 0; i < first->count; i++) {
        if (!same_name(first->fields[i], name))
            continue;
        first->repeated |= first->found;
        if (!first->found)
            first->place = i;
        first->found = true;
    }
}

/* From 1; 0 when it is no number. */
static size_t column_number(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits <= 4 && text[digits] == '\0' ? (size_t)strtoul(text, NULL, 10) : 0;
}

static void find_column(const struct layout_question *question, struct first_row *first)
{
    bool phone = question->channel != CHANNEL_EMAIL;
    const char *const *lists[] = {
        question->channel == CHANNEL_EMAIL || question->channel == CHANNEL_POST ? email_names
                                                                                : phone_names,
        question->channel == CHANNEL_POST ? phone_names : NULL};
    if (question->column != NULL) {
        size_t number = column_number(question->column);
        if (question->header)
            look_for(first, question->column);
        if (!first->found && number > 0 && number <= first->count) {
            first->found = true;
            first->place = number - 1;
        }
        return;
    }
    if (!question->header) {
        first->found = first->count == 1;
        return;
    }
    for (size_t i = 0; i < 1 + (size_t)phone; i++)
        for (const char *const *name = lists[i]; name != NULL && *name != NULL && !first->found;
             name++)
            look_for(first, *name);
}

/* ---- what to say ---- */

/* A list without a header would show an address here: only plain words are repeated. */
static bool plain_word(const char *field)
{
    size_t plain =
        strspn(field, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_ -éèêàçùÉÈÀ");
    return plain > 0 && plain <= 40 && field[plain] == '\0';
}

static enum result say_not_found(const struct layout_question *question,
                                 const struct first_row *first, struct error *err)
{
    enum result result;
    if (question->column != NULL && !question->header)
        return error_set(err, RESULT_BAD_INPUT,
                         "--column is to be a number from 1 to %zu: the first row has no more",
                         first->count);
    if (!question->header)
        return error_set(err, RESULT_BAD_INPUT,
                         "with --no-header, --column N has to say which of the %zu columns holds "
                         "the address",
                         first->count);
    if (question->column != NULL && plain_word(question->column))
        result = error_set(err, RESULT_BAD_INPUT, "no column is called \"%s\"", question->column);
    else if (question->column != NULL)
        result = error_set(err, RESULT_BAD_INPUT, "there is no such column");
    else
        result = error_set(err, RESULT_BAD_INPUT,
                           "no column is named like one of addresses for %s (%s): say which with "
                           "--column NAME, or --no-header --column N when the first row is no "
                           "header",
                           channel_name(question->channel),
                           question->channel == CHANNEL_EMAIL  ? "such as email or courriel"
                           : question->channel == CHANNEL_POST ? "such as email or telephone"
                                                               : "such as telephone or mobile");
    const char *lead = ". The columns are: ";
    size_t others = 0;
    for (size_t i = 0; i < first->count; i++) {
        if (!plain_word(first->fields[i])) {
            others++;
            continue;
        }
        error_suffix(err, "%s%s", lead, first->fields[i]);
        lead = ", ";
    }
    if (others > 0 && others < first->count)
        error_suffix(err, ", and %zu with other names", others);
    return result;
}

/* Else the first person of a list without a header would leave unjudged, as its header. */
static bool holds_address(const struct layout_question *question, const char *field)
{
    struct strbuf text = {0};
    struct address address;
    field += strspn(field, " \t");
    size_t length = strlen(field);
    while (length > 0 && (field[length - 1] == ' ' || field[length - 1] == '\t'))
        length--;
    strbuf_add(&text, field, length);
    bool holds = text.failed || (length > 0 && address_parse(text.data, question->region, &address,
                                                             NULL) == RESULT_OK);
    wipe(&address, sizeof(address));
    if (text.data != NULL)
        wipe(text.data, text.capacity);
    strbuf_free(&text);
    return holds;
}

static enum result choose(const struct layout_question *question, const struct first_row *rows,
                          size_t count, struct layout *layout, struct error *err)
{
    const struct first_row *best = NULL; /* with the column; else the one with most fields */
    size_t choices = 0;                  /* that part the row and have the column */
    bool by_count = !question->header && question->column == NULL;
    for (size_t i = 0; i < count; i++) {
        const struct first_row *row = &rows[i];
        if (row->no_memory)
            return error_no_memory(err);
        if (!row->readable)
            continue;
        choices += row->found && row->count > 1;
        if (best == NULL || (row->found && !best->found && !by_count) ||
            ((row->found == best->found || by_count) && row->count > best->count))
            best = row;
    }
    if (!rows[0].there)
        return error_set(err, RESULT_BAD_INPUT, "the list is empty");
    if (best == NULL)
        return error_set(err, RESULT_BAD_INPUT, "the first row cannot be read as CSV");
    if (choices > 1)
        return error_set(err, RESULT_BAD_INPUT,
                         "it cannot be told what separates the fields: say it with --separator");
    if (!best->found)
        return say_not_found(question, best, err);
    if (best->repeated)
        return error_set(err, RESULT_BAD_INPUT,
                         "two columns bear that name: say which with --column N");
    if (question->header && holds_address(question, best->fields[best->place]))
        return error_set(err, RESULT_BAD_INPUT,
                         "the first row is no header (column %zu holds an address): say "
                         "--no-header",
                         best->place + 1);
    *layout = (struct layout){
        .separator = best->separator, .column = best->place, .columns = best->count};
    return RESULT_OK;
}

enum result layout_find(const struct layout_question *question, const char *text, size_t length,
                        struct layout *layout_out, struct error *err)
{
    const char *tried = question->separator != '\0' ? &question->separator : separators;
    size_t count = question->separator != '\0' ? 1 : SEPARATORS;
    struct first_row *rows = calloc(SEPARATORS, sizeof(*rows));
    if (rows == NULL)
        return error_no_memory(err);
    for (size_t i = 0; i < count; i++) {
        read_first(&rows[i], tried[i], text, length);
        find_column(question, &rows[i]);
    }
    enum result result = choose(question, rows, count, layout_out, err);
    for (size_t i = 0; i < count; i++)
        forget(&rows[i]);
    free(rows);
    return result;
}

bool layout_separator(const char *text, char *separator_out)
{
    if (strcmp(text, "tab") == 0 || strcmp(text, "\t") == 0)
        *separator_out = '\t';
    else if ((text[0] == ',' || text[0] == ';') && text[1] == '\0')
        *separator_out = text[0];
    else
        return false;
    return true;
}
