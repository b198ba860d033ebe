"""What the sync API was before /sync, made from the answers that /sync gives.

https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3initialsync
"""

from homeserver.protocol.filters import EventFilter, Filter, RoomEventFilter, RoomFilter
from homeserver.protocol.json import JsonObject


def initial_filter(limit: int, archived: bool) -> Filter:
    """The filter with which a first /sync has what is to be told."""
    room = RoomFilter(include_leave=archived, timeline=RoomEventFilter(limit=limit))
    return Filter(room=room, presence=EventFilter())


def initial_answer(synced: JsonObject) -> JsonObject:
    """The first answer of /sync, with state after the timeline, in the older form."""
    end = synced["next_batch"]
    rooms = synced.get("rooms", {})
    told = [
        _room(room_id, membership, room, end)
        for section, membership in (("join", "join"), ("leave", "leave"))
        for room_id, room in rooms.get(section, {}).items()
    ]
    told += [{"room_id": room_id, "membership": "invite"} for room_id in rooms.get("invite", {})]
    return {
        "end": end,
        "rooms": told,
        "presence": synced.get("presence", {}).get("events", []),
        "account_data": synced.get("account_data", {}).get("events", []),
    }


def _room(room_id: str, membership: str, room: JsonObject, end: str) -> JsonObject:
    timeline = room["timeline"]
    return {
        "room_id": room_id,
        "membership": membership,
        "messages": {
            "start": timeline["prev_batch"],
            "end": end,
            "chunk": [event | {"room_id": room_id} for event in timeline["events"]],
        },
        "state": [event | {"room_id": room_id} for event in room["state_after"]["events"]],
        "account_data": room["account_data"]["events"],
    }
