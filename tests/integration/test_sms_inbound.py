# SPDX-License-Identifier: Apache-2.0
"""What comes back: a STOP to a number that several partners send from, and partners who are told by
HTTP what others are told on their bind."""

import http.server
import json
import threading

import harness
from sms_harness import PASSWORD, SmsTest, sms_stream

OK, BLOCKED, UNABLE = 0, 0x45, 0x08


class Web:
    """A partner's server at its report_url."""

    def __init__(self, test):
        self.bodies, self.status, self.changed = [], 200, threading.Condition()
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with web.changed:
                    web.bodies.append(body)
                    web.changed.notify_all()
                    status = web.status
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        test.addCleanup(server.server_close)
        test.addCleanup(server.shutdown)
        self.url = f"http://127.0.0.1:{server.server_port}/reports?key=s3cret"

    def wait(self, count):
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.bodies) >= count, harness.PATIENCE):
                raise AssertionError(f"waited for {count} calls; came: {self.bodies}")
            return self.bodies[count - 1]


class Inbound(SmsTest):
    def setUp(self):
        super().setUp()
        self.provider = self.smsc()

    def write(self, number, to, text):
        return self.provider.ask("deliver_sm", {
            "source_addr": number[1:], "source_addr_ton": 1, "destination_addr": to,
            "short_message": text})["status"]

    def test_partner_told_by_http(self):
        web = Web(self)
        gate = self.sms_gateway(self.provider, accounts={
            "acme-sms": {"password": "", "report_url": web.url}}, start=False)
        account = gate.config["partners"]["acme"]["streams"]["texts"]["accounts"]["acme-sms"]
        account["password"] = gate.password(PASSWORD)
        gate.write_config()
        gate.start()
        self.provider.wait("the gateway's bind", lambda e: e["event"] == "pdu" and
                           e["command"].startswith("bind_"))
        yes = self.number(gate)
        # It sends and does not receive.
        client = self.client(gate, bind="bind_transmitter")
        ours = client.submit(yes, registered_delivery=1)["pdu"]["message_id"]
        receipt = {"source_addr": yes[1:], "source_addr_ton": 1, "destination_addr": "ACME"}
        self.provider.tell(do="receipt", id="m1", pdu=receipt)
        told = web.wait(1)
        self.assertEqual({key: told[key] for key in ("type", "id", "state", "to", "from")},
                         {"type": "report", "id": ours, "state": "delivered", "to": yes,
                          "from": "ACME"})
        web.status = 500
        self.assertEqual(self.write(yes, "36180", "Merci"), UNABLE)
        web.status = 204
        self.assertEqual(self.write(yes, "36180", "Merci"), OK)
        self.assertEqual(web.wait(3), {"type": "message", "from": yes, "to": "36180",
                                       "text": "Merci", "stop": False})
        web.status = 500
        self.assertEqual(self.write(yes, "36180", "STOP"), OK)
        self.assertEqual(web.wait(4)["stop"], True)
        self.assertEqual(client.submit(yes)["status"], BLOCKED)
        counts = gate.status()["sms"]
        self.assertEqual([counts[key] for key in ("stops_recorded", "reports_delivered",
                                                  "replies_delivered", "replies_later")],
                         [1, 1, 1, 1])

    def test_stop_to_a_shared_code(self):
        """Revoked for those who wrote to her through it, and for nobody else."""
        gate = self.sms_gateway(self.provider, start=False)
        for partner in ("beta", "gamma"):
            gate.config["partners"][partner] = harness.partner({"texts": sms_stream(
                {f"{partner}-sms": {"password": gate.password(PASSWORD)}}, senders=[partner])})
        gate.write_config()
        gate.start()
        self.provider.wait("the gateway's bind", lambda e: e["event"] == "pdu" and
                           e["command"].startswith("bind_"))
        yes = self.number(gate, consent=False)
        gate.addresses.discard(yes)
        gate.add_form(id="tous", partners=["acme", "beta", "gamma"], channels=["sms"])
        gate.import_events([{"recipient": yes, "channel": "sms", "form": "tous@1"}])
        acme, beta = self.client(gate), self.client(gate, account="beta-sms")
        self.assertEqual(acme.submit(yes)["status"], OK)
        self.assertEqual(beta.submit(yes, sender="beta")["status"], OK)
        self.assertEqual(self.write(yes, "36111", "stop"), OK)
        gamma = self.client(gate, account="gamma-sms")
        self.assertEqual(acme.submit(yes)["status"], BLOCKED)
        self.assertEqual(beta.submit(yes, sender="beta")["status"], BLOCKED)
        self.assertEqual(gamma.submit(yes, sender="gamma")["status"], OK)
        # Both hear of it; the journal vouches for the event.
        acme.wait_pdus("deliver_sm")
        beta.wait_pdus("deliver_sm")
        self.assertEqual(gamma.pdus("deliver_sm"), [])
        gate.stop()
        gate.verify()
