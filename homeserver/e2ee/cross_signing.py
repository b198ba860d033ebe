"""Cross-signing keys: a user's own, which sign devices and other users.

https://spec.matrix.org/v1.19/client-server-api/#cross-signing
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import msgspec

from homeserver.accounts.store.devices import device_nids
from homeserver.e2ee.device_lists import DeviceLists, KeyOwner
from homeserver.e2ee.signed_keys import check_signature, ed25519, is_canonical, is_same_key, merged
from homeserver.e2ee.store.cross_signing import (
    CrossSigningKey,
    Kind,
    cross_signing_keys,
    delete_cross_signing_keys,
    delete_signatures_by,
    delete_signatures_of,
    put_cross_signing_keys,
)
from homeserver.e2ee.store.device_lists import delete_changes_seen_by
from homeserver.protocol.errors import BadJson, Forbidden, InvalidParam, MissingParam, Unknown
from homeserver.protocol.identifiers import DeviceID, UserID
from homeserver.protocol.json import JsonObject, canonical_json, decode_json
from homeserver.protocol.unpadded_base64 import decode_base64
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction

_KEY_BYTES = 32

Stored = Mapping[Kind, CrossSigningKey]


class _CrossSigningKey(msgspec.Struct):
    user_id: str
    usage: list[str]
    keys: dict[str, str]
    signatures: dict[str, dict[str, str]] = {}


@dataclass(frozen=True, slots=True)
class NewKeys:
    """Checked keys, beside those that the user has."""

    owner: KeyOwner
    given: Mapping[Kind, tuple[str, JsonObject]]
    """The public key, and the object that tells of it."""
    stored: Stored

    @property
    def are_known(self) -> bool:
        """Whether the request repeats what is there."""
        return all(
            kind in self.stored and is_same_key(decode_json(self.stored[kind].key), key)
            for kind, (_, key) in self.given.items()
        )

    @property
    def need_authentication(self) -> bool:
        """Not for the first master key, nor for a request that is repeated (MSC3967)."""
        return Kind.MASTER in self.stored and not self.are_known


class CrossSigning:
    """Takes the public parts of a user's cross-signing keys."""

    def __init__(self, db: Database, lists: DeviceLists) -> None:
        self._db = db
        self._lists = lists

    async def check(self, owner: KeyOwner, keys: Mapping[Kind, JsonObject]) -> NewKeys:
        """Raises BadJson, InvalidParam, InvalidSignature, MissingParam without a master key, Forbidden."""
        given = {kind: (_public_key(owner.user_id, kind, key), key) for kind, key in keys.items()}
        stored, taken = await self._db.read(_stored, owner, [public for public, _ in given.values()])
        if taken:
            raise Forbidden("A device of the user is called like one of the keys")
        _check_signatures(owner.user_id, given, stored)
        return NewKeys(owner, given, stored)

    async def store(self, keys: NewKeys) -> None:
        """Raises Unknown where the user's keys changed since they were checked."""
        if keys.given:
            await self._lists.change(keys.owner, partial(_store, new=keys))


def _public_key(user_id: UserID, kind: Kind, key: JsonObject) -> str:
    name = f"{kind.usage}_key"
    try:
        parsed = msgspec.convert(key, _CrossSigningKey)
    except msgspec.ValidationError as error:
        raise BadJson(f"{name}: {error}") from error
    if not is_canonical(key):
        raise BadJson(f"{name} is not canonical JSON, so nobody can have signed it")
    if parsed.user_id != user_id:
        raise InvalidParam(f"{name} is the key of another user")
    if kind.usage not in parsed.usage:
        raise InvalidParam(f"The usage of {name} must contain {kind.usage}")
    if len(parsed.keys) != 1:
        raise InvalidParam(f"{name} must have exactly one key")
    ((key_id, public_key),) = parsed.keys.items()
    if key_id != ed25519(public_key) or not _is_public_key(public_key):
        raise InvalidParam(f"{name} must have the name ed25519:… with the key in unpadded Base64")
    return public_key


def _is_public_key(text: str) -> bool:
    try:
        return len(decode_base64(text)) == _KEY_BYTES and not text.endswith("=")
    except ValueError:
        return False


def _stored(txn: Transaction, owner: KeyOwner, public_keys: list[str]) -> tuple[Stored, bool]:
    taken = device_nids(txn, owner.user_nid, [DeviceID(public) for public in public_keys])
    return cross_signing_keys(txn, owner.user_nid), bool(taken)


def _check_signatures(user_id: UserID, given: Mapping[Kind, tuple[str, JsonObject]], stored: Stored) -> None:
    """The master key must have signed the others."""
    if Kind.MASTER in given:
        master = given[Kind.MASTER][0]
    elif Kind.MASTER in stored:
        master = stored[Kind.MASTER].public_key
    elif given:
        raise MissingParam("There is no master key yet: master_key must be given first")
    for kind, (_, key) in given.items():
        if kind is not Kind.MASTER:
            check_signature(key, user_id, ed25519(master), master)


def _store(txn: Transaction, new: NewKeys) -> bool:
    owner = new.owner
    stored = cross_signing_keys(txn, owner.user_nid)
    if _public_keys(stored) != _public_keys(new.stored):
        # Who was allowed to write the keys that were checked need not be allowed to replace others.
        raise Unknown("The keys were changed at the same time; try again")
    rows = [_row(kind, public, key, stored.get(kind), owner) for kind, (public, key) in new.given.items()]
    changed = [row for row in rows if stored.get(row.kind) != row]
    replaced = {
        row.kind for row in changed if row.kind in stored and stored[row.kind].public_key != row.public_key
    }
    if Kind.MASTER in replaced:
        # What the old master key signed means nothing any more.
        gone = {Kind.SELF_SIGNING, Kind.USER_SIGNING} - new.given.keys()
        delete_cross_signing_keys(txn, owner.user_nid, sorted(gone))
        delete_signatures_of(txn, owner.user_nid)
        replaced |= gone
    if Kind.USER_SIGNING in replaced:
        delete_signatures_by(txn, owner.user_nid)
        delete_changes_seen_by(txn, owner.user_nid)
    put_cross_signing_keys(txn, owner.user_nid, changed)
    return bool(changed)


def _row(
    kind: Kind, public: str, key: JsonObject, stored: CrossSigningKey | None, owner: KeyOwner
) -> CrossSigningKey:
    known = None if stored is None else decode_json(stored.key)
    return CrossSigningKey(kind, public, canonical_json(merged(known, key, owner.user_id)))


def _public_keys(keys: Stored) -> dict[Kind, str]:
    return {kind: key.public_key for kind, key in keys.items()}
