/* SPDX-License-Identifier: Apache-2.0 */
#include "base/html.h"

#include <string.h>

static const char *entity(unsigned char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

/* C0 but for tab and line end, DEL, and C1 (in UTF-8: C2 80 … C2 9F). */
static bool is_control(const unsigned char *at, size_t length)
{
    if (length == 1)
        return (*at < 0x20 && *at != '\n' && *at != '\t') || *at == 0x7f;
    return length == 2 && at[0] == 0xc2 && at[1] < 0xa0;
}

void html_add_text(struct strbuf *out, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t left = strlen(text);
    while (left > 0) {
        const char *escaped = entity(*at);
        size_t length = utf8_sequence(at, left);
        if (escaped != NULL)
            strbuf_add_str(out, escaped);
        else if (length == 0 || is_control(at, length))
            strbuf_add_str(out, "\ufffd");
        else
            strbuf_add(out, at, length);
        at += length > 0 ? length : 1;
        left -= length > 0 ? length : 1;
    }
}

void page_raw(struct page *page, const char *markup)
{
    strbuf_add_str(&page->html, markup);
}

void page_text(struct page *page, const char *text)
{
    html_add_text(&page->html, text);
}

void page_tr(struct page *page, const char *msgid)
{
    html_add_text(&page->html, tr(page->language, msgid));
}

void page_element(struct page *page, const char *name, const char *text)
{
    size_t word = strcspn(name, " ");
    strbuf_add_format(&page->html, "<%s>", name);
    page_text(page, text);
    strbuf_add_format(&page->html, "</%.*s>\n", (int)word, name);
}

void page_element_tr(struct page *page, const char *name, const char *msgid)
{
    page_element(page, name, tr(page->language, msgid));
}

void page_table(struct page *page, const char *const *heads)
{
    page_raw(page, "<table>\n<thead><tr>");
    for (; *heads != NULL; heads++) {
        bool number = **heads == '#';
        page_raw(page, number ? "<th scope=\"col\" class=\"n\">" : "<th scope=\"col\">");
        page_text(page, tr(page->language, *heads) + number);
        page_raw(page, "</th>");
    }
    page_raw(page, "</tr></thead>\n<tbody>");
}

void page_table_end(struct page *page)
{
    page_raw(page, "</tbody>\n</table>\n");
}

void page_row(struct page *page)
{
    page_raw(page, "\n<tr>"); /* its end may be left out in HTML */
}

void page_cell(struct page *page, const char *text)
{
    page_raw(page, "<td>");
    page_text(page, text);
    page_raw(page, "</td>");
}

void page_code(struct page *page, const char *text)
{
    page_raw(page, "<td><code>");
    page_text(page, text);
    page_raw(page, "</code></td>");
}

void page_number(struct page *page, int64_t number)
{
    page_raw(page, "<td class=\"n\">");
    language_add_number(&page->html, page->language, number);
    page_raw(page, "</td>");
}

void page_share(struct page *page, uint64_t part, uint64_t whole)
{
    struct strbuf text = {0};
    language_add_share(&text, page->language, part, whole);
    page_raw(page, "<td class=\"n\">");
    page_text(page, text.data != NULL ? text.data : "");
    page_raw(page, "</td>");
    page->html.failed = page->html.failed || text.failed;
    strbuf_free(&text);
}

void page_date(struct page *page, int64_t instant)
{
    page_raw(page, "<td>");
    language_add_date(&page->html, page->language, instant);
    page_raw(page, "</td>");
}

void page_time(struct page *page, int64_t instant)
{
    page_raw(page, "<td>");
    language_add_time(&page->html, page->language, instant);
    page_raw(page, "</td>");
}
