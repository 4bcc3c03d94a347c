# SPDX-License-Identifier: Apache-2.0
"""The console in a browser: the pages of tests/browser/pages.mjs in some groups, and the acts of each
test_*.mjs beside it, all on gateways of their own with a made-up past."""

import pathlib
import shutil
import subprocess
import unittest

import browser_harness
import harness

HERE = pathlib.Path(__file__).resolve().parent


GROUPS = 5  # of pages: each group has a gateway and a browser to start


class Browser(harness.IntegrationTest):
    long = True
    timeout = 600  # a group takes its time where all else runs beside

    def look(self, *names):
        subprocess.run([HERE / "install-node.sh"], check=True, capture_output=True)
        console = browser_harness.Console(self.folder / "gate")
        self.addCleanup(self.finish_gateway, console.gate)
        console.start()
        browser_harness.run_browser(console.world(), *names)


def add_test(name, *tests):
    def test(self):
        self.look(*tests)
    test.__name__ = f"test_{name}"
    setattr(Browser, test.__name__, test)


if shutil.which("node") is None:
    class NoBrowser(unittest.TestCase):
        def test_node(self):
            self.fail("node is missing")
else:
    for file, names in browser_harness.list_browser().items():
        if file == "pages":
            for number in range(GROUPS):
                add_test(f"pages_{number + 1}", *names[number::GROUPS])
        else:
            add_test(file, *names)
