/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The test of a provider (`octroi provider test`): its name looked up, a connection of its own,
 * TLS, and the template's `test` request where it has one. Never a message; nothing is learned from
 * it. What is told never holds a secret: of the request its method and status, of the answer what
 * the template points at.
 */
#include "adapters/http/http.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct http_trial {
    struct http_trial *next; /* waiting for the look-up */
    struct loop_task begin;
    struct http_port *port;    /* borrowed: kept by the provider */
    struct provider *provider; /* owned: one reference */
    provider_finding_fn *report;
    void *arg;
    int64_t since;          /* clock_monotonic: when the step began */
    struct event *deadline; /* owned; of the look-up */
    struct http_transfer transfer;
    struct http_facts facts;
};

static void find_took(const struct http_trial *trial, const char *step, bool ok, int64_t took,
                      const char *detail)
{
    const struct provider_finding finding = {
        .step = step, .ok = ok, .took = took > 0 ? took : 0, .detail = detail};
    trial->report(trial->arg, &finding);
}

static void find(struct http_trial *trial, const char *step, bool ok, const char *detail)
{
    find_took(trial, step, ok, clock_monotonic() - trial->since, detail);
    trial->since = clock_monotonic();
}

static void finish(struct http_trial *trial, bool works)
{
    const struct provider_finding end = {.ok = works, .detail = ""};
    provider_finding_fn *report = trial->report;
    struct provider *provider = trial->provider;
    void *arg = trial->arg;
    http_client_release(&trial->transfer);
    if (trial->deadline != NULL)
        event_free(trial->deadline);
    free(trial);
    provider_unref(&provider);
    report(arg, &end);
}

/* ---- the exchange ---- */

static void tell_certificate(CURL *easy, const struct provider_config *config, struct strbuf *out)
{
    static const struct {
        const char *field;
        const char *words;
    } wanted[] = {{"Subject:", "certificate of "},
                  {"Issuer:", ", issued by "},
                  {"Expire date:", ", expires "}};
    struct curl_certinfo *chain = NULL;
    (void)curl_easy_getinfo(easy, CURLINFO_CERTINFO, &chain);
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        for (const struct curl_slist *line =
                 chain != NULL && chain->num_of_certs > 0 ? chain->certinfo[0] : NULL;
             line != NULL; line = line->next)
            if (strncmp(line->data, wanted[i].field, strlen(wanted[i].field)) == 0)
                strbuf_add_format(out, "%s%s", wanted[i].words,
                                  line->data + strlen(wanted[i].field));
    strbuf_add_str(out, config->tls_verify ? "; verified"
                                           : "; NOT verified, and tls_verify does not ask for it");
}

static bool status_is_good(const struct http_template *template, long status)
{
    for (size_t i = 0; i < template->n_test_statuses; i++)
        if (template->test_statuses[i] == status)
            return true;
    return template->n_test_statuses == 0 && status >= 200 && status < 300;
}

static bool tell_request(struct http_trial *trial, const struct http_end *how, int64_t took)
{
    const struct http_template *template = &http_own(trial->port)->template;
    const struct strbuf *body = &trial->transfer.body;
    struct http_verdict verdict;
    char detail[sizeof(verdict.text) + 64];
    if (how->status == 0) {
        find_took(trial, "request", false, took, how->why);
        return false;
    }
    bool good = status_is_good(template, how->status);
    http_judge(template, http_config(trial->port), &trial->facts, how->status, how->complete,
               body->data != NULL ? body->data : "", body->length, &verdict);
    snprintf(detail, sizeof(detail), "%s answered %s%s", template->test.method, verdict.text,
             how->status == 401 || how->status == 403 ? " (credentials, or their rights)" : "");
    find_took(trial, "request", good, took, detail);
    return good;
}

static bool tell_exchange(struct http_trial *trial, const struct http_end *how)
{
    const struct http_own *own = http_own(trial->port);
    CURL *easy = trial->transfer.easy;
    curl_off_t connected = 0, secured = 0, total = 0;
    char *address = NULL;
    long port = 0;
    char where[128];
    (void)curl_easy_getinfo(easy, CURLINFO_CONNECT_TIME_T, &connected);
    (void)curl_easy_getinfo(easy, CURLINFO_APPCONNECT_TIME_T, &secured);
    (void)curl_easy_getinfo(easy, CURLINFO_TOTAL_TIME_T, &total);
    (void)curl_easy_getinfo(easy, CURLINFO_PRIMARY_IP, &address);
    (void)curl_easy_getinfo(easy, CURLINFO_PRIMARY_PORT, &port);
    if (connected == 0 && !how->insecure) {
        find_took(trial, "connect", false, total, how->why);
        return false;
    }
    snprintf(where, sizeof(where), "%s port %ld", address != NULL ? address : "?", port);
    find_took(trial, "connect", true, connected, where);
    if (how->insecure || (own->https && secured == 0)) {
        find_took(trial, "tls", false, total - connected, how->why);
        return false;
    }
    if (own->https) {
        struct strbuf detail = {0};
        tell_certificate(easy, http_config(trial->port), &detail);
        find_took(trial, "tls", true, secured - connected,
                  detail.data != NULL && !detail.failed ? detail.data : "");
        strbuf_free(&detail);
    }
    if (trial->transfer.connect_only)
        return how->ok;
    return tell_request(trial, how, total - (own->https ? secured : connected));
}

static void on_done(struct http_transfer *transfer, const struct http_end *how)
{
    struct http_trial *trial = CONTAINER_OF(transfer, struct http_trial, transfer);
    http_set_state(transfer, HTTP_ENDED);
    finish(trial, tell_exchange(trial, how));
}

/* Where there is nothing to ask, a connection is all that can be tried. */
static enum result build_bare(const struct http_own *own, struct http_built *out)
{
    bool six = strchr(own->host, ':') != NULL;
    out->method = "GET";
    strbuf_add_format(&out->url, six ? "%s://[%s]:%s/" : "%s://%s:%s/",
                      own->https ? "https" : "http", own->host, own->port);
    return out->url.failed ? RESULT_NO_MEMORY : RESULT_OK;
}

static void exchange(struct http_trial *trial)
{
    const struct http_own *own = http_own(trial->port);
    struct http_transfer *transfer = &trial->transfer;
    struct error err;
    transfer->port = trial->port;
    transfer->done = on_done;
    transfer->trial = true;
    transfer->connect_only = !own->template.has_test;
    http_facts_begin(&own->template, http_config(trial->port), clock_now(), &trial->facts);
    enum result result = own->template.has_test ? http_build(&own->template, &own->template.test,
                                                             &trial->facts, &transfer->built, &err)
                                                : build_bare(own, &transfer->built);
    if (result == RESULT_NO_MEMORY)
        error_no_memory(&err);
    if (result == RESULT_OK)
        result = http_client_begin(transfer, &err);
    if (result != RESULT_OK) {
        find(trial, "connect", false, err.text);
        finish(trial, false);
        return;
    }
    http_set_state(transfer, HTTP_RUNNING);
}

/* ---- the look-up ---- */

static void resolved(struct http_trial *trial)
{
    struct strbuf detail = {0};
    http_lookup_tell(trial->port, &detail);
    find(trial, "resolve", true, detail.failed ? "" : detail.data);
    strbuf_free(&detail);
    exchange(trial);
}

static void unresolved(struct http_trial *trial, const char *why)
{
    find(trial, "resolve", false, why);
    finish(trial, false);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct http_trial *trial = arg;
    struct http_trial **at = &trial->port->trials;
    (void)fd;
    (void)what;
    while (*at != trial)
        at = &(*at)->next;
    *at = trial->next;
    unresolved(trial, "its host is not resolved in time");
}

void http_trial_looked_up(struct http_port *port, const struct error *why)
{
    struct http_trial *trials = port->trials;
    port->trials = NULL;
    while (trials != NULL) {
        struct http_trial *trial = trials;
        trials = trial->next;
        event_free(trial->deadline);
        trial->deadline = NULL;
        if (why != NULL)
            unresolved(trial, why->text);
        else
            resolved(trial);
    }
}

static void wait_for_addresses(struct http_trial *trial)
{
    struct http_port *port = trial->port;
    int64_t patience = http_config(port)->connect_timeout;
    const struct timeval after = {.tv_sec = (time_t)(patience / CLOCK_SECOND),
                                  .tv_usec = (suseconds_t)(patience % CLOCK_SECOND)};
    trial->deadline = event_new(loop_base(port->base.loop), -1, 0, on_deadline, trial);
    if (trial->deadline == NULL || event_add(trial->deadline, &after) != 0) {
        unresolved(trial, "out of memory");
        return;
    }
    trial->next = port->trials;
    port->trials = trial;
}

static void run_begin(struct loop_task *task)
{
    struct http_trial *trial = CONTAINER_OF(task, struct http_trial, begin);
    struct error why;
    trial->since = clock_monotonic();
    find(trial, "template", true, http_config(trial->port)->template_file);
    if (trial->port->abandoned) {
        unresolved(trial, "the gateway ended");
        return;
    }
    switch (http_look_up(trial->port, &why)) {
    case HTTP_KNOWN:
        resolved(trial);
        break;
    case HTTP_LOOKING:
        wait_for_addresses(trial);
        break;
    case HTTP_LOST:
        unresolved(trial, why.text);
        break;
    }
}

void http_trial_begin(struct provider_port *port, provider_finding_fn *report, void *arg)
{
    struct http_trial *trial = calloc(1, sizeof(*trial));
    if (trial == NULL) {
        const struct provider_finding end = {.detail = "out of memory"};
        report(arg, &end);
        return;
    }
    trial->port = (struct http_port *)port;
    trial->provider = provider_ref(port->provider);
    trial->report = report;
    trial->arg = arg;
    trial->begin.run = run_begin;
    loop_defer(port->loop, &trial->begin);
}
