/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivery receipts: the text form of SMPP 3.4, appendix B ("id:… sub:001 dlvrd:001 submit date:…
 * done date:… stat:DELIVRD err:000 text:…"), as it is found in practice (fields missing, in any
 * case and order, spaces within ids), and the message ids of providers that give them in
 * hexadecimal and report them in decimal, or the other way round. Pure.
 */
#ifndef OCTROI_WIRE_RECEIPT_H
#define OCTROI_WIRE_RECEIPT_H

#include "wire/smpp.h"

/* message_state of SMPP 3.4, 5.2.28: also the numbers of the TLV. */
enum receipt_state {
    RECEIPT_ENROUTE = 1,
    RECEIPT_DELIVERED = 2,
    RECEIPT_EXPIRED = 3,
    RECEIPT_DELETED = 4,
    RECEIPT_UNDELIVERABLE = 5,
    RECEIPT_ACCEPTED = 6,
    RECEIPT_UNKNOWN = 7,
    RECEIPT_REJECTED = 8,
};

struct receipt {
    char id[SMPP_ID_MAX];
    enum receipt_state state;
    char error[8];        /* "000"; "" when not said */
    char submit_date[13]; /* as it came: YYMMDDhhmm[ss]; "" */
    char done_date[13];
};

/* Of a deliver_sm or data_sm: TLVs (receipted_message_id, message_state) win over the text. False
 * when it names no message. */
bool receipt_read(const struct smpp_message *message, struct receipt *receipt_out);
/* The text form; returns its length, 0 when room is too little. text is at most 20 characters of
 * the message, "" as octroi has it. */
size_t receipt_write(char *out, size_t room, const struct receipt *receipt);
/* "DELIVRD", "UNDELIV", …, as in the text form. */
const char *receipt_state_name(enum receipt_state state);
bool receipt_state_parse(const char *text, enum receipt_state *state_out);
/* Other spellings under which the message may be on record: upper and lower case hexadecimal,
 * decimal for hexadecimal, hexadecimal for decimal, without leading zeros. Returns how many, the id
 * itself first; at most RECEIPT_SPELLINGS. A guess: all but the first may be another message's
 * ("1000" is 4096 in hexadecimal), so who looks them up compares the recipient too. */
#define RECEIPT_SPELLINGS 6
size_t receipt_spellings(const char *id, char spellings_out[RECEIPT_SPELLINGS][SMPP_ID_MAX]);

#endif
