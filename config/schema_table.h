/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCTROI_CONFIG_SCHEMA_TABLE_H
#define OCTROI_CONFIG_SCHEMA_TABLE_H

#include "config/schema.h"

extern const struct schema_key schema_table[];
extern const size_t schema_table_size;

#endif
