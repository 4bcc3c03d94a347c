/* SPDX-License-Identifier: Apache-2.0 */
/* The running gateway: everything `octroi serve` is made of, from its lock to its last row. */
#ifndef OCTROI_PROXY_GATEWAY_H
#define OCTROI_PROXY_GATEWAY_H

#include "base/error.h"

/* Serves until SIGTERM or SIGINT, then drains. SIGHUP reloads. Problems of the configuration are
 * printed to standard error as `file:line: message`. Called once, on the main thread. */
enum result gateway_run(const char *config_file, struct error *err);

#endif
