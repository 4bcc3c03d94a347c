/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivery receipts in and out. Reading is lenient about order, case, spaces and what is missing,
 * strict about the one thing that matters: a message id that is not one is none.
 */
#include "wire/receipt.h"

#include "base/str.h"
#include "wire/sms_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- states ---- */

static const struct {
    enum receipt_state state;
    const char *name; /* of appendix B; 7 characters */
    const char *long_name;
} states[] = {
    {RECEIPT_ENROUTE, "ENROUTE", "EN_ROUTE"},
    {RECEIPT_DELIVERED, "DELIVRD", "DELIVERED"},
    {RECEIPT_EXPIRED, "EXPIRED", "EXPIRED"},
    {RECEIPT_DELETED, "DELETED", "DELETED"},
    {RECEIPT_UNDELIVERABLE, "UNDELIV", "UNDELIVERABLE"},
    {RECEIPT_ACCEPTED, "ACCEPTD", "ACCEPTED"},
    {RECEIPT_UNKNOWN, "UNKNOWN", "UNKNOWN"},
    {RECEIPT_REJECTED, "REJECTD", "REJECTED"},
};
#define STATES (sizeof(states) / sizeof(states[0]))

const char *receipt_state_name(enum receipt_state state)
{
    for (size_t i = 0; i < STATES; i++)
        if (states[i].state == state)
            return states[i].name;
    return "UNKNOWN";
}

bool receipt_state_parse(const char *text, enum receipt_state *state_out)
{
    for (size_t i = 0; i < STATES; i++)
        if (ascii_equal(text, states[i].name) || ascii_equal(text, states[i].long_name)) {
            *state_out = states[i].state;
            return true;
        }
    return false;
}

/* ---- in ---- */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

enum field {
    FIELD_ID,
    FIELD_SUBMIT,
    FIELD_DONE,
    FIELD_STATE,
    FIELD_ERROR,
    FIELD_TEXT,
    FIELD_OTHER
};

struct text {
    const char *at;
    size_t length;
};

static enum field field_named(const char *name, size_t length)
{
    static const struct {
        const char *name;
        enum field field;
    } fields[] = {
        {"id", FIELD_ID},      {"submit date", FIELD_SUBMIT}, {"submit_date", FIELD_SUBMIT},
        {"stat", FIELD_STATE}, {"done date", FIELD_DONE},     {"done_date", FIELD_DONE},
        {"err", FIELD_ERROR},  {"text", FIELD_TEXT},
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (ascii_equal_n(name, length, fields[i].name))
            return fields[i].field;
    return FIELD_OTHER;
}

/* A name and its colon at a word's beginning: letters, and the two names of two words. Returns its
 * length with the colon, 0 when there is none. */
static size_t field_name(const struct text *rest, enum field *field_out)
{
    size_t n = 0;
    while (n < rest->length && (is_letter(rest->at[n]) || rest->at[n] == '_'))
        n++;
    if (n + 5 < rest->length && rest->at[n] == ' ' && ascii_equal_n(rest->at + n + 1, 4, "date") &&
        (ascii_equal_n(rest->at, n, "submit") || ascii_equal_n(rest->at, n, "done")))
        n += 5;
    if (n == 0 || n >= rest->length || rest->at[n] != ':')
        return 0;
    *field_out = field_named(rest->at, n);
    return n + 1;
}

/* The value that rest begins with: up to the next name, without spaces around it. rest moves on. */
static struct text field_value(struct text *rest)
{
    size_t end = 0;
    bool word = false; /* a name begins a word, an id may have a colon within */
    for (; end < rest->length; end++) {
        struct text from = {.at = rest->at + end, .length = rest->length - end};
        enum field field;
        if (word && field_name(&from, &field) > 0)
            break;
        word = is_space(rest->at[end]);
    }
    struct text value = {.at = rest->at, .length = end};
    rest->at += end;
    rest->length -= end;
    while (value.length > 0 && is_space(value.at[0])) {
        value.at++;
        value.length--;
    }
    while (value.length > 0 && is_space(value.at[value.length - 1]))
        value.length--;
    return value;
}

/* Printable ASCII that is not too long: what an id can be, and what can be kept of it. */
static bool copy_id(char out[SMPP_ID_MAX], const char *id, size_t length)
{
    out[0] = '\0';
    if (length == 0 || length >= SMPP_ID_MAX)
        return false;
    for (size_t i = 0; i < length; i++)
        if (id[i] < 0x20 || id[i] > 0x7e)
            return false;
    return str_copy_n(out, SMPP_ID_MAX, id, length);
}

/* The first word of a value, if it has only the characters that it may. */
static void copy_word(char *out, size_t size, struct text value, const char *characters)
{
    size_t n = 0;
    while (n < value.length && !is_space(value.at[n]))
        n++;
    out[0] = '\0';
    if (n >= size)
        return;
    for (size_t i = 0; i < n; i++)
        if (value.at[i] == '\0' || strchr(characters, value.at[i]) == NULL)
            return;
    str_copy_n(out, size, value.at, n);
}

#define DIGITS  "0123456789"
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

static void copy_date(char out[13], struct text value)
{
    copy_word(out, 13, value, DIGITS);
    /* What octroi and others write when they do not know. */
    if (strspn(out, "0") == strlen(out))
        out[0] = '\0';
}

static void read_field(struct receipt *receipt, enum field field, struct text value)
{
    char state[16];
    switch (field) {
    case FIELD_ID:
        if (receipt->id[0] == '\0')
            copy_id(receipt->id, value.at, value.length);
        break;
    case FIELD_SUBMIT:
        copy_date(receipt->submit_date, value);
        break;
    case FIELD_DONE:
        copy_date(receipt->done_date, value);
        break;
    case FIELD_STATE:
        copy_word(state, sizeof(state), value, LETTERS "_");
        receipt_state_parse(state, &receipt->state);
        break;
    case FIELD_ERROR:
        copy_word(receipt->error, sizeof(receipt->error), value, DIGITS LETTERS "-");
        break;
    case FIELD_TEXT:
    case FIELD_OTHER:
        break;
    }
}

/* Behind "text:" come a person's words or a partner's, which may look like fields. */
static void read_text(struct receipt *receipt, struct text rest)
{
    while (rest.length > 0) {
        enum field field;
        size_t name = field_name(&rest, &field);
        if (name > 0 && field == FIELD_TEXT)
            return;
        rest.at += name;
        rest.length -= name;
        struct text value = field_value(&rest);
        if (name > 0)
            read_field(receipt, field, value);
    }
}

static void read_tlvs(struct receipt *receipt, struct smpp_span tlvs)
{
    struct smpp_span value;
    uint32_t state;
    char id[SMPP_ID_MAX];
    if (smpp_tlv_find(tlvs, SMPP_TAG_RECEIPTED_MESSAGE_ID, &value) && value.length > 0) {
        const char *text = (const char *)value.data;
        /* The NUL that ends it is often missing. */
        if (copy_id(id, text, strnlen(text, value.length)))
            str_copy(receipt->id, sizeof(receipt->id), id);
    }
    if (smpp_tlv_number(tlvs, SMPP_TAG_MESSAGE_STATE, &state)) {
        if (state >= RECEIPT_ENROUTE && state <= RECEIPT_REJECTED)
            receipt->state = (enum receipt_state)state;
        else if (state == 0) /* 5.0: scheduled */
            receipt->state = RECEIPT_ENROUTE;
    }
    /* A byte for the kind of network, two for the error. */
    if (receipt->error[0] == '\0' && smpp_tlv_find(tlvs, SMPP_TAG_NETWORK_ERROR_CODE, &value) &&
        value.length == 3)
        snprintf(receipt->error, sizeof(receipt->error), "%03u",
                 (unsigned)value.data[1] << 8 | value.data[2]);
}

/* No receipt is longer: 65 of id, the fields, and 20 characters of text; the rest is of no use. */
#define RECEIPT_TEXT_MAX 512

bool receipt_read(const struct smpp_message *message, struct receipt *receipt_out)
{
    struct smpp_span text;
    char wide[RECEIPT_TEXT_MAX];
    *receipt_out = (struct receipt){.state = RECEIPT_UNKNOWN};
    if (!smpp_message_text(message, &text))
        text = message->text;
    if ((message->esm_class & SMPP_ESM_UDHI) != 0 && text.length > 0) {
        size_t header = sms_header_length(text.data, text.length);
        text.data += header;
        text.length -= header;
    }
    if (text.length > 0 && message->data_coding == 8 &&
        sms_decode(8, SMS_ALPHABET_GSM, text.data, text.length, wide, sizeof(wide)))
        read_text(receipt_out, (struct text){.at = wide, .length = strlen(wide)});
    else if (text.length > 0)
        read_text(receipt_out,
                  (struct text){.at = (const char *)text.data,
                                .length = text.length < RECEIPT_TEXT_MAX ? text.length
                                                                         : RECEIPT_TEXT_MAX});
    read_tlvs(receipt_out, message->tlvs);
    return receipt_out->id[0] != '\0';
}

/* ---- out ---- */

size_t receipt_write(char *out, size_t room, const struct receipt *receipt)
{
    static const char no_date[] = "0000000000";
    bool delivered = receipt->state == RECEIPT_DELIVERED;
    int length = snprintf(
        out, room,
        "id:%s sub:001 dlvrd:%s submit date:%s done date:%s stat:%s err:%s text:", receipt->id,
        delivered ? "001" : "000", receipt->submit_date[0] != '\0' ? receipt->submit_date : no_date,
        receipt->done_date[0] != '\0' ? receipt->done_date : no_date,
        receipt_state_name(receipt->state), receipt->error[0] != '\0' ? receipt->error : "000");
    return length > 0 && (size_t)length < room ? (size_t)length : 0;
}

/* ---- spellings ---- */

struct spellings {
    char (*out)[SMPP_ID_MAX];
    size_t n;
};

static void add(struct spellings *spellings, const char *id)
{
    for (size_t i = 0; i < spellings->n; i++)
        if (strcmp(spellings->out[i], id) == 0)
            return;
    if (spellings->n < RECEIPT_SPELLINGS && id[0] != '\0' &&
        str_copy(spellings->out[spellings->n], SMPP_ID_MAX, id))
        spellings->n++;
}

/* In lower and in upper case. */
static void add_cases(struct spellings *spellings, const char *id)
{
    char other[SMPP_ID_MAX];
    str_copy(other, sizeof(other), id);
    ascii_lower(other);
    add(spellings, other);
    for (char *c = other; *c != '\0'; c++)
        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 'a' + 'A');
    add(spellings, other);
}

size_t receipt_spellings(const char *id, char spellings_out[RECEIPT_SPELLINGS][SMPP_ID_MAX])
{
    struct spellings spellings = {.out = spellings_out};
    char number[SMPP_ID_MAX];
    size_t length = strnlen(id, SMPP_ID_MAX);
    size_t digits = strspn(id, DIGITS);
    size_t hex = strspn(id, DIGITS "ABCDEFabcdef");
    if (length == SMPP_ID_MAX)
        return 0;
    add(&spellings, id);
    /* Also of ids with hyphens. */
    if (strspn(id, DIGITS "ABCDEFabcdef-") == length && digits < length)
        add_cases(&spellings, id);
    if (hex != length || length == 0)
        return spellings.n;
    const char *bare = id + strspn(id, "0");
    if (*bare == '\0')
        bare--; /* the number 0 */
    add(&spellings, bare);
    size_t bare_length = strlen(bare);
    if (digits == length && bare_length <= 19) {
        snprintf(number, sizeof(number), "%" PRIx64, (uint64_t)strtoull(bare, NULL, 10));
        add_cases(&spellings, number);
    } else if (digits < length) {
        add_cases(&spellings, bare);
    }
    if (bare_length <= 16) {
        snprintf(number, sizeof(number), "%" PRIu64, (uint64_t)strtoull(bare, NULL, 16));
        add(&spellings, number);
    }
    /* Appendix B has ids of ten digits. */
    if (digits == length && bare_length < 10) {
        snprintf(number, sizeof(number), "%010" PRIu64, (uint64_t)strtoull(bare, NULL, 10));
        add(&spellings, number);
    }
    return spellings.n;
}
