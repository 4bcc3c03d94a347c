# SPDX-License-Identifier: Apache-2.0
"""Partners learn of withdrawals: by whom each was recorded, signed and sealed as the official
libraries check it, in order for each person, at least once under kill -9, from partners that
misbehave, and with nothing clear left anywhere.

OCTROI_ROUNDS=50 kills more often; OCTROI_SEED repeats the moments of a run.
"""

import base64
import json
import os
import random
import secrets
import time
import zipfile

import harness
import sms_harness

ROUNDS = int(os.environ.get("OCTROI_ROUNDS", "12"))
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
KEY = base64.b64encode(b"an address key of 32 bytes, here").decode()


class Receiver(sms_harness.NodePeer):
    script = "peers_notices.js"

    def __init__(self, test, **options):
        super().__init__("partner", secret=SECRET, key=KEY, **options)
        test.addCleanup(self.stop)
        self.port = self.wait("it to listen", lambda event: event["event"] == "listening")["port"]

    def answer(self, status=204, **more):
        self.order(do="answer", status=status, **more)

    def notices(self, status=None):
        with self.changed:
            found = [event for event in self.events if event["event"] == "notice"]
            forged = [event for event in self.events if event["event"] == "forged"]
        assert not forged, forged
        return [each for each in found if status in (None, each["status"])]

    def wait_notices(self, count, status=204, timeout=harness.PATIENCE):
        return harness.wait_for(f"{count} notices", lambda: (
            found if len(found := self.notices(status)) >= count else None), timeout=timeout)


def notices(port, scheme="http", **more):
    return {"url": f"{scheme}://127.0.0.1:{port}/octroi", "secret": SECRET, "address": "sealed",
            "address_key": KEY, **more}


class Notices(sms_harness.SmsTest):
    timeout = 180 + 15 * ROUNDS

    def told_gateway(self, receiver, **more):
        gate = self.gateway(start=False, providers={}, partners={
            "acme": harness.partner({}, notices=notices(receiver.port, **more)),
            "beta": harness.partner({})})
        os.chmod(gate.file, 0o600)
        gate.add_form()
        gate.start()
        return gate

    def listed(self, gate, *arguments):
        text = gate.cli("notice", "list", "--format", "json", *arguments)
        return [json.loads(line) for line in text.splitlines()]

    def withdraw(self, gate, address, *arguments):
        gate.addresses.add(address)
        gate.cli("consent", "withdraw", address, "--channel", "email", *arguments)

    def test_by_command_and_import(self):
        receiver = Receiver(self)
        gate = self.told_gateway(receiver)
        one, two, stranger = (harness.unique(each) for each in ("one", "two", "stranger"))
        gate.import_events([{"recipient": one}, {"recipient": two}])
        began = time.monotonic()
        self.withdraw(gate, one)
        first = receiver.wait_notices(1)[0]
        self.assertLess(time.monotonic() - began, 5)
        self.assertEqual(first["type"], "consent.withdrawn")
        self.assertEqual(first["address"], one)
        self.assertEqual(first["data"]["scope"], "all")
        self.assertEqual(first["data"]["channel"], "email")
        self.assertEqual(first["data"]["partner"], "acme")
        self.assertRegex(first["data"]["masked"], "•+@example.org$")
        gate.import_events([
            {"recipient": two, "event": "objected", "form": "", "partners": "acme|beta",
             "evidence": ""},
            {"recipient": stranger, "event": "withdrawn", "form": "", "evidence": ""}])
        second = receiver.wait_notices(2)[1]
        self.assertEqual((second["type"], second["address"], second["data"]["scope"]),
                         ("consent.objected", two, "partner"))
        # Repeated, nothing more is told. The stranger's concerns nobody.
        gate.import_events([{"recipient": stranger, "event": "withdrawn", "form": "",
                             "evidence": ""}])
        harness.wait_for("the acknowledgements", lambda: all(
            each["state"] != "waiting" for each in self.listed(gate)))
        rows = {(each["partner"], each["kind"]): each for each in self.listed(gate)}
        self.assertEqual(len(self.listed(gate)), 3)
        self.assertEqual(rows["acme", "withdrawn"]["state"], "acknowledged")
        self.assertEqual(rows["acme", "withdrawn"]["answer"], "204")
        self.assertEqual(rows["beta", "objected"]["state"], "untold")
        self.assertEqual(len(receiver.notices()), 2)
        record = self.notified(gate)
        self.assertEqual([(each["partner"], each["event"], each["state"]) for each in record],
                         [("acme", first["data"]["event"], "acknowledged"),
                          ("acme", second["data"]["event"], "acknowledged")])
        self.assertEqual([each["id"] for each in record], [first["id"], second["id"]])
        harness.wait_for("the counts", lambda: gate.status()["notices"]["acknowledged"] == 2,
                         timeout=30)
        self.assertEqual(gate.status()["notices"]["untold"], 1)
        # The person may know; and what retention or a copy concerns is in the registry.
        archive = self.path("archive")
        gate.cli("person", two, "--export", archive)
        with zipfile.ZipFile(archive) as parts:
            held = json.loads(parts.read("person.json"))
            self.assertIn("acme,acknowledged", parts.read("notices.csv").decode())
        self.assertEqual([(each["partner"], each["state"]) for each in held["notices"]],
                         [("acme", "acknowledged"), ("beta", "untold")])
        gate.verify()

    def test_stop(self):
        receiver = Receiver(self)
        provider = self.smsc()
        gate = self.sms_gateway(provider, start=False)
        gate.config["partners"]["acme"]["notices"] = notices(receiver.port)
        gate.write_config()
        os.chmod(gate.file, 0o600)
        gate.start()
        provider.wait("the gateway's bind", lambda e: e["event"] == "pdu" and
                      e["command"].startswith("bind_"))
        number = self.number(gate)
        provider.ask("deliver_sm", {
            "source_addr": number.lstrip("+"), "source_addr_ton": 1, "source_addr_npi": 1,
            "destination_addr": "ACME", "dest_addr_ton": 5, "dest_addr_npi": 0,
            "short_message": "STOP"})
        told = receiver.wait_notices(1)[0]
        self.assertEqual((told["type"], told["address"], told["data"]["channel"]),
                         ("consent.withdrawn", number, "sms"))

    @staticmethod
    def notified(gate):
        rows = []
        for segment in sorted((gate.state / "journal").glob("*.seg")):
            for line in segment.read_text().splitlines():
                record = line.split(" ", 2)[2]
                if record.startswith('{"type":"notified"'):
                    rows.append(json.loads(record))
        return rows

    def test_partners_that_misbehave(self):
        receiver = Receiver(self)
        gate = self.told_gateway(receiver)
        person = harness.unique("person")
        gate.import_events([{"recipient": person}])
        receiver.answer(503, headers={"Retry-After": "100000"})
        self.withdraw(gate, person)
        receiver.wait_notices(1, 503)
        for kind, answer in (({"how": "close"}, None), ({"how": "garbage"}, None),
                             ({"how": "silence"}, None),
                             ({"how": "huge"}, "500"), ({"status": 500}, "500"),
                             ({"status": 410}, "410"),
                             ({"status": 302, "headers": {"Location": "/elsewhere"}},
                              "302 (redirects are not followed)")):
            before = len(receiver.notices())
            attempts = self.settled(gate)
            receiver.answer(**kind)
            gate.cli("notice", "retry")
            receiver.wait_notices(before + 1, None)
            row = harness.wait_for("the failure", lambda: (
                each if (each := self.listed(gate)[0])["attempts"] > attempts else None))
            self.assertEqual(row["state"], "waiting")
            if answer is not None:
                self.assertEqual(row["answer"], answer)
        # libcurl asks a second time when a connection it kept turns out to be gone.
        self.assertGreaterEqual(len(receiver.notices()), 8)
        self.assertEqual(len({each["id"] for each in receiver.notices()}), 1)
        receiver.answer(200)
        gate.cli("notice", "retry", "--partner", "acme")
        receiver.wait_notices(1, 200)
        harness.wait_for("the acknowledgement",
                         lambda: self.listed(gate)[0]["state"] == "acknowledged")

    def settled(self, gate):
        return harness.wait_for("an answer", lambda: self.listed(gate)[0]["attempts"])

    def test_tls_that_is_wrong(self):
        pki = self.pki()
        other = pki.authority("other")
        certificate, key = pki.issue("localhost", alternative="IP:127.0.0.1")
        receiver = Receiver(self, tls={"cert": str(certificate), "key": str(key)})
        gate = self.gateway(start=False, providers={}, partners={
            "acme": harness.partner({}, notices=notices(
                receiver.port, "https", tls_ca_file=str(other)))})
        os.chmod(gate.file, 0o600)
        gate.add_form()
        gate.start()
        person = harness.unique("person")
        gate.import_events([{"recipient": person}])
        self.withdraw(gate, person)
        row = harness.wait_for("a failure", lambda: next(
            (each for each in self.listed(gate) if each["attempts"]), None))
        self.assertIn("certificate", row["answer"])
        self.assertEqual(receiver.notices(), [])
        gate.config["partners"]["acme"]["notices"]["tls_ca_file"] = str(pki.authority())
        gate.write_config()
        os.chmod(gate.file, 0o600)
        gate.reload()
        gate.cli("notice", "retry")
        self.assertEqual(receiver.wait_notices(1)[0]["address"], person)

    def test_overdue(self):
        receiver = Receiver(self)
        gate = self.told_gateway(receiver, overdue_after="1 s")
        person = harness.unique("person")
        gate.import_events([{"recipient": person}])
        receiver.answer(500)
        self.withdraw(gate, person)
        harness.wait_for("it to be overdue", lambda: self.listed(gate, "--overdue"))
        harness.wait_for("the count", lambda: gate.status()["notices"]["overdue"] == 1, timeout=30)
        self.assertIn("overdue", gate.cli("status"))
        gate.wait_log("do not acknowledge them")

    def test_killed_at_any_moment(self):
        receiver = Receiver(self)
        gate = self.told_gateway(receiver)
        seed = int(os.environ.get("OCTROI_SEED") or secrets.randbelow(1 << 32))
        chance = random.Random(seed)
        print(f"OCTROI_SEED={seed}")
        people = [harness.unique(f"person{i}") for i in range(10)]
        gate.import_events([{"recipient": each} for each in people])
        said = {each: [] for each in people}
        for number in range(ROUNDS):
            # Some answers are refusals, so that there is something to be tried again.
            receiver.answer(chance.choice((204, 204, 500)))
            for _ in range(3):
                person = chance.choice(people)
                moment = harness.instant(3600 - number * 10 - len(said[person]))
                gate.cli("consent", "withdraw", person, "--channel", "email", "--partner", "acme",
                         "--occurred-at", moment)
                said[person].append(moment)
            time.sleep(chance.uniform(0, 0.7))
            gate.kill9()
            gate.start()
        receiver.answer(204)
        total = sum(len(each) for each in said.values())

        def all_acknowledged():
            # Again and again: what is just being refused still waits its pause.
            gate.cli("notice", "retry")
            return len(self.listed(gate, "--state", "acknowledged")) == total

        harness.wait_for("everything to be acknowledged", all_acknowledged, timeout=60, pause=0.3)
        self.assertEqual(self.listed(gate, "--state", "waiting"), [])
        self.check_order(receiver, people)
        acknowledged = {each["data"]["event"] for each in receiver.notices(204)}
        recorded = [each["event"] for each in self.notified(gate)]
        self.assertEqual(set(recorded), acknowledged)
        self.assertEqual(len(acknowledged), total)
        gate.verify()

    def check_order(self, receiver, people):
        """Of each person nothing newer came before what is older was acknowledged."""
        taken, ids = {each: 0 for each in people}, {}
        for each in receiver.notices():
            event, person = each["data"]["event"], each["address"]
            self.assertGreaterEqual(event, taken[person])
            self.assertEqual(ids.setdefault(event, each["id"]), each["id"])
            if each["status"] == 204:
                taken[person] = event

