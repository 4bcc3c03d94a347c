/* SPDX-License-Identifier: Apache-2.0 */
/* Hides ids that would tell a number; holds nothing. */
#include "proxy/sms/ids.h"

#include "base/str.h"

#include <string.h>

#define TELLING_DIGITS 8
#define KEPT_BYTES     16

void sms_id_on_record(struct hmac *hmac, const char *id, const char *number, char out[SMPP_ID_MAX])
{
    uint8_t hash[SHA256_BYTES];
    size_t length = strlen(number);
    const char *end = number + (length > TELLING_DIGITS ? length - TELLING_DIGITS : 0);
    if (*end == '\0' || strstr(id, end) == NULL) {
        str_copy(out, SMPP_ID_MAX, id);
        return;
    }
    out[0] = '\0';
    if (!hmac_compute(hmac, id, strlen(id), hash))
        return;
    out[0] = '#';
    hex_encode(hash, KEPT_BYTES, out + 1);
}
