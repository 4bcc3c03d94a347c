# SPDX-License-Identifier: Apache-2.0
"""Input and output that fails, or takes long, in each of the store's files (tests/faults/shim.c):
nothing passes or is refused for good without its row, the log and status say what is wrong, and all
is as before once the disk is."""

import errno
import itertools
import os
import random
import re
import secrets
import time
import urllib.request

import faults
import harness
import load
import promises
import sms_harness
import store_faults

SEGMENTS = "/journal/"  # its files, not the index beside it
OK, BLOCKED, UNABLE = 0, 0x45, 0x08


class Journal(store_faults.StoreTest):
    long = True
    times = 0  # that it failed and came back

    def shimmed(self, people, **config):
        gateway = self.gateway(self.provider, start=False, **config)
        everyone = [self.person(gateway) for _ in range(people)]
        self.faults = faults.Faults(self)
        self.faults.start(gateway)
        gateway.warm()
        return gateway, self.hello(gateway), iter(everyone)

    def assertFailsClosed(self, gateway, wire, people, words):
        """Nothing is decided while the faults are set, and everything once they are cleared."""
        self.times += 1
        self.assertUnable(self.try_recipient(wire, self.address(gateway, "no")))
        self.assertStopped(gateway, wire, [next(people)])
        self.assertIn(words, gateway.status()["journal"]["last_error"])
        self.assertEqual(gateway.log().count("journal cannot be written"), self.times)
        self.assertIn(words, gateway.log())
        self.assertGreater(self.faults.counts()[1], 0)
        gateway.verify()

    def again(self, gateway, wire, people):
        self.faults.clear()
        harness.wait_for("the journal", lambda: self.try_recipient(
            wire, self.address(gateway, "no"))[0] == 550, timeout=10)
        self.assertFalse(gateway.status()["journal"]["failing"])
        self.assertWorks(gateway, wire, next(people))

    def test_segments_fail(self):
        """Writes and syncs that fail in each way, once the whole way through and then for good."""
        ways = [("Input/output error", {"operations": faults.WRITE}),
                ("Input/output error", {"operations": faults.WRITE, "half": True}),
                ("No space left", {"operations": faults.WRITE, "half": True,
                                   "error": errno.ENOSPC}),
                ("Input/output error", {"operations": faults.SYNC}),
                ("No space left", {"operations": faults.SYNC, "error": errno.ENOSPC})]
        # Without sanitizers: the filter of system calls must not be in the way of what fails.
        gateway, wire, people = self.shimmed(2 * len(ways) + 1, binary=harness.plain_path())
        if harness.plain_path() is not None:
            self.assertEqual(gateway.status()["syscall_filter"], "on")
        self.assertWorks(gateway, wire, next(people))
        for words, rule in ways:
            self.faults.set(SEGMENTS, **rule)
            self.assertFailsClosed(gateway, wire, people, words)
            self.again(gateway, wire, people)
        self.assertEqual(len(self.provider.given), len(ways) + 1)

    def test_what_failed_cannot_be_cut_off(self):
        """Half a row is on the disk and stays there: no reader takes it for one, neither while the
        gateway runs nor after it was killed."""
        gateway, wire, people = self.shimmed(4)
        for killed in (False, True):
            self.faults.set(SEGMENTS, faults.TRUNCATE, rule=1)
            self.faults.set(SEGMENTS, faults.WRITE, half=True)
            self.assertFailsClosed(gateway, wire, people, "Input/output error")
            self.assertGreater(self.faults.counts(rule=1)[1], 0)
            if killed:
                gateway.kill9()
                gateway.verify()
                self.faults.clear()
                self.faults.start(gateway)
                wire = self.hello(gateway)
            self.again(gateway, wire, people)

    def test_rows_that_stayed_are_not_taken_later(self):
        """Many whole rows could be neither synced nor cut off. They are gone before the next is
        written: else the first of them would be overwritten, and the others stand behind it."""
        gateway, wire, people = self.shimmed(3)
        strangers = [self.address(gateway, "no") for _ in range(30)]
        self.faults.set(SEGMENTS, faults.TRUNCATE, rule=1)
        self.faults.set(SEGMENTS, faults.SYNC)
        wire.say("MAIL FROM:<news@acme.example>", 250)
        wire.send("".join(f"RCPT TO:<{each}>\r\n" for each in strangers))
        for _ in strangers:
            self.assertUnable(wire.reply())
        wire.say("RSET", 250)
        self.assertGreater(self.faults.counts(rule=1)[1], 0)
        self.faults.clear()
        harness.wait_for("the journal", lambda: self.try_recipient(
            wire, self.address(gateway, "no"))[0] == 550, timeout=10, pause=0)
        gateway.kill9()
        gateway.verify()
        self.faults.start(gateway)
        self.assertWorks(gateway, self.hello(gateway), next(people))

    def test_next_segment_cannot_be_made(self):
        """Neither its file, nor its name in the folder made durable."""
        gateway, wire, people = self.shimmed(5, journal={"segment_size": "64 kB"})
        for name, operation in ((SEGMENTS, faults.OPEN), ("/state/journal", faults.SYNC)):
            # The folder is synced for a new segment alone, its files for every row.
            self.faults.set(name, operation, whole=name != SEGMENTS)
            refused = []
            for _ in range(600):
                reply = self.try_recipient(wire, self.address(gateway, "no"))
                if reply[0] != 550:
                    break
                refused.append(self.assertBlocked(reply, "NO_CONSENT"))
            self.assertFailsClosed(gateway, wire, people, "Input/output error")
            self.assertLessEqual(set(refused), {row["id"] for row in gateway.log_rows()})
            self.again(gateway, wire, people)

    def test_any_operation_may_fail(self):
        """Under load, now one operation and now the other fails once: each message is answered, and
        what was answered is true."""
        gateway = self.gateway(self.provider, start=False, journal={
            "segment_size": "64 kB", "checkpoint_every": "100 ms"})
        people = [f"yes{i}@example.org" for i in range(20000)]
        load.import_people(gateway, people)
        self.faults = faults.Faults(self)
        self.faults.start(gateway)
        gateway.warm()
        seed = int(os.environ.get("OCTROI_SEED") or secrets.randbelow(1 << 32))
        chance = random.Random(seed)
        print(f"OCTROI_SEED={seed}")
        told = load.Load(gateway.port, 8, iter(people),
                         (f"no{i}@example.org" for i in itertools.count()))
        hits = dict.fromkeys((faults.WRITE, faults.SYNC, faults.TRUNCATE, faults.OPEN), 0)
        until = time.monotonic() + float(os.environ.get("OCTROI_SECONDS", "4"))
        while time.monotonic() < until:
            for operation in (faults.WRITE, faults.SYNC):
                # What cuts off a failed write fails with it, sometimes.
                both = chance.random() < 0.3
                self.faults.set(SEGMENTS, faults.TRUNCATE | faults.OPEN,
                                most=1 if both else 0, skip=0 if both else 1 << 40, rule=1)
                self.faults.set(SEGMENTS, operation, half=chance.random() < 0.5,
                                error=chance.choice((errno.EIO, errno.ENOSPC)),
                                skip=chance.randrange(12), most=1)
                time.sleep(chance.uniform(0.02, 0.15))
                hits[operation] += self.faults.counts()[1]
                hits[faults.TRUNCATE] += self.faults.counts(rule=1)[1]
        self.faults.clear()
        before = len(told.passed)
        harness.wait_for("messages to pass again", lambda: len(told.passed) > before + 20)
        told.stop()
        print(f"{hits} hits; {len(told.passed)} passed, {len(told.refused)} refused, "
              f"{len(told.other)} were told to come again")
        for operation in (faults.WRITE, faults.SYNC, faults.TRUNCATE):
            self.assertGreater(hits[operation], 2)
        self.assertEqual(told.broken, [])
        for _, reply in told.other:
            self.assertUnable(reply)
        self.assertGreater(len(told.other), 5)
        gateway.verify()
        promises.mail(self, gateway, gateway.log_rows(), self.provider, told)
        self.assertFalse(gateway.status()["journal"]["failing"])

    def test_slow_sync(self):
        """300 ms a sync: who waits shares it, all get through, nobody is timed out, and what is
        waited for can be seen."""
        gateway = self.gateway(self.provider, start=False)
        port = harness.free_port()
        gateway.config["listeners"]["web"] = {
            "protocol": "http", "bind": f"127.0.0.1:{port}", "tls": "none",
            "services": ["metrics"]}
        gateway.write_config()
        people = [f"yes{i}@example.org" for i in range(200)]
        load.import_people(gateway, people)
        self.faults = faults.Faults(self)
        self.faults.start(gateway)
        gateway.warm()
        self.faults.set(SEGMENTS, faults.SYNC, error=0, delay=0.3)
        since = time.monotonic()
        told = load.Load(gateway.port, 40, iter(people),
                         (f"no{i}@example.org" for i in itertools.count()))
        told.join()
        took = time.monotonic() - since
        syncs = self.faults.counts()[1]
        messages = len(told.passed) + len(told.refused)
        print(f"{messages} messages in {took:.1f} s by {syncs} syncs of 300 ms")
        self.assertEqual((told.broken, told.other), ([], []))
        self.assertEqual(len(told.passed), len(people))
        self.assertLess(syncs * 8, messages)
        self.assertLess(took, 0.3 * messages / 6)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        total, count = (float(re.search(rf"(?m)^octroi_journal_wait_seconds_{part} (\S+)",
                                        text).group(1)) for part in ("sum", "count"))
        self.assertGreater(total / count, 0.2, "the metrics do not show what was waited for")
        self.faults.clear()
        promises.mail(self, gateway, gateway.log_rows(), self.provider, told)


class Databases(store_faults.StoreTest):
    def shimmed(self, people):
        gateway = self.gateway(self.provider, start=False)
        everyone = [self.person(gateway) for _ in range(people)]
        self.faults = faults.Faults(self)
        self.faults.start(gateway)
        gateway.warm()
        return gateway, self.hello(gateway), iter(everyone)

    def test_index_fails(self):
        """It is no authority: nobody waits for it, the log says so, and it catches up."""
        gateway, wire, people = self.shimmed(8)
        for operation, error in ((faults.READ, errno.EIO), (faults.WRITE, errno.EIO),
                                 (faults.WRITE, errno.ENOSPC)):
            before = gateway.log().count("the journal's index falls behind")
            self.faults.set("/journal.db", operation, error)
            self.assertBlocked(self.try_recipient(wire, self.address(gateway, "no")),
                               "NO_CONSENT")
            self.assertEqual(self.try_message(wire, next(people))[0], 250)
            harness.wait_for("the log to say so", lambda: self.asked(gateway, wire) and
                             gateway.log().count("the journal's index falls behind") > before)
            self.assertBlocked(self.try_recipient(wire, self.address(gateway, "no")),
                               "NO_CONSENT")
            self.assertEqual(self.try_message(wire, next(people))[0], 250)
            self.assertGreater(self.faults.counts()[1], 0)
            self.assertFalse(gateway.ask_status()["journal"]["failing"])
            # Whoever asks indexes what is missing himself, from the segments.
            self.assertRow(gateway.log_rows()[-1], verdict="pass", effect="passed")
            self.faults.clear()
            harness.wait_for("the index", lambda: gateway.ask_status()["journal"]["index_lag"] == 0)
        self.assertWorks(gateway, wire, next(people))
        self.assertEqual({row["outcome"] for row in gateway.wait_rows(12)
                          if row["effect"] == "passed"}, {"accepted"})

    def asked(self, gateway, wire):
        """Something new for the index. What the gateway has read of it is remembered until another
        process writes there, as one does that asks the log before the gateway has indexed that."""
        self.try_recipient(wire, self.address(gateway, "no"))
        return gateway.log_rows("--limit", "1")

    def test_registry_cannot_be_read(self):
        gateway, wire, people = self.shimmed(3)
        self.assertWorks(gateway, wire, next(people))
        gone = next(people)
        self.faults.set("/registry.db", faults.READ)
        gateway.cli("consent", "withdraw", gone)  # by another process: what was read is stale
        before = set(self.provider.given)
        for session in (wire, self.hello(gateway)):
            self.assertUnable(self.try_recipient(session, gone))
            self.assertUnable(self.try_recipient(session, self.address(gateway, "no")))
        self.assertEqual(set(self.provider.given), before)
        # SQLite takes a page that cannot be read for one that is damaged.
        self.assertRegex(gateway.log(), 'event="registry unavailable" '
                                        'reason="[^"]*(disk I/O error|is malformed)"')
        rows = gateway.log_rows("--verdict", "defer")
        self.assertEqual(len(rows), 4)
        for row in rows:
            self.assertRow(row, verdict="defer", reason="UNABLE", effect="deferred", outcome=None)
        self.assertGreater(self.faults.counts()[1], 0)
        self.faults.clear()
        self.assertBlocked(self.try_recipient(wire, gone), "WITHDRAWN")
        self.assertWorks(gateway, wire, next(people))
        self.assertIn("registry available again", gateway.log())


class Registry(sms_harness.SmsTest):
    def test_stop_that_cannot_be_recorded(self):
        """It is not acknowledged: the provider brings it again. Once acknowledged it holds."""
        provider = self.smsc()
        gate = self.sms_gateway(provider, start=False)
        shim = faults.Faults(self)
        shim.start(gate)
        provider.wait("the gateway's bind", lambda e: e["event"] == "pdu" and
                      e["command"].startswith("bind_"))
        client = self.client(gate)
        for operation, error in ((faults.WRITE, errno.EIO), (faults.WRITE, errno.ENOSPC),
                                 (faults.SYNC, errno.EIO)):
            yes = self.number(gate)
            self.assertEqual(client.submit(yes)["status"], OK)
            shim.set("/registry.db", operation, error)
            self.assertEqual(self.stop(provider, yes), UNABLE)
            self.assertGreater(shim.counts()[1], 0)
            shim.clear()
            self.assertEqual(self.stop(provider, yes), OK)
            self.assertEqual(client.submit(yes)["status"], BLOCKED)
        # The same of the segment: the event's hash is in the journal.
        yes = self.number(gate)
        self.assertEqual(client.submit(yes)["status"], OK)
        shim.set(SEGMENTS, faults.SYNC)
        self.assertIn(client.submit(yes)["status"], (UNABLE,))
        shim.clear()
        harness.wait_for("the journal", lambda: client.submit(yes)["status"] == OK)
        gate.verify()

    @staticmethod
    def stop(provider, number):
        return provider.ask("deliver_sm", {
            "source_addr": number[1:], "source_addr_ton": 1, "destination_addr": "36180",
            "short_message": "STOP"})["status"]
