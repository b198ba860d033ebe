"""The addresses by which a user is known here, and at identity servers.

https://spec.matrix.org/v1.19/client-server-api/#adding-account-administrative-contact-information
"""

from collections.abc import Sequence

from config.email import Addresses
from homeserver.accounts.address import Address
from homeserver.accounts.identity_servers import IdentityServers
from homeserver.accounts.store.addresses import (
    StoredAddress,
    addresses_of,
    bindings_of,
    delete_address,
    delete_binding,
    insert_address,
    insert_binding,
)
from homeserver.accounts.store.validations import Validation, delete_validation
from homeserver.accounts.validations import Validations
from homeserver.http.requester import Requester
from homeserver.protocol.errors import Forbidden, ThreepidAuthFailed, ThreepidInUse
from homeserver.protocol.identifiers import UserID
from homeserver.runtime.clock import Clock
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction


class Contacts:
    """Adds, removes and publishes addresses."""

    def __init__(
        self,
        db: Database,
        validations: Validations,
        identity_servers: IdentityServers,
        settings: Addresses,
        clock: Clock,
    ) -> None:
        self._db = db
        self._validations = validations
        self._identity_servers = identity_servers
        self._settings = settings
        self._clock = clock

    async def list(self, user_nid: int) -> Sequence[StoredAddress]:
        return await self._db.read(addresses_of, user_nid)

    async def add(self, user_nid: int, sid: str, client_secret: str) -> None:
        """Raises ThreepidAuthFailed unless the address is confirmed, ThreepidInUse where somebody else has it."""
        self.check_changeable()
        found = await self._validations.confirmed("add_threepid", sid, client_secret)
        if found is None:
            raise ThreepidAuthFailed("The address is not confirmed: open the link in the e-mail first")
        await self._db.write(_add, user_nid, found, self._clock.now_ms())

    async def remove(self, requester: Requester, address: Address, id_server: str | None) -> bool:
        """Whether it is also unbound from the identity servers that it was bound to, or from `id_server`."""
        self.check_changeable()
        unbound = await self.unbind(requester, address, id_server)
        await self._db.write(delete_address, requester.user_nid, address)
        return unbound

    async def bind(
        self, requester: Requester, id_server: str, access_token: str, sid: str, client_secret: str
    ) -> None:
        """Has an identity server publish an address. Raises what `IdentityServers.bind` does."""
        user_id = requester.user_id
        address = await self._identity_servers.bind(id_server, access_token, user_id, sid, client_secret)
        await self._db.write(insert_binding, requester.user_nid, address, id_server)

    async def unbind(self, requester: Requester, address: Address, id_server: str | None) -> bool:
        """Whether `id_server`, or every identity server that is known to, no longer publishes the address."""
        if id_server is not None:
            return await self._unbind(requester.user_id, requester.user_nid, address, id_server)
        bound = await self._db.read(bindings_of, requester.user_nid)
        servers = [server for at, server in bound if at == address]
        # Unable to determine a server to unbind from is "no-support", too.
        return bool(servers) and await self._unbind_all(
            requester.user_id, requester.user_nid, [(address, server) for server in servers]
        )

    async def unbind_everything(self, user_id: UserID, user_nid: int) -> bool:
        """For an account that ends. False where an identity server did not do it."""
        return await self._unbind_all(user_id, user_nid, await self._db.read(bindings_of, user_nid))

    def check_changeable(self) -> None:
        """Raises Forbidden where users may not add and remove addresses."""
        if not self._settings.can_change:
            raise Forbidden("Addresses cannot be changed on this server")

    async def _unbind_all(self, user_id: UserID, user_nid: int, bound: Sequence[tuple[Address, str]]) -> bool:
        results = [await self._unbind(user_id, user_nid, address, server) for address, server in bound]
        return all(results)

    async def _unbind(self, user_id: UserID, user_nid: int, address: Address, id_server: str) -> bool:
        unbound = await self._identity_servers.unbind(id_server, user_id, address)
        if unbound:
            await self._db.write(delete_binding, user_nid, address, id_server)
        return unbound


def _add(txn: Transaction, user_nid: int, proven: Validation, now: int) -> None:
    delete_validation(txn, proven.sid)
    if not insert_address(txn, user_nid, proven.address, proven.validated_at or now, now):
        raise ThreepidInUse("This address belongs to another account")
