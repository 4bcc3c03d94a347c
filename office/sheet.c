/* SPDX-License-Identifier: Apache-2.0 */
#include "office/sheet.h"

#include "base/html.h"
#include "office/zip.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK (64u * 1024)

void sheet_begin(struct sheet *sheet, struct zip *zip, const char *name, struct error *err)
{
    enum language language = sheet->language;
    *sheet = (struct sheet){.zip = zip, .language = language, .err = err};
    sheet->result = zip_entry(zip, name, err);
}

void sheet_begin_loose(struct sheet *sheet, struct error *err)
{
    *sheet = (struct sheet){.language = sheet->language, .err = err, .result = RESULT_OK};
}

static void pass_on(struct sheet *sheet)
{
    if (sheet->buf.failed && sheet->result == RESULT_OK)
        sheet->result = error_no_memory(sheet->err);
    if (sheet->result == RESULT_OK && sheet->buf.length > 0)
        sheet->result = zip_write(sheet->zip, sheet->buf.data, sheet->buf.length, sheet->err);
    strbuf_clear(&sheet->buf);
}

void sheet_turn(struct sheet *sheet)
{
    if (sheet->zip != NULL && (sheet->buf.length >= BLOCK || sheet->result != RESULT_OK))
        pass_on(sheet);
}

enum result sheet_end_loose(struct sheet *sheet, struct strbuf *out)
{
    if (sheet->buf.failed && sheet->result == RESULT_OK)
        sheet->result = error_no_memory(sheet->err);
    *out = sheet->buf;
    sheet->buf = (struct strbuf){0};
    return sheet->result;
}

enum result sheet_end(struct sheet *sheet)
{
    pass_on(sheet);
    strbuf_free(&sheet->buf);
    return sheet->result;
}

void sheet_put(struct sheet *sheet, const char *markup)
{
    strbuf_add_str(&sheet->buf, markup);
}

void sheet_text(struct sheet *sheet, const char *text)
{
    html_add_text(&sheet->buf, text);
    sheet_turn(sheet);
}

void sheet_format(struct sheet *sheet, const char *format, ...)
{
    va_list args;
    char *text = NULL;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0) {
        sheet->buf.failed = true;
        return;
    }
    sheet_text(sheet, text);
    free(text);
}

void sheet_element(struct sheet *sheet, const char *tag, const char *text)
{
    strbuf_add_format(&sheet->buf, "<%s>", tag);
    sheet_text(sheet, text);
    strbuf_add_format(&sheet->buf, "</%s>", tag);
}
