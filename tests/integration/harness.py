# SPDX-License-Identifier: Apache-2.0
"""What the integration tests stand on: gateways, providers, clients, certificates.

It owns every process and folder a test makes. Processes end with the test, also when the test's
own process is killed (the kernel sends them SIGKILL: setpriv --pdeathsig), and only by their own
pid. It refuses to guess: a gateway that does not end with exit code 0, a sanitizer's report, a
journal that does not hold, or a clear address in a log or a file at rest fails the test, whatever
else the test looked at.

Processes must be started by the main thread: the kernel ties them to the thread that made them.
"""

import base64
import contextlib
import csv
import hashlib
import io
import json
import os
import pathlib
import re
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

# Sanitizers make everything several times slower, and other tests run beside.
PATIENCE = 30.0
# For who ends: longer than drain_timeout, so that the log tells what it waited for before we give up.
LEAVING = 2.5 * PATIENCE
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|WARNING: \w+Sanitizer|runtime error:|LeakSanitizer")
SANITIZER_EXIT = 86

created = []  # what the failing test's report shows: objects with a describe()


def octroi_path():
    return os.environ["OCTROI_BIN"]


def plain_path():
    """The uninstrumented build, or None: memory is measured on it alone."""
    return os.environ.get("OCTROI_PLAIN") or None


def wait_for(what, condition, timeout=PATIENCE, pause=0.02):
    """Calls condition until it gives something true, and returns that."""
    until = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError(f"waited {timeout:g} s for {what}")
        time.sleep(pause)


# ---- ports ----

_port_locks = []


def free_port(host="127.0.0.1"):
    """A port nobody listens on and no other test of this machine was given.

    The gateway's listeners share ports (SO_REUSEPORT), so two tests on one port would not notice
    and take each other's connections: a socket in the abstract namespace reserves the number until
    this process ends.
    """
    while True:
        port = 10000 + secrets.randbelow(22000)  # below the range of outgoing connections
        lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            lock.bind(f"\0octroi-test-port-{port}")
            with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
                probe.bind((host, port))
        except OSError:
            lock.close()
            continue
        _port_locks.append(lock)
        return port


# ---- processes ----

def spawn(arguments, **options):
    """Popen whose process dies with this one, in a group of its own."""
    process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", *map(str, arguments)],
                               start_new_session=True, **options)

    ours = pathlib.Path("/proc/self/cmdline").read_bytes()

    def bound():
        # Neither we, before the exec, nor setpriv: from here on the kernel knows what to do when we
        # die. The command line changes in the exec, the short name only after it.
        with contextlib.suppress(OSError):
            line = pathlib.Path(f"/proc/{process.pid}/cmdline").read_bytes()
            return line not in (b"", ours) and not line.startswith(b"setpriv\0")
        return True
    wait_for(f"{arguments[0]} to begin", lambda: process.poll() is not None or bound(), pause=0.001)
    return process


def end(process, timeout=PATIENCE, first=signal.SIGTERM):
    """Ends a process we started: politely, then not; returns its exit code."""
    if process.poll() is None:
        process.send_signal(first)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(PATIENCE)
    return process.returncode


def sanitizer_environment():
    return {
        **os.environ,
        "ASAN_OPTIONS": f"detect_leaks=1:exitcode={SANITIZER_EXIT}:detect_stack_use_after_return=1",
        "LSAN_OPTIONS": f"exitcode={SANITIZER_EXIT}",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    }


# ---- certificates ----

class Pki:
    """Certificates made by the openssl command, in a folder of their own."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True,
                       cwd=self.folder)

    def path(self, name, kind):
        return self.folder / f"{name}.{kind}"

    def authority(self, name="ca"):
        """Returns the path of the authority's certificate."""
        if not self.path(name, "pem").exists():
            self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                          "-nodes", "-days", "2", "-subj", f"/CN=test authority {name}",
                          "-keyout", self.path(name, "key"), "-out", self.path(name, "pem"))
        return self.path(name, "pem")

    def issue(self, name, alternative=None, authority="ca"):
        """Returns (certificate, key) for name; alternative as in "DNS:gate.test,IP:127.0.0.1"."""
        self.authority(authority)
        alternative = alternative or f"DNS:{name}"
        extensions = self.path(name, "ext")
        extensions.write_text(f"subjectAltName={alternative}\n"
                              "extendedKeyUsage=serverAuth,clientAuth\n")
        self._openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                      "-nodes", "-subj", f"/CN={name}", "-keyout", self.path(name, "key"),
                      "-out", self.path(name, "csr"))
        self._openssl("x509", "-req", "-days", "2", "-in", self.path(name, "csr"),
                      "-CA", self.path(authority, "pem"), "-CAkey", self.path(authority, "key"),
                      "-CAcreateserial", "-extfile", extensions, "-out", self.path(name, "pem"))
        self.path(name, "key").chmod(0o600)
        return self.path(name, "pem"), self.path(name, "key")

    @staticmethod
    def fingerprint(certificate):
        """SHA-256 over the DER form, as certificate_sha256 wants it."""
        text = pathlib.Path(certificate).read_text()
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(text)).hexdigest()


# ---- the gateway's configuration ----

def render(value, depth=0):
    """A Python value as libconfig text: dict → group, list → array."""
    pad = "    " * depth
    if isinstance(value, dict):
        inside = "".join(f"{pad}    {key} = {render(item, depth + 1)};\n"
                         for key, item in value.items() if item is not None)
        return "{\n" + inside + pad + "}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (list, tuple)):
        return "[ " + ", ".join(render(item) for item in value) + " ]"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def smtp_provider(port, **more):
    return {"adapter": "smtp", "host": "127.0.0.1", "port": port, "tls": "none",
            "connect_timeout": "5 s", "reply_timeout": "20 s", "final_timeout": "20 s", **more}


def email_stream(providers=("smarthost",), accounts=None, **more):
    accounts = accounts or {"acme-lan": {"networks": ["127.0.0.0/8"]}}
    return {"channel": "email", "class": "prospecting", "providers": list(providers),
            "senders": ["acme.example", ".mail.acme.example"], **more, "accounts": accounts}


def partner(streams, mode="enforce", **more):
    return {"name": "ACME Voyages SAS", "categories": ["travel"], "mode": mode, **more,
            "streams": streams}


FORM = {
    "id": "jeu-ete", "version": 1,
    "collector": {"name": "Leads SARL", "siren": "987654321"},
    "channels": ["email"], "language": "fr", "display": "link", "url": "https://form.example",
    "wording": "J'accepte de recevoir les offres des partenaires nommes.",
    "effective_from": "2024-01-01T00:00:00Z", "partners": ["acme"], "partner_categories": [],
    "purposes": ["receipt", "transmission"], "artefacts": [],
}

CSV_HEADER = "recipient,channel,event,occurred_at,form,partners,basis,supplier,evidence".split(",")


def instant(seconds_ago=0.0):
    """RFC 3339, UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - seconds_ago))


class Gateway:
    """One gateway in a folder of its own: `octroi init`, our octroi.conf, `octroi serve`.

    config holds the groups of octroi.conf as dicts; change it and call write_config(), then
    reload(). accounts made by password() may be used in it.
    """

    def __init__(self, folder, binary=None, **config):
        self.binary = binary or octroi_path()
        self.folder = pathlib.Path(folder)
        self.file = self.folder / "octroi.conf"
        self.state = self.folder / "state"
        self.log_file = self.folder.with_name(self.folder.name + ".log")
        self.process = None
        self.addresses = set()  # clear text that may not be found anywhere
        self.errors = ""  # standard error of the commands
        self.sent_kill = False
        self.has_form = False  # as far as consent() knows
        created.append(self)
        self.cli("init", self.folder, configured=False)
        self.port = free_port()
        self.config = {
            "hostname": "gate.test", "state_dir": "state", "threads": 2,
            "journal": {"checkpoint_every": "200 ms"},
            "listeners": {"submission": {"bind": f"127.0.0.1:{self.port}", "tls": "none"}},
            "providers": {}, "partners": {"acme": partner({"news": email_stream()})},
            "policies": {"email": {}},
        }
        self.config.update(config)
        self.write_config()

    # -- configuration

    def write_config(self, text=None):
        if text is None:
            text = "".join(f"{key} = {render(value)};\n" for key, value in self.config.items())
        fresh = self.file.with_suffix(".new")
        fresh.touch(0o600)
        fresh.chmod(0o600)  # it may hold a provider's password
        fresh.write_text(text)
        fresh.rename(self.file)

    def password(self, clear):
        """The hash of a password, for an account."""
        return self.cli("password", input=clear + "\n").strip()

    # -- commands

    def cli_full(self, *arguments, input=None, configured=True, timeout=4 * PATIENCE):
        command = [self.binary, *(["-c", str(self.file)] if configured else []),
                   *map(str, arguments)]
        done = subprocess.run(command, input=input, capture_output=True, text=True,
                              timeout=timeout, env=sanitizer_environment())
        self.errors += f"$ octroi {' '.join(map(str, arguments))}\n{done.stderr}"
        if done.returncode == SANITIZER_EXIT or SANITIZER.search(done.stderr):
            raise AssertionError(f"sanitizer report from octroi {arguments[0]}:\n{done.stderr}")
        return done

    def cli(self, *arguments, expect=0, **options):
        """Runs a command, returns its standard output."""
        done = self.cli_full(*arguments, **options)
        if done.returncode != expect:
            raise AssertionError(f"octroi {' '.join(map(str, arguments))} gave {done.returncode}, "
                                 f"not {expect}\n{done.stdout}{done.stderr}")
        return done.stdout

    def add_form(self, **changes):
        self.cli("form", "add", "-", input=json.dumps({**FORM, **changes}))

    def import_events(self, rows):
        """rows: dicts with some of CSV_HEADER's keys; the rest is filled in."""
        usual = {"channel": "email", "event": "given", "occurred_at": instant(86400),
                 "form": "jeu-ete@1", "evidence": "click 4711"}
        text = io.StringIO()
        writer = csv.DictWriter(text, CSV_HEADER)
        writer.writeheader()
        for row in rows:
            self.addresses.add(row["recipient"])
            writer.writerow({**usual, **row})
        self.cli("consent", "import", "-", input=text.getvalue())

    def consent(self, *addresses):
        """Valid, proven consents for partner acme."""
        if not self.has_form:
            if self.cli("form", "list", "--format", "json") == "":
                self.add_form()
            self.has_form = True
        self.import_events([{"recipient": address} for address in addresses])

    def log_rows(self, *arguments):
        """The journal's decisions, oldest first."""
        text = self.cli("log", "--format", "json", *arguments)
        return [json.loads(line) for line in text.splitlines()][::-1]

    def wait_rows(self, count, complete=True):
        """log_rows once there are count of them, each passed one with its outcome."""
        def enough():
            rows = self.log_rows()
            done = not complete or all(row["outcome"] or row["effect"] != "passed" for row in rows)
            return rows if len(rows) >= count and done else None
        return wait_for(f"{count} complete rows in the journal", enough, pause=0.1)

    def verify(self):
        return self.cli("verify")

    def status(self):
        return json.loads(self.cli("status", "--format", "json"))

    def ask_status(self):
        """What status shows, from the control socket itself: needs no readable octroi.conf, and no
        process, for whoever asks again and again."""
        folder = os.open(self.state, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with socket.socket(socket.AF_UNIX) as control:
                control.settimeout(PATIENCE)
                control.connect(f"/proc/self/fd/{folder}/control.sock")
                control.sendall(b'{"command":"status"}\n')
                return json.loads(control.makefile().read())
        finally:
            os.close(folder)

    # -- the daemon

    def start(self, wrapper=(), environment=None):
        """Starts `serve`; wrapper: a command to run it under, such as ["prlimit", "--fsize=…"]."""
        offset = len(self.log())
        with open(self.log_file, "ab") as log:
            self.process = spawn([*wrapper, self.binary, "-c", self.file, "serve"], stdout=log,
                                 stderr=log, stdin=subprocess.DEVNULL,
                                 env={**sanitizer_environment(), **(environment or {})})
        self.sent_kill = False

        def serving():
            if self.process.poll() is not None:
                raise AssertionError(f"octroi serve ended with {self.process.returncode}:\n"
                                     f"{self.log()[-4000:]}")
            return "event=serving" in self.log()[offset:]
        wait_for("the gateway to serve", serving)
        return self

    def warm(self):
        """Waits until every SMTP provider has shown what it can do: listeners offer it then."""
        def known():
            return all("8BITMIME" in provider.get("capabilities", ())
                       for provider in self.ask_status()["providers"])
        wait_for("the providers' capabilities", known)
        return self

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        try:
            return self.log_file.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def wait_log(self, text, timeout=PATIENCE):
        wait_for(f"{text!r} in the log", lambda: text in self.log(), timeout)

    def reload(self, good=True):
        """SIGHUP; waits for what the gateway says to it."""
        sign = "event=reloaded" if good else 'event="not reloaded'
        before = self.log().count(sign)
        self.process.send_signal(signal.SIGHUP)
        wait_for(sign, lambda: self.log().count(sign) > before)

    def stop(self):
        """SIGTERM; the exit code must be 0."""
        if self.process is None:
            return
        code = end(self.process, LEAVING)
        self.process = None
        if code != 0 and not self.sent_kill:
            # What it wrote at its end, a sanitizer's report say, is in no earlier description.
            raise AssertionError(f"octroi serve ended with {code}:\n{self.log()[-8000:]}")

    def kill9(self):
        self.sent_kill = True
        self.process.kill()
        self.process.wait(PATIENCE)
        self.process = None

    # -- what must hold in the end

    def check_log(self):
        found = SANITIZER.search(self.log())
        if found:
            raise AssertionError(f"sanitizer report in the gateway's log: {found.group(0)}")
        if "transition not allowed" in self.log():
            raise AssertionError("the gateway's session lost its way (see its log)")

    def check_no_addresses(self, ignore=()):
        """No address, and no local part of one, in the log or in any file of the gateway.

        ignore: folders where messages themselves are meant to be, such as a capture's Maildir.
        """
        ignored = [pathlib.Path(path) for path in ignore]
        needles = {address.lower().encode() for address in self.addresses}
        needles |= {address.split(b"@")[0] for address in set(needles)
                    if len(address.split(b"@")[0]) >= 10}
        files = [path for path in self.folder.rglob("*") if path.is_file()
                 and not any(folder in path.parents for folder in ignored)]
        for path in [*files, self.log_file]:
            if not path.exists():
                continue
            content = path.read_bytes().lower()
            for needle in needles:
                if needle in content:
                    raise AssertionError(f"the clear address {needle.decode()} is in {path}")
        shown = self.cli("log", "--format", "json").lower()
        for needle in needles:
            if needle.decode() in shown:
                raise AssertionError(f"octroi log shows the clear address {needle.decode()}")

    def finish(self, ignore=()):
        """The end of every test: stop, and all that must hold whatever was tested."""
        self.stop()
        self.check_log()
        self.verify()
        self.check_no_addresses(ignore)

    def describe(self):
        config = self.file.read_text() if self.file.exists() else "(no configuration)"
        return (f"---- {self.file}\n{config}\n---- commands\n{self.errors[-4000:]}\n"
                f"---- log\n{self.log()[-20000:]}")


# ---- providers ----

class Drop(Exception):
    """In a script: the connection is closed instead of an answer."""


class Delay:
    """In a script: the answer comes after so many seconds."""

    def __init__(self, seconds, answer=None):
        self.seconds = seconds
        self.answer = answer


class Message:
    """What a provider took: body holds the content as sent, dot-stuffing undone."""

    def __init__(self, sender, mail_parameters, recipients, body):
        self.sender = sender
        self.mail_parameters = mail_parameters
        self.recipients = recipients
        self.body = body

    def without_received(self):
        """(the topmost Received field, the rest), byte for byte."""
        match = re.match(rb"Received:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*", self.body)
        if not match:
            raise AssertionError(f"no Received field on top: {self.body[:200]!r}")
        return match.group(0), self.body[match.end():]


class ScriptedProvider:
    """An SMTP server that answers as it is told.

    script maps a step to what is done there; steps are "connect", "EHLO", "STARTTLS", "AUTH",
    "MAIL", "RCPT", "DATA", "RSET", "NOOP", "QUIT" and "." (the final dot). What is done: None (the
    usual answer), a text ("550 5.1.1 no"; lines separated by LF), bytes (sent as they are, nothing
    added), Drop (the connection is closed), Delay(seconds, one of these), a list (one of these per
    occurrence, the last for the rest), or a function of (conversation, argument) that gives one of
    these. script may be changed while it runs. "content" is a function of the conversation alone,
    called at the first byte after 354.

    messages: what was accepted; conversations: one a connection, each with its commands.
    """

    def __init__(self, script=None, capabilities=("PIPELINING", "8BITMIME", "SIZE 52428800"),
                 starttls=None, implicit=None, login=None, host="127.0.0.1", port=None):
        self.script = script if script is not None else {}
        self.capabilities = list(capabilities)
        self.starttls = starttls  # (certificate, key)
        self.implicit = implicit
        self.login = login  # (name, password), asked for before MAIL
        self.tls_versions = (None, None)  # the least and the greatest of ssl.TLSVersion
        self.messages = []
        self.conversations = []
        self.lock = threading.Lock()
        self.seen = {}
        self.host = host
        self.port = port or free_port(host)
        self.listener = None
        self.open = set()
        self.start()

    def start(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((self.host, self.port))
        self.listener.listen(200)
        self.thread = threading.Thread(target=self._accept, args=(self.listener,), daemon=True)
        self.thread.start()

    def _accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError:
                return
            conversation = Conversation(self, connection)
            with self.lock:
                self.conversations.append(conversation)
                self.open.add(conversation)
            threading.Thread(target=conversation.run, daemon=True).start()

    def stop(self):
        """No more connections, and the open ones are cut. start() opens the same port again."""
        if self.listener is not None:
            with contextlib.suppress(OSError):
                self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.thread.join(PATIENCE)
            self.listener = None
        with self.lock:
            conversations = list(self.open)
        for conversation in conversations:
            conversation.cut()

    def wait_messages(self, count, timeout=PATIENCE):
        wait_for(f"{count} messages at the provider", lambda: len(self.messages) >= count, timeout)
        return self.messages

    def commands(self):
        """All command lines of all conversations, in order within each."""
        return [command for conversation in self.conversations
                for command in conversation.commands]

    def provider(self, **more):
        """The group of octroi.conf for it."""
        return smtp_provider(self.port, **more)

    def _action(self, step, conversation, argument):
        action = self.script.get(step)
        if callable(action) and not (isinstance(action, type) and issubclass(action, Drop)):
            action = action(conversation, argument)
        if isinstance(action, list):
            with self.lock:
                turn = self.seen[step] = self.seen.get(step, 0) + 1
            action = action[min(turn, len(action)) - 1]
        return action


class Conversation:
    """One connection to a ScriptedProvider."""

    def __init__(self, provider, connection):
        self.provider = provider
        self.connection = connection
        self.commands = []
        self.tls = False
        self.sender = None
        self.mail_parameters = ""
        self.recipients = []
        self.authenticated = None
        self.data = None  # content read so far, also when the connection is lost within it
        self.file = None

    def cut(self):
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def run(self):
        try:
            if self.provider.implicit:
                self._secure(self.provider.implicit)
            self.file = self.connection.makefile("rb")
            self._say("connect", "", "220 provider.test ESMTP")
            while self._command():
                pass
        except (Drop, OSError, ValueError):
            pass
        finally:
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            self.connection.close()
            with self.provider.lock:
                self.provider.open.discard(self)

    def _secure(self, pair):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*map(str, pair))
        least, greatest = self.provider.tls_versions
        context.minimum_version = least or context.minimum_version
        context.maximum_version = greatest or context.maximum_version
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.tls = self.connection.version()

    def _send(self, text):
        data = text if isinstance(text, bytes) else self._wire(text)
        self.connection.sendall(data)

    @staticmethod
    def _wire(text):
        """"250 a\\nb" → "250-a", "250 b"; lines that bring their code are left as they are."""
        lines = text.split("\n")
        code = lines[0][:3]
        bare = [line[4:] if line[:3] == code else line for line in lines]
        return "".join(f"{code}{' ' if i == len(bare) - 1 else '-'}{line}\r\n"
                       for i, line in enumerate(bare)).encode()

    def _say(self, step, argument, usual, before=None):
        """Does what the script says; returns the code that was sent, 0 for raw bytes. before is
        called with the code before it is sent."""
        action = self.provider._action(step, self, argument)
        while isinstance(action, Delay):
            time.sleep(action.seconds)
            action = action.answer
        if action is Drop or isinstance(action, Drop):
            raise Drop
        answer = usual if action is None else action
        code = 0 if isinstance(answer, bytes) else int(answer[:3])
        if before is not None:
            before(code)
        self._send(answer)
        return code

    def _reset(self):
        self.sender = None
        self.recipients = []

    def _command(self):
        line = self.file.readline(20000)
        if not line.endswith(b"\n"):
            return False
        text = line.rstrip(b"\r\n").decode("latin-1")
        verb, _, argument = text.partition(" ")
        verb = verb.upper()
        self.commands.append(text)
        handler = getattr(self, f"_do_{verb.lower()}", None)
        if handler is None:
            self._say(verb, argument, "500 5.5.2 unknown")
            return True
        return handler(argument) is not False

    def _do_ehlo(self, argument):
        offers = list(self.provider.capabilities)
        if self.provider.starttls and not self.tls:
            offers.append("STARTTLS")
        if self.provider.login:
            offers.append("AUTH PLAIN LOGIN")
        self._reset()
        self._say("EHLO", argument, "\n".join(["250 provider.test", *offers]))

    def _do_helo(self, argument):
        self._reset()
        self._say("HELO", argument, "250 provider.test")

    def _do_starttls(self, argument):
        if not self.provider.starttls:
            self._send("502 5.5.1 no TLS")
            return
        if self._say("STARTTLS", argument, "220 2.0.0 go ahead") == 220:
            self._secure(self.provider.starttls)
            self.file = self.connection.makefile("rb")

    def _do_auth(self, argument):
        mechanism, _, initial = argument.partition(" ")
        if mechanism.upper() == "PLAIN":
            if not initial:
                self._send("334 ")
                initial = self.file.readline(20000).decode().strip()
            name, password = base64.b64decode(initial).decode().split("\0")[1:]
        else:
            self._send("334 VXNlcm5hbWU6")
            name = base64.b64decode(self.file.readline(20000)).decode()
            self._send("334 UGFzc3dvcmQ6")
            password = base64.b64decode(self.file.readline(20000)).decode()
        good = (name, password) == self.provider.login
        code = self._say("AUTH", argument, "235 2.7.0 ok" if good else "535 5.7.8 wrong")
        if code == 235:
            self.authenticated = name

    def _do_mail(self, argument):
        if self.provider.login and not self.authenticated:
            self._send("530 5.7.0 log in first")
            return
        match = re.match(r"FROM:<([^>]*)>\s*(.*)", argument, re.I)
        if not match or self.sender is not None:
            self._send("503 5.5.1 not now")
            return
        if self._say("MAIL", argument, "250 2.1.0 sender ok") == 250:
            self.sender, self.mail_parameters = match.groups()

    def _do_rcpt(self, argument):
        match = re.match(r"TO:<([^>]*)>", argument, re.I)
        if not match or self.sender is None:
            self._send("503 5.5.1 not now")
            return
        if 200 <= self._say("RCPT", match.group(1), "250 2.1.5 recipient ok") < 300:
            self.recipients.append(match.group(1))

    def _do_data(self, argument):
        if not self.recipients:
            self._send("554 5.5.1 no recipient")
            return
        if self._say("DATA", argument, "354 go ahead") != 354:
            return
        self.data = b""
        lines = []
        while True:
            line = self.file.readline(1 << 20)
            if line and not lines and "content" in self.provider.script:
                self.provider.script["content"](self)
            if not line.endswith(b"\n"):
                self.data = b"".join(lines)
                raise Drop
            if line == b".\r\n":
                break
            lines.append(line[1:] if line.startswith(b".") else line)
        self.data = b"".join(lines)
        message = Message(self.sender, self.mail_parameters, list(self.recipients), self.data)

        def take(code):
            # Before the answer: whoever has seen it finds the message here.
            if code == 250:
                with self.provider.lock:
                    self.provider.messages.append(message)
        self._say(".", message, f"250 2.0.0 queued as {secrets.token_hex(5).upper()}", take)
        self._reset()

    def _do_rset(self, argument):
        self._reset()
        self._say("RSET", argument, "250 2.0.0 ok")

    def _do_noop(self, argument):
        self._say("NOOP", argument, "250 2.0.0 ok")

    def _do_quit(self, argument):
        self._say("QUIT", argument, "221 2.0.0 bye")
        return False


class Sink:
    """Postfix's smtp-sink; options are its own, such as "-F" or "-h", "name"."""

    def __init__(self, folder, *options):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.folder.chmod(0o777)  # it gives its privileges up
        self.port = free_port()
        self.log = open(self.folder.with_name(self.folder.name + ".log"), "wb")
        user = ["-u", "nobody"] if os.geteuid() == 0 else []  # it does not run as root
        self.process = spawn(["/usr/sbin/smtp-sink", *user, "-d", f"{self.folder}/%s.", *options,
                              f"127.0.0.1:{self.port}", "200"],
                             stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        wait_for("smtp-sink to listen", self._listens)

    def _listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def provider(self, **more):
        return smtp_provider(self.port, **more)

    def dumps(self):
        """The messages it took, as texts: X-Mail-Args, X-Rcpt-Args, then the content, LF lines.

        A message is whole here once its sender has the answer to it."""
        files = [path for path in self.folder.iterdir() if path.stat().st_size > 0]
        return [path.read_text(errors="replace")
                for path in sorted(files, key=lambda path: path.stat().st_mtime_ns)]

    def wait_dumps(self, count, timeout=PATIENCE):
        wait_for(f"{count} messages at smtp-sink", lambda: len(self.dumps()) >= count, timeout)
        return self.dumps()

    def stop(self):
        end(self.process)
        self.log.close()


class Postfix:
    """A private Postfix on loopback that relays everything to relay_port, but for local_domains,
    which go to local_port (bounces come back to a sender there).

    It runs in the foreground as our own process, from its own configuration and queue.
    """

    def __init__(self, folder, relay_port, local_domain=None, local_port=None, **settings):
        self.folder = pathlib.Path(folder)
        self.config = self.folder / "etc"
        self.maillog = self.folder / "maillog"
        for name in ("etc", "queue", "data"):
            (self.folder / name).mkdir(parents=True)
        for parent in [self.folder, *self.folder.parents]:
            if parent == pathlib.Path(tempfile.gettempdir()) or parent == parent.parent:
                break
            parent.chmod(0o755)  # the postfix user has to pass
        shutil.chown(self.folder / "data", "postfix", "root")
        self.port = free_port()
        values = {
            "compatibility_level": "3.6", "queue_directory": self.folder / "queue",
            "data_directory": self.folder / "data", "command_directory": "/usr/sbin",
            "daemon_directory": "/usr/lib/postfix/sbin", "mail_owner": "postfix",
            "setgid_group": "postdrop", "default_database_type": "texthash",
            "maillog_file": self.maillog, "maillog_file_prefixes": tempfile.gettempdir(),
            "myhostname": "mta.acme.example", "mydestination": "", "alias_maps": "",
            "alias_database": "", "inet_interfaces": "127.0.0.1", "inet_protocols": "ipv4",
            "mynetworks": "127.0.0.0/8", "local_recipient_maps": "", "biff": "no",
            "relayhost": f"[127.0.0.1]:{relay_port}", "smtputf8_enable": "no",
            "smtp_host_lookup": "native", "disable_dns_lookups": "yes",
            "smtpd_recipient_restrictions": "permit_mynetworks, reject",
            "smtpd_relay_restrictions": "permit_mynetworks, reject",
            "minimal_backoff_time": "300s", "maximal_backoff_time": "300s",
        }
        if local_domain:
            values["transport_maps"] = \
                f"inline:{{ {{ {local_domain} = smtp:[127.0.0.1]:{local_port} }} }}"
        values.update(settings)
        (self.config / "main.cf").write_text(
            "".join(f"{key} = {value}\n" for key, value in values.items()))
        services = [f"127.0.0.1:{self.port} inet n - n - - smtpd",
                    "postlog unix-dgram n - n - 1 postlogd", "pickup unix n - n 60 1 pickup",
                    "cleanup unix n - n - 0 cleanup", "qmgr unix n - n 300 1 qmgr",
                    "tlsmgr unix - - n 1000? 1 tlsmgr", "rewrite unix - - n - - trivial-rewrite",
                    "bounce unix - - n - 0 bounce", "defer unix - - n - 0 bounce",
                    "trace unix - - n - 0 bounce", "verify unix - - n - 1 verify",
                    "flush unix n - n 1000? 0 flush", "proxymap unix - - n - - proxymap",
                    "proxywrite unix - - n - 1 proxymap", "smtp unix - - n - - smtp",
                    "relay unix - - n - - smtp", "showq unix n - n - - showq",
                    "error unix - - n - - error", "retry unix - - n - - error",
                    "discard unix - - n - - discard", "local unix - n n - - local",
                    "anvil unix - - n - 1 anvil", "scache unix - - n - 1 scache"]
        (self.config / "master.cf").write_text("\n".join(services) + "\n")
        self.output = open(self.folder / "output", "wb")
        created.append(self)
        environment = {**os.environ, "MAIL_CONFIG": str(self.config)}
        subprocess.run(["/usr/sbin/postfix", "-c", self.config, "check"], check=True,
                       stdout=self.output, stderr=self.output)
        # What `postfix start-fg` ends in. The command itself would stay between us and the master,
        # which then would not end with us.
        self.process = spawn(["/usr/lib/postfix/sbin/master", "-c", self.config, "-s"],
                             env=environment, stdout=self.output, stderr=self.output,
                             stdin=subprocess.DEVNULL)
        wait_for("Postfix to listen", self._listens)

    def _listens(self):
        if self.process.poll() is not None:
            raise AssertionError(f"Postfix ended with {self.process.returncode}\n{self.describe()}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def log(self):
        return self.maillog.read_text(errors="replace") if self.maillog.exists() else ""

    def wait_log(self, pattern, timeout=PATIENCE):
        return wait_for(f"{pattern!r} in Postfix's log", lambda: re.search(pattern, self.log()),
                        timeout)

    def stop(self):
        end(self.process)
        self.output.close()

    def describe(self):
        return f"---- Postfix\n{(self.folder / 'output').read_text()}\n{self.log()[-8000:]}"


# ---- clients ----

class Wire:
    """A client that says exactly what it is told."""

    def __init__(self, port, host="127.0.0.1", greet=True, timeout=PATIENCE, source=None):
        self.socket = socket.create_connection((host, port), timeout,
                                               (source, 0) if source else None)
        self.file = self.socket.makefile("rb")
        self.greeting = self.reply() if greet else None

    def starttls(self, context):
        self.say("STARTTLS", 220)
        self.secure(context)

    def secure(self, context, name="gate.test"):
        # An end without close_notify could be a cut: it is an error here.
        context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0x80)
        self.socket = context.wrap_socket(
            self.socket, server_hostname=name, suppress_ragged_eofs=False)
        self.file = self.socket.makefile("rb")

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def reply(self):
        """(code, text with LF between the lines); (0, "") when the connection is closed."""
        lines = []
        while True:
            line = self.file.readline()
            if not line.endswith(b"\r\n"):
                return 0, ""
            text = line.decode("latin-1").rstrip("\r\n")
            lines.append(text[4:])
            if text[3:4] != "-":
                return int(text[:3]), "\n".join(lines)

    def say(self, command, expect=None):
        """Sends a line, returns the reply; expect: the code it must have."""
        self.send(command + "\r\n")
        reply = self.reply()
        if expect is not None and reply[0] != expect:
            raise AssertionError(f"{command!r} was answered {reply}, not {expect}")
        return reply

    def hello(self, name="client.test"):
        return self.say(f"EHLO {name}", 250)[1].split("\n")

    def closed(self):
        """Whether the other side closes, without another byte."""
        try:
            return self.file.read(1) == b""
        except ConnectionError:
            return True

    def close(self):
        for each in (self.file, self.socket):
            with contextlib.suppress(OSError):
                each.close()


def message(sender, recipient="undisclosed-recipients:;", subject="Offre", body="Bonjour,\r\n",
            headers=""):
    """A whole message in wire form, not dot-stuffed."""
    return (f"From: ACME <{sender}>\r\nTo: {recipient}\r\nSubject: {subject}\r\n"
            f"Message-ID: <{secrets.token_hex(8)}@acme.example>\r\n{headers}\r\n{body}").encode()


def unique(stem, domain="example.org"):
    """An address nobody else has, so that a trace of it is surely one."""
    return f"{stem}-{secrets.token_hex(6)}@{domain}"


def client_context(authority, certificate=None):
    """A TLS client that verifies against authority; certificate: (file, key) of its own."""
    context = ssl.create_default_context(cafile=str(authority))
    if certificate:
        context.load_cert_chain(*map(str, certificate))
    return context


# ---- the test case ----

class IntegrationTest(unittest.TestCase):
    """Makes a folder, ends everything in the opposite order of its making."""

    timeout = 180  # seconds, kept by run.py
    long = False  # run.py begins with the long ones

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="octroi-it-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.maildirs = []
        self.count = 0

    def path(self, stem):
        self.count += 1
        return self.folder / f"{stem}{self.count}"

    def pki(self):
        return Pki(self.path("pki"))

    def scripted(self, script=None, **options):
        provider = ScriptedProvider(script, **options)
        self.addCleanup(provider.stop)
        return provider

    def sink(self, *options):
        sink = Sink(self.path("sink"), *options)
        self.addCleanup(sink.stop)
        return sink

    def postfix(self, relay_port, **settings):
        if os.geteuid() != 0:
            self.skipTest("Postfix starts only as root")
        postfix = Postfix(self.path("postfix"), relay_port, **settings)
        self.addCleanup(postfix.stop)
        return postfix

    def gateway(self, provider=None, start=True, warm=True, binary=None, **config):
        """A gateway in front of provider (with a provider() method, named smarthost), or as
        config says. What must hold in the end is checked when the test ends."""
        if provider is not None:
            config.setdefault("providers", {})["smarthost"] = provider.provider()
        gateway = Gateway(self.path("gate"), binary, **config)
        self.addCleanup(self.finish_gateway, gateway)
        if start:
            gateway.start()
            if provider is not None and warm:
                gateway.warm()
        return gateway

    def finish_gateway(self, gateway):
        try:
            gateway.finish(ignore=self.maildirs)
        finally:
            if gateway.process is not None:
                gateway.kill9()

    def address(self, gateway, stem="person", domain="example.org"):
        """A unique address of nobody yet; it may not show up in clear anywhere."""
        address = unique(stem, domain)
        gateway.addresses.add(address)
        return address

    def person(self, gateway, stem="yes", domain="example.org"):
        """A unique address with a valid consent for acme."""
        address = self.address(gateway, stem, domain)
        gateway.consent(address)
        return address

    def wire(self, gateway_or_port, **options):
        port = getattr(gateway_or_port, "port", gateway_or_port)
        wire = Wire(port, **options)
        self.addCleanup(wire.close)
        return wire

    def assertBlocked(self, reply, reason, code=550):
        """reply: (code, text) of the gate's refusal; returns the ref it names."""
        self.assertEqual(reply[0], code, reply)
        text = reply[1].decode() if isinstance(reply[1], bytes) else reply[1]
        status = "5.7.1" if code == 550 else "4.7.1"
        match = re.fullmatch(rf"{re.escape(status)} {reason} .*, ref (\S+)", text)
        self.assertIsNotNone(match, text)
        return match.group(1)

    def assertRow(self, row, **expected):
        self.assertEqual({key: row[key] for key in expected}, expected, row)
