/* SPDX-License-Identifier: Apache-2.0 */
/* docs/verify-journal.sh, compiled in: a dossier carries what it takes to check it. */
#ifndef OCTROI_OFFICE_VERIFY_SCRIPT_H
#define OCTROI_OFFICE_VERIFY_SCRIPT_H

extern const char verify_script[];

#endif
