/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/esmtp/header.h"

#include "base/str.h"

#include <string.h>

#define BLOCK_SIZE (16 * 1024)
/* Longer names are none of those looked for. */
#define NAME_MAX_LENGTH 64

/* The fields that libESMTP 1.1.0 has a mind of its own about (headers.c); all others, Received,
 * Resent-*, MIME-* and Content-* among them, it passes as often as they come. */
enum field_rule {
    ONCE,  /* a second one is dropped */
    NEVER, /* dropped */
};

static const struct {
    const char *name;
    enum field_rule rule;
} fields[] = {
    {"Date", ONCE},
    {"From", ONCE},
    {"Message-Id", ONCE},
    {"Sender", ONCE},
    {"To", ONCE},
    {"Cc", ONCE},
    {"Bcc", ONCE},
    {"Reply-To", ONCE},
    {"Disposition-Notification-To", ONCE},
    {"Return-Path", NEVER},
    {"Original-Recipient", NEVER},
};
enum { FIELD_DATE, FIELD_FROM, FIELD_MESSAGE_ID, FIELDS = sizeof(fields) / sizeof(fields[0]) };

struct inspection {
    unsigned seen[FIELDS];
    bool is_signed;
    bool in_header;
    bool line_start;
    bool in_name;
    bool after_cr;
    size_t line_length;
    char name[NAME_MAX_LENGTH];
    size_t name_length;
    const char *wrong; /* the name of the field that would be dropped, NULL: none */
    enum field_rule wrong_rule;
};

static void take_name(struct inspection *in)
{
    if (ascii_equal_n(in->name, in->name_length, "DKIM-Signature"))
        in->is_signed = true;
    for (unsigned i = 0; i < FIELDS; i++) {
        if (!ascii_equal_n(in->name, in->name_length, fields[i].name))
            continue;
        in->seen[i]++;
        if ((fields[i].rule == NEVER || in->seen[i] > 1) && in->wrong == NULL) {
            in->wrong = fields[i].name;
            in->wrong_rule = fields[i].rule;
        }
    }
}

static void header_byte(struct inspection *in, char c)
{
    if (in->line_start) {
        in->in_name = c != ' ' && c != '\t'; /* else the field goes on */
        in->name_length = 0;
    }
    if (!in->in_name)
        return;
    if (c == ':') {
        take_name(in);
        in->in_name = false;
    } else if (in->name_length < sizeof(in->name)) {
        in->name[in->name_length++] = c;
    } else {
        in->in_name = false;
    }
}

/* False when a CR or LF stands alone. */
static bool take_byte(struct inspection *in, char c)
{
    if ((c == '\n') != in->after_cr)
        return false;
    in->after_cr = c == '\r';
    if (c == '\n') {
        if (in->line_length == 0)
            in->in_header = false;
        in->line_start = true;
        in->line_length = 0;
    } else if (c != '\r') {
        if (in->in_header)
            header_byte(in, c);
        in->line_start = false;
        in->line_length++;
    }
    return true;
}

static bool take_block(struct inspection *in, const char *block, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (!in->in_header) {
            /* The body is only looked at for its line ends. */
            while (i < length && !in->after_cr && block[i] != '\r' && block[i] != '\n')
                i++;
            if (i == length)
                break;
        }
        if (!take_byte(in, block[i]))
            return false;
    }
    return true;
}

static enum result verdict(const struct inspection *in, struct error *err)
{
    if (in->wrong != NULL && in->wrong_rule == NEVER)
        return error_set(err, RESULT_BAD_INPUT, "%s would be lost on this route", in->wrong);
    if (in->wrong != NULL)
        return error_set(err, RESULT_BAD_INPUT, "%s stands there twice", in->wrong);
    if (in->seen[FIELD_FROM] == 0)
        return error_set(err, RESULT_BAD_INPUT, "From is missing");
    if (in->seen[FIELD_DATE] == 0 && in->is_signed)
        return error_set(err, RESULT_BAD_INPUT,
                         "Date is missing, and adding one may break the signature");
    return RESULT_OK;
}

enum result letter_inspect(const struct letter *letter, struct letter_shape *shape_out,
                           struct error *err)
{
    struct inspection in = {.in_header = true, .line_start = true};
    char block[BLOCK_SIZE];
    uint64_t offset = 0;
    ptrdiff_t got;
    char last = '\n';
    while ((got = letter_read(letter, offset, block, sizeof(block), err)) > 0) {
        if (!take_block(&in, block, (size_t)got))
            return error_set(err, RESULT_BAD_INPUT, "a line does not end in CR LF");
        last = block[got - 1];
        offset += (uint64_t)got;
    }
    if (got < 0)
        return err->code;
    if (last != '\n')
        return error_set(err, RESULT_BAD_INPUT, "a line does not end in CR LF");
    shape_out->message_id = in.seen[FIELD_MESSAGE_ID] > 0;
    shape_out->date = in.seen[FIELD_DATE] > 0;
    return verdict(&in, err);
}
