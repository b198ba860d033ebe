"""A server that hands in as a join, a leave or a knock what is none, or is not its own."""

from collections.abc import Iterator
from typing import ClassVar
from unittest.mock import AsyncMock, patch

import msgspec

from federation.incoming.tests.neighbour import ROB
from federation.resident.tests.test_memberships import V1, V2, HandshakeTestCase
from homeserver.http.outbound import Outbound, RequestFailed
from homeserver.protocol.event_signatures import sign_event
from homeserver.protocol.events import Event
from homeserver.protocol.identifiers import RoomID, ServerName, UserID
from homeserver.protocol.membership_auth import AUTHORISED_VIA
from homeserver.protocol.signing import EventSigner, SigningKey
from tests.client import Json


class ForgedMembershipTests(HandshakeTestCase):
    apis: ClassVar = {"join": V2, "leave": V2, "knock": V1}

    def setUp(self) -> None:
        super().setUp()
        rules = {"type": "m.room.join_rules", "content": {"join_rule": "knock"}}
        self.knocked = self.new_room(name="Closed", initial_state=[rules])
        self.open = self.new_room(preset="public_chat")
        self.left = self.new_room(preset="public_chat")
        self.elsewhere = self.new_room(preset="public_chat")
        self.room_id = self.left
        self.assertEqual(self.hand_in("join", self.made("join")).status, 200)
        self.rooms = {"join": self.open, "leave": self.left, "knock": self.knocked}

    def each_room(self) -> Iterator[str]:
        """What may be handed in to `room_id`, which is another room each time."""
        for how, room_id in self.rooms.items():
            self.room_id = room_id
            yield how

    def forged(self, how: str, template: Json) -> Iterator[Json]:
        """Templates of what nobody may hand in so."""
        yield {"type": "m.room.name", "state_key": "", "content": {"name": "mine"}}
        yield {"type": "m.room.power_levels", "state_key": "", "content": {"users": {ROB: 100}}}
        yield {"type": "m.room.message", "content": {"body": "hello", "membership": how}}
        for other in {"join", "leave", "knock", "invite", "ban"} - {how}:
            yield {"content": {"membership": other}}
        yield {"content": {"membership": [how]}}
        yield {"state_key": "@other:remote.example"}
        yield {"state_key": self.alice.user_id}
        yield {"sender": self.alice.user_id, "state_key": self.alice.user_id}
        yield {"sender": "@eve:third.example", "state_key": "@eve:third.example"}
        yield {"prev_events": ["$unknown"]}

    def test_what_is_none(self) -> None:
        for how in self.each_room():
            before = self.stored()
            good = self.make(how)
            for changes in self.forged(how, good["event"]):
                with self.subTest(f"{how}: {changes}"):
                    event = self.completed({**good["event"], **changes}, good["room_version"])
                    answer = self.hand_in(how, event, self.apis[how])
                    self.assertIn(answer.error, [(400, "M_INVALID_PARAM"), (403, "M_FORBIDDEN")])
                    self.assertEqual(self.stored(), before)

    def test_what_is_not_what_was_signed(self) -> None:
        for how in self.each_room():
            before = self.stored()
            event = self.made(how)
            pdu = event.pdu()
            others = {"third.example": pdu["signatures"]["remote.example"]}
            for name, changed in {
                "no signature": {**pdu, "signatures": {}},
                "the signature of another": {**pdu, "signatures": others},
                "another content": {**pdu, "content": {**pdu["content"], "displayname": "the queen"}},
                "no hash": {name: value for name, value in pdu.items() if name != "hashes"},
            }.items():
                with self.subTest(f"{how}: {name}"):
                    path = f"{self.apis[how]}/send_{how}/{self.room_id}/{event.event_id}"
                    self.assertEqual(self.remote.put(path, changed).status, 400)
                    self.assertEqual(self.stored(), before)

    def test_in_the_path_of_another_room_or_event(self) -> None:
        for how in self.each_room():
            before = self.stored()
            event = self.made(how)
            for room_id, event_id in (
                (self.elsewhere, event.event_id),
                (self.room_id, event.event_id[:-1] + ("A" if event.event_id[-1] != "A" else "B")),
                (self.room_id, self.alice.state(self.room_id, "m.room.create", format="event")["event_id"]),
            ):
                path = f"{self.apis[how]}/send_{how}/{room_id}/{event_id}"
                self.assertEqual(self.remote.put(path, event.pdu()).status, 400)
                self.assertEqual(self.stored(), before)

    def test_the_rooms_go_on(self) -> None:
        self.test_what_is_none()
        for how in self.each_room():
            self.assertEqual(self.hand_in(how, self.made(how), self.apis[how]).status, 200)
            self.assertEqual(self.membership(), how)

    def stored(self) -> int:
        """How many events there are."""
        return self.count("room_event")


class ForgedMembershipsTheOlderWayTests(ForgedMembershipTests):
    apis: ClassVar = {"join": V1, "leave": V1, "knock": V1}


class ForgedAuthorityTests(HandshakeTestCase):
    """Joins that somebody in the room is said to authorise."""

    def setUp(self) -> None:
        super().setUp()
        # Nobody can be asked for keys that are not here yet.
        asked = patch.object(Outbound, "request", AsyncMock(side_effect=RequestFailed("nobody is there")))
        asked.start()
        self.addCleanup(asked.stop)
        self.allowed = self.new_room(preset="public_chat")
        allow = [{"type": "m.room_membership", "room_id": self.allowed}]
        rules = {"type": "m.room.join_rules", "content": {"join_rule": "restricted", "allow": allow}}
        self.room_id = self.restricted = self.new_room(initial_state=[rules])

    def template(self) -> Json:
        """As of a join that is in order."""
        self.enter(self.allowed)
        good = self.make("join")
        self.alice.post(f"/rooms/{self.allowed}/kick", {"user_id": ROB})
        return good

    def enter(self, room_id: str) -> None:
        self.room_id = RoomID(room_id)
        self.assertEqual(self.hand_in("join", self.made("join")).status, 200)
        self.room_id = self.restricted

    def refused(self, event: Event, *errors: tuple[int, str]) -> None:
        before = self.shown()
        for api in (V1, V2):
            self.assertIn(self.hand_in("join", event, api).error, errors)
        self.assertEqual(self.shown(), before)
        self.assertEqual(self.alice.state(self.room_id, "m.room.member", ROB).status, 404)

    def shown(self) -> list[str]:
        """The events that clients see."""
        return [event["event_id"] for event in self.alice.messages(self.room_id, limit=100)["chunk"]]

    def test_who_is_not_allowed(self) -> None:
        good = self.template()
        join = self.completed(good["event"], good["room_version"])
        self.refused(join, (403, "M_FORBIDDEN"))
        self.assertNotIn("test", join.signatures)

    def test_the_signature_of_who_authorises_is_forged(self) -> None:
        good = self.template()
        key = SigningKey("test", b"\x66" * 32)
        join = self.completed(good["event"], good["room_version"])
        self.refused(sign_event(join, EventSigner(ServerName("test"), key)), (403, "M_FORBIDDEN"))

    def test_it_is_somebody_of_a_server_that_did_not_sign(self) -> None:
        good = self.template()
        self.enter(self.allowed)
        bob = self.register("bob")
        for via in ("@eve:third.example", "@nobody:remote.example", "@nobody:test", bob.user_id):
            content = {**good["event"]["content"], AUTHORISED_VIA: via}
            join = self.completed({**good["event"], "content": content}, good["room_version"])
            with self.subTest(via):
                self.refused(join, (400, "M_INVALID_PARAM"), (403, "M_FORBIDDEN"))
                forged = {"third.example": join.signatures[ServerName("remote.example")]}
                signed = msgspec.structs.replace(join, signatures={**join.signatures, **forged})
                self.refused(signed, (400, "M_INVALID_PARAM"), (403, "M_FORBIDDEN"))

    def test_it_is_somebody_who_may_but_did_not(self) -> None:
        other = self.other_server("other.example")
        signer = EventSigner(other.server_name, other.key)
        carol = UserID("@carol:other.example")
        for room_id in (self.allowed, self.restricted):
            template = self.make("join", carol, room_id, by=other)
            join = self.completed(template["event"], template["room_version"], signer)
            self.assertEqual(other.put(f"{V2}/send_join/{room_id}/{join.event_id}", join.pdu()).status, 200)
        content = {"membership": "join", AUTHORISED_VIA: carol}
        claimed = self.event("m.room.member", content, state_key=ROB)
        forged = EventSigner(other.server_name, SigningKey(other.key.version, b"\x66" * 32))
        by_rob = claimed.signatures[ServerName("remote.example")]
        for signatures in ({}, {"other.example": by_rob}, sign_event(claimed, forged).signatures):
            self.refused(
                msgspec.structs.replace(claimed, signatures={**claimed.signatures, **signatures}),
                (400, "M_INVALID_PARAM"),
            )
        # As it is when she did.
        self.assertEqual(self.hand_in("join", sign_event(claimed, signer)).status, 200)
        self.assertEqual(self.membership(), "join")

    def test_it_is_nobody(self) -> None:
        good = self.template()
        self.enter(self.allowed)
        nobody: list[Json] = [None, [], {}, 5, "", "alice", "@alice", "@:test", ["@alice:test"]]
        for via in nobody:
            content = {**good["event"]["content"], AUTHORISED_VIA: via}
            join = self.completed({**good["event"], "content": content}, good["room_version"])
            with self.subTest(repr(via)):
                self.refused(join, (400, "M_INVALID_PARAM"), (400, "M_BAD_JSON"), (403, "M_FORBIDDEN"))
        del good["event"]["content"][AUTHORISED_VIA]
        self.refused(self.completed(good["event"], good["room_version"]), (403, "M_FORBIDDEN"))

    def test_the_room_goes_on(self) -> None:
        self.test_who_is_not_allowed()
        self.enter(self.allowed)
        self.assertEqual(self.hand_in("join", self.made("join")).status, 200)
        self.assertEqual(self.membership(), "join")
