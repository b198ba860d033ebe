"""Asking somebody who is logged in to prove again who they are, before something that a thief would do."""

import msgspec

from config.passwords import Passwords
from homeserver.accounts.interactive_auth import Flow, InteractiveAuth, Operation
from homeserver.accounts.password_login import PasswordLogin
from homeserver.accounts.stages import PasswordStage
from homeserver.http.requester import Requester
from homeserver.protocol.json import JsonObject


class Reauthentication:
    """Interactive authentication of a known user, by their password."""

    def __init__(
        self, interactive_auth: InteractiveAuth, passwords: PasswordLogin, settings: Passwords
    ) -> None:
        self._interactive_auth = interactive_auth
        self._flows: list[Flow] = [[PasswordStage(passwords)]] if settings.for_reauth else []

    async def require(
        self, requester: Requester, name: str, body: msgspec.Struct, auth: JsonObject | None
    ) -> None:
        """Returns once the requester is authenticated for this very request, whose endpoint `name` names.

        Raises what `InteractiveAuth.require` does.
        """
        operation = Operation.of(name, body, requester.user_id)
        await self._interactive_auth.require(operation, self._flows, auth)
