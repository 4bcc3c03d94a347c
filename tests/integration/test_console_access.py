# SPDX-License-Identifier: Apache-2.0
"""Who enters the console, and how: over real HTTP."""
import html
import http.client
import re
import socket
import subprocess
import time
import urllib.parse

import api_harness
import console_harness
import harness
from console_harness import PASSWORD, ROLES
from test_faults_store import own_mounts


def acts(gateway):
    """Who did what, as the journal says; of commands nothing."""
    return [(row["who"], row["act"], row["subject"], row["answer"])
            for row in api_harness.records(gateway) if row["who"] != "command"]


class Access(console_harness.ConsoleTest):
    def assertOut(self, page):
        """Whoever asks for a page is sent to the login page, and sees nothing of it."""
        self.assertEqual(page.status, 303, page)
        self.assertTrue(page.location.startswith("/console/login"), page)
        self.assertEqual(page.words, "", page)

    def assertIn200(self, page, title="Overview"):
        self.assertEqual((page.status, page.title), (200, title), page)

    def assertRefused(self, page, title):
        self.assertEqual((page.status, page.title), (403, title), page)


class Login(Access):
    def test_login_shows_and_logout_ends(self):
        gateway = self.gate()
        browser = self.browser(gateway)
        page = browser.get("/console", follow=False)
        self.assertEqual((page.status, page.location), (303, "/console/login"), page)
        self.assertIn200(browser.get("/console/login"), "Log in")
        page = browser.log_in("compliance", follow=False)
        self.assertEqual((page.status, page.location), (303, "/console"), page)
        self.assertRegex(page.headers["Set-Cookie"],
                         r"^octroi=[A-Za-z0-9_-]{43}; Path=/; HttpOnly; SameSite=Lax$")
        page = browser.get("/console")
        self.assertIn200(page)
        self.assertIn("compliance", page.words)
        self.assertIn200(browser.get("/console/login"))
        kept = dict(browser.cookies)
        page = browser.post("/console/logout")
        self.assertIn200(page, "Log in")
        self.assertIn("You have logged out", page.words)
        self.assertNotIn("octroi", browser.cookies)
        # What somebody has kept of it is worth nothing.
        browser.cookies = kept
        self.assertOut(browser.get("/console", follow=False))
        self.assertIn("Your session has ended", browser.get("/console").words)
        self.assertEqual(acts(gateway), [("user compliance", "user.login", None, "done"),
                                         ("user compliance", "user.logout", None, "done")])

    def test_wrong_login_tells_nothing(self):
        gateway = self.gate(users=["reader"])
        self.add_user(gateway, "sso", "reader", None)
        browser = self.browser(gateway)
        seen = []
        for name, password in (("reader", PASSWORD + "x"), ("reader", PASSWORD + " "),
                               ("nobody-of-that-name", PASSWORD), ("sso", PASSWORD),
                               ("reader' OR 1=1 --", PASSWORD), ("reader", "p" * 1000)):
            browser = self.browser(gateway, source=f"127.0.0.{2 + len(seen)}")
            began = time.monotonic()
            page = browser.log_in(name, password)
            self.assertGreater(time.monotonic() - began, 0.9, name)
            self.assertEqual((page.status, page.path), (403, "/console/login"), page)
            self.assertIn("Name or password is wrong", page.words)
            self.assertEqual(browser.cookies, {})
            seen.append(page.text.replace(f'value="{name}"', "").replace(
                f'value="{name.replace(chr(39), "&#39;")}"', ""))
        self.assertEqual(len(set(seen)), 1)
        # Upper case and blanks around the name are slips.
        self.assertIn200(self.browser(gateway).log_in(" Reader "))
        # On record are those of users there are, one a minute; nobody's typing is.
        self.assertEqual(acts(gateway), [("user reader", "user.login", None, "refused"),
                                         ("user reader", "user.login", None, "done")])
        self.assertEqual(gateway.ask_status()["refusals"]["auth_failed"], 6)
        gateway.stop()
        self.assertNotIn("nobody-of-that-name", gateway.log())

    def test_a_kept_connection_is_its_users(self):
        """The time to log in ends the connection of who has not, and of nobody else."""
        gateway = self.gate(users=["reader"], listener={"login_timeout": "2 s"})
        browser = self.log_in(gateway, "reader")
        known = http.client.HTTPConnection("127.0.0.1", gateway.http_port, timeout=harness.PATIENCE)
        stranger = http.client.HTTPConnection("127.0.0.1", gateway.http_port, timeout=harness.PATIENCE)
        self.addCleanup(known.close)
        self.addCleanup(stranger.close)
        cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())

        def ask(connection, path, **headers):
            connection.request("GET", path, headers={"Host": browser.host, **headers})
            response = connection.getresponse()
            response.read()
            return response.status
        self.assertEqual(ask(known, "/console", Cookie=cookie), 200)
        self.assertEqual(ask(stranger, "/console/login"), 200)
        socket = stranger.sock
        self.assertEqual(socket.recv(1), b"")  # ended, after two seconds
        gateway.wait_log("not logged in in time")
        kept = known.sock
        self.assertEqual(ask(known, "/console", Cookie=cookie), 200)
        self.assertIs(known.sock, kept)

    def test_what_is_missing_is_said(self):
        gateway = self.gate(users=["reader"])
        browser = self.browser(gateway)
        for name, password in (("", ""), ("reader", ""), ("", PASSWORD)):
            page = browser.log_in(name, password)
            self.assertEqual(page.status, 422, page)
            self.assertIn("Type your name and your password", page.words)
        page = browser.post("/console/login", {"name": "<script>alert(1)</script>"})
        self.assertNotIn("<script>alert", page.text)
        self.assertIn("&lt;script&gt;alert(1)", page.text)

    def test_login_leads_to_where_one_wanted_and_nowhere_else(self):
        gateway = self.gate(users=["administrator"])
        browser = self.browser(gateway)
        page = browser.get("/console/users?a=%3C%22&b=2", follow=False)
        self.assertEqual(page.location, "/console/login?to=%2Fconsole%2Fusers%3Fa%3D%253C%2522%26b%3D2")
        page = browser.get(page.location)
        wanted = html.unescape(re.findall(r'name="to" value="([^"]*)"', page.text)[-1])
        page = browser.log_in("administrator", follow=False, to=wanted)
        self.assertEqual(page.location, "/console/users?a=%3C%22&b=2")
        for elsewhere in ("//evil.example", "https://evil.example/console", "/\\evil.example",
                          "/consolee", "/console/\\evil", "javascript:alert(1)", "/console\r\nX: y",
                          "/console/login?to=x", "/console/logout", "/console/" + "a" * 3000):
            page = browser.log_in("administrator", follow=False, to=elsewhere)
            self.assertEqual((page.status, page.location), (303, "/console"), elsewhere)

    def test_each_login_has_a_secret_of_its_own(self):
        gateway = self.gate(users=["reader"])
        browser = self.browser(gateway)
        planted = "A" * 43
        browser.cookies["octroi"] = planted
        self.assertIn200(browser.log_in("reader"))
        first = browser.cookies["octroi"]
        self.assertNotEqual(first, planted)
        self.assertIn200(browser.log_in("reader"))
        self.assertNotEqual(browser.cookies["octroi"], first)
        # The one before has ended.
        browser.cookies["octroi"] = first
        self.assertOut(browser.get("/console", follow=False))
        browser.cookies["octroi"] = planted
        self.assertOut(browser.get("/console", follow=False))

    def test_guessing_is_held_back(self):
        gateway = self.gate(users=["reader"], drain_timeout="1 s")
        body = urllib.parse.urlencode({"name": "reader", "password": "wrong"}).encode()
        head = (f"POST /console/login HTTP/1.1\r\nHost: gate.test:{gateway.http_port}\r\n"
                "Sec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                f"Content-Length: {len(body)}\r\n\r\n").encode()
        status = lambda: gateway.ask_status()["refusals"]
        for n in range(1, 11):
            # Nobody waits for the answer: it counts all the same.
            with socket.create_connection(("127.0.0.1", gateway.http_port)) as guess:
                guess.sendall(head + body)
                harness.wait_for("the guess to be looked at",
                                 lambda: status()["auth_failed"] + status()["auth_held"] >= n)
        self.assertGreaterEqual(status()["auth_failed"], 10)
        # From now on this address is looked at every half minute, right or wrong.
        page = self.browser(gateway).log_in("reader")
        self.assertEqual((page.status, page.headers["Retry-After"]), (429, "30"), page)
        self.assertIn("Wait for 30 seconds", page.words)
        # Whoever comes from elsewhere is not.
        self.log_in(gateway, "reader", source="127.0.0.2")


    def test_nobody_comes_in_unrecorded(self):
        own_mounts()
        gateway = self.gate(users=["reader"], start=False, journal={"checkpoint_every": "1 h"})
        journal = gateway.state / "journal"
        kept = {path.name: path.read_bytes() for path in journal.iterdir()}
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", journal],
                       check=True)
        self._cleanups.insert(0, (subprocess.run, (["umount", "-l", journal],), {}))
        for name, content in kept.items():
            (journal / name).write_bytes(content)
            (journal / name).chmod(0o600)
        self.start(gateway)
        inside = self.log_in(gateway, "reader")
        filler = journal / "filler"
        with open(filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 4096)
            except OSError as problem:
                self.assertEqual(problem.errno, 28)
        page = None
        for _ in range(100):  # what is left of the last page is used up
            page = self.browser(gateway).log_in("reader", follow=False)
            if page.status != 303:
                break
        self.assertEqual((page.status, page.title),
                         (503, "This cannot be put on record now"), page)
        self.assertIsNone(page.headers["Set-Cookie"])
        self.assertEqual(inside.post("/console/logout", follow=False).status, 503)
        filler.unlink()
        harness.wait_for("the journal", lambda: self.browser(gateway).log_in(
            "reader", follow=False).status == 303, timeout=5)


class Sessions(Access):
    def test_forged_secrets(self):
        gateway = self.gate(users=["reader"])
        browser = self.log_in(gateway, "reader")
        good = browser.cookies["octroi"]
        for forged in ("", "x", good[:-1], good + "A", good[::-1], "%00" + good[3:],
                       good.swapcase(), "'" * 43, "a" * 5000):
            browser.cookies["octroi"] = forged
            self.assertOut(browser.get("/console", follow=False))
        # Two that differ: nobody can say which is meant.
        browser.cookies = {}
        for cookie in (f"octroi={good}; octroi={forged}", f"octroi={forged}; octroi={good}"):
            self.assertOut(browser.get("/console", follow=False, Cookie=cookie))
        self.assertIn200(browser.get("/console", Cookie=f"a=b; octroi={good} ;c=d"
                                     .replace(" ;", ";")))

    def test_idle_sessions_end(self):
        gateway = self.gate(users=["reader"], console={"session_idle": "2 s"})
        busy = self.log_in(gateway, "reader")
        idle = self.log_in(gateway, "reader")
        until = time.monotonic() + 3.5
        while time.monotonic() < until:
            self.assertIn200(busy.get("/console"))
            time.sleep(0.1)
        self.assertOut(idle.get("/console", follow=False))
        self.assertIn200(busy.get("/console"))
        # What is sent afterwards is not done, and that is said.
        page = idle.post("/console/logout")
        self.assertIn("what you sent was not done", page.words)

    def test_sessions_end_however_busy(self):
        gateway = self.gate(users=["reader"], console={"session_most": "3 s"})
        browser = self.log_in(gateway, "reader")
        began = time.monotonic()
        harness.wait_for("the session to end",
                         lambda: browser.get("/console", follow=False).status == 303)
        self.assertGreater(time.monotonic() - began, 1.5)
        self.assertOut(browser.get("/console", follow=False))

    def test_sessions_survive_a_restart(self):
        gateway = self.gate(users=["reader"])
        browser = self.log_in(gateway, "reader")
        page = browser.get("/console")
        gateway.stop()
        self.start(gateway)
        self.assertIn200(browser.get("/console"))
        # And so do the forms of a page that was open.
        self.assertIn200(browser.post("/console/logout", csrf=page.csrf), "Log in")

    def test_changes_of_a_user_count_at_once(self):
        gateway = self.gate(users=["reader", "administrator"])
        other = self.log_in(gateway, "administrator")

        def changed(*command, input=None):
            browser = self.log_in(gateway, "reader")
            gateway.cli("user", *command, input=input)
            self.assertOut(browser.get("/console", follow=False))
            page = browser.post("/console/logout", follow=False)
            self.assertOut(page)

        changed("log-out", "reader")
        changed("role", "reader", "--role", "compliance")
        self.assertIn("compliance", self.log_in(gateway, "reader").get("/console").words)
        changed("password", "reader", input="another of some length\n")
        self.assertEqual(self.browser(gateway).log_in("reader").status, 403)
        self.assertIn200(self.browser(gateway).log_in("reader", "another of some length"))
        browser = self.log_in(gateway, "reader", "another of some length")
        gateway.cli("user", "remove", "reader")
        self.assertOut(browser.get("/console", follow=False))
        self.assertEqual(self.browser(gateway).log_in("reader", "another of some length").status,
                         403)
        self.assertIn200(other.get("/console"))
        self.assertEqual([(row["act"], row["subject"])
                          for row in api_harness.records(gateway) if row["who"] == "command"],
                         [("user.add", "reader"), ("user.add", "administrator"),
                          ("user.log-out", "reader"), ("user.role", "reader"),
                          ("user.password", "reader"), ("user.remove", "reader")])
        gateway.verify()


class Forms(Access):
    def ended(self, victim):
        return victim.get("/console", follow=False).status == 303

    def test_tokens_of_forms(self):
        gateway = self.gate()
        victim = self.log_in(gateway, "reader")
        admin = self.log_in(gateway, "administrator")
        again = self.log_in(gateway, "administrator")
        for browser in (admin, again, victim):
            browser.get("/console")
        act = {"name": "reader"}
        for token in ("", "x", again.token, victim.token, admin.token[:-1],
                      admin.token.upper(), admin.cookies["octroi"]):
            page = admin.post("/console/users", act, csrf=token)
            self.assertRefused(page, "This form is too old")
            self.assertFalse(self.ended(victim), token)
        # In the address it is no more than elsewhere, and a GET does nothing.
        page = admin.get(f"/console/users?name=reader&csrf={admin.token}")
        self.assertIn200(page, "Users")
        self.assertFalse(self.ended(victim))
        page = admin.post("/console/users", act)
        self.assertIn200(page, "Users")
        self.assertIn("logged out everywhere", page.words)
        self.assertTrue(self.ended(victim))
        self.assertIn(("user administrator", "user.log-out", "reader", "done"), acts(gateway))

    def test_forms_from_elsewhere(self):
        gateway = self.gate(public_url="https://gate.example.fr/octroi")
        victim = self.log_in(gateway, "reader")
        admin = self.log_in(gateway, "administrator")
        admin.get("/console")
        act = {"name": "reader"}
        here = admin.origin
        for origin, site in ((None, None), ("https://evil.example", None), ("null", None),
                             (None, "cross-site"), (None, "same-site"), (None, "none"),
                             (here, "cross-site"), ("https://evil.example", "same-origin"),
                             ("https://gate.test", None), ("http://gate.test", None),
                             (here + ".evil.example", None), (here + "/", None),
                             ("https://" + admin.host, None), ("https://gate.example", None),
                             ("https://gate.example.fr.evil.example", None),
                             ("http://gate.example.fr", None), ("http://", None), ("", "")):
            page = admin.post("/console/users", act, Origin=origin, Sec_Fetch_Site=site)
            self.assertRefused(page, "This form came from elsewhere")
            page = self.browser(gateway).post(
                "/console/login", {"name": "reader", "password": PASSWORD}, Origin=origin,
                Sec_Fetch_Site=site)
            self.assertRefused(page, "This form came from elsewhere")
            self.assertFalse(self.ended(victim), (origin, site))
        for origin, site in ((here, None), (None, "same-origin"), (here, "same-origin"),
                             ("https://gate.example.fr", "same-origin")):
            victim = self.log_in(gateway, "reader")
            page = admin.post("/console/users", act, Origin=origin, Sec_Fetch_Site=site)
            self.assertIn200(page, "Users")
            self.assertTrue(self.ended(victim))

    def test_what_is_no_form(self):
        gateway = self.gate(users=["administrator"])
        admin = self.log_in(gateway, "administrator")
        admin.get("/console")
        for media in ("application/json", "text/plain", "multipart/form-data; boundary=x"):
            page = admin.post("/console/users", {"name": "administrator"}, Content_Type=media)
            self.assertEqual(page.status, 415, media)
        self.assertIn200(admin.get("/console"))


class Roles(Access):
    def test_what_each_role_may_see(self):
        gateway = self.gate()
        for role in ROLES:
            browser = self.log_in(gateway, role)
            page = browser.get("/console")
            self.assertIn200(page)
            self.assertEqual("/console/users" in page.text, role == "administrator")
            self.assertEqual('href="/console/persons"' in page.text, role == "compliance")
            page = browser.get("/console/users")
            done = browser.post("/console/users", {"name": "nobody"})
            if role == "administrator":
                self.assertIn200(page, "Users")
                self.assertEqual(done.status, 404)
            else:
                self.assertRefused(page, "This is not for your role")
                self.assertRefused(done, "This is not for your role")
                self.assertNotIn("Last seen", page.words)

    def test_users_are_listed(self):
        gateway = self.gate(users=["administrator"])
        self.add_user(gateway, "sso", "compliance", None)
        self.add_user(gateway, "gone", "reader")
        gateway.cli("user", "remove", "gone")
        page = self.log_in(gateway, "administrator").get("/console/users")
        self.assertRegex(page.words, r"administrator administrator password .* Log out everywhere")
        self.assertRegex(page.words, r"gone reader removed never")
        self.assertRegex(page.words, r"sso compliance officer single sign-on never")


class SingleSignOn(Access):
    def gate(self, trusted=("127.0.0.1",), **config):
        gateway = super().gate(listener={"trusted": list(trusted)},
                               console={"identity_header": "Remote-User"}, **config)
        self.add_user(gateway, "marie", "administrator", None)
        return gateway

    def signed_on(self, gateway, name="marie", **options):
        return self.browser(gateway, headers={"Remote-User": name}, **options)

    def test_a_trusted_balancer_says_who_it_is(self):
        gateway = self.gate()
        browser = self.signed_on(gateway)
        page = browser.get("/console")
        self.assertIn200(page)
        self.assertIn("marie administrator", page.words)
        self.assertNotIn("Log out", page.words)
        self.assertIn200(browser.get("/console/login"))
        self.assertIn200(self.signed_on(gateway, "Marie").get("/console"))
        self.assertRefused(browser.post("/console/logout"), "You cannot log out here")
        # The first visit is as good as a login; the next ones are none.
        self.assertEqual(acts(gateway), [("user marie", "user.login", None, "single-sign-on")])
        self.assertRefused(self.signed_on(gateway, "jean").get("/console"),
                           "You are not among the users of this console")
        self.assertRefused(self.signed_on(gateway, "marie@example.fr").get("/console"),
                           "You are not among the users of this console")
        # Where it says nobody one logs in.
        self.assertOut(self.browser(gateway).get("/console", follow=False))
        self.log_in(gateway, "reader")
        gateway.cli("user", "remove", "marie")
        self.assertRefused(browser.get("/console"), "You are not among the users of this console")

    def test_nobody_else_does(self):
        gateway = self.gate(trusted=["127.0.0.2"])
        self.assertOut(self.signed_on(gateway).get("/console", follow=False))
        self.assertOut(self.signed_on(gateway, source="127.0.0.3").get("/console", follow=False))
        self.assertOut(self.signed_on(gateway).get("/console", follow=False,
                                                   X_Forwarded_For="127.0.0.2"))
        self.assertIn200(self.signed_on(gateway, source="127.0.0.2").get("/console"))
        # A session of his own is not taken for somebody else's by it.
        reader = self.log_in(gateway, "reader", headers={"Remote-User": "marie"})
        self.assertIn("reader reader", reader.get("/console").words)

    def test_a_clients_trailer_is_no_balancers_header(self):
        """Some versions of evhttp put trailers behind the headers: behind a chunked body nobody is
        signed on, wherever the field stood."""
        gateway = self.gate()
        host = f"gate.test:{gateway.http_port}"
        for header, trailer in (("", "Remote-User: marie\r\n"), ("Remote-User: marie\r\n", "")):
            request = (f"POST /console/users HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n"
                       f"Content-Type: application/x-www-form-urlencoded\r\n{header}"
                       f"Transfer-Encoding: chunked\r\n\r\n6\r\nname=x\r\n0\r\n{trailer}\r\n")
            with socket.create_connection(("127.0.0.1", gateway.http_port),
                                          timeout=harness.PATIENCE) as client:
                client.sendall(request.encode())
                answer = client.recv(65536).decode()
            self.assertIn("303", answer.splitlines()[0])
            self.assertIn("Location: /console/login", answer)

    def test_forms_are_kept_apart_without_a_session(self):
        gateway = self.gate()
        self.add_user(gateway, "jeanne", "administrator", None)
        marie, jeanne = self.signed_on(gateway), self.signed_on(gateway, "jeanne")
        page = marie.get("/console/users")
        self.assertRegex(page.headers["Set-Cookie"],
                         r"^octroi-form=[0-9a-f]{64}; Path=/; HttpOnly; SameSite=Lax$")
        jeanne.get("/console/users")
        self.assertIsNone(marie.get("/console/users").headers["Set-Cookie"])
        act = {"name": "reader"}
        victim = self.log_in(gateway, "reader")

        def refused(page):
            self.assertRefused(page, "This form is too old")
            self.assertIn200(victim.get("/console"))

        token, secret = marie.token, marie.cookies["octroi-form"]
        refused(marie.post("/console/users", act, csrf=""))
        refused(marie.post("/console/users", act, csrf=jeanne.token))
        # Not even with the cookie it belongs to: it is another user's.
        refused(marie.post("/console/users", act, csrf=jeanne.token,
                           Cookie=f"octroi-form={jeanne.cookies['octroi-form']}"))
        refused(marie.post("/console/users", act, csrf=token, Cookie=None))
        refused(marie.post("/console/users", act, csrf=token, Cookie="octroi-form="))
        marie.cookies["octroi-form"] = secret
        page = marie.post("/console/users", act, csrf=token)
        self.assertIn200(page, "Users")
        self.assertOut(victim.get("/console", follow=False))


class Ways(Access):
    def test_over_tls_the_cookie_is_the_hosts_own(self):
        pki = self.pki()
        certificate, key = pki.issue("gate.test", "DNS:gate.test,IP:127.0.0.1")
        gateway = self.gate(users=["reader"], listener={
            "tls": "implicit", "certificate_file": str(certificate), "key_file": str(key)})
        browser = self.browser(gateway, context=harness.client_context(pki.authority()))
        page = browser.log_in("reader", follow=False)
        self.assertRegex(
            page.headers["Set-Cookie"],
            r"^__Host-octroi=[A-Za-z0-9_-]{43}; Path=/; HttpOnly; SameSite=Lax; Secure$")
        self.assertIn200(browser.get("/console"))
        # A cookie of the name that is taken in clear here is not taken there.
        secret = browser.cookies.pop("__Host-octroi")
        browser.cookies["octroi"] = secret
        self.assertOut(browser.get("/console", follow=False))
        browser.cookies = {"__Host-octroi": secret}
        page = browser.get("/console")
        page = browser.post("/console/logout", Origin=f"http://{browser.host}")
        self.assertRefused(page, "This form came from elsewhere")

    def test_nothing_is_shown_in_clear_to_others(self):
        gateway = self.gate(users=["reader"], listener={"trusted": ["127.0.0.1"]})
        inside = self.log_in(gateway, "reader")
        for told in ({"X_Forwarded_For": "192.0.2.7"},
                     {"X_Forwarded_For": "192.0.2.7", "X_Forwarded_Proto": "http"}):
            for page in (inside.get("/console", **told), inside.get("/console/login", **told),
                         inside.post("/console/login", {"name": "reader", "password": PASSWORD},
                                     **told)):
                self.assertRefused(page, "The console is shown over https only")
                self.assertNotIn("password", page.text)
        outside = self.browser(gateway, headers={"X-Forwarded-For": "192.0.2.7",
                                                 "X-Forwarded-Proto": "https"})
        outside.scheme = "https"
        self.assertIn200(outside.log_in("reader"))
        self.assertEqual(list(outside.cookies), ["__Host-octroi"])

    def test_nobody_else_keeps_or_frames_a_page(self):
        gateway = self.gate(users=["reader"])
        browser = self.log_in(gateway, "reader")
        for page in (browser.get("/console"), browser.get("/console/users"),
                     browser.get("/console/login", Cookie=None), browser.post("/console/users"),
                     browser.log_in("reader", ""), browser.get("/console/logout", follow=False)):
            self.assertEqual(page.headers["Cache-Control"], "no-store", page)
            self.assertEqual(page.headers["X-Content-Type-Options"], "nosniff")
            if page.headers.get_content_type() != "text/html":
                continue
            self.assertIn("frame-ancestors 'none'", page.headers["Content-Security-Policy"])
            self.assertNotIn("unsafe", page.headers["Content-Security-Policy"])
            self.assertEqual(page.headers["X-Frame-Options"], "DENY")
            self.assertEqual(page.headers["Referrer-Policy"], "same-origin")

    def test_language_is_chosen_before_anybody_is_known(self):
        gateway = self.gate(users=["reader"])
        browser = self.browser(gateway)
        page = browser.get("/console/login?to=/console/forms")
        self.assertIn('lang="en"', page.text)
        to = re.search(r'name="to" value="([^"]*)">\n<button class="quiet"', page.text)[1]
        page = browser.post("/console/language", {"language": "fr", "to": to}, follow=False)
        self.assertEqual((page.status, page.location), (303, "/console/login?to=/console/forms"))
        self.assertEqual(page.headers["Set-Cookie"],
                         "octroi_language=fr; Path=/console; HttpOnly; SameSite=Lax; "
                         f"Max-Age={365 * 24 * 3600}")
        page = browser.get(page.location)
        self.assertIn('<html lang="fr">', page.text)
        self.assertIn('<html lang="fr">', browser.log_in("reader").text)
        page = browser.post("/console/language", {"language": "de", "to": "/console"})
        self.assertEqual(page.status, 422, page)
        page = browser.post("/console/language", {"language": "en", "to": "//evil.example"},
                            follow=False)
        self.assertEqual(page.location, "/console")
        page = browser.post("/console/language", {"language": "fr", "to": "/console"},
                            Origin="https://evil.example")
        self.assertEqual(page.status, 403)
        self.assertIn('<html lang="en">', browser.get("/console").text)


SIGN_ON = """
global
    maxconn 200
defaults
    mode http
    timeout connect 10s
    timeout client 60s
    timeout server 60s
listen people
    bind 127.0.0.1:{port} ssl crt {pem}
    http-request del-header Remote-User
    http-request del-header X-Forwarded-For
    http-request set-header Remote-User %[req.cook(sso)] if {{ req.cook(sso) -m found }}
    http-request set-header X-Forwarded-Proto https
    option forwardfor
    server gate 127.0.0.1:{gate}
"""


class Haproxy(Access):
    """A real balancer that speaks TLS and has signed people in: here by a cookie of its own."""

    def haproxy(self, gateway, certificate, key):
        folder = self.path("haproxy")
        folder.mkdir()
        pem = folder / "gate.pem"
        pem.write_text(certificate.read_text() + key.read_text())
        port = harness.free_port()
        config = folder / "haproxy.cfg"
        config.write_text(SIGN_ON.format(port=port, pem=pem, gate=gateway.http_port))
        output = open(folder / "output", "wb")
        process = harness.spawn(["/usr/sbin/haproxy", "-db", "-f", config], stdout=output,
                                stderr=output)
        self.addCleanup(output.close)
        self.addCleanup(harness.end, process)

        def listens():
            if process.poll() is not None:
                raise AssertionError((folder / "output").read_text())
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0
        harness.wait_for("HAProxy", listens)
        return port

    def test_single_sign_on_and_passwords_through_it(self):
        pki = self.pki()
        gateway = self.gate(users=["reader", "administrator"],
                            listener={"trusted": ["127.0.0.1"]},
                            console={"identity_header": "Remote-User"})
        self.add_user(gateway, "marie", "administrator", None)
        port = self.haproxy(gateway, *pki.issue("gate.test", "DNS:gate.test,IP:127.0.0.1"))
        context = harness.client_context(pki.authority())

        def browser(**cookies):
            made = console_harness.Browser(port, headers={"Accept-Language": "en"},
                                           context=context, source="127.0.0.5")
            made.cookies.update(cookies)
            return made

        marie = browser(sso="marie")
        page = marie.get("/console/users")
        self.assertIn200(page, "Users")
        self.assertRegex(page.headers["Set-Cookie"], r"^__Host-octroi-form=.*; Secure$")
        reader = browser()
        self.assertIn200(reader.log_in("reader"))
        self.assertIn("__Host-octroi", reader.cookies)
        # What a client writes itself the balancer takes away.
        self.assertIn("reader reader", reader.get("/console", Remote_User="marie").words)
        self.assertOut(browser().get("/console", follow=False, Remote_User="marie"))
        self.assertIn200(marie.post("/console/users", {"name": "reader"}), "Users")
        self.assertOut(reader.get("/console", follow=False))
        page = marie.post("/console/users", {"name": "reader"}, Origin=f"http://{marie.host}")
        self.assertRefused(page, "This form came from elsewhere")
