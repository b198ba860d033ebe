"""What pages tell of the children of their events (m.relations in unsigned)."""

from typing import Any

from tests.client import Client
from tests.wire import WireClient, WireTestCase

Json = Any


class RelationsTestCase(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob, self.carol = map(self.register, ("alice", "bob", "carol"))
        self.room_id = self.alice.create_room(members=[self.bob, self.carol])
        self._sent = 0

    def relate(
        self, user: Client, parent: str, rel_type: str, type_: str = "m.room.message", **content: Json
    ) -> str:
        """Sends an event with a relation and returns its ID."""
        relation = {"rel_type": rel_type, "event_id": parent, **content.pop("relates_to", {})}
        event_id: str = self.put(user, type_, {"body": "x", **content, "m.relates_to": relation})["event_id"]
        return event_id

    def put(self, user: Client, type_: str, content: Json) -> Any:
        self._sent += 1
        return user.put(f"/rooms/{self.room_id}/send/{type_}/rel{self._sent}", content)

    def reply(self, user: Client, root: str) -> str:
        return self.relate(user, root, "m.thread")

    def edit(self, user: Client, event_id: str, text: str, **content: Json) -> str:
        new = {"m.new_content": {"body": text, "msgtype": "m.text"}}
        return self.relate(user, event_id, "m.replace", **{**new, **content})

    def react(self, user: Client, event_id: str, key: str = "👍") -> str:
        return self.relate(user, event_id, "m.annotation", "m.reaction", relates_to={"key": key})

    def ignore(self, user: WireClient, *ignored: WireClient) -> None:
        path = f"/user/{user.user_id}/account_data/m.ignored_user_list"
        user.put(path, {"ignored_users": {one.user_id: {} for one in ignored}})

    def relations(self, user: Client, event_id: str) -> Json:
        """What /event says of the event's children."""
        return user.event(self.room_id, event_id)["unsigned"].get("m.relations", {})


class ThreadTests(RelationsTestCase):
    def test_count_latest_and_participation(self) -> None:
        root = self.alice.send(self.room_id, "root")
        self.assertEqual(self.relations(self.alice, root), {})
        self.reply(self.bob, root)
        latest = self.reply(self.bob, root)
        for user, participated in ((self.alice, True), (self.bob, True), (self.carol, False)):
            thread = self.relations(user, root)["m.thread"]
            self.assertEqual(thread["latest_event"]["event_id"], latest)
            self.assertEqual(thread["latest_event"]["room_id"], self.room_id)
            self.assertEqual((thread["count"], thread["current_user_participated"]), (2, participated))

    def test_redacted_replies_do_not_count(self) -> None:
        root = self.alice.send(self.room_id, "root")
        first, second = self.reply(self.bob, root), self.reply(self.carol, root)
        self.bob.redact(self.room_id, first)
        self.assertEqual(self.relations(self.bob, root)["m.thread"]["count"], 1)
        self.assertFalse(self.relations(self.bob, root)["m.thread"]["current_user_participated"])
        self.carol.redact(self.room_id, second)
        self.assertEqual(self.relations(self.alice, root), {})

    def test_a_redacted_root_keeps_its_thread(self) -> None:
        root = self.alice.send(self.room_id, "root")
        self.reply(self.bob, root)
        self.alice.redact(self.room_id, root)
        self.assertEqual(self.relations(self.alice, root)["m.thread"]["count"], 1)

    def test_ignored_users_are_left_out(self) -> None:
        root = self.alice.send(self.room_id, "root")
        heard, unheard = self.reply(self.bob, root), self.reply(self.carol, root)
        self.ignore(self.alice, self.carol)
        thread = self.relations(self.alice, root)["m.thread"]
        self.assertEqual((thread["count"], thread["latest_event"]["event_id"]), (1, heard))
        thread = self.relations(self.bob, root)["m.thread"]
        self.assertEqual((thread["count"], thread["latest_event"]["event_id"]), (2, unheard))

    def test_the_latest_event_has_its_own_children(self) -> None:
        root = self.alice.send(self.room_id, "root")
        latest = self.reply(self.bob, root)
        edit = self.edit(self.bob, latest, "better")
        reference = self.relate(self.carol, latest, "m.reference")
        inside = self.relations(self.alice, root)["m.thread"]["latest_event"]["unsigned"]["m.relations"]
        self.assertEqual(inside["m.replace"]["event_id"], edit)
        self.assertEqual(inside["m.reference"], {"chunk": [{"event_id": reference}]})

    def test_who_left_learns_nothing_of_what_came_later(self) -> None:
        root = self.alice.send(self.room_id, "root")
        before = self.reply(self.alice, root)
        self.bob.leave(self.room_id)
        self.edit(self.alice, before, "later")
        self.reply(self.alice, root)
        thread = self.relations(self.bob, root)["m.thread"]
        self.assertEqual((thread["count"], thread["latest_event"]["event_id"]), (1, before))
        self.assertNotIn("m.relations", thread["latest_event"]["unsigned"])


class EditTests(RelationsTestCase):
    def test_the_newest_edit_counts(self) -> None:
        original = self.alice.send(self.room_id, "one")
        self.edit(self.alice, original, "two")
        newest = self.edit(self.alice, original, "three")
        shown = self.relations(self.bob, original)["m.replace"]
        self.assertEqual(shown["event_id"], newest)
        self.assertEqual(shown["content"]["m.new_content"]["body"], "three")
        self.assertEqual(self.bob.event(self.room_id, original)["content"]["body"], "one")

    def test_later_by_time_not_by_arrival(self) -> None:
        original = self.alice.send(self.room_id, "one")
        self.advance(5)
        second = self.edit(self.alice, original, "two")
        third = self.edit(self.alice, original, "three")
        # Of edits of one moment, that with the greater ID.
        self.assertEqual(self.relations(self.bob, original)["m.replace"]["event_id"], max(second, third))

    def test_a_redacted_edit_gives_way(self) -> None:
        original = self.alice.send(self.room_id, "one")
        first = self.edit(self.alice, original, "two")
        self.advance(1)
        second = self.edit(self.alice, original, "three")
        self.alice.redact(self.room_id, second)
        self.assertEqual(self.relations(self.bob, original)["m.replace"]["event_id"], first)

    def test_what_is_no_valid_edit(self) -> None:
        original = self.alice.send(self.room_id, "one")
        self.edit(self.bob, original, "by another")
        self.edit(self.alice, original, "of another type", type_="m.sticker")
        self.relate(self.alice, original, "m.replace")
        self.assertEqual(self.relations(self.alice, original), {})
        edit = self.edit(self.alice, original, "two")
        self.edit(self.alice, edit, "of an edit")
        self.assertEqual(self.relations(self.alice, edit), {})
        topic = self.alice.set_state(self.room_id, "m.room.topic", {"topic": "t"})["event_id"]
        self.edit(self.alice, topic, "of state", type_="m.room.topic")
        self.assertEqual(self.relations(self.alice, topic), {})

    def test_encrypted_edits(self) -> None:
        original = self.put(self.alice, "m.room.encrypted", {"ciphertext": "a"})["event_id"]
        edit = self.relate(self.alice, original, "m.replace", "m.room.encrypted", ciphertext="b")
        self.assertEqual(self.relations(self.bob, original)["m.replace"]["event_id"], edit)

    def test_redacted_originals_have_none(self) -> None:
        original = self.alice.send(self.room_id, "one")
        self.edit(self.alice, original, "two")
        self.alice.redact(self.room_id, original)
        self.assertEqual(self.relations(self.bob, original), {})


class OtherRelationTests(RelationsTestCase):
    def test_references(self) -> None:
        event = self.alice.send(self.room_id, "one")
        first, second = (self.relate(user, event, "m.reference") for user in (self.bob, self.carol))
        chunk = [{"event_id": first}, {"event_id": second}]
        self.assertEqual(self.relations(self.alice, event), {"m.reference": {"chunk": chunk}})
        self.ignore(self.alice, self.bob)
        self.assertEqual(self.relations(self.alice, event)["m.reference"]["chunk"], chunk[1:])

    def test_annotations_are_not_aggregated(self) -> None:
        event = self.alice.send(self.room_id, "one")
        self.react(self.bob, event)
        self.assertEqual(self.relations(self.alice, event), {})

    def test_children_in_other_rooms_do_not_count(self) -> None:
        event = self.alice.send(self.room_id, "one")
        self.room_id, here = self.alice.create_room(members=[self.bob]), self.room_id
        self.relate(self.bob, event, "m.reference")
        self.room_id = here
        self.assertEqual(self.relations(self.alice, event), {})

    def test_relations_that_are_none(self) -> None:
        event = self.alice.send(self.room_id, "one")
        for relation in (
            "text",
            {"rel_type": "m.reference"},
            {"rel_type": 5, "event_id": event},
            {"rel_type": "m.reference", "event_id": [event]},
            {"rel_type": "m.reference\0", "event_id": event},
            {"rel_type": "m.reference", "event_id": event + "x" * 300},
        ):
            self.assertEqual(self.put(self.bob, "m.room.message", {"m.relates_to": relation}).status, 200)
        self.assertEqual(self.relations(self.alice, event), {})


class PlaceTests(RelationsTestCase):
    """Where children are bundled."""

    def test_pages_and_syncs(self) -> None:
        root = self.alice.send(self.room_id, "root")
        latest = self.reply(self.bob, root)

        def latest_in(events: Json) -> str:
            (told,) = (event for event in events if event["event_id"] == root)
            event_id: str = told["unsigned"]["m.relations"]["m.thread"]["latest_event"]["event_id"]
            return event_id

        self.assertEqual(latest_in(self.alice.messages(self.room_id)["chunk"]), latest)
        limited = {"room": {"timeline": {"limit": 2}}}
        self.assertEqual(latest_in(self.alice.sync(filter=limited).timeline(self.room_id)), latest)

    def test_syncs_with_all_events_need_none(self) -> None:
        since = self.alice.sync().next_batch
        root = self.alice.send(self.room_id, "root")
        self.reply(self.bob, root)
        whole = self.alice.sync(since).timeline(self.room_id)
        self.assertEqual(whole[0]["event_id"], root)
        self.assertNotIn("m.relations", whole[0]["unsigned"])

    def test_a_left_room(self) -> None:
        root = self.alice.send(self.room_id, "root")
        latest = self.reply(self.bob, root)
        since = self.bob.sync().next_batch
        self.bob.leave(self.room_id)
        self.reply(self.alice, root)
        wish = {"room": {"include_leave": True, "timeline": {"limit": 3}}}
        events = self.bob.sync(filter=wish).timeline(self.room_id, "leave")
        thread = events[0]["unsigned"]["m.relations"]["m.thread"]
        self.assertEqual((thread["count"], thread["latest_event"]["event_id"]), (1, latest))
        self.assertTrue(self.bob.sync(since).room(self.room_id, "leave"))


class FilterTests(RelationsTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.threaded, self.liked, self.both = (self.alice.send(self.room_id, str(n)) for n in range(3))
        self.reply(self.bob, self.threaded)
        self.react(self.carol, self.liked)
        self.react(self.bob, self.both)
        self.reply(self.carol, self.both)

    def found(self, **wanted: Json) -> list[str]:
        chunk = self.alice.messages(self.room_id, "f", filter=wanted)["chunk"]
        timeline = self.alice.sync(filter={"room": {"timeline": {**wanted, "limit": 20}}})
        ids = [event["event_id"] for event in chunk]
        self.assertEqual([event["event_id"] for event in timeline.timeline(self.room_id)], ids)
        return ids

    def test_by_type_and_sender_of_what_relates(self) -> None:
        self.assertEqual(self.found(related_by_rel_types=["m.thread"]), [self.threaded, self.both])
        self.assertEqual(self.found(related_by_senders=[self.carol.user_id]), [self.liked, self.both])
        both = {"related_by_rel_types": ["m.thread"], "related_by_senders": [self.bob.user_id]}
        self.assertEqual(self.found(**both), [self.threaded])
        self.assertEqual(self.found(related_by_rel_types=[]), [])
        self.assertEqual(self.found(related_by_senders=["@nobody:test"]), [])

    def test_incremental_syncs_too(self) -> None:
        since = self.alice.sync().next_batch
        event = self.alice.send(self.room_id, "new")
        self.reply(self.bob, event)
        wish = {"room": {"timeline": {"related_by_rel_types": ["m.thread"]}}}
        told = self.alice.sync(since, filter=wish).timeline(self.room_id)
        self.assertEqual([one["event_id"] for one in told], [event])

    def test_pages_are_filled(self) -> None:
        for number in range(60):
            self.alice.send(self.room_id, f"filler {number}")
        wanted = {"related_by_rel_types": ["m.thread"]}
        page = self.alice.messages(self.room_id, limit=1, filter=wanted)
        self.assertEqual([event["event_id"] for event in page["chunk"]], [self.both])
        page = self.alice.messages(self.room_id, limit=1, filter=wanted, from_=page["end"])
        self.assertEqual([event["event_id"] for event in page["chunk"]], [self.threaded])
        self.assertNotIn("end", page.json)
