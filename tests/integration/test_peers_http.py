# SPDX-License-Identifier: Apache-2.0
"""The providers' own npm libraries as partners: `twilio`, `@vonage/server-sdk` and `ovh`. What each
shape answers must come out of the library as what it is: a message that went, an error of the
library's own type that says why not, an outage that may be tried again. And Kannel's shape, which
has no library."""

import json
import subprocess
import urllib.parse

import harness
from sms_harness import HERE, PASSWORD, SmsTest

TEXT = "Dix jours en Corse. STOP au 36111"


class Libraries(SmsTest):
    def setUp(self):
        super().setUp()
        self.provider = self.smsc()

    def gate(self):
        """Accounts as each library wants them; a second door under TLS."""
        pki = self.pki()
        certificate, key = pki.issue("localhost", "DNS:localhost,IP:127.0.0.1")
        self.authority = pki.authority()
        gate = self.sms_gateway(self.provider, start=False)
        self.secure_port = harness.free_port()
        gate.config["listeners"]["secure"] = {
            "protocol": "http", "bind": f"127.0.0.1:{self.secure_port}", "tls": "implicit",
            "certificate_file": certificate, "key_file": key, "services": ["sms"]}
        stream = gate.config["partners"]["acme"]["streams"]["texts"]
        stream["accounts"] = {
            "acme-sms": {"password": gate.password(PASSWORD)},
            # The library insists on how a Sid begins.
            "ACacme": {"password": gate.password(PASSWORD)},
            "acme-ovh": {"application_key": "appkey", "application_secret": "appsecret",
                         "consumer_key": "consumerkey"}}
        gate.write_config()
        gate.start()
        self.provider.wait("the gateway's bind", lambda e: e["event"] == "pdu" and
                           e["command"].startswith("bind_"))
        return gate

    def library(self, mode, **options):
        environment = {"NODE_EXTRA_CA_CERTS": str(self.authority)}
        done = subprocess.run(["node", HERE / "peers_http.js", mode, json.dumps(options)],
                              env={**harness.os.environ, **environment}, capture_output=True,
                              text=True, timeout=harness.PATIENCE, check=False)
        self.assertTrue(done.stdout.startswith("{"), done.stderr)
        return json.loads(done.stdout)

    def twilio(self, gate, to, **more):
        return self.library("twilio", **{"port": gate.http_port, "account": "ACacme",
                                         "password": PASSWORD, "to": to, "from": "ACME",
                                         "text": TEXT, **more})

    def vonage(self, gate, to, **more):
        return self.library("vonage", **{"port": gate.http_port, "account": "acme-sms",
                                         "password": PASSWORD, "to": to, "from": "ACME",
                                         "text": TEXT, **more})

    def ovh(self, *receivers, **more):
        return self.library("ovh", **{"port": self.secure_port, "key": "appkey",
                                      "secret": "appsecret", "consumer": "consumerkey",
                                      "service": "texts", "receivers": receivers, "from": "ACME",
                                      "text": TEXT, **more})

    def test_twilio(self):
        gate = self.gate()
        yes, no = self.number(gate), self.number(gate, consent=False)
        passed = self.twilio(gate, yes)
        self.assertTrue(passed["ok"], passed)
        message = passed["result"]
        self.assertEqual((message["to"], message["from"], message["body"], message["accountSid"],
                          message["numSegments"], message["errorCode"]),
                         (yes, "ACME", TEXT, "ACacme", "1", None))
        self.assertRegex(message["sid"], r"^SM[0-9a-f]{32}$")
        self.assertRegex(message["dateCreated"], r"^20\d\d-")
        self.assertEqual(self.provider.wait_pdus("submit_sm")[0]["pdu"]["destination_addr"],
                         yes[1:])
        refused = self.twilio(gate, no)
        self.assertEqual((refused["ok"], refused["type"], refused["status"], refused["code"]),
                         (False, "RestException", 400, 21610), refused)
        self.assertIn("21610", refused["moreInfo"])
        bad = self.twilio(gate, "12")
        self.assertEqual((bad["status"], bad["code"]), (400, 21211), bad)
        wrong = self.twilio(gate, yes, password="wrong")
        self.assertEqual((wrong["status"], wrong["code"]), (401, 20003), wrong)
        absent = self.twilio(gate, yes, fetch=message["sid"])
        self.assertEqual((absent["status"], absent["code"]), (404, 20404), absent)
        self.provider.stop()
        away = self.twilio(gate, yes)
        self.assertEqual((away["type"], away["status"], away["code"]),
                         ("RestException", 503, 20503), away)
        rows = gate.wait_rows(3)
        self.assertRow(rows[0], verdict="pass", outcome="accepted", account="ACacme")
        self.assertRow(rows[1], verdict="block", reason="NO_CONSENT", effect="refused")

    def test_vonage(self):
        gate = self.gate()
        yes, no = self.number(gate), self.number(gate, consent=False)
        passed = self.vonage(gate, yes[1:])
        self.assertTrue(passed["ok"], passed)
        sent = passed["result"]["messages"][0]
        self.assertEqual((sent["to"], sent["status"]), (yes[1:], "0"))
        row = gate.wait_rows(1)[0]
        self.assertEqual(sent["messageId"], row["id"])
        refused = self.vonage(gate, no[1:])
        self.assertFalse(refused["ok"], refused)
        self.assertRegex(refused["type"], r"^MessageSend(All|Partial)Failure$")
        self.assertEqual(refused["failed"][0]["status"], "7")
        self.assertIn(gate.wait_rows(2)[1]["id"], refused["failed"][0]["errorText"])
        wrong = self.vonage(gate, yes[1:], password="wrong")
        self.assertEqual(wrong["failed"][0]["status"], "4", wrong)
        self.provider.stop()
        away = self.vonage(gate, yes[1:])
        self.assertEqual(away["failed"][0]["status"], "5", away)

    def test_ovh(self):
        gate = self.gate()
        yes, no = self.number(gate), self.number(gate, consent=False)
        self.assertEqual(self.ovh(list=True), {"ok": True, "result": ["texts"]})
        mixed = self.ovh(yes, no, "12")
        self.assertTrue(mixed["ok"], mixed)
        job = mixed["result"]
        self.assertEqual((job["validReceivers"], job["invalidReceivers"],
                          job["totalCreditsRemoved"]), ([yes], [no, "12"], 1))
        self.assertEqual([type(each) for each in job["ids"]], [int])
        refused = self.ovh(no)
        self.assertEqual((refused["ok"], refused["status"]), (False, 403), refused)
        self.assertIn(gate.wait_rows(3)[2]["id"], refused["message"])
        wrong = self.ovh(yes, secret="another")
        self.assertEqual(wrong["status"], 403, wrong)
        self.provider.stop()
        away = self.ovh(yes)
        self.assertEqual((away["ok"], away["status"]), (False, 503), away)

    def test_kannel(self):
        gate = self.gate()
        yes, no = self.number(gate), self.number(gate, consent=False)

        def send(to, **more):
            return self.http(gate, "GET", "/cgi-bin/sendsms?" + urllib.parse.urlencode(
                {"username": "acme-sms", "password": PASSWORD, "to": to, "from": "ACME",
                 "text": TEXT, **more}))
        passed = send(yes)
        self.assertEqual(passed.status, 202)
        self.assertRegex(passed.body, rb"^0: Accepted for delivery: \S+$")
        refused = send(no)
        self.assertEqual(refused.status, 403)
        self.assertIn(b"NO_CONSENT", refused.body)
        self.assertEqual(send(yes, password="wrong").status, 403)
        self.assertEqual(send(yes, udh=b"\x05\x00\x03\x09\x01\x01", coding=1,
                              text=b"\x00\xff").status, 202)
        raw = self.provider.wait_pdus("submit_sm", 2)[1]
        self.assertEqual((raw["pdu"]["esm_class"], raw["pdu"]["data_coding"]), (0x40, 4))
        self.assertIn("05000309010100ff", raw["raw"])
        self.provider.stop()
        away = send(yes)
        self.assertEqual((away.status, away.body), (503, b"Temporal failure, try again later."))

    def test_again(self):
        """Idempotency-Key through the whole gateway."""
        gate = self.gate()
        yes = self.number(gate)
        first = self.send(gate, yes, headers={"Idempotency-Key": "order-17"})
        second = self.send(gate, yes, headers={"Idempotency-Key": "order-17"})
        self.assertEqual((first.status, first.body), (202, second.body))
        self.assertEqual(self.send(gate, yes, text="Other. STOP 36111",
                                   headers={"Idempotency-Key": "order-17"}).status, 422)
        self.assertEqual(len(gate.wait_rows(1)), 1)
        self.assertEqual(len(self.provider.pdus("submit_sm")), 1)
