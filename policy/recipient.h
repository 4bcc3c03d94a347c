/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is written to. An address is normalised (e-mail: domain to A-label and lower case, local
 * part case-folded, plus-tags and dots kept; phone: E.164), then only two things of it are ever
 * stored: its key (HMAC-SHA-256 under the gateway's key) and its masked form. Pure: no I/O.
 */
#ifndef OCTROI_POLICY_RECIPIENT_H
#define OCTROI_POLICY_RECIPIENT_H

#include "base/crypto.h"
#include "base/error.h"
#include "base/str.h"
#include "policy/model.h"

#define RECIPIENT_KEY_BYTES 32
#define ADDRESS_MAX         320 /* bytes of a normalised address with its NUL */
#define DOMAIN_MAX          256

enum address_kind { ADDRESS_EMAIL, ADDRESS_PHONE };

struct address {
    enum address_kind kind;
    char text[ADDRESS_MAX]; /* clear and normalised: never stored, never logged */
};

struct recipient {
    uint8_t key[RECIPIENT_KEY_BYTES];
    /* "j•••@example.org", "+33 6 •• •• •• 78": at least one character of a local part is hidden;
     * the domain is kept. UTF-8. */
    char masked[ADDRESS_MAX + 16];
};

/* Syntax of RFC 5321 Mailbox (also with UTF-8, RFC 6531), without source route, address literal,
 * control character, '%' or '!' routing, or an '@' inside a quoted local part. Limits: local part
 * 64 bytes, domain 255. The error's text says what is wrong and never repeats the address. */
enum result address_parse_email(const char *text, struct address *address_out, struct error *err);
/* region: ISO 3166 code by which a national number is read, such as "FR". */
enum result address_parse_phone(const char *text, const char *region, struct address *address_out,
                                struct error *err);
/* An '@' makes it an e-mail address, else it is read as a phone number. */
enum result address_parse(const char *text, const char *region, struct address *address_out,
                          struct error *err);
/* Whether such an address can be reached on the channel (post is keyed by either). */
bool address_fits(enum address_kind kind, enum channel channel);

/* Domain to A-labels and lower case (IDNA 2008, UTS 46 non-transitional). out: DOMAIN_MAX bytes. */
enum result domain_normalise(const char *text, char *out, struct error *err);

/* RESULT_SYSTEM when the hash fails. The mask never shows more than the contract's examples. Its
 * two halves are for who needs but one of them: masking a phone number takes longer than its key.
 */
enum result recipient_make(struct hmac *hmac, const struct address *address,
                           struct recipient *recipient_out, struct error *err);
enum result recipient_make_key(struct hmac *hmac, const struct address *address,
                               uint8_t key_out[RECIPIENT_KEY_BYTES], struct error *err);
void recipient_mask(const struct address *address, struct recipient *recipient);

/* Free text that people write (evidence, a reason) may repeat an address. */

/* Where text first repeats this address, as given or as normalised, whatever the case; NULL when it
 * does not. */
const char *recipient_find(const char *text, const char *given, const struct address *address,
                           size_t *length_out);
/* Appends text to out with this address replaced by its masked form. */
void recipient_hide(const char *text, const char *given, const struct address *address,
                    const struct recipient *recipient, struct strbuf *out);
/* Whether text may hold an e-mail address, anybody's; also as it stands in a URL ("%40"). */
bool text_has_email(const char *text);
/* Appends text to out with each e-mail address replaced by its masked form. */
void text_hide_emails(const char *text, struct strbuf *out);
/* Where text first holds a telephone number, as dialled or as people part it ("06 12 34 56 78",
 * "+33 (0)6.12..."), that region's or an international one; NULL when it holds none. Only what is
 * a number that could be dialled counts: dates and the like are not mistaken for one as a rule. */
const char *text_find_phone(const char *text, const char *region, struct address *address_out,
                            size_t *length_out);
/* Appends text to out with each e-mail address and telephone number replaced by its masked form. */
void text_hide_addresses(const char *text, const char *region, struct strbuf *out);

#endif
