# SPDX-License-Identifier: Apache-2.0
"""A list is screened: what comes out byte for byte, what the journal holds of it, and that killing,
full disks and vanishing gateways leave neither a row unjournalled nor one journalled twice."""

import csv
import hashlib
import io
import json
import os
import random
import signal
import subprocess

import harness

FORM = {"channels": ["email", "sms", "call", "autocall", "post"]}
PHONE = "+33612345678"
POLICIES = {channel: {} for channel in ("email", "sms", "call", "autocall", "post")}


class Screening(harness.IntegrationTest):
    long = True

    def idle(self, start=False, **config):
        return self.gateway(start=start, policies=POLICIES, providers={
            "smarthost": harness.smtp_provider(harness.free_port())}, **config)

    def consents(self, gateway, *events):
        gateway.add_form(**FORM)
        gateway.import_events(list(events))

    def write(self, data, name="list.csv"):
        file = self.folder / name
        file.write_bytes(data if isinstance(data, bytes) else data.encode())
        return file

    def screen(self, gateway, listed, *options, expect=0, channel="email", **more):
        """(permitted, blocked) as bytes, and what was said."""
        passed, blocked = self.folder / "passed.csv", self.folder / "blocked.csv"
        done = gateway.cli_full("screen", "--partner", "acme", "--channel", channel, "--output",
                                passed, "--blocked", blocked, *options, listed, **more)
        self.assertEqual(done.returncode, expect, done.stderr)
        self.assertEqual(done.stdout, "")
        return (passed.read_bytes() if passed.exists() else None,
                blocked.read_bytes() if blocked.exists() else None, done.stderr)

    def rows_of(self, gateway, digest):
        return [row for row in gateway.log_rows() if row["list"] == digest]

    # -- what comes out

    def test_rows_are_kept_byte_for_byte(self):
        gateway = self.idle()
        yes = self.address(gateway)
        self.consents(gateway, {"recipient": yes})
        no = self.address(gateway, "no")
        header = b"\xef\xbb\xbf\"Pr\xc3\xa9nom \";;E-Mail;note\r\n"
        good = [b"\"a\"\"b;\r\nc\";;" + yes.encode() + b";\r\n",
                b"  ;\"\";\" " + yes.upper().encode() + b"\t\";'=1+1'\n",
                b"z;z;" + yes.encode() + b";\xf0\x9f\x8e\x81"]  # the last line has no end
        bad = b"\"x, \"\"y\"\"\";;" + no.encode() + b";1\r\n"
        data = header + good[0] + b"\r\n\n" + bad + good[1] + good[2]
        passed, blocked, said = self.screen(gateway, self.write(data))
        self.assertEqual(passed, header + b"".join(good))
        lines = blocked.split(b"\r\n")
        self.assertEqual(lines[0], header[:-2] + b";reason;explanation;ref")
        ref = lines[1].rsplit(b";", 1)[1].decode()
        self.assertEqual(lines[1], bad[:-2] + b";NO_CONSENT;No consent of the recipient is on "
                         b"record.;" + ref.encode())
        self.assertEqual(lines[2:], [b""])
        rows = self.rows_of(gateway, hashlib.sha256(data).hexdigest())
        self.assertEqual([row["verdict"] for row in rows], ["pass", "block", "pass", "pass"])
        self.assertEqual(rows[1]["id"], ref)
        self.assertEqual({row["purpose"] for row in rows}, {"transmission"})
        self.assertEqual(len({row["session"] for row in rows}), 1)
        self.assertIn(rows[0]["session"], said)
        self.assertIn(rows[0]["list"], said)
        self.assertIn("4 rows for acme by email: 3 permitted, 1 blocked", said)

    def test_standard_output_and_input(self):
        gateway = self.idle()
        yes = self.address(gateway)
        self.consents(gateway, {"recipient": yes})
        text = f"email,x\n{yes},\"1\n2\"\nnobody@example.org,2\n"
        done = gateway.cli_full("screen", "--partner", "acme", "--channel", "email", "-",
                                input=text)
        self.assertEqual((done.returncode, done.stdout), (0, f"email,x\n{yes},\"1\n2\"\n"))
        self.assertIn("the blocked rows were not kept", done.stderr)
        digest = hashlib.sha256(text.encode()).hexdigest()
        self.assertEqual(len(self.rows_of(gateway, digest)), 2)
        self.assertFalse([path for path in gateway.state.iterdir() if "spool" in path.name])

    def test_all_channels(self):
        gateway = self.idle()
        yes = self.address(gateway)
        gateway.addresses.add("0612345678")
        form = {"evidence": "click"}
        self.consents(gateway, {"recipient": yes, "channel": "email|post", **form},
                      {"recipient": PHONE, "channel": "sms|call", **form})
        both = f"mobile,email\n06 12 34 56 78,{yes}\n0698765432,nobody@example.org\n"
        for channel, passes in (("email", 1), ("sms", 1), ("call", 1), ("autocall", 0)):
            with self.subTest(channel):
                passed, blocked, _ = self.screen(gateway, self.write(both), channel=channel)
                self.assertEqual(len(passed.splitlines()), 1 + passes)
                self.assertEqual(len(blocked.splitlines()), 3 - passes)
        self.assertIn(b"CHANNEL_MISMATCH", blocked)
        post = f"recipient\n{yes}\n06.12.34.56.78\n"
        passed, blocked, _ = self.screen(gateway, self.write(post), channel="post")
        self.assertEqual(passed, f"recipient\n{yes}\n".encode())
        channels = {row["channel"] for row in gateway.log_rows()}
        self.assertEqual(channels, set(POLICIES))

    def test_reasons(self):
        gateway = self.idle()
        people = {reason: self.address(gateway, reason.lower().replace("_", ""))
                  for reason in ("NO_CONSENT", "WITHDRAWN", "UNPROVEN", "PURPOSE_MISMATCH",
                                 "SUSPENDED", "CHANNEL_MISMATCH", "STALE")}
        old = harness.instant(4 * 365 * 86400)
        gateway.add_form(**FORM, effective_from="2020-01-01T00:00:00Z")
        gateway.add_form(**FORM, id="lettre", purposes=["receipt"])
        gateway.import_events([
            {"recipient": people["WITHDRAWN"]},
            {"recipient": people["WITHDRAWN"], "event": "withdrawn",
             "occurred_at": harness.instant(60), "form": ""},
            {"recipient": people["UNPROVEN"], "evidence": ""},
            {"recipient": people["PURPOSE_MISMATCH"], "form": "lettre@1"},
            {"recipient": people["SUSPENDED"], "supplier": "sold-it"},
            {"recipient": people["CHANNEL_MISMATCH"], "channel": "post"},
            {"recipient": people["STALE"], "occurred_at": old}])
        gateway.cli("suspend", "supplier", "sold-it", "--reason", "test")
        text = "email\n" + "".join(f"{who}\n" for who in people.values())
        passed, blocked, said = self.screen(gateway, self.write(text))
        self.assertEqual(passed, b"email\n")
        rows = list(csv.DictReader(io.StringIO(blocked.decode())))
        self.assertEqual([row["reason"] for row in rows], list(people))
        self.assertTrue(all(row["explanation"].endswith(".") for row in rows))
        for reason in people:
            self.assertRegex(said, rf"\n +1  {reason} ")
        summary = self.folder / "summary.json"
        self.screen(gateway, self.write(text), "--summary", summary)
        totals = json.loads(summary.read_text())
        self.assertEqual(totals["reasons"], {reason: 1 for reason in people})
        self.assertEqual((totals["rows"], totals["permitted"], totals["blocked"]), (7, 0, 7))
        # What was withdrawn is gone from the very next list.
        yes = self.person(gateway)
        self.assertIn(yes.encode(), self.screen(gateway, self.write(f"email\n{yes}\n"))[0])
        gateway.cli("consent", "withdraw", yes)
        self.assertNotIn(yes.encode(), self.screen(gateway, self.write(f"email\n{yes}\n"))[0])

    def test_what_cannot_be_read_is_blocked_and_named(self):
        gateway = self.idle()
        yes = self.address(gateway)
        self.consents(gateway, {"recipient": yes})
        data = (f"name,email\na,{yes}\nb,junk\nc\nd,{yes},e\n\"f\"g,{yes}\n".encode()
                + b"h\0," + yes.encode() + b"\ni\xff," + yes.encode() + b"\n"
                + b"j,\n" + b"k" * (3 << 20) + b"," + yes.encode() + b"\n"
                + b"l," + yes.encode() + b"\nm,\"" + yes.encode())
        listed = self.write(data)
        passed, blocked, said = self.screen(gateway, listed, expect=1)
        self.assertEqual(passed, f"name,email\na,{yes}\nl,{yes}\n".encode())
        for line in (3, 4, 5, 6, 7, 8, 9, 10, 12):
            self.assertIn(f"{listed}:{line}: ", said)
        self.assertNotIn(yes, said)
        rows = list(csv.reader(io.StringIO(blocked.decode())))
        self.assertEqual({len(row) for row in rows}, {5})
        self.assertEqual({row[2] for row in rows[1:]}, {"MALFORMED"})
        self.assertEqual(len(rows), 10)
        self.assertLess(len(blocked), 10000)
        self.assertRegex(said, r"\n +9  MALFORMED ")
        kept = self.rows_of(gateway, hashlib.sha256(data).hexdigest())
        self.assertEqual([row["reason"] for row in kept].count("MALFORMED"), 9)
        self.assertEqual(len(kept), 11)

    def test_quotes_let_nobody_out_unjudged(self):
        gateway = self.idle()
        yes = self.address(gateway)
        self.consents(gateway, {"recipient": yes})
        no = [self.address(gateway, f"no{number}") for number in range(4)]
        gateway.addresses.add("0698765432")
        # (text, rows judged beside those that are MALFORMED)
        lists = ((f"email,note\n{yes},\"x\n{no[0]},y\n{no[1]},\"\n", 1),  # swallowed rows
                 (f"note,email\n\"x,{no[0]}\nb\",{yes}\n", 0),  # the first line's own person
                 (f"email,a,b\n{yes},\"x\n{no[0]}\",y\n", 0),
                 (f"email,a,b\n{yes},\"x\n{no[0]},y\",z,t\n{no[1]},\"a\",\"b\"\n", 1))
        for text, others in lists:
            with self.subTest(text=text):
                passed, blocked, said = self.screen(gateway, self.write(text), expect=1)
                for address in no:
                    self.assertNotIn(address.encode(), passed)
                self.assertIn(b"MALFORMED", blocked)
                self.assertNotIn("example.org", said)
                rows = list(csv.reader(io.StringIO(blocked.decode())))[1:]
                self.assertEqual({len(row) for row in rows}, {text.split("\n")[0].count(",") + 4})
                kept = self.rows_of(gateway, hashlib.sha256(text.encode()).hexdigest())
                self.assertEqual(sum(row["reason"] != "MALFORMED" for row in kept), others)
        phone = "nom,mobile,x\nx,0612345678,\"a\n06 98 76 54 32\"\n"
        gateway.addresses.add("0612345678")
        self.consents(gateway, {"recipient": PHONE, "channel": "sms", "evidence": "click"})
        passed, _, said = self.screen(gateway, self.write(phone), channel="sms", expect=1)
        self.assertEqual(passed, b"nom,mobile,x\n")
        self.assertIn("may hold other people's rows", said)
        # What is of several lines and holds nobody passes as it stands.
        plain = f"email,a,b\n{yes},\"12 rue X\n75001 Paris\",\"1\n2\"\n"
        self.assertEqual(self.screen(gateway, self.write(plain))[0], plain.encode())

    # -- which column

    def test_the_column_is_found_or_asked_for(self):
        gateway = self.idle()
        yes = self.address(gateway)
        self.consents(gateway, {"recipient": yes})
        gateway.addresses.add("0612345678")
        good = (("Nom;COURRIEL\nx;{}\n", ()), ("mail\n{}\n", ()), ("a\tE-mail\nx\t{}\n", ()),
                ("mobile,recipient\n0612345678,{}\n", ()), ("mail,email\nx,{}\n", ()),
                ("contact,b\n{},1\n", ("--column", "Contact")),
                ("email,email\nx,{}\n", ("--column", "2")),
                ("{}\n", ("--no-header",)), ("1;{}\n", ("--no-header", "--column", "2")),
                ("a;b,email\n1;2,{}\n", ("--separator", ",")))
        for text, options in good:
            with self.subTest(text=text, options=options):
                data = text.format(yes)
                self.assertEqual(self.screen(gateway, self.write(data), *options)[0],
                                 data.encode())
        bad = (("nom,ville\nx,{}\n", (), "columns are: nom, ville"),
               ("{},nom\n", (), "nom, and 1 with other names"),
               ("telephone\n{}\n", (), "columns are: telephone"),
               ("email,email\nx,{}\n", (), "two columns bear that name"),
               ("a,b\n1,{}\n", ("--no-header",), "which of the 2 columns"),
               ("a,b\n1,{}\n", ("--no-header", "--column", "3"), "from 1 to 2"),
               ("a,b\n1,{}\n", ("--column", "mail"), 'no column is called "mail"'),
               ("a;b,c\n{},1;2\n", ("--no-header", "--column", "1"), "--separator"),
               ("{},x\n", ("--column", "1"), "(column 1 holds an address): say --no-header"),
               ("", (), "empty"), ("\n\n", (), "empty"), ("\"email\n{}", (), "cannot be read"))
        count = len(gateway.log_rows())
        for text, options, why in bad:
            with self.subTest(text=text, options=options):
                passed, _, said = self.screen(gateway, self.write(text.format(yes)), *options,
                                              expect=1)
                self.assertIn(why, said)
                self.assertNotIn(yes, said)
        self.assertEqual(len(gateway.log_rows()), count)

    def test_wrong_usage(self):
        gateway = self.idle()
        listed = self.write("email\na@example.org\n")
        for words in ([], [listed], ["--partner", "acme", listed], ["--channel", "email", listed],
                      ["--partner", "acme", "--channel", "fax", listed],
                      ["--partner", "acme", "--channel", "email", "--separator", "|", listed]):
            self.assertEqual(gateway.cli_full("screen", *words).returncode, 2, words)
        for words in (["--partner", "nobody", "--channel", "email", listed],
                      ["--partner", "acme", "--channel", "email", "/nonexistent"],
                      ["--partner", "acme", "--channel", "email", "--output", "/nonexistent/x",
                       listed]):
            self.assertEqual(gateway.cli_full("screen", *words).returncode, 1, words)

    # -- interrupted

    def crowd(self, gateway, rows):
        """A list whose masked addresses tell the row; two in three have a consent."""
        addresses = [f"person@d{number}.example.org" for number in range(1, rows + 1)]
        self.consents(gateway, *({"recipient": address} for number, address
                                 in enumerate(addresses, 1) if number % 3))
        gateway.addresses.clear()
        text = "n,email\n" + "".join(f"{number},{address}\n"
                                     for number, address in enumerate(addresses, 1))
        return self.write(text)

    def begin(self, gateway, listed, *options, wrapper=(), passed="passed.csv",
              blocked="blocked.csv"):
        command = [*wrapper, gateway.binary, "-c", gateway.file, "screen", "--partner", "acme",
                   "--channel", "email", "--output", self.folder / passed, "--blocked",
                   self.folder / blocked, *options, listed]
        process = harness.spawn(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                env=harness.sanitizer_environment())
        self.addCleanup(harness.end, process)
        return process

    def assert_exact(self, gateway, listed, rows):
        """Each row once, in order, with its verdict; outputs whole and right."""
        data = listed.read_bytes()
        kept = self.rows_of(gateway, hashlib.sha256(data).hexdigest())
        self.assertEqual([row["recipient"] for row in kept],
                         [f"p•••@d{number}.example.org" for number in range(1, rows + 1)])
        self.assertEqual({row["session"] for row in kept}, {kept[0]["session"]})
        self.assertEqual([row["verdict"] for row in kept],
                         ["pass" if number % 3 else "block" for number in range(1, rows + 1)])
        lines = data.decode().splitlines(keepends=True)
        self.assertEqual((self.folder / "passed.csv").read_text(),
                         lines[0] + "".join(line for number, line in enumerate(lines)
                                            if number % 3))
        blocked = list(csv.DictReader(io.StringIO((self.folder / "blocked.csv").read_text())))
        self.assertEqual([(int(row["n"]), row["ref"]) for row in blocked],
                         [(number, kept[number - 1]["id"]) for number in range(3, rows + 1, 3)])
        gateway.verify()

    def killed(self, gateway, rows):
        listed = self.crowd(gateway, rows)
        kills = 0
        until = 0.3
        spread = random.Random()
        for attempt in range(40):
            process = self.begin(gateway, listed, *(["--resume"] if attempt else []))
            try:
                _, said = process.communicate(timeout=spread.uniform(0.02, until))
                self.assertEqual(process.returncode, 0, said.decode())
                break
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                kills += 1
                until *= 1.3  # it comes to an end all the same
        self.assertGreater(kills, 2)
        self.assert_exact(gateway, listed, rows)
        self.assertFalse((self.folder / "passed.csv.part").exists())

    def test_killed_again_and_again(self):
        self.killed(self.idle(), 20000)

    def test_killed_again_and_again_beside_a_gateway(self):
        self.killed(self.idle(start=True), 20000)

    def test_an_interrupted_one_is_hinted_at_and_may_be_left(self):
        gateway = self.idle(start=True)
        rows = 20000
        listed = self.crowd(gateway, rows)
        process = self.begin(gateway, listed)
        harness.wait_for("some rows", lambda: gateway.ask_status()["journal"]["rows"] > 100)
        process.kill()
        process.communicate()
        _, _, said = self.screen(gateway, listed)
        self.assertIn("did not end", said)
        self.assertIn("--resume", said)
        # The new one is whole; the old one is still there, and can be gone on with.
        self.assertEqual(len(self.rows_of(gateway, hashlib.sha256(listed.read_bytes())
                                          .hexdigest())[-rows:]), rows)
        _, _, said = self.screen(gateway, listed, "--resume")
        self.assertIn("going on with screening", said)
        # Nothing is left to be decided: the outputs come anew, and the journal does not grow.
        for name in ("passed.csv", "blocked.csv"):
            (self.folder / name).unlink()
        decided = len(gateway.log_rows())
        passed, blocked, said = self.screen(gateway, listed, "--resume")
        self.assertIn("came to its end", said)
        self.assertEqual(len(gateway.log_rows()), decided)
        self.assertEqual(len(passed.splitlines()) + len(blocked.splitlines()), rows + 2)
        _, _, said = self.screen(gateway, listed, "--resume", channel="post")
        self.assertIn("no screening of this list was interrupted", said)

    def test_resuming_lets_out_nobody_who_withdrew_since(self):
        gateway = self.idle()
        rows = 6000
        listed = self.crowd(gateway, rows)
        digest = hashlib.sha256(listed.read_bytes()).hexdigest()
        gone = "person@d2.example.org"
        self.screen(gateway, listed)
        self.assert_exact(gateway, listed, rows)
        gateway.cli("consent", "withdraw", gone)
        summary = self.folder / "summary.json"
        for again in range(2):  # corrected once, then as corrected
            passed, blocked, said = self.screen(gateway, listed, "--resume", "--summary", summary)
            self.assertNotIn(gone.encode() + b"\n", passed)
            self.assertEqual(len(passed.splitlines()), rows * 2 // 3)
            row = list(csv.DictReader(io.StringIO(blocked.decode())))[0]
            kept = [entry for entry in self.rows_of(gateway, digest)
                    if entry["recipient"] == "p•••@d2.example.org"]
            self.assertEqual([entry["verdict"] for entry in kept], ["pass", "block"])
            self.assertEqual((row["n"], row["reason"], row["ref"]),
                             ("2", "WITHDRAWN", kept[1]["id"]))
            self.assertEqual(len({entry["session"] for entry in kept}), 1)
            self.assertEqual("1 row was permitted when first screened" in said, again == 0)
            totals = json.loads(summary.read_text())
            self.assertEqual((totals["rows"], totals["corrected"]), (rows, 1 - again))
            self.assertEqual(len(gateway.log_rows()), rows + 1)
        # Nobody is left when the partner is suspended, and each row is still there once.
        gateway.cli("suspend", "partner", "acme", "--reason", "test")
        for _ in range(2):
            passed, blocked, _ = self.screen(gateway, listed, "--resume")
            self.assertEqual(passed, b"n,email\n")
            self.assertEqual([int(row["n"]) for row
                              in csv.DictReader(io.StringIO(blocked.decode()))],
                             list(range(1, rows + 1)))
        gateway.cli("resume", "partner", "acme", "--reason", "test")
        self.assertEqual(self.screen(gateway, listed, "--resume")[0], b"n,email\n")
        gateway.verify()

    def test_an_interrupted_one_goes_on_without_who_withdrew_since(self):
        gateway = self.idle(start=True)
        rows = 20000
        listed = self.crowd(gateway, rows)
        process = self.begin(gateway, listed)
        harness.wait_for("some rows", lambda: gateway.ask_status()["journal"]["rows"] > 5000)
        process.kill()
        process.communicate()
        gateway.cli("consent", "withdraw", "person@d2.example.org")
        gateway.cli("consent", "withdraw", f"person@d{rows - 1}.example.org")
        passed, blocked, said = self.screen(gateway, listed, "--resume")
        self.assertIn("going on with screening", said)
        self.assertIn("1 row was permitted when first screened", said)
        gone = [(row["n"], row["reason"]) for row in
                csv.DictReader(io.StringIO(blocked.decode())) if row["reason"] == "WITHDRAWN"]
        self.assertEqual(gone, [("2", "WITHDRAWN"), (str(rows - 1), "WITHDRAWN")])
        self.assertEqual(len(passed.splitlines()) + len(blocked.splitlines()), rows + 2)
        self.assertEqual(len(self.rows_of(gateway, hashlib.sha256(listed.read_bytes())
                                          .hexdigest())), rows + 1)
        gateway.verify()

    def test_a_number_in_the_lists_name_rests_masked(self):
        gateway = self.idle()
        yes = self.address(gateway)
        name = "06 12 34 56 78.csv"
        gateway.add_form(**FORM)
        with open(self.folder / name, "w", newline="") as out:
            writer = csv.DictWriter(out, harness.CSV_HEADER)
            writer.writeheader()
            writer.writerow({"recipient": yes, "channel": "email", "event": "given",
                             "occurred_at": harness.instant(86400), "form": "jeu-ete@1",
                             "evidence": "click 4711"})
        gateway.addresses.update(("0612345678", "06 12 34 56 78"))
        gateway.cli("consent", "import", self.folder / name)
        self.assertIn("import +33 6 •• •• •• 78.csv", gateway.cli("consent", "show", yes))
        self.screen(gateway, self.write(f"email\n{yes}\n", name))
        journal = b"".join(path.read_bytes() for path in (gateway.state / "journal").iterdir()
                           if path.is_file()).decode(errors="replace")
        self.assertIn('"name":"+33 6 •• •• •• 78.csv"', journal)
        self.assertNotIn("06 12 34", journal)

    def test_resumed_as_another_list(self):
        gateway = self.idle(start=True)
        addresses = [f"person@d{number}.example.org" for number in range(20000)]
        gateway.add_form(**FORM)
        text = "email,mail\n" + "".join(f"{address},x{address}\n" for address in addresses)
        listed = self.write(text)
        process = self.begin(gateway, listed)
        harness.wait_for("some rows", lambda: gateway.ask_status()["journal"]["rows"] > 100)
        process.kill()
        process.communicate()
        before = gateway.status()["journal"]["rows"]
        _, _, said = self.screen(gateway, listed, "--resume", "--column", "mail", expect=1)
        self.assertIn("row 1 is about somebody else", said)
        rows = self.rows_of(gateway, hashlib.sha256(text.encode()).hexdigest())
        self.screen(gateway, listed, "--resume")
        rows = self.rows_of(gateway, hashlib.sha256(text.encode()).hexdigest())
        self.assertEqual([row["recipient"] for row in rows],
                         [f"p•••@{address.split('@')[1]}" for address in addresses])
        self.assertGreater(before, 0)

    def test_one_list_is_screened_by_one_at_a_time(self):
        gateway = self.idle(start=True)
        listed = self.crowd(gateway, 20000)
        process = self.begin(gateway, listed)
        harness.wait_for("some rows", lambda: gateway.ask_status()["journal"]["rows"] > 100)
        process.send_signal(signal.SIGSTOP)
        for blocked, why in (("blocked.csv", b"another command is writing it"),
                             ("second.csv", b"another command is doing the same")):
            second = self.begin(gateway, listed, passed="other.csv", blocked=blocked)
            _, said = second.communicate(timeout=60)
            self.assertEqual(second.returncode, 1)
            self.assertIn(why, said)
        process.send_signal(signal.SIGCONT)
        _, said = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, said)
        self.assert_exact(gateway, listed, 20000)

    def test_a_gateway_that_dies_or_ends(self):
        for how in ("kill9", "stop"):
            with self.subTest(how):
                gateway = self.idle(start=True)
                rows = 20000
                listed = self.crowd(gateway, rows)
                process = self.begin(gateway, listed)
                harness.wait_for("some rows",
                                 lambda: gateway.ask_status()["journal"]["rows"] > 1000)
                process.send_signal(signal.SIGSTOP)  # so that it cannot be done before
                process.send_signal(signal.SIGCONT)
                getattr(gateway, how)()
                _, said = process.communicate(timeout=60)
                if process.returncode == 0:
                    self.skipTest("the list was screened before the gateway ended")
                self.assertEqual(process.returncode, 1, said)
                self.assertRegex(said.decode(), r"octroi: .*gateway.*--resume")
                self.assertFalse((self.folder / "passed.csv").exists())
                # What was let out stands in the journal.
                part = (self.folder / "passed.csv.part").read_text().splitlines()[1:]
                kept = self.rows_of(gateway, hashlib.sha256(listed.read_bytes()).hexdigest())
                passed = [row["recipient"] for row in kept if row["verdict"] == "pass"]
                self.assertEqual([f"p•••@{line.split('@')[1]}" for line in part if "@d" in line
                                  and line.endswith(".org")], passed[:len(part)])
                self.screen(gateway, listed, "--resume")
                self.assert_exact(gateway, listed, rows)
                (self.folder / "passed.csv").unlink()

    def test_a_full_disk(self):
        gateway = self.idle()
        rows = 20000
        listed = self.crowd(gateway, rows)
        process = self.begin(gateway, listed, wrapper=["prlimit", f"--fsize={4 << 20}:"])
        _, said = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 1)
        self.assertIn("the journal cannot be written", said.decode())
        self.assertIn("--resume", said.decode())
        part = (self.folder / "passed.csv.part").read_text().splitlines()[1:]
        kept = self.rows_of(gateway, hashlib.sha256(listed.read_bytes()).hexdigest())
        self.assertGreater(len(kept), 0)
        self.assertLess(len(kept), rows)
        self.assertLessEqual(len(part), sum(row["verdict"] == "pass" for row in kept))
        gateway.verify()
        self.screen(gateway, listed, "--resume")
        self.assert_exact(gateway, listed, rows)

    def test_a_gateway_whose_disk_is_full(self):
        gateway = self.idle()
        rows = 20000
        listed = self.crowd(gateway, rows)
        gateway.start(wrapper=["prlimit", f"--fsize={4 << 20}:"])
        process = self.begin(gateway, listed)
        _, said = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 1)
        self.assertIn("cannot write its journal", said.decode())
        subprocess.run(["prlimit", f"--pid={gateway.pid}", "--fsize=unlimited:"], check=True)
        self.screen(gateway, listed, "--resume")
        self.assert_exact(gateway, listed, rows)

    def test_outputs_that_cannot_be_written(self):
        gateway = self.idle()
        listed = self.crowd(gateway, 5000)
        with open("/dev/full", "w") as full:
            done = subprocess.run([gateway.binary, "-c", gateway.file, "screen", "--partner",
                                   "acme", "--channel", "email", listed], stdout=full,
                                  stderr=subprocess.PIPE, text=True,
                                  env=harness.sanitizer_environment())
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot write standard output: No space left", done.stderr)
        reader = subprocess.Popen([gateway.binary, "-c", gateway.file, "screen", "--partner",
                                   "acme", "--channel", "email", "--resume", listed],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  env=harness.sanitizer_environment())
        reader.stdout.close()
        said = reader.stderr.read().decode()
        reader.wait()
        self.assertEqual(reader.returncode, 1, said)
        self.assertIn("Broken pipe", said)
        self.screen(gateway, listed, "--resume")
        self.assert_exact(gateway, listed, 5000)

    def test_a_list_that_changes_meanwhile(self):
        gateway = self.idle(start=True)
        listed = self.crowd(gateway, 20000)
        data = listed.read_bytes()
        process = self.begin(gateway, listed)
        harness.wait_for("some rows", lambda: gateway.ask_status()["journal"]["rows"] > 100)
        with open(listed, "r+b") as file:
            file.seek(-3, os.SEEK_END)
            file.write(b"X")
        _, said = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1)
        self.assertIn("was changed while it was screened", said.decode())
        self.assertFalse((self.folder / "passed.csv").exists())
        self.assertTrue(self.rows_of(gateway, hashlib.sha256(data).hexdigest()))

    # -- beside others

    def test_root_over_the_service_users_state(self):
        if os.geteuid() != 0:
            self.skipTest("only root can be somebody else")
        gateway = self.idle()
        yes = self.address(gateway)
        self.consents(gateway, {"recipient": yes})
        listed = self.write(f"email\n{yes}\n")
        listed.chmod(0o600)
        gateway.file.chmod(0o644)
        for path in [gateway.folder, *gateway.folder.rglob("*")]:
            os.chown(path, 65534, 65534)
        for parent in (self.folder, self.folder.parent):
            parent.chmod(0o711)
        desk = self.folder / "desk"  # of root alone, and what is put there is root's
        desk.mkdir(0o700)
        done = gateway.cli_full("screen", "--partner", "acme", "--channel", "email", "--output",
                                desk / "out.csv", "--blocked", desk / "blocked.csv", "--summary",
                                desk / "summary.json", listed)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sorted(path.name for path in desk.iterdir()),
                         ["blocked.csv", "out.csv", "summary.json"])
        for path in desk.iterdir():
            self.assertEqual((path.stat().st_uid, path.stat().st_mode & 0o777), (0, 0o600))
        self.assertEqual({path.stat().st_uid for path in gateway.state.rglob("*")}, {65534})

    def test_beside_a_gateway_that_serves(self):
        provider = self.scripted()
        gateway = self.gateway(provider, policies=POLICIES)
        listed = self.crowd(gateway, 6000)
        yes = harness.unique("yes", "example.org")
        gateway.import_events([{"recipient": yes}])
        process = self.begin(gateway, listed)
        served = 0
        while process.poll() is None:
            wire = self.wire(gateway)
            wire.hello()
            wire.say("MAIL FROM:<news@acme.example>", 250)
            wire.say(f"RCPT TO:<{yes}>", 250)
            wire.say("QUIT")
            wire.close()
            served += 1
        self.assertEqual(process.returncode, 0, process.stderr.read())
        self.assertGreater(served, 0)
        self.assert_exact(gateway, listed, 6000)

    def test_the_control_socket_takes_no_forgery(self):
        gateway = self.idle(start=True)

        def talk(*pieces):
            folder = os.open(gateway.state, os.O_RDONLY | os.O_DIRECTORY)
            with harness.socket.socket(harness.socket.AF_UNIX) as control:
                control.settimeout(harness.PATIENCE)
                control.connect(f"/proc/self/fd/{folder}/control.sock")
                os.close(folder)
                control.sendall(pieces[0] + b"\n")
                file = control.makefile("rb")
                answers = [file.readline()]
                for piece in pieces[1:]:
                    control.sendall(piece)
                    answers.append(file.readline())
                return [answer.decode() for answer in answers]
        request = b'{"command":"journal","claim":"test"}'
        record = b'{"type":"note","a":1}\n'
        size = b"rows 1 %d\n" % len(record)
        self.assertEqual(talk(request, size + record, size + record),
                         ["journal 1\n", "durable 1\n", "durable 1\n"])
        before = gateway.status()["journal"]["rows"]
        forged = b'{"type":"checkpoint","row":1}\n'
        for piece in (b"rows 1 %d\n" % len(forged) + forged, b"rows 2 %d\n" % len(record) + record,
                      b"rows 0 0\n", b"rows 1 99999999\n", b"rows x\n", b"y" * 100,
                      b"rows 1 5\n{\"a\"}", b"rows 1 3\n\xff\xff\n"):
            answers = talk(request, piece)
            self.assertEqual(answers[0], "journal 1\n")
            self.assertRegex(answers[1], r"^refused ", piece)
        self.assertRegex(talk(b'{"command":"journal"}')[0], "^refused ")
        self.assertLessEqual(gateway.status()["journal"]["rows"], before + 1)  # a checkpoint

    def test_memory_is_flat(self):
        binary = harness.plain_path()
        if binary is None:
            self.skipTest("memory is measured on the plain build")
        peaks = []  # the journal of the longer list is 190 MiB
        for rows in (60000, 300000):
            gateway = self.gateway(start=False, binary=binary, providers={
                "smarthost": harness.smtp_provider(harness.free_port())})
            listed = self.folder / "large.csv"
            with open(listed, "w") as out:
                out.write("email,n\n")
                out.writelines(f"person@d{number}.example.org,{number}\n"
                               for number in range(rows))
            process = self.begin(gateway, listed)
            said = process.stderr.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            self.assertEqual(process.returncode, 0, said)
            peaks.append(usage.ru_maxrss)
        self.assertLess(peaks[1], peaks[0] + 16 * 1024, peaks)
