"""Redactions: who may, and what they do to the event they name.

https://spec.matrix.org/v1.19/client-server-api/#redactions
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from homeserver.protocol.errors import Forbidden, NotFound, UserSuspended
from homeserver.protocol.event_auth import redaction_applies
from homeserver.protocol.events import Event
from homeserver.protocol.identifiers import EventID, UserID
from homeserver.protocol.power_levels import power_levels
from homeserver.protocol.removals import user_to_redact
from homeserver.rooms.appends import Accepted
from homeserver.rooms.draft import Draft, Sent
from homeserver.rooms.graph.auth_graph import RoomKey
from homeserver.rooms.graph.resolution import Resolver, State
from homeserver.rooms.head import Heads
from homeserver.rooms.removals import mark_removed, redacted_by_removals
from homeserver.rooms.send import EventSender
from homeserver.rooms.store.early_redactions import remember_early, take_early
from homeserver.rooms.store.events import mark_redacted, place_of
from homeserver.rooms.store.graph import graph_events
from homeserver.rooms.tails import Tails
from homeserver.storage.database import Database
from homeserver.storage.dictionary import Dictionary
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Topic

_POWER_SLOTS = (("m.room.create", ""), ("m.room.power_levels", ""))


class Redactor:
    """Sends redactions for local users."""

    def __init__(self, sender: EventSender, heads: Heads, db: Database, users: Dictionary[UserID]) -> None:
        self._sender = sender
        self._heads = heads
        self._db = db
        self._users = users

    async def redact(self, draft: Draft, target: EventID, *, own_only: bool = False) -> Sent:
        """Sends `draft`, an `m.room.redaction` without its target, for `target`.

        One's own events can always be redacted, those of others with the power level `redact`. Raises
        Forbidden, or NotFound where a user without that power names an event that is not in the room. With
        `own_only` the power is of no use to a user who is suspended: raises UserSuspended.
        """
        head = await self._heads.get(draft.room_id)
        if own_only or not await self._has_redact_power(draft):
            place = await self._db.read(place_of, target)
            if place is None or place.room != head.nid:
                raise NotFound("There is no such event in this room")
            if place.sender != await self._users.nid_of(draft.sender):
                if own_only:
                    raise UserSuspended(
                        "You cannot redact the events of others while your account is suspended"
                    )
                raise Forbidden("You may not redact the events of others in this room")
        if head.version.redacts_in_content:
            draft.content = {**draft.content, "redacts": target}
        else:
            draft.redacts = target
        return await self._sender.send(draft)

    async def _has_redact_power(self, draft: Draft) -> bool:
        head = await self._heads.get(draft.room_id)
        await self._heads.load(head, _POWER_SLOTS)
        levels = power_levels(head.state, head.version)
        return levels.user(draft.sender) >= levels.redact


class _Redaction(NamedTuple):
    """`before` is the state before it, by which it is decided whether it counts."""

    room: RoomKey
    nid: int
    event: Event
    target: EventID
    before: State


class RedactionMarks:
    """The projection that marks events as redacted, also those that come later. Readers prune what is marked."""

    def __init__(self, heads: Heads, tails: Tails) -> None:
        self._heads = heads
        self._tails = tails

    def project(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        """Marks the targets, as far as they are known here and the rules let their redaction apply."""
        self._mark_named(txn, events)
        mark_removed(txn, events)

    def _mark_named(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        redactions = [*_early(txn, events), *(_new(*found) for found in _named_among(events))]
        if not redactions:
            return
        in_batch = {event.event.event_id: (event.nid, event.room) for event in events}
        places = {
            one.target: in_batch.get(one.target) or _stored_place(txn, one.target) for one in redactions
        }
        marks, unknown = [], []
        for one in redactions:
            place = places[one.target]
            if place is None:
                unknown.append((one.target, one.nid))
            elif place[1] == one.room.nid and _applies(txn, one):
                marks.append((place[0], one.nid))
        mark_redacted(txn, marks)
        remember_early(txn, unknown)

    def projected(self, events: Sequence[Accepted]) -> Iterable[Topic]:
        for event in events:
            if may_redact(event.event):
                # Both hold the content that was redacted; what is read anew is pruned.
                self._tails.discard(event.room)
                self._heads.discard(event.event.room_id)
        return ()


def may_redact(event: Event) -> bool:
    """Whether the event may redact others: it is a redaction, or a kick or ban with the power of one."""
    return event.type == "m.room.redaction" or user_to_redact(event) is not None


def redactions_among(txn: Transaction, events: Sequence[Accepted]) -> list[tuple[Accepted, EventID]]:
    """Redactions with the events that they name, kicks and bans with those that they redacted."""
    return [*_named_among(events), *redacted_by_removals(txn, events)]


def _named_among(events: Sequence[Accepted]) -> list[tuple[Accepted, EventID]]:
    return [
        (event, event.event.redacts)
        for event in events
        if event.event.type == "m.room.redaction" and event.event.redacts is not None
    ]


def mark_beside(txn: Transaction, room: RoomKey, nid: int, redaction: Event, before: State) -> None:
    """Marks what a redaction names if it is here beside the timeline.

    `nid` is the redaction's number, `before` the state before it.
    """
    if redaction.redacts is None:
        return
    place = place_of(txn, redaction.redacts)
    if place is None or place.room != room.nid or place.position is not None:
        return
    if _applies(txn, _Redaction(room, nid, redaction, redaction.redacts, before)):
        mark_redacted(txn, [(place.nid, nid)])


def _stored_place(txn: Transaction, event_id: EventID) -> tuple[int, int] | None:
    place = place_of(txn, event_id)
    return None if place is None else (place.nid, place.room)


def _new(redaction: Accepted, target: EventID) -> _Redaction:
    event, fork = redaction.event, redaction.fork
    room = RoomKey(redaction.room, event.room_id, event.version)
    before = State(redaction.state_before, {}) if fork is None else fork.before
    return _Redaction(room, redaction.nid, event, target, before)


def _early(txn: Transaction, events: Sequence[Accepted]) -> Iterator[_Redaction]:
    """Redactions that came before what they redact, which is among the events."""
    late = {event.event.event_id: event for event in events if event.is_late}
    if not late:
        return
    for target, redaction, nid, room in take_early(txn, late.keys()):
        accepted = late[target]
        if room != accepted.room:
            continue
        key = RoomKey(room, accepted.event.room_id, accepted.event.version)
        resolver = Resolver(txn, key)
        states = graph_events(txn, [redaction])[redaction].states
        assert states is not None, "it is in the timeline"
        yield _Redaction(key, nid, resolver.events.get(redaction), target, resolver.read(states.before))


def _applies(txn: Transaction, redaction: _Redaction) -> bool:
    """By the state before the redaction: whoever is in a room may send one, for whatever they like.

    https://spec.matrix.org/v1.19/rooms/v3/#handling-redactions
    """
    resolver = Resolver(txn, redaction.room)
    levels = power_levels(resolver.lookup(redaction.before), redaction.event.version)
    return redaction_applies(redaction.event, resolver.events.get(redaction.target), levels)
