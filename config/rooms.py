"""How rooms are made and left."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal

from config.kinds import Duration, Kind, parse_text
from config.option import option
from config.reading import Place, Unfit


def _parse_room_id(value: Any, place: Place) -> str:
    room_id = parse_text(value, place)
    if not room_id.startswith("!"):
        raise Unfit("must be a room ID such as !abc:example.org")
    return room_id


RoomID = Annotated[str, Kind("a room ID", _parse_room_id)]
RoomVersion = Literal["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """Rooms made on this server, and what is kept of them."""

    default_version: RoomVersion = option(
        "12", "The version of new rooms whose creator asks for none.", key="default_room_version"
    )
    encryption_by_default: Literal["all", "invite", "off"] = option(
        "off",
        "Which new rooms are encrypted unless their creator says otherwise: all, those by invitation, none.",
        key="encryption_enabled_by_default_for_room_type",
    )
    redaction_retention_period: Duration | None = option(
        timedelta(days=7),
        "How long the content of redacted events is kept for administrators; null is forever.",
    )
    hidden_from_sync: tuple[RoomID, ...] = option(
        (),
        "Rooms of which `/sync` tells nobody anything, to spare the server a room that is too much for it.",
        key="exclude_rooms_from_sync",
    )
    forget_on_leave: bool = option(
        False, "Whether leaving a room also forgets it.", key="forget_rooms_on_leave"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteRoomLimit:
    """Rooms of other servers that are too much for this one."""

    enabled: bool = option(
        False, "Whether other servers are asked how large a room is.", key="limit_remote_rooms.enabled"
    )
    complexity: float = option(
        1.0,
        "Users do not join rooms above this; 1 stands for 500 events of state. "
        "A room of which no server says it may be joined.",
        key="limit_remote_rooms.complexity",
        minimum=0,
    )
    error: str = option(
        "The room is too large for this server",
        "What is told to users who may not join.",
        key="limit_remote_rooms.complexity_error",
    )
    admins_can_join: bool = option(
        False, "Whether administrators may join all the same.", key="limit_remote_rooms.admins_can_join"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """Who is online."""

    enabled: Literal[True, False, "untracked"] = option(
        True,
        "Whether presence is kept and told; `untracked` accepts updates and drops them.",
        key="presence.enabled",
        aliases=("use_presence",),
    )
    idle_timeout: Duration = option(
        timedelta(minutes=5),
        "How long until somebody who is online and does nothing is unavailable.",
        key="presence.idle_timeout",
        minimum=timedelta(seconds=1),
    )
    sync_online_timeout: Duration = option(
        timedelta(seconds=30),
        "How long until a device that no longer syncs is offline.",
        key="presence.sync_online_timeout",
        minimum=timedelta(seconds=1),
    )
    last_active_granularity: Duration = option(
        timedelta(minutes=1),
        "How long somebody who did something counts as currently active.",
        key="presence.last_active_granularity",
        minimum=timedelta(seconds=1),
    )
