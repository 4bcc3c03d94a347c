/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tallies out of the index's sums, and lists by any mix of filters, against counting every row of
 * what was put into the journal: as the index grew, as it is after a purge, and built anew.
 */
#include "policy/judge.h"
#include "store/journal_purge.h"
#include "store/sums.h"
#include "store/tally.h"
#include "tests/unit/test_journal.h"
#include "tests/unit/test_registry.h"

#include <sys/stat.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))
#define FIRST_DAY    "2026-03-28T00:00:00Z"

enum { ROWS = 3000, DAYS = 6, BATCH = 100, TRIES = 100, PEOPLE = 5 };

/* Which of the events a row relies on; the last is in no registry. */
enum { EVENT_NONE, EVENT_FIRST, EVENT_SECOND, EVENT_BARE, EVENT_ERASED, EVENT_MISSING, EVENTS };

enum fate { KEPT, GONE, TOTALLED };

struct row {
    int64_t at;
    const char *partner, *stream, *policy;
    enum channel channel;
    enum purpose purpose;
    enum verdict verdict;
    enum reason reason;
    enum effect effect;
    enum mode mode;
    int event;
    int person; /* from 1; 0: none named */
    bool listed;
    enum fate fate;
};

struct origin {
    const char *form, *collector, *supplier;
};

static struct origin origins[EVENTS] = {
    [EVENT_NONE] = {TALLY_NONE, TALLY_NONE, TALLY_NONE},
    [EVENT_FIRST] = {"jeu-ete@1", "Leads SARL", TALLY_NONE},
    [EVENT_SECOND] = {"jeu-ete@2", "Leads SARL", "listes"},
    [EVENT_BARE] = {TALLY_NONE, TALLY_NONE, "listes"},
    [EVENT_ERASED] = {TALLY_GONE, TALLY_GONE, TALLY_GONE},
    [EVENT_MISSING] = {TALLY_GONE, TALLY_GONE, TALLY_GONE},
};

static struct row rows[ROWS];
static int64_t event_numbers[EVENTS];
static struct box box;
static struct bench bench;
static struct journal_index *grown;
static uint64_t state;

static int below(int n)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (int)((state >> 33) % (uint64_t)n);
}

/* ---- the world ---- */

static int64_t put_event(int which, int version, const char *supplier)
{
    uint8_t hash[SHA256_BYTES];
    struct event_input event = grant((uint8_t)(100 + which), version, "2026-03-01T00:00:00Z");
    event.supplier = supplier;
    put(bench.registry, &event);
    must(registry_head(bench.registry, &event_numbers[which], hash, &bench.err) == RESULT_OK);
    return event_numbers[which];
}

static void make_registry(void)
{
    bench_open(&bench);
    must(put_form(bench.registry, "jeu-ete", 1, "2026-01-01T00:00:00Z", "\"acme\"", "",
                  &bench.err) == RESULT_OK);
    must(put_form(bench.registry, "jeu-ete", 2, "2026-02-01T00:00:00Z", "\"acme\"", "",
                  &bench.err) == RESULT_OK);
    put_event(EVENT_FIRST, 1, "");
    put_event(EVENT_SECOND, 2, "listes");
    put_event(EVENT_BARE, 0, "listes");
    must(registry_erase_event(bench.registry, put_event(EVENT_ERASED, 2, ""), &bench.err) ==
         RESULT_OK);
    event_numbers[EVENT_MISSING] = 4711;
}

static void make_row(struct row *row)
{
    static const char *const partners[] = {"acme", "acme", "acme", "beta", "gamma"};
    static const char *const streams[] = {"news", "offers"};
    static const char *const policies[] = {"3f2a", "77aa"};
    static const enum reason stops[] = {REASON_NO_CONSENT, REASON_NO_CONSENT, REASON_WITHDRAWN,
                                        REASON_STALE, REASON_SUSPENDED};
    *row = (struct row){
        .at = at(FIRST_DAY) + below(DAYS * 144) * (CLOCK_DAY / 144),
        .partner = partners[below(COUNT(partners))],
        .stream = streams[below(COUNT(streams))],
        .policy = policies[below(10) == 0],
        .channel = below(3) == 0 ? CHANNEL_SMS : CHANNEL_EMAIL,
        .purpose = below(8) == 0 ? PURPOSE_TRANSMISSION : PURPOSE_RECEIPT,
        .verdict = below(2) == 0   ? VERDICT_PASS
                   : below(8) == 0 ? VERDICT_DEFER
                                   : VERDICT_BLOCK,
        .reason = REASON_CONSENT,
        .effect = EFFECT_PASSED,
        .mode = below(3) == 0 ? MODE_OBSERVE : MODE_ENFORCE,
        .event = below(EVENTS),
        .person = below(PEOPLE + 1),
    };
    row->listed = row->purpose == PURPOSE_TRANSMISSION && below(2) == 0;
    if (row->verdict == VERDICT_DEFER) {
        row->reason = REASON_OUTSIDE_HOURS;
        row->effect = EFFECT_DEFERRED;
    } else if (row->verdict == VERDICT_BLOCK) {
        row->reason = stops[below(COUNT(stops))];
        if (row->mode == MODE_ENFORCE || reason_always_enforced(row->reason))
            row->effect = below(9) == 0 ? EFFECT_DISCARDED : EFFECT_REFUSED;
    }
}

static void id_of(int number, char out[RECORD_ID])
{
    snprintf(out, RECORD_ID, "R%06d", number);
}

/* Some turn out otherwise, at once or much later; the row says what came of it. */
static void add_outcome(struct journal_batch *batch, int number, enum effect effect)
{
    char id[RECORD_ID];
    id_of(number, id);
    const struct outcome_row outcome = {
        .id = id, .at = rows[number].at, .outcome = OUTCOME_ACCEPTED, .effect = effect, .size = 1};
    rows[number].effect = effect;
    must(journal_batch_outcome(batch, &outcome));
}

static void add_row(struct journal_batch *batch, int number)
{
    static const char list[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    const struct row *row = &rows[number];
    struct recipient recipient = {.masked = "j•••@example.org"};
    char id[RECORD_ID];
    id_of(number, id);
    recipient.key[0] = (uint8_t)row->person;
    const struct decision decision = {.id = id,
                                      .at = row->at,
                                      .gateway = "gate.example",
                                      .session = "s-1",
                                      .partner = row->partner,
                                      .stream = row->stream,
                                      .account = "acme-news",
                                      .channel = row->channel,
                                      .purpose = row->purpose,
                                      .recipient = row->person > 0 ? &recipient : NULL,
                                      .verdict = row->verdict,
                                      .reason = row->reason,
                                      .effect = row->effect,
                                      .mode = row->mode,
                                      .policy = row->policy,
                                      .event = event_numbers[row->event],
                                      .list = row->listed ? list : NULL,
                                      .row = row->listed ? (uint64_t)number + 1 : 0};
    must(journal_batch_decision(batch, &decision));
}

static void fill(int from, int to)
{
    for (int i = from; i < to;) {
        struct journal_batch *batch = journal_batch_new();
        must(batch != NULL);
        for (int end = i + BATCH < to ? i + BATCH : to; i < end; i++) {
            make_row(&rows[i]);
            add_row(batch, i);
            int late = below(i + 1);
            if (rows[i].effect == EFFECT_PASSED)
                add_outcome(batch, i, below(4) == 0 ? EFFECT_ABANDONED : EFFECT_PASSED);
            if (rows[late].effect == EFFECT_PASSED && below(4) == 0)
                add_outcome(batch, late, EFFECT_DEFERRED);
        }
        must(box_append(&box, batch) == RESULT_OK);
    }
}

static void catch_up(struct journal_index *index, uint64_t step)
{
    struct error err = {0};
    uint64_t taken;
    do
        ck_assert_msg(journal_index_catch_up(index, step, &taken, &err) == RESULT_OK, "%s",
                      err.text);
    while (taken > 0);
}

static struct journal_index *index_at(const char *path)
{
    struct journal_index *index = NULL;
    struct error err = {0};
    ck_assert_msg(journal_index_open(path, box.directory, bench.path, &index, &err) == RESULT_OK,
                  "%s", err.text);
    return index;
}

static void begin(void)
{
    state = 20260328;
    make_registry();
    box_new(&box, 1 << 16); /* some segments */
    box_open(&box);
    grown = index_at(box.index);
}

static void end(void)
{
    journal_index_close(&grown);
    box_free(&box);
    bench_close(&bench);
}

/* ---- tallies ---- */

static int64_t midnight(int64_t instant)
{
    return instant - instant % CLOCK_DAY;
}

/* What the journal tells of it within the period, be it a total. */
static bool count_row(struct tally *tally, const struct tally_filter *filter, const struct row *row)
{
    bool totalled = row->fate == TOTALLED;
    int64_t day = midnight(row->at);
    bool within = totalled ? day >= filter->since && day + CLOCK_DAY <= filter->until
                           : row->at >= filter->since && row->at < filter->until;
    if (row->fate == GONE || !within ||
        (filter->partner != NULL && strcmp(filter->partner, row->partner) != 0) ||
        (filter->purpose != NULL &&
         strcmp(filter->purpose, purpose_name(totalled ? PURPOSE_RECEIPT : row->purpose)) != 0))
        return true;
    char text[CLOCK_TEXT];
    clock_format(day, text);
    text[strlen("2026-01-31")] = '\0';
    const struct origin *origin = &origins[row->event];
    enum effect effect = totalled ? EFFECT_PASSED : row->effect;
    const char *values[TALLY_BY_COUNT] = {
        [TALLY_PARTNER] = row->partner,
        [TALLY_STREAM] = totalled ? TALLY_GONE : row->stream,
        [TALLY_CHANNEL] = channel_name(row->channel),
        [TALLY_PURPOSE] = totalled ? TALLY_GONE : purpose_name(row->purpose),
        [TALLY_VERDICT] = verdict_name(row->verdict),
        [TALLY_REASON] = reason_name(row->reason),
        [TALLY_EFFECT] = effect_name(effect),
        [TALLY_MODE] = mode_name(row->mode),
        [TALLY_POLICY] = totalled ? TALLY_GONE : row->policy,
        [TALLY_DAY] = text,
        [TALLY_FORM] = totalled ? TALLY_GONE : origin->form,
        [TALLY_COLLECTOR] = totalled ? TALLY_GONE : origin->collector,
        [TALLY_SUPPLIER] = totalled ? TALLY_GONE : origin->supplier,
    };
    bool blocked = row->verdict == VERDICT_BLOCK;
    const struct tally_counts counts = {
        .decisions = 1,
        .pass = row->verdict == VERDICT_PASS,
        .block = blocked,
        .defer = row->verdict == VERDICT_DEFER,
        .let_through = blocked && effect == EFFECT_PASSED,
        .discarded = effect == EFFECT_DISCARDED,
    };
    return tally_add(tally, values, &counts);
}

static struct tally *some_columns(void)
{
    enum tally_by by[TALLY_BY_COUNT];
    size_t n = 0;
    int start = below(TALLY_BY_COUNT);
    int share = 1 + below(5);
    for (int i = 0; i < TALLY_BY_COUNT; i++)
        if (below(share) == 0)
            by[n++] = (enum tally_by)((i * 5 + start) % TALLY_BY_COUNT);
    struct tally *tally = tally_new(by, n);
    must(tally != NULL);
    return tally;
}

static void expect_tally(struct tally *tally, const struct tally_filter *filter)
{
    enum tally_by by[TALLY_BY_COUNT];
    size_t n = tally_columns(tally);
    for (size_t i = 0; i < n; i++)
        by[i] = tally_column(tally, i);
    struct tally *counted = tally_new(by, n);
    must(counted != NULL);
    for (int i = 0; i < ROWS; i++)
        must(count_row(counted, filter, &rows[i]));
    tally_sort(counted);
    tally_sort(tally);
    ck_assert_uint_eq(tally_count(tally), tally_count(counted));
    for (size_t i = 0; i < tally_count(tally); i++) {
        const struct tally_row *is = tally_row(tally, i);
        const struct tally_row *should = tally_row(counted, i);
        for (size_t k = 0; k < n; k++)
            must(strcmp(is->keys[k], should->keys[k]) == 0);
        must(memcmp(&is->counts, &should->counts, sizeof(is->counts)) == 0);
    }
    tally_free(&counted);
}

static int64_t some_instant(void)
{
    int64_t unit = below(2) == 0 ? CLOCK_DAY : CLOCK_DAY / 288;
    return at(FIRST_DAY) - CLOCK_DAY + below((int)((DAYS + 2) * CLOCK_DAY / unit)) * unit;
}

static const char *some_purpose(void)
{
    return below(2) == 0 ? NULL : purpose_name((enum purpose)below(PURPOSE_COUNT));
}

static void expect_tallies(struct journal_index *index)
{
    static const char *const partners[] = {NULL, NULL, "acme", "beta", "nobody"};
    for (int i = 0; i < TRIES; i++) {
        struct tally_filter filter = {
            .since = below(8) == 0 ? INT64_MIN : some_instant(),
            .until = below(8) == 0 ? INT64_MAX : some_instant(),
            .partner = partners[below(COUNT(partners))],
            .purpose = some_purpose(),
        };
        struct tally *tallies[] = {some_columns(), some_columns(), some_columns()};
        struct error err = {0};
        ck_assert_msg(journal_index_tally(index, &filter, tallies, 3, &err) == RESULT_OK, "%s",
                      err.text);
        for (size_t k = 0; k < 3; k++) {
            expect_tally(tallies[k], &filter);
            tally_free(&tallies[k]);
        }
    }
}

/* ---- lists ---- */

struct list {
    int numbers[ROWS];
    int count;
    struct log_filter *next; /* gets the last entry's place */
};

static bool take_entry(void *arg, const struct log_entry *entry)
{
    struct list *list = arg;
    must(list->count < ROWS && entry->id[0] == 'R');
    list->numbers[list->count++] = atoi(entry->id + 1);
    list->next->before_at = entry->instant;
    list->next->before_seq = entry->seq;
    return true;
}

static bool is_listed(const struct log_filter *filter, int number)
{
    const struct row *row = &rows[number];
    return row->fate == KEPT && (!filter->has_verdict || row->verdict == filter->verdict) &&
           (!filter->stopped || row->verdict != VERDICT_PASS) &&
           (!filter->has_channel || row->channel == filter->channel) &&
           (filter->partner == NULL || strcmp(row->partner, filter->partner) == 0) &&
           (filter->stream == NULL || strcmp(row->stream, filter->stream) == 0) &&
           (filter->reason == NULL || strcmp(reason_name(row->reason), filter->reason) == 0) &&
           (filter->purpose == NULL || strcmp(purpose_name(row->purpose), filter->purpose) == 0) &&
           (!filter->not_sent || (row->verdict == VERDICT_BLOCK && row->effect != EFFECT_PASSED)) &&
           (filter->recipient_key == NULL || row->person == filter->recipient_key[0]) &&
           row->at >= filter->since && row->at < filter->until;
}

static int by_place(const void *left, const void *right)
{
    int a = *(const int *)left;
    int b = *(const int *)right;
    if (rows[a].at != rows[b].at)
        return rows[a].at < rows[b].at ? -1 : 1;
    return a < b ? -1 : a > b;
}

/* Oldest first. */
static int list_all(const struct log_filter *filter, int out[ROWS])
{
    int count = 0;
    for (int i = 0; i < ROWS; i++)
        if (is_listed(filter, i))
            out[count++] = i;
    qsort(out, (size_t)count, sizeof(*out), by_place);
    return count;
}

static struct log_filter some_filter(const uint8_t *keys)
{
    static const char *const partners[] = {"acme", "beta", "gamma", "nobody"};
    static const char *const reasons[] = {"NO_CONSENT", "WITHDRAWN",     "STALE",
                                          "CONSENT",    "OUTSIDE_HOURS", "SECTOR_BAN"};
    return (struct log_filter){
        .has_verdict = below(4) == 0,
        .verdict = (enum verdict)below(VERDICT_COUNT),
        .stopped = below(3) == 0,
        .has_channel = below(4) == 0,
        .channel = below(2) == 0 ? CHANNEL_SMS : CHANNEL_EMAIL,
        .partner = below(3) == 0 ? partners[below(COUNT(partners))] : NULL,
        .stream = below(4) == 0 ? "offers" : NULL,
        .reason = below(4) == 0 ? reasons[below(COUNT(reasons))] : NULL,
        .not_sent = below(5) == 0,
        .purpose = below(4) == 0 ? some_purpose() : NULL,
        .recipient_key =
            below(5) == 0 ? keys + (size_t)below(PEOPLE + 2) * RECIPIENT_KEY_BYTES : NULL,
        .since = below(2) == 0 ? INT64_MIN : some_instant(),
        .until = below(2) == 0 ? INT64_MAX : some_instant(),
        .limit = below(3) == 0 ? 0 : (uint64_t)(1 + below(60)),
        .oldest_first = below(4) == 0,
    };
}

/* Page after page, if it is newest first; the first page alone, if not. */
static void expect_list(struct journal_index *index, const struct log_filter *filter)
{
    static int all[ROWS];
    static struct list list;
    struct error err = {0};
    int count = list_all(filter, all);
    int seen = 0;
    struct log_filter next = *filter;
    do {
        struct log_filter asked = next;
        list.count = 0;
        list.next = &next;
        ck_assert_msg(journal_index_log(index, &asked, take_entry, &list, &err) == RESULT_OK, "%s",
                      err.text);
        int left = count - seen;
        int most = filter->limit > 0 && (int)filter->limit < left ? (int)filter->limit : left;
        ck_assert_int_eq(list.count, most);
        for (int i = 0; i < most; i++)
            must(list.numbers[i] == all[filter->oldest_first ? i : count - 1 - seen - i]);
        seen += most;
    } while (list.count > 0 && !filter->oldest_first && seen < count);
    int64_t oldest = 0;
    int64_t newest = 0;
    enum result result = journal_index_span(index, filter, &oldest, &newest, &err);
    ck_assert_int_eq(result, count > 0 ? RESULT_OK : RESULT_NOT_FOUND);
    must(count == 0 || (oldest == rows[all[0]].at && newest == rows[all[count - 1]].at));
}

static void expect_lists(struct journal_index *index)
{
    uint8_t keys[(PEOPLE + 2) * RECIPIENT_KEY_BYTES] = {0};
    for (size_t i = 0; i < PEOPLE + 2; i++)
        keys[i * RECIPIENT_KEY_BYTES] = (uint8_t)(i + 1);
    for (int i = 0; i < TRIES; i++) {
        const struct log_filter filter = some_filter(keys);
        expect_list(index, &filter);
    }
    /* More than a block, in one go. */
    const struct log_filter most = {
        .has_channel = true, .channel = CHANNEL_EMAIL, .since = INT64_MIN, .until = INT64_MAX};
    expect_list(index, &most);
    const struct log_filter oldest = {
        .stopped = true, .since = INT64_MIN, .until = INT64_MAX, .oldest_first = true};
    expect_list(index, &oldest);
}

/* ---- tests ---- */

static void expect_anew(void)
{
    char path[300];
    snprintf(path, sizeof(path), "%s.anew", box.index);
    unlink(path);
    struct journal_index *index = index_at(path);
    catch_up(index, 0);
    expect_tallies(index);
    expect_lists(index);
    journal_index_close(&index);
}

START_TEST(as_it_grows)
{
    begin();
    for (int i = 0; i < ROWS; i++)
        rows[i].fate = GONE; /* not yet there */
    for (int from = 0; from < ROWS; from += ROWS / 3) {
        fill(from, from + ROWS / 3);
        catch_up(grown, 7 + 300 * (uint64_t)below(2));
        expect_tallies(grown);
        expect_lists(grown);
    }
    expect_anew();
    end();
}
END_TEST

static enum result append(void *arg, struct strbuf *lines, struct error *err)
{
    struct journal_batch *batch = NULL;
    enum result result = journal_batch_of(lines, &batch, err);
    return result == RESULT_OK ? box_append(arg, batch) : result;
}

static void purge(int64_t journal, int64_t detail)
{
    struct journal_purge purge = {.directory = box.directory,
                                  .index = grown,
                                  .limits = {.journal = journal, .detail = detail},
                                  .append = append,
                                  .append_arg = &box};
    struct journal_purge_counts counts;
    struct signing_key *key = NULL;
    struct strbuf line = {0};
    struct error err = {0};
    must(signing_key_load_public(box.public_key, &key, &err) == RESULT_OK);
    purge.key = key;
    record_purging(&line, &purge.limits, clock_now());
    must(append(&box, &line, &err) == RESULT_OK);
    ck_assert_msg(journal_purge_run(&purge, &counts, &err) == RESULT_OK, "%s", err.text);
    signing_key_free(&key);
    for (int i = 0; i < ROWS; i++) {
        struct row *row = &rows[i];
        bool is_detail = row->mode == MODE_OBSERVE && row->verdict == VERDICT_BLOCK &&
                         !reason_always_enforced(row->reason) && !row->listed;
        if (row->fate == KEPT && row->at < (is_detail && detail > journal ? detail : journal))
            row->fate = is_detail ? TOTALLED : GONE;
    }
}

START_TEST(as_retention_erases)
{
    begin();
    fill(0, ROWS);
    catch_up(grown, 0);
    /* The grown index remembers the form of an event that is erased later; one built anew cannot
     * know it. */
    must(registry_erase_event(bench.registry, event_numbers[EVENT_SECOND], &bench.err) ==
         RESULT_OK);
    const int64_t first = at(FIRST_DAY);
    const int64_t limits[][2] = {
        {first, first + CLOCK_DAY},
        {first + CLOCK_DAY, first + 3 * CLOCK_DAY},
        {first + 4 * CLOCK_DAY, first + 3 * CLOCK_DAY},
        {first + DAYS * CLOCK_DAY, first + DAYS * CLOCK_DAY},
    };
    for (int i = 0; i < COUNT(limits); i++) {
        const struct origin second = origins[EVENT_SECOND];
        purge(limits[i][0], limits[i][1]);
        expect_tallies(grown);
        expect_lists(grown);
        origins[EVENT_SECOND] = origins[EVENT_ERASED];
        expect_anew();
        origins[EVENT_SECOND] = second;
    }
    end();
}
END_TEST

/* An event that came after the index was first asked is seen; a registry that cannot be read keeps
 * nobody from the journal, one that is only not to be had now is waited for. */
START_TEST(registries)
{
    static const enum tally_by by[] = {TALLY_FORM};
    char odd[300], path[300];
    struct error err = {0};
    begin();
    fill(0, 1);
    catch_up(grown, 0);
    put_event(EVENT_MISSING, 1, "late");
    rows[1] = (struct row){.partner = "acme", .stream = "s", .policy = "p", .event = EVENT_MISSING};
    struct journal_batch *batch = journal_batch_new();
    add_row(batch, 1);
    must(box_append(&box, batch) == RESULT_OK);
    catch_up(grown, 0);
    struct tally *tally = tally_new(by, 1);
    must(journal_index_tally(grown, &(struct tally_filter){.since = 0, .until = 1}, &tally, 1,
                             &err) == RESULT_OK);
    ck_assert_uint_eq(tally_count(tally), 1);
    ck_assert_str_eq(tally_row(tally, 0)->keys[0], "jeu-ete@1");
    tally_free(&tally);

    snprintf(odd, sizeof(odd), "%s/odd.db", box.folder);
    snprintf(path, sizeof(path), "%s/other.db", box.folder);
    for (int i = 0; i < 3; i++) { /* none, a folder, something else */
        struct journal_index *index = NULL;
        uint64_t taken = 0;
        unlink(path);
        must(journal_index_open(path, box.directory, odd, &index, &err) == RESULT_OK);
        if (i == 1) {
            must(mkdir(odd, 0700) == 0);
            ck_assert_int_eq(journal_index_catch_up(index, 0, &taken, &err), RESULT_UNAVAILABLE);
            must(rmdir(odd) == 0);
        } else if (i == 2) {
            FILE *file = fopen(odd, "w");
            must(file != NULL && fputs("this is no registry, whatever it is called\n", file) > 0);
            fclose(file);
        }
        catch_up(index, 0);
        tally = tally_new(by, 1);
        must(journal_index_tally(index, &(struct tally_filter){.since = 0, .until = 1}, &tally, 1,
                                 &err) == RESULT_OK);
        ck_assert_uint_eq(tally_count(tally), 1);
        ck_assert_str_eq(tally_row(tally, 0)->keys[0], TALLY_GONE);
        tally_free(&tally);
        must(i == 2 || access(odd, F_OK) != 0); /* it is not made */
        journal_index_close(&index);
    }
    end();
}
END_TEST

START_TEST(sums_in_memory)
{
    struct sums sums = {0};
    for (int turn = 0; turn < 2; turn++) {
        for (int64_t i = 0; i < 60000; i++)
            must(sums_add(&sums, i % 7, i % 11, i % 13, i % 2 == 0 ? 3 : -1));
        ck_assert_uint_eq(sums.count, 7 * 11 * 13);
        int64_t sum = 0;
        for (size_t i = 0; i < sums.count; i++) {
            const struct sum *one = &sums.all[i];
            must(one->day < 7 && one->kind < 11 && one->origin < 13);
            sum += one->rows;
        }
        ck_assert_int_eq(sum, 60000);
        sums_clear(&sums);
        ck_assert_uint_eq(sums.count, 0);
    }
    sums_free(&sums);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {as_it_grows, as_retention_erases, registries, sums_in_memory,
                                  NULL};
    Suite *const suites[] = {unit_suite("index sums", tests), NULL};
    return unit_run(suites);
}
