"""What encryption asks of other servers (`homeserver.e2ee.remote.OtherServers`)."""

from collections.abc import Mapping, Sequence

from twisted.internet.defer import Deferred

from federation.client.devices import DeviceCalls, DeviceList
from federation.devices.asked import ask_all
from federation.devices.keys_of_user import MASTER, SELF_SIGNING, KeysOfUser, keys_of_user, queried_devices
from federation.devices.store import begin_fetching, finish_fetching, known_lists
from federation.outgoing.to_device import RemoteInboxes
from homeserver.e2ee.remote import ClaimWish, KeyWish, RemoteClaims, RemoteKeys
from homeserver.protocol.errors import MatrixError, RemoteFailed
from homeserver.protocol.identifiers import DeviceID, ServerName, UserID
from homeserver.protocol.json import JsonObject
from homeserver.runtime.clock import Clock
from homeserver.runtime.randomness import Randomness
from homeserver.runtime.together import together
from homeserver.storage.database import Database

# More are asked for in one request, which does not say what the next changes will follow.
_MOST_LISTS = 10

Found = dict[UserID, tuple[int, KeysOfUser]]
"""With the stream ID of each list, 0 where it is not known."""


class UsersElsewhere:
    """Lists of users who share a room with somebody here are kept, and not asked for again."""

    def __init__(
        self,
        calls: DeviceCalls,
        inboxes: RemoteInboxes,
        db: Database,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._calls = calls
        self._inboxes = inboxes
        self._db = db
        self._clock = clock
        self._randomness = randomness

    async def query_keys(
        self, wishes: Mapping[ServerName, KeyWish], viewer: int, timeout: float
    ) -> RemoteKeys:
        """See `OtherServers`."""
        users = [user_id for wish in wishes.values() for user_id in wish]
        known = await self._db.read(known_lists, users)
        missing = {
            server: {user_id: devices for user_id, devices in wish.items() if user_id not in known}
            for server, wish in wishes.items()
        }
        missing = {server: wish for server, wish in missing.items() if wish}
        failures: JsonObject = {}
        if missing:
            fetched, failures = await self._fetch(missing, viewer, timeout)
            known |= {user_id: keys for user_id, (_, keys) in fetched.items()}
        wanted = {user_id: devices for wish in wishes.values() for user_id, devices in wish.items()}
        return RemoteKeys(
            {user_id: keys.some(wanted[user_id]) for user_id, keys in known.items()},
            _of_kind(known, MASTER),
            _of_kind(known, SELF_SIGNING),
            failures,
        )

    async def claim_keys(self, wishes: Mapping[ServerName, ClaimWish], timeout: float) -> RemoteClaims:
        """See `OtherServers`."""

        async def ask(server: ServerName, wish: ClaimWish) -> Mapping[UserID, Mapping[DeviceID, JsonObject]]:
            asked = {
                user_id: {DeviceID(device): algorithm for device, algorithm in devices.items()}
                for user_id, devices in wish.items()
            }
            return await self._calls.claim_keys(server, asked)

        answers, failures = await ask_all(wishes, ask, timeout, self._clock)
        return RemoteClaims(
            {user_id: keys for answer in answers for user_id, keys in answer.items()}, failures
        )

    async def send_to_devices(
        self, sender: UserID, type_: str, message_id: str, messages: Mapping[UserID, Mapping[str, JsonObject]]
    ) -> None:
        """See `OtherServers`."""
        await self._inboxes.send_to_devices(sender, type_, message_id, messages)

    async def _fetch(
        self, wishes: Mapping[ServerName, KeyWish], viewer: int, timeout: float
    ) -> tuple[Found, JsonObject]:
        """What other servers tell, which is kept where that can be. None of it is raised."""
        request = self._randomness.token(16)
        users = [user_id for wish in wishes.values() for user_id in wish]
        keepable = await self._db.write(begin_fetching, users, viewer, request)

        async def ask(server: ServerName, wish: KeyWish) -> Found:
            if keepable.issuperset(wish) and len(wish) <= _MOST_LISTS:
                return await self._lists(list(wish))
            return await self._query(server, {user: [] if user in keepable else wish[user] for user in wish})

        answers, failures = await ask_all(wishes, ask, timeout, self._clock)
        found = {user_id: one for answer in answers for user_id, one in answer.items()}
        if keepable:
            kept = {user_id: one for user_id, one in found.items() if user_id in keepable}
            await self._db.write(finish_fetching, kept, viewer, request)
        return found, failures

    async def _lists(self, users: Sequence[UserID]) -> Found:
        lists = await together(Deferred.fromCoroutine(self._list(user_id)) for user_id in users)
        return dict(zip(users, lists, strict=True))

    async def _list(self, user_id: UserID) -> tuple[int, KeysOfUser]:
        try:
            answer: DeviceList = await self._calls.devices(user_id)
        except RemoteFailed:
            raise
        except MatrixError:
            # The server answers, but knows no such user.
            return 0, KeysOfUser()
        cross_signing = {MASTER: answer.master_key, SELF_SIGNING: answer.self_signing_key}
        return max(0, answer.stream_id), keys_of_user(user_id, answer.devices, cross_signing)

    async def _query(self, server: ServerName, wish: KeyWish) -> Found:
        asked = {user_id: [DeviceID(device) for device in devices] for user_id, devices in wish.items()}
        answer = await self._calls.query_keys(server, asked)
        return {
            user_id: (
                0,
                keys_of_user(
                    user_id,
                    queried_devices(answer.device_keys.get(user_id, {})),
                    {
                        MASTER: answer.master_keys.get(user_id),
                        SELF_SIGNING: answer.self_signing_keys.get(user_id),
                    },
                ),
            )
            for user_id in wish
        }


def _of_kind(known: Mapping[UserID, KeysOfUser], kind: str) -> JsonObject:
    return {
        user_id: keys.cross_signing[kind] for user_id, keys in known.items() if kind in keys.cross_signing
    }
