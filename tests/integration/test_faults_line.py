# SPDX-License-Identifier: Apache-2.0
"""A bad line to the provider: packets lost and late, and none at all for a while. Each message is
delivered once and accepted, or the partner is told to come again; and once the line is good again, all
pass."""

import itertools
import threading
import time

import harness
import line
import load
import promises
import sms_harness
import sms_load

LOSS, DELAY, JITTER = 0.05, 0.1, 0.05
PEOPLE = 4000


class Line(sms_harness.SmsTest):
    long = True

    def trouble(self, there, passed):
        """Bad, cut shorter than anybody waits, bad, cut for longer, and good again."""
        there.set(LOSS, DELAY, JITTER)
        count = passed()
        harness.wait_for("messages over the bad line", lambda: passed() >= count + 60)
        there.set(1)
        time.sleep(2)
        there.set(LOSS, DELAY, JITTER)
        count = passed()
        harness.wait_for("messages over the bad line", lambda: passed() >= count + 60)
        there.set(1)
        time.sleep(7)
        there.set(0)
        count = passed()
        harness.wait_for("messages over the good line", lambda: passed() >= count + 60)
        if there.kind == "relay":
            print(f"{there.relay.carried} packets carried, {there.relay.lost} lost")
            self.assertGreater(there.relay.lost, there.relay.carried / 50)

    def test_mail(self):
        there = line.Line()  # good at first
        with there.far():
            provider = load.Recorder(self, host=line.FAR)
        gateway = self.gateway(start=False, providers={"smarthost": provider.provider(
            host=line.FAR, connect_timeout="4 s", reply_timeout="4 s", final_timeout="5 s")})
        people = [f"yes{i}@example.org" for i in range(PEOPLE)]
        load.import_people(gateway, people)
        gateway.start()
        gateway.warm()
        told = load.Load(gateway.port, 20, iter(people),
                         (f"no{i}@example.org" for i in itertools.count()), pause=0.05)
        self.trouble(there, lambda: len(told.passed))
        told.stop()
        harness.wait_for("outcomes", lambda: all(
            row["outcome"] or row["effect"] != "passed" for row in gateway.log_rows()))
        rows = gateway.log_rows()
        print(f"{len(told.passed)} passed, {len(told.refused)} refused, {len(told.other)} were told "
              f"to come again, {len(told.broken)} sessions were closed after that")
        promises.mail(self, gateway, rows, provider, told)
        keyed = promises.by_key(rows)
        for person in told.passed:
            row = keyed[load.recipient_key(gateway, person)]
            self.assertEqual([each["outcome"] for each in row], ["accepted"])
        # Told to come again, and not one without an answer.
        for person, (code, text) in told.other:
            self.assertEqual(code // 100, 4, text)
            for row in keyed[load.recipient_key(gateway, person)]:
                self.assertIn((row["effect"], row["outcome"]),
                              (("deferred", None), ("passed", "unknown"), ("abandoned", None)))
        self.assertGreater(len(told.other), 0)
        self.assertLessEqual(len(told.broken), len(told.other))
        self.assertLessEqual(set(provider.acknowledged), set(told.passed) | {
            person for person, _ in told.other})

    def test_sms(self):
        there = line.Line()  # good at first
        with there.far():
            provider = sms_load.Smsc(self, host=line.FAR)
        gate = self.sms_gateway(start=False, providers={"aggregator": sms_harness.smpp_provider(
            provider.port, host=line.FAR, connections=2, connect_timeout="4 s",
            reply_timeout="4 s", password=None)})  # it may not cross a network in clear
        people = [f"33611{i:06d}" for i in range(PEOPLE)]
        sms_load.import_people(gate, people)
        gate.start()
        harness.wait_for("the gateway's bind", provider.open)
        everyone = sms_load.shared(itertools.chain.from_iterable(
            (number, f"33613{i:06d}") if i % 4 == 0 else (number,)
            for i, number in enumerate(people)))
        stopping = threading.Event()
        partners = [sms_load.Partner(gate.smpp_port, sms_load.until(stopping, everyone, pause=0.02),
                                     "acme-sms", sms_harness.PASSWORD) for _ in range(4)]
        self.trouble(there, lambda: sum(len(each.passed) for each in partners))
        stopping.set()
        for each in partners:
            each.join(harness.PATIENCE)
            self.assertFalse(each.is_alive() or each.open, "submits without an answer")
        rows = gate.log_rows()
        passed, refused = promises.sms(self, gate, rows, provider, partners)
        later = {number for each in partners for number in each.later}
        print(f"{len(passed)} passed, {len(refused)} refused, {len(later)} were told to come again")
        self.assertGreater(len(later), 0)
        self.assertLessEqual(set(provider.given), set(passed) | later)
        by_id = {row["id"]: row for row in rows}
        for ref in passed.values():
            self.assertRow(by_id[ref], outcome="accepted")
