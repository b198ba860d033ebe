"""A device that speaks Olm: libolm below, the server's key endpoints above, and nothing between that would hide errors.

https://gitlab.matrix.org/matrix-org/olm/-/blob/master/docs/olm.md
"""

import json
from typing import Any

from olm.account import Account
from olm.session import InboundSession, OlmPreKeyMessage, OutboundSession
from olm.utility import ed25519_verify

from homeserver.protocol.json import canonical_json
from synapse_compat_tests.client import HttpClient

Json = Any
OLM = "m.olm.v1.curve25519-aes-sha2"
ONE_TIME = "signed_curve25519"


class OlmDevice:
    """One device of a user, with an account of its own. Its keys are made when they are uploaded."""

    def __init__(self, client: HttpClient) -> None:
        self.client = client
        self._account = Account()
        self._since: str | None = None
        self.one_time_keys_left = 0

    @property
    def identity_key(self) -> str:
        return str(self._account.identity_keys["curve25519"])

    def publish(self, one_time_keys: int) -> int:
        """Uploads identity keys and new one-time keys; how many there are now, as the server counts."""
        self._account.generate_one_time_keys(one_time_keys)
        keys = self._account.one_time_keys["curve25519"]
        body = {
            "device_keys": self._signed(self._device_keys()),
            "one_time_keys": {
                f"{ONE_TIME}:{key_id}": self._signed({"key": key}) for key_id, key in keys.items()
            },
        }
        answer = self.client.post("/keys/upload", body)
        self._account.mark_keys_as_published()
        return int(answer["one_time_key_counts"].get(ONE_TIME, 0))

    def claim(self, other: "OlmDevice") -> str | None:
        """One of the other device's one-time keys, if one is left, signed as it should be."""
        user_id, device_id = other.client.user_id, other.client.device_id
        wish = {"one_time_keys": {user_id: {device_id: ONE_TIME}}}
        claimed = self.client.post("/keys/claim", wish)["one_time_keys"].get(user_id, {}).get(device_id)
        if claimed is None:
            return None
        ((_, key),) = claimed.items()
        other._verify(key)
        return str(key["key"])

    def write(self, other: "OlmDevice", one_time_key: str, text: str) -> None:
        """Sends the first message of a new session."""
        session = OutboundSession(self._account, other.identity_key, one_time_key)
        message = session.encrypt(text)
        content = {
            "algorithm": OLM,
            "sender_key": self.identity_key,
            "ciphertext": {other.identity_key: {"type": message.message_type, "body": message.ciphertext}},
        }
        messages = {other.client.user_id: {other.client.device_id: content}}
        path = f"/sendToDevice/m.room.encrypted/{one_time_key.replace('/', '_')}"
        assert self.client.put(path, {"messages": messages}).status == 200

    def read(self) -> list[str]:
        """Syncs once and decrypts what came. A one-time key opens one session; a second time olm raises."""
        answer = self.client.sync(self._since, timeout=0)
        self._since = answer.next_batch
        self.one_time_keys_left = answer.json["device_one_time_keys_count"][ONE_TIME]
        events = answer.json.get("to_device", {}).get("events", [])
        return [self._decrypt(event["content"]) for event in events]

    def _decrypt(self, content: Json) -> str:
        cipher = content["ciphertext"][self.identity_key]
        assert cipher["type"] == 0, "the first message of a session"
        message = OlmPreKeyMessage(cipher["body"])
        session = InboundSession(self._account, message, content["sender_key"])
        text = session.decrypt(message)
        self._account.remove_one_time_keys(session)
        return str(text)

    def _device_keys(self) -> Json:
        device_id = self.client.device_id
        return {
            "user_id": self.client.user_id,
            "device_id": device_id,
            "algorithms": [OLM],
            "keys": {f"{kind}:{device_id}": key for kind, key in self._account.identity_keys.items()},
        }

    def _signed(self, value: Json) -> Json:
        key_id = f"ed25519:{self.client.device_id}"
        signature = self._account.sign(canonical_json(value).decode())
        return {**value, "signatures": {self.client.user_id: {key_id: signature}}}

    def _verify(self, key: Json) -> None:
        signature = key["signatures"][self.client.user_id][f"ed25519:{self.client.device_id}"]
        signed = canonical_json({name: part for name, part in key.items() if name != "signatures"}).decode()
        ed25519_verify(self._account.identity_keys["ed25519"], signed, signature)


def text_of(number: int) -> str:
    return json.dumps({"type": "org.example.number", "content": number})
