"""Signatures of other servers, checked with their keys.

https://spec.matrix.org/v1.19/server-server-api/#validating-hashes-and-signatures-on-received-events
"""

from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from twisted.internet.defer import Deferred, gatherResults

from federation.key_answers import KeyAnswer, ServerKey
from federation.key_fetching import KeyFetcher
from federation.key_store import delete_fetched_before, keys_of, put_answers
from homeserver.protocol.event import Event
from homeserver.protocol.event_signatures import required_signers
from homeserver.protocol.events import ReadPdu
from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.json import JsonObject
from homeserver.protocol.signing import ALGORITHM, SignatureInvalid, verify_json, verify_signature
from homeserver.runtime.clock import Clock
from homeserver.runtime.threads import Threads
from homeserver.storage.cache import ByteBudgetCache
from homeserver.storage.database import Database

_KEY_BYTES = 400
_SERVER_BYTES = 200
# An unknown key may be new, or invented; a server is not asked for it more often.
_PAUSE_SECONDS = 30
_YEAR_MS = 365 * 24 * 3600 * 1000
# Events of one piece of work for a thread: some 10 ms.
_BATCH = 50
# Nobody signs twice without need.
_MOST_SIGNATURES = 5

Keys: TypeAlias = Mapping[str, ServerKey]
"""Of one server, by ID."""
Fetch: TypeAlias = Callable[[Collection[ServerName]], Coroutine[Any, Any, list[KeyAnswer]]]
Needs: TypeAlias = dict[tuple[ServerName, str], int]
"""Server and key, with the time in ms at which the key must have been valid; 0 where that does not matter."""


class KeyUnknown(SignatureInvalid):
    """The key that a signature needs cannot be had at the moment: it may exist or not."""


class Keyring:
    """The keys of all servers: those in use in memory, those seen in the database, and the others to be had."""

    def __init__(
        self,
        own: tuple[ServerName, Sequence[ServerKey]],
        fetcher: KeyFetcher,
        db: Database,
        threads: Threads,
        clock: Clock,
        budget: int,
    ) -> None:
        """`own` are the keys of this server, old ones included. `budget` is in bytes."""
        self._own_name, own_keys = own
        self._own = {key.key_id: key for key in own_keys}
        self._fetcher = fetcher
        self._db = db
        self._threads = threads
        self._clock = clock
        self._cache: ByteBudgetCache[ServerName, Keys] = ByteBudgetCache(budget)
        self._under_way: dict[ServerName, list[Deferred[None]]] = {}
        self._asked: ByteBudgetCache[ServerName, float] = ByteBudgetCache(budget // 4)

    async def verify_request(self, server_name: ServerName, signed: JsonObject, key_id: str) -> None:
        """Raises SignatureInvalid unless the server has just signed the object, with a key that is valid now."""
        now_ms = self._clock.now_ms()
        keys = await self._keys(
            {(server_name, key_id): now_ms}, lambda _: self._fetcher.fetch_from_sender(server_name)
        )
        key = keys[server_name].get(key_id)
        if key is None:
            raise KeyUnknown(f"{server_name} has no key {key_id}, or cannot be asked for it")
        if now_ms > key.valid_until:
            raise SignatureInvalid(f"The key {key_id} of {server_name} is no longer valid")
        verify_json(signed, server_name, key_id, key.public_key)

    async def verify_events(self, pdus: Sequence[ReadPdu]) -> list[SignatureInvalid | None]:
        """For each event, in their order, why it is not signed by all who must have; None where it is.

        All keys that are needed are had together, and checking is done in threads.
        """
        keys = await self._keys(_needs(pdus), self._fetcher.fetch)
        batches = [pdus[start : start + _BATCH] for start in range(0, len(pdus), _BATCH)]
        outcomes = await gatherResults([self._threads.run(_check_all, batch, keys) for batch in batches])
        return [outcome for batch in outcomes for outcome in batch]

    async def refresh(self, servers: Collection[ServerName]) -> None:
        """Asks the servers themselves for what they publish now, unless that was done a moment ago."""
        asked = self._to_ask(servers)
        if asked:
            await self._keep(await self._fetcher.fetch_directly(asked))

    async def forget_old(self) -> None:
        """Deletes keys that nobody has asked for, for a year."""
        await self._db.write(delete_fetched_before, self._clock.now_ms() - _YEAR_MS)

    async def _keys(self, needs: Needs, fetch: Fetch) -> dict[ServerName, Keys]:
        """What there is to be known of the keys of these servers."""
        servers = {name for name, _ in needs}
        found = {name: keys for name in servers if (keys := self._in_memory(name)) is not None}
        await self._read(servers - found.keys(), found)
        lacking = {name for (name, key_id), ts in needs.items() if _lacks(found[name].get(key_id), ts)}
        lacking.discard(self._own_name)
        if lacking:
            await self._ask(lacking, fetch)
            await self._read(lacking, found)
        return found

    async def _ask(self, servers: Collection[ServerName], fetch: Fetch) -> None:
        """Returns when all of them were asked, by this call or by others."""
        by_others = [self._asked_by_others(name) for name in servers if name in self._under_way]
        asked = self._to_ask(name for name in servers if name not in self._under_way)
        if asked:
            self._under_way.update({name: [] for name in asked})
            try:
                await self._keep(await fetch(asked))
            finally:
                for name in asked:
                    for waiting in self._under_way.pop(name):
                        waiting.callback(None)
        await gatherResults(by_others)

    def _asked_by_others(self, name: ServerName) -> Deferred[None]:
        done: Deferred[None] = Deferred()
        self._under_way[name].append(done)
        return done

    def _in_memory(self, name: ServerName) -> Keys | None:
        return self._own if name == self._own_name else self._cache.get(name)

    async def _read(self, servers: Collection[ServerName], found: dict[ServerName, Keys]) -> None:
        if not servers:
            return
        read: dict[ServerName, dict[str, ServerKey]] = {name: {} for name in servers}
        for name, key in await self._db.read(keys_of, servers):
            read[name][key.key_id] = key
        found.update(read)
        for name, keys in read.items():
            self._cache.put(name, keys, _SERVER_BYTES + _KEY_BYTES * len(keys))

    def _to_ask(self, servers: Iterable[ServerName]) -> set[ServerName]:
        now = self._clock.seconds()
        asked = {name for name in servers if (self._asked.get(name) or 0) <= now - _PAUSE_SECONDS}
        for name in asked:
            self._asked.put(name, now, _SERVER_BYTES)
        return asked

    async def _keep(self, answers: Sequence[KeyAnswer]) -> None:
        if answers:
            await self._db.write(put_answers, answers, self._clock.now_ms())
        for answer in answers:
            # Another process or an older answer may have a say in it, so it is read again.
            self._cache.discard(answer.server_name)


def _lacks(key: ServerKey | None, ts: int) -> bool:
    """Whether asking again may help. A key that expired never comes back."""
    return key is None or (key.expired_at is None and key.valid_until < ts)


def _needs(pdus: Sequence[ReadPdu]) -> Needs:
    needs: Needs = {}
    for event in (pdu.event for pdu in pdus):
        ts = event.origin_server_ts if event.version.enforces_key_validity else 0
        for name in required_signers(event):
            for key_id in _key_ids(event, name):
                needs[name, key_id] = max(needs.get((name, key_id), 0), ts)
    return needs


def _key_ids(event: Event, name: ServerName) -> list[str]:
    signatures = event.signatures.get(name)
    if not isinstance(signatures, dict):
        return []
    return [key_id for key_id in signatures if key_id.startswith(f"{ALGORITHM}:")][:_MOST_SIGNATURES]


def _check_all(pdus: Sequence[ReadPdu], keys: Mapping[ServerName, Keys]) -> list[SignatureInvalid | None]:
    return [_check(pdu, keys) for pdu in pdus]


def _check(pdu: ReadPdu, keys: Mapping[ServerName, Keys]) -> SignatureInvalid | None:
    try:
        for name in required_signers(pdu.event):
            _check_signer(pdu, name, keys.get(name, {}))
    except SignatureInvalid as invalid:
        return invalid
    return None


def _check_signer(pdu: ReadPdu, name: ServerName, keys: Keys) -> None:
    """One valid signature is enough."""
    event = pdu.event
    problem = SignatureInvalid(f"There is no signature of {name}")
    for key_id in _key_ids(event, name):
        key = keys.get(key_id)
        if key is None:
            problem = KeyUnknown(f"The key {key_id} of {name} cannot be found")
        elif event.version.enforces_key_validity and not key.was_valid_at(event.origin_server_ts):
            problem = SignatureInvalid(f"The key {key_id} of {name} was not valid at the event's time")
        else:
            try:
                verify_signature(pdu.essential, event.signatures[name][key_id], key.public_key)
            except SignatureInvalid as error:
                problem = error
                continue
            return
    raise problem
