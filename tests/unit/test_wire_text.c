/* SPDX-License-Identifier: Apache-2.0 */
/* The alphabets of short messages, their headers, and where long texts are cut. */
#include "base/str.h"
#include "tests/unit/unit.h"
#include "wire/sms_text.h"

#include <stdio.h>
#include <string.h>

static uint8_t *copy_of(const void *bytes, size_t length)
{
    uint8_t *copy = malloc(length > 0 ? length : 1);
    ck_assert_ptr_nonnull(copy);
    if (length > 0)
        memcpy(copy, bytes, length);
    return copy;
}

/* ---- in ---- */

#define BYTES(text) text, sizeof(text) - 1

static const struct decode_row {
    uint8_t data_coding;
    enum sms_alphabet alphabet;
    const char *bytes;
    size_t length;
    const char *text; /* NULL: not understood */
} decode_rows[] = {
    {0, SMS_ALPHABET_GSM, BYTES(""), ""},
    {0, SMS_ALPHABET_GSM, BYTES("Hello \x02 \x00"), "Hello $ @"},
    {0, SMS_ALPHABET_GSM, BYTES("\x04\x05\x06\x07\x08\x09"), "èéùìòÇ"},
    {0, SMS_ALPHABET_GSM, BYTES("\x10\x12\x13\x14\x15\x16\x17\x18\x19\x1a"), "ΔΦΓΛΩΠΨΣΘΞ"},
    {0, SMS_ALPHABET_GSM, BYTES("\x0b\x0c\x0e\x0f\x1c\x1d\x1e\x1f"), "ØøÅåÆæßÉ"},
    {0, SMS_ALPHABET_GSM, BYTES("\x24\x40\x5b\x5c\x5d\x5e\x5f\x60"), "¤¡ÄÖÑÜ§¿"},
    {0, SMS_ALPHABET_GSM, BYTES("\x7b\x7c\x7d\x7e\x7f\x01\x03\x11"), "äöñüà£¥_"},
    {0, SMS_ALPHABET_GSM, BYTES("\x1b\x65\x1b\x14\x1b\x28\x1b\x29\x1b\x2f"), "€^{}\\"},
    {0, SMS_ALPHABET_GSM, BYTES("\x1b\x3c\x1b\x3d\x1b\x3e\x1b\x40\x1b\x0a"), "[~]|\f"},
    /* Not in the extension table: as in the main one. Twice escaped, or nothing behind: a space. */
    {0, SMS_ALPHABET_GSM,
     BYTES("\x1b"
           "A\x1b\x1b"
           "B\x1b"),
     "A B "},
    {0, SMS_ALPHABET_GSM, BYTES("a\x80\xff\x1b\xe5z"), "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz"},
    {0, SMS_ALPHABET_LATIN1, BYTES("\xe9t\xe9 @ [$]"), "été @ [$]"},
    {0, SMS_ALPHABET_LATIN1, BYTES("a\0b"),
     "a\xef\xbf\xbd"
     "b"},
    {1, SMS_ALPHABET_GSM, BYTES("@[$]"), "@[$]"},
    {1, SMS_ALPHABET_GSM, BYTES("\xe9"), "\xef\xbf\xbd"},
    {3, SMS_ALPHABET_GSM, BYTES("\xe9t\xe9 \xff"), "été ÿ"},
    {8, SMS_ALPHABET_GSM, BYTES("\0S\0T\0\xea\x20\xac"), "STê€"},
    {8, SMS_ALPHABET_GSM, BYTES("\xd8\x3d\xde\x00"), "😀"},
    {8, SMS_ALPHABET_GSM, BYTES("\xdb\xff\xdf\xff\xd8\x00\xdc\x00"),
     "\xf4\x8f\xbf\xbf\xf0\x90\x80\x80"},
    {8, SMS_ALPHABET_GSM, BYTES("\0a\0\0\0b"),
     "a\xef\xbf\xbd"
     "b"},
    {8, SMS_ALPHABET_GSM, BYTES("\xff\xfe"), "\xef\xbf\xbe"},
    {8, SMS_ALPHABET_GSM, BYTES("\0a\0"), NULL},            /* half a unit */
    {8, SMS_ALPHABET_GSM, BYTES("\xd8\x3d"), NULL},         /* half a pair */
    {8, SMS_ALPHABET_GSM, BYTES("\xd8\x3d\0a"), NULL},      /* no second half */
    {8, SMS_ALPHABET_GSM, BYTES("\xde\x00\xd8\x3d"), NULL}, /* the wrong way round */
    {8, SMS_ALPHABET_GSM, BYTES("\xd8\x3d\xd8\x3d"), NULL},
    {2, SMS_ALPHABET_GSM, BYTES("a"), NULL},
    {4, SMS_ALPHABET_GSM, BYTES("a"), NULL},
    {5, SMS_ALPHABET_GSM, BYTES("a"), NULL},
    {6, SMS_ALPHABET_GSM, BYTES("a"), NULL},
    {0x0a, SMS_ALPHABET_GSM, BYTES("a"), NULL},
    /* General groups of TS 23.038. */
    {0x10, SMS_ALPHABET_GSM, BYTES("\x04"), "è"},
    {0x11, SMS_ALPHABET_LATIN1, BYTES("\xe8"), "è"},
    {0x13, SMS_ALPHABET_GSM, BYTES("\x04"), "è"},
    {0x14, SMS_ALPHABET_GSM, BYTES("a"), NULL},
    {0x18, SMS_ALPHABET_GSM, BYTES("\0\xe8"), "è"},
    {0x1c, SMS_ALPHABET_GSM, BYTES("a"), NULL},
    {0x20, SMS_ALPHABET_GSM, BYTES("a"), NULL}, /* compressed */
    {0x38, SMS_ALPHABET_GSM, BYTES("\0a"), NULL},
    {0x40, SMS_ALPHABET_GSM, BYTES("\x04"), "è"},
    {0x58, SMS_ALPHABET_GSM, BYTES("\0\xe8"), "è"},
    {0x80, SMS_ALPHABET_GSM, BYTES("a"), NULL},
    {0xbf, SMS_ALPHABET_GSM, BYTES("a"), NULL},
    {0xc8, SMS_ALPHABET_GSM, BYTES("\x04"), "è"},
    {0xd0, SMS_ALPHABET_GSM, BYTES("\x04"), "è"},
    {0xe0, SMS_ALPHABET_GSM, BYTES("\0\xe8"), "è"},
    {0xf0, SMS_ALPHABET_GSM, BYTES("\x04"), "è"},
    {0xf3, SMS_ALPHABET_GSM, BYTES("\x04"), "è"},
    {0xf4, SMS_ALPHABET_GSM, BYTES("a"), NULL},
    {0xf7, SMS_ALPHABET_GSM, BYTES("a"), NULL},
    {0xf8, SMS_ALPHABET_GSM, BYTES("a"), NULL},
};

START_TEST(decoded)
{
    for (size_t i = 0; i < sizeof(decode_rows) / sizeof(decode_rows[0]); i++) {
        const struct decode_row *row = &decode_rows[i];
        uint8_t *bytes = copy_of(row->bytes, row->length);
        char out[200] = "before";
        bool done = sms_decode(row->data_coding, row->alphabet, bytes, row->length, out, 200);
        ck_assert_msg(done == (row->text != NULL), "row %zu, data_coding %u", i, row->data_coding);
        ck_assert_msg(strcmp(out, done ? row->text : "") == 0, "row %zu: %s", i, out);
        /* It needs its length and one more, and never writes beyond. */
        for (size_t size = 0; done && size <= strlen(row->text) + 1; size++) {
            char *room = (char *)copy_of(out, size);
            ck_assert_int_eq(
                sms_decode(row->data_coding, row->alphabet, bytes, row->length, room, size),
                size == strlen(row->text) + 1);
            if (size > 0)
                ck_assert_str_eq(room, size == strlen(row->text) + 1 ? row->text : "");
            free(room);
        }
        free(bytes);
    }
}
END_TEST

START_TEST(always_enough)
{
    for (unsigned coding = 0; coding < 256; coding++)
        for (unsigned byte = 0; byte < 256; byte++) {
            uint8_t bytes[8];
            char out[3 * 8 + 1];
            char more[200];
            memset(bytes, (int)byte, sizeof(bytes));
            for (int alphabet = 0; alphabet < 2; alphabet++) {
                bool done = sms_decode((uint8_t)coding, (enum sms_alphabet)alphabet, bytes, 8, more,
                                       sizeof(more));
                ck_assert_int_eq(done, sms_decode((uint8_t)coding, (enum sms_alphabet)alphabet,
                                                  bytes, 8, out, sizeof(out)));
                ck_assert_str_eq(out, more);
                ck_assert(utf8_valid(out, strlen(out)));
                /* Nothing hides behind a NUL. */
                ck_assert(!done || strlen(out) >= (coding == 8 ? 4 : 2));
            }
        }
}
END_TEST

/* ---- headers ---- */

START_TEST(headers)
{
    static const struct {
        const char *bytes;
        size_t length;
        size_t header;
        unsigned reference, total, number; /* total 0: no part */
    } rows[] = {
        {BYTES(""), 0, 0, 0, 0},
        {BYTES("\0text"), 1, 0, 0, 0},
        {BYTES("\0"), 1, 0, 0, 0},
        {BYTES("\5\0\3\x2a\2\1text"), 6, 0x2a, 2, 1},
        {BYTES("\5\0\3\x2a\2\2"), 6, 0x2a, 2, 2},
        {BYTES("\5\0\3\x2a\2"), 0, 0, 0, 0}, /* cut */
        {BYTES("\6\x08\4\1\2\3\3text"), 7, 0x0102, 3, 3},
        {BYTES("\x0b\5\4\x0b\x84\x23\xf0\0\3\7\xff\xff"), 12, 7, 255, 255}, /* behind ports */
        {BYTES("\5\0\3\1\2\3"), 6, 0, 0, 0},                                /* 3 of 2 */
        {BYTES("\5\0\3\1\2\0"), 6, 0, 0, 0},                                /* 0 of 2 */
        {BYTES("\5\0\3\1\0\0"), 6, 0, 0, 0},
        {BYTES("\5\0\4\1\2\1\1"), 6, 0, 0, 0}, /* an element beyond its header */
        {BYTES("\4\0\2\1\2"), 5, 0, 0, 0},     /* of the wrong size */
        {BYTES("\5\x08\3\1\2\1"), 6, 0, 0, 0},
        {BYTES("\x0a\0\3\1\2\1\0\3\5\3\2"), 11, 5, 3, 2}, /* twice: the last */
        {BYTES("\x0a\0\3\1\2\1\0\3\5\3\4"), 11, 1, 2, 1}, /* unless it makes no sense */
        {BYTES("\1\0"), 2, 0, 0, 0},
        {BYTES("\6\0\3\1\2\1\0"), 7, 1, 2, 1}, /* half an element more */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t *bytes = copy_of(rows[i].bytes, rows[i].length);
        struct sms_part part;
        ck_assert_msg(sms_header_length(bytes, rows[i].length) == rows[i].header, "row %zu", i);
        bool found = sms_header_part(bytes, rows[i].length, &part);
        ck_assert_msg(found == (rows[i].total > 0), "row %zu", i);
        ck_assert_msg(part.reference == rows[i].reference && part.total == rows[i].total &&
                          part.number == rows[i].number,
                      "row %zu: %u, %u of %u", i, part.reference, part.number, part.total);
        free(bytes);
    }
}
END_TEST

/* ---- out ---- */

static const char *repeated(const char *piece, size_t n, const char *rest)
{
    static char text[200000];
    size_t length = strlen(piece);
    ck_assert_uint_lt(n * length + strlen(rest), sizeof(text));
    for (size_t i = 0; i < n; i++)
        memcpy(text + i * length, piece, length);
    memcpy(text + n * length, rest, strlen(rest) + 1);
    return text;
}

START_TEST(measured)
{
    static const struct {
        const char *piece;
        size_t n;
        const char *rest;
        enum sms_alphabet alphabet;
        uint8_t data_coding;
        size_t units;
        unsigned parts;
    } rows[] = {
        {"", 0, "", SMS_ALPHABET_GSM, 0, 0, 1},
        {"a", 160, "", SMS_ALPHABET_GSM, 0, 160, 1},
        {"a", 161, "", SMS_ALPHABET_GSM, 0, 161, 2},
        {"a", 306, "", SMS_ALPHABET_GSM, 0, 306, 2},
        {"a", 307, "", SMS_ALPHABET_GSM, 0, 307, 3},
        {"€", 80, "", SMS_ALPHABET_GSM, 0, 160, 1},
        {"€", 80, "a", SMS_ALPHABET_GSM, 0, 161, 2},
        /* 76 of them fill 152 of 153: the last septet stays free. */
        {"€", 152, "", SMS_ALPHABET_GSM, 0, 304, 2},
        {"€", 152, "a", SMS_ALPHABET_GSM, 0, 305, 2},
        {"€", 152, "€", SMS_ALPHABET_GSM, 0, 306, 3},
        {"a", 153 * 255, "", SMS_ALPHABET_GSM, 0, 153 * 255, 255},
        {"a", 153 * 255 + 1, "", SMS_ALPHABET_GSM, 0, 153 * 255 + 1, 0},
        {"é", 160, "", SMS_ALPHABET_GSM, 0, 160, 1},
        {"ê", 70, "", SMS_ALPHABET_GSM, 8, 70, 1},
        {"ê", 71, "", SMS_ALPHABET_GSM, 8, 71, 2},
        {"ê", 134, "", SMS_ALPHABET_GSM, 8, 134, 2},
        {"ê", 135, "", SMS_ALPHABET_GSM, 8, 135, 3},
        {"😀", 35, "", SMS_ALPHABET_GSM, 8, 70, 1},
        {"😀", 36, "", SMS_ALPHABET_GSM, 8, 72, 2},
        /* 33 pairs fill 66 of 67. */
        {"😀", 66, "", SMS_ALPHABET_GSM, 8, 132, 2},
        {"😀", 66, "a", SMS_ALPHABET_GSM, 8, 133, 2},
        {"😀", 67, "", SMS_ALPHABET_GSM, 8, 134, 3},
        {"ê", 67 * 255, "", SMS_ALPHABET_GSM, 8, 67 * 255, 255},
        {"ê", 67 * 255 + 1, "", SMS_ALPHABET_GSM, 8, 67 * 255 + 1, 0},
        {"\t", 1, "", SMS_ALPHABET_GSM, 8, 1, 1},
        {"\x1b", 1, "", SMS_ALPHABET_GSM, 8, 1, 1},
        {"\r\n", 1, "", SMS_ALPHABET_GSM, 0, 2, 1},
        {"ê", 160, "", SMS_ALPHABET_LATIN1, 0, 160, 1},
        {"[", 80, "", SMS_ALPHABET_LATIN1, 0, 160, 1},
        {"[", 81, "", SMS_ALPHABET_LATIN1, 0, 162, 2},
        {"€", 1, "", SMS_ALPHABET_LATIN1, 8, 1, 1},
        {"Δ", 1, "", SMS_ALPHABET_LATIN1, 8, 1, 1},
        {"\xc2\x80", 1, "", SMS_ALPHABET_LATIN1, 8, 1, 1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sms_shape shape;
        const char *text = repeated(rows[i].piece, rows[i].n, rows[i].rest);
        ck_assert(sms_measure(text, rows[i].alphabet, &shape));
        ck_assert_msg(shape.data_coding == rows[i].data_coding && shape.units == rows[i].units &&
                          shape.parts == rows[i].parts,
                      "row %zu: data_coding %u, %zu units, %u parts", i, shape.data_coding,
                      shape.units, shape.parts);
    }
    static const char *const wrong[] = {"\x80", "a\xff", "\xc3", "\xed\xa0\x80",
                                        "\xf5\x80\x80\x80"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct sms_shape shape = {.parts = 9};
        uint8_t out[10];
        size_t length = 9;
        ck_assert(!sms_measure(wrong[i], SMS_ALPHABET_GSM, &shape));
        ck_assert_uint_eq(shape.parts, 0);
        for (uint8_t coding = 0; coding <= 8; coding = (uint8_t)(coding + 8)) {
            shape = (struct sms_shape){.data_coding = coding, .parts = 1};
            ck_assert(!sms_encode(wrong[i], SMS_ALPHABET_GSM, &shape, out, sizeof(out), &length));
            ck_assert_uint_eq(length, 0);
        }
    }
}
END_TEST

/* UTF-8 of a character that is no surrogate. */
static void spell(uint32_t c, char out[5])
{
    size_t n = 0;
    if (c < 0x80) {
        out[n++] = (char)c;
    } else if (c < 0x800) {
        out[n++] = (char)(0xc0 | c >> 6);
        out[n++] = (char)(0x80 | (c & 0x3f));
    } else {
        out[n++] = (char)(0xe0 | c >> 12);
        out[n++] = (char)(0x80 | (c >> 6 & 0x3f));
        out[n++] = (char)(0x80 | (c & 0x3f));
    }
    out[n] = '\0';
}

/* Every character, against what the table of septets reads as. */
START_TEST(every_character)
{
    static char spelled[256][5]; /* of each septet, and behind an escape */
    unsigned found = 0;
    for (unsigned i = 0; i < 256; i++) {
        const uint8_t bytes[2] = {0x1b, (uint8_t)(i & 0x7f)};
        bool extended = i >= 128;
        ck_assert(sms_decode(0, SMS_ALPHABET_GSM, extended ? bytes : bytes + 1, extended ? 2 : 1,
                             spelled[i], sizeof(spelled[i])));
    }
    for (uint32_t c = 1; c < 0x10000; c++) {
        char text[5];
        uint8_t out[4];
        size_t length = 0;
        struct sms_shape shape;
        unsigned at = 0;
        if (c >= 0xd800 && c < 0xe000)
            continue;
        spell(c, text);
        while (at < 256 && (strcmp(spelled[at], text) != 0 || at == 0x1b))
            at++;
        ck_assert(sms_measure(text, SMS_ALPHABET_GSM, &shape));
        ck_assert_msg(shape.data_coding == (at < 256 ? 0 : 8), "U+%04X", c);
        if (at == 256)
            continue;
        found++;
        ck_assert(sms_encode(text, SMS_ALPHABET_GSM, &shape, out, sizeof(out), &length));
        ck_assert_uint_eq(shape.units, length);
        ck_assert_uint_eq(length, at < 128 ? 1 : 2);
        ck_assert_msg(out[length - 1] == (at & 0x7f) && (at < 128 || out[0] == 0x1b), "U+%04X", c);
    }
    ck_assert_uint_eq(found, 127 + 10);
}
END_TEST

START_TEST(not_encoded)
{
    uint8_t out[10];
    size_t length;
    struct sms_shape shape = {.data_coding = 0, .parts = 1};
    ck_assert(!sms_encode("ê", SMS_ALPHABET_GSM, &shape, out, sizeof(out), &length));
    ck_assert(!sms_encode("€", SMS_ALPHABET_LATIN1, &shape, out, sizeof(out), &length));
    ck_assert(sms_encode("ê", SMS_ALPHABET_LATIN1, &shape, out, sizeof(out), &length));
    ck_assert_uint_eq(length, 1);
    ck_assert_uint_eq(out[0], 0xea);
    ck_assert(sms_encode("€", SMS_ALPHABET_GSM, &shape, out, 2, &length));
    ck_assert_mem_eq(out, "\x1b\x65", 2);
    ck_assert(!sms_encode("€", SMS_ALPHABET_GSM, &shape, out, 1, &length));
    shape.data_coding = 8;
    ck_assert(sms_encode("a😀", SMS_ALPHABET_GSM, &shape, out, 6, &length));
    ck_assert_mem_eq(out, "\0a\xd8\x3d\xde\0", 6);
    ck_assert(!sms_encode("a😀", SMS_ALPHABET_GSM, &shape, out, 5, &length));
    shape.data_coding = 3;
    ck_assert(!sms_encode("a", SMS_ALPHABET_GSM, &shape, out, sizeof(out), &length));
}
END_TEST

/* ---- there and back, and cut ---- */

static uint32_t seed = 20260601;

static unsigned any(unsigned n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

static const char *const pieces[] = {"a", "@", "€", "[", "é", "\n", "Δ", "ê", "😀", "漢"};

/* What is cut, put together again, is what was there; no part is too long, none but the last could
 * have taken what the next begins with, and each can be read by itself. */
static void try_cut(const char *text, enum sms_alphabet alphabet)
{
    static uint8_t bytes[4000];
    static char back[4000];
    static char all[8000];
    struct sms_shape shape;
    size_t length;
    ck_assert(sms_measure(text, alphabet, &shape));
    ck_assert(sms_encode(text, alphabet, &shape, bytes, sizeof(bytes), &length));
    ck_assert(sms_decode(shape.data_coding, alphabet, bytes, length, back, sizeof(back)));
    ck_assert_str_eq(back, text);
    size_t next = 0;
    size_t room = shape.data_coding == 8 ? 67 : 153;
    size_t single = shape.data_coding == 8 ? 70 : 160;
    size_t before = 0;
    all[0] = '\0';
    for (unsigned part = 1; part <= shape.parts; part++) {
        size_t from;
        size_t n;
        struct sms_shape alone;
        sms_cut(bytes, length, alphabet, &shape, part, &from, &n);
        ck_assert_uint_eq(from, next);
        ck_assert(n > 0 || length == 0);
        next = from + n;
        uint8_t *exact = copy_of(bytes + from, n);
        ck_assert(sms_decode(shape.data_coding, alphabet, exact, n, back, sizeof(back)));
        free(exact);
        memcpy(all + strlen(all), back, strlen(back) + 1);
        size_t units = n / 2;
        if (shape.data_coding == 0) {
            ck_assert(sms_measure(back, alphabet, &alone));
            units = alone.units;
        }
        ck_assert_uint_le(units, shape.parts == 1 ? single : room);
        if (part > 1)
            ck_assert_uint_ge(before, room - 1);
        before = units;
    }
    ck_assert_uint_eq(next, length);
    ck_assert_str_eq(all, text);
    size_t from;
    size_t n;
    sms_cut(bytes, length, alphabet, &shape, shape.parts + 1, &from, &n);
    ck_assert_uint_eq(n, 0);
    sms_cut(bytes, length, alphabet, &shape, 0, &from, &n);
    ck_assert_uint_eq(n, 0);
}

START_TEST(there_and_back)
{
    static char text[4000];
    unsigned coded[2] = {0};
    for (int run = 0; run < 5000; run++) {
        size_t length = 0;
        unsigned kinds = 1 + any(10);
        for (unsigned n = any(500); n > 0; n--) {
            const char *piece = pieces[any(kinds)];
            memcpy(text + length, piece, strlen(piece));
            length += strlen(piece);
        }
        text[length] = '\0';
        try_cut(text, any(2) ? SMS_ALPHABET_GSM : SMS_ALPHABET_LATIN1);
        struct sms_shape shape;
        ck_assert(sms_measure(text, SMS_ALPHABET_GSM, &shape));
        coded[shape.data_coding / 8]++;
    }
    ck_assert_uint_gt(coded[0], 1000);
    ck_assert_uint_gt(coded[1], 1000);
}
END_TEST

int main(void)
{
    const TTest *const in[] = {decoded, always_enough, headers, NULL};
    const TTest *const out[] = {measured, every_character, not_encoded, there_and_back, NULL};
    Suite *const suites[] = {unit_suite("in", in), unit_suite("out", out), NULL};
    return unit_run(suites);
}
