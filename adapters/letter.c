/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/letter.h"

#include "base/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A hundred recipients with the longest addresses and DSN parameters, doubled as they come. */
#define ARENA_CAP (1024 * 1024)

struct letter *letter_new(const struct mail_envelope *envelope, const char *folder)
{
    struct letter *letter = calloc(1, sizeof(*letter));
    if (letter == NULL)
        return NULL;
    letter->fd = -1;
    letter->after_line_end = true;
    letter->eight_bit = envelope->eight_bit;
    letter->utf8 = envelope->utf8;
    letter->arena = arena_new(ARENA_CAP);
    if (letter->arena != NULL) {
        letter->sender = arena_str(letter->arena, envelope->sender);
        letter->ret = arena_str(letter->arena, envelope->ret != NULL ? envelope->ret : "");
        letter->envid = arena_str(letter->arena, envelope->envid != NULL ? envelope->envid : "");
        if (folder != NULL)
            letter->file_where = arena_str(letter->arena, folder);
    }
    if (letter->sender == NULL || letter->ret == NULL || letter->envid == NULL ||
        (folder != NULL && letter->file_where == NULL))
        letter_free(&letter);
    return letter;
}

void letter_free(struct letter **letter_pointer)
{
    struct letter *letter = *letter_pointer;
    *letter_pointer = NULL;
    if (letter == NULL)
        return;
    if (letter->fd >= 0)
        close(letter->fd);
    strbuf_free(&letter->memory);
    arena_free(&letter->arena);
    free(letter);
}

bool letter_add_recipient(struct letter *letter, const struct mail_rcpt *rcpt)
{
    size_t n = letter->n_recipients;
    if ((n & (n - 1)) == 0) { /* 0, 1, 2, 4, …: the room doubles */
        size_t room = n == 0 ? 1 : 2 * n;
        struct mail_rcpt *grown = arena_alloc(letter->arena, room * sizeof(*grown));
        if (grown == NULL)
            return false;
        if (n > 0)
            memcpy(grown, letter->recipients, n * sizeof(*grown));
        letter->recipients = grown;
    }
    struct mail_rcpt copy = {
        .address = arena_str(letter->arena, rcpt->address),
        .notify = arena_str(letter->arena, rcpt->notify != NULL ? rcpt->notify : ""),
        .orcpt = arena_str(letter->arena, rcpt->orcpt != NULL ? rcpt->orcpt : ""),
    };
    if (copy.address == NULL || copy.notify == NULL || copy.orcpt == NULL)
        return false;
    letter->recipients[n] = copy;
    letter->n_recipients++;
    return true;
}

void letter_add(struct letter *letter, const char *bytes, size_t length)
{
    strbuf_add(&letter->memory, bytes, length);
}

void letter_add_wire(struct letter *letter, const char *bytes, size_t length)
{
    const char *end = bytes + length;
    while (bytes < end) {
        if (letter->after_line_end && *bytes == '.') {
            bytes++;
            letter->after_line_end = false;
            continue;
        }
        const char *newline = memchr(bytes, '\n', (size_t)(end - bytes));
        const char *until = newline != NULL ? newline + 1 : end;
        /* Lines that need no change are added together. */
        while (newline != NULL && until < end && *until != '.') {
            newline = memchr(until, '\n', (size_t)(end - until));
            until = newline != NULL ? newline + 1 : end;
        }
        letter_add(letter, bytes, (size_t)(until - bytes));
        letter->after_line_end = newline != NULL;
        bytes = until;
    }
}

enum result letter_write_file(struct letter *letter, const char *bytes, size_t length,
                              struct error *err)
{
    if (letter->fd < 0) {
        if (letter->file_where == NULL)
            return error_set(err, RESULT_UNAVAILABLE, "no folder to keep a large message in");
        /* It never has a name, so nothing is left behind whatever happens. */
        letter->fd = open(letter->file_where, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (letter->fd < 0)
            return error_errno(err, RESULT_SYSTEM, errno, "cannot keep a large message in %s",
                               letter->file_where);
    }
    while (length > 0) {
        ssize_t wrote = write(letter->fd, bytes, length);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return error_errno(err, RESULT_SYSTEM, errno, "cannot keep a large message in %s",
                               letter->file_where);
        bytes += wrote;
        length -= (size_t)wrote;
        letter->in_file += (uint64_t)wrote;
    }
    return RESULT_OK;
}

uint64_t letter_size(const struct letter *letter)
{
    return letter->fd >= 0 ? letter->in_file : letter->memory.length;
}

ptrdiff_t letter_read(const struct letter *letter, uint64_t offset, char *out, size_t size,
                      struct error *err)
{
    uint64_t whole = letter_size(letter);
    if (offset >= whole)
        return 0;
    if (size > whole - offset)
        size = (size_t)(whole - offset);
    if (letter->fd < 0) {
        memcpy(out, letter->memory.data + offset, size);
        return (ptrdiff_t)size;
    }
    ssize_t got;
    do
        got = pread(letter->fd, out, size, (off_t)offset);
    while (got < 0 && errno == EINTR);
    if (got <= 0) { /* the end would come too early */
        error_errno(err, RESULT_SYSTEM, got < 0 ? errno : EIO, "cannot read a message back");
        return -1;
    }
    return got;
}
