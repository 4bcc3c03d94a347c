# SPDX-License-Identifier: Apache-2.0
"""A gateway with the interface for programs, and a client that holds each answer it gets against
docs/openapi.yaml."""

import functools
import http.client
import json
import pathlib
import re

import jsonschema
import yaml

import harness

DESCRIPTION = pathlib.Path(__file__).resolve().parents[2] / "docs" / "openapi.yaml"
SCOPES = "check|events|screen|decisions|persons|reports|forms|suspensions|metrics"


@functools.lru_cache(maxsize=1)
def description():
    # Moments in examples stay the texts they are.
    class Loader(yaml.SafeLoader):
        pass
    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith("timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()}
    return yaml.load(DESCRIPTION.read_text(), Loader)


def resolve(part):
    while isinstance(part, dict) and "$ref" in part:
        found = description()
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        part = found
    return part


@functools.lru_cache(maxsize=1)
def operations():
    """{(METHOD, pattern): operation}"""
    return {(method.upper(), path): operation
            for path, methods in description()["paths"].items()
            for method, operation in methods.items()}


@functools.lru_cache(maxsize=None)
def pattern_of(path):
    return re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)))


def operation_of(method, target):
    path = target.split("?")[0]
    for (its, pattern), operation in operations().items():
        if its == method and pattern_of(pattern).fullmatch(path):
            return operation
    return None


FORMATS = jsonschema.FormatChecker(())
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


@FORMATS.checks("date-time")
def is_moment(text):
    return not isinstance(text, str) or MOMENT.fullmatch(text) is not None


@functools.lru_cache(maxsize=None)
def validator_of(key):
    """key: JSON text of a schema"""
    schema = {**json.loads(key), "components": description()["components"]}
    return jsonschema.Draft202012Validator(schema, format_checker=FORMATS)


def validate(schema, value, what):
    errors = list(validator_of(json.dumps(schema, sort_keys=True)).iter_errors(value))
    if errors:
        raise AssertionError(f"{what} is not as described: {errors[0].json_path}: "
                             f"{errors[0].message[:500]}")


def hold_against_description(method, target, status, kind, body):
    """Raises unless this answer is one that docs/openapi.yaml has for this request. body: bytes."""
    what = f"{method} {target}: {status} {body[:600]!r}"
    operation = operation_of(method, target)
    if operation is None:
        response = description()["components"]["responses"]["Problem"]
    else:
        responses = operation["responses"]
        if status // 100 == 2 and str(status) not in responses:
            raise AssertionError(f"{what}: no such status is described")
        response = resolve(responses.get(str(status), responses["default"]))
    media = response["content"].get(kind)
    if media is None:
        raise AssertionError(f"{what}: {kind} is not described")
    value = body.decode() if kind == "application/yaml" else json.loads(body)
    validate(media["schema"], value, what)
    if status // 100 != 2 and value["status"] != status:
        raise AssertionError(f"{what}: the problem is of another status")
    return value


def records(gateway, act=None):
    """The journal's access records, as they stand in its files, oldest first."""
    lines = []
    for segment in sorted((gateway.state / "journal").glob("*.seg")):
        lines += segment.read_bytes().split(b"\n")
    rows = [json.loads(line.split(b" ", 2)[2]) for line in lines
            if b'{"type":"access"' in line and line.endswith(b"}")]
    return [row for row in rows if act is None or row["act"] == act]


class Answer:
    def __init__(self, status, value, headers):
        self.status = status
        self.value = value
        self.headers = headers

    def __getitem__(self, key):
        return self.value[key]

    @property
    def problem(self):
        return self.value["type"].removeprefix("urn:octroi:problem:")

    def __repr__(self):
        return f"{self.status} {json.dumps(self.value)[:1000]}"


class ApiTest(harness.IntegrationTest):
    environment = {"OCTROI_OPENAPI": str(DESCRIPTION)}

    def gate(self, provider=None, start=True, listener=None, **config):
        """With partners acme (streams news, service) and beta, and tokens: {scope: token}."""
        gateway = self.gateway(start=False, **config)
        gateway.http_port = harness.free_port()
        gateway.config["listeners"]["web"] = {
            "protocol": "http", "bind": f"127.0.0.1:{gateway.http_port}", "tls": "none",
            "services": ["api"], **(listener or {})}
        gateway.config["providers"]["smarthost"] = (
            provider.provider() if provider else harness.smtp_provider(harness.free_port()))
        gateway.config["partners"]["beta"] = {"name": "Beta", "streams": {}}
        gateway.write_config()
        gateway.tokens = {}
        if start:
            gateway.start(environment=self.environment)
            if provider:
                gateway.warm()
        return gateway

    def token(self, gateway, scope, name=None, partner=None):
        name = name or f"{scope.split('|')[0]}{'-' + partner if partner else ''}"
        key = (scope, name, partner)
        if key not in gateway.tokens:
            more = ["--partner", partner] if partner else []
            gateway.tokens[key] = gateway.cli("token", "add", name, "--scope", scope, *more).strip()
        return gateway.tokens[key]

    def connect(self, gateway):
        connection = http.client.HTTPConnection("127.0.0.1", gateway.http_port,
                                                timeout=harness.PATIENCE)
        self.addCleanup(connection.close)
        return connection

    def ask(self, gateway, token, method, target, body=None, key=None, connection=None, **headers):
        """The answer, which is as docs/openapi.yaml says. body: what becomes JSON, or bytes."""
        own = connection is None
        connection = connection or self.connect(gateway)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
            if not isinstance(body, bytes):
                body = json.dumps(body).encode()
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if key is not None:
            headers["Idempotency-Key"] = key
        connection.request(method, target, body, headers)
        response = connection.getresponse()
        text = response.read()
        if own:
            connection.close()
        value = hold_against_description(method, target, response.status,
                                         response.headers.get_content_type(), text)
        return Answer(response.status, value, response.headers)

    def get(self, gateway, token, target, **more):
        return self.ask(gateway, token, "GET", target, **more)

    def post(self, gateway, token, target, body, **more):
        return self.ask(gateway, token, "POST", target, body, **more)

    def assertProblem(self, answer, status, problem, says=""):
        self.assertEqual((answer.status, answer.problem), (status, problem), answer)
        self.assertIn(says, answer["detail"])
        return answer
