/* SPDX-License-Identifier: Apache-2.0 */
/* The world's beginning and end: configuration, certificate, loop, lane. */
#include "tests/unit/test_proxy_fakes.h"

#include "base/seal.h"

#include "base/file.h"

#include <arpa/inet.h>
#include <crypt.h>
#include <event2/bufferevent.h>
#include <fcntl.h>
#include <ftw.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void write_file(const char *name, const char *text, size_t length)
{
    char path[512];
    struct error err = {0};
    snprintf(path, sizeof(path), "%s/%s", world.folder, name);
    must_say(file_replace(path, 0600, text, length, &err) == RESULT_OK, "%s", err.text);
}

static void write_bio(const char *name, BIO *bio)
{
    char *data = NULL;
    long length = BIO_get_mem_data(bio, &data);
    write_file(name, data, (size_t)length);
    BIO_free(bio);
}

/* A certificate nobody signed but itself, for gate.example. */
static void make_certificate(void)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    X509 *certificate = X509_new();
    must(key != NULL && certificate != NULL);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    X509_set_pubkey(certificate, key);
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"gate.example", -1,
                               -1, 0);
    X509_set_issuer_name(certificate, name);
    must(X509_sign(certificate, key, EVP_sha256()) > 0);
    BIO *out = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(out, certificate);
    write_bio("tls.pem", out);
    out = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL);
    write_bio("tls.key", out);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static const char config_text[] =
    "hostname = \"gate.example\" public_url = \"https://gate.example/\"\n"
    "state_dir = \"state\"\n"
    "listeners: {\n"
    "  web: { protocol = \"http\" bind = \"127.0.0.1:2532\" tls = \"none\""
    "         services = [ \"unsubscribe\" ] }\n"
    "  plain: { bind = \"127.0.0.1:2525\" tls = \"none\" max_message_size = \"256 KB\""
    "           max_recipients = 100 }\n"
    "  maybe: { bind = \"127.0.0.1:2526\" tls = \"optional\""
    "           certificate_file = \"tls.pem\" key_file = \"tls.key\" }\n"
    "  must: { bind = \"127.0.0.1:2527\" tls = \"required\""
    "          certificate_file = \"tls.pem\" key_file = \"tls.key\" }\n"
    "  wrapped: { bind = \"127.0.0.1:2528\" tls = \"implicit\""
    "             certificate_file = \"tls.pem\" key_file = \"tls.key\" }\n"
    "  relayed: { bind = \"127.0.0.1:2529\" tls = \"none\" trusted = [ \"192.0.2.200\" ] }\n"
    "  proxied: { bind = \"127.0.0.1:2530\" tls = \"none\" proxy_protocol = \"required\""
    "             trusted = [ \"192.0.2.200\", \"127.0.0.1\", \"2001:db8::/64\" ] }\n"
    "  proxied-tls: { bind = \"127.0.0.1:2531\" tls = \"implicit\" proxy_protocol = \"required\""
    "                 trusted = [ \"192.0.2.200\" ]"
    "                 certificate_file = \"tls.pem\" key_file = \"tls.key\" }\n"
    "}\n"
    "providers: {\n"
    "  first: { adapter = \"smtp\" host = \"127.0.0.1\" port = 2600 tls = \"none\" }\n"
    "  second: { adapter = \"smtp\" host = \"127.0.0.1\" port = 2601 tls = \"none\" }\n"
    "}\n"
    "partners: {\n"
    "  acme: { name = \"ACME\" streams: {\n"
    "    news: { channel = \"email\" providers = [ \"first\", \"second\" ]"
    "            senders = [ \"acme.example\", \"b\u00fccher.example\" ]\n"
    "      accounts: { acme-lan: { networks = [ \"192.0.2.10\", \"2001:db8:10::/48\" ] }"
    "                  acme-login: { password = \"%s\" } } }\n"
    "    bills: { channel = \"email\" class = \"service\" providers = [ \"first\" ]"
    "             senders = [ \"acme.example\" ]\n"
    "      accounts: { acme-bills: { networks = [ \"192.0.2.40\" ] } } }\n"
    "    offers: { channel = \"email\" providers = [ \"first\" ] unsubscribe = \"require\""
    "              senders = [ \"acme.example\" ]\n"
    "      accounts: { acme-offers: { networks = [ \"192.0.2.50\" ] } } }\n"
    "    links: { channel = \"email\" providers = [ \"first\" ] unsubscribe = \"add\""
    "             senders = [ \"acme.example\", \"b\u00fccher.example\" ]\n"
    "      accounts: { acme-links: { networks = [ \"192.0.2.70\" ] } } }\n"
    "    kept: { channel = \"email\" providers = [ \"first\" ] unsubscribe = \"add\""
    "            unsubscribe_existing = \"leave\" senders = [ \"acme.example\" ]\n"
    "      accounts: { acme-kept: { networks = [ \"192.0.2.71\" ] } } }\n"
    "    slow: { channel = \"email\" providers = [ \"first\" ] rate = 1"
    "            senders = [ \"acme.example\" ]\n"
    "      accounts: { acme-slow: { networks = [ \"192.0.2.60\" ] } } }\n"
    "  } }\n"
    "  watch: { name = \"Watched\" mode = \"observe\" streams: {\n"
    "    news: { channel = \"email\" providers = [ \"first\" ] senders = [ \"acme.example\" ]\n"
    "      accounts: { watch-lan: { networks = [ \"192.0.2.20\" ] } } }\n"
    "    links: { channel = \"email\" providers = [ \"first\" ] unsubscribe = \"add\""
    "             senders = [ \"acme.example\" ]\n"
    "      accounts: { watch-links: { networks = [ \"192.0.2.72\" ] } } } } }\n"
    "  quiet: { name = \"Discarded\" mode = \"discard\" streams: {\n"
    "    news: { channel = \"email\" providers = [ \"first\" ] senders = [ \"acme.example\" ]\n"
    "      accounts: { quiet-lan: { networks = [ \"192.0.2.30\" ] } } } } }\n"
    "}\n";

static void print_problem(void *arg, const char *file, int line, const char *message)
{
    (void)arg;
    fprintf(stderr, "%s:%d: %s\n", file, line, message);
}

static struct config *load_config(void)
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    struct crypt_data *scratch = calloc(1, sizeof(*scratch));
    char text[8192];
    char path[512];
    struct config *config = NULL;
    struct error err = {0};
    must(crypt_gensalt_rn("$y$", 1, "0123456789abcdef", 16, setting, sizeof(setting)) != NULL);
    const char *hash = crypt_r("secret", setting, scratch);
    must(hash != NULL);
    int length = snprintf(text, sizeof(text), config_text, hash);
    free(scratch);
    write_file("octroi.conf", text, (size_t)length);
    snprintf(path, sizeof(path), "%s/octroi.conf", world.folder);
    enum result result = config_load(path, print_problem, NULL, &config, &err);
    must_say(result == RESULT_OK, "%s", err.text);
    return config;
}

/* The key that seals links; one that is taken away again is a key nobody has. */
static void world_seal(void)
{
    char path[512];
    struct error err;
    snprintf(path, sizeof(path), "%s/seal.key", world.folder);
    must(seal_create(path, &err) == RESULT_OK);
    must(seal_load(path, &world.seal, &err) == RESULT_OK);
    world.gate.seal = world.seal;
}

void world_make(void)
{
    static const uint8_t key[32] = {1};
    const char *base = getenv("TMPDIR");
    struct error err = {0};
    world.provider.max_recipients = 16;
    world.provider.capabilities = CAPABILITY_8BITMIME;
    snprintf(world.folder, sizeof(world.folder), "%s/octroi-replay-XXXXXX",
             base != NULL ? base : "/tmp");
    must(mkdtemp(world.folder) != NULL);
    make_certificate();
    write_file("recipient.key", "", 0);
    world_seal();
    struct config *config = load_config();
    must(loop_new(0, &world.loop, &err) == RESULT_OK);
    must(workers_new(1, 16, &world.workers, &err) == RESULT_OK);
    world.gate.peers = peers_new();
    must(world.gate.peers != NULL);
    must(guesses_new(&world.gate.guesses, &err) == RESULT_OK);
    must(credentials_new(world.workers, world.gate.peers, world.gate.guesses,
                         &world.gate.credentials, &err) == RESULT_OK);
    world.gate.rates = rates_new();
    must(world.gate.rates != NULL);
    must(lane_init(&world.lane, &world.gate, world.loop, key, sizeof(key), &err) == RESULT_OK);
    world_store(&world.lane.store);
    enum result result = snapshot_new(config, NULL, &world.loop, 1, &world.lane.snapshot, &err);
    must_say(result == RESULT_OK, "%s", err.text);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

void world_free(void)
{
    seal_free(&world.seal);
    workers_free(&world.workers);
    loop_turn(world.loop);
    snapshot_unref(&world.lane.snapshot);
    loop_free(&world.loop);
    lane_end(&world.lane);
    credentials_free(&world.gate.credentials);
    guesses_free(&world.gate.guesses);
    peers_free(&world.gate.peers);
    rates_free(&world.gate.rates);
    strbuf_free(&world.body);
    world_forget_transactions();
    must(nftw(world.folder, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

int world_connect(const char *listener, const char *peer)
{
    int pair[2];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(50000)};
    must(inet_pton(AF_INET, peer, &address.sin_addr) == 1);
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    /* So that a script can fill it, whatever the system's default is. */
    int room = 64 * 1024;
    must(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)) == 0);
    const struct config *config = world.lane.snapshot->config;
    size_t index = 0;
    while (index < config->n_listeners && strcmp(config->listeners[index].name, listener) != 0)
        index++;
    must_say(index < config->n_listeners, "no listener %s", listener);
    struct bufferevent *bev =
        bufferevent_socket_new(loop_base(world.loop), pair[0], BEV_OPT_CLOSE_ON_FREE);
    must(bev != NULL);
    atomic_fetch_add(&world.entrance.sessions, 1);
    atomic_fetch_add(&world.gate.sessions, 1);
    world.session =
        smtp_serve(&world.lane, &world.entrance, index, bev, (const struct sockaddr *)&address);
    /* NULL when the gate turned the peer away at once, which the client's end shows. */
    must(world.session != NULL || atomic_load(&world.gate.sessions) == 0);
    return pair[1];
}

SSL_CTX *world_client_tls(void)
{
    SSL_CTX *context = NULL;
    struct error err;
    must(tls_client_context(false, NULL, &context, &err) == RESULT_OK);
    return context;
}
