/* SPDX-License-Identifier: Apache-2.0 */
#include "office/access.h"

#include "base/clock.h"

static const char *or_null(const char *text)
{
    return text != NULL && text[0] != '\0' ? text : NULL;
}

void access_write(struct strbuf *out, struct access *access, const char *gateway, int64_t at)
{
    char when[CLOCK_TEXT];
    char key[2 * RECIPIENT_KEY_BYTES + 1];
    if (access->id[0] == '\0')
        record_new_id(access->id);
    clock_format(at, when);
    if (access->key != NULL)
        hex_encode(access->key, RECIPIENT_KEY_BYTES, key);
    strbuf_add_str(out, "{\"type\":\"access\"");
    strbuf_add_json_field(out, "id", access->id);
    strbuf_add_json_field(out, "at", when);
    strbuf_add_json_field(out, "gateway", gateway);
    strbuf_add_json_field(out, "who", access->who);
    strbuf_add_json_field(out, "act", access->act);
    strbuf_add_json_field(out, "recipient", access->key != NULL ? access->masked : NULL);
    strbuf_add_json_field(out, "recipient_key", access->key != NULL ? key : NULL);
    strbuf_add_json_field(out, "partner", or_null(access->partner));
    strbuf_add_json_field(out, "channel", or_null(access->channel));
    strbuf_add_json_field(out, "subject", or_null(access->subject));
    strbuf_add_json_field(out, "answer", or_null(access->answer));
    if (access->count > 0)
        strbuf_add_json_number(out, "count", (int64_t)access->count);
    else
        strbuf_add_json_field(out, "count", NULL);
    strbuf_add_char(out, '}');
}

bool access_record(struct journal_batch *batch, struct access *access, const char *gateway,
                   int64_t at)
{
    struct strbuf record = {0};
    access_write(&record, access, gateway, at);
    bool added = !record.failed && journal_batch_record(batch, record.data, record.length);
    strbuf_free(&record);
    return added;
}
