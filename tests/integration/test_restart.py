# SPDX-License-Identifier: Apache-2.0
"""Restart and reload beside traffic: the sockets go from one process to the next, or stay with who
started both; whoever waits is answered, whatever was told is true, and no row is missing.

OCTROI_SOAK=SECONDS makes the load last that long (`make soak`: a minute).
"""

import array
import contextlib
import json
import os
import queue
import re
import resource
import signal
import smtplib
import socket
import sqlite3
import ssl
import subprocess
import threading
import time

import harness
import load

SENDER = "news@acme.example"
SOAK = float(os.environ.get("OCTROI_SOAK", "0"))


class ServiceManager:
    """What is told to the service manager, read as it comes: few messages fit into the socket, and
    what does not is lost."""

    def __init__(self, test, name):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(name)
        self.messages = queue.Queue()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()
        test.addCleanup(self.socket.shutdown, socket.SHUT_RD)

    def _read(self):
        while message := self.socket.recv(4096):
            self.messages.put(message.decode().split("\n"))
        self.socket.close()

    def told(self, wanted):
        """The next message that has this line."""
        until = time.monotonic() + harness.PATIENCE
        while True:
            lines = self.messages.get(timeout=max(0.01, until - time.monotonic()))
            if any(line.startswith(wanted) for line in lines):
                return dict(line.split("=", 1) for line in lines)


class Between(Exception):
    """The gate ended the session between two messages: an MTA connects again."""


class Senders:
    """Python's smtplib in threads. Each message has a recipient of its own. A 421 or an end between
    messages makes them connect again with the same recipient; anything but 250 once MAIL was
    accepted is a failure, and so is a connection that is refused or cut before its greeting.

    passed: recipient → the provider's queue id; failed: what went wrong; turned: how often 421.
    """

    def __init__(self, ports, sessions, people, context=None, per_session=10, pause=0.0):
        self.ports = ports  # port → "none", "starttls" or "implicit"
        self.people = iter(people)
        self.context, self.per_session, self.pause = context, per_session, pause
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.passed, self.failed, self.turned, self.gap = {}, [], 0, 0.0
        self.ran_out = False
        self.last = time.monotonic()
        self.threads = [threading.Thread(target=self._run, args=(i,), daemon=True)
                        for i in range(sessions)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(2 * harness.PATIENCE)
            if thread.is_alive():
                raise AssertionError("a session hangs")

    def _next(self):
        with self.lock:
            return next(self.people, None)

    def _fail(self, what):
        with self.lock:
            self.failed.append(what)

    def _run(self, number):
        recipient = None
        port, tls = list(self.ports.items())[number % len(self.ports)]
        while not self.stopping.is_set():
            client = None
            try:
                client = self._connect(port, tls)
                for _ in range(self.per_session):
                    recipient = recipient or self._next()
                    if recipient is None or self.stopping.is_set():
                        self.ran_out |= recipient is None
                        return
                    self._message(client, recipient)
                    recipient = None
                    time.sleep(self.pause)
                client.quit()
            except Between:
                with self.lock:
                    self.turned += 1
            except Exception as problem:  # pylint: disable=broad-except
                self._fail(f"{recipient}: {problem!r}")
                recipient = None
            finally:
                if client is not None:
                    client.close()

    def _connect(self, port, tls):
        try:
            if tls == "implicit":
                client = smtplib.SMTP_SSL("127.0.0.1", port, "load.test", timeout=harness.PATIENCE,
                                          context=self.context)
            else:
                client = smtplib.SMTP("127.0.0.1", port, "load.test", timeout=harness.PATIENCE)
        except smtplib.SMTPConnectError as problem:
            if problem.smtp_code == 421:
                raise Between from problem
            raise
        with self._between():
            if tls == "starttls":
                client.starttls(context=self.context)
            self._expect(client.ehlo(), 250)
        return client

    @contextlib.contextmanager
    def _between(self):
        try:
            yield
        except smtplib.SMTPResponseException as problem:
            if problem.smtp_code != 421:
                raise
            raise Between from problem
        except (smtplib.SMTPServerDisconnected, ConnectionError, ssl.SSLError) as problem:
            raise Between from problem

    @staticmethod
    def _expect(reply, code):
        if reply[0] == 421:
            raise Between
        if reply[0] != code:
            raise AssertionError(reply)

    def _message(self, client, recipient):
        with self._between():
            self._expect(client.mail(SENDER), 250)
        try:
            for reply in (client.rcpt(recipient),
                          client.data(harness.message(SENDER, body=f"for {recipient}\r\n"))):
                if reply[0] != 250:
                    raise AssertionError(f"in a message: {reply}")
        except Exception as problem:
            raise AssertionError(f"in a message: {problem!r}") from problem
        queue_id = load.QUEUED.search(reply[1].decode()).group(1)
        now = time.monotonic()
        with self.lock:
            self.passed[recipient] = queue_id
            self.gap, self.last = max(self.gap, now - self.last), now


class Restart(harness.IntegrationTest):
    timeout = 180 + int(3 * SOAK)

    def setUp(self):
        super().setUp()
        self.provider = load.Recorder(self)
        self.processes = []
        self.addCleanup(self.end_processes)  # after the gateway's own end
        self.gate = self.gateway(self.provider, start=False)

    # -- a new process

    def end_processes(self):
        for process in self.processes:
            harness.end(process, first=signal.SIGKILL)

    def spawn(self, *arguments, gate=None, **options):
        gate = gate or self.gate
        with open(gate.log_file, "ab") as log:
            process = harness.spawn([gate.binary, "-c", gate.file, "serve", *arguments], stdout=log,
                                    stderr=log, stdin=subprocess.DEVNULL,
                                    env=harness.sanitizer_environment(), **options)
        self.processes.append(process)
        return process

    def serving(self):
        return self.gate.log().count("event=serving")

    def take_over(self, wait=True):
        """Starts the next process; returns the one before, ended."""
        old, before = self.gate.process, self.serving()
        self.gate.process = self.spawn("--takeover")
        if wait:
            harness.wait_for("the new process to serve", lambda: self.serving() > before,
                             harness.LEAVING)
            self.assertEqual(old.wait(harness.LEAVING), 0)
        return old

    def people(self, count):
        people = [f"many{i}@example.org" for i in range(count)]
        load.import_people(self.gate, people)
        return people

    # -- what must hold

    def assertNothingLost(self, senders, beside=0):
        self.assertEqual(senders.failed, [])
        self.assertFalse(senders.ran_out, "the load ended before the restarts did")
        self.assertGreater(len(senders.passed), 20)
        self.assertEqual(set(self.provider.acknowledged), set(senders.passed))
        self.assertEqual([who for who, times in self.provider.given.items() if times != 1], [])
        mine = {load.recipient_key(self.gate, person) for person in senders.passed}
        rows = self.gate.wait_rows(len(senders.passed) + beside)
        self.assertEqual(len([row for row in rows if row["recipient_key"] not in mine]), beside)
        rows = [row for row in rows
                if row["effect"] == "passed" and row["recipient_key"] in mine]
        queue_ids = [row["queue_id"] for row in rows]
        self.assertEqual(len(set(queue_ids)), len(queue_ids))
        self.assertEqual(sorted(queue_ids), sorted(senders.passed.values()))
        self.assertEqual({row["outcome"] for row in rows}, {"accepted"})
        self.gate.verify()

    def message(self, port=None, recipient=None):
        client = self.wire(port or self.gate.port)
        self.assertEqual(client.greeting[0], 220)
        self.send(client, recipient)
        client.close()

    def send(self, client, recipient=None):
        client.hello()
        client.say(f"MAIL FROM:<{SENDER}>", 250)
        client.say(f"RCPT TO:<{recipient or self.somebody}>", 250)
        client.say("DATA", 354)
        client.send(harness.message(SENDER) + b".\r\n")
        reply = client.reply()
        self.assertEqual(reply[0], 250, reply)

    def begin(self):
        """A session in a transaction."""
        client = self.wire(self.gate)
        client.hello()
        client.say(f"MAIL FROM:<{SENDER}>", 250)
        client.say(f"RCPT TO:<{self.somebody}>", 250)
        return client

    def finish(self, client):
        client.say("DATA", 354)
        client.send(harness.message(SENDER) + b".\r\n")
        self.assertEqual(client.reply()[0], 250)

    def start(self, **config):
        self.somebody = self.person(self.gate)
        self.gate.config.update(config)
        self.gate.write_config()
        self.gate.start().warm()

    # -- a fake new process, to misbehave

    def ask(self):
        """Asks to take over; returns the connection and the descriptors it was given."""
        control = socket.socket(socket.AF_UNIX)
        self.addCleanup(control.close)
        control.settimeout(harness.PATIENCE)
        folder = os.open(self.gate.state, os.O_RDONLY | os.O_DIRECTORY)
        try:
            control.connect(f"/proc/self/fd/{folder}/control.sock")
        finally:
            os.close(folder)
        control.sendall(b'{"command":"takeover"}\n')
        text, descriptors = b"", array.array("i")
        while not text.endswith(b"\n"):
            data, ancillary, _, _ = control.recvmsg(65536, socket.CMSG_LEN(32 * 4))
            text += data
            for _, kind, payload in ancillary:
                self.assertEqual(kind, socket.SCM_RIGHTS)
                descriptors.frombytes(payload)
            if not data:
                break
        answer = json.loads(text)
        for descriptor in descriptors:
            self.addCleanup(os.close, descriptor)
        return control, answer, list(descriptors)

    # -- tests

    def test_rolling_restarts_under_load(self):
        """Three processes one after the other, with other numbers of loops, beside clients that
        speak in clear, after STARTTLS and under TLS from the first byte."""
        people = self.people(6000 + int(SOAK * 400))
        ports, context = self.tls_listeners()
        self.start()
        senders = Senders(ports, 8, people, context, pause=0.02 if SOAK else 0.005)
        for turn in range(max(3, int(SOAK / 5))):
            time.sleep(5 if SOAK else 1)
            self.gate.config["threads"] = (1, 4, 2)[turn % 3]
            self.gate.write_config()
            self.take_over()
        time.sleep(1)
        senders.stop()
        print(f"{len(senders.passed)} messages, {senders.turned} times turned away between "
              f"messages, longest pause of all {senders.gap:.2f} s")
        self.assertNothingLost(senders)
        self.assertEqual(self.gate.status()["pid"], self.gate.pid)

    def tls_listeners(self):
        pki = self.pki()
        certificate, key = pki.issue("gate.test", "IP:127.0.0.1,DNS:gate.test")
        starttls, implicit = harness.free_port(), harness.free_port()
        files = {"certificate_file": certificate, "key_file": key}
        self.gate.config["listeners"].update(
            starttls={"bind": f"127.0.0.1:{starttls}", "tls": "required", **files},
            implicit={"bind": f"127.0.0.1:{implicit}", "tls": "implicit", **files})
        self.gate.write_config()
        return ({self.gate.port: "none", starttls: "starttls", implicit: "implicit"},
                harness.client_context(pki.authority()))

    def test_reload_every_second_under_load(self):
        """SIGHUP each second; each second time another listener comes or goes as well."""
        seconds = SOAK or 8
        people = self.people(6000 + int(SOAK * 400))
        ports, context = self.tls_listeners()
        passing = harness.free_port()
        self.start()
        before = self.gate.log().count("event=reloaded")
        senders = Senders(ports, 8, people, context, pause=0.02)
        for turn in range(int(seconds)):
            self.gate.config["partners"]["acme"]["name"] = f"ACME {turn}"
            if turn % 2 == 0:
                self.gate.config["listeners"]["passing"] = {
                    "bind": f"127.0.0.1:{passing}", "tls": "none"}
            else:
                del self.gate.config["listeners"]["passing"]
            self.gate.write_config()
            # Of those that came before the listener goes each is greeted.
            late = [self.wire(passing, greet=False) for _ in range(5 * (turn % 2))]
            self.gate.reload()
            for client in late:
                self.assertEqual(client.reply()[0], 220)
                self.send(client)
                client.close()
            time.sleep(1)
        senders.stop()
        self.assertEqual(self.gate.log().count("event=reloaded") - before, int(seconds))
        print(f"{len(senders.passed)} messages beside {int(seconds)} reloads")
        self.assertEqual(senders.turned, 0)
        self.provider.acknowledged.pop(self.somebody, None)
        self.provider.given.pop(self.somebody, None)
        self.assertNothingLost(senders, beside=5 * (int(seconds) // 2))

    def test_postfix_beside_restarts(self):
        """A partner's Postfix empties its queue through the gate: nothing bounces, nothing waits
        longer than a retry, everything arrives once."""
        count = 300
        people = self.people(count)
        self.start()
        bounces = self.scripted()
        postfix = self.postfix(
            self.gate.port, local_domain="acme.example", local_port=bounces.port,
            minimal_backoff_time="1s", maximal_backoff_time="2s", queue_run_delay="1s",
            default_destination_concurrency_failed_cohort_limit="0",
            default_destination_concurrency_limit="5")

        def submit():
            with smtplib.SMTP("127.0.0.1", postfix.port, timeout=harness.PATIENCE) as client:
                for person in people:
                    client.sendmail(SENDER, [person], harness.message(SENDER))
                    time.sleep(0.01)
        feeder = threading.Thread(target=submit, daemon=True)
        feeder.start()
        for _ in range(3):
            time.sleep(1.2)
            self.take_over()
        feeder.join(harness.PATIENCE)
        harness.wait_for("all messages", lambda: len(self.provider.acknowledged) >= count)
        self.assertEqual(set(self.provider.acknowledged), set(people))
        self.assertEqual({times for times in self.provider.given.values()}, {1})
        harness.wait_for("Postfix to know", lambda: postfix.log().count("status=sent") >= count)
        log = postfix.log()
        self.assertEqual(log.count("status=sent"), count)
        self.assertNotIn("status=bounced", log)
        delays = [float(delay) for delay in re.findall(r" delay=([\d.]+),.* status=sent", log)]
        print(f"{count} messages, {log.count('status=deferred')} deferrals, "
              f"longest delay {max(delays):.1f} s")
        self.assertLess(max(delays), 20)
        self.assertEqual(bounces.messages, [])
        rows = self.gate.wait_rows(count)
        self.assertEqual([row["outcome"] for row in rows].count("accepted"), count)

    def test_plain_start_when_none_runs(self):
        self.somebody = self.person(self.gate)
        self.take_over_from_none = self.spawn("--takeover")
        self.gate.process = self.take_over_from_none
        harness.wait_for("serving", lambda: self.serving() == 1)
        self.gate.warm()
        self.message()
        second = self.spawn()  # without --takeover it is as it always was
        self.assertEqual(second.wait(harness.PATIENCE), 1)
        self.assertIn("another gateway serves", self.gate.log())
        self.message()

    def test_who_waits_is_served_by_the_next(self):
        """A slow transaction holds the old process; who connects meanwhile waits, and is greeted by
        the new one; an idle session is told 421."""
        self.start()
        idle = self.wire(self.gate)
        idle.hello()
        slow = self.begin()
        old = self.take_over(wait=False)
        self.assertEqual(idle.reply()[0], 421)
        self.assertTrue(idle.closed())
        waiting = [self.wire(self.gate, greet=False) for _ in range(5)]
        # Commands still reach somebody.
        self.assertEqual(self.gate.ask_status()["pid"], old.pid)
        self.finish(slow)
        self.assertEqual(slow.reply()[0], 421)
        for client in waiting:
            self.assertEqual(client.reply()[0], 220)
            self.send(client)
        self.assertEqual(old.wait(harness.LEAVING), 0)
        self.assertEqual(self.gate.status()["pid"], self.gate.pid)
        self.assertEqual(len(self.gate.wait_rows(6)), 6)

    def test_listeners_come_and_go_with_it(self):
        """The new configuration has one listener less and one more."""
        gone, new = harness.free_port(), harness.free_port()
        self.gate.config["listeners"]["gone"] = {"bind": f"127.0.0.1:{gone}", "tls": "none"}
        self.start()
        self.message(gone)
        del self.gate.config["listeners"]["gone"]
        self.gate.config["listeners"]["new"] = {"bind": f"127.0.0.1:{new}", "tls": "none"}
        self.gate.write_config()
        self.gate.process.send_signal(signal.SIGSTOP)
        waiting = [self.wire(gone, greet=False) for _ in range(10)]
        old, before = self.gate.process, self.serving()
        self.gate.process = self.spawn("--takeover")
        time.sleep(0.3)
        old.send_signal(signal.SIGCONT)
        harness.wait_for("the new process to serve", lambda: self.serving() > before)
        self.assertEqual(old.wait(harness.LEAVING), 0)
        # Greeted before the word came, or told 421: not one is cut off.
        self.assertLessEqual({client.reply()[0] for client in waiting}, {220, 421})
        self.message()
        self.message(new)
        with socket.socket() as probe:
            self.assertNotEqual(probe.connect_ex(("127.0.0.1", gone)), 0)
        self.gate.wait_rows(3)

    def test_commands_in_between_wait(self):
        self.start()
        stopping = threading.Event()
        answers = []

        def watch():
            while not stopping.is_set():
                done = self.gate.cli_full("status", "--format", "json")
                answers.append((done.returncode, done.stderr))
        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        for _ in range(4):
            self.take_over()
        stopping.set()
        watcher.join(harness.PATIENCE)
        self.assertGreater(len(answers), 4)
        self.assertEqual(set(answers), {(0, "")})

    def test_bad_configuration_leaves_the_old_one(self):
        self.start()
        good = self.gate.file.read_text()
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        key = self.gate.folder / "keys" / "recipient.key"
        for name, text in (
                ("syntax", good + "partners: {"),
                ("unknown key", good + 'nonsense = "x";\n'),
                ("no listener", re.sub(r"listeners = \{.*?\n\};", "", good, flags=re.S)),
                ("no key", good + 'recipient_key_file = "nowhere.key";\n'),
                ("port in use", good.replace("listeners = {", "listeners = { other = { bind = "
                 f'"127.0.0.1:{taken.getsockname()[1]}"; tls = "none"; }};'))):
            with self.subTest(name):
                self.assertNotEqual(text, good)
                self.gate.write_config(text)
                self.assertEqual(self.spawn("--takeover").wait(harness.PATIENCE), 1)
                self.gate.write_config(good)
                self.assertEqual(self.gate.status()["pid"], self.gate.pid)
                self.message()
        self.assertTrue(key.exists())
        self.assertEqual(self.serving(), 1)
        self.assertNotIn("handing over, draining", self.gate.log())
        # The last one came as far as asking.
        self.gate.wait_log("serving on")
        self.take_over()
        self.message()
        self.gate.wait_rows(6)

    def test_new_process_dies_with_the_sockets(self):
        """Before it said that it has all it needs: the old one never stopped."""
        self.start()
        control, answer, descriptors = self.ask()
        self.assertEqual([each["bind"] for each in answer["sockets"]],
                         [f"127.0.0.1:{self.gate.port}"] * 2)
        self.assertEqual(len(descriptors), 2)
        self.message()
        # Only one at a time.
        _, refused, none = self.ask()
        self.assertEqual((list(refused), none), (["error"], []))
        control.close()
        self.gate.wait_log("serving on")
        self.message()
        # And another one may try; nonsense is no commit.
        control, _, _ = self.ask()
        control.sendall(b'{"command":"serving"}\n')
        self.assertEqual(control.recv(100), b"")
        self.message()
        self.take_over()
        self.message()
        self.gate.wait_rows(4)

    def test_new_process_dies_after_its_word(self):
        """The old one has drained and given everything up: it serves again."""
        self.start()
        control, _, _ = self.ask()
        commit = {"command": "commit", "binds": [f"127.0.0.1:{self.gate.port}"]}
        control.sendall(json.dumps(commit).encode() + b"\n")
        self.assertEqual(json.loads(control.recv(100)), {"committed": True})
        self.gate.wait_log("waiting for the new process")
        waiting = [self.wire(self.gate, greet=False) for _ in range(3)]
        control.close()
        for client in waiting:
            self.assertEqual(client.reply()[0], 220)
            self.send(client)
        self.assertIn("serving again", self.gate.log())
        self.assertEqual(self.gate.status()["pid"], self.gate.pid)
        self.gate.reload()
        self.take_over()
        self.message()
        self.assertEqual(len(self.gate.wait_rows(4)), 4)

    def test_real_process_killed_while_it_waits(self):
        self.start()
        slow = self.begin()
        old = self.take_over(wait=False)
        self.gate.wait_log("handing over, draining")
        self.gate.process.kill()
        self.gate.process.wait()
        self.gate.process = old
        waiting = self.wire(self.gate, greet=False)
        self.finish(slow)
        self.assertEqual(waiting.reply()[0], 220)
        self.send(waiting)
        self.gate.wait_rows(2)

    def test_old_process_killed_while_it_drains(self):
        self.start()
        slow = self.begin()
        old = self.take_over(wait=False)
        self.gate.wait_log("handing over, draining")
        waiting = [self.wire(self.gate, greet=False) for _ in range(3)]
        old.kill()
        old.wait()
        for client in waiting:
            self.assertEqual(client.reply()[0], 220)
            self.send(client)
        self.assertTrue(slow.closed())
        self.gate.wait_rows(3, complete=False)

    def crowd(self, *ports):
        """Connections while the gateway may have no descriptor, not even the one it keeps in
        reserve: it pauses, and they wait in the kernel. Returns them by port."""
        self.limit(3)
        crowd = {port: [self.wire(port, greet=False) for _ in range(20)] for port in ports}
        self.gate.wait_log("cannot accept, pausing")
        time.sleep(0.05)
        return crowd

    def limit(self, descriptors):
        resource.prlimit(self.gate.pid, resource.RLIMIT_NOFILE,
                         (descriptors, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))

    def test_term_answers_who_waits(self):
        """Connections nobody accepted yet get 421, in clear and under TLS, not a reset."""
        ports, context = self.tls_listeners()
        self.start()
        crowd = self.crowd(*ports)
        self.limit(4096)  # accepting is paused for 100 ms all the same
        self.gate.process.send_signal(signal.SIGTERM)
        seen = []
        for port, tls in ports.items():
            for client in crowd[port]:
                if tls == "implicit":
                    client.secure(context)
                replies = [client.reply()[0]]
                if replies[0] == 220:
                    replies.append(client.reply()[0])
                seen.append(replies)
        self.assertEqual([each for each in seen if each not in ([421], [220, 421])], [])
        self.assertGreater(seen.count([421]), 0)  # they did wait
        self.assertEqual(self.gate.process.wait(harness.LEAVING), 0)
        self.gate.process = None

    def test_reload_serves_who_waits(self):
        """A listener that goes: who was connected has what it came for."""
        other = harness.free_port()
        self.gate.config["listeners"]["other"] = {"bind": f"127.0.0.1:{other}", "tls": "none"}
        self.start()
        del self.gate.config["listeners"]["other"]
        self.gate.write_config()
        crowd = self.crowd(other)
        self.limit(4096)
        self.gate.process.send_signal(signal.SIGHUP)
        for client in crowd[other]:
            self.assertEqual(client.reply()[0], 220)
            self.send(client)
        with socket.socket() as probe:
            self.assertNotEqual(probe.connect_ex(("127.0.0.1", other)), 0)
        self.gate.wait_rows(20)

    def test_drain_timeout(self):
        self.start(drain_timeout="1 s")
        stuck = self.begin()
        began = time.monotonic()
        self.gate.process.terminate()
        self.assertEqual(self.gate.process.wait(harness.LEAVING), 0)
        self.assertGreater(time.monotonic() - began, 0.9)
        self.assertTrue(stuck.closed())
        self.assertIn("ending sessions that did not finish", self.gate.log())
        self.gate.process = None

    def test_drain_says_what_it_waits_for(self):
        self.start()
        slow = self.begin()
        self.gate.process.terminate()
        self.gate.wait_log('event="still draining" doors=0 sessions=1 messages=0 ends_in_s=2')
        self.gate.wait_log('smtp="COMMAND 1" smpp=- http=- messages=0 doors=closed')
        self.finish(slow)
        self.assertEqual(slow.reply()[0], 421)
        self.assertEqual(self.gate.process.wait(harness.LEAVING), 0)
        self.gate.process = None

    def test_the_way_down_says_where_it_is(self):
        """Somebody else writes to the index, which is brought up to date last."""
        self.start()
        index = sqlite3.connect(self.gate.state / "journal.db", isolation_level=None)
        self.addCleanup(index.close)
        index.execute("BEGIN IMMEDIATE")
        self.message()
        self.gate.process.terminate()
        self.gate.wait_log('event="still ending" step=index for_s=')
        index.execute("ROLLBACK")
        self.assertEqual(self.gate.process.wait(harness.LEAVING), 0)
        self.gate.process = None
        self.assertNotIn("still draining", self.gate.log())

    # -- the service manager

    def passed(self, sockets, environment, *arguments):
        """Starts serve as systemd does: descriptors from 3 on, LISTEN_PID its own."""
        numbers = [each.fileno() for each in sockets]
        moves = "".join(f"exec {20 + i}<&{number}; " for i, number in enumerate(numbers))
        moves += "".join(f"exec {3 + i}<&{20 + i} {20 + i}<&-; " for i in range(len(numbers)))
        script = moves + 'LISTEN_PID=$$ exec "$@"'
        with open(self.gate.log_file, "ab") as log:
            process = harness.spawn(
                ["/bin/bash", "-c", script, "start", self.gate.binary, "-c", self.gate.file,
                 "serve", *arguments], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                env={**harness.sanitizer_environment(), "LISTEN_FDS": str(len(sockets)),
                     **environment}, pass_fds=numbers)
        self.processes.append(process)
        return process

    def test_socket_activation(self):
        """The parent keeps the socket: over restarts nobody is refused, nobody is cut."""
        people = self.people(4000)
        listening = socket.create_server(("127.0.0.1", self.gate.port), backlog=512)
        stray = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)
        self.addCleanup(stray.close)
        own = harness.free_port()
        self.gate.config["listeners"]["own"] = {"bind": f"127.0.0.1:{own}", "tls": "none"}
        self.somebody = self.person(self.gate)
        self.gate.write_config()
        manager = ServiceManager(self, "\0octroi-test-notify-%d" % os.getpid())
        environment = {"LISTEN_FDNAMES": "smtp:stray", "WATCHDOG_USEC": "400000",
                       "NOTIFY_SOCKET": "@octroi-test-notify-%d" % os.getpid()}
        senders = Senders({self.gate.port: "none"}, 4, people)
        waiting = []
        for _ in range(3):
            before = self.serving()
            self.gate.process = self.passed([listening, stray], environment)
            self.assertEqual(manager.told("READY=1"), {"READY": "1", "STATUS": "Serving"})
            self.assertEqual(self.serving(), before + 1)
            self.gate.warm()
            self.message(own, self.somebody)
            manager.told("WATCHDOG=1")
            mark = time.monotonic_ns() // 1000
            self.gate.reload()
            told = manager.told("RELOADING=1")
            self.assertGreaterEqual(int(told["MONOTONIC_USEC"]), mark)
            manager.told("READY=1")
            time.sleep(0.5)
            self.gate.process.terminate()
            manager.told("STOPPING=1")
            self.assertEqual(self.gate.process.wait(harness.LEAVING), 0)
            # Nobody serves, and yet nobody is refused.
            waiting.append(self.wire(self.gate, greet=False, timeout=5))
        self.assertIn("no listener asks for, closing it", self.gate.log())
        # From the one that was passed to one that is handed over, and still the parent's.
        self.gate.process = self.passed([listening], environment)
        manager.told("READY=1")
        self.assertEqual({client.reply()[0] for client in waiting}, {220})
        os.environ["NOTIFY_SOCKET"] = environment["NOTIFY_SOCKET"]
        self.take_over()
        self.assertEqual(manager.told("MAINPID")["MAINPID"], str(self.gate.pid))
        self.gate.process.terminate()
        self.assertEqual(self.gate.process.wait(harness.LEAVING), 0)
        self.gate.process = self.passed([listening], {})
        senders.stop()
        print(f"{len(senders.passed)} messages, longest pause {senders.gap:.2f} s")
        for row in self.gate.wait_rows(len(senders.passed) + 3):
            self.assertEqual(row["outcome"], "accepted")
        self.assertEqual(senders.failed, [])
        self.assertEqual(set(self.provider.acknowledged), {*senders.passed, self.somebody})
