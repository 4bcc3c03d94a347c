# SPDX-License-Identifier: Apache-2.0
"""A journal that began long ago, written from docs/JOURNAL.md alone: so it is also a check that the
page says all there is to know. Signatures are openssl's.
"""

import base64
import datetime
import hashlib
import json
import secrets
import shutil
import subprocess
import tempfile

UTC = datetime.timezone.utc


def ago(**of):
    return datetime.datetime.now(UTC) - datetime.timedelta(**of)


def text(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Journal:
    """Writes segments into a gateway that does not run, in place of those it has."""

    def __init__(self, gateway):
        self.folder = gateway.state / "journal"
        self.key = gateway.folder / "keys" / "journal.key"
        self.name = gateway.config["hostname"]
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(mode=0o700)
        for suffix in ("", "-wal", "-shm"):
            (gateway.state / f"journal.db{suffix}").unlink(missing_ok=True)
        self.head = bytes(32)
        self.rows = self.number = 0
        self.file = None

    def add(self, record):
        line = json.dumps(record, separators=(",", ":"), ensure_ascii=False)
        salt = secrets.token_bytes(16)
        inner = hashlib.sha256(salt + line.encode()).digest()
        self.head = hashlib.sha256(self.head + inner).digest()
        self.file.write(f"{self.head.hex()} {salt.hex()} {line}\n")
        self.rows += 1

    def begin(self, at):
        self.number += 1
        path = self.folder / f"{self.number:08}.seg"
        path.touch(0o600)
        self.file = open(path, "w", encoding="utf-8")
        self.add({"type": "segment", "format": 1, "gateway": self.name, "segment": self.number,
                  "previous": self.head.hex(), "at": text(at)})

    def end(self, at):
        signed = (f"octroi-checkpoint-1\n{self.name}\n{self.rows}\n{self.head.hex()}\n"
                  f"{text(at)}\n")
        with tempfile.NamedTemporaryFile() as data:
            data.write(signed.encode())
            data.flush()
            signature = subprocess.run(
                ["openssl", "pkeyutl", "-sign", "-inkey", self.key, "-rawin", "-in", data.name],
                check=True, capture_output=True).stdout
        self.add({"type": "checkpoint", "at": text(at), "gateway": self.name, "row": self.rows,
                  "head": self.head.hex(), "signature": base64.b64encode(signature).decode()})
        self.file.close()

    def decision(self, name, at, mode="enforce", verdict="pass", reason="CONSENT",
                 effect="passed", outcome=True):
        key = hashlib.sha256(name.encode()).hexdigest()
        self.add({"type": "decision", "id": name, "at": text(at), "gateway": self.name,
                  "session": "s1", "partner": "acme", "stream": "news", "account": "acme-lan",
                  "channel": "email", "purpose": "receipt", "recipient": "a•••@example.org",
                  "recipient_key": key, "verdict": verdict, "reason": reason, "effect": effect,
                  "mode": mode, "policy": "0123456789ab", "event": None, "provider": None})
        if outcome and effect == "passed":
            self.add({"type": "outcome", "id": name,
                      "at": text(at + datetime.timedelta(seconds=1)), "outcome": "accepted",
                      "effect": "passed", "provider": "smarthost", "provider_reply": "250 2.0.0",
                      "queue_id": "Q1", "size": 100})
