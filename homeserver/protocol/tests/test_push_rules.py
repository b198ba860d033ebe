from collections.abc import Callable, Sequence
from typing import Any

import pytest

from homeserver.protocol.errors import InvalidParam, NotFound, Unknown
from homeserver.protocol.identifiers import RoomID, UserID
from homeserver.protocol.json import JsonObject
from homeserver.protocol.push_conditions import PushedEvent, Recipient
from homeserver.protocol.push_evaluation import NOTHING, Ruleset
from homeserver.protocol.push_rules import (
    UNCHANGED,
    Kind,
    OwnRule,
    PushRules,
    carried_over,
    checked_actions,
    rules_within,
    shown_rule,
    shown_rules,
    with_actions,
    with_enabled,
    with_rule,
    without_rule,
)

_ALICE = UserID("@alice:test")
_HIGHLIGHT = {"set_tweak": "highlight"}


def _rule(rule_id: str, *actions: Any, **fields: Any) -> OwnRule:
    return OwnRule(rule_id, actions, **fields)


def _ids(rules: PushRules, kind: Kind) -> list[str]:
    return [rule["rule_id"] for rule in shown_rules(rules, _ALICE)[kind] if not rule["default"]]


def _own(*rule_ids: str) -> PushRules:
    rules = UNCHANGED
    for rule_id in reversed(rule_ids):
        rules = with_rule(rules, "content", _rule(rule_id, pattern="x"))
    return rules


class TestChanges:
    def test_new_rules_come_first(self) -> None:
        assert _ids(_own("a", "b", "c"), "content") == ["a", "b", "c"]

    @pytest.mark.parametrize(
        ("before", "after", "order"),
        [
            ("b", None, ["a", "new", "b", "c"]),
            (None, "b", ["a", "b", "new", "c"]),
            ("c", "a", ["a", "b", "new", "c"]),
            ("a", None, ["new", "a", "b", "c"]),
            (None, "c", ["a", "b", "c", "new"]),
        ],
    )
    def test_places(self, before: str | None, after: str | None, order: Sequence[str]) -> None:
        rules = with_rule(_own("a", "b", "c"), "content", _rule("new", pattern="x"), before, after)
        assert _ids(rules, "content") == order

    def test_a_rule_that_is_there_moves_only_if_asked(self) -> None:
        rules = with_rule(_own("a", "b", "c"), "content", _rule("b", "notify", pattern="y"))
        assert _ids(rules, "content") == ["a", "b", "c"]
        assert shown_rule(rules, "content", "b", _ALICE)["pattern"] == "y"
        assert _ids(with_rule(rules, "content", _rule("c"), "a"), "content") == ["c", "a", "b"]

    @pytest.mark.parametrize("other", ["nobody", ".m.rule.message", "new"])
    def test_places_beside_what_is_not_there(self, other: str) -> None:
        for before, after in ((other, None), (None, other)):
            with pytest.raises(Unknown):
                with_rule(_own("a"), "content", _rule("new"), before, after)

    def test_a_rule_stays_off_when_it_is_changed(self) -> None:
        rules = with_enabled(_own("a"), "content", "a", enabled=False)
        rules = with_rule(rules, "content", _rule("a", "notify", pattern="y"))
        assert shown_rule(rules, "content", "a", _ALICE)["enabled"] is False

    def test_ids_are_of_a_kind(self) -> None:
        rules = with_rule(_own("a"), "room", _rule("a"))
        rules = without_rule(rules, "content", "a")
        assert (_ids(rules, "content"), _ids(rules, "room")) == ([], ["a"])

    def test_what_is_not_there_cannot_be_changed(self) -> None:
        def enable(kind: Kind, rule_id: str) -> object:
            return with_enabled(UNCHANGED, kind, rule_id, enabled=True)

        changes: list[Callable[[Kind, str], object]] = [
            enable,
            lambda kind, rule_id: with_actions(UNCHANGED, kind, rule_id, ()),
            lambda kind, rule_id: without_rule(UNCHANGED, kind, rule_id),
            lambda kind, rule_id: shown_rule(UNCHANGED, kind, rule_id, _ALICE),
        ]
        absent: list[tuple[Kind, str]] = [
            ("content", "a"),
            ("content", ".m.rule.message"),
            ("underride", ".m.rule.x"),
        ]
        for change in changes:
            for kind, rule_id in absent:
                with pytest.raises(NotFound):
                    change(kind, rule_id)

    def test_default_rules_stay(self) -> None:
        with pytest.raises(NotFound):
            without_rule(UNCHANGED, "underride", ".m.rule.message")

    def test_what_is_changed_back_is_not_changed(self) -> None:
        rules = with_enabled(UNCHANGED, "underride", ".m.rule.message", enabled=False)
        rules = with_actions(rules, "underride", ".m.rule.message", ())
        assert rules != UNCHANGED
        rules = with_enabled(rules, "underride", ".m.rule.message", enabled=True)
        assert with_actions(rules, "underride", ".m.rule.message", ("notify",)) == UNCHANGED

    def test_actions(self) -> None:
        tweak = {"set_tweak": "sound", "value": "default"}
        assert checked_actions(["dont_notify", "notify", tweak]) == ("dont_notify", "notify", tweak)
        for bad in ("ring", 1, None, {}, {"set_tweak": 1}, ["notify"]):
            with pytest.raises(InvalidParam):
                checked_actions([bad])

    def test_carried_over_to_another_room(self) -> None:
        old, new = RoomID("!old"), RoomID("!new")
        rules = with_rule(UNCHANGED, "room", _rule(old))
        rules = with_rule(rules, "room", _rule("!other", "notify"))
        carried = carried_over(rules, old, new)
        assert _ids(carried, "room") == ["!other", "!new", "!old"]
        assert shown_rule(carried, "room", "!new", _ALICE)["actions"] == []
        assert carried_over(rules, RoomID("!none"), new) == rules
        assert carried_over(carried, old, new) == carried

    def test_mutes_are_carried_over(self) -> None:
        def about(room_id: str) -> JsonObject:
            return {"kind": "event_match", "key": "room_id", "pattern": room_id}

        few = {"kind": "room_member_count", "is": "<9"}
        rules = with_rule(UNCHANGED, "override", _rule("!old", conditions=(about("!old"),), enabled=False))
        rules = with_rule(rules, "override", _rule("mine", conditions=(few, about("!old"))))
        rules = with_rule(rules, "override", _rule("!other", conditions=(about("!other"),)))
        carried = carried_over(rules, RoomID("!old"), RoomID("!new"))
        assert _ids(carried, "override") == ["!other", "mine !new", "mine", "!new", "!old"]
        mute = shown_rule(carried, "override", "!new", _ALICE)
        assert (mute["conditions"], mute["enabled"]) == ([about("!new")], False)
        assert shown_rule(carried, "override", "mine !new", _ALICE)["conditions"] == [few, about("!new")]
        assert carried_over(carried, RoomID("!old"), RoomID("!new")) == carried


class TestWithinARoom:
    def test_rules_of_other_rooms_and_those_that_are_off_are_dropped(self) -> None:
        rules = with_rule(_own("a"), "room", _rule("!other"))
        rules = with_enabled(rules, "content", "a", enabled=False)
        elsewhere = {"kind": "event_match", "key": "room_id", "pattern": "!other"}
        rules = with_rule(rules, "override", _rule("o", conditions=(elsewhere,)))
        assert rules_within(rules, "!here") == UNCHANGED

    def test_those_who_muted_it_have_the_same(self) -> None:
        here = {"kind": "event_match", "key": "room_id", "pattern": "!here"}
        one = with_rule(UNCHANGED, "override", _rule("!here", conditions=(here,)))
        two = with_rule(with_rule(one, "room", _rule("!there")), "override", _rule("x", enabled=False))
        assert rules_within(one, "!here") == rules_within(two, "!here") != UNCHANGED
        assert rules_within(with_rule(UNCHANGED, "room", _rule("!a")), "!a") == rules_within(
            with_rule(UNCHANGED, "room", _rule("!b")), "!b"
        )

    def test_muted_rooms_are_silent(self) -> None:
        here = {"kind": "event_match", "key": "room_id", "pattern": "!HER?"}
        for rules in (
            with_rule(UNCHANGED, "override", _rule("x", conditions=(here,))),
            with_rule(UNCHANGED, "room", _rule("!here")),
        ):
            assert Ruleset(rules_within(rules, "!here")).is_silent
            assert not Ruleset(rules_within(rules, "!there")).is_silent

    def test_malformed_conditions_make_a_rule_nothing(self) -> None:
        broken = {"kind": "event_match", "key": "room_id"}
        rules = with_rule(UNCHANGED, "override", _rule("o", conditions=(broken,)))
        assert rules_within(rules, "!here") == UNCHANGED


def _event(content: JsonObject | None = None, members: int = 3, **fields: Any) -> PushedEvent:
    text = {"msgtype": "m.text", "body": "a cake for you"} if content is None else content
    json = {"type": "m.room.message", "sender": "@bob:test", "room_id": "!room", "content": text, **fields}
    return PushedEvent(json, lambda: members, lambda key: json["sender"] == "@admin:test")


def _judged(rules: PushRules, event: PushedEvent) -> tuple[str, bool, bool]:
    verdict = Ruleset(rules).verdict(event, Recipient(_ALICE, "Alice"))
    return verdict.rule_id, verdict.notify, verdict.highlight


_MENTION = {"m.mentions": {"user_ids": [_ALICE]}, "body": "", "msgtype": "m.text"}
_ROOM_MENTION = {"m.mentions": {"room": True}, "body": "", "msgtype": "m.text"}
_EDIT = {**_MENTION, "m.relates_to": {"rel_type": "m.replace", "event_id": "$x"}}
_INVITE = {"membership": "invite"}


class TestDefaults:
    @pytest.mark.parametrize(
        ("event", "rule_id", "notify", "highlight"),
        [
            (_event(), "message", True, False),
            (_event(members=2), "room_one_to_one", True, False),
            (_event({}, type="m.room.encrypted"), "encrypted", True, False),
            (_event({}, type="m.room.encrypted", members=2), "encrypted_room_one_to_one", True, False),
            (_event({"msgtype": "m.notice", "body": ""}), "suppress_notices", False, False),
            (_event(_MENTION), "is_user_mention", True, True),
            (_event({**_MENTION, "msgtype": "m.notice"}), "suppress_notices", False, False),
            (_event(_ROOM_MENTION), "message", True, False),
            (_event(_ROOM_MENTION, sender="@admin:test"), "is_room_mention", True, True),
            # The order of the specification: a mention in an edit comes before the edit.
            (_event(_EDIT), "is_user_mention", True, True),
            (_event({**_EDIT, "m.mentions": {}}), "suppress_edits", False, False),
            (_event(_INVITE, type="m.room.member", state_key=_ALICE), "invite_for_me", True, False),
            (_event(_INVITE, type="m.room.member", state_key="@carol:test"), "member_event", False, False),
            (_event({}, type="m.room.tombstone", state_key=""), "tombstone", True, True),
            (_event({}, type="m.reaction"), "reaction", False, False),
            (_event({}, type="m.room.server_acl", state_key=""), "room.server_acl", False, False),
            (_event({}, type="m.call.invite"), "call", True, False),
        ],
    )
    def test_each(self, event: PushedEvent, rule_id: str, notify: bool, highlight: bool) -> None:
        assert _judged(UNCHANGED, event) == (f".m.rule.{rule_id}", notify, highlight)

    def test_other_events_do_nothing(self) -> None:
        for event in (_event({}, type="m.room.topic", state_key=""), _event({}, type="org.example.thing")):
            assert Ruleset().verdict(event, Recipient(_ALICE, "Alice")) == NOTHING

    def test_master_is_before_all(self) -> None:
        rules = with_rule(UNCHANGED, "override", _rule("mine", "notify"))
        assert _judged(rules, _event())[0] == "mine"
        rules = with_enabled(rules, "override", ".m.rule.master", enabled=True)
        assert _judged(rules, _event()) == (".m.rule.master", False, False)
        assert [rule["rule_id"] for rule in shown_rules(rules, _ALICE)["override"]][:2] == [
            ".m.rule.master",
            "mine",
        ]

    def test_changed_ones(self) -> None:
        rules = with_actions(UNCHANGED, "underride", ".m.rule.message", ("notify", _HIGHLIGHT))
        assert _judged(rules, _event()) == (".m.rule.message", True, True)
        rules = with_enabled(rules, "underride", ".m.rule.message", enabled=False)
        assert _judged(rules, _event()) == ("", False, False)


class TestKinds:
    def test_the_order_of_kinds(self) -> None:
        """From the least to the most important, each wins over all before it."""
        rules = UNCHANGED
        always = {"conditions": ()}
        steps: list[tuple[Kind, str, JsonObject]] = [
            ("underride", "u", always),
            ("sender", "@bob:test", {}),
            ("room", "!room", {}),
            ("content", "c", {"pattern": "cake"}),
            ("override", "o", always),
        ]
        for kind, rule_id, fields in steps:
            rules = with_rule(rules, kind, _rule(rule_id, "notify", **fields))
            assert _judged(rules, _event())[0] == rule_id

    def test_rooms_and_senders_are_exact(self) -> None:
        kinds: tuple[Kind, ...] = ("room", "sender")
        for kind in kinds:
            for rule_id in ("!*", "!ROOM", "@BOB:test", "@bob:tes?"):
                rules = with_rule(UNCHANGED, kind, _rule(rule_id))
                assert _judged(rules, _event())[0] == ".m.rule.message"

    def test_only_notifying_highlights(self) -> None:
        for actions, highlight in (
            (("notify", _HIGHLIGHT), True),
            (("notify", {**_HIGHLIGHT, "value": True}), True),
            (("notify", {**_HIGHLIGHT, "value": False}), False),
            (("notify", {**_HIGHLIGHT, "value": "yes"}), False),
            ((_HIGHLIGHT,), False),
        ):
            rules = with_rule(UNCHANGED, "override", _rule("o", *actions))
            assert _judged(rules, _event())[2] is highlight

    def test_nobody_in_particular(self) -> None:
        assert Ruleset().verdict(_event(_MENTION)).rule_id == ".m.rule.message"

    def test_silence(self) -> None:
        quiet = with_enabled(UNCHANGED, "underride", ".m.rule.message", enabled=False)
        assert not Ruleset(quiet).is_silent
        assert Ruleset(with_enabled(quiet, "underride", ".m.rule.encrypted", enabled=False)).is_silent
        assert not Ruleset().is_silent

    def test_actions_of_a_rule(self) -> None:
        rules = with_actions(UNCHANGED, "underride", ".m.rule.message", ("notify", _HIGHLIGHT))
        assert Ruleset(rules).actions_of(".m.rule.message") == ("notify", _HIGHLIGHT)
        assert Ruleset(rules).actions_of("gone") == ("notify",)
