"""Local users: making, changing and ending their accounts, for the APIs and for the command line."""

from collections.abc import Callable, Sequence

from homeserver.accounts.devices import DeviceListener
from homeserver.accounts.passwords import PasswordHasher
from homeserver.accounts.profile import Profile
from homeserver.accounts.profiles import Profiles
from homeserver.accounts.sessions import PreparedSession
from homeserver.accounts.store.accounts import (
    Account,
    NewAccount,
    account_by_user_id,
    accounts_after,
    insert_account,
    is_taken,
    mark_deactivated,
    update_accepted_terms,
    update_is_admin,
    update_locked_at,
    update_password_hash,
    update_rate_limit,
    update_suspended_at,
    upgrade_guest,
)
from homeserver.accounts.store.addresses import delete_addresses_of
from homeserver.accounts.store.devices import device_nids_but
from homeserver.accounts.store.profiles import put_profile
from homeserver.accounts.store.sessions import insert_session
from homeserver.accounts.store.short_lived_tokens import delete_short_lived_tokens_of
from homeserver.accounts.store.tokens import delete_devices, token_hashes_of
from homeserver.accounts.token_cache import TokenCache
from homeserver.protocol.errors import NotFound, UserInUse
from homeserver.protocol.identifiers import UserID
from homeserver.runtime.clock import Clock
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction

Alongside = Callable[[Transaction, int], None]
"""What is written, or refused, together with an account; called with its short id."""


class Accounts:
    """The accounts of this server. Passwords are taken as they are: who asks for one checks it."""

    def __init__(
        self,
        db: Database,
        hasher: PasswordHasher,
        profiles: Profiles,
        cache: TokenCache,
        listener: DeviceListener,
        clock: Clock,
    ) -> None:
        self._db = db
        self._hasher = hasher
        self._profiles = profiles
        self._cache = cache
        self._listener = listener
        self._clock = clock

    async def create(
        self,
        user_id: UserID,
        password: str | None,
        *,
        displayname: str | None = None,
        is_admin: bool = False,
        user_type: str | None = None,
        is_guest: bool = False,
        accepted_terms: str | None = None,
        session: PreparedSession | None = None,
        alongside: Alongside | None = None,
    ) -> int:
        """Makes an account, its profile and its first session in one write, and returns the user's short id.

        Without a password nobody can log in. Raises UserInUse, and what `alongside` does.
        """
        password_hash = None if password is None else await self._hasher.hash(password)
        new = NewAccount(user_id, password_hash, displayname, is_admin, user_type, is_guest, accepted_terms)
        return await self._db.write(_create, new, session, alongside, self._clock.now_ms())

    async def upgrade_guest(
        self,
        user_id: UserID,
        password: str,
        *,
        accepted_terms: str | None = None,
        session: PreparedSession | None = None,
        alongside: Alongside | None = None,
    ) -> None:
        """Makes a user of a guest, whose sessions end. Raises UserInUse, and what `alongside` does."""
        password_hash = await self._hasher.hash(password)
        ended = await self._db.write(
            _upgrade_guest, user_id, password_hash, accepted_terms, session, alongside
        )
        self._cache.forget(ended)
        await self._tell_of_devices(user_id)

    async def find(self, user_id: UserID) -> Account | None:
        return await self._db.read(account_by_user_id, user_id)

    async def is_taken(self, user_id: UserID) -> bool:
        """Whether somebody has this ID, or one that differs only in case."""
        return await self._db.read(is_taken, user_id)

    async def list(self, after: int = 0, limit: int = 100) -> list[Account]:
        """Accounts with short ids greater than `after`, in their order."""
        return await self._db.read(accounts_after, after, limit)

    async def set_password(
        self, user_id: UserID, password: str, *, logout: bool = True, keep_device: int | None = None
    ) -> None:
        """Ends all sessions, unless `logout` is false, except that of the device with this short id.

        Raises NotFound.
        """
        password_hash = await self._hasher.hash(password)
        self._cache.forget(
            await self._db.write(
                _set_password, user_id, password_hash, logout=logout, keep_device=keep_device
            )
        )
        if logout:
            await self._tell_of_devices(user_id)

    async def set_admin(self, user_id: UserID, is_admin: bool) -> None:
        """Raises NotFound."""
        self._cache.forget(await self._db.write(_set_admin, user_id, is_admin))

    async def set_locked(self, user_id: UserID, is_locked: bool) -> None:
        """Locked users can do nothing but log out; their sessions go on when they are unlocked. Raises NotFound."""
        at = self._clock.now_ms() if is_locked else None
        self._cache.forget(await self._db.write(_set_standing, user_id, update_locked_at, at))

    async def set_suspended(self, user_id: UserID, is_suspended: bool) -> None:
        """Suspended users read but tell others nothing. Raises NotFound."""
        at = self._clock.now_ms() if is_suspended else None
        self._cache.forget(await self._db.write(_set_standing, user_id, update_suspended_at, at))

    async def accept_terms(self, user_id: UserID, version: str) -> None:
        """Notes the version of the terms that a user accepted. Raises NotFound."""
        self._cache.forget(await self._db.write(_accept_terms, user_id, version))

    async def set_rate_limit(self, user_id: UserID, per_second: int | None, burst: int | None) -> None:
        """How many events the user may send, unlimited at 0 per second; None for as many as all. Raises NotFound."""
        self._cache.forget(await self._db.write(_set_rate_limit, user_id, per_second, burst))

    async def deactivate(self, user_id: UserID, *, erase: bool = False) -> None:
        """Ends the account and its sessions for good; `erase` empties the profile too. Raises NotFound."""
        ended = await self._db.write(_deactivate, user_id, self._clock.now_ms(), erase=erase)
        self._cache.forget(ended)
        self._profiles.forget(user_id)
        await self._tell_of_devices(user_id)

    async def _tell_of_devices(self, user_id: UserID) -> None:
        account = await self.find(user_id)
        if account is not None:
            await self._listener.devices_deleted(account.user_nid)


def _create(
    txn: Transaction, new: NewAccount, session: PreparedSession | None, alongside: Alongside | None, now: int
) -> int:
    if is_taken(txn, new.user_id):
        raise UserInUse("This user name is taken")
    user_nid = insert_account(txn, new, now)
    if user_nid is None:
        raise UserInUse("This user name is taken")
    put_profile(txn, user_nid, Profile(displayname=new.displayname))
    if session is not None:
        insert_session(txn, user_nid, session.stored)
    if alongside is not None:
        alongside(txn, user_nid)
    return user_nid


def _upgrade_guest(
    txn: Transaction,
    user_id: UserID,
    password_hash: str,
    accepted_terms: str | None,
    session: PreparedSession | None,
    alongside: Alongside | None,
) -> Sequence[bytes]:
    account = account_by_user_id(txn, user_id)
    if account is None or not upgrade_guest(txn, account.user_nid, password_hash, accepted_terms):
        raise UserInUse("This user is no guest")
    ended = delete_devices(txn, device_nids_but(txn, account.user_nid, None))
    if session is not None:
        insert_session(txn, account.user_nid, session.stored)
    if alongside is not None:
        alongside(txn, account.user_nid)
    return ended


def _set_password(
    txn: Transaction, user_id: UserID, password_hash: str, *, logout: bool, keep_device: int | None
) -> Sequence[bytes]:
    user_nid = _require(txn, user_id).user_nid
    update_password_hash(txn, user_nid, password_hash)
    return delete_devices(txn, device_nids_but(txn, user_nid, keep_device)) if logout else ()


def _set_admin(txn: Transaction, user_id: UserID, is_admin: bool) -> Sequence[bytes]:
    user_nid = _require(txn, user_id).user_nid
    update_is_admin(txn, user_nid, is_admin)
    return token_hashes_of(txn, user_nid)


def _accept_terms(txn: Transaction, user_id: UserID, version: str) -> Sequence[bytes]:
    user_nid = _require(txn, user_id).user_nid
    update_accepted_terms(txn, user_nid, version)
    return token_hashes_of(txn, user_nid)


def _set_rate_limit(
    txn: Transaction, user_id: UserID, per_second: int | None, burst: int | None
) -> Sequence[bytes]:
    user_nid = _require(txn, user_id).user_nid
    update_rate_limit(txn, user_nid, per_second, burst)
    return token_hashes_of(txn, user_nid)


def _set_standing(
    txn: Transaction, user_id: UserID, update: Callable[[Transaction, int, int | None], None], at: int | None
) -> Sequence[bytes]:
    account = _require(txn, user_id)
    if account.deactivated_at is not None:
        raise NotFound("This account has been deactivated")
    update(txn, account.user_nid, at)
    return token_hashes_of(txn, account.user_nid)


def _deactivate(txn: Transaction, user_id: UserID, now: int, *, erase: bool) -> Sequence[bytes]:
    user_nid = _require(txn, user_id).user_nid
    mark_deactivated(txn, user_nid, now, erase=erase)
    if erase:
        put_profile(txn, user_nid, Profile())
    delete_addresses_of(txn, user_nid)
    delete_short_lived_tokens_of(txn, user_nid)
    return delete_devices(txn, device_nids_but(txn, user_nid, None))


def _require(txn: Transaction, user_id: UserID) -> Account:
    account = account_by_user_id(txn, user_id)
    if account is None:
        raise NotFound("There is no such user on this server")
    return account
