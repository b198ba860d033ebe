"""A server that hands in as a join, a leave or a knock what is none, or is not its own."""

from collections.abc import Iterator
from typing import ClassVar

from federation.incoming.tests.neighbour import ROB
from federation.resident.tests.test_memberships import V1, V2, HandshakeTestCase
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
