# SPDX-License-Identifier: Apache-2.0
"""swaks as the partner: pipelining, TLS both ways, AUTH, and what is told to a wrong password."""

import re
import socket
import subprocess

import harness


def outside_address():
    """An IPv4 address of this machine that is not loopback, or None."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent
        except OSError:
            return None
        address = probe.getsockname()[0]
    return None if address.startswith("127.") else address


class SwaksTest(harness.IntegrationTest):
    def setUp(self):
        super().setUp()
        self.provider = self.scripted()
        pki = self.pki()
        certificate, key = pki.issue("gate.test", "DNS:gate.test,IP:127.0.0.1")
        self.authority = pki.authority()
        tls = {"certificate_file": certificate, "key_file": key}
        self.gate = self.gateway(self.provider, start=False)
        self.implicit_port = harness.free_port()
        listeners = self.gate.config["listeners"]
        listeners["submission"].update(tls="optional", **tls)
        listeners["smtps"] = {"bind": f"127.0.0.1:{self.implicit_port}", "tls": "implicit", **tls}
        self.gate.config["partners"]["acme"]["streams"]["news"]["accounts"] = {
            "acme-news": {"password": self.gate.password("s3cret word")}}
        self.listen_outside()
        self.gate.write_config()
        self.gate.start().warm()
        self.yes = self.person(self.gate)
        self.no = self.address(self.gate, "no")
        self.sender = self.address(self.gate, "news", "acme.example")

    def listen_outside(self):
        pass

    def swaks(self, *arguments, to=None, expect=0, port=None, password="s3cret word",
              host="127.0.0.1"):
        done = subprocess.run(
            ["swaks", "--server", host, "--port", str(port or self.gate.port), "--ehlo",
             "client.test", "--from", self.sender, "--to", to or self.yes,
             "--header", f"From: ACME <{self.sender}>", "--body", "Bonjour", "--timeout", "30",
             "--auth-user", "acme-news", "--auth-password", password, *arguments],
            capture_output=True, text=True, timeout=harness.PATIENCE * 2)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done.stdout


class Swaks(SwaksTest):
    def test_pipelining(self):
        text = self.swaks("--pipeline", "--auth", "PLAIN", to=f"{self.no},{self.yes}")
        self.assertRegex(text, r"250-PIPELINING")
        self.assertRegex(text, r"550 5\.7\.1 NO_CONSENT .*, ref \S+")
        self.assertEqual(self.provider.messages[0].recipients, [self.yes])
        # Replies in the order of the commands: MAIL, the refused, the accepted, DATA.
        codes = re.findall(r"^<[-~*]+ +(\d{3}) ", text[text.index("MAIL FROM"):], re.M)
        self.assertEqual(codes[:4], ["250", "550", "250", "354"])
        self.gate.wait_rows(2)

    def test_ways_in(self):
        ways = {
            ("--tls", "--auth", "PLAIN"): "ESMTPSA",
            ("--tls", "--auth", "LOGIN"): "ESMTPSA",
            ("--tls", "--pipeline", "--auth", "LOGIN"): "ESMTPSA",
            ("--auth", "LOGIN"): "ESMTPA",
            ("--tls-on-connect", "--auth", "PLAIN"): "ESMTPSA",
            ("--tls-on-connect", "--auth", "LOGIN"): "ESMTPSA",
        }
        for count, (options, protocol) in enumerate(ways.items(), 1):
            with self.subTest(options):
                port = self.implicit_port if "--tls-on-connect" in options else self.gate.port
                more = () if options[0] == "--auth" else (
                    "--tls-verify", "--tls-ca-path", self.authority, "--tls-sni", "gate.test")
                text = self.swaks(*options, *more, port=port)
                self.assertIn("235 2.7.0", text)
                self.assertEqual(len(self.provider.messages), count)
                received, _ = self.provider.messages[-1].without_received()
                self.assertIn(f" with {protocol} id ".encode(), received)
        for row in self.gate.wait_rows(len(ways)):
            self.assertRow(row, account="acme-news", outcome="accepted")

    def test_wrong_password(self):
        for options in (("--auth", "PLAIN"), ("--tls", "--auth", "LOGIN"),
                        ("--tls-on-connect", "--auth", "PLAIN")):
            with self.subTest(options):
                port = self.implicit_port if "--tls-on-connect" in options else self.gate.port
                text = self.swaks(*options, port=port, password="s3cret", expect=28)
                self.assertRegex(text, r"535 5\.7\.8 ")
        text = self.swaks("--auth", "PLAIN", "--auth-user", "nobody", expect=28)
        self.assertRegex(text, r"535 5\.7\.8 ")
        self.assertEqual(self.provider.messages, [])
        self.assertEqual(self.gate.log_rows(), [])
        self.assertNotIn("s3cret", self.gate.log())

    def test_without_login(self):
        client = self.wire(self.gate)
        client.hello()
        self.assertEqual(client.say(f"MAIL FROM:<{self.sender}>")[0], 530)
        self.assertEqual(client.say(f"RCPT TO:<{self.yes}>")[0], 503)
        self.assertEqual(self.gate.log_rows(), [])

    def test_three_wrong_passwords_end_the_session(self):
        client = self.wire(self.gate)
        client.hello()
        for _ in range(3):
            client.say("AUTH PLAIN AGFjbWUtbmV3cwB3cm9uZw==", 535)
        self.assertEqual(client.reply()[0], 421)
        self.assertTrue(client.closed())

    def test_starttls_forgets_what_was_said_before(self):
        client = self.wire(self.gate)
        client.hello()
        # What is sent in clear behind STARTTLS must not be taken for something said under TLS.
        client.send("STARTTLS\r\nNOOP injected\r\n")
        self.assertEqual(client.reply()[0], 220)
        client.secure(harness.client_context(self.authority))
        self.assertEqual(client.say(f"MAIL FROM:<{self.sender}>")[0], 503)
        offers = client.hello()
        self.assertNotIn("STARTTLS", offers)
        self.assertIn("AUTH PLAIN LOGIN", offers)

    def test_the_end_of_tls_is_told(self):
        """A close without close_notify could be somebody's cut; the harness takes it for one."""
        client = self.wire(self.gate)
        client.hello()
        client.starttls(harness.client_context(self.authority))
        client.say("QUIT", 221)
        self.assertTrue(client.closed())


class FromOutside(SwaksTest):
    """A peer that is not on loopback gets AUTH only under TLS."""

    def listen_outside(self):
        self.host = outside_address()
        if self.host is None:
            self.skipTest("this machine has no address but loopback")
        self.gate.port = harness.free_port(self.host)
        self.gate.config["listeners"]["submission"]["bind"] = f"{self.host}:{self.gate.port}"

    def test_no_auth_in_clear(self):
        client = self.wire(self.gate, host=self.host)
        offers = client.hello()
        self.assertIn("STARTTLS", offers)
        self.assertFalse([line for line in offers if line.startswith("AUTH")], offers)
        self.assertEqual(client.say("AUTH PLAIN AGFjbWUtbmV3cwBzM2NyZXQgd29yZA==")[0], 538)
        self.assertEqual(client.say(f"MAIL FROM:<{self.sender}>")[0], 530)
        text = self.swaks("--auth", "PLAIN", host=self.host, expect=28)
        self.assertNotIn("s3cret word", self.gate.log())
        self.assertNotIn("235 2.7.0", text)
        self.swaks("--tls", "--auth", "PLAIN", host=self.host)
        self.assertEqual(len(self.provider.messages), 1)
        self.gate.wait_rows(1)
