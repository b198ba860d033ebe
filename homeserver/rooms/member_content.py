"""The content of a member event: the membership and how the user is shown."""

from homeserver.accounts.profile import Profile
from homeserver.protocol.json import JsonObject


def member_content(membership: str, profile: Profile | None, reason: str | None = None) -> JsonObject:
    content: JsonObject = {"membership": membership}
    if profile is not None and profile.displayname:
        content["displayname"] = profile.displayname
    if profile is not None and profile.avatar_url:
        content["avatar_url"] = profile.avatar_url
    if reason is not None:
        content["reason"] = reason
    return content
