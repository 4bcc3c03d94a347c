/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens: the one text that is good, and all that is not. */
#include "store/tokens.h"
#include "tests/unit/test_registry.h"

static struct bench bench;

static void open_bench(void)
{
    bench_open(&bench);
}

static void close_bench(void)
{
    bench_close(&bench);
}

static struct token make(const char *name, const char *partner, unsigned scopes, int64_t for_us,
                         char text[TOKEN_TEXT])
{
    struct token token = {.scopes = scopes, .rate = 7, .expires_at = clock_now() + for_us};
    str_copy(token.name, sizeof(token.name), name);
    str_copy(token.partner, sizeof(token.partner), partner);
    ck_assert_msg(registry_add_token(bench.registry, &token, text, &bench.err) == RESULT_OK, "%s",
                  bench.err.text);
    return token;
}

static enum result find(struct registry *registry, const char *text, int64_t now,
                        struct token *token)
{
    return registry_find_token(registry, text, now, token, &bench.err);
}

START_TEST(a_token_is_found_by_its_text_alone)
{
    char text[TOKEN_TEXT], other[TOKEN_TEXT];
    struct token token;
    struct token made = make("crm", "acme", SCOPE_CHECK | SCOPE_EVENTS, CLOCK_DAY, text);
    make("erp", "", SCOPE_CHECK, CLOCK_DAY, other);
    ck_assert_uint_eq(strlen(text), 7 + 16 + 1 + 52);
    ck_assert_int_eq(find(bench.registry, text, clock_now(), &token), RESULT_OK);
    ck_assert_str_eq(token.id, made.id);
    ck_assert_str_eq(token.name, "crm");
    ck_assert_str_eq(token.partner, "acme");
    ck_assert_uint_eq(token.scopes, SCOPE_CHECK | SCOPE_EVENTS);
    ck_assert_uint_eq(token.rate, 7);
    ck_assert_int_eq(token.expires_at, made.expires_at);
    for (size_t i = 0; i < strlen(text); i++) {
        char forged[TOKEN_TEXT];
        memcpy(forged, text, sizeof(forged));
        forged[i] = forged[i] == 'b' ? 'c' : 'b';
        ck_assert_int_eq(find(bench.registry, forged, clock_now(), &token), RESULT_NOT_FOUND);
    }
    /* The id of one, the secret of another. */
    memcpy(other + 7, text + 7, 16);
    ck_assert_int_eq(find(bench.registry, other, clock_now(), &token), RESULT_NOT_FOUND);
    ck_assert_int_eq(find(bench.registry, "", clock_now(), &token), RESULT_NOT_FOUND);
    text[strlen(text) - 1] = '\0';
    ck_assert_int_eq(find(bench.registry, text, clock_now(), &token), RESULT_NOT_FOUND);
}
END_TEST

START_TEST(nothing_of_the_secret_is_kept)
{
    char text[TOKEN_TEXT];
    static const char *const ends[] = {"", "-wal"};
    make("crm", "", SCOPE_CHECK, CLOCK_DAY, text);
    for (size_t i = 0; i < 2; i++) {
        char path[320];
        static char bytes[4 << 20];
        snprintf(path, sizeof(path), "%s%s", bench.path, ends[i]);
        FILE *file = fopen(path, "r");
        ck_assert_ptr_nonnull(file);
        size_t length = fread(bytes, 1, sizeof(bytes), file);
        fclose(file);
        ck_assert_ptr_null(memmem(bytes, length, text + 24, 52));
        ck_assert_ptr_null(memmem(bytes, length, text + 24, 16));
    }
}
END_TEST

START_TEST(it_ends_by_time_and_by_revocation)
{
    char text[TOKEN_TEXT], next[TOKEN_TEXT];
    struct token token;
    struct registry *reader = NULL;
    struct token made = make("crm", "", SCOPE_CHECK, CLOCK_DAY, text);
    ck_assert_int_eq(registry_open_reader(bench.path, &reader, &bench.err), RESULT_OK);
    ck_assert_int_eq(find(reader, text, made.expires_at - 1, &token), RESULT_OK);
    ck_assert_int_eq(find(reader, text, made.expires_at, &token), RESULT_NOT_FOUND);
    /* A good one of that name stands in the way of another. */
    token = made;
    ck_assert_int_eq(registry_add_token(bench.registry, &token, next, &bench.err), RESULT_CONFLICT);
    ck_assert_int_eq(registry_revoke_token(bench.registry, "crm", clock_now(), &bench.err),
                     RESULT_OK);
    ck_assert_int_eq(find(reader, text, clock_now(), &token), RESULT_NOT_FOUND);
    ck_assert_int_eq(registry_revoke_token(bench.registry, "crm", clock_now(), &bench.err),
                     RESULT_NOT_FOUND);
    made = make("crm", "", SCOPE_CHECK, CLOCK_DAY, next);
    ck_assert_int_eq(find(reader, next, clock_now(), &token), RESULT_OK);
    ck_assert_int_eq(find(reader, text, clock_now(), &token), RESULT_NOT_FOUND);
    ck_assert_int_eq(registry_revoke_token(bench.registry, made.id, clock_now(), &bench.err),
                     RESULT_OK);
    ck_assert_int_eq(find(reader, next, clock_now(), &token), RESULT_NOT_FOUND);
    registry_close(&reader);
}
END_TEST

static bool count_states(void *arg, const struct token *token)
{
    unsigned *counts = arg;
    counts[0]++;
    counts[1] += token->revoked_at != 0;
    return true;
}

START_TEST(what_is_refused)
{
    static const struct {
        const char *name, *partner;
        unsigned scopes;
    } rows[] = {
        {"", "", SCOPE_CHECK},          {"a b", "", SCOPE_CHECK},
        {"a@b", "", SCOPE_CHECK},       {"crm", "", 0},
        {"crm", "acme", SCOPE_PERSONS}, {"crm", "acme", SCOPE_CHECK | SCOPE_DECISIONS},
    };
    char text[TOKEN_TEXT];
    unsigned counts[2] = {0};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct token token = {.scopes = rows[i].scopes, .expires_at = clock_now() + CLOCK_DAY};
        str_copy(token.name, sizeof(token.name), rows[i].name);
        str_copy(token.partner, sizeof(token.partner), rows[i].partner);
        ck_assert_int_eq(registry_add_token(bench.registry, &token, text, &bench.err),
                         RESULT_BAD_INPUT);
    }
    make("one", "", SCOPE_METRICS, CLOCK_DAY, text);
    make("two", "acme", SCOPE_EVENTS, CLOCK_DAY, text);
    ck_assert_int_eq(registry_revoke_token(bench.registry, "one", clock_now(), &bench.err),
                     RESULT_OK);
    ck_assert_int_eq(registry_tokens(bench.registry, count_states, counts, &bench.err), RESULT_OK);
    ck_assert_uint_eq(counts[0], 2);
    ck_assert_uint_eq(counts[1], 1);
}
END_TEST

START_TEST(scopes_have_words)
{
    unsigned scopes = 0;
    char unknown[TOKEN_NAME];
    char all[TOKEN_SCOPES_TEXT];
    token_scopes_text((1u << TOKEN_SCOPES) - 1, all);
    ck_assert(token_scopes_parse(all, &scopes, unknown, sizeof(unknown)));
    ck_assert_uint_eq(scopes, (1u << TOKEN_SCOPES) - 1);
    ck_assert(token_scopes_parse("check,events", &scopes, unknown, sizeof(unknown)));
    ck_assert_uint_eq(scopes, SCOPE_CHECK | SCOPE_EVENTS);
    ck_assert(!token_scopes_parse("check,evnts", &scopes, unknown, sizeof(unknown)));
    ck_assert_str_eq(unknown, "evnts");
    ck_assert(!token_scopes_parse("check,", &scopes, unknown, sizeof(unknown)));
    ck_assert_ptr_null(token_scope_name(SCOPE_CHECK | SCOPE_EVENTS));
    ck_assert_str_eq(token_scope_name(SCOPE_METRICS), "metrics");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tokens");
    TCase *cases = tcase_create("tokens");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_checked_fixture(cases, open_bench, close_bench);
    tcase_add_test(cases, a_token_is_found_by_its_text_alone);
    tcase_add_test(cases, nothing_of_the_secret_is_kept);
    tcase_add_test(cases, it_ends_by_time_and_by_revocation);
    tcase_add_test(cases, what_is_refused);
    tcase_add_test(cases, scopes_have_words);
    suite_add_tcase(suite, cases);
    return unit_run((Suite *[]){suite, NULL});
}
