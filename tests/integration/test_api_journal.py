# SPDX-License-Identifier: Apache-2.0
"""Decisions, counts, persons and screenings over the interface for programs: each as the command of
that name has it, page by page while rows are added, and on record themselves."""

import csv
import io
import json
import threading
import zipfile

import api_harness
import harness
from api_harness import records

POLICIES = {channel: {} for channel in ("email", "sms", "call", "autocall", "post")}


class Journal(api_harness.ApiTest):
    long = True

    def busy(self, **config):
        """A gateway that has judged some: through SMTP, and a list."""
        gateway = self.gate(self.scripted(), policies=POLICIES, **config)
        gateway.people = [self.person(gateway), self.address(gateway, "no"), self.person(gateway)]
        self.send(gateway, *gateway.people, *gateway.people)
        gateway.wait_rows(6)
        return gateway

    def send(self, gateway, *people):
        wire = self.wire(gateway)
        wire.hello()
        for person in people:
            wire.say("MAIL FROM:<news@acme.example>", 250)
            wire.say(f"RCPT TO:<{person}>")
            wire.say("RSET", 250)
        wire.close()

    def pages(self, gateway, query="", limit=2, between=lambda: None):
        token = self.token(gateway, "decisions")
        found, cursor = [], ""
        while cursor is not None:
            page = self.get(gateway, token, f"/v1/decisions?limit={limit}{query}{cursor}")
            found += page["decisions"]
            self.assertLessEqual(len(page["decisions"]), limit)
            cursor = page["next"] and f"&cursor={page['next']}"
            between()
        return found

    # ---- decisions

    def test_decisions_are_those_of_the_log(self):
        gateway = self.busy()
        logged = gateway.log_rows()[::-1]
        self.assertEqual(self.pages(gateway, limit=1000), logged)
        for limit in (1, 2, 5, 6, 7):
            self.assertEqual(self.pages(gateway, limit=limit), logged)
        token = self.token(gateway, "decisions")
        one = self.get(gateway, token, f"/v1/decisions/{logged[0]['id']}")
        self.assertEqual(one.value, logged[0])
        key = logged[0]["recipient_key"]
        for query, keep in [
                ("&verdict=block", lambda row: row["verdict"] == "block"),
                ("&reason=CONSENT", lambda row: row["reason"] == "CONSENT"),
                ("&partner=acme&channel=email", lambda row: True),
                ("&partner=beta", lambda row: False), ("&channel=sms", lambda row: False),
                (f"&recipient_key={key}", lambda row: row["recipient_key"] == key),
                (f"&since={logged[2]['at']}", lambda row: row["at"] >= logged[2]["at"]),
                (f"&until={logged[2]['at']}", lambda row: row["at"] < logged[2]["at"]),
                ("&since=2999-01-01", lambda row: False), ("&until=2001-01-01", lambda row: False)]:
            self.assertEqual(self.pages(gateway, query), [row for row in logged if keep(row)], query)
        look = next(row for row in records(gateway, "decision.list") if row["recipient_key"])
        self.assertEqual((look["who"], look["recipient_key"], look["recipient"]),
                         ("token decisions", key, ""))

    def test_pages_while_rows_are_added(self):
        gateway = self.busy()
        before = gateway.log_rows()[::-1]
        stop, person = threading.Event(), gateway.people[0]

        def add():
            while not stop.is_set():
                self.send(gateway, person)
        adding = threading.Thread(target=add)
        adding.start()
        try:
            first = gateway.log_rows()[::-1]
            found = self.pages(gateway, limit=1 + len(first) // 7)
        finally:
            stop.set()
            adding.join()
        names = [row["id"] for row in found]
        self.assertEqual(len(names), len(set(names)), "a row came twice")
        self.assertLessEqual({row["id"] for row in first}, set(names), "a row was left out")
        self.assertEqual(names[-len(before):], [row["id"] for row in before])
        self.assertEqual(found, sorted(found, key=lambda row: row["at"], reverse=True))

    def test_questions_that_cannot_be_read(self):
        gateway = self.busy()
        token = self.token(gateway, "decisions|reports")
        person = gateway.people[0]
        for query in ("cursor=", "cursor=x", "cursor=1", "cursor=1.", "cursor=.1", "cursor=-1.5",
                      "cursor=1.2.3", "cursor=1.0", "cursor=0.0", "cursor=1e5.1", "cursor=%2B1.1", "cursor=" + "9" * 30 + ".1",
                      "cursor=" + "1" * 5000 + ".1", "limit=", "limit=0", "limit=1001", "limit=-1",
                      "limit=1.0", "limit=99999999999999999999", "verdict=maybe", "channel=fax",
                      "reason=consent", "reason=NOTHING", "recipient_key=", "recipient_key=00",
                      "recipient_key=" + "g" * 64, f"recipient_key={'0' * 65}", "since=yesterday",
                      "since=2026-02-30", "since=2026-1-1", "until=2026-01-01T00:00",
                      "until=99999-01-01T00:00:00Z", f"partner={person}", "partner=", "partner=a/b",
                      "partner=%2B33612345678", "partner=33612345678"):
            answer = self.get(gateway, token, f"/v1/decisions?{query}")
            self.assertProblem(answer, 400, "malformed")
            self.assertNotIn(person, json.dumps(answer.value))
        # Cursors that nobody was given lead somewhere or nowhere, and never out of what was asked.
        ids = {row["id"] for row in gateway.log_rows()}
        for cursor in ("1.1", "0.1", "576460752303423487.576460752303423487"):
            page = self.get(gateway, token, f"/v1/decisions?cursor={cursor}")
            self.assertEqual(page.status, 200)
            self.assertLessEqual({row["id"] for row in page["decisions"]}, ids)
        for name in ("nothing", "%00", "%2F", "x" * 2000, "01M8J41GW3-HRGS2A", f"{person}"):
            self.assertProblem(self.get(gateway, token, f"/v1/decisions/{name}"), 404, "not-found")
        for query in ("", "from=", "from=soon", "from=2026-01-01&to=2026-01-01",
                      "from=2026-01-02&to=2026-01-01", "from=2999-01-01", "from=2026-01-01&by=",
                      "from=2026-01-01&by=person", "from=2026-01-01&by=day,day",
                      "from=2026-01-01&by=day,", "from=2026-01-01&by=,day",
                      f"from=2026-01-01&partner={person}"):
            self.assertProblem(self.get(gateway, token, f"/v1/reports?{query}"), 400, "malformed")

    # ---- counts

    def test_counts_are_those_of_the_report(self):
        gateway = self.busy()
        token = self.token(gateway, "reports")
        until = harness.instant(-60)
        for by in ("partner,channel,verdict,reason", "day", "stream,effect,mode",
                   "form,collector,supplier", "purpose,policy"):
            told = self.get(gateway, token, f"/v1/reports?from=2026-01-01&to={until}&by={by}")
            said = [json.loads(line) for line in gateway.cli(
                "report", "--from", "2026-01-01", "--to", until, "--by", by, "--format",
                "json").splitlines()]
            self.assertGreater(len(said), 0)
            for row in said:  # the command repeats what was asked for in each line
                for name in ("from", "to"):
                    row.pop(name, None)
            self.assertEqual(told["rows"], said, by)
            self.assertEqual(sum(row["count"] for row in told["rows"]), 6)
        usual = self.get(gateway, token, "/v1/reports?from=2026-01-01")
        self.assertEqual({"partner", "channel", "verdict", "reason"} - set(usual["rows"][0]), set())
        self.assertEqual(self.get(gateway, token, "/v1/reports?from=2026-01-01&partner=beta")["rows"],
                         [])

    # ---- persons

    def test_a_person_s_file(self):
        gateway = self.busy()
        token = self.token(gateway, "persons")
        person, nobody = gateway.people[0], self.address(gateway)
        told = self.post(gateway, token, "/v1/persons", {"recipient": person})
        archive = self.path("archive.zip")
        gateway.cli("person", person, "--export", archive)
        with zipfile.ZipFile(archive) as parts:
            held = json.loads(parts.read("person.json"))
        archive.unlink()
        self.assertEqual(len(held.pop("decisions")), 2)
        moment = ("drawn_up_at",)
        self.assertEqual([row["act"] for row in held.pop("accesses")], ["person.read"])
        for name in moment:
            held.pop(name)
            told.value.pop(name)
        differs = {name for name in {*held, *told.value} if held.get(name) != told.value.get(name)}
        self.assertEqual(differs, set(), {name: (held.get(name), told.value.get(name))
                                          for name in differs})
        row = records(gateway, "person.read")[0]
        self.assertEqual((row["who"], row["recipient_key"], row["answer"]),
                         ("token persons", told["person"]["recipient_key"], "told"))
        answer = self.post(gateway, token, "/v1/persons", {"recipient": nobody})
        self.assertEqual((answer.status, answer["person"]["known"]), (200, False))
        self.assertEqual(records(gateway, "person.read")[1]["answer"], "nothing held")
        for body, status in [({}, 400), ({"recipient": 1}, 400), ({"recipient": "x"}, 422),
                             ({"recipient": ""}, 422), ({"recipient": person, "x": 1}, 400),
                             ({"recipient": "x" * 5000 + "@example.org"}, 422)]:
            self.assertEqual(self.post(gateway, token, "/v1/persons", body).status, status, body)
        self.assertEqual(len(records(gateway, "person.read")), 2)

    # ---- screenings

    def test_a_list_is_screened_as_by_the_command(self):
        gateway = self.busy()
        yes, no = gateway.people[:2]
        withdrawn = self.person(gateway)
        gateway.cli("consent", "withdraw", withdrawn)
        phone = "+33612345678"
        gateway.addresses.add(phone)
        people = [yes, no, withdrawn, "not an address", yes.upper(), f" {no} ", "", phone,
                  *(self.address(gateway, f"p{number}") for number in range(30)), yes]
        token = self.token(gateway, "screen")
        for channel in ("email", "sms", "post"):
            told = self.post(gateway, token, "/v1/screenings", {
                "partner": "acme", "channel": channel, "recipients": people,
                "name": f"list of {no}"})
            self.assertEqual((told.status, told["rows"]), (200, len(people)))
            # A line that is empty is no row of a file: the command is asked without it.
            kept = [row for row, one in enumerate(people, 1) if one.strip()]
            listed = self.folder / "list.csv"
            text = io.StringIO()
            writer = csv.writer(text)
            writer.writerow(["recipient"])
            writer.writerows([people[row - 1]] for row in kept)
            listed.write_text(text.getvalue())
            passed, blocked = self.folder / "passed.csv", self.folder / "blocked.csv"
            gateway.cli("screen", "--partner", "acme", "--channel", channel, "--output", passed,
                        "--blocked", blocked, listed, expect=1)  # some rows cannot be read
            rows = sorted((row for row in gateway.log_rows() if row["list"]
                           and row["list"] != told["list"] and row["channel"] == channel),
                          key=lambda row: row["at"])
            shown = [row for row in gateway.log_rows() if row["list"] == told["list"]
                     and row["channel"] == channel]
            own = {row: "CONSENT" for row in told["permitted"]}
            own.update({one["row"]: one["reason"] for one in told["blocked"]})
            self.assertEqual(set(own), set(range(1, len(people) + 1)))
            self.assertEqual(len(rows), len(kept))
            self.assertEqual([own[row] for row in kept], [row["reason"] for row in rows], channel)
            self.assertEqual(len(shown), len(people))
            self.assertEqual([own[number] for number in sorted(own)],
                             [row["reason"] for row in shown])
            self.assertEqual({row["purpose"] for row in shown}, {"transmission"})
            refs = {row["id"] for row in shown}
            self.assertLessEqual({one["ref"] for one in told["blocked"]}, refs)
            listed.unlink()
            passed.unlink()
            blocked.unlink()
        row = records(gateway, "list.screen")[0]
        self.assertEqual((row["who"], row["count"], row["partner"]),
                         ("token screen", len(people), "acme"))
        gateway.verify()

    def test_a_long_list_and_what_is_refused(self):
        gateway = self.gate(policies=POLICIES, listener={"max_body_size": "2 MB"})
        token = self.token(gateway, "screen")
        yes = self.person(gateway)
        body = {"partner": "acme", "channel": "email", "recipients": [yes]}
        long = [yes if row % 100 == 0 else f"r{row}@example.net" for row in range(10000)]
        told = self.post(gateway, token, "/v1/screenings", {**body, "recipients": long}, key="k")
        self.assertEqual((told["rows"], told["passed"], len(told["blocked"])), (10000, 100, 9900))
        self.assertEqual(told["permitted"], list(range(1, 10001, 100)))
        # A list is screened anew whatever the key: a withdrawal may have come between.
        first = self.post(gateway, token, "/v1/screenings", body, key="k")
        gateway.cli("consent", "withdraw", yes)
        again = self.post(gateway, token, "/v1/screenings", body, key="k")
        self.assertEqual((first["permitted"], again["permitted"]), ([1], []))
        for change, status in [({"partner": "nobody"}, 422), ({"partner": 1}, 400),
                               ({"channel": "fax"}, 400), ({"recipients": []}, 400),
                               ({"recipients": "x"}, 400), ({"recipients": [1]}, 400),
                               ({"recipients": [None]}, 400), ({"recipients": {}}, 400),
                               ({"recipients": long + [yes]}, 400), ({"name": ""}, 400),
                               ({"name": 1}, 400), ({"name": "x" * 201}, 400), ({"x": 1}, 400)]:
            answer = self.post(gateway, token, "/v1/screenings", {**body, **change})
            self.assertEqual(answer.status, status, str(answer)[:300])
        self.assertEqual(len(records(gateway, "list.screen")), 3)
