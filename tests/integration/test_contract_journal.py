# SPDX-License-Identifier: Apache-2.0
"""What the journal promises to who reads it with `log` and `verify`, and what a reload, a second
gateway and a killed one do."""

import re
import socket

import harness

FIELDS = ["id", "at", "gateway", "session", "partner", "stream", "account", "channel", "purpose",
          "recipient", "recipient_key", "verdict", "reason", "effect", "mode", "policy", "event",
          "provider", "outcome", "provider_reply", "queue_id", "size", "hash", "list"]


class Journal(harness.IntegrationTest):
    def send(self, gateway, *recipients, sender="news@acme.example", wire=None):
        """Sends one message; returns the refs of the refused and the last answer."""
        wire = wire or self.wire(gateway)
        wire.hello()
        refs = []
        answer = wire.say(f"MAIL FROM:<{sender}>")
        for recipient in recipients:
            answer = wire.say(f"RCPT TO:<{recipient}>")
            if answer[0] != 250:
                refs.append(answer[1].rpartition("ref ")[2])
        if len(refs) < len(recipients):
            wire.say("DATA", 354)
            wire.send(harness.message("news@acme.example") + b".\r\n")
            answer = wire.reply()
        else:
            wire.say("RSET", 250)  # an open transaction would hold the gateway's end up
        return refs, answer

    @staticmethod
    def refuses(port):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) != 0

    def test_fields_nulls_and_refs(self):
        provider = self.scripted()
        gateway = self.gateway(provider)
        yes, no = self.person(gateway), self.address(gateway, "no")
        refs, answer = self.send(gateway, yes, no)
        self.assertEqual(answer[0], 250)
        wire = self.wire(gateway)
        wire.hello()
        refs.append(wire.say("MAIL FROM:<>", 550)[1].rpartition("ref ")[2])
        rows = {row["id"]: row for row in gateway.wait_rows(3)}
        for row in rows.values():
            self.assertEqual(list(row), FIELDS)
            self.assertRegex(row["at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
            self.assertRegex(row["hash"], r"^[0-9a-f]{64}$")
        no_row, null_row = rows.pop(refs[0]), rows.pop(refs[1])
        self.assertRow(no_row, verdict="block", reason="NO_CONSENT", effect="refused", event=None,
                       provider=None, outcome=None, provider_reply=None, queue_id=None, size=None,
                       channel="email", purpose="receipt", mode="enforce", gateway="gate.test",
                       recipient="n•••@example.org")
        self.assertRow(null_row, reason="SENDER_NOT_ALLOWED", recipient=None, recipient_key=None)
        (passed,) = rows.values()
        self.assertRow(passed, verdict="pass", reason="CONSENT", effect="passed",
                       provider="smarthost", outcome="accepted", event=1)
        self.assertGreater(passed["size"], 0)
        self.assertIn(passed["queue_id"], answer[1])
        self.assertNotEqual(passed["recipient_key"], no_row["recipient_key"])

    def test_filters_and_order(self):
        provider = self.scripted()
        gateway = self.gateway(provider)
        people = [self.person(gateway) for _ in range(3)]
        no = self.address(gateway, "no")
        for person in people:
            self.send(gateway, person, no)
        gateway.wait_rows(6)

        def log(*arguments):
            text = gateway.cli("log", "--format", "json", *arguments)
            return [harness.json.loads(line) for line in text.splitlines()]
        everything = log()
        self.assertEqual(sorted((row["at"] for row in everything), reverse=True),
                         [row["at"] for row in everything])
        self.assertEqual(log("--limit", "2"), everything[:2])
        self.assertEqual(log("--limit", "0"), everything)
        self.assertEqual({row["verdict"] for row in log("--verdict", "block")}, {"block"})
        self.assertEqual(len(log("--verdict", "pass")), 3)
        self.assertEqual(len(log("--reason", "NO_CONSENT")), 3)
        self.assertEqual(len(log("--recipient", no.upper())), 3)
        self.assertEqual(len(log("--recipient", people[0])), 1)
        self.assertEqual(len(log("--partner", "acme", "--channel", "email")), 6)
        self.assertEqual(log("--partner", "beta") + log("--channel", "sms"), [])
        middle = everything[2]["at"]
        self.assertEqual(log("--since", middle), [r for r in everything if r["at"] >= middle])
        self.assertEqual(log("--until", "2020-01-01"), [])
        self.assertEqual(log("--since", everything[0]["at"][:10]), everything)

    def test_a_changed_byte_names_its_row(self):
        provider = self.scripted()
        gateway = self.gateway(provider)
        yes, no = self.person(gateway), self.address(gateway, "no")
        for _ in range(2):
            self.send(gateway, yes, no)
        gateway.wait_rows(4)
        gateway.stop()
        (segment,) = (gateway.state / "journal").glob("*.seg")
        whole = segment.read_bytes()
        lines = whole.splitlines(keepends=True)
        offset = 0
        for number, line in enumerate(lines, 1):
            found = re.search(rb'^\S+ \S+ {"type":"\w+","id":"([^"]+)"', line)
            for place in (0, 70, len(line) // 2, len(line) - 2):
                broken = bytearray(whole)
                broken[offset + place] ^= 1
                segment.write_bytes(broken)
                done = gateway.cli_full("verify")
                self.assertEqual(done.returncode, 1)
                self.assertRegex(done.stdout, rf"\brow {number}\b.*line {number}:", (number, place))
                if found and place in (0, len(line) // 2):
                    self.assertIn(found.group(1).decode(), done.stdout)
            offset += len(line)
        for damaged in (whole[:-1], whole + b"x", whole[:len(whole) - len(lines[-1])], b""):
            segment.write_bytes(damaged)
            gateway.cli("verify", expect=1)
        segment.write_bytes(whole)
        gateway.verify()

    def test_a_broken_reload_changes_nothing(self):
        provider = self.scripted()
        gateway = self.gateway(provider)
        yes = self.person(gateway)
        good = gateway.file.read_text()
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        busy = (f'listeners: {{ busy: {{ bind = "127.0.0.1:{taken.getsockname()[1]}" '
                'tls = "none" } }\n')
        (gateway.folder / "busy.conf").write_text(busy)
        for bad in (good + "stray {{{", good + "surprise = 1;", "",
                    good.replace('"state"', '"elsewhere"'),
                    good + 'include = [ "busy.conf" ];'):
            gateway.write_config(bad)
            gateway.reload(good=False)
            refs, answer = self.send(gateway, yes)
            self.assertEqual(answer[0], 250, bad[-60:])
        gateway.write_config(good)
        gateway.reload()

    def test_a_reload_moves_listeners_and_accounts(self):
        provider = self.scripted()
        gateway = self.gateway(provider)
        yes = self.person(gateway)
        before, old = self.wire(gateway), gateway.port
        before.hello()
        gateway.port = harness.free_port()
        gateway.config["listeners"] = {"other": {"bind": f"127.0.0.1:{gateway.port}",
                                                 "tls": "none"}}
        gateway.write_config()
        gateway.reload()
        harness.wait_for("the old port to close", lambda: self.refuses(old))
        self.assertEqual(self.send(gateway, yes)[1][0], 250)
        self.assertEqual(self.send(gateway, yes, wire=before)[1][0], 250)
        gateway.config["partners"]["acme"]["streams"]["news"]["accounts"] = {
            "acme-lan": {"networks": ["10.0.0.0/8"]}}
        gateway.write_config()
        gateway.reload()
        wire = self.wire(gateway)
        wire.hello()
        self.assertEqual(wire.say("MAIL FROM:<news@acme.example>")[0], 530)

    def test_one_gateway_a_state_directory(self):
        provider = self.scripted()
        gateway = self.gateway(provider)
        second = gateway.cli_full("serve")
        self.assertEqual(second.returncode, 1)
        self.assertIn("another gateway", second.stderr)
        self.assertEqual(gateway.status()["pid"], gateway.pid)
        gateway.kill9()
        self.assertTrue((gateway.state / "control.sock").exists())
        done = gateway.cli_full("status")
        self.assertEqual(done.returncode, 1)
        self.assertIn("not running", done.stderr)
        gateway.cli("suspend", "partner", "acme", "--reason", "while it is down")
        gateway.verify()
        gateway.start().warm()
        self.assertEqual(gateway.status()["pid"], gateway.pid)
        refs, answer = self.send(gateway, self.person(gateway))
        self.assertRegex(answer[1], "^5.7.1 SUSPENDED ")
        gateway.stop()
        self.assertFalse((gateway.state / "control.sock").exists())

    def test_hours_of_the_policy_defer(self):
        provider = self.scripted()
        # One minute of one day of the week, and never while it is a holiday: closed, save for one
        # minute a week.
        gateway = self.gateway(provider, policies={"email": {
            "hours": ["03:07-03:08"], "days": "wed", "timezone": "UTC"}})
        refs, answer = self.send(gateway, self.person(gateway))
        self.assertEqual(answer[0], 451)
        self.assertRegex(answer[1], "^4.7.1 OUTSIDE_HOURS .*, ref ")
        (row,) = gateway.wait_rows(1)
        self.assertRow(row, id=refs[0], verdict="defer", reason="OUTSIDE_HOURS", effect="deferred",
                       outcome=None)

    def test_over_the_rate(self):
        provider = self.scripted()
        gateway = self.gateway(provider, partners={"acme": harness.partner(
            {"news": harness.email_stream(rate=1)})})
        yes = self.person(gateway)
        codes = [self.send(gateway, yes)[1] for _ in range(4)]
        self.assertEqual(codes[0][0], 250)
        self.assertIn((450, "4.7.1"), [(code, text[:5]) for code, text in codes])
