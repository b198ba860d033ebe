"""Event IDs that are no hashes: the liar gives the same to different events."""

from typing import Any

from homeserver.protocol.events import Event
from homeserver.protocol.identifiers import EventID
from tests.federation.hostile.liar import LiarTestCase, pdus

TAKEN = EventID("$taken:remote.example")


class AssignedIdTests(LiarTestCase):
    room_version = "1"
    made = 0

    def event(self, *args: Any, **more: Any) -> Event:
        """In such a room, each is given an ID by the liar."""
        self.made += 1
        own = {"event_id": EventID(f"${self.made}:remote.example")} if self.room_version == "1" else {}
        return super().event(*args, **{**own, **more})

    def setUp(self) -> None:
        super().setUp()
        self.first = self.said("first", event_id=TAKEN)
        self.send(self.first)

    def stored(self) -> str:
        body: str = self.alice.get(f"/rooms/{self.room_id}/event/{TAKEN}")["content"]["body"]
        return body

    def in_the_other_room(self) -> None:
        self.first_room, self.room_id = self.room_id, self.other_id

    def test_in_the_same_room(self) -> None:
        self.send(self.said("second", event_id=TAKEN))
        self.assertEqual(self.bodies(), ["first"])
        self.assertEqual(self.stored(), "first")
        self.goes_on()

    def test_in_another_room(self) -> None:
        self.in_the_other_room()
        self.send(self.said("second", event_id=TAKEN))
        self.assertEqual(self.bodies(), [])
        self.goes_on()
        self.room_id = self.first_room
        self.assertEqual(self.stored(), "first")

    def test_of_another_room_where_it_is_refused(self) -> None:
        """What is said of the event of that room must not be said of the one here."""
        self.in_the_other_room()
        self.send(self.event("m.room.topic", {"topic": "no power"}, state_key="", event_id=TAKEN))
        self.goes_on()
        self.room_id = self.first_room
        self.assertEqual(self.stored(), "first")
        self.assertEqual(self.bodies(), ["first"])

    def test_as_state_before_an_event_of_another_room(self) -> None:
        self.in_the_other_room()
        state = self.state_of(self.room_id)
        name = self.event("m.room.name", {"name": "a lie"}, state_key="", event_id=TAKEN)
        told = [*state.values(), name]
        ids = [event.event_id for event in told]
        self.lies["/state_ids/"] = lambda _: {"pdu_ids": ids, "auth_chain_ids": ids}
        self.lies["/event/"] = lambda _: {"pdus": pdus(name)}
        self.lies["/get_missing_events/"] = lambda _: {"events": []}
        self.send(self.said("after", prev_events=(EventID("$gone:remote.example"),)))
        self.alice.send(self.room_id, "together")
        self.assertEqual(self.alice.state(self.room_id, "m.room.name").status, 404)
        self.goes_on()
        self.room_id = self.first_room
        self.assertEqual(self.stored(), "first")

    def test_the_hash_of_an_event_to_come(self) -> None:
        """Which would keep that event out, were it not refused."""
        here, self.room_version = self.room_id, "11"
        self.a_room()
        coming = self.said("coming")
        modern, self.room_id, self.room_version = self.room_id, here, "1"
        self.send(self.said("thief", event_id=coming.event_id))
        self.assertEqual(self.bodies(), ["first"])
        self.room_id = modern
        self.send(coming)
        self.assertEqual(self.bodies(), ["coming"])

    def test_of_another_server(self) -> None:
        forged = self.said("forged", event_id=EventID("$mine:third.example"))
        self.assertIn("no signature of third.example", self.send(forged)["pdus"][forged.event_id]["error"])
        self.hides(forged)
        self.goes_on()
