/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SMPP from bytes: every field just inside and just outside its maximum, every prefix of every kind
 * of PDU, and garbage.
 */
#include "tests/unit/test_wire_parts.h"

#include <stdio.h>

enum { BODY_MOST = 70000 };

/* ---- the kinds of PDU, as the specification lists their fields ---- */

/*
 * s N: a C-octet string of at most N bytes; b: a byte; t: a time; m: the text with its length;
 * n: the number of destinations, 1; f F: a destination flag; o: optional parameters may follow.
 */
struct kind {
    const char *name;
    uint32_t command;
    const char *fields;
};

static const struct kind kinds[] = {
    {"bind_transceiver", SMPP_BIND_TRANSCEIVER, "s16 s9 s13 b b b s41"},
    {"submit_sm", SMPP_SUBMIT_SM, "s6 b b s21 b b s21 b b b t t b b b b m o"},
    {"deliver_sm", SMPP_DELIVER_SM, "s6 b b s21 b b s21 b b b t t b b b b m o"},
    {"data_sm", SMPP_DATA_SM, "s6 b b s65 b b s65 b b b o"},
    {"submit_multi", SMPP_SUBMIT_MULTI, "s6 b b s21 n f1 b b s21 b b b t t b b b b m o"},
    {"submit_multi to a list", SMPP_SUBMIT_MULTI, "s6 b b s21 n f2 s21 b b b t t b b b b m o"},
    {"query_sm", SMPP_QUERY_SM, "s65 b b s21"},
    {"cancel_sm", SMPP_CANCEL_SM, "s6 s65 b b s21 b b s21"},
    {"replace_sm", SMPP_REPLACE_SM, "s65 b b s21 t t b b m"},
    {"submit_sm_resp", SMPP_RESP(SMPP_SUBMIT_SM), "s65 o"},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static uint32_t read_body(uint32_t command, const uint8_t *body, size_t length)
{
    static struct smpp_destination destinations[SMPP_MULTI_MAX];
    struct smpp_message message;
    struct smpp_response response;
    struct smpp_bind bind;
    char id[SMPP_ID_MAX];
    size_t n;
    switch (command) {
    case SMPP_BIND_TRANSCEIVER:
        return smpp_bind_read(body, length, &bind);
    case SMPP_SUBMIT_MULTI:
        return smpp_multi_read(body, length, &message, destinations, &n);
    case SMPP_QUERY_SM:
    case SMPP_CANCEL_SM:
    case SMPP_REPLACE_SM:
        return smpp_id_read(command, body, length, id);
    case SMPP_RESP(SMPP_SUBMIT_SM):
        return smpp_response_read(body, length, &response);
    default:
        return smpp_message_read(command, body, length, &message);
    }
}

struct made {
    uint8_t bytes[BODY_MOST];
    size_t length;
    /* Ends of what could be a whole PDU: behind the last field, and behind each TLV. */
    bool whole[BODY_MOST + 1];
};

static struct made made;

static void make_byte(uint8_t byte)
{
    ck_assert_uint_lt(made.length, BODY_MOST);
    made.bytes[made.length++] = byte;
}

static void make_filled(char c, size_t n)
{
    while (n-- > 0)
        make_byte((uint8_t)c);
}

static void make_tlv(unsigned tag, size_t length)
{
    make_byte((uint8_t)(tag >> 8));
    make_byte((uint8_t)tag);
    make_byte((uint8_t)(length >> 8));
    make_byte((uint8_t)length);
    make_filled('v', length);
    made.whole[made.length] = true;
}

/* A body of the kind, whose field number `special` has `size` characters; of all others a few. */
static void make(const struct kind *kind, int special, size_t size)
{
    int number = 0;
    memset(&made, 0, sizeof(made));
    for (const char *field = kind->fields; *field != '\0'; number++) {
        char what = *field;
        char *end;
        long parameter = strtol(field + 1, &end, 10);
        size_t length = number == special ? size : 2;
        if (what == 's') {
            make_filled('x', length);
            make_byte(0);
        } else if (what == 't') {
            make_filled('0', number == special ? size : 16);
            make_byte(0);
        } else if (what == 'm') {
            make_byte((uint8_t)length);
            make_filled('m', length);
        } else if (what == 'b') {
            make_byte((uint8_t)number);
        } else if (what == 'n' || what == 'f') {
            make_byte(what == 'n' ? 1 : (uint8_t)parameter);
        } else {
            made.whole[made.length] = true;
            make_tlv(0x1400, 0);
            make_tlv(0x0424, 5);
            make_tlv(0x3fff, 300);
        }
        field = end + (*end == ' ' ? 1 : 0);
    }
    made.whole[made.length] = true;
    if (kind->command == SMPP_RESP(SMPP_SUBMIT_SM))
        made.whole[0] = true;
}

static uint32_t read_made(const struct kind *kind, size_t length)
{
    uint8_t *body = copy_of(made.bytes, length);
    uint32_t status = read_body(kind->command, body, length);
    free(body);
    return status;
}

START_TEST(every_prefix)
{
    const struct kind *kind = &kinds[_i];
    make(kind, -1, 0);
    for (size_t length = 0; length <= made.length; length++) {
        uint32_t status = read_made(kind, length);
        ck_assert_msg((status == SMPP_ROK) == made.whole[length], "%s, %zu of %zu bytes: %s",
                      kind->name, length, made.length, smpp_status_name(status));
        if (status != SMPP_ROK)
            ck_assert_msg(status == SMPP_RINVCMDLEN || status == SMPP_RINVOPTPARSTREAM ||
                              status == SMPP_RINVPARLEN || status == SMPP_RINVNUMDESTS ||
                              status == SMPP_RINVDESTFLAG,
                          "%s, %zu bytes: %s", kind->name, length, smpp_status_name(status));
    }
    /* One byte more is no TLV, and one that claims more than there is is none either. */
    size_t whole = made.length;
    for (size_t more = 1; more < 4; more++) {
        make_byte(0);
        ck_assert_uint_ne(read_made(kind, made.length), SMPP_ROK);
    }
    made.length = whole;
    make_tlv(0x1401, 3);
    made.bytes[whole + 3] = 4;
    ck_assert_uint_ne(read_made(kind, made.length), SMPP_ROK);
}
END_TEST

START_TEST(every_maximum)
{
    const struct kind *kind = &kinds[_i];
    int number = 0;
    for (const char *field = kind->fields; *field != '\0'; number++) {
        char *end;
        size_t most = (size_t)strtol(field + 1, &end, 10);
        uint32_t beyond = SMPP_RINVCMDLEN;
        if (*field == 's')
            most--; /* for the NUL */
        else if (*field == 'm')
            most = 254;
        if (*field == 'm')
            beyond = SMPP_RINVMSGLEN;
        if (*field == 's' || *field == 'm') {
            size_t sizes[] = {0, 1, most - 1, most};
            for (size_t i = 0; i < 4; i++) {
                make(kind, number, sizes[i]);
                ck_assert_msg(read_made(kind, made.length) == SMPP_ROK, "%s, field %d of %zu",
                              kind->name, number, sizes[i]);
            }
            make(kind, number, most + 1);
            uint32_t status = read_made(kind, made.length);
            ck_assert_msg(status == beyond, "%s, field %d of %zu: %s", kind->name, number, most + 1,
                          smpp_status_name(status));
        }
        field = end + (*end == ' ' ? 1 : 0);
    }
}
END_TEST

START_TEST(times)
{
    const struct kind *kind = &kinds[_i];
    const char *first = strchr(kind->fields, 't');
    if (first == NULL)
        return;
    int number = 0;
    for (const char *c = kind->fields; c < first; c++)
        number += *c == ' ';
    for (int which = 0; which < 2; which++)
        for (size_t size = 0; size <= 40; size++) {
            make(kind, number + which, size);
            uint32_t wanted = size == 0 || size == 16 ? SMPP_ROK
                              : which == 0            ? SMPP_RINVSCHED
                                                      : SMPP_RINVEXPIRY;
            uint32_t status = read_made(kind, made.length);
            ck_assert_msg(status == wanted, "%s, time %d of %zu: %s", kind->name, which, size,
                          smpp_status_name(status));
        }
}
END_TEST

/* ---- fields land where they belong ---- */

START_TEST(known_bytes)
{
    uint8_t out[200];
    struct smpp_header header;
    struct smpp_message message;
    ck_assert_uint_eq(sizeof(submit_bytes), 87);
    smpp_header_read(submit_bytes, &header);
    ck_assert_uint_eq(header.length, sizeof(submit_bytes));
    ck_assert_uint_eq(header.command, SMPP_SUBMIT_SM);
    ck_assert_uint_eq(header.status, 0);
    ck_assert_uint_eq(header.sequence, 0x01020304);
    size_t length =
        smpp_message_write(out, sizeof(out), SMPP_SUBMIT_SM, 0x01020304, &submit_message);
    ck_assert_uint_eq(length, sizeof(submit_bytes));
    ck_assert_mem_eq(out, submit_bytes, length);
    ck_assert_uint_eq(smpp_message_read(SMPP_SUBMIT_SM, submit_bytes + 16, 87 - 16, &message),
                      SMPP_ROK);
    ck_assert_str_eq(message.service_type, "CMT");
    ck_assert_str_eq(message.source.text, "ACME");
    ck_assert_uint_eq(message.source.ton, 5);
    ck_assert_str_eq(message.destination.text, "33698000001");
    ck_assert_uint_eq(message.destination.npi, 1);
    ck_assert_uint_eq(message.esm_class, 3);
    ck_assert_uint_eq(message.protocol_id, 4);
    ck_assert_uint_eq(message.priority, 2);
    ck_assert_str_eq(message.schedule, "");
    ck_assert_str_eq(message.validity, "000001000000000R");
    ck_assert_uint_eq(message.registered, 1);
    ck_assert_uint_eq(message.replace, 0);
    ck_assert_uint_eq(message.data_coding, 8);
    ck_assert_uint_eq(message.default_message, 9);
    ck_assert_uint_eq(message.text.length, 4);
    ck_assert_ptr_eq(message.text.data, submit_bytes + 87 - 16 - 4);
    ck_assert_uint_eq(message.tlvs.length, 16);
}
END_TEST

START_TEST(binds)
{
    static const struct smpp_bind bind = {
        .system_id = "acme-smpp-12345",
        .password = "secret08",
        .system_type = "VMA",
        .version = 0x34,
        .range = {.ton = 1, .npi = 1, .text = "^336"},
    };
    uint8_t out[200];
    struct smpp_bind read;
    size_t length = smpp_bind_write(out, sizeof(out), SMPP_BIND_RECEIVER, 7, &bind);
    ck_assert_uint_eq(length, 16 + 16 + 9 + 4 + 1 + 2 + 5);
    ck_assert_uint_eq(smpp_bind_read(out + 16, length - 16, &read), SMPP_ROK);
    ck_assert_mem_eq(&read, &bind, sizeof(bind));
    /* A password must not stay behind from a bind that was refused. */
    ck_assert_uint_eq(smpp_bind_read(out + 16, length - 17, &read), SMPP_RINVCMDLEN);
    static const struct smpp_bind nothing;
    ck_assert_mem_eq(&read, &nothing, sizeof(read));
    /* Of the peer's version only; a bare header when it is refused. */
    length =
        smpp_bind_response_write(out, sizeof(out), SMPP_BIND_RECEIVER, SMPP_ROK, 7, "gate", 0x34);
    ck_assert_uint_eq(length, 26);
    ck_assert_mem_eq(out, "\0\0\0\x1a\x80\0\0\x01\0\0\0\0\0\0\0\x07gate\0\x02\x10\0\x01\x34", 26);
    ck_assert_uint_eq(
        smpp_bind_response_write(out, sizeof(out), SMPP_BIND_RECEIVER, SMPP_ROK, 7, "gate", 0), 21);
    ck_assert_uint_eq(smpp_bind_response_write(out, sizeof(out), SMPP_BIND_RECEIVER, SMPP_RINVPASWD,
                                               7, "gate", 0x34),
                      16);
    ck_assert_uint_eq(out[11], SMPP_RINVPASWD);
}
END_TEST

START_TEST(responses)
{
    uint8_t out[200];
    struct smpp_response response;
    size_t length = smpp_response_write(out, sizeof(out), SMPP_SUBMIT_SM, SMPP_ROK, 9, "id-1");
    ck_assert_uint_eq(length, 21);
    ck_assert_mem_eq(out, "\0\0\0\x15\x80\0\0\x04\0\0\0\0\0\0\0\x09id-1", 21);
    ck_assert_uint_eq(smpp_response_read(out + 16, 5, &response), SMPP_ROK);
    ck_assert_str_eq(response.message_id, "id-1");
    /* The command of the response is the same. */
    uint8_t again[200];
    ck_assert_uint_eq(
        smpp_response_write(again, sizeof(again), SMPP_RESP(SMPP_SUBMIT_SM), SMPP_ROK, 9, "id-1"),
        21);
    ck_assert_mem_eq(out, again, 21);
    length = smpp_response_write(out, sizeof(out), SMPP_SUBMIT_SM, SMPP_RSUBMITFAIL, 9, "id-1");
    ck_assert_uint_eq(length, 16);
    length = smpp_response_write(out, sizeof(out), SMPP_DELIVER_SM, SMPP_ROK, 9, "");
    ck_assert_uint_eq(length, 17);
    ck_assert_uint_eq(smpp_response_read(out, 0, &response), SMPP_ROK);
    ck_assert_str_eq(response.message_id, "");
    static const struct smpp_refused_destination refused[] = {
        {.address = {.ton = 1, .npi = 1, .text = "33698000001"}, .status = SMPP_RSUBMITFAIL},
        {.address = {.ton = 1, .npi = 1, .text = "33698000002"}, .status = 0x01020304},
    };
    length = smpp_multi_response_write(out, sizeof(out), 9, "x", refused, 2);
    ck_assert_uint_eq(length, 16 + 2 + 1 + 2 * (2 + 12 + 4));
    ck_assert_mem_eq(out + 16,
                     "x\0\x02\x01\x01"
                     "33698000001\0\0\0\0\x45\x01\x01"
                     "33698000002\0\x01\x02\x03\x04",
                     length - 16);
    static const struct smpp_refused_destination many[255];
    static uint8_t large[16 + 2 + 255 * 7];
    ck_assert_uint_eq(smpp_multi_response_write(large, sizeof(large), 9, "x", many, 254),
                      16 + 3 + 254 * 7);
    ck_assert_uint_eq(smpp_multi_response_write(large, sizeof(large), 9, "x", many, 255), 0);
}
END_TEST

START_TEST(ids)
{
    static const struct {
        uint32_t command;
        const char *body;
        size_t length;
    } rows[] = {
        {SMPP_QUERY_SM,
         "ID7\0\x01\x01"
         "336",
         10},
        {SMPP_CANCEL_SM,
         "CMT\0ID7\0\x01\x01"
         "336\0\x01\x01"
         "337",
         20},
        {SMPP_REPLACE_SM,
         "ID7\0\x01\x01"
         "336\0\0\0\x01\0\x02hi",
         17},
    };
    char id[SMPP_ID_MAX];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const uint8_t *body = (const uint8_t *)rows[i].body;
        ck_assert_uint_eq(smpp_id_read(rows[i].command, body, rows[i].length, id), SMPP_ROK);
        ck_assert_str_eq(id, "ID7");
        ck_assert_uint_ne(smpp_id_read(rows[i].command, body, rows[i].length - 1, id), SMPP_ROK);
        ck_assert_str_eq(id, "");
    }
}
END_TEST

/* ---- many destinations ---- */

START_TEST(destinations)
{
    static struct smpp_destination given[SMPP_MULTI_MAX + 1];
    static struct smpp_destination read[SMPP_MULTI_MAX];
    static uint8_t out[20000];
    struct smpp_message message;
    size_t n;
    for (size_t i = 0; i <= SMPP_MULTI_MAX; i++) {
        given[i].list = i % 5 == 3;
        given[i].address.ton = given[i].list ? 0 : 1;
        snprintf(given[i].address.text, sizeof(given[i].address.text), "3369800%04zu", i);
    }
    static const size_t counts[] = {1, 2, 253, 254};
    for (size_t i = 0; i < 4; i++) {
        size_t length = smpp_multi_write(out, sizeof(out), 1, &submit_message, given, counts[i]);
        ck_assert_uint_ne(length, 0);
        uint8_t *body = copy_of(out + 16, length - 16);
        ck_assert_uint_eq(smpp_multi_read(body, length - 16, &message, read, &n), SMPP_ROK);
        ck_assert_uint_eq(n, counts[i]);
        for (size_t j = 0; j < n; j++) {
            ck_assert_int_eq(read[j].list, given[j].list);
            ck_assert_uint_eq(read[j].address.ton, given[j].address.ton);
            ck_assert_str_eq(read[j].address.text, given[j].address.text);
        }
        ck_assert_uint_eq(message.text.length, 4);
        ck_assert_str_eq(message.destination.text, "");
        free(body);
    }
    ck_assert_uint_eq(smpp_multi_write(out, sizeof(out), 1, &submit_message, given, 0), 0);
    ck_assert_uint_eq(smpp_multi_write(out, sizeof(out), 1, &submit_message, given, 255), 0);
    size_t length = smpp_multi_write(out, sizeof(out), 1, &submit_message, given, 1);
    size_t at = 16 + 4 + 2 + 5; /* number_of_dests */
    static const struct {
        size_t offset;
        uint8_t byte;
        uint32_t status;
    } rows[] = {
        {0, 0, SMPP_RINVNUMDESTS}, {0, 255, SMPP_RINVNUMDESTS}, {1, 0, SMPP_RINVDESTFLAG},
        {1, 3, SMPP_RINVDESTFLAG}, {1, 255, SMPP_RINVDESTFLAG},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t *body = copy_of(out + 16, length - 16);
        body[at - 16 + rows[i].offset] = rows[i].byte;
        ck_assert_uint_eq(smpp_multi_read(body, length - 16, &message, read, &n), rows[i].status);
        ck_assert_uint_eq(n, 0);
        free(body);
    }
}
END_TEST

/* ---- TLVs and the text ---- */

START_TEST(tlvs)
{
    uint8_t bytes[64];
    size_t length = 0;
    struct smpp_span value;
    uint32_t number;
    ck_assert(smpp_tlv_write(bytes, sizeof(bytes), &length, 0x1400, NULL, 0));
    ck_assert(smpp_tlv_write(bytes, sizeof(bytes), &length, 0x020c, "\x12\x34", 2));
    ck_assert(smpp_tlv_write(bytes, sizeof(bytes), &length, 0x020c, "\xff\xff", 2));
    ck_assert(smpp_tlv_write(bytes, sizeof(bytes), &length, 0x0427, "\x02", 1));
    ck_assert(smpp_tlv_write(bytes, sizeof(bytes), &length, 0x1402, "\1\2\3\4", 4));
    ck_assert(smpp_tlv_write(bytes, sizeof(bytes), &length, 0x1403, "\1\2\3\4\5", 5));
    ck_assert_uint_eq(length, 6 * 4 + 14);
    size_t before = length;
    ck_assert(!smpp_tlv_write(bytes, length + 4, &length, 0x1404, "x", 1));
    ck_assert_uint_eq(length, before);
    ck_assert(!smpp_tlv_write(bytes, length - 1, &length, 0x1404, NULL, 0));
    ck_assert_uint_eq(length, before);
    static uint8_t large[70000];
    static uint8_t room[70000];
    size_t used = 0;
    ck_assert(!smpp_tlv_write(room, sizeof(room), &used, 0x0424, large, 65536));
    ck_assert(smpp_tlv_write(room, sizeof(room), &used, 0x0424, large, 65535));
    ck_assert_uint_eq(used, 65539);
    ck_assert_mem_eq(room, "\x04\x24\xff\xff", 4);
    used = 0;
    ck_assert(smpp_tlv_write(room, sizeof(room), &used, 0x3fff, large, 256));
    ck_assert_mem_eq(room, "\x3f\xff\x01\x00", 4);

    struct smpp_span all = {.data = copy_of(bytes, length), .length = length};
    ck_assert(smpp_tlv_find(all, 0x1400, &value));
    ck_assert_uint_eq(value.length, 0);
    ck_assert(!smpp_tlv_number(all, 0x1400, &number));
    ck_assert(smpp_tlv_number(all, 0x020c, &number));
    ck_assert_uint_eq(number, 0x1234); /* the first */
    ck_assert(smpp_tlv_number(all, 0x0427, &number));
    ck_assert_uint_eq(number, 2);
    ck_assert(smpp_tlv_number(all, 0x1402, &number));
    ck_assert_uint_eq(number, 0x01020304);
    ck_assert(!smpp_tlv_number(all, 0x1403, &number));
    ck_assert(!smpp_tlv_find(all, 0x0001, &value));
    ck_assert_ptr_null(value.data);
    /* A span that lies is not followed. */
    for (size_t cut = 0; cut < length; cut++) {
        struct smpp_span less = {.data = copy_of(bytes, cut), .length = cut};
        smpp_tlv_find(less, 0xffff, &value);
        free((void *)less.data);
    }
    free((void *)all.data);
}
END_TEST

START_TEST(text_of_a_message)
{
    static const uint8_t payload[] = {0x04, 0x24, 0, 2, 'p', 'l'};
    static const uint8_t two[] = {0x04, 0x24, 0, 1, 'p', 0x14, 0, 0, 0, 0x04, 0x24, 0, 1, 'q'};
    static const uint8_t empty[] = {0x04, 0x24, 0, 0};
    static const uint8_t other[] = {0x14, 0x24, 0, 0};
    static const struct {
        const char *text;
        const uint8_t *tlvs;
        size_t tlvs_length;
        const char *wanted; /* NULL: refused */
    } rows[] = {
        {"", NULL, 0, ""},        {"sm", NULL, 0, "sm"},  {"", payload, 6, "pl"},
        {"sm", payload, 6, NULL}, {"", two, 14, NULL},    {"sm", empty, 4, NULL},
        {"", empty, 4, ""},       {"sm", other, 4, "sm"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct smpp_message message = {
            .text = {.data = (const uint8_t *)rows[i].text, .length = strlen(rows[i].text)},
            .tlvs = {.data = rows[i].tlvs, .length = rows[i].tlvs_length},
        };
        struct smpp_span text;
        bool one = smpp_message_text(&message, &text);
        ck_assert_msg(one == (rows[i].wanted != NULL), "row %zu", i);
        ck_assert_uint_eq(text.length, one ? strlen(rows[i].wanted) : 0);
        if (one && text.length > 0)
            ck_assert_mem_eq(text.data, rows[i].wanted, text.length);
    }
}
END_TEST

static uint32_t seed = 20260601;

static unsigned any(unsigned n)
{
    return any_of(&seed, n);
}

START_TEST(garbage)
{
    for (int run = 0; run < 200000; run++) {
        uint8_t bytes[120];
        size_t length = any(sizeof(bytes) + 1);
        /* Mostly small numbers: NULs and lengths that could be right. */
        for (size_t i = 0; i < length; i++)
            bytes[i] = (uint8_t)(any(4) == 0 ? any(256) : any(6) == 0 ? 1 + any(20) : 0);
        uint8_t *body = copy_of(bytes, length);
        read_body(kinds[any(KINDS)].command, body, length);
        free(body);
    }
}
END_TEST

START_TEST(names)
{
    ck_assert_str_eq(smpp_command_name(SMPP_SUBMIT_SM), "submit_sm");
    ck_assert_str_eq(smpp_command_name(SMPP_RESP(SMPP_BIND_TRANSCEIVER)), "bind_transceiver_resp");
    ck_assert_str_eq(smpp_command_name((uint32_t)SMPP_GENERIC_NACK), "generic_nack");
    ck_assert_str_eq(smpp_command_name(SMPP_OUTBIND), "outbind");
    ck_assert_str_eq(smpp_command_name(SMPP_RESP(SMPP_OUTBIND)), "unknown");
    ck_assert_str_eq(smpp_command_name(0x0a), "unknown");
    ck_assert_str_eq(smpp_status_name(SMPP_ROK), "ESME_ROK");
    ck_assert_str_eq(smpp_status_name(SMPP_RSUBMITFAIL), "ESME_RSUBMITFAIL");
    ck_assert_str_eq(smpp_status_name(SMPP_RUNKNOWNERR), "ESME_RUNKNOWNERR");
    ck_assert_str_eq(smpp_status_name(0x400), "reserved");
}
END_TEST

int main(void)
{
    Suite *every = suite_create("every");
    TCase *kinds_case = tcase_create("kinds");
    tcase_set_timeout(kinds_case, UNIT_SECONDS);
    tcase_add_loop_test(kinds_case, every_prefix, 0, KINDS);
    tcase_add_loop_test(kinds_case, every_maximum, 0, KINDS);
    tcase_add_loop_test(kinds_case, times, 0, KINDS);
    suite_add_tcase(every, kinds_case);
    const TTest *const fields[] = {known_bytes,       binds,   responses, ids, destinations, tlvs,
                                   text_of_a_message, garbage, names,     NULL};
    Suite *const suites[] = {every, unit_suite("fields", fields), NULL};
    return unit_run(suites);
}
