# SPDX-License-Identifier: Apache-2.0
"""What must hold of every message whatever broke meanwhile, in the journal, at the provider and in
what partners were told: nothing left without its row, nothing twice, no success that the provider did
not give, no refusal without its row."""

import load


def by_key(rows):
    found = {}
    for row in rows:
        found.setdefault(row["recipient_key"], []).append(row)
    return found


def mail(test, gateway, rows, provider, told, given=None):
    """told: a load.Load; given: what the provider was given meanwhile, if not all of it."""
    given = provider.given if given is None else given
    for recipient, queue_id in told.passed.items():
        test.assertTrue(recipient in provider.acknowledged, f"{recipient} is lost")
        test.assertEqual(provider.acknowledged[recipient][0], queue_id)
    mail_left(test, gateway, rows, given, provider.acknowledged)
    by_id = {row["id"]: row for row in rows}
    for recipient, ref in told.refused.items():
        test.assertTrue(ref in by_id, f"{recipient} was refused as {ref} without a row")
        test.assertRow(by_id[ref], verdict="block", reason="NO_CONSENT", effect="refused",
                       recipient_key=load.recipient_key(gateway, recipient))
        test.assertFalse(recipient in provider.given, recipient)


def mail_left(test, gateway, rows, given, acknowledged):
    """Whatever the provider was given, even in part, has exactly one row: effect passed."""
    keyed = by_key(rows)
    for recipient, times in given.items():
        test.assertEqual(times, 1, recipient)
        found = keyed.get(load.recipient_key(gateway, recipient), [])
        test.assertEqual(len(found), 1, f"{recipient}: {found}")
        test.assertRow(found[0], verdict="pass", reason="CONSENT", effect="passed")
        queue_id = acknowledged.get(recipient, (None,))[0]
        test.assertIn(found[0]["queue_id"], (None, queue_id), recipient)
        test.assertIn(found[0]["outcome"], (None, "accepted", "unknown"))
        if recipient in acknowledged:
            test.assertIn(found[0]["session"].encode(), acknowledged[recipient][1])


def sms(test, gateway, rows, provider, partners):
    """partners: sms_load.Partner; returns (passed, refused): number → the id told, and numbers."""
    keyed = by_key(rows)
    by_id = {row["id"]: row for row in rows}
    passed = {number: ref for each in partners for number, ref in each.passed.items()}
    refused = {number for each in partners for number in each.refused}
    test.assertEqual([other for each in partners for other in each.other], [])
    for number, ref in passed.items():
        test.assertIn(number, provider.acknowledged, "a success without the provider")
        test.assertRow(by_id[ref], verdict="pass", effect="passed",
                       recipient_key=load.recipient_key(gateway, "+" + number))
    for number, times in provider.given.items():
        found = keyed.get(load.recipient_key(gateway, "+" + number), [])
        test.assertEqual((times, [(row["verdict"], row["effect"]) for row in found]),
                         (1, [("pass", "passed")]), "a delivery without its row")
    return passed, refused
