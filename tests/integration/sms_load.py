# SPDX-License-Identifier: Apache-2.0
"""SMPP in a few lines, for load: a provider and partners that keep a window full and remember what
they were told. What libraries do is tested with libraries; these must not be slower than the gate."""

import socket
import struct
import threading
import time

import harness

RESPONSE = 0x80000000
BIND_TRX, SUBMIT, DELIVER, UNBIND, ENQUIRE = 0x09, 0x04, 0x05, 0x06, 0x15


def pdu(command, sequence, body=b"", status=0):
    return struct.pack(">IIII", 16 + len(body), command, status, sequence) + body


def text(*fields):
    return b"".join(field.encode() + b"\0" for field in fields)


def message(source, destination, words, registered=0):
    """The body of submit_sm and deliver_sm."""
    source_ton = 5 if source.isalpha() else 1
    return (b"\0" + bytes([source_ton, 0]) + text(source) + b"\x01\x01" + text(destination) +
            b"\0\0\0\0\0" + bytes([registered, 0, 0, 0, len(words)]) + words.encode())


def addresses(body):
    """Source and destination of a submit_sm or deliver_sm without a service type."""
    source, rest = body[3:].split(b"\0", 1)
    return source.decode(), rest[2:].split(b"\0", 1)[0].decode()


def import_people(gate, people):
    """Consents for many numbers at once, without their "+"."""
    rows = [f"+{number},sms,given,{harness.instant(86400)},jeu-ete@1,,,,click 1"
            for number in people]
    gate.cli("consent", "import", "-", input="\n".join([",".join(harness.CSV_HEADER), *rows, ""]))


class shared:
    """One source for several threads."""

    def __init__(self, source):
        self.source = iter(source)
        self.lock = threading.Lock()

    def __iter__(self):
        return self

    def __next__(self):
        with self.lock:
            return next(self.source)


def until(stopping, source, pause=0.0):
    """What source gives, until the event."""
    for each in source:
        if stopping.is_set():
            return
        yield each
        time.sleep(pause)


class Reader:
    """Whole PDUs from a socket: (command, status, sequence, body); None at its end."""

    def __init__(self, connection):
        self.connection = connection
        self.buffer = b""

    def read(self):
        while len(self.buffer) < 4 or len(self.buffer) < self._length():
            try:
                more = self.connection.recv(65536)
            except OSError:
                return None
            if not more:
                return None
            self.buffer += more
        length = self._length()
        whole, self.buffer = self.buffer[:length], self.buffer[length:]
        return (*struct.unpack(">III", whole[4:16]), whole[16:])

    def _length(self):
        return struct.unpack(">I", self.buffer[:4])[0]


class Smsc:
    """Takes everything, remembers it, and can be told to say STOP for a number."""

    def __init__(self, test, host="127.0.0.1"):
        self.lock = threading.Lock()
        self.given = {}         # number → how often it was submitted
        self.acknowledged = {}  # number → the id it was answered with
        self.stopped = set()    # numbers whose STOP was acknowledged
        self.delay = 0.0        # seconds from each submit to its answer
        self.asked = {}         # sequence → number whose STOP it was
        self.connections = []
        self.host, self.port = host, 0
        self.start()
        test.addCleanup(self.stop)

    def start(self):
        """Also anew, on the same port."""
        self.listener = socket.create_server((self.host, self.port))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, args=(self.listener,), daemon=True)
        self.thread.start()

    def stop(self):
        """No more connections, and the open ones are cut."""
        if self.listener is None:
            return
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.thread.join()
        self.listener = None
        with self.lock:
            for connection in self.connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def _accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        reader = Reader(connection)
        while (got := reader.read()) is not None:
            command, status, sequence, body = got
            if command == (DELIVER | RESPONSE):
                with self.lock:
                    number = self.asked.pop(sequence, None)
                    if number is not None and status == 0:
                        self.stopped.add(number)
                continue
            if command & RESPONSE:
                continue
            answer = b""
            if command == SUBMIT:
                number = addresses(body)[1]
                with self.lock:
                    self.given[number] = self.given.get(number, 0) + 1
                    answer = f"s{len(self.given)}".encode() + b"\0"
                    self.acknowledged[number] = answer[:-1].decode()
                time.sleep(self.delay)
            elif command == BIND_TRX:
                answer = b"sink\0"
            try:
                connection.sendall(pdu(command | RESPONSE, sequence, answer))
            except OSError:
                break
        with self.lock:
            self.connections.remove(connection)
        connection.close()

    def open(self):
        with self.lock:
            return len(self.connections)

    def say_stop(self, number, sequence):
        with self.lock:
            if not self.connections:
                return
            connection = self.connections[-1]
            self.asked[sequence] = number
        try:
            connection.sendall(pdu(DELIVER, sequence, message(number, "36111", "STOP")))
        except OSError:
            pass


class Partner(threading.Thread):
    """Binds and keeps window submits unanswered, each to the next number, until there is none or
    the gate is gone."""

    def __init__(self, port, numbers, account, password, window=20):
        super().__init__(daemon=True)
        self.port, self.numbers, self.window = port, numbers, window
        self.login = text(account, password, "") + b"\x34\0\0\0"
        self.passed, self.refused, self.later, self.other = {}, set(), set(), []
        self.open = {}
        self.start()

    def run(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
                self._talk(connection, Reader(connection))
        except OSError:
            pass

    def _submit(self, connection, sequence):
        number = next(self.numbers, None)
        if number is None:
            return False
        self.open[sequence] = number
        connection.sendall(pdu(SUBMIT, sequence, message("ACME", number, "Corse. STOP 36111")))
        return True

    def _talk(self, connection, reader):
        connection.sendall(pdu(BIND_TRX, 1, self.login))
        bound = reader.read()
        if bound is None or bound[1] != 0:
            if bound is not None:
                self.other.append(("bind", bound[1]))
            return
        sequence = 2
        while len(self.open) < self.window and self._submit(connection, sequence):
            sequence += 1
        while self.open:
            got = reader.read()
            if got is None:
                return
            command, status, of, body = got
            if command != (SUBMIT | RESPONSE):
                continue
            number = self.open.pop(of)
            if status == 0:
                self.passed[number] = body.split(b"\0", 1)[0].decode()
            elif status == 0x45:
                self.refused.add(number)
            elif status == 0x08:
                self.later.add(number)
            else:
                self.other.append((number, status))
            if self._submit(connection, sequence):
                sequence += 1
