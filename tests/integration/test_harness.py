# SPDX-License-Identifier: Apache-2.0
"""The checks that every test ends with can fail: each of them is shown what it must catch."""

import subprocess
import sys

import harness


class Harness(harness.IntegrationTest):
    def setUp(self):
        super().setUp()
        self.provider = self.scripted()
        self.gate = self.gateway(self.provider)
        self.address(self.gate, "known")

    def test_clear_addresses(self):
        address = harness.unique("secret")
        self.gate.addresses.add(address)
        self.gate.check_no_addresses()
        for path in (self.gate.log_file, self.gate.state / "leak", self.gate.folder / "note"):
            before = path.read_bytes() if path.exists() else b""
            for leak in (address.upper(), address.split("@")[0]):
                path.write_bytes(before + b"x" + leak.encode() + b"y\n")
                with self.assertRaisesRegex(AssertionError, "clear address"):
                    self.gate.check_no_addresses()
            path.write_bytes(before)
        self.gate.check_no_addresses()

    def test_sanitizer_reports(self):
        self.gate.check_log()
        before = self.gate.log_file.read_bytes()
        for report in ("==1==ERROR: AddressSanitizer: heap-use-after-free",
                       "x.c:1:2: runtime error: signed integer overflow",
                       "==1==ERROR: LeakSanitizer: detected memory leaks",
                       "WARNING: ThreadSanitizer: data race"):
            self.gate.log_file.write_bytes(before + report.encode())
            with self.assertRaisesRegex(AssertionError, "sanitizer"):
                self.gate.check_log()
        self.gate.log_file.write_bytes(before)

    def test_tampering(self):
        client = self.wire(self.gate)
        client.hello()
        sender = self.address(self.gate, "news", "acme.example")
        no = self.address(self.gate, "no")
        client.say(f"MAIL FROM:<{sender}>", 250)
        self.assertBlocked(client.say(f"RCPT TO:<{no}>"), "NO_CONSENT")
        client.say("QUIT", 221)
        self.gate.stop()
        self.gate.verify()
        segment = sorted((self.gate.state / "journal").glob("*"))[0]
        before = segment.read_bytes()
        segment.write_bytes(before.replace(b"NO_CONSENT", b"OBJECTED__", 1))
        with self.assertRaises(AssertionError):
            self.gate.verify()
        segment.write_bytes(before)

    @staticmethod
    def kill(pid):
        with harness.contextlib.suppress(ProcessLookupError):
            harness.os.kill(pid, 9)

    def test_exit_code(self):
        self.gate.process.kill()
        with self.assertRaisesRegex(AssertionError, "ended with -9"):
            self.gate.stop()

    def test_processes_end_with_their_maker(self):
        """A test that is killed leaves no process behind."""
        script = ("import sys; sys.path.insert(0, sys.argv[1]); import harness\n"
                  "p = harness.spawn(['sleep', '600']); print(p.pid, flush=True)\n"
                  "import time; time.sleep(600)")
        maker = subprocess.Popen([sys.executable, "-c", script,
                                  str(harness.pathlib.Path(__file__).parent)],
                                 stdout=subprocess.PIPE, text=True)
        pid = int(maker.stdout.readline())
        self.addCleanup(self.kill, pid)
        maker.kill()
        maker.wait()
        maker.stdout.close()

        def gone():
            try:
                with open(f"/proc/{pid}/stat") as stat:
                    return stat.read().rsplit(")", 1)[1].split()[0] == "Z"
            except FileNotFoundError:
                return True
        harness.wait_for("the process to end", gone)
