"""A client of the town: asks, waits where the server says so, and takes no other answer than success."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from scripts.benchmark.connection import Answer, Connection, ProtocolError

from .plan import Person

CLIENT = "/_matrix/client/v3"
REGISTER = "/_synapse/admin/v1/register"
_IMPATIENT_MS = 1000

Sleep = Callable[[float], Awaitable[None]]


class SeedError(Exception):
    """Why the town cannot be built, in words for whoever wants it."""


class Refused(SeedError):
    """The server's answer was an error; `errcode` is empty where it was not one of Matrix."""

    def __init__(self, request: str, answer: Answer) -> None:
        try:
            error = answer.json()
            self.errcode, reason = str(error["errcode"]), str(error["error"])
        except (ValueError, KeyError, TypeError):
            self.errcode, reason = "", answer.body[:200].decode(errors="replace")
        super().__init__(f"The server refused {request}: {answer.status} {self.errcode} {reason}")


class Asking:
    """One connection to a homeserver."""

    def __init__(self, url: str, access_token: str | None = None, sleep: Sleep = asyncio.sleep) -> None:
        self._url = url
        self._connection = Connection(url, access_token)
        self._sleep = sleep

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        """The JSON of the answer. `path` is quoted already. Raises SeedError for anything but success."""
        content = b"" if body is None else json.dumps(body).encode()
        while True:
            try:
                answer = await self._connection.request(method, path, content)
            except (OSError, ProtocolError) as error:
                raise SeedError(f"No homeserver answers at {self._url}: {error}.") from error
            if answer.status != 429:
                break
            # A server with rate limits: the town is built as fast as they allow.
            await self._sleep(answer.json().get("retry_after_ms", _IMPATIENT_MS) / 1000)
        if answer.status != 200:
            raise Refused(f"{method} {path}", answer)
        return answer.json()

    def close(self) -> None:
        self._connection.close()


class Resident:
    """Somebody with an account, signed in."""

    def __init__(self, url: str, user_id: str, access_token: str) -> None:
        self.user_id = user_id
        self._asking = Asking(url, access_token)

    @property
    def server_name(self) -> str:
        return self.user_id.partition(":")[2]

    async def create_room(self, wish: dict[str, Any]) -> str:
        return str((await self._asking.ask("POST", f"{CLIENT}/createRoom", wish))["room_id"])

    async def join(self, room_id: str) -> None:
        await self._asking.ask("POST", f"{CLIENT}/rooms/{_part(room_id)}/join", {})

    async def leave(self, room_id: str) -> None:
        await self._asking.ask("POST", f"{CLIENT}/rooms/{_part(room_id)}/leave", {})

    async def set_state(self, room_id: str, type_: str, state_key: str, content: object) -> None:
        path = f"{CLIENT}/rooms/{_part(room_id)}/state/{type_}/{_part(state_key)}"
        await self._asking.ask("PUT", path, content)

    async def send(self, room_id: str, type_: str, txn_id: str, content: object) -> str:
        path = f"{CLIENT}/rooms/{_part(room_id)}/send/{type_}/{txn_id}"
        return str((await self._asking.ask("PUT", path, content))["event_id"])

    async def set_account_data(self, type_: str, content: object) -> None:
        path = f"{CLIENT}/user/{_part(self.user_id)}/account_data/{type_}"
        await self._asking.ask("PUT", path, content)

    def close(self) -> None:
        self._asking.close()


def _part(text: str) -> str:
    return quote(text, safe="")


class Registry:
    """Makes accounts by the server's shared secret, so that registration need not be open.

    https://element-hq.github.io/synapse/latest/admin_api/register_api.html
    """

    def __init__(self, url: str, shared_secret: str, password: str) -> None:
        self._url = url
        self._secret = shared_secret.encode()
        self._password = password
        self._asking = Asking(url)

    async def register(self, person: Person) -> Resident:
        nonce = (await self._asking.ask("GET", REGISTER))["nonce"]
        signed = "\0".join((nonce, person.localpart, self._password, "notadmin")).encode()
        request = {
            "nonce": nonce,
            "username": person.localpart,
            "displayname": person.name,
            "password": self._password,
            "admin": False,
            "mac": hmac.new(self._secret, signed, hashlib.sha1).hexdigest(),
        }
        try:
            account = await self._asking.ask("POST", REGISTER, request)
        except Refused as refused:
            if refused.errcode == "M_USER_IN_USE":
                raise SeedError(
                    f"{person.localpart} lives here already. Choose an empty server."
                ) from refused
            raise
        return Resident(self._url, account["user_id"], account["access_token"])

    def close(self) -> None:
        self._asking.close()
