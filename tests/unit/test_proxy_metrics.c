/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics: the buckets, both formats, which of them a scraper gets, and counting by many threads.
 */
#include "proxy/metrics/metrics.h"
#include "proxy/metrics/text.h"

#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* ---- histograms ---- */

START_TEST(a_duration_falls_into_its_bucket)
{
    struct histogram histogram = {0};
    struct histogram_reading reading;
    for (unsigned i = 0; i < HISTOGRAM_BOUNDS; i++) {
        if (i > 0)
            ck_assert_int_gt(histogram_bounds[i], histogram_bounds[i - 1]);
        histogram_add(&histogram, histogram_bounds[i]); /* no longer than it */
        histogram_add(&histogram, histogram_bounds[i] + 1);
    }
    histogram_add(&histogram, -5);
    histogram_read(&histogram, &reading);
    ck_assert_uint_eq(reading.counts[0], 2);
    for (unsigned i = 1; i < HISTOGRAM_BOUNDS; i++)
        ck_assert_uint_eq(reading.counts[i], 2);
    ck_assert_uint_eq(reading.counts[HISTOGRAM_BOUNDS], 1);
    uint64_t sum = 0;
    for (unsigned i = 0; i < HISTOGRAM_BOUNDS; i++)
        sum += 2 * (uint64_t)histogram_bounds[i] + 1;
    ck_assert_uint_eq(reading.sum, sum);
    ck_assert_int_eq(histogram_bounds[0], 100);
    ck_assert_int_eq(histogram_bounds[HISTOGRAM_BOUNDS - 1], 60000000);
}
END_TEST

/* ---- text ---- */

static struct strbuf out;

static struct metrics_text begin(bool open)
{
    strbuf_clear(&out);
    return (struct metrics_text){.out = &out, .open = open};
}

static void write_some(struct metrics_text *text)
{
    metrics_family(text, METRICS_COUNTER, "octroi_things", "", "Things.");
    metrics_number(text, NULL, UINT64_MAX);
    metrics_number(text, METRICS_LABELS("who", "a\\b\"c\nd", "what", ""), 1);
    metrics_family(text, METRICS_INFO, "octroi_build", "", "It.");
    metrics_number(text, METRICS_LABELS("version", "1"), 1);
    metrics_family(text, METRICS_GAUGE, "octroi_age_seconds", "seconds", "Age.");
    metrics_duration(text, NULL, 1500001);
    metrics_duration(text, METRICS_LABELS("who", "x"), -7);
    metrics_end(text);
}

START_TEST(openmetrics_is_written)
{
    struct metrics_text text = begin(true);
    write_some(&text);
    ck_assert_str_eq(out.data, "# HELP octroi_things Things.\n"
                               "# TYPE octroi_things counter\n"
                               "octroi_things_total 18446744073709551615\n"
                               "octroi_things_total{who=\"a\\\\b\\\"c\\nd\",what=\"\"} 1\n"
                               "# HELP octroi_build It.\n"
                               "# TYPE octroi_build info\n"
                               "octroi_build_info{version=\"1\"} 1\n"
                               "# HELP octroi_age_seconds Age.\n"
                               "# TYPE octroi_age_seconds gauge\n"
                               "# UNIT octroi_age_seconds seconds\n"
                               "octroi_age_seconds 1.500001\n"
                               "octroi_age_seconds{who=\"x\"} -0.000007\n"
                               "# EOF\n");
    strbuf_free(&out);
}
END_TEST

START_TEST(the_format_before_it_is_written)
{
    struct metrics_text text = begin(false);
    write_some(&text);
    ck_assert_str_eq(out.data, "# HELP octroi_things_total Things.\n"
                               "# TYPE octroi_things_total counter\n"
                               "octroi_things_total 18446744073709551615\n"
                               "octroi_things_total{who=\"a\\\\b\\\"c\\nd\",what=\"\"} 1\n"
                               "# HELP octroi_build_info It.\n"
                               "# TYPE octroi_build_info gauge\n"
                               "octroi_build_info{version=\"1\"} 1\n"
                               "# HELP octroi_age_seconds Age.\n"
                               "# TYPE octroi_age_seconds gauge\n"
                               "octroi_age_seconds 1.500001\n"
                               "octroi_age_seconds{who=\"x\"} -0.000007\n");
    strbuf_free(&out);
}
END_TEST

START_TEST(a_histogram_is_cumulative)
{
    struct histogram histogram = {0};
    struct histogram_reading reading;
    struct metrics_text text = begin(true);
    histogram_add(&histogram, 250);
    histogram_add(&histogram, 1000000);
    histogram_add(&histogram, 90000000);
    histogram_read(&histogram, &reading);
    metrics_family(&text, METRICS_HISTOGRAM, "t_seconds", "seconds", "T.");
    metrics_histogram(&text, METRICS_LABELS("a", "b"), &reading);
    static const char *const lines[] = {
        "\nt_seconds_bucket{a=\"b\",le=\"0.0001\"} 0\n",
        "\nt_seconds_bucket{a=\"b\",le=\"0.00025\"} 1\n",
        "\nt_seconds_bucket{a=\"b\",le=\"0.5\"} 1\n",
        "\nt_seconds_bucket{a=\"b\",le=\"1.0\"} 2\n",
        "\nt_seconds_bucket{a=\"b\",le=\"60.0\"} 2\n",
        "\nt_seconds_bucket{a=\"b\",le=\"+Inf\"} 3\n",
        "\nt_seconds_sum{a=\"b\"} 91.000250\n",
        "\nt_seconds_count{a=\"b\"} 3\n",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        ck_assert_msg(strstr(out.data, lines[i]) != NULL, "%s is not in %s", lines[i], out.data);
    begin(true);
    metrics_histogram(&text, NULL, &reading);
    ck_assert(strstr(out.data, "t_seconds_bucket{le=\"0.0001\"} 0\n") == out.data);
    strbuf_free(&out);
}
END_TEST

/* ---- which format ---- */

static const struct {
    const char *accept;
    bool open;
} accepts[] = {
    {NULL, false},
    {"", false},
    {"*/*", false},
    {"text/plain", false},
    {"application/openmetrics-text", true},
    {"Application/OpenMetrics-Text ; Version=1.0.0 ; charset=utf-8", true},
    {"application/openmetrics-text; version=\"1.0.0\"", true},
    {"application/openmetrics-text;version=0.0.1", true},
    {"application/openmetrics-text;version=2.0.0", false},
    {"application/openmetrics-text;version=1.0", false},
    {"application/openmetrics-textual", false},
    {"application/openmetrics-text;q=0", false},
    {"application/openmetrics-text;q=0.000", false},
    {"application/openmetrics-text;q=1.000", true},
    {"application/openmetrics-text;q=10", false},
    {"application/openmetrics-text;q=1.5", false},
    {"application/openmetrics-text;q=", false},
    {"application/openmetrics-text;q=x", false},
    {"application/openmetrics-text;q=0.0001", false},
    /* Prometheus 2.42 */
    {"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
     "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
     true},
    /* Prometheus 2.50 with protobuf in front, which we do not have */
    {"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;"
     "q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3",
     true},
    {"text/plain;version=0.0.4, application/openmetrics-text;q=0.9", false},
    {"text/plain;version=0.0.3, application/openmetrics-text;q=0.9", true},
    {"application/openmetrics-text;q=0.5,text/plain;q=0.6", false},
    {"application/openmetrics-text;q=0.61,text/plain;q=0.6", true},
    {",,;;,=,;q=,", false},
    {";", false},
};

START_TEST(the_scraper_gets_what_it_had_rather)
{
    ck_assert_msg(metrics_accepts_open(accepts[_i].accept) == accepts[_i].open, "%s",
                  accepts[_i].accept);
}
END_TEST

/* ---- counting ---- */

static void collect(void *arg, const struct snapshot *snapshot, struct metrics_text *text)
{
    (void)snapshot;
    metrics_family(text, METRICS_GAUGE, arg, "", "Of the test.");
}

static struct decision decision(const char *partner, enum channel channel, enum reason reason)
{
    return (struct decision){.partner = partner,
                             .channel = channel,
                             .verdict = VERDICT_BLOCK,
                             .reason = reason,
                             .effect = EFFECT_REFUSED};
}

struct seen {
    unsigned series;
    uint64_t all, acme_email, other;
};

static void note(void *arg, const struct metrics_decisions *found)
{
    struct seen *seen = arg;
    ck_assert_uint_gt(found->count, 0);
    ck_assert_int_eq(found->verdict, VERDICT_BLOCK);
    ck_assert_int_eq(found->effect, EFFECT_REFUSED);
    seen->series++;
    seen->all += found->count;
    if (strcmp(found->partner, "acme") == 0 && found->channel == CHANNEL_EMAIL)
        seen->acme_email += found->count;
    if (strcmp(found->partner, "(other)") == 0)
        seen->other += found->count;
}

static struct seen look(const struct metrics *metrics)
{
    struct seen seen = {0};
    metrics_each_decisions(metrics, note, &seen);
    return seen;
}

START_TEST(without_metrics_nothing_is_counted)
{
    struct decision row = decision("acme", CHANNEL_EMAIL, REASON_STALE);
    metrics_count_decision(NULL, &row);
    metrics_time_verdict(NULL, CHANNEL_SMS, 1);
    metrics_count_request(NULL, METRICS_API, 200, 1);
    metrics_count_token_failure(NULL, METRICS_TOKEN_WRONG);
    metrics_note_reload(NULL, true, 1);
}
END_TEST

START_TEST(each_kind_is_counted_by_itself)
{
    struct metrics *metrics = metrics_new(collect, (char *)"octroi_test");
    ck_assert_ptr_nonnull(metrics);
    struct decision rows[] = {decision("acme", CHANNEL_EMAIL, REASON_STALE),
                              decision("acme", CHANNEL_EMAIL, REASON_WITHDRAWN),
                              decision("acme", CHANNEL_SMS, REASON_STALE),
                              decision("beta", CHANNEL_EMAIL, REASON_STALE)};
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j <= i; j++)
            metrics_count_decision(metrics, &rows[i]);
    struct seen seen = look(metrics);
    ck_assert_uint_eq(seen.series, 4);
    ck_assert_uint_eq(seen.all, 10);
    ck_assert_uint_eq(seen.acme_email, 3);
    ck_assert_uint_eq(seen.other, 0);

    metrics_count_request(metrics, METRICS_API, 204, 300);
    metrics_count_request(metrics, METRICS_API, 503, 300);
    metrics_count_request(metrics, METRICS_METRICS, 200, 300);
    metrics_count_request(metrics, METRICS_METRICS, 0, 300); /* nobody knows what that would be */
    ck_assert_uint_eq(metrics_requests(metrics, METRICS_API, 2), 1);
    ck_assert_uint_eq(metrics_requests(metrics, METRICS_API, 4), 0);
    ck_assert_uint_eq(metrics_requests(metrics, METRICS_API, 5), 1);
    ck_assert_uint_eq(metrics_requests(metrics, METRICS_METRICS, 5), 1);
    struct histogram_reading reading;
    metrics_request_times(metrics, METRICS_API, &reading);
    ck_assert_uint_eq(reading.sum, 600);
    metrics_time_verdict(metrics, CHANNEL_SMS, 42);
    metrics_verdict_times(metrics, CHANNEL_SMS, &reading);
    ck_assert_uint_eq(reading.sum, 42);
    metrics_verdict_times(metrics, CHANNEL_EMAIL, &reading);
    ck_assert_uint_eq(reading.sum, 0);
    metrics_count_token_failure(metrics, METRICS_TOKEN_SCOPE);
    ck_assert_uint_eq(metrics_token_failures(metrics, METRICS_TOKEN_SCOPE), 1);
    ck_assert_uint_eq(metrics_token_failures(metrics, METRICS_TOKEN_RATE), 0);

    int64_t at;
    metrics_note_reload(metrics, true, 17);
    ck_assert(metrics_reloaded(metrics, &at) && at == 17);
    metrics_note_reload(metrics, false, 18);
    ck_assert(!metrics_reloaded(metrics, &at) && at == 17);

    struct metrics_text text = begin(true);
    metrics_collect(metrics, NULL, &text);
    ck_assert_str_eq(out.data, "# HELP octroi_test Of the test.\n# TYPE octroi_test gauge\n");
    strbuf_free(&out);
    metrics_free(&metrics);
    ck_assert_ptr_null(metrics);
}
END_TEST

/* So that renaming partners for years cannot fill the memory, and nothing goes uncounted. */
START_TEST(partners_beyond_the_cap_are_counted_together)
{
    struct metrics *metrics = metrics_new(collect, NULL);
    char name[32];
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 4100; i++) {
            snprintf(name, sizeof(name), "p%d", i);
            struct decision row = decision(name, CHANNEL_EMAIL, REASON_STALE);
            metrics_count_decision(metrics, &row);
        }
    struct seen seen = look(metrics);
    ck_assert_uint_eq(seen.all, 8200);
    ck_assert_uint_eq(seen.other, 8);
    ck_assert_uint_eq(seen.series, 4097);
    metrics_free(&metrics);
}
END_TEST

#define THREADS 4
#define ROUNDS  20000

static void *count_many(void *metrics)
{
    static const char *const names[] = {"acme", "beta", "gamma", "delta", "epsilon"};
    for (int i = 0; i < ROUNDS; i++) {
        struct decision row = decision(names[i % 5], CHANNEL_EMAIL, REASON_STALE);
        metrics_count_decision(metrics, &row);
        metrics_time_verdict(metrics, CHANNEL_EMAIL, i);
    }
    return NULL;
}

START_TEST(many_threads_lose_none)
{
    pthread_t threads[THREADS];
    struct histogram_reading reading;
    struct metrics *metrics = metrics_new(collect, NULL);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count_many, metrics), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    struct seen seen = look(metrics);
    ck_assert_uint_eq(seen.series, 5); /* a partner's table is made once */
    ck_assert_uint_eq(seen.all, THREADS * ROUNDS);
    ck_assert_uint_eq(seen.acme_email, THREADS * ROUNDS / 5);
    metrics_verdict_times(metrics, CHANNEL_EMAIL, &reading);
    uint64_t count = 0;
    for (unsigned i = 0; i <= HISTOGRAM_BOUNDS; i++)
        count += reading.counts[i];
    ck_assert_uint_eq(count, THREADS * ROUNDS);
    ck_assert_uint_eq(reading.sum, (uint64_t)THREADS * ROUNDS * (ROUNDS - 1) / 2);
    metrics_free(&metrics);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("metrics");
    TCase *text = tcase_create("text");
    tcase_add_test(text, a_duration_falls_into_its_bucket);
    tcase_add_test(text, openmetrics_is_written);
    tcase_add_test(text, the_format_before_it_is_written);
    tcase_add_test(text, a_histogram_is_cumulative);
    tcase_add_loop_test(text, the_scraper_gets_what_it_had_rather, 0,
                        (int)(sizeof(accepts) / sizeof(accepts[0])));
    suite_add_tcase(suite, text);
    TCase *counts = tcase_create("counts");
    tcase_set_timeout(counts, UNIT_SECONDS);
    tcase_add_test(counts, without_metrics_nothing_is_counted);
    tcase_add_test(counts, each_kind_is_counted_by_itself);
    tcase_add_test(counts, partners_beyond_the_cap_are_counted_together);
    tcase_add_test(counts, many_threads_lose_none);
    suite_add_tcase(suite, counts);
    return unit_run((Suite *[]){suite, NULL});
}
