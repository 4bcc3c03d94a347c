/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the peers of `make bench-sms` are made of: sockets on loopback, buffers that are read and
 * written in large pieces, and a server that answers whatever it is sent. One thread, epoll. They
 * are instruments: anything unexpected ends the program with a sentence, so that no figure is made
 * of it.
 */
#ifndef OCTROI_TESTS_BENCH_TOOL_H
#define OCTROI_TESTS_BENCH_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOOL_BUFFER_BYTES ((size_t)256 * 1024)
#define TOOL_NUMBER_BYTES 11 /* digits of a number, as 33612345678 */

/* "PROGRAM: …" on standard error, and the end. */
_Noreturn void tool_die(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A whole number of least to most, or the end: what names it. */
long tool_number(const char *what, const char *text, long least, long most);
uint64_t tool_now(void); /* nanoseconds, monotonic */

/* ---- a buffer of TOOL_BUFFER_BYTES ---- */

struct tool_buffer {
    uint8_t *data;
    size_t start, end;
};
void tool_buffer_init(struct tool_buffer *buffer);
void tool_buffer_free(struct tool_buffer *buffer);
/* Where to write to, with everything moved to the front; *room_out is what fits. */
uint8_t *tool_buffer_room(struct tool_buffer *buffer, size_t *room_out);

enum tool_read { TOOL_READ_SOME, TOOL_READ_NOTHING, TOOL_READ_END };
/* Reads once, as much as there is room for. */
enum tool_read tool_buffer_read(struct tool_buffer *buffer, int fd);
/* Writes bytes of the buffer up to `until` (≤ end); false when the peer is gone. What the socket
 * does not take stays. */
bool tool_buffer_write(struct tool_buffer *buffer, size_t until, int fd);

/* ---- sockets ---- */

int tool_connect(uint16_t port);
int tool_epoll(void);
void tool_watch(int epoll, int fd, bool write, void *arg, bool is_new);

/* ---- a server ---- */

/* What has come, as others may read it while the program runs: two native 64-bit numbers in a file.
 * sum is over the numbers (the recipients), modulo 2^64: who knows what was sent can tell whether
 * each came once. */
struct tool_count {
    uint64_t messages;
    uint64_t sum;
};

enum tool_served { TOOL_SERVED, TOOL_SERVED_CLOSE };
/* Takes the whole messages at the front of in, appends their answers to out. It stops where out has
 * no room for another. */
typedef enum tool_served tool_serve_fn(struct tool_buffer *in, struct tool_buffer *out);
/* latency: nanoseconds each answer is held back. Never returns; SIGTERM ends the program. */
_Noreturn void tool_serve(uint16_t port, uint64_t latency, tool_serve_fn *serve);
/* The counts in a new file, mapped. */
struct tool_count *tool_count_open(const char *path);

/* ---- HTTP/1.1, as far as these peers speak it ---- */

struct tool_http {
    size_t length; /* of the whole message; 0: it is not complete yet */
    const uint8_t *body;
    size_t body_length;
    unsigned status; /* of a response */
    bool close;
};
/* The message at the front; needs Content-Length with every body. The end when it is malformed. */
void tool_http_read(const uint8_t *bytes, size_t length, bool response, struct tool_http *out);

#endif
