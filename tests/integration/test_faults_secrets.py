# SPDX-License-Identifier: Apache-2.0
"""Nothing clear is left behind: after a day in the life of a gateway with known addresses and known
passwords, none of them is in any file of its folder, in its standard error or in its answers, in
clear or in a usual encoding."""

import base64
import quopri
import smtplib
import urllib.parse

import harness

SENDER = "campaign-9f31c07be4@acme.example"


def forms(secret):
    """The bytes by which a secret would be found."""
    raw = secret.encode()
    found = {raw, raw.lower(), raw.upper(), raw.hex().encode(), raw.hex().upper().encode(),
             urllib.parse.quote(secret, safe="").encode(), quopri.encodestring(raw).strip(),
             raw.decode().encode("utf-16-le"), raw[::-1]}
    for shift in range(3):  # base64, wherever within a longer text it begins
        text = base64.b64encode(b"\0" * shift + raw)
        start = (shift * 8 + 5) // 6
        inner = text[start:(shift + len(raw)) * 8 // 6]
        found |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return {each for each in found if len(each) >= 8}


class Secrets(harness.IntegrationTest):
    def setUp(self):
        super().setUp()
        self.addresses = {}
        self.passwords = {"account": "Correct-Horse-52ab77", "typed": "Wrong-Donkey-11cc09",
                          "provider": "Upstream-Mule-83de41", "beside": "Beside-Goat-40fe95"}

    def secret_address(self, gateway, stem, domain="people.example.net"):
        self.addresses[stem] = self.address(gateway, stem, domain)
        return self.addresses[stem]

    def make(self):
        refused = self.refused = []
        provider = self.scripted(
            {"RCPT": lambda _, address: f"550 5.1.1 <{address}>: no mailbox {address.upper()} here "
             f"({address.split('@')[0]}), see http://x.test/?to={urllib.parse.quote(address)}"
             if address in refused else
             f"421 4.3.2 <{address}> {address.split('@')[0]} is busy" if "busy" in address else None,
             ".": lambda _, message: f"250 2.0.0 Ok {message.recipients[0].replace('@', '+x@')} "
             f"{message.recipients[0]} ({message.recipients[0].split('@')[0].upper()})"},
            login=("octroi", self.passwords["provider"]))
        beside = self.scripted(login=("octroi", self.passwords["beside"]))
        gateway = self.gateway(start=False)
        self.maildirs.append(gateway.folder / "maildir")
        gateway.config["providers"] = {
            "smarthost": provider.provider(username="octroi",
                                           password=self.passwords["provider"]),
            "filed": beside.provider(username="octroi", password_file="filed.password"),
            "trial": {"adapter": "capture", "directory": "maildir"},
            "wrong": provider.provider(username="octroi", password_file="filed.password"),
        }
        (gateway.folder / "filed.password").touch(0o600)
        (gateway.folder / "filed.password").write_text(self.passwords["beside"] + "\n")
        hashed = gateway.password(self.passwords["account"])
        gateway.config["partners"] = {"acme": harness.partner({
            name: harness.email_stream([name], accounts={f"acme-{name}": {"password": hashed}})
            for name in ("smarthost", "filed", "trial", "wrong")})}
        gateway.write_config()
        return gateway

    def client(self, gateway, account):
        client = smtplib.SMTP("127.0.0.1", gateway.port, "crm.acme.example", harness.PATIENCE)
        self.addCleanup(client.close)
        client.login(f"acme-{account}", self.passwords["account"])
        return client

    def live(self, gateway):
        """Everything that could leave a trace."""
        gateway.addresses.add(SENDER)
        self.addresses["sender"] = SENDER
        yes = [self.secret_address(gateway, stem) for stem in ("agrees", "busy", "agrees-too")]
        self.refused.append(self.secret_address(gateway, "bounces"))
        withdrawn = self.secret_address(gateway, "withdrew")
        stranger = self.secret_address(gateway, "stranger")
        gateway.consent(*yes, self.refused[0], withdrawn)
        gateway.start()
        gateway.cli("consent", "withdraw", withdrawn)
        gateway.cli("consent", "record", self.secret_address(gateway, "recorded"), "--event",
                    "given", "--channel", "email", "--form", "jeu-ete@1", "--evidence", "form 1")
        gateway.cli("consent", "show", yes[0])
        gateway.cli_full("consent", "show", yes[1], "--partner", "acme", "--channel", "email",
                         "--format", "json")
        bad = self.secret_address(gateway, "badline")
        gateway.cli_full("consent", "import", "-",
                         input=",".join(harness.CSV_HEADER) + "\n"
                         f"{bad},email,given,not a time,jeu-ete@1,,,,x\n"
                         f"{bad} {bad},email,given,{harness.instant()},jeu-ete@1,,,,x\n")
        for account in ("smarthost", "filed", "trial", "wrong"):
            client = self.client(gateway, account)
            for recipient in [*yes, self.refused[0], withdrawn, stranger]:
                content = harness.message(SENDER, recipient).decode()
                try:
                    client.sendmail(SENDER, [recipient], content)
                except smtplib.SMTPException:
                    pass
                if client.sock is None:
                    client = self.client(gateway, account)
            client.close()
        self.misbehave(gateway, yes[0])
        gateway.cli("log")
        gateway.cli("log", "--recipient", yes[0])
        gateway.cli("status")

    def misbehave(self, gateway, address):
        """Addresses and passwords where they do not belong."""
        for line in (f"RCPT TO:<{address}", f"{address}", f"MAIL FROM:<{address}> SIZE={address}",
                     f"EHLO {address}", f"VRFY {address}", f"AUTH PLAIN {address}",
                     f"AUTH {self.passwords['typed']}", f"AUTH LOGIN {self.passwords['typed']}",
                     f"{self.passwords['typed']}"):
            wire = self.wire(gateway)
            wire.hello()
            wire.say(line)
            wire.close()
        # A name for a password and a password for a name; LOGIN and PLAIN.
        typed = self.passwords["typed"]
        wire = self.wire(gateway)
        wire.hello()
        wire.say("AUTH LOGIN", 334)
        wire.say(base64.b64encode(typed.encode()).decode(), 334)
        wire.say(base64.b64encode(address.encode()).decode(), 535)
        wire.say("AUTH PLAIN " + base64.b64encode(f"\0{address}\0{typed}".encode()).decode(), 535)
        wire.close()
        # Content that breaks the rules, and a message given up half-way.
        client = self.client(gateway, "smarthost")
        client.mail(SENDER)
        client.rcpt(address)
        client.docmd("DATA")
        client.send(f"From: {address}\r\nSubject: for {address}\r\n\r\n{typed}\n".encode())
        client.close()

    def assertNoTrace(self, gateway):
        # The configuration and the file beside it are where a password may be.
        allowed = {gateway.file, gateway.folder / "filed.password"}
        needles = {}
        for name, secret in [*self.addresses.items(), *self.passwords.items()]:
            for form in forms(secret):
                needles[form] = name
            if "@" in secret:
                for form in forms(secret.split("@")[0]):
                    needles[form] = name
        places = [(path, path.read_bytes()) for path in [*gateway.folder.rglob("*"),
                                                         gateway.log_file]
                  if path.is_file() and path not in allowed and
                  not any(folder in path.parents for folder in self.maildirs)]
        places += [("standard error of the commands",
                    "\n".join(line for line in gateway.errors.split("\n")
                              if not line.startswith("$ ")).encode()),
                   ("octroi log", gateway.cli("log", "--format", "json").encode())]
        if gateway.process:
            places.append(("octroi status", gateway.cli("status", "--format", "json").encode()))
        self.assertGreaterEqual(len(places), 8)
        for place, content in places:
            for needle, name in needles.items():
                if needle in content:
                    at = content.index(needle)
                    self.fail(f"{name} is in {place} as {needle!r}: "
                              f"{content[max(0, at - 200):at + 100]!r}")

    def test_no_trace(self):
        gateway = self.make()
        self.live(gateway)
        rows = gateway.log_rows()
        # It was a full day.
        self.assertLessEqual({"CONSENT", "NO_CONSENT", "WITHDRAWN"},
                             {row["reason"] for row in rows})
        self.assertLessEqual({"accepted", "refused"}, {row["outcome"] for row in rows})
        self.assertIn("authentication failed", gateway.log())
        self.assertTrue(any((gateway.folder / "maildir" / "new").iterdir()))
        self.assertNoTrace(gateway)
        gateway.kill9()  # what a dead process leaves, with its WAL and its torn tail
        self.assertNoTrace(gateway)
        gateway.start()
        gateway.stop()
        self.assertNoTrace(gateway)

    def test_it_would_be_found(self):
        """The search itself: a trace in each of its forms is one."""
        gateway = self.make()
        self.secret_address(gateway, "visible")
        gateway.start()
        trace = gateway.folder / "state" / "trace"
        address = self.addresses["visible"].encode()
        for planted in (address, b"xx" + base64.b64encode(b"to=" + address),
                        base64.b64encode(b"\0octroi\0" + self.passwords["provider"].encode())):
            trace.write_bytes(b"..." + planted + b"...")
            with self.assertRaises(AssertionError):
                self.assertNoTrace(gateway)
        trace.unlink()
        self.assertNoTrace(gateway)
