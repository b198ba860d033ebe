"""Redactions of other servers' users: marked are those that the rules let apply, and verified by the same rules."""

from contextlib import closing

import pytest

from homeserver.protocol.events import Event, Proposal, build_event
from homeserver.protocol.identifiers import EventID, ServerName, UserID
from homeserver.protocol.json import JsonObject
from homeserver.protocol.room_versions import room_version
from homeserver.protocol.signing import EventSigner, SigningKey
from homeserver.rooms.tests.process import ALICE, RoomsTestCase, message
from homeserver.rooms.verification.database import verify
from homeserver.rooms.verification.stored import Identity
from homeserver.runtime.threads import InlineThreads
from tests.databases import fresh_engine

MALLORY = UserID("@mallory:elsewhere")
_KEY = SigningKey("test", b"\x01" * 32)


class RedactionTests(RoomsTestCase):
    pytestmark = pytest.mark.wire  # it depends on the database

    def setUp(self) -> None:
        self.process_ = self.process(fresh_engine(), InlineThreads())
        self.room_id = self.result_of(self.process_.create_room(preset="public_chat", room_version="11"))
        self.receiver = self.process_.receiver
        self.joined = self.receive("m.room.member", {"membership": "join"}, MALLORY)

    def receive(self, type_: str, content: JsonObject, state_key: str | None = None) -> Event:
        """Something that Mallory does."""
        head = self.result_of(self.process_.heads.get(self.room_id))
        joining = type_ == "m.room.member"
        slots = [("m.room.create", ""), ("m.room.power_levels", ""), ("m.room.member", MALLORY)]
        self.result_of(self.process_.heads.load(head, [*slots, ("m.room.join_rules", "")]))
        slots += [("m.room.join_rules", "")] if joining else []
        proposal = Proposal(
            version=room_version("11"),
            room_id=self.room_id,
            type=type_,
            state_key=state_key,
            sender=MALLORY,
            content=content,
            origin_server_ts=1,
            depth=head.depth + 1,
            prev_events=head.extremities,
            auth_events=tuple(one.event_id for slot in slots if (one := head.get(slot)) is not None),
        )
        event = build_event(proposal, EventSigner(ServerName("elsewhere"), _KEY))
        received = self.result_of(self.receiver.receive(event))
        assert received.position is not None, received
        return event

    def redacted(self) -> set[str]:
        query = "SELECT event_id FROM room_event WHERE redacted_by IS NOT NULL"
        rows = self.result_of(self.process_.db.read(lambda txn: txn.rows(query)))
        return {event_id for (event_id,) in rows}

    def check_sound(self) -> None:
        with closing(self.process_.engine.connect()) as connection:
            found = verify(connection, Identity(ServerName("test"), _KEY), lambda findings, rooms: None)
        # These rooms are without the task that would.
        assert found.kinds.keys() <= {"redacted content that no task would drop"}, found.kinds

    def said(self, sender: UserID) -> EventID:
        if sender == MALLORY:
            return self.receive("m.room.message", {"body": "mine"}).event_id
        return self.result_of(self.process_.send(message(self.room_id, "hers"))).event_id

    def test_of_somebody_else(self) -> None:
        target = self.said(ALICE)
        self.receive("m.room.redaction", {"redacts": target})
        assert self.redacted() == set()
        self.check_sound()

    def test_of_ones_own(self) -> None:
        target = self.said(MALLORY)
        self.receive("m.room.redaction", {"redacts": target})
        assert self.redacted() == {target}
        self.check_sound()
