# SPDX-License-Identifier: Apache-2.0
"""A gateway whose console has something to show: a made-up past (examples/history), users of each
role, and what tests in a browser look for in it (tests/browser/browser.mjs: a world's data)."""

import json
import pathlib
import re
import shutil
import subprocess

import harness

EXAMPLES = pathlib.Path(__file__).resolve().parent.parent.parent / "examples"
BROWSER = pathlib.Path(__file__).resolve().parent.parent / "browser"
USERS = {"reader": "lecture", "compliance": "claire", "administrator": "admin"}
PASSWORD = "a long password"


def history_path(quick=False):
    """quick: the plain build's, where there is one, for whom the past is but a beginning."""
    program = (quick and harness.plain_path()) or harness.octroi_path()
    return pathlib.Path(program).parent / "examples" / "history"


class Console:
    """Does not start the gateway: a test may change its configuration before."""

    def __init__(self, folder, rows=2500, days=45, hostile=True, **options):
        self.port = harness.free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.gate = harness.Gateway(folder, include=["conf.d/*.conf"], partners={}, **options)
        self.gate.config["listeners"]["web"] = {
            "protocol": "http", "bind": f"127.0.0.1:{self.port}", "tls": "none",
            "services": ["console", "api", "unsubscribe", "metrics"]}
        self.gate.config["public_url"] = self.base
        (self.gate.folder / "conf.d").mkdir()
        shutil.copy(EXAMPLES / "partners.conf", self.gate.folder / "conf.d")
        self.gate.write_config()
        self.past = self._fill(rows, days, hostile)
        self.users = {}
        for role, name in USERS.items():
            self.gate.cli("user", "add", name, "--role", role, input=PASSWORD + "\n")
            self.users[role] = {"name": name, "password": PASSWORD}

    def _fill(self, rows, days, hostile):
        command = [history_path(quick=True), "--config", self.gate.file, "--rows", str(rows), "--days", str(days)]
        done = subprocess.run([*command, *(["--hostile"] if hostile else [])], capture_output=True,
                              text=True, env=harness.sanitizer_environment())
        if done.returncode != 0:
            raise AssertionError(f"history: {done.stderr}")
        return done.stdout

    def start(self):
        self.gate.start(environment={"OCTROI_CONSOLE": str(EXAMPLES.parent / "console")})
        return self

    def people(self):
        """What history says of some: {"withdrew": address, …}."""
        found = {what: address for address, what in re.findall(r"^  (\S+@\S+) \((.*)\)$", self.past, re.M)}
        return {what.replace(", ", " ").replace(" ", "_"): address for what, address in found.items()}

    def decision(self, rows, **wanted):
        """The newest decision with these values."""
        for row in reversed(rows):
            if all(row[key] == value for key, value in wanted.items()):
                return row
        raise AssertionError(f"no decision has {wanted}")

    def data(self):
        """What tests look for."""
        rows = self.gate.log_rows()
        return {
            "people": self.people(),
            "blocked": {reason: self.decision(rows, reason=reason)["id"]
                        for reason in ("WITHDRAWN", "UNPROVEN", "PARTNER_ADDED_LATER", "SUSPENDED")},
            "person": self.decision(rows, reason="WITHDRAWN")["recipient_key"],
            "passed": self.decision(rows, reason="CONSENT", outcome="accepted")["id"],
            "partner": "armor-voyages", "observed": "maison-vaubrun", "suspended": "credit-horizon",
            "form": {"id": "grand-jeu", "version": 2}, "supplier": "data-ouest",
        }

    def world(self, screens=None):
        return {"base": self.base, "users": self.users, "data": self.data(),
                "screens": str(screens) if screens else None}


def run_browser(world, *names, timeout=600):
    """Runs these tests of tests/browser; what they print."""
    done = subprocess.run(["node", BROWSER / "run.mjs", *names], input=json.dumps(world), text=True,
                          capture_output=True, timeout=timeout)
    if done.returncode != 0:
        raise AssertionError(f"{done.stdout}\n{done.stderr}")
    return done.stdout


def list_browser():
    """The names of all tests of tests/browser, by their file's: {"pages": [...], "acts": [...]}."""
    done = subprocess.run(["node", BROWSER / "run.mjs", "--list"], capture_output=True, text=True, check=True)
    files = {}
    for line in done.stdout.splitlines():
        file, name = line.split()
        files.setdefault(file, []).append(name)
    return files
