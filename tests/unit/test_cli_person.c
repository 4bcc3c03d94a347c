/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What answers a person, from the inside: the archive and the page's escaping, the file it goes
 * to, the words in both languages, and a person whose every text is hostile.
 */
#include "base/html.h"
#include "cli/consent_explain.h"
#include "cli/export_file.h"
#include "office/person.h"
#include "office/person_words.h"
#include "office/sheet.h"
#include "office/zip.h"
#include "store/notices.h"
#include "tests/unit/test_registry.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- escaping ---- */

START_TEST(nothing_of_others_is_markup)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"", ""},
        {"plain é ✓ 😀", "plain é ✓ 😀"},
        {"<script>alert('x')</script>", "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"},
        {"\" onmouseover=\"x", "&quot; onmouseover=&quot;x"},
        {"a & b &amp; c", "a &amp; b &amp;amp; c"},
        {"two\nlines\tand a tab", "two\nlines\tand a tab"},
        {"bell\x07 escape\x1b[2J delete\x7f", "bell\xef\xbf\xbd escape\xef\xbf\xbd[2J "
                                              "delete\xef\xbf\xbd"},
        {"c1 \xc2\x9b end", "c1 \xef\xbf\xbd end"},
        {"no-break\xc2\xa0space", "no-break\xc2\xa0space"},
        {"bad \xff\xfe utf", "bad \xef\xbf\xbd\xef\xbf\xbd utf"},
        {"overlong \xc0\xbc", "overlong \xef\xbf\xbd\xef\xbf\xbd"},
        {"cut \xe2\x82", "cut \xef\xbf\xbd\xef\xbf\xbd"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct strbuf out = {0};
        strbuf_add(&out, "", 0);
        html_add_text(&out, rows[i].in);
        ck_assert_str_eq(out.data != NULL ? out.data : "", rows[i].out);
        strbuf_free(&out);
    }
}
END_TEST

/* ---- the archive ---- */

static int scratch_file(void)
{
    char path[] = "/tmp/octroi-zip-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    unlink(path);
    return fd;
}

static void write_zip(int fd, size_t repeats)
{
    struct zip *zip = NULL;
    struct error err = {0};
    ck_assert_int_eq(zip_new(fd, &zip, &err), RESULT_OK);
    ck_assert_int_eq(zip_entry(zip, "a.txt", &err), RESULT_OK);
    for (size_t i = 0; i < repeats; i++)
        ck_assert_int_eq(zip_write(zip, "line of text\n", 13, &err), RESULT_OK);
    ck_assert_int_eq(zip_entry(zip, "empty", &err), RESULT_OK);
    ck_assert_int_eq(zip_entry(zip, "folder/b.txt", &err), RESULT_OK);
    ck_assert_int_eq(zip_write(zip, "", 0, &err), RESULT_OK);
    ck_assert_int_eq(zip_write(zip, "b", 1, &err), RESULT_OK);
    ck_assert_int_eq(zip_finish(zip, &err), RESULT_OK);
    zip_free(&zip);
    ck_assert_ptr_null(zip);
}

static void slurp(int fd, struct strbuf *out)
{
    char block[4096];
    ssize_t got;
    ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
    while ((got = read(fd, block, sizeof(block))) > 0)
        strbuf_add(out, block, (size_t)got);
    ck_assert_int_eq(got, 0);
}

/* The named entry's bytes, through another reading of the format. */
static void unzip(const struct strbuf *zipped, const char *name, struct strbuf *out)
{
    struct archive *archive = archive_read_new();
    struct archive_entry *entry;
    bool found = false;
    archive_read_support_format_zip(archive);
    ck_assert_int_eq(archive_read_open_memory(archive, zipped->data, zipped->length), ARCHIVE_OK);
    while (archive_read_next_header(archive, &entry) == ARCHIVE_OK) {
        char block[4096];
        la_ssize_t got;
        if (strcmp(archive_entry_pathname(entry), name) != 0)
            continue;
        found = true;
        while ((got = archive_read_data(archive, block, sizeof(block))) > 0)
            strbuf_add(out, block, (size_t)got);
        ck_assert_int_eq(got, 0);
    }
    archive_read_free(archive);
    ck_assert_msg(found, "%s is not in the archive", name);
}

START_TEST(an_archive_is_whole_and_always_the_same)
{
    struct strbuf first = {0};
    struct strbuf second = {0};
    struct strbuf text = {0};
    int fd = scratch_file();
    write_zip(fd, 100000);
    slurp(fd, &first);
    close(fd);
    /* Neither the clock nor the time zone gets in. */
    setenv("TZ", "Pacific/Kiritimati", 1);
    sleep(3);
    fd = scratch_file();
    write_zip(fd, 100000);
    slurp(fd, &second);
    close(fd);
    ck_assert_uint_eq(first.length, second.length);
    ck_assert_mem_eq(first.data, second.data, first.length);
    ck_assert_uint_lt(first.length, 100000);
    unzip(&first, "a.txt", &text);
    ck_assert_uint_eq(text.length, 1300000);
    strbuf_clear(&text);
    unzip(&first, "folder/b.txt", &text);
    ck_assert_str_eq(text.data, "b");
    strbuf_free(&first);
    strbuf_free(&second);
    strbuf_free(&text);
}
END_TEST

START_TEST(a_full_disk_is_no_archive)
{
    struct zip *zip = NULL;
    struct error err = {0};
    char noise[4096];
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(zip_new(fd, &zip, &err), RESULT_OK);
    enum result result = zip_entry(zip, "a", &err);
    for (size_t i = 0; result == RESULT_OK && i < 1000; i++) {
        for (size_t j = 0; j < sizeof(noise); j++)
            noise[j] = (char)rand();
        result = zip_write(zip, noise, sizeof(noise), &err);
    }
    ck_assert_int_eq(result, RESULT_SYSTEM);
    ck_assert_msg(strstr(err.text, "No space left") != NULL, "%s", err.text);
    zip_free(&zip);
    close(fd);
}
END_TEST

START_TEST(a_sheet_remembers_its_first_failure)
{
    struct zip *zip = NULL;
    struct error err = {0};
    struct sheet sheet = {0};
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    ck_assert_int_eq(zip_new(fd, &zip, &err), RESULT_OK);
    sheet_begin(&sheet, zip, "a", &err);
    for (size_t i = 0; sheet.result == RESULT_OK && i < 2000000; i++)
        sheet_format(&sheet, "%zu %d ", i, rand());
    ck_assert_int_eq(sheet.result, RESULT_SYSTEM);
    sheet_text(&sheet, "more");
    ck_assert_int_eq(sheet_end(&sheet), RESULT_SYSTEM);
    zip_free(&zip);
    close(fd);
}
END_TEST

/* ---- the file ---- */

static void folder_of(char path[64])
{
    strcpy(path, "/tmp/octroi-export-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(path));
}

static mode_t mode_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_mode & 07777 : 0;
}

START_TEST(a_file_is_there_whole_or_not_at_all)
{
    char folder[64];
    char path[96];
    struct error err = {0};
    struct export_file *file = NULL;
    folder_of(folder);
    snprintf(path, sizeof(path), "%s/a.zip", folder);
    umask(0);
    ck_assert_int_eq(export_file_open(path, false, &file, &err), RESULT_OK);
    ck_assert_int_ne(access(path, F_OK), 0);
    ck_assert_int_eq(write(export_file_fd(file), "one", 3), 3);
    ck_assert_int_eq(export_file_keep(&file, &err), RESULT_OK);
    ck_assert_ptr_null(file);
    ck_assert_int_eq(mode_of(path), 0600);
    ck_assert_int_eq(export_file_open(path, false, &file, &err), RESULT_CONFLICT);
    ck_assert_msg(strstr(err.text, "--force") != NULL, "%s", err.text);
    /* Given up: what was there stays, and nothing else is left in the folder. */
    ck_assert_int_eq(export_file_open(path, true, &file, &err), RESULT_OK);
    export_file_abandon(&file);
    ck_assert_int_eq(mode_of(path), 0600);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

START_TEST(a_file_made_meanwhile_is_not_replaced)
{
    char folder[64];
    char path[96];
    struct error err = {0};
    struct export_file *file = NULL;
    folder_of(folder);
    snprintf(path, sizeof(path), "%s/a.zip", folder);
    ck_assert_int_eq(export_file_open(path, false, &file, &err), RESULT_OK);
    ck_assert_int_eq(symlink("elsewhere", path), 0);
    ck_assert_int_eq(export_file_keep(&file, &err), RESULT_CONFLICT);
    /* Nor is anything but a file, with --force. */
    ck_assert_int_eq(export_file_open(path, true, &file, &err), RESULT_CONFLICT);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(rmdir(folder), 0);
    ck_assert_int_eq(export_file_open(path, false, &file, &err), RESULT_SYSTEM);
}
END_TEST

/* ---- words ---- */

static void has_both(const char *text)
{
    ck_assert_ptr_nonnull(text);
    ck_assert_str_ne(text, "");
    /* "consent" and its like are never the same in French. */
    ck_assert_msg(strcmp(tr(LANGUAGE_FR, text), text) != 0, "no French for: %s", text);
}

START_TEST(every_word_is_said_in_both_languages)
{
    for (enum channel channel = 0; channel < CHANNEL_COUNT; channel++) {
        has_both(person_channel(channel));
        has_both(person_by_channel(channel));
    }
    for (enum reason reason = 0; reason < REASON_COUNT; reason++)
        has_both(person_reason(reason));
    for (enum verdict verdict = 0; verdict < VERDICT_COUNT; verdict++)
        has_both(person_verdict(verdict));
    for (enum effect effect = 0; effect < EFFECT_COUNT; effect++)
        has_both(person_effect(effect_name(effect)));
    for (enum outcome outcome = OUTCOME_NONE + 1; outcome < OUTCOME_COUNT; outcome++)
        has_both(person_outcome(outcome_name(outcome)));
    for (int kind = 0; kind < SUSPENSION_KIND_COUNT; kind++)
        has_both(person_stop_kind(suspension_kind_name(kind)));
    for (enum basis basis = 0; basis < BASIS_COUNT; basis++)
        for (enum event_kind kind = 0; kind < EVENT_KIND_COUNT; kind++) {
            struct past_event event = {
                .kind = kind, .basis = basis, .evidence = "", .partners = ""};
            has_both(person_event(&event));
            has_both(person_event_meaning(&event));
            event.form_id = "f";
            has_both(person_event_meaning(&event));
            event.evidence = "e";
            has_both(person_event_meaning(&event));
        }
    for (int rule = 1; rule <= 17; rule++)
        for (int finding = FINDING_HOLDS; finding <= FINDING_FAILS; finding++) {
            char name[16];
            snprintf(name, sizeof(name), "%d", rule);
            const struct trace_step step = {.rule = name, .finding = finding};
            /* 2 and 3 are about messages, not about the person. */
            if (rule == 2 || rule == 3)
                ck_assert_ptr_null(person_rule(&step));
            else
                has_both(person_rule(&step));
        }
}
END_TEST

/* ---- a hostile person ---- */

#define HOSTILE "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"

static struct partner hostile_partner = {.id = "acme", .name = HOSTILE, .siren = ""};

static const char form_json[] =
    "{\"id\":\"f\",\"version\":1,\"collector\":{\"name\":\"<script>alert(1)</script>\"},"
    "\"channels\":[\"email\"],\"language\":\"fr\",\"display\":\"link\","
    "\"url\":\"https://x.example/\\\"><script>alert(1)</script>\","
    "\"wording\":\"<script>alert(1)</script>\\nnext \\u2028 line\","
    "\"effective_from\":\"2025-01-01T00:00:00Z\",\"partners\":[\"acme\"],"
    "\"partner_categories\":[\"<script>\"],\"purposes\":[\"receipt\"],"
    "\"artefacts\":[{\"name\":\"<script>alert(1)</script>\",\"sha256\":"
    "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"}]}";

struct hostile {
    struct bench bench;
    struct config config;
    struct address address;
    struct recipient recipient;
    struct past_form form;
    struct past_event events[2];
    struct person_supplier supplier;
    struct person_sum sum;
    struct person_answer answers[2];
    struct person_partner partner;
    struct person_stop stop;
    struct trace trace;
    struct person person;
};

/* A no of theirs, a partner of that name who cannot be told, and what he calls them. */
static void fill_registry(struct hostile *h)
{
    struct bench *bench = &h->bench;
    const struct concerned concerned = {HOSTILE, HOSTILE};
    struct event_input event = grant(1, 0, "2026-02-01T00:00:00Z");
    event.kind = EVENT_OBJECTED;
    bench_open(bench);
    ck_assert_uint_eq(put(bench->registry, &event), 1);
    ck_assert_int_eq(
        registry_spread_notice(bench->registry, 1, &concerned, 1, at(NOW), &bench->err), RESULT_OK);
    ck_assert_int_eq(registry_set_identifier(bench->registry, event.recipient_key, HOSTILE, HOSTILE,
                                             at(NOW), &bench->err),
                     RESULT_OK);
    memcpy(h->recipient.key, event.recipient_key, sizeof(h->recipient.key));
    h->person.from.registry = bench->registry;
}

static void end_hostile(struct hostile *h)
{
    form_free(&h->form.form);
    bench_close(&h->bench);
}

static void make_hostile(struct hostile *h, enum language language)
{
    struct error err = {0};
    *h = (struct hostile){
        .config = {.hostname = "gate",
                   .public_url = "",
                   .controller_name = HOSTILE,
                   .controller_contact = HOSTILE,
                   .partners = &hostile_partner,
                   .n_partners = 1},
        .address = {.kind = ADDRESS_EMAIL, .text = "n'<i>@example.org"},
        .recipient = {.masked = "n•••@example.org"},
        .supplier = {.id = HOSTILE, .events = 1},
        .sum = {"acme", "email", "receipt", "pass", "passed", "accepted", "", 3, 0, 0},
        .stop = {.kind = "supplier",
                 .id = HOSTILE,
                 .reason = HOSTILE,
                 .resumed = true,
                 .resume_reason = HOSTILE},
    };
    ck_assert_msg(form_parse(form_json, strlen(form_json), &h->form.form, &err) == RESULT_OK, "%s",
                  err.text);
    h->form.json = h->form.form->json;
    h->form.effective_until = INT64_MAX;
    h->form.invalidated_at = 1;
    h->form.invalid_reason = HOSTILE;
    h->events[0] = (struct past_event){.id = 1,
                                       .kind = EVENT_GIVEN,
                                       .form_id = "f",
                                       .form_version = 1,
                                       .form = &h->form,
                                       .partners = "acme",
                                       .supplier = HOSTILE,
                                       .collector = "",
                                       .evidence = HOSTILE,
                                       .origin = HOSTILE};
    h->events[1] = h->events[0];
    h->events[1].id = 2;
    h->events[1].kind = EVENT_OBJECTED;
    h->events[1].collector = HOSTILE;
    h->trace.count = 1;
    h->trace.steps[0] = (struct trace_step){.rule = "5", .finding = FINDING_FAILS, .note = HOSTILE};
    for (int i = 0; i < 2; i++)
        h->answers[i] = (struct person_answer){.partner = &hostile_partner,
                                               .purpose = i,
                                               .judgement = {.event = 1},
                                               .trace = &h->trace};
    h->partner = (struct person_partner){&hostile_partner, h->answers, 2};
    h->person = (struct person){
        .from = {.config = &h->config},
        .address = &h->address,
        .recipient = &h->recipient,
        .language = language,
        .at = 0,
        .history = {.events = h->events, .n_events = 2, .forms = &h->form, .n_forms = 1},
        .suppliers = &h->supplier,
        .n_suppliers = 1,
        .sums = &h->sum,
        .n_sums = 1,
        .partners = &h->partner,
        .n_partners = 1,
        .stops = &h->stop,
        .n_stops = 1};
    fill_registry(h);
}

typedef void part_fn(const struct person *person, struct sheet *sheet);

static void write_part(const struct person *person, part_fn *write, struct strbuf *out)
{
    struct zip *zip = NULL;
    struct error err = {0};
    struct strbuf zipped = {0};
    struct sheet sheet = {.language = person->language};
    int fd = scratch_file();
    ck_assert_int_eq(zip_new(fd, &zip, &err), RESULT_OK);
    sheet_begin(&sheet, zip, "part", &err);
    write(person, &sheet);
    ck_assert_msg(sheet_end(&sheet) == RESULT_OK, "%s", err.text);
    ck_assert_int_eq(zip_finish(zip, &err), RESULT_OK);
    zip_free(&zip);
    slurp(fd, &zipped);
    close(fd);
    unzip(&zipped, "part", out);
    strbuf_free(&zipped);
}

START_TEST(a_hostile_person_is_text)
{
    for (enum language language = 0; language < LANGUAGE_COUNT; language++) {
        struct hostile h;
        struct strbuf page = {0};
        make_hostile(&h, language);
        write_part(&h.person, person_write_page, &page);
        ck_assert_ptr_nonnull(strstr(page.data, "&lt;script&gt;alert(1)&lt;/script&gt;"));
        ck_assert_ptr_nonnull(strstr(page.data, language == LANGUAGE_FR
                                                    ? "Son identifiant pour vous"
                                                    : "Its identifier for you"));
        ck_assert_ptr_null(strcasestr(page.data, "<script"));
        ck_assert_ptr_null(strcasestr(page.data, "<img"));
        ck_assert_ptr_null(strstr(page.data, "<i>"));
        /* No attribute of ours ends where theirs begins. */
        ck_assert_ptr_null(strstr(page.data, "\"'>"));
        /* Nothing is fetched: not a link or a source leads out of the file. */
        ck_assert_ptr_null(strstr(page.data, "src=\""));
        ck_assert_ptr_null(strstr(page.data, "href=\"http"));
        ck_assert_ptr_nonnull(strstr(page.data, language == LANGUAGE_FR ? "<html lang=\"fr\">"
                                                                        : "<html lang=\"en\">"));
        end_hostile(&h);
        strbuf_free(&page);
    }
}
END_TEST

START_TEST(a_hostile_person_is_json)
{
    struct hostile h;
    struct strbuf text = {0};
    json_error_t problem;
    make_hostile(&h, LANGUAGE_EN);
    write_part(&h.person, person_write_record, &text);
    json_t *record = json_loadb(text.data, text.length, JSON_REJECT_DUPLICATES, &problem);
    ck_assert_msg(record != NULL, "%d: %s\n%s", problem.line, problem.text, text.data);
    ck_assert_uint_ge(json_array_size(json_object_get(record, "@graph")), 5);
    json_decref(record);
    end_hostile(&h);
    strbuf_free(&text);
}
END_TEST

/* What a partner calls her is held on her, when nothing else is. */
START_TEST(a_person_with_nothing_but_an_identifier)
{
    struct hostile h;
    struct journal_index *index = NULL;
    struct person person;
    struct error err = {0};
    char folder[64], journal[96], file[96];
    folder_of(folder);
    snprintf(journal, sizeof(journal), "%s/journal", folder);
    snprintf(file, sizeof(file), "%s/index.db", folder);
    ck_assert_int_eq(mkdir(journal, 0700), 0);
    make_hostile(&h, LANGUAGE_EN);
    ck_assert_msg(journal_index_open(file, journal, NULL, &index, &err) == RESULT_OK, "%s",
                  err.text);
    const struct person_sources from = {&h.config, h.bench.registry, index};
    memset(h.recipient.key, 2, sizeof(h.recipient.key));
    for (int i = 0; i < 2; i++) {
        ck_assert_msg(person_read(&from, &h.address, &h.recipient, at(NOW), &person, &err) ==
                          RESULT_OK,
                      "%s", err.text);
        ck_assert_int_eq(person_is_unknown(&person), i == 0);
        person_free(&person);
        ck_assert_int_eq(registry_set_identifier(h.bench.registry, h.recipient.key, "acme", "C-2",
                                                 at(NOW), &err),
                         RESULT_OK);
    }
    journal_index_close(&index);
    end_hostile(&h);
}
END_TEST

START_TEST(a_spreadsheet_is_told_no_formula)
{
    struct hostile h;
    struct strbuf text = {0};
    make_hostile(&h, LANGUAGE_EN);
    h.events[0].evidence = "=HYPERLINK(\"https://x.example\")";
    h.events[0].origin = "+1";
    h.events[0].supplier = "@SUM(A1)";
    write_part(&h.person, person_write_events_csv, &text);
    ck_assert_ptr_nonnull(strstr(text.data, "\"'=HYPERLINK(\"\"https://x.example\"\")\""));
    ck_assert_ptr_nonnull(strstr(text.data, "'+1"));
    ck_assert_ptr_nonnull(strstr(text.data, "'@SUM(A1)"));
    end_hostile(&h);
    strbuf_free(&text);
}
END_TEST

int main(void)
{
    const TTest *const page[] = {nothing_of_others_is_markup,
                                 every_word_is_said_in_both_languages,
                                 a_hostile_person_is_text,
                                 a_hostile_person_is_json,
                                 a_spreadsheet_is_told_no_formula,
                                 a_person_with_nothing_but_an_identifier,
                                 NULL};
    const TTest *const archive[] = {
        an_archive_is_whole_and_always_the_same, a_full_disk_is_no_archive,
        a_sheet_remembers_its_first_failure,     a_file_is_there_whole_or_not_at_all,
        a_file_made_meanwhile_is_not_replaced,   NULL};
    Suite *const suites[] = {unit_suite("page", page), unit_suite("archive", archive), NULL};
    return unit_run(suites);
}
