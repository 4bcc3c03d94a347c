#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How long a page of the console takes with millions of decisions in the journal: each is asked for again
and again over a kept connection by one who is logged in, and timed from the first byte sent to the last one
read. An answer that is not 200 ends it: there is no figure then.

The gateway and its past (examples/history) are kept beside, so that only the first run makes them. Client
and gateway share the machine.
"""

import argparse
import datetime
import http.client
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))
import console_harness  # noqa: E402
import harness  # noqa: E402

EXAMPLES = HERE.parent.parent / "examples"
MOST_MS = 300  # what a page may take, but for one in twenty
PASSWORD = "a password of some length"


def say(text):
    print(text, flush=True)


class Past:
    """A gateway with a past, kept in a folder."""

    def __init__(self, options):
        self.octroi = options.octroi
        self.history = options.tools / "history"
        self.folder = options.cache
        self.file = self.folder / "gateway" / "octroi.conf"
        self.stamp = self.folder / "made.json"
        self.wanted = {"rows": options.rows, "days": options.days}

    def run(self, *arguments, **more):
        return subprocess.run([self.octroi, "-c", self.file, *map(str, arguments)], check=True, text=True,
                              stdout=subprocess.PIPE, **more).stdout

    def write_config(self, port):
        self.file.touch(0o600)
        self.file.chmod(0o600)
        config = {"hostname": "gate.test", "state_dir": "state", "include": ["partners.conf"],
                  "listeners": {"web": {"protocol": "http", "bind": f"127.0.0.1:{port}", "tls": "none",
                                        "services": ["console"]}},
                  "policies": {"email": {}}}
        self.file.write_text("".join(f"{key} = {harness.render(value)};\n" for key, value in config.items()))

    def prepare(self):
        if self.stamp.exists() and json.loads(self.stamp.read_text()) == self.wanted:
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        subprocess.run([self.octroi, "init", self.file.parent], check=True, stdout=subprocess.DEVNULL)
        shutil.copy(EXAMPLES / "partners.conf", self.file.parent)
        self.write_config(1)
        say(subprocess.run([self.history, "--config", self.file, "--rows", str(self.wanted["rows"]),
                            "--days", str(self.wanted["days"])], check=True, text=True,
                           stdout=subprocess.PIPE).stdout.strip())
        self.run("user", "add", "bench", "--role", "administrator", input=PASSWORD + "\n")
        began = time.monotonic()
        self.run("log", "--limit", "1")
        say(f"the index was made in {time.monotonic() - began:.0f} s")
        self.stamp.write_text(json.dumps(self.wanted))

    def decision(self, *arguments):
        row = self.run("log", "--limit", "1", "--format", "json", *arguments)
        return json.loads(row) if row else {}


def addresses(past):
    """Name and path of each page: also what is rare or not there at all, which is the slow kind."""
    blocked = past.decision("--reason", "WITHDRAWN")
    person = blocked.get("recipient_key", "0" * 64)
    today = datetime.date.today()
    year_ago = today - datetime.timedelta(days=364)
    return [
        ("overview", "/console"),
        ("overview, a year", "/console?days=365"),
        ("blocked", "/console/blocked"),
        ("blocked, of a partner", "/console/blocked?partner=armor-voyages"),
        ("blocked, a rare reason", "/console/blocked?reason=STOP_MISSING"),
        ("blocked, rare of a partner", "/console/blocked?partner=jardins-de-loire&reason=OPTOUT_MISSING"),
        ("blocked, nothing", "/console/blocked?partner=mutuelle-du-lac&channel=sms"),
        ("blocked, one message", f"/console/blocked/{blocked.get('id')}"),
        ("person", f"/console/persons/{person}"),
        ("partners", "/console/partners"),
        ("partner", "/console/partners/boutique-lilas"),
        ("forms", "/console/forms"),
        ("form", "/console/forms/grand-jeu"),
        ("form version", "/console/forms/grand-jeu/2"),
        ("suppliers", "/console/suppliers"),
        ("supplier", "/console/suppliers/leads-express"),
        ("observe", "/console/observe"),
        ("observe, a year", "/console/observe?days=365"),
        ("dossier", "/console/dossier"),
        ("dossier, a year", f"/console/dossier?from={year_ago}&to={today}"),
        ("users", "/console/users"),
    ]


class Reader:
    """One who is logged in, on one kept connection."""

    def __init__(self, port, role):
        browser = console_harness.Browser(port)
        browser.log_in("bench", PASSWORD)
        if not browser.cookies:
            raise SystemExit(f"cannot log in as {role}")
        self.headers = {"Host": browser.host, "Accept-Language": "fr",
                        "Cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies.items())}
        self.port = port
        self.connection = None

    def connect(self):
        """For each page anew: the gateway keeps a connection for so many requests only."""
        if self.connection is not None:
            self.connection.close()
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def ask(self, path):
        """Milliseconds, bytes."""
        began = time.perf_counter()
        self.connection.request("GET", path, headers=self.headers)
        answer = self.connection.getresponse()
        body = answer.read()
        spent = 1000 * (time.perf_counter() - began)
        if answer.status != 200:
            raise SystemExit(f"{path} was answered {answer.status}")
        return spent, len(body)


def measure(reader, name, path, requests):
    reader.connect()
    first, size = reader.ask(path)
    spent = sorted(reader.ask(path)[0] for _ in range(requests))
    return {"page": name, "path": path, "bytes": size, "first_ms": round(first, 1),
            "p50_ms": round(statistics.median(spent), 1),
            "p95_ms": round(spent[min(len(spent) - 1, int(0.95 * len(spent)))], 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--octroi", default="./octroi")
    parser.add_argument("--tools", default="examples", help="folder of the program history")
    parser.add_argument("--cache", default="bench-console", help="folder that is kept")
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--requests", type=int, default=200, help="of each page")
    parser.add_argument("--only", default="", help="names of pages, by commas")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    for name in ("octroi", "tools", "cache"):
        setattr(options, name, pathlib.Path(getattr(options, name)).resolve())
    past = Past(options)
    past.prepare()
    pages = [(name, path) for name, path in addresses(past)
             if not options.only or name in options.only.split(",")]
    port = harness.free_port()
    past.write_config(port)
    log = options.cache / "gateway.log"
    log.write_text("")
    results = []
    with open(log, "ab") as out:
        process = harness.spawn([options.octroi, "-c", past.file, "serve"], stdout=out, stderr=out,
                                stdin=subprocess.DEVNULL,
                                env={**os.environ, "OCTROI_CONSOLE": str(EXAMPLES.parent / "console")})
    try:
        harness.wait_for("the gateway", lambda: "event=serving" in log.read_text())
        # One role after the other: nobody has all pages.
        readers = {}
        for role in ("administrator", "compliance"):
            past.run("user", "role", "bench", "--role", role)
            readers[role] = Reader(port, role)
            for name, path in pages:
                if (name == "users") != (role == "administrator"):
                    continue
                results.append(measure(readers[role], name, path, options.requests))
                slow = " OVER" if results[-1]["p95_ms"] > MOST_MS else ""
                say(f"{name:28} first {results[-1]['first_ms']:8.1f} ms   p50 {results[-1]['p50_ms']:8.1f}   "
                    f"p95 {results[-1]['p95_ms']:8.1f}   {results[-1]['bytes']:7} bytes{slow}")
    finally:
        harness.end(process)
    say(f"{options.rows} decisions, {options.requests} requests of each page, load average "
        f"{os.getloadavg()[0]:.1f}")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"rows": options.rows, "results": results}))


if __name__ == "__main__":
    main()
