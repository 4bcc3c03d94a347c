/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a balancer says about the client behind it: Postfix's XCLIENT command, taken apart. Pure.
 *
 * Only the address is believed, and with it the port: that is what a balancer knows. LOGIN is read
 * and forgotten: a password is checked here, or nobody is logged in. NAME, HELO and PROTO are read
 * and forgotten, too: nothing is decided by them, and the client says its own EHLO afterwards.
 * All attributes stand in one command: after it the client is known, and no balancer any more.
 */
#ifndef OCTROI_PROXY_SMTP_XCLIENT_H
#define OCTROI_PROXY_SMTP_XCLIENT_H

#include "proxy/smtp/command.h"

#include <sys/socket.h>

/* What EHLO offers. */
#define XCLIENT_OFFER "XCLIENT NAME ADDR PORT PROTO HELO"

struct smtp_xclient {
    bool has_address;
    /* Family AF_UNSPEC: the balancer says that it does not know. */
    struct sockaddr_storage address;
};

/* "NAME=value …", values in xtext. */
struct smtp_refusal smtp_parse_xclient(const char *arguments, struct smtp_xclient *client_out);

#endif
