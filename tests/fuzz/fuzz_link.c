/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links to leave by. The input is what stands behind "/u/": nobody makes one that opens. The input
 * is what was sealed, perhaps by another version: what is taken for a link is one, sealed anew it
 * says the same.
 */
#include "proxy/unsubscribe/link.h"
#include "tests/fuzz/folder.h"

static const struct seal *the_seal(void)
{
    static struct seal *seal;
    char path[600];
    struct error err;
    if (seal != NULL)
        return seal;
    snprintf(path, sizeof(path), "%s/seal.key", fuzz_folder());
    must(seal_create(path, &err) == RESULT_OK);
    must(seal_load(path, &seal, &err) == RESULT_OK);
    return seal;
}

static void check_token(const uint8_t *data, size_t size)
{
    struct link link;
    struct error err;
    char *token = fuzz_copy(data, size, true);
    must(link_read(the_seal(), token, &link, &err) == RESULT_BAD_INPUT);
    must(link.address.text[0] == '\0');
    free(token);
}

static void must_match(const struct link *a, const struct link *b)
{
    must(a->channel == b->channel && a->address.kind == b->address.kind);
    must(strcmp(a->partner, b->partner) == 0 && strcmp(a->stream, b->stream) == 0);
    must(strcmp(a->ref, b->ref) == 0 && strcmp(a->address.text, b->address.text) == 0);
}

static void check_sealed(const uint8_t *data, size_t size)
{
    struct strbuf sealed = {0};
    struct strbuf token = {0};
    struct strbuf url = {0};
    struct link link;
    struct link again;
    struct error err;
    must(seal_close(the_seal(), "link", data, size, &sealed));
    base64url_add(&token, sealed.data, sealed.length);
    if (link_read(the_seal(), token.data, &link, &err) == RESULT_OK) {
        must(link_add(the_seal(), "https://gate.example/", &link, &url));
        must(link_read(the_seal(), strrchr(url.data, '/') + 1, &again, &err) == RESULT_OK);
        must_match(&link, &again);
        must(url.length == token.length + strlen("https://gate.example/u/"));
    }
    strbuf_free(&sealed);
    strbuf_free(&token);
    strbuf_free(&url);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_token(data, size);
    check_sealed(data, size);
    return 0;
}
