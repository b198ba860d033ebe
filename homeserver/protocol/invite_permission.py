"""What users said of who may invite them.

https://spec.matrix.org/v1.19/client-server-api/#invite-permission
"""

from homeserver.protocol.globs import Glob
from homeserver.protocol.identifiers import server_of
from homeserver.protocol.json import JsonObject, JsonValue

_LISTS = "org.matrix.msc4155.invite_permission_config"
PERMISSION_TYPES = ("m.invite_permission_config", "org.matrix.msc4380.invite_permission_config", _LISTS)
"""The types of account data that say it: the specification's, and those of proposals that clients follow."""


def blocks(type_: str, content: JsonObject, sender: str) -> bool:
    """Whether account data of one of PERMISSION_TYPES lets no invitation of `sender` pass."""
    if type_ == _LISTS:
        return _listed_action(content, sender) == "block"
    return content.get("default_action") == "block"


def hides(type_: str, content: JsonObject, sender: str) -> bool:
    """Whether account data of one of those types keeps an invitation from being shown."""
    if type_ == _LISTS:
        return _listed_action(content, sender) in ("block", "ignore")
    return blocks(type_, content, sender)


def _listed_action(content: JsonObject, sender: str) -> str:
    """MSC4155: users before servers, and of each, those who are allowed before those who are not."""
    for subject, kind in ((sender, "users"), (server_of(sender), "servers")):
        for action, key in (
            ("allow", f"allowed_{kind}"),
            ("ignore", f"ignored_{kind}"),
            ("block", f"blocked_{kind}"),
        ):
            if _is_among(content.get(key), subject):
                return action
    return "allow"


def _is_among(patterns: JsonValue, subject: str) -> bool:
    if not isinstance(patterns, list):
        return False
    return any(isinstance(pattern, str) and Glob(pattern).matches(subject) for pattern in patterns)
