"""Working out which ruleset applies to whom in which room."""

from homeserver.protocol.push_evaluation import Ruleset
from homeserver.protocol.push_rules import UNCHANGED, PushRules, rules_within
from homeserver.push.store.audience import (
    DEFAULT,
    AudienceRow,
    audience_of_user,
    insert_rulesets,
    joined_rooms,
    ruleset_number,
    upsert_audience,
)
from homeserver.storage.engine import Transaction


class Audience:
    """Rows to be written, with the rulesets that they refer to."""

    def __init__(self) -> None:
        self._rows: list[AudienceRow] = []
        self._rulesets: dict[int, PushRules] = {DEFAULT: UNCHANGED}
        self._silent: dict[int, bool] = {DEFAULT: False}

    def enter(self, rules: PushRules, user_nid: int, room: int, room_id: str) -> None:
        """A user who comes into a room."""
        row = self._row(rules, user_nid, room, room_id)
        if row.ruleset != DEFAULT:
            self._rows.append(row)

    def change(self, rules: PushRules, earlier: AudienceRow, room_id: str, position: int) -> None:
        """A user who is in the room; `earlier` as it was, or would have been, stored."""
        row = self._row(rules, earlier.user_nid, earlier.room, room_id)
        if row.silent != earlier.silent:
            self._rows.append(row._replace(position=position))
        elif row.ruleset != earlier.ruleset:
            self._rows.append(row._replace(position=earlier.position))

    def write(self, txn: Transaction) -> None:
        insert_rulesets(txn, self._rulesets)
        upsert_audience(txn, self._rows)

    def _row(self, rules: PushRules, user_nid: int, room: int, room_id: str) -> AudienceRow:
        within = rules_within(rules, room_id)
        nid = ruleset_number(within)
        if nid not in self._rulesets:
            # In most of a user's rooms it is the same.
            self._rulesets[nid] = within
            self._silent[nid] = Ruleset(within).is_silent
        return AudienceRow(room, user_nid, nid, self._silent[nid], position=0)


def write_audience_of(txn: Transaction, user_nid: int, rules: PushRules, position: int) -> None:
    """After a user's rules changed, in all rooms that the user is in."""
    stored = audience_of_user(txn, user_nid)
    audience = Audience()
    for room, room_id in joined_rooms(txn, user_nid):
        earlier = stored.get(room, AudienceRow(room, user_nid, DEFAULT, silent=False, position=0))
        audience.change(rules, earlier, room_id, position)
    audience.write(txn)
