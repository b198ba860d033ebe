"""Telling servers of the keys of others: what those have signed, with this server's signature.

https://spec.matrix.org/v1.19/server-server-api/#querying-keys-through-another-server
"""

from collections.abc import Collection, Mapping

from federation.key_store import StoredAnswer, answers_of
from federation.keyring import Keyring
from federation.own_keys import OwnKeys
from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.json import JsonObject, decode_json
from homeserver.protocol.signing import sign_json
from homeserver.storage.database import Database

# What one question may make this server ask; the rest is told from what is known already.
_MOST_ASKED = 50


class Notary:
    """Repeats what servers have published, and asks those whose keys are too old."""

    def __init__(self, own: OwnKeys, keyring: Keyring, db: Database) -> None:
        self._own = own
        self._keyring = keyring
        self._db = db

    async def answers(self, wanted: Mapping[ServerName, int]) -> list[JsonObject]:
        """For each server, its newest answers, which should be valid until a time in ms.

        Nothing of servers of which nothing can be known.
        """
        own_name = self._own.signer.server_name
        others = {name: valid_until for name, valid_until in wanted.items() if name != own_name}
        found = await self._known(others)
        outdated = [name for name, until in others.items() if _newest(found, name) < until]
        if outdated:
            await self._keyring.refresh(outdated[:_MOST_ASKED])
            found = await self._known(others)
        # A server that rotated its key is told of by two.
        different = dict.fromkeys(stored.answer for stored in found)
        signed = [self._signed(decode_json(answer)) for answer in different]
        return [self._own.published(), *signed] if own_name in wanted else signed

    async def _known(self, servers: Collection[ServerName]) -> list[StoredAnswer]:
        return await self._db.read(answers_of, servers) if servers else []

    def _signed(self, answer: JsonObject) -> JsonObject:
        return sign_json(answer, self._own.signer.server_name, self._own.signer.key)


def _newest(answers: Collection[StoredAnswer], name: ServerName) -> int:
    return max((stored.valid_until for stored in answers if stored.server_name == name), default=-1)
