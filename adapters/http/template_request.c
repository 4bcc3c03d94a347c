/* SPDX-License-Identifier: Apache-2.0 */
/* What a template says of requests: where, which headers, which body, and how it is signed. */
#include "adapters/http/template.h"

#include <string.h>

/* ---- headers ---- */

/* RFC 9110, 5.6.2 */
static bool is_token(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (strchr("!#$%&'*+-.^_`|~", text[i]) == NULL &&
            !((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'z') ||
              (text[i] >= 'A' && text[i] <= 'Z')))
            return false;
    return length > 0;
}

/* Those that the transfer decides: two opinions on where a request ends are a hole. */
static bool is_ours(const char *name)
{
    static const char *const ours[] = {"Host",       "Content-Length", "Transfer-Encoding",
                                       "Connection", "Expect",         "Upgrade",
                                       "TE",         "Trailer"};
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (ascii_equal(ours[i], name))
            return true;
    return false;
}

static bool has_control(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    return false;
}

static struct http_header *read_header(struct http_reader *reader, struct node *node,
                                       unsigned allowed)
{
    if (node->type != NODE_TEXT) {
        node_problem(reader->problems, node, "must be a text: \"Name: value\"");
        return NULL;
    }
    size_t length = strcspn(node->text, ":");
    if (node->text[length] == '\0' || !is_token(node->text, length) || has_control(node->text)) {
        node_problem(reader->problems, node, "must be \"Name: value\" in one line");
        return NULL;
    }
    struct http_header *header = http_alloc(reader, sizeof(*header));
    char *name =
        header != NULL ? arena_copy(reader->template->tree.arena, node->text, length) : NULL;
    if (name == NULL) {
        reader->no_memory = true;
        return NULL;
    }
    header->name = name;
    if (is_ours(name))
        node_problem(reader->problems, node, "%s is not a template's to say", name);
    const char *value = node->text + length + 1;
    struct node of_value = *node; /* for the finding: the value alone */
    of_value.text = (char *)value + strspn(value, " ");
    http_read_text(reader, &of_value, allowed, &header->value);
    node->bad = node->bad || of_value.bad;
    return header;
}

void http_read_headers(struct http_reader *reader, struct node *group, unsigned allowed,
                       struct http_header **out)
{
    struct node *list = http_child(reader, group, "headers", NODE_LIST);
    for (struct node *child = list != NULL ? list->first : NULL; child != NULL;
         child = child->next) {
        *out = read_header(reader, child, allowed);
        if (*out != NULL)
            out = &(*out)->next;
    }
}

/* ---- fields ---- */

/* "{…|literal}" and nothing beside it. */
static bool is_literal(const struct http_text *text)
{
    return text->first != NULL && text->first->next == NULL && text->first->filtered &&
           text->first->filter == HTTP_LITERAL;
}

static bool has_literal(const struct http_text *text)
{
    for (const struct http_piece *piece = text->first; piece != NULL; piece = piece->next)
        if (piece->filtered && piece->filter == HTTP_LITERAL)
            return true;
    return false;
}

static void read_fields(struct http_reader *reader, struct node *group, unsigned allowed, bool flat,
                        struct http_field **out);

static void fill_field(struct http_reader *reader, struct node *node, unsigned allowed, bool flat,
                       struct http_field *field)
{
    switch (node->type) {
    case NODE_TEXT:
        http_read_text(reader, node, allowed, &field->text);
        field->kind = is_literal(&field->text) && !flat ? HTTP_FIELD_LITERAL : HTTP_FIELD_TEXT;
        if (field->kind == HTTP_FIELD_TEXT && has_literal(&field->text) && !flat)
            node_problem(reader->problems, node, "{…|literal} must stand alone");
        return;
    case NODE_NUMBER:
        field->kind = HTTP_FIELD_NUMBER;
        field->number = node->number;
        return;
    case NODE_BOOLEAN:
        field->kind = HTTP_FIELD_BOOLEAN;
        field->number = node->number;
        return;
    case NODE_FRACTION:
        node_problem(reader->problems, node, "must not be a fraction");
        return;
    case NODE_GROUP:
    case NODE_LIST:
        field->kind = node->type == NODE_GROUP ? HTTP_FIELD_GROUP : HTTP_FIELD_LIST;
        if (flat)
            node_problem(reader->problems, node, "must be a text, a number, true or false");
        else
            read_fields(reader, node, allowed, false, &field->first);
        return;
    }
}

static void read_fields(struct http_reader *reader, struct node *group, unsigned allowed, bool flat,
                        struct http_field **out)
{
    for (struct node *child = group->first; child != NULL; child = child->next) {
        struct http_field *field = http_alloc(reader, sizeof(*field));
        if (field == NULL)
            return;
        field->name = child->name;
        fill_field(reader, child, allowed, flat, field);
        *out = field;
        out = &field->next;
    }
}

/* ---- the request ---- */

static void read_raw_body(struct http_reader *reader, struct node *group, struct node *body,
                          unsigned allowed, struct http_request *out)
{
    static const char *const types[] = {"text", "json", "form", "xml", NULL};
    static const struct {
        enum http_escape escape;
        const char *content_type;
    } meanings[] = {{HTTP_AS_IS, "text/plain; charset=utf-8"},
                    {HTTP_FOR_JSON, "application/json"},
                    {HTTP_FOR_URL, "application/x-www-form-urlencoded"},
                    {HTTP_FOR_XML, "application/xml; charset=utf-8"}};
    int type = http_child_word(reader, group, "body_type", types, 0);
    out->body = HTTP_BODY_TEXT;
    out->escape = meanings[type].escape;
    out->content_type = meanings[type].content_type;
    http_read_text(reader, body, allowed, &out->text);
}

static void read_body(struct http_reader *reader, struct node *group, unsigned allowed,
                      struct http_request *out)
{
    struct node *form = http_child(reader, group, "form", NODE_GROUP);
    struct node *json = http_child(reader, group, "json", NODE_GROUP);
    struct node *body = http_child(reader, group, "body", NODE_TEXT);
    struct node *type = node_child(group, "body_type");
    struct node *any = form != NULL ? form : json != NULL ? json : body;
    if ((form != NULL) + (json != NULL) + (body != NULL) > 1)
        node_problem(reader->problems, any, "form, json and body exclude each other");
    if (type != NULL && body == NULL)
        node_problem(reader->problems, type, "stands without body");
    if (any != NULL && strcmp(out->method, "GET") == 0)
        node_problem(reader->problems, any, "is not sent with GET: use query");
    if (form != NULL) {
        out->body = HTTP_BODY_FORM;
        out->content_type = "application/x-www-form-urlencoded";
        read_fields(reader, form, allowed, true, &out->fields);
    } else if (json != NULL) {
        out->body = HTTP_BODY_JSON;
        out->content_type = "application/json";
        read_fields(reader, json, allowed, false, &out->fields);
    } else if (body != NULL) {
        read_raw_body(reader, group, body, allowed, out);
    }
}

void http_read_request(struct http_reader *reader, struct node *group, unsigned allowed,
                       struct http_request *out)
{
    static const char *const keys[] = {"method", "url",  "query",     "headers", "form",
                                       "json",   "body", "body_type", NULL};
    static const char *const test_keys[] = {"method", "url",  "query",     "headers", "form",
                                            "json",   "body", "body_type", "status",  NULL};
    static const char *const methods[] = {"POST", "GET", "PUT", "PATCH", NULL};
    bool test = (allowed & HTTP_OF_MESSAGE) == 0;
    http_check_keys(reader, group, test ? test_keys : keys);
    out->method = methods[http_child_word(reader, group, "method", methods, test ? 1 : 0)];
    struct node *url = http_child(reader, group, "url", NODE_TEXT);
    if (url != NULL)
        http_read_text(reader, url, allowed, &out->url);
    else if (node_child(group, "url") == NULL)
        node_key_problem(reader->problems, group, "url", "is missing");
    struct node *query = http_child(reader, group, "query", NODE_GROUP);
    if (query != NULL)
        read_fields(reader, query, allowed, true, &out->query);
    http_read_headers(reader, group, allowed | HTTP_OF_REQUEST | HTTP_OF_SIGNATURE, &out->headers);
    read_body(reader, group, allowed, out);
}

void http_read_signature(struct http_reader *reader, struct node *group)
{
    static const char *const keys[] = {"algorithm", "text", "key", "prefix", "encoding", NULL};
    static const char *const encodings[] = {"hex", "base64", NULL};
    struct http_signature *out = &reader->template->signature;
    http_check_keys(reader, group, keys);
    struct node *algorithm = http_child(reader, group, "algorithm", NODE_TEXT);
    struct node *text = http_child(reader, group, "text", NODE_TEXT);
    struct node *key = http_child(reader, group, "key", NODE_TEXT);
    if (algorithm != NULL)
        out->algorithm = http_algorithm(algorithm->text);
    if (algorithm != NULL && out->algorithm == NULL)
        node_problem(reader->problems, algorithm, "must be %s", http_algorithm_names);
    else if (algorithm == NULL && node_child(group, "algorithm") == NULL)
        node_key_problem(reader->problems, group, "algorithm", "is missing");
    /* The message may be in it by way of {body} and {request_url}: the test signs, too. */
    if (text != NULL)
        http_read_text(reader, text, HTTP_OF_PROVIDER | HTTP_OF_TIME | HTTP_OF_REQUEST, &out->text);
    else if (node_child(group, "text") == NULL)
        node_key_problem(reader->problems, group, "text", "is missing");
    if (key != NULL)
        http_read_text(reader, key, HTTP_OF_PROVIDER, &out->key);
    if (out->algorithm != NULL && out->algorithm->keyed && node_child(group, "key") == NULL)
        node_key_problem(reader->problems, group, "key", "is missing: %s is keyed",
                         out->algorithm->name);
    if (out->algorithm != NULL && !out->algorithm->keyed && key != NULL)
        node_problem(reader->problems, key, "is not used by %s", out->algorithm->name);
    out->prefix = http_child_text(reader, group, "prefix", "");
    out->base64 = http_child_word(reader, group, "encoding", encodings, 0) == 1;
}
