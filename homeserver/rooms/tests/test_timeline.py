"""/messages and /event at the wire."""

from typing import Any

from tests.wire import WireClient, WireTestCase, each

Json = Any

FORBIDDEN = (403, "M_FORBIDDEN")
NOT_FOUND = (404, "M_NOT_FOUND")


class TimelineTestCase(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")
        self.room_id = self.alice.create_room(members=[self.bob])
        other = self.alice.create_room(members=[self.bob])
        self.sent = []
        for number in range(12):
            self.sent.append(self.alice.send(self.room_id, f"message {number}"))
            # Positions of one room are not consecutive.
            self.alice.send(other, "elsewhere")

    def ids(self, user: WireClient, dir: str = "b", **query: Any) -> list[str]:
        return [event["event_id"] for event in user.messages(self.room_id, dir, **query)["chunk"]]

    def walk(self, user: WireClient, dir: str, limit: int, **query: Any) -> list[str]:
        """The IDs of all events, page by page."""
        found: list[str] = []
        while True:
            page = user.messages(self.room_id, dir, limit=limit, **query).json
            self.assertLessEqual(len(page["chunk"]), limit)
            found += [event["event_id"] for event in page["chunk"]]
            if "end" not in page:
                return found
            query["from"] = page["end"]


class PageTests(TimelineTestCase):
    def test_every_limit_finds_every_event_once(self) -> None:
        everything = self.ids(self.bob, "f", limit=1000)
        self.assertEqual(everything[-12:], self.sent)
        for limit in (1, 2, 3, 7, 20, len(everything), 1000):
            self.assertEqual(self.walk(self.bob, "f", limit), everything)
            self.assertEqual(self.walk(self.bob, "b", limit), everything[::-1])

    def test_without_a_token_it_begins_at_the_end_that_the_direction_leaves(self) -> None:
        self.assertEqual(self.ids(self.bob, "b"), self.sent[:-11:-1])
        first = self.bob.messages(self.room_id, "f", limit=1)["chunk"][0]
        self.assertEqual(first["type"], "m.room.create")

    def test_events_name_their_room(self) -> None:
        chunk = self.bob.messages(self.room_id)["chunk"]
        self.assertEqual({event["room_id"] for event in chunk}, {self.room_id})

    def test_start_is_where_it_began(self) -> None:
        page = self.bob.messages(self.room_id, limit=3).json
        again = self.bob.messages(self.room_id, limit=3, from_=page["end"]).json
        self.assertEqual(again["start"], page["end"])
        self.assertEqual(self.ids(self.bob, limit=3, from_=page["start"]), self.sent[:-4:-1])

    def test_a_token_serves_both_directions(self) -> None:
        """What was passed going one way is what comes first going back."""
        page = self.bob.messages(self.room_id, "b", limit=3).json
        self.assertEqual(self.ids(self.bob, "f", from_=page["end"], limit=3), self.sent[-3:])
        page = self.bob.messages(self.room_id, "f", limit=3).json
        passed = [event["event_id"] for event in page["chunk"]]
        self.assertEqual(self.ids(self.bob, "b", from_=page["end"], limit=3), passed[::-1])

    def test_tokens_of_sync(self) -> None:
        synced = self.bob.sync(filter={"room": {"timeline": {"limit": 2}}})
        before = self.ids(self.bob, "b", from_=synced.room(self.room_id)["timeline"]["prev_batch"], limit=3)
        self.assertEqual(before, self.sent[-3:-6:-1])
        newer = self.alice.send(self.room_id, "newer")
        self.assertEqual(self.ids(self.bob, "f", from_=synced.next_batch), [newer])
        self.assertEqual(self.ids(self.bob, "b", from_=synced.next_batch, limit=1), self.sent[-1:])

    def test_between_two_tokens(self) -> None:
        middle = self.bob.messages(self.room_id, "b", limit=4)["end"]
        older = self.bob.messages(self.room_id, "b", limit=3, from_=middle)["end"]
        self.assertEqual(self.ids(self.bob, "b", from_=middle, to=older), self.sent[-5:-8:-1])
        self.assertEqual(self.ids(self.bob, "f", from_=older, to=middle), self.sent[-7:-4])
        self.assertEqual(self.walk(self.bob, "b", 2, **{"from": middle, "to": older}), self.sent[-5:-8:-1])
        self.assertEqual(self.ids(self.bob, "f", from_=middle, to=older), [])

    def test_new_events_do_not_shift_pages(self) -> None:
        page = self.bob.messages(self.room_id, limit=4).json
        self.alice.send(self.room_id, "newer")
        self.assertEqual(self.ids(self.bob, limit=4, from_=page["end"]), self.sent[-5:-9:-1])

    def test_the_newest_events_can_be_waited_for_by_asking_again(self) -> None:
        end = self.bob.sync().next_batch
        self.assertEqual(self.bob.messages(self.room_id, "f", from_=end).json, {"start": end, "chunk": []})

    def test_limits(self) -> None:
        self.assertEqual(len(self.ids(self.bob)), 10)
        everything = len(self.ids(self.bob, limit=1000))
        self.assertEqual(len(self.ids(self.bob, limit=10**9)), everything)
        for limit in (0, -1, -(10**9)):
            self.assertEqual(len(self.ids(self.bob, limit=limit)), 1)

    def test_queries_that_make_no_sense(self) -> None:
        def check(case: tuple[Json, str]) -> None:
            query, errcode = case
            answer = self.bob.get(f"/rooms/{self.room_id}/messages", **query)
            self.assertEqual(answer.error, (400, errcode))

        each(
            check,
            [
                ({}, "M_MISSING_PARAM"),
                ({"dir": "x"}, "M_INVALID_PARAM"),
                ({"dir": ""}, "M_INVALID_PARAM"),
                ({"dir": "b", "limit": "many"}, "M_INVALID_PARAM"),
                ({"dir": "b", "limit": "1.5"}, "M_INVALID_PARAM"),
                ({"dir": "b", "from": "x"}, "M_INVALID_PARAM"),
                ({"dir": "b", "from": ""}, "M_INVALID_PARAM"),
                ({"dir": "b", "to": "x"}, "M_INVALID_PARAM"),
                ({"dir": "b", "from": "s" + "9" * 40}, "M_INVALID_PARAM"),
                ({"dir": "b", "filter": "{"}, "M_INVALID_PARAM"),
                ({"dir": "b", "filter": "[]"}, "M_BAD_JSON"),
                ({"dir": "b", "filter": '{"types": "m.room.message"}'}, "M_BAD_JSON"),
            ],
        )

    def test_tokens_far_away(self) -> None:
        self.assertEqual(self.ids(self.bob, "b", from_="s999999999999999999", limit=1), self.sent[-1:])
        self.assertEqual(self.ids(self.bob, "f", from_="s999999999999999999"), [])
        self.assertEqual(self.ids(self.bob, "b", from_="s-999999999999999999"), [])

    def test_who_may_not(self) -> None:
        carol = self.register("carol")
        self.assertEqual(carol.messages(self.room_id).error, FORBIDDEN)
        self.assertEqual(carol.messages("!nowhere:test").error, FORBIDDEN)


class FilterTests(TimelineTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.picture = self.bob.put(
            f"/rooms/{self.room_id}/send/m.room.message/p", {"msgtype": "m.image", "url": "mxc://test/x"}
        )["event_id"]

    def test_types_and_senders(self) -> None:
        def types(**wish: Json) -> set[str]:
            chunk = self.alice.messages(self.room_id, limit=100, filter=wish)["chunk"]
            return {event["type"] for event in chunk}

        self.assertEqual(types(types=["m.room.guest_access"]), {"m.room.guest_access"})
        self.assertEqual(types(types=["m.room.*i*"]), {"m.room.history_visibility", "m.room.join_rules"})
        visibility = {"m.room.history_visibility"}
        self.assertEqual(types(types=["m.*"], not_types=["m.room.*e*", "[m].*"]), visibility)
        self.assertEqual(types(types=[]), set())
        self.assertEqual(types(senders=[self.bob.user_id]), {"m.room.member", "m.room.message"})
        self.assertEqual(types(senders=[self.bob.user_id], not_types=["m.room.member"]), {"m.room.message"})
        self.assertEqual(types(not_senders=[self.alice.user_id]), {"m.room.member", "m.room.message"})

    def test_urls(self) -> None:
        self.assertEqual(self.ids(self.alice, filter={"contains_url": True}), [self.picture])
        self.assertNotIn(self.picture, self.ids(self.alice, filter={"contains_url": False}))

    def test_rooms(self) -> None:
        self.assertEqual(self.ids(self.alice, filter={"rooms": []}), [])
        self.assertEqual(self.ids(self.alice, filter={"not_rooms": [self.room_id]}), [])
        self.assertEqual(self.ids(self.alice, limit=1, filter={"rooms": [self.room_id]}), [self.picture])

    def test_pages_that_a_filter_empties_lead_on(self) -> None:
        found = self.walk(self.alice, "b", 2, filter={"types": ["m.room.create"]})
        self.assertEqual(len(found), 1)

    def test_members_of_senders(self) -> None:
        wish = {"lazy_load_members": True, "types": ["m.room.message"]}

        def members(**query: Any) -> list[str]:
            page = self.alice.messages(self.room_id, filter=wish, **query).json
            return sorted(event["state_key"] for event in page.get("state", []))

        self.assertEqual(members(limit=1), [self.bob.user_id])
        self.assertEqual(members(limit=2), [self.alice.user_id, self.bob.user_id])
        self.assertEqual(members(limit=1, from_="s0"), [])

    def test_members_who_came_after_the_oldest_event(self) -> None:
        carol = self.register("carol")
        self.alice.invite(self.room_id, carol)
        carol.join(self.room_id)
        carol.send(self.room_id, "hello")
        wish = {"lazy_load_members": True, "types": ["m.room.message"]}
        for dir in ("b", "f"):
            state = self.alice.messages(self.room_id, dir, limit=100, filter=wish)["state"]
            self.assertIn(carol.user_id, [event["state_key"] for event in state])

    def test_members_are_absent_unless_asked_for(self) -> None:
        self.assertNotIn("state", self.alice.messages(self.room_id).json)


class SightTests(TimelineTestCase):
    def test_after_leaving(self) -> None:
        self.bob.leave(self.room_id)
        last = self.ids(self.alice, limit=1)
        secret = self.alice.send(self.room_id, "secret")
        everything = self.ids(self.alice, "f", limit=100)
        self.assertEqual(self.ids(self.bob, limit=1), last)
        self.assertEqual(self.ids(self.bob, "f", limit=100), everything[:-1])
        self.assertEqual(self.ids(self.bob, "b", limit=1, from_=self.alice.sync().next_batch), last)
        self.assertEqual(self.bob.event(self.room_id, secret).error, NOT_FOUND)

    def test_own_ban(self) -> None:
        self.alice.ban(self.room_id, self.bob)
        newest = self.bob.messages(self.room_id, limit=1)["chunk"][0]
        self.assertEqual(newest["content"]["membership"], "ban")
        self.assertEqual(newest["unsigned"]["membership"], "ban")

    def test_the_world_may_read_on(self) -> None:
        visibility = {"history_visibility": "world_readable"}
        self.alice.set_state(self.room_id, "m.room.history_visibility", visibility)
        newest = self.alice.send(self.room_id, "public")
        self.bob.leave(self.room_id)
        newer = self.alice.send(self.room_id, "public too")
        for user in (self.bob, self.register("mallory")):
            found = self.ids(user, "b", limit=3)
            self.assertEqual((found[0], found[2]), (newer, newest))
            self.assertEqual(user.event(self.room_id, newer).status, 200)


class EventTests(TimelineTestCase):
    def test_found(self) -> None:
        event = self.bob.event(self.room_id, self.sent[0]).json
        self.assertEqual((event["event_id"], event["room_id"]), (self.sent[0], self.room_id))
        self.assertEqual(event["content"]["body"], "message 0")

    def test_not_found(self) -> None:
        other = self.alice.create_room()
        elsewhere = self.alice.send(other, "elsewhere")

        def check(event_id: str) -> None:
            self.assertEqual(self.alice.event(self.room_id, event_id).error, NOT_FOUND)

        each(check, [elsewhere, "$" + "a" * 43, "nonsense", "$", "%24", "$" + "a" * 5000])

    def test_who_may_not(self) -> None:
        carol = self.register("carol")
        for room_id in (self.room_id, "!nowhere:test"):
            self.assertEqual(carol.event(room_id, self.sent[0]).error, NOT_FOUND)
        self.alice.invite(self.room_id, carol)
        self.assertEqual(carol.event(self.room_id, self.sent[0]).error, NOT_FOUND)

    def test_age(self) -> None:
        self.advance(5)
        self.assertEqual(self.bob.event(self.room_id, self.sent[0])["unsigned"]["age"], 5000)


class EventAnywhereTests(WireTestCase):
    def test_who_may_see_it(self) -> None:
        alice, bob = self.register("alice"), self.register("bob")
        room_id = alice.create_room()
        event_id = alice.send(room_id, "hello")
        self.assertEqual(alice.get(f"/events/{event_id}")["room_id"], room_id)
        self.assertEqual(bob.get(f"/events/{event_id}").error, (404, "M_NOT_FOUND"))
        self.assertEqual(alice.get("/events/$none").error, (404, "M_NOT_FOUND"))
