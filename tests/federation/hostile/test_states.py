"""Lies about what was before an event: its state, what authorises it, what it follows."""

from typing import Any

from twisted.internet.defer import Deferred

from homeserver.http.outbound import RequestFailed
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


class ResetTests(LiarTestCase):
    """What the liar leaves out of the state before its events stays in the room's."""

    def setUp(self) -> None:
        super().setUp()
        state = self.state_of(self.room_id)
        # Rob is alone, and nobody has any power but who made the room.
        told = [state[type_].event_id for type_ in ("m.room.create", "m.room.member", "m.room.join_rules")]
        self.lies["/state_ids/"] = lambda _: {"pdu_ids": told, "auth_chain_ids": told}
        self.lies["/get_missing_events/"] = lambda _: {"events": []}
        self.before = self.current_state()

    def current_state(self) -> set[str]:
        return {event["event_id"] for event in self.alice.get(f"/rooms/{self.room_id}/state").json}

    def test_by_an_event_that_follows_all_and_something_unknown(self) -> None:
        self.send(self.said("lie", prev_events=(*self.head().extremities, UNKNOWN)))
        self.assertEqual(self.bodies(), ["lie"])
        self.assertEqual(self.current_state(), self.before)
        self.goes_on()
        self.assertEqual(self.current_state(), self.before)

    def test_by_more_branches_than_are_kept(self) -> None:
        for number in range(25):
            missing = EventID(UNKNOWN[:-2] + f"{number:02}")
            # However deep they say they are.
            self.send(self.said(f"{number}", prev_events=(missing,), depth=10_000))
        self.assertEqual(len(self.head().extremities), 20)
        self.assertEqual(self.current_state(), self.before)
        self.goes_on()
        self.assertEqual(len(self.head().extremities), 1)
        self.assertEqual(self.current_state(), self.before)

    def test_by_state_of_branches_that_are_too_many(self) -> None:
        """It counts once something follows it."""
        for number in range(19):
            self.send(self.said(f"{number}", prev_events=(EventID(UNKNOWN[:-2] + f"{number:02}"),)))
        after = self.current(
            *[(event.type, event.state_key or "") for event in self.state_of(self.room_id).values()]
        )
        renamed = self.event(
            "m.room.member",
            {"membership": "join", "displayname": "Robert"},
            state_key="@rob:remote.example",
            prev_events=(EventID(UNKNOWN[:-2] + "99"),),
        )
        self.send(renamed)
        self.assertNotIn(renamed.event_id, self.current_state())
        self.send(self.said("after it", after=(renamed,), citing=tuple(after.values())))
        self.alice.send(self.room_id, "together")
        self.goes_on()

    def test_a_depth_beyond_all(self) -> None:
        deepest = 2**53 - 1
        self.send(self.said("deep", depth=deepest))
        self.alice.send(self.room_id, "deeper")
        self.send(self.said("deepest", depth=deepest))
        self.assertEqual(self.bodies(), ["deep", "deeper", "deepest"])
        self.assertEqual(self.head().depth, deepest)


class LargeStateTests(LiarTestCase):
    """The liar tells of states with thousands of events before events of many rooms."""

    def setUp(self) -> None:
        super().setUp()
        self.drips: list[Deferred[Any]] = []
        many = [EventID(UNKNOWN[:-2] + f"{number:02}") for number in range(50)]
        self.lies["/state_ids/"] = lambda _: {"pdu_ids": many, "auth_chain_ids": []}
        self.lies["/state/"] = self.drip
        self.lies["/get_missing_events/"] = lambda _: {"events": []}

    def drip(self, _: Question) -> Deferred[Any]:
        self.drips.append(Deferred())
        return self.drips[-1]

    def test_one_after_the_other(self) -> None:
        """In memory there is one of them."""
        for _ in range(5):
            self.a_room()
            self.send(self.said("after a gap", prev_events=(UNKNOWN,)))
        for number in range(5):
            self.assertEqual(len(self.asked_for("/state/")), number + 1)
            self.drips[number].callback({"pdus": [], "auth_chain": []})
        self.assertEqual(len(self.drips), 5)
        self.goes_on()

    def test_one_that_never_comes(self) -> None:
        self.send(self.said("after a gap", prev_events=(UNKNOWN,)))
        self.alice.send(self.room_id, "meanwhile")
        self.assertEqual(self.bodies(), ["meanwhile"])
        (asked,) = self.asked_for("/state/")
        assert asked.bounds is not None
        self.assertLessEqual(asked.bounds.seconds, 300)
        self.drips[0].errback(RequestFailed("too slow"))
        self.a_room()
        self.send(self.said("after another gap", prev_events=(UNKNOWN,)))
        self.assertIn(self.room_id, self.asked_for("/state/")[-1].path)
