"""The projection that counts what notifies, and keeps who is in which room with which rules."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from homeserver.accounts.domains import LocalDomains
from homeserver.protocol.json import encode_json
from homeserver.protocol.push_evaluation import NOTHING
from homeserver.push.audience import Audience
from homeserver.push.judging import Judge, Judgement
from homeserver.push.store.audience import delete_audience
from homeserver.push.store.events import (
    ExceptionRow,
    SpokenRow,
    UsualRow,
    forget_redacted,
    insert_exceptions,
    insert_usual,
    upsert_spoken,
)
from homeserver.push.store.rules import rules_of_users
from homeserver.push.threads import thread_of
from homeserver.push.unread import Happening, UnreadCounts
from homeserver.rooms.appends import Accepted
from homeserver.rooms.redactions import may_redact, redactions_among
from homeserver.rooms.store.events import positions_of
from homeserver.runtime.clock import Clock
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Topic

_MOST_HANDED_OVER = 10_000
"""Events whose commit is under way; more only where commits failed."""


@dataclass(slots=True)
class _Rows:
    usual: list[UsualRow] = field(default_factory=list)
    exceptions: list[ExceptionRow] = field(default_factory=list)
    spoken: dict[tuple[int, int, str], SpokenRow] = field(default_factory=dict)


class _Move(NamedTuple):
    """What the last change of a membership in a batch comes to."""

    room_id: str
    joined: bool


class Notifying:
    """Comes after the projections of memberships and redactions."""

    def __init__(self, judge: Judge, unread: UnreadCounts, domains: LocalDomains, clock: Clock) -> None:
        self._judge = judge
        self._unread = unread
        self._domains = domains
        self._clock = clock
        # From the writer's thread to the reactor's: single operations of a dict need no lock.
        self._happened: dict[str, Happening] = {}

    def project(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        moves = _moves(events)
        if moves:
            _follow_moves(txn, moves)
        rows = _Rows()
        now_ms = self._clock.now_ms()
        if len(self._happened) > _MOST_HANDED_OVER:
            self._happened.clear()
        for judgement in self._judge.judge(txn, events):
            self._happened[judgement.event.event.event_id] = self._enter(txn, rows, judgement, now_ms)
        if rows.usual:
            insert_usual(txn, rows.usual)
        if rows.exceptions:
            insert_exceptions(txn, rows.exceptions)
        if rows.spoken:
            upsert_spoken(txn, rows.spoken.values())
        _follow_redactions(txn, events)

    def projected(self, events: Sequence[Accepted]) -> Iterable[Topic]:
        """Brings the counts in memory up to date. Who is notified waits for the room, or is invited, anyway."""
        for event in events:
            happening = self._happened.pop(event.event.event_id, None)
            if happening is None or may_redact(event.event):
                self._unread.forget_room(event.room)
            else:
                self._unread.follow(event.room, happening)
        for room, user_nid in _moves(events):
            self._unread.forget_member(room, user_nid)
        return ()

    def _enter(self, txn: Transaction, rows: _Rows, judgement: Judgement, now_ms: int) -> Happening:
        """Adds the rows of one event."""
        accepted, usual, exceptions = judgement
        room, sender, position = accepted.room, accepted.short_ids.sender, accepted.position
        speaks = self._speaks(judgement)
        if not (usual.notify or exceptions or speaks):
            return Happening("", NOTHING)
        thread = thread_of(txn, room, accepted.event.content)
        if usual.notify:
            rows.usual.append(
                UsualRow(position, room, thread, sender, usual.rule_id, usual.highlight, now_ms)
            )
        for user_nid, own in exceptions.items():
            rows.exceptions.append(
                ExceptionRow(
                    position=position,
                    user_nid=user_nid,
                    room=room,
                    thread=thread,
                    sender=sender,
                    notify=own.notify,
                    highlight=own.highlight,
                    usual_notify=usual.notify,
                    usual_highlight=usual.highlight,
                    actions=encode_json(own.actions),
                    ts=now_ms,
                )
            )
        if speaks:
            rows.spoken[room, sender, thread] = SpokenRow(room, sender, thread, position)
        return Happening(thread, usual, frozenset(exceptions), sender if speaks else None)

    def _speaks(self, judgement: Judgement) -> bool:
        """Whether the sender, a local user, has read all before it by sending it.

        Not by what clients send on their own or in many rooms at once, such as a new name; but nobody has to read
        their own tombstone.
        https://spec.matrix.org/v1.19/client-server-api/#marking-notifications-as-read
        """
        event = judgement.event.event
        if not self._domains.is_local(event.sender):
            return False
        return judgement.usual.notify or not (event.is_state or event.type == "m.room.redaction")


def _moves(events: Sequence[Accepted]) -> dict[tuple[int, int], _Move]:
    """By room and user."""
    return {
        (event.room, change.target): _Move(
            event.event.room_id, change.event is not None and change.event.membership == "join"
        )
        for event in events
        for change in event.changes
        if change.target is not None
    }


def _follow_moves(txn: Transaction, moves: Mapping[tuple[int, int], _Move]) -> None:
    """Writes which rules apply to those who came; those of default rules need no row."""
    left = [member for member, move in moves.items() if not move.joined]
    if left:
        delete_audience(txn, left)
    rules = rules_of_users(txn, [user_nid for (_, user_nid), move in moves.items() if move.joined])
    if not rules:
        return
    audience = Audience()
    for (room, user_nid), move in moves.items():
        if move.joined and user_nid in rules:
            audience.enter(rules[user_nid], user_nid, room, move.room_id)
    audience.write(txn)


def _follow_redactions(txn: Transaction, events: Sequence[Accepted]) -> None:
    redactions = redactions_among(txn, events)
    if not redactions:
        return
    places = positions_of(txn, {target for _, target in redactions})
    positions = []
    for redaction, target in redactions:
        room, position = places.get(target, (None, 0))
        if room == redaction.room:
            positions.append(position)
    forget_redacted(txn, positions)
