"""Asking somebody who is logged in to prove again who they are, before something that a thief would do."""

from datetime import timedelta

import msgspec

from config.passwords import Passwords
from homeserver.accounts.interactive_auth import Flow, InteractiveAuth, Operation
from homeserver.accounts.password_login import PasswordLogin
from homeserver.accounts.stages import PasswordStage
from homeserver.accounts.store.devices import proven_at, update_proven_at
from homeserver.http.requester import Requester
from homeserver.protocol.json import JsonObject
from homeserver.runtime.clock import Clock
from homeserver.storage.database import Database


class Reauthentication:
    """Interactive authentication of a known user, by their password."""

    def __init__(
        self,
        interactive_auth: InteractiveAuth,
        passwords: PasswordLogin,
        settings: Passwords,
        db: Database,
        clock: Clock,
        lifetime: timedelta,
    ) -> None:
        """For its `lifetime` a proof holds for whatever else is done on the same device."""
        self._interactive_auth = interactive_auth
        self._flows: list[Flow] = [[PasswordStage(passwords)]] if settings.for_reauth else []
        self._db = db
        self._clock = clock
        self._lifetime_ms = lifetime // timedelta(milliseconds=1)

    async def require(
        self, requester: Requester, name: str, body: msgspec.Struct, auth: JsonObject | None
    ) -> None:
        """Returns once the requester is authenticated for this very request, whose endpoint `name` names.

        Nobody is there whom a service could ask. Raises what `InteractiveAuth.require` does.
        """
        if requester.service is not None:
            return
        operation = Operation.of(name, body, requester.user_id)
        await self._interactive_auth.require(operation, self._flows, auth)
        if self._lifetime_ms and requester.device_nid is not None:
            await self._db.write(update_proven_at, requester.device_nid, self._clock.now_ms())

    async def require_lately(
        self, requester: Requester, name: str, body: msgspec.Struct, auth: JsonObject | None
    ) -> None:
        """The same for what is asked of a user again and again: who logged in, or proved it, lately need not."""
        if not await self._is_proven(requester):
            await self.require(requester, name, body, auth)

    async def _is_proven(self, requester: Requester) -> bool:
        if not self._lifetime_ms or requester.device_nid is None:
            return False
        proven = await self._db.read(proven_at, requester.device_nid)
        return self._clock.now_ms() < proven + self._lifetime_ms
