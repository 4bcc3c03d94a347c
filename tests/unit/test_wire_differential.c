/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same PDUs written by libsmpp34, an implementation of other people's: byte for byte what ours
 * writes, and read back by ours. Only its encoder is used: its decoder believes the lengths it is
 * given. Where the two differ by intent is said at the place.
 */
#include "tests/unit/unit.h"
#include "wire/smpp.h"

#include <libsmpp34/smpp34.h>
#include <libsmpp34/smpp34_structs.h>
/* Needs the one above, which sorting would put behind it. */
#include <libsmpp34/smpp34_params.h>
#include <string.h>

enum { RUNS = 2000, ROOM = 8192 };

static uint32_t seed = 20260601;

static unsigned any(unsigned n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

/* Printable, of 0 to most characters; into both. */
static void any_text(char *ours, uint8_t *theirs, size_t most)
{
    size_t length = any(4) == 0 ? most : any((unsigned)most + 1);
    for (size_t i = 0; i < length; i++)
        ours[i] = (char)(0x21 + any(0x5e));
    ours[length] = '\0';
    memcpy(theirs, ours, length + 1);
}

/* Theirs knows only the numbers of the specification. */
static uint8_t any_ton(void)
{
    return (uint8_t)any(7);
}

static uint8_t any_npi(void)
{
    static const uint8_t known[] = {0, 1, 3, 4, 6, 8, 9, 10};
    return known[any(sizeof(known))];
}

static size_t packed(uint8_t *out, void *pdu)
{
    int length = 0;
    ck_assert_msg(smpp34_pack2(out, ROOM, &length, pdu) == 0, "libsmpp34: %d %s", smpp34_errno,
                  smpp34_strerror);
    return (size_t)length;
}

static void same(const uint8_t *theirs, size_t theirs_length, const uint8_t *ours,
                 size_t ours_length)
{
    ck_assert_uint_eq(ours_length, theirs_length);
    ck_assert_mem_eq(ours, theirs, ours_length);
}

/* Texts have 253 bytes at most: theirs refuses the 254th, which the specification allows.
 *
 * What a submit_sm, deliver_sm, data_sm and submit_multi of theirs have in common by name. */
#define FILL_SOURCE(pdu, message)                                               \
    do {                                                                        \
        any_text((message)->service_type, (pdu)->service_type, 5);              \
        any_text((message)->source.text, (pdu)->source_addr, 20);               \
        (pdu)->source_addr_ton = (message)->source.ton = any_ton();             \
        (pdu)->source_addr_npi = (message)->source.npi = any_npi();             \
        (pdu)->esm_class = (message)->esm_class = (uint8_t)any(256);            \
        (pdu)->registered_delivery = (message)->registered = (uint8_t)any(256); \
        (pdu)->data_coding = (message)->data_coding = (uint8_t)any(256);        \
    } while (0)

#define FILL_DESTINATION(pdu, message)                                      \
    do {                                                                    \
        any_text((message)->destination.text, (pdu)->destination_addr, 20); \
        (pdu)->dest_addr_ton = (message)->destination.ton = any_ton();      \
        (pdu)->dest_addr_npi = (message)->destination.npi = any_npi();      \
    } while (0)

#define FILL_SHORT(pdu, message)                                                          \
    do {                                                                                  \
        (pdu)->protocol_id = (message)->protocol_id = (uint8_t)any(256);                  \
        (pdu)->priority_flag = (message)->priority = (uint8_t)any(256);                   \
        (pdu)->replace_if_present_flag = (message)->replace = (uint8_t)any(256);          \
        (pdu)->sm_default_msg_id = (message)->default_message = (uint8_t)any(256);        \
        (pdu)->sm_length = (uint8_t)any(254);                                             \
        for (size_t i = 0; i < (pdu)->sm_length; i++)                                     \
            (pdu)->short_message[i] = (uint8_t)any(256);                                  \
        (message)->text =                                                                 \
            (struct smpp_span){.data = (pdu)->short_message, .length = (pdu)->sm_length}; \
    } while (0)

#define FILL_TIMES(pdu, message)                                           \
    do {                                                                   \
        if (any(2) != 0) {                                                 \
            memcpy((message)->schedule, "260601120000000+", 17);           \
            memcpy((pdu)->schedule_delivery_time, "260601120000000+", 17); \
        }                                                                  \
        if (any(2) != 0) {                                                 \
            memcpy((message)->validity, "000001000000000R", 17);           \
            memcpy((pdu)->validity_period, "000001000000000R", 17);        \
        }                                                                  \
    } while (0)

/* One or none of each kind of value: one byte, two, a text, a vendor's. */
static void fill_tlvs(tlv_t **theirs, struct smpp_message *message)
{
    static uint8_t ours[ROOM];
    size_t length = 0;
    tlv_t tlv;
    /* Theirs puts each new one first. */
    for (unsigned n = any(6); n > 0; n--) {
        memset(&tlv, 0, sizeof(tlv));
        switch (any(4)) {
        case 0:
            tlv.tag = TLVID_sar_msg_ref_num;
            tlv.length = 2;
            tlv.value.val16 = (uint16_t)any(65536);
            break;
        case 1:
            tlv.tag = TLVID_sar_total_segments;
            tlv.length = 1;
            tlv.value.val08 = (uint8_t)any(256);
            break;
        case 2:
            tlv.tag = TLVID_message_payload;
            tlv.length = (uint16_t)any(1000);
            break;
        default:
            tlv.tag = (uint16_t)(0x1400 + any(0x2c00));
            tlv.length = (uint16_t)any(300);
        }
        if (tlv.tag == TLVID_message_payload || tlv.tag >= 0x1400)
            for (size_t i = 0; i < tlv.length; i++)
                tlv.value.octet[i] = (uint8_t)any(256);
        ck_assert_int_eq(build_tlv(theirs, &tlv), 0);
    }
    for (tlv_t *at = *theirs; at != NULL; at = at->next) {
        uint8_t value[MAX_TLV_SIZE];
        memcpy(value, at->value.octet, at->length);
        if (at->tag == TLVID_sar_msg_ref_num) {
            value[0] = (uint8_t)(at->value.val16 >> 8);
            value[1] = (uint8_t)at->value.val16;
        }
        ck_assert(smpp_tlv_write(ours, sizeof(ours), &length, at->tag, value, at->length));
    }
    message->tlvs = (struct smpp_span){.data = ours, .length = length};
}

/* Theirs written, ours written the same, and ours read from theirs and written again. */
static void try_message(uint32_t command, void *pdu, const struct smpp_message *message)
{
    static uint8_t theirs[ROOM];
    static uint8_t ours[ROOM];
    struct smpp_message read;
    size_t length = packed(theirs, pdu);
    same(theirs, length, ours, smpp_message_write(ours, ROOM, command, 7, message));
    uint8_t *body = malloc(length - 16 + 1);
    ck_assert_ptr_nonnull(body);
    memcpy(body, theirs + 16, length - 16);
    ck_assert_uint_eq(smpp_message_read(command, body, length - 16, &read), SMPP_ROK);
    ck_assert_str_eq(read.destination.text, message->destination.text);
    ck_assert_uint_eq(read.text.length, message->text.length);
    memset(ours, 0, sizeof(ours));
    same(theirs, length, ours, smpp_message_write(ours, ROOM, command, 7, &read));
    free(body);
}

START_TEST(submit)
{
    for (int run = 0; run < RUNS; run++) {
        submit_sm_t pdu = {.command_id = SUBMIT_SM, .sequence_number = 7};
        struct smpp_message message = {0};
        FILL_SOURCE(&pdu, &message);
        FILL_DESTINATION(&pdu, &message);
        FILL_SHORT(&pdu, &message);
        FILL_TIMES(&pdu, &message);
        fill_tlvs(&pdu.tlv, &message);
        try_message(SMPP_SUBMIT_SM, &pdu, &message);
        destroy_tlv(pdu.tlv);
    }
}
END_TEST

/* Theirs has no times in a deliver_sm. */
START_TEST(deliver)
{
    for (int run = 0; run < RUNS; run++) {
        deliver_sm_t pdu = {.command_id = DELIVER_SM, .sequence_number = 7};
        struct smpp_message message = {0};
        FILL_SOURCE(&pdu, &message);
        FILL_DESTINATION(&pdu, &message);
        FILL_SHORT(&pdu, &message);
        fill_tlvs(&pdu.tlv, &message);
        try_message(SMPP_DELIVER_SM, &pdu, &message);
        destroy_tlv(pdu.tlv);
    }
}
END_TEST

START_TEST(data)
{
    for (int run = 0; run < RUNS; run++) {
        data_sm_t pdu = {.command_id = DATA_SM, .sequence_number = 7};
        struct smpp_message message = {0};
        FILL_SOURCE(&pdu, &message);
        FILL_DESTINATION(&pdu, &message);
        if (any(2) != 0)
            any_text(message.destination.text, pdu.destination_addr, 64);
        fill_tlvs(&pdu.tlv, &message);
        try_message(SMPP_DATA_SM, &pdu, &message);
        destroy_tlv(pdu.tlv);
    }
}
END_TEST

START_TEST(multi)
{
    static uint8_t theirs[ROOM];
    static uint8_t ours[ROOM];
    for (int run = 0; run < RUNS; run++) {
        struct smpp_destination given[30];
        struct smpp_destination read_to[SMPP_MULTI_MAX];
        struct smpp_message message = {0};
        struct smpp_message read;
        submit_multi_t pdu = {.command_id = SUBMIT_MULTI, .sequence_number = 7};
        size_t n = 1 + any(30);
        memset(given, 0, sizeof(given));
        FILL_SOURCE(&pdu, &message);
        FILL_SHORT(&pdu, &message);
        FILL_TIMES(&pdu, &message);
        fill_tlvs(&pdu.tlv, &message);
        for (size_t i = 0; i < n; i++) {
            dad_t to = {.dest_flag = (uint8_t)(1 + any(2))};
            given[i].list = to.dest_flag == DFID_Distribution_List_Name;
            if (given[i].list) {
                any_text(given[i].address.text, to.value.dl_name, 20);
            } else {
                any_text(given[i].address.text, to.value.sme.destination_addr, 20);
                to.value.sme.dest_addr_ton = given[i].address.ton = any_ton();
                to.value.sme.dest_addr_npi = given[i].address.npi = any_npi();
            }
            ck_assert_int_eq(build_dad(&pdu.dest_addr_def, &to), 0);
        }
        pdu.number_of_dests = (uint8_t)n;
        /* As with TLVs. */
        for (size_t i = 0; i < n / 2; i++) {
            struct smpp_destination other = given[i];
            given[i] = given[n - 1 - i];
            given[n - 1 - i] = other;
        }
        size_t length = packed(theirs, &pdu);
        same(theirs, length, ours, smpp_multi_write(ours, ROOM, 7, &message, given, n));
        size_t n_read;
        ck_assert_uint_eq(smpp_multi_read(theirs + 16, length - 16, &read, read_to, &n_read),
                          SMPP_ROK);
        ck_assert_uint_eq(n_read, n);
        memset(ours, 0, sizeof(ours));
        same(theirs, length, ours, smpp_multi_write(ours, ROOM, 7, &read, read_to, n_read));
        destroy_tlv(pdu.tlv);
        destroy_dad(pdu.dest_addr_def);
    }
}
END_TEST

START_TEST(binds)
{
    static uint8_t theirs[ROOM];
    static uint8_t ours[ROOM];
    static const uint32_t commands[] = {SMPP_BIND_RECEIVER, SMPP_BIND_TRANSMITTER,
                                        SMPP_BIND_TRANSCEIVER};
    for (int run = 0; run < RUNS; run++) {
        /* The three have the same fields. */
        bind_receiver_t pdu = {.sequence_number = 7};
        struct smpp_bind bind = {0};
        struct smpp_bind read;
        pdu.command_id = commands[any(3)];
        any_text(bind.system_id, pdu.system_id, 15);
        any_text(bind.password, pdu.password, 8);
        any_text(bind.system_type, pdu.system_type, 12);
        pdu.interface_version = bind.version = SMPP_VERSION;
        pdu.addr_ton = bind.range.ton = any_ton();
        pdu.addr_npi = bind.range.npi = any_npi();
        any_text(bind.range.text, pdu.address_range, 40);
        size_t length = packed(theirs, &pdu);
        same(theirs, length, ours, smpp_bind_write(ours, ROOM, pdu.command_id, 7, &bind));
        ck_assert_uint_eq(smpp_bind_read(theirs + 16, length - 16, &read), SMPP_ROK);
        ck_assert_str_eq(read.password, bind.password);
        memset(ours, 0, sizeof(ours));
        same(theirs, length, ours, smpp_bind_write(ours, ROOM, pdu.command_id, 7, &read));
    }
}
END_TEST

START_TEST(bind_responses)
{
    static uint8_t theirs[ROOM];
    static uint8_t ours[ROOM];
    for (int run = 0; run < RUNS; run++) {
        bind_transceiver_resp_t pdu = {.command_id = BIND_TRANSCEIVER_RESP, .sequence_number = 7};
        tlv_t version = {.tag = TLVID_sc_interface_version, .length = 1};
        char system_id[16];
        any_text(system_id, pdu.system_id, 15);
        version.value.val08 = any(2) ? 0x34 : 0;
        if (version.value.val08 != 0)
            ck_assert_int_eq(build_tlv(&pdu.tlv, &version), 0);
        size_t length = packed(theirs, &pdu);
        same(theirs, length, ours,
             smpp_bind_response_write(ours, ROOM, SMPP_BIND_TRANSCEIVER, 0, 7, system_id,
                                      version.value.val08));
        destroy_tlv(pdu.tlv);
    }
}
END_TEST

START_TEST(responses)
{
    static uint8_t theirs[ROOM];
    static uint8_t ours[ROOM];
    for (int run = 0; run < RUNS; run++) {
        submit_sm_resp_t pdu = {.command_id = SUBMIT_SM_RESP, .sequence_number = 7};
        struct smpp_response read;
        char id[SMPP_ID_MAX];
        any_text(id, pdu.message_id, 64);
        if (id[0] == '\0') /* theirs leaves the body out then */
            continue;
        size_t length = packed(theirs, &pdu);
        same(theirs, length, ours, smpp_response_write(ours, ROOM, SMPP_SUBMIT_SM, 0, 7, id));
        ck_assert_uint_eq(smpp_response_read(theirs + 16, length - 16, &read), SMPP_ROK);
        ck_assert_str_eq(read.message_id, id);
    }
    deliver_sm_resp_t delivered = {.command_id = DELIVER_SM_RESP, .sequence_number = 7};
    same(theirs, packed(theirs, &delivered), ours,
         smpp_response_write(ours, ROOM, SMPP_DELIVER_SM, 0, 7, ""));
    enquire_link_t bare = {.command_id = ENQUIRE_LINK, .sequence_number = 0xfffffffe};
    same(theirs, packed(theirs, &bare), ours,
         smpp_header_write(ours, ROOM, SMPP_ENQUIRE_LINK, 0, 0xfffffffe));
    generic_nack_t nack = {
        .command_id = GENERIC_NACK, .command_status = ESME_RINVCMDID, .sequence_number = 1};
    same(theirs, packed(theirs, &nack), ours,
         smpp_header_write(ours, ROOM, (uint32_t)SMPP_GENERIC_NACK, SMPP_RINVCMDID, 1));
}
END_TEST

START_TEST(multi_responses)
{
    static uint8_t theirs[ROOM];
    static uint8_t ours[ROOM];
    for (int run = 0; run < RUNS; run++) {
        submit_multi_resp_t pdu = {.command_id = SUBMIT_MULTI_RESP, .sequence_number = 7};
        struct smpp_refused_destination refused[20];
        char id[SMPP_ID_MAX];
        size_t n = any(20);
        memset(refused, 0, sizeof(refused));
        any_text(id, pdu.message_id, 64);
        for (size_t i = n; i > 0; i--) {
            udad_t one = {0};
            struct smpp_refused_destination *mine = &refused[i - 1];
            any_text(mine->address.text, one.destination_addr, 20);
            one.dest_addr_ton = mine->address.ton = any_ton();
            one.dest_addr_npi = mine->address.npi = any_npi();
            one.error_status_code = mine->status = any(256);
            ck_assert_int_eq(build_udad(&pdu.unsuccess_smes, &one), 0);
        }
        pdu.no_unsuccess = (uint8_t)n;
        size_t length = packed(theirs, &pdu);
        same(theirs, length, ours, smpp_multi_response_write(ours, ROOM, 7, id, refused, n));
        destroy_udad(pdu.unsuccess_smes);
    }
}
END_TEST

START_TEST(ids)
{
    static uint8_t theirs[ROOM];
    for (int run = 0; run < RUNS; run++) {
        char id[SMPP_ID_MAX];
        char read[SMPP_ID_MAX];
        struct smpp_message message = {0};
        query_sm_t query = {.command_id = QUERY_SM, .sequence_number = 7};
        any_text(id, query.message_id, 64);
        any_text(message.source.text, query.source_addr, 20);
        size_t length = packed(theirs, &query);
        ck_assert_uint_eq(smpp_id_read(SMPP_QUERY_SM, theirs + 16, length - 16, read), SMPP_ROK);
        ck_assert_str_eq(read, id);
        cancel_sm_t cancel = {.command_id = CANCEL_SM, .sequence_number = 7};
        any_text(message.service_type, cancel.service_type, 5);
        any_text(id, cancel.message_id, 64);
        any_text(message.source.text, cancel.source_addr, 20);
        FILL_DESTINATION(&cancel, &message);
        length = packed(theirs, &cancel);
        ck_assert_uint_eq(smpp_id_read(SMPP_CANCEL_SM, theirs + 16, length - 16, read), SMPP_ROK);
        ck_assert_str_eq(read, id);
        replace_sm_t replace = {.command_id = REPLACE_SM, .sequence_number = 7};
        any_text(id, replace.message_id, 64);
        FILL_TIMES(&replace, &message);
        replace.sm_length = (uint8_t)any(254);
        length = packed(theirs, &replace);
        ck_assert_uint_eq(smpp_id_read(SMPP_REPLACE_SM, theirs + 16, length - 16, read), SMPP_ROK);
        ck_assert_str_eq(read, id);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {submit,    deliver,         data, multi, binds, bind_responses,
                                  responses, multi_responses, ids,  NULL};
    Suite *const suites[] = {unit_suite("differential", tests), NULL};
    return unit_run(suites);
}
