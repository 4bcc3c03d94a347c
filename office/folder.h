/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new folder of files to be handed over, with their SHA-256 for a list of them. It is made before
 * a command becomes the service user and belongs to that user; files go in by its descriptor, so
 * that it may lie where that user has no way to.
 */
#ifndef OCTROI_OFFICE_FOLDER_H
#define OCTROI_OFFICE_FOLDER_H

#include "base/error.h"
#include "base/str.h"

#include <stdio.h>
#include <sys/types.h>

struct folder {
    char *path;         /* owned; as given */
    int fd;             /* owned; -1: none */
    struct strbuf sums; /* lines of SHA256SUMS */
};

/* Makes path (RESULT_CONFLICT when it exists and is not empty), for the owner of state_dir. */
enum result folder_make(const char *path, const char *state_dir, struct folder *folder_out,
                        struct error *err);
void folder_close(struct folder *folder);
/* A folder in it; an existing one is fine. */
enum result folder_add_folder(struct folder *folder, const char *name, struct error *err);
/* A new file in it, "name" or "folder/name", to be written and given to folder_finish. */
enum result folder_add(struct folder *folder, const char *name, FILE **file_out, struct error *err);
/* Closes file and puts its hash on the list. */
enum result folder_finish(struct folder *folder, const char *name, FILE **file, struct error *err);
enum result folder_write(struct folder *folder, const char *name, const void *data, size_t length,
                         struct error *err);

#endif
