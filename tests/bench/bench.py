#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures how fast mail goes through octroi, beside what else it could go through.

smtp-source → one of the ways (ways.py) → smtp-sink, everything on loopback; the ways in turn, some
rounds of it, medians. Pipelining and TLS neither of them knows: smtp_load and smtp_sink do. Absolute
figures mean little beyond one machine and one run: it prints ratios first. It counts before it
divides: a run in which the sink did not get every message, once, or in which the source was refused
anything, is an error and not a figure. Memory of sessions that idle: idle.py.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import socket
import statistics
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

SESSIONS = 32
PATIENCE = 600
SETTLED = 1.2  # seconds without CPU time: longer than octroi's indexer sleeps


class BenchError(Exception):
    pass


class Row:
    """One kind of load, and the ways it goes through."""

    def __init__(self, title, kinds, source=("-d",), ours=None, length=1024, share=1.0, lone=False,
                 tls=False):
        self.title = title
        self.kinds = kinds
        self.source = source  # options of smtp-source; -d: connections are kept
        self.ours = ours  # options of smtp_load, which then is the source; None: smtp-source is
        self.tls = tls  # on both sides
        self.length = length
        self.share = share  # of --messages
        self.lone = lone

    def messages(self, options, kind):
        share = self.share * (0.2 if kind in (ways.Postfix, ways.Haraka) else 1)
        return max(1, round(options.messages * share))

    def run(self, kind, folder, people, options, turn):
        return run_way(self, kind, folder, people, options, turn)

    def table(self, summary):
        return table(summary)

    @staticmethod
    def said(result):
        return (f"{result['rate']:.0f} messages/s, {result['cpu_us']:.1f} µs CPU "
                f"({result['cpu_later_us']:.1f} of them after the last message)")


BESIDE = (ways.Direct, ways.Haproxy, ways.Octroi)
ROWS = {
    "kept": Row("32 sessions, 1 KB, connections kept", (*BESIDE, ways.Postfix, ways.Haraka),
                lone=True),
    "new": Row("32 sessions, 1 KB, a new connection for each message", BESIDE, source=(),
               share=0.5),
    "large": Row("32 sessions, 100 KB, connections kept", BESIDE, length=102400, share=0.2),
    "journal": Row("kept, with the journal and without",
                   (ways.Octroi, ways.OctroiNoJournal)),
    "loops": Row("kept, as many loops as cores and one", (ways.Octroi, ways.OctroiOneLoop)),
    "pipelined": Row("32 sessions, 1 KB, connections kept, pipelined", BESIDE, ours=("-p",)),
    "tls": Row("32 sessions, 1 KB, connections kept, TLS on both sides", BESIDE, ours=(), tls=True),
    "idle": idle.Row("sessions that idle", idle.PLAIN_KB),
    "idle-tls": idle.Row("sessions that idle, TLS on both sides", idle.TLS_KB, tls=True),
}


def say(text):
    print(text, file=sys.stderr, flush=True)


def send(way, count, stem, row=ROWS["kept"]):
    """The source; its end means that every message was answered with 250. Returns the seconds it
    took: smtp-source's with all its connections, smtp_load's from the first MAIL on."""
    recipient = f"{stem}@{people_module.DOMAIN}"
    sessions = str(min(SESSIONS, count))
    began = time.monotonic()
    if row.ours is None:
        command = ["/usr/sbin/smtp-source", *row.source, "-N", "-s", sessions, "-l", str(row.length),
                   "-m", str(count), "-f", people_module.SENDER, "-t", recipient,
                   f"127.0.0.1:{way.port}"]
    else:
        secure = ["-T", way.tls.authority] if way.tls else []
        command = [way.tools / "smtp_load", *row.ours, *secure, "-s", sessions, "-l", str(row.length),
                   "-n", str(count), "-f", "1", str(way.port), people_module.SENDER, recipient]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    if done.returncode != 0 or done.stderr:
        raise BenchError(f"{pathlib.Path(command[0]).name}: "
                         f"{done.stderr.strip() or done.returncode}")
    return time.monotonic() - began if row.ours is None else json.loads(done.stdout)["seconds"]


def wait_count(sink, count, timeout):
    until = time.monotonic() + timeout
    while sink.count() < count:
        if time.monotonic() > until:
            raise BenchError(f"only {sink.count()} of {count} messages arrived")
        time.sleep(0.002)
    return time.monotonic()


def settle(way):
    """Waits until nothing is left to do: a queue to clean, an index to fill."""
    used, since = way.cpu(), time.monotonic()
    until = since + 60
    while time.monotonic() < min(since + SETTLED, until):
        time.sleep(0.1)
        now = way.cpu()
        if now - used > 0.02:
            used, since = now, time.monotonic()
    return way.cpu()


def measure(way, sink, count, stem, timeout=PATIENCE, row=ROWS["kept"]):
    before, cpu, sink_cpu = sink.count(), way.cpu(), ways.cpu_seconds(sink.process.pid)
    sent = send(way, count, stem, row)
    answered = time.monotonic()
    arrived = sent + wait_count(sink, before + count, timeout) - answered
    busy = way.cpu() - cpu
    total = settle(way) - cpu
    if sink.count() != before + count:
        raise BenchError(f"{sink.count() - before} messages arrived, {count} were sent")
    return {"rate": count / (arrived if way.queues else sent), "accepted_rate": count / sent,
            "cpu_us": total / count * 1e6, "cpu_later_us": (total - busy) / count * 1e6,
            "sink_cpu_us": (ways.cpu_seconds(sink.process.pid) - sink_cpu) / count * 1e6}


class Client:
    """One session that sends one mail at a time, as a lone mail would come."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")
        self._reply(220)
        self.say("EHLO client.test", 250)

    def _reply(self, code):
        while True:
            line = self.file.readline()
            if not line.startswith(b"%d" % code):
                raise BenchError(f"expected {code}, got {line!r}")
            if line[3:4] == b" ":
                return

    def say(self, text, code):
        self.socket.sendall(text.encode() + b"\r\n")
        self._reply(code)

    def mail(self, number):
        recipient = f"{number}{people_module.LATENCY_STEM}@{people_module.DOMAIN}"
        body = f"From: <{people_module.SENDER}>\r\nTo: <{recipient}>\r\nSubject: one\r\n\r\n"
        body += "x" * 70 + "\r\n"
        began = time.perf_counter()
        self.say(f"MAIL FROM:<{people_module.SENDER}>", 250)
        self.say(f"RCPT TO:<{recipient}>", 250)
        self.say("DATA", 354)
        self.say(body + ".", 250)
        return time.perf_counter() - began


def latency(way, count):
    """Median of a lone mail, MAIL to the answer to the dot, in microseconds."""
    client = Client(way.port)
    times = []
    for number in range(1, count + 1):
        times.append(client.mail(number))
        time.sleep(0.002)  # alone: what the one before left behind is over
    client.say("QUIT", 221)
    return statistics.median(times) * 1e6


def run_way(row, kind, folder, people, options, number):
    count = row.messages(options, kind)
    people.warm()
    tls = ways.Tls(folder / "tls") if row.tls else None
    sink = ways.OurSink(options.tools, folder, tls) if row.tls else ways.Sink(folder)
    more = {"tls": tls} if tls else {}
    try:
        way = kind(pathlib.Path(tempfile.mkdtemp(dir=folder)) / kind.name, people, sink, **more)
        way.tools = options.tools
        try:
            warm = min(2000, max(64, count // 10))
            send(way, warm, people_module.WARM_STEM, row)
            wait_count(sink, warm, PATIENCE)
            settle(way)
            stem = people_module.ROUND_STEMS[number % len(people_module.ROUND_STEMS)]
            result = measure(way, sink, count, stem, row=row)
            if options.latency and row.lone:
                lone = options.latency if kind in BESIDE else max(1, options.latency // 10)
                result["lone_us"] = latency(way, lone)
                wait_count(sink, warm + count + lone, PATIENCE)
            if options.rows and isinstance(way, ways.Octroi):
                result["rows"] = way.rows()
        except (AssertionError, BenchError, subprocess.SubprocessError, OSError) as problem:
            raise BenchError(f"{kind.name}: {problem}\n{way.log()}") from problem
        finally:
            way.stop()
    finally:
        sink.stop()
    result["arrived"] = count
    return result


# ---- the report ----

def machine():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    system = re.search(r'PRETTY_NAME="([^"]+)"', pathlib.Path("/etc/os-release").read_text())
    return {"cores": os.cpu_count(), "processor": model.group(1).strip() if model else "unknown",
            "system": system.group(1) if system else "unknown", "kernel": ".".join(platform.release().split(".")[:2])}


def summarise(results):
    """name → the medians over its rounds, and the range of its rate."""
    summary = {}
    for name, rounds in results.items():
        summary[name] = {key: statistics.median(each[key] for each in rounds)
                         for key in rounds[0]}
        if rates := [each["rate"] for each in rounds if "rate" in each]:
            summary[name] |= {"rate_min": min(rates), "rate_max": max(rates)}
    return summary


def number(value):
    """Three figures that mean something."""
    return f"{round(value, -max(0, len(str(int(value))) - 3)):,.0f}"


def at_least(row, what, found, wanted):
    return {"row": row, "sentence": f"{what}: at least {wanted:g} × wanted, {found:.2f} × found",
            "reached": found >= wanted}


def at_most(row, what, found, wanted, unit, places):
    return {"row": row, "sentence": f"{what}: at most {wanted:g} {unit} wanted, "
            f"{found:.{places}f} {unit} found", "reached": found <= wanted}


def reach(summary):
    """What is to be reached, as far as it was measured."""
    found = []

    def both(row, other, first="octroi"):
        of = summary.get(row, {})
        return (of[first], of[other]) if first in of and other in of else None

    for row, other, title, wanted in (
            ("kept", "haproxy", "HAProxy", 0.9), ("kept", "postfix", "Postfix, delivered", 12),
            ("kept", "haraka", "Haraka", 8), ("new", "haproxy", "HAProxy", 0.7),
            ("large", "haproxy", "HAProxy", 0.7), ("pipelined", "haproxy", "HAProxy", 0.7),
            ("tls", "haproxy", "HAProxy, which decrypts and encrypts", 0.7)):
        if pair := both(row, other):
            found.append(at_least(row, f"{ROWS[row].title}, messages/s against {title}",
                                  pair[0]["rate"] / pair[1]["rate"], wanted))
    # CPU time is told in ticks: of a few messages it may be none.
    if (pair := both("kept", "haproxy")) and pair[1]["cpu_us"] > 0:
        found.append(at_most("kept", "CPU per mail against HAProxy",
                             pair[0]["cpu_us"] / pair[1]["cpu_us"], 1.25, "×", 2))
    if (pair := both("kept", "direct")) and "lone_us" in pair[0]:
        found.append(at_most("kept", "added to a lone mail, median",
                             (pair[0]["lone_us"] - pair[1]["lone_us"]) / 1000, 1.5, "ms", 2))
    if pair := both("journal", "octroi-no-journal"):
        found.append(at_most("journal", "throughput that the journal costs",
                             100 * (1 - pair[0]["rate"] / pair[1]["rate"]), 15, "%", 1))
    if pair := both("loops", "octroi-one-loop"):
        cores = os.cpu_count()
        if cores >= 4:
            found.append(at_least("loops", f"messages/s with {cores} loops against one",
                                  pair[0]["rate"] / pair[1]["rate"], 1.6))
        elif pair[1]["cpu_us"] > 0:
            found.append(at_most("loops", f"CPU per mail with {cores} loops against one",
                                 pair[0]["cpu_us"] / pair[1]["cpu_us"], 1.1, "×", 2))
    for row in ("idle", "idle-tls"):
        if one := summary.get(row, {}).get("octroi"):
            found.append(at_most(row, f"{ROWS[row].title}, resident memory of each",
                                 one["each_kb"], ROWS[row].most_kb, "KB", 1))
    return found


def table(summary):
    ours = summary.get("octroi")
    direct = summary.get("direct")
    lines = ["| through | octroi against it | messages/s (lowest–highest) | CPU of it per message |"
             " added to a lone mail |",
             "| --- | --- | --- | --- | --- |"]
    for kind in ways.ALL:
        each = summary.get(kind.name)
        if each is None:
            continue
        ratio = f"{ours['rate'] / each['rate']:.2f} ×" if ours and each is not ours else ""
        rate = number(each["rate"])
        if kind.queues:
            rate += f", accepted {number(each['accepted_rate'])}"
        rate += f" ({number(each['rate_min'])}–{number(each['rate_max'])})"
        cpu = f"{each['cpu_us']:.0f} µs"
        lone = ""
        if kind is ways.Direct:
            cpu = f"(the sink: {each['sink_cpu_us']:.0f} µs)"
            lone = f"(takes {each['lone_us']:.0f} µs)" if "lone_us" in each else ""
        elif direct and "lone_us" in each and "lone_us" in direct:
            lone = f"{each['lone_us'] - direct['lone_us']:.0f} µs"
        lines.append(f"| {kind.title} | {ratio} | {rate} | {cpu} | {lone} |")
    return lines


def markdown(report):
    place = report["machine"]
    lines = []
    for row, of in report["summary"].items():
        lines += [f"**{ROWS[row].title}**", "", *ROWS[row].table(of), ""]
    for each in report["reach"]:
        lines.append(f"- {each['sentence']}: {'reached' if each['reached'] else '**missed**'}.")
    lines += ["", f"{report['date']}; {place['cores']} cores ({place['processor']}), "
              f"{place['system']}, Linux {place['kernel']}; " + ", ".join(report["versions"]) + ".",
              f"Load when it began: {report['load']:.2f}."
              + (" **Others used the machine meanwhile: only roughly right.**"
                 if report["load"] > 0.5 else ""),
              f"{report['messages']:,} messages a run, {report['rounds']} rounds in turn, "
              f"each to another of {report['people']:,} people with consent; "
              f"importing those took {report['import_seconds']:.1f} s "
              f"({report['people'] / report['import_seconds']:,.0f} events/s)."]
    return "\n".join(lines)


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--octroi", required=True, help="the program to measure")
    parser.add_argument("--cache", required=True, help="folder to keep the million people in")
    parser.add_argument("--messages", type=int, default=30000, help="in one run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--latency", type=int, default=500, metavar="N",
                        help="lone mails after each run; 0: none")
    parser.add_argument("--idle", type=int, default=10000, metavar="N", help="sessions that idle")
    parser.add_argument("--tools", required=True, help="folder of the programs of the bench")
    parser.add_argument("--only", default=",".join(ROWS), metavar="ROW,…",
                        help="the rows to measure")
    parser.add_argument("--ways", default=",".join(kind.name for kind in ways.ALL),
                        metavar="WAY,…", help="the ways to measure")
    parser.add_argument("--fresh", action="store_true", help="import the people again")
    parser.add_argument("--rows", action="store_true",
                        help="count octroi's rows in the journal after each run")
    parser.add_argument("--json", metavar="FILE", help="write all figures here too")
    options = parser.parse_args(arguments)
    known = {kind.name: kind for kind in ways.ALL}
    for option, all_of in (("only", ROWS), ("ways", known)):
        given = getattr(options, option).split(",")
        for name in given:
            if name not in all_of:
                parser.error(f"--{option}: there is no {name!r}, only {', '.join(all_of)}")
        setattr(options, option, given)
    options.runs = [(name, kind) for name, row in ROWS.items() if name in options.only
                    for kind in row.kinds if kind.name in options.ways]
    if not options.runs:
        parser.error("no row of --only goes through any of --ways")
    options.kinds = [kind for kind in ways.ALL if any(kind is other for _, other in options.runs)]
    share = options.people // len(people_module.STEMS)
    if max(options.messages, options.latency) > share or options.messages < 1:
        parser.error(f"{options.people} people allow for 1 to {share} messages a run")
    options.octroi = str(pathlib.Path(options.octroi).resolve())
    options.tools = pathlib.Path(options.tools).resolve()
    return options


def main(arguments=None):
    options = parse(arguments)
    load = os.getloadavg()[0]
    people = people_module.People(pathlib.Path(options.cache).resolve(), options.people,
                                  options.octroi)
    people.without_journal = str(options.tools / "octroi_no_journal")
    people.prepare(say, options.fresh, wants_map=ways.Postfix in options.kinds)
    results = {}
    with tempfile.TemporaryDirectory(prefix="octroi-bench-") as folder:
        os.chmod(folder, 0o755)
        for turn in range(options.rounds):
            for name, kind in options.runs:
                try:
                    result = ROWS[name].run(kind, pathlib.Path(folder), people, options, turn)
                except (BenchError, idle.IdleError) as problem:
                    say(f"failed: {problem}")
                    return 1
                results.setdefault(name, {}).setdefault(kind.name, []).append(result)
                say(f"round {turn + 1}, {name}, {kind.name}: {ROWS[name].said(result)}")
    summary = {name: summarise(of) for name, of in results.items()}
    version = ways.output_of(options.octroi, "--version").strip().splitlines()
    report = {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "machine": machine(), "load": load, "messages": options.messages,
        "rounds": options.rounds, "people": options.people,
        "import_seconds": people.made["seconds"],
        "versions": [*version[:1], *filter(None, (kind.version() for kind in options.kinds))],
        "results": results, "summary": summary, "reach": reach(summary),
    }
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(report, indent=1) + "\n")
    print(markdown(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
