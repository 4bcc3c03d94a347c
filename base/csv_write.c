/* SPDX-License-Identifier: Apache-2.0 */
#include "base/csv_write.h"

void csv_add_field(struct strbuf *buf, const char *text)
{
    if (text[strcspn(text, ",\"\r\n")] == '\0') {
        strbuf_add_str(buf, text);
        return;
    }
    strbuf_add_char(buf, '"');
    for (; *text != '\0'; text++) {
        if (*text == '"')
            strbuf_add_char(buf, '"');
        strbuf_add_char(buf, *text);
    }
    strbuf_add_char(buf, '"');
}

void csv_add_foreign(struct strbuf *buf, const char *text)
{
    struct strbuf safe = {0};
    if (!csv_is_formula(text, strlen(text))) {
        csv_add_field(buf, text);
        return;
    }
    strbuf_add_char(&safe, '\'');
    strbuf_add_str(&safe, text);
    if (safe.failed)
        buf->failed = true;
    else
        csv_add_field(buf, safe.data);
    strbuf_free(&safe);
}
