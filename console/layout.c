/* SPDX-License-Identifier: Apache-2.0 */
/* The frame of a page: head, navigation, the line of what was done, heading, foot. */
#include "console/layout.h"

#include "office/words.h"

#include <string.h>

#define ASSETS "/console/static/"

static const struct {
    const char *path, *name;
    enum permit permit;
} places[PLACE_NONE] = {
    [PLACE_OVERVIEW] = {"/console", N_("Overview"), PERMIT_READ},
    [PLACE_BLOCKED] = {"/console/blocked", N_("Blocked messages"), PERMIT_READ},
    [PLACE_PERSONS] = {"/console/persons", N_("A person"), PERMIT_PERSONS},
    [PLACE_PARTNERS] = {"/console/partners", N_("Partners"), PERMIT_READ},
    [PLACE_FORMS] = {"/console/forms", N_("Forms"), PERMIT_READ},
    [PLACE_SUPPLIERS] = {"/console/suppliers", N_("Suppliers"), PERMIT_READ},
    [PLACE_OBSERVE] = {"/console/observe", N_("Observed partners"), PERMIT_READ},
    [PLACE_DOSSIER] = {"/console/dossier", N_("Dossier"), PERMIT_READ},
    [PLACE_USERS] = {"/console/users", N_("Users"), PERMIT_ADMIN},
};

/* What acts say they did, where they sent their reader (visit_done): kind as part_notice's. */
static const struct {
    const char *done, *kind, *sentence;
} lines[] = {
    {"suspended-partner", "good", N_("Suspended. From now on nothing of this partner's passes.")},
    {"suspended-stream", "good",
     N_("Suspended. From now on nothing of this stream passes; the partner's other streams go "
        "on.")},
    {"suspended-form", "good",
     N_("Suspended. From now on consents given on this form let nothing pass; others still "
        "count.")},
    {"suspended-supplier", "good",
     N_("Suspended. From now on consents that this supplier brought let nothing pass; others "
        "still count.")},
    {"resumed", "good", N_("Resumed. Messages are judged as before the suspension.")},
    {"already-suspended", "warn", N_("Nothing was changed: it was suspended already.")},
    {"not-suspended", "warn", N_("Nothing was changed: it is not suspended.")},
    {"objected", "good", N_("The objection is recorded. It counts from the next message on.")},
    {"withdrawn", "good", N_("The withdrawal is recorded. It counts from the next message on.")},
    {"said-before", "warn",
     N_("It is recorded for the day you gave, but a later consent still counts: read on.")},
    {"unchanged", "warn", N_("Nothing was changed: this is on record already.")},
    {"invalidated", "good",
     N_("Invalidated. Consents given on this version let nothing pass any more.")},
    {"checking", "good", N_("The journal is being checked. This page shows how far it is.")},
    {"checking-already", "warn", N_("The journal is being checked already.")},
    {"drawing", "good", N_("The dossier is being drawn up. This page shows when it is ready.")},
    {"drawing-already", "warn", N_("Your dossier before this one is still being drawn up.")},
    {"drawing-crowded", "bad",
     N_("Too many dossiers wait to be downloaded. Try again in an hour.")},
    {"supplier-invalidated", "good",
     N_("Invalidated. What this supplier brought, or will bring, lets nothing pass any more.")},
    {"logged-out", "good", N_("You have logged out.")},
    {"sessions-ended", "good", N_("The user is logged out everywhere.")},
};

static void title_of(struct visit *visit, const struct layout *layout, const char *name)
{
    struct page *page = &visit->page;
    if (layout->title != NULL)
        page_tr(page, layout->title);
    if (name == NULL)
        return;
    if (layout->title != NULL)
        page_raw(page, " ");
    page_text(page, name);
}

static void head(struct visit *visit, const struct layout *layout)
{
    struct page *page = &visit->page;
    page_raw(page, "<!DOCTYPE html>\n<html lang=\"");
    page_raw(page, language_tag(visit->language));
    page_raw(page, "\">\n<head>\n<meta charset=\"utf-8\">\n"
                   "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                   "<meta name=\"color-scheme\" content=\"light dark\">\n"
                   "<meta name=\"robots\" content=\"noindex, nofollow\">\n");
    if (layout->refresh > 0)
        strbuf_add_format(&page->html, "<meta http-equiv=\"refresh\" content=\"%u\">\n",
                          layout->refresh);
    page_raw(page, "<title>");
    title_of(visit, layout, layout->kept_name != NULL ? layout->kept_name : layout->name);
    page_raw(page, " · octroi</title>\n<link rel=\"icon\" href=\"" ASSETS "icon.svg\">\n"
                   "<link rel=\"stylesheet\" href=\"" ASSETS "console.css\">\n"
                   "<script src=\"" ASSETS "chart.js\" defer></script>\n"
                   "<script src=\"" ASSETS "console.js\" defer></script>\n</head>\n<body>\n"
                   "<a class=\"skip\" href=\"#content\">");
    page_tr(page, N_("Skip to the content"));
    page_raw(page, "</a>\n");
}

static void navigation(struct visit *visit, enum place here)
{
    struct page *page = &visit->page;
    page_raw(page, "<nav aria-label=\"");
    page_tr(page, N_("Pages"));
    page_raw(page, "\">\n<ul>\n");
    for (int i = 0; i < PLACE_NONE; i++) {
        if (!visit_may(visit, places[i].permit))
            continue;
        page_raw(page, "<li><a href=\"");
        page_raw(page, places[i].path);
        page_raw(page, here == (enum place)i ? "\" aria-current=\"page\">" : "\">");
        page_tr(page, places[i].name);
        page_raw(page, "</a></li>\n");
    }
    page_raw(page, "</ul>\n</nav>\n");
}

/* Back to this very page in the other language. */
static void other_language(struct visit *visit)
{
    struct strbuf back = {0};
    struct page *page = &visit->page;
    bool french = visit->language == LANGUAGE_FR;
    strbuf_add_str(&back, visit->posted ? "/console" : visit->path);
    if (!visit->posted && visit->query[0] != '\0')
        strbuf_add_format(&back, "?%s", visit->query);
    page_raw(page, "<form method=\"post\" action=\"/console/language\">\n");
    hidden_field(visit, "csrf", visit->csrf);
    hidden_field(visit, "language", french ? "en" : "fr");
    hidden_field(visit, "to", back.failed ? "/console" : back.data);
    page_raw(page, french ? "<button class=\"quiet\" lang=\"en\">English</button>\n</form>\n"
                          : "<button class=\"quiet\" lang=\"fr\">Français</button>\n</form>\n");
    strbuf_free(&back);
}

static void user_of(struct visit *visit)
{
    struct page *page = &visit->page;
    page_raw(page, "<div class=\"user\">\n");
    if (visit->user[0] != '\0') {
        page_raw(page, "<span><strong>");
        page_text(page, visit->user);
        page_raw(page, "</strong> <span class=\"note\">");
        page_text(page, word_role(visit->language, visit->role));
        page_raw(page, "</span></span>\n");
    }
    other_language(visit);
    if (visit->user[0] != '\0' && !visit->signed_on) {
        page_raw(page, "<form method=\"post\" action=\"/console/logout\">\n");
        hidden_field(visit, "csrf", visit->csrf);
        page_raw(page, "<button class=\"quiet\">");
        page_tr(page, N_("Log out"));
        page_raw(page, "</button>\n</form>\n");
    }
    page_raw(page, "</div>\n");
}

static void line_of_done(struct visit *visit)
{
    const char *done = visit_was_done(visit);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        if (done[0] != '\0' && strcmp(lines[i].done, done) == 0)
            part_notice(visit, lines[i].kind, lines[i].sentence, NULL);
}

void layout_begin(struct visit *visit, const struct layout *layout)
{
    struct page *page = &visit->page;
    head(visit, layout);
    page_raw(page, "<header class=\"frame\">\n<a class=\"brand\" href=\"/console\">octroi</a>\n");
    if (visit->user[0] != '\0')
        navigation(visit, layout->place);
    user_of(visit);
    page_raw(page, "</header>\n<main id=\"content\" tabindex=\"-1\">\n");
    if (layout->up != NULL) {
        page_raw(page, "<p class=\"up\">");
        part_link(visit, layout->up, layout->up_name);
        page_raw(page, "</p>\n");
    }
    page_raw(page, "<h1>");
    title_of(visit, layout, layout->name);
    page_raw(page, "</h1>\n");
    line_of_done(visit);
    if (layout->lead != NULL)
        page_element_tr(page, "p class=\"lead\"", layout->lead);
}

void layout_end(struct visit *visit)
{
    struct page *page = &visit->page;
    page_raw(page, "</main>\n<footer class=\"note\">\n<p>");
    page_text(page, visit->config->hostname);
    page_raw(page, " · ");
    page_tr(page, strcmp(visit->timezone, "UTC") == 0
                      ? N_("Times are UTC.")
                      : N_("Times are those of Paris; days that are counted are days of UTC."));
    page_raw(page, "</p>\n</footer>\n</body>\n</html>\n");
}
