"""Another server, whose users are in rooms that are here."""

from typing import Any

from homeserver.protocol.event_auth import auth_slots
from homeserver.protocol.events import Event, Proposal, build_event
from homeserver.protocol.identifiers import EventID, RoomID, UserID
from homeserver.protocol.json import JsonObject
from homeserver.protocol.room_versions import room_version
from homeserver.protocol.signing import EventSigner
from homeserver.rooms.store.heads import HeadRow, head_by_room_id
from homeserver.rooms.store.spans import Slot, current_events
from homeserver.storage.engine import Transaction
from tests.client import Answer
from tests.wire import WireServer, WireTestCase

ROB = UserID("@rob:remote.example")


class NeighbourTestCase(WireTestCase):
    """Alice's room, and a server that rob is of. What is sent here has the room's state from the database."""

    preset = "public_chat"

    def setUp(self) -> None:
        super().setUp()
        self.alice = self.register("alice")
        self.room_id = RoomID(self.alice.create_room(preset=self.preset))
        self.remote: WireServer = self.other_server()
        self.signer = EventSigner(self.remote.server_name, self.remote.key)
        self.transactions = 0

    def head(self) -> HeadRow:
        head = self.successResultOf(self.server.db.read(head_by_room_id, self.room_id))
        assert head is not None
        return head

    def current(self, *slots: Slot) -> dict[Slot, Event]:
        head = self.head()
        version = room_version(head.version)

        def read(txn: Transaction) -> dict[Slot, Event]:
            return dict(current_events(txn, head.nid, self.room_id, version, slots))

        return self.successResultOf(self.server.db.read(read))

    def event(
        self,
        type_: str = "m.room.message",
        content: JsonObject | None = None,
        *,
        sender: UserID = ROB,
        state_key: str | None = None,
        after: tuple[Event, ...] = (),
        citing: tuple[Event, ...] = (),
        **changes: Any,
    ) -> Event:
        """An event that follows `after`, or else all that is here, as its sender's server makes it.

        It cites what is in the database, or instead those of `after` and `citing` that are of the same slots.
        """
        head = self.head()
        version = room_version(head.version)
        content = {"msgtype": "m.text", "body": "hello"} if content is None else content
        slots = auth_slots(type=type_, sender=sender, state_key=state_key, content=content, version=version)
        state = self.current(*slots)
        state.update({one.slot: one for one in (*after, *citing) if one.is_state and one.slot in slots})
        fields: dict[str, Any] = {
            "version": version,
            "room_id": self.room_id,
            "type": type_,
            "state_key": state_key,
            "sender": sender,
            "content": content,
            "origin_server_ts": int(self.reactor.seconds() * 1000),
            "depth": max((one.depth for one in after), default=head.depth) + 1,
            "prev_events": tuple(one.event_id for one in after) or head.extremities,
            "auth_events": tuple(one.event_id for one in state.values()),
        }
        return build_event(Proposal(**{**fields, **changes}), self.signer)

    def member(self, membership: str, user_id: UserID = ROB, **more: Any) -> Event:
        return self.event(
            "m.room.member", {"membership": membership}, sender=user_id, state_key=user_id, **more
        )

    def send(
        self,
        *pdus: Event | JsonObject,
        edus: list[JsonObject] | None = None,
        txn_id: str | None = None,
        by: WireServer | None = None,
    ) -> Answer:
        """A transaction of the other server, or of another one."""
        self.transactions += 1
        path = f"/_matrix/federation/v1/send/{txn_id or self.transactions}"
        body = {
            "origin": self.remote.server_name,
            "origin_server_ts": 1,
            "pdus": [one.pdu() if isinstance(one, Event) else one for one in pdus],
            "edus": edus or [],
        }
        return (by or self.remote).put(path, body)

    def join(self) -> Event:
        """Rob's membership, taken in."""
        joined = self.member("join")
        assert self.send(joined)["pdus"] == {joined.event_id: {}}
        return joined

    def bodies(self) -> list[str]:
        """What Alice reads in the room, oldest first."""
        chunk = self.alice.get(f"/rooms/{self.room_id}/messages", dir="b", limit=100)["chunk"]
        return [one["content"]["body"] for one in reversed(chunk) if one["type"] == "m.room.message"]

    def staged(self) -> int:
        return self.count("federation_staged_event")

    def has(self, event_id: EventID) -> bool:
        return self.alice.get(f"/rooms/{self.room_id}/event/{event_id}").status == 200
