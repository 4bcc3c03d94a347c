/* SPDX-License-Identifier: Apache-2.0 */
/* What a provider by HTTP is before its first message: its template read, its URL understood, its
 * helpers there. The same reading, without the rest, is what `check-config` asks for. */
#include "adapters/http/http.h"

#include "config/checks.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* Names are looked up rarely; a second helper for when the first one hangs. */
#define HELPERS       2
#define HELPERS_QUEUE 64

/* ---- the URL ---- */

struct parts {
    char *scheme; /* all of libcurl's, curl_free */
    char *host;
    char *port;
};

static void free_parts(struct parts *parts)
{
    curl_free(parts->scheme);
    curl_free(parts->host);
    curl_free(parts->port);
    *parts = (struct parts){0};
}

/* word: what every value of a message is. */
static enum result take_apart(const struct http_template *template,
                              const struct http_request *request,
                              const struct provider_config *config, const char *word,
                              struct parts *parts, struct error *err)
{
    struct http_facts *facts = malloc(sizeof(*facts));
    struct strbuf url = {0};
    CURLU *handle = curl_url();
    if (facts == NULL || handle == NULL) {
        free(facts);
        curl_url_cleanup(handle);
        return error_no_memory(err);
    }
    http_facts_begin(template, config, 0, facts);
    for (int name = HTTP_TO; name <= HTTP_VALIDITY_MINUTES; name++)
        facts->values.of[name] = word;
    facts->values.of[HTTP_TIMESTAMP] = word;
    enum result result = http_text_write(&request->url, &facts->values, HTTP_FOR_URL, &url, err);
    free(facts);
    if (result == RESULT_OK && url.failed)
        result = error_no_memory(err);
    /* The URL may hold a secret: it is not repeated. */
    if (result == RESULT_OK &&
        (curl_url_set(handle, CURLUPART_URL, url.data != NULL ? url.data : "", 0) != CURLUE_OK ||
         curl_url_get(handle, CURLUPART_SCHEME, &parts->scheme, 0) != CURLUE_OK ||
         curl_url_get(handle, CURLUPART_HOST, &parts->host, 0) != CURLUE_OK ||
         curl_url_get(handle, CURLUPART_PORT, &parts->port, CURLU_DEFAULT_PORT) != CURLUE_OK))
        result = error_set(err, RESULT_BAD_INPUT, "request.url makes no URL");
    strbuf_free(&url);
    curl_url_cleanup(handle);
    return result;
}

static bool same_place(const struct parts *a, const struct parts *b)
{
    return strcmp(a->scheme, b->scheme) == 0 && strcmp(a->host, b->host) == 0 &&
           strcmp(a->port, b->port) == 0;
}

static bool is_address(char *host)
{
    uint8_t bytes[16];
    size_t length = strlen(host);
    if (host[0] == '[' && host[length - 1] == ']') {
        memmove(host, host + 1, length - 2);
        host[length - 2] = '\0';
    }
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

static enum result check_place(const struct provider_config *config, const struct parts *parts,
                               struct http_own *own, struct error *err)
{
    own->https = strcmp(parts->scheme, "https") == 0;
    if (!own->https && strcmp(parts->scheme, "http") != 0)
        return error_set(err, RESULT_BAD_INPUT, "the URL must begin with https:// or http://");
    for (const char *at = parts->host; *at != '\0'; at++)
        if ((unsigned char)*at > 0x7e || (unsigned char)*at <= 0x20)
            return error_set(err, RESULT_BAD_INPUT, "the host in the URL must be written in ASCII");
    own->host = strdup(parts->host);
    own->port = strdup(parts->port);
    if (own->host == NULL || own->port == NULL)
        return error_no_memory(err);
    own->numeric = is_address(own->host);
    /* Whatever the configuration saw: this is where the messages go. */
    if (!own->https && !host_is_loopback(own->host))
        return error_set(err, RESULT_BAD_INPUT,
                         "request.url is http://: messages and password would cross the network in "
                         "clear");
    if (own->https && config->tls == TLS_NONE)
        return error_set(err, RESULT_BAD_INPUT,
                         "request.url is https://, and the provider's url is http://");
    return RESULT_OK;
}

/* One place for all messages, and for the test: whom nobody but the administrator chooses. */
static enum result find_place(const struct provider_config *config, struct http_own *own,
                              struct error *err)
{
    const struct http_template *template = &own->template;
    struct parts one = {0}, other = {0}, test = {0};
    enum result result = take_apart(template, &template->request, config, "1", &one, err);
    if (result == RESULT_OK)
        result = take_apart(template, &template->request, config, "", &other, err);
    if (result == RESULT_OK && !same_place(&one, &other))
        result = error_set(err, RESULT_BAD_INPUT,
                           "request.url: the message must not decide which host it goes to");
    if (result == RESULT_OK && template->has_test)
        result = take_apart(template, &template->test, config, "1", &test, err);
    if (result == RESULT_OK && template->has_test && !same_place(&one, &test))
        result = error_set(err, RESULT_BAD_INPUT,
                           "test.url must be on the host of request.url: it is tested");
    if (result == RESULT_OK)
        result = check_place(config, &one, own, err);
    free_parts(&one);
    free_parts(&other);
    free_parts(&test);
    return result;
}

/* ---- reading ---- */

struct collector {
    config_problem_fn *on_problem; /* NULL: the first goes to err */
    void *arg;
    struct error *err;
    unsigned count;
};

static void collect(void *arg, const char *file, int line, const char *message)
{
    struct collector *collector = arg;
    if (collector->on_problem != NULL)
        collector->on_problem(collector->arg, file, line, message);
    else if (collector->count == 0)
        error_set(collector->err, RESULT_BAD_INPUT, "%s:%d: %s", file, line, message);
    collector->count++;
}

static enum result read_all(const struct provider_config *config, const char *public_url,
                            struct http_own *own, config_problem_fn *on_problem, void *arg,
                            struct error *err)
{
    struct problems problems = {0};
    struct collector collector = {.on_problem = on_problem, .arg = arg, .err = err};
    enum result result =
        config->template_file == NULL
            ? error_set(err, RESULT_BAD_INPUT, "provider %s has no template", config->name)
            : http_template_read(config, public_url, &own->template, &problems, err);
    if (result == RESULT_OK) {
        result = find_place(config, own, err);
        struct node *root = own->template.tree.root;
        if (result == RESULT_BAD_INPUT)
            problem_add(&problems, root->source, root->line, "provider %s: %s", config->name,
                        err->text);
    }
    problems_report(&problems, collect, &collector);
    if (collector.count > 0 && on_problem != NULL)
        error_set(err, RESULT_BAD_INPUT, "provider %s: %s has mistakes", config->name,
                  config->template_file);
    else if (collector.count > 1)
        error_suffix(err, " (and %u more)", collector.count - 1);
    problems_free(&problems);
    return result;
}

static void free_own(struct http_own *own)
{
    http_template_free(&own->template);
    free(own->host);
    free(own->port);
    free(own);
}

enum result http_check(const struct provider_config *config, const char *public_url,
                       config_problem_fn *on_problem, void *arg, struct error *err)
{
    struct http_own *own = calloc(1, sizeof(*own));
    if (own == NULL)
        return error_no_memory(err);
    enum result result = http_client_prepare(err);
    if (result == RESULT_OK)
        result = read_all(config, public_url, own, on_problem, arg, err);
    free_own(own);
    return result;
}

enum result http_start(struct provider *provider, struct error *err)
{
    struct http_own *own = calloc(1, sizeof(*own));
    const char *public_url = provider->owner != NULL ? provider->owner->public_url : NULL;
    if (own == NULL)
        return error_no_memory(err);
    provider->own = own;
    own->places_free = provider->config->connections;
    enum result result = http_client_prepare(err);
    if (result == RESULT_OK)
        result =
            read_all(provider->config, public_url != NULL ? public_url : "", own, NULL, NULL, err);
    if (result == RESULT_OK && !own->numeric)
        result = workers_new(HELPERS, HELPERS_QUEUE, &provider->helpers, err);
    return result;
}

void http_stop(struct provider *provider)
{
    if (provider->own != NULL)
        free_own(provider->own);
    provider->own = NULL;
}
