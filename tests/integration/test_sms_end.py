# SPDX-License-Identifier: Apache-2.0
"""The gateway ends while providers of SMS keep silent: it ends all the same, leaves nothing behind
(the sanitizers look), and says of each message what it knows."""

import pathlib
import signal
import socket
import threading
import time

import harness
from sms_harness import SmsTest, smpp_provider

TEMPLATES = pathlib.Path(__file__).resolve().parents[2] / "adapters" / "http" / "templates"


class Silent:
    """A web server that reads what it is asked, and nothing more."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.asked = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection):
        with connection:
            got = b""
            while b"\r\n\r\n" not in got:
                more = connection.recv(4096)
                if not more:
                    return
                got += more
            self.asked += 1
            while connection.recv(4096):
                pass


class End(SmsTest):
    def submit(self, client, gate, count):
        for _ in range(count):
            client.tell(do="send", command="submit_sm", tag="x", pdu={
                "destination_addr": self.number(gate)[1:], "dest_addr_ton": 1, "dest_addr_npi": 1,
                "source_addr": "ACME", "source_addr_ton": 5,
                "short_message": "Dix jours en Corse. STOP au 36111"})

    def check_rows(self, gate, told, others):
        """told: messages of which the provider saw something."""
        rows = gate.log_rows()
        self.assertEqual(len(rows), told + others)
        outcomes = [row["outcome"] for row in rows]
        self.assertEqual({row["verdict"] for row in rows}, {"pass"})
        self.assertGreaterEqual(outcomes.count("unknown"), told, rows)
        for row in rows:
            self.assertIn((row["outcome"], row["effect"]),
                          (("unknown", "passed"), (None, "deferred")), row)
        gate.verify()

    def silent_smsc(self, **config):
        smsc = self.smsc()
        gate = self.sms_gateway(providers={"aggregator": smpp_provider(
            smsc.port, connections=2, window=3, connect_timeout="60 s", reply_timeout="60 s")},
            **config)
        smsc.wait_pdus("bind_transceiver", 2)
        client = self.client(gate)
        harness.wait_for("both binds", lambda: gate.ask_status()["providers"][0]["connections"] == 2)
        smsc.order(do="silence")
        # Six fill both windows, whichever loop they came in by; two wait.
        self.submit(client, gate, 8)
        smsc.wait_pdus("submit_sm", 6)
        harness.wait_for("all to be decided", lambda: len(gate.log_rows()) == 8)
        return gate

    def test_smpp_time_is_up(self):
        gate = self.silent_smsc(drain_timeout="1 s")
        begun = time.monotonic()
        gate.stop()
        self.assertLess(time.monotonic() - begun, 20)
        self.assertIn("ending sessions that did not finish", gate.log())
        self.assertNotIn("do not come to rest", gate.log())
        self.check_rows(gate, 6, 2)

    def test_smpp_asked_twice(self):
        gate = self.silent_smsc(drain_timeout="60 s")
        gate.process.send_signal(signal.SIGTERM)
        harness.wait_for("the gateway to drain", lambda: "draining" in gate.log())
        gate.stop()
        self.assertIn("asked twice", gate.log())
        self.assertNotIn("do not come to rest", gate.log())
        self.check_rows(gate, 6, 2)

    def test_http(self):
        provider = Silent()
        self.addCleanup(provider.listener.close)
        gate = self.sms_gateway(drain_timeout="1 s", providers={"twilio": {
            "adapter": "http", "template": str(TEMPLATES / "twilio.conf"),
            "url": f"http://127.0.0.1:{provider.port}", "username": "AC1", "password": "authtoken",
            "connections": 3, "connect_timeout": "60 s", "reply_timeout": "60 s"}})
        self.submit(self.client(gate), gate, 5)
        harness.wait_for("three requests", lambda: provider.asked == 3)
        harness.wait_for("all to be decided", lambda: len(gate.log_rows()) == 5)
        gate.stop()
        self.assertNotIn("do not come to rest", gate.log())
        self.check_rows(gate, 3, 2)
