#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the integration tests: each test in a process of its own, a fork of this one, which has read
them all; more at a time than there are processors, since most of them mostly wait. Those marked
"long = True" begin first.

A line a test: the seconds it took and, of these, how many of a processor; of a failed one also its
report, the gateways' configurations and logs. At the end what failed once more, shortly, for whoever
sees only the end. The last line is "N passed, N failed", before it "N skipped" where some were: as
root, on a kernel with all they want, none is. Exit code 0 only if none failed and some ran.
"""

import argparse
import contextlib
import ctypes
import faulthandler
import fnmatch
import json
import os
import pathlib
import signal
import sys
import tempfile
import time
import traceback
import unittest

HERE = pathlib.Path(__file__).resolve().parent
MOST_SECONDS = 180
MOST_LINES = 25  # of a failed test's report at the end
SKIPPED = 77  # the exit code of a test that was
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def all_tests(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from all_tests(item)
        else:
            yield item


def discover(pattern):
    sys.path.insert(0, str(HERE))
    loader = unittest.TestLoader()
    tests = []
    for test in all_tests(loader.discover(str(HERE), "test_*.py", str(HERE))):
        name = test.id()
        broken = name.startswith("unittest.loader._FailedTest")
        if broken or pattern is None or pattern in name or fnmatch.fnmatch(name, pattern):
            tests.append(test)
    if loader.errors:
        print("\n".join(loader.errors))
    return tests


def is_long(test):
    """As it or its class says. What takes long and begins last leaves processors idle."""
    method = getattr(test, getattr(test, "_testMethodName", ""), None)
    return bool(getattr(method, "long", getattr(test, "long", False)))


def run_one(test):
    """In a process of its own: runs one test, prints its report."""
    faulthandler.enable()  # SIGABRT, when it takes too long, shows where it was
    # Before the cleanups take the gateways' folders away.
    import harness

    class Result(unittest.TestResult):
        def startTest(self, running):
            super().startTest(running)
            self.described = ""
            original = running.doCleanups

            def do_cleanups():
                self.described = describe(harness)
                return original()
            running.doCleanups = do_cleanups

    result = Result()
    test.run(result)
    problems = result.failures + result.errors
    for _, text in problems:
        print(text)
    if result.unexpectedSuccesses:
        print("passed although it was expected to fail")
    if problems:
        print(result.described)
    for _, why in result.skipped:
        print(f"SKIPPED {why}")
    if any(skipped is test for skipped, _ in result.skipped):
        return SKIPPED
    return 0 if result.wasSuccessful() else 1


def describe(harness):
    parts = []
    for each in harness.created:
        try:
            parts.append(each.describe())
        except Exception:
            parts.append(traceback.format_exc())
    return "\n".join(parts)


def bind_to(parent):
    """Lets the kernel kill this process when its parent ends."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:
        os._exit(1)  # it ended before that


class Running:
    def __init__(self, test):
        self.name = test.id()
        self.timeout = getattr(test, "timeout", MOST_SECONDS)
        self.code = None  # the exit code, once it has ended
        self.used = 0.0  # seconds of a processor, with all that it started and waited for
        self.output = tempfile.TemporaryFile()
        self.folder = tempfile.TemporaryDirectory(prefix="octroi-run-")
        os.chmod(self.folder.name, 0o755)
        self.since = time.monotonic()
        sys.stdout.flush()  # or what is left in it is the child's, too
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            self.become(test, parent)

    def become(self, test, parent):
        """The child: never returns, so that nothing of the parent's is cleaned up by it."""
        code = 1
        try:
            bind_to(parent)
            os.setsid()
            with open(os.devnull) as nothing:
                os.dup2(nothing.fileno(), 0)
            for each in (1, 2):
                os.dup2(self.output.fileno(), each)
            os.environ["TMPDIR"] = tempfile.tempdir = self.folder.name
            code = run_one(test)
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def reap(self):
        """Whether it has ended; takes its exit code and what it used."""
        pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        if pid == 0:
            return False
        self.code = os.waitstatus_to_exitcode(status)
        self.used = usage.ru_utime + usage.ru_stime
        return True

    def finished(self):
        if self.reap():
            return True
        if time.monotonic() - self.since > self.timeout:
            # What the test started dies with it.
            os.kill(self.pid, signal.SIGABRT)
            until = time.monotonic() + 5
            while not self.reap() and time.monotonic() < until:
                time.sleep(0.02)
            if self.code is None:
                self.kill()
            self.output.seek(0, os.SEEK_END)
            self.output.write(f"took more than {self.timeout} s\n".encode())
            return True
        return False

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def report(self):
        seconds = time.monotonic() - self.since
        self.output.seek(0)
        text = self.output.read().decode(errors="replace")
        self.output.close()
        self.folder.cleanup()
        word = {0: "PASS", SKIPPED: "SKIP"}.get(self.code, "FAIL")
        print(f"{word} {self.name} {seconds:.1f} {self.used:.1f}", flush=True)
        if text.strip():
            print(text.rstrip(), flush=True)
        return word, text


def run_all(tests, jobs):
    waiting = sorted(tests, key=is_long, reverse=True)
    running = []
    counts = dict.fromkeys(("PASS", "FAIL", "SKIP"), 0)
    failures = []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(Running(waiting.pop(0)))
            for each in [each for each in running if each.finished()]:
                running.remove(each)
                word, text = each.report()
                counts[word] += 1
                if word == "FAIL":
                    failures.append((each.name, text))
            time.sleep(0.02)
    finally:
        for each in running:
            each.kill()
            each.folder.cleanup()
    return counts, failures


def recall(failures):
    """Prints the start of each failed test's report: where it failed and with what."""
    if failures:
        print("\nfailed tests:", flush=True)
    for name, text in failures:
        print(name)
        for line in text.splitlines()[:MOST_LINES]:
            print(f"    {line[:300]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--octroi", help="the program under test")
    parser.add_argument("--plain", help="an uninstrumented build, for measuring memory")
    parser.add_argument("-k", metavar="PATTERN", help="only tests whose name holds or matches this")
    parser.add_argument("--jobs", type=int, default=(os.cpu_count() or 1) + 2)
    parser.add_argument("--list", action="store_true", help="print the tests' names")
    options = parser.parse_args()
    if options.octroi:
        os.environ["OCTROI_BIN"] = str(pathlib.Path(options.octroi).resolve())
    if options.plain:
        os.environ["OCTROI_PLAIN"] = str(pathlib.Path(options.plain).resolve())
    tests = discover(options.k)
    if options.list:
        print(json.dumps([test.id() for test in tests], indent=0))
        return 0
    if not os.access(os.environ.get("OCTROI_BIN", ""), os.X_OK):
        parser.error("--octroi must name the program under test")
    counts, failures = run_all(tests, options.jobs)
    recall(failures)
    if counts["SKIP"]:
        print(f"{counts['SKIP']} skipped")
    print(f"{counts['PASS']} passed, {counts['FAIL']} failed")
    return 0 if counts["FAIL"] == 0 and counts["PASS"] > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
