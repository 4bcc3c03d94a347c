/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test_adapters_http_stage.h"

#include "base/file.h"
#include "base/log.h"
#include "base/tls.h"
#include "tests/unit/test_adapters_fake.h"

#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The configuration here is made by hand and outlives all. */
__attribute__((weak)) struct config *config_ref(struct config *config)
{
    return config;
}
__attribute__((weak)) void config_unref(struct config **config)
{
    *config = NULL;
}

/* ---- the server ---- */

static void note_request(struct http_stage *stage, struct evhttp_request *request)
{
    static const char *const methods[] = {
        [EVHTTP_REQ_GET] = "GET", [EVHTTP_REQ_POST] = "POST", [EVHTTP_REQ_PUT] = "PUT"};
    struct asked *asked = &stage->asked[stage->n_asked++];
    struct evbuffer *body = evhttp_request_get_input_buffer(request);
    const struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
    struct strbuf lines = {0};
    char *peer;
    ev_uint16_t port;
    ck_assert_uint_le(stage->n_asked, ASKED_MAX);
    snprintf(asked->line, sizeof(asked->line), "%s %s",
             methods[evhttp_request_get_command(request)], evhttp_request_get_uri(request));
    for (const struct evkeyval *each = headers->tqh_first; each != NULL;
         each = each->next.tqe_next) {
        if (ascii_equal(each->key, "Host"))
            str_copy(asked->host, sizeof(asked->host), each->value);
        else if (!ascii_equal(each->key, "Content-Length") &&
                 !(ascii_equal(each->key, "Accept") && strcmp(each->value, "*/*") == 0))
            strbuf_add_format(&lines, "%s: %s\n", each->key, each->value);
    }
    str_copy(asked->headers, sizeof(asked->headers), lines.data != NULL ? lines.data : "");
    strbuf_free(&lines);
    size_t length = evbuffer_get_length(body);
    ck_assert_uint_lt(length, sizeof(asked->body));
    evbuffer_copyout(body, asked->body, length);
    asked->body[length] = '\0';
    evhttp_connection_get_peer(evhttp_request_get_connection(request), &peer, &port);
    snprintf(asked->peer, sizeof(asked->peer), "%u", port);
}

static void reply(struct evhttp_request *request, const struct scripted *scripted)
{
    struct evbuffer *body = evbuffer_new();
    char block[1024];
    ck_assert_ptr_nonnull(body);
    memset(block, 'x', sizeof(block));
    if (scripted->body != NULL)
        evbuffer_add(body, scripted->body, strlen(scripted->body));
    for (size_t left = scripted->filler; left > 0;) {
        size_t part = left < sizeof(block) ? left : sizeof(block);
        evbuffer_add(body, block, part);
        left -= part;
    }
    if (scripted->header != NULL)
        evhttp_add_header(evhttp_request_get_output_headers(request), scripted->header,
                          scripted->value);
    evhttp_send_reply(request, scripted->status, "As told", body);
    evbuffer_free(body);
}

static void on_request(struct evhttp_request *request, void *arg)
{
    struct http_stage *stage = arg;
    unsigned index = stage->n_asked < stage->n_script ? stage->n_asked : stage->n_script - 1;
    const struct scripted *scripted = &stage->script[index];
    note_request(stage, request);
    ck_assert_uint_gt(stage->n_script, 0);
    switch (scripted->deed) {
    case DEED_ANSWER:
        reply(request, scripted);
        break;
    case DEED_HOLD:
        stage->held[stage->held_now++] = request;
        if (stage->held_now > stage->held_most)
            stage->held_most = stage->held_now;
        break;
    case DEED_CLOSE:
        evhttp_connection_free(evhttp_request_get_connection(request));
        break;
    }
}

void stage_release(struct http_stage *stage, int status, const char *body)
{
    const struct scripted scripted = {.status = status, .body = body};
    unsigned count = stage->held_now;
    stage->held_now = 0;
    for (unsigned i = 0; i < count; i++)
        reply(stage->held[i], &scripted);
}

static SSL_CTX *server_context;

static struct bufferevent *accept_tls(struct event_base *base, void *arg)
{
    (void)arg;
    return bufferevent_openssl_socket_new(base, -1, SSL_new(server_context),
                                          BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
}

static void open_server(struct http_stage *stage)
{
    struct event_base *base = loop_base(stage->loops[0]);
    struct error err;
    stage->server = evhttp_new(base);
    ck_assert_ptr_nonnull(stage->server);
    if (stage->certificate != NULL) {
        ck_assert_int_eq(
            tls_server_context(stage->certificate, stage->key, false, &server_context, &err),
            RESULT_OK);
        evhttp_set_bevcb(stage->server, accept_tls, NULL);
    }
    evhttp_set_allowed_methods(stage->server, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_PUT);
    evhttp_set_gencb(stage->server, on_request, stage);
    struct evhttp_bound_socket *bound =
        evhttp_bind_socket_with_handle(stage->server, "127.0.0.1", 0);
    ck_assert_ptr_nonnull(bound);
    struct sockaddr_in address;
    socklen_t length = sizeof(address);
    ck_assert_int_eq(
        getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&address, &length), 0);
    stage->port = ntohs(address.sin_port);
}

/* ---- the stage ---- */

void stage_begin(struct http_stage *stage)
{
    signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_LEVEL_ERROR);
    *stage = (struct http_stage){.n_loops = 1};
    snprintf(stage->folder, sizeof(stage->folder), "/tmp/octroi-http-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(stage->folder));
    stage->config.hostname = "gate.example.org";
    stage->config.state_dir = stage->folder;
    stage->config.public_url = "https://gate.example.org/";
    stage->provider_config = (struct provider_config){
        .name = "fake",
        .adapter = ADAPTER_HTTP,
        .tls = TLS_REQUIRED,
        .tls_verify = true,
        .username = "user",
        .password = "secret-1",
        .settings = stage->settings,
        .connections = 4,
        .connect_timeout = 5 * CLOCK_SECOND,
        .reply_timeout = 5 * CLOCK_SECOND,
        .idle_timeout = 5 * CLOCK_SECOND,
    };
}

void stage_template(struct http_stage *stage, const char *text)
{
    struct error err;
    snprintf(stage->template_path, sizeof(stage->template_path), "%s/t.conf", stage->folder);
    unlink(stage->template_path);
    ck_assert_int_eq(file_create(stage->template_path, 0600, text, strlen(text), &err), RESULT_OK);
    stage->provider_config.template_file = stage->template_path;
}

void stage_shipped(struct http_stage *stage, const char *name)
{
    snprintf(stage->template_path, sizeof(stage->template_path), "%s/%s", TEMPLATES, name);
    stage->provider_config.template_file = stage->template_path;
}

void stage_setting(struct http_stage *stage, const char *name, const char *value)
{
    stage->settings[stage->provider_config.n_settings++] =
        (struct setting){.name = name, .value = value};
}

void stage_script(struct http_stage *stage, struct scripted scripted)
{
    stage->script[stage->n_script++] = scripted;
}

void stage_answer(struct http_stage *stage, int status, const char *body)
{
    stage_script(stage, (struct scripted){.status = status, .body = body});
}

void stage_begin_tls(struct http_stage *stage, char certificate[160], char key[160])
{
    stage_begin(stage);
    stage_template(stage, HTTP_PLAIN);
    stage_answer(stage, 200, "{\"code\":0,\"id\":\"t\"}");
    snprintf(certificate, 160, "%s/cert.pem", stage->folder);
    snprintf(key, 160, "%s/key.pem", stage->folder);
    fake_certificate("127.0.0.1", certificate, key);
    stage->certificate = certificate;
    stage->key = key;
}

struct late {
    struct loop_task task;
    struct http_stage *stage;
    sms_taken_fn *taken;
    void *owner;
    struct ticket ticket;
};

static void run_late(struct loop_task *task)
{
    struct late *late = CONTAINER_OF(task, struct late, task);
    late->taken(late->owner, late->ticket, late->stage->taken);
    free(late);
}

static void on_inbound(void *gate, struct provider *provider, struct loop *loop,
                       const struct sms_inbound *inbound, sms_taken_fn *taken, void *owner,
                       struct ticket ticket)
{
    struct http_stage *stage = gate;
    struct told unseen;
    struct told *told = stage->n_told < 8 ? &stage->told[stage->n_told] : &unseen;
    stage->n_told++;
    ck_assert_ptr_eq(provider, stage->provider);
    told->kind = inbound->kind;
    str_copy(told->from, sizeof(told->from), inbound->from);
    str_copy(told->to, sizeof(told->to), inbound->to);
    str_copy(told->text, sizeof(told->text), inbound->text);
    str_copy(told->id, sizeof(told->id), inbound->id);
    if (inbound->receipt != NULL) {
        told->state = inbound->receipt->state;
        str_copy(told->receipt_id, sizeof(told->receipt_id), inbound->receipt->id);
        str_copy(told->error, sizeof(told->error), inbound->receipt->error);
    }
    if (!stage->slow_sink) {
        taken(owner, ticket, stage->taken);
        return;
    }
    struct late *late = calloc(1, sizeof(*late));
    ck_assert_ptr_nonnull(late);
    *late = (struct late){
        .task.run = run_late, .stage = stage, .taken = taken, .owner = owner, .ticket = ticket};
    loop_defer(loop, &late->task);
}

void stage_serve(struct http_stage *stage)
{
    struct error err = {.text = ""};
    for (unsigned i = 0; i < stage->n_loops; i++)
        ck_assert_int_eq(loop_new(i, &stage->loops[i], &err), RESULT_OK);
    open_server(stage);
    if (stage->provider_config.url == NULL) {
        snprintf(stage->url, sizeof(stage->url), "http%s://127.0.0.1:%u",
                 stage->certificate != NULL ? "s" : "", stage->port);
        stage->provider_config.url = stage->url;
    }
    enum result result = provider_new(&stage->provider_config, &stage->config, stage->loops,
                                      stage->n_loops, &stage->provider, &err);
    ck_assert_msg(result == RESULT_OK, "%s", err.text);
    stage->sink = (struct sms_sink){.on_inbound = on_inbound, .gate = stage};
    provider_set_sink(stage->provider, &stage->sink);
}

void stage_turn(struct http_stage *stage)
{
    for (unsigned i = 0; i < stage->n_loops; i++)
        if (stage->loops[i] != NULL)
            loop_turn(stage->loops[i]);
    usleep(200);
}

void stage_end(struct http_stage *stage)
{
    char path[160];
    struct provider_state state;
    if (stage->provider != NULL) {
        provider_state(stage->provider, &state);
        ck_assert_uint_eq(state.busy, 0);
    }
    provider_unref(&stage->provider);
    for (int i = 0; i < 5; i++)
        stage_turn(stage);
    if (stage->server != NULL)
        evhttp_free(stage->server);
    SSL_CTX_free(server_context);
    server_context = NULL;
    for (unsigned i = 0; i < stage->n_loops; i++)
        loop_free(&stage->loops[i]);
    static const char *const names[] = {"t.conf", "cert.pem", "key.pem", "providers"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", stage->folder, names[i]);
        if (unlink(path) != 0)
            rmdir(path);
    }
    ck_assert_int_eq(rmdir(stage->folder), 0);
}

/* ---- messages ---- */

struct sms_message stage_message(void)
{
    return (struct sms_message){.reference = "ref-1",
                                .sender = "ACME",
                                .to = "+33612345678",
                                .text = "Hello & bye",
                                .prospecting = true};
}

static void on_answer(void *owner, struct ticket ticket, const struct sms_answer *answer)
{
    struct heard *heard = owner;
    ck_assert(!heard->inside);
    ck_assert_uint_eq(ticket.item, 7);
    heard->count++;
    heard->outcome = answer->outcome;
    heard->refusal = answer->refusal;
    heard->smpp_status = answer->smpp_status;
    heard->cannot_carry = answer->cannot_carry;
    heard->parts = answer->parts;
    ck_assert(str_copy(heard->id, sizeof(heard->id), answer->id));
    str_copy(heard->text, sizeof(heard->text), answer->text);
}

void stage_begin_send(struct http_stage *stage, unsigned loop, const struct sms_message *message,
                      struct heard *heard)
{
    *heard = (struct heard){.inside = true};
    sms_send(stage->provider, stage->loops[loop], message, on_answer, heard,
             (struct ticket){.item = 7});
    heard->inside = false;
}

void stage_send(struct http_stage *stage, const struct sms_message *message, struct heard *heard)
{
    stage_begin_send(stage, 0, message, heard);
    WAIT_UNTIL(stage, heard->count > 0);
    for (int i = 0; i < 3; i++)
        stage_turn(stage);
    ck_assert_uint_eq(heard->count, 1);
}

const char *heard_line(const struct heard *heard)
{
    static const char *const refusals[] = {"for_good", "later", "opted_out", "number"};
    static char line[256];
    switch (heard->outcome) {
    case OUTCOME_ACCEPTED:
        snprintf(line, sizeof(line), "accepted %s %u", heard->id[0] != '\0' ? heard->id : "-",
                 heard->parts);
        return line;
    case OUTCOME_REFUSED:
        snprintf(line, sizeof(line), "refused %s", refusals[heard->refusal]);
        return line;
    case OUTCOME_UNKNOWN:
        return "unknown";
    default:
        return "none";
    }
}

/* ---- calls ---- */

static const char *find_header(const void *request, const char *name)
{
    const struct http_stage *stage = request;
    for (size_t i = 0; i < 8 && stage->hook_headers[i][0] != NULL; i++)
        if (ascii_equal(stage->hook_headers[i][0], name))
            return stage->hook_headers[i][1];
    return NULL;
}

static void on_hooked(void *owner, struct ticket ticket, int status, const char *content_type,
                      const char *body)
{
    struct http_stage *stage = owner;
    ck_assert_uint_eq(ticket.item, 9);
    ck_assert_int_eq(stage->hooked, 0);
    stage->hooked = status;
    str_copy(stage->hooked_body, sizeof(stage->hooked_body), body);
    str_copy(stage->hooked_type, sizeof(stage->hooked_type), content_type);
}

void stage_header(struct http_stage *stage, const char *name, const char *value)
{
    size_t i = 0;
    while (stage->hook_headers[i][0] != NULL)
        i++;
    stage->hook_headers[i][0] = name;
    stage->hook_headers[i][1] = value;
}

void stage_call(struct http_stage *stage, const char *name, const char *type, const char *query,
                const char *body)
{
    char url[512];
    snprintf(url, sizeof(url), "https://gate.example.org/hooks/fake/%s", name);
    const struct sms_hook hook = {.name = name,
                                  .method = *body != '\0' ? "POST" : "GET",
                                  .url = stage->hook.url != NULL ? stage->hook.url : url,
                                  .query = query,
                                  .body = body,
                                  .length = strlen(body),
                                  .content_type = type,
                                  .header = find_header,
                                  .request = stage};
    stage->hooked = 0;
    stage->n_told = 0;
    memset(stage->told, 0, sizeof(stage->told));
    sms_hooked(stage->provider, stage->loops[0], &hook, on_hooked, stage,
               (struct ticket){.item = 9});
    WAIT_UNTIL(stage, stage->hooked != 0);
}
