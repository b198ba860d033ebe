"""A client that believes what /sync tells it, and complains of what cannot be true."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from tests.client import SyncAnswer
from tests.wire import WireClient

Json = Any
Slot = tuple[str, str]


class Kind(Enum):
    """How a client keeps the state of its rooms."""

    PLAIN = "from state and timeline"
    STATE_AFTER = "from state_after alone"
    LAZY = "from state and timeline, without members who say nothing"


@dataclass
class Room:
    """What a client has of a room."""

    timeline: list[str] = field(default_factory=list)
    state: dict[Slot, str] = field(default_factory=dict)
    membership: str = "leave"
    """The section in which it was told last: join, invite or leave."""


class Reader:
    """One device of a user. It fills gaps by paging back from `prev_batch`."""

    def __init__(self, client: WireClient, kind: Kind) -> None:
        self.client = client
        self.kind = kind
        self.rooms: dict[str, Room] = {}
        self._since: str | None = None

    def lose_sync(self, limit: int, *, full_state: bool = False) -> SyncAnswer:
        """Asks for what is new, at most `limit` events of each room, and takes no notice of the answer."""
        wish = {"timeline": {"limit": limit}, "state": {"lazy_load_members": self.kind is Kind.LAZY}}
        return self.client.sync(
            self._since,
            filter={"room": wish},
            full_state=full_state,
            use_state_after=self.kind is Kind.STATE_AFTER,
        )

    def sync(self, limit: int, *, full_state: bool = False) -> None:
        answer = self.lose_sync(limit, full_state=full_state)
        rooms = answer.json.get("rooms", {})
        for room_id in rooms.get("invite", {}):
            self.rooms.setdefault(room_id, Room()).membership = "invite"
        for section in ("join", "leave"):
            for room_id, told in rooms.get(section, {}).items():
                self._read(self.rooms.setdefault(room_id, Room()), section, room_id, told)
        self._since = answer.next_batch

    def check_state(self, room_id: str) -> None:
        """Right after a sync, the state is that of the room; a lazy client may not know all of its members."""
        room = self.rooms.get(room_id)
        if room is None or room.membership != "join":
            return
        events = self.client.get(f"/rooms/{room_id}/state").json
        current = {(event["type"], event["state_key"]): event["event_id"] for event in events}
        if self.kind is Kind.LAZY:
            current = {
                slot: event_id
                for slot, event_id in current.items()
                if slot[0] != "m.room.member" or slot in room.state
            }
        assert room.state == current, difference(room.state, current)

    def _read(self, room: Room, membership: str, room_id: str, told: Json) -> None:
        self._fold_state(room, told)
        events = [event["event_id"] for event in told["timeline"]["events"]]
        assert len(set(events)) == len(events), "an event twice in one timeline"
        if membership == "join":
            for event in told["timeline"]["events"]:
                assert ("m.room.member", event["sender"]) in room.state, f"whose is {event}?"
        before = room.timeline
        if told["timeline"]["limited"]:
            # What was missed while away may lie before what is known.
            known = before if room.membership == "join" else []
            gap = self._gap(room_id, told["timeline"]["prev_batch"], known)
            assert not set(gap) & set(events), "a page reaches beyond prev_batch"
            # Removals of somebody who was not in the room are in no page.
            beyond = [event_id for event_id in before if event_id not in {*known, *gap, *events}]
            new = [event_id for event_id in [*gap, *beyond, *events] if event_id not in known]
            room.timeline = known + new
            assert is_subsequence(before, room.timeline), "what was seen is gone"
        else:
            assert not set(events) & set(before), "events are told again"
            room.timeline = before + events
        room.membership = membership

    def _fold_state(self, room: Room, told: Json) -> None:
        if self.kind is Kind.STATE_AFTER:
            assert "state" not in told
            events = told["state_after"]["events"]
        else:
            assert "state_after" not in told
            events = told["state"]["events"] + told["timeline"]["events"]
        for event in events:
            if "state_key" in event:
                room.state[event["type"], event["state_key"]] = event["event_id"]

    def _gap(self, room_id: str, token: str, known: list[str]) -> list[str]:
        """What comes before a token, back to what is known, oldest first."""
        gap: list[str] = []
        while True:
            answer = self.client.messages(room_id, from_=token, limit=5)
            if answer.status == 403:
                # An invitation was rejected, and by a limit of 0 not even that was told.
                return []
            gap += [event["event_id"] for event in answer["chunk"]]
            assert len(set(gap)) == len(gap), "an event twice in the pages of a gap"
            if "end" not in answer.json or set(known) & set(gap):
                return gap[::-1]
            token = answer["end"]


def difference(found: dict[Slot, str], expected: dict[Slot, str]) -> str:
    slots = [slot for slot in found.keys() | expected.keys() if found.get(slot) != expected.get(slot)]
    return "; ".join(f"{slot}: {found.get(slot)} instead of {expected.get(slot)}" for slot in slots)


def is_subsequence(part: list[str], whole: list[str]) -> bool:
    rest = iter(whole)
    return all(item in rest for item in part)
