#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures how fast SMS go through octroi, beside what else they could go through.

A load program → one of the ways (sms_ways.py) → a sink, everything on loopback, in three groups:
SMPP to SMPP, HTTP to SMPP, HTTP to HTTP. The ways in turn, some rounds of it, medians. Absolute figures
mean little beyond one machine and one run. It counts before it divides: a run in which the sink did
not get every message, once, or in which anything was refused, is an error and not a figure.
"""

import argparse
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]

import bench  # noqa: E402
import sms_people  # noqa: E402
import sms_ways  # noqa: E402
import ways  # noqa: E402
from bench import BenchError, number, say  # noqa: E402

PATIENCE = 120  # seconds
SYNCS, SYNC_BYTES = 100, 4096
WARM_MS = 300
SUCCESS = {sms_ways.SMPP: {"0"}, sms_ways.BRIDGE: {"200", "202"}, sms_ways.HTTP: {"200", "202"}}
TITLES = {sms_ways.SMPP: "SMPP to SMPP", sms_ways.BRIDGE: "HTTP to SMPP",
          sms_ways.HTTP: "HTTP to HTTP"}


class Bench:
    """What all runs share."""

    def __init__(self, options, people, folder):
        self.options = options
        self.people = people
        self.folder = pathlib.Path(folder)
        self.tools = pathlib.Path(options.tools).resolve()
        self.numbers = people.digits()
        self.next = 0  # of the recipients: no run asks for those of the one before

    def load(self, way, case, *limits):
        """One run of a load program; its report."""
        common = [*limits, "-f", str(self.next), str(way.port), self.numbers]
        if way.group == sms_ways.SMPP:
            sessions, window = case
            command = ["smpp_load", "-s", sessions, "-w", window, "-a", sms_people.LOGIN,
                       "-p", sms_people.PASSWORD, *common]
        else:
            file = way.folder / "request"
            file.write_bytes(way.request())
            command = ["http_load", "-c", case[0], *common, file]
        done = subprocess.run([self.tools / command[0], *map(str, command[1:])],
                              capture_output=True, text=True, timeout=PATIENCE)
        if done.returncode != 0:
            raise BenchError(done.stderr.strip() or f"{command[0]}: {done.returncode}")
        report = json.loads(done.stdout)
        self.next = report["next"]
        if not set(report["statuses"]) <= SUCCESS[way.group]:
            raise BenchError(f"{command[0]}: not all were taken: {report['statuses']}")
        return report

    def arrive(self, sink, before, report, timeout=PATIENCE):
        """Waits for what was sent; when the last one was there."""
        until = time.monotonic() + timeout
        while sink.count() < before[0] + report["sent"]:
            sink.check()
            if time.monotonic() > until:
                raise BenchError(f"only {sink.count() - before[0]} of {report['sent']} messages "
                                 "arrived")
            time.sleep(0.001)
        return time.monotonic()

    def exactly(self, sink, before, report):
        count, total = sink.both()
        if count - before[0] != report["sent"]:
            raise BenchError(f"{count - before[0]} messages arrived, {report['sent']} were sent")
        if (total - before[1]) % 2**64 != report["sum"]:
            raise BenchError("as many messages arrived as were sent, to other recipients")

    def measure(self, way, sink, case, *limits):
        before, cpu = sink.both(), way.cpu()
        report = self.load(way, case, *limits)
        answered = time.monotonic()
        late = self.arrive(sink, before, report) - answered if way.queues else 0
        total = settle(way) - cpu
        self.exactly(sink, before, report)
        way.sent += report["sent"]
        return {"rate": report["sent"] / (report["seconds"] + late), "accepted_rate": report["rate"],
                "median_us": report["median_us"], "p99_us": report["p99_us"],
                "cpu_us": total / report["sent"] * 1e6, "sent": report["sent"]}

    def limits(self, milliseconds):
        limits = ["-t", str(milliseconds)]
        if self.options.messages:
            limits += ["-n", str(self.options.messages)]
        return limits

    def turn(self, group, turn, results):
        """One round of a group: all its ways stand, each case goes through one after another."""
        kinds = [kind for kind in sms_ways.GROUPS[group] if kind.name in self.options.ways]
        protocol = "http" if group == sms_ways.HTTP else "smpp"
        up = []
        try:
            for kind in kinds:
                up.append(self.start(kind, group, turn, protocol))
            for way, sink in up:
                self.guard(way, lambda: self.measure(way, sink, sms_ways.CASES[group][-1],
                                                     *self.limits(WARM_MS)))
            for case in sms_ways.CASES[group]:
                for way, sink in up:
                    result = self.guard(way, lambda: self.measure(
                        way, sink, case, *self.limits(round(self.options.seconds * 1000))))
                    results.setdefault((group, case, way.name), []).append(result)
                    say(f"round {turn + 1}, {group} {case_name(group, case)}, {way.name}: "
                        f"{result['rate']:.0f} messages/s, median {result['median_us']:.0f} µs, "
                        f"{result['cpu_us']:.1f} µs CPU")
            if self.options.rows:
                for way, sink in up:
                    if isinstance(way, sms_ways.Octroi):
                        results.setdefault((group, "rows", way.name), []).append(
                            {"rows": way.rows(), "sent": way.sent, "sink": sink.count()})
        finally:
            for way, sink in up:
                way.stop()
                sink.stop()

    def start(self, kind, group, turn, protocol):
        sink = sms_ways.Sink(self.tools, self.folder, protocol)
        try:
            self.people.warm()
            return kind(group, self.folder / f"{group}-{kind.name}-{turn}", self.people, sink), sink
        except (AssertionError, subprocess.SubprocessError, OSError) as problem:
            sink.stop()
            raise BenchError(f"{group}, {kind.name}: {problem}") from problem

    @staticmethod
    def guard(way, work):
        try:
            return work()
        except (AssertionError, BenchError, subprocess.SubprocessError, OSError) as problem:
            raise BenchError(f"{way.group}, {way.name}: {problem}\n{way.log()}") from problem


def settle(way):
    """Waits until nothing is left to do: a queue to clean, an index to fill."""
    used, since = way.cpu(), time.monotonic()
    until = since + 60
    while time.monotonic() < min(since + way.settles, until):
        time.sleep(0.05)
        now = way.cpu()
        if now - used > 0.02:
            used, since = now, time.monotonic()
    return way.cpu()


def sync_us(folder):
    """Median of one fdatasync behind a write at the end of a file, in microseconds."""
    times = []
    file = pathlib.Path(folder) / "sync"
    with open(file, "wb", buffering=0) as out:
        for _ in range(SYNCS):
            out.write(b"\0" * SYNC_BYTES)
            began = time.perf_counter()
            os.fdatasync(out.fileno())
            times.append(time.perf_counter() - began)
    file.unlink()
    return statistics.median(times) * 1e6


# ---- the report ----

def case_name(group, case):
    if group == sms_ways.SMPP:
        return f"window {case[1]} × {case[0]}"
    return f"{case[0]} connection{'s' if case[0] > 1 else ''}"


def summarise(results):
    """(group, case, way) → the medians over its rounds, and the range of its rate."""
    summary = {}
    for key, rounds in results.items():
        if key[1] == "rows":
            continue
        middle = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
        rates = [each["rate"] for each in rounds]
        summary[key] = {**middle, "rate_min": min(rates), "rate_max": max(rates)}
    return summary


def times(microseconds):
    return f"{microseconds:.0f} µs" if microseconds < 1000 else f"{microseconds / 1000:.1f} ms"


def cpu(kind, each):
    if kind is sms_ways.Direct:
        return ""
    return f"{each['cpu_us']:.1f} µs" if each["cpu_us"] < 10 else f"{each['cpu_us']:.0f} µs"


def table(group, summary):
    first = "window × sessions" if group == sms_ways.SMPP else "connections"
    lines = [f"| {first} | through | octroi against it | messages/s (lowest–highest) | median | 99 % |"
             " CPU of it per message |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    for case in sms_ways.CASES[group]:
        ours = summary.get((group, case, "octroi"))
        label = f"{case[1]} × {case[0]}" if group == sms_ways.SMPP else str(case[0])
        for kind in sms_ways.GROUPS[group]:
            each = summary.get((group, case, kind.name))
            if each is None:
                continue
            ratio = f"{ours['rate'] / each['rate']:.2f} ×" if ours and each is not ours else ""
            rate = number(each["rate"])
            if kind.queues:
                rate += f", accepted {number(each['accepted_rate'])}"
            rate += f" ({number(each['rate_min'])}–{number(each['rate_max'])})"
            lines.append(f"| {label} | {kind.title} | {ratio} | {rate} | {times(each['median_us'])} "
                         f"| {times(each['p99_us'])} | {cpu(kind, each)} |")
            label = ""
    return lines


def at_least(what, value, base, factor):
    ratio = value / base
    return (f"{what}: {factor:g} × wanted, {ratio:.2f} × found", ratio >= factor)


def reach(summary, sync):
    """What is to be reached, as far as it was measured: sentence, whether it is."""
    smpp, bridge, http = sms_ways.SMPP, sms_ways.BRIDGE, sms_ways.HTTP
    found = []
    spool = [each["rate"] for (group, _, name), each in summary.items()
             if group == bridge and name == "kannel-spool"]
    for case in ((10, 10), (10, 100)):
        ours = summary.get((smpp, case, "octroi"))
        if ours and spool:
            found.append(at_least(f"SMPP, window {case[1]} × {case[0]} sessions, against Kannel with "
                                  "its spool at its best", ours["rate"], max(spool), 10))
        if ours:
            found.append((f"SMPP, window {case[1]} × {case[0]} sessions, CPU a message: 25 µs at most "
                          f"wanted, {ours['cpu_us']:.1f} µs found", ours["cpu_us"] <= 25))
    for group, other, title, factor in (
            (bridge, "kannel-spool", "HTTP to SMPP, 50 connections, against Kannel with its spool",
             3),
            (bridge, "kannel-memory",
             "HTTP to SMPP, 50 connections, against Kannel with messages in memory", 1.2),
            (http, "nginx", "HTTP to HTTP, 50 connections, against nginx", 0.4)):
        ours, theirs = (summary.get((group, (50,), name)) for name in ("octroi", other))
        if ours and theirs:
            found.append(at_least(title, ours["rate"], theirs["rate"], factor))
    ours, theirs = (summary.get((smpp, (1, 1), name)) for name in ("octroi", "haproxy"))
    if ours and theirs:
        most = theirs["median_us"] + sync + 150
        found.append((f"a lone SMPP session, window 1, median: {most:.0f} µs wanted (HAProxy's "
                      f"{theirs['median_us']:.0f}, an fdatasync of {sync:.0f}, and 150), "
                      f"{ours['median_us']:.0f} µs found", ours["median_us"] <= most))
    return found


def markdown(report, summary):
    place = report["machine"]
    lines = []
    for group in sms_ways.GROUPS:
        if any(key[0] == group for key in summary):
            lines += [f"**{TITLES[group]}**", "", *table(group, summary), ""]
    for sentence, reached in report["reach"]:
        lines.append(f"- {sentence}: {'reached' if reached else '**missed**'}.")
    lines += ["", f"{report['date']}; {place['cores']} cores ({place['processor']}), "
              f"{place['system']}, Linux {place['kernel']}; " + ", ".join(report["versions"]) + ".",
              f"Load when it began: {report['load']:.2f}."
              + (" **Others used the machine meanwhile: only roughly right.**"
                 if report["load"] > 0.5 else ""),
              f"{report['rounds']} rounds in turn, each run {report['seconds']:g} s"
              + (f" or {report['messages']:,} messages" if report["messages"] else "")
              + f", to {report['people']:,} people with consent, one after another; an fdatasync of "
              f"4 KiB took {report['sync_us']:.0f} µs; the whole took {report['took']:.0f} s."]
    return "\n".join(lines)


def parse(arguments):
    every = sorted({kind.name for kinds in sms_ways.GROUPS.values() for kind in kinds})
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--octroi", required=True, help="the program to measure")
    parser.add_argument("--tools", required=True, help="folder of the load programs and sinks")
    parser.add_argument("--cache", required=True, help="folder to keep the people in")
    parser.add_argument("--seconds", type=float, default=1.2, help="that one run takes")
    parser.add_argument("--messages", type=int, default=0, help="that one run takes at most")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--only", default=",".join(sms_ways.GROUPS), metavar="GROUP,…",
                        help="the groups to measure")
    parser.add_argument("--ways", default=",".join(every), metavar="WAY,…",
                        help="the ways to measure")
    parser.add_argument("--fresh", action="store_true", help="import the people again")
    parser.add_argument("--rows", action="store_true",
                        help="count octroi's rows in the journal after each round")
    parser.add_argument("--json", metavar="FILE", help="write all figures here too")
    options = parser.parse_args(arguments)
    for name, known in (("only", list(sms_ways.GROUPS)), ("ways", every)):
        given = getattr(options, name).split(",")
        for each in given:
            if each not in known:
                parser.error(f"--{name}: there is no {each!r}, only {', '.join(known)}")
        setattr(options, name, given)
    if not 0.01 <= options.seconds <= 60 or options.messages < 0 or options.rounds < 1:
        parser.error("--seconds is 0.01 to 60, --messages not negative, --rounds 1 at least")
    options.octroi = str(pathlib.Path(options.octroi).resolve())
    return options


def versions(options):
    kinds = {kind for group in options.only for kind in sms_ways.GROUPS[group]
             if kind.name in options.ways}
    ours = ways.output_of(options.octroi, "--version").strip().splitlines()
    return [*ours[:1], *sorted(filter(None, {kind.version() for kind in kinds}))]


def main(arguments=None):
    options = parse(arguments)
    began, load = time.monotonic(), os.getloadavg()[0]
    people = sms_people.SmsPeople(pathlib.Path(options.cache).resolve(), options.people,
                                  options.octroi)
    people.prepare(say, options.fresh, wants_map=False, wants_import="octroi" in options.ways)
    results, syncs = {}, []
    # Beside the journal: Kannel's spool is to lie on the same disk.
    with tempfile.TemporaryDirectory(prefix="run-", dir=people.folder) as folder:
        bench_of = Bench(options, people, folder)
        try:
            for turn in range(options.rounds):
                syncs.append(sync_us(people.folder))
                for group in options.only:
                    bench_of.turn(group, turn, results)
        except BenchError as problem:
            say(f"failed: {problem}")
            return 1
    summary = summarise(results)
    sync = statistics.median(syncs)
    report = {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "machine": bench.machine(), "load": load, "messages": options.messages,
        "seconds": options.seconds, "rounds": options.rounds, "people": options.people,
        "versions": versions(options), "sync_us": sync, "took": time.monotonic() - began,
        "reach": reach(summary, sync),
    }
    if options.json:
        figures = [{"group": group, "case": case, "way": way, "rounds": rounds}
                   for (group, case, way), rounds in results.items()]
        pathlib.Path(options.json).write_text(
            json.dumps({**report, "results": figures}, indent=1) + "\n")
    print(markdown(report, summary))
    return 0


if __name__ == "__main__":
    sys.exit(main())
