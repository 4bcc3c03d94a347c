# SPDX-License-Identifier: Apache-2.0
"""What the SMS tests stand on, beside harness.py: gateways with SMPP and HTTP doors, npm's `smpp` as
partner and as provider, and numbers that belong to nobody else in the test."""

import base64
import http.client
import json
import pathlib
import secrets
import shutil
import ssl
import subprocess
import threading

import harness

HERE = pathlib.Path(__file__).resolve().parent
PASSWORD = "s3cretpw"  # SMPP allows eight characters


def mobile():
    """A French mobile number: all of 06 1x is given out."""
    return f"+3361{secrets.randbelow(10**7):07d}"


def smpp_provider(port, **more):
    return {"adapter": "smpp", "host": "127.0.0.1", "port": port, "tls": "none",
            "system_id": "gate", "password": "upstream", "connections": 1, "window": 50,
            "connect_timeout": "5 s", "reply_timeout": "20 s", **more}


def sms_stream(accounts, providers=("aggregator",), **more):
    return {"channel": "sms", "class": "prospecting", "providers": list(providers),
            "senders": ["ACME", "36180"], **more, "accounts": accounts}


class NodePeer:
    """peers_smpp.js and its like: orders in, events out, one JSON object a line each."""

    script = "peers_smpp.js"

    def __init__(self, mode, **options):
        self.events = []
        self.changed = threading.Condition()
        self.process = harness.spawn(["node", HERE / self.script, mode, json.dumps(options)],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            with self.changed:
                self.events.append(json.loads(line))
                self.changed.notify_all()
        with self.changed:
            self.events.append({"event": "ended"})
            self.changed.notify_all()

    def tell(self, **order):
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def order(self, **order):
        """tell, and wait until it is in force."""
        tag = secrets.token_hex(6)
        self.tell(tag=tag, **order)
        self.wait(f"{order['do']} to be taken", lambda event: event["event"] == "ready" and
                  event.get("tag") == tag)

    def wait(self, what, found, timeout=harness.PATIENCE):
        """The first event that found says true of."""
        def look():
            return next((event for event in self.events if found(event)), None)
        with self.changed:
            if not self.changed.wait_for(lambda: look() is not None, timeout):
                raise AssertionError(f"waited {timeout:g} s for {what}; came: {self.events[-8:]}")
            return look()

    def pdus(self, command):
        with self.changed:
            return [event for event in self.events
                    if event["event"] == "pdu" and event["command"] == command]

    def wait_pdus(self, command, count=1, timeout=harness.PATIENCE):
        with self.changed:
            if not self.changed.wait_for(lambda: len([
                    event for event in self.events if event["event"] == "pdu"
                    and event["command"] == command]) >= count, timeout):
                raise AssertionError(f"waited for {count} {command}; came: {self.events[-8:]}")
        return self.pdus(command)

    def ask(self, command, pdu=None, tag=None, **more):
        """Sends a request and waits for its answer."""
        tag = tag or secrets.token_hex(6)
        self.tell(do="send", command=command, pdu=pdu or {}, tag=tag, **more)
        return self.wait(f"the answer to {command}",
                         lambda event: event["event"] == "response" and event.get("tag") == tag)

    def submit(self, to, text="Dix jours en Corse. STOP au 36111", sender="ACME", command="submit_sm",
               **more):
        tlvs = more.pop("tlvs", [])
        return self.ask(command, {"destination_addr": to.lstrip("+"), "dest_addr_ton": 1,
                                  "dest_addr_npi": 1, "source_addr": sender, "source_addr_ton": 5,
                                  "short_message": text, **more}, tlvs=tlvs)

    def stop(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)


class SmsTest(harness.IntegrationTest):
    def setUp(self):
        super().setUp()
        if shutil.which("node") is None:
            self.fail("node is missing")
        subprocess.run([HERE / "install-node.sh"], check=True, capture_output=True)

    def smsc(self, **options):
        smsc = NodePeer("smsc", **{"system_id": "gate", "password": "upstream", **options})
        self.addCleanup(smsc.stop)
        smsc.port = smsc.wait("the SMSC to listen", lambda e: e["event"] == "listening")["port"]
        return smsc

    def client(self, gateway, bind="bind_transceiver", account="acme-sms", password=PASSWORD,
               port=None, expect=0, **options):
        client = NodePeer("client", port=port or gateway.smpp_port, **options)
        self.addCleanup(client.stop)
        client.wait("a connection", lambda e: e["event"] == "connected")
        if bind is not None:
            answer = client.ask(bind, {"system_id": account, "password": password})
            self.assertEqual(answer["status"], expect, answer)
        return client

    def sms_gateway(self, provider=None, start=True, stream=None, policy=None, accounts=None,
                    mode="enforce", providers=None, **config):
        """provider: an smsc(), named aggregator. Its doors: smpp_port, http_port."""
        gateway = self.gateway(start=False, **config)
        gateway.smpp_port, gateway.http_port = harness.free_port(), harness.free_port()
        gateway.config["listeners"] = {
            "smpp": {"protocol": "smpp", "bind": f"127.0.0.1:{gateway.smpp_port}", "tls": "none"},
            "web": {"protocol": "http", "bind": f"127.0.0.1:{gateway.http_port}", "tls": "none",
                    "services": ["sms"]}}
        gateway.config["providers"] = providers or {"aggregator": smpp_provider(provider.port)}
        accounts = accounts or {"acme-sms": {"password": gateway.password(PASSWORD)}}
        gateway.config["partners"] = {"acme": harness.partner(
            {"texts": sms_stream(accounts, tuple(gateway.config["providers"]), **(stream or {}))},
            mode)}
        gateway.config["policies"] = {"sms": policy or {}}
        gateway.write_config()
        gateway.add_form(channels=["sms"])
        if start:
            gateway.start()
            if provider is not None:
                provider.wait("the gateway's bind", lambda e: e["event"] == "pdu" and
                              e["command"].startswith("bind_"))
        return gateway

    def number(self, gateway, consent=True):
        number = mobile()
        gateway.addresses.add(number[1:])  # with or without its "+", nowhere in clear
        if consent:
            gateway.import_events([{"recipient": number, "channel": "sms"}])
            gateway.addresses.discard(number)
        return number

    def http(self, gateway, method, path, body=None, headers=None, basic=None, context=None,
             port=None, timeout=harness.PATIENCE):
        kind = http.client.HTTPSConnection if context else http.client.HTTPConnection
        more = {"context": context} if context else {}
        connection = kind("127.0.0.1", port or gateway.http_port, timeout=timeout, **more)
        headers = dict(headers or {})
        if basic:
            headers["Authorization"] = "Basic " + base64.b64encode(
                f"{basic[0]}:{basic[1]}".encode()).decode()
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body, headers)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def send(self, gateway, to, text="Dix jours en Corse. STOP au 36111", sender="ACME", **more):
        """By the native shape."""
        headers = more.pop("headers", {})
        return self.http(gateway, "POST", "/v1/messages",
                         {"to": to, "from": sender, "text": text, **more},
                         basic=("acme-sms", PASSWORD), headers=headers)
