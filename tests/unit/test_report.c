/* SPDX-License-Identifier: Apache-2.0 */
/* Reports and the dossier from inside: pages against hostile text, tallies, the configuration's
 * history through a real journal, and the walk over everyone. */
#include "base/html.h"
#include "office/history.h"
#include "office/words.h"
#include "store/configuration.h"
#include "store/registry_walk.h"
#include "store/tally.h"
#include "tests/unit/test_journal.h"
#include "tests/unit/test_registry.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* ---- pages ---- */

START_TEST(text_never_becomes_markup)
{
    static const struct {
        const char *text;
        const char *html;
    } rows[] = {
        {"<script>alert('x')</script>", "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"},
        {"\" onload=\"x", "&quot; onload=&quot;x"},
        {"Bêta & Fils", "Bêta &amp; Fils"},
        {"&lt;", "&amp;lt;"},
        {"two\nlines\tand a tab", "two\nlines\tand a tab"},
        {"a\rb\x1b[31m\x7f", "a\ufffdb\ufffd[31m\ufffd"},
        {"a\xc2\x85z", "a\ufffdz"},                    /* a control character of C1 */
        {"torn \xe2\x80", "torn \ufffd\ufffd"},        /* half a character */
        {"\xc0\xbcscript>", "\ufffd\ufffdscript&gt;"}, /* '<' in an overlong form */
        {"", NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct strbuf out = {0};
        html_add_text(&out, rows[i].text);
        if (rows[i].html == NULL)
            ck_assert_uint_eq(out.length, 0);
        else
            ck_assert_str_eq(out.data, rows[i].html);
        strbuf_free(&out);
    }
}
END_TEST

START_TEST(every_part_of_a_page_escapes)
{
    static const char *const heads[] = {"<h>", "#<n>", NULL};
    struct page page = {.language = LANGUAGE_EN};
    page_element(&page, "p class=\"note\"", "<i>");
    page_element_tr(&page, "p", "<i>");
    page_table(&page, heads);
    page_row(&page);
    page_cell(&page, "<i>");
    page_code(&page, "<i>");
    page_number(&page, 1234);
    page_share(&page, 1, 1000000);
    page_table_end(&page);
    ck_assert_ptr_null(strstr(page.html.data, "<i>"));
    ck_assert_ptr_nonnull(strstr(page.html.data, "<p class=\"note\">&lt;i&gt;</p>"));
    ck_assert_ptr_nonnull(strstr(page.html.data, "<th scope=\"col\" class=\"n\">&lt;n&gt;</th>"));
    ck_assert_ptr_nonnull(strstr(page.html.data, "<td class=\"n\">1,234</td>"));
    ck_assert_ptr_nonnull(strstr(page.html.data, "&lt;\u00a00.1%"));
    strbuf_free(&page.html);
}
END_TEST

START_TEST(no_code_without_a_word)
{
    for (int i = 0; i < REASON_COUNT; i++) {
        const char *code = reason_name((enum reason)i);
        ck_assert_str_ne(word_reason(LANGUAGE_EN, code), code);
        ck_assert_str_ne(word_reason(LANGUAGE_FR, code), word_reason(LANGUAGE_EN, code));
    }
    for (int i = 0; i < CHANNEL_COUNT; i++)
        ck_assert_str_ne(word_channel(LANGUAGE_FR, channel_name((enum channel)i)),
                         channel_name((enum channel)i));
    for (int i = 0; i < MODE_COUNT; i++)
        ck_assert_str_ne(word_regime(LANGUAGE_FR, mode_name((enum mode)i)),
                         mode_name((enum mode)i));
    for (int i = 0; i < TALLY_BY_COUNT; i++)
        ck_assert_str_ne(word_column(LANGUAGE_EN, tally_by_name((enum tally_by)i)),
                         tally_by_name((enum tally_by)i));
    ck_assert_str_eq(word_reason(LANGUAGE_FR, "OF_A_LATER_VERSION"), "OF_A_LATER_VERSION");
}
END_TEST

START_TEST(periods)
{
    struct strbuf out = {0};
    words_period(&out, LANGUAGE_FR, at("2026-03-01T00:00:00Z"), at("2026-04-01T00:00:00Z"));
    ck_assert_str_eq(out.data,
                     "du 1er\u00a0mars\u00a02026 au 31\u00a0mars\u00a02026 (UTC, jours inclus)");
    strbuf_clear(&out);
    words_period(&out, LANGUAGE_EN, at("2026-03-01T10:00:00Z"), at("2026-04-01T00:00:00Z"));
    ck_assert_ptr_nonnull(strstr(out.data, "10:00:00"));
    strbuf_free(&out);
}
END_TEST

/* ---- tallies ---- */

START_TEST(tallies_count_every_cell)
{
    static const enum tally_by by[] = {TALLY_DAY, TALLY_PARTNER};
    struct tally *tally = tally_new(by, COUNT(by));
    ck_assert_ptr_nonnull(tally);
    for (int i = 0; i < 30000; i++) {
        char day[16], partner[16];
        snprintf(day, sizeof(day), "d%02d", i % 60);
        snprintf(partner, sizeof(partner), "p%03d", i % 100);
        const char *values[TALLY_BY_COUNT] = {[TALLY_DAY] = day, [TALLY_PARTNER] = partner};
        const struct tally_counts counts = {.decisions = 1, .block = i % 2, .pass = i % 2 == 0};
        ck_assert(tally_add(tally, values, &counts));
    }
    ck_assert_uint_eq(tally_count(tally), 300); /* 60 and 100 share a factor of 20 */
    tally_sort(tally);
    struct tally_counts sum = {0};
    for (size_t i = 0; i < tally_count(tally); i++) {
        const struct tally_row *row = tally_row(tally, i);
        ck_assert_uint_eq(row->counts.decisions, 100);
        tally_counts_add(&sum, &row->counts);
        if (i > 0) {
            int order = strcmp(tally_row(tally, i - 1)->keys[0], row->keys[0]);
            ck_assert(order < 0 ||
                      (order == 0 && strcmp(tally_row(tally, i - 1)->keys[1], row->keys[1]) < 0));
        }
    }
    ck_assert_uint_eq(sum.decisions, 30000);
    ck_assert_uint_eq(sum.pass + sum.block, 30000);
    tally_free(&tally);
    ck_assert_ptr_null(tally);
}
END_TEST

START_TEST(keys_that_run_together_stay_apart)
{
    static const enum tally_by by[] = {TALLY_FORM, TALLY_SUPPLIER};
    struct tally *tally = tally_new(by, COUNT(by));
    const char *values[TALLY_BY_COUNT] = {[TALLY_FORM] = "ab", [TALLY_SUPPLIER] = "c"};
    const struct tally_counts one = {.decisions = 1};
    ck_assert(tally != NULL && tally_add(tally, values, &one));
    values[TALLY_FORM] = "a";
    values[TALLY_SUPPLIER] = "bc";
    ck_assert(tally_add(tally, values, &one));
    ck_assert_uint_eq(tally_count(tally), 2);
    tally_free(&tally);
}
END_TEST

START_TEST(tallies_of_a_journal)
{
    static const enum tally_by by[] = {TALLY_PARTNER, TALLY_DAY};
    struct box box;
    struct error err = {0};
    struct journal_index *index = NULL;
    box_new(&box, 1 << 20);
    box_open(&box);
    box_fill(&box, 40);
    ck_assert_int_eq(journal_index_open(box.index, box.directory, NULL, &index, &err), RESULT_OK);
    ck_assert_int_eq(journal_index_catch_up(index, 0, NULL, &err), RESULT_OK);
    struct tally *tally = tally_new(by, COUNT(by));
    struct tally_filter filter = {.since = INT64_MIN, .until = INT64_MAX};
    ck_assert_int_eq(journal_index_tally(index, &filter, &tally, 1, &err), RESULT_OK);
    tally_sort(tally);
    ck_assert_uint_eq(tally_count(tally), 2);
    ck_assert_str_eq(tally_row(tally, 0)->keys[0], "acme");
    ck_assert_str_eq(tally_row(tally, 0)->keys[1], "2026-11-23");
    ck_assert_uint_eq(tally_row(tally, 0)->counts.decisions, 20);
    ck_assert_uint_eq(tally_row(tally, 0)->counts.block, 10);
    ck_assert_uint_eq(tally_row(tally, 1)->counts.block, 0);
    tally_free(&tally);
    journal_index_close(&index);
    box_close(&box);
    box_free(&box);
}
END_TEST

/* ---- the configuration's history ---- */

/* count partners with a stream each; the second one's mode as given. */
static struct journal_batch *batch_of(size_t count, enum mode mode, int64_t at_instant,
                                      const char *sha256)
{
    struct config config = {.hostname = "gate.example", .n_partners = count, .n_streams = count};
    struct partner *partners = calloc(count, sizeof(*partners));
    struct stream_config *streams = calloc(count, sizeof(*streams));
    ck_assert(partners != NULL && streams != NULL);
    for (size_t i = 0; i < count; i++) {
        partners[i] = (struct partner){.id = i == 1 ? "beta" : "acme",
                                       .name = "\"Quoted\" & <long> name that takes its room",
                                       .siren = "",
                                       .mode = i == 1 ? mode : MODE_ENFORCE};
        streams[i].terms = (struct stream){.id = "news",
                                           .partner = &partners[i],
                                           .channel = CHANNEL_EMAIL,
                                           .class = CLASS_PROSPECTING,
                                           .sector = ""};
    }
    config.partners = partners;
    config.streams = streams;
    snprintf(config.sha256, sizeof(config.sha256), "%s", sha256);
    for (int i = 0; i < CHANNEL_COUNT; i++)
        channel_policy_default((enum channel)i, &config.policies[i]);
    const struct configuration_note note = {.program = "1", .cause = "start", .at = at_instant};
    struct journal_batch *batch = configuration_batch(&config, &note);
    free(partners);
    free(streams);
    return batch;
}

START_TEST(history_through_a_journal)
{
    struct box box;
    struct error err = {0};
    struct journal_index *index = NULL;
    struct history history;
    box_new(&box, 1 << 20);
    box_open(&box);
    struct journal_batch *batch = batch_of(3000, MODE_OBSERVE, 1000, "aa");
    ck_assert_ptr_nonnull(batch);
    ck_assert_uint_gt(journal_batch_rows(batch), 5); /* 3000 partners do not fit one record */
    ck_assert_int_eq(box_append(&box, batch), RESULT_OK);
    ck_assert_int_eq(box_append(&box, batch_of(2, MODE_OBSERVE, 2000, "aa")), RESULT_OK);
    ck_assert_int_eq(box_append(&box, batch_of(2, MODE_ENFORCE, 3000, "bb")), RESULT_OK);
    ck_assert_int_eq(journal_index_open(box.index, box.directory, NULL, &index, &err), RESULT_OK);
    ck_assert_int_eq(journal_index_catch_up(index, 0, NULL, &err), RESULT_OK);
    ck_assert_int_eq(history_read(index, 0, 10000, &history, &err), RESULT_OK);
    ck_assert_uint_eq(history.count, 3);
    ck_assert_uint_eq(json_array_size(history.entries[0].partners), 3000);
    ck_assert_uint_eq(json_array_size(history.entries[0].streams), 3000);
    ck_assert_uint_eq(json_array_size(history.entries[0].policies), CHANNEL_COUNT);
    ck_assert(history_changed(&history, 0) && !history_changed(&history, 1) &&
              history_changed(&history, 2));
    ck_assert_uint_eq(history_mode_since(&history, 1, "beta"), 0);
    ck_assert_uint_eq(history_mode_since(&history, 2, "beta"), 2);
    ck_assert_uint_eq(history_mode_since(&history, 2, "acme"), 0);
    ck_assert_uint_eq(history_policy_since(&history, 2, "email"), 0);
    /* A policy's version is the hash of its text. */
    const json_t *policy = history_find(history.entries[0].policies, "channel", "sms");
    const char *text = history_text(policy, "text");
    uint8_t digest[SHA256_BYTES];
    char hex[2 * SHA256_BYTES + 1];
    ck_assert(sha256(text, strlen(text), digest));
    hex_encode(digest, sizeof(digest), hex);
    hex[12] = '\0';
    ck_assert_str_eq(history_text(policy, "version"), hex);
    history_free(&history);
    /* Of a later period: what was in force when it began, and what came in it. */
    ck_assert_int_eq(history_read(index, 2500, 10000, &history, &err), RESULT_OK);
    ck_assert_uint_eq(history.count, 2);
    ck_assert_int_eq(history.entries[0].at, 2000);
    history_free(&history);
    journal_index_close(&index);
    box_close(&box);
    box_free(&box);
}
END_TEST

/* ---- everyone ---- */

struct walked {
    uint8_t last[RECIPIENT_KEY_BYTES];
    size_t count;
    size_t most; /* 0: all */
};

static bool on_person(void *arg, const uint8_t key[RECIPIENT_KEY_BYTES])
{
    struct walked *walked = arg;
    ck_assert(walked->count == 0 || memcmp(walked->last, key, RECIPIENT_KEY_BYTES) < 0);
    memcpy(walked->last, key, RECIPIENT_KEY_BYTES);
    return ++walked->count != walked->most;
}

START_TEST(everyone_once)
{
    struct bench bench;
    struct walked walked = {0};
    bench_open(&bench);
    ck_assert_int_eq(registry_walk_persons(bench.registry, on_person, &walked, &bench.err),
                     RESULT_OK);
    ck_assert_uint_eq(walked.count, 0);
    ck_assert_int_eq(registry_begin(bench.registry, &bench.err), RESULT_OK);
    for (unsigned i = 0; i < 1500; i++) {
        struct event_input event = grant(0, 0, "2026-01-01T00:00:00Z");
        memcpy(event.recipient_key, &i, sizeof(i));
        put(bench.registry, &event);
        event.occurred_at++;
        put(bench.registry, &event);
    }
    ck_assert_int_eq(registry_commit(bench.registry, &bench.err), RESULT_OK);
    ck_assert_int_eq(registry_walk_persons(bench.registry, on_person, &walked, &bench.err),
                     RESULT_OK);
    ck_assert_uint_eq(walked.count, 1500);
    walked = (struct walked){.most = 7};
    ck_assert_int_eq(registry_walk_persons(bench.registry, on_person, &walked, &bench.err),
                     RESULT_OK);
    ck_assert_uint_eq(walked.count, 7);
    bench_close(&bench);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {text_never_becomes_markup,
                                  every_part_of_a_page_escapes,
                                  no_code_without_a_word,
                                  periods,
                                  tallies_count_every_cell,
                                  keys_that_run_together_stay_apart,
                                  tallies_of_a_journal,
                                  history_through_a_journal,
                                  everyone_once,
                                  NULL};
    Suite *const suites[] = {unit_suite("report", tests), NULL};
    return unit_run(suites);
}
