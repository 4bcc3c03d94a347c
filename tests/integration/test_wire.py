# SPDX-License-Identifier: Apache-2.0
"""What is offered, and what the odd but legal client does: AUTH in all its forms, long pipelines,
IPv6, a provider that can do less than usual."""

import base64

import harness


def b64(text):
    return base64.b64encode(text.encode()).decode()


class AuthForms(harness.IntegrationTest):
    def setUp(self):
        super().setUp()
        self.provider = self.scripted()
        self.gate = self.gateway(self.provider, start=False)
        self.gate.config["partners"]["acme"]["streams"]["news"]["accounts"] = {
            "acme-news": {"password": self.gate.password("pässwörd 1")},
            "acme-two": {"password": self.gate.password("other")}}
        self.gate.write_config()
        self.gate.start()

    def test_forms(self):
        good = b64("\0acme-news\0pässwörd 1")
        name, password = b64("acme-news"), b64("pässwörd 1")
        cases = {
            "PLAIN at once": [(f"AUTH PLAIN {good}", 235)],
            "PLAIN asked for": [("AUTH PLAIN", 334), (good, 235)],
            "PLAIN in lower case": [(f"auth plain {good}", 235)],
            "PLAIN for itself": [(f"AUTH PLAIN {b64(chr(0).join(['acme-news'] * 2))}", 501),
                                 ("AUTH PLAIN " + b64("acme-news\0acme-news\0pässwörd 1"), 235)],
            "PLAIN for another": [("AUTH PLAIN " + b64("acme-two\0acme-news\0pässwörd 1"), 501)],
            "LOGIN": [("AUTH LOGIN", 334), (name, 334), (password, 235)],
            "LOGIN with the name": [(f"AUTH LOGIN {name}", 334), (password, 235)],
            "given up": [("AUTH LOGIN", 334), ("*", 501), (f"AUTH PLAIN {good}", 235)],
            "no base64": [("AUTH PLAIN !!!", 501), ("AUTH LOGIN", 334), ("???", 501)],
            "empty": [("AUTH PLAIN =", 501), ("AUTH LOGIN", 334), ("", 501)],
            "unknown": [("AUTH CRAM-MD5", 504)],
            "password of another": [("AUTH PLAIN " + b64("\0acme-two\0pässwörd 1"), 535)],
            "password, and more": [("AUTH PLAIN " + b64("\0acme-news\0pässwörd 1x"), 535)],
            "password, cut": [("AUTH PLAIN " + b64("\0acme-news\0pässwörd "), 535)],
            "twice": [(f"AUTH PLAIN {good}", 235), (f"AUTH PLAIN {good}", 503)],
            "too long": [("AUTH PLAIN " + "A" * 13000, 500)],
        }
        for label, exchange in cases.items():
            with self.subTest(label):
                client = self.wire(self.gate)
                client.hello()
                for line, code in exchange:
                    self.assertEqual(client.say(line)[0], code, line[:80])
                client.say("QUIT", 221)
        self.assertNotIn("pässwörd", self.gate.log())
        self.assertNotIn(good, self.gate.log())

    def test_not_within_a_transaction(self):
        client = self.wire(self.gate)
        self.assertEqual(client.say("AUTH PLAIN AAAA")[0], 503)  # before EHLO
        client.hello()
        client.say("AUTH PLAIN " + b64("\0acme-news\0pässwörd 1"), 235)
        client.say("MAIL FROM:<a@acme.example>", 250)
        self.assertEqual(client.say("AUTH PLAIN " + b64("\0acme-two\0other"))[0], 503)
        self.assertEqual(client.say("STARTTLS")[0], 502)


class Offers(harness.IntegrationTest):
    def offers(self, gate):
        return self.wire(gate).hello()

    def test_what_the_provider_cannot_is_not_offered(self):
        provider = self.scripted(capabilities=["SIZE 1000000"])
        gate = self.gateway(provider, warm=False)
        harness.wait_for("what the provider can do",
                         lambda: "SIZE 1000000" in self.offers(gate))
        offers = self.offers(gate)
        self.assertNotIn("8BITMIME", offers)
        self.assertIn("PIPELINING", offers)  # between partner and gate, whatever lies behind
        sender, yes = self.address(gate, "news", "acme.example"), self.person(gate)
        client = self.wire(gate)
        client.hello()
        self.assertEqual(client.say(f"MAIL FROM:<{sender}> SIZE=1000001")[0], 552)
        code, text = client.say(f"MAIL FROM:<{sender}> BODY=8BITMIME")
        self.assertEqual((code, text[:5]), (554, "5.6.3"))
        code, text = client.say(f"MAIL FROM:<{sender}> SMTPUTF8")
        self.assertEqual((code, text[:5]), (553, "5.6.7"))
        for parameter in ("RET=HDRS", "ENVID=x", "X=y"):
            self.assertEqual(client.say(f"MAIL FROM:<{sender}> {parameter}")[0], 555, parameter)
        client.say(f"MAIL FROM:<{sender}> SIZE=1000000 BODY=7BIT", 250)
        client.say(f"RCPT TO:<{yes}>", 250)
        client.say("DATA", 354)
        client.send(harness.message(sender) + b".\r\n")
        self.assertEqual(client.reply()[0], 250)
        self.assertEqual(provider.messages[0].recipients, [yes])
        # The provider does not pipeline: one command at a time.
        self.assertEqual([c.split()[0] for c in provider.commands() if c[:4] in
                          ("MAIL", "RCPT", "DATA")], ["MAIL", "RCPT", "DATA"])

    def test_size_is_passed_on(self):
        provider = self.scripted()
        gate = self.gateway(provider)
        sender, yes = self.address(gate, "news", "acme.example"), self.person(gate)
        client = self.wire(gate)
        client.hello()
        client.say(f"MAIL FROM:<{sender}> SIZE=4711 BODY=8BITMIME", 250)
        client.say(f"RCPT TO:<{yes}>", 250)
        mail = next(c for c in provider.commands() if c.startswith("MAIL"))
        self.assertRegex(mail, r" SIZE=\d+")
        self.assertIn(" BODY=8BITMIME", mail)

    def test_known_over_a_restart(self):
        """What a provider was last seen to carry counts before it is reached again."""
        provider = self.scripted()
        gate = self.gateway(provider)
        self.assertIn("8BITMIME", self.offers(gate))
        gate.stop()
        provider.stop()
        gate.start()
        self.assertIn("8BITMIME", self.offers(gate))


class Pipelines(harness.IntegrationTest):
    def test_a_thousand_recipients_in_one_write(self):
        provider = self.scripted()
        gate = self.gateway(provider)
        sender = self.address(gate, "news", "acme.example")
        people = [harness.unique(f"p{i}") for i in range(1001)]
        gate.addresses.update(people)
        gate.consent(*people[::2])
        client = self.wire(gate)
        client.hello()
        lines = [f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{each}>" for each in people), "DATA"]
        client.send("".join(line + "\r\n" for line in lines))
        self.assertEqual(client.reply()[0], 250)
        answers = [client.reply() for _ in people]
        for i, answer in enumerate(answers[:1000]):
            if i % 2:
                self.assertBlocked(answer, "NO_CONSENT")
            else:
                self.assertEqual(answer[0], 250, answer)
        self.assertEqual(answers[1000][0], 452)  # max_recipients
        self.assertEqual(client.reply()[0], 354)
        client.send(harness.message(sender) + b".\r\nQUIT\r\n")
        self.assertEqual([client.reply()[0], client.reply()[0]], [250, 221])
        self.assertEqual(provider.messages[0].recipients, people[:1000:2])
        rows = gate.wait_rows(1000)
        self.assertEqual(len(rows), 1000)

    def test_everything_at_once(self):
        """Three messages, the content too, in one write: what stands behind DATA before its answer
        (RFC 2920, 3.1) is neither content nor command; the session ends there."""
        provider = self.scripted()
        gate = self.gateway(provider)
        sender, yes = self.address(gate, "news", "acme.example"), self.person(gate)
        no = self.address(gate, "no")
        content = harness.message(sender)
        one = (f"MAIL FROM:<{sender}>\r\nRCPT TO:<{no}>\r\nRCPT TO:<{yes}>\r\nDATA\r\n").encode()
        client = self.wire(gate)
        client.send(b"EHLO client.test\r\n" + (one + content + b".\r\n") * 3 + b"QUIT\r\n")
        codes = []
        while True:
            code, _ = client.reply()
            if code == 0:
                break
            codes.append(code)
        self.assertEqual(codes, [250, 250, 550, 250, 503])
        self.assertEqual(provider.messages, [])
        rows = {row["reason"]: row["effect"] for row in gate.wait_rows(2)}
        self.assertEqual(rows, {"NO_CONSENT": "refused", "CONSENT": "abandoned"})

    def test_more_sessions_than_provider_connections(self):
        """Sixteen sessions at once, all for one person and over few provider connections."""
        provider = self.scripted()
        gate = self.gateway(start=False, providers={
            "smarthost": provider.provider(connections=3)})
        gate.start().warm()
        sender, yes = self.address(gate, "news", "acme.example"), self.person(gate)
        clients = [self.wire(gate) for _ in range(16)]
        for client in clients:
            client.send(f"EHLO c.test\r\nMAIL FROM:<{sender}>\r\nRCPT TO:<{yes}>\r\nDATA\r\n")
        contents = [harness.message(sender) for _ in clients]
        for client, content in zip(clients, contents):
            client.content = content

        # In any order: as soon as one has its 354, it sends, and frees the connection.
        def finish(client, results):
            codes = [client.reply()[0] for _ in range(4)]
            client.send(client.content + b".\r\n")
            results.append((codes, client.reply()[0]))
        results = []
        threads = [harness.threading.Thread(target=finish, args=(client, results)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(harness.PATIENCE * 2)
        self.assertEqual(results, [([250, 250, 250, 354], 250)] * 16)
        self.assertEqual(sorted(m.without_received()[1] for m in provider.messages),
                         sorted(contents))
        self.assertLessEqual(len(provider.conversations), 16)
        gate.wait_rows(16)


class Ipv6(harness.IntegrationTest):
    def test_listener_and_network(self):
        provider = self.scripted()
        gate = self.gateway(provider, start=False)
        port = harness.free_port("::1")
        gate.config["listeners"]["six"] = {"bind": f"[::1]:{port}", "tls": "none"}
        gate.config["partners"]["acme"]["streams"]["news"]["accounts"] = {
            "acme-six": {"networks": ["::1"]}}
        gate.write_config()
        gate.start().warm()
        sender, yes = self.address(gate, "news", "acme.example"), self.person(gate)
        client = self.wire(port, host="::1")
        client.hello("[IPv6:::1]")
        client.say(f"MAIL FROM:<{sender}>", 250)
        client.say(f"RCPT TO:<{yes}>", 250)
        client.say("DATA", 354)
        client.send(harness.message(sender) + b".\r\n")
        self.assertEqual(client.reply()[0], 250)
        received = provider.messages[0].without_received()[0]
        self.assertIn(b"([IPv6:::1])", received)
        self.assertRow(gate.wait_rows(1)[0], account="acme-six", outcome="accepted")
        four = self.wire(gate)
        four.hello()
        self.assertEqual(four.say(f"MAIL FROM:<{sender}>")[0], 530)
