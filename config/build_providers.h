/* SPDX-License-Identifier: Apache-2.0 */
/* What the builders of providers share: those of mail, and those of SMS. */
#ifndef OCTROI_CONFIG_BUILD_PROVIDERS_H
#define OCTROI_CONFIG_BUILD_PROVIDERS_H

#include "config/build.h"

/* The key is a host name or an address, else a finding. */
void provider_check_host(struct build *build, const struct node *group, const char *key);
/* The host stands there and is one; adapter: its word. */
void provider_need_host(struct build *build, const struct node *group, const char *adapter);
/* The keys of TLS fit out->tls; in_clear says why they do not when it is none. */
void provider_check_tls(struct build *build, const struct node *group,
                        const struct provider_config *out, const char *in_clear);
/* A password does not cross the network in clear. */
void provider_check_clear(struct build *build, const struct node *group,
                          const struct provider_config *out);
/* The node of password or password_file, good or bad; NULL when there is neither. */
struct node *provider_password_node(const struct node *group);

/* Keys that only mean something to SMPP, to HTTP; each list ends with NULL. */
extern const char *const provider_smpp_keys[];
extern const char *const provider_http_keys[];

void build_smpp(struct build *build, const struct node *group, struct provider_config *out);
/* template_sha256: hex, of the template's bytes, for the digest; untouched when it cannot be read.
 */
void build_http(struct build *build, const struct node *group, struct provider_config *out,
                char template_sha256[65]);

#endif
