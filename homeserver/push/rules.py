"""The push rules of users: read, changed, and told to their clients.

https://spec.matrix.org/v1.19/client-server-api/#push-rules
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from homeserver.http.requester import Requester
from homeserver.protocol.errors import MatrixError, TooLarge
from homeserver.protocol.identifiers import RoomID
from homeserver.protocol.json import JsonObject, encode_json
from homeserver.protocol.push_rules import PushRules, carried_over, shown_rules
from homeserver.push.audience import write_audience_of
from homeserver.push.store.rules import rules_changed_after, rules_of, upsert_rules
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Journal, Placed, Topic
from homeserver.streams.last_changed import LastChanged

_LARGEST = 500_000
"""Bytes of JSON that a user's own rules may take."""

Change = Callable[[PushRules], PushRules]
"""From the rules that are stored to the new ones. It may be called twice, and raise a MatrixError."""


@dataclass(frozen=True, slots=True)
class _Edit:
    user_nid: int
    change: Change


class _Edits:
    """How changes are stored (an EntryKind): read and written together, so that none is lost."""

    def __init__(self, changed: LastChanged[int]) -> None:
        self._changed = changed

    def count(self, entry: _Edit) -> int:
        return 1

    def store(self, txn: Transaction, batch: Sequence[Placed[_Edit]]) -> None:
        for placed in batch:
            user_nid = placed.entry.user_nid
            stored = rules_of(txn, user_nid)
            try:
                rules = _checked(placed.entry.change(stored))
            except MatrixError as error:
                placed.refused = error
                continue
            if rules != stored:
                upsert_rules(txn, user_nid, rules, placed.position)
                write_audience_of(txn, user_nid, rules, placed.position)

    def stored(self, batch: Sequence[Placed[_Edit]]) -> Iterable[Topic]:
        for placed in batch:
            self._changed.record(placed.entry.user_nid, placed.position)
        return {("user", placed.entry.user_nid) for placed in batch}


def _content(rules: PushRules, requester: Requester) -> JsonObject:
    return {"global": shown_rules(rules, requester.user_id)}


def _checked(rules: PushRules) -> PushRules:
    if len(encode_json(rules)) > _LARGEST:
        raise TooLarge("There are too many push rules, or they are too long")
    return rules


class UserRules:
    """Changes wake the topic ("user", short id)."""

    def __init__(self, db: Database, journal: Journal) -> None:
        self._db = db
        self._journal = journal
        self._changed: LastChanged[int] = LastChanged()
        self._edits = _Edits(self._changed)

    def start_at(self, position: int) -> None:
        """Called once the journal has started: changes up to `position` are only in the database."""
        self._changed.start_at(position)

    def changed_after(self, user_nid: int, position: int) -> bool:
        """Whether the user's rules may have changed after `position`."""
        return self._changed.after(user_nid, position)

    async def of(self, user_nid: int) -> PushRules:
        return await self._db.read(rules_of, user_nid)

    async def content(self, requester: Requester) -> JsonObject:
        """The content of the requester's account data m.push_rules."""
        return _content(await self.of(requester.user_nid), requester)

    async def content_after(self, requester: Requester, position: int) -> JsonObject | None:
        """The same, if it changed after `position`."""
        if not self.changed_after(requester.user_nid, position):
            return None
        rules = await self._db.read(rules_changed_after, requester.user_nid, position)
        return None if rules is None else _content(rules, requester)

    async def carry_over(self, user_nid: int, old: RoomID, new: RoomID) -> None:
        """The rules for one room also hold for the room that replaces it."""
        rules = await self.of(user_nid)
        if carried_over(rules, old, new) == rules:
            return
        with suppress(TooLarge):
            # Who has no room for another rule can still change rooms.
            await self.change(user_nid, lambda stored: carried_over(stored, old, new))

    async def change(self, user_nid: int, change: Change) -> None:
        """Raises what `change` raises, and TooLarge."""
        await self._journal.append(self._edits, _Edit(user_nid, change))
