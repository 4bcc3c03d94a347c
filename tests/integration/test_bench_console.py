# SPDX-License-Identifier: Apache-2.0
"""The console's benchmark: a figure stands for pages that were there, never how fast."""

import json
import pathlib
import subprocess
import sys

import harness

BENCH = pathlib.Path(__file__).resolve().parent.parent / "bench"


class BenchConsole(harness.IntegrationTest):
    def bench(self, *arguments):
        octroi = pathlib.Path(harness.octroi_path())
        return subprocess.run(
            [sys.executable, BENCH / "console.py", "--octroi", octroi, "--tools", octroi.parent / "examples",
             "--cache", self.folder / "cache", "--rows", "300", "--days", "10", "--requests", "3",
             *map(str, arguments)], capture_output=True, text=True)

    def test_pages_are_timed(self):
        figures = self.path("figures")
        done = self.bench("--only", "overview,partners,users", "--json", figures)
        self.assertEqual(done.returncode, 0, done.stderr)
        results = json.loads(figures.read_text())["results"]
        self.assertEqual({result["page"] for result in results}, {"overview", "partners", "users"})
        for result in results:
            self.assertGreater(result["p50_ms"], 0)
            self.assertGreaterEqual(result["p95_ms"], result["p50_ms"])
            self.assertGreater(result["bytes"], 1000)
        # What is kept is taken again.
        again = self.bench("--only", "overview")
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertNotIn("300 decisions over", again.stdout)

    def test_a_page_that_is_not_there_is_no_figure(self):
        sys.path.insert(0, str(BENCH))
        import console
        with self.assertRaisesRegex(SystemExit, "answered 404"):
            console.measure(_Reader(404), "overview", "/console", 1)
        self.assertEqual(console.measure(_Reader(200), "overview", "/console", 4)["bytes"], 4)


class _Reader:
    """console.Reader with a server that answers this."""

    def __new__(cls, status):
        import console
        reader = object.__new__(console.Reader)
        reader.headers = {}
        reader.connect = lambda: setattr(reader, "connection", _Connection(status))
        return reader


class _Connection:
    def __init__(self, status):
        self.status = status

    def request(self, method, path, headers):
        pass

    def getresponse(self):
        return self

    def read(self):
        return b"page"
