# SPDX-License-Identifier: Apache-2.0
"""Mail and SMS through one gateway that is killed with kill -9 at any moment, or whose memory is
limited: the promises of both hold, and it goes on after a restart. And providers of both that come
and go in short turns.

OCTROI_ROUNDS=200 kills more often (`make kill`); OCTROI_SEED repeats the moments of a run.
"""

import itertools
import os
import pathlib
import random
import re
import secrets
import socket
import subprocess
import threading
import time

import harness
import load
import promises
import sms_harness
import sms_load

ROUNDS = int(os.environ.get("OCTROI_ROUNDS", "10"))
SESSIONS, PARTNERS = 6, 3
MOST_A_ROUND = 200  # messages of each kind that may pass


class Both(sms_harness.SmsTest):
    """Gateways with a provider of mail and one of SMS, and load for both."""

    def both_gateway(self, mail_people, sms_people, mail=None, sms=None, **config):
        self.mail, self.sms = load.Recorder(self), sms_load.Smsc(self)
        gate = self.sms_gateway(start=False, providers={
            "aggregator": sms_harness.smpp_provider(self.sms.port, **(sms or {}))}, **config)
        gate.config["providers"]["smarthost"] = self.mail.provider(**(mail or {}))
        gate.config["listeners"]["submission"] = {
            "protocol": "smtp", "bind": f"127.0.0.1:{gate.port}", "tls": "none"}
        gate.config["partners"]["acme"]["streams"]["news"] = harness.email_stream()
        gate.config["policies"]["email"] = {}
        gate.write_config()
        load.import_people(gate, mail_people, form="jeu-mail")
        sms_load.import_people(gate, sms_people)
        self.no_mail = (f"no{i}@example.org" for i in itertools.count())
        self.no_sms = (f"33613{i:06d}" for i in itertools.count())
        return gate

    def ready(self):
        harness.wait_for("the gateway's bind", self.sms.open)

    def load_both(self, gate, mail_people, sms_people, pause=0.0):
        """Both kinds of clients, at once."""
        self.stopping = threading.Event()
        told = load.Load(gate.port, SESSIONS, mail_people, self.no_mail, pause=pause)
        numbers = sms_load.shared(self.mixed(sms_people))
        partners = [sms_load.Partner(gate.smpp_port,
                                     sms_load.until(self.stopping, numbers, pause=pause),
                                     "acme-sms", sms_harness.PASSWORD) for _ in range(PARTNERS)]
        return told, partners

    def mixed(self, people):
        for i, number in enumerate(people):
            yield number
            if i % 3 == 0:
                yield next(self.no_sms)

    def end_load(self, told, partners):
        self.stopping.set()
        told.stopping.set()
        told.join()
        for each in partners:
            each.join(harness.PATIENCE)
            self.assertFalse(each.is_alive(), "a partner hangs")

    @staticmethod
    def numbers(told, partners):
        return len(told.passed), sum(len(each.passed) for each in partners)

    def wait_both(self, told, partners, more=20, **options):
        before = self.numbers(told, partners)
        harness.wait_for("mail and SMS to pass", lambda: all(
            now >= then + more for now, then in zip(self.numbers(told, partners), before)),
            **options)

    def assertPromises(self, gate, told, partners, rows=None):
        rows = gate.log_rows() if rows is None else rows
        self.assertEqual(len({row["id"] for row in rows}), len(rows))
        for each in told:
            promises.mail(self, gate, rows, self.mail, each)
        return promises.sms(self, gate, rows, self.sms, partners)

    @staticmethod
    def people(count):
        return [f"yes{i}@example.org" for i in range(count)], [
            f"33611{i:06d}" for i in range(count)]


class Kill(Both):
    long = True
    timeout = 120 + 6 * ROUNDS

    def test_killed_at_any_moment(self):
        mail_people, sms_people = self.people(ROUNDS * MOST_A_ROUND)
        gate = self.both_gateway(mail_people, sms_people, journal={
            "segment_size": "64 kB", "checkpoint_every": "100 ms"})
        seed = int(os.environ.get("OCTROI_SEED") or secrets.randbelow(1 << 32))
        chance = random.Random(seed)
        print(f"OCTROI_SEED={seed}")
        mail_people, sms_people = iter(mail_people), iter(sms_people)
        mails, texts = [], []
        for _ in range(ROUNDS):
            gate.start()
            self.ready()
            told, partners = self.load_both(gate, itertools.islice(mail_people, MOST_A_ROUND),
                                            itertools.islice(sms_people, MOST_A_ROUND))
            time.sleep(chance.uniform(0.02, 0.4))
            # A busy machine's gateway has done nothing by then: it lives until it has done so much.
            least = chance.randrange(40)
            harness.wait_for("messages to pass", lambda: least <= sum(
                self.numbers(told, partners)) or not any(each.is_alive() for each in partners))
            gate.kill9()
            self.end_load(told, partners)
            self.assertEqual(told.other, [])
            harness.wait_for("the providers to hang up", lambda: not (
                self.mail.server.open or self.sms.open()))
            gate.verify()
            mails.append(told)
            texts += partners
        gate.start()
        gate.verify()
        passed, refused = self.assertPromises(gate, mails, texts)
        figures = {"mail passed": sum(len(each.passed) for each in mails),
                   "mail refused": sum(len(each.refused) for each in mails),
                   "mail at the provider": len(self.mail.given), "SMS passed": len(passed),
                   "SMS refused": len(refused), "SMS at the provider": len(self.sms.given)}
        print(f"{ROUNDS} kills: {figures}")
        # A loop that kills idle gateways proves nothing.
        for figure in figures.values():
            self.assertGreater(figure, ROUNDS)


class Memory(Both):
    long = True

    def test_memory_runs_out(self):
        """`ulimit -d` under load, tighter and tighter, and more clients than there is room for: each
        is served, told to come again or turned away, or the gateway ends; what was told is true, and
        all is well again with the memory back, at the latest after a restart."""
        if harness.plain_path() is None:
            self.skipTest("sanitizers need memory without limit, and no plain build was named")
        mail_people, sms_people = self.people(20000)
        gate = self.both_gateway(mail_people, sms_people, binary=harness.plain_path())
        gate.start()
        self.ready()
        mail_people, sms_people = iter(mail_people), iter(sms_people)
        mails, texts, came, ended, crowd = [], [], [], 0, []
        for room in (4096, 256, 0):
            told, partners = self.load_both(gate, mail_people, sms_people, pause=0.005)
            mails.append(told)
            texts += partners
            self.wait_both(told, partners)
            self.limit(gate, room)
            begun = time.monotonic()
            greetings = []
            while time.monotonic() < begun + 2 and gate.process.poll() is None:
                greetings.append(self.heavy(gate, crowd))
            self.end_load(told, partners)
            for each in crowd:
                each.close()
            crowd.clear()
            came.append({code: greetings.count(code) for code in set(greetings)})
            if gate.process.poll() is not None:
                ended += 1
                print(f"with {room} kB it ended with {gate.process.returncode}")
                gate.sent_kill, gate.process = True, None
                gate.start()
                self.ready()
            self.limit(gate, None)
            told, partners = self.load_both(gate, mail_people, sms_people, pause=0.005)
            mails.append(told)
            texts += partners
            self.wait_both(told, partners)
            self.end_load(told, partners)
            gate.verify()
        later = [reply for each in mails for _, reply in each.other]
        print(f"the crowd's last replies were {came}; {len(later)} mails were told to come again, and "
              f"{sum(len(each.later) for each in texts)} SMS; the gateway ended {ended} times")
        for code, text in later:
            self.assertEqual(code // 100, 4, text)
        short = sum(count for each in came for code, count in each.items() if code != 550)
        self.assertGreater(short + len(later) + ended, 0, "memory was never short")
        self.assertPromises(gate, mails, texts)

    def heavy(self, gate, crowd):
        """One more client, and what it holds on to: a session of mail, and one of SMS with most of a
        long PDU. Returns the last code that the first was told, 0 where either was cut."""
        try:
            wire = self.wire(gate, timeout=5)
            crowd.append(wire)
            code = wire.greeting[0]
            for line in ("EHLO crowd.test", "MAIL FROM:<news@acme.example>",
                         f"RCPT TO:<{next(self.no_mail)}>"):
                if code not in (220, 250):
                    break
                code = wire.say(line)[0]
            bound = socket.create_connection(("127.0.0.1", gate.smpp_port), timeout=5)
            crowd.append(bound)
            bound.sendall(sms_load.pdu(sms_load.BIND_TRX, 1, sms_load.text(
                "acme-sms", sms_harness.PASSWORD, "") + b"\x34\0\0\0"))
            answer = sms_load.Reader(bound).read()
            if answer is None:
                return 0
            if answer[1] != 0:
                return f"bind {answer[1]:#x}"
            bound.sendall(sms_load.pdu(sms_load.SUBMIT, 2, bytes(60000))[:50000])
            return code
        except OSError:
            return 0

    @staticmethod
    def limit(gate, room):
        """kB that it may grow by; None: any."""
        text = pathlib.Path(f"/proc/{gate.pid}/status").read_text()
        most = "unlimited" if room is None else 1024 * (
            room + int(re.search(r"VmData:\s+(\d+) kB", text).group(1)))
        subprocess.run(["prlimit", f"--pid={gate.pid}", f"--data={most}:"], check=True)


class Flapping(Both):
    long = True

    def test_providers_come_and_go(self):
        """Both, in turns of a moment: each message is accepted once or told to come again, and once
        they stay all pass."""
        mail_people, sms_people = self.people(30000)
        gate = self.both_gateway(mail_people, sms_people,
                                 mail={"reply_timeout": "5 s", "final_timeout": "5 s"},
                                 sms={"reply_timeout": "5 s"})
        gate.start()
        self.ready()
        # Some are with it when it goes.
        self.mail.delay = self.sms.delay = 0.02
        told, partners = self.load_both(gate, iter(mail_people), iter(sms_people), pause=0.01)
        self.wait_both(told, partners)
        seed = int(os.environ.get("OCTROI_SEED") or secrets.randbelow(1 << 32))
        chance = random.Random(seed)
        print(f"OCTROI_SEED={seed}")
        until, turns = time.monotonic() + 4, 0
        while time.monotonic() < until:
            self.mail.server.stop()
            self.sms.stop()
            time.sleep(chance.uniform(0, 0.2))
            self.sms.start()
            self.mail.server.start()
            time.sleep(chance.uniform(0, 0.3))
            turns += 1
        self.wait_both(told, partners, timeout=90)
        self.end_load(told, partners)
        harness.wait_for("outcomes", lambda: all(
            row["outcome"] or row["effect"] != "passed" for row in gate.log_rows()), pause=0.5)
        later = sum(len(each.later) for each in partners)
        print(f"{turns} turns: {self.numbers(told, partners)} passed, {len(told.other)} mails and "
              f"{later} SMS were told to come again")
        self.assertGreater(turns, 5)
        self.assertGreater(len(told.other), 0)
        self.assertGreater(later, 0)
        for _, (code, text) in told.other:
            self.assertEqual(code // 100, 4, text)
        self.assertPromises(gate, [told], partners)
        gate.verify()
        for state in gate.status()["providers"]:
            self.assertEqual(state["breaker"], "closed", state)
