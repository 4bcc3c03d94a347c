/* SPDX-License-Identifier: Apache-2.0 */
/* Internet addresses as sockets have them. Another family is no mistake: it has no address. */
#ifndef OCTROI_BASE_SOCKADDR_H
#define OCTROI_BASE_SOCKADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define SOCKADDR_TEXT 64 /* bytes enough for any, with its NUL */

/* The address without its port; "unknown" when there is none. Returns out. */
const char *sockaddr_text(const struct sockaddr *address, char *out, size_t size);
/* An address without brackets or port. False: that is none; *out is then of AF_UNSPEC. */
bool sockaddr_parse(const char *text, struct sockaddr_storage *out);
/* Whether the address is this machine's own, which nobody listens in on. */
bool sockaddr_is_loopback(const struct sockaddr *address);
/* Copies as much as the family has. */
void sockaddr_copy(struct sockaddr_storage *out, const struct sockaddr *address);

#endif
