from typing import ClassVar

from tests.wire import WireClient, WireTestCase, each


class AliasTestCase(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.admin = self.register_admin("admin")
        self.bob, self.carol = self.register("bob"), self.register("carol")
        self.room_id = self.bob.create_room(members=[self.carol])

    def name(self, client: WireClient, alias: str, room_id: str | None = None) -> tuple[int, str]:
        answer = client.put(f"/directory/room/%23{alias}:test", {"room_id": room_id or self.room_id})
        return (200, "") if answer.status == 200 else answer.error

    def aliases(self) -> list[str]:
        found: list[str] = self.bob.get(f"/rooms/{self.room_id}/aliases")["aliases"]
        return found


class AliasTests(AliasTestCase):
    def test_an_alias_leads_to_its_room(self) -> None:
        self.assertEqual(self.name(self.carol, "tea"), (200, ""))
        self.assertEqual(
            self.anonymous.get("/directory/room/%23tea:test").json,
            {"room_id": self.room_id, "servers": ["test"]},
        )
        self.assertEqual(self.aliases(), ["#tea:test"])

    def test_what_leads_nowhere(self) -> None:
        self.assertEqual(self.anonymous.get("/directory/room/%23tea:test").error, (404, "M_NOT_FOUND"))
        self.assertEqual(self.bob.delete("/directory/room/%23tea:test").error, (404, "M_NOT_FOUND"))
        self.assertEqual(self.name(self.bob, "tea", "!none:test"), (404, "M_NOT_FOUND"))

    def test_a_taken_alias(self) -> None:
        self.name(self.bob, "tea")
        self.assertEqual(self.name(self.bob, "tea", self.bob.create_room()), (409, "M_UNKNOWN"))

    def test_what_is_no_alias_of_this_server(self) -> None:
        for alias in ("tea", "%23tea", "%23tea:elsewhere.org", "%23" + "x" * 255 + ":test"):
            answer = self.bob.put(f"/directory/room/{alias}", {"room_id": self.room_id})
            self.assertEqual((alias, *answer.error), (alias, 400, "M_INVALID_PARAM"))

    def test_only_members_name_a_room(self) -> None:
        self.carol.leave(self.room_id)
        self.assertEqual(self.name(self.carol, "tea"), (403, "M_FORBIDDEN"))
        self.assertEqual(self.name(self.admin, "tea"), (200, ""))

    def test_who_deletes(self) -> None:
        for alias in ("own", "moderated", "administered", "kept"):
            self.name(self.carol, alias)
        dave = self.register("dave")
        self.assertEqual(dave.delete("/directory/room/%23kept:test").error, (403, "M_FORBIDDEN"))
        for client, alias in ((self.carol, "own"), (self.bob, "moderated"), (self.admin, "administered")):
            self.assertEqual(client.delete(f"/directory/room/%23{alias}:test").json, {})
        self.assertEqual(self.aliases(), ["#kept:test"])

    def test_who_sees_the_aliases_of_a_room(self) -> None:
        self.name(self.bob, "tea")
        self.carol.leave(self.room_id)
        path = f"/rooms/{self.room_id}/aliases"
        self.assertEqual(self.carol.get(path).error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.register("dave").get(path).error, (403, "M_FORBIDDEN"))
        self.bob.set_state(
            self.room_id, "m.room.history_visibility", {"history_visibility": "world_readable"}
        )
        self.assertEqual(self.carol.get(path)["aliases"], ["#tea:test"])


class CanonicalAliasTests(AliasTestCase):
    def test_aliases_of_the_room(self) -> None:
        self.name(self.bob, "tea")
        self.name(self.bob, "green")
        content = {"alias": "#tea:test", "alt_aliases": ["#green:test"]}
        self.assertEqual(self.bob.set_state(self.room_id, "m.room.canonical_alias", content).status, 200)
        self.assertEqual(self.bob.state(self.room_id, "m.room.canonical_alias").json, content)

    def test_other_aliases(self) -> None:
        other = self.bob.create_room(room_alias_name="elsewhere")
        self.assertTrue(other)

        def check(content: object) -> None:
            answer = self.bob.set_state(self.room_id, "m.room.canonical_alias", content)
            self.assertEqual(answer.error, (400, "M_BAD_ALIAS"))

        each(
            check,
            [{"alias": "#none:test"}, {"alias": "#elsewhere:test"}, {"alt_aliases": ["#elsewhere:test"]}],
        )

    def test_what_is_no_alias(self) -> None:
        def check(content: object) -> None:
            answer = self.bob.set_state(self.room_id, "m.room.canonical_alias", content)
            self.assertEqual(answer.error, (400, "M_INVALID_PARAM"))

        each(check, [{"alias": "tea"}, {"alias": 5}, {"alt_aliases": [{}]}, {"alt_aliases": ["x"]}])

    def test_what_was_there_is_not_looked_at_again(self) -> None:
        self.name(self.bob, "tea")
        self.name(self.bob, "green")
        self.bob.set_state(self.room_id, "m.room.canonical_alias", {"alias": "#tea:test"})
        # By Carol, who may not change the event.
        self.name(self.carol, "black")
        self.assertEqual(self.admin.delete("/directory/room/%23tea:test").json, {})
        content = {"alias": "#tea:test", "alt_aliases": ["#green:test"]}
        self.assertEqual(self.bob.set_state(self.room_id, "m.room.canonical_alias", content).status, 200)

    def test_a_deleted_alias_is_canonical_no_more(self) -> None:
        for alias in ("tea", "green"):
            self.name(self.bob, alias)
        content = {"alias": "#tea:test", "alt_aliases": ["#green:test"], "org.example": 1}
        self.bob.set_state(self.room_id, "m.room.canonical_alias", content)
        self.bob.delete("/directory/room/%23green:test")
        self.assertEqual(
            self.bob.state(self.room_id, "m.room.canonical_alias").json,
            {"alias": "#tea:test", "alt_aliases": [], "org.example": 1},
        )
        self.bob.delete("/directory/room/%23tea:test")
        self.assertNotIn("alias", self.bob.state(self.room_id, "m.room.canonical_alias").json)


class CreationRuleTests(AliasTestCase):
    settings: ClassVar = [
        "alias_creation_rules=[{user_id: '@bob:*', alias: '#*tea:test', action: allow}]",
        "require_membership_for_aliases=false",
    ]

    def test_the_first_rule_decides(self) -> None:
        self.assertEqual(self.name(self.bob, "greentea"), (200, ""))
        self.assertEqual(self.name(self.bob, "coffee"), (403, "M_FORBIDDEN"))
        self.assertEqual(self.name(self.carol, "tea"), (403, "M_FORBIDDEN"))

    def test_new_rooms(self) -> None:
        answer = self.bob.post("/createRoom", {"room_alias_name": "coffee"})
        self.assertEqual(answer.error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.bob.post("/createRoom", {"room_alias_name": "tea"}).status, 200)

    def test_without_membership(self) -> None:
        self.bob.leave(self.room_id)
        self.assertEqual(self.name(self.bob, "tea"), (200, ""))
