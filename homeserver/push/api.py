"""Client API: push rules, and the list of notifications."""

from typing import Annotated, Any

import msgspec

from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.errors import InvalidParam, MissingParam
from homeserver.protocol.json import JsonObject, JsonValue
from homeserver.protocol.push_rules import (
    KINDS,
    Actions,
    Kind,
    OwnRule,
    checked_actions,
    shown_rule,
    shown_rules,
    with_actions,
    with_enabled,
    with_rule,
    without_rule,
)
from homeserver.push.notifications import Notifications
from homeserver.push.rules import UserRules
from homeserver.rooms.timeline import format_token, parse_token
from homeserver.rooms.timeline_event import Viewer, show
from homeserver.runtime.clock import Clock

_LARGEST_PAGE = 500


class Rulesets(msgspec.Struct, frozen=True):
    global_: JsonObject = msgspec.field(name="global")


class Placement(msgspec.Struct, frozen=True):
    before: str | None = None
    after: str | None = None


class RuleBody(msgspec.Struct, frozen=True):
    actions: list[JsonValue]
    pattern: str | None = None
    conditions: list[JsonObject] = []


class Enabled(msgspec.Struct, frozen=True):
    enabled: bool


class RuleActions(msgspec.Struct, frozen=True):
    actions: list[JsonValue]


class PushRuleEndpoints:
    """https://spec.matrix.org/v1.19/client-server-api/#push-rules-api"""

    def __init__(self, rules: UserRules) -> None:
        self._rules = rules

    @endpoint("GET", "/_matrix/client/(v3|r0)/pushrules/", auth=Auth.USER, limit=Limit.NONE)
    async def push_rules(self, requester: Requester) -> Rulesets:
        """All push rules of the requester."""
        return Rulesets(await self.global_rules(requester))

    @endpoint("GET", "/_matrix/client/(v3|r0)/pushrules/global/", auth=Auth.USER, limit=Limit.NONE)
    async def global_rules(self, requester: Requester) -> JsonObject:
        """The requester's push rules by kind."""
        return shown_rules(await self._rules.of(requester.user_nid), requester.user_id)

    @endpoint(
        "GET",
        "/_matrix/client/(v3|r0)/pushrules/global/{kind}/{rule_id}",
        auth=Auth.USER,
        limit=Limit.NONE,
    )
    async def rule(self, requester: Requester, kind: str, rule_id: str) -> JsonObject:
        """One push rule."""
        rules = await self._rules.of(requester.user_nid)
        return shown_rule(rules, _kind(kind), rule_id, requester.user_id)

    @endpoint(
        "PUT",
        "/_matrix/client/(v3|r0)/pushrules/global/{kind}/{rule_id}",
        auth=Auth.USER,
        limit=Limit.NONE,
    )
    async def set_rule(
        self, requester: Requester, kind: str, rule_id: str, query: Placement, body: RuleBody
    ) -> JsonObject:
        """Adds a push rule, or changes one of the requester's own."""
        of_kind, rule = _kind(kind), _own_rule(_kind(kind), rule_id, body)
        await self._rules.change(
            requester.user_nid, lambda rules: with_rule(rules, of_kind, rule, query.before, query.after)
        )
        return {}

    @endpoint(
        "DELETE",
        "/_matrix/client/(v3|r0)/pushrules/global/{kind}/{rule_id}",
        auth=Auth.USER,
        limit=Limit.NONE,
    )
    async def delete_rule(self, requester: Requester, kind: str, rule_id: str) -> JsonObject:
        """Removes a push rule that the requester added."""
        of_kind = _kind(kind)
        await self._rules.change(requester.user_nid, lambda rules: without_rule(rules, of_kind, rule_id))
        return {}

    @endpoint(
        "GET",
        "/_matrix/client/(v3|r0)/pushrules/global/{kind}/{rule_id}/enabled",
        auth=Auth.USER,
        limit=Limit.NONE,
    )
    async def is_enabled(self, requester: Requester, kind: str, rule_id: str) -> Enabled:
        """Whether a push rule is on."""
        return Enabled((await self.rule(requester, kind, rule_id))["enabled"])

    @endpoint(
        "PUT",
        "/_matrix/client/(v3|r0)/pushrules/global/{kind}/{rule_id}/enabled",
        auth=Auth.USER,
        limit=Limit.NONE,
    )
    async def set_enabled(self, requester: Requester, kind: str, rule_id: str, body: Enabled) -> JsonObject:
        """Turns a push rule on or off."""
        of_kind = _kind(kind)
        await self._rules.change(
            requester.user_nid, lambda rules: with_enabled(rules, of_kind, rule_id, body.enabled)
        )
        return {}

    @endpoint(
        "GET",
        "/_matrix/client/(v3|r0)/pushrules/global/{kind}/{rule_id}/actions",
        auth=Auth.USER,
        limit=Limit.NONE,
    )
    async def actions(self, requester: Requester, kind: str, rule_id: str) -> RuleActions:
        """What a push rule does."""
        return RuleActions((await self.rule(requester, kind, rule_id))["actions"])

    @endpoint(
        "PUT",
        "/_matrix/client/(v3|r0)/pushrules/global/{kind}/{rule_id}/actions",
        auth=Auth.USER,
        limit=Limit.NONE,
    )
    async def set_actions(
        self, requester: Requester, kind: str, rule_id: str, body: RuleActions
    ) -> JsonObject:
        """Changes what a push rule does."""
        of_kind, actions = _kind(kind), checked_actions(body.actions)
        await self._rules.change(
            requester.user_nid, lambda rules: with_actions(rules, of_kind, rule_id, actions)
        )
        return {}


def _kind(text: str) -> Kind:
    for kind in KINDS:
        if kind == text:
            return kind
    raise InvalidParam(f"The kind of a push rule must be one of {', '.join(KINDS)}")


def _own_rule(kind: Kind, rule_id: str, body: RuleBody) -> OwnRule:
    if rule_id.startswith(".") or "/" in rule_id or "\\" in rule_id or not rule_id:
        raise InvalidParam("The ID of a rule has no slashes and does not begin with a dot")
    if kind == "content" and body.pattern is None:
        raise MissingParam("A content rule must have a pattern")
    for condition in body.conditions:
        if not isinstance(condition.get("kind"), str):
            raise InvalidParam("A condition must have a kind")
    actions: Actions = checked_actions(body.actions)
    if kind == "content":
        return OwnRule(rule_id, actions, pattern=body.pattern)
    if kind in ("override", "underride"):
        return OwnRule(rule_id, actions, conditions=tuple(body.conditions))
    return OwnRule(rule_id, actions)


class NotificationQuery(msgspec.Struct, frozen=True):
    from_: str | None = msgspec.field(name="from", default=None)
    limit: Annotated[int, msgspec.Meta(ge=1)] = 50
    only: str | None = None


class NotificationPage(msgspec.Struct, frozen=True, omit_defaults=True):
    notifications: list[JsonObject]
    next_token: str | None = None


class NotificationEndpoints:
    """https://spec.matrix.org/v1.19/client-server-api/#listing-notifications"""

    def __init__(self, notifications: Notifications, clock: Clock) -> None:
        self._notifications = notifications
        self._clock = clock

    @endpoint("GET", "/_matrix/client/(v3|r0)/notifications", auth=Auth.USER, limit=Limit.NONE)
    async def notifications(self, requester: Requester, query: NotificationQuery) -> NotificationPage:
        """Events that the requester was notified of, the newest first."""
        before = None if query.from_ is None else parse_token(query.from_)
        page, end = await self._notifications.before(
            requester, before, min(query.limit, _LARGEST_PAGE), highlights=query.only == "highlight"
        )
        viewer = Viewer(requester.device_nid, self._clock.now_ms())
        shown: list[dict[str, Any]] = [
            {
                "room_id": each.room_id,
                "event": show(each.event, viewer),
                "actions": each.actions,
                "read": each.read,
                "ts": each.ts,
            }
            for each in page
        ]
        return NotificationPage(shown, None if end is None else format_token(end))
