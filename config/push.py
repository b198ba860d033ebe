"""Notifications that are brought to phones and browsers."""

from dataclasses import dataclass
from datetime import timedelta

from config.kinds import Duration
from config.option import option


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """Notifying people who have no client open: through push gateways, and browsers' push services."""

    enabled: bool = option(True, "Whether anything is sent.", key="push.enabled")
    include_content: bool = option(
        True,
        "Whether gateways and browsers are told what was said; otherwise they learn of the event, "
        "and clients fetch it.",
        key="push.include_content",
    )
    group_unread_count_by_room: bool = option(
        True,
        "Whether the number on an app is that of rooms with unread messages, instead of messages.",
        key="push.group_unread_count_by_room",
    )
    jitter_delay: Duration | None = option(
        None,
        "Each notification waits for a time from 0 up to this, so that nobody can tell who was notified of what.",
        key="push.jitter_delay",
        minimum=timedelta(0),
        maximum=timedelta(minutes=10),
    )
    gateways_for_several: tuple[str, ...] = option(
        (),
        "Hosts of push gateways that take several devices in one request, as Sygnal does and ntfy does not. "
        "Devices that are told the same of an event are told together there.",
        key="push.gateways_for_several",
    )
