"""Walks through spaces of several servers, with all of them whole."""

from typing import Any
from urllib.parse import quote, unquote

from federation.joining.tests.neighbours import HOME
from federation.tests.test_remote_rooms import RemoteRoomsTestCase
from tests.client import Answer, Json
from tests.wire import WireClient

AWAY = "away.example"
_SPACE = {"type": "m.space"}


class SpacesTestCase(RemoteRoomsTestCase):
    """Bob's space, in it Alice's, and in that Carol's, each on a server of its own."""

    def setUp(self) -> None:
        super().setUp()
        self.away = self.another(AWAY)
        self.carol = self.away.register("carol")
        self.root, self.inner, self.deep = (self.made(user) for user in (self.bob, self.alice, self.carol))
        self.put(self.bob, self.root, self.inner, HOME, order="1")
        self.put(self.alice, self.inner, self.deep, AWAY, order="1")

    def made(self, user: WireClient, **wish: Any) -> str:
        """A space, or a room where the type is taken away."""
        return user.create_room(**{"preset": "public_chat", "creation_content": _SPACE, **wish})

    def leaf(self, user: WireClient, **wish: Any) -> str:
        return self.made(user, creation_content={}, **wish)

    def put(self, user: WireClient, space: str, child: str, via: str, **content: Json) -> None:
        user.set_state(space, "m.space.child", {"via": [via], **content}, child)

    def page(self, **query: Json) -> Answer:
        return self.bob.get(f"/_matrix/client/v1/rooms/{quote(self.root)}/hierarchy", **query)

    def shown(self, **query: Json) -> list[str]:
        return [room["room_id"] for room in self.page(**query)["rooms"]]

    def pages(self, limit: int, **query: Json) -> list[str]:
        found: list[str] = []
        end = None
        for _ in range(30):
            page = self.page(limit=limit, **query, **({"from": end} if end else {}))
            self.assertLessEqual(len(page["rooms"]), limit)
            found += [room["room_id"] for room in page["rooms"]]
            end = page.json.get("next_batch")
            if end is None:
                return found
        raise AssertionError("There is no last page")

    def asked(self) -> list[tuple[str, str]]:
        """Of whom this server asked what room."""
        urls = [one.url.split("?")[0].split("/") for one in self.network.requests if "/hierarchy/" in one.url]
        return [(url[2], unquote(url[-1])) for url in urls]


class WalkTests(SpacesTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.bottom, self.cats, self.last = self.leaf(self.carol), self.leaf(self.alice), self.leaf(self.bob)
        self.put(self.carol, self.deep, self.bottom, AWAY, order="x")
        self.put(self.alice, self.inner, self.cats, HOME, order="2")
        self.put(self.bob, self.root, self.last, "test", order="2")
        self.tree = [self.root, self.inner, self.deep, self.bottom, self.cats, self.last]

    def test_depth_first(self) -> None:
        self.assertEqual(self.shown(), self.tree)
        self.put(self.alice, self.inner, self.deep, AWAY, order="3")
        self.advance(301)
        self.assertEqual(self.shown(), [self.root, self.inner, self.cats, self.deep, self.bottom, self.last])

    def test_from_a_space_elsewhere(self) -> None:
        self.put(self.carol, self.deep, self.last, "test")
        self.put(self.alice, self.inner, self.root, "test", order="3")
        self.root = self.made(self.alice, room_version="11")
        self.put(self.alice, self.root, self.inner, HOME)
        found = self.shown()
        self.assertEqual(found[:5], [self.root, self.inner, self.deep, self.bottom, self.last])
        self.assertEqual(len(found), 7)
        self.assertEqual(self.pages(2), found)
        self.assertEqual(self.shown(max_depth=1), [self.root, self.inner])

    def test_depth(self) -> None:
        depths = [0, 1, 2, 3, 2, 1]
        for depth in range(4):
            expected = [room for room, at in zip(self.tree, depths, strict=True) if at <= depth]
            self.assertEqual(self.shown(max_depth=depth), expected)

    def test_pages(self) -> None:
        for limit in range(1, 7):
            self.assertEqual(self.pages(limit), self.tree)

    def test_pages_when_a_space_grows_meanwhile(self) -> None:
        """What comes before a page is passed over, whatever it has become."""
        self.assertEqual(self.pages(1), self.tree)
        end = self.page(limit=4)["next_batch"]
        self.put(self.carol, self.deep, self.leaf(self.carol), AWAY, order="a")
        self.put(self.bob, self.root, self.leaf(self.bob), "test")
        self.advance(301)
        page = self.page(**{"from": end})
        self.assertEqual([room["room_id"] for room in page["rooms"]][:2], [self.cats, self.last])

    def test_what_was_passed_is_not_asked_for_again(self) -> None:
        end = self.page(limit=5)["next_batch"]
        self.network.requests.clear()
        self.advance(301)
        self.assertEqual(self.shown(**{"from": end}), [self.last])
        self.assertEqual(self.asked(), [])

    def test_a_page_that_begins_in_a_space_nobody_remembers(self) -> None:
        end = self.page(limit=5)["next_batch"]
        self.forget()
        self.network.requests.clear()
        self.assertEqual(self.shown(**{"from": end}), [self.last])
        self.assertEqual(self.asked(), [(HOME, self.inner)])

    def forget(self) -> None:
        """As if another process had told of the page before."""
        self.restart()
        self.network.doors["test"] = self.site

    def test_suggested_only(self) -> None:
        self.put(self.bob, self.root, self.inner, HOME, suggested=True)
        self.put(self.alice, self.inner, self.cats, HOME, suggested=True)
        self.assertEqual(self.shown(suggested_only=True), [self.root, self.inner, self.cats])
        inner = self.page(suggested_only=True)["rooms"][1]
        self.assertEqual([child["state_key"] for child in inner["children_state"]], [self.cats])

    def test_circles(self) -> None:
        self.put(self.carol, self.deep, self.root, "test")
        self.put(self.carol, self.deep, self.inner, HOME)
        self.put(self.carol, self.deep, self.deep, AWAY)
        self.put(self.alice, self.inner, self.inner, HOME)
        self.assertEqual(self.shown(), self.tree)
        self.assertEqual(self.pages(2), self.tree)

    def test_rooms_that_are_here(self) -> None:
        """They are decided on here, and spaces are walked through."""
        mine, below, closed = self.made(self.bob), self.leaf(self.bob), self.register("dora").create_room()
        self.put(self.bob, mine, below, "test")
        self.put(self.carol, self.deep, mine, "test", order="a")
        self.put(self.carol, self.deep, closed, "test", order="b")
        expected = [self.root, self.inner, self.deep, mine, below, self.bottom, self.cats, self.last]
        self.assertEqual(self.shown(), expected)
        self.assertEqual(self.shown(max_depth=3), [room for room in expected if room != below])

    def test_who_may_see(self) -> None:
        """What is in a space that is closed to somebody is not shown to them, either."""
        self.carol.set_state(self.deep, "m.room.join_rules", {"join_rule": "invite"})
        self.assertEqual(self.shown(), [self.root, self.inner, self.cats, self.last])
        self.carol.invite(self.deep, self.bob)
        self.settle(self.away)
        self.advance(301)
        self.assertEqual(self.shown(), self.tree)
        dora = self.register("dora")
        answer = dora.get(f"/_matrix/client/v1/rooms/{quote(self.root)}/hierarchy")
        shown = [room["room_id"] for room in answer["rooms"]]
        self.assertEqual(shown, [self.root, self.inner, self.cats, self.last])

    def test_servers_to_ask(self) -> None:
        """Those that are named, then who told of the space."""
        self.put(self.alice, self.inner, self.deep, "down.example", order="1")
        self.assertNotIn(self.bottom, self.shown())
        self.alice.request("POST", f"/join/{self.deep}", {}, query={"via": AWAY})
        self.settle(self.away)
        self.advance(301)
        self.assertIn(self.deep, self.shown())
        self.assertIn((HOME, self.deep), self.asked())

    def test_a_server_that_is_down(self) -> None:
        self.network.down.add(AWAY)
        self.assertEqual(self.shown(), [self.root, self.inner, self.cats, self.last])

    def test_a_space_to_which_somebody_is_invited(self) -> None:
        """Its ID may name no server: who invites is asked."""
        self.root = self.made(self.alice, preset="private_chat", room_version="12")
        self.put(self.alice, self.root, self.deep, AWAY)
        self.assertEqual(self.page().error, (403, "M_FORBIDDEN"))
        self.alice.invite(self.root, self.bob)
        self.settle()
        self.assertEqual(self.shown(), [self.root, self.deep, self.bottom])

    def test_rooms_that_nobody_told_of_are_passed(self) -> None:
        """Others are not asked again for what comes before a page, whether they told of it or not."""
        self.network.down.add(AWAY)
        end = self.page(limit=3)["next_batch"]
        self.network.down.clear()
        self.advance(301)
        self.forget()
        self.network.requests.clear()
        self.assertEqual(self.shown(**{"from": end}), [self.last])
        self.assertEqual(self.asked(), [(HOME, self.inner)])
