/* SPDX-License-Identifier: Apache-2.0 */
/* The C face of libphonenumber; the only C++ of the project is behind it. */
#ifndef OCTROI_POLICY_PHONE_H
#define OCTROI_POLICY_PHONE_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Reads text as dialled in region and writes E.164 ("+33612345678"). False unless it is a valid
 * number. Any thread. */
bool phone_to_e164(const char *text, const char *region, char *out, size_t size);
/* International format ("+33 6 12 34 56 78"), as the base of the masked form. */
bool phone_to_international(const char *e164, char *out, size_t size);
/* Whether the library knows the region. */
bool phone_region_known(const char *region);

#ifdef __cplusplus
}
#endif

#endif
