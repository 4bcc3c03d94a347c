# SPDX-License-Identifier: Apache-2.0
"""What a script relies on: exit codes, formats, standard input, where the configuration is looked
for, and that the examples people copy do load."""

import csv
import io
import json
import os
import pathlib
import shutil
import subprocess

import harness

EXAMPLE = """\
hostname   = "gate.example.fr"
public_url = "https://gate.example.fr"     # for links and signed URLs
state_dir  = "state"
registry   = "sqlite"                      # or a postgresql:// URI
region     = "FR"                          # how a national phone number is read

listeners: {
    submission: { protocol = "smtp"  bind = "127.0.0.1:2525"  tls = "none" }     # none|optional
    smtps:      { protocol = "smtp"  bind = "0.0.0.0:465"  tls = "implicit"  certificate_file = "tls.pem"  key_file = "tls.key" }
    smpp:       { protocol = "smpp"  bind = "127.0.0.1:2775"  tls = "none" }
    web:        { protocol = "http"  bind = "127.0.0.1:8080"  tls = "none"  services = [ "sms" ] }
}

providers: {
    smarthost:  { adapter = "smtp"  host = "127.0.0.1"  port = 2526  tls = "none"  connections = 64
                  connect_timeout = "10 s"  reply_timeout = "30 s"  final_timeout = "10 min" }
    aggregator: { adapter = "smpp"  host = "127.0.0.1"  port = 2776  tls = "none"  system_id = "gate"  password_file = "smpp.pass"
                  connections = 2  window = 100 }
}

partners: {
    acme: {
        name = "ACME Voyages SAS"
        siren = "123456782"
        categories = [ "travel" ]
        mode = "enforce"                       # enforce|observe|discard
        streams: {
            news: {
                channel = "email"              # email|sms
                class = "prospecting"          # prospecting|service
                providers = [ "smarthost" ]    # in order of preference
                senders = [ "acme.example", ".mail.acme.example" ]   # exact domains, or subdomains
                sector = ""                    # for example "cpf", "energy-renovation"
                unsubscribe = "off"            # email: off|add|require
                rate = 0                       # messages a second, 0 = no limit
                accounts: {
                    acme-news: { password = "HASH" }              # the name is the login
                    acme-lan:  { networks = [ "10.1.0.0/16" ] }
                    acme-mta:  { certificate_sha256 = "PRINT" }
                }
            }
        }
    }
}

policies: {
    email: { accept = [ "consent" ]  partner_naming = "named"  partner_added_later = "block"  stale_after = "3 years"  banned_sectors = [ "cpf" ] }
    sms:   { accept = [ "consent" ]  hours = [ "08:00-21:30" ]  days = "mon-sat"  holidays = "FR"  timezone = "Europe/Paris"  stop_mention = "off" }
    call:  { accept = [ "consent" ] }          # also autocall and post; used by screening
}
"""
SMS = """
providers: {
    api: { adapter = "http"  template = "./api.conf"  url = "https://api.example/v1" }
    other: { adapter = "http"  template = "./api.conf"  username = "acme"  settings = [ "sender=ACME" ] }
}
"""
LATER = """
listeners: {
    console: { protocol = "http"  bind = "127.0.0.1:8081"  tls = "none"  services = [ "sms", "console" ] }
}
partners: { acme: { streams: { news: { accounts: {
    acme-a-name-of-more: { password = "HASH" } } }
    promo: { channel = "sms"  providers = [ "smarthost", "aggregator" ]  senders = [ "ACME" ]  accounts: {
        acme-promo-of-france: { password = "HASH" }
    } } } } }
"""
FORM = {
    "id": "jeu-ete", "version": 3, "collector": {"name": "Leads SARL", "siren": "987654321"},
    "channels": ["email", "sms"], "language": "fr", "display": "link", "url": "https://…",
    "wording": "J'accepte de recevoir …", "effective_from": "2026-01-01T00:00:00Z",
    "partners": ["acme", "beta"], "partner_categories": [], "purposes": ["receipt", "transmission"],
    "artefacts": [{"name": "form.png", "sha256": "0" * 64}],
}
READING = (["form", "list"], ["form", "show", "jeu-ete@1"], ["consent", "show", "x@example.org"],
           ["log"], ["verify"])


class CommandLine(harness.IntegrationTest):
    def idle(self, **config):
        return self.gateway(start=False, providers={
            "smarthost": harness.smtp_provider(harness.free_port())}, **config)

    def run_bare(self, *arguments, **environment):
        return subprocess.run([harness.octroi_path(), *map(str, arguments)], text=True,
                              capture_output=True, stdin=subprocess.DEVNULL,
                              env={**harness.sanitizer_environment(), **environment})

    def test_wrong_usage_is_2_and_names_the_usage(self):
        gateway = self.idle()
        for words in ([], ["bogus"], ["form"], ["form", "bogus"], ["--bogus"], ["log", "--bogus"],
                      ["log", "--format", "xml"], ["log", "--limit", "many"], ["log", "extra"],
                      ["log", "--verdict", "maybe"], ["log", "--channel", "fax"],
                      ["log", "--reason", "nonsense"], ["log", "--since", "yesterday"],
                      ["form", "add"], ["form", "show", "jeu-ete"], ["form", "invalidate", "a@1"],
                      ["consent", "import"], ["consent", "show"], ["consent", "withdraw"],
                      ["consent", "show", "x@example.org", "--partner", "acme"],
                      ["consent", "record", "x@example.org", "--event", "given"],
                      ["suspend", "partner"], ["suspend", "partner", "acme"],
                      ["suspend", "planet", "x", "--reason", "r"], ["init"], ["serve", "now"]):
            with self.subTest(words):
                done = gateway.cli_full(*words)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertIn("octroi", done.stderr)

    def test_what_could_not_be_done_is_1(self):
        gateway = self.idle()
        for words in (["form", "show", "none@1"], ["form", "add", "/nonexistent"],
                      ["form", "invalidate", "none@1", "--reason", "r"],
                      ["consent", "import", "/nonexistent"], ["consent", "show", "junk"],
                      ["consent", "show", "x@example.org", "--partner", "nobody", "--channel",
                       "email"],
                      ["consent", "withdraw", "x@example.org", "--partner", "nobody"],
                      ["suspend", "partner", "nobody", "--reason", "r"],
                      ["suspend", "form", "none", "--reason", "r"],
                      ["resume", "partner", "acme", "--reason", "r"], ["status"],
                      ["init", gateway.folder]):
            with self.subTest(words):
                done = gateway.cli_full(*words)
                self.assertEqual(done.returncode, 1, done.stdout)
                self.assertTrue(done.stderr)

    def test_where_the_configuration_is(self):
        gateway = self.idle()
        other = {**os.environ, "OCTROI_CONF": str(gateway.file)}
        self.assertEqual(self.run_bare("check-config", **other).returncode, 0)
        wrong = self.run_bare("-c", "/nonexistent", "check-config", **other)
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("/nonexistent", wrong.stderr)
        behind = self.run_bare("log", "-c", str(gateway.file))
        self.assertEqual(behind.returncode, 2)
        self.assertIn("before the command", behind.stderr)

    def test_formats(self):
        gateway = self.idle()
        gateway.consent("x@example.org")
        gateway.addresses.clear()  # the domain is nobody's
        for words in READING:
            with self.subTest(words):
                for line in gateway.cli(*words, "--format", "json").splitlines():
                    self.assertIsInstance(json.loads(line), dict)
                text = gateway.cli(*words, "--format", "csv")
                rows = list(csv.reader(io.StringIO(text, newline="")))
                self.assertEqual({len(row) for row in rows}, {len(rows[0])}, rows)
                self.assertEqual(gateway.cli(*words), gateway.cli(*words, "--format", "table"))

    def test_standard_input(self):
        gateway = self.idle()
        gateway.cli("form", "add", "-", input=json.dumps(FORM))
        header = ",".join(harness.CSV_HEADER)
        done = gateway.cli_full("consent", "import", "-", input=f"{header}\nx,y\n")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"(?m)^standard input:2: ")
        self.assertRegex(gateway.password("correct horse"), r"^\$y\$")
        for empty in ("", "\n"):
            self.assertEqual(gateway.cli_full("password", input=empty).returncode, 1)

    def test_form_of_the_documentation(self):
        gateway = self.idle()
        file = self.path("form.json")
        file.write_text(json.dumps(FORM))
        gateway.cli("form", "add", file)
        self.assertEqual(json.loads(gateway.cli("form", "show", "jeu-ete@3", "--format", "json")),
                         FORM)
        gateway.cli("form", "add", file)  # the same again changes nothing
        self.assertEqual(len(gateway.cli("form", "list", "--format", "json").splitlines()), 1)
        file.write_text(json.dumps({**FORM, "wording": "other words"}))
        gateway.cli("form", "add", file, expect=1)
        file.write_text(json.dumps({**FORM, "version": 4, "surprise": 1}))
        gateway.cli("form", "add", file, expect=1)

    def test_a_version_that_would_cost_consents_needs_force(self):
        gateway = self.idle()
        gateway.add_form()
        gateway.import_events([
            {"recipient": "early@example.org", "occurred_at": "2025-05-31T23:59:59Z"},
            {"recipient": "moment@example.org", "occurred_at": "2025-06-01T00:00:00Z"},
            {"recipient": "late@example.org", "occurred_at": "2025-07-01T00:00:00Z"},
            {"recipient": "late@example.org", "occurred_at": "2025-07-02T00:00:00Z",
             "event": "withdrawn", "form": ""}])
        second = {**harness.FORM, "version": 2, "effective_from": "2025-06-01T00:00:00Z"}

        def add(form, *options):
            return gateway.cli_full("form", "add", "-", *options, input=json.dumps(form))
        done = add(second)
        self.assertEqual(done.returncode, 1)
        self.assertIn("jeu-ete@1 would be in use until 2025-06-01T00:00:00Z only: 2 consents given "
                      "on it later would no longer pass; add --force to take", done.stderr)
        self.assertEqual(len(gateway.cli("form", "list", "--format", "json").splitlines()), 1)
        done = add({**second, "effective_from": "2025-06-01T00:00:01Z"})
        self.assertIn(": 1 consent given", done.stderr)
        # Nothing to lose, then nothing to ask; a version in between costs what the later left.
        third = {**second, "version": 3, "effective_from": "2025-08-01T00:00:00Z"}
        done = add(third)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("jeu-ete@1 is in use until 2025-08-01T00:00:00Z\n", done.stdout)
        self.assertEqual(add(second).returncode, 1)
        done = add(second, "--force")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("jeu-ete@1 is in use until 2025-06-01T00:00:00Z\n", done.stdout)
        done = add(second)  # the same again changes nothing
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("in use until", done.stdout)
        shown = gateway.cli("consent", "show", "moment@example.org", "--partner", "acme",
                            "--channel", "email")
        self.assertIn("UNPROVEN", shown)

    def test_configuration_of_the_documentation(self):
        gateway = self.idle()
        pki = self.pki()
        certificate, key = pki.issue("gate.example.fr")
        shutil.copy(certificate, gateway.folder / "tls.pem")
        shutil.copy(key, gateway.folder / "tls.key")
        (gateway.folder / "tls.key").chmod(0o600)
        (gateway.folder / "smpp.pass").write_text("s3cret78\n")
        (gateway.folder / "smpp.pass").chmod(0o600)
        text = EXAMPLE.replace("HASH", gateway.password("secret")).replace("PRINT", "ab" * 32)
        gateway.write_config(text)
        self.assertIn("4 listeners, 2 providers, 1 partner, 1 stream, 3 accounts",
                      gateway.cli("check-config"))
        (gateway.folder / "api.conf").write_text("any")
        (gateway.folder / "sms.conf").write_text(SMS)
        gateway.write_config(text + 'include = [ "sms.conf" ]\n')
        listed = {row["provider"]: row for row in map(json.loads, gateway.cli(
            "provider", "list", "--format", "json").splitlines())}
        self.assertEqual([(name, row["adapter"], row["endpoint"], row["tls"], row["username"])
                          for name, row in sorted(listed.items())],
                         [("aggregator", "smpp", "127.0.0.1:2776", "none", "gate"),
                          ("api", "http", "https://api.example/v1", "implicit", None),
                          ("other", "http", f"{gateway.folder}/./api.conf", None, "acme"),
                          ("smarthost", "smtp", "127.0.0.1:2526", "none", None)])
        later = LATER.replace("HASH", gateway.password("secret"))
        (gateway.folder / "later.conf").write_text(later)
        gateway.write_config(text + 'include = [ "later.conf" ]\n')
        done = gateway.cli_full("check-config")
        self.assertEqual(done.returncode, 1)
        self.assertNotIn("later.conf:3", done.stderr)
        # What SMPP has no room for is said of who would log in by it, and of nobody else.
        self.assertNotIn("later.conf:6", done.stderr)
        self.assertRegex(done.stderr, r"later.conf:7: .*\"smarthost\" carries no sms")
        self.assertRegex(done.stderr, r"later.conf:8: .*acme-promo-of-france: .* 15 characters")
        (gateway.folder / "smpp.pass").write_text("s3cret789\n")
        gateway.write_config(text)
        done = gateway.cli_full("check-config")
        self.assertRegex(done.stderr, r"octroi.conf:\d+: .*password_file: .* 8 characters")
        self.assertNotIn("s3cret", done.stderr)
        (gateway.folder / "smpp.pass").write_text("s3cret78\n")
        (gateway.folder / "tls.key").chmod(0o644)
        gateway.write_config(text)
        done = gateway.cli_full("check-config")
        self.assertRegex(done.stderr, r"octroi.conf:9: listeners.smtps.key_file: .*0644")
        gateway.write_config()

    def test_mistakes_in_a_template_are_named_there(self):
        gateway = self.idle()
        good = gateway.file.read_text()
        (gateway.folder / "api.conf").write_text('about = "mine"\nrequst: { }\n')
        (gateway.folder / "http.conf").write_text(
            'providers: { api: { adapter = "http"  template = "api.conf" } }\n')
        gateway.write_config(good + 'include = [ "http.conf" ]\n')
        done = gateway.cli_full("check-config")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"api.conf:2: requst: ")
        self.assertIn("octroi: provider api: ", done.stderr)
        gateway.write_config(good)
        gateway.cli("check-config")

    def test_configuration_errors_are_all_named(self):
        gateway = self.idle()
        good = gateway.file.read_text()
        gateway.write_config('surprise = 1;\nregion = "Mars";\n' + good)
        done = gateway.cli_full("check-config")
        self.assertEqual(done.returncode, 1)
        for finding in ("octroi.conf:1: surprise: unknown key", "octroi.conf:2: region: ",
                        "2 errors"):
            self.assertIn(finding, done.stderr)
        gateway.write_config(good + 'hostname = "twice.test";\n')
        self.assertRegex(gateway.cli_full("check-config").stderr, r"octroi.conf:\d+: ")
        gateway.write_config(good + "stray: {\n")
        self.assertRegex(gateway.cli_full("check-config").stderr, r"octroi.conf:\d+: syntax")
        gateway.write_config(good)

    def test_includes(self):
        gateway = self.idle()
        folder = gateway.folder / "conf.d"
        folder.mkdir()
        gateway.write_config(gateway.file.read_text() + 'include = [ "conf.d/*.conf" ];\n')
        (folder / "b.conf").write_text('policies: { sms: { stale_after = "1 year" } }\n')
        (folder / "a.conf").write_text(
            'providers: { second: { adapter = "capture" directory = "mail" } }\n')
        self.assertIn("2 providers", gateway.cli("check-config"))
        (folder / "c.conf").write_text('\nhostname = "other.test"\n')
        self.assertRegex(gateway.cli_full("check-config").stderr,
                         r"conf.d/c.conf:2: hostname: .*octroi.conf:\d+")
        (folder / "c.conf").unlink()

    def test_a_folder_with_a_space(self):
        gateway = harness.Gateway(self.path("a gate"),
                                  providers={"trial": {"adapter": "capture", "directory": "mail"}},
                                  partners={"acme": harness.partner(
                                      {"news": harness.email_stream(["trial"])})})
        self.addCleanup(self.finish_gateway, gateway)
        gateway.start()
        self.assertEqual(gateway.status()["pid"], gateway.pid)


class Owner(harness.IntegrationTest):
    def test_files_stay_the_service_users(self):
        if os.geteuid() != 0:
            self.skipTest("only root can act as somebody else")
        os.chmod(self.folder, 0o755)
        home = self.path("service")
        home.mkdir()
        shutil.chown(home, "daemon", "daemon")
        gateway = harness.Gateway(home, providers={
            "trial": {"adapter": "capture", "directory": "mail"}}, partners={
                "acme": harness.partner({"news": harness.email_stream(["trial"])})})
        for each in (gateway.file, home):  # the harness, being root, wrote the file anew
            shutil.chown(each, "daemon", "daemon")
        self.addCleanup(self.finish_gateway, gateway)
        gateway.consent(self.address(gateway))
        gateway.start()
        status = pathlib.Path(f"/proc/{gateway.pid}/status").read_text()
        self.assertNotIn("\nUid:\t0\t", status)
        self.assertRegex(status, r"\nCapEff:\t0*(400)?\n")
        gateway.status()
        gateway.cli("suspend", "partner", "acme", "--reason", "stop")
        gateway.log_rows()
        gateway.verify()
        gateway.stop()
        strangers = [path for path in home.rglob("*") if path.owner() != "daemon"]
        self.assertEqual(strangers, [])
