/* SPDX-License-Identifier: Apache-2.0 */
/* Every case of tests/golden is judged three times: plainly, aloud, and with its events turned
 * round; the verdict must be the expected one each time. */
#include "tests/unit/golden_parse.h"
#include "tests/unit/unit.h"

#include "base/str.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#define ARENA_CAP      (64u << 20)
#define CASES_AT_LEAST 200

struct tally {
    const char *file;
    size_t wrong;
    bool reached[REASON_COUNT];
    bool missed[REASON_COUNT];
};

static void wrong(struct tally *tally, const struct golden_case *golden, const char *what,
                  const char *got)
{
    fprintf(stderr, "%s:%d: %s: %s: %s\n", tally->file, golden->line, golden->title, what, got);
    tally->wrong++;
}

static bool same(const struct judgement *a, const struct judgement *b)
{
    return a->verdict == b->verdict && a->reason == b->reason && a->event == b->event &&
           a->form_id == b->form_id && a->form_version == b->form_version;
}

static void check_trace(struct tally *tally, const struct golden_case *golden,
                        const struct judgement *judgement, const struct trace *trace)
{
    if (trace->count == 0 || trace->count == TRACE_MAX) {
        wrong(tally, golden, "the trace is empty or full", "");
        return;
    }
    const struct trace_step *last = &trace->steps[trace->count - 1];
    enum finding finding = judgement->verdict == VERDICT_PASS ? FINDING_HOLDS : FINDING_FAILS;
    if (last->reason != judgement->reason || last->finding != finding)
        wrong(tally, golden, "the last rule tried is not the one that spoke", last->rule);
    for (size_t i = 0; i < trace->count; i++) {
        size_t length = strlen(trace->steps[i].note);
        if (length < 10 || trace->steps[i].note[length - 1] != '.')
            wrong(tally, golden, "a note is not a whole sentence", trace->steps[i].note);
        if (i + 1 < trace->count && trace->steps[i].finding == FINDING_FAILS)
            wrong(tally, golden, "a rule was tried after one that spoke", trace->steps[i].rule);
        if (i > 0 &&
            strtol(trace->steps[i].rule, NULL, 10) < strtol(trace->steps[i - 1].rule, NULL, 10))
            wrong(tally, golden, "the rules are out of order", trace->steps[i].rule);
    }
}

/* Whether the rule that gives this code was tried and did not speak. A code that passes has no
 * rule that could be tried in vain: another verdict is all there is to miss it by. */
static bool just_misses(const struct trace *trace, enum reason reason)
{
    if (reason == REASON_SERVICE || reason >= REASON_CONSENT)
        return true;
    for (size_t i = 0; i < trace->count; i++)
        if (trace->steps[i].reason == reason && trace->steps[i].finding == FINDING_HOLDS)
            return true;
    return false;
}

static void check_misses(struct tally *tally, const struct golden_case *golden,
                         const struct judgement *judgement, const struct trace *trace)
{
    for (enum reason reason = 0; reason < REASON_COUNT; reason++) {
        if (!golden->misses[reason])
            continue;
        tally->missed[reason] = true;
        if (judgement->reason == reason || !just_misses(trace, reason))
            wrong(tally, golden, "this code is not just missed", reason_name(reason));
    }
}

static void judge_reversed(const struct golden_case *golden, struct judgement *out)
{
    struct consent_event events[GOLDEN_EVENTS];
    struct facts facts = golden->facts;
    for (size_t i = 0; i < golden->n_events; i++)
        events[i] = golden->events[golden->n_events - 1 - i];
    facts.events = events;
    policy_judge(&golden->question, &facts, out, NULL);
}

static void check_case(void *arg, const struct golden_case *golden)
{
    struct tally *tally = arg;
    struct judgement plain, aloud, reversed;
    struct trace trace;
    char number[32];
    policy_judge(&golden->question, &golden->facts, &plain, NULL);
    policy_judge(&golden->question, &golden->facts, &aloud, &trace);
    judge_reversed(golden, &reversed);
    tally->reached[plain.reason] = true;
    if (plain.verdict != golden->verdict)
        wrong(tally, golden, "the verdict is", verdict_name(plain.verdict));
    if (plain.reason != golden->reason)
        wrong(tally, golden, "the reason is", reason_name(plain.reason));
    snprintf(number, sizeof(number), "%lld", (long long)plain.event);
    if (golden->event >= 0 && plain.event != golden->event)
        wrong(tally, golden, "the event is", number);
    if (!same(&plain, &aloud))
        wrong(tally, golden, "the trace changes the verdict", reason_name(aloud.reason));
    if (!same(&plain, &reversed))
        wrong(tally, golden, "the order of events counts", reason_name(reversed.reason));
    const char *effect =
        effect_name(policy_effect(golden->partner.mode, plain.verdict, plain.reason));
    if (golden->effect != NULL && strcmp(effect, golden->effect) != 0)
        wrong(tally, golden, "the effect is", effect);
    check_trace(tally, golden, &plain, &trace);
    check_misses(tally, golden, &plain, &trace);
}

static char *read_file(struct arena *arena, const char *path)
{
    FILE *file = fopen(path, "re");
    ck_assert_msg(file != NULL, "%s cannot be opened", path);
    ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    ck_assert_int_ge(size, 0);
    rewind(file);
    char *text = arena_alloc(arena, (size_t)size + 1);
    ck_assert_ptr_nonnull(text);
    ck_assert_uint_eq(fread(text, 1, (size_t)size, file), (size_t)size);
    ck_assert_uint_eq(strlen(text), (size_t)size);
    fclose(file);
    return text;
}

static size_t check_file(const char *name, struct tally *tally)
{
    char path[4096];
    size_t count;
    struct error err = {0};
    struct arena *arena = arena_new(ARENA_CAP);
    ck_assert_ptr_nonnull(arena);
    snprintf(path, sizeof(path), "%s/%s", GOLDEN_DIR, name);
    tally->file = name;
    enum result result =
        golden_read(read_file(arena, path), arena, check_case, tally, &count, &err);
    ck_assert_msg(result == RESULT_OK, "%s: %s", name, err.text);
    ck_assert_msg(count > 0, "%s has no case", name);
    arena_free(&arena);
    return count;
}

/* Codes that are judged elsewhere: rules on content, and the gate's own trouble. */
static bool judged_elsewhere(enum reason reason)
{
    return reason == REASON_OPTOUT_MISSING || reason == REASON_IDENTITY_MISSING ||
           reason == REASON_STOP_MISSING || reason == REASON_UNABLE || reason == REASON_MALFORMED;
}

/* Every code has a case that expects it, and one that just misses it. */
static void check_codes(const struct tally *tally)
{
    for (enum reason reason = 0; reason < REASON_COUNT; reason++) {
        const char *name = reason_name(reason);
        bool here = !judged_elsewhere(reason);
        /* A professional whom nothing attests is UNPROVEN before rule 17 is reached. */
        bool reachable = here && reason != REASON_NOT_PROFESSIONAL;
        ck_assert_msg(tally->reached[reason] == reachable, "%s: a golden case %s it", name,
                      reachable ? "should expect" : "expects");
        ck_assert_msg(tally->missed[reason] == here, "%s: a golden case %s it", name,
                      here ? "should just miss" : "misses");
    }
}

START_TEST(golden_cases_hold)
{
    struct tally tally = {0};
    size_t cases = 0;
    DIR *folder = opendir(GOLDEN_DIR);
    ck_assert_msg(folder != NULL, "no folder %s", GOLDEN_DIR);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        const char *end = strrchr(entry->d_name, '.');
        if (end != NULL && strcmp(end, ".golden") == 0)
            cases += check_file(entry->d_name, &tally);
    }
    closedir(folder);
    ck_assert_msg(tally.wrong == 0, "%zu findings in %zu golden cases", tally.wrong, cases);
    ck_assert_uint_ge(cases, CASES_AT_LEAST);
    check_codes(&tally);
}
END_TEST

#define CASE \
    "case A title\npartner acme\nstream none\nask email 2026-06-01\nexpect block NO_CONSENT\n"

static void count_case(void *arg, const struct golden_case *golden)
{
    (void)golden;
    ++*(size_t *)arg;
}

static enum result read_text(const char *text, size_t *count_out, struct error *err)
{
    size_t seen = 0;
    struct arena *arena = arena_new(ARENA_CAP);
    ck_assert_ptr_nonnull(arena);
    char *copy = arena_str(arena, text);
    ck_assert_ptr_nonnull(copy);
    enum result result = golden_read(copy, arena, count_case, &seen, count_out, err);
    ck_assert_uint_eq(seen, *count_out);
    arena_free(&arena);
    return result;
}

START_TEST(golden_reader_counts)
{
    struct error err = {0};
    size_t count;
    ck_assert_int_eq(read_text("", &count, &err), RESULT_OK);
    ck_assert_uint_eq(count, 0);
    ck_assert_int_eq(read_text("# a remark\n\n" CASE "\n" CASE CASE, &count, &err), RESULT_OK);
    ck_assert_uint_eq(count, 3);
}
END_TEST

START_TEST(golden_reader_is_strict)
{
    static const char *const texts[] = {
        "partner acme\n",
        "case A title\n",
        "case A title\npartner acme\nstream none\nask email 2026-06-01\n",
        "case A title\nstream none\nask email 2026-06-01\nexpect block NO_CONSENT\n",
        CASE "expect block NO_CONSENT\n",
        CASE "partner beta\n",
        CASE "ask sms 2026-06-01\n",
        CASE "event x given email 2026-01-01\n",
        CASE "event 1 gave email 2026-01-01\n",
        CASE "event 1 given mail 2026-01-01\n",
        CASE "event 1 given email 2026-02-30\n",
        CASE "event 1 given email 2026-01-01; prove\n",
        CASE "event 1 given email 2026-01-01; form jeu@1\n",
        CASE "form jeu\n",
        CASE "form jeu@1; list acme\n",
        CASE "policy naming none\n",
        "case A title\npartner acme\nstream none\nask email 2026-06-01\n"
        "expect block NO_CONSENT; misses CONCENT\n",
        "case A title\npartner acme\nstream none\nask email 2026-06-01\n"
        "event 1 given email 2026-01-01; supplier leads gone\nexpect block NO_CONSENT\n",
        CASE "policy accept all\n",
        CASE "policy hours 8-20\n",
        CASE "policy days all\n",
        CASE "\npolicy stale 3 years\n",
        CASE "nonsense at all\n",
        CASE "word\n",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct error err = {0};
        size_t count;
        ck_assert_msg(read_text(texts[i], &count, &err) != RESULT_OK, "taken: %s", texts[i]);
        ck_assert_msg(ascii_has_prefix(err.text, "line "), "%s", err.text);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {golden_cases_hold, golden_reader_counts, golden_reader_is_strict,
                                  NULL};
    Suite *const suites[] = {unit_suite("golden", tests), NULL};
    return unit_run(suites);
}
