from twisted.internet.defer import Deferred

from homeserver.account_data.filters import Filters
from homeserver.account_data.tests.serving import ServingTestCase
from homeserver.protocol.errors import BadJson, NotFound
from homeserver.protocol.json import JsonObject, decode_json

DEFINITION: JsonObject = {"room": {"timeline": {"limit": 7}}, "org.example.extra": True}


class FiltersTests(ServingTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.filters = self.make()

    def make(self) -> Filters:
        return Filters(self.db, self.clock, cache_bytes=100_000)

    def add(self, definition: JsonObject) -> str:
        return self.result_of(self.filters.add(self.alice, definition))

    def test_equal_filters_have_one_id(self) -> None:
        first = self.add({"event_fields": ["type"], "event_format": "client"})
        again = self.add({"event_format": "client", "event_fields": ["type"]})
        self.assertEqual(first, again)
        self.assertNotEqual(first, self.add({"event_fields": ["content"]}))
        self.assertFalse(first.startswith("{"))

    def test_the_definition_is_kept_as_it_was_given(self) -> None:
        text = self.result_of(self.filters.definition(self.alice, self.add(DEFINITION)))
        self.assertEqual(decode_json(text), DEFINITION)

    def test_a_filter_is_found_after_a_restart(self) -> None:
        filter_id = self.add(DEFINITION)
        for filters in (self.filters, self.make()):
            found = self.result_of(filters.get(self.alice, filter_id))
            self.assertEqual(found.room.timeline.limit, 7)

    def test_a_filter_in_use_needs_no_query(self) -> None:
        filter_id = self.add(DEFINITION)
        self.threads.held = True
        self.result_of(self.filters.get(self.alice, filter_id))
        self.assertEqual(self.add(DEFINITION), filter_id)

    def test_a_filter_belongs_to_its_user(self) -> None:
        filter_id = self.add(DEFINITION)
        self.failureResultOf(Deferred.fromCoroutine(self.filters.get(self.bob, filter_id)), NotFound)

    def test_what_is_no_filter_is_refused(self) -> None:
        wrong: JsonObject = {"room": {"timeline": {"limit": "many"}}}
        self.failureResultOf(Deferred.fromCoroutine(self.filters.add(self.alice, wrong)), BadJson)
