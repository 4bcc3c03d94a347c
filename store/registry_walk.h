/* SPDX-License-Identifier: Apache-2.0 */
/* Everyone the registry knows, one after the other, in constant memory. */
#ifndef OCTROI_STORE_REGISTRY_WALK_H
#define OCTROI_STORE_REGISTRY_WALK_H

#include "store/registry.h"

/* Returns false to stop. The registry may be asked about the person meanwhile. */
typedef bool person_fn(void *arg, const uint8_t key[RECIPIENT_KEY_BYTES]);
/* In the order of the keys. No read transaction is held between persons, so that a walk of an hour
 * does not keep the file's log from being folded in; who is added meanwhile may be missed. */
enum result registry_walk_persons(struct registry *registry, person_fn *on_person, void *arg,
                                  struct error *err);

#endif
