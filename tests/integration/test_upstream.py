# SPDX-License-Identifier: Apache-2.0
"""The way to the provider: TLS with verification, AUTH, failover; what cannot be trusted gets
nothing."""

import harness


class Upstream(harness.IntegrationTest):
    def setUp(self):
        super().setUp()
        self.keys = self.pki()
        self.authority = self.keys.authority()

    def gate_to(self, provider, warm=True, **settings):
        gate = self.gateway(start=False, providers={"smarthost": provider.provider(**settings)})
        gate.start()
        if warm:
            gate.warm()
        self.sender = self.address(gate, "news", "acme.example")
        self.yes = self.person(gate)
        return gate

    def send(self, gate):
        """(answer to RCPT, answer to the dot or None)."""
        client = self.wire(gate)
        client.hello()
        client.say(f"MAIL FROM:<{self.sender}>", 250)
        answer = client.say(f"RCPT TO:<{self.yes}>")
        if answer[0] != 250:
            return answer, None
        client.say("DATA", 354)
        client.send(harness.message(self.sender) + b".\r\n")
        return answer, client.reply()

    def check_passes(self, provider, gate):
        answer, final = self.send(gate)
        self.assertEqual((answer[0], final[0] if final else None), (250, 250), answer)
        self.assertEqual(len(provider.messages), 1)
        self.assertRow(gate.wait_rows(1)[0], outcome="accepted")

    def check_nothing_passes(self, provider, gate):
        answer, final = self.send(gate)
        self.assertEqual((answer[0], final), (451, None))
        self.assertTrue(answer[1].startswith("4.4."), answer)
        self.assertEqual(provider.messages, [])
        said = [c for c in provider.commands() if c.split()[0] in ("MAIL", "RCPT", "DATA", "AUTH")]
        self.assertEqual(said, [])
        self.assertRow(gate.wait_rows(1)[0], verdict="pass", effect="deferred", outcome=None)
        status = gate.status()["providers"][0]
        self.assertTrue(status["last_error"], status)

    def provider_with(self, how, certificate, **more):
        return self.scripted(**{"starttls" if how == "required" else "implicit": certificate},
                             **more)

    def test_trusted(self):
        for how in ("required", "implicit"):
            with self.subTest(how):
                certificate = self.keys.issue("smtp.provider.test")
                provider = self.provider_with(how, certificate)
                gate = self.gate_to(provider, tls=how, tls_name="smtp.provider.test",
                                    tls_ca_file=self.authority)
                self.check_passes(provider, gate)
                talk = next(c for c in provider.conversations
                            if any(line.startswith("MAIL") for line in c.commands))
                self.assertTrue(talk.tls)
                if how == "required":
                    # EHLO is said again: what was learned in clear counts for nothing.
                    verbs = [line.split()[0] for line in talk.commands]
                    self.assertEqual(verbs[:3], ["EHLO", "STARTTLS", "EHLO"])

    def test_address_in_the_certificate(self):
        certificate = self.keys.issue("by-address", "IP:127.0.0.1")
        provider = self.provider_with("implicit", certificate)
        self.check_passes(provider, self.gate_to(provider, tls="implicit",
                                                 tls_ca_file=self.authority))

    def test_wrong_name(self):
        for how in ("required", "implicit"):
            with self.subTest(how):
                provider = self.provider_with(how, self.keys.issue("other.test"))
                self.check_nothing_passes(provider, self.gate_to(
                    provider, warm=False, tls=how, tls_name="smtp.provider.test",
                    tls_ca_file=self.authority))

    def test_unknown_authority(self):
        stranger = self.keys.authority("stranger")
        for how in ("required", "implicit"):
            with self.subTest(how):
                provider = self.provider_with(how, self.keys.issue("smtp.provider.test"))
                self.check_nothing_passes(provider, self.gate_to(
                    provider, warm=False, tls=how, tls_name="smtp.provider.test",
                    tls_ca_file=stranger))

    def test_no_starttls_offered(self):
        provider = self.scripted()
        self.check_nothing_passes(provider, self.gate_to(
            provider, warm=False, tls="required", tls_ca_file=self.authority))

    def test_starttls_refused(self):
        provider = self.provider_with("required", self.keys.issue("smtp.provider.test"))
        provider.script["STARTTLS"] = "454 4.7.0 not now"
        self.check_nothing_passes(provider, self.gate_to(
            provider, warm=False, tls="required", tls_name="smtp.provider.test",
            tls_ca_file=self.authority))

    def test_injected_before_tls(self):
        """What the provider's line carries behind its 220 in clear is not taken for its word."""
        provider = self.provider_with("required", self.keys.issue("smtp.provider.test"))
        secure = provider.starttls

        def inject(talk, _):
            talk._send(b"220 go ahead\r\n250 injected\r\n250 injected\r\n250 injected\r\n")
            talk._secure(secure)
            talk.file = talk.connection.makefile("rb")
            return b""
        provider.script["STARTTLS"] = inject
        gate = self.gate_to(provider, warm=False, tls="required",
                            tls_name="smtp.provider.test", tls_ca_file=self.authority)
        answer, _ = self.send(gate)
        if answer[0] == 250:
            # The injected lines were thrown away: every answer is a real one.
            self.assertEqual(answer[1], "2.1.5 recipient ok")
            self.assertEqual(len(provider.messages), 1)
        else:
            self.assertEqual(answer[0], 451)
            self.assertEqual(provider.messages, [])

    def test_opportunistic(self):
        """tls optional: encrypted when offered, whoever it is; in clear when not."""
        provider = self.provider_with("required", self.keys.issue("anybody.test"))
        gate = self.gate_to(provider, tls="optional")
        self.check_passes(provider, gate)
        self.assertTrue(any(c.tls and any(l.startswith("DATA") for l in c.commands)
                            for c in provider.conversations))
        clear = self.scripted()
        self.check_passes(clear, self.gate_to(clear, tls="optional"))

    def test_login(self):
        provider = self.provider_with("required", self.keys.issue("smtp.provider.test"),
                                      login=("gate", "pass word"))
        settings = dict(tls="required", tls_name="smtp.provider.test",
                        tls_ca_file=self.authority, username="gate")
        gate = self.gate_to(provider, password="pass word", **settings)
        self.check_passes(provider, gate)
        self.assertNotIn("pass word", gate.log())
        self.assertNotIn("pass word", str(gate.status()))

    def test_login_over_loopback_in_clear(self):
        provider = self.scripted(login=("gate", "pass word"))
        self.check_passes(provider, self.gate_to(provider, username="gate",
                                                 password="pass word"))

    def test_login_refused(self):
        provider = self.scripted(login=("gate", "pass word"))
        gate = self.gate_to(provider, warm=False, username="gate", password="wr0ng word")
        answer, final = self.send(gate)
        self.assertEqual((answer[0], final), (451, None), answer)
        self.assertEqual([c for c in provider.commands() if c.startswith("MAIL")], [])
        self.assertNotIn("wr0ng", gate.log())
        self.assertRow(gate.wait_rows(1)[0], effect="deferred", outcome=None)

    def test_failover_before_anything_was_said(self):
        second = self.scripted()
        down = harness.free_port()
        gate = self.gateway(
            providers={"first": harness.smtp_provider(down), "second": second.provider()},
            partners={"acme": harness.partner(
                {"news": harness.email_stream(providers=("first", "second"))})})
        self.sender = self.address(gate, "news", "acme.example")
        self.yes = self.person(gate)
        self.check_passes(second, gate)
        self.assertRow(gate.log_rows()[0], provider="second")

    def test_refusals_are_relayed_as_they_are(self):
        """MAIL, RCPT, DATA and the dot: each refusal comes to the partner word for word."""
        provider = self.scripted()
        gate = self.gate_to(provider)
        for step, code in (("MAIL", 451), ("MAIL", 550), ("RCPT", 452), ("RCPT", 551),
                           ("DATA", 451), ("DATA", 554), (".", 452), (".", 554)):
            with self.subTest(f"{step} {code}"):
                text = f"{code // 100}.7.1 said by {step}\nsecond line"
                provider.script = {step: f"{code} {text}"}
                answer, final = self.send(gate)
                refused = answer if step in ("MAIL", "RCPT") else final
                self.assertEqual(refused, (code, text))
                self.assertEqual(provider.messages, [])
        provider.script = {}
        self.assertEqual(self.send(gate)[1][0], 250)
        rows = gate.wait_rows(9)
        self.assertEqual([row["outcome"] for row in rows], ["refused"] * 8 + ["accepted"])
        self.assertTrue(all("said by" in row["provider_reply"] for row in rows[:8]))


class Capture(harness.IntegrationTest):
    """The adapter that writes into a Maildir and sends nothing."""

    def test_maildir(self):
        gate = self.gateway(start=False, providers={
            "smarthost": {"adapter": "capture", "directory": "maildir"}})
        maildir = gate.folder / "maildir"
        self.maildirs.append(maildir)
        gate.start()
        sender = self.address(gate, "news", "acme.example")
        people = [harness.unique(f"person{i}") for i in range(3)]
        gate.consent(*people)
        no = self.address(gate, "no")
        client = self.wire(gate)
        offers = client.hello()
        self.assertIn("PIPELINING", offers)
        content = harness.message(sender, body=".one\r\n..\r\ncafé\r\n".encode().decode())
        client.say(f"MAIL FROM:<{sender}>", 250)
        for each in people:
            client.say(f"RCPT TO:<{each}>", 250)
        self.assertBlocked(client.say(f"RCPT TO:<{no}>"), "NO_CONSENT")
        client.say("DATA", 354)
        stuffed = content.replace(b"\r\n.", b"\r\n..")
        client.send(stuffed + b".\r\n")
        self.assertEqual(client.reply()[0], 250)
        self.assertEqual({path.name for path in maildir.iterdir()}, {"cur", "new", "tmp"})
        files = list((maildir / "new").iterdir())
        self.assertEqual(len(files), 1)
        self.assertEqual(list((maildir / "tmp").iterdir()), [])
        stored = files[0].read_bytes().replace(b"\r\n", b"\n")
        for each in people:
            self.assertIn(each.encode(), stored)
        self.assertNotIn(no.encode(), stored)
        self.assertTrue(stored.endswith(content.replace(b"\r\n", b"\n")), stored)
        self.assertEqual(files[0].stat().st_mode & 0o007, 0)
        rows = gate.wait_rows(4)
        self.assertEqual([row["outcome"] for row in rows if row["verdict"] == "pass"],
                         ["accepted"] * 3)
        # A message that is given up leaves nothing behind.
        client.say(f"MAIL FROM:<{sender}>", 250)
        client.say(f"RCPT TO:<{people[0]}>", 250)
        client.say("DATA", 354)
        client.send(content)
        client.close()
        rows = gate.wait_rows(5, complete=False)
        harness.wait_for("the row to say so",
                         lambda: gate.log_rows()[-1]["effect"] == "abandoned")
        self.assertEqual(list((maildir / "new").iterdir()), files)
        self.assertEqual(list((maildir / "tmp").iterdir()), [])

    def test_a_hundred_then_452(self):
        gate = self.gateway(start=False, providers={
            "smarthost": {"adapter": "capture", "directory": "maildir"}})
        maildir = gate.folder / "maildir"
        self.maildirs.append(maildir)
        gate.start()
        sender = self.address(gate, "news", "acme.example")
        people = [harness.unique(f"person{i}") for i in range(101)]
        gate.consent(*people)
        client = self.wire(gate)
        client.hello()
        client.say(f"MAIL FROM:<{sender}>", 250)
        codes = [client.say(f"RCPT TO:<{each}>") for each in people]
        self.assertEqual([code for code, _ in codes], [250] * 100 + [452])
        self.assertTrue(codes[-1][1].startswith("4.5.3"))
        client.say("DATA", 354)
        client.send(harness.message(sender) + b".\r\n")
        self.assertEqual(client.reply()[0], 250)
        self.assertEqual(len(list((maildir / "new").iterdir())), 1)
        self.assertEqual(len(gate.wait_rows(100)), 100)

    def test_folder_gone(self):
        """What cannot be written is not accepted."""
        gate = self.gateway(start=False, providers={
            "smarthost": {"adapter": "capture", "directory": "maildir"}})
        maildir = gate.folder / "maildir"
        self.maildirs.append(maildir)
        gate.start()
        sender, yes = self.address(gate, "news", "acme.example"), self.person(gate)
        harness.shutil.rmtree(maildir, ignore_errors=True)
        maildir.write_text("a file is in the way")
        client = self.wire(gate)
        client.hello()
        client.say(f"MAIL FROM:<{sender}>", 250)
        code, text = client.say(f"RCPT TO:<{yes}>")
        if code == 250:
            client.say("DATA", 354)
            client.send(harness.message(sender) + b".\r\n")
            code, text = client.reply()
        self.assertEqual(code, 451, text)
        self.assertNotIn("accepted", [row["outcome"] for row in gate.log_rows()])
