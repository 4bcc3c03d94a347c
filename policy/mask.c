/* SPDX-License-Identifier: Apache-2.0 */
/* The masked form of an address, and its key: the only two things of it that are ever stored. Also
 * where people wrote one into a text that is stored. */
#include "policy/recipient.h"

#include "base/str.h"
#include "policy/phone.h"

#include <string.h>

#define DOT        "\u2022"
#define HIDDEN_MIN 4 /* digits of a phone number that are hidden, however short it is */
#define SHOWN_TAIL 2
#define PHONE_MAX  64

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The first character, three dots (their number tells nothing), the domain. */
static void mask_email(const char *text, char *out, size_t size)
{
    const char *domain = strrchr(text, '@');
    size_t length = (size_t)(domain - text);
    if (*text == '"') {
        text++;
        length -= 2;
    }
    size_t first = utf8_sequence((const unsigned char *)text, length);
    if (first == length)
        first = 0;
    str_copy_n(out, size, text, first);
    str_copy(out + first, size - first, DOT DOT DOT);
    first += strlen(DOT DOT DOT);
    str_copy(out + first, size - first, domain);
}

/* The country code, the first digit after it and the last two stay; a short number gives up its
 * first digit, then its last ones, before fewer than HIDDEN_MIN are hidden. */
static void mask_phone(const char *e164, char *out, size_t size)
{
    char text[PHONE_MAX];
    if (!phone_to_international(e164, text, sizeof(text)))
        str_copy(text, sizeof(text), e164);
    size_t start = strcspn(text, " ");
    if (text[start] == '\0')
        start = 0; /* no telling where the country code ends: it counts as hidden digits */
    size_t digits = 0;
    for (const char *at = text + start; *at != '\0'; at++)
        digits += is_digit(*at);
    size_t spare = digits > HIDDEN_MIN ? digits - HIDDEN_MIN : 0;
    size_t tail = spare < SHOWN_TAIL ? spare : SHOWN_TAIL;
    size_t head = spare > tail && start > 0 ? 1 : 0;
    size_t used = 0;
    size_t seen = 0;
    for (const char *at = text; *at != '\0'; at++) {
        bool hide = false;
        if (at >= text + start && is_digit(*at)) {
            hide = seen >= head && seen < digits - tail;
            seen++;
        }
        size_t length = hide ? strlen(DOT) : 1;
        if (used + length >= size)
            break;
        memcpy(out + used, hide ? DOT : at, length);
        used += length;
    }
    out[used] = '\0';
}

enum result recipient_make_key(struct hmac *hmac, const struct address *address,
                               uint8_t key_out[RECIPIENT_KEY_BYTES], struct error *err)
{
    if (!hmac_compute(hmac, address->text, strlen(address->text), key_out))
        return error_set(err, RESULT_SYSTEM, "the recipient's key could not be computed");
    return RESULT_OK;
}

void recipient_mask(const struct address *address, struct recipient *recipient)
{
    if (address->kind == ADDRESS_EMAIL)
        mask_email(address->text, recipient->masked, sizeof(recipient->masked));
    else
        mask_phone(address->text, recipient->masked, sizeof(recipient->masked));
}

enum result recipient_make(struct hmac *hmac, const struct address *address,
                           struct recipient *recipient_out, struct error *err)
{
    enum result result = recipient_make_key(hmac, address, recipient_out->key, err);
    if (result == RESULT_OK)
        recipient_mask(address, recipient_out);
    return result;
}

/* ---- within texts ---- */

const char *recipient_find(const char *text, const char *given, const struct address *address,
                           size_t *length_out)
{
    const char *const spellings[] = {given, address->text};
    const char *first = NULL;
    for (size_t i = 0; i < 2; i++) {
        const char *hit = strcasestr(text, spellings[i]);
        if (hit != NULL && (first == NULL || hit < first)) {
            first = hit;
            *length_out = strlen(spellings[i]);
        }
    }
    return first;
}

void recipient_hide(const char *text, const char *given, const struct address *address,
                    const struct recipient *recipient, struct strbuf *out)
{
    size_t length = 0;
    for (const char *hit; (hit = recipient_find(text, given, address, &length)) != NULL;
         text = hit + length) {
        strbuf_add(out, text, (size_t)(hit - text));
        strbuf_add_str(out, recipient->masked);
    }
    strbuf_add_str(out, text);
}

static const char *const at_signs[] = {"@", "%40", "\uff20"};

/* The next sign that may stand within an address. */
static const char *find_at(const char *text, size_t *length_out)
{
    const char *first = NULL;
    for (size_t i = 0; i < sizeof(at_signs) / sizeof(at_signs[0]); i++) {
        const char *hit = strstr(text, at_signs[i]);
        if (hit != NULL && (first == NULL || hit < first)) {
            first = hit;
            *length_out = strlen(at_signs[i]);
        }
    }
    return first;
}

/* What a local part is made of where people write it down. Not '=', '/', '?' and '&': they part it
 * from the rest of a URL. */
static bool in_local_part(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (unsigned char)c >= 0x80 || (c != '\0' && strchr(".!#$%'*+-^_`{|}~", c) != NULL);
}

/* A form version ("jeu-ete@3") and a lone sign are no addresses: a domain begins with a letter, or
 * has a dot behind its first label. */
static bool begins_domain(const char *text)
{
    size_t label = strspn(text, "0123456789-");
    unsigned char next = (unsigned char)text[label];
    return *text == '[' || (next >= 'a' && next <= 'z') || (next >= 'A' && next <= 'Z') ||
           next >= 0x80 || (label > 0 && next == '.' && in_local_part(text[label + 1]));
}

bool text_has_email(const char *text)
{
    size_t length;
    return find_at(text, &length) != NULL;
}

void text_hide_emails(const char *text, struct strbuf *out)
{
    const char *from = text;
    size_t length = 0;
    for (const char *at = text; (at = find_at(at, &length)) != NULL; at += length) {
        const char *local = at;
        while (local > from && in_local_part(local[-1]))
            local--;
        if (local == at && local > from && local[-1] == '"') { /* "a b"@example.org */
            do
                local--;
            while (local > from && local[-1] != '"');
            local -= local > from;
        }
        if (local == at || !begins_domain(at + length))
            continue;
        size_t shown = utf8_sequence((const unsigned char *)local, (size_t)(at - local));
        if (*local == '"' || local + shown >= at)
            shown = 0;
        strbuf_add(out, from, (size_t)(local - from) + shown);
        strbuf_add_str(out, DOT DOT DOT);
        from = at;
    }
    strbuf_add_str(out, from);
}

/* ---- telephone numbers in texts ---- */

enum { PHONE_DIGITS_LEAST = 8, PHONE_DIGITS_MOST = 17 }; /* E.164's 15, with 00 before them */

static const char phone_parts[] = "0123456789 .-_()+";

/* The longest number that begins at text: its length; 0 when none does. */
static size_t phone_at(const char *text, const char *region, struct address *address_out)
{
    char number[PHONE_DIGITS_MOST + 2]; /* as dialled */
    size_t lengths[PHONE_DIGITS_MOST];  /* of text, with so many digits; 0: in the midst of a run */
    size_t digits = 0;
    size_t plus = *text == '+';
    size_t most = strspn(text + plus, phone_parts) + plus;
    number[0] = '+';
    for (size_t i = plus; i < most && text[i] != '+' && digits < PHONE_DIGITS_MOST; i++) {
        if (!is_digit(text[i]))
            continue;
        number[plus + digits] = text[i];
        lengths[digits++] = is_digit(text[i + 1]) ? 0 : i + 1;
    }
    for (; digits >= PHONE_DIGITS_LEAST; digits--) {
        number[plus + digits] = '\0';
        if (lengths[digits - 1] != 0 &&
            address_parse_phone(number, region, address_out, NULL) == RESULT_OK)
            return lengths[digits - 1];
    }
    return 0;
}

const char *text_find_phone(const char *text, const char *region, struct address *address_out,
                            size_t *length_out)
{
    for (const char *at = text; *at != '\0'; at++) {
        bool begins = *at == '+' ? is_digit(at[1]) || at[1] == '(' : is_digit(*at);
        if (!begins)
            continue;
        *length_out = phone_at(at, region, address_out);
        if (*length_out > 0)
            return at;
        while (is_digit(at[1]))
            at++;
    }
    return NULL;
}

/* parted: only those that people part in a way that no e-mail address can hold. */
static void hide_phones(const char *text, const char *region, bool parted, struct strbuf *out)
{
    struct address address;
    struct recipient recipient;
    size_t length;
    const char *hit;
    for (; (hit = text_find_phone(text, region, &address, &length)) != NULL; text = hit + length) {
        strbuf_add(out, text, (size_t)(hit - text));
        if (parted && strcspn(hit, " ()") >= length) {
            strbuf_add(out, hit, length);
            continue;
        }
        recipient_mask(&address, &recipient);
        strbuf_add_str(out, recipient.masked);
    }
    strbuf_add_str(out, text);
}

/* "06 12 34 56 78_jean@..." is both: the number first. "jean.0612345678@..." is one address. */
void text_hide_addresses(const char *text, const char *region, struct strbuf *out)
{
    struct strbuf first = {0};
    struct strbuf second = {0};
    hide_phones(text, region, true, &first);
    text_hide_emails(first.data != NULL ? first.data : "", &second);
    hide_phones(second.data != NULL ? second.data : "", region, false, out);
    out->failed |= first.failed || second.failed;
    strbuf_free(&first);
    strbuf_free(&second);
}
