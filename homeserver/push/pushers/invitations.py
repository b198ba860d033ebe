"""Invitations to rooms in which nobody of this server is: what pushers are told of them.

They are in no timeline, so it is looked at the user's rules when they are told.
https://spec.matrix.org/v1.19/client-server-api/#default-override-rules
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from homeserver.protocol.json import JsonObject, decode_json
from homeserver.protocol.push_conditions import PushedEvent
from homeserver.push.judging import verdict_of_invited
from homeserver.push.pushers.alerts import Alert, ToldEvent
from homeserver.push.store.invitations import InvitationRow, invitations_between, invitations_of
from homeserver.rooms.ignored import ignored_users
from homeserver.rooms.timeline_event import TimelineEvent, event_key
from homeserver.storage.engine import Transaction

_ELSEWHERE = 0
"""Stands for their rooms, which have no short ids here."""


def invited_between(txn: Transaction, after: int, upto: int) -> Mapping[int, Sequence[Alert]]:
    """What is to be told at after < position <= upto, by user and in that order."""
    found: dict[int, list[Alert]] = defaultdict(list)
    for row in invitations_between(txn, after, upto):
        found[row.user_nid] += _alert(txn, row)
    return found


def invited(txn: Transaction, user_nid: int, after: int, upto: int) -> Sequence[Alert]:
    """The same of one user."""
    return [alert for row in invitations_of(txn, user_nid, after, upto) for alert in _alert(txn, row)]


def _alert(txn: Transaction, row: InvitationRow) -> Iterator[Alert]:
    if row.sender in ignored_users(txn, row.user_nid):
        return
    event: JsonObject = {**decode_json(row.event), "room_id": row.room_id}
    # Of a room elsewhere nobody knows how many are in it, and who may do what.
    pushed = PushedEvent(event, member_count=lambda: 0, sender_may_notify=lambda _: False)
    verdict = verdict_of_invited(txn, row.user_nid, row.user_id, row.room_id, pushed)
    if verdict.notify:
        yield Alert(_told(row, event), verdict.actions)


def _told(row: InvitationRow, event: JsonObject) -> ToldEvent:
    state = {(one.get("type"), one.get("state_key")): one["content"] for one in _stripped(row)}

    def said(name: str, event_type: str, state_key: str = "") -> str | None:
        text = state.get((event_type, state_key), {}).get(name)
        return text if isinstance(text, str) and text else None

    key = event_key(row.event)
    shown = TimelineEvent(
        room=_ELSEWHERE,
        nid=0,
        position=row.position,
        client=row.event,
        key=key,
        origin_server_ts=0,
        state_before=0,
        state_after=0,
    )
    return ToldEvent(
        shown,
        event["content"],
        row.room_id,
        said("name", "m.room.name"),
        said("alias", "m.room.canonical_alias"),
        said("displayname", "m.room.member", key.sender),
        said("type", "m.room.create") == "m.space",
        row.ts,
    )


def _stripped(row: InvitationRow) -> Iterator[JsonObject]:
    """What another server says of a room may be anything."""
    for one in decode_json(row.stripped):
        if (
            isinstance(one, dict)
            and isinstance(one.get("content"), dict)
            and isinstance(one.get("state_key"), str)
        ):
            yield one
