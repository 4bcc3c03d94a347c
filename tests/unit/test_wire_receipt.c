/* SPDX-License-Identifier: Apache-2.0 */
/* Delivery receipts as providers write them, and ids as they spell them. */
#include "tests/unit/unit.h"
#include "wire/receipt.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *label;
    const char *text;
    const char *id; /* NULL: it names no message */
    enum receipt_state state;
    const char *error;
    const char *submit;
    const char *done;
} rows[] = {
    {"appendix B",
     "id:0123456789 sub:001 dlvrd:001 submit date:2606011200 done date:2606011201 stat:DELIVRD "
     "err:000 Text:Bonjour",
     "0123456789", RECEIPT_DELIVERED, "000", "2606011200", "2606011201"},
    {"with seconds",
     "id:1 sub:001 dlvrd:000 submit date:260601120000 done date:260601120159 stat:UNDELIV err:101 "
     "text:",
     "1", RECEIPT_UNDELIVERABLE, "101", "260601120000", "260601120159"},
    {"Kannel's SMSC",
     "id:7c9b2c1e-52a8-4f4b-9b34-0ff6c2d7a7f3 sub:001 dlvrd:001 submit date:2606011200 done "
     "date:2606011200 stat:DELIVRD err:000 text:",
     "7c9b2c1e-52a8-4f4b-9b34-0ff6c2d7a7f3", RECEIPT_DELIVERED, "000", "2606011200", "2606011200"},
    {"upper case",
     "ID:A1 SUB:1 DLVRD:1 SUBMIT DATE:2606011200 DONE DATE:2606011201 STAT:delivrd "
     "ERR:0 TEXT:x",
     "A1", RECEIPT_DELIVERED, "0", "2606011200", "2606011201"},
    {"another order", "stat:EXPIRED done date:2606011201 id:77 err:5", "77", RECEIPT_EXPIRED, "5",
     "", "2606011201"},
    {"the least", "id:77", "77", RECEIPT_UNKNOWN, "", "", ""},
    {"spaces around", "  id:  77  sub: 001 stat: REJECTD  err: 12 ", "77", RECEIPT_REJECTED, "12",
     "", ""},
    {"spaces within", "id:12 34 56 sub:001 stat:ACCEPTD", "12 34 56", RECEIPT_ACCEPTED, "", "", ""},
    {"a colon within", "id:ab:cd stat:DELETED", "ab:cd", RECEIPT_DELETED, "", "", ""},
    {"lines", "id:9\r\nstat:ENROUTE\nerr:003\n", "9", RECEIPT_ENROUTE, "003", "", ""},
    {"unknown fields", "id:9 smsc:x stat:DELIVRD vendor data:7 err:003", "9", RECEIPT_DELIVERED,
     "003", "", ""},
    {"underscores", "id:9 submit_date:2606011200 done_date:2606011201 stat:DELIVERED", "9",
     RECEIPT_DELIVERED, "", "2606011200", "2606011201"},
    {"long words", "id:9 stat:UNDELIVERABLE", "9", RECEIPT_UNDELIVERABLE, "", "", ""},
    {"a state nobody knows", "id:9 stat:MAYBE err:1", "9", RECEIPT_UNKNOWN, "1", "", ""},
    {"no state", "id:9 stat: err:1", "9", RECEIPT_UNKNOWN, "1", "", ""},
    {"zeros for dates", "id:9 submit date:0000000000 done date:000000000000 stat:DELIVRD", "9",
     RECEIPT_DELIVERED, "", "", ""},
    {"no dates", "id:9 submit date:yesterday done date:20260601120000 stat:DELIVRD", "9",
     RECEIPT_DELIVERED, "", "", ""},
    {"dates of 12 and 13 digits", "id:9 submit date:260601120000 done date:2606011200001", "9",
     RECEIPT_UNKNOWN, "", "260601120000", ""},
    {"the last of ASCII", "id:a~b err:1", "a~b", RECEIPT_UNKNOWN, "1", "", ""},
    {"DEL",
     "id:a\x7f"
     "b err:1",
     NULL, RECEIPT_UNKNOWN, "1", "", ""},
    {"an error too long", "id:9 err:12345678 stat:DELIVRD", "9", RECEIPT_DELIVERED, "", "", ""},
    {"a sentence for an error", "id:9 err:a.b stat:DELIVRD", "9", RECEIPT_DELIVERED, "", "", ""},
    /* What a person or a partner wrote is not the provider's word. */
    {"fields in the text", "id:9 stat:UNDELIV text:id:8 stat:DELIVRD err:7", "9",
     RECEIPT_UNDELIVERABLE, "", "", ""},
    {"only in the text", "text:id:8 stat:DELIVRD", NULL, RECEIPT_UNKNOWN, "", "", ""},
    {"two ids", "id:9 id:8 stat:DELIVRD", "9", RECEIPT_DELIVERED, "", "", ""},
    {"an empty one first", "id: id:8 stat:DELIVRD", "8", RECEIPT_DELIVERED, "", "", ""},
    {"no id", "sub:001 stat:DELIVRD", NULL, RECEIPT_DELIVERED, "", "", ""},
    {"within a word", "paid:9 stat:DELIVRD", NULL, RECEIPT_DELIVERED, "", "", ""},
    {"nothing", "", NULL, RECEIPT_UNKNOWN, "", "", ""},
    {"a person", "STOP", NULL, RECEIPT_UNKNOWN, "", "", ""},
    {"64 characters", "id:1234567890123456789012345678901234567890123456789012345678901234 sub:001",
     "1234567890123456789012345678901234567890123456789012345678901234", RECEIPT_UNKNOWN, "", "",
     ""},
    {"65 characters",
     "id:12345678901234567890123456789012345678901234567890123456789012345 sub:001", NULL,
     RECEIPT_UNKNOWN, "", "", ""},
    {"no ASCII", "id:\xc3\xa9 stat:DELIVRD", NULL, RECEIPT_DELIVERED, "", "", ""},
    {"a control", "id:a\x01 stat:DELIVRD", NULL, RECEIPT_DELIVERED, "", "", ""},
};

static struct smpp_message message_of(const void *text, size_t length)
{
    uint8_t *copy = malloc(length > 0 ? length : 1);
    ck_assert_ptr_nonnull(copy);
    if (length > 0)
        memcpy(copy, text, length);
    return (struct smpp_message){.esm_class = SMPP_ESM_REPORT,
                                 .text = {.data = copy, .length = length}};
}

START_TEST(read_rows)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct smpp_message message = message_of(rows[i].text, strlen(rows[i].text));
        struct receipt receipt;
        bool named = receipt_read(&message, &receipt);
        ck_assert_msg(named == (rows[i].id != NULL), "%s", rows[i].label);
        ck_assert_msg(strcmp(receipt.id, named ? rows[i].id : "") == 0, "%s: id %s", rows[i].label,
                      receipt.id);
        ck_assert_msg(receipt.state == rows[i].state, "%s: %s", rows[i].label,
                      receipt_state_name(receipt.state));
        ck_assert_msg(strcmp(receipt.error, rows[i].error) == 0, "%s: error %s", rows[i].label,
                      receipt.error);
        ck_assert_msg(strcmp(receipt.submit_date, rows[i].submit) == 0, "%s: submitted %s",
                      rows[i].label, receipt.submit_date);
        ck_assert_msg(strcmp(receipt.done_date, rows[i].done) == 0, "%s: done %s", rows[i].label,
                      receipt.done_date);
        free((void *)message.text.data);
    }
}
END_TEST

START_TEST(read_any_prefix)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (size_t length = 0; length <= strlen(rows[i].text); length++) {
            struct smpp_message message = message_of(rows[i].text, length);
            struct receipt receipt;
            receipt_read(&message, &receipt);
            free((void *)message.text.data);
        }
}
END_TEST

static void add_tlv(struct smpp_message *message, uint16_t tag, const void *value, size_t length)
{
    static uint8_t tlvs[400];
    size_t used = message->tlvs.length;
    ck_assert(smpp_tlv_write(tlvs, sizeof(tlvs), &used, tag, value, length));
    message->tlvs = (struct smpp_span){.data = tlvs, .length = used};
}

START_TEST(optional_parameters)
{
    static const char text[] = "id:9 stat:UNDELIV err:007";
    struct receipt receipt;
    struct smpp_message message = message_of(text, strlen(text));
    add_tlv(&message, SMPP_TAG_RECEIPTED_MESSAGE_ID, "abc", 4);
    add_tlv(&message, SMPP_TAG_MESSAGE_STATE, "\2", 1);
    add_tlv(&message, SMPP_TAG_NETWORK_ERROR_CODE, "\3\1\2", 3);
    ck_assert(receipt_read(&message, &receipt));
    ck_assert_str_eq(receipt.id, "abc");
    ck_assert_int_eq(receipt.state, RECEIPT_DELIVERED);
    ck_assert_str_eq(receipt.error, "007");
    /* Without any text; without the NUL. */
    message.text.length = 0;
    message.tlvs.length = 0;
    add_tlv(&message, SMPP_TAG_RECEIPTED_MESSAGE_ID, "abcd", 4);
    add_tlv(&message, SMPP_TAG_MESSAGE_STATE, "\x08", 1);
    add_tlv(&message, SMPP_TAG_NETWORK_ERROR_CODE, "\3\1\2", 3);
    ck_assert(receipt_read(&message, &receipt));
    ck_assert_str_eq(receipt.id, "abcd");
    ck_assert_int_eq(receipt.state, RECEIPT_REJECTED);
    ck_assert_str_eq(receipt.error, "258");
    /* What is no id leaves the one of the text; so does a state that is none. */
    message.text.length = strlen(text);
    message.tlvs.length = 0;
    add_tlv(&message, SMPP_TAG_RECEIPTED_MESSAGE_ID, "\x01\x02", 2);
    add_tlv(&message, SMPP_TAG_MESSAGE_STATE, "\x09", 1);
    add_tlv(&message, SMPP_TAG_NETWORK_ERROR_CODE, "\3\1\2\3", 4);
    ck_assert(receipt_read(&message, &receipt));
    ck_assert_str_eq(receipt.id, "9");
    ck_assert_int_eq(receipt.state, RECEIPT_UNDELIVERABLE);
    /* Scheduled, of 5.0; an empty id; two texts, of which the short one is the receipt. */
    message.tlvs.length = 0;
    add_tlv(&message, SMPP_TAG_RECEIPTED_MESSAGE_ID, "", 0);
    add_tlv(&message, SMPP_TAG_MESSAGE_STATE, "\0", 1);
    add_tlv(&message, SMPP_TAG_MESSAGE_PAYLOAD, "id:8", 4);
    ck_assert(receipt_read(&message, &receipt));
    ck_assert_str_eq(receipt.id, "9");
    ck_assert_int_eq(receipt.state, RECEIPT_ENROUTE);
    free((void *)message.text.data);
}
END_TEST

START_TEST(other_carriers)
{
    struct receipt receipt;
    /* UTF-16, as some send all that they send. */
    static const uint8_t wide[] = "\0i\0d\0:\0\x37\0 \0s\0t\0a\0t\0:\0D\0E\0L\0I\0V\0R\0D";
    struct smpp_message message = message_of(wide, sizeof(wide) - 1);
    message.data_coding = 8;
    ck_assert(receipt_read(&message, &receipt));
    ck_assert_str_eq(receipt.id, "7");
    ck_assert_int_eq(receipt.state, RECEIPT_DELIVERED);
    free((void *)message.text.data);
    /* Behind a user data header. */
    static const char headed[] = "\5\0\3\1\1\1id:8 stat:EXPIRED";
    message = message_of(headed, sizeof(headed) - 1);
    message.esm_class |= SMPP_ESM_UDHI;
    ck_assert(receipt_read(&message, &receipt));
    ck_assert_str_eq(receipt.id, "8");
    free((void *)message.text.data);
    /* In message_payload. */
    message = message_of("", 0);
    add_tlv(&message, SMPP_TAG_MESSAGE_PAYLOAD, "id:6 stat:DELIVRD", 17);
    ck_assert(receipt_read(&message, &receipt));
    ck_assert_str_eq(receipt.id, "6");
    free((void *)message.text.data);
}
END_TEST

START_TEST(written)
{
    static const struct receipt receipt = {
        .id = "0123456789",
        .state = RECEIPT_DELIVERED,
        .error = "000",
        .submit_date = "2606011200",
        .done_date = "260601120159",
    };
    static const char wanted[] =
        "id:0123456789 sub:001 dlvrd:001 submit date:2606011200 done date:260601120159 "
        "stat:DELIVRD err:000 text:";
    char out[300];
    ck_assert_uint_eq(receipt_write(out, sizeof(out), &receipt), strlen(wanted));
    ck_assert_str_eq(out, wanted);
    ck_assert_uint_eq(receipt_write(out, strlen(wanted), &receipt), 0);
    ck_assert_uint_eq(receipt_write(out, strlen(wanted) + 1, &receipt), strlen(wanted));
    ck_assert_uint_eq(receipt_write(out, 0, &receipt), 0);
    struct receipt bare = {.id = "x", .state = RECEIPT_UNDELIVERABLE};
    ck_assert_uint_ne(receipt_write(out, sizeof(out), &bare), 0);
    ck_assert_str_eq(out, "id:x sub:001 dlvrd:000 submit date:0000000000 done date:0000000000 "
                          "stat:UNDELIV err:000 text:");
    /* There and back, in every state; the longest that there is fits short_message. */
    for (int state = RECEIPT_ENROUTE; state <= RECEIPT_REJECTED; state++) {
        struct receipt given = receipt;
        struct receipt read;
        memset(given.id, 'f', sizeof(given.id) - 1);
        memset(given.error, '9', sizeof(given.error) - 1);
        given.state = (enum receipt_state)state;
        size_t length = receipt_write(out, sizeof(out), &given);
        ck_assert_uint_gt(length, 0);
        ck_assert_uint_le(length, 254);
        struct smpp_message message = message_of(out, length);
        ck_assert(receipt_read(&message, &read));
        ck_assert_str_eq(read.id, given.id);
        ck_assert_int_eq(read.state, state);
        ck_assert_str_eq(read.error, given.error);
        ck_assert_str_eq(read.submit_date, given.submit_date);
        ck_assert_str_eq(read.done_date, given.done_date);
        free((void *)message.text.data);
    }
}
END_TEST

START_TEST(state_names)
{
    for (int state = RECEIPT_ENROUTE; state <= RECEIPT_REJECTED; state++) {
        enum receipt_state read;
        ck_assert_uint_eq(strlen(receipt_state_name((enum receipt_state)state)), 7);
        ck_assert(receipt_state_parse(receipt_state_name((enum receipt_state)state), &read));
        ck_assert_int_eq(read, state);
    }
    enum receipt_state read = RECEIPT_DELETED;
    ck_assert(!receipt_state_parse("DELIVRDX", &read));
    ck_assert(!receipt_state_parse("", &read));
    ck_assert_int_eq(read, RECEIPT_DELETED);
    ck_assert_str_eq(receipt_state_name((enum receipt_state)0), "UNKNOWN");
}
END_TEST

START_TEST(spellings)
{
    static const struct {
        const char *id;
        const char *among; /* separated by spaces: exactly these, the first one first */
    } table[] = {
        {"deadbeef", "deadbeef DEADBEEF 3735928559"},
        {"DEADBEEF", "DEADBEEF deadbeef 3735928559"},
        {"3735928559", "3735928559 deadbeef DEADBEEF 237121996121"},
        {"0000012345", "0000012345 12345 3039 74565"},
        {"12345", "12345 3039 74565 0000012345"},
        {"00ab", "00ab 00AB ab AB 171"},
        {"7C9B-2c1e", "7C9B-2c1e 7c9b-2c1e 7C9B-2C1E"},
        {"msg-0815", "msg-0815"},
        {"0", "0 0000000000"},
        {"000", "000 0 0000000000"},
        {"ffffffffffffffff", "ffffffffffffffff FFFFFFFFFFFFFFFF 18446744073709551615"},
        {"1ffffffffffffffff", "1ffffffffffffffff 1FFFFFFFFFFFFFFFF"},
        {"9999999999999999999", "9999999999999999999 8ac7230489e7ffff 8AC7230489E7FFFF"},
        {"99999999999999999999", "99999999999999999999"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char out[RECEIPT_SPELLINGS][SMPP_ID_MAX];
        char seen[RECEIPT_SPELLINGS * SMPP_ID_MAX] = "";
        size_t n = receipt_spellings(table[i].id, out);
        size_t used = 0;
        ck_assert_uint_le(n, RECEIPT_SPELLINGS);
        for (size_t j = 0; j < n; j++)
            used += (size_t)snprintf(seen + used, sizeof(seen) - used, "%s%s", j > 0 ? " " : "",
                                     out[j]);
        ck_assert_str_eq(seen, table[i].among);
    }
}
END_TEST

START_TEST(longest_spelling)
{
    char id[SMPP_ID_MAX + 1];
    char out[RECEIPT_SPELLINGS][SMPP_ID_MAX];
    memset(id, 'a', sizeof(id));
    id[SMPP_ID_MAX] = '\0';
    ck_assert_uint_eq(receipt_spellings(id, out), 0);
    id[SMPP_ID_MAX - 1] = '\0';
    ck_assert_uint_eq(receipt_spellings(id, out), 2);
    ck_assert_str_eq(out[0], id);
    ck_assert_int_eq(out[1][63], 'A');
}
END_TEST

/* Whichever of the two a provider answered with, its other spelling finds it. */
START_TEST(spellings_meet)
{
    uint64_t number = 1;
    for (int i = 0; i < 1000; i++) {
        char id[2][SMPP_ID_MAX];
        char out[RECEIPT_SPELLINGS][SMPP_ID_MAX];
        number = number * 6364136223846793005u + 1442695040888963407u;
        uint64_t value = number >> (1 + i % 60);
        snprintf(id[0], sizeof(id[0]), "%llu", (unsigned long long)value);
        snprintf(id[1], sizeof(id[1]), i % 2 ? "%llx" : "%llX", (unsigned long long)value);
        for (int from = 0; from < 2; from++) {
            bool found = false;
            size_t n = receipt_spellings(id[from], out);
            ck_assert_str_eq(out[0], id[from]);
            for (size_t j = 0; j < n; j++)
                found = found || strcmp(out[j], id[1 - from]) == 0;
            ck_assert_msg(found, "%s of %s", id[1 - from], id[from]);
        }
    }
}
END_TEST

int main(void)
{
    const TTest *const reading[] = {read_rows, read_any_prefix, optional_parameters, other_carriers,
                                    NULL};
    const TTest *const writing[] = {written,          state_names,    spellings,
                                    longest_spelling, spellings_meet, NULL};
    Suite *const suites[] = {unit_suite("read", reading), unit_suite("written", writing), NULL};
    return unit_run(suites);
}
