"""Local users' profiles: reading them, and changing them for everybody to see."""

from typing import Protocol

from homeserver.accounts.profile import AVATAR_URL, DISPLAYNAME, Profile, check_key
from homeserver.accounts.store.accounts import account_by_user_id
from homeserver.accounts.store.profiles import profile_of, put_profile
from homeserver.protocol.errors import NotFound
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import JsonValue, encode_json
from homeserver.storage.cache import ByteBudgetCache
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction

_ENTRY_BYTES = 500


class ProfileListener(Protocol):
    """Is told that the name or picture of a user changed. Implemented by `homeserver.rooms`."""

    def profile_changed(self) -> None:
        """Who it was is stored (table account_profile_change)."""


class Profiles:
    """Profiles as they are; those asked for lately are in memory."""

    def __init__(self, db: Database, budget: int) -> None:
        """`budget` is in bytes."""
        self._db = db
        self._cache: ByteBudgetCache[UserID, Profile] = ByteBudgetCache(budget)
        self._changes = 0

    async def get(self, user_id: UserID) -> Profile | None:
        """None where there is no such local user."""
        profile = self._cache.get(user_id)
        if profile is not None:
            return profile
        changes = self._changes
        profile = await self._db.read(profile_of, user_id)
        # What was read while a profile changed may be older than the change.
        if profile is not None and changes == self._changes:
            self._cache.put(user_id, profile, _ENTRY_BYTES + len(encode_json(profile.fields)))
        return profile

    def forget(self, user_id: UserID) -> None:
        """To be called after the commit that changed the profile."""
        self._changes += 1
        self._cache.discard(user_id)


class ProfileEditor:
    """Changes fields of profiles. Rooms learn of new names and pictures soon."""

    def __init__(self, db: Database, profiles: Profiles, listener: ProfileListener) -> None:
        self._db = db
        self._profiles = profiles
        self._listener = listener

    async def set_field(self, user_id: UserID, key: str, value: JsonValue) -> None:
        """Raises NotFound, InvalidParam, KeyTooLarge or ProfileTooLarge."""
        check_key(key)
        await self._db.write(_set_field, user_id, key, value)
        self._tell(user_id, key)

    async def remove_field(self, user_id: UserID, key: str) -> None:
        """Removing what is not there is fine. Raises NotFound, InvalidParam or KeyTooLarge."""
        check_key(key)
        await self._db.write(_remove_field, user_id, key)
        self._tell(user_id, key)

    def _tell(self, user_id: UserID, key: str) -> None:
        self._profiles.forget(user_id)
        if key in (DISPLAYNAME, AVATAR_URL):
            self._listener.profile_changed()


def _set_field(txn: Transaction, user_id: UserID, key: str, value: JsonValue) -> None:
    user_nid, profile = _require(txn, user_id)
    put_profile(txn, user_nid, profile.with_field(key, value))


def _remove_field(txn: Transaction, user_id: UserID, key: str) -> None:
    user_nid, profile = _require(txn, user_id)
    put_profile(txn, user_nid, profile.without_field(key))


def _require(txn: Transaction, user_id: UserID) -> tuple[int, Profile]:
    account, profile = account_by_user_id(txn, user_id), profile_of(txn, user_id)
    if account is None or profile is None:
        raise NotFound("There is no such user on this server")
    return account.user_nid, profile
