# SPDX-License-Identifier: Apache-2.0
"""docs/openapi.yaml against the gateway: it is valid, it has all routes and no other, each asks for
the scope it says, takes the parameters it says, and the gateway serves the very file."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import api_harness
import harness

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROUTES = (ROOT / "proxy" / "api" / "routes.c").read_text()
# A path of each kind, and what is asked of it: enough to be let in.
BODIES = {
    "/v1/check": {"recipient": "x@example.org", "partner": "acme", "channel": "email"},
    "/v1/events": {"recipient": "x@example.org"},
    "/v1/identifiers": {"recipient": "x@example.org"},
    "/v1/screenings": {"partner": "acme"},
    "/v1/persons": {"recipient": "x"},
    "/v1/forms": {},
    "/v1/forms/{id}/{version}/invalidation": {},
    "/v1/suspensions": {},
    "/v1/resumptions": {},
}


def routes():
    """{(METHOD, pattern): (scope or None, parameters)}, from the source."""
    parameters = {name: re.findall(r'"(\w+)"', rest)
                  for name, rest in re.findall(r"^AT_DESK\((\w+), \w+([^)]*)\)", ROUTES, re.M)}
    found = {}
    for method, pattern, scope, handler in re.findall(
            r'ROUTE\((GET|POST), "([^"]+)", SCOPE_(\w+), (?:true|false), (\w+)\)', ROUTES):
        found[method, pattern] = (scope.lower(), parameters[handler])
    for pattern, method, rest in re.findall(r'\{"(/[^"]+)", (GET|POST), SERVICE_API, ([^}]*)\}',
                                            ROUTES):
        scope = re.search(r"SCOPE_(\w+)", rest)
        found[method, pattern] = (scope.group(1).lower() if scope else None, [])
    return found


def described():
    return {(method, re.sub(r"\{\w+\}", "*", path)): (method, path, operation)
            for (method, path), operation in api_harness.operations().items()}


def filled(path):
    return path.replace("{id}", "nothing").replace("{version}", "1")


class Description(api_harness.ApiTest):
    def test_is_valid(self):
        if shutil.which("node") is None:
            self.skipTest("there is no node")
        subprocess.run(["sh", str(ROOT / "tests/integration/install-node.sh")], check=True,
                       capture_output=True)
        done = subprocess.run(
            ["node", "-e", "require('@apidevtools/swagger-parser').validate(process.argv[1])"
             ".then(api => console.log(api.openapi), e => {console.error(e); process.exit(1)})",
             str(api_harness.DESCRIPTION)],
            cwd=ROOT / "tests/integration", capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout.strip()), (0, "3.1.0"), done.stderr)

    def test_schemas_and_examples_are_valid(self):
        def walk(part, place):
            # A comma in a text that is not quoted makes a member without a value.
            self.assertIsNotNone(part, place)
            if isinstance(part, dict):
                if "schema" in part:
                    api_harness.jsonschema.Draft202012Validator.check_schema(part["schema"])
                    if "example" in part:
                        api_harness.validate(part["schema"], part["example"], place)
                for name, below in part.items():
                    walk(below, f"{place}/{name}")
            elif isinstance(part, list):
                for below in part:
                    walk(below, place)
        for schema in api_harness.description()["components"]["schemas"].values():
            api_harness.jsonschema.Draft202012Validator.check_schema(schema)
        walk(api_harness.description(), "")

    def test_has_all_routes_and_no_other(self):
        self.assertGreater(len(routes()), 15)
        self.assertEqual(set(routes()), set(described()))
        names = [operation["operationId"] for _, _, operation in described().values()]
        self.assertEqual(len(names), len(set(names)))
        for key, (scope, parameters) in routes().items():
            method, path, operation = described()[key]
            said = [requirement["token"] for requirement in operation["security"]]
            self.assertEqual(said, [[scope]] if scope else [], path)
            if scope:
                self.assertIn(f"Scope `{scope}`", operation["description"], path)
            own = [api_harness.resolve(one) for one in operation.get("parameters", [])]
            self.assertEqual([one["name"] for one in own if one["in"] == "query"], parameters, path)
            self.assertEqual([one["name"] for one in own if one["in"] == "path"],
                             re.findall(r"\{(\w+)\}", path), path)
            self.assertEqual("requestBody" in operation, method == "POST", path)

    def test_each_asks_for_its_scope_and_its_parameters(self):
        gateway = self.gate()
        gateway.addresses.add("x@example.org")
        scopes = api_harness.SCOPES.split("|")
        for (method, pattern), (scope, _) in routes().items():
            method, path, _ = described()[method, pattern]
            body = BODIES[path] if method == "POST" else None
            target = filled(path)
            if scope is None:
                self.assertEqual(self.ask(gateway, None, method, target).status, 200)
                continue
            answer = self.ask(gateway, None, method, target, body)
            self.assertProblem(answer, 401, "unauthorized")
            self.assertIn("Bearer", answer.headers["WWW-Authenticate"])
            others = "|".join(name for name in scopes if name != scope)
            answer = self.ask(gateway, self.token(gateway, others, f"not-{scope}"), method, target,
                              body)
            self.assertProblem(answer, 403, "scope", f'"{scope}"')
            answer = self.ask(gateway, self.token(gateway, scope, scope), method, target, body)
            self.assertNotIn(answer.status, (401, 403, 405), f"{method} {path}: {answer}")
            for query in ("surprise=1", "x%40example.org=1", "%00=1", "%zz", "a=b;c=d", "=5"):
                answer = self.ask(gateway, self.token(gateway, scope, scope), method,
                                  f"{target}?{query}", body)
                self.assertProblem(answer, 400, "malformed")
            other = "POST" if method == "GET" else "GET"
            if (other, pattern) not in routes():
                answer = self.ask(gateway, self.token(gateway, scope, scope), other, target,
                                  {} if other == "POST" else None)
                self.assertEqual(answer.status, 405)
                self.assertEqual(answer.headers["Allow"], method)
        self.assertEqual(api_harness.records(gateway, "check")[1:], [])

    def test_parameters_once_and_of_their_kind(self):
        gateway = self.gate()
        token = self.token(gateway, "decisions|reports")
        for (method, pattern), (_, parameters) in routes().items():
            _, path, _ = described()[method, pattern]
            for name in parameters:
                for query in (f"{name}=1&{name}=1", f"{name}=%00", f"{name}=a%00b"):
                    self.assertProblem(self.get(gateway, token, f"{filled(path)}?{query}"), 400,
                                       "malformed", name)
                if name != "id":
                    self.assertProblem(self.get(gateway, token, f"{filled(path)}?{name}=%FF%40"),
                                       400, "malformed")

    def test_is_served_to_anybody(self):
        gateway = self.gate()
        answer = self.get(gateway, None, "/v1/openapi.yaml")
        self.assertEqual(answer.value, api_harness.DESCRIPTION.read_text())
        gateway.stop()
        gateway.start(environment={"OCTROI_OPENAPI": str(self.folder / "nothing")})
        self.assertProblem(self.get(gateway, None, "/v1/openapi.yaml"), 503, "unable")

    def test_the_guide_s_programs(self):
        """Its Python and its JavaScript, as they stand, against a gateway."""
        guide = (ROOT / "docs" / "guides" / "api.md").read_text()
        gateway = self.gate()
        yes, no = self.person(gateway), self.address(gateway)
        environment = {**os.environ, "OCTROI_TOKEN": self.token(gateway, "check|events|suspensions")}
        given = {"recipient": no, "channel": "email", "event": "given", "form": "jeu-ete@1",
                 "occurred_at": harness.instant(3600), "evidence": "click"}
        programs = {
            "python": ([sys.executable, "-"], "\n".join([
                "print([may_send(who, 'acme') for who in {people}])",
                "print([why for _, why in feed([{given}, {{**{given}, 'channel': 'fax'}}])])",
                "print(may_send({people}[1], 'acme'))"])),
            "javascript": (["node", "--input-type=module", "-"], "\n".join([
                "const people = {people};",
                "console.log(await maySend(people[0], 'acme'), await maySend(people[1], 'acme'));",
                "await withdraw(people[1], new Date().toISOString());",
                "console.log(await maySend(people[1], 'acme'));"])),
        }
        told = {}
        for language, (command, after) in programs.items():
            parts = re.findall(rf"```{language}\n(.*?)```", guide, re.S)
            self.assertEqual(len(parts), 3, language)
            # The stop comes last, as in the guide.
            text = "\n".join([*parts[:2], after.format(people=json.dumps([yes, no]),
                                                       given=json.dumps(given)), parts[2]])
            text = text.replace("https://gate.example.fr", f"http://127.0.0.1:{gateway.http_port}")
            text = text.replace("ticket-12", f"ticket of {language}")  # their JSON differs
            done = subprocess.run(command, input=text, env=environment, capture_output=True,
                                  text=True, check=False, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            told[language] = done.stdout.splitlines()
            self.assertEqual(len(api_harness.records(gateway, "suspend")), len(told))
            gateway.cli("resume", "partner", "acme", "--reason", "a test")
        self.assertEqual(told["python"], ["[True, False]", "['\"fax\" is unknown']", "True"])
        self.assertEqual(told["javascript"], ["true true", "false"])

    def test_the_guide_s_paths_are_there(self):
        """What the guide shows to be copied is what there is."""
        guide = (ROOT / "docs" / "guides" / "api.md").read_text()
        known = [api_harness.pattern_of(path) for path in api_harness.description()["paths"]]
        for path in set(re.findall(r"/v1/[a-z0-9./-]*", guide)):
            path = path.rstrip(".")
            self.assertTrue(any(one.fullmatch(path) for one in known), path)
