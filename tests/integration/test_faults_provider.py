# SPDX-License-Identifier: Apache-2.0
"""A provider that is down, hangs, lies or refuses: nothing passes that it did not take, the journal
says why, and the partners of a healthy provider notice nothing."""

import itertools
import socket
import time

import harness
import load


class Mute:
    """Accepts connections and says nothing."""

    def __init__(self, test):
        self.socket = socket.create_server(("127.0.0.1", harness.free_port()), backlog=200)
        self.port = self.socket.getsockname()[1]
        test.addCleanup(self.socket.close)


class Provider(harness.IntegrationTest):
    def setUp(self):
        super().setUp()
        self.healthy = load.Recorder(self)

    def two_partners(self, sick_port):
        """acme's provider is sick; beta, a second loopback address, has a healthy one."""
        sick = harness.smtp_provider(sick_port, connect_timeout="400 ms", reply_timeout="400 ms",
                                     final_timeout="600 ms")
        beta = harness.partner({"news": {**harness.email_stream(["healthy"]),
                                         "accounts": {"beta-lan": {"networks": ["127.0.0.1"]}}}})
        acme = harness.partner({"news": {**harness.email_stream(["sick"]),
                                         "accounts": {"acme-lan": {"networks": ["127.0.0.2"]}}}})
        gateway = self.gateway(start=False, partners={"acme": acme, "beta": beta},
                               providers={"sick": sick, "healthy": self.healthy.provider()})
        gateway.add_form(partners=["acme", "beta"])
        self.people = [f"many{i}@example.org" for i in range(1500)]
        load.import_people(gateway, self.people)
        return gateway

    def run_sick(self, sick_port, messages=3):
        """Sends to the sick one while eight sessions send to the healthy one; returns what acme was
        told, one list of replies a message, and acme's rows."""
        gateway = self.two_partners(sick_port)
        victims = [self.person(gateway, "sick") for _ in range(messages)]
        gateway.start()
        strangers = (f"no{i}@example.org" for i in itertools.count())
        others = load.Load(gateway.port, 8, iter(self.people), strangers, pause=0.02)
        time.sleep(0.3)
        told = [self.send(gateway, victim) for victim in victims]
        before = len(others.passed)
        time.sleep(0.2)
        others.stop()
        self.assertGreater(len(others.passed), before, "the others stood still")
        self.assertEqual((others.broken, others.other), ([], []))
        self.assertEqual(set(others.passed), set(self.healthy.acknowledged))
        harness.wait_for("outcomes", lambda: self.settled(gateway))
        rows = gateway.log_rows("--partner", "acme")
        self.assertEqual([row["recipient_key"] for row in rows],
                         [load.recipient_key(gateway, victim) for victim in victims])
        return told, rows

    @staticmethod
    def settled(gateway):
        return all(row["outcome"] or row["effect"] != "passed" for row in gateway.log_rows())

    def send(self, gateway, recipient):
        """The replies from RCPT on; each within ten seconds."""
        wire = self.wire(gateway, source="127.0.0.2", timeout=10)
        wire.hello()
        wire.say("MAIL FROM:<news@acme.example>", 250)
        replies = [wire.say(f"RCPT TO:<{recipient}>")]
        if replies[0][0] == 250:
            replies.append(wire.say("DATA"))
            if replies[1][0] == 354:
                wire.send(harness.message("news@acme.example", body="x" * 70 + "\r\n") + b".\r\n")
                replies.append(wire.reply())
        if "may have the message" in replies[-1][1]:
            self.assertTrue(wire.closed())
        else:
            wire.say("NOOP", 250)
        return replies

    def assertTold(self, told, codes, text=""):
        for replies in told:
            self.assertEqual([code for code, _ in replies], codes, replies)
            self.assertIn(text, replies[-1][1])

    def assertDeferred(self, rows, why):
        for row in rows:
            self.assertRow(row, verdict="pass", effect="deferred", outcome=None, queue_id=None,
                           provider="sick")
            self.assertRegex(row["provider_reply"] or "", why)

    def test_nothing_listens(self):
        told, rows = self.run_sick(harness.free_port())
        self.assertTold(told, [451], "4.4.0")
        self.assertDeferred(rows, "refused")

    def test_hangs_before_the_greeting(self):
        told, rows = self.run_sick(Mute(self).port)
        self.assertTold(told, [451], "4.4.0")
        self.assertDeferred(rows, "greeting|time")

    def test_refuses_at_the_greeting(self):
        sick = self.scripted({"connect": "554 5.3.2 not for you"})
        told, rows = self.run_sick(sick.port)
        self.assertTold(told, [451], "4.4.0")
        self.assertDeferred(rows, "554")

    def test_answers_garbage(self):
        sick = self.scripted({"connect": b"\x00\xff\x16\x03 hello?\r\n" * 20})
        told, rows = self.run_sick(sick.port)
        self.assertTold(told, [451], "4.4.0")
        self.assertDeferred(rows, ".")

    def test_answers_without_end(self):
        sick = self.scripted({"EHLO": b"250-" + b"x" * 4_000_000})
        told, rows = self.run_sick(sick.port)
        self.assertTold(told, [451], "4.4.0")
        self.assertDeferred(rows, ".")

    def test_answers_recipients_with_garbage(self):
        sick = self.scripted({"RCPT": b"OK whatever\r\n"})
        told, rows = self.run_sick(sick.port)
        self.assertTold(told, [451], "4.4.0")
        self.assertDeferred(rows, ".")
        self.assertEqual(sick.messages, [])

    def test_refuses_every_recipient(self):
        sick = self.scripted({"RCPT": "550 5.1.1 no such user here"})
        told, rows = self.run_sick(sick.port)
        self.assertTold(told, [550], "5.1.1 no such user here")
        for row in rows:
            self.assertRow(row, verdict="pass", effect="passed", outcome="refused")
            self.assertIn("no such user", row["provider_reply"])

    def test_refuses_the_sender(self):
        sick = self.scripted({"MAIL": "450 4.7.1 slow down"})
        told, rows = self.run_sick(sick.port)
        for replies in told:
            self.assertEqual(len(replies), 1)
            self.assertIn(replies[0][0], (450, 451), replies)
        for row in rows:
            self.assertIn((row["effect"], row["outcome"]),
                          (("passed", "refused"), ("deferred", None)), row)
            self.assertIn("slow down", row["provider_reply"])
        self.assertEqual(sick.messages, [])

    def test_refuses_content(self):
        sick = self.scripted({".": "554 5.7.1 looks like spam"})
        told, rows = self.run_sick(sick.port)
        self.assertTold(told, [250, 354, 554], "looks like spam")
        for row in rows:
            self.assertRow(row, effect="passed", outcome="refused")
            self.assertIn("looks like spam", row["provider_reply"])

    def test_refuses_data(self):
        sick = self.scripted({"DATA": "451 4.3.1 disk full here"})
        told, rows = self.run_sick(sick.port)
        self.assertTold(told, [250, 354, 451], "disk full here")
        for row in rows:
            self.assertRow(row, effect="passed", outcome="refused")

    def test_hangs_after_the_dot(self):
        sick = self.scripted({".": harness.Delay(5)})
        told, rows = self.run_sick(sick.port)
        self.assertTold(told, [250, 354, 451])
        for row in rows:
            self.assertRow(row, effect="passed", outcome="unknown", queue_id=None)

    def test_closes_after_the_dot(self):
        sick = self.scripted({".": harness.Drop})
        told, rows = self.run_sick(sick.port)
        self.assertTold(told, [250, 354, 451])
        for row in rows:
            self.assertRow(row, effect="passed", outcome="unknown", queue_id=None)

    def test_garbage_after_the_dot(self):
        """It answered, but nobody knows what: no success."""
        sick = self.scripted({".": b"yes, fine\r\n"})
        told, rows = self.run_sick(sick.port)
        self.assertTold(told, [250, 354, 451])
        for row in rows:
            self.assertRow(row, effect="passed", outcome="unknown", queue_id=None)

    def test_hangs_after_the_recipient(self):
        sick = self.scripted({"RCPT": harness.Delay(5)})
        told, rows = self.run_sick(sick.port)
        self.assertTold(told, [451], "4.4.0")
        self.assertDeferred(rows, ".")

    def test_closes_amid_the_body(self):
        """After 354, with most of the body still to come."""
        def close_soon(conversation, _):
            conversation._send("354 go ahead")
            conversation.connection.recv(1000)
            raise harness.Drop
        sick = self.scripted({"DATA": close_soon})
        gateway = self.two_partners(sick.port)
        victim = self.person(gateway, "sick")
        gateway.start()
        wire = self.wire(gateway, source="127.0.0.2", timeout=20)
        wire.hello()
        wire.say("MAIL FROM:<news@acme.example>", 250)
        wire.say(f"RCPT TO:<{victim}>", 250)
        wire.say("DATA", 354)
        wire.send(harness.message("news@acme.example"))
        for _ in range(200):
            wire.send(b"y" * 998 + b"\r\n")
            time.sleep(0.002)
        wire.send(b".\r\n")
        self.assertEqual(wire.reply()[0], 451)
        wire.say("NOOP", 250)
        rows = gateway.wait_rows(1, complete=False)
        harness.wait_for("the reason", lambda: gateway.log_rows()[0]["effect"] != "passed")
        self.assertRow(gateway.log_rows()[0], verdict="pass", effect="deferred", outcome=None)
        self.assertEqual(len(rows), 1)
        self.assertEqual(sick.messages, [])

    def test_second_choice_takes_over(self):
        """Nothing listens at the first: the second gets the message, and the row names it."""
        gateway = self.gateway(
            start=False,
            providers={"gone": harness.smtp_provider(harness.free_port()),
                       "spare": self.healthy.provider()},
            partners={"acme": harness.partner({"news": harness.email_stream(["gone", "spare"])})})
        person = self.person(gateway)
        gateway.start()
        wire = self.wire(gateway)
        wire.hello()
        wire.say("MAIL FROM:<news@acme.example>", 250)
        wire.say(f"RCPT TO:<{person}>", 250)
        wire.say("DATA", 354)
        wire.send(harness.message("news@acme.example") + b".\r\n")
        self.assertEqual(wire.reply()[0], 250)
        self.assertRow(gateway.wait_rows(1)[0], effect="passed", outcome="accepted",
                       provider="spare")
