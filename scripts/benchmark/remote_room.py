"""A room on other servers, as large as wanted, that users of the server under test can join."""

import json
import time
from collections.abc import Sequence
from typing import Any

from homeserver.protocol.events import Event, Proposal, build_event
from homeserver.protocol.identifiers import EventID, RoomID, UserID
from homeserver.protocol.room_versions import room_version
from homeserver.protocol.signing import EventSigner

from .user import ROOM_VERSION

VERSION = room_version(ROOM_VERSION)


class RemoteRoom:
    """A public room; its members are of the servers in turn, and its creator is of the first one."""

    def __init__(self, localpart: str, servers: Sequence[EventSigner], members: int) -> None:
        self.room_id = RoomID(f"!{localpart}:{servers[0].server_name}")
        self._servers = servers
        self._state: list[Event] = []
        self._auth_chain: list[Event] = []
        creator = UserID(f"@creator:{servers[0].server_name}")
        self._lay_foundation(creator)
        for number in range(1, members):
            server = servers[number % len(servers)]
            # Whom nobody has met in another room.
            self._admit(UserID(f"@{localpart}-{number}:{server.server_name}"), server)
        # What joins are answered with, encoded before anybody measures it.
        self._encoded = [json.dumps(event.pdu()).encode() for event in self._state]
        self._encoded_auth_chain = self._encoded[: len(self._auth_chain)]

    def join_template(self, user_id: str) -> dict[str, Any]:
        """The answer to make_join."""
        latest = self._state[-1]
        event = {
            "type": "m.room.member",
            "room_id": self.room_id,
            "sender": user_id,
            "state_key": user_id,
            "content": {"membership": "join"},
            "depth": latest.depth + 1,
            "prev_events": [latest.event_id],
            "auth_events": self._authorising(user_id),
            "origin": self._servers[0].server_name,
            "origin_server_ts": _now_ms(),
        }
        return {"room_version": ROOM_VERSION, "event": event}

    def welcome(self, join: bytes, *, omit_members: bool) -> bytes:
        """The answer to send_join: all state, or that without members and the servers that are in the room."""
        members = () if omit_members else self._encoded[len(self._auth_chain) :]
        named = {
            "origin": self._servers[0].server_name,
            "members_omitted": omit_members,
            "servers_in_room": [server.server_name for server in self._servers],
        }
        return b'{"state":[%b],"auth_chain":[%b],"event":%b,%b' % (
            b",".join([*self._encoded_auth_chain, *members]),
            b",".join(self._encoded_auth_chain),
            join,
            json.dumps(named).encode()[1:],
        )

    def state(self) -> bytes:
        """The answer to /state before the join."""
        return b'{"pdus":[%b],"auth_chain":[%b]}' % (
            b",".join(self._encoded),
            b",".join(self._encoded_auth_chain),
        )

    def state_ids(self) -> bytes:
        ids = {
            "pdu_ids": [event.event_id for event in self._state],
            "auth_chain_ids": [event.event_id for event in self._auth_chain],
        }
        return json.dumps(ids).encode()

    def event(self, event_id: str) -> bytes | None:
        """The answer to /event."""
        for event, encoded in zip(self._state, self._encoded, strict=True):
            if event.event_id == event_id:
                return b'{"origin":%b,"origin_server_ts":%d,"pdus":[%b]}' % (
                    json.dumps(self._servers[0].server_name).encode(),
                    _now_ms(),
                    encoded,
                )
        return None

    def _lay_foundation(self, creator: UserID) -> None:
        """What everything else in the room is authorised by."""
        server = self._servers[0]
        self._append(server, creator, "m.room.create", "", {"room_version": ROOM_VERSION})
        self._append(server, creator, "m.room.member", creator, {"membership": "join"})
        self._append(server, creator, "m.room.power_levels", "", {"users": {creator: 100}})
        self._append(server, creator, "m.room.join_rules", "", {"join_rule": "public"})
        self._append(server, creator, "m.room.history_visibility", "", {"history_visibility": "shared"})
        self._auth_chain = [*self._state]

    def _admit(self, user_id: UserID, server: EventSigner) -> None:
        content = {"membership": "join", "displayname": user_id[1:].partition(":")[0]}
        self._append(server, user_id, "m.room.member", user_id, content)

    def _append(self, server: EventSigner, sender: UserID, type_: str, key: str, content: Any) -> None:
        latest = self._state[-1:]
        proposal = Proposal(
            version=VERSION,
            room_id=self.room_id,
            type=type_,
            state_key=key,
            sender=sender,
            content=content,
            origin_server_ts=_now_ms(),
            depth=len(self._state) + 1,
            prev_events=tuple(event.event_id for event in latest),
            auth_events=self._authorising(sender),
        )
        self._state.append(build_event(proposal, server))

    def _authorising(self, sender: str) -> tuple[EventID, ...]:
        """Create event, power levels and join rules, as far as there are any, and the creator's own membership."""
        return tuple(
            event.event_id
            for event in (self._auth_chain or self._state)
            if event.type != "m.room.history_visibility" and event.state_key in ("", sender)
        )


def _now_ms() -> int:
    return int(time.time() * 1000)
