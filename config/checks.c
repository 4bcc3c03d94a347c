/* SPDX-License-Identifier: Apache-2.0 */
#include "config/checks.h"

#include "base/sockaddr.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <string.h>

#define LABEL_MAX    63
#define HOST_MAX     253
#define SIREN_DIGITS 9
/* The shortest hash of the methods taken (bcrypt) has 60 bytes, those with short salts about as
 * many; crypt(5) caps the longest at 384. */
#define HASH_MIN 40
#define HASH_MAX 384

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool host_name_valid(const char *text)
{
    size_t length = strlen(text);
    if (length == 0 || length > HOST_MAX)
        return false;
    const char *label = text;
    bool digits_only = false;
    for (;;) {
        size_t size = strcspn(label, ".");
        if (size == 0 || size > LABEL_MAX || label[0] == '-' || label[size - 1] == '-')
            return false;
        digits_only = true;
        for (size_t i = 0; i < size; i++) {
            if (!is_alnum(label[i]) && label[i] != '-')
                return false;
            digits_only = digits_only && is_digit(label[i]);
        }
        if (label[size] == '\0')
            return !digits_only;
        label += size + 1;
    }
}

bool host_address_valid(const char *text)
{
    struct sockaddr_storage address;
    return sockaddr_parse(text, &address);
}

bool host_is_loopback(const char *host)
{
    struct sockaddr_storage address;
    return sockaddr_parse(host, &address) ? sockaddr_is_loopback((struct sockaddr *)&address)
                                          : ascii_equal(host, "localhost");
}

bool size_parse(const char *text, uint64_t *bytes_out)
{
    static const struct {
        const char *name;
        unsigned shift;
    } units[] = {{"B", 0}, {"kB", 10}, {"KB", 10}, {"MB", 20}, {"GB", 30}};
    uint64_t value = 0;
    int digits = 0;
    for (; is_digit(*text); text++, digits++)
        if (digits < 9)
            value = value * 10 + (uint64_t)(*text - '0');
    if (digits == 0 || digits > 9)
        return false;
    while (*text == ' ')
        text++;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strcmp(text, units[i].name) == 0) {
            *bytes_out = value << units[i].shift;
            return true;
        }
    return false;
}

bool siren_valid(const char *text)
{
    if (strlen(text) != SIREN_DIGITS)
        return false;
    for (int i = 0; i < SIREN_DIGITS; i++)
        if (!is_digit(text[i]))
            return false;
    return true;
}

bool crypt_hash_valid(const char *text)
{
    static const char *const methods[] = {"$y$", "$gy$", "$7$", "$6$", "$5$", "$2b$", "$2y$"};
    size_t length = strlen(text);
    if (length < HASH_MIN || length > HASH_MAX)
        return false;
    for (size_t i = 0; i < length; i++)
        if (!is_alnum(text[i]) && strchr("./$=,_", text[i]) == NULL)
            return false;
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (strncmp(text, methods[i], strlen(methods[i])) == 0)
            return true;
    return false;
}

static bool port_parse(const char *text, uint16_t *port_out)
{
    size_t length = strlen(text);
    unsigned long value = 0;
    if (length == 0 || length > 5)
        return false;
    for (; *text != '\0'; text++) {
        if (!is_digit(*text))
            return false;
        value = value * 10 + (unsigned long)(*text - '0');
    }
    *port_out = (uint16_t)value;
    return value > 0 && value <= 65535;
}

bool url_parse(const char *text, bool query, bool *secure_out, char host_out[URL_HOST_MAX + 1])
{
    uint16_t port = 0;
    char port_text[6];
    *secure_out = strncmp(text, "https://", 8) == 0;
    if (!*secure_out && strncmp(text, "http://", 7) != 0)
        return false;
    for (const char *at = text; *at != '\0'; at++)
        if (*at <= ' ' || *at > '~' || strchr("\"<>\\^`{|}#@", *at) != NULL ||
            (*at == '?' && !query))
            return false;
    const char *host = text + (*secure_out ? 8 : 7);
    bool bracket = *host == '[';
    size_t length = bracket ? strcspn(++host, "]") : strcspn(host, ":/?");
    const char *rest = host + length;
    if (!str_copy_n(host_out, URL_HOST_MAX + 1, host, length) || (bracket && *rest++ != ']'))
        return false;
    if (bracket ? strchr(host_out, ':') == NULL || !host_address_valid(host_out)
                : !host_name_valid(host_out) && !host_address_valid(host_out))
        return false;
    if (*rest == ':') {
        length = strcspn(++rest, "/?");
        if (!str_copy_n(port_text, sizeof(port_text), rest, length) ||
            !port_parse(port_text, &port))
            return false;
        rest += length;
    }
    return *rest == '\0' || *rest == '/' || *rest == '?';
}

bool sender_id_valid(const char *text)
{
    size_t length = strlen(text);
    size_t digits = strspn(text + (text[0] == '+'), "0123456789");
    bool letter = false;
    if (digits == length - (text[0] == '+'))
        return digits >= 3 && digits <= 15;
    if (length > 11 || text[0] == ' ' || text[length - 1] == ' ')
        return false;
    for (; *text != '\0'; text++) {
        if (!is_alnum(*text) && strchr(" ._-", *text) == NULL)
            return false;
        letter = letter || (is_alnum(*text) && !is_digit(*text));
    }
    return letter;
}

bool bind_parse(const char *text, struct sockaddr_storage *address_out, socklen_t *length_out,
                const char **why_out)
{
    char host[INET6_ADDRSTRLEN + 2];
    struct sockaddr_in *v4 = (struct sockaddr_in *)address_out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address_out;
    uint16_t port = 0;
    const char *colon = strrchr(text, ':');
    const char *bracket = strrchr(text, ']');
    if (colon == NULL || (bracket != NULL && colon < bracket)) {
        *why_out = "has no port";
        return false;
    }
    if (!port_parse(colon + 1, &port)) {
        *why_out = "has no port from 1 to 65535";
        return false;
    }
    *why_out = "is not an address and a port, such as 127.0.0.1:25, [::1]:25 or *:25";
    if (!str_copy_n(host, sizeof(host), text, (size_t)(colon - text)))
        return false;
    *address_out = (struct sockaddr_storage){0};
    size_t length = strlen(host);
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        *length_out = sizeof(*v4);
        return true;
    }
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    *length_out = sizeof(*v6);
    if (strcmp(host, "*") == 0) {
        v6->sin6_addr = in6addr_any;
        return true;
    }
    if (length < 2 || host[0] != '[' || host[length - 1] != ']')
        return false;
    host[length - 1] = '\0';
    return inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1;
}

int minutes_parse(const char *text)
{
    if (!is_digit(text[0]) || !is_digit(text[1]) || text[2] != ':' || !is_digit(text[3]) ||
        !is_digit(text[4]))
        return -1;
    int hours = (text[0] - '0') * 10 + (text[1] - '0');
    int minutes = (text[3] - '0') * 10 + (text[4] - '0');
    if (minutes > 59 || hours * 60 + minutes > 24 * 60)
        return -1;
    return hours * 60 + minutes;
}

bool opening_parse(const char *text, struct opening *opening_out)
{
    if (strlen(text) != 11 || text[5] != '-')
        return false;
    opening_out->from = minutes_parse(text);
    opening_out->to = minutes_parse(text + 6);
    return opening_out->from >= 0 && opening_out->from < opening_out->to;
}

/* The number of the day text starts with, or -1. */
static int day_parse(const char *text)
{
    static const char names[7][4] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
    for (int i = 0; i < 7; i++)
        if (strncmp(text, names[i], 3) == 0)
            return i;
    return -1;
}

bool days_parse(const char *text, unsigned *days_out)
{
    unsigned days = 0;
    for (;;) {
        int from = day_parse(text);
        if (from < 0)
            return false;
        int to = from;
        text += 3;
        if (*text == '-') {
            to = day_parse(text + 1);
            if (to < from)
                return false;
            text += 4;
        }
        for (int day = from; day <= to; day++)
            days |= 1u << day;
        if (*text == '\0') {
            *days_out = days;
            return true;
        }
        if (*text++ != ',')
            return false;
        while (*text == ' ')
            text++;
    }
}
