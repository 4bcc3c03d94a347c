/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes, keys, files that hold secrets, TLS contexts. */
#include "base/crypto.h"
#include "base/file.h"
#include "base/tls.h"
#include "tests/unit/test_base_parts.h"

#include <ftw.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[200];

static const char *path_of(const char *name)
{
    static char paths[4][300];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static void make_folder(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof(folder), "%s/octroi-base-XXXXXX", base != NULL ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static void remove_folder(void)
{
    ck_assert_int_eq(nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

START_TEST(hashes)
{
    uint8_t one[32], two[32];
    char hex[65];
    ck_assert(sha256("abc", 3, one));
    hex_encode(one, 32, hex);
    ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    ck_assert(sha256_pair("a", 1, "bc", 2, two));
    ck_assert(equal_constant_time(one, two, 32));
    two[31] ^= 1;
    ck_assert(!equal_constant_time(one, two, 32));
    /* RFC 4231, test case 2; twice, since the key schedule is kept. */
    struct hmac *hmac = hmac_new((const uint8_t *)"Jefe", 4);
    ck_assert_ptr_nonnull(hmac);
    for (int i = 0; i < 2; i++) {
        ck_assert(hmac_compute(hmac, "what do ya want for nothing?", 28, one));
        hex_encode(one, 32, hex);
        ck_assert_str_eq(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
    hmac_free(&hmac);
    ck_assert(random_bytes(one, 32) && random_bytes(two, 32));
    ck_assert_int_ne(memcmp(one, two, 32), 0);
    wipe(one, 32);
    for (int i = 0; i < 32; i++)
        ck_assert_uint_eq(one[i], 0);
}
END_TEST

START_TEST(signatures)
{
    struct signing_key *key = NULL, *private_key = NULL, *public_key = NULL;
    struct error err;
    struct stat st;
    uint8_t signature[SIGNATURE_BYTES];
    make_folder();
    ck_assert_int_eq(signing_key_generate(&key, &err), RESULT_OK);
    ck_assert_int_eq(signing_key_save(key, path_of("k"), path_of("k.pub"), &err), RESULT_OK);
    ck_assert_int_eq(stat(path_of("k"), &st), 0);
    ck_assert_int_eq(st.st_mode & 07777, 0600);
    ck_assert_int_eq(signing_key_save(key, path_of("k"), path_of("x"), &err), RESULT_CONFLICT);
    ck_assert_int_eq(signing_key_load_private(path_of("k"), &private_key, &err), RESULT_OK);
    ck_assert_int_eq(signing_key_load_public(path_of("k.pub"), &public_key, &err), RESULT_OK);
    ck_assert(signing_key_sign(private_key, "row", 3, signature));
    ck_assert(signing_key_verify(public_key, "row", 3, signature));
    ck_assert(!signing_key_verify(public_key, "roW", 3, signature));
    signature[0] ^= 1;
    ck_assert(!signing_key_verify(public_key, "row", 3, signature));
    signing_key_free(&private_key);
    ck_assert_int_eq(signing_key_load_private(path_of("k.pub"), &private_key, &err),
                     RESULT_DAMAGED);
    ck_assert_int_eq(signing_key_load_private(path_of("none"), &private_key, &err),
                     RESULT_NOT_FOUND);
    signing_key_free(&key);
    signing_key_free(&public_key);
    remove_folder();
}
END_TEST

START_TEST(secret_files)
{
    struct strbuf out = {0};
    struct error err;
    make_folder();
    ck_assert_int_eq(file_create(path_of("s"), 0600, "secret\r\nnote\n", 14 - 1, &err), RESULT_OK);
    ck_assert_int_eq(file_create(path_of("s"), 0600, "x", 1, &err), RESULT_CONFLICT);
    ck_assert_int_eq(file_read_secret(path_of("s"), &out, &err), RESULT_OK);
    ck_assert_str_eq(out.data, "secret");
    strbuf_clear(&out);
    static const int modes[] = {0604, 0602, 0666};
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(chmod(path_of("s"), (mode_t)modes[i]), 0);
        ck_assert_int_eq(file_read_secret(path_of("s"), &out, &err), RESULT_DENIED);
        ck_assert_ptr_null(strstr(err.text, "secret\r"));
    }
    ck_assert_int_eq(file_create(path_of("empty"), 0600, "\nx", 2, &err), RESULT_OK);
    ck_assert_int_eq(file_read_secret(path_of("empty"), &out, &err), RESULT_BAD_INPUT);
    strbuf_clear(&out);
    ck_assert_int_eq(file_read(path_of("empty"), 1, &out, &err), RESULT_BAD_INPUT);
    ck_assert_int_eq(file_replace(path_of("s"), 0600, "new", 3, &err), RESULT_OK);
    strbuf_clear(&out);
    ck_assert_int_eq(file_read(path_of("s"), 3, &out, &err), RESULT_OK);
    ck_assert_str_eq(out.data, "new");
    ck_assert(!file_exists(path_of("s.tmp")));
    char *resolved = file_resolve("/etc/octroi/x.conf", "keys/k");
    ck_assert_str_eq(resolved, "/etc/octroi/keys/k");
    free(resolved);
    strbuf_free(&out);
    remove_folder();
}
END_TEST

/* ---- TLS ---- */

static void write_key_and_certificate(void)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    X509 *certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    X509_set_pubkey(certificate, key);
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"gate.example", -1,
                               -1, 0);
    X509_set_issuer_name(certificate, name);
    ck_assert_int_gt(X509_sign(certificate, key, EVP_sha256()), 0);
    FILE *file = fopen(path_of("tls.pem"), "w");
    ck_assert(file != NULL && PEM_write_X509(file, certificate) == 1);
    fclose(file);
    file = fopen(path_of("tls.key"), "w");
    ck_assert(file != NULL && PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

/* Both ends in memory; true when they agree. version_out: of the client. */
static bool handshake(SSL_CTX *server, SSL_CTX *client, const char *name, bool verify,
                      char *version_out)
{
    SSL *a = SSL_new(server);
    SSL *b = tls_client_session(client, name, verify);
    BIO *a_bio = NULL, *b_bio = NULL;
    ck_assert(a != NULL && b != NULL);
    ck_assert_int_eq(BIO_new_bio_pair(&a_bio, 65536, &b_bio, 65536), 1);
    SSL_set_bio(a, a_bio, a_bio);
    SSL_set_bio(b, b_bio, b_bio);
    SSL_set_accept_state(a);
    SSL_set_connect_state(b);
    int done_a = 0, done_b = 0;
    for (int i = 0; i < 20 && !(done_a == 1 && done_b == 1); i++) {
        done_b = SSL_do_handshake(b);
        done_a = SSL_do_handshake(a);
    }
    char fingerprint[65];
    bool ok = done_a == 1 && done_b == 1;
    if (ok) {
        snprintf(version_out, 16, "%s", tls_version(b));
        ck_assert(tls_peer_fingerprint(b, fingerprint) && strlen(fingerprint) == 64);
        ck_assert(!tls_peer_fingerprint(a, fingerprint));
    }
    SSL_free(a);
    SSL_free(b);
    return ok;
}

START_TEST(tls_contexts)
{
    SSL_CTX *server = NULL, *client = NULL;
    struct error err;
    char version[16] = "";
    make_folder();
    write_key_and_certificate();
    enum result result =
        tls_server_context(path_of("tls.pem"), path_of("tls.key"), false, &server, &err);
    ck_assert_msg(result == RESULT_OK, "%s", err.text);
    ck_assert_int_eq(SSL_CTX_get_min_proto_version(server), TLS1_2_VERSION);
    /* A resumed session would show no certificate, and with one asked for OpenSSL ends it. */
    ck_assert_uint_ne(SSL_CTX_get_options(server) & SSL_OP_NO_TICKET, 0);
    ck_assert_int_eq(tls_client_context(true, path_of("tls.pem"), &client, &err), RESULT_OK);
    ck_assert_int_eq(SSL_CTX_get_min_proto_version(client), TLS1_2_VERSION);
    ck_assert(handshake(server, client, "gate.example", true, version));
    ck_assert_str_eq(version, "TLSv1.3");
    ck_assert(!handshake(server, client, "other.example", true, version));
    ck_assert(!handshake(server, client, "127.0.0.1", true, version));
    SSL_CTX_free(client);
    /* A client that knows no authority, and one that is too old. */
    ck_assert_int_eq(tls_client_context(true, NULL, &client, &err), RESULT_OK);
    ck_assert(!handshake(server, client, "gate.example", true, version));
    SSL_CTX_free(client);
    ck_assert_int_eq(tls_client_context(false, NULL, &client, &err), RESULT_OK);
    ck_assert(handshake(server, client, "gate.example", false, version));
    SSL_CTX_set_security_level(client, 0);
    SSL_CTX_set_security_level(server, 0);
    SSL_CTX_set_min_proto_version(client, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(client, TLS1_1_VERSION);
    ck_assert(!handshake(server, client, "gate.example", false, version));
    SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION);
    ck_assert(handshake(server, client, "gate.example", false, version));
    ck_assert_str_eq(version, "TLSv1.2");
    SSL_CTX_free(client);
    SSL_CTX_free(server);
    server = NULL;
    ck_assert_int_eq(tls_server_context(path_of("none"), path_of("tls.key"), false, &server, &err),
                     RESULT_BAD_INPUT);
    ck_assert_ptr_null(server);
    ck_assert_int_eq(
        tls_server_context(path_of("tls.pem"), path_of("tls.pem"), false, &server, &err),
        RESULT_BAD_INPUT);
    remove_folder();
}
END_TEST

Suite *secrets_suite(void)
{
    const TTest *const tests[] = {hashes, signatures, secret_files, tls_contexts, NULL};
    return unit_suite("secrets", tests);
}
