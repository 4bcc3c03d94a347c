/* SPDX-License-Identifier: Apache-2.0 */
/* What balancers say: the PROXY header, whole, in pieces and wrong, and XCLIENT. */
#include "base/str.h"
#include "proxy/net/proxy_protocol.h"
#include "proxy/smtp/xclient.h"
#include "tests/unit/test_proxy_parts.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define SIGNATURE                     "\r\n\r\n\0\r\nQUIT\n"
#define HEAD(command, family, length) SIGNATURE command family "\0" length
#define V4         \
    "\300\0\2\12"  \
    "\300\0\2\310" \
    "\303\120"     \
    "\0\31"
#define NET6 "\40\1\15\270\0\20\0\0\0\0\0\0\0\0\0\1"
#define V6               \
    NET6 NET6 "\303\120" \
              "\0\31"
#define TEXT(text) text, sizeof(text) - 1

static const struct {
    const char *label;
    const char *bytes;
    size_t length;
    const char *want; /* "ADDRESS PORT", "local", "unknown", "bad", "more N" */
    size_t used;      /* 0: all of it */
} rows[] = {
    {"nothing", TEXT(""), "more 15", 0},
    {"v4", TEXT("PROXY TCP4 192.0.2.10 192.0.2.200 50000 25\r\n"), "192.0.2.10 50000", 0},
    {"more behind", TEXT("PROXY TCP4 192.0.2.10 192.0.2.200 50000 25\r\n\x16\x03\x01\n"),
     "192.0.2.10 50000", 44},
    {"v6", TEXT("PROXY TCP6 2001:db8:10::1 2001:db8::2 0 65535\r\n"), "2001:db8:10::1 0", 0},
    {"unknown", TEXT("PROXY UNKNOWN\r\n"), "unknown", 0},
    {"unknown, and words", TEXT("PROXY UNKNOWN a b c\r\n"), "unknown", 0},
    {"longest",
     TEXT("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
          "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
     "unknown", 0},
    {"too long",
     TEXT("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
          "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff  65535 65535\r\n"),
     "bad", 0},
    {"part", TEXT("PROXY TCP4 192.0"), "more 17", 0},
    {"start", TEXT("PRO"), "more 15", 0},
    {"another protocol", TEXT("EHLO"), "bad", 0},
    {"one letter", TEXT("E"), "bad", 0},
    {"lower case", TEXT("proxy UNKNOWN\r\n"), "bad", 0},
    {"bare LF", TEXT("PROXY TCP4 192.0.2.10 192.0.2.200 50000 25\n"), "bad", 0},
    {"NUL", TEXT("PROXY TCP4 192.0.2.10\0 192.0.2.200 50000 25\r\n"), "bad", 0},
    {"no ports", TEXT("PROXY TCP4 192.0.2.10 192.0.2.200\r\n"), "bad", 0},
    {"one port", TEXT("PROXY TCP4 192.0.2.10 192.0.2.200 5\r\n"), "bad", 0},
    {"a word more", TEXT("PROXY TCP4 192.0.2.10 192.0.2.200 5 25 x\r\n"), "bad", 0},
    {"space at the end", TEXT("PROXY TCP4 192.0.2.10 192.0.2.200 5 25 \r\n"), "bad", 0},
    {"two spaces", TEXT("PROXY TCP4 192.0.2.10  192.0.2.200 5 25\r\n"), "bad", 0},
    {"port too large", TEXT("PROXY TCP4 192.0.2.10 192.0.2.200 65536 25\r\n"), "bad", 0},
    {"zero in front", TEXT("PROXY TCP4 192.0.2.10 192.0.2.200 05 25\r\n"), "bad", 0},
    {"octal", TEXT("PROXY TCP4 192.0.2.010 192.0.2.200 5 25\r\n"), "bad", 0},
    {"families mixed", TEXT("PROXY TCP4 2001:db8::1 192.0.2.200 5 25\r\n"), "bad", 0},
    {"a name", TEXT("PROXY TCP4 localhost 192.0.2.200 5 25\r\n"), "bad", 0},
    {"no such family", TEXT("PROXY UDP4 192.0.2.10 192.0.2.200 5 25\r\n"), "bad", 0},
    {"nothing said", TEXT("PROXY          \r\n"), "bad", 0},
    {"2: v4", TEXT(HEAD("\x21", "\x11", "\x0c") V4), "192.0.2.10 50000", 0},
    {"2: more behind", TEXT(HEAD("\x21", "\x11", "\x0c") V4 "EHLO a\r\n"), "192.0.2.10 50000", 28},
    {"2: v6", TEXT(HEAD("\x21", "\x21", "\x24") V6), "2001:db8:10::1 50000", 0},
    {"2: TLVs",
     TEXT(HEAD("\x21", "\x11", "\x14") V4 "\4\0\0"
                                          "\2\0\2ab"),
     "192.0.2.10 50000", 0},
    {"2: local", TEXT(HEAD("\x20", "\x00", "\x00")), "local", 0},
    {"2: local with addresses", TEXT(HEAD("\x20", "\x11", "\x0c") V4), "local", 0},
    {"2: unspecified", TEXT(HEAD("\x21", "\x00", "\x03") "abc"), "unknown", 0},
    {"2: datagrams", TEXT(HEAD("\x21", "\x12", "\x0c") V4), "unknown", 0},
    {"2: signature", TEXT("\r\n\r\n"), "more 16", 0},
    {"2: fixed part", TEXT(SIGNATURE "\x21\x11"), "more 16", 0},
    {"2: addresses to come", TEXT(HEAD("\x21", "\x11", "\x0c")), "more 28", 0},
    {"2: wrong signature", TEXT("\r\n\r\n\0\r\nQUIX\n"), "bad", 0},
    {"2: version 1", TEXT(SIGNATURE "\x11"), "bad", 0},
    {"2: command", TEXT(SIGNATURE "\x22"), "bad", 0},
    {"2: family", TEXT(HEAD("\x21", "\x41", "\x0c") V4), "bad", 0},
    {"2: protocol", TEXT(HEAD("\x21", "\x13", "\x0c") V4), "bad", 0},
    {"2: family without protocol", TEXT(HEAD("\x21", "\x10", "\x0c") V4), "bad", 0},
    {"2: too short for its family", TEXT(HEAD("\x21", "\x11", "\x0b") V4), "bad", 0},
    {"2: too short for v6", TEXT(HEAD("\x21", "\x21", "\x0c") V4), "bad", 0},
    {"2: TLV cut", TEXT(HEAD("\x21", "\x11", "\x10") V4 "\4\0\2a"), "bad", 0},
    {"2: TLV without length", TEXT(HEAD("\x21", "\x11", "\x0e") V4 "\4\0"), "bad", 0},
    {"2: the cap", TEXT(SIGNATURE "\x21\x11\x0f\xf0"), "more 4096", 0},
    {"2: over the cap", TEXT(SIGNATURE "\x21\x11\x0f\xf1"), "bad", 0},
};

static void describe_address(const struct sockaddr_storage *address, char *out, size_t size)
{
    char text[INET6_ADDRSTRLEN];
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    bool six = address->ss_family == AF_INET6;
    ck_assert_ptr_nonnull(inet_ntop(
        address->ss_family, six ? (const void *)&v6->sin6_addr : (const void *)&v4->sin_addr, text,
        sizeof(text)));
    snprintf(out, size, "%s %u", text, ntohs(six ? v6->sin6_port : v4->sin_port));
}

static enum proxy_result parse(const char *bytes, size_t given, char *out, size_t size,
                               size_t *length_out)
{
    struct sockaddr_storage client;
    /* A block of its own size: reading past it is seen. */
    uint8_t *exact = malloc(given > 0 ? given : 1);
    ck_assert_ptr_nonnull(exact);
    if (given > 0)
        memcpy(exact, bytes, given);
    enum proxy_result result = proxy_protocol_parse(exact, given, length_out, &client);
    free(exact);
    if (result == PROXY_CLIENT)
        describe_address(&client, out, size);
    else if (result == PROXY_MORE)
        snprintf(out, size, "more %zu", *length_out);
    else
        str_copy(out, size,
                 result == PROXY_LOCAL     ? "local"
                 : result == PROXY_UNKNOWN ? "unknown"
                                           : "bad");
    return result;
}

START_TEST(proxy_headers)
{
    char got[80];
    size_t length = 0;
    enum proxy_result result = parse(rows[_i].bytes, rows[_i].length, got, sizeof(got), &length);
    ck_assert_msg(strcmp(got, rows[_i].want) == 0, "%s: expected \"%s\", got \"%s\"",
                  rows[_i].label, rows[_i].want, got);
    if (result == PROXY_MORE || result == PROXY_BAD)
        return;
    size_t used = rows[_i].used > 0 ? rows[_i].used : rows[_i].length;
    ck_assert_msg(length == used, "%s: %zu", rows[_i].label, length);
    /* No beginning of it is taken for the whole, and none for something else. */
    for (size_t part = 0; part < used; part++) {
        result = parse(rows[_i].bytes, part, got, sizeof(got), &length);
        ck_assert_msg(result == PROXY_MORE && length > part && length <= used, "%s: %zu bytes: %s",
                      rows[_i].label, part, got);
    }
}
END_TEST

static const struct {
    const char *arguments;
    const char *want; /* "ADDRESS PORT", "unspecified", "-" no address, "501" */
} xclients[] = {
    {"ADDR=192.0.2.10", "192.0.2.10 0"},
    {"addr=192.0.2.10 port=2525", "192.0.2.10 2525"},
    {"PORT=2525 ADDR=192.0.2.10", "192.0.2.10 2525"},
    {"ADDR=IPV6:2001:db8::1 PORT=1", "2001:db8::1 1"},
    {"ADDR=ipv6:2001:db8::1", "2001:db8::1 0"},
    {"ADDR=[UNAVAILABLE]", "unspecified"},
    {"ADDR=[tempunavail] PORT=5", "unspecified"},
    {"ADDR=192.0.2.10 PORT=[UNAVAILABLE]", "192.0.2.10 0"},
    {"NAME=[TEMPUNAVAIL] ADDR=192.0.2.10 HELO=a+20b PROTO=ESMTP LOGIN=acme", "192.0.2.10 0"},
    {"  ADDR=192.0.2.10  PROTO=smtp ", "192.0.2.10 0"},
    {"NAME=mx.example", "-"},
    {"LOGIN=acme-login", "-"},
    {"ADDR=192+2E0.2.10", "192.0.2.10 0"},
    {"", "501"},
    {" ", "501"},
    {"ADDR", "501"},
    {"ADDR=", "501"},
    {"=192.0.2.10", "501"},
    {"ADDR 192.0.2.10", "501"},
    {"ADDR=192.0.2", "501"},
    {"ADDR=192.0.2.010", "501"},
    {"ADDR=2001:db8::1", "501"},
    {"ADDR=IPV6:192.0.2.10", "501"},
    {"ADDR=IPV6:", "501"},
    {"ADDR=localhost", "501"},
    {"ADDR=192.0.2.10 ADDR=192.0.2.11", "501"},
    {"ADDR=192.0.2.10 PORT=65536", "501"},
    {"ADDR=192.0.2.10 PORT=-1", "501"},
    {"ADDR=192.0.2.10 PROTO=LMTP", "501"},
    {"ADDR=192.0.2.10 DESTADDR=192.0.2.1", "501"},
    {"NAME=a+0D+0AMAIL", "501"},
    {"NAME=a+2", "501"},
    {"NAME=caf\u00e9", "501"},
};

START_TEST(xclient_commands)
{
    struct smtp_xclient client;
    char got[80] = "501";
    struct smtp_refusal refusal = smtp_parse_xclient(xclients[_i].arguments, &client);
    if (refusal.code == 0 && !client.has_address)
        str_copy(got, sizeof(got), "-");
    else if (refusal.code == 0 && client.address.ss_family == AF_UNSPEC)
        str_copy(got, sizeof(got), "unspecified");
    else if (refusal.code == 0)
        describe_address(&client.address, got, sizeof(got));
    else
        ck_assert_int_eq(refusal.code, 501);
    ck_assert_msg(strcmp(got, xclients[_i].want) == 0, "%s: expected \"%s\", got \"%s\"",
                  xclients[_i].arguments, xclients[_i].want, got);
}
END_TEST

Suite *balancer_suite(void)
{
    Suite *suite = suite_create("balancer");
    TCase *cases = tcase_create("tables");
    tcase_add_loop_test(cases, proxy_headers, 0, (int)(sizeof(rows) / sizeof(rows[0])));
    tcase_add_loop_test(cases, xclient_commands, 0, (int)(sizeof(xclients) / sizeof(xclients[0])));
    suite_add_tcase(suite, cases);
    return suite;
}
