#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures what abuse of one takes from the others.

A good partner's 32 kept sessions (smtp-source → octroi → smtp-sink) run alone and beside an attack
(attackers.py), in turn, some rounds of each; what counts is the ratio of the medians. It also sees
that the attackers were told what they are to be told, that counters and log say so, and that
sessions and descriptors come back. Exit 1 when a bar is missed, or anything of it does not hold.

The attackers run on the same machine: what they use of it themselves is in the ratio, and is shown.
"""

import argparse
import base64
import collections
import datetime
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]

import attackers  # noqa: E402
import bench  # noqa: E402
import harness  # noqa: E402
import people as people_module  # noqa: E402
import sms_ways  # noqa: E402
import ways  # noqa: E402

BAR = 0.8  # of the good ones' rate
PASSWORD = "right horse battery"
SMS_PASSWORD = "voyages1"
RATE = 10  # messages a second that beta has agreed to, of each channel
CAP = 50  # connections that beta may have
PER_ADDRESS = 2000  # the default of max_connections_per_address
LORIS = 5000
GUESSERS, GUESSER_ADDRESSES = 1000, 500
STRANGERS, BETA = "127.64.0.1", "127.70.0.1"
HOME = "127.0.0.9"  # where the good one has logged in before
LOG_LINES = 3  # of a kind of refusal in a second: two, and the sum of the others
FROM_HOME, FROM_ELSEWHERE = 1.0, 2.0  # seconds a login may take beside guesses
SETTLE, LINGER = 60, 120


class People(people_module.People):
    """With the partners of the scenarios: acme is good, beta is not."""

    hashes = None

    def write_config(self, port, provider_port, **more):
        def hash_of(clear):
            return subprocess.run([self.octroi, "password"], input=clear + "\n", check=True,
                                  capture_output=True, text=True).stdout.strip()
        if self.hashes is None:
            self.hashes = [hash_of(PASSWORD), hash_of(SMS_PASSWORD)]
        password = {"password": self.hashes[0]}
        listener = {"bind": f"127.0.0.1:{port}", "tls": "none"}
        doors = more.get("doors", {"smtps": 4, "web": 5, "smpp": 6})
        pki = harness.Pki(self.folder / "pki")
        certificate, key = pki.path("gate.test", "pem"), pki.path("gate.test", "key")
        if not certificate.exists():
            pki.issue("gate.test")
        email = harness.email_stream(["other"], {"beta-lan": {"networks": ["127.70.0.0/16"]}},
                                     rate=RATE)
        return self._write({
            "hostname": "gate.test", "state_dir": "state",
            "listeners": {
                "submission": listener,
                "smtps": {"bind": f"127.0.0.1:{doors['smtps']}", "tls": "implicit",
                          "certificate_file": certificate, "key_file": key},
                "web": {"protocol": "http", "bind": f"127.0.0.1:{doors['web']}", "tls": "none",
                        "services": ["sms"]},
                "smpp": {"protocol": "smpp", "bind": f"127.0.0.1:{doors['smpp']}", "tls": "none"}},
            "providers": {
                "smarthost": {"adapter": "smtp", "host": "127.0.0.1", "port": provider_port,
                              "tls": "none"},
                "other": {"adapter": "smtp", "host": "127.0.0.1", "port": provider_port,
                          "tls": "none"},
                "aggregator": {"adapter": "smpp", "host": "127.0.0.1", "tls": "none",
                               "port": more.get("aggregator", 7), "system_id": "gate",
                               "password": "secret"}},
            "partners": {
                "acme": harness.partner({"news": harness.email_stream(accounts={
                    "acme-lan": {"networks": ["127.0.0.1"]}, "acme-news": password,
                    **{f"acme-{i}": password for i in range(9)}})}),
                "beta": {**harness.partner({
                    "news": {**email, "senders": ["beta.example"]},
                    "texts": {"channel": "sms", "providers": ["aggregator"], "senders": ["BETA"],
                              "rate": RATE,
                              "accounts": {"beta-sms": {"password": self.hashes[1]}}}}),
                    "name": "Beta", "max_connections": CAP}},
            "policies": {"email": {}, "sms": {}},
        })


class Gate(ways.Way):
    """octroi as shipped, with a door for each protocol."""

    name = "octroi"

    def __init__(self, folder, people, sink, aggregator):
        super().__init__(folder, people, sink)
        self.port = harness.free_port()
        self.doors = {name: harness.free_port() for name in ("smtps", "web", "smpp")}
        self.doors["submission"] = self.port
        people.forget_journal()
        self.config = people.write_config(self.port, sink.port, doors=self.doors,
                                          aggregator=aggregator.port)
        self.spawn(people.octroi, "-c", self.config, "serve")

    def ask(self, *command):
        return subprocess.run([self.people.octroi, "-c", self.config, *command], check=True,
                              capture_output=True, text=True).stdout

    def status(self):
        return json.loads(self.ask("status", "--format", "json"))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text).group(1)) / 1024

    def refused_lines(self):
        text = (self.folder / "log").read_text(errors="replace")
        return collections.Counter(re.findall(r' warn event=("[^"]+")', text))


class Scenario:
    """kind, options: of attackers.py. door: whom they come to. logs_in: a
    good one does, meanwhile. settled: the attack is in full swing;
    over: what is awaited after the last round. told: what may be said to them and nothing else, by
    ends or said; counter: of the gate's refusals, what is told with words is counted there."""

    def __init__(self, title, kind, door, settled, ends=(), said=(), counter=None, over=None,
                 most=None, at_least=None, logs_in=False, **options):
        self.title, self.kind, self.door = title, kind, door
        self.settled, self.over = settled, over
        self.ends, self.said, self.counter = ends, said, counter
        self.most, self.at_least, self.logs_in = most, at_least, logs_in
        self.options = options


def came(connections, answers):
    return lambda report: (report["connections"] >= connections and
                           sum(report["said"].values()) >= answers)


def said_more(word, count):
    return lambda report: report["said"][word] >= count


def ended(word, count):
    return lambda report: report["ends"][word] >= count


def held(count):
    return lambda report: report["held"] >= count


SCENARIOS = {
    "slow-mail": Scenario(
        f"{LORIS:,} slow SMTP connections, an address each", "loris", "submission",
        held(LORIS), ends=("421 4.7.0",), counter="login_late", over=ended("421 4.7.0", LORIS),
        most=LORIS, count=LORIS, spread=LORIS),
    "slow-one": Scenario(
        f"{LORIS:,} slow SMTP connections of one address", "loris", "submission",
        lambda report: held(PER_ADDRESS)(report) and
        ended("421 4.7.0", LORIS - PER_ADDRESS)(report),
        ends=("421 4.7.0",), counter="address_full", most=PER_ADDRESS, count=LORIS),
    "slow-http": Scenario(
        f"{LORIS:,} slow HTTP requests, an address each", "http-loris", "web",
        held(LORIS), ends=("408",), counter="too_slow", over=ended("408", LORIS),
        most=LORIS, count=LORIS, spread=LORIS),
    "guesses": Scenario(
        f"guessing passwords, {GUESSERS:,} connections of {GUESSER_ADDRESSES} addresses", "guess",
        "submission", came(GUESSERS, 100), ends=("421 4.7.0",),
        said=("535 5.7.8", "421 4.7.0", "454 4.7.0"), counter="auth_failed", logs_in=True,
        count=GUESSERS, spread=GUESSER_ADDRESSES, pace=500, again=1,
        names=["acme-news", "nobody", "acme-8"]),
    "hasty": Scenario(
        "the same, who hang up after half a second and come again", "guess", "submission",
        came(5 * GUESSERS, 100), ends=("421 4.7.0",), said=("535 5.7.8", "421 4.7.0", "454 4.7.0"),
        counter="auth_held", logs_in=True, at_least=("connections", 400),
        count=GUESSERS, spread=GUESSER_ADDRESSES, pace=500, again=1, patience=0.5,
        names=["acme-news", "nobody", "acme-8"]),
    "rate-mail": Scenario(
        f"a partner's mail at {100 * RATE:,}/s, agreed {RATE}", "mail", "submission",
        said_more("450 4.7.1", 500), said=("450 4.7.1", "250 2.1.5", "550 5.7.1"),
        at_least=("messages", 80 * RATE), source=BETA, count=40, rate=100 * RATE,
        sender="news@beta.example", domain="people.example"),
    "rate-sms": Scenario(
        f"a partner's SMS at {100 * RATE:,}/s, agreed {RATE}", "sms", "smpp",
        said_more("0x58", 500), said=("bind 0x0", "0x58", "0x45"),
        at_least=("messages", 80 * RATE), source=BETA, count=10, rate=100 * RATE,
        login="beta-sms", password=SMS_PASSWORD),
    "handshakes": Scenario(
        "500 TLS handshakes a second, none finished", "handshake", "smtps",
        said_more("ServerHello", 500), said=("ServerHello",), counter="handshake_failed",
        at_least=("connections", 400), count=200, spread=200, pace=500),
    "cap-mail": Scenario(
        f"a partner's 1,000 SMTP connections, {CAP} allowed", "loris", "submission",
        ended("421 4.7.0", 1000), ends=("421 4.7.0",), counter="partner_full", most=CAP,
        at_least=("connections", 500), source=BETA, count=1000, spread=1000, every=0, again=1),
    "cap-sms": Scenario(
        f"a partner's 500 binds, {CAP} allowed", "sms", "smpp",
        ended("bind 0xd", 500), ends=("bind 0xd",), said=("bind 0x0", "bind 0xd"),
        counter="partner_full", most=CAP, at_least=("connections", 250), source=BETA, count=500,
        spread=500, again=1, login="beta-sms", password=SMS_PASSWORD),
}


class Run:
    """One scenario, all its rounds, on a gate of its own."""

    def __init__(self, name, gate, sink, options):
        self.name, self.scenario = name, SCENARIOS[name]
        self.gate, self.sink, self.options = gate, sink, options
        self.rounds, self.problems = [], []
        self.stems = iter(people_module.ROUND_STEMS * 20)

    def must(self, holds, sentence):
        if not holds:
            self.problems.append(sentence)

    def good(self, count):
        """Messages a second of the good ones, all of which arrive."""
        before, cpu = self.sink.count(), self.gate.cpu()
        took = bench.send(self.gate, count, next(self.stems))
        self.gate_us = (self.gate.cpu() - cpu) / count * 1e6
        arrived = self.sink.count() - before
        self.must(arrived >= count, f"of {count} messages of the good ones {arrived} arrived")
        return count / took

    def run(self):
        bench.send(self.gate, self.options.warm, people_module.WARM_STEM)
        bench.settle(self.gate)
        if self.scenario.logs_in:
            self.login(HOME, "acme-news")  # it is at home there
        self.descriptors = self.gate.descriptors()
        for turn in range(self.options.rounds):
            alone = self.good(self.options.messages)
            result = {"alone": alone, **self.beside(turn, turn == self.options.rounds - 1)}
            self.rounds.append(result)
            bench.say(f"round {turn + 1}, {self.name}: {alone:.0f} messages/s alone, "
                      f"{result['beside']:.0f} beside, attackers' CPU {result['cpu']:.2f}")
        self.gate.ask("verify")
        self.result = {
            "name": self.name, "title": self.scenario.title, "rounds": self.rounds,
            "problems": self.problems,
            **{key: statistics.median(each[key] for each in self.rounds)
               for key in ("alone", "beside", "cpu", "gate_alone_us", "gate_beside_us", "memory",
                           "connections", "answers")}}
        self.result["ratio"] = self.result["beside"] / self.result["alone"]
        self.result["told"] = self.told
        if self.scenario.logs_in:
            self.result["home"] = max(each["home"] for each in self.rounds)
            self.result["elsewhere"] = max(each["elsewhere"] for each in self.rounds)
        return self.result

    def beside(self, turn, last):
        scenario, gate = self.scenario, self.gate
        result = {"gate_alone_us": self.gate_us}
        refusals = gate.status()["refusals"]
        lines, since = gate.refused_lines(), time.monotonic()
        memory = gate.memory()
        attack = attackers.Attack(harness.spawn, scenario.kind, port=gate.doors[scenario.door],
                                  **{"source": STRANGERS, **scenario.options})
        try:
            harness.wait_for(f"{self.name} to be in full swing",
                             lambda: scenario.settled(attack.report()), SETTLE, pause=0.05)
            result["memory"] = gate.memory() - memory
            if scenario.logs_in:
                result["home"] = self.login(HOME, "acme-news")
                result["elsewhere"] = self.login(f"127.0.0.{20 + turn}", f"acme-{turn}")
            before, began = attack.report(), time.monotonic()
            result["beside"] = self.good(self.options.messages)
            result["gate_beside_us"] = self.gate_us
            took, after = time.monotonic() - began, attack.report()
            for key in ("connections", "messages", "cpu"):
                result[key] = (after[key] - before[key]) / took
            result["answers"] = sum((sum(after[what].values()) - sum(before[what].values()))
                                    for what in ("ends", "said")) / took
            if last and scenario.over:
                harness.wait_for("all of them to be told", lambda: scenario.over(attack.report()),
                                 LINGER, pause=0.5)
        finally:
            self.told = attack.stop()
        self.look(result, refusals, lines, since)
        return result

    def look(self, result, refusals, lines, since):
        """What the attackers were told, counters, log; that what they took comes back."""
        scenario, told = self.scenario, self.told
        for what in ("ends", "said"):
            strange = {word: count for word, count in told[what].items()
                       if word not in getattr(scenario, what)}
            self.must(not strange, f"told otherwise: {strange}")
        self.must(told["failed"] == 0, f"{told['failed']} attackers had no port")
        self.must(scenario.most is None or told["most"] == scenario.most,
                  f"{told['most']} were in at a time, {scenario.most} expected")
        if scenario.at_least:
            key, least = scenario.at_least
            self.must(result[key] >= least,
                      f"the attack was weak: {result[key]:.0f} {key}/s of {least} at least")
        harness.wait_for("the sessions' end", lambda: self.gate.status()["sessions"] == 0, 60,
                         pause=0.2)
        if scenario.counter:
            word = (scenario.ends or scenario.said)[0]
            if scenario.counter == "auth_failed":
                word = "535 5.7.8"
            counted = self.gate.status()["refusals"][scenario.counter] - refusals[scenario.counter]
            answered = max(told["ends"][word], told["said"][word])
            self.must(counted >= answered, f"{answered} were told {word}, {counted} are counted")
        seconds = time.monotonic() - since
        for event, count in (self.gate.refused_lines() - lines).items():
            self.must(count <= LOG_LINES * (seconds + 2), f"{count} lines {event} in {seconds:.0f} s")
        try:
            harness.wait_for("descriptors", lambda: self.gate.descriptors() <= self.descriptors + 40,
                             10)
        except AssertionError:
            self.must(False, f"{self.gate.descriptors()} descriptors are open, "
                      f"{self.descriptors} were before")

    def login(self, source, name):
        """Seconds a right password takes."""
        wire = harness.Wire(self.gate.port, source=source, timeout=60)
        wire.hello()
        secret = base64.b64encode(f"\0{name}\0{PASSWORD}".encode()).decode()
        began = time.monotonic()
        wire.say(f"AUTH PLAIN {secret}", 235)
        took = time.monotonic() - began
        wire.say("QUIT")
        wire.close()
        return took


# ---- the report ----

def reach(result):
    """Sentences about what is to be reached: (sentence, reached)."""
    title = result["title"]
    found = [(f"{title}: the good ones keep at least {BAR:g} of their rate, {result['ratio']:.2f} "
              "found", result["ratio"] >= BAR)]
    if "home" in result:
        for key, most, where in (("home", FROM_HOME, "where it did before"),
                                 ("elsewhere", FROM_ELSEWHERE, "elsewhere, for the first time")):
            found.append((f"{title}: a good one logs in {where} within {most:g} s, "
                          f"{result[key]:.2f} s found", result[key] <= most))
    found += [(f"{title}: {problem}", False) for problem in result["problems"]]
    return found


def table(results):
    lines = ["| beside | rate kept | messages/s alone, beside | connections, answers to them a second |"
             " attackers' CPU | memory they take |",
             "| --- | --- | --- | --- | --- | --- |"]
    for each in results:
        lines.append(
            f"| {each['title']} | {each['ratio']:.2f} | {bench.number(each['alone'])}, "
            f"{bench.number(each['beside'])} | {each['connections']:,.0f}, {each['answers']:,.0f} | "
            f"{100 * each['cpu']:.0f} % of a core | {max(0, each['memory']):.0f} MB |")
    return lines


def markdown(report):
    place = report["machine"]
    lines = [*table(report["results"]), ""]
    for sentence, reached in report["reach"]:
        lines.append(f"- {sentence}: {'reached' if reached else '**missed**'}.")
    lines += ["", f"{report['date']}; {place['cores']} cores ({place['processor']}), "
              f"{place['system']}, Linux {place['kernel']}; {report['version']}.",
              f"Load when it began: {report['load']:.2f}."
              + (" **Others used the machine meanwhile: only roughly right.**"
                 if report["load"] > 0.5 else ""),
              f"{report['messages']:,} messages a run, {report['rounds']} rounds in turn, to "
              f"{report['people']:,} people with consent."]
    return "\n".join(lines)


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--octroi", required=True, help="the program to measure")
    parser.add_argument("--tools", required=True, help="folder of the programs of the bench")
    parser.add_argument("--cache", required=True, help="folder to keep the people in")
    parser.add_argument("--messages", type=int, default=20000, help="in one run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--people", type=int, default=300_000)
    parser.add_argument("--only", default=",".join(SCENARIOS), metavar="SCENARIO,…",
                        help="the scenarios to run")
    parser.add_argument("--json", metavar="FILE", help="write all figures here too")
    options = parser.parse_args(arguments)
    options.only = options.only.split(",")
    for name in options.only:
        if name not in SCENARIOS:
            parser.error(f"--only: there is no {name!r}, only {', '.join(SCENARIOS)}")
    share = options.people // len(people_module.STEMS)
    if not 32 <= options.messages <= share or not 1 <= options.rounds <= 8:
        parser.error(f"--rounds is 1 to 8; {options.people} people allow for 32 to {share} messages "
                     "a run")
    options.warm = min(2000, options.messages)
    options.octroi = str(pathlib.Path(options.octroi).resolve())
    return options


def scenario(name, folder, people, options):
    people.warm()
    sink = ways.Sink(folder)
    aggregator = sms_ways.Sink(options.tools, folder, "smpp")
    try:
        gate = Gate(folder / name, people, sink, aggregator)
        try:
            return Run(name, gate, sink, options).run()
        except (AssertionError, bench.BenchError, subprocess.SubprocessError, OSError) as problem:
            raise bench.BenchError(f"{name}: {problem}\n{gate.log()}") from problem
        finally:
            gate.stop()
    finally:
        aggregator.stop()
        sink.stop()


def main(arguments=None):
    options = parse(arguments)
    load = os.getloadavg()[0]
    people = People(pathlib.Path(options.cache).resolve(), options.people, options.octroi)
    people.prepare(bench.say, wants_map=False)
    results = []
    with tempfile.TemporaryDirectory(prefix="octroi-abuse-") as folder:
        os.chmod(folder, 0o755)
        for name in options.only:
            try:
                results.append(scenario(name, pathlib.Path(folder), people, options))
            except bench.BenchError as problem:
                bench.say(f"failed: {problem}")
                return 1
    version = ways.output_of(options.octroi, "--version").strip().splitlines()
    report = {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "machine": bench.machine(), "load": load, "messages": options.messages,
        "rounds": options.rounds, "people": options.people, "version": version[0],
        "results": results, "reach": [each for result in results for each in reach(result)],
    }
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(report, indent=1) + "\n")
    print(markdown(report))
    return 0 if all(reached for _, reached in report["reach"]) else 1


if __name__ == "__main__":
    sys.exit(main())
