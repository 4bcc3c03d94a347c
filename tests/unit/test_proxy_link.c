/* SPDX-License-Identifier: Apache-2.0 */
/* Links to leave by, and the pages behind them. */
#include "base/file.h"
#include "proxy/unsubscribe/link.h"
#include "proxy/unsubscribe/page.h"
#include "tests/unit/test_proxy_parts.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct seal *make_seal(void)
{
    char path[300];
    const char *base = getenv("TMPDIR");
    struct seal *seal = NULL;
    struct error err;
    snprintf(path, sizeof(path), "%s/octroi-link-XXXXXX", base != NULL ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(path));
    strcat(path, "/seal.key");
    ck_assert_int_eq(seal_create(path, &err), RESULT_OK);
    ck_assert_int_eq(seal_load(path, &seal, &err), RESULT_OK);
    unlink(path);
    *strrchr(path, '/') = '\0';
    ck_assert_int_eq(rmdir(path), 0);
    return seal;
}

static void fill(char *out, size_t size, char c)
{
    memset(out, c, size - 1);
    out[size - 1] = '\0';
}

START_TEST(comes_back)
{
    struct seal *seal = make_seal();
    struct strbuf url = {0};
    struct error err;
    struct link back;
    const struct link link = {.channel = CHANNEL_EMAIL,
                              .partner = "acme",
                              .stream = "news",
                              .ref = "01KB3ZQ5M8-7GQX3D",
                              .address = {ADDRESS_EMAIL, "anna@client.example"}};
    ck_assert(link_add(seal, "https://gate.example/x//", &link, &url));
    ck_assert_ptr_nonnull(strstr(url.data, "https://gate.example/x/u/A"));
    ck_assert_ptr_null(strstr(url.data, "anna"));
    char *token = strrchr(url.data, '/') + 1;
    ck_assert_uint_eq(strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                    "0123456789-_"),
                      strlen(token));
    ck_assert_int_eq(link_read(seal, token, &back, &err), RESULT_OK);
    ck_assert_int_eq(back.channel, CHANNEL_EMAIL);
    ck_assert_str_eq(back.partner, "acme");
    ck_assert_str_eq(back.stream, "news");
    ck_assert_str_eq(back.ref, "01KB3ZQ5M8-7GQX3D");
    ck_assert_int_eq(back.address.kind, ADDRESS_EMAIL);
    ck_assert_str_eq(back.address.text, "anna@client.example");
    /* Any other character anywhere, and one too few or too many. */
    for (size_t i = 0; token[i] != '\0'; i++) {
        char was = token[i];
        token[i] = was == 'A' ? 'B' : 'A';
        ck_assert_int_eq(link_read(seal, token, &back, &err), RESULT_BAD_INPUT);
        ck_assert_str_eq(back.address.text, "");
        token[i] = was;
    }
    token[strlen(token) - 1] = '\0';
    ck_assert_int_eq(link_read(seal, token, &back, &err), RESULT_BAD_INPUT);
    ck_assert_int_eq(link_read(seal, "", &back, &err), RESULT_BAD_INPUT);
    strbuf_free(&url);
    seal_free(&seal);
}
END_TEST

START_TEST(the_longest_fits_its_line)
{
    struct seal *seal = make_seal();
    struct strbuf url = {0};
    struct error err;
    char public_url[251];
    struct link back;
    struct link link = {.channel = CHANNEL_EMAIL, .address = {.kind = ADDRESS_EMAIL}};
    fill(public_url, sizeof(public_url), 'u');
    fill(link.partner, sizeof(link.partner), 'p');
    fill(link.stream, sizeof(link.stream), 's');
    fill(link.ref, sizeof(link.ref), 'r');
    fill(link.address.text, sizeof(link.address.text), 'a');
    ck_assert(link_add(seal, public_url, &link, &url));
    ck_assert_uint_le(url.length + strlen(" <>"), 998);
    ck_assert_int_eq(link_read(seal, strrchr(url.data, '/') + 1, &back, &err), RESULT_OK);
    ck_assert_str_eq(back.address.text, link.address.text);
    strbuf_free(&url);
    seal_free(&seal);
}
END_TEST

/* What another version, or another use, sealed under the same key. */
START_TEST(what_is_no_link)
{
    static const struct {
        const char *text;
        size_t length;
        bool good;
    } rows[] = {
        {"\1\0\0a\0b\0c\0d", 11, true},
        {"\2\0\0a\0b\0c\0d", 11, false},
        {"\1\0\2a\0b\0c\0d", 11, false},
        {"\1\x7f\0a\0b\0c\0d", 11, false},
        {"\1\0\0a\0b\0c\0d", 10, false},
        {"\1\0\0a\0b\0c\0d\0", 12, false},
        {"\1\0\0a\0b\0c", 9, false},
        {"\1\0", 2, false},
        {"", 0, false},
        {"\1\0\0a\0b\0"
         "01KB3ZQ5M8-7GQX3D-LONGER\0d",
         34, false},
    };
    struct seal *seal = make_seal();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int other = 0; other < 2; other++) {
            struct strbuf sealed = {0}, token = {0};
            struct link link;
            struct error err;
            ck_assert(
                seal_close(seal, other ? "notice" : "link", rows[i].text, rows[i].length, &sealed));
            base64url_add(&token, sealed.data, sealed.length);
            ck_assert_msg((link_read(seal, token.data, &link, &err) == RESULT_OK) ==
                              (rows[i].good && !other),
                          "row %zu", i);
            strbuf_free(&sealed);
            strbuf_free(&token);
        }
    seal_free(&seal);
}
END_TEST

START_TEST(languages)
{
    static const struct {
        const char *accept;
        int language; /* -1: none */
    } rows[] = {
        {"fr", LANGUAGE_FR},
        {"FR-be", LANGUAGE_FR},
        {"en-GB,fr;q=0.9", LANGUAGE_EN},
        {"en;q=0.2, fr;q=0.9", LANGUAGE_FR},
        {"de, en;q=0.5, fr;q=0.5", LANGUAGE_EN},
        {"de-DE,de;q=0.9,fr;q=0.001", LANGUAGE_FR},
        {"fr;q=0, en;q=0.1", LANGUAGE_EN},
        {"fr ; q=0.3 , en ; q=0.4", LANGUAGE_EN},
        {"", -1},
        {"de", -1},
        {"*", -1},
        {"fra", -1},
        {"fr;q=x", -1},
        {"fr;q=2", -1},
        {",,;;=,", -1},
        {"f", -1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum language language = LANGUAGE_COUNT;
        bool found = language_of_accept(rows[i].accept, &language);
        ck_assert_msg(found == (rows[i].language >= 0), "%s", rows[i].accept);
        if (found)
            ck_assert_msg((int)language == rows[i].language, "%s", rows[i].accept);
    }
}
END_TEST

/* Whatever anybody calls themselves, nothing becomes markup, nor a format. */
START_TEST(pages_escape)
{
    static const char nasty[] = "<script>\"'&%s%n</script>";
    const struct leave_grant grant = {0, nasty, nasty, nasty, nasty, nasty};
    for (int kind = LEAVE_ASK; kind <= LEAVE_LATER; kind++)
        for (int language = 0; language < LANGUAGE_COUNT; language++)
            for (int flags = 0; flags < 8; flags++) {
                struct strbuf out = {0};
                const struct leave_page page = {.kind = (enum leave_page_kind)kind,
                                                .language = (enum language)language,
                                                .channel = CHANNEL_EMAIL,
                                                .partner = nasty,
                                                .masked = nasty,
                                                .all = flags & 1,
                                                .already = flags & 1,
                                                .reference = nasty,
                                                .grant = flags & 2 ? &grant : NULL,
                                                .controller = flags & 4 ? nasty : "",
                                                .contact = flags & 4 ? nasty : ""};
                leave_page_write(&page, &out);
                ck_assert(!out.failed);
                ck_assert_ptr_null(strstr(out.data, "<script"));
                ck_assert_ptr_nonnull(strstr(out.data, language == LANGUAGE_FR
                                                           ? "<html lang=\"fr\">"
                                                           : "<html lang=\"en\">"));
                ck_assert_ptr_nonnull(strstr(out.data, "</html>"));
                if (kind == LEAVE_ASK)
                    ck_assert_ptr_nonnull(strstr(out.data, "&lt;script&gt;&quot;&#39;&amp;%s%n"));
                strbuf_free(&out);
            }
}
END_TEST

Suite *link_suite(void)
{
    const TTest *const tests[] = {
        comes_back, the_longest_fits_its_line, what_is_no_link, languages, pages_escape, NULL};
    return unit_suite("link", tests);
}
