# SPDX-License-Identifier: Apache-2.0
"""The one-click way out: added to a mail, opened, pressed, and the gate closed behind it."""

import base64
import email
import hashlib
import hmac
import http.client
import json
import re
import smtplib
import urllib.parse

import harness
import test_node
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ONE_CLICK = "List-Unsubscribe=One-Click"
FORM_TYPE = "application/x-www-form-urlencoded"
COVERED = ("DKIM-Signature: v=1; a=rsa-sha256; d=acme.example; s=s1;\r\n"
           "\th=From:To:Subject:\r\n\t list-unsubscribe-post; bh=AAAA; b=AAAA\r\n")
OWN = "List-Unsubscribe: <https://acme.example/out>\r\n"
OWN_POST = "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.text = response.read().decode()


class Leaving(harness.IntegrationTest):
    def setUp(self):
        super().setUp()
        self.provider = self.scripted()
        self.gate = self.open_gate(self.provider)
        self.sender = self.address(self.gate, "news", "acme.example")

    def open_gate(self, provider, mode="enforce", warm=True, **stream):
        web = harness.free_port()
        gate = self.gateway(provider, start=False)
        gate.web = web
        gate.config.update(
            public_url=f"http://127.0.0.1:{web}/",
            controller={"name": "Leads SARL", "contact": "dpo@leads.example"})
        gate.config["listeners"]["web"] = {
            "protocol": "http", "bind": f"127.0.0.1:{web}", "tls": "none",
            "services": ["unsubscribe"]}
        gate.config["partners"] = {
            "acme": harness.partner({"news": harness.email_stream(
                providers=list(gate.config["providers"]) or ["smarthost"], unsubscribe="add",
                **stream)}, mode=mode),
            "beta": {"name": "Beta & Filles", "streams": {"news": harness.email_stream(
                accounts={"beta-lan": {"networks": ["127.0.0.2/32"]}})}}}
        gate.config["partners"]["acme"]["streams"]["news"]["accounts"] = {
            "acme-lan": {"networks": ["127.0.0.1/32"]}}
        gate.write_config()
        gate.add_form(partners=["acme", "beta"], wording="J'accepte <b>& je signe</b>.")
        gate.start()
        if warm:
            gate.warm()
        return gate

    def send(self, gate, person, expect=250, source="127.0.0.1", **message):
        client = self.wire(gate, source=source)
        client.hello()
        client.say(f"MAIL FROM:<{self.sender}>", 250)
        code, text = client.say(f"RCPT TO:<{person}>")
        if code == 250:
            client.say("DATA", 354)
            client.send(harness.message(self.sender, **message) + b".\r\n")
            code, text = client.reply()
        self.assertEqual(code, expect, text)
        return text.decode() if isinstance(text, bytes) else text

    def link(self, content):
        """The link of a delivered message, checked in its form."""
        head = content.split(b"\r\n\r\n")[0].decode()
        self.assertLessEqual(max(map(len, head.split("\r\n"))), 998)
        message = email.message_from_bytes(content)
        self.assertEqual(len(message.get_all("List-Unsubscribe")), 1)
        self.assertEqual(message.get_all("List-Unsubscribe-Post"), [ONE_CLICK])
        return re.fullmatch(r"\s*<(https?://[^<>\s]+)>", message["List-Unsubscribe"])[1]

    def ask(self, url, method="GET", body=None, **headers):
        parts = urllib.parse.urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port,
                                                timeout=harness.PATIENCE)
        self.addCleanup(connection.close)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            headers.setdefault("Content-Type", FORM_TYPE)
        connection.request(method, parts.path, body, headers)
        return Answer(connection.getresponse())

    def events(self, gate, person):
        return [event for event in map(json.loads, gate.cli(
            "consent", "show", person, "--format", "json").splitlines())
            if event.get("kind", event.get("event")) in ("withdrawn", "objected")]

    def accesses(self, gate):
        text = b"".join(path.read_bytes() for path in
                        sorted((gate.state / "journal").iterdir())).decode(errors="replace")
        return re.findall(r'"type":"access".*?"act":"([^"]+)"', text)

    def delivered(self, person, gate=None, **message):
        before = len(self.provider.messages)
        self.send(gate or self.gate, person, **message)
        self.assertEqual(len(self.provider.messages), before + 1)
        return self.provider.messages[-1]


class WayOut(Leaving):
    # -- pressed

    def test_one_click_closes_the_gate(self):
        person = self.person(self.gate)
        link = self.link(self.delivered(person).body)
        answer = self.ask(link, "POST", ONE_CLICK)
        self.assertEqual(answer.status, 200, answer.text)
        self.assertNotIn("Set-Cookie", answer.headers)
        self.assertNotIn("Location", answer.headers)
        self.assertIn("event.withdraw", self.accesses(self.gate))
        text = self.send(self.gate, person, expect=550)
        self.assertRegex(text, r"^5\.7\.1 WITHDRAWN ")
        # The other partner's consent stays.
        self.send(self.gate, person, source="127.0.0.2")
        self.assertEqual(len(self.events(self.gate, person)), 1)
        # Again and again, also from the page: nothing more.
        for body in (ONE_CLICK, "choice=partner"):
            self.assertEqual(self.ask(link, "POST", body).status, 200)
        self.assertEqual(len(self.events(self.gate, person)), 1)
        # The person agrees anew: the link, which never expires, works anew.
        pressed = harness.instant()
        harness.wait_for("the next second", lambda: harness.instant() != pressed)
        self.gate.import_events([{"recipient": person, "occurred_at": harness.instant(),
                                  "evidence": "again"}])
        self.send(self.gate, person)
        self.assertEqual(self.ask(link, "POST", ONE_CLICK).status, 200)
        self.send(self.gate, person, expect=550)
        self.assertNotIn(urllib.parse.urlsplit(link).path.split("/")[-1], self.gate.log())

    def test_both_encodings(self):
        for body, kind in (
                (ONE_CLICK, FORM_TYPE), (ONE_CLICK + "&x=1", FORM_TYPE + "; charset=utf-8"),
                ('--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\n'
                 'One-Click\r\n--b--\r\n', "multipart/form-data; boundary=b")):
            with self.subTest(kind):
                person = self.person(self.gate)
                link = self.link(self.delivered(person).body)
                answer = self.ask(link, "POST", body, Content_Type=kind)
                self.assertEqual(answer.status, 200)
                self.send(self.gate, person, expect=550)

    def test_part_with_other_headers(self):
        for head in ('Content-Disposition: form-data; name="List-Unsubscribe"\r\n'
                     "Content-Type: text/plain; charset=utf-8\r\nX-Part: 1\r\n",
                     "Content-Type: text/plain\r\n"
                     "Content-Disposition: form-data; name=List-Unsubscribe\r\n"):
            with self.subTest(head):
                person = self.person(self.gate)
                link = self.link(self.delivered(person).body)
                body = f"--b\r\n{head}\r\nOne-Click\r\n--b--\r\n"
                kind = "multipart/form-data; boundary=b"
                self.assertEqual(self.ask(link, "POST", body.replace("One-Click", "No-Click"),
                                          Content_Type=kind).status, 400)
                self.assertEqual(self.ask(link, "POST", body.replace("One-Click", "x\r\n\r\n"
                                          "One-Click"), Content_Type=kind).status, 400)
                self.assertEqual(self.ask(link, "POST", body, Content_Type=kind).status, 200)
                self.send(self.gate, person, expect=550)

    def test_one_link_asked_without_end(self):
        """It keeps nobody else waiting, and does not fill the journal."""
        person, other = self.person(self.gate), self.person(self.gate)
        link = self.link(self.delivered(person).body)
        another = self.link(self.delivered(other).body)
        answers = [self.ask(link) for _ in range(60)]
        statuses = [answer.status for answer in answers]
        self.assertEqual(set(statuses), {200, 429})
        self.assertGreaterEqual(statuses.count(200), 5)
        refused = answers[statuses.index(429)]
        self.assertEqual(refused.headers["Retry-After"], "1")
        self.assertIn("<html", refused.text)
        self.assertEqual(self.ask(another, "POST", ONE_CLICK).status, 200)
        # Pressing is counted for itself.
        statuses = [self.ask(link, "POST", ONE_CLICK).status for _ in range(60)]
        self.assertEqual(set(statuses), {200, 429})
        self.assertEqual(statuses[0], 200)
        acts = self.accesses(self.gate)
        self.assertEqual(acts.count("link.view"), 1, acts)
        self.assertLessEqual(acts.count("event.withdraw"), 3)  # two acts, and one that was none
        self.assertEqual(len(self.events(self.gate, person)), 1)

    def test_looking_changes_nothing(self):
        person = self.person(self.gate)
        link = self.link(self.delivered(person).body)
        for method in ("GET", "HEAD", "GET"):
            answer = self.ask(link, method, Sec_Purpose="prefetch")
            self.assertEqual(answer.status, 200)
        for body in ("", "List-Unsubscribe=no", "choice=nobody", "x"):
            self.assertEqual(self.ask(link, "POST", body).status, 400)
        self.assertIn(self.ask(link, "PUT", "x").status, (400, 405))
        self.assertEqual(self.events(self.gate, person), [])
        self.assertIn("link.view", self.accesses(self.gate))
        self.send(self.gate, person)

    def test_page(self):
        person = self.person(self.gate)
        link = self.link(self.delivered(person).body)
        french = self.ask(link, Accept_Language="de;q=0.9, fr-CA;q=0.8, en;q=0.3")
        english = self.ask(link, Accept_Language="en-GB,fr;q=0.5")
        neither = self.ask(link, Accept_Language="de")
        self.assertIn('<html lang="fr">', french.text)
        self.assertIn('<html lang="en">', english.text)
        self.assertIn('<html lang="fr">', neither.text)  # the form's
        for page in (french, english):
            self.assertNotIn(person, page.text)
            self.assertIn(person.split("@")[1], page.text)
            self.assertIn("ACME Voyages SAS", page.text)
            self.assertIn("Leads SARL", page.text)
            self.assertIn("jeu-ete@1", page.text)
            self.assertIn("&lt;b&gt;&amp; je signe&lt;/b&gt;", page.text)
            self.assertIn("dpo@leads.example", page.text)
            self.assertNotRegex(page.text, r"<script|https?://|src=|url\(")
            policy = page.headers["Content-Security-Policy"]
            style = re.search(r"<style>(.*?)</style>", page.text, re.S)[1]
            digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
            self.assertIn(f"style-src 'sha256-{digest}'", policy)
            self.assertIn("default-src 'none'", policy)
            self.assertEqual(page.headers["Referrer-Policy"], "no-referrer")
            self.assertEqual(page.headers["Cache-Control"], "no-store")
        self.assertIn("Ne plus recevoir", french.text)

    def test_page_for_all(self):
        person = self.person(self.gate)
        link = self.link(self.delivered(person).body)
        answer = self.ask(link, "POST", "choice=all")
        self.assertEqual(answer.status, 200)
        for source in ("127.0.0.1", "127.0.0.2"):
            self.assertRegex(self.send(self.gate, person, expect=550, source=source),
                             r"^5\.7\.1 OBJECTED ")
        self.assertIn("event.object", self.accesses(self.gate))
        self.assertEqual(self.ask(link, "POST", "choice=all").status, 200)
        self.assertEqual(len(self.events(self.gate, person)), 1)

    def test_damaged_and_foreign(self):
        person = self.person(self.gate)
        link = self.link(self.delivered(person).body)
        token = link.rsplit("/", 1)[1]
        place = link[:-len(token)]
        other = self.open_gate(self.provider)
        foreign = self.link(self.delivered(self.person(other), gate=other).body).rsplit("/", 1)[1]
        for bad in (token[:-1], token + "A", "A" + token[1:], token[:40] + "x" + token[41:],
                    "x", "A" * 60, "A" * 5000, token + "=", foreign):
            if bad == token:
                continue
            for method, body in (("GET", None), ("POST", ONE_CLICK), ("HEAD", None)):
                answer = self.ask(place + bad, method, body)
                self.assertEqual(answer.status, 404, bad)
            self.assertIn("dpo@leads.example", self.ask(place + bad).text)
        self.assertEqual(self.events(self.gate, person), [])

    def test_keys_follow_one_another(self):
        person = self.person(self.gate)
        old = self.link(self.delivered(person).body)
        self.gate.cli("key", "add")
        self.gate.reload()
        new = self.link(self.delivered(person).body)
        keys = (self.gate.folder / "keys" / "seal.key").read_text().split()
        self.assertEqual(len(keys), 2)
        for link, key in ((old, keys[1]), (new, keys[0])):
            clear = self.unseal(link, bytes.fromhex(key))
            self.assertEqual(clear[:3], b"\1\0\0")
            texts = clear[3:].split(b"\0")
            self.assertEqual(texts[:2] + texts[3:], [b"acme", b"news", person.encode(), b""])
            self.assertIn(texts[2].decode(), [row["id"] for row in self.gate.log_rows()])
        for link in (old, new):
            self.assertEqual(self.ask(link).status, 200)
        self.assertEqual(self.ask(old, "POST", ONE_CLICK).status, 200)
        self.send(self.gate, person, expect=550)

    @staticmethod
    def unseal(link, key):
        """What base/seal.h says, by another hand."""
        token = link.rsplit("/", 1)[1]
        sealed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        own = hmac.new(key, sealed[5:21], hashlib.sha256).digest()
        assert sealed[:1] == b"\1"
        assert sealed[1:5] == hmac.new(key, b"key id", hashlib.sha256).digest()[:4]
        return AESGCM(own).decrypt(bytes(12), sealed[21:], sealed[:21] + b"link")

    def test_without_its_key(self):
        (self.gate.folder / "keys" / "seal.key").unlink()
        done = self.gate.cli_full("check-config")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"seal\.key does not exist, and"
                                      r" partners\.acme\.streams\.news\.unsubscribe needs it")
        self.gate.reload(good=False)  # what is in force stays
        self.assertEqual(self.ask(self.link(self.delivered(
            self.person(self.gate)).body)).status, 200)
        self.gate.cli("key", "add")
        self.gate.cli("check-config")

    def test_unable(self):
        """Whatever cannot be put on record is not said to be: 503, and again later it is."""
        person = self.person(self.gate)
        link = self.link(self.delivered(person).body)
        registry = self.gate.state / "registry.db"
        away = registry.with_name("away.db")
        registry.rename(away)
        for method, body in (("GET", None), ("POST", ONE_CLICK), ("POST", "choice=all")):
            answer = self.ask(link, method, body, Accept_Language="fr")
            self.assertEqual(answer.status, 503, answer.text)
            self.assertIn('<html lang="fr">', answer.text)
            self.assertGreater(int(answer.headers["Retry-After"]), 0)
        self.assertNotIn("event.withdraw", self.accesses(self.gate))
        away.rename(registry)
        self.assertEqual(self.events(self.gate, person), [])
        self.assertEqual(self.ask(link, "POST", ONE_CLICK).status, 200)
        self.send(self.gate, person, expect=550)

    # -- added

    def test_second_recipient(self):
        one, two = self.person(self.gate), self.person(self.gate)
        client = self.wire(self.gate)
        client.hello()
        client.say(f"MAIL FROM:<{self.sender}>", 250)
        client.say(f"RCPT TO:<{self.address(self.gate, 'no')}>", 550)
        client.say(f"RCPT TO:<{one}>", 250)
        code, text = client.say(f"RCPT TO:<{two}>")
        self.assertEqual((code, str(text).strip("b'")[:5]), (452, "4.5.3"))
        client.say("DATA", 354)
        client.send(harness.message(self.sender) + b".\r\n")
        self.assertEqual(client.reply()[0], 250)
        self.assertEqual([m.recipients for m in self.provider.messages], [[one]])

    def test_nothing_else_changes(self):
        person = self.person(self.gate)
        content = harness.message(self.sender, subject="Offre\r\n d'ete", body=".x\r\n..\r\n \r\n")
        client = self.wire(self.gate)
        client.hello()
        client.say(f"MAIL FROM:<{self.sender}>", 250)
        client.say(f"RCPT TO:<{person}>", 250)
        client.say("DATA", 354)
        client.send(b"".join(b"." + line if line.startswith(b".") else line
                             for line in content.splitlines(keepends=True)) + b".\r\n")
        self.assertEqual(client.reply()[0], 250)
        rest = self.provider.messages[-1].without_received()[1]
        added = re.match(rb"List-Unsubscribe:\r\n <[^<>\s]+>\r\n"
                         rb"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n", rest)
        self.assertEqual(rest[added.end():], content)

    def test_what_it_brings_itself(self):
        person = self.person(self.gate)
        for headers in (OWN, OWN_POST, OWN + OWN_POST, COVERED, OWN + COVERED):
            text = self.send(self.gate, person, expect=550, headers=headers)
            self.assertRegex(text, r"^5\.7\.1 MALFORMED .*List-Unsubscribe.*, ref \S+$")
        self.assertEqual(self.provider.messages, [])
        leave = self.open_gate(self.provider, unsubscribe_existing="leave")
        person = self.person(leave)
        for headers in (OWN, OWN_POST, COVERED, OWN + COVERED,
                        OWN.replace("https", "http") + OWN_POST):
            text = self.send(leave, person, expect=550, headers=headers)
            self.assertRegex(text, r"^5\.7\.1 OPTOUT_MISSING ")
        taken = self.delivered(person, gate=leave, headers=OWN + OWN_POST + COVERED).body
        self.assertEqual(taken.count(b"List-Unsubscribe:"), 1)
        self.assertIn(b"https://acme.example/out", taken)
        self.assertIn(f"127.0.0.1:{leave.web}/u/".encode(), self.delivered(person, gate=leave).body)

    def test_observed(self):
        gate = self.open_gate(self.provider, mode="observe")
        nobody = self.address(gate, "no")
        self.assertEqual(self.ask(self.link(self.delivered(nobody, gate=gate).body)).status, 200)
        taken = self.delivered(self.person(gate), gate=gate, headers=OWN).body
        self.assertEqual(taken.count(b"List-Unsubscribe:"), 1)
        self.assertEqual(gate.wait_rows(2)[-1]["reason"], "MALFORMED")

    def test_discarded(self):
        gate = self.open_gate(self.provider, mode="discard")
        self.send(gate, self.address(gate, "no"))
        self.assertEqual(self.provider.messages, [])
        self.delivered(self.person(gate), gate=gate)

    def test_capture(self):
        maildir = self.path("maildir")
        self.maildirs.append(maildir)

        class Capture:
            @staticmethod
            def provider():
                return {"adapter": "capture", "directory": str(maildir)}
        gate = self.open_gate(Capture)
        person = self.person(gate)
        self.send(gate, person)
        file = harness.wait_for("the message", lambda: next(maildir.glob("new/*"), None))
        link = self.link(file.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
        self.assertEqual(self.ask(link, "POST", ONE_CLICK).status, 200)
        self.send(gate, person, expect=550)

    def test_esmtp(self):
        """libESMTP, which has opinions on header fields, leaves the two as they are."""
        sink = self.scripted()

        class Whole:
            @staticmethod
            def provider():
                return {**sink.provider(), "adapter": "esmtp"}
        gate = self.open_gate(Whole, warm=False)
        person = self.person(gate)
        self.send(gate, person)
        link = self.link(sink.messages[-1].body)
        self.assertEqual(self.ask(link, "POST", ONE_CLICK).status, 200)
        self.send(gate, person, expect=550)

    def test_postfix(self):
        postfix = self.postfix(self.gate.port)
        person = self.person(self.gate)
        with smtplib.SMTP("127.0.0.1", postfix.port, timeout=harness.PATIENCE) as client:
            client.sendmail(self.sender, [person], harness.message(self.sender))
        self.provider.wait_messages(1)
        link = self.link(self.provider.messages[0].body)
        self.assertEqual(self.ask(link, "POST", ONE_CLICK).status, 200)
        with smtplib.SMTP("127.0.0.1", postfix.port, timeout=harness.PATIENCE) as client:
            client.sendmail(self.sender, [person], harness.message(self.sender))
        postfix.wait_log(r"550 5\.7\.1 WITHDRAWN")


class ByNodemailer(Leaving, test_node.NodeTest):
    def test_end_to_end(self):
        """nodemailer sends, the link of what arrives is pressed, the next mail is refused."""
        person = self.person(self.gate)
        order = {"transport": {"host": "127.0.0.1", "port": self.gate.port, "ignoreTLS": True,
                               "maxConnections": 1},
                 "messages": [{"from": f"ACME <{self.sender}>", "to": [person],
                               "subject": "Offre d'été", "text": "Bonjour\n"}]}
        answer = test_node.node("pool", order)[0]
        self.assertEqual(answer.get("accepted"), [person], answer)
        link = self.link(self.provider.messages[-1].body)
        self.assertEqual(self.ask(link, "POST", ONE_CLICK).status, 200)
        answer = test_node.node("pool", order)[0]
        self.assertRegex(answer["error"]["response"], r"^550 5\.7\.1 WITHDRAWN ")

