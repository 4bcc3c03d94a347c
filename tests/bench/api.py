#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How many verdicts a second POST /v1/check gives, against a registry of M consents: each one looked up
anew, with its token, and on record before it is answered.

http_load asks about another person each time over kept connections; each of them has consent. Every
answer must be 200, and the journal must then hold a row for each, or there is no figure. The registry is
kept beside (sms_people.py), so that only the first run makes it. Load client and gateway share the
machine.
"""

import argparse
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import harness  # noqa: E402
import sms_people  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")


def say(text):
    print(text, flush=True)


def write_config(crowd, port):
    return crowd._write({
        "hostname": "gate.test", "state_dir": "state",
        "listeners": {"web": {"protocol": "http", "bind": f"127.0.0.1:{port}", "tls": "none",
                              "services": ["api"], "max_connections_per_address": 0}},
        "providers": {"smpp": {"adapter": "smpp", "host": "127.0.0.1", "port": 3, "tls": "none",
                               "system_id": "gate", "password": "secret"}},
        "partners": {"acme": harness.partner({"texts": {
            "channel": "sms", "class": "prospecting", "providers": ["smpp"],
            "senders": [sms_people.SENDER],
            "accounts": {"acme-lan": {"networks": ["127.0.0.1"]}}}})},
        "policies": {"sms": {}},
    })


@contextlib.contextmanager
def gateway(octroi, config, log):
    log.write_text("")
    with open(log, "ab") as out:
        process = harness.spawn([octroi, "-c", config, "serve"], stdout=out, stderr=out,
                                stdin=subprocess.DEVNULL)
    harness.wait_for("the gateway", lambda: "event=serving" in log.read_text())
    try:
        yield process
    finally:
        harness.end(process)


def cpu_of(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def make_token(octroi, config):
    subprocess.run([octroi, "-c", config, "token", "revoke", "bench"], capture_output=True)
    return subprocess.run([octroi, "-c", config, "token", "add", "bench", "--scope", "check"],
                          check=True, capture_output=True, text=True).stdout.strip()


def write_request(file, token):
    body = json.dumps({"recipient": "+33600000000", "partner": "acme", "channel": "sms"})
    file.write_text("POST /v1/check HTTP/1.1\r\nHost: gate.test\r\n"
                    f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n{body}")


def count_rows(state):
    return sum(segment.read_bytes().count(b'"act":"check"')
               for segment in (state / "journal").glob("*.seg"))


def measure(options, crowd, first):
    config = write_config(crowd, port := harness.free_port())
    crowd.forget_journal()
    request = crowd.folder / "check.http"
    write_request(request, make_token(options.octroi, config))
    with gateway(options.octroi, config, crowd.folder / "gateway.log") as process:
        before = cpu_of(process.pid)
        load = subprocess.run(
            [options.tools / "http_load", "-c", str(options.connections), "-n",
             str(options.requests), "-f", str(first), str(port), crowd.digits(), request],
            check=True, capture_output=True, text=True)
        cpu = cpu_of(process.pid) - before
    result = json.loads(load.stdout)
    if result["statuses"] != {"200": options.requests} or result["sent"] != options.requests:
        raise SystemExit(f"not every answer was 200: {load.stdout}")
    rows = count_rows(crowd.gateway / "state")
    if rows != options.requests:
        raise SystemExit(f"{rows} rows for {options.requests} answers")
    result["cpu_us_a_request"] = round(1e6 * cpu / options.requests, 1)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--octroi", default="./octroi")
    parser.add_argument("--tools", default="tests/bench")
    parser.add_argument("--cache", default="bench-api", help="folder that is kept")
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=100_000, help="in one run")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    options.octroi = pathlib.Path(options.octroi).resolve()
    options.tools = pathlib.Path(options.tools).resolve()
    crowd = sms_people.SmsPeople(pathlib.Path(options.cache).resolve(), options.people,
                                 options.octroi)
    crowd.prepare(say, wants_map=False)
    crowd.digits()
    rates = []
    for number in range(options.rounds):
        crowd.warm()
        result = measure(options, crowd, number * options.requests % options.people)
        rates.append(result["rate"])
        say(json.dumps({"consents": options.people, "connections": options.connections,
                        "load_average": round(os.getloadavg()[0], 2), **result}))
    say(f"median: {statistics.median(rates):.0f} verdicts a second")


if __name__ == "__main__":
    main()
