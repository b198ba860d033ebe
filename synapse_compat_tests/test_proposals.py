"""What is only proposed, or was long after it began to be used: rooms in common, dehydrated devices, deleted data."""

from collections.abc import Iterator, Mapping

import pytest

from synapse_compat_tests.compare import Deliberate, Stage, compare
from synapse_compat_tests.conftest import both
from tests.client import Json

CODES = "'Errors are generally best expressed by their error code rather than the HTTP status code returned.'"
DEHYDRATED = "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device"
ALGORITHMS = ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"]


@pytest.fixture(scope="module")
def experimental_servers() -> Iterator[Mapping[str, str]]:
    features = ("msc3391_enabled", "msc3814_enabled", "msc4133_enabled")
    with both({"experimental_features": dict.fromkeys(features, True)}) as urls:
        yield urls


def mutual_rooms(stage: Stage) -> None:
    alice, bob = stage.register("alice"), stage.register("bob")
    path = "/_matrix/client/v1/mutual_rooms"
    alice.get(path, user_id=bob.user_id)
    alice.create_room(room_version="11", members=[bob])
    left = alice.create_room(room_version="11", members=[bob])
    alice.create_room(room_version="11")
    bob.leave(left)
    alice.get(path, user_id=bob.user_id)
    alice.get(path, user_id=alice.user_id)
    alice.get(path, user_id="@nobody:localhost")
    alice.get(path, user_id="nonsense")
    alice.get(path)
    alice.get(path, user_id=bob.user_id, **{"from": "nonsense"})
    stage.anonymous.get(path, user_id=bob.user_id)


def test_mutual_rooms(servers: Mapping[str, str]) -> None:
    compare(mutual_rooms, servers)


def dehydration(stage: Stage) -> None:
    alice, bob = stage.register("alice"), stage.register("bob")
    alice.get(DEHYDRATED)
    alice.delete(DEHYDRATED)

    def device(name: str) -> Json:
        keys = {
            "user_id": alice.user_id,
            "device_id": name,
            "algorithms": ALGORITHMS,
            "keys": {f"curve25519:{name}": "a" * 43, f"ed25519:{name}": "b" * 43},
            "signatures": {alice.user_id: {f"ed25519:{name}": "c" * 86}},
        }
        data = {"algorithm": "m.dehydration.v1.olm", "account": "pickle"}
        return {
            "device_id": name,
            "device_data": data,
            "device_keys": keys,
            "initial_device_display_name": "sleeping",
        }

    alice.put(DEHYDRATED, device("SLEEPING"))
    alice.get(DEHYDRATED)
    bob.post("/keys/query", {"device_keys": {alice.user_id: []}})
    bob.put("/sendToDevice/org.example.test/1", {"messages": {alice.user_id: {"SLEEPING": {"x": 1}}}})
    messages = alice.post(f"{DEHYDRATED}/SLEEPING/events", {})
    alice.post(f"{DEHYDRATED}/SLEEPING/events", {"next_batch": messages["next_batch"]})
    alice.post(f"{DEHYDRATED}/NONE/events", {})
    alice.put(DEHYDRATED, device("ANOTHER"))
    alice.get(DEHYDRATED)
    alice.put(DEHYDRATED, {"device_id": "THIRD"})
    alice.delete(DEHYDRATED)
    alice.get(DEHYDRATED)


def test_dehydration(experimental_servers: Mapping[str, str]) -> None:
    deliberate = [Deliberate(CODES, "* PUT */dehydrated_device 400 .errcode")]
    compare(dehydration, experimental_servers, deliberate)


def deleted_data(stage: Stage) -> None:
    alice, bob = stage.register("alice"), stage.register("bob")
    room_id = alice.create_room(room_version="11")
    own = f"/_matrix/client/unstable/org.matrix.msc3391/user/{alice.user_id}"
    for place in ("", f"/rooms/{room_id}"):
        kept = f"/user/{alice.user_id}{place}/account_data/org.example.x"
        alice.put(kept, {"a": 1})
        bob.delete(f"{own}{place}/account_data/org.example.x")
        alice.delete(f"{own}{place}/account_data/org.example.x")
        alice.get(kept)
        alice.delete(f"{own}{place}/account_data/org.example.x")
    alice.delete(f"{own}/account_data/m.push_rules")


def test_deleted_data(experimental_servers: Mapping[str, str]) -> None:
    compare(deleted_data, experimental_servers)
