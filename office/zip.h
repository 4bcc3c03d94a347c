/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A zip archive as a stream: entries are written as they come, to a file or a pipe, and nothing of
 * them stays in memory. The same entries give the same bytes on every machine and every day: no
 * time, owner or locale gets in. Why libarchive: docs/adr/0019.
 */
#ifndef OCTROI_OFFICE_ZIP_H
#define OCTROI_OFFICE_ZIP_H

#include "base/error.h"

#include <stddef.h>

struct zip;

/* fd stays the caller's. */
enum result zip_new(int fd, struct zip **zip_out, struct error *err);
/* Begins an entry, which ends the one before. name is ASCII, with '/' between folders. */
enum result zip_entry(struct zip *zip, const char *name, struct error *err);
/* At most 4 GB an entry, so that every program can read what we write. */
enum result zip_write(struct zip *zip, const void *bytes, size_t length, struct error *err);
/* Writes the directory, without which it is no archive. */
enum result zip_finish(struct zip *zip, struct error *err);
void zip_free(struct zip **zip);

#endif
