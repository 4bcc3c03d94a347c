# SPDX-License-Identifier: Apache-2.0
"""Python's smtplib as the partner: who gets what answer, and what then reaches the provider."""

import smtplib
import time

import harness


class Smtplib(harness.IntegrationTest):
    def setUp(self):
        super().setUp()
        self.provider = self.scripted()
        self.gate = self.gateway(self.provider)
        self.sender = self.address(self.gate, "news", "acme.example")
        self.client = smtplib.SMTP("127.0.0.1", self.gate.port, timeout=harness.PATIENCE)
        self.addCleanup(self.client.close)

    def test_five_recipients_five_answers_one_delivery(self):
        """Two blocked by consent, one refused by the provider, two accepted."""
        first, second = self.person(self.gate, "first"), self.person(self.gate, "second")
        gone = self.person(self.gate, "gone")
        stranger = self.address(self.gate, "stranger")
        withdrawn = self.person(self.gate, "withdrawn")
        self.gate.cli("consent", "withdraw", withdrawn)

        def answer(_, address):
            if address == gone:
                return "550 5.1.1 <" + address + ">: no such user"
            return f"250 2.1.5 {'one' if address == first else 'two'} ok"
        self.provider.script["RCPT"] = answer

        self.client.ehlo("client.test")
        self.assertEqual(self.client.mail(self.sender), (250, b"2.1.0 Ok"))
        self.assertEqual(self.client.rcpt(first), (250, b"2.1.5 one ok"))
        stranger_ref = self.assertBlocked(self.client.rcpt(stranger), "NO_CONSENT")
        self.assertEqual(self.client.rcpt(gone),
                         (550, f"5.1.1 <{gone}>: no such user".encode()))
        withdrawn_ref = self.assertBlocked(self.client.rcpt(withdrawn), "WITHDRAWN")
        self.assertEqual(self.client.rcpt(second), (250, b"2.1.5 two ok"))
        content = harness.message(self.sender)
        code, text = self.client.data(content)
        self.assertEqual(code, 250)
        self.assertRegex(text.decode(), r"^2\.0\.0 queued as [0-9A-F]{10}$")
        queue_id = text.decode().split()[-1]
        self.assertEqual(self.client.quit()[0], 221)

        self.assertEqual(len(self.provider.messages), 1)
        taken = self.provider.messages[0]
        self.assertEqual((taken.sender, taken.recipients), (self.sender, [first, second]))
        self.assertEqual(taken.without_received()[1], content)
        asked = [line for line in self.provider.commands() if line.startswith("RCPT")]
        self.assertEqual(asked, [f"RCPT TO:<{each}>" for each in (first, gone, second)])

        rows = self.gate.wait_rows(5)
        self.assertEqual(len(rows), 5)
        self.assertEqual(len({row["session"] for row in rows}), 1)
        by_id = {row["id"]: row for row in rows}
        self.assertRow(by_id.pop(stranger_ref), verdict="block", reason="NO_CONSENT",
                       effect="refused", outcome=None, event=None, provider_reply=None)
        self.assertRow(by_id.pop(withdrawn_ref), verdict="block", reason="WITHDRAWN",
                       effect="refused", outcome=None)
        refused = [row for row in by_id.values() if row["outcome"] == "refused"]
        self.assertEqual(len(refused), 1)
        self.assertRow(refused[0], verdict="pass", reason="CONSENT", provider="smarthost")
        self.assertIn("no such user", refused[0]["provider_reply"])
        self.assertNotIn(gone, refused[0]["provider_reply"])
        accepted = [row for row in by_id.values() if row["outcome"] == "accepted"]
        self.assertEqual(len(accepted), 2)
        for row in accepted:
            self.assertRow(row, verdict="pass", reason="CONSENT", effect="passed",
                           partner="acme", stream="news", account="acme-lan", channel="email",
                           purpose="receipt", gateway="gate.test", mode="enforce",
                           provider="smarthost", queue_id=queue_id)
            self.assertRegex(row["recipient"], r"^.•••@example\.org$")
            self.assertIsNotNone(row["event"])
        self.assertEqual(len(self.gate.log_rows("--recipient", gone)), 1)

    def test_sendmail_reports_the_refused(self):
        """What an ordinary program sees: sendmail() delivers to some, and names the others."""
        yes, no = self.person(self.gate), self.address(self.gate, "no")
        refused = self.client.sendmail(self.sender, [yes, no], harness.message(self.sender))
        self.assertEqual(list(refused), [no])
        self.assertBlocked(refused[no], "NO_CONSENT")
        with self.assertRaises(smtplib.SMTPRecipientsRefused):
            self.client.sendmail(self.sender, [no], harness.message(self.sender))
        self.client.sendmail(self.sender, [yes], harness.message(self.sender))
        self.assertEqual([m.recipients for m in self.provider.messages], [[yes], [yes]])
        self.gate.wait_rows(4)

    def test_no_recipient_no_data(self):
        no = self.address(self.gate, "no")
        self.client.ehlo("client.test")
        self.client.mail(self.sender)
        self.assertBlocked(self.client.rcpt(no), "NO_CONSENT")
        self.assertEqual(self.client.docmd("DATA")[0], 554)
        self.assertNotIn("DATA", self.provider.commands())
        self.assertFalse([c for c in self.provider.commands() if c.startswith(("MAIL", "RCPT"))])

    def test_a_hundred_recipients(self):
        people = [harness.unique(f"many{i}") for i in range(100)]
        self.gate.consent(*people)
        refused = self.client.sendmail(self.sender, people, harness.message(self.sender))
        self.assertEqual(refused, {})
        self.assertEqual(self.provider.messages[0].recipients, people)
        rows = self.gate.wait_rows(100)
        self.assertEqual({row["outcome"] for row in rows}, {"accepted"})


class WhileASessionIsOpen(harness.IntegrationTest):
    """What changes in the registry counts at the next RCPT of a session that is open."""

    def setUp(self):
        super().setUp()
        self.provider = self.scripted()
        self.gate = self.gateway(self.provider, partners={
            "acme": harness.partner({"news": harness.email_stream()}),
            "beta": harness.partner({"news": harness.email_stream(
                accounts={"beta-lan": {"networks": ["10.1.0.0/16"]}})})})
        self.sender = self.address(self.gate, "news", "acme.example")
        self.yes = self.person(self.gate)
        self.client = self.wire(self.gate)
        self.client.hello()
        self.client.say(f"MAIL FROM:<{self.sender}>", 250)
        self.client.say(f"RCPT TO:<{self.yes}>", 250)

    def rcpt(self):
        return self.client.say(f"RCPT TO:<{self.yes}>")

    def test_withdrawal(self):
        self.gate.cli("consent", "withdraw", self.yes)
        self.assertBlocked(self.rcpt(), "WITHDRAWN")
        self.client.say("RSET", 250)
        self.client.say(f"MAIL FROM:<{self.sender}>", 250)
        self.assertBlocked(self.rcpt(), "WITHDRAWN")
        # A consent that is older than the withdrawal opens nothing; a later act of its own does.
        self.gate.import_events([{"recipient": self.yes, "occurred_at": harness.instant(3600),
                                  "evidence": "before"}])
        self.assertBlocked(self.rcpt(), "WITHDRAWN")
        time.sleep(1.1)
        self.gate.import_events([{"recipient": self.yes, "occurred_at": harness.instant(),
                                  "evidence": "again"}])
        self.assertEqual(self.rcpt()[0], 250)

    def test_objection(self):
        self.gate.cli("consent", "withdraw", self.yes, "--objection")
        self.assertBlocked(self.rcpt(), "OBJECTED")

    def test_withdrawn_for_another_partner(self):
        self.gate.cli("consent", "withdraw", self.yes, "--partner", "beta")
        self.assertEqual(self.rcpt()[0], 250)
        self.gate.cli("consent", "withdraw", self.yes, "--partner", "acme")
        self.assertBlocked(self.rcpt(), "WITHDRAWN")

    def test_suspensions(self):
        for kind, name in (("partner", "acme"), ("stream", "acme/news"), ("form", "jeu-ete")):
            with self.subTest(kind):
                self.gate.cli("suspend", kind, name, "--reason", "audit")
                self.assertBlocked(self.rcpt(), "SUSPENDED")
                self.gate.cli("resume", kind, name, "--reason", "done")
                self.assertEqual(self.rcpt()[0], 250)

    def test_form_invalidated(self):
        self.gate.cli("form", "invalidate", "jeu-ete@1", "--reason", "wrong wording")
        self.assertBlocked(self.rcpt(), "FORM_INVALID")

    def test_accepted_before_stays_accepted(self):
        """The contract's moment is the verdict: what passed before is delivered."""
        self.gate.cli("consent", "withdraw", self.yes)
        self.client.say("DATA", 354)
        self.client.send(harness.message(self.sender) + b".\r\n")
        self.assertEqual(self.client.reply()[0], 250)
        self.assertRow(self.gate.wait_rows(1)[0], outcome="accepted", reason="CONSENT")


class Modes(harness.IntegrationTest):
    def gate_in(self, mode, **stream):
        self.provider = self.scripted()
        gate = self.gateway(self.provider, partners={
            "acme": harness.partner({"news": harness.email_stream(**stream)}, mode)})
        self.sender = self.address(gate, "news", "acme.example")
        self.client = self.wire(gate)
        self.client.hello()
        return gate

    def send(self, recipients, sender=None, content=None):
        """Answers to the recipients, and to the dot (None when DATA was not taken)."""
        self.client.say(f"MAIL FROM:<{sender or self.sender}>", 250)
        answers = [self.client.say(f"RCPT TO:<{each}>") for each in recipients]
        code, text = self.client.say("DATA")
        if code != 354:
            self.client.say("RSET", 250)
            return answers, None
        self.client.send((content or harness.message(self.sender)) + b".\r\n")
        return answers, self.client.reply()

    def test_observe(self):
        gate = self.gate_in("observe")
        stranger, gone = self.address(gate, "stranger"), self.person(gate, "gone")
        objector = self.address(gate, "objector")
        gate.cli("consent", "withdraw", gone)
        gate.cli("consent", "withdraw", objector, "--objection")
        answers, final = self.send([stranger, gone, objector])
        self.assertEqual(answers[0], (250, "2.1.5 recipient ok"))
        self.assertBlocked(answers[1], "WITHDRAWN")
        self.assertBlocked(answers[2], "OBJECTED")
        self.assertEqual(final[0], 250)
        self.assertEqual(self.provider.messages[0].recipients, [stranger])
        rows = {row["reason"]: row for row in gate.wait_rows(3)}
        self.assertRow(rows["NO_CONSENT"], verdict="block", effect="passed", mode="observe",
                       outcome="accepted")
        self.assertRow(rows["WITHDRAWN"], verdict="block", effect="refused", outcome=None)
        self.assertRow(rows["OBJECTED"], verdict="block", effect="refused", outcome=None)
        # The sender is enforced, too.
        foreign = self.address(gate, "info", "other.example")
        answers, final = self.send([stranger], sender=foreign)
        self.assertBlocked(answers[0], "SENDER_NOT_ALLOWED")
        gate.cli("suspend", "partner", "acme", "--reason", "audit")
        answers, final = self.send([stranger])
        self.assertBlocked(answers[0], "SUSPENDED")

    def test_discard(self):
        gate = self.gate_in("discard")
        yes, no = self.person(gate), self.address(gate, "no")
        answers, final = self.send([no, yes])
        self.assertEqual([code for code, _ in answers], [250, 250])
        self.assertEqual(final[0], 250)
        self.assertEqual([m.recipients for m in self.provider.messages], [[yes]])
        # None remains: the gate answers itself, and the provider hears nothing.
        before = len(self.provider.commands())
        answers, final = self.send([no])
        self.assertEqual((answers[0][0], final[0]), (250, 250))
        self.assertEqual([c for c in self.provider.commands()[before:]
                          if not c.startswith("RSET")], [])
        rows = gate.wait_rows(3)
        self.assertEqual([row["effect"] for row in rows if row["reason"] == "NO_CONSENT"],
                         ["discarded", "discarded"])
        # They share the provider's final answer.
        self.provider.script["."] = "554 5.7.1 spam"
        answers, final = self.send([no, yes])
        self.assertEqual(final, (554, "5.7.1 spam"))
        # A null sender may not show itself either.
        self.client.say("MAIL FROM:<>", 250)
        self.client.say(f"RCPT TO:<{yes}>", 250)
        self.client.say("RSET", 250)
        gate.wait_rows(6)
        self.assertEqual(gate.log_rows()[-1]["reason"], "SENDER_NOT_ALLOWED")

    def test_enforce_null_sender(self):
        gate = self.gate_in("enforce")
        ref = self.assertBlocked(self.client.say("MAIL FROM:<>"), "SENDER_NOT_ALLOWED")
        rows = gate.wait_rows(1)
        self.assertRow(rows[0], id=ref, verdict="block", effect="refused", recipient=None)

    def test_from_rule_after_the_dot(self):
        gate = self.gate_in("enforce")
        yes = self.person(gate)
        foreign = self.address(gate, "info", "other.example")
        answers, final = self.send([yes], content=harness.message(foreign))
        self.assertEqual(answers[0][0], 250)
        ref = self.assertBlocked(final, "SENDER_NOT_ALLOWED")
        self.assertEqual(self.provider.messages, [])
        self.assertNotIn("DATA", self.provider.commands())
        self.assertRow(gate.wait_rows(1)[0], id=ref, verdict="block", effect="refused",
                       reason="SENDER_NOT_ALLOWED", outcome=None)
        for name, content in {
            "none": b"Subject: x\r\n\r\nHello\r\n",
            "two": b"From: a@acme.example\r\nFrom: b@acme.example\r\n\r\nHello\r\n",
            "one foreign of two": b"From: a@acme.example, b@other.example\r\n\r\nHello\r\n",
            "unreadable": b"From: nonsense\r\n\r\nHello\r\n",
        }.items():
            with self.subTest(name):
                _, final = self.send([yes], content=content)
                self.assertEqual(final[0] // 100, 5, final)
        self.assertEqual(self.provider.messages, [])
        # The same session goes on, and a subdomain of .mail.acme.example is the stream's.
        _, final = self.send([yes], sender="bounce@eu.mail.acme.example",
                             content=harness.message("news@eu.mail.acme.example"))
        self.assertEqual(final[0], 250)
        self.assertEqual(len(self.provider.messages), 1)

    def test_unsubscribe_required(self):
        gate = self.gate_in("enforce", unsubscribe="require")
        yes = self.person(gate)
        _, final = self.send([yes])
        self.assertBlocked(final, "OPTOUT_MISSING")
        _, final = self.send([yes], content=harness.message(self.sender, headers=(
            "List-Unsubscribe: <https://acme.example/u?t=1>\r\n"
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n")))
        self.assertEqual(final[0], 250)
        rows = gate.wait_rows(2)
        self.assertEqual([row["reason"] for row in rows], ["OPTOUT_MISSING", "CONSENT"])


class Content(harness.IntegrationTest):
    """What the provider took is what was sent, but for the Received field on top."""

    BODIES = {
        "plain": b"Hello\r\n",
        "dots": b".\r\n..\r\n...\r\n.dot\r\n..two\r\nin . the .. middle\r\nend.\r\n.\r\n",
        "eight-bit": "Été à Noël\r\n€\r\n".encode() + bytes(range(128, 256)) + b"\r\n",
        "controls": bytes(set(range(1, 32)) - {10, 13}) + b"\x7f\r\n",
        "long": b"x" * 998 + b"\r\n" + b"." + b"y" * 997 + b"\r\n" + b"z" * 997 + b"\r\n",
        "empty lines": b"\r\n\r\n\r\n",
        "leading dot line": b".hidden\r\n",
        "large": b"".join(b"%06d " % i + b"abcdefghij" * 7 + b"\r\n" for i in range(20000)),
        "nothing": b"",
    }

    def transmit(self, client, data):
        """In wire form: dot-stuffed."""
        wire = b"".join(b"." + line if line.startswith(b".") else line
                        for line in wire_lines(data))
        client.send(wire + b".\r\n")

    def test_bytes(self):
        provider = self.scripted()
        gate = self.gateway(provider)
        sender, yes = self.address(gate, "news", "acme.example"), self.person(gate)
        client = self.wire(gate)
        self.assertIn("8BITMIME", client.hello())
        header = (f"From: ACME <{sender}>\r\nTo: x\r\nSubject: a\r\n\tfolded\r\n"
                  "X-Odd:no space\r\nx-empty:\r\n").encode()
        cases = {name: header + b"\r\n" + body for name, body in self.BODIES.items()}
        cases["header only"] = header
        for name, content in cases.items():
            with self.subTest(name):
                before = len(provider.messages)
                client.say(f"MAIL FROM:<{sender}> BODY=8BITMIME", 250)
                client.say(f"RCPT TO:<{yes}>", 250)
                client.say("DATA", 354)
                self.transmit(client, content)
                self.assertEqual(client.reply()[0], 250)
                self.assertEqual(len(provider.messages), before + 1)
                received, rest = provider.messages[-1].without_received()
                self.assertTrue(rest == content, f"{rest[:300]!r} … {rest[-100:]!r}")
                self.assertRegex(received.decode(), (
                    r"^Received: from client\.test \(\[127\.0\.0\.1\]\)\r\n"
                    r"\tby gate\.test with ESMTP id \S+;\r\n\t\w{3}, .* \+0000\r\n$"))
        rows = gate.wait_rows(len(cases))
        self.assertEqual({row["outcome"] for row in rows}, {"accepted"})

    def test_byte_by_byte(self):
        provider = self.scripted()
        gate = self.gateway(provider)
        sender, yes = self.address(gate, "news", "acme.example"), self.person(gate)
        content = harness.message(sender, body=".a\r\n..\r\nb\r\n")
        client = self.wire(gate)
        script = (f"EHLO client.test\r\nMAIL FROM:<{sender}>\r\nRCPT TO:<{yes}>\r\nDATA\r\n")
        for byte in script.encode():
            client.send(bytes([byte]))
        self.assertEqual([client.reply()[0] for _ in range(4)], [250, 250, 250, 354])
        for byte in b"".join(b"." + line if line.startswith(b".") else line
                             for line in wire_lines(content)) + b".\r\nQUIT\r\n":
            client.send(bytes([byte]))
        self.assertEqual([client.reply()[0] for _ in range(2)], [250, 221])
        self.assertEqual(provider.messages[0].without_received()[1], content)

    def test_refused_content(self):
        """Bare CR or LF, lines too long: refused, nothing reaches the provider's final dot."""
        provider = self.scripted()
        gate = self.gateway(provider)
        sender, yes = self.address(gate, "news", "acme.example"), self.person(gate)
        head = f"From: {sender}\r\n\r\n".encode()
        for name, content, code, closes in (
                ("bare LF", head + b"a\nb\r\n", 554, True),
                ("bare CR", head + b"a\rb\r\n", 554, True),
                ("smuggling", head + b"a\r\n.\nMAIL FROM:<x@acme.example>\r\n", 554, True),
                ("smuggling 2", head + b"a\n.\r\nMAIL FROM:<x@acme.example>\r\n", 554, True),
                ("long", head + b"x" * 999 + b"\r\n", 500, False),
                ("long header", b"X: " + b"x" * 996 + b"\r\n" + head, 500, False),
                ("no colon", b"From me\r\n" + head, 554, False)):
            with self.subTest(name):
                client = self.wire(gate)
                client.hello()
                client.say(f"MAIL FROM:<{sender}>", 250)
                client.say(f"RCPT TO:<{yes}>", 250)
                client.say("DATA", 354)
                client.send(content + (b"" if closes else b".\r\n"))
                self.assertEqual(client.reply()[0], code)
                if closes:
                    self.assertTrue(client.closed())
                else:
                    client.say("NOOP", 250)
                    client.say("QUIT", 221)
        self.assertEqual(provider.messages, [])
        gate.wait_rows(7, complete=False)
        self.assertEqual({row["outcome"] for row in gate.log_rows()}, {None})


def wire_lines(data):
    """Lines ended by CRLF only: splitlines would also split at form feeds and the like."""
    lines = data.split(b"\r\n")
    return [line + b"\r\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
