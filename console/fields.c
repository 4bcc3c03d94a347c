/* SPDX-License-Identifier: Apache-2.0 */
/* Forms: those that ask, by links anybody may follow, and those that act, with the session's token
 * in them. */
#include "console/layout.h"

#include <stdio.h>
#include <string.h>

/* ---- what asks ---- */

void filter_begin(struct visit *visit)
{
    page_raw(&visit->page, "<form class=\"filter\" method=\"get\" action=\"");
    page_text(&visit->page, visit->path);
    page_raw(&visit->page, "\">\n");
}

void filter_end(struct visit *visit, const char *button)
{
    page_raw(&visit->page, "<div class=\"buttons\"><button>");
    page_tr(&visit->page, button);
    page_raw(&visit->page, "</button> ");
    part_link(visit, visit->path, N_("Clear"));
    page_raw(&visit->page, "</div>\n</form>\n");
}

/* ---- what acts ---- */

void act_begin(struct visit *visit, const char *path)
{
    page_raw(&visit->page, "<form class=\"act\" method=\"post\" action=\"");
    page_text(&visit->page, path);
    page_raw(&visit->page, "\">\n");
    hidden_field(visit, "csrf", visit->csrf);
}

void act_end(struct visit *visit, const char *button, const char *kind)
{
    page_raw(&visit->page, "<div class=\"buttons\"><button class=\"");
    page_raw(&visit->page, kind);
    page_raw(&visit->page, "\">");
    page_tr(&visit->page, button);
    page_raw(&visit->page, "</button></div>\n</form>\n");
}

void act_fold_begin(struct visit *visit, const char *summary)
{
    act_fold_begin_as(visit, summary, false);
}

void act_fold_begin_as(struct visit *visit, const char *summary, bool open)
{
    page_raw(&visit->page, open ? "<details class=\"fold\" open>\n" : "<details class=\"fold\">\n");
    page_element_tr(&visit->page, "summary", summary);
}

void act_fold_end(struct visit *visit)
{
    page_raw(&visit->page, "</details>\n");
}

void hidden_field(struct visit *visit, const char *name, const char *value)
{
    struct page *page = &visit->page;
    page_raw(page, "<input type=\"hidden\" name=\"");
    page_raw(page, name);
    page_raw(page, "\" value=\"");
    page_text(page, value);
    page_raw(page, "\">\n");
}

/* ---- fields ---- */

/* <p><label>…</label>, with the id that ties both: "f-NAME-N", N the how manieth field of the
 * page. */
static void label_of(struct visit *visit, const char *name, const char *label, const char *help,
                     char id[64])
{
    struct page *page = &visit->page;
    snprintf(id, 64, "f-%.40s-%u", name, ++visit->n_labels);
    page_raw(page, "<p class=\"field\"><label for=\"");
    page_raw(page, id);
    page_raw(page, "\">");
    page_tr(page, label);
    page_raw(page, "</label>\n");
    if (help[0] == '\0')
        return;
    page_raw(page, "<span class=\"note\" id=\"");
    page_raw(page, id);
    page_raw(page, "-help\">");
    page_tr(page, help);
    page_raw(page, "</span>\n");
}

static void attributes(struct visit *visit, const char *name, const char *id, const char *help,
                       bool required)
{
    struct page *page = &visit->page;
    page_raw(page, " id=\"");
    page_raw(page, id);
    page_raw(page, "\" name=\"");
    page_raw(page, name);
    page_raw(page, "\"");
    if (help[0] != '\0') {
        page_raw(page, " aria-describedby=\"");
        page_raw(page, id);
        page_raw(page, "-help\"");
    }
    page_raw(page, required ? " required" : "");
}

void text_field(struct visit *visit, const char *name, const char *label, const char *help,
                const char *value, unsigned most, bool required)
{
    char id[64];
    label_of(visit, name, label, help, id);
    page_raw(&visit->page, "<input type=\"text\" autocomplete=\"off\" spellcheck=\"false\"");
    attributes(visit, name, id, help, required);
    strbuf_add_format(&visit->page.html, " maxlength=\"%u\" value=\"", most);
    page_text(&visit->page, value);
    page_raw(&visit->page, "\"></p>\n");
}

void login_fields(struct visit *visit, const char *name)
{
    char id[64];
    label_of(visit, "name", N_("Name"), "", id);
    page_raw(&visit->page, "<input type=\"text\" autocomplete=\"username\" "
                           "autocapitalize=\"none\" spellcheck=\"false\"");
    attributes(visit, "name", id, "", true);
    page_raw(&visit->page, " maxlength=\"64\" value=\"");
    page_text(&visit->page, name);
    page_raw(&visit->page, "\"></p>\n");
    label_of(visit, "password", N_("Password"), "", id);
    page_raw(&visit->page, "<input type=\"password\" autocomplete=\"current-password\"");
    attributes(visit, "password", id, "", true);
    page_raw(&visit->page, "></p>\n");
}

void area_field(struct visit *visit, const char *name, const char *label, const char *help,
                bool required)
{
    char id[64];
    label_of(visit, name, label, help, id);
    page_raw(&visit->page, "<textarea rows=\"3\" maxlength=\"1000\"");
    attributes(visit, name, id, help, required);
    page_raw(&visit->page, "></textarea></p>\n");
}

void date_field(struct visit *visit, const char *name, const char *label, const char *value)
{
    char id[64];
    label_of(visit, name, label, "", id);
    page_raw(&visit->page, "<input type=\"date\"");
    attributes(visit, name, id, "", false);
    page_raw(&visit->page, " value=\"");
    page_text(&visit->page, value);
    page_raw(&visit->page, "\"></p>\n");
}

void select_field(struct visit *visit, const char *name, const char *label,
                  const struct option *options, size_t n, const char *chosen)
{
    char id[64];
    struct page *page = &visit->page;
    label_of(visit, name, label, "", id);
    page_raw(page, "<select");
    attributes(visit, name, id, "", false);
    page_raw(page, ">\n");
    for (size_t i = 0; i < n; i++) {
        page_raw(page, "<option value=\"");
        page_text(page, options[i].value);
        page_raw(page, strcmp(options[i].value, chosen) == 0 ? "\" selected>" : "\">");
        page_text(page,
                  options[i].translate ? tr(visit->language, options[i].text) : options[i].text);
        page_raw(page, "</option>\n");
    }
    page_raw(page, "</select></p>\n");
}

void checks_begin(struct visit *visit, const char *legend, const char *help)
{
    page_raw(&visit->page, "<fieldset class=\"checks\">\n");
    page_element_tr(&visit->page, "legend", legend);
    if (help[0] != '\0')
        page_element_tr(&visit->page, "span class=\"note\"", help);
}

void check_field(struct visit *visit, const char *name, const char *value, const char *text,
                 bool ticked)
{
    struct page *page = &visit->page;
    page_raw(page, "<label><input type=\"checkbox\" name=\"");
    page_raw(page, name);
    page_raw(page, "\" value=\"");
    page_text(page, value);
    page_raw(page, ticked ? "\" checked> " : "\"> ");
    page_tr(page, text);
    page_raw(page, "</label>\n");
}

void checks_end(struct visit *visit)
{
    page_raw(&visit->page, "</fieldset>\n");
}
