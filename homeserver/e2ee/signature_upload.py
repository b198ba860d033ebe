"""Signatures that clients make of devices and users after they have verified them.

https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3keyssignaturesupload
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from homeserver.accounts.domains import LocalDomains
from homeserver.e2ee.device_lists import DeviceLists, KeyOwner
from homeserver.e2ee.remote import OtherServers
from homeserver.e2ee.signed_keys import (
    Signatures,
    check_signature,
    ed25519,
    is_canonical,
    is_same_key,
    signatures_of,
    with_signatures,
)
from homeserver.e2ee.store.cross_signing import (
    CrossSigningKey,
    Kind,
    UserSignature,
    cross_signing_keys,
    published_keys,
    put_cross_signing_keys,
    put_user_signature,
)
from homeserver.e2ee.store.device_keys import (
    DeviceKeysRow,
    device_keys,
    own_device_keys,
    replace_device_keys,
)
from homeserver.protocol.errors import BadJson, InvalidSignature, MatrixError, NotFound
from homeserver.protocol.identifiers import DeviceID, ServerName, UserID, server_of
from homeserver.protocol.json import JsonObject, canonical_json, decode_json
from homeserver.storage.database import Database
from homeserver.storage.dictionary import Dictionary
from homeserver.storage.engine import Transaction

_PATIENCE = 10.0  # seconds, with other servers

SignedKeys = Mapping[UserID, Mapping[str, JsonObject]]
"""Signed objects by whose they are and by key ID: that of a device, or a public master key."""


@dataclass(slots=True)
class _Known:
    """What the signatures are checked by."""

    devices: dict[DeviceID, DeviceKeysRow]
    own: dict[Kind, CrossSigningKey]
    masters: dict[UserID, CrossSigningKey]


@dataclass(slots=True)
class _Checked:
    """Good signatures: of the user's own devices by short id, of the own master key, of others' master keys."""

    devices: dict[int, Signatures] = field(default_factory=dict)
    master: dict[str, str] = field(default_factory=dict)
    others: dict[UserID, tuple[str, str, str]] = field(default_factory=dict)
    """Public master key, ID of the signing key, signature."""


class SignatureUpload:
    """Takes each signature for itself: one that is wrong does not stop the others."""

    def __init__(
        self,
        db: Database,
        lists: DeviceLists,
        users: Dictionary[UserID],
        domains: LocalDomains,
        others: OtherServers,
    ) -> None:
        self._db = db
        self._lists = lists
        self._users = users
        self._domains = domains
        self._others = others

    async def upload(self, signer: KeyOwner, signed: SignedKeys) -> JsonObject:
        """The failures: by user and key ID, errors as they would be told of a whole request."""
        known = await self._db.read(_read, signer, [user for user in signed if user != signer.user_id])
        known.masters |= await self._masters_elsewhere(signer, signed)
        checked = _Checked()
        failures: JsonObject = {}
        for user_id, keys in signed.items():
            for key_id, key in keys.items():
                try:
                    _check(checked, known, signer.user_id, user_id, key_id, key)
                except MatrixError as error:
                    failures.setdefault(user_id, {})[key_id] = error.body()
        if checked.devices or checked.master:
            await self._lists.change(signer, partial(_add_own, signer=signer, checked=checked))
        for user_id, (master, key_id, text) in checked.others.items():
            target = KeyOwner(user_id, await self._users.nid_of(user_id))
            signature = UserSignature(signer.user_nid, target.user_nid, master, key_id, text)
            # Nobody but the signer sees it.
            await self._lists.change(
                target, partial(put_user_signature, signature=signature), seen_by=signer.user_nid
            )
        return failures

    async def _masters_elsewhere(self, signer: KeyOwner, signed: SignedKeys) -> dict[UserID, CrossSigningKey]:
        """The master keys of remote users, as their servers tell them."""
        wishes: dict[ServerName, dict[UserID, list[str]]] = defaultdict(dict)
        for user_id in signed:
            if not self._domains.is_local(user_id):
                wishes[server_of(user_id)][user_id] = []
        if not wishes:
            return {}
        answers = await self._others.query_keys(wishes, signer.user_nid, _PATIENCE)
        found = {}
        for remote, key in answers.master_keys.items():
            (public_key,) = key["keys"].values()
            found[UserID(remote)] = CrossSigningKey(Kind.MASTER, public_key, canonical_json(key))
        return found


def _read(txn: Transaction, signer: KeyOwner, others: list[UserID]) -> _Known:
    return _Known(
        own_device_keys(txn, signer.user_nid),
        cross_signing_keys(txn, signer.user_nid),
        {
            found.user_id: CrossSigningKey(found.kind, found.public_key, found.key)
            for found in published_keys(txn, others)
            if found.kind is Kind.MASTER
        },
    )


def _check(
    checked: _Checked, known: _Known, signer: UserID, user_id: UserID, key_id: str, key: JsonObject
) -> None:
    """Adds the good signatures. Raises BadJson, NotFound for an unknown key, InvalidSignature."""
    if not is_canonical(key):
        raise BadJson("The object is not canonical JSON, so nobody can have signed it")
    if user_id != signer:
        checked.others[user_id] = _signature_of_other(known, signer, known.masters.get(user_id), key_id, key)
    elif (device := known.devices.get(DeviceID(key_id))) is not None:
        checked.devices[device.device_nid] = _signature_of_device(known, signer, device, key)
    else:
        checked.master |= _signatures_of_master(known, signer, key_id, key)


def _signature_of_device(known: _Known, signer: UserID, device: DeviceKeysRow, key: JsonObject) -> Signatures:
    _check_same(device.keys, key)
    own = known.own.get(Kind.SELF_SIGNING)
    if own is None:
        raise NotFound("There is no self-signing key to sign devices with")
    return {ed25519(own.public_key): _good_signature(key, signer, ed25519(own.public_key), own.public_key)}


def _signatures_of_master(known: _Known, signer: UserID, key_id: str, key: JsonObject) -> Signatures:
    """The user's devices may sign it."""
    master = known.own.get(Kind.MASTER)
    if master is None or master.public_key != key_id:
        raise NotFound("There is no such key")
    _check_same(master.key, key)
    found = {}
    for name in signatures_of(key, signer):
        device = known.devices.get(DeviceID(name.removeprefix(ed25519(""))))
        if device is not None:
            public_key = decode_json(device.keys)["keys"].get(name, "")
            found[name] = _good_signature(key, signer, name, public_key)
    if not found:
        raise InvalidSignature("None of the user's devices signed it")
    return found


def _signature_of_other(
    known: _Known, signer: UserID, master: CrossSigningKey | None, key_id: str, key: JsonObject
) -> tuple[str, str, str]:
    if master is None or master.public_key != key_id:
        raise NotFound("There is no such key; of other users, only master keys can be signed")
    _check_same(master.key, key)
    own = known.own.get(Kind.USER_SIGNING)
    if own is None:
        raise NotFound("There is no user-signing key to sign other users with")
    name = ed25519(own.public_key)
    return key_id, name, _good_signature(key, signer, name, own.public_key)


def _check_same(stored: bytes, key: JsonObject) -> None:
    if not is_same_key(decode_json(stored), key):
        raise InvalidSignature("What was signed is not the key as it was published")


def _good_signature(key: JsonObject, signer: UserID, key_id: str, public_key: str) -> str:
    check_signature(key, signer, key_id, public_key)
    return signatures_of(key, signer)[key_id]


def _add_own(txn: Transaction, signer: KeyOwner, checked: _Checked) -> bool:
    changed = False
    for device_nid, signatures in checked.devices.items():
        stored = device_keys(txn, device_nid)
        signed = None if stored is None else _signed(stored, signer.user_id, signatures)
        if signed is not None:
            replace_device_keys(txn, device_nid, signed)
            changed = True
    master = cross_signing_keys(txn, signer.user_nid).get(Kind.MASTER)
    if checked.master and master is not None:
        signed = _signed(master.key, signer.user_id, checked.master)
        if signed is not None:
            put_cross_signing_keys(txn, signer.user_nid, [master._replace(key=signed)])
            changed = True
    return changed


def _signed(stored: bytes, signer: UserID, signatures: Signatures) -> bytes | None:
    """The stored key with more signatures; None where it has them all."""
    key = decode_json(stored)
    signed = canonical_json(with_signatures(key, signer, {**signatures_of(key, signer), **signatures}))
    return None if signed == stored else signed
