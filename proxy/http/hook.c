/* SPDX-License-Identifier: Apache-2.0 */
/* What providers call: the request goes to the adapter as it is, and its answer back. */
#include "proxy/http/internal.h"

#include <string.h>

static const char *header_of(const void *call, const char *name)
{
    return http_header(call, name);
}

static void on_hooked(void *lane, struct ticket ticket, int status, const char *content_type,
                      const char *body)
{
    struct http_request *request = ticket_redeem(((struct lane *)lane)->requests, ticket);
    if (request == NULL || request->stage != STAGE_HOOKED)
        return;
    struct http_answer *answer = &request->call.answer;
    /* Who comes with what the adapter takes is the provider. */
    if (status / 100 == 2 && request->connection != NULL)
        request->connection->identified = true;
    const char *type = content_type != NULL && content_type[0] ? content_type : "text/plain";
    type = arena_str(request->call.arena, type);
    http_answer(&request->call, status, type != NULL ? type : "");
    if (body != NULL)
        strbuf_add_str(&answer->body, body);
    if (status == 503)
        answer->retry_after = HTTP_STRAIGHT_AWAY;
    http_request_answer(request);
}

static struct provider *hook_provider(const struct http_request *request)
{
    const struct config *config = request->snapshot->config;
    for (size_t i = 0; i < config->n_providers; i++)
        if (config->providers[i].adapter == ADAPTER_HTTP &&
            strcmp(config->providers[i].name, request->call.tails[0]) == 0)
            return snapshot_provider(request->snapshot, &config->providers[i]);
    return NULL;
}

/* As the provider called it, from the gate's own address: a balancer may have changed the Host. */
static const char *hook_url(struct http_call *call)
{
    struct strbuf url = {0};
    const char *host = http_header(call, "Host");
    size_t length = strlen(call->config->public_url);
    while (length > 0 && call->config->public_url[length - 1] == '/')
        length--;
    if (length > 0)
        strbuf_add(&url, call->config->public_url, length);
    else
        strbuf_add_format(&url, "%s://%s", call->secured ? "https" : "http",
                          host != NULL ? host : call->config->hostname);
    strbuf_add_str(&url, call->path);
    if (call->query[0] != '\0')
        strbuf_add_format(&url, "?%s", call->query);
    const char *out = url.failed ? NULL : arena_copy(call->arena, url.data, url.length);
    strbuf_free(&url);
    return out;
}

void http_request_hook(struct http_request *request)
{
    struct http_call *call = &request->call;
    struct provider *provider = hook_provider(request);
    struct sms_hook *what = arena_alloc(call->arena, sizeof(*what));
    const char *url = hook_url(call);
    if (provider == NULL) {
        /* As the adapter says of a provider there is: names are not to be guessed. */
        http_answer(call, 401, "text/plain");
        strbuf_add_str(&call->answer.body, SMS_HOOK_NOT_VERIFIED);
        http_request_answer(request);
        return;
    }
    if (what == NULL || url == NULL) {
        http_request_problem(request, 503, NULL, false);
        return;
    }
    *what = (struct sms_hook){
        .name = strrchr(call->path, '/') + 1,
        .method = call->method == HTTP_METHOD_POST ? "POST" : "GET",
        .url = url,
        .query = call->query,
        .body = call->body,
        .length = call->length,
        .content_type = http_header(call, "Content-Type"),
        .header = header_of,
        .request = call,
    };
    if (what->content_type == NULL)
        what->content_type = "";
    http_request_set_stage(request, STAGE_HOOKED);
    sms_hooked(provider, request->lane->loop, what, on_hooked, request->lane, request->ticket);
}
