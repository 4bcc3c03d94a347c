/* SPDX-License-Identifier: Apache-2.0 */
/* What the scripts of tests/replay and of the fuzz targets have in common: how bytes are written.
 */
#ifndef OCTROI_TESTS_TEST_SCRIPT_H
#define OCTROI_TESTS_TEST_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

/* \r \n \0 \\ and \xHH, in place; *length_out because of \0. False: another escape. */
bool script_unescape(char *text, size_t *length_out);

#endif
