/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/lane.h"

enum result lane_init(struct lane *lane, struct gate *gate, struct loop *loop, const uint8_t *key,
                      size_t key_length, struct error *err)
{
    *lane = (struct lane){.gate = gate, .loop = loop};
    lane->hmac = hmac_new(key, key_length);
    lane->sessions = ticket_table_new();
    lane->binds = ticket_table_new();
    lane->requests = ticket_table_new();
    lane->flights = ticket_table_new();
    if (lane->hmac == NULL || lane->sessions == NULL || lane->binds == NULL ||
        lane->requests == NULL || lane->flights == NULL) {
        lane_end(lane);
        return error_no_memory(err);
    }
    return RESULT_OK;
}

void lane_end(struct lane *lane)
{
    store_close(&lane->store);
    snapshot_unref(&lane->snapshot);
    ticket_table_free(&lane->sessions);
    ticket_table_free(&lane->binds);
    ticket_table_free(&lane->requests);
    ticket_table_free(&lane->flights);
    hmac_free(&lane->hmac);
}
