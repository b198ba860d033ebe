"""Judging events by push rules.

https://spec.matrix.org/v1.19/client-server-api/#push-rules
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from homeserver.protocol.json import JsonObject
from homeserver.protocol.push_conditions import (
    Condition,
    PushedEvent,
    Recipient,
    asks_display_name,
    compile_condition,
    is_costly,
)
from homeserver.protocol.push_defaults import DEFAULT_RULES, MASTER, DefaultRule
from homeserver.protocol.push_rules import (
    KINDS,
    THIS_ROOM,
    UNCHANGED,
    Actions,
    ChangedDefault,
    Kind,
    OwnRule,
    PushRules,
)


class Verdict(NamedTuple):
    """What rules say of an event: by the rule with this ID, '' where none matched.

    An event that does not notify does not highlight either, whatever its tweaks are.
    """

    rule_id: str = ""
    actions: Actions = ()
    notify: bool = False
    highlight: bool = False


NOTHING = Verdict()


class Ruleset:
    """Push rules ready to judge events."""

    __slots__ = ("_rules", "asks_display_name", "is_silent")

    def __init__(self, rules: PushRules = UNCHANGED) -> None:
        enabled = list(_enabled(rules))
        self._rules = [(_compiled(conditions), verdict) for conditions, verdict in enabled]
        self.asks_display_name = any(map(asks_display_name, _all(conditions for conditions, _ in enabled)))
        self.is_silent = not any(self.verdict(plain).notify for plain in _PLAIN)
        """Whether plain messages, in a room of more than two, do not notify."""

    def verdict(self, event: PushedEvent, recipient: Recipient | None = None) -> Verdict:
        """With no recipient, what the rules say to all who are not spoken of in the event."""
        for conditions, verdict in self._rules:
            if all(holds(event, recipient) for holds in conditions):
                return verdict
        return NOTHING

    def actions_of(self, rule_id: str) -> Actions:
        """What the rule of this ID does; only to notify, where it is off or gone."""
        return next(
            (verdict.actions for _, verdict in self._rules if verdict.rule_id == rule_id), ("notify",)
        )


def _enabled(rules: PushRules) -> Iterator[tuple[Sequence[JsonObject], Verdict]]:
    """Conditions and verdicts of all rules that are on, in the order in which they are looked at."""
    for kind in KINDS:
        defaults = DEFAULT_RULES[kind]
        yield from _enabled_defaults(rules, (rule for rule in defaults if rule.rule_id == MASTER))
        for own in rules.own.get(kind, ()):
            if own.enabled:
                yield _conditions_of(kind, own), _verdict(own.rule_id, own.actions)
        yield from _enabled_defaults(rules, (rule for rule in defaults if rule.rule_id != MASTER))


def _enabled_defaults(
    rules: PushRules, defaults: Iterable[DefaultRule]
) -> Iterator[tuple[Sequence[JsonObject], Verdict]]:
    for rule in defaults:
        changed = rules.changed.get(rule.rule_id, ChangedDefault())
        if rule.enabled if changed.enabled is None else changed.enabled:
            actions = rule.actions if changed.actions is None else changed.actions
            yield rule.conditions, _verdict(rule.rule_id, actions)


def _conditions_of(kind: Kind, rule: OwnRule) -> Sequence[JsonObject]:
    if kind == "content":
        return [{"kind": "event_match", "key": "content.body", "pattern": rule.pattern}]
    if kind == "room" and rule.rule_id == THIS_ROOM:
        return ()
    if kind == "room":
        return [{"kind": "event_property_is", "key": "room_id", "value": rule.rule_id}]
    if kind == "sender":
        return [{"kind": "event_property_is", "key": "sender", "value": rule.rule_id}]
    return rule.conditions


def _compiled(conditions: Sequence[JsonObject]) -> tuple[Condition, ...]:
    # All must hold, so the order is free: what the event itself decides comes first.
    return tuple(compile_condition(condition) for condition in sorted(conditions, key=is_costly))


def _verdict(rule_id: str, actions: Actions) -> Verdict:
    notify = "notify" in actions
    tweaks = {
        action["set_tweak"]: action.get("value", True) for action in actions if isinstance(action, dict)
    }
    return Verdict(rule_id, actions, notify, notify and tweaks.get("highlight") is True)


def _all(conditions: Iterable[Sequence[JsonObject]]) -> Iterator[JsonObject]:
    for each in conditions:
        yield from each


def _plain(type_: str, content: JsonObject) -> PushedEvent:
    event = {"type": type_, "content": content, "sender": "", "room_id": ""}
    return PushedEvent(event, member_count=lambda: 3, sender_may_notify=lambda key: False)


_PLAIN = (
    _plain("m.room.message", {"msgtype": "m.text", "body": ""}),
    _plain("m.room.encrypted", {}),
)
