# SPDX-License-Identifier: Apache-2.0
"""examples/history: what it makes is a past as the gate itself would have left it."""

import collections
import json
import shutil
import subprocess

import browser_harness
import harness

UNTIL = "2026-06-30T12:00:00Z"
# The first ones of any past.
PEOPLE = ("marie.martin@courriel.example", "lucas.martin@poste.example", "julie.martin@mel.example",
          "karim.martin@boite.example", "helene.martin@famille.example", "kevin.martin@courriel.example")
# Not of the person alone, or of the hour.
OF_THE_MESSAGE = ("SERVICE", "SUSPENDED", "UNABLE", "SENDER_NOT_ALLOWED", "OPTOUT_MISSING", "SECTOR_BAN")


class History(harness.IntegrationTest):
    def past(self, *arguments, stem="past"):
        gate = self.gateway(start=False, include=["partners.conf"], partners={})
        shutil.copy(browser_harness.EXAMPLES / "partners.conf", gate.folder)
        self.fill(gate, *arguments)
        return gate

    def fill(self, gate, *arguments, expect=0):
        done = subprocess.run([browser_harness.history_path(), "--config", gate.file, *map(str, arguments)],
                              capture_output=True, text=True, env=harness.sanitizer_environment())
        self.assertEqual(done.returncode, expect, done.stderr)
        self.assertIsNone(harness.SANITIZER.search(done.stderr), done.stderr)
        return done.stdout + done.stderr

    def test_it_holds_and_is_believable(self):
        gate = self.past("--rows", 3000, "--days", 40)
        self.assertIn("journal holds", gate.verify())
        rows = gate.log_rows()
        self.assertEqual(len(rows), 3000)
        moments = [row["at"] for row in rows]
        self.assertEqual(moments, sorted(moments))
        self.assertEqual(len({row["id"] for row in rows}), 3000)
        self.assertEqual(len({row["partner"] for row in rows}), 8)
        verdicts = collections.Counter(row["verdict"] for row in rows)
        self.assertGreater(verdicts["pass"], 1800)
        self.assertGreater(verdicts["block"], 300)
        reasons = {row["reason"] for row in rows}
        self.assertLessEqual({"CONSENT", "SERVICE", "WITHDRAWN", "OBJECTED", "UNPROVEN", "FORM_INVALID", "SUSPENDED",
                              "PARTNER_ADDED_LATER", "PARTNER_NOT_SHOWN", "NO_CONSENT", "SECTOR_BAN"}, reasons)
        self.assertLessEqual({"accepted", "refused", None}, {row["outcome"] for row in rows})
        for row in rows:
            # Only observe lets pass what is blocked, and not all of it.
            if row["verdict"] == "block" and row["effect"] == "passed":
                self.assertEqual(row["mode"], "observe")
                self.assertNotIn(row["reason"], ("SUSPENDED", "SENDER_NOT_ALLOWED", "OBJECTED", "WITHDRAWN"))
        night = sum(row["at"][11:13] in ("00", "01", "02") for row in rows)
        self.assertLess(night, 60)
        # Every checkpoint of a day can be held against; a dossier finds them.
        dossier = gate.folder / "dossier"
        gate.cli("report", "--from", moments[0][:10], "--to", moments[-1][:10], "--dossier", dossier)
        self.assertTrue(any(dossier.iterdir()))

    def test_what_was_decided_is_what_is_explained(self):
        """The policy, asked today about that moment, says what the journal says: for people of whom
        nothing came on record after it that counts for the time before, too."""
        gate = self.past("--rows", 1500, "--days", 60, "--persons", 30)
        asked = 0
        for person in PEOPLE:
            events = [json.loads(line) for line in
                      gate.cli("consent", "show", person, "--format", "json").splitlines()]
            if any(event["event"] in ("withdrawn", "objected") or event["form"] == "concours-cuisine@1"
                   for event in events):
                continue
            since = max((event["recorded_at"] for event in events), default="")
            log = gate.cli("log", "--format", "json", "--recipient", person, "--channel", "email")
            for row in map(json.loads, log.splitlines()):
                if row["at"] < since or row["reason"] in OF_THE_MESSAGE or row["partner"] == "credit-horizon":
                    continue
                shown = json.loads(gate.cli(
                    "consent", "show", person, "--partner", row["partner"], "--channel", "email",
                    "--at", row["at"], "--format", "json"))
                self.assertEqual((shown["verdict"], shown["reason"], shown["event"]),
                                 (row["verdict"], row["reason"], row["event"]), row)
                asked += 1
                if asked == 25:
                    return
        self.assertGreater(asked, 5)

    def test_the_same_seed_gives_the_same_past(self):
        arguments = ("--rows", 400, "--days", 20, "--until", UNTIL, "--seed", 7)
        told = []
        for seed in (7, 7, 8):
            gate = self.past(*arguments[:-1], seed)
            told.append([{key: value for key, value in row.items() if key not in ("hash", "recipient_key")}
                         for row in gate.log_rows()])
        self.assertEqual(told[0], told[1])
        self.assertNotEqual(told[0], told[2])
        self.assertLess(told[0][-1]["at"], UNTIL)

    def test_a_gateway_with_a_past_is_left_alone(self):
        gate = self.past("--rows", 50, "--days", 5)
        before = gate.log_rows()
        self.assertIn("not empty", self.fill(gate, "--rows", 50, expect=1))
        self.assertEqual(gate.log_rows(), before)
        gate.start()
        self.assertIn("another gateway serves", self.fill(gate, "--rows", 50, expect=1))

    def test_partners_must_be_there(self):
        gate = self.gateway(start=False, partners={})
        self.assertIn("examples/partners.conf", self.fill(gate, expect=1))
