/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sockaddr.h"

#include "base/str.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static const void *bytes_of(const struct sockaddr *address)
{
    switch (address->sa_family) {
    case AF_INET:
        return &((const struct sockaddr_in *)(const void *)address)->sin_addr;
    case AF_INET6:
        return &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    default:
        return NULL;
    }
}

const char *sockaddr_text(const struct sockaddr *address, char *out, size_t size)
{
    const void *bytes = bytes_of(address);
    if (bytes == NULL || inet_ntop(address->sa_family, bytes, out, (socklen_t)size) == NULL)
        str_copy(out, size, "unknown");
    return out;
}

bool sockaddr_parse(const char *text, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof(*out));
    if (inet_pton(AF_INET, text, &((struct sockaddr_in *)out)->sin_addr) == 1)
        out->ss_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)out)->sin6_addr) == 1)
        out->ss_family = AF_INET6;
    return out->ss_family != AF_UNSPEC;
}

bool sockaddr_is_loopback(const struct sockaddr *address)
{
    const uint8_t *bytes = bytes_of(address);
    if (bytes == NULL || address->sa_family == AF_INET)
        return bytes != NULL && bytes[0] == 127;
    const struct in6_addr *six = bytes_of(address);
    return IN6_IS_ADDR_LOOPBACK(six) || (IN6_IS_ADDR_V4MAPPED(six) && bytes[12] == 127);
}

void sockaddr_copy(struct sockaddr_storage *out, const struct sockaddr *address)
{
    memset(out, 0, sizeof(*out));
    memcpy(out, address,
           address->sa_family == AF_INET6  ? sizeof(struct sockaddr_in6)
           : address->sa_family == AF_INET ? sizeof(struct sockaddr_in)
                                           : sizeof(*address));
}
