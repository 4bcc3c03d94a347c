# SPDX-License-Identifier: Apache-2.0
"""Requests made from docs/openapi.yaml and then spoilt in every way we know, some thousands of them:
the answer is never a 5xx, comes at once, is as described, and repeats nobody's address; the gateway
serves on, and its journal and registry hold.

OCTROI_FUZZ_REQUESTS: how many, instead of 3000. OCTROI_FUZZ_SEED: which, instead of 1."""

import http.client
import json
import os
import random
import socket
import time
import urllib.parse

import api_harness
import harness

REQUESTS = int(os.environ.get("OCTROI_FUZZ_REQUESTS", "3000"))
SEED = int(os.environ.get("OCTROI_FUZZ_SEED", "1"))
AT_ONCE = 10  # seconds; more is a hang

TEXTS = ["", " ", "x", "\t", "\n", "\0", "a\0b", "\x7f", "é", "€" * 100, "😀", "\ufeff", "\u202e",
         "\ud800", "a" * 64, "a" * 65, "a" * 256, "a" * 5000, "%s%n%x", "' OR 1=1 --", "{}", "[]",
         "null", "../../etc/passwd", "acme", "beta", "acme/news", "jeu-ete@1", "jeu-ete",
         "jeu-ete@99999999999", "@", "a@b", "@example.org", "a@" + "b." * 130 + "org",
         '"a b"@example.org', "a@[127.0.0.1]", "+33", "+" + "9" * 40, "0612345678x", "|", "a|b",
         "2026-01-31", "2026-01-31T09:30:00Z", "2026-02-30T00:00:00Z", "9999-12-31T23:59:60+14:00",
         "0000-00-00T00:00:00Z", "1e400", "-1", "0", "1", "9223372036854775808", "true"]
NUMBERS = [0, -0.0, 1, -1, 0.5, 2 ** 31, 2 ** 53, 2 ** 63 - 1, -2 ** 63, 1e308, 5e-324, 1e22]
# JSON that Python would not write.
RAW = ["1e400", "-1e400", "123456789012345678901234567890", "01", "+1", "NaN", "Infinity", "'a'",
       "tru", '"\\ud800"', '"\\u0000"', '"\\x"', '"\n"', "", "{", "}", "[[[[", "//", "\x00",
       "[" * 3000, "[" * 3000 + "]" * 3000, '{"a":' * 1000 + "1" + "}" * 1000]
MEDIA = ["text/plain", "application/json; charset=utf-16", "application/json;", "APPLICATION/JSON",
         "application/json, text/plain", "multipart/form-data; boundary=x", "",
         "application/x-www-form-urlencoded", "application/problem+json", "x" * 2000]


class Raw:
    """A place in a body that is written as it stands."""

    def __init__(self, text):
        self.text = text


def write(value):
    """JSON, with what no library would write."""
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{json.dumps(name)}:{write(one)}" for name, one in value) + "}"
    if isinstance(value, dict):
        return write(Pairs(value.items()))
    if isinstance(value, list):
        return "[" + ",".join(map(write, value)) + "]"
    return json.dumps(value)


class Pairs(list):
    """The members of an object; a name may come twice."""


class Maker:
    """Values that a schema allows, from a seed."""

    def __init__(self, chance, people):
        self.chance = chance
        self.people = people

    def known(self, name):
        """Values of members that mean something here."""
        return {
            "recipient": lambda: self.chance.choice(self.people),
            "partner": lambda: self.chance.choice(["acme", "acme", "beta", "nobody"]),
            "partners": lambda: self.chance.choice([["acme"], ["acme", "beta"], []]),
            "stream": lambda: "news",
            "form": lambda: self.chance.choice(["jeu-ete@1", "jeu-ete@2"]),
            "occurred_at": lambda: harness.instant(self.chance.randrange(10 ** 7)),
            "at": harness.instant,
            "from": lambda: "2026-01-01",
            "by": lambda: self.chance.choice(["partner,day", "form,reason", "supplier"]),
            "id": lambda: self.chance.choice(["acme", "acme/news", "jeu-ete", "crm"]),
            "version": lambda: self.chance.choice([1, 2, 3]),
            "cursor": lambda: self.chance.choice(["1.1", f"{time.time_ns() // 1000}.9"]),
            "recipients": lambda: [self.chance.choice(self.people) for _ in range(5)],
        }.get(name)

    def value(self, schema, name=None):
        schema = api_harness.resolve(schema)
        if self.known(name) and self.chance.random() < 0.9:
            return self.known(name)()
        for choice in ("oneOf", "anyOf", "enum"):
            if choice in schema:
                chosen = self.chance.choice(schema[choice])
                return chosen if choice == "enum" else self.value(chosen, name)
        kind = schema.get("type", "string")
        kind = self.chance.choice(kind) if isinstance(kind, list) else kind
        if kind == "object":
            return self.object(schema)
        if kind == "array":
            most = min(schema.get("maxItems", 4), 4)
            return [self.value(schema["items"])
                    for _ in range(self.chance.randint(schema.get("minItems", 0), most))]
        if kind == "integer":
            return self.chance.randint(schema.get("minimum", 0), schema.get("maximum", 1000))
        if kind == "boolean":
            return self.chance.random() < 0.5
        if kind == "null":
            return None
        if "pattern" in schema and "0-9a-f" in schema["pattern"]:
            return f"{self.chance.getrandbits(256):064x}"
        return "word" * self.chance.randint(1, 3)

    def object(self, schema):
        if "properties" not in schema:  # a form file
            return {**harness.FORM, "id": self.chance.choice(["jeu-ete", "autre"]),
                    "version": self.chance.randint(1, 9)}
        return {name: self.value(one, name) for name, one in schema["properties"].items()
                if name in schema.get("required", ()) or self.chance.random() < 0.5}


class Spoiler:
    """Makes of a good request one that is not."""

    def __init__(self, maker):
        self.maker = maker
        self.chance = maker.chance

    def odd(self, poison=True):
        return self.chance.choice([
            lambda: self.chance.choice(TEXTS), lambda: self.chance.choice(NUMBERS),
            lambda: Raw(self.chance.choice(RAW)), lambda: None, lambda: True, lambda: [],
            lambda: {}, lambda: [None] * 5, lambda: {"a": {"b": [1]}},
            lambda: self.chance.choice(self.maker.people) if poison else "x",
            lambda: ["acme"] * 1001, lambda: [self.chance.choice(TEXTS) for _ in range(3)]])()

    def body(self, value, poison):
        """The value, with one place in it spoilt."""
        if isinstance(value, dict) and value and self.chance.random() < 0.9:
            pairs = Pairs(value.items())
            place = self.chance.randrange(len(pairs))
            name, one = pairs[place]
            what = self.chance.randrange(6)
            if what == 0:
                del pairs[place]
            elif what == 1:
                pairs.append((name, self.odd(poison)))
            elif what == 2:
                odd = self.chance.choice(TEXTS)
                if poison and self.chance.random() < 0.3:
                    odd = self.chance.choice(self.maker.people)
                pairs.append((odd, self.odd(poison)))
            else:
                pairs[place] = (name, self.body(one, poison))
            return pairs
        if isinstance(value, list) and value and self.chance.random() < 0.8:
            place = self.chance.randrange(len(value))
            return [*value[:place], self.body(value[place], poison), *value[place + 1:]]
        return self.odd(poison)

    def text(self, text):
        """Bytes of a body, spoilt as bytes."""
        data = text.encode("utf-8", "surrogatepass")
        what = self.chance.randrange(14)
        if what == 0:
            return data[:self.chance.randrange(len(data) + 1)]
        if what == 1 and data:
            place = self.chance.randrange(len(data))
            return data[:place] + bytes([self.chance.randrange(256)]) + data[place + 1:]
        if what == 2:
            return text.encode("utf-16", "surrogatepass")
        if what == 3:
            return b"\xef\xbb\xbf" + data
        if what == 4:
            return data + self.chance.choice([b"\0", b"x", b"{}", b"  \n"])
        return data

    def field(self, value):
        if self.chance.random() < 0.5:
            return urllib.parse.quote(str(value))
        return urllib.parse.quote(self.chance.choice(
            [*TEXTS, *self.maker.people]).encode("utf-8", "surrogatepass"), safe="")


class Fuzz(api_harness.ApiTest):
    long = True
    timeout = 180 + REQUESTS // 20

    def request(self, maker, spoiler, method, path, operation):
        """(method, target, headers, body as bytes or None), good two times of five."""
        chance = maker.chance
        spoilt = chance.random() < 0.6
        headers, query = {}, []
        for parameter in map(api_harness.resolve, operation.get("parameters", [])):
            name = parameter["name"]
            value = maker.value(parameter["schema"], name)
            if isinstance(value, bool):
                value = str(value).lower()
            value = spoiler.field(value) if spoilt and chance.random() < 0.3 else \
                urllib.parse.quote(str(value), safe="")
            if parameter["in"] == "path":
                path = path.replace("{" + name + "}", value or "%00")
            elif parameter["in"] == "query" and (parameter.get("required") or chance.random() < .4):
                query.append(f"{name}={value}")
            elif parameter["in"] == "header" and chance.random() < 0.3:
                headers[name] = urllib.parse.unquote(value).encode("latin-1", "ignore") \
                    .replace(b"\n", b"").replace(b"\r", b"").replace(b"\0", b"")
        if spoilt and chance.random() < 0.1:
            query.append(chance.choice(["", "=", "a", "%", "%zz", "%00=%00", "x=" + "y" * 7000,
                                        "&" * 1500, spoiler.field("x")]))
        if spoilt and chance.random() < 0.03:
            path = chance.choice([path + "/", path + "/x", "/" + path, path.upper(), "/v1",
                                  "/v1/" + "x" * 9000, path + "%2e%2e", path.replace("v1", "v2")])
        if spoilt and chance.random() < 0.05:
            method = chance.choice(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS",
                                    "TRACE"])
        body = None
        if "requestBody" in operation and method != "HEAD":
            content = api_harness.resolve(operation["requestBody"])["content"]
            value = maker.value(content["application/json"]["schema"])
            if spoilt and chance.random() < 0.8:
                value = spoiler.body(value, poison="/forms" not in path)
            body = spoiler.text(write(value)) if spoilt else write(value).encode()
            headers["Content-Type"] = "application/json"
            if spoilt and chance.random() < 0.1:
                headers["Content-Type"] = chance.choice(MEDIA)
            if spoilt and chance.random() < 0.05:
                headers["Content-Encoding"] = chance.choice(["gzip", "identity", "x"])
        return method, path + ("?" + "&".join(query) if query else ""), headers, body

    @staticmethod
    def cut_short(gateway, chance, method, target, token, body):
        """Says how long the body is, or how it is cut, and leaves in the midst of it."""
        framing = chance.choice([f"Content-Length: {len(body) + 9}", "Content-Length: -1",
                                 "Transfer-Encoding: chunked", "Content-Length: 5\r\nContent-Length: 7",
                                 "Content-Length: 99999999999999999999"])
        if "chunked" in framing:
            body = b"%x\r\n" % chance.choice([len(body), 0xfffffff, 0]) + body + b"\r\n"
        request = (f"{method} {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
                   f"Content-Type: application/json\r\n{framing}\r\n\r\n").encode() + body
        with socket.create_connection(("127.0.0.1", gateway.http_port), AT_ONCE) as one:
            try:
                one.sendall(request[:chance.randrange(len(request))])
            except OSError:
                pass  # it may have been shown out

    def test_nothing_upsets_the_gateway(self):
        provider = self.scripted()
        gateway = self.gate(provider, policies={name: {} for name in (
            "email", "sms", "call", "autocall", "post")})
        chance = random.Random(SEED)
        people = [self.address(gateway, f"fuzzed{number}", "example.net") for number in range(20)]
        gateway.consent(*people[:10])
        gateway.import_events([{"recipient": people[0], "supplier": "crm"}])
        tokens = [self.token(gateway, api_harness.SCOPES, "fuzz")] * 5
        tokens.append(self.token(gateway, "check|events", partner="acme"))
        of_partners = {"check", "addEvents", "setIdentifier", "describe"}
        needles = [person.split("@")[0].encode() for person in people]
        maker = Maker(chance, people)
        spoiler = Spoiler(maker)
        operations = sorted(api_harness.operations().items())
        seen, connection, slowest = {}, None, 0
        for number in range(REQUESTS):
            (method, path), operation = operations[number % len(operations)]
            token = chance.choice(tokens)
            method, target, headers, body = self.request(maker, spoiler, method, path, operation)
            what = f"request {number} of seed {SEED}: {method} {target[:300]} {headers} " \
                   f"{(body or b'')[:1000]!r}"
            if chance.random() < 0.02:
                self.cut_short(gateway, chance, method, target, token, body or b"")
                continue
            if connection is None:
                connection = self.connect(gateway)
                connection.timeout = AT_ONCE
            began = time.monotonic()
            try:
                connection.putrequest(method, target)
                for name, value in {**headers, "Authorization": f"Bearer {token}"}.items():
                    connection.putheader(name, value)
                if body is not None:
                    connection.putheader("Content-Length", str(len(body)))
                connection.endheaders(body)
                answer = connection.getresponse()
                text = answer.read()
            except (http.client.HTTPException, OSError, socket.timeout) as problem:
                raise AssertionError(f"{what}: {problem!r}") from problem
            slowest = max(slowest, time.monotonic() - began)
            self.assertLess(answer.status, 500, f"{what}: {text!r}")
            if token != tokens[0] and answer.status // 100 == 2:
                self.assertIn(operation["operationId"], of_partners, what)
                self.assertNotIn(b"beta", text, what)
            if method != "HEAD":
                kind = answer.headers.get_content_type()
                try:
                    api_harness.hold_against_description(method, target, answer.status, kind, text)
                except (AssertionError, ValueError) as problem:
                    raise AssertionError(f"{what}: {problem}") from problem
            if not (target.startswith("/v1/persons") and answer.status == 200):
                for needle in needles:
                    self.assertNotIn(needle, text.lower(), what)
            key = (operation["operationId"], answer.status // 100)
            seen[key] = seen.get(key, 0) + 1
            if answer.headers.get("Connection") == "close":
                connection.close()
                connection = None
        self.assertLess(slowest, AT_ONCE)
        # It was no sham: each operation was done as well as refused.
        for (_, path), operation in operations:
            name = operation["operationId"]
            if name not in ("readDecision", "readForm"):
                self.assertGreater(seen.get((name, 2), 0), 0, (name, seen))
            self.assertGreater(seen.get((name, 4), 0), 0, (name, seen))
        self.assertEqual(self.get(gateway, tokens[0], "/v1/partners").status, 200)
        wire = self.wire(gateway)
        wire.hello()
        wire.say("MAIL FROM:<news@acme.example>", 250)
        wire.say("RCPT TO:<somebody@example.com>", 550)
        gateway.verify()
