#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Looks at the console by hand: makes a gateway with a made-up past, runs the tests named (all when none
is), leaves a picture of every page in --screens, and ends the gateway. As in:

    tests/browser/look.py --octroi build/octroi --screens /tmp/screens page_overview
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))
import browser_harness  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="TEST")
    parser.add_argument("--octroi", required=True)
    parser.add_argument("--screens", metavar="FOLDER")
    parser.add_argument("--rows", type=int, default=2500)
    parser.add_argument("--days", type=int, default=45)
    parser.add_argument("--tame", action="store_true", help="a past without markup in others' texts")
    parser.add_argument("--pictures", action="store_true",
                        help="take those of the documents into --screens, instead of tests")
    options = parser.parse_args()
    os.environ["OCTROI_BIN"] = str(pathlib.Path(options.octroi).resolve())
    subprocess.run(["sh", HERE.parent / "integration" / "install-node.sh"], check=True)
    with tempfile.TemporaryDirectory(prefix="octroi-look-") as folder:
        console = browser_harness.Console(pathlib.Path(folder) / "gate", options.rows, options.days,
                                          not options.tame).start()
        try:
            world = console.world(pathlib.Path(options.screens).resolve() if options.screens else None)
            return subprocess.run(["node", HERE / "run.mjs", *(["--pictures"] if options.pictures else []), *options.names],
                                  input=json.dumps(world), text=True).returncode
        finally:
            console.gate.stop()


if __name__ == "__main__":
    sys.exit(main())
