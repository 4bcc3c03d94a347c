/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Domain names to their one spelling. An ASCII name without A-labels, the usual case, never
 * reaches the Unicode library; whatever the library makes of another is checked like any other.
 */
#include "policy/recipient.h"

#include "base/str.h"

#include <idn2.h>
#include <string.h>

#define LABEL_MAX 63
/* Four bytes of UTF-8 for each character that could still fit. */
#define UNICODE_DOMAIN_MAX (4 * (DOMAIN_MAX - 1))

static enum result bad(struct error *err, const char *what)
{
    return error_set(err, RESULT_BAD_INPUT, "%s", what);
}

static bool letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static enum result check_label(const char *label, size_t length, struct error *err)
{
    if (length == 0)
        return bad(err, "the domain has an empty label");
    if (length > LABEL_MAX)
        return bad(err, "a label of the domain is longer than 63 characters");
    if (label[0] == '-' || label[length - 1] == '-')
        return bad(err, "a label of the domain begins or ends with a hyphen");
    for (size_t i = 0; i < length; i++)
        if (!letter_or_digit(label[i]) && label[i] != '-')
            return bad(err, "the domain has a character that no host name may have");
    return RESULT_OK;
}

/* Letters, digits and hyphens (RFC 1123, RFC 5321 4.1.2), already in lower case. */
static enum result check_domain(const char *domain, struct error *err)
{
    const char *label = domain;
    for (;;) {
        size_t length = strcspn(label, ".");
        enum result result = check_label(label, length, err);
        if (result != RESULT_OK)
            return result;
        if (label[length] == '\0')
            break;
        label += length + 1;
    }
    /* RFC 3696: no top-level domain is numeric, so this is an IP address in disguise. */
    if (strspn(label, "0123456789") == strlen(label))
        return bad(err, "the domain ends in a number, as an IP address does");
    return RESULT_OK;
}

static bool has_a_label(const char *domain)
{
    for (; domain != NULL; domain = strchr(domain, '.')) {
        domain += *domain == '.';
        if (ascii_has_prefix(domain, "xn--"))
            return true;
    }
    return false;
}

static enum result to_a_labels(const char *text, char *out, struct error *err)
{
    uint8_t *name = NULL;
    if (strlen(text) > UNICODE_DOMAIN_MAX)
        return bad(err, "the domain is longer than 255 characters");
    int code = idn2_lookup_u8((const uint8_t *)text, &name, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (code == IDN2_MALLOC)
        return error_no_memory(err);
    if (code != IDN2_OK)
        return bad(err, "the domain is not a valid internationalised name");
    bool fits = str_copy(out, DOMAIN_MAX, (const char *)name);
    idn2_free(name);
    return fits ? RESULT_OK : bad(err, "the domain is longer than 255 characters");
}

enum result domain_normalise(const char *text, char *out, struct error *err)
{
    size_t length = strlen(text);
    bool ascii = true;
    for (size_t i = 0; i < length && ascii; i++)
        ascii = (unsigned char)text[i] < 0x80;
    if (!ascii && !utf8_valid(text, length))
        return bad(err, "the domain is not UTF-8");
    if (!ascii || has_a_label(text)) {
        enum result result = to_a_labels(text, out, err);
        if (result != RESULT_OK)
            return result;
    } else if (!str_copy(out, DOMAIN_MAX, text)) {
        return bad(err, "the domain is longer than 255 characters");
    }
    ascii_lower(out);
    return check_domain(out, err);
}
