/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test_adapters_fake.h"

#include "base/tls.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 256

struct fake {
    int listener;
    uint16_t port;
    const char *const *const *scripts;
    SSL_CTX *tls;
    pthread_t accepter;
    pthread_t threads[CONNECTIONS_MAX];
    atomic_uint connections;
    atomic_uint now;
    atomic_uint most;
    atomic_ullong content;
    pthread_mutex_t lock;
    char kept[FAKE_CONTENT_KEPT]; /* under lock */
    size_t kept_length;           /* under lock */
    char tls_version[16];
    char tls_name[80];
    atomic_bool has_problem;
    char problem[512];
};

struct peer {
    struct fake *fake;
    const char *const *script;
    int fd;
    SSL *ssl;
    char buffer[65536];
    size_t at, end;
    char content[FAKE_CONTENT_KEPT];
};

static void problem(struct peer *peer, const char *step, const char *what)
{
    if (!atomic_exchange(&peer->fake->has_problem, true))
        snprintf(peer->fake->problem, sizeof(peer->fake->problem), "step '%.200s': %.200s", step,
                 what);
}

/* -1 at the end. */
static int next_byte(struct peer *peer)
{
    if (peer->at == peer->end) {
        long got = peer->ssl != NULL ? SSL_read(peer->ssl, peer->buffer, sizeof(peer->buffer))
                                     : recv(peer->fd, peer->buffer, sizeof(peer->buffer), 0);
        if (got <= 0)
            return -1;
        peer->at = 0;
        peer->end = (size_t)got;
    }
    return (unsigned char)peer->buffer[peer->at++];
}

static void send_text(struct peer *peer, const char *text, bool line)
{
    char out[70000];
    int length = snprintf(out, sizeof(out), "%s%s", text, line ? "\r\n" : "");
    if (peer->ssl != NULL)
        SSL_write(peer->ssl, out, length);
    else
        send(peer->fd, out, (size_t)length, MSG_NOSIGNAL);
}

static bool expect_line(struct peer *peer, const char *prefix)
{
    char line[4096];
    size_t length = 0;
    int byte;
    while ((byte = next_byte(peer)) >= 0 && length < sizeof(line) - 1) {
        line[length++] = (char)byte;
        if (byte == '\n')
            break;
    }
    line[length] = '\0';
    if (strncmp(line, prefix, strlen(prefix)) == 0 && length > 2 && line[length - 2] == '\r')
        return true;
    problem(peer, prefix, length > 0 ? line : "the peer left");
    return false;
}

static bool read_content(struct peer *peer)
{
    static const char mark[] = "\r\n.\r\n";
    size_t matched = 2; /* as if a line had just ended */
    int byte;
    size_t length = 0;
    while (matched < 5 && (byte = next_byte(peer)) >= 0) {
        atomic_fetch_add(&peer->fake->content, 1);
        if (length < sizeof(peer->content))
            peer->content[length++] = (char)byte;
        if (byte == mark[matched])
            matched++;
        else
            matched = byte == '\r' ? 1 : 0;
    }
    pthread_mutex_lock(&peer->fake->lock);
    memcpy(peer->fake->kept, peer->content, length);
    peer->fake->kept_length = matched == 5 && length >= 3 ? length - 3 : 0;
    pthread_mutex_unlock(&peer->fake->lock);
    return matched == 5;
}

static void expect_nothing(struct peer *peer)
{
    struct pollfd ready = {.fd = peer->fd, .events = POLLIN};
    if (peer->at < peer->end || poll(&ready, 1, 60) > 0)
        problem(peer, "N", "the peer spoke");
}

static bool run_tls(struct peer *peer)
{
    peer->ssl = SSL_new(peer->fake->tls);
    SSL_set_fd(peer->ssl, peer->fd);
    bool ok = SSL_accept(peer->ssl) == 1;
    const char *name = ok ? SSL_get_servername(peer->ssl, TLSEXT_NAMETYPE_host_name) : NULL;
    snprintf(peer->fake->tls_version, sizeof(peer->fake->tls_version), "%s",
             ok ? SSL_get_version(peer->ssl) : "");
    snprintf(peer->fake->tls_name, sizeof(peer->fake->tls_name), "%s", name != NULL ? name : "");
    return ok;
}

static void run_script(struct peer *peer)
{
    const char *const *mark = peer->script;
    for (const char *const *step = peer->script; *step != NULL; step++) {
        const char *text = *step + 1;
        bool ok = true;
        switch ((*step)[0]) {
        case '<':
            ok = expect_line(peer, text);
            break;
        case '>':
            send_text(peer, text, true);
            break;
        case '=':
            send_text(peer, text, false);
            break;
        case '.':
            ok = read_content(peer);
            if (!ok)
                problem(peer, ".", "the peer left inside the content");
            break;
        case '~':
            if (read_content(peer))
                problem(peer, "~", "the content was completed");
            break;
        case 'T':
            ok = run_tls(peer);
            break;
        case 'W':
            while (next_byte(peer) >= 0)
                ;
            break;
        case 'P':
            usleep(60000);
            break;
        case 'N':
            expect_nothing(peer);
            break;
        case '@':
            mark = step;
            break;
        default: /* '*' */
            /* A peer that leaves or says QUIT between two messages ends the loop well. */
            if (peer->at == peer->end) {
                int byte = next_byte(peer);
                if (byte < 0 || byte == 'Q')
                    return;
                peer->at--;
            }
            step = mark;
            break;
        }
        if (!ok)
            return;
    }
}

static void *serve(void *arg)
{
    struct peer *peer = arg;
    struct fake *fake = peer->fake;
    unsigned now = atomic_fetch_add(&fake->now, 1) + 1;
    unsigned most = atomic_load(&fake->most);
    while (now > most && !atomic_compare_exchange_weak(&fake->most, &most, now))
        ;
    run_script(peer);
    atomic_fetch_sub(&fake->now, 1);
    if (peer->ssl != NULL)
        SSL_free(peer->ssl);
    close(peer->fd);
    free(peer);
    return NULL;
}

static void *accept_all(void *arg)
{
    struct fake *fake = arg;
    unsigned script = 0;
    for (;;) {
        int fd = accept(fake->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        struct peer *peer = calloc(1, sizeof(*peer));
        ck_assert_ptr_nonnull(peer);
        peer->fake = fake;
        peer->fd = fd;
        peer->script = fake->scripts[script];
        if (fake->scripts[script + 1] != NULL)
            script++;
        unsigned n = atomic_load(&fake->connections);
        ck_assert_uint_lt(n, CONNECTIONS_MAX);
        ck_assert_int_eq(pthread_create(&fake->threads[n], NULL, serve, peer), 0);
        atomic_fetch_add(&fake->connections, 1);
    }
}

struct fake *fake_new(const char *const *const *scripts, const char *certificate, const char *key)
{
    struct fake *fake = calloc(1, sizeof(*fake));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    struct error err;
    ck_assert_ptr_nonnull(fake);
    fake->scripts = scripts;
    pthread_mutex_init(&fake->lock, NULL);
    if (certificate != NULL)
        ck_assert_int_eq(tls_server_context(certificate, key, false, &fake->tls, &err), RESULT_OK);
    fake->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fake->listener, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(listen(fake->listener, 128), 0);
    ck_assert_int_eq(getsockname(fake->listener, (struct sockaddr *)&address, &length), 0);
    fake->port = ntohs(address.sin_port);
    ck_assert_int_eq(pthread_create(&fake->accepter, NULL, accept_all, fake), 0);
    return fake;
}

void fake_stop(struct fake *fake)
{
    shutdown(fake->listener, SHUT_RDWR);
    pthread_join(fake->accepter, NULL);
    close(fake->listener);
    for (unsigned i = 0; i < atomic_load(&fake->connections); i++)
        pthread_join(fake->threads[i], NULL);
}

void fake_free(struct fake *fake)
{
    SSL_CTX_free(fake->tls);
    pthread_mutex_destroy(&fake->lock);
    free(fake);
}

uint16_t fake_port(const struct fake *fake)
{
    return fake->port;
}

unsigned fake_connections(const struct fake *fake)
{
    return atomic_load(&((struct fake *)fake)->connections);
}

unsigned fake_most_at_once(const struct fake *fake)
{
    return atomic_load(&((struct fake *)fake)->most);
}

uint64_t fake_content_bytes(const struct fake *fake)
{
    return atomic_load(&((struct fake *)fake)->content);
}

const char *fake_content(const struct fake *fake, size_t *length_out)
{
    *length_out = fake->kept_length;
    return fake->kept;
}

void fake_tls_only(struct fake *fake, int version)
{
    SSL_CTX_set_min_proto_version(fake->tls, version);
    SSL_CTX_set_max_proto_version(fake->tls, version);
}

void fake_tls_tickets(struct fake *fake)
{
    SSL_CTX_clear_options(fake->tls, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(fake->tls, 2);
}

const char *fake_tls_version(const struct fake *fake)
{
    return fake->tls_version;
}

const char *fake_tls_name(const struct fake *fake)
{
    return fake->tls_name;
}

const char *fake_problem(const struct fake *fake)
{
    return atomic_load(&((struct fake *)fake)->has_problem) ? fake->problem : "";
}

void fake_certificate(const char *name, const char *certificate_path, const char *key_path)
{
    char names[200];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    ck_assert_ptr_nonnull(key);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(certificate, subject);
    snprintf(names, sizeof(names), "DNS:%s", name);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    ck_assert_int_gt(X509_sign(certificate, key, EVP_sha256()), 0);
    FILE *file = fopen(certificate_path, "w");
    ck_assert_int_eq(PEM_write_X509(file, certificate), 1);
    fclose(file);
    file = fopen(key_path, "w");
    ck_assert_int_eq(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}
