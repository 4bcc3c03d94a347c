/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test_proxy_smpp_stage.h"

#include "base/file.h"
#include "base/workers.h"

#include <arpa/inet.h>
#include <crypt.h>
#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <ftw.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct stage stage;

/* ---- time ---- */

int64_t __real_clock_monotonic(void);
int64_t __wrap_clock_monotonic(void);

int64_t __wrap_clock_monotonic(void)
{
    return __real_clock_monotonic() + stage.time_ahead;
}

/* ---- the gate ---- */

static void copy_span(uint8_t *out, size_t room, struct smpp_span span)
{
    if (span.length > 0)
        memcpy(out, span.data, span.length < room ? span.length : room);
}

/* Only who is bound to send, or was when it began, hands in anything; within its window, and
 * nothing once the gate drains but the rest of a submit_multi. */
static void check_sender(const struct sms_submission *submission, struct ticket ticket)
{
    const struct smpp_session *session = esme_redeem(&stage.lane, ticket);
    const char *name = submission->account->name;
    must(session != NULL && !session->ended && session->account == submission->account);
    must(esme_is(session, ESME_SENDS | ESME_BIT(ESME_UNBINDING)));
    must(esme_is(session, ESME_SENDS) || session->multis != NULL);
    must(!stage.lane.draining || session->multis != NULL);
    must(session->open > 0);
    must(peers_count(stage.gate.peers, PEER_WINDOW, name, strlen(name)) <=
         submission->account->stream->window);
}

void sms_submit(struct lane *lane, const struct sms_submission *submission, sms_reply_fn *reply,
                void *owner, struct ticket ticket)
{
    const struct sms_raw *raw = submission->raw;
    must(lane == &stage.lane && raw != NULL && submission->text == NULL);
    must(submission->account != NULL && submission->session[0] != '\0');
    check_sender(submission, ticket);
    must_say(stage.n_staged < STAGE_HELD, "more submissions than the stage holds");
    struct staged *staged = &stage.staged[stage.n_staged++];
    memset(staged, 0, sizeof(*staged));
    staged->held = true;
    staged->reply = reply;
    staged->owner = owner;
    staged->ticket = ticket;
    str_copy(staged->account, sizeof(staged->account), submission->account->name);
    str_copy(staged->sender, sizeof(staged->sender), submission->sender);
    str_copy(staged->to, sizeof(staged->to), submission->to);
    staged->sender_ton = submission->sender_ton;
    staged->sender_npi = submission->sender_npi;
    staged->to_international = submission->to_international;
    staged->report = submission->report;
    staged->scheduled = submission->scheduled;
    staged->validity = submission->validity;
    staged->esm_class = raw->esm_class;
    staged->data_coding = raw->data_coding;
    staged->protocol_id = raw->protocol_id;
    staged->priority = raw->priority;
    staged->registered = raw->registered;
    staged->default_message = raw->default_message;
    str_copy(staged->service_type, sizeof(staged->service_type), raw->service_type);
    str_copy(staged->schedule, sizeof(staged->schedule), raw->schedule);
    str_copy(staged->period, sizeof(staged->period), raw->validity);
    staged->payload = raw->payload;
    staged->body_length = raw->body.length;
    staged->tlvs_length = raw->tlvs.length;
    copy_span(staged->body, sizeof(staged->body), raw->body);
    copy_span(staged->tlvs, sizeof(staged->tlvs), raw->tlvs);
    snprintf(staged->ref, sizeof(staged->ref), "01KB3ZQ5M8-%06u", ++stage.refs % 1000000);
    if (stage.at_once)
        stage_reply(stage.n_staged - 1, stage.end, stage.status);
}

void stage_reply(size_t i, enum sms_end end, uint32_t provider_status)
{
    must(i < stage.n_staged && stage.staged[i].held);
    struct staged *staged = &stage.staged[i];
    struct sms_reply reply = {.end = end,
                              .reason = REASON_UNABLE,
                              .ref = staged->ref,
                              .to = "",
                              .provider = "",
                              .provider_id = "",
                              .parts = 1,
                              .smpp_status = provider_status,
                              .text = ""};
    staged->held = false;
    staged->accepted = end == SMS_END_ACCEPTED;
    staged->reply(staged->owner, staged->ticket, &reply);
}

/* ---- passwords ---- */

bool __real_credentials_check(struct credentials *credentials, const struct peer_key *from,
                              const char *name, const char *hash, const char *password,
                              struct loop *home, credentials_fn *answer, void *owner,
                              struct ticket ticket);
bool __wrap_credentials_check(struct credentials *credentials, const struct peer_key *from,
                              const char *name, const char *hash, const char *password,
                              struct loop *home, credentials_fn *answer, void *owner,
                              struct ticket ticket);

static struct {
    bool waiting;
    bool matches;
    credentials_fn *answer;
    void *owner;
    struct ticket ticket;
} passwords;

bool __wrap_credentials_check(struct credentials *credentials, const struct peer_key *from,
                              const char *name, const char *hash, const char *password,
                              struct loop *home, credentials_fn *answer, void *owner,
                              struct ticket ticket)
{
    if (stage.no_helper)
        return false;
    if (!stage.hold_passwords)
        return __real_credentials_check(credentials, from, name, hash, password, home, answer,
                                        owner, ticket);
    if (passwords.waiting)
        return false;
    passwords.waiting = true;
    passwords.matches = hash != NULL && strcmp(password, "secret") == 0;
    passwords.answer = answer;
    passwords.owner = owner;
    passwords.ticket = ticket;
    return true;
}

bool stage_release_passwords(void)
{
    if (!passwords.waiting)
        return false;
    passwords.waiting = false;
    passwords.answer(passwords.owner, passwords.ticket, passwords.matches);
    return true;
}

void stage_settle_passwords(struct client *client)
{
    for (int i = 0; i < 5000 && !client->ended && client->session != NULL &&
                    client->session->state == ESME_AUTH_CHECK;
         i++) {
        stage_turn(client);
        usleep(1000);
    }
}

/* ---- deliveries ---- */

static void on_taken(void *owner, struct ticket ticket, enum sms_taken taken)
{
    (void)owner;
    (void)ticket;
    stage.taken += taken == SMS_TAKEN;
    stage.later += taken == SMS_TAKE_LATER;
}

void stage_deliver(const char *account, enum sms_inbound_kind kind, size_t length)
{
    struct sms_delivery what = {.kind = kind, .to_ton = SMPP_TON_ALPHANUMERIC};
    str_copy(what.from, sizeof(what.from), "33612345678");
    str_copy(what.to, sizeof(what.to), "ACME");
    if (kind == SMS_INBOUND_REPORT) {
        str_copy(what.receipt.id, sizeof(what.receipt.id), "01KB3ZQ5M8-7GQX3D");
        what.receipt.state = RECEIPT_DELIVERED;
        str_copy(what.receipt.error, sizeof(what.receipt.error), "000");
    } else {
        static const uint8_t vendor[] = {0x14, 0x01, 0x00, 0x02, 0xab, 0xcd};
        what.esm_class = 0x40;
        what.data_coding = 8;
        what.length = length;
        what.body = malloc(length + 1);
        what.tlvs = malloc(sizeof(vendor));
        must(what.body != NULL && what.tlvs != NULL);
        memset(what.body, 'x', length);
        memcpy(what.tlvs, vendor, sizeof(vendor));
        what.tlvs_length = sizeof(vendor);
    }
    binds_deliver(stage.gate.binds, account, &what, stage.loop, on_taken, NULL, (struct ticket){0});
}

/* ---- the world ---- */

static void write_file(const char *name, const char *text, size_t length)
{
    char path[512];
    struct error err = {0};
    snprintf(path, sizeof(path), "%s/%s", stage.folder, name);
    must_say(file_replace(path, 0600, text, length, &err) == RESULT_OK, "%s", err.text);
}

static void make_folder(const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", stage.folder, name);
    must(mkdir(path, 0700) == 0);
}

static void write_bio(const char *name, BIO *bio)
{
    char *data = NULL;
    long length = BIO_get_mem_data(bio, &data);
    write_file(name, data, (size_t)length);
    BIO_free(bio);
}

/* A certificate nobody signed but itself. */
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
    "hostname = \"gateway-with-a-long-name.example\"\n"
    "state_dir = \"state\"\n"
    "listeners: {\n"
    "  plain: { protocol = \"smpp\" bind = \"127.0.0.1:2775\" tls = \"none\""
    "           max_connections_per_address = 6 plain_passwords = true }\n"
    "  open: { protocol = \"smpp\" bind = \"127.0.0.1:2777\" tls = \"none\" }\n"
    "  wrapped: { protocol = \"smpp\" bind = \"127.0.0.1:2776\" tls = \"implicit\""
    "             certificate_file = \"tls.pem\" key_file = \"tls.key\" }\n"
    "}\n"
    "providers: { box: { adapter = \"capture\" directory = \"box\" } }\n"
    "partners: {\n"
    "  acme: { name = \"ACME\" max_connections = 4 streams: {\n"
    "    texts: { channel = \"sms\" providers = [ \"box\" ] senders = [ \"ACME\" ] window = 5\n"
    "      accounts: { acme-sms: { password = \"%s\" }\n"
    "                  acme-lan: { networks = [ \"192.0.2.10\" ] }\n"
    "                  acme-both: { password = \"%s\" networks = [ \"192.0.2.20\" ] } } }\n"
    "    news: { channel = \"email\" providers = [ \"box\" ] senders = [ \"acme.example\" ]\n"
    "      accounts: { acme-mail: { password = \"%s\" } } }\n"
    "  } }\n"
    "  beta: { name = \"BETA\" smpp_refusal = 11 streams: {\n"
    "    texts: { channel = \"sms\" providers = [ \"box\" ] senders = [ \"BETA\" ] window = 1000\n"
    "      class = \"service\"\n"
    "      accounts: { beta-lan: { networks = [ \"192.0.2.30\" ] } } } } }\n"
    "}\n";

static void print_problem(void *arg, const char *file, int line, const char *message)
{
    (void)arg;
    fprintf(stderr, "%s:%d: %s\n", file, line, message);
}

/* from NULL: as it is. */
static void replace_first(char *text, size_t size, const char *from, const char *to)
{
    char rest[8192];
    char *at = from != NULL ? strstr(text, from) : NULL;
    must_say(from == NULL || at != NULL, "the configuration has no %s", from);
    if (at == NULL)
        return;
    must(str_copy(rest, sizeof(rest), at + strlen(from)));
    int length = snprintf(at, size - (size_t)(at - text), "%s%s", to, rest);
    must(length >= 0 && (size_t)length < size - (size_t)(at - text));
}

static struct config *load_config(const char *from, const char *to)
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    struct crypt_data *scratch = calloc(1, sizeof(*scratch));
    char text[8192];
    char path[512];
    struct config *config = NULL;
    struct error err = {0};
    must(scratch != NULL &&
         crypt_gensalt_rn("$y$", 1, "0123456789abcdef", 16, setting, sizeof(setting)) != NULL);
    const char *hash = crypt_r("secret", setting, scratch);
    must(hash != NULL);
    must(snprintf(text, sizeof(text), config_text, hash, hash, hash) < (int)sizeof(text));
    free(scratch);
    replace_first(text, sizeof(text), from, to);
    write_file("octroi.conf", text, strlen(text));
    snprintf(path, sizeof(path), "%s/octroi.conf", stage.folder);
    enum result result = config_load(path, print_problem, NULL, &config, &err);
    must_say(result == RESULT_OK, "%s", err.text);
    return config;
}

static void stand_in_close(struct store *store)
{
    (void)store;
}

void stage_make(void)
{
    static const struct store_ops none = {.close = stand_in_close};
    static struct store store = {&none};
    static const uint8_t key[32] = {1};
    const char *base = getenv("TMPDIR");
    struct error err = {0};
    memset(&stage, 0, sizeof(stage));
    snprintf(stage.folder, sizeof(stage.folder), "%s/octroi-smpp-XXXXXX",
             base != NULL ? base : "/tmp");
    must(mkdtemp(stage.folder) != NULL);
    make_folder("state");
    make_folder("box");
    make_certificate();
    write_file("recipient.key", "", 0);
    struct config *config = load_config(NULL, NULL);
    must(loop_new(0, &stage.loop, &err) == RESULT_OK);
    must(workers_new(1, 16, &stage.workers, &err) == RESULT_OK);
    stage.gate.peers = peers_new();
    stage.gate.rates = rates_new();
    stage.gate.binds = binds_new();
    must(stage.gate.peers != NULL && stage.gate.rates != NULL && stage.gate.binds != NULL);
    must(guesses_new(&stage.gate.guesses, &err) == RESULT_OK);
    must(credentials_new(stage.workers, stage.gate.peers, stage.gate.guesses,
                         &stage.gate.credentials, &err) == RESULT_OK);
    must(lane_init(&stage.lane, &stage.gate, stage.loop, key, sizeof(key), &err) == RESULT_OK);
    stage.lane.store = &store; /* held and released while submissions are read, and asked nothing */
    enum result result = snapshot_new(config, NULL, &stage.loop, 1, &stage.lane.snapshot, &err);
    must_say(result == RESULT_OK, "%s", err.text);
}

void stage_reload(const char *from, const char *to)
{
    struct snapshot *next = NULL;
    struct error err = {0};
    enum result result =
        snapshot_new(load_config(from, to), stage.lane.snapshot, &stage.loop, 1, &next, &err);
    must_say(result == RESULT_OK, "%s", err.text);
    snapshot_unref(&stage.lane.snapshot);
    stage.lane.snapshot = next;
    smpp_adopt_all(&stage.lane);
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
    workers_free(&stage.workers);
    loop_turn(stage.loop);
    snapshot_unref(&stage.lane.snapshot);
    loop_turn(stage.loop);
    loop_free(&stage.loop);
    lane_end(&stage.lane);
    binds_free(&stage.gate.binds);
    credentials_free(&stage.gate.credentials);
    guesses_free(&stage.gate.guesses);
    peers_free(&stage.gate.peers);
    rates_free(&stage.gate.rates);
    must(nftw(stage.folder, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

void stage_reset(void)
{
    must(ticket_count(stage.lane.binds) == 0);
    stage.n_staged = stage.taken = stage.later = 0;
    stage.at_once = stage.hold_passwords = stage.no_helper = false;
    stage.lane.draining = false;
    stage.end = SMS_END_ACCEPTED;
    stage.status = 0;
    memset(&passwords, 0, sizeof(passwords));
    guesses_free(&stage.gate.guesses);
    must(guesses_new(&stage.gate.guesses, NULL) == RESULT_OK);
}

/* ---- clients ---- */

void client_connect(struct client *client, const char *listener, const char *peer)
{
    int pair[2];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(50000)};
    memset(client, 0, sizeof(*client));
    must(inet_pton(AF_INET, peer, &address.sin_addr) == 1);
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    const struct config *config = stage.lane.snapshot->config;
    size_t index = 0;
    while (index < config->n_listeners && strcmp(config->listeners[index].name, listener) != 0)
        index++;
    must_say(index < config->n_listeners, "no listener %s", listener);
    struct bufferevent *bev =
        bufferevent_socket_new(loop_base(stage.loop), pair[0], BEV_OPT_CLOSE_ON_FREE);
    must(bev != NULL);
    atomic_fetch_add(&stage.entrance.sessions, 1);
    atomic_fetch_add(&stage.gate.sessions, 1);
    client->session =
        smpp_serve(&stage.lane, &stage.entrance, index, bev, (const struct sockaddr *)&address);
    if (client->session != NULL)
        client->ticket = client->session->ticket;
    client->fd = pair[1];
}

static void read_all(struct client *client)
{
    char chunk[16384];
    while (client->fd >= 0 && !client->deaf && !client->ended) {
        ssize_t got = recv(client->fd, chunk, sizeof(chunk), 0);
        if (got < 0 && errno == EAGAIN)
            break;
        if (got <= 0)
            client->ended = true;
        else
            strbuf_add(&client->in, chunk, (size_t)got);
    }
    struct smpp_session *session = esme_redeem(&stage.lane, client->ticket);
    client->session = session != NULL && !session->ended ? session : NULL;
}

void stage_turn(struct client *client)
{
    for (int i = 0; i < 4; i++)
        loop_turn(stage.loop);
    if (client != NULL)
        read_all(client);
}

void client_send(struct client *client, const void *bytes, size_t length)
{
    for (size_t at = 0; at < length && client->fd >= 0;) {
        ssize_t sent = send(client->fd, (const char *)bytes + at, length - at, MSG_NOSIGNAL);
        if (sent > 0)
            at += (size_t)sent;
        else if (errno != EAGAIN)
            break; /* the gate has closed it */
        stage_turn(client);
        if (sent <= 0 && client->deaf)
            break;
    }
    stage_turn(client);
}

void client_close(struct client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    stage_turn(client);
    stage_turn(client);
}

void client_free(struct client *client)
{
    client_close(client);
    strbuf_free(&client->in);
}

const uint8_t *client_next(struct client *client, struct smpp_header *header_out)
{
    size_t left = client->in.length - client->at;
    if (left < SMPP_HEADER_BYTES)
        return NULL;
    const uint8_t *pdu = (const uint8_t *)client->in.data + client->at;
    smpp_header_read(pdu, header_out);
    must_say(header_out->length >= SMPP_HEADER_BYTES && header_out->length <= SMPP_PDU_MAX,
             "the gate said a PDU of %u bytes", header_out->length);
    if (left < header_out->length)
        return NULL;
    client->at += header_out->length;
    return pdu;
}

static void fire(void *object, void *arg)
{
    (void)arg;
    struct smpp_session *session = object;
    if (!session->ended)
        event_active(connection_deadline(session->connection)->timer, EV_TIMEOUT, 0);
}

void stage_advance(struct client *client, int64_t microseconds)
{
    stage.time_ahead += microseconds;
    ticket_each(stage.lane.binds, fire, NULL);
    stage_turn(client);
}
