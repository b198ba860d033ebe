"""What the server itself has to say to its users."""

from dataclasses import dataclass

from config.option import option


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerNotices:
    """Each user whom the server has something to say gets a room of their own for it, which they cannot leave.

    It is on once `server_notices.system_mxid_localpart` is set.
    """

    localpart: str | None = option(
        None,
        "Who speaks: the part of a user ID before the colon. Nobody else can register it.",
        key="server_notices.system_mxid_localpart",
    )
    display_name: str | None = option(
        None, "What the speaker is called.", key="server_notices.system_mxid_display_name"
    )
    avatar_url: str | None = option(
        None, "The speaker's picture, as an mxc:// URI.", key="server_notices.system_mxid_avatar_url"
    )
    room_name: str = option("Server Notices", "What the rooms are called.", key="server_notices.room_name")
    room_avatar_url: str | None = option(
        None, "The rooms' picture, as an mxc:// URI.", key="server_notices.room_avatar_url"
    )
    room_topic: str | None = option(None, "The rooms' topic.", key="server_notices.room_topic")
    auto_join: bool = option(
        False,
        "Whether users are in their room at once, and not only invited.",
        key="server_notices.auto_join",
    )
