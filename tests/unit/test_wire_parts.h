/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the codec of SMPP share. */
#ifndef OCTROI_TESTS_WIRE_PARTS_H
#define OCTROI_TESTS_WIRE_PARTS_H

#include "tests/unit/unit.h"
#include "wire/smpp.h"

#include <string.h>

/* In memory of its own size, so that a sanitizer sees a read past its end. To be freed. */
static inline uint8_t *copy_of(const void *bytes, size_t length)
{
    uint8_t *copy = malloc(length > 0 ? length : 1);
    ck_assert_ptr_nonnull(copy);
    if (length > 0)
        memcpy(copy, bytes, length);
    return copy;
}

/* A submit_sm in bytes, and as a structure. */
static const uint8_t
    submit_bytes[] =
        {
            0,    0,    0,    87,  0,    0,    0,   4,   0,   0,   0,   0,   0x01, 0x02, 0x03,
            0x04,                                 /* header
                                                   */
            'C',  'M',  'T',  0,                  /* service_type */
            5,    0,    'A',  'C', 'M',  'E',  0, /* source */
            1,    1,    '3',  '3', '6',  '9',  '8', '0', '0', '0', '0', '0', '1',  0, /* destination
                                                                                       */
            0x03, 0x04, 0x02, /* esm, pid, priority */
            0,                /* schedule */
            '0',  '0',  '0',  '0', '0',  '1',  '0', '0', '0', '0', '0', '0', '0',  '0',  '0',
            'R',  0,    1,    0,   8,    9,                      /* registered, … */
            4,    0,    'H',  0,   'i',                          /* text */
            0x02, 0x04, 0,    2,   0xab, 0xcd,                   /* reference */
            0x14, 0x0a, 0,    6,   0,    1,    2,   3,   4,   5, /* a vendor's */
};

static const struct smpp_message submit_message = {
    .service_type = "CMT",
    .source = {.ton = 5, .npi = 0, .text = "ACME"},
    .destination = {.ton = 1, .npi = 1, .text = "33698000001"},
    .esm_class = 3,
    .protocol_id = 4,
    .priority = 2,
    .validity = "000001000000000R",
    .registered = 1,
    .data_coding = 8,
    .default_message = 9,
    .text = {.data = (const uint8_t *)"\0H\0i", .length = 4},
    .tlvs = {.data = submit_bytes + sizeof(submit_bytes) - 16, .length = 16},
};

/* A number below n, the next of a row that state begins. */
static inline unsigned any_of(uint32_t *state, unsigned n)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % n;
}

#endif
