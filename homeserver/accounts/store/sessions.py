"""Beginning and refreshing sessions: a device with its tokens."""

from collections.abc import Sequence
from typing import NamedTuple

from homeserver.accounts.store.devices import upsert_device
from homeserver.accounts.store.tokens import NewToken, delete_tokens, insert_tokens, update_refresh_hash
from homeserver.protocol.identifiers import DeviceID
from homeserver.storage.engine import Transaction


class NewSession(NamedTuple):
    """`ends_at`, in milliseconds since the epoch like `begins_at`, bounds all tokens that it will ever have.

    `refresh_hash` is that of the part which all its refresh tokens have in common.
    """

    device_id: DeviceID
    display_name: str | None
    begins_at: int
    ends_at: int | None
    refresh_hash: bytes | None
    tokens: Sequence[NewToken]


def insert_session(txn: Transaction, user_nid: int, session: NewSession) -> list[bytes]:
    """Returns the hashes of the tokens that the device had before; they are no longer valid."""
    device_nid = upsert_device(
        txn, user_nid, session.device_id, session.display_name, session.ends_at, session.begins_at
    )
    update_refresh_hash(txn, device_nid, session.refresh_hash)
    ended = delete_tokens(txn, device_nid)
    insert_tokens(txn, device_nid, 0, session.tokens)
    return ended
