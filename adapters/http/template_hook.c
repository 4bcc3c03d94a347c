/* SPDX-License-Identifier: Apache-2.0 */
/* What a template says of the provider's calls to us: how they are verified, and what is in them.
 */
#include "adapters/http/template.h"

#include <stdlib.h>
#include <string.h>

/* ---- verification ---- */

/* A text of the provider's values alone, put together now. NULL: absent or a finding. */
static char *static_text(struct http_reader *reader, struct node *group, const char *name)
{
    struct node *node = http_child(reader, group, name, NODE_TEXT);
    struct http_text text = {0};
    struct strbuf out = {0};
    struct error err;
    if (node == NULL)
        return NULL;
    const struct http_values values = {.of = {[HTTP_USERNAME] = reader->config->username,
                                              [HTTP_PASSWORD] = reader->config->password,
                                              [HTTP_URL] = reader->template->url}};
    http_read_text(reader, node, HTTP_OF_PROVIDER, &text);
    if (node->bad)
        return NULL;
    if (http_text_write(&text, &values, HTTP_AS_IS, &out, &err) != RESULT_OK)
        node_problem(reader->problems, node, "%s", err.text);
    strbuf_add(&out, "", 0);
    char *made = strbuf_take(&out);
    reader->no_memory = reader->no_memory || made == NULL;
    return made;
}

static void read_algorithm(struct http_reader *reader, struct node *group, struct http_verify *out)
{
    char *name = static_text(reader, group, "algorithm");
    out->algorithm = http_algorithm(name != NULL ? name : "hmac-sha256");
    if (name != NULL && out->algorithm == NULL)
        node_key_problem(reader->problems, group, "algorithm", "must be %s", http_algorithm_names);
    /* A bare hash proves nothing, but for Vonage's, which has the key within. */
    else if (out->kind == HTTP_VERIFY_HMAC && out->algorithm != NULL && !out->algorithm->keyed)
        node_key_problem(reader->problems, group, "algorithm",
                         "must be one of hmac-…: %s has no key", out->algorithm->name);
    free(name);
}

void http_read_verification(struct http_reader *reader, struct node *group)
{
    static const char *const keys[] = {"type",   "key",      "algorithm", "header",
                                       "prefix", "encoding", NULL};
    static const char *const kinds[] = {[HTTP_VERIFY_NONE] = "none",
                                        [HTTP_VERIFY_TWILIO] = "twilio",
                                        [HTTP_VERIFY_VONAGE] = "vonage",
                                        [HTTP_VERIFY_JWT] = "jwt",
                                        [HTTP_VERIFY_HEADER] = "header",
                                        [HTTP_VERIFY_HMAC] = "hmac",
                                        NULL};
    static const char *const encodings[] = {"hex", "base64", NULL};
    struct http_verify *out = &reader->template->verify;
    http_check_keys(reader, group, keys);
    out->kind =
        (enum http_verification)http_child_word(reader, group, "type", kinds, HTTP_VERIFY_NONE);
    if (node_child(group, "type") == NULL)
        node_key_problem(reader->problems, group, "type", "is missing");
    out->key = static_text(reader, group, "key");
    out->prefix = http_child_text(reader, group, "prefix", "");
    out->base64 = http_child_word(reader, group, "encoding", encodings, 0) == 1;
    out->header = http_child_text(reader, group, "header", NULL);
    read_algorithm(reader, group, out);
    bool header = out->kind == HTTP_VERIFY_HEADER || out->kind == HTTP_VERIFY_HMAC;
    if (header && (out->header == NULL || *out->header == '\0'))
        node_key_problem(reader->problems, group, "header", "is missing: which one is looked at?");
    else if (!header && out->header != NULL)
        node_key_problem(reader->problems, group, "header", "is not used by this type");
    /* With an empty key everybody could sign. What is empty is refused when a call comes in, so
     * that a provider whose webhooks are not used needs no key: see verify.c. */
    if (out->kind != HTTP_VERIFY_NONE && node_child(group, "key") == NULL)
        node_key_problem(reader->problems, group, "key", "is missing");
}

/* ---- what is in a call ---- */

static bool read_look(struct http_reader *reader, struct node *group, const char *name,
                      struct http_condition *out)
{
    static const char *const keys[] = {"field", "is", "begins", NULL};
    struct node *node = http_child(reader, group, name, NODE_GROUP);
    if (node == NULL)
        return false;
    http_check_keys(reader, node, keys);
    http_read_condition(reader, node, false, out);
    return true;
}

static void read_states(struct http_reader *reader, struct node *group, struct http_hook_form *out)
{
    static const struct {
        const char *name;
        enum receipt_state state;
    } known[] = {
        {"enroute", RECEIPT_ENROUTE},
        {"delivered", RECEIPT_DELIVERED},
        {"expired", RECEIPT_EXPIRED},
        {"deleted", RECEIPT_DELETED},
        {"undeliverable", RECEIPT_UNDELIVERABLE},
        {"accepted", RECEIPT_ACCEPTED},
        {"unknown", RECEIPT_UNKNOWN},
        {"rejected", RECEIPT_REJECTED},
        {"ignored", 0},
    };
    static const char *const keys[] = {"enroute",       "delivered", "expired", "deleted",
                                       "undeliverable", "accepted",  "unknown", "rejected",
                                       "ignored",       NULL};
    struct http_state_words **end = &out->states;
    http_check_keys(reader, group, keys);
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        struct node *node = node_child(group, known[i].name);
        struct http_state_words *words = node != NULL ? http_alloc(reader, sizeof(*words)) : NULL;
        if (words == NULL)
            continue;
        words->state = known[i].state;
        words->ignored = known[i].state == 0;
        words->words = http_read_words(reader, node, &words->n_words);
        *end = words;
        end = &words->next;
    }
}

static void read_reply(struct http_reader *reader, struct node *group, struct http_hook_form *out)
{
    static const char *const keys[] = {"status", "type", "body", NULL};
    struct node *reply = http_child(reader, group, "reply", NODE_GROUP);
    out->status = 200;
    out->content_type = "text/plain";
    out->body = "";
    if (reply == NULL)
        return;
    struct node *status = http_child(reader, reply, "status", NODE_NUMBER);
    http_check_keys(reader, reply, keys);
    if (status != NULL && (status->number < 200 || status->number > 299))
        node_problem(reader->problems, status, "must be of 200 … 299: it says that all was taken");
    else if (status != NULL)
        out->status = (int)status->number;
    out->content_type = http_child_text(reader, reply, "type", out->content_type);
    out->body = http_child_text(reader, reply, "body", out->body);
}

static void need(struct http_reader *reader, struct node *group, const char *name)
{
    if (node_child(group, name) == NULL)
        node_key_problem(reader->problems, group, name, "is missing");
}

void http_read_hook(struct http_reader *reader, struct node *group, bool report,
                    struct http_hook_form *out)
{
    static const char *const inbound_keys[] = {"each", "only",    "from",  "to",    "text",
                                               "id",   "opt_out", "utf16", "reply", NULL};
    static const char *const report_keys[] = {"each",   "only",  "from",    "to",    "id", "state",
                                              "states", "error", "opt_out", "reply", NULL};
    http_check_keys(reader, group, report ? report_keys : inbound_keys);
    out->present = true;
    out->has_each = http_child_path(reader, group, "each", &out->each);
    out->has_only = read_look(reader, group, "only", &out->only);
    out->has_from = http_child_path(reader, group, "from", &out->from);
    out->has_to = http_child_path(reader, group, "to", &out->to);
    out->has_text = http_child_path(reader, group, "text", &out->text);
    out->has_id = http_child_path(reader, group, "id", &out->id);
    out->has_error = http_child_path(reader, group, "error", &out->error);
    out->has_opt_out = read_look(reader, group, "opt_out", &out->opt_out);
    out->has_utf16 = read_look(reader, group, "utf16", &out->utf16);
    out->text_name = http_child_text(reader, group, "text", "");
    read_reply(reader, group, out);
    if (!report || out->has_opt_out)
        need(reader, group, "from");
    if (!report) {
        need(reader, group, "text");
        return;
    }
    need(reader, group, "id");
    need(reader, group, "state");
    need(reader, group, "states");
    (void)http_child_path(reader, group, "state", &out->state);
    struct node *states = http_child(reader, group, "states", NODE_GROUP);
    if (states != NULL)
        read_states(reader, states, out);
}
