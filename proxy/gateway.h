/* SPDX-License-Identifier: Apache-2.0 */
/* The running gateway: everything `octroi serve` is made of, from its lock to its last row. */
#ifndef OCTROI_PROXY_GATEWAY_H
#define OCTROI_PROXY_GATEWAY_H

#include "base/error.h"

#include <stdbool.h>

/* Serves until SIGTERM or SIGINT, then drains. SIGHUP reloads. takeover: a gateway that runs on the
 * same state_dir hands its listening sockets over and ends; without one it is a plain start.
 * Problems of the configuration are printed to standard error as `file:line: message`. Called once,
 * on the main thread. */
enum result gateway_run(const char *config_file, bool takeover, struct error *err);

#endif
