# SPDX-License-Identifier: Apache-2.0
"""SIGTERM while messages are in flight, SIGHUP by the dozen under load."""

import itertools
import os
import signal
import socket
import time

import harness
import load

SENDER = "news@acme.example"


class Signals(harness.IntegrationTest):
    def setUp(self):
        super().setUp()
        self.provider = load.Recorder(self)
        self.gate = self.gateway(self.provider, start=False)

    def begin(self, recipient):
        """A message up to the first bytes of its body."""
        wire = self.wire(self.gate)
        wire.hello()
        wire.say(f"MAIL FROM:<{SENDER}>", 250)
        wire.say(f"RCPT TO:<{recipient}>", 250)
        wire.say("DATA", 354)
        wire.send(harness.message(SENDER, body="begun\r\n"))
        return wire

    def open_after_term(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.gate.port)) == 0

    def assertClosedJournal(self):
        segment = sorted((self.gate.state / "journal").glob("*.seg"))[-1]
        last = segment.read_bytes().splitlines()[-1]
        self.assertIn(b'"checkpoint"', last)
        self.gate.verify()

    def test_term_with_messages_in_flight(self):
        people = [self.person(self.gate) for _ in range(7)]
        self.gate.start().warm()
        idle = self.wire(self.gate)
        idle.hello()
        enveloped = self.wire(self.gate)
        enveloped.hello()
        enveloped.say(f"MAIL FROM:<{SENDER}>", 250)
        enveloped.say(f"RCPT TO:<{people[6]}>", 250)
        in_body = [self.begin(person) for person in people[:3]]
        self.provider.delay = 1.5
        at_dot = [self.begin(person) for person in people[3:6]]
        for wire in at_dot:
            wire.send(b".\r\n")
        harness.wait_for("the messages", lambda: set(people[3:6]) <= set(self.provider.given))

        self.gate.process.send_signal(signal.SIGTERM)
        harness.wait_for("closed doors", lambda: not self.open_after_term(), timeout=5)
        self.assertEqual(idle.reply()[0], 421)
        self.assertTrue(idle.closed())
        # What had begun goes on: envelope, body, and the wait for the provider's answer.
        enveloped.say("DATA", 354)
        enveloped.send(harness.message(SENDER) + b".\r\n")
        for wire in in_body:
            wire.send(b"ended\r\n.\r\n")
        for wire in [*at_dot, *in_body, enveloped]:
            code, text = wire.reply()
            self.assertEqual(code, 250, text)
            self.assertEqual(wire.reply()[0], 421)
            self.assertTrue(wire.closed())
        self.assertEqual(self.gate.process.wait(harness.LEAVING), 0)
        self.gate.process = None
        self.assertEqual(set(self.provider.acknowledged), set(people))
        self.assertClosedJournal()
        rows = self.gate.log_rows()
        self.assertEqual(sorted(row["recipient_key"] for row in rows),
                         sorted(load.recipient_key(self.gate, person) for person in people))
        for row in rows:
            self.assertRow(row, effect="passed", outcome="accepted")

    def test_term_under_load(self):
        """Sessions in every state at once; whatever was told is true."""
        people = [f"many{i}@example.org" for i in range(3000)]
        load.import_people(self.gate, people)
        strangers = (f"no{i}@example.org" for i in itertools.count())
        everyone = iter(people)
        rounds = 4
        for _ in range(rounds):
            self.gate.start()
            told = load.Load(self.gate.port, 12, everyone, strangers, per_session=20)
            time.sleep(0.5)
            self.gate.process.send_signal(signal.SIGTERM)
            self.assertEqual(self.gate.process.wait(harness.LEAVING), 0)
            self.gate.process = None
            told.stop()
            self.assertEqual(told.other, [])
            self.assertClosedJournal()
            rows = {row["id"]: row for row in self.gate.log_rows()}
            self.assertLessEqual(set(told.passed), set(self.provider.acknowledged))
            self.assertLessEqual(set(told.refused.values()), set(rows))
        # It drained: nothing that the provider took was left without its outcome or its answer.
        passed = [row for row in rows.values() if row["effect"] == "passed"]
        self.assertEqual(len(passed), len(self.provider.acknowledged))
        self.assertEqual({row["outcome"] for row in passed}, {"accepted"})
        self.assertEqual({row["queue_id"] for row in passed},
                         {queue_id for queue_id, _ in self.provider.acknowledged.values()})

    def test_hup_under_load(self):
        """Ten a second for five seconds: the same file, another provider's cap, a broken file."""
        people = [f"many{i}@example.org" for i in range(12000)]
        load.import_people(self.gate, people)
        self.gate.start().warm()
        strangers = (f"no{i}@example.org" for i in itertools.count())
        descriptors = self.descriptors()
        sessions, loops = 8, 2
        told = load.Load(self.gate.port, sessions, iter(people), strangers, pause=0.005)
        for turn in range(50):
            self.gate.config["providers"]["smarthost"]["connections"] = 20 + turn // 3
            self.gate.write_config("hostname = 7" if turn % 3 == 2 else None)
            self.gate.process.send_signal(signal.SIGHUP)
            time.sleep(0.1)
        self.gate.write_config()
        told.stop()
        self.assertEqual((told.broken, told.other), ([], []))
        self.assertEqual(set(told.passed), set(self.provider.acknowledged))
        self.assertGreater(len(told.passed), 100)
        log = self.gate.log()
        done, refused = log.count("event=reloaded"), log.count('event="not reloaded')
        print(f"{done} reloads, {refused} refused, beside {len(told.passed)} messages passed and "
              f"{len(told.refused)} refused")
        self.assertGreater(done, 15)
        self.assertGreater(refused, 5)
        rows = self.gate.wait_rows(len(told.passed) + len(told.refused))
        self.assertEqual(len(rows), len(told.passed) + len(told.refused))
        # Each old configuration goes with its providers' connections; the last one keeps its own.
        harness.wait_for("descriptors to go",
                         lambda: self.descriptors() <= descriptors + sessions * loops, timeout=30)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.gate.pid}/fd"))
