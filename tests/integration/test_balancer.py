# SPDX-License-Identifier: Apache-2.0
"""Behind a balancer: whose connection it is comes by a PROXY header or by XCLIENT, from those who
are trusted and from nobody else. The balancer is 127.0.0.1, the partner 127.0.0.2."""

import smtplib
import socket
import ssl
import struct

import harness

PARTNER = "127.0.0.2"
STRANGER = "127.0.0.3"
BALANCER = "127.0.0.1"


class Haproxy:
    """HAProxy in TCP mode before a listener of the gate, in the foreground as our own process."""

    def __init__(self, folder, port, options):
        folder.mkdir()
        self.port = harness.free_port()
        self.control = folder / "control"
        self.output = open(folder / "output", "wb")
        config = folder / "haproxy.cfg"
        config.write_text(
            f"global\n    maxconn 200\n    stats socket {self.control} mode 600\n"
            "defaults\n    mode tcp\n    timeout connect 10s\n"
            "    timeout client 60s\n    timeout server 60s\n"
            f"frontend partners\n    bind 127.0.0.1:{self.port}\n    default_backend gate\n"
            f"backend gate\n    server gate 127.0.0.1:{port} source {BALANCER} "
            f"check inter 200ms {options}\n")
        self.process = harness.spawn(["/usr/sbin/haproxy", "-db", "-f", config],
                                     stdout=self.output, stderr=self.output)
        harness.wait_for("HAProxy to find the gate well", self.well)

    def well(self):
        """Its own checks reach the gate, through the same header."""
        if self.process.poll() is not None:
            raise AssertionError(f"HAProxy ended with {self.process.returncode}")
        if not self.control.exists():
            return False
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(str(self.control))
            control.sendall(b"show stat\n")
            table = control.makefile().read()
        lines = [line.split(",") for line in table.splitlines()]
        return any(line[:2] == ["gate", "gate"] and line[17] == "UP" and
                   line[36].startswith("L4OK") for line in lines if len(line) > 36)

    def stop(self):
        harness.end(self.process, first=harness.signal.SIGTERM)
        self.output.close()


def v1(client=PARTNER):
    return f"PROXY TCP4 {client} 127.0.0.1 50000 25\r\n".encode()


def v2(client=PARTNER, command=1):
    body = socket.inet_aton(client) + socket.inet_aton(BALANCER) + struct.pack("!HH", 50000, 25)
    return (b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x20 | command, 0x11 if command else 0]) +
            struct.pack("!H", len(body) if command else 0) + (body if command else b""))


class Balancer(harness.IntegrationTest):
    def serve(self, **listener):
        self.provider = self.scripted()
        self.gate = self.gateway(self.provider, start=False)
        self.gate.config["listeners"]["submission"].update(trusted=[BALANCER], **listener)
        self.gate.config["partners"]["acme"]["streams"]["news"]["accounts"] = {
            "acme-lan": {"networks": [PARTNER]}}
        self.gate.write_config()
        self.gate.start().warm()
        self.sender = self.address(self.gate, "news", "acme.example")
        self.yes = self.person(self.gate)

    def submit(self, client):
        """Through the whole of a transaction; the account the journal has for it."""
        before = len(self.gate.log_rows())
        client.say(f"MAIL FROM:<{self.sender}>", 250)
        client.say(f"RCPT TO:<{self.yes}>", 250)
        client.say("DATA", 354)
        client.send(harness.message(self.sender) + b".\r\n")
        self.assertEqual(client.reply()[0], 250)
        return self.gate.wait_rows(before + 1)[-1]["account"]

    def haproxy(self, options):
        proxy = Haproxy(self.path("haproxy"), self.gate.port, options)
        self.addCleanup(proxy.stop)
        return proxy

    def check_haproxy(self, options):
        self.serve(proxy_protocol="required")
        proxy = self.haproxy(options)
        client = self.wire(proxy.port, source=PARTNER)
        client.hello()
        self.assertEqual(self.submit(client), "acme-lan")
        self.assertIn(f"([{PARTNER}])".encode(), self.provider.messages[0].body)
        with smtplib.SMTP("127.0.0.1", proxy.port, timeout=harness.PATIENCE,
                          source_address=(PARTNER, 0)) as library:
            self.assertEqual(library.sendmail(self.sender, [self.yes],
                                              harness.message(self.sender)), {})
        other = self.wire(proxy.port, source=STRANGER)
        other.hello()
        self.assertEqual(other.say(f"MAIL FROM:<{self.sender}>")[0], 530)
        # A client of the balancer is not the balancer.
        self.assertEqual(other.say(f"XCLIENT ADDR={PARTNER}")[0], 550)
        self.assertTrue(proxy.well())
        self.assertNotIn("PROXY header expected", self.gate.log())
        self.assertIn(f"peer={PARTNER}", self.gate.log())

    def test_haproxy_version_1(self):
        self.check_haproxy("send-proxy")

    def test_haproxy_version_2(self):
        self.check_haproxy("send-proxy-v2 proxy-v2-options unique-id")

    def tls_listener(self):
        pki = self.pki()
        certificate, key = pki.issue("gate.test")
        self.serve(proxy_protocol="required", tls="implicit", certificate_file=certificate,
                   key_file=key)
        return harness.client_context(pki.authority())

    def test_haproxy_before_tls(self):
        context = self.tls_listener()
        proxy = self.haproxy("send-proxy-v2")
        client = self.wire(proxy.port, source=PARTNER, greet=False)
        client.secure(context)
        self.assertEqual(client.reply()[0], 220)
        client.hello()
        self.assertEqual(self.submit(client), "acme-lan")

    def test_tls_in_the_same_packet(self):
        """The header is read to its last byte: a ClientHello that came with it is TLS's."""
        context = self.tls_listener()
        for header in (v1(), v2()):
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = context.wrap_bio(incoming, outgoing, server_hostname="gate.test")
            client = self.wire(self.gate, greet=False)
            client.send(header)  # with the ClientHello, if the kernel joins them, or before it
            with self.assertRaises(ssl.SSLWantReadError):
                tls.do_handshake()
            client.send(outgoing.read())
            joined = self.wire(self.gate, greet=False)
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = context.wrap_bio(incoming, outgoing, server_hostname="gate.test")
            with self.assertRaises(ssl.SSLWantReadError):
                tls.do_handshake()
            joined.send(header + outgoing.read())
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    data = joined.socket.recv(65536)
                    self.assertNotEqual(data, b"", "the gate ended the handshake")
                    incoming.write(data)
            joined.send(outgoing.read())
            greeting = b""
            while not greeting.endswith(b"\r\n"):
                try:
                    greeting += tls.read()
                except ssl.SSLWantReadError:
                    data = joined.socket.recv(65536)
                    self.assertNotEqual(data, b"")
                    incoming.write(data)
            self.assertTrue(greeting.startswith(b"220 gate.test "), greeting)

    def test_header_and_commands_in_one_piece(self):
        self.serve(proxy_protocol="required")
        for header in (v1(), v2()):
            client = self.wire(self.gate, greet=False)
            client.send(header + b"EHLO client.test\r\nNOOP\r\n")
            self.assertEqual([client.reply()[0] for _ in range(3)], [220, 250, 250])
            self.assertEqual(self.submit(client), "acme-lan")

    def test_wrong_headers(self):
        self.serve(proxy_protocol="required")
        for wrong in (b"EHLO client.test\r\n", b"\x16\x03\x01\x02\0", b"PROXY TCP4 1.2.3.4\r\n",
                      b"PROXY UNKNOWN " + b"x" * 200, v2()[:12] + b"\x31" + v2()[13:],
                      v2()[:14] + b"\xff\xff" + b"x" * 20):
            client = self.wire(self.gate, greet=False)
            client.send(wrong)
            self.assertTrue(client.closed(), wrong)
        self.gate.wait_log("PROXY header expected")
        # From elsewhere not even a good one.
        stranger = self.wire(self.gate, greet=False, source=STRANGER)
        self.assertTrue(stranger.closed())
        self.gate.wait_log("connection past the balancers refused")
        # Who says nothing is not waited for.
        silent = self.wire(self.gate, greet=False)
        self.assertTrue(silent.closed())
        local = self.wire(self.gate, greet=False)
        local.send(v2(command=0))
        self.assertEqual(local.reply()[0], 220)

    def test_xclient(self):
        """As a mail proxy speaks it: greeting, EHLO, XCLIENT, and the client's own EHLO."""
        self.serve()
        client = self.wire(self.gate, source=BALANCER)
        self.assertIn("XCLIENT NAME ADDR PORT PROTO HELO", client.hello("proxy.test"))
        client.say(f"XCLIENT ADDR={PARTNER} PORT=50000 LOGIN=acme-lan NAME=[UNAVAILABLE]", 220)
        self.assertEqual(client.say(f"MAIL FROM:<{self.sender}>")[0], 503)
        self.assertFalse([line for line in client.hello() if line.startswith("XCLIENT")])
        self.assertEqual(self.submit(client), "acme-lan")
        self.assertEqual(client.say(f"XCLIENT ADDR={PARTNER}")[0], 550)
        self.assertIn(f"([{PARTNER}])".encode(), self.provider.messages[0].body)

    def test_xclient_from_others(self):
        self.serve()
        client = self.wire(self.gate, source=STRANGER)
        self.assertFalse([line for line in client.hello() if line.startswith("XCLIENT")])
        self.assertEqual(client.say(f"XCLIENT ADDR={PARTNER}")[0], 550)
        self.assertEqual(client.say(f"MAIL FROM:<{self.sender}>")[0], 530)

    def test_reload_takes_trust_away(self):
        self.serve()
        self.gate.config["listeners"]["submission"]["trusted"] = [STRANGER]
        self.gate.write_config()
        self.gate.reload()
        client = self.wire(self.gate, source=BALANCER)
        self.assertEqual(client.say(f"XCLIENT ADDR={PARTNER}")[0], 550)
        self.gate.config["listeners"]["submission"].update(trusted=[], proxy_protocol="required")
        self.gate.write_config()
        self.gate.reload(good=False)
