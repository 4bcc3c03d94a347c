# SPDX-License-Identifier: Apache-2.0
"""octroi consent import: damaged files, kills in the middle, memory, rejects and summaries."""

import contextlib
import csv
import fcntl
import hashlib
import json
import os
import pty
import random
import re
import shutil
import sqlite3
import struct
import subprocess
import termios
import threading
import time

import harness

HEADER = ",".join(harness.CSV_HEADER)
MANY = 100_000
BIG = 10 * 1024 * 1024


def good(number, evidence="box ticked"):
    return f"p{number}@example.org,email,given,2024-02-01T00:00:00Z,jeu-ete@1,,,leads,{evidence}"


def damage(number):
    """Lines that are refused, each with how its reason begins."""
    who = f"d{number}@example.org"
    row = f"{who},email,given,2024-02-01T00:00:00Z,jeu-ete@1,,,leads,"
    return (
        [(row.encode() + b"caf\xe9", "not valid UTF-8")],
        [(row.encode() + b"a\0b", "a NUL byte")],
        [((row + '"never closed').encode(), "")],
        [((row + '"closed" too early').encode(), "text after a closing quote")],
        [((row + 'a "quoted" word').encode(), "a quote inside a field")],
        [((row + "a\rb").encode(), "a carriage return")],
        [(row.replace("2024-", "2999-").encode(), "occurred_at: a grant cannot lie in the future")],
        [(row.replace("jeu-ete@1", "unheard@7").encode(), "form: form unheard@7 is not registered")],
        [(HEADER.encode(), "the header stands here again")],
        [((row + "x,y").encode(), "10 fields, the header has 9")],
        [(who.encode(), "1 fields, the header has 9")],
        [(b"\xef\xbb\xbf" + row.encode() + b"x", "recipient: ")],
        [(row.replace("email", "sms").encode(), "channel: an e-mail address cannot be")],
        [(row.replace("given", "taken").encode(), 'event: "taken" is unknown')],
        [(row.replace(who, "06 12 34").encode(), "recipient: not a valid phone number")],
        [((row.replace(",,,leads", ",nobody,,leads")).encode(), "partners: partner \"nobody\"")],
        [((row + '"').encode(), "")],
        # Two lines in quotes that are never closed: each is a row of its own.
        [((row + '"one').encode(), ""), (b"two", "1 fields, the header has 9")],
    )


def big_damage():
    row = "big@example.org,email,given,2024-02-01T00:00:00Z,jeu-ete@1,,,leads,"
    piece = b"x" * (BIG // 200)
    return (
        [(row.encode() + b"x" * BIG, "longer than 1 MiB")],
        [(row.encode() + b'"' + b"x" * BIG + b'"', "longer than 1 MiB")],
        [(b'"' * BIG, "longer than 1 MiB")],
        [(row.encode() + b'"' + piece, "a quoted field that is not closed within 1 MiB")]
        + [(piece, "1 fields, the header has 9")] * 198
        + [(piece + b'"', "a quote inside a field")],
    )


def damaged_csv(path, lines):
    """Writes the file; gives what must be refused, {line: how its reason begins}, and the number
    of good rows."""
    refused, kept, line = {}, 0, 2
    kinds, large = damage(0), list(big_damage())
    with open(path, "wb") as file:
        file.write(b"\xef\xbb\xbf" + HEADER.encode() + b"\r\n")
        for number in range(lines):
            end = b"\r\n" if number % 3 == 0 else b"\n"
            if number % 7 == 3:
                for text, reason in damage(number)[number // 7 % len(kinds)]:
                    refused[line] = reason
                    file.write(text + end)
                    line += 1
            elif number % (lines // 5) == 4 and large:
                for text, reason in large.pop():
                    refused[line] = reason
                    file.write(text + end)
                    line += 1
            elif number % 10 == 6:
                file.write(good(number, '"two\r\nlines, ""quoted"""').encode() + end)
                line += 2
                kept += 1
            else:
                file.write(good(number).encode() + end)
                line += 1
                kept += 1
        file.write((good("last") + '"').encode())
        refused[line] = "a quote inside a field"
    return refused, kept


def json_row(number, **changes):
    row = {"recipient": f"p{number}@example.org", "channel": "email", "event": "given",
           "occurred_at": "2024-02-01T00:00:00Z", "form": "jeu-ete@1", "evidence": "e", **changes}
    return json.dumps(row).encode()


def damaged_jsonl(path, lines):
    refused, kept, line = {}, 0, 1
    kinds = (
        lambda n: (json_row(n)[:-1], "the object does not end"),
        lambda n: (json_row(n) + b",", "text behind the object"),
        lambda n: (json_row(n).replace(b'"e"', b'"\xe9"'), "not valid UTF-8"),
        lambda n: (json_row(n).replace(b'"e"', b'"\0"'), "a NUL byte"),
        lambda n: (json_row(n).replace(b'"e"', b'"\\u0000"'), "a NUL character"),
        lambda n: (json_row(n)[:-1] + b',"event":"given"}', "a key stands twice"),
        lambda n: (json_row(n, colour="red"), 'unknown key "colour"'),
        lambda n: (json_row(n, evidence=["a"]), "evidence: must be a string"),
        lambda n: (json_row(n, channel=[["email"]]), "channel: must be a string, or an array"),
        lambda n: (b"[" * 5000, "nested too deeply"),
        lambda n: (json_row(n, occurred_at="2999-01-01T00:00:00Z"), "occurred_at: a grant"),
        lambda n: (json_row(n, form="unheard@7"), "form: form unheard@7 is not"),
        lambda n: (b"\xef\xbb\xbf" + json_row(n), "not valid JSON"),
        lambda n: (json_row(n, evidence="x" * BIG) if n < 300 else b"{}\\",
                   "longer than 1 MiB" if n < 300 else "text behind the object"),
        lambda n: (b'"' + json_row(n), ""),
        lambda n: (b"null", "not "),
    )
    with open(path, "wb") as file:
        file.write(b"\xef\xbb\xbf")
        for number in range(lines):
            if number % 7 == 3:
                text, refused[line] = kinds[number // 7 % len(kinds)](number)
                file.write(text)
            else:
                file.write(json_row(number))
                kept += 1
            file.write(b"\r\n" if number % 3 == 0 else b"\n")
            line += 1
    return refused, kept


class Import(harness.IntegrationTest):
    def gate_with_form(self, plain=False):
        gate = self.gateway(start=False, binary=harness.plain_path() if plain else None,
                            providers={"smarthost": harness.smtp_provider(harness.free_port())})
        gate.add_form(channels=["email", "sms"])
        return gate

    def command(self, gate, *arguments):
        return [gate.binary, "-c", str(gate.file), "consent", "import", *map(str, arguments)]

    def ask(self, gate, sql):
        """Closed at once: a connection kept would go on seeing a file that was put away."""
        with contextlib.closing(sqlite3.connect(gate.state / "registry.db")) as registry:
            return registry.execute(sql).fetchall()

    def events(self, gate):
        return self.ask(
            gate, "SELECT event_id, hex(recipient_key), channel, kind, occurred_at, form_id,"
                  " form_version, partners, basis, supplier, collector, evidence, origin"
                  " FROM event ORDER BY event_id")

    def compare(self, told, refused):
        """told: {line: reason}."""
        self.assertEqual(sorted(told), sorted(refused))
        for line, reason in refused.items():
            self.assertTrue(told[line].startswith(reason), f"line {line}: {told[line]}")

    def told(self, name, text):
        lines = {}
        for one in text.splitlines():
            found = re.fullmatch(re.escape(str(name)) + r":(\d+): (.*)", one)
            self.assertTrue(found, one)
            self.assertNotIn(int(found[1]), lines)
            lines[int(found[1])] = found[2]
        return lines

    def run_damaged(self, make, name, lines, plain=False):
        gate = self.gate_with_form(plain)
        file = self.folder / name
        refused, kept = make(file, lines)
        done = gate.cli_full("consent", "import", "--dry-run", file, timeout=600)
        self.compare(self.told(file, done.stderr), refused)
        self.assertEqual(self.events(gate), [])
        dry = done.stdout.splitlines()[0]
        done = gate.cli_full("consent", "import", file, timeout=600)
        self.assertEqual(done.returncode, 1)
        self.compare(self.told(file, done.stderr), refused)
        self.assertEqual(len(self.events(gate)), kept)
        total = kept + len(refused)
        self.assertEqual(done.stdout.splitlines()[0],
                         f"{total} lines: {kept} taken in ({kept} events), 0 already on record, "
                         f"{len(refused)} refused")
        self.assertEqual(dry, "nothing kept, as asked. " + done.stdout.splitlines()[0].replace(
            "taken in", "would be taken in"))
        again = gate.cli_full("consent", "import", file, timeout=600)
        self.assertIn(f" 0 taken in (0 events), {kept} already on record, {len(refused)} refused",
                      again.stdout)
        return gate, file, refused, kept

    def test_csv_with_every_kind_of_damage(self):
        self.run_damaged(damaged_csv, "damaged.csv", MANY, plain=True)

    def test_csv_with_damage_under_sanitizers(self):
        self.run_damaged(damaged_csv, "damaged.csv", 5000)

    def test_json_lines_with_every_kind_of_damage(self):
        self.run_damaged(damaged_jsonl, "damaged.jsonl", 20_000, plain=True)

    def test_json_lines_with_damage_under_sanitizers(self):
        self.run_damaged(damaged_jsonl, "damaged.jsonl", 2000)

    def test_rejects_and_summary(self):
        gate = self.gate_with_form()
        file, rejects = self.folder / "damaged.csv", self.folder / "rejects.csv"
        summary = self.folder / "summary.json"
        refused, kept = damaged_csv(file, 1000)
        done = gate.cli_full("consent", "import", file, "--rejects", rejects, "--summary", summary)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, f"{file}: {len(refused)} lines refused, see {rejects}\n")
        self.assertEqual(os.stat(rejects).st_mode & 0o777, 0o600)
        with open(rejects, newline="", encoding="utf-8") as text:
            rows = list(csv.DictReader(text))
        self.assertEqual(list(rows[0]), ["line", "column", "reason"])
        told = {}
        for row in rows:
            column = re.sub(r" \(\d\)$", "", row["column"])
            told[int(row["line"])] = f"{column}: {row['reason']}" if column else row["reason"]
        self.compare(told, refused)
        self.assertIn("occurred_at (4)", {row["column"] for row in rows})
        self.assertNotIn("@example", rejects.read_text())
        report = json.loads(summary.read_text())
        self.assertEqual(report["sha256"], hashlib.sha256(file.read_bytes()).hexdigest())
        self.assertEqual((report["lines"], report["taken_in"], report["refused"],
                          report["complete"], report["dry_run"], report["input"]),
                         (kept + len(refused), kept, len(refused), True, False, "csv"))
        self.assertEqual(sum(report["refused_for"].values()), len(refused))
        self.assertIn(report["sha256"], done.stdout)

    def test_rejects_with_lines(self):
        gate = self.gate_with_form()
        file, rejects = self.folder / "few.csv", self.folder / "rejects.csv"
        rejects.write_text("old")
        rejects.chmod(0o644)
        line = good(1).replace("email", "sms") + "\r\n"
        long = good(2) + "x" * BIG
        file.write_text(f"{HEADER}\n{line}{long}\n", newline="")
        gate.cli("consent", "import", file, "--rejects", rejects, "--rejects-with-lines", expect=1)
        with open(rejects, newline="") as text:
            rows = list(csv.DictReader(text))
        self.assertEqual([row["line"] for row in rows], ["2", "3"])
        self.assertEqual(rows[0]["text"], line.strip())
        self.assertEqual(rows[1]["text"], long[:16384])
        self.assertEqual(os.stat(rejects).st_mode & 0o777, 0o600)
        gate.cli("consent", "import", file, "--rejects", file, expect=1)
        self.assertTrue(file.read_text().startswith(HEADER))

    def test_rejects_are_no_formulas(self):
        gate = self.gate_with_form()
        file, rejects = self.folder / "hostile.csv", self.folder / "rejects.csv"
        line = '=HYPERLINK("https://evil.example"),email,given,x,,,,,'
        file.write_text(f"{HEADER}\n{line}\n")
        gate.cli("consent", "import", file, "--rejects", rejects, "--rejects-with-lines", expect=1)
        with open(rejects, newline="") as text:
            (row,) = csv.DictReader(text)
        self.assertEqual(row["text"], "'" + line)

    def test_wrong_usage(self):
        gate = self.gate_with_form()
        file = self.folder / "few.csv"
        file.write_text(f"{HEADER}\n{good(1)}\n")
        for options in (["--input", "xml"], ["--resume", "--dry-run"], ["--rejects-with-lines"],
                        ["--form", "jeu-ete@1"], ["--evidence", "e"],
                        ["--input", "csv", "--partner", "acme"]):
            gate.cli("consent", "import", file, *options, expect=2)
        gate.cli("consent", "import", "-", "--resume", expect=2, input="")
        for options in (["--resume"], ["--partner", "acmee"],
                        ["--form", "jeu-ete@9", "--evidence", "e"]):
            gate.cli("consent", "import", file, *options, expect=1)
        self.assertEqual(self.events(gate), [])

    def test_twilio(self):
        gate = self.gate_with_form()
        file = self.folder / "consents.json"
        item = {"contact_id": "+33612345678", "correlation_id": "ad388b5a46b33b874b0d41f7226db2ef",
                "sender_id": "MG00000000000000000000000000000001", "status": "opt-in",
                "source": "website", "date_of_consent": "2025-02-28T10:05:27Z"}
        out = {"contact_id": "+33692123456", "status": "opt-out", "source": "opt-out-message"}

        def reason(who):
            return json.loads(gate.cli("consent", "show", who, "--partner", "acme", "--channel",
                                       "sms", "--format", "json"))["reason"]
        file.write_text(json.dumps({"items": [item, out]}, indent=2))
        gate.cli("consent", "import", file)
        gate.cli("consent", "import", file)  # the file's own time stands for the missing date
        self.assertEqual(len(self.events(gate)), 2)
        self.assertEqual([reason("0612345678"), reason("0692123456")], ["UNPROVEN", "WITHDRAWN"])
        file.write_text("\n".join(json.dumps({**item, "correlation_id": str(n)}) for n in (1, 2)))
        gate.cli("consent", "import", file, "--form", "jeu-ete@1", "--evidence", "double opt-in")
        self.assertEqual(len(self.events(gate)), 3)  # whatever the correlation id
        self.assertEqual(reason("0612345678"), "CONSENT")
        file.write_text("contact_id,status,source\n+33612345678,opt-out,offline\n")
        gate.cli("consent", "import", file, "--occurred-at", "2025-03-01T00:00:00Z",
                 "--partner", "acme")
        self.assertEqual(reason("0612345678"), "WITHDRAWN")

    def test_an_opt_out_without_a_date_closes_the_door(self):
        gate = self.gate_with_form()
        file = self.folder / "consents.csv"
        item = "+33612345678,opt-in,website,2025-02-28T10:05:27Z"
        file.write_text(f"contact_id,status,source,date_of_consent\n{item}\n")
        gate.cli("consent", "import", file, "--form", "jeu-ete@1", "--evidence", "double opt-in")

        def times():
            return [when for when, in self.ask(
                gate, "SELECT occurred_at FROM event WHERE kind = 'withdrawn' ORDER BY event_id")]

        def reason():
            return json.loads(gate.cli("consent", "show", "0612345678", "--partner", "acme",
                                       "--channel", "sms", "--format", "json"))["reason"]
        self.assertEqual(reason(), "CONSENT")
        file.write_text("contact_id,status,source\n+33612345678,opt-out,offline\n")
        given = 1704067200  # 2024-01-01
        for modified in (given - 86400, given + 86400):
            os.utime(file, (modified, modified))
            for _ in range(2):  # the second time changes nothing
                gate.cli("consent", "import", file, "--occurred-at", "2024-01-01T00:00:00Z")
            self.assertEqual(times()[-1], max(given, modified) * 1_000_000)
        self.assertEqual(len(times()), 2)
        self.assertEqual(reason(), "CONSENT")  # the file is older than the consent
        os.utime(file)
        gate.cli("consent", "import", file, "--occurred-at", "2024-01-01T00:00:00Z")
        self.assertEqual(reason(), "WITHDRAWN")
        before = time.time()
        gate.cli("consent", "import", "-", "--occurred-at", "2024-01-01T00:00:00Z",
                 input=file.read_text())
        self.assertGreaterEqual(times()[-1], int(before) * 1_000_000)

    def test_memory_is_flat(self):
        gate = self.gate_with_form(plain=True)
        peaks = []
        for lines in (20_000, 200_000):
            file = self.folder / f"{lines}.csv"
            with open(file, "w") as text:
                text.write(HEADER + "\n")
                for number in range(lines):  # few people: the table's own memory stays out of it
                    text.write(good(number % 100) + "\n" if number % 2 else "refused, line\n")
            child = subprocess.Popen(self.command(gate, file), stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            self.assertEqual(child.returncode, 1)
            peaks.append(usage.ru_maxrss)
        self.assertLess(peaks[1], peaks[0] + 4096, "KiB")
        self.assertLess(peaks[1], 64 * 1024, "KiB")

    def test_a_bar_on_a_terminal_only(self):
        gate = self.gate_with_form(plain=True)
        file = self.folder / "long.csv"
        file.write_text(HEADER + "\n" + "".join(good(n) + "\n" for n in range(60_000)))
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 60, 0, 0))
        child = subprocess.Popen(self.command(gate, file), stdout=subprocess.PIPE, stderr=theirs)
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # EIO at the end
            while piece := os.read(ours, 4096):
                shown += piece
        os.close(ours)
        self.assertIn(b"60000 taken in", child.communicate()[0])
        self.assertEqual(child.returncode, 0)
        drawn = shown.split(b"\r\x1b[K")
        self.assertGreater(len(drawn), 3)
        self.assertTrue(all(len(line) < 60 for line in drawn), shown)
        # The rate comes with the second second, if there is one (test_cli_progress).
        self.assertRegex(shown, rb"\[#+ *\] +\d+ %  \d+ lines")
        self.assertTrue(shown.endswith(b"\r\x1b[K"), shown[-80:])
        again = gate.cli_full("consent", "import", file)
        self.assertEqual(again.stderr, "")

    # ---- kills

    def kill_and_resume(self, gate, file, refused, seed, seconds, extra=()):
        """Imports with kills at random moments, if it takes so many seconds without; the told lines
        and the last standard output."""
        chance = random.Random(seed)
        told, kills, rounds = {}, 0, 0
        begun = ended = False
        while True:
            rounds += 1
            command = self.command(gate, file, *(["--resume"] if begun else []), *extra)
            child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                     text=True)
            output = []
            readers = [threading.Thread(target=lambda pipe=pipe: output.append(pipe.read()))
                       for pipe in (child.stdout, child.stderr)]
            for reader in readers:
                reader.start()
            if kills < 12 and not ended:
                time.sleep(chance.uniform(0.05, max(0.1, seconds / 6)))
                child.kill()
            code = child.wait()
            for reader in readers:
                reader.join()
            child.stdout.close()
            child.stderr.close()
            for line in "".join(output).splitlines():
                found = re.match(re.escape(str(file)) + r":(\d+): (.*)", line)
                if found:
                    told[int(found[1])] = found[2]
            if code != -9:
                break
            kills += 1
            # What was killed before its first commit, or behind its last, has nothing to be resumed.
            begun = bool(self.ask(gate, "SELECT 1 FROM import_progress"))
            ended = not begun and bool(self.ask(gate, "SELECT 1 FROM event LIMIT 1"))
            self.assertLess(rounds, 60)
        self.assertGreater(kills, 2, "the file was too short to be killed in")
        self.assertEqual(code, 1 if refused else 0, output)
        self.compare(told, refused)
        return "".join(output)

    def check_kills(self, make, name, lines):
        gate = self.gate_with_form(plain=True)
        file = self.folder / name
        refused, kept = make(file, lines)
        empty = self.folder / "empty.db"
        shutil.copy(gate.state / "registry.db", empty)
        began = time.monotonic()
        whole = gate.cli_full("consent", "import", file, timeout=600).stdout.splitlines()
        seconds = time.monotonic() - began
        wanted = self.events(gate)
        self.assertEqual(len(wanted), kept)
        for seed in range(2):
            for end in ("-wal", "-shm"):
                (gate.state / f"registry.db{end}").unlink(missing_ok=True)
            shutil.copy(empty, gate.state / "registry.db")
            output = self.kill_and_resume(gate, file, refused, seed, seconds)
            # The counts of the whole; or, after a kill behind the last commit, of what was there.
            self.assertTrue(whole[0] in output or f" {kept} already on record" in output)
            self.assertIn(whole[2][:70], output)  # and its SHA-256
            self.assertEqual(self.events(gate), wanted)
            gate.cli("verify")

    def test_kills_in_csv(self):
        self.check_kills(damaged_csv, "killed.csv", MANY)

    def test_kills_in_json_lines(self):
        self.check_kills(damaged_jsonl, "killed.jsonl", 60_000)

    def so_far(self, gate):
        return self.ask(gate, "SELECT count(*) FROM event")[0][0]

    @staticmethod
    def niceness(process):
        with open(f"/proc/{process.pid}/stat") as stat:
            return int(stat.read().rpartition(")")[2].split()[16])

    def test_gives_way_to_a_gateway(self):
        """Alone an import is like any program; as soon as a gateway serves, mail goes first."""
        gate = self.gate_with_form(plain=True)
        file = self.folder / "long.csv"
        file.write_text(HEADER + "\n" + "".join(good(n) + "\n" for n in range(2 * MANY)))
        child = subprocess.Popen(self.command(gate, file), stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE, text=True)
        self.addCleanup(harness.end, child)
        harness.wait_for("some events", lambda: self.so_far(gate))
        self.assertEqual(self.niceness(child), os.getpriority(os.PRIO_PROCESS, 0))
        gate.start()
        harness.wait_for("it to step back", lambda: child.poll() is not None
                         or self.niceness(child) == 19)
        self.assertIsNone(child.poll(), "the file was too short")
        # And it goes on, with each line that it takes in at once in force.
        before = self.so_far(gate)
        harness.wait_for("it to go on", lambda: self.so_far(gate) > before)
        child.kill()
        self.assertNotIn("a gateway is serving", child.communicate()[1])
        done = gate.cli_full("consent", "import", file, "--dry-run")
        self.assertNotIn("a gateway is serving", done.stderr)
        short = self.folder / "short.csv"
        short.write_text(HEADER + "\n" + good(3 * MANY) + "\n")
        self.assertIn("a gateway is serving", gate.cli_full("consent", "import", short).stderr)

    def test_starting_over_says_so(self):
        gate = self.gate_with_form(plain=True)
        file = self.folder / "long.csv"
        file.write_text(HEADER + "\n" + "".join(good(n) + "\n" for n in range(MANY)))
        child = subprocess.Popen(self.command(gate, file), stdout=subprocess.DEVNULL)
        harness.wait_for("some events", lambda: self.events(gate))
        child.kill()
        child.wait()
        other = self.folder / "other" / "long.csv"
        other.parent.mkdir()
        other.write_text(file.read_text().replace("p7@", "q7@"))
        done = gate.cli_full("consent", "import", other, "--resume")
        self.assertEqual(done.returncode, 1)
        self.assertIn("not the file whose import was interrupted", done.stderr)
        done = gate.cli_full("consent", "import", file, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("--resume would go on there", done.stderr)
        self.assertEqual(len(self.events(gate)), MANY)
        done = gate.cli_full("consent", "import", file, "--resume")
        self.assertIn("no import of a file of this name was interrupted", done.stderr)
