"""What a server is told of a room that a user of it has just joined.

https://spec.matrix.org/v1.19/server-server-api/#put_matrixfederationv2send_joinroomideventid
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from federation.outgoing.room_servers_store import servers_before
from federation.resident.stored import auth_chain, pdus_of, state_before
from homeserver.protocol.event import Event
from homeserver.protocol.identifiers import ServerName
from homeserver.rooms.graph.auth_graph import RoomKey
from homeserver.rooms.store.events import event_nids, place_of
from homeserver.rooms.store.members import heroes
from homeserver.rooms.store.spans import slot_nids
from homeserver.storage.engine import Transaction

_NAMES = (("m.room.name", ""), ("m.room.canonical_alias", ""))


class RoomAtJoin(NamedTuple):
    """PDUs as JSON: the state before the join and the auth chain of that and the join.

    `servers` were in the room before it, besides this one.
    """

    state: Sequence[bytes]
    auth_chain: Sequence[bytes]
    members_omitted: bool
    servers: Sequence[ServerName]


def room_at_join(txn: Transaction, room: RoomKey, join: Event, *, omit_members: bool) -> RoomAtJoin:
    """With `omit_members`, only those members are told that a room without a name is named after."""
    state = state_before(txn, room, join.event_id)
    place = place_of(txn, join.event_id)
    assert place is not None, "its state is known"
    kept = _without_members(txn, room, state, place.sender) if omit_members else set(state.values())
    cited = set(event_nids(txn, join.auth_events).values())
    chain = cited | auth_chain(txn, room, kept | cited)
    if omit_members:
        chain -= kept
    return RoomAtJoin(
        state=pdus_of(txn, room, kept),
        auth_chain=pdus_of(txn, room, chain),
        members_omitted=len(kept) < len(state),
        servers=servers_before(txn, room.nid, place.position or 0),
    )


def _without_members(txn: Transaction, room: RoomKey, state: Mapping[int, int], joiner: int) -> set[int]:
    rows = txn.rows(
        "SELECT nid FROM room_slot WHERE nid IN %(slots)s AND type <> 'm.room.member'", slots=list(state)
    )
    kept = {slot for (slot,) in rows}
    if state.keys().isdisjoint(slot_nids(txn, _NAMES).values()):
        named_after = heroes(txn, [room.nid], joiner).get(room.nid, [])
        kept |= set(slot_nids(txn, [("m.room.member", user_id) for user_id in named_after]).values())
    return _events(state, kept)


def _events(state: Mapping[int, int], slots: Collection[int]) -> set[int]:
    return {state[slot] for slot in slots if slot in state}
