# SPDX-License-Identifier: Apache-2.0
"""A gateway that was attacked, or has crashed, gives nothing away: no memory image, no other program;
and it works where its unit for systemd confines it."""

import base64
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import unittest

import harness

TOP = pathlib.Path(__file__).resolve().parents[2]
UNIT = TOP / "examples" / "systemd" / "octroi.service"
EXPOSURE = 1.6

# Plays the part of code that an attacker made the gateway run.
INTRUDER = """
#include <signal.h>
#include <unistd.h>
static void act(int signal) { char *none[] = {0}; (void)signal; execve("/bin/true", none, none); }
__attribute__((constructor)) static void wait(void) { signal(SIGUSR1, act); }
"""


def system_calls(name):
    """Those of one of systemd's groups, or the one of that name."""
    if not name.startswith("@"):
        return {name}
    said = subprocess.run(["systemd-analyze", "syscall-filter", name], check=True,
                          capture_output=True, text=True).stdout
    words = [line.strip() for line in said.splitlines()[1:]]
    return set().union(*(system_calls(word) for word in words if word and word[0] != "#"))


class Hardening(harness.IntegrationTest):
    """On the plain build: sanitizers need what is given up, and catch what crashes."""

    def plain(self):
        if harness.plain_path() is None:
            self.skipTest("no plain build was named")
        provider = self.scripted()
        return provider, self.gateway(provider, binary=harness.plain_path(), start=False)

    def died(self, gateway, by):
        gateway.sent_kill = True
        self.assertEqual(gateway.process.wait(harness.PATIENCE), -by, gateway.log()[-2000:])
        gateway.process = None

    def passes(self, gateway, provider):
        yes = self.person(gateway)
        sender = self.address(gateway, "news", "acme.example")
        wire = self.wire(gateway)
        wire.hello()
        wire.say(f"MAIL FROM:<{sender}>", 250)
        wire.say(f"RCPT TO:<{yes}>", 250)
        self.assertBlocked(wire.say(f"RCPT TO:<{self.address(gateway, 'no')}>"), "NO_CONSENT")
        wire.say("DATA", 354)
        wire.send(harness.message(sender) + b".\r\n")
        self.assertEqual(wire.reply()[0], 250)
        wire.say("QUIT", 221)
        self.assertIn([yes], [message.recipients for message in provider.messages])

    def test_no_memory_image(self):
        provider, gateway = self.plain()
        there = self.path("cores")
        there.mkdir()
        gateway.start(["env", "-C", there, "prlimit", "--core=unlimited"])
        limits = pathlib.Path(f"/proc/{gateway.pid}/limits").read_text()
        self.assertRegex(limits, r"Max core file size +0 +0 ")
        self.passes(gateway, provider)
        gateway.process.send_signal(signal.SIGSEGV)
        self.died(gateway, signal.SIGSEGV)
        self.assertEqual(list(there.iterdir()), [])

    def test_forbidden_call_ends_it_and_is_logged(self):
        provider, gateway = self.plain()
        source, library = self.path("intruder.c"), self.path("intruder.so")
        source.write_text(INTRUDER)
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, "-x", "c", source], check=True)
        gateway.start(environment={"LD_PRELOAD": str(library)})
        self.passes(gateway, provider)
        gateway.process.send_signal(signal.SIGUSR1)
        self.died(gateway, signal.SIGSYS)
        self.assertRegex(gateway.log(), r' error event="a forbidden system call: the gateway ends" '
                         r"number=\d+\n")
        gateway.start()  # what it had on record is whole
        gateway.verify()

    def test_status_says_so(self):
        _, gateway = self.plain()
        gateway.start()
        self.assertEqual(gateway.status()["syscall_filter"], "on")
        self.assertRegex(gateway.cli("status"), r"(?m)^syscall filter +on$")
        status = pathlib.Path(f"/proc/{gateway.pid}/status").read_text()
        self.assertRegex(status, r"\nSeccomp:\t2\n")
        self.assertRegex(status, r"\nNoNewPrivs:\t1\n")
        gateway.reload()
        gateway.stop()
        gateway.start(environment={"OCTROI_SYSCALL_FILTER": "off"})
        self.assertEqual(gateway.status()["syscall_filter"], "off")
        self.assertIn('event="system call filter" state=off', gateway.log())

    def test_a_typed_password_does_not_stay(self):
        """Neither in clear nor as AUTH sends it, a moment after the login, in any memory."""
        if os.geteuid() != 0:
            self.skipTest("only root can read another process's memory")
        provider, gateway = self.plain()
        certificate, key = self.pki().issue("gate.test")
        gateway.config["listeners"]["submission"].update(
            tls="optional", certificate_file=str(certificate), key_file=str(key))
        clear = "Typed-Horse-" + os.urandom(6).hex()
        news = harness.email_stream(accounts={
            "acme-typed": {"password": gateway.password(clear)}})
        gateway.config["partners"]["acme"] = harness.partner({"news": news})
        gateway.write_config()
        gateway.start()
        for secure in (False, True):
            wire = self.wire(gateway)
            wire.hello()
            if secure:
                wire.say("STARTTLS", 220)
                wire.secure(harness.client_context(certificate.with_name("ca.pem")))
                wire.hello()
            sent = base64.b64encode(f"\0acme-typed\0{clear}".encode())
            wire.say(f"AUTH PLAIN {sent.decode()}", 235)
            harness.wait_for("the password to go", lambda: not self.found(
                gateway.pid, [clear.encode(), sent[20:]]), timeout=5)
        self.assertNotEqual(self.found(gateway.pid, [b"acme-typed"]), [])  # it would be found

    @staticmethod
    def found(pid, texts):
        seen = []
        with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
            for line in maps:
                span, mode, *_ = line.split()
                if not mode.startswith("rw") or "[v" in line:
                    continue
                start, end = (int(each, 16) for each in span.split("-"))
                memory.seek(start)
                with contextlib.suppress(OSError):
                    data = memory.read(end - start)
                    seen += [(line.strip(), text) for text in texts if text in data]
        return seen

    def test_the_unit_allows_what_it_calls(self):
        """systemd answers EPERM to what is not in the unit's groups: nothing of that is called."""
        for program in ("strace", "systemd-analyze"):
            if shutil.which(program) is None:
                self.skipTest(f"{program} is missing (Debian: {program.split('-')[0]})")
        provider, gateway = self.plain()
        trace = self.path("trace")
        gateway.start(["strace", "-D", "-f", "-qq", "-e", "signal=none", "-o", trace])
        self.passes(gateway, provider)
        gateway.reload()
        gateway.stop()
        harness.wait_for("the trace's end", lambda: "exit_group(" in trace.read_text())
        called = set(re.findall(r"(?m)^\d+ +(?:<\.\.\. )?([a-z_0-9]+)[( ]", trace.read_text()))
        self.assertIn("seccomp", called)
        allowed = set()
        for line in re.findall(r"(?m)^SystemCallFilter=(.*)$", UNIT.read_text()):
            named = set().union(*(system_calls(word) for word in line.strip("~").split()))
            allowed = allowed - named if line.startswith("~") else allowed | named
        self.assertEqual(called - allowed - system_calls("@default"), set())

    def test_under_the_units_confinement(self):
        """What of the unit can be had without systemd: no new privileges, no capability but one, a
        file system that is read-only but for the state, only its own processes in /proc."""
        provider, gateway = self.plain()
        if os.geteuid() != 0:
            self.skipTest("only root can confine a gateway so")
        confine = ('set -e; mount --make-rprivate /; mount --bind "$1" "$1"; '
                   "mount -o remount,bind,ro /; "
                   "mount -t proc -o hidepid=invisible,subset=pid proc /proc; shift; "
                   "umask 0077; exec setpriv --no-new-privs --bounding-set -all --inh-caps -all "
                   '"$@"')
        tried = subprocess.run(["unshare", "--mount", "sh", "-c", confine, "-", gateway.folder,
                                "true"], capture_output=True, text=True)
        if tried.returncode != 0:
            self.skipTest(f"this machine does not let us mount: {tried.stderr}")
        gateway.start(["unshare", "--mount", "sh", "-c", confine, "-", gateway.folder])
        self.passes(gateway, provider)
        gateway.reload()
        self.assertEqual(gateway.ask_status()["syscall_filter"], "on")


class Unit(unittest.TestCase):
    def test_exposure(self):
        if shutil.which("systemd-analyze") is None:
            self.skipTest("systemd-analyze is missing (Debian: systemd)")
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", UNIT],
                              capture_output=True, text=True)
        said = re.search(r"Overall exposure level for octroi.service: ([0-9.]+)", done.stdout)
        self.assertIsNotNone(said, done.stdout + done.stderr)
        self.assertLessEqual(float(said.group(1)), EXPOSURE, done.stdout)
        self.assertIn(f"exposure {EXPOSURE}", (TOP / "docs" / "SECURITY.md").read_text())

    def test_systemd_knows_every_line(self):
        if shutil.which("systemd-analyze") is None:
            self.skipTest("systemd-analyze is missing (Debian: systemd)")
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", UNIT], capture_output=True,
                              text=True)
        wrong = [line for line in done.stderr.splitlines()
                 if "octroi.service:" in line and "is not executable" not in line]
        self.assertEqual(wrong, [])
