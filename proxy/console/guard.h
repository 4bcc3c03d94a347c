/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who comes in, and what he may do: the session's cookie or a trusted balancer's header, the role,
 * and for what acts the token that shows that the form was ours. Works at the desk, where the
 * registry is.
 *
 * Three things stand between a user's browser and another site that wants it to act: the cookie is
 * not sent with what other sites post (SameSite), a form must come from the console's own address
 * (Sec-Fetch-Site, Origin), and it must carry a token that only the holder of the session's secret
 * can make. With single sign-on there is no session: the token is then made of a secret in a cookie
 * of its own and the user's name, so that neither somebody else's cookie nor his token is of use.
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
    bool https;             /* … and not only for being from this machine */
};

/* Fills in who it is. *admitted_out false: the visit was answered: by the way to the login page, or
 * a page that says what he may not do. permits: what the page asks for (PERMIT_ bits). anybody: it
 * is for whoever comes, known or not; a form of such a page needs no token. */
enum result guard_admit(struct visit *visit, const struct guard_request *request, unsigned permits,
                        bool anybody, bool *admitted_out, struct error *err);

/* The value of a cookie in a Cookie header, in the visit's arena; "" when it is not there, or
 * there twice with different values. */
const char *guard_cookie(const struct visit *visit, const char *header, const char *name);
/* Sets one with the answer; scripts never see it. most: seconds it lasts, 0: as long as the browser
 * runs, below 0: it is taken away. False: no memory, or too many of them. */
bool guard_set_cookie(struct visit *visit, const struct guard_request *request, const char *name,
                      const char *value, const char *path, int most);

/* What the session's cookie is called. Over https it cannot be set by another host nor in clear;
 * on this machine in clear browsers do not take such a name. */
const char *guard_session_name(const struct guard_request *request);

/* Where one wanted to go, if that is a page of the console's to be shown after a login or a choice
 * of language, else "/console": nobody is sent elsewhere. */
const char *guard_way_back(const char *path);

#endif
