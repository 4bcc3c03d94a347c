/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTML being written. Markup and text have functions of their own, so that nothing a partner, a
 * form or a configuration says can become markup: only page_raw takes HTML, and only constants are
 * given to it.
 */
#ifndef OCTROI_BASE_HTML_H
#define OCTROI_BASE_HTML_H

#include "base/language.h"
#include "base/str.h"

/* & < > " ' escaped; what is no valid UTF-8, and control characters, as U+FFFD. Line ends and tabs
 * stay. */
void html_add_text(struct strbuf *out, const char *text);

struct page {
    struct strbuf html;
    enum language language;
};

/* Markup, as it stands. */
void page_raw(struct page *page, const char *markup);
/* Text, escaped. */
void page_text(struct page *page, const char *text);
/* A constant of ours, translated, then escaped. */
void page_tr(struct page *page, const char *msgid);
/* <name>text</name>, name may carry attributes: "p class=\"note\"". */
void page_element(struct page *page, const char *name, const char *text);
void page_element_tr(struct page *page, const char *name, const char *msgid);

/* A table's head: heads ends with NULL and is translated; a head that begins with '#' stands over
 * numbers, which are set to the right. */
void page_table(struct page *page, const char *const *heads);
void page_table_end(struct page *page);
void page_row(struct page *page);
void page_cell(struct page *page, const char *text);
void page_code(struct page *page, const char *text); /* a cell in fixed width */
void page_number(struct page *page, int64_t number);
void page_share(struct page *page, uint64_t part, uint64_t whole);
void page_date(struct page *page, int64_t instant); /* a cell with a day */
void page_time(struct page *page, int64_t instant); /* a cell with a moment */

#endif
