/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/net/proxy_protocol.h"

#include "base/str.h"

#include <arpa/inet.h>
#include <string.h>

/* ---- version 1: a line of text ---- */

#define V1_MAX 107 /* with CRLF */

static const char v1_start[] = "PROXY ";

/* The text up to the next space or the end; *text moves behind the space. False: it is empty or
 * does not fit. */
static bool take_word(const char **text, char *out, size_t size)
{
    size_t length = strcspn(*text, " ");
    if (length == 0 || !str_copy_n(out, size, *text, length))
        return false;
    *text += length;
    if (**text == ' ')
        (*text)++;
    return true;
}

/* Decimal, without zeroes in front. */
static bool take_port(const char **text, in_port_t *port_out)
{
    char word[6];
    unsigned long port = 0;
    if (!take_word(text, word, sizeof(word)) || (word[0] == '0' && word[1] != '\0'))
        return false;
    for (const char *at = word; *at != '\0'; at++) {
        if (*at < '0' || *at > '9')
            return false;
        port = port * 10 + (unsigned long)(*at - '0');
    }
    *port_out = htons((uint16_t)port);
    return port <= 65535;
}

static bool take_address(const char **text, int family, void *address_out)
{
    char word[INET6_ADDRSTRLEN];
    return take_word(text, word, sizeof(word)) && inet_pton(family, word, address_out) == 1;
}

/* line: behind "PROXY ", without CRLF. */
static enum proxy_result read_line(const char *line, struct sockaddr_storage *client_out)
{
    struct sockaddr_storage client = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&client;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&client;
    struct in6_addr ours;
    in_port_t port;
    char word[8];
    if (!take_word(&line, word, sizeof(word)))
        return PROXY_BAD;
    /* What follows UNKNOWN is not for us. */
    if (strcmp(word, "UNKNOWN") == 0)
        return PROXY_UNKNOWN;
    bool is_v4 = strcmp(word, "TCP4") == 0;
    if (!is_v4 && strcmp(word, "TCP6") != 0)
        return PROXY_BAD;
    client.ss_family = is_v4 ? AF_INET : AF_INET6;
    void *address = is_v4 ? (void *)&v4->sin_addr : (void *)&v6->sin6_addr;
    if (!take_address(&line, client.ss_family, address) ||
        !take_address(&line, client.ss_family, &ours) ||
        !take_port(&line, is_v4 ? &v4->sin_port : &v6->sin6_port) || !take_port(&line, &port) ||
        *line != '\0' || line[-1] == ' ')
        return PROXY_BAD;
    *client_out = client;
    return PROXY_CLIENT;
}

static enum proxy_result parse_v1(const uint8_t *bytes, size_t length, size_t *length_out,
                                  struct sockaddr_storage *client_out)
{
    char line[V1_MAX + 1];
    size_t most = length < V1_MAX ? length : V1_MAX;
    const uint8_t *feed = memchr(bytes, '\n', most);
    if (feed == NULL) {
        if (length >= V1_MAX)
            return PROXY_BAD;
        /* Byte by byte from here: nobody knows where the line ends, and what is behind it is not
         * ours to read. */
        *length_out = length < PROXY_HEADER_MIN ? PROXY_HEADER_MIN : length + 1;
        return PROXY_MORE;
    }
    size_t used = (size_t)(feed - bytes) + 1;
    if (used < PROXY_HEADER_MIN || bytes[used - 2] != '\r')
        return PROXY_BAD;
    memcpy(line, bytes, used - 2);
    line[used - 2] = '\0';
    if (strlen(line) != used - 2)
        return PROXY_BAD;
    *length_out = used;
    return read_line(line + strlen(v1_start), client_out);
}

/* ---- version 2: binary ---- */

#define V2_FIXED 16 /* signature, version and command, family and protocol, length */
#define V2_INET  12 /* two addresses and two ports */
#define V2_INET6 36
#define V2_UNIX  216

static const uint8_t v2_start[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                     0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

static size_t number16(const uint8_t *bytes)
{
    return (size_t)bytes[0] << 8 | bytes[1];
}

/* Type, length, value, one behind the other up to the very end. */
static bool tlvs_whole(const uint8_t *at, size_t length)
{
    while (length > 0) {
        if (length < 3 || length - 3 < number16(at + 1))
            return false;
        size_t size = 3 + number16(at + 1);
        at += size;
        length -= size;
    }
    return true;
}

/* at: behind the fixed part. */
static enum proxy_result read_addresses(uint8_t family, const uint8_t *at, size_t length,
                                        struct sockaddr_storage *client_out)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)client_out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)client_out;
    /* By family, the upper half of the byte; the lower one is the protocol: none, stream, datagram.
     */
    static const size_t sizes[] = {0, V2_INET, V2_INET6, V2_UNIX};
    unsigned kind = family >> 4;
    unsigned protocol = family & 0x0f;
    if (kind > 3 || protocol > 2 || (kind == 0) != (protocol == 0))
        return PROXY_BAD;
    if (kind == 0)
        return PROXY_UNKNOWN; /* "unspecified": so is what follows */
    if (length < sizes[kind] || !tlvs_whole(at + sizes[kind], length - sizes[kind]))
        return PROXY_BAD;
    if (protocol != 1 || kind == 3)
        return PROXY_UNKNOWN; /* valid, and nothing a mail client comes by */
    if (kind == 1) {
        v4->sin_family = AF_INET;
        memcpy(&v4->sin_addr, at, 4);
        memcpy(&v4->sin_port, at + 8, 2);
    } else {
        v6->sin6_family = AF_INET6;
        memcpy(&v6->sin6_addr, at, 16);
        memcpy(&v6->sin6_port, at + 32, 2);
    }
    return PROXY_CLIENT;
}

static enum proxy_result parse_v2(const uint8_t *bytes, size_t length, size_t *length_out,
                                  struct sockaddr_storage *client_out)
{
    if (length >= 13 && bytes[12] != 0x20 && bytes[12] != 0x21)
        return PROXY_BAD;
    if (length < V2_FIXED) {
        *length_out = V2_FIXED;
        return PROXY_MORE;
    }
    size_t more = number16(bytes + 14);
    if (V2_FIXED + more > PROXY_HEADER_MAX)
        return PROXY_BAD;
    *length_out = V2_FIXED + more;
    if (length < V2_FIXED + more)
        return PROXY_MORE;
    if (bytes[12] == 0x20)
        return PROXY_LOCAL;
    return read_addresses(bytes[13], bytes + V2_FIXED, more, client_out);
}

/* ---- either ---- */

enum proxy_result proxy_protocol_parse(const uint8_t *bytes, size_t length, size_t *length_out,
                                       struct sockaddr_storage *client_out)
{
    size_t v1 = length < strlen(v1_start) ? length : strlen(v1_start);
    size_t v2 = length < sizeof(v2_start) ? length : sizeof(v2_start);
    enum proxy_result result = PROXY_BAD;
    *client_out = (struct sockaddr_storage){0};
    *length_out = PROXY_HEADER_MIN;
    if (length == 0)
        return PROXY_MORE;
    /* What cannot become a header is not waited for. */
    if (memcmp(bytes, v1_start, v1) == 0)
        result = parse_v1(bytes, length, length_out, client_out);
    else if (memcmp(bytes, v2_start, v2) == 0)
        result = parse_v2(bytes, length, length_out, client_out);
    if (result == PROXY_BAD)
        *length_out = 0;
    return result;
}
