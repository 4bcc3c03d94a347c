/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose request it is. X-Forwarded-For is believed from the listener's trusted balancers only, and
 * read from its end: what a client wrote itself stands further left. Behind a chunked body that is
 * not so: evhttp puts the client's trailers behind the balancer's headers.
 */
#include "proxy/http/internal.h"

#include <event2/keyvalq_struct.h>
#include <string.h>

#define HOPS_MAX 16

/* "192.0.2.1", "192.0.2.1:4711", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:4711". */
static bool parse_address(const char *text, size_t length, struct sockaddr_storage *out)
{
    char copy[64];
    memset(out, 0, sizeof(*out));
    while (length > 0 && (*text == ' ' || *text == '\t' || *text == '"'))
        text++, length--;
    while (length > 0 && strchr(" \t\"", text[length - 1]) != NULL)
        length--;
    if (length == 0 || length >= sizeof(copy))
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    char *start = copy;
    char *first = strchr(copy, ':');
    if (copy[0] == '[') {
        char *end = strchr(copy, ']');
        if (end == NULL || (end[1] != '\0' && end[1] != ':'))
            return false;
        *end = '\0';
        start++;
    } else if (first != NULL && strchr(first + 1, ':') == NULL) {
        *first = '\0';
    }
    return sockaddr_parse(start, out);
}

/* Walks back along the hops of all headers of that name as long as they are believed. */
static void walk_back(const struct listener_config *listener, const struct evkeyvalq *headers,
                      struct sockaddr_storage *address)
{
    const char *values[HOPS_MAX];
    size_t n = 0;
    const struct evkeyval *header;
    TAILQ_FOREACH(header, headers, next)
    {
        if (!ascii_equal(header->key, "X-Forwarded-For"))
            continue;
        if (n == HOPS_MAX) {
            address->ss_family = AF_UNSPEC;
            return;
        }
        values[n++] = header->value;
    }
    unsigned hops = 0;
    while (n-- > 0) {
        size_t end = strlen(values[n]);
        while (listener_trusts(listener, (const struct sockaddr *)address)) {
            size_t start = end;
            while (start > 0 && values[n][start - 1] != ',')
                start--;
            if (++hops > HOPS_MAX || !parse_address(values[n] + start, end - start, address)) {
                address->ss_family = AF_UNSPEC;
                return;
            }
            if (start == 0)
                break;
            end = start - 1;
        }
    }
}

/* Whether one of a balancer's headers could be a client's trailer: it comes twice. */
static bool is_unclear(const struct evkeyvalq *headers)
{
    const struct evkeyval *header;
    unsigned addresses = 0, schemes = 0;
    bool chunked = false;
    TAILQ_FOREACH(header, headers, next)
    {
        chunked = chunked || ascii_equal(header->key, "Transfer-Encoding");
        addresses += ascii_equal(header->key, "X-Forwarded-For");
        schemes += ascii_equal(header->key, "X-Forwarded-Proto");
    }
    return chunked && (addresses > 1 || schemes > 1);
}

void http_client_find(const struct http_connection *connection,
                      const struct listener_config *listener, const struct evkeyvalq *headers,
                      struct http_client *client_out)
{
    bool believed = listener_trusts(listener, (const struct sockaddr *)&connection->peer);
    const char *forwarded = believed ? evhttp_find_header(headers, "X-Forwarded-For") : NULL;
    const char *scheme = believed ? evhttp_find_header(headers, "X-Forwarded-Proto") : NULL;
    *client_out = (struct http_client){.address = connection->peer,
                                       .unclear = believed && is_unclear(headers)};
    if (forwarded != NULL)
        walk_back(listener, headers, &client_out->address);
    bool local = sockaddr_is_loopback((const struct sockaddr *)&connection->peer) &&
                 sockaddr_is_loopback((const struct sockaddr *)&client_out->address);
    /* A proxy on this machine that the listener does not trust passes on anybody. */
    client_out->local =
        local && (believed || (evhttp_find_header(headers, "X-Forwarded-For") == NULL &&
                               evhttp_find_header(headers, "Forwarded") == NULL));
    client_out->https =
        (forwarded == NULL && connection->tls) || (scheme != NULL && ascii_equal(scheme, "https"));
    client_out->secured = client_out->https || local;
    client_out->vouched = believed;
    client_out->fingerprint =
        forwarded == NULL && connection->fingerprint[0] ? connection->fingerprint : NULL;
    sockaddr_text((const struct sockaddr *)&client_out->address, client_out->text,
                  sizeof(client_out->text));
    /* Whom a balancer does not name is counted as the balancer. */
    peer_key_of((const struct sockaddr *)(client_out->address.ss_family != AF_UNSPEC
                                              ? &client_out->address
                                              : &connection->peer),
                &client_out->key);
}
