# SPDX-License-Identifier: Apache-2.0
"""What a partner may ask of the route beyond RFC 5321: DSN, SMTPUTF8, and what is refused, BDAT."""

import re
import smtplib

import harness

CARRIES = ("PIPELINING", "8BITMIME", "SIZE 52428800", "DSN", "SMTPUTF8")


def wire(text):
    """UTF-8 as the scripted provider shows its command lines."""
    return text.encode().decode("latin-1")


class Extensions(harness.IntegrationTest):
    def gate_before(self, provider, wanted=("DSN", "SMTPUTF8"), **config):
        gate = self.gateway(provider, **config)
        harness.wait_for(f"{wanted} to be known", lambda: all(
            each in gate.ask_status()["providers"][0]["capabilities"] for each in wanted))
        self.sender = self.address(gate, "news", "acme.example")
        return gate

    def postfix_provider(self, relay_port, **settings):
        """A real Postfix as provider; what it reports to the sender comes to self.reports."""
        self.reports = self.scripted(capabilities=CARRIES)
        postfix = self.postfix(relay_port, local_domain="acme.example",
                               local_port=self.reports.port, smtputf8_enable="yes", **settings)
        postfix.provider = lambda **more: harness.smtp_provider(postfix.port, **more)
        return postfix

    def client(self, gate):
        client = smtplib.SMTP("127.0.0.1", gate.port, timeout=harness.PATIENCE)
        self.addCleanup(client.close)
        client.ehlo()
        return client

    # -- DSN

    def test_dsn_through_postfix(self):
        """smtplib asks, Postfix understands, and passes it on as it was asked."""
        end = self.scripted(capabilities=CARRIES)
        gate = self.gate_before(self.postfix_provider(end.port))
        yes, original = self.person(gate), self.address(gate, "original")
        client = self.client(gate)
        self.assertTrue(client.has_extn("dsn"))
        self.assertEqual(client.sendmail(
            self.sender, [yes], harness.message(self.sender),
            mail_options=["RET=HDRS", "ENVID=QQ+2B314"],
            rcpt_options=["NOTIFY=delay,FAILURE", f"ORCPT=rfc822;{original}"]), {})
        end.wait_messages(1)
        said = [line for line in end.commands() if line.startswith(("MAIL", "RCPT"))]
        self.assertRegex(said[0], r" RET=HDRS\b.* ENVID=QQ\+2B314|ENVID=QQ\+2B314.* RET=HDRS")
        self.assertRegex(said[1], rf"ORCPT=rfc822;{re.escape(original)}\b")
        self.assertRegex(said[1], r"NOTIFY=FAILURE,DELAY\b")
        self.assertEqual(len(gate.wait_rows(1)), 1)

    def test_dsn_report_comes_back(self):
        """Beyond Postfix nobody knows DSN, so that Postfix itself reports the hand-over."""
        end = self.scripted()
        gate = self.gate_before(self.postfix_provider(end.port))
        yes, no = self.person(gate), self.address(gate, "no")
        refused = self.client(gate).sendmail(
            self.sender, [yes, no], harness.message(self.sender), mail_options=["ENVID=ref-4711"],
            rcpt_options=["NOTIFY=SUCCESS"])
        self.assertEqual(list(refused), [no])
        report = self.reports.wait_messages(1)[0]
        self.assertEqual((report.sender, report.recipients), ("", [self.sender]))
        text = re.sub(rb"\r\n\s+", b" ", report.body).decode()
        self.assertIn("Original-Envelope-Id: ref-4711", text)
        self.assertIn(f"Final-Recipient: rfc822; {yes}", text)
        self.assertIn("Action: relayed", text)
        self.assertNotIn(no, text)

    def test_not_carried(self):
        """A provider without them: not offered, and refused where they are asked for."""
        gate = self.gateway(self.scripted())
        sender = self.address(gate, "news", "acme.example")
        client = self.wire(gate)
        self.assertFalse({"DSN", "SMTPUTF8", "CHUNKING", "BINARYMIME"} & set(client.hello()))
        self.assertEqual(client.say(f"MAIL FROM:<{sender}> RET=FULL")[0], 555)
        self.assertEqual(client.say(f"MAIL FROM:<{sender}> SMTPUTF8")[1][:5], "5.6.7")
        client.say(f"MAIL FROM:<{sender}>", 250)
        self.assertEqual(client.say("RCPT TO:<a@example.org> NOTIFY=NEVER")[0], 555)

    # -- SMTPUTF8

    def test_smtputf8_through_postfix(self):
        """One person under U-label and A-label; what is refused names nobody in clear."""
        end = self.scripted(capabilities=CARRIES)
        gate = self.gate_before(self.postfix_provider(end.port))
        yes = self.person(gate, "élodie", "bücher.example")
        no = self.address(gate, "andré", "bücher.example")
        ascii_name = self.person(gate, "yes", "xn--bcher-kva.example")
        by_u_label = ascii_name.replace("xn--bcher-kva", "bücher")
        gate.addresses.add(by_u_label)
        content = harness.message(self.sender, subject="Été à Noël", body="Voilà\r\n")
        refused = self.client(gate).sendmail(
            self.sender, [yes, no, by_u_label], content, mail_options=["SMTPUTF8", "BODY=8BITMIME"])
        self.assertEqual(list(refused), [no])
        self.assertEqual(refused[no][0], 550)
        # Postfix may hand the recipients on in one transaction or in several.
        harness.wait_for("both recipients", lambda: sum(
            len(message.recipients) for message in end.messages) == 2)
        local, _, _ = yes.partition("@")
        self.assertEqual({each for message in end.messages for each in message.recipients},
                         {wire(f"{local}@xn--bcher-kva.example"), ascii_name})
        self.assertTrue(any("SMTPUTF8" in message.mail_parameters for message in end.messages))
        self.assertIn("Subject: Été à Noël\r\n".encode(), end.messages[0].body)
        rows = gate.wait_rows(3)
        self.assertEqual(sorted(row["verdict"] for row in rows), ["block", "pass", "pass"])
        self.assertTrue(all(row["recipient"].endswith("@xn--bcher-kva.example") for row in rows))

    def test_smtputf8_is_asked_for(self):
        gate = self.gate_before(self.scripted(capabilities=CARRIES))
        yes = self.person(gate, "élodie")
        client = self.wire(gate)
        self.assertIn("SMTPUTF8", client.hello())
        client.say(f"MAIL FROM:<{self.sender}>", 250)
        self.assertEqual(client.say(f"RCPT TO:<{yes}>")[1][:5], "5.6.7")
        client.say("RSET", 250)
        client.say(f"MAIL FROM:<{self.sender}> SMTPUTF8", 250)
        client.say(f"RCPT TO:<{yes}>", 250)

    # -- CHUNKING

    def test_chunks_are_refused(self):
        """The connection ends, so that a chunk's bytes are nobody's commands."""
        gate = self.gateway(self.scripted())
        sender, yes = self.address(gate, "news", "acme.example"), self.person(gate)
        client = self.wire(gate)
        client.hello()
        client.say(f"MAIL FROM:<{sender}>", 250)
        client.say(f"RCPT TO:<{yes}>", 250)
        chunk = b"RSET\r\nNOOP\r\n"
        client.send(b"BDAT %d LAST\r\n" % len(chunk) + chunk)
        self.assertEqual(client.reply()[0], 502)
        self.assertTrue(client.closed())
        self.assertRow(gate.wait_rows(1)[0], effect="abandoned")
