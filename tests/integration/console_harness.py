# SPDX-License-Identifier: Apache-2.0
"""The console as a browser sees it, without one: cookies kept, forms sent with what they carry.

    gateway = self.gate()                          # with a user of each role, named after it
    officer = self.log_in(gateway, "compliance")
    page = officer.get("/console/blocked?partner=acme")
    page = officer.post("/console/suspensions", {"kind": "partner", "id": "acme", "reason": "x"})

post() carries the token of the last page that had one, says where it comes from, and follows the
redirect behind it, as a browser does.
"""
import html
import http.client
import os
import pathlib
import re
import urllib.parse

import harness

SOURCES = pathlib.Path(__file__).resolve().parents[2]
ROLES = ("reader", "compliance", "administrator")
PASSWORD = "a password of some length"


class Page:
    """What was answered."""

    def __init__(self, path, response, body):
        self.path = path  # where it came from, after redirects
        self.status = response.status
        self.headers = response.headers
        self.location = response.headers.get("Location")
        self.body = body
        self.text = body.decode(errors="replace")  # the markup

    @property
    def words(self):
        """What a reader sees, in one line."""
        seen = re.sub(r"(?s)<(head|script|style)\b.*?</\1>", " ", self.text)
        return " ".join(html.unescape(re.sub(r"(?s)<[^>]*>", " ", seen)).split())

    @property
    def title(self):
        found = re.search(r"(?s)<h1>(.*?)</h1>", self.text)
        return " ".join(html.unescape(re.sub("<[^>]*>", "", found[1])).split()) if found else None

    @property
    def csrf(self):
        found = re.search(r'name="csrf" value="([^"]+)"', self.text)
        return found[1] if found else None

    def __repr__(self):
        return f"{self.path}: {self.status} {self.location or ''} {self.words[:1500]}"


class Browser:
    def __init__(self, port, address="127.0.0.1", headers=None, context=None, source=None):
        self.port = port
        self.address = address
        self.scheme = "https" if context else "http"  # as the reader's browser sees it
        self.context = context  # of TLS; None: in clear
        self.source = (source, 0) if source else None  # the address it comes from
        self.headers = headers or {}  # sent with everything, such as a balancer's
        self.cookies = {}
        self.token = None  # of the last page that had a form
        self.host = f"gate.test:{port}"

    @property
    def origin(self):
        return f"{self.scheme}://{self.host}"

    def _connection(self):
        options = {"timeout": harness.PATIENCE, "source_address": self.source}
        if self.context is None:
            return http.client.HTTPConnection(self.address, self.port, **options)
        return http.client.HTTPSConnection(self.address, self.port, context=self.context, **options)

    def _keep(self, response):
        for field in response.headers.get_all("Set-Cookie") or []:
            pair, *attributes = [part.strip() for part in field.split(";")]
            name, value = pair.split("=", 1)
            if "Max-Age=0" in attributes:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value

    def ask(self, method, path, body=None, **headers):
        """One request, one answer. A header of None is not sent."""
        sent = {"Host": self.host, **self.headers}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        connection = self._connection()
        try:
            connection.request(method, path, body,
                               {name: value for name, value in sent.items() if value is not None})
            response = connection.getresponse()
            page = Page(path, response, response.read())
        finally:
            connection.close()
        self._keep(response)
        self.token = page.csrf or self.token
        return page

    def _follow(self, page, **headers):
        for _ in range(5):
            if page.status not in (302, 303):
                return page
            page = self.ask("GET", page.location, **headers)
        raise AssertionError(f"redirects without end: {page}")

    def get(self, path, follow=True, **headers):
        page = self.ask("GET", path, **headers)
        return self._follow(page, **headers) if follow else page

    def post(self, path, fields=None, follow=True, csrf=None, **headers):
        """csrf: another token; "": none. Origin and Sec-Fetch-Site as of the console's own page,
        unless given."""
        token = self.token if csrf is None else csrf
        fields = {**({"csrf": token} if token else {}), **(fields or {})}
        headers.setdefault("Origin", self.origin)
        headers.setdefault("Sec_Fetch_Site", "same-origin")
        headers.setdefault("Content_Type", "application/x-www-form-urlencoded")
        page = self.ask("POST", path, urllib.parse.urlencode(fields), **headers)
        return self._follow(page) if follow else page

    def log_in(self, name, password=PASSWORD, follow=True, **fields):
        return self.post("/console/login", {"name": name, "password": password, **fields},
                         follow=follow)


class ConsoleTest(harness.IntegrationTest):
    def gate(self, provider=None, start=True, listener=None, users=ROLES, **config):
        """As gateway(), with a user of each role and gateway.http_port. listener: more of it."""
        gateway = self.gateway(provider, start=False, **config)
        gateway.http_port = harness.free_port()
        gateway.config["listeners"]["web"] = {
            "protocol": "http", "bind": f"127.0.0.1:{gateway.http_port}", "tls": "none",
            "services": ["console"], **(listener or {})}
        gateway.config["providers"].setdefault("smarthost",
                                               harness.smtp_provider(harness.free_port()))
        gateway.write_config()
        for role in users:
            self.add_user(gateway, role, role)
        if start:
            self.start(gateway)
            if provider is not None:
                gateway.warm()
        return gateway

    def start(self, gateway):
        # The style sheet and the scripts as they stand in the sources.
        return gateway.start(environment={"OCTROI_CONSOLE": os.fspath(SOURCES / "console")})

    def add_user(self, gateway, name, role, password=PASSWORD):
        """password None: by single sign-on."""
        gateway.cli("user", "add", name, "--role", role,
                    *(["--single-sign-on"] if password is None else []),
                    input=None if password is None else password + "\n")

    def browser(self, gateway, **options):
        """In English, unless headers say otherwise."""
        headers = {"Accept-Language": "en", **options.pop("headers", {})}
        return Browser(gateway.http_port, headers=headers, **options)

    def log_in(self, gateway, name="compliance", password=PASSWORD, **options):
        browser = self.browser(gateway, **options)
        page = browser.log_in(name, password)
        if page.status != 200 or page.path.startswith("/console/login"):
            raise AssertionError(f"{name} could not log in: {page}")
        return browser
