"""Push gateways, which know how to reach phones.

https://spec.matrix.org/v1.19/push-gateway-api/
"""

from urllib.parse import urlsplit

from config.push import Push
from homeserver.http.outbound import Bounds, Outbound, RequestFailed
from homeserver.protocol.errors import InvalidParam, MissingParam
from homeserver.protocol.json import JsonObject
from homeserver.push.pushers.alerts import Alert
from homeserver.push.pushers.carrier import Gone, NotTaken
from homeserver.push.store.pushers import Pusher

_PATH = "/_matrix/push/v1/notify"
_BOUNDS = Bounds(seconds=15, body=64 * 1024)
# MSC4076: the client counts for itself.
_NO_BADGE = ("disable_badge_count", "org.matrix.msc4076.disable_badge_count")


def check_gateway(data: JsonObject) -> None:
    """Raises MissingParam, InvalidParam."""
    url = data.get("url")
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


class GatewayCarrier:
    """Brings notifications to the gateway that the client named."""

    tells_badges = True

    def __init__(self, outbound: Outbound, settings: Push) -> None:
        self._outbound = outbound
        self._include_content = settings.include_content

    async def bring(self, pusher: Pusher, alert: Alert | None, badge: int) -> None:
        """Raises NotTaken, and Gone where the gateway rejects the pushkey."""
        counted = not any(pusher.data.get(name) for name in _NO_BADGE)
        if alert is None and not counted:
            return
        notification = self._notification(pusher, alert)
        if counted:
            # The specification would leave zero out, but gateways take that for "as it was".
            notification["counts"] = {"unread": badge}
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

    def _notification(self, pusher: Pusher, alert: Alert | None) -> JsonObject:
        device: JsonObject = {
            "app_id": pusher.app_id,
            "pushkey": pusher.pushkey,
            "pushkey_ts": pusher.changed_at // 1000,
            "data": {name: value for name, value in pusher.data.items() if name != "url"},
        }
        if alert is None:
            return {"devices": [device]}
        told = alert.told
        about: JsonObject = {
            "event_id": told.event.key.event_id,
            "room_id": told.room_id,
            "prio": "high" if alert.is_urgent else "low",
            "devices": [device],
        }
        if pusher.data.get("format") == "event_id_only":
            return about
        if alert.tweaks:
            device["tweaks"] = alert.tweaks
        return about | self._description(pusher, alert)

    def _description(self, pusher: Pusher, alert: Alert) -> JsonObject:
        told = alert.told
        said: JsonObject = {"type": told.event.type, "sender": told.event.sender}
        if told.event.type == "m.room.member":
            said["user_is_target"] = told.event.key.state_key == pusher.user_id
        names = {
            "sender_display_name": told.sender_name,
            "room_name": told.room_name,
            "room_alias": told.room_alias,
        }
        said |= {name: value for name, value in names.items() if value}
        if self._include_content and told.content:
            said["content"] = told.content
        return said
