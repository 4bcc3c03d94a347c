# SPDX-License-Identifier: Apache-2.0
"""Through an esmtp provider: the whole message is taken, then submitted by libESMTP."""

import re
import signal
import smtplib
import ssl
import time

import harness
from harness import Delay, Drop

SENDER = "news@acme.example"


def esmtp(port, **more):
    return {"adapter": "esmtp", "host": "127.0.0.1", "port": port, "tls": "none",
            "connect_timeout": "5 s", "reply_timeout": "20 s", "final_timeout": "20 s",
            "connections": 8, **more}


SIGNED = (b"DKIM-Signature: v=1; a=rsa-sha256; d=acme.example; s=k;\r\n"
          b" h=From:To:Subject:Date:Message-ID:List-Unsubscribe;\r\n"
          b"\tbh=abc=; b=def\r\n  ghi==\r\n"
          b"Received: from a.example by b.example; Mon, 1 Jan 2024 00:00:00 +0000\r\n"
          b"Received: from c.example by a.example; Mon, 1 Jan 2024 00:00:00 +0000\r\n"
          b"From: ACME <news@acme.example>\r\nTo: somebody@example.org\r\n"
          b"Subject: =?utf-8?q?=C3=A9t=C3=A9?=\r\n a second line of it\r\n"
          b"Date: Mon, 1 Jan 2024 00:00:00 +0000\r\nX-Twice: 1\r\nX-Twice: 2\r\n"
          b"List-Unsubscribe: <https://acme.example/u>\r\n" + b"X-Long: " + b"x" * 900 + b"\r\n"
          b"MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
          b"\xc3\xa9t\xc3\xa9 \xff\r\n..\r\n.dot\r\n\r\n   \r\n\r\n")


class Esmtp(harness.IntegrationTest):
    def serve(self, provider, more_providers=None, **keys):
        """A gateway whose smarthost is provider, by esmtp."""
        providers = {"smarthost": esmtp(provider.port, **keys), **(more_providers or {})}
        gate = self.gateway(start=False, providers=providers)
        gate.config["partners"]["acme"]["streams"]["news"]["providers"] = list(providers)
        gate.write_config()
        gate.addresses.add(SENDER)
        gate.addresses.add("somebody@example.org")
        return gate.start()

    def submit(self, gate, recipient, content=None):
        """(code, text) of the answer to the dot, or to the command refused before."""
        with smtplib.SMTP("127.0.0.1", gate.port, timeout=harness.PATIENCE) as client:
            client.ehlo()
            client.mail(SENDER)
            answer = client.rcpt(recipient)
            if answer[0] != 250:
                return answer
            return client.data(content or harness.message(SENDER))

    def fails(self, gate, words, recipient=None):
        """The message is answered with 451, and the row says words; returns the seconds it took."""
        begun = time.monotonic()
        code, text = self.submit(gate, recipient or self.person(gate))
        self.assertEqual((code, text[:5]), (451, b"4.4.0"), text)
        row = gate.wait_rows(1)[-1]
        self.assertRow(row, verdict="pass", effect="deferred")
        self.assertIn(words, row["provider_reply"])
        return time.monotonic() - begun

    def test_bytes_arrive_as_they_were_sent(self):
        provider = self.scripted()
        gate = self.serve(provider)
        yes = self.person(gate)
        code, text = self.submit(gate, yes, SIGNED)
        self.assertEqual(code, 250, text)
        message = provider.wait_messages(1)[0]
        self.assertEqual((message.sender, message.recipients), (SENDER, [yes]))
        self.assertEqual(message.without_received()[1], SIGNED)
        row = gate.wait_rows(1)[0]
        self.assertRow(row, verdict="pass", effect="passed", outcome="accepted",
                       provider="smarthost")
        self.assertRegex(text.decode(), re.escape(row["queue_id"]))

    def test_one_recipient_a_message(self):
        provider = self.scripted()
        gate = self.serve(provider)
        one, two = self.person(gate), self.person(gate)
        with smtplib.SMTP("127.0.0.1", gate.port, timeout=harness.PATIENCE) as client:
            client.ehlo()
            client.mail(SENDER)
            self.assertEqual(client.rcpt(one)[0], 250)
            code, text = client.rcpt(two)
            self.assertEqual((code, text[:5]), (452, b"4.5.3"))
            self.assertEqual(client.data(harness.message(SENDER))[0], 250)
            client.mail(SENDER)
            self.assertEqual(client.rcpt(two)[0], 250)
            self.assertEqual(client.data(harness.message(SENDER))[0], 250)
        self.assertEqual([m.recipients for m in provider.wait_messages(2)], [[one], [two]])

    def test_a_refused_recipient_refuses_the_message(self):
        provider = self.scripted({"RCPT": "550 5.1.1 nobody here"})
        gate = self.serve(provider)
        code, text = self.submit(gate, self.person(gate))
        self.assertEqual((code, text), (550, b"5.1.1 nobody here"))
        self.assertRow(gate.wait_rows(1)[0], effect="passed", outcome="refused")
        self.assertNotIn("DATA", provider.commands())

    def test_what_would_be_changed_is_refused(self):
        provider = self.scripted()
        gate = self.serve(provider)
        code, text = self.submit(gate, self.person(gate), b"To: a\r\nTo: b\r\n" + SIGNED)
        self.assertEqual(code, 554, text)
        self.assertIn(b"twice", text)
        self.assertEqual(provider.conversations, [])

    def test_eight_bits_are_offered_once_they_were_seen(self):
        provider = self.scripted()
        gate = self.serve(provider)

        def offered():
            with smtplib.SMTP("127.0.0.1", gate.port, timeout=harness.PATIENCE) as client:
                client.ehlo()
                return client.has_extn("8bitmime")
        self.assertFalse(offered())
        self.assertEqual(self.submit(gate, self.person(gate))[0], 250)
        self.assertTrue(offered())
        gate.stop()
        gate.start()
        self.assertTrue(offered())

    def test_postfix_as_smarthost(self):
        """It offers CHUNKING, which libESMTP is not let to see."""
        sink = self.sink()
        postfix = self.postfix(sink.port)
        gate = self.serve(postfix)
        for _ in range(3):
            yes = self.person(gate)
            code, text = self.submit(gate, yes)
            self.assertEqual(code, 250, text)
            postfix.wait_log(rf"to=<{re.escape(yes)}>.* status=sent")
        row = gate.wait_rows(3)[0]
        self.assertRow(row, outcome="accepted")
        self.assertIn(row["queue_id"], postfix.log())

    def test_postfix_over_tls(self):
        pki = self.pki()
        certificate, key = pki.issue("smarthost.test", "DNS:smarthost.test")
        sink = self.sink()
        postfix = self.postfix(sink.port, smtpd_tls_security_level="encrypt",
                               smtpd_tls_cert_file=certificate, smtpd_tls_key_file=key,
                               smtpd_tls_loglevel="1")
        gate = self.serve(postfix, tls="required", tls_name="smarthost.test",
                          tls_ca_file=pki.authority())
        for _ in range(3):
            code, text = self.submit(gate, self.person(gate))
            self.assertEqual(code, 250, text)
        self.assertRegex(postfix.log(), r"TLS connection established from .*: TLSv1\.2 ")
        self.assertEqual(len(sink.wait_dumps(3)), 3)

    def tls(self, least=None, greatest=None, name="smarthost.test", **keys):
        pki = self.pki()
        provider = self.scripted(starttls=pki.issue("smarthost.test", "DNS:smarthost.test"))
        provider.tls_versions = (least, greatest)
        return provider, self.serve(provider, tls="required", tls_name=name,
                                    tls_ca_file=pki.authority(), **keys)

    def test_tls_1_2_is_used_where_both_are_offered(self):
        provider, gate = self.tls()
        for _ in range(5):
            self.assertEqual(self.submit(gate, self.person(gate))[0], 250)
        self.assertEqual({c.tls for c in provider.conversations}, {"TLSv1.2"})

    def test_tls_1_2_alone(self):
        provider, gate = self.tls(greatest=ssl.TLSVersion.TLSv1_2)
        self.assertEqual(self.submit(gate, self.person(gate))[0], 250)
        self.assertEqual(provider.conversations[0].tls, "TLSv1.2")

    def test_tls_1_3_alone_fails_at_once(self):
        _, gate = self.tls(least=ssl.TLSVersion.TLSv1_3)
        self.assertLess(self.fails(gate, "TLS failed"), 10)

    def test_a_certificate_for_another_name(self):
        provider, gate = self.tls(name="other.test")
        self.fails(gate, "TLS failed")
        self.assertNotIn("MAIL", " ".join(provider.commands()))

    def test_authenticated(self):
        provider = self.scripted(login=("gate", "horse"))
        gate = self.serve(provider, username="gate", password="horse")
        self.assertEqual(self.submit(gate, self.person(gate))[0], 250)
        self.assertEqual(provider.conversations[0].authenticated, "gate")

    def test_a_refused_password_says_no_mail(self):
        provider = self.scripted(login=("gate", "horse"))
        gate = self.serve(provider, username="gate", password="battery-staple")
        self.fails(gate, "refused the password")
        self.assertEqual([c.split()[0] for c in provider.commands()], ["EHLO", "AUTH", "QUIT"])
        self.assertNotIn("battery-staple", gate.log())

    def test_an_answer_lost_after_the_dot(self):
        provider = self.scripted({".": Drop})
        gate = self.serve(provider)
        code, text = self.submit(gate, self.person(gate))
        self.assertEqual((code, text[:5]), (451, b"4.3.0"))
        self.assertRow(gate.wait_rows(1)[0], effect="passed", outcome="unknown")
        self.assertEqual(len(provider.conversations), 1)

    def test_two_enhanced_codes_are_no_answer(self):
        provider = self.scripted({".": b"250-2.0.0 queued as 1A\r\n250 2.6.0 thanks\r\n"},
                                 capabilities=("ENHANCEDSTATUSCODES", "8BITMIME"))
        gate = self.serve(provider)
        self.assertEqual(self.submit(gate, self.person(gate))[0], 451)
        self.assertRow(gate.wait_rows(1)[0], outcome="unknown")
        self.assertEqual(len(provider.conversations), 1)

    def test_replies_injected_before_tls(self):
        pki = self.pki()
        provider = self.scripted(
            {"STARTTLS": b"220 go\r\n250 x\r\n250 x\r\n250 x\r\n354 x\r\n250 queued as 1A\r\n"},
            starttls=pki.issue("smarthost.test", "DNS:smarthost.test"))
        gate = self.serve(provider, tls="optional")
        self.fails(gate, "more than it was asked")

    def test_a_stuck_provider(self):
        """It is given up in time; with all workers stuck the next route is taken at once, and the
        end of the gateway does not wait for them."""
        stuck = self.scripted({"EHLO": Delay(60)})
        good = self.scripted()
        gate = self.serve(stuck, {"spare": good.provider()}, connections=1, reply_timeout="1 s")
        yes = self.person(gate)
        self.assertLess(self.fails(gate, "no answer in time", yes), 15)
        begun = time.monotonic()
        code, text = self.submit(gate, yes)
        self.assertEqual(code, 250, text)
        self.assertLess(time.monotonic() - begun, 10)
        self.assertEqual(len(good.wait_messages(1)), 1)
        begun = time.monotonic()
        gate.stop()
        self.assertLess(time.monotonic() - begun, 20)

    def state(self, gate, name="smarthost"):
        return next(p for p in gate.ask_status()["providers"] if p["name"] == name)

    def comes_back(self, gate, recipient):
        """Sends until the smarthost, due to be tried, has taken a message."""
        def taken():
            self.submit(gate, recipient)
            return self.state(gate)["breaker"] == "closed"
        harness.wait_for("the provider to be back", taken, timeout=90, pause=0.3)

    def test_a_provider_that_is_down(self):
        """Three messages find out, all others are told at once, and one brings it back."""
        provider = self.scripted()
        gate = self.serve(provider)
        yes = self.person(gate)
        self.assertEqual(self.submit(gate, yes)[0], 250)
        self.assertEqual(self.state(gate)["breaker"], "closed")
        provider.stop()
        for _ in range(3):
            self.assertEqual(self.state(gate)["breaker"], "closed")
            self.fails(gate, "provider smarthost:", yes)
        state = self.state(gate)
        self.assertEqual((state["breaker"], state["attempts_failed"]), ("open", 3))
        self.assertIsNotNone(state["retry_at"])
        with smtplib.SMTP("127.0.0.1", gate.port, timeout=harness.PATIENCE) as client:
            client.ehlo()
            client.mail(SENDER)
            begun = time.monotonic()
            code, text = client.rcpt(yes)
            self.assertEqual((code, text[:5]), (451, b"4.4.0"), text)
            self.assertLess(time.monotonic() - begun, 1)
        self.assertIn("out of service", gate.log_rows()[-1]["provider_reply"])
        provider.start()
        self.comes_back(gate, yes)
        self.assertEqual(len(provider.messages), 2)
        state = self.state(gate)
        self.assertEqual((state["attempts_failed"], state["retry_at"], state["last_error"]),
                         (0, None, None))
        self.assertIn("provider back in service", gate.log())

    def test_the_second_choice_while_the_first_is_down(self):
        provider, spare = self.scripted(), self.scripted()
        gate = self.serve(provider, {"spare": spare.provider()})
        yes = self.person(gate)
        provider.stop()
        for _ in range(3):
            self.fails(gate, "provider smarthost:", yes)
        begun = time.monotonic()
        for _ in range(5):
            code, text = self.submit(gate, yes)
            if time.monotonic() - begun < 0.7:  # the shortest pause
                self.assertEqual(code, 250, text)
        self.assertGreaterEqual(len(spare.messages), 1)
        self.assertNotEqual(self.state(gate)["breaker"], "closed")
        provider.start()
        self.comes_back(gate, yes)
        self.assertEqual(len(provider.messages), 1)
        self.assertRow(gate.log_rows()[-1], provider="smarthost", effect="passed")

    def test_the_end_while_an_answer_is_awaited(self):
        provider = self.scripted({".": Delay(120)})
        gate = self.serve(provider, final_timeout="100 s")
        wire = self.wire(gate)
        wire.hello()
        wire.say(f"MAIL FROM:<{SENDER}>", 250)
        wire.say(f"RCPT TO:<{self.person(gate)}>", 250)
        wire.say("DATA", 354)
        wire.send(harness.message(SENDER) + b".\r\n")
        harness.wait_for("the dot", lambda: provider.conversations and
                         provider.conversations[0].data is not None)
        begun = time.monotonic()
        gate.process.send_signal(signal.SIGTERM)
        time.sleep(1)
        gate.process.send_signal(signal.SIGTERM)
        self.assertEqual(gate.process.wait(harness.LEAVING), 0)
        self.assertLess(time.monotonic() - begun, 20)
        gate.process = None

    def test_large_messages(self):
        provider = self.scripted()
        gate = self.serve(provider)
        date = "Date: Mon, 1 Jan 2024 00:00:00 +0000\r\n"
        content = harness.message(SENDER, headers=date, body="0123456789abcdef" * 60 + "\r\n")
        content += (b"." + b"x" * 70 + b"\r\n") * 150000
        code, text = self.submit(gate, self.person(gate), content)
        self.assertEqual(code, 250, text)
        self.assertEqual(provider.wait_messages(1)[0].without_received()[1], content)
        self.assertEqual([p.name for p in (gate.folder / "state").glob("*")
                          if p.stat().st_size > 5000000], [])

    def test_a_reload_changes_the_smarthost(self):
        one, two = self.scripted(), self.scripted()
        gate = self.serve(one)
        yes = self.person(gate)
        self.assertEqual(self.submit(gate, yes)[0], 250)
        gate.config["providers"]["smarthost"]["port"] = two.port
        gate.write_config()
        gate.reload()
        self.assertEqual(self.submit(gate, yes)[0], 250)
        self.assertEqual((len(one.messages), len(two.messages)), (1, 1))
