/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new folder of files to be handed over, with their SHA-256 for a list of them: on disk, or
 * packed into a zip archive. One on disk is made before a command becomes the service user and
 * belongs to that user; files go in by its descriptor, so that it may lie where that user has no
 * way to.
 */
#ifndef OCTROI_OFFICE_FOLDER_H
#define OCTROI_OFFICE_FOLDER_H

#include "base/error.h"
#include "base/str.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct zip;

struct folder {
    char *path;               /* owned; as given, for messages; in an archive the folder's name */
    int fd;                   /* owned; -1: none */
    struct strbuf sums;       /* lines of SHA256SUMS */
    struct zip *zip;          /* owned; NULL: on disk */
    int archive;              /* borrowed; what the archive is written to */
    char *spool;              /* owned; where a file lies, nameless, before it is packed */
    const _Atomic bool *stop; /* borrowed; true: it ends soon, with RESULT_UNAVAILABLE. NULL: no */
};

/* Makes path (RESULT_CONFLICT when it exists and is not empty), for the owner of state_dir. */
enum result folder_make(const char *path, const char *state_dir, struct folder *folder_out,
                        struct error *err);
/* The folder `name` as an archive, written to fd, an empty file in the folder spool, which stays
 * the caller's. Where less than FOLDER_SPARE would be left free there, it ends: what else is
 * written there goes before. At most 4 GB, so that every program can read it. */
#define FOLDER_SPARE ((uint64_t)512 * 1024 * 1024)
enum result folder_pack(int fd, const char *name, const char *spool, struct folder *folder_out,
                        struct error *err);
/* All is in it. On disk there is nothing more to do. */
enum result folder_end(struct folder *folder, struct error *err);
void folder_close(struct folder *folder);
/* A folder in it; an existing one is fine. */
enum result folder_add_folder(struct folder *folder, const char *name, struct error *err);
/* A new file in it, "name" or "folder/name", to be written and given to folder_finish. */
enum result folder_add(struct folder *folder, const char *name, FILE **file_out, struct error *err);
/* Whether it is to go on: RESULT_UNAVAILABLE when its `stop` says no. For what takes long between
 * two files. */
enum result folder_going_on(const struct folder *folder, struct error *err);
/* A file without a name in the folder spool: gone once nobody has it open. -1 with err. */
int folder_nameless(const char *spool, struct error *err);
/* Closes file and puts its hash on the list. */
enum result folder_finish(struct folder *folder, const char *name, FILE **file, struct error *err);
enum result folder_write(struct folder *folder, const char *name, const void *data, size_t length,
                         struct error *err);

#endif
