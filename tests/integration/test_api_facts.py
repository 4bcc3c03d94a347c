# SPDX-License-Identifier: Apache-2.0
"""Partners, forms, stops and notices over the interface for programs."""

import json
import threading

import api_harness
import harness
from api_harness import records

STOP = {"kind": "partner", "id": "acme", "reason": "complaints of people"}


class Facts(api_harness.ApiTest):
    def test_a_stop_counts_at_once(self):
        gateway = self.gate(self.scripted())
        person = self.person(gateway)
        officer, reader = self.token(gateway, "suspensions"), self.token(gateway, "reports")

        def told():
            wire = self.wire(gateway)
            wire.hello()
            wire.say("MAIL FROM:<news@acme.example>", 250)
            return wire.say(f"RCPT TO:<{person}>")
        self.assertEqual(told()[0], 250)
        for kind, name in [("partner", "acme"), ("stream", "acme/news"), ("form", "jeu-ete")]:
            body = {**STOP, "kind": kind, "id": name}
            answer = self.post(gateway, officer, "/v1/suspensions", body)
            self.assertEqual((answer.status, answer["suspended"], answer["id"]), (201, True, name))
            self.assertBlocked(told(), "SUSPENDED")
            self.assertProblem(self.post(gateway, officer, "/v1/suspensions", body), 409,
                               "no-change")
            held = self.get(gateway, reader, f"/v1/suspensions?in_force=true&kind={kind}")
            self.assertEqual([(row["id"], row["reason"]) for row in held["suspensions"]],
                             [(name, STOP["reason"])])
            answer = self.post(gateway, officer, "/v1/resumptions", body)
            self.assertEqual((answer.status, answer["suspended"]), (200, False))
            self.assertProblem(self.post(gateway, officer, "/v1/resumptions", body), 409,
                               "no-change")
            self.assertEqual(told()[0], 250)
        self.assertEqual(self.get(gateway, reader, "/v1/suspensions?in_force=true")["suspensions"],
                         [])
        all_of_them = self.get(gateway, reader, "/v1/suspensions?in_force=false")["suspensions"]
        self.assertEqual([row["kind"] for row in all_of_them], ["partner", "stream", "form"])
        self.assertEqual([(row["act"], row["subject"], row["partner"]) for row in records(gateway)
                          if row["act"] in ("suspend", "resume")][:4],
                         [("suspend", "acme", "acme"), ("resume", "acme", "acme"),
                          ("suspend", "acme/news", None), ("resume", "acme/news", None)])

    def test_stops_that_are_refused(self):
        gateway = self.gate()
        officer = self.token(gateway, "suspensions")
        person = self.address(gateway)
        for path in ("/v1/suspensions", "/v1/resumptions"):
            for change in ({"kind": "person"}, {"kind": 1}, {"kind": None}, {"id": ""}, {"id": 1},
                           {"reason": ""}, {"reason": "x" * 1001}, {"reason": "a\nb"}, {"x": 1}):
                self.assertProblem(self.post(gateway, officer, path, {**STOP, **change}), 400,
                                   "malformed")
        for kind in ("partner", "stream", "form", "supplier"):
            for name in ("nobody", "acme/nothing", "acme/", "/", "x@1", "jeu-ete@99999999999"):
                self.assertProblem(self.post(gateway, officer, "/v1/suspensions",
                                             {**STOP, "kind": kind, "id": name}), 404, "not-found")
        self.assertEqual(records(gateway, "suspend"), [])
        # What is named is not repeated: it may be anything.
        answer = self.post(gateway, officer, "/v1/resumptions", {**STOP, "id": person})
        self.assertProblem(answer, 409, "no-change", "It is not suspended.")
        # An address in a reason does not come to rest.
        answer = self.post(gateway, officer, "/v1/suspensions",
                           {**STOP, "reason": f"{person} and +33 6 12 34 56 78 complain"})
        self.assertEqual(answer.status, 201)
        shown = self.get(gateway, self.token(gateway, "reports"), "/v1/suspensions").value
        self.assertNotIn("12 34 56 78", json.dumps(shown))
        self.assertIn("complain", json.dumps(shown))

    def test_asked_at_once_it_is_done_once(self):
        gateway = self.gate()
        officer = self.token(gateway, "suspensions")
        for keyed in (False, True):
            answers = []

            def client(number, answers=answers, keyed=keyed):
                answers.append(self.post(gateway, officer, "/v1/suspensions", STOP,
                                         key="one" if keyed else f"{number}"))
            threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            problems = {answer.problem for answer in answers if answer.status != 201}
            if keyed:  # each has the answer, or may ask for it again
                self.assertLessEqual(problems, {"in-progress"})
                bodies = {json.dumps(answer.value) for answer in answers if answer.status == 201}
                self.assertEqual(len(bodies), 1)
            else:
                self.assertEqual([answer.status for answer in answers].count(201), 1)
                self.assertEqual(problems, {"no-change"})
            self.post(gateway, officer, "/v1/resumptions", STOP)
        self.assertEqual(len(records(gateway, "suspend")), 2)

    def test_partners(self):
        gateway = self.gate()
        reader = self.token(gateway, "reports")
        listed = self.get(gateway, reader, "/v1/partners")["partners"]
        self.assertEqual([(one["id"], one["suspended"]) for one in listed],
                         [("acme", False), ("beta", False)])
        gateway.cli("suspend", "stream", "acme/news", "--reason", "a test")
        one = self.get(gateway, reader, "/v1/partners/acme")
        self.assertEqual([(stream["id"], stream["suspended"]) for stream in one["streams"]],
                         [("news", True)])
        self.assertFalse(one["suspended"])
        for name in ("nobody", "%00", "%2F", "acme%00", "acme%2Fnews", "%E2%82%AC", "x" * 3000):
            self.assertProblem(self.get(gateway, reader, f"/v1/partners/{name}"), 404, "not-found")

    def test_forms(self):
        gateway = self.gate()
        writer, reader = self.token(gateway, "forms"), self.token(gateway, "reports")
        self.assertEqual(self.get(gateway, reader, "/v1/forms")["forms"], [])
        form = {**harness.FORM, "wording": "J'accepte … €"}
        answer = self.post(gateway, writer, "/v1/forms", form, key="f")
        self.assertEqual((answer.status, answer["added"]), (201, True))
        self.assertEqual(self.post(gateway, writer, "/v1/forms", form, key="f").status, 201)
        answer = self.post(gateway, writer, "/v1/forms", form)
        self.assertEqual((answer.status, answer["added"]), (200, False))
        self.assertProblem(self.post(gateway, writer, "/v1/forms", {**form, "wording": "Else"}), 409,
                           "form-version")
        for change in ({"version": 0}, {"id": "a b"}, {"surprise": 1}, {"channels": ["fax"]},
                       {"effective_from": "soon"}, {"collector": 1}, {"version": 10 ** 12}):
            self.assertProblem(self.post(gateway, writer, "/v1/forms", {**form, **change}), 422,
                               "form")
        name = f"{form['id']}/{form['version']}"
        shown = self.get(gateway, reader, f"/v1/forms/{name}")
        self.assertEqual((shown["file"], shown["invalidated_at"]), (form, None))
        person = self.person_of(gateway)
        listed = self.get(gateway, reader, f"/v1/forms?id={form['id']}")["forms"]
        self.assertEqual([(one["version"], one["events"]) for one in listed], [(1, 1)])
        for target in ("/v1/forms?id=nothing", "/v1/forms?id=", "/v1/forms?id=a%20b",
                       "/v1/forms/nothing/1", f"/v1/forms/{form['id']}/2",
                       f"/v1/forms/{form['id']}/x", f"/v1/forms/{form['id']}/0",
                       f"/v1/forms/{form['id']}/99999999999999999999", "/v1/forms/%00/1"):
            self.assertProblem(self.get(gateway, reader, target), 404, "not-found")
        place = f"/v1/forms/{name}/invalidation"
        for body in ({}, {"reason": ""}, {"reason": 1}, {"reason": "ok", "x": 1}):
            self.assertProblem(self.post(gateway, writer, place, body), 400, "malformed")
        self.assertProblem(self.post(gateway, writer, "/v1/forms/nothing/1/invalidation",
                                     {"reason": "x"}), 404, "not-found")
        done = self.post(gateway, writer, place, {"reason": f"{person} never saw it"})
        self.assertEqual(done.status, 200)
        self.assertProblem(self.post(gateway, writer, place, {"reason": "again"}), 409, "no-change")
        self.assertIsNotNone(self.get(gateway, reader, f"/v1/forms/{name}")["invalidated_at"])
        check = {"recipient": person, "partner": "acme", "channel": "email"}
        self.assertEqual(self.post(gateway, self.token(gateway, "check"), "/v1/check",
                                   check)["reason"], "FORM_INVALID")
        self.assertEqual([(row["act"], row["subject"], row["answer"]) for row in records(gateway)
                          if row["act"].startswith("form")],
                         [("form.add", "jeu-ete@1", "added"),
                          ("form.add", "jeu-ete@1", "there already"),
                          ("form.invalidate", "jeu-ete@1", "done")])

    def person_of(self, gateway):
        gateway.has_form = True
        return self.person(gateway)

    def test_notices_page_by_page(self):
        """Each withdrawal concerns two partners: a page never tears one apart, and none is lost."""
        gateway = self.gate(start=False)
        for name in ("acme", "beta"):
            gateway.config["partners"][name]["notices"] = {
                "url": f"http://127.0.0.1:{harness.free_port()}/{name}", "secret": NOTICE_SECRET,
                "address": "identifier"}
        gateway.write_config()
        gateway.start(environment=self.environment)
        writer, reader = self.token(gateway, "events"), self.token(gateway, "reports")
        self.assertEqual(self.get(gateway, reader, "/v1/notices")["notices"], [])
        people = [self.address(gateway, f"n{number}") for number in range(7)]
        gateway.add_form(partners=["acme", "beta"])
        gateway.has_form = True
        gateway.consent(*people)
        for person in people:
            self.post(gateway, writer, "/v1/events", {
                "recipient": person, "channel": "email", "event": "objected",
                "occurred_at": harness.instant()})

        def listed(limit):
            found, cursor = [], ""
            while cursor is not None:
                page = self.get(gateway, reader, f"/v1/notices?limit={limit}{cursor}")
                found += [(row["event"], row["partner"]) for row in page["notices"]]
                cursor = page["next"] and f"&cursor={page['next']}"
            return found
        harness.wait_for("all notices", lambda: len(listed(1000)) == 14)
        for limit in (1, 2, 3, 5, 14, 1000):
            self.assertEqual(listed(limit), listed(1000), limit)
        own = self.get(gateway, reader, "/v1/notices?partner=beta&state=waiting")["notices"]
        self.assertEqual({row["partner"] for row in own}, {"beta"})
        for query in ("state=lost", "limit=0", "limit=1001", "limit=x", "cursor=x", "cursor=1",
                      "cursor=1.x", "cursor=-1.0", "cursor=99999999999999999999.0", "partner=a%20b"):
            self.assertProblem(self.get(gateway, reader, f"/v1/notices?{query}"), 400, "malformed")


NOTICE_SECRET = "whsec_" + "QUJD" * 11
