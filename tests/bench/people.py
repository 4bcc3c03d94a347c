# SPDX-License-Identifier: Apache-2.0
"""The people the benchmark writes to, in the form each contestant looks them up: octroi's registry
(consents by `octroi consent import`), an lmdb map for Postfix, a text file for Haraka.

Making them takes a minute or two, so they are kept in a folder of their own and made again only
when their number changes or the registry does not answer as it should. smtp-source -N puts a number
in front of the recipient it is given, so person 17 of stem "b" is 17b@people.example: no two
messages of one run look up the same person.
"""

import csv
import json
import pathlib
import shutil
import subprocess
import time

import harness

DOMAIN = "people.example"
STEMS = "abcdefghij"
WARM_STEM, LATENCY_STEM = "i", "j"  # the rest are for the rounds
ROUND_STEMS = "abcdefgh"
SENDER = "news@acme.example"
SUPPLIER = 1000  # people a supplier brought, so that suppliers are as many as they would be


def addresses(count):
    for stem in STEMS:
        for number in range(1, count // len(STEMS) + 1):
            yield f"{number}{stem}@{DOMAIN}"


class People:
    """With e-mail; sms_people.py has the ones with telephones."""

    channel = "email"
    someone = f"1{LATENCY_STEM}@{DOMAIN}"  # who is asked for to see whether the registry is there

    def __init__(self, folder, count, octroi):
        self.folder = pathlib.Path(folder)
        self.count = count
        self.octroi = octroi
        self.gateway = self.folder / "gateway"
        self.list = self.folder / "people"
        self.map = self.folder / "people.access"
        self.stamp = self.folder / "made.json"
        self.made = None  # what the import took: events, seconds

    def prepare(self, say, fresh=False, wants_map=True, wants_import=True):
        """wants_import: octroi's registry is needed, not the list alone."""
        if not wants_import:
            self.folder.mkdir(parents=True, exist_ok=True)
        elif fresh or not self._is_there():
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            say(f"making {self.count} people and their consents")
            self._make_list()
            self._import()
            self.stamp.write_text(json.dumps(self.made))
        if wants_map and not self.map.with_suffix(".access.lmdb").exists():
            say("making Postfix's map of them")
            with open(self.map, "w") as out:
                out.writelines(f"{address} OK\n" for address in addresses(self.count))
            subprocess.run(["/usr/sbin/postmap", f"lmdb:{self.map}"], check=True)

    def warm(self):
        """What is looked up lies in the page cache, as it does where mail goes through all day: some
        machines take out of it what nobody used for a minute, which another way's turn lasts."""
        for file in (self.gateway / "state" / "registry.db", self.map.with_suffix(".access.lmdb")):
            if file.exists():
                with open(file, "rb") as data:
                    while data.read(1 << 20):
                        pass

    def _is_there(self):
        try:
            self.made = json.loads(self.stamp.read_text())
        except (OSError, ValueError):
            return False
        if self.made["people"] != self.count:
            return False
        config = self.gateway / "octroi.conf"
        self.write_config(1, 2)
        asked = subprocess.run([self.octroi, "-c", config, "consent", "show", self.someone,
                                "--partner", "acme", "--channel", self.channel,
                                "--format", "json"], capture_output=True, text=True)
        try:
            return json.loads(asked.stdout)["verdict"] == "pass"
        except (ValueError, KeyError):
            return False

    def addresses(self):
        return addresses(self.count)

    def write_config(self, port, provider_port, tls=None, listener=(), provider=(), listeners=(),
                     **more):
        """As shipped, but for what a configuration has to say: nothing here is for speed.

        tls: a ways.Tls for both sides; listener, provider: what else is to be said of them;
        listeners: more of them."""
        inlet = {"bind": f"127.0.0.1:{port}", "tls": "none"}
        outlet = {"adapter": "smtp", "host": "127.0.0.1", "port": provider_port, "tls": "none"}
        if tls:
            inlet |= {"tls": "implicit", "certificate_file": tls.certificate, "key_file": tls.key}
            outlet |= {"tls": "implicit", "tls_ca_file": tls.authority}
        return self._write({
            **more,
            "hostname": "gate.test", "state_dir": "state",
            "listeners": {"submission": {**inlet, **dict(listener)}, **dict(listeners)},
            "providers": {"smarthost": {**outlet, **dict(provider)}},
            "partners": {"acme": harness.partner({"news": harness.email_stream()})},
            "policies": {"email": {}},
        })

    def _write(self, config):
        file = self.gateway / "octroi.conf"
        file.touch(0o600)
        file.chmod(0o600)  # it may hold a provider's password
        file.write_text("".join(f"{key} = {harness.render(value)};\n"
                                for key, value in config.items()))
        return file

    def _make_list(self):
        with open(self.list, "w") as out:
            out.writelines(f"{address}\n" for address in self.addresses())

    def _import(self):
        subprocess.run([self.octroi, "init", self.gateway], check=True, capture_output=True)
        config = self.write_config(1, 2)
        form = json.dumps({**harness.FORM, "channels": [self.channel]})
        subprocess.run([self.octroi, "-c", config, "form", "add", "-"], check=True, input=form,
                       text=True, capture_output=True)
        file = self.folder / "consents.csv"
        at = harness.instant(86400)
        with open(file, "w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(harness.CSV_HEADER)
            writer.writerows([address, self.channel, "given", at, "jeu-ete@1", "", "",
                              f"supplier-{number // SUPPLIER}", f"click {number}"]
                             for number, address in enumerate(self.addresses()))
        began = time.monotonic()
        subprocess.run([self.octroi, "-c", config, "consent", "import", file], check=True,
                       stdout=subprocess.DEVNULL)
        self.made = {"people": self.count, "seconds": round(time.monotonic() - began, 2)}
        file.unlink()

    def forget_journal(self):
        """Each run begins with an empty journal, so that rounds are alike."""
        state = self.gateway / "state"
        shutil.rmtree(state / "journal", ignore_errors=True)
        for name in ("journal.db", "journal.db-wal", "journal.db-shm"):
            (state / name).unlink(missing_ok=True)
