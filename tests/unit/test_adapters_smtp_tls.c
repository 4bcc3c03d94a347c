/* SPDX-License-Identifier: Apache-2.0 */
/* TLS and AUTH with a provider, and all that can go wrong in either. */
#include "tests/unit/test_adapters_smtp_parts.h"
#include "tests/unit/test_adapters_stage.h"

#include <string.h>

#define TLS_OFFER ">220 hi", "<EHLO", ">250-fake\r\n250-PIPELINING\r\n250 STARTTLS"
#define AFTER_TLS "<EHLO", ">250 fake", MAIL, RCPT, DATA, ".", ">250 ok", "<QUIT"
#define AUTH_FAULT(name, ...)                                                          \
    {                                                                                  \
        name, TLS_NONE, false, false, NULL, true, "failed unsaid",                     \
        {                                                                              \
            ">220 hi", "<EHLO", ">250-x\r\n250 AUTH PLAIN", "<AUTH PLAIN", __VA_ARGS__ \
        }                                                                              \
    }
#define STARTTLS_FAULT(name, ...)                                                 \
    {                                                                             \
        name, TLS_REQUIRED, true, true, "mx.example.org", false, "failed unsaid", \
        {                                                                         \
            TLS_OFFER, "<STARTTLS", __VA_ARGS__                                   \
        }                                                                         \
    }
#define PLAIN_AUTH "AUTH PLAIN AHVzZXIAcGFzcw==\r\n" /* NUL user NUL pass */

static const struct {
    const char *name;
    enum tls_mode tls;
    bool verify;
    bool trusted;
    const char *tls_name;
    bool auth;
    const char *told;
    const char *script[STEPS];
} secured[] = {
    {"STARTTLS",
     TLS_REQUIRED,
     true,
     true,
     "mx.example.org",
     false,
     "250 accepted 250",
     {TLS_OFFER, "<STARTTLS", ">220 go", "T", AFTER_TLS}},
    {"implicit",
     TLS_IMPLICIT,
     true,
     true,
     "mx.example.org",
     false,
     "250 accepted 250",
     {"T", ">220 hi", AFTER_TLS}},
    {"optional, unverified",
     TLS_OPTIONAL,
     false,
     false,
     NULL,
     false,
     "250 accepted 250",
     {TLS_OFFER, "<STARTTLS", ">220 go", "T", AFTER_TLS}},
    {"optional, not offered",
     TLS_OPTIONAL,
     false,
     false,
     NULL,
     false,
     "250 accepted 250",
     {">220 hi", AFTER_TLS}},
    {"optional, refused",
     TLS_OPTIONAL,
     false,
     false,
     NULL,
     false,
     "250 accepted 250",
     {TLS_OFFER, "<STARTTLS", ">454 not now", MAIL, RCPT, DATA, ".", ">250 ok", "<QUIT"}},
    {"required, not offered",
     TLS_REQUIRED,
     true,
     true,
     "mx.example.org",
     false,
     "failed unsaid",
     {HELLO, "W"}},
    {"required, refused",
     TLS_REQUIRED,
     true,
     true,
     "mx.example.org",
     false,
     "failed unsaid",
     {TLS_OFFER, "<STARTTLS", ">454 not now", "W"}},
    {"slipped in before the handshake",
     TLS_REQUIRED,
     true,
     true,
     "mx.example.org",
     false,
     "failed unsaid",
     {TLS_OFFER, "<STARTTLS", ">220 go\r\n250 injected", "T", AFTER_TLS}},
    {"wrong name",
     TLS_REQUIRED,
     true,
     true,
     "other.example.org",
     false,
     "failed unsaid",
     {TLS_OFFER, "<STARTTLS", ">220 go", "T"}},
    {"wrong name, implicit",
     TLS_IMPLICIT,
     true,
     true,
     "other.example.org",
     false,
     "failed unsaid",
     {"T"}},
    {"untrusted",
     TLS_REQUIRED,
     true,
     false,
     "mx.example.org",
     false,
     "failed unsaid",
     {TLS_OFFER, "<STARTTLS", ">220 go", "T"}},
    {"no TLS at all",
     TLS_IMPLICIT,
     true,
     true,
     "mx.example.org",
     false,
     "failed unsaid",
     {">220 hi", "W"}},
    {"EOF in the handshake",
     TLS_REQUIRED,
     true,
     true,
     "mx.example.org",
     false,
     "failed unsaid",
     {TLS_OFFER, "<STARTTLS", ">220 go"}},
    {"AUTH PLAIN",
     TLS_NONE,
     false,
     false,
     NULL,
     true,
     "250 accepted 250",
     {">220 hi", "<EHLO", ">250-x\r\n250 AUTH LOGIN PLAIN", "<" PLAIN_AUTH, ">235 ok", MAIL, RCPT,
      DATA, ".", ">250 ok", "<QUIT"}},
    {"AUTH LOGIN",
     TLS_NONE,
     false,
     false,
     NULL,
     true,
     "250 accepted 250",
     {">220 hi", "<EHLO", ">250-x\r\n250 AUTH LOGIN", "<AUTH LOGIN\r\n", ">334 VXNlcm5hbWU6",
      "<dXNlcg==\r\n", ">334 UGFzc3dvcmQ6", "<cGFzcw==\r\n", ">235 ok", MAIL, RCPT, DATA, ".",
      ">250 ok", "<QUIT"}},
    {"AUTH under TLS",
     TLS_REQUIRED,
     true,
     true,
     "mx.example.org",
     true,
     "250 accepted 250",
     {TLS_OFFER, "<STARTTLS", ">220 go", "T", "<EHLO", ">250-x\r\n250 AUTH PLAIN", "<" PLAIN_AUTH,
      ">235 ok", MAIL, RCPT, DATA, ".", ">250 ok", "<QUIT"}},
    {"AUTH offered in clear only",
     TLS_REQUIRED,
     true,
     true,
     "mx.example.org",
     true,
     "failed unsaid",
     {">220 hi", "<EHLO", ">250-AUTH PLAIN\r\n250-AUTH PLAIN\r\n250 STARTTLS", "<STARTTLS",
      ">220 go", "T", "<EHLO", ">250 x"}},
    {"AUTH refused",
     TLS_NONE,
     false,
     false,
     NULL,
     true,
     "failed unsaid",
     {">220 hi", "<EHLO", ">250-x\r\n250 AUTH PLAIN", "<AUTH PLAIN", ">535 no", "W"}},
    {"AUTH LOGIN refused",
     TLS_NONE,
     false,
     false,
     NULL,
     true,
     "failed unsaid",
     {">220 hi", "<EHLO", ">250-x\r\n250 AUTH LOGIN", "<AUTH LOGIN", ">334 ", "<dX", ">535 no",
      "W"}},
    {"AUTH LOGIN granted too early",
     TLS_NONE,
     false,
     false,
     NULL,
     true,
     "failed unsaid",
     {">220 hi", "<EHLO", ">250-x\r\n250 AUTH LOGIN", "<AUTH LOGIN", ">235 ok", "W"}},
    {"AUTH not offered", TLS_NONE, false, false, NULL, true, "failed unsaid", {HELLO, "W"}},
    {"no answer to AUTH",
     TLS_NONE,
     false,
     false,
     NULL,
     true,
     "failed unsaid",
     {">220 hi", "<EHLO", ">250-x\r\n250 AUTH PLAIN", "<AUTH PLAIN", "W"}},
    {"no handshake", TLS_IMPLICIT, true, true, "mx.example.org", false, "failed unsaid", {"W"}},
    AUTH_FAULT("EOF after AUTH", NULL),
    AUTH_FAULT("EOF within the answer to AUTH", "=23"),
    AUTH_FAULT("too long an answer to AUTH", ">235 " LONG, "W"),
    AUTH_FAULT("garbage to AUTH", ">?", "W"),
    STARTTLS_FAULT("EOF after STARTTLS", NULL),
    STARTTLS_FAULT("EOF within the answer to STARTTLS", "=22"),
    STARTTLS_FAULT("too long an answer to STARTTLS", ">220 " LONG, "W"),
    STARTTLS_FAULT("garbage to STARTTLS", ">?", "W"),
    STARTTLS_FAULT("no more than half a handshake", ">220 go", "=\x16\x03\x03", "W"),
    STARTTLS_FAULT("too much instead of a handshake", ">220 go", ">" LONG, "W"),
    {"no answer to STARTTLS",
     TLS_REQUIRED,
     true,
     true,
     "mx.example.org",
     false,
     "failed unsaid",
     {TLS_OFFER, "<STARTTLS", "W"}},
};

START_TEST(tls_and_auth)
{
    struct stage stage;
    struct session session = {.recipients = 1};
    const char *const *const scripts[] = {secured[_i].script, NULL};
    char certificate[160];
    stage_begin(&stage);
    stage_path(&stage, "cert.pem", certificate);
    stage.provider_config.tls = secured[_i].tls;
    stage.provider_config.tls_verify = secured[_i].verify;
    stage.provider_config.tls_name = secured[_i].tls_name;
    stage.provider_config.tls_ca_file = secured[_i].trusted ? certificate : NULL;
    if (secured[_i].auth) {
        stage.provider_config.username = "user";
        stage.provider_config.password = "pass";
    }
    if (strstr(secured[_i].name, "no ") != NULL)
        stage_be_impatient(&stage);
    stage_serve(&stage, scripts);
    session_run(&session, &stage);
    struct provider_state state;
    provider_state(stage.provider, &state);
    ck_assert_msg(strcmp(session.log, secured[_i].told) == 0, "%s: told \"%s\" (%s)",
                  secured[_i].name, session.log, state.last_error);
    ck_assert_msg(strstr(state.last_error, "pass") == NULL, "the password is in %s",
                  state.last_error);
    stage_end(&stage);
}
END_TEST

Suite *smtp_tls_suite(void)
{
    Suite *suite = suite_create("smtp tls");
    TCase *cases = tcase_create("tables");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_loop_test(cases, tls_and_auth, 0, ROWS(secured));
    suite_add_tcase(suite, cases);
    return suite;
}
