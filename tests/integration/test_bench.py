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
             "--rounds", "1", "--latency", "5", "--rows", "--only", "direct,haproxy,octroi",
             "--json", figures], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads(figures.read_text())
        for name in ("direct", "haproxy", "octroi"):
            result = report["results"][name][0]
            self.assertEqual(result["arrived"], 200)
            self.assertGreater(result["rate"], 0)
            self.assertIn(ways.ALL[[way.name for way in ways.ALL].index(name)].title, done.stdout)
        # What the sink took is what the journal says: warming up, the run, the lone mails.
        self.assertEqual(report["results"]["octroi"][0]["rows"], 64 + 200 + 5)
        self.assertGreater(report["results"]["octroi"][0]["cpu_us"], 0)

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
