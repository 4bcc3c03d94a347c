/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How partners are told of withdrawals and objections. The secrets become bytes here: who signs or
 * seals with them must not find out at that moment that they were never any.
 */
#include "base/crypto.h"
#include "base/str.h"
#include "config/build.h"
#include "config/checks.h"

#include <stdlib.h>
#include <string.h>

#define SECRET_PREFIX "whsec_"

/* Where a finding about a secret belongs: to the file's name or to the secret itself. */
static struct node *place_of(const struct node *group, const char *key, const char *file_key)
{
    struct node *inside = build_node(group, key);
    return inside != NULL ? inside : build_node(group, file_key);
}

/* Base64 to at most size bytes; 0: it is none, or more. The text is wiped. */
static size_t take_bytes(char *text, size_t skip, uint8_t *out, size_t size)
{
    size_t length = strlen(text), got = 0;
    uint8_t *bytes = malloc(length + 1);
    ptrdiff_t n =
        bytes != NULL && length > skip ? base64_decode(text + skip, length - skip, bytes) : -1;
    if (n > 0 && (size_t)n <= size) {
        got = (size_t)n;
        memcpy(out, bytes, got);
    }
    if (bytes != NULL)
        wipe(bytes, length + 1);
    free(bytes);
    wipe(text, length);
    return got;
}

static void build_signing(struct build *build, const struct node *group, struct notices_config *out)
{
    /* The arena's own copy, which nobody else has seen yet. */
    char *text = (char *)build_secret(build, group, "secret", "secret_file");
    struct node *node = place_of(group, "secret", "secret_file");
    if (node_child(group, "secret") == NULL && node_child(group, "secret_file") == NULL)
        node_key_problem(build->problems, group, "secret",
                         "is missing (or secret_file): what the notices are signed with");
    if (text == NULL)
        return;
    bool prefixed = strncmp(text, SECRET_PREFIX, strlen(SECRET_PREFIX)) == 0;
    out->secret_length =
        take_bytes(text, prefixed ? strlen(SECRET_PREFIX) : 0, out->secret, sizeof(out->secret));
    if (node != NULL && (!prefixed || out->secret_length < NOTICE_SECRET_LEAST))
        node_problem(build->problems, node,
                     "is not \"" SECRET_PREFIX "\" and the base64 of %d to %d bytes, such as "
                     "`echo " SECRET_PREFIX "$(openssl rand -base64 32)` makes",
                     NOTICE_SECRET_LEAST, NOTICE_SECRET_MOST);
}

static void build_sealing(struct build *build, const struct node *group, struct notices_config *out)
{
    static const char *const keys[] = {"address_key", "address_key_file", NULL};
    bool given = node_child(group, keys[0]) != NULL || node_child(group, keys[1]) != NULL;
    if (build_node(group, "address") == NULL)
        return; /* that is missing or wrong, and was said */
    if (out->address == NOTICE_IDENTIFIER) {
        build_refuse(build, group, keys, "address is \"identifier\"");
        return;
    }
    if (!given)
        node_key_problem(build->problems, group, keys[0],
                         "is missing (or address_key_file): what addresses are sealed with");
    char *text = (char *)build_secret(build, group, keys[0], keys[1]);
    struct node *node = place_of(group, keys[0], keys[1]);
    if (text != NULL &&
        take_bytes(text, 0, out->address_key, sizeof(out->address_key)) != NOTICE_KEY_BYTES &&
        node != NULL)
        node_problem(build->problems, node,
                     "is not the base64 of %d bytes, such as `openssl rand -base64 32` makes",
                     NOTICE_KEY_BYTES);
}

static void build_url(struct build *build, const struct node *group, struct notices_config *out)
{
    char host[URL_HOST_MAX + 1];
    bool secure = false;
    struct node *node = build_node(group, "url");
    out->url = build_text(build, group, "url");
    if (node != NULL && !url_parse(node->text, true, &secure, host))
        node_problem(build->problems, node,
                     "is no address such as \"https://acme.example/octroi\" (without a login)");
    else if (node != NULL && !secure && !host_is_loopback(host))
        node_problem(build->problems, node,
                     "is http://, and %s is another machine: who withdrew would cross the network "
                     "in clear",
                     host);
}

void build_notices(struct build *build, const struct node *partner_group,
                   const struct partner *partner)
{
    struct config *config = build->config;
    const struct node *group = node_child(partner_group, "notices");
    if (group == NULL || group->type != NODE_GROUP)
        return;
    struct notices_config *out = &config->notices[config->n_notices++];
    out->partner = partner;
    out->address = (enum notice_address)build_number(group, "address");
    out->overdue_after = build_number(group, "overdue_after");
    out->tls_ca_file = build_path(build, group, "tls_ca_file");
    build_url(build, group, out);
    build_signing(build, group, out);
    build_sealing(build, group, out);
}
