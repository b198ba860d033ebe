"""Locking and suspending accounts: reversible, unlike deactivation.

https://spec.matrix.org/v1.19/client-server-api/#account-moderation
"""

import logging

from homeserver.accounts.accounts import Accounts
from homeserver.accounts.domains import LocalDomains
from homeserver.accounts.store.accounts import Account
from homeserver.http.requester import Requester
from homeserver.protocol.errors import Forbidden, InvalidParam, NotFound
from homeserver.protocol.identifiers import UserID

log = logging.getLogger(__name__)


class AccountModeration:
    """What administrators do to other users of this server, but not to themselves nor to each other.

    All raise InvalidParam for users of other servers, NotFound for those who are not (any more).
    """

    def __init__(self, accounts: Accounts, domains: LocalDomains) -> None:
        self._accounts = accounts
        self._domains = domains

    async def account(self, user_id: UserID) -> Account:
        if not self._domains.is_local(user_id):
            raise InvalidParam("This user does not belong to this server")
        account = await self._accounts.find(user_id)
        if account is None or account.deactivated_at is not None:
            raise NotFound("There is no such user on this server")
        return account

    async def set_locked(self, requester: Requester, user_id: UserID, is_locked: bool) -> None:
        """Raises Forbidden for the requester's own account and those of other administrators."""
        await self._check(user_id)
        await self._accounts.set_locked(user_id, is_locked)
        log.info("%s %s %s", requester.user_id, "locked" if is_locked else "unlocked", user_id)

    async def set_suspended(self, requester: Requester, user_id: UserID, is_suspended: bool) -> None:
        """Raises Forbidden for the requester's own account and those of other administrators."""
        await self._check(user_id)
        await self._accounts.set_suspended(user_id, is_suspended)
        log.info(
            "%s %s %s", requester.user_id, "suspended" if is_suspended else "no longer suspends", user_id
        )

    async def _check(self, user_id: UserID) -> None:
        # The requester is an administrator too.
        if (await self.account(user_id)).is_admin:
            raise Forbidden("Accounts of administrators cannot be locked or suspended")
