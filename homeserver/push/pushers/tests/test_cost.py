"""What a message costs where many are notified, or nobody has a pusher."""

from typing import Any

from homeserver.push.pushers import distribution
from homeserver.push.pushers.distribution import Distribution
from homeserver.push.pushers.tests.pushed import PushTestCase


class CostTests(PushTestCase):
    def test_rooms_without_pushers_cost_nothing(self) -> None:
        room_id = self.bob.create_room(members=[self.carol], preset="public_chat")
        self.say(room_id=room_id)
        self.patch(Distribution, "news", lambda _: self.fail("there is nobody to tell"))
        self.say(room_id=room_id)

    def test_it_is_read_once_for_all(self) -> None:
        for number in range(8):
            user = self.register(f"user{number}")
            user.join(self.room_id)
            self.set_pusher(user, pushkey=str(number))
        self.say()
        self.gateway.forget()
        names: list[str] = []
        read = self.server.db.read

        def noted(work: Any, *rest: Any, **more: Any) -> Any:
            names.append(work.__name__)
            return read(work, *rest, **more)

        self.patch(self.server.db, "read", noted)
        self.say()
        self.assertEqual(len(self.gateway.events), 9)
        self.assertEqual(names.count("_news"), 1)
        self.assertEqual(names.count("_told_events"), 1)
        self.assertLess(len(names), 6)

    def test_others_have_their_turn_in_between(self) -> None:
        self.patch(distribution, "_USERS_AT_ONCE", 1)
        self.set_pusher(self.carol, pushkey="CAROL")
        event = self.say()
        self.assertEqual(self.gateway.events, [])
        for _ in range(2):
            self.advance(0)
        self.assertEqual(self.gateway.events, [event, event])
