from typing import Any

from tests.client import Answer
from tests.wire import WireTestCase, each

Json = Any
ALGORITHM = "m.megolm_backup.v1.curve25519-aes-sha2"
ROOM, OTHER_ROOM = "!room:test", "!other:test"


def key(number: int = 1, *, index: int = 0, forwarded: int = 0, verified: bool = False) -> Json:
    return {
        "first_message_index": index,
        "forwarded_count": forwarded,
        "is_verified": verified,
        "session_data": {"ciphertext": f"þ{number}", "mac": "x", "ephemeral": "y"},
    }


class BackupTestCase(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")

    def create(self, auth_data: Json = None) -> str:
        body = {"algorithm": ALGORITHM, "auth_data": auth_data or {"public_key": "abc"}}
        version: str = self.alice.post("/room_keys/version", body)["version"]
        return version

    def put(self, version: str, path: str, body: Json) -> Answer:
        return self.alice.request("PUT", f"/room_keys/keys{path}", body, query={"version": version})

    def get(self, version: str, path: str = "") -> Answer:
        return self.alice.get(f"/room_keys/keys{path}", version=version)

    def delete(self, version: str, path: str = "") -> Answer:
        return self.alice.request("DELETE", f"/room_keys/keys{path}", query={"version": version})

    def rows(self, table: str) -> int:
        found = self.successResultOf(
            self.server.db.read(lambda txn: txn.row(f"SELECT count(*) FROM {table}"))
        )
        assert found is not None
        return int(found[0])


class VersionTests(BackupTestCase):
    def test_the_newest_one_is_told(self) -> None:
        self.assertEqual(self.alice.get("/room_keys/version").error, (404, "M_NOT_FOUND"))
        first, second = self.create({"n": 1}), self.create({"n": 2})
        self.assertNotEqual(first, second)
        expected = {"algorithm": ALGORITHM, "auth_data": {"n": 2}, "count": 0, "version": second}
        newest = self.alice.get("/room_keys/version").json
        self.assertEqual({**newest, "etag": None}, {**expected, "etag": None})
        self.assertEqual(self.alice.get(f"/room_keys/version/{first}")["auth_data"], {"n": 1})

    def test_backups_are_their_users_own(self) -> None:
        version = self.create()
        self.assertEqual(self.bob.get(f"/room_keys/version/{version}").error, (404, "M_NOT_FOUND"))
        self.assertEqual(self.bob.get("/room_keys/keys", version=version).error, (404, "M_NOT_FOUND"))

    def test_new_auth_data(self) -> None:
        version = self.create()
        path, body = f"/room_keys/version/{version}", {"algorithm": ALGORITHM, "auth_data": {"new": True}}
        self.assertEqual(self.alice.put(path, {**body, "version": version}).json, {})
        self.assertEqual(self.alice.get(path)["auth_data"], {"new": True})
        for wrong in ({"version": "x"}, {"algorithm": "other"}):
            self.assertEqual(self.alice.put(path, {**body, **wrong}).error, (400, "M_INVALID_PARAM"))
        self.assertEqual(self.alice.put("/room_keys/version/99", body).error, (404, "M_NOT_FOUND"))

    def test_a_deleted_one_is_gone_with_its_keys(self) -> None:
        first, second = self.create(), self.create()
        self.put(second, f"/{ROOM}/s", key())
        for _ in range(2):
            self.assertEqual(self.alice.delete(f"/room_keys/version/{second}").json, {})
        self.assertEqual(self.alice.get(f"/room_keys/version/{second}").error, (404, "M_NOT_FOUND"))
        self.assertEqual(self.get(second).error, (404, "M_NOT_FOUND"))
        self.assertEqual(self.alice.get("/room_keys/version")["version"], first)
        self.assertEqual(self.rows("e2ee_backup_key"), 0)
        # No number is used twice, and no row stays that only says so.
        self.assertNotIn(self.create(), (first, second))
        self.assertEqual(self.rows("e2ee_backup"), 2)

    def test_one_that_never_was(self) -> None:
        self.create()
        for version in ("99", "x", "-1", "0", "٣", "9" * 30):
            self.assertEqual(self.alice.delete(f"/room_keys/version/{version}").error, (404, "M_NOT_FOUND"))
            self.assertEqual(self.alice.get(f"/room_keys/version/{version}").error, (404, "M_NOT_FOUND"))

    def test_they_end_with_the_account(self) -> None:
        self.put(self.create(), f"/{ROOM}/s", key())
        auth = {"type": "m.login.password", "user": "alice", "password": "correct horse"}
        self.assertEqual(self.alice.post("/account/deactivate", {"auth": auth}).status, 200)
        self.advance(2 * 3600)
        self.assertEqual((self.rows("e2ee_backup"), self.rows("e2ee_backup_key")), (0, 0))


class KeyTests(BackupTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.version = self.create()

    def test_keys_in_all_three_ways(self) -> None:
        one = self.put(self.version, f"/{ROOM}/s1", key(1))
        room = self.put(self.version, f"/{ROOM}", {"sessions": {"s2": key(2)}})
        every = self.put(
            self.version, "", {"rooms": {OTHER_ROOM: {"sessions": {"s3": key(3), "s4": key(4)}}}}
        )
        self.assertEqual([answer["count"] for answer in (one, room, every)], [1, 2, 4])
        self.assertEqual(len({answer["etag"] for answer in (one, room, every)}), 3)
        newest = self.alice.get("/room_keys/version")
        self.assertEqual((newest["count"], newest["etag"]), (4, every["etag"]))
        here, there = {"s1": key(1), "s2": key(2)}, {"s3": key(3), "s4": key(4)}
        self.assertEqual(
            self.get(self.version).json,
            {"rooms": {ROOM: {"sessions": here}, OTHER_ROOM: {"sessions": there}}},
        )
        self.assertEqual(self.get(self.version, f"/{ROOM}").json, {"sessions": here})
        self.assertEqual(self.get(self.version, f"/{OTHER_ROOM}/s4").json, key(4))

    def test_where_there_are_none(self) -> None:
        self.assertEqual(self.get(self.version).json, {"rooms": {}})
        self.assertEqual(self.get(self.version, f"/{ROOM}").json, {"sessions": {}})
        self.assertEqual(self.get(self.version, f"/{ROOM}/s").error, (404, "M_NOT_FOUND"))

    def test_the_better_key_stays(self) -> None:
        def check(case: tuple[Json, Json, bool]) -> None:
            stored, new, replaces = case
            self.delete(self.version)
            before = self.put(self.version, f"/{ROOM}/s", stored)
            after = self.put(self.version, f"/{ROOM}/s", new)
            self.assertEqual(self.get(self.version, f"/{ROOM}/s").json, new if replaces else stored)
            self.assertEqual(after["etag"] != before["etag"], replaces)
            self.assertEqual(after["count"], 1)

        each(
            check,
            [
                (key(1), key(2, verified=True, index=9, forwarded=9), True),
                (key(1, verified=True, index=9, forwarded=9), key(2), False),
                (key(1, index=5), key(2, index=4, forwarded=9), True),
                (key(1, index=4, forwarded=9), key(2, index=5), False),
                (key(1, forwarded=2), key(2, forwarded=1), True),
                (key(1, forwarded=1), key(2, forwarded=2), False),
                (key(1), key(2), False),
            ],
        )

    def test_only_the_newest_backup_takes_keys(self) -> None:
        newer = self.create()
        for path, body in (("", {"rooms": {}}), (f"/{ROOM}", {"sessions": {}}), (f"/{ROOM}/s", key())):
            for version in (self.version, "99", "x"):
                answer = self.put(version, path, body)
                self.assertEqual(answer.error, (403, "M_WRONG_ROOM_KEYS_VERSION"))
                self.assertEqual(answer.json["current_version"], newer)
        self.assertEqual(self.get(self.version).json, {"rooms": {}})

    def test_without_a_backup(self) -> None:
        for path, body in (("", {"rooms": {}}), (f"/{ROOM}", {"sessions": {}}), (f"/{ROOM}/s", key())):
            answer = self.bob.request("PUT", f"/room_keys/keys{path}", body, query={"version": "1"})
            self.assertEqual(answer.error, (404, "M_NOT_FOUND"))

    def test_deleting_keys(self) -> None:
        sessions = {f"s{number}": key(number) for number in range(3)}
        etag = self.put(
            self.version, "", {"rooms": {ROOM: {"sessions": sessions}, OTHER_ROOM: {"sessions": sessions}}}
        )["etag"]
        for path, left in ((f"/{ROOM}/s1", 5), (f"/{ROOM}", 3), ("", 0)):
            answer = self.delete(self.version, path)
            self.assertEqual(answer["count"], left)
            self.assertNotEqual(answer["etag"], etag)
            etag = answer["etag"]
            self.assertEqual(self.alice.get("/room_keys/version")["count"], left)
            # Once more changes nothing.
            self.assertEqual(self.delete(self.version, path).json, {"etag": etag, "count": left})
        self.assertEqual(self.delete("99").error, (404, "M_NOT_FOUND"))

    def test_bad_keys(self) -> None:
        def check(change: Json) -> None:
            answer = self.put(self.version, f"/{ROOM}/s", {**key(), **change})
            self.assertEqual(answer.error, (400, "M_BAD_JSON"))

        each(
            check,
            [
                {"first_message_index": -1},
                {"first_message_index": "0"},
                {"forwarded_count": 1.5},
                {"forwarded_count": 2**60},
                {"is_verified": 1},
                {"session_data": "x"},
                {"session_data": None},
            ],
        )
        for field in key():
            body = {name: value for name, value in key().items() if name != field}
            self.assertEqual(self.put(self.version, f"/{ROOM}/s", body).error, (400, "M_MISSING_PARAM"))
        self.assertEqual(self.put(self.version, "/room", {"sessions": {}}).error, (400, "M_INVALID_PARAM"))
        body = {"rooms": {"room": {"sessions": {}}}}
        self.assertEqual(self.put(self.version, "", body).error, (400, "M_INVALID_PARAM"))
        long = {"sessions": {"x" * 300: key()}}
        self.assertEqual(self.put(self.version, f"/{ROOM}", long).error, (400, "M_INVALID_PARAM"))
        self.assertEqual(self.alice.get("/room_keys/keys").error, (400, "M_MISSING_PARAM"))
