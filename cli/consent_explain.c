/* SPDX-License-Identifier: Apache-2.0 */
/* The explanation on a terminal. */
#include "cli/consent_explain.h"

#include "cli/command.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What the rule asks, in a few words. */
static const char *rule_title(const char *rule)
{
    static const struct {
        const char *rule, *title;
    } titles[] = {
        {"1", "stopped?"},
        {"2", "true sender?"},
        {"3", "service message?"},
        {"4", "banned sector?"},
        {"5", "objection?"},
        {"6", "withdrawal?"},
        {"7", "any consent?"},
        {"8", "this channel?"},
        {"8a", "form or supplier stopped?"},
        {"9", "partner shown?"},
        {"10", "shown then?"},
        {"11", "shown by name?"},
        {"12", "proven?"},
        {"13", "form still valid?"},
        {"14", "this purpose?"},
        {"15", "recent enough?"},
        {"16", "basis accepted?"},
        {"17", "basis's conditions?"},
        {"18", "message content?"},
        {"19", "hours?"},
        {"20", "all held"},
    };
    for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
        if (strcmp(titles[i].rule, rule) == 0)
            return titles[i].title;
    return "";
}

static const char *sign(enum finding finding)
{
    static const char *const signs[] = {
        [FINDING_HOLDS] = "✓", [FINDING_FAILS] = "✗", [FINDING_SKIPPED] = "–"};
    return signs[finding];
}

/* ---- printing ---- */

/* Other people's words, harmless to a terminal; of several lines, each under the one before. */
static void add_line(struct strbuf *out, const char *name, const char *text)
{
    while (text != NULL && text[0] != '\0') {
        size_t length = strcspn(text, "\r\n");
        char *line = strndup(text, length);
        strbuf_add_format(out, "    %-12s ", name);
        output_add_plain(out, line != NULL ? line : "");
        strbuf_add_char(out, '\n');
        out->failed = out->failed || line == NULL;
        free(line);
        text += length;
        text += strspn(text, "\r\n");
        name = "";
    }
}

static void add_list(struct strbuf *out, const char *name, const char **texts, size_t count)
{
    struct strbuf list = {0};
    for (size_t i = 0; i < count; i++) {
        strbuf_add_str(&list, i > 0 ? ", " : "");
        strbuf_add_str(&list, texts[i]);
    }
    add_line(out, name, list.data);
    out->failed = out->failed || list.failed;
    strbuf_free(&list);
}

static void add_form(struct strbuf *out, const struct past_event *event)
{
    const struct past_form *shown = event->form;
    char text[512];
    char from[CLOCK_TEXT];
    if (shown == NULL) {
        add_line(out, "form", event->form_id != NULL ? "one that was never registered" : "none");
        return;
    }
    const struct form *form = shown->form;
    clock_format_seconds(form->effective_from, from);
    snprintf(text, sizeof(text), "%s@%d of %.200s, in force from %s", form->id, form->version,
             form->collector_name, from);
    add_line(out, "form", text);
    add_line(out, "shown", form->wording);
    add_list(out, strcmp(form->display, "link") == 0 ? "list by link" : "list inline",
             form->partners, form->n_partners);
    add_list(out, "categories", form->categories, form->n_categories);
    add_line(out, "at", form->url);
    if (shown->invalidated_at != 0)
        add_line(out, "invalidated", shown->invalid_reason);
}

static void add_ground(struct strbuf *out, const struct explanation *explanation)
{
    const struct past_event *event = past_event(explanation->history, explanation->judgement.event);
    char when[CLOCK_TEXT];
    if (event == NULL) {
        strbuf_add_str(out, "It rests on no event.\n");
        return;
    }
    bool nearest = explanation->judgement.verdict == VERDICT_BLOCK && past_is_grant(event);
    strbuf_add_format(out, "%s event %" PRId64 ": %s on ",
                      nearest ? "What came nearest is" : "It rests on", event->id,
                      explanation_event_words(event));
    explanation_add_moment(out, event->occurred_at, true);
    strbuf_add_str(out, ".\n");
    add_line(out, "channel", channel_name(event->channel));
    if (event->partners[0] != '\0')
        add_line(out, "partners", event->partners);
    else if (!past_is_grant(event))
        add_line(out, "partners", event->collector[0] != '\0' ? "all of the collector" : "all");
    if (past_is_grant(event) || event->form_id != NULL)
        add_form(out, event);
    add_line(out, "collector", event->collector);
    add_line(out, "evidence", event->evidence[0] != '\0' ? event->evidence : "none");
    add_line(out, "supplier", event->supplier);
    clock_format_seconds(event->recorded_at, when);
    add_line(out, "recorded", when);
    add_line(out, "origin", event->origin);
}

static void add_head(struct strbuf *out, const struct explanation *explanation)
{
    const struct question *question = explanation->question;
    const struct judgement *judgement = &explanation->judgement;
    char at[CLOCK_TEXT];
    clock_format_seconds(question->now, at);
    strbuf_add_format(out, "%-10s %s\n%-10s %s (%s)\n%-10s %s, %s, at %s\n", "recipient",
                      explanation->recipient->masked, "partner", question->partner->id,
                      question->partner->name, "asked", channel_name(question->channel),
                      purpose_name(question->purpose), at);
    strbuf_add_format(out, "%-10s %s %s: %s\n", "verdict", verdict_name(judgement->verdict),
                      reason_name(judgement->reason), reason_text(judgement->reason));
    strbuf_add_format(out, "%-10s %s\n\n", "policy", question->policy->version);
    explanation_sentence(explanation, out);
    strbuf_add_str(out, "\n\n");
    add_ground(out, explanation);
}

static void add_rules(struct strbuf *out, const struct trace *trace)
{
    strbuf_add_str(out, "\nThe rules, in order; the first that fails decides."
                        "  ✓ held  ✗ failed  – not asked\n");
    for (size_t i = 0; i < trace->count; i++) {
        const struct trace_step *step = &trace->steps[i];
        strbuf_add_format(out, "  %s %2s  %-26s", sign(step->finding), step->rule,
                          rule_title(step->rule));
        output_add_plain(out, step->note);
        strbuf_add_char(out, '\n');
    }
}

static void add_grant(struct strbuf *out, const struct explanation *explanation,
                      const struct explained_grant *grant)
{
    const struct past_event *event = past_find(explanation->history, grant->occurred_at, grant->id);
    char date[CLOCK_TEXT] = "";
    char form[PAST_FORM] = "";
    if (event != NULL) {
        clock_format(event->occurred_at, date);
        date[10] = '\0';
        past_form_name(event, form);
    }
    strbuf_add_format(out, "  %s event %-4" PRId64 " %s %-8s %-14s ", grant->passes ? "✓" : "✗",
                      grant->id, date, event != NULL ? channel_name(event->channel) : "",
                      form[0] != '\0' ? form : "(no form)");
    if (!grant->passes)
        strbuf_add_format(out, "rule %s %s: ", grant->rule, reason_name(grant->reason));
    output_add_plain(out, grant->note);
    strbuf_add_char(out, '\n');
}

/* Each is judged alone; the deciding one was told of above. */
static void add_others(struct strbuf *out, const struct explanation *explanation)
{
    size_t others = 0;
    for (size_t i = 0; i < explanation->n_grants; i++)
        others += !explanation->grants[i].decides;
    if (others == 0)
        return;
    strbuf_add_format(out,
                      "\n%zu other consent%s on record %s looked at, each alone; one that holds "
                      "would be enough.\n",
                      others, plural(others), others == 1 ? "was" : "were");
    for (size_t i = 0; i < explanation->n_grants; i++)
        if (!explanation->grants[i].decides)
            add_grant(out, explanation, &explanation->grants[i]);
}

static const struct column history_columns[] = {
    {"id", CELL_NUMBER, false},     {"occurred_at", CELL_TEXT, false},
    {"event", CELL_TEXT, false},    {"channel", CELL_TEXT, false},
    {"form", CELL_TEXT, false},     {"partners", CELL_WORDS, false},
    {"supplier", CELL_TEXT, false}, {"evidence", CELL_TEXT, false},
    {"part", CELL_TEXT, false},     {0}};

static const char *part_of(const struct explanation *explanation, const struct past_event *event)
{
    if (event->id == explanation->judgement.event) {
        if (explanation->judgement.verdict != VERDICT_BLOCK)
            return "relied on";
        return past_is_grant(event) ? "came nearest" : "in the way";
    }
    if (event->occurred_at > explanation->question->now)
        return "later than asked";
    const struct explained_grant *grant = explanation_grant(explanation, event);
    return grant == NULL ? NULL : grant->decides ? "came nearest" : "looked at";
}

static int print_history(const struct explanation *explanation)
{
    struct error err = {0};
    printf("\nThe history, oldest first.\n");
    struct output *output = output_new(stdout, OUTPUT_TABLE, history_columns);
    if (output == NULL)
        return command_failed_text("out of memory");
    for (size_t i = 0; i < explanation->history->n_events; i++) {
        const struct past_event *event = &explanation->history->events[i];
        char occurred[CLOCK_TEXT];
        char form[PAST_FORM];
        clock_format_seconds(event->occurred_at, occurred);
        const struct cell cells[] = {cell_number(event->id),
                                     cell_text(occurred),
                                     cell_text(event_kind_name(event->kind)),
                                     cell_text(channel_name(event->channel)),
                                     cell_filled(past_form_name(event, form)),
                                     cell_filled(event->partners),
                                     cell_filled(event->supplier),
                                     cell_filled(event->evidence),
                                     cell_text(part_of(explanation, event))};
        output_row(output, cells);
    }
    return output_end(&output, &err) == RESULT_OK ? EXIT_DONE : command_failed(&err);
}

int explanation_print(const struct explanation *explanation)
{
    struct strbuf out = {0};
    add_head(&out, explanation);
    add_rules(&out, &explanation->trace);
    add_others(&out, explanation);
    bool failed = out.failed;
    if (!failed)
        fputs(out.data, stdout);
    strbuf_free(&out);
    return failed ? command_failed_text("out of memory") : print_history(explanation);
}
