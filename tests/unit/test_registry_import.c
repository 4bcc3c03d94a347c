/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Import: JSON lines and Twilio's consents, what is refused of them, and going on after an
 * interruption. CSV is in test_registry_csv.c.
 */
#include "store/import.h"

#include "store/notices.h"
#include "tests/unit/test_registry.h"

#define HEADER "recipient,channel,event,occurred_at,form,partners,basis,supplier,evidence\n"

struct run {
    struct import_settings settings;
    struct hmac *hmac;
    struct import *import;
    char problems[8192]; /* "line column (number): reason [text]\n" each, and their class */
    struct import_counts counts;
    struct error err;
};

static void see_problem(void *arg, const struct import_problem *problem)
{
    struct run *run = arg;
    size_t used = strlen(run->problems);
    snprintf(run->problems + used, sizeof(run->problems) - used, "%llu %s %s: %s\n",
             (unsigned long long)problem->line, import_class_name(problem->about), problem->column,
             problem->reason);
}

static void run_begin(struct run *run, struct registry *registry)
{
    *run = (struct run){.hmac = hmac_new((const uint8_t *)"0123456789abcdef", 16)};
    ck_assert_ptr_nonnull(run->hmac);
    run->settings = (struct import_settings){.registry = registry,
                                             .hmac = run->hmac,
                                             .region = "FR",
                                             .origin = "import test",
                                             .evidence = "",
                                             .supplier = "twilio",
                                             .stopped_at = at("2026-05-01T00:00:00Z"),
                                             .on_problem = see_problem,
                                             .arg = run};
}

static enum result run_feed(struct run *run, const char *text, size_t length, size_t piece)
{
    enum result result = RESULT_OK;
    for (size_t i = 0; result == RESULT_OK && i < length; i += piece)
        result =
            import_feed(run->import, text + i, length - i < piece ? length - i : piece, &run->err);
    return result;
}

static void run_end(struct run *run)
{
    run->counts = *import_counts(run->import);
    import_free(&run->import);
    hmac_free(&run->hmac);
}

static enum result run_text(struct run *run, const char *text, size_t length, size_t piece)
{
    run->import = import_new(&run->settings);
    ck_assert_ptr_nonnull(run->import);
    enum result result = run_feed(run, text, length, piece);
    if (result == RESULT_OK)
        result = import_finish(run->import, &run->err);
    run_end(run);
    return result;
}

struct history {
    struct strbuf text;
};

static bool see_event(void *arg, const struct event_row *row)
{
    struct history *history = arg;
    char when[CLOCK_TEXT];
    clock_format_seconds(row->occurred_at, when);
    strbuf_add_format(&history->text, "%s %s %s %s@%d [%s] %s <%s> {%s}\n",
                      channel_name(row->channel), event_kind_name(row->kind), when,
                      row->form_id != NULL ? row->form_id : "-", row->form_version, row->partners,
                      basis_name(row->basis), row->supplier, row->evidence);
    return true;
}

static void expect_history(struct registry *registry, const char *person, const char *want)
{
    struct hmac *hmac = hmac_new((const uint8_t *)"0123456789abcdef", 16);
    ck_assert_ptr_nonnull(hmac);
    struct address address;
    struct recipient recipient;
    struct history history = {0};
    ck_assert_int_eq(address_parse(person, "FR", &address, NULL), RESULT_OK);
    ck_assert_int_eq(recipient_make(hmac, &address, &recipient, NULL), RESULT_OK);
    strbuf_add(&history.text, "", 0);
    ck_assert_int_eq(registry_events(registry, recipient.key, see_event, &history, NULL),
                     RESULT_OK);
    ck_assert_str_eq(history.text.data, want);
    strbuf_free(&history.text);
    hmac_free(&hmac);
}

static void open_with_form(struct bench *bench)
{
    bench_open(bench);
    ck_assert_int_eq(put_form(bench->registry, "jeu-ete", 3, "2025-01-01T00:00:00Z",
                              "\"acme\",\"beta\"", "", &bench->err),
                     RESULT_OK);
}

/* ---- JSON lines ---- */

#define WHO  "\"recipient\":\"jean@example.org\""
#define WHAT "\"channel\":\"email\",\"event\":\"given\",\"occurred_at\":\"2025-02-01T00:00:00Z\""

START_TEST(json_lines_become_events)
{
    struct bench bench;
    open_with_form(&bench);
    static const char text[] =
        "\xef\xbb\xbf"
        "{" WHO "," WHAT ",\"form\":\"jeu-ete@3\",\"partners\":[\"beta\",\"acme\"],"
        "\"supplier\":\"leads\",\"evidence\":\"box, of JEAN@example.org\\n\\u00e9t\\u00e9\"}\r\n"
        "\n  \r\n"
        "{\"channel\":[\"sms\",\"call\"],\"event\":\"withdrawn\",\"recipient\":\"06 12 34 56 78\","
        "\"form\":null,\"partners\":[],\"occurred_at\":\"2025-03-01T00:00:00+01:00\"}\n"
        "{\"recipient\":\"anna@example.org\",\"channel\":\"email|post\",\"event\":\"given\","
        "\"occurred_at\":\"2025-02-01T00:00:00Z\",\"basis\":\"soft-opt-in\"}";
    for (size_t piece = 1; piece < sizeof(text); piece = piece * 3 + 1) {
        struct run run;
        run_begin(&run, bench.registry);
        ck_assert_int_eq(run_text(&run, text, sizeof(text) - 1, piece), RESULT_OK);
        ck_assert_str_eq(run.problems, "");
        ck_assert_uint_eq(run.counts.lines, 3);
        ck_assert_uint_eq(run.counts.events_added, piece == 1 ? 5 : 0);
        ck_assert_uint_eq(run.counts.duplicates, piece == 1 ? 0 : 3);
    }
    expect_history(bench.registry, "jean@example.org",
                   "email given 2025-02-01T00:00:00Z jeu-ete@3 [acme|beta] consent <leads> "
                   "{box, of j\u2022\u2022\u2022@example.org\n\u00e9t\u00e9}\n");
    expect_history(bench.registry, "+33612345678",
                   "sms withdrawn 2025-02-28T23:00:00Z -@0 [] consent <> {}\n"
                   "call withdrawn 2025-02-28T23:00:00Z -@0 [] consent <> {}\n");
    bench_close(&bench);
}
END_TEST

START_TEST(json_lines_that_do_not_hold_are_told)
{
    static const struct {
        const char *line, *told;
    } rows[] = {
        {"{" WHO "," WHAT ",\"colour\":\"red\"}", "syntax : unknown key \"colour\""},
        {"{" WHO "," WHAT ",\"jean@example.org\":\"red\"}", "syntax : unknown key"},
        {"{" WHO "," WHAT ",\"form\":3}", "form form: must be a string"},
        {"{" WHO "," WHAT ",\"evidence\":{\"a\":1}}", "evidence evidence: must be a string"},
        {"{" WHO "," WHAT ",\"partners\":[1]}",
         "partners partners: must be a string, or an array of strings that are not empty and have "
         "no '|'"},
        {"{" WHO "," WHAT ",\"partners\":[\"a|b\"]}",
         "partners partners: must be a string, or an array of strings that are not empty and have "
         "no '|'"},
        {"{" WHO "," WHAT ",\"form\":[\"jeu-ete@3\"]}", "form form: must be a string"},
        {"{" WHO "," WHO "," WHAT "}", "syntax : a key stands twice (byte"},
        {"{" WHO ",\"channel\":\"email\",\"event\":\"given\"}", "occurred_at occurred_at: missing"},
        {"{" WHAT "}", "recipient recipient: missing"},
        {"{\"recipient\":null," WHAT "}",
         "recipient recipient: neither an e-mail address (no @) nor a phone number (no digit)"},
        {"{" WHO "," WHAT, "syntax : the object does not end (byte"},
        {"{" WHO "," WHAT "} x", "syntax : text behind the object (byte"},
        {"jean@example.org", "syntax : not valid JSON (byte"},
        {"[" WHO "]", "syntax : not valid JSON (byte"},
        {"[]", "syntax : not a JSON object"},
        {"{" WHO "," WHAT ",\"evidence\":\"\xff\"}", "encoding : not valid UTF-8 (byte"},
        {"{" WHO "," WHAT ",\"evidence\":\"a\\u0000b\"}", "encoding : a NUL character (byte"},
        {"{" WHO "," WHAT ",\"form\":\"jeu-ete@4\"}",
         "form form: form jeu-ete@4 is not registered"},
        {"{\"recipient\":\"jean@example.org\",\"channel\":\"sms\",\"event\":\"given\","
         "\"occurred_at\":\"2025-02-01T00:00:00Z\"}",
         "channel channel: an e-mail address cannot be reached by sms"},
    };
    struct bench bench;
    open_with_form(&bench);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[1024];
        char want[512];
        struct run run;
        snprintf(text, sizeof(text), "\n%s\n{" WHO "," WHAT "}\n", rows[i].line);
        snprintf(want, sizeof(want), "2 %s", rows[i].told);
        run_begin(&run, bench.registry);
        run.settings.input = IMPORT_JSONL;
        run.settings.dry_run = true;
        ck_assert_int_eq(run_text(&run, text, strlen(text), 65536), RESULT_OK);
        ck_assert_msg(strncmp(run.problems, want, strlen(want)) == 0, "%s", run.problems);
        ck_assert_uint_eq(run.counts.accepted + run.counts.duplicates, 1);
        ck_assert_uint_eq(run.counts.refused, 1);
        ck_assert_ptr_null(strstr(run.problems, "example.org"));
    }
    bench_close(&bench);
}
END_TEST

START_TEST(json_lines_have_limits)
{
    struct bench bench;
    open_with_form(&bench);
    struct strbuf text = {0};
    strbuf_add_str(&text, "{" WHO "," WHAT ",\"evidence\":\"");
    for (size_t i = 0; i < 3 * 1024 * 1024; i++)
        strbuf_add_char(&text, 'x');
    strbuf_add_str(&text, "\"}\n");
    for (int i = 0; i < 3000; i++)
        strbuf_add_char(&text, '[');
    strbuf_add(&text, "\n{\0}\n", 5);
    strbuf_add_str(&text, "{" WHO "," WHAT "}\n");
    for (size_t piece = 4096; piece < text.length * 4; piece *= 16) {
        struct run run;
        run_begin(&run, bench.registry);
        run.settings.input = IMPORT_JSONL;
        ck_assert_int_eq(run_text(&run, text.data, text.length, piece), RESULT_OK);
        ck_assert_str_eq(run.problems, "1 too-long : longer than 1 MiB\n"
                                       "2 syntax : nested too deeply (byte 2049)\n"
                                       "3 encoding : a NUL byte\n");
        ck_assert_uint_eq(run.counts.lines, 4);
    }
    strbuf_free(&text);
    bench_close(&bench);
}
END_TEST

/* ---- Twilio ---- */

#define SENDER "MG00000000000000000000000000000001"
#define ITEM(contact, status, source, date)                                                    \
    "{\"contact_id\":\"" contact "\",\"correlation_id\":\"ad388b5a46b33b874b0d41f7226db2ef\"," \
    "\"sender_id\":\"" SENDER "\",\"status\":\"" status "\",\"source\":\"" source              \
    "\",\"date_of_consent\":\"" date "\"}"
#define IN  ITEM("+33612345678", "opt-in", "website", "2025-02-28T10:05:27Z")
#define OUT ITEM("+33692123456", "opt-out", "opt-out-message", "2025-03-01T00:00:00Z")

/* One quote too few. */
#define OPEN "{\"contact_id\":\"+33612345601,\"status\":\"opt-out\"}"

static const char *const twilio_inputs[] = {
    "[" IN "," OUT "]",
    "\xef\xbb\xbf[\n  " IN ",\r\n  " OUT "\n]\n",
    "{\"items\":[" IN "," OUT "]}",
    "{ \"Items\" : [ " IN " , " OUT " ] }\n",
    IN "\n" OUT "\n",
    "\n" IN OUT,
    "{\n  \"contact_id\": \"+33612345678\",\n  \"status\": \"opt-in\",\n  \"source\": "
    "\"website\",\n \"sender_id\":\"" SENDER
    "\",\n  \"date_of_consent\": \"2025-02-28T10:05:27Z\"\n}\n" OUT,
    "contact_id,status,source,date_of_consent,sender_id\n"
    "+33612345678,opt-in,website,2025-02-28T10:05:27Z," SENDER "\n"
    "+33692123456,opt-out,opt-out-message,2025-03-01T00:00:00Z," SENDER "\n",
    "[" IN "]\n[" OUT "]",
};

START_TEST(twilio_in_any_wrapping)
{
    for (size_t i = 0; i < sizeof(twilio_inputs) / sizeof(twilio_inputs[0]); i++) {
        struct bench bench;
        open_with_form(&bench);
        for (size_t piece = 1; piece < 4096; piece = piece * 7 + 1) {
            struct run run;
            run_begin(&run, bench.registry);
            run.settings.input = piece == 8 ? IMPORT_TWILIO : IMPORT_DETECT;
            ck_assert_msg(run_text(&run, twilio_inputs[i], strlen(twilio_inputs[i]), piece) ==
                              RESULT_OK,
                          "%zu: %s", i, run.err.text);
            ck_assert_msg(run.problems[0] == '\0', "%zu: %s", i, run.problems);
            ck_assert_uint_eq(run.counts.lines, 2);
            ck_assert_uint_eq(run.counts.events_added, piece == 1 ? 2 : 0);
        }
        expect_history(bench.registry, "0612345678",
                       "sms given 2025-02-28T10:05:27Z -@0 [] consent <twilio> {Twilio consent, "
                       "source website, sender " SENDER "}\n");
        expect_history(bench.registry, "0692123456",
                       "sms withdrawn 2025-03-01T00:00:00Z -@0 [] consent <twilio> {Twilio "
                       "consent, source opt-out-message, sender " SENDER "}\n");
        bench_close(&bench);
    }
}
END_TEST

START_TEST(twilio_with_what_it_does_not_say)
{
    static const char text[] = "[" IN "," ITEM("jean@example.org", "opt-out", "strange", "") "]";
    static const char *partners[] = {"acme"};
    struct bench bench;
    open_with_form(&bench);
    struct run run;
    run_begin(&run, bench.registry);
    run.settings.form_id = "jeu-ete";
    run.settings.form_version = 3;
    run.settings.evidence = "double opt-in";
    run.settings.partners = partners;
    run.settings.n_partners = 1;
    run.settings.supplier = "leads";
    ck_assert_int_eq(run_text(&run, text, sizeof(text) - 1, 4096), RESULT_OK);
    ck_assert_str_eq(run.problems, "");
    expect_history(bench.registry, "0612345678",
                   "sms given 2025-02-28T10:05:27Z jeu-ete@3 [acme] consent <leads> {double "
                   "opt-in; Twilio consent, source website, sender " SENDER "}\n");
    expect_history(bench.registry, "jean@example.org",
                   "email withdrawn 2026-05-01T00:00:00Z -@0 [acme] consent <leads> {Twilio "
                   "consent, source not known, sender " SENDER "}\n");
    run_begin(&run, bench.registry);
    run.settings.channels = CHANNEL_BIT(CHANNEL_SMS) | CHANNEL_BIT(CHANNEL_CALL);
    ck_assert_int_eq(run_text(&run, text, sizeof(text) - 1, 4096), RESULT_OK);
    ck_assert_str_eq(run.problems, "1 channel contact_id: an e-mail address cannot be reached by "
                                   "sms\n");
    ck_assert_uint_eq(run.counts.events_added, 2);
    bench_close(&bench);
}
END_TEST

START_TEST(twilio_damage_costs_its_item)
{
    static const struct {
        const char *text, *told;
        unsigned lines;
    } rows[] = {
        {"[" ITEM("+33612345678", "perhaps", "website", "") "," OUT "]",
         "1 event status: neither opt-in nor opt-out\n", 2},
        {"[" ITEM("+33612345678", "opt-in", "website", "") "," OUT "]",
         "1 occurred_at date_of_consent: empty: an opt-in counts from a date (or give "
         "--occurred-at)\n",
         2},
        {"[" ITEM("+33612345678", "opt-in", "hearsay", "2025-02-28T10:05:27Z") "," OUT "]",
         "1 evidence source: not a source Twilio knows: website, offline, opt-in-message, "
         "opt-out-message or others\n",
         2},
        {"[" ITEM("12", "opt-out", "website", "2025-02-28T10:05:27Z") "," OUT "]",
         "1 recipient contact_id: not a valid phone number (read as dialled in FR)\n", 2},
        {"[{\"contact_id\":\"+33612345678\",\"status\":5}," OUT "]",
         "1 event status: must be a string\n", 2},
        {"[{\"contact_id\":\"+33612345678\",\"statu\":\"opt-in\"}," OUT "]",
         "1 syntax : unknown key \"statu\"\n", 2},
        {"[{\"contact_id\":\"+33612345678},\n" OUT "]",
         "1 syntax : a string that is not closed on its line\n", 2},
        {"[{\"contact_id\":\"+33612345678\",\n\"status\":\"opt-in\",\n" OUT "]",
         "1 syntax : an item that holds another, or does not end\n", 2},
        {"[{\"contact_id\":\"+336,\"status\":\"opt-in\"}," OUT "," OUT "]",
         "1 syntax : an item that does not end\n", 3},
        {"[" IN "; what?\n" OUT "]", "1 syntax : text that is no item\n", 3},
        {"[1,\n2," OUT "]", "1 syntax : text that is no item\n2 syntax : text that is no item\n",
         3},
        {"[" IN "," OUT, "1 syntax : the list of items does not end: is the file whole?\n", 3},
        {"{\"items\":[" OUT "],\"total\":1}", "1 syntax : text that is no item\n", 2},
        {"[{\"contact_id\":\"\xff\"}," OUT "]", "1 encoding : not valid UTF-8 (byte 15)\n", 2},
        {"[" OPEN "," OUT "," IN "," OPEN "," OUT "," OPEN "," OPEN "," IN "]",
         "1 syntax : not valid JSON (byte 35)\n1 syntax : not valid JSON (byte 35)\n"
         "1 syntax : not valid JSON (byte 35)\n1 syntax : an item that does not end\n",
         8},
        {"contact_id,status,source\n+33612345601,opt-out,\"others\n+33612345602,opt-out,others\n"
         "+33612345603,opt-out,others\"\n",
         "2 syntax : a quoted field that is not closed on its line: an open quote?\n"
         "4 syntax : a quote inside a field that does not start with one\n",
         3},
    };
    struct bench bench;
    open_with_form(&bench);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (size_t piece = 1; piece < 4096; piece = piece * 7 + 1) {
            struct run run;
            run_begin(&run, bench.registry);
            run.settings.input = IMPORT_TWILIO;
            ck_assert_int_eq(run_text(&run, rows[i].text, strlen(rows[i].text), piece), RESULT_OK);
            ck_assert_msg(strcmp(run.problems, rows[i].told) == 0, "%zu in %zu: %s", i, piece,
                          run.problems);
            ck_assert_msg(run.counts.lines == rows[i].lines, "%zu: %llu", i,
                          (unsigned long long)run.counts.lines);
            ck_assert(run.counts.accepted + run.counts.duplicates >= 1);
        }
    bench_close(&bench);
}
END_TEST

START_TEST(inputs_are_told_apart)
{
    static const struct {
        const char *text;
        bool json_name;
        enum import_input input;
    } rows[] = {
        {HEADER, false, IMPORT_CSV},
        {"contact_id,status\n", false, IMPORT_TWILIO},
        {"{\"recipient\":1}\n", false, IMPORT_JSONL},
        {" \n\n { \"contact_id\":1}\n", false, IMPORT_TWILIO},
        {"[]", false, IMPORT_TWILIO},
        {"{}\n", false, IMPORT_JSONL},
        {"recipient", true, IMPORT_JSONL},
        {"", true, IMPORT_JSONL},
        {"", false, IMPORT_CSV},
        {"{\"items\":[]}", false, IMPORT_TWILIO},
    };
    struct bench bench;
    open_with_form(&bench);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct run run;
        run_begin(&run, bench.registry);
        run.settings.json_name = rows[i].json_name;
        run.import = import_new(&run.settings);
        (void)run_feed(&run, rows[i].text, strlen(rows[i].text), 3);
        (void)import_finish(run.import, &run.err);
        ck_assert_msg(import_input(run.import) == rows[i].input, "%zu: %d", i,
                      (int)import_input(run.import));
        run_end(&run);
    }
    bench_close(&bench);
}
END_TEST

/* ---- going on ---- */

static void make_input(struct strbuf *text, bool json)
{
    if (!json)
        strbuf_add_str(text, "\xef\xbb\xbf"
                             "event,recipient,channel,occurred_at,form,partners,basis,supplier,"
                             "evidence\n");
    for (int i = 0; i < 400; i++) {
        if (i % 13 == 5) {
            strbuf_add_str(text, json ? "{nothing}\n" : "given,\"x,y\n");
        } else if (json) {
            strbuf_add_format(text,
                              "{\"recipient\":\"p%d@example.org\",\"channel\":\"email\",\"event\":"
                              "\"given\",\"occurred_at\":\"2025-02-01T00:00:00Z\",\"form\":\"%s\"}"
                              "\n\n",
                              i, i % 17 == 3 ? "nothing@1" : "jeu-ete@3");
        } else {
            strbuf_add_format(text,
                              "given,p%d@example.org,email,2025-02-01T00:00:00Z,%s,,,leads,"
                              "\"two\nlines\"\r\n",
                              i, i % 17 == 3 ? "nothing@1" : "jeu-ete@3");
        }
        if (i == 200) {
            for (size_t n = 0; n < 1200000; n++)
                strbuf_add_char(text, 'x');
            strbuf_add_char(text, '\n');
        }
    }
    ck_assert(!text->failed);
}

/* Feeds part of the input and forgets the import, as a kill would; resumes; and so on. */
static void run_in_goes(struct run *run, struct bench *bench, const struct strbuf *text, size_t go,
                        struct strbuf *problems)
{
    enum result result = RESULT_OK;
    size_t reached = 0;
    for (int n = 0;; n++) {
        run_begin(run, bench->registry);
        run->settings.resumable = true;
        run->import = import_new(&run->settings);
        if (n > 0)
            ck_assert_msg(import_resume(run->import, &run->err) == RESULT_OK, "%s", run->err.text);
        reached = reached + go < text->length ? reached + go : text->length;
        result = run_feed(run, text->data, reached, 5000 + (size_t)n * 777);
        ck_assert_msg(result == RESULT_OK, "%s", run->err.text);
        if (reached == text->length)
            break;
        strbuf_add_str(problems, run->problems);
        run_end(run);
    }
    ck_assert_int_eq(import_finish(run->import, &run->err), RESULT_OK);
    strbuf_add_str(problems, run->problems);
}

START_TEST(an_interrupted_import_goes_on)
{
    for (int json = 0; json < 2; json++) {
        struct strbuf text = {0};
        make_input(&text, json == 1);
        struct bench bench;
        struct run whole;
        struct strbuf told = {0};
        uint8_t sums[2][SHA256_BYTES];
        open_with_form(&bench);
        run_in_goes(&whole, &bench, &text, text.length, &told);
        ck_assert(import_sha256(whole.import, sums[0]));
        run_end(&whole);
        bench_close(&bench);
        for (size_t go = 997; go < text.length; go = go * 5 + 1) {
            struct run run;
            struct strbuf problems = {0};
            bool found = true;
            uint64_t line;
            open_with_form(&bench);
            run_in_goes(&run, &bench, &text, go < 8000 ? text.length / 60 : go, &problems);
            ck_assert(import_sha256(run.import, sums[1]));
            ck_assert_int_eq(import_unfinished(run.import, &found, &line, &run.err), RESULT_OK);
            ck_assert(!found);
            run_end(&run);
            ck_assert_mem_eq(&run.counts, &whole.counts, sizeof(run.counts));
            ck_assert_mem_eq(sums[0], sums[1], SHA256_BYTES);
            /* Refused lines may be told twice, never not at all: the last of a go again. */
            size_t lines = 0;
            for (char *rest = told.data, *end; (end = strchr(rest, '\n')) != NULL; rest = end + 1) {
                char one[512];
                snprintf(one, sizeof(one), "%.*s\n", (int)(end - rest), rest);
                ck_assert_msg(strstr(problems.data, one) != NULL, "%s", one);
                lines++;
            }
            ck_assert_uint_eq(lines, whole.counts.refused);
            strbuf_free(&problems);
            bench_close(&bench);
        }
        strbuf_free(&told);
        strbuf_free(&text);
    }
}
END_TEST

START_TEST(only_the_same_file_goes_on)
{
    struct strbuf text = {0};
    make_input(&text, false);
    struct bench bench;
    struct run run;
    open_with_form(&bench);
    run_begin(&run, bench.registry);
    run.settings.resumable = true;
    run.import = import_new(&run.settings);
    ck_assert_int_eq(import_resume(run.import, &run.err), RESULT_NOT_FOUND);
    ck_assert_int_eq(run_feed(&run, text.data, 9000, 3000), RESULT_OK);
    run_end(&run);

    bool found = false;
    uint64_t line = 0;
    run_begin(&run, bench.registry);
    run.settings.resumable = true;
    run.settings.region = "RE"; /* other events would come of the same lines */
    run.import = import_new(&run.settings);
    ck_assert_int_eq(import_unfinished(run.import, &found, &line, &run.err), RESULT_OK);
    ck_assert(found && line > 100);
    ck_assert_int_eq(import_resume(run.import, &run.err), RESULT_CONFLICT);
    run_end(&run);

    static const size_t changed[] = {120, 2000, 8000};
    for (size_t i = 0; i < 3; i++) {
        run_begin(&run, bench.registry);
        run.settings.resumable = true;
        run.import = import_new(&run.settings);
        ck_assert_int_eq(import_resume(run.import, &run.err), RESULT_OK);
        text.data[changed[i]] ^= 1;
        ck_assert_int_eq(run_feed(&run, text.data, text.length, 3000), RESULT_CONFLICT);
        text.data[changed[i]] ^= 1;
        run_end(&run);
    }
    run_begin(&run, bench.registry);
    run.settings.resumable = true;
    run.import = import_new(&run.settings);
    ck_assert_int_eq(import_resume(run.import, &run.err), RESULT_OK);
    ck_assert_int_eq(run_feed(&run, text.data, 5000, 3000), RESULT_OK);
    ck_assert_int_eq(import_finish(run.import, &run.err), RESULT_CONFLICT);
    run_end(&run);
    strbuf_free(&text);
    bench_close(&bench);
}
END_TEST

/* ---- notices ---- */

static const struct seal *notice_seal;

static bool see_notice(void *arg, const struct notice *notice)
{
    struct error err;
    strbuf_add_format(arg, "%s ", channel_name(notice->event.channel));
    ck_assert_int_eq(
        seal_open(notice_seal, SEAL_FOR_NOTICES, notice->sealed, notice->sealed_length, arg, &err),
        RESULT_OK);
    strbuf_add_char(arg, '\n');
    return true;
}

START_TEST(withdrawals_leave_notices)
{
    static const char text[] =
        HEADER "Jean.Dupont@Example.org,email,withdrawn,2026-01-01T00:00:00Z,,,,,\n"
               "paul@example.org,email,given,2026-01-01T00:00:00Z,,acme,,,\n"
               "06 12 34 56 78,sms|call,objected,2026-01-01T00:00:00Z,,,,,by letter\n"
               "Jean.Dupont@Example.org,email,withdrawn,2026-01-01T00:00:00Z,,,,,\n";
    struct bench bench;
    struct run run;
    struct seal *seal = NULL;
    struct strbuf notices = {0};
    char path[320];
    bench_open(&bench);
    snprintf(path, sizeof(path), "%s/seal.key", bench.folder);
    ck_assert_int_eq(seal_create(path, &bench.err), RESULT_OK);
    ck_assert_int_eq(seal_load(path, &seal, &bench.err), RESULT_OK);
    notice_seal = seal;
    registry_seal_with(bench.registry, seal);
    for (int i = 0; i < 2; i++) { /* the second time nothing is new */
        run_begin(&run, bench.registry);
        ck_assert_int_eq(run_text(&run, text, strlen(text), 7), RESULT_OK);
    }
    ck_assert_int_eq(
        registry_unspread_notices(bench.registry, false, see_notice, &notices, &bench.err),
        RESULT_OK);
    ck_assert_str_eq(notices.data, "email jean.dupont@example.org\n"
                                   "sms +33612345678\n"
                                   "call +33612345678\n");
    strbuf_free(&notices);
    seal_free(&seal);
    unlink(path);
    bench_close(&bench);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {json_lines_become_events,
                                  json_lines_that_do_not_hold_are_told,
                                  json_lines_have_limits,
                                  twilio_in_any_wrapping,
                                  twilio_with_what_it_does_not_say,
                                  twilio_damage_costs_its_item,
                                  inputs_are_told_apart,
                                  an_interrupted_import_goes_on,
                                  only_the_same_file_goes_on,
                                  withdrawals_leave_notices,
                                  NULL};
    Suite *const suites[] = {unit_suite("import", tests), NULL};
    return unit_run(suites);
}
