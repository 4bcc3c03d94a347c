# SPDX-License-Identifier: Apache-2.0
"""The immediate stop beside a gateway under load: what is suspended or invalidated is blocked from
the very next verdict on, measured over SMTP, and what is resumed passes again as soon. And
invalidation in bulk: who falls, that a dry run changes nothing, that nothing is deleted."""

import itertools
import json
import statistics
import threading
import time

import harness
import load


class Probe:
    """A thread that asks for one recipient again and again, each time in a session of its own, and
    remembers when it asked, when it was answered, and what."""

    def __init__(self, test, gate, recipient):
        self.recipient = recipient
        self.answers = []  # (asked, answered, code, reason)
        self.broken = []
        self.gate = gate
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        test.addCleanup(self.stop)
        self.thread.start()
        harness.wait_for("the first answer", lambda: self.answers)

    def _run(self):
        while not self.stopping.is_set():
            try:
                self._ask()
            except (OSError, EOFError, AssertionError) as problem:
                self.broken.append(repr(problem))

    def _ask(self):
        wire = harness.Wire(self.gate.port)
        try:
            wire.hello()
            wire.say(f"MAIL FROM:<{load.SENDER}>", 250)
            asked = time.monotonic()
            code, text = wire.say(f"RCPT TO:<{self.recipient}>")
            self.answers.append((asked, time.monotonic(), code, text.split()[1]))
            wire.say("QUIT")
        finally:
            wire.close()

    def stop(self):
        self.stopping.set()
        self.thread.join(harness.PATIENCE)

    def after(self, moment, count=3):
        """The answers to what was asked after that moment, once there are so many."""
        return harness.wait_for("answers", lambda: (
            [each for each in list(self.answers) if each[0] > moment][count - 1:] and
            [each for each in list(self.answers) if each[0] > moment]))


class UnderLoad(harness.IntegrationTest):
    timeout = 300

    def setUp(self):
        super().setUp()
        self.recorder = load.Recorder(self)
        self.gate = self.gateway(self.recorder, partners={
            "acme": harness.partner({"news": harness.email_stream()})})
        gate = self.gate
        self.addCleanup(gate.addresses.clear)  # thousands of files would be read for each
        gate.add_form()
        gate.add_form(id="quiz")
        self.bought, self.own = "bought@example.org", "own@example.org"
        gate.import_events([{"recipient": self.bought, "supplier": "leads-sarl"},
                            {"recipient": self.own, "form": "quiz@1"}])
        people = [f"crowd{i}@example.org" for i in range(60)]
        gate.import_events([{"recipient": each, "form": "quiz@1"} for each in people])
        strangers = (f"no{i}@example.org" for i in itertools.count())
        # They go on whatever the test does: some of it is refused, none may be lost or hang.
        self.crowd = load.Load(gate.port, 8, itertools.cycle(people), strangers)
        self.probe = Probe(self, gate, self.bought)
        self.control = Probe(self, gate, self.own)
        self.spans = []

    def finish(self):
        self.probe.stop()
        self.control.stop()
        self.crowd.stop()
        self.assertEqual((self.crowd.broken, self.crowd.other), ([], []))
        self.assertEqual((self.probe.broken, self.control.broken), ([], []))
        print(f"\n{len(self.spans)} changes: the first verdict that followed came "
              f"{statistics.median(self.spans) * 1000:.1f} ms (median) after the command, "
              f"{max(self.spans) * 1000:.1f} ms at most; {len(self.probe.answers)} probes, "
              f"{len(self.crowd.passed)} + {len(self.crowd.refused)} other answers")

    def change(self, *command, code, reason=None, control=True):
        """Runs the command; from its end on each answer to the probe must be that."""
        self.gate.cli(*command)
        done = time.monotonic()
        answers = self.probe.after(done)
        self.spans.append(answers[0][1] - done)
        # Usually some milliseconds: what is told is the order. A disk may take its time.
        self.assertLess(self.spans[-1], 10)
        for asked, _, got, why in answers:
            self.assertEqual(got, code, f"{command}: asked {asked - done:.3f} s after it")
            if reason:
                self.assertEqual(why, reason, command)
        if control:
            self.assertEqual({each[2] for each in self.control.after(done)}, {250}, command)

    def test_suspend_and_resume(self):
        """Every kind, three times over; what does not rest on the form or supplier goes on."""
        for _ in range(3):
            for kind, name, others in (("supplier", "leads-sarl", True), ("form", "jeu-ete", True),
                                       ("stream", "acme/news", False), ("partner", "acme", False)):
                self.change("suspend", kind, name, "--reason", "audit", code=550,
                            reason="SUSPENDED", control=others)
                self.change("resume", kind, name, "--reason", "settled", code=250)
        self.finish()

    def test_invalidate_a_supplier(self):
        self.change("form", "invalidate", "--supplier", "leads-sarl", "--dry-run", code=250)
        self.change("form", "invalidate", "--supplier", "leads-sarl", "--reason", "no proof",
                    code=550, reason="FORM_INVALID")
        # For good, and distinct from a suspension.
        self.change("suspend", "supplier", "leads-sarl", "--reason", "too", code=550,
                    reason="SUSPENDED")
        self.change("resume", "supplier", "leads-sarl", "--reason", "x", code=550,
                    reason="FORM_INVALID")
        self.finish()

    def test_invalidate_a_form(self):
        self.change("form", "invalidate", "jeu-ete", "--reason", "misled", code=550,
                    reason="FORM_INVALID")
        self.finish()


class Bulk(harness.IntegrationTest):
    def setUp(self):
        super().setUp()
        self.gate = self.gateway(start=False, providers={
            "smarthost": harness.smtp_provider(harness.free_port())})
        gate = self.gate
        gate.add_form()
        gate.add_form(version=2, effective_from="2025-01-01T00:00:00Z")
        gate.add_form(id="quiz", collector={"name": "Autre SAS", "siren": ""})
        self.people = [self.address(gate, f"person{i}") for i in range(3)]
        one, two, three = self.people
        gate.import_events([
            {"recipient": one, "occurred_at": "2024-05-01T00:00:00Z", "supplier": "leads-sarl"},
            {"recipient": one, "form": "jeu-ete@2", "occurred_at": "2025-05-01T00:00:00Z"},
            {"recipient": two, "form": "jeu-ete@2", "occurred_at": "2025-05-01T00:00:00Z"},
            {"recipient": three, "form": "quiz@1", "supplier": "leads-sarl"}])

    def reason(self, who):
        answer = json.loads(self.gate.cli("consent", "show", who, "--partner", "acme", "--channel",
                                          "email", "--format", "json"))
        return answer["reason"]

    def forms(self):
        lines = self.gate.cli("form", "list", "--format", "json").splitlines()
        return {f"{form['id']}@{form['version']}": form for form in map(json.loads, lines)}

    def test_a_dry_run_counts_and_changes_nothing(self):
        before = self.gate.cli("form", "list")
        self.assertEqual(
            self.gate.cli("form", "invalidate", "jeu-ete", "--dry-run"),
            "form jeu-ete@1: 1 grant of 1 person\nform jeu-ete@2: 2 grants of 2 persons\n"
            "nothing changed, as asked; in all 3 grants of 2 persons would count no more, for "
            "good\n")
        self.assertEqual(
            self.gate.cli("form", "invalidate", "quiz@1", "--collector", "987654321",
                          "--supplier", "leads-sarl", "--dry-run").splitlines()[-1],
            "nothing changed, as asked; in all 4 grants of 3 persons would count no more, for good")
        self.assertEqual(self.gate.cli("form", "list"), before)
        self.assertEqual([self.reason(who) for who in self.people], ["CONSENT"] * 3)

    def test_every_version_of_a_form(self):
        said = self.gate.cli("form", "invalidate", "jeu-ete", "--reason", "misled")
        self.assertEqual(said, "invalid, from the next verdict on; all events and their evidence "
                         "are kept\nform jeu-ete@1: 1 grant of 1 person\n"
                         "form jeu-ete@2: 2 grants of 2 persons\n"
                         "in all 3 grants of 2 persons count no more\n")
        self.assertEqual([self.reason(who) for who in self.people],
                         ["FORM_INVALID", "FORM_INVALID", "CONSENT"])
        forms = self.forms()
        self.assertEqual({name for name, form in forms.items() if form["invalid_reason"]},
                         {"jeu-ete@1", "jeu-ete@2"})
        self.assertEqual(forms["jeu-ete@2"]["events"], 2)
        history = self.gate.cli("consent", "show", self.people[0], "--format", "json")
        self.assertEqual(len(history.splitlines()), 2)
        self.gate.cli("form", "invalidate", "jeu-ete", "--reason", "again", expect=1)
        self.assertIn("every version of form jeu-ete is invalid already", self.gate.errors)

    def test_a_collector_by_its_name(self):
        self.gate.cli("form", "invalidate", "--collector", "autre sas", "--reason", "unknown")
        self.assertEqual([self.reason(who) for who in self.people],
                         ["CONSENT", "CONSENT", "FORM_INVALID"])

    def test_a_supplier(self):
        self.gate.cli("form", "invalidate", "--supplier", "leads-sarl", "--reason", "no proof")
        self.assertEqual([self.reason(who) for who in self.people],
                         ["CONSENT", "CONSENT", "FORM_INVALID"])
        forms = self.forms()
        self.assertEqual({name: form["invalid_suppliers"] for name, form in forms.items()},
                         {"jeu-ete@1": ["leads-sarl"], "jeu-ete@2": [], "quiz@1": ["leads-sarl"]})
        self.assertIsNone(forms["quiz@1"]["invalidated_at"])
        shown = self.gate.cli("form", "show", "quiz@1")
        self.assertRegex(shown, r"supplier +leads-sarl\nINVALID +since \S+: no consent it brought "
                                r"passes\nbecause +no proof\n")
        self.assertNotIn("INVALID", self.gate.cli("form", "show", "jeu-ete@2"))
        explained = self.gate.cli("consent", "show", self.people[2], "--partner", "acme",
                                  "--channel", "email")
        self.assertIn("All grants of the supplier that brought this one were invalidated.",
                      explained)
        # A list is not handed over on it either.
        listed, blocked = self.path("list"), self.path("blocked")
        listed.write_text("email\n" + "".join(f"{who}\n" for who in self.people))
        passed = self.gate.cli("screen", "--partner", "acme", "--channel", "email", "--blocked",
                               blocked, listed)
        self.assertEqual(passed.splitlines(), ["email", *self.people[:2]])
        self.assertIn(f"{self.people[2]},FORM_INVALID,", blocked.read_text())
        # What it brings from now on is kept, and does not pass either.
        late = self.address(self.gate, "late")
        self.gate.import_events([{"recipient": late, "form": "quiz@1", "supplier": "leads-sarl"}])
        self.assertEqual(self.reason(late), "FORM_INVALID")

    def test_together_or_not_at_all(self):
        for arguments, code, text in (
                (["jeu-ete", "quiz@9"], 1, "form quiz@9 is not registered"),
                (["jeu-ete", "--supplier", "nobody"], 1, 'supplier "nobody" is not in'),
                (["none"], 1, "form none is not registered"),
                (["--collector", "nobody"], 1, 'no form of collector "nobody" is registered'),
                (["jeu-ete@0"], 2, "ID@VERSION"), (["@1"], 2, "ID@VERSION"),
                ([], 2, "is missing")):
            with self.subTest(arguments):
                self.gate.cli("form", "invalidate", *arguments, "--reason", "x", expect=code)
                self.assertIn(text, self.gate.errors)
        self.gate.cli("form", "invalidate", "jeu-ete", expect=2)
        self.assertIn("--reason is missing", self.gate.errors)
        self.assertEqual([self.reason(who) for who in self.people], ["CONSENT"] * 3)
