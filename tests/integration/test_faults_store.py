# SPDX-License-Identifier: Apache-2.0
"""Fail closed: a journal that cannot be written and a registry that cannot be read stop messages,
not sessions, and both are used again once they can be. And a journal that was tampered with says
where."""

import ctypes
import os
import shutil
import signal
import sqlite3
import subprocess
import unittest

import harness
import load
import store_faults
from store_faults import SENDER

CLONE_NEWNS = 0x00020000


def own_mounts():
    """What this test mounts is seen by it and what it starts, and goes when it ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        raise unittest.SkipTest(f"no mount namespace: {os.strerror(ctypes.get_errno())}")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


class Store(store_faults.StoreTest):
    # ---- the journal cannot be written ----

    def test_disk_full(self):
        own_mounts()
        gateway = self.gateway(self.provider, start=False, journal={"checkpoint_every": "1 h"})
        people = [self.person(gateway) for _ in range(4)]
        journal = gateway.state / "journal"
        kept = {path.name: path.read_bytes() for path in journal.iterdir()}
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", journal],
                       check=True)
        self._cleanups.insert(0, (subprocess.run, (["umount", "-l", journal],), {}))
        for name, content in kept.items():
            (journal / name).write_bytes(content)
            (journal / name).chmod(0o600)
        gateway.start()
        wire = self.hello(gateway)
        self.assertWorks(gateway, wire, people[0])

        # A message is with the provider while the disk fills.
        self.provider.delay = 3
        slow = self.hello(gateway)
        slow.say(f"MAIL FROM:<{SENDER}>", 250)
        slow.say(f"RCPT TO:<{people[3]}>", 250)
        slow.say("DATA", 354)
        slow.send(harness.message(SENDER) + b".\r\n")
        harness.wait_for("the message", lambda: people[3] in self.provider.given)
        self.provider.delay = 0

        filler = journal / "filler"
        with open(filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 4096)
            except OSError as problem:
                self.assertEqual(problem.errno, 28)
        refused = self.until_stopped(gateway, wire)
        self.assertStopped(gateway, wire, people[1:3])
        gateway.verify()
        # Every refusal that was answered is on record, whatever came after it.
        self.assertLessEqual(set(refused), {row["id"] for row in gateway.log_rows()})
        # The provider has it: the partner must hear so, whether the outcome can be written or not.
        self.assertEqual(slow.reply()[0], 250)
        self.assertStopped(gateway, wire, people[1:3])

        filler.unlink()
        harness.wait_for("the journal", lambda: self.try_recipient(
            wire, self.address(gateway, "no"))[0] == 550, timeout=5)
        self.assertWorks(gateway, wire, people[1])
        key = load.recipient_key(gateway, people[3])
        row = [row for row in gateway.wait_rows(3) if row["recipient_key"] == key]
        self.assertEqual(len(row), 1)
        self.assertRow(row[0], effect="passed", outcome="accepted")
        self.assertFalse(gateway.status()["journal"]["failing"])

    def test_journal_immutable(self):
        """Writes to the open file are refused, as by a file system gone read-only."""
        gateway = self.gateway(self.provider)
        people = [self.person(gateway) for _ in range(3)]
        wire = self.hello(gateway)
        self.assertWorks(gateway, wire, people[0])
        journal = gateway.state / "journal"
        targets = [*journal.glob("*.seg"), journal]
        done = subprocess.run(["chattr", "+i", *targets], capture_output=True, text=True)
        if done.returncode != 0:
            self.skipTest(done.stderr)
        self.addCleanup(subprocess.run, ["chattr", "-f", "-i", *targets])
        try:
            self.assertUnable(self.try_recipient(wire, self.address(gateway, "no")))
            self.assertStopped(gateway, wire, people[1:])
            gateway.verify()
        finally:
            subprocess.run(["chattr", "-i", *targets], check=True)
        harness.wait_for("the journal", lambda: self.try_recipient(
            wire, self.address(gateway, "no"))[0] == 550, timeout=5)
        self.assertWorks(gateway, wire, people[1])

    def test_file_size_limit(self):
        """`ulimit -f`: the signal that comes with it is no reason to die."""
        gateway = self.gateway(self.provider, start=False)
        person = self.person(gateway)
        gateway.start(wrapper=["prlimit", f"--fsize={192 * 1024}:"])
        with open(gateway.log_file, "ab") as log:
            log.write(b"-" * 192 * 1024 + b"\n")
        gateway.process.send_signal(signal.SIGHUP)  # the main thread has something to say, too
        wire = self.hello(gateway)
        for _ in range(1200):
            reply = self.try_recipient(wire, self.address(gateway, "no"))
            if reply[0] != 550:
                break
        self.assertUnable(reply)
        self.assertStopped(gateway, wire, [person])
        subprocess.run(["prlimit", f"--pid={gateway.pid}", "--fsize=unlimited:"], check=True)
        harness.wait_for("the journal", lambda: self.try_recipient(
            wire, self.address(gateway, "no"))[0] == 550, timeout=5)
        self.assertWorks(gateway, wire, person)

    def test_read_only_from_the_start(self):
        """Nothing is served that could not be journalled: it does not start, and says why."""
        own_mounts()
        gateway = self.gateway(self.provider, start=False)
        journal = gateway.state / "journal"
        subprocess.run(["mount", "--bind", journal, journal], check=True)
        self._cleanups.insert(0, (subprocess.run, (["umount", "-l", journal],), {}))
        subprocess.run(["mount", "-o", "remount,ro,bind", journal], check=True)
        done = gateway.cli_full("serve")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("journal", done.stderr)
        self.assertIn("Read-only", done.stderr)
        subprocess.run(["mount", "-o", "remount,rw,bind", journal], check=True)
        gateway.start()
        self.assertWorks(gateway, self.hello(gateway), self.person(gateway))

    # ---- the registry cannot be read ----

    def registry_gateway(self):
        gateway = self.gateway(self.provider)
        people = [self.person(gateway) for _ in range(3)]
        wire = self.hello(gateway)
        self.assertWorks(gateway, wire, people[0])
        return gateway, wire, people

    def assertCannotDecide(self, gateway, wire, people):
        before = set(self.provider.given)
        for session in (wire, self.hello(gateway)):
            for address in [*people, self.address(gateway, "no")]:
                self.assertUnable(self.try_recipient(session, address))
        self.assertEqual(set(self.provider.given), before)
        rows = gateway.log_rows("--verdict", "defer")
        self.assertGreaterEqual(len(rows), 2)
        for row in rows:
            self.assertRow(row, verdict="defer", reason="UNABLE", effect="deferred", outcome=None)

    def test_registry_locked(self):
        """Another program holds the whole database for itself."""
        gateway, wire, people = self.registry_gateway()
        path = gateway.state / "registry.db"
        gateway.stop()
        other = sqlite3.connect(path, isolation_level=None)
        self.addCleanup(other.close)
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        other.execute("COMMIT")
        done = gateway.cli_full("serve", timeout=60)
        self.assertEqual(done.returncode, 1, done.stderr)
        other.close()
        gateway.start()
        self.assertWorks(gateway, self.hello(gateway), people[1])

    def test_registry_being_written(self):
        """A writer in the middle of a long transaction blocks no verdict."""
        gateway, wire, people = self.registry_gateway()
        other = sqlite3.connect(gateway.state / "registry.db", isolation_level=None)
        self.addCleanup(other.close)
        other.execute("BEGIN EXCLUSIVE")
        for _ in range(5):
            self.assertBlocked(self.try_recipient(wire, self.address(gateway, "no")), "NO_CONSENT")
        self.assertEqual(self.try_message(wire, people[1])[0], 250)
        other.execute("ROLLBACK")

    def test_registry_overwritten(self):
        """Garbage where the database was: what is still in memory may be right, nothing may be
        wrong, and what has to be read cannot be decided. Then the good file again."""
        gateway, wire, people = self.registry_gateway()
        many = [f"many{i}@example.org" for i in range(20000)]  # more than is kept in memory
        load.import_people(gateway, many)
        path = gateway.state / "registry.db"
        good = self.folder / "registry.good"
        source, target = sqlite3.connect(path), sqlite3.connect(good)
        source.backup(target)
        source.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        source.close()
        target.close()
        with open(path, "r+b") as file:
            file.write(b"\xa5" * path.stat().st_size)
        replies = [self.try_recipient(wire, person) for person in many[::400]]
        self.assertIn(451, [code for code, _ in replies])
        for reply in replies:
            self.assertIn(reply[0], (250, 451), reply)
        for _ in range(20):
            self.assertIn(self.try_recipient(wire, self.address(gateway, "no"))[0], (550, 451))
        gateway.stop()
        done = gateway.cli_full("serve")
        self.assertEqual(done.returncode, 1, done.stderr)
        for name in ("registry.db-wal", "registry.db-shm"):
            (path.parent / name).unlink(missing_ok=True)
        shutil.copyfile(good, path)
        gateway.start()
        self.assertWorks(gateway, self.hello(gateway), people[1])

    def test_registry_restored(self):
        """Another file takes the name, as from a backup: it decides from the next verdict on."""
        gateway, wire, people = self.registry_gateway()
        path = gateway.state / "registry.db"
        backup = path.with_name("backup.db")
        source, target = sqlite3.connect(path), sqlite3.connect(backup)
        source.backup(target)
        source.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        source.close()
        target.execute("PRAGMA journal_mode = WAL")
        target.close()
        backup.chmod(0o600)
        for name in ("registry.db-wal", "registry.db-shm"):
            (path.parent / name).unlink(missing_ok=True)
        backup.rename(path)
        self.assertEqual(self.try_recipient(wire, people[1])[0], 250)
        gateway.cli("consent", "withdraw", people[1])
        self.assertBlocked(self.try_recipient(wire, people[1]), "WITHDRAWN")
        self.assertWorks(gateway, wire, people[2])

    def test_registry_moved_away(self):
        """Withdrawals go to the file of that name: what was opened before it is not it any more."""
        gateway, wire, people = self.registry_gateway()
        path = gateway.state / "registry.db"
        away = gateway.folder / "away"
        away.mkdir(mode=0o700)
        names = [name for name in ("registry.db", "registry.db-wal", "registry.db-shm")
                 if (path.parent / name).exists()]
        for name in names:
            (path.parent / name).rename(away / name)
        self.assertCannotDecide(gateway, wire, people[1:])
        for name in names:
            (away / name).rename(path.parent / name)
        harness.wait_for("the registry", lambda: self.try_recipient(
            wire, self.address(gateway, "no"))[0] == 550, timeout=5)
        self.assertWorks(gateway, wire, people[1])

    # ---- a journal that was tampered with ----

    def tampered(self):
        """A stopped gateway with some rows; its segment."""
        gateway = self.gateway(self.provider)
        wire = self.hello(gateway)
        for _ in range(6):
            self.assertEqual(self.try_message(wire, self.person(gateway))[0], 250)
            self.assertBlocked(self.try_recipient(wire, self.address(gateway, "no")), "NO_CONSENT")
        gateway.wait_rows(12)
        gateway.stop()
        gateway.verify()
        segments = sorted((gateway.state / "journal").glob("*.seg"))
        self.assertEqual(len(segments), 1)
        return gateway, segments[0]

    def test_changed_byte(self):
        """A single bit changed, in each decision, in several places: verify names that row."""
        gateway, segment = self.tampered()
        good = segment.read_bytes()
        lines = good.splitlines(keepends=True)
        rows = {row["id"]: row for row in gateway.log_rows()}
        starts = [sum(map(len, lines[:i])) for i in range(len(lines))]
        tried = 0
        for number, line in enumerate(lines):
            names = [each for each in rows if each.encode() in line]
            if not names or b'"verdict"' not in line:
                continue
            for spot in (0, 70, line.index(b'"verdict"') + 11, line.index(b'"effect"') + 10,
                         len(line) - 3):
                bad = bytearray(good)
                bad[starts[number] + spot] ^= 1
                segment.write_bytes(bad)
                done = gateway.cli_full("verify")
                self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
                self.assertIn(names[0], done.stdout + done.stderr)
                tried += 1
        self.assertGreaterEqual(tried, 50)
        segment.write_bytes(good)
        gateway.verify()

    def test_rows_cut_off(self):
        """A journal that was made shorter shows against the index, at a line's end or within one;
        one with a row taken from its middle shows by itself."""
        gateway, segment = self.tampered()
        good = segment.read_bytes()
        lines = good.splitlines(keepends=True)
        for cut in (1, 2, len(lines) // 2):
            segment.write_bytes(b"".join(lines[:-cut]))
            done = gateway.cli_full("verify")
            self.assertEqual(done.returncode, 1, f"{cut} lines cut off: {done.stdout}")
            # To go on behind the gap would bury it: no start, and nothing is changed.
            done = gateway.cli_full("serve")
            self.assertEqual(done.returncode, 1, f"served with {cut} lines cut off")
            self.assertIn("rows were cut off", done.stderr)
            self.assertEqual(segment.read_bytes(), b"".join(lines[:-cut]))
        segment.write_bytes(good[:-10])
        done = gateway.cli_full("verify")
        self.assertEqual(done.returncode, 1, f"half a line cut off: {done.stdout}")
        # A row taken from the middle.
        middle = len(lines) // 2
        segment.write_bytes(b"".join(lines[:middle] + lines[middle + 1:]))
        for path in gateway.state.glob("journal.db*"):
            path.rename(self.folder / path.name)
        self.assertEqual(gateway.cli_full("verify").returncode, 1)
        for path in self.folder.glob("journal.db*"):
            path.rename(gateway.state / path.name)
        segment.write_bytes(good)
        gateway.verify()
