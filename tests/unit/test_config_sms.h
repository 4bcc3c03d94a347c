/* SPDX-License-Identifier: Apache-2.0 */
/* Configurations of SMS that lack one thing, and on which line what is put in stands. */
#ifndef OCTROI_TESTS_CONFIG_SMS_H
#define OCTROI_TESTS_CONFIG_SMS_H

#include "tests/unit/test_config_help.h"

/* Line 1 of every row; what the row adds starts on line 2. */
#define TOP  "hostname = \"gate.example\" state_dir = \"state\"\n"
#define HASH "$y$j9T$DEBQ5UmuRZhkvPdLPgSBT/$nbaNCUNxSYRVBzYGvTv5GbaT9zLUiQzX6sc3Rm2FJD2"

#define LISTENER(rest) TOP "listeners: { a: { bind = \"*:25\"\n" rest "\n} }\n" /* row: line 3 */
#define SMPP_LISTENER(rest)                                              \
    LISTENER("protocol = \"smpp\" tls = \"none\"\n" rest) /* row: line 4 \
                                                           */
#define HTTP_LISTENER(rest) \
    LISTENER("protocol = \"http\" tls = \"none\" services = [ \"sms\" ]\n" rest) /* row: line 4 */

#define SMPP_LEAST     "adapter = \"smpp\" host = \"127.0.0.1\" tls = \"none\" system_id = \"gate\"\n"
#define HTTP_LEAST     "adapter = \"http\" template = \"./t.conf\"\n"
#define PROVIDER(rest) TOP "providers: { p: {\n" rest "\n} }\n" /* row: line 3 */
#define SMPP(rest)     PROVIDER(SMPP_LEAST rest)                /* row: line 4 */
#define HTTP(rest)     PROVIDER(HTTP_LEAST rest)                /* row: line 4 */

/* Lines 2 to 4, and what a row puts into the stream stands on line 5. */
#define IN_STREAM                                                             \
    TOP "providers: { trial: { adapter = \"capture\" directory = \"m\" } }\n" \
        "partners: { acme: { name = \"ACME\" streams: { s: {\n"               \
        "channel = \"sms\" providers = [ \"trial\" ]\n"
#define END_STREAM   "\n} } } }\n"
#define IN_ACCOUNTS  IN_STREAM "senders = [ \"ACME\" ] accounts: {\n" /* row: line 6 */
#define END_ACCOUNTS "\n} } } } }\n"
#define KEYS \
    "application_key = \"key\" application_secret = \"secret\" consumer_key = \"consumer\" "

#define NEWS    "partners.acme.streams.s."
#define ACCOUNT NEWS "accounts."

/* Holds the template t.conf, the secret file secret ("whisper"), the folder conf.d. */
extern struct sandbox sms_sandbox;
/* The tests of test_config_sms_rows.c. */
void config_sms_add_rows(TCase *cases);

#endif
