/* SPDX-License-Identifier: Apache-2.0 */
/* The functions quiet.h sends the fakes to: the real ones, with failures suspended. */
#include "base/loop.h"
#include "base/str.h"
#include "policy/recipient.h"
#include "tests/torture/alloc.h"

#include <event2/buffer.h>
#include <event2/event.h>

enum result quiet_recipient_make(struct hmac *key, const struct address *address,
                                 struct recipient *out, struct error *err);
enum result quiet_address_parse_email(const char *text, struct address *out, struct error *err);
void quiet_strbuf_add(struct strbuf *buf, const void *bytes, size_t length);
unsigned char *quiet_evbuffer_pullup(struct evbuffer *buf, ev_ssize_t size);

enum result quiet_recipient_make(struct hmac *key, const struct address *address,
                                 struct recipient *out, struct error *err)
{
    torture_pause();
    enum result result = recipient_make(key, address, out, err);
    torture_resume();
    return result;
}

enum result quiet_address_parse_email(const char *text, struct address *out, struct error *err)
{
    torture_pause();
    enum result result = address_parse_email(text, out, err);
    torture_resume();
    return result;
}

void quiet_strbuf_add(struct strbuf *buf, const void *bytes, size_t length)
{
    torture_pause();
    strbuf_add(buf, bytes, length);
    torture_resume();
}

unsigned char *quiet_evbuffer_pullup(struct evbuffer *buf, ev_ssize_t size)
{
    torture_pause();
    unsigned char *data = evbuffer_pullup(buf, size);
    torture_resume();
    return data;
}

void __wrap_loop_turn(struct loop *loop);

/* While memory stays short, TLS input cannot be read and its socket stays readable: the real turn,
 * which goes on until nothing is ready, would never end. (A gateway's loop sees to others and to
 * deadlines between two attempts.) */
void __wrap_loop_turn(struct loop *loop)
{
    for (int i = 0; i < 4; i++)
        event_base_loop(loop_base(loop), EVLOOP_NONBLOCK | EVLOOP_ONCE);
}
