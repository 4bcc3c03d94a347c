/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The alphabets of short messages, their headers, and where a long text is cut. Knows the default
 * alphabet of TS 23.038 with its extension table, Latin-1 and UTF-16; no national shift tables.
 */
#include "wire/sms_text.h"

#include "base/str.h"

#include <string.h>

#define ESCAPE      0x1b
#define REPLACEMENT 0xfffdu

/* TS 23.038, 6.2.1. */
static const uint16_t gsm_basic[128] = {
    0x0040, 0x00a3, 0x0024, 0x00a5, 0x00e8, 0x00e9, 0x00f9, 0x00ec, 0x00f2, 0x00c7, 0x000a, 0x00d8,
    0x00f8, 0x000d, 0x00c5, 0x00e5, 0x0394, 0x005f, 0x03a6, 0x0393, 0x039b, 0x03a9, 0x03a0, 0x03a8,
    0x03a3, 0x0398, 0x039e, 0x0000, 0x00c6, 0x00e6, 0x00df, 0x00c9, 0x0020, 0x0021, 0x0022, 0x0023,
    0x00a4, 0x0025, 0x0026, 0x0027, 0x0028, 0x0029, 0x002a, 0x002b, 0x002c, 0x002d, 0x002e, 0x002f,
    0x0030, 0x0031, 0x0032, 0x0033, 0x0034, 0x0035, 0x0036, 0x0037, 0x0038, 0x0039, 0x003a, 0x003b,
    0x003c, 0x003d, 0x003e, 0x003f, 0x00a1, 0x0041, 0x0042, 0x0043, 0x0044, 0x0045, 0x0046, 0x0047,
    0x0048, 0x0049, 0x004a, 0x004b, 0x004c, 0x004d, 0x004e, 0x004f, 0x0050, 0x0051, 0x0052, 0x0053,
    0x0054, 0x0055, 0x0056, 0x0057, 0x0058, 0x0059, 0x005a, 0x00c4, 0x00d6, 0x00d1, 0x00dc, 0x00a7,
    0x00bf, 0x0061, 0x0062, 0x0063, 0x0064, 0x0065, 0x0066, 0x0067, 0x0068, 0x0069, 0x006a, 0x006b,
    0x006c, 0x006d, 0x006e, 0x006f, 0x0070, 0x0071, 0x0072, 0x0073, 0x0074, 0x0075, 0x0076, 0x0077,
    0x0078, 0x0079, 0x007a, 0x00e4, 0x00f6, 0x00f1, 0x00fc, 0x00e0,
};

/* 6.2.1.1: what follows an escape. */
static const struct {
    uint8_t septet;
    uint16_t character;
} gsm_extension[] = {
    {0x0a, 0x000c}, {0x14, '^'}, {0x28, '{'}, {0x29, '}'}, {0x2f, '\\'},
    {0x3c, '['},    {0x3d, '~'}, {0x3e, ']'}, {0x40, '|'}, {0x65, 0x20ac},
};
#define EXTENSIONS (sizeof(gsm_extension) / sizeof(gsm_extension[0]))

/* The way back for U+0000 to U+00FF, since texts are little else: the septet, EXTENDED added when
 * it follows an escape, or NO_SEPTET. */
#define EXTENDED  0x80u
#define NO_SEPTET 0xffu
static const uint8_t gsm_of_latin[256] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0a, 0xff, 0x8a, 0x0d, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0x20, 0x21, 0x22, 0x23, 0x02, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x2b, 0x2c, 0x2d, 0x2e, 0x2f,
    0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f,
    0x00, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f,
    0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0xbc, 0xaf, 0xbe, 0x94, 0x11,
    0xff, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f,
    0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0xa8, 0xc0, 0xa9, 0xbd, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0x40, 0xff, 0x01, 0x24, 0x03, 0xff, 0x5f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x60,
    0xff, 0xff, 0xff, 0xff, 0x5b, 0x0e, 0x1c, 0x09, 0xff, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0x5d, 0xff, 0xff, 0xff, 0xff, 0x5c, 0xff, 0x0b, 0xff, 0xff, 0xff, 0x5e, 0xff, 0xff, 0x1e,
    0x7f, 0xff, 0xff, 0xff, 0x7b, 0x0f, 0x1d, 0xff, 0x04, 0x05, 0xff, 0xff, 0x07, 0xff, 0xff, 0xff,
    0xff, 0x7d, 0x08, 0xff, 0xff, 0xff, 0x7c, 0xff, 0x0c, 0x06, 0xff, 0xff, 0x7e, 0xff, 0xff, 0xff,
};

/* Between these lie the capitals of Greek, all that gsm_basic has beyond U+00FF. */
enum { GREEK_FIRST = 0x10, GREEK_LAST = 0x1a };

/* The septets of a character, 1 or 2 of them; 0: it has none. */
static size_t gsm_septets(uint32_t character, uint8_t out[2])
{
    if (character <= 0xff) {
        uint8_t septet = gsm_of_latin[character];
        if (septet == NO_SEPTET)
            return 0;
        bool extended = (septet & EXTENDED) != 0;
        out[0] = extended ? ESCAPE : septet;
        out[1] = (uint8_t)(septet & ~EXTENDED);
        return extended ? 2 : 1;
    }
    if (character == 0x20ac) { /* the euro sign, the only one of the extension table up here */
        out[0] = ESCAPE;
        out[1] = 0x65;
        return 2;
    }
    for (unsigned i = GREEK_FIRST; i <= GREEK_LAST; i++)
        if (gsm_basic[i] == character) {
            out[0] = (uint8_t)i;
            return 1;
        }
    return 0;
}

/* ---- user data headers ---- */

size_t sms_header_length(const uint8_t *bytes, size_t length)
{
    if (length < 1)
        return 0;
    size_t header = (size_t)bytes[0] + 1;
    return header <= length ? header : 0;
}

bool sms_header_part(const uint8_t *bytes, size_t length, struct sms_part *part_out)
{
    *part_out = (struct sms_part){0};
    size_t end = sms_header_length(bytes, length);
    bool found = false;
    for (size_t at = 1; at + 2 <= end;) {
        uint8_t id = bytes[at];
        size_t size = bytes[at + 1];
        const uint8_t *data = bytes + at + 2;
        if (end - at - 2 < size)
            return false;
        struct sms_part part = {0};
        if (id == 0x00 && size == 3)
            part = (struct sms_part){.reference = data[0], .total = data[1], .number = data[2]};
        else if (id == 0x08 && size == 4)
            part = (struct sms_part){
                .reference = (unsigned)data[0] << 8 | data[1], .total = data[2], .number = data[3]};
        /* An element that makes no sense is ignored; of several the last counts (9.2.3.24). */
        if (part.number >= 1 && part.number <= part.total) {
            *part_out = part;
            found = true;
        }
        at += 2 + size;
    }
    return found;
}

/* ---- in ---- */

enum coding { CODING_GSM, CODING_ASCII, CODING_LATIN1, CODING_UCS2, CODING_OTHER };

/* What the provider's default alphabet is said to be goes for every coding that names it. */
static enum coding coding_of(uint8_t data_coding, enum sms_alphabet alphabet)
{
    enum coding usual = alphabet == SMS_ALPHABET_LATIN1 ? CODING_LATIN1 : CODING_GSM;
    switch (data_coding) {
    case 0x00:
        return usual;
    case 0x01:
        return CODING_ASCII;
    case 0x03:
        return CODING_LATIN1;
    case 0x08:
        return CODING_UCS2;
    default:
        break;
    }
    if (data_coding < 0x10)
        return CODING_OTHER;
    switch (data_coding >> 4) {
    case 0xc: /* message waiting */
    case 0xd:
        return usual;
    case 0xe:
        return CODING_UCS2;
    case 0xf: /* a class; bit 2: binary, bit 3 is reserved */
        return (data_coding & 0x0c) == 0 ? usual : CODING_OTHER;
    default:
        break;
    }
    /* General groups: 00 and 01 (to be deleted once read), unless compressed. */
    if (data_coding >= 0x80 || (data_coding & 0x20) != 0)
        return CODING_OTHER;
    switch (data_coding >> 2 & 3) {
    case 0:
        return usual;
    case 2:
        return CODING_UCS2;
    default:
        return CODING_OTHER;
    }
}

struct writer {
    char *out;
    size_t size;
    size_t length;
    bool full;
};

static void put(struct writer *to, uint32_t c)
{
    uint8_t bytes[4];
    size_t n = 0;
    /* A NUL would hide from C what the person reads behind it. */
    if (c == 0)
        c = REPLACEMENT;
    if (c < 0x80) {
        bytes[n++] = (uint8_t)c;
    } else if (c < 0x800) {
        bytes[n++] = (uint8_t)(0xc0 | c >> 6);
        bytes[n++] = (uint8_t)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        bytes[n++] = (uint8_t)(0xe0 | c >> 12);
        bytes[n++] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        bytes[n++] = (uint8_t)(0x80 | (c & 0x3f));
    } else {
        bytes[n++] = (uint8_t)(0xf0 | c >> 18);
        bytes[n++] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
        bytes[n++] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        bytes[n++] = (uint8_t)(0x80 | (c & 0x3f));
    }
    if (to->full || to->size - to->length <= n) {
        to->full = true;
        return;
    }
    memcpy(to->out + to->length, bytes, n);
    to->length += n;
}

static void put_extension(struct writer *to, uint8_t septet)
{
    for (size_t i = 0; i < EXTENSIONS; i++)
        if (gsm_extension[i].septet == septet) {
            put(to, gsm_extension[i].character);
            return;
        }
    /* 6.2.1.1: what the table does not have reads as in the main one; a second escape, which would
     * begin yet another table, as a space. */
    put(to, septet == ESCAPE ? ' ' : septet < 128 ? gsm_basic[septet] : REPLACEMENT);
}

static void put_gsm(struct writer *to, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] >= 128)
            put(to, REPLACEMENT);
        else if (bytes[i] != ESCAPE)
            put(to, gsm_basic[bytes[i]]);
        else if (i + 1 < length)
            put_extension(to, bytes[++i]);
        else
            put(to, ' ');
    }
}

static bool put_ucs2(struct writer *to, const uint8_t *bytes, size_t length)
{
    if (length % 2 != 0)
        return false;
    for (size_t i = 0; i < length; i += 2) {
        uint32_t unit = (uint32_t)bytes[i] << 8 | bytes[i + 1];
        if (unit < 0xd800 || unit > 0xdfff) {
            put(to, unit);
            continue;
        }
        if (unit > 0xdbff || i + 4 > length)
            return false;
        i += 2;
        uint32_t low = (uint32_t)bytes[i] << 8 | bytes[i + 1];
        if (low < 0xdc00 || low > 0xdfff)
            return false;
        put(to, 0x10000 + ((unit - 0xd800) << 10 | (low - 0xdc00)));
    }
    return true;
}

bool sms_decode(uint8_t data_coding, enum sms_alphabet alphabet, const uint8_t *bytes,
                size_t length, char *out, size_t size)
{
    struct writer to = {.out = out, .size = size};
    enum coding coding = coding_of(data_coding, alphabet);
    bool understood = coding != CODING_OTHER;
    if (size == 0)
        return false;
    if (coding == CODING_GSM)
        put_gsm(&to, bytes, length);
    else if (coding == CODING_UCS2)
        understood = put_ucs2(&to, bytes, length);
    else if (understood)
        for (size_t i = 0; i < length; i++)
            put(&to, coding == CODING_ASCII && bytes[i] >= 128 ? REPLACEMENT : bytes[i]);
    understood = understood && !to.full;
    out[understood ? to.length : 0] = '\0';
    return understood;
}

/* ---- out ---- */

/* The next character of a text; false at its end, and where it is not UTF-8 (*valid is then false).
 */
static bool next_character(const char **text, uint32_t *character_out, bool *valid)
{
    const unsigned char *at = (const unsigned char *)*text;
    *valid = true;
    if (*at == '\0')
        return false;
    if (*at < 0x80) { /* nearly all of them */
        *character_out = *at;
        ++*text;
        return true;
    }
    size_t n = utf8_sequence(at, strnlen(*text, 4));
    if (n == 0) {
        *valid = false;
        return false;
    }
    uint32_t c = n == 1 ? at[0] : at[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++)
        c = c << 6 | (at[i] & 0x3fu);
    *character_out = c;
    *text += n;
    return true;
}

/* A character in the provider's default alphabet: its bytes, 0 when it has none. */
static size_t usual_bytes(uint32_t character, enum sms_alphabet alphabet, uint8_t out[2])
{
    if (alphabet == SMS_ALPHABET_GSM)
        return gsm_septets(character, out);
    bool control = (character < 0x20 && character != '\n' && character != '\r') ||
                   (character >= 0x7f && character < 0xa0);
    if (character > 0xff || control)
        return 0;
    out[0] = (uint8_t)character;
    return 1;
}

/* The next piece that must not be cut: one character of an encoded text. How many bytes it has, and
 * how many units it takes. Latin-1 becomes septets on its last way: its '[' takes two as well. */
static size_t next_piece(const uint8_t *bytes, size_t length, enum sms_alphabet alphabet,
                         uint8_t data_coding, size_t *units_out)
{
    uint8_t septets[2];
    *units_out = 1;
    if (data_coding == 8) {
        if (length < 2)
            return length;
        bool pair = length >= 4 && (bytes[0] & 0xfc) == 0xd8 && (bytes[2] & 0xfc) == 0xdc;
        *units_out = pair ? 2 : 1;
        return pair ? 4 : 2;
    }
    if (alphabet == SMS_ALPHABET_LATIN1) {
        if (gsm_septets(bytes[0], septets) == 2)
            *units_out = 2;
        return 1;
    }
    if (bytes[0] == ESCAPE && length >= 2)
        *units_out = 2;
    return *units_out;
}

static size_t part_room(uint8_t data_coding)
{
    return data_coding == 8 ? SMS_PART_UCS2_LONG : SMS_PART_GSM_LONG;
}

/* Units of the text so far, and where its parts end: the same count for measuring as for cutting.
 */
struct count {
    size_t units;
    size_t in_part;
    unsigned parts; /* those begun */
};

static void count_piece(struct count *count, size_t units, size_t room)
{
    count->units += units;
    if (count->parts == 0 || count->in_part + units > room) {
        /* One more than the most is too many, however many more. */
        if (count->parts <= SMS_PARTS_MAX)
            count->parts++;
        count->in_part = 0;
    }
    count->in_part += units;
}

/* The units of a character in the coding; 0: it cannot be said. */
static size_t character_units(uint32_t character, enum sms_alphabet alphabet, uint8_t data_coding)
{
    uint8_t bytes[2];
    size_t units;
    if (data_coding == 8)
        return character >= 0x10000 ? 2 : 1;
    if (alphabet == SMS_ALPHABET_GSM)
        return gsm_septets(character, bytes);
    size_t length = usual_bytes(character, alphabet, bytes);
    if (length == 0)
        return 0;
    next_piece(bytes, length, alphabet, data_coding, &units);
    return units;
}

/* False: not UTF-8. *fits_out: every character can be said in this coding. */
static bool measure(const char *text, enum sms_alphabet alphabet, uint8_t data_coding,
                    struct sms_shape *shape_out, bool *fits_out)
{
    struct count count = {0};
    uint32_t character;
    bool valid;
    *fits_out = true;
    while (next_character(&text, &character, &valid)) {
        size_t units = character_units(character, alphabet, data_coding);
        if (units == 0)
            *fits_out = false;
        count_piece(&count, units, part_room(data_coding));
    }
    if (!valid)
        return false;
    size_t single = data_coding == 8 ? SMS_PART_UCS2 : SMS_PART_GSM;
    if (count.units <= single)
        count.parts = 1;
    *shape_out = (struct sms_shape){
        .data_coding = data_coding,
        .units = count.units,
        .parts = count.parts <= SMS_PARTS_MAX ? count.parts : 0,
    };
    return true;
}

/* The length of a text of one part in which every character is one byte and one septet, as most
 * are, whatever the default alphabet; 0: it is no such text. */
static size_t plain_length(const char *text)
{
    for (size_t i = 0; i <= SMS_PART_GSM; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\0')
            return i;
        if (c >= 0x80 || gsm_of_latin[c] >= EXTENDED)
            return 0;
    }
    return 0;
}

bool sms_measure(const char *text, enum sms_alphabet alphabet, struct sms_shape *shape_out)
{
    bool fits;
    size_t plain = plain_length(text);
    *shape_out = (struct sms_shape){.units = plain, .parts = plain > 0 ? 1 : 0};
    if (plain > 0)
        return true;
    if (!measure(text, alphabet, 0, shape_out, &fits))
        return false;
    return fits || measure(text, alphabet, 8, shape_out, &fits);
}

static size_t ucs2_bytes(uint32_t character, uint8_t out[4])
{
    uint32_t units[2] = {character, 0};
    size_t n = 1;
    if (character >= 0x10000) {
        units[0] = 0xd800 + ((character - 0x10000) >> 10);
        units[1] = 0xdc00 + ((character - 0x10000) & 0x3ff);
        n = 2;
    }
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = (uint8_t)(units[i] >> 8);
        out[2 * i + 1] = (uint8_t)units[i];
    }
    return 2 * n;
}

bool sms_encode(const char *text, enum sms_alphabet alphabet, const struct sms_shape *shape,
                uint8_t *out, size_t size, size_t *length_out)
{
    uint32_t character;
    bool valid;
    size_t length = 0;
    *length_out = 0;
    if (shape->data_coding != 0 && shape->data_coding != 8)
        return false;
    while (next_character(&text, &character, &valid)) {
        uint8_t bytes[4];
        size_t n = shape->data_coding == 8 ? ucs2_bytes(character, bytes)
                                           : usual_bytes(character, alphabet, bytes);
        if (n == 0 || size - length < n)
            return false;
        memcpy(out + length, bytes, n);
        length += n;
    }
    if (!valid)
        return false;
    *length_out = length;
    return true;
}

void sms_cut(const uint8_t *bytes, size_t length, enum sms_alphabet alphabet,
             const struct sms_shape *shape, unsigned part, size_t *from_out, size_t *length_out)
{
    struct count count = {0};
    *from_out = length;
    *length_out = 0;
    if (part < 1 || part > shape->parts)
        return;
    if (shape->parts == 1) {
        *from_out = 0;
        *length_out = length;
        return;
    }
    for (size_t at = 0; at < length;) {
        size_t units;
        size_t n = next_piece(bytes + at, length - at, alphabet, shape->data_coding, &units);
        count_piece(&count, units, part_room(shape->data_coding));
        if (count.parts > part)
            return;
        if (count.parts == part) {
            if (*length_out == 0)
                *from_out = at;
            *length_out += n;
        }
        at += n;
    }
}
