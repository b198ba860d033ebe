"""What an event means for the members of its room: for most the same, which is worked out once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from homeserver.accounts.domains import LocalDomains
from homeserver.protocol.errors import InvalidParam
from homeserver.protocol.event import Event
from homeserver.protocol.identifiers import RoomID, UserID
from homeserver.protocol.json import JsonObject
from homeserver.protocol.power_levels import CREATE, POWER_LEVELS, UnreadableLevel, power_levels
from homeserver.protocol.push_conditions import PushedEvent, Recipient
from homeserver.protocol.push_evaluation import NOTHING, Ruleset, Verdict
from homeserver.protocol.push_rules import rules_within
from homeserver.push.rulesets import DEFAULT_RULESET, Rulesets
from homeserver.push.store.audience import (
    Member,
    members_named,
    members_of_rulesets,
    rulesets_in,
    users_of_ruleset,
)
from homeserver.push.store.rules import rules_of
from homeserver.rooms.appends import Accepted
from homeserver.rooms.store.members import summary_counts
from homeserver.rooms.store.spans import current_events
from homeserver.storage.engine import Transaction


class Judgement(NamedTuple):
    """`usual` is what the default rules say; `exceptions`, by user, where it is something else for them."""

    event: Accepted
    usual: Verdict
    exceptions: Mapping[int, Verdict]


class Judge:
    """Judges events within the transaction that stores them, after memberships were written."""

    def __init__(self, domains: LocalDomains, rulesets: Rulesets) -> None:
        self._domains = domains
        self._rulesets = rulesets

    def judge(self, txn: Transaction, events: Sequence[Accepted]) -> Iterator[Judgement]:
        """Costs the same for a room of any size, but for members whose own rules have something to say."""
        rooms = list({event.room for event in events})
        present = rulesets_in(txn, rooms)
        members = cache(lambda: summary_counts(txn, rooms))
        for event in events:
            pushed = _pushed(txn, event, members)
            usual = DEFAULT_RULESET.verdict(pushed)
            verdicts: dict[int, Verdict | None] = {}
            for nid in present[event.room]:
                verdicts |= self._of_ruleset(txn, event, pushed, usual, nid)
            verdicts |= self._of_people(txn, event, pushed, usual, present[event.room])
            verdicts |= self._of_invited(txn, event, pushed)
            verdicts.pop(event.short_ids.sender, None)
            exceptions = {user: verdict for user, verdict in verdicts.items() if verdict is not None}
            yield Judgement(event, usual, exceptions)

    def _of_ruleset(
        self, txn: Transaction, event: Accepted, pushed: PushedEvent, usual: Verdict, nid: int
    ) -> dict[int, Verdict]:
        """One verdict for all whose rules are the same; mostly that which is counted for them anyway."""
        ruleset = self._rulesets.get(txn, nid)
        verdict = ruleset.verdict(pushed)
        if _is_counted(verdict, usual, ruleset):
            return {}
        users = users_of_ruleset(txn, event.room, nid, event.position)
        return dict.fromkeys(users, verdict)

    def _of_people(
        self, txn: Transaction, event: Accepted, pushed: PushedEvent, usual: Verdict, present: Sequence[int]
    ) -> dict[int, Verdict | None]:
        """Those who are spoken of, each alone: instead of what their ruleset says to all. None is no exception."""
        mentioned = [user_id for user_id in _mentioned(event.event.content) if self._is_local(user_id)]
        people: list[Member] = []
        if mentioned:
            people += members_named(txn, event.room, mentioned, event.position)
        by_name = [nid for nid in present if self._rulesets.get(txn, nid).asks_display_name]
        if by_name and isinstance(event.event.content.get("body"), str):
            people += members_of_rulesets(txn, event.room, by_name, event.position)
        verdicts: dict[int, Verdict | None] = {}
        for person in people:
            ruleset = self._rulesets.get(txn, person.ruleset)
            verdict = ruleset.verdict(pushed, Recipient(person.user_id, person.display_name))
            verdicts[person.user_nid] = None if _is_counted(verdict, usual, ruleset) else verdict
        return verdicts

    def _of_invited(self, txn: Transaction, event: Accepted, pushed: PushedEvent) -> dict[int, Verdict]:
        """Whoever is invited is told, though nothing of the room is counted for them."""
        target, invited = event.short_ids.target, event.event.state_key
        if target is None or event.event.membership != "invite" or not self._is_local(invited):
            return {}
        verdict = verdict_of_invited(txn, target, UserID(str(invited)), event.event.room_id, pushed)
        return {target: verdict} if verdict.notify else {}

    def _is_local(self, user_id: object) -> bool:
        try:
            return isinstance(user_id, str) and self._domains.is_local(UserID(user_id))
        except InvalidParam:
            return False


def verdict_of_invited(
    txn: Transaction, target: int, user_id: UserID, room_id: RoomID, pushed: PushedEvent
) -> Verdict:
    """What the rules of a user say of an invitation; `target` is the user's short id."""
    rules = rules_of(txn, target)
    ruleset = Ruleset(rules_within(rules, room_id)) if rules.own or rules.changed else DEFAULT_RULESET
    return ruleset.verdict(pushed, Recipient(user_id, None))


def _is_counted(verdict: Verdict, usual: Verdict, ruleset: Ruleset) -> bool:
    """Whether a verdict is what is counted for users of the ruleset without any row of their own."""
    counted = NOTHING if ruleset.is_silent else usual
    if (verdict.notify, verdict.highlight) != (counted.notify, counted.highlight):
        return False
    return not verdict.notify or verdict.rule_id == counted.rule_id


def _pushed(
    txn: Transaction, accepted: Accepted, members: Callable[[], Mapping[int, tuple[int, int]]]
) -> PushedEvent:
    event = accepted.event
    json: JsonObject = {
        "type": event.type,
        "content": event.content,
        "sender": event.sender,
        "room_id": event.room_id,
        "event_id": event.event_id,
        "origin_server_ts": event.origin_server_ts,
    }
    if event.state_key is not None:
        json["state_key"] = event.state_key
    return PushedEvent(
        json,
        member_count=lambda: members().get(accepted.room, (0, 0))[0],
        sender_may_notify=lambda key: _may_notify(txn, accepted.room, event, key),
    )


def _may_notify(txn: Transaction, room: int, event: Event, key: str) -> bool:
    state = current_events(txn, room, event.room_id, event.version, [CREATE, POWER_LEVELS])
    try:
        levels = power_levels(state, event.version)
        return levels.user(event.sender) >= levels.notifications(key)
    except (LookupError, UnreadableLevel):
        return False


def _mentioned(content: JsonObject) -> list[str]:
    mentions = content.get("m.mentions")
    user_ids = mentions.get("user_ids") if isinstance(mentions, dict) else None
    return [user_id for user_id in user_ids if isinstance(user_id, str)] if isinstance(user_ids, list) else []
