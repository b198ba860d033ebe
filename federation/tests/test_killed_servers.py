"""Two servers are killed at random instants while users of both talk in one room: nothing is lost or doubled.

FOLKMOOT_TEST_KILLS says how often, FOLKMOOT_TEST_SEED which instants.
"""

import os
import time
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from random import Random
from threading import Event, Thread
from typing import Any

from federation.tests.tls_servers import PASSWORD, Server, two_servers
from synapse_compat_tests.client import HttpClient
from tests.faults.soundness import check_sound

KILLS = int(os.environ.get("FOLKMOOT_TEST_KILLS", "4"))
SEED = int(os.environ.get("FOLKMOOT_TEST_SEED", "1"))
_PATIENCE_SECONDS = 60.0
_AFTER_THE_LAST_KILL = 20


class Speaker:
    """Says one thing after another, each until it is acknowledged."""

    def __init__(self, user: HttpClient, room_id: str) -> None:
        self._user = user
        self._room_id = room_id
        self.said: list[str] = []
        self._enough = Event()
        self._thread = Thread(target=self._talk)
        self._thread.start()

    def stop(self) -> None:
        self._enough.set()
        self._thread.join()

    def until(self, count: int) -> None:
        eventually(lambda: len(self.said) >= count)

    def _talk(self) -> None:
        while not self._enough.is_set():
            body = f"{self._user.user_id} {len(self.said)}"
            path = f"/rooms/{self._room_id}/send/m.room.message/{len(self.said)}"
            try:
                answer = self._user.put(path, {"msgtype": "m.text", "body": body})
            except (OSError, HTTPException):
                # The server is dead, or was before it could answer.
                time.sleep(0.02)
                continue
            if answer.status == 200:
                self.said.append(body)


def eventually(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def registered(server: Server, username: str) -> HttpClient:
    body = {"username": username, "password": PASSWORD, "auth": {"type": "m.login.dummy"}}
    answer = HttpClient(server.url).post("/register", body)
    return HttpClient(server.url, answer["user_id"], answer["access_token"], answer["device_id"])


def bodies(user: HttpClient, room_id: str) -> list[str]:
    """All that the user's server has of what was said."""
    found: list[str] = []
    start: str | None = None
    while True:
        query: dict[str, Any] = {"dir": "b", "limit": 500} | ({} if start is None else {"from": start})
        page = user.get(f"/rooms/{room_id}/messages", **query)
        found += [event["content"]["body"] for event in page["chunk"] if event["type"] == "m.room.message"]
        start = page.json.get("end")
        if start is None or not page["chunk"]:
            return found


def state(user: HttpClient, room_id: str) -> set[str]:
    events: list[Any] = user.get(f"/rooms/{room_id}/state").json
    return {event["event_id"] for event in events}


def test_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    print(f"FOLKMOOT_TEST_SEED={SEED} FOLKMOOT_TEST_KILLS={KILLS}")
    rng = Random(SEED)
    quick = {"destination_min_retry_interval": "1s", "destination_max_retry_interval": "1s"}
    unlimited = {"per_second": 1_000_000, "burst_count": 1_000_000}
    with two_servers(tmp_path, federation=quick, rc_message=unlimited) as servers:
        alice, bob = (registered(one, name) for one, name in zip(servers, ("alice", "bob"), strict=True))
        room_id = alice.create_room(preset="public_chat")
        joined = bob.request("POST", f"/join/{room_id}", {}, query={"via": servers[0].server_name})
        assert joined.status == 200, joined
        speakers = [Speaker(user, room_id) for user in (alice, bob)]
        try:
            for _ in range(KILLS):
                time.sleep(rng.uniform(0.2, 1))
                victim = rng.choice(servers)
                victim.kill()
                time.sleep(rng.uniform(0, 0.5))
                victim.start()
            for speaker in speakers:
                speaker.until(len(speaker.said) + _AFTER_THE_LAST_KILL)
        finally:
            for speaker in speakers:
                speaker.stop()
        said = sorted(body for speaker in speakers for body in speaker.said)
        for user in (alice, bob):
            eventually(lambda user=user: sorted(bodies(user, room_id)) == said)  # type: ignore[misc] # a default
        eventually(lambda: state(alice, room_id) == state(bob, room_id))
        for server in servers:
            assert "Traceback" not in server.log, server.log
            assert server.stop() == 0
            check_sound(server)
