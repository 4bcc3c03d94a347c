# SPDX-License-Identifier: Apache-2.0
"""Who enters the console, and how: over real HTTP."""
import api_harness
import console_harness
import harness


class Login(console_harness.ConsoleTest):
    def test_login_shows_and_logout_ends(self):
        gateway = self.gate()
        browser = self.browser(gateway)
        page = browser.get("/console", follow=False)
        self.assertEqual((page.status, page.location), (303, "/console/login"), page)
        page = browser.get("/console/login")
        self.assertEqual((page.status, page.title), (200, "Log in"), page)
        page = browser.log_in("compliance", follow=False)
        self.assertEqual((page.status, page.location), (303, "/console"), page)
        cookie = page.headers["Set-Cookie"]
        self.assertRegex(cookie, r"^octroi=[A-Za-z0-9_-]{43}; Path=/; HttpOnly; SameSite=Lax$")
        page = browser.get("/console")
        self.assertEqual((page.status, page.title), (200, "Overview"), page)
        self.assertIn("compliance", page.words)
        kept = dict(browser.cookies)
        page = browser.post("/console/logout")
        self.assertEqual((page.status, page.title), (200, "Log in"), page)
        self.assertIn("You have logged out", page.words)
        self.assertNotIn("octroi", browser.cookies)
        # What somebody has kept of it is worth nothing.
        browser.cookies = kept
        page = browser.get("/console")
        self.assertIn("Your session has ended", page.words)
        self.assertEqual(
            [(row["who"], row["act"], row["subject"], row["answer"])
             for row in api_harness.records(gateway) if row["who"] != "command"],
            [("user compliance", "user.login", None, "done"),
             ("user compliance", "user.logout", None, "done")])
