/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of a short message: the alphabets of 3GPP TS 23.038 and what data_coding (SMPP 5.2.19)
 * names, to UTF-8 and back; user data headers (TS 23.040, 9.2.3.24); how many parts a text takes
 * and where it is cut. Pure.
 */
#ifndef OCTROI_WIRE_SMS_TEXT_H
#define OCTROI_WIRE_SMS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What data_coding 0 ("the SMSC's default alphabet") means is the provider's to say. */
enum sms_alphabet { SMS_ALPHABET_GSM, SMS_ALPHABET_LATIN1 };

#define SMS_PART_GSM       160 /* septets of a message of one part */
#define SMS_PART_GSM_LONG  153 /* of each part of several, with a 6-byte header */
#define SMS_PART_UCS2      70  /* UTF-16 units */
#define SMS_PART_UCS2_LONG 67
#define SMS_PARTS_MAX      255

/* A part of a longer message: UDH element 0x00 or 0x08, or SAR TLVs. */
struct sms_part {
    unsigned reference;
    unsigned total;  /* 1 … 255 */
    unsigned number; /* 1 … total */
};

/* Length of the user data header with its length byte; 0 when the bytes hold no whole one. */
size_t sms_header_length(const uint8_t *bytes, size_t length);
/* The concatenation element of the header that bytes begin with; false: none, or it makes no sense
 * (total 0, number 0 or beyond total). */
bool sms_header_part(const uint8_t *bytes, size_t length, struct sms_part *part_out);

/* Text (behind the header, if any) to UTF-8, ended by NUL. data_coding: SMPP's 0, 1, 3 and 8, and
 * of TS 23.038 the general groups, the message classes and message waiting, unless they say binary,
 * compressed or reserved. GSM text comes one septet a byte, as SMPP has it; what is no septet, no
 * ASCII where it should be, or NUL, becomes U+FFFD: of a text that people can still read, the rest
 * is read as well. False: binary or unknown coding, malformed UTF-16, or out is too small; out is
 * then "". Three bytes of out for each of bytes, and one more, are always enough. */
bool sms_decode(uint8_t data_coding, enum sms_alphabet alphabet, const uint8_t *bytes,
                size_t length, char *out, size_t size);

/* How a UTF-8 text travels. */
struct sms_shape {
    uint8_t data_coding; /* 0: every character is in the provider's default alphabet; else 8 */
    size_t units;        /* septets (characters of the extension table count two, also where the
                          * provider takes Latin-1) or UTF-16 units */
    unsigned parts;      /* 1 … 255; 0: it is too long */
};
/* False when text is not UTF-8. */
bool sms_measure(const char *text, enum sms_alphabet alphabet, struct sms_shape *shape_out);
/* Encodes the whole text as shape says into out. False when it does not fit. */
bool sms_encode(const char *text, enum sms_alphabet alphabet, const struct sms_shape *shape,
                uint8_t *out, size_t size, size_t *length_out);
/* The part from 1 on of an encoded text, to follow a 6-byte header: never cuts an escape sequence
 * or a surrogate pair in two. alphabet and shape as for sms_encode. The only part of one is the
 * whole; a part that there is not is empty. */
void sms_cut(const uint8_t *bytes, size_t length, enum sms_alphabet alphabet,
             const struct sms_shape *shape, unsigned part, size_t *from_out, size_t *length_out);

#endif
