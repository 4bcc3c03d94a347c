# SPDX-License-Identifier: Apache-2.0
"""The console in a browser: one test for each page of tests/browser/pages.mjs and each act in the
test_*.mjs beside it, on a gateway of its own with a made-up past."""

import pathlib
import shutil
import subprocess
import unittest

import browser_harness
import harness

HERE = pathlib.Path(__file__).resolve().parent


class Browser(harness.IntegrationTest):
    long = True

    def look(self, name):
        subprocess.run([HERE / "install-node.sh"], check=True, capture_output=True)
        console = browser_harness.Console(self.folder / "gate")
        self.addCleanup(self.finish_gateway, console.gate)
        console.start()
        browser_harness.run_browser(console.world(self.folder / "screens"), name)


def add_test(name):
    def test(self):
        self.look(name)
    test.__name__ = f"test_{name}"
    setattr(Browser, test.__name__, test)


if shutil.which("node") is None:
    class NoBrowser(unittest.TestCase):
        def test_node(self):
            self.fail("node is missing")
else:
    for each in browser_harness.list_browser():
        add_test(each)
