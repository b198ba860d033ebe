"""Client API: keys of devices.

https://spec.matrix.org/v1.19/client-server-api/#key-management-api
"""

from typing import Annotated

import msgspec

from homeserver.e2ee.device_list_news import DeviceListNews, ListNews, read_lists
from homeserver.e2ee.key_claims import KeyClaims
from homeserver.e2ee.key_lookup import KeyLookup
from homeserver.e2ee.key_upload import KeyUpload, Upload
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.identifiers import parse_user_id
from homeserver.protocol.json import JsonObject
from homeserver.rooms.members import Members
from homeserver.rooms.timeline import parse_token
from homeserver.storage.database import Database
from homeserver.streams.journal import Journal

_KEYS = "/_matrix/client/(v3|r0|unstable)/keys"

Milliseconds = Annotated[int, msgspec.Meta(ge=0)]
_PATIENCE_MS = 10_000


class KeyUploadBody(msgspec.Struct, frozen=True):
    device_keys: JsonObject | None = None
    one_time_keys: dict[str, msgspec.Raw] | None = None
    fallback_keys: dict[str, msgspec.Raw] | None = None


class KeyCounts(msgspec.Struct, frozen=True):
    one_time_key_counts: dict[str, int]


class KeyQueryBody(msgspec.Struct, frozen=True):
    device_keys: dict[str, list[str]]
    timeout: Milliseconds = _PATIENCE_MS


class KeyQueryAnswer(msgspec.Struct, frozen=True):
    device_keys: JsonObject
    failures: JsonObject
    master_keys: JsonObject
    self_signing_keys: JsonObject
    user_signing_keys: JsonObject


class KeyClaimBody(msgspec.Struct, frozen=True):
    one_time_keys: dict[str, dict[str, str]]
    timeout: Milliseconds = _PATIENCE_MS


class KeyClaimAnswer(msgspec.Struct, frozen=True):
    one_time_keys: JsonObject
    failures: JsonObject


class KeyEndpoints:
    """Publishing, looking up and claiming keys."""

    def __init__(self, upload: KeyUpload, lookup: KeyLookup, claims: KeyClaims) -> None:
        self._upload = upload
        self._lookup = lookup
        self._claims = claims

    @endpoint("POST", _KEYS + "/upload", auth=Auth.GUEST, limit=Limit.NONE)
    async def upload_keys(self, requester: Requester, body: KeyUploadBody) -> KeyCounts:
        """Publishes keys of the device."""
        upload = Upload.of(body.device_keys, body.one_time_keys or {}, body.fallback_keys or {})
        return KeyCounts(await self._upload.upload(requester, upload))

    @endpoint("POST", _KEYS + "/query", auth=Auth.GUEST, limit=Limit.NONE)
    async def query_keys(self, requester: Requester, body: KeyQueryBody) -> KeyQueryAnswer:
        """Looks up the keys of users and their devices."""
        wish = {parse_user_id(user_id): devices for user_id, devices in body.device_keys.items()}
        found = await self._lookup.query(requester, wish, body.timeout / 1000)
        return KeyQueryAnswer(
            found.device_keys,
            found.failures,
            found.master_keys,
            found.self_signing_keys,
            found.user_signing_keys,
        )

    @endpoint("POST", _KEYS + "/claim", auth=Auth.GUEST, limit=Limit.NONE)
    async def claim_keys(self, body: KeyClaimBody) -> KeyClaimAnswer:
        """Claims a key of each of the named devices, which nobody else will get."""
        wish = {parse_user_id(user_id): devices for user_id, devices in body.one_time_keys.items()}
        claims = await self._claims.claim(wish, body.timeout / 1000)
        return KeyClaimAnswer(claims.one_time_keys, claims.failures)


class KeyChangesQuery(msgspec.Struct, frozen=True):
    start: str = msgspec.field(name="from")
    end: str = msgspec.field(name="to")


class KeyChangesAnswer(msgspec.Struct, frozen=True):
    changed: list[str]
    left: list[str]


class KeyChangesEndpoints:
    """What `device_lists` of /sync would have told."""

    def __init__(self, news: DeviceListNews, members: Members, journal: Journal, db: Database) -> None:
        self._news = news
        self._members = members
        self._journal = journal
        self._db = db

    @endpoint("GET", _KEYS + "/changes", auth=Auth.GUEST, limit=Limit.NONE)
    async def key_changes(self, requester: Requester, query: KeyChangesQuery) -> KeyChangesAnswer:
        """Whose keys changed between two sync tokens."""
        after, end = parse_token(query.start), parse_token(query.end)
        rooms = await self._members.rooms_of(requester.user_nid)
        upto = min(end, self._journal.position)
        work = self._news.after(after, upto, requester.user_nid, rooms)
        news = ListNews() if work is None else await self._db.read(read_lists, work)
        return KeyChangesAnswer(list(news.changed), list(news.left))
