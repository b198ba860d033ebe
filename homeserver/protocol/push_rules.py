"""A user's push rules: the default ones, and what the user made of them.

https://spec.matrix.org/v1.19/client-server-api/#push-rules
"""

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias, get_args

import msgspec

from homeserver.protocol.errors import InvalidParam, NotFound, Unknown
from homeserver.protocol.globs import Glob
from homeserver.protocol.identifiers import RoomID, UserID
from homeserver.protocol.json import JsonObject, JsonValue
from homeserver.protocol.push_conditions import OWN_USER_ID
from homeserver.protocol.push_defaults import DEFAULT_RULES, MASTER, DefaultRule

Kind: TypeAlias = Literal["override", "content", "room", "sender", "underride"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""In the order in which they are looked at."""

Actions: TypeAlias = tuple[JsonValue, ...]

# https://spec.matrix.org/v1.19/client-server-api/#historical-actions
_HISTORICAL = ("dont_notify", "coalesce")


class OwnRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """A rule that a user made. `pattern` is for content rules, `conditions` for override and underride rules."""

    rule_id: str
    actions: Actions
    enabled: bool = True
    pattern: str | None = None
    conditions: tuple[JsonObject, ...] = ()


class ChangedDefault(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a user changed of a default rule; None where nothing."""

    enabled: bool | None = None
    actions: Actions | None = None


class PushRules(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything in which a user's rules differ from the default ones.

    `own` are by kind, the most important first; `changed` by the ID of the default rule.
    """

    own: dict[Kind, tuple[OwnRule, ...]] = {}
    changed: dict[str, ChangedDefault] = {}


UNCHANGED = PushRules()

THIS_ROOM = "*"
"""The ID, in `rules_within` a room, of rules that are about that room."""


def shown_rules(rules: PushRules, user_id: UserID) -> JsonObject:
    """All rules of a user by kind, the most important first."""
    return {kind: [rule for rule in _shown(rules, kind, user_id)] for kind in KINDS}


def shown_rule(rules: PushRules, kind: Kind, rule_id: str, user_id: UserID) -> JsonObject:
    """Raises NotFound."""
    for rule in _shown(rules, kind, user_id):
        if rule["rule_id"] == rule_id:
            return rule
    raise NotFound("There is no such push rule")


def checked_actions(actions: Iterable[JsonValue]) -> Actions:
    """Historical ones among them are kept, for clients that look for theirs, and do nothing. Raises InvalidParam."""
    checked = tuple(actions)
    for action in checked:
        if isinstance(action, dict):
            if not isinstance(action.get("set_tweak"), str):
                raise InvalidParam("An action that is an object must have a set_tweak")
        elif action != "notify" and action not in _HISTORICAL:
            raise InvalidParam("There is no such action")
    return checked


def with_rule(
    rules: PushRules, kind: Kind, rule: OwnRule, before: str | None = None, after: str | None = None
) -> PushRules:
    """With a rule that is new, or in the place of that with its ID, which stays on or off as it was.

    `before` and `after` name rules of the user's own. A new rule is the most important of its kind unless they say
    otherwise. Raises Unknown where they name none.
    """
    own = rules.own.get(kind, ())
    earlier = next((index for index, other in enumerate(own) if other.rule_id == rule.rule_id), None)
    if earlier is not None:
        rule = msgspec.structs.replace(rule, enabled=own[earlier].enabled)
    others = [other for other in own if other.rule_id != rule.rule_id]
    if before is not None:
        place = _place_of(others, before)
    elif after is not None:
        place = _place_of(others, after) + 1
    else:
        place = earlier or 0
    return _with_own(rules, kind, (*others[:place], rule, *others[place:]))


def without_rule(rules: PushRules, kind: Kind, rule_id: str) -> PushRules:
    """Raises NotFound where the user made no such rule."""
    own = rules.own.get(kind, ())
    left = tuple(rule for rule in own if rule.rule_id != rule_id)
    if len(left) == len(own):
        raise NotFound("There is no such push rule, or it is not the user's own")
    return _with_own(rules, kind, left)


def with_enabled(rules: PushRules, kind: Kind, rule_id: str, enabled: bool) -> PushRules:
    """Raises NotFound."""
    default = default_rule(kind, rule_id)
    if default is None:
        return _with_changed_own(rules, kind, rule_id, enabled=enabled)
    return _with_changed_default(rules, rule_id, enabled=None if enabled == default.enabled else enabled)


def with_actions(rules: PushRules, kind: Kind, rule_id: str, actions: Actions) -> PushRules:
    """Raises NotFound."""
    default = default_rule(kind, rule_id)
    if default is None:
        return _with_changed_own(rules, kind, rule_id, actions=actions)
    return _with_changed_default(rules, rule_id, actions=None if actions == default.actions else actions)


def carried_over(rules: PushRules, old: RoomID, new: RoomID) -> PushRules:
    """With the rules about one room also for the room that replaces it, where there is none yet."""
    for kind, own in rules.own.items():
        there = {rule.rule_id for rule in own}
        for rule in reversed(own):
            copy = _carried_over(kind, rule, old, new)
            if copy is not None and copy.rule_id not in there:
                rules = with_rule(rules, kind, copy, before=rule.rule_id)
    return rules


def rules_within(rules: PushRules, room_id: str) -> PushRules:
    """What is left of the rules in one room, so that all who, say, muted a room have the same in it.

    Rules that are off or about other rooms are dropped, and conditions that hold for all of the room.
    """
    own = {
        kind: kept
        for kind, all_own in rules.own.items()
        if (kept := tuple(within for rule in all_own if (within := _rule_within(kind, rule, room_id))))
    }
    return PushRules(own, rules.changed)


def default_rule(kind: Kind, rule_id: str) -> DefaultRule | None:
    return next((rule for rule in DEFAULT_RULES[kind] if rule.rule_id == rule_id), None)


def _rule_within(kind: Kind, rule: OwnRule, room_id: str) -> OwnRule | None:
    if not rule.enabled:
        return None
    if kind == "room":
        return msgspec.structs.replace(rule, rule_id=THIS_ROOM) if rule.rule_id == room_id else None
    left = [condition for condition in rule.conditions if not _is_about_rooms(condition)]
    if len(left) == len(rule.conditions):
        return rule
    patterns = [condition.get("pattern") for condition in rule.conditions if _is_about_rooms(condition)]
    if not all(isinstance(pattern, str) and Glob(pattern).matches(room_id) for pattern in patterns):
        return None
    return msgspec.structs.replace(rule, rule_id=THIS_ROOM, conditions=tuple(left))


def _carried_over(kind: Kind, rule: OwnRule, old: RoomID, new: RoomID) -> OwnRule | None:
    """The same rule about another room; None where it is not about the first."""
    if kind == "room":
        return msgspec.structs.replace(rule, rule_id=new) if rule.rule_id == old else None
    if not any(
        _is_about_rooms(condition) and condition.get("pattern") == old for condition in rule.conditions
    ):
        return None
    conditions = tuple(
        {**condition, "pattern": new} if _is_about_rooms(condition) else condition
        for condition in rule.conditions
    )
    # Clients name such rules after the room.
    rule_id = rule.rule_id.replace(old, new) if old in rule.rule_id else f"{rule.rule_id} {new}"
    return msgspec.structs.replace(rule, rule_id=rule_id, conditions=conditions)


def _is_about_rooms(condition: JsonObject) -> bool:
    return condition.get("kind") == "event_match" and condition.get("key") == "room_id"


def _shown(rules: PushRules, kind: Kind, user_id: UserID) -> Iterable[JsonObject]:
    defaults = [_shown_default(rules, rule, user_id) for rule in DEFAULT_RULES[kind]]
    yield from (rule for rule in defaults if rule["rule_id"] == MASTER)
    yield from (_shown_own(kind, rule) for rule in rules.own.get(kind, ()))
    yield from (rule for rule in defaults if rule["rule_id"] != MASTER)


def _shown_own(kind: Kind, rule: OwnRule) -> JsonObject:
    shown: JsonObject = {
        "rule_id": rule.rule_id,
        "default": False,
        "enabled": rule.enabled,
        "actions": list(rule.actions),
    }
    if kind == "content":
        shown["pattern"] = rule.pattern
    elif kind in ("override", "underride"):
        shown["conditions"] = list(rule.conditions)
    return shown


def _shown_default(rules: PushRules, rule: DefaultRule, user_id: UserID) -> JsonObject:
    changed = rules.changed.get(rule.rule_id, ChangedDefault())
    return {
        "rule_id": rule.rule_id,
        "default": True,
        "enabled": rule.enabled if changed.enabled is None else changed.enabled,
        "actions": list(rule.actions if changed.actions is None else changed.actions),
        "conditions": [
            {key: user_id if value is OWN_USER_ID else value for key, value in condition.items()}
            for condition in rule.conditions
        ],
    }


def _place_of(own: list[OwnRule], rule_id: str) -> int:
    for index, rule in enumerate(own):
        if rule.rule_id == rule_id:
            return index
    raise Unknown(f"There is no rule {rule_id} of your own to put another before or after")


def _with_own(rules: PushRules, kind: Kind, own: tuple[OwnRule, ...]) -> PushRules:
    kinds: Mapping[Kind, tuple[OwnRule, ...]] = {**rules.own, kind: own}
    return PushRules({kind: own for kind, own in kinds.items() if own}, rules.changed)


def _with_changed_own(rules: PushRules, kind: Kind, rule_id: str, **fields: object) -> PushRules:
    own = rules.own.get(kind, ())
    if all(rule.rule_id != rule_id for rule in own):
        raise NotFound("There is no such push rule")
    changed = (msgspec.structs.replace(rule, **fields) if rule.rule_id == rule_id else rule for rule in own)
    return _with_own(rules, kind, tuple(changed))


def _with_changed_default(rules: PushRules, rule_id: str, **fields: object) -> PushRules:
    change = msgspec.structs.replace(rules.changed.get(rule_id, ChangedDefault()), **fields)
    changed = {**rules.changed, rule_id: change}
    return PushRules(
        rules.own, {id_: change for id_, change in changed.items() if change != ChangedDefault()}
    )
