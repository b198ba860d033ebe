from homeserver.account_data.contents import AccountData
from homeserver.account_data.store import ContentKey
from homeserver.account_data.tests.serving import ALICE, BOB, Reply, ServingTestCase
from homeserver.ephemeral.api import ReceiptEndpoints, TypingEndpoints
from homeserver.ephemeral.edus import receipt_edus
from homeserver.ephemeral.read_markers import ReadMarkers
from homeserver.ephemeral.receipts import Receipts
from homeserver.ephemeral.store import receipt_changes
from homeserver.ephemeral.tests.rooms import ROOM, ROOM_ID, NobodyElse, OneRoom
from homeserver.ephemeral.typing_notifications import Typing
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import JsonObject, JsonValue, decode_json


class Unwatched:
    """Nobody asks who is there."""

    async def active(self, user_nid: int, user_id: UserID, device_nid: int | None) -> None:
        pass


class TypingEndpointsTests(ServingTestCase):
    PATH = f"/rooms/{ROOM_ID}/typing/{ALICE}"

    def setUp(self) -> None:
        super().setUp()
        self.typing = Typing(self.journal, self.clock, NobodyElse())
        self.serve(TypingEndpoints(self.typing, OneRoom(ALICE), Unwatched()))

    def put(self, body: JsonValue, user: UserID | None = ALICE, path: str = PATH) -> Reply:
        return self.request(user, "PUT", path, body)

    def test_typing_starts_and_stops(self) -> None:
        self.assertEqual(self.put({"typing": True, "timeout": 5000}), (200, {}))
        self.assertEqual(self.typing.typing_users(ROOM), [ALICE])
        self.assertEqual(self.put({"typing": False}), (200, {}))
        self.assertEqual(self.typing.typing_users(ROOM), [])

    def test_the_timeout_is_in_milliseconds(self) -> None:
        self.put({"typing": True, "timeout": 5000})
        self.reactor.advance(4.9)
        self.assertEqual(self.typing.typing_users(ROOM), [ALICE])
        self.reactor.advance(0.2)
        self.assertEqual(self.typing.typing_users(ROOM), [])

    def test_nobody_types_for_hours(self) -> None:
        self.put({"typing": True, "timeout": 10**9})
        self.reactor.advance(121)
        self.assertEqual(self.typing.typing_users(ROOM), [])

    def test_others_cannot_be_made_to_type(self) -> None:
        other = f"/rooms/{ROOM_ID}/typing/{BOB}"
        self.assertEqual(self.put({"typing": True}, path=other).error, (403, "M_FORBIDDEN"))

    def test_only_members_type(self) -> None:
        path = f"/rooms/{ROOM_ID}/typing/{BOB}"
        self.assertEqual(self.put({"typing": True}, BOB, path).error, (403, "M_FORBIDDEN"))
        unknown = f"/rooms/!other:test/typing/{ALICE}"
        self.assertEqual(self.put({"typing": True}, path=unknown).error, (403, "M_FORBIDDEN"))

    def test_bad_requests(self) -> None:
        self.assertEqual(self.put({}).error, (400, "M_MISSING_PARAM"))
        self.assertEqual(self.put({"typing": "yes"}).error, (400, "M_BAD_JSON"))
        self.assertEqual(self.put({"typing": True, "timeout": "long"}).error, (400, "M_BAD_JSON"))
        self.assertEqual(self.put({"typing": True, "timeout": -1}).error, (400, "M_BAD_JSON"))
        self.assertEqual(self.put(b"typing").error, (400, "M_NOT_JSON"))
        self.assertEqual(self.put({"typing": True}, user=None).error, (401, "M_MISSING_TOKEN"))


class Reading:
    """A ReadListener."""

    def __init__(self) -> None:
        self.readers: list[int] = []

    def has_read(self, user_nid: int) -> None:
        self.readers.append(user_nid)


class ReceiptApiTestCase(ServingTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.room = OneRoom(ALICE, BOB)
        for event_id in ("$1", "$2", "$3"):
            self.room.add(event_id)
        self.account_data = AccountData(self.db, self.journal)
        receipts = Receipts(self.journal, NobodyElse())
        self.reading = Reading()
        markers = ReadMarkers(receipts, self.account_data, self.room, self.room, self.reading, self.clock)
        self.serve(ReceiptEndpoints(markers, Unwatched()))

    def post(self, path: str, body: JsonValue, user: UserID = ALICE) -> Reply:
        return self.request(user, "POST", f"/rooms/{ROOM_ID}/{path}", body)

    def seen_by(self, viewer: UserID) -> JsonObject:
        rows = self.result_of(self.db.read(receipt_changes, [ROOM], 0, self.journal.position))
        edu = receipt_edus(rows, viewer).get(ROOM, {"content": {}})
        content: JsonObject = edu["content"]
        return content

    def fully_read(self) -> JsonValue:
        text = self.result_of(self.account_data.content(ContentKey(self.alice, ROOM, "m.fully_read")))
        return None if text is None else decode_json(text)


class ReceiptEndpointTests(ReceiptApiTestCase):
    def test_a_receipt_is_seen_by_others_with_its_time(self) -> None:
        self.assertEqual(self.post("receipt/m.read/$2", {}), (200, {}))
        self.assertEqual(self.seen_by(BOB), {"$2": {"m.read": {ALICE: {"ts": 1_000_000}}}})

    def test_a_private_receipt_is_not(self) -> None:
        self.post("receipt/m.read.private/$2", {})
        self.assertEqual(self.seen_by(BOB), {})
        self.assertEqual(list(self.seen_by(ALICE)), ["$2"])

    def test_receipts_of_threads_stand_beside_each_other(self) -> None:
        self.room.add("$reply", ("m.thread", "$1"))
        self.post("receipt/m.read/$2", {"thread_id": "main"})
        self.post("receipt/m.read/$reply", {"thread_id": "$1"})
        expected = {
            "$2": {"m.read": {ALICE: {"ts": 1_000_000, "thread_id": "main"}}},
            "$reply": {"m.read": {ALICE: {"ts": 1_000_000, "thread_id": "$1"}}},
        }
        self.assertEqual(self.seen_by(BOB), expected)

    def test_receipts_do_not_move_back(self) -> None:
        self.post("receipt/m.read/$2", {})
        self.assertEqual(self.post("receipt/m.read/$1", {}), (200, {}))
        self.assertEqual(list(self.seen_by(BOB)), ["$2"])

    def test_a_receipt_at_an_unknown_event_is_ignored(self) -> None:
        self.assertEqual(self.post("receipt/m.read/$unknown", {}), (200, {}))
        self.assertEqual(self.seen_by(BOB), {})

    def test_fully_read_goes_to_account_data(self) -> None:
        self.assertEqual(self.post("receipt/m.fully_read/$2", {}), (200, {}))
        self.assertEqual(self.fully_read(), {"event_id": "$2"})
        self.assertEqual(self.seen_by(ALICE), {})

    def test_bad_threads(self) -> None:
        self.room.add("$reply", ("m.thread", "$1"))
        for path, thread_id in [
            ("receipt/m.read/$2", ""),
            ("receipt/m.read/$2", 5),
            ("receipt/m.read/$2", None),
            ("receipt/m.read/$2", "no event"),
            ("receipt/m.read/$2", "$1"),
            ("receipt/m.read/$reply", "main"),
            ("receipt/m.fully_read/$2", "main"),
        ]:
            answer = self.post(path, {"thread_id": thread_id})
            self.assertEqual(answer.error, (400, "M_INVALID_PARAM"), (path, thread_id))
        self.assertEqual(self.seen_by(ALICE), {})

    def test_bad_requests(self) -> None:
        self.assertEqual(self.post("receipt/m.seen/$2", {}).error, (400, "M_INVALID_PARAM"))
        self.assertEqual(self.post("receipt/m.read/2", {}).error, (400, "M_INVALID_PARAM"))
        self.assertEqual(self.post("receipt/m.read/$2", b"{").error, (400, "M_NOT_JSON"))
        self.assertEqual(self.post("receipt/m.read/$2", b"[]").error, (400, "M_BAD_JSON"))

    def test_only_members_have_receipts(self) -> None:
        mallory = UserID("@mallory:test")
        self.assertEqual(self.post("receipt/m.read/$2", {}, mallory).error, (403, "M_FORBIDDEN"))


class ReadMarkersEndpointTests(ReceiptApiTestCase):
    def test_all_markers_at_once(self) -> None:
        body = {"m.fully_read": "$1", "m.read": "$2", "m.read.private": "$3"}
        self.assertEqual(self.post("read_markers", body), (200, {}))
        self.assertEqual(self.fully_read(), {"event_id": "$1"})
        expected = {
            "$2": {"m.read": {ALICE: {"ts": 1_000_000}}},
            "$3": {"m.read.private": {ALICE: {"ts": 1_000_000}}},
        }
        self.assertEqual(self.seen_by(ALICE), expected)

    def test_the_marker_does_not_move_back(self) -> None:
        self.post("read_markers", {"m.fully_read": "$2"})
        self.assertEqual(self.post("read_markers", {"m.fully_read": "$1"}), (200, {}))
        self.assertEqual(self.fully_read(), {"event_id": "$2"})
        self.post("read_markers", {"m.fully_read": "$3"})
        self.assertEqual(self.fully_read(), {"event_id": "$3"})

    def test_the_marker_moves_back_where_its_user_says_so(self) -> None:
        back = {"com.beeper.allow_backward": True}
        for path, body in (("read_markers", {"m.fully_read": "$1"}), ("receipt/m.fully_read/$1", {})):
            self.post("read_markers", {"m.fully_read": "$3"})
            self.post(path, body)
            self.assertEqual(self.fully_read(), {"event_id": "$3"})
            self.assertEqual(self.post(path, {**body, **back}), (200, {}))
            self.assertEqual(self.fully_read(), {"event_id": "$1"})
        # From there on it moves as before.
        self.post("read_markers", {"m.fully_read": "$2"})
        self.post("read_markers", {"m.fully_read": "$1"})
        self.assertEqual(self.fully_read(), {"event_id": "$2"})

    def test_receipts_never_move_back(self) -> None:
        self.post("read_markers", {"m.read": "$2"})
        self.post("read_markers", {"m.read": "$1", "com.beeper.allow_backward": True})
        self.assertEqual(list(self.seen_by(BOB)), ["$2"])

    def test_the_marker_wakes_its_user(self) -> None:
        alice, bob = self.waiter(("user", self.alice)), self.waiter(("user", self.bob))
        self.post("read_markers", {"m.fully_read": "$2"})
        self.assertTrue(self.successResultOf(alice))
        self.assertNoResult(bob)

    def test_saying_nothing_is_allowed(self) -> None:
        for body in ({}, {"m.read": None}, {"m.read": "", "org.example.read": "$1"}):
            self.assertEqual(self.post("read_markers", body), (200, {}))
        self.assertEqual((self.seen_by(ALICE), self.fully_read()), ({}, None))

    def test_an_event_that_the_room_does_not_have(self) -> None:
        body = {"m.fully_read": "$unknown", "m.read": "$2"}
        self.assertEqual(self.post("read_markers", body).error, (404, "M_NOT_FOUND"))
        self.assertEqual(self.seen_by(ALICE), {})

    def test_bad_requests(self) -> None:
        self.assertEqual(self.post("read_markers", {"m.read": 5}).error, (400, "M_BAD_JSON"))
        self.assertEqual(self.post("read_markers", {"m.read": "5"}).error, (400, "M_INVALID_PARAM"))
        self.assertEqual(self.post("read_markers", b"no").error, (400, "M_NOT_JSON"))

    def test_only_members_have_markers(self) -> None:
        mallory = UserID("@mallory:test")
        body = {"m.fully_read": "$1"}
        self.assertEqual(self.post("read_markers", body, mallory).error, (403, "M_FORBIDDEN"))
