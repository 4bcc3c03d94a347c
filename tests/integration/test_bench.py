# SPDX-License-Identifier: Apache-2.0
"""The benchmark counts right: never how fast, only that a figure stands for messages that arrived."""

import json
import pathlib
import subprocess
import sys

import harness

BENCH = pathlib.Path(__file__).resolve().parent.parent / "bench"
sys.path.insert(0, str(BENCH))

import bench  # noqa: E402
import ways  # noqa: E402


class Bench(harness.IntegrationTest):
    timeout = 240

    def test_every_message_is_counted(self):
        folder = pathlib.Path(self.path("bench"))
        folder.mkdir()
        figures = folder / "figures.json"
        done = subprocess.run(
            [sys.executable, BENCH / "bench.py", "--octroi", harness.octroi_path(),
             "--cache", folder / "people", "--people", "3000", "--messages", "200",
             "--rounds", "1", "--latency", "5", "--rows", "--only", "kept,new",
             "--tools", pathlib.Path(harness.octroi_path()).parent / "tests" / "bench",
             "--ways", "direct,haproxy,octroi", "--json", figures], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads(figures.read_text())
        for name in ("direct", "haproxy", "octroi"):
            result = report["results"]["kept"][name][0]
            self.assertEqual(result["arrived"], 200)
            self.assertEqual(report["results"]["new"][name][0]["arrived"], 100)
            self.assertGreater(result["rate"], 0)
            self.assertIn(ways.ALL[[way.name for way in ways.ALL].index(name)].title, done.stdout)
        # What the sink took is what the journal says: warming up, the run, the lone mails.
        self.assertEqual(report["results"]["kept"]["octroi"][0]["rows"], 64 + 200 + 5)
        self.assertGreater(report["results"]["kept"]["octroi"][0]["cpu_us"], 0)

        self.assertEqual(report["results"]["new"]["octroi"][0]["rows"], 64 + 100)
        # Each bar that was measured is in the report, reached or missed.
        self.assertEqual(len(report["reach"]), 4)
        for each in report["reach"]:
            self.assertIn(each["sentence"], done.stdout)

    def test_a_bar_is_missed_or_reached(self):
        def of(rate, cpu=10.0):
            return {"rate": rate, "cpu_us": cpu}
        found = bench.reach({"kept": {"octroi": of(9.0, 12.6), "haproxy": of(10.0)},
                             "new": {"octroi": of(6.9), "haproxy": of(10.0)},
                             "journal": {"octroi": of(84.0), "octroi-no-journal": of(100.0)}})
        self.assertEqual([each["reached"] for each in found], [True, False, False, False])

    def test_without_its_journal_it_keeps_no_row(self):
        folder = pathlib.Path(self.path("bench"))
        folder.mkdir()
        tools = pathlib.Path(harness.octroi_path()).parent / "tests" / "bench"
        figures = folder / "figures.json"
        done = subprocess.run(
            [sys.executable, BENCH / "bench.py", "--octroi", harness.octroi_path(), "--tools", tools,
             "--cache", folder / "people", "--people", "3000", "--messages", "100", "--rounds", "1",
             "--rows", "--latency", "0", "--only", "journal", "--json",
             figures], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        results = json.loads(figures.read_text())["results"]["journal"]
        self.assertEqual(results["octroi"][0]["rows"], 64 + 100)
        self.assertEqual(results["octroi-no-journal"][0]["rows"], 0)

    def test_a_loss_is_no_figure(self):
        folder = pathlib.Path(self.path("bench"))
        folder.mkdir()
        sink = ways.Sink(folder)
        self.addCleanup(sink.stop)
        direct = ways.Direct(folder / "direct", None, sink)
        self.assertGreater(bench.measure(direct, sink, 20, "a")["rate"], 0)
        self.assertEqual(sink.count(), 20)
        # A sink that takes messages elsewhere: smtp-source is content, the count is not.
        other = ways.Sink(folder)
        self.addCleanup(other.stop)
        direct.port = other.port
        with self.assertRaisesRegex(bench.BenchError, "only 20 of 40 messages"):
            bench.measure(direct, sink, 20, "a", timeout=0.5)

    def test_a_refusal_is_no_figure(self):
        folder = pathlib.Path(self.path("bench"))
        folder.mkdir()
        sink = ways.Sink(folder, "-r", "RCPT")  # 5xx to every recipient
        self.addCleanup(sink.stop)
        direct = ways.Direct(folder / "direct", None, sink)
        with self.assertRaisesRegex(bench.BenchError, "smtp-source: .*5"):
            bench.measure(direct, sink, 20, "a")
