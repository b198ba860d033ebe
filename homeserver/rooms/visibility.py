"""Which events of a room a user may see, and what the user was in the room when they were sent.

https://spec.matrix.org/v1.19/client-server-api/#room-history-visibility
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from homeserver.protocol.history_visibility import may_see
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import decode_json
from homeserver.rooms.store.members import MemberRow
from homeserver.rooms.store.spans import OPEN, Slot, slot_history
from homeserver.rooms.timeline_event import TimelineEvent
from homeserver.storage.engine import Transaction

_VISIBILITY: Slot = ("m.room.history_visibility", "")


class Seen(NamedTuple):
    """An event with the viewer's membership at it, including what the event itself changed (MSC4115)."""

    event: TimelineEvent
    membership: str


def seen_by_member(member: MemberRow | None, events: Sequence[TimelineEvent]) -> list[Seen] | None:
    """The answer without a look into the database: all events, if the user was joined before them."""
    if all(_was_joined_at(member, event) for event in events):
        return [Seen(event, "join") for event in events]
    return None


def _was_joined_at(member: MemberRow | None, event: TimelineEvent) -> bool:
    return member is not None and member.membership == "join" and event.position >= member.since


def visible_events(
    txn: Transaction, room: int, user_id: UserID, member: MemberRow | None, events: Sequence[TimelineEvent]
) -> list[Seen]:
    """Those of `events` that the user may see, in the same order.

    What was sent since the user joined costs nothing; the rest two slots, with one range query each.
    """
    doubtful = [event for event in events if not _was_joined_at(member, event)]
    if not doubtful:
        return [Seen(event, "join") for event in events]
    newest = max(event.state_after for event in doubtful)
    memberships = _SlotValues(txn, room, ("m.room.member", user_id), "membership", OPEN)
    visibilities = _SlotValues(txn, room, _VISIBILITY, "history_visibility", newest)
    seen = []
    for event in events:
        if _was_joined_at(member, event):
            seen.append(Seen(event, "join"))
            continue
        membership = memberships.at(event.state_after)
        if may_see(
            visibility_before=visibilities.at(event.state_before),
            visibility_after=visibilities.at(event.state_after),
            membership_before=memberships.at(event.state_before),
            membership_after=membership,
            joined_later=memberships.was_later("join", event.state_after),
        ):
            seen.append(Seen(event, membership or "leave"))
    return seen


class Departure(NamedTuple):
    """The event by which a user left a room: its position, and its number on the state line."""

    position: int
    line: int


def last_departure(txn: Transaction, room: int, user_id: UserID) -> Departure | None:
    """How a user who is not joined last ceased to be; None for who never was."""
    spans = slot_history(txn, room, ("m.room.member", user_id), OPEN)
    for before, after in pairwise(reversed(spans)):
        if _value(after.client, "membership") == "join":
            return Departure(before.position, before.from_line)
    return None


class _SlotValues:
    """The values over time of one string in the content of one slot."""

    def __init__(self, txn: Transaction, room: int, slot: Slot, key: str, upto: int) -> None:
        self._spans = [
            (span.from_line, span.to_line, _value(span.client, key))
            for span in slot_history(txn, room, slot, upto)
        ]

    def at(self, line: int) -> str | None:
        for from_line, to_line, value in reversed(self._spans):
            if from_line <= line < to_line:
                return value
        return None

    def was_later(self, value: str, line: int) -> bool:
        return any(from_line > line and held == value for from_line, _, held in self._spans)


def _value(client: bytes, key: str) -> str | None:
    value: Any = decode_json(client)["content"].get(key)
    return value if isinstance(value, str) else None
