# SPDX-License-Identifier: Apache-2.0
"""The rows of the benchmark that smtp_load carries: never how fast, only that it says what it claims
to say, that a figure stands for messages that arrived, and that churn would show what is kept."""

import json
import pathlib
import socket
import subprocess
import sys
import types

import bench_harness
import harness

import bench  # noqa: I100
import churn
import idle
import ways

SENDER = "news@acme.example"


class Talk:
    """A server of one connection that is told what to hear and what to say: pieces are counted."""

    def __init__(self, test, command):
        self.listener = socket.create_server(("127.0.0.1", 0))
        test.addCleanup(self.listener.close)
        self.listener.settimeout(harness.PATIENCE)
        port = self.listener.getsockname()[1]
        self.process = harness.spawn([*command, port, SENDER, "a@people.example"],
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        test.addCleanup(self.end)
        self.socket = self.listener.accept()[0]
        test.addCleanup(self.socket.close)
        self.socket.settimeout(harness.PATIENCE)

    def say(self, text):
        self.socket.sendall(text.encode())

    def hear(self):
        return self.socket.recv(65536).decode()

    def silent(self, seconds=0.3):
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(1) is None
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(harness.PATIENCE)

    def result(self):
        out, problem = self.process.communicate(timeout=harness.PATIENCE)
        return self.process.returncode, out, problem

    def end(self):
        harness.end(self.process)
        self.process.stdout.close()
        self.process.stderr.close()


class BenchMail(harness.IntegrationTest):
    long = True
    timeout = 240

    def setUp(self):
        super().setUp()
        self.tools = bench_harness.tools("mail-peers")
        self.folder = pathlib.Path(self.path("bench"))
        self.folder.mkdir()

    def bench(self, *options, binary=None):
        figures = self.folder / "figures.json"
        done = subprocess.run(
            [sys.executable, bench_harness.BENCH / "bench.py", "--octroi",
             binary or harness.octroi_path(), "--cache", self.folder / "people", "--people", "3000",
             "--messages", "200", "--rounds", "1", "--latency", "0", "--tools", self.tools,
             "--json", figures, *options],
            capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(figures.read_text()), done.stdout

    def direct(self, *options, tls=False):
        """The sink and the way to it."""
        files = ways.Tls(self.folder / "tls") if tls else None
        sink = ways.OurSink(self.tools, self.folder, files, *options)
        self.addCleanup(sink.stop)
        way = ways.Direct(self.folder / f"direct-{sink.port}", None, sink, files)
        way.tools = self.tools
        return way, sink

    # ---- smtp_load

    def test_pipelined_content_waits_for_its_answer(self):
        talk = Talk(self, [self.tools / "smtp_load", "-p", "-n", "2", "-l", "10"])
        talk.say("220 x ESMTP\r\n")
        self.assertEqual(talk.hear(), "EHLO client.test\r\n")
        talk.say("250-x\r\n250 PIPELINING\r\n")
        self.assertEqual(talk.hear(), f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<0a@people.example>\r\n"
                                      "DATA\r\n")
        talk.say("250 a\r\n250 b\r\n")
        self.assertTrue(talk.silent(), "content came before 354")
        talk.say("354 c\r\n")
        # One piece: the content, and all of the next message's envelope.
        content, _, envelope = talk.hear().partition("\r\n.\r\n")
        self.assertIn("To: <0a@people.example>\r\n", content)
        self.assertEqual(envelope, f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<1a@people.example>\r\n"
                                   "DATA\r\n")
        talk.say("250 d\r\n250 e\r\n250 f\r\n354 g\r\n")
        content, _, rest = talk.hear().partition("\r\n.\r\n")
        self.assertIn("To: <1a@people.example>\r\n", content)
        self.assertEqual(rest, "")
        talk.say("250 h\r\n")
        self.assertEqual(talk.hear(), "QUIT\r\n")
        talk.say("221 i\r\n")
        code, out, problem = talk.result()
        self.assertEqual((code, problem), (0, ""))
        report = json.loads(out)
        self.assertEqual((report["sent"], report["sum"], report["statuses"]), (2, 1, {"250": 2}))

    def test_it_pipelines_only_what_was_offered(self):
        talk = Talk(self, [self.tools / "smtp_load", "-p", "-n", "1"])
        talk.say("220 x ESMTP\r\n")
        talk.hear()
        talk.say("250 x\r\n")
        self.assertEqual(talk.hear(), f"MAIL FROM:<{SENDER}>\r\n")
        self.assertTrue(talk.silent())

    def test_another_answer_ends_it(self):
        for said, problem in (("452 no\r\n", "to MAIL: 452 no"), (None, "the peer is gone")):
            talk = Talk(self, [self.tools / "smtp_load", "-n", "1"])
            talk.say("220 x ESMTP\r\n")
            talk.hear()
            talk.say("250 x\r\n")
            talk.hear()
            if said:
                talk.say(said)
            else:
                talk.socket.shutdown(socket.SHUT_RDWR)
            code, out, found = talk.result()
            self.assertEqual((code, out), (1, ""))
            self.assertIn(problem, found)

    def test_a_certificate_of_somebody_else_ends_it(self):
        way, _ = self.direct(tls=True)
        way.tls.authority = harness.Pki(self.folder / "other").authority("other")
        with self.assertRaisesRegex(bench.BenchError, "the peer is gone before it answered the gr"):
            bench.send(way, 1, "a", bench.ROWS["tls"])

    # ---- rows of messages

    def test_every_message_is_counted(self):
        report, said = self.bench("--only", "pipelined,tls", "--rows", "--ways",
                                  "direct,haproxy,octroi")
        for row in ("pipelined", "tls"):
            for name in ("direct", "haproxy", "octroi"):
                result = report["results"][row][name][0]
                self.assertEqual(result["arrived"], 200)
                self.assertGreater(result["rate"], 0)
            # What the sink took is what the journal says: warming up and the run.
            self.assertEqual(report["results"][row]["octroi"][0]["rows"], 64 + 200)
        self.assertEqual([each["row"] for each in report["reach"]], ["pipelined", "tls"])
        for each in report["reach"]:
            self.assertIn(each["sentence"], said)

    def test_a_loss_is_no_figure(self):
        row = bench.ROWS["tls"]
        way, sink = self.direct(tls=True)
        self.assertGreater(bench.measure(way, sink, 20, "a", row=row)["rate"], 0)
        self.assertEqual(sink.both(), (20, sum(range(1, 21))))
        # A sink that takes messages elsewhere: smtp_load is content, the count is not.
        way.port = self.direct(tls=True)[0].port
        with self.assertRaisesRegex(bench.BenchError, "only 20 of 40 messages"):
            bench.measure(way, sink, 20, "a", timeout=0.5, row=row)

    def test_a_refusal_is_no_figure(self):
        way, sink = self.direct("-r")
        with self.assertRaisesRegex(bench.BenchError, "smtp_load: .*to RCPT: 550"):
            bench.measure(way, sink, 20, "a", row=bench.ROWS["pipelined"])

    def test_a_bar_is_missed_or_reached(self):
        def of(rate):
            return {"rate": rate, "cpu_us": 10.0}
        found = bench.reach({"pipelined": {"octroi": of(7.1), "haproxy": of(10.0)},
                             "tls": {"octroi": of(6.9), "haproxy": of(10.0)},
                             "idle": {"octroi": {"each_kb": 6.1}},
                             "idle-tls": {"octroi": {"each_kb": 39.9}}})
        self.assertEqual([each["reached"] for each in found], [True, False, False, True])

    # ---- sessions that idle

    def test_idle_sessions_are_there_when_memory_is_read(self):
        report, said = self.bench("--only", "idle,idle-tls", "--idle", "150",
                                  binary=harness.plain_path())  # a sanitizer's memory is never still
        for row in ("idle", "idle-tls"):
            self.assertIn(bench.ROWS[row].title, said)
            for kind in idle.Row.kinds:
                result = report["results"][row][kind.name][0]
                self.assertEqual(result["sessions"], 150)
                self.assertGreater(result["with_kb"], 0)
        self.assertEqual([each["row"] for each in report["reach"]], ["idle", "idle-tls"])

    def test_a_session_that_ends_is_no_figure(self):
        way, sink = self.direct()
        held = idle.Sessions(self.tools, way, 30)
        self.assertEqual(idle.sessions_at(way.port), 30)
        sink.stop()
        held.process.wait(harness.PATIENCE)
        with self.assertRaisesRegex(idle.IdleError, "the peer is gone"):
            held.end()

    # ---- churn

    def churn(self, sessions, rounds, people=100):
        options = types.SimpleNamespace(
            octroi=harness.plain_path() or harness.octroi_path(), tools=self.tools,
            sessions=sessions, rounds=rounds, at_once=50, warm=2, people=people)
        return churn.churn(options, self.folder, print)

    def test_churn_leaves_nothing_behind(self):
        rounds = self.churn(sessions=2000, rounds=4)
        for each in rounds:
            self.assertEqual((each["sessions"], each["mailed"]), (2000, 400))
        # Memory of so short a run is still on its way to where it stands: told is what would be a
        # leak of a kilobyte a session, and each descriptor.
        self.assertLess(rounds[-1]["resident_kb"] - rounds[1]["resident_kb"], 2 * 2000)
        self.assertEqual([each["descriptors"] for each in rounds[2:]],
                         [rounds[1]["descriptors"]] * 2)

    def test_churn_tells_what_is_kept(self):
        def of(kb, fds):
            return {"resident_kb": kb, "descriptors": {"socket": fds}}
        rounds = [of(10_000, 7), of(20_000, 9), of(22_048, 9)]
        self.assertEqual(churn.judge(rounds, 2), [])
        self.assertRegex(churn.judge([*rounds, of(22_049, 9)], 2)[0], "^round 4: 2049 KB more")
        self.assertRegex(churn.judge([*rounds, of(20_000, 10)], 2)[0], "^round 4: open are")
        self.assertEqual(len(churn.judge(rounds, 1)), 4)

    def test_churn_without_all_its_messages_is_no_churn(self):
        original = ways.OurSink.count
        self.addCleanup(setattr, ways.OurSink, "count", original)
        ways.OurSink.count = lambda sink: original(sink) // 2
        with self.assertRaisesRegex(churn.ChurnError, "10 messages arrived, 20 were answered for"):
            self.churn(sessions=100, rounds=1)
