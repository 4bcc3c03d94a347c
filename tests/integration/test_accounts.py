# SPDX-License-Identifier: Apache-2.0
"""Who a client is: by its network, its certificate, its login, and several of them at once."""

import base64
import ssl

import harness


def plain(name, password):
    return "AUTH PLAIN " + base64.b64encode(f"\0{name}\0{password}".encode()).decode()


class Accounts(harness.IntegrationTest):
    def setUp(self):
        super().setUp()
        self.provider = self.scripted()
        self.keys = self.pki()
        self.authority = self.keys.authority()
        certificate, key = self.keys.issue("gate.test", "DNS:gate.test,IP:127.0.0.1")
        self.mta = self.keys.issue("mta.acme.example")
        self.other = self.keys.issue("other.example")
        self.gate = self.gateway(self.provider, start=False)
        self.gate.config["listeners"]["submission"].update(
            bind=f"127.0.0.1:{self.gate.port}", tls="optional", certificate_file=certificate,
            key_file=key)
        self.sender = self.address(self.gate, "news", "acme.example")

    def serve(self, accounts, **more):
        self.gate.config["partners"]["acme"]["streams"]["news"]["accounts"] = accounts
        self.gate.config.update(more)
        self.gate.write_config()
        self.gate.start().warm()
        self.yes = self.person(self.gate)

    def client(self, certificate=None, tls=True, source=None):
        client = self.wire(self.gate, source=source)
        client.hello()
        if tls:
            client.starttls(harness.client_context(self.authority, certificate))
            client.hello()
        return client

    def account_of(self, client):
        """The account under which the journal has what client sends; None when it may not."""
        code, text = client.say(f"MAIL FROM:<{self.sender}>")
        if code == 530:
            return None
        self.assertEqual(code, 250, text)
        before = len(self.gate.log_rows())
        client.say(f"RCPT TO:<{self.yes}>", 250)
        client.say("DATA", 354)
        client.send(harness.message(self.sender) + b".\r\n")
        self.assertEqual(client.reply()[0], 250)
        row = self.gate.wait_rows(before + 1)[-1]
        self.assertRow(row, outcome="accepted", partner="acme")
        return row["account"]

    def test_certificate(self):
        fingerprint = harness.Pki.fingerprint(self.mta[0])
        self.serve({"acme-mta": {"certificate_sha256": fingerprint}})
        self.assertEqual(self.account_of(self.client(self.mta)), "acme-mta")
        self.assertIsNone(self.account_of(self.client(self.other)))
        self.assertIsNone(self.account_of(self.client()))
        self.assertIsNone(self.account_of(self.client(tls=False)))
        # The copied fingerprint is worth nothing without the key.
        with self.assertRaises((ssl.SSLError, OSError)):
            self.client((self.mta[0], self.other[1]))

    def test_certificate_without_an_authority(self):
        """The fingerprint is the proof: a self-signed certificate is as good."""
        authority = self.keys.authority("self-made")
        pair = (authority, self.keys.path("self-made", "key"))
        text = harness.Pki.fingerprint(authority).upper()
        colons = ":".join(text[i:i + 2] for i in range(0, 64, 2))
        self.serve({"acme-mta": {"certificate_sha256": colons}})
        self.assertEqual(self.account_of(self.client(pair)), "acme-mta")

    def test_network(self):
        self.serve({"acme-a": {"networks": ["127.0.0.2", "127.1.0.0/16"]},
                    "acme-b": {"networks": ["127.0.0.3/32"]}})
        for source, account in (("127.0.0.2", "acme-a"), ("127.1.2.3", "acme-a"),
                                ("127.0.0.3", "acme-b"), ("127.0.0.1", None),
                                ("127.2.0.1", None)):
            with self.subTest(source):
                self.assertEqual(self.account_of(self.client(tls=False, source=source)), account)

    def test_more_specific_wins(self):
        fingerprint = harness.Pki.fingerprint(self.mta[0])
        self.serve({
            "by-network": {"networks": ["127.0.0.2"]},
            "by-certificate": {"certificate_sha256": fingerprint},
            "by-both": {"certificate_sha256": harness.Pki.fingerprint(self.other[0]),
                        "networks": ["127.0.0.4"]},
            "by-login": {"password": self.gate.password("pass word")},
        })
        self.assertEqual(self.account_of(self.client(source="127.0.0.2")), "by-network")
        self.assertEqual(self.account_of(self.client(self.mta, source="127.0.0.2")),
                         "by-certificate")
        self.assertEqual(self.account_of(self.client(self.other, source="127.0.0.4")), "by-both")
        # One of two conditions is not enough.
        self.assertIsNone(self.account_of(self.client(self.other, source="127.0.0.5")))
        self.assertIsNone(self.account_of(self.client(source="127.0.0.4")))
        # AUTH wins over network and certificate.
        client = self.client(self.mta, source="127.0.0.2")
        client.say(plain("by-login", "pass word"), 235)
        self.assertEqual(self.account_of(client), "by-login")

    def test_all_conditions_of_a_login(self):
        self.serve({"acme-news": {"password": self.gate.password("pass word"),
                                  "networks": ["127.0.0.2"]}})
        client = self.client(source="127.0.0.3")
        client.say(plain("acme-news", "pass word"), 535)
        self.assertIsNone(self.account_of(client))
        client = self.client(source="127.0.0.2")
        self.assertIsNone(self.account_of(client))
        client.say(plain("acme-news", "pass word"), 235)
        self.assertEqual(self.account_of(client), "acme-news")

    def test_overlapping_networks_are_a_mistake(self):
        self.gate.config["partners"]["acme"]["streams"]["news"]["accounts"] = {
            "acme-a": {"networks": ["10.1.0.0/16"]}, "acme-b": {"networks": ["10.1.2.0/24"]}}
        self.gate.write_config()
        done = self.gate.cli_full("check-config")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout + done.stderr, r"octroi\.conf:\d+: .*acme-[ab]")
        self.gate.config["partners"]["acme"]["streams"]["news"]["accounts"] = {
            "acme-a": {"networks": ["10.1.0.0/16"]},
            "acme-b": {"networks": ["10.1.2.0/24"], "certificate_sha256": "ab" * 32}}
        self.gate.write_config()
        self.gate.cli("check-config")

    def test_partners_are_told_apart(self):
        """The same person, the same gate: consent for one partner is none for another."""
        self.gate.config["partners"]["beta"] = harness.partner({"promo": {
            **harness.email_stream(accounts={"beta-lan": {"networks": ["127.0.0.7"]}}),
            "senders": ["beta.example"]}})
        self.serve({"acme-lan": {"networks": ["127.0.0.2"]}})
        self.assertEqual(self.account_of(self.client(source="127.0.0.2")), "acme-lan")
        client = self.client(source="127.0.0.7")
        client.say("MAIL FROM:<news@beta.example>", 250)
        self.assertBlocked(client.say(f"RCPT TO:<{self.yes}>"), "PARTNER_NOT_SHOWN")
        client.say("RSET", 250)
        client.say(f"MAIL FROM:<{self.sender}>", 250)
        self.assertBlocked(client.say(f"RCPT TO:<{self.yes}>"), "SENDER_NOT_ALLOWED")
        rows = self.gate.wait_rows(3)
        self.assertEqual([row["partner"] for row in rows], ["acme", "beta", "beta"])
