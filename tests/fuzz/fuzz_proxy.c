/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PROXY header: a whole one is read the same whatever follows it, no byte behind it is ever
 * asked for, and what is asked for is more than there is and never beyond the cap.
 */
#include "proxy/net/proxy_protocol.h"
#include "tests/fuzz/fuzz.h"

#include <stdbool.h>

static enum proxy_result parse(const uint8_t *data, size_t size, size_t *length_out,
                               struct sockaddr_storage *client_out)
{
    char *exact = fuzz_copy(data, size, false); /* reading past its end is seen */
    enum proxy_result result =
        proxy_protocol_parse((const uint8_t *)exact, size, length_out, client_out);
    free(exact);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sockaddr_storage client;
    struct sockaddr_storage second;
    size_t length = 0;
    size_t asked = 0;
    enum proxy_result result = parse(data, size, &length, &client);
    must(result >= PROXY_MORE && result <= PROXY_BAD);
    if (result == PROXY_CLIENT)
        must(client.ss_family == AF_INET || client.ss_family == AF_INET6);
    else
        must(client.ss_family == AF_UNSPEC);
    if (result == PROXY_MORE)
        must(length > size && length <= PROXY_HEADER_MAX);
    else if (result == PROXY_BAD)
        must(length == 0);
    else
        must(length >= PROXY_HEADER_MIN && length <= size);
    /* As a session reads it: what is asked for, no more. */
    size_t held = 0;
    enum proxy_result step = PROXY_MORE;
    while (step == PROXY_MORE) {
        step = parse(data, held, &asked, &second);
        if (step != PROXY_MORE || asked > size)
            break;
        must(asked > held);
        held = asked;
    }
    if (result != PROXY_MORE && result != PROXY_BAD) {
        must(step == result && asked == length && held == length);
        must(memcmp(&client, &second, sizeof(client)) == 0);
    } else {
        /* Less than a reader waits for may be known to be bad already. */
        must(step == result || (result == PROXY_BAD && step == PROXY_MORE && asked > size));
    }
    return 0;
}
