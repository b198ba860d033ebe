from typing import Any

from tests.client import Json
from tests.wire import WireClient, WireTestCase, each

KINDS = ("override", "content", "room", "sender", "underride")
RULES = "/pushrules/global"
DEFAULTS = {
    "override": [
        "master",
        "suppress_notices",
        "invite_for_me",
        "member_event",
        "is_user_mention",
        "is_room_mention",
        "tombstone",
        "reaction",
        "room.server_acl",
        "suppress_edits",
    ],
    "content": [],
    "room": [],
    "sender": [],
    "underride": ["call", "encrypted_room_one_to_one", "room_one_to_one", "message", "encrypted"],
}


def rules_in(answer: Any) -> Json:
    """The content of m.push_rules in a sync answer; None where it is not told."""
    events = answer.json.get("account_data", {}).get("events", [])
    return next((event["content"] for event in events if event["type"] == "m.push_rules"), None)


class RulesTestCase(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice = self.register("alice")

    def ids(self, kind: str) -> list[str]:
        return [rule["rule_id"] for rule in self.alice.get(f"{RULES}/")[kind]]

    def put(self, path: str, body: Json = None, **query: str) -> Any:
        """Actions are none unless the body has some."""
        return self.alice.request("PUT", f"{RULES}/{path}", {"actions": [], **(body or {})}, query=query)


class ReadingTests(RulesTestCase):
    def test_everybody_has_the_default_rules(self) -> None:
        rules = self.alice.get("/pushrules/")["global"]
        ids = {kind: [rule["rule_id"] for rule in rules[kind]] for kind in rules}
        self.assertEqual(
            ids, {kind: [f".m.rule.{name}" for name in names] for kind, names in DEFAULTS.items()}
        )
        self.assertEqual(self.alice.get(f"{RULES}/").json, rules)
        self.assertEqual(self.alice.get("/_matrix/client/r0/pushrules/")["global"], rules)

    def test_a_default_rule(self) -> None:
        self.assertEqual(
            self.alice.get(f"{RULES}/override/.m.rule.is_user_mention").json,
            {
                "rule_id": ".m.rule.is_user_mention",
                "default": True,
                "enabled": True,
                "conditions": [
                    {
                        "kind": "event_property_contains",
                        "key": "content.m\\.mentions.user_ids",
                        "value": "@alice:test",
                    }
                ],
                "actions": [
                    "notify",
                    {"set_tweak": "sound", "value": "default"},
                    {"set_tweak": "highlight"},
                ],
            },
        )
        self.assertIs(self.alice.get(f"{RULES}/override/.m.rule.master/enabled")["enabled"], False)
        actions = self.alice.get(f"{RULES}/underride/.m.rule.message/actions")["actions"]
        self.assertEqual(actions, ["notify"])

    def test_what_is_not_there(self) -> None:
        def check(path: str) -> None:
            for part in ("", "/enabled", "/actions"):
                self.assertEqual(self.alice.get(f"{RULES}/{path}{part}").error, (404, "M_NOT_FOUND"))

        each(check, ["content/none", "underride/.m.rule.master", "override/.m.rule.contains_display_name"])
        self.assertEqual(self.alice.get("/pushrules/device/").error, (404, "M_UNRECOGNIZED"))

    def test_strangers_have_no_rules(self) -> None:
        self.assertEqual(self.anonymous.get("/pushrules/").error, (401, "M_MISSING_TOKEN"))


class WritingTests(RulesTestCase):
    def test_a_rule_of_each_kind(self) -> None:
        bodies: dict[str, Json] = {kind: {} for kind in KINDS}
        bodies["content"] = {"pattern": "cake*lie"}
        for kind in ("override", "underride"):
            bodies[kind] = {"conditions": [{"kind": "room_member_count", "is": "<=10"}]}
        actions = ["notify", {"set_tweak": "sound", "value": "beep.wav"}]
        for kind, fields in bodies.items():
            body = {"actions": actions, **fields}
            self.assertEqual(self.put(f"{kind}/mine", body).json, {})
            expected = {"rule_id": "mine", "default": False, "enabled": True, **body}
            self.assertEqual(self.alice.get(f"{RULES}/{kind}/mine").json, expected)
            self.assertEqual(self.alice.delete(f"{RULES}/{kind}/mine").json, {})
            self.assertEqual(self.alice.get(f"{RULES}/{kind}/mine").error, (404, "M_NOT_FOUND"))

    def test_order(self) -> None:
        for name in ("a", "b", "c"):
            self.put(f"room/{name}")
        self.assertEqual(self.ids("room"), ["c", "b", "a"])
        self.put("room/d", before="b")
        self.put("room/e", after="b")
        self.assertEqual(self.ids("room"), ["c", "d", "b", "e", "a"])
        self.put("room/c", after="a", before="e")
        self.assertEqual(self.ids("room"), ["d", "b", "c", "e", "a"])

    def test_own_rules_are_between_master_and_the_other_defaults(self) -> None:
        self.put("override/mine")
        self.put("underride/mine")
        self.assertEqual(self.ids("override")[:3], [".m.rule.master", "mine", ".m.rule.suppress_notices"])
        self.assertEqual(self.ids("underride")[0], "mine")

    def test_places_beside_what_is_not_there(self) -> None:
        self.put("content/other", {"pattern": "x"})
        for other in ("none", ".m.rule.message", "other"):
            self.assertEqual(self.put("room/a", before=other).error, (400, "M_UNKNOWN"))
            self.assertEqual(self.put("room/a", after=other).error, (400, "M_UNKNOWN"))

    def test_on_and_off(self) -> None:
        self.put("room/a")
        for path in ("room/a", "underride/.m.rule.message"):
            for enabled in (False, True, False):
                answer = self.alice.put(f"{RULES}/{path}/enabled", {"enabled": enabled})
                self.assertEqual(answer.json, {})
                self.assertIs(self.alice.get(f"{RULES}/{path}")["enabled"], enabled)
                self.assertIs(self.alice.get(f"{RULES}/{path}/enabled")["enabled"], enabled)

    def test_actions(self) -> None:
        self.put("room/a")
        actions = ["dont_notify", "notify", {"set_tweak": "highlight"}]
        for path in ("room/a", "underride/.m.rule.message"):
            self.alice.put(f"{RULES}/{path}/actions", {"actions": actions})
            self.assertEqual(self.alice.get(f"{RULES}/{path}/actions")["actions"], actions)

    def test_what_is_not_there_cannot_be_changed(self) -> None:
        for path in ("room/none", "underride/.m.rule.master"):
            for part, body in (("enabled", {"enabled": True}), ("actions", {"actions": []})):
                answer = self.alice.put(f"{RULES}/{path}/{part}", body)
                self.assertEqual(answer.error, (404, "M_NOT_FOUND"))
        for path in ("room/none", "underride/.m.rule.message"):
            self.assertEqual(self.alice.delete(f"{RULES}/{path}").error, (404, "M_NOT_FOUND"))

    def test_what_is_refused(self) -> None:
        cases: list[tuple[str, Json, str]] = [
            ("room/.mine", {}, "M_INVALID_PARAM"),
            ("room/a%2Fb", {}, "M_INVALID_PARAM"),
            ("room/a%5Cb", {}, "M_INVALID_PARAM"),
            ("nothing/a", {}, "M_INVALID_PARAM"),
            ("content/a", {}, "M_MISSING_PARAM"),
            ("content/a", {"pattern": 1}, "M_BAD_JSON"),
            ("room/a", {"actions": ["dance"]}, "M_INVALID_PARAM"),
            ("room/a", {"actions": [{"set": "x"}]}, "M_INVALID_PARAM"),
            ("room/a", {"actions": "notify"}, "M_BAD_JSON"),
            ("override/a", {"conditions": [{}]}, "M_INVALID_PARAM"),
            ("override/a", {"conditions": ["x"]}, "M_BAD_JSON"),
        ]

        def check(case: tuple[str, Json, str]) -> None:
            path, body, errcode = case
            self.assertEqual(self.put(path, body).error, (400, errcode))

        each(check, cases)
        self.assertEqual(self.alice.put(f"{RULES}/room/a", {}).error, (400, "M_MISSING_PARAM"))
        for body in ({}, {"enabled": "yes"}):
            answer = self.alice.put(f"{RULES}/override/.m.rule.master/enabled", body)
            self.assertEqual(answer.status, 400)

    def test_rules_have_an_end(self) -> None:
        for index in range(10):
            answer = self.put(f"content/{index}", {"pattern": "x" * 60_000})
        self.assertEqual(answer.error, (413, "M_TOO_LARGE"))
        self.assertEqual(len(self.ids("content")), 8)

    def test_two_changes_at_once_are_both_made(self) -> None:
        self.threads.halt()
        first = self.alice.start("PUT", f"{RULES}/room/a", {"actions": []})
        second = self.alice.start("PUT", f"{RULES}/room/b", {"actions": []})
        self.threads.go_on()
        for exchange in (first, second):
            assert exchange.answer is not None
            self.assertEqual(exchange.answer.json, {})
        self.assertEqual(self.ids("room"), ["b", "a"])


class TellingTests(RulesTestCase):
    def test_a_first_sync_tells_the_rules(self) -> None:
        self.assertEqual(rules_in(self.alice.sync()), self.alice.get("/pushrules/").json)

    def test_a_change_wakes_the_user(self) -> None:
        since = self.alice.sync().next_batch
        waiting = self.alice.start_sync(since)
        self.put("room/a")
        assert waiting.answer is not None
        [event] = waiting.answer["account_data"]["events"]
        self.assertEqual(event, {"type": "m.push_rules", "content": self.alice.get("/pushrules/").json})
        self.assertIsNone(rules_in(self.alice.sync(waiting.answer["next_batch"])))

    def test_a_change_is_told_after_a_restart(self) -> None:
        since = self.alice.sync().next_batch
        self.put("room/a")
        told = self.alice.sync(since).next_batch
        self.restart()
        self.assertEqual(self.ids("room"), ["a"])
        self.assertIsNotNone(rules_in(self.alice.sync(since)))
        self.assertIsNone(rules_in(self.alice.sync(told)))

    def test_a_filter_keeps_them_out(self) -> None:
        filter_ = {"account_data": {"not_types": ["m.push_rules"]}}
        first = self.alice.sync(filter=filter_)
        self.assertIsNone(rules_in(first))
        self.put("room/a")
        self.assertIsNone(rules_in(self.alice.sync(first.next_batch, filter=filter_)))

    def test_as_account_data(self) -> None:
        path = f"/user/{self.alice.user_id}/account_data/m.push_rules"
        self.put("room/a")
        self.assertEqual(self.alice.get(path).json, self.alice.get("/pushrules/").json)
        self.assertEqual(self.alice.put(path, {}).error, (405, "M_BAD_JSON"))

    def test_they_are_of_their_user(self) -> None:
        bob: WireClient = self.register("bob")
        since = bob.sync().next_batch
        self.put("room/a")
        self.assertEqual(bob.get(f"{RULES}/")["room"], [])
        self.assertIsNone(rules_in(bob.sync(since)))
