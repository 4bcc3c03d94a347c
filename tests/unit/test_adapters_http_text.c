/* SPDX-License-Identifier: Apache-2.0 */
/* Placeholders and their escapes, paths and conditions, signatures: the pure parts. */
#include "adapters/http/digest.h"
#include "adapters/http/text.h"
#include "adapters/http/value.h"
#include "tests/unit/test_adapters_http_parts.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#define EVERYWHERE \
    (HTTP_OF_MESSAGE | HTTP_OF_PROVIDER | HTTP_OF_TIME | HTTP_OF_REQUEST | HTTP_OF_SIGNATURE)

static const char *find_setting(void *arg, const char *name, char *wrong, size_t size)
{
    (void)arg;
    if (strcmp(name, "full") == 0)
        return "a/b c";
    if (strcmp(name, "empty") == 0)
        return "";
    snprintf(wrong, size, "no %s", name);
    return NULL;
}

static enum result parse(struct arena *arena, const char *text, unsigned allowed,
                         struct http_text *out, struct error *err)
{
    struct http_text_reader reader = {.arena = arena, .setting = find_setting};
    return http_text_parse(&reader, text, allowed, out, err);
}

/* ---- what comes out ---- */

static const struct written {
    const char *template;
    enum http_escape escape;
    const char *text; /* {text} */
    const char *out;  /* NULL: refused */
} written[] = {
    {"", HTTP_AS_IS, "x", ""},
    {"plain", HTTP_FOR_URL, "x", "plain"},
    {"{{a}}", HTTP_AS_IS, "x", "{a}"},
    {"{{{text}}}", HTTP_AS_IS, "x", "{x}"},
    {"{to} {to_digits}", HTTP_AS_IS, "x", "+33612345678 33612345678"},
    {"{to}", HTTP_FOR_URL, "x", "%2B33612345678"},
    {"a&b={text}", HTTP_FOR_URL, "c&d=e f", "a&b=c%26d%3De%20f"},
    {"{text}", HTTP_FOR_URL, "100 % é 😀\n\"'<>",
     "100%20%25%20%C3%A9%20%F0%9F%98%80%0A%22%27%3C%3E"},
    {"{text}", HTTP_FOR_URL, "-._~azAZ09", "-._~azAZ09"},
    {"\"{text}\"", HTTP_FOR_JSON, "a \"b\" \\ \n \t \x01 é 😀 / {x}",
     "\"a \\\"b\\\" \\\\ \\u000a \\u0009 \\u0001 é 😀 / {x}\""},
    {"{text}", HTTP_FOR_JSON, "bad \xff utf-8", "bad \xef\xbf\xbd utf-8"},
    {"<a b=\"{text}\"/>", HTTP_FOR_XML, "<&>\"' \n\x01é",
     "<a b=\"&lt;&amp;&gt;&quot;&apos; &#10;\xef\xbf\xbdé\"/>"},
    {"{text}", HTTP_FOR_HEADER, "a \"b\" é", "a \"b\" é"},
    {"{text}", HTTP_FOR_HEADER, "a\r\nb", NULL},
    {"{text}", HTTP_FOR_HEADER, "a\tb", NULL},
    {"{text}", HTTP_FOR_HEADER, "a\x7f", NULL},
    {"{text|url}", HTTP_AS_IS, "a b", "a%20b"},
    {"{text|json}", HTTP_AS_IS, "a\"b", "a\\\"b"},
    {"{text|xml}", HTTP_AS_IS, "a<b", "a&lt;b"},
    {"{text|literal}", HTTP_FOR_JSON, "12", "12"},
    {"{text|literal}", HTTP_FOR_JSON, "-1.50", "-1.50"},
    {"{text|literal}", HTTP_FOR_JSON, "true", "true"},
    {"{text|literal}", HTTP_FOR_JSON, "null", "null"},
    {"{text|literal}", HTTP_FOR_JSON, "", ""},
    {"{text|literal}", HTTP_FOR_JSON, "1,\"a\":2", NULL},
    {"{text|literal}", HTTP_FOR_JSON, "01", NULL},
    {"{text|literal}", HTTP_FOR_JSON, "1.", NULL},
    {"{text|literal}", HTTP_FOR_JSON, "--1", NULL},
    {"{text|literal}", HTTP_FOR_JSON, "yes", NULL},
    {"{text?yes:no}", HTTP_AS_IS, "x", "yes"},
    {"{text?yes:no}", HTTP_AS_IS, "", "no"},
    {"{text?yes:no}", HTTP_AS_IS, "0", "no"},
    {"{text?yes:no}", HTTP_AS_IS, "false", "no"},
    {"{text?:no}", HTTP_AS_IS, "x", ""},
    {"{text?a b:}", HTTP_FOR_URL, "x", "a%20b"},
    {"{text?a:b:c}", HTTP_AS_IS, "", "b:c"},
    {"{setting.full}", HTTP_FOR_URL, "x", "a%2Fb%20c"},
    {"{setting.empty or text}", HTTP_AS_IS, "x", "x"},
    {"{setting.empty or setting.full or text}", HTTP_AS_IS, "x", "a/b c"},
    {"{setting.empty or sender?a:b}", HTTP_AS_IS, "x", "b"},
    {"{sender}", HTTP_AS_IS, "x", ""},
    {"{url}/x", HTTP_FOR_URL, "x", "https://a.example/x"},
    {"{url or text}", HTTP_FOR_URL, "a/b", "https://a.example"},
    {"{request_url or text}", HTTP_FOR_URL, "a/b&c", "a%2Fb%26c"},
    {"{sender or url}", HTTP_FOR_URL, "x", "https://a.example"},
    {"{text or url}", HTTP_FOR_URL, "a/b", "a%2Fb"},
};

/* An alternative is escaped as what it is, whatever the first one would have been. */
START_TEST(an_empty_url_lends_nothing)
{
    struct arena *arena = arena_new(1 << 20);
    const struct http_values values = {.of = {[HTTP_TEXT] = "a/b?c&d"}};
    struct http_text text;
    struct strbuf out = {0};
    struct error err = {.text = ""};
    ck_assert_int_eq(parse(arena, "{url or text}", EVERYWHERE, &text, &err), RESULT_OK);
    ck_assert_int_eq(http_text_write(&text, &values, HTTP_FOR_URL, &out, &err), RESULT_OK);
    ck_assert_str_eq(out.data, "a%2Fb%3Fc%26d");
    strbuf_free(&out);
    arena_free(&arena);
}
END_TEST

START_TEST(values_are_escaped_for_their_place)
{
    const struct written *row = &written[_i];
    struct arena *arena = arena_new(1 << 20);
    const struct http_values values = {.of = {[HTTP_URL] = "https://a.example",
                                              [HTTP_TO] = "+33612345678",
                                              [HTTP_TO_DIGITS] = "33612345678",
                                              [HTTP_TEXT] = row->text}};
    struct http_text text;
    struct strbuf out = {0};
    struct error err = {.text = ""};
    ck_assert_msg(parse(arena, row->template, EVERYWHERE, &text, &err) == RESULT_OK, "%s: %s",
                  row->template, err.text);
    enum result result = http_text_write(&text, &values, row->escape, &out, &err);
    if (row->out == NULL) {
        ck_assert_msg(result == RESULT_BAD_INPUT, "%s: taken", row->template);
        ck_assert_ptr_nonnull(strstr(err.text, "{text}"));
    } else {
        strbuf_add(&out, "", 0);
        ck_assert_int_eq(result, RESULT_OK);
        ck_assert_str_eq(out.data, row->out);
    }
    strbuf_free(&out);
    arena_free(&arena);
}
END_TEST

START_TEST(what_is_needed_is_missed)
{
    struct arena *arena = arena_new(1 << 20);
    struct http_values values = {.of = {[HTTP_REFERENCE] = "r"}};
    struct http_text text;
    struct error err;
    ck_assert_int_eq(parse(arena, "{report_url!}&id={reference}", EVERYWHERE, &text, &err),
                     RESULT_OK);
    ck_assert(http_text_absent(&text, &values));
    values.of[HTTP_REPORT_URL] = "u";
    ck_assert(!http_text_absent(&text, &values));
    arena_free(&arena);
}
END_TEST

/* ---- what is no template ---- */

static const struct wrong {
    const char *template;
    unsigned allowed;
    const char *says;
} wrong[] = {
    {"{", EVERYWHERE, "brace"},
    {"}", EVERYWHERE, "brace"},
    {"a}b", EVERYWHERE, "brace"},
    {"{a", EVERYWHERE, "brace"},
    {"{a{b}}", EVERYWHERE, "brace"},
    {"{}", EVERYWHERE, "{} is no placeholder"},
    {"{nothing}", EVERYWHERE, "{nothing} is no placeholder"},
    {"{ text }", EVERYWHERE, "is no placeholder"},
    {"{text or }", EVERYWHERE, "is no placeholder"},
    {"{text?yes}", EVERYWHERE, "has no \":\""},
    {"{text|html}", EVERYWHERE, "|html"},
    {"{setting.other}", EVERYWHERE, "no other"},
    {"{text}", HTTP_OF_PROVIDER, "no meaning here"},
    {"{setting.full}", HTTP_OF_MESSAGE, "no meaning here"},
    {"{signature}", HTTP_OF_MESSAGE | HTTP_OF_REQUEST, "no meaning here"},
    {"{body}", HTTP_OF_MESSAGE, "no meaning here"},
    {"{to or to or to or to or to}", EVERYWHERE, "more than 4"},
};

START_TEST(mistakes_are_named)
{
    struct arena *arena = arena_new(1 << 20);
    struct http_text text;
    struct error err = {.text = ""};
    ck_assert_msg(parse(arena, wrong[_i].template, wrong[_i].allowed, &text, &err) ==
                      RESULT_BAD_INPUT,
                  "%s: taken", wrong[_i].template);
    ck_assert_msg(strstr(err.text, wrong[_i].says) != NULL, "%s: %s", wrong[_i].template, err.text);
    arena_free(&arena);
}
END_TEST

/* ---- paths and conditions ---- */

START_TEST(paths)
{
    static const struct {
        const char *path;
        const char *found; /* NULL: nothing; "!": no path */
    } rows[] = {
        {"a", "1"},      {"b.c", "x"},     {"d[0]", "true"},  {"d[1].e", "2.5"},
        {"d[2]", NULL},  {"b", NULL},      {"n", NULL},       {"zz", NULL},
        {"b.c.d", NULL}, {"a[0]", NULL},   {"d[1][0]", NULL}, {"message-id", "m"},
        {"", NULL},      {".a", "!"},      {"a.", "!"},       {"a..b", "!"},
        {"a[", "!"},     {"a[x]", "!"},    {"a[-1]", "!"},    {"a[10000]", "!"},
        {"a[]", "!"},    {"d[0]", "true"},
    };
    static const char body[] = "{\"a\":1,\"b\":{\"c\":\"x\"},\"d\":[true,{\"e\":2.5}],\"n\":null,"
                               "\"message-id\":\"m\"}";
    json_t *value = http_value_read(HTTP_FORMAT_JSON, "", body, strlen(body));
    struct arena *arena = arena_new(1 << 20);
    struct strbuf out = {0};
    ck_assert_ptr_nonnull(value);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_path path;
        struct error err;
        enum result result = http_path_parse(arena, rows[i].path, &path, &err);
        bool bad = rows[i].found != NULL && strcmp(rows[i].found, "!") == 0;
        ck_assert_msg((result != RESULT_OK) == bad, "%s", rows[i].path);
        if (bad)
            continue;
        bool found = http_path_text(&path, value, &out);
        ck_assert_msg(found == (rows[i].found != NULL), "%s", rows[i].path);
        if (found)
            ck_assert_str_eq(out.data, rows[i].found);
    }
    strbuf_free(&out);
    json_decref(value);
    arena_free(&arena);
}
END_TEST

START_TEST(forms_and_texts)
{
    static const char form[] = "a=1&b=x+y%26z&c&a=2&&%C3%A9=%F0%9F%98%80";
    json_t *value = http_value_read(HTTP_FORMAT_FORM, "", form, strlen(form));
    ck_assert_ptr_nonnull(value);
    ck_assert_str_eq(json_string_value(json_object_get(value, "a")), "1");
    ck_assert_str_eq(json_string_value(json_object_get(value, "b")), "x y&z");
    ck_assert_str_eq(json_string_value(json_object_get(value, "c")), "");
    ck_assert_str_eq(json_string_value(json_object_get(value, "é")), "😀");
    json_decref(value);
    static const char *const bad[] = {"a=%", "a=%4", "a=%zz", "%ff=1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(http_value_read(HTTP_FORMAT_FORM, "", bad[i], strlen(bad[i])) == NULL, "%s",
                      bad[i]);
    /* Whatever an SMSC makes of it, a STOP is one. */
    static const char odd[] = "a=%00S%00T%00O%00P&b=STOP%ff%20arr%eat";
    value = http_value_read(HTTP_FORMAT_FORM, "", odd, strlen(odd));
    ck_assert_str_eq(json_string_value(json_object_get(value, "a")), "STOP");
    ck_assert_str_eq(json_string_value(json_object_get(value, "b")),
                     "STOP\xef\xbf\xbd arr\xef\xbf\xbdt");
    json_decref(value);
    value = http_value_read(HTTP_FORMAT_TEXT, "|", " OK | 12 |\r\n", 12);
    ck_assert_uint_eq(json_array_size(value), 3);
    ck_assert_str_eq(json_string_value(json_array_get(value, 0)), "OK");
    ck_assert_str_eq(json_string_value(json_array_get(value, 1)), "12");
    ck_assert_str_eq(json_string_value(json_array_get(value, 2)), "");
    json_decref(value);
    value = http_value_read(HTTP_FORMAT_TEXT, "", "", 0);
    ck_assert_uint_eq(json_array_size(value), 1);
    json_decref(value);
    ck_assert_ptr_null(http_value_read(HTTP_FORMAT_TEXT, "", "\xff", 1));
    value = http_value_read(HTTP_FORMAT_JSON, "", "{\"a\":\"\\u0000\"}", 14);
    ck_assert_uint_eq(json_string_length(json_object_get(value, "a")), 1);
    json_decref(value);
}
END_TEST

/* ---- signatures, as the providers document them ---- */

START_TEST(digests)
{
    static const struct {
        const char *algorithm;
        const char *key;
        const char *text;
        bool base64;
        const char *out;
    } rows[] = {
        /* OVHcloud, "First steps with the API" */
        {"sha1", NULL,
         "EXEgWIz07P0HYwtQDs7cNIqCiQaWSuHF+MtSwSrPpNjqfVSmJhLbPyr2i45lSwPU1+GET+"
         "https://eu.api.ovh.com/1.0/domains/++1366560945",
         false, "d3705e8afb27a0d2970a322b96550abfc67bb798"},
        /* Twilio, "Validating requests" */
        {"hmac-sha1", "12345",
         "https://mycompany.com/myapp.php?foo=1&bar=2CallSidCA1234567890ABCDECaller+14158675309"
         "Digits1234From+14158675309To+18005551212",
         true, "RSOYDt4T1cUTdK1PDd93/VVr8B8="},
        /* RFC 4231, 4.3, and its like */
        {"hmac-sha256", "Jefe", "what do ya want for nothing?", false,
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {"hmac-md5", "Jefe", "what do ya want for nothing?", false,
         "750c783e6ab0b503eaa86e310a5db738"},
        {"md5", NULL, "abc", false, "900150983cd24fb0d6963f7d28e17f72"},
        {"sha256", NULL, "", false,
         "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    };
    char out[HTTP_DIGEST_TEXT_MAX];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ck_assert(http_digest_text(http_algorithm(rows[i].algorithm), rows[i].base64, rows[i].key,
                                   rows[i].text, strlen(rows[i].text), out));
        ck_assert_str_eq(out, rows[i].out);
    }
    ck_assert_ptr_null(http_algorithm("crc32"));
    ck_assert(http_same("abc", "abc") && !http_same("abc", "abd") && !http_same("abc", "ab"));
}
END_TEST

Suite *http_text_suite(void)
{
    Suite *suite = suite_create("text");
    TCase *cases = tcase_create("text");
    tcase_add_loop_test(cases, values_are_escaped_for_their_place, 0,
                        sizeof(written) / sizeof(written[0]));
    tcase_add_test(cases, an_empty_url_lends_nothing);
    tcase_add_test(cases, what_is_needed_is_missed);
    tcase_add_loop_test(cases, mistakes_are_named, 0, sizeof(wrong) / sizeof(wrong[0]));
    tcase_add_test(cases, paths);
    tcase_add_test(cases, forms_and_texts);
    tcase_add_test(cases, digests);
    suite_add_tcase(suite, cases);
    return suite;
}
