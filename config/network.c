/* SPDX-License-Identifier: Apache-2.0 */
#include "config/network.h"

#include "base/str.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define V4_BITS 96 /* what stands before an IPv4 address in its mapped form */

static const uint8_t v4_mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0};

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8;
    unsigned rest = bits % 8;
    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

bool networks_overlap(const struct network *a, const struct network *b)
{
    return same_bits(a->bytes, b->bytes, a->prefix < b->prefix ? a->prefix : b->prefix);
}

bool network_holds_peer(const struct network *network, const struct sockaddr *peer)
{
    uint8_t bytes[16];
    if (peer->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, peer, sizeof(v4));
        memcpy(bytes, v4_mapped, 12);
        memcpy(bytes + 12, &v4.sin_addr, 4);
    } else if (peer->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, peer, sizeof(v6));
        memcpy(bytes, &v6.sin6_addr, 16);
    } else {
        return false;
    }
    return same_bits(bytes, network->bytes, network->prefix);
}

/* The prefix as written, or `most` when there is none; false when it is no number up to most. */
static bool prefix_parse(const char *slash, unsigned most, unsigned *prefix_out)
{
    *prefix_out = most;
    if (slash == NULL)
        return true;
    size_t length = strspn(slash + 1, "0123456789");
    if (length == 0 || length > 3 || slash[1 + length] != '\0')
        return false;
    *prefix_out = 0;
    for (size_t i = 1; i <= length; i++)
        *prefix_out = *prefix_out * 10 + (unsigned)(slash[i] - '0');
    return *prefix_out <= most;
}

/* Clears what is behind the prefix; false when something was set there. */
static bool clear_host_bits(struct network *network)
{
    bool clean = true;
    for (unsigned bit = network->prefix; bit < 128; bit++) {
        uint8_t mask = (uint8_t)(0x80u >> (bit % 8));
        if ((network->bytes[bit / 8] & mask) == 0)
            continue;
        network->bytes[bit / 8] = (uint8_t)(network->bytes[bit / 8] & ~mask);
        clean = false;
    }
    return clean;
}

bool network_parse(const char *text, struct network *network_out, struct error *why)
{
    char host[INET6_ADDRSTRLEN];
    char proper[INET6_ADDRSTRLEN] = "";
    struct network network = {0};
    const char *slash = strchr(text, '/');
    size_t length = slash != NULL ? (size_t)(slash - text) : strlen(text);
    unsigned prefix = 0;
    bool cut = !str_copy_n(host, sizeof(host), text, length);
    memcpy(network.bytes, v4_mapped, sizeof(network.bytes));
    bool v4 = !cut && inet_pton(AF_INET, host, network.bytes + 12) == 1;
    bool v6 = !cut && !v4 && inet_pton(AF_INET6, host, network.bytes) == 1;
    if ((!v4 && !v6) || !prefix_parse(slash, v4 ? 32 : 128, &prefix)) {
        error_set(why, RESULT_BAD_INPUT, "\"%.64s\" is no network such as \"10.1.0.0/16\"", text);
        return false;
    }
    network.prefix = v4 ? V4_BITS + prefix : prefix;
    /* Below this an account would be open to all; and an IPv6 network that reaches over ::ffff:0:0
     * would take in every IPv4 peer. */
    if (network.prefix == 0 ||
        (network.prefix <= V4_BITS && same_bits(network.bytes, v4_mapped, network.prefix))) {
        error_set(why, RESULT_BAD_INPUT, "\"%.64s\" would let the whole internet in", text);
        return false;
    }
    if (!clear_host_bits(&network)) {
        inet_ntop(v4 ? AF_INET : AF_INET6, network.bytes + (v4 ? 12 : 0), proper, sizeof(proper));
        error_set(why, RESULT_BAD_INPUT, "\"%.64s\" has bits behind its prefix; \"%s/%u\"?", text,
                  proper, prefix);
        return false;
    }
    *network_out = network;
    return true;
}
