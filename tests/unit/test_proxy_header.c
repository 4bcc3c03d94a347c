/* SPDX-License-Identifier: Apache-2.0 */
/* The header block: what the From field says, or that it cannot be said for sure. */
#include "base/str.h"
#include "proxy/smtp/header.h"
#include "tests/unit/test_proxy_parts.h"

#include <stdio.h>
#include <string.h>

#define F    "From: "
#define DKIM F "a@a.example\r\nDKIM-Signature: "

/* What is expected, in one word: the domains joined by ' ', "?" unreadable, "!" no header at all,
 * "-" no From; then "+u" List-Unsubscribe, "+p" List-Unsubscribe-Post, "xN" N From fields, "+t" the
 * place of an unsubscribe field is taken. */
static const struct row {
    const char *block;
    const char *want;
} rows[] = {
    {F "a@acme.example\r\n\r\n", "acme.example"},
    {F "a@acme.example\r\n", "acme.example"},
    {"from:a@acme.example\r\n\r\n", "acme.example"},
    {"FROM:\ta@ACME.Example\r\n\r\n", "acme.example"},
    {F "ACME Voyages <a@acme.example>\r\n\r\n", "acme.example"},
    {F "<a@acme.example>\r\n\r\n", "acme.example"},
    {F "\r\n ACME\r\n\t<a@acme.example>\r\n\r\n", "acme.example"},
    {F "\"x@evil.example\" <a@acme.example>\r\n\r\n", "acme.example"},
    {F "\"a \\\" b\" <a@acme.example>\r\n\r\n", "acme.example"},
    {F "\"a b\"@acme.example\r\n\r\n", "acme.example"},
    {F "a@acme.example (x@evil.example)\r\n\r\n", "acme.example"},
    {F "(a (nested \\) one)) a@acme.example\r\n\r\n", "acme.example"},
    {F "=?utf-8?q?Caf=C3=A9?= <a@acme.example>\r\n\r\n", "acme.example"},
    /* Beyond ASCII without SMTPUTF8: only the domain matters. */
    {F "Caf\u00e9 <a@acme.example>\r\n\r\n", "acme.example"},
    {F "Caf\xe9 <a@acme.example>\r\n\r\n", "acme.example"},
    {F "a@acme.example\r\nSubject: Caf\xe9\r\n\r\n", "acme.example"},
    {F "a@b\u00fccher.example\r\n\r\n", "xn--bcher-kva.example"},
    {F "a@b\xfc"
       "cher.example\r\n\r\n",
     "?"},
    {F "a@xn--bcher-kva.example\r\n\r\n", "xn--bcher-kva.example"},
    {F "a@acme.example, B <b@beta.example>\r\n\r\n", "acme.example beta.example"},
    {"Subject: " F "x@evil.example\r\n" F "a@acme.example\r\n\r\n", "acme.example"},
    {F "a@acme.example\r\n\r\n" F "x@evil.example\r\n", "acme.example"},
    {"X-From: x@evil.example\r\n" F "a@acme.example\r\n\r\n", "acme.example"},
    /* None, and more than one. */
    {"", "-"},
    {"\r\n", "-"},
    {"Subject: x\r\n\r\n", "-"},
    {"Subject: x\r\n"
     " " F "a@acme.example\r\n\r\n",
     "-"},
    {F "a@acme.example\r\nfrom: x@evil.example\r\n\r\n", "acme.example x2"},
    /* What readers would take differently. */
    {F "\r\n\r\n", "?"},
    {F "ACME\r\n\r\n", "?"},
    {F "a@\r\n\r\n", "?"},
    {F "@acme.example\r\n\r\n", "?"},
    {F "a\r\n\r\n", "?"},
    {F "<>\r\n\r\n", "?"},
    {F "a@[192.0.2.1]\r\n\r\n", "?"},
    {F "Group: a@acme.example;\r\n\r\n", "?"},
    {F "undisclosed:;\r\n\r\n", "?"},
    {F "x@evil.example <a@acme.example>\r\n\r\n", "?"},
    {F "<a@acme.example> x@evil.example\r\n\r\n", "?"},
    {F "a@acme.example x@evil.example\r\n\r\n", "?"},
    {F "<@evil.example:a@acme.example>\r\n\r\n", "?"},
    {F "<a@acme.example\r\n\r\n", "?"},
    {F "<a@acme.example>>\r\n\r\n", "?"},
    {F "<<a@acme.example>>\r\n\r\n", "?"},
    {F "a@acme.example,\r\n\r\n", "?"},
    {F ",a@acme.example\r\n\r\n", "?"},
    {F "a@acme.example;x@evil.example\r\n\r\n", "?"},
    {F "ACME x@acme.example\r\n\r\n", "?"},
    {F "a@b@acme.example\r\n\r\n", "?"},
    {F "a @ acme.example\r\n\r\n", "?"},
    {F "a@(x)acme.example\r\n\r\n", "?"},
    {F "a@acme..example\r\n\r\n", "?"},
    {F "\"open <a@acme.example>\r\n\r\n", "?"},
    {F "(open <a@acme.example>\r\n\r\n", "?"},
    {F "a@acme.example (open\\\r\n\r\n", "?"},
    {F "\"a\\\r\n\r\n", "?"},
    {F "a@acme.example\x01\r\n\r\n", "?"},
    /* No header. */
    {" folded: first\r\n\r\n", "!"},
    {"no colon\r\n\r\n", "!"},
    {"From a@acme.example Mon Nov 23 10:00:00 2026\r\n" F "a@acme.example\r\n\r\n", "!"},
    {"From : a@acme.example\r\n\r\n", "!"},
    {"From\t: a@acme.example\r\n\r\n", "!"},
    {": a\r\n\r\n", "!"},
    {"Two words: a\r\n\r\n", "!"},
    {F "a@acme.example", "!"},
    /* One click (RFC 8058). */
    {F "a@a.example\r\nList-Unsubscribe: <mailto:u@a.example>\r\n\r\n", "a.example +t"},
    {F "a@a.example\r\nList-Unsubscribe: <mailto:u@a.example>,\r\n <HTTPS://a.example/u>\r\n\r\n",
     "a.example +u +t"},
    {F "a@a.example\r\nlist-unsubscribe: <https://a.example/>\r\n"
       "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\n",
     "a.example +u +p +t"},
    {F "a@a.example\r\nList-Unsubscribe-Post: yes\r\n\r\n", "a.example +t"},
    {F "a@a.example\r\nlist-unsubscribe: <mailto:x@a.example>\r\n\r\n", "a.example +t"},
    {F "a@a.example\r\nList-Unsubscribe-X: y\r\n\r\n", "a.example"},
    /* Signed, whether it is there or not. */
    {DKIM "v=1; h=From:List-Unsubscribe; b=A\r\n\r\n", "a.example +t"},
    {DKIM "v=1; h=from : list-unsubscribe-post\r\n\t:to; b=A\r\n\r\n", "a.example +t"},
    {DKIM "h\r\n =\r\n list-UNSUBSCRIBE\r\n\r\n", "a.example +t"},
    {DKIM "v=1; h=From:To:Subject; b=A\r\n\r\n", "a.example"},
    {DKIM "v=1; h=From:X-List-Unsubscribe:List-Unsubscribed; b=A\r\n\r\n", "a.example"},
    {DKIM "v=1; z=List-Unsubscribe; bh=List-Unsubscribe; b=A\r\n\r\n", "a.example"},
    {DKIM "\r\n\r\n", "a.example"},
    {DKIM ";;=:;h\r\n\r\n", "a.example"},
    {F "a@a.example\r\nX-DKIM-Signature: h=List-Unsubscribe\r\n\r\n", "a.example"},
    {F "a@a.example\r\n\r\nList-Unsubscribe: <https://a.example/>\r\n", "a.example"},
};

/* The same with SMTPUTF8 (RFC 6532). */
static const struct row wide[] = {
    {F "Caf\u00e9 <a@acme.example>\r\n\r\n", "acme.example"},
    {F "a@acme.example\r\nSubject: Caf\u00e9\r\n\r\n", "acme.example"},
    {F "a@acme.example\r\nSubject: Caf\xe9\r\n\r\n", "!"},
    {F "a@acme.example\r\nSubject: \xed\xa0\x80\r\n\r\n", "!"},
    {F "\u00e9lodie@acme.example\r\n\r\n", "acme.example"},
    {F "<\u00e9lodie@acme.example>\r\n\r\n", "acme.example"},
    {F "\u00c9lodie <\u00e9lodie@B\u00dcCHER.example>\r\n\r\n", "xn--bcher-kva.example"},
    {F "a@bu\u0308cher.example\r\n\r\n", "xn--bcher-kva.example"},
    {F "a@b\u00fccher.example\r\n\r\n", "xn--bcher-kva.example"},
    {F "a@acme\u3002example\r\n\r\n", "acme.example"},
    {F "a@acme.example\u3002evil\r\n\r\n", "acme.example.evil"},
    {F "\u00e9\uff20acme.example\r\n\r\n", "?"},
    {F "a@\u2603\u200d.example\r\n\r\n", "?"},
    {"Fr\u00f6m: a\r\n" F "a@acme.example\r\n\r\n", "!"},
};

static void describe(const struct mail_content *content, char *out, size_t size)
{
    struct strbuf text = {0};
    if (content->from_unreadable)
        strbuf_add_str(&text, "?");
    else if (content->from_headers == 0)
        strbuf_add_str(&text, "-");
    for (size_t i = 0; i < content->n_from_domains && !content->from_unreadable; i++) {
        strbuf_add_str(&text, i > 0 ? " " : "");
        strbuf_add_str(&text, content->from_domains[i]);
    }
    if (content->from_headers > 1)
        strbuf_add_format(&text, " x%u", content->from_headers);
    strbuf_add_str(&text, content->list_unsubscribe ? " +u" : "");
    strbuf_add_str(&text, content->list_unsubscribe_post ? " +p" : "");
    strbuf_add_str(&text, content->unsubscribe_taken ? " +t" : "");
    ck_assert(str_copy(out, size, text.data));
    strbuf_free(&text);
}

static void check_row(const struct row *row, bool utf8)
{
    char got[256] = "!";
    struct error err = {0};
    struct mail_content content;
    struct arena *arena = arena_new(1 << 20);
    /* Exactly the block, no NUL behind it: reading past it is seen. */
    size_t length = strlen(row->block);
    char *block = malloc(length + 1);
    ck_assert(arena != NULL && block != NULL);
    memcpy(block, row->block, length);
    char *exact = realloc(block, length > 0 ? length : 1);
    ck_assert_ptr_nonnull(exact);
    if (header_read(exact, length, utf8, arena, &content, &err) == RESULT_OK)
        describe(&content, got, sizeof(got));
    else
        ck_assert_int_gt((int)strlen(err.text), 0);
    ck_assert_msg(strcmp(got, row->want) == 0, "%s\nexpected \"%s\", got \"%s\" %s", row->block,
                  row->want, got, err.text);
    free(exact);
    arena_free(&arena);
}

START_TEST(reads)
{
    check_row(&rows[_i], false);
}
END_TEST

START_TEST(reads_utf8)
{
    check_row(&wide[_i], true);
}
END_TEST

START_TEST(refuses_nul)
{
    static const char block[] = "From: a@acme.example\0\r\n\r\n";
    struct mail_content content;
    struct error err;
    struct arena *arena = arena_new(4096);
    ck_assert_int_eq(header_read(block, sizeof(block) - 1, false, arena, &content, &err),
                     RESULT_BAD_INPUT);
    arena_free(&arena);
}
END_TEST

START_TEST(counts_mailboxes)
{
    for (unsigned n = 16; n <= 17; n++) {
        struct strbuf block = {0};
        struct mail_content content;
        struct error err;
        struct arena *arena = arena_new(1 << 20);
        ck_assert_ptr_nonnull(arena);
        strbuf_add_str(&block, "From: a@a.example");
        for (unsigned i = 1; i < n; i++)
            strbuf_add_str(&block, ",\r\n a@a.example");
        strbuf_add_str(&block, "\r\n\r\n");
        ck_assert_int_eq(header_read(block.data, block.length, false, arena, &content, &err),
                         RESULT_OK);
        ck_assert_int_eq(content.from_unreadable, n == 17);
        ck_assert_uint_eq(content.n_from_domains, 16);
        arena_free(&arena);
        strbuf_free(&block);
    }
}
END_TEST

Suite *header_suite(void)
{
    Suite *suite = suite_create("header");
    TCase *cases = tcase_create("header");
    tcase_add_loop_test(cases, reads, 0, (int)(sizeof(rows) / sizeof(rows[0])));
    tcase_add_loop_test(cases, reads_utf8, 0, (int)(sizeof(wide) / sizeof(wide[0])));
    tcase_add_test(cases, refuses_nul);
    tcase_add_test(cases, counts_mailboxes);
    suite_add_tcase(suite, cases);
    return suite;
}
