# SPDX-License-Identifier: Apache-2.0
"""What an SMS of the benchmark can go through, in three groups:

smpp    smpp_load → … → smpp_sink
bridge  http_load → … → smpp_sink
http    http_load → … → http_sink

Each way is a process (with those it starts) that listens on self.port and hands over to the sink; all
run in the foreground as ours, from a configuration of their own, and end by their own pid.
"""

import base64
import json
import os
import pathlib
import re
import struct
import subprocess

import harness
import sms_people
import ways

TO = "33600000000"  # what http_load puts the recipient in the place of
SMPP, BRIDGE, HTTP = "smpp", "bridge", "http"


class Sink:
    """smpp_sink or http_sink; both say at any time how many messages came, and the sum of their
    recipients' numbers."""

    def __init__(self, tools, folder, protocol, *options):
        self.port = harness.free_port()
        self.counts = pathlib.Path(folder) / f"{protocol}-sink-{self.port}.counts"
        self.errors = self.counts.with_suffix(".log")
        with open(self.errors, "wb") as log:
            self.process = harness.spawn(
                [pathlib.Path(tools) / f"{protocol}_sink", *options, str(self.port), self.counts],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        harness.wait_for(f"{protocol}_sink to listen", lambda: ways.listens(self.port))

    def both(self):
        """Messages, and the sum of the numbers modulo 2^64."""
        return struct.unpack("=QQ", self.counts.read_bytes())

    def count(self):
        return self.both()[0]

    def check(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the sink ended: {self.errors.read_text(errors='replace')}")

    def stop(self):
        harness.end(self.process)
        self.counts.unlink(missing_ok=True)


def request(method, path, body=None, **headers):
    """An HTTP request as http_load wants it."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body.encode())}"]
    return "\r\n".join([*lines, "", body or ""]).encode()


def json_request():
    """The gate's own shape; the sink takes it as well."""
    secret = base64.b64encode(f"{sms_people.LOGIN}:{sms_people.PASSWORD}".encode()).decode()
    body = json.dumps({"to": f"+{TO}", "from": sms_people.SENDER, "text": sms_people.TEXT})
    return request("POST", "/v1/messages", body, Authorization=f"Basic {secret}")


def kannel_request():
    """The shape that Kannel and the gate share."""
    text = sms_people.TEXT.replace("%", "%25").replace(" ", "+")
    return request("GET", f"/cgi-bin/sendsms?username={sms_people.LOGIN}"
                   f"&password={sms_people.PASSWORD}&from={sms_people.SENDER}"
                   f"&to=%2B{TO}&text={text}")


class Way(ways.Way):
    settles = 0  # seconds it may go on working after the last answer, between two bouts of it

    def __init__(self, group, folder, people, sink):
        self.group = group
        self.sent = 0  # messages through it so far
        super().__init__(folder, people, sink)

    def request(self):
        return kannel_request() if self.group == BRIDGE else json_request()


class Direct(Way):
    name = "direct"
    title = "nothing: straight to the sink"


class Haproxy(Way):
    name = "haproxy"
    title = "HAProxy, `mode tcp`: understands nothing"
    version = ways.Haproxy.version

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.port = harness.free_port()
        file = self.folder / "haproxy.cfg"
        file.write_text(ways.haproxy_config(self.port, self.sink.port))
        self.spawn("haproxy", "-db", "-f", file)


class Nginx(Way):
    name = "nginx"
    title = "nginx, `proxy_pass`: understands HTTP"

    @staticmethod
    def version():
        found = re.search(r"nginx/([\d.]+)", ways.output_of("/usr/sbin/nginx", "-v"))
        return f"nginx {found.group(1)}" if found else ""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.port = harness.free_port()
        temporary = "\n".join(f"    {kind}_temp_path {self.folder}/{kind};" for kind in (
            "client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        file = self.folder / "nginx.conf"
        file.write_text(f"""daemon off;
worker_processes auto;
pid {self.folder}/pid;
error_log stderr warn;
{"user root;" if os.geteuid() == 0 else ""}
events {{ worker_connections 2048; }}
http {{
    access_log off;
{temporary}
    keepalive_requests 1000000000;
    upstream sink {{
        server 127.0.0.1:{self.sink.port};
        keepalive 128;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{self.port};
        location / {{
            proxy_pass http://sink;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
""")
        self.spawn("/usr/sbin/nginx", "-e", "stderr", "-c", file)


class KannelMemory(Way):
    name = "kannel-memory"
    title = "Kannel, messages in memory"
    queues = True
    settles = 0.3
    store = ""

    @staticmethod
    def version():
        found = re.search(r"version `([\d.]+)", ways.output_of("/usr/sbin/bearerbox", "--version"))
        return f"Kannel {found.group(1)}" if found else ""

    def __init__(self, *arguments):
        self.smsbox = None
        super().__init__(*arguments)
        admin, boxes, self.port = (harness.free_port() for _ in range(3))
        store = self.store.format(folder=self.folder / "spool")
        (self.folder / "spool").mkdir()
        file = self.folder / "kannel.conf"
        file.touch(0o600)
        file.write_text(f"""group = core
admin-port = {admin}
admin-interface = 127.0.0.1
admin-password = secret
smsbox-port = {boxes}
smsbox-interface = 127.0.0.1
dlr-storage = internal
{store}

group = smsc
smsc = smpp
smsc-id = sink
host = 127.0.0.1
port = {self.sink.port}
smsc-username = gate
smsc-password = secret
system-type = ""
transceiver-mode = true
max-pending-submits = 1000

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {self.port}
sendsms-interface = 127.0.0.1

group = sendsms-user
username = {sms_people.LOGIN}
password = {sms_people.PASSWORD}
""")
        listening = self.port
        self.port = boxes
        self.spawn("/usr/sbin/bearerbox", "-v", "2", file)
        self.port = listening
        with open(self.folder / "smsbox.log", "wb") as log:
            self.smsbox = harness.spawn(["/usr/sbin/smsbox", "-v", "2", file], stdout=log,
                                        stderr=log, stdin=subprocess.DEVNULL)
        harness.wait_for("smsbox to listen", lambda: ways.listens(self.port), pause=0.05)

    def log(self):
        return super().log() + (self.folder / "smsbox.log").read_text(errors="replace")[-3000:]

    def cpu(self):
        return super().cpu() + ways.cpu_seconds(self.smsbox.pid)

    def stop(self):
        if self.smsbox is not None:
            harness.end(self.smsbox)
        super().stop()


class KannelSpool(KannelMemory):
    name = "kannel-spool"
    title = "Kannel, messages in its spool: survives a crash"
    store = "store-type = spool\nstore-location = {folder}"


class Octroi(Way):
    name = "octroi"
    title = "**octroi**: consent, journal on disk"
    settles = 1.2  # longer than its indexer sleeps

    def __init__(self, *arguments):
        super().__init__(*arguments)
        smpp, http = harness.free_port(), harness.free_port()
        self.port = smpp if self.group == SMPP else http
        self.people.forget_journal()
        self.provider = "http" if self.group == HTTP else "smpp"
        self.config = self.people.write_config(smpp, http, self.provider, self.sink.port)
        self.spawn(self.people.octroi, "-c", self.config, "serve")
        if self.provider == "smpp":
            harness.wait_for("the provider's binds", self._bound)

    def _bound(self):
        """What comes before is refused: nothing waits behind the gate."""
        done = subprocess.run([self.people.octroi, "-c", self.config, "status", "--format", "json"],
                              capture_output=True, text=True)
        if done.returncode != 0:
            return False
        provider = json.loads(done.stdout)["providers"][0]
        return provider["connections"] == provider["limit"]

    def rows(self):
        """Decisions on record that led to an accepted message."""
        out = subprocess.run([self.people.octroi, "-c", self.config, "log", "--format", "csv"],
                             check=True, capture_output=True, text=True).stdout
        return out.count(",accepted,")


GROUPS = {
    SMPP: (Direct, Haproxy, Octroi),
    BRIDGE: (KannelMemory, KannelSpool, Octroi),
    HTTP: (Direct, Nginx, Octroi),
}
# Sessions and window, or connections.
CASES = {
    SMPP: ((1, 1), (1, 10), (1, 100), (10, 1), (10, 10), (10, 100)),
    BRIDGE: ((1,), (10,), (50,)),
    HTTP: ((1,), (10,), (50,)),
}
