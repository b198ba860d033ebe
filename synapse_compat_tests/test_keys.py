"""Keys of devices, messages to devices, key backups."""

from collections.abc import Mapping

from homeserver.e2ee.tests.keys import CrossSigningKeys
from synapse_compat_tests.compare import Deliberate, Stage, compare
from tests.client import Json

CODES = "'Errors are generally best expressed by their error code rather than the HTTP status code returned.'"
ROOMLESS: Json = {"room": {"rooms": []}, "presence": {"types": []}, "account_data": {"types": []}}
ALGORITHM = "m.megolm_backup.v1.curve25519-aes-sha2"


def devices(stage: Stage) -> None:
    alice, bob = stage.log_in(stage.register("alice"), "PHONE"), stage.register("bob")
    alice.create_room(members=[bob], room_version="11")

    def signed(key: str, **more: Json) -> Json:
        return {"key": key * 43, "signatures": {alice.user_id: {"ed25519:PHONE": "s" * 86}}, **more}

    device_keys = {
        "user_id": alice.user_id,
        "device_id": "PHONE",
        "algorithms": ["m.olm.v1.curve25519-aes-sha2"],
        "keys": {"curve25519:PHONE": "a" * 43, "ed25519:PHONE": "b" * 43},
        "signatures": {alice.user_id: {"ed25519:PHONE": "c" * 86}},
    }
    one_time = {"signed_curve25519:AAAA": signed("k")}
    fallback = {"signed_curve25519:BBBB": signed("f", fallback=True)}
    keys = {"device_keys": device_keys, "one_time_keys": one_time, "fallback_keys": fallback}
    alice.post("/keys/upload", keys)
    alice.post("/keys/upload", {"one_time_keys": {"signed_curve25519:AAAA": signed("z")}})
    alice.post("/keys/upload")
    bob.post("/keys/query", {"device_keys": {alice.user_id: [], "@nobody:localhost": []}})
    bob.post("/keys/query", {"device_keys": {alice.user_id: ["NONE"]}})
    for _ in range(3):
        bob.post("/keys/claim", {"one_time_keys": {alice.user_id: {"PHONE": "signed_curve25519"}}})
    bob.post("/keys/claim", {"one_time_keys": {alice.user_id: {"NONE": "signed_curve25519"}}})
    bob.put("/sendToDevice/org.example.test/1", {"messages": {alice.user_id: {"PHONE": {"x": 1}}}})
    bob.put("/sendToDevice/org.example.test/1", {"messages": {alice.user_id: {"PHONE": {"x": 2}}}})
    bob.put("/sendToDevice/org.example.test/2", {"messages": {alice.user_id: {"*": {"all": 1}}}})
    alice.sync(filter={"presence": {"types": []}, "account_data": {"types": []}, "room": {"rooms": []}})


def test_devices(servers: Mapping[str, str]) -> None:
    compare(devices, servers)


def backups(stage: Stage) -> None:
    alice = stage.register("alice")
    room_id = alice.create_room(room_version="11")
    alice.get("/room_keys/version")
    wish: Json = {"algorithm": ALGORITHM, "auth_data": {"public_key": "p", "signatures": {}}}
    version = alice.post("/room_keys/version", wish)["version"]
    alice.get("/room_keys/version")
    alice.get("/room_keys/version/99")
    alice.get(f"/room_keys/version/{version}")
    alice.put(f"/room_keys/version/{version}", {**wish, "algorithm": "other", "version": version})
    alice.put(f"/room_keys/version/{version}", {**wish, "version": version})
    session = {
        "first_message_index": 1,
        "forwarded_count": 0,
        "is_verified": False,
        "session_data": {"a": "b"},
    }
    one = f"/room_keys/keys/{room_id}/one"
    for method, path, body in (
        ("PUT", one, session),
        ("PUT", one, {**session, "first_message_index": 5}),
        ("GET", one, None),
        ("GET", f"/room_keys/keys/{room_id}/none", None),
        ("GET", f"/room_keys/keys/{room_id}", None),
        ("GET", "/room_keys/keys", None),
        ("PUT", "/room_keys/keys", {"rooms": {room_id: {"sessions": {"two": session}}}}),
        ("PUT", f"/room_keys/keys/{room_id}", {"sessions": {"three": session}}),
        ("GET", f"/room_keys/keys/{room_id}", None),
        ("DELETE", one, None),
        ("DELETE", f"/room_keys/keys/{room_id}", None),
        ("DELETE", "/room_keys/keys", None),
    ):
        alice.request(method, path, body, query={"version": version})
    alice.request("PUT", one, session, query={"version": "99"})
    alice.request("GET", "/room_keys/keys", query={"version": "99"})
    alice.request("PUT", one, session)
    alice.request("PUT", one, {}, query={"version": version})
    newer = alice.post("/room_keys/version", wish)["version"]
    alice.request("PUT", one, session, query={"version": version})
    alice.delete(f"/room_keys/version/{newer}")
    alice.delete(f"/room_keys/version/{version}")
    alice.get("/room_keys/version")


def test_backups(servers: Mapping[str, str]) -> None:
    deliberate = [
        Deliberate(
            "etag: 'The current etag of the backup, an opaque string'", "* DELETE */room_keys/keys[?]* .etag"
        ),
        Deliberate(
            "403: 'The version specified does not match the current backup version. The current version will be"
            " included in the current_version field.'",
            "* PUT */room_keys/keys/*[?]version=99 40[34] *",
            "* PUT */room_keys/keys/*[?]version=1 403 .current_version",
        ),
        Deliberate("400: the session lacks what is required", "24 PUT */room_keys/keys/*[?]version=1 ?00 *"),
    ]
    compare(backups, servers, deliberate)


def identities(stage: Stage) -> None:
    alice, bob = stage.log_in(stage.register("alice"), "PHONE"), stage.register("bob")
    room_id = alice.create_room(members=[bob], room_version="11")
    since = bob.get("/sync", filter=ROOMLESS)["next_batch"]
    own, other = CrossSigningKeys(alice.user_id), CrossSigningKeys(alice.user_id, 2)
    upload = "/keys/device_signing/upload"
    alice.post(upload, {**own.body(), "self_signing_key": {"nonsense": True}})
    alice.post(upload, {"self_signing_key": other.key("self_signing")})
    alice.post(upload, own.body())
    alice.post(upload, own.body())
    alice.post(upload, other.body())
    alice.post("/keys/query", {"device_keys": {alice.user_id: []}})
    bob.post("/keys/query", {"device_keys": {alice.user_id: []}})
    alice.post("/keys/signatures/upload", {})
    alice.post("/keys/signatures/upload", {alice.user_id: {"NONE": {"user_id": alice.user_id}}})
    bob.get("/keys/changes", **{"from": since, "to": since})
    bob.get("/keys/changes", **{"from": "nonsense", "to": since})
    alice.request("PUT", f"/room_keys/keys/{room_id}", {"sessions": {}}, query={"version": 99})


def test_identities(servers: Mapping[str, str]) -> None:
    deliberate = [
        Deliberate(
            CODES,
            "* POST */keys/device_signing/upload 400 .errcode",
            "* GET */keys/changes[?]from=nonsense* .errcode",
        ),
        Deliberate(
            "failures: 'A map from user ID to key ID to an error for any signatures that were invalid.' Errors have"
            " `errcode` and `error`",
            "* POST */keys/signatures/upload 200 .failures.*",
        ),
        Deliberate("changed: between one moment and the same nothing is", "13 GET */keys/changes* 200 *"),
    ]
    compare(identities, servers, deliberate)
