/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry for who asks many questions in a row and writes nothing: a read-only connection, and
 * one read transaction around as many questions as the caller likes. Within it nothing that others
 * write is seen: keep it short, or a withdrawal counts late.
 */
#ifndef OCTROI_STORE_REGISTRY_READ_H
#define OCTROI_STORE_REGISTRY_READ_H

#include "store/registry.h"

/* Of such a registry only questions may be asked. */
enum result registry_open_reader(const char *path, struct registry **registry_out,
                                 struct error *err);
/* RESULT_UNAVAILABLE also when the file was replaced by another since it was opened: what a restore
 * put there is not what would be read. */
enum result registry_read_begin(struct registry *registry, struct error *err);
enum result registry_read_end(struct registry *registry, struct error *err);

#endif
