# SPDX-License-Identifier: Apache-2.0
"""Mail to compliance: the digest with its signed checkpoint, and alerts, through the esmtp adapter."""

import base64
import datetime
import email
import email.policy
import json
import re
import smtplib
import subprocess

import harness

DPO, FROM = "dpo@compliance.example", "octroi@gate.test"
TODAY = ("--day", datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"))


def esmtp(port):
    return {"adapter": "esmtp", "host": "127.0.0.1", "port": port, "tls": "none",
            "connect_timeout": "5 s", "reply_timeout": "20 s", "final_timeout": "20 s"}


class Post(harness.IntegrationTest):
    def serve(self, relay_port=None, smarthost=None, start=True, **alerts):
        """A gateway that tells DPO through a relay of its own; self.box is the mailbox."""
        self.box = self.scripted()
        self.partner_side = smarthost or self.scripted()
        self.read = 0
        gate = self.gateway(start=False, providers={
            "smarthost": self.partner_side.provider(),
            "relay": esmtp(relay_port or self.box.port)})
        gate.config["alerts"] = {"to": [DPO], "from": FROM, "provider": "relay", "timezone": "UTC",
                                 "digest_at": "00:00", **alerts}
        gate.write_config()
        return gate.start() if start else gate

    def mail(self, subject, timeout=harness.PATIENCE):
        """The next mail of the box, which must have this subject (a pattern)."""
        self.read += 1
        self.box.wait_messages(self.read, timeout)
        message = self.box.messages[self.read - 1]
        self.raw = message.body
        found = email.message_from_bytes(message.body, policy=email.policy.default)
        self.assertEqual(found.defects, [])
        self.assertEqual(found["to"], DPO)
        self.assertIn(FROM, found["from"])
        self.assertEqual(found["auto-submitted"], "auto-generated")
        self.assertRegex(found["message-id"], r"^<[0-9a-f]{32}@gate\.test>$")
        self.assertIsNotNone(found["date"].datetime)
        self.assertRegex(found["subject"], subject)
        self.assertTrue(all(len(line) <= 998 for line in message.body.split(b"\r\n")))
        message.body.decode("ascii")
        return found

    @staticmethod
    def text(mail):
        return mail.get_body().get_content()

    def nothing_more(self):
        self.assertEqual([bytes(m.body)[:400] for m in self.box.messages[self.read:]], [])

    def traffic(self, gate):
        """Two that pass, one that is blocked."""
        sender = "news@acme.example"
        with smtplib.SMTP("127.0.0.1", gate.port, timeout=harness.PATIENCE) as client:
            for who in (self.person(gate), self.person(gate)):
                client.sendmail(sender, [who], harness.message(sender))
            with self.assertRaises(smtplib.SMTPRecipientsRefused):
                client.sendmail(sender, [self.address(gate, "stranger")], harness.message(sender))
        gate.wait_rows(3)

    def checkpoint(self, mail):
        """The attachment, which stands in the text, too; its signature checked by hand."""
        attached, = mail.iter_attachments()
        self.assertEqual(attached.get_filename(), "octroi-checkpoint.json")
        self.assertEqual(attached.get_content_type(), "application/json")
        line = attached.get_content()
        line = (line.decode() if isinstance(line, bytes) else line).strip()
        self.assertIn(line, self.text(mail))
        record = json.loads(line)
        signed, signature = self.path("signed"), self.path("signature")
        signed.write_text("octroi-checkpoint-1\n" + "".join(
            f"{record[key]}\n" for key in ("gateway", "row", "head", "at")))
        signature.write_bytes(base64.b64decode(record["signature"]))
        return line, record, signed, signature

    def test_digest_through_postfix(self):
        box = self.scripted()
        postfix = self.postfix(box.port)
        gate = self.serve(relay_port=postfix.port)
        self.box = box
        self.traffic(gate)
        said = gate.cli("digest", "--send", *TODAY)
        self.assertIn("relay has taken the mail, for 1 recipient", said)
        mail = self.mail(r"^\[gate\.test\] .*\s: 3 messages examinés, 33,3\s% bloqués$")
        text = self.text(mail)
        self.assertIn("la passerelle gate.test a examiné 3 messages", text)
        self.assertIn("Vous n’avez rien à faire.", text)
        self.assertIn("ACME Voyages SAS", text)
        self.assertRegex(text, r"1  NO_CONSENT\S*")
        self.assertRegex(text, r"vérifié ligne par ligne\s: \d+ lignes intactes")
        for address in gate.addresses:
            self.assertNotIn(address, text)
        line, record, signed, signature = self.checkpoint(mail)
        subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-inkey",
                        gate.folder / "keys" / "journal.pub", "-rawin", "-in", signed, "-sigfile",
                        signature], check=True, stdout=subprocess.DEVNULL)
        saved = self.path("mail")
        saved.write_bytes(self.raw)
        for kept in (self.raw.decode(), line, text):
            holds = gate.cli("verify", "--checkpoint", "-", input=kept)
            self.assertIn(f"the journal has row {record['row']} as it was then", holds)
        gate.cli("digest", "--send", "--lang", "en", *TODAY)
        mail = self.mail(r": 3 messages judged, 33\.3% blocked$")
        self.assertIn("There is nothing you have to do.", self.text(mail))
        self.checkpoint(mail)
        self.assertIn("On ", gate.cli("digest", "--lang", "en"))
        gate.cli("alert", "test")
        self.mail(r"^\[gate\.test\] Essai\s: les messages de la passerelle vous parviennent$")
        self.nothing_more()
        self.assertEqual([p.name for p in (gate.state / "post").iterdir()], ["state.json"])

    def test_a_cut_tail_shows_to_who_holds_the_mail(self):
        gate = self.serve(language="en")
        self.traffic(gate)
        gate.cli("digest", "--send", *TODAY)
        mail = self.mail("3 messages judged")
        row = self.checkpoint(mail)[1]["row"]
        saved = self.path("mail")
        saved.write_bytes(self.raw)
        gate.stop()
        segment = gate.state / "journal" / "00000001.seg"
        lines = segment.read_bytes().splitlines(keepends=True)
        left = row - 2
        segment.write_bytes(b"".join(lines[:left]))
        for index in gate.state.glob("journal.db*"):
            index.unlink()
        self.assertIn("journal holds", gate.cli("verify"))
        said = gate.cli("verify", "--checkpoint", saved, expect=1)
        self.assertIn(f"the journal ends at row {left} but the checkpoint of", said)
        self.assertIn(f"missing: rows {left + 1} to {row}, 2 in all", said)
        done = gate.cli("verify", "--checkpoint", saved, "--format", "json", expect=1)
        self.assertFalse(json.loads(done)["holds"])
        # One that says more than was signed is none.
        record = json.loads(self.checkpoint(mail)[0])
        record["row"] = left
        wrong = gate.cli_full("verify", "--checkpoint", "-",
                              input=json.dumps(record, separators=(",", ":")))
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("the checkpoint's signature does not hold", wrong.stderr)

    def test_one_digest_a_day(self):
        gate = self.serve()
        state = gate.state / "post" / "state.json"
        harness.wait_for("the state", state.exists)
        today = int(datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d"))
        # A gate that begins after the hour begins with tomorrow's.
        self.assertEqual(json.loads(state.read_text())["digest_sent_on"], today)
        gate.stop()
        kept = json.loads(state.read_text())
        kept["digest_sent_on"] = today - 1
        state.write_text(json.dumps(kept))
        gate.start()  # it was away at the time
        self.mail(r"\s: aucun partenaire n’a rien envoyé$")
        harness.wait_for("the day's digest to be noted", lambda: json.loads(
            state.read_text())["digest_sent_on"] == today)
        gate.stop()
        gate.start()
        gate.cli("alert", "test")
        self.mail("Essai")
        self.nothing_more()

    def test_provider_down_is_told_once_through_another(self):
        down = self.scripted()
        gate = self.serve(smarthost=down, language="en", provider_down_after="1 s", start=False)
        down.stop()
        gate.start()
        mail = self.mail(r"^\[gate\.test\] The provider smarthost is out of service$")
        self.assertIn("octroi provider test smarthost", self.text(mail))
        gate.stop()
        gate.start()
        harness.wait_for("the breaker", lambda: "open" in [
            p["breaker"] for p in json.loads(gate.cli("status", "--format", "json"))["providers"]])
        digest = gate.cli("digest", "--lang", "en")
        self.assertIn("* The provider smarthost is out of service, since ", digest)
        down.start()
        mail = self.mail(r"^\[gate\.test\] All clear: the provider smarthost works again$",
                         3 * harness.PATIENCE)
        self.assertIn("You have nothing to do.", self.text(mail))
        self.nothing_more()

    def test_a_broken_chain_is_told(self):
        gate = self.serve(verify_every="1 s")
        self.traffic(gate)
        segment = gate.state / "journal" / "00000001.seg"
        with segment.open("r+b") as file:
            whole = file.read()
            at = whole.index(b'"partner":"acme"', whole.index(b'{"type":"decision"')) + 11
            row = whole.count(b"\n", 0, at) + 1
            file.seek(at)
            file.write(b"A")
        mail = self.mail(rf"^\[gate\.test\] La chaîne du journal est rompue\s: ligne {row}$")
        self.assertIn(f"row {row}, id ", self.text(mail))
        self.assertIn("octroi verify", self.text(mail))
        self.assertIn(f"ligne {row}", gate.cli("digest", "--lang", "fr"))
        with segment.open("r+b") as file:
            file.seek(at)
            file.write(b"a")
        self.mail(r"Fin d’alerte\s: le journal est de nouveau intact")
        self.nothing_more()

    def test_suspensions_are_told_and_their_end(self):
        gate = self.serve(language="en")
        harness.wait_for("the state", (gate.state / "post" / "state.json").exists)
        gate.cli("suspend", "partner", "acme", "--reason", "complaints of the week")
        mail = self.mail(r"Suspended: partner ACME Voyages SAS$")
        self.assertIn("complaints of the week", self.text(mail))
        self.assertIn("partner ACME Voyages SAS, since", gate.cli("digest", "--lang", "en"))
        gate.cli("resume", "partner", "acme", "--reason", "settled")
        self.mail(r"No longer suspended: partner ACME Voyages SAS$")
        # Between two looks.
        gate.cli("suspend", "partner", "acme", "--reason", "a slip")
        gate.cli("resume", "partner", "acme", "--reason", "a slip")
        self.mail(r"Suspended: partner ACME")
        self.mail(r"No longer suspended: partner ACME")
        self.nothing_more()

    def test_a_partner_that_does_not_confirm(self):
        gate = self.serve(language="en", start=False)
        gate.config["partners"]["acme"]["notices"] = {
            "url": f"http://127.0.0.1:{harness.free_port()}/", "address": "sealed",
            "address_key": base64.b64encode(b"an address key of 32 bytes, here").decode(),
            "secret": "whsec_" + base64.b64encode(b"0123456789" * 3).decode(),
            "overdue_after": "1 s"}
        gate.write_config()
        gate.file.chmod(0o600)
        gate.start()
        harness.wait_for("the state", (gate.state / "post" / "state.json").exists)
        who = self.person(gate)
        gate.cli("consent", "withdraw", who, "--evidence", "call")
        mail = self.mail(r"ACME Voyages SAS has not confirmed withdrawals in time$",
                         3 * harness.PATIENCE)
        self.assertIn("octroi suspend partner acme", self.text(mail))
        self.assertIn("1 partner has not confirmed withdrawals in time\n",
                      gate.cli("digest", "--lang", "en"))

    def test_a_mail_outlives_kill_9_and_a_relay_that_is_down(self):
        gate = self.serve(language="en", start=False)
        self.box.stop()
        gate.start()
        harness.wait_for("the state", (gate.state / "post" / "state.json").exists)
        gate.cli("suspend", "partner", "acme", "--reason", "stop")
        waiting = harness.wait_for("a mail to wait", lambda: list(
            (gate.state / "post").glob("*.mail")))
        self.assertEqual(waiting[0].stat().st_mode & 0o777, 0o600)
        gate.kill9()
        gate.start()
        self.box.start()
        self.mail(r"Suspended: partner ACME Voyages SAS$", 3 * harness.PATIENCE)
        harness.wait_for("it to be gone", lambda: not list((gate.state / "post").glob("*.mail")))
        gate.cli("alert", "test")
        self.mail("A test")
        self.nothing_more()

    def test_no_flood(self):
        gate = self.serve(language="en", mails_an_hour=2)
        harness.wait_for("the state", (gate.state / "post" / "state.json").exists)
        gate.cli("suspend", "partner", "acme", "--reason", "one")
        self.mail("Suspended: partner ACME")
        gate.cli("suspend", "stream", "acme/news", "--reason", "two")
        self.mail("Suspended: stream acme/news|1 thing to look at")
        gate.cli("resume", "partner", "acme", "--reason", "three")
        state = gate.state / "post" / "state.json"
        harness.wait_for("the end to be seen", lambda: any(
            t["over"] for t in json.loads(state.read_text())["troubles"]))
        gate.cli("alert", "test")
        self.mail("A test")
        self.nothing_more()

    def test_commands_say_what_is_missing(self):
        gate = self.serve(start=False)
        done = gate.cli_full("alert", "test")
        self.assertEqual(done.returncode, 1)
        self.assertIn("the gateway is not running", done.stderr)
        gate.config.pop("alerts")
        gate.write_config()
        gate.start()
        done = gate.cli_full("digest", "--send")
        self.assertEqual(done.returncode, 1)
        self.assertIn("it has no alerts", done.stderr)
        self.assertEqual(gate.cli_full("digest", "--day", "31.1.2026").returncode, 2)
        self.assertRegex(gate.cli("digest", "--day", "2026-01-31", "--lang", "en"),
                         re.compile(r"^31\s?January\s2026: no partner sent anything$", re.M))
