/* SPDX-License-Identifier: Apache-2.0 */
/* The table of all keys. docs/man/octroi.conf.5 describes each: tests/scan/docs.sh sees to it. */
#include "config/schema_table.h"

#define KB INT64_C(1024)
#define MB (1024 * KB)
#define GB (1024 * MB)

#define MILLISECOND (CLOCK_SECOND / 1000)
/* The bounds of every timeout: shorter is a slip, longer holds a descriptor for nothing. */
#define TIMEOUT MILLISECOND, CLOCK_DAY

#define NAME_TEXT 1, 256
#define PATH_TEXT 1, 4095
#define URL_TEXT  1, 1024
#define KEY_TEXT  1, 128

static const struct word registries[] = {{"sqlite", 0}, {NULL, 0}};
static const struct word protocols[] = {
    {"smtp", PROTOCOL_SMTP}, {"smpp", PROTOCOL_SMPP}, {"http", PROTOCOL_HTTP}, {NULL, 0}};
static const struct word services[] = {{"sms", SERVICE_SMS},
                                       {"api", SERVICE_API},
                                       {"unsubscribe", SERVICE_UNSUBSCRIBE},
                                       {"metrics", SERVICE_METRICS},
                                       {"console", SERVICE_CONSOLE},
                                       {NULL, 0}};
static const struct word tls_modes[] = {{"none", TLS_NONE},
                                        {"optional", TLS_OPTIONAL},
                                        {"required", TLS_REQUIRED},
                                        {"implicit", TLS_IMPLICIT},
                                        {NULL, 0}};
static const struct word proxy_protocols[] = {{"off", 0}, {"required", 1}, {NULL, 0}};
static const struct word adapters[] = {{"smtp", ADAPTER_SMTP},       {"esmtp", ADAPTER_ESMTP},
                                       {"capture", ADAPTER_CAPTURE}, {"smpp", ADAPTER_SMPP},
                                       {"http", ADAPTER_HTTP},       {NULL, 0}};
static const struct word smpp_binds[] = {{"transceiver", SMPP_BINDS_TRANSCEIVER},
                                         {"separate", SMPP_BINDS_SEPARATE},
                                         {"transmitter", SMPP_BINDS_TRANSMITTER},
                                         {NULL, 0}};
static const struct word alphabets[] = {
    {"gsm", SMS_ALPHABET_GSM}, {"latin1", SMS_ALPHABET_LATIN1}, {NULL, 0}};
static const struct word long_words[] = {
    {"payload", LONG_PAYLOAD}, {"segments", LONG_SEGMENTS}, {NULL, 0}};
static const struct word modes[] = {
    {"enforce", MODE_ENFORCE}, {"observe", MODE_OBSERVE}, {"discard", MODE_DISCARD}, {NULL, 0}};
static const struct word channels[] = {{"email", CHANNEL_EMAIL}, {"sms", CHANNEL_SMS}, {NULL, 0}};
static const struct word classes[] = {
    {"prospecting", CLASS_PROSPECTING}, {"service", CLASS_SERVICE}, {NULL, 0}};
static const struct word notice_addresses[] = {
    {"sealed", NOTICE_SEALED}, {"identifier", NOTICE_IDENTIFIER}, {NULL, 0}};
static const struct word unsubscribes[] = {{"off", UNSUBSCRIBE_OFF},
                                           {"require", UNSUBSCRIBE_REQUIRE},
                                           {"add", UNSUBSCRIBE_ADD},
                                           {NULL, 0}};
static const struct word existings[] = {
    {"refuse", EXISTING_REFUSE}, {"leave", EXISTING_LEAVE}, {NULL, 0}};
static const struct word bases[] = {{"consent", BASIS_CONSENT},
                                    {"soft-opt-in", BASIS_SOFT_OPT_IN},
                                    {"professional", BASIS_PROFESSIONAL},
                                    {"informed", BASIS_INFORMED},
                                    {NULL, 0}};
static const struct word namings[] = {
    {"named", NAMING_NAMED}, {"category", NAMING_CATEGORY}, {NULL, 0}};
static const struct word added_laters[] = {
    {"block", ADDED_LATER_BLOCK}, {"pass", ADDED_LATER_PASS}, {NULL, 0}};
static const struct word timezones[] = {{"Europe/Paris", 0}, {"UTC", 0}, {NULL, 0}};
static const struct word languages[] = {{"en", LANGUAGE_EN}, {"fr", LANGUAGE_FR}, {NULL, 0}};
static const struct word calendars[] = {{"", 0}, {"FR", 0}, {NULL, 0}};
static const struct word stop_mentions[] = {{"off", 0}, {"require", 1}, {NULL, 0}};

/* A policy key without a fallback here takes the channel's own default (channel_policy_default).
 * Where a default depends on the protocol or adapter, the one here is SMTP's, and the builder of
 * the other puts its own in place. */
const struct schema_key schema_table[] = {
    {"include", KIND_TEXTS, false, NULL, 0, 1000, NULL},
    {"hostname", KIND_TEXT, true, NULL, 1, 253, NULL},
    {"public_url", KIND_TEXT, false, "", 0, 1024, NULL},
    {"state_dir", KIND_TEXT, true, NULL, PATH_TEXT, NULL},
    {"registry", KIND_CHOICE, false, "sqlite", 0, 0, registries},
    {"region", KIND_TEXT, false, "FR", 1, 16, NULL},
    {"threads", KIND_NUMBER, false, "0", 0, 64, NULL},
    {"drain_timeout", KIND_TIME, false, "30 s", 100 * MILLISECOND, CLOCK_DAY, NULL},
    {"recipient_key_file", KIND_TEXT, false, "keys/recipient.key", PATH_TEXT, NULL},
    {"journal_key_file", KIND_TEXT, false, "keys/journal.key", PATH_TEXT, NULL},
    {"seal_key_file", KIND_TEXT, false, "keys/seal.key", PATH_TEXT, NULL},
    {"controller.name", KIND_TEXT, false, "", 0, 256, NULL},
    {"controller.contact", KIND_TEXT, false, "", 0, 1024, NULL},
    {"journal.segment_size", KIND_SIZE, false, "64 MB", 64 * KB, 4 * GB, NULL},
    {"journal.checkpoint_every", KIND_TIME, false, "60 s", 100 * MILLISECOND, CLOCK_DAY, NULL},

    {"retention.consent", KIND_PERIOD, false, "3 years", 0, 0, NULL},
    {"retention.proof", KIND_PERIOD, false, "5 years", 0, 0, NULL},
    {"retention.opposition", KIND_PERIOD, false, "3 years", 0, 0, NULL},
    {"retention.journal", KIND_PERIOD, false, "12 months", 0, 0, NULL},
    {"retention.observe_detail", KIND_PERIOD, false, "30 days", 0, 0, NULL},

    {"alerts.to", KIND_TEXTS, false, NULL, 1, 20, NULL},
    {"alerts.from", KIND_TEXT, false, NULL, NAME_TEXT, NULL},
    {"alerts.provider", KIND_TEXT, false, NULL, 1, NAME_BYTES_MAX, NULL},
    {"alerts.language", KIND_CHOICE, false, "fr", 0, 0, languages},
    {"alerts.timezone", KIND_CHOICE, false, "Europe/Paris", 0, 0, timezones},
    {"alerts.digest_at", KIND_TEXT, false, "07:30", 1, 16, NULL},
    {"alerts.repeat_after", KIND_TIME, false, "1 day", CLOCK_SECOND, 365 * CLOCK_DAY, NULL},
    {"alerts.provider_down_after", KIND_TIME, false, "5 min", CLOCK_SECOND, CLOCK_DAY, NULL},
    {"alerts.verify_every", KIND_TIME, false, "1 h", CLOCK_SECOND, CLOCK_DAY, NULL},
    {"alerts.mails_an_hour", KIND_NUMBER, false, "12", 1, 1000, NULL},

    {"console.session_idle", KIND_TIME, false, "30 min", CLOCK_SECOND, CLOCK_DAY, NULL},
    {"console.session_most", KIND_TIME, false, "12 h", CLOCK_SECOND, 7 * CLOCK_DAY, NULL},
    {"console.identity_header", KIND_TEXT, false, "", 0, 64, NULL},

    {"listeners.*.protocol", KIND_CHOICE, false, "smtp", 0, 0, protocols},
    {"listeners.*.bind", KIND_TEXT, true, NULL, NAME_TEXT, NULL},
    {"listeners.*.tls", KIND_CHOICE, false, "required", 0, 0, tls_modes},
    {"listeners.*.certificate_file", KIND_TEXT, false, NULL, PATH_TEXT, NULL},
    {"listeners.*.key_file", KIND_TEXT, false, NULL, PATH_TEXT, NULL},
    {"listeners.*.max_message_size", KIND_SIZE, false, "150 MB", 64 * KB, 4 * GB, NULL},
    {"listeners.*.max_recipients", KIND_NUMBER, false, "1000", 100, 50000, NULL},
    {"listeners.*.max_connections", KIND_NUMBER, false, "20000", 1, 1000000, NULL},
    {"listeners.*.max_connections_per_address", KIND_NUMBER, false, "2000", 0, 1000000, NULL},
    {"listeners.*.idle_timeout", KIND_TIME, false, "5 min", TIMEOUT, NULL},
    {"listeners.*.login_timeout", KIND_TIME, false, "60 s", TIMEOUT, NULL},
    {"listeners.*.min_rate", KIND_SIZE, false, "1 kB", 0, MB, NULL},
    {"listeners.*.trusted", KIND_TEXTS, false, NULL, 0, 1000, NULL},
    {"listeners.*.proxy_protocol", KIND_CHOICE, false, "off", 0, 0, proxy_protocols},
    {"listeners.*.services", KIND_CHOICES, false, NULL, 1, 8, services},
    {"listeners.*.max_body_size", KIND_SIZE, false, "256 kB", KB, 16 * MB, NULL},
    {"listeners.*.enquire_every", KIND_TIME, false, "30 s", TIMEOUT, NULL},
    {"listeners.*.plain_passwords", KIND_BOOLEAN, false, "false", 0, 1, NULL},
    {"listeners.*.reply_timeout", KIND_TIME, false, "60 s", TIMEOUT, NULL},

    {"providers.*.adapter", KIND_CHOICE, true, NULL, 0, 0, adapters},
    {"providers.*.host", KIND_TEXT, false, NULL, NAME_TEXT, NULL},
    {"providers.*.port", KIND_NUMBER, false, "25", 1, 65535, NULL},
    {"providers.*.tls", KIND_CHOICE, false, "required", 0, 0, tls_modes},
    {"providers.*.tls_name", KIND_TEXT, false, NULL, NAME_TEXT, NULL},
    {"providers.*.tls_ca_file", KIND_TEXT, false, NULL, PATH_TEXT, NULL},
    {"providers.*.tls_verify", KIND_BOOLEAN, false, NULL, 0, 1, NULL},
    {"providers.*.username", KIND_TEXT, false, NULL, 1, 512, NULL},
    {"providers.*.password", KIND_SECRET, false, NULL, 1, 4096, NULL},
    {"providers.*.password_file", KIND_TEXT, false, NULL, PATH_TEXT, NULL},
    {"providers.*.directory", KIND_TEXT, false, NULL, PATH_TEXT, NULL},
    {"providers.*.connections", KIND_NUMBER, false, "32", 1, 10000, NULL},
    {"providers.*.connect_timeout", KIND_TIME, false, "10 s", TIMEOUT, NULL},
    {"providers.*.reply_timeout", KIND_TIME, false, "5 min", TIMEOUT, NULL},
    {"providers.*.final_timeout", KIND_TIME, false, "10 min", TIMEOUT, NULL},
    {"providers.*.idle_timeout", KIND_TIME, false, "60 s", TIMEOUT, NULL},
    {"providers.*.system_id", KIND_TEXT, false, NULL, 1, SMPP_SYSTEM_ID_LENGTH, NULL},
    {"providers.*.system_type", KIND_TEXT, false, "", 0, SMPP_SYSTEM_TYPE_LENGTH, NULL},
    {"providers.*.binds", KIND_CHOICE, false, "transceiver", 0, 0, smpp_binds},
    {"providers.*.window", KIND_NUMBER, false, "10", 1, 10000, NULL},
    {"providers.*.rate", KIND_NUMBER, false, "0", 0, 1000000, NULL},
    {"providers.*.enquire_every", KIND_TIME, false, "30 s", TIMEOUT, NULL},
    {"providers.*.alphabet", KIND_CHOICE, false, "gsm", 0, 0, alphabets},
    {"providers.*.long_messages", KIND_CHOICE, false, "payload", 0, 0, long_words},
    {"providers.*.template", KIND_TEXT, false, NULL, PATH_TEXT, NULL},
    {"providers.*.url", KIND_TEXT, false, NULL, URL_TEXT, NULL},
    {"providers.*.settings", KIND_TEXTS, false, NULL, 0, 100, NULL},
    {"providers.*.secret_files", KIND_TEXTS, false, NULL, 0, 100, NULL},

    {"partners.*.name", KIND_TEXT, true, NULL, NAME_TEXT, NULL},
    {"partners.*.siren", KIND_TEXT, false, "", 0, 32, NULL},
    {"partners.*.categories", KIND_TEXTS, false, NULL, 0, 100, NULL},
    {"partners.*.mode", KIND_CHOICE, false, "enforce", 0, 0, modes},
    {"partners.*.max_connections", KIND_NUMBER, false, "0", 0, 1000000, NULL},
    {"partners.*.smpp_refusal", KIND_NUMBER, false, "69", 1, 255, NULL}, /* 0x45 */
    {"partners.*.notices.url", KIND_TEXT, true, NULL, URL_TEXT, NULL},
    {"partners.*.notices.tls_ca_file", KIND_TEXT, false, NULL, PATH_TEXT, NULL},
    {"partners.*.notices.secret", KIND_SECRET, false, NULL, KEY_TEXT, NULL},
    {"partners.*.notices.secret_file", KIND_TEXT, false, NULL, PATH_TEXT, NULL},
    {"partners.*.notices.address", KIND_CHOICE, true, NULL, 0, 0, notice_addresses},
    {"partners.*.notices.address_key", KIND_SECRET, false, NULL, KEY_TEXT, NULL},
    {"partners.*.notices.address_key_file", KIND_TEXT, false, NULL, PATH_TEXT, NULL},
    {"partners.*.notices.overdue_after", KIND_TIME, false, "3 days", CLOCK_SECOND, 365 * CLOCK_DAY,
     NULL},
    {"partners.*.streams.*.channel", KIND_CHOICE, true, NULL, 0, 0, channels},
    {"partners.*.streams.*.class", KIND_CHOICE, false, "prospecting", 0, 0, classes},
    {"partners.*.streams.*.providers", KIND_TEXTS, true, NULL, 1, 16, NULL},
    {"partners.*.streams.*.senders", KIND_TEXTS, true, NULL, 1, 1000, NULL},
    {"partners.*.streams.*.sector", KIND_TEXT, false, "", 0, NAME_BYTES_MAX, NULL},
    {"partners.*.streams.*.unsubscribe", KIND_CHOICE, false, "off", 0, 0, unsubscribes},
    {"partners.*.streams.*.unsubscribe_existing", KIND_CHOICE, false, "refuse", 0, 0, existings},
    {"partners.*.streams.*.rate", KIND_NUMBER, false, "0", 0, 1000000, NULL},
    {"partners.*.streams.*.window", KIND_NUMBER, false, "100", 1, 10000, NULL},
    {"partners.*.streams.*.accounts.*.password", KIND_SECRET, false, NULL, 1, 512, NULL},
    {"partners.*.streams.*.accounts.*.networks", KIND_TEXTS, false, NULL, 1, 1000, NULL},
    {"partners.*.streams.*.accounts.*.certificate_sha256", KIND_TEXT, false, NULL, 1, 95, NULL},
    {"partners.*.streams.*.accounts.*.application_key", KIND_TEXT, false, NULL, KEY_TEXT, NULL},
    {"partners.*.streams.*.accounts.*.application_secret", KIND_SECRET, false, NULL, KEY_TEXT,
     NULL},
    {"partners.*.streams.*.accounts.*.application_secret_file", KIND_TEXT, false, NULL, PATH_TEXT,
     NULL},
    {"partners.*.streams.*.accounts.*.consumer_key", KIND_SECRET, false, NULL, KEY_TEXT, NULL},
    {"partners.*.streams.*.accounts.*.report_url", KIND_TEXT, false, NULL, URL_TEXT, NULL},

    {"policies.*.accept", KIND_CHOICES, false, NULL, 1, BASIS_COUNT, bases},
    {"policies.*.partner_naming", KIND_CHOICE, false, NULL, 0, 0, namings},
    {"policies.*.partner_added_later", KIND_CHOICE, false, NULL, 0, 0, added_laters},
    {"policies.*.stale_after", KIND_PERIOD, false, NULL, 0, 0, NULL},
    {"policies.*.banned_sectors", KIND_TEXTS, false, NULL, 0, 100, NULL},
    {"policies.*.hours", KIND_TEXTS, false, NULL, 0, 24, NULL},
    {"policies.*.days", KIND_TEXT, false, NULL, 1, 64, NULL},
    {"policies.*.holidays", KIND_CHOICE, false, NULL, 0, 0, calendars},
    {"policies.*.timezone", KIND_CHOICE, false, NULL, 0, 0, timezones},
    {"policies.*.stop_mention", KIND_CHOICE, false, NULL, 0, 0, stop_mentions},
};

const size_t schema_table_size = sizeof(schema_table) / sizeof(schema_table[0]);

const char *const *config_known_keys(size_t *count_out)
{
    /* One array for the life of the program, filled from constants: writing it twice is harmless,
     * and the only caller is the documentation scan. */
    static const char *paths[sizeof(schema_table) / sizeof(schema_table[0])];
    for (size_t i = 0; i < schema_table_size; i++)
        paths[i] = schema_table[i].path;
    *count_out = schema_table_size;
    return paths;
}
