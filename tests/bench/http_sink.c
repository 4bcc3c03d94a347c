/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_sink [-l MICROSECONDS] [-r STATUS] PORT COUNTS: a provider's HTTP interface that takes every
 * message as fast as it can, and counts them in the file COUNTS (struct tool_count). A request is
 * one message; its recipient is the first number of eleven digits in the body.
 *
 *   -l N   holds each answer back for N microseconds
 *   -r N   refuses each message with this status (and does not count it)
 */
#include "tests/bench/tool.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ANSWER_ROOM = 512 };

static struct tool_count *counts;
static unsigned refusal;

static uint64_t number_in(const uint8_t *body, size_t length)
{
    uint64_t number = 0;
    size_t digits = 0;
    for (size_t i = 0; i <= length; i++) {
        if (i < length && body[i] >= '0' && body[i] <= '9') {
            number = number * 10 + (uint64_t)(body[i] - '0');
            digits++;
            continue;
        }
        if (digits == TOOL_NUMBER_BYTES)
            return number;
        number = digits = 0;
    }
    tool_die("a request without a number");
}

static int answer(const struct tool_http *request, char *out)
{
    if (refusal != 0)
        return snprintf(out, ANSWER_ROOM, "HTTP/1.1 %u No\r\nContent-Length: 0\r\n\r\n", refusal);
    counts->messages++;
    counts->sum += number_in(request->body, request->body_length);
    char body[64];
    int length = snprintf(body, sizeof body, "{\"id\":\"%" PRIx64 "\"}", counts->messages);
    return snprintf(out, ANSWER_ROOM,
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                    "Content-Length: %d\r\n\r\n%s",
                    length, body);
}

static enum tool_served serve(struct tool_buffer *in, struct tool_buffer *out)
{
    while (in->start < in->end && TOOL_BUFFER_BYTES - out->end >= ANSWER_ROOM) {
        struct tool_http request;
        tool_http_read(in->data + in->start, in->end - in->start, false, &request);
        if (request.length == 0)
            break;
        out->end += (size_t)answer(&request, (char *)out->data + out->end);
        in->start += request.length;
        if (request.close)
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
            refusal = (unsigned)tool_number("-r", optarg, 400, 599);
        else
            return 2;
    }
    if (argc - optind != 2) {
        fputs("usage: http_sink [-l MICROSECONDS] [-r STATUS] PORT COUNTS\n", stderr);
        return 2;
    }
    counts = tool_count_open(argv[optind + 1]);
    tool_serve((uint16_t)tool_number("PORT", argv[optind], 1, 65535), latency, serve);
}
