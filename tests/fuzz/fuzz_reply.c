/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A provider's replies: however their bytes are cut, the same replies come out, and what is kept of
 * them can be shown and journalled.
 */
#include "adapters/smtp/reply.h"
#include "base/str.h"
#include "store/record.h"
#include "tests/fuzz/fuzz.h"

static void note_line(void *arg, unsigned number, const char *text, size_t length)
{
    struct strbuf *seen = arg;
    strbuf_add_format(seen, "line %u %zu ", number, length);
    strbuf_add(seen, text, length);
    strbuf_add_char(seen, '\n');
}

static void check_reply(const struct mail_reply *reply)
{
    size_t length = strnlen(reply->text, REPLY_TEXT_MAX);
    must(reply->code >= 200 && reply->code <= 599);
    must(length < REPLY_TEXT_MAX && utf8_valid(reply->text, length));
    for (size_t i = 0; i < length; i++)
        must(reply->text[i] == '\n' ||
             ((unsigned char)reply->text[i] >= 0x20 && reply->text[i] != 0x7f));
    char id[QUEUE_ID_MAX];
    if (reply_queue_id(reply, id)) {
        must(strpbrk(id, "0123456789") != NULL && fuzz_one_line(id));
        must(strpbrk(id, " @<>\"") == NULL);
    }
    char scrubbed[REPLY_TEXT_MAX];
    reply_scrub(reply->text, scrubbed, sizeof(scrubbed));
    must(strchr(scrubbed, '@') == NULL);
    must(utf8_valid(scrubbed, strlen(scrubbed)));
    for (const char *at = scrubbed; *at != '\0'; at += strcspn(at, "0123456789")) {
        size_t digits = strspn(at, "0123456789");
        must(digits < 8);
        at += digits;
        if (*at == '\0')
            break;
    }
}

static enum reply_status take_all(struct reply_parser *parser, struct evbuffer *input,
                                  struct strbuf *seen)
{
    enum reply_status status;
    while ((status = reply_parse(parser, input, note_line, seen)) == REPLY_DONE) {
        check_reply(&parser->reply);
        strbuf_add_format(seen, "reply %d %s\n", parser->reply.code, parser->reply.text);
    }
    return status;
}

static void read_in_pieces(const uint8_t *data, size_t size, int way, struct strbuf *seen)
{
    struct reply_parser *parser = malloc(sizeof(*parser));
    struct evbuffer *input = evbuffer_new();
    enum reply_status status = REPLY_MORE;
    uint64_t state = fuzz_hash(data, size);
    must(parser != NULL && input != NULL);
    reply_reset(parser);
    for (size_t given = 0; given < size && status == REPLY_MORE;) {
        size_t length = fuzz_cut(way, &state, size - given);
        must(evbuffer_add(input, data + given, length) == 0);
        given += length;
        status = take_all(parser, input, seen);
    }
    strbuf_add_format(seen, "end %d", status);
    must(!seen->failed);
    evbuffer_free(input);
    free(parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct strbuf whole = {0};
    read_in_pieces(data, size, CUT_WHOLE, &whole);
    for (int way = CUT_BYTES; way < CUT_WAYS; way++) {
        struct strbuf pieces = {0};
        read_in_pieces(data, size, way, &pieces);
        must(pieces.length == whole.length && memcmp(pieces.data, whole.data, whole.length) == 0);
        strbuf_free(&pieces);
    }
    strbuf_free(&whole);
    return 0;
}
