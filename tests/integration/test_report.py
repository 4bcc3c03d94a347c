# SPDX-License-Identifier: Apache-2.0
"""Reports and the dossier of a real gateway: the numbers are those that were sent, the words are
French and English, and the folder is checked with nothing but openssl, sha256sum, xxd and a shell."""

import csv
import datetime
import html.parser
import json
import os
import pathlib
import re
import subprocess

import aged
import harness

NASTY = "<script>alert(1)</script> & \"C\u00f4t\u00e9\" SARL"


class Page(html.parser.HTMLParser):
    """What a reader sees, and what a browser would run or load."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.links, self.quiet = [], [], [], 0
        self.feed(text)
        self.text = re.sub(r"\s+", " ", "".join(self.words))

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.quiet += tag == "style"
        self.links += [value for name, value in attributes
                       if name in ("src", "href", "action") or name.startswith("on")]

    def handle_endtag(self, tag):
        self.quiet -= tag == "style"
        self.words.append(" ")

    def handle_data(self, data):
        if not self.quiet:
            self.words.append(data)


class Report(harness.IntegrationTest):
    def send(self, gateway, *recipients):
        """One message each; the answers to RCPT."""
        answers = []
        wire = self.wire(gateway)
        wire.hello()
        for recipient in recipients:
            wire.say("MAIL FROM:<news@acme.example>", 250)
            answer = wire.say(f"RCPT TO:<{recipient}>")
            answers.append(answer[0])
            if answer[0] == 250:
                wire.say("DATA", 354)
                wire.send(harness.message("news@acme.example") + b".\r\n")
                self.assertEqual(wire.reply()[0], 250)
            else:
                wire.say("RSET", 250)
        wire.say("QUIT", 221)
        return answers

    def observed_then_enforced(self, mode_name=NASTY):
        """Two consenting and three other recipients under observe, then one and two under enforce."""
        provider = self.scripted()
        streams = {"news": harness.email_stream()}
        gateway = self.gateway(provider, partners={
            "acme": harness.partner(streams, mode="observe", name=mode_name)})
        yes = [self.person(gateway) for _ in range(2)]
        no = [self.address(gateway, f"no{i}") for i in range(3)]
        self.assertEqual(self.send(gateway, *yes, *no), [250] * 5)
        gateway.config["partners"]["acme"]["mode"] = "enforce"
        gateway.write_config()
        gateway.reload()
        self.assertEqual(self.send(gateway, yes[0], no[0], no[1]), [250, 550, 550])
        gateway.wait_rows(8)
        return gateway

    @staticmethod
    def period():
        today = harness.instant()[:10]
        yesterday = harness.instant(86400)[:10]  # should midnight fall into the test
        return "--from", yesterday, "--to", today

    def rows(self, gateway, *arguments):
        text = gateway.cli("report", *self.period(), "--format", "json", *arguments)
        return [json.loads(line) for line in text.splitlines()]

    def test_numbers_are_what_was_sent(self):
        gateway = self.observed_then_enforced()
        usual = self.rows(gateway)
        self.assertEqual(list(usual[0]), ["partner", "channel", "verdict", "reason", "form", "day",
                                          "count", "pass", "block", "defer", "let_through",
                                          "discarded"])
        self.assertEqual(sum(row["count"] for row in usual), 8)
        (total,) = self.rows(gateway, "--by", "partner")
        self.assertRow(total, partner="acme", count=8, let_through=3, block=5, defer=0, discarded=0)
        self.assertEqual(total["pass"], 3)
        by = {row["form"]: row for row in self.rows(gateway, "--by", "form,collector,supplier")}
        self.assertRow(by["jeu-ete@1"], collector="Leads SARL", supplier="none", count=3)
        self.assertRow(by["none"], collector="none", supplier="none", count=5)
        by = {row["mode"]: row["count"] for row in self.rows(gateway, "--by", "mode")}
        self.assertEqual(by, {"observe": 5, "enforce": 3})
        by = {row["reason"]: row["count"] for row in self.rows(gateway, "--by", "reason,verdict")}
        self.assertEqual(by, {"CONSENT": 3, "NO_CONSENT": 5})
        self.assertEqual(self.rows(gateway, "--partner", "other"), [])
        table = csv.DictReader(gateway.cli("report", *self.period(), "--format", "csv",
                                           "--by", "day").splitlines())
        self.assertEqual(sum(int(row["count"]) for row in table), 8)
        overview = gateway.cli("report", *self.period(), "--lang", "en")
        self.assertRegex(overview, r"decided +8 +100\.0%")
        self.assertRegex(overview, r"NO_CONSENT  No consent of the recipient is on record\. +5 ")
        overview = gateway.cli("report", *self.period(), "--lang", "fr")
        self.assertRegex(overview, r"autorisées +3 +37,5\u00a0%")
        self.assertIn("Aucun consentement du destinataire n\u2019est enregistré.", overview)
        for wrong in ([], ["--from", "2026-01-02", "--to", "2026-01-01"],
                      [*self.period(), "--by", "colour"], [*self.period(), "--by", "day,day"],
                      [*self.period(), "--lang", "de"], [*self.period(), "--with-journal"],
                      [*self.period(), "--compare", self.period()[1]],
                      [*self.period(), "--dossier", "x", "--format", "csv"]):
            gateway.cli("report", *wrong, expect=2)

    def test_the_events_a_report_relies_on_may_be_gone(self):
        """What was indexed before is still told; an index built anew says that it is not known."""
        gateway = self.observed_then_enforced()
        before = self.rows(gateway, "--by", "form,collector,supplier")
        self.assertIn("jeu-ete@1", {row["form"] for row in before})
        gateway.stop()
        (gateway.state / "registry.db").rename(gateway.state / "elsewhere.db")
        self.assertEqual(self.rows(gateway, "--by", "form,collector,supplier"), before)
        for path in gateway.state.glob("journal.db*"):
            path.unlink()
        done = gateway.cli_full("report", *self.period(), "--format", "json", "--by", "form")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("without the forms of the registry", done.stderr)
        self.assertEqual({row["form"]: row["count"] for row in map(json.loads, done.stdout.splitlines())},
                         {"erased": 3, "none": 5})
        self.assertFalse((gateway.state / "registry.db").exists())
        self.assertEqual(sum(row["count"] for row in self.rows(gateway, "--by", "partner")), 8)
        (gateway.state / "elsewhere.db").rename(gateway.state / "registry.db")

    def test_what_was_let_through_and_erased(self):
        """After the detail of observe mode is gone, nobody reads that all was permitted."""
        gateway = self.gateway(self.scripted(), start=False, partners={
            "acme": harness.partner({"news": harness.email_stream()}, mode="observe", name="ACME")})
        gateway.add_form()
        journal = aged.Journal(gateway)
        day = aged.ago(days=60).replace(hour=12)
        journal.begin(day)
        for row in range(5):
            journal.decision(f"NO-{row}", day + datetime.timedelta(seconds=row), mode="observe",
                             verdict="block", reason="NO_CONSENT")
        journal.decision("YES", day, mode="observe")
        journal.add({"type": "configuration", "at": aged.text(day), "version": "x"})
        journal.end(day + datetime.timedelta(hours=1))
        period = "--from", aged.text(day)[:10], "--to", harness.instant()[:10]
        usual = period[0], period[1], *period[2:], "--format", "json", "--by"
        before = gateway.cli("report", *usual, "day,partner,channel,verdict,reason,effect,mode")
        self.assertNotIn("erased", gateway.cli("report", *period, "--lang", "en"))
        gateway.cli("purge", timeout=120)
        self.assertEqual(len(gateway.log_rows()), 1)
        self.assertEqual(gateway.cli("report", *usual,
                                     "day,partner,channel,verdict,reason,effect,mode"), before)
        by = {row["stream"]: row["let_through"]
              for row in map(json.loads, gateway.cli("report", *usual, "stream").splitlines())}
        self.assertEqual(by, {"news": 0, "erased": 5})
        overview = gateway.cli("report", *period, "--lang", "en")
        self.assertRegex(overview, r"decided +6 ")
        self.assertRegex(overview, r"being only observed +5 ")
        self.assertRegex(overview, r"let through under observation before .* is erased in detail")
        self.assertNotIn("Decisions of before", overview)
        gateway.config["retention"] = {"journal": "1 month"}
        gateway.write_config()
        gateway.cli("purge", timeout=120)
        overview = gateway.cli("report", *period, "--lang", "fr")
        self.assertIn("Les décisions antérieures au ", overview)
        self.assertRegex(overview, r"bloquées par les règles +5 ")
        folder = gateway.folder.with_name("dossier")
        gateway.cli("report", *period, "--dossier", folder, "--lang", "en")
        text = Page((folder / "dossier.html").read_text()).text
        self.assertIn("Decisions of before", text)
        self.assertIn("is erased in detail", text)
        self.assertRegex(text, r"ACME +Observed +\S.*? 5 +0 +5 +0 +100\.0%")
        # What concerns nothing erased does not speak of it.
        self.assertNotIn("erased", gateway.cli("report", *self.period(), "--lang", "en"))

    # ---- the dossier

    def dossier(self, gateway, name, *arguments):
        folder = gateway.folder.with_name(name)
        gateway.cli("report", *self.period(), "--dossier", folder, *arguments)
        return folder

    @staticmethod
    def run_in(folder, *command):
        """Without octroi and without anything of ours on the way."""
        return subprocess.run(command, cwd=folder, capture_output=True, text=True,
                              env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"}, timeout=120)

    def check_holds(self, folder, journal=True):
        sums = self.run_in(folder, "sha256sum", "-c", "SHA256SUMS")
        self.assertEqual(sums.returncode, 0, sums.stdout)
        signed = self.run_in(folder, "openssl", "pkeyutl", "-verify", "-pubin", "-inkey",
                             "public.pem", "-rawin", "-in", "SHA256SUMS", "-sigfile",
                             "SHA256SUMS.sig")
        self.assertEqual(signed.returncode, 0, signed.stdout + signed.stderr)
        if journal:
            chain = self.run_in(folder, "sh", "verify-journal.sh", "journal", "public.pem")
            self.assertEqual(chain.returncode, 0, chain.stderr)
            self.assertRegex(chain.stdout, r"\d+ rows and [1-9]\d* checkpoints .* hold")

    def check_page(self, folder, language):
        text = (folder / "dossier.html").read_text()
        page = Page(text)
        self.assertIn(f'<html lang="{language}">', text)
        self.assertNotIn("script", page.tags)
        self.assertEqual(page.links, [])
        self.assertIn(NASTY, page.text)
        return page.text

    def test_dossier(self):
        gateway = self.observed_then_enforced()
        gateway.cli("suspend", "form", "jeu-ete", "--reason", "<b>audit</b>")
        gateway.cli("form", "invalidate", "jeu-ete@1", "--reason", "no list shown")
        gateway.import_events([{"recipient": self.address(gateway, "brought"),
                                "supplier": "leads"}])
        gateway.cli("form", "invalidate", "--supplier", "leads", "--reason", "no proof <at> all")
        french = self.dossier(gateway, "dossier-fr", "--lang", "fr", "--with-journal")
        english = self.dossier(gateway, "dossier-en", "--lang", "en")
        self.check_holds(french)
        self.check_holds(english, journal=False)
        self.assertFalse((english / "journal").exists())
        text = self.check_page(french, "fr")
        self.assertIn("Dossier relatif au contrôle du consentement", text)
        self.assertIn("Observation", text)
        self.assertIn("<b>audit</b>", text)
        self.assertIn("no list shown", text)
        self.assertRegex(text, r"Fournisseurs invalidés.* leads .*no proof <at> all")
        self.assertIn(harness.FORM["wording"], text)
        text = self.check_page(english, "en")
        self.assertIn("Dossier on the control of consent", text)
        self.assertRegex(text, r"regime changed from .Observed. to .Enforced.")
        self.assertRegex(text, re.escape(NASTY) + r" +Observed +\S.*? 5 +2 +3 +0 +60\.0%")
        self.assertRegex(text, re.escape(NASTY) + r" +Enforced +\S.*? 3 +1 +0 +2 +66\.7%")
        self.check_csv(english)
        self.assertIn("not empty", gateway.cli_full(
            "report", *self.period(), "--dossier", french).stderr)
        gateway.stop()
        for folder in (french, english):
            for path in folder.rglob("*"):
                for address in gateway.addresses if path.is_file() else ():
                    self.assertNotIn(address.encode(), path.read_bytes().lower())
        keep = os.environ.get("OCTROI_KEEP_DOSSIER")
        if keep:
            for folder in (french, english):
                subprocess.run(["cp", "-r", str(folder), keep], check=True)

    def test_the_day_the_law_changed_is_that_of_paris(self):
        gateway = self.gateway(self.scripted(), partners={
            "acme": harness.partner({"news": harness.email_stream()})})
        numbers = self.path("numbers.csv")
        numbers.write_text("telephone\n+33612345678\n")
        gateway.cli("screen", "--partner", "acme", "--channel", "call", "--output",
                    self.path("yes.csv"), "--blocked", self.path("no.csv"), numbers)
        text = Page((self.dossier(gateway, "dossier", "--lang", "en") /
                     "dossier.html").read_text()).text.replace("\u00a0", " ")
        # Its midnight is 22:00 of the day before in UTC.
        self.assertIn("Legal bases accepted before 11 August 2026:", text)
        self.assertIn("Legal bases accepted from 11 August 2026 on:", text)
        self.assertNotIn("10 August 2026", text)

    def check_csv(self, folder):
        def read(name):
            with open(folder / name, newline="") as file:
                return list(csv.DictReader(file))
        series = read("series.csv")
        count = {}
        for row in series:
            count[row["mode"], row["verdict"], row["effect"]] = int(row["count"])
        self.assertEqual(count, {("observe", "pass", "passed"): 2, ("observe", "block", "passed"): 3,
                                 ("enforce", "pass", "passed"): 1,
                                 ("enforce", "block", "refused"): 2})
        modes = [row["value"] for row in read("configuration.csv")
                 if row["kind"] == "partner" and row["id"] == "acme"]
        self.assertEqual(modes, ["observe", "enforce"])
        for row in read("configuration.csv"):
            if row["kind"] == "policy":
                done = subprocess.run(["sha256sum"], input=row["text"].encode(),
                                      capture_output=True, check=True)
                self.assertEqual(done.stdout[:12].decode(), row["value"])
        policies = {row["policy"] for row in read("policies.csv")}
        self.assertLessEqual(policies, {row["value"] for row in read("configuration.csv")})
        self.assertEqual([row["id"] for row in read("suspensions.csv")], ["jeu-ete"])
        self.assertEqual([(row["id"], row["invalid_reason"])
                          for row in read("invalid-suppliers.csv")],
                         [("leads", "no proof <at> all")])
        self.assertGreaterEqual(len(read("checkpoints.csv")), 1)
        (form,) = read("forms.csv")
        self.assertEqual(json.loads(form["form"])["wording"], harness.FORM["wording"])

    def test_a_changed_byte_is_found(self):
        gateway = self.observed_then_enforced()
        gateway.stop()
        folder = self.dossier(gateway, "dossier", "--with-journal")
        self.check_holds(folder)
        page = folder / "dossier.html"
        whole = page.read_bytes()
        page.write_bytes(whole.replace(b"60", b"06", 1))
        self.assertNotEqual(self.run_in(folder, "sha256sum", "-c", "SHA256SUMS").returncode, 0)
        page.write_bytes(whole)
        (segment,) = (folder / "journal").glob("*.seg")
        whole = segment.read_bytes()
        broken = whole.replace(b'"verdict":"block"', b'"verdict":"pass",', 1)
        self.assertNotEqual(broken, whole)
        segment.write_bytes(broken)
        done = self.run_in(folder, "sh", "verify-journal.sh", "journal", "public.pem")
        self.assertEqual(done.returncode, 1)
        self.assertIn("does not match its hash", done.stderr)
        # Who mends the chain behind the change cannot sign it.
        segment.write_bytes(self.rechain(broken))
        done = self.run_in(folder, "sh", "verify-journal.sh", "journal", "public.pem")
        self.assertEqual(done.returncode, 1)
        self.assertIn("checkpoint", done.stderr)

    @staticmethod
    def rechain(segment):
        """The hashes computed anew, as a forger would."""
        head, lines = b"\0" * 32, []
        for line in segment.splitlines():
            _, salt, record = line.split(b" ", 2)
            if b'"type":"checkpoint"' in record:
                record = re.sub(rb'"head":"[0-9a-f]+"', b'"head":"' + head.hex().encode() + b'"',
                                record)
            inner = harness.hashlib.sha256(bytes.fromhex(salt.decode()) + record).digest()
            head = harness.hashlib.sha256(head + inner).digest()
            lines.append(head.hex().encode() + b" " + salt + b" " + record + b"\n")
        return b"".join(lines)

    def test_without_the_private_key_it_says_so(self):
        gateway = self.observed_then_enforced()
        gateway.stop()
        key = gateway.folder / "keys" / "journal.key"
        key.rename(key.with_suffix(".away"))
        folder = gateway.folder.with_name("dossier")
        done = gateway.cli_full("report", *self.period(), "--dossier", folder, "--lang", "en")
        key.with_suffix(".away").rename(key)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("will not be signed", done.stderr)
        self.assertFalse((folder / "SHA256SUMS.sig").exists())
        self.assertIn("is not signed", Page((folder / "dossier.html").read_text()).text)
        sums = self.run_in(folder, "sha256sum", "-c", "SHA256SUMS")
        self.assertEqual(sums.returncode, 0, sums.stdout)

    def test_an_excerpt_of_a_long_journal(self):
        """Segments before the period stay away, and the script begins where the excerpt does."""
        gateway = self.observed_then_enforced()
        gateway.stop()
        folder = self.dossier(gateway, "dossier", "--with-journal")
        (first,) = (folder / "journal").glob("*.seg")
        gateway.config["journal"] = {"checkpoint_every": "200 ms", "segment_size": "64 KB"}
        gateway.write_config()
        gateway.start()
        no = self.address(gateway, "again")
        while not (gateway.state / "journal" / "00000003.seg").exists():
            self.send(gateway, *[no] * 30)
        gateway.stop()
        shell = pathlib.Path(folder / "verify-journal.sh")
        excerpt = folder / "excerpt"
        excerpt.mkdir()
        for path in sorted((gateway.state / "journal").glob("*.seg"))[1:]:
            (excerpt / path.name).write_bytes(path.read_bytes())
        (excerpt / "00000003.seg").write_bytes(
            b"".join((excerpt / "00000003.seg").read_bytes().splitlines(keepends=True)[:4]))
        for name in sorted(excerpt.iterdir())[2:]:
            name.unlink()
        lines = (excerpt / "00000002.seg").read_bytes().splitlines()
        self.assertLess(len(lines), 400)
        done = self.run_in(folder, "sh", shell.name, "excerpt", "public.pem")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("excerpt: it begins with segment 2", done.stdout)
        self.assertEqual(first.name, "00000001.seg")
