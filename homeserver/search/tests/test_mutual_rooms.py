from tests.wire import WireTestCase, each

_STABLE = "/_matrix/client/v1/mutual_rooms"
_UNSTABLE = "/_matrix/client/unstable/uk.half-shot.msc2666/user/mutual_rooms"


class MutualRoomsTests(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")

    def test_rooms_that_both_are_joined_to(self) -> None:
        shared = [self.alice.create_room(members=[self.bob]) for _ in range(2)]
        self.alice.create_room()
        self.bob.create_room()
        self.alice.create_room(invite=[self.bob.user_id])
        left = self.alice.create_room(members=[self.bob])
        self.bob.leave(left)
        for path in (_STABLE, _UNSTABLE):
            answer = self.alice.get(path, user_id=self.bob.user_id)
            self.assertEqual(answer.json, {"joined": shared, "count": 2})

    def test_users_who_are_not_there_share_none(self) -> None:
        for user_id in ("@nobody:test", "@nobody:elsewhere"):
            answer = self.alice.get(_STABLE, user_id=user_id)
            self.assertEqual(answer.json, {"joined": [], "count": 0})

    def test_many_come_in_pages(self) -> None:
        shared = [self.alice.create_room(members=[self.bob]) for _ in range(101)]
        for path, ask, tell in (
            (_STABLE, "from", "next_batch"),
            (_UNSTABLE, "batch_token", "next_batch_token"),
        ):
            first = self.alice.get(path, user_id=self.bob.user_id)
            self.assertEqual((first["joined"], first["count"]), (shared[:100], 101))
            rest = self.alice.get(path, user_id=self.bob.user_id, **{ask: first[tell]})
            self.assertEqual(rest.json, {"joined": shared[100:], "count": 101})

    def test_what_is_refused(self) -> None:
        bad = [
            {},
            {"user_id": self.alice.user_id},
            {"user_id": "bob"},
            [("user_id", self.bob.user_id), ("user_id", "@carol:test")],
            {"user_id": self.bob.user_id, "from": "s5"},
            {"user_id": self.bob.user_id, "from": "m" + "9" * 19},
        ]

        def check(query: object) -> None:
            answer = self.alice.request("GET", _STABLE, query=query)
            self.assertIn(answer.error, [(400, "M_INVALID_PARAM"), (400, "M_MISSING_PARAM")])

        each(check, bad)
        self.assertEqual(self.anonymous.get(_STABLE).error, (401, "M_MISSING_TOKEN"))
