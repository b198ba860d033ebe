"""Chains without end: what an event follows, and what authorises it. The liar has always more of it."""

from typing import Any

from homeserver.http.outbound import AnswerTooLarge
from homeserver.protocol.events import Event
from homeserver.protocol.identifiers import EventID
from homeserver.protocol.json import JsonObject
from tests.federation.hostile.liar import LiarTestCase, Question, pdus
from tests.wire import each

MOST_QUESTIONS = 60
"""For one event, whatever the answers are."""


class EndlessTests(LiarTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.made = 0
        self.lies["/event_auth/"] = lambda _: {"auth_chain": pdus(*self.state.values())}
        self.state = self.state_of(self.room_id)
        ids = [event.event_id for event in self.state.values()]
        self.lies["/state_ids/"] = lambda _: {"pdu_ids": ids, "auth_chain_ids": ids}

    def invented(self, depth: int = 1000) -> Event:
        """A message that follows one of which nobody knows."""
        self.made += 1
        return self.said(f"{self.made}", prev_events=(unknown(self.made),), depth=depth)

    def ask_about(self, event: Event) -> int:
        """How many questions the event was worth."""
        before = len(self.questions)
        self.assertEqual(self.send(event).status, 200)
        self.assertEqual(self.staged(), 0)
        return len(self.questions) - before

    def test_events_before_an_event(self) -> None:
        def answer(question: Question) -> JsonObject:
            wanted: int = question.content["limit"]
            return {"events": pdus(*(self.invented(500 + number) for number in range(wanted)))}

        self.lies["/get_missing_events/"] = answer
        self.assertLess(self.ask_about(self.invented()), MOST_QUESTIONS)
        self.goes_on()

    def test_more_of_them_than_asked_for(self) -> None:
        told = pdus(*(self.invented(500 + number) for number in range(300)))
        self.lies["/get_missing_events/"] = lambda _: {"events": told}
        self.assertLess(self.ask_about(self.invented()), MOST_QUESTIONS)
        self.goes_on()

    def test_events_that_follow_each_other_without_end(self) -> None:
        """Each question is answered with events before those of the answer before."""

        def answer(question: Question) -> JsonObject:
            chain: list[Event] = []
            for _ in range(question.content["limit"]):
                after = (chain[-1],) if chain else ()
                chain.append(
                    self.said("deeper", after=after, citing=tuple(self.state.values()))
                    if after
                    else self.invented(10)
                )
            return {"events": pdus(*chain)}

        self.lies["/get_missing_events/"] = answer
        self.assertLess(self.ask_about(self.invented()), MOST_QUESTIONS)
        self.goes_on()

    def test_history_without_end(self) -> None:
        """A client that reads backwards costs one page for each that it asks for."""

        def page(question: Question) -> JsonObject:
            (first,) = question.query["v"]
            chain = [self.named.pop(first)]
            for _ in range(9):
                chain.append(self.invented(chain[-1].depth - 1))
            return {"origin": "remote.example", "origin_server_ts": 1, "pdus": pdus(*chain)}

        self.lies["/get_missing_events/"] = lambda _: {"events": []}
        self.lies["/backfill/"] = page
        self.named: dict[str, Event] = {}
        self.ask_about(self.invented())
        for _ in range(3):
            before = len(self.asked_for("/backfill/"))
            self.alice.messages(self.room_id, limit=10)
            self.assertLessEqual(len(self.asked_for("/backfill/")) - before, 1)
        self.goes_on()

    def test_more_history_than_asked_for(self) -> None:
        self.lies["/get_missing_events/"] = lambda _: {"events": []}
        newest = self.invented()
        self.send(newest)
        chain: list[Event] = []

        def page(question: Question) -> JsonObject:
            return {"origin": "remote.example", "origin_server_ts": 1, "pdus": pdus(*chain)}

        self.lies["/backfill/"] = page
        chain += [self.invented(900) for _ in range(300)]
        stored = self.count("room_event")
        self.alice.messages(self.room_id, limit=100)
        self.assertLess(self.count("room_event") - stored, 110)
        self.goes_on()

    def test_states_of_very_many_unknown_events(self) -> None:
        self.lies["/get_missing_events/"] = lambda _: {"events": []}
        ids = [unknown(number) for number in range(100_000)]
        self.lies["/state_ids/"] = lambda _: {"pdu_ids": ids, "auth_chain_ids": ids}
        self.lies["/state/"] = lambda _: {"pdus": [], "auth_chain": []}
        told = self.invented()
        self.assertLess(self.ask_about(told), MOST_QUESTIONS)
        self.goes_on()

    def test_answers_too_large(self) -> None:
        """Each question says how much its answer may be, which is what ends one that is larger."""

        def refuse(question: Question) -> Any:
            assert question.bounds is not None
            self.assertLessEqual(question.bounds.body, 16 * 1024 * 1024)
            self.assertLessEqual(question.bounds.seconds, 60)
            raise AnswerTooLarge("more than that")

        for part in ("/get_missing_events/", "/state_ids/", "/state/", "/event_auth/", "/event/"):
            self.lies[part] = refuse
        told = self.invented()
        self.assertLess(self.ask_about(told), MOST_QUESTIONS)
        self.hides(told)
        self.goes_on()

    def test_answers_of_no_use(self) -> None:
        def check(answer: Any) -> None:
            for part in ("/get_missing_events/", "/state_ids/", "/state/", "/event_auth/", "/event/"):
                self.lies[part] = lambda _: answer
            told = self.invented()
            self.assertLess(self.ask_about(told), MOST_QUESTIONS)
            self.hides(told)
            self.goes_on()

        lists = ("events", "pdus", "auth_chain", "pdu_ids", "auth_chain_ids")
        within: list[Any] = [None, {}, "x", [1], [None], [{}], [["$x"]], ["\0"], [""]]
        junk: list[Any] = [
            1,
            None,
            "x",
            {},
            [],
            [[]],
            {"pdus": 1},
            *(dict.fromkeys(lists, one) for one in within),
        ]
        each(check, junk)


class RejectedReasonTests(LiarTestCase):
    def test_events_that_rejected_ones_authorise(self) -> None:
        """They are rejected, too, and what follows them still has its place in the room."""
        state = self.state_of(self.room_id)
        rob = state["m.room.member"].sender
        raised = self.event("m.room.power_levels", {"users": {rob: 100}}, state_key="")
        self.send(raised)
        shown = self.member("join", citing=(raised,))
        self.lies["/event_auth/"] = lambda _: {"auth_chain": pdus(*state.values(), shown)}
        first = self.said("one", citing=(shown,))
        self.send(first)
        del self.lies["/event_auth/"]
        second = self.said("two", after=(first,), citing=(shown,))
        third = self.said("three", after=(second,))
        self.send(second, third)
        self.hides(raised, shown, first, second)
        self.assertEqual(self.bodies(), ["three"])
        self.assertEqual(self.asked_for("/get_missing_events/"), [])
        self.goes_on()


class AuthChainTests(LiarTestCase):
    """Only where event IDs are given can events cite each other in a circle."""

    room_version = "1"

    def named(self, name: str, *cited: str) -> Event:
        auth_events = tuple(EventID(f"${one}:remote.example") for one in cited)
        content = {"name": name}
        return self.event(
            "m.room.name",
            content,
            state_key="",
            event_id=EventID(f"${name}:remote.example"),
            auth_events=auth_events,
        )

    def join(self) -> Event:
        joined = self.member("join", event_id=EventID(f"${self.transactions}:remote.example"))
        self.send(joined)
        return joined

    def said(self, body: str, **more: Any) -> Event:
        return super().said(
            body, **{"event_id": EventID(f"${len(body)}{self.transactions}:remote.example"), **more}
        )

    def test_a_circle(self) -> None:
        circle = [self.named("a", "b"), self.named("b", "c"), self.named("c", "a")]
        self.lies["/event_auth/"] = lambda _: {"auth_chain": pdus(*circle)}
        self.lies["/event/"] = lambda _: {"pdus": pdus(circle[0])}
        self.send(circle[0])
        self.hides(*circle)
        self.goes_on()

    def test_itself(self) -> None:
        own = self.named("own", "own")
        self.lies["/event_auth/"] = lambda _: {"auth_chain": pdus(own)}
        self.send(own)
        self.hides(own)
        self.goes_on()

    def test_following_itself(self) -> None:
        event_id = EventID("$self:remote.example")
        own = self.said("own", event_id=event_id, prev_events=(event_id,))
        self.lies["/get_missing_events/"] = lambda _: {"events": pdus(own)}
        self.send(own)
        self.goes_on()


def unknown(number: int) -> EventID:
    return EventID("$" + str(number).rjust(43, "x"))
