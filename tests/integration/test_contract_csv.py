# SPDX-License-Identifier: Apache-2.0
"""The consent CSV, sentence by sentence of its description."""

import json

import harness

HEADER = ",".join(harness.CSV_HEADER)
GOOD = "{who},email,given,2024-02-01T00:00:00Z,jeu-ete@1,,,leads,e"

# A row, and what its refusal must begin with; {who} is an address.
REFUSED = (
    ("{who},fax,given,2024-02-01T00:00:00Z,jeu-ete@1,,,,e", "channel: "),
    ("{who},,given,2024-02-01T00:00:00Z,jeu-ete@1,,,,e", "channel: "),
    ("{who},sms,given,2024-02-01T00:00:00Z,jeu-ete@1,,,,e", "channel: "),
    ("{who},email|sms,given,2024-02-01T00:00:00Z,jeu-ete@1,,,,e", "channel: "),
    ("+33612345678,email,given,2024-02-01T00:00:00Z,jeu-ete@1,,,,e", "channel: "),
    ("{who},email,invalidated,2024-02-01T00:00:00Z,jeu-ete@1,,,,e", "event: "),
    ("{who},email,given,2024-02-01,jeu-ete@1,,,,e", "occurred_at: "),
    ("{who},email,given,2024-02-01T00:00:00,jeu-ete@1,,,,e", "occurred_at: "),
    ("{who},email,given,2099-01-01T00:00:00Z,jeu-ete@1,,,,e", "occurred_at: "),
    ("{who},email,renewed,2099-01-01T00:00:00Z,jeu-ete@1,,,,e", "occurred_at: "),
    ("{who},email,active,2099-01-01T00:00:00Z,,,,,", "occurred_at: "),
    ("{who},email,given,2024-02-01T00:00:00Z,jeu-ete,,,,e", "form: "),
    ("{who},email,given,2024-02-01T00:00:00Z,jeu-ete@9,,,,e", "form: "),
    ("{who},email,given,2024-02-01T00:00:00Z,jeu-ete@1,nobody,,,e", "partners: "),
    ("{who},email,given,2024-02-01T00:00:00Z,jeu-ete@1,acme|,,,e", "partners: "),
    ("{who},email,given,2024-02-01T00:00:00Z,jeu-ete@1,,hope,,e", "basis: "),
    ("nobody,email,given,2024-02-01T00:00:00Z,jeu-ete@1,,,,e", "recipient: "),
    ("{who},email,given", "3 fields"),
    ("{who},email,given,2024-02-01T00:00:00Z,jeu-ete@1,,,,e,f", "10 fields"),
    ('{who},email,given,2024-02-01T00:00:00Z,jeu-ete@1,,,,"e"f', "text after"),
    ("{who},{who},{who},{who},{who},{who},{who},{who},{who}", "channel: "),
    ("{who},email,{who},{who},{who},{who},{who},{who},{who}", "event: "),
)


class ConsentCsv(harness.IntegrationTest):
    def setUp(self):
        super().setUp()
        self.gate = self.gateway(start=False, providers={
            "smarthost": harness.smtp_provider(harness.free_port())})
        self.gate.add_form(channels=["email", "sms", "post"])

    def feed(self, *rows, header=HEADER, end="\n", **options):
        return self.gate.cli_full("consent", "import", "-", **options,
                                  input="".join(row + end for row in (header, *rows)))

    def reason(self, who, channel="email", partner="acme"):
        return json.loads(self.gate.cli("consent", "show", who, "--partner", partner, "--channel",
                                        channel, "--format", "json"))["reason"]

    def events(self, who):
        text = self.gate.cli("consent", "show", who, "--format", "json")
        return [json.loads(line) for line in text.splitlines()]

    def test_each_refused_row_is_named_and_the_others_are_in(self):
        first, last = self.address(self.gate, "first"), self.address(self.gate, "last")
        who = self.address(self.gate, "refused")
        rows = [row.format(who=who) for row, _ in REFUSED]
        done = self.feed(GOOD.format(who=first), *rows, GOOD.format(who=last))
        self.assertEqual(done.returncode, 1)
        told = done.stderr.splitlines()
        self.assertEqual(len(told), len(REFUSED), done.stderr)
        for number, (line, (row, why)) in enumerate(zip(told, REFUSED), 3):
            with self.subTest(row):
                self.assertTrue(line.startswith(f"standard input:{number}: {why}"), line)
                self.assertNotIn(who, line)
        self.assertEqual([len(self.events(each)) for each in (first, who, last)], [1, 0, 1])

    def test_header_must_hold(self):
        for header in ("", "recipient,channel", HEADER + ",colour", HEADER.replace(",", ";"),
                       GOOD.format(who="somebody@example.org")):
            with self.subTest(header):
                done = self.feed(header=header)
                self.assertEqual(done.returncode, 1)
                self.assertRegex(done.stderr, r"^standard input:1: ")
                self.assertNotIn("somebody", done.stderr)

    def test_columns_in_any_order_and_any_line_end(self):
        who = self.address(self.gate)
        columns = HEADER.split(",")[::-1]
        row = ",".join(GOOD.format(who=who).split(",")[::-1])
        self.assertEqual(self.feed(row, header="\ufeff" + ",".join(columns), end="\r\n").returncode,
                         0)
        self.assertEqual(self.reason(who), "CONSENT")

    def test_twice_changes_nothing(self):
        who = self.address(self.gate)
        for _ in range(2):
            self.assertEqual(self.feed(GOOD.format(who=who)).returncode, 0)
        self.assertEqual(len(self.events(who)), 1)

    def test_several_channels_and_partners(self):
        who = self.address(self.gate)
        self.gate.add_form(version=2, effective_from="2024-01-15T00:00:00Z",
                           partners=["acme", "beta"], channels=["email", "post"])
        self.feed(f"{who},email|post,given,2024-02-01T00:00:00Z,jeu-ete@2,acme|beta,,,e")
        self.assertEqual([(event["channel"], event["partners"]) for event in self.events(who)],
                         [("email", ["acme", "beta"]), ("post", ["acme", "beta"])])
        self.assertEqual({self.reason(who, channel) for channel in ("email", "post")}, {"CONSENT"})

    def test_without_proof(self):
        no_form, no_evidence = self.address(self.gate, "form"), self.address(self.gate, "evidence")
        done = self.feed(f"{no_form},email,given,2024-02-01T00:00:00Z,,,,,e",
                         f"{no_evidence},email,given,2024-02-01T00:00:00Z,jeu-ete@1,,,,")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([self.reason(no_form), self.reason(no_evidence)], ["UNPROVEN"] * 2)

    def test_what_stops_is_taken_from_the_future(self):
        for event, reason in (("withdrawn", "WITHDRAWN"), ("objected", "OBJECTED")):
            who = self.address(self.gate)
            self.assertEqual(self.feed(GOOD.format(who=who),
                                       f"{who},email,{event},2099-01-01T00:00:00Z,,,,,"
                                       ).returncode, 0)
            self.assertEqual(self.reason(who), reason)

    def test_what_stops_stops_all_partners_by_default(self):
        who = self.address(self.gate)
        self.feed(GOOD.format(who=who), f"{who},email,withdrawn,2024-03-01T00:00:00Z,,,,,")
        self.assertEqual(self.reason(who), "WITHDRAWN")

    def test_supplier_exists_once_named(self):
        self.gate.cli("suspend", "supplier", "leads", "--reason", "audit", expect=1)
        who = self.address(self.gate)
        self.feed(GOOD.format(who=who))
        self.gate.cli("suspend", "supplier", "leads", "--reason", "audit")
        self.assertEqual(self.reason(who), "SUSPENDED")

    def test_post_by_mail_address_or_phone(self):
        who = self.address(self.gate)
        self.feed(f"{who},post,given,2024-02-01T00:00:00Z,jeu-ete@1,,,,e",
                  "06 12 34 56 78,post|sms,given,2024-02-01T00:00:00Z,jeu-ete@1,,,,e")
        self.assertEqual(self.reason(who, "post"), "CONSENT")
        for channel in ("post", "sms"):
            self.assertEqual(self.reason("+33612345678", channel), "CONSENT")

    def test_no_address_comes_to_rest(self):
        who, other = self.address(self.gate, "subject-of"), self.address(self.gate, "somebody-else")
        file = self.folder / f"of {other}.csv"
        file.write_text(f"{HEADER}\n{who},email,given,2024-02-01T00:00:00Z,jeu-ete@1,,,"
                        f"{other},\"form of {who}, see {other.replace('@', '%40')}\"\n")
        self.gate.cli("consent", "import", file)
        self.gate.cli("consent", "record", who, "--event", "given", "--channel", "email", "--form",
                      "jeu-ete@1", "--evidence", f"mail of {who.upper()}")
        self.gate.cli("consent", "withdraw", who, "--evidence", f"said {other}")
        self.gate.cli("suspend", "partner", "acme", "--reason", f"complaint of {who}")
        self.gate.cli("resume", "partner", "acme", "--reason", f"settled with {who}")
        self.gate.cli("form", "invalidate", "jeu-ete@1", "--reason", f"found by {who}")
        # check_no_addresses, at the end of each test, looks for them in every file.
