/* SPDX-License-Identifier: Apache-2.0 */
/* Counts of decisions in a period, by any choice of columns: `octroi report` for programs. */
#include "base/clock.h"
#include "proxy/api/work.h"
#include "store/tally.h"

#include <string.h>

/* False: refused. */
static bool read_columns(struct api_work *work, enum tally_by by[TALLY_BY_COUNT], size_t *n_out)
{
    const char *text = api_parameter(work, "by");
    char word[32];
    bool seen[TALLY_BY_COUNT] = {false};
    *n_out = 0;
    if (text == NULL)
        text = "partner,channel,verdict,reason";
    while (*text != '\0') {
        size_t length = strcspn(text, ",");
        enum tally_by column;
        if (!str_copy_n(word, sizeof(word), text, length) || !tally_by_parse(word, &column) ||
            seen[column]) {
            (void)api_malformed(work, "by",
                                "must be some of partner, stream, channel, purpose, verdict, "
                                "reason, effect, mode, policy, day, form, collector, supplier, "
                                "separated by commas, each once");
            return false;
        }
        seen[column] = true;
        by[(*n_out)++] = column;
        text += length;
        if (text[0] == ',' && text[1] != '\0')
            text++;
    }
    if (*n_out == 0)
        (void)api_malformed(work, "by", "is empty");
    return *n_out > 0;
}

static void add_row(struct strbuf *out, const struct tally *tally, const struct tally_row *row)
{
    strbuf_add_char(out, '{');
    for (size_t i = 0; i < tally_columns(tally); i++)
        strbuf_add_json_field(out, tally_by_name(tally_column(tally, i)), row->keys[i]);
    strbuf_add_json_number(out, "count", (int64_t)row->counts.decisions);
    strbuf_add_json_number(out, "pass", (int64_t)row->counts.pass);
    strbuf_add_json_number(out, "block", (int64_t)row->counts.block);
    strbuf_add_json_number(out, "defer", (int64_t)row->counts.defer);
    strbuf_add_json_number(out, "let_through", (int64_t)row->counts.let_through);
    strbuf_add_json_number(out, "discarded", (int64_t)row->counts.discarded);
    strbuf_add_char(out, '}');
}

static void write_rows(struct api_work *work, const struct tally *tally,
                       const struct tally_filter *filter)
{
    char text[CLOCK_TEXT];
    struct strbuf *out = &work->out;
    strbuf_add_char(out, '{');
    clock_format(filter->since, text);
    strbuf_add_json_field(out, "from", text);
    clock_format(filter->until, text);
    strbuf_add_json_field(out, "to", text);
    strbuf_add_str(out, ",\"rows\":[");
    for (size_t i = 0; i < tally_count(tally); i++) {
        strbuf_add_str(out, i > 0 ? "," : "");
        add_row(out, tally, tally_row(tally, i));
    }
    strbuf_add_str(out, "]}\n");
}

enum result api_report(struct api_work *work, struct desk_tools *tools, struct error *err)
{
    enum tally_by by[TALLY_BY_COUNT];
    size_t n;
    struct tally_filter filter = {0};
    if (!api_partner_parameter(work, &filter.partner))
        return RESULT_OK;
    if (api_parameter(work, "from") == NULL)
        return api_malformed(work, "from", "is missing");
    if (!api_instant(work, "from", 0, &filter.since) ||
        !api_instant(work, "to", work->now, &filter.until) || !read_columns(work, by, &n))
        return RESULT_OK;
    if (filter.since >= filter.until)
        return api_malformed(work, "to", "must be later than from");
    struct tally *tally = tally_new(by, n);
    if (tally == NULL)
        return error_no_memory(err);
    enum result result = desk_index(tools, err);
    if (result == RESULT_OK)
        result = journal_index_tally(tools->index, &filter, &tally, 1, err);
    if (result == RESULT_OK) {
        tally_sort(tally);
        write_rows(work, tally, &filter);
    }
    tally_free(&tally);
    return result;
}
