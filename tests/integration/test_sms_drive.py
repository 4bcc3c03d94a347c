# SPDX-License-Identifier: Apache-2.0
"""Kannel's drive_smpp as the provider: an SMSC that knows no transceivers, and that floods whoever
receives with messages of its own."""

import pathlib
import subprocess

import harness
import sms_load
from sms_harness import PASSWORD, SmsTest, smpp_provider

DRIVE = pathlib.Path("/usr/lib/kannel/test/drive_smpp")
FLOOD = 50


class DriveSmpp(SmsTest):
    def setUp(self):
        super().setUp()
        if not DRIVE.exists():
            self.fail("kannel-extras is missing")
        self.port = harness.free_port()
        self.log = self.folder / "drive.log"
        with open(self.log, "wb") as log:
            process = harness.spawn([DRIVE, "-v", "0", "-p", self.port, "-m", FLOOD], stdout=log,
                                    stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder)
        self.addCleanup(harness.end, process)
        harness.wait_for("drive_smpp to listen", self.listens)

    def listens(self):
        """Without connecting: it takes whoever comes for an ESME."""
        return f":{self.port:04X} 00000000:0000 0A" in pathlib.Path("/proc/net/tcp").read_text()

    def said(self):
        return self.log.read_text(errors="replace")

    def test_separate_binds(self):
        gate = self.sms_gateway(start=False, providers={
            "aggregator": smpp_provider(self.port, binds="separate", connections=1)})
        gate.start()
        people = [self.number(gate) for _ in range(5)]
        no = self.number(gate, consent=False)
        harness.wait_for("both binds", lambda: "bind_transmitter" in self.said() and
                         "bind_receiver" in self.said())
        partner = sms_load.Partner(gate.smpp_port, iter([n[1:] for n in [*people, no]]),
                                   "acme-sms", PASSWORD)
        partner.join(harness.PATIENCE)
        self.assertEqual((sorted(partner.passed), partner.refused, partner.other),
                         (sorted(n[1:] for n in people), {no[1:]}, []))
        rows = gate.wait_rows(6)
        self.assertEqual({row["outcome"] for row in rows if row["verdict"] == "pass"},
                         {"accepted"})
        self.assertEqual({row["queue_id"] for row in rows}, {None}, "it names no messages")
        # What it floods with is for no partner of ours: taken, counted, and never in the way.
        harness.wait_for("its messages to be taken",
                         lambda: gate.ask_status()["sms"]["replies_nobodys"] >= FLOOD)
