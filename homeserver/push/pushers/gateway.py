"""Push gateways, which know how to reach phones.

https://spec.matrix.org/v1.19/push-gateway-api/
"""

from urllib.parse import urlsplit

from homeserver.http.outbound import Bounds, Outbound, RequestFailed
from homeserver.protocol.errors import InvalidParam, MissingParam
from homeserver.push.pushers.alerts import Alert
from homeserver.push.pushers.carrier import Gone, NotTaken
from homeserver.push.pushers.contents import Contents, wants_badges
from homeserver.push.store.pushers import NewPusher, Pusher

_PATH = "/_matrix/push/v1/notify"
_BOUNDS = Bounds(seconds=15, body=64 * 1024)


class GatewayCarrier:
    """Brings notifications to the gateway that the client named."""

    tells_badges = True
    is_activated = False

    def __init__(self, outbound: Outbound, contents: Contents) -> None:
        self._outbound = outbound
        self._contents = contents

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
        try:
            response = await self._outbound.post_json(
                pusher.data["url"], {"notification": notification}, purpose="push gateway", bounds=_BOUNDS
            )
            answer = response.json()
        except RequestFailed as error:
            raise NotTaken(str(error)) from error
        if response.status != 200 or not isinstance(answer, dict):
            raise NotTaken(f"The gateway answered with status {response.status}")
        rejected = answer.get("rejected")
        if isinstance(rejected, list) and pusher.pushkey in rejected:
            raise Gone("The gateway rejected the pushkey")
