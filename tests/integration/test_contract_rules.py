# SPDX-License-Identifier: Apache-2.0
"""The rules of consent as somebody asks for them who has only the command line: events in through
a CSV, `consent show` at a moment, the verdict and its reason out. One row a case."""

import json

import harness

CLOCK = "2024-12-01T00:00:00Z"
GIVEN = "2024-02-01T00:00:00Z"


def form(ident, version=1, **more):
    return {**harness.FORM, "id": ident, "version": version, "partners": ["acme"],
            "channels": ["email", "post"], **more}


FORMS = [
    form("f"), form("f", 2, effective_from="2024-07-01T00:00:00Z", partners=["acme", "beta"]),
    form("old", effective_from="2019-01-01T00:00:00Z"),
    form("kind", partners=[], partner_categories=["travel"]),
    form("receipt", purposes=["receipt"]), form("transmission", purposes=["transmission"]),
    form("phones", channels=["sms"]), form("gone"), form("stopped"),
    form("acme-own", collector={"name": "ACME Voyages SAS", "siren": "123456782"}),
]


def given(at=GIVEN, **more):
    return {"event": "given", "occurred_at": at, "form": "f@1", **more}


def stop(event, at, **more):
    return {"event": event, "occurred_at": at, "form": "", "evidence": "", **more}


# name: (events, what is asked otherwise than usual, verdict, reason)
STRICT = {
    "nothing": ([], {}, "block", "NO_CONSENT"),
    "a grant": ([given()], {}, "pass", "CONSENT"),
    "renewed alone": ([given(event="renewed")], {}, "pass", "CONSENT"),
    "an act alone is no grant": ([stop("active", GIVEN)], {}, "block", "NO_CONSENT"),
    "a second before the grant": ([given()], {"at": "2024-01-31T23:59:59Z"}, "block",
                                  "NO_CONSENT"),
    "the moment of the grant": ([given()], {"at": GIVEN}, "pass", "CONSENT"),
    "another offset": ([given("2024-02-01T01:00:00+01:00")], {"at": GIVEN}, "pass", "CONSENT"),
    # 5
    "objected to all": ([given(), stop("objected", "2024-03-01T00:00:00Z")], {}, "block",
                        "OBJECTED"),
    "objected to this partner": ([given(), stop("objected", "2024-03-01T00:00:00Z",
                                                partners="acme")], {}, "block", "OBJECTED"),
    "objected to another": ([given(), stop("objected", "2024-03-01T00:00:00Z",
                                           partners="beta")], {}, "pass", "CONSENT"),
    "objected, and consented later": (
        [stop("objected", "2024-01-10T00:00:00Z"), given()], {}, "pass", "CONSENT"),
    "objected at the same moment": ([given(), stop("objected", GIVEN)], {}, "block", "OBJECTED"),
    "an act does not undo it": (
        [given(), stop("objected", "2024-03-01T00:00:00Z"), stop("active", "2024-04-01T00:00:00Z")],
        {}, "block", "OBJECTED"),
    # A stop counts whenever it is dated: nobody may be written to because of a clock that is slow.
    "before the objection": ([given(), stop("objected", "2024-03-01T00:00:00Z")],
                             {"at": "2024-02-29T23:59:59Z"}, "block", "OBJECTED"),
    "objection goes before withdrawal": (
        [given(), stop("withdrawn", "2024-03-01T00:00:00Z"),
         stop("objected", "2024-04-01T00:00:00Z")], {}, "block", "OBJECTED"),
    "to come": ([given(), stop("objected", "2099-01-01T00:00:00Z")], {}, "block", "OBJECTED"),
    # 6
    "withdrawn": ([given(), stop("withdrawn", "2024-03-01T00:00:00Z")], {}, "block", "WITHDRAWN"),
    "withdrawn from another": ([given(), stop("withdrawn", "2024-03-01T00:00:00Z",
                                              partners="beta")], {}, "pass", "CONSENT"),
    "withdrawn on another channel": ([given(), stop("withdrawn", "2024-03-01T00:00:00Z",
                                                    channel="post")], {}, "pass", "CONSENT"),
    "withdrawn at the same moment": ([given(), stop("withdrawn", GIVEN)], {}, "block",
                                     "WITHDRAWN"),
    "the moment of the withdrawal": ([given(), stop("withdrawn", "2024-03-01T00:00:00Z")],
                                     {"at": "2024-03-01T00:00:00Z"}, "block", "WITHDRAWN"),
    "given again": ([given(), stop("withdrawn", "2024-03-01T00:00:00Z"),
                     given("2024-03-01T00:00:01Z")], {}, "pass", "CONSENT"),
    "given again without a form": (
        [given(), stop("withdrawn", "2024-03-01T00:00:00Z"),
         given("2024-03-01T00:00:01Z", form="")], {}, "block", "WITHDRAWN"),
    "a withdrawal to come": ([given(), stop("withdrawn", "2099-01-01T00:00:00Z")], {}, "block",
                             "WITHDRAWN"),
    "withdrawn without any grant": ([stop("withdrawn", "2024-03-01T00:00:00Z")], {}, "block",
                                    "WITHDRAWN"),
    # 8
    "another channel": ([given(channel="post")], {}, "block", "CHANNEL_MISMATCH"),
    "both channels": ([given(channel="post|email")], {}, "pass", "CONSENT"),
    "suspended form": ([given(form="stopped@1")], {}, "block", "SUSPENDED"),
    "suspended supplier": ([given(supplier="bad")], {}, "block", "SUSPENDED"),
    "one of two suppliers suspended": ([given(supplier="bad"), given(supplier="good")], {},
                                       "pass", "CONSENT"),
    # 9, 10, 11
    "in no version": ([given()], {"partner": "gamma"}, "block", "PARTNER_NOT_SHOWN"),
    "in a later version": ([given()], {"partner": "beta"}, "block", "PARTNER_ADDED_LATER"),
    "in the version seen": ([given("2024-08-01T00:00:00Z", form="f@2")], {"partner": "beta"},
                            "pass", "CONSENT"),
    "named by the row": ([given("2024-08-01T00:00:00Z", form="f@2", partners="beta")],
                         {"partner": "beta"}, "pass", "CONSENT"),
    "not named by the row": ([given("2024-08-01T00:00:00Z", form="f@2", partners="beta")], {},
                             "block", "PARTNER_NOT_SHOWN"),
    "a category only": ([given(form="kind@1")], {}, "block", "PARTNER_NOT_NAMED"),
    "a category it is not of": ([given(form="kind@1")], {"partner": "gamma"}, "block",
                                "PARTNER_NOT_SHOWN"),
    # 12
    "no form": ([given(form="")], {}, "block", "UNPROVEN"),
    "no evidence": ([given(evidence="")], {}, "block", "UNPROVEN"),
    "form not for this channel": ([given(form="phones@1")], {}, "block", "UNPROVEN"),
    "a second before the form": ([given("2023-12-31T23:59:59Z")], {}, "block", "UNPROVEN"),
    "the form's first moment": ([given("2024-01-01T00:00:00Z")], {}, "pass", "CONSENT"),
    "the version's last second": ([given("2024-06-30T23:59:59Z")], {}, "pass", "CONSENT"),
    "the next version's first moment": ([given("2024-07-01T00:00:00Z")], {}, "block", "UNPROVEN"),
    "next version, its first moment": ([given("2024-07-01T00:00:00Z", form="f@2")], {}, "pass",
                                       "CONSENT"),
    # 13, 14
    "invalidated form": ([given(form="gone@1")], {}, "block", "FORM_INVALID"),
    "receipt only, transmission": ([given(form="receipt@1")], {"purpose": "transmission"},
                                   "block", "PURPOSE_MISMATCH"),
    "receipt only, receipt": ([given(form="receipt@1")], {}, "pass", "CONSENT"),
    "transmission only, receipt": ([given(form="transmission@1")], {}, "block",
                                   "PURPOSE_MISMATCH"),
    "transmission only, transmission": ([given(form="transmission@1")],
                                        {"purpose": "transmission"}, "pass", "CONSENT"),
    # 15
    "three years less a second": ([given("2020-02-01T00:00:00Z", form="old@1")],
                                  {"at": "2023-01-31T23:59:59Z"}, "pass", "CONSENT"),
    "three years": ([given("2020-02-01T00:00:00Z", form="old@1")],
                    {"at": "2023-02-01T00:00:00Z"}, "block", "STALE"),
    "kept fresh by an act": ([given("2020-02-01T00:00:00Z", form="old@1"),
                              stop("active", "2022-02-01T00:00:00Z")],
                             {"at": "2025-01-31T23:59:59Z"}, "pass", "CONSENT"),
    "and stale after it": ([given("2020-02-01T00:00:00Z", form="old@1"),
                            stop("active", "2022-02-01T00:00:00Z")],
                           {"at": "2025-02-01T00:00:00Z"}, "block", "STALE"),
    # 16
    "soft opt-in": ([given(basis="soft-opt-in")], {}, "block", "BASIS_NOT_ACCEPTED"),
    "professional": ([given(basis="professional")], {}, "block", "BASIS_NOT_ACCEPTED"),
    "informed": ([given(basis="informed")], {}, "block", "BASIS_NOT_ACCEPTED"),
    # several grants
    "any valid one passes": ([given(evidence=""), given(form="gone@1"), given()], {}, "pass",
                             "CONSENT"),
    "the nearest miss is told": ([given(channel="post"), given(evidence=""),
                                  given(form="kind@1")], {}, "block", "UNPROVEN"),
    "the nearest miss, later rule": ([given(evidence=""), given(basis="informed")], {}, "block",
                                     "BASIS_NOT_ACCEPTED"),
}

LOOSE = {
    "a category is enough": ([given(form="kind@1")], {}, "pass", "CONSENT"),
    "but not of another": ([given(form="kind@1")], {"partner": "gamma"}, "block",
                           "PARTNER_NOT_SHOWN"),
    "added later": ([given()], {"partner": "beta"}, "pass", "CONSENT"),
    "customer of the seller": ([given(form="acme-own@1", basis="soft-opt-in")], {}, "pass",
                               "SOFT_OPTIN"),
    "customer of somebody else": ([given(basis="soft-opt-in")], {}, "block",
                                  "SOFT_OPTIN_INVALID"),
}


class Rules(harness.IntegrationTest):
    def world(self, **policy):
        def named(name, siren, categories, account):
            return harness.partner({"news": harness.email_stream(
                accounts={account: {"networks": [f"127.0.0.{len(account)}/32"]}})},
                name=name, siren=siren, categories=categories)
        provider = harness.smtp_provider(harness.free_port())
        gateway = self.gateway(start=False, providers={"smarthost": provider}, partners={
            "acme": named("ACME Voyages SAS", "123456782", ["travel"], "a"),
            "beta": named("Beta SA", "552100554", ["travel"], "bb"),
            "gamma": named("Gamma SA", "732829320", ["toys"], "ccc")},
            policies={"email": policy})
        for each in FORMS:
            gateway.cli("form", "add", "-", input=json.dumps(each))
        gateway.cli("form", "invalidate", "gone@1", "--reason", "the box was ticked")
        gateway.import_events([{"recipient": self.address(gateway, "any"), "supplier": "bad",
                                "form": "f@1", "occurred_at": GIVEN}])
        gateway.cli("suspend", "form", "stopped", "--reason", "audit")
        gateway.cli("suspend", "supplier", "bad", "--reason", "audit")
        return gateway

    def ask(self, gateway, address, partner="acme", channel="email", purpose="receipt", at=CLOCK):
        text = gateway.cli("consent", "show", address, "--partner", partner, "--channel", channel,
                           "--purpose", purpose, "--at", at, "--format", "json")
        self.assertEqual(text.count("\n"), 1, "one object, one line")
        return json.loads(text)

    def run_cases(self, gateway, cases):
        people = {name: self.address(gateway, "case") for name in cases}
        gateway.import_events([{"recipient": people[name], **event}
                               for name, (events, *_) in cases.items() for event in events])
        for name, (events, question, verdict, reason) in cases.items():
            with self.subTest(name):
                answer = self.ask(gateway, people[name], **question)
                self.assertEqual((answer["verdict"], answer["reason"]), (verdict, reason), answer)
                last = answer["rules"][-1]
                self.assertEqual((last["finding"], last["reason"]),
                                 ("holds" if verdict == "pass" else "fails", reason), answer)
                if not events:
                    self.assertIsNone(answer["event"])

    def test_strict(self):
        self.run_cases(self.world(), STRICT)

    def test_loose(self):
        self.run_cases(self.world(accept=["consent", "soft-opt-in", "professional", "informed"],
                                  partner_naming="category", partner_added_later="pass"), LOOSE)

    def test_objection_to_a_collector(self):
        gateway = self.world()
        person = self.address(gateway, "case")
        gateway.import_events([{"recipient": person, **given()}])
        objected = ("--event", "objected", "--channel", "email", "--occurred-at",
                    "2024-03-01T00:00:00Z", "--collector")
        gateway.cli("consent", "record", person, *objected, "Nobody SA", expect=1)
        gateway.cli("consent", "record", person, *objected, "ACME Voyages SAS")
        self.assertEqual(self.ask(gateway, person)["reason"], "CONSENT")
        for collector in ("Leads SARL", "leads sarl", "987654321"):
            person = self.address(gateway, "case")
            gateway.import_events([{"recipient": person, **given()}])
            gateway.cli("consent", "record", person, *objected, collector)
            self.assertEqual(self.ask(gateway, person)["reason"], "OBJECTED", collector)

    def test_suspension_of_partner(self):
        gateway = self.world()
        person = self.address(gateway, "case")
        gateway.import_events([{"recipient": person, **given()}])
        gateway.cli("suspend", "partner", "acme", "--reason", "complaint")
        self.assertEqual(self.ask(gateway, person)["reason"], "SUSPENDED")
        gateway.cli("resume", "partner", "acme", "--reason", "settled")
        self.assertEqual(self.ask(gateway, person)["reason"], "CONSENT")

    def test_importing_again_reopens_nothing(self):
        gateway = self.world()
        person = self.address(gateway, "case")
        row = {"recipient": person, **given()}
        gateway.import_events([row])
        gateway.cli("consent", "withdraw", person, "--occurred-at", "2024-03-01T00:00:00Z")
        gateway.import_events([row])
        self.assertEqual(self.ask(gateway, person)["reason"], "WITHDRAWN")
        # Handed over by somebody else, but still the same old act.
        gateway.import_events([{**row, "supplier": "second"}])
        self.assertEqual(self.ask(gateway, person)["reason"], "WITHDRAWN")
