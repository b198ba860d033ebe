"""POST /search at the wire."""

from collections.abc import Sequence
from typing import Any, ClassVar

from tests.wire import WireClient, WireTestCase, each

Json = Any


class SearchTestCase(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")
        self.room_id = self.alice.create_room(members=[self.bob])

    def search(
        self, term: str, user: WireClient | None = None, token: str | None = None, **criteria: Json
    ) -> Any:
        body = {"search_categories": {"room_events": {"search_term": term, **criteria}}}
        query = {} if token is None else {"next_batch": token}
        return (user or self.alice).request("POST", "/search", body, query=query)

    def found(self, term: str, user: WireClient | None = None, **criteria: Json) -> Json:
        return self.search(term, user, **criteria)["search_categories"]["room_events"]

    def ids(self, term: str, user: WireClient | None = None, **criteria: Json) -> list[str]:
        results = self.found(term, user, **criteria)["results"]
        return [result["result"]["event_id"] for result in results]


class FindingTests(SearchTestCase):
    def test_words_in_messages(self) -> None:
        tea, coffee = self.alice.send(self.room_id, "A cup of tea"), self.bob.send(self.room_id, "Coffee cup")
        self.assertEqual(self.ids("tea"), [tea])
        self.assertEqual(self.ids("CUP", order_by="recent"), [coffee, tea])
        self.assertEqual(self.ids("cup tea"), [tea])
        self.assertEqual(self.ids("cup sugar"), [])
        self.assertEqual(self.ids("cof"), [coffee])
        self.assertEqual(self.ids(""), [])
        result = self.found("tea")["results"][0]["result"]
        self.assertEqual((result["room_id"], result["content"]["body"]), (self.room_id, "A cup of tea"))

    def test_every_language(self) -> None:
        texts = [
            "Große Straße",
            "мы идём домой",
            "我们今天去北京",
            "café crème",
            "오늘 만나요",
            "हम घर जा रहे हैं",
        ]
        events = {text: self.alice.send(self.room_id, text) for text in texts}
        for term, text in (
            ("strasse", texts[0]),
            ("домой", texts[1]),
            ("今天", texts[2]),
            ("去北京", texts[2]),
            ("cafe", texts[3]),
            ("만나", texts[4]),
            ("घर", texts[5]),
        ):
            self.assertEqual(self.ids(term), [events[text]], term)

    def test_signs_of_the_engines_mean_nothing(self) -> None:
        event = self.alice.send(self.room_id, "odd ' \" * ( ) & | ! : \\ NEAR text r:1")

        def harmless(term: str) -> None:
            self.assertEqual(self.ids(term), [event])

        each(
            harmless, ["odd'", 'odd"', "odd*", "(odd", "odd & text", "odd | text", "!odd", "odd:*", "NEAR\\"]
        )
        self.assertEqual(self.ids("odd NOT text"), [])

    def test_names_and_topics(self) -> None:
        said = self.alice.send(self.room_id, "garden")
        name = self.alice.set_state(self.room_id, "m.room.name", {"name": "The garden"})["event_id"]
        topic = self.alice.set_state(self.room_id, "m.room.topic", {"topic": "A garden"})["event_id"]
        self.assertEqual(sorted(self.ids("garden")), sorted([said, name, topic]))
        self.assertEqual(self.ids("garden", keys=["content.name"]), [name])
        both = ["content.body", "content.topic"]
        self.assertEqual(sorted(self.ids("garden", keys=both)), sorted([said, topic]))
        self.assertEqual(self.ids("garden", keys=[]), [])

    def test_edits_are_found_by_what_is_new(self) -> None:
        event = self.alice.send(self.room_id, "first")
        new = {"body": "second", "msgtype": "m.text"}
        relation = {"rel_type": "m.replace", "event_id": event}
        content = {"body": "* fallback", "m.new_content": new, "m.relates_to": relation}
        path = f"/rooms/{self.room_id}/send/m.room.message/edit"
        edit = self.alice.put(path, content)["event_id"]
        self.assertEqual(self.ids("second"), [edit])
        self.assertEqual(self.ids("fallback"), [])
        # What was found is told with its edit.
        (result,) = self.found("first")["results"]
        self.assertEqual(result["result"]["unsigned"]["m.relations"]["m.replace"]["event_id"], edit)

    def test_what_is_not_text_is_not_found(self) -> None:
        path = f"/rooms/{self.room_id}/send/m.room.message/odd"
        self.alice.put(path, {"body": ["secret"]})
        self.alice.send(self.room_id, "secret", type_="m.room.encrypted")
        self.assertEqual(self.ids("secret"), [])

    def test_redacted_events_are_forgotten(self) -> None:
        event = self.alice.send(self.room_id, "secret")
        self.alice.redact(self.room_id, event)
        self.assertEqual(self.ids("secret"), [])
        rows = self.result_of(self._count_rows())
        self.assertEqual(rows, 0)

    async def _count_rows(self) -> int:
        return await self.server.db.read(lambda txn: txn.rows("SELECT count(*) FROM search_message")[0][0])


class PermissionTests(SearchTestCase):
    def test_only_in_rooms_of_the_user(self) -> None:
        event = self.alice.send(self.room_id, "secret")
        carol = self.register("carol")
        self.assertEqual(self.ids("secret", carol), [])
        self.alice.invite(self.room_id, carol)
        self.assertEqual(self.ids("secret", carol), [])
        carol.join(self.room_id)
        self.assertEqual(self.ids("secret", carol), [event])

    def test_what_was_said_after_leaving(self) -> None:
        before = self.alice.send(self.room_id, "secret one")
        self.bob.leave(self.room_id)
        after = self.alice.send(self.room_id, "secret two")
        self.assertEqual(self.ids("secret", self.bob), [before])
        self.assertEqual(self.ids("secret", order_by="recent"), [after, before])
        self.bob.forget(self.room_id)
        self.assertEqual(self.ids("secret", self.bob), [])

    def test_history_visibility(self) -> None:
        self.alice.set_state(self.room_id, "m.room.history_visibility", {"history_visibility": "joined"})
        self.alice.send(self.room_id, "secret")
        carol = self.register("carol")
        self.alice.invite(self.room_id, carol)
        carol.join(self.room_id)
        seen = self.alice.send(self.room_id, "secret again")
        self.assertEqual(self.ids("secret", carol), [seen])

    def test_ignored_users(self) -> None:
        self.bob.send(self.room_id, "noise")
        path = f"/user/{self.alice.user_id}/account_data/m.ignored_user_list"
        self.alice.put(path, {"ignored_users": {self.bob.user_id: {}}})
        self.assertEqual(self.ids("noise"), [])

    def test_who_may_ask(self) -> None:
        self.assertEqual(self.search("x", self.anonymous).error, (401, "M_MISSING_TOKEN"))


class PageTests(SearchTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.sent = [self.alice.send(self.room_id, "word " * (number + 1)) for number in range(7)]

    def walk(self, **criteria: Json) -> list[str]:
        found: list[str] = []
        token = None
        while True:
            page = self.search("word", token=token, **criteria)["search_categories"]["room_events"]
            self.assertEqual(page["count"], 7)
            found += [result["result"]["event_id"] for result in page["results"]]
            token = page.get("next_batch")
            if token is None:
                return found

    def test_every_page(self) -> None:
        ranked = self.ids("word")
        self.assertEqual(sorted(ranked), sorted(self.sent))
        ranks = [result["rank"] for result in self.found("word")["results"]]
        self.assertEqual(ranks, sorted(ranks, reverse=True))
        for limit in (1, 2, 3, 7, 8):
            self.assertEqual(self.walk(order_by="recent", filter={"limit": limit}), self.sent[::-1])
            self.assertEqual(self.walk(order_by="rank", filter={"limit": limit}), ranked)

    def test_new_messages_do_not_move_the_pages(self) -> None:
        for order in ("recent", "rank"):
            first = self.found("word", order_by=order, filter={"limit": 4})
            self.alice.send(self.room_id, "word")
            rest = self.search("word", token=first["next_batch"], order_by=order, filter={"limit": 10})
            results = [*first["results"], *rest["search_categories"]["room_events"]["results"]]
            ids = [result["result"]["event_id"] for result in results]
            self.assertEqual(len(set(ids)), len(ids))
            self.assertGreaterEqual(set(ids), set(self.sent))

    def test_wrong_requests(self) -> None:
        def refused(criteria: Json) -> None:
            self.assertEqual(self.search("word", **criteria).status, 400)

        each(
            refused,
            [
                {"order_by": "x"},
                {"keys": ["content.x"]},
                {"filter": {"limit": "x"}},
                {"token": "x"},
                {"event_context": {"before_limit": -1}},
                {"groupings": {"group_by": [{"key": "x"}]}},
            ],
        )
        self.assertEqual(self.alice.post("/search", {}).error, (400, "M_MISSING_PARAM"))
        empty = self.alice.post("/search", {"search_categories": {}})
        self.assertEqual(empty.json, {"search_categories": {}})


class FilterTests(SearchTestCase):
    def test_rooms_senders_and_types(self) -> None:
        other = self.alice.create_room(members=[self.bob])
        here, there = self.alice.send(self.room_id, "word"), self.bob.send(other, "word")
        name = self.alice.set_state(other, "m.room.name", {"name": "word"})["event_id"]
        for wanted, expected in (
            ({"rooms": [other]}, {there, name}),
            ({"not_rooms": [other]}, {here}),
            ({"senders": [self.bob.user_id]}, {there}),
            ({"senders": ["@nobody:test"]}, set()),
            ({"senders": []}, set()),
            ({"not_senders": [self.bob.user_id]}, {here, name}),
            ({"types": ["m.room.name"]}, {name}),
            ({"not_types": ["m.room.n*"]}, {here, there}),
        ):
            self.assertEqual(set(self.ids("word", filter=wanted)), expected, wanted)


class AnswerTests(SearchTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.sent = [
            self.alice.send(self.room_id, text) for text in ("zero", "one", "Übung", "three", "four")
        ]

    def test_no_context_unless_asked(self) -> None:
        (result,) = self.found("ubung")["results"]
        self.assertEqual(set(result), {"rank", "result"})

    def test_context(self) -> None:
        wish = {"before_limit": 1, "after_limit": 2}
        context = self.found("ubung", event_context=wish)["results"][0]["context"]
        self.assertEqual([one["event_id"] for one in context["events_before"]], self.sent[1:2])
        self.assertEqual([one["event_id"] for one in context["events_after"]], self.sent[3:])
        before = self.alice.messages(self.room_id, from_=context["start"], limit=1)["chunk"][0]
        self.assertEqual(before["event_id"], self.sent[0])
        self.assertNotIn("profile_info", context)
        whole = self.found("ubung", event_context={})["results"][0]["context"]
        self.assertEqual(len(whole["events_before"]), 5)

    def test_profiles_are_those_of_the_time(self) -> None:
        self.alice.put(f"/profile/{self.alice.user_id}/displayname", {"displayname": "Later"})
        wish = {"before_limit": 0, "after_limit": 0, "include_profile": True}
        context = self.found("ubung", event_context=wish)["results"][0]["context"]
        self.assertEqual(context["profile_info"], {self.alice.user_id: {"displayname": "alice"}})

    def test_highlights_are_the_words_of_the_text(self) -> None:
        self.assertEqual(self.found("ubu")["highlights"], ["übung"])

    def test_state(self) -> None:
        self.assertNotIn("state", self.found("ubung"))
        state = self.found("ubung", include_state=True)["state"]
        self.assertEqual(set(state), {self.room_id})
        self.assertIn("m.room.create", {event["type"] for event in state[self.room_id]})

    def test_groups(self) -> None:
        other = self.alice.create_room(members=[self.bob])
        by_bob = self.bob.send(other, "one")
        grouping = {"group_by": [{"key": "room_id"}, {"key": "sender"}]}
        found = self.found("one", order_by="recent", groupings=grouping)
        rooms = {
            other: {"results": [by_bob], "order": 1},
            self.room_id: {"results": [self.sent[1]], "order": 2},
        }
        self.assertEqual(found["groups"]["room_id"], rooms)
        self.assertEqual(found["groups"]["sender"][self.bob.user_id]["results"], [by_bob])
        self.assertNotIn("groups", self.found("one"))


class ManyRoomsTests(SearchTestCase):
    def test_in_all_of_hundreds(self) -> None:
        rooms = [self.alice.create_room() for _ in range(300)]
        event = self.alice.send(rooms[150], "needle")
        self.assertEqual(self.ids("needle"), [event])


class SwitchedOffTests(SearchTestCase):
    settings: ClassVar[Sequence[str]] = ("enable_search=false",)

    def test_nobody_finds_anything(self) -> None:
        self.alice.send(self.room_id, "word")
        self.assertEqual(self.search("word").error, (400, "M_UNKNOWN"))
