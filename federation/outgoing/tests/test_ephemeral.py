"""Typing, receipts and presence from server to server, both of them whole; and what waits for a server."""

from unittest import TestCase

from federation.joining.tests.neighbours import HOME, NeighboursTestCase
from federation.outgoing.fleeting import Fleeting, PresenceNews, ReceiptNews, TypingNews
from homeserver.ephemeral.presence.state import State, UserPresence
from homeserver.protocol.identifiers import RoomID, UserID
from tests.client import Json

ROOM = RoomID("!room:here.example")


class EphemeralTestCase(NeighboursTestCase):
    """Alice, elsewhere, and Bob are in a room."""

    def setUp(self) -> None:
        super().setUp()
        self.room_id = self.room()
        self.join(self.room_id)
        self.event_id = self.alice.send(self.room_id, "hello")
        # Whoever is new is told of presence, after a while.
        for _ in range(3):
            self.settle()
        self.since = self.bob.sync().next_batch
        self.before = len(self.network.requests)

    def ephemeral(self) -> list[Json]:
        """What is new to Bob in the room."""
        self.settle()
        answer = self.bob.sync(self.since)
        self.since = answer.next_batch
        room = answer.json.get("rooms", {}).get("join", {}).get(self.room_id, {})
        events: list[Json] = room.get("ephemeral", {}).get("events", [])
        return events

    def type(self, *, is_typing: bool = True) -> None:
        body = {"typing": is_typing, "timeout": 100_000}
        self.alice.put(f"/rooms/{self.room_id}/typing/{self.alice.user_id}", body)

    def read(self, kind: str = "m.read", **body: str) -> None:
        answer = self.alice.post(f"/rooms/{self.room_id}/receipt/{kind}/{self.event_id}", body)
        self.assertEqual(answer.status, 200)

    def sent(self) -> int:
        """How many transactions Alice's server sent since."""
        new, self.before = self.network.requests[self.before :], len(self.network.requests)
        return sum(one.origin == HOME and "/send/" in one.url for one in new)


class TypingTests(EphemeralTestCase):
    def typing(self) -> list[list[str]]:
        return [event["content"]["user_ids"] for event in self.ephemeral() if event["type"] == "m.typing"]

    def test_begins_and_ends(self) -> None:
        self.type()
        self.assertEqual(self.typing(), [[self.alice.user_id]])
        self.type(is_typing=False)
        self.assertEqual(self.typing(), [[]])
        self.assertEqual(self.sent(), 2)

    def test_what_goes_on_is_repeated(self) -> None:
        self.type()
        self.typing()
        for _ in range(3):
            self.home.advance(20)
            self.advance(20)
            self.assertEqual(self.typing(), [])
        self.home.advance(41)
        self.advance(41)
        self.assertEqual(self.typing(), [[]])

    def test_changes_at_once_are_told_at_once(self) -> None:
        self.type()
        self.read()
        self.type(is_typing=False)
        self.assertEqual({event["type"] for event in self.ephemeral()}, {"m.receipt"})
        self.assertEqual(self.sent(), 1)

    def test_servers_that_are_denied(self) -> None:
        acl = {"allow": ["*"], "deny": [HOME]}
        self.alice.put(f"/rooms/{self.room_id}/state/m.room.server_acl", acl)
        self.settle()
        self.ephemeral()
        self.type()
        self.assertEqual(self.typing(), [])

    def test_who_is_not_in_the_room_is_told_nothing(self) -> None:
        self.bob.post(f"/rooms/{self.room_id}/leave")
        self.settle()
        self.sent()
        self.type()
        self.read()
        self.settle()
        self.assertEqual(self.sent(), 0)


class ReceiptTests(EphemeralTestCase):
    def receipts(self) -> list[Json]:
        return [event["content"] for event in self.ephemeral() if event["type"] == "m.receipt"]

    def test_a_receipt(self) -> None:
        self.read()
        (content,) = self.receipts()
        self.assertEqual(list(content[self.event_id]["m.read"]), [self.alice.user_id])
        self.assertNotIn("thread_id", content[self.event_id]["m.read"][self.alice.user_id])

    def test_in_a_thread(self) -> None:
        self.read(thread_id="main")
        (content,) = self.receipts()
        self.assertEqual(content[self.event_id]["m.read"][self.alice.user_id]["thread_id"], "main")

    def test_private_ones_are_told_to_nobody(self) -> None:
        self.read("m.read.private")
        self.assertEqual(self.receipts(), [])
        self.assertEqual(self.sent(), 0)

    def test_over_an_outage(self) -> None:
        """The newest of what waited is told when the server is there again."""
        self.network.down.add("test")
        self.type()
        self.read()
        self.assertEqual(self.receipts(), [])
        self.event_id = self.alice.send(self.room_id, "and again")
        self.read()
        self.type(is_typing=False)
        self.settle()
        self.network.down.clear()
        self.home.advance(600)
        self.settle()
        self.home.advance(600)
        (content,) = self.receipts()
        self.assertEqual(list(content), [self.event_id])


class PresenceTests(EphemeralTestCase):
    settings = (*EphemeralTestCase.settings, "presence={enabled: true}")

    def presence(self) -> dict[str, str]:
        """What Bob is told of others."""
        for _ in range(3):
            self.settle()
        answer = self.bob.sync(self.since)
        self.since = answer.next_batch
        events = answer.json.get("presence", {}).get("events", [])
        return {
            event["sender"]: event["content"]["presence"]
            for event in events
            if event["sender"] != self.bob.user_id
        }

    def test_presence(self) -> None:
        self.alice.put(f"/presence/{self.alice.user_id}/status", {"presence": "unavailable"})
        self.assertEqual(self.presence(), {self.alice.user_id: "unavailable"})
        self.alice.put(f"/presence/{self.alice.user_id}/status", {"presence": "offline"})
        self.assertEqual(self.presence(), {self.alice.user_id: "offline"})

    def test_who_comes_is_told_who_is_there(self) -> None:
        """Nothing has changed about Carol, whom Bob has never met."""
        carol = self.home.register("carol")
        carol.put(f"/presence/{carol.user_id}/status", {"presence": "unavailable"})
        room_id = carol.create_room(preset="public_chat")
        for _ in range(3):
            self.settle()
        self.presence()
        self.join(room_id)
        self.assertEqual(self.presence(), {carol.user_id: "unavailable"})

    def test_who_is_there_is_told_who_comes(self) -> None:
        carol = self.home.register("carol")
        carol.put(f"/presence/{carol.user_id}/status", {"presence": "unavailable"})
        for _ in range(3):
            self.settle()
        self.presence()
        carol.join(self.room_id)
        self.assertEqual(self.presence(), {carol.user_id: "unavailable"})


def receipt(event_id: str, thread: str = "") -> ReceiptNews:
    return ReceiptNews(ROOM, UserID("@alice:here.example"), thread, event_id, 1)


def typing(number: int) -> TypingNews:
    return TypingNews(ROOM, UserID(f"@user{number}:here.example"), is_typing=True)


def presence(number: int) -> PresenceNews:
    user_id = UserID(f"@user{number}:here.example")
    return PresenceNews(UserPresence(number, user_id, State.ONLINE, None, 1, is_active=True))


class FleetingTests(TestCase):
    def setUp(self) -> None:
        self.fleeting = Fleeting()

    def put(self, *news: TypingNews | ReceiptNews | PresenceNews) -> None:
        for one in news:
            self.fleeting.put(one)

    def test_the_newest_counts(self) -> None:
        self.put(receipt("$a"), receipt("$b"))
        (edu,) = self.fleeting.take(100, 1).edus
        users = edu["content"][ROOM]["m.read"]
        self.assertEqual([one["event_ids"] for one in users.values()], [["$b"]])
        self.assertFalse(self.fleeting)

    def test_what_came_meanwhile_is_newer(self) -> None:
        self.put(receipt("$a"), typing(1))
        taken = self.fleeting.take(100, 1)
        self.put(receipt("$b"))
        self.fleeting.give_back(taken)
        self.assertEqual(list(self.fleeting.take(100, 1).news), [receipt("$b"), typing(1)])

    def test_receipts_of_several_threads(self) -> None:
        self.put(receipt("$a"), receipt("$b", "main"))
        edus = self.fleeting.take(100, 1).edus
        self.assertEqual([edu["edu_type"] for edu in edus], ["m.receipt", "m.receipt"])

    def test_no_more_than_fit(self) -> None:
        self.put(*(typing(number) for number in range(5)), presence(1), presence(2))
        self.assertEqual(len(self.fleeting.take(3, 1).edus), 3)
        kinds = [edu["edu_type"] for edu in self.fleeting.take(3, 1).edus]
        self.assertEqual(kinds, ["m.typing", "m.typing", "m.presence"])
        self.assertFalse(self.fleeting)

    def test_it_does_not_grow_without_end(self) -> None:
        self.put(*(typing(number) for number in range(2_000)))
        news = self.fleeting.take(2_000, 1).news
        self.assertEqual((len(news), news[-1]), (1_000, typing(1_999)))
