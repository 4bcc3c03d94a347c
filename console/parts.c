/* SPDX-License-Identifier: Apache-2.0 */
/* What stands between a page's heading and its foot, forms aside (fields.c). */
#include "console/layout.h"

#include "office/words.h"
#include "policy/calendar.h"

#include <string.h>

/* ---- text ---- */

void part_begin(struct visit *visit, const char *title)
{
    page_raw(&visit->page, "<section>\n");
    page_element_tr(&visit->page, "h2", title);
}

void part_begin_at(struct visit *visit, const char *id, const char *title)
{
    page_raw(&visit->page, "<section id=\"");
    page_raw(&visit->page, id);
    page_raw(&visit->page, "\">\n");
    page_element_tr(&visit->page, "h2", title);
}

void part_end(struct visit *visit)
{
    page_raw(&visit->page, "</section>\n");
}

void part_text(struct visit *visit, const char *sentence)
{
    page_element_tr(&visit->page, "p", sentence);
}

void part_sentence(struct visit *visit, const char *element, const char *sentence, const char *one,
                   const char *two, const char *three)
{
    struct strbuf text = {0};
    const char *const values[] = {one, two, three};
    size_t n = 0;
    const char *at = tr(visit->language, sentence);
    /* Each %s in its turn: what is put in is never read as a format. */
    for (const char *hole; n < 3 && values[n] != NULL && (hole = strstr(at, "%s")) != NULL;
         at = hole + 2) {
        strbuf_add(&text, at, (size_t)(hole - at));
        strbuf_add_str(&text, values[n++]);
    }
    strbuf_add_str(&text, at);
    page_element(&visit->page, element, text.data != NULL ? text.data : "");
    visit->page.html.failed = visit->page.html.failed || text.failed;
    strbuf_free(&text);
}

static void link_to(struct visit *visit, const char *path, const char *text)
{
    page_raw(&visit->page, "<a href=\"");
    page_text(&visit->page, path);
    page_raw(&visit->page, "\">");
    page_text(&visit->page, text);
    page_raw(&visit->page, "</a>");
}

void part_link(struct visit *visit, const char *path, const char *text)
{
    link_to(visit, path, tr(visit->language, text));
}

void part_link_named(struct visit *visit, const char *path, const char *name)
{
    link_to(visit, path, name);
}

void part_empty(struct visit *visit, const char *sentence, const char *path, const char *link)
{
    page_raw(&visit->page, "<div class=\"empty\">\n");
    part_text(visit, sentence);
    if (path != NULL) {
        page_raw(&visit->page, "<p>");
        part_link(visit, path, link);
        page_raw(&visit->page, "</p>\n");
    }
    page_raw(&visit->page, "</div>\n");
}

void part_notice(struct visit *visit, const char *kind, const char *sentence, const char *name)
{
    page_raw(&visit->page, "<div class=\"notice ");
    page_raw(&visit->page, kind);
    page_raw(&visit->page, "\" role=\"status\">");
    part_sentence(visit, "p", sentence, name, NULL, NULL);
    page_raw(&visit->page, "</div>\n");
}

/* ---- moments, codes, badges ---- */

/* As a clock on the wall there shows it, told as if it were UTC. */
static int64_t wall_time(const struct visit *visit, int64_t instant)
{
    struct local_time local, utc;
    if (!local_time_at(visit->timezone, instant, &local) || !local_time_at("UTC", instant, &utc))
        return instant;
    int ahead = local.minute - utc.minute;
    if (local.day != utc.day)
        ahead += ahead < 0 ? 24 * 60 : -24 * 60;
    return instant + ahead * (60 * CLOCK_SECOND);
}

int64_t time_off_wall(const struct visit *visit, int64_t wall)
{
    int64_t near = wall - (wall_time(visit, wall) - wall);
    return wall - (wall_time(visit, near) - near);
}

static void open_time(struct visit *visit, int64_t instant)
{
    char text[CLOCK_TEXT];
    clock_format(instant, text);
    page_raw(&visit->page, "<time datetime=\"");
    page_text(&visit->page, text);
    page_raw(&visit->page, "\">");
}

void time_add(struct visit *visit, int64_t instant)
{
    struct strbuf *html = &visit->page.html;
    int64_t wall = wall_time(visit, instant);
    int64_t into = wall % CLOCK_DAY;
    int64_t minute = (into < 0 ? into + CLOCK_DAY : into) / (60 * CLOCK_SECOND);
    open_time(visit, instant);
    language_add_date(html, visit->language, wall);
    strbuf_add_str(html, visit->language == LANGUAGE_FR ? " à " : ", ");
    strbuf_add_format(html, "%02d:%02d</time>", (int)(minute / 60), (int)(minute % 60));
}

void date_add(struct visit *visit, int64_t instant)
{
    open_time(visit, instant);
    language_add_date(&visit->page.html, visit->language, wall_time(visit, instant));
    page_raw(&visit->page, "</time>");
}

void code_add(struct visit *visit, const char *words, const char *code)
{
    page_text(&visit->page, words);
    if (code == NULL || code[0] == '\0' || strcmp(code, words) == 0)
        return;
    page_raw(&visit->page, " <code>");
    page_text(&visit->page, code);
    page_raw(&visit->page, "</code>");
}

static void badge(struct visit *visit, const char *kind, const char *text)
{
    page_raw(&visit->page, "<span class=\"badge ");
    page_raw(&visit->page, kind);
    page_raw(&visit->page, "\">");
    page_text(&visit->page, text);
    page_raw(&visit->page, "</span>");
}

void badge_add(struct visit *visit, const char *kind, const char *text)
{
    badge(visit, kind, tr(visit->language, text));
}

void verdict_add(struct visit *visit, const char *verdict)
{
    const char *kind = strcmp(verdict, "pass") == 0    ? "good"
                       : strcmp(verdict, "block") == 0 ? "bad"
                                                       : "warn";
    badge(visit, kind, word_verdict(visit->language, verdict));
}

/* ---- names and values ---- */

void facts_begin(struct visit *visit)
{
    page_raw(&visit->page, "<dl class=\"facts\">\n");
}

void facts_end(struct visit *visit)
{
    page_raw(&visit->page, "</dl>\n");
}

void fact_open(struct visit *visit, const char *name)
{
    page_raw(&visit->page, "<div>");
    page_element_tr(&visit->page, "dt", name);
    page_raw(&visit->page, "<dd>");
}

void fact_close(struct visit *visit)
{
    page_raw(&visit->page, "</dd></div>\n");
}

void fact(struct visit *visit, const char *name, const char *value)
{
    if (value == NULL || value[0] == '\0')
        return;
    fact_open(visit, name);
    page_text(&visit->page, value);
    fact_close(visit);
}

void fact_tr(struct visit *visit, const char *name, const char *value)
{
    fact(visit, name, tr(visit->language, value));
}

void fact_code(struct visit *visit, const char *name, const char *words, const char *code)
{
    fact_open(visit, name);
    code_add(visit, words, code);
    fact_close(visit);
}

void fact_time(struct visit *visit, const char *name, int64_t instant)
{
    fact_open(visit, name);
    time_add(visit, instant);
    fact_close(visit);
}

void fact_number(struct visit *visit, const char *name, int64_t number)
{
    fact_open(visit, name);
    language_add_number(&visit->page.html, visit->language, number);
    fact_close(visit);
}

/* ---- tables ---- */

void grid_begin(struct visit *visit, const char *caption, const char *const *heads)
{
    struct page *page = &visit->page;
    page_raw(page, "<div class=\"grid\" tabindex=\"0\" role=\"region\" aria-label=\"");
    page_tr(page, caption);
    page_raw(page, "\">\n");
    page_table(page, heads);
}

void grid_end(struct visit *visit)
{
    page_table_end(&visit->page);
    page_raw(&visit->page, "</div>\n");
}

void cell_time(struct visit *visit, int64_t instant)
{
    page_raw(&visit->page, "<td class=\"time\">");
    time_add(visit, instant);
    page_raw(&visit->page, "</td>");
}

void cell_code(struct visit *visit, const char *words, const char *code)
{
    page_raw(&visit->page, "<td>");
    code_add(visit, words, code);
    page_raw(&visit->page, "</td>");
}

void cell_link(struct visit *visit, const char *path, const char *text)
{
    page_raw(&visit->page, "<td>");
    link_to(visit, path, text);
    page_raw(&visit->page, "</td>");
}

void cell_verdict(struct visit *visit, const char *verdict)
{
    page_raw(&visit->page, "<td>");
    verdict_add(visit, verdict);
    page_raw(&visit->page, "</td>");
}

/* ---- numbers ---- */

void tiles_begin(struct visit *visit)
{
    page_raw(&visit->page, "<ul class=\"tiles\">\n");
}

void tiles_end(struct visit *visit)
{
    page_raw(&visit->page, "</ul>\n");
}

void tile_compared(struct visit *visit, const char *label, int64_t number, uint64_t whole,
                   const char *path, int64_t before)
{
    struct page *page = &visit->page;
    page_raw(page, "<li>");
    if (path != NULL) {
        page_raw(page, "<a href=\"");
        page_text(page, path);
        page_raw(page, "\">");
    }
    page_raw(page, "<span class=\"label\">");
    page_tr(page, label);
    page_raw(page, "</span> <strong>");
    language_add_number(&page->html, visit->language, number);
    page_raw(page, "</strong>");
    if (whole > 0) {
        page_raw(page, " <span class=\"note\">");
        language_add_share(&page->html, visit->language, (uint64_t)number, whole);
        page_raw(page, "</span>");
    }
    if (before >= 0) {
        struct strbuf text = {0};
        language_add_number(&text, visit->language, before);
        part_sentence(visit, "span class=\"note before\"", N_("before: %s"),
                      text.failed ? "" : text.data, NULL, NULL);
        strbuf_free(&text);
    }
    page_raw(page, path != NULL ? "</a></li>\n" : "</li>\n");
}

void tile_number(struct visit *visit, const char *label, int64_t number, uint64_t whole,
                 const char *path)
{
    tile_compared(visit, label, number, whole, path, -1);
}

/* ---- how things are ---- */

void states_begin(struct visit *visit)
{
    page_raw(&visit->page, "<ul class=\"states\">\n");
}

void states_end(struct visit *visit)
{
    page_raw(&visit->page, "</ul>\n");
}

void state_open(struct visit *visit, const char *kind, const char *badge, const char *sentence,
                const char *one, const char *two, const char *three)
{
    page_raw(&visit->page, "<li>");
    badge_add(visit, kind, badge);
    page_raw(&visit->page, "<div>");
    part_sentence(visit, "span", sentence, one, two, three);
    page_raw(&visit->page, "\n");
}

void state_close(struct visit *visit)
{
    page_raw(&visit->page, "</div></li>\n");
}

/* ---- charts ---- */

/* Its height is the style sheet's: nothing moves when it is drawn. */
static void chart(struct visit *visit, const char *height, const char *label, const char *json)
{
    struct page *page = &visit->page;
    page_raw(page, "<div class=\"chart ");
    page_raw(page, height);
    page_raw(page, "\"><canvas role=\"img\" aria-label=\"");
    page_tr(page, label);
    page_raw(page, "\" data-chart=\"");
    page_text(page, json);
    page_raw(page, "\"></canvas></div>\n");
}

void chart_add(struct visit *visit, const char *label, const char *json)
{
    chart(visit, "upright", label, json);
}

void chart_add_rows(struct visit *visit, const char *label, const char *json, size_t rows)
{
    chart(visit, rows <= 2 ? "rows-2" : rows <= 5 ? "rows-5" : "rows-9", label, json);
}

void pager(struct visit *visit, const char *cursor, bool first)
{
    struct strbuf path = {0};
    if (cursor[0] == '\0' && first)
        return;
    page_raw(&visit->page, "<p class=\"pager\">");
    if (!first) {
        strbuf_add_str(&path, visit->path);
        visit_add_query(visit, &path, "cursor", "");
        part_link(visit, path.failed ? visit->path : path.data, N_("Back to the newest"));
    }
    strbuf_clear(&path);
    if (cursor[0] != '\0') {
        strbuf_add_str(&path, visit->path);
        visit_add_query(visit, &path, "cursor", cursor);
        part_link(visit, path.failed ? visit->path : path.data, N_("Further back"));
    }
    page_raw(&visit->page, "</p>\n");
    strbuf_free(&path);
}
