/* SPDX-License-Identifier: Apache-2.0 */
/* A template and a message made into a request, and its answer into one for the gate. Pure but for
 * the time, which is given. */
#ifndef OCTROI_ADAPTERS_HTTP_REQUEST_H
#define OCTROI_ADAPTERS_HTTP_REQUEST_H

#include "adapters/http/template.h"

#include <curl/curl.h>

#define HTTP_ANSWER_CAP ((size_t)64 * 1024) /* bytes of an answer; what is longer is not read */
#define HTTP_TEXT_CAP   ((size_t)8192)      /* a raw message's text as UTF-8, with its NUL */
#define HTTP_SAID_MAX   256

/* What the placeholders stand for. The values point into it, the message and the configuration. */
struct http_facts {
    struct http_values values;
    char parts[16];
    char validity[24];
    char minutes[24];
    char timestamp[24];
    char text[HTTP_TEXT_CAP]; /* decoded, of a raw message */
};
/* The provider's part. now: clock_now. */
void http_facts_begin(const struct http_template *template, const struct provider_config *config,
                      int64_t now, struct http_facts *facts);
/* The message's, borrowed. False: it cannot be carried, and answer says so. */
bool http_facts_add(const struct provider_config *config, const struct sms_message *message,
                    struct http_facts *facts, struct sms_answer *answer);

struct http_built {
    const char *method; /* borrowed */
    struct strbuf url;
    struct strbuf body;
    struct curl_slist *headers;
};
/* To be freed in every case. RESULT_BAD_INPUT: a value of the message cannot stand where the
 * template wants it. Sets what facts says of the request. */
enum result http_build(const struct http_template *template, const struct http_request *request,
                       struct http_facts *facts, struct http_built *out, struct error *err);
void http_built_free(struct http_built *built);

/* What was answered, in the words of the gate; texts lie in it. */
struct http_verdict {
    struct sms_answer answer;
    char id[SMPP_ID_MAX];
    char text[HTTP_SAID_MAX];
};
/* complete: body is the whole answer; else only its status counts. facts: as the request was built
 * with. */
void http_judge(const struct http_template *template, const struct provider_config *config,
                const struct http_facts *facts, long status, bool complete, const char *body,
                size_t length, struct http_verdict *out);

#endif
