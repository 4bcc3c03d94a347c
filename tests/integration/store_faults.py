# SPDX-License-Identifier: Apache-2.0
"""What the tests of a failing store stand on: transactions of one recipient, and what must be seen
while nothing can be written and once it can again."""

import harness
import load

SENDER = "news@acme.example"


class StoreTest(harness.IntegrationTest):
    def setUp(self):
        super().setUp()
        self.provider = load.Recorder(self)

    def try_recipient(self, wire, recipient):
        """The reply to a RCPT in a transaction of its own; the session must go on."""
        wire.say(f"MAIL FROM:<{SENDER}>", 250)
        reply = wire.say(f"RCPT TO:<{recipient}>")
        wire.say("RSET", 250)
        wire.say("NOOP", 250)
        return reply

    def try_message(self, wire, recipient):
        """The reply to a whole message."""
        wire.say(f"MAIL FROM:<{SENDER}>", 250)
        reply = wire.say(f"RCPT TO:<{recipient}>")
        if reply[0] == 250:
            wire.say("DATA", 354)
            wire.send(harness.message(SENDER) + b".\r\n")
            reply = wire.reply()
        wire.say("RSET", 250)
        return reply

    def assertUnable(self, reply):
        self.assertEqual(reply[0], 451, reply)
        self.assertTrue(reply[1].startswith("4.3.0 "), reply)

    def hello(self, gateway):
        wire = self.wire(gateway)
        wire.hello()
        return wire

    def assertStopped(self, gateway, wire, people):
        """Nothing is refused for good and nothing leaves, on old sessions and on new ones."""
        before = set(self.provider.given)
        for session in (wire, self.hello(gateway)):
            for _ in range(10):
                self.assertUnable(self.try_recipient(session, self.address(gateway, "no")))
            for person in people:
                self.assertUnable(self.try_message(session, person))
        self.assertEqual(set(self.provider.given), before)
        self.assertTrue(gateway.status()["journal"]["failing"], gateway.status())

    def assertWorks(self, gateway, wire, person):
        ref = self.assertBlocked(self.try_recipient(wire, self.address(gateway, "no")),
                                 "NO_CONSENT")
        self.assertEqual(self.try_message(wire, person)[0], 250)
        self.assertIn(person, self.provider.acknowledged)
        gateway.verify()
        self.assertIn(ref, {row["id"] for row in gateway.log_rows()})

    def until_stopped(self, gateway, wire):
        """What is left of the last page is used up; returns what was refused meanwhile."""
        refused = []
        for _ in range(100):
            reply = self.try_recipient(wire, self.address(gateway, "no"))
            if reply[0] != 550:
                self.assertUnable(reply)
                return refused
            refused.append(self.assertBlocked(reply, "NO_CONSENT"))
        self.fail("the journal is full, and still refusals are answered")
