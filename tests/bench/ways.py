# SPDX-License-Identifier: Apache-2.0
"""What a message of the benchmark can go through on its way from smtp-source to smtp-sink.

Each way is a process (with those it starts) that listens on self.port and hands over to the sink.
All run in the foreground as ours, from a configuration of their own, and end by their own pid.
"""

import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess

import harness

HERE = pathlib.Path(__file__).resolve().parent
TICK = os.sysconf("SC_CLK_TCK")


def output_of(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError:
        return ""
    return done.stdout + done.stderr


def cpu_seconds(root):
    """CPU time of a process and all it ever started, also of those that have ended since."""
    times, parents = {}, {}
    for folder in pathlib.Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        pid = int(folder.name)
        parents[pid] = int(fields[1])
        times[pid] = sum(map(int, fields[11:15]))  # user, system, and both of reaped children
    total = 0
    for pid, ticks in times.items():
        while pid > 1 and pid != root:
            pid = parents.get(pid, 0)
        total += ticks if pid == root else 0
    return total / TICK


class Sink:
    """smtp-sink, which counts: how many messages it took is known at any time."""

    COUNT = re.compile(rb"mesg=(\d+)")

    def __init__(self, folder, *options):
        self.port = harness.free_port()
        self.counts = folder / f"sink-{self.port}.counts"
        self.output = open(self.counts, "wb")
        user = ["-u", "nobody"] if os.geteuid() == 0 else []  # it does not run as root
        self.process = harness.spawn(
            ["/usr/sbin/smtp-sink", "-c", *user, *options, f"127.0.0.1:{self.port}", "1000"],
            stdout=self.output, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        harness.wait_for("smtp-sink to listen", lambda: listens(self.port))

    def count(self):
        with open(self.counts, "rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - 200))
            found = self.COUNT.findall(file.read())
        return int(found[-1]) if found else 0

    def stop(self):
        harness.end(self.process, first=signal.SIGKILL)  # it has no other end
        self.output.close()
        self.counts.unlink(missing_ok=True)


class OurSink:
    """smtp_sink, which counts as well, and can what smtp-sink cannot: TLS, thousands of sessions."""

    def __init__(self, tools, folder, tls=None, *options):
        self.port = harness.free_port()
        self.counts = folder / f"sink-{self.port}.counts"
        secure = ["-c", tls.certificate, "-k", tls.key] if tls else []
        with open(folder / f"sink-{self.port}.log", "wb") as log:
            self.process = harness.spawn([tools / "smtp_sink", *secure, *options, self.port,
                                          self.counts], stdout=log, stderr=log,
                                         stdin=subprocess.DEVNULL)
        harness.wait_for("smtp_sink to listen", lambda: listens(self.port))

    def both(self):
        """Messages, and the sum of their recipients' numbers."""
        return struct.unpack("QQ", self.counts.read_bytes())

    def count(self):
        return self.both()[0]

    def stop(self):
        harness.end(self.process)
        self.counts.unlink(missing_ok=True)


class Tls:
    """What both sides' TLS is made of: one certificate for all of loopback, in a folder."""

    def __init__(self, folder):
        pki = harness.Pki(folder)
        self.authority = pki.authority()
        self.certificate, self.key = pki.issue("gate.test", "DNS:gate.test,IP:127.0.0.1")
        self.both = pki.path("both", "pem")  # as HAProxy wants them
        self.both.touch(0o600)
        self.both.write_text(self.certificate.read_text() + self.key.read_text())


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Way:
    """One contestant. queues: it says 250 first and delivers later."""

    name = title = None
    queues = False

    def __init__(self, folder, people, sink, tls=None):
        """tls: what partner and provider both speak, from the first byte; None: neither does."""
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.people = people
        self.sink = sink
        self.tls = tls
        self.port = sink.port
        self.process = None

    @staticmethod
    def version():
        return ""

    def spawn(self, *command, port=True, **options):
        with open(self.folder / "log", "wb") as log:
            self.process = harness.spawn(command, stdout=log, stderr=log,
                                         stdin=subprocess.DEVNULL, **options)
        harness.wait_for(f"{self.name} to listen", self._ready, timeout=120, pause=0.05)

    def _ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.name} ended with {self.process.returncode}\n{self.log()}")
        return listens(self.port)

    def log(self):
        return (self.folder / "log").read_text(errors="replace")[-6000:]

    def cpu(self):
        return cpu_seconds(self.process.pid) if self.process is not None else 0.0

    def stop(self):
        if self.process is not None:
            harness.end(self.process)


class Direct(Way):
    name = "direct"
    title = "nothing: straight to the sink"


HAPROXY = """global
    maxconn {most}
defaults
    mode tcp
    timeout connect 5s
    timeout client 5m
    timeout server 5m
listen bench
    bind 127.0.0.1:{port}{bind}
    server sink 127.0.0.1:{sink}{server}
"""


def haproxy_config(port, sink_port, most=1000, tls=None):
    bind = f" ssl crt {tls.both}" if tls else ""
    server = f" ssl verify required ca-file {tls.authority}" if tls else ""
    return HAPROXY.format(port=port, sink=sink_port, most=most, bind=bind, server=server)


class Haproxy(Way):
    name = "haproxy"
    title = "HAProxy, `mode tcp`: understands nothing"

    @staticmethod
    def version():
        found = re.search(r"HAProxy version ([\d.]+)", output_of("haproxy", "-v"))
        return f"HAProxy {found.group(1)}" if found else ""

    most = 1000  # sessions

    def __init__(self, folder, people, sink, tls=None):
        super().__init__(folder, people, sink, tls)
        self.port = harness.free_port()
        file = self.folder / "haproxy.cfg"
        file.write_text(haproxy_config(self.port, sink.port, self.most, tls))
        self.spawn("haproxy", "-db", "-f", file)


class Octroi(Way):
    name = "octroi"
    title = "**octroi**: consent, journal on disk"
    settings = {}
    listener = {}  # what is not as shipped there
    before = ()  # a command to run it under

    @staticmethod
    def version():
        return ""  # bench.py names it: it knows the binary

    def __init__(self, folder, people, sink, tls=None):
        super().__init__(folder, people, sink, tls)
        self.port = harness.free_port()
        people.forget_journal()
        self.config = self.write_config()
        self.spawn(*self.before, self.program(people), "-c", self.config, "serve")

    def write_config(self):
        return self.people.write_config(self.port, self.sink.port, self.tls, self.listener,
                                        **self.settings)

    def program(self, people):
        return people.octroi

    def rows(self):
        """Decisions on record that led to an accepted message."""
        out = subprocess.run([self.people.octroi, "-c", self.config, "log", "--format", "csv"],
                             check=True, capture_output=True, text=True).stdout
        return out.count(",accepted,")


class OctroiOneLoop(Octroi):
    name = "octroi-one-loop"
    title = "octroi with one loop"
    settings = {"threads": 1}


class OctroiNoJournal(Octroi):
    name = "octroi-no-journal"
    title = "octroi built without its journal (for the bench only)"

    def program(self, people):
        return people.without_journal


class Postfix(Way):
    name = "postfix"
    title = "Postfix, `check_recipient_access lmdb:`, delivered"
    queues = True

    @staticmethod
    def version():
        return "Postfix " + output_of("/usr/sbin/postconf", "-h", "mail_version").strip()

    def __init__(self, folder, people, sink):
        super().__init__(folder, people, sink)
        self.server = harness.Postfix(
            self.folder / "postfix", sink.port,
            smtpd_recipient_restrictions=f"check_recipient_access lmdb:{people.map}, reject")
        self.process = self.server.process
        self.port = self.server.port

    def log(self):
        return self.server.log()[-6000:]

    def stop(self):
        self.server.stop()


class Haraka(Way):
    name = "haraka"
    title = "Haraka, 2 workers, a set in memory, smtp_forward"

    PROGRAM = HERE / "haraka" / "node_modules" / "Haraka"

    @classmethod
    def version(cls):
        found = re.search(r'"version": "([^"]+)"', (cls.PROGRAM / "package.json").read_text())
        node = output_of("node", "--version").strip().lstrip("v")
        return f"Haraka {found.group(1)} on Node.js {node}"

    def __init__(self, folder, people, sink):
        super().__init__(folder, people, sink)
        self.port = harness.free_port()
        for name in ("config", "plugins", "queue"):
            (self.folder / name).mkdir()
        shutil.copy(HERE / "haraka" / "consent.js", self.folder / "plugins" / "consent.js")
        # It does not start to talk without its own defaults for this one.
        shutil.copy(self.PROGRAM / "config" / "connection.ini", self.folder / "config")
        for name, text in {
                "me": "mta.acme.example", "plugins": "consent\nqueue/smtp_forward",
                "people": str(people.list),
                "smtp.ini": f"listen=127.0.0.1:{self.port}\nnodes=2",
                "smtp_forward.ini": f"host=127.0.0.1\nport={sink.port}\nenable_outbound=true",
                "log.ini": "[main]\nlevel=info"}.items():
            (self.folder / "config" / name).write_text(text + "\n")
        self.spawn("node", self.PROGRAM / "bin" / "haraka", "-c", self.folder)


ALL = (Direct, Haproxy, Octroi, OctroiOneLoop, OctroiNoJournal, Postfix, Haraka)
