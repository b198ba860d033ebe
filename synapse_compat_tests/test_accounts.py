"""Logging in, sessions, and the end of an account."""

from collections.abc import Mapping

from synapse_compat_tests.client import PASSWORD
from synapse_compat_tests.compare import Deliberate, Stage, compare

CODES = "'Errors are generally best expressed by their error code': the request is not what it must be"


def sessions(stage: Stage) -> None:
    alice, anonymous = stage.log_in(stage.register("alice"), "PHONE"), stage.anonymous
    identifier = {"type": "m.id.user", "user": alice.user_id}
    wrong = {"type": "m.login.password", "identifier": identifier, "password": "wrong"}
    anonymous.post("/login", wrong)
    anonymous.post("/login", {**wrong, "identifier": {"type": "m.id.user", "user": "nobody"}})
    anonymous.post("/login", {"type": "org.example.nonsense"})
    anonymous.get("/account/whoami")
    alice.get("/account/whoami")
    alice.get("/devices/PHONE")
    alice.put("/devices/PHONE", {"display_name": "My phone"})
    alice.get("/devices/PHONE")
    alice.get("/devices/NONE")
    alice.put("/devices/NONE", {"display_name": "?"})
    alice.get("/account/3pid")
    alice.post(f"/user/{alice.user_id}/openid/request_token")
    second = stage.log_in(alice)
    second.post("/logout")
    second.get("/account/whoami")
    alice.post("/logout/all")
    alice.get("/account/whoami")


def test_sessions(servers: Mapping[str, str]) -> None:
    deliberate = [
        Deliberate("The specification has no such key", "*/devices/<device 1> 200 .user_id"),
        Deliberate(
            "display_name: 'Absent if no name has been set.'", "*/devices/<device 1> 200 .display_name"
        ),
        Deliberate(CODES, "* POST /_matrix/client/v3/login 400 .errcode"),
    ]
    compare(sessions, servers, deliberate)


def the_end(stage: Stage) -> None:
    alice, anonymous = stage.register("alice"), stage.anonymous
    alice.post("/account/deactivate")
    identifier = {"type": "m.id.user", "user": alice.user_id}
    auth = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}
    alice.post("/account/deactivate", {"auth": auth, "erase": True})
    alice.get("/account/whoami")
    anonymous.post("/login", auth)
    anonymous.get("/register/available", username=alice.user_id.partition(":")[0][1:])


def test_the_end(servers: Mapping[str, str]) -> None:
    compare(the_end, servers)
