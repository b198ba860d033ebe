"""A new password for somebody who forgot the old one, but reads an address of the account.

https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3accountpassword
"""

import msgspec

from homeserver.accounts.address import Address
from homeserver.accounts.interactive_auth import Flow, InteractiveAuth, Operation
from homeserver.accounts.stages import EmailStage, ProvenAddress
from homeserver.accounts.store.accounts import account_by_nid
from homeserver.accounts.store.addresses import owner_of_address
from homeserver.accounts.store.validations import delete_validation
from homeserver.protocol.errors import MissingToken, ThreepidNotFound
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import JsonObject
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction


class PasswordReset:
    """Finds out who may set a new password without the old one."""

    def __init__(self, db: Database, interactive_auth: InteractiveAuth, stage: EmailStage | None) -> None:
        """Without a `stage` nobody may: the server sends no e-mail."""
        self._db = db
        self._interactive_auth = interactive_auth
        self._flows: list[Flow] = [] if stage is None else [[stage]]

    async def user(self, operation: Operation, auth: JsonObject | None) -> UserID:
        """Who has proven to read an address of their account; the proof serves once.

        Raises what `InteractiveAuth.require` does, ThreepidNotFound, and MissingToken where it cannot be proven.
        """
        if not self._flows:
            raise MissingToken("Passwords cannot be reset by e-mail here; an access token is needed")
        completed = await self._interactive_auth.require(operation, self._flows, auth)
        proven = msgspec.convert(completed[EmailStage.type], ProvenAddress)
        user_id = await self._db.write(_spend, proven)
        if user_id is None:
            raise ThreepidNotFound("No account has this address")
        return user_id


def _spend(txn: Transaction, proven: ProvenAddress) -> UserID | None:
    if not delete_validation(txn, proven.sid):
        return None
    owner = owner_of_address(txn, Address(proven.medium, proven.address))
    account = None if owner is None else account_by_nid(txn, owner)
    return None if account is None else account.user_id
