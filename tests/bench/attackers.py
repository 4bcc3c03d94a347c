#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Attackers: thousands of connections out of one thread, so that what they cost the machine is little
beside what they cost who is attacked.

    attackers.py KIND '{"port": …, "count": …, …}'

It attacks until standard input ends. Each line there is answered by one of JSON: what the attackers
were told so far. ends counts, for each connection that the other side ended, how its last answer
began; "nothing" is an end without a word.
"""

import base64
import collections
import contextlib
import heapq
import json
import os
import pathlib
import resource
import select
import socket
import ssl
import struct
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "integration")]

import sms_load  # noqa: E402

NO_PORT_YET = 24  # IP_BIND_ADDRESS_NO_PORT: as many connections of an address as there are ports
PATIENCE = 60


def sources(base, count):
    """count loopback addresses from base on."""
    first = struct.unpack(">I", socket.inet_aton(base))[0]
    return [socket.inet_ntoa(struct.pack(">I", first + i)) for i in range(count)]


class Slot:
    """One attacker, who comes again when his connection is ended."""

    __slots__ = ("number", "source", "socket", "life", "text", "last", "greeted", "step")

    def __init__(self, number, source):
        self.number, self.source = number, source
        self.socket = None
        self.life = 0  # which of his connections it is: old timers do not count


class Crowd:
    """What all kinds do. port, count: of connections at a time; source, spread: of how many
    addresses they come; pace: new connections a second, at most; again: seconds until who was ended
    comes again."""

    def __init__(self, port, count, source="127.64.0.1", spread=1, pace=1000, again=5):
        self.target = ("127.0.0.1", port)
        self.pace, self.again = pace, again
        self.epoll = select.epoll()
        self.open = {}
        self.timers = []
        self.order = 0
        self.counts = collections.Counter()
        self.ends = collections.Counter()
        self.said = collections.Counter()  # answers, whether the connection goes on or not
        self.most = 0
        froms = sources(source, spread)
        self.waiting = collections.deque(Slot(i, froms[i % spread]) for i in range(count))

    # -- what a kind fills in

    def begin(self, slot):
        """The connection is there."""

    def line(self, slot, line):
        """A line was answered."""

    def take(self, slot, data):
        """Bytes came."""
        slot.text += data
        while (at := slot.text.find(b"\n")) >= 0:
            line, slot.text = slot.text[:at].rstrip(b"\r"), slot.text[at + 1:]
            slot.last = line
            if line[3:4] != b"-":
                self.line(slot, line.decode("latin-1"))
                if slot.socket is None:
                    return

    def word(self, slot):
        """What an end is counted under."""
        return (slot.last or slot.text)[:9].decode("latin-1").strip() or "nothing"

    # -- the engine

    def later(self, seconds, call, slot):
        self.order += 1
        heapq.heappush(self.timers, (time.monotonic() + seconds, self.order, call, slot, slot.life))

    def send(self, slot, data):
        with contextlib.suppress(OSError):
            slot.socket.send(data)

    def greet(self, slot):
        """Let in."""
        if not slot.greeted:
            slot.greeted = True
            self.counts["held"] += 1
            self.most = max(self.most, self.counts["held"])

    def connect(self, slot):
        slot.life += 1
        slot.text = slot.last = b""
        slot.greeted = False
        slot.step = None
        slot.socket = socket.socket()
        slot.socket.setblocking(False)
        slot.socket.setsockopt(socket.IPPROTO_IP, NO_PORT_YET, 1)
        try:
            slot.socket.bind((slot.source, 0))
            slot.socket.connect_ex(self.target)
        except OSError:
            self.counts["failed"] += 1
            slot.socket.close()
            slot.socket = None
            self.later(self.again, self._come, slot)
            return
        self.counts["connections"] += 1
        self.open[slot.socket.fileno()] = slot
        self.epoll.register(slot.socket, select.EPOLLIN | select.EPOLLOUT)

    def close(self, slot, hard=False):
        """It lets go itself, or the other side has."""
        if slot.greeted:
            self.counts["held"] -= 1
        del self.open[slot.socket.fileno()]
        if hard:
            slot.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        slot.socket.close()
        slot.socket = None
        slot.life += 1
        self.later(self.again, self._come, slot)

    def _come(self, slot):
        self.waiting.append(slot)

    def _event(self, slot, what):
        if what & select.EPOLLOUT and not what & (select.EPOLLERR | select.EPOLLHUP):
            self.epoll.modify(slot.socket, select.EPOLLIN)
            self.begin(slot)
        if what & ~select.EPOLLOUT:
            try:
                data = slot.socket.recv(65536)
            except BlockingIOError:
                return
            except OSError:
                self.counts["resets"] += 1
                data = b""
            if data:
                self.take(slot, data)
            else:
                self.ends[self.word(slot)] += 1
                self.close(slot)

    def _let_come(self, now):
        room = min(now - self.came, 0.25) * self.pace
        come = min(int(room), len(self.waiting))
        for _ in range(come):
            self.connect(self.waiting.popleft())
        if come:
            self.came += come / self.pace
        if not self.waiting or now - self.came > 0.25:
            self.came = now - min(now - self.came, 1 / self.pace)

    def _patience(self, now):
        until = now + 1
        if self.timers:
            until = min(until, self.timers[0][0])
        if self.waiting:
            until = min(until, max(now + 0.002, self.came + 1 / self.pace))
        return max(0, until - now)

    def report(self):
        used = resource.getrusage(resource.RUSAGE_SELF)
        return {**self.counts, "most": self.most, "ends": self.ends, "said": self.said,
                "open": len(self.open), "cpu": used.ru_utime + used.ru_stime}

    def run(self):
        self.came = time.monotonic()
        self.epoll.register(0, select.EPOLLIN)
        while True:
            now = time.monotonic()
            while self.timers and self.timers[0][0] <= now:
                _, _, call, slot, life = heapq.heappop(self.timers)
                if life == slot.life:
                    call(slot)
            self._let_come(now)
            for descriptor, what in self.epoll.poll(self._patience(now)):
                if descriptor == 0:
                    asked = os.read(0, 4096)
                    if not asked:
                        return
                    print(json.dumps(self.report()), flush=True)
                elif slot := self.open.get(descriptor):
                    self._event(slot, what)


class Loris(Crowd):
    """Says a byte now and then, and never comes to an end. every 0: nothing at all."""

    def __init__(self, text="N" * 400, every=5, **options):
        super().__init__(**options)
        self.text, self.every = text.encode(), every

    def begin(self, slot):
        slot.step = 0
        if self.every:
            # Not all in the same instant.
            self.later(self.every * (slot.number % 97) / 97, self._drip, slot)

    def line(self, slot, line):
        if line.startswith("220"):
            self.greet(slot)

    def _drip(self, slot):
        self.send(slot, self.text[slot.step % len(self.text):][:1])
        self.counts["bytes"] += 1
        slot.step += 1
        self.later(self.every, self._drip, slot)


class HttpLoris(Loris):
    """… of a request. Nobody greets: who is not told to go is in."""

    def __init__(self, **options):
        super().__init__(text="GET /v1/messages HTTP/1.1\r\nHost: gate\r\nX-Slow: " + "a" * 400,
                         **options)

    def begin(self, slot):
        super().begin(slot)
        self.greet(slot)

    def take(self, slot, data):
        slot.text += data

    def word(self, slot):
        return slot.text[9:12].decode("latin-1") or "nothing"


class Guesser(Crowd):
    """Tries passwords, each another one, as fast as he is answered. patience: seconds he waits for
    an answer before he hangs up; 0: as long as it takes."""

    def __init__(self, names, patience=0, **options):
        super().__init__(**options)
        self.names, self.patience = names, patience
        self.guess = 0

    def line(self, slot, line):
        code = line[:3]
        if code == "220":
            self.greet(slot)
            self.send(slot, b"EHLO guess.test\r\n")
        elif code in ("250", "535"):
            if code == "535":
                self.said[line[:9]] += 1
            self.guess += 1
            name = self.names[self.guess % len(self.names)]
            secret = base64.b64encode(f"\0{name}\0guess {self.guess}".encode())
            self.send(slot, b"AUTH PLAIN " + secret + b"\r\n")
            if self.patience:
                slot.step = time.monotonic() + self.patience
                self.later(self.patience, self._leave, slot)
        else:
            self.said[line[:9]] += 1
            if code != "421":  # 421: the other side ends it
                self.close(slot)

    def _leave(self, slot):
        if time.monotonic() >= slot.step:  # else it is for an answer that came
            self.counts["left"] += 1
            self.close(slot)


class Mailer(Crowd):
    """Sends mail, rate a second in all, whatever he is told."""

    def __init__(self, rate, sender, domain, **options):
        super().__init__(**options)
        self.sender, self.domain = sender, domain
        self.every = options["count"] / rate
        self.message = (f"From: <{sender}>\r\nTo: <many@{domain}>\r\nSubject: much\r\n\r\n"
                        "Bonjour,\r\n.\r\n").encode()
        self.sent = 0
        self.due = {}

    def line(self, slot, line):
        code = line[:3]
        if slot.step is None and code == "220":
            self.greet(slot)
            slot.step = "hello"
            self.send(slot, b"EHLO much.test\r\n")
        elif slot.step == "hello":
            self.due[slot.number] = time.monotonic()
            self._mail(slot)
        elif slot.step == "mail":
            slot.step = "rcpt"
            self.sent += 1
            self.counts["messages"] += 1
            self.send(slot, f"RCPT TO:<{self.sent % 100}@{self.domain}>\r\n".encode())
        elif slot.step == "rcpt":
            self.said[line[:9]] += 1
            slot.step = "data" if code == "250" else "reset"
            self.send(slot, b"DATA\r\n" if code == "250" else b"RSET\r\n")
        elif slot.step == "data":
            slot.step = "reset"
            self.send(slot, self.message)
        elif slot.step == "reset":
            slot.step = "pause"
            self.due[slot.number] = max(self.due[slot.number] + self.every, time.monotonic() - 1)
            self.later(max(0, self.due[slot.number] - time.monotonic()), self._mail, slot)

    def _mail(self, slot):
        slot.step = "mail"
        self.send(slot, f"MAIL FROM:<{self.sender}>\r\n".encode())


class Sender(Crowd):
    """Binds by SMPP and sends messages, rate a second in all; rate 0: binds only."""

    def __init__(self, login, password, rate=0, batch=10, **options):
        super().__init__(**options)
        self.login, self.password = login, password
        self.batch = batch
        self.every = options["count"] * batch / rate if rate else 0
        self.sent = 0

    def begin(self, slot):
        slot.step = 1
        self.send(slot, sms_load.pdu(2, 1, sms_load.text(self.login, self.password, "") +
                                     b"\x34\0\0\0"))

    def take(self, slot, data):
        slot.text += data
        while len(slot.text) >= 16:
            length, command, status, sequence = struct.unpack(">IIII", slot.text[:16])
            if len(slot.text) < length:
                break
            slot.text = slot.text[length:]
            self._pdu(slot, command, status, sequence)

    def word(self, slot):
        return slot.last.decode() or "nothing"

    def _pdu(self, slot, command, status, sequence):
        if command == 0x80000002:
            slot.last = f"bind {status:#x}".encode()
            self.said[f"bind {status:#x}"] += 1
            if status == 0:
                self.greet(slot)
                if self.every:
                    self._submit(slot)
        elif command == 0x80000004:
            self.said[f"{status:#x}"] += 1
        elif command == sms_load.ENQUIRE:
            self.send(slot, sms_load.pdu(sms_load.ENQUIRE | sms_load.RESPONSE, sequence))

    def _submit(self, slot):
        pdus = []
        for _ in range(self.batch):
            self.sent += 1
            slot.step += 1
            pdus.append(sms_load.pdu(sms_load.SUBMIT, slot.step, sms_load.message(
                "BETA", f"3361{self.sent % 10**7:07d}", "Beaucoup. STOP au 36111")))
        self.counts["messages"] += self.batch
        self.send(slot, b"".join(pdus))
        self.later(self.every, self._submit, slot)


class Handshaker(Crowd):
    """ClientHello, and gone as soon as there is an answer: the dear part of it has been done."""

    def __init__(self, **options):
        super().__init__(again=0, **options)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        outgoing = ssl.MemoryBIO()
        with contextlib.suppress(ssl.SSLWantReadError):
            context.wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
        self.hello = outgoing.read()

    def begin(self, slot):
        self.send(slot, self.hello)

    def take(self, slot, data):
        self.said["ServerHello" if data[:1] == b"\x16" else "other"] += 1
        self.close(slot)


KINDS = {"loris": Loris, "http-loris": HttpLoris, "guess": Guesser, "mail": Mailer, "sms": Sender,
         "handshake": Handshaker}


class Attack:
    """The program above, from where it is used. spawn: how to start it (harness.spawn)."""

    def __init__(self, spawn, kind, **options):
        self.process = spawn([sys.executable, __file__, kind, json.dumps(options)],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def report(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"the attackers ended: {self.process.wait(PATIENCE)}")
        return json.loads(line, object_hook=collections.Counter)

    def stop(self):
        """Everything it has open is closed; returns the last report."""
        self.last = self.report()
        self.process.stdin.close()
        self.process.wait(PATIENCE)
        self.process.stdout.close()
        return self.last


def main():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    KINDS[sys.argv[1]](**json.loads(sys.argv[2])).run()


if __name__ == "__main__":
    main()
