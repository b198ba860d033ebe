"""Who may look for whom."""

from collections.abc import Iterator
from dataclasses import dataclass

from config.option import option


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Finding users and looking at their profiles."""

    directory_enabled: bool = option(
        True, "Whether users can search for users; otherwise nobody is found.", key="user_directory.enabled"
    )
    search_all_users: bool = option(
        False,
        "Whether all users are found, and not only those in public rooms or in a room of the searcher.",
        key="user_directory.search_all_users",
    )
    prefer_local_users: bool = option(
        False, "Whether users of this server are found first.", key="user_directory.prefer_local_users"
    )
    exclude_remote_users: bool = option(
        False, "Whether only users of this server are found.", key="user_directory.exclude_remote_users"
    )
    show_locked_users: bool = option(
        False, "Whether users whose accounts are locked are found.", key="user_directory.show_locked_users"
    )
    profiles_need_login: bool = option(
        False, "Whether only users may look at profiles.", key="require_auth_for_profile_requests"
    )
    profiles_need_room: bool = option(
        False,
        "Whether only those may look at a profile who share a room with its user.",
        key="limit_profile_requests_to_users_who_share_rooms",
    )
    set_displayname: bool = option(
        True, "Whether users can change their names.", key="enable_set_displayname"
    )
    set_avatar_url: bool = option(
        True, "Whether users can change their pictures.", key="enable_set_avatar_url"
    )

    @property
    def fixed_fields(self) -> tuple[str, ...]:
        """Fields of profiles that users cannot change."""
        changeable = {"displayname": self.set_displayname, "avatar_url": self.set_avatar_url}
        return tuple(key for key, may_change in changeable.items() if not may_change)

    def conflicts(self) -> Iterator[str]:
        if self.profiles_need_room and not self.profiles_need_login:
            yield (
                "limit_profile_requests_to_users_who_share_rooms needs require_auth_for_profile_requests: "
                "it must be known who asks"
            )
