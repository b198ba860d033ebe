"""Which events of a room a user may see, and what the user was in the room when they were sent.

https://spec.matrix.org/v1.19/client-server-api/#room-history-visibility
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from homeserver.protocol.history_visibility import may_see
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import decode_json
from homeserver.rooms.seen import Seen
from homeserver.rooms.store.graph import EventStates, states_of
from homeserver.rooms.store.members import MemberRow
from homeserver.rooms.store.overrides import StateRef, overriding
from homeserver.rooms.store.spans import OPEN, Slot, SlotSpan, slot_histories, slot_history
from homeserver.rooms.timeline_event import TimelineEvent
from homeserver.storage.engine import Transaction

_VISIBILITY: Slot = ("m.room.history_visibility", "")

Histories = Mapping[tuple[int, Slot], Sequence[SlotSpan]]
"""By room and slot."""


def seen_by_member(member: MemberRow | None, events: Sequence[TimelineEvent]) -> list[Seen] | None:
    """The answer without a look into the database: all events, if the user was joined before them."""
    if all(_was_joined_at(member, event) for event in events):
        return [Seen(event, "join") for event in events]
    return None


def _was_joined_at(member: MemberRow | None, event: TimelineEvent) -> bool:
    """Whether the user surely was; on a branch of the room they may not have been, whenever it came to be known."""
    is_joined = member is not None and member.membership == "join" and event.position >= member.since
    return is_joined and not event.on_fork


def visible_events(
    txn: Transaction,
    room: int,
    user_id: UserID,
    member: MemberRow | None,
    events: Sequence[TimelineEvent],
    histories: Histories | None = None,
) -> list[Seen]:
    """Those of `events` that the user may see, in the same order.

    What was sent since the user joined costs nothing; the rest two slots, with one range query each, unless
    their `histories` were read before.
    """
    doubtful = [event for event in events if not _was_joined_at(member, event)]
    if not doubtful:
        return [Seen(event, "join") for event in events]
    newest = max(event.state_after for event in doubtful)
    own = ("m.room.member", user_id)
    if histories is None:
        histories = {
            (room, own): slot_history(txn, room, own, OPEN),
            (room, _VISIBILITY): slot_history(txn, room, _VISIBILITY, newest),
        }
    memberships = _SlotValues(txn, own, "membership", histories[room, own])
    visibilities = _SlotValues(txn, _VISIBILITY, "history_visibility", histories[room, _VISIBILITY])
    forked = [event.nid for event in doubtful if event.on_fork]
    forks = states_of(txn, forked) if forked else {}
    seen = []
    for event in events:
        if _was_joined_at(member, event):
            seen.append(Seen(event, "join"))
            continue
        before, after = forks.get(event.nid) or _on_line(event)
        membership = memberships.at(after)
        # Whoever is put out sees it, also if they were only invited.
        is_removed = (event.key.type, event.key.state_key) == own and membership in ("leave", "ban")
        if is_removed or may_see(
            visibility_before=visibilities.at(before),
            visibility_after=visibilities.at(after),
            membership_before=memberships.at(before),
            membership_after=membership,
            joined_later=memberships.was_later("join", event.state_after),
        ):
            seen.append(Seen(event, membership or "leave"))
    return seen


def doubtful_histories(
    txn: Transaction, user_id: UserID, members: Iterable[MemberRow], events: Sequence[TimelineEvent]
) -> Histories:
    """What `visible_events` needs of the rooms that these events are of, read by two statements for all of them."""
    by_room = {member.room: member for member in members}
    rooms = {event.room for event in events if not _was_joined_at(by_room.get(event.room), event)}
    return slot_histories(txn, rooms, [("m.room.member", user_id), _VISIBILITY]) if rooms else {}


def _on_line(event: TimelineEvent) -> EventStates:
    return EventStates(StateRef(event.state_before), StateRef(event.state_after))


class Stay(NamedTuple):
    """A time for which a user was joined to a room.

    `began` and `ended` are the positions of the events that did it, `line` is the latter on the state line.
    """

    began: int
    ended: int
    line: int


def last_stay(txn: Transaction, room: int, user_id: UserID) -> Stay | None:
    """Of a user who is not joined; None for who never was."""
    stay = None
    began = None
    for span in slot_history(txn, room, ("m.room.member", user_id), OPEN):
        if _value(span.client, "membership") == "join":
            began = span.position if began is None else began
        elif began is not None:
            stay, began = Stay(began, span.position, span.from_line), None
    return stay


class _SlotValues:
    """The values over time, and on forks, of one string in the content of one slot."""

    def __init__(self, txn: Transaction, slot: Slot, key: str, history: Sequence[SlotSpan]) -> None:
        self._txn = txn
        self._slot = slot
        self._key = key
        self._spans = [(span.from_line, span.to_line, _value(span.client, key)) for span in history]
        self._overridden: dict[int, Mapping[Slot, bytes | None]] = {}

    def at(self, state: StateRef) -> str | None:
        if state.override is not None:
            overridden = self._overrides(state.override)
            if self._slot in overridden:
                client = overridden[self._slot]
                return None if client is None else _value(client, self._key)
        for from_line, to_line, value in reversed(self._spans):
            if from_line <= state.line < to_line:
                return value
        return None

    def _overrides(self, override: int) -> Mapping[Slot, bytes | None]:
        if override not in self._overridden:
            self._overridden[override] = overriding(self._txn, override, self._slot)
        return self._overridden[override]

    def was_later(self, value: str, line: int) -> bool:
        return any(from_line > line and held == value for from_line, _, held in self._spans)


def _value(client: bytes, key: str) -> str | None:
    value: Any = decode_json(client)["content"].get(key)
    return value if isinstance(value, str) else None
