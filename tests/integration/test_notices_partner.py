# SPDX-License-Identifier: Apache-2.0
"""Partners that are told of withdrawals by their own name for the person, after an outage that
outlasted the gateway, and by the programs of the guide as they stand."""

import contextlib
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import api_harness
import harness
import sms_harness
import test_notices

HERE = pathlib.Path(__file__).resolve().parent
GUIDE = HERE.parents[1] / "docs" / "guides" / "partner.md"


class Partners(sms_harness.SmsTest, api_harness.ApiTest):
    def told_gateway(self, port, **more):
        gate = self.gate(start=False)
        gate.config["partners"]["acme"]["notices"] = {
            key: value for key, value in test_notices.notices(port, **more).items() if value}
        gate.write_config()
        os.chmod(gate.file, 0o600)
        gate.add_form()
        gate.start(environment=self.environment)
        return gate

    def listed(self, gate):
        text = gate.cli("notice", "list", "--format", "json")
        return [json.loads(line) for line in text.splitlines()]

    def withdraw(self, gate, person, *arguments):
        gate.addresses.add(person)
        gate.cli("consent", "withdraw", person, "--channel", "email", *arguments)

    def people(self, gate, *names):
        people = [harness.unique(name) for name in names]
        gate.import_events([{"recipient": each} for each in people])
        return people

    def test_by_identifier(self):
        receiver = test_notices.Receiver(self)
        gate = self.told_gateway(receiver.port, address="identifier", address_key=None)
        known, unknown = self.people(gate, "known", "unknown")
        token = self.token(gate, "events")

        def call(person, identifier):
            gate.addresses.add(person)
            body = {"recipient": person, "partner": "acme", "identifier": identifier}
            self.assertEqual(self.post(gate, token, "/v1/identifiers", body).status, 200)

        call(known, "crm-4711")
        self.withdraw(gate, known)
        first = receiver.wait_notices(1)[0]
        self.assertEqual(first["data"]["recipient"], {"identifier": "crm-4711"})
        self.assertRegex(first["data"]["masked"], "•+@example.org$")
        # Of whom it gave no name it is told nothing, and somebody sees why.
        self.withdraw(gate, unknown)
        row = harness.wait_for("the other to be given up", lambda: next(
            (each for each in self.listed(gate) if each["state"] == "untold"), None))
        self.assertEqual(row["answer"], "the partner gave no identifier of this person")
        self.assertEqual(len(receiver.notices()), 1)
        # Once it has, it can be told after all, although the address is erased.
        call(unknown, "crm-4712")
        gate.cli("notice", "retry")
        second = receiver.wait_notices(2)[1]
        self.assertEqual(second["data"]["recipient"], {"identifier": "crm-4712"})
        self.assertEqual(second["data"]["event"], row["event"])
        gate.verify()

    def test_an_outage_that_outlasts_the_gateway(self):
        receiver = test_notices.Receiver(self)
        gate = self.told_gateway(receiver.port)
        one, two = self.people(gate, "one", "two")
        receiver.stop()
        for person, seconds in ((one, 60), (two, 50), (one, 40)):
            self.withdraw(gate, person, "--partner", "acme", "--occurred-at",
                          harness.instant(seconds))
        harness.wait_for("a failure", lambda: any(each["attempts"] for each in self.listed(gate)))
        gate.stop()
        again = test_notices.Receiver(self, port=receiver.port)
        gate.start(environment=self.environment)
        # By itself: nobody asks for a retry.
        told = again.wait_notices(3, timeout=90)
        self.assertEqual({each["address"] for each in told}, {one, two})
        events = [each["data"]["event"] for each in told if each["address"] == one]
        self.assertEqual(events, sorted(events))
        harness.wait_for("the acknowledgements", lambda: all(
            each["state"] == "acknowledged" for each in self.listed(gate)))
        gate.verify()

    @staticmethod
    def listens(port):
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), harness.PATIENCE).close()
            return True
        return False

    def check_program(self, language, command, before):
        """The guide's program takes what the gate sends, and nothing forged."""
        text = next(part for part in re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(),
                                                re.S) if "OCTROI_SECRET" in part)
        port = harness.free_port()
        environment = {**os.environ, "OCTROI_SECRET": test_notices.SECRET,
                       "OCTROI_ADDRESS_KEY": test_notices.KEY, "PORT": str(port)}
        program = harness.spawn([*command, before + text], env=environment, cwd=HERE,
                                stdout=subprocess.PIPE, text=True)
        self.addCleanup(harness.end, program)
        harness.wait_for("the program to listen", lambda: self.listens(port))
        url = f"http://127.0.0.1:{port}/octroi/withdrawals"
        gate = self.told_gateway(port, url=url)
        forged = urllib.request.Request(url, b"{}", {
            "webhook-id": "msg_1", "webhook-signature": "v1," + "A" * 43 + "=",
            "webhook-timestamp": str(int(time.time()))})
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(forged, timeout=harness.PATIENCE)
        self.assertEqual(refused.exception.code, 401)
        person = self.people(gate, "person")[0]
        self.withdraw(gate, person)
        row = harness.wait_for("an answer", lambda: next(
            (each for each in self.listed(gate) if each["attempts"]), None))
        self.assertEqual((row["state"], row["answer"]), ("acknowledged", "204"))
        # A server may greet first.
        told = next(line for line in program.stdout if line.startswith("["))
        self.assertEqual(json.loads(told), [person, "email", "all"])

    def test_the_guide_s_javascript(self):
        self.check_program("js", ["node", "-e"], """
            const suppress = async (...all) => console.log(JSON.stringify(all));
        """)

    def test_the_guide_s_python(self):
        self.check_program("python", [sys.executable, "-u", "-c"], "import json\n"
                           "def suppress(*told):\n    print(json.dumps(told), flush=True)\n")
