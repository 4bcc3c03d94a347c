# SPDX-License-Identifier: Apache-2.0
"""Consent events over the interface for programs: one and many, what is refused and why, partners'
own tokens, what a withdrawal does to the next mail, and that what was answered survives a kill."""

import json
import random
import threading

import api_harness
import harness
from api_harness import records


def event(recipient, kind="withdrawn", **more):
    given = {"form": "jeu-ete@1", "evidence": "click 4711"} if kind == "given" else {}
    return {"recipient": recipient, "channel": "email", "event": kind,
            "occurred_at": harness.instant(3600), **given, **more}


class Events(api_harness.ApiTest):
    def verdict(self, gateway, address, partner="acme"):
        return self.post(gateway, self.token(gateway, "check"), "/v1/check",
                         {"recipient": address, "partner": partner, "channel": "email"})["reason"]

    def test_a_withdrawal_counts_with_the_next_mail(self):
        provider = self.scripted()
        gateway = self.gate(provider)
        person = self.person(gateway)
        wire = self.wire(gateway)
        wire.hello()
        wire.say("MAIL FROM:<news@acme.example>", 250)
        wire.say(f"RCPT TO:<{person}>", 250)
        answer = self.post(gateway, self.token(gateway, "events"), "/v1/events", event(person))
        self.assertEqual((answer.status, answer["taken"], answer["events"]),
                         (200, 1, [{"status": "taken"}]), answer)
        wire.say("RSET", 250)
        wire.say("MAIL FROM:<news@acme.example>", 250)
        ref = self.assertBlocked(wire.say(f"RCPT TO:<{person}>"), "WITHDRAWN")
        self.assertEqual(self.verdict(gateway, person), "WITHDRAWN")
        row = records(gateway, "event.add")[-1]
        shown = self.get(gateway, self.token(gateway, "decisions"), f"/v1/decisions/{ref}")
        self.assertEqual((row["who"], row["answer"], row["count"], row["recipient_key"]),
                         ("token events", "taken", 1, shown["recipient_key"]))
        # And who looked at that decision, the person can learn, too.
        look = records(gateway, "decision.read")[-1]
        self.assertEqual((look["subject"], look["recipient_key"], look["recipient"]),
                         (ref, shown["recipient_key"], shown["recipient"]))

    def test_a_life_of_consent(self):
        gateway = self.gate()
        gateway.add_form()
        person = self.address(gateway)
        token = self.token(gateway, "events")
        self.assertEqual(self.verdict(gateway, person), "NO_CONSENT")
        steps = [("given", 3000, "CONSENT"), ("withdrawn", 2000, "WITHDRAWN"),
                 ("given", 2500, "WITHDRAWN"), ("given", 1000, "CONSENT"),
                 ("objected", 500, "OBJECTED")]
        for kind, ago, reason in steps:
            answer = self.post(gateway, token, "/v1/events",
                               event(person, kind, occurred_at=harness.instant(ago)))
            self.assertEqual(answer["taken"], 1)
            self.assertEqual(self.verdict(gateway, person), reason, (kind, ago))
        # The same again is there already, changes nothing, and was a look at the person.
        known = event(person, "objected", occurred_at="2026-01-05T00:00:00+01:00")
        self.assertEqual(self.post(gateway, token, "/v1/events", known)["taken"], 1)
        answer = self.post(gateway, token, "/v1/events", known)
        self.assertEqual((answer["taken"], answer["there_already"]), (0, 1))
        self.assertEqual([row["answer"] for row in records(gateway, "event.add")],
                         ["taken"] * 6 + ["there already"])
        # Who brought them stays with the events.
        with_person = self.post(gateway, self.token(gateway, "persons"), "/v1/persons",
                                {"recipient": person})
        self.assertEqual({one["origin"] for one in with_person["events"]}, {"token events"})

    def test_what_is_refused(self):
        gateway = self.gate()
        gateway.add_form()
        person, token = self.address(gateway), self.token(gateway, "events")
        rows = [
            (event("hello"), "recipient"),
            (event(17), "recipient"),
            (event(None), "recipient"),
            ({"channel": "email", "event": "withdrawn", "occurred_at": harness.instant()},
             "recipient"),
            (event(person, channel="fax"), "channel"),
            (event(person, channel=[]), "channel"),
            (event(person, channel=["email", 1]), "channel"),
            (event(person, channel=["email|sms"]), "channel"),
            (event(person, channel="sms"), "channel"),
            (event(person, "forgiven"), "event"),
            (event(person, occurred_at="yesterday"), "occurred_at"),
            (event(person, occurred_at="2026-01-01"), "occurred_at"),
            (event(person, "given", occurred_at="2099-01-01T00:00:00Z"), "future"),
            (event(person, "given", form="jeu-ete@9"), "form"),
            (event(person, "given", form=17), "form"),
            (event(person, partners=["acme "]), "partners"),
            (event(person, partners="acme"), "partners"),
            (event(person, partners=["acmee"]), "partners"),
            (event(person, "given", basis="because"), "basis"),
            (event(person, evidence="x" * 20000), "evidence"),
            (event(person, supplier=person), "supplier"),
            (event(person, surprise=1), "member"),
        ]
        for body, says in rows:
            answer = self.post(gateway, token, "/v1/events", body)
            self.assertProblem(answer, 422, "event", says)
        for body, says in [({"events": []}, "1 to 1000"), ({"events": [{}] * 1001}, "1 to 1000"),
                           ({"events": {}}, "1 to 1000"),
                           ({"events": [event(person)], "partner": "acme"}, "unknown member")]:
            self.assertProblem(self.post(gateway, token, "/v1/events", body), 400, "malformed",
                               says)
        for body in (b"", b"{", b"[]", b"null", b"17", b'{"recipient":"a","recipient":"b"}',
                     b'{"recipient":"\\u0000"}', b"\xff\xfe", b"[" * 5000):
            self.assertProblem(self.post(gateway, token, "/v1/events", body), 400, "malformed")
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""):
            answer = self.post(gateway, token, "/v1/events", event(person), Content_Type=kind)
            self.assertProblem(answer, 415, "media-type")
        self.assertEqual(records(gateway, "event.add"), [])
        self.assertEqual(self.verdict(gateway, person), "NO_CONSENT")

    def test_a_thousand_good_and_bad(self):
        gateway = self.gate()
        gateway.add_form()
        chance = random.Random(4711)
        people = [self.address(gateway, f"p{number}") for number in range(400)]
        bad = [lambda who: event(who, channel="sms"), lambda who: event(who, "given", form="no@1"),
               lambda who: {}, lambda who: 17, lambda who: event("x"),
               lambda who: event(who, occurred_at="")]
        batch, expected, seen = [], [], set()
        while len(batch) < 1000:
            who = chance.choice(people)
            if chance.random() < 0.3:
                batch.append(chance.choice(bad)(who))
                expected.append("refused")
                continue
            one = event(who, chance.choice(["given", "withdrawn", "active"]),
                        occurred_at=harness.instant(3600 + chance.randrange(3)))
            expected.append("there-already" if json.dumps(one) in seen else "taken")
            seen.add(json.dumps(one))
            batch.append(one)
        answer = self.post(gateway, self.token(gateway, "events"), "/v1/events", {"events": batch},
                           key="batch 1")
        gateway.kill9()  # what was answered is durable
        self.assertEqual([one["status"] for one in answer["events"]], expected)
        self.assertEqual({name: answer[name] for name in ("taken", "there_already", "refused")},
                         {name: expected.count(name.replace("_", "-"))
                          for name in ("taken", "there_already", "refused")})
        for one in answer["events"]:
            self.assertEqual("why" in one, one["status"] == "refused")
        gateway.start(environment=self.environment)
        self.assertEqual(json.loads(gateway.cli("verify", "--format", "json").splitlines()[0])
                         is not None, True)
        # Nothing more is taken, and nothing was lost.
        again = self.post(gateway, self.token(gateway, "events"), "/v1/events", {"events": batch},
                          key="batch 1")
        self.assertEqual((again["taken"], again["refused"]), (0, answer["refused"]))
        self.assertEqual([row["count"] for row in records(gateway, "event.add")],
                         [answer["taken"], None])

    def test_answered_means_durable(self):
        """Killed while several hand in: what was answered is there, and the journal holds."""
        gateway = self.gate()
        token = self.token(gateway, "events")
        taken, lock = [], threading.Lock()

        def client(number):
            connection = self.connect(gateway)
            try:
                for turn in range(10000):
                    person = harness.unique(f"kill{number}x{turn}")
                    answer = self.post(gateway, token, "/v1/events", event(person),
                                       connection=connection)
                    with lock:
                        gateway.addresses.add(person)
                        taken.append((answer["taken"], person))
            except (OSError, api_harness.http.client.HTTPException):
                pass  # killed
        threads = [threading.Thread(target=client, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        harness.wait_for("some events", lambda: len(taken) > 60)
        gateway.kill9()
        for thread in threads:
            thread.join()
        gateway.start(environment=self.environment)
        self.assertEqual({count for count, _ in taken}, {1})
        for _, person in taken[-20:]:
            self.assertEqual(self.verdict(gateway, person), "WITHDRAWN")
        self.assertGreaterEqual(len(records(gateway, "event.add")), len(taken))
        gateway.verify()

    def test_once_for_each_key(self):
        gateway = self.gate()
        token, other = self.token(gateway, "events"), self.token(gateway, "events", "other")
        one, two = event(self.address(gateway)), event(self.address(gateway))
        first = self.post(gateway, token, "/v1/events", one, key="k1")
        again = self.post(gateway, token, "/v1/events", one, key="k1")
        self.assertEqual((again.status, again.value), (200, first.value))
        self.assertEqual(again["taken"], 1)
        self.assertEqual(len(records(gateway, "event.add")), 1)
        self.assertProblem(self.post(gateway, token, "/v1/events", two, key="k1"), 422,
                           "key-reused")
        self.assertEqual(self.verdict(gateway, two["recipient"]), "NO_CONSENT")
        # Another's key is another key; without one it is done again, and says so.
        self.assertEqual(self.post(gateway, other, "/v1/events", two, key="k1")["taken"], 1)
        self.assertEqual(self.post(gateway, token, "/v1/events", one)["there_already"], 1)
        # What was refused is not remembered.
        bad = event(self.address(gateway), "given", form="late@1")
        self.assertProblem(self.post(gateway, token, "/v1/events", bad, key="k2"), 422, "event")
        gateway.add_form(id="late")
        self.assertEqual(self.post(gateway, token, "/v1/events", bad, key="k2")["taken"], 1)
        for key in ("x" * 256, "\x01", "\xff"):
            answer = self.post(gateway, token, "/v1/events", one, key=key)
            self.assertProblem(answer, 400, "malformed", "Idempotency-Key")

    def test_a_partner_s_token(self):
        gateway = self.gate()
        gateway.add_form(partners=["acme", "beta"])
        gateway.has_form = True
        person = self.person(gateway)
        own = self.token(gateway, "check|events", partner="acme")

        def told(body):
            return self.post(gateway, own, "/v1/events", body)
        for body, member in [
                (event(person, "given"), "event"), (event(person, "renewed"), "event"),
                (event(person, "active"), "event"), (event(person), "partners"),
                (event(person, partners=[]), "partners"),
                (event(person, partners=["beta"]), "partners"),
                (event(person, partners=["acme", "beta"]), "partners"),
                (event(person, partners=["nobody"]), "partners"),
                (event(person, partners=["acme"], form="jeu-ete@1"), "form"),
                (event(person, partners=["acme"], form="secret@1"), "form"),
                (event(person, partners=["acme"], supplier="someone"), "supplier")]:
            self.assertProblem(told(body), 422, "event", member)
        mixed = told({"events": [event(person, partners=["beta"]), event(person, "given")]})
        self.assertEqual((mixed["refused"], mixed["taken"]), (2, 0))
        self.assertEqual(self.verdict(gateway, person), "CONSENT")
        self.assertEqual(records(gateway, "event.add"), [])
        self.assertEqual(told(event(person, partners=["acme"]))["taken"], 1)
        self.assertEqual(self.verdict(gateway, person), "WITHDRAWN")
        self.assertEqual(self.verdict(gateway, person, "beta"), "CONSENT")
        row = records(gateway, "event.add")[0]
        self.assertEqual((row["who"], row["partner"]), ("token check-acme", "acme"))
        # Names: its own alone.
        body = {"recipient": person, "partner": "acme", "identifier": "crm-1"}
        self.assertEqual(self.post(gateway, own, "/v1/identifiers", body).status, 200)
        for partner in ("beta", "nobody"):
            self.assertProblem(self.post(gateway, own, "/v1/identifiers",
                                         {**body, "partner": partner}), 403, "other-partner")
        # And all else is not for it.
        for (method, path), operation in api_harness.operations().items():
            scope = (operation["security"] or [{"token": ["none"]}])[0]["token"][0]
            if scope in ("check", "events", "none"):
                continue
            target = path.replace("{id}", "1").replace("{version}", "1")
            self.assertProblem(self.ask(gateway, own, method, target,
                                        {} if method == "POST" else None), 403, "scope")

    def test_a_partner_says_the_same_once(self):
        """However often, at whatever moments: only what says something new is kept."""
        gateway = self.gate()
        gateway.add_form(partners=["acme", "beta"])
        gateway.has_form = True
        person = self.person(gateway)
        own = self.token(gateway, "check|events", partner="acme")

        def stops(moments, kind="withdrawn"):
            answer = self.post(gateway, own, "/v1/events", {"events": [
                event(person, kind, partners=["acme"], occurred_at=harness.instant(ago))
                for ago in moments]})
            return answer["taken"], answer["there_already"]
        self.assertEqual(self.verdict(gateway, person), "CONSENT")
        self.assertEqual(stops(range(3600, 2600, -1)), (1, 999))
        self.assertEqual(stops(range(90000, 89000, -1)), (0, 1000))  # all before the first
        self.assertEqual(self.verdict(gateway, person), "WITHDRAWN")
        self.assertEqual(stops([60, 59, 58], "objected"), (1, 2))  # which says more
        self.assertEqual(stops([50, 49, 48]), (0, 3))
        # A grant given since is taken back, whenever it is told.
        gateway.import_events([{"recipient": person, "occurred_at": harness.instant(30),
                                "evidence": "again"}])
        self.assertEqual(self.verdict(gateway, person), "CONSENT")
        self.assertEqual(stops([40, 20, 19, 18]), (1, 3))
        self.assertIn(self.verdict(gateway, person), ("WITHDRAWN", "OBJECTED"))

    def test_a_partner_is_not_told_of_others(self):
        """Asked with its own token it learns the reason, as it does when it sends, and no more."""
        gateway = self.gate()
        gateway.add_form(partners=["beta"])
        person = self.address(gateway)
        gateway.import_events([{"recipient": person}])
        own = self.token(gateway, "check", partner="acme")
        question = {"recipient": person, "partner": "acme", "channel": "email"}
        answer = self.post(gateway, own, "/v1/check", question)
        self.assertEqual((answer["reason"], answer["event"], answer["form"]),
                         ("PARTNER_NOT_SHOWN", None, None))
        self.assertProblem(self.post(gateway, own, "/v1/check", {**question, "explain": True}), 403,
                           "other-partner")
        full = self.post(gateway, self.token(gateway, "check"), "/v1/check",
                         {**question, "explain": True})
        self.assertIn("jeu-ete", json.dumps(full.value))
        self.assertNotIn("jeu-ete", json.dumps(answer.value))

    def test_identifiers(self):
        gateway = self.gate()
        person, token = self.address(gateway), self.token(gateway, "events")
        body = {"recipient": person, "partner": "acme", "identifier": "crm-4711"}
        self.assertEqual(self.post(gateway, token, "/v1/identifiers", body).status, 200)
        self.assertEqual(self.post(gateway, token, "/v1/identifiers",
                                   {**body, "identifier": ""}).status, 200)
        self.assertEqual([(row["answer"], row["partner"]) for row in
                          records(gateway, "identifier.set")],
                         [("set", "acme"), ("forgotten", "acme")])
        for change, status, problem in [
                ({"partner": "nobody"}, 422, "unknown-partner"), ({"partner": 1}, 400, "malformed"),
                ({"recipient": "x"}, 422, "bad-recipient"), ({"recipient": None}, 400, "malformed"),
                ({"identifier": "x" * 257}, 400, "malformed"), ({"identifier": "a\nb"}, 400,
                                                                "malformed"),
                ({"identifier": person}, 400, "malformed"), ({"x": 1}, 400, "malformed"),
                ({"recipient": "+33 6 12 34 56 71", "identifier": "33612345671"}, 400, "malformed"),
                ({"recipient": "+33 6 12 34 56 71", "identifier": "06 12 34 56 71"}, 400,
                 "malformed")]:
            answer = self.post(gateway, token, "/v1/identifiers", {**body, **change})
            self.assertProblem(answer, status, problem)
