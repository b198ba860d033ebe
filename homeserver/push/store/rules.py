"""Table push_rules: what users changed of the default push rules."""

from collections.abc import Sequence

import msgspec

from homeserver.protocol.json import encode_json
from homeserver.protocol.push_rules import UNCHANGED, PushRules
from homeserver.storage.engine import Transaction

_decode = msgspec.json.Decoder(PushRules).decode


def rules_of(txn: Transaction, user_nid: int) -> PushRules:
    return rules_of_users(txn, [user_nid]).get(user_nid, UNCHANGED)


def rules_of_users(txn: Transaction, user_nids: Sequence[int]) -> dict[int, PushRules]:
    """Without users who changed nothing."""
    rows = txn.rows("SELECT user_nid, rules FROM push_rules WHERE user_nid IN %(nids)s", nids=list(user_nids))
    return {user_nid: _decode(rules) for user_nid, rules in rows}


def rules_changed_after(txn: Transaction, user_nid: int, position: int) -> PushRules | None:
    """None where they did not."""
    row = txn.row(
        "SELECT rules FROM push_rules WHERE user_nid = %(user_nid)s AND position > %(position)s",
        user_nid=user_nid, position=position,
    )  # fmt: skip
    return None if row is None else _decode(row[0])


def upsert_rules(txn: Transaction, user_nid: int, rules: PushRules, position: int) -> None:
    txn.execute(
        """
        INSERT INTO push_rules (user_nid, rules, position) VALUES (%(user_nid)s, %(rules)s, %(position)s)
        ON CONFLICT (user_nid) DO UPDATE SET rules = excluded.rules, position = excluded.position
        """,
        user_nid=user_nid, rules=encode_json(rules), position=position,
    )  # fmt: skip


def delete_rules_of_deactivated(txn: Transaction) -> None:
    """The rules of users whose accounts have ended."""
    txn.execute(
        """
        DELETE FROM push_rules WHERE user_nid IN (
            SELECT user_nid FROM account WHERE deactivated_at IS NOT NULL
        )
        """
    )
