"""A room that exists only in what the liar says of it, joined by Alice."""

from typing import Any

from homeserver.http.outbound import Response
from homeserver.protocol.events import Event, Proposal, build_event
from homeserver.protocol.identifiers import EventID, RoomID, UserID
from homeserver.protocol.json import JsonObject
from homeserver.protocol.room_versions import room_version
from tests.client import Answer
from tests.federation.hostile.liar import LiarTestCase, Question, pdus
from tests.wire import each

LIAR = "@rob:remote.example"
THEIRS = RoomID("!theirs:remote.example")


class InventedTestCase(LiarTestCase):
    settings = ("rc_joins.remote={per_second: 1000000, burst_count: 1000000}",)

    def setUp(self) -> None:
        super().setUp()
        self.create = self.invent("m.room.create", {"room_version": "11"}, prev_events=())
        first = (self.create.event_id,)
        self.rob = self.invent(
            "m.room.member", {"membership": "join"}, self.create, state_key=LIAR, prev_events=first
        )
        self.levels = self.power_levels(0, self.create, self.rob)
        self.rules = self.invent(
            "m.room.join_rules", {"join_rule": "public"}, self.create, self.rob, self.levels
        )
        self.state = [self.create, self.rob, self.levels, self.rules]
        self.chain: list[Event] = []
        self.lies["/make_join/"] = self.template
        self.told: JsonObject = {}
        self.lies["/send_join/"] = lambda _: {
            "origin": "remote.example",
            "state": pdus(*self.state),
            "auth_chain": pdus(*self.chain),
            **self.told,
        }

    def invent(
        self, type_: str, content: JsonObject, *cited: Event, state_key: str = "", **changes: Any
    ) -> Event:
        fields: dict[str, Any] = {
            "version": room_version("11"),
            "room_id": THEIRS,
            "type": type_,
            "state_key": state_key,
            "sender": UserID(LIAR),
            "content": content,
            "origin_server_ts": 1,
            "depth": 1,
            "prev_events": (EventID("$x"),),
            "auth_events": tuple(event.event_id for event in cited),
        }
        return build_event(Proposal(**{**fields, **changes}), self.signer)

    def power_levels(self, number: int, *cited: Event) -> Event:
        levels = {"users": {LIAR: 100}, "events": {"x": number % 50}}
        return self.invent("m.room.power_levels", levels, *cited)

    def template(self, question: Question) -> JsonObject:
        user_id = question.path.rsplit("/", 1)[1]
        cited = [event.event_id for event in (self.create, self.levels, self.rules)]
        event = {
            "type": "m.room.member",
            "room_id": THEIRS,
            "sender": user_id,
            "state_key": user_id,
            "content": {"membership": "join"},
            "prev_events": [self.rules.event_id],
            "auth_events": cited,
            "depth": 10,
        }
        return {"room_version": "11", "event": event}

    def enter(self) -> Answer:
        return self.alice.request("POST", f"/join/{THEIRS}", {}, query={"via": "remote.example"})

    def refused(self) -> None:
        self.assertEqual(self.enter().status, 502)
        self.assertNotIn(THEIRS, self.alice.sync().json["rooms"]["join"])
        self.goes_on()

    def entered(self) -> None:
        answer = self.enter()
        self.assertEqual(answer.status, 200, answer.body)
        self.alice.send(THEIRS, "here I am")
        self.advance(10)
        self.goes_on()


class AnswerTests(InventedTestCase):
    def test_what_is_believed(self) -> None:
        self.entered()

    def test_two_create_events(self) -> None:
        self.state.append(self.invent("m.room.create", {"room_version": "11", "x": 1}, prev_events=()))
        self.refused()

    def test_another_create_event_in_the_auth_chain(self) -> None:
        """Nothing that it authorises is of the room."""
        other = self.invent("m.room.create", {"room_version": "11", "x": 1}, prev_events=())
        name = self.invent("m.room.name", {"name": "lie"}, other, self.rob, self.levels)
        self.chain += [other]
        self.state += [name]
        self.assertIn(self.enter().status, (200, 502))
        self.assertEqual(self.alice.state(THEIRS, "m.room.create").json.get("x"), None)
        self.goes_on()

    def test_a_long_auth_chain(self) -> None:
        """Each change of power rests on the one before it."""
        for number in range(1, 1500):
            self.chain.append(self.levels)
            self.levels = self.power_levels(number, self.create, self.rob, self.levels)
        self.rules = self.invent(
            "m.room.join_rules", {"join_rule": "public"}, self.create, self.rob, self.levels
        )
        self.state = [self.create, self.rob, self.levels, self.rules]
        self.entered()

    def test_members_of_this_server(self) -> None:
        """Only this server can say of its users that they have joined."""
        self.register("carol")
        forged = self.invent("m.room.member", {"membership": "join"}, self.create, state_key="@carol:test")
        self.state.append(forged)
        self.entered()
        self.assertEqual(self.alice.state(THEIRS, "m.room.member", "@carol:test").status, 404)

    def test_members_that_never_come(self) -> None:
        self.told = {"members_omitted": True, "servers_in_room": ["remote.example"]}
        self.lies["/state/"] = lambda _: {"pdus": [], "auth_chain": []}
        self.entered()
        for _ in range(10):
            self.advance(600)
        self.alice.send(THEIRS, "still here")
        self.goes_on()

    def test_servers_that_are_none(self) -> None:
        """Who they are is found out with the members; until then nobody is sent anything who cannot be."""
        names = ["remote.example", "test", "", "a b", "\0", "[", "x" * 300, "http://x", "1.2.3.4:99999"]
        self.told = {"members_omitted": True, "servers_in_room": names}
        self.entered()
        self.alice.send(THEIRS, "to nobody")
        self.advance(60)
        stored = self.successResultOf(
            self.server.db.read(
                lambda txn: {name for (name,) in txn.rows("SELECT server FROM federation_room_server")}
            )
        )
        self.assertEqual(stored, {"remote.example"})

    def test_very_many_events(self) -> None:
        junk = b",".join(b"{}" for _ in range(10_000_000))
        bodies = [b'{"state":[' + junk + b'],"auth_chain":[]}', b'{"state":[],"auth_chain":[' + junk + b"]}"]

        def check(body: bytes) -> None:
            self.lies["/send_join/"] = lambda _: Response(200, {}, body)
            self.refused()

        each(check, bodies)

    def test_how_much_is_taken(self) -> None:
        self.enter()
        (asked,) = self.asked_for("/send_join/")
        assert asked.bounds is not None
        self.assertLessEqual(asked.bounds.body, 256 * 1024 * 1024)
        self.assertLessEqual(asked.bounds.seconds, 300)


class TemplateTests(InventedTestCase):
    def test_shapes(self) -> None:
        whole = self.template(Question("remote.example", f"/{self.alice.user_id}", {}, None, None))
        self.lies["/send_join/"] = lambda _: {}
        odd: list[Any] = [None, 1, "", "x", [], {}, [1], [[]], [{}], ["$x"] * 1000, -1, 2**60, {"x": 1}]

        def check(value: Any) -> None:
            templates = [value, {**whole, "room_version": value}, {**whole, "event": value}]
            templates += [{**whole, "event": {**whole["event"], key: value}} for key in whole["event"]]
            for template in templates:
                self.lies["/make_join/"] = lambda _, template=template: template  # type: ignore[misc]  # bound now
                answer = self.enter()
                self.assertIn(answer.status, (400, 502), (template, answer.body))

        each(check, odd)
        self.goes_on()
