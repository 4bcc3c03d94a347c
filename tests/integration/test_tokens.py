# SPDX-License-Identifier: Apache-2.0
"""Programs over HTTP: the life of a token, which listener serves what, over TLS and within its caps;
that nobody is answered before it is on record, also when the gateway is killed; that an end waits for
what was begun; and that a person can learn who looked."""

import csv
import http.client
import io
import json
import signal
import socket
import sqlite3
import threading
import time
import zipfile

import harness

TEXT = 76  # characters of a token


def records(gateway, act=None):
    """The journal's access records, as they stand in its files, oldest first."""
    lines = []
    for segment in sorted((gateway.state / "journal").glob("*.seg")):
        lines += segment.read_bytes().split(b"\n")
    rows = [json.loads(line.split(b" ", 2)[2]) for line in lines
            if b'{"type":"access"' in line and line.endswith(b"}")]
    return [row for row in rows if act is None or row["act"] == act]


class Tokens(harness.IntegrationTest):
    def gate(self, start=True, services=("api",), **listener):
        gateway = self.gateway(start=False, providers={
            "smarthost": harness.smtp_provider(harness.free_port())})
        gateway.http_port = harness.free_port()
        gateway.config["listeners"] = {"web": {
            "protocol": "http", "bind": f"127.0.0.1:{gateway.http_port}", "tls": "none",
            "services": list(services), **listener}}
        gateway.config["partners"]["beta"] = {"name": "Beta", "streams": {}}
        gateway.write_config()
        if start:
            gateway.start()
        return gateway

    @staticmethod
    def token(gateway, name, *options, scope="check"):
        return gateway.cli("token", "add", name, "--scope", scope, *options).strip()

    def ask(self, gateway, token, path="/v1/check", body=None, method="POST", port=None,
            context=None, headers=None):
        """(status, JSON of the answer, its headers)"""
        kind = http.client.HTTPSConnection if context else http.client.HTTPConnection
        connection = kind("127.0.0.1", port or gateway.http_port, timeout=harness.PATIENCE,
                          **({"context": context} if context else {}))
        headers = {"Content-Type": "application/json", **(headers or {})}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None,
                               headers)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None, answer.headers
        finally:
            connection.close()

    def check(self, gateway, token, address, partner="acme", **more):
        return self.ask(gateway, token, body={"recipient": address, "partner": partner,
                                              "channel": "email"}, **more)

    # ---- tokens

    def test_life_of_a_token(self):
        gateway = self.gate()
        yes, no = self.person(gateway), self.address(gateway)
        token = self.token(gateway, "crm")
        self.assertEqual(len(token), TEXT)
        status, answer, _ = self.check(gateway, token, yes)
        self.assertEqual((status, answer["verdict"], answer["reason"]), (200, "pass", "CONSENT"))
        status, answer, _ = self.check(gateway, token, no)
        self.assertEqual((status, answer["verdict"], answer["reason"]),
                         (200, "block", "NO_CONSENT"))
        row = records(gateway, "check")[-1]
        self.assertEqual((row["id"], row["who"], row["partner"], row["answer"]),
                         (answer["ref"], "token crm", "acme", "NO_CONSENT"))
        # The same as the command says, and a withdrawal counts with the next question.
        shown = json.loads(gateway.cli("consent", "show", yes, "--partner", "acme", "--channel",
                                       "email", "--format", "json"))
        status, answer, _ = self.ask(gateway, token, body={
            "recipient": yes, "partner": "acme", "channel": "email", "explain": True})
        for key in ("recipient", "verdict", "reason", "event", "policy", "form", "rules"):
            self.assertEqual(answer[key], shown[key], key)
        gateway.cli("consent", "withdraw", yes)
        self.assertEqual(self.check(gateway, token, yes)[1]["reason"], "WITHDRAWN")
        # A name is taken while its token is good; a revoked one counts no more from then on.
        gateway.cli("token", "add", "crm", "--scope", "check", expect=1)
        gateway.cli("token", "revoke", "crm")
        status, problem, headers = self.check(gateway, token, yes)
        self.assertEqual(status, 401)
        self.assertIn("invalid_token", headers["WWW-Authenticate"])
        renewed = self.token(gateway, "crm")
        self.assertEqual(self.check(gateway, renewed, no)[0], 200)
        listed = [json.loads(line) for line in
                  gateway.cli("token", "list", "--format", "json").splitlines()]
        self.assertEqual([row["state"] for row in listed], ["revoked", "good"])
        self.assertEqual([row["act"] for row in records(gateway) if row["act"] != "check"],
                         ["token.add", "token.revoke", "token.add"])
        everywhere = "".join(file.read_bytes().decode("latin-1")
                             for file in gateway.state.rglob("*") if file.is_file())
        self.assertNotIn(token[24:], everywhere + gateway.log())
        gateway.verify()

    def test_all_that_is_not_good_is_told_alike(self):
        gateway = self.gate()
        person = self.address(gateway)
        good = self.token(gateway, "good")
        short = self.token(gateway, "short", "--expires", "1 s")
        revoked = self.token(gateway, "revoked")
        gateway.cli("token", "revoke", "revoked")
        expires = next(json.loads(line) for line in
                       gateway.cli("token", "list", "--format", "json").splitlines()
                       if '"short"' in line)["expires_at"]
        harness.wait_for("the token's end", lambda: harness.instant() > expires[:19] + "Z")
        problems = set()
        for token in (short, revoked, good[:-1] + ("a" if good[-1] != "a" else "b")):
            status, problem, _ = self.check(gateway, token, person)
            problem.pop("ref")
            problems.add((status, json.dumps(problem)))
        self.assertEqual(len(problems), 1, problems)
        self.assertEqual(next(iter(problems))[0], 401)
        self.assertEqual(self.check(gateway, good, person)[0], 200)  # at home here, not held up
        self.assertEqual(len(records(gateway, "check")), 1)

    def test_a_partner_s_token_concerns_that_partner(self):
        gateway = self.gate()
        person = self.person(gateway)
        token = self.token(gateway, "acme", "--partner", "acme")
        self.assertEqual(self.check(gateway, token, person)[0], 200)
        for other in ("beta", "nobody"):
            status, problem, _ = self.check(gateway, token, person, partner=other)
            self.assertEqual((status, problem["type"]),
                             (403, "urn:octroi:problem:other-partner"))
        self.assertEqual(len(records(gateway, "check")), 1)
        gateway.cli("token", "add", "x", "--scope", "persons", "--partner", "acme", expect=1)
        gateway.cli("token", "add", "x", "--scope", "check", "--partner", "nobody", expect=1)
        gateway.cli("token", "add", "x", "--scope", "chek", expect=2)
        gateway.cli("token", "add", "x", expect=2)
        poor = self.token(gateway, "poor", scope="metrics")
        self.assertEqual(self.check(gateway, poor, person)[0], 403)

    def test_made_without_a_gateway(self):
        gateway = self.gate(start=False)
        person = self.address(gateway)
        token = self.token(gateway, "early")
        gateway.start()
        self.assertEqual(self.check(gateway, token, person)[0], 200)
        self.assertEqual([row["act"] for row in records(gateway)], ["token.add", "check"])

    # ---- listeners

    def test_services_tls_and_caps(self):
        gateway = self.gate(start=False, max_body_size="1 kB", max_connections=3)
        pki = self.pki()
        certificate, key = pki.issue("localhost", "DNS:localhost,IP:127.0.0.1")
        secure, texts = harness.free_port(), harness.free_port()
        gateway.config["listeners"]["secure"] = {
            "protocol": "http", "bind": f"127.0.0.1:{secure}", "tls": "implicit",
            "certificate_file": certificate, "key_file": key, "services": ["api", "metrics"]}
        gateway.config["listeners"]["texts"] = {
            "protocol": "http", "bind": f"127.0.0.1:{texts}", "tls": "none", "services": ["sms"]}
        gateway.write_config()
        gateway.start()
        person = self.address(gateway)
        token = self.token(gateway, "crm")
        context = harness.client_context(pki.authority())
        self.assertEqual(self.check(gateway, token, person, port=secure, context=context)[0], 200)
        self.assertEqual(self.check(gateway, token, person, port=texts)[0], 404)
        self.assertEqual(self.ask(gateway, None, "/v1/messages", body={})[0], 404)
        big = {"recipient": "x" * 2000, "partner": "acme", "channel": "email"}
        connection = http.client.HTTPConnection("127.0.0.1", gateway.http_port,
                                                timeout=harness.PATIENCE)
        connection.request("POST", "/v1/check", json.dumps(big),
                           {"Authorization": f"Bearer {token}",
                            "Content-Type": "application/json"})
        self.assertEqual(connection.getresponse().status, 413)
        connection.close()
        held = [socket.create_connection(("127.0.0.1", gateway.http_port)) for _ in range(3)]
        harness.wait_for("three connections", lambda: gateway.status()["sessions"] == 3)
        self.assertEqual(self.raw_status(gateway), 503)
        for one in held:
            one.close()

    @staticmethod
    def raw_status(gateway):
        with socket.create_connection(("127.0.0.1", gateway.http_port)) as one:
            one.settimeout(harness.PATIENCE)
            return int(one.recv(4096).split()[1])

    # ---- on record before it is told

    def test_killed_between_record_and_answer(self):
        """Whatever was answered before the kill stands in the journal; the journal holds."""
        gateway = self.gate()
        token = self.token(gateway, "crm")
        people = [self.address(gateway, f"p{number}") for number in range(4)]
        told, stop = [], threading.Event()

        def client(person):
            connection = http.client.HTTPConnection("127.0.0.1", gateway.http_port,
                                                    timeout=harness.PATIENCE)
            body = json.dumps({"recipient": person, "partner": "acme", "channel": "email"})
            try:
                while not stop.is_set():
                    connection.request("POST", "/v1/check", body,
                                       {"Authorization": f"Bearer {token}",
                                        "Content-Type": "application/json"})
                    answer = connection.getresponse()
                    told.append(json.loads(answer.read())["ref"])
            except (OSError, http.client.HTTPException, ValueError):
                pass  # killed

        threads = [threading.Thread(target=client, args=(person,)) for person in people]
        for thread in threads:
            thread.start()
        harness.wait_for("some answers", lambda: len(told) > 100)
        gateway.kill9()
        stop.set()
        for thread in threads:
            thread.join()
        gateway.start()
        self.assertLessEqual(set(told), {row["id"] for row in records(gateway, "check")})
        gateway.verify()

    def test_an_end_waits_for_what_the_desk_was_given(self):
        gateway = self.gate()
        token = self.token(gateway, "officer", scope="suspensions")
        lock = sqlite3.connect(gateway.state / "registry.db", isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")  # the desk waits for it
        answers = []
        asking = threading.Thread(target=lambda: answers.append(self.ask(
            gateway, token, "/v1/suspensions",
            {"kind": "partner", "id": "acme", "reason": "a test"})))
        asking.start()
        harness.wait_for("the request", lambda: gateway.status()["requests"] == 1)
        gateway.process.send_signal(signal.SIGTERM)
        gateway.wait_log("event=draining")
        time.sleep(0.3)  # time to do it wrong
        self.assertIsNone(gateway.process.poll())
        lock.execute("ROLLBACK")
        lock.close()
        asking.join(harness.PATIENCE)
        self.assertEqual(answers[0][0], 201)
        self.assertEqual(gateway.process.wait(harness.PATIENCE), 0)
        gateway.process = None
        self.assertEqual([row["who"] for row in records(gateway, "suspend")], ["token officer"])

    def test_an_end_that_cannot_wait_still_puts_it_on_record(self):
        """Asked twice to end, with the client gone: what the desk has done by then is in the journal."""
        gateway = self.gate()
        token = self.token(gateway, "officer", scope="suspensions")
        lock = sqlite3.connect(gateway.state / "registry.db", isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        body = json.dumps({"kind": "partner", "id": "acme", "reason": "a test"})
        with socket.create_connection(("127.0.0.1", gateway.http_port)) as one:
            one.sendall((f"POST /v1/suspensions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}"
                         f"\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                         f"{body}").encode())
            harness.wait_for("the request", lambda: gateway.status()["requests"] == 1)
        gateway.process.send_signal(signal.SIGTERM)
        gateway.wait_log("event=draining")
        gateway.process.send_signal(signal.SIGTERM)
        gateway.wait_log("asked twice")
        lock.execute("ROLLBACK")
        lock.close()
        self.assertEqual(gateway.process.wait(harness.PATIENCE), 0)
        gateway.process = None
        self.assertEqual(len(records(gateway, "suspend")), 1)
        gateway.verify()

    # ---- who looked

    def test_a_person_learns_who_looked(self):
        gateway = self.gate()
        person, other = self.person(gateway), self.address(gateway)
        token = self.token(gateway, "crm")
        for _ in range(3):
            self.check(gateway, token, person)
        self.check(gateway, token, other)
        archive = self.path("archive.zip")
        gateway.cli("person", person, "--export", archive)
        with zipfile.ZipFile(archive) as parts:
            rows = list(csv.DictReader(io.StringIO(parts.read("accesses.csv").decode())))
            held = json.loads(parts.read("person.json"))
            page = parts.read("person.html").decode()
        self.assertEqual([(row["who"], row["act"], row["answer"]) for row in rows],
                         [("token crm", "check", "CONSENT")] * 3)
        self.assertEqual([row["id"] for row in held["accesses"]], [row["id"] for row in rows])
        self.assertIn("token crm", page)
        archive.unlink()

