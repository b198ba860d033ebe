"""Clients with keys of their own, which sign for real."""

from hashlib import sha256
from typing import Any

from homeserver.protocol.json import canonical_json
from homeserver.protocol.signing import SigningKey
from homeserver.protocol.unpadded_base64 import encode_base64
from tests.client import Answer, Client
from tests.wire import Exchange

Json = Any


class KeyPair:
    """An Ed25519 key that follows from its name."""

    def __init__(self, name: str) -> None:
        self._key = SigningKey("unused", sha256(name.encode()).digest())
        self.public = encode_base64(self._key.public_key)

    def sign(self, value: Json, user_id: str, key_id: str) -> Json:
        """The value with one signature more."""
        signed = {name: part for name, part in value.items() if name not in ("signatures", "unsigned")}
        own = {**value.get("signatures", {}).get(user_id, {}), key_id: self._key.sign(canonical_json(signed))}
        return {**value, "signatures": {**value.get("signatures", {}), user_id: own}}


class CrossSigningKeys:
    """A user's three keys, of which `generation` makes new ones."""

    def __init__(self, user_id: str, generation: int = 1) -> None:
        self.user_id = user_id
        self._pairs = {
            usage: KeyPair(f"{user_id} {usage} {generation}")
            for usage in ("master", "self_signing", "user_signing")
        }

    def public(self, usage: str) -> str:
        return self._pairs[usage].public

    def key(self, usage: str, *, signed: bool = True) -> Json:
        """As it is uploaded; but for the master key, signed by that."""
        public = self.public(usage)
        key = {"user_id": self.user_id, "usage": [usage], "keys": {f"ed25519:{public}": public}}
        return self.sign("master", key) if signed and usage != "master" else key

    def sign(self, usage: str, key: Json) -> Json:
        return self._pairs[usage].sign(key, self.user_id, f"ed25519:{self.public(usage)}")

    def body(self) -> Json:
        return {f"{usage}_key": self.key(usage) for usage in self._pairs}


class DeviceKeys:
    """The keys of one device."""

    def __init__(self, user_id: str, device_id: str) -> None:
        self.user_id, self.device_id = user_id, device_id
        self._pair = KeyPair(f"{user_id} {device_id}")
        self.key_id = f"ed25519:{device_id}"

    def device_keys(self, **more: Json) -> Json:
        keys = {
            "user_id": self.user_id,
            "device_id": self.device_id,
            "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
            "keys": {f"curve25519:{self.device_id}": "c" * 43, self.key_id: self._pair.public},
        }
        return self.sign({**keys, **more})

    def sign(self, key: Json) -> Json:
        return self._pair.sign(key, self.user_id, self.key_id)

    def one_time_keys(self, *key_ids: str, **more: Json) -> Json:
        return {
            f"signed_curve25519:{key_id}": self.sign({"key": f"{self.device_id} {key_id}", **more})
            for key_id in key_ids
        }


def keys_of(client: Client) -> DeviceKeys:
    return DeviceKeys(client.user_id, client.device_id)


def publish(client: Client, *key_ids: str) -> DeviceKeys:
    """Uploads the device's keys, with one-time keys of these IDs."""
    keys = keys_of(client)
    body = {"device_keys": keys.device_keys(), "one_time_keys": keys.one_time_keys(*key_ids)}
    answer = client.post("/keys/upload", body)
    assert answer.status == 200, answer.body
    return keys


def answered(exchange: Exchange) -> Answer:
    """Of a request that had to wait for another server."""
    assert exchange.answer is not None, "it still waits"
    return exchange.answer


def query(client: Client, *users: Client) -> Json:
    answer = client.post("/keys/query", {"device_keys": {user.user_id: [] for user in users}})
    assert answer.status == 200, answer.body
    return answer.json


def claim(client: Client, *devices: Client, algorithm: str = "signed_curve25519") -> Json:
    wish: dict[str, dict[str, str]] = {}
    for device in devices:
        wish.setdefault(device.user_id, {})[device.device_id] = algorithm
    answer = client.post("/keys/claim", {"one_time_keys": wish})
    assert answer.status == 200, answer.body
    return answer["one_time_keys"]


def send(client: Client, txn_id: str, messages: Json, type_: str = "org.example.note") -> Answer:
    return client.put(f"/sendToDevice/{type_}/{txn_id}", {"messages": messages})
