/* SPDX-License-Identifier: Apache-2.0 */
#include "office/decision_csv.h"

#include "base/csv_write.h"

#include <inttypes.h>

void decision_csv_names(struct strbuf *out)
{
    for (size_t i = 0; i < DECISION_FIELDS; i++)
        strbuf_add_format(out, "%s%s", i > 0 ? "," : "", decision_fields[i].name);
    strbuf_add_str(out, "\r\n");
}

void decision_csv_row(const struct log_entry *entry, struct strbuf *out)
{
    for (size_t i = 0; i < DECISION_FIELDS; i++) {
        const char *text = decision_text(entry, &decision_fields[i]);
        int64_t number;
        if (i > 0)
            strbuf_add_char(out, ',');
        if (text != NULL)
            csv_add_foreign(out, text);
        else if (decision_number(entry, &decision_fields[i], &number))
            strbuf_add_format(out, "%" PRId64, number);
    }
    strbuf_add_str(out, "\r\n");
}
