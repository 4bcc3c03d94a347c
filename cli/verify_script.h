/* SPDX-License-Identifier: Apache-2.0 */
/* docs/verify-journal.sh, compiled in: a dossier carries what it takes to check it. */
#ifndef OCTROI_CLI_VERIFY_SCRIPT_H
#define OCTROI_CLI_VERIFY_SCRIPT_H

extern const char verify_script[];

#endif
