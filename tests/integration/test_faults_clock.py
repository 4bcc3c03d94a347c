# SPDX-License-Identifier: Apache-2.0
"""A wall clock that steps an hour ahead and back, as when somebody sets it or a machine wakes: what
waits waits as long as before, the journal goes on and verifies, and each verdict is right for the
clock at its moment. The clock is the shim's (tests/faults/shim.c), the gateway's alone."""

import datetime
import itertools
import time

import faults
import harness
import load
import promises
import sms_harness

HOUR = 3600
OK, BLOCKED, DEFERRED = 0, 0x45, 0x08


def ago(**span):
    return harness.instant(datetime.timedelta(**span).total_seconds())


class Clock(harness.IntegrationTest):
    long = True

    def setUp(self):
        super().setUp()
        self.provider = load.Recorder(self)
        self.faults = faults.Faults(self)

    def test_steps_under_load(self):
        gateway = self.gateway(self.provider, start=False)
        gateway.config["listeners"]["submission"]["idle_timeout"] = "2 s"
        gateway.write_config()
        people = [f"yes{i}@example.org" for i in range(30000)]
        load.import_people(gateway, people)
        self.faults.start(gateway)
        gateway.warm()
        told = load.Load(gateway.port, 6, iter(people),
                         (f"no{i}@example.org" for i in itertools.count()), pause=0.01)
        for ahead in (HOUR, 0, -HOUR, 0, HOUR, -HOUR):
            idle = self.wire(gateway)
            begun = time.monotonic()
            self.faults.step(ahead)
            count = len(told.passed)
            harness.wait_for("messages at the other hour", lambda: len(told.passed) > count + 20,
                             timeout=10)
            if ahead in (HOUR, -HOUR):
                self.assertEqual(idle.reply()[0], 421)
                self.assertGreater(time.monotonic() - begun, 1.5, "thrown out too early")
                self.assertLess(time.monotonic() - begun, 15, "never thrown out")
            idle.close()
        # Now here, now there, faster than anything is done.
        until = time.monotonic() + 2
        for ahead in itertools.cycle((HOUR, 0, -HOUR)):
            self.faults.step(ahead)
            time.sleep(0.005)
            if time.monotonic() > until:
                break
        # A checkpoint is due 200 ms after the last row, whatever the hour.
        self.faults.step(-HOUR)
        told.stop()
        self.faults.step(HOUR)
        harness.wait_for("the last checkpoint", lambda: b'"checkpoint"' in self.last_line(gateway),
                         timeout=10)
        self.assertEqual((told.broken, told.other), ([], []))
        rows = gateway.log_rows()
        promises.mail(self, gateway, rows, self.provider, told)
        times = {(datetime.datetime.fromisoformat(row["at"].replace("Z", "+00:00")).timestamp() -
                  time.time()) // (HOUR / 2) for row in rows}
        self.assertTrue({-3, -1, 1} <= times, f"no row is of another hour: {times}")
        gateway.verify()
        # A start at the right time, with rows from the future.
        self.faults.step(0)
        gateway.stop()
        gateway.start()
        gateway.verify()
        self.assertEqual(len(gateway.log_rows()), len(rows))

    @staticmethod
    def last_line(gateway):
        return sorted((gateway.state / "journal").glob("*.seg"))[-1].read_bytes().splitlines()[-1]

    def test_a_step_while_the_provider_is_silent(self):
        """Its deadline is neither near nor an hour away."""
        gateway = self.gateway(start=False, providers={"smarthost": self.provider.provider(
            reply_timeout="3 s", final_timeout="3 s")})
        people = [self.person(gateway) for _ in range(4)]
        self.faults.start(gateway)
        gateway.warm()
        for ahead, delay, code in ((HOUR, 1.5, 250), (-HOUR, 1.5, 250), (HOUR, 7, 451),
                                   (-HOUR, 7, 451)):
            self.provider.delay = delay
            wire = self.wire(gateway)
            wire.hello()
            wire.say("MAIL FROM:<news@acme.example>", 250)
            wire.say(f"RCPT TO:<{people.pop()}>", 250)
            wire.say("DATA", 354)
            before = len(self.provider.given)
            wire.send(harness.message("news@acme.example") + b".\r\n")
            harness.wait_for("the message", lambda: len(self.provider.given) > before)
            begun = time.monotonic()
            self.faults.step(ahead)
            self.assertEqual(wire.reply()[0], code)
            took = time.monotonic() - begun
            self.assertGreater(took, 1 if delay < 3 else 2)
            self.assertLess(took, 6)
            self.faults.step(0)

    def test_consents_are_those_of_the_hour(self):
        gateway = self.gateway(self.provider, start=False,
                               policies={"email": {"stale_after": "10 days"}})
        gateway.add_form()
        old, new, gone = (self.address(gateway, stem) for stem in ("old", "new", "gone"))
        gateway.import_events([
            {"recipient": old, "occurred_at": ago(days=10, minutes=-30)},
            {"recipient": new, "occurred_at": ago(minutes=30)},
            {"recipient": gone, "occurred_at": ago(days=1)},
            {"recipient": gone, "event": "withdrawn", "occurred_at": ago(minutes=10), "form": "",
             "evidence": ""}])
        self.faults.start(gateway)
        gateway.warm()
        wire = self.wire(gateway)
        wire.hello()

        def ask(person):
            wire.say("MAIL FROM:<news@acme.example>", 250)
            reply = wire.say(f"RCPT TO:<{person}>")
            wire.say("RSET", 250)
            return reply[1].split()[1] if reply[0] == 550 else reply[0]

        for _ in range(2):
            self.assertEqual([ask(old), ask(new), ask(gone)], [250, 250, "WITHDRAWN"])
            self.faults.step(HOUR)
            self.assertEqual([ask(old), ask(new), ask(gone)], ["STALE", 250, "WITHDRAWN"])
            self.faults.step(-HOUR)
            # Not given yet, by that clock; but what closes counts whatever its date.
            self.assertEqual([ask(old), ask(new), ask(gone)], [250, "NO_CONSENT", "WITHDRAWN"])
            self.faults.step(0)


class Hours(sms_harness.SmsTest):
    def test_hours_are_those_of_the_clock(self):
        now = datetime.datetime.now(datetime.timezone.utc)
        noon = (now.replace(hour=12, minute=0) - now).total_seconds()
        provider = self.smsc()
        gate = self.sms_gateway(provider, start=False, policy={
            "hours": ["11:30-12:30"], "days": "mon-sun", "timezone": "UTC"})
        shim = faults.Faults(self)
        shim.step(noon)
        shim.start(gate)
        provider.wait("the gateway's bind", lambda e: e["event"] == "pdu" and
                      e["command"].startswith("bind_"))
        yes = self.number(gate)
        client = self.client(gate)
        for ahead, status in ((0, OK), (HOUR, DEFERRED), (0, OK), (-HOUR, DEFERRED), (0, OK)):
            shim.step(noon + ahead)
            self.assertEqual(client.submit(yes)["status"], status)
        self.assertEqual(len(provider.wait_pdus("submit_sm", 3)), 3)
