"""What a server in a room can read of it, and that others cannot."""

from typing import Any

from federation.incoming.tests.neighbour import ROB, NeighbourTestCase
from homeserver.protocol.events import Event, parse_pdu
from homeserver.protocol.identifiers import EventID
from homeserver.protocol.room_versions import ROOM_VERSIONS
from tests.client import Json

V1 = "/_matrix/federation/v1"


class ReadingTestCase(NeighbourTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.joined = self.join()
        self.advance(1)

    def say(self, *bodies: str) -> list[str]:
        return [self.alice.send(self.room_id, body) for body in bodies]

    def read(self, pdu: Json) -> Event:
        return parse_pdu(pdu, ROOM_VERSIONS[self.head().version])

    def backfill(self, *start: str, limit: int = 10) -> list[Event]:
        query = [("v", event_id) for event_id in start]
        path = f"{V1}/backfill/{self.room_id}"
        answer = self.remote.request("GET", path, query=[*query, ("limit", limit)])
        return [self.read(pdu) for pdu in answer["pdus"]]

    def missing(self, latest: list[str], earliest: list[str], **more: Any) -> list[Event]:
        body = {"latest_events": latest, "earliest_events": earliest, "limit": 10, **more}
        answer = self.remote.post(f"{V1}/get_missing_events/{self.room_id}", body)
        return [self.read(pdu) for pdu in answer["events"]]


def bodies(events: list[Event]) -> list[str]:
    return [event.content.get("body", "-") for event in events]


class HistoryTests(ReadingTestCase):
    def test_backfill(self) -> None:
        said = self.say("one", "two", "three")
        self.assertEqual(bodies(self.backfill(said[1], limit=2)), ["two", "one"])
        (event,) = self.backfill(said[2], limit=1)
        self.assertEqual((event.event_id, event.room_id), (said[2], self.room_id))
        self.assertEqual(event.signatures.keys(), {"test"})
        whole = self.backfill(said[2], limit=1000)
        self.assertEqual(whole[-1].type, "m.room.create")
        self.assertEqual(self.backfill("$unknown"), [])

    def test_branches_are_left_out(self) -> None:
        (root,) = self.say("root")
        ours = self.event(content={"body": "theirs"})
        later = self.event(content={"body": "after theirs"}, after=(ours,))
        self.say("beside")
        self.send(ours, later)
        self.assertEqual(bodies(self.backfill(later.event_id, limit=3)), ["after theirs", "theirs", "root"])
        self.assertEqual(bodies(self.missing([later.event_id], [root])), ["theirs"])

    def test_missing_events(self) -> None:
        said = self.say("one", "two", "three", "four")
        self.assertEqual(bodies(self.missing([said[3]], [said[0]])), ["two", "three"])
        self.assertEqual(bodies(self.missing([said[3]], [said[0]], limit=1)), ["three"])
        depth = self.backfill(said[2], limit=1)[0].depth
        self.assertEqual(bodies(self.missing([said[3]], [said[0]], min_depth=depth)), ["three"])
        self.assertEqual(self.missing([said[3]], [said[0]], limit=0), [])

    def test_soft_failed_events_are_passed(self) -> None:
        self.say("before")
        refused = self.event(content={"body": "refused"})
        self.alice.post(f"/rooms/{self.room_id}/kick", {"user_id": ROB})
        self.send(refused)
        self.assertEqual(self.bodies(), ["before"])
        self.send(self.member("join"))
        after = self.event(content={"body": "after"}, after=(refused,))
        self.send(after)
        self.assertEqual(bodies(self.backfill(after.event_id, limit=3)), ["after", "before", "-"])

    def test_redacted_events(self) -> None:
        (secret,) = self.say("secret")
        self.alice.redact(self.room_id, secret)
        (event,) = self.backfill(secret, limit=1)
        self.assertEqual((event.event_id, event.content), (secret, {}))

    def test_too_many_starts(self) -> None:
        query = [("v", f"${number}") for number in range(101)]
        path = f"{V1}/backfill/{self.room_id}"
        answer = self.remote.request("GET", path, query=[*query, ("limit", 1)])
        self.assertEqual(answer.error, (400, "M_INVALID_PARAM"))


class VisibilityTests(ReadingTestCase):
    preset = "public_chat"

    def setUp(self) -> None:
        super().setUp()
        self.early = self.say("before the join of nobody")[0]

    def restrict(self, visibility: str) -> None:
        content = {"history_visibility": visibility}
        self.alice.set_state(self.room_id, "m.room.history_visibility", content)

    def leave_and_come_back(self) -> str:
        """Says something meanwhile."""
        self.send(self.member("leave"))
        (hidden,) = self.say("while they were away")
        self.send(self.member("join"))
        return hidden

    def test_what_was_said_to_members_alone(self) -> None:
        self.restrict("joined")
        hidden = self.leave_and_come_back()
        (shown,) = self.say("now they are here")
        found = {event.event_id: event for event in self.backfill(shown, limit=20)}
        self.assertEqual(found[EventID(shown)].content["body"], "now they are here")
        self.assertEqual(found[EventID(hidden)].content, {})
        self.assertEqual(found[EventID(self.early)].content["body"], "before the join of nobody")
        (event,) = self.remote.get(f"{V1}/event/{hidden}")["pdus"]
        self.assertEqual(event["content"], {})

    def test_shared_history_is_seen_by_who_comes_back(self) -> None:
        hidden = self.leave_and_come_back()
        self.assertEqual(bodies(self.backfill(hidden, limit=1)), ["while they were away"])

    def test_what_the_invited_may_see(self) -> None:
        self.restrict("invited")
        hidden = self.leave_and_come_back()
        self.assertEqual(self.backfill(hidden, limit=1)[0].content, {})


class StateTests(ReadingTestCase):
    def name(self, name: str) -> str:
        event_id: str = self.alice.set_state(self.room_id, "m.room.name", {"name": name})["event_id"]
        return event_id

    def state(self, event_id: str) -> dict[tuple[str, str], Event]:
        answer = self.remote.get(f"{V1}/state/{self.room_id}", event_id=event_id)
        events = [self.read(pdu) for pdu in answer["pdus"]]
        chain = {self.read(pdu).event_id for pdu in answer["auth_chain"]}
        for event in events:
            self.assertTrue(set(event.auth_events) <= chain)
        ids = self.remote.get(f"{V1}/state_ids/{self.room_id}", event_id=event_id)
        self.assertEqual(set(ids["pdu_ids"]), {event.event_id for event in events})
        self.assertEqual(set(ids["auth_chain_ids"]), chain)
        return {event.slot: event for event in events}

    def test_state_before_an_event(self) -> None:
        first, second = self.name("first"), self.name("second")
        self.assertNotIn(("m.room.name", ""), self.state(first))
        self.assertEqual(self.state(second)["m.room.name", ""].content, {"name": "first"})
        (after,) = self.say("after")
        state = self.state(after)
        self.assertEqual(state["m.room.name", ""].event_id, second)
        self.assertIn(("m.room.member", ROB), state)

    def test_state_on_a_branch(self) -> None:
        theirs = self.event(content={"body": "on a branch"})
        self.name("not on the branch")
        self.send(theirs)
        self.assertNotIn(("m.room.name", ""), self.state(theirs.event_id))

    def test_events_that_are_not_known(self) -> None:
        for path in (f"state/{self.room_id}", f"state_ids/{self.room_id}"):
            answer = self.remote.get(f"{V1}/{path}", event_id="$unknown")
            self.assertEqual(answer.error, (404, "M_NOT_FOUND"))
        for path in (f"event_auth/{self.room_id}/$unknown", "event/$unknown"):
            self.assertEqual(self.remote.get(f"{V1}/{path}").error, (404, "M_NOT_FOUND"))

    def test_event_auth(self) -> None:
        (said,) = self.say("hello")
        chain = self.remote.get(f"{V1}/event_auth/{self.room_id}/{said}")["auth_chain"]
        types = [self.read(pdu).type for pdu in chain]
        self.assertEqual(types[0], "m.room.create")
        self.assertEqual(sorted(types[1:]), ["m.room.member", "m.room.power_levels"])

    def test_one_event(self) -> None:
        (said,) = self.say("hello")
        answer = self.remote.get(f"{V1}/event/{said}")
        self.assertEqual(answer["origin"], "test")
        (pdu,) = answer["pdus"]
        self.assertEqual(self.read(pdu).content["body"], "hello")

    def test_the_event_nearest_to_a_time(self) -> None:
        now_ms = int(self.reactor.seconds() * 1000)
        (said,) = self.say("hello")
        path = f"{V1}/timestamp_to_event/{self.room_id}"
        found = self.remote.get(path, ts=now_ms + 10_000, dir="b")
        self.assertEqual((found["event_id"], found["origin_server_ts"]), (said, now_ms))
        self.assertEqual(self.remote.get(path, ts=now_ms, dir="f")["event_id"], said)
        self.assertEqual(self.remote.get(path, ts=now_ms + 1, dir="f").error, (404, "M_NOT_FOUND"))


class StrangerTests(ReadingTestCase):
    """Whoever is not in the room, or not let in, reads nothing of it."""

    def answers(self, server: Any) -> list[tuple[int, str]]:
        (said,) = self.say("secret")
        room_id = self.room_id
        asked = [
            server.get(f"{V1}/backfill/{room_id}", v=said, limit=1),
            server.get(f"{V1}/state/{room_id}", event_id=said),
            server.get(f"{V1}/state_ids/{room_id}", event_id=said),
            server.get(f"{V1}/event_auth/{room_id}/{said}"),
            server.get(f"{V1}/event/{said}"),
            server.get(f"{V1}/timestamp_to_event/{room_id}", ts=1, dir="f"),
            server.post(
                f"{V1}/get_missing_events/{room_id}", {"latest_events": [said], "earliest_events": []}
            ),
        ]
        return [answer.error for answer in asked]

    def test_servers_outside(self) -> None:
        self.assertEqual(set(self.answers(self.other_server("elsewhere.example"))), {(403, "M_FORBIDDEN")})

    def test_servers_that_left(self) -> None:
        self.send(self.member("leave"))
        self.assertEqual(set(self.answers(self.remote)), {(403, "M_FORBIDDEN")})

    def test_servers_that_the_room_denies(self) -> None:
        acl = {"allow": ["*"], "deny": ["remote.example"]}
        self.alice.set_state(self.room_id, "m.room.server_acl", acl)
        self.assertEqual(set(self.answers(self.remote)), {(403, "M_FORBIDDEN")})

    def test_rooms_that_are_not_known(self) -> None:
        path = f"{V1}/backfill/!unknown:test"
        self.assertEqual(self.remote.get(path, v="$x", limit=1).error, (404, "M_NOT_FOUND"))
