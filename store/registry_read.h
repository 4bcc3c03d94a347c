/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry for who asks many questions in a row and writes nothing (registry_open_reader): one
 * read transaction around as many questions as the caller likes. Within it nothing that others
 * write is seen: keep it short, or a withdrawal counts late.
 */
#ifndef OCTROI_STORE_REGISTRY_READ_H
#define OCTROI_STORE_REGISTRY_READ_H

#include "store/registry.h"

/* RESULT_UNAVAILABLE also when the file was replaced by another since it was opened: what a restore
 * put there is not what would be read. */
enum result registry_read_begin(struct registry *registry, struct error *err);
enum result registry_read_end(struct registry *registry, struct error *err);

#endif
