/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/certificate.h"

#include "base/tls.h"

#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

static void print_certificate(X509 *certificate, char *out, size_t size)
{
    BIO *text = BIO_new(BIO_s_mem());
    struct tm expiry = {0};
    char day[32] = "?";
    if (text == NULL)
        return;
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &expiry) == 1)
        strftime(day, sizeof(day), "%Y-%m-%d", &expiry);
    BIO_puts(text, "certificate of ");
    X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
    BIO_puts(text, ", issued by ");
    X509_NAME_print_ex(text, X509_get_issuer_name(certificate), 0, XN_FLAG_RFC2253);
    BIO_printf(text, ", expires %s", day);
    char *bytes = NULL;
    long length = BIO_get_mem_data(text, &bytes);
    snprintf(out, size, "%.*s", (int)length, bytes);
    BIO_free(text);
}

static int on_verify(int verified, X509_STORE_CTX *store)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct certificate_seen *seen = SSL_get_app_data(ssl);
    X509 *certificate = X509_STORE_CTX_get0_cert(store);
    if (certificate != NULL)
        print_certificate(certificate, seen->text, sizeof(seen->text));
    if (!verified)
        str_copy(seen->unverified, sizeof(seen->unverified),
                 X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)));
    return verified;
}

void certificate_watch(struct certificate_seen *seen, SSL *ssl,
                       const struct provider_config *config)
{
    const char *name = config->tls_name != NULL ? config->tls_name : config->host;
    seen->text[0] = seen->unverified[0] = '\0';
    /* Where verification is not asked for, what it would have said is still worth telling. */
    if (!config->tls_verify)
        (void)tls_expect(SSL_get0_param(ssl), name);
    SSL_set_app_data(ssl, seen);
    SSL_set_verify(ssl, SSL_get_verify_mode(ssl), on_verify);
}

void certificate_describe(const struct certificate_seen *seen, const SSL *ssl, struct strbuf *out)
{
    if (ssl != NULL)
        strbuf_add_format(out, "%s %s; ", SSL_get_version(ssl), SSL_get_cipher_name(ssl));
    strbuf_add_str(out, seen->text);
    if (seen->unverified[0] == '\0')
        strbuf_add_str(out, "; verified");
    else
        strbuf_add_format(out, "; NOT verified, and tls_verify does not ask for it: %s",
                          seen->unverified);
}
