"""Keys and messages to devices by libolm: wrong counts, keys handed out twice and lost messages show at once."""

import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from random import Random
from threading import Barrier, Event
from typing import Any

import pytest

from synapse_compat_tests.client import HttpClient, log_in, register
from tests.clients.encrypted_room import SETTINGS
from tests.clients.olm_device import OlmDevice, text_of
from tests.processes import ServerProcess

CLAIMING = 50
MESSAGES = int(os.environ.get("FOLKMOOT_TEST_MESSAGES", "300"))
SEED = int(os.environ.get("FOLKMOOT_TEST_SEED", "1"))
KILLS = 3
PATIENCE = 60.0  # seconds
_PAUSE = 0.02


@pytest.fixture
def server(database: Mapping[str, Any]) -> Iterator[ServerProcess]:
    with ServerProcess({**SETTINGS, **database}) as server:
        yield server


def test_devices_that_claim_at_once_never_get_the_same_key(server: ServerProcess) -> None:
    anonymous = HttpClient(server.url)
    target = OlmDevice(register(anonymous, "target"))
    # One more than there are devices, so that a wrong count does not look right by chance.
    assert target.publish(CLAIMING + 1) == CLAIMING + 1
    user = register(anonymous, "claiming")
    devices = [OlmDevice(log_in(anonymous, user)) for _ in range(CLAIMING)]
    start = Barrier(CLAIMING)

    def claim_and_write(number: int) -> str:
        start.wait()
        key = devices[number].claim(target)
        assert key is not None, "there are enough keys"
        devices[number].write(target, key, text_of(number))
        return key

    with ThreadPoolExecutor(CLAIMING) as pool:
        keys = list(pool.map(claim_and_write, range(CLAIMING)))
    assert len(set(keys)) == CLAIMING
    assert sorted(target.read()) == sorted(map(text_of, range(CLAIMING)))
    assert target.one_time_keys_left == 1
    assert [devices[0].claim(target) is None for _ in range(2)] == [False, True]
    assert target.read() == []
    assert target.one_time_keys_left == 0
    assert target.publish(2) == 2


def test_messages_arrive_once_and_in_order(server: ServerProcess) -> None:
    """FOLKMOOT_TEST_MESSAGES of them, while answers are lost and the server is killed at random instants."""
    random = Random(SEED)
    anonymous = HttpClient(server.url)
    sender, receiver = register(anonymous, "sender"), register(anonymous, "receiver")
    since = receiver.sync().next_batch
    done = Event()
    received: list[int] = []

    def send_all() -> None:
        try:
            for number in range(MESSAGES):
                _until_answered(lambda number=number: _send(sender, receiver, number))
        finally:
            done.set()

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send_all)
        deaths = sorted(random.randrange(MESSAGES) for _ in range(KILLS))
        while True:
            finished = done.is_set()
            token = since
            answer = _until_answered(lambda: receiver.sync(token, timeout=50))  # noqa: B023 - called at once
            events = answer.json.get("to_device", {}).get("events", [])
            assert len(events) <= 100
            # Some answers never reach the client, which asks again with the token it had.
            if random.random() < 0.7:
                received += [event["content"]["number"] for event in events]
                since = answer.next_batch
            if deaths and len(received) > deaths[0]:
                deaths.pop(0)
                server.kill()
                server.start()
            if finished and not events:
                break
        sending.result()
    assert received == list(range(MESSAGES))


def _send(sender: HttpClient, receiver: HttpClient, number: int) -> None:
    messages = {receiver.user_id: {receiver.device_id: {"number": number}}}
    answer = sender.put(f"/sendToDevice/org.example.number/{number}", {"messages": messages})
    assert answer.status == 200, answer.body


def _until_answered(ask: Any) -> Any:
    """Repeats a request to which there was no answer, as clients do."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return ask()
        except (OSError, HTTPException) as error:
            if time.monotonic() > deadline:
                raise AssertionError(f"the server does not answer any more: {error}") from error
            time.sleep(_PAUSE)
