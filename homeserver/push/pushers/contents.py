"""What is said of an event to gateways and browsers.

https://spec.matrix.org/v1.19/push-gateway-api/#post_matrixpushv1notify
"""

from homeserver.protocol.json import JsonObject
from homeserver.push.pushers.alerts import Alert
from homeserver.push.store.pushers import Pusher

# MSC4076: the client counts for itself.
_NO_BADGE = ("disable_badge_count", "org.matrix.msc4076.disable_badge_count")
# What clients themselves gave is of no use to them.
_PRIVATE_DATA = frozenset({"url", "auth"})


class Contents:
    """Makes notifications as JSON."""

    def __init__(self, *, include_content: bool) -> None:
        self._include_content = include_content

    def of(self, pusher: Pusher, alert: Alert, badge: int) -> JsonObject:
        """Of an event, in the format that the pusher wants."""
        if pusher.data.get("format") == "event_id_only":
            return self.brief(pusher, alert, badge)
        said = self.brief(pusher, alert, badge) | self._description(pusher, alert)
        if alert.tweaks:
            said["devices"][0]["tweaks"] = alert.tweaks
        return said

    def brief(self, pusher: Pusher, alert: Alert, badge: int) -> JsonObject:
        """Which event it is, but not what it says."""
        return {
            "event_id": alert.told.event.key.event_id,
            "room_id": alert.told.room_id,
            "prio": "high" if alert.is_urgent else "low",
            **self.count(pusher, badge),
        }

    def count(self, pusher: Pusher, badge: int) -> JsonObject:
        """Only how much is unread."""
        device: JsonObject = {
            "app_id": pusher.app_id,
            "pushkey": pusher.pushkey,
            "pushkey_ts": pusher.changed_at // 1000,
            "data": {name: value for name, value in pusher.data.items() if name not in _PRIVATE_DATA},
        }
        # The specification would leave zero out, but gateways take that for "as it was".
        return {"devices": [device]} | ({"counts": {"unread": badge}} if wants_badges(pusher) else {})

    def _description(self, pusher: Pusher, alert: Alert) -> JsonObject:
        told = alert.told
        said: JsonObject = {"type": told.event.type, "sender": told.event.sender}
        if told.event.type == "m.room.member":
            said["user_is_target"] = told.event.key.state_key == pusher.user_id
        names = {
            "sender_display_name": told.sender_name,
            "room_name": told.room_name_for(pusher.user_id),
            "room_alias": told.room_alias,
        }
        said |= {name: value for name, value in names.items() if value}
        if self._include_content and told.content:
            said["content"] = told.content
        return said


def wants_badges(pusher: Pusher) -> bool:
    return not any(pusher.data.get(name) for name in _NO_BADGE)
