"""A Matrix client just large enough to put work on a server."""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, urlencode

from .connection import Answer, Connection

CLIENT = "/_matrix/client/v3"
REGISTER = "/_synapse/admin/v1/register"
ROOM_VERSION = "11"  # the newest that every server of the comparison knows

_NEXT_BATCH = re.compile(rb'"next_batch"\s*:\s*"([^"]+)"')


class Refused(Exception):
    """The server answered a preparing request otherwise than with 200."""


def accepted(answer: Answer) -> Any:
    """The JSON of an answer that must be a success."""
    if answer.status != 200:
        raise Refused(f"{answer.status} {answer.body[:200].decode(errors='replace')}")
    return answer.json()


def next_batch(answer: Answer) -> str:
    """The token in a /sync answer, found without decoding all of it."""
    found = _NEXT_BATCH.search(answer.body)
    if found is None:
        raise Refused(f"no next_batch in {answer.status} {answer.body[:200].decode(errors='replace')}")
    return found[1].decode()


class User:
    """One device of one account, with a connection of its own."""

    def __init__(self, url: str, user_id: str, access_token: str, password: str) -> None:
        self.user_id = user_id
        self.connection = Connection(url, access_token)
        self._url = url
        self._password = password
        self._sent = 0

    async def another_device(self) -> "User":
        """The same account, logged in once more."""
        request = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": self.user_id},
            "password": self._password,
        }
        answer = await self.connection.request("POST", f"{CLIENT}/login", _encode(request))
        return User(self._url, self.user_id, accepted(answer)["access_token"], self._password)

    async def create_room(self, preset: str, invite: Iterable[str] = ()) -> Answer:
        request = {"preset": preset, "room_version": ROOM_VERSION, "invite": list(invite)}
        return await self.connection.request("POST", f"{CLIENT}/createRoom", _encode(request))

    async def join(self, room_id: str) -> Answer:
        return await self.connection.request("POST", f"{CLIENT}/rooms/{quote(room_id)}/join", b"{}")

    async def send(self, room_id: str, text: str) -> Answer:
        self._sent += 1
        target = f"{CLIENT}/rooms/{quote(room_id)}/send/m.room.message/t{self._sent}"
        return await self.connection.request("PUT", target, _encode({"msgtype": "m.text", "body": text}))

    async def sync(self, **parameters: str) -> Answer:
        return await self.connection.request("GET", f"{CLIENT}/sync?{urlencode(parameters)}")

    async def messages(self, room_id: str, **parameters: str) -> Answer:
        target = f"{CLIENT}/rooms/{quote(room_id)}/messages?{urlencode(parameters)}"
        return await self.connection.request("GET", target)


class Registration:
    """Makes accounts through Synapse's shared-secret API, which needs no open registration."""

    def __init__(self, url: str, shared_secret: str) -> None:
        self._url = url
        self._shared_secret = shared_secret.encode()
        self._connection = Connection(url)
        # Neither two runs against one server nor two registrations of one run may meet on a name.
        self._prefix = f"bench_{secrets.token_hex(4)}"
        self._registered = 0

    async def register(self) -> tuple[Answer, User | None]:
        """Ask for a nonce and use it; the user if there is one, and the last answer."""
        answer = await self._connection.request("GET", REGISTER)
        if answer.status != 200:
            return answer, None
        self._registered += 1
        username = f"{self._prefix}_{self._registered}"
        password = secrets.token_hex(8)
        nonce = answer.json()["nonce"]
        signed = "\0".join((nonce, username, password, "notadmin")).encode()
        request = {
            "nonce": nonce,
            "username": username,
            "password": password,
            "admin": False,
            "mac": hmac.new(self._shared_secret, signed, hashlib.sha1).hexdigest(),
        }
        answer = await self._connection.request("POST", REGISTER, _encode(request))
        if answer.status != 200:
            return answer, None
        account = answer.json()
        return answer, User(self._url, account["user_id"], account["access_token"], password)


def _encode(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
