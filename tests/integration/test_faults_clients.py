# SPDX-License-Identifier: Apache-2.0
"""Hostile and clumsy clients: crowds from one address, drips, guesses, a partner that takes too much.
Each time others go on as if nothing was."""

import base64
import contextlib
import itertools
import selectors
import socket
import struct
import threading
import time

import harness
import load

SENDER = "news@acme.example"
LORIS = 1000  # connections of the one address
LORIS_MOST = 100  # … it may have
GOOD = 32  # sessions of the other


class Crowd:
    """Connections from one address that say a little now and then, each as long as it is let; a new
    one for each that ends."""

    def __init__(self, port, source, count, says):
        self.port, self.source, self.count, self.says = port, source, count, says
        self.greetings = {}  # code → how often
        self.ends = {}  # the last reply → how often
        self.most = 0  # that were let in at a time
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def stop(self):
        self.stopping.set()
        self.thread.join(harness.PATIENCE)

    def _open(self, selector, inside):
        connection = socket.socket()
        connection.bind((self.source, 0))
        connection.setblocking(False)
        connection.connect_ex(("127.0.0.1", self.port))
        inside[connection] = b""
        selector.register(connection, selectors.EVENT_READ)

    def _read(self, selector, inside, connection):
        try:
            got = connection.recv(4096)
        except OSError:
            got = b""
        before = inside[connection]
        if got:
            if not before:
                self._count(self.greetings, got[:3].decode())
            inside[connection] = (before + got)[-200:]
            return
        last = before.decode("latin-1").rstrip("\r\n").split("\n")[-1]
        self._count(self.ends, last[:9])
        selector.unregister(connection)
        connection.close()
        del inside[connection]

    @staticmethod
    def _count(counts, key):
        counts[key] = counts.get(key, 0) + 1

    def _run(self):
        inside = {}
        with selectors.DefaultSelector() as selector:
            talk = 0
            while not self.stopping.is_set():
                for _ in range(min(20, self.count - len(inside))):
                    self._open(selector, inside)
                for key, _ in selector.select(0.05):
                    self._read(selector, inside, key.fileobj)
                greeted = [c for c, text in inside.items() if text[:3] in (b"220", b"250")]
                self.most = max(self.most, len(greeted))
                if time.monotonic() > talk:
                    talk = time.monotonic() + 0.5
                    for connection in greeted:
                        with contextlib.suppress(OSError):
                            connection.send(self.says)
            for connection in inside:
                connection.close()


class Clients(harness.IntegrationTest):
    def prepare(self, partners=None, people=0, **listener):
        self.provider = load.Recorder(self)
        gateway = self.gateway(self.provider, start=False)
        gateway.config["listeners"]["submission"].update(listener)
        if partners:
            gateway.config["partners"] = partners
        gateway.write_config()
        self.people = [f"many{i}@example.org" for i in range(people)]
        if people:
            load.import_people(gateway, self.people)
        return gateway

    @staticmethod
    def lan(*networks, **more):
        return harness.partner({"news": harness.email_stream(
            accounts={"acme-lan": {"networks": list(networks)}})}, **more)

    def test_slow_loris(self):
        """1000 from one address that talk and never log in, 32 good ones beside them."""
        gateway = self.prepare({"acme": self.lan("127.0.0.2")}, people=3000,
                               max_connections_per_address=LORIS_MOST, max_connections=200,
                               login_timeout="2 s")
        gateway.start()
        crowd = Crowd(gateway.port, "127.0.0.1", LORIS, b"NOOP\r\n")
        harness.wait_for("the crowd to be in", lambda: crowd.most >= LORIS_MOST // 2)
        strangers = (f"no{i}@example.org" for i in itertools.count())
        good = load.Load(gateway.port, GOOD, iter(self.people), strangers, source="127.0.0.2",
                         pause=0.02)
        harness.wait_for("enough of both", lambda: len(good.passed) > 300
                         and crowd.greetings.get("421", 0) > 1500 and crowd.ends.get("421 4.7.0"))
        harness.wait_for("late ones", lambda: gateway.ask_status()["refusals"]["login_late"] > 0)
        good.stop()
        crowd.stop()
        print(f"{sum(crowd.greetings.values())} connections of the one address, {crowd.most} at a "
              f"time, greeted {crowd.greetings}, ended {crowd.ends}; beside them {len(good.passed)} "
              f"messages passed, {len(good.refused)} were refused")
        self.assertEqual((good.broken, good.other), ([], []))
        self.assertGreater(len(good.passed), 100)
        self.assertEqual(set(self.provider.acknowledged), set(good.passed))
        self.assertLessEqual(crowd.most, LORIS_MOST + 50)  # some have ended and not seen it
        self.assertGreater(crowd.greetings.get("421", 0), 500)
        self.assertIn("421 4.7.0", crowd.ends)
        refusals = gateway.status()["refusals"]
        self.assertGreater(refusals["address_full"], 500)
        self.assertEqual(refusals["listener_full"], 0)
        # Thousands of refusals are a few lines a second, and their sum.
        lines = gateway.log().count("too many connections of one address")
        self.assertLess(lines, 60)
        self.assertTrue(" more=" in gateway.log(), "no sum")
        self.assertIn("address_full", gateway.cli("status"))

    def test_drips(self):
        """Content a byte at a time holds no provider's connection: others want it."""
        gateway = self.prepare(people=200, idle_timeout="1 s", min_rate="1 kB")
        gateway.config["providers"]["smarthost"]["connections"] = 2
        gateway.write_config()
        gateway.start()
        drips = [self.wire(gateway) for _ in range(4)]
        people = iter(self.people)
        for number, wire in enumerate(drips[:2]):
            wire.hello()
            wire.say(f"MAIL FROM:<{SENDER}>", 250)
            wire.say(f"RCPT TO:<{next(people)}>", 250)
            wire.say("DATA", 354)
            wire.send(harness.message(SENDER) if number else f"From: {SENDER}\r\n")
        since = time.monotonic()
        with selectors.DefaultSelector() as selector:
            left = drips[:2]
            for wire in left:
                selector.register(wire.socket, selectors.EVENT_READ)
            while left:
                for key, _ in selector.select(0.2):
                    selector.unregister(key.fileobj)
                    left = [wire for wire in left if wire.socket is not key.fileobj]
                for wire in left:
                    wire.send(b"x")
                self.assertLess(time.monotonic() - since, 15, "a drip is still there")
        for wire in drips[:2]:
            code, text = wire.reply()
            self.assertEqual((code, text[:6]), (421, "4.4.2 "))
            self.assertTrue(wire.closed())
        print(f"cut after {time.monotonic() - since:.1f} s")
        # An envelope that never ends is no better.
        envelope = drips[2]
        since = time.monotonic()
        wire = self.wire(gateway)
        wire.hello()
        wire.say(f"MAIL FROM:<{SENDER}>", 250)
        wire.say(f"RCPT TO:<{next(people)}>", 250)
        while (reply := wire.say("NOOP"))[0] == 250:
            time.sleep(0.3)
            self.assertLess(time.monotonic() - since, 15, "the envelope is still open")
        self.assertEqual(reply[0], 421)
        del envelope
        good = load.Load(gateway.port, 4, people, iter(()), per_session=3)
        good.join()
        self.assertEqual((good.broken, good.other), ([], []))
        rows = gateway.wait_rows(3 + len(good.passed))
        self.assertEqual([row["effect"] for row in rows[:3]], ["abandoned"] * 3)
        self.assertEqual(set(self.provider.acknowledged), set(good.passed))
        self.assertEqual(gateway.status()["refusals"]["too_slow"], 3)

    def test_slow_but_honest(self):
        """A message that comes slowly, yet above min_rate, arrives, however long it takes."""
        gateway = self.prepare(people=1, idle_timeout="1 s", min_rate="100 B")
        gateway.start()
        wire = self.wire(gateway)
        wire.hello()
        wire.say(f"MAIL FROM:<{SENDER}>", 250)
        wire.say(f"RCPT TO:<{self.people[0]}>", 250)
        wire.say("DATA", 354)
        wire.send(harness.message(SENDER))
        for _ in range(10):
            wire.send(b"0123456789" * 12 + b"\r\n")
            time.sleep(0.4)
        wire.send(b".\r\n")
        self.assertEqual(wire.reply()[0], 250)

    def test_provider_slower_than_min_rate(self):
        """While the provider does not read, nothing is held against the client."""
        gateway = self.prepare(people=1, idle_timeout="500 ms", min_rate="1 MB")
        reading = threading.Event()
        held = socket.socket()
        held.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        held.bind(("127.0.0.1", 0))
        held.listen(8)
        self.addCleanup(held.close)

        def serve(connection):
            connection.sendall(b"220 slow.test ESMTP\r\n")
            file = connection.makefile("rb", buffering=512)
            for line in file:
                verb = line.split()[0].upper()
                if verb == b"DATA":
                    connection.sendall(b"354 go ahead\r\n")
                    reading.wait(harness.PATIENCE)
                    while file.readline() != b".\r\n":
                        pass
                connection.sendall(b"250 2.0.0 queued as SLOW1\r\n")

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=serve, args=(held.accept()[0],), daemon=True).start()
        threading.Thread(target=accept, daemon=True).start()
        gateway.config["providers"]["smarthost"] = harness.smtp_provider(held.getsockname()[1])
        gateway.write_config()
        gateway.start()
        wire = self.wire(gateway)
        wire.hello()
        wire.say(f"MAIL FROM:<{SENDER}>", 250)
        wire.say(f"RCPT TO:<{self.people[0]}>", 250)
        wire.say("DATA", 354)
        body = harness.message(SENDER) + (b"0123456789" * 7 + b"\r\n") * 40000
        sender = threading.Thread(target=wire.send, args=(body + b".\r\n",), daemon=True)
        sender.start()
        time.sleep(3)
        reading.set()
        sender.join(harness.PATIENCE)
        self.assertEqual(wire.reply()[0], 250)

    def test_partner_at_its_cap(self):
        clear = "right horse battery"
        gateway = self.prepare(people=10)
        acme = self.lan("127.0.0.2", max_connections=3)
        acme["streams"]["news"]["accounts"]["acme-login"] = {"password": gateway.password(clear)}
        gateway.config["partners"] = {"acme": acme, "beta": {
            **self.lan("127.0.0.4"), "name": "Beta"}}
        beta = gateway.config["partners"]["beta"]["streams"]["news"]
        beta["accounts"] = {"beta-lan": {"networks": ["127.0.0.4"]}}
        beta["senders"] = ["beta.example"]
        gateway.write_config()
        gateway.start()
        wires = [self.wire(gateway, source="127.0.0.2") for _ in range(3)]
        self.assertEqual([wire.greeting[0] for wire in wires], [220] * 3)
        extra = self.wire(gateway, source="127.0.0.2")
        self.assertEqual(extra.greeting[0], 421)
        self.assertTrue(extra.greeting[1].startswith("4.7.0 "), extra.greeting)
        self.assertTrue(extra.closed())
        # By whatever way it is identified, and from wherever.
        login = self.wire(gateway, source="127.0.0.5")
        login.hello()
        secret = base64.b64encode(f"\0acme-login\0{clear}".encode()).decode()
        code, text = login.say(f"AUTH PLAIN {secret}")
        self.assertEqual((code, text[:6]), (421, "4.7.0 "))
        self.assertTrue(login.closed())
        # Nobody else is harmed, and who leaves makes room.
        others = [self.wire(gateway, source="127.0.0.4") for _ in range(10)]
        for wire in others:
            self.assertEqual(wire.greeting[0], 220)
            wire.hello()
            wire.say("MAIL FROM:<news@beta.example>", 250)
        wires[0].say("QUIT", 221)
        wires[0].close()
        login = self.wire(gateway, source="127.0.0.5")
        login.hello()
        harness.wait_for("room", lambda: login.say(f"AUTH PLAIN {secret}")[0] == 235)
        self.assertEqual(self.wire(gateway, source="127.0.0.2").greeting[0], 421)
        self.assertEqual(gateway.status()["refusals"]["partner_full"], 3)

    def test_guessing(self):
        """An address that guesses is no longer looked at; the one guessed at logs in elsewhere."""
        clear = "right horse battery"
        gateway = self.prepare()
        accounts = {"acme-news": {"password": gateway.password(clear)}}
        gateway.config["partners"]["acme"] = harness.partner(
            {"news": harness.email_stream(accounts=accounts)})
        gateway.write_config()
        gateway.start()

        def attempt(source, password, name="acme-news"):
            wire = self.wire(gateway, source=source)
            wire.hello()
            since = time.monotonic()
            secret = base64.b64encode(f"\0{name}\0{password}".encode()).decode()
            code, text = wire.say(f"AUTH PLAIN {secret}")
            wire.close()
            return code, text, time.monotonic() - since
        waits = [attempt("127.0.0.66", f"guess {i}")[2] for i in range(3)]
        print("answers after", [f"{wait:.2f} s" for wait in waits])
        for wait, least in zip(waits, (1, 2, 4)):
            self.assertGreaterEqual(wait, least - 0.01)
        # It hangs up before the answer and comes again: that does not help, and in the end the door
        # turns it away, until that answer would have come.
        turned_away = 0
        for i in range(20):
            wire = self.wire(gateway, source="127.0.0.66")
            if wire.greeting[0] == 421:
                turned_away += 1
            else:
                wire.hello()
                secret = base64.b64encode(f"\0{'acme-news' if i % 2 else 'nobody'}\0g{i}".encode())
                wire.send(b"AUTH PLAIN " + secret + b"\r\n")
                time.sleep(0.1)
            wire.close()
        self.assertGreater(turned_away, 8)
        refusals = gateway.status()["refusals"]
        self.assertLess(refusals["auth_failed"], 13)
        self.assertGreaterEqual(refusals["auth_held"], turned_away)
        wire = self.wire(gateway, source="127.0.0.66")
        self.assertEqual(wire.greeting[0], 421)
        self.assertIn("Too many failed logins", str(wire.greeting[1]))
        harness.wait_for("those who hung up to be let go",
                         lambda: gateway.ask_status()["sessions"] == 0, timeout=5)
        code, _, seconds = attempt("127.0.0.67", clear)
        self.assertEqual(code, 235)
        print(f"elsewhere it took {seconds:.2f} s to log in")
        self.assertLess(seconds, 0.9)
        self.assertNotIn(clear, gateway.log())

    def test_who_hangs_up_is_let_go(self):
        """At each door, however long the answer would have been held back."""
        gateway = self.prepare()
        password = gateway.password("secret1")
        smpp, web = harness.free_port(), harness.free_port()
        gateway.config["listeners"]["smpp"] = {
            "protocol": "smpp", "bind": f"127.0.0.1:{smpp}", "tls": "none"}
        gateway.config["listeners"]["web"] = {
            "protocol": "http", "bind": f"127.0.0.1:{web}", "tls": "none", "services": ["sms"]}
        gateway.config["partners"]["acme"] = harness.partner(
            {"news": harness.email_stream(accounts={"acme-news": {"password": password}})})
        gateway.write_config()
        gateway.start()
        secret = base64.b64encode(b"\0acme-news\0wrong").decode()
        basic = base64.b64encode(b"acme-news:wrong").decode()
        bind = b"acme-news\0wrong\0\0\x34\0\0\0"
        doors = {
            "127.0.0.71": (gateway.port, f"EHLO x\r\nAUTH PLAIN {secret}\r\n".encode()),
            "127.0.0.72": (smpp, struct.pack(">IIII", 16 + len(bind), 9, 0, 1) + bind),
            "127.0.0.73": (web, f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Basic "
                           f"{basic}\r\nContent-Type: application/json\r\nContent-Length: 2"
                           "\r\n\r\n{}".encode()),
        }

        def failed():
            return gateway.ask_status()["refusals"]["auth_failed"]
        for source, (port, said) in doors.items():
            for _ in range(5):  # the last would be told after 16 seconds
                before = failed()
                with socket.create_connection(("127.0.0.1", port), source_address=(source, 0)) as wire:
                    wire.sendall(said)
                    harness.wait_for("it to be found wrong", lambda: failed() > before)
                    self.assertEqual(gateway.ask_status()["sessions"], 1)
                harness.wait_for(f"{source} to be let go",
                                 lambda: gateway.ask_status()["sessions"] == 0, timeout=5)

    def test_cut_logins(self):
        """Who cuts the connection while its password is hashed has guessed, too."""
        gateway = self.prepare()
        gateway.config["partners"]["acme"] = harness.partner({"news": harness.email_stream(
            accounts={"acme-news": {"password": gateway.password("right horse battery")}})})
        gateway.write_config()
        gateway.start()
        for i in range(40):
            wire = self.wire(gateway)
            if wire.greeting[0] == 421:
                break
            wire.hello()
            secret = base64.b64encode(f"\0acme-news\0g{i}".encode())
            wire.send(b"AUTH PLAIN " + secret + b"\r\n")
            time.sleep(0.005)
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            wire.close()
        self.assertEqual(wire.greeting, (421, "4.7.0 Too many failed logins from your address, try "
                                              "again later"))

    def test_chatter(self):
        gateway = self.prepare()
        gateway.start()
        wire = self.wire(gateway)
        wire.hello()
        codes = []
        while not codes or codes[-1] == 250:
            codes.append(wire.say("NOOP")[0])
        self.assertEqual(codes, [250] * 99 + [421])
        self.assertTrue(wire.closed())
        self.assertEqual(gateway.status()["refusals"]["no_progress"], 1)

    def test_addresses_over_listeners(self):
        """An address has one count, whichever listener it comes to, and a reload keeps it."""
        gateway = self.prepare(max_connections_per_address=4)
        other = harness.free_port()
        gateway.config["listeners"]["other"] = {
            "bind": f"127.0.0.1:{other}", "tls": "none", "max_connections_per_address": 6}
        gateway.write_config()
        gateway.start()
        wires = [self.wire(gateway) for _ in range(4)]
        self.assertEqual(self.wire(gateway).greeting[0], 421)
        wires += [self.wire(other) for _ in range(2)]
        self.assertEqual([wire.greeting[0] for wire in wires], [220] * 6)
        self.assertEqual(self.wire(other).greeting[0], 421)
        gateway.config["listeners"]["submission"]["max_connections_per_address"] = 7
        gateway.write_config()
        gateway.reload()
        harness.wait_for("the new limit", lambda: self.wire(gateway).greeting[0] == 220)
        self.assertEqual(self.wire(gateway, source="127.0.0.9").greeting[0], 220)
