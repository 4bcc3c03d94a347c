/* SPDX-License-Identifier: Apache-2.0 */
#include "office/output.h"

#include "base/csv_write.h"

#include "policy/model.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistr.h>
#include <uniwidth.h>

/* A table needs its widths before its first line. Rows are held back a block at a time, so that a
 * journal of millions does not have to fit into memory; columns only grow from block to block. */
#define BLOCK_ROWS 1000

#define REPLACEMENT "\xef\xbf\xbd"

struct output {
    FILE *stream;                 /* borrowed */
    const struct column *columns; /* borrowed */
    size_t n_columns;
    enum output_format format;
    struct strbuf line;
    char **held; /* owned: BLOCK_ROWS rows of n_columns texts */
    size_t n_held;
    size_t *widths;   /* owned */
    size_t n_guarded; /* CSV: the first so many columns */
    bool header_done;
    bool failed;
};

bool output_format_parse(const char *text, enum output_format *format_out)
{
    static const char *const names[] = {"table", "json", "csv"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strcmp(text, names[i]) == 0) {
            *format_out = (enum output_format)i;
            return true;
        }
    return false;
}

size_t output_width(const char *text)
{
    int width = u8_strwidth((const uint8_t *)text, "UTF-8");
    return width < 0 ? 0 : (size_t)width;
}

void output_add_plain(struct strbuf *buf, const char *text)
{
    size_t left = strlen(text);
    while (left > 0) {
        size_t step = utf8_sequence((const unsigned char *)text, left);
        ucs4_t character = 0;
        if (step > 0)
            u8_mbtouc(&character, (const uint8_t *)text, step);
        /* uc_width is negative for controls: C0, DEL and C1, which terminals obey. */
        if (step == 0 || uc_width(character, "UTF-8") < 0)
            strbuf_add_str(buf, REPLACEMENT);
        else
            strbuf_add(buf, text, step);
        step = step > 0 ? step : 1;
        text += step;
        left -= step;
    }
}

struct output *output_new(FILE *stream, enum output_format format, const struct column *columns)
{
    struct output *output = calloc(1, sizeof(*output));
    if (output == NULL)
        return NULL;
    output->stream = stream;
    output->columns = columns;
    output->format = format;
    while (columns[output->n_columns].name != NULL)
        output->n_columns++;
    if (output->n_columns == 0) {
        free(output); /* a table without columns is a mistake in the program */
        return NULL;
    }
    output->widths = calloc(output->n_columns, sizeof(*output->widths));
    output->held = calloc(BLOCK_ROWS * output->n_columns, sizeof(*output->held));
    if (output->widths == NULL || output->held == NULL) {
        free(output->widths);
        free(output->held);
        free(output);
        return NULL;
    }
    return output;
}

void output_guard(struct output *output, size_t columns)
{
    output->n_guarded = columns;
}

static void write_line(struct output *output)
{
    if (output->line.failed)
        output->failed = true;
    else if (output->line.length > 0)
        fwrite(output->line.data, 1, output->line.length, output->stream);
    strbuf_clear(&output->line);
}

/* ---- table ---- */

static bool in_table(const struct column *column)
{
    return !column->not_in_table && column->type != CELL_JSON;
}

static void add_header_name(struct strbuf *line, const char *name)
{
    for (; *name != '\0'; name++)
        strbuf_add_char(line, *name == '_'                   ? ' '
                              : *name >= 'a' && *name <= 'z' ? (char)(*name - 'a' + 'A')
                                                             : *name);
}

/* Numbers stand to the right, everything else to the left; nothing trails the last column. */
static void add_padded(struct output *output, size_t column, const char *text)
{
    size_t width = output_width(text);
    size_t pad = output->widths[column] > width ? output->widths[column] - width : 0;
    bool right = output->columns[column].type == CELL_NUMBER;
    bool last = true;
    for (size_t i = column + 1; i < output->n_columns; i++)
        last = last && !in_table(&output->columns[i]);
    for (size_t i = 0; right && i < pad; i++)
        strbuf_add_char(&output->line, ' ');
    strbuf_add_str(&output->line, text);
    for (size_t i = 0; !right && !last && i < pad; i++)
        strbuf_add_char(&output->line, ' ');
    if (!last)
        strbuf_add_str(&output->line, "  ");
}

static void write_header(struct output *output)
{
    for (size_t i = 0; i < output->n_columns; i++) {
        struct strbuf name = {0};
        if (!in_table(&output->columns[i]))
            continue;
        add_header_name(&name, output->columns[i].name);
        if (name.failed)
            output->failed = true;
        else
            add_padded(output, i, name.data);
        strbuf_free(&name);
    }
    strbuf_add_char(&output->line, '\n');
    write_line(output);
    output->header_done = true;
}

static void flush_table(struct output *output)
{
    for (size_t i = 0; i < output->n_columns; i++) {
        size_t *width = &output->widths[i];
        if (*width < strlen(output->columns[i].name))
            *width = strlen(output->columns[i].name);
        for (size_t row = 0; in_table(&output->columns[i]) && row < output->n_held; row++) {
            size_t needed = output_width(output->held[row * output->n_columns + i]);
            *width = needed > *width ? needed : *width;
        }
    }
    if (!output->header_done && output->n_held > 0)
        write_header(output);
    for (size_t row = 0; row < output->n_held; row++) {
        for (size_t i = 0; i < output->n_columns; i++) {
            char **text = &output->held[row * output->n_columns + i];
            if (in_table(&output->columns[i]))
                add_padded(output, i, *text);
            free(*text);
            *text = NULL;
        }
        strbuf_add_char(&output->line, '\n');
        write_line(output);
    }
    output->n_held = 0;
}

static char *table_text(const struct column *column, const struct cell *cell)
{
    struct strbuf text = {0};
    if (!cell->present || (column->type == CELL_WORDS && *cell->text == '\0'))
        strbuf_add_char(&text, '-');
    else if (column->type == CELL_NUMBER)
        strbuf_add_format(&text, "%" PRId64, cell->number);
    else if (column->type == CELL_FLAG)
        strbuf_add_str(&text, cell->number != 0 ? "yes" : "no");
    else
        output_add_plain(&text, *cell->text != '\0' ? cell->text : "-");
    char *taken = strbuf_take(&text);
    for (char *bar = taken; column->type == CELL_WORDS && bar != NULL;) {
        bar = strchr(bar, '|');
        if (bar != NULL)
            *bar = ',';
    }
    return taken;
}

static void hold_row(struct output *output, const struct cell *cells)
{
    char **row = &output->held[output->n_held * output->n_columns];
    for (size_t i = 0; i < output->n_columns; i++) {
        row[i] = in_table(&output->columns[i]) ? table_text(&output->columns[i], &cells[i]) : NULL;
        if (in_table(&output->columns[i]) && row[i] == NULL) {
            for (size_t j = 0; j < i; j++)
                free(row[j]);
            memset(row, 0, output->n_columns * sizeof(*row));
            output->failed = true;
            return;
        }
    }
    if (++output->n_held == BLOCK_ROWS)
        flush_table(output);
}

/* ---- json and csv ---- */

static void add_json_words(struct strbuf *line, const char *words)
{
    strbuf_add_char(line, '[');
    for (const char *word = words; *word != '\0';) {
        size_t length = strcspn(word, "|");
        strbuf_add_str(line, word == words ? "\"" : ",\"");
        strbuf_add_json(line, word, length);
        strbuf_add_char(line, '"');
        word += length + (word[length] == '|');
    }
    strbuf_add_char(line, ']');
}

static void add_json_cell(struct strbuf *line, enum cell_type type, const struct cell *cell)
{
    if (!cell->present) {
        strbuf_add_str(line, "null");
        return;
    }
    switch (type) {
    case CELL_TEXT:
        strbuf_add_char(line, '"');
        strbuf_add_json(line, cell->text, strlen(cell->text));
        strbuf_add_char(line, '"');
        break;
    case CELL_NUMBER:
        strbuf_add_format(line, "%" PRId64, cell->number);
        break;
    case CELL_FLAG:
        strbuf_add_str(line, cell->number != 0 ? "true" : "false");
        break;
    case CELL_WORDS:
        add_json_words(line, cell->text);
        break;
    case CELL_JSON:
        strbuf_add_str(line, cell->text);
        break;
    }
}

static void json_row(struct output *output, const struct cell *cells)
{
    for (size_t i = 0; i < output->n_columns; i++) {
        strbuf_add_format(&output->line, "%c\"%s\":", i == 0 ? '{' : ',', output->columns[i].name);
        add_json_cell(&output->line, output->columns[i].type, &cells[i]);
    }
    strbuf_add_str(&output->line, "}\n");
    write_line(output);
}

static void csv_header(struct output *output)
{
    for (size_t i = 0; i < output->n_columns; i++)
        if (output->columns[i].type != CELL_JSON) {
            if (output->line.length > 0)
                strbuf_add_char(&output->line, ',');
            csv_add_field(&output->line, output->columns[i].name);
        }
    strbuf_add_str(&output->line, "\r\n");
    write_line(output);
    output->header_done = true;
}

static void csv_row(struct output *output, const struct cell *cells)
{
    bool first = true;
    if (!output->header_done)
        csv_header(output);
    for (size_t i = 0; i < output->n_columns; i++) {
        enum cell_type type = output->columns[i].type;
        if (type == CELL_JSON)
            continue;
        if (!first)
            strbuf_add_char(&output->line, ',');
        first = false;
        if (!cells[i].present)
            continue;
        if (type == CELL_NUMBER)
            strbuf_add_format(&output->line, "%" PRId64, cells[i].number);
        else if (type == CELL_FLAG)
            strbuf_add_str(&output->line, cells[i].number != 0 ? "true" : "false");
        else if (i < output->n_guarded)
            csv_add_foreign(&output->line, cells[i].text);
        else
            csv_add_field(&output->line, cells[i].text);
    }
    strbuf_add_str(&output->line, "\r\n");
    write_line(output);
}

bool output_row(struct output *output, const struct cell *cells)
{
    switch (output->format) {
    case OUTPUT_TABLE:
        hold_row(output, cells);
        break;
    case OUTPUT_JSON:
        json_row(output, cells);
        break;
    case OUTPUT_CSV:
        csv_row(output, cells);
        break;
    }
    return !output->failed;
}

enum result output_end(struct output **output_ref, struct error *err)
{
    struct output *output = *output_ref;
    if (output == NULL)
        return RESULT_OK;
    if (output->format == OUTPUT_TABLE)
        flush_table(output);
    if (output->format == OUTPUT_TABLE && !output->header_done && !output->failed)
        fputs("(none)\n", output->stream);
    if (output->format == OUTPUT_CSV && !output->header_done)
        csv_header(output);
    bool failed = output->failed;
    strbuf_free(&output->line);
    free(output->held);
    free(output->widths);
    free(output);
    *output_ref = NULL;
    return failed ? error_no_memory(err) : RESULT_OK;
}
