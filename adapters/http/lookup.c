/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The provider's addresses, looked up by its helper threads and given to libcurl with each request.
 * libcurl's own look-up runs in a thread too, but a transfer that is given up would wait for it,
 * and with it the whole loop.
 */
#include "adapters/http/http.h"

#include "base/clock.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

/* What a provider's DNS says holds about so long; there is no telling from getaddrinfo. */
#define ADDRESSES_HOLD (60 * CLOCK_SECOND)

/* Touches nothing but itself: it may outlive the port, and the provider, too. */
struct http_lookup {
    struct worker_job job;
    struct http_port *port; /* the loop's; NULL when it is gone */
    int failed;             /* EAI_… */
    struct strbuf list;     /* "host:port:address,address" */
    const char *service;    /* in the same memory */
    char host[];
};

static void add_address(struct strbuf *list, const struct addrinfo *address)
{
    char text[NI_MAXHOST];
    if (getnameinfo(address->ai_addr, address->ai_addrlen, text, sizeof(text), NULL, 0,
                    NI_NUMERICHOST) != 0)
        return;
    bool six = strchr(text, ':') != NULL;
    strbuf_add_format(list, six ? "[%s]," : "%s,", text);
}

static void lookup_work(struct worker_job *job)
{
    struct http_lookup *lookup = CONTAINER_OF(job, struct http_lookup, job);
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG};
    struct addrinfo *found = NULL;
    lookup->failed = getaddrinfo(lookup->host, lookup->service, &hints, &found);
    if (lookup->failed != 0)
        return;
    strbuf_add_format(&lookup->list, "%s:%s:", lookup->host, lookup->service);
    size_t before = lookup->list.length;
    for (const struct addrinfo *each = found; each != NULL; each = each->ai_next)
        add_address(&lookup->list, each);
    freeaddrinfo(found);
    if (lookup->list.failed)
        return;
    if (lookup->list.length == before) /* libcurl would look it up itself */
        lookup->failed = EAI_NODATA;
    else
        lookup->list.data[--lookup->list.length] = '\0'; /* the last comma */
}

static void lookup_discard(struct worker_job *job)
{
    struct http_lookup *lookup = CONTAINER_OF(job, struct http_lookup, job);
    strbuf_free(&lookup->list);
    free(lookup);
}

static void lookup_done(struct loop_task *task)
{
    struct http_lookup *lookup = CONTAINER_OF(task, struct http_lookup, job.task);
    struct http_port *port = lookup->port;
    if (port == NULL) {
        lookup_discard(&lookup->job);
        return;
    }
    struct error why;
    enum result result = RESULT_OK;
    port->lookup = NULL;
    if (lookup->failed != 0) {
        result = error_set(&why, RESULT_UNAVAILABLE, "provider %s: its host cannot be resolved: %s",
                           http_config(port)->name, gai_strerror(lookup->failed));
    } else {
        struct curl_slist *list =
            lookup->list.failed ? NULL : curl_slist_append(NULL, lookup->list.data);
        if (list == NULL) {
            result = error_no_memory(&why);
        } else {
            curl_slist_free_all(port->addresses);
            port->addresses = list;
            port->looked_up_at = clock_monotonic();
        }
    }
    lookup_discard(&lookup->job);
    http_looked_up(port, result == RESULT_OK ? NULL : &why);
}

enum http_known http_look_up(struct http_port *port, struct error *err)
{
    const struct http_own *own = http_own(port);
    if (own->numeric ||
        (port->addresses != NULL && clock_monotonic() < port->looked_up_at + ADDRESSES_HOLD))
        return HTTP_KNOWN;
    if (port->lookup != NULL)
        return HTTP_LOOKING;
    size_t host_size = strlen(own->host) + 1, service_size = strlen(own->port) + 1;
    struct http_lookup *lookup = calloc(1, sizeof(*lookup) + host_size + service_size);
    if (lookup == NULL) {
        error_no_memory(err);
        return HTTP_LOST;
    }
    memcpy(lookup->host, own->host, host_size);
    lookup->service = memcpy(lookup->host + host_size, own->port, service_size);
    lookup->port = port;
    lookup->job.work = lookup_work;
    lookup->job.task.run = lookup_done;
    lookup->job.discard = lookup_discard;
    lookup->job.home = port->base.loop;
    if (!provider_submit(port->base.provider, &lookup->job)) {
        free(lookup);
        error_set(err, RESULT_UNAVAILABLE, "provider %s: too many name look-ups wait already",
                  http_config(port)->name);
        return HTTP_LOST;
    }
    port->lookup = lookup;
    return HTTP_LOOKING;
}

void http_lookup_doubt(struct http_port *port)
{
    port->looked_up_at = clock_monotonic() - ADDRESSES_HOLD;
}

void http_lookup_give_up(struct http_port *port)
{
    struct http_lookup *lookup = port->lookup;
    port->lookup = NULL;
    /* Either the answer is in this loop's mailbox, or the helper keeps it and frees it. */
    if (lookup != NULL && !workers_give_up(port->base.provider->helpers, &lookup->job))
        lookup->port = NULL;
}

void http_lookup_close(struct http_port *port)
{
    http_lookup_give_up(port);
    curl_slist_free_all(port->addresses);
    port->addresses = NULL;
}

void http_lookup_tell(const struct http_port *port, struct strbuf *out)
{
    const struct http_own *own = http_own(port);
    if (port->addresses == NULL || own->numeric) {
        strbuf_add_str(out, own->host);
        return;
    }
    const char *at = port->addresses->data + strlen(own->host) + strlen(own->port) + 2;
    for (; *at != '\0'; at++)
        if (*at == ',')
            strbuf_add_str(out, ", ");
        else
            strbuf_add_char(out, *at);
}
