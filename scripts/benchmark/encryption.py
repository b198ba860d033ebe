"""The scenarios of end-to-end encryption. Servers do not look into keys, so these are noise of the right size."""

import asyncio
import itertools
import json
import secrets
import time
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from .connection import Answer
from .measurement import Trip, Work
from .scenarios import scenario, timed
from .stage import Stage, side_by_side
from .user import CLIENT, User, accepted, next_batch

UPLOADED = 50
CLAIMABLE = 300
DEVICES = 100
SYNCING = 10
_MESSAGE_BYTES = 600  # of Olm ciphertext that brings the key of a room


@dataclass(frozen=True)
class Device:
    user: User
    device_id: str

    async def post(self, path: str, body: Any) -> Answer:
        return await self.user.connection.request("POST", f"{CLIENT}{path}", json.dumps(body).encode())

    async def upload(self, number: int) -> Answer:
        """So many one-time keys, of IDs that were never used."""
        keys = {
            f"signed_curve25519:{secrets.token_hex(6)}": self._signed({"key": _noise(32)})
            for _ in range(number)
        }
        return await self.post("/keys/upload", {"one_time_keys": keys})

    async def publish(self) -> None:
        """Identity keys, and a fallback key."""
        keys = {
            "user_id": self.user.user_id,
            "device_id": self.device_id,
            "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
            "keys": {f"{kind}:{self.device_id}": _noise(32) for kind in ("curve25519", "ed25519")},
        }
        fallback = {"signed_curve25519:fallback": self._signed({"key": _noise(32), "fallback": True})}
        body = {"device_keys": self._signed(keys), "fallback_keys": fallback}
        accepted(await self.post("/keys/upload", body))

    def _signed(self, value: dict[str, Any]) -> dict[str, Any]:
        return {**value, "signatures": {self.user.user_id: {f"ed25519:{self.device_id}": _noise(64)}}}


def _noise(size: int) -> str:
    return b64encode(secrets.token_bytes(size)).decode().rstrip("=")


async def _devices(users: Sequence[User]) -> list[Device]:
    async def device(user: User) -> Device:
        answer = await user.connection.request("GET", f"{CLIENT}/account/whoami")
        return Device(user, accepted(answer)["device_id"])

    return await asyncio.gather(*map(device, users))


@scenario(turns=100)
async def keys_upload(stage: Stage) -> Work:
    """One upload of 50 one-time keys; eight at once, by the 132 devices in turn until each has 400, as Synapse
    takes no more than 500."""
    devices = await _devices([*await stage.senders(), *(await stage.hall()).members])
    uploads = iter([partial(device.upload, UPLOADED) for _ in range(0, 400, UPLOADED) for device in devices])

    async def step() -> Sequence[Trip]:
        for upload in uploads:
            return await timed(upload)()
        return ()

    return Work(
        [step] * 8, lambda answer: answer.json()["one_time_key_counts"]["signed_curve25519"] >= UPLOADED
    )


@scenario(turns=100)
async def keys_query(stage: Stage) -> Work:
    """One /keys/query for the 100 members of a room with a device each; one after the other."""
    devices = await _devices((await stage.hall()).members)
    await side_by_side(Device.publish, devices)
    body: Any = {"device_keys": {device.user.user_id: [] for device in devices}}

    def is_right(answer: Answer) -> bool:
        return all(len(found) == 1 for found in answer.json()["device_keys"].values())

    return Work([timed(partial(devices[0].post, "/keys/query", body))], is_right)


@scenario(turns=40)
async def keys_claim(stage: Stage) -> Work:
    """One /keys/claim for a device of each of 100 users; one after the other. Each has 300 one-time
    keys, and then a fallback key."""
    devices = await _devices(await stage.users(stage.scaled(DEVICES, 2)))
    await side_by_side(Device.publish, devices)
    for _ in range(0, CLAIMABLE, DEVICES):
        await side_by_side(partial(_upload, number=DEVICES), devices)
    body = {
        "one_time_keys": {device.user.user_id: {device.device_id: "signed_curve25519"} for device in devices}
    }

    def is_right(answer: Answer) -> bool:
        return len(answer.json()["one_time_keys"]) == len(devices)

    return Work([timed(partial(devices[0].post, "/keys/claim", body))], is_right)


async def _upload(device: Device, number: int) -> None:
    accepted(await device.upload(number))


@scenario(turns=10)
async def send_to_device(stage: Stage) -> Work:
    """One message delivered to one of 100 devices, which one request sends to all of them: from before that is sent
    until the answer of the device's next /sync is in, ten of them at once."""
    devices = await _devices((await stage.hall()).members)
    (sender,) = await stage.users(1)
    tokens: dict[str, str] = {}

    async def sync(device: Device) -> Answer:
        since = tokens.get(device.device_id)
        answer = await device.user.sync(timeout="0", **({} if since is None else {"since": since}))
        tokens[device.device_id] = next_batch(answer)
        return answer

    async def begin(device: Device) -> None:
        await sync(device)

    await side_by_side(begin, devices)
    numbers = itertools.count()

    async def deliver() -> Sequence[Trip]:
        started = time.perf_counter()
        accepted(await _send(sender, next(numbers), devices))
        trips: list[Trip] = []

        async def fetch(group: Sequence[Device]) -> None:
            for device in group:
                answer = await sync(device)
                trips.append(Trip(time.perf_counter() - started, answer))

        await asyncio.gather(*(fetch(devices[first::SYNCING]) for first in range(SYNCING)))
        return trips

    return Work([deliver], lambda answer: len(answer.json()["to_device"]["events"]) == 1)


async def _send(sender: User, number: int, devices: Sequence[Device]) -> Answer:
    messages = {
        device.user.user_id: {device.device_id: {"ciphertext": _noise(_MESSAGE_BYTES)}} for device in devices
    }
    target = f"{CLIENT}/sendToDevice/m.room.encrypted/bench{number}"
    return await sender.connection.request("PUT", target, json.dumps({"messages": messages}).encode())
