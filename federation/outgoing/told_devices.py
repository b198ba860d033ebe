"""Table federation_told_devices, and who is told of the keys of a user."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from federation.outgoing.room_servers_store import STILL
from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.json import encode_json
from homeserver.storage.engine import Transaction


class Told(msgspec.Struct):
    """What others know: digests by device ID, and one of the cross-signing keys, '' where they know of none."""

    devices: Mapping[str, str] = {}
    cross_signing: str = ""

    def is_nothing(self) -> bool:
        return not (self.devices or self.cross_signing)


@dataclass(frozen=True, slots=True)
class ToldDevices:
    """`stream_id` is the number of the newest change that others were told of, 0 for none."""

    stream_id: int = 0
    told: Told = field(default_factory=Told)


def told_devices(txn: Transaction, user_nid: int) -> ToldDevices:
    row = txn.row(
        "SELECT stream_id, told FROM federation_told_devices WHERE user_nid = %(user)s", user=user_nid
    )
    return (
        ToldDevices() if row is None else ToldDevices(row[0], msgspec.json.decode(bytes(row[1]), type=Told))
    )


def put_told_devices(txn: Transaction, user_nid: int, known: ToldDevices) -> None:
    if known.told.is_nothing():
        txn.execute("DELETE FROM federation_told_devices WHERE user_nid = %(user)s", user=user_nid)
        return
    txn.execute(
        """
        INSERT INTO federation_told_devices (user_nid, stream_id, told)
        VALUES (%(user)s, %(stream_id)s, %(told)s)
        ON CONFLICT (user_nid) DO UPDATE SET stream_id = excluded.stream_id, told = excluded.told
        """,
        user=user_nid, stream_id=known.stream_id, told=encode_json(known.told),
    )  # fmt: skip


def servers_sharing_a_room(txn: Transaction, user_nid: int) -> list[ServerName]:
    """Other servers that are in a room that the user is joined to."""
    rows = txn.rows(
        """
        SELECT DISTINCT s.server FROM room_member m
        JOIN federation_room_server s ON s.room = m.room AND s.last = %(still)s
        WHERE m.user_nid = %(user)s AND m.membership = 'join'
        ORDER BY s.server
        """,
        user=user_nid, still=STILL,
    )  # fmt: skip
    return [ServerName(server) for (server,) in rows]
