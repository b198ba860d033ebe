from typing import Any

from homeserver.e2ee.new_keys import Addition, store_additions
from homeserver.e2ee.store.one_time_keys import UploadedKeys
from homeserver.e2ee.tests.keys import answered, claim, keys_of, publish, query
from homeserver.protocol.errors import Unknown
from tests.wire import WireTestCase, each

Json = Any


class KeyTestCase(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")


class UploadTests(KeyTestCase):
    def test_keys_are_found_by_others(self) -> None:
        keys = publish(self.alice)
        shown = query(self.bob, self.alice)["device_keys"]["@alice:test"]
        self.assertEqual(shown, {self.alice.device_id: keys.device_keys()})

    def test_with_the_name_that_the_user_gave_the_device(self) -> None:
        keys = publish(self.alice)
        self.alice.put(f"/devices/{self.alice.device_id}", {"display_name": 'A "phone"'})
        shown = query(self.bob, self.alice)["device_keys"]["@alice:test"][self.alice.device_id]
        self.assertEqual(shown, {**keys.device_keys(), "unsigned": {"device_display_name": 'A "phone"'}})

    def test_unknown_fields_stay_and_what_is_unsigned_goes(self) -> None:
        device_keys = keys_of(self.alice).device_keys(dehydrated=True)
        self.alice.post("/keys/upload", {"device_keys": {**device_keys, "unsigned": {"x": 1}}})
        shown = query(self.bob, self.alice)["device_keys"]["@alice:test"]
        self.assertEqual(shown, {self.alice.device_id: device_keys})

    def test_signatures_of_others_are_dropped(self) -> None:
        device_keys = keys_of(self.bob).sign(keys_of(self.alice).device_keys())
        self.alice.post("/keys/upload", {"device_keys": device_keys})
        shown = query(self.bob, self.alice)["device_keys"]["@alice:test"][self.alice.device_id]
        self.assertEqual(list(shown["signatures"]), ["@alice:test"])

    def test_one_time_keys_are_counted(self) -> None:
        keys = keys_of(self.alice)
        answer = self.alice.post("/keys/upload", {"one_time_keys": keys.one_time_keys("A", "B")})
        self.assertEqual(answer.json, {"one_time_key_counts": {"signed_curve25519": 2}})
        more = {"one_time_keys": {"curve25519:A": "plain"}}
        answer = self.alice.post("/keys/upload", more)
        self.assertEqual(answer["one_time_key_counts"], {"curve25519": 1, "signed_curve25519": 2})
        self.assertEqual(self.alice.post("/keys/upload").json, answer.json)

    def test_a_key_that_is_uploaded_again(self) -> None:
        keys = keys_of(self.alice)
        self.alice.post("/keys/upload", {"one_time_keys": keys.one_time_keys("A")})
        again = {"one_time_keys": keys.one_time_keys("A", "B")}
        # Signed anew, it is the same key.
        again["one_time_keys"]["signed_curve25519:A"]["signatures"] = {}
        answer = self.alice.post("/keys/upload", again)
        self.assertEqual(answer["one_time_key_counts"], {"signed_curve25519": 2})

    def test_another_key_with_the_same_id(self) -> None:
        self.alice.post("/keys/upload", {"one_time_keys": {"curve25519:A": "one"}})
        answer = self.alice.post("/keys/upload", {"one_time_keys": {"curve25519:A": "two"}})
        self.assertEqual(answer.error, (400, "M_UNKNOWN"))
        self.assertIn("One time key curve25519:A already exists", answer.json["error"])
        self.assertEqual(
            claim(self.bob, self.alice, algorithm="curve25519"), self.only("curve25519:A", "one")
        )

    def only(self, name: str, key: Json) -> Json:
        return {"@alice:test": {self.alice.device_id: {name: key}}}

    def test_a_claimed_key_does_not_come_back(self) -> None:
        keys = publish(self.alice, "A")
        claim(self.bob, self.alice)
        answer = self.alice.post("/keys/upload", {"one_time_keys": keys.one_time_keys("A")})
        self.assertEqual(answer["one_time_key_counts"], {})
        self.assertEqual(claim(self.bob, self.alice), {})
        # But another one may have its name.
        new = {"one_time_keys": keys.one_time_keys("A", new=True)}
        self.assertEqual(
            self.alice.post("/keys/upload", new)["one_time_key_counts"], {"signed_curve25519": 1}
        )
        self.assertEqual(
            claim(self.bob, self.alice)["@alice:test"][self.alice.device_id], new["one_time_keys"]
        )

    def test_new_keys_after_all_were_claimed(self) -> None:
        for names in (["A", "B"], ["C", "D"]):
            keys = publish(self.alice, *names)
            for name in names:
                claimed = claim(self.bob, self.alice)["@alice:test"][self.alice.device_id]
                self.assertEqual(claimed, keys.one_time_keys(name))
            self.assertEqual(claim(self.bob, self.alice), {})

    def test_keys_and_names_of_different_sizes(self) -> None:
        keys = {
            "curve25519:A": "one",
            "curve25519:ÄÖ": "two",
            "curve25519:✉": "drei",
            "curve25519:BB": "four",
        }
        self.alice.post("/keys/upload", {"one_time_keys": keys})
        for name, key in keys.items():
            claimed = claim(self.bob, self.alice, algorithm="curve25519")
            self.assertEqual(claimed, self.only(name, key))
        self.assertEqual(claim(self.bob, self.alice, algorithm="curve25519"), {})

    def test_uploads_at_the_same_time(self) -> None:
        """They are stored together: one that is refused takes none along, and the next is judged by the one before."""
        key = UploadedKeys("curve25519", ["A"], [b'"one"'])
        other = key._replace(keys=[b'"two"'])
        keys = [(1, key), (2, other), (1, other), (1, key), (1, key._replace(key_ids=["B"]))]
        additions = [Addition(nid, [key], []) for nid, key in keys]
        self.successResultOf(self.server.db.write(store_additions, additions))
        self.assertEqual([type(each.refused) for each in additions[2:]], [Unknown, type(None), type(None)])
        self.assertEqual([each.counts.get("curve25519") for each in additions], [1, 1, None, 1, 2])

    def test_more_keys_than_enough(self) -> None:
        keys = keys_of(self.alice)
        body = {"one_time_keys": keys.one_time_keys(*(f"A{number}" for number in range(500)))}
        self.assertEqual(
            self.alice.post("/keys/upload", body)["one_time_key_counts"], {"signed_curve25519": 500}
        )
        answer = self.alice.post("/keys/upload", {"one_time_keys": keys.one_time_keys("B")})
        self.assertEqual(answer.error, (413, "M_TOO_LARGE"))
        self.assertEqual(self.alice.post("/keys/upload")["one_time_key_counts"], {"signed_curve25519": 500})

    def test_keys_of_others(self) -> None:
        other = keys_of(self.alice)
        other.device_id = "OTHER"
        wrong: list[Json] = [keys_of(self.bob).device_keys(), other.device_keys()]
        for device_keys in wrong:
            answer = self.alice.post("/keys/upload", {"device_keys": device_keys})
            self.assertEqual(answer.error, (400, "M_INVALID_PARAM"))
        self.assertEqual(query(self.bob, self.alice)["device_keys"], {"@alice:test": {}})

    def test_bad_device_keys(self) -> None:
        good = keys_of(self.alice).device_keys()

        def check(change: Json) -> None:
            body = {"device_keys": {**good, **change}}
            self.assertEqual(self.alice.post("/keys/upload", body).error, (400, "M_BAD_JSON"))

        each(
            check,
            [
                {"algorithms": "m.olm"},
                {"algorithms": [5]},
                {"keys": []},
                {"keys": {"ed25519:X": 5}},
                {"signatures": {"@alice:test": "x"}},
                {"signatures": None},
                {"user_id": 5},
                {"weight": 1.5},
            ],
        )
        for name in good:
            body = {"device_keys": {key: value for key, value in good.items() if key != name}}
            self.assertEqual(self.alice.post("/keys/upload", body).error, (400, "M_BAD_JSON"), name)

    def test_bad_one_time_keys(self) -> None:
        def check(case: tuple[str, Json, str]) -> None:
            name, key, errcode = case
            for kind in ("one_time_keys", "fallback_keys"):
                answer = self.alice.post("/keys/upload", {kind: {name: key}})
                self.assertEqual(answer.error, (400, errcode))

        signed = {"key": "x", "signatures": {}}
        each(
            check,
            [
                ("curve25519", "x", "M_INVALID_PARAM"),
                (":A", "x", "M_INVALID_PARAM"),
                ("curve25519:", "x", "M_INVALID_PARAM"),
                ("curve25519:" + "A" * 300, "x", "M_INVALID_PARAM"),
                ("curve25519:A\0", "x", "M_INVALID_PARAM"),
                ("curve25519:A", 5, "M_BAD_JSON"),
                ("curve25519:A", None, "M_BAD_JSON"),
                ("signed_curve25519:A", {"key": "x"}, "M_BAD_JSON"),
                ("signed_curve25519:A", {**signed, "key": 5}, "M_BAD_JSON"),
                ("signed_curve25519:A", {**signed, "signatures": {"@alice:test": {"x": 5}}}, "M_BAD_JSON"),
            ],
        )
        self.assertEqual(self.alice.post("/keys/upload")["one_time_key_counts"], {})


class QueryTests(KeyTestCase):
    def test_single_devices(self) -> None:
        publish(self.alice)
        phone = self.log_in(self.alice, "PHONE")
        publish(phone)
        wish = {"@alice:test": ["PHONE", "UNKNOWN"]}
        answer = self.bob.post("/keys/query", {"device_keys": wish, "timeout": 1})
        self.assertEqual(list(answer["device_keys"]["@alice:test"]), ["PHONE"])
        self.assertEqual(len(query(self.bob, self.alice)["device_keys"]["@alice:test"]), 2)

    def test_users_who_do_not_exist(self) -> None:
        answer = self.bob.post("/keys/query", {"device_keys": {"@nobody:test": []}})
        self.assertEqual(
            (answer.status, answer["device_keys"], answer["failures"]), (200, {"@nobody:test": {}}, {})
        )

    def test_servers_that_are_not_reached(self) -> None:
        publish(self.alice)
        wish: Json = {"@carol:elsewhere": [], "@alice:test": []}
        exchange = self.bob.start("POST", "/keys/query", {"device_keys": wish, "timeout": 3000})
        self.assertIsNone(exchange.answer)
        self.advance(3)
        answer = answered(exchange)
        self.assertEqual(list(answer["failures"]), ["elsewhere"])
        self.assertEqual(list(answer["device_keys"]), ["@alice:test"])

    def test_bad_requests(self) -> None:
        nobody: list[Json] = [{"alice": []}, {"@alice": []}]
        for device_keys in nobody:
            answer = self.bob.post("/keys/query", {"device_keys": device_keys})
            self.assertEqual(answer.error, (400, "M_INVALID_PARAM"))
        for body in ({"device_keys": {"@alice:test": [5]}}, {"device_keys": [], "timeout": 1}):
            self.assertEqual(self.bob.post("/keys/query", body).error, (400, "M_BAD_JSON"))


class ClaimTests(KeyTestCase):
    def test_each_key_once_and_in_the_order_of_upload(self) -> None:
        keys = publish(self.alice, "B")
        self.alice.post("/keys/upload", {"one_time_keys": keys.one_time_keys("A")})
        claimed = [claim(self.bob, self.alice) for _ in range(3)]
        expected = [{"@alice:test": {self.alice.device_id: keys.one_time_keys(name)}} for name in ("B", "A")]
        self.assertEqual(claimed, [*expected, {}])

    def test_of_many_devices_at_once(self) -> None:
        phone = self.log_in(self.alice, "PHONE")
        for client in (self.alice, phone, self.bob):
            publish(client, "A")
        carol = self.register("carol")
        claimed = claim(carol, self.alice, phone, self.bob, carol)
        self.assertEqual(sorted(claimed["@alice:test"]), sorted([self.alice.device_id, "PHONE"]))
        self.assertEqual(list(claimed["@bob:test"]), [self.bob.device_id])
        self.assertNotIn("@carol:test", claimed)

    def test_the_fallback_key_when_there_is_no_other(self) -> None:
        keys = publish(self.alice, "A")
        fallback = keys.one_time_keys("F", fallback=True)
        self.alice.post("/keys/upload", {"fallback_keys": fallback})
        self.assertEqual(self.stock(), ({"signed_curve25519": 1}, ["signed_curve25519"]))
        names = [list(claim(self.bob, self.alice)["@alice:test"][self.alice.device_id]) for _ in range(3)]
        self.assertEqual(names, [["signed_curve25519:A"], *[["signed_curve25519:F"]] * 2])
        self.assertEqual(self.stock(), ({"signed_curve25519": 0}, []))
        # The same once more does not make it unused, a new one does.
        self.alice.post("/keys/upload", {"fallback_keys": fallback})
        self.assertEqual(self.stock()[1], [])
        self.alice.post("/keys/upload", {"fallback_keys": keys.one_time_keys("G", fallback=True)})
        self.assertEqual(self.stock()[1], ["signed_curve25519"])
        claimed = claim(self.bob, self.alice)["@alice:test"][self.alice.device_id]
        self.assertEqual(list(claimed), ["signed_curve25519:G"])

    def stock(self) -> tuple[Json, Json]:
        answer = self.alice.sync().json
        name = "device_unused_fallback_key_types"
        self.assertEqual(answer[name], answer[f"org.matrix.msc2732.{name}"])
        return answer["device_one_time_keys_count"], answer[name]

    def test_unknown_algorithms_devices_and_servers(self) -> None:
        publish(self.alice, "A")
        self.assertEqual(claim(self.bob, self.alice, algorithm="unknown"), {})
        wish: Json = {
            "@alice:test": {"UNKNOWN": "signed_curve25519"},
            "@nobody:test": {"X": "signed_curve25519"},
            "@carol:elsewhere": {"X": "signed_curve25519"},
        }
        exchange = self.bob.start("POST", "/keys/claim", {"one_time_keys": wish, "timeout": 3000})
        self.assertIsNone(exchange.answer)
        self.advance(3)
        answer = answered(exchange)
        self.assertEqual((answer["one_time_keys"], list(answer["failures"])), ({}, ["elsewhere"]))

    def test_every_answer_of_sync_tells_what_is_left(self) -> None:
        publish(self.alice, "A", "B")
        since = self.alice.sync().next_batch
        poll = self.alice.start_sync(since)
        # Nobody is woken for it.
        claim(self.bob, self.alice)
        self.assertIsNone(poll.answer)
        self.advance(30)
        assert poll.answer is not None
        self.assertEqual(poll.answer["device_one_time_keys_count"], {"signed_curve25519": 1})
        self.assertEqual(poll.answer["device_unused_fallback_key_types"], [])

    def test_claimed_keys_end_after_a_week_or_two(self) -> None:
        keys = publish(self.alice, "A", "B")
        self.alice.post("/keys/upload", {"one_time_keys": keys.one_time_keys("C", "D")})
        for _ in range(3):
            claim(self.bob, self.alice)

        def rows() -> int:
            count = "SELECT count(*) FROM e2ee_one_time_batch"
            found = self.successResultOf(self.server.db.read(lambda txn: txn.row(count)))
            assert found is not None
            return int(found[0])

        days = 0
        while rows() == 2:
            self.advance(24 * 3600)
            days += 1
        self.assertIn(days, range(8, 16))
        self.assertEqual(rows(), 1)
        left = claim(self.bob, self.alice)["@alice:test"][self.alice.device_id]
        self.assertEqual(left, keys.one_time_keys("D"))
