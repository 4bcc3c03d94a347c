/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files: read with a cap, create, replace atomically, make folders, check permissions. */
#ifndef OCTROI_BASE_FILE_H
#define OCTROI_BASE_FILE_H

#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <sys/types.h>

/* Appends the file's bytes to out. More than cap bytes is RESULT_BAD_INPUT. */
enum result file_read(const char *path, size_t cap, struct strbuf *out, struct error *err);
/* A secret kept in a file: its first line without the line ending. Refused when the file may be
 * read or written by others, or when the line is empty. */
enum result file_read_secret(const char *path, struct strbuf *out, struct error *err);
/* RESULT_DENIED with a text that names the mode when others may read or write path. */
enum result file_check_private(const char *path, struct error *err);
/* Makes a new file, synced to disk; RESULT_CONFLICT when it exists. */
enum result file_create(const char *path, mode_t mode, const void *data, size_t length,
                        struct error *err);
/* Writes path.tmp, syncs it, renames it over path, syncs the folder. */
enum result file_replace(const char *path, mode_t mode, const void *data, size_t length,
                         struct error *err);
/* Makes one folder; an existing folder is fine. */
enum result file_make_folder(const char *path, mode_t mode, struct error *err);
enum result file_sync_folder(const char *path, struct error *err);
bool file_exists(const char *path);
/* path itself when absolute, else relative to the folder of base_file. Owned by the caller; NULL
 * when memory is short. */
char *file_resolve(const char *base_file, const char *path);
/* "folder/name", owned by the caller; NULL when memory is short. */
char *file_join(const char *folder, const char *name);

#endif
