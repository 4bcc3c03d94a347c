/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TLS context that libESMTP is given, so that it makes none of its own. At most TLS 1.2: with
 * 1.3 the library can wait for ever, taking a session ticket for the answer to what it has not
 * written yet. The name is verified by OpenSSL against what the configuration says, since the
 * library would compare with what DNS says; SNI, which it does not know, is set as the handshake
 * starts.
 */
#include "base/tls.h"
#include "adapters/esmtp/esmtp.h"
#include "base/sockaddr.h"

#include <openssl/x509v3.h>

static void on_info(const SSL *ssl, int where, int value)
{
    (void)value;
    const char *name = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    /* Before the first byte is written. OpenSSL hands out its session as const; it is not. */
    if ((where & SSL_CB_HANDSHAKE_START) != 0 && name != NULL)
        (void)SSL_set_tlsext_host_name((SSL *)ssl, name);
}

enum result esmtp_tls_new(const struct provider_config *config, SSL_CTX **context_out,
                          struct error *err)
{
    struct sockaddr_storage address;
    const char *name = config->tls_name != NULL ? config->tls_name : config->host;
    SSL_CTX *context = NULL;
    enum result result = tls_client_context(config->tls_verify, config->tls_ca_file, &context, err);
    if (result != RESULT_OK)
        return result;
    bool ok = SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION) == 1;
    if (ok && config->tls_verify)
        ok = tls_expect(SSL_CTX_get0_param(context), name);
    if (ok && !sockaddr_parse(name, &address)) {
        /* The name lives as long as the configuration, which the workers keep. */
        SSL_CTX_set_app_data(context, (void *)name);
        SSL_CTX_set_info_callback(context, on_info);
    }
    if (!ok) {
        SSL_CTX_free(context);
        return error_no_memory(err);
    }
    *context_out = context;
    return RESULT_OK;
}
