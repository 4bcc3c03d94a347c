#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A day of sessions in minutes: does the gateway hold on to anything?

smtp_load opens and ends sessions as clients do, clean or not: mail, refusals, QUIT, leaving or
resetting within the envelope and the content, a glance at the greeting. A tenth of them comes with
TLS. After each round, when all of them are gone and the index has caught up, the gateway's memory
and descriptors are looked at: after the first rounds they have to stand still. The sink has to have
every message that was answered with 250, and the journal a row of each.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]

import harness  # noqa: E402
import idle  # noqa: E402
import people as people_module  # noqa: E402
import ways  # noqa: E402

PATIENCE = 300
TLS_SHARE = 10  # one of so many
GROWTH_KB = 2048


class ChurnError(Exception):
    pass


class Octroi(ways.Octroi):
    settings = {"drain_timeout": "5 s"}
    before = ("prlimit", "--nofile=1024:")

    def __init__(self, folder, people, sink, tls):
        self.secure = harness.free_port()
        self.tls_files = tls
        super().__init__(folder, people, sink)

    def write_config(self):
        """Two listeners. Connections to the provider that nobody needs are closed soon, so that
        those which are open tell of something that was not."""
        tls = self.tls_files
        return self.people.write_config(
            self.port, self.sink.port, provider={"idle_timeout": "1 s"},
            listeners={"smtps": {"bind": f"127.0.0.1:{self.secure}", "tls": "implicit",
                                 "certificate_file": tls.certificate, "key_file": tls.key}},
            **self.settings)

    def status(self):
        return json.loads(subprocess.run(
            [self.people.octroi, "-c", self.config, "status", "--format", "json"], check=True,
            capture_output=True, text=True).stdout)


def descriptors(pid):
    """What is open, by what it is: {"socket": 7, "/…/registry.db": 2}."""
    found = {}
    for entry in os.scandir(f"/proc/{pid}/fd"):
        try:
            what = os.readlink(entry.path)
        except FileNotFoundError:
            continue
        # A segment of the journal is followed by another one, an inode has a number.
        what = re.sub(r"\d+|\[.*", "", what.rsplit("/", 1)[-1])
        found[what] = found.get(what, 0) + 1
    return found


def load(tools, way, sessions, at_once, stem, each, secure):
    extra = ["-T", way.tls_files.authority] if secure else []
    done = subprocess.run(
        [tools / "smtp_load", "-c", "-n", str(sessions), "-s", str(at_once), "-f", "1", "-r",
         str(each), *extra, str(way.secure if secure else way.port), people_module.SENDER,
         f"{stem}@{people_module.DOMAIN}"], capture_output=True, text=True, timeout=PATIENCE)
    if done.returncode != 0:
        raise ChurnError(f"smtp_load: {done.stderr.strip() or done.returncode}")
    return json.loads(done.stdout)


def settle(way, usual):
    """Until no session is left and descriptors are what they were (usual; None: stand still)."""
    pid = way.process.pid
    until = time.monotonic() + 30
    last, since = None, time.monotonic()
    while time.monotonic() < until:
        now = descriptors(pid)
        if usual is not None and now == usual and way.status()["sessions"] == 0:
            break
        if now != last:
            last, since = now, time.monotonic()
        if usual is None and time.monotonic() - since > 2.5 and way.status()["sessions"] == 0:
            break
        time.sleep(0.1)
    return idle.settled_kb(pid), descriptors(pid)


def run_round(options, way, sink, number, usual):
    before = sink.count()
    secure = options.sessions // TLS_SHARE
    stem = people_module.STEMS[number % len(people_module.STEMS)]
    each = options.people // len(people_module.STEMS)
    began = time.monotonic()
    reports = [load(options.tools, way, count, options.at_once, stem, each, tls)
               for count, tls in ((options.sessions - secure, False), (secure, True)) if count]
    seconds = time.monotonic() - began
    mailed = sum(report["mailed"] for report in reports)
    if sink.count() != before + mailed:
        raise ChurnError(f"{sink.count() - before} messages arrived, {mailed} were answered for")
    resident, open_now = settle(way, usual)
    return {"sessions": sum(report["sessions"] for report in reports), "mailed": mailed,
            "seconds": seconds, "resident_kb": resident, "descriptors": open_now}


def judge(rounds, warm):
    """What does not hold, as sentences: of the rounds behind the first `warm` ones, beside the last
    of these."""
    base, problems = rounds[warm - 1], []
    for number, each in enumerate(rounds[warm:], warm + 1):
        grown = each["resident_kb"] - base["resident_kb"]
        if grown > GROWTH_KB:
            problems.append(f"round {number}: {grown} KB more are resident than after round {warm}")
        if each["descriptors"] != base["descriptors"]:
            problems.append(f"round {number}: open are {each['descriptors']}, after round {warm} "
                            f"it was {base['descriptors']}")
    return problems


def churn(options, folder, say):
    """All rounds; raises ChurnError when not every message is accounted for."""
    people = people_module.People(folder / "people", options.people, options.octroi)
    people.prepare(say, wants_map=False)
    tls = ways.Tls(folder / "tls")
    sink = ways.OurSink(options.tools, folder)
    rounds = []
    try:
        way = Octroi(folder / "octroi", people, sink, tls)
        try:
            for number in range(options.rounds):
                usual = rounds[-1]["descriptors"] if len(rounds) >= options.warm else None
                rounds.append(run_round(options, way, sink, number, usual))
                each = rounds[-1]
                say(f"round {number + 1}: {each['sessions']} sessions, {each['mailed']} mails, "
                    f"{each['sessions'] / each['seconds']:.0f} sessions/s; "
                    f"{each['resident_kb']} KB resident, "
                    f"{sum(each['descriptors'].values())} descriptors")
            rows, mailed = way.rows(), sum(each["mailed"] for each in rounds)
            if rows != mailed:
                raise ChurnError(f"the journal has {rows} accepted messages, {mailed} were")
        except (AssertionError, ChurnError, subprocess.SubprocessError, OSError) as problem:
            raise ChurnError(f"{problem}\n{way.log()}") from problem
        finally:
            way.stop()
    finally:
        sink.stop()
    return rounds


def report(rounds, warm, problems):
    lines = ["| after sessions | sessions/s | resident memory | descriptors |",
             "| --- | --- | --- | --- |"]
    total = 0
    for each in rounds:
        total += each["sessions"]
        lines.append(f"| {total:,} | {each['sessions'] / each['seconds']:,.0f} | "
                     f"{each['resident_kb'] / 1024:.1f} MiB | "
                     f"{sum(each['descriptors'].values())} |")
    span = [each["resident_kb"] for each in rounds[warm - 1:]]
    lines += ["", f"- from round {warm} on, resident memory within 2 MiB of what it was then: "
              f"{(max(span) - span[0]) / 1024:.2f} MiB more at most, "
              f"{(span[-1] - span[0]) / 1024:.2f} at the end; descriptors the same: "
              + ("reached." if not problems else "**missed**.")]
    return "\n".join(lines + [f"  {problem}" for problem in problems])


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--octroi", required=True, help="the program to measure")
    parser.add_argument("--tools", required=True, help="folder of the programs of the bench")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--sessions", type=int, default=50000, help="in one round")
    parser.add_argument("--at-once", type=int, default=100, help="sessions that are open")
    parser.add_argument("--warm", type=int, default=3, help="rounds before memory has to stand still")
    parser.add_argument("--people", type=int, default=10000, help="recipients with consent")
    parser.add_argument("--json", metavar="FILE", help="write all figures here too")
    options = parser.parse_args(arguments)
    if not 1 <= options.warm < options.rounds:
        parser.error("--warm is at least 1 and less than --rounds")
    options.octroi = str(pathlib.Path(options.octroi).resolve())
    options.tools = pathlib.Path(options.tools).resolve()
    return options


def main(arguments=None):
    options = parse(arguments)
    with tempfile.TemporaryDirectory(prefix="octroi-churn-") as folder:
        try:
            rounds = churn(options, pathlib.Path(folder),
                           lambda text: print(text, file=sys.stderr, flush=True))
        except ChurnError as problem:
            print(f"failed: {problem}", file=sys.stderr)
            return 1
    problems = judge(rounds, options.warm)
    if options.json:
        pathlib.Path(options.json).write_text(
            json.dumps({"rounds": rounds, "problems": problems}, indent=1) + "\n")
    print(report(rounds, options.warm, problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
