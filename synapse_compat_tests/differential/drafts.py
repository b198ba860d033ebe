"""What users of a random room try to do: what is usual, what they fight about, and what nobody may."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TypeAlias

from homeserver.protocol.event import Event, Slot
from homeserver.protocol.identifiers import EventID, ServerName, UserID, server_of
from homeserver.protocol.json import JsonObject, JsonValue
from homeserver.protocol.membership_auth import AUTHORISED_VIA
from homeserver.protocol.power_levels import CREATE, POWER_LEVELS, creators
from homeserver.protocol.room_versions import RoomVersion
from homeserver.protocol.signing import SigningKey, sign_json
from homeserver.protocol.unpadded_base64 import encode_base64

CREATOR = UserID("@creator:a.example")
USERS: Sequence[UserID] = (
    CREATOR,
    UserID("@alice:a.example"),
    UserID("@bob:b.example"),
    UserID("@brian:b.example"),
    UserID("@carol:c.example"),
    UserID("@Dávid_ß:d.example:8448"),
)
_IDENTITY_SERVER = ServerName("id.example")
_IDENTITY_KEYS = [SigningKey(str(number), bytes([number]) * 32) for number in range(3)]
_LEVELS = (0, 0, 1, 25, 49, 50, 50, 51, 75, 99, 100, 100, 101, -1)


@dataclass(frozen=True, slots=True)
class Draft:
    """An event before it has a place in the room."""

    type: str
    state_key: str | None
    sender: UserID
    content: JsonObject
    cosigner: UserID | None = None
    """Whose server signs, besides the sender's."""
    redacts: EventID | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """What a draft is made for."""

    version: RoomVersion
    random: Random
    state: Mapping[Slot, Event]

    def content_at(self, slot: Slot) -> JsonObject:
        event = self.state.get(slot)
        return {} if event is None else event.content

    def user(self) -> UserID:
        """Anyone; mostly one who is in the room."""
        joined = [
            user for user in USERS if self.content_at(("m.room.member", user)).get("membership") == "join"
        ]
        return self.random.choice(joined if joined and self.chance(0.8) else USERS)

    def user_with(self, membership: str) -> UserID:
        """One with that membership, if there is any."""
        those = [
            user for user in USERS if self.content_at(("m.room.member", user)).get("membership") == membership
        ]
        return self.random.choice(those or USERS)

    def powerful_user(self) -> UserID:
        """Mostly one with something in the power levels, or the creator."""
        named = [user for user in USERS if user in _object(self.content_at(POWER_LEVELS).get("users"))]
        return self.random.choice(named) if named and self.chance(0.6) else self.user()

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability


Drafter: TypeAlias = Callable[[Scene], Draft]


def draft_state(scene: Scene) -> Draft:
    """Of a state event."""
    [drafter] = scene.random.choices(list(_DRAFTERS), list(_DRAFTERS.values()))
    return drafter(scene)


def draft_any(scene: Scene) -> Draft:
    """Of a state event, or of an event that is none."""
    return scene.random.choice(_MESSAGE_DRAFTERS)(scene) if scene.chance(0.2) else draft_state(scene)


def opening(version: RoomVersion, random: Random, create_content: JsonObject) -> list[Draft]:
    """How the room begins: mostly with power levels and a join rule, always with some members."""
    create = Draft("m.room.create", "", CREATOR, create_content)
    drafts = [create, member(CREATOR, "join")]
    others = list(USERS[1:])
    if random.random() < 0.85:
        drafts.append(
            Draft("m.room.power_levels", "", CREATOR, _first_levels(version, random, create_content))
        )
    if random.random() < 0.85:
        drafts.append(Draft("m.room.join_rules", "", CREATOR, {"join_rule": "public"}))
    return drafts + [member(user, "join") for user in random.sample(others, 3)]


def create_content(version: RoomVersion, random: Random) -> JsonObject:
    content: JsonObject = {"room_version": version.identifier}
    if not version.implicit_creator:
        content["creator"] = CREATOR
    if random.random() < 0.5:
        content["additional_creators"] = random.sample(USERS, random.randrange(3))
    return content


def _first_levels(version: RoomVersion, random: Random, create_content: JsonObject) -> JsonObject:
    mighty, moderator = random.sample(USERS[1:], 2)
    users = {CREATOR: 100, mighty: random.choice([50, 99, 100]), moderator: 50}
    if version.privileged_creators:
        for user in (CREATOR, *create_content.get("additional_creators", ())):
            users.pop(user, None)
    named = {
        name: random.choice([0, 25, 50, 51]) for name in ("ban", "kick", "invite") if random.random() < 0.5
    }
    return {"users": users, "state_default": random.choice([0, 25, 50]), **named}


def member(user: UserID, membership: str, sender: UserID | None = None, **content: JsonValue) -> Draft:
    return Draft("m.room.member", user, sender or user, {"membership": membership, **content})


def _join(scene: Scene) -> Draft:
    user = scene.random.choice(USERS)
    sender = scene.random.choice(USERS) if scene.chance(0.03) else user
    return member(user, "join", sender)


def _authorised_join(scene: Scene) -> Draft:
    user, authorising = scene.random.choice(USERS), scene.user()
    content = {"membership": "join", AUTHORISED_VIA: authorising}
    cosigner = None if scene.chance(0.1) else authorising
    return Draft("m.room.member", user, user, content, cosigner)


def _leave(scene: Scene) -> Draft:
    return member(scene.user(), "leave")


def _kick(scene: Scene) -> Draft:
    return member(scene.random.choice(USERS), "leave", scene.powerful_user())


def _unban(scene: Scene) -> Draft:
    return member(scene.user_with("ban"), "leave", scene.powerful_user())


def _ban(scene: Scene) -> Draft:
    return member(scene.random.choice(USERS), "ban", scene.powerful_user())


def _invite(scene: Scene) -> Draft:
    return member(scene.random.choice(USERS), "invite", scene.user())


def _knock(scene: Scene) -> Draft:
    user = scene.user_with(scene.random.choice(["leave", "invite", "ban"]))
    return member(user, "knock", scene.user() if scene.chance(0.1) else user)


def _third_party_invite(scene: Scene) -> Draft:
    key, other = scene.random.sample(_IDENTITY_KEYS, 2)
    content: JsonObject = {"display_name": "b...@e...", "key_validity_url": "https://id.example/valid"}
    if scene.chance(0.7):
        content["public_key"] = encode_base64(key.public_key)
    if scene.chance(0.7):
        content["public_keys"] = [{"public_key": encode_base64(each.public_key)} for each in (key, other)]
    return Draft("m.room.third_party_invite", _token(scene), scene.user(), content)


def _third_party_invited(scene: Scene) -> Draft:
    target = scene.random.choice(USERS)
    token = _token(scene)
    invitation = scene.state.get(("m.room.third_party_invite", token))
    sender = scene.user() if invitation is None or scene.chance(0.1) else invitation.sender
    mxid = scene.random.choice(USERS) if scene.chance(0.1) else target
    key = scene.random.choice(_IDENTITY_KEYS)
    signed = sign_json({"mxid": mxid, "token": token}, _IDENTITY_SERVER, key)
    if scene.chance(0.05):
        del signed[scene.random.choice(sorted(signed))]
    return member(target, "invite", sender, third_party_invite={"display_name": "bob", "signed": signed})


def _token(scene: Scene) -> str:
    return scene.random.choice(["token", "other token"])


def _levels(scene: Scene) -> Draft:
    """A change to what there is, which often takes from somebody or gives to oneself."""
    content = dict(scene.content_at(POWER_LEVELS))
    for _ in range(scene.random.choice([1, 1, 2])):
        content = _with_other_level(scene, content)
    return Draft("m.room.power_levels", "", scene.powerful_user(), content)


def _with_other_level(scene: Scene, content: JsonObject) -> JsonObject:
    inner = scene.random.choice(["users", "users", "users", "events", "notifications", None, None])
    if inner is None:
        return _with_entry(scene, content, scene.random.choice(_NAMED_LEVELS))
    return {**content, inner: _with_entry(scene, _object(content.get(inner)), _key(scene, inner))}


_NAMED_LEVELS = ("ban", "kick", "redact", "invite", "users_default", "events_default", "state_default")


def _key(scene: Scene, inner: str) -> str:
    if inner == "events":
        return scene.random.choice(["m.room.topic", "m.room.power_levels", "m.room.join_rules", "x"])
    if inner == "notifications":
        return "room"
    user = scene.random.choice(USERS)
    is_creator = scene.version.privileged_creators and user in creators(scene.state[CREATE])
    return scene.random.choice(USERS) if is_creator and scene.chance(0.9) else user


def _with_entry(scene: Scene, levels: JsonObject, key: str) -> JsonObject:
    if key in levels and scene.chance(0.2):
        return {name: level for name, level in levels.items() if name != key}
    return {**levels, key: _level(scene)}


def _level(scene: Scene) -> JsonValue:
    level = scene.random.choice(_LEVELS)
    if scene.version.integer_power_levels or scene.chance(0.9):
        return level
    written: list[JsonValue] = [str(level), f" {level:+04d}\t"]
    if not scene.version.strict_canonical_json:
        written.append(level + 0.57 if level > 0 else level - 0.57)
    return scene.random.choice(written)


_JOIN_RULES = {"public": 3, "invite": 2, "knock": 3, "restricted": 2, "knock_restricted": 2, "private": 1}


def _join_rules(scene: Scene) -> Draft:
    rule, *_ = scene.random.choices(list(_JOIN_RULES), list(_JOIN_RULES.values()))
    content: JsonObject = {"join_rule": rule}
    if "restricted" in rule:
        content["allow"] = [{"type": "m.room_membership", "room_id": "!other:a.example"}]
    return Draft("m.room.join_rules", "", scene.powerful_user(), content)


def _named(scene: Scene) -> Draft:
    type_ = scene.random.choice(["topic", "name", "history_visibility"])
    return Draft(f"m.room.{type_}", "", scene.user(), {type_: scene.random.choice(["one", "two", "shared"])})


def _of_many(scene: Scene) -> Draft:
    """State of a type that has many keys, some of which belong to somebody."""
    key = scene.random.choice(["", "key", "\U0001f511", "@", *USERS])
    return Draft("x", key, scene.user(), {"n": scene.random.randrange(3)})


def _aliases(scene: Scene) -> Draft:
    sender = scene.random.choice(USERS)
    server = server_of(scene.random.choice(USERS)) if scene.chance(0.2) else server_of(sender)
    return Draft("m.room.aliases", server, sender, {"aliases": [f"#room:{server}"]})


def _misplaced(scene: Scene) -> Draft:
    """Of types that mean much, but with a state key with which they mean nothing."""
    type_, content = scene.random.choice(
        [
            ("m.room.join_rules", {"join_rule": "public"}),
            ("m.room.create", {"creator": scene.user(), "room_version": scene.version.identifier}),
        ]
    )
    return Draft(type_, "elsewhere", scene.powerful_user(), content)


def _message(scene: Scene) -> Draft:
    return Draft(scene.random.choice(["m.room.message", "x", "é"]), None, scene.user(), {"body": "Ĥ\u202e"})


def _redaction(scene: Scene) -> Draft:
    target = scene.random.choice(list(scene.state.values()))
    return Draft("m.room.redaction", None, scene.user(), {"reason": ""}, redacts=target.event_id)


def _without_state_key(scene: Scene) -> Draft:
    return replace(draft_state(scene), state_key=None)


def _levels_elsewhere(scene: Scene) -> Draft:
    return replace(_levels(scene), state_key="elsewhere")


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


_DRAFTERS: Mapping[Drafter, int] = {
    _join: 16,
    _authorised_join: 4,
    _leave: 5,
    _kick: 6,
    _unban: 3,
    _ban: 8,
    _invite: 7,
    _knock: 6,
    _third_party_invite: 3,
    _third_party_invited: 3,
    _levels: 16,
    _join_rules: 9,
    _named: 8,
    _of_many: 6,
    _aliases: 2,
    _misplaced: 1,
}
"""How often each is chosen, in comparison to the others."""
_MESSAGE_DRAFTERS: Sequence[Drafter] = (_message, _redaction, _without_state_key, _levels_elsewhere)
