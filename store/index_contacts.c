/* SPDX-License-Identifier: Apache-2.0 */
/* The index's question: which partners had to do with this person, and which reached them. */
#include "store/index.h"

static const char contacts_sql[] = "SELECT partner, channel, max(recipient), max(at),"
                                   " max(CASE WHEN effect = 'passed' THEN at END) FROM entry"
                                   " WHERE recipient_key = ?1 GROUP BY partner, channel";

enum result journal_index_contacts(struct journal_index *index,
                                   const uint8_t key[RECIPIENT_KEY_BYTES], contact_fn *on_contact,
                                   void *arg, struct error *err)
{
    enum result result = RESULT_OK;
    int code;
    if (index->contacts == NULL)
        result = sql_prepare(index->db, contacts_sql, &index->contacts, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_blob(index->contacts, 1, key, RECIPIENT_KEY_BYTES, SQLITE_STATIC);
    while ((code = sqlite3_step(index->contacts)) == SQLITE_ROW) {
        const struct contact contact = {
            .partner = sql_text(index->contacts, 0),
            .channel = sql_text(index->contacts, 1),
            .recipient = sql_text(index->contacts, 2),
            .tried_at = sqlite3_column_int64(index->contacts, 3),
            .passed_at = sqlite3_column_int64(index->contacts, 4),
        };
        if (!on_contact(arg, &contact))
            break;
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        result = sql_failure(index->db, "index", err);
    sqlite3_reset(index->contacts);
    sqlite3_clear_bindings(index->contacts);
    return result;
}
