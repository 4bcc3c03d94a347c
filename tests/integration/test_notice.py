# SPDX-License-Identifier: Apache-2.0
"""The three cases of the notice of 7 April 2022, each from the failing practice to the one that
holds: a phone list handed over although nobody was informed, an e-mail and a text message to people
who never consented. Blocked, with the right code; then the form is put right, people answer it, and
the same question passes on the event they gave, which the journal names."""

import csv
import json
import secrets

import harness

# What the companies had: a form that speaks of the collector's own messages and of no partner.
OLD = {"id": "jeu", "version": 1, "channels": ["email", "sms", "call"], "partners": [],
       "purposes": ["receipt"], "effective_from": "2024-01-01T00:00:00Z"}
# What they then made of it: the partner by name, and that data are passed on.
NEW = {**OLD, "version": 2, "partners": ["acme"], "purposes": ["receipt", "transmission"],
       "effective_from": "2025-01-01T00:00:00Z",
       "wording": "J'accepte que mes coordonnees soient transmises a ACME Voyages."}
BEFORE, AFTER = "2024-06-01T10:00:00Z", "2025-06-01T10:00:00Z"


class Notice(harness.IntegrationTest):
    def gate_with(self, **policies):
        self.provider = self.scripted()
        gate = self.gateway(self.provider, policies={"email": {}, "sms": {}, "call": {},
                                                     **policies})
        self.sender = self.address(gate, "news", "acme.example")
        gate.add_form(**OLD)
        return gate

    def phone(self, gate):
        number = f"+3361{secrets.randbelow(10**7):07d}"  # all of 06 1x is given out
        gate.addresses.add(number)
        return number

    def told(self, gate, who, channel, version, **more):
        """The person answers that version of the form; returns the number of the event."""
        gate.import_events([{"recipient": who, "channel": channel, "form": f"jeu@{version}",
                             "occurred_at": BEFORE if version == 1 else AFTER,
                             "evidence": f"answer {version}", **more}])
        return self.history(gate, who)[-1]["id"]

    @staticmethod
    def history(gate, who):
        text = gate.cli("consent", "show", who, "--format", "json")
        return [json.loads(line) for line in text.splitlines()]

    def screen(self, gate, channel, who):
        """Hands over a list of one: whether the row is on the partner's list, the reason it is not,
        and the journal's row."""
        listed = self.path("list")
        passed, blocked = self.path("passed"), self.path("blocked")
        listed.write_text(f"nom,{'email' if '@' in who else 'mobile'}\nDurand,{who}\n")
        gate.cli("screen", "--partner", "acme", "--channel", channel, "--output", passed,
                 "--blocked", blocked, listed)
        row = gate.log_rows("--channel", channel)[-1]
        self.assertEqual(row["purpose"], "transmission")
        refused = list(csv.DictReader(blocked.read_text().splitlines()))
        self.assertEqual(len(refused) + passed.read_text().count(who), 1)
        return (not refused, refused[0]["reason"] if refused else None, row)

    def assertHandedOver(self, gate, channel, who, event, reason):
        handed, why, row = self.screen(gate, channel, who)
        self.assertTrue(handed, why)
        self.assertRow(row, verdict="pass", reason=reason, event=event, partner="acme")

    def assertKept(self, gate, channel, who, reason, event=None):
        handed, why, row = self.screen(gate, channel, who)
        self.assertFalse(handed)
        self.assertEqual(why, reason)
        self.assertRow(row, verdict="block", reason=reason, event=event, partner="acme")
        self.assertNotIn(who, json.dumps(row))

    def test_phone_list_without_information(self):
        """As the law was in 2022: a live call wants information and no objection."""
        gate = self.gate_with(call={"accept": ["informed", "consent"]})
        who, other = self.phone(gate), self.phone(gate)
        self.assertKept(gate, "call", who, "NOT_INFORMED")
        old = self.told(gate, who, "call", 1, basis="informed")
        self.assertKept(gate, "call", who, "PARTNER_NOT_SHOWN", old)
        gate.add_form(**NEW)
        self.assertKept(gate, "call", who, "PARTNER_ADDED_LATER", old)
        event = self.told(gate, who, "call", 2, basis="informed")
        self.assertHandedOver(gate, "call", who, event, "INFORMED")
        self.assertKept(gate, "call", other, "NOT_INFORMED")
        gate.cli("consent", "withdraw", who, "--objection")
        objection = [each["id"] for each in self.history(gate, who)
                     if (each["event"], each["channel"]) == ("objected", "call")]
        self.assertKept(gate, "call", who, "OBJECTED", *objection)

    def test_phone_list_on_both_sides_of_the_new_law(self):
        """With the defaults the date of the question decides: 11 August 2026, midnight in Paris."""
        gate = self.gate_with()
        gate.add_form(**NEW)
        who, nobody = self.phone(gate), self.phone(gate)
        self.told(gate, who, "call", 2, basis="informed")
        for person, at, reason in ((who, "2026-08-10T21:59:59Z", "INFORMED"),
                                   (who, "2026-08-10T22:00:00Z", "BASIS_NOT_ACCEPTED"),
                                   (nobody, "2026-08-10T21:59:59Z", "NOT_INFORMED"),
                                   (nobody, "2026-08-10T22:00:00Z", "NO_CONSENT")):
            answer = json.loads(gate.cli("consent", "show", person, "--partner", "acme",
                                         "--channel", "call", "--purpose", "transmission", "--at",
                                         at, "--format", "json"))
            self.assertEqual(answer["reason"], reason, at)

    def test_email_without_consent(self):
        """By SMTP, through the gateway, to the provider."""
        gate = self.gate_with()
        who = self.address(gate, "prospect")
        client = self.wire(gate)
        client.hello()

        def send():
            client.say(f"MAIL FROM:<{self.sender}>", 250)
            reply = client.say(f"RCPT TO:<{who}>")
            if reply[0] == 250:
                client.say("DATA", 354)
                client.send(harness.message(self.sender, who) + b".\r\n")
                return client.reply()
            client.say("RSET", 250)
            return reply

        self.assertBlocked(send(), "NO_CONSENT")
        old = self.told(gate, who, "email", 1)
        self.assertBlocked(send(), "PARTNER_NOT_SHOWN")
        gate.add_form(**NEW)
        ref = self.assertBlocked(send(), "PARTNER_ADDED_LATER")
        self.assertEqual(self.provider.messages, [])
        event = self.told(gate, who, "email", 2)
        self.assertEqual(send()[0], 250)
        self.assertEqual([each.recipients for each in self.provider.messages], [[who]])
        rows = gate.wait_rows(4)
        self.assertRow(rows[0], verdict="block", reason="NO_CONSENT", event=None,
                       effect="refused", outcome=None)
        self.assertRow(rows[2], id=ref, reason="PARTNER_ADDED_LATER", event=old)
        self.assertRow(rows[3], verdict="pass", reason="CONSENT", event=event, effect="passed",
                       outcome="accepted", purpose="receipt")
        # The list that carries this person may be handed over on the same answer.
        self.assertHandedOver(gate, "email", who, event, "CONSENT")

    def test_sms_without_consent(self):
        gate = self.gate_with()
        who = self.phone(gate)
        self.assertKept(gate, "sms", who, "NO_CONSENT")
        call = self.told(gate, who, "call", 1)
        self.assertKept(gate, "sms", who, "CHANNEL_MISMATCH", call)
        gate.add_form(**NEW)
        self.told(gate, who, "sms", 2, basis="informed")
        self.assertKept(gate, "sms", who, "BASIS_NOT_ACCEPTED",
                        self.history(gate, who)[-1]["id"])
        event = self.told(gate, who, "sms", 2)
        self.assertHandedOver(gate, "sms", who, event, "CONSENT")
        answer = json.loads(gate.cli("consent", "show", who, "--partner", "acme", "--channel",
                                     "sms", "--format", "json"))
        self.assertEqual((answer["verdict"], answer["event"]), ("pass", event))
