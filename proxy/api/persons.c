/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is held on a person, for who gives the address. It comes in a body, never in a URL: those
 * end up in other people's logs.
 */
#include "office/person.h"

#include "base/clock.h"
#include "office/sheet.h"
#include "proxy/api/work.h"

#include <string.h>

struct asked {
    struct address address; /* clear: wiped */
    struct recipient recipient;
};

/* False: refused, or err is set. */
static enum result read_person(struct api_work *work, struct desk_tools *tools, struct asked *asked,
                               bool *read_out, struct error *err)
{
    static const char *const names[] = {"recipient", NULL};
    const char *text = api_text(work->in, "recipient");
    struct error why = {0};
    *read_out = false;
    if (!api_known(work, work->in, names))
        return RESULT_OK;
    if (text == NULL)
        return api_malformed(work, "recipient", "must be an e-mail address or a telephone number");
    if (address_parse(text, work->config->region, &asked->address, &why) != RESULT_OK)
        return api_refuse(work, 422, "bad-recipient", "This is no address", "%s", why.text);
    *read_out = true;
    return recipient_make(tools->hmac, &asked->address, &asked->recipient, err);
}

static enum result write_person(struct api_work *work, struct desk_tools *tools,
                                const struct asked *asked, struct error *err)
{
    const struct person_sources from = {work->snapshot->config, tools->registry, tools->index};
    struct person person = {0};
    struct sheet sheet = {.language = LANGUAGE_EN};
    enum result result =
        person_read(&from, &asked->address, &asked->recipient, work->now, &person, err);
    if (result != RESULT_OK)
        return result;
    sheet_begin_loose(&sheet, err);
    person_write_summary(&person, &sheet);
    work->access.answer = person_is_unknown(&person) ? "nothing held" : "told";
    result = sheet_end_loose(&sheet, &work->out);
    person_free(&person);
    return result;
}

enum result api_person(struct api_work *work, struct desk_tools *tools, struct error *err)
{
    struct asked *asked = arena_alloc(work->arena, sizeof(*asked));
    bool read;
    if (asked == NULL)
        return error_no_memory(err);
    enum result result = read_person(work, tools, asked, &read, err);
    if (result == RESULT_OK && read)
        result = desk_index(tools, err);
    if (result == RESULT_OK && read) {
        work->access.act = "person.read";
        work->access.key = asked->recipient.key;
        work->access.masked = asked->recipient.masked;
        result = write_person(work, tools, asked, err);
    }
    wipe(&asked->address, sizeof(asked->address));
    return result;
}
