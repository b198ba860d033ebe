"""What gateways are told, and when."""

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

from homeserver.http.outbound import RequestFailed
from homeserver.push.pushers.tests.pushed import PUSHER, URL, PushTestCase

SOUND = {"sound": "default"}


class ContentTests(PushTestCase):
    def test_the_full_format(self) -> None:
        """https://spec.matrix.org/v1.19/push-gateway-api/#post_matrixpushv1notify"""
        self.bob.set_state(self.room_id, "m.room.name", {"name": "Mission Control"})
        self.bob.put(f"/profile/{self.bob.user_id}/displayname", {"displayname": "Major Tom"})
        self.set_pusher(self.alice, data={"url": URL, "brand": "X"})
        event_id = self.mention(self.alice)
        [(url, headers, _)] = self.gateway.requests
        self.assertEqual((url, headers["Content-Type"]), (URL, "application/json"))
        expected = {
            "event_id": event_id,
            "room_id": self.room_id,
            "type": "m.room.message",
            "sender": self.bob.user_id,
            "sender_display_name": "Major Tom",
            "room_name": "Mission Control",
            "prio": "high",
            "content": {
                "msgtype": "m.text",
                "body": "hello",
                "m.mentions": {"user_ids": [self.alice.user_id]},
            },
            "counts": {"unread": 1},
            "devices": [
                {
                    "app_id": "com.example.app.ios",
                    "pushkey": "KEY",
                    "pushkey_ts": 1_700_000_000,
                    "data": {"brand": "X"},
                    "tweaks": {"sound": "default", "highlight": True},
                }
            ],
        }
        self.assertEqual(self.gateway.notifications, [expected])

    def test_a_plain_message_is_not_urgent(self) -> None:
        self.say()
        [told] = self.gateway.notifications
        self.assertEqual(told["prio"], "low")
        self.assertNotIn("tweaks", told["devices"][0])

    def test_nobody_knows_what_is_encrypted(self) -> None:
        self.say(type="m.room.encrypted", algorithm="m.megolm.v1.aes-sha2", ciphertext="x", session_id="y")
        self.assertEqual(self.gateway.notifications[0]["prio"], "high")

    def test_the_id_only(self) -> None:
        data = {"url": URL, "format": "event_id_only", "default_payload": {"x": 1}}
        self.set_pusher(self.alice, data=data)
        event_id = self.mention(self.alice)
        [told] = self.gateway.notifications
        device = told.pop("devices")[0]
        counts = {"unread": 1}
        self.assertEqual(
            told, {"event_id": event_id, "room_id": self.room_id, "prio": "high", "counts": counts}
        )
        self.assertEqual(device["data"], {"format": "event_id_only", "default_payload": {"x": 1}})
        self.assertNotIn("tweaks", device)

    def test_an_invitation(self) -> None:
        room_id = self.bob.create_room(invite=[self.alice.user_id], name="Secret")
        [told] = self.gateway.notifications
        self.assertEqual((told["room_id"], told["user_is_target"]), (room_id, True))
        self.assertEqual((told["type"], told["content"]["membership"]), ("m.room.member", "invite"))
        self.assertEqual((told["room_name"], told["counts"]), ("Secret", {"unread": 1}))

    def test_the_alias(self) -> None:
        room_id = self.bob.create_room(members=[self.alice], room_alias_name="hall", preset="public_chat")
        self.gateway.forget()
        self.say(room_id=room_id)
        self.assertEqual(self.gateway.notifications[0]["room_alias"], "#hall:test")

    def test_rooms_without_a_name(self) -> None:
        """https://spec.matrix.org/v1.19/client-server-api/#calculating-the-display-name-for-a-room"""
        self.carol.put(f"/profile/{self.carol.user_id}/displayname", {"displayname": "Carol"})
        self.say()
        self.assertEqual(self.gateway.notifications[-1]["room_name"], "bob and Carol")
        for number in range(4):
            self.register(f"user{number}").join(self.room_id)
        self.say()
        told = self.gateway.notifications[-1]["room_name"]
        self.assertEqual(told, "bob, Carol, user0, user1 and 2 others")
        self.bob.set_state(self.room_id, "m.room.name", {"name": "Square"})
        self.say()
        self.assertEqual(self.gateway.notifications[-1]["room_name"], "Square")

    def test_who_is_alone_with_another_sees_who_it_is(self) -> None:
        room_id = self.bob.create_room(members=[self.alice], preset="private_chat")
        self.say(room_id=room_id)
        self.assertNotIn("room_name", self.gateway.notifications[-1])

    def test_counts_are_of_rooms(self) -> None:
        other = self.bob.create_room(members=[self.alice], preset="public_chat")
        self.read(self.alice, self.say())
        self.gateway.forget()
        for room_id in (self.room_id, self.room_id, other):
            self.say(room_id=room_id)
        self.assertEqual([one["counts"]["unread"] for one in self.gateway.notifications], [1, 1, 2])

    def test_who_counts_for_themselves(self) -> None:
        """MSC4076."""
        self.set_pusher(self.alice, data={"url": URL, "org.matrix.msc4076.disable_badge_count": True})
        event = self.say()
        self.assertNotIn("counts", self.gateway.notifications[0])
        self.read(self.alice, event)
        self.advance(1)
        self.assertEqual(len(self.gateway.notifications), 1)


class WhoTests(PushTestCase):
    def test_whom_rules_spare(self) -> None:
        self.say(self.alice)
        self.say(msgtype="m.notice")
        self.rule(self.alice, f"room/{self.room_id}")
        self.say()
        self.assertEqual(self.gateway.events, [])
        event = self.mention(self.alice)
        self.assertEqual(self.gateway.events, [event])

    def test_own_rules(self) -> None:
        self.rule(
            self.alice,
            "content/cake",
            pattern="cake",
            actions=["notify", {"set_tweak": "sound", "value": "yum"}],
        )
        self.say()
        self.say(body="there is cake")
        [plain, loud] = self.gateway.notifications
        self.assertEqual((plain["prio"], loud["prio"]), ("low", "high"))
        self.assertEqual(loud["devices"][0]["tweaks"], {"sound": "yum"})

    def test_changed_actions_of_a_default_rule(self) -> None:
        path = "/pushrules/global/underride/.m.rule.message/actions"
        self.alice.put(path, {"actions": ["notify", {"set_tweak": "sound", "value": "ding"}]})
        self.say()
        self.assertEqual(self.gateway.notifications[0]["devices"][0]["tweaks"], {"sound": "ding"})

    def test_the_ignored(self) -> None:
        path = f"/user/{self.alice.user_id}/account_data/m.ignored_user_list"
        self.alice.put(path, {"ignored_users": {self.carol.user_id: {}}})
        self.say(self.carol)
        self.mention(self.alice, self.carol)
        self.carol.create_room(invite=[self.alice.user_id])
        event = self.say()
        self.assertEqual(self.gateway.events, [event])

    def test_who_comes_and_goes(self) -> None:
        self.alice.leave(self.room_id)
        self.say()
        self.alice.join(self.room_id)
        event = self.say()
        self.assertEqual(self.gateway.events, [event])

    def test_rooms_where_nobody_has_pushers(self) -> None:
        room_id = self.bob.create_room(members=[self.carol], preset="public_chat")
        self.say(room_id=room_id)
        self.set_pusher(self.carol, pushkey="CAROL")
        event = self.say(room_id=room_id)
        self.assertEqual(self.gateway.events, [event])

    def test_several_pushers(self) -> None:
        self.set_pusher(self.alice, pushkey="TABLET")
        self.set_pusher(self.carol, pushkey="CAROL")
        self.say()
        told = sorted(one["devices"][0]["pushkey"] for one in self.gateway.notifications)
        self.assertEqual(told, ["CAROL", "KEY", "TABLET"])


class ReadTests(PushTestCase):
    def test_the_number_goes_down(self) -> None:
        event = self.say()
        self.gateway.forget()
        self.read(self.alice, event)
        self.assertEqual(self.gateway.requests, [])
        self.advance(1)
        [told] = self.gateway.notifications
        self.assertEqual(told["counts"], {"unread": 0})
        self.assertEqual((set(told), told["devices"][0]["pushkey"]), ({"counts", "devices"}, "KEY"))

    def test_it_is_told_once(self) -> None:
        first, second = self.say(), self.say()
        self.gateway.forget()
        self.read(self.alice, first)
        self.advance(1)
        self.assertEqual(self.gateway.requests, [])
        self.read(self.alice, second)
        self.advance(5)
        self.assertEqual(len(self.gateway.requests), 1)


class FailureTests(PushTestCase):
    def test_it_is_sent_again_later_and_later(self) -> None:
        self.gateway.status = 500
        event = self.say()
        times = []
        for tick in range(100):
            before = len(self.gateway.events)
            self.advance(1)
            if len(self.gateway.events) > before:
                times.append(tick)
        pauses = [later - earlier for earlier, later in pairwise(times)]
        self.assertEqual(len(times), 6)
        self.assertEqual(pauses, sorted(pauses))
        self.assertGreater(pauses[-1], 20)
        self.gateway.status = 200
        self.gateway.forget()
        second = self.say()
        self.assertEqual(self.gateway.events, [])
        self.advance(100)
        self.assertEqual(self.gateway.events, [event, second])

    def test_what_was_read_meanwhile_is_not_told(self) -> None:
        self.gateway.failure = RequestFailed("nobody there")
        event = self.say()
        self.read(self.alice, event)
        later = self.say()
        self.gateway.failure = None
        self.gateway.forget()
        self.advance(10)
        self.assertEqual(self.gateway.events, [later])

    def test_garbage_is_no_answer(self) -> None:
        event = self.say()
        for answer in ((200, b"<html>"), (200, b"[]"), (302, b"{}"), (404, b"{}")):
            self.gateway.forget()
            self.gateway.status, self.gateway.body = answer
            failed = self.say()
            self.gateway.status, self.gateway.body = 200, b"{}"
            self.advance(120)
            self.assertEqual(self.gateway.events, [failed, failed], answer)
        self.assertNotEqual(event, failed)

    def test_the_day_after_nobody_wants_to_know(self) -> None:
        self.gateway.status = 500
        self.say()
        for _ in range(30):
            self.advance(3600)
        self.gateway.forget()
        self.gateway.status = 200
        self.advance(4000)
        self.assertEqual(self.gateway.events, [])
        event = self.say()
        self.assertEqual(self.gateway.events, [event])

    def test_rejected(self) -> None:
        self.gateway.body = b'{"rejected": ["SOMEBODY ELSE"]}'
        self.say()
        self.assertEqual(self.pushers(self.alice), ["KEY"])
        self.gateway.body = b'{"rejected": ["KEY"]}'
        self.say()
        self.assertEqual(self.pushers(self.alice), [])
        self.gateway.forget()
        self.say()
        self.assertEqual(self.gateway.requests, [])

    def test_a_new_url_is_tried_at_once(self) -> None:
        self.gateway.status = 500
        event = self.say()
        self.advance(60)
        self.gateway.forget()
        self.gateway.status = 200
        self.set_pusher(self.alice, data={"url": URL.replace("gateway", "other")})
        self.assertEqual(self.gateway.events, [event])
        self.assertIn("other", self.gateway.requests[0][0])

    def test_removed_while_it_fails(self) -> None:
        self.gateway.status = 500
        self.say()
        self.alice.post("/pushers/set", {**PUSHER, "kind": None})
        self.gateway.forget()
        self.advance(100)
        self.assertEqual(self.gateway.requests, [])


class RestartTests(PushTestCase):
    def test_nothing_is_lost_and_nothing_doubled(self) -> None:
        told = self.say()
        self.gateway.status = 500
        owed = self.say()
        self.assertEqual(self.gateway.events, [told, owed])
        self.gateway.forget()
        self.gateway.status = 200
        self.restart()
        self.advance(10)
        self.assertEqual(self.gateway.events, [owed])
        event = self.say()
        self.assertEqual(self.gateway.events, [owed, event])

    def test_the_pause_is_kept(self) -> None:
        self.gateway.status = 500
        self.say()
        while len(self.gateway.requests) < 8:
            self.advance(10)
        # The next one comes a hundred seconds after this at the earliest.
        self.gateway.forget()
        self.restart()
        self.advance(1)
        self.assertEqual(self.gateway.requests, [])

    def test_what_came_before_the_pusher_is_not_for_it(self) -> None:
        self.say()
        self.gateway.forget()
        self.set_pusher(self.carol, pushkey="CAROL")
        self.restart()
        self.advance(10)
        self.assertEqual(self.gateway.requests, [])

    def test_progress_costs_one_row(self) -> None:
        self.say()
        self.advance(5)

        def owed(txn: object) -> list[object]:
            found: list[object] = txn.rows("SELECT owed_after FROM pusher")  # type: ignore[attr-defined]  # a Transaction
            return found

        self.assertEqual(self.successResultOf(self.server.db.read(owed)), [(None,)])


class OffTests(PushTestCase):
    settings: ClassVar[Sequence[str]] = ["push.enabled=false"]

    def test_nothing_is_sent(self) -> None:
        self.mention(self.alice)
        self.advance(100)
        self.assertEqual(self.gateway.requests, [])


class WithoutContentTests(PushTestCase):
    settings: ClassVar[Sequence[str]] = [
        "push.include_content=false",
        "push.group_unread_count_by_room=false",
    ]

    def test_what_was_said_stays_here(self) -> None:
        self.say()
        self.say()
        told = self.gateway.notifications[1]
        self.assertNotIn("content", told)
        self.assertEqual(told["counts"], {"unread": 2})


class JitterTests(PushTestCase):
    settings: ClassVar[Sequence[str]] = ["push.jitter_delay=10s"]

    def test_nobody_can_tell_when(self) -> None:
        self.say()
        self.assertEqual(self.gateway.requests, [])
        self.advance(10)
        self.assertEqual(len(self.gateway.requests), 1)


class SeveralDevicesTests(PushTestCase):
    settings: ClassVar[Sequence[str]] = ["push.gateways_for_several=[gateway.example]"]

    def setUp(self) -> None:
        super().setUp()
        # Otherwise each calls it by the names of the others.
        self.bob.set_state(self.room_id, "m.room.name", {"name": "Square"})
        self.read(self.carol, self.say())
        self.advance(0)
        self.gateway.forget()
        self.set_pusher(self.carol, pushkey="CAROL")

    def told(self) -> list[list[str]]:
        self.advance(0)
        return [[device["pushkey"] for device in one["devices"]] for one in self.gateway.notifications]

    def test_who_is_told_the_same_is_told_together(self) -> None:
        self.read(self.alice, self.say())
        self.advance(0)
        self.read(self.carol, self.say())
        self.advance(0)
        self.gateway.forget()
        self.say()
        self.assertEqual(self.told(), [["KEY", "CAROL"]])

    def test_other_gateways_and_other_news_are_apart(self) -> None:
        self.set_pusher(self.bob, pushkey="BOB", data={"url": URL.replace("gateway", "other")})
        self.set_pusher(self.bob, pushkey="BRIEF", data={"url": URL, "format": "event_id_only"})
        self.say(self.alice)
        told = self.told()
        self.assertIn(["BOB"], told)
        self.assertIn(["BRIEF"], told)

    def test_one_of_them_is_rejected(self) -> None:
        self.gateway.body = b'{"rejected": ["CAROL"]}'
        self.say()
        self.told()
        self.assertEqual((self.pushers(self.alice), self.pushers(self.carol)), (["KEY"], []))

    def test_all_are_tried_again(self) -> None:
        self.gateway.status = 500
        self.say()
        self.told()
        self.gateway.status = 200
        self.gateway.forget()
        self.advance(2)
        self.assertEqual(sorted(key for keys in self.told() for key in keys), ["CAROL", "KEY"])
