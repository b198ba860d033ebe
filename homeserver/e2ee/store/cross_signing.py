"""Tables e2ee_cross_signing_key and e2ee_user_signature."""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from homeserver.protocol.identifiers import UserID
from homeserver.storage.engine import Transaction


class Kind(IntEnum):
    """What a cross-signing key is for."""

    MASTER = 1
    SELF_SIGNING = 2
    USER_SIGNING = 3

    @property
    def usage(self) -> str:
        """Its name in a key's `usage`."""
        return self.name.lower()


class CrossSigningKey(NamedTuple):
    """`public_key` is the key in unpadded Base64, `key` the JSON that tells of it."""

    kind: Kind
    public_key: str
    key: bytes


class PublishedKey(NamedTuple):
    user_id: UserID
    kind: Kind
    public_key: str
    key: bytes


class UserSignature(NamedTuple):
    """`key_id` names the signing key, as in `ed25519:…`."""

    signer_nid: int
    target_nid: int
    master_key: str
    key_id: str
    signature: str


def cross_signing_keys(txn: Transaction, user_nid: int) -> dict[Kind, CrossSigningKey]:
    rows = txn.rows(
        "SELECT kind, public_key, key FROM e2ee_cross_signing_key WHERE user_nid = %(user_nid)s",
        user_nid=user_nid,
    )
    return {Kind(kind): CrossSigningKey(Kind(kind), public, bytes(key)) for kind, public, key in rows}


def published_keys(txn: Transaction, user_ids: Sequence[UserID]) -> list[PublishedKey]:
    """All cross-signing keys of these users."""
    rows = txn.rows(
        """
        SELECT u.user_id, k.kind, k.public_key, k.key FROM known_user u
        JOIN e2ee_cross_signing_key k ON k.user_nid = u.nid
        WHERE u.user_id IN %(user_ids)s
        """,
        user_ids=list(user_ids),
    )
    return [PublishedKey(user_id, Kind(kind), public, bytes(key)) for user_id, kind, public, key in rows]


def put_cross_signing_keys(txn: Transaction, user_nid: int, keys: Sequence[CrossSigningKey]) -> None:
    txn.execute_many(
        """
        INSERT INTO e2ee_cross_signing_key (user_nid, kind, public_key, key)
        VALUES (%(user_nid)s, %(kind)s, %(public_key)s, %(key)s)
        ON CONFLICT (user_nid, kind) DO UPDATE SET public_key = excluded.public_key, key = excluded.key
        """,
        [{"user_nid": user_nid, **key._asdict(), "kind": int(key.kind)} for key in keys],
    )


def delete_cross_signing_keys(txn: Transaction, user_nid: int, kinds: Sequence[Kind]) -> None:
    txn.execute(
        "DELETE FROM e2ee_cross_signing_key WHERE user_nid = %(user_nid)s AND kind IN %(kinds)s",
        user_nid=user_nid, kinds=[int(kind) for kind in kinds],
    )  # fmt: skip


def user_signatures(txn: Transaction, signer_nid: int) -> dict[UserID, UserSignature]:
    """What a user signed of others."""
    rows = txn.rows(
        """
        SELECT u.user_id, s.signer_nid, s.target_nid, s.master_key, s.key_id, s.signature
        FROM e2ee_user_signature s JOIN known_user u ON u.nid = s.target_nid
        WHERE s.signer_nid = %(signer_nid)s
        """,
        signer_nid=signer_nid,
    )
    return {UserID(row[0]): UserSignature(*row[1:]) for row in rows}


def put_user_signature(txn: Transaction, signature: UserSignature) -> bool:
    """False where this very signature is there already."""
    changed = txn.execute(
        """
        INSERT INTO e2ee_user_signature (signer_nid, target_nid, master_key, key_id, signature)
        VALUES (%(signer_nid)s, %(target_nid)s, %(master_key)s, %(key_id)s, %(signature)s)
        ON CONFLICT (signer_nid, target_nid) DO UPDATE
        SET master_key = excluded.master_key, key_id = excluded.key_id, signature = excluded.signature
        WHERE e2ee_user_signature.signature <> excluded.signature
        """,
        **signature._asdict(),
    )
    return changed > 0


def delete_signatures_of(txn: Transaction, target_nid: int) -> None:
    """What others signed of a user whose master key is no longer that."""
    txn.execute("DELETE FROM e2ee_user_signature WHERE target_nid = %(nid)s", nid=target_nid)


def delete_signatures_by(txn: Transaction, signer_nid: int) -> None:
    """What a user signed of others, with a key that is no longer the user's."""
    txn.execute("DELETE FROM e2ee_user_signature WHERE signer_nid = %(nid)s", nid=signer_nid)
