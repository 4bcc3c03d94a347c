/* SPDX-License-Identifier: Apache-2.0 */
/*
 * smpp_sink [-l MICROSECONDS] [-r STATUS] PORT COUNTS: an SMSC that takes every message as fast as
 * it can, and counts them in the file COUNTS (struct tool_count). It takes any bind, answers
 * enquire_link and unbind, and delivers nothing.
 *
 *   -l N   holds each answer back for N microseconds
 *   -r N   refuses each message with this command_status (and does not count it)
 *
 * What it is sent must be right: a message that does not decode, or whose destination is not a
 * number of digits, ends it.
 */
#include "tests/bench/tool.h"
#include "wire/smpp.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ANSWER_ROOM = 128 }; /* any answer it gives fits */

static struct tool_count *counts;
static uint32_t refusal = SMPP_ROK;

static uint64_t number_of(const char *text)
{
    uint64_t number = 0;
    const char *digit = text;
    for (; *digit >= '0' && *digit <= '9'; digit++)
        number = number * 10 + (uint64_t)(*digit - '0');
    if (*digit != '\0' || digit == text)
        tool_die("a destination that is no number");
    return number;
}

static size_t take(const struct smpp_header *header, const uint8_t *body, size_t length,
                   uint8_t *out)
{
    struct smpp_message message;
    uint32_t status = smpp_message_read(SMPP_SUBMIT_SM, body, length, &message);
    if (status != SMPP_ROK)
        tool_die("a submit_sm that is not well-formed: %s", smpp_status_name(status));
    uint64_t number = number_of(message.destination.text);
    char id[24] = "";
    if (refusal == SMPP_ROK) {
        counts->messages++;
        counts->sum += number;
        snprintf(id, sizeof id, "%" PRIx64, counts->messages);
    }
    return smpp_response_write(out, ANSWER_ROOM, SMPP_RESP(SMPP_SUBMIT_SM), refusal,
                               header->sequence, id);
}

static size_t answer(const struct smpp_header *header, const uint8_t *body, size_t length,
                     uint8_t *out)
{
    switch (header->command) {
    case SMPP_SUBMIT_SM:
        return take(header, body, length, out);
    case SMPP_BIND_RECEIVER:
    case SMPP_BIND_TRANSMITTER:
    case SMPP_BIND_TRANSCEIVER:
        return smpp_bind_response_write(out, ANSWER_ROOM, SMPP_RESP(header->command), SMPP_ROK,
                                        header->sequence, "sink", 0x34);
    case SMPP_ENQUIRE_LINK:
    case SMPP_UNBIND:
        return smpp_header_write(out, ANSWER_ROOM, SMPP_RESP(header->command), SMPP_ROK,
                                 header->sequence);
    case SMPP_RESP(SMPP_UNBIND):
    case SMPP_RESP(SMPP_ENQUIRE_LINK):
        return 0;
    default:
        tool_die("%s is nothing it takes", smpp_command_name(header->command));
    }
}

static enum tool_served serve(struct tool_buffer *in, struct tool_buffer *out)
{
    while (in->end - in->start >= SMPP_HEADER_BYTES &&
           TOOL_BUFFER_BYTES - out->end >= ANSWER_ROOM) {
        struct smpp_header header;
        const uint8_t *bytes = in->data + in->start;
        smpp_header_read(bytes, &header);
        if (header.length < SMPP_HEADER_BYTES || header.length > SMPP_PDU_MAX)
            tool_die("a command_length of %" PRIu32, header.length);
        if (in->end - in->start < header.length)
            break;
        in->start += header.length;
        out->end += answer(&header, bytes + SMPP_HEADER_BYTES, header.length - SMPP_HEADER_BYTES,
                           out->data + out->end);
        if (header.command == SMPP_UNBIND)
            return TOOL_SERVED_CLOSE;
    }
    return TOOL_SERVED;
}

int main(int argc, char **argv)
{
    uint64_t latency = 0;
    for (int option = 0; (option = getopt(argc, argv, "l:r:")) != -1;) {
        if (option == 'l')
            latency = (uint64_t)tool_number("-l", optarg, 0, 60000000) * 1000;
        else if (option == 'r')
            refusal = (uint32_t)tool_number("-r", optarg, 1, 0xffff);
        else
            return 2;
    }
    if (argc - optind != 2) {
        fputs("usage: smpp_sink [-l MICROSECONDS] [-r STATUS] PORT COUNTS\n", stderr);
        return 2;
    }
    counts = tool_count_open(argv[optind + 1]);
    tool_serve((uint16_t)tool_number("PORT", argv[optind], 1, 65535), latency, serve);
}
