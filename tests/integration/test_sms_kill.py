# SPDX-License-Identifier: Apache-2.0
"""The promises of SMS, under kill -9: no success is told without the provider's acceptance, nothing
leaves without a row, no STOP that was acknowledged is forgotten.

OCTROI_ROUNDS=50 (or 500) kills more often (`make kill`: 200); OCTROI_SEED repeats the moments of a run.
"""

import itertools
import json
import os
import random
import secrets
import time

import harness
import promises
import sms_harness
import sms_load

ROUNDS = int(os.environ.get("OCTROI_ROUNDS", "12"))
PARTNERS = 4
MOST_A_ROUND = 400  # messages that may pass
STOPS_A_ROUND = 20


def numbers(prefix, count):
    """Valid French mobiles (all of 06 1x is given out), none twice."""
    return [f"3361{prefix}{i:06d}" for i in range(count)]


class Kill(sms_harness.SmsTest):
    long = True
    timeout = 120 + 4 * ROUNDS

    def test_killed_at_any_moment(self):
        provider = sms_load.Smsc(self)
        people = numbers(1, ROUNDS * MOST_A_ROUND)
        stoppers = numbers(2, ROUNDS * STOPS_A_ROUND)
        strangers = (f"3361{3}{i:06d}" for i in itertools.count())
        gate = self.sms_gateway(provider, start=False,
                                journal={"segment_size": "64 kB", "checkpoint_every": "100 ms"})
        sms_load.import_people(gate, people + stoppers)
        everyone, saying = iter(people), iter(stoppers)
        seed = int(os.environ.get("OCTROI_SEED") or secrets.randbelow(1 << 32))
        chance = random.Random(seed)
        print(f"OCTROI_SEED={seed}")
        told, sequence = [], itertools.count(1)
        for _ in range(ROUNDS):
            gate.start()
            harness.wait_for("the gateway's bind", provider.open)
            mixed = self._mix(chance, itertools.islice(everyone, MOST_A_ROUND), strangers)
            # What said STOP before is asked again, by one of them, while the others load.
            again = iter(list(provider.stopped)[-30:])
            partners = [sms_load.Partner(gate.smpp_port, source, "acme-sms",
                                         sms_harness.PASSWORD)
                        for source in [mixed] * (PARTNERS - 1) + [again]]
            until = time.monotonic() + chance.uniform(0.1, 0.5)
            for number in itertools.islice(saying, STOPS_A_ROUND):
                provider.say_stop(number, next(sequence))
                time.sleep(max(0.0, min(0.02, until - time.monotonic())))
            time.sleep(max(0.0, until - time.monotonic()))
            # A busy machine's gateway has done nothing by then: it lives until it has done so much.
            least = chance.randrange(80)
            harness.wait_for("messages to pass", lambda: least <= sum(
                len(partner.passed) for partner in partners) or not any(
                partner.is_alive() for partner in partners))
            gate.kill9()
            for partner in partners:
                partner.join()
            harness.wait_for("the provider to hang up", lambda: not provider.open())
            gate.verify()
            told += partners
        self._check(gate, provider, told)

    @staticmethod
    def _mix(chance, people, strangers):
        """One source for several threads."""
        def each():
            for number in people:
                yield number
                if chance.random() < 0.3:
                    yield next(strangers)
        return sms_load.shared(each())

    def _check(self, gate, provider, told):
        gate.start()
        gate.verify()
        rows = gate.log_rows()
        self.assertEqual(len({row["id"] for row in rows}), len(rows))
        passed, refused = promises.sms(self, gate, rows, provider, told)
        print(f"{ROUNDS} kills: {len(passed)} passed, {len(refused)} refused, "
              f"{len(provider.given)} at the provider, {len(provider.stopped)} stopped")
        # A loop that kills idle gateways proves nothing.
        self.assertGreater(len(passed), 20 * ROUNDS)
        self.assertGreater(len(refused), ROUNDS)
        self.assertGreater(len(provider.stopped), ROUNDS)
        self._check_stops(gate, provider)

    def _check_stops(self, gate, provider):
        self.assertEqual(provider.stopped & set(provider.given), set())
        partner = sms_load.Partner(gate.smpp_port, iter(sorted(provider.stopped)), "acme-sms",
                                   sms_harness.PASSWORD)
        partner.join()
        self.assertEqual(partner.refused, provider.stopped, "a STOP was forgotten")
        number = sorted(provider.stopped)[0]
        shown = json.loads(gate.cli("consent", "show", "+" + number, "--partner", "acme",
                                    "--channel", "sms", "--format", "json"))
        self.assertEqual(shown["reason"], "WITHDRAWN")
