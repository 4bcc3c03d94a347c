/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history: fills a gateway that `octroi init` just made with a past to look at. Day by day: what
 * people did comes on record, then the partners send. Refuses a gateway that serves or has a past
 * already. All that asks for the time while it works is told the moment it has come to.
 */
#include "examples/history.h"

#include "base/file.h"
#include "store/configuration.h"
#include "store/state_lock.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOUR (3600 * CLOCK_SECOND)

enum {
    WRITE_BYTES = 4 * 1024 * 1024, /* gathered before they are written */
    DEEDS_AT_ONCE = 2000,          /* in one transaction */
    PERSONS_MOST = 300000,
    ROWS_A_PERSON = 14,
};

struct options {
    const char *config;
    uint64_t rows, persons, days, seed;
    int64_t until;
    bool hostile;
};

/* ---- the time that is told ---- */

static int64_t told; /* 0: nothing is */

int64_t __real_clock_now(void);
int64_t __wrap_clock_now(void);
int64_t __wrap_clock_now(void)
{
    return told != 0 ? told : __real_clock_now();
}

void history_tell(int64_t instant)
{
    told = instant;
}

/* ---- the journal ---- */

static enum result write_out(struct history *history, bool checkpoint, struct error *err)
{
    struct segment_writer *writer = &history->writer;
    if (checkpoint && !segment_writer_checkpoint(writer))
        return error_no_memory(err);
    enum result result = segment_writer_commit(writer, err);
    return result == RESULT_OK ? segment_writer_begin(writer, WRITER_ROWS, err) : result;
}

enum result history_add(struct history *history, struct error *err)
{
    if (history->record.failed ||
        !segment_writer_add(&history->writer, history->record.data, history->record.length))
        return error_no_memory(err);
    return history->writer.out.length >= WRITE_BYTES ? write_out(history, false, err) : RESULT_OK;
}

/* The configuration goes on record as it does when a gateway starts. */
static enum result begin_journal(struct history *history, const char *directory, const char *index,
                                 const struct signing_key *key, struct error *err)
{
    const struct config *config = history->config;
    const struct journal_options options = {.directory = directory,
                                            .index_path = index,
                                            .gateway = config->hostname,
                                            .key = key,
                                            .segment_size = config->journal.segment_size};
    const struct configuration_note note = {
        .program = PACKAGE_VERSION, .cause = "start", .at = history->begin};
    struct journal *journal = NULL;
    enum result result = journal_open(&options, &journal, err);
    if (result != RESULT_OK)
        return result;
    struct journal_batch *batch = configuration_batch(config, &note);
    if (batch != NULL)
        journal_append(journal, batch, NULL, NULL, NULL);
    else
        result = error_no_memory(err);
    journal_close(&journal);
    if (result == RESULT_OK)
        result = segment_writer_open(&history->writer, directory, config->hostname, key,
                                     config->journal.segment_size, err);
    return result == RESULT_OK ? segment_writer_begin(&history->writer, WRITER_ROWS, err) : result;
}

/* How far the registry's chain is. */
static enum result anchor(struct history *history, int64_t at, int64_t *last, struct error *err)
{
    struct registry_anchor row = {.at = at, .gateway = history->config->hostname};
    enum result result = registry_head(history->registry, &row.event, row.hash, err);
    if (result != RESULT_OK || row.event == *last)
        return result;
    *last = row.event;
    strbuf_clear(&history->record);
    record_registry(&history->record, &row);
    return history_add(history, err);
}

/* ---- what happens, in its order ---- */

struct course {
    size_t deed; /* the next of the population's */
    size_t act;  /* the next of cast_acts */
    size_t form; /* the next of cast_forms, all of which come first */
    int64_t anchored;
};

static int64_t act_at(const struct history *history, const struct cast_act *act)
{
    return history->end - (int64_t)(act->days * (double)CLOCK_DAY);
}

static enum result perform(struct history *history, const struct cast_act *act, struct error *err)
{
    int64_t at = act_at(history, act);
    switch (act->what) {
    case CAST_SUSPEND:
        return registry_suspend(history->registry, act->kind, act->id, act->reason, at, err);
    case CAST_RESUME:
        return registry_resume(history->registry, act->kind, act->id, act->reason, at, err);
    case CAST_INVALIDATE:
        break;
    }
    return registry_invalidate_form(history->registry, act->id, act->version, act->reason, at, err);
}

/* Of one transaction. */
static enum result record_some(struct history *history, struct course *course, int64_t until,
                               struct error *err)
{
    const struct population *population = &history->population;
    enum result result = registry_begin(history->registry, err);
    if (result != RESULT_OK)
        return result;
    for (int i = 0;
         i < DEEDS_AT_ONCE && result == RESULT_OK && course->deed < population->n_deeds &&
         population->deeds[course->deed].recorded_at <= until;
         i++)
        result = population_record(history->registry, population,
                                   &population->deeds[course->deed++], history->hostile, err);
    if (result == RESULT_OK)
        return registry_commit(history->registry, err);
    registry_rollback(history->registry);
    return result;
}

/* All that came on record by then. What an officer did counts from the hour it was done in. */
static enum result catch_up(struct history *history, struct course *course, int64_t until,
                            struct error *err)
{
    const struct population *population = &history->population;
    enum result result = RESULT_OK;
    while (result == RESULT_OK && course->deed < population->n_deeds &&
           population->deeds[course->deed].recorded_at <= until)
        result = record_some(history, course, until, err);
    for (; result == RESULT_OK && course->act < cast_n_acts &&
           act_at(history, &cast_acts[course->act]) <= until;
         course->act++)
        if (act_at(history, &cast_acts[course->act]) > history->begin)
            result = perform(history, &cast_acts[course->act], err);
    return result;
}

static enum result play(struct history *history, struct error *err)
{
    struct course course = {0};
    enum result result = RESULT_OK;
    history_tell(history->begin);
    for (; course.form < cast_n_forms && result == RESULT_OK; course.form++)
        result = cast_add_form(history->registry, &cast_forms[course.form], history->end,
                               history->hostile, err);
    if (result == RESULT_OK)
        result = catch_up(history, &course, history->begin, err);
    for (int64_t hour = history->begin; result == RESULT_OK && hour < history->end; hour += HOUR) {
        int64_t next = hour + HOUR < history->end ? hour + HOUR : history->end;
        bool last = next == history->end;
        history_tell(next);
        /* A transaction costs a sync: three a day do. */
        if ((hour / HOUR) % 8 == 6 || last)
            result = catch_up(history, &course, hour, err);
        if (result == RESULT_OK)
            result = traffic_hour(history, hour, err);
        if (result == RESULT_OK && last)
            result = catch_up(history, &course, history->end, err);
        if (result == RESULT_OK && last)
            result = traffic_settle(history, INT64_MAX, err);
        bool midnight = next % CLOCK_DAY < HOUR;
        if (result == RESULT_OK && (midnight || last))
            result = anchor(history, next, &course.anchored, err);
        if (result == RESULT_OK && (midnight || last))
            result = write_out(history, true, err);
    }
    return result;
}

/* ---- the gateway ---- */

static enum result load_hmac(const char *path, struct hmac **hmac_out, struct error *err)
{
    uint8_t key[RECIPIENT_KEY_BYTES];
    struct strbuf text = {0};
    enum result result = file_read_secret(path, &text, err);
    if (result == RESULT_OK && !hex_decode(text.data, text.length, key, sizeof(key)))
        result = error_set(err, RESULT_BAD_INPUT, "%s does not hold 64 hex digits", path);
    if (result == RESULT_OK && (*hmac_out = hmac_new(key, sizeof(key))) == NULL)
        result = error_no_memory(err);
    wipe(key, sizeof(key));
    strbuf_free(&text);
    return result;
}

static enum result check_empty(struct registry *registry, struct error *err)
{
    struct registry_counts counts;
    enum result result = registry_counts(registry, &counts, err);
    if (result == RESULT_OK && (counts.events > 0 || counts.forms > 0))
        result = error_set(err, RESULT_CONFLICT,
                           "the registry is not empty: make a new gateway with `octroi init`");
    return result;
}

static void on_problem(void *arg, const char *file, int line, const char *message)
{
    (void)arg;
    fprintf(stderr, "%s:%d: %s\n", file, line, message);
}

static enum result fill(struct history *history, const struct options *options, struct error *err)
{
    struct config *config = NULL;
    struct hmac *hmac = NULL;
    struct signing_key *key = NULL;
    char *journal = NULL, *index = NULL, *registry = NULL;
    int lock = -1;
    enum result result = config_load(options->config, on_problem, NULL, &config, err);
    if (result != RESULT_OK)
        return result;
    history->config = config;
    journal = file_join(config->state_dir, "journal");
    index = file_join(config->state_dir, "journal.db");
    registry = file_join(config->state_dir, "registry.db");
    if (journal == NULL || index == NULL || registry == NULL)
        result = error_no_memory(err);
    if (result == RESULT_OK)
        result = state_lock_take(config->state_dir, 0, &lock, err);
    if (result == RESULT_OK)
        result = load_hmac(config->recipient_key_file, &hmac, err);
    if (result == RESULT_OK)
        result = signing_key_load_private(config->journal_key_file, &key, err);
    if (result == RESULT_OK)
        result = registry_open(registry, false, &history->registry, err);
    if (result == RESULT_OK)
        result = check_empty(history->registry, err);
    if (result == RESULT_OK)
        result = traffic_open(history, err);
    if (result == RESULT_OK)
        result = population_make(&history->population, (uint32_t)options->persons, hmac,
                                 &history->chance, history->begin, history->end, err);
    history_tell(history->begin);
    if (result == RESULT_OK)
        result = begin_journal(history, journal, index, key, err);
    if (result == RESULT_OK)
        result = play(history, err);
    history_tell(0);
    segment_writer_close(&history->writer);
    registry_close(&history->registry);
    signing_key_free(&key);
    hmac_free(&hmac);
    if (lock >= 0)
        close(lock);
    free(journal);
    free(index);
    free(registry);
    config_unref(&config);
    return result;
}

/* ---- the command ---- */

static int usage(void)
{
    fputs("usage: history --config FILE [--rows N] [--days D] [--persons P] [--until DATE]"
          " [--seed N] [--hostile]\n"
          "Fills a new gateway whose configuration includes examples/partners.conf with N decisions"
          " (20000)\nover D days (60) until DATE (now), about P people (a fourteenth of N, at most"
          " 300000).\n--hostile puts markup into texts that come from elsewhere.\n",
          stderr);
    return 2;
}

static bool number(const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
    char *end = NULL;
    uint64_t value = strtoull(text, &end, 10);
    *out = value;
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && value >= least && value <= most;
}

static bool read_options(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'}, {"rows", required_argument, NULL, 'r'},
        {"days", required_argument, NULL, 'd'},   {"persons", required_argument, NULL, 'p'},
        {"until", required_argument, NULL, 'u'},  {"seed", required_argument, NULL, 's'},
        {"hostile", no_argument, NULL, 'h'},      {NULL, 0, NULL, 0}};
    bool good = true;
    int option;
    while (good && (option = getopt_long(argc, argv, "", known, NULL)) != -1)
        switch (option) {
        case 'c':
            options->config = optarg;
            break;
        case 'r':
            good = number(optarg, 1, 100000000, &options->rows);
            break;
        case 'd':
            good = number(optarg, 1, 1000, &options->days);
            break;
        case 'p':
            good = number(optarg, 20, 50000000, &options->persons);
            break;
        case 'u':
            good = clock_parse(optarg, strlen(optarg), &options->until);
            break;
        case 's':
            good = number(optarg, 0, UINT64_MAX, &options->seed);
            break;
        case 'h':
            options->hostile = true;
            break;
        default:
            good = false;
        }
    if (options->persons == 0)
        options->persons = options->rows / ROWS_A_PERSON < PERSONS_MOST
                               ? options->rows / ROWS_A_PERSON
                               : PERSONS_MOST;
    if (options->persons < 20)
        options->persons = 20;
    return good && optind == argc && options->config != NULL;
}

/* Some addresses to look up: of those whose last deed was a no, and of one whose list was bad. */
static void print_people(const struct population *population)
{
    static const struct {
        enum event_kind kind;
        bool proven;
        const char *what;
    } wanted[] = {{EVENT_WITHDRAWN, true, "withdrew"},
                  {EVENT_OBJECTED, true, "objected"},
                  {EVENT_GIVEN, false, "agreed, without proof"},
                  {EVENT_GIVEN, true, "agreed"}};
    for (size_t w = 0; w < sizeof(wanted) / sizeof(wanted[0]); w++)
        for (size_t i = population->n_deeds; i-- > 0;) {
            const struct deed *deed = &population->deeds[i];
            struct address address;
            if (deed->kind != wanted[w].kind || deed->proven != wanted[w].proven ||
                (deed->channels & CHANNEL_BIT(CHANNEL_EMAIL)) == 0)
                continue;
            person_address(deed->person, ADDRESS_EMAIL, &address);
            printf("  %s (%s)\n", address.text, wanted[w].what);
            break;
        }
}

int main(int argc, char **argv)
{
    struct error err = {0};
    struct options options = {.rows = 20000, .days = 60, .seed = 1};
    if (!read_options(argc, argv, &options))
        return usage();
    struct history history = {.wanted = options.rows,
                              .chance = {.state = options.seed},
                              .hostile = options.hostile,
                              .end = options.until != 0 ? options.until : clock_now()};
    history.begin = (history.end - (int64_t)options.days * CLOCK_DAY) / HOUR * HOUR;
    int64_t began = clock_monotonic();
    enum result result = fill(&history, &options, &err);
    double seconds = (double)(clock_monotonic() - began) / (double)CLOCK_SECOND;
    if (result == RESULT_OK) {
        printf("%" PRIu64 " decisions over %" PRIu64 " days about %" PRIu32 " people: %" PRIu64
               " passed, %" PRIu64 " blocked, %" PRIu64 " deferred (%.1f s, %.0f a second)\n",
               history.made, options.days, history.population.count, history.counts[VERDICT_PASS],
               history.counts[VERDICT_BLOCK], history.counts[VERDICT_DEFER], seconds,
               (double)history.made / seconds);
        print_people(&history.population);
    } else {
        fprintf(stderr, "history: %s\n", err.text);
    }
    population_free(&history.population);
    traffic_free(&history);
    strbuf_free(&history.record);
    return result == RESULT_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
