# SPDX-License-Identifier: Apache-2.0
"""A person's no, from the first event to the partner's thanks, through programs of others only:
a consent comes in by the interface for programs, nodemailer sends through the gate, the link of what
arrives is pressed, the next mail is refused, and the partner is told, checks and opens the notice with
the official libraries, and acknowledges it. The whole way is told to who asks: verdicts, decisions,
counts, the person's own file."""

import http.client
import json
import os

import harness
import test_node
import test_notices
import test_unsubscribe


class WayOut(test_unsubscribe.Leaving, test_node.NodeTest):
    def setUp(self):
        self.partner = None
        super().setUp()

    def open_gate(self, provider, mode="enforce", warm=True, **stream):
        self.partner = test_notices.Receiver(self)
        gate = super().open_gate(provider, mode, warm=False, **stream)
        gate.stop()
        gate.config["listeners"]["web"]["services"] = ["unsubscribe", "api", "metrics"]
        gate.config["partners"]["acme"]["notices"] = test_notices.notices(self.partner.port)
        gate.write_config()
        os.chmod(gate.file, 0o600)
        gate.start()
        gate.warm()
        self.token = gate.cli("token", "add", "crm", "--scope",
                              "check,events,decisions,persons,reports").strip().split()[-1]
        return gate

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.gate.web,
                                                timeout=harness.PATIENCE)
        self.addCleanup(connection.close)
        connection.request(method, path, json.dumps(body) if body is not None else None,
                           {"Authorization": f"Bearer {self.token}",
                            "Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read().decode()
        self.assertEqual(answer.status, 200, text)
        return json.loads(text)

    def verdict(self, person):
        answer = self.call("POST", "/v1/check",
                           {"recipient": person, "partner": "acme", "channel": "email"})
        return answer["verdict"], answer["reason"]

    def mail(self, person):
        return test_node.node("pool", {
            "transport": {"host": "127.0.0.1", "port": self.gate.port, "ignoreTLS": True,
                          "maxConnections": 1},
            "messages": [{"from": f"ACME <{self.sender}>", "to": [person],
                          "subject": "Offre d'été", "text": "Bonjour\n"}]})[0]

    def test_the_whole_way(self):
        person = harness.unique("marie")
        self.gate.addresses.add(person)
        self.assertEqual(self.verdict(person), ("block", "NO_CONSENT"))
        told = self.call("POST", "/v1/events", {
            "recipient": person, "channel": "email", "event": "given",
            "occurred_at": harness.instant(), "form": "jeu-ete@1", "evidence": "entry 4711"})
        self.assertEqual((told["taken"], told["refused"]), (1, 0), told)
        self.assertEqual(self.verdict(person), ("pass", "CONSENT"))

        answer = self.mail(person)
        self.assertEqual(answer.get("accepted"), [person], answer)
        link = self.link(self.provider.messages[-1].body)
        self.assertEqual(self.ask(link).status, 200)
        self.assertEqual(self.verdict(person), ("pass", "CONSENT"), "looking changes nothing")
        self.assertEqual(self.ask(link, "POST", test_unsubscribe.ONE_CLICK).status, 200)

        answer = self.mail(person)
        self.assertRegex(answer["error"]["response"], r"^550 5\.7\.1 WITHDRAWN ")
        self.assertEqual(self.verdict(person), ("block", "WITHDRAWN"))
        notice = self.partner.wait_notices(1)[0]
        self.assertEqual((notice["type"], notice["address"]), ("consent.withdrawn", person))
        self.assertEqual((notice["data"]["partner"], notice["data"]["channel"],
                          notice["data"]["scope"]), ("acme", "email", "partner"))
        rows = harness.wait_for("the acknowledgement", lambda: [
            each for each in self.call("GET", "/v1/notices")["notices"]
            if each["partner"] == "acme" and each["state"] == "acknowledged"])
        self.assertEqual(len(rows), 1)

        held = self.call("POST", "/v1/persons", {"recipient": person})
        self.assertEqual([event["event"] for event in held["events"]], ["given", "withdrawn"])
        key = held["person"]["recipient_key"]
        decisions = self.call("GET", f"/v1/decisions?recipient_key={key}")["decisions"]
        self.assertEqual([(each["verdict"], each["effect"]) for each in decisions],
                         [("block", "refused"), ("pass", "passed")])
        counts = self.call("GET", "/v1/reports?from=2020-01-01&by=reason")["rows"]
        self.assertIn(("WITHDRAWN", 1), [(row["reason"], row["count"]) for row in counts])
        self.gate.verify()
