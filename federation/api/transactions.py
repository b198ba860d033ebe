"""Server API: transactions.

https://spec.matrix.org/v1.19/server-server-api/#transactions
"""

from typing import Annotated

import msgspec

from federation.incoming.transactions import Transactions
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.json import JsonObject

# Fifty events of 64 KiB, and EDUs.
_MAX_BODY = 16 * 1024 * 1024


class TransactionBody(msgspec.Struct):
    pdus: Annotated[list[JsonObject], msgspec.Meta(max_length=50)]
    edus: Annotated[list[JsonObject], msgspec.Meta(max_length=100)] = []


class TransactionEndpoints:
    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    @endpoint(
        "PUT",
        "/_matrix/federation/v1/send/{txn_id}",
        auth=Auth.SERVER,
        limit=Limit.FEDERATION,
        replay_by="txn_id",
        max_body=_MAX_BODY,
    )
    async def send_transaction(self, origin: ServerName, txn_id: str, body: TransactionBody) -> JsonObject:
        """Events and other messages of another server."""
        return await self._transactions.receive(origin, txn_id, body.pdus, body.edus)
