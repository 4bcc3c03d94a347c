/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One file of an archive as it is written: text gathers here and goes on in blocks, so that a file
 * of any length costs the same memory. The first failure is remembered and everything after it
 * ignored, so that who writes a page checks once, at its end.
 */
#ifndef OCTROI_OFFICE_SHEET_H
#define OCTROI_OFFICE_SHEET_H

#include "base/error.h"
#include "base/language.h"
#include "base/str.h"

struct zip;

struct sheet {
    struct zip *zip;   /* borrowed; NULL: a loose sheet, which stays in buf */
    struct strbuf buf; /* owned; what has not gone on yet. May be added to with strbuf_add_… */
    enum language language;
    enum result result;
    struct error *err;
};

/* Begins the entry `name` of zip. */
void sheet_begin(struct sheet *sheet, struct zip *zip, const char *name, struct error *err);
/* Passes on what has gathered, once it is worth it. To be called now and then, such as by row. */
void sheet_turn(struct sheet *sheet);
/* The rest; what became of all of it. */
enum result sheet_end(struct sheet *sheet);

/* A sheet of no archive: all of it is in buf until it ends, and then the caller's. */
void sheet_begin_loose(struct sheet *sheet, struct error *err);
enum result sheet_end_loose(struct sheet *sheet, struct strbuf *out);

/* As it stands: our own markup, never anybody's words. */
void sheet_put(struct sheet *sheet, const char *markup);
/* For HTML, as text between tags or in a quoted attribute: everything that means something there is
 * written as a reference, what is no UTF-8 or no character of a document as U+FFFD. */
void sheet_text(struct sheet *sheet, const char *text);
/* The format's own text and what it inserts, both as sheet_text. */
void sheet_format(struct sheet *sheet, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "<tag>text</tag>". */
void sheet_element(struct sheet *sheet, const char *tag, const char *text);

#endif
