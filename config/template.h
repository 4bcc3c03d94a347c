/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file that `octroi init` writes: complete, commented, and good for a trial. */
#ifndef OCTROI_CONFIG_TEMPLATE_H
#define OCTROI_CONFIG_TEMPLATE_H

#include "base/error.h"

/* Makes the file (mode 0640), RESULT_CONFLICT when it exists, RESULT_BAD_INPUT when hostname is no
 * host name. What it says passes config_load as it is. */
enum result config_write_template(const char *path, const char *hostname, struct error *err);

#endif
