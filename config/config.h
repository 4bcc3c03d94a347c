/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration: loaded from libconfig files, checked as a whole, then immutable and counted.
 * A running session keeps the snapshot it started with, of SMPP until it adopts the next; a reload
 * makes a new one.
 */
#ifndef OCTROI_CONFIG_CONFIG_H
#define OCTROI_CONFIG_CONFIG_H

#include "base/error.h"
#include "base/language.h"
#include "policy/partner.h"
#include "wire/sms_text.h"

#include <netinet/in.h>
#include <sys/socket.h>

enum protocol { PROTOCOL_SMTP, PROTOCOL_SMPP, PROTOCOL_HTTP };
enum tls_mode { TLS_NONE, TLS_OPTIONAL, TLS_REQUIRED, TLS_IMPLICIT };
enum adapter_kind { ADAPTER_SMTP, ADAPTER_ESMTP, ADAPTER_CAPTURE, ADAPTER_SMPP, ADAPTER_HTTP };
/* What an SMPP provider's binds are. */
enum smpp_bind_kind {
    SMPP_BINDS_TRANSCEIVER, /* each sends and receives */
    SMPP_BINDS_SEPARATE,    /* `connections` transmitters, and one receiver */
    SMPP_BINDS_TRANSMITTER, /* nothing is received */
};
/* How a text that takes several parts goes to an SMPP provider. */
enum long_messages { LONG_PAYLOAD, LONG_SEGMENTS };

/* Of an http listener. */
#define SERVICE_SMS         0x01u /* submissions and providers' webhooks */
#define SERVICE_API         0x02u /* the interface for programs */
#define SERVICE_UNSUBSCRIBE 0x04u /* one-click links and their pages */
#define SERVICE_METRICS     0x08u
#define SERVICE_CONSOLE     0x10u /* the compliance pages */

/* Bytes of public_url where links for recipients are made of it: a link and its brackets fit one
 * header line (998 bytes) whatever it is sealed about. */
#define LINK_URL_MAX 250

/* "name=value" */
struct setting {
    const char *name;
    const char *value; /* may be a secret: never shown */
};

struct network {
    uint8_t bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
    unsigned prefix;   /* over the 128 bits */
};

struct listener_config {
    const char *name;
    enum protocol protocol;
    const char *bind; /* as written: "127.0.0.1:2525", "[::1]:2525", "*:25" */
    /* Of "*" it is [::], and the socket is to take IPv4 too (IPV6_V6ONLY off). */
    struct sockaddr_storage address;
    socklen_t address_length;
    enum tls_mode tls;
    const char *certificate_file; /* NULL when tls is none */
    const char *key_file;
    uint64_t max_message_size; /* bytes, offered as SIZE */
    unsigned max_recipients;   /* a transaction; at least 100 */
    unsigned max_connections;  /* over all loops */
    /* Of one IPv4 address or IPv6 /64, over all loops and listeners; 0: no limit. */
    unsigned max_connections_per_address;
    int64_t idle_timeout;    /* microseconds: for a command, and for a block of content */
    int64_t login_timeout;   /* from the connection to being an account */
    uint64_t min_rate;       /* bytes a second content has to come at, on the whole; 0: any */
    struct network *trusted; /* balancers that are believed when they say who the client is */
    size_t n_trusted;
    bool proxy_protocol; /* each connection begins with a PROXY header */
    /* smpp and http */
    unsigned services;      /* http: SERVICE_ bits */
    uint64_t max_body_size; /* http: bytes of a request's body */
    int64_t enquire_every;  /* smpp: idle so long, the peer is asked whether it is there */
    int64_t reply_timeout;  /* smpp: for the partner's answers to what we ask or deliver */
    bool plain_passwords;   /* smpp: without TLS, too, also from elsewhere than this machine */
};

struct provider_config {
    const char *name;
    enum adapter_kind adapter;
    const char *host; /* smtp */
    uint16_t port;
    enum tls_mode tls;
    const char *tls_name;    /* the name to verify and to send as SNI; defaults to host */
    const char *tls_ca_file; /* NULL: the system's */
    bool tls_verify;         /* default true for required and implicit, false for optional */
    const char *username;    /* NULL: no AUTH */
    const char *password;    /* from password or password_file; wiped with the snapshot */
    const char *directory;   /* capture: the Maildir */
    /* smpp */
    const char *system_type; /* "" when not given */
    enum smpp_bind_kind binds;
    unsigned window;            /* requests unanswered, a connection */
    unsigned rate;              /* messages a second over all connections; 0: no limit */
    int64_t enquire_every;      /* microseconds: idle so long, it is asked whether it is there */
    enum sms_alphabet alphabet; /* what data_coding 0 means there */
    enum long_messages long_messages;
    /* http */
    const char *template_file; /* resolved: a path */
    const char *url;           /* what the template calls {url}; NULL: the template's own */
    struct setting *settings;  /* values for the template, secrets among them (wiped) */
    size_t n_settings;
    unsigned connections;    /* total over all loops */
    int64_t connect_timeout; /* microseconds */
    int64_t reply_timeout;
    int64_t final_timeout;
    int64_t idle_timeout; /* how long a warm connection is kept */
    /* Hex SHA-256 of all of the above: equal digests mean the provider need not be restarted. */
    char digest[65];
};

struct stream_config;

struct account_config {
    const char *name;
    const char *password; /* crypt(5) hash; NULL when the account has none */
    struct network *networks;
    size_t n_networks;
    const char *certificate_sha256; /* lower-case hex; NULL when none */
    /* For shapes whose signature needs the clear secret (OVHcloud's); NULL when none. */
    const char *application_key;
    const char *application_secret; /* wiped with the snapshot */
    const char *consumer_key;
    const char *report_url; /* where delivery reports and replies go (http); NULL: nowhere */
    const struct stream_config *stream;
};

struct stream_config {
    struct stream terms;                      /* what policy looks at */
    const struct provider_config **providers; /* in order of preference */
    size_t n_providers;
    unsigned rate;   /* messages a second; 0: no limit */
    unsigned window; /* sms: submissions of one account unanswered at a time */
    /* sms, by SMPP: the command_status of a block; of the partner. */
    uint32_t smpp_refusal;
    /* Of the partner, over all its streams, loops and listeners; 0: no limit. */
    unsigned partner_connections;
    unsigned index; /* unique in the snapshot, 0 … n_streams-1 */
};

/* How a partner learns whom a notice is about. */
enum notice_address {
    NOTICE_SEALED,     /* the address, sealed with a key that the partner has */
    NOTICE_IDENTIFIER, /* what the partner itself calls the person */
};
#define NOTICE_SECRET_LEAST 24 /* bytes, as Standard Webhooks has it */
#define NOTICE_SECRET_MOST  64
#define NOTICE_KEY_BYTES    32

/* How a partner is told of withdrawals and objections. */
struct notices_config {
    const struct partner *partner;
    const char *url;
    const char *tls_ca_file;            /* NULL: the system's */
    uint8_t secret[NOTICE_SECRET_MOST]; /* signs; wiped with the snapshot */
    size_t secret_length;
    enum notice_address address;
    uint8_t address_key[NOTICE_KEY_BYTES]; /* likewise wiped; of NOTICE_SEALED */
    int64_t overdue_after;                 /* microseconds */
};

/* What compliance is told by mail, and how (proxy/post/). */
struct alerts_config {
    const char **to; /* NULL: nobody is told anything */
    size_t n_to;
    const char *from;
    const struct provider_config *provider;
    enum language language;
    const char *timezone;
    int digest_minute;           /* after midnight there, 0 … 1439 */
    int64_t repeat_after;        /* microseconds, as the next two */
    int64_t provider_down_after; /* out of service so long, it is worth a mail */
    int64_t verify_every;        /* the journal */
    unsigned mails_an_hour;
};

/* How long somebody is signed in to the console, and who may say who it is. */
struct console_config {
    int64_t session_idle; /* microseconds without a request; then one signs in again */
    int64_t session_most; /* … after signing in, whatever comes */
    /* The field in which a listener's trusted balancer names who is signed in; "": none does. */
    const char *identity_header;
};

struct journal_config {
    uint64_t segment_size;    /* bytes */
    int64_t checkpoint_every; /* microseconds */
};

/* How long is kept; what is past it, `octroi purge` erases (policy/retention.h, journal_purge.h).
 */
struct retention_config {
    struct duration consent;    /* after the person's last own act: then her consents have ended */
    struct duration proof;      /* of an ended consent, after its end */
    struct duration opposition; /* objections and withdrawals; three years or more */
    struct duration journal;
    struct duration observe_detail; /* what observe mode let through; then totals remain */
};

struct config {
    const char *file;   /* the main file */
    const char **files; /* all that were read, the main file first */
    size_t n_files;
    const char *hostname;
    const char *public_url; /* "" when not given */
    /* Who answers to people for their data, and where they write to: "" when not given. */
    const char *controller_name;
    const char *controller_contact;
    const char *state_dir; /* absolute or relative to the working directory, resolved */
    const char *registry;  /* "sqlite" */
    const char *region;
    const char *recipient_key_file; /* the HMAC key: 64 hex digits; default keys/recipient.key
                                       beside file */
    const char
        *journal_key_file; /* Ed25519 private key, PEM; default keys/journal.key beside file */
    /* Keys that seal addresses (base/seal.h); default keys/seal.key beside file. It need not be
     * there unless config_needs_seal. */
    const char *seal_key_file;
    int64_t drain_timeout; /* microseconds; how long an end waits for what runs */
    unsigned threads;      /* loops; 0 in the file means the cores, resolved here */
    struct journal_config journal;
    struct listener_config *listeners;
    size_t n_listeners;
    struct provider_config *providers;
    size_t n_providers;
    struct partner *partners;
    size_t n_partners;
    struct notices_config *notices; /* of the partners that have any */
    size_t n_notices;
    struct stream_config *streams;
    size_t n_streams;
    struct account_config *accounts; /* sorted by name */
    size_t n_accounts;
    const struct account_config **applications; /* those with an application key, sorted by it */
    size_t n_applications;
    struct channel_policy policies[CHANNEL_COUNT];
    struct retention_config retention;
    struct alerts_config alerts;
    struct console_config console;
    char sha256[65];  /* over all files read, in the order read; for the journal */
    char version[13]; /* its first 12 hex digits, for `status` */
};

/* One finding of the configuration, in the order of the files and lines. */
typedef void config_problem_fn(void *arg, const char *file, int line, const char *message);

/* Loads path and what it includes. On success *config_out is a snapshot with one reference. Else
 * every problem found was reported (of syntax the first, of meaning all) and err says how many;
 * when path itself cannot be read there is no problem to report, and err says why. */
enum result config_load(const char *path, config_problem_fn *on_problem, void *arg,
                        struct config **config_out, struct error *err);
/* For commands that must work while the file has mistakes, such as the immediate stop: as
 * config_load, but mistakes of meaning outside state_dir, region and the key files do not matter.
 * They are counted in *problems_out and not reported; what they concern is missing or zero in the
 * snapshot, so nothing but those keys and the partners' ids may be relied on. */
enum result config_load_essentials(const char *path, config_problem_fn *on_problem, void *arg,
                                   struct config **config_out, size_t *problems_out,
                                   struct error *err);
/* Any thread. */
struct config *config_ref(struct config *config);
void config_unref(struct config **config);

const struct account_config *config_account(const struct config *config, const char *name);
/* The account of an application key; NULL when there is none. */
const struct account_config *config_account_by_application_key(const struct config *config,
                                                               const char *key);
const struct provider_config *config_provider(const struct config *config, const char *name);
/* The listener of a bind, which is its identity over reloads; NULL when there is none. */
const struct listener_config *config_listener(const struct config *config, const char *bind_text);
const struct partner *config_partner(const struct config *config, const char *id);
/* id: "PARTNER/STREAM" */
bool config_has_stream(const struct config *config, const char *id);
/* NULL: this partner cannot be told of anything. */
const struct notices_config *config_notices(const struct config *config, const char *partner);
/* The account without a password or application key whose conditions this client meets: networks,
 * certificate, or both; NULL when there is none. fingerprint: lower-case hex, NULL when none was
 * presented. */
const struct account_config *config_account_of_peer(const struct config *config,
                                                    const struct sockaddr *peer,
                                                    const char *fingerprint);
/* Whether something asks for the seal's key file, and the key of the first that does:
 * "partners.acme.streams.news.unsubscribe". */
bool config_needs_seal(const struct config *config, char *key_out, size_t size);
/* As in the file: "smtp". */
const char *config_protocol_name(enum protocol protocol);
const char *config_adapter_name(enum adapter_kind adapter);
/* Whether the client has to say who it is: by password or application key. */
bool account_logs_in(const struct account_config *account);
/* Whether the peer is one of the listener's trusted balancers. */
bool listener_trusts(const struct listener_config *listener, const struct sockaddr *peer);
/* Whether the peer meets the account's network and certificate conditions, its password and its
 * application key aside. */
bool account_admits(const struct account_config *account, const struct sockaddr *peer,
                    const char *fingerprint);

/* Every key the configuration knows, as "listeners.*.bind": for the documentation scan. */
const char *const *config_known_keys(size_t *count_out);

#endif
