"""Reading and writing state at the wire."""

from typing import Any

from tests.wire import WireClient, WireTestCase, each

Json = Any

FORBIDDEN = (403, "M_FORBIDDEN")
NOT_FOUND = (404, "M_NOT_FOUND")
TOPIC = "m.room.topic"


class StateTestCase(WireTestCase):
    """Alice's room, in which Bob is; Carol is invited."""

    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob, self.carol = map(self.register, ("alice", "bob", "carol"))
        self.room_id = self.alice.create_room(members=[self.bob], topic="before")
        self.alice.invite(self.room_id, self.carol)

    def put(self, type_: str, content: Json, state_key: str = "") -> str:
        event_id: str = self.alice.set_state(self.room_id, type_, content, state_key)["event_id"]
        return event_id

    def topic_for(self, user: WireClient) -> Json:
        return user.state(self.room_id, TOPIC).json.get("topic")

    def all_for(self, user: WireClient) -> dict[tuple[str, str], Json]:
        """All state by slot."""
        events = user.get(f"/rooms/{self.room_id}/state").json
        found = {(event["type"], event["state_key"]): event for event in events}
        self.assertEqual(len(found), len(events))
        return found


class ReadOneTests(StateTestCase):
    def test_content(self) -> None:
        self.put("org.example", {"a": [1, {"b": None}]}, "key")
        self.assertEqual(self.bob.state(self.room_id, "org.example", "key").json, {"a": [1, {"b": None}]})

    def test_whole_event(self) -> None:
        event_id = self.put(TOPIC, {"topic": "now"})
        event = self.bob.state(self.room_id, TOPIC, format="event").json
        self.assertLess(event.pop("unsigned")["age"], 1000)
        self.assertEqual(
            event,
            {
                "type": TOPIC,
                "state_key": "",
                "sender": self.alice.user_id,
                "content": {"topic": "now"},
                "event_id": event_id,
                "room_id": self.room_id,
                "origin_server_ts": 1_700_000_000_000,
            },
        )

    def test_formats(self) -> None:
        self.assertIn("topic", self.bob.state(self.room_id, TOPIC, format="content").json)
        answer = self.bob.state(self.room_id, TOPIC, format="xml")
        self.assertEqual(answer.error, (400, "M_INVALID_PARAM"))

    def test_empty_key_with_and_without_slash(self) -> None:
        for path in (f"/rooms/{self.room_id}/state/{TOPIC}", f"/rooms/{self.room_id}/state/{TOPIC}/"):
            self.assertEqual(self.bob.get(path)["topic"], "before")

    def test_keys_of_all_kinds(self) -> None:
        def check(key: str) -> None:
            self.put("org.example", {"key": key}, key)
            self.assertEqual(self.bob.state(self.room_id, "org.example", key).json, {"key": key})

        each(check, ["a/b", "%2F", "ü€𝄞", " ", "a?b#c", "_", "\\", "é" * 127])

    def test_types_of_all_kinds(self) -> None:
        self.put("a%2Fb", {"x": 1})
        self.assertIn(("a/b", ""), self.all_for(self.bob))

    def test_absent(self) -> None:
        for slot in ((TOPIC, "other"), ("org.example", ""), ("m.room.member", "@nobody:test")):
            self.assertEqual(self.bob.state(self.room_id, *slot).error, NOT_FOUND)

    def test_strangers(self) -> None:
        for user in (self.carol, self.register("mallory")):
            self.assertEqual(user.state(self.room_id, TOPIC).error, FORBIDDEN)
            self.assertEqual(user.state(self.room_id, "org.absent").error, FORBIDDEN)

    def test_unknown_rooms_look_like_those_of_others(self) -> None:
        self.assertEqual(self.bob.state("!nowhere:test", TOPIC).error, FORBIDDEN)
        self.assertEqual(self.bob.get("/rooms/!nowhere:test/state").error, FORBIDDEN)


class ReadAllTests(StateTestCase):
    def test_newest_of_each_slot(self) -> None:
        self.put(TOPIC, {"topic": "now"})
        state = self.all_for(self.bob)
        self.assertEqual(state[TOPIC, ""]["content"], {"topic": "now"})
        self.assertEqual(
            state.keys(),
            {
                ("m.room.create", ""),
                ("m.room.power_levels", ""),
                ("m.room.join_rules", ""),
                ("m.room.history_visibility", ""),
                ("m.room.guest_access", ""),
                (TOPIC, ""),
                *(("m.room.member", user.user_id) for user in (self.alice, self.bob, self.carol)),
            },
        )

    def test_is_the_same_after_a_restart(self) -> None:
        self.put(TOPIC, {"topic": "now"})
        before = self.all_for(self.bob)
        self.restart()
        after = self.all_for(self.bob)
        for event in (*before.values(), *after.values()):
            del event["unsigned"]["age"]
        self.assertEqual(after, before)


class SightTests(StateTestCase):
    """Whoever is not in the room sees it as it was when they left."""

    def check_sees(self, user: WireClient, topic: str) -> None:
        self.assertEqual(self.topic_for(user), topic)
        self.assertEqual(self.all_for(user)[TOPIC, ""]["content"]["topic"], topic)

    def test_after_leaving(self) -> None:
        self.put(TOPIC, {"topic": "last"})
        self.bob.leave(self.room_id)
        self.put(TOPIC, {"topic": "secret"})
        self.check_sees(self.bob, "last")
        member = self.all_for(self.bob)["m.room.member", self.bob.user_id]
        self.assertEqual(member["content"]["membership"], "leave")

    def test_slots_that_were_filled_later(self) -> None:
        self.bob.leave(self.room_id)
        self.put("org.example", {})
        self.assertEqual(self.bob.state(self.room_id, "org.example").error, NOT_FOUND)

    def test_after_being_removed(self) -> None:
        for remove in (self.alice.kick, self.alice.ban):
            user = self.register(f"victim{remove.__name__}")
            self.alice.invite(self.room_id, user)
            user.join(self.room_id)
            self.put(TOPIC, {"topic": "last"})
            remove(self.room_id, user)
            self.put(TOPIC, {"topic": "secret"})
            self.check_sees(user, "last")

    def test_a_later_ban_shows_nothing_more(self) -> None:
        self.bob.leave(self.room_id)
        self.put(TOPIC, {"topic": "secret"})
        self.alice.ban(self.room_id, self.bob)
        self.check_sees(self.bob, "before")

    def test_a_later_invitation_shows_nothing_more(self) -> None:
        self.bob.leave(self.room_id)
        self.put(TOPIC, {"topic": "secret"})
        self.alice.invite(self.room_id, self.bob)
        self.check_sees(self.bob, "before")
        self.bob.leave(self.room_id)
        self.check_sees(self.bob, "before")

    def test_an_invitation_that_was_rejected_shows_nothing(self) -> None:
        self.carol.leave(self.room_id)
        self.assertEqual(self.carol.state(self.room_id, TOPIC).error, FORBIDDEN)
        self.assertEqual(self.carol.get(f"/rooms/{self.room_id}/state").error, FORBIDDEN)
        self.assertEqual(self.carol.messages(self.room_id).error, FORBIDDEN)

    def test_a_ban_of_somebody_who_never_came_shows_nothing(self) -> None:
        self.alice.ban(self.room_id, self.carol)
        self.assertEqual(self.carol.state(self.room_id, TOPIC).error, FORBIDDEN)

    def test_after_coming_back(self) -> None:
        self.bob.leave(self.room_id)
        self.put(TOPIC, {"topic": "now"})
        self.alice.invite(self.room_id, self.bob)
        self.bob.join(self.room_id)
        self.check_sees(self.bob, "now")

    def test_the_world_may_read_what_it_may(self) -> None:
        mallory = self.register("mallory")
        self.bob.leave(self.room_id)
        self.put("m.room.history_visibility", {"history_visibility": "world_readable"})
        for user in (mallory, self.bob, self.carol):
            self.check_sees(user, "before")
        self.put("m.room.history_visibility", {"history_visibility": "shared"})
        self.put(TOPIC, {"topic": "secret"})
        self.assertEqual(mallory.state(self.room_id, TOPIC).error, FORBIDDEN)
        self.check_sees(self.bob, "before")


class WriteTests(StateTestCase):
    def test_replaces_the_state_before(self) -> None:
        first = self.put("org.example", {"n": 1})
        second = self.put("org.example", {"n": 2})
        event = self.bob.event(self.room_id, second).json
        self.assertEqual(event["unsigned"]["replaces_state"], first)
        self.assertEqual(event["unsigned"]["prev_content"], {"n": 1})
        self.assertEqual(event["unsigned"]["prev_sender"], self.alice.user_id)

    def test_the_same_again_is_the_same_event(self) -> None:
        event_ids = {self.put("org.example", {"a": 1, "b": 2}), self.put("org.example", {"b": 2, "a": 1})}
        self.assertEqual(len(event_ids), 1)

    def test_the_same_of_somebody_else_is_another_event(self) -> None:
        levels = self.alice.state(self.room_id, "m.room.power_levels").json
        self.put("m.room.power_levels", {**levels, "state_default": 0})
        event_id = self.put("org.example", {"a": 1})
        self.assertNotEqual(self.bob.set_state(self.room_id, "org.example", {"a": 1})["event_id"], event_id)

    def test_a_number_is_no_truth(self) -> None:
        self.assertNotEqual(self.put("org.example", {"a": 1}), self.put("org.example", {"a": True}))

    def test_empty_key_with_and_without_slash(self) -> None:
        for path in (f"/rooms/{self.room_id}/state/{TOPIC}", f"/rooms/{self.room_id}/state/{TOPIC}/"):
            self.assertEqual(self.alice.put(path, {"topic": path}).status, 200)
            self.assertEqual(self.topic_for(self.bob), path)

    def test_power(self) -> None:
        self.assertEqual(self.bob.set_state(self.room_id, TOPIC, {"topic": "x"}).error, FORBIDDEN)
        levels = self.alice.state(self.room_id, "m.room.power_levels").json
        self.put("m.room.power_levels", {**levels, "events": {TOPIC: 0}})
        self.assertEqual(self.bob.set_state(self.room_id, TOPIC, {"topic": "x"}).status, 200)
        self.assertEqual(self.bob.set_state(self.room_id, "m.room.name", {"name": "x"}).error, FORBIDDEN)

    def test_power_levels_within_ones_own(self) -> None:
        levels = self.alice.state(self.room_id, "m.room.power_levels").json
        levels["users"] = {self.bob.user_id: 100}
        self.put("m.room.power_levels", levels)

        def check(case: tuple[Json, int]) -> None:
            changes, status = case
            answer = self.bob.set_state(self.room_id, "m.room.power_levels", {**levels, **changes})
            self.assertEqual(answer.status, status)

        each(
            check,
            [
                ({"ban": 101}, 403),
                ({"users": {self.bob.user_id: 101}}, 403),
                ({"users": {self.alice.user_id: 0}}, 403),
                ({"events": {**levels["events"], "m.room.tombstone": 0}}, 403),
                ({"ban": "50"}, 403),
                ({"ban": 100}, 200),
                ({"users": {self.bob.user_id: 99}}, 200),
            ],
        )

    def test_only_ones_own_id_as_key(self) -> None:
        for key, status in ((self.bob.user_id, 200), (self.alice.user_id, 403), ("@", 403), ("bob", 200)):
            levels = self.alice.state(self.room_id, "m.room.power_levels").json
            self.put("m.room.power_levels", {**levels, "state_default": 0})
            answer = self.bob.set_state(self.room_id, "org.example", {}, key)
            self.assertEqual((key, answer.status), (key, status))

    def test_who_is_not_in_the_room(self) -> None:
        for user in (self.carol, self.register("mallory")):
            self.assertEqual(user.set_state(self.room_id, TOPIC, {}).error, FORBIDDEN)

    def test_who_was_in_the_room_cannot_even_repeat_it(self) -> None:
        levels = self.alice.state(self.room_id, "m.room.power_levels").json
        self.put("m.room.power_levels", {**levels, "state_default": 0})
        self.bob.set_state(self.room_id, "org.example", {"a": 1})
        self.bob.leave(self.room_id)
        self.assertEqual(self.bob.set_state(self.room_id, "org.example", {"a": 1}).error, FORBIDDEN)

    def test_a_room_is_created_once(self) -> None:
        for key in ("", "x"):
            content = {"room_version": "12", "again": key}
            answer = self.alice.set_state(self.room_id, "m.room.create", content, key)
            self.assertEqual(answer.error, (400, "M_INVALID_PARAM"))
        path = f"/rooms/{self.room_id}/send/m.room.create/1"
        self.assertEqual(self.alice.put(path, {"room_version": "12"}).error, FORBIDDEN)

    def test_creation_cannot_be_repeated_to_any_use(self) -> None:
        create = self.alice.state(self.room_id, "m.room.create").json
        before = self.all_for(self.alice)
        self.alice.set_state(self.room_id, "m.room.create", create)
        self.assertEqual(self.all_for(self.alice), before)

    def test_contents_that_are_no_events(self) -> None:
        def check(content: Json) -> None:
            answer = self.alice.set_state(self.room_id, "org.example", content)
            self.assertEqual(answer.error, (400, "M_BAD_JSON"))

        each(check, [{"a": 0.5}, {"a": [1e3]}, {"a": 2**53}, {"a": -(2**53)}, [], "x", 5, b"null"])

    def test_too_large(self) -> None:
        def check(case: tuple[str, str, Json]) -> None:
            type_, key, content = case
            answer = self.alice.set_state(self.room_id, type_, content, key)
            self.assertEqual(answer.error, (413, "M_TOO_LARGE"))

        each(
            check,
            [
                ("org.example", "", {"a": "x" * 65_536}),
                ("t" * 256, "", {}),
                ("org.example", "k" * 256, {}),
                ("org.example", "é" * 128, {}),
            ],
        )
        self.put("org.example", {"a": "x" * 60_000}, "k" * 255)

    def test_unknown_room(self) -> None:
        answer = self.alice.set_state("!nowhere:test", TOPIC, {})
        self.assertEqual(answer.error, NOT_FOUND)
