/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCTROI_CONFIG_BUILD_ACCOUNTS_H
#define OCTROI_CONFIG_BUILD_ACCOUNTS_H

#include "config/build.h"

/* The accounts of all streams, which stand in config->streams in the order of the tree. */
void build_accounts(struct build *build, const struct node *partners);

#endif
