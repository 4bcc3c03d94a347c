/* SPDX-License-Identifier: Apache-2.0 */
/* One row a mistake: what the file says of SMS, and the findings word for word. */
#include "tests/unit/test_config_sms.h"

struct row {
    const char *label;
    const char *text;
    const char *findings;
};

static const struct row listener_rows[] = {
    {"smpp",
     SMPP_LISTENER("enquire_every = \"1 ms\" reply_timeout = \"1 d\" max_connections = 1 "
                   "plain_passwords = true"),
     ""},
    {"http",
     HTTP_LISTENER("max_body_size = \"1 kB\" min_rate = \"10 B\" trusted = [ \"10.0.0.0/8\" ]"),
     ""},
    {"smpp is in clear or not", LISTENER("protocol = \"smpp\"\ntls = \"required\""),
     "main.conf:4: listeners.a.tls: \"required\" begins in clear and goes on with STARTTLS, which "
     "SMPP does not have: use \"implicit\" or \"none\"\n"},
    {"http is in clear or not",
     LISTENER("protocol = \"http\" services = [ \"sms\" ]\ntls = \"optional\""),
     "main.conf:4: listeners.a.tls: \"optional\" begins in clear and goes on with STARTTLS, which "
     "HTTP does not have: use \"implicit\" or \"none\"\n"},
    {"smpp has TLS by default", LISTENER("protocol = \"smpp\""),
     "main.conf:2: listeners.a.certificate_file: is missing (tls is \"implicit\")\n"
     "main.conf:2: listeners.a.key_file: is missing (tls is \"implicit\")\n"},
    {"http without a service", LISTENER("protocol = \"http\" tls = \"none\""),
     "main.conf:2: listeners.a.services: is missing (protocol is \"http\")\n"},
    {"no service", LISTENER("protocol = \"http\" tls = \"none\" services = [ ]"),
     "main.conf:3: listeners.a.services: is empty\n"},
    {"services that are none",
     LISTENER("protocol = \"http\" tls = \"none\" services = [ \"sms\", \"console\",\n"
              "\"consol\" ] trusted = [ \"10.0.0.1\" ]"),
     "main.conf:4: listeners.a.services: \"consol\" is none of \"sms\", \"api\", "
     "\"unsubscribe\", \"metrics\" or \"console\"\n"},
    {"what smtp does not know",
     LISTENER(
         "tls = \"none\" services = [ \"sms\" ] max_body_size = \"1 kB\"\nenquire_every = \"1 s\" "
         "reply_timeout = \"1 s\"\nplain_passwords = false"),
     "main.conf:3: listeners.a.services: is not used when protocol is \"smtp\"\n"
     "main.conf:3: listeners.a.max_body_size: is not used when protocol is \"smtp\"\n"
     "main.conf:4: listeners.a.enquire_every: is not used when protocol is \"smtp\"\n"
     "main.conf:4: listeners.a.reply_timeout: is not used when protocol is \"smtp\"\n"
     "main.conf:5: listeners.a.plain_passwords: is not used when protocol is \"smtp\"\n"},
    {"what smpp does not know",
     SMPP_LISTENER("max_message_size = \"1 MB\" max_recipients = 100 min_rate = \"1 kB\"\n"
                   "trusted = [ ] proxy_protocol = \"required\"\n"
                   "services = [ \"sms\" ] max_body_size = \"1 kB\""),
     "main.conf:4: listeners.a.max_message_size: is not used when protocol is \"smpp\"\n"
     "main.conf:4: listeners.a.max_recipients: is not used when protocol is \"smpp\"\n"
     "main.conf:4: listeners.a.min_rate: is not used when protocol is \"smpp\"\n"
     "main.conf:5: listeners.a.trusted: is not used when protocol is \"smpp\"\n"
     "main.conf:5: listeners.a.proxy_protocol: is not used when protocol is \"smpp\"\n"
     "main.conf:6: listeners.a.services: is not used when protocol is \"smpp\"\n"
     "main.conf:6: listeners.a.max_body_size: is not used when protocol is \"smpp\"\n"},
    {"what http does not know",
     HTTP_LISTENER("max_message_size = \"1 MB\" max_recipients = 100\n"
                   "proxy_protocol = \"off\"\n"
                   "enquire_every = \"1 s\" reply_timeout = \"1 s\"\n"
                   "plain_passwords = true"),
     "main.conf:4: listeners.a.max_message_size: is not used when protocol is \"http\"\n"
     "main.conf:4: listeners.a.max_recipients: is not used when protocol is \"http\"\n"
     "main.conf:5: listeners.a.proxy_protocol: is not used when protocol is \"http\"\n"
     "main.conf:6: listeners.a.enquire_every: is not used when protocol is \"http\"\n"
     "main.conf:6: listeners.a.reply_timeout: is not used when protocol is \"http\"\n"
     "main.conf:7: listeners.a.plain_passwords: is not used when protocol is \"http\"\n"},
    {"body", HTTP_LISTENER("max_body_size = \"17 MB\""),
     "main.conf:4: listeners.a.max_body_size: \"17 MB\" is no size between \"1 kB\" and \"16 "
     "MB\"\n"},
    {"body's least", HTTP_LISTENER("max_body_size = \"1023 B\""),
     "main.conf:4: listeners.a.max_body_size: \"1023 B\" is no size between \"1 kB\" and "
     "\"16 MB\"\n"},
    {"passwords in clear", SMPP_LISTENER("plain_passwords = \"yes\""),
     "main.conf:4: listeners.a.plain_passwords: must be true or false\n"},
    {"times", SMPP_LISTENER("enquire_every = \"0 s\"\nreply_timeout = \"25 h\""),
     "main.conf:4: listeners.a.enquire_every: \"0 s\" is no time between \"1 ms\" and \"1 d\"\n"
     "main.conf:5: listeners.a.reply_timeout: \"25 h\" is no time between \"1 ms\" and \"1 d\"\n"},
};

static const struct row smpp_rows[] = {
    {"all of it",
     SMPP("port = 2776 password = \"12345678\" system_type = \"VMA\" binds = \"separate\" "
          "connections = 64 window = 10000 rate = 1000000 enquire_every = \"10 s\" alphabet = "
          "\"latin1\" long_messages = \"segments\" connect_timeout = \"5 s\" reply_timeout = "
          "\"5 s\""),
     ""},
    {"the least", PROVIDER("adapter = \"smpp\""),
     "main.conf:2: providers.p.host: is missing (adapter is \"smpp\")\n"
     "main.conf:2: providers.p.system_id: is missing (adapter is \"smpp\")\n"},
    {"no STARTTLS",
     PROVIDER("adapter = \"smpp\" host = \"a\" system_id = \"x\"\ntls = \"required\""),
     "main.conf:4: providers.p.tls: \"required\" begins in clear and goes on with STARTTLS, which "
     "SMPP does not have: use \"implicit\" or \"none\"\n"},
    {"keys of the others",
     SMPP("username = \"u\"\ndirectory = \"m\"\nfinal_timeout = \"1 s\" idle_timeout = \"1 s\"\n"
          "template = \"t\" url = \"http://a\"\nsettings = [ ] secret_files = [ ]"),
     "main.conf:4: providers.p.username: is not used when adapter is \"smpp\"\n"
     "main.conf:5: providers.p.directory: is not used when adapter is \"smpp\"\n"
     "main.conf:6: providers.p.final_timeout: is not used when adapter is \"smpp\"\n"
     "main.conf:6: providers.p.idle_timeout: is not used when adapter is \"smpp\"\n"
     "main.conf:7: providers.p.template: is not used when adapter is \"smpp\"\n"
     "main.conf:7: providers.p.url: is not used when adapter is \"smpp\"\n"
     "main.conf:8: providers.p.settings: is not used when adapter is \"smpp\"\n"
     "main.conf:8: providers.p.secret_files: is not used when adapter is \"smpp\"\n"},
    {"verify nothing", SMPP("tls_verify = true"),
     "main.conf:4: providers.p.tls_verify: is not used when tls is \"none\"\n"},
    {"a long login", PROVIDER("adapter = \"smpp\" host = \"a\" system_id = \"a234567890123456\""),
     "main.conf:3: providers.p.system_id: must have 1 to 15 characters\n"},
    {"the longest login",
     PROVIDER("adapter = \"smpp\" host = \"a\" system_id = \"a23456789012345\""), ""},
    {"what a bind cannot carry",
     PROVIDER("adapter = \"smpp\" host = \"a\" system_id = \"caf\303\251\" system_type = \"a b\""),
     "main.conf:3: providers.p.system_id: may hold letters, digits and signs of ASCII only\n"
     "main.conf:3: providers.p.system_type: may hold letters, digits and signs of ASCII only\n"},
    {"a long password", SMPP("password = \"123456789\""),
     "main.conf:4: providers.p.password: has more than the 8 characters that SMPP has room for\n"},
    {"a long type", SMPP("system_type = \"1234567890123\""),
     "main.conf:4: providers.p.system_type: must have 0 to 12 characters\n"},
    {"password in clear",
     PROVIDER(
         "adapter = \"smpp\" host = \"smsc.example\" tls = \"none\" system_id = \"x\"\npassword = "
         "\"y\""),
     "main.conf:4: providers.p.password: would cross the network in clear: tls is \"none\" and "
     "smsc.example is another machine\n"},
    {"bounds", SMPP("window = 0\nwindow_ = 1\nrate = -1\nconnections = 65"),
     "main.conf:4: providers.p.window: 0 is not between 1 and 10000\n"
     "main.conf:5: providers.p.window_: unknown key; did you mean \"window\"?\n"
     "main.conf:6: providers.p.rate: -1 is not between 0 and 1000000\n"
     "main.conf:7: providers.p.connections: 65 is not between 1 and 64 (adapter is \"smpp\")\n"},
    {"words", SMPP("binds = \"receiver\"\nalphabet = \"ucs2\"\nlong_messages = \"sar\""),
     "main.conf:4: providers.p.binds: \"receiver\" is none of \"transceiver\", \"separate\" or "
     "\"transmitter\"\n"
     "main.conf:5: providers.p.alphabet: \"ucs2\" is none of \"gsm\" or \"latin1\"\n"
     "main.conf:6: providers.p.long_messages: \"sar\" is none of \"payload\" or \"segments\"\n"},
    {"keys of SMS on a mail server",
     PROVIDER("adapter = \"smtp\" host = \"a\"\nsystem_id = \"x\" window = 1\nurl = \"http://a\""),
     "main.conf:4: providers.p.system_id: is not used when adapter is \"smtp\"\n"
     "main.conf:4: providers.p.window: is not used when adapter is \"smtp\"\n"
     "main.conf:5: providers.p.url: is not used when adapter is \"smtp\"\n"},
    {"keys of SMS with libESMTP",
     PROVIDER("adapter = \"esmtp\" host = \"a\"\nsystem_type = \"x\"\ntemplate = \"t\""),
     "main.conf:4: providers.p.system_type: is not used when adapter is \"esmtp\"\n"
     "main.conf:5: providers.p.template: is not used when adapter is \"esmtp\"\n"},
    {"keys of SMS in a folder",
     PROVIDER("adapter = \"capture\" directory = \"m\"\nbinds = \"separate\"\nsettings = [ ]"),
     "main.conf:4: providers.p.binds: is not used when adapter is \"capture\"\n"
     "main.conf:5: providers.p.settings: is not used when adapter is \"capture\"\n"},
};

#define NO_URL                                                                               \
    "is no address such as \"https://api.provider.example\" (without a login, a query or a " \
    "fragment)\n"
#define NO_SETTING \
    "must be texts such as \"name=value\"; a name has lower-case letters, digits and _ only\n"

static const struct row http_rows[] = {
    {"all of it",
     HTTP("url = \"https://api.example:8443/v1\" username = \"u\" password = \"x\" connections = "
          "1000 tls_verify = true settings = [ \"sid=AC=1\", \"empty=\" ] secret_files = [ "
          "\"token=secret\" ] connect_timeout = \"1 s\" reply_timeout = \"1 s\" idle_timeout = "
          "\"1 s\""),
     ""},
    {"the least", PROVIDER("adapter = \"http\""),
     "main.conf:2: providers.p.template: is missing (adapter is \"http\")\n"},
    {"a key as password", HTTP("password = \"x\""), ""},
    {"a lost template", PROVIDER("adapter = \"http\" template = \"conf.d/lost.conf\""),
     "main.conf:3: providers.p.template: cannot open conf.d/lost.conf: No such file or "
     "directory\n"},
    {"a folder", PROVIDER("adapter = \"http\" template = \"./conf.d\""),
     "main.conf:3: providers.p.template: cannot read ./conf.d: Is a directory\n"},
    {"keys of the others",
     HTTP(
         "host = \"a\" port = 1 tls = \"none\" tls_name = \"a\"\ndirectory = \"m\" final_timeout = "
         "\"1 s\"\nsystem_id = \"x\" rate = 1 window = 1"),
     "main.conf:4: providers.p.host: is not used when adapter is \"http\"\n"
     "main.conf:4: providers.p.port: is not used when adapter is \"http\"\n"
     "main.conf:4: providers.p.tls: is not used when adapter is \"http\"\n"
     "main.conf:4: providers.p.tls_name: is not used when adapter is \"http\"\n"
     "main.conf:5: providers.p.directory: is not used when adapter is \"http\"\n"
     "main.conf:5: providers.p.final_timeout: is not used when adapter is \"http\"\n"
     "main.conf:6: providers.p.system_id: is not used when adapter is \"http\"\n"
     "main.conf:6: providers.p.window: is not used when adapter is \"http\"\n"
     "main.conf:6: providers.p.rate: is not used when adapter is \"http\"\n"},
    {"a login in the address", HTTP("url = \"https://u:hush@api.example\""),
     "main.conf:4: providers.p.url: " NO_URL},
    {"another scheme", HTTP("url = \"ftp://api.example\""),
     "main.conf:4: providers.p.url: " NO_URL},
    {"a query", HTTP("url = \"http://api.example/?key=hush\""),
     "main.conf:4: providers.p.url: " NO_URL},
    {"no host", HTTP("url = \"https:///v1\""), "main.conf:4: providers.p.url: " NO_URL},
    {"no port", HTTP("url = \"https://api.example:0/\""), "main.conf:4: providers.p.url: " NO_URL},
    {"port 65536", HTTP("url = \"https://api.example:65536\""),
     "main.conf:4: providers.p.url: " NO_URL},
    {"a bracket", HTTP("url = \"https://[api.example]\""), "main.conf:4: providers.p.url: " NO_URL},
    {"an open bracket", HTTP("url = \"https://[::1\""), "main.conf:4: providers.p.url: " NO_URL},
    {"IPv6", HTTP("url = \"http://[::1]:8080/x\" password = \"x\""), ""},
    {"a port", HTTP("url = \"http://localhost:8080\" password = \"x\""), ""},
    {"password in clear",
     HTTP("url = \"http://api.example:8080/x\" username = \"u\"\npassword = \"x\""),
     "main.conf:5: providers.p.password: would cross the network in clear: url is http:// and "
     "api.example is another machine\n"},
    {"password of a file in clear",
     HTTP("url = \"http://[2001:db8::1]/\"\npassword_file = \"secret\""),
     "main.conf:5: providers.p.password_file: would cross the network in clear: url is http:// and "
     "2001:db8::1 is another machine\n"},
    {"secrets of files in clear",
     HTTP("url = \"http://api.example\"\nsecret_files = [ \"k=secret\" ]"),
     "main.conf:5: providers.p.secret_files: would cross the network in clear: url is http:// and "
     "api.example is another machine\n"},
    {"settings in clear", HTTP("url = \"http://127.0.0.1.example\"\nsettings = [ \"k=v\" ]"),
     "main.conf:5: providers.p.settings: would cross the network in clear: url is http:// and "
     "127.0.0.1.example is another machine\n"},
    {"texts in clear", HTTP("url = \"http://api.example\"\nsettings = [ ]"),
     "main.conf:4: providers.p.url: is http://, and api.example is another machine: texts and "
     "numbers would cross the network in clear\n"},
    {"nothing secret here", HTTP("url = \"http://localhost\" secret_files = [ \"k=secret\" ]"), ""},
    {"verify nothing", HTTP("url = \"http://127.0.0.1\" tls_verify = false"),
     "main.conf:4: providers.p.tls_verify: is not used when url is http://\n"},
    {"lost authority", HTTP("tls_ca_file = \"ca.pem\""),
     "main.conf:4: providers.p.tls_ca_file: ca.pem does not exist\n"},
    {"settings without a name, not repeated",
     HTTP("settings = [ \"hush\",\n\"=hush\",\n\"Sid=hush\" ]\nsecret_files = [ \"secret\" ]"),
     "main.conf:4: providers.p.settings: " NO_SETTING
     "main.conf:5: providers.p.settings: " NO_SETTING
     "main.conf:6: providers.p.settings: " NO_SETTING
     "main.conf:7: providers.p.secret_files: " NO_SETTING},
    {"settings twice",
     HTTP("settings = [ \"a=1\",\n\"a=2\", \"b=1\" ]\nsecret_files = [ \"b=secret\" ]"),
     "main.conf:5: providers.p.settings: \"a\" is set twice\n"
     "main.conf:6: providers.p.secret_files: \"b\" is set twice\n"},
    {"lost secrets", HTTP("secret_files = [ \"a=\",\n\"b=lost\" ]"),
     "main.conf:4: providers.p.secret_files: \"a\" names no file\n"
     "main.conf:5: providers.p.secret_files: cannot open lost: No such file or directory\n"},
};

#define NO_SENDER                                                                                 \
    "holds what is no sender id: 1 to 11 letters of ASCII, digits, spaces and ._- with a letter " \
    "among them, or a number of 3 to 15 digits\n"

static const struct row stream_rows[] = {
    {"senders",
     IN_STREAM
     "senders = [ \"A\", \"ACME Voyage\", \"a.b_c-3\", \"361\", \"36105\", \"+33612345678\", "
     "\"123456789012345\" ] unsubscribe = \"off\" window = 10000" END_STREAM,
     ""},
    {"what is no sender, not repeated",
     IN_STREAM "senders = [ \"ACME Voyages\",\n\"36\",\n\"+1234567890123456\",\n\"caf\303\251\",\n"
               "\"---\",\n\" ACME\",\n\"ACME \",\n\"3 6105\",\n\"acme@x\",\n\"+ACME\" ]" END_STREAM,
     "main.conf:5: " NEWS "senders: " NO_SENDER "main.conf:6: " NEWS "senders: " NO_SENDER
     "main.conf:7: " NEWS "senders: " NO_SENDER "main.conf:8: " NEWS "senders: " NO_SENDER
     "main.conf:9: " NEWS "senders: " NO_SENDER "main.conf:10: " NEWS "senders: " NO_SENDER
     "main.conf:11: " NEWS "senders: " NO_SENDER "main.conf:12: " NEWS "senders: " NO_SENDER
     "main.conf:13: " NEWS "senders: " NO_SENDER "main.conf:14: " NEWS "senders: " NO_SENDER},
    {"what is for email", IN_STREAM "senders = [ \"ACME\" ]\nunsubscribe = \"require\"" END_STREAM,
     "main.conf:6: " NEWS "unsubscribe: is for email only\n"},
    {"what is for sms",
     TOP "providers: { trial: { adapter = \"capture\" directory = \"m\" } }\n"
         "partners: { acme: { name = \"ACME\" streams: { s: { channel = \"email\" senders = [ "
         "\"a.example\" ] providers = [ \"trial\" ]\nwindow = 1\naccounts: { a: { networks = [ "
         "\"10.0.0.0/8\" ]\nreport_url = \"http://a.example\" } b: {\n" KEYS "} } } } } }",
     "main.conf:4: " NEWS "window: is for sms only\n"
     "main.conf:6: " NEWS "accounts.a.report_url: is for sms only\n"
     "main.conf:7: " NEWS "accounts.b.application_key: is for sms only\n"
     "main.conf:7: " NEWS "accounts.b.application_secret: is for sms only\n"
     "main.conf:7: " NEWS "accounts.b.consumer_key: is for sms only\n"},
    {"window", IN_STREAM "senders = [ \"ACME\" ] window = 10001" END_STREAM,
     "main.conf:5: " NEWS "window: 10001 is not between 1 and 10000\n"},
    {"routes of the other channel",
     TOP "providers: { smarthost: { adapter = \"smtp\" host = \"a\" }\n"
         "library: { adapter = \"esmtp\" host = \"a\" }\n"
         "smsc: { adapter = \"smpp\" host = \"a\" system_id = \"x\" }\n"
         "api: { adapter = \"http\" template = \"./t.conf\" } folder: { adapter = \"capture\" "
         "directory = \"m\" } }\n"
         "partners: { a: { name = \"A\" streams: {\n"
         "s: { channel = \"sms\" senders = [ \"A\" ] providers = [ \"smsc\", \"api\", \"folder\", "
         "\"smarthost\",\n\"library\" ] }\n"
         "m: { channel = \"email\" senders = [ \"a.example\" ] providers = [ \"smarthost\", "
         "\"library\", \"folder\", \"smsc\",\n\"api\" ] } } } }",
     "main.conf:7: partners.a.streams.s.providers: \"smarthost\" carries no sms: its adapter is "
     "\"smtp\"\n"
     "main.conf:8: partners.a.streams.s.providers: \"library\" carries no sms: its adapter is "
     "\"esmtp\"\n"
     "main.conf:9: partners.a.streams.m.providers: \"smsc\" carries no email: its adapter is "
     "\"smpp\"\n"
     "main.conf:10: partners.a.streams.m.providers: \"api\" carries no email: its adapter is "
     "\"http\"\n"},
    {"a route whose adapter is unknown",
     TOP
     "providers: { p: { adapter = \"pigeon\" } }\npartners: { a: { name = \"A\" streams: { s: { "
     "channel = \"sms\" senders = [ \"A\" ] providers = [ \"p\" ] } } } }",
     "main.conf:2: providers.p.adapter: \"pigeon\" is none of \"smtp\", \"esmtp\", \"capture\", "
     "\"smpp\" or \"http\"\n"},
    {"refusals",
     TOP "partners: { a: { name = \"A\" smpp_refusal = 0x0B } b: { name = \"B\" "
         "smpp_refusal = 255 } c: { name = \"C\" smpp_refusal = 1 } }",
     ""},
    {"refusals that are none",
     TOP
     "partners: { a: { name = \"A\" smpp_refusal = 0x58 }\nb: { name = \"B\" smpp_refusal = 20 }\n"
     "c: { name = \"C\" smpp_refusal = 0x08 }\nd: { name = \"D\" smpp_refusal = 0x64 }\n"
     "e: { name = \"E\" smpp_refusal = 0 }\nf: { name = \"F\" smpp_refusal = 256 } }",
     "main.conf:2: partners.a.smpp_refusal: at 0x58 the partner's software would try again and "
     "again; a refusal is for good\n"
     "main.conf:3: partners.b.smpp_refusal: at 0x14 the partner's software would try again and "
     "again; a refusal is for good\n"
     "main.conf:4: partners.c.smpp_refusal: at 0x08 the partner's software would try again and "
     "again; a refusal is for good\n"
     "main.conf:5: partners.d.smpp_refusal: at 0x64 the partner's software would try again and "
     "again; a refusal is for good\n"
     "main.conf:6: partners.e.smpp_refusal: 0 is not between 1 and 255\n"
     "main.conf:7: partners.f.smpp_refusal: 256 is not between 1 and 255\n"},
};

#define TOGETHER  "is missing (application_key, application_secret and consumer_key go together)\n"
#define SMPP_AT   "listeners: { smpp: { bind = \"*:2775\" protocol = \"smpp\" tls = \"none\" } }\n"
#define NO_REPORT "is no address such as \"https://acme.example/reports\" (without a login)\n"

static const struct row account_rows[] = {
    {"keys instead of a password",
     IN_ACCOUNTS "a: { " KEYS
                 "report_url = \"https://acme.example:8443/r?token=%20x&y=1\" }" END_ACCOUNTS,
     ""},
    {"keys are no condition of the peer's",
     IN_ACCOUNTS "a: { networks = [ \"10.0.0.0/8\" ] }\nb: { networks = [ \"10.1.0.0/16\" ] " KEYS
                 "}" END_ACCOUNTS,
     ""},
    {"a key alone", IN_ACCOUNTS "a: { application_key = \"k\" }" END_ACCOUNTS,
     "main.conf:6: " ACCOUNT "a.application_secret: " TOGETHER "main.conf:6: " ACCOUNT
     "a.consumer_key: " TOGETHER},
    {"a secret alone",
     IN_ACCOUNTS "a: { application_secret_file = \"secret\" networks = [ "
                 "\"10.0.0.0/8\" ] }" END_ACCOUNTS,
     "main.conf:6: " ACCOUNT "a.application_key: " TOGETHER "main.conf:6: " ACCOUNT
     "a.consumer_key: " TOGETHER},
    {"no secret", IN_ACCOUNTS "a: { application_key = \"k\" consumer_key = \"c\" }" END_ACCOUNTS,
     "main.conf:6: " ACCOUNT "a.application_secret: " TOGETHER},
    {"both secrets",
     IN_ACCOUNTS "a: { " KEYS "\napplication_secret_file = \"secret\" }" END_ACCOUNTS,
     "main.conf:7: " ACCOUNT "a.application_secret_file: stands beside application_secret "
     "(main.conf:6): only one of them can hold\n"},
    {"lost secret",
     IN_ACCOUNTS "a: { application_key = \"k\" consumer_key = \"c\" application_secret_file = "
                 "\"lost\" }" END_ACCOUNTS,
     "main.conf:6: " ACCOUNT "a.application_secret_file: cannot open lost: No such file or "
     "directory\n"},
    {"one key for two", IN_ACCOUNTS "z: { " KEYS "}\na: { " KEYS "}\nb: { " KEYS "}" END_ACCOUNTS,
     "main.conf:7: " ACCOUNT "a.application_key: is already that of account z (main.conf:6)\n"
     "main.conf:8: " ACCOUNT "b.application_key: is already that of account a (main.conf:7)\n"},
    {"reports",
     IN_ACCOUNTS "a: { networks = [ \"10.0.0.0/8\" ]\nreport_url = \"https://u:p@acme.example\" }\n"
                 "b: { networks = [ \"11.0.0.0/8\" ] report_url = \"acme.example\" }" END_ACCOUNTS,
     "main.conf:7: " ACCOUNT "a.report_url: " NO_REPORT "main.conf:8: " ACCOUNT
     "b.report_url: " NO_REPORT},
    {"reports in clear",
     IN_ACCOUNTS
     "a: { networks = [ \"10.0.0.0/8\" ]\nreport_url = \"http://acme.example/r\" }\n"
     "b: { networks = [ \"11.0.0.0/8\" ] report_url = \"http://[::1]:8080/r\" }" END_ACCOUNTS,
     "main.conf:7: " ACCOUNT
     "a.report_url: is http://, and acme.example is another machine: numbers "
     "and texts would cross the network in clear\n"},
    {"nothing is said of a channel that nobody knows",
     TOP
     "providers: { trial: { adapter = \"capture\" directory = \"m\" } }\n"
     "partners: { acme: { name = \"ACME\" streams: { s: { senders = [ \"ACME\" ] providers = [ "
     "\"trial\" ] window = 1 unsubscribe = \"require\"\nchannel = \"fax\" accounts: { a: { " KEYS
     "report_url = \"http://a.example\" } } } } } }",
     "main.conf:4: " NEWS "channel: \"fax\" is none of \"email\" or \"sms\"\n"},
    {"a name that SMPP has room for",
     IN_ACCOUNTS "a23456789012345: { password = \"" HASH "\" }" END_ACCOUNTS SMPP_AT, ""},
    {"a name too long for SMPP",
     IN_ACCOUNTS "a234567890123456: { password = \"" HASH "\" }" END_ACCOUNTS SMPP_AT,
     "main.conf:6: " ACCOUNT "a234567890123456: the name has more than the 15 characters that SMPP "
     "has room for (listeners.smpp), so nobody could log in by it\n"},
    {"a long name without SMPP",
     IN_ACCOUNTS "a234567890123456: { password = \"" HASH "\" }" END_ACCOUNTS, ""},
    {"a long name that is no login",
     IN_ACCOUNTS "a234567890123456: { networks = [ \"10.0.0.0/8\" ] }" END_ACCOUNTS SMPP_AT, ""},
};

#define RUN(name)                                                                    \
    START_TEST(name##_mistakes)                                                      \
    {                                                                                \
        for (size_t i = 0; i < sizeof(name##_rows) / sizeof(name##_rows[0]); i++)    \
            expect_findings(&sms_sandbox, name##_rows[i].label, name##_rows[i].text, \
                            name##_rows[i].findings);                                \
    }                                                                                \
    END_TEST

RUN(listener)
RUN(smpp)
RUN(http)
RUN(stream)
RUN(account)

void config_sms_add_rows(TCase *cases)
{
    tcase_add_test(cases, listener_mistakes);
    tcase_add_test(cases, smpp_mistakes);
    tcase_add_test(cases, http_mistakes);
    tcase_add_test(cases, stream_mistakes);
    tcase_add_test(cases, account_mistakes);
}
