/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SMPP 3.4 in bytes: protocol data units in and out, bounds-checked, TLVs kept opaque so that what
 * an operator invented is relayed byte for byte (5.0 peers are understood as far as 3.4 goes).
 * Pure: it reads and writes memory it is given, keeps nothing, knows neither sockets nor states.
 *
 * What is decoded borrows: every span points into the bytes that were decoded. Text fields are
 * copied, ended by NUL, and never longer than the specification allows.
 */
#ifndef OCTROI_WIRE_SMPP_H
#define OCTROI_WIRE_SMPP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SMPP_HEADER_BYTES 16
#define SMPP_PDU_MAX      65536 /* command_length; checked before anything is buffered */
#define SMPP_ID_MAX       65    /* message_id with its NUL */
#define SMPP_MULTI_MAX    254   /* destinations of one submit_multi */

enum smpp_command {
    SMPP_GENERIC_NACK = (int)0x80000000,
    SMPP_BIND_RECEIVER = 0x01,
    SMPP_BIND_TRANSMITTER = 0x02,
    SMPP_QUERY_SM = 0x03,
    SMPP_SUBMIT_SM = 0x04,
    SMPP_DELIVER_SM = 0x05,
    SMPP_UNBIND = 0x06,
    SMPP_REPLACE_SM = 0x07,
    SMPP_CANCEL_SM = 0x08,
    SMPP_BIND_TRANSCEIVER = 0x09,
    SMPP_OUTBIND = 0x0b,
    SMPP_ENQUIRE_LINK = 0x15,
    SMPP_SUBMIT_MULTI = 0x21,
    SMPP_ALERT_NOTIFICATION = 0x102,
    SMPP_DATA_SM = 0x103,
};
#define SMPP_RESPONSE      0x80000000u /* set in the command id of every response */
#define SMPP_RESP(command) ((uint32_t)(command) | SMPP_RESPONSE)

/* command_status; the names are the specification's without ESME_R. */
enum smpp_status {
    SMPP_ROK = 0x00,
    SMPP_RINVMSGLEN = 0x01,
    SMPP_RINVCMDLEN = 0x02,
    SMPP_RINVCMDID = 0x03,
    SMPP_RINVBNDSTS = 0x04,
    SMPP_RALYBND = 0x05,
    SMPP_RSYSERR = 0x08,
    SMPP_RINVSRCADR = 0x0a,
    SMPP_RINVDSTADR = 0x0b,
    SMPP_RBINDFAIL = 0x0d,
    SMPP_RINVPASWD = 0x0e,
    SMPP_RINVSYSID = 0x0f,
    SMPP_RCANCELFAIL = 0x11,
    SMPP_RREPLACEFAIL = 0x13,
    SMPP_RMSGQFUL = 0x14,
    SMPP_RINVNUMDESTS = 0x33,
    SMPP_RINVDESTFLAG = 0x40,
    SMPP_RINVSUBREP = 0x42,
    SMPP_RINVESMCLASS = 0x43,
    SMPP_RCNTSUBDL = 0x44,
    SMPP_RSUBMITFAIL = 0x45,
    SMPP_RINVSRCTON = 0x48,
    SMPP_RINVDSTTON = 0x50,
    SMPP_RTHROTTLED = 0x58,
    SMPP_RINVSCHED = 0x61,
    SMPP_RINVEXPIRY = 0x62,
    SMPP_RINVDFTMSGID = 0x63,
    SMPP_RX_T_APPN = 0x64,
    SMPP_RX_P_APPN = 0x65,
    SMPP_RX_R_APPN = 0x66,
    SMPP_RQUERYFAIL = 0x67,
    SMPP_RINVOPTPARSTREAM = 0xc0,
    SMPP_ROPTPARNOTALLWD = 0xc1,
    SMPP_RINVPARLEN = 0xc2,
    SMPP_RMISSINGOPTPARAM = 0xc3,
    SMPP_RINVOPTPARAMVAL = 0xc4,
    SMPP_RDELIVERYFAILURE = 0xfe,
    SMPP_RUNKNOWNERR = 0xff,
};

/* Tags that octroi reads. All others pass through. */
enum smpp_tag {
    SMPP_TAG_RECEIPTED_MESSAGE_ID = 0x001e,
    SMPP_TAG_SAR_MSG_REF_NUM = 0x020c,
    SMPP_TAG_SAR_TOTAL_SEGMENTS = 0x020e,
    SMPP_TAG_SAR_SEGMENT_SEQNUM = 0x020f,
    SMPP_TAG_SC_INTERFACE_VERSION = 0x0210,
    SMPP_TAG_NETWORK_ERROR_CODE = 0x0423,
    SMPP_TAG_MESSAGE_PAYLOAD = 0x0424,
    SMPP_TAG_MESSAGE_STATE = 0x0427,
};

#define SMPP_ESM_UDHI         0x40u /* the text begins with a user data header */
#define SMPP_ESM_TYPE         0x3cu /* message type bits of esm_class */
#define SMPP_ESM_REPORT       0x04u /* of deliver_sm: an SMSC delivery receipt */
#define SMPP_ESM_INTERMEDIATE 0x20u
#define SMPP_REGISTERED_ANY   0x13u /* bits of registered_delivery that ask the SMSC for a report */

#define SMPP_TON_UNKNOWN       0
#define SMPP_TON_INTERNATIONAL 1
#define SMPP_TON_NATIONAL      2
#define SMPP_TON_NETWORK       3 /* short codes */
#define SMPP_TON_ALPHANUMERIC  5
#define SMPP_NPI_UNKNOWN       0
#define SMPP_NPI_E164          1

struct smpp_header {
    uint32_t length; /* of the whole PDU */
    uint32_t command;
    uint32_t status;
    uint32_t sequence;
};

struct smpp_span {
    const uint8_t *data; /* borrowed; may be NULL when length is 0 */
    size_t length;
};

struct smpp_address {
    uint8_t ton;
    uint8_t npi;
    char text[65]; /* at most 20 characters, 64 in data_sm */
};

struct smpp_bind {
    char system_id[16];
    char password[9]; /* a secret: wipe it */
    char system_type[13];
    uint8_t version;
    struct smpp_address range; /* at most 40 characters */
};

/* submit_sm, deliver_sm, data_sm, and the common part of submit_multi. Fields that a command has
 * not are zero. */
struct smpp_message {
    char service_type[6];
    struct smpp_address source;
    struct smpp_address destination; /* not of submit_multi */
    uint8_t esm_class;
    uint8_t protocol_id;
    uint8_t priority;
    char schedule[17]; /* "" or 16 characters */
    char validity[17];
    uint8_t registered;
    uint8_t replace;
    uint8_t data_coding;
    uint8_t default_message;
    struct smpp_span text; /* short_message */
    struct smpp_span tlvs; /* all of them, in order; well-formed */
};

struct smpp_destination {
    bool list; /* a distribution list: address.text is its name */
    struct smpp_address address;
};

/* What submit_sm_resp, data_sm_resp, deliver_sm_resp and submit_multi_resp say. */
struct smpp_refused_destination {
    struct smpp_address address;
    uint32_t status;
};
struct smpp_response {
    char message_id[SMPP_ID_MAX];
    struct smpp_span tlvs;
};

/* ---- in ---- */

void smpp_header_read(const uint8_t bytes[SMPP_HEADER_BYTES], struct smpp_header *header_out);

/* Each decodes the body of a PDU (what follows the header). SMPP_ROK, or the command_status to
 * answer with: RINVCMDLEN when a field or the PDU ends where it should not, RINVOPTPARSTREAM or
 * RINVPARLEN for TLVs, RINVMSGLEN for a text that is too long, RINVSCHED and RINVEXPIRY for a time
 * that has neither 0 nor 16 characters, RINVNUMDESTS, RINVDESTFLAG. Never reads beyond length; out
 * is all zero unless ROK. A C-octet string must end within its maximum. Bytes of text fields are
 * not judged: they may be control characters or no UTF-8. */
uint32_t smpp_bind_read(const uint8_t *body, size_t length, struct smpp_bind *out);
/* command: SMPP_SUBMIT_SM, SMPP_DELIVER_SM or SMPP_DATA_SM. */
uint32_t smpp_message_read(uint32_t command, const uint8_t *body, size_t length,
                           struct smpp_message *out);
/* destinations: SMPP_MULTI_MAX of them; *n_out were given, 1 at least. */
uint32_t smpp_multi_read(const uint8_t *body, size_t length, struct smpp_message *out,
                         struct smpp_destination *destinations, size_t *n_out);
/* Responses that carry a message id. An empty body is allowed (errors come so, and so does
 * deliver_sm_resp of many); so is a missing id with status other than ROK. */
uint32_t smpp_response_read(const uint8_t *body, size_t length, struct smpp_response *out);
/* query_sm, cancel_sm and replace_sm (command): the message id they are about; the rest is checked,
 * not kept. */
uint32_t smpp_id_read(uint32_t command, const uint8_t *body, size_t length,
                      char id_out[SMPP_ID_MAX]);

/* The value of the first TLV with this tag; false when there is none. tlvs must be well-formed. */
bool smpp_tlv_find(struct smpp_span tlvs, uint16_t tag, struct smpp_span *value_out);
/* The same as an unsigned number of one to four bytes. */
bool smpp_tlv_number(struct smpp_span tlvs, uint16_t tag, uint32_t *number_out);
/* The text of a message: message_payload, else short_message. False: it has both, or two of the
 * first (RINVMSGLEN). */
bool smpp_message_text(const struct smpp_message *message, struct smpp_span *text_out);

/* ---- out: each writes one whole PDU and returns its length; 0 when room is too little, or when a
 * field is longer than the specification allows (a text of more than 254 bytes, any text in
 * data_sm, a time of neither 0 nor 16 characters): nothing is ever cut. Responses take the command
 * id of either the request or the response. ---- */

size_t smpp_header_write(uint8_t *out, size_t room, uint32_t command, uint32_t status,
                         uint32_t sequence);
size_t smpp_bind_write(uint8_t *out, size_t room, uint32_t command, uint32_t sequence,
                       const struct smpp_bind *bind);
/* tlvs go out as they stand. */
size_t smpp_message_write(uint8_t *out, size_t room, uint32_t command, uint32_t sequence,
                          const struct smpp_message *message);
/* message with these destinations: for tests and for clients. */
size_t smpp_multi_write(uint8_t *out, size_t room, uint32_t sequence,
                        const struct smpp_message *message,
                        const struct smpp_destination *destinations, size_t n);
/* A response with a message id: submit_sm_resp, data_sm_resp, deliver_sm_resp (id ""). With a
 * status other than ROK the answer is the bare header: bodies on errors break clients. */
size_t smpp_response_write(uint8_t *out, size_t room, uint32_t command, uint32_t status,
                           uint32_t sequence, const char *message_id);
/* submit_multi_resp: status ROK, the id, and those that were refused. */
size_t smpp_multi_response_write(uint8_t *out, size_t room, uint32_t sequence,
                                 const char *message_id,
                                 const struct smpp_refused_destination *refused, size_t n);
/* bind_*_resp. version 0: without sc_interface_version. */
size_t smpp_bind_response_write(uint8_t *out, size_t room, uint32_t command, uint32_t status,
                                uint32_t sequence, const char *system_id, uint8_t version);
/* Appends one TLV to tlvs of *length_inout bytes; false when room is too little. */
bool smpp_tlv_write(uint8_t *tlvs, size_t room, size_t *length_inout, uint16_t tag,
                    const void *value, size_t value_length);

/* "submit_sm", "bind_transceiver_resp", …; "unknown" for others. */
const char *smpp_command_name(uint32_t command);
/* "ESME_RSUBMITFAIL", …; "reserved" for others. */
const char *smpp_status_name(uint32_t status);

#endif
