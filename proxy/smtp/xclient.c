/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/smtp/xclient.h"

#include "base/str.h"

#include <arpa/inet.h>
#include <string.h>

#define VALUE_MAX 256 /* a host name with its NUL */

enum attribute { ATTRIBUTE_ADDR, ATTRIBUTE_PORT, ATTRIBUTE_PROTO, ATTRIBUTE_TEXT };

static const struct {
    const char *name;
    enum attribute kind;
} attributes[] = {
    {"ADDR", ATTRIBUTE_ADDR}, {"PORT", ATTRIBUTE_PORT}, {"PROTO", ATTRIBUTE_PROTO},
    {"NAME", ATTRIBUTE_TEXT}, {"HELO", ATTRIBUTE_TEXT}, {"LOGIN", ATTRIBUTE_TEXT},
};
#define ATTRIBUTES (sizeof(attributes) / sizeof(attributes[0]))

static bool unavailable(const char *value)
{
    return ascii_equal(value, "[UNAVAILABLE]") || ascii_equal(value, "[TEMPUNAVAIL]");
}

static bool take_address(const char *value, struct smtp_xclient *client)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&client->address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&client->address;
    client->has_address = true;
    if (unavailable(value))
        return true;
    if (ascii_has_prefix(value, "IPV6:")) {
        v6->sin6_family = AF_INET6;
        return inet_pton(AF_INET6, value + 5, &v6->sin6_addr) == 1;
    }
    v4->sin_family = AF_INET;
    return inet_pton(AF_INET, value, &v4->sin_addr) == 1;
}

static bool take_port(const char *value, in_port_t *port_out)
{
    size_t length = strspn(value, "0123456789");
    unsigned long port = 0;
    if (unavailable(value))
        return true;
    if (length == 0 || length > 5 || value[length] != '\0')
        return false;
    for (; *value != '\0'; value++)
        port = port * 10 + (unsigned long)(*value - '0');
    *port_out = htons((uint16_t)port);
    return port <= 65535;
}

static bool take_value(enum attribute kind, const char *value, struct smtp_xclient *client,
                       in_port_t *port)
{
    switch (kind) {
    case ATTRIBUTE_ADDR:
        return take_address(value, client);
    case ATTRIBUTE_PORT:
        return take_port(value, port);
    case ATTRIBUTE_PROTO:
        return unavailable(value) || ascii_equal(value, "SMTP") || ascii_equal(value, "ESMTP");
    case ATTRIBUTE_TEXT:
        return true;
    }
    return false;
}

/* One "NAME=value" at *text, which moves behind it. */
static bool take_attribute(const char **text, unsigned *seen, struct smtp_xclient *client,
                           in_port_t *port)
{
    char encoded[3 * VALUE_MAX];
    char value[VALUE_MAX];
    size_t length = strcspn(*text, " ");
    size_t name = strcspn(*text, "= ");
    size_t i = 0;
    while (i < ATTRIBUTES && !ascii_equal_n(*text, name, attributes[i].name))
        i++;
    /* An empty value is no xtext of Postfix's: it says [UNAVAILABLE]. */
    if (i == ATTRIBUTES || (*seen & 1u << i) != 0 || name + 1 >= length ||
        !str_copy_n(encoded, sizeof(encoded), *text + name + 1, length - name - 1) ||
        !xtext_decode(encoded, value, sizeof(value)))
        return false;
    *seen |= 1u << i;
    *text += length;
    return take_value(attributes[i].kind, value, client, port);
}

struct smtp_refusal smtp_parse_xclient(const char *arguments, struct smtp_xclient *client_out)
{
    static const struct smtp_refusal bad = {501, "5.5.4 Syntax: XCLIENT NAME=value .."};
    in_port_t port = 0;
    unsigned seen = 0;
    *client_out = (struct smtp_xclient){0};
    for (;;) {
        arguments += strspn(arguments, " ");
        if (*arguments == '\0')
            break;
        if (!take_attribute(&arguments, &seen, client_out, &port))
            return bad;
    }
    if (seen == 0)
        return bad;
    if (client_out->address.ss_family == AF_INET)
        ((struct sockaddr_in *)&client_out->address)->sin_port = port;
    else if (client_out->address.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)&client_out->address)->sin6_port = port;
    return (struct smtp_refusal){0};
}
