/* SPDX-License-Identifier: Apache-2.0 */
/* What is sealed: version, channel and kind of address, a byte each, then four texts, each with its
 * NUL: partner, stream, reference, address. */
#include "proxy/unsubscribe/link.h"

#include "base/crypto.h"

#include <string.h>

#define PURPOSE      "link"
#define LINK_VERSION 1

bool link_add(const struct seal *seal, const char *public_url, const struct link *link,
              struct strbuf *out)
{
    struct strbuf clear = {0};
    struct strbuf sealed = {0};
    const uint8_t head[] = {LINK_VERSION, (uint8_t)link->channel, (uint8_t)link->address.kind};
    const char *const texts[] = {link->partner, link->stream, link->ref, link->address.text};
    size_t length = strlen(public_url);
    strbuf_add(&clear, head, sizeof(head));
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        strbuf_add(&clear, texts[i], strlen(texts[i]) + 1);
    bool made = !clear.failed && seal_close(seal, PURPOSE, clear.data, clear.length, &sealed);
    if (made) {
        while (length > 0 && public_url[length - 1] == '/')
            length--;
        strbuf_add(out, public_url, length);
        strbuf_add_str(out, "/u/");
        base64url_add(out, sealed.data, sealed.length);
    }
    if (clear.data != NULL)
        wipe(clear.data, clear.capacity);
    strbuf_free(&clear);
    strbuf_free(&sealed);
    return made && !out->failed;
}

/* The text at *at, which moves behind it. */
static bool take(const char **at, const char *end, char *out, size_t size)
{
    const char *stop = memchr(*at, '\0', (size_t)(end - *at));
    if (stop == NULL || !str_copy(out, size, *at))
        return false;
    *at = stop + 1;
    return true;
}

static bool parse(const struct strbuf *clear, struct link *link)
{
    const char *at = clear->data;
    const char *end = at + clear->length;
    if (clear->length < 3 || at[0] != LINK_VERSION || (unsigned char)at[1] >= CHANNEL_COUNT ||
        (unsigned char)at[2] > ADDRESS_PHONE)
        return false;
    link->channel = (enum channel)at[1];
    link->address.kind = (enum address_kind)at[2];
    at += 3;
    return take(&at, end, link->partner, sizeof(link->partner)) &&
           take(&at, end, link->stream, sizeof(link->stream)) &&
           take(&at, end, link->ref, sizeof(link->ref)) &&
           take(&at, end, link->address.text, sizeof(link->address.text)) && at == end;
}

enum result link_read(const struct seal *seal, const char *token, struct link *link,
                      struct error *err)
{
    struct strbuf sealed = {0};
    struct strbuf clear = {0};
    size_t length = strlen(token);
    enum result result = RESULT_OK;
    *link = (struct link){0};
    if (length > LINK_TOKEN_MAX || !base64url_parse(token, length, &sealed))
        result = sealed.failed ? error_no_memory(err)
                               : error_set(err, RESULT_BAD_INPUT, "this is no link of ours");
    if (result == RESULT_OK)
        result = seal_open(seal, PURPOSE, sealed.data, sealed.length, &clear, err);
    if (result == RESULT_OK && !parse(&clear, link)) {
        wipe(link, sizeof(*link));
        result = error_set(err, RESULT_BAD_INPUT, "this is no link that is known here");
    }
    if (clear.data != NULL)
        wipe(clear.data, clear.capacity);
    strbuf_free(&clear);
    strbuf_free(&sealed);
    return result;
}
