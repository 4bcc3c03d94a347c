/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever a peer sends as a PDU: what is understood is written again as the same bytes, what is
 * not leaves nothing behind; TLVs stay within it; its text, if it can be read, travels there and
 * back and is cut without loss; a receipt read is the receipt written.
 */
#include "base/str.h"
#include "policy/stop.h"
#include "tests/fuzz/fuzz.h"
#include "wire/receipt.h"
#include "wire/smpp.h"
#include "wire/sms_text.h"

enum { INPUT_MOST = 70000 };

static bool all_zero(const void *memory, size_t size)
{
    const uint8_t *bytes = memory;
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

static void check_status(uint32_t status)
{
    must(strncmp(smpp_status_name(status), "ESME_R", 6) == 0);
}

static void must_be_within(struct smpp_span span, const uint8_t *body, size_t length)
{
    if (span.length > 0)
        must(span.data >= body && span.length <= length &&
             (size_t)(span.data - body) <= length - span.length);
}

/* ---- its text ---- */

/* The parts of an encoded text, in order and whole, are the text. */
static void check_cut(const uint8_t *bytes, size_t length, enum sms_alphabet alphabet,
                      const struct sms_shape *shape)
{
    size_t next = 0;
    size_t most = shape->parts == 1         ? (shape->data_coding == 8 ? 140 : 160)
                  : shape->data_coding == 8 ? 2 * SMS_PART_UCS2_LONG
                                            : SMS_PART_GSM_LONG;
    for (unsigned part = 1; part <= shape->parts; part++) {
        size_t from;
        size_t n;
        sms_cut(bytes, length, alphabet, shape, part, &from, &n);
        must(from == next && n <= most && (n > 0 || length == 0));
        next = from + n;
    }
    must(shape->parts == 0 || next == length);
}

static void check_utf8(const char *text, enum sms_alphabet alphabet)
{
    struct sms_shape shape;
    size_t length;
    size_t size = strlen(text) * 4;
    must(utf8_valid(text, strlen(text)));
    must(sms_measure(text, alphabet, &shape));
    uint8_t *bytes = malloc(size + 1);
    char *back = malloc(3 * size + 1);
    must(bytes != NULL && back != NULL);
    must(sms_encode(text, alphabet, &shape, bytes, size, &length));
    must(shape.data_coding == 8 ? length == 2 * shape.units : length <= shape.units);
    must(sms_decode(shape.data_coding, alphabet, bytes, length, back, 3 * size + 1));
    must(strcmp(back, text) == 0);
    check_cut(bytes, length, alphabet, &shape);
    free(back);
    free(bytes);
}

static void check_stop(const char *text)
{
    struct strbuf around = {0};
    bool asked = stop_asked(text);
    stop_mentioned(text);
    strbuf_add_str(&around, " ... ");
    strbuf_add_str(&around, text);
    must(!around.failed && stop_asked(around.data) == asked);
    strbuf_add_str(&around, " ! STOP au 36111");
    must(!around.failed && stop_mentioned(around.data));
    strbuf_clear(&around);
    strbuf_add_str(&around, "Stop ");
    strbuf_add_str(&around, text);
    must(!around.failed && stop_asked(around.data));
    strbuf_free(&around);
}

static void check_text(const struct smpp_message *message, struct smpp_span span)
{
    struct sms_part part;
    size_t header = 0;
    uint8_t *bytes = (uint8_t *)fuzz_copy(span.data, span.length, false);
    if ((message->esm_class & SMPP_ESM_UDHI) != 0) {
        header = sms_header_length(bytes, span.length);
        must(header <= span.length);
        if (sms_header_part(bytes, span.length, &part))
            must(part.number >= 1 && part.number <= part.total && part.total <= 255 && header > 0);
    }
    size_t size = 3 * (span.length - header) + 1;
    char *text = malloc(size);
    must(text != NULL);
    for (int alphabet = 0; alphabet < 2; alphabet++) {
        if (sms_decode(message->data_coding, (enum sms_alphabet)alphabet, bytes + header,
                       span.length - header, text, size)) {
            check_utf8(text, SMS_ALPHABET_GSM);
            check_utf8(text, SMS_ALPHABET_LATIN1);
            check_stop(text);
        }
    }
    free(text);
    free(bytes);
}

static void check_receipt(const struct smpp_message *message)
{
    char spellings[RECEIPT_SPELLINGS][SMPP_ID_MAX];
    struct receipt receipt;
    struct receipt again;
    char text[400];
    bool named = receipt_read(message, &receipt);
    must(named == (receipt.id[0] != '\0'));
    must(receipt.state >= RECEIPT_ENROUTE && receipt.state <= RECEIPT_REJECTED);
    if (!named)
        return;
    must(fuzz_one_line(receipt.id) && strlen(receipt.id) < SMPP_ID_MAX);
    size_t n = receipt_spellings(receipt.id, spellings);
    must(n >= 1 && n <= RECEIPT_SPELLINGS && strcmp(spellings[0], receipt.id) == 0);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            must(strcmp(spellings[i], spellings[j]) != 0);
    size_t length = receipt_write(text, sizeof(text), &receipt);
    must(length > 0 && length <= 254);
    /* A provider's id of several words may hold what looks like a field. */
    if (strchr(receipt.id, ' ') != NULL)
        return;
    const struct smpp_message written = {
        .esm_class = SMPP_ESM_REPORT,
        .text = {.data = (const uint8_t *)text, .length = length},
    };
    must(receipt_read(&written, &again));
    must(strcmp(again.id, receipt.id) == 0 && again.state == receipt.state);
    must(strcmp(again.error, receipt.error[0] != '\0' ? receipt.error : "000") == 0);
    must(strcmp(again.submit_date, receipt.submit_date) == 0);
    must(strcmp(again.done_date, receipt.done_date) == 0);
}

static void check_message(const struct smpp_message *message, const uint8_t *body, size_t length)
{
    struct smpp_span value;
    uint32_t number;
    must_be_within(message->text, body, length);
    must_be_within(message->tlvs, body, length);
    must(strlen(message->schedule) == 0 || strlen(message->schedule) == 16);
    must(strlen(message->validity) == 0 || strlen(message->validity) == 16);
    for (unsigned tag = 0; tag < 0x500; tag++)
        if (smpp_tlv_find(message->tlvs, (uint16_t)tag, &value)) {
            must_be_within(value, body, length);
            must(smpp_tlv_number(message->tlvs, (uint16_t)tag, &number) ==
                 (value.length >= 1 && value.length <= 4));
        }
    if (smpp_message_text(message, &value)) {
        must_be_within(value, body, length);
        check_text(message, value);
    }
    check_receipt(message);
}

/* ---- the kinds ---- */

/* The bytes that came, written again from what was understood; no room but the right one does. */
#define SAME_AGAIN(write_call)                                        \
    do {                                                              \
        size_t room = length + SMPP_HEADER_BYTES;                     \
        uint8_t *out = malloc(room);                                  \
        must(out != NULL);                                            \
        must((write_call) == (room <= SMPP_PDU_MAX ? room : 0));      \
        if (room <= SMPP_PDU_MAX) {                                   \
            must(memcmp(out + SMPP_HEADER_BYTES, body, length) == 0); \
            room--;                                                   \
            must((write_call) == 0);                                  \
        }                                                             \
        free(out);                                                    \
    } while (0)

static void try_message(uint32_t command, const uint8_t *body, size_t length)
{
    struct smpp_message message;
    uint32_t status = smpp_message_read(command, body, length, &message);
    check_status(status);
    if (status != SMPP_ROK) {
        must(all_zero(&message, sizeof(message)));
        return;
    }
    check_message(&message, body, length);
    SAME_AGAIN(smpp_message_write(out, room, command, 1, &message));
}

static void try_multi(const uint8_t *body, size_t length)
{
    static struct smpp_destination destinations[SMPP_MULTI_MAX];
    struct smpp_message message;
    size_t n;
    uint32_t status = smpp_multi_read(body, length, &message, destinations, &n);
    check_status(status);
    if (status != SMPP_ROK) {
        must(n == 0 && all_zero(&message, sizeof(message)));
        return;
    }
    must(n >= 1 && n <= SMPP_MULTI_MAX);
    check_message(&message, body, length);
    SAME_AGAIN(smpp_multi_write(out, room, 1, &message, destinations, n));
}

static void try_bind(const uint8_t *body, size_t length)
{
    struct smpp_bind bind;
    uint32_t status = smpp_bind_read(body, length, &bind);
    check_status(status);
    if (status != SMPP_ROK) {
        must(all_zero(&bind, sizeof(bind)));
        return;
    }
    SAME_AGAIN(smpp_bind_write(out, room, SMPP_BIND_TRANSCEIVER, 1, &bind));
}

static void try_response(const uint8_t *body, size_t length)
{
    struct smpp_response response;
    uint32_t status = smpp_response_read(body, length, &response);
    check_status(status);
    if (status != SMPP_ROK) {
        must(all_zero(&response, sizeof(response)));
        return;
    }
    must_be_within(response.tlvs, body, length);
    if (length > 0 && response.tlvs.length == 0)
        SAME_AGAIN(smpp_response_write(out, room, SMPP_SUBMIT_SM, 0, 1, response.message_id));
}

static void try_id(uint32_t command, const uint8_t *body, size_t length)
{
    char id[SMPP_ID_MAX];
    uint32_t status = smpp_id_read(command, body, length, id);
    check_status(status);
    must(status == SMPP_ROK ? strnlen(id, SMPP_ID_MAX) < SMPP_ID_MAX : all_zero(id, sizeof(id)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct smpp_header header;
    if (size < SMPP_HEADER_BYTES || size > INPUT_MOST)
        return 0;
    smpp_header_read(data, &header);
    must(smpp_command_name(header.command)[0] != '\0');
    size_t length = size - SMPP_HEADER_BYTES;
    uint8_t *body = (uint8_t *)fuzz_copy(data + SMPP_HEADER_BYTES, length, false);
    switch (header.command) {
    case SMPP_BIND_RECEIVER:
    case SMPP_BIND_TRANSMITTER:
    case SMPP_BIND_TRANSCEIVER:
        try_bind(body, length);
        break;
    case SMPP_SUBMIT_SM:
    case SMPP_DELIVER_SM:
    case SMPP_DATA_SM:
        try_message(header.command, body, length);
        break;
    case SMPP_SUBMIT_MULTI:
        try_multi(body, length);
        break;
    case SMPP_QUERY_SM:
    case SMPP_CANCEL_SM:
    case SMPP_REPLACE_SM:
        try_id(header.command, body, length);
        break;
    default:
        try_response(body, length);
    }
    free(body);
    return 0;
}
