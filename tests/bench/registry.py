#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the registry costs when it is large, in one run and as ratios:

import    `octroi consent import` beside inserting the same rows with the SQLite library directly
          (direct_insert.c), and how much memory it took
verdict   one verdict (verdicts.c) in the large registry beside one in a small registry
screen    rows a second of `octroi screen`, journalled
rcpt      the 99th percentile of the gateway's answers to RCPT while an import runs, beside that
          without

Everything lies in one folder (--cache), which is several times the size of the CSV.
"""

import argparse
import contextlib
import json
import math
import pathlib
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]

import harness  # noqa: E402

FORM = {**harness.FORM, "purposes": ["receipt", "transmission"]}
SMALL = 10_000
ASKED = 10_000


def say(text):
    print(text, file=sys.stderr, flush=True)


class Bench:
    def __init__(self, options):
        self.options = options
        self.tools = pathlib.Path(options.tools)
        self.cache = pathlib.Path(options.cache)
        self.figures = {}

    def run(self, *arguments, **more):
        return subprocess.run(list(map(str, arguments)), check=True, stdout=subprocess.PIPE,
                              text=True, **more).stdout

    # ---- gateways ----

    def registry(self, name):
        return self.cache / name / "state" / "registry.db"

    def events(self, name):
        with contextlib.closing(sqlite3.connect(self.registry(name))) as db:
            return db.execute("SELECT max(event_id) FROM event").fetchone()[0]

    def config(self, name, port=1, provider_port=1):
        config = {
            "hostname": "gate.test", "state_dir": "state",
            "listeners": {"submission": {"bind": f"127.0.0.1:{port}", "tls": "none"}},
            "providers": {"smarthost": {"adapter": "smtp", "host": "127.0.0.1",
                                        "port": provider_port, "tls": "none"}},
            "partners": {"acme": harness.partner({"news": harness.email_stream()})},
            "policies": {"email": {}},
        }
        file = self.cache / name / "octroi.conf"
        file.write_text("".join(f"{key} = {harness.render(value)};\n"
                                for key, value in config.items()))
        return file

    def octroi(self, name, *arguments, **more):
        return self.run(self.options.octroi, "-c", self.cache / name / "octroi.conf", *arguments,
                        **more)

    def make(self, name):
        shutil.rmtree(self.cache / name, ignore_errors=True)
        self.run(self.options.octroi, "init", self.cache / name)
        self.config(name)
        self.octroi(name, "form", "add", "-", input=json.dumps(FORM))

    def write_people(self, file, first, count, stem="person"):
        at = harness.instant(86400)
        with open(file, "w") as out:
            out.write(",".join(harness.CSV_HEADER) + "\n")
            for start in range(first, first + count, 10_000):
                out.writelines(
                    f"{stem}{number}@example{number % 997}.org,email,given,{at},jeu-ete@1,,,"
                    f"supplier-{number // 10_000},click {number}\n"
                    for number in range(start, min(start + 10_000, first + count)))

    # ---- what is measured ----

    def imports(self):
        count = self.options.people
        file = self.cache / "people.csv"
        self.make("large")
        say(f"writing {count} consents")
        self.write_people(file, 0, count)
        say("importing them")
        began = time.monotonic()
        importer = subprocess.Popen(
            [self.options.octroi, "-c", self.cache / "large" / "octroi.conf", "consent", "import",
             file], stdout=subprocess.DEVNULL)
        memory = self.watch(importer)
        seconds = time.monotonic() - began
        file.unlink()
        say("inserting the same rows directly")
        copy = self.cache / "direct.db"
        rows, direct = self.run(self.tools / "direct_insert", self.registry("large"), copy).split()
        if int(rows) != count:
            raise SystemExit(f"{rows} rows were inserted, not {count}")
        for path in self.cache.glob("direct.db*"):
            path.unlink()
        self.figures["import"] = {
            "rows": count, "seconds": round(seconds, 1), "rows_per_second": round(count / seconds),
            "direct_rows_per_second": round(count / float(direct)),
            "ratio": round(float(direct) / seconds, 2), "memory_kib": memory}

    @staticmethod
    def watch(process):
        """Resident KiB at a tenth of the way, roughly, and the most it was."""
        samples = []
        while process.poll() is None:
            try:
                text = pathlib.Path(f"/proc/{process.pid}/status").read_text()
                samples.append(int(text.partition("VmRSS:")[2].split()[0]))
            except (OSError, IndexError, ValueError):
                break
            time.sleep(0.2)
        if process.wait() != 0:
            raise SystemExit("the import failed")
        return {"early": samples[len(samples) // 10], "late": samples[-2 if len(samples) > 1 else 0],
                "most": max(samples)} if samples else {}

    def verdicts(self):
        self.make("small")
        file = self.cache / "small.csv"
        self.write_people(file, 0, SMALL)
        self.octroi("small", "consent", "import", file)
        times = {"small": [], "large": []}
        for _ in range(self.options.rounds):
            for name, found in times.items():
                with open(self.registry(name), "rb") as data:
                    while data.read(1 << 20):
                        pass
                key = self.cache / name / "keys" / "recipient.key"
                found += [list(map(int, line.split())) for line in self.run(
                    self.tools / "verdicts", self.registry(name), key, ASKED, 3).splitlines()]
        self.figures["verdict"] = {}
        for place, what in enumerate(("verdict", "look-up alone")):
            small, large = (statistics.median(each[place] for each in times[name])
                            for name in ("small", "large"))
            self.figures["verdict"][what] = {"small_ns": small, "large_ns": large,
                                             "ratio": round(large / small, 2)}

    def screen(self):
        count = self.options.screen
        file = self.cache / "list.csv"
        known = self.options.people
        say(f"screening {count} rows")
        with open(file, "w") as out:
            out.write("name,email,town\n")
            # Nine of ten are known; spread over all of them.
            step = max(1, known // count)
            for number in range(count):
                person = number * step if number % 10 else known + number
                out.write(f"Person {number},person{person}@example{person % 997}.org,Lyon\n")
        state = self.cache / "large" / "state"
        shutil.rmtree(state / "journal", ignore_errors=True)
        for path in state.glob("journal.db*"):
            path.unlink()
        began = time.monotonic()
        with open(self.cache / "permitted.csv", "w") as permitted:
            subprocess.run([self.options.octroi, "-c", self.cache / "large" / "octroi.conf",
                            "screen", "--partner", "acme", "--channel", "email", file, "--blocked",
                            self.cache / "blocked.csv"], stdout=permitted, check=True)
        seconds = time.monotonic() - began
        with open(self.cache / "permitted.csv") as permitted:
            passed = sum(1 for _ in permitted) - 1
        self.figures["screen"] = {"rows": count, "passed": passed,
                                  "rows_per_second": round(count / seconds)}

    def rcpt(self):
        self.make("serving")
        file = self.cache / "serving.csv"
        self.write_people(file, 0, 10_000)
        self.octroi("serving", "consent", "import", file)
        provider = harness.ScriptedProvider()
        port = harness.free_port()
        config = self.config("serving", port, provider.port)
        gateway = subprocess.Popen([self.options.octroi, "-c", config, "serve"],
                                   stderr=subprocess.DEVNULL)
        try:
            harness.wait_for("the gateway", lambda: socket.socket().connect_ex(
                ("127.0.0.1", port)) == 0)
            self.times(port, 2)  # warms
            alone = self.times(port, self.options.seconds)
            self.write_people(file, 10_000, self.options.beside, "more")
            importer = subprocess.Popen([self.options.octroi, "-c", config, "consent", "import",
                                         file], stdout=subprocess.DEVNULL)
            beside = self.times(port, self.options.seconds)
            ended = importer.poll() is not None
            importer.terminate()
            importer.wait()
            taken = self.events("serving") - 10_000
            if ended:
                raise SystemExit("the import was too short: --beside")
        finally:
            gateway.terminate()
            gateway.wait()
            provider.stop()
        self.figures["rcpt"] = {
            "imported_per_second": round(taken / self.options.seconds)} | {
            kind: {"alone_ms": round(alone[kind] * 1e3, 2), "beside_ms": round(beside[kind] * 1e3, 2),
                   "ratio": round(beside[kind] / alone[kind], 2)} for kind in alone}

    @staticmethod
    def times(port, seconds):
        """99th percentiles of the answers to RCPT, of those that pass and of those that are refused
        (and journalled first), asked a hundred times a second."""
        found = {"passed": [], "refused": []}
        with socket.create_connection(("127.0.0.1", port)) as connection:
            stream = connection.makefile("rwb", 0)

            def ask(line):
                stream.write(line.encode() + b"\r\n")
                while (answer := stream.readline())[3:4] == b"-":
                    pass
                return answer
            stream.readline()
            ask("EHLO bench.test")
            until = time.monotonic() + seconds
            number = 0
            while (began := time.monotonic()) < until:
                number += 1
                if not ask("MAIL FROM:<news@acme.example>").startswith(b"250"):
                    raise SystemExit("MAIL was refused")
                for kind, person in (("passed", number % 10_000), ("refused", 10**9 + number)):
                    sent = time.monotonic()
                    answer = ask(f"RCPT TO:<person{person}@example{person % 997}.org>")
                    found[kind].append(time.monotonic() - sent)
                    if answer[:3] != (b"250" if kind == "passed" else b"550"):
                        raise SystemExit(f"RCPT: {answer!r}")
                ask("RSET")
                time.sleep(max(0, began + 0.01 - time.monotonic()))
        return {kind: sorted(times)[math.floor(len(times) * 0.99)] for kind, times in found.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--octroi", required=True)
    parser.add_argument("--tools", required=True, help="where direct_insert and verdicts are")
    parser.add_argument("--cache", required=True)
    parser.add_argument("--people", type=int, default=10_000_000)
    parser.add_argument("--screen", type=int, default=1_000_000)
    parser.add_argument("--beside", type=int, default=10_000_000)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="imports,verdicts,screen,rcpt")
    options = parser.parse_args()
    bench = Bench(options)
    bench.cache.mkdir(parents=True, exist_ok=True)
    for name in options.only.split(","):
        getattr(bench, name)()
        print(json.dumps({name: bench.figures[next(reversed(bench.figures))]}), flush=True)


if __name__ == "__main__":
    main()
