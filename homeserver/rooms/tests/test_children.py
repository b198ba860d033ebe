"""/relations and /threads at the wire."""

from typing import Any

from homeserver.rooms.tests.test_aggregations import RelationsTestCase
from tests.wire import WireClient, each

Json = Any


class ChildrenTests(RelationsTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.root = self.alice.send(self.room_id, "root")
        self.replies = [self.reply(self.bob, self.root) for _ in range(5)]
        self.reaction = self.react(self.carol, self.root)

    def path(self, event_id: str, *types: str, version: str = "v1") -> str:
        return "/".join([f"/_matrix/client/{version}/rooms/{self.room_id}/relations/{event_id}", *types])

    def ids(self, *types: str, user: WireClient | None = None, **query: Any) -> list[str]:
        chunk = (user or self.alice).get(self.path(self.root, *types), **query)["chunk"]
        return [event["event_id"] for event in chunk]

    def test_newest_first(self) -> None:
        self.assertEqual(self.ids(), [self.reaction, *self.replies[::-1]])
        self.assertEqual(self.ids(dir="f"), [*self.replies, self.reaction])

    def test_by_type(self) -> None:
        self.assertEqual(self.ids("m.thread"), self.replies[::-1])
        self.assertEqual(self.ids("m.annotation"), [self.reaction])
        self.assertEqual(self.ids("m.annotation", "m.reaction"), [self.reaction])
        self.assertEqual(self.ids("m.annotation", "m.room.message"), [])
        self.assertEqual(self.ids("m.annotation", "type.of.nothing"), [])
        self.assertEqual(self.ids("m.replace"), [])

    def test_pages_of_every_size(self) -> None:
        for direction, whole in (("f", self.replies), ("b", self.replies[::-1])):
            for limit in (1, 2, 3, 5, 6):
                found: list[str] = []
                query: dict[str, Any] = {"dir": direction, "limit": limit}
                while True:
                    page = self.alice.get(self.path(self.root, "m.thread"), **query).json
                    self.assertEqual(page.get("prev_batch"), query.get("from"))
                    self.assertLessEqual(len(page["chunk"]), limit)
                    found += [event["event_id"] for event in page["chunk"]]
                    if "next_batch" not in page:
                        break
                    query["from"] = page["next_batch"]
                self.assertEqual(found, whole)

    def test_between_tokens_also_of_other_endpoints(self) -> None:
        start = self.alice.messages(self.room_id, limit=1)["start"]
        later = self.reply(self.bob, self.root)
        self.assertEqual(self.ids("m.thread", **{"from": start}), self.replies[::-1])
        self.assertEqual(self.ids("m.thread", to=start), [later])
        self.assertEqual(self.ids("m.thread", dir="f", **{"from": start}), [later])
        self.assertEqual(self.ids("m.thread", dir="f", to=start), self.replies)

    def test_wrong_parameters(self) -> None:
        def refused(query: Json) -> None:
            answer = self.alice.get(self.path(self.root), **query)
            self.assertEqual(answer.error, (400, "M_INVALID_PARAM"))

        each(refused, [{"from": "x"}, {"to": "1"}, {"dir": "x"}, {"limit": "x"}, {"recurse": "x"}])

    def test_recursion(self) -> None:
        edit = self.edit(self.bob, self.replies[0], "better")
        like = self.react(self.alice, edit)
        beyond = self.relate(self.alice, like, "m.reference")
        self.assertEqual(self.ids(), [self.reaction, *self.replies[::-1]])
        self.assertNotIn("recursion_depth", self.alice.get(self.path(self.root)).json)
        self.assertEqual(self.ids(recurse=True), [like, edit, self.reaction, *self.replies[::-1]])
        page = self.alice.get(self.path(self.root), recurse=True)
        self.assertEqual(page["recursion_depth"], 3)
        self.assertEqual(self.ids("m.annotation", recurse=True), [like, self.reaction])
        self.assertEqual(self.ids("m.annotation", recurse=True, dir="f", limit=1), [self.reaction])
        self.assertNotIn(beyond, self.ids(recurse=True))
        self.assertEqual(self.alice.get(self.path(self.root), recurse=False)["recursion_depth"], 1)

    def test_children_have_children_bundled(self) -> None:
        edit = self.edit(self.bob, self.replies[0], "better")
        chunk = self.alice.get(self.path(self.root, "m.thread"), dir="f", limit=1)["chunk"]
        self.assertEqual(chunk[0]["unsigned"]["m.relations"]["m.replace"]["event_id"], edit)

    def test_redacted_children_and_those_of_ignored_users(self) -> None:
        self.bob.redact(self.room_id, self.replies[0])
        self.assertEqual(self.ids("m.thread", dir="f"), self.replies[1:])
        self.ignore(self.alice, self.bob)
        self.assertEqual(self.ids(), [self.reaction])
        self.assertEqual(self.ids("m.thread", dir="f", user=self.carol), self.replies[1:])

    def test_parents_that_are_not_there(self) -> None:
        stranger = self.register("dave")
        self.assertEqual(stranger.get(self.path(self.root)).error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.alice.get(self.path("$nothing")).error, (404, "M_NOT_FOUND"))
        other = self.alice.create_room()
        elsewhere = self.alice.send(other, "x")
        self.assertEqual(self.alice.get(self.path(elsewhere)).error, (404, "M_NOT_FOUND"))
        self.alice.set_state(self.room_id, "m.room.history_visibility", {"history_visibility": "joined"})
        hidden = self.alice.send(self.room_id, "hidden")
        self.alice.invite(self.room_id, stranger)
        stranger.join(self.room_id)
        self.assertEqual(stranger.get(self.path(hidden)).error, (404, "M_NOT_FOUND"))

    def test_children_are_as_visible_as_other_events(self) -> None:
        self.bob.leave(self.room_id)
        self.reply(self.alice, self.root)
        self.assertEqual(self.ids("m.thread", user=self.bob), self.replies[::-1])

    def test_the_unstable_path(self) -> None:
        path = self.path(self.root, "m.thread", version="unstable")
        self.assertEqual(len(self.alice.get(path, **{"org.matrix.msc3981.recurse": True})["chunk"]), 5)


class ThreadListTests(RelationsTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.path = f"/_matrix/client/v1/rooms/{self.room_id}/threads"
        self.roots = [self.alice.send(self.room_id, f"root {number}") for number in range(3)]
        for root in self.roots:
            self.reply(self.bob, root)

    def ids(self, user: WireClient, **query: Any) -> list[str]:
        return [event["event_id"] for event in user.get(self.path, **query)["chunk"]]

    def test_the_latest_first(self) -> None:
        self.assertEqual(self.ids(self.alice), self.roots[::-1])
        latest = self.reply(self.carol, self.roots[0])
        self.assertEqual(self.ids(self.alice), [self.roots[0], self.roots[2], self.roots[1]])
        thread = self.alice.get(self.path)["chunk"][0]["unsigned"]["m.relations"]["m.thread"]
        self.assertEqual((thread["count"], thread["latest_event"]["event_id"]), (2, latest))

    def test_pages(self) -> None:
        page = self.alice.get(self.path, limit=2)
        self.assertEqual([event["event_id"] for event in page["chunk"]], self.roots[:0:-1])
        page = self.alice.get(self.path, limit=2, **{"from": page["next_batch"]})
        self.assertEqual([event["event_id"] for event in page["chunk"]], self.roots[:1])
        self.assertNotIn("next_batch", page.json)

    def test_those_with_the_user(self) -> None:
        self.assertEqual(self.ids(self.alice, include="participated"), self.roots[::-1])
        self.assertEqual(self.ids(self.bob, include="participated"), self.roots[::-1])
        self.assertEqual(self.ids(self.carol, include="participated"), [])
        self.reply(self.carol, self.roots[1])
        self.assertEqual(self.ids(self.carol, include="participated"), [self.roots[1]])

    def test_redactions(self) -> None:
        reply = self.reply(self.bob, self.roots[0])
        self.assertEqual(self.ids(self.alice)[0], self.roots[0])
        self.bob.redact(self.room_id, reply)
        self.assertEqual(self.ids(self.alice), self.roots[::-1])
        only = self.alice.send(self.room_id, "root")
        self.bob.redact(self.room_id, self.reply(self.bob, only))
        self.assertEqual(self.ids(self.alice), self.roots[::-1])

    def test_roots_of_ignored_users_are_empty(self) -> None:
        self.ignore(self.bob, self.alice)
        chunk = self.bob.get(self.path)["chunk"]
        self.assertEqual([event["content"] for event in chunk], [{}] * 3)
        self.assertEqual([event["event_id"] for event in chunk], self.roots[::-1])

    def test_who_may(self) -> None:
        self.assertEqual(self.register("dave").get(self.path).error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.alice.get(self.path, limit=0).error, (400, "M_INVALID_PARAM"))
        self.assertEqual(self.alice.get(self.path, include="x").error, (400, "M_INVALID_PARAM"))
        self.assertEqual(self.alice.get(self.path, **{"from": "x"}).error, (400, "M_INVALID_PARAM"))

    def test_threads_on_what_is_hidden_are_hidden(self) -> None:
        self.alice.set_state(self.room_id, "m.room.history_visibility", {"history_visibility": "joined"})
        root = self.alice.send(self.room_id, "hidden")
        self.reply(self.bob, root)
        dave = self.register("dave")
        self.alice.invite(self.room_id, dave)
        dave.join(self.room_id)
        self.assertNotIn(root, self.ids(dave))
        self.assertIn(root, self.ids(self.alice))
