# SPDX-License-Identifier: Apache-2.0
"""`octroi person` and the explanation of `consent show`, as the person and the officer get them:
a person with twenty events and traffic, whose archive must agree with `log` and `consent show`,
hold every event, form and decision once, and nobody else's address."""

import csv
import hashlib
import io
import json
import os
import re
import smtplib
import subprocess
import zipfile

import aged
import harness

LISTS = {1: ["beta"], 2: ["acme", "beta"], 3: ["acme", "beta", "gamma"]}
FROM = {1: "2022-01-01T00:00:00Z", 2: "2023-06-01T00:00:00Z", 3: "2025-01-01T00:00:00Z"}
HOSTILE = "<script>alert('x')</script>"
AT = "2026-11-20T10:00:00Z"

# What happened, in order of arrival: an old consent, renewals, two withdrawals, a re-import after
# one of them, a supplier that was stopped, another channel, an act, an objection to a collector.
EVENTS = [
    dict(occurred_at="2022-03-01T09:00:00Z", form="jeu@1", supplier="direct", evidence="entry 101"),
    dict(occurred_at="2022-03-01T09:00:00Z", form="jeu@1", supplier="direct", evidence="entry 101",
         channel="post"),
    dict(occurred_at="2022-05-10T10:00:00Z", form="", supplier="broker", evidence=""),
    dict(occurred_at="2022-09-01T08:30:00Z", form="news@1", evidence="double opt-in"),
    dict(occurred_at="2023-02-01T12:00:00Z", form="", event="active", evidence="click"),
    dict(occurred_at="2023-07-01T09:00:00Z", form="jeu@2", event="renewed", supplier="direct",
         evidence="entry 2044"),
    dict(occurred_at="2023-11-11T12:00:00Z", form="", event="active", partners="acme",
         evidence="survey"),
    dict(occurred_at="2024-01-15T08:00:00Z", form="", event="withdrawn", partners="acme",
         evidence="mail"),
    dict(occurred_at="2022-03-01T09:00:00Z", form="jeu@1", supplier="broker", evidence="old file"),
    dict(occurred_at="2024-02-20T09:00:00Z", form="", partners="acme", supplier="broker",
         evidence="re-import"),
    dict(occurred_at="2024-03-03T09:00:00Z", form="jeu@1", supplier="direct", evidence="late"),
    dict(occurred_at="2024-06-05T14:00:00Z", form="jeu@2", event="renewed", partners="acme|beta",
         supplier="direct", evidence="entry 3987"),
    dict(occurred_at="2024-09-09T12:00:00Z", form="", event="active", evidence="call"),
    dict(occurred_at="2024-10-01T07:00:00Z", form="", event="withdrawn", partners="acme",
         evidence="link"),
    dict(occurred_at="2024-10-02T07:00:00Z", form="", event="withdrawn", partners="beta",
         evidence="link"),
    dict(occurred_at="2025-02-14T18:20:00Z", form="jeu@3", supplier="bad", evidence="entry 5120"),
    dict(occurred_at="2025-03-01T09:00:00Z", form="", event="withdrawn", channel="post",
         evidence="letter"),
    dict(occurred_at="2025-09-20T11:05:00Z", form="jeu@3", event="renewed", supplier="direct",
         evidence="entry 7342"),
    dict(occurred_at="2026-04-02T12:00:00Z", form="", event="active", evidence="answer"),
]

# acme, e-mail, as somebody reads it who has never seen the code. What varies between runs (when it
# was recorded) is cut out first.
EXPLAINED = """\
recipient  MASK
partner    acme (ACME Voyages SAS)
asked      email, receipt, at 2026-11-20T10:00:00Z
verdict    pass CONSENT: The recipient's consent is on record.
policy     POLICY

Yes: ACME Voyages SAS may write to this person by e-mail, because the person renewed the consent \
on 20 September 2025 (event 18).

It rests on event 18: the person renewed the consent on 20 September 2025, 11:05:00 UTC.
    channel      email
    form         jeu@3 of Leads SARL, in force from 2025-01-01T00:00:00Z
    shown        J'accepte, version 3.
                 <script>alert('x')</script>
    list by link acme, beta, gamma
    at           https://form.example
    evidence     entry 7342
    supplier     direct
    recorded     NOW
    origin       import standard input

The rules, in order; the first that fails decides.  ✓ held  ✗ failed  – not asked
  ✓  1  stopped?                  Neither the partner nor its stream is suspended.
  –  2  true sender?              No sender identity is part of this question.
  –  3  service message?          No stream is part of this question.
  –  4  banned sector?            No sector is declared.
  ✓  5  objection?                No objection stands against this partner.
  ✓  6  withdrawal?               No withdrawal stands against this partner on this channel.
  ✓  7  any consent?              The grant looked at is event 18 of 2025-09-20, given on form jeu@3.
  ✓  8  this channel?             The grant is for email.
  ✓ 8a  form or supplier stopped? Neither the grant's form nor its supplier is suspended.
  ✓  9  partner shown?            The form shows the partner, or a category it belongs to.
  ✓ 10  shown then?               The partner was not added to the list later.
  ✓ 11  shown by name?            The grant does not rest on a category alone.
  ✓ 12  proven?                   The grant is proven: a form in use at that time, its channel, \
and evidence.
  ✓ 13  form still valid?         Neither the version of the form nor its supplier's grants were \
invalidated.
  ✓ 14  this purpose?             The form covers receiving messages.
  ✓ 15  recent enough?            The person's last own act was on 2026-04-02 and counts until \
2029-04-02.
  ✓ 16  basis accepted?           The grant's basis is consent, which is accepted on email.
  – 17  basis's conditions?       The basis has no conditions of its own.
  – 18  message content?          Judged on the message itself once its content is known.
  – 19  hours?                    No hours are to be kept for this question.
  ✓ 20  all held                  It may pass: The recipient's consent is on record.

10 other consents on record were looked at, each alone; one that holds would be enough.
  ✗ event 1    2022-03-01 email    jeu@1          rule 6 WITHDRAWN: The person withdrew on \
2024-10-01 (event 14), and no later specific act consented.
"""

OTHERS = {1: "WITHDRAWN", 2: "WITHDRAWN", 9: "WITHDRAWN", 3: "WITHDRAWN", 4: "OBJECTED",
          6: "WITHDRAWN", 10: "WITHDRAWN", 11: "WITHDRAWN", 12: "WITHDRAWN", 16: "SUSPENDED"}

# The terms of DPV 2, PD, EU-GDPR and DCMI that a record may use, each read in the published
# vocabularies (w3id.org/dpv 2.0: the module tables; purl.org/dc/terms).
TERMS = set("""
dpv:DataSubject dpv:DataController dpv:DataSource dpv:Recipient dpv:ConsentNotice dpv:ConsentRecord
dpv:Process dpv:ConsentGiven dpv:RenewedConsentGiven dpv:ConsentUnknown dpv:ConsentWithdrawn
dpv:ConsentInvalidated dpv:WithdrawConsent dpv:DirectMarketing dpv:Consent dpv:LegitimateInterest
dpv:Use dpv:DiscloseByTransmission
dpv:hasDataSubject dpv:hasDataController dpv:hasRecipient dpv:hasDataSource dpv:hasPurpose
dpv:hasProcessing dpv:hasPersonalData dpv:hasLegalBasis dpv:hasNotice dpv:hasProcess
dpv:hasConsentStatus dpv:hasConsentControl dpv:hasRight dpv:hasIndicationMethod dpv:hasName
dpv:isIndicatedAtTime dpv:isIndicatedBy dpv:isExercisedAt
pd:EmailAddress pd:TelephoneNumber
eu-gdpr:A7-3 eu-gdpr:A15 eu-gdpr:A17 eu-gdpr:A21 eu-gdpr:A77
dct:identifier dct:created dct:date dct:title dct:description dct:language dct:source dct:subject
dct:conformsTo dct:valid
""".split())


def partner(name, address, **more):
    stream = harness.email_stream(senders=["acme.example"],
                                  accounts={f"a{address[-1]}": {"networks": [address]}})
    return harness.partner({"news": stream}, name=name, **more)


class Person(harness.IntegrationTest):
    timeout = 400

    def gate(self, provider=None, **more):
        partners = {"acme": partner("ACME Voyages SAS", "127.0.0.1"),
                    "beta": partner(f"Beta {HOSTILE}", "127.0.0.2"),
                    "gamma": partner("Gamma Assurances", "127.0.0.3"),
                    "delta": partner("Delta Mutuelle", "127.0.0.4")}
        gate = self.gateway(provider, start=provider is not None, partners=partners,
                            controller={"name": "Leads SARL", "contact": "dpo@leads.example"},
                            retention={"proof": "7 years", "journal": "400 days"},
                            **({} if provider else
                               {"providers": {"smarthost": harness.smtp_provider(9)}}), **more)
        for version, names in LISTS.items():
            wording = f"J'accepte, version {version}.\n{HOSTILE}"
            gate.add_form(id="jeu", version=version, partners=names, wording=wording,
                          effective_from=FROM[version], channels=["email", "post"])
        gate.add_form(id="news", partners=["acme"], language="en", purposes=["receipt"],
                      effective_from=FROM[1], collector={"name": "Presse & Cie"},
                      wording="I agree.", display="inline", url="")
        return gate

    def history(self, gate, address):
        gate.import_events([{"recipient": address, **event} for event in EVENTS])
        gate.cli("consent", "record", address, "--event", "objected", "--channel", "email",
                 "--collector", "Presse & Cie", "--evidence", "mail of 3 May",
                 "--occurred-at", "2026-05-03T10:00:00Z")
        gate.cli("suspend", "supplier", "bad", "--reason", "no proof")

    def export(self, gate, address, *arguments, language="en", moment=None):
        """The archive's parts by name."""
        path = self.path("archive")
        environment = {**harness.sanitizer_environment(), "LC_ALL": "C.UTF-8"}
        if moment is not None:
            environment["SOURCE_DATE_EPOCH"] = str(moment)
        done = subprocess.run([gate.binary, "-c", str(gate.file), "person", address, "--export",
                               str(path), "--lang", language, *arguments], env=environment,
                              capture_output=True, text=True, timeout=harness.PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.bytes = path.read_bytes()
        self.assertEqual(path.stat().st_mode & 0o7777, 0o600)
        with zipfile.ZipFile(path) as archive:
            self.assertIsNone(archive.testzip())
            names = archive.namelist()
            self.assertEqual(len(names), len(set(names)))
            parts = {name: archive.read(name).decode() for name in names}
        path.unlink()
        return parts

    def send(self, gate, source, recipient, count=1):
        for _ in range(count):
            with smtplib.SMTP("127.0.0.1", gate.port, source_address=(source, 0),
                              timeout=harness.PATIENCE) as client:
                try:
                    client.sendmail("news@acme.example", [recipient],
                                    harness.message("news@acme.example"))
                except smtplib.SMTPRecipientsRefused:
                    pass

    # ---- consent show

    def mask(self, address):
        return address[0] + "•••" + address[address.index("@"):]

    def test_twenty_events_explained(self):
        gate = self.gate()
        address = self.address(gate, "nadia")
        self.history(gate, address)
        question = ("consent", "show", address, "--partner", "acme", "--channel", "email",
                    "--at", AT)
        text = gate.cli(*question)
        text = text.replace(self.mask(address), "MASK")
        text = re.sub(r"(?m)^policy     [0-9a-f]{12}$", "policy     POLICY", text)
        text = re.sub(r"(?m)^(    recorded     ).*$", r"\1NOW", text)
        self.maxDiff = None
        self.assertEqual(text[:len(EXPLAINED)], EXPLAINED)
        others = re.findall(r"(?m)^  ✗ event (\d+) .*rule \S+ ([A-Z_]+): ", text)
        self.assertEqual([(int(event), code) for event, code in others], list(OTHERS.items()))
        history = text[text.index("The history, oldest first."):].splitlines()[2:]
        self.assertEqual(len(history), 20)
        self.assertEqual([line.split()[0] for line in history if line.endswith("relied on")],
                         ["18"])
        self.assertEqual(sum(line.endswith("looked at") for line in history), 10)
        # A verdict that blocks relies on nothing.
        for at, parts in (("2025-06-01T00:00:00Z", {"16": "came nearest"}),
                          ("2024-12-01T00:00:00Z", {"14": "in the way"})):
            text = gate.cli(*question[:-1], at)
            self.assertNotIn("relied on", text)
            history = text[text.index("The history, oldest first."):].splitlines()[2:]
            found = {line.split()[0]: part for line in history for part in parts.values()
                     if line.endswith(part)}
            self.assertLessEqual(parts.items(), found.items())

    def test_the_explanation_for_programs(self):
        gate = self.gate()
        address = self.address(gate, "nadia")
        self.history(gate, address)

        def ask(partner, *arguments):
            text = gate.cli("consent", "show", address, "--partner", partner, "--channel", "email",
                            "--format", "json", *arguments)
            self.assertEqual(text.count("\n"), 1)
            return json.loads(text)
        answer = ask("acme", "--at", AT)
        self.assertEqual((answer["verdict"], answer["reason"], answer["event"], answer["form"]),
                         ("pass", "CONSENT", 18, "jeu@3"))
        self.assertEqual(len(answer["rules"]), 21)
        self.assertEqual(answer["relies_on"]["event"]["evidence"], "entry 7342")
        self.assertEqual(answer["relies_on"]["form"]["wording"],
                         f"J'accepte, version 3.\n{HOSTILE}")
        self.assertEqual(answer["relies_on"]["form"]["partners"], LISTS[3])
        self.assertEqual(len(answer["history"]), 20)
        grants = {grant["event"]: grant["reason"] for grant in answer["grants"]}
        self.assertEqual(grants, {**OTHERS, 18: "CONSENT"})
        self.assertEqual([grant["event"] for grant in answer["grants"] if grant["decides"]], [18])
        self.assertTrue(answer["summary"].startswith("Yes: ACME Voyages SAS may write"))
        # Before the last renewal only the supplier that was stopped spoke for acme.
        answer = ask("acme", "--at", "2025-06-01T00:00:00Z")
        self.assertEqual((answer["verdict"], answer["reason"]), ("block", "SUSPENDED"))
        self.assertTrue(answer["summary"].startswith("No: "), answer["summary"])
        self.assertNotIn(18, [grant["event"] for grant in answer["grants"]])
        # What may be received may not have been agreed to be passed on, and the reverse.
        answer = ask("acme", "--purpose", "transmission", "--at", AT)
        self.assertIn("be passed on to ACME Voyages SAS", answer["summary"])
        # Nothing at all: no event to rest on.
        nobody = self.address(gate, "nobody")
        text = gate.cli("consent", "show", nobody, "--partner", "acme", "--channel", "email")
        self.assertIn("No: ACME Voyages SAS may not write to this person by e-mail. Nothing on "
                      "record says that the person consented.", text)
        self.assertIn("It rests on no event.", text)
        # A partner that is stopped: the grants had no say, and are told of all the same.
        gate.cli("suspend", "partner", "acme", "--reason", "complaint")
        answer = ask("acme", "--at", AT)
        self.assertEqual((answer["verdict"], answer["reason"], answer["event"]),
                         ("block", "SUSPENDED", None))
        self.assertEqual([grant["event"] for grant in answer["grants"] if grant["passes"]], [18])

    # ---- the archive

    def test_archive_agrees_with_log_and_show(self):
        provider = self.scripted({".": f"250 2.0.0 {HOSTILE} queued"})
        gate = self.gate(provider)
        address = self.address(gate, "nadia")
        other = self.address(gate, "other")
        gate.import_events([{"recipient": other, "form": "jeu@3", "partners": "acme",
                             "evidence": "entry of another"}])
        self.history(gate, address)
        for source, count in (("127.0.0.1", 3), ("127.0.0.2", 1), ("127.0.0.4", 2)):
            self.send(gate, source, address, count)
        self.send(gate, "127.0.0.1", other)
        gate.wait_rows(7)
        # A list with both of them, before it is handed to acme.
        screened = f"email\n{other}\n{address}\n"
        gate.cli("screen", "--partner", "acme", "--channel", "email", "-", input=screened)
        self.list = hashlib.sha256(screened.encode()).hexdigest()
        log = [row for row in gate.log_rows("--recipient", address)]
        self.assertEqual(len(log), 7)
        show = [json.loads(line) for line in
                gate.cli("consent", "show", address, "--format", "json").splitlines()]
        for language in ("en", "fr"):
            parts = self.export(gate, address, language=language)
            self.check_parts(parts, language, address, other, log, show)
        # Standing is what consent show answers.
        data = json.loads(parts["person.json"])
        self.assertEqual({entry["partner"] for entry in data["standing"]},
                         {"acme", "beta", "gamma", "delta"})
        for entry in data["standing"]:
            answer = json.loads(gate.cli(
                "consent", "show", address, "--partner", entry["partner"], "--channel",
                entry["channel"], "--purpose", entry["purpose"], "--at", data["drawn_up_at"],
                "--format", "json"))
            for key in ("verdict", "reason", "event"):
                self.assertEqual(entry[key], answer[key], entry)
            self.assertEqual([(rule["rule"], rule["finding"], rule["note"])
                              for rule in entry["rules"]],
                             [(rule["rule"], rule["finding"], rule["note"])
                              for rule in answer["rules"]])

    def check_parts(self, parts, language, address, other, log, show):
        forms = {f"forms/jeu@{version}.json" for version in LISTS} | {"forms/news@1.json"}
        self.assertEqual(set(parts), forms | {
            "LISEZMOI.txt" if language == "fr" else "README.txt", "person.html", "person.json",
            "consent-record.jsonld", "events.csv", "decisions.csv",
            "accesses.csv", "notices.csv"})
        for name, text in parts.items():
            self.assertFalse(other in text, name)
            self.assertFalse("entry of another" in text, name)
            clear = name in ("person.html", "person.json")
            self.assertEqual(address in text, clear, name)
        data = json.loads(parts["person.json"])
        self.assertEqual(data["person"]["address"], address)
        self.assertEqual(data["controller"]["contact"], "dpo@leads.example")
        # Every event once, as consent show has it.
        self.assertEqual([event["id"] for event in data["events"]], [row["id"] for row in show])
        for event, row in zip(data["events"], show):
            for key in ("occurred_at", "event", "channel", "form", "supplier", "evidence"):
                self.assertEqual(event[key], row[key])
        self.assertEqual(sorted(int(row["id"]) for row in self.rows(parts["events.csv"])),
                         list(range(2, 22)))
        # Every decision once, in the order of the journal, with its hash.
        self.assertEqual([row["id"] for row in data["decisions"]], [row["id"] for row in log])
        for row, logged in zip(data["decisions"], log):
            self.assertEqual({key: logged[key] for key in row}, row)
        self.assertEqual([row["hash"] for row in self.rows(parts["decisions.csv"])],
                         [row["hash"] for row in log])
        # Every form once, as it was added.
        self.assertEqual([form["form"] for form in data["forms"]],
                         ["jeu@1", "jeu@2", "jeu@3", "news@1"])
        for form in data["forms"]:
            added = json.loads(parts[form["file"]])
            self.assertEqual(form["wording"], added["wording"])
            self.assertEqual(form["partners"], added["partners"])
        passed = [entry for entry in data["sums"] if entry["passed_on"]]
        self.assertEqual(sum(entry["count"] for entry in passed), 5)
        self.assertEqual([(entry["partner"], entry["purpose"], entry["count"])
                          for entry in passed if entry["list"] == self.list],
                         [("acme", "transmission", 1)])
        # Once where it says what was passed on, once with its decision.
        self.assertEqual(parts["person.html"].count(self.list), 2)
        self.assertEqual([(stop["kind"], stop["id"]) for stop in data["stops"]],
                         [("supplier", "bad")])
        self.check_page(parts["person.html"], language, data)
        self.check_record(json.loads(parts["consent-record.jsonld"]), data)

    def rows(self, text):
        return list(csv.DictReader(io.StringIO(text, newline="")))

    def check_page(self, page, language, data):
        lines = {"en": ["<dd>event 5</dd>", "<dd>events 17, 19</dd>",
                        "on a list that could be released to this partner",
                        "<li>what shows that you gave a consent: 7 years after it has ended",
                        "<li>that you withdrew a consent or objected: 3 years after",
                        "<li>the decisions about you: 400 days after each"],
                 "fr": ["<dd>événement 5</dd>", "<dd>événements 17, 19</dd>",
                        "sur une liste dont la remise à ce partenaire a été permise",
                        "<li>ce qui montre que vous avez donné un consentement\u202f: 7 ans après",
                        "<li>votre retrait d’un consentement ou votre opposition\u202f: 3 ans après",
                        "<li>les décisions qui vous concernent\u202f: 400 jours après chacune"]}
        for text in lines[language]:
            self.assertIn(text, page)
        said = {"en": ["What we hold on you", "You renewed your consent", "Your rights",
                       "taken for delivery", "ACME Voyages SAS", "20\u00a0September\u00a02025"],
                "fr": ["Ce que nous détenons sur vous", "Vous avez renouvelé votre consentement",
                       "Vos droits", "pris en charge pour remise", "ACME Voyages SAS",
                       "20\u00a0septembre\u00a02025"]}
        for text in said[language]:
            self.assertTrue(text in page, text)
        for text in set(said["fr" if language == "en" else "en"]) - {"ACME Voyages SAS"}:
            self.assertFalse(text in page, text)
        for row in data["decisions"]:
            self.assertEqual(page.count(row["id"]), 1)
            self.assertEqual(page.count(row["hash"]), 1)
        for form in data["forms"]:
            self.assertEqual(page.count(f'<section id="{form["form"]}">'), 1)
        # The provider's, the form's and the partner's words are text.
        self.assertFalse("<script" in page)
        self.assertTrue("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; queued" in page)
        self.assertIsNone(re.search(r'(src|href)="(?!#)', page))

    def check_record(self, record, data):
        context, graph = record["@context"], record["@graph"]
        self.assertEqual(context["dpv"], "https://w3id.org/dpv#")
        names = {node["@id"]: node for node in graph if "@id" in node}
        self.assertEqual(len(names), len(graph))
        used = set()

        def walk(value, key=None):
            if isinstance(value, dict):
                for name, inner in value.items():
                    if not name.startswith("@"):
                        self.assertIn(name.split(":")[0], context)
                        used.add(name)
                    walk(inner, name)
            elif isinstance(value, list):
                for inner in value:
                    walk(inner, key)
            elif isinstance(value, str):
                linked = context.get(key, {}).get("@type") == "@id" if key in context else False
                prefix = value.split(":")[0]
                if key == "@type" or (linked and prefix in context) or (
                        key == "@id" and prefix in context):
                    used.add(value)
                elif linked and value.startswith("urn:octroi:"):
                    self.assertIn(value, names, key)
        walk(graph)
        self.assertEqual(used - TERMS, set())
        records = [node for node in graph if node["@type"] == "dpv:ConsentRecord"]
        grants = [event for event in data["events"] if event["event"] in ("given", "renewed")]
        self.assertEqual(len([node for node in records if "dpv:hasProcess" in node]), len(grants))
        by_id = {node["dct:identifier"]: node for node in records}
        for event in grants:
            node = by_id[str(event["id"])]
            first = node["dpv:hasConsentStatus"][0]
            self.assertEqual(first["dpv:isIndicatedAtTime"], event["occurred_at"])
            proven = event["form"] and event["evidence"]
            self.assertEqual(first["@type"],
                             "dpv:ConsentUnknown" if not proven else
                             "dpv:RenewedConsentGiven" if event["event"] == "renewed" else
                             "dpv:ConsentGiven")
        # 6 (acme and beta withdrew later), 18 (nobody did), 4 (its collector was objected to).
        ends = {number: [status["dct:identifier"] for status in
                         by_id[str(number)]["dpv:hasConsentStatus"][1:]]
                for number in self.numbered(data, ("2023-07-01T09:00:00.000000Z",
                                                   "2025-09-20T11:05:00.000000Z",
                                                   "2022-09-01T08:30:00.000000Z"))}
        self.assertEqual([len(found) for found in ends.values()], [3, 0, 3])

    def numbered(self, data, instants):
        return [next(event["id"] for event in data["events"] if event["occurred_at"] == instant)
                for instant in instants]

    def test_what_was_declared_invalid(self):
        gate = self.gate()
        address = self.address(gate, "nadia")
        self.history(gate, address)
        gate.cli("form", "invalidate", "jeu@2", "--reason", "wrong list")
        gate.cli("form", "invalidate", "--supplier", "direct", "--reason", "audit")
        data = json.loads(self.export(gate, address)["person.json"])
        self.assertEqual({(stop["kind"], stop["id"], stop["reason"]) for stop in data["stops"]},
                         {("supplier", "bad", "no proof"), ("form version", "jeu@2", "wrong list"),
                          ("supplier's consents", "direct", "audit")})
        graph = json.loads(self.export(gate, address)["consent-record.jsonld"])["@graph"]
        ends = {node["dct:identifier"]: [status["@type"] for status in node["dpv:hasConsentStatus"]]
                for node in graph if "dpv:hasConsentStatus" in node}
        # 18 came from the supplier; 6 also on the form; 16 from another supplier.
        self.assertEqual(ends["18"][1:], ["dpv:ConsentInvalidated"])
        self.assertEqual(ends["6"][-2:], ["dpv:ConsentInvalidated"] * 2)
        self.assertNotIn("dpv:ConsentInvalidated", ends["16"])

    def test_the_same_state_gives_the_same_bytes(self):
        gate = self.gate()
        address = self.address(gate, "nadia")
        self.history(gate, address)
        self.export(gate, address, moment=1800000000)
        first = self.bytes
        os.environ["TZ"] = "Asia/Tokyo"
        self.addCleanup(os.environ.pop, "TZ", None)
        self.export(gate, address, moment=1800000000)
        self.assertEqual(self.bytes, first)
        one = self.export(gate, address)
        other = self.export(gate, address)
        stated = re.compile(r"\d+\s\w+\s\d{4}, \d\d:\d\d:\d\d\sUTC|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z")
        for name in one:
            self.assertEqual(stated.sub("T", one[name]), stated.sub("T", other[name]), name)

    def test_nothing_is_held(self):
        gate = self.gate()
        somebody = self.address(gate, "nadia")
        self.history(gate, somebody)
        stranger = self.address(gate, "stranger")
        for language, said in (("en", "Nothing is held on you."),
                               ("fr", "Rien n’est détenu sur vous.")):
            parts = self.export(gate, stranger, language=language)
            self.assertIn(said, parts["person.html"])
            data = json.loads(parts["person.json"])
            self.assertFalse(data["person"]["known"])
            self.assertEqual((data["events"], data["decisions"], data["forms"]), ([], [], []))
            self.assertFalse([name for name in parts if name.startswith("forms/")])
        self.assertIn("Nothing is held on this person.", gate.cli("person", stranger))

    def test_an_erased_past_is_no_silence(self):
        """Where the journal has been erased, the page does not say that nothing was passed on."""
        gate = self.gate()
        address = self.address(gate, "nadia")
        self.history(gate, address)
        self.assertIn("Nothing was passed on to anybody.",
                      self.export(gate, address)["person.html"])
        journal = aged.Journal(gate)
        day = aged.ago(days=800)
        journal.begin(day)
        journal.decision("OLD", day)
        journal.add({"type": "configuration", "at": aged.text(day), "version": "x"})
        journal.end(day)
        gate.cli("purge")
        page = self.export(gate, address)["person.html"]
        self.assertNotIn("Nothing was passed on", page)
        self.assertIn("The journal is kept for 400 days.", page)
        self.assertRegex(page, r"Since [^<]{9,30} nothing was passed on to anybody\.")
        page = self.export(gate, self.address(gate, "stranger"), language="fr")["person.html"]
        self.assertIn("Le journal est conservé pendant 400 jours.", page)

    def test_a_partner_that_is_only_observed(self):
        gate = self.gate()
        address = self.address(gate, "nadia")
        self.history(gate, address)
        said = "Pour l’instant, ce partenaire n’est qu’observé"
        self.assertNotIn(said, self.export(gate, address, language="fr")["person.html"])
        for name in ("acme", "delta"): # one that concerns the person, and one that does not
            gate.config["partners"][name]["mode"] = "observe"
        gate.config["partners"]["beta"]["mode"] = "discard" # nothing leaves
        gate.write_config()
        page = self.export(gate, address, language="fr")["person.html"]
        self.assertEqual(page.count(said), 2)
        self.assertIn("Aucun autre partenaire de cette passerelle ne peut vous envoyer d’offres",
                      page)

    def test_the_file(self):
        gate = self.gate()
        address = self.address(gate, "nadia")
        path = self.path("archive")
        done = gate.cli_full("person", address, "--export", path)
        self.assertEqual(done.returncode, 0)
        self.assertNotIn("controller", done.stderr)
        before = path.stat().st_ino
        done = gate.cli_full("person", address, "--export", path)
        self.assertEqual(done.returncode, 1)
        self.assertIn("exists already", done.stderr)
        self.assertEqual(path.stat().st_ino, before)
        gate.cli("person", address, "--export", path, "--force")
        self.assertNotEqual(path.stat().st_ino, before)
        # To standard output, by a pipe.
        done = subprocess.run([gate.binary, "-c", str(gate.file), "person", address, "--export",
                               "-"], capture_output=True, env=harness.sanitizer_environment())
        self.assertEqual(done.returncode, 0, done.stderr)
        with zipfile.ZipFile(io.BytesIO(done.stdout)) as archive:
            self.assertIsNone(archive.testzip())
        # What cannot be answered leaves no file, nor half of one.
        folder = self.path("folder")
        folder.mkdir()
        self.assertEqual(gate.cli_full("person", "no address", "--export",
                                       folder / "a.zip").returncode, 1)
        self.assertEqual(list(folder.iterdir()), [])
        for wrong in (("--lang", "fr"), ("--force",), ("--export", "a", "--format", "json"),
                      ("--export", "a", "--lang", "de")):
            self.assertEqual(gate.cli_full("person", address, *wrong).returncode, 2, wrong)

    def test_nobody_answers(self):
        gate = self.gateway(start=False, providers={"smarthost": harness.smtp_provider(9)})
        done = gate.cli_full("person", self.address(gate), "--export", self.path("archive"))
        self.assertEqual(done.returncode, 0)
        self.assertIn("warning: no controller is configured: the page does not say who answers for "
                      "the data\n", done.stderr)

    def test_the_overview(self):
        gate = self.gate()
        address = self.address(gate, "nadia")
        self.history(gate, address)
        rows = [json.loads(line) for line in
                gate.cli("person", address, "--format", "json").splitlines()]
        found = {(row["partner"], row["channel"]): (row["offers"], row["reason"]) for row in rows}
        self.assertEqual(found["acme", "email"], ("pass", "CONSENT"))
        self.assertEqual(found["acme", "post"], ("block", "WITHDRAWN"))
        # delta was never shown, spoken of or decided about, and may not write.
        self.assertEqual(len(rows), 6)
        text = gate.cli("person", address)
        self.assertIn("20 events, 4 form versions, 3 suppliers, 0 decisions", text)
        self.assertNotIn(address, text)

    def test_many_decisions_take_no_memory(self):
        """A person with many decisions costs what one with few costs."""
        if harness.plain_path() is None:
            self.skipTest("memory is measured on a plain build")
        provider = self.scripted()
        gate = self.gateway(provider, binary=harness.plain_path())
        address = self.person(gate)

        def peak():
            path = self.path("archive")
            done = subprocess.run(
                ["/usr/bin/python3", "-c",
                 "import resource, subprocess, sys; code = subprocess.run(sys.argv[1:]).returncode;"
                 "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)",
                 gate.binary, "-c", gate.file, "person", address, "--export", path],
                capture_output=True, text=True, check=True)
            with zipfile.ZipFile(path) as archive:
                count = len(json.loads(archive.read("person.json"))["decisions"])
            return int(done.stdout), count
        self.send(gate, "127.0.0.1", address)
        gate.wait_rows(1)
        few, _ = peak()
        sent = 4000
        with smtplib.SMTP("127.0.0.1", gate.port, timeout=harness.PATIENCE) as client:
            client.ehlo()
            for _ in range(sent // 500):
                client.mail("news@acme.example")
                for _ in range(500):
                    client.rcpt(address)
                client.rset()
        gate.wait_rows(2, complete=False)
        gate.stop()
        many, count = peak()
        self.assertGreater(count, sent // 2)
        # The index's own cache grows a little with the file; the decisions themselves are 3 MB.
        self.assertLess(many - few, 6000, f"{few} kB with one decision, {many} kB with {count}")
