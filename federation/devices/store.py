"""Table federation_device_list."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from federation.devices.keys_of_user import KeysOfUser
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import decode_json, encode_json
from homeserver.storage.engine import Transaction

_SHARES_A_ROOM = """
    EXISTS (
        SELECT 1 FROM room_member m
        JOIN room_member v ON v.room = m.room AND v.user_nid = %(viewer)s AND v.membership = 'join'
        WHERE m.user_nid = u.nid AND m.membership = 'join'
    )
"""


@dataclass(frozen=True, slots=True)
class KnownList:
    """`keys` are None while they are being asked for; `stream_id` is 0 where it is not known."""

    stream_id: int
    keys: KeysOfUser | None


def known_lists(txn: Transaction, users: Sequence[UserID]) -> dict[UserID, KeysOfUser]:
    """Those of which nothing was missed."""
    rows = txn.rows(
        """
        SELECT u.user_id, l.devices, l.cross_signing FROM known_user u
        JOIN federation_device_list l ON l.user_nid = u.nid
        WHERE u.user_id IN %(users)s AND l.fetching IS NULL
        """,
        users=list(users),
    )
    return {
        UserID(user_id): KeysOfUser(decode_json(devices), decode_json(cross_signing))
        for user_id, devices, cross_signing in rows
    }


def known_list(txn: Transaction, user_nid: int) -> KnownList | None:
    row = txn.row(
        """
        SELECT fetching, stream_id, devices, cross_signing FROM federation_device_list
        WHERE user_nid = %(user_nid)s
        """,
        user_nid=user_nid,
    )
    if row is None:
        return None
    fetching, stream_id, devices, cross_signing = row
    if fetching is not None:
        return KnownList(stream_id, None)
    return KnownList(stream_id, KeysOfUser(decode_json(devices), decode_json(cross_signing)))


def begin_fetching(txn: Transaction, users: Sequence[UserID], viewer: int, request: str) -> set[UserID]:
    """Of the users those who share a room with the viewer (short id), whose lists can be kept."""
    rows = txn.rows(
        f"SELECT u.nid, u.user_id FROM known_user u WHERE u.user_id IN %(users)s AND {_SHARES_A_ROOM}",
        users=list(users), viewer=viewer,
    )  # fmt: skip
    txn.execute_many(
        """
        INSERT INTO federation_device_list (user_nid, fetching) VALUES (%(user_nid)s, %(request)s)
        ON CONFLICT (user_nid) DO UPDATE SET fetching = excluded.fetching, devices = NULL, cross_signing = NULL
        """,
        [{"user_nid": user_nid, "request": request} for user_nid, _ in sorted(rows)],
    )
    return {UserID(user_id) for _, user_id in rows}


def finish_fetching(
    txn: Transaction, found: Mapping[UserID, tuple[int, KeysOfUser]], viewer: int, request: str
) -> None:
    """Keeps lists, each with its stream ID, unless something happened since that they may not tell of."""
    txn.execute_many(
        f"""
        UPDATE federation_device_list
        SET fetching = NULL, stream_id = %(stream_id)s, devices = %(devices)s, cross_signing = %(cross_signing)s
        WHERE fetching = %(request)s AND user_nid = (
            SELECT u.nid FROM known_user u WHERE u.user_id = %(user_id)s AND {_SHARES_A_ROOM}
        )
        """,
        [
            {
                "user_id": user_id,
                "viewer": viewer,
                "request": request,
                "stream_id": stream_id,
                "devices": encode_json(keys.devices),
                "cross_signing": encode_json(keys.cross_signing),
            }
            for user_id, (stream_id, keys) in sorted(found.items())
        ],
    )
    txn.execute("DELETE FROM federation_device_list WHERE fetching = %(request)s", request=request)


def replace_list(txn: Transaction, user_nid: int, stream_id: int, keys: KeysOfUser) -> None:
    """Of a list that is known."""
    txn.execute(
        """
        UPDATE federation_device_list
        SET stream_id = %(stream_id)s, devices = %(devices)s, cross_signing = %(cross_signing)s
        WHERE user_nid = %(user_nid)s
        """,
        user_nid=user_nid, stream_id=stream_id,
        devices=encode_json(keys.devices), cross_signing=encode_json(keys.cross_signing),
    )  # fmt: skip


def delete_lists(txn: Transaction, user_nids: Collection[int]) -> None:
    if user_nids:
        txn.execute("DELETE FROM federation_device_list WHERE user_nid IN %(users)s", users=sorted(user_nids))


def delete_lists_of_room(txn: Transaction, room: int) -> None:
    """Of all who are joined to a room."""
    txn.execute(
        """
        DELETE FROM federation_device_list WHERE user_nid IN (
            SELECT user_nid FROM room_member WHERE room = %(room)s AND membership = 'join'
        )
        """,
        room=room,
    )
