/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of single values: no files, no findings, no memory. */
#ifndef OCTROI_CONFIG_CHECKS_H
#define OCTROI_CONFIG_CHECKS_H

#include "config/config.h"

/* A host name of RFC 1123: at most 253 bytes, labels of letters, digits and hyphens, the last not
 * all digits (that would be an address). */
bool host_name_valid(const char *text);
bool host_address_valid(const char *text); /* an IPv4 or IPv6 address without brackets */
/* "localhost", 127.0.0.0/8 or ::1: what never leaves the machine. */
bool host_is_loopback(const char *host);

#define URL_HOST_MAX 253
/* An address of HTTP without login or fragment, of visible ASCII: "https://gate.example.fr:8443/x",
 * "http://[::1]:8080"; with a query when query is set. secure_out: https. host_out without
 * brackets.
 */
bool url_parse(const char *text, bool query, bool *secure_out, char host_out[URL_HOST_MAX + 1]);

/* A sender id of SMS: up to 11 letters, digits, spaces and ._- with a letter among them, or a
 * number of 3 to 15 digits with or without a "+". */
bool sender_id_valid(const char *text);

/* "512 B", "64 kB", "150 MB", "2 GB": a unit is 1024 of the one before. */
bool size_parse(const char *text, uint64_t *bytes_out);

/* Nine digits. Their check sum is not asked for: trials are configured with numbers made up. */
bool siren_valid(const char *text);
/* Looks like a hash of crypt(5) by a method that is still strong enough. */
bool crypt_hash_valid(const char *text);

/* "127.0.0.1:2525", "[::1]:2525", or "*:25": every address of both families (::). On failure
 * why_out is what is wrong: "has no port". */
bool bind_parse(const char *text, struct sockaddr_storage *address_out, socklen_t *length_out,
                const char **why_out);
/* Minutes after midnight of what begins with "07:30", or -1. "24:00" is 1440. */
int minutes_parse(const char *text);
/* Hours of one day, "08:00-21:30"; the end may be 24:00. */
bool opening_parse(const char *text, struct opening *opening_out);
/* "mon-sat", "mon,wed,fri", "mon-wed,sat" as a set of bits, bit 0 Monday. */
bool days_parse(const char *text, unsigned *days_out);

#endif
