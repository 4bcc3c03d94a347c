# SPDX-License-Identifier: Apache-2.0
"""Copies made while the gateway serves, and what a gateway restored from one is like: it serves,
verifies, gives the same verdicts and shows the same rows. Kills leave no half copy under its name,
and what is damaged is not taken.
"""

import itertools
import json
import os
import pathlib
import random
import secrets
import shutil
import signal
import sqlite3
import subprocess
import time

import harness
import load

ROUNDS = int(os.environ.get("OCTROI_ROUNDS", "25"))


class Backup(harness.IntegrationTest):
    timeout = 240

    def serving(self, people=3000):
        provider = load.Recorder(self)
        gateway = self.gateway(provider, start=False, journal={"segment_size": "256 kB",
                                                               "checkpoint_every": "100 ms"})
        self.people = [f"yes{i}@example.org" for i in range(people)]
        load.import_people(gateway, self.people)
        gateway.start()
        crowd = load.Load(gateway.port, 8, itertools.cycle(self.people),
                          (f"no{i}@example.org" for i in itertools.count()))
        harness.wait_for("the load to move", lambda: len(crowd.queue_ids) > 100)
        return gateway, crowd

    def copy(self, gateway, name, *options):
        path = gateway.folder.with_name(gateway.folder.name + "-" + name)
        done = gateway.cli_full("backup", *options, path, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        return path, done.stderr

    def restored(self, gateway, path):
        """The gateway stops; another one, with its keys, goes on from the copy."""
        folder = gateway.folder.with_name(gateway.folder.name + "-restored")
        shutil.rmtree(folder, ignore_errors=True)
        gateway.cli("restore", path, folder, timeout=120)
        gateway.stop()
        gateway.config["state_dir"] = str(folder)
        gateway.write_config()
        gateway.state = folder
        return gateway

    def verdict(self, gateway, address):
        done = gateway.cli_full("consent", "show", address, "--partner", "acme", "--channel",
                                "email", "--format", "json")
        shown = json.loads(done.stdout)
        return shown["verdict"], shown["reason"], shown["event"]

    def test_restored_as_it_was(self):
        gateway, crowd = self.serving()
        gateway.cli("consent", "withdraw", self.people[0])
        path, said = self.copy(gateway, "copy.tar")
        gateway.cli("consent", "withdraw", self.people[1])  # not in the copy
        self.assertIn("keys/recipient.key", said)
        self.assertIn("keys/seal.key", said)
        harness.wait_for("the load to go on", lambda n=len(crowd.queue_ids):
                         len(crowd.queue_ids) > n + 50)
        crowd.stop()
        self.assertEqual((crowd.broken, crowd.other), ([], []))
        asked = [*self.people[:20:2], "no1@example.org", self.people[0]]
        before = {address: self.verdict(gateway, address) for address in asked}
        rows = gateway.wait_rows(1)
        gateway.cli("backup", "--verify", path, timeout=120)

        names = subprocess.run(["tar", "tf", path], check=True, capture_output=True,
                               text=True).stdout.split()
        self.assertEqual([name for name in names if name.endswith(".key") or "conf" in name], [])
        again = self.restored(gateway, path)
        self.check_same_rows(again, rows)
        self.assertEqual({address: self.verdict(again, address) for address in asked}, before)
        self.assertEqual(self.verdict(again, self.people[0])[1], "WITHDRAWN")
        self.assertEqual(self.verdict(again, self.people[1])[0], "pass")
        again.start()
        again.verify()
        more = load.Load(again.port, 2, iter(self.people[100:110]),
                         (f"nobody{i}@example.org" for i in itertools.count()))
        more.join()
        self.assertEqual((len(more.passed), more.broken, more.other), (10, [], []))
        again.verify()

    def check_same_rows(self, gateway, rows):
        """A beginning of what there was, and no row relies on an event that is missing."""
        copied = gateway.log_rows()
        self.assertGreater(len(copied), 100)
        was = {row["id"]: row for row in rows}
        for row in copied:
            known = dict(was[row["id"]])
            if row["outcome"] is None:  # it followed after the copy
                for key in ("outcome", "provider_reply", "queue_id", "size", "provider"):
                    known[key] = row[key]
            self.assertEqual(row, known)
        registry = sqlite3.connect(f"file:{gateway.state}/registry.db?mode=ro", uri=True)
        events = {number for number, in registry.execute("SELECT event_id FROM event")}
        registry.close()
        self.assertEqual({row["event"] for row in copied if row["event"]} - events, set())

    def test_with_keys_and_through_a_pipe(self):
        gateway, crowd = self.serving(people=200)
        crowd.stop()
        path, said = self.copy(gateway, "keys.tar", "--with-keys")
        self.assertIn("THE KEYS AND THE CONFIGURATION ARE IN THIS COPY", said)
        folder = gateway.folder.with_name(gateway.folder.name + "-pipe")
        subprocess.run(f"'{gateway.binary}' -c '{gateway.file}' backup - |"
                       f" '{gateway.binary}' restore - '{folder}'", shell=True, check=True,
                       capture_output=True, env=harness.sanitizer_environment())
        self.assertTrue((folder / "registry.db").exists())
        shutil.rmtree(folder)
        gateway.cli("restore", path, folder)
        for name in ("recipient.key", "journal.key", "seal.key"):
            kept = folder / "restored" / "keys" / name
            self.assertEqual(kept.read_bytes(), (gateway.folder / "keys" / name).read_bytes())
            self.assertEqual(kept.stat().st_mode & 0o777, 0o600)
        kept = folder / "restored" / "configuration" / str(gateway.file.resolve())[1:]
        self.assertEqual(kept.read_bytes(), gateway.file.read_bytes())

    def test_killed_at_any_moment(self):
        gateway, crowd = self.serving()
        path, _ = self.copy(gateway, "kill.tar")
        seed = int(os.environ.get("OCTROI_SEED") or secrets.randbelow(1 << 32))
        chance = random.Random(seed)
        print(f"OCTROI_SEED={seed}")
        killed = 0
        for turn in range(ROUNDS):
            before = path.read_bytes()
            copying = harness.spawn([gateway.binary, "-c", gateway.file, "backup", path],
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                    env=harness.sanitizer_environment())
            time.sleep(chance.uniform(0.01, 0.5))
            copying.send_signal(signal.SIGKILL)
            copying.wait(harness.PATIENCE)
            killed += copying.returncode == -signal.SIGKILL
            if path.read_bytes() != before or turn == ROUNDS - 1:
                gateway.cli("backup", "--verify", path, timeout=120)
        self.assertGreater(killed, 3)
        crowd.stop()
        self.assertEqual((crowd.broken, crowd.other), ([], []))
        self.copy(gateway, "kill.tar")
        left = [found.name for found in gateway.state.iterdir()
                if found.name.startswith("registry-copy-")]
        self.assertEqual(left, [])
        gateway.cli("backup", "--verify", path, timeout=120)
        print(f"{killed} of {ROUNDS} killed")

    def test_damage_is_found(self):
        gateway, crowd = self.serving(people=200)
        crowd.stop()
        path, _ = self.copy(gateway, "whole.tar")
        whole = path.read_bytes()
        bad = path.with_name(path.name + ".bad")
        chance = random.Random(4711)
        extracted = self.contents(path)
        found = 0
        for turn in range(12):
            damaged = bytearray(whole)
            at = chance.randrange(len(whole))
            damaged[at] ^= 1 << chance.randrange(8)
            if turn % 4 == 3:
                damaged = damaged[:at]
            bad.write_bytes(damaged)
            done = gateway.cli_full("backup", "--verify", bad, timeout=120)
            if done.returncode == 0:  # a header's field that says nothing of the content
                self.assertEqual(self.contents(bad), extracted)
            else:
                found += 1
        self.assertGreater(found, 6)
        folder = path.with_name(path.name + "-no")
        bad.write_bytes(whole[:len(whole) // 2])
        gateway.cli("restore", bad, folder, expect=1)
        self.assertEqual(list(folder.iterdir()), [])
        # Nothing that is there is overwritten.
        gateway.cli("restore", path, gateway.state, expect=1)
        gateway.verify()

    @staticmethod
    def contents(path):
        folder = pathlib.Path(str(path) + ".d")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        subprocess.run(["tar", "xf", path, "-C", folder], check=True, capture_output=True)
        return {str(found.relative_to(folder)): found.read_bytes()
                for found in folder.rglob("*") if found.is_file()}

    def test_an_archive_from_elsewhere(self):
        """Names that lead out of the folder, links, and files of other names are refused."""
        gateway = self.gateway(load.Recorder(self), start=False)
        work = gateway.folder.with_name(gateway.folder.name + "-evil")
        work.mkdir()
        (work / "x").write_text("x")
        (work / "link").symlink_to("/etc/passwd")
        for arguments in (["--transform", "s,x,../../escaped,", "x"],
                          ["--transform", "s,x,/tmp/escaped,", "-P", "x"],
                          ["--transform", "s,link,registry.db,", "link"],
                          ["--transform", "s,x,journal/../../y,", "x"],
                          ["x"]):
            archive = work / "evil.tar"
            subprocess.run(["tar", "cf", archive, "-C", work, *arguments], check=True,
                           capture_output=True)
            done = gateway.cli_full("restore", archive, work / "into")
            self.assertEqual(done.returncode, 1)
            self.assertIn("this is no copy that octroi backup made", done.stderr)
            self.assertEqual(list((work / "into").iterdir()), [])
        self.assertFalse((gateway.folder.parent / "escaped").exists())
