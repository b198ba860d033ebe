"""/sync at the wire: coming into rooms and leaving them."""

from typing import Any

from homeserver.sync.tests.test_sync import SyncTestCase, ids, slots

Json = Any

TOPIC = "m.room.topic"


class InviteTests(SyncTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.carol = self.register("carol")
        self.since = self.carol.sync().next_batch

    def invite_state(self, answer: Any) -> dict[tuple[str, str], Json]:
        events = answer.room(self.room_id, "invite")["invite_state"]["events"]
        for event in events:
            self.assertEqual(event.keys(), {"type", "state_key", "sender", "content"})
        return {(event["type"], event["state_key"]): event["content"] for event in events}

    def test_stripped_state(self) -> None:
        self.alice.set_state(self.room_id, "m.room.name", {"name": "The Pub"})
        self.alice.set_state(self.room_id, "org.example", {"secret": 1})
        self.bob.invite(self.room_id, self.carol)
        for since in (self.since, None):
            state = self.invite_state(self.carol.sync(since))
            self.assertEqual(
                state.keys(),
                {
                    ("m.room.create", ""),
                    ("m.room.join_rules", ""),
                    ("m.room.name", ""),
                    (TOPIC, ""),
                    ("m.room.member", self.bob.user_id),
                    ("m.room.member", self.carol.user_id),
                },
            )
            self.assertEqual(state["m.room.name", ""], {"name": "The Pub"})
            self.assertEqual(state["m.room.member", self.carol.user_id]["membership"], "invite")

    def test_told_once(self) -> None:
        self.bob.invite(self.room_id, self.carol)
        after = self.carol.sync(self.since).next_batch
        self.send(1)
        self.assertEqual(self.sections(self.carol.sync(after)), {})

    def test_accepted(self) -> None:
        self.bob.invite(self.room_id, self.carol)
        since = self.carol.sync().next_batch
        self.carol.join(self.room_id)
        self.assertEqual(self.sections(self.carol.sync(since)), {"join": [self.room_id]})
        self.assertEqual(self.sections(self.carol.sync()), {"join": [self.room_id]})

    def test_rejected(self) -> None:
        self.bob.invite(self.room_id, self.carol)
        since = self.carol.sync().next_batch
        self.alice.set_state(self.room_id, TOPIC, {"topic": "secret"})
        self.send(1)
        self.carol.leave(self.room_id)
        answer = self.carol.sync(since)
        self.assertEqual(self.sections(answer), {"leave": [self.room_id]})
        (leave,) = answer.timeline(self.room_id, "leave")
        self.assertEqual(
            (leave["state_key"], leave["content"]), (self.carol.user_id, {"membership": "leave"})
        )
        self.assertEqual(answer.state(self.room_id, "leave"), [])
        self.assertIs(answer.room(self.room_id, "leave")["timeline"]["limited"], False)
        self.assertEqual(self.sections(self.carol.sync()), {})

    def test_rejected_before_it_was_told(self) -> None:
        self.bob.invite(self.room_id, self.carol)
        self.carol.leave(self.room_id)
        answer = self.carol.sync(self.since)
        self.assertEqual(len(answer.timeline(self.room_id, "leave")), 1)

    def test_withdrawn(self) -> None:
        self.bob.invite(self.room_id, self.carol)
        since = self.carol.sync().next_batch
        self.alice.kick(self.room_id, self.carol)
        (event,) = self.carol.sync(since).timeline(self.room_id, "leave")
        self.assertEqual(event["sender"], self.alice.user_id)

    def test_nothing_of_a_rejected_room_in_a_sync_with_left_rooms(self) -> None:
        self.bob.invite(self.room_id, self.carol)
        self.carol.leave(self.room_id)
        answer = self.carol.sync(filter={"room": {"include_leave": True}})
        self.assertEqual(
            slots(answer.timeline(self.room_id, "leave")), {("m.room.member", self.carol.user_id)}
        )
        self.assertEqual(answer.state(self.room_id, "leave"), [])

    def test_banned_before_being_there(self) -> None:
        self.alice.ban(self.room_id, self.carol)
        (event,) = self.carol.sync(self.since).timeline(self.room_id, "leave")
        self.assertEqual(event["content"]["membership"], "ban")


class JoinTests(SyncTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.carol = self.register("carol")
        self.since = self.carol.sync().next_batch
        self.alice.invite(self.room_id, self.carol)

    def test_all_state_and_the_newest_events(self) -> None:
        before = self.send(5)
        self.carol.join(self.room_id)
        after = self.send(2)
        answer = self.carol.sync(self.since, filter=self.limited_to(5))
        timeline = answer.timeline(self.room_id)
        self.assertEqual(ids(timeline)[:2], before[-2:])
        self.assertEqual(ids(timeline)[-2:], after)
        self.assertIs(answer.room(self.room_id)["timeline"]["limited"], True)
        current = self.carol.get(f"/rooms/{self.room_id}/state").json
        told = slots(answer.state(self.room_id)) | slots([e for e in timeline if "state_key" in e])
        self.assertEqual(told, slots(current))

    def test_a_second_device_is_told_the_same(self) -> None:
        self.carol.join(self.room_id)
        phone = self.log_in(self.carol, "PHONE")
        for client in (self.carol, phone):
            self.assertIn(self.room_id, client.sync(self.since).json["rooms"]["join"])

    def test_history_that_is_not_for_newcomers(self) -> None:
        """The timeline begins where the newcomer may look; the state told is that before it."""
        self.alice.set_state(self.room_id, "m.room.history_visibility", {"history_visibility": "joined"})
        self.alice.set_state(self.room_id, TOPIC, {"topic": "now"})
        self.send(3)
        self.carol.join(self.room_id)
        answer = self.carol.sync(self.since)
        (join,) = answer.timeline(self.room_id)
        self.assertEqual(join["content"]["membership"], "join")
        topics = [event["content"] for event in answer.state(self.room_id) if event["type"] == TOPIC]
        self.assertEqual(topics, [{"topic": "now"}])

    def test_a_sync_that_tells_nothing_of_events_still_tells_of_the_room(self) -> None:
        self.carol.join(self.room_id)
        nothing: Json = {"room": {"timeline": {"types": []}, "state": {"types": []}}}
        self.assertIsNotNone(self.carol.sync(self.since, filter=nothing).room(self.room_id))


class LeaveTests(SyncTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.since = self.bob.sync().next_batch

    def check_left(self, membership: str, sent: list[str]) -> None:
        self.alice.send(self.room_id, "secret")
        self.alice.set_state(self.room_id, TOPIC, {"topic": "secret"})
        answer = self.bob.sync(self.since)
        self.assertEqual(self.sections(answer), {"leave": [self.room_id]})
        *others, last = answer.timeline(self.room_id, "leave")
        self.assertEqual((ids(others), last["content"]["membership"]), (sent, membership))
        self.assertEqual(last["unsigned"]["membership"], membership)
        self.assertEqual(answer.state(self.room_id, "leave"), [])
        self.assertEqual(self.sections(self.bob.sync(answer.next_batch)), {})

    def test_left(self) -> None:
        sent = self.send(2)
        self.bob.leave(self.room_id)
        self.check_left("leave", sent)

    def test_kicked(self) -> None:
        sent = self.send(2)
        self.alice.kick(self.room_id, self.bob)
        self.check_left("leave", sent)

    def test_banned(self) -> None:
        sent = self.send(2)
        self.alice.ban(self.room_id, self.bob)
        self.check_left("ban", sent)

    def test_gap(self) -> None:
        self.alice.set_state(self.room_id, TOPIC, {"topic": "last"})
        sent = self.send(5)
        self.bob.leave(self.room_id)
        answer = self.bob.sync(self.since, filter=self.limited_to(3))
        room = answer.room(self.room_id, "leave")
        self.assertEqual(ids(room["timeline"]["events"])[:-1], sent[-2:])
        self.assertIs(room["timeline"]["limited"], True)
        self.assertEqual([event["content"] for event in room["state"]["events"]], [{"topic": "last"}])
        page = self.bob.messages(self.room_id, from_=room["timeline"]["prev_batch"], limit=3)["chunk"]
        self.assertEqual(ids(page)[::-1], sent[:3])

    def test_banned_after_leaving(self) -> None:
        self.bob.leave(self.room_id)
        since = self.bob.sync().next_batch
        self.alice.set_state(self.room_id, TOPIC, {"topic": "secret"})
        self.alice.ban(self.room_id, self.bob)
        answer = self.bob.sync(since)
        (event,) = answer.timeline(self.room_id, "leave")
        self.assertEqual(event["content"]["membership"], "ban")
        self.assertEqual(answer.state(self.room_id, "leave"), [])

    def test_banned_after_leaving_unnoticed(self) -> None:
        """The messages before leaving are not told with the ban, so there is a gap before it."""
        sent = self.send(2)
        self.bob.leave(self.room_id)
        self.alice.ban(self.room_id, self.bob)
        timeline = self.bob.sync(self.since).room(self.room_id, "leave")["timeline"]
        self.assertIs(timeline["limited"], True)
        page = self.bob.messages(self.room_id, from_=timeline["prev_batch"], limit=3)["chunk"]
        self.assertEqual(ids(page)[:0:-1], sent)

    def test_came_and_went_unnoticed(self) -> None:
        carol = self.register("carol")
        since = carol.sync().next_batch
        self.alice.invite(self.room_id, carol)
        carol.join(self.room_id)
        self.send(1)
        carol.leave(self.room_id)
        answer = carol.sync(since)
        self.assertEqual(self.sections(answer), {"leave": [self.room_id]})
        told = slots(answer.state(self.room_id, "leave"))
        told |= slots([event for event in answer.timeline(self.room_id, "leave") if "state_key" in event])
        self.assertEqual(told, slots(carol.get(f"/rooms/{self.room_id}/state").json))

    def test_left_rooms_are_not_part_of_an_initial_sync(self) -> None:
        self.bob.leave(self.room_id)
        self.assertEqual(self.sections(self.bob.sync()), {})

    def test_unless_the_filter_says_so(self) -> None:
        sent = self.send(3)
        self.bob.leave(self.room_id)
        other = self.alice.create_room(members=[self.bob])
        for _ in range(3):
            self.alice.send(self.room_id, "secret")
            self.alice.send(other, "hello")
        wish = {"room": {"include_leave": True, "timeline": {"limit": 3}}}
        answer = self.bob.sync(filter=wish)
        self.assertEqual(self.sections(answer), {"join": [other], "leave": [self.room_id]})
        *messages, leave = answer.timeline(self.room_id, "leave")
        self.assertEqual((ids(messages), leave["content"]), (sent[-2:], {"membership": "leave"}))
        self.assertIn((TOPIC, ""), slots(answer.state(self.room_id, "leave")))

    def test_invited_after_leaving_unnoticed(self) -> None:
        """The invitation is all that is told; what was missed can be had once it is rejected."""
        sent = self.send(2)
        self.bob.leave(self.room_id)
        self.alice.invite(self.room_id, self.bob)
        answer = self.bob.sync(self.since)
        self.assertEqual(self.sections(answer), {"invite": [self.room_id]})
        self.bob.leave(self.room_id)
        timeline = self.bob.sync(answer.next_batch).room(self.room_id, "leave")["timeline"]
        self.assertIs(timeline["limited"], True)
        page = self.bob.messages(self.room_id, from_=timeline["prev_batch"], limit=3)["chunk"]
        self.assertEqual(ids(page)[:0:-1], sent)


class RejoinTests(SyncTestCase):
    """Bob leaves, Alice changes the room, Bob comes back."""

    def come_back(self, *, told: bool, visibility: str) -> tuple[str, list[str]]:
        self.alice.set_state(self.room_id, "m.room.history_visibility", {"history_visibility": visibility})
        since = self.bob.sync().next_batch
        self.bob.leave(self.room_id)
        if told:
            since = self.bob.sync(since).next_batch
        self.alice.set_state(self.room_id, TOPIC, {"topic": "while away"})
        sent = self.send(2)
        self.alice.invite(self.room_id, self.bob)
        self.bob.join(self.room_id)
        return since, sent

    def test_whole_state_and_a_limited_timeline(self) -> None:
        for visibility in ("shared", "invited", "joined"):
            for told in (True, False):
                since, sent = self.come_back(told=told, visibility=visibility)
                answer = self.bob.sync(since)
                self.assertEqual(self.sections(answer), {"join": [self.room_id]})
                timeline = answer.timeline(self.room_id)
                self.assertIs(answer.room(self.room_id)["timeline"]["limited"], True)
                self.assertEqual(set(sent) <= set(ids(timeline)), visibility == "shared")
                state = [*answer.state(self.room_id), *(e for e in timeline if "state_key" in e)]
                topics = [event["content"]["topic"] for event in state if event["type"] == TOPIC]
                self.assertEqual(topics[-1:], ["while away"], visibility)
                self.alice.set_state(self.room_id, TOPIC, {"topic": "before"})


class KnockTests(SyncTestCase):
    def test_told(self) -> None:
        carol = self.register("carol")
        self.alice.set_state(self.room_id, "m.room.join_rules", {"join_rule": "knock"})
        since = carol.sync().next_batch
        carol.set_state(self.room_id, "m.room.member", {"membership": "knock"}, carol.user_id)
        for token in (since, None):
            answer = carol.sync(token)
            self.assertEqual(self.sections(answer), {"knock": [self.room_id]})
            events = answer.room(self.room_id, "knock")["knock_state"]["events"]
            self.assertIn(("m.room.member", carol.user_id), slots(events))


class ForgetTests(SyncTestCase):
    def test_a_room_that_was_forgotten_before_it_was_told(self) -> None:
        since = self.bob.sync().next_batch
        self.bob.leave(self.room_id)
        self.bob.forget(self.room_id)
        # Or else a device would never learn that the user is no longer there.
        told = self.bob.sync(since)
        self.assertEqual(self.sections(told), {"leave": [self.room_id]})
        self.assertEqual(self.sections(self.bob.sync(told.next_batch)), {})
