"""Client API: pushers."""

from typing import Annotated

import msgspec

from homeserver.accounts.accounts import Accounts
from homeserver.accounts.domains import LocalDomains
from homeserver.http.endpoint import Answer, Auth, Form, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.errors import InvalidParam, MissingParam, NotFound
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import JsonObject
from homeserver.push.pushers.mail import UNSUBSCRIBE_PATH, UnsubscribeLinks
from homeserver.push.pushers.registering import Pushers
from homeserver.push.store.pushers import WEB_PUSH, NewPusher, Pusher
from homeserver.templates.pages import Pages

_MOST_KEY_BYTES = 512
_Name = Annotated[str, msgspec.Meta(max_length=1024)]


class PusherBody(msgspec.Struct, frozen=True):
    """What is optional here is so only for `kind` null."""

    app_id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    pushkey: Annotated[str, msgspec.Meta(min_length=1)]
    kind: str | None
    app_display_name: _Name | None = None
    device_display_name: _Name | None = None
    profile_tag: _Name | None = None
    lang: _Name | None = None
    data: JsonObject | None = None
    append: bool = False
    enabled: bool = msgspec.field(name="org.matrix.msc3881.enabled", default=True)


class PusherList(msgspec.Struct, frozen=True):
    pushers: list[JsonObject]


class Activation(msgspec.Struct, frozen=True):
    app_id: str
    ack_token: str


class PusherEndpoints:
    """https://spec.matrix.org/v1.19/client-server-api/#push-notifications"""

    def __init__(self, pushers: Pushers) -> None:
        self._pushers = pushers

    @endpoint("GET", "/_matrix/client/(v3|r0)/pushers", auth=Auth.USER, limit=Limit.NONE)
    async def pushers(self, requester: Requester) -> PusherList:
        """The requester's pushers."""
        return PusherList([shown(pusher) for pusher in await self._pushers.of(requester.user_nid)])

    @endpoint(
        "POST",
        # The answer 201 is not in the specification, so clients that know it have a path of their own, too.
        "/_matrix/client/(v3|r0|unstable/org.folkmoot.webpush)/pushers/set",
        auth=Auth.USER,
        limit=Limit.NONE,
    )
    async def set_pusher(self, requester: Requester, body: PusherBody) -> Answer:
        """Sets a pusher, or removes it where `kind` is null. With 201 its client is sent a token to send back."""
        if len(body.pushkey.encode(errors="replace")) > _MOST_KEY_BYTES or "\0" in body.pushkey + body.app_id:
            raise InvalidParam(f"A pushkey has at most {_MOST_KEY_BYTES} bytes, and no NUL")
        if body.kind is None:
            await self._pushers.remove(requester.user_nid, body.app_id, body.pushkey)
            return Answer()
        new = _new(requester, body, body.kind)
        is_active = await self._pushers.set(requester, new, append=body.append)
        return Answer(200 if is_active else 201)

    @endpoint(
        "POST",
        "/_matrix/client/unstable/org.folkmoot.webpush/pushers/ack",
        auth=Auth.USER,
        limit=Limit.NONE,
    )
    async def activate(self, requester: Requester, body: Activation) -> JsonObject:
        """Activates a pusher by the token that its client was sent (MSC4174)."""
        await self._pushers.activate(requester.user_nid, body.app_id, body.ack_token)
        return {}


class UserPusherList(msgspec.Struct, frozen=True):
    pushers: list[JsonObject]
    total: int


class UserPusherEndpoints:
    """For administrators: https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#list-all-pushers"""

    def __init__(self, pushers: Pushers, accounts: Accounts, domains: LocalDomains) -> None:
        self._pushers = pushers
        self._accounts = accounts
        self._domains = domains

    @endpoint("GET", "/_synapse/admin/v1/users/{user_id}/pushers", auth=Auth.ADMIN, limit=Limit.NONE)
    async def pushers_of_user(self, user_id: UserID) -> UserPusherList:
        """The pushers of any user of this server."""
        if not self._domains.is_local(user_id):
            raise InvalidParam("This user does not belong to this server")
        account = await self._accounts.find(user_id)
        if account is None:
            raise NotFound("There is no such user on this server")
        found = [shown(pusher) for pusher in await self._pushers.of(account.user_nid)]
        return UserPusherList(found, len(found))


def shown(pusher: Pusher) -> JsonObject:
    """As its user sees it."""
    seen: JsonObject = {
        "app_id": pusher.app_id,
        "pushkey": pusher.pushkey,
        "kind": pusher.kind,
        "app_display_name": pusher.app_display_name,
        "device_display_name": pusher.device_display_name,
        "lang": pusher.lang,
        "data": pusher.data,
        "org.matrix.msc3881.enabled": pusher.enabled,
        "org.matrix.msc3881.device_id": pusher.device_id,
    }
    if pusher.kind == WEB_PUSH:
        seen["activated"] = pusher.activation is None
    return seen if pusher.profile_tag is None else {**seen, "profile_tag": pusher.profile_tag}


def _new(requester: Requester, body: PusherBody, kind: str) -> NewPusher:
    required = ("app_display_name", "device_display_name", "lang", "data")
    missing = [name for name in required if getattr(body, name) is None]
    if missing:
        raise MissingParam(f"Missing parameters: {', '.join(missing)}")
    texts = (body.app_display_name, body.device_display_name, body.lang, body.profile_tag)
    if any("\0" in text for text in texts if text is not None):
        raise InvalidParam("No text of a pusher may have a NUL in it")
    return NewPusher(
        app_id=body.app_id,
        pushkey=body.pushkey,
        kind=kind,
        device_nid=requester.device_nid,
        app_display_name=body.app_display_name or "",
        device_display_name=body.device_display_name or "",
        profile_tag=body.profile_tag,
        lang=body.lang or "",
        data=body.data or {},
        enabled=body.enabled,
    )


class UnsubscribeQuery(msgspec.Struct, frozen=True):
    user_id: str = ""
    app_id: str = ""
    pushkey: str = ""
    token: str = ""


class OneClick(Form, frozen=True):
    """What mail programs send (RFC 8058), and our own page."""

    answer: str = msgspec.field(name="List-Unsubscribe", default="")


class UnsubscribeEndpoints:
    """Where the links of e-mails lead. Opening one does nothing yet, as programs that look for viruses open them."""

    def __init__(self, pushers: Pushers, links: UnsubscribeLinks, pages: Pages) -> None:
        self._pushers = pushers
        self._links = links
        self._pages = pages

    @endpoint("GET", UNSUBSCRIBE_PATH, auth=Auth.NONE, limit=Limit.NONE)
    async def question(self, query: UnsubscribeQuery) -> Answer:
        """Asks whether the reader of an e-mail wants no more of them."""
        if not self._is_good(query):
            return self._no_good()
        return self._pages.page("unsubscribe.html", address=query.pushkey, user_id=query.user_id)

    @endpoint("POST", UNSUBSCRIBE_PATH, auth=Auth.NONE, limit=Limit.NONE)
    async def unsubscribe(self, query: UnsubscribeQuery, body: OneClick) -> Answer:
        """Ends the e-mails, also those that have ended already (https://www.rfc-editor.org/rfc/rfc8058)."""
        if not self._is_good(query):
            return self._no_good()
        await self._pushers.remove_of(UserID(query.user_id), query.app_id, query.pushkey)
        return self._pages.message("Goodbye", f"No more e-mails go to {query.pushkey} about {query.user_id}.")

    def _is_good(self, query: UnsubscribeQuery) -> bool:
        return self._links.is_good(query.user_id, query.app_id, query.pushkey, query.token)

    def _no_good(self) -> Answer:
        return self._pages.message(
            "No good", "This link is not good. Take that of a newer e-mail.", status=400
        )
