# SPDX-License-Identifier: Apache-2.0
"""The two promises, under kill -9: no refusal is answered and no message leaves before its row is
durable; a partner is told 250 only after the provider has taken the message.

OCTROI_ROUNDS=500 kills more often (`make kill`: 200); OCTROI_SEED repeats the moments of a run.
"""

import itertools
import os
import random
import secrets
import time

import harness
import load
import promises

ROUNDS = int(os.environ.get("OCTROI_ROUNDS", "20"))
SESSIONS = 12
MOST_A_ROUND = 400  # messages that may pass


class Kill(harness.IntegrationTest):
    long = True
    timeout = 120 + 3 * ROUNDS

    def test_killed_at_any_moment(self):
        people = [f"yes{i}@example.org" for i in range(ROUNDS * MOST_A_ROUND)]
        strangers = (f"no{i}@example.org" for i in itertools.count())
        provider = load.Recorder(self)
        # Small segments, so that some are killed while they begin a new one.
        gateway = self.gateway(provider, start=False,
                               journal={"segment_size": "64 kB", "checkpoint_every": "100 ms"})
        load.import_people(gateway, people)
        everyone = iter(people)
        seed = int(os.environ.get("OCTROI_SEED") or secrets.randbelow(1 << 32))
        chance = random.Random(seed)
        print(f"OCTROI_SEED={seed}")
        total = {"passed": 0, "refused": 0, "at the provider": 0}
        seen = set()
        for _ in range(ROUNDS):
            gateway.start()
            since = harness.instant(2)
            told = load.Load(gateway.port, SESSIONS, itertools.islice(everyone, MOST_A_ROUND),
                             strangers)
            time.sleep(chance.uniform(0.05, 0.4))
            gateway.kill9()
            told.stopping.set()
            told.join()
            # What the dead gateway had written still has to be read.
            harness.wait_for("the provider to hang up", lambda: not provider.server.open)
            gateway.verify()
            self._check_round(gateway, provider, told, since, seen)
            total["passed"] += len(told.passed)
            total["refused"] += len(told.refused)
        total["at the provider"] = len(provider.given)
        print(f"{ROUNDS} kills: {total}")
        # A loop that kills idle gateways proves nothing.
        self.assertGreater(total["passed"], ROUNDS)
        self.assertGreater(total["refused"], ROUNDS)
        gateway.start()
        gateway.verify()
        # All rounds again, now that everything was recovered and indexed many times over.
        rows = gateway.log_rows()
        self.assertEqual(len({row["id"] for row in rows}), len(rows))
        promises.mail_left(self, gateway, rows, provider.given, provider.acknowledged)

    def _check_round(self, gateway, provider, told, since, seen):
        self.assertEqual(told.other, [])
        rows = gateway.log_rows("--since", since)
        fresh = {recipient: times for recipient, times in provider.given.items()
                 if recipient not in seen}
        seen.update(fresh)
        promises.mail(self, gateway, rows, provider, told, fresh)
