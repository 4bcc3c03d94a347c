/* SPDX-License-Identifier: Apache-2.0 */
/* What libevent 2.1.12 does not survive; wrapped by the linker. */
#include "tests/torture/alloc.h"

#include <openssl/ssl.h>
#include <stdlib.h>

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>

struct bufferevent *__real_bufferevent_openssl_socket_new(struct event_base *base,
                                                          evutil_socket_t fd, SSL *ssl,
                                                          enum bufferevent_ssl_state state,
                                                          int options);
struct bufferevent *__wrap_bufferevent_openssl_socket_new(struct event_base *base,
                                                          evutil_socket_t fd, SSL *ssl,
                                                          enum bufferevent_ssl_state state,
                                                          int options);

/* Its own clean-up reads through a half-made bufferevent when an evbuffer found no memory, and when
 * a callback's entry found none it goes on without: nothing we could answer. So it fails as a whole
 * or not at all: as one allocation, and as when its first one (a BIO) fails. */
struct bufferevent *__wrap_bufferevent_openssl_socket_new(struct event_base *base,
                                                          evutil_socket_t fd, SSL *ssl,
                                                          enum bufferevent_ssl_state state,
                                                          int options)
{
    void *one = malloc(1);
    if (one == NULL) {
        SSL_free(ssl);
        return NULL;
    }
    free(one);
    torture_pause();
    struct bufferevent *bev = __real_bufferevent_openssl_socket_new(base, fd, ssl, state, options);
    torture_resume();
    return bev;
}
