# SPDX-License-Identifier: Apache-2.0
"""GET /metrics: Prometheus itself reads it, in both formats; its figures are those of `octroi log`;
nobody from elsewhere reads it without a token; and what the dashboard and the alerts ask for is
there."""

import http.client
import json
import pathlib
import re
import subprocess
import urllib.parse

from prometheus_client.openmetrics.parser import text_string_to_metric_families

import harness
import sms_harness

ROOT = pathlib.Path(__file__).resolve().parents[2]
MONITORING = ROOT / "docs" / "monitoring"
OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"
CLASSIC = "text/plain; version=0.0.4; charset=utf-8"
# What Prometheus makes itself.
OF_PROMETHEUS = {"up"}


def families(text):
    """OpenMetrics by the strict parser of Prometheus' own library: {sample name: [(labels, value)]}."""
    samples = {}
    for family in text_string_to_metric_families(text):
        if not family.documentation:
            raise AssertionError(f"{family.name} has no HELP")
        for sample in family.samples:
            samples.setdefault(sample.name, []).append((sample.labels, sample.value))
    return samples


def total(samples, name, **labels):
    return sum(value for found, value in samples.get(name, [])
               if all(found.get(key) == wanted for key, wanted in labels.items()))


class Prometheus:
    """Debian's Prometheus in a folder of its own, scraping one gateway every second."""

    def __init__(self, folder, target, rules=None):
        self.port = harness.free_port()
        folder.mkdir()
        config = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                  "scrape_configs": [{"job_name": "octroi",
                                      "static_configs": [{"targets": [target]}]}]}
        if rules:
            config["rule_files"] = [str(rules)]
        (folder / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
        self.log = open(folder / "log", "wb")
        self.process = harness.spawn(
            ["prometheus", f"--config.file={folder}/prometheus.yml",
             f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{self.port}",
             "--web.console.templates=", "--web.console.libraries="],
            stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, cwd=folder)

    def ask(self, path, **parameters):
        """The data of an answer of its interface; None while it does not answer."""
        if self.process.poll() is not None:
            raise AssertionError(f"Prometheus ended with {self.process.returncode}")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
            answer = connection.getresponse()
            return json.load(answer)["data"] if answer.status == 200 else None
        except OSError:
            return None
        finally:
            connection.close()

    def value(self, query):
        data = self.ask("query", query=query)
        return float(data["result"][0]["value"][1]) if data and data["result"] else None

    def wait_value(self, query, wanted):
        harness.wait_for(f"{query} to be {wanted}", lambda: self.value(query) == wanted, pause=0.2)

    def stop(self):
        harness.end(self.process)
        self.log.close()


class MetricsTest(harness.IntegrationTest):
    def watched(self, provider, web=None, **config):
        """A gateway whose metrics can be scraped, and the port for that."""
        gateway = self.gateway(provider, start=False, **config)
        gateway.metrics_port = harness.free_port()
        gateway.config["listeners"]["watch"] = {
            "protocol": "http", "bind": f"127.0.0.1:{gateway.metrics_port}", "tls": "none",
            "services": ["metrics"], **(web or {})}
        gateway.write_config()
        gateway.start()
        return gateway.warm()

    def ask(self, gateway, accept=None, method="GET", path="/metrics", **headers):
        """(status, media type, text)"""
        connection = http.client.HTTPConnection("127.0.0.1", gateway.metrics_port, timeout=30)
        if accept:
            headers["Accept"] = accept
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, answer.getheader("Content-Type"), text

    def scrape(self, gateway):
        status, media, text = self.ask(gateway, "application/openmetrics-text")
        self.assertEqual((status, media), (200, OPEN))
        self.assertTrue(text.endswith("# EOF\n"))
        return families(text)

    def wait_all(self, gateway):
        """How far the index is, is known once it was looked at."""
        harness.wait_for("all metrics", lambda: "octroi_journal_index_lag_rows" in
                         self.scrape(gateway))

    def send(self, gateway, recipients, refused=()):
        """One mail to recipients, and to those that are refused at RCPT."""
        sender = self.address(gateway, "news", "acme.example")
        wire = self.wire(gateway)
        wire.hello()
        wire.say(f"MAIL FROM:<{sender}>", 250)
        for recipient in recipients:
            wire.say(f"RCPT TO:<{recipient}>", 250)
        for recipient in refused:
            self.assertIn(wire.say(f"RCPT TO:<{recipient}>")[0], (550, 451))
        if recipients:
            wire.say("DATA", 354)
            wire.send(harness.message(sender) + b".\r\n")
            self.assertEqual(wire.reply()[0], 250)
        wire.say("QUIT", 221)

    # -- formats

    def test_both_formats_are_read_by_others(self):
        gateway = self.watched(self.scripted())
        yes, no = self.person(gateway), self.address(gateway, "no")
        self.send(gateway, [yes], [no])
        self.wait_all(gateway)
        status, media, text = self.ask(gateway)
        self.assertEqual((status, media), (200, CLASSIC))
        self.assertNotIn("# EOF", text)
        lint = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                              capture_output=True)
        self.assertEqual((lint.returncode, lint.stdout, lint.stderr), (0, "", ""))
        classic = {line.split(" ")[0] for line in text.splitlines() if not line.startswith("#")}
        status, media, text = self.ask(gateway, "application/openmetrics-text;version=1.0.0,"
                                                "text/plain;version=0.0.4;q=0.5,*/*;q=0.1")
        self.assertEqual((status, media), (200, OPEN))
        families(text)
        # The same series, whichever is asked for: who changes scrapers loses none.
        self.assertEqual(classic, {line.split(" ")[0] for line in text.splitlines()
                                   if not line.startswith("#")})
        self.assertEqual(self.ask(gateway, "text/plain")[1], CLASSIC)
        self.assertEqual(self.ask(gateway, "text/plain;q=0.2,application/openmetrics-text;q=0.1")[1],
                         CLASSIC)
        status, media, text = self.ask(gateway, method="HEAD")
        self.assertEqual((status, text), (200, ""))
        self.assertEqual(self.ask(gateway, method="POST", path="/metrics")[0], 405)

    def test_prometheus_scrapes_and_answers(self):
        gateway = self.watched(self.scripted())
        yes, no = self.person(gateway), self.address(gateway, "no")
        self.send(gateway, [yes], [no])
        prometheus = Prometheus(self.path("prometheus"), f"127.0.0.1:{gateway.metrics_port}",
                                MONITORING / "octroi-alerts.yml")
        self.addCleanup(prometheus.stop)
        prometheus.wait_value('up{job="octroi"}', 1)
        prometheus.wait_value('octroi_decisions_total{verdict="pass",reason="CONSENT",'
                              'partner="acme",channel="email",effect="passed"}', 1)
        prometheus.wait_value('octroi_decisions_total{verdict="block"}', 1)
        # It asked for OpenMetrics: only that knows the type of an info, and units.
        known = prometheus.ask("targets/metadata", metric="octroi_build")
        self.assertEqual([each["type"] for each in known], ["info"])
        known = prometheus.ask("targets/metadata", metric="octroi_decision_duration_seconds")
        self.assertEqual([(each["type"], each["unit"]) for each in known],
                         [("histogram", "seconds")])
        quantile = prometheus.value(
            'histogram_quantile(0.9, sum by (le) (octroi_decision_duration_seconds_bucket))')
        self.assertTrue(0 < quantile < 60, quantile)
        alerts = harness.wait_for("the rules to be evaluated", lambda: (
            lambda data: data and all(rule["health"] == "ok" for group in data["groups"]
                                      for rule in group["rules"]) and data)(
                                          prometheus.ask("rules")), pause=0.2)
        self.assertEqual([rule["name"] for rule in alerts["groups"][0]["rules"]
                          if rule["state"] == "firing"], [])

    # -- figures

    def test_counts_are_those_of_the_log(self):
        provider = self.scripted()
        gateway = self.watched(provider)
        people = [self.person(gateway) for _ in range(4)]
        self.send(gateway, people[:2], [self.address(gateway, "no") for _ in range(3)])
        sender = self.address(gateway, "news", "acme.example")
        wire = self.wire(gateway)
        wire.hello()
        for person, answer, told in ((people[2], "554 5.7.1 no", 554), (people[3], harness.Drop, 451)):
            provider.script["."] = answer
            wire.say(f"MAIL FROM:<{sender}>", 250)
            wire.say(f"RCPT TO:<{person}>", 250)
            wire.say("DATA", 354)
            wire.send(harness.message(sender) + b".\r\n")
            self.assertEqual(wire.reply()[0], told)
        rows = gateway.wait_rows(7)
        samples = self.scrape(gateway)
        counted = {}
        for row in rows:
            key = tuple(row[name] for name in ("partner", "channel", "verdict", "reason", "effect"))
            counted[key] = counted.get(key, 0) + 1
        self.assertEqual(counted, {
            tuple(labels[name] for name in ("partner", "channel", "verdict", "reason", "effect")):
            value for labels, value in samples["octroi_decisions_total"]})
        self.assertEqual(sum(counted.values()), 7)
        self.assertEqual(total(samples, "octroi_decision_duration_seconds_count", channel="email"), 7)
        for outcome, wanted in (("accepted", 1), ("refused", 1), ("unknown", 1), ("failed", 0)):
            self.assertEqual(total(samples, "octroi_provider_messages_total", provider="smarthost",
                                   outcome=outcome), wanted)
        # An answer that was lost took no time.
        self.assertEqual(total(samples, "octroi_provider_answer_duration_seconds_count",
                               provider="smarthost"), 2)
        self.assertEqual(total(samples, "octroi_provider_breaker", provider="smarthost"), 1)
        self.assertEqual(total(samples, "octroi_provider_breaker", state="closed"), 1)
        # Three refusals and the rows of three mails were waited for.
        self.assertEqual(total(samples, "octroi_journal_wait_seconds_count"), 6)
        self.assertEqual(total(samples, "octroi_sessions", listener="watch"), 1)
        self.assertEqual(total(samples, "octroi_journal_failing"), 0)
        harness.wait_for("the index to be even", lambda: self.scrape(gateway).get(
            "octroi_journal_index_lag_rows") == [({}, 0)])
        harness.wait_for("status to say so, too",
                         lambda: gateway.status()["journal"]["index_lag"] == 0)
        status = gateway.status()
        samples = self.scrape(gateway)
        self.assertEqual(total(samples, "octroi_config_info", version=status["config"]["version"]),
                         1)
        self.assertGreaterEqual(total(samples, "octroi_journal_rows_total"),
                                status["journal"]["rows"])
        self.assertGreater(total(samples, "octroi_http_requests_total", service="metrics",
                                 status="2xx"), 1)
        self.assertGreater(total(samples, "process_resident_memory_bytes"), 1 << 20)
        self.assertGreater(total(samples, "process_open_fds"), 5)
        self.assertGreater(total(samples, "process_cpu_seconds_total"), 0)

    def test_a_provider_that_is_away_and_a_reload(self):
        provider = self.scripted()
        gateway = self.watched(provider)
        self.send(gateway, [self.person(gateway)])
        provider.stop()

        def out():
            self.send(gateway, [], [self.person(gateway)])
            return total(self.scrape(gateway), "octroi_provider_breaker", state="closed") == 0
        harness.wait_for("the breaker to open", out)
        self.assertGreaterEqual(total(self.scrape(gateway), "octroi_provider_failed_attempts"), 3)
        self.assertEqual(total(self.scrape(gateway), "octroi_config_last_reload_successful"), 1)
        before = total(self.scrape(gateway), "octroi_decisions_total")
        text = gateway.file.read_text()
        gateway.write_config(text + "nonsense = 1;\n")
        gateway.reload(good=False)
        self.assertEqual(total(self.scrape(gateway), "octroi_config_last_reload_successful"), 0)
        loaded = total(self.scrape(gateway), "octroi_config_last_reload_success_timestamp_seconds")
        gateway.config["providers"]["smarthost"]["connections"] = 3
        gateway.write_config()
        gateway.reload()
        samples = self.scrape(gateway)
        self.assertEqual(total(samples, "octroi_config_last_reload_successful"), 1)
        self.assertGreater(total(samples, "octroi_config_last_reload_success_timestamp_seconds"),
                           loaded)
        # What was decided stays counted, and the provider that was made anew begins in service.
        self.assertEqual(total(samples, "octroi_decisions_total"), before)
        self.assertEqual(total(samples, "octroi_provider_connections_limit"), 3)

    # -- who may look

    def test_from_elsewhere_only_with_a_token(self):
        gateway = self.watched(self.scripted(), {"trusted": ["127.0.0.1"]})
        person = self.person(gateway)
        self.send(gateway, [person], [self.address(gateway, "no")])
        elsewhere = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
        good = gateway.cli("token", "add", "watch", "--scope", "metrics").strip()
        poor = gateway.cli("token", "add", "poor", "--scope", "reports").strip()
        self.assertEqual(self.ask(gateway)[0], 200)
        self.assertEqual(self.ask(gateway, **elsewhere)[0], 401)
        bearer = {"Authorization": f"Bearer {good}"}
        self.assertEqual(self.ask(gateway, **elsewhere, **bearer)[0], 200)
        self.assertEqual(self.ask(gateway, **{"X-Forwarded-For": "203.0.113.7",
                                              "X-Forwarded-Proto": "http"}, **bearer)[0], 403)
        self.assertEqual(self.ask(gateway, **elsewhere, Authorization=f"Bearer {poor}")[0], 403)
        wrong = good[:-1] + ("a" if good[-1] != "a" else "b")
        self.assertEqual(self.ask(gateway, **elsewhere, Authorization=f"Bearer {wrong}")[0], 401)
        slow = gateway.cli("token", "add", "slow", "--scope", "metrics", "--rate", "1").strip()
        answers = []

        def over_its_rate():
            answers.append(self.ask(gateway, **elsewhere, Authorization=f"Bearer {slow}")[0])
            return answers[-1] == 429
        harness.wait_for("the token to be over its rate", over_its_rate, pause=0)
        self.assertEqual(set(answers), {200, 429})
        samples = self.scrape(gateway)
        for cause, wanted in (("missing", 1), ("wrong", 1), ("clear", 1), ("scope", 1),
                              ("held", 0), ("rate", answers.count(429)), ("unchecked", 0)):
            self.assertEqual((cause, total(samples, "octroi_token_failures_total", cause=cause)),
                             (cause, wanted))
        text = self.ask(gateway)[2]
        for needle in (*gateway.addresses, "example.org", "203.0.113.7", good[-20:]):
            self.assertNotIn(needle, text)

    def test_a_listener_without_the_service_has_none(self):
        gateway = self.watched(self.scripted(), {"services": ["api"]})
        self.assertEqual(self.ask(gateway)[0], 404)

    # -- what is shipped

    def test_all_that_dashboard_and_alerts_ask_for_is_there(self):
        gateway = self.watched(self.scripted())
        self.send(gateway, [self.person(gateway)])
        self.wait_all(gateway)
        there = set(self.scrape(gateway)) | OF_PROMETHEUS
        name = re.compile(r"\b(?:octroi|process)_[a-z0-9_]+\b|\bup\b")
        dashboard = json.loads((MONITORING / "octroi-dashboard.json").read_text())
        asked = [target["expr"] for panel in dashboard["panels"]
                 for target in panel.get("targets", ())]
        self.assertGreater(len(asked), 20)
        rules = (MONITORING / "octroi-alerts.yml").read_text()
        asked.append("\n".join(re.findall(r"expr:(?: [^|].*| \|\n(?:          .*\n)+)", rules)))
        for text in asked:
            found = set(name.findall(text))
            self.assertTrue(found, text)
            self.assertEqual(found - there, set(), text)
        self.assertEqual(len(re.findall(r"expr:", asked[-1])), rules.count("alert:"))

    def test_the_queries_of_the_dashboard_are_queries(self):
        """promtool reads each of them as the expression of a rule."""
        dashboard = json.loads((MONITORING / "octroi-dashboard.json").read_text())
        places = [panel["gridPos"] for panel in dashboard["panels"]]
        self.assertTrue(all(place["x"] + place["w"] <= 24 for place in places))
        queries = [target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*")
                   for panel in dashboard["panels"] for target in panel.get("targets", ())]
        file = self.path("queries")
        file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": [
            {"record": f"query{i}", "expr": query} for i, query in enumerate(queries)]}]}))
        done = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(f"{len(queries)} rules found", done.stdout)

    def test_each_alert_fires_when_it_should(self):
        rules = MONITORING / "octroi-alerts.yml"
        cases = ROOT / "tests" / "monitoring" / "octroi-alerts.test.yml"
        for command in (["check", "rules", rules], ["test", "rules", cases]):
            done = subprocess.run(["promtool", *command], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        text = cases.read_text()
        for alert in re.findall(r"alert: (\w+)", rules.read_text()):
            self.assertRegex(text, rf"alertname: {alert}\n\s+exp_alerts:\n\s+- exp_labels",
                             "has no case in which it fires")
            self.assertRegex(text, rf"alertname: {alert}, exp_alerts: \[\]",
                             "has no case in which it does not")



class MetricsOfSmsTest(sms_harness.SmsTest):
    def test_sms_are_counted_as_the_log_has_them(self):
        smsc = self.smsc()
        gateway = self.sms_gateway(smsc, start=False)
        gateway.config["listeners"]["web"]["services"] = ["sms", "metrics"]
        gateway.write_config()
        gateway.start()
        smsc.wait("the gateway's bind", lambda e: e["event"] == "pdu" and
                  e["command"].startswith("bind_"))
        self.assertEqual(self.send(gateway, self.number(gateway)).status, 202)
        self.assertEqual(self.send(gateway, self.number(gateway, consent=False)).status, 403)
        gateway.wait_rows(2)
        answer = self.http(gateway, "GET", "/metrics", headers={"Accept": OPEN})
        self.assertEqual(answer.status, 200)
        samples = families(answer.body.decode())
        self.assertEqual(total(samples, "octroi_decisions_total", channel="sms", verdict="pass",
                               effect="passed", reason="CONSENT"), 1)
        self.assertEqual(total(samples, "octroi_decisions_total", channel="sms", verdict="block",
                               effect="refused", reason="NO_CONSENT"), 1)
        self.assertEqual(total(samples, "octroi_decision_duration_seconds_count", channel="sms"), 2)
        self.assertEqual(total(samples, "octroi_provider_answer_duration_seconds_count",
                               provider="aggregator"), 1)
        self.assertEqual(total(samples, "octroi_http_requests_total", service="sms",
                               status="2xx"), 1)
        self.assertEqual(total(samples, "octroi_http_requests_total", service="sms",
                               status="4xx"), 1)
        self.assertEqual(total(samples, "octroi_http_request_duration_seconds_count",
                               service="sms"), 2)
