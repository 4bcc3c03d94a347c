# SPDX-License-Identifier: Apache-2.0
"""A provider that is down, hangs, lies or refuses: nothing passes that it did not take, the journal
says why, and the partners of a healthy provider notice nothing."""

import socket
import threading
import time

import harness
import load


class Mute:
    """Accepts connections and says nothing."""

    def __init__(self, test):
        self.socket = socket.create_server(("127.0.0.1", harness.free_port()), backlog=200)
        self.port = self.socket.getsockname()[1]
        test.addCleanup(self.socket.close)


# For those that never answer: everybody else has the time a busy machine needs.
HASTY = {"connect_timeout": "400 ms", "reply_timeout": "400 ms", "final_timeout": "600 ms"}


class Provider(harness.IntegrationTest):
    def setUp(self):
        super().setUp()
        self.healthy = load.Recorder(self)
        self.spare = load.Recorder(self)  # for acme alone, where a test says so

    def crowd(self, gateway):
        return load.Crowd(self, gateway.port, self.people, self.healthy)

    def two_partners(self, sick_port, acme_uses=("sick",), **settings):
        """acme's provider is sick; beta, a second loopback address, has a healthy one."""
        sick = harness.smtp_provider(sick_port, **{
            "connect_timeout": "5 s", "reply_timeout": "5 s", "final_timeout": "5 s", **settings})
        beta = harness.partner({"news": {**harness.email_stream(["healthy"]),
                                         "accounts": {"beta-lan": {"networks": ["127.0.0.1"]}}}})
        acme = harness.partner({"news": {**harness.email_stream(acme_uses),
                                         "accounts": {"acme-lan": {"networks": ["127.0.0.2"]}}}})
        gateway = self.gateway(start=False, partners={"acme": acme, "beta": beta},
                               providers={"sick": sick, "healthy": self.healthy.provider(),
                                          "spare": self.spare.provider()})
        gateway.add_form(partners=["acme", "beta"])
        self.people = [f"many{i}@example.org" for i in range(200)]
        load.import_people(gateway, self.people)
        return gateway

    def run_sick(self, sick_port, messages=3, **settings):
        """Sends to the sick one while 32 sessions send to the healthy one; returns what acme was
        told, one list of replies a message, and acme's rows."""
        gateway = self.two_partners(sick_port, **settings)
        victims = [self.person(gateway, "sick") for _ in range(messages)]
        gateway.start()
        with self.crowd(gateway):
            told = [self.send(gateway, victim) for victim in victims]
        harness.wait_for("outcomes", lambda: self.settled(gateway))
        rows = gateway.log_rows("--partner", "acme")
        self.assertEqual([row["recipient_key"] for row in rows],
                         [load.recipient_key(gateway, victim) for victim in victims])
        return told, rows

    @staticmethod
    def settled(gateway):
        return all(row["outcome"] or row["effect"] != "passed" for row in gateway.log_rows())

    def send(self, gateway, recipient, mail=""):
        """The replies from RCPT on; each within ten seconds."""
        wire = self.wire(gateway, source="127.0.0.2", timeout=10)
        wire.hello()
        wire.say(f"MAIL FROM:<news@acme.example>{mail}", 250)
        replies = [wire.say(f"RCPT TO:<{recipient}>")]
        if replies[0][0] == 250:
            replies.append(wire.say("DATA"))
            if replies[1][0] == 354:
                wire.send(harness.message("news@acme.example", body="x" * 70 + "\r\n") + b".\r\n")
                replies.append(wire.reply())
        if "may have the message" in replies[-1][1]:
            self.assertTrue(wire.closed())
        else:
            wire.say("NOOP", 250)
        return replies

    def assertTold(self, told, codes, text=""):
        for replies in told:
            self.assertEqual([code for code, _ in replies], codes, replies)
            self.assertIn(text, replies[-1][1])

    def assertDeferred(self, rows, why):
        for row in rows:
            self.assertRow(row, verdict="pass", effect="deferred", outcome=None, queue_id=None,
                           provider="sick")
            self.assertRegex(row["provider_reply"] or "", why)

    def test_nothing_listens(self):
        told, rows = self.run_sick(harness.free_port())
        self.assertTold(told, [451], "4.4.0")
        self.assertDeferred(rows, "refused")

    def test_hangs_before_the_greeting(self):
        told, rows = self.run_sick(Mute(self).port, **HASTY)
        self.assertTold(told, [451], "4.4.0")
        self.assertDeferred(rows, "greeting|time")

    def test_refuses_at_the_greeting(self):
        sick = self.scripted({"connect": "554 5.3.2 not for you"})
        told, rows = self.run_sick(sick.port)
        self.assertTold(told, [451], "4.4.0")
        self.assertDeferred(rows, "554")

    def test_answers_garbage(self):
        sick = self.scripted({"connect": b"\x00\xff\x16\x03 hello?\r\n" * 20})
        told, rows = self.run_sick(sick.port)
        self.assertTold(told, [451], "4.4.0")
        self.assertDeferred(rows, ".")

    def test_answers_without_end(self):
        sick = self.scripted({"EHLO": b"250-" + b"x" * 4_000_000})
        told, rows = self.run_sick(sick.port, **HASTY)
        self.assertTold(told, [451], "4.4.0")
        self.assertDeferred(rows, ".")

    def test_answers_recipients_with_garbage(self):
        sick = self.scripted({"RCPT": b"OK whatever\r\n"})
        told, rows = self.run_sick(sick.port)
        self.assertTold(told, [451], "4.4.0")
        self.assertDeferred(rows, ".")
        self.assertEqual(sick.messages, [])

    def test_refuses_every_recipient(self):
        sick = self.scripted({"RCPT": "550 5.1.1 no such user here"})
        told, rows = self.run_sick(sick.port)
        self.assertTold(told, [550], "5.1.1 no such user here")
        for row in rows:
            self.assertRow(row, verdict="pass", effect="passed", outcome="refused")
            self.assertIn("no such user", row["provider_reply"])

    def test_refuses_the_sender(self):
        sick = self.scripted({"MAIL": "450 4.7.1 slow down"})
        told, rows = self.run_sick(sick.port)
        for replies in told:
            self.assertEqual(len(replies), 1)
            self.assertIn(replies[0][0], (450, 451), replies)
        for row in rows:
            self.assertIn((row["effect"], row["outcome"]),
                          (("passed", "refused"), ("deferred", None)), row)
            self.assertIn("slow down", row["provider_reply"])
        self.assertEqual(sick.messages, [])

    def test_refuses_content(self):
        sick = self.scripted({".": "554 5.7.1 looks like spam"})
        told, rows = self.run_sick(sick.port)
        self.assertTold(told, [250, 354, 554], "looks like spam")
        for row in rows:
            self.assertRow(row, effect="passed", outcome="refused")
            self.assertIn("looks like spam", row["provider_reply"])

    def test_refuses_data(self):
        sick = self.scripted({"DATA": "451 4.3.1 disk full here"})
        told, rows = self.run_sick(sick.port)
        self.assertTold(told, [250, 354, 451], "disk full here")
        for row in rows:
            self.assertRow(row, effect="passed", outcome="refused")

    def test_hangs_after_the_dot(self):
        sick = self.scripted({".": harness.Delay(5)})
        told, rows = self.run_sick(sick.port, **HASTY)
        self.assertTold(told, [250, 354, 451])
        for row in rows:
            self.assertRow(row, effect="passed", outcome="unknown", queue_id=None)

    def test_closes_after_the_dot(self):
        sick = self.scripted({".": harness.Drop})
        told, rows = self.run_sick(sick.port)
        self.assertTold(told, [250, 354, 451])
        for row in rows:
            self.assertRow(row, effect="passed", outcome="unknown", queue_id=None)

    def test_garbage_after_the_dot(self):
        """It answered, but nobody knows what: no success."""
        sick = self.scripted({".": b"yes, fine\r\n"})
        told, rows = self.run_sick(sick.port)
        self.assertTold(told, [250, 354, 451])
        for row in rows:
            self.assertRow(row, effect="passed", outcome="unknown", queue_id=None)

    def test_hangs_after_the_recipient(self):
        sick = self.scripted({"RCPT": harness.Delay(5)})
        told, rows = self.run_sick(sick.port, **HASTY)
        self.assertTold(told, [451], "4.4.0")
        self.assertDeferred(rows, ".")

    def test_closes_amid_the_body(self):
        """After 354, with most of the body still to come."""
        def close_soon(conversation, _):
            conversation._send("354 go ahead")
            conversation.connection.recv(1000)
            raise harness.Drop
        sick = self.scripted({"DATA": close_soon})
        gateway = self.two_partners(sick.port)
        victim = self.person(gateway, "sick")
        gateway.start()
        with self.crowd(gateway):
            wire = self.wire(gateway, source="127.0.0.2", timeout=20)
            wire.hello()
            wire.say("MAIL FROM:<news@acme.example>", 250)
            wire.say(f"RCPT TO:<{victim}>", 250)
            wire.say("DATA", 354)
            wire.send(harness.message("news@acme.example"))
            for _ in range(200):
                wire.send(b"y" * 998 + b"\r\n")
                time.sleep(0.002)
            wire.send(b".\r\n")
            self.assertEqual(wire.reply()[0], 451)
            wire.say("NOOP", 250)
        harness.wait_for("the reason", lambda: gateway.log_rows(
            "--partner", "acme")[0]["effect"] != "passed")
        rows = gateway.log_rows("--partner", "acme")
        self.assertRow(rows[0], verdict="pass", effect="deferred", outcome=None)
        self.assertEqual(len(rows), 1)
        self.assertEqual(sick.messages, [])

    def test_slow_but_sure(self):
        """Within its deadlines it may take its time."""
        slow = harness.Delay(0.2)
        sick = self.scripted({step: slow for step in ("connect", "EHLO", "RCPT", "DATA", ".")})
        told, rows = self.run_sick(sick.port)
        self.assertTold(told, [250, 354, 250])
        for row in rows:
            self.assertRow(row, effect="passed", outcome="accepted")

    def test_refuses_the_login(self):
        sick = self.scripted(login=("gate", "pass word"))
        told, rows = self.run_sick(sick.port, username="gate", password="wr0ng word")
        self.assertTold(told, [451], "4.4.0")
        self.assertDeferred(rows, "AUTH with 535")
        self.assertNotIn("wr0ng", "".join(row["provider_reply"] for row in rows))
        self.assertEqual([c for c in sick.commands() if c.startswith("MAIL")], [])

    def test_wrong_certificate(self):
        keys = self.pki()
        sick = self.scripted(starttls=keys.issue("other.test"))
        told, rows = self.run_sick(sick.port, tls="required", tls_name="smtp.provider.test",
                                   tls_ca_file=keys.authority())
        self.assertTold(told, [451], "4.4.0")
        self.assertDeferred(rows, "hostname mismatch")
        self.assertEqual([c for c in sick.commands() if c.startswith("MAIL")], [])

    def test_loses_an_extension(self):
        """A session was offered 8BITMIME; then the provider restarts without it."""
        sick = self.scripted()
        gateway = self.two_partners(sick.port)
        victims = [self.person(gateway, "sick") for _ in range(2)]
        gateway.start()
        harness.wait_for("the capabilities", lambda: "8BITMIME" in self.wire(
            gateway, source="127.0.0.2").hello())
        with self.crowd(gateway):
            told = self.send(gateway, victims[0], " BODY=8BITMIME")
            self.assertEqual([code for code, _ in told], [250, 354, 250])
            wire = self.wire(gateway, source="127.0.0.2", timeout=10)
            self.assertIn("8BITMIME", wire.hello())
            sick.stop()
            sick.capabilities = ["PIPELINING"]
            sick.start()
            wire.say("MAIL FROM:<news@acme.example> BODY=8BITMIME", 250)
            code, text = wire.say(f"RCPT TO:<{victims[1]}>")
            self.assertEqual((code, text[:5]), (554, "5.6.3"))
            # It is not offered any more.
            later = self.wire(gateway, source="127.0.0.2", timeout=10).hello()
            self.assertNotIn("8BITMIME", later)
        rows = gateway.wait_rows(2)
        rows = gateway.log_rows("--partner", "acme")
        self.assertRow(rows[1], verdict="pass", outcome="refused")
        self.assertEqual(len(sick.messages), 1)

    def breaker(self, gateway, name="sick"):
        return next(p for p in gateway.ask_status()["providers"] if p["name"] == name)["breaker"]

    def test_is_left_alone_and_comes_back(self):
        """Out of service after three failures: nobody is made to wait, nobody connects but the
        gate itself, ever more seldom; and back by itself."""
        sick = self.scripted({"connect": harness.Delay(0.3, "554 5.3.2 not now")})
        gateway = self.two_partners(sick.port)
        victims = [self.person(gateway, "sick") for _ in range(31)]
        gateway.start()
        with self.crowd(gateway):
            harness.wait_for("the breaker", lambda: self.send(gateway, victims[0])[0][0] == 451
                             and self.breaker(gateway) != "closed")
            before = len(sick.conversations)
            begun = time.monotonic()
            for victim in victims[1:]:
                self.assertTold([self.send(gateway, victim)], [451], "4.4.0")
            took = time.monotonic() - begun
            # At least half a second lies between two attempts, whoever asks.
            self.assertLessEqual(len(sick.conversations) - before, 1 + took / 0.5)
            self.assertLess(len(sick.conversations) - before, 30)
            sick.script = {}
            harness.wait_for("the provider to be back", lambda: self.breaker(gateway) == "closed",
                             timeout=90, pause=0.2)
            self.assertEqual(sick.messages, [])
            self.assertTold([self.send(gateway, victims[0])], [250, 354, 250])
        rows = gateway.log_rows("--partner", "acme")
        self.assertDeferred(rows[-31:-1], "out of service.*554")
        self.assertIn("provider back in service", gateway.log())

    def test_second_choice_while_the_first_is_away(self):
        """The second takes over at once, also while the first is out of service; the first gets the
        messages again when it is back."""
        sick = self.scripted()
        gateway = self.two_partners(sick.port, acme_uses=("sick", "spare"))
        victims = [self.person(gateway, "sick") for _ in range(12)]
        gateway.start()
        with self.crowd(gateway):
            self.assertTold([self.send(gateway, victims[0])], [250, 354, 250])
            self.assertEqual(len(sick.messages), 1)
            sick.stop()
            told = [self.send(gateway, victim) for victim in victims[1:11]]
            self.assertTold(told, [250, 354, 250])
            self.assertEqual(len(self.spare.acknowledged), 10)
            self.assertNotEqual(self.breaker(gateway), "closed")
            sick.start()
            harness.wait_for("the provider to be back", lambda: self.breaker(gateway) == "closed",
                             timeout=90, pause=0.2)
            self.assertTold([self.send(gateway, victims[11])], [250, 354, 250])
            self.assertEqual(len(sick.messages), 2)
        harness.wait_for("outcomes", lambda: self.settled(gateway))
        rows = gateway.log_rows("--partner", "acme")
        self.assertEqual([row["provider"] for row in rows], ["sick"] + ["spare"] * 10 + ["sick"])
        self.assertEqual({row["outcome"] for row in rows}, {"accepted"})

    def test_takes_three_connections(self):
        """The rest is turned away with 421: everybody waits a little, nobody is refused."""
        counter = threading.Lock()
        held = []

        def few(conversation, _):
            with counter:
                held[:] = [each for each in held if each in sick.open]
                if len(held) >= 3:
                    return "421 4.7.0 too many connections"
                held.append(conversation)
            return None
        sick = self.scripted({"connect": few, ".": harness.Delay(0.05)})
        gateway = self.two_partners(sick.port, connections=24, connect_timeout="20 s",
                                    reply_timeout="20 s", final_timeout="20 s")
        victims = [self.person(gateway, "sick") for _ in range(4)] * 6
        gateway.start()
        told = []
        with self.crowd(gateway):
            def one(victim):
                told.append(self.send(gateway, victim))
            threads = [threading.Thread(target=one, args=(victim,)) for victim in victims]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            state = next(p for p in gateway.status()["providers"] if p["name"] == "sick")
            self.assertEqual(state["breaker"], "closed", state)
            self.assertLessEqual(state["limit"], 3, state)
        self.assertEqual(len(told), len(victims))
        self.assertTold(told, [250, 354, 250])
        self.assertEqual(len(sick.messages), len(victims))

    def test_second_choice_takes_over(self):
        """Nothing listens at the first: the second gets the message, and the row names it."""
        gateway = self.two_partners(harness.free_port(), acme_uses=("sick", "spare"))
        person = self.person(gateway)
        gateway.start()
        with self.crowd(gateway):
            self.assertTold([self.send(gateway, person)], [250, 354, 250])
        harness.wait_for("outcomes", lambda: self.settled(gateway))
        self.assertRow(gateway.log_rows("--partner", "acme")[0], effect="passed",
                       outcome="accepted", provider="spare")


class Commands(harness.IntegrationTest):
    """octroi provider list and test."""

    def gate(self, provider, **settings):
        return self.gateway(start=False, providers={"smarthost": provider.provider(**settings)})

    def findings(self, gate, expect=0):
        text = gate.cli("provider", "test", "smarthost", "--format", "json", expect=expect)
        return [harness.json.loads(line) for line in text.splitlines()]

    def test_works(self):
        keys = self.pki()
        provider = self.scripted(starttls=keys.issue("smtp.provider.test"),
                                 login=("gate", "pass word"))
        gate = self.gate(provider, tls="required", tls_name="smtp.provider.test",
                         tls_ca_file=keys.authority(), username="gate", password="pass word")
        steps = self.findings(gate)
        self.assertEqual([step["step"] for step in steps],
                         ["resolve", "connect", "greeting", "ehlo", "starttls", "tls", "ehlo",
                          "auth", "quit"])
        self.assertTrue(all(step["ok"] for step in steps), steps)
        tls = steps[5]["detail"]
        self.assertRegex(tls, r"^TLSv1\.3 TLS_\w+; certificate of CN=smtp\.provider\.test, issued "
                              r"by CN=test authority ca, expires \d{4}-\d\d-\d\d; verified$")
        self.assertEqual(provider.commands()[-1], "QUIT")
        self.assertEqual(provider.conversations[-1].authenticated, "gate")
        table = gate.cli("provider", "test", "smarthost")
        self.assertIn("provider smarthost works", table)
        self.assertNotIn("pass word", table + gate.errors)
        # Nothing was kept.
        self.assertEqual(list((gate.state / "providers").glob("*")), [])

    def test_what_is_wrong_is_named(self):
        keys = self.pki()
        cases = (
            ({"connect": "554 5.3.2 not for you"}, {}, "greeting", "554 5.3.2 not for you"),
            ({"EHLO": b"nonsense\r\n"}, {}, "ehlo", "no SMTP reply"),
            ({}, {"tls": "required", "tls_ca_file": keys.authority()}, "ehlo", "STARTTLS"),
            ({"AUTH": "535 5.7.8 no, not wr0ng word"}, {"username": "gate",
                                                        "password": "wr0ng word"},
             "auth", "535"),
            ({"connect": harness.Delay(3)}, {"connect_timeout": "300 ms"}, "greeting", "no answer"),
        )
        for script, settings, step, text in cases:
            with self.subTest(step=step, text=text):
                provider = self.scripted(script, login=("gate", "x") if "AUTH" in script else None)
                gate = self.gate(provider, **settings)
                found = self.findings(gate, expect=1)[-1]
                self.assertEqual((found["step"], found["ok"]), (step, False), found)
                self.assertIn(text, found["detail"])
                self.assertNotIn("wr0ng", str(found) + gate.errors)
        wrong = self.scripted(implicit=keys.issue("other.test"))
        gate = self.gate(wrong, tls="implicit", tls_name="smtp.provider.test",
                         tls_ca_file=keys.authority())
        found = self.findings(gate, expect=1)[-1]
        self.assertEqual(found["step"], "tls")
        self.assertRegex(found["detail"], "hostname mismatch.*CN=other.test")
        wrong.stop()
        found = self.findings(gate, expect=1)[-1]
        self.assertEqual((found["step"], found["ok"]), ("connect", False))
        self.assertIn("refused", found["detail"])
        self.assertEqual(gate.cli_full("provider", "test", "nobody").returncode, 1)
        self.assertEqual(gate.cli_full("provider", "test").returncode, 2)

    def test_capture(self):
        gate = self.gateway(start=False, providers={
            "smarthost": {"adapter": "capture", "directory": "maildir"}})
        found = self.findings(gate)
        self.assertEqual([(each["step"], each["ok"]) for each in found], [("directory", True)])
        self.assertEqual(list((gate.folder / "maildir" / "tmp").iterdir()), [])

    def listed(self, gate):
        text = gate.cli("provider", "list", "--format", "json")
        return harness.json.loads(text.splitlines()[0])

    def test_list(self):
        provider = self.scripted()
        gate = self.gate(provider, username="gate", password="pass word")
        before = self.listed(gate)
        self.assertRow(before, provider="smarthost", adapter="smtp",
                       endpoint=f"127.0.0.1:{provider.port}", tls="none", username="gate",
                       breaker=None, capabilities=None, limit=32)
        provider.login = ("gate", "pass word")
        gate.start()
        gate.warm()
        running = self.listed(gate)
        self.assertRow(running, breaker="closed", connections=1, limit=32, last_error=None)
        self.assertEqual(set(running["capabilities"]), {"PIPELINING", "8BITMIME", "SIZE"})
        self.assertIn("smarthost", gate.cli("provider", "list"))
        harness.wait_for("the file", (gate.state / "providers" / "smarthost.json").exists)
        gate.stop()
        after = self.listed(gate)
        self.assertRow(after, breaker=None, connections=None)
        self.assertEqual(set(after["capabilities"]), {"PIPELINING", "8BITMIME", "SIZE"})
        self.assertNotIn("pass word", gate.cli("provider", "list", "--format", "csv"))
