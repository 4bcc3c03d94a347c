# SPDX-License-Identifier: Apache-2.0
"""The SMPP server against real partners: npm's `smpp`, Kannel, and sockets that do what no library
does. What a session does in each of its states is in tests/unit/test_proxy_smpp*.c."""

import http.server
import shutil
import socket
import ssl
import struct
import threading
import time
import urllib.parse
import urllib.request

import harness
import sms_load
from sms_harness import PASSWORD, SmsTest, smpp_provider
from sms_load import BIND_TRX, ENQUIRE, RESPONSE, SUBMIT, UNBIND, pdu, text

BIND_TX, MULTI, NACK, DELIVER = 0x02, 0x21, 0x80000000, 0x05
OK, WRONG_STATE, BOUND_ALREADY, SYSTEM_ERROR = 0, 0x04, 0x05, 0x08
BIND_FAILED, WRONG_LOGIN, QUEUE_FULL, BLOCKED = 0x0d, 0x0e, 0x14, 0x45
WORDS = "Dix jours en Corse. STOP au 36111"


class Raw:
    """A partner on a plain socket."""

    def __init__(self, gate, context=None):
        self.socket = socket.create_connection(("127.0.0.1", gate.smpp_port), harness.PATIENCE)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_hostname="gate.test")
        self.socket.settimeout(harness.PATIENCE)
        self.reader = sms_load.Reader(self.socket)

    def say(self, *pdus):
        self.socket.sendall(b"".join(pdus))

    def hear(self):
        """(command, status, sequence, body), or None at the end."""
        return self.reader.read()

    def ask(self, whole):
        self.say(whole)
        return self.hear()

    def bind(self, kind=BIND_TRX, account="acme-sms", password=PASSWORD, sequence=1):
        return self.ask(bind(kind, account, password, sequence))

    def close(self):
        self.socket.close()


def bind(kind=BIND_TRX, account="acme-sms", password=PASSWORD, sequence=1):
    return pdu(kind, sequence, text(account, password, "") + b"\x34\0\0\0")


def submit(sequence, to, registered=0):
    return pdu(SUBMIT, sequence, sms_load.message("ACME", to.lstrip("+"), WORDS, registered))


class SmppServer(SmsTest):
    def raw(self, gate, **options):
        raw = Raw(gate, **options)
        self.addCleanup(raw.close)
        return raw

    def bound(self, gate, kind=BIND_TRX):
        raw = self.raw(gate)
        self.assertEqual(raw.bind(kind)[:3], (kind | RESPONSE, OK, 1))
        return raw

    def test_sent_ahead(self):
        """A whole session in one packet, its sending side closed at once: all is answered."""
        provider = self.smsc()
        gate = self.sms_gateway(provider)
        yes, no = self.number(gate), self.number(gate, consent=False)
        raw = self.raw(gate)
        raw.say(bind(), submit(2, yes), submit(3, no), pdu(ENQUIRE, 4), pdu(UNBIND, 5))
        raw.socket.shutdown(socket.SHUT_WR)
        said = []
        while (told := raw.hear()) is not None:
            said.append(told)
        self.assertEqual(said[0][:3], (BIND_TRX | RESPONSE, OK, 1))
        self.assertEqual(said[-1][:3], (UNBIND | RESPONSE, OK, 5))
        self.assertEqual({one[:3] for one in said[1:-1]},
                         {(SUBMIT | RESPONSE, OK, 2), (SUBMIT | RESPONSE, BLOCKED, 3),
                          (ENQUIRE | RESPONSE, OK, 4)})
        gate.wait_rows(2)

    def test_window(self):
        """An account's, over its binds; and replies in the order they come."""
        provider = self.smsc()
        gate = self.sms_gateway(provider, stream={"window": 4})
        yes = self.number(gate)
        one, two = self.bound(gate), self.bound(gate, BIND_TX)
        provider.order(do="hold")
        one.say(*(submit(i, yes) for i in (2, 3, 4)))
        provider.wait_pdus("submit_sm", 3)
        two.say(submit(2, yes), submit(3, yes))
        self.assertEqual(two.hear()[:3], (SUBMIT | RESPONSE, QUEUE_FULL, 3))
        provider.wait_pdus("submit_sm", 4)
        provider.order(do="release", order="reverse")
        self.assertEqual(two.hear()[:3], (SUBMIT | RESPONSE, OK, 2))
        self.assertEqual({one.hear()[:3] for _ in range(3)},
                         {(SUBMIT | RESPONSE, OK, i) for i in (2, 3, 4)})

    def test_drain(self):
        """SIGTERM: what is under way is answered, then unbind, both ways; no more is taken."""
        provider = self.smsc()
        gate = self.sms_gateway(provider)
        yes = self.number(gate)
        busy, idle, unbound = self.bound(gate), self.bound(gate, BIND_TX), self.raw(gate)
        provider.order(do="hold")
        busy.say(submit(2, yes))
        provider.wait_pdus("submit_sm")
        gate.process.terminate()
        command, _, sequence, _ = idle.hear()
        self.assertEqual(command, UNBIND)
        idle.say(pdu(UNBIND | RESPONSE, sequence))
        self.assertIsNone(idle.hear())
        self.assertIsNone(unbound.hear())
        self.assertEqual(busy.ask(submit(3, yes))[:3], (SUBMIT | RESPONSE, SYSTEM_ERROR, 3))
        provider.order(do="release")
        self.assertEqual(busy.hear()[:3], (SUBMIT | RESPONSE, OK, 2))
        command, _, sequence, _ = busy.hear()
        self.assertEqual(command, UNBIND)
        busy.say(pdu(UNBIND | RESPONSE, sequence))
        self.assertIsNone(busy.hear())
        gate.process.wait(harness.LEAVING)

    def test_reload(self):
        """A bind lasts for weeks: a reload reaches it, and ends it where its account is gone."""
        provider = self.smsc()
        gate = self.sms_gateway(provider)
        yes, no = self.number(gate), self.number(gate, consent=False)
        raw = self.bound(gate)

        def told(number, status):
            harness.wait_for("the new configuration",
                             lambda: raw.ask(submit(2, number))[1] == status)
        self.assertEqual(raw.ask(submit(2, no))[:2], (SUBMIT | RESPONSE, BLOCKED))
        acme = gate.config["partners"]["acme"]
        acme["mode"] = "observe"
        gate.write_config()
        gate.reload()
        told(no, OK)
        acme["mode"] = "enforce"
        acme["streams"]["texts"]["senders"] = ["OTHER"]
        gate.write_config()
        gate.reload()
        told(yes, BLOCKED)
        accounts = acme["streams"]["texts"]["accounts"]
        accounts["acme-new"] = accounts.pop("acme-sms")
        gate.write_config()
        gate.reload()
        command, _, sequence, _ = raw.hear()
        self.assertEqual(command, UNBIND)
        raw.say(pdu(UNBIND | RESPONSE, sequence))
        self.assertIsNone(raw.hear())
        other = self.raw(gate)
        self.assertEqual(other.bind()[:2], (BIND_TRX | RESPONSE, WRONG_LOGIN))
        self.assertEqual(other.bind(account="acme-new", sequence=2)[:2], (BIND_TRX | RESPONSE, OK))

    def test_broken_connections(self):
        """Who vanishes with messages under way: they are journalled, and nothing is left."""
        provider = self.smsc()
        gate = self.sms_gateway(provider, stream={"window": 4})
        yes = self.number(gate)
        raw = self.bound(gate)
        provider.order(do="hold")
        raw.say(*(submit(i, yes) for i in range(2, 6)))
        provider.wait_pdus("submit_sm", 4)
        # A reset, not an end.
        raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw.close()
        again = self.bound(gate)
        self.assertEqual(again.ask(submit(2, yes))[1], QUEUE_FULL, "what left is still under way")
        provider.order(do="release")
        rows = gate.wait_rows(4)
        self.assertEqual({row["outcome"] for row in rows}, {"accepted"})

        def room():
            return again.ask(submit(3, yes))[1] == OK
        harness.wait_for("room in the window", room, pause=0.1)

    def test_nonsense(self):
        gate = self.sms_gateway(self.smsc())
        for length in (0, 15, 65537, 0xffffffff):
            raw = self.bound(gate)
            raw.say(struct.pack(">IIII", length, SUBMIT, 0, 7))
            self.assertEqual(raw.hear()[:3], (NACK, 0x02, 7), length)
            self.assertIsNone(raw.hear())
        raw = self.raw(gate)
        raw.say(b"GET / HTTP/1.1\r\nHost: gate.example\r\n\r\n")
        self.assertEqual(raw.hear()[:2], (NACK, 0x02))
        self.assertIsNone(raw.hear())
        raw = self.raw(gate)
        self.assertEqual(raw.ask(submit(2, "+33612345678"))[:2], (SUBMIT | RESPONSE, WRONG_STATE))
        self.assertEqual(raw.ask(pdu(0x77, 3))[:3], (NACK, 0x03, 3))
        self.assertEqual(raw.bind(sequence=4)[1], OK)
        self.assertEqual(raw.bind(sequence=5)[1], BOUND_ALREADY)
        self.assertEqual(raw.ask(pdu(SUBMIT, 6, b"\0\1"))[:3], (SUBMIT | RESPONSE, 0x02, 6))

    def test_pieces_under_tls(self):
        """Byte by byte, each in a TLS record of its own."""
        pki = self.pki()
        certificate, key = pki.issue("gate.test", "DNS:gate.test,IP:127.0.0.1")
        provider = self.smsc()
        gate = self.sms_gateway(provider, start=False)
        gate.config["listeners"]["smpp"].update(tls="implicit", certificate_file=certificate,
                                                key_file=key)
        gate.write_config()
        gate.start()
        yes = self.number(gate)
        context = ssl.create_default_context(cafile=str(pki.authority()))
        raw = self.raw(gate, context=context)
        for byte in bind() + submit(2, yes) + pdu(UNBIND, 3):
            raw.say(bytes([byte]))
        self.assertEqual([raw.hear()[:3] for _ in range(3)],
                         [(BIND_TRX | RESPONSE, OK, 1), (SUBMIT | RESPONSE, OK, 2),
                          (UNBIND | RESPONSE, OK, 3)])
        self.assertIsNone(raw.hear())

    def test_caps(self):
        """max_connections of the partner."""
        gate = self.sms_gateway(self.smsc(), start=False)
        gate.config["partners"]["acme"]["max_connections"] = 2
        gate.write_config()
        gate.start()
        one, _ = self.bound(gate), self.bound(gate)
        third = self.raw(gate)
        self.assertEqual(third.bind()[:2], (BIND_TRX | RESPONSE, BIND_FAILED))
        self.assertIsNone(third.hear())
        one.close()

        def room():
            return self.raw(gate).bind()[1] == OK
        harness.wait_for("room for another", room, pause=0.1)

    def test_silent_clients(self):
        """Asked whether it is there, and cut when it is not; a login has its time, too."""
        gate = self.sms_gateway(self.smsc(), start=False)
        gate.config["listeners"]["smpp"].update(login_timeout="1 s", enquire_every="1 s",
                                                reply_timeout="2 s")
        gate.write_config()
        gate.start()
        stranger = self.raw(gate)
        raw = self.bound(gate)
        began = time.monotonic()
        self.assertIsNone(stranger.hear())
        self.assertLess(time.monotonic() - began, harness.PATIENCE / 2)
        for _ in range(2):
            command, _, sequence, _ = raw.hear()
            self.assertEqual(command, ENQUIRE)
            raw.say(pdu(ENQUIRE | RESPONSE, sequence))
        self.assertEqual(raw.hear()[0], ENQUIRE)
        self.assertIsNone(raw.hear())
        self.assertIn("enquire_link was not answered", gate.log())


KANNEL = """group = core
admin-port = {admin}
admin-interface = 127.0.0.1
admin-password = secret
smsbox-port = {boxes}
smsbox-interface = 127.0.0.1
dlr-storage = internal
sms-resend-freq = 1
sms-resend-retry = 5

group = smsc
smsc = smpp
smsc-id = gate
host = 127.0.0.1
port = {gate}
transceiver-mode = true
smsc-username = acme-sms
smsc-password = {password}
system-type = ""
source-addr-ton = 5
source-addr-npi = 0
dest-addr-ton = 1
dest-addr-npi = 1
reconnect-delay = 1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {send}
sendsms-interface = 127.0.0.1

group = sendsms-user
username = site
password = site
"""


class Reports(http.server.ThreadingHTTPServer):
    """Where Kannel says what became of a message: (its name, the kind of report)."""

    def __init__(self):
        self.told = []
        self.changed = threading.Condition()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
                with self.server.changed:
                    self.server.told.append((query["name"][0], int(query["kind"][0])))
                    self.server.changed.notify_all()
                self.send_response(202)
                self.end_headers()

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def wait(self, name, kind):
        with self.changed:
            if not self.changed.wait_for(lambda: (name, kind) in self.told, harness.PATIENCE):
                raise AssertionError(f"waited for report {kind} of {name}; came: {self.told}")


class Kannel(SmsTest):
    """bearerbox as the partner's SMPP client, smsbox in front of it."""

    DELIVERED, ACCEPTED, REJECTED = 1, 8, 16  # of Kannel's dlr-mask

    def setUp(self):
        super().setUp()
        if shutil.which("bearerbox") is None:
            self.fail("kannel is missing")

    def kannel(self, gate):
        ports = {name: harness.free_port() for name in ("admin", "boxes", "send")}
        folder = self.folder / "kannel"
        folder.mkdir()
        file = folder / "kannel.conf"
        file.touch(0o600)
        file.write_text(KANNEL.format(gate=gate.smpp_port, password=PASSWORD, **ports))
        for box in ("bearerbox", "smsbox"):
            log = open(folder / f"{box}.log", "wb")
            self.addCleanup(log.close)
            process = harness.spawn([box, "-v", "1", file], stdout=log, stderr=log, cwd=folder)
            self.addCleanup(harness.end, process)
            port = ports["boxes" if box == "bearerbox" else "send"]
            harness.wait_for(f"{box} on its port", lambda p=port: self.listens(p))
        self.send_port = ports["send"]
        harness.wait_for("Kannel's bind", lambda: "authenticated" in gate.log())
        self.reports = Reports()
        self.addCleanup(self.reports.server_close)
        self.addCleanup(self.reports.shutdown)

    @staticmethod
    def listens(port):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def hand_in(self, to, name):
        report = (f"http://127.0.0.1:{self.reports.server_port}/?"
                  f"name={urllib.parse.quote(name)}&kind=%d")
        query = urllib.parse.urlencode({"username": "site", "password": "site", "from": "ACME",
                                        "to": to, "text": WORDS, "dlr-mask": 31,
                                        "dlr-url": report})
        with urllib.request.urlopen(f"http://127.0.0.1:{self.send_port}/cgi-bin/sendsms?{query}",
                                    timeout=harness.PATIENCE) as answer:
            self.assertEqual(answer.status, 202)

    def test_pass_block_and_report(self):
        provider = self.smsc()
        gate = self.sms_gateway(provider)
        yes, no = self.number(gate), self.number(gate, consent=False)
        self.kannel(gate)
        self.hand_in(yes[1:], "yes")
        self.reports.wait("yes", self.ACCEPTED)
        self.hand_in(no[1:], "no")
        self.reports.wait("no", self.REJECTED)
        provider.tell(do="receipt", id="m1", pdu={"source_addr": yes[1:], "source_addr_ton": 1,
                                                  "destination_addr": "ACME"})
        self.reports.wait("yes", self.DELIVERED)
        rows = gate.wait_rows(2)
        self.assertEqual([row["reason"] for row in rows], ["CONSENT", "NO_CONSENT"])
        # A refusal is for good: Kannel does not come again with it.
        self.hand_in(yes[1:], "last")
        self.reports.wait("last", self.ACCEPTED)
        self.assertEqual(len(gate.wait_rows(3)), 3)

    def test_unable_is_tried_again(self):
        """0x08 keeps a message in Kannel's queue; it goes once that is possible."""
        provider_port = harness.free_port()
        gate = self.sms_gateway(providers={"aggregator": smpp_provider(provider_port,
                                                                       connect_timeout="1 s")})
        yes = self.number(gate)
        self.kannel(gate)
        self.hand_in(yes[1:], "later")
        rows = gate.wait_rows(1)
        self.assertRow(rows[0], effect="deferred")
        provider = self.smsc(port=provider_port)
        self.reports.wait("later", self.ACCEPTED)
        self.assertEqual(len(provider.wait_pdus("submit_sm")), 1)
