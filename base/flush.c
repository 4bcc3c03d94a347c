/* SPDX-License-Identifier: Apache-2.0 */
#include "base/flush.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>
#include <event2/event.h>

bool flush_now(struct bufferevent *bev)
{
    struct evbuffer *output = bufferevent_get_output(bev);
    evutil_socket_t fd = bufferevent_getfd(bev);
    if (evbuffer_get_length(output) == 0)
        return true;
    if (fd < 0 || (bufferevent_get_enabled(bev) & EV_WRITE) == 0)
        return false;
    /* A bufferevent keeps others from taking out of the front of its output. */
    evbuffer_unfreeze(output, 1);
    (void)evbuffer_write(output, fd);
    evbuffer_freeze(output, 1);
    if (evbuffer_get_length(output) > 0)
        return false;
    /* Adding had asked for the write event; under the changelist the kernel never hears of it. */
    event_del(&bev->ev_write);
    return true;
}
