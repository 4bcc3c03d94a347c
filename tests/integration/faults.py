# SPDX-License-Identifier: Apache-2.0
"""Faults that a test steers while its gateway runs: disks that fail or are slow, and a clock that is
wrong, by the library tests/faults/shim.c, preloaded into the gateway alone."""

import errno
import mmap
import pathlib
import struct
import subprocess

import harness

SOURCE = pathlib.Path(__file__).resolve().parent.parent / "faults" / "shim.c"
OPEN, READ, WRITE, SYNC, TRUNCATE = 1, 2, 4, 8, 16
ANY = OPEN | READ | WRITE | SYNC | TRUNCATE

# The layout of struct control in the shim.
RULES = 8
NAME = struct.Struct("64s")
OPERATIONS = struct.Struct("<I")
REST = struct.Struct("<iIHHQQQQ")
RULE = NAME.size + OPERATIONS.size + REST.size
COUNTS = struct.Struct("<QQ")
AHEAD = struct.Struct("<q")


class Faults:
    def __init__(self, test):
        self.library = test.path("shim.so")
        subprocess.run(["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O1",
                        "-shared", "-fPIC", "-o", self.library, SOURCE], check=True)
        self.control = test.path("control")
        self.control.write_bytes(bytes(RULES * RULE + AHEAD.size))
        with open(self.control, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 0)

    def start(self, gateway, wrapper=()):
        """Starts it with the shim in it."""
        options = harness.sanitizer_environment()["ASAN_OPTIONS"]
        return gateway.start(
            wrapper=[*wrapper, "env", f"LD_PRELOAD={self.library}", f"OCTROI_FAULTS={self.control}",
                     # Its own library has to come first, it thinks; that the shim does is the point.
                     f"ASAN_OPTIONS={options}:verify_asan_link_order=0"])

    def set(self, name, operations, error=errno.EIO, delay=0.0, half=False, whole=False, skip=0,
            most=0, rule=0):
        """From now on operations on files whose path holds name (whole: ends with it) fail, or with error=0 only take delay
        seconds: after skip of them, and most of them (0: all) are hit."""
        self.clear(rule)
        at = rule * RULE
        NAME.pack_into(self.map, at, name.encode())
        REST.pack_into(self.map, at + NAME.size + OPERATIONS.size, error, round(1000 * delay),
                       int(half), int(whole), skip, most, 0, 0)
        OPERATIONS.pack_into(self.map, at + NAME.size, operations)

    def clear(self, rule=None):
        for each in range(RULES) if rule is None else [rule]:
            OPERATIONS.pack_into(self.map, each * RULE + NAME.size, 0)

    def counts(self, rule=0):
        """How many operations the rule saw, and how many it hit."""
        return COUNTS.unpack_from(self.map, rule * RULE + RULE - COUNTS.size)

    def step(self, seconds):
        """The gateway's wall clock is that much ahead of the machine's; less than 0: behind."""
        AHEAD.pack_into(self.map, RULES * RULE, round(seconds * 1000000))
