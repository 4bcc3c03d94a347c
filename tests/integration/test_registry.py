# SPDX-License-Identifier: Apache-2.0
"""The registry's chain of events as an auditor finds it: what the journal vouches for, what shows
when somebody changed it with sqlite3, what a rebuild mends."""

import contextlib
import json
import shutil
import sqlite3

import harness


class Registry(harness.IntegrationTest):
    def registry(self, gateway):
        return gateway.folder / "state" / "registry.db"

    def kept(self, gateway):
        """A copy, to be put back: nobody has it open."""
        copies = len(list(gateway.folder.glob("copy-*")))
        return shutil.copy(self.registry(gateway), gateway.folder / f"copy-{copies}")

    @contextlib.contextmanager
    def tampering(self, gateway):
        """Somebody with the rights to the file and no scruples."""
        with contextlib.closing(sqlite3.connect(self.registry(gateway))) as db, db:
            db.execute("DROP TRIGGER IF EXISTS event_no_update")
            db.execute("DROP TRIGGER IF EXISTS event_no_delete")
            yield db

    def verify(self, gateway, expect=0):
        return json.loads(gateway.cli("verify", "--format", "json", expect=expect))

    def anchored(self, gateway, people):
        """A registry of so many events, the last of which the journal knows."""
        for _ in range(people):
            self.person(gateway)
        gateway.start()
        gateway.stop()

    def test_the_journal_vouches_for_the_registry(self):
        gateway = self.gateway(self.scripted(), start=False)
        self.anchored(gateway, 3)
        found = self.verify(gateway)
        self.assertTrue(found["holds"])
        self.assertEqual((found["events"], found["anchors"]), (3, 1))
        text = gateway.cli("verify")
        self.assertIn("registry holds: 3 events", text)
        self.assertIn(found["events_head"], text)

    def test_a_change_is_noted_while_serving(self):
        gateway = self.gateway(self.scripted())
        self.person(gateway)
        harness.wait_for("the journal to note the registry",
                         lambda: self.verify(gateway)["anchors"] == 1, timeout=30)

    def test_each_tampering_shows(self):
        harms = {
            "a withdrawal cut off": ("DELETE FROM event WHERE event_id = 4",
                                     "DELETE FROM standing WHERE event_id = 4"),
            "a withdrawal hidden from the look-up": ("DELETE FROM standing WHERE event_id = 4",),
            "a grant antedated": ("UPDATE event SET occurred_at = 1 WHERE event_id = 1",),
            "a grant made up": (
                "INSERT INTO standing (standing_id, recipient_key, digest, channel, kind,"
                " occurred_at, form_id, form_version, partners, basis, supplier, collector,"
                " evidence) SELECT 1, zeroblob(32), digest, channel, kind, occurred_at,"
                " form_id, form_version, partners, basis, supplier, collector, evidence"
                " FROM standing WHERE event_id = 1",),
        }
        for name, statements in harms.items():
            with self.subTest(name):
                gateway = self.gateway(self.scripted(), start=False)
                first = self.person(gateway)
                self.person(gateway)
                self.person(gateway)
                gateway.cli("consent", "withdraw", first, "--channel", "email")
                self.anchored(gateway, 0)
                self.assertTrue(self.verify(gateway)["holds"])
                whole = self.kept(gateway)
                with self.tampering(gateway) as db:
                    for statement in statements:
                        self.assertEqual(db.execute(statement).rowcount, 1)
                found = self.verify(gateway, expect=1)
                self.assertFalse(found["holds"])
                self.assertRegex(found["problem"], "event")
                shutil.copy(whole, self.registry(gateway))

    def test_a_registry_put_back_shows(self):
        gateway = self.gateway(self.scripted(), start=False)
        self.anchored(gateway, 2)
        old = self.kept(gateway)
        self.anchored(gateway, 1)
        whole = self.kept(gateway)
        shutil.copy(old, self.registry(gateway))
        self.assertIn("events were cut off", self.verify(gateway, expect=1)["problem"])
        shutil.copy(whole, self.registry(gateway))

    def test_a_journal_alone_is_checked_too(self):
        gateway = self.gateway(self.scripted(), start=False)
        self.anchored(gateway, 1)
        self.registry(gateway).unlink()
        self.assertTrue(self.verify(gateway)["holds"])
        self.assertIn("no registry beside it", gateway.cli("verify"))

    def test_an_older_layout_is_its_gateways(self):
        """A command of a newer version leaves it alone while a gateway of the older one serves."""
        gateway = self.gateway(self.scripted())
        person = self.person(gateway)
        with contextlib.closing(sqlite3.connect(self.registry(gateway))) as db:
            layout = db.execute("PRAGMA user_version").fetchone()[0]
            db.execute(f"PRAGMA user_version = {layout - 1}")
            done = gateway.cli_full("consent", "show", person, "--partner", "acme",
                                    "--channel", "email")
            self.assertEqual(done.returncode, 1)
            self.assertIn("a gateway of an earlier version serves", done.stderr)
            self.assertEqual(db.execute("PRAGMA user_version").fetchone()[0], layout - 1)
            db.execute(f"PRAGMA user_version = {layout}")
        gateway.cli("consent", "show", person, "--partner", "acme", "--channel", "email")

    def test_a_rebuild_mends_beside_the_gateway(self):
        provider = self.scripted()
        gateway = self.gateway(provider)
        yes = [self.person(gateway) for _ in range(20)]
        no = self.person(gateway)
        gateway.cli("consent", "withdraw", no)
        with self.tampering(gateway) as db:
            db.execute("DELETE FROM standing")
        self.assertEqual(gateway.cli("consent", "rebuild"),
                         "23 events: 23 standings missing, 0 different, 0 without an event;"
                         " all are right now\n")
        self.assertEqual(gateway.cli("consent", "rebuild"),
                         "23 events: every standing was right\n")
        wire = self.wire(gateway)
        wire.hello()
        wire.say("MAIL FROM:<news@acme.example>", 250)
        for person in yes:
            wire.say(f"RCPT TO:<{person}>", 250)
        self.assertIn("WITHDRAWN", wire.say(f"RCPT TO:<{no}>", 550)[1])
        wire.say("RSET", 250)
        self.assertTrue(self.verify(gateway)["holds"])
