"""Logging in, sessions, and the end of an account."""

from collections.abc import Iterator, Mapping

import pytest

from synapse_compat_tests.client import PASSWORD, HttpClient
from synapse_compat_tests.compare import Deliberate, Stage, compare
from synapse_compat_tests.conftest import both
from tests.client import Json

CODES = "'Errors are generally best expressed by their error code': the request is not what it must be"
NO_PHONES = "400: 'The third-party identifier is not allowed on the server.' Phone numbers are not"
OWN_ADDRESS = Deliberate(
    "base_url: 'The base URL for the homeserver', of which each has its own", "*.base_url"
)


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


def of_password(stage_user: HttpClient, session: str = "", password: str = PASSWORD) -> Json:
    """The `auth` of interactive authentication by password."""
    identifier = {"type": "m.id.user", "user": stage_user.user_id}
    auth = {"type": "m.login.password", "identifier": identifier, "password": password}
    return {**auth, "session": session} if session else auth


def ways_in(stage: Stage) -> None:
    alice, anonymous = stage.register("alice"), stage.anonymous
    anonymous.get("/login")
    anonymous.get("/_matrix/client/r0/login")
    anonymous.post("/register", {"username": "bob", "password": PASSWORD})
    anonymous.request("POST", "/register", {"username": "bob"}, query={"kind": "guest"})
    anonymous.request("POST", "/register", {"username": "bob"}, query={"kind": "nonsense"})
    anonymous.get("/register/available", username="_nobody")
    anonymous.get("/register/available", username="NOT VALID")
    anonymous.get("/register/available")
    anonymous.get("/register/available", username=f"free{stage.number}")
    validity = "/_matrix/client/v1/register/m.login.registration_token/validity"
    anonymous.get(validity, token="nonsense")
    anonymous.get(validity)
    alice.post("/_matrix/client/v1/login/get_token")
    anonymous.post("/login", {"type": "m.login.token", "token": "nonsense"})
    identifier = {"type": "m.id.user", "user": alice.user_id}
    answer = anonymous.post(
        "/login",
        {
            "type": "m.login.password",
            "identifier": identifier,
            "password": PASSWORD,
            "refresh_token": True,
            "device_id": "PHONE",
            "initial_device_display_name": "My phone",
        },
    )
    anonymous.post("/refresh", {"refresh_token": answer["refresh_token"]})
    anonymous.post("/refresh", {"refresh_token": "nonsense"})
    anonymous.post("/refresh", {})


def test_ways_in(servers: Mapping[str, str]) -> None:
    deliberate = [
        OWN_ADDRESS,
        Deliberate(CODES, "* POST */register[?]kind=* 40? .errcode"),
        Deliberate(
            "M_MISSING_PARAM: 'A required parameter was missing from the request', whether or not it would be allowed",
            "* GET */register/available 40? *",
            "* GET */validity 40? *",
        ),
        Deliberate(
            "400: '… or the user does not have an ability to generate tokens for their devices'",
            "* POST */login/get_token 40? *",
        ),
        Deliberate("400: 'Bad login type.'", "13 POST */login 40? *"),
        Deliberate("soft_logout: 'Defaults to false.'", "* POST */refresh 401 .soft_logout"),
    ]
    compare(ways_in, servers, deliberate)


def own_devices(stage: Stage) -> None:
    alice = stage.register("alice")
    for name in ("TABLET", "DESK", "OLD"):
        stage.log_in(alice, name)
    unrecorded = HttpClient(stage.url, alice.user_id, alice.access_token)
    for name in (alice.device_id, "TABLET", "DESK", "OLD"):
        unrecorded.put(f"/devices/{name}", {"display_name": "FIRST" if name == alice.device_id else name})
    alice.get("/devices")
    session = alice.delete("/devices/TABLET").json["session"]
    alice.delete("/devices/TABLET", {"auth": of_password(alice, session, "wrong")})
    alice.delete("/devices/TABLET", {"auth": of_password(alice, session)})
    alice.delete("/devices/NONE", {"auth": of_password(alice)})
    alice.post("/delete_devices", {"devices": ["DESK", "OLD"]})
    alice.post("/delete_devices", {"devices": ["DESK", "OLD"], "auth": of_password(alice)})
    alice.post("/delete_devices", {"auth": of_password(alice)})
    alice.get("/devices")


def test_own_devices(servers: Mapping[str, str]) -> None:
    deliberate = [
        Deliberate("The specification has no such key", "*/devices 200 .devices.?.user_id"),
        Deliberate(
            "last_seen_ip, last_seen_ts: 'May be a few minutes out of date, for efficiency reasons.'",
            "*/devices 200 .devices.?.last_seen_*",
        ),
    ]
    compare(own_devices, servers, deliberate)


def passwords(stage: Stage) -> None:
    alice, anonymous = stage.log_in(stage.register("alice"), "PHONE"), stage.anonymous
    other = stage.log_in(alice, "TABLET")
    alice.post("/account/password", {"new_password": "another horse"})
    alice.post("/account/password", {"new_password": "another horse", "auth": of_password(alice)})
    alice.get("/account/whoami")
    other.get("/account/whoami")
    anonymous.post("/login", of_password(alice))
    anonymous.post("/login", {**of_password(alice, password="another horse"), "device_id": "LAPTOP"})
    anonymous.post("/account/password/email/requestToken", {"client_secret": "s", "email": "a@example.org"})
    anonymous.post("/account/password/email/requestToken", {"client_secret": "s", "send_attempt": 1})
    anonymous.post("/account/password/msisdn/requestToken", _phone())


def _phone() -> Json:
    return {"client_secret": "secret", "country": "GB", "phone_number": "07700900001", "send_attempt": 1}


def _mailbox() -> Json:
    return {"client_secret": "secret", "email": "alice@example.org", "send_attempt": 1}


def test_passwords(servers: Mapping[str, str]) -> None:
    deliberate = [
        OWN_ADDRESS,
        Deliberate(CODES, "* POST */password/email/requestToken 400 .errcode"),
        Deliberate(NO_PHONES, "* POST */password/msisdn/requestToken 40? *"),
    ]
    compare(passwords, servers, deliberate)


def addresses(stage: Stage) -> None:
    alice, anonymous = stage.register("alice"), stage.anonymous
    alice.get("/account/3pid")
    alice.post("/account/3pid/email/requestToken", _mailbox())
    alice.post("/account/3pid/msisdn/requestToken", _phone())
    anonymous.post("/register/email/requestToken", _mailbox())
    anonymous.post("/register/msisdn/requestToken", _phone())
    proof = {"sid": "1", "client_secret": "secret"}
    alice.post("/account/3pid/add", proof)
    alice.post("/account/3pid/add", {**proof, "auth": of_password(alice)})
    alice.post("/account/3pid/bind", {**proof, "id_server": "localhost"})
    address = {"medium": "email", "address": "alice@example.org"}
    alice.post("/account/3pid/delete", address)
    alice.post("/account/3pid/delete", {"medium": "email"})
    alice.post("/account/3pid/unbind", address)
    alice.post("/account/3pid", {"three_pid_creds": proof})


def test_addresses(servers: Mapping[str, str]) -> None:
    deliberate = [
        Deliberate(NO_PHONES, "* POST */register/msisdn/requestToken 400 .errcode"),
        Deliberate(
            "403: 'The homeserver does not permit the third-party identifier to be bound to an account.'",
            "* POST */register/email/requestToken 40? *",
        ),
        Deliberate(CODES, "* POST */account/3pid 400 .errcode"),
    ]
    compare(addresses, servers, deliberate)


def moderation(stage: Stage) -> None:
    admin, alice = stage.register("admin", admin=True), stage.register("alice")
    admin.get(f"/admin/whois/{alice.user_id}")
    alice.get(f"/admin/whois/{alice.user_id}")
    alice.get(f"/admin/whois/{admin.user_id}")


def test_moderation(servers: Mapping[str, str]) -> None:
    deliberate = [
        Deliberate(
            "devices: 'Each key is an identifier for one of the user's devices.'",
            "* GET */admin/whois/* 200 .devices.*",
        )
    ]
    compare(moderation, servers, deliberate)


@pytest.fixture(scope="module")
def handing_on_servers() -> Iterator[Mapping[str, str]]:
    """Servers where one session lets another one in."""
    with both({"login_via_existing_session": {"enabled": True, "require_ui_auth": True}}) as urls:
        yield urls


def handed_on(stage: Stage) -> None:
    alice, anonymous = stage.register("alice"), stage.anonymous
    anonymous.get("/login")
    get_token = "/_matrix/client/v1/login/get_token"
    session = alice.post(get_token).json["session"]
    alice.post(get_token, {"auth": of_password(alice, session, "wrong")})
    token = alice.post(get_token, {"auth": of_password(alice, session)})["login_token"]
    wish = {"type": "m.login.token", "token": token}
    answer = anonymous.post("/login", {**wish, "device_id": "PHONE"})
    anonymous.post("/login", wish)
    HttpClient(stage.url, alice.user_id, answer["access_token"]).get("/account/whoami")


def test_handed_on(handing_on_servers: Mapping[str, str]) -> None:
    no_such_key = Deliberate("The specification has no such key", "*/get_token 200 .expires_in")
    compare(handed_on, handing_on_servers, [OWN_ADDRESS, no_such_key])
