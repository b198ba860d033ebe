"""Servers that lie to a user who joins."""

from collections.abc import Callable
from typing import Any

from federation.joining.tests.neighbours import HOME, NeighboursTestCase
from tests.client import Json
from tests.wire import each

Lie = Callable[[Any], Any]
REFUSED = (502, "M_UNKNOWN")


def without(type_: str) -> Lie:
    """The room without events of a type."""
    return lambda answer: {
        **answer,
        "state": [pdu for pdu in answer["state"] if pdu["type"] != type_],
        "auth_chain": [pdu for pdu in answer["auth_chain"] if pdu["type"] != type_],
    }


def changed(type_: str, **changes: Any) -> Lie:
    """The room with the events of a type changed."""

    def change(pdu: Json) -> Json:
        return {**pdu, **changes} if pdu["type"] == type_ else pdu

    return lambda answer: {
        **answer,
        "state": [change(pdu) for pdu in answer["state"]],
        "auth_chain": [change(pdu) for pdu in answer["auth_chain"]],
    }


class LyingTestCase(NeighboursTestCase):
    def refused(self, room_id: str) -> None:
        self.assertEqual(self.join(room_id).error, REFUSED)
        self.assertEqual(self.rooms("join"), {})
        self.assertEqual(self.count("room"), 0)


class TemplateTests(LyingTestCase):
    def check(self, changes: Json) -> None:
        room_id = self.room()
        self.network.lies["make_join"] = lambda answer: {**answer, "event": {**answer["event"], **changes}}
        self.refused(room_id)

    def test_of_another_event(self) -> None:
        each(
            self.check,
            [
                {"type": "m.room.message"},
                {"sender": f"@alice:{HOME}"},
                {"state_key": "@eve:test"},
                {"content": {"membership": "leave"}},
                {"content": 1},
                {"room_id": "!other:home.example"},
            ],
        )

    def test_of_no_use(self) -> None:
        each(
            self.check,
            [
                {"prev_events": "x"},
                {"prev_events": [1]},
                {"prev_events": ["$x"] * 21},
                {"auth_events": ["$x"] * 11},
                {"depth": -1},
                {"depth": "1"},
                {"depth": 2**64},
            ],
        )

    def test_what_else_it_says_is_not_signed(self) -> None:
        room_id = self.room()
        self.network.lies["make_join"] = lambda answer: {
            **answer,
            "event": {
                **answer["event"],
                "origin_server_ts": 1,
                "redacts": "$x",
                "trick": "yes",
                "content": {**answer["event"]["content"], "displayname": "Eve"},
            },
        }
        self.assertEqual(self.join(room_id).status, 200)
        member = self.bob.state(room_id, "m.room.member", self.bob.user_id, format="event").json
        self.assertEqual(member["content"], {"membership": "join", "displayname": "bob"})
        self.assertNotEqual(member["origin_server_ts"], 1)

    def test_of_a_version_that_nobody_knows(self) -> None:
        room_id = self.room()
        self.network.lies["make_join"] = lambda answer: {**answer, "room_version": "99"}
        self.assertEqual(self.join(room_id).error, (400, "M_INCOMPATIBLE_ROOM_VERSION"))

    def test_of_another_version_than_the_room(self) -> None:
        room_id = self.room(room_version="10")
        self.network.lies["make_join"] = lambda answer: {**answer, "room_version": "11"}
        self.refused(room_id)


class AnswerTests(LyingTestCase):
    def check(self, lie: Lie) -> None:
        room_id = self.room(name="Here")
        self.network.lies["send_join"] = lie
        self.refused(room_id)

    def test_without_what_a_room_needs(self) -> None:
        each(
            self.check,
            [
                without("m.room.create"),
                without("m.room.power_levels"),
                without("m.room.join_rules"),
                without("m.room.member"),
                lambda answer: {**answer, "state": [], "auth_chain": []},
                lambda answer: {**answer, "state": [1, "x", None], "auth_chain": [{}]},
            ],
        )

    def test_shapes(self) -> None:
        each(self.check, [lambda _: [], lambda _: {}, lambda answer: {**answer, "state": {}}])

    def test_forged(self) -> None:
        each(
            self.check,
            [
                changed("m.room.create", sender="@eve:elsewhere.example"),
                changed("m.room.join_rules", sender="@eve:elsewhere.example"),
                changed("m.room.create", signatures={}),
                changed("m.room.join_rules", signatures={HOME: {"ed25519:test": "AAAA"}}),
                changed("m.room.power_levels", content={"users": {"@eve:elsewhere.example": 100}}),
            ],
        )

    def test_a_forged_event_that_others_do_not_need_is_left_out(self) -> None:
        room_id = self.room(name="Here")
        self.network.lies["send_join"] = changed("m.room.name", signatures={})
        self.assertEqual(self.join(room_id).status, 200)
        self.assertEqual(self.bob.state(room_id, "m.room.name").status, 404)

    def test_another_room(self) -> None:
        other_id = self.room(name="Other")
        self.join(other_id)
        told: list[Json] = []

        def remember(answer: Json) -> Json:
            told.append(answer)
            return answer

        self.network.lies["send_join"] = remember
        carol = self.register("carol")
        third_id = self.room(name="Third")
        self.join(third_id, carol)
        room_id = self.room()
        self.network.lies["send_join"] = lambda answer: {**answer, "state": told[0]["state"]}
        self.assertEqual(self.join(room_id).error, REFUSED)

    def test_two_events_in_one_place(self) -> None:
        room_id = self.room(name="one")
        first: list[Json] = []

        def remember(answer: Json) -> Json:
            first.extend(pdu for pdu in answer["state"] if pdu["type"] == "m.room.name")
            return answer

        self.network.lies["send_join"] = remember
        self.join(room_id)
        self.assertEqual(self.bob.leave(room_id).json, {})
        self.settle()
        self.alice.set_state(room_id, "m.room.name", {"name": "two"})
        self.network.lies["send_join"] = lambda answer: {**answer, "state": [*answer["state"], *first]}
        self.assertEqual(self.join(room_id).error, REFUSED)

    def test_a_join_that_was_not_countersigned(self) -> None:
        space_id = self.room(creation_content={"type": "m.space"})
        allow = [{"type": "m.room_membership", "room_id": space_id}]
        rules = {"join_rule": "restricted", "allow": allow}
        initial = [{"type": "m.room.join_rules", "content": rules}]
        self.join(space_id)

        def check(lie: Lie) -> None:
            room_id = self.room(initial_state=initial)
            self.network.lies["send_join"] = lie
            self.assertEqual(self.join(room_id).error, REFUSED)

        def with_event(answer: Json, **changes: Any) -> Json:
            return {**answer, "event": {**answer["event"], **changes}}

        each(
            check,
            [
                lambda answer: {key: value for key, value in answer.items() if key != "event"},
                lambda answer: with_event(answer, signatures={}),
                lambda answer: with_event(answer, depth=70),
                lambda answer: {**answer, "event": 1},
            ],
        )

    def test_the_next_server_is_asked(self) -> None:
        room_id = self.room()
        third = self.another("third.example")
        carol = third.register("carol")
        self.join(room_id, carol)
        self.settle(third)
        self.network.liar = HOME
        self.network.lies["send_join"] = without("m.room.create")
        query = [("via", HOME), ("via", "third.example")]
        self.assertEqual(self.bob.request("POST", f"/join/{room_id}", {}, query=query).status, 200)


class InviteAndKnockTests(NeighboursTestCase):
    def test_an_invitation_that_was_not_signed(self) -> None:
        def check(lie: Lie) -> None:
            room_id = self.room()
            self.network.lies["/invite/"] = lie
            self.assertEqual(self.alice.invite(room_id, self.bob).error, REFUSED)
            self.assertEqual(self.alice.state(room_id, "m.room.member", self.bob.user_id).status, 404)

        each(check, [lambda _: {}, lambda _: {"event": {}}, lambda _: {"event": {"signatures": {"test": 1}}}])

    def test_what_a_room_says_of_itself(self) -> None:
        rules = {"type": "m.room.join_rules", "content": {"join_rule": "knock"}}
        room_id = self.room(preset="private_chat", initial_state=[rules], name="Closed")
        told = {"type": "m.room.name", "state_key": "", "sender": f"@alice:{HOME}", "content": {"name": "x"}}
        self.network.lies["send_knock"] = lambda _: {"knock_room_state": [{"x": 1}, {**told, "depth": 1}]}
        self.assertEqual(self.knock(room_id).status, 200)
        events = self.rooms("knock")[room_id]["knock_state"]["events"]
        self.assertIn(told, events)
        self.assertEqual(len(events), 2)
