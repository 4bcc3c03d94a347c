/* SPDX-License-Identifier: Apache-2.0 */
#include "base/tls.h"

#include "base/crypto.h"
#include "base/sockaddr.h"
#include "base/str.h"

#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <unistd.h>

const char *tls_last_error(char *out, size_t size)
{
    unsigned long code = ERR_peek_last_error();
    if (code == 0)
        str_copy(out, size, "unknown TLS error");
    else
        ERR_error_string_n(code, out, size);
    ERR_clear_error();
    return out;
}

static enum result tls_failure(struct error *err, SSL_CTX *context, const char *what,
                               const char *file)
{
    char reason[160];
    SSL_CTX_free(context);
    return error_set(err, RESULT_BAD_INPUT, "%s %s: %s", what, file,
                     tls_last_error(reason, sizeof(reason)));
}

/* A daemon has nobody to ask for a passphrase: a key that wants one cannot be used. */
static int no_passphrase(char *out, int size, int writing, void *arg)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)arg;
    return 0;
}

static SSL_CTX *new_context(const SSL_METHOD *method)
{
    SSL_CTX *context = SSL_CTX_new(method);
    if (context == NULL)
        return NULL;
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    /* An idle session then holds no record buffers. */
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    return context;
}

/* The account is decided by fingerprint later; a chain would prove nothing more. */
static int accept_any_certificate(int preverified, X509_STORE_CTX *store)
{
    (void)preverified;
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
}

enum result tls_server_context(const char *certificate_file, const char *key_file,
                               bool ask_certificate, SSL_CTX **context_out, struct error *err)
{
    SSL_CTX *context = new_context(TLS_server_method());
    if (context == NULL)
        return error_no_memory(err);
    const char *files[] = {certificate_file, key_file};
    for (size_t i = 0; i < 2; i++)
        if (access(files[i], R_OK) != 0) {
            SSL_CTX_free(context);
            return error_errno(err, RESULT_BAD_INPUT, errno, "cannot read %s", files[i]);
        }
    if (SSL_CTX_use_certificate_chain_file(context, certificate_file) != 1)
        return tls_failure(err, context, "cannot use the certificate", certificate_file);
    if (SSL_CTX_use_PrivateKey_file(context, key_file, SSL_FILETYPE_PEM) != 1)
        return tls_failure(err, context, "cannot use the key", key_file);
    if (SSL_CTX_check_private_key(context) != 1)
        return tls_failure(err, context, "the key does not belong to the certificate", key_file);
    SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_TICKET);
    /* Sessions are not resumed: a client certificate is looked at on every connection. */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
    if (ask_certificate)
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, accept_any_certificate);
    *context_out = context;
    return RESULT_OK;
}

enum result tls_client_context(bool verify, const char *ca_file, SSL_CTX **context_out,
                               struct error *err)
{
    SSL_CTX *context = new_context(TLS_client_method());
    if (context == NULL)
        return error_no_memory(err);
    int loaded = 1;
    if (ca_file != NULL)
        loaded = SSL_CTX_load_verify_locations(context, ca_file, NULL);
    else if (verify)
        loaded = SSL_CTX_set_default_verify_paths(context);
    if (loaded != 1)
        return tls_failure(err, context, "cannot use the certificate authorities",
                           ca_file != NULL ? ca_file : "of the system");
    SSL_CTX_set_verify(context, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    *context_out = context;
    return RESULT_OK;
}

static bool is_address(const char *name)
{
    struct sockaddr_storage address;
    return sockaddr_parse(name, &address);
}

bool tls_expect(X509_VERIFY_PARAM *param, const char *name)
{
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return is_address(name) ? X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1
                            : X509_VERIFY_PARAM_set1_host(param, name, 0) == 1;
}

SSL *tls_client_session(SSL_CTX *context, const char *name, bool verify)
{
    SSL *ssl = SSL_new(context);
    if (ssl == NULL)
        return NULL;
    bool ok = is_address(name) || SSL_set_tlsext_host_name(ssl, name) == 1;
    if (!ok || (verify && !tls_expect(SSL_get0_param(ssl), name))) {
        SSL_free(ssl);
        return NULL;
    }
    return ssl;
}

struct bufferevent *tls_bufferevent(struct event_base *base, int fd, SSL *ssl, bool accepts)
{
    if (ssl == NULL)
        return NULL;
    struct bufferevent *bev = bufferevent_openssl_socket_new(
        base, fd, ssl, accepts ? BUFFEREVENT_SSL_ACCEPTING : BUFFEREVENT_SSL_CONNECTING,
        BEV_OPT_CLOSE_ON_FREE);
    /* Out of memory halfway, libevent may or may not have freed ssl, and losing it is better than
     * freeing it twice. */
    if (bev != NULL)
        bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
    return bev;
}

void tls_say_goodbye(struct bufferevent *bev)
{
    SSL *ssl = bufferevent_openssl_get_ssl(bev);
    if (ssl == NULL || !SSL_is_init_finished(ssl))
        return;
    SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN);
    SSL_shutdown(ssl);
    ERR_clear_error();
}

bool tls_peer_fingerprint(SSL *ssl, char out[65])
{
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    unsigned char digest[SHA256_BYTES];
    unsigned int length = 0;
    if (certificate == NULL || X509_digest(certificate, EVP_sha256(), digest, &length) != 1 ||
        length != SHA256_BYTES)
        return false;
    hex_encode(digest, SHA256_BYTES, out);
    return true;
}

const char *tls_version(const SSL *ssl)
{
    return SSL_get_version(ssl);
}
