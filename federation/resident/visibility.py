"""Which events of a room another server may see in full: those that one of its users may.

https://spec.matrix.org/v1.19/client-server-api/#room-history-visibility
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from homeserver.protocol.history_visibility import may_see
from homeserver.protocol.identifiers import ServerName, server_of
from homeserver.protocol.json import decode_json
from homeserver.rooms.store.graph import EventStates, states_of
from homeserver.rooms.store.overrides import Changes, StateRef, read_override
from homeserver.rooms.store.spans import slot_nids
from homeserver.storage.engine import Transaction

_VISIBILITY = ("m.room.history_visibility", "")
_RESTRICTED = ("invited", "joined")


class Sighted(NamedTuple):
    """An event, and the numbers of the room's state line around it."""

    nid: int
    state_before: int
    state_after: int
    on_fork: int


class _Span(NamedTuple):
    from_line: int
    to_line: int
    value: str | None


def hidden_events(
    txn: Transaction, room: int, server: ServerName, events: Sequence[Sighted]
) -> frozenset[int]:
    """The short ids of those of the events that the server, which is in the room now, may not see."""
    forks = states_of(txn, [event.nid for event in events if event.on_fork])
    sight = _Sight(txn, room, server)
    return frozenset(event.nid for event in events if sight.hides(forks.get(event.nid) or _on_line(event)))


def _on_line(event: Sighted) -> EventStates:
    return EventStates(StateRef(event.state_before), StateRef(event.state_after))


class _Sight:
    def __init__(self, txn: Transaction, room: int, server: ServerName) -> None:
        self._txn = txn
        self._room = room
        self._server = server
        self._slot = slot_nids(txn, [_VISIBILITY]).get(_VISIBILITY, 0)
        self._overrides: dict[int, Changes] = {}

    def hides(self, states: EventStates) -> bool:
        before, after = (self._visibility(state) for state in states)
        if before not in _RESTRICTED or after not in _RESTRICTED:
            return False
        return not may_see(
            visibility_before=before,
            visibility_after=after,
            membership_before=self._membership(states.before),
            membership_after=self._membership(states.after),
            joined_later=True,
        )

    def _visibility(self, state: StateRef) -> str | None:
        changes = self._changes(state)
        if self._slot in changes:
            return self._value(changes[self._slot], "history_visibility")
        return _at(self._visibilities, state.line)

    def _membership(self, state: StateRef) -> str | None:
        """The most that any user of the server was."""
        changes = self._changes(state)
        found = set()
        for slot, spans in self._memberships.items():
            if slot in changes:
                found.add(self._value(changes[slot], "membership"))
            else:
                found.add(_at(spans, state.line))
            if "join" in found:
                return "join"
        return "invite" if "invite" in found else None

    def _changes(self, state: StateRef) -> Changes:
        if state.override is None:
            return {}
        if state.override not in self._overrides:
            self._overrides[state.override] = read_override(self._txn, state.override).changes
        return self._overrides[state.override]

    @cached_property
    def _visibilities(self) -> Sequence[_Span]:
        rows = self._txn.rows(
            """
            SELECT p.from_line, p.to_line, b.client FROM room_state_span p JOIN room_event_body b ON b.nid = p.event
            WHERE p.room = %(room)s AND p.slot = %(slot)s ORDER BY p.from_line
            """,
            room=self._room, slot=self._slot,
        )  # fmt: skip
        return [_Span(began, ended, _string(client, "history_visibility")) for began, ended, client in rows]

    @cached_property
    def _memberships(self) -> Mapping[int, Sequence[_Span]]:
        """Of the server's users, by slot. Read only where it matters, as there may be many."""
        rows = self._txn.rows(
            """
            SELECT u.user_id, p.slot, p.from_line, p.to_line, b.client FROM room_member m
            JOIN known_user u ON u.nid = m.user_nid
            JOIN room_slot s ON s.type = 'm.room.member' AND s.state_key = u.user_id
            JOIN room_state_span p ON p.room = m.room AND p.slot = s.nid
            JOIN room_event_body b ON b.nid = p.event
            WHERE m.room = %(room)s AND u.user_id LIKE %(pattern)s
            ORDER BY p.from_line
            """,
            room=self._room, pattern=f"%:{self._server}",
        )  # fmt: skip
        found: dict[int, list[_Span]] = defaultdict(list)
        for user_id, slot, from_line, to_line, client in rows:
            # The end of a user ID may be a port, too.
            if server_of(user_id) == self._server:
                found[slot].append(_Span(from_line, to_line, _string(client, "membership")))
        return found

    def _value(self, event: int | None, key: str) -> str | None:
        row = self._txn.row("SELECT client FROM room_event_body WHERE nid = %(nid)s", nid=event)
        return None if row is None else _string(row[0], key)


def _at(spans: Sequence[_Span], line: int) -> str | None:
    return next((span.value for span in spans if span.from_line <= line < span.to_line), None)


def _string(client: bytes, key: str) -> str | None:
    value: Any = decode_json(client)["content"].get(key)
    return value if isinstance(value, str) else None
