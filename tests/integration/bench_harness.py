# SPDX-License-Identifier: Apache-2.0
"""What the tests of the benchmarks share: where their programs and scripts are."""

import fcntl
import pathlib
import subprocess
import sys

import harness

BENCH = pathlib.Path(__file__).resolve().parent.parent / "bench"
sys.path.insert(0, str(BENCH))


def tools(target):
    """Folder of the load programs and sinks, which are built with the unit tests."""
    build = pathlib.Path(harness.octroi_path()).resolve().parent
    with open(build / ".bench-peers.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(["make", "-s", "-C", build, target], check=True, capture_output=True)
    return build / "tests" / "bench"
