/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses: a normalised one is its own normal form (else an opt-out under one spelling would miss
 * the other), the mask gives away no more than promised, an error's text never repeats the address.
 */
#include "base/str.h"
#include "policy/recipient.h"
#include "tests/fuzz/fuzz.h"

#include <ctype.h>

#define DOT "\u2022"

static void check_email(const char *text, const char *masked)
{
    const char *domain = strrchr(text, '@');
    const char *masked_domain = strrchr(masked, '@');
    must(domain != NULL && masked_domain != NULL && strcmp(domain, masked_domain) == 0);
    must(strchr(text, '@') == domain && strchr(masked, '@') == masked_domain);
    for (const char *at = domain + 1; *at != '\0'; at++)
        must(strchr("abcdefghijklmnopqrstuvwxyz0123456789.-", *at) != NULL);
    must(utf8_valid(text, strlen(text)));
    /* At most the first character, and never the only one, then three dots. */
    const char *local = text + (*text == '"');
    size_t length = (size_t)(domain - local) - (*text == '"');
    size_t shown = (size_t)(masked_domain - masked);
    must(shown >= strlen(DOT DOT DOT));
    shown -= strlen(DOT DOT DOT);
    must(memcmp(masked + shown, DOT DOT DOT, strlen(DOT DOT DOT)) == 0);
    must(shown < length && memcmp(masked, local, shown) == 0);
    must(shown == 0 || shown == utf8_sequence((const unsigned char *)local, length));
}

static size_t count_digits(const char *text)
{
    size_t digits = 0;
    for (; *text != '\0'; text++)
        digits += *text >= '0' && *text <= '9';
    return digits;
}

static void check_phone(const char *text, const char *masked)
{
    must(text[0] == '+' && strspn(text + 1, "0123456789") == strlen(text + 1));
    must(strlen(text) > 4 && strlen(text) <= 18);
    must(count_digits(masked) + 4 <= count_digits(text));
}

static void check_address(const struct address *address)
{
    static const uint8_t key[RECIPIENT_KEY_BYTES] = {1};
    static struct hmac *hmac;
    struct recipient recipient;
    if (hmac == NULL)
        hmac = hmac_new(key, sizeof(key));
    must(hmac != NULL);
    must(recipient_make(hmac, address, &recipient, NULL) == RESULT_OK);
    must(fuzz_one_line(address->text) && fuzz_one_line(recipient.masked));
    if (address->kind == ADDRESS_EMAIL)
        check_email(address->text, recipient.masked);
    else
        check_phone(address->text, recipient.masked);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {0};
    struct address first;
    struct address second;
    char *text = fuzz_copy(data, size, true);
    enum result result = address_parse(text, "FR", &first, &err);
    if (result == RESULT_OK) {
        check_address(&first);
        must(address_parse(first.text, "FR", &second, &err) == RESULT_OK);
        must(first.kind == second.kind && strcmp(first.text, second.text) == 0);
        /* ASCII case names nobody else. */
        for (char *at = text; *at != '\0'; at++)
            *at = (char)((unsigned char)*at < 0x80 ? toupper((unsigned char)*at) : *at);
        must(address_parse(text, "FR", &second, &err) == RESULT_OK);
        must(strcmp(first.text, second.text) == 0);
    } else {
        must(result == RESULT_BAD_INPUT && fuzz_one_line(err.text));
        /* Shorter texts may be part of any sentence. */
        if (strlen(text) >= 8 && strchr(text, ' ') == NULL)
            must(strstr(err.text, text) == NULL);
    }
    free(text);
    return 0;
}
