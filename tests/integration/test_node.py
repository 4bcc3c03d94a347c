# SPDX-License-Identifier: Apache-2.0
"""nodemailer's pool as the partner, and mailauth as the judge of DKIM behind the gate."""

import base64
import json
import pathlib
import shutil
import subprocess

import harness

HERE = pathlib.Path(__file__).resolve().parent


def node(what, order, environment=None):
    """Runs one order of peers.js."""
    done = subprocess.run(["node", HERE / "peers.js", what], input=json.dumps(order), text=True,
                          capture_output=True, timeout=120,
                          env={**harness.os.environ, **(environment or {})})
    if done.returncode != 0:
        raise AssertionError(f"peers.js {what}: {done.stderr}")
    return json.loads(done.stdout)


class NodeTest(harness.IntegrationTest):
    def setUp(self):
        super().setUp()
        if shutil.which("node") is None:
            self.fail("node is missing")
        subprocess.run([HERE / "install-node.sh"], check=True, capture_output=True)


class Nodemailer(NodeTest):
    def setUp(self):
        super().setUp()
        self.provider = self.scripted()
        pki = self.pki()
        certificate, key = pki.issue("gate.test", "DNS:gate.test,IP:127.0.0.1")
        self.authority = pki.authority()
        self.gate = self.gateway(self.provider, start=False)
        self.gate.config["listeners"]["submission"].update(
            tls="required", certificate_file=certificate, key_file=key)
        self.gate.config["partners"]["acme"]["streams"]["news"]["accounts"] = {
            "acme-news": {"password": self.gate.password("s3cret word")}}
        self.gate.write_config()
        self.gate.start().warm()
        self.sender = self.address(self.gate, "news", "acme.example")

    def pool(self, messages, connections=5, password="s3cret word", **transport):
        return node("pool", {"messages": messages, "transport": {
            "host": "127.0.0.1", "port": self.gate.port, "requireTLS": True,
            "maxConnections": connections, "auth": {"user": "acme-news", "pass": password},
            **transport}}, {"NODE_EXTRA_CA_CERTS": str(self.authority)})

    def mail(self, *to, **more):
        return {"from": f"ACME <{self.sender}>", "to": list(to), "subject": "Offre d'été",
                "text": "Bonjour\n.\n..points\n", **more}

    def test_pool(self):
        """120 messages over five connections: each answer belongs to its message."""
        people = [harness.unique(f"p{i}") for i in range(120)]
        self.gate.addresses.update(people)
        self.gate.consent(*[each for i, each in enumerate(people) if i % 4])
        answers = self.pool([self.mail(each) for each in people])
        for i, (each, answer) in enumerate(zip(people, answers)):
            if i % 4:
                self.assertEqual(answer.get("accepted"), [each], answer)
                self.assertRegex(answer["response"], r"^250 2\.0\.0 queued as ")
            else:
                self.assertEqual(answer["error"]["responseCode"], 550, answer)
                self.assertRegex(answer["error"]["response"],
                                 r"^550 5\.7\.1 NO_CONSENT .*, ref \S+$")
        self.assertEqual(sorted(m.recipients[0] for m in self.provider.messages),
                         sorted(each for i, each in enumerate(people) if i % 4))
        rows = self.gate.wait_rows(120)
        self.assertEqual(len(rows), 120)
        # nodemailer gives a connection up after an error; all else shares the pool's five.
        self.assertLessEqual(len({row["session"] for row in rows}), 5 + 30)
        refs = {row["id"] for row in rows if row["verdict"] == "block"}
        told = {a["error"]["response"].rsplit("ref ", 1)[1] for a in answers if "error" in a}
        self.assertEqual(refs, told)

    def test_partly_refused(self):
        yes, no, gone = self.person(self.gate), self.address(self.gate, "no"), \
            self.person(self.gate, "gone")
        self.provider.script["RCPT"] = lambda _, address: \
            "550 5.1.1 no such user" if address == gone else None
        answer = self.pool([self.mail(yes, no, gone)], connections=1)[0]
        self.assertEqual(answer["accepted"], [yes])
        self.assertEqual(sorted(answer["rejected"]), sorted([no, gone]))
        responses = sorted(each["response"] for each in answer["errors"])
        self.assertEqual(responses[0], "550 5.1.1 no such user")
        self.assertRegex(responses[1], r"^550 5\.7\.1 NO_CONSENT ")
        self.gate.wait_rows(3)

    def test_wrong_password(self):
        answer = self.pool([self.mail(self.person(self.gate))], password="wrong")[0]
        self.assertEqual((answer["error"]["code"], answer["error"]["responseCode"]),
                         ("EAUTH", 535))
        self.assertEqual(self.provider.messages, [])

    def test_attachment(self):
        """Two megabytes through the pool's connections, while others wait for their turn."""
        people = [harness.unique(f"p{i}") for i in range(4)]
        self.gate.consent(*people)
        self.gate.addresses.update(people)
        answers = self.pool([self.mail(each, attachments=[
            {"filename": "offre.bin", "content": "x" * 2_000_000, "encoding": "utf8"}])
            for each in people], connections=2)
        for answer in answers:
            self.assertIn("accepted", answer, answer)
        self.assertEqual(len(self.provider.messages), 4)
        for message in self.provider.messages:
            self.assertGreater(len(message.body), 2_000_000)
        self.gate.wait_rows(4)


class Dkim(NodeTest):
    """A signature made before the gate holds behind it."""

    def setUp(self):
        super().setUp()
        self.provider = self.scripted()
        self.gate = self.gateway(self.provider)
        self.sender = self.address(self.gate, "news", "acme.example")
        self.yes = self.person(self.gate)

    def key(self, *algorithm):
        file = self.path("dkim").with_suffix(".pem")
        subprocess.run(["openssl", "genpkey", "-algorithm", *algorithm, "-out", file], check=True,
                       capture_output=True)
        public = subprocess.run(["openssl", "pkey", "-in", file, "-pubout", "-outform", "DER"],
                                check=True, capture_output=True).stdout
        return file.read_text(), public

    def verify(self, content, record):
        return node("verify", {"message": base64.b64encode(content).decode(),
                               "keys": {"s1._domainkey.acme.example": record}})

    def send(self, content):
        client = self.wire(self.gate)
        client.hello()
        client.say(f"MAIL FROM:<{self.sender}> BODY=8BITMIME", 250)
        client.say(f"RCPT TO:<{self.yes}>", 250)
        client.say("DATA", 354)
        client.send(b"".join(b"." + line if line.startswith(b".") else line
                             for line in content.splitlines(keepends=True)) + b".\r\n")
        self.assertEqual(client.reply()[0], 250)
        return self.provider.messages[-1].body

    def check(self, algorithm, canonicalization, private, record):
        content = harness.message(
            self.sender, subject="Offre\r\n d'ete", headers="X-Spaces:   a   b  \r\n",
            body=".point\r\n..\r\n  deux  espaces \t\r\n\r\n\r\nEt voil\u00e0\r\n\r\n\r\n")
        signed = base64.b64decode(node("sign", {
            "message": base64.b64encode(content).decode(), "domain": "acme.example",
            "selector": "s1", "privateKey": private, "algorithm": algorithm,
            "canonicalization": canonicalization})["message"])
        self.assertTrue(signed.startswith(b"DKIM-Signature:"))
        taken = self.send(signed)
        self.assertTrue(taken.startswith(b"Received: from client.test "))
        verdict = self.verify(taken, record)
        self.assertEqual([each["result"] for each in verdict], ["pass"], verdict)
        # The judge can also say no.
        changed = taken.replace(b"deux", b"trois")
        self.assertNotEqual([each["result"] for each in self.verify(changed, record)], ["pass"])

    def test_rsa(self):
        private, public = self.key("RSA", "-pkeyopt", "rsa_keygen_bits:2048")
        record = "v=DKIM1; k=rsa; p=" + base64.b64encode(public).decode()
        for canonicalization in ("simple/simple", "relaxed/relaxed", "relaxed/simple"):
            with self.subTest(canonicalization):
                self.check("rsa-sha256", canonicalization, private, record)
        self.gate.wait_rows(3)

    def test_ed25519(self):
        private, public = self.key("ED25519")
        record = "v=DKIM1; k=ed25519; p=" + base64.b64encode(public[-32:]).decode()
        self.check("ed25519-sha256", "simple/simple", private, record)
        self.gate.wait_rows(1)
