from datetime import timedelta
from typing import Any

from homeserver.push.notifications import Notification, Notifications
from homeserver.push.tests.unread import UnreadTestCase
from tests.client import Client, Json

SOUND = {"set_tweak": "sound", "value": "default"}
HIGHLIGHT = {"set_tweak": "highlight"}


class NotificationTestCase(UnreadTestCase):
    def setUp(self) -> None:
        super().setUp()
        # Only what comes from now on is looked at.
        self.read(self.alice, self.say())

    def listed(self, user: Client | None = None, **query: Any) -> list[Json]:
        found: list[Json] = (user or self.alice).get("/notifications", **query)["notifications"]
        return found

    def ids(self, user: Client | None = None, **query: Any) -> list[str]:
        return [each["event"]["event_id"] for each in self.listed(user, **query)]


class ListTests(NotificationTestCase):
    def test_the_newest_are_first(self) -> None:
        plain, mention = self.say(), self.mention(self.alice)
        [second, first, *_] = self.listed()
        self.assertEqual(
            {key: first[key] for key in ("room_id", "actions", "read", "ts")},
            {"room_id": self.room_id, "actions": ["notify"], "read": False, "ts": 1_700_000_000_000},
        )
        self.assertEqual(first["event"]["event_id"], plain)
        self.assertEqual(first["event"]["content"]["body"], "hello")
        self.assertNotIn("room_id", first["event"])
        self.assertEqual(second["event"]["event_id"], mention)
        self.assertEqual(second["actions"], ["notify", SOUND, HIGHLIGHT])

    def test_read_or_not(self) -> None:
        root = self.say()
        in_thread, last = self.say_in(root), self.say()
        self.read(self.alice, root)
        read = {each["event"]["event_id"]: each["read"] for each in self.listed(limit=3)}
        self.assertEqual(read, {root: True, in_thread: False, last: False})
        self.read(self.alice, in_thread, thread=root)
        read = {each["event"]["event_id"]: each["read"] for each in self.listed(limit=3)}
        self.assertEqual(read, {root: True, in_thread: True, last: False})

    def test_pages(self) -> None:
        other = self.carol.create_room(members=[self.alice])
        sent = []
        for number in range(10):
            sent.append(self.say(self.carol, room_id=other if number % 3 else self.room_id))
            self.say(self.alice, room_id=other)
            if number % 2:
                sent[-1] = self.mention(self.alice)
        found, token = [], None
        for _ in range(10):
            page = self.alice.get("/notifications", limit=4, **({} if token is None else {"from": token}))
            found += [each["event"]["event_id"] for each in page["notifications"]]
            token = page.json.get("next_token")
            if token is None:
                break
            self.assertEqual(len(page["notifications"]), 4)
        self.assertEqual(found, self.ids(limit=500))
        self.assertEqual([event_id for event_id in found if event_id in sent], sent[::-1])

    def test_only_highlights(self) -> None:
        self.say()
        wanted = [self.mention(self.alice), self.say(more={"m.mentions": {"room": True}})]
        self.mention(self.carol)
        self.assertEqual(self.ids(only="highlight"), wanted[::-1])
        page = self.alice.get("/notifications", only="highlight", limit=1)
        self.assertEqual(self.ids(only="highlight", **{"from": page["next_token"]}), wanted[:1])

    def test_what_is_not_listed(self) -> None:
        before = self.ids()
        redacted = self.mention(self.alice)
        self.bob.redact(self.room_id, redacted)
        self.say(self.alice)
        self.say(msgtype="m.notice")
        self.bob.set_state(self.room_id, "m.room.topic", {"topic": "x"})
        self.assertEqual(self.ids(), before)

    def test_invitations(self) -> None:
        room_id = self.bob.create_room(invite=[self.alice.user_id])
        newest = self.listed()[0]
        self.assertEqual((newest["room_id"], newest["event"]["state_key"]), (room_id, self.alice.user_id))
        self.assertEqual(newest["actions"], ["notify", SOUND])
        self.alice.leave(room_id)
        self.assertNotEqual(self.listed()[0]["room_id"], room_id)

    def test_rooms_that_were_left(self) -> None:
        self.mention(self.alice)
        self.alice.leave(self.room_id)
        self.assertEqual([each for each in self.listed() if each["room_id"] == self.room_id], [])
        self.alice.join(self.room_id)
        self.assertEqual([each for each in self.listed() if each["room_id"] == self.room_id], [])
        event = self.say()
        self.assertEqual(self.ids(limit=1), [event])

    def test_the_ignored(self) -> None:
        before = self.ids()
        path = f"/user/{self.alice.user_id}/account_data/m.ignored_user_list"
        self.alice.put(path, {"ignored_users": {self.carol.user_id: {}}})
        self.say(self.carol)
        self.mention(self.alice, self.carol)
        self.carol.create_room(invite=[self.alice.user_id])
        self.assertEqual(self.ids(), before)

    def test_bad_queries(self) -> None:
        for query in ({"from": "x"}, {"limit": 0}, {"limit": "x"}):
            self.assertEqual(self.alice.get("/notifications", **query).error, (400, "M_INVALID_PARAM"))
        self.assertEqual(self.anonymous.get("/notifications").error, (401, "M_MISSING_TOKEN"))


class OwnRuleTests(NotificationTestCase):
    def test_silent_rooms(self) -> None:
        before = self.ids()
        self.rule(self.alice, f"room/{self.room_id}")
        self.say()
        self.assertNotIn(self.say(), self.ids())
        mention = self.mention(self.alice)
        self.assertEqual(self.ids()[:1], [mention])
        self.alice.delete(f"/pushrules/global/room/{self.room_id}")
        self.assertEqual(len(self.ids()), len(before) + 3)

    def test_actions_of_own_rules(self) -> None:
        loud = ["notify", {"set_tweak": "sound", "value": "horn"}]
        self.rule(self.alice, f"sender/{self.bob.user_id}", actions=loud)
        self.say()
        self.assertEqual(self.listed()[0]["actions"], loud)
        self.say(self.carol)
        self.assertEqual(self.listed()[0]["actions"], ["notify"])

    def test_changed_actions_of_default_rules(self) -> None:
        self.say()
        path = "/pushrules/global/underride/.m.rule.message/actions"
        self.alice.put(path, {"actions": ["notify", SOUND]})
        self.assertEqual(self.listed()[0]["actions"], ["notify", SOUND])

    def test_rooms_of_two(self) -> None:
        room_id = self.bob.create_room(members=[self.alice])
        self.say(room_id=room_id)
        self.assertEqual(self.listed()[0]["actions"], ["notify", SOUND])

    def test_invitations_by_own_rules(self) -> None:
        self.rule(self.alice, f"sender/{self.bob.user_id}")
        self.alice.put("/pushrules/global/override/.m.rule.invite_for_me/enabled", {"enabled": False})
        before = self.ids()
        self.bob.create_room(invite=[self.alice.user_id])
        self.assertEqual(self.ids(), before)


class PusherTests(NotificationTestCase):
    """What pushers will ask."""

    def after(self, position: int, limit: int = 50) -> list[Notification]:
        user_nid = self.result_of(self.users_nid(self.alice.user_id))
        newest = int(self.alice.sync().next_batch[1:])
        found = Notifications(self.server.db).after(user_nid, position, newest, limit)
        return list(self.result_of(found))

    async def users_nid(self, user_id: str) -> int:
        def find(txn: Any) -> int:
            return int(txn.row("SELECT nid FROM known_user WHERE user_id = %(id)s", id=user_id)[0])

        return await self.server.db.read(find)

    def test_in_order_of_positions(self) -> None:
        start = int(self.alice.sync().next_batch[1:])
        sent = [self.say(), self.mention(self.alice), self.say(self.carol)]
        self.say(self.alice)
        found = self.after(start)
        self.assertEqual([each.event.key.event_id for each in found], sent)
        self.assertEqual(found[1].actions, ("notify", SOUND, HIGHLIGHT))
        self.assertEqual([each.event.key.event_id for each in self.after(start, 2)], sent[:2])
        self.assertEqual([each.event.key.event_id for each in self.after(found[0].event.position)], sent[1:])


class RetentionTests(NotificationTestCase):
    def count(self, table: str) -> int:
        def rows(txn: Any) -> int:
            return int(txn.row(f"SELECT count(*) FROM {table}")[0])

        async def read() -> int:
            return await self.server.db.read(rows)

        return self.result_of(read())

    def days(self, number: int) -> None:
        for _ in range(number):
            self.advance(timedelta(days=1).total_seconds())

    def test_what_is_old_is_forgotten(self) -> None:
        tables = ("push_event", "push_thread", "push_exception", "push_spoken")
        root = self.say()
        self.say_in(root)
        self.mention(self.alice)
        self.days(60)
        counts = {table: self.count(table) for table in tables}
        self.assertTrue(all(counts.values()), counts)
        young = self.say()
        self.days(31)
        self.assertEqual(
            {table: self.count(table) for table in tables}, dict.fromkeys(tables, 1) | {"push_exception": 0}
        )
        self.assertEqual((self.ids(), self.unread(self.alice)), ([young], (1, 0)))
        self.days(60)
        self.assertEqual([self.count(table) for table in tables], [0, 0, 0, 0])
        self.say()
        self.assertEqual(self.unread(self.alice), (1, 0))

    def test_rules_nobody_has_any_more(self) -> None:
        self.say()
        self.rule(self.alice, "content/cake", pattern="cake")
        self.rule(self.carol, f"room/{self.room_id}")
        self.assertEqual((self.count("push_audience"), self.count("push_ruleset")), (2, 2))
        self.alice.delete("/pushrules/global/content/cake")
        self.carol.leave(self.room_id)
        self.assertEqual(self.count("push_audience"), 1)
        self.days(1)
        self.assertEqual(self.count("push_ruleset"), 0)
        self.days(91)
        self.assertEqual(self.count("push_audience"), 0)

    def test_rules_end_with_the_account(self) -> None:
        self.rule(self.alice, "content/cake", pattern="cake")
        auth = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": "alice"},
            "password": "correct horse",
        }
        self.assertEqual(self.alice.post("/account/deactivate", {"auth": auth}).status, 200)
        self.days(1)
        self.assertEqual(self.count("push_rules"), 0)
