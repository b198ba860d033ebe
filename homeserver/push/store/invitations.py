"""Invitations to rooms elsewhere, of users who have pushers; reads room_elsewhere and pusher."""

from typing import NamedTuple

from homeserver.protocol.identifiers import RoomID, UserID
from homeserver.storage.engine import Transaction


class InvitationRow(NamedTuple):
    """`event` is the member event as JSON for clients, `stripped` a list of stripped state; `ts` is in ms."""

    user_nid: int
    user_id: UserID
    room_id: RoomID
    sender: UserID
    event: bytes
    stripped: bytes
    position: int
    ts: int


_SELECT = """
    SELECT e.user_nid, u.user_id, e.room_id, e.sender, e.event, e.stripped, e.position, e.changed_at
    FROM room_elsewhere e
    JOIN known_user u ON u.nid = e.user_nid
    WHERE e.membership = 'invite' AND e.position > %(after)s AND e.position <= %(upto)s
      AND {}
    ORDER BY e.position
"""
_OF_ALL = _SELECT.format("EXISTS (SELECT 1 FROM pusher p WHERE p.user_nid = e.user_nid)")
_OF_ONE = _SELECT.format("e.user_nid = %(user_nid)s")


def invitations_between(txn: Transaction, after: int, upto: int) -> list[InvitationRow]:
    """Those that came at after < position <= upto, in that order, and still stand."""
    return [_read(*row) for row in txn.rows(_OF_ALL, after=after, upto=upto)]


def invitations_of(txn: Transaction, user_nid: int, after: int, upto: int) -> list[InvitationRow]:
    """The same of one user."""
    return [_read(*row) for row in txn.rows(_OF_ONE, user_nid=user_nid, after=after, upto=upto)]


def _read(
    user_nid: int,
    user_id: str,
    room_id: str,
    sender: str,
    event: bytes,
    stripped: bytes,
    position: int,
    ts: int,
) -> InvitationRow:
    return InvitationRow(
        user_nid,
        UserID(user_id),
        RoomID(room_id),
        UserID(sender),
        bytes(event),
        bytes(stripped),
        position,
        ts,
    )
