# SPDX-License-Identifier: Apache-2.0
"""The dossier as an officer gets it from the console: the same files as the command makes, and what
an authority does with them."""
import csv
import datetime
import io
import re
import stat
import subprocess
import time
import urllib.parse
import zipfile

import api_harness
import browser_harness
import console_harness
import harness

PATIENCE = 60


class Dossier(harness.IntegrationTest):
    def console(self, rows=120, days=20):
        console = browser_harness.Console(self.folder / "gate", rows=rows, days=days)
        self.addCleanup(self.finish_gateway, console.gate)
        return console.start()

    def log_in(self, console, role="compliance"):
        user = console.users[role]
        browser = console_harness.Browser(console.port, headers={"Accept-Language": "en"})
        self.assertEqual(browser.log_in(user["name"], user["password"]).status, 200)
        return browser

    def await_words(self, browser, path, words):
        end = time.monotonic() + PATIENCE
        while True:
            page = browser.get(path)
            if words in page.words:
                return page
            self.assertLess(time.monotonic(), end, f"{words!r} is not in {page}")
            time.sleep(0.1)

    def period(self, days=25):
        to = datetime.datetime.now(datetime.timezone.utc).date()
        return {"from": str(to - datetime.timedelta(days=days)), "to": str(to)}

    def draw(self, browser, fields):
        browser.get("/console/dossier")
        page = browser.post("/console/dossier/archive", fields, follow=False)
        self.assertEqual(page.status, 303, page)
        path = page.location.split("#")[0]
        self.await_words(browser, path, "A dossier is ready.")
        return browser.get("/console/dossier/archive")

    def test_dossier_is_what_the_command_makes(self):
        console = self.console()
        browser = self.log_in(console)
        fields = self.period()
        answer = self.draw(browser, {**fields, "journal": "1"})
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "application/zip"))
        name = f"dossier-{fields['from']}-{fields['to']}"
        self.assertEqual(answer.headers["Content-Disposition"], f'attachment; filename="{name}.zip"')
        zipfile.ZipFile(io.BytesIO(answer.body)).extractall(self.folder / "taken")
        taken = self.folder / "taken" / name
        made = self.folder / "made"
        console.gate.cli("report", "--from", fields["from"], "--to", fields["to"], "--dossier", made,
                         "--with-journal", "--lang", "en")
        files = sorted(str(path.relative_to(made)) for path in made.rglob("*") if path.is_file())
        self.assertEqual(files, sorted(str(path.relative_to(taken)) for path in taken.rglob("*")
                                       if path.is_file()))
        self.assertIn("dossier.html", files)
        # What grew meanwhile is the journal, by the records of this very visit.
        for file in files:
            if file.endswith(".csv") or file in ("public.pem", "verify-journal.sh"):
                if file != "checkpoints.csv":
                    self.assertEqual((taken / file).read_bytes(), (made / file).read_bytes(), file)
        # What an authority does with it.
        subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=taken, check=True)
        subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "public.pem", "-rawin",
                        "-in", "SHA256SUMS", "-sigfile", "SHA256SUMS.sig"], cwd=taken, check=True,
                       stdout=subprocess.DEVNULL)
        subprocess.run(["sh", "verify-journal.sh", "journal", "public.pem"], cwd=taken, check=True,
                       stdout=subprocess.DEVNULL)
        acts = [(row["who"], row["act"], row["subject"], row["answer"])
                for row in api_harness.records(console.gate) if row["act"].startswith("dossier.")]
        span = f"{fields['from']}/{fields['to']}"
        self.assertEqual(acts, [("user claire", "dossier.draw", span, "journal"),
                                ("user claire", "dossier.export", span, "journal")])
        # It lies nowhere under a name.
        self.assertEqual([path for path in console.gate.state.iterdir()
                          if path.name.startswith("pack") or path.suffix == ".zip"], [])

    def test_dossier_has_the_comparison_of_the_page(self):
        console = self.console(rows=400)
        browser = self.log_in(console)
        period = self.period()
        day = str(datetime.date.fromisoformat(period["to"]) - datetime.timedelta(days=10))
        fields = {**period, "change": day}
        answer = self.draw(browser, fields)
        with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
            (name,) = [name for name in archive.namelist() if name.endswith("/dossier.html")]
            document = archive.read(name).decode()
            rows = list(csv.DictReader(io.StringIO(
                archive.read(name.replace("dossier.html", "before-after.csv")).decode())))
        page = browser.get("/console/dossier?" + urllib.parse.urlencode(fields)).text

        def cells(text, heading):
            table = text[text.index(heading):].split("<table>", 1)[1].split("</table>")[0]
            return re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", table)

        for heading in ("Before and after", "Before and after, by partner"):
            shown = cells(page, f'aria-label="{heading}"')
            mark = "<h3>Before and after, by" if "by partner" in heading else "<h2>2. Before and after "
            self.assertEqual(cells(document, mark), shown)
        self.assertIn(re.search(r"Before [^<]*, the rules did not permit [^<]*", page).group(), document)
        halves = {row["half"]: row for row in rows if row["scope"] == "total"}
        self.assertEqual((halves["before"]["from"], halves["after"]["from"], halves["after"]["to"]),
                         (period["from"], day, period["to"]))
        total = cells(page, 'aria-label="Before and after"')
        submitted = total[total.index("Submitted") + 1:][:2]
        self.assertEqual(submitted, [halves["before"]["count"], halves["after"]["count"]])
        for half in halves:
            self.assertGreater(int(halves[half]["count"]), 0)
            for column in ("count", "pass", "block", "defer", "let_through", "discarded"):
                self.assertEqual(int(halves[half][column]), sum(
                    int(row[column]) for row in rows
                    if row["scope"] == "partner" and row["half"] == half), (half, column))

        # The command makes the same of it.
        made = self.folder / "made"
        span = ["--from", period["from"], "--to", period["to"], "--dossier", made]
        for no_day in (period["from"], "2026-01-01", day + "T10:00:00Z", "soon"):
            self.assertEqual(console.gate.cli_full("report", *span, "--compare", no_day).returncode, 2)
        console.gate.cli("report", *span, "--compare", day, "--lang", "en")
        self.assertEqual(cells((made / "dossier.html").read_text(), "<h2>2. Before and after "),
                         cells(document, "<h2>2. Before and after "))
        with open(made / "before-after.csv", newline="") as file:
            self.assertEqual(list(csv.DictReader(file)), rows)
        # Those blocked but answered as sent are counted among the facts, and explained.
        discarded = sum(int(half["discarded"]) for half in halves.values())
        self.assertGreater(discarded, 0)
        self.assertRegex(document, r"<dt>of these blocked and not sent</dt>\s*<dd>[^<]*</dd>\s*<dt>of these "
                         rf"blocked, though answered to the partner as if sent</dt>\s*<dd>{discarded}\b")
        self.assertRegex(document, rf"<p>Under the regime [^<]* {discarded} messages? of the period")
        self.assertIn("was to go to the provider, which may have refused it", document)

    def test_dossier_has_the_stops_of_its_period(self):
        console = self.console(rows=60)
        console.gate.cli("suspend", "partner", "armor-voyages", "--reason", "audit")
        console.gate.cli("form", "invalidate", "--supplier", "data-ouest", "--reason", "no proof")
        today = datetime.datetime.now(datetime.timezone.utc).date()
        before = str(today - datetime.timedelta(days=2))
        for to, expected in ((str(today + datetime.timedelta(days=1)), 1), (before, 0)):
            made = self.folder / f"made-{to}"
            console.gate.cli("report", "--from", before, "--to", to, "--dossier", made)
            for name in ("suspensions.csv", "invalid-suppliers.csv"):
                with open(made / name, newline="") as file:
                    stopped = [row["id"] for row in csv.DictReader(file)]
                self.assertEqual(len({"armor-voyages", "data-ouest"} & set(stopped)), expected,
                                 (to, name, stopped))

    def test_dossier_of_a_reader_names_nobody(self):
        console = self.console(rows=60)
        reader = self.log_in(console, "reader")
        answer = self.draw(reader, {**self.period(), "partner": "armor-voyages"})
        names = zipfile.ZipFile(io.BytesIO(answer.body)).namelist()
        self.assertEqual([name for name in names if "/journal/" in name], [])
        page = reader.post("/console/dossier/archive", {**self.period(), "journal": "1"})
        self.assertEqual(page.status, 403, page)
        # Nobody gets another's.
        officer = self.log_in(console)
        self.assertEqual(officer.get("/console/dossier/archive").status, 404)
        # Without the form's token nothing is drawn up, nor checked.
        for path in ("/console/dossier/archive", "/console/dossier/verification"):
            self.assertEqual(officer.post(path, self.period(), csrf="").status, 403)

    def test_dossier_page_checks_the_journal(self):
        console = self.console(rows=60)
        browser = self.log_in(console)
        page = browser.get("/console/dossier")
        self.assertIn("The journal was not checked yet.", page.words)
        page = browser.post("/console/dossier/verification", self.period(), follow=False)
        self.assertEqual(page.status, 303, page)
        self.await_words(browser, "/console/dossier", "Entries that hold")
        kept = console.gate.state / "checked.json"
        self.assertEqual(stat.S_IMODE(kept.stat().st_mode), 0o600)
        console.gate.stop()
        console.start()
        page = self.log_in(console).get("/console/dossier")
        self.assertIn("Entries that hold", page.words)
        self.assertIn("Asked for by claire", page.words)
        # A checkpoint from the page is one that the command takes.
        # One of this very minute, which is the day's last no more.
        page = browser.get(f"/console/dossier?from={self.period()['to']}&to={self.period()['to']}")
        path = re.findall(r'/console/dossier/checkpoints/\d+', page.text)[-1]
        checkpoint = self.folder / "checkpoint.json"
        checkpoint.write_bytes(self.log_in(console).get(path).body)
        said = console.gate.cli("verify", "--checkpoint", checkpoint)
        self.assertIn("holds", said)
