/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A template: how one provider's HTTP interface is spoken, read from a file (octroi-template(5))
 * for one configured provider and then immutable. It owns the file's tree, in which all of it lies.
 */
#ifndef OCTROI_ADAPTERS_HTTP_TEMPLATE_H
#define OCTROI_ADAPTERS_HTTP_TEMPLATE_H

#include "adapters/http/digest.h"
#include "adapters/http/text.h"
#include "adapters/http/value.h"
#include "adapters/sms.h"
#include "config/tree.h"

/* ---- requests ---- */

enum http_field_kind {
    HTTP_FIELD_TEXT,
    HTTP_FIELD_LITERAL, /* a text that is written without quotes: {…|literal} alone */
    HTTP_FIELD_NUMBER,
    HTTP_FIELD_BOOLEAN,
    HTTP_FIELD_GROUP, /* a JSON object */
    HTTP_FIELD_LIST,  /* a JSON array */
};
/* One of a form, a query or a JSON body; in the order of the file. */
struct http_field {
    struct http_field *next;
    const char *name; /* NULL in a list */
    enum http_field_kind kind;
    struct http_text text;
    int64_t number;
    struct http_field *first; /* of a group or list */
};

struct http_header {
    struct http_header *next;
    const char *name;
    struct http_text value;
};

enum http_body {
    HTTP_BODY_NONE,
    HTTP_BODY_FORM,
    HTTP_BODY_JSON,
    HTTP_BODY_TEXT, /* `body`, as it is written there */
};

struct http_request {
    const char *method;
    struct http_text url;
    struct http_field *query;
    struct http_header *headers;
    enum http_body body;
    struct http_field *fields;
    struct http_text text;
    enum http_escape escape;  /* of text */
    const char *content_type; /* NULL: no body */
};

enum http_auth { HTTP_AUTH_NONE, HTTP_AUTH_BASIC, HTTP_AUTH_BEARER };

/* {signature} */
struct http_signature {
    const struct http_algorithm *algorithm; /* NULL: none */
    struct http_text text;
    struct http_text key;
    const char *prefix;
    bool base64;
};

/* ---- answers ---- */

enum http_meaning {
    HTTP_MEANS_FOR_GOOD,
    HTTP_MEANS_FOR_NOW,
    HTTP_MEANS_OPTED_OUT,
    HTTP_MEANS_NUMBER,
    HTTP_MEANS_NOT_TAKEN, /* surely not processed: another provider may be tried */
    HTTP_MEANS_UNKNOWN,
};
struct http_rule {
    struct http_rule *next;
    struct http_condition condition;
    enum http_meaning meaning;
};
/* One path of several. */
struct http_paths {
    struct http_paths *next;
    struct http_path path;
};
struct http_answer_form {
    enum http_format format;
    const char *separator;
    struct http_condition accepted;
    struct http_rule *rules; /* tried in this order when it is not accepted */
    bool has_id, has_parts;
    struct http_path id;
    struct http_text id_text; /* without has_id: "" or what we gave the message ourselves */
    struct http_path parts;
    struct http_paths *errors; /* what of the answer is worth telling */
};

/* ---- webhooks ---- */

enum http_verification {
    HTTP_VERIFY_NONE, /* by the token in the query alone */
    HTTP_VERIFY_TWILIO,
    HTTP_VERIFY_VONAGE,
    HTTP_VERIFY_JWT,
    HTTP_VERIFY_HEADER,
    HTTP_VERIFY_HMAC,
};
struct http_verify {
    enum http_verification kind;
    const struct http_algorithm *algorithm;
    const char *header;
    const char *prefix; /* of the header's value, before the signature */
    char *key;          /* owned, wiped; the key, or what the header must be */
    bool base64;
};

struct http_state_words {
    struct http_state_words *next;
    enum receipt_state state;
    bool ignored; /* state has no meaning */
    const char *const *words;
    size_t n_words;
};
struct http_hook_form {
    bool present;
    bool has_each;
    struct http_path each; /* the list whose elements are what came; else it is the whole */
    bool has_only;
    struct http_condition only; /* all else is taken and ignored */
    bool has_from, has_to, has_text, has_id, has_error, has_opt_out;
    struct http_path from, to, text, id, error;
    struct http_condition opt_out;
    bool has_utf16;
    struct http_condition
        utf16;              /* text comes as UTF-16BE, in bytes, in a field of a form or query */
    const char *text_name;  /* this one */
    struct http_path state; /* report */
    struct http_state_words *states;
    int status; /* what the provider is answered when all was taken */
    const char *content_type;
    const char *body;
};

/* ---- the whole ---- */

struct http_template {
    struct tree tree; /* owned */
    const char *url;  /* {url} */
    enum http_auth auth;
    struct http_header *headers; /* of every request */
    struct http_signature signature;
    struct http_request request;
    struct http_answer_form answer;
    bool has_test;
    struct http_request test;
    const int *test_statuses; /* n 0: any of 200 … 299 */
    size_t n_test_statuses;
    struct http_verify verify;
    const char *hook_token; /* borrowed from the configuration; NULL: none is asked for */
    struct http_hook_form inbound;
    struct http_hook_form report;
    unsigned named; /* a bit for each enum http_name that it uses */
    /* Of the provider, for every request. Owned. */
    char *report_url;
    char *inbound_url;
};

/* Reads config->template_file for config, all that depends on its values included. public_url: ""
 * when the gateway has none. Findings go to problems, whose sources are in template->tree; the
 * template is to be freed in every case. RESULT_BAD_INPUT when there were findings. */
enum result http_template_read(const struct provider_config *config, const char *public_url,
                               struct http_template *template, struct problems *problems,
                               struct error *err);
void http_template_free(struct http_template *template);

/* ---- for the files that read it ---- */

struct http_reader {
    struct http_template *template;
    const struct provider_config *config;
    struct problems *problems;
    struct http_text_reader texts;
    uint8_t *used; /* of the provider's settings: those the template names */
    bool no_memory;
};

/* A finding for each child of group that is none of keys (ends with NULL). */
void http_check_keys(struct http_reader *reader, struct node *group, const char *const *keys);
/* The child, NULL when it is absent or of another type (a finding). */
struct node *http_child(struct http_reader *reader, struct node *group, const char *name,
                        enum node_type type);
/* Its text; fallback when it is absent. */
const char *http_child_text(struct http_reader *reader, struct node *group, const char *name,
                            const char *fallback);
/* Which of words (ends with NULL) it is; fallback when it is absent. */
int http_child_word(struct http_reader *reader, struct node *group, const char *name,
                    const char *const *words, int fallback);
void http_read_text(struct http_reader *reader, struct node *node, unsigned allowed,
                    struct http_text *out);
/* False when it is absent. */
bool http_child_path(struct http_reader *reader, struct node *group, const char *name,
                     struct http_path *out);
/* A list of texts (numbers and truth values stand for theirs), or one alone. */
const char *const *http_read_words(struct http_reader *reader, struct node *node, size_t *n_out);
const int *http_child_statuses(struct http_reader *reader, struct node *group, const char *name,
                               size_t *n_out);
/* status, field, is, begins of group. format_text: without `field` the whole body is looked at. */
void http_read_condition(struct http_reader *reader, struct node *group, bool format_text,
                         struct http_condition *out);
void *http_alloc(struct http_reader *reader, size_t size);

/* template_request.c, template_answer.c, template_hook.c */
void http_read_headers(struct http_reader *reader, struct node *group, unsigned allowed,
                       struct http_header **out);
void http_read_request(struct http_reader *reader, struct node *group, unsigned allowed,
                       struct http_request *out);
void http_read_signature(struct http_reader *reader, struct node *group);
void http_read_answer(struct http_reader *reader, struct node *group);
void http_read_verification(struct http_reader *reader, struct node *group);
void http_read_hook(struct http_reader *reader, struct node *group, bool report,
                    struct http_hook_form *out);

#endif
