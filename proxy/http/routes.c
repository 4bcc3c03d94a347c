/* SPDX-License-Identifier: Apache-2.0 */
/* Which path is whose. */
#include "proxy/http/internal.h"

#include <string.h>

static const struct http_route routes[] = {
    {"/v1/messages", HTTP_METHOD_POST, ROUTE_MESSAGES, &native_shape, NULL},
    {"/2010-04-01/Accounts/*/Messages.json", HTTP_METHOD_POST, ROUTE_MESSAGES, &twilio_shape, NULL},
    {"/2010-04-01/Accounts/*/Messages/*.json", HTTP_METHOD_GET, ROUTE_ASK, &twilio_shape,
     twilio_no_message},
    {"/sms/json", HTTP_METHOD_POST | HTTP_METHOD_GET, ROUTE_MESSAGES, &vonage_shape, NULL},
    {"/1.0/auth/time", HTTP_METHOD_GET, ROUTE_OPEN, &ovh_shape, ovh_time},
    {"/1.0/sms", HTTP_METHOD_GET, ROUTE_ASK, &ovh_shape, ovh_services},
    {"/1.0/sms/*/jobs", HTTP_METHOD_POST, ROUTE_MESSAGES, &ovh_shape, NULL},
    {"/cgi-bin/sendsms", HTTP_METHOD_POST | HTTP_METHOD_GET, ROUTE_MESSAGES, &kannel_shape, NULL},
    {"/hooks/*/inbound", HTTP_METHOD_POST | HTTP_METHOD_GET, ROUTE_HOOK, NULL, NULL},
    {"/hooks/*/report", HTTP_METHOD_POST | HTTP_METHOD_GET, ROUTE_HOOK, NULL, NULL},
};

struct piece {
    const char *text;
    size_t length;
};

/* A star takes all up to the next slash, but leaves what the pattern has behind it. */
static bool fits(const char *pattern, const char *path, struct piece pieces[HTTP_TAILS])
{
    size_t n = 0;
    while (*pattern != '\0') {
        if (*pattern != '*') {
            if (*pattern++ != *path++)
                return false;
            continue;
        }
        size_t segment = strcspn(path, "/");
        size_t behind = strcspn(++pattern, "/");
        if (segment <= behind || n == HTTP_TAILS)
            return false;
        pieces[n++] = (struct piece){path, segment - behind};
        path += segment - behind;
    }
    return *path == '\0';
}

/* A segment has no business with what would end one. */
static const char *decode(struct arena *arena, struct piece piece)
{
    char *raw = arena_copy(arena, piece.text, piece.length);
    size_t length = 0;
    char *text = raw != NULL ? evhttp_uridecode(raw, 0, &length) : NULL;
    const char *out = text != NULL && strlen(text) == length && strchr(text, '/') == NULL
                          ? arena_str(arena, text)
                          : NULL;
    free(text);
    return out != NULL ? out : "";
}

const char *http_methods_text(unsigned methods, struct arena *arena)
{
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {{HTTP_METHOD_GET, "GET"}, {HTTP_METHOD_HEAD, "HEAD"}, {HTTP_METHOD_POST, "POST"}};
    struct strbuf text = {0};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (methods & names[i].bit) {
            strbuf_add_str(&text, text.length > 0 ? ", " : "");
            strbuf_add_str(&text, names[i].name);
        }
    const char *out =
        text.failed || text.length == 0 ? NULL : arena_copy(arena, text.data, text.length);
    strbuf_free(&text);
    return out;
}

static void decode_tails(struct arena *arena, const struct piece pieces[HTTP_TAILS],
                         const char **tails_out)
{
    for (size_t i = 0; i < HTTP_TAILS; i++)
        tails_out[i] = decode(arena, pieces[i]);
}

const struct http_route *http_find_route(enum http_method method, const char *path,
                                         struct arena *arena, const char **tails_out,
                                         unsigned *methods)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        struct piece pieces[HTTP_TAILS] = {{"", 0}, {"", 0}};
        if (!fits(routes[i].pattern, path, pieces))
            continue;
        *methods |= routes[i].methods;
        if ((routes[i].methods & method) == 0)
            continue;
        decode_tails(arena, pieces, tails_out);
        return &routes[i];
    }
    return NULL;
}

const struct service_route *http_find_service(unsigned services, enum http_method method,
                                              const char *path, struct arena *arena,
                                              const char **tails_out, unsigned *methods)
{
    static const struct service_route *const tables[] = {
        api_routes, unsubscribe_routes, metrics_routes, console_routes, console_other_routes};
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        for (const struct service_route *route = tables[i]; route->pattern != NULL; route++) {
            struct piece pieces[HTTP_TAILS] = {{"", 0}, {"", 0}};
            if ((route->service & services) == 0 || !fits(route->pattern, path, pieces))
                continue;
            *methods |= route->methods;
            if ((route->methods & method) == 0)
                continue;
            decode_tails(arena, pieces, tails_out);
            return route;
        }
    return NULL;
}
