/* SPDX-License-Identifier: Apache-2.0 */
/* One row a mistake: what the file says, and the findings word for word. */
#include "tests/unit/test_config_help.h"

/* Line 1 of every row; what the row adds starts on line 2. */
#define TOP "hostname = \"gate.example\" state_dir = \"state\"\n"
/* Lines 2 to 4, and what a row puts into the stream stands on line 5. */
#define IN_STREAM                                                             \
    TOP "providers: { trial: { adapter = \"capture\" directory = \"m\" } }\n" \
        "partners: { acme: { name = \"ACME\" streams: { news: {\n"            \
        "channel = \"email\" providers = [ \"trial\" ]\n"
#define END_STREAM   " } } } }\n"
#define IN_ACCOUNTS  IN_STREAM "senders = [ \"acme.example\" ] accounts: {\n" /* row: line 6 */
#define END_ACCOUNTS " } } } } }\n"
#define HASH         "$y$j9T$DEBQ5UmuRZhkvPdLPgSBT/$nbaNCUNxSYRVBzYGvTv5GbaT9zLUiQzX6sc3Rm2FJD2"

#define WEB(url)                                                                                   \
    "public_url = \"" url "\"\n"                                                                   \
    "listeners: { web: { protocol = \"http\" tls = \"none\" bind = \"127.0.0.1:8080\" services = " \
    "[ "                                                                                           \
    "\"unsubscribe\" ] } }\n"

struct row {
    const char *label;
    const char *text;
    const char *findings;
};

static const struct row top_rows[] = {
    {"the least", TOP, ""},
    {"missing", "", "main.conf:1: hostname: is missing\nmain.conf:1: state_dir: is missing\n"},
    {"host name", "hostname = \"a_b\" state_dir = \"s\"\n",
     "main.conf:1: hostname: \"a_b\" is no host name\n"},
    {"an address is no host name", "hostname = \"10.0.0.1\" state_dir = \"s\"\n",
     "main.conf:1: hostname: \"10.0.0.1\" is no host name\n"},
    {"unknown", TOP "colour = 1\n", "main.conf:2: colour: unknown key\n"},
    {"near miss", TOP "regoin = \"FR\"\n",
     "main.conf:2: regoin: unknown key; did you mean \"region\"?\n"},
    {"near miss of a group", TOP "listener: { }\n",
     "main.conf:2: listener: unknown key; did you mean \"listeners\"?\n"},
    {"types", TOP "threads = \"4\"\nregion = 1\njournal = 3\nlisteners: { a = 1 }\n",
     "main.conf:2: threads: must be a whole number\nmain.conf:3: region: must be a text: "
     "\"…\"\nmain.conf:4: journal: must be a group: { … }\n"
     "main.conf:5: listeners.a: must be a group: { … }\n"},
    {"threads", TOP "threads = 65\n", "main.conf:2: threads: 65 is not between 0 and 64\n"},
    {"drain_timeout", TOP "drain_timeout = \"50 ms\"\n",
     "main.conf:2: drain_timeout: \"50 ms\" is no time between \"100 ms\" and \"1 d\"\n"},
    {"drain_timeout within", TOP "drain_timeout = \"100 ms\"\n", ""},
    {"threads within", TOP "threads = 64\n", ""},
    {"fraction", TOP "threads = 1.5\n", "main.conf:2: threads: must be a whole number\n"},
    {"a number libconfig would wrap to 25", TOP "\nthreads = 4294967321\n",
     "main.conf:3: a number of more than nine digits\n"},
    {"long digits in a text and a comment",
     TOP "# 12345678901\npublic_url = "
         "\"https://a.example/12345678901\" /* "
         "12345678901 */\n",
     ""},
    {"@include", TOP "@include \"other.conf\"\n",
     "main.conf:2: @include is not known here: use include = [ \"FILE\" ]\n"},
    {"registry", TOP "registry = \"postgresql://u:secret@h/db\"\n",
     "main.conf:2: registry: PostgreSQL is not available in this version\n"},
    {"registry word", TOP "registry = \"lmdb\"\n",
     "main.conf:2: registry: \"lmdb\" is not \"sqlite\"\n"},
    {"region", TOP "region = \"QQ\"\n",
     "main.conf:2: region: \"QQ\" is no region such as "
     "\"FR\"\n"},
    {"public_url", TOP "public_url = \"gate.example\"\n",
     "main.conf:2: public_url: is no address such as \"https://gate.example.fr\" (without a "
     "login)\n"},
    {"a login in public_url", TOP "public_url = \"https://u:secret@gate.example\"\n",
     "main.conf:2: public_url: is no address such as \"https://gate.example.fr\" (without a "
     "login)\n"},
    {"a registry's password", TOP "registry = \"mysql://u:secret@h/db\"\n",
     "main.conf:2: registry: is not \"sqlite\"\n"},
    {"a text libconfig would cut", TOP "# \\x00\npublic_url = \"http://a\\\\x00\\x00b\"\n",
     "main.conf:3: a text holds a NUL byte\n"},
    {"a backslash before x00", TOP "public_url = \"http://a\\\\x00\"\n",
     "main.conf:2: public_url: is no address such as \"https://gate.example.fr\" (without a "
     "login)\n"},
    {"sizes and times", TOP "journal: { segment_size = 64\n checkpoint_every = \"1 month\" }\n",
     "main.conf:2: journal.segment_size: must be a text with a unit, such as \"64 MB\"\n"
     "main.conf:3: journal.checkpoint_every: \"1 month\" is no time between \"100 ms\" and "
     "\"1 d\"\n"},
    {"size bounds", TOP "journal: { segment_size = \"63 kB\" }\n",
     "main.conf:2: journal.segment_size: \"63 kB\" is no size between \"64 kB\" and \"4 GB\"\n"},
    {"syntax: only the first", TOP "threads = \ncolour = 1 }\n", "main.conf:3: syntax error\n"},
    {"open text", TOP "public_url = \"http://a\\\"\n\nthreads = 1\n",
     "main.conf:2: a text is not closed\n"},
    {"open comment", TOP "\n/* threads = 1\n\n", "main.conf:3: a comment is not closed\n"},
    {"twice in one file", TOP "region = \"FR\"\nregion = \"BE\"\n",
     "main.conf:3: this key is set twice in its group\n"},
    {"control character", TOP "public_url = \"a\\nb\"\n",
     "main.conf:2: public_url: holds a control character\n"},
};

static const struct row listener_rows[] = {
    {"no port", TOP "listeners: { submission: { tls = \"none\"\n bind = \"127.0.0.1\" } }\n",
     "main.conf:3: listeners.submission.bind: \"127.0.0.1\" has no port\n"},
    {"no port v6", TOP "listeners: { a: { tls = \"none\" bind = \"[::1]\" } }\n",
     "main.conf:2: listeners.a.bind: \"[::1]\" has no port\n"},
    {"port 0", TOP "listeners: { a: { tls = \"none\" bind = \"*:0\" } }\n",
     "main.conf:2: listeners.a.bind: \"*:0\" has no port from 1 to 65535\n"},
    {"port 65536", TOP "listeners: { a: { tls = \"none\" bind = \"*:65536\" } }\n",
     "main.conf:2: listeners.a.bind: \"*:65536\" has no port from 1 to 65535\n"},
    {"names are not looked up", TOP "listeners: { a: { tls = \"none\" bind = \"localhost:25\" } }",
     "main.conf:2: listeners.a.bind: \"localhost:25\" is not an address and a port, such as "
     "127.0.0.1:25, [::1]:25 or *:25\n"},
    {"bound twice",
     TOP "listeners: { a: { tls = \"none\" bind = \"*:25\" }\n b: { tls = \"none\" bind = "
         "\"[::]:25\" } }",
     "main.conf:3: listeners.b.bind: \"[::]:25\" is already bound by listeners.a\n"},
    {"bind missing", TOP "listeners: { a: { tls = \"none\" } }",
     "main.conf:2: listeners.a.bind: is missing\n"},
    {"tls wants files", TOP "listeners: { a: { bind = \"*:25\" } }",
     "main.conf:2: listeners.a.certificate_file: is missing (tls is \"required\")\n"
     "main.conf:2: listeners.a.key_file: is missing (tls is \"required\")\n"},
    {"none wants none", TOP "listeners: { a: { bind = \"*:25\" tls = \"none\" key_file = \"k\" } }",
     "main.conf:2: listeners.a.key_file: is not used when tls is \"none\"\n"},
    {"protocol", TOP "listeners: { a: { bind = \"*:25\" tls = \"yes\" protocol = \"lmtp\" } }",
     "main.conf:2: listeners.a.tls: \"yes\" is none of \"none\", \"optional\", \"required\" or "
     "\"implicit\"\n"
     "main.conf:2: listeners.a.protocol: \"lmtp\" is none of \"smtp\", \"smpp\" or \"http\"\n"},
    {"tls word", TOP "listeners: { a: { bind = \"*:25\" tls = \"yes\" } }",
     "main.conf:2: listeners.a.tls: \"yes\" is none of \"none\", \"optional\", \"required\" or "
     "\"implicit\"\n"},
    {"recipients", TOP "listeners: { a: { bind = \"*:25\" tls = \"none\" max_recipients = 99 } }",
     "main.conf:2: listeners.a.max_recipients: 99 is not between 100 and 50000\n"},
    {"fences off",
     TOP "listeners: { a: { bind = \"*:25\" tls = \"none\" min_rate = \"0 B\""
         " max_connections_per_address = 0 login_timeout = \"1 ms\" } }",
     ""},
    {"connections of an address",
     TOP "listeners: { a: { bind = \"*:25\" tls = \"none\" max_connections_per_address = -1 } }",
     "main.conf:2: listeners.a.max_connections_per_address: -1 is not between 0 and 1000000\n"},
    {"login_timeout",
     TOP "listeners: { a: { bind = \"*:25\" tls = \"none\" login_timeout = \"0 s\" } }",
     "main.conf:2: listeners.a.login_timeout: \"0 s\" is no time between \"1 ms\" and \"1 d\"\n"},
    {"min_rate", TOP "listeners: { a: { bind = \"*:25\" tls = \"none\" min_rate = \"2 MB\" } }",
     "main.conf:2: listeners.a.min_rate: \"2 MB\" is no size between \"0 B\" and \"1 MB\"\n"},
    {"balancers",
     TOP "listeners: { a: { bind = \"*:25\" tls = \"none\" proxy_protocol = \"required\"\n"
         "trusted = [ \"10.0.0.0/8\", \"2001:db8::/32\" ] } }",
     ""},
    {"nobody is trusted",
     TOP
     "listeners: { a: { bind = \"*:25\" tls = \"none\" trusted = [ ] proxy_protocol = \"off\" } }",
     ""},
    {"a header from nobody",
     TOP "listeners: { a: { bind = \"*:25\" tls = \"none\"\nproxy_protocol = \"required\" }\n"
         "b: { bind = \"*:26\" tls = \"none\"\ntrusted = [ ] proxy_protocol = \"required\" } }",
     "main.conf:3: listeners.a.proxy_protocol: \"required\" needs the balancers' networks in "
     "trusted\n"
     "main.conf:5: listeners.b.proxy_protocol: \"required\" needs the balancers' networks in "
     "trusted\n"},
    {"proxy_protocol",
     TOP "listeners: { a: { bind = \"*:25\" tls = \"none\" proxy_protocol = 2 } }",
     "main.conf:2: listeners.a.proxy_protocol: must be a text: \"…\"\n"},
    {"proxy_protocol word",
     TOP "listeners: { a: { bind = \"*:25\" tls = \"none\" proxy_protocol = \"optional\" } }",
     "main.conf:2: listeners.a.proxy_protocol: \"optional\" is none of \"off\" or \"required\"\n"},
    {"trusted",
     TOP
     "listeners: { a: { bind = \"*:25\" tls = \"none\" trusted = [ \"10.0.0.1/8\", \"0.0.0.0/0\",\n"
     "\"balancer\" ] } }",
     "main.conf:2: listeners.a.trusted: \"10.0.0.1/8\" has bits behind its prefix; "
     "\"10.0.0.0/8\"?\n"
     "main.conf:2: listeners.a.trusted: \"0.0.0.0/0\" would let the whole internet in\n"
     "main.conf:3: listeners.a.trusted: \"balancer\" is no network such as "
     "\"10.1.0.0/16\"\n"},
    {"a star in a name", TOP "listeners: { a*: { bind = \"*:25\" tls = \"none\" } }",
     "main.conf:2: listeners.a*: a name may not hold '*'\n"},
    {"a long name",
     TOP "listeners: { a23456789012345678901234567890123456789012345678901234567890abcde: { bind = "
         "\"*:25\" tls = \"none\" } }",
     "main.conf:2: "
     "listeners.a23456789012345678901234567890123456789012345678901234567890abcde: the name has "
     "more than 64 characters\n"},
};

static const struct row provider_rows[] = {
    {"adapter", TOP "providers: { p: { adapter = \"sms\" } }",
     "main.conf:2: providers.p.adapter: \"sms\" is none of \"smtp\", \"esmtp\", \"capture\", "
     "\"smpp\" or \"http\"\n"},
    {"esmtp",
     TOP "providers: { p: { adapter = \"esmtp\" host = \"mx.example\" port = 587 tls_name = "
         "\"a.example\" tls_verify = true username = \"u\" password = \"x\" connections = 8\n"
         "connect_timeout = \"5 s\" reply_timeout = \"5 s\" final_timeout = \"5 s\" } }",
     ""},
    {"esmtp without a host", TOP "providers: { p: { adapter = \"esmtp\" } }",
     "main.conf:2: providers.p.host: is missing (adapter is \"esmtp\")\n"},
    {"esmtp has no implicit TLS",
     TOP "providers: { p: { adapter = \"esmtp\" host = \"a\" tls = \"implicit\" } }",
     "main.conf:2: providers.p.tls: cannot be \"implicit\" when adapter is \"esmtp\": libESMTP "
     "knows STARTTLS only; use \"required\", or adapter \"smtp\"\n"},
    {"esmtp and IPv6",
     TOP "providers: { p: { adapter = \"esmtp\" host = \"::1\" tls = \"none\" } }",
     "main.conf:2: providers.p.host: is an IPv6 address, and libESMTP takes it for a host and a "
     "port: give a name, or use adapter \"smtp\"\n"},
    {"keys that mean nothing to esmtp",
     TOP "providers: { p: { adapter = \"esmtp\" host = \"a\"\ndirectory = \"m\"\nidle_timeout = "
         "\"1 s\" } }",
     "main.conf:3: providers.p.directory: is not used when adapter is \"esmtp\"\n"
     "main.conf:4: providers.p.idle_timeout: is not used when adapter is \"esmtp\"\n"},
    {"esmtp password in clear",
     TOP "providers: { p: { adapter = \"esmtp\" host = \"mx.example\" tls = \"none\" username = "
         "\"u\" password = \"x\" } }",
     "main.conf:2: providers.p.password: would cross the network in clear: tls is \"none\" and "
     "mx.example is another machine\n"},
    {"host", TOP "providers: { p: { adapter = \"smtp\" } }",
     "main.conf:2: providers.p.host: is missing (adapter is \"smtp\")\n"},
    {"host word", TOP "providers: { p: { adapter = \"smtp\" host = \"a b\" } }",
     "main.conf:2: providers.p.host: \"a b\" is neither a host name nor an address\n"},
    {"directory", TOP "providers: { p: { adapter = \"capture\" } }",
     "main.conf:2: providers.p.directory: is missing (adapter is \"capture\")\n"},
    {"keys of the other adapter",
     TOP "providers: { p: { adapter = \"capture\" directory = \"m\" host = \"a\" }\n"
         "q: { adapter = \"smtp\" host = \"::1\" directory = \"m\" } }",
     "main.conf:2: providers.p.host: is not used when adapter is \"capture\"\n"
     "main.conf:3: providers.q.directory: is not used when adapter is \"smtp\"\n"},
    {"verify nothing",
     TOP "providers: { p: { adapter = \"smtp\" host = \"a\" tls = \"none\" tls_verify = true } }",
     "main.conf:2: providers.p.tls_verify: is not used when tls is \"none\"\n"},
    {"lost authority",
     TOP "providers: { p: { adapter = \"smtp\" host = \"a\" tls_ca_file = \"ca.pem\" } }",
     "main.conf:2: providers.p.tls_ca_file: ca.pem does not exist\n"},
    {"both passwords",
     TOP "providers: { p: { adapter = \"smtp\" host = \"a\" username = \"u\" password = \"x\"\n "
         "password_file = \"y\" } }",
     "main.conf:3: providers.p.password_file: stands beside password (main.conf:2): only one of "
     "them can hold\n"},
    {"half a login",
     TOP "providers: { p: { adapter = \"smtp\" host = \"a\" username = \"u\" }\n"
         "q: { adapter = \"smtp\" host = \"a\" password = \"x\" } }",
     "main.conf:2: providers.p.username: stands without password or password_file\n"
     "main.conf:3: providers.q.password: stands without username\n"},
    {"password in clear",
     TOP "providers: { p: { adapter = \"smtp\" host = \"mx.example\" tls = \"none\" username = "
         "\"u\" password = \"x\" } }",
     "main.conf:2: providers.p.password: would cross the network in clear: tls is \"none\" and "
     "mx.example is another machine\n"},
    {"password to this machine",
     TOP "providers: { p: { adapter = \"smtp\" host = \"127.0.0.1\" tls = \"none\" username = "
         "\"u\" password = \"x\" } }",
     ""},
    {"lost password file",
     TOP "providers: { p: { adapter = \"smtp\" host = \"a\" username = \"u\" password_file = "
         "\"lost\" } }",
     "main.conf:2: providers.p.password_file: cannot open lost: No such file or directory\n"},
    {"bounds",
     TOP "providers: { p: { adapter = \"smtp\" host = \"a\" port = 0 connections = "
         "10001 connect_timeout = \"0 s\" } }",
     "main.conf:2: providers.p.port: 0 is not between 1 and 65535\n"
     "main.conf:2: providers.p.connections: 10001 is not between 1 and 10000\n"
     "main.conf:2: providers.p.connect_timeout: \"0 s\" is no time between \"1 ms\" and \"1 d\"\n"},
};

static const struct row partner_rows[] = {
    {"a good one", IN_STREAM "senders = [ \"acme.example\" ]" END_STREAM, ""},
    {"siren", TOP "partners: { a: { name = \"A\" siren = \"12345678\" } }",
     "main.conf:2: partners.a.siren: \"12345678\" is no SIREN, which has nine digits\n"},
    {"name", TOP "partners: { a: { } }", "main.conf:2: partners.a.name: is missing\n"},
    {"no sender", IN_STREAM "senders = [ ]" END_STREAM,
     "main.conf:5: partners.acme.streams.news.senders: is empty\n"},
    {"an address as sender", IN_STREAM "senders = [ \"x@acme.example\" ]" END_STREAM,
     "main.conf:5: partners.acme.streams.news.senders: holds an address: a sender is a domain\n"},
    {"all of .fr", IN_STREAM "senders = [ \".fr\" ]" END_STREAM,
     "main.conf:5: partners.acme.streams.news.senders: \".fr\" would be all of a top-level "
     "domain\n"},
    {"one text is no list", IN_STREAM "senders = \"acme.example\"" END_STREAM,
     "main.conf:5: partners.acme.streams.news.senders: must be a list of texts: [ \"…\" ]\n"},
    {"lost provider",
     TOP "partners: { a: { name = \"A\" streams: { s: { channel = \"email\" senders = [ "
         "\"a.example\" ]\n providers = [\n \"x\" ] } } } }",
     "main.conf:4: partners.a.streams.s.providers: there is no providers.x\n"},
    {"provider twice",
     IN_STREAM "senders = [ \"a.example\" ] } b: { channel = \"email\" senders = [ \"a.example\" ] "
               "providers = [ \"trial\", \"trial\" ]" END_STREAM,
     "main.conf:5: partners.acme.streams.b.providers: \"trial\" stands twice\n"},
    {"channel",
     TOP "partners: { a: { name = \"A\" streams: { s: { channel = \"call\" senders = [ \"A B\" ] "
         "providers = [ \"x\" ] } } } }",
     "main.conf:2: partners.a.streams.s.channel: \"call\" is none of \"email\" or \"sms\"\n"
     "main.conf:2: partners.a.streams.s.providers: there is no providers.x\n"},
    {"a way out that leads nowhere",
     IN_STREAM "senders = [ \"a.example\" ] unsubscribe = \"add\"" END_STREAM,
     "main.conf:5: partners.acme.streams.news.unsubscribe: \"add\" needs public_url, which its "
     "links begin with\n"
     "main.conf:5: partners.acme.streams.news.unsubscribe: \"add\" needs a listener with the "
     "service \"unsubscribe\", or nobody answers its links\n"},
    {"a way out in clear",
     IN_STREAM
     "senders = [ \"a.example\" ] unsubscribe = \"add\"" END_STREAM WEB("http://gate.example"),
     "main.conf:5: partners.acme.streams.news.unsubscribe: \"add\" needs a public_url that begins "
     "with https:// (RFC 8058)\n"},
    {"a way out in clear on this machine",
     IN_STREAM
     "senders = [ \"a.example\" ] unsubscribe = \"add\"" END_STREAM WEB("http://127.0.0.1:8080"),
     ""},
    {"a way out",
     IN_STREAM "senders = [ \"a.example\" ] unsubscribe = \"add\" unsubscribe_existing = "
               "\"leave\"" END_STREAM WEB("https://gate.example/x/"),
     ""},
    {"no way out for service",
     IN_STREAM "senders = [ \"a.example\" ] class = \"service\" unsubscribe = \"add\"" END_STREAM,
     ""},
    {"what is there already",
     IN_STREAM "senders = [ \"a.example\" ] unsubscribe_existing = \"keep\"" END_STREAM,
     "main.conf:5: partners.acme.streams.news.unsubscribe_existing: \"keep\" is none of "
     "\"refuse\" or \"leave\"\n"},
    {"connections of a partner", TOP "partners: { a: { name = \"A\" max_connections = 1000001 } }",
     "main.conf:2: partners.a.max_connections: 1000001 is not between 0 and 1000000\n"},
    {"rate", IN_STREAM "senders = [ \"a.example\" ] rate = -1" END_STREAM,
     "main.conf:5: partners.acme.streams.news.rate: -1 is not between 0 and 1000000\n"},
};

#define ACCOUNT "partners.acme.streams.news.accounts."
#define PRINT   "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static const struct row account_rows[] = {
    {"all kinds",
     IN_ACCOUNTS "a: { password = \"" HASH "\" } b: { networks = [ \"10.0.0.0/8\", \"::1\" ] } "
                 "c: { certificate_sha256 = \"" PRINT "\" }" END_ACCOUNTS,
     ""},
    {"none", IN_ACCOUNTS "a: { }" END_ACCOUNTS,
     "main.conf:6: " ACCOUNT "a: has no condition: password, networks, "
     "certificate_sha256 or application_key\n"},
    {"clear password, not repeated", IN_ACCOUNTS "a: { password = \"hunter2\" }" END_ACCOUNTS,
     "main.conf:6: " ACCOUNT
     "a.password: is no password hash: `octroi password` makes one (\"$y$…\")\n"},
    {"clear password that starts well", IN_ACCOUNTS "a: { password = \"$y$hunter2\" }" END_ACCOUNTS,
     "main.conf:6: " ACCOUNT
     "a.password: is no password hash: `octroi password` makes one (\"$y$…\")\n"},
    {"fingerprint", IN_ACCOUNTS "a: { certificate_sha256 = \"0011\" }" END_ACCOUNTS,
     "main.conf:6: " ACCOUNT "a.certificate_sha256: is no SHA-256: 64 hexadecimal digits\n"},
    {"no network", IN_ACCOUNTS "a: { networks = [ \"10.0.0.0/33\", \"10.0.0\" ] }" END_ACCOUNTS,
     "main.conf:6: " ACCOUNT "a.networks: \"10.0.0.0/33\" is no network such as "
     "\"10.1.0.0/16\"\nmain.conf:6: " ACCOUNT
     "a.networks: \"10.0.0\" is no network such as \"10.1.0.0/16\"\n"},
    {"host bits", IN_ACCOUNTS "a: { networks = [ \"10.1.2.3/16\" ] }" END_ACCOUNTS,
     "main.conf:6: " ACCOUNT
     "a.networks: \"10.1.2.3/16\" has bits behind its prefix; \"10.1.0.0/16\"?\n"},
    {"the internet", IN_ACCOUNTS "a: { networks = [ \"0.0.0.0/0\" ] }" END_ACCOUNTS,
     "main.conf:6: " ACCOUNT "a.networks: \"0.0.0.0/0\" would let the whole internet in\n"},
    {"the internet, v6", IN_ACCOUNTS "a: { networks = [ \"::/0\" ] }" END_ACCOUNTS,
     "main.conf:6: " ACCOUNT "a.networks: \"::/0\" would let the whole internet in\n"},
    {"all of IPv4 by the back door", IN_ACCOUNTS "a: { networks = [ \"::/64\" ] }" END_ACCOUNTS,
     "main.conf:6: " ACCOUNT "a.networks: \"::/64\" would let the whole internet in\n"},
    {"overlap",
     IN_ACCOUNTS "a: { networks = [ \"10.1.0.0/16\" ] }\n b: { networks = [ \"10.0.0.0/8\" ] "
                 "}" END_ACCOUNTS,
     "main.conf:7: " ACCOUNT "b: its networks overlap those of account a (main.conf:6)\n"},
    {"overlap, told apart by a password",
     IN_ACCOUNTS "a: { networks = [ \"10.1.0.0/16\" ] }\n b: { networks = [ \"10.0.0.0/8\" ] "
                 "password = \"" HASH "\" }" END_ACCOUNTS,
     ""},
    {"overlap, told apart by a certificate",
     IN_ACCOUNTS "a: { networks = [ \"10.1.0.0/16\" ] }\n b: { networks = [ \"10.0.0.0/8\" ] "
                 "certificate_sha256 = \"" PRINT "\" }" END_ACCOUNTS,
     ""},
    {"same certificate",
     IN_ACCOUNTS "a: { certificate_sha256 = \"" PRINT "\" }\n b: { certificate_sha256 = \"" PRINT
                 "\" }" END_ACCOUNTS,
     "main.conf:7: " ACCOUNT "b: has the same certificate as account a (main.conf:6)\n"},
    {"one name in two streams",
     IN_STREAM "senders = [ \"a.example\" ] accounts: { a: { password = \"" HASH
               "\" } } }\n other: { channel = \"email\" providers = [ \"trial\" ] senders = [ "
               "\"a.example\" ] accounts: { a: { password = \"" HASH "\" } }" END_STREAM,
     "main.conf:6: partners.acme.streams.other.accounts.a: the account name is already used at "
     "main.conf:5 (one name, one account in the gateway)\n"},
};

static const struct row policy_rows[] = {
    {"all of it",
     TOP "policies: { sms: { accept = [ \"consent\", \"soft-opt-in\" ] partner_naming = "
         "\"category\" partner_added_later = \"pass\" stale_after = \"2 years\" banned_sectors = "
         "[ ] hours = [ \"08:00-12:00\", \"14:00-24:00\" ] days = \"mon-fri,sun\" holidays = "
         "\"FR\" timezone = \"UTC\" stop_mention = \"require\" } }",
     ""},
    {"channel", TOP "policies: { fax: { } }",
     "main.conf:2: policies.fax: is no channel: email, sms, call, autocall or post\n"},
    {"accept", TOP "policies: { sms: { accept = [ \"consent\", \"hope\" ] } }",
     "main.conf:2: policies.sms.accept: \"hope\" is none of \"consent\", \"soft-opt-in\", "
     "\"professional\" or \"informed\"\n"},
    {"accept nothing", TOP "policies: { sms: { accept = [ ] } }",
     "main.conf:2: policies.sms.accept: is empty\n"},
    {"hours", TOP "policies: { sms: { hours = [ \"22:00-08:00\" ] } }",
     "main.conf:2: policies.sms.hours: \"22:00-08:00\" are no hours such as \"08:00-21:30\" "
     "(within one day)\n"},
    {"hours overlap", TOP "policies: { sms: { hours = [ \"10:00-13:00\", \"08:00-10:01\" ] } }",
     "main.conf:2: policies.sms.hours: the hours overlap each other\n"},
    {"days", TOP "policies: { sms: { days = \"fri-mon\" } }",
     "main.conf:2: policies.sms.days: \"fri-mon\" are no days such as \"mon-sat\" or "
     "\"mon,wed,fri\"\n"},
    {"stale", TOP "policies: { sms: { stale_after = \"0 years\" } }",
     "main.conf:2: policies.sms.stale_after: must be longer than nothing\n"},
    {"timezone", TOP "policies: { sms: { timezone = \"Mars/Olympus\" } }",
     "main.conf:2: policies.sms.timezone: \"Mars/Olympus\" is none of \"Europe/Paris\" or "
     "\"UTC\"\n"},
    {"stop mention", TOP "policies: { email: { stop_mention = \"off\" } }",
     "main.conf:2: policies.email.stop_mention: is for sms only\n"},
};

static const struct row retention_rows[] = {
    {"all",
     TOP "retention: { consent = \"3 years\" proof = \"1 day\" opposition = \"3 years\"\n"
         "journal = \"3 years\" observe_detail = \"1 day\" }\n",
     ""},
    {"opposition", TOP "retention: { opposition = \"35 months\" }\n",
     "main.conf:2: retention.opposition: objections and withdrawals are kept for 3 years at least "
     "(\"3 years\" or longer)\n"},
    {"opposition within", TOP "retention: { opposition = \"36 months\" }\n", ""},
    {"opposition in days", TOP "retention: { opposition = \"1094 days\" }\n",
     "main.conf:2: retention.opposition: objections and withdrawals are kept for 3 years at least "
     "(\"3 years\" or longer)\n"},
    {"journal", TOP "retention: { journal = \"37 months\" }\n",
     "main.conf:2: retention.journal: the journal is kept for 3 years at most\n"},
    {"journal's least", TOP "retention: { journal = \"23 h\" }\n",
     "main.conf:2: retention.journal: the journal is kept for a day at least\n"},
    {"detail's least", TOP "retention: { observe_detail = \"1 h\" }\n",
     "main.conf:2: retention.observe_detail: is a day at least\n"},
    {"no period", TOP "retention: { proof = \"for ever\" }\n",
     "main.conf:2: retention.proof: \"for ever\" is no duration such as \"3 years\"\n"},
    {"consent shorter than stale", TOP "retention: { consent = \"35 months\" }\n",
     "main.conf:2: retention.consent: is shorter than policies.email.stale_after: what has ended "
     "here would still pass there\n"},
    {"stale longer than consent", TOP "policies: { sms: { stale_after = \"37 months\" } }\n",
     "main.conf:2: policies.sms.stale_after: is longer than retention.consent: a consent would "
     "pass on sms after it has ended\n"},
    {"both longer",
     TOP "policies: { sms: { stale_after = \"4 years\" } }\n"
         "retention: { consent = \"4 years\" }\n",
     ""},
};

static void run(const struct row *rows, size_t count)
{
    struct sandbox sandbox;
    sandbox_make(&sandbox);
    for (size_t i = 0; i < count; i++)
        expect_findings(&sandbox, rows[i].label, rows[i].text, rows[i].findings);
    sandbox_remove(&sandbox);
}

#define RUN(name)                                                       \
    START_TEST(name)                                                    \
    {                                                                   \
        run(name##_rows, sizeof(name##_rows) / sizeof(name##_rows[0])); \
    }                                                                   \
    END_TEST

RUN(top)
RUN(listener)
RUN(provider)
RUN(partner)
RUN(account)
RUN(policy)
RUN(retention)

int main(void)
{
    const TTest *const tests[] = {top,     listener, provider,  partner,
                                  account, policy,   retention, NULL};
    Suite *const suites[] = {unit_suite("configuration values", tests), NULL};
    return unit_run(suites);
}
