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
    bob.get(presence)
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


def fields_and_reports(stage: Stage) -> None:
    alice, bob = stage.register("alice"), stage.register("bob")
    own = f"/profile/{alice.user_id}"
    alice.put(f"{own}/displayname", {"displayname": "Alice A."})
    alice.delete(f"{own}/displayname")
    bob.get(f"{own}/displayname")
    bob.delete(f"{own}/displayname")
    alice.put(f"{own}/org.example.field", {"org.example.field": {"a": 1}})
    bob.get(f"{own}/org.example.field")
    alice.delete(f"{own}/org.example.field")
    bob.get(f"{own}/org.example.field")
    bob.post(f"/users/{alice.user_id}/report", {"reason": "rude"})
    bob.post(f"/users/{alice.user_id}/report", {})
    bob.post("/users/@nobody:localhost/report", {"reason": "rude"})


def test_fields_and_reports(servers: Mapping[str, str]) -> None:
    deliberate = [
        Deliberate(
            "404: 'There is no profile information for this user or this user does not exist.'",
            "* GET */displayname [24]0? *",
        ),
        Deliberate("403: 'The user is not allowed to modify this field'", "* DELETE */displayname 40? *"),
        Deliberate(
            "404: 'The user was not found on the homeserver.'", "* POST */users/@nobody:localhost/report *"
        ),
    ]
    compare(fields_and_reports, servers, deliberate)


def directory(stage: Stage) -> None:
    alice, bob = stage.register("alice"), stage.register("bob")
    localpart = alice.user_id.partition(":")[0][1:]
    alice.put(f"/profile/{alice.user_id}/displayname", {"displayname": f"Zebedee Quux {localpart}"})
    bob.post("/user_directory/search", {"search_term": localpart, "limit": 5})
    alice.create_room(room_version="11", members=[bob])
    bob.post("/user_directory/search", {"search_term": localpart, "limit": 5})
    bob.post("/user_directory/search", {"search_term": f"quux {localpart}"})
    bob.post("/user_directory/search", {"search_term": "nobody has this name"})
    bob.post("/user_directory/search", {"search_term": localpart, "limit": 0})
    bob.post("/user_directory/search", {"search_term": ""})
    bob.post("/user_directory/search", {})
    others = [stage.register(f"{localpart}other{number}") for number in range(2)]
    alice.create_room(room_version="11", members=[bob, *others])
    bob.post("/user_directory/search", {"search_term": f"{localpart}other", "limit": 1})
    bob.post("/user_directory/search", {"search_term": f"{localpart}other", "limit": 2})


def test_directory(servers: Mapping[str, str]) -> None:
    deliberate = [
        Deliberate("avatar_url: 'The avatar url, as an MXC, if one exists.'", "*.avatar_url"),
        Deliberate(CODES, "* POST */user_directory/search 400 .errcode"),
    ]
    compare(directory, servers, deliberate)


def all_rules(stage: Stage) -> None:
    alice = stage.register("alice")
    alice.get("/pushrules/")
    alice.get("/pushrules/global/")
    alice.get("/pushrules/global/nonsense/")


def test_all_rules(servers: Mapping[str, str]) -> None:
    deliberate = [
        Deliberate(
            "The default rules of v1.19 are others than those of Synapse", "* GET */pushrules/* 200 *"
        ),
        Deliberate(CODES, "* GET */pushrules/global/nonsense/ 400 .errcode"),
    ]
    compare(all_rules, servers, deliberate)


def pushers(stage: Stage) -> None:
    alice = stage.register("alice")
    pusher = {
        "app_display_name": "App",
        "app_id": "org.example.app",
        "data": {"url": "http://127.0.0.1:9/_matrix/push/v1/notify", "format": "event_id_only"},
        "device_display_name": "Phone",
        "kind": "http",
        "lang": "en",
        "profile_tag": "tag",
        "pushkey": "key",
    }
    alice.post("/pushers/set", pusher)
    alice.get("/pushers")
    alice.post("/pushers/set", {**pusher, "device_display_name": "Other", "append": True})
    alice.get("/pushers")
    alice.post("/pushers/set", {**pusher, "data": {}})
    alice.post("/pushers/set", {**pusher, "data": {"url": "http://127.0.0.1:9/elsewhere"}})
    alice.post("/pushers/set", {**pusher, "kind": "nonsense"})
    alice.post("/pushers/set", {"kind": None, "app_id": "org.example.app", "pushkey": "key"})
    alice.get("/pushers")
    alice.post("/pushers/set", {"kind": None})


def test_pushers(servers: Mapping[str, str]) -> None:
    deliberate = [
        Deliberate("MSC3881 is in Synapse, too, but not by default", "*.org.matrix.msc3881.*"),
        Deliberate(CODES, "6 POST */pushers/set 400 .errcode"),
        Deliberate(
            "url: 'MUST be an HTTPS URL with a path of /_matrix/push/v1/notify.'", "7 POST */pushers/set *"
        ),
    ]
    compare(pushers, servers, deliberate)
