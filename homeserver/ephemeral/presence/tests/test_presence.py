from collections.abc import Sequence
from typing import Any, ClassVar

from homeserver.ephemeral.presence.state import State, UserPresence, presence_edu
from homeserver.protocol.identifiers import UserID
from homeserver.storage.engine import Row, Transaction
from tests.client import SyncAnswer
from tests.wire import WireClient, WireTestCase, each

Json = Any
BUSY = "org.matrix.msc3026.busy"


def _rows(txn: Transaction) -> list[Row]:
    return txn.rows("SELECT user_nid FROM presence")


def shown(answer: SyncAnswer) -> dict[str, Json]:
    """The presence that a sync tells of, by user."""
    events = answer.json.get("presence", {}).get("events", [])
    assert all(event["type"] == "m.presence" for event in events)
    return {event["sender"]: event["content"] for event in events}


class PresenceTestCase(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")
        self.room_id = self.alice.create_room(members=[self.bob])
        # Until both are away again: who makes and joins rooms is there.
        self.advance(400)
        self.since = self.bob.sync(set_presence="offline").next_batch

    def set_state(self, user: WireClient, presence: str, **body: Json) -> None:
        path = f"/presence/{user.user_id}/status"
        self.assertEqual(user.put(path, {"presence": presence, **body}).json, {})

    def state_of(self, user: WireClient, viewer: WireClient | None = None) -> Json:
        return (viewer or user).get(f"/presence/{user.user_id}/status").json

    def news(self, **query: Json) -> dict[str, Json]:
        """What Bob, who is not seen himself, is told since he asked last."""
        answer = self.bob.sync(self.since, set_presence="offline", **query)
        self.since = answer.next_batch
        return shown(answer)


class LimitTests(WireTestCase):
    settings: ClassVar[Sequence[str]] = ("rc_presence.per_user={per_second: 0.1, burst_count: 1}",)

    def test_changes_are_limited(self) -> None:
        alice = self.register("alice")
        path = f"/presence/{alice.user_id}/status"
        answers = [alice.put(path, {"presence": "online"}).status for _ in range(2)]
        self.assertEqual(answers, [200, 429])


class StatusTests(PresenceTestCase):
    def test_what_is_said_is_seen(self) -> None:
        self.set_state(self.alice, "online", status_msg="here")
        self.advance(5)
        expected = {
            "presence": "online",
            "last_active_ago": 5000,
            "currently_active": True,
            "status_msg": "here",
        }
        self.assertEqual(self.state_of(self.alice, self.bob), expected)
        self.assertEqual(self.state_of(self.alice), expected)

    def test_without_a_message_there_is_none(self) -> None:
        self.set_state(self.alice, "online", status_msg="here")
        self.set_state(self.alice, "unavailable")
        self.assertNotIn("status_msg", self.state_of(self.alice))

    def test_strangers_see_nothing(self) -> None:
        eve = self.register("eve")
        path = f"/presence/{self.alice.user_id}/status"
        self.assertEqual(eve.get(path).error, (403, "M_FORBIDDEN"))
        self.assertEqual(eve.get("/presence/@nobody:test/status").error, (403, "M_FORBIDDEN"))
        self.bob.leave(self.room_id)
        self.assertEqual(self.bob.get(path).error, (403, "M_FORBIDDEN"))

    def test_who_was_never_seen_is_offline(self) -> None:
        carol = self.register("carol")
        self.assertEqual(self.state_of(carol), {"presence": "offline"})

    def test_what_is_refused(self) -> None:
        own = f"/presence/{self.alice.user_id}/status"
        bad = [{}, {"presence": "asleep"}, {"presence": 5}, {"presence": "online", "status_msg": 5}]
        bad.append({"presence": "online", "status_msg": "x" * 1001})
        each(lambda body: self.assertEqual(self.alice.put(own, body).status, 400), bad)
        self.assertEqual(self.bob.put(own, {"presence": "online"}).error, (403, "M_FORBIDDEN"))

    def test_old_paths(self) -> None:
        path = f"/_matrix/client/r0/presence/{self.alice.user_id}/status"
        self.assertEqual(self.alice.put(path, {"presence": "online"}).status, 200)
        self.assertEqual(self.alice.get(path)["presence"], "online")


class NewsTests(PresenceTestCase):
    def test_changes_reach_who_shares_a_room(self) -> None:
        self.set_state(self.alice, "online", status_msg="hi")
        self.assertEqual(self.news(), {})
        self.advance(1)
        self.assertEqual(self.news()[self.alice.user_id]["status_msg"], "hi")
        self.assertEqual(self.news(), {})

    def test_a_waiting_client_is_woken(self) -> None:
        poll = self.bob.start_sync(self.since, set_presence="offline")
        self.set_state(self.alice, "unavailable")
        self.assertIsNone(poll.answer)
        self.advance(1)
        assert poll.answer is not None
        self.assertEqual(list(shown(SyncAnswer(poll.answer.json))), [self.alice.user_id])

    def test_many_changes_at_once_are_one(self) -> None:
        for message in "abc":
            self.set_state(self.alice, "online", status_msg=message)
        before = int(self.since[1:])
        self.advance(1)
        self.assertEqual(self.news()[self.alice.user_id]["status_msg"], "c")
        self.assertEqual(int(self.since[1:]), before + 1)

    def test_strangers_are_not_told(self) -> None:
        eve = self.register("eve")
        since = eve.sync(set_presence="offline").next_batch
        self.set_state(self.alice, "online")
        self.advance(1)
        self.assertEqual(shown(eve.sync(since, set_presence="offline")), {})
        self.assertEqual(shown(eve.sync(set_presence="offline")), {})

    def test_oneself_is_told(self) -> None:
        carol = self.register("carol")
        since = carol.sync(set_presence="offline").next_batch
        self.set_state(carol, "online")
        self.advance(1)
        self.assertEqual(list(shown(carol.sync(since, set_presence="offline"))), [carol.user_id])
        self.assertEqual(list(shown(carol.sync(set_presence="offline"))), [carol.user_id])

    def test_a_first_sync_tells_who_is_there(self) -> None:
        self.assertEqual(shown(self.bob.sync(set_presence="offline")), {})
        self.set_state(self.alice, "online")
        self.advance(1)
        found = shown(self.bob.sync(set_presence="offline"))
        self.assertEqual(found[self.alice.user_id]["presence"], "online")

    def test_whoever_comes_into_a_room_is_told_of_who_is_there(self) -> None:
        carol = self.register("carol")
        public = self.alice.create_room(preset="public_chat")
        self.set_state(self.alice, "online")
        since = carol.sync(set_presence="offline").next_batch
        self.advance(1)
        carol.join(public)
        answer = carol.sync(since, set_presence="offline")
        self.assertEqual(shown(answer)[self.alice.user_id]["presence"], "online")

    def test_who_is_there_is_told_of_whoever_comes(self) -> None:
        carol = self.register("carol")
        self.set_state(carol, "online", status_msg="new here")
        self.advance(1)
        self.assertEqual(self.news(), {})
        self.alice.invite(self.room_id, carol)
        carol.join(self.room_id)
        self.assertEqual(self.news()[carol.user_id]["status_msg"], "new here")

    def test_who_left_is_told_nothing_more(self) -> None:
        self.bob.leave(self.room_id)
        self.set_state(self.alice, "online")
        self.advance(1)
        self.assertEqual(self.news(), {})

    def test_filters(self) -> None:
        self.set_state(self.alice, "online")
        self.advance(1)
        for wish in ({"not_types": ["*"]}, {"not_senders": [self.alice.user_id]}, {"limit": 0}):
            found = shown(self.bob.sync(self.since, set_presence="offline", filter={"presence": wish}))
            self.assertEqual(found, {})
        found = shown(self.bob.sync(self.since, filter={"presence": {"senders": [self.alice.user_id]}}))
        self.assertEqual(list(found), [self.alice.user_id])

    def test_busy(self) -> None:
        for name in ("busy", BUSY):
            self.set_state(self.alice, name)
            self.advance(1)
            self.assertEqual(self.news()[self.alice.user_id]["presence"], BUSY)
            self.alice.sync()
            self.advance(1)
            self.assertEqual(self.news(), {})
            self.set_state(self.alice, "unavailable")
            self.advance(1)
            self.news()
        flags = self.anonymous.get("/_matrix/client/versions")["unstable_features"]
        self.assertTrue(flags["org.matrix.msc3026.busy_presence"])


class TimeTests(PresenceTestCase):
    def states(self, user: WireClient) -> tuple[str, bool | None]:
        found = self.news()[user.user_id]
        return found["presence"], found.get("currently_active")

    def test_a_poll_keeps_its_user_online_until_they_are_idle(self) -> None:
        poll = self.alice.start_sync(self.alice.sync().next_batch, timeout=300_000)
        self.advance(1)
        self.assertEqual(self.states(self.alice), ("online", True))
        poll = self.alice.start_sync(self.since, timeout=300_000)
        self.advance(60)
        self.advance(1)
        self.assertEqual(self.states(self.alice), ("online", False))
        poll.hang_up()
        poll = self.alice.start_sync(self.since, timeout=300_000, set_presence="online")
        self.advance(240)
        self.advance(1)
        self.assertEqual(self.states(self.alice), ("unavailable", None))
        poll.hang_up()
        self.advance(31)
        self.advance(1)
        self.assertEqual(self.states(self.alice), ("offline", None))

    def test_who_sends_something_is_there(self) -> None:
        acts = [
            lambda: self.alice.send(self.room_id, "x"),
            lambda: self.alice.put(f"/rooms/{self.room_id}/typing/{self.alice.user_id}", {"typing": False}),
            lambda: self.alice.post(f"/rooms/{self.room_id}/receipt/m.read/$unknown"),
        ]
        for act in acts:
            act()
            self.advance(1)
            self.assertEqual(self.states(self.alice), ("online", True))
            # Nothing is said of what is done meanwhile.
            act()
            self.advance(1)
            self.assertEqual(self.news(), {})
            self.advance(100)
            self.advance(1)
            self.assertEqual(self.states(self.alice), ("offline", None))

    def test_a_sync_may_go_unseen(self) -> None:
        self.alice.sync(set_presence="offline")
        self.advance(1)
        self.assertEqual(self.news(), {})

    def test_devices_combine(self) -> None:
        phone = self.log_in(self.alice, "PHONE")
        poll = phone.start_sync(self.since, timeout=600_000, set_presence="unavailable")
        self.advance(1)
        self.assertEqual(self.states(self.alice), ("unavailable", None))
        self.set_state(self.alice, "online")
        self.advance(1)
        self.assertEqual(self.states(self.alice), ("online", True))
        poll.hang_up()
        poll = phone.start_sync(self.since, timeout=600_000, set_presence="unavailable")
        self.advance(31)
        self.advance(1)
        self.assertEqual(self.states(self.alice), ("unavailable", None))
        poll.hang_up()

    def test_a_restart_is_survived(self) -> None:
        self.set_state(self.alice, "online", status_msg="still here")
        self.advance(1)
        self.news()
        self.restart()
        found = shown(self.bob.sync(set_presence="offline"))
        self.assertEqual(found[self.alice.user_id]["status_msg"], "still here")
        self.advance(35)
        self.advance(1)
        self.assertEqual(self.states(self.alice), ("offline", None))
        self.alice.sync()
        self.advance(1)
        self.assertEqual(self.news()[self.alice.user_id]["status_msg"], "still here")

    def test_what_changed_before_a_restart_is_told_after_it(self) -> None:
        self.set_state(self.alice, "unavailable")
        self.advance(1)
        self.restart()
        self.assertEqual(self.states(self.alice), ("unavailable", None))

    def test_what_was_gathered_is_stored_at_the_end(self) -> None:
        self.set_state(self.alice, "unavailable", status_msg="quick")
        self.restart()
        self.assertEqual(self.state_of(self.alice)["status_msg"], "quick")

    def test_rows_end_a_month_later(self) -> None:
        self.set_state(self.alice, "online")
        self.advance(100)
        self.advance(1)
        self.assertTrue(self.successResultOf(self.server.db.read(_rows)))
        for _ in range(31 * 4 + 1):
            self.advance(6 * 3600)
        self.assertEqual(self.successResultOf(self.server.db.read(_rows)), [])


class SwitchedOffTests(PresenceTestCase):
    settings: ClassVar[Sequence[str]] = ("presence.enabled=false",)

    def test_everybody_is_offline(self) -> None:
        self.set_state(self.alice, "online")
        self.advance(1)
        self.assertEqual(self.state_of(self.alice, self.bob), {"presence": "offline"})
        self.assertEqual(self.news(), {})


class UntrackedTests(PresenceTestCase):
    settings: ClassVar[Sequence[str]] = ("presence.enabled=untracked",)

    def test_updates_are_dropped(self) -> None:
        self.set_state(self.alice, "online")
        self.alice.sync()
        self.advance(1)
        self.assertEqual(self.state_of(self.alice, self.bob), {"presence": "offline"})
        self.assertEqual(self.news(), {})


def test_what_other_servers_are_told() -> None:
    alice = UserPresence(1, UserID("@alice:test"), State.ONLINE, "hi", 1000, is_active=True)
    gone = UserPresence(2, UserID("@bob:test"), State.OFFLINE, None, 0, is_active=False)
    assert presence_edu([alice, gone], 1500)["content"] == {
        "push": [
            {
                "user_id": "@alice:test",
                "presence": "online",
                "last_active_ago": 500,
                "currently_active": True,
                "status_msg": "hi",
            },
            {"user_id": "@bob:test", "presence": "offline", "last_active_ago": 0},
        ]
    }
