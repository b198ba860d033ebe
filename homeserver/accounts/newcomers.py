"""Making accounts while the server runs: with what belongs to them, and with a welcome.

https://spec.matrix.org/v1.19/client-server-api/#legacy-account-registration
"""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from homeserver.accounts.accounts import Accounts, Alongside
from homeserver.accounts.address import Address
from homeserver.accounts.interactive_auth import session_hash
from homeserver.accounts.sessions import PreparedSession
from homeserver.accounts.stages import EmailStage, ProvenAddress, RegistrationTokenStage, TermsStage
from homeserver.accounts.store.addresses import insert_address
from homeserver.accounts.store.interactive_auth import delete_interactive_session
from homeserver.accounts.store.registration_tokens import use_registration_token
from homeserver.accounts.store.validations import delete_validation
from homeserver.protocol.errors import Forbidden, ThreepidInUse, Unknown
from homeserver.protocol.identifiers import UserID, localpart_of
from homeserver.protocol.json import JsonValue
from homeserver.runtime.clock import Clock
from homeserver.runtime.tasks import run_in_background
from homeserver.storage.engine import Transaction


class Welcome(Protocol):
    """Shows a new user in. Implemented by `homeserver.rooms`."""

    async def welcome(self, user_id: UserID, *, is_guest: bool) -> None: ...


class Newcomers:
    """The accounts that people make, or have made for them."""

    def __init__(self, accounts: Accounts, welcome: Welcome, clock: Clock) -> None:
        self._accounts = accounts
        self._welcome = welcome
        self._clock = clock

    async def register(
        self,
        user_id: UserID,
        password: str,
        completed: Mapping[str, JsonValue],
        session_id: str | None,
        *,
        displayname: str | None,
        session: PreparedSession | None,
    ) -> None:
        """An account for who `completed` the stages of interactive authentication, which serve once.

        Raises UserInUse, Unknown where the stages made another account, Forbidden where the registration token
        was used up meanwhile, ThreepidInUse where somebody else has the address meanwhile.
        """
        await self._accounts.create(
            user_id,
            password,
            displayname=displayname,
            accepted_terms=completed.get(TermsStage.type),
            session=session,
            alongside=self._spending(completed, session_id),
        )
        self._receive(user_id)

    async def upgrade_guest(
        self,
        user_id: UserID,
        password: str,
        completed: Mapping[str, JsonValue],
        session_id: str | None,
        *,
        session: PreparedSession | None,
    ) -> None:
        """The same for a guest, who keeps their ID and rooms. Raises the same."""
        await self._accounts.upgrade_guest(
            user_id,
            password,
            accepted_terms=completed.get(TermsStage.type),
            session=session,
            alongside=self._spending(completed, session_id),
        )
        self._receive(user_id)

    async def add_guest(self, user_id: UserID, session: PreparedSession) -> None:
        await self._accounts.create(user_id, None, is_guest=True, session=session)
        self._receive(user_id, is_guest=True)

    async def add(
        self,
        user_id: UserID,
        *,
        displayname: str | None,
        password: str | None = None,
        is_admin: bool = False,
        user_type: str | None = None,
        session: PreparedSession | None = None,
    ) -> int:
        """An account for somebody whom others vouch for. Returns the user's short id; raises UserInUse."""
        user_nid = await self._accounts.create(
            user_id,
            password,
            displayname=displayname,
            is_admin=is_admin,
            user_type=user_type,
            session=session,
        )
        self._receive(user_id)
        return user_nid

    async def add_for_service(self, user_id: UserID, session: PreparedSession | None) -> int:
        """An account that an application service uses, who need not be shown in. Raises UserInUse."""
        return await self._accounts.create(user_id, None, displayname=localpart_of(user_id), session=session)

    def _receive(self, user_id: UserID, *, is_guest: bool = False) -> None:
        run_in_background("welcome", self._welcome.welcome(user_id, is_guest=is_guest))

    def _spending(self, completed: Mapping[str, JsonValue], session_id: str | None) -> Alongside:
        token = completed.get(RegistrationTokenStage.type)
        email = completed.get(EmailStage.type)
        now = self._clock.now_ms()

        def spend(txn: Transaction, user_nid: int) -> None:
            if session_id is not None and not delete_interactive_session(txn, session_hash(session_id)):
                raise Unknown("This session of interactive authentication has made an account already")
            if token is not None and not use_registration_token(txn, token, now):
                raise Forbidden("This registration token is no longer valid")
            if email is not None:
                _add_address(txn, user_nid, msgspec.convert(email, ProvenAddress), now)

        return spend


def _add_address(txn: Transaction, user_nid: int, proven: ProvenAddress, now: int) -> None:
    delete_validation(txn, proven.sid)
    address = Address(proven.medium, proven.address)
    if not insert_address(txn, user_nid, address, proven.validated_at, now):
        raise ThreepidInUse("This address belongs to another account")
