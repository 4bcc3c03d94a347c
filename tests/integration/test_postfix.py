# SPDX-License-Identifier: Apache-2.0
"""A partner's own Postfix relays through the gate to smtp-sink: queue, retry and bounce are its."""

import re
import smtplib

import harness


class PostfixRelay(harness.IntegrationTest):
    def relay_through(self, gate, **settings):
        """Postfix in front of gate; what it sends back to the sender comes to self.bounces."""
        self.bounces = self.scripted()
        self.sender = harness.unique("news", "acme.example")
        gate.addresses.add(self.sender)
        return self.postfix(gate.port, local_domain="acme.example",
                            local_port=self.bounces.port, **settings)

    def submit(self, postfix, *recipients):
        content = harness.message(self.sender, body="Bonjour,\r\n.\r\n..dots\r\n")
        with smtplib.SMTP("127.0.0.1", postfix.port, timeout=harness.PATIENCE) as client:
            self.assertEqual(client.sendmail(self.sender, recipients, content), {})

    def check_delivery(self, gate, sink, postfix):
        yes, no = self.person(gate), self.address(gate, "no")
        self.submit(postfix, yes, no)
        postfix.wait_log(rf"to=<{re.escape(yes)}>.* status=sent")
        dump = sink.wait_dumps(1)[0]
        self.assertIn(f"X-Mail-Args: <{self.sender}>", dump)
        self.assertIn(f"X-Rcpt-Args: <{yes}>", dump)
        self.assertNotIn(no, dump)
        self.assertIn("\n\nBonjour,\n", dump)
        refusal = postfix.wait_log(rf"to=<{re.escape(no)}>.* dsn=5\.7\.1, status=bounced "
                                   r"\((.*said: 550 5\.7\.1 NO_CONSENT.*, ref \S+).*\)").group(1)
        ref = re.search(r"ref (\S+)", refusal).group(1)
        bounce = self.bounces.wait_messages(1)[0]
        self.assertEqual((bounce.sender, bounce.recipients), ("", [self.sender]))
        unfolded = re.sub(rb"\r\n\s+", b" ", bounce.body).decode()
        self.assertIn(f"Final-Recipient: rfc822; {no}", unfolded)
        self.assertRegex(unfolded, rf"Diagnostic-Code: smtp; 550 5\.7\.1 NO_CONSENT .*, ref {ref}")
        rows = {row["reason"]: row for row in gate.wait_rows(2)}
        self.assertRow(rows["NO_CONSENT"], id=ref, verdict="block", effect="refused", outcome=None)
        self.assertRow(rows["CONSENT"], verdict="pass", effect="passed", outcome="accepted")
        self.assertEqual(len(sink.dumps()), 1)
        return rows

    def test_by_network(self):
        sink = self.sink()
        gate = self.gateway(sink)
        postfix = self.relay_through(gate)
        rows = self.check_delivery(gate, sink, postfix)
        self.assertRow(rows["CONSENT"], account="acme-lan")

    def test_by_login_over_starttls(self):
        pki = self.pki()
        certificate, key = pki.issue("gate.test", "IP:127.0.0.1,DNS:gate.test")
        sink = self.sink()
        gate = self.gateway(sink, start=False)
        gate.config["listeners"]["submission"].update(
            tls="required", certificate_file=certificate, key_file=key)
        gate.config["partners"]["acme"]["streams"]["news"]["accounts"] = {
            "acme-mta": {"password": gate.password("correct horse")}}
        gate.write_config()
        gate.start().warm()
        postfix = self.relay_through(
            gate, smtp_tls_security_level="may", smtp_tls_CAfile=pki.authority(),
            smtp_tls_policy_maps=(
                f"inline:{{ {{ [127.0.0.1]:{gate.port} = secure match=gate.test }} }}"),
            smtp_tls_loglevel="1",
            smtp_sasl_auth_enable="yes", smtp_sasl_security_options="noanonymous",
            smtp_sasl_password_maps=(
                f"inline:{{ {{ [127.0.0.1]:{gate.port} = acme-mta:correct horse }} }}"))
        rows = self.check_delivery(gate, sink, postfix)
        self.assertRow(rows["CONSENT"], account="acme-mta")
        self.assertRegex(postfix.log(), r"Verified TLS connection established to 127\.0\.0\.1")
        self.assertIn("with ESMTPSA id", sink.dumps()[0])

    def test_provider_down_is_kept_in_its_queue(self):
        """The gate has no queue: 451 leaves the message with Postfix, which tries again."""
        provider = self.scripted()
        gate = self.gateway(provider)
        provider.stop()
        postfix = self.relay_through(gate)
        yes = self.person(gate)
        self.submit(postfix, yes)
        postfix.wait_log(rf"to=<{re.escape(yes)}>.* status=deferred \(.*said: 451 4\.4\.")
        provider.start()

        def arrived():
            # Again and again: what is only on its way into the deferred queue is not flushed.
            harness.subprocess.run(["/usr/sbin/postqueue", "-c", postfix.config, "-f"], check=True)
            return provider.messages
        harness.wait_for("the message", arrived, pause=0.5)
        postfix.wait_log(rf"to=<{re.escape(yes)}>.* status=sent")
        rows = gate.wait_rows(2)
        self.assertEqual([row["effect"] for row in rows], ["deferred", "passed"])
        self.assertEqual([row["outcome"] for row in rows], [None, "accepted"])

    def test_many_messages(self):
        """Postfix's own parallelism and connection reuse, 60 messages, every third blocked."""
        sink = self.sink()
        gate = self.gateway(sink)
        postfix = self.relay_through(gate)
        people = [harness.unique(f"p{i}") for i in range(60)]
        gate.addresses.update(people)
        gate.consent(*[each for i, each in enumerate(people) if i % 3])
        for each in people:
            self.submit(postfix, each)
        sink.wait_dumps(40)
        self.bounces.wait_messages(20)
        rows = gate.wait_rows(60)
        self.assertEqual(len(rows), 60)
        self.assertEqual(len([row for row in rows if row["outcome"] == "accepted"]), 40)
        self.assertEqual(len(sink.dumps()), 40)
        for i, each in enumerate(people):
            self.assertEqual(any(f"X-Rcpt-Args: <{each}>" in dump for dump in sink.dumps()),
                             bool(i % 3))
