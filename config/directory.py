"""Names of rooms, and the list of rooms that everyone may find."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from config.option import option, required


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryRule:
    """A rule of who may name or publish which room; `*` stands for any text."""

    action: Literal["allow", "deny"] = required("Whether it lets somebody do so, or keeps them from it.")
    user_id: str = option("*", "Who does it.")
    alias: str = option("*", "The alias, or one of the aliases that the room has.")
    room_id: str = option("*", "The room.")

    def applies(self, user_id: str, room_id: str, aliases: Collection[str]) -> bool:
        """A room without aliases is told by `*` alone."""
        if not (fnmatchcase(user_id, self.user_id) and fnmatchcase(room_id, self.room_id)):
            return False
        return self.alias == "*" or any(fnmatchcase(alias, self.alias) for alias in aliases)


Rules = Sequence[DirectoryRule]


def permits(rules: Rules, user_id: str, room_id: str, aliases: Collection[str]) -> bool:
    """What the first rule says that applies; no, where none does."""
    found = next((rule for rule in rules if rule.applies(user_id, room_id, aliases)), None)
    return found is not None and found.action == "allow"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomDirectory:
    """Names of rooms, and the list of rooms that everyone may find."""

    alias_creation_rules: tuple[DirectoryRule, ...] = option(
        (DirectoryRule(action="allow"),),
        "Who may give aliases to rooms. The first rule that applies decides; where none does, nobody may.",
    )
    publication_rules: tuple[DirectoryRule, ...] = option(
        (),
        "Who may put rooms onto the list. The first rule that applies decides; where none does, nobody may.",
        key="room_list_publication_rules",
    )
    membership_for_aliases: bool = option(
        True,
        "Whether one must be in a room to give it an alias.",
        key="require_membership_for_aliases",
    )
    is_searchable: bool = option(True, "Whether the list is shown at all.", key="enable_room_list_search")
    without_auth: bool = option(
        False,
        "Whether the list is shown to those who are not signed in.",
        key="allow_public_rooms_without_auth",
    )
