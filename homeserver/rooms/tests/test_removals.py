"""Kicks and bans that redact all that somebody sent (MSC4293), at the wire."""

from typing import Any

from homeserver.protocol.removals import REDACT_EVENTS
from homeserver.rooms.store.events import event_nids
from tests.wire import WireClient, WireTestCase

Json = Any

REDACTING = {REDACT_EVENTS: True}


class RemovalTestCase(WireTestCase):
    version = "12"

    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob, self.mallory = map(self.register, ("alice", "bob", "mallory"))
        self.room_id = self.alice.create_room(
            members=[self.bob, self.mallory], room_version=self.version, preset="public_chat"
        )
        self.spam = [self.mallory.send(self.room_id, f"spam {number}") for number in range(3)]

    def ban(self, by: WireClient | None = None, body: Json = REDACTING) -> str:
        """The ban's event ID."""
        moderator = by or self.alice
        self.assertEqual(moderator.ban(self.room_id, self.mallory, **body).status, 200)
        member = moderator.state(self.room_id, "m.room.member", self.mallory.user_id, format="event")
        event_id: str = member["event_id"]
        return event_id

    def content(self, event_id: str) -> Json:
        return self.alice.event(self.room_id, event_id)["content"]

    def redacted(self) -> list[str]:
        """Those of the spam that are redacted."""
        return [event_id for event_id in self.spam if not self.content(event_id)]

    def set_levels(self, **changes: Json) -> None:
        levels = self.alice.state(self.room_id, "m.room.power_levels").json
        answer = self.alice.set_state(self.room_id, "m.room.power_levels", {**levels, **changes})
        self.assertEqual(answer.status, 200)


class RemovalTests(RemovalTestCase):
    def test_a_ban_takes_the_place_of_redactions(self) -> None:
        ban = self.ban(body={"reason": "flooding", **REDACTING})
        event = self.alice.event(self.room_id, self.spam[0]).json
        self.assertEqual(event["content"], {})
        because = event["unsigned"]["redacted_because"]
        self.assertEqual((because["event_id"], because["content"]["reason"]), (ban, "flooding"))
        self.assertEqual(because["content"][REDACT_EVENTS], True)
        self.assertEqual(self.redacted(), self.spam)

    def test_all_ways_to_read(self) -> None:
        position = self.bob.sync().next_batch
        late = self.mallory.send(self.room_id, "spam at last")
        self.ban()
        events = self.bob.messages(self.room_id, limit=10)["chunk"]
        self.assertNotIn("spam", str(events))
        told = self.bob.sync(position).timeline(self.room_id)
        self.assertEqual([event["content"] for event in told if event["event_id"] == late], [{}])
        around = self.bob.get(f"/rooms/{self.room_id}/context/{self.spam[1]}").json
        self.assertNotIn("spam", str(around))

    def test_a_kick(self) -> None:
        self.assertEqual(self.alice.kick(self.room_id, self.mallory, **REDACTING).status, 200)
        self.assertEqual(self.redacted(), self.spam)

    def test_a_ban_that_is_sent_as_state(self) -> None:
        content = {"membership": "ban", **REDACTING}
        self.alice.set_state(self.room_id, "m.room.member", content, self.mallory.user_id)
        self.assertEqual(self.redacted(), self.spam)

    def test_others_stay(self) -> None:
        kept = self.bob.send(self.room_id, "hello")
        elsewhere = self.mallory.send(self.mallory.create_room(), "notes")
        self.ban()
        self.assertEqual(self.content(kept)["body"], "hello")
        self.assertNotIn("redacted_because", self.alice.event(self.room_id, kept)["unsigned"])
        self.assertTrue(elsewhere)

    def test_what_they_said_of_themselves(self) -> None:
        self.mallory.put(f"/profile/{self.mallory.user_id}/displayname", {"displayname": "Buy this"})
        self.ban()
        self.assertNotIn("Buy this", str(self.alice.messages(self.room_id, limit=50).json))

    def test_the_room_goes_on(self) -> None:
        self.set_levels(users={self.mallory.user_id: 50})
        name = self.mallory.set_state(self.room_id, "m.room.name", {"name": "Spam"})["event_id"]
        self.assertEqual(self.alice.state(self.room_id, "m.room.name").json, {"name": "Spam"})
        self.ban()
        self.assertEqual(self.content(name), {})
        self.assertEqual(self.alice.state(self.room_id, "m.room.name").json, {})
        self.alice.send(self.room_id, "all is well")

    def test_what_related_counts_no_more(self) -> None:
        root = self.alice.send(self.room_id, "root")
        relation = {"rel_type": "m.thread", "event_id": root}
        self.mallory.put(
            f"/rooms/{self.room_id}/send/m.room.message/t",
            {"msgtype": "m.text", "body": "spam", "m.relates_to": relation},
        )
        self.assertIn("m.relations", self.alice.event(self.room_id, root)["unsigned"])
        self.ban()
        self.assertNotIn("m.relations", self.alice.event(self.room_id, root).json.get("unsigned", {}))

    def test_search_finds_it_no_more(self) -> None:
        term = {"search_categories": {"room_events": {"search_term": "spam"}}}
        found = self.alice.post("/search", term)["search_categories"]["room_events"]
        self.assertEqual(len(found["results"]), 3)
        self.ban()
        found = self.alice.post("/search", term)["search_categories"]["room_events"]
        self.assertEqual(found["results"], [])

    def test_it_is_unread_no_more(self) -> None:
        def unread() -> int:
            counts = self.alice.sync().room(self.room_id)["unread_notifications"]
            return int(counts["notification_count"])

        before = unread()
        self.ban()
        self.assertEqual(unread(), before - 3)

    def test_who_comes_back_is_read_again(self) -> None:
        self.ban()
        self.alice.unban(self.room_id, self.mallory)
        self.mallory.join(self.room_id)
        better = self.mallory.send(self.room_id, "sorry")
        self.assertEqual(self.content(better)["body"], "sorry")
        self.assertEqual(self.redacted(), self.spam)

    def test_what_was_redacted_stays_so_by_its_own_redaction(self) -> None:
        redaction = self.alice.redact(self.room_id, self.spam[0])["event_id"]
        self.ban()
        event = self.alice.event(self.room_id, self.spam[0]).json
        self.assertEqual(event["unsigned"]["redacted_because"]["event_id"], redaction)

    def test_a_room_keeps_its_beginning(self) -> None:
        room_id = self.mallory.create_room(
            members=[self.alice], room_version="10", creation_content={"type": "m.space"}
        )
        levels = self.mallory.state(room_id, "m.room.power_levels").json
        levels["users"] = {self.alice.user_id: 100, self.mallory.user_id: 50}
        self.mallory.set_state(room_id, "m.room.power_levels", levels)
        self.assertEqual(self.alice.ban(room_id, self.mallory, **REDACTING).status, 200)
        self.assertEqual(self.alice.state(room_id, "m.room.create")["type"], "m.space")


class RefusalTests(RemovalTestCase):
    """The removal happens, but redacts nothing."""

    def check_nothing(self) -> None:
        self.assertEqual(self.redacted(), [])

    def test_without_the_wish(self) -> None:
        for body in ({"reason": "no"}, {REDACT_EVENTS: False}):
            ban = self.ban(body=body)
            self.assertNotIn(REDACT_EVENTS, self.content(ban))
            self.alice.unban(self.room_id, self.mallory)
        self.check_nothing()

    def test_without_the_power_to_redact(self) -> None:
        self.set_levels(users={self.bob.user_id: 50}, redact=51)
        self.ban(self.bob)
        self.check_nothing()

    def test_without_the_power_to_send_redactions(self) -> None:
        self.set_levels(users={self.bob.user_id: 50}, events={"m.room.redaction": 51})
        self.ban(self.bob)
        self.check_nothing()

    def test_with_just_the_power(self) -> None:
        self.set_levels(users={self.bob.user_id: 50}, redact=50, events={"m.room.redaction": 50})
        self.ban(self.bob)
        self.assertEqual(self.redacted(), self.spam)

    def test_a_wish_that_is_none(self) -> None:
        self.assertEqual(self.alice.ban(self.room_id, self.mallory, **{REDACT_EVENTS: "yes"}).status, 400)
        content = {"membership": "ban", REDACT_EVENTS: "yes"}
        self.alice.set_state(self.room_id, "m.room.member", content, self.mallory.user_id)
        self.check_nothing()

    def test_leaving(self) -> None:
        content = {"membership": "leave", **REDACTING}
        self.mallory.set_state(self.room_id, "m.room.member", content, self.mallory.user_id)
        self.check_nothing()

    def test_other_memberships(self) -> None:
        self.mallory.leave(self.room_id)
        content = {"membership": "invite", **REDACTING}
        self.alice.set_state(self.room_id, "m.room.member", content, self.mallory.user_id)
        content["membership"] = "join"
        self.mallory.set_state(self.room_id, "m.room.member", content, self.mallory.user_id)
        self.check_nothing()


class RetentionTests(RemovalTestCase):
    settings = ("redaction_retention_period=2d",)

    def test_the_content_ends(self) -> None:
        nids = self.read(event_nids, self.spam)
        self.ban()
        self.advance(3 * 24 * 3600)

        bodies = self.read(
            lambda txn: txn.rows(
                "SELECT client FROM room_event_body WHERE nid IN %(nids)s", nids=list(nids.values())
            )
        )
        self.assertEqual([b"spam" in body for (body,) in bodies], [False] * 3)

    def read(self, function: Any, *arguments: Any) -> Any:
        return self.successResultOf(self.server.db.read(function, *arguments))
