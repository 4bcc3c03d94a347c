/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each grant's own answer (policy_judge_grants) against the verdict, on every golden case: the two
 * may never tell different stories.
 */
#include "tests/unit/golden_parse.h"
#include "tests/unit/unit.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#define ARENA_CAP (64u << 20)

struct seen {
    const struct golden_case *golden;
    size_t grants, deciding, passing;
    enum reason reason; /* of the deciding one */
    bool passes;
    int64_t event;
};

struct tally {
    const char *file;
    size_t cases, grants, others;
};

#define CHECK(condition, what) \
    ck_assert_msg(condition, "%s:%d: %s: %s", file, golden->line, golden->title, what)

static void see(void *arg, const struct grant_opinion *opinion)
{
    struct seen *seen = arg;
    const struct trace *trace = opinion->trace;
    ck_assert(opinion->grant->kind == EVENT_GIVEN || opinion->grant->kind == EVENT_RENEWED);
    ck_assert_int_le(opinion->grant->occurred_at, seen->golden->question.now);
    ck_assert_uint_gt(trace->count, 0);
    ck_assert_str_eq(trace->steps[0].rule, "5");
    const struct trace_step *last = &trace->steps[trace->count - 1];
    ck_assert_int_eq(last->finding == FINDING_FAILS, !opinion->passes);
    if (!opinion->passes)
        ck_assert_int_eq(last->reason, opinion->reason);
    for (size_t i = 0; i + 1 < trace->count; i++)
        ck_assert_int_ne(trace->steps[i].finding, FINDING_FAILS);
    seen->grants++;
    seen->passing += opinion->passes;
    if (!opinion->decides)
        return;
    seen->deciding++;
    seen->reason = opinion->reason;
    seen->passes = opinion->passes;
    seen->event = opinion->event;
}

/* Whether rules 1 to 4 spoke, so that the grants had no say. */
static bool spoke_before(const struct trace *trace)
{
    const char *rule = trace->steps[trace->count - 1].rule;
    return strlen(rule) == 1 && rule[0] <= '4';
}

static size_t grants_of(const struct golden_case *golden)
{
    size_t count = 0;
    for (size_t i = 0; i < golden->facts.n_events; i++) {
        const struct consent_event *event = &golden->facts.events[i];
        count += (event->kind == EVENT_GIVEN || event->kind == EVENT_RENEWED) &&
                 event->occurred_at <= golden->question.now;
    }
    return count;
}

static void check_case(void *arg, const struct golden_case *golden)
{
    struct tally *tally = arg;
    const char *file = tally->file;
    struct seen seen = {.golden = golden};
    struct judgement judgement;
    struct trace trace;
    policy_judge(&golden->question, &golden->facts, &judgement, &trace);
    policy_judge_grants(&golden->question, &golden->facts, see, &seen);
    CHECK(seen.grants == grants_of(golden), "not every grant has its answer");
    CHECK(seen.deciding == (seen.grants > 0), "not one grant decides");
    tally->cases++;
    tally->grants += seen.grants;
    if (seen.grants == 0 || spoke_before(&trace))
        return;
    tally->others += seen.grants - 1;
    CHECK(seen.passes == (judgement.verdict != VERDICT_BLOCK), "one passes, the other blocks");
    CHECK(seen.passes == (seen.passing > 0), "one that holds is not enough");
    CHECK(seen.event == judgement.event, "they rest on different events");
    if (judgement.verdict != VERDICT_DEFER)
        CHECK(seen.reason == judgement.reason, "they give different reasons");
}

static char *read_file(struct arena *arena, const char *path)
{
    FILE *file = fopen(path, "re");
    ck_assert_msg(file != NULL, "%s cannot be opened", path);
    ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    rewind(file);
    char *text = arena_alloc(arena, (size_t)size + 1);
    ck_assert_ptr_nonnull(text);
    ck_assert_uint_eq(fread(text, 1, (size_t)size, file), (size_t)size);
    fclose(file);
    return text;
}

static void check_file(const char *name, struct tally *tally)
{
    char path[4096];
    size_t count;
    struct error err = {0};
    struct arena *arena = arena_new(ARENA_CAP);
    snprintf(path, sizeof(path), "%s/%s", GOLDEN_DIR, name);
    tally->file = name;
    enum result result =
        golden_read(read_file(arena, path), arena, check_case, tally, &count, &err);
    ck_assert_msg(result == RESULT_OK, "%s: %s", name, err.text);
    arena_free(&arena);
}

START_TEST(grants_and_verdict_agree)
{
    struct tally tally = {0};
    DIR *folder = opendir(GOLDEN_DIR);
    ck_assert_msg(folder != NULL, "no folder %s", GOLDEN_DIR);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        const char *end = strrchr(entry->d_name, '.');
        if (end != NULL && strcmp(end, ".golden") == 0)
            check_file(entry->d_name, &tally);
    }
    closedir(folder);
    ck_assert_uint_ge(tally.cases, 80);
    /* The cases with several grants are what this is about. */
    ck_assert_uint_ge(tally.others, 5);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {grants_and_verdict_agree, NULL};
    Suite *const suites[] = {unit_suite("grants", tests), NULL};
    return unit_run(suites);
}
