/* SPDX-License-Identifier: Apache-2.0 */
/* SMPP into bytes: every room that is too small, every maximum, and there and back. */
#include "tests/unit/test_wire_parts.h"

static struct smpp_message roomy_message(void)
{
    static uint8_t text[254];
    struct smpp_message message = submit_message;
    memset(text, 't', sizeof(text));
    message.text = (struct smpp_span){.data = text, .length = sizeof(text)};
    return message;
}

static size_t write_kind(int which, uint8_t *out, size_t room)
{
    static const struct smpp_bind bind = {.system_id = "gate", .password = "p", .version = 0x34};
    static const struct smpp_destination to[] = {{.address = {.ton = 1, .text = "33698000001"}},
                                                 {.list = true, .address.text = "all"}};
    static const struct smpp_refused_destination refused = {.address.text = "1", .status = 3};
    struct smpp_message message = roomy_message();
    struct smpp_message data = message;
    data.text.length = 0;
    switch (which) {
    case 0:
        return smpp_header_write(out, room, SMPP_ENQUIRE_LINK, 0, 1);
    case 1:
        return smpp_bind_write(out, room, SMPP_BIND_TRANSMITTER, 1, &bind);
    case 2:
        return smpp_message_write(out, room, SMPP_SUBMIT_SM, 1, &message);
    case 3:
        return smpp_message_write(out, room, SMPP_DATA_SM, 1, &data);
    case 4:
        return smpp_multi_write(out, room, 1, &message, to, 2);
    case 5:
        return smpp_response_write(out, room, SMPP_SUBMIT_SM, 0, 1, "id");
    case 6:
        return smpp_response_write(out, room, SMPP_SUBMIT_SM, 8, 1, "id");
    case 7:
        return smpp_multi_response_write(out, room, 1, "id", &refused, 1);
    default:
        return smpp_bind_response_write(out, room, SMPP_BIND_RECEIVER, 0, 1, "gate", 0x34);
    }
}

START_TEST(every_room)
{
    static uint8_t out[1000];
    size_t needed = write_kind(_i, out, sizeof(out));
    ck_assert_uint_ge(needed, 16);
    struct smpp_header header;
    smpp_header_read(out, &header);
    ck_assert_uint_eq(header.length, needed);
    for (size_t room = 0; room <= needed; room++) {
        uint8_t *exact = malloc(room > 0 ? room : 1);
        ck_assert_ptr_nonnull(exact);
        ck_assert_uint_eq(write_kind(_i, exact, room), room < needed ? 0 : needed);
        free(exact);
    }
}
END_TEST

/* Addresses of 20 characters, 40 in a bind; one more, and nothing is written. */
START_TEST(addresses_are_not_cut)
{
    static uint8_t out[400];
    static const char digits[] = "12345678901234567890123456789012345678901234567890";
    static const struct smpp_destination plain = {.address.text = "1"};
    for (size_t length = 19; length <= 42; length++) {
        struct smpp_message message = {0};
        struct smpp_destination to[2] = {{.list = true}, {.list = false}};
        struct smpp_refused_destination refused = {.status = 1};
        struct smpp_bind bind = {.version = 0x34};
        char system_id[50];
        memcpy(refused.address.text, digits, length);
        memcpy(to[length % 2].address.text, digits, length);
        memcpy(message.destination.text, digits, length);
        memcpy(bind.range.text, digits, length);
        memcpy(system_id, digits, length);
        system_id[length] = '\0';
        bool fits = length <= 20;
        ck_assert(fits == (smpp_message_write(out, 400, SMPP_DELIVER_SM, 1, &message) > 0));
        message.source = message.destination;
        ck_assert(fits == (smpp_multi_write(out, 400, 1, &message, &plain, 1) > 0));
        ck_assert(fits == (smpp_multi_response_write(out, 400, 1, "i", &refused, 1) > 0));
        ck_assert(fits == (smpp_multi_write(out, 400, 1, &(struct smpp_message){0}, to, 2) > 0));
        ck_assert((length <= 40) == (smpp_bind_write(out, 400, SMPP_BIND_RECEIVER, 1, &bind) > 0));
        system_id[length - 4] = '\0';
        ck_assert((length - 4 <= 15) ==
                  (smpp_bind_response_write(out, 400, SMPP_BIND_RECEIVER, 0, 1, system_id, 0) > 0));
    }
}
END_TEST

START_TEST(nothing_is_cut)
{
    static uint8_t out[70000];
    static uint8_t large[SMPP_PDU_MAX];
    struct smpp_message message = submit_message;
    message.text = (struct smpp_span){.data = large, .length = 255};
    ck_assert_uint_eq(smpp_message_write(out, sizeof(out), SMPP_SUBMIT_SM, 1, &message), 0);
    message.text.length = 254;
    ck_assert_uint_ne(smpp_message_write(out, sizeof(out), SMPP_SUBMIT_SM, 1, &message), 0);
    ck_assert_uint_eq(smpp_message_write(out, sizeof(out), SMPP_DATA_SM, 1, &message), 0);
    /* An address of data_sm's length. */
    memset(message.source.text, '1', 21);
    ck_assert_uint_eq(smpp_message_write(out, sizeof(out), SMPP_SUBMIT_SM, 1, &message), 0);
    message.text.length = 0;
    ck_assert_uint_ne(smpp_message_write(out, sizeof(out), SMPP_DATA_SM, 1, &message), 0);
    /* Without a NUL, and what is behind it in memory is one. */
    message.destination.ton = 0;
    memset(message.source.text, '1', sizeof(message.source.text));
    ck_assert_uint_eq(smpp_message_write(out, sizeof(out), SMPP_DATA_SM, 1, &message), 0);
    message = submit_message;
    memcpy(message.schedule, "000001", 7);
    ck_assert_uint_eq(smpp_message_write(out, sizeof(out), SMPP_SUBMIT_SM, 1, &message), 0);
    /* A time without its NUL, though one is behind it. */
    memset(message.schedule, '0', sizeof(message.schedule));
    ck_assert_uint_eq(smpp_message_write(out, sizeof(out), SMPP_SUBMIT_SM, 1, &message), 0);
    /* The largest PDU, and one byte more. */
    message = submit_message;
    size_t bare = sizeof(submit_bytes) - message.tlvs.length;
    message.tlvs = (struct smpp_span){.data = large, .length = SMPP_PDU_MAX - bare};
    ck_assert_uint_eq(smpp_message_write(out, sizeof(out), SMPP_SUBMIT_SM, 1, &message),
                      SMPP_PDU_MAX);
    message.tlvs.length++;
    ck_assert_uint_eq(smpp_message_write(out, sizeof(out), SMPP_SUBMIT_SM, 1, &message), 0);
    char id[SMPP_ID_MAX + 1];
    memset(id, 'i', sizeof(id));
    ck_assert_uint_eq(smpp_response_write(out, sizeof(out), SMPP_SUBMIT_SM, 0, 1, id), 0);
    id[SMPP_ID_MAX - 1] = '\0';
    ck_assert_uint_eq(smpp_response_write(out, sizeof(out), SMPP_SUBMIT_SM, 0, 1, id), 16 + 65);
}
END_TEST

/* ---- there and back ---- */

static uint32_t seed = 20260601;

static unsigned any(unsigned n)
{
    return any_of(&seed, n);
}

static void any_text(char *out, size_t most)
{
    size_t length = any(3) == 0 ? most : any((unsigned)most + 1);
    for (size_t i = 0; i < length; i++)
        out[i] = (char)(1 + any(255));
    out[length] = '\0';
}

START_TEST(there_and_back)
{
    static const uint32_t commands[] = {SMPP_SUBMIT_SM, SMPP_DELIVER_SM, SMPP_DATA_SM};
    static uint8_t out[2000];
    static uint8_t again[2000];
    for (int run = 0; run < 20000; run++) {
        uint32_t command = commands[any(3)];
        bool data = command == SMPP_DATA_SM;
        struct smpp_message given = {0};
        struct smpp_message read;
        uint8_t text[254];
        uint8_t tlv[600];
        size_t tlv_length = 0;
        any_text(given.service_type, 5);
        any_text(given.source.text, data ? 64 : 20);
        any_text(given.destination.text, data ? 64 : 20);
        given.source.ton = (uint8_t)any(256);
        given.destination.npi = (uint8_t)any(256);
        given.esm_class = (uint8_t)any(256);
        given.data_coding = (uint8_t)any(256);
        given.registered = (uint8_t)any(256);
        if (!data) {
            given.protocol_id = (uint8_t)any(256);
            given.priority = (uint8_t)any(256);
            given.replace = (uint8_t)any(256);
            given.default_message = (uint8_t)any(256);
            if (any(2))
                memset(given.schedule, 'S', 16);
            if (any(2))
                memset(given.validity, 'V', 16);
            for (size_t i = 0; i < sizeof(text); i++)
                text[i] = (uint8_t)any(256);
            given.text = (struct smpp_span){.data = text, .length = any(255)};
        }
        for (unsigned n = any(5); n > 0; n--)
            ck_assert(smpp_tlv_write(tlv, sizeof(tlv), &tlv_length, (uint16_t)any(65536), text,
                                     data ? 0 : any(100)));
        given.tlvs = (struct smpp_span){.data = tlv, .length = tlv_length};
        size_t length = smpp_message_write(out, sizeof(out), command, (uint32_t)run, &given);
        ck_assert_uint_ne(length, 0);
        uint8_t *body = copy_of(out + 16, length - 16);
        ck_assert_uint_eq(smpp_message_read(command, body, length - 16, &read), SMPP_ROK);
        ck_assert_uint_eq(read.text.length, given.text.length);
        ck_assert_uint_eq(read.tlvs.length, given.tlvs.length);
        ck_assert_uint_eq(smpp_message_write(again, sizeof(again), command, (uint32_t)run, &read),
                          length);
        ck_assert_mem_eq(out, again, length);
        /* All but the spans and what lies behind a NUL. */
        ck_assert_str_eq(read.source.text, given.source.text);
        ck_assert_str_eq(read.destination.text, given.destination.text);
        ck_assert_str_eq(read.validity, given.validity);
        ck_assert_uint_eq(read.replace, given.replace);
        ck_assert_uint_eq(read.registered, given.registered);
        free(body);
    }
}
END_TEST

int main(void)
{
    Suite *every = suite_create("every");
    TCase *kinds_case = tcase_create("kinds");
    tcase_set_timeout(kinds_case, UNIT_SECONDS);
    tcase_add_loop_test(kinds_case, every_room, 0, 9);
    suite_add_tcase(every, kinds_case);
    const TTest *const tests[] = {addresses_are_not_cut, nothing_is_cut, there_and_back, NULL};
    Suite *const suites[] = {every, unit_suite("written", tests), NULL};
    return unit_run(suites);
}
