from homeserver.push.tests.unread import UnreadTestCase, pair

HIGHLIGHT = {"set_tweak": "highlight"}


class CountingTests(UnreadTestCase):
    def test_nothing_yet(self) -> None:
        self.assertEqual(self.unread(self.alice), (0, 0))

    def test_messages_of_others_count(self) -> None:
        self.say()
        self.say(self.carol)
        self.assertEqual(self.unread(self.alice), (2, 0))
        self.assertEqual(self.unread(self.bob), (1, 0))

    def test_encrypted_ones_too(self) -> None:
        self.say(type="m.room.encrypted")
        self.assertEqual(self.unread(self.alice), (1, 0))

    def test_what_does_not_count(self) -> None:
        first = self.say()
        self.say(msgtype="m.notice")
        self.say(type="org.example.thing")
        self.say(
            type="m.reaction",
            more={"m.relates_to": {"rel_type": "m.annotation", "event_id": first, "key": "x"}},
        )
        self.say(more={"m.relates_to": {"rel_type": "m.replace", "event_id": first}, "m.new_content": {}})
        self.bob.set_state(self.room_id, "m.room.topic", {"topic": "x"})
        self.bob.put(f"/profile/{self.bob.user_id}/displayname", {"displayname": "B"})
        self.assertEqual(self.unread(self.alice), (1, 0))

    def test_mentions_highlight(self) -> None:
        self.mention(self.alice)
        self.assertEqual(self.unread(self.alice), (1, 1))
        self.assertEqual(self.unread(self.carol), (1, 0))

    def test_mentions_of_who_is_not_here(self) -> None:
        dave = self.register("dave")
        self.say(more={"m.mentions": {"user_ids": [dave.user_id, "@eve:elsewhere", "nobody", 7, "@:"]}})
        self.say(more={"m.mentions": {"user_ids": "@alice:test"}})
        self.say(more={"m.mentions": ["@alice:test"]})
        self.assertEqual(self.unread(self.alice), (3, 0))
        dave.join(self.room_id)
        self.assertEqual(self.unread(dave), (0, 0))

    def test_only_some_may_mention_the_room(self) -> None:
        self.say(self.bob, more={"m.mentions": {"room": True}})
        self.assertEqual(self.unread(self.alice), (1, 1))
        self.say(self.carol, more={"m.mentions": {"room": True}})
        self.assertEqual(self.unread(self.alice), (2, 1))

    def test_a_tombstone_highlights_for_all_but_its_sender(self) -> None:
        self.say(self.alice)
        self.bob.set_state(self.room_id, "m.room.tombstone", {"body": "moved", "replacement_room": "!x:test"})
        self.assertEqual(self.unread(self.alice), (1, 1))
        self.assertEqual(self.unread(self.bob), (0, 0))

    def test_who_comes_has_read_what_was_before(self) -> None:
        self.say()
        dave = self.register("dave")
        dave.join(self.room_id)
        self.assertEqual(self.unread(dave), (0, 0))
        self.say()
        self.assertEqual(self.unread(dave), (1, 0))

    def test_who_comes_again(self) -> None:
        self.say()
        self.mention(self.alice)
        self.alice.leave(self.room_id)
        self.say()
        self.mention(self.alice)
        self.alice.join(self.room_id)
        self.assertEqual(self.unread(self.alice), (0, 0))
        self.say()
        self.assertEqual(self.unread(self.alice), (1, 0))

    def test_a_new_name_is_no_coming(self) -> None:
        self.say()
        self.alice.put(f"/profile/{self.alice.user_id}/displayname", {"displayname": "A"})
        self.assertEqual(self.unread(self.alice), (1, 0))

    def test_invitations_and_rooms_left_have_no_counts(self) -> None:
        other = self.bob.create_room(invite=[self.alice.user_id])
        self.alice.leave(self.room_id)
        answer = self.alice.sync(filter={"room": {"include_leave": True}})
        self.assertNotIn("unread_notifications", answer.room(other, "invite"))
        self.assertNotIn("unread_notifications", answer.room(self.room_id, "leave"))

    def test_after_a_restart(self) -> None:
        self.say()
        self.mention(self.alice)
        self.restart()
        self.say()
        self.assertEqual(self.unread(self.alice), (3, 1))


class RedactionTests(UnreadTestCase):
    def test_what_is_redacted_counts_no_longer(self) -> None:
        plain, mention, whole = (
            self.say(),
            self.mention(self.alice),
            self.say(more={"m.mentions": {"room": True}}),
        )
        self.assertEqual(self.unread(self.alice), (3, 2))
        for event_id, left in ((plain, (2, 2)), (mention, (1, 1)), (whole, (0, 0))):
            self.bob.redact(self.room_id, event_id)
            self.assertEqual(self.unread(self.alice), left)
        self.say()
        self.assertEqual(self.unread(self.alice), (1, 0))

    def test_what_was_read_before_is_not_taken_off(self) -> None:
        plain = self.say()
        self.read(self.alice, plain)
        self.say()
        self.bob.redact(self.room_id, plain)
        self.assertEqual(self.unread(self.alice), (1, 0))

    def test_redacting_twice_or_what_never_counted(self) -> None:
        plain, notice = self.say(), self.say(msgtype="m.notice")
        self.say()
        for event_id in (plain, plain, notice, "$none"):
            self.bob.redact(self.room_id, event_id)
        self.assertEqual(self.unread(self.alice), (1, 0))

    def test_clients_are_told(self) -> None:
        plain = self.say()
        since = self.alice.sync().next_batch
        self.bob.redact(self.room_id, plain)
        room = self.alice.sync(since).room(self.room_id)
        self.assertEqual(pair(room["unread_notifications"]), (0, 0))


class ReadingTests(UnreadTestCase):
    def test_a_receipt_reads_all_up_to_it(self) -> None:
        events = [self.say() for _ in range(4)]
        self.read(self.alice, events[1])
        self.assertEqual(self.unread(self.alice), (2, 0))
        self.read(self.alice, events[0])
        self.assertEqual(self.unread(self.alice), (2, 0))
        self.read(self.alice, events[3])
        self.assertEqual(self.unread(self.alice), (0, 0))

    def test_the_receipt_that_is_further_counts(self) -> None:
        events = [self.say() for _ in range(4)]
        self.read(self.alice, events[2])
        self.read(self.alice, events[1], "m.read.private")
        self.assertEqual(self.unread(self.alice), (1, 0))
        self.read(self.alice, events[3], "m.read.private")
        self.assertEqual(self.unread(self.alice), (0, 0))

    def test_the_fully_read_marker_alone_reads_nothing(self) -> None:
        event = self.say()
        self.alice.post(f"/rooms/{self.room_id}/read_markers", {"m.fully_read": event})
        self.assertEqual(self.unread(self.alice), (1, 0))
        self.alice.post(f"/rooms/{self.room_id}/read_markers", {"m.read.private": event})
        self.assertEqual(self.unread(self.alice), (0, 0))

    def test_mentions_are_read_too(self) -> None:
        self.mention(self.alice)
        self.read(self.alice, self.mention(self.alice))
        self.mention(self.alice)
        self.assertEqual(self.unread(self.alice), (1, 1))

    def test_who_speaks_has_read(self) -> None:
        self.say()
        self.mention(self.alice)
        self.say(self.alice)
        self.assertEqual(self.unread(self.alice), (0, 0))
        self.say()
        self.assertEqual(self.unread(self.alice), (1, 0))

    def test_but_not_by_what_clients_send_on_their_own(self) -> None:
        own = self.say(self.alice)
        self.say()
        self.alice.put(f"/profile/{self.alice.user_id}/displayname", {"displayname": "A"})
        self.alice.redact(self.room_id, own)
        self.assertEqual(self.unread(self.alice), (1, 0))

    def test_receipts_of_others_read_nothing(self) -> None:
        event = self.say()
        self.read(self.carol, event)
        self.assertEqual(self.unread(self.alice), (1, 0))


class ThreadTests(UnreadTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.root = self.say()
        self.read(self.alice, self.root)

    def test_each_thread_counts_alone(self) -> None:
        self.say_in(self.root)
        self.say_in(self.root, more={"m.mentions": {"user_ids": [self.alice.user_id]}})
        self.say()
        self.assertEqual(self.by_thread(self.alice), {"main": (1, 0), self.root: (2, 1)})
        self.assertEqual(self.unread(self.alice), (3, 1))

    def test_threads_with_nothing_are_not_told(self) -> None:
        self.say_in(self.root)
        self.read(self.alice, self.say())
        self.assertEqual(self.by_thread(self.alice), {"main": (0, 0)})

    def test_an_unthreaded_receipt_reads_all(self) -> None:
        self.say_in(self.root)
        self.read(self.alice, self.say())
        self.say_in(self.root)
        self.assertEqual(self.by_thread(self.alice), {"main": (0, 0), self.root: (1, 0)})

    def test_a_receipt_in_a_thread_reads_that(self) -> None:
        first, _ = self.say_in(self.root), self.say()
        self.say_in(self.root)
        self.read(self.alice, first, thread=self.root)
        self.assertEqual(self.by_thread(self.alice), {"main": (1, 0), self.root: (1, 0)})

    def test_a_receipt_in_the_main_timeline_reads_that(self) -> None:
        self.say_in(self.root)
        self.read(self.alice, self.say(), "m.read.private", thread="main")
        self.assertEqual(self.by_thread(self.alice), {"main": (0, 0), self.root: (1, 0)})

    def test_speaking_in_a_thread_reads_that(self) -> None:
        self.say_in(self.root)
        self.say()
        self.say_in(self.root, self.alice)
        self.assertEqual(self.by_thread(self.alice), {"main": (1, 0)})
        self.say(self.alice)
        self.assertEqual(self.by_thread(self.alice), {"main": (0, 0)})

    def test_what_relates_to_a_thread_is_in_it(self) -> None:
        in_thread = self.say_in(self.root)
        of_thread = {"m.relates_to": {"rel_type": "m.reference", "event_id": in_thread}}
        of_root = {"m.relates_to": {"rel_type": "m.reference", "event_id": self.root}}
        of_none = {"m.relates_to": {"rel_type": "m.reference", "event_id": "$none"}}
        for content in (of_thread, of_root, of_none):
            self.say(more=content)
        self.assertEqual(self.by_thread(self.alice), {"main": (2, 0), self.root: (2, 0)})

    def test_a_thread_is_looked_for_so_far_only(self) -> None:
        event = self.say_in(self.root)
        for _ in range(3):
            event = self.say(more={"m.relates_to": {"rel_type": "m.reference", "event_id": event}})
        self.assertEqual(self.by_thread(self.alice), {"main": (1, 0), self.root: (3, 0)})

    def test_by_the_name_of_the_proposal(self) -> None:
        self.say_in(self.root)
        wish = {"org.matrix.msc3773.unread_thread_notifications": True}
        room = self.alice.sync(filter={"room": {"timeline": wish}}).room(self.room_id)
        self.assertEqual(pair(room["unread_thread_notifications"][self.root]), (1, 0))
        flags = self.anonymous.get("/_matrix/client/versions")["unstable_features"]
        for flag in ("org.matrix.msc3771", "org.matrix.msc3773", "org.matrix.msc3952_intentional_mentions"):
            self.assertIs(flags[flag], True)

    def test_redacted_in_a_thread(self) -> None:
        event = self.say_in(self.root)
        self.say_in(self.root)
        self.bob.redact(self.room_id, event)
        self.assertEqual(self.by_thread(self.alice), {"main": (0, 0), self.root: (1, 0)})


class RuleTests(UnreadTestCase):
    def mute(self) -> None:
        condition = {"kind": "event_match", "key": "room_id", "pattern": self.room_id}
        self.rule(self.alice, f"override/{self.room_id}", conditions=[condition])

    def test_a_muted_room(self) -> None:
        self.mute()
        self.say()
        self.mention(self.alice)
        self.assertEqual(self.unread(self.alice), (0, 0))
        self.assertEqual(self.unread(self.carol), (2, 0))

    def test_mentions_only(self) -> None:
        self.rule(self.alice, f"room/{self.room_id}")
        self.say()
        self.mention(self.alice)
        self.assertEqual(self.unread(self.alice), (1, 1))

    def test_silence_is_at_once(self) -> None:
        self.say()
        self.mention(self.alice)
        self.rule(self.alice, f"room/{self.room_id}")
        self.assertEqual(self.unread(self.alice), (1, 1))
        self.alice.delete(f"/pushrules/global/room/{self.room_id}")
        self.assertEqual(self.unread(self.alice), (2, 1))

    def test_keywords(self) -> None:
        self.rule(self.alice, "content/cake", pattern="cake", actions=["notify", HIGHLIGHT])
        self.say(body="no CAKE today")
        self.say(body="pancake")
        self.assertEqual(self.unread(self.alice), (2, 1))

    def test_senders(self) -> None:
        self.rule(self.alice, f"sender/{self.bob.user_id}")
        self.say(self.bob)
        self.say(self.carol)
        self.mention(self.alice, self.bob)
        self.assertEqual(self.unread(self.alice), (2, 1))

    def test_display_names(self) -> None:
        condition = {"kind": "contains_display_name"}
        self.rule(self.alice, "override/name", conditions=[condition], actions=["notify", HIGHLIGHT])
        self.say(body="Ally, are you there?")
        self.alice.put(f"/profile/{self.alice.user_id}/displayname", {"displayname": "Ally"})
        self.say(body="ally!")
        self.say(body="really")
        self.assertEqual(self.unread(self.alice), (3, 1))

    def test_member_counts(self) -> None:
        few = {"kind": "room_member_count", "is": "<4"}
        self.rule(self.alice, "override/few", conditions=[few])
        self.say()
        self.register("dave").join(self.room_id)
        self.say()
        self.assertEqual(self.unread(self.alice), (1, 0))

    def test_all_off(self) -> None:
        self.alice.put("/pushrules/global/override/.m.rule.master/enabled", {"enabled": True})
        self.mention(self.alice)
        self.assertEqual(self.unread(self.alice), (0, 0))

    def test_what_usually_is_silent(self) -> None:
        self.alice.put("/pushrules/global/override/.m.rule.suppress_notices/enabled", {"enabled": False})
        self.say(msgtype="m.notice")
        self.assertEqual(self.unread(self.alice), (1, 0))
        self.assertEqual(self.unread(self.carol), (0, 0))

    def test_rules_come_along_into_rooms(self) -> None:
        self.rule(self.alice, "content/cake", pattern="cake", actions=["notify", HIGHLIGHT])
        other = self.bob.create_room(members=[self.alice])
        self.say(room_id=other, body="cake")
        self.assertEqual(self.unread(self.alice, other), (1, 1))
        self.alice.leave(self.room_id)
        self.say(body="cake")
        self.alice.join(self.room_id)
        self.say(body="cake")
        self.assertEqual(self.unread(self.alice), (1, 1))

    def test_own_messages_never_count(self) -> None:
        always = {"kind": "event_match", "key": "type", "pattern": "*"}
        self.rule(self.alice, "override/all", conditions=[always], actions=["notify"])
        self.alice.set_state(self.room_id, "org.example.state", {})
        self.assertEqual(self.unread(self.alice), (0, 0))
        self.bob.set_state(self.room_id, "org.example.state", {})
        self.assertEqual(self.unread(self.alice), (1, 0))

    def test_the_mentioned_do_not_inherit_what_their_rules_say_to_others(self) -> None:
        """A rule for everything, but mentions are off: then a mention is no exception to that rule."""
        always = {"kind": "event_match", "key": "type", "pattern": "m.room.message"}
        self.rule(self.alice, "underride/all", conditions=[always], actions=["notify", HIGHLIGHT])
        self.alice.put("/pushrules/global/override/.m.rule.is_user_mention/actions", {"actions": []})
        self.mention(self.alice)
        self.say()
        self.assertEqual(self.unread(self.alice), (1, 1))


class IgnoringTests(UnreadTestCase):
    def ignore(self, *users: str) -> None:
        path = f"/user/{self.alice.user_id}/account_data/m.ignored_user_list"
        self.alice.put(path, {"ignored_users": {user: {} for user in users}})

    def test_the_ignored_do_not_count(self) -> None:
        self.say(self.bob)
        self.mention(self.alice, self.bob)
        self.say(self.carol)
        self.assertEqual(self.unread(self.alice), (3, 1))
        self.ignore(self.bob.user_id, "@nobody:test")
        self.assertEqual(self.unread(self.alice), (1, 0))
        self.mention(self.alice, self.bob)
        self.assertEqual(self.unread(self.alice), (1, 0))
        self.ignore()
        self.assertEqual(self.unread(self.alice), (4, 2))

    def test_in_a_silent_room(self) -> None:
        self.rule(self.alice, f"room/{self.room_id}")
        self.say(self.bob)
        self.mention(self.alice, self.bob)
        self.mention(self.alice, self.carol)
        self.ignore(self.bob.user_id)
        self.assertEqual(self.unread(self.alice), (1, 1))

    def test_redacted_ones_are_not_taken_off_twice(self) -> None:
        event = self.say(self.bob)
        self.say(self.carol)
        self.bob.redact(self.room_id, event)
        self.ignore(self.bob.user_id)
        self.assertEqual(self.unread(self.alice), (1, 0))

    def test_a_broken_list_ignores_nobody(self) -> None:
        path = f"/user/{self.alice.user_id}/account_data/m.ignored_user_list"
        self.alice.put(path, {"ignored_users": [self.bob.user_id]})
        self.say()
        self.assertEqual(self.unread(self.alice), (1, 0))
