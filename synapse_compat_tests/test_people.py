"""Profiles, presence, receipts, and what people keep for themselves."""

from collections.abc import Mapping

from synapse_compat_tests.compare import Deliberate, Stage, compare

CODES = "'Errors are generally best expressed by their error code rather than the HTTP status code returned.'"


def profiles(stage: Stage) -> None:
    alice, bob = stage.register("alice"), stage.register("bob")
    own = f"/profile/{alice.user_id}"
    stage.anonymous.get(own)
    bob.get("/profile/nonsense")
    alice.put(f"{own}/displayname", {"displayname": "Alice A."})
    alice.put(f"{own}/displayname", {})
    alice.put(f"{own}/displayname", {"displayname": 5})
    alice.put(f"{own}/avatar_url", {"avatar_url": "mxc://localhost/picture"})
    bob.get(own)
    bob.get(f"{own}/displayname")
    bob.get(f"{own}/nothing")


def test_profiles(servers: Mapping[str, str]) -> None:
    compare(profiles, servers)


def attention(stage: Stage) -> None:
    alice, bob = stage.register("alice"), stage.register("bob")
    presence = f"/presence/{alice.user_id}/status"
    alice.put(presence, {"presence": "online", "status_msg": "here"})
    bob.get(presence)
    room_id = alice.create_room(members=[bob], room_version="11")
    event_id = alice.send(room_id, "hello")
    bob.post(f"/rooms/{room_id}/receipt/m.read/{event_id}")
    bob.post(f"/rooms/{room_id}/read_markers", {"m.fully_read": event_id})
    bob.put(f"/rooms/{room_id}/typing/{bob.user_id}", {"typing": True, "timeout": 1000})
    bob.post(f"/rooms/{room_id}/report/{event_id}", {"reason": "rude", "score": -100})
    bob.post(f"/rooms/{room_id}/report", {"reason": "rude"})
    bob.post(f"/rooms/{room_id}/report/$nonsense", {"reason": "rude"})
    bob.put(f"/rooms/{room_id}/typing/{alice.user_id}", {"typing": True})
    bob.post(f"/rooms/{room_id}/receipt/m.nonsense/{event_id}")
    alice.put(presence, {"presence": "nonsense"})


def test_attention(servers: Mapping[str, str]) -> None:
    deliberate = [
        Deliberate(CODES, "* PUT */typing/* 40? *"),
        Deliberate(CODES, "* POST */receipt/m.nonsense/* 400 .errcode", "* PUT */presence/* 400 .errcode"),
    ]
    compare(attention, servers, deliberate)


def belongings(stage: Stage) -> None:
    alice, bob = stage.register("alice"), stage.register("bob")
    room_id = alice.create_room(room_version="11")
    own = f"/user/{alice.user_id}"
    alice.put(f"{own}/rooms/{room_id}/tags/m.favourite", {"order": 0.5})
    alice.get(f"{own}/rooms/{room_id}/tags")
    bob.get(f"{own}/rooms/{room_id}/tags")
    alice.delete(f"{own}/rooms/{room_id}/tags/m.favourite")
    alice.get(f"{own}/rooms/{room_id}/tags")
    alice.put(f"{own}/account_data/org.example.x", {"a": 1})
    alice.get(f"{own}/account_data/org.example.x")
    alice.get(f"{own}/account_data/org.example.y")
    alice.put(f"{own}/account_data/m.push_rules", {"a": 1})
    alice.put(f"{own}/account_data/m.fully_read", {"a": 1})
    alice.put(f"{own}/rooms/{room_id}/account_data/org.example.x", {"b": 1})
    alice.get(f"{own}/rooms/{room_id}/account_data/org.example.x")
    bob.get(f"{own}/account_data/org.example.x")
    alice.get(f"{own}/filter/9999")
    alice.get("/thirdparty/protocols")


def test_belongings(servers: Mapping[str, str]) -> None:
    compare(belongings, servers)


def push_rules(stage: Stage) -> None:
    alice = stage.register("alice")
    rule = "/pushrules/global/content/fish"
    alice.get("/pushrules/global/override/.m.rule.master")
    alice.get(rule)
    alice.put(rule, {"pattern": "fish", "actions": ["notify"]})
    alice.put("/pushrules/global/content/.m.fish", {"pattern": "fish", "actions": ["notify"]})
    alice.get(rule)
    alice.get(f"{rule}/enabled")
    alice.get(f"{rule}/actions")
    alice.put(f"{rule}/enabled", {"enabled": False})
    alice.put(f"{rule}/actions", {"actions": ["notify", {"set_tweak": "sound", "value": "ping"}]})
    alice.get(rule)
    other = {"pattern": "other", "actions": []}
    alice.request("PUT", "/pushrules/global/content/other", other, query={"before": "fish"})
    alice.request("PUT", "/pushrules/global/content/third", other, query={"after": "none"})
    alice.delete(rule)
    alice.delete(rule)
    alice.put("/pushrules/global/override/.m.rule.master/enabled", {"enabled": True})
    alice.delete("/pushrules/global/override/.m.rule.master")


def test_push_rules(servers: Mapping[str, str]) -> None:
    compare(push_rules, servers, [Deliberate(CODES, "* PUT */pushrules/global/content/.m.fish 400 .errcode")])
