"""What users may see of a room's history, at the wire.

https://spec.matrix.org/v1.19/client-server-api/#room-history-visibility
"""

from tests.wire import WireClient, WireTestCase

NOT_FOUND = (404, "M_NOT_FOUND")

# What Bob was when Alice sent a message, in the order in which she did.
BEFORE, INVITED, JOINED, GONE, INVITED_AGAIN, BACK = PHASES = (
    "before",
    "invited",
    "joined",
    "gone",
    "invited again",
    "back",
)
VISIBLE = {
    "world_readable": PHASES,
    "shared": PHASES,
    "invited": (INVITED, JOINED, INVITED_AGAIN, BACK),
    "joined": (JOINED, BACK),
}


class HistoryTestCase(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")

    def room(self, visibility: str | None) -> str:
        content = {} if visibility is None else {"history_visibility": visibility}
        state = [{"type": "m.room.history_visibility", "content": content}]
        return self.alice.create_room(initial_state=state)

    def come_and_go(self, room_id: str, *, until: str = BACK) -> dict[str, str]:
        """Bob goes through the phases; the event IDs of the messages in them."""
        sent = {}
        steps = (
            (BEFORE, lambda: None),
            (INVITED, lambda: self.alice.invite(room_id, self.bob)),
            (JOINED, lambda: self.bob.join(room_id)),
            (GONE, lambda: self.bob.leave(room_id)),
            (INVITED_AGAIN, lambda: self.alice.invite(room_id, self.bob)),
            (BACK, lambda: self.bob.join(room_id)),
        )
        for phase, step in steps:
            step()
            sent[phase] = self.alice.send(room_id, phase)
            if phase == until:
                break
        return sent

    def seen(self, user: WireClient, room_id: str) -> tuple[str, ...]:
        """The texts that /messages shows, which must be the same in both directions."""
        forwards, backwards = (
            tuple(event["content"]["body"] for event in chunk if event["type"] == "m.room.message")
            for chunk in (user.messages(room_id, dir, limit=100)["chunk"] for dir in "fb")
        )
        self.assertEqual(forwards, backwards[::-1])
        return forwards


class SettingTests(HistoryTestCase):
    def test_each_setting(self) -> None:
        for visibility, visible in VISIBLE.items():
            room_id = self.room(visibility)
            sent = self.come_and_go(room_id)
            self.assertEqual((visibility, self.seen(self.bob, room_id)), (visibility, visible))
            for phase, event_id in sent.items():
                status = self.bob.event(room_id, event_id).status
                self.assertEqual((visibility, phase, status == 200), (visibility, phase, phase in visible))
            self.assertEqual(self.seen(self.alice, room_id), PHASES)

    def test_each_setting_for_who_is_gone(self) -> None:
        for until in (GONE, INVITED_AGAIN):
            for visibility, visible in VISIBLE.items():
                room_id = self.room(visibility)
                self.come_and_go(room_id, until=until)
                known = PHASES[:3] if visibility != "world_readable" else PHASES[: PHASES.index(until) + 1]
                expected = tuple(phase for phase in visible if phase in known)
                self.assertEqual((visibility, self.seen(self.bob, room_id)), (visibility, expected))

    def test_unknown_settings_mean_shared(self) -> None:
        for visibility in (None, "org.example"):
            room_id = self.room(visibility)
            self.come_and_go(room_id)
            self.assertEqual(self.seen(self.bob, room_id), PHASES)

    def test_strangers(self) -> None:
        carol = self.register("carol")
        for visibility in VISIBLE:
            room_id = self.room(visibility)
            event_id = self.alice.send(room_id, "hello")
            if visibility == "world_readable":
                self.assertEqual(self.seen(carol, room_id), ("hello",))
            else:
                self.assertEqual(carol.messages(room_id).status, 403)
                self.assertEqual(carol.event(room_id, event_id).status, 404)


class ChangeTests(HistoryTestCase):
    """What counts is the setting under which an event was sent."""

    def test_closing_does_not_hide_what_was_open(self) -> None:
        room_id = self.room("shared")
        self.alice.send(room_id, "open")
        self.alice.set_state(room_id, "m.room.history_visibility", {"history_visibility": "joined"})
        self.alice.send(room_id, "closed")
        self.alice.invite(room_id, self.bob)
        self.bob.join(room_id)
        self.assertEqual(self.seen(self.bob, room_id), ("open",))

    def test_opening_does_not_show_what_was_closed(self) -> None:
        room_id = self.room("joined")
        self.alice.send(room_id, "closed")
        self.alice.set_state(room_id, "m.room.history_visibility", {"history_visibility": "shared"})
        self.alice.send(room_id, "open")
        self.alice.invite(room_id, self.bob)
        self.bob.join(room_id)
        self.assertEqual(self.seen(self.bob, room_id), ("open",))

    def test_the_change_itself_is_seen_if_either_side_is(self) -> None:
        room_id = self.room("shared")
        changes = [
            self.alice.set_state(room_id, "m.room.history_visibility", {"history_visibility": value})[
                "event_id"
            ]
            for value in ("joined", "invited", "shared")
        ]
        self.alice.invite(room_id, self.bob)
        self.bob.join(room_id)
        self.assertEqual([self.bob.event(room_id, change).status for change in changes], [200, 404, 200])

    def test_a_world_that_was_let_in_keeps_what_it_saw(self) -> None:
        room_id = self.room("world_readable")
        self.alice.send(room_id, "public")
        self.alice.set_state(room_id, "m.room.history_visibility", {"history_visibility": "joined"})
        self.alice.send(room_id, "private")
        self.alice.invite(room_id, self.bob)
        self.bob.join(room_id)
        self.assertEqual(self.seen(self.bob, room_id), ("public",))


class OwnMembershipTests(HistoryTestCase):
    def shown(self, room_id: str) -> list[str]:
        """Bob's own memberships as he is shown them."""
        chunk = self.bob.messages(room_id, "f", limit=100)["chunk"]
        return [
            event["content"]["membership"] for event in chunk if event.get("state_key") == self.bob.user_id
        ]

    def test_own_join_and_leave_are_always_seen(self) -> None:
        for visibility in ("joined", "invited", "shared"):
            room_id = self.room(visibility)
            self.come_and_go(room_id)
            invited = [] if visibility == "joined" else ["invite"]
            self.assertEqual(self.shown(room_id), [*invited, "join", "leave", *invited, "join"])

    def test_membership_at_each_event(self) -> None:
        room_id = self.room("shared")
        sent = self.come_and_go(room_id)
        told = {
            phase: self.bob.event(room_id, event_id)["unsigned"]["membership"]
            for phase, event_id in sent.items()
        }
        self.assertEqual(
            told,
            {
                BEFORE: "leave",
                INVITED: "invite",
                JOINED: "join",
                GONE: "leave",
                INVITED_AGAIN: "invite",
                BACK: "join",
            },
        )

    def test_membership_at_own_changes_is_what_they_made_of_it(self) -> None:
        room_id = self.room("shared")
        self.come_and_go(room_id)
        chunk = self.bob.messages(room_id, "f", limit=100)["chunk"]
        own = [event for event in chunk if event.get("state_key") == self.bob.user_id]
        for event in own:
            self.assertEqual(event["unsigned"]["membership"], event["content"]["membership"])
        self.assertEqual(len(own), 5)
