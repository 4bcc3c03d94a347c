/* SPDX-License-Identifier: Apache-2.0 */
/*
 * person.html: the answer to "what do you hold on me, where from, to whom did it go?" (GDPR
 * art. 15), in words for anybody. One file that needs nothing else: no script, no font, no image,
 * nothing fetched. It prints well. All that others wrote is shown as text.
 */
#include "office/person_page.h"

#include <string.h>

static const char style[] =
    "<style>\n"
    ":root{color-scheme:light}\n"
    "body{font:16px/1.55 system-ui,'DejaVu Sans',Arial,sans-serif;color:#1a1a1a;background:#fff;"
    "max-width:60rem;margin:2rem auto;padding:0 1.2rem}\n"
    "h1{font-size:1.9rem;line-height:1.2;margin:0 0 .6rem}\n"
    "h2{font-size:1.35rem;margin:2.4rem 0 .6rem;padding-top:.4rem;border-top:2px solid #d8dde3}\n"
    "h3{font-size:1.1rem;margin:1.4rem 0 .4rem}\n"
    "p{margin:.5rem 0}a{color:#174a8c}\n"
    "table{border-collapse:collapse;width:100%;margin:.6rem 0;font-size:.92rem}\n"
    "th,td{text-align:left;vertical-align:top;padding:.4rem .6rem;border-bottom:1px solid #d8dde3;"
    "overflow-wrap:break-word}\n"
    "th{background:#f2f4f7;font-weight:600}\n"
    "dl{display:grid;grid-template-columns:minmax(9rem,13rem) 1fr;gap:.25rem 1rem;margin:.6rem 0}\n"
    "dt{color:#4a5561}dd{margin:0;overflow-wrap:anywhere}\n"
    "ul{margin:.4rem 0;padding-left:1.3rem}\n"
    ".note{color:#4a5561;font-size:.9rem}\n"
    ".box{background:#f2f6fb;border:1px solid #c9d6e6;border-radius:.4rem;padding:.7rem 1rem;"
    "margin:1rem 0}\n"
    ".said{white-space:pre-wrap;border-left:.25rem solid #9db4d0;padding:.3rem .9rem;"
    "margin:.6rem 0;background:#f8fafc}\n"
    ".yes{color:#0b6b34;font-weight:600}.no{color:#a32020;font-weight:600}\n"
    ".small{font-size:.8rem;color:#4a5561;overflow-wrap:anywhere}\n"
    ".rules{columns:2;column-gap:2rem;list-style:none;padding:0;font-size:.88rem}\n"
    ".rules li{break-inside:avoid;padding-left:1.4rem;text-indent:-1.4rem}\n"
    "code{font:.85em ui-monospace,'DejaVu Sans Mono',monospace;overflow-wrap:anywhere}\n"
    ".entry{break-inside:avoid}\n"
    "@media screen and (max-width:40rem){.rules{columns:1}dl{grid-template-columns:1fr}"
    "dt{margin-top:.4rem}table{display:block;overflow-x:auto}td{min-width:6.5rem}}\n"
    "@media print{body{margin:0;max-width:none;font-size:10.5pt}a{color:inherit}"
    "h2{break-after:avoid}h3{break-after:avoid}tr{break-inside:avoid}.box,th{background:none}}\n"
    "</style>\n";

/* ---- what the parts share ---- */

void leaf_heading(struct sheet *sheet, const char *anchor, const char *text)
{
    sheet_put(sheet, "<h2 id=\"");
    sheet_put(sheet, anchor);
    sheet_put(sheet, "\">");
    sheet_text(sheet, tr(sheet->language, text));
    sheet_put(sheet, "</h2>\n");
}

void leaf_paragraph(struct sheet *sheet, const char *text)
{
    sheet_element(sheet, "p", tr(sheet->language, text));
    sheet_put(sheet, "\n");
}

void leaf_pair(struct sheet *sheet, const char *name, const char *value)
{
    if (value == NULL || value[0] == '\0')
        return;
    sheet_element(sheet, "dt", tr(sheet->language, name));
    sheet_element(sheet, "dd", value);
    sheet_put(sheet, "\n");
}

void leaf_columns(struct sheet *sheet, const char *const *names)
{
    sheet_put(sheet, "<table><thead><tr>");
    for (; *names != NULL; names++) {
        sheet_put(sheet, "<th scope=\"col\">");
        sheet_text(sheet, tr(sheet->language, *names));
        sheet_put(sheet, "</th>");
    }
    sheet_put(sheet, "</tr></thead><tbody>\n");
}

void leaf_cell(struct sheet *sheet, const char *text)
{
    sheet_element(sheet, "td", text);
}

static const char *moment(const struct sheet *sheet, int64_t instant, bool time, char *out)
{
    struct strbuf text = {0};
    if (time)
        language_add_time(&text, sheet->language, instant);
    else
        language_add_date(&text, sheet->language, instant);
    str_copy(out, LEAF_TIME, text.data != NULL ? text.data : "");
    strbuf_free(&text);
    return out;
}

const char *leaf_time(const struct sheet *sheet, int64_t instant, char out[LEAF_TIME])
{
    return moment(sheet, instant, true, out);
}

const char *leaf_date(const struct sheet *sheet, int64_t instant, char out[LEAF_TIME])
{
    return moment(sheet, instant, false, out);
}

/* ---- head ---- */

static void begin(const struct person *person, struct sheet *sheet)
{
    sheet_put(sheet, "<!DOCTYPE html>\n<html lang=\"");
    sheet_put(sheet, language_tag(person->language));
    sheet_put(sheet, "\">\n<head>\n<meta charset=\"utf-8\">\n"
                     "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                     "style-src 'unsafe-inline'\">\n"
                     "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                     "<meta name=\"robots\" content=\"noindex\">\n");
    sheet_element(sheet, "title", tr(sheet->language, "What we hold on you"));
    sheet_put(sheet, "\n");
    sheet_put(sheet, style);
    sheet_put(sheet, "</head>\n<body>\n");
    sheet_element(sheet, "h1", tr(sheet->language, "What we hold on you"));
    leaf_paragraph(sheet, N_("You asked what is held on you, where it comes from and to whom it "
                             "went. This page is the answer. The law gives you a right to it "
                             "(General Data Protection Regulation, article 15)."));
}

static void about(const struct person *person, struct sheet *sheet)
{
    const struct config *config = person->from.config;
    char when[LEAF_TIME];
    sheet_put(sheet, "<dl>\n");
    leaf_pair(sheet, N_("Who is asked about"), person->address->text);
    leaf_pair(sheet, N_("How our records show you"), person->recipient->masked);
    leaf_pair(sheet, N_("Who answers"), config->controller_name);
    leaf_pair(sheet, N_("Where to write to"), config->controller_contact);
    leaf_pair(sheet, N_("Drawn up by the gateway"), config->hostname);
    leaf_pair(sheet, N_("Its address"), config->public_url);
    leaf_pair(sheet, N_("Drawn up on"), leaf_time(sheet, person->at, when));
    sheet_put(sheet, "</dl>\n<p class=\"note\">");
    sheet_text(sheet, tr(sheet->language,
                         "Your address stands here in full because you gave it to ask. Our "
                         "records do not hold it: they know you by a code that is computed from "
                         "it, and by the shortened form above. This page is meant for you alone. "
                         "Keep it as you would a letter. Times are in UTC; in mainland France it "
                         "is one hour later in winter and two in summer."));
    sheet_put(sheet, "</p>\n");
}

static uint64_t passed_messages(const struct person *person)
{
    uint64_t count = 0;
    for (size_t i = 0; i < person->n_sums; i++)
        if (person_sum_passed(&person->sums[i]))
            count += person->sums[i].count;
    return count;
}

static const char *number(const struct sheet *sheet, uint64_t count, char out[LEAF_TIME])
{
    struct strbuf text = {0};
    language_add_number(&text, sheet->language, (int64_t)count);
    str_copy(out, LEAF_TIME, text.data != NULL ? text.data : "");
    strbuf_free(&text);
    return out;
}

static size_t permitted(const struct person *person)
{
    size_t count = 0;
    for (size_t i = 0; i < person->n_partners; i++) {
        bool any = false;
        for (size_t j = 0; j < person->partners[i].n_answers; j++)
            any = any || person->partners[i].answers[j].judgement.verdict == VERDICT_PASS;
        count += any;
    }
    return count;
}

static void figures(const struct person *person, struct sheet *sheet)
{
    const struct past *history = &person->history;
    uint64_t allowed = permitted(person);
    uint64_t passed = passed_messages(person);
    char text[LEAF_TIME];
    sheet_put(sheet, "<ul><li>");
    sheet_format(sheet,
                 trn(sheet->language, "%s event about you is on record",
                     "%s events about you are on record", history->n_events),
                 number(sheet, history->n_events, text));
    sheet_put(sheet, "</li><li>");
    sheet_format(sheet,
                 trn(sheet->language, "%s version of a form goes with it",
                     "%s versions of forms go with them", history->n_forms),
                 number(sheet, history->n_forms, text));
    sheet_put(sheet, "</li><li>");
    sheet_format(sheet,
                 trn(sheet->language, "%s partner may write to you, or receive your data, today",
                     "%s partners may write to you, or receive your data, today", allowed),
                 number(sheet, allowed, text));
    sheet_put(sheet, "</li><li>");
    sheet_format(sheet,
                 trn(sheet->language, "%s decision was taken about you",
                     "%s decisions were taken about you", person->n_decisions),
                 number(sheet, person->n_decisions, text));
    sheet_put(sheet, "</li><li>");
    sheet_format(sheet,
                 trn(sheet->language, "%s message or transfer of your data was let through",
                     "%s messages or transfers of your data were let through", passed),
                 number(sheet, passed, text));
    sheet_put(sheet, "</li></ul>");
}

static void in_short(const struct person *person, struct sheet *sheet)
{
    sheet_put(sheet, "<div class=\"box\">");
    sheet_element(sheet, "strong", tr(sheet->language, "In short"));
    if (person_is_unknown(person)) {
        leaf_paragraph(sheet,
                       N_("Nothing is held on you. There is no consent, no objection, no form and "
                          "no decision that concerns this address. If you have another address or "
                          "telephone number, ask for that one, too: each is looked up by itself."));
        leaf_erased(person, sheet);
        sheet_put(sheet, "</div>\n");
        return;
    }
    figures(person, sheet);
    sheet_put(sheet, "</div>\n");
}

static void contents(struct sheet *sheet)
{
    static const struct {
        const char *anchor, *text;
    } entries[] = {
        {"standing", N_("Who may write to you now, and why")},
        {"passed", N_("What was passed on, and to whom")},
        {"uses", N_("What your data are used for, and for how long")},
        {"sources", N_("Where your data come from")},
        {"events", N_("What happened, in order")},
        {"forms", N_("What was shown to you")},
        {"stops", N_("What was stopped or declared invalid")},
        {"notices", N_("Who was told that you said no")},
        {"accesses", N_("Who looked you up")},
        {"rights", N_("Your rights, and how to use them")},
        {"decisions", N_("Every decision")},
        {"proof", N_("The proof, and the other files")},
    };
    sheet_put(sheet, "<nav><ul>\n");
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        sheet_put(sheet, "<li><a href=\"#");
        sheet_put(sheet, entries[i].anchor);
        sheet_put(sheet, "\">");
        sheet_text(sheet, tr(sheet->language, entries[i].text));
        sheet_put(sheet, "</a></li>\n");
    }
    sheet_put(sheet, "</ul></nav>\n");
}

void person_write_page(const struct person *person, struct sheet *sheet)
{
    begin(person, sheet);
    about(person, sheet);
    in_short(person, sheet);
    if (person_is_unknown(person)) {
        leaf_rights(person, sheet);
    } else {
        contents(sheet);
        leaf_standing(person, sheet);
        leaf_passed(person, sheet);
        leaf_uses(person, sheet);
        leaf_sources(person, sheet);
        leaf_events(person, sheet);
        leaf_forms(person, sheet);
        leaf_stops(person, sheet);
        leaf_notices(person, sheet);
        leaf_accesses(person, sheet);
        leaf_rights(person, sheet);
        leaf_decisions(person, sheet);
        leaf_proof(person, sheet);
    }
    sheet_put(sheet, "</body>\n</html>\n");
}
