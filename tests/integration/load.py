# SPDX-License-Identifier: Apache-2.0
"""Load for the fault tests: sessions that send one message after the other and remember, message by
message, what they were told; and a provider that remembers, message by message, what it was given.

Each message has a recipient of its own, so that a client's answer, a provider's message and a
journal row can be matched exactly. Nothing here judges: the tests do.
"""

import csv
import hmac
import io
import itertools
import re
import socket
import threading
import time

import harness

SENDER = "news@acme.example"
REF = re.compile(r", ref (\S+)$")
QUEUED = re.compile(r"\bqueued as (\w+)")


def import_people(gateway, people, form="jeu-ete"):
    """Consents for many people at once, by a form of that id that is made if there is none. Their
    addresses are not put among those the harness looks for in every file: thousands of them would
    take it minutes."""
    if f'"{form}"' not in gateway.cli("form", "list", "--format", "json"):
        gateway.add_form(id=form)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(harness.CSV_HEADER)
    at = harness.instant(86400)
    writer.writerows([person, "email", "given", at, f"{form}@1", "", "", "", "click 4711"]
                     for person in people)
    gateway.cli("consent", "import", "-", input=text.getvalue(), timeout=120)


def recipient_key(gateway, address):
    """What the journal calls this recipient."""
    key = bytes.fromhex((gateway.folder / "keys" / "recipient.key").read_text().strip())
    return hmac.new(key, address.encode(), "sha256").hexdigest()


class Recorder:
    """A provider that takes everything. given: recipient → how often content for it began;
    acknowledged: recipient → (its queue id, its content)."""

    def __init__(self, test, delay=0.0, **options):
        self.delay = delay
        self.lock = threading.Lock()
        self.given = {}
        self.acknowledged = {}
        self.queue_ids = []  # of every message, in their order
        self.numbers = itertools.count(1)
        self.server = test.scripted({"connect": self._connect, "content": self._content,
                                     ".": self._dot}, **options)

    def provider(self, **more):
        return self.server.provider(**more)

    @staticmethod
    def _connect(conversation, _):
        # It answers pipelined commands one by one: without this each pair costs 40 ms.
        conversation.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _content(self, conversation):
        with self.lock:
            for recipient in conversation.recipients:
                self.given[recipient] = self.given.get(recipient, 0) + 1

    def _dot(self, _, message):
        if self.delay:
            time.sleep(self.delay)
        queue_id = f"Q{next(self.numbers)}"
        with self.lock:  # before the answer leaves: what a client was told must be in here
            for recipient in message.recipients:
                self.acknowledged[recipient] = (queue_id, message.body)
            self.queue_ids.append(queue_id)
        return f"250 2.0.0 queued as {queue_id}"


class Crowd:
    """32 sessions of other partners, which send to a healthy provider while something is wrong
    elsewhere in the gateway. as a context: in the end every message of theirs that was asked to pass
    must have been delivered, once, and no session have ended otherwise than by its own QUIT."""

    SESSIONS = 32

    def __init__(self, test, port, people, recorder, login=None):
        strangers = (f"no{i}@example.org" for i in itertools.count())
        self.test = test
        self.recorder = recorder
        self.load = Load(port, self.SESSIONS, itertools.cycle(people), strangers, pause=0.1,
                         login=login)
        harness.wait_for("the crowd to move", lambda: self.sent() > 0)

    def sent(self):
        return len(self.load.queue_ids)

    def __enter__(self):
        return self

    def __exit__(self, kind, problem, trace):
        before = self.sent()
        if kind is None:
            # Unharmed is also: not standing still, each of them.
            harness.wait_for("the crowd to go on",
                             lambda: self.sent() >= before + self.SESSIONS)
        self.load.stop()
        if kind is not None:
            return
        self.test.assertEqual((self.load.broken, self.load.other), ([], []))
        told = self.load.queue_ids
        self.test.assertEqual(len(told), len(set(told)))
        self.test.assertEqual(set(told), set(self.recorder.queue_ids))


class Load:
    """Sessions that send until they are stopped, or the gateway is gone.

    yes: an iterator of recipients that may be written to; no: of others. What they were told:
    passed: recipient → queue id; refused: recipient → ref; other: (recipient, reply) of every other
    answer; broken: sessions that ended otherwise than by our QUIT.
    """

    def __init__(self, port, sessions, yes, no, per_session=5, body="Bonjour,\r\n", pause=0.0,
                 login=None, source=None):
        self.port = port
        self.yes, self.no = yes, no
        self.per_session = per_session
        self.body = body
        self.pause = pause
        self.login = login
        self.source = source  # the loopback address it comes from
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.passed, self.refused, self.other, self.broken = {}, {}, [], []
        self.queue_ids = []  # what every message that passed was told, in no order
        self.threads = [threading.Thread(target=self._run, args=(i,), daemon=True)
                        for i in range(sessions)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        """Each session finishes its message."""
        self.stopping.set()
        self.join()

    def join(self):
        for thread in self.threads:
            thread.join(harness.PATIENCE)
            if thread.is_alive():
                raise AssertionError("a session hangs")

    def _next(self, iterator):
        with self.lock:
            return next(iterator, None)

    def _run(self, number):
        while not self.stopping.is_set():
            try:
                if not self._session(number):
                    return
            except (OSError, EOFError) as problem:
                with self.lock:
                    self.broken.append(repr(problem))
                time.sleep(0.005)

    def _session(self, number):
        wire = harness.Wire(self.port, source=self.source)
        try:
            if wire.greeting[0] != 220:
                raise EOFError(f"greeted with {wire.greeting}")
            self._expect(wire.say("EHLO load.test"), 250)
            if self.login:
                self._expect(wire.say(f"AUTH PLAIN {self.login}"), 235)
            for turn in range(self.per_session):
                if self.stopping.is_set():
                    break
                recipient = self._next(self.no if (number + turn) % 3 == 0 else self.yes)
                if recipient is None:
                    return False
                self._message(wire, recipient)
                if self.pause:
                    time.sleep(self.pause)
            wire.say("QUIT")
            return True
        finally:
            wire.close()

    @staticmethod
    def _expect(reply, code):
        if reply[0] != code:
            raise EOFError(f"{reply} instead of {code}")

    def _message(self, wire, recipient):
        self._expect(wire.say(f"MAIL FROM:<{SENDER}>"), 250)
        reply = wire.say(f"RCPT TO:<{recipient}>")
        if reply[0] == 250:
            self._expect(wire.say("DATA"), 354)
            wire.send(harness.message(SENDER, recipient, body=self.body) + b".\r\n")
            reply = wire.reply()
        with self.lock:
            if reply[0] == 250:
                self.passed[recipient] = QUEUED.search(reply[1]).group(1)
                self.queue_ids.append(self.passed[recipient])
            elif reply[0] == 550:
                self.refused[recipient] = REF.search(reply[1]).group(1)
            elif reply[0] != 0:
                self.other.append((recipient, reply))
        if reply[0] == 0:
            raise EOFError("connection lost")
        if reply[0] != 250:
            wire.say("RSET")
