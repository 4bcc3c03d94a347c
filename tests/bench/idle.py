# SPDX-License-Identifier: Apache-2.0
"""Rows of the benchmark that measure memory: sessions that are open and say nothing.

smtp_load opens them, past EHLO, and holds them; resident memory before and with them is divided by
their number. Some were open before, so that what is made once is not counted as theirs. It counts
before it divides: all of them are there when memory is read, or it is an error.
"""

import pathlib
import re
import resource
import subprocess
import tempfile
import time

import harness
import people as people_module
import ways

PLAIN_KB, TLS_KB = 6, 40
WARM = 100
SPARE = 200  # descriptors of a process that are not its sessions'
PATIENCE = 120


class IdleError(Exception):
    pass


def room_for(each):
    """Sessions a process may have, of so many descriptors each."""
    return (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - SPARE) // each


class Haproxy(ways.Haproxy):
    each = 2  # sockets of a session: its provider's is open as long
    most = room_for(each)


class Octroi(ways.Octroi):
    each = 1
    listener = {"max_connections_per_address": 0}
    before = ("prlimit", "--nofile=1024:")  # it raises its own limit, as far as it may


def resident_kb(pid):
    """Of a process and its children."""
    total, waiting = 0, [pid]
    while waiting:
        one = pathlib.Path(f"/proc/{waiting.pop()}")
        total += int(re.search(r"VmRSS:\s+(\d+) kB", (one / "status").read_text()).group(1))
        for thread in (one / "task").iterdir():
            waiting += map(int, (thread / "children").read_text().split())
    return total


def sessions_at(port):
    """Connections that are established with this port of loopback, as its side sees them."""
    with open("/proc/net/tcp") as table:
        wanted = f"0100007F:{port:04X}"
        # Of what changes while it is read the kernel may tell twice.
        return len({fields[2] for fields in map(str.split, table)
                    if fields[1] == wanted and fields[3] == "01"})


def settled_kb(pid):
    """What is resident once that stands still for a second."""
    until = time.monotonic() + 20
    last, since = resident_kb(pid), time.monotonic()
    while time.monotonic() < min(since + 1, until):
        time.sleep(0.1)
        now = resident_kb(pid)
        if abs(now - last) > 64:
            last, since = now, time.monotonic()
    return resident_kb(pid)


class Sessions:
    """So many of them, held until end()."""

    def __init__(self, tools, way, count):
        secure = ["-T", way.tls.authority] if way.tls else []
        self.process = harness.spawn(
            [tools / "smtp_load", "-i", "-s", count, *secure, way.port, people_module.SENDER,
             f"a@{people_module.DOMAIN}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        said = self.process.stdout.readline()
        if said != f"{count} open\n":
            raise IdleError(f"smtp_load: {said}{self.process.stderr.read()}")

    def end(self):
        left = self.process.poll() is not None
        self.process.stdin.close()
        code = self.process.wait(PATIENCE)
        problem = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        if left or code != 0:
            raise IdleError(f"smtp_load: {problem or code}")


class Row:
    kinds = (Haproxy, Octroi)
    lone = False

    def __init__(self, title, most_kb, tls=False):
        self.title = title
        self.most_kb = most_kb
        self.tls = tls

    def run(self, kind, folder, people, options, turn):
        count = min(options.idle, room_for(kind.each))
        tls = ways.Tls(folder / "tls") if self.tls else None
        sink = ways.OurSink(options.tools, folder, tls)
        try:
            way = kind(pathlib.Path(tempfile.mkdtemp(dir=folder)) / kind.name, people, sink, tls)
            try:
                return measure(options.tools, way, count)
            except (AssertionError, IdleError, subprocess.SubprocessError, OSError) as problem:
                raise IdleError(f"{kind.name}: {problem}\n{way.log()}") from problem
            finally:
                way.stop()
        finally:
            sink.stop()

    @staticmethod
    def said(result):
        return f"{result['each_kb']:.1f} KB each of {result['sessions']} sessions"

    @staticmethod
    def table(summary):
        lines = ["| through | resident memory of each | sessions | memory without them, with them |",
                 "| --- | --- | --- | --- |"]
        for kind in Row.kinds:
            if one := summary.get(kind.name):
                lines.append(f"| {kind.title} | {one['each_kb']:.1f} KB | {one['sessions']:,.0f} | "
                             f"{one['before_kb'] / 1024:.1f} MiB, "
                             f"{one['with_kb'] / 1024:.1f} MiB |")
        return lines


def measure(tools, way, count):
    pid = way.process.pid

    def none_left():
        return sessions_at(way.port) == 0
    Sessions(tools, way, min(WARM, count)).end()
    harness.wait_for("the first sessions' end", none_left, PATIENCE)
    before = settled_kb(pid)
    held = Sessions(tools, way, count)
    during = settled_kb(pid)
    if sessions_at(way.port) != count:
        raise IdleError(f"{sessions_at(way.port)} sessions are there, not {count}")
    held.end()
    harness.wait_for("the sessions' end", none_left, PATIENCE)
    return {"each_kb": (during - before) / count, "sessions": count, "before_kb": before,
            "with_kb": during, "after_kb": settled_kb(pid)}
