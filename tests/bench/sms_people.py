# SPDX-License-Identifier: Apache-2.0
"""The people `make bench-sms` writes to: French mobile numbers that have consent for SMS, in octroi's
registry, and as a file of digits for smpp_load and http_load, a number of eleven digits a line.
"""

import subprocess

import harness
import people

LOGIN, PASSWORD = "acme-sms", "voyages1"  # SMPP allows 15 and 8 characters
SENDER = "ACME"
TEXT = ("ACME: -20 % sur tous les voyages jusqu'au 31, code PRINTEMPS. "
        "Sur acme.example. STOP au 36111 xxxxxx")  # as smpp_load's, 100 characters

# How the provider of the HTTP to HTTP runs is spoken to: POST of a small JSON body.
TEMPLATE = """request: {
    method = "POST"
    url = "{url}/send"
    json: { to = "{to}"  from = "{sender}"  text = "{text}" }
}
answer: {
    format = "json"
    accepted: { status = [ 200 ] }
    id = "id"
}
"""


def number(index):
    """Spread over a block of ten million, so that neighbours in the file are none in the registry."""
    return 33610000000 + index * 7919 % 10_000_000


class SmsPeople(people.People):
    channel = "sms"
    someone = f"+{number(0)}"

    def __init__(self, folder, count, octroi):
        super().__init__(folder, count, octroi)
        self.hash = None

    def addresses(self):
        return (f"+{number(index)}" for index in range(self.count))

    def digits(self):
        """The file of the same people for the load programs."""
        file = self.folder / "numbers"
        if not file.exists():
            with open(file, "w") as out:
                out.writelines(f"{number(index)}\n" for index in range(self.count))
        return file

    def _password(self):
        if self.hash is None:
            self.hash = subprocess.run([self.octroi, "password"], input=PASSWORD + "\n", check=True,
                                       capture_output=True, text=True).stdout.strip()
        return self.hash

    def write_config(self, smpp_port, http_port, provider="smpp", provider_port=3):
        """As shipped, but for what a configuration has to say, and for the windows: those of the
        other ways are wide open too."""
        (self.gateway / "sink.template").write_text(TEMPLATE)
        providers = {
            "smpp": {"adapter": "smpp", "host": "127.0.0.1", "port": provider_port, "tls": "none",
                     "system_id": "gate", "password": "secret", "connections": 4, "window": 1000},
            "http": {"adapter": "http", "template": "./sink.template",
                     "url": f"http://127.0.0.1:{provider_port}", "connections": 64},
        }
        return self._write({
            "hostname": "gate.test", "state_dir": "state",
            "listeners": {
                "smpp": {"protocol": "smpp", "bind": f"127.0.0.1:{smpp_port}", "tls": "none"},
                "web": {"protocol": "http", "bind": f"127.0.0.1:{http_port}", "tls": "none",
                        "services": ["sms"]},
            },
            "providers": {provider: providers[provider]},
            "partners": {"acme": harness.partner({"texts": {
                "channel": "sms", "class": "prospecting", "providers": [provider],
                "senders": [SENDER], "window": 1000,
                "accounts": {LOGIN: {"password": self._password()}}}})},
            "policies": {"sms": {}},
        })
