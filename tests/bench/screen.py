#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How fast a list is screened: N rows against a registry of M consents, journalled and synced.

The list names people in no order of the registry; a fifth of them have no consent. What is timed is
the command as a whole, from its start to its end, with the list hashed, each row durable in the
journal and written to its file. The registry is kept beside (people.py), so that only the first run
makes it.
"""

import argparse
import contextlib
import json
import os
import pathlib
import random
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import harness  # noqa: E402
import people  # noqa: E402


def say(text):
    print(text, flush=True)


def make_list(file, rows, count):
    """A list as a broker would send it: some columns around the address."""
    spread = random.Random(4711)
    each = count // len(people.STEMS)
    with open(file, "w", newline="") as out:
        out.write("nom;courriel;ville\r\n")
        for number in range(rows):
            stem = spread.choice(people.STEMS)
            known = spread.random() < 0.8
            who = f"{spread.randrange(each) + 1}{stem}" if known else f"stranger{number}"
            out.write(f"\"Personne, {number}\";{who}@{people.DOMAIN};Lyon\r\n")


@contextlib.contextmanager
def gateway(octroi, config, log):
    with open(log, "ab") as out:
        process = harness.spawn([octroi, "-c", config, "serve"], stdout=out, stderr=out,
                                stdin=subprocess.DEVNULL)
    harness.wait_for("the gateway", lambda: "event=serving" in log.read_text())
    try:
        yield
    finally:
        harness.end(process)


def screen(octroi, config, folder, listed):
    summary = folder / "summary.json"
    began = time.monotonic()
    process = subprocess.Popen([octroi, "-c", config, "screen", "--partner", "acme", "--channel",
                                "email", "--output", folder / "permitted.csv", "--blocked",
                                folder / "blocked.csv", "--summary", summary, listed],
                               stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"octroi screen gave {process.returncode}")
    totals = json.loads(summary.read_text())
    cpu = usage.ru_utime + usage.ru_stime
    return {"rows": totals["rows"], "permitted": totals["permitted"],
            "seconds": round(seconds, 2), "rows_a_second": round(totals["rows"] / seconds),
            "cpu_us_a_row": round(1e6 * cpu / totals["rows"], 1),
            "rss_mib": usage.ru_maxrss // 1024}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--octroi", default="./octroi")
    parser.add_argument("--cache", default="bench-screen", help="folder that is kept")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--consents", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    octroi = pathlib.Path(options.octroi).resolve()
    cache = pathlib.Path(options.cache).resolve()
    crowd = people.People(cache, options.consents, octroi)
    crowd.prepare(say, wants_map=False)
    config = crowd.write_config(harness.free_port(), 1)
    listed = cache / f"list-{options.rows}.csv"
    if not listed.exists():
        make_list(listed, options.rows, options.consents)
    crowd.warm()
    for beside in (False, True):
        for _ in range(options.rounds):
            crowd.forget_journal()
            log = cache / "gateway.log"
            log.write_text("")
            with gateway(octroi, config, log) if beside else contextlib.nullcontext():
                result = screen(octroi, config, cache, listed)
            say(json.dumps({"consents": options.consents, "beside_a_gateway": beside, **result}))


if __name__ == "__main__":
    main()
