/* SPDX-License-Identifier: Apache-2.0 */
/* Invalidation in bulk: what falls, who is counted, what is refused, and that nothing is deleted.
 */
#include "tests/unit/test_registry.h"

struct seen {
    char text[512];
};

static bool see(void *arg, const struct invalidation_row *row)
{
    struct seen *seen = arg;
    size_t used = strlen(seen->text);
    char name[64];
    if (row->form_id != NULL)
        snprintf(name, sizeof(name), "%s@%d", row->form_id, row->form_version);
    else
        snprintf(name, sizeof(name), "supplier %s", row->supplier);
    snprintf(seen->text + used, sizeof(seen->text) - used, "%s %d of %d\n", name, (int)row->grants,
             (int)row->persons);
    return true;
}

static void put_grant(struct registry *registry, uint8_t who, const char *form, int version,
                      const char *supplier, const char *when)
{
    struct event_input event = grant(who, version, when);
    event.form_id = form;
    event.supplier = supplier;
    ck_assert_uint_eq(put(registry, &event), 1);
}

/* Three forms of two collectors; persons 1 to 4. */
static void fill(struct bench *bench)
{
    struct registry *registry = bench->registry;
    struct form *form = NULL;
    bool added;
    const char other[] =
        "{\"id\":\"quiz\",\"version\":1,\"collector\":{\"name\":\"Autre SAS\"},"
        "\"channels\":[\"email\"],\"language\":\"fr\",\"display\":\"inline\",\"wording\":\"Oui\","
        "\"effective_from\":\"2026-01-01T00:00:00Z\",\"partners\":[\"acme\"],"
        "\"partner_categories\":[],\"purposes\":[\"receipt\"]}";
    put_form(registry, "jeu-ete", 1, "2026-01-01T00:00:00Z", "\"acme\"", "", &bench->err);
    put_form(registry, "jeu-ete", 2, "2026-03-01T00:00:00Z", "\"acme\"", "", &bench->err);
    ck_assert_msg(form_parse(other, strlen(other), &form, &bench->err) == RESULT_OK, "%s",
                  bench->err.text);
    ck_assert_int_eq(registry_add_form(registry, form, &added, &bench->err), RESULT_OK);
    form_free(&form);
    put_grant(registry, 1, "jeu-ete", 1, "leads", "2026-02-01T00:00:00Z");
    put_grant(registry, 1, "jeu-ete", 1, "", "2026-02-02T00:00:00Z");
    put_grant(registry, 2, "jeu-ete", 1, "leads", "2026-02-01T00:00:00Z");
    put_grant(registry, 3, "jeu-ete", 2, "honest", "2026-03-02T00:00:00Z");
    put_grant(registry, 4, "quiz", 1, "leads", "2026-02-01T00:00:00Z");
    struct event_input stop = grant(2, 1, "2026-04-01T00:00:00Z");
    stop.kind = EVENT_WITHDRAWN;
    stop.supplier = "leads";
    put(registry, &stop);
}

static enum result invalidate(struct bench *bench, const struct invalidation *what,
                              const char *reason, struct seen *seen,
                              struct invalidation_totals *totals)
{
    *seen = (struct seen){0};
    bench->err = (struct error){0};
    static int64_t ticks; /* no two moments are the same */
    int64_t moment = at(NOW) + ticks++;
    enum result result = registry_invalidate(bench->registry, what, reason, moment, &bench->err);
    if (result != RESULT_OK)
        return result;
    return registry_count_invalidated(bench->registry, what, moment, see, seen, totals,
                                      &bench->err);
}

static const struct facts *ask(struct registry *registry, uint8_t who)
{
    uint8_t key[RECIPIENT_KEY_BYTES];
    const struct facts *facts = NULL;
    struct error err = {0};
    memset(key, who, sizeof(key));
    ck_assert_msg(registry_facts(registry, key, "acme", NULL, &facts, &err) == RESULT_OK, "%s",
                  err.text);
    return facts;
}

static void check(struct bench *bench, const struct invalidation *what, const char *rows,
                  uint64_t grants, uint64_t persons)
{
    struct seen seen;
    struct invalidation_totals totals;
    ck_assert_msg(invalidate(bench, what, NULL, &seen, &totals) == RESULT_OK, "%s",
                  bench->err.text);
    ck_assert_str_eq(seen.text, rows);
    ck_assert_uint_eq(totals.grants, grants);
    ck_assert_uint_eq(totals.persons, persons);
}

START_TEST(a_dry_run_counts_and_changes_nothing)
{
    struct bench bench;
    bench_open(&bench);
    fill(&bench);
    struct form_name all = {"jeu-ete", 0};
    struct form_name several[] = {{"quiz", 1}, {"jeu-ete", 2}, {"jeu-ete", 0}};
    check(&bench, &(struct invalidation){.forms = &all, .n_forms = 1},
          "jeu-ete@1 3 of 2\njeu-ete@2 1 of 1\n", 4, 3);
    check(&bench, &(struct invalidation){.forms = several, .n_forms = 2},
          "jeu-ete@2 1 of 1\nquiz@1 1 of 1\n", 2, 2);
    /* Named twice, it falls once. */
    check(&bench, &(struct invalidation){.forms = several, .n_forms = 3},
          "jeu-ete@1 3 of 2\njeu-ete@2 1 of 1\nquiz@1 1 of 1\n", 5, 4);
    check(&bench, &(struct invalidation){.collector = "987654321"},
          "jeu-ete@1 3 of 2\njeu-ete@2 1 of 1\n", 4, 3);
    check(&bench, &(struct invalidation){.collector = "autre sas"}, "quiz@1 1 of 1\n", 1, 1);
    /* The withdrawal it brought is no grant. */
    check(&bench, &(struct invalidation){.supplier = "leads"}, "supplier leads 3 of 3\n", 3, 3);
    /* What falls for two reasons is one grant. */
    check(&bench, &(struct invalidation){.forms = &all, .n_forms = 1, .supplier = "leads"},
          "jeu-ete@1 3 of 2\njeu-ete@2 1 of 1\nsupplier leads 3 of 3\n", 5, 4);
    ck_assert(!ask(bench.registry, 1)->events[0].form->invalidated);
    ck_assert(!ask(bench.registry, 1)->events[0].supplier_invalidated);
    bench_close(&bench);
}
END_TEST

static bool count_supplier(void *arg, const struct supplier_row *row)
{
    ck_assert_str_eq(row->id, "leads");
    ck_assert_int_ge(row->invalidated_at, at(NOW));
    ck_assert_str_eq(row->invalid_reason, "no proof, wrote j\u2022\u2022\u2022@example.org");
    ++*(int *)arg;
    return true;
}

START_TEST(a_supplier_falls_with_what_it_brought_and_will_bring)
{
    struct bench bench;
    struct seen seen;
    struct invalidation_totals totals;
    int rows = 0;
    bench_open(&bench);
    fill(&bench);
    struct registry *registry = bench.registry;
    struct invalidation what = {.supplier = "leads"};
    ck_assert_int_eq(invalidate(&bench, &what, "no proof, wrote jo@example.org", &seen, &totals),
                     RESULT_OK);
    put_grant(registry, 4, "quiz", 1, "leads", "2026-04-01T00:00:00Z");
    const struct facts *facts = ask(registry, 4);
    ck_assert_uint_eq(facts->n_events, 2);
    ck_assert(facts->events[0].supplier_invalidated && facts->events[1].supplier_invalidated);
    ck_assert(!facts->events[0].form->invalidated);
    facts = ask(registry, 1);
    ck_assert_uint_eq(facts->n_events, 2);
    ck_assert(facts->events[0].supplier_invalidated != facts->events[1].supplier_invalidated);
    ck_assert(!ask(registry, 3)->events[0].supplier_invalidated);
    ck_assert_int_eq(
        registry_invalid_suppliers(registry, NULL, 0, count_supplier, &rows, &bench.err),
        RESULT_OK);
    ck_assert_int_eq(
        registry_invalid_suppliers(registry, "jeu-ete", 1, count_supplier, &rows, &bench.err),
        RESULT_OK);
    ck_assert_int_eq(
        registry_invalid_suppliers(registry, "jeu-ete", 2, count_supplier, &rows, &bench.err),
        RESULT_OK);
    ck_assert_int_eq(rows, 2);
    /* What is invalid already does not fall again. */
    struct form_name form = {"jeu-ete", 1};
    check(&bench, &(struct invalidation){.forms = &form, .n_forms = 1}, "jeu-ete@1 1 of 1\n", 1, 1);
    bench_close(&bench);
}
END_TEST

START_TEST(forms_fall_together_or_not_at_all)
{
    struct bench bench;
    struct seen seen;
    struct invalidation_totals totals;
    bench_open(&bench);
    fill(&bench);
    struct form_name unknown[] = {{"quiz", 1}, {"quiz", 7}};
    struct form_name known[] = {{"quiz", 1}, {"jeu-ete", 0}};
    struct form_name first = {"jeu-ete", 1};
    struct invalidation what = {.forms = unknown, .n_forms = 2};
    ck_assert_int_eq(invalidate(&bench, &what, "x", &seen, &totals), RESULT_NOT_FOUND);
    ck_assert_str_eq(bench.err.text, "form quiz@7 is not registered");
    what = (struct invalidation){.forms = known, .n_forms = 1, .supplier = "nobody"};
    ck_assert_int_eq(invalidate(&bench, &what, "x", &seen, &totals), RESULT_NOT_FOUND);
    ck_assert(!ask(bench.registry, 4)->events[0].form->invalidated);
    what = (struct invalidation){.forms = &first, .n_forms = 1};
    ck_assert_int_eq(invalidate(&bench, &what, "first", &seen, &totals), RESULT_OK);
    ck_assert_int_eq(invalidate(&bench, &what, "again", &seen, &totals), RESULT_CONFLICT);
    /* All versions are those that are left. */
    what = (struct invalidation){.forms = known, .n_forms = 2};
    ck_assert_int_eq(invalidate(&bench, &what, "rest", &seen, &totals), RESULT_OK);
    ck_assert_str_eq(seen.text, "jeu-ete@2 1 of 1\nquiz@1 1 of 1\n");
    ck_assert_uint_eq(totals.forms, 2);
    what = (struct invalidation){.collector = "Leads SARL"};
    ck_assert_int_eq(invalidate(&bench, &what, "x", &seen, &totals), RESULT_CONFLICT);
    what = (struct invalidation){.collector = "nobody"};
    ck_assert_int_eq(invalidate(&bench, &what, "x", &seen, &totals), RESULT_NOT_FOUND);
    for (uint8_t who = 1; who <= 4; who++)
        ck_assert(ask(bench.registry, who)->events[0].form->invalidated);
    ck_assert_uint_eq(ask(bench.registry, 2)->n_events, 2); /* nothing was deleted */
    bench_close(&bench);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_dry_run_counts_and_changes_nothing,
                                  a_supplier_falls_with_what_it_brought_and_will_bring,
                                  forms_fall_together_or_not_at_all, NULL};
    Suite *const suites[] = {unit_suite("invalidation", tests), NULL};
    return unit_run(suites);
}
