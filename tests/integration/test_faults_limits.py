# SPDX-License-Identifier: Apache-2.0
"""Figures and limits: memory of a large message and of idle sessions (on the plain build), caps on
connections, clients that say nothing, clients that guess passwords."""

import base64
import hashlib
import itertools
import os
import pathlib
import re
import resource
import selectors
import socket
import subprocess
import sys
import threading
import time

import harness
import load

SENDER = "news@acme.example"
IDLE_SESSIONS = 10000
IDLE_BYTES_MOST = 10 * 1024  # resident, a session
LARGE_BYTES = 100 * 1024 * 1024
LARGE_GROWTH_KB_MOST = 4 * 1024


def memory(pid):
    """(VmRSS, VmHWM) in kB."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return [int(re.search(rf"{key}:\s+(\d+) kB", text).group(1)) for key in ("VmRSS", "VmHWM")]


class SlowProvider:
    """Reads contents at so many MB a second and keeps only the digest of each, without the field
    that the gate put on top. No line of them may begin with a dot."""

    def __init__(self, test, rate):
        self.rate = rate
        self.read = 0
        self.digests = []
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self.socket.bind(("127.0.0.1", harness.free_port()))
        self.socket.listen(20)
        test.addCleanup(self.socket.close)
        threading.Thread(target=self._accept, daemon=True).start()

    def provider(self, **more):
        return harness.smtp_provider(self.socket.getsockname()[1], **more)

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        connection.sendall(b"220 slow.test ESMTP\r\n")
        file = connection.makefile("rb", buffering=4096)
        for line in file:
            verb = line.split()[0].upper()
            if verb == b"EHLO":
                connection.sendall(b"250-slow.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
            elif verb == b"DATA":
                connection.sendall(b"354 go ahead\r\n")
                self.digests.append(self._take(file))
                connection.sendall(b"250 2.0.0 queued as SLOW1\r\n")
            else:
                connection.sendall(b"250 2.0.0 ok\r\n")

    def _take(self, file):
        digest = hashlib.sha256()
        line = file.readline()
        while not line.startswith(b"From:"):
            line = file.readline()
        since = time.monotonic()
        self.read = 0
        while line != b".\r\n":
            digest.update(line)
            self.read += len(line)
            ahead = self.read / (self.rate << 20) - (time.monotonic() - since)
            if ahead > 0.005:
                time.sleep(ahead)
            line = file.readline()
        return digest.hexdigest()


class Memory(harness.IntegrationTest):
    def setUp(self):
        super().setUp()
        if harness.plain_path() is None:
            self.fail("memory is measured on the plain build: give --plain")

    def test_large_message(self):
        """100 MB through a provider slower than the client: memory does not follow the size."""
        provider = SlowProvider(self, rate=20)
        gateway = self.gateway(provider, binary=harness.plain_path())
        person = self.person(gateway)
        wire = self.wire(gateway, timeout=60)
        wire.hello()

        def begin():
            wire.say(f"MAIL FROM:<{SENDER}>", 250)
            wire.say(f"RCPT TO:<{person}>", 250)
            wire.say("DATA", 354)
            header = harness.message(SENDER, body="")
            wire.send(header)
            return hashlib.sha256(header), len(header)

        def finish():
            wire.send(b".\r\n")
            self.assertEqual(wire.reply()[0], 250)
        begin()  # what is loaded on first use is not the large message's
        finish()

        before, high_before = memory(gateway.pid)
        peak = behind = 0
        sent, size = begin()
        for number in itertools.count():
            if size >= LARGE_BYTES:
                break
            block = b"".join(b"%08d %s\r\n" % (i, b"%07d " % number * 110) for i in range(100))
            wire.send(block)
            sent.update(block)
            size += len(block)
            peak = max(peak, memory(gateway.pid)[0])
            behind = max(behind, size - provider.read)
        finish()
        high = memory(gateway.pid)[1]
        growth = max(peak, high) - before
        print(f"{size >> 20} MB message: RSS {before} kB before, {peak} kB at most while it passed, "
              f"VmHWM {high_before} then {high} kB: {growth} kB more; the client was at most "
              f"{behind >> 10} kB ahead of the provider")
        self.assertLess(growth, LARGE_GROWTH_KB_MOST)
        self.assertEqual(provider.digests[1], sent.hexdigest())
        self.assertEqual(gateway.wait_rows(2)[-1]["size"], size)

    def test_idle_sessions(self):
        gateway = self.gateway(binary=harness.plain_path(), start=False,
                               providers={"smarthost": load.Recorder(self).provider()})
        gateway.config["listeners"]["submission"]["max_connections_per_address"] = 0
        gateway.write_config()
        person = self.person(gateway)
        # It has to raise its own limit, as far as it may.
        self.assertGreater(resource.getrlimit(resource.RLIMIT_NOFILE)[1], IDLE_SESSIONS + 200,
                           "this machine's limit of open files is too low for the test")
        gateway.start(wrapper=["prlimit", "--nofile=1024:"])
        wire = self.wire(gateway)
        wire.hello()
        before, _ = memory(gateway.pid)
        clients = harness.spawn([sys.executable, __file__, gateway.port, IDLE_SESSIONS],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(harness.end, clients)
        self.assertEqual(clients.stdout.readline(), f"{IDLE_SESSIONS} greeted\n")
        during, _ = memory(gateway.pid)
        self.assertEqual(gateway.status()["sessions"], IDLE_SESSIONS + 1)
        each = (during - before) * 1024 / IDLE_SESSIONS
        print(f"{IDLE_SESSIONS} idle sessions: RSS {before} kB before, {during} kB with them: "
              f"{each:.0f} bytes each")
        # The gate works beside them.
        since = time.monotonic()
        wire.say(f"MAIL FROM:<{SENDER}>", 250)
        wire.say(f"RCPT TO:<{person}>", 250)
        wire.say("RSET", 250)
        self.assertLess(time.monotonic() - since, 2)
        clients.stdin.close()
        clients.wait(harness.PATIENCE)
        harness.wait_for("the sessions' end", lambda: gateway.ask_status()["sessions"] <= 1)
        after, _ = memory(gateway.pid)
        print(f"and {after} kB once they were gone")
        self.assertLessEqual(each, IDLE_BYTES_MOST)


class Limits(harness.IntegrationTest):
    def small_gateway(self, **listener):
        self.provider = load.Recorder(self)
        gateway = self.gateway(self.provider, start=False)
        gateway.config["listeners"]["submission"].update(listener)
        gateway.write_config()
        return gateway

    def test_too_many_connections(self):
        gateway = self.small_gateway(max_connections=20)
        person = self.person(gateway)
        gateway.start()
        wires = [self.wire(gateway) for _ in range(20)]
        for _ in range(5):
            extra = self.wire(gateway)
            self.assertEqual(extra.greeting[0], 421)
            self.assertTrue(extra.greeting[1].startswith("4.3.2 "), extra.greeting)
            self.assertTrue(extra.closed())
        # Who is in is served on; who leaves makes room.
        wires[0].hello()
        wires[0].say(f"MAIL FROM:<{SENDER}>", 250)
        wires[0].say(f"RCPT TO:<{person}>", 250)
        wires[1].say("QUIT", 221)
        wires[1].close()
        harness.wait_for("room", lambda: self.wire(gateway).greeting[0] == 220)

    def test_few_descriptors(self):
        """What the providers may need is set aside: who comes beyond that is told so, and who is in
        reaches its provider."""
        gateway = self.small_gateway()
        gateway.config["providers"]["smarthost"]["connections"] = 8
        gateway.write_config()
        people = [self.person(gateway) for _ in range(2)]
        gateway.start(wrapper=["prlimit", "--nofile=120:120"])
        gateway.wait_log("fewer descriptors than")
        room = gateway.status()["sessions_most"]
        self.assertGreater(room, 2)
        self.assertLess(room, 100)
        crowd = [self.wire(gateway) for _ in range(room + 20)]
        self.assertEqual([wire.greeting[0] for wire in crowd], [220] * room + [421] * 20)
        self.assertTrue(crowd[-1].greeting[1].startswith("4.3.2 "), crowd[-1].greeting)
        for number in (0, room - 1):
            crowd[number].hello()
            self.assertEqual(self.send(crowd[number], people[0])[0], 250)
        self.assertEqual(gateway.status()["refusals"]["no_descriptors"], 20)
        self.assertNotIn("cannot accept", gateway.log())
        crowd[0].say("QUIT", 221)
        harness.wait_for("room", lambda: self.wire(gateway).greeting[0] == 220)

    def test_descriptors_run_out(self):
        """Somebody else took them: who waits is told 421 with the one in reserve, who is in is
        served on, nothing spins, and the log has one line of it."""
        gateway = self.small_gateway()
        # Several loops compete for the one descriptor in reserve, and for the few that come free.
        gateway.config["threads"] = 4
        gateway.write_config()
        people = [self.person(gateway) for _ in range(2)]
        gateway.start()
        first = self.wire(gateway)
        first.hello()
        self.assertEqual(self.send(first, people[0])[0], 250)
        self.few_descriptors(gateway.pid)
        crowd = [self.wire(gateway, greet=False) for _ in range(120)]
        gateway.wait_log("cannot accept")
        before = self.cpu_seconds(gateway.pid)
        time.sleep(1)
        self.assertLess(self.cpu_seconds(gateway.pid) - before, 0.5, "it spins")
        first.say("NOOP", 250)
        self.assertIn(self.send(first, people[1])[0], (250, 451))
        self.assertEqual(self.send(first, self.address(gateway, "no"))[0], 550)
        codes = [wire.reply()[0] for wire in crowd]
        print("the crowd was told", {code: codes.count(code) for code in set(codes)})
        self.assertEqual(set(codes), {220, 421})
        self.assertGreater(codes.count(421), 100)
        lines = gateway.log().count("cannot accept")
        self.assertLessEqual(lines, 4, "a line for each loop")
        self.run_prlimit(gateway.pid, 4096)
        self.assertEqual(gateway.status()["refusals"]["no_descriptors"], codes.count(421))
        for wire in crowd:
            wire.close()
        fresh = self.wire(gateway)
        harness.wait_for("the end of it", lambda: self.wire(gateway).close()
                         or "accepting again" in gateway.log(), pause=0.2)
        fresh.hello()
        self.assertEqual(self.send(fresh, people[1])[0], 250)
        gateway.verify()

    @staticmethod
    def run_prlimit(pid, soft):
        subprocess.run(["prlimit", "--pid", str(pid), f"--nofile={soft}:"], check=True)

    def few_descriptors(self, pid):
        """From now on, two more than what is open."""
        numbers = sorted(int(name) for name in os.listdir(f"/proc/{pid}/fd"))
        self.run_prlimit(pid, numbers[-1] + 3)

    @staticmethod
    def cpu_seconds(pid):
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @staticmethod
    def send(wire, recipient):
        wire.say(f"MAIL FROM:<{SENDER}>", 250)
        reply = wire.say(f"RCPT TO:<{recipient}>")
        if reply[0] == 250:
            wire.say("DATA", 354)
            wire.send(harness.message(SENDER) + b".\r\n")
            reply = wire.reply()
        wire.say("RSET", 250)
        return reply

    def test_silent_clients(self):
        """200 that say nothing, or stop within a line, a header or a body: out with 421, all of
        them, while others work."""
        gateway = self.small_gateway(idle_timeout="4 s")
        people = [f"many{i}@example.org" for i in range(3000)]
        load.import_people(gateway, people)
        everyone = iter(people)
        gateway.start()
        strangers = (f"no{i}@example.org" for i in itertools.count())
        others = load.Load(gateway.port, 4, everyone, strangers, pause=0.02)
        silent = [self.wire(gateway) for _ in range(200)]
        since = time.monotonic()
        for number, wire in enumerate(silent):
            if number % 4 == 1:
                wire.send("EHLO half.a.li")
            elif number % 40 == 2:
                wire.hello()
                wire.say(f"MAIL FROM:<{SENDER}>", 250)
                wire.say(f"RCPT TO:<{next(everyone)}>", 250)
                wire.say("DATA", 354)
                wire.send(harness.message(SENDER)[:40 if number % 80 == 2 else None])
        for wire in silent:
            code, text = wire.reply()
            self.assertEqual(code, 421, text)
            self.assertTrue(text.startswith("4.4.2 "), text)
            self.assertTrue(wire.closed())
        self.assertLess(time.monotonic() - since, 20)
        others.stop()
        self.assertEqual((others.broken, others.other), ([], []))
        self.assertGreater(len(others.passed), 20)
        # A message that was not finished did not arrive.
        self.assertEqual(set(self.provider.acknowledged), set(others.passed))

    def test_drip(self):
        """A command a byte at a time does not hold a session longer than its deadline."""
        gateway = self.small_gateway(idle_timeout="1 s")
        gateway.start()
        wire = self.wire(gateway)
        since = time.monotonic()
        wire.socket.settimeout(0.05)
        with selectors.DefaultSelector() as selector:
            selector.register(wire.socket, selectors.EVENT_READ)
            while not selector.select(0.1):
                wire.send(b"N")
                self.assertLess(time.monotonic() - since, 5, "still there")
        wire.socket.settimeout(5)
        self.assertEqual(wire.reply()[0], 421)

    def test_password_guessing(self):
        gateway = self.small_gateway()
        clear = "right horse battery"
        gateway.config["partners"]["acme"] = harness.partner({"news": harness.email_stream(
            accounts={"acme-news": {"password": gateway.password(clear)}})})
        gateway.write_config()
        people = [f"many{i}@example.org" for i in range(3000)]
        load.import_people(gateway, people)
        gateway.start()

        def secret(name, password):
            return base64.b64encode(f"\0{name}\0{password}".encode()).decode()
        strangers = (f"no{i}@example.org" for i in itertools.count())
        good = secret("acme-news", clear)
        wire = self.wire(gateway)
        wire.hello()
        wire.say(f"AUTH PLAIN {good}", 235)  # verified once
        others = load.Load(gateway.port, 4, iter(people), strangers, pause=0.02, login=good)
        # One address each: what one address may do is tried in test_faults_clients. Few: a third try has to
        # wait until all third tries before it have had their 64th of a core.
        guessers = [self.wire(gateway, source=f"127.0.0.{10 + i}") for i in range(3)]
        waits = [[] for _ in guessers]

        def guess(number, wire):
            wire.hello()
            name = "acme-news" if number % 2 else f"nobody{number}"
            for turn in range(3):
                since = time.monotonic()
                reply = wire.say(f"AUTH PLAIN {secret(name, f'guess {turn}')}")
                waits[number].append((reply[0], time.monotonic() - since))
            waits[number].append((wire.reply()[0], wire.closed()))
        threads = [threading.Thread(target=guess, args=each, daemon=True)
                   for each in enumerate(guessers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(harness.PATIENCE)
        passed = len(others.passed)
        others.stop()
        for each in waits:
            self.assertEqual([code for code, _ in each], [535, 535, 535, 421])
            first, second, third = (seconds for _, seconds in each[:3])
            self.assertGreaterEqual(first, 0.99)
            self.assertGreaterEqual(second, 1.99)
            self.assertGreaterEqual(third, 2.99)
            self.assertTrue(each[3][1], "not closed")
        self.assertEqual((others.broken, others.other), ([], []))
        print(f"{passed} messages passed beside nine guesses")
        self.assertGreater(passed, 50)
        self.assertNotIn(clear, gateway.log())


def idle_clients(port, count):
    """In a process of its own: so many sessions that said EHLO, until standard input ends."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    wires = []
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.sendall(b"EHLO idle.test\r\n")
        wires.append(connection)
    for connection in wires:
        got = b""
        while b"\r\n250 " not in got:
            more = connection.recv(4096)
            if not more:
                raise EOFError
            got += more
    print(f"{count} greeted", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    idle_clients(int(sys.argv[1]), int(sys.argv[2]))
