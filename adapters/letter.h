/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A letter: one message as a whole, envelope and content, for the adapters that can only submit a
 * whole one. Its content is what the message is, not what the wire carried: CRLF lines, the dots
 * that were stuffed for the wire taken out once, here. Up to LETTER_IN_MEMORY bytes are kept in
 * memory; what is more goes to a file without a name, so that the memory of a session does not
 * depend on the size of its message.
 *
 * It belongs to one thread at a time; who has it may give it away. It owns its strings, its memory
 * and its file.
 */
#ifndef OCTROI_ADAPTERS_LETTER_H
#define OCTROI_ADAPTERS_LETTER_H

#include "adapters/adapter.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define LETTER_IN_MEMORY (256 * 1024)

struct arena;

struct letter {
    struct arena *arena; /* owned: all strings below */
    const char *sender;  /* "" for the empty reverse path */
    bool eight_bit;
    bool utf8;
    const char *ret;
    const char *envid;
    struct mail_rcpt *recipients; /* in the arena */
    size_t n_recipients;
    struct strbuf memory;   /* content that is not in the file (yet) */
    bool after_line_end;    /* the next byte begins a line: a dot there was stuffed */
    int fd;                 /* owned; -1: there is no file */
    uint64_t in_file;       /* bytes */
    const char *file_where; /* in the arena: the folder for the file, NULL: it cannot have one */
};

/* folder: where a large content may be kept; NULL: memory must do. NULL when memory is short. */
struct letter *letter_new(const struct mail_envelope *envelope, const char *folder);
void letter_free(struct letter **letter);
/* False when memory is short. */
bool letter_add_recipient(struct letter *letter, const struct mail_rcpt *rcpt);
/* Content in wire form, in pieces of any size. Memory that is short shows as memory.failed. */
void letter_add_wire(struct letter *letter, const char *bytes, size_t length);
/* Content as it is. */
void letter_add(struct letter *letter, const char *bytes, size_t length);

/* Writes bytes behind what the file holds, making the file first if there is none. It may block:
 * not for a loop. */
enum result letter_write_file(struct letter *letter, const char *bytes, size_t length,
                              struct error *err);

/* ---- reading, once the content is complete: from the file, or from memory when there is none */

uint64_t letter_size(const struct letter *letter);
/* Bytes from offset on, at most size; 0 at the end, -1 (err) when the file cannot be read. */
ptrdiff_t letter_read(const struct letter *letter, uint64_t offset, char *out, size_t size,
                      struct error *err);

#endif
