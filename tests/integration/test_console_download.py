# SPDX-License-Identifier: Apache-2.0
"""Decisions downloaded from the console: all of them, while mail passes and memory stays as it is."""
import csv
import http.client
import io
import json
import shutil
import smtplib
import socket
import struct
import subprocess
import threading
import time

import api_harness
import browser_harness
import console_harness
import harness
from test_faults_limits import memory

ROWS = 200_000
GROWTH_KB_MOST = 24 * 1024  # of a file of some 60 MB
EXAMPLES = console_harness.SOURCES / "examples"
NAMES = ("id,at,gateway,session,partner,stream,account,channel,purpose,recipient,recipient_key,verdict,reason,"
         "effect,mode,policy,event,provider,outcome,provider_reply,queue_id,size,hash,list")


class Download(console_harness.ConsoleTest):
    def past(self, rows, provider=None, binary=None, **config):
        """A gateway with so many decisions, in the index already, and one who may read."""
        gateway = self.gate(provider, start=False, binary=binary, **config)
        shutil.copy(EXAMPLES / "partners.conf", gateway.folder)
        gateway.config["include"] = ["partners.conf"]
        gateway.write_config()
        subprocess.run([browser_harness.history_path(quick=True), "--config", gateway.file, "--rows", str(rows), "--days", "30"], check=True,
                       stdout=subprocess.DEVNULL)
        gateway.cli("log", "--limit", "1")
        self.start(gateway)
        return gateway

    def begin(self, browser, path, version=11):
        """The socket of a download, its request sent; reads little at a time."""
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        connection.settimeout(harness.PATIENCE)
        connection.connect(("127.0.0.1", browser.port))
        self.addCleanup(connection.close)
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        connection.sendall(f"GET {path} HTTP/1.{version % 10}\r\nHost: {browser.host}\r\n"
                           f"Cookie: {cookies}\r\n\r\n".encode())
        return connection

    def rows_of(self, body):
        text = body.decode("utf-8")
        self.assertEqual(text[0], "\ufeff")
        self.assertTrue(text.endswith("\r\n"))
        self.assertEqual(text[1:].partition("\r\n")[0], NAMES)
        return list(csv.DictReader(io.StringIO(text[1:], newline="")))

    def ends(self, gateway):
        return [(row["answer"], row["count"]) for row in api_harness.records(gateway, "decision.exported")]

    def test_all_decisions(self):
        gateway = self.past(3000)
        browser = self.log_in(gateway, "compliance")
        page = browser.get("/console/blocked.csv?verdict=all")
        self.assertEqual(page.status, 200, page)
        self.assertEqual(page.headers["Content-Type"], "text/csv; charset=utf-8")
        self.assertEqual(page.headers["Content-Disposition"], 'attachment; filename="octroi-decisions.csv"')
        self.assertEqual(page.headers["Transfer-Encoding"], "chunked")
        rows = self.rows_of(page.body)
        wanted = [json.loads(line) for line in gateway.cli("log", "--format", "json").splitlines()]
        self.assertEqual(len(rows), len(wanted))
        for row, decision in zip(rows, wanted):
            for name, value in decision.items():
                shown = row[name].removeprefix("'") if row[name].startswith(("'=", "'+", "'-", "'@")) else row[name]
                self.assertEqual(shown, "" if value is None else str(value), name)
        some = self.rows_of(browser.get("/console/blocked.csv?verdict=block&partner=armor-voyages").body)
        self.assertEqual([row["id"] for row in some],
                         [row["id"] for row in wanted
                          if row["verdict"] == "block" and row["partner"] == "armor-voyages"])
        harness.wait_for("the ends on record", lambda: len(self.ends(gateway)) == 2)
        self.assertEqual(self.ends(gateway), [("whole", len(wanted)), ("whole", len(some))])
        begun = api_harness.records(gateway, "decision.export")
        self.assertEqual([(row["who"], row["subject"], row["partner"]) for row in begun],
                         [("user compliance", None, None), ("user compliance", "verdict=block", "armor-voyages")])
        self.assertEqual([row["subject"] for row in api_harness.records(gateway, "decision.exported")],
                         [row["id"] for row in begun])
        head = browser.ask("HEAD", "/console/blocked.csv")
        self.assertEqual((head.status, head.body), (200, b""))
        self.assertEqual(len(api_harness.records(gateway, "decision.export")), 2)

    def test_nobody_else_downloads(self):
        gateway = self.past(100)
        page = self.browser(gateway).get("/console/blocked.csv", follow=False)
        self.assertEqual(page.status, 303, page)
        # Whole lists with the people's keys are for compliance alone.
        self.assertEqual(self.log_in(gateway, "reader").get("/console/blocked.csv").status, 403)
        self.assertEqual(api_harness.records(gateway, "decision.export"), [])

    def test_large_download(self):
        provider = self.scripted()
        gateway = self.past(ROWS, provider, binary=harness.plain_path())
        gateway.warm()
        gateway.add_form()
        person = self.person(gateway)
        browser = self.log_in(gateway, "compliance")
        self.assertEqual(browser.get("/console").status, 200)  # what a first page costs is not the download's
        before = memory(gateway.pid)[0]
        most = before
        took = []
        stop = threading.Event()

        def send():
            while not stop.is_set():
                began = time.monotonic()
                with smtplib.SMTP("127.0.0.1", gateway.port, timeout=harness.PATIENCE) as client:
                    client.sendmail("news@acme.example", [person], "From: news@acme.example\r\nSubject: x\r\n\r\nx\r\n")
                took.append(time.monotonic() - began)
        sender = threading.Thread(target=send)
        connection = self.begin(browser, "/console/blocked.csv?verdict=all")
        response = http.client.HTTPResponse(connection)
        response.begin()
        sender.start()
        lines, length = -1, 0  # that of the names
        try:
            while block := response.read(256 * 1024):
                lines += block.count(b"\n")
                length += len(block)
                most = max(most, memory(gateway.pid)[0])
        finally:
            stop.set()
            sender.join()
        self.assertGreaterEqual(lines, ROWS)
        self.assertGreater(len(took), 3)
        self.assertLess(max(took), 5)
        print(f"{lines} rows, {length >> 20} MB; resident {before} kB before, {most} kB at most; "
              f"{len(took)} mails meanwhile, the slowest {max(took):.2f} s", flush=True)
        if harness.plain_path():
            self.assertLess(most - before, GROWTH_KB_MOST)
        harness.wait_for("its end on record", lambda: self.ends(gateway) == [("whole", lines)])

    def test_client_goes_and_gate_ends(self):
        gateway = self.past(20_000)
        browser = self.log_in(gateway, "compliance")
        first = self.begin(browser, "/console/blocked.csv?verdict=all")
        self.assertIn(b"200 OK", first.recv(4096))
        first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        first.close()
        harness.wait_for("it on record", lambda: len(self.ends(gateway)) == 1)
        self.assertEqual(self.ends(gateway)[0][0], "broken off")
        second = self.begin(browser, "/console/blocked.csv?verdict=all", version=10)
        self.assertIn(b"200 OK", second.recv(4096))
        gateway.process.terminate()
        # Within drain_timeout it is read to its end.
        got = 0
        while block := second.recv(65536):
            got += len(block)
        self.assertGreater(got, 3_000_000)
        self.assertEqual(gateway.process.wait(harness.LEAVING), 0)
        gateway.process = None
        self.assertEqual(self.ends(gateway)[1][0], "whole")
