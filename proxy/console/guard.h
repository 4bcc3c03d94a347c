/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who comes in, and what he may do: the session's cookie or a trusted balancer's header, the role,
 * and for what acts the token that shows that the form was ours. Works at the desk, where the
 * registry is.
 */
#ifndef OCTROI_PROXY_CONSOLE_GUARD_H
#define OCTROI_PROXY_CONSOLE_GUARD_H

#include "console/visit.h"

/* What of a request says who it is from; "" where it says nothing. In the visit's arena. */
struct guard_request {
    const char *cookie;     /* Cookie, whole */
    const char *identity;   /* what a trusted balancer says who it is */
    const char *origin;     /* Origin */
    const char *fetch_site; /* Sec-Fetch-Site */
    const char *host;       /* Host */
    bool secured;           /* over TLS, from this machine, or over https to a trusted balancer */
};

/* Fills in who it is. *admitted_out false: the visit was answered: by the way to the login page, or
 * a page that says what he may not do. permits: what the page asks for (PERMIT_ bits). */
enum result guard_admit(struct visit *visit, const struct guard_request *request, unsigned permits,
                        bool *admitted_out, struct error *err);

/* The value of a cookie in a Cookie header, in the visit's arena; "" when it is not there, or
 * there twice with different values. */
const char *guard_cookie(const struct visit *visit, const char *header, const char *name);

#endif
