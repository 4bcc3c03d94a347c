# SPDX-License-Identifier: Apache-2.0
"""Retention: what has been kept long enough goes, beside a gateway under load and under kill -9;
the journal and the registry still verify, nothing else is lost, and no door opens.
"""

import contextlib
import datetime
import itertools
import json
import os
import pathlib
import random
import secrets
import signal
import sqlite3
import subprocess
import time

import aged
import harness
import load

ROUNDS = int(os.environ.get("OCTROI_ROUNDS", "25"))
SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "verify-journal.sh"


def years(count):
    return harness.instant(count * 366 * 86400)


class Purge(harness.IntegrationTest):
    long = True
    timeout = 240

    def age(self, gateway, segments=4, rows=30):
        """Old decisions, old detail of observe mode, and what must stay. Names of each."""
        journal = aged.Journal(gateway)
        names = {"old": [], "detail": [], "kept": []}
        for segment in range(segments):
            begun = aged.ago(days=800 - segment)
            journal.begin(begun)
            for row in range(rows):
                later = datetime.timedelta(seconds=row)
                names["old"].append(f"OLD-{segment}-{row}")
                journal.decision(names["old"][-1], begun + later)
                names["detail"].append(f"DETAIL-{segment}-{row}")
                journal.decision(names["detail"][-1], aged.ago(days=60 - segment) + later,
                                 mode="observe", verdict="block",
                                 reason="NO_CONSENT" if row % 3 else "STALE")
                names["kept"].append(f"KEPT-{segment}-{row}")
                journal.decision(names["kept"][-1], aged.ago(days=60 - segment) + later,
                                 mode="observe", verdict="block", reason="WITHDRAWN",
                                 effect="refused")
            journal.add({"type": "configuration", "at": aged.text(begun), "version": "x"})
            journal.end(begun + datetime.timedelta(hours=1))
        return names

    def persons(self, gateway):
        gateway.add_form(effective_from="2000-01-01T00:00:00Z")
        gateway.import_events([
            {"recipient": "longgone@example.org", "occurred_at": years(10)},
            {"recipient": "ended.one@example.org", "occurred_at": years(5)},
            {"recipient": "standing@example.org", "occurred_at": years(1)},
            {"recipient": "said.no.once@example.org", "occurred_at": years(9)},
            {"recipient": "said.no.once@example.org", "occurred_at": years(8),
             "event": "objected", "form": ""},
            {"recipient": "said.no.lately@example.org", "occurred_at": years(2),
             "event": "objected", "form": ""},
        ])

    def counts(self, gateway, *arguments):
        text = gateway.cli("purge", *arguments, "--format", "json", timeout=120)
        return {row["what"]: row for row in map(json.loads, text.splitlines())}

    def verdict(self, gateway, address):
        done = gateway.cli_full("consent", "show", address, "--partner", "acme", "--channel",
                                "email", "--format", "json")
        shown = json.loads(done.stdout)
        return shown["verdict"], shown["reason"]

    def erased(self, gateway):
        rows = gateway.cli("verify", "--format", "json").splitlines()
        return json.loads(rows[0])["erased"]

    def check_script(self, gateway):
        """A stranger's check, without octroi."""
        subprocess.run(["sh", SCRIPT, gateway.state / "journal",
                        gateway.folder / "keys" / "journal.pub"], check=True, capture_output=True)

    def test_beside_a_gateway_under_load(self):
        provider = load.Recorder(self)
        gateway = self.gateway(provider, start=False)
        names = self.age(gateway)
        self.persons(gateway)
        people = [f"yes{i}@example.org" for i in range(8000)]
        gateway.cli("consent", "import", "-", input=self.people_csv(people), timeout=120)
        gateway.start()
        crowd = load.Load(gateway.port, 8, iter(people),
                          (f"no{i}@example.org" for i in itertools.count()), pause=0.04)
        harness.wait_for("the load to move", lambda: len(crowd.passed) > 20)

        counted = self.counts(gateway, "--dry-run")
        self.assertEqual(self.erased(gateway), 0)
        for what, persons, rows in (("consent", 1, 1), ("proof", 2, 2), ("opposition", 1, 1),
                                    ("journal", None, 240), ("observe_detail", None, 240)):
            self.assertEqual((counted[what]["persons"], counted[what]["rows"]), (persons, rows),
                             what)
        self.assertTrue(counted["journal"]["oldest"].startswith(
            aged.text(aged.ago(days=800))[:10]))
        done = self.counts(gateway)
        for what, row in counted.items():
            self.assertEqual([done[what][key] for key in ("persons", "rows", "oldest")],
                             [row[key] for key in ("persons", "rows", "oldest")])
        crowd.stop()
        self.assertEqual((crowd.broken, crowd.other), ([], []))
        self.assertEqual(self.erased(gateway), 480)
        self.check_script(gateway)

        rows = gateway.wait_rows(len(crowd.passed) + len(crowd.refused) + len(names["kept"]))
        ids = {row["id"] for row in rows}
        self.assertEqual(ids & set(names["old"] + names["detail"]), set())
        self.assertEqual(set(names["kept"]) - ids, set())
        self.assertEqual(set(crowd.refused.values()) - ids, set())
        self.check_totals(gateway, {"NO_CONSENT": 80, "STALE": 40})
        self.check_record(gateway, decisions=240, outcomes=240, observe_detail=120, persons=2,
                          proofs=2, oppositions=1)
        self.check_persons(gateway)
        # A second one has nothing to do.
        again = self.counts(gateway)
        self.assertEqual([again[what]["rows"] for what in again], [1, 0, 0, 0, 0, 0])
        gateway.stop()
        gateway.start()
        self.assertEqual(self.erased(gateway), 480)

    @staticmethod
    def people_csv(people):
        at = harness.instant(86400)
        return ",".join(harness.CSV_HEADER) + "\n" + "".join(
            f"{person},email,given,{at},jeu-ete@1,,,,click 4711\n" for person in people)

    def records(self, gateway, kind):
        found = []
        for path in sorted((gateway.state / "journal").glob("*.seg")):
            for line in path.read_text().splitlines():
                record = line.split(" ", 2)[2]
                if record.startswith(f'{{"type":"{kind}"'):
                    found.append(json.loads(record))
        return found

    def check_totals(self, gateway, expected):
        total = {}
        for record in self.records(gateway, "totals"):
            for entry in record["counts"]:
                self.assertEqual((entry["partner"], entry["channel"]), ("acme", "email"))
                total[entry["reason"]] = total.get(entry["reason"], 0) + entry["rows"]
        self.assertEqual(total, expected)

    def check_record(self, gateway, **expected):
        record = self.records(gateway, "purged")[-1]
        self.assertEqual({key: record[key] for key in expected}, expected)

    def check_persons(self, gateway):
        """Nobody passes who did not, and nobody comes back with an old file."""
        self.assertEqual(self.verdict(gateway, "longgone@example.org"), ("block", "NO_CONSENT"))
        self.assertEqual(self.verdict(gateway, "ended.one@example.org"), ("block", "STALE"))
        self.assertEqual(self.verdict(gateway, "standing@example.org"), ("pass", "CONSENT"))
        self.assertEqual(self.verdict(gateway, "said.no.once@example.org"),
                         ("block", "NO_CONSENT"))
        self.assertEqual(self.verdict(gateway, "said.no.lately@example.org"),
                         ("block", "OBJECTED"))
        text = (",".join(harness.CSV_HEADER) + "\n"
                f"said.no.once@example.org,email,given,{years(9)},jeu-ete@1,,,,click 4711\n"
                f"said.no.once@example.org,email,active,{years(1)},jeu-ete@1,,,,call\n")
        refused = gateway.cli_full("consent", "import", "-", input=text)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("standard input:2: ", refused.stderr)
        self.assertIn("nobody can tell whether it was taken back", refused.stderr)
        self.assertEqual(self.verdict(gateway, "said.no.once@example.org"),
                         ("block", "NO_CONSENT"))

    def test_killed_at_any_moment(self):
        """Each kill leaves what verifies; in the end everything is as after one quiet purge."""
        provider = load.Recorder(self)
        gateway = self.gateway(provider, start=False)
        names = self.age(gateway, segments=30, rows=20)
        gateway.add_form(effective_from="2000-01-01T00:00:00Z")
        gateway.cli("consent", "import", "-", timeout=120, input=(
            ",".join(harness.CSV_HEADER) + "\n" + "".join(
                f"old{i}@example.org,email,given,{years(10)},jeu-ete@1,,,,click 4711\n"
                for i in range(3000))))
        gateway.start()
        seed = int(os.environ.get("OCTROI_SEED") or secrets.randbelow(1 << 32))
        chance = random.Random(seed)
        print(f"OCTROI_SEED={seed}")
        killed = 0
        begun = time.monotonic()
        gateway.cli("purge", "--dry-run")
        while_it_lasts = 1.5 * (time.monotonic() - begun)
        for turn in range(ROUNDS):
            purge = harness.spawn([gateway.binary, "-c", gateway.file, "purge"],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  env=harness.sanitizer_environment())
            time.sleep(chance.uniform(0.02, while_it_lasts))
            purge.send_signal(signal.SIGKILL)
            _, problem = purge.communicate(timeout=harness.PATIENCE)
            if purge.returncode != -signal.SIGKILL:
                # The gateway may still be writing for the one that was killed.
                self.assertTrue(purge.returncode == 0 or "purge" in problem, problem)
            killed += purge.returncode == -signal.SIGKILL
            if turn % 5 == 0:
                gateway.verify()
        self.assertGreater(killed, 3)
        self.counts(gateway)
        self.assertEqual(self.erased(gateway), 30 * 20 * 4)
        self.check_script(gateway)
        self.check_totals(gateway, {"NO_CONSENT": 30 * 13, "STALE": 30 * 7})
        self.assertEqual({row["id"] for row in gateway.log_rows()}, set(names["kept"]))
        counts = self.counts(gateway, "--dry-run")
        self.assertEqual(sum(row["rows"] for row in counts.values()), 0)
        report = json.loads(gateway.cli("verify", "--format", "json").splitlines()[-1])
        print(f"{killed} of {ROUNDS} killed; {report}")

    def test_without_a_gateway(self):
        gateway = self.gateway(load.Recorder(self), start=False)
        self.age(gateway, segments=2)
        self.counts(gateway)
        self.assertEqual(self.erased(gateway), 240)
        gateway.start()
        self.assertEqual(self.erased(gateway), 240)

    def test_refused_while_a_standing_is_missing(self):
        """A grant that is not seen would let its withdrawal be erased, and be back one day."""
        gateway = self.gateway(self.scripted(), start=False)
        self.persons(gateway)
        with contextlib.closing(sqlite3.connect(gateway.state / "registry.db")) as db, db:
            db.execute("DELETE FROM standing WHERE event_id = 1")
        before = self.events(gateway)
        done = gateway.cli_full("purge")
        self.assertEqual(done.returncode, 1)
        self.assertIn("consent rebuild", done.stderr)
        self.assertEqual(self.events(gateway), before)
        self.assertIn("1 standing missing", gateway.cli("consent", "rebuild"))
        gateway.cli("purge")
        self.assertNotEqual(self.events(gateway), before)

    @staticmethod
    def events(gateway):
        with contextlib.closing(sqlite3.connect(gateway.state / "registry.db")) as db:
            return db.execute("SELECT * FROM event ORDER BY event_id").fetchall()

    def test_refused_without_sure_periods(self):
        gateway = self.gateway(load.Recorder(self), start=False)
        self.age(gateway, segments=1)
        gateway.config["retention"] = {"opposition": "1 year"}
        gateway.write_config()
        done = gateway.cli_full("purge")
        self.assertEqual(done.returncode, 1)
        self.assertIn("kept for 3 years at least", done.stderr)
        gateway.config["retention"] = {}
        gateway.write_config()
        self.assertEqual(self.erased(gateway), 0)
