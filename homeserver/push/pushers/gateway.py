"""Push gateways, which know how to reach phones.

https://spec.matrix.org/v1.19/push-gateway-api/
"""

from collections.abc import Collection
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred

from config.push import Push
from homeserver.http.outbound import Bounds, Outbound, RequestFailed, Response
from homeserver.protocol.errors import InvalidParam, MissingParam
from homeserver.protocol.json import JsonObject, encode_json
from homeserver.push.pushers.alerts import Alert
from homeserver.push.pushers.carrier import Gone, NotTaken
from homeserver.push.pushers.contents import Contents, wants_badges
from homeserver.push.pushers.places import PlaceTurns
from homeserver.push.store.pushers import NewPusher, Pusher
from homeserver.runtime.clock import Clock
from homeserver.runtime.tasks import run_in_background

_PATH = "/_matrix/push/v1/notify"
_BOUNDS = Bounds(seconds=15, body=64 * 1024)
# Sygnal tells them one after the other, and has to be done in time.
_MOST_DEVICES = 20


class _Request:
    """One request that is about to be sent, for some devices."""

    def __init__(self, notification: JsonObject) -> None:
        self.notification = notification
        self.answers: list[Deferred[Collection[str]]] = []

    def join(self, device: JsonObject) -> "Deferred[Collection[str]]":
        """Fires with rejected pushkeys; fails with NotTaken."""
        if self.answers:
            self.notification["devices"].append(device)
        answer: Deferred[Collection[str]] = Deferred()
        self.answers.append(answer)
        return answer


class GatewayCarrier:
    """Brings notifications to the gateway that the client named."""

    tells_badges = True
    is_activated = False

    def __init__(
        self, outbound: Outbound, contents: Contents, turns: PlaceTurns, settings: Push, clock: Clock
    ) -> None:
        self._outbound = outbound
        self._contents = contents
        self._for_several = frozenset(settings.gateways_for_several)
        self._clock = clock
        self._turns = turns
        # By URL and what is told.
        self._forming: dict[tuple[str, bytes], _Request] = {}

    async def check(self, user_nid: int, new: NewPusher) -> None:
        """Raises MissingParam, InvalidParam."""
        url = new.data.get("url")
        if url is None:
            raise MissingParam("data must have a url")
        try:
            parts = urlsplit(url)
        except (ValueError, AttributeError):
            raise InvalidParam("data.url is no URL") from None
        # COMPAT(synapse): http:// too, for gateways beside the server.
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidParam("data.url must be an https URL")
        if parts.path != _PATH:
            raise InvalidParam(f"data.url must have the path {_PATH}")

    async def activate(self, pusher: NewPusher, token: str) -> None:
        """These are active from the beginning."""

    async def bring(self, pusher: Pusher, alert: Alert | None, badge: int) -> None:
        """Raises NotTaken, and Gone where the gateway rejects the pushkey."""
        if alert is not None:
            notification = self._contents.of(pusher, alert, badge)
        elif wants_badges(pusher):
            notification = self._contents.count(pusher, badge)
        else:
            return
        url = pusher.data["url"]
        if urlsplit(url).hostname in self._for_several:
            rejected = await self._with_others(url, notification)
        else:
            rejected = await self._send(url, notification)
        if pusher.pushkey in rejected:
            raise Gone("The gateway rejected the pushkey")

    async def _with_others(self, url: str, notification: JsonObject) -> Collection[str]:
        """Together with those who are told the same at the same time. Raises NotTaken."""
        told = {name: value for name, value in notification.items() if name != "devices"}
        key = (url, encode_json(told))
        request = self._forming.get(key)
        if request is None:
            request = self._forming[key] = _Request(notification)
            self._clock.call_later(0, self._close, key, request)
        answer = request.join(notification["devices"][0])
        if len(request.answers) == _MOST_DEVICES:
            del self._forming[key]
        return await answer

    def _close(self, key: tuple[str, bytes], request: _Request) -> None:
        if self._forming.get(key) is request:
            del self._forming[key]
        run_in_background("telling a gateway", self._send_for_all(key[0], request))

    async def _send_for_all(self, url: str, request: _Request) -> None:
        try:
            rejected = await self._send(url, request.notification)
        except NotTaken as error:
            for answer in request.answers:
                answer.errback(NotTaken(str(error)))
        else:
            for answer in request.answers:
                answer.callback(rejected)

    async def _send(self, url: str, notification: JsonObject) -> Collection[str]:
        """Rejected pushkeys. Raises NotTaken."""
        try:
            response = await self._turns.in_turn(url, lambda: self._post(url, notification))
            answer = response.json()
        except RequestFailed as error:
            raise NotTaken(str(error)) from error
        if response.status != 200 or not isinstance(answer, dict):
            raise NotTaken(f"The gateway answered with status {response.status}")
        rejected = answer.get("rejected")
        return rejected if isinstance(rejected, list) else ()

    async def _post(self, url: str, notification: JsonObject) -> Response:
        return await self._outbound.post_json(
            url, {"notification": notification}, purpose="push gateway", bounds=_BOUNDS, is_brief=True
        )
