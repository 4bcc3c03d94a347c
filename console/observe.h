/* SPDX-License-Identifier: Apache-2.0 */
/* What a partner can do about a reason for which its messages are blocked. */
#ifndef OCTROI_CONSOLE_OBSERVE_H
#define OCTROI_CONSOLE_OBSERVE_H

/* A sentence to be translated; NULL where there is nothing to be done. */
const char *observe_remedy(const char *reason);

#endif
