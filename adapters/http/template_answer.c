/* SPDX-License-Identifier: Apache-2.0 */
/* What a template says of answers: when a message was accepted, and what else they may mean. */
#include "adapters/http/template.h"

#include <string.h>

static void read_rule(struct http_reader *reader, struct node *node, bool format_text,
                      struct http_rule *rule)
{
    static const char *const keys[] = {"status", "field", "is", "begins", "means", NULL};
    static const char *const meanings[] = {[HTTP_MEANS_FOR_GOOD] = "for_good",
                                           [HTTP_MEANS_FOR_NOW] = "later",
                                           [HTTP_MEANS_OPTED_OUT] = "opted_out",
                                           [HTTP_MEANS_NUMBER] = "number",
                                           [HTTP_MEANS_NOT_TAKEN] = "not_taken",
                                           [HTTP_MEANS_UNKNOWN] = "unknown",
                                           NULL};
    http_check_keys(reader, node, keys);
    http_read_condition(reader, node, format_text, &rule->condition);
    rule->meaning =
        (enum http_meaning)http_child_word(reader, node, "means", meanings, HTTP_MEANS_UNKNOWN);
    if (node_child(node, "means") == NULL)
        node_key_problem(reader->problems, node, "means", "is missing");
}

static void read_rules(struct http_reader *reader, struct node *group, bool format_text)
{
    struct http_rule **end = &reader->template->answer.rules;
    struct node *list = http_child(reader, group, "otherwise", NODE_LIST);
    for (struct node *child = list != NULL ? list->first : NULL; child != NULL;
         child = child->next) {
        if (child->type != NODE_GROUP) {
            node_problem(reader->problems, child,
                         "must be a list of groups: ( { status = [ 400 ]  means = \"number\" } )");
            continue;
        }
        struct http_rule *rule = http_alloc(reader, sizeof(*rule));
        if (rule == NULL)
            return;
        read_rule(reader, child, format_text, rule);
        *end = rule;
        end = &rule->next;
    }
}

static void read_errors(struct http_reader *reader, struct node *group)
{
    struct http_paths **end = &reader->template->answer.errors;
    struct node *error = node_child(group, "error");
    size_t count = 0;
    if (error == NULL)
        return;
    const char *const *words = http_read_words(reader, error, &count);
    for (size_t i = 0; i < count; i++) {
        struct http_paths *each = http_alloc(reader, sizeof(*each));
        struct error err;
        if (each == NULL)
            return;
        enum result result =
            http_path_parse(reader->template->tree.arena, words[i], &each->path, &err);
        if (result == RESULT_NO_MEMORY)
            reader->no_memory = true;
        else if (result != RESULT_OK)
            node_problem(reader->problems, error, "%s", err.text);
        *end = each;
        end = &each->next;
    }
}

void http_read_answer(struct http_reader *reader, struct node *group)
{
    static const char *const keys[] = {"format",  "separator", "accepted", "otherwise", "id",
                                       "id_text", "parts",     "error",    NULL};
    static const char *const accepted_keys[] = {"status", "field", "is", "begins", NULL};
    static const char *const formats[] = {[HTTP_FORMAT_JSON] = "json",
                                          [HTTP_FORMAT_FORM] = "form",
                                          [HTTP_FORMAT_TEXT] = "text",
                                          NULL};
    struct http_answer_form *out = &reader->template->answer;
    http_check_keys(reader, group, keys);
    out->format =
        (enum http_format)http_child_word(reader, group, "format", formats, HTTP_FORMAT_JSON);
    bool text = out->format == HTTP_FORMAT_TEXT;
    out->separator = http_child_text(reader, group, "separator", "");
    if (node_child(group, "separator") != NULL && !text)
        node_problem(reader->problems, node_child(group, "separator"),
                     "is used when format is \"text\" alone");
    struct node *accepted = http_child(reader, group, "accepted", NODE_GROUP);
    if (accepted != NULL) {
        http_check_keys(reader, accepted, accepted_keys);
        http_read_condition(reader, accepted, text, &out->accepted);
    } else if (node_child(group, "accepted") == NULL) {
        node_key_problem(reader->problems, group, "accepted", "is missing");
    }
    read_rules(reader, group, text);
    out->has_id = http_child_path(reader, group, "id", &out->id);
    struct node *id_text = http_child(reader, group, "id_text", NODE_TEXT);
    if (id_text != NULL)
        http_read_text(reader, id_text, HTTP_OF_MESSAGE, &out->id_text);
    if (id_text != NULL && out->has_id)
        node_problem(reader->problems, id_text, "stands beside id: only one of them can hold");
    out->has_parts = http_child_path(reader, group, "parts", &out->parts);
    read_errors(reader, group);
}
