# SPDX-License-Identifier: Apache-2.0
"""SMS end to end: npm's `smpp` as the partner, npm's `smpp` as the provider."""

import json

import harness
from sms_harness import SmsTest, mobile, smpp_provider

OK, BLOCKED, UNABLE = 0, 0x45, 0x08


class Smpp(SmsTest):
    def setUp(self):
        super().setUp()
        self.provider = self.smsc()

    def test_pass_and_block(self):
        gate = self.sms_gateway(self.provider)
        yes, no = self.number(gate), self.number(gate, consent=False)
        client = self.client(gate)
        passed = client.submit(yes)
        self.assertEqual(passed["status"], OK, passed)
        refused = client.submit(no)
        self.assertEqual(refused["status"], BLOCKED, refused)
        self.assertEqual(len(refused["raw"]), 32, "a bare header")
        sent = self.provider.wait_pdus("submit_sm")
        self.assertEqual([pdu["pdu"]["destination_addr"] for pdu in sent], [yes[1:]])
        self.assertEqual(sent[0]["pdu"]["source_addr"], "ACME")
        rows = gate.wait_rows(2)
        self.assertRow(rows[0], verdict="pass", reason="CONSENT", effect="passed",
                       outcome="accepted", partner="acme", stream="texts", account="acme-sms",
                       channel="sms", provider="aggregator", id=passed["pdu"]["message_id"])
        self.assertRow(rows[1], verdict="block", reason="NO_CONSENT", effect="refused",
                       outcome=None, channel="sms")
        gate.verify()

    def test_number_is_the_same_on_both_sides(self):
        """However it is written: what was judged is what is sent."""
        gate = self.sms_gateway(self.provider)
        yes = self.number(gate)
        client = self.client(gate)
        national = "0" + yes[3:]
        gate.addresses.add(national)
        for written, ton in ((yes[1:], 1), (yes[1:], 0), (national, 2), (national, 0), (yes, 1),
                             ("00" + yes[1:], 0)):
            answer = client.submit(written, destination_addr=written, dest_addr_ton=ton)
            self.assertEqual(answer["status"], OK, (written, ton))
        sent = self.provider.wait_pdus("submit_sm", 6)
        self.assertEqual({(p["pdu"]["destination_addr"], p["pdu"]["dest_addr_ton"]) for p in sent},
                         {(yes[1:], 1)})
        self.assertEqual(client.submit("12345")["status"], 0x0b)

    def test_foreign_sender(self):
        gate = self.sms_gateway(self.provider)
        yes = self.number(gate)
        client = self.client(gate)
        self.assertEqual(client.submit(yes, sender="OTHER")["status"], BLOCKED)
        self.assertEqual(client.submit(yes, sender="36180", source_addr_ton=3)["status"], OK)
        rows = gate.wait_rows(2)
        self.assertRow(rows[0], reason="SENDER_NOT_ALLOWED", verdict="block")

    def test_bytes(self):
        """Unicode, binary, parts, TLVs nobody knows, and long messages arrive byte for byte."""
        gate = self.sms_gateway(self.provider)
        yes = self.number(gate)
        client = self.client(gate)
        cases = [
            {"data_coding": 8, "short_message": {"hex": "00c9007400e9d83dde00"}},
            {"data_coding": 4, "short_message": {"hex": "00ff1b0d0a80"}},
            {"esm_class": 0x40, "short_message": {"hex": "0500034202014f6e65"}},
            {"esm_class": 0x40, "short_message": {"hex": "05000342020254776f"}},
            {"data_coding": 0, "protocol_id": 0x40, "priority_flag": 2,
             "short_message": {"hex": "1b6548"}},
        ]
        for case in cases:
            self.assertEqual(client.submit(yes, **case)["status"], OK, case)
        payload = bytes(range(256)) * 4
        answer = client.submit(yes, short_message={"hex": ""}, data_coding=4,
                               tlvs=[[0x0424, payload.hex()], [0x1403, "cafe00"], [0x1501, ""]])
        self.assertEqual(answer["status"], OK)
        sent = self.provider.wait_pdus("submit_sm", 6)
        for case, pdu in zip(cases, sent):
            for key, value in case.items():
                if key == "short_message":
                    self.assertIn(value["hex"], pdu["raw"])
                else:
                    self.assertEqual(pdu["pdu"][key], value)
        self.assertIn("0424" + f"{len(payload):04x}" + payload.hex(), sent[5]["raw"])
        self.assertIn("14030003cafe00", sent[5]["raw"])
        self.assertIn("15010000", sent[5]["raw"])

    def test_multi(self):
        gate = self.sms_gateway(self.provider)
        one, two = self.number(gate), self.number(gate)
        no = self.number(gate, consent=False)
        client = self.client(gate)
        answer = client.ask("submit_multi", {
            "source_addr": "ACME", "source_addr_ton": 5, "short_message": "STOP au 36111",
            "dest_address": [{"dest_addr_ton": 1, "dest_addr_npi": 1, "destination_addr": n[1:]}
                             for n in (one, no, two)] + [{"dl_name": "everybody"}]})
        self.assertEqual(answer["status"], OK, answer)
        refused = {each.get("destination_addr"): each["error_status_code"]
                   for each in answer["pdu"]["unsuccess_sme"]}
        self.assertEqual(refused.pop(no[1:]), BLOCKED)
        self.assertEqual(list(refused.values()), [0x44])
        sent = self.provider.wait_pdus("submit_sm", 2)
        self.assertEqual({pdu["pdu"]["destination_addr"] for pdu in sent}, {one[1:], two[1:]})

    def test_data_sm(self):
        gate = self.sms_gateway(self.provider)
        yes, no = self.number(gate), self.number(gate, consent=False)
        client = self.client(gate)
        for number, status in ((yes, OK), (no, BLOCKED)):
            answer = client.ask("data_sm", {
                "source_addr": "ACME", "source_addr_ton": 5, "destination_addr": number[1:],
                "dest_addr_ton": 1, "dest_addr_npi": 1}, tlvs=[[0x0424, b"STOP 36111".hex()]])
            self.assertEqual(answer["status"], status, answer)

    def test_not_here(self):
        """Nothing is queued, so nothing can be replaced, cancelled, asked about or sent later."""
        gate = self.sms_gateway(self.provider)
        yes = self.number(gate)
        client = self.client(gate)
        self.assertEqual(client.ask("replace_sm", {"message_id": "x"})["status"], 0x13)
        self.assertEqual(client.ask("cancel_sm", {"message_id": "x"})["status"], 0x11)
        self.assertEqual(client.ask("query_sm", {"message_id": "x"})["status"], 0x67)
        later = client.submit(yes, schedule_delivery_time="991231235959000+")
        self.assertEqual(later["status"], 0x61)
        self.assertEqual(self.provider.pdus("submit_sm"), [])

    def test_provider_refuses(self):
        gate = self.sms_gateway(self.provider)
        yes = self.number(gate)
        client = self.client(gate)
        for upstream, told in ((0x58, 0x58), (0x0a, 0x0a), (0x45, 0x45), (0x08, 0x08)):
            self.provider.order(do="answer", command="submit_sm", status=upstream)
            self.assertEqual(client.submit(yes)["status"], told, hex(upstream))
        rows = gate.wait_rows(4)
        self.assertEqual({row["outcome"] for row in rows}, {"refused"})

    def test_hours(self):
        """Outside the hours: try again later, and nothing is kept to be sent then."""
        gate = self.sms_gateway(self.provider, policy={"hours": ["00:00-00:01"], "days": "mon"})
        yes = self.number(gate)
        self.assertEqual(self.client(gate).submit(yes)["status"], UNABLE)
        self.assertRow(gate.wait_rows(1)[0], verdict="defer", reason="OUTSIDE_HOURS",
                       effect="deferred")

    def test_stop_mention(self):
        gate = self.sms_gateway(self.provider, policy={"stop_mention": "require"})
        yes = self.number(gate)
        client = self.client(gate)
        self.assertEqual(client.submit(yes, text="Dix jours en Corse")["status"], BLOCKED)
        self.assertEqual(client.submit(yes, text="Dix jours en Corse STOP 36111")["status"], OK)
        # In two parts, with the mention cut in two.
        first = {"hex": "050003420201" + b"Dix jours en Corse ST".hex()}
        second = {"hex": "050003420202" + b"OP 36111".hex()}
        self.assertEqual(client.submit(yes, esm_class=0x40, short_message=first)["status"], OK)
        self.assertEqual(client.submit(yes, esm_class=0x40, short_message=second)["status"], OK)
        self.assertRow(gate.wait_rows(4)[0], reason="STOP_MISSING")

    def test_observe_and_discard(self):
        for mode, sent in (("observe", 1), ("discard", 0)):
            provider = self.smsc()
            gate = self.sms_gateway(provider, mode=mode)
            no = self.number(gate, consent=False)
            self.assertEqual(self.client(gate).submit(no)["status"], OK)
            row = gate.wait_rows(1)[0]
            self.assertRow(row, verdict="block", reason="NO_CONSENT",
                           effect="passed" if sent else "discarded")
            self.assertEqual(len(provider.pdus("submit_sm")), sent)

    def test_report(self):
        """A delivery report finds its way to the partner, under the id it was given."""
        gate = self.sms_gateway(self.provider)
        yes = self.number(gate)
        client = self.client(gate)
        answer = client.submit(yes, registered_delivery=1)
        self.assertEqual(answer["status"], OK)
        theirs = self.provider.wait_pdus("submit_sm")[0]
        self.assertEqual(theirs["pdu"]["registered_delivery"], 1)
        ours = answer["pdu"]["message_id"]
        self.provider.tell(do="receipt", id="m1", pdu={"source_addr": yes[1:],
                           "source_addr_ton": 1, "destination_addr": "ACME"})
        report = client.wait_pdus("deliver_sm")[0]
        text = bytes.fromhex(report["raw"])
        self.assertIn(f"id:{ours} ".encode(), text)
        self.assertIn(b"stat:DELIVRD", text)
        told = self.provider.wait("the report's answer", lambda e: e["event"] == "response" and
                                  e["command"] == "deliver_sm_resp")
        self.assertEqual(told["status"], OK)

    def test_report_after_restart(self):
        """Nobody is bound: the provider keeps it. Later, in a new process, it finds its way."""
        gate = self.sms_gateway(self.provider)
        yes = self.number(gate)
        client = self.client(gate)
        answer = client.submit(yes, registered_delivery=1)
        ours = answer["pdu"]["message_id"]
        gate.kill9()
        client.stop()
        gate.start()
        self.provider.wait("the gateway's second bind", lambda e: e["event"] == "pdu" and
                           e["command"].startswith("bind_") and e["session"] > 1)

        def report():
            before = len([e for e in self.provider.events if e.get("tag") == "receipt"])
            self.provider.tell(do="receipt", id="m1", pdu={"source_addr": yes[1:],
                               "source_addr_ton": 1, "destination_addr": "ACME"})
            with self.provider.changed:
                self.provider.changed.wait_for(lambda: len([
                    e for e in self.provider.events if e.get("tag") == "receipt"]) > before,
                    harness.PATIENCE)
            return [e for e in self.provider.events if e.get("tag") == "receipt"][-1]["status"]
        self.assertEqual(report(), UNABLE)
        client = self.client(gate)
        self.assertEqual(report(), OK)
        self.assertIn(f"id:{ours} ".encode(),
                      bytes.fromhex(client.wait_pdus("deliver_sm")[0]["raw"]))

    def test_stop(self):
        """STOP is acknowledged when it is on record, and the next message is refused."""
        gate = self.sms_gateway(self.provider)
        yes = self.number(gate)
        client = self.client(gate)
        self.assertEqual(client.submit(yes)["status"], OK)
        answer = self.provider.ask("deliver_sm", {
            "source_addr": yes[1:], "source_addr_ton": 1, "destination_addr": "36111",
            "short_message": "Stop svp"})
        self.assertEqual(answer["status"], OK)
        self.assertEqual(client.submit(yes)["status"], BLOCKED)
        self.assertRow(gate.wait_rows(2)[1], reason="WITHDRAWN")
        shown = json.loads(gate.cli("consent", "show", yes, "--partner", "acme", "--channel", "sms",
                                    "--format", "json"))
        self.assertEqual(shown["reason"], "WITHDRAWN")

    def test_reply_reaches_the_partner(self):
        gate = self.sms_gateway(self.provider)
        yes = self.number(gate)
        message = {"source_addr": yes[1:], "source_addr_ton": 1, "destination_addr": "36180",
                   "short_message": "Merci beaucoup"}
        self.assertEqual(self.provider.ask("deliver_sm", message)["status"], UNABLE)
        client = self.client(gate)
        self.assertEqual(self.provider.ask("deliver_sm", message)["status"], OK)
        told = client.wait_pdus("deliver_sm")[0]
        self.assertEqual(told["pdu"]["source_addr"], yes[1:])
        self.assertIn(b"Merci beaucoup".hex(), told["raw"])

    def test_tls(self):
        pki = self.pki()
        certificate, key = pki.issue("gate.test", "DNS:gate.test,IP:127.0.0.1")
        upstream, upstream_key = pki.issue("smsc.test", "DNS:smsc.test,IP:127.0.0.1")
        provider = self.smsc(tls={"cert": str(upstream), "key": str(upstream_key)})
        gate = self.sms_gateway(provider, start=False, providers={
            "aggregator": smpp_provider(provider.port, tls="implicit", tls_name="smsc.test",
                                        tls_ca_file=str(pki.authority()))})
        gate.config["listeners"]["smpp"].update(tls="implicit", certificate_file=certificate,
                                                key_file=key)
        gate.write_config()
        gate.start()
        provider.wait("the gateway's bind", lambda e: e["event"] == "pdu")
        yes, no = self.number(gate), self.number(gate, consent=False)
        client = self.client(gate, tls=True)
        self.assertEqual(client.submit(yes)["status"], OK)
        self.assertEqual(client.submit(no)["status"], BLOCKED)

    def test_login(self):
        gate = self.sms_gateway(self.provider)
        self.client(gate, password="wrong", expect=0x0e)
        self.client(gate, account="nobody", expect=0x0e)
        receiver = self.client(gate, bind="bind_receiver")
        self.assertEqual(receiver.submit(mobile())["status"], 0x04)
        unbound = self.client(gate, bind=None)
        self.assertEqual(unbound.submit(mobile())["status"], 0x04)

    def test_provider_away(self):
        gate = self.sms_gateway(self.provider)
        yes = self.number(gate)
        client = self.client(gate)
        self.provider.stop()
        self.assertEqual(client.submit(yes)["status"], UNABLE)
        row = gate.wait_rows(1)[0]
        self.assertEqual(row["verdict"], "pass")
        self.assertIn(row["outcome"], (None, "unknown"))


class Native(SmsTest):
    """The gate's own HTTP shape."""

    def setUp(self):
        super().setUp()
        self.provider = self.smsc()

    def test_pass_block_and_defer(self):
        gate = self.sms_gateway(self.provider)
        yes, no = self.number(gate), self.number(gate, consent=False)
        passed = self.send(gate, yes)
        self.assertEqual(passed.status, 202, passed.body)
        self.assertEqual(passed.json()["provider_id"], "m1")
        refused = self.send(gate, no)
        self.assertEqual(refused.status, 403)
        problem = refused.json()
        self.assertEqual((problem["reason"], refused.headers["Content-Type"]),
                         ("NO_CONSENT", "application/problem+json"))
        rows = gate.wait_rows(2)
        self.assertEqual([row["id"] for row in rows], [passed.json()["id"], problem["ref"]])
        self.provider.stop()
        away = self.send(gate, yes)
        self.assertEqual(away.status, 503, away.body)
        self.assertIn("Retry-After", away.headers)

    def test_long_and_accents(self):
        gate = self.sms_gateway(self.provider)
        yes = self.number(gate)
        self.assertEqual(self.send(gate, yes, text="é€[]").status, 202)
        long = self.send(gate, yes, text="a" * 200)
        self.assertEqual((long.status, long.json()["parts"]), (202, 2))
        emoji = self.send(gate, yes, text="Corse \U0001F334")
        self.assertEqual(emoji.status, 202)
        sent = self.provider.wait_pdus("submit_sm", 3)
        self.assertIn("051b651b3c1b3e", sent[0]["raw"])
        self.assertIn("042400c8" + b"a".hex() * 200, sent[1]["raw"])
        self.assertEqual(sent[2]["pdu"]["data_coding"], 8)
        self.assertIn("d83cdf34", sent[2]["raw"])
