"""Application services: who they may be, and what they are sent."""

from collections.abc import Callable, Mapping, Sequence

from synapse_compat_tests.appservices.service import PROTOCOL, Bridge, Service, path_of
from synapse_compat_tests.compare import Deliberate, Stage, compare

Bridged = Mapping[str, tuple[str, Service]]


def compare_bridged(
    scenario: Callable[[Bridge], None], bridged: Bridged, deliberate: Sequence[Deliberate] = ()
) -> None:
    services = {url: service for url, service in bridged.values()}

    def perform(stage: Stage) -> None:
        scenario(Bridge(stage, services[stage.url]))

    compare(perform, {name: url for name, (url, _) in bridged.items()}, deliberate)


def acting(bridge: Bridge) -> None:
    stage, bot = bridge.stage, bridge.bot
    alice = stage.register("alice")
    ghost = bridge.register("bob")
    name = ghost.user_id.partition(":")[0][1:]
    appservice = {"type": "m.login.application_service"}
    bot.post("/register", {**appservice, "username": name})
    bot.post("/register", {**appservice, "username": f"outside{stage.number}"})
    bot.post("/register", appservice)
    alice.post("/register", {**appservice, "username": f"{name}2"})
    stage.anonymous.post("/register", {**appservice, "username": f"{name}2"})
    bot.get("/account/whoami")
    ghost.get("/account/whoami")
    bridge.acting_as(alice.user_id).get("/account/whoami")
    bridge.acting_as(f"@{name}_nobody:localhost").get("/account/whoami")
    bridge.acting_as(ghost.user_id, "NONE").get("/account/whoami")
    ghost.put("/devices/PHONE", {"display_name": "Phone"})
    bridge.acting_as(ghost.user_id, "PHONE").get("/account/whoami")
    ghost.get("/devices/PHONE")
    ghost.delete("/devices/PHONE")
    ghost.get("/devices/PHONE")


def test_acting(bridged: Bridged) -> None:
    deliberate = [
        Deliberate("a parameter that is needed", "4 POST /_matrix/client/v3/register 400 .errcode"),
        Deliberate("who was never seen has no such times", "14 * .last_seen_*"),
        Deliberate("a device is not told whose it is", "14 * .user_id"),
        Deliberate("there is no token at all", "6 POST /_matrix/client/v3/register 40[01] *"),
    ]
    compare_bridged(acting, bridged, deliberate)


def logins(bridge: Bridge) -> None:
    alice, ghost = bridge.stage.register("alice"), bridge.register("bob")
    body = {"type": "m.login.application_service", "device_id": "LOGIN"}
    by_id = {"identifier": {"type": "m.id.user", "user": ghost.user_id}}
    bridge.bot.post("/login", {**body, **by_id})
    bridge.bot.post("/login", body)
    bridge.bot.post("/login", {**body, "identifier": {"type": "m.id.user", "user": alice.user_id}})
    alice.post("/login", {**body, **by_id})
    bridge.stage.anonymous.post("/login", {**body, **by_id})


def test_logins(bridged: Bridged) -> None:
    deliberate = [
        Deliberate("where the server is", "2 * .well_known.*"),
        Deliberate("a parameter that is needed", "3 * .errcode"),
        Deliberate("outside the namespace, the errcode is `M_EXCLUSIVE`", "4 * 40[03] *"),
    ]
    compare_bridged(logins, bridged, deliberate)


def names(bridge: Bridge) -> None:
    """What others may not have, and what the service makes when it is asked."""
    alice, ghost = bridge.stage.register("alice"), bridge.register("bob")
    room_id = ghost.create_room(room_version="11", preset="public_chat")
    number = bridge.stage.number
    own, other = f"#_bridge_own{number}:localhost", f"#_bridge_other{number}:localhost"
    ghost.put(f"/directory/room/{own}", {"room_id": room_id})
    alice.put(f"/directory/room/{other}", {"room_id": alice.create_room(room_version="11")})
    alice.get(f"/directory/room/{other}")
    bridge.service.says[path_of("rooms", other)] = lambda: (
        ghost.put(f"/directory/room/{other}", {"room_id": room_id}).json
    )
    alice.get(f"/directory/room/{other}")
    bridge.stage.observed("asked", [one for one in bridge.service.asked if f"other{number}" in one])


def test_names(bridged: Bridged) -> None:
    compare_bridged(names, bridged)


def events(bridge: Bridge) -> None:
    """All that happens in a room before, while and after a ghost is there."""
    alice, ghost = bridge.stage.register("alice"), bridge.register("bob")
    room_id = alice.create_room(room_version="11", name="Tea")
    alice.send(room_id, "before")
    alice.invite(room_id, ghost)
    alice.send(room_id, "invited")
    ghost.join(room_id)
    alice.send(room_id, "there")
    ghost.send(room_id, "so am I")
    said = alice.send(room_id, "oh")
    bridge.service.has(said)
    alice.redact(room_id, said)
    ghost.put(f"/profile/{ghost.user_id}/displayname", {"displayname": "Bob"})
    # Rooms may be told a moment later.
    bridge.service.until(
        "events",
        lambda told: any(
            one["room_id"] == room_id and one["content"].get("displayname") == "Bob" for one in told
        ),
    )
    ghost.leave(room_id)
    alice.send(room_id, "gone")
    other = alice.create_room(room_version="11", invite=[ghost.user_id])
    ghost.join(other)
    bridge.service.has(alice.send(other, "the last"))
    seen = [one for one in bridge.service.all("events") if one["room_id"] in (room_id, other)]
    bridge.stage.observed("events", seen)


def test_events(bridged: Bridged) -> None:
    compare_bridged(events, bridged)


def beside_events(bridge: Bridge) -> None:
    alice, ghost = bridge.stage.register("alice"), bridge.register("bob")
    room_id = alice.create_room(room_version="11", invite=[ghost.user_id])
    ghost.join(room_id)
    alice.put(f"/rooms/{room_id}/typing/{alice.user_id}", {"typing": True, "timeout": 30000})

    def here(told: list[dict[str, object]]) -> list[dict[str, object]]:
        return [one for one in told if one.get("room_id") == room_id]

    bridge.service.until("ephemeral", here)
    bridge.stage.observed("ephemeral", here(bridge.service.all("ephemeral")))


def test_beside_events(bridged: Bridged) -> None:
    compare_bridged(beside_events, bridged)


def to_devices(bridge: Bridge) -> None:
    alice, ghost = bridge.stage.register("alice"), bridge.register("bob")
    ghost.put("/devices/PHONE", {"display_name": "Phone"})
    unstable = "de.sorunome.msc2409.to_device"
    for number in range(3):
        messages = {ghost.user_id: {"PHONE": {"number": number}}}
        alice.put(f"/sendToDevice/m.test/{number}", {"messages": messages})

    def for_ghost(told: list[dict[str, object]]) -> list[dict[str, object]]:
        return [one for one in told if one["to_user_id"] == ghost.user_id]

    bridge.service.until(unstable, lambda told: len(for_ghost(told)) == 3)
    bridge.stage.observed("to_device", for_ghost(bridge.service.all(unstable)))


def test_to_devices(bridged: Bridged) -> None:
    compare_bridged(to_devices, bridged)


def networks(bridge: Bridge) -> None:
    alice, bot = bridge.stage.register("alice"), bridge.bot
    bridge.service.says[path_of("thirdparty/protocol", "irc")] = lambda: PROTOCOL
    user = {"userid": "@_bridge_carol:localhost", "protocol": "irc", "fields": {"nickname": "carol"}}
    bridge.service.says["/thirdparty/user/irc?nickname=carol"] = lambda: [user]
    alice.get("/thirdparty/protocols")
    alice.get("/thirdparty/protocol/irc")
    alice.get("/thirdparty/protocol/fax")
    alice.get("/thirdparty/user/irc", nickname="carol")
    alice.get("/thirdparty/user/irc", nickname="dora")
    room_id = alice.create_room(room_version="11", preset="public_chat")
    path = f"/directory/list/appservice/net{bridge.stage.number}/{room_id}"
    alice.put(path, {"visibility": "public"})
    bot.put(path, {"visibility": "public"})
    network = {"third_party_instance_id": f"bridge|net{bridge.stage.number}"}
    alice.post("/publicRooms", network)
    alice.post("/publicRooms", {**network, "include_all_networks": True})
    bot.delete(path)
    alice.post("/publicRooms", network)


def test_networks(bridged: Bridged) -> None:
    deliberate = [
        Deliberate("every error has an errcode", "3 * .errcode"),
        Deliberate("it is the parameter that is wrong", "10 * .errcode"),
        Deliberate(
            "an estimate is optional, and counting takes time", "* .total_room_count_estimate", "12 * 200 "
        ),
    ]
    compare_bridged(networks, bridged, deliberate)


def pings(bridge: Bridge) -> None:
    alice = bridge.stage.register("alice")
    path = "/_matrix/client/v1/appservice/{}/ping"
    asked = len(bridge.service.asked)
    bridge.bot.post(path.format("bridge"), {"transaction_id": "t"})
    bridge.stage.observed("asked", bridge.service.asked[asked:])
    alice.post(path.format("bridge"), {})
    bridge.bot.post(path.format("other"), {})


def test_pings(bridged: Bridged) -> None:
    compare_bridged(pings, bridged)
