# SPDX-License-Identifier: Apache-2.0
"""The smallest journey: one recipient passes, one does not."""

import harness


class Smoke(harness.IntegrationTest):
    def test_pass_and_block(self):
        provider = self.scripted()
        gateway = self.gateway(provider)
        yes, no = self.person(gateway), self.address(gateway, "no")
        sender = self.address(gateway, "news", "acme.example")
        wire = self.wire(gateway)
        wire.hello()
        wire.say(f"MAIL FROM:<{sender}>", 250)
        self.assertEqual(wire.say(f"RCPT TO:<{yes}>"), (250, "2.1.5 recipient ok"))
        ref = self.assertBlocked(wire.say(f"RCPT TO:<{no}>"), "NO_CONSENT")
        wire.say("DATA", 354)
        sent = harness.message(sender)
        wire.send(sent + b".\r\n")
        self.assertEqual(wire.reply()[0], 250)
        wire.say("QUIT", 221)
        self.assertEqual(len(provider.messages), 1)
        self.assertEqual(provider.messages[0].recipients, [yes])
        self.assertEqual(provider.messages[0].without_received()[1], sent)
        rows = gateway.wait_rows(2)
        by_id = {row["id"]: row for row in rows}
        self.assertRow(by_id.pop(ref), verdict="block", reason="NO_CONSENT", effect="refused",
                       outcome=None, partner="acme", stream="news", account="acme-lan")
        self.assertRow(by_id.popitem()[1], verdict="pass", reason="CONSENT", effect="passed",
                       outcome="accepted", provider="smarthost")
