/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Header blocks: no From field escapes the count, whatever stands around it; the domains are in
 * their one spelling; the body does not matter.
 */
#include "base/str.h"
#include "policy/recipient.h"
#include "proxy/smtp/header.h"
#include "tests/fuzz/fuzz.h"

#include <strings.h>

static enum result read_with(const char *before, const uint8_t *data, size_t size, bool utf8,
                             struct arena *arena, struct mail_content *content_out)
{
    struct error err = {0};
    struct strbuf text = {0};
    strbuf_add_str(&text, before);
    strbuf_add(&text, data, size);
    must(!text.failed);
    char *block = fuzz_copy(text.data != NULL ? text.data : "", text.length, false);
    enum result result = header_read(block, text.length, utf8, arena, content_out, &err);
    must(result == RESULT_OK || (result == RESULT_BAD_INPUT && fuzz_one_line(err.text)));
    strbuf_free(&text);
    free(block);
    return result;
}

/* Lines that begin with "From:", up to the empty line. */
static unsigned count_from(const char *text, size_t size)
{
    unsigned count = 0;
    const char *end = text + size;
    while (text < end && !(end - text >= 2 && text[0] == '\r' && text[1] == '\n')) {
        count += end - text >= 5 && strncasecmp(text, "From:", 5) == 0;
        const char *feed = memchr(text, '\n', (size_t)(end - text));
        text = feed != NULL ? feed + 1 : end;
    }
    return count;
}

static void check_content(const struct mail_content *content)
{
    must(content->n_from_domains <= 16);
    must(content->from_headers > 0 || (content->n_from_domains == 0 && !content->from_unreadable));
    must(content->from_headers == 0 || content->from_unreadable || content->n_from_domains > 0);
    for (size_t i = 0; i < content->n_from_domains; i++) {
        char again[DOMAIN_MAX];
        must(domain_normalise(content->from_domains[i], again, NULL) == RESULT_OK);
        must(strcmp(again, content->from_domains[i]) == 0);
    }
}

static void must_match(const struct mail_content *a, const struct mail_content *b)
{
    must(a->from_headers == b->from_headers && a->from_unreadable == b->from_unreadable);
    must(a->n_from_domains == b->n_from_domains);
    for (size_t i = 0; i < a->n_from_domains; i++)
        must(strcmp(a->from_domains[i], b->from_domains[i]) == 0);
    must(a->list_unsubscribe == b->list_unsubscribe);
    must(a->list_unsubscribe_post == b->list_unsubscribe_post);
}

static enum result check_block(const uint8_t *data, size_t size, bool utf8, struct arena *arena,
                               struct mail_content *content_out)
{
    struct mail_content second;
    if (read_with("", data, size, utf8, arena, content_out) != RESULT_OK)
        return RESULT_BAD_INPUT;
    check_content(content_out);
    must(content_out->from_headers == count_from((const char *)data, size));
    must(read_with("X-Fuzz: <a@b.example>\r\n", data, size, utf8, arena, &second) == RESULT_OK);
    must_match(content_out, &second);
    must(read_with("fROM: other@elsewhere.example\r\n", data, size, utf8, arena, &second) ==
         RESULT_OK);
    must(second.from_headers == content_out->from_headers + 1);
    must(second.n_from_domains == 1 && !second.from_unreadable);
    must(strcmp(second.from_domains[0], "elsewhere.example") == 0);
    const char *empty = memmem(data, size, "\r\n\r\n", 4);
    if (empty != NULL) {
        size_t block = (size_t)((const uint8_t *)empty - data) + 4;
        must(read_with("", data, block, utf8, arena, &second) == RESULT_OK);
        must_match(content_out, &second);
    }
    return RESULT_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(512 * 1024);
    struct mail_content content;
    struct mail_content wider;
    must(arena != NULL);
    enum result without = check_block(data, size, false, arena, &content);
    if (check_block(data, size, true, arena, &wider) == RESULT_OK) {
        /* SMTPUTF8 is stricter, and changes nothing beside that. */
        must(without == RESULT_OK);
        must_match(&content, &wider);
    }
    arena_free(&arena);
    return 0;
}
