"""The stages of interactive authentication that this server knows.

https://spec.matrix.org/v1.19/client-server-api/#authentication-types
"""

import msgspec

from homeserver.accounts.password_login import NamedPassword, PasswordLogin
from homeserver.protocol.errors import BadJson, Forbidden
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import JsonObject, JsonValue


class DummyStage:
    """Always succeeds: the way to ask for nothing."""

    type = "m.login.dummy"

    def params(self) -> JsonObject:
        return {}

    async def attempt(self, auth: JsonObject, user_id: UserID | None) -> JsonValue:
        return True


class PasswordStage:
    """The user gives their password once more. Remembers the user ID."""

    type = "m.login.password"

    def __init__(self, passwords: PasswordLogin) -> None:
        self._passwords = passwords

    def params(self) -> JsonObject:
        return {}

    async def attempt(self, auth: JsonObject, user_id: UserID | None) -> JsonValue:
        try:
            given = msgspec.convert(auth, NamedPassword)
        except msgspec.ValidationError as error:
            raise BadJson(str(error)) from error
        proven = await self._passwords.check(given)
        if user_id is not None and proven.user_id != user_id:
            raise Forbidden("This is the password of another user")
        return proven.user_id
