from homeserver.account_data.api import AccountDataEndpoints, FilterEndpoints, TagEndpoints
from homeserver.account_data.contents import AccountData
from homeserver.account_data.filters import Filters
from homeserver.account_data.tags import Tags
from homeserver.account_data.tests.serving import ALICE, BOB, ServingTestCase
from homeserver.http.requester import Requester
from homeserver.protocol.errors import NotFound
from homeserver.protocol.identifiers import RoomID
from homeserver.protocol.json import JsonObject

ROOM_ID = RoomID("!room:test")


class OneRoom:
    """Knows ROOM_ID only."""

    async def nid_of(self, room_id: RoomID) -> int:
        if room_id != ROOM_ID:
            raise NotFound("This room is not known here")
        return 7


class NoPushRules:
    """Those of a user who has none."""

    async def content(self, requester: Requester) -> JsonObject:
        return {"global": {}}


class AccountDataApiTestCase(ServingTestCase):
    def setUp(self) -> None:
        super().setUp()
        account_data, rooms = AccountData(self.db, self.journal), OneRoom()
        self.serve(
            AccountDataEndpoints(account_data, rooms, NoPushRules()),
            TagEndpoints(Tags(account_data), rooms),
            FilterEndpoints(Filters(self.db, self.clock, cache_bytes=10_000)),
        )


class AccountDataEndpointsTests(AccountDataApiTestCase):
    GLOBAL = f"/user/{ALICE}/account_data/"
    OF_ROOM = f"/user/{ALICE}/rooms/{ROOM_ID}/account_data/"

    def test_what_is_put_is_read_back(self) -> None:
        for path in (f"{self.GLOBAL}org.example.a", f"{self.OF_ROOM}org.example.a"):
            self.assertEqual(self.request(ALICE, "GET", path).error, (404, "M_NOT_FOUND"))
            self.assertEqual(self.request(ALICE, "PUT", path, {"path": path}), (200, {}))
            self.assertEqual(self.request(ALICE, "GET", path), (200, {"path": path}))

    def test_a_type_may_have_any_characters(self) -> None:
        path = f"{self.GLOBAL}org.example%2Fn%C3%A4me"
        self.request(ALICE, "PUT", path, {"a": 1})
        self.assertEqual(self.request(ALICE, "GET", path), (200, {"a": 1}))

    def test_account_data_of_others_is_forbidden(self) -> None:
        for path in (f"{self.GLOBAL}org.example.a", f"{self.OF_ROOM}org.example.a"):
            self.assertEqual(self.request(BOB, "PUT", path, {}).error, (403, "M_FORBIDDEN"))
            self.assertEqual(self.request(BOB, "GET", path).error, (403, "M_FORBIDDEN"))

    def test_a_token_is_needed(self) -> None:
        self.assertEqual(self.request(None, "GET", f"{self.GLOBAL}a").error, (401, "M_MISSING_TOKEN"))

    def test_types_of_the_server_cannot_be_set(self) -> None:
        for type_ in ("m.fully_read", "m.push_rules"):
            for path in (self.GLOBAL, self.OF_ROOM):
                self.assertEqual(self.request(ALICE, "PUT", path + type_, {}).error, (405, "M_BAD_JSON"))

    def test_push_rules_can_be_read_like_the_rest(self) -> None:
        path = f"{self.GLOBAL}m.push_rules"
        self.assertEqual(self.request(ALICE, "GET", path), (200, {"global": {}}))
        self.assertEqual(self.request(BOB, "GET", path).error, (403, "M_FORBIDDEN"))

    def test_content_must_be_an_object(self) -> None:
        for path in (f"{self.GLOBAL}a", f"{self.OF_ROOM}a"):
            self.assertEqual(self.request(ALICE, "PUT", path, b'["a"]').error, (400, "M_BAD_JSON"))
            self.assertEqual(self.request(ALICE, "PUT", path, b"{").error, (400, "M_NOT_JSON"))
            self.assertEqual(self.request(ALICE, "PUT", path, b"").error, (400, "M_NOT_JSON"))

    def test_room_and_type_are_checked(self) -> None:
        no_room = f"/user/{ALICE}/rooms/@notaroom:test/account_data/a"
        self.assertEqual(self.request(ALICE, "PUT", no_room, {}).error, (400, "M_INVALID_PARAM"))
        unknown = f"/user/{ALICE}/rooms/!other:test/account_data/a"
        self.assertEqual(self.request(ALICE, "PUT", unknown, {}).error, (404, "M_NOT_FOUND"))
        nul = f"{self.GLOBAL}a%00b"
        self.assertEqual(self.request(ALICE, "PUT", nul, {}).error, (400, "M_INVALID_PARAM"))
        long = self.GLOBAL + "a" * 256
        self.assertEqual(self.request(ALICE, "PUT", long, {}).error, (400, "M_INVALID_PARAM"))

    def test_wrong_method(self) -> None:
        self.assertEqual(self.request(ALICE, "POST", f"{self.GLOBAL}a", {}).error, (405, "M_UNRECOGNIZED"))


class TagEndpointsTests(AccountDataApiTestCase):
    TAGS = f"/user/{ALICE}/rooms/{ROOM_ID}/tags"

    def test_tags_are_added_listed_and_removed(self) -> None:
        self.assertEqual(self.request(ALICE, "GET", self.TAGS), (200, {"tags": {}}))
        self.assertEqual(self.request(ALICE, "PUT", f"{self.TAGS}/m.favourite", {"order": 0.1}), (200, {}))
        self.assertEqual(self.request(ALICE, "PUT", f"{self.TAGS}/u.work", {}), (200, {}))
        expected = {"tags": {"m.favourite": {"order": 0.1}, "u.work": {}}}
        self.assertEqual(self.request(ALICE, "GET", self.TAGS), (200, expected))
        self.assertEqual(self.request(ALICE, "DELETE", f"{self.TAGS}/m.favourite"), (200, {}))
        self.assertEqual(self.request(ALICE, "GET", self.TAGS), (200, {"tags": {"u.work": {}}}))

    def test_tags_are_account_data_of_the_room(self) -> None:
        self.request(ALICE, "PUT", f"{self.TAGS}/u.work", {})
        path = f"/user/{ALICE}/rooms/{ROOM_ID}/account_data/m.tag"
        self.assertEqual(self.request(ALICE, "GET", path), (200, {"tags": {"u.work": {}}}))

    def test_removing_what_is_not_there_is_no_error(self) -> None:
        self.assertEqual(self.request(ALICE, "DELETE", f"{self.TAGS}/u.never"), (200, {}))

    def test_tags_of_others_are_forbidden(self) -> None:
        self.assertEqual(self.request(BOB, "GET", self.TAGS).error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.request(BOB, "PUT", f"{self.TAGS}/u.a", {}).error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.request(BOB, "DELETE", f"{self.TAGS}/u.a").error, (403, "M_FORBIDDEN"))

    def test_bad_tags_are_refused(self) -> None:
        long = f"{self.TAGS}/u.{'%C3%A4' * 127}"
        self.assertEqual(self.request(ALICE, "PUT", long, {}).error, (400, "M_INVALID_PARAM"))
        self.assertEqual(self.request(ALICE, "PUT", f"{self.TAGS}/u.a", b"[]").error, (400, "M_BAD_JSON"))


class FilterEndpointsTests(AccountDataApiTestCase):
    FILTER = f"/user/{ALICE}/filter"

    def test_a_filter_is_stored_and_read(self) -> None:
        definition = {"room": {"timeline": {"limit": 10}}}
        stored = self.request(ALICE, "POST", self.FILTER, definition)
        self.assertEqual(stored.status, 200)
        read = self.request(ALICE, "GET", f"{self.FILTER}/{stored.json['filter_id']}")
        self.assertEqual(read, (200, definition))

    def test_unknown_filter(self) -> None:
        self.assertEqual(self.request(ALICE, "GET", f"{self.FILTER}/17").error, (404, "M_NOT_FOUND"))

    def test_filters_of_others_are_forbidden(self) -> None:
        self.assertEqual(self.request(BOB, "POST", self.FILTER, {}).error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.request(BOB, "GET", f"{self.FILTER}/17").error, (403, "M_FORBIDDEN"))

    def test_what_is_no_filter_is_refused(self) -> None:
        wrong = {"room": {"rooms": "!a:test"}}
        self.assertEqual(self.request(ALICE, "POST", self.FILTER, wrong).error, (400, "M_BAD_JSON"))
        self.assertEqual(self.request(ALICE, "POST", self.FILTER, b"[]").error, (400, "M_BAD_JSON"))
