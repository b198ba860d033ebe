"""Spaces of a server that says of them what it likes: walks through them end, and believe nothing of rooms here."""

from itertools import count
from typing import Any
from urllib.parse import unquote

from twisted.internet.defer import Deferred

from homeserver.protocol.json import JsonObject
from tests.federation.hostile.liar import LiarTestCase, Question
from tests.wire import each

ROB = "@rob:remote.example"
SPACE = "!space:remote.example"
_ODD_SERVERS: list[Any] = [None, 1, "remote.example", [], {}]


def child(room_id: str, **content: Any) -> JsonObject:
    return {
        "type": "m.space.child",
        "state_key": room_id,
        "content": {"via": ["remote.example"], **content},
        "sender": ROB,
        "origin_server_ts": 1,
    }


def room(room_id: str, *children: Any, **says: Any) -> JsonObject:
    return {
        "room_id": room_id,
        "num_joined_members": 1,
        "world_readable": True,
        "guest_can_join": False,
        "join_rule": "public",
        "children_state": list(children),
        **says,
    }


def space(room_id: str, *children: Any) -> JsonObject:
    return room(room_id, *children, room_type="m.space")


def there(number: int) -> str:
    return f"!{number}:remote.example"


class LyingSpacesTests(LiarTestCase):
    """A space of alice's, in it one of the liar's."""

    def setUp(self) -> None:
        super().setUp()
        self.root = self.alice.create_room(preset="public_chat", creation_content={"type": "m.space"})
        self.put(SPACE, order="a")
        self.last = self.alice.create_room(preset="public_chat")
        self.put(self.last, order="b")
        self.told: dict[str, Any] = {}
        self.asked: list[str] = []
        self.lies["/hierarchy/"] = self.tell

    def put(self, room_id: str, **content: Any) -> None:
        content = {"via": ["remote.example"], **content}
        self.assertEqual(self.alice.set_state(self.root, "m.space.child", content, room_id).status, 200)

    def tell(self, question: Question) -> Any:
        room_id = unquote(question.path.rpartition("/")[2])
        self.asked.append(room_id)
        return self.told.get(room_id, {"errcode": "M_NOT_FOUND", "error": "?"})

    def page(self, **query: Any) -> tuple[list[str], str | None]:
        """The rooms of a page, and the token of the next; time passes until it is there."""
        path = f"/_matrix/client/v1/rooms/{self.root}/hierarchy"
        asked = self.alice.start("GET", path, query=query)
        if asked.answer is None:
            self.advance(5.1)
        assert asked.answer is not None, "Others were waited for too long"
        self.assertEqual(asked.answer.status, 200)
        return [one["room_id"] for one in asked.answer["rooms"]], asked.answer.json.get("next_batch")

    def pages(self, most: int = 100) -> list[str]:
        found, end = self.page()
        for _ in range(most):
            if end is None:
                return found
            more, end = self.page(**{"from": end})
            found += more
        raise AssertionError("There is no last page")

    def test_rooms_that_are_no_children(self) -> None:
        told = [room(there(1)), room(there(2)), room("!other:elsewhere.example")]
        self.told[SPACE] = {"room": space(SPACE, child(there(1))), "children": told}
        self.assertEqual(self.pages(), [self.root, SPACE, there(1), self.last])

    def test_rooms_that_are_here(self) -> None:
        closed = self.alice.create_room(preset="private_chat", name="Mine")
        hidden = self.register("carol").create_room(preset="private_chat")
        names = [room(one, name="Theirs") for one in (closed, hidden, self.last)]
        self.told[SPACE] = {
            "room": space(SPACE, *(child(one) for one in (closed, hidden))),
            "children": names,
            "inaccessible_children": [closed],
        }
        path = f"/_matrix/client/v1/rooms/{self.root}/hierarchy"
        shown = {one["room_id"]: one.get("name") for one in self.alice.get(path)["rooms"]}
        self.assertEqual(shown, {self.root: None, SPACE: None, closed: "Mine", self.last: None})
        self.assertEqual(self.asked, [SPACE])

    def test_what_is_closed_is_not_asked_for(self) -> None:
        self.told[SPACE] = {
            "room": space(SPACE, child(there(1)), child(there(2))),
            "children": [],
            "inaccessible_children": [there(1)],
        }
        self.assertEqual(self.pages(), [self.root, SPACE, self.last])
        self.assertEqual(self.asked, [SPACE, there(2)])

    def test_more_children_than_can_be(self) -> None:
        children = [child(there(number), order=f"{number:04}") for number in range(1500)]
        told = [room(there(number)) for number in range(1500)]
        self.told[SPACE] = {"room": space(SPACE, *children), "children": told}
        found = self.pages()
        self.assertEqual(found, [self.root, SPACE, *map(there, range(100)), self.last])
        self.assertLess(len(self.asked), 1100)

    def test_children_that_are_none(self) -> None:
        def check(event: Any) -> None:
            self.told[SPACE] = {
                "room": space(SPACE, event, child(there(1)), child(there(1))),
                "children": [{}, {**room(there(1)), "name": 1}, room(there(1))],
            }
            self.advance(301)
            self.assertEqual(self.pages(), [self.root, SPACE, there(1), self.last])

        whole = child(there(2))
        odd: list[Any] = [None, 1, "x", [], {}, *({**whole, key: {"x": 1}} for key in whole)]
        odd += [child(there(2), via=via) for via in _ODD_SERVERS]
        odd += [{**whole, "type": "m.space.parent"}, {**whole, "state_key": "nonsense"}]
        each(check, odd)

    def test_the_order_of_children(self) -> None:
        events = [
            child(there(1)),
            {**child(there(2)), "origin_server_ts": 0},
            child(there(3), order="b"),
            child(there(4), order="\u00e9"),
            child(there(5), order="a"),
        ]
        self.told[SPACE] = {"room": space(SPACE, *events), "children": [room(there(n)) for n in range(6)]}
        self.assertEqual(self.pages(), [self.root, SPACE, *map(there, (5, 3, 2, 1, 4)), self.last])

    def test_no_end(self) -> None:
        """Every space has one more space in it."""
        numbers = count(1)

        def tell(question: Question) -> Any:
            room_id = unquote(question.path.rpartition("/")[2])
            self.asked.append(room_id)
            return {"room": space(room_id, child(there(next(numbers)))), "children": []}

        self.lies["/hierarchy/"] = tell
        found, end = self.page()
        self.assertLessEqual(len(self.asked), 50)
        while end is not None:
            more, end = self.page(**{"from": end})
            found += more
        self.assertEqual(found[-1], self.last)
        # The space itself, and what is at most fifty levels below that of alice.
        self.assertEqual(len(found), 52)
        self.assertEqual(len(found), len(set(found)))

    def test_so_many_spaces(self) -> None:
        """A page asks for fifty rooms at most, the next for more."""
        inner = [there(number) for number in range(80)]
        children = [child(one, order=f"{number:02}") for number, one in enumerate(inner)]
        self.told[SPACE] = {"room": space(SPACE, *children), "children": []}
        for one in inner[:-1]:
            # Nothing that anybody here may see.
            self.told[one] = {
                "room": {**space(one), "join_rule": "invite", "world_readable": False},
                "children": [],
            }
        self.told[inner[-1]] = {"room": space(inner[-1]), "children": []}
        found, end = self.page()
        self.assertEqual((found, len(self.asked)), ([self.root, SPACE], 50))
        assert end is not None
        found, end = self.page(**{"from": end})
        self.assertEqual((found, end, len(self.asked)), ([inner[-1], self.last], None, 81))

    def test_silence(self) -> None:
        """What nobody tells of in time is left out, and for a while not asked for again."""
        self.told[SPACE] = Deferred()
        self.assertEqual(self.page(), ([self.root, self.last], None))
        self.told[SPACE] = {"room": space(SPACE), "children": []}
        self.assertEqual(self.page(), ([self.root, self.last], None))
        self.advance(301)
        self.assertEqual(self.page(), ([self.root, SPACE, self.last], None))

    def test_silence_further_below(self) -> None:
        """A page waits for some seconds in all; the next has them again."""
        slow = Deferred[Any]()
        self.told[SPACE] = slow
        self.told[there(1)] = Deferred()
        path = f"/_matrix/client/v1/rooms/{self.root}/hierarchy"
        asked = self.alice.start("GET", path)
        self.advance(4)
        slow.callback({"room": space(SPACE, child(there(1))), "children": []})
        self.assertIsNone(asked.answer)
        self.advance(1.1)
        assert asked.answer is not None
        self.assertEqual([one["room_id"] for one in asked.answer["rooms"]], [self.root, SPACE])
        self.told[there(1)] = {"room": space(there(1)), "children": []}
        expected = ([there(1), self.last], None)
        self.assertEqual(self.page(**{"from": asked.answer["next_batch"]}), expected)

    def test_lies_of_one_space_are_not_told_in_another(self) -> None:
        """What a server told of a room counts where the server was named."""
        good = "!good:other.example"
        self.told[SPACE] = {"room": space(SPACE, child(good)), "children": []}
        self.told[good] = {"room": room(good, name="Bad"), "children": []}
        self.assertIn(good, self.pages())
        root, self.root = self.root, self.alice.create_room(creation_content={"type": "m.space"})
        self.put(good, via=["other.example"])
        self.assertEqual(self.page(), ([self.root], None))
        self.root = root
        self.assertIn(good, self.pages())

    def test_silence_where_a_page_begins(self) -> None:
        """The page is empty, and the same one may be asked for again."""
        whole = {"room": space(SPACE, child(there(1))), "children": []}
        inner = {"room": space(there(1), child(there(2)), child(there(3))), "children": []}
        self.told |= {SPACE: whole, there(1): inner}
        self.told |= {there(number): {"room": room(there(number)), "children": []} for number in (2, 3)}
        found, end = self.page(limit=4)
        self.assertEqual(found, [self.root, SPACE, there(1), there(2)])
        self.restart()
        slow = Deferred[Any]()
        self.told |= {SPACE: slow, there(1): Deferred()}
        path = f"/_matrix/client/v1/rooms/{self.root}/hierarchy"
        asked = self.alice.start("GET", path, query={"limit": 4, "from": end})
        self.advance(4)
        slow.callback(whole)
        self.advance(1.1)
        assert asked.answer is not None
        self.assertEqual(asked.answer.json, {"rooms": [], "next_batch": end})
        self.told[there(1)] = inner
        self.assertEqual(self.page(limit=4, **{"from": end}), ([there(3), self.last], None))
