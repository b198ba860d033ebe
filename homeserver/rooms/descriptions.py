"""What rooms say of themselves: the projection behind public rooms, room summaries and space hierarchies."""

from collections.abc import Iterable, Mapping, Sequence

from homeserver.protocol.events import Event
from homeserver.protocol.identifiers import RoomID
from homeserver.protocol.json import JsonObject, JsonValue
from homeserver.protocol.room_versions import room_version
from homeserver.rooms.appends import Accepted
from homeserver.rooms.redactions import redactions_among
from homeserver.rooms.store.descriptions import (
    Description,
    delete_description,
    let_guests_leave,
    rooms_described_by,
    rooms_open_to_guests,
    upsert_descriptions,
)
from homeserver.rooms.store.spans import Slot, current_events
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Topic

_TYPES = (
    "m.room.create",
    "m.room.name",
    "m.room.topic",
    "m.room.avatar",
    "m.room.canonical_alias",
    "m.room.join_rules",
    "m.room.guest_access",
    "m.room.history_visibility",
    "m.room.encryption",
)
_SLOTS: tuple[Slot, ...] = tuple((type_, "") for type_ in _TYPES)


class Descriptions:
    """Describes a room anew, from its current state, when any of that has changed or was redacted."""

    def project(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        rooms = _rooms_that_changed(txn, events)
        if not rooms:
            return
        open_before = rooms_open_to_guests(txn, rooms)
        described = [
            _describe(room, current_events(txn, room, room_id, room_version(version), _SLOTS))
            for room, (room_id, version) in rooms.items()
        ]
        upsert_descriptions(txn, described)
        closed = {each.room for each in described if each.room in open_before and not each.guest_can_join}
        if closed:
            let_guests_leave(txn, closed)

    def forget_room(self, txn: Transaction, room: int) -> None:
        delete_description(txn, room)

    def projected(self, _: Sequence[Accepted]) -> Iterable[Topic]:
        return ()


def _rooms_that_changed(txn: Transaction, events: Sequence[Accepted]) -> dict[int, tuple[RoomID, str]]:
    rooms = {
        accepted.room: (accepted.event.room_id, accepted.event.version.identifier)
        for accepted in events
        if any(change.event is None or change.event.slot in _SLOTS for change in accepted.changes)
    }
    redacted = [target for _, target in redactions_among(txn, events)]
    if redacted:
        for room, room_id, version in rooms_described_by(txn, redacted, _TYPES):
            rooms[room] = room_id, version
    return rooms


def _describe(room: int, state: Mapping[Slot, Event]) -> Description:
    def content(type_: str) -> JsonObject:
        event = state.get((type_, ""))
        return {} if event is None else event.content

    name = _text(content("m.room.name").get("name"))
    topic = _text(content("m.room.topic").get("topic"))
    alias = _text(content("m.room.canonical_alias").get("alias"))
    join_rules = content("m.room.join_rules")
    return Description(
        room=room,
        name=name,
        topic=topic,
        avatar_url=_text(content("m.room.avatar").get("url")),
        canonical_alias=alias,
        # Without the event, the rules let in only who was invited.
        join_rule=_text(join_rules.get("join_rule")) or "invite",
        allowed=allowed_rooms(join_rules),
        guest_can_join=content("m.room.guest_access").get("guest_access") == "can_join",
        world_readable=content("m.room.history_visibility").get("history_visibility") == "world_readable",
        room_type=_text(content("m.room.create").get("type")),
        encryption=_text(content("m.room.encryption").get("algorithm")),
        words=" ".join(text for text in (name, alias, topic) if text).casefold(),
    )


def allowed_rooms(join_rules: JsonObject) -> tuple[RoomID, ...]:
    """The rooms whose members may join, by the content of `m.room.join_rules`; none where the rule is another.

    https://spec.matrix.org/v1.19/client-server-api/#restricted-rooms
    """
    allow = join_rules.get("allow")
    if join_rules.get("join_rule") not in ("restricted", "knock_restricted") or not isinstance(allow, list):
        return ()
    rooms = [
        rule.get("room_id")
        for rule in allow
        if isinstance(rule, dict) and rule.get("type") == "m.room_membership"
    ]
    return tuple(RoomID(room_id) for room_id in rooms if isinstance(room_id, str))


def _text(value: JsonValue) -> str | None:
    # PostgreSQL's text holds no NUL.
    return value.replace("\0", "") or None if isinstance(value, str) else None
