# SPDX-License-Identifier: Apache-2.0
"""Providers spoken to by HTTP: a real Kannel between the gate and an SMSC, and a web server that
speaks as Twilio does."""

import base64
import hashlib
import hmac
import http.server
import json
import pathlib
import socket
import subprocess
import threading
import urllib.parse

import harness
from sms_harness import PASSWORD, SmsTest

TEMPLATES = pathlib.Path(__file__).resolve().parents[2] / "adapters" / "http" / "templates"
TOKEN = "0123456789abcdef0123"


def connects(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Kannel:
    """bearerbox and smsbox, bound to an SMSC by SMPP."""

    def __init__(self, test, smsc_port, hooks):
        folder = test.folder / "kannel"
        folder.mkdir()
        self.port, admin, boxes = (harness.free_port() for _ in range(3))
        file = folder / "kannel.conf"
        file.touch(0o600)
        file.write_text(f"""group = core
admin-port = {admin}
admin-interface = 127.0.0.1
admin-password = secret
smsbox-port = {boxes}
smsbox-interface = 127.0.0.1
dlr-storage = internal

group = smsc
smsc = smpp
smsc-id = smsc
host = 127.0.0.1
port = {smsc_port}
smsc-username = gate
smsc-password = upstream
system-type = ""
transceiver-mode = true

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {self.port}
sendsms-interface = 127.0.0.1

group = sendsms-user
username = octroi
password = kannelpw
max-messages = 5
concatenation = true

group = sms-service
keyword = default
catch-all = true
max-messages = 0
get-url = "{hooks}/inbound?token={TOKEN}&from=%p&to=%P&id=%I&coding=%c&text=%a"
""")
        self.log = folder / "log"
        harness.created.append(self)
        for program, port in (("bearerbox", boxes), ("smsbox", self.port)):
            with open(self.log, "ab") as log:
                process = harness.spawn([f"/usr/sbin/{program}", "-v", "1", file], stdout=log,
                                        stderr=log, stdin=subprocess.DEVNULL)
            test.addCleanup(harness.end, process)
            harness.wait_for(f"{program} to listen", lambda port=port: connects(port))

    def describe(self):
        return f"---- Kannel\n{self.log.read_text(errors='replace')[-5000:]}"


class ByKannel(SmsTest):
    def gate_on_kannel(self):
        self.smsc_peer = self.smsc()
        gate = self.sms_gateway(start=False, providers={"kannel": {
            "adapter": "http", "template": str(TEMPLATES / "kannel.conf"), "url": "http://127.0.0.1:1",
            "username": "octroi", "password": "kannelpw", "connections": 4,
            "settings": [f"hook_token={TOKEN}"], "connect_timeout": "5 s",
            "reply_timeout": "20 s"}})
        hooks = f"http://127.0.0.1:{gate.http_port}"
        kannel = Kannel(self, self.smsc_peer.port, f"{hooks}/hooks/kannel")
        gate.config["public_url"] = hooks
        gate.config["providers"]["kannel"]["url"] = f"http://127.0.0.1:{kannel.port}"
        gate.write_config()
        self.smsc_peer.wait("Kannel's bind", lambda e: e["event"] == "pdu" and
                            e["command"].startswith("bind_"))
        gate.start()
        return gate

    def test_there_and_back(self):
        """A text, its delivery report, and a STOP, each through Kannel."""
        gate = self.gate_on_kannel()
        yes, no = self.number(gate), self.number(gate, consent=False)
        client = self.client(gate)
        answer = client.submit(yes, registered_delivery=1)
        self.assertEqual(answer["status"], 0, answer)
        self.assertEqual(client.submit(no)["status"], 0x45)
        sent = self.smsc_peer.wait_pdus("submit_sm")
        self.assertEqual(len(sent), 1)
        self.assertEqual(sent[0]["pdu"]["destination_addr"].lstrip("+"), yes[1:])
        self.assertEqual(sent[0]["pdu"]["source_addr"], "ACME")
        rows = gate.wait_rows(2)
        self.assertRow(rows[0], verdict="pass", outcome="accepted", provider="kannel")
        # The SMSC's report becomes Kannel's call, and that the partner's receipt.
        self.assertEqual(sent[0]["pdu"]["registered_delivery"] & 1, 1)
        self.smsc_peer.tell(do="receipt", id="m1", stat="DELIVRD",
                            pdu={"source_addr": yes[1:], "destination_addr": "ACME"})
        report = bytes.fromhex(client.wait_pdus("deliver_sm")[0]["raw"])
        self.assertIn(b"stat:DELIVRD", report)
        self.assertIn(answer["pdu"]["message_id"].encode(), report)
        # What she writes reaches the partner as she wrote it.
        self.smsc_peer.ask("deliver_sm", {"source_addr": yes[1:], "source_addr_ton": 1,
                                          "source_addr_npi": 1, "destination_addr": "36180",
                                          "data_coding": 8, "short_message": {
                                              "hex": "Très bien 😀".encode("utf-16-be").hex()}})
        reply = client.wait_pdus("deliver_sm", 2)[1]
        self.assertEqual(reply["pdu"]["data_coding"], 8)
        self.assertIn("Très bien 😀".encode("utf-16-be").hex(), reply["raw"])
        # She answers STOP, and the next message is refused.
        self.smsc_peer.ask("deliver_sm", {"source_addr": yes[1:], "source_addr_ton": 1,
                                          "source_addr_npi": 1, "destination_addr": "36180",
                                          "short_message": "STOP"})
        harness.wait_for("the withdrawal", lambda: client.submit(yes)["status"] == 0x45)
        gate.verify()

    def test_long_and_unicode(self):
        gate = self.gate_on_kannel()
        yes = self.number(gate)
        text = "Dix jours en Corse à prix doux 😀 & plus. " * 3 + "STOP au 36111"
        answer = self.send(gate, yes, text)
        self.assertEqual(answer.status, 202, answer.body)
        parts = self.smsc_peer.wait_pdus("submit_sm", 3)
        got = b""
        for part in parts:
            self.assertEqual(part["pdu"]["data_coding"], 8)
            raw = bytes.fromhex(part["raw"])
            at = raw.index(b"\x05\x00\x03")
            got += raw[at + 6:at + 6 + raw[at - 1] - 6]
        self.assertEqual(got.decode("utf-16-be"), text)
        # Segments of a long message are not for a provider of whole texts.
        client = self.client(gate)
        segment = client.submit(yes, esm_class=0x40, short_message={"hex": "0500034202014f6e65"})
        self.assertNotEqual(segment["status"], 0)

    def test_provider_test(self):
        gate = self.gate_on_kannel()
        done = gate.cli_full("provider", "test", "kannel")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("template", done.stdout)
        self.assertNotIn("kannelpw", done.stdout + done.stderr)
        self.assertEqual(self.smsc_peer.pdus("submit_sm"), [])


class Twilio(http.server.ThreadingHTTPServer):
    """What api.twilio.com would say, to as many as ask."""
    daemon_threads = True

    def __init__(self):
        self.asked = []
        self.answers = []
        super().__init__(("127.0.0.1", 0), Handler)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.asked.append((self.path, dict(urllib.parse.parse_qsl(body)),
                                  self.headers["Authorization"]))
        status, answer = self.server.answers.pop(0) if self.server.answers else (201, {
            "sid": f"SM{len(self.server.asked):032x}", "num_segments": "1", "status": "queued"})
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


class ByTwilio(SmsTest):
    def setUp(self):
        super().setUp()
        self.twilio = Twilio()
        self.addCleanup(self.twilio.server_close)
        self.addCleanup(self.twilio.shutdown)
        self.gate = self.sms_gateway(start=False, providers={"twilio": {
            "adapter": "http", "template": str(TEMPLATES / "twilio.conf"), "url": f"http://127.0.0.1:{self.twilio.port}",
            "username": "AC1", "password": "authtoken", "connections": 4,
            "connect_timeout": "5 s", "reply_timeout": "20 s"}})
        self.gate.config["public_url"] = "https://gate.example.org"
        self.gate.write_config()
        self.gate.start()

    def call(self, hook, fields, key="authtoken"):
        url = f"https://gate.example.org/hooks/twilio/{hook}"
        text = url + "".join(name + fields[name] for name in sorted(fields))
        signature = base64.b64encode(hmac.new(key.encode(), text.encode(), hashlib.sha1).digest())
        return self.http(self.gate, "POST", f"/hooks/twilio/{hook}",
                         urllib.parse.urlencode(fields),
                         {"Content-Type": "application/x-www-form-urlencoded",
                          "X-Twilio-Signature": signature.decode()})

    def test_send(self):
        yes = self.number(self.gate)
        answer = self.send(self.gate, yes)
        self.assertEqual(answer.status, 202, answer.body)
        path, form, authorization = self.twilio.asked[0]
        self.assertEqual(path, "/2010-04-01/Accounts/AC1/Messages.json")
        self.assertEqual(form["To"], yes)
        self.assertEqual(form["From"], "ACME")
        self.assertEqual(authorization, "Basic " + base64.b64encode(b"AC1:authtoken").decode())
        self.assertRow(self.gate.wait_rows(1)[0], outcome="accepted", provider="twilio")

    def test_opted_out_at_the_provider(self):
        """Twilio's 21610 is a withdrawal: the next message does not even reach it."""
        yes = self.number(self.gate)
        self.twilio.answers.append((400, {"code": 21610, "message": "unsubscribed", "status": 400}))
        self.assertNotEqual(self.send(self.gate, yes).status, 202)
        harness.wait_for("the withdrawal", lambda: self.send(self.gate, yes).status == 403)
        self.assertLessEqual(len(self.twilio.asked), 2)

    def test_stop(self):
        yes = self.number(self.gate)
        self.assertEqual(self.send(self.gate, yes).status, 202)
        fields = {"From": yes, "To": "36180", "Body": "Stop", "MessageSid": "SM9",
                  "OptOutType": "STOP"}
        self.assertEqual(self.call("inbound", fields, key="guess").status, 401)
        self.assertEqual(self.send(self.gate, yes).status, 202)
        answer = self.call("inbound", fields)
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.body, b"<Response/>")
        self.assertEqual(self.send(self.gate, yes).status, 403)
        self.gate.verify()

    def test_mistakes_are_found_before_serving(self):
        template = self.gate.folder / "mine.conf"
        template.write_text('request: {\n  url = "{url}/{nothing}"\n}\n')
        self.gate.config["providers"]["twilio"]["template"] = "mine.conf"
        self.gate.write_config()
        done = self.gate.cli_full("check-config")
        self.assertEqual(done.returncode, 1)
        self.assertIn("mine.conf:2: request.url: {nothing} is no placeholder", done.stderr)
        self.assertIn("answer: is missing", done.stderr)
