# SPDX-License-Identifier: Apache-2.0
"""What the console's first page says of the gate itself: over real HTTP, of a gate that runs."""
import console_harness
import harness


class Health(console_harness.ConsoleTest):
    def wait_for_words(self, browser, *words):
        """Until the overview says all of these; gives the page."""
        pages = []

        def said():
            pages[:] = [browser.get("/console")]
            return all(word in pages[0].words for word in words)
        harness.wait_for(f"the overview to say {words}", said, pause=0.3)
        return pages[0]

    def verify(self, officer):
        officer.get("/console/dossier")
        officer.post("/console/dossier/verification")

    def test_a_provider_that_is_down(self):
        """Nothing listens where the smarthost should be: the gate finds out by itself."""
        gateway = self.gate()
        officer = self.log_in(gateway)
        page = self.wait_for_words(officer, "smarthost is out of service",
                                   "Provider smarthost does not take messages")
        self.assertNotIn("Nothing needs your attention", page.words)
        self.assertNotIn("Figures for administrators", page.words)
        page = self.log_in(gateway, "administrator").get("/console")
        self.assertIn("Figures for administrators", page.words)
        self.assertIn(gateway.ask_status()["config"]["version"], page.words)

    def test_a_configuration_that_is_not_taken(self):
        gateway = self.gate()
        officer = self.log_in(gateway, "reader")
        self.assertNotIn("could not be taken", officer.get("/console").words)
        good = gateway.file.read_text()
        gateway.file.write_text(good + "\nnonsense = 1\n")
        gateway.reload(good=False)
        self.assertIn("could not be taken", officer.get("/console").words)
        gateway.file.write_text(good)
        gateway.reload()
        self.assertNotIn("could not be taken", officer.get("/console").words)

    def test_a_journal_that_was_changed(self):
        gateway = self.gate(providers={"smarthost": {"adapter": "capture", "directory": "mail"}})
        officer = self.log_in(gateway)
        self.assertIn("never verified the journal", officer.get("/console").words)
        self.verify(officer)
        self.wait_for_words(officer, "verified row by row and holds")
        segment = gateway.state / "journal" / "00000001.seg"
        with segment.open("r+b") as file:
            at = file.read().index(b"user.login")
            file.seek(at)
            file.write(b"U")
        self.verify(officer)
        page = self.wait_for_words(officer, "does not hold at row")
        self.assertNotIn("verified row by row and holds", page.words)
        with segment.open("r+b") as file:
            file.seek(at)
            file.write(b"u")
        self.verify(officer)
        self.wait_for_words(officer, "verified row by row and holds", "Nothing needs your attention")
