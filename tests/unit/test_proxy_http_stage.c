/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test_proxy_http_stage.h"

#include "base/file.h"
#include "proxy/descriptors.h"

#include <arpa/inet.h>
#include <crypt.h>
#include <errno.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <ftw.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct stage stage;

/* ---- what is behind the gate ---- */

static void copy_raw(struct stage_message *message, const struct sms_raw *raw)
{
    message->is_raw = true;
    message->raw = *raw;
    must(raw->body.length <= sizeof(message->body));
    memcpy(message->body, raw->body.data, raw->body.length);
    message->raw.body.data = message->body;
}

void sms_submit(struct lane *lane, const struct sms_submission *submission, sms_reply_fn *reply,
                void *owner, struct ticket ticket)
{
    must(lane == &stage.lane && stage.n_messages < STAGE_MESSAGES);
    must(submission->snapshot != NULL && submission->session[0] != '\0');
    struct stage_message *message = &stage.messages[stage.n_messages++];
    *message = (struct stage_message){.reply = reply, .owner = owner, .ticket = ticket};
    must(str_copy(message->account, sizeof(message->account), submission->account->name));
    must(str_copy(message->sender, sizeof(message->sender), submission->sender));
    must(str_copy(message->to, sizeof(message->to), submission->to));
    message->sender_ton = submission->sender_ton;
    message->international = submission->to_international;
    message->report = submission->report;
    message->validity = submission->validity;
    must((submission->text != NULL) != (submission->raw != NULL));
    if (submission->raw != NULL)
        copy_raw(message, submission->raw);
    else
        str_copy(message->text, sizeof(message->text), submission->text);
    if (!stage.hold)
        stage_reply(stage.n_messages - 1);
}

static enum sms_end end_of(const char *to)
{
    size_t length = strlen(to);
    char last = length > 0 ? to[length - 1] : '7';
    return last >= '0' && last <= '9' ? (enum sms_end)(last - '0') : SMS_END_BAD_NUMBER;
}

void stage_reply(size_t i)
{
    struct stage_message *message = &stage.messages[i];
    char ref[RECORD_ID];
    snprintf(ref, sizeof(ref), "01TEST-%zu", i);
    enum sms_end end = end_of(message->to);
    bool accepted = end == SMS_END_ACCEPTED;
    struct sms_reply reply = {
        .end = end,
        .reason = end == SMS_END_BLOCKED    ? REASON_NO_CONSENT
                  : end == SMS_END_DEFERRED ? REASON_OUTSIDE_HOURS
                                            : REASON_UNABLE,
        .ref = end == SMS_END_OVER_RATE || end == SMS_END_BAD_NUMBER ? "" : ref,
        .to = end == SMS_END_BAD_NUMBER ? "" : "+33612345670",
        .provider = accepted || end == SMS_END_REFUSED ? "agg" : "",
        .provider_id = accepted ? "P-17" : "",
        .parts = accepted ? stage.parts : 0,
        .refusal = stage.refusal,
        .retry_after = end == SMS_END_DEFERRED ? 90 * CLOCK_SECOND : 0,
        .text = accepted ? "" : "Because \"so\".",
    };
    must(!message->replied);
    message->replied = true;
    message->reply(message->owner, message->ticket, &reply);
}

void stage_release(void)
{
    for (size_t i = 0; i < stage.n_messages; i++)
        if (!stage.messages[i].replied)
            stage_reply(i);
}

void sms_sender_kind(const char *sender, uint8_t *ton_out, uint8_t *npi_out)
{
    bool number = sender[0] != '\0' && sender[strspn(sender, "+0123456789")] == '\0';
    *ton_out = number ? SMPP_TON_INTERNATIONAL : SMPP_TON_ALPHANUMERIC;
    *npi_out = number ? 1 : 0;
}

void sms_hooked(struct provider *provider, struct loop *loop, const struct sms_hook *hook,
                sms_hooked_fn *answer, void *owner, struct ticket ticket)
{
    struct stage_hook *out = &stage.hook;
    must(provider != NULL && loop == stage.loop);
    stage.n_hooks++;
    snprintf(out->name, sizeof(out->name), "%s", hook->name);
    snprintf(out->method, sizeof(out->method), "%s", hook->method);
    snprintf(out->url, sizeof(out->url), "%s", hook->url);
    snprintf(out->query, sizeof(out->query), "%s", hook->query);
    snprintf(out->body, sizeof(out->body), "%.*s", (int)hook->length, hook->body);
    snprintf(out->type, sizeof(out->type), "%s", hook->content_type);
    const char *header = hook->header(hook->request, "X-Signature");
    snprintf(out->header, sizeof(out->header), "%s", header != NULL ? header : "-");
    out->answer = answer;
    out->owner = owner;
    out->ticket = ticket;
    if (!stage.hook_holds)
        answer(owner, ticket, 200, "text/xml", "<Response/>");
}

/* ---- providers, as far as a snapshot needs them ---- */

struct provider {
    unsigned references;
    const struct provider_config *config;
};

enum result provider_new(const struct provider_config *config, struct config *owner,
                         struct loop *const *loops, unsigned n_loops,
                         struct provider **provider_out, struct error *err)
{
    (void)owner;
    (void)loops;
    (void)n_loops;
    *provider_out = calloc(1, sizeof(**provider_out));
    if (*provider_out == NULL)
        return error_no_memory(err);
    (*provider_out)->references = 1;
    (*provider_out)->config = config;
    return RESULT_OK;
}

struct provider *provider_ref(struct provider *provider)
{
    provider->references++;
    return provider;
}

void provider_unref(struct provider **provider)
{
    if (*provider != NULL && --(*provider)->references == 0)
        free(*provider);
    *provider = NULL;
}

const char *provider_name(const struct provider *provider)
{
    return provider->config->name;
}

const char *provider_digest(const struct provider *provider)
{
    return provider->config->digest;
}

void provider_capabilities(const struct provider *provider, struct capabilities *out)
{
    (void)provider;
    *out = (struct capabilities){0};
}

void provider_state(const struct provider *provider, struct provider_state *out)
{
    (void)provider;
    *out = (struct provider_state){0};
}

void provider_set_sink(struct provider *provider, const struct sms_sink *sink)
{
    (void)provider;
    (void)sink;
}

/* ---- configuration ---- */

static const char config_text[] =
    "hostname = \"gate.example\"\n"
    "public_url = \"https://gate.example:8443/\"\n"
    "state_dir = \"state\"\n"
    "listeners: {\n"
    "  web: { protocol = \"http\" bind = \"127.0.0.1:8080\" tls = \"none\" services = [ \"sms\" ]\n"
    "         max_body_size = \"4 kB\" }\n"
    "  quick: { protocol = \"http\" bind = \"127.0.0.1:8081\" tls = \"none\"\n"
    "           services = [ \"sms\" ] idle_timeout = \"900 ms\" login_timeout = \"300 ms\"\n"
    "           min_rate = \"64 kB\" }\n"
    "  few: { protocol = \"http\" bind = \"127.0.0.1:8082\" tls = \"none\" services = [ \"sms\" ]\n"
    "         max_connections = 2 }\n"
    "  fair: { protocol = \"http\" bind = \"127.0.0.1:8083\" tls = \"none\" services = [ \"sms\" "
    "]\n"
    "          max_connections_per_address = 1 }\n"
    "  balanced: { protocol = \"http\" bind = \"127.0.0.1:8084\" tls = \"none\"\n"
    "              services = [ \"sms\" ] trusted = [ \"127.0.0.1\", \"192.0.2.200\" ] }\n"
    "  heavy: { protocol = \"http\" bind = \"127.0.0.1:8086\" tls = \"none\"\n"
    "           services = [ \"sms\" ] max_body_size = \"16 MB\" }\n"
    "  api: { protocol = \"http\" bind = \"127.0.0.1:8087\" tls = \"none\" services = [ \"api\" ] "
    "}\n"
    "  both: { protocol = \"http\" bind = \"127.0.0.1:8088\" tls = \"none\"\n"
    "          services = [ \"api\", \"sms\" ] trusted = [ \"127.0.0.1\" ] }\n"
    "  out: { protocol = \"http\" bind = \"127.0.0.1:8089\" tls = \"none\"\n"
    "         services = [ \"unsubscribe\" ] }\n"
    "  secure: { protocol = \"http\" bind = \"127.0.0.1:8085\" tls = \"implicit\"\n"
    "            services = [ \"sms\" ] certificate_file = \"tls.pem\" key_file = \"tls.key\" }\n"
    "}\n"
    "providers: {\n"
    "  agg: { adapter = \"http\" template = \"./agg.conf\" url = \"http://127.0.0.1:1\" }\n"
    "  smsc: { adapter = \"smpp\" host = \"127.0.0.1\" tls = \"none\" system_id = \"x\"\n"
    "          alphabet = \"latin1\" }\n"
    "  mail: { adapter = \"smtp\" host = \"127.0.0.1\" port = 2600 tls = \"none\" }\n"
    "}\n"
    "partners: {\n"
    "  acme: { name = \"ACME\" max_connections = 3 streams: {\n"
    "    promo: { channel = \"sms\" providers = [ \"agg\" ] senders = [ \"ACME\", \"36105\" ]\n"
    "      accounts: { acme-sms: { password = \"%s\" }\n"
    "                  acme-lan: { networks = [ \"192.0.2.10\" ] }\n"
    "                  acme-cert: { certificate_sha256 = \"%s\" }\n"
    "                  acme-ovh: { application_key = \"AK\" application_secret = \"AS\"\n"
    "                              consumer_key = \"CK\" } } }\n"
    "    narrow: { channel = \"sms\" providers = [ \"agg\" ] senders = [ \"ACME\" ] window = 1\n"
    "      accounts: { acme-narrow: { password = \"%s\" } } }\n"
    "    latin: { channel = \"sms\" providers = [ \"smsc\" ] senders = [ \"ACME\" ]\n"
    "      accounts: { acme-latin: { password = \"%s\" } } }\n"
    "  } }\n"
    "  other: { name = \"Other\" streams: {\n"
    "    news: { channel = \"email\" providers = [ \"mail\" ] senders = [ \"other.example\" ]\n"
    "      accounts: { other-mail: { password = \"%s\" } } }\n"
    "  } }\n"
    "}\n";

static void write_file(const char *name, const char *text, size_t length)
{
    char path[512];
    struct error err = {0};
    snprintf(path, sizeof(path), "%s/%s", stage.folder, name);
    must_say(file_replace(path, 0600, text, length, &err) == RESULT_OK, "%s", err.text);
}

/* A certificate nobody signed but itself, and its key; fingerprint as the configuration has it. */
static void make_certificate(const char *name, const char *subject, char fingerprint[65])
{
    char file[64];
    uint8_t digest[SHA256_BYTES];
    char *data = NULL;
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    X509 *certificate = X509_new();
    must(key != NULL && certificate != NULL);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    X509_set_pubkey(certificate, key);
    X509_NAME *names = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(names, "CN", MBSTRING_ASC, (const unsigned char *)subject, -1, -1,
                               0);
    X509_set_issuer_name(certificate, names);
    must(X509_sign(certificate, key, EVP_sha256()) > 0);
    must(X509_digest(certificate, EVP_sha256(), digest, NULL) == 1);
    hex_encode(digest, sizeof(digest), fingerprint);
    BIO *out = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(out, certificate);
    snprintf(file, sizeof(file), "%s.pem", name);
    long length = BIO_get_mem_data(out, &data);
    write_file(file, data, (size_t)length);
    BIO_free(out);
    out = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL);
    snprintf(file, sizeof(file), "%s.key", name);
    length = BIO_get_mem_data(out, &data);
    write_file(file, data, (size_t)length);
    BIO_free(out);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void print_problem(void *arg, const char *file, int line, const char *message)
{
    (void)arg;
    fprintf(stderr, "%s:%d: %s\n", file, line, message);
}

static struct config *load_config(void)
{
    char server[65], client[65], path[512];
    char text[8192];
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    struct crypt_data *scratch = calloc(1, sizeof(*scratch));
    struct config *config = NULL;
    struct error err = {0};
    make_certificate("tls", "gate.example", server);
    make_certificate("client", "client.example", client);
    write_file("agg.conf", "x", 1);
    write_file("recipient.key", "", 0);
    must(crypt_gensalt_rn("$y$", 1, "0123456789abcdef", 16, setting, sizeof(setting)) != NULL);
    const char *hash = crypt_r("secret", setting, scratch);
    must(hash != NULL);
    int length = snprintf(text, sizeof(text), config_text, hash, client, hash, hash, hash);
    must(length > 0 && (size_t)length < sizeof(text));
    free(scratch);
    write_file("octroi.conf", text, (size_t)length);
    snprintf(path, sizeof(path), "%s/octroi.conf", stage.folder);
    enum result result = config_load(path, print_problem, NULL, &config, &err);
    must_say(result == RESULT_OK, "%s", err.text);
    return config;
}

/* ---- beginning and end ---- */

static void open_door(size_t i, const char *bind_text)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    must(fd >= 0 && bind(fd, (struct sockaddr *)&address, length) == 0 && listen(fd, 64) == 0);
    must(getsockname(fd, (struct sockaddr *)&address, &length) == 0);
    must(str_copy(stage.entrances[i].bind, sizeof(stage.entrances[i].bind), bind_text));
    stage.fds[i] = fd;
    stage.ports[i] = ntohs(address.sin_port);
    stage.sockets[i] =
        evconnlistener_new(loop_base(stage.loop), NULL, NULL, LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    must(stage.sockets[i] != NULL);
    stage.doors[i] = http_door_open(&stage.lane, &stage.entrances[i], stage.sockets[i]);
    must(stage.doors[i] != NULL);
    stage.n_doors = i + 1;
}

void stage_make(void)
{
    static const uint8_t key[32] = {1};
    const char *base = getenv("TMPDIR");
    struct error err = {0};
    stage = (struct stage){.parts = 1};
    snprintf(stage.folder, sizeof(stage.folder), "%s/octroi-http-XXXXXX",
             base != NULL ? base : "/tmp");
    must(mkdtemp(stage.folder) != NULL);
    struct config *config = load_config();
    must(loop_new(0, &stage.loop, &err) == RESULT_OK);
    must(workers_new(1, 16, &stage.workers, &err) == RESULT_OK);
    stage.gate.peers = peers_new();
    stage.gate.rates = rates_new();
    stage.gate.reserve = reserve_new();
    must(stage.gate.peers != NULL && stage.gate.rates != NULL && stage.gate.reserve != NULL);
    must(guesses_new(&stage.gate.guesses, &err) == RESULT_OK);
    must(credentials_new(stage.workers, stage.gate.peers, stage.gate.guesses,
                         &stage.gate.credentials, &err) == RESULT_OK);
    must(lane_init(&stage.lane, &stage.gate, stage.loop, key, sizeof(key), &err) == RESULT_OK);
    must_say(snapshot_new(config, NULL, &stage.loop, 1, &stage.lane.snapshot, &err) == RESULT_OK,
             "%s", err.text);
    const struct config *loaded = stage.lane.snapshot->config;
    for (size_t i = 0; i < loaded->n_listeners; i++)
        open_door(i, loaded->listeners[i].bind);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

void stage_free(void)
{
    http_drain(&stage.lane);
    for (size_t i = 0; i < stage.n_doors; i++) {
        http_door_close(&stage.doors[i]);
        loop_close(stage.loop, stage.fds[i]);
    }
    http_abort_all(&stage.lane);
    http_free(&stage.lane);
    must(stage.gate.idempotency == NULL);
    for (int i = 0; i < 4; i++)
        loop_turn(stage.loop);
    workers_free(&stage.workers);
    loop_turn(stage.loop);
    for (size_t i = 0; i < stage.n_doors; i++)
        must(stage.entrances[i].sessions == 0);
    must(stage.gate.sessions == 0);
    must(ticket_count(stage.lane.requests) == 0);
    snapshot_unref(&stage.lane.snapshot);
    loop_free(&stage.loop);
    lane_end(&stage.lane);
    credentials_free(&stage.gate.credentials);
    guesses_free(&stage.gate.guesses);
    peers_free(&stage.gate.peers);
    rates_free(&stage.gate.rates);
    reserve_free(&stage.gate.reserve);
    must(nftw(stage.folder, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

static struct http_connection *in_penalty(void)
{
    struct http_connection *connection;
    TAILQ_FOREACH(connection, &stage.lane.http->connections, entry)
    if (connection->request != NULL && connection->request->stage == STAGE_PENALTY)
        return connection;
    return NULL;
}

void stage_end_penalty(int64_t at_least)
{
    turn_until(in_penalty() != NULL);
    struct http_connection *connection = in_penalty();
    must(connection->request->due >= clock_monotonic() + at_least);
    connection->request->due = 0;
    http_connection_wake_at(connection, clock_monotonic());
}

void stage_forgive(void)
{
    guesses_free(&stage.gate.guesses);
    must(guesses_new(&stage.gate.guesses, NULL) == RESULT_OK);
}

/* ---- clients ---- */

static size_t listener_named(const char *name)
{
    const struct config *config = stage.lane.snapshot->config;
    size_t i = 0;
    while (i < config->n_listeners && strcmp(config->listeners[i].name, name) != 0)
        i++;
    must_say(i < config->n_listeners, "no listener %s", name);
    return i;
}

void client_open(struct client *client, const char *listener)
{
    client_open_from(client, listener, "127.0.0.1");
}

void client_open_from(struct client *client, const char *listener, const char *source)
{
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons(stage.ports[listener_named(listener)])};
    *client = (struct client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    must(client->fd >= 0 && inet_pton(AF_INET, source, &from.sin_addr) == 1);
    must(bind(client->fd, (struct sockaddr *)&from, sizeof(from)) == 0);
    must(connect(client->fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    must(fcntl(client->fd, F_SETFL, O_NONBLOCK) == 0);
}

void client_secure(struct client *client, const char *certificate)
{
    char path[512];
    int done;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    must(context != NULL);
    if (certificate != NULL) {
        snprintf(path, sizeof(path), "%s/%s.pem", stage.folder, certificate);
        must(SSL_CTX_use_certificate_file(context, path, SSL_FILETYPE_PEM) == 1);
        snprintf(path, sizeof(path), "%s/%s.key", stage.folder, certificate);
        must(SSL_CTX_use_PrivateKey_file(context, path, SSL_FILETYPE_PEM) == 1);
    }
    client->ssl = SSL_new(context);
    SSL_CTX_free(context);
    must(client->ssl != NULL && SSL_set_fd(client->ssl, client->fd) == 1);
    turn_until((done = SSL_connect(client->ssl)) == 1);
}

static ssize_t try_write(struct client *client, const char *text, size_t length)
{
    if (client->ssl == NULL)
        return send(client->fd, text, length, MSG_NOSIGNAL);
    int n = SSL_write(client->ssl, text, (int)length);
    return n > 0 ? n : -1;
}

void client_send(struct client *client, const char *text, size_t length)
{
    int64_t until = clock_monotonic() + 20 * CLOCK_SECOND;
    while (length > 0 && !client->closed) {
        ssize_t n = try_write(client, text, length);
        if (n > 0) {
            text += n;
            length -= (size_t)n;
        }
        /* A gate that closes while it is written to is for the caller to see. */
        if (n < 0 && client->ssl == NULL && errno != EAGAIN)
            return;
        client_turn(client);
        must(clock_monotonic() < until);
    }
}

void client_say(struct client *client, const char *text)
{
    client_send(client, text, strlen(text));
}

void client_turn(struct client *client)
{
    char bytes[4096];
    loop_turn(stage.loop);
    while (!client->closed) {
        ssize_t n;
        if (client->ssl == NULL) {
            n = recv(client->fd, bytes, sizeof(bytes), 0);
            if (n == 0 || (n < 0 && errno != EAGAIN))
                client->closed = true;
        } else {
            n = SSL_read(client->ssl, bytes, sizeof(bytes));
            if (n <= 0 && SSL_get_error(client->ssl, (int)n) != SSL_ERROR_WANT_READ)
                client->closed = true;
        }
        if (n <= 0)
            return;
        strbuf_add(&client->got, bytes, (size_t)n);
    }
}

/* Length of the whole answer that got begins with; 0: more must come. */
static size_t whole(const struct strbuf *got, size_t *head_out)
{
    const char *end = got->length > 0 ? strstr(got->data, "\r\n\r\n") : NULL;
    if (end == NULL)
        return 0;
    *head_out = (size_t)(end - got->data) + 4;
    const char *length = strcasestr(got->data, "\r\nContent-Length:");
    size_t n = length != NULL && length < end ? strtoul(length + 17, NULL, 10) : 0;
    return got->length >= *head_out + n ? *head_out + n : 0;
}

struct answer client_answer(struct client *client)
{
    struct answer answer = {0};
    size_t head = 0;
    size_t length;
    int64_t until = clock_monotonic() + 20 * CLOCK_SECOND;
    while ((length = whole(&client->got, &head)) == 0 && !client->closed) {
        client_turn(client);
        must_say(clock_monotonic() < until, "no answer; got: %s",
                 client->got.data != NULL ? client->got.data : "nothing");
    }
    if (length == 0)
        return answer;
    must(sscanf(client->got.data, "HTTP/1.%*d %d", &answer.status) == 1);
    must(str_copy_n(answer.headers, sizeof(answer.headers), client->got.data, head));
    must(str_copy_n(answer.body, sizeof(answer.body), client->got.data + head, length - head));
    size_t left = client->got.length - length;
    memmove(client->got.data, client->got.data + length, left + 1);
    client->got.length = left;
    return answer;
}

void client_await_close(struct client *client)
{
    int64_t until = clock_monotonic() + 20 * CLOCK_SECOND;
    while (!client->closed) {
        client_turn(client);
        must_say(clock_monotonic() < until, "the connection was not closed");
    }
}

void client_close(struct client *client)
{
    SSL_free(client->ssl);
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    client->ssl = NULL;
    strbuf_free(&client->got);
}

const char *answer_header(const struct answer *answer, const char *name)
{
    static char value[512];
    char line[64];
    snprintf(line, sizeof(line), "\r\n%s: ", name);
    const char *at = strcasestr(answer->headers, line);
    if (at == NULL)
        return "";
    at += strlen(line);
    must(str_copy_n(value, sizeof(value), at, strcspn(at, "\r")));
    return value;
}

struct answer ask(const char *listener, const char *request)
{
    struct client client;
    client_open(&client, listener);
    client_say(&client, request);
    struct answer answer = client_answer(&client);
    client_close(&client);
    return answer;
}

struct answer post(const char *path, const char *headers, const char *body)
{
    struct strbuf text = {0};
    strbuf_add_format(&text,
                      "POST %s HTTP/1.1\r\nHost: gate.example\r\n%sContent-Length: %zu\r\n\r\n%s",
                      path, headers, strlen(body), body);
    struct answer answer = ask("web", text.data);
    strbuf_free(&text);
    return answer;
}

struct answer get(const char *path, const char *headers)
{
    struct strbuf text = {0};
    strbuf_add_format(&text, "GET %s HTTP/1.1\r\nHost: gate.example\r\n%s\r\n", path, headers);
    struct answer answer = ask("web", text.data);
    strbuf_free(&text);
    return answer;
}

const char *basic(const char *name, const char *password)
{
    static char out[1024];
    char plain[256];
    char coded[512];
    int length = snprintf(plain, sizeof(plain), "%s:%s", name, password);
    base64_encode((const uint8_t *)plain, (size_t)length, coded);
    snprintf(out, sizeof(out), "Authorization: Basic %s\r\n", coded);
    return out;
}
