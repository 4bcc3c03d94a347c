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

static const char *methods_text(unsigned methods)
{
    switch (methods) {
    case HTTP_METHOD_POST:
        return "POST";
    case HTTP_METHOD_GET:
        return "GET";
    case HTTP_METHOD_POST | HTTP_METHOD_GET:
        return "GET, POST";
    default:
        return NULL;
    }
}

const struct http_route *http_find_route(enum http_method method, const char *path,
                                         struct arena *arena, const char **tails_out,
                                         const char **allow_out)
{
    unsigned methods = 0;
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        struct piece pieces[HTTP_TAILS] = {{"", 0}, {"", 0}};
        if (!fits(routes[i].pattern, path, pieces))
            continue;
        methods |= routes[i].methods;
        if ((routes[i].methods & method) == 0)
            continue;
        for (size_t j = 0; j < HTTP_TAILS; j++)
            tails_out[j] = decode(arena, pieces[j]);
        return &routes[i];
    }
    *allow_out = methods_text(methods);
    return NULL;
}
