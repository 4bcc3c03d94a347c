# SPDX-License-Identifier: Apache-2.0
"""SIGHUP: new sessions have the new configuration, running ones keep theirs, a bad one is none."""

import harness


class Reload(harness.IntegrationTest):
    def setUp(self):
        super().setUp()
        self.first = self.scripted()
        self.second = self.scripted()
        self.gate = self.gateway(self.first)
        self.sender = self.address(self.gate, "news", "acme.example")
        self.yes, self.no = self.person(self.gate), self.address(self.gate, "no")

    def begin(self, port=None):
        client = self.wire(port or self.gate.port)
        client.hello()
        client.say(f"MAIL FROM:<{self.sender}>", 250)
        client.say(f"RCPT TO:<{self.yes}>", 250)
        return client

    def end(self, client):
        client.say("DATA", 354)
        client.send(harness.message(self.sender) + b".\r\n")
        self.assertEqual(client.reply()[0], 250)

    def test_new_sessions_only(self):
        running = self.begin()
        waiting = self.wire(self.gate)  # greeted, nothing said yet
        self.gate.config["providers"]["smarthost"] = self.second.provider()
        self.gate.config["partners"]["acme"]["mode"] = "observe"
        self.gate.write_config()
        version = self.gate.status()["config"]["version"]
        self.gate.reload()
        self.assertNotEqual(self.gate.status()["config"]["version"], version)
        self.assertIsNone(self.gate.status()["config"]["last_reload_error"])
        fresh = self.begin()
        self.assertEqual(fresh.say(f"RCPT TO:<{self.no}>")[0], 250)
        self.assertBlocked(running.say(f"RCPT TO:<{self.no}>"), "NO_CONSENT")
        self.end(running)
        self.end(fresh)
        self.assertEqual([m.recipients for m in self.first.messages], [[self.yes]])
        self.assertEqual([m.recipients for m in self.second.messages], [[self.yes, self.no]])
        # The session that was open goes on as it began, message after message.
        running.say(f"MAIL FROM:<{self.sender}>", 250)
        running.say(f"RCPT TO:<{self.yes}>", 250)
        self.end(running)
        waiting.hello()
        waiting.say(f"MAIL FROM:<{self.sender}>", 250)
        self.assertBlocked(waiting.say(f"RCPT TO:<{self.no}>"), "NO_CONSENT")
        self.assertEqual(len(self.first.messages), 2)
        modes = [row["mode"] for row in self.gate.wait_rows(6)]
        self.assertEqual(sorted(modes), ["enforce"] * 4 + ["observe"] * 2)

    def test_listeners_come_and_go(self):
        old, new = self.gate.port, harness.free_port()
        running = self.begin()
        self.gate.config["listeners"]["submission"]["bind"] = f"127.0.0.1:{new}"
        self.gate.write_config()
        self.gate.reload()
        self.end(self.begin(new))
        harness.wait_for("the old listener to be gone", lambda: self.refused(old))
        self.end(running)
        self.assertEqual(len(self.first.messages), 2)
        self.gate.wait_rows(2)

    @staticmethod
    def refused(port):
        with harness.socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) != 0

    def test_broken_configurations_change_nothing(self):
        good = self.gate.file.read_text()
        before = self.gate.ask_status()["config"]
        busy = harness.socket.socket()
        self.addCleanup(busy.close)
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        for name, text, said in (
                ("syntax", good + "\npartners: {", None),
                ("unknown key", good + '\nnonsense = "x";\n', "nonsense"),
                ("reference to nothing", good.replace('"smarthost" ]', '"other" ]'), "other"),
                ("empty", "", "hostname"),
                ("fixed", good.replace('state_dir = "state"', 'state_dir = "elsewhere"'), None),
                ("port in use", good.replace(
                    f"127.0.0.1:{self.gate.port}", "127.0.0.1:%d" % busy.getsockname()[1]), None)):
            with self.subTest(name):
                self.assertNotEqual(text, good)
                self.gate.write_config(text)
                mark = len(self.gate.log())
                self.gate.reload(good=False)
                now = self.gate.ask_status()["config"]
                self.assertTrue(now.pop("last_reload_error"))
                self.assertEqual(now, {key: value for key, value in before.items()
                                       if key != "last_reload_error"})
                if said:
                    self.assertRegex(self.gate.log()[mark:], rf"octroi\.conf:\d+: .*{said}")
                self.end(self.begin())
        self.gate.write_config(good)
        self.gate.reload()
        self.assertIsNone(self.gate.status()["config"]["last_reload_error"])
        self.assertEqual({row["outcome"] for row in self.gate.wait_rows(6)}, {"accepted"})

    def test_password_changed(self):
        self.gate.config["partners"]["acme"]["streams"]["news"]["accounts"] = {
            "acme-news": {"password": self.gate.password("old word")}}
        self.gate.write_config()
        self.gate.reload()
        self.login("old word", 235)
        self.login("old word", 235)  # remembered
        self.gate.config["partners"]["acme"]["streams"]["news"]["accounts"] = {
            "acme-news": {"password": self.gate.password("new word")}}
        self.gate.write_config()
        self.gate.reload()
        self.login("old word", 535)
        self.login("new word", 235)

    def login(self, password, code):
        client = self.wire(self.gate)
        client.hello()
        text = harness.base64.b64encode(f"\0acme-news\0{password}".encode()).decode()
        client.say(f"AUTH PLAIN {text}", code)

    def test_many_reloads_under_load(self):
        """Reloads while messages flow: nothing is lost, nothing is sent twice."""
        for turn in range(20):
            client = self.begin()
            self.gate.config["partners"]["acme"]["name"] = f"ACME {turn}"
            self.gate.write_config()
            self.gate.reload()
            self.end(client)
        self.assertEqual(len(self.first.messages), 20)
        self.gate.wait_rows(20)

    def test_drain(self):
        """SIGTERM: what runs is finished, nobody new comes in, the exit code is 0."""
        running = self.begin()
        idle = self.wire(self.gate)
        idle.hello()
        self.gate.process.terminate()
        self.assertEqual(idle.reply()[0], 421)
        harness.wait_for("the listener to be gone", lambda: self.refused(self.gate.port))
        self.end(running)
        self.assertEqual(running.reply()[0], 421)
        self.assertEqual(self.gate.process.wait(harness.LEAVING), 0)
        self.assertRow(self.gate.log_rows()[0], outcome="accepted")
