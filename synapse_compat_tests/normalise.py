"""What two servers may choose as they like, taken out of their answers, so that the rest can be compared."""

import json
import re
from collections.abc import Iterator
from functools import partial
from urllib.parse import parse_qsl, urlsplit

from tests.client import Json

# Where an ID has the server's name in it, the name stays.
_IDS = (
    ("guest", re.compile(r"@\d+(?=:)")),
    ("event", re.compile(r"\$[\w.~+=-]{15,}")),
    ("room", re.compile(r"![\w.~+=-]{15,}")),
)
_CHOSEN = {
    "access_token": "access token",
    "device_id": "device",
    "filter_id": "filter",
    "login_token": "login token",
    "nonce": "nonce",
    "refresh_token": "refresh token",
    "session": "session",
}
# Two of these may be the same on one server and not on another.
_POSITIONS = {"end", "next_batch", "next_token", "prev_batch", "start"}
_FIXED = {
    **dict.fromkeys(
        ("age", "duration_ms", "expires_in_ms", "last_active_ago", "last_seen_ts", "origin_server_ts", "ts"),
        "<moment>",
    ),
    "error": "<text>",
}
# Lists without an order: these, and the `events` in those.
_OF_EVENTS = {"account_data", "ephemeral", "invite_state", "presence", "state", "to_device"}
_SETS = {"devices", "flows", "joined_rooms", "servers"}
# Of what has this key, a list that is a whole answer has no order either.
_EVENT_ID = "event_id"
# Synapse repeats parts of an event beside where the specification has them, for clients of long ago.
_REPEATED = {
    "age",
    "invite_room_state",
    "knock_room_state",
    "prev_content",
    "prev_sender",
    "redacted_because",
    "replaces_state",
    "user_id",
}


class Placeholders:
    """Names such as "<room 1>" for what one server chose, numbered in the order in which it first appears."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._positions: set[str] = set()

    def of(self, kind: str, value: str) -> str:
        if value not in self._names:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._names[value] = f"<{kind} {self._counts[kind]}>"
        return self._names[value]

    def known(self, value: str) -> str:
        """The name of a value that has one; others as they are."""
        return "<position>" if value in self._positions else self._names.get(value, value)

    def in_text(self, text: str) -> str:
        """With a name for every ID in it."""
        for kind, pattern in _IDS:
            text = pattern.sub(partial(self._name_found, kind), text)
        return text

    def _name_found(self, kind: str, found: re.Match[str]) -> str:
        return self.of(kind, found[0])

    def in_target(self, target: str) -> str:
        """A path and query with names for IDs, and for what has come in answers before."""
        url = urlsplit(target)
        path = "/".join(self.known(part) for part in self.in_text(url.path).split("/"))
        query = [f"{key}={self.in_text(self.known(value))}" for key, value in parse_qsl(url.query)]
        return path + (f"?{'&'.join(query)}" if query else "")

    def in_json(self, value: Json, key: str = "") -> Json:
        """With names for what servers choose, no moments, no texts for people, and nothing that is empty."""
        if isinstance(value, dict):
            if _EVENT_ID in value and "origin_server_ts" in value:
                value = {name: item for name, item in value.items() if name not in _REPEATED}
            # In an order that neither the server nor its IDs decide, as far as that can be.
            pairs = sorted(value.items(), key=lambda pair: _without_ids(pair[0]))
            named = {self.in_text(name): self.in_json(item, name) for name, item in pairs}
            return {name: item for name, item in sorted(named.items()) if item not in ({}, [])}
        if isinstance(value, list):
            return [self.in_json(item, key) for item in value]
        return self._in_text_of(key, value) if isinstance(value, str) else _FIXED.get(key, value)

    def _in_text_of(self, key: str, value: str) -> str:
        if key in _POSITIONS:
            self._positions.add(value)
            return "<position>"
        if key in _CHOSEN:
            return self.of(_CHOSEN[key], value)
        return _FIXED.get(key) or self.in_text(value)


def in_order(value: Json, key: str = "", within: str = "") -> Json:
    """The same, with an order for those lists that have none of their own."""
    if isinstance(value, dict):
        return {name: in_order(item, name, key) for name, item in value.items()}
    if not isinstance(value, list):
        return value
    items = [in_order(item) for item in value]
    has_none = key in _SETS or (key == "events" and within in _OF_EVENTS) or _is_state(key, items)
    return sorted(items, key=_anonymous) if has_none else items


def _is_state(key: str, items: list[Json]) -> bool:
    """Whether this is all state, or all members, of a room."""
    return (
        key in ("", "chunk", "state")
        and bool(items)
        and all(isinstance(item, dict) and _EVENT_ID in item and "state_key" in item for item in items)
    )


def _without_ids(text: str) -> str:
    return Placeholders().in_text(text)


def _anonymous(value: Json) -> str:
    # Placeholders are given after sorting, so what is chosen by a server must not decide.
    return json.dumps(Placeholders().in_json(value), sort_keys=True)


def leaves(value: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """Each value that holds no others, with the keys and numbers that lead to it."""
    if isinstance(value, dict | list) and value:
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in pairs:
            yield from leaves(item, f"{path}.{key}")
    else:
        yield path, value
