"""Lies about what was before an event: its state, what authorises it, what it follows."""

from typing import Any

from homeserver.protocol.events import Event
from homeserver.protocol.identifiers import EventID
from tests.federation.hostile.liar import LiarTestCase, Question, pdus

UNKNOWN = EventID("$" + "x" * 43)


class ForeignAuthTests(LiarTestCase):
    """Rob has the power in another room, and uses what gave it to him as if it were of this one."""

    def setUp(self) -> None:
        super().setUp()
        here = self.room_id
        self.levels = {"users": {self.alice.user_id: 100, "@rob:remote.example": 100}, "invite": 50}
        self.elsewhere = self.a_room(power_level_content_override=self.levels)
        self.room_id = here
        here_state, there_state = self.state_of(here), self.state_of(self.elsewhere)
        self.state = here_state
        self.forged = self.power_levels(
            here_state["m.room.create"], there_state["m.room.power_levels"], here_state["m.room.member"]
        )

    def power_levels(self, *cited: Event) -> Event:
        auth_events = tuple(event.event_id for event in cited)
        return self.event("m.room.power_levels", self.levels, state_key="", auth_events=auth_events)

    def tell(self, **state: Event) -> None:
        """The liar's state of the room has the forged event in it, and it shows that."""
        told = {**self.state, "m.room.power_levels": self.forged}
        everything = [*told.values(), self.state["m.room.power_levels"]]
        ids = {
            "pdu_ids": [event.event_id for event in told.values()],
            "auth_chain_ids": [event.event_id for event in everything],
        }
        self.lies["/state_ids/"] = lambda _: ids
        self.lies["/state/"] = lambda _: {"pdus": pdus(*told.values()), "auth_chain": pdus(*everything)}
        self.lies["/event_auth/"] = lambda _: {"auth_chain": pdus(*everything)}
        self.lies["/get_missing_events/"] = lambda _: {"events": []}

        def event(question: Question) -> Any:
            wanted = question.path.rsplit("/", 1)[1]
            return {"pdus": [one.pdu() for one in everything if one.event_id == wanted]}

        self.lies["/event/"] = event

    def test_at_once(self) -> None:
        self.send(self.forged)
        self.hides(self.forged)
        self.goes_on()

    def test_in_the_state_before_an_event(self) -> None:
        self.tell()
        after_gap = self.said("after a gap", prev_events=(UNKNOWN,))
        self.send(after_gap)
        self.alice.send(self.room_id, "together")
        levels = self.alice.state(self.room_id, "m.room.power_levels")["users"]
        self.assertEqual(levels, {self.alice.user_id: 100})
        self.hides(self.forged)
        self.goes_on()
