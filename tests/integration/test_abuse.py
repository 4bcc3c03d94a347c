# SPDX-License-Identifier: Apache-2.0
"""Abuse, in short: small crowds of the attackers of `make abuse`, beside 32 good sessions. Each
attacker is answered as the contract says, the counters tell of it, the good ones' mail all arrives,
and no descriptor is lost. How fast the good ones are beside a large crowd is `make abuse`'s."""

import base64
import json
import os
import pathlib
import subprocess
import sys
import time

import harness
import load
import sms_harness
import sms_load

BENCH = pathlib.Path(__file__).resolve().parent.parent / "bench"
sys.path.append(str(BENCH))

import attackers  # noqa: E402

CLEAR = "right horse battery"
MANY = 150  # attackers of a crowd
RATE = 5  # messages a second that beta has agreed to
CAP = 20  # connections beta may have
BETA = "127.70.0.1"
IDLE = 16  # connections to providers: what may be open more in the end than in the beginning


class Abuse(harness.IntegrationTest):
    def abused(self, **listener):
        """A gateway of acme, the good one, and beta, of which each address of 127.70 is."""
        self.recorder = load.Recorder(self)
        gateway = self.gateway(self.recorder, start=False)
        config = gateway.config
        config["listeners"]["submission"].update(listener)
        config["providers"]["other"] = load.Recorder(self).provider()
        for provider in config["providers"].values():
            provider["connections"] = IDLE // 2  # they stay open after use
        config["partners"] = {
            "acme": harness.partner({"news": harness.email_stream(accounts={
                "acme-lan": {"networks": ["127.0.0.1"]},
                "acme-news": {"password": gateway.password(CLEAR)}})}),
            "beta": harness.partner({"news": {
                **harness.email_stream(["other"], {"beta-lan": {"networks": ["127.70.0.0/16"]}},
                                       rate=RATE), "senders": ["beta.example"]}},
                max_connections=CAP)}
        config["partners"]["beta"]["name"] = "Beta"
        self.people = [f"many{i}@example.org" for i in range(100)]
        gateway.add_form(partners=["acme", "beta"])
        load.import_people(gateway, self.people)
        load.import_people(gateway, [f"{i}@beta.test" for i in range(100)])
        return gateway

    def web(self, gateway, **more):
        gateway.http_port = harness.free_port()
        gateway.config["listeners"]["web"] = {
            "protocol": "http", "bind": f"127.0.0.1:{gateway.http_port}", "tls": "none",
            "services": ["sms"], **more}

    def smpp(self, gateway):
        """Beta sends SMS, too."""
        smsc = sms_load.Smsc(self)
        gateway.smpp_port = harness.free_port()
        config = gateway.config
        config["listeners"]["smpp"] = {
            "protocol": "smpp", "bind": f"127.0.0.1:{gateway.smpp_port}", "tls": "none"}
        config["providers"]["aggregator"] = sms_harness.smpp_provider(smsc.port)
        config["partners"]["beta"]["streams"]["texts"] = {
            **sms_harness.sms_stream({"beta-sms": {
                "password": gateway.password(sms_harness.PASSWORD)}}, rate=RATE),
            "senders": ["BETA"]}
        config["policies"]["sms"] = {}

    def begin(self, gateway):
        gateway.write_config()
        gateway.start()
        # What is opened on first use is no attacker's.
        with load.Crowd(self, gateway.port, self.people, self.recorder):
            pass
        harness.wait_for("the good ones' end", lambda: gateway.ask_status()["sessions"] == 0)
        self.recorder.queue_ids.clear()
        self.descriptors = self.count_descriptors(gateway)

    @staticmethod
    def count_descriptors(gateway):
        return len(os.listdir(f"/proc/{gateway.pid}/fd"))

    def attack(self, kind, port, **options):
        attack = attackers.Attack(harness.spawn, kind, port=port, **options)
        self.addCleanup(harness.end, attack.process)
        return attack

    def beside(self, gateway, attack, enough):
        """The good ones send until enough(report) is true, and then end; the attack's last report.
        load.Crowd sees that each of their messages arrived."""
        with load.Crowd(self, gateway.port, self.people, self.recorder):
            try:
                harness.wait_for("enough of the attack", lambda: enough(attack.report()), pause=0.1)
            finally:
                print(attack.report())
        told = attack.stop()
        print(dict(told), gateway.ask_status()["refusals"])
        self.recorder.queue_ids.clear()
        harness.wait_for("the sessions' end", lambda: gateway.ask_status()["sessions"] == 0,
                         pause=0.1)
        harness.wait_for("the descriptors to come back",
                         lambda: self.count_descriptors(gateway) <= self.descriptors + IDLE)
        return told

    def only(self, counted, *words):
        self.assertEqual(set(counted), set(words))

    # -- slow ones

    def test_slow_ones_of_many_addresses(self):
        """A byte now and then, from an address each: all are in, and all are told why they go."""
        gateway = self.abused(login_timeout="3 s")
        self.begin(gateway)
        attack = self.attack("loris", gateway.port, count=MANY, spread=MANY, every=0.5, again=1)
        told = self.beside(gateway, attack, lambda report: report["ends"]["421 4.7.0"] >= 2 * MANY)
        self.only(told["ends"], "421 4.7.0")
        self.assertEqual(told["most"], MANY)
        refusals = gateway.status()["refusals"]
        self.assertGreaterEqual(refusals["login_late"], told["ends"]["421 4.7.0"])
        self.assertEqual(refusals["address_full"] + refusals["listener_full"], 0)
        self.assertIn("ended, not logged in in time", gateway.log())

    def test_slow_requests(self):
        """The same over HTTP, and over TLS."""
        gateway = self.abused()
        self.web(gateway, login_timeout="3 s", max_connections_per_address=MANY)
        pki = self.pki()
        certificate, key = pki.issue("gate.test", "DNS:gate.test,IP:127.0.0.1")
        port = harness.free_port()
        gateway.config["listeners"]["secure"] = {
            **gateway.config["listeners"]["web"], "bind": f"127.0.0.1:{port}", "tls": "implicit",
            "certificate_file": certificate, "key_file": key}
        self.begin(gateway)
        attack = self.attack("http-loris", gateway.http_port, count=MANY, spread=MANY, every=0.5,
                             again=1)
        wire = self.wire(port, greet=False)
        wire.secure(harness.client_context(pki.authority()))
        wire.send("GET /v1/messages HTTP/1.1\r\nX-Slow: ")
        told = self.beside(gateway, attack, lambda report: report["ends"]["408"] >= 2 * MANY)
        self.only(told["ends"], "408")
        self.assertIn(b"HTTP/1.1 408 ", wire.file.readline())
        self.assertGreater(gateway.status()["refusals"]["too_slow"], told["ends"]["408"])

    # -- too many

    def test_too_many_of_one_address(self):
        gateway = self.abused(max_connections_per_address=50)
        self.web(gateway, max_connections_per_address=50)
        self.begin(gateway)
        mail = self.attack("loris", gateway.port, count=MANY, every=0, again=0.5)
        # An address has one count: the other protocol's come from another one.
        web = self.attack("http-loris", gateway.http_port, count=MANY, every=0, again=0.5,
                          source="127.65.0.1")
        told = self.beside(gateway, mail, lambda report: report["ends"]["421 4.7.0"] >= 3 * MANY
                           and web.report()["ends"]["503"] >= 3 * MANY and web.stop())
        self.only(told["ends"], "421 4.7.0")
        self.assertEqual(told["most"], 50)
        self.only(web.last["ends"], "503")
        self.assertGreaterEqual(gateway.status()["refusals"]["address_full"],
                                told["ends"]["421 4.7.0"] + web.last["ends"]["503"])
        self.assertLess(gateway.log().count("too many connections of one address"), 100)

    def test_too_many_of_one_partner(self):
        """From an address each, by network and by login."""
        gateway = self.abused()
        self.smpp(gateway)
        self.begin(gateway)
        mail = self.attack("loris", gateway.port, source=BETA, count=MANY, spread=MANY, every=0,
                           again=0.5)
        told = self.beside(gateway, mail, lambda report: report["ends"]["421 4.7.0"] >= 3 * MANY)
        self.only(told["ends"], "421 4.7.0")
        self.assertEqual(told["most"], CAP)
        before = gateway.status()["refusals"]["partner_full"]
        self.assertGreaterEqual(before, told["ends"]["421 4.7.0"])
        sms = self.attack("sms", gateway.smpp_port, source=BETA, count=MANY, spread=MANY,
                          login="beta-sms", password=sms_harness.PASSWORD, again=0.5)
        told = self.beside(gateway, sms, lambda report: report["ends"]["bind 0xd"] >= 3 * MANY)
        self.only(told["ends"], "bind 0xd")
        self.assertEqual(told["most"], CAP)
        self.assertGreaterEqual(gateway.status()["refusals"]["partner_full"] - before,
                                told["ends"]["bind 0xd"])

    # -- too much

    def test_a_hundred_times_its_rate_of_mail(self):
        gateway = self.abused()
        self.begin(gateway)
        since = time.monotonic()
        attack = self.attack("mail", gateway.port, source=BETA, count=10, rate=100 * RATE,
                             sender="news@beta.example", domain="beta.test")
        told = self.beside(gateway, attack, lambda report: report["said"]["450 4.7.1"] >= 500)
        agreed = RATE * (time.monotonic() - since + 1)
        self.only(told["said"], "250 2.1.5", "450 4.7.1")
        self.assertEqual(told["ends"], {})
        self.assertLessEqual(told["said"]["250 2.1.5"], agreed)
        self.assertGreater(told["said"]["250 2.1.5"], 0)

    def test_a_hundred_times_its_rate_of_sms(self):
        gateway = self.abused()
        self.smpp(gateway)
        self.begin(gateway)
        since = time.monotonic()
        attack = self.attack("sms", gateway.smpp_port, source=BETA, count=5, rate=100 * RATE,
                             login="beta-sms", password=sms_harness.PASSWORD)
        told = self.beside(gateway, attack, lambda report: report["said"]["0x58"] >= 500)
        agreed = RATE * (time.monotonic() - since + 1)
        # Those within its rate go to people without consent.
        self.only(told["said"], "bind 0x0", "0x45", "0x58")
        self.assertEqual(told["ends"], {})
        self.assertLessEqual(told["said"]["0x45"], agreed)

    # -- the long form

    def test_the_long_form(self):
        """It counts and looks at what it says it does; no ratio is asserted."""
        figures = self.path("figures")
        done = subprocess.run(
            [sys.executable, BENCH / "abuse.py", "--octroi", harness.octroi_path(), "--tools",
             pathlib.Path(harness.octroi_path()).parent / "tests" / "bench", "--cache",
             self.path("people"), "--people", "3000", "--messages", "300", "--rounds", "2",
             "--only", "rate-sms,cap-sms", "--json", figures], capture_output=True, text=True)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        report = json.loads(figures.read_text())
        self.assertEqual(done.returncode, 0 if all(each for _, each in report["reach"]) else 1)
        rate, cap = report["results"]
        self.assertEqual(len(rate["rounds"]), 2)
        # How fast the attackers are is the machine's affair, beside all that ./check does.
        self.assertEqual([each for each in rate["problems"] + cap["problems"]
                          if not each.startswith("the attack was weak")], [], done.stdout)
        self.assertGreater(rate["told"]["said"]["0x58"], 400)
        self.assertEqual(cap["told"]["most"], 50)
        for each in report["reach"]:
            self.assertIn(each[0], done.stdout)
    test_the_long_form.long = True

    # -- guesses and handshakes

    def test_guesses_of_many_addresses(self):
        """The account that is guessed at logs in beside them, from where nobody guesses."""
        gateway = self.abused()
        self.begin(gateway)
        attack = self.attack("guess", gateway.port, count=60, spread=5, pace=50, again=0.2,
                             names=["acme-news", "nobody"])
        # Slow as they are looked at, there are a few that were, and many that were turned away.
        harness.wait_for("guesses", lambda: attack.report()["said"]["535 5.7.8"] >= 5 and
                         attack.report()["said"]["421 4.7.0"] >= 20)
        wire = self.wire(gateway)
        wire.hello()
        secret = base64.b64encode(f"\0acme-news\0{CLEAR}".encode()).decode()
        since = time.monotonic()
        wire.say(f"AUTH PLAIN {secret}", 235)
        took = time.monotonic() - since
        print(f"logged in after {took:.2f} s")
        self.assertLess(took, 10)  # 4 at most are the account's, the rest a slow machine's
        wire.say("QUIT", 221)
        wire.close()
        told = self.beside(gateway, attack, lambda report: report["said"]["421 4.7.0"] >= 100)
        self.only(told["said"], "535 5.7.8", "454 4.7.0", "421 4.7.0")
        self.only(told["ends"], "421 4.7.0")
        self.assertLessEqual(told["said"]["535 5.7.8"], told["said"]["421 4.7.0"])
        refusals = gateway.status()["refusals"]
        self.assertGreaterEqual(refusals["auth_failed"], told["said"]["535 5.7.8"])
        self.assertGreater(refusals["auth_held"], 0)
        self.assertNotIn("guess 1", gateway.log())
    test_guesses_of_many_addresses.long = True

    def test_handshakes(self):
        """ClientHello and gone, again and again; who means it still comes in by TLS."""
        gateway = self.abused()
        pki = self.pki()
        certificate, key = pki.issue("gate.test", "DNS:gate.test,IP:127.0.0.1")
        port = harness.free_port()
        gateway.config["listeners"]["smtps"] = {
            "bind": f"127.0.0.1:{port}", "tls": "implicit", "certificate_file": certificate,
            "key_file": key}
        self.begin(gateway)
        attack = self.attack("handshake", port, count=50, spread=50, pace=200)
        harness.wait_for("handshakes", lambda: attack.report()["said"]["ServerHello"] > 50)
        wire = self.wire(port, greet=False)
        wire.secure(harness.client_context(pki.authority()))
        self.assertEqual(wire.reply()[0], 220)
        wire.say("QUIT", 221)
        wire.close()
        told = self.beside(gateway, attack, lambda report: report["said"]["ServerHello"] >= 400)
        self.only(told["said"], "ServerHello")
        self.assertEqual(told["ends"], {})
        refusals = gateway.status()["refusals"]
        self.assertGreaterEqual(refusals["handshake_failed"], 400)
        self.assertLess(gateway.log().count("TLS handshake failed"), 200)
