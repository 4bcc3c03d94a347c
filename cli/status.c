/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `octroi status`: asks the running gateway over state_dir/control.sock. One line of JSON goes
 * out, one comes back. What is shown is what the gateway said; nothing is guessed when it is down.
 */
#include "cli/context.h"
#include "cli/options.h"
#include "proxy/control.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

/* ---- showing ---- */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "-";
}

static int64_t number_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static void print_plain(const char *title, const char *text)
{
    struct strbuf plain = {0};
    output_add_plain(&plain, text);
    printf("%-14s %s\n", title, plain.data != NULL ? plain.data : "-");
    strbuf_free(&plain);
}

static bool has_text(const json_t *object, const char *key)
{
    return json_string_length(json_object_get(object, key)) > 0;
}

static void print_journal(const json_t *journal)
{
    printf("%-14s %" PRId64 " rows, segment %" PRId64 ", %" PRId64 " waiting%s\n", "journal",
           number_of(journal, "rows"), number_of(journal, "segment"), number_of(journal, "waiting"),
           json_is_true(json_object_get(journal, "failing"))
               ? ", FAILING: nothing leaves until it can be written"
               : "");
    if (has_text(journal, "last_error"))
        print_plain("journal error", text_of(journal, "last_error"));
}

/* Only what happened: most gateways have nothing to show here, and then a "-". */
static void print_refusals(json_t *refusals)
{
    const char *title = "refusals";
    const char *name;
    json_t *count;
    json_object_foreach(refusals, name, count)
    {
        if (json_integer_value(count) == 0)
            continue;
        printf("%-14s %" PRId64 " %s\n", title, (int64_t)json_integer_value(count), name);
        title = "";
    }
    if (*title != '\0')
        printf("%-14s -\n", title);
}

/* What came back from the network; nothing while nothing did. */
static void print_sms(const json_t *sms)
{
    static const struct {
        const char *key, *words;
    } counts[] = {
        {"stops_recorded", "STOP on record"},
        {"stops_failed", "STOP that the provider is to bring again"},
        {"stops_unreadable", "STOP of no readable number"},
        {"reports_delivered", "delivery reports handed on"},
        {"reports_later", "delivery reports nobody took yet"},
        {"reports_unknown", "delivery reports of no message"},
        {"replies_delivered", "replies handed on"},
        {"replies_later", "replies nobody took yet"},
        {"replies_nobodys", "replies to nobody"},
    };
    const char *title = "from phones";
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        int64_t count = number_of(sms, counts[i].key);
        if (count == 0)
            continue;
        printf("%-14s %" PRId64 " %s\n", title, count, counts[i].words);
        title = "";
    }
}

/* Nothing while no partner was to be told of anything. */
static void print_notices(const json_t *notices)
{
    static const struct {
        const char *key, *words;
    } counts[] = {
        {"waiting", "withdrawals that partners are yet to acknowledge"},
        {"overdue", "of them overdue (octroi notice list --overdue)"},
        {"acknowledged", "acknowledged"},
        {"given_up", "given up"},
        {"untold", "of which the partner cannot be told"},
    };
    const char *title = "notices";
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        int64_t count = number_of(notices, counts[i].key);
        if (count == 0)
            continue;
        printf("%-14s %" PRId64 " %s\n", title, count, counts[i].words);
        title = "";
    }
}

static void print_summary(const json_t *answer)
{
    const json_t *config = json_object_get(answer, "config");
    const json_t *verdicts = json_object_get(answer, "verdicts");
    print_plain("gateway", text_of(answer, "gateway"));
    printf("%-14s %s, pid %" PRId64 ", %" PRId64 " loops\n", "octroi", text_of(answer, "version"),
           number_of(answer, "pid"), number_of(answer, "loops"));
    print_plain("running since", text_of(answer, "started_at"));
    print_plain("syscall filter", text_of(answer, "syscall_filter"));
    print_plain("configuration", text_of(config, "file"));
    printf("%-14s %s, loaded %s\n", "", text_of(config, "version"), text_of(config, "loaded_at"));
    if (has_text(config, "last_reload_error"))
        print_plain("reload failed", text_of(config, "last_reload_error"));
    printf("%-14s %" PRId64 "\n", "sessions", number_of(answer, "sessions"));
    printf("%-14s %" PRId64 " pass, %" PRId64 " block, %" PRId64 " defer\n", "verdicts",
           number_of(verdicts, "pass"), number_of(verdicts, "block"), number_of(verdicts, "defer"));
    print_sms(json_object_get(answer, "sms"));
    print_notices(json_object_get(answer, "notices"));
    print_refusals(json_object_get(answer, "refusals"));
    print_journal(json_object_get(answer, "journal"));
}

static bool print_listeners(const json_t *listeners)
{
    static const struct column columns[] = {
        {"listener", CELL_TEXT, false},   {"protocol", CELL_TEXT, false},
        {"bind", CELL_TEXT, false},       {"tls", CELL_TEXT, false},
        {"sessions", CELL_NUMBER, false}, {0}};
    struct output *output = output_new(stdout, OUTPUT_TABLE, columns);
    if (output == NULL)
        return false;
    putchar('\n');
    for (size_t i = 0; i < json_array_size(listeners); i++) {
        const json_t *listener = json_array_get(listeners, i);
        const struct cell cells[] = {
            cell_text(text_of(listener, "name")), cell_text(text_of(listener, "protocol")),
            cell_text(text_of(listener, "bind")), cell_text(text_of(listener, "tls")),
            cell_number(number_of(listener, "sessions"))};
        output_row(output, cells);
    }
    return output_end(&output, NULL) == RESULT_OK;
}

static bool print_providers(const json_t *providers)
{
    static const struct column columns[] = {
        {"provider", CELL_TEXT, false},   {"adapter", CELL_TEXT, false},
        {"breaker", CELL_TEXT, false},    {"connections", CELL_NUMBER, false},
        {"limit", CELL_NUMBER, false},    {"busy", CELL_NUMBER, false},
        {"accepted", CELL_NUMBER, false}, {"refused", CELL_NUMBER, false},
        {"unknown", CELL_NUMBER, false},  {"failed", CELL_NUMBER, false},
        {"last_error", CELL_TEXT, false}, {0}};
    static const char *const counts[] = {"connections", "limit",   "busy",  "accepted",
                                         "refused",     "unknown", "failed"};
    const size_t n_counts = sizeof(counts) / sizeof(counts[0]);
    struct output *output = output_new(stdout, OUTPUT_TABLE, columns);
    if (output == NULL)
        return false;
    putchar('\n');
    for (size_t i = 0; i < json_array_size(providers); i++) {
        const json_t *provider = json_array_get(providers, i);
        struct cell cells[11] = {cell_text(text_of(provider, "name")),
                                 cell_text(text_of(provider, "adapter")),
                                 cell_text(text_of(provider, "breaker"))};
        for (size_t j = 0; j < n_counts; j++)
            cells[3 + j] = cell_number(number_of(provider, counts[j]));
        cells[10] = cell_text(text_of(provider, "last_error"));
        output_row(output, cells);
    }
    return output_end(&output, NULL) == RESULT_OK;
}

/* Every leaf as "providers.0.name,smarthost". */
static bool flatten(struct output *output, const char *path, const json_t *value)
{
    struct strbuf text = {0};
    bool done = true;
    if (json_is_object(value) || json_is_array(value)) {
        size_t count = json_is_array(value) ? json_array_size(value) : json_object_size(value);
        void *at = json_object_iter((json_t *)value);
        for (size_t i = 0; done && i < count; i++) {
            const json_t *inner =
                at != NULL ? json_object_iter_value(at) : json_array_get(value, i);
            strbuf_clear(&text);
            strbuf_add_format(&text, "%s%s", path, *path != '\0' ? "." : "");
            if (at != NULL)
                strbuf_add_str(&text, json_object_iter_key(at));
            else
                strbuf_add_uint(&text, i);
            done = !text.failed && flatten(output, text.data, inner);
            at = at != NULL ? json_object_iter_next((json_t *)value, at) : NULL;
        }
        strbuf_free(&text);
        return done;
    }
    char *scalar = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY);
    const char *shown = json_is_string(value) ? json_string_value(value) : scalar;
    const struct cell cells[] = {cell_text(path),
                                 json_is_null(value) ? cell_none() : cell_text(shown)};
    done = shown != NULL && output_row(output, cells);
    free(scalar);
    return done;
}

static bool print_csv(const json_t *answer)
{
    static const struct column columns[] = {
        {"key", CELL_TEXT, false}, {"value", CELL_TEXT, false}, {0}};
    struct output *output = output_new(stdout, OUTPUT_CSV, columns);
    if (output == NULL)
        return false;
    bool done = flatten(output, "", answer);
    return output_end(&output, NULL) == RESULT_OK && done;
}

static int show(const struct strbuf *answer, enum output_format format)
{
    json_t *json = json_loadb(answer->data, answer->length, 0, NULL);
    if (!json_is_object(json)) {
        json_decref(json);
        return command_failed_text("the gateway's answer is not to be understood");
    }
    bool shown = true;
    if (json_object_get(json, "error") != NULL) {
        int code = command_failed_text("the gateway answered: %s", text_of(json, "error"));
        json_decref(json);
        return code;
    }
    if (format == OUTPUT_JSON) {
        puts(answer->data);
    } else if (format == OUTPUT_CSV) {
        shown = print_csv(json);
    } else {
        print_summary(json);
        shown = print_listeners(json_object_get(json, "listeners")) &&
                print_providers(json_object_get(json, "providers"));
    }
    json_decref(json);
    return shown ? EXIT_DONE : command_failed_text("out of memory");
}

int cli_status(const struct invocation *invocation, int argc, char **argv)
{
    enum output_format format = OUTPUT_TABLE;
    int code = options_read_format(invocation, argc, argv, &format);
    if (code != OPTIONS_GO)
        return code;
    struct context context;
    struct strbuf answer = {0};
    if (!context_open(invocation, 0, &context))
        return EXIT_FAILED;
    struct error err;
    code = control_call(context.config->state_dir, "{\"command\":\"status\"}", &answer, &err) ==
                   RESULT_OK
               ? show(&answer, format)
               : command_failed(&err);
    strbuf_free(&answer);
    context_close(&context);
    return code;
}
