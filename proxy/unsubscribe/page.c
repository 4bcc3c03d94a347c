/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/unsubscribe/page.h"

#include "base/crypto.h"
#include "office/words.h"

#include <stdlib.h>
#include <string.h>

static const char style[] =
    ":root{color-scheme:light dark;--ink:#1a1c1e;--paper:#fff;--soft:#57606a;--line:#8a929a;"
    "--mark:#0b57a4;--on-mark:#fff}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--paper:#16181b;--soft:#a9b1ba;"
    "--line:#6b737c;--mark:#8ab8f0;--on-mark:#10151b}}"
    "*{box-sizing:border-box}"
    "body{margin:0;background:var(--paper);color:var(--ink);"
    "font:1.0625rem/1.5 system-ui,sans-serif;overflow-wrap:break-word}"
    "main{max-width:38rem;margin:0 auto;padding:1.5rem 1rem 3rem}"
    "h1{font-size:1.5rem;line-height:1.25;margin:.5rem 0 1rem}"
    "h2{font-size:1.125rem;margin:2.5rem 0 .5rem}"
    "fieldset{border:1px solid var(--line);border-radius:.5rem;margin:1.25rem 0;"
    "padding:.25rem 1rem .75rem}"
    "legend{padding:0 .25rem;font-weight:600}"
    "label{display:flex;gap:.75rem;align-items:baseline;padding:.625rem 0}"
    "input{flex:none;accent-color:var(--mark);transform:scale(1.25)}"
    "button{font:inherit;font-weight:600;width:100%;padding:.8rem 1rem;border:0;"
    "border-radius:.5rem;background:var(--mark);color:var(--on-mark);cursor:pointer}"
    ":focus-visible{outline:3px solid var(--mark);outline-offset:3px}"
    ".note{color:var(--soft);font-size:.9375rem}"
    "dt{color:var(--soft);font-size:.9375rem;margin-top:.75rem}dd{margin:0}"
    "blockquote{margin:.25rem 0;padding-left:.75rem;border-left:3px solid var(--line);"
    "white-space:pre-wrap}";

bool leave_page_policy(struct strbuf *out)
{
    uint8_t digest[SHA256_BYTES];
    char text[4 * ((SHA256_BYTES + 2) / 3) + 1];
    if (!sha256(style, sizeof(style) - 1, digest))
        return false;
    base64_encode(digest, sizeof(digest), text);
    strbuf_add_format(out,
                      "default-src 'none'; style-src 'sha256-%s'; form-action 'self'; "
                      "base-uri 'none'; frame-ancestors 'none'",
                      text);
    return !out->failed;
}

/* ---- parts ---- */

/* A paragraph of a translated sentence with one or two texts in it. */
static void paragraph(struct page *page, const char *element, const char *format, const char *one,
                      const char *other)
{
    struct strbuf text = {0};
    const char *sentence = tr(page->language, format);
    /* Each %s in its turn: what is put in is never read as a format. */
    const char *values[] = {one, other};
    size_t n = 0;
    for (const char *hole; (hole = strstr(sentence, "%s")) != NULL && n < 2; sentence = hole + 2) {
        strbuf_add(&text, sentence, (size_t)(hole - sentence));
        strbuf_add_str(&text, values[n++]);
    }
    strbuf_add_str(&text, sentence);
    page_element(page, element, text.data != NULL ? text.data : "");
    page->html.failed = page->html.failed || text.failed;
    strbuf_free(&text);
}

static void begin(struct page *page, const char *title)
{
    page_raw(page, "<!DOCTYPE html>\n<html lang=\"");
    page_raw(page, language_tag(page->language));
    page_raw(page, "\">\n<head>\n<meta charset=\"utf-8\">\n"
                   "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                   "<meta name=\"robots\" content=\"noindex, nofollow\">\n"
                   "<meta name=\"referrer\" content=\"no-referrer\">\n");
    page_element_tr(page, "title", title);
    page_raw(page, "<style>");
    page_raw(page, style);
    page_raw(page, "</style>\n</head>\n<body>\n<main>\n");
    page_element_tr(page, "h1", title);
}

static void end(struct page *page, const struct leave_page *view)
{
    if (view->contact[0] != '\0' && view->controller[0] != '\0')
        paragraph(page, "p class=\"note\"",
                  N_("For anything else about your data, write to %s: %s."), view->controller,
                  view->contact);
    else if (view->contact[0] != '\0')
        paragraph(page, "p class=\"note\"", N_("For anything else about your data, write to %s."),
                  view->contact, "");
    page_raw(page, "</main>\n</body>\n</html>\n");
}

static void term(struct page *page, const char *name)
{
    page_element_tr(page, "dt", name);
}

static void why(struct page *page, const struct leave_page *view)
{
    const struct leave_grant *grant = view->grant;
    page_element_tr(page, "h2", N_("Why you were written to"));
    if (grant == NULL) {
        page_element_tr(page, "p", N_("No consent of yours is on record on this channel."));
        return;
    }
    page_element_tr(page, "p", N_("This is the latest consent on record in your name."));
    page_raw(page, "<dl>\n");
    term(page, N_("Given on"));
    page_raw(page, "<dd>");
    language_add_date(&page->html, page->language, grant->occurred_at);
    page_raw(page, "</dd>\n");
    term(page, N_("For messages by"));
    page_element(page, "dd", word_channel(page->language, channel_name(view->channel)));
    if (grant->collector[0] != '\0') {
        term(page, N_("Collected by"));
        page_element(page, "dd", grant->collector);
    }
    if (grant->supplier[0] != '\0') {
        term(page, N_("Handed over by"));
        page_element(page, "dd", grant->supplier);
    }
    if (grant->form[0] != '\0') {
        term(page, N_("Form and version"));
        page_element(page, "dd", grant->form);
    }
    if (grant->wording[0] != '\0') {
        term(page, N_("What the form said"));
        page_raw(page, "<dd><blockquote lang=\"");
        page_text(page, grant->language);
        page_raw(page, "\">");
        page_text(page, grant->wording);
        page_raw(page, "</blockquote></dd>\n");
    }
    page_raw(page, "</dl>\n");
}

/* ---- the pages ---- */

static void choice(struct page *page, const char *value, bool checked, const char *format,
                   const char *name)
{
    page_raw(page, "<label><input type=\"radio\" name=\"choice\" value=\"");
    page_raw(page, value);
    page_raw(page, checked ? "\" checked>\n" : "\">\n");
    paragraph(page, "span", format, name, "");
    page_raw(page, "</label>\n");
}

static void ask(struct page *page, const struct leave_page *view)
{
    begin(page, N_("Stop these messages?"));
    paragraph(page, "p", N_("You are receiving messages from %s at %s."), view->partner,
              view->masked);
    if (view->already)
        paragraph(page, "p",
                  N_("It is on record already that %s may no longer write to you there."),
                  view->partner, "");
    page_raw(page, "<form method=\"post\">\n<fieldset>\n");
    page_element_tr(page, "legend", N_("What should stop?"));
    choice(page, "partner", true, N_("Messages from %s"), view->partner);
    choice(page, "all", false,
           N_("Messages from every company that may write to me through this service"), "");
    page_raw(page, "</fieldset>\n");
    page_element_tr(page, "button type=\"submit\"", N_("Stop these messages"));
    page_raw(page, "</form>\n");
    page_element_tr(page, "p class=\"note\"",
                    N_("Nothing changes until you press the button. It takes effect at once."));
    why(page, view);
}

static void done(struct page *page, const struct leave_page *view)
{
    begin(page, N_("It is recorded"));
    if (view->all)
        paragraph(page, "p", N_("From now on, messages from every company to %s are stopped here."),
                  view->masked, "");
    else
        paragraph(page, "p", N_("From now on, messages from %s to %s are stopped here."),
                  view->partner, view->masked);
    if (view->already)
        page_element_tr(page, "p", N_("It was on record before; nothing had to be changed."));
    page_element_tr(page, "p", N_("What was sent before may still arrive."));
    paragraph(page, "p class=\"note\"", N_("Reference: %s"), view->reference, "");
}

static void otherwise(struct page *page, const struct leave_page *view)
{
    if (view->contact[0] != '\0')
        paragraph(page, "p", N_("You can also object in writing: %s."), view->contact, "");
    else
        page_element_tr(page, "p",
                        N_("You can also object by answering the message you were sent."));
}

void leave_page_write(const struct leave_page *view, struct strbuf *out)
{
    struct page page = {.language = view->language};
    switch (view->kind) {
    case LEAVE_ASK:
        ask(&page, view);
        break;
    case LEAVE_DONE:
        done(&page, view);
        break;
    case LEAVE_NO_LINK:
        begin(&page, N_("This link does not work"));
        page_element_tr(&page, "p",
                        N_("It is damaged or incomplete, and nothing was recorded. Perhaps it was "
                           "cut when it was copied: open it from the message itself."));
        otherwise(&page, view);
        break;
    case LEAVE_UNCLEAR:
        begin(&page, N_("Nothing was recorded"));
        page_element_tr(
            &page, "p",
            N_("It was not said what should stop. Open the link in the message once more."));
        otherwise(&page, view);
        break;
    case LEAVE_LATER:
        begin(&page, N_("This is not possible right now"));
        page_element_tr(&page, "p",
                        N_("Nothing was recorded. Please try again in a few minutes; the link "
                           "stays good."));
        otherwise(&page, view);
        break;
    case LEAVE_UNSURE:
        begin(&page, N_("Please press once more in a few minutes"));
        page_element_tr(&page, "p",
                        N_("What you asked for may have been recorded, but this cannot be "
                           "confirmed right now. Please press again in a few minutes; the link "
                           "stays good."));
        otherwise(&page, view);
        break;
    }
    end(&page, view);
    if (page.html.failed)
        out->failed = true;
    else
        strbuf_add(out, page.html.data, page.html.length);
    strbuf_free(&page.html);
}
