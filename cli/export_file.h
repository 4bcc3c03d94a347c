/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that is either there whole or not at all: written under another name, readable by its
 * owner only, and renamed when it is complete. An existing file is never replaced by chance. "-" is
 * standard output.
 */
#ifndef OCTROI_CLI_EXPORT_FILE_H
#define OCTROI_CLI_EXPORT_FILE_H

#include "base/error.h"

#include <stdbool.h>

struct export_file;

/* RESULT_CONFLICT when path exists and force is false, RESULT_BAD_INPUT for a terminal. */
enum result export_file_open(const char *path, bool force, struct export_file **file_out,
                             struct error *err);
int export_file_fd(const struct export_file *file);
/* Synced, then in its place. */
enum result export_file_keep(struct export_file **file, struct error *err);
/* Nothing is left of it. */
void export_file_abandon(struct export_file **file);
/* For a process that only wrote to it. */
void export_file_forget(struct export_file **file);

#endif
