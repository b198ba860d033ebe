from typing import Any

from tests.client import Answer
from tests.wire import WireClient, WireTestCase, each


class UpgradeTestCase(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")

    def upgrade(self, room_id: str, version: str = "12", **wish: Any) -> str:
        replacement: str = self.ask(self.alice, room_id, version, **wish)["replacement_room"]
        return replacement

    def ask(self, client: WireClient, room_id: str, version: str = "12", **wish: Any) -> Answer:
        return client.post(f"/rooms/{room_id}/upgrade", {"new_version": version, **wish})

    def content(self, room_id: str, type_: str, key: str = "") -> Any:
        answer = self.alice.state(room_id, type_, key)
        return answer.json if answer.status == 200 else None


class StateTests(UpgradeTestCase):
    def test_the_rooms_point_to_each_other(self) -> None:
        old = self.alice.create_room(
            room_version="11", creation_content={"type": "m.space", "m.federate": False}
        )
        last = self.alice.send(old, "last words")
        eleven = self.upgrade(old, "11")
        self.assertEqual(
            self.content(old, "m.room.tombstone"),
            {"body": "This room has been replaced", "replacement_room": eleven},
        )
        self.assertEqual(
            self.content(eleven, "m.room.create"),
            {
                "room_version": "11",
                "predecessor": {"room_id": old, "event_id": last},
                "type": "m.space",
                "m.federate": False,
            },
        )
        twelve = self.upgrade(eleven)
        self.assertEqual(
            self.content(twelve, "m.room.create"),
            {
                "room_version": "12",
                "predecessor": {"room_id": eleven},
                "type": "m.space",
                "m.federate": False,
            },
        )

    def test_what_is_taken_along(self) -> None:
        taken = {
            "m.room.server_acl": {"allow": ["*"]},
            "m.room.encryption": {"algorithm": "m.megolm.v1.aes-sha2"},
            "m.room.name": {"name": "Tea"},
            "m.room.avatar": {"url": "mxc://test/tea"},
            "m.room.topic": {"topic": "Hot"},
            "m.room.guest_access": {"guest_access": "forbidden"},
            "m.room.history_visibility": {"history_visibility": "joined"},
            "m.room.join_rules": {"join_rule": "public"},
        }
        for versions in (("11", "12"), ("12", "11"), ("12", "12")):
            old = self.alice.create_room(room_version=versions[0])
            for type_, content in taken.items():
                self.alice.set_state(old, type_, content)
            self.alice.set_state(old, "m.space.child", {"via": ["test"]}, "!child:test")
            self.alice.set_state(old, "m.space.child", {}, "!gone:test")
            self.alice.set_state(old, "org.example", {"who": "knows"})
            self.bob.join(old)
            self.alice.post(f"/rooms/{old}/ban", {"user_id": "@mallory:test", "reason": "spam"})
            new = self.upgrade(old, versions[1])
            self.assertEqual({type_: self.content(new, type_) for type_ in taken}, taken)
            self.assertEqual(self.content(new, "m.space.child", "!child:test"), {"via": ["test"]})
            self.assertEqual(
                self.content(new, "m.room.member", "@mallory:test"), {"membership": "ban", "reason": "spam"}
            )
            for type_, key in (
                ("org.example", ""),
                ("m.space.child", "!gone:test"),
                ("m.room.member", self.bob.user_id),
                ("m.room.tombstone", ""),
            ):
                self.assertIsNone(self.content(new, type_, key))

    def test_redacted_state_is_not_taken_along(self) -> None:
        old = self.alice.create_room(name="secret")
        self.alice.redact(old, self.alice.state(old, "m.room.name", format="event")["event_id"])
        self.assertEqual(self.content(self.upgrade(old), "m.room.name"), {})


class PowerTests(UpgradeTestCase):
    def levels(self, room_id: str) -> Any:
        return self.content(room_id, "m.room.power_levels")

    def test_creators_stand_above_levels(self) -> None:
        override = {"users": {"@alice:test": 100, "@bob:test": 100, "@carol:test": 50}, "ban": 60}
        old = self.alice.create_room(room_version="11", power_level_content_override=override)
        new = self.upgrade(old, additional_creators=["@bob:test", "@bob:test"])
        self.assertEqual(self.content(new, "m.room.create")["additional_creators"], ["@bob:test"])
        self.assertEqual(self.levels(new)["users"], {"@carol:test": 50})
        self.assertEqual(self.levels(new)["ban"], 60)

    def test_creators_of_before_have_levels(self) -> None:
        old = self.alice.create_room(power_level_content_override={"users": {"@bob:test": 150}})
        new = self.upgrade(old, "11", additional_creators=["@bob:test"])
        self.assertEqual(self.levels(new)["users"], {"@bob:test": 150, "@alice:test": 150})
        self.assertNotIn("additional_creators", self.content(new, "m.room.create"))

    def test_the_old_room_is_closed(self) -> None:
        old = self.alice.create_room(preset="public_chat", members=[])
        self.bob.join(old)
        before = self.levels(old)
        self.upgrade(old)
        self.assertEqual(self.levels(old), {**before, "events_default": 50, "invite": 50})
        answer = self.bob.put(f"/rooms/{old}/send/m.room.message/1", {"body": "x", "msgtype": "m.text"})
        self.assertEqual(answer.error, (403, "M_FORBIDDEN"))

    def test_closed_above_the_default(self) -> None:
        old = self.alice.create_room(
            room_version="11",
            power_level_content_override={"users_default": 60, "events_default": 70},
        )
        self.upgrade(old)
        levels = self.levels(old)
        self.assertEqual((levels["events_default"], levels["invite"]), (70, 61))

    def test_who_may(self) -> None:
        old = self.alice.create_room(preset="public_chat", room_version="11")
        self.assertEqual(self.ask(self.bob, old).error, (403, "M_FORBIDDEN"))
        self.bob.join(old)
        self.assertEqual(self.ask(self.bob, old).error, (403, "M_FORBIDDEN"))
        levels = self.levels(old)
        wish = {**levels, "events": {"m.room.tombstone": 20}, "users": {**levels["users"], "@bob:test": 20}}
        self.alice.set_state(old, "m.room.power_levels", wish)
        new = self.ask(self.bob, old, "11")["replacement_room"]
        # Bob has no more power in the new room than in the old one, which he could not close.
        self.bob_levels = self.bob.state(new, "m.room.power_levels").json
        self.assertEqual(self.bob_levels, wish)
        self.assertEqual(self.levels(old), wish)

    def test_what_cannot_be(self) -> None:
        room_id = self.alice.create_room()

        def check(case: tuple[dict[str, Any], tuple[int, str]]) -> None:
            body, error = case
            self.assertEqual(self.alice.post(f"/rooms/{room_id}/upgrade", body).error, error)

        cases: list[tuple[dict[str, Any], tuple[int, str]]] = [
            ({}, (400, "M_MISSING_PARAM")),
            ({"new_version": "99"}, (400, "M_UNSUPPORTED_ROOM_VERSION")),
            ({"new_version": "12", "additional_creators": ["bob"]}, (400, "M_INVALID_PARAM")),
        ]
        each(check, cases)
        self.assertEqual(self.ask(self.alice, "!none:test").error, (404, "M_NOT_FOUND"))


class WayTests(UpgradeTestCase):
    def test_aliases_and_publication_move(self) -> None:
        old = self.alice.create_room(preset="public_chat", visibility="public", room_alias_name="tea")
        self.alice.put("/directory/room/%23green:test", {"room_id": old})
        canonical = {"alias": "#tea:test", "alt_aliases": ["#green:test"]}
        self.alice.set_state(old, "m.room.canonical_alias", canonical)
        new = self.upgrade(old)
        self.assertEqual(self.alice.get("/directory/room/%23tea:test")["room_id"], new)
        self.assertEqual(self.content(new, "m.room.canonical_alias"), canonical)
        self.assertEqual(self.content(old, "m.room.canonical_alias"), {})
        self.assertEqual([room["room_id"] for room in self.alice.get("/publicRooms")["chunk"]], [new])

    def test_spaces_follow(self) -> None:
        space = self.alice.create_room(creation_content={"type": "m.space"})
        old = self.alice.create_room()
        self.alice.set_state(space, "m.space.child", {"via": ["test"], "order": "a"}, old)
        for parent in (space, "!elsewhere:other.org"):
            self.alice.set_state(old, "m.space.parent", {"via": ["test"]}, parent)
        new = self.upgrade(old)
        self.assertEqual(self.content(space, "m.space.child", new), {"via": ["test"], "order": "a"})
        self.assertEqual(self.content(space, "m.space.child", old), {})
        self.assertEqual(self.content(new, "m.space.parent", space), {"via": ["test"]})


class FollowingTests(UpgradeTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.old = self.alice.create_room(preset="public_chat")
        self.bob.join(self.old)
        for user in (self.alice, self.bob):
            user.put(f"/user/{user.user_id}/rooms/{self.old}/tags/m.favourite", {"order": 0.5})
            direct = {"@carol:test": ["!other:test", self.old], "@dave:test": ["!dave:test"]}
            user.put(f"/user/{user.user_id}/account_data/m.direct", direct)
            user.put(f"/pushrules/global/room/{self.old}", {"actions": []})

    def check_followed(self, user: WireClient, new: str) -> None:
        tags = user.get(f"/user/{user.user_id}/rooms/{new}/tags")["tags"]
        self.assertEqual(tags, {"m.favourite": {"order": 0.5}})
        self.assertEqual(
            user.get(f"/user/{user.user_id}/account_data/m.direct").json,
            {"@carol:test": ["!other:test", self.old, new], "@dave:test": ["!dave:test"]},
        )
        self.assertEqual(user.get(f"/pushrules/global/room/{new}")["actions"], [])

    def test_with_who_upgrades(self) -> None:
        self.check_followed(self.alice, self.upgrade(self.old))

    def test_with_who_joins_later(self) -> None:
        new = self.upgrade(self.old)
        tags = f"/user/{self.bob.user_id}/rooms/{new}/tags"
        self.assertEqual(self.bob.get(tags)["tags"], {})
        self.bob.join(new)
        self.check_followed(self.bob, new)

    def test_not_with_who_was_never_there(self) -> None:
        new = self.upgrade(self.old)
        carol = self.register("carol")
        carol.join(new)
        self.assertEqual(carol.get(f"/user/{carol.user_id}/rooms/{new}/tags")["tags"], {})

    def test_what_is_there_already_stays(self) -> None:
        new = self.upgrade(self.old)
        self.bob.put(f"/user/{self.bob.user_id}/rooms/{new}/tags/u.mine", {})
        self.bob.join(new)
        self.assertEqual(self.bob.get(f"/user/{self.bob.user_id}/rooms/{new}/tags")["tags"], {"u.mine": {}})
