"""POST /createRoom at the wire."""

from typing import Any

from tests.wire import WireTestCase, each

Json = Any

_PRESETS = {
    "private_chat": ("invite", "shared", "can_join"),
    "trusted_private_chat": ("invite", "shared", "can_join"),
    "public_chat": ("public", "shared", "forbidden"),
}


class CreateRoomTestCase(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")

    def create(self, **wish: Json) -> str:
        """The ID of a room for which nothing is asked that is not in `wish`."""
        room_id: str = self.alice.post("/createRoom", wish)["room_id"]
        return room_id

    def refusal(self, **wish: Json) -> tuple[int, str]:
        return self.alice.post("/createRoom", wish).error

    def content(self, room_id: str, type_: str, state_key: str = "") -> Json:
        return self.alice.state(room_id, type_, state_key).json

    def slots(self, room_id: str) -> list[tuple[str, str]]:
        """Type and state key of all events, in the order in which they were made."""
        chunk = self.alice.messages(room_id, dir="f", limit=100)["chunk"]
        return [(event["type"], event["state_key"]) for event in chunk]


class PresetTests(CreateRoomTestCase):
    def preset_of(self, room_id: str) -> tuple[str, str, str]:
        return (
            self.content(room_id, "m.room.join_rules")["join_rule"],
            self.content(room_id, "m.room.history_visibility")["history_visibility"],
            self.content(room_id, "m.room.guest_access")["guest_access"],
        )

    def test_each_preset_in_each_version(self) -> None:
        for version in ("11", "12"):
            for preset, state in _PRESETS.items():
                room_id = self.create(preset=preset, room_version=version)
                self.assertEqual((preset, self.preset_of(room_id)), (preset, state))

    def test_visibility_decides_where_no_preset_is_named(self) -> None:
        self.assertEqual(self.preset_of(self.create(visibility="public")), _PRESETS["public_chat"])
        self.assertEqual(self.preset_of(self.create(visibility="private")), _PRESETS["private_chat"])
        self.assertEqual(self.preset_of(self.create()), _PRESETS["private_chat"])

    def test_a_named_preset_wins_over_visibility(self) -> None:
        room_id = self.create(visibility="public", preset="private_chat")
        self.assertEqual(self.preset_of(room_id), _PRESETS["private_chat"])

    def test_trusted_invitees_are_as_powerful_as_the_creator(self) -> None:
        room_id = self.create(preset="trusted_private_chat", room_version="11", invite=[self.bob.user_id])
        expected = {self.alice.user_id: 100, self.bob.user_id: 100}
        self.assertEqual(self.content(room_id, "m.room.power_levels")["users"], expected)

    def test_trusted_invitees_are_creators_from_version_12_on(self) -> None:
        room_id = self.create(preset="trusted_private_chat", invite=[self.bob.user_id])
        self.assertEqual(self.content(room_id, "m.room.create")["additional_creators"], [self.bob.user_id])
        self.assertEqual(self.content(room_id, "m.room.power_levels")["users"], {})
        self.bob.join(room_id)
        self.assertEqual(self.bob.set_state(room_id, "m.room.tombstone", {"body": ""}).status, 200)

    def test_trusted_invitees_and_additional_creators_are_combined(self) -> None:
        carol = self.register("carol")
        room_id = self.create(
            preset="trusted_private_chat",
            invite=[self.bob.user_id],
            creation_content={"additional_creators": [carol.user_id, self.bob.user_id]},
        )
        creators = self.content(room_id, "m.room.create")["additional_creators"]
        self.assertEqual(creators, [carol.user_id, self.bob.user_id])

    def test_other_invitees_have_no_power(self) -> None:
        room_id = self.create(preset="private_chat", room_version="11", invite=[self.bob.user_id])
        self.assertEqual(self.content(room_id, "m.room.power_levels")["users"], {self.alice.user_id: 100})


class FirstEventsTests(CreateRoomTestCase):
    def test_order(self) -> None:
        room_id = self.create(
            preset="public_chat",
            room_alias_name="pub",
            initial_state=[
                {"type": "m.room.encryption", "content": {"algorithm": "m.megolm.v1.aes-sha2"}},
                {"type": "org.example", "state_key": "b", "content": {}},
                {"type": "org.example", "state_key": "a", "content": {}},
            ],
            name="The Pub",
            topic="Beer",
            invite=[self.bob.user_id],
        )
        self.assertEqual(
            self.slots(room_id),
            [
                ("m.room.create", ""),
                ("m.room.member", self.alice.user_id),
                ("m.room.power_levels", ""),
                ("m.room.canonical_alias", ""),
                ("m.room.join_rules", ""),
                ("m.room.history_visibility", ""),
                ("m.room.guest_access", ""),
                ("m.room.encryption", ""),
                ("org.example", "b"),
                ("org.example", "a"),
                ("m.room.name", ""),
                ("m.room.topic", ""),
                ("m.room.member", self.bob.user_id),
            ],
        )

    def test_name_and_topic(self) -> None:
        room_id = self.create(name="The Pub", topic="Beer")
        self.assertEqual(self.content(room_id, "m.room.name"), {"name": "The Pub"})
        text = [{"body": "Beer", "mimetype": "text/plain"}]
        self.assertEqual(
            self.content(room_id, "m.room.topic"), {"topic": "Beer", "m.topic": {"m.text": text}}
        )

    def test_name_and_topic_win_over_initial_state(self) -> None:
        initial = [
            {"type": "m.room.name", "content": {"name": "no"}},
            {"type": "m.room.topic", "content": {"topic": "no"}},
        ]
        room_id = self.create(name="yes", topic="yes", initial_state=initial)
        self.assertEqual(self.content(room_id, "m.room.name")["name"], "yes")
        self.assertEqual(self.content(room_id, "m.room.topic")["topic"], "yes")

    def test_initial_state_wins_over_the_preset(self) -> None:
        initial = [{"type": "m.room.join_rules", "content": {"join_rule": "knock"}}]
        room_id = self.create(preset="public_chat", initial_state=initial)
        self.assertEqual(self.content(room_id, "m.room.join_rules"), {"join_rule": "knock"})
        self.assertEqual(self.slots(room_id).count(("m.room.join_rules", "")), 1)

    def test_creation_content(self) -> None:
        given = {"m.federate": False, "type": "m.space", "org.example": 1}
        create = self.content(self.create(creation_content=given), "m.room.create")
        self.assertEqual(create, {**given, "room_version": "12"})

    def test_version_cannot_be_given_by_creation_content(self) -> None:
        create = self.content(self.create(creation_content={"room_version": "1"}), "m.room.create")
        self.assertEqual(create["room_version"], "12")

    def test_invites(self) -> None:
        room_id = self.create(invite=[self.bob.user_id, self.bob.user_id])
        self.assertEqual(
            self.content(room_id, "m.room.member", self.bob.user_id),
            {"membership": "invite", "displayname": "bob"},
        )
        self.assertIn(room_id, self.bob.sync().json["rooms"]["invite"])

    def test_direct_invites(self) -> None:
        room_id = self.create(invite=[self.bob.user_id], is_direct=True)
        self.assertIs(self.content(room_id, "m.room.member", self.bob.user_id)["is_direct"], True)
        self.assertNotIn("is_direct", self.content(room_id, "m.room.member", self.alice.user_id))

    def test_creator_is_joined(self) -> None:
        room_id = self.create()
        self.assertEqual(self.alice.get("/joined_rooms").json, {"joined_rooms": [room_id]})

    def test_rooms_made_at_the_same_instant_differ(self) -> None:
        room_ids = {self.create(name="same", room_version=version) for version in ("11", "11", "12", "12")}
        self.assertEqual(len(room_ids), 4)


class VersionTests(CreateRoomTestCase):
    def test_default(self) -> None:
        self.assertEqual(self.content(self.create(), "m.room.create")["room_version"], "12")

    def test_room_id(self) -> None:
        self.assertRegex(self.create(room_version="11"), r"^![A-Za-z0-9]{18}:test$")
        room_id = self.create(room_version="12")
        create = self.alice.state(room_id, "m.room.create", format="event")
        self.assertEqual(room_id[1:], create["event_id"][1:])

    def test_replacing_the_room_is_for_creators(self) -> None:
        for version, level in (("11", 100), ("12", 150)):
            levels = self.content(self.create(room_version=version), "m.room.power_levels")
            self.assertEqual(levels["events"]["m.room.tombstone"], level)

    def test_unknown_versions(self) -> None:
        def check(version: str) -> None:
            self.assertEqual(self.refusal(room_version=version), (400, "M_UNSUPPORTED_ROOM_VERSION"))

        each(check, ["", "0", "13", "org.example", "12 ", "1" * 5000])


class PowerLevelTests(CreateRoomTestCase):
    def test_defaults(self) -> None:
        levels = self.content(self.create(room_version="11"), "m.room.power_levels")
        expected = {
            "ban": 50,
            "kick": 50,
            "redact": 50,
            "invite": 0,
            "state_default": 50,
            "events_default": 0,
        }
        self.assertEqual({name: levels[name] for name in expected}, expected)

    def test_override_replaces_whole_keys(self) -> None:
        room_id = self.create(power_level_content_override={"events": {"m.room.name": 0}, "invite": 70})
        levels = self.content(room_id, "m.room.power_levels")
        self.assertEqual((levels["events"], levels["invite"], levels["ban"]), ({"m.room.name": 0}, 70, 50))

    def test_creators_of_version_12_have_no_level(self) -> None:
        override = {"users": {self.alice.user_id: 100}}
        self.assertEqual(self.refusal(power_level_content_override=override), (400, "M_INVALID_ROOM_STATE"))
        self.create(power_level_content_override=override, room_version="11")

    def test_levels_that_forbid_what_follows(self) -> None:
        users = {self.alice.user_id: 40}
        for wish in ({"name": "x"}, {"topic": "x"}, {}):
            refusal = self.refusal(room_version="11", power_level_content_override={"users": users}, **wish)
            self.assertEqual(refusal, (400, "M_INVALID_ROOM_STATE"))

    def test_levels_of_other_types(self) -> None:
        def check(override: Json) -> None:
            self.assertEqual(
                self.refusal(power_level_content_override=override), (400, "M_INVALID_ROOM_STATE")
            )

        each(check, [{"ban": "50"}, {"users": []}, {"users": {"bob": 1}}, {"events": {"x": None}}])


class AliasTests(CreateRoomTestCase):
    def test_alias_leads_to_the_room(self) -> None:
        room_id = self.create(preset="public_chat", room_alias_name="pub")
        self.assertEqual(self.content(room_id, "m.room.canonical_alias"), {"alias": "#pub:test"})
        self.assertEqual(self.bob.post("/join/%23pub:test").json, {"room_id": room_id})

    def test_taken(self) -> None:
        self.create(room_alias_name="pub")
        self.assertEqual(self.refusal(room_alias_name="pub"), (400, "M_ROOM_IN_USE"))
        self.assertEqual(len(self.alice.get("/joined_rooms")["joined_rooms"]), 1)

    def test_a_room_that_was_refused_takes_no_alias(self) -> None:
        self.refusal(room_alias_name="pub", power_level_content_override={"ban": "x"})
        self.create(room_alias_name="pub")

    def test_malformed(self) -> None:
        def check(name: str) -> None:
            self.assertEqual(self.refusal(room_alias_name=name), (400, "M_INVALID_PARAM"))

        each(check, ["", "#pub:test", "pub:test", "a\x00b", "x" * 256])


class RefusalTests(CreateRoomTestCase):
    def setUp(self) -> None:
        super().setUp()
        # Not in tearDown, which comes after the server was stopped.
        self.addCleanup(self.nothing_is_left)

    def nothing_is_left(self) -> None:
        self.assertEqual(self.alice.get("/joined_rooms").json, {"joined_rooms": []})
        self.assertEqual(self.bob.sync().json.get("rooms", {}), {})

    def test_wrong_shapes(self) -> None:
        def check(wish: Json) -> None:
            self.assertEqual(self.alice.post("/createRoom", wish).error, (400, "M_BAD_JSON"))

        each(
            check,
            [
                [],
                {"preset": "secret_chat"},
                {"visibility": "hidden"},
                {"name": 5},
                {"invite": "@bob:test"},
                {"invite": [5]},
                {"is_direct": "yes"},
                {"creation_content": []},
                {"initial_state": {}},
                {"initial_state": [{"type": "m.room.name", "state_key": 5, "content": {}}]},
                {"initial_state": [{"type": "m.room.name", "content": []}]},
                {"creation_content": {"a": 1.5}},
                {"initial_state": [{"type": "a", "content": {"a": 2**53}}]},
                {"power_level_content_override": {"ban": 0.5}},
            ],
        )

    def test_missing_parts_of_initial_state(self) -> None:
        def check(initial: Json) -> None:
            self.assertEqual(self.refusal(initial_state=[initial]), (400, "M_MISSING_PARAM"))

        each(check, [{"content": {}}, {"type": "m.room.name"}])

    def test_invited_users_that_are_none(self) -> None:
        def check(user_id: str) -> None:
            self.assertEqual(self.refusal(invite=[self.bob.user_id, user_id]), (400, "M_INVALID_PARAM"))

        each(check, ["", "bob", "@bob", "#bob:test", "@bob:", "@" + "b" * 300 + ":test"])

    def test_members_that_are_no_users(self) -> None:
        member = {"type": "m.room.member", "state_key": "bob", "content": {"membership": "invite"}}
        self.assertEqual(self.refusal(initial_state=[member]), (400, "M_INVALID_PARAM"))

    def test_the_creator_is_not_invited(self) -> None:
        self.assertEqual(self.refusal(invite=[self.alice.user_id])[0], 400)

    def test_initial_state_that_no_room_allows(self) -> None:
        def check(initial: Json) -> None:
            self.assertEqual(self.refusal(initial_state=[initial]), (400, "M_INVALID_ROOM_STATE"))

        member = {"type": "m.room.member", "state_key": self.alice.user_id}
        each(
            check,
            [
                {"type": "m.room.create", "content": {"room_version": "12"}},
                {**member, "content": {"membership": "leave"}},
                {**member, "content": {}},
                {**member, "state_key": self.bob.user_id, "content": {"membership": "join"}},
                {"type": "org.example", "state_key": self.bob.user_id, "content": {}},
            ],
        )

    def test_additional_creators_that_are_no_users(self) -> None:
        def check(creators: Json) -> None:
            for preset in ("private_chat", "trusted_private_chat"):
                status, _ = self.refusal(creation_content={"additional_creators": creators}, preset=preset)
                self.assertEqual(status, 400)

        each(check, ["@bob:test", {}, [5], [{}], ["bob"], [[]], ["@" + "b" * 300 + ":test"]])

    def test_too_large(self) -> None:
        def check(wish: Json) -> None:
            self.assertEqual(self.alice.post("/createRoom", wish).error, (413, "M_TOO_LARGE"))

        each(
            check,
            [
                {"name": "x" * 70_000},
                {"creation_content": {"x": "x" * 70_000}},
                {"initial_state": [{"type": "x" * 256, "content": {}}]},
                {"initial_state": [{"type": "x", "state_key": "x" * 256, "content": {}}]},
            ],
        )
