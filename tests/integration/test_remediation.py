# SPDX-License-Identifier: Apache-2.0
"""The lists a company under notice works through: who may be asked again and who may not, whose data
to delete, which partner to tell about whom; by the registry alone, and with the company's own file."""

import csv

import harness

OLD = {"id": "old", "effective_from": "2019-01-01T00:00:00Z"}
SECOND = {"id": "second"}


class Remediation(harness.IntegrationTest):
    def send(self, gateway, *recipients):
        wire = self.wire(gateway)
        wire.hello()
        for recipient in recipients:
            wire.say("MAIL FROM:<news@acme.example>", 250)
            wire.say(f"RCPT TO:<{recipient}>", 250)
            wire.say("DATA", 354)
            wire.send(harness.message("news@acme.example") + b".\r\n")
            self.assertEqual(wire.reply()[0], 250)
        wire.say("QUIT", 221)

    def company(self):
        """A gateway with one person of each kind, by name."""
        provider = self.scripted()
        gateway = self.gateway(provider, partners={
            "acme": harness.partner({"news": harness.email_stream()}),
            "beta": harness.partner({"news": harness.email_stream(
                accounts={"beta-lan": {"networks": ["10.9.0.0/16"]}}, senders=["beta.example"])},
                name="B\u00eata & Fils")})
        for form in ({}, OLD, SECOND):
            gateway.add_form(**form)
        people = {kind: self.address(gateway, kind)
                  for kind in ("good", "unproven", "left", "angry", "invalid", "ancient", "back")}
        rows = {
            "good": {}, "unproven": {"form": "", "supplier": "Leads Express"}, "left": {},
            "angry": {}, "invalid": {"form": "second@1"},
            "ancient": {"form": "old@1", "occurred_at": harness.instant(4 * 366 * 86400)},
            "back": {},
        }
        gateway.import_events([{"recipient": people[kind], **row} for kind, row in rows.items()])
        gateway.cli("suspend", "form", "old", "--reason", "x")
        gateway.cli("resume", "form", "old", "--reason", "y")
        self.send(gateway, people["good"], people["left"], people["invalid"])
        gateway.wait_rows(3)
        gateway.cli("consent", "withdraw", people["left"])
        gateway.cli("consent", "withdraw", people["angry"], "--objection")
        gateway.cli("form", "invalidate", "second@1", "--reason", "no list")
        return gateway, people

    @staticmethod
    def read(path):
        with open(path, newline="") as file:
            return list(csv.DictReader(file))

    def test_by_the_registry_alone(self):
        gateway, people = self.company()
        folder = gateway.folder.with_name("lists")
        said = gateway.cli("remediation", folder, "--lang", "fr")
        self.assertIn("7 persons looked at: 3 rows to ask again, 3 to delete, 2 to tell", said)
        # Who was imported without a form named nobody, so either partner may ask.
        rows = self.read(folder / "ask-again.csv")
        self.assertEqual(sorted((row["partner"], row["reason"]) for row in rows),
                         [("acme", "FORM_INVALID"), ("acme", "UNPROVEN"), ("beta", "UNPROVEN")])
        ask = {row["reason"]: row for row in rows if row["partner"] == "acme"}
        self.assertEqual(set(ask), {"UNPROVEN", "FORM_INVALID"})
        self.assertRow(ask["UNPROVEN"], partner="acme", form="none", supplier="Leads Express",
                       channel="email", partner_name="ACME Voyages SAS",
                       why="Aucune preuve du consentement du destinataire n\u2019est enregistrée.")
        self.assertRow(ask["FORM_INVALID"], form="second@1", supplier="none",
                       recipient_masked="i\u2022\u2022\u2022@example.org")
        delete = {row["reason"]: row for row in self.read(folder / "delete.csv")}
        self.assertEqual(set(delete), {"OBJECTED", "WITHDRAWN", "PAST_RETENTION"})
        self.assertEqual(delete["PAST_RETENTION"]["form"], "old@1")
        tell = self.read(folder / "tell-acme.csv")
        self.assertEqual({row["reason"] for row in tell}, {"WITHDRAWN", "FORM_INVALID"})
        self.assertTrue(all(row["last_sent"] for row in tell))
        self.assertEqual(sorted(path.name for path in folder.iterdir()),
                         ["ask-again.csv", "delete.csv", "summary.csv", "tell-acme.csv"])
        keys = {row["recipient_key"] for row in gateway.log_rows()}
        self.assertLessEqual({row["recipient_key"] for row in tell}, keys)
        summary = self.read(folder / "summary.csv")
        self.assertEqual(sum(int(row["count"]) for row in summary), 8)
        for path in folder.iterdir():
            for address in people.values():
                self.assertNotIn(address.encode(), path.read_bytes())

    def test_an_opposition_where_nobody_sends(self):
        """On a channel, or at a kind of address, that no partner uses: it is to be kept."""
        gateway = self.gateway(start=False, providers={"smarthost": harness.smtp_provider(9)})
        gateway.add_form(channels=["email", "post"])
        by_post, back, phone, calm = (self.address(gateway, "by-post"),
                                      self.address(gateway, "back"), "+33612345678", "+33612345679")
        withdrawn = {"event": "withdrawn", "form": "", "channel": "post", "evidence": "letter",
                     "occurred_at": harness.instant(20 * 86400)}
        gateway.import_events([
            {"recipient": by_post, **withdrawn},
            {"recipient": back, **withdrawn},
            {"recipient": back, "channel": "post", "occurred_at": harness.instant(10 * 86400)},
            {"recipient": phone, **withdrawn, "event": "objected", "channel": "call"}])
        own = gateway.folder.with_name("crm.csv")
        own.write_text("tel,nom\n" + "".join(f"{text},{name}\n" for name, text in (
            ("post", by_post), ("back", back), ("phone", phone), ("calm", calm))))
        folder = gateway.folder.with_name("lists")
        said = gateway.cli("remediation", folder, "--list", own, "--lang", "en")
        self.assertIn("1 of them was not judged: no partner sends on a channel that fits", said)
        delete = {row["nom"]: row for row in self.read(folder / "crm.csv" / "delete.csv")}
        self.assertEqual({name: row["reason"] for name, row in delete.items()},
                         {"post": "WITHDRAWN", "phone": "OBJECTED"})
        for name in ("post", "phone"):
            self.assertIn("keep the opposition, and only it", delete[name]["why"])
        summary = self.read(folder / "summary.csv")
        self.assertEqual([(row["reason"], row["count"]) for row in summary
                          if row["list"] == "not-judged"], [("NO_STREAM", "1")])

    def test_what_the_gate_does_not_carry_is_a_ground(self):
        """Calls and post, and data that may only be passed on: nobody loses a consent over them."""
        gateway = self.gateway(self.scripted())
        gateway.add_form(channels=["email", "call", "post"])
        gateway.add_form(id="lists", purposes=["transmission"])
        people = {kind: self.address(gateway, kind) for kind in ("letters", "passed", "gone")}
        gateway.import_events([
            {"recipient": "+33612345678", "channel": "call"},
            {"recipient": people["letters"], "channel": "post"},
            {"recipient": people["passed"], "form": "lists@1"},
            {"recipient": people["gone"], "channel": "post", "occurred_at": harness.instant(10**8)},
            {"recipient": people["gone"], "channel": "post", "event": "withdrawn", "form": "",
             "occurred_at": harness.instant(10**7)}])
        folder = gateway.folder.with_name("lists")
        gateway.cli("remediation", folder)
        self.assertEqual([row["reason"] for row in self.read(folder / "delete.csv")],
                         ["WITHDRAWN"])

    def test_no_row_is_a_formula(self):
        gateway = self.gateway(self.scripted())
        gateway.add_form()
        gateway.import_events([{"recipient": self.address(gateway, "unproven"), "form": "",
                                "supplier": "=1+1"}])
        folder = gateway.folder.with_name("lists")
        gateway.cli("remediation", folder)
        (row,) = self.read(folder / "ask-again.csv")
        self.assertEqual(row["supplier"], "'=1+1")
        (row,) = [row for row in self.read(folder / "summary.csv") if row["list"] == "ask-again"]
        self.assertEqual(row["supplier"], "'=1+1")

    def test_of_one_partner(self):
        gateway, _ = self.company()
        folder = gateway.folder.with_name("beta")
        # Nobody was shown beta, and beta never tried: it has nobody to ask but who named nobody.
        gateway.cli("remediation", folder, "--partner", "beta")
        self.assertEqual({row["reason"] for row in self.read(folder / "ask-again.csv")} -
                         {"UNPROVEN"}, set())
        self.assertFalse((folder / "delete.csv").exists())
        done = gateway.cli_full("remediation", gateway.folder.with_name("x"), "--partner", "nobody")
        self.assertEqual(done.returncode, 1)
        self.assertIn("there is no partner nobody", done.stderr)
        gateway.cli("remediation", expect=2)
        self.assertIn("not empty", gateway.cli_full("remediation", folder).stderr)

    def test_with_the_companys_own_file(self):
        gateway, people = self.company()
        folder = gateway.folder.with_name("lists")
        stranger = harness.unique("stranger", "example.org")
        own = gateway.folder.with_name("crm.csv")
        with open(own, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["Nom", "E-Mail", "Ville"])
            for kind, address in [*people.items(), ("stranger", stranger)]:
                writer.writerow([f"M. {kind}", address.upper(), "=Paris, \"12e\""])
            writer.writerow(["M. Faux", "no address", "Lyon"])
            writer.writerow(["M. Court", "a@example.org"])
        done = gateway.cli_full("remediation", folder, "--list", own, "--lang", "en")
        self.assertEqual(done.returncode, 1)
        self.assertIn("crm.csv:10: ", done.stderr)
        self.assertIn("crm.csv:11: has another number of fields", done.stderr)
        self.assertNotIn("no address", done.stderr)
        names = {}
        for list_name in ("ask-again", "delete", "tell-acme"):
            rows = self.read(folder / "crm.csv" / f"{list_name}.csv")
            names[list_name] = sorted(row["Nom"] for row in rows)
            for row in rows:
                self.assertEqual(row["Ville"], "=Paris, \"12e\"")
        self.assertEqual(names, {"ask-again": ["M. invalid", "M. unproven", "M. unproven"],
                                 "delete": ["M. ancient", "M. angry", "M. left", "M. stranger"],
                                 "tell-acme": ["M. invalid", "M. left"]})
        self.assertEqual((folder / "crm.csv" / "delete.csv").stat().st_mode & 0o077, 0)
        # As a French spreadsheet saves it.
        own.write_text(f"Nom;E-Mail;Ville\nM. angry;{people['angry']};\"Paris; 12e\"\n")
        folder = gateway.folder.with_name("semicolons")
        gateway.cli("remediation", folder, "--list", own)
        (row,) = self.read(folder / "crm.csv" / "delete.csv")
        self.assertEqual((row["Nom"], row["Ville"]), ("M. angry", "Paris; 12e"))
        own.write_text("Nom,Ville\nx,y\n")
        done = gateway.cli_full("remediation", gateway.folder.with_name("z"), "--list", own)
        self.assertEqual(done.returncode, 1)
        self.assertIn("no column is named as an address", done.stderr)
