"""Devices and their keys, known on both sides, and messages to them."""

from homeserver.e2ee.tests.keys import CrossSigningKeys, claim, publish, query, send
from synapse_compat_tests.client import HttpClient, log_in
from synapse_compat_tests.federation.acquaintance import Acquaintance
from synapse_compat_tests.federation.eventually import eventually
from synapse_compat_tests.federation.servers import Pair
from tests.client import Json


def test_devices_come_and_go(acquaintance: Acquaintance) -> None:
    alice = acquaintance.alice

    def shows(devices: set[str]) -> None:
        acquaintance.is_told_of_keys()
        eventually(acquaintance.devices, lambda seen: seen == devices)

    publish(alice)
    shows({alice.device_id})
    phone = log_in(acquaintance.home.anonymous, alice)
    publish(phone)
    shows({alice.device_id, phone.device_id})
    phone.post("/logout")
    shows({alice.device_id})


def test_cross_signing_keys(acquaintance: Acquaintance) -> None:
    alice, bob = acquaintance.alice, acquaintance.bob
    keys = CrossSigningKeys(alice.user_id)
    publish(alice)
    acquaintance.is_told_of_keys()
    acquaintance.devices()
    assert alice.post("/keys/device_signing/upload", keys.body()).status == 200
    acquaintance.is_told_of_keys()

    def shown() -> Json:
        found = query(bob, alice)
        return [
            found[kind].get(alice.user_id, {}).get("keys") for kind in ("master_keys", "self_signing_keys")
        ]

    expected = [keys.key(usage)["keys"] for usage in ("master", "self_signing")]
    eventually(shown, lambda seen: seen == expected)


def test_each_key_is_claimed_once(acquaintance: Acquaintance) -> None:
    alice, bob = acquaintance.alice, acquaintance.bob
    publish(alice, "A", "B")
    claimed = [claim(bob, alice)[alice.user_id][alice.device_id] for _ in range(2)]
    assert {name for keys in claimed for name in keys} == {"signed_curve25519:A", "signed_curve25519:B"}
    assert claim(bob, alice).get(alice.user_id, {}) == {}


def test_messages_to_devices(acquaintance: Acquaintance) -> None:
    alice, bob = acquaintance.alice, acquaintance.bob
    received: list[Json] = []

    def contents() -> list[int]:
        received.extend(acquaintance.news("to_device", "events") or [])
        return [event["content"]["n"] for event in received]

    for number in range(3):
        assert send(alice, f"{number}", {bob.user_id: {bob.device_id: {"n": number}}}).status == 200
    eventually(contents, lambda seen: len(seen) >= 3)
    assert contents() == [0, 1, 2]
    assert {event["sender"] for event in received} == {alice.user_id}


def test_messages_over_an_outage(pair: Pair) -> None:
    """Each once, and in their order, when the server is there again."""
    acquaintance = Acquaintance(pair.folkmoot, pair.synapse)
    alice, bob = acquaintance.alice, acquaintance.bob
    pair.synapse.process.stop()
    for number in range(3):
        send(alice, f"{number}", {bob.user_id: {bob.device_id: {"n": number}}})
    publish(alice)
    pair.synapse.process.start()
    received: list[Json] = []

    def contents() -> list[int]:
        received.extend(acquaintance.news("to_device", "events") or [])
        return [event["content"]["n"] for event in received]

    eventually(contents, lambda seen: len(seen) >= 3)
    assert contents() == [0, 1, 2]
    eventually(acquaintance.devices, lambda seen: seen == {alice.device_id})


def test_of_a_stranger(pair: Pair) -> None:
    """Who shares no room."""
    for here, there in ((pair.folkmoot, pair.synapse), (pair.synapse, pair.folkmoot)):
        alice: HttpClient = here.register("alice")
        publish(alice)
        found = query(there.register("bob"), alice)
        assert list(found["device_keys"][alice.user_id]) == [alice.device_id]
