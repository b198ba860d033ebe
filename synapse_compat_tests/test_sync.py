"""What /sync tells, under all its filters and from each point in time."""

from collections.abc import Mapping

from synapse_compat_tests.client import HttpClient
from synapse_compat_tests.compare import Deliberate, Stage, compare
from tests.client import Json

CODES = "'Errors are generally best expressed by their error code rather than the HTTP status code returned.'"
SUMMARY = Deliberate(
    "summary: 'Information about the room which clients may need to correctly render it to users.' Not only for those"
    " who load members lazily",
    "*.summary.*",
)
DEVICE_LISTS = Deliberate(
    "changed: 'List of users who have updated their device identity or cross-signing keys, or who now share an"
    " encrypted room': those themselves who ask are none of them",
    "*.device_lists.*",
)
NOTHING: Json = {"types": []}
QUIET: Json = {"presence": NOTHING, "account_data": NOTHING}
MESSAGES: Json = {"types": ["m.room.message"]}
NAMES: Json = {"types": ["m.room.name", "m.room.topic"]}


def empty(*requests: int) -> Deliberate:
    """What differs because the filter passes nothing of a room; `requests` are the numbers of those where it is so."""
    return Deliberate(
        "join: 'The rooms that the user has joined', also those of which the filter passes nothing",
        *(
            f"{request} GET *.rooms.join.*.{what}"
            for request in requests
            for what in ("timeline.limited", "timeline.prev_batch", "unread_notifications.*")
        ),
    )


def dropped(*patterns: str) -> Deliberate:
    """What differs because of state that a filter keeps out of the timeline."""
    return Deliberate(
        "state: 'Updates to the state, between the time indicated by the since parameter, and the start of the"
        " timeline'. Changes that the filter keeps out of the timeline are told there, or clients would never know",
        *patterns,
    )


def only(**room: Json) -> Json:
    """A filter under which only rooms are told, and of those what is named."""
    rest = dict.fromkeys(("timeline", "state", "ephemeral", "account_data"), NOTHING)
    return {**QUIET, "room": {**rest, **room}}


def look(user: HttpClient, wanted: Json, timeout: int = 0, **query: Json) -> str:
    """One /sync that does not wait for long, `timeout` in milliseconds; where to go on."""
    since: str = user.get("/sync", filter=wanted, timeout=timeout, **query)["next_batch"]
    return since


def timelines(stage: Stage) -> None:
    alice, bob = stage.register("alice"), stage.register("bob")
    room_id = alice.create_room(room_version="11", preset="public_chat", name="The Moot", members=[bob])
    for number in range(4):
        (bob if number < 2 else alice).send(room_id, f"number {number}")
    alice.put(
        f"/rooms/{room_id}/send/m.room.message/url",
        {"body": "cat", "msgtype": "m.image", "url": "mxc://localhost/a"},
    )
    since = look(bob, only(timeline={**MESSAGES, "limit": 20}))
    look(bob, only(timeline={**MESSAGES, "limit": 2}))
    look(bob, only(timeline={"senders": [bob.user_id], **MESSAGES, "limit": 20}))
    look(bob, only(timeline={"not_senders": [bob.user_id], **MESSAGES, "limit": 20}))
    look(bob, only(timeline={"contains_url": True, "limit": 20}))
    look(bob, only(timeline={"contains_url": False, **MESSAGES, "limit": 20}))
    look(bob, only(timeline={**MESSAGES, "limit": 20}, rooms=["!none:localhost"]))
    look(bob, only(timeline={**MESSAGES, "limit": 20}, not_rooms=[room_id]))
    look(bob, {**only(timeline={**MESSAGES, "limit": 1}), "event_fields": ["content.body", "sender"]})
    pdus = {
        "event_format": "federation",
        "event_fields": ["auth_events", "content", "event_id", "room_id", "unsigned"],
    }
    look(bob, {**only(timeline={**MESSAGES, "limit": 1}), **pdus})
    look(bob, only(timeline={**MESSAGES, "limit": 20}), since=since)
    for number in range(4):
        alice.send(room_id, f"later {number}")
    alice.put(f"/rooms/{room_id}/state/m.room.topic", {"topic": "Fish"})
    look(bob, only(timeline={**MESSAGES, "limit": 2}, state=NAMES), since=since)
    look(bob, only(timeline={**MESSAGES, "limit": 20}, state=NAMES), since=since)
    look(bob, only(timeline={**MESSAGES, "limit": 20}, state=NAMES), since=since, full_state="true")
    look(bob, only(timeline={"limit": 1}, state=NAMES), since=since, use_state_after="true")


def test_timelines(servers: Mapping[str, str]) -> None:
    deliberate = [
        SUMMARY,
        dropped("*m.room.topic* 200 *.state*.events.0.*"),
    ]
    compare(timelines, servers, deliberate)


def members(stage: Stage) -> None:
    alice, bob, carol = stage.register("alice"), stage.register("bob"), stage.register("carol")
    room_id = alice.create_room(room_version="11", preset="public_chat")
    bob.join(room_id)
    carol.join(room_id)
    alice.send(room_id, "hello")
    lazy = {"types": ["m.room.member"], "lazy_load_members": True}
    since = look(bob, only(timeline={**MESSAGES, "limit": 1}, state=lazy))
    look(bob, only(timeline={**MESSAGES, "limit": 1}, state={"types": ["m.room.member"]}))
    carol.send(room_id, "hello from carol")
    after = look(bob, only(timeline=MESSAGES, state=lazy), since=since)
    carol.send(room_id, "once more")
    look(bob, only(timeline=MESSAGES, state=lazy), since=after)
    look(bob, only(timeline=MESSAGES, state={**lazy, "include_redundant_members": True}), since=after)
    carol.put(f"/profile/{carol.user_id}/displayname", {"displayname": "Carol C."})
    look(bob, only(timeline={"types": ["m.room.member"]}, state=lazy), since=after)
    carol.leave(room_id)
    look(bob, only(timeline=NOTHING, state=lazy), since=after)


def test_members(servers: Mapping[str, str]) -> None:
    deliberate = [
        SUMMARY,
        DEVICE_LISTS,
        dropped("15 GET *.rooms.join.*"),
    ]
    compare(members, servers, deliberate)


def comings_and_goings(stage: Stage) -> None:
    alice, bob = stage.register("alice"), stage.register("bob")
    wanted = only(timeline={"types": ["m.room.message", "m.room.member"], "limit": 10}, state=NAMES)

    def first(limit: int, **more: Json) -> str:
        """Synapse remembers first syncs: no two have the same filter."""
        return look(bob, only(timeline={**MESSAGES, "limit": limit}, state=NAMES, **more))

    room_id = alice.create_room(room_version="11", name="The Moot", topic="Fish")
    start = look(bob, wanted)
    alice.invite(room_id, bob, reason="come in")
    invited = look(bob, wanted, since=start)
    first(11)
    bob.join(room_id)
    joined = look(bob, wanted, since=invited)
    alice.send(room_id, "hello")
    alice.kick(room_id, bob, reason="out")
    alice.send(room_id, "he is gone")
    left = look(bob, wanted, since=joined)
    first(12)
    first(13, include_leave=True)
    look(bob, wanted, since=left)
    alice.invite(room_id, bob)
    bob.leave(room_id)
    rejected = look(bob, wanted, since=left)
    bob.forget(room_id)
    first(14, include_leave=True)
    look(bob, wanted, since=rejected)
    knocked = alice.create_room(
        room_version="11",
        name="Knock",
        initial_state=[{"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}],
    )
    bob.post(f"/knock/{knocked}", {"reason": "please"})
    # On a busy machine Synapse needs a moment.
    look(bob, wanted, since=rejected, timeout=10_000)
    first(15)


def test_comings_and_goings(servers: Mapping[str, str]) -> None:
    deliberate = [
        SUMMARY,
        DEVICE_LISTS,
        Deliberate("mimetype: 'Defaults to text/plain'", "*.mimetype"),
        Deliberate(
            "include_leave: 'Include rooms that the user has left in the sync, default false'",
            "12 GET *.rooms.leave.*",
        ),
        Deliberate(
            "'Otherwise, deny': who was invited sees of a shared history what came before the join only after it",
            "17 GET *.rooms.leave.*.timeline.*",
        ),
    ]
    compare(comings_and_goings, servers, deliberate)


def around_rooms(stage: Stage) -> None:
    alice, bob = stage.register("alice"), stage.register("bob")
    room_id = alice.create_room(room_version="11", members=[bob])
    event_id = alice.send(room_id, "hello")
    kept = only(ephemeral={"types": ["m.receipt"]}, account_data={})
    since = look(alice, kept)
    bob.post(f"/rooms/{room_id}/receipt/m.read/{event_id}")
    bob.post(f"/rooms/{room_id}/read_markers", {"m.fully_read": event_id})
    bob.put(f"/rooms/{room_id}/typing/{bob.user_id}", {"typing": True, "timeout": 30000})
    alice.put(f"/user/{alice.user_id}/rooms/{room_id}/tags/m.favourite", {"order": 0.5})
    alice.put(f"/user/{alice.user_id}/rooms/{room_id}/account_data/org.example.x", {"a": 1})
    look(alice, kept, since=since)
    look(alice, only(ephemeral={"types": ["m.typing"]}), since=since)
    look(alice, only(account_data={"types": ["m.tag"]}), since=since)
    look(alice, only(account_data={"not_types": ["m.tag"]}))
    alice.put(f"/user/{alice.user_id}/account_data/org.example.x", {"b": 1})
    look(alice, {**only(), "account_data": {"types": ["org.example.*"]}})
    look(alice, {**only(), "account_data": {"types": ["org.example.*"]}}, since=since)
    look(bob, only(account_data={"types": ["m.fully_read"]}))
    bob.put("/sendToDevice/org.example.test/1", {"messages": {alice.user_id: {"*": {"x": 1}}}})
    until = bob.get("/sync", filter=only(), timeout=0)["next_batch"]
    alice.put(f"/presence/{alice.user_id}/status", {"presence": "unavailable", "status_msg": "tea"})
    bob.get("/sync", filter={**only(), "presence": {"senders": [alice.user_id]}}, timeout=20_000, since=until)
    bob.get(
        "/sync",
        filter={**only(), "presence": {"not_senders": [alice.user_id, bob.user_id]}},
        timeout=0,
        since=until,
    )
    after = look(alice, only(), since=since)
    look(alice, only(), since=after)


def test_around_rooms(servers: Mapping[str, str]) -> None:
    compare(around_rooms, servers, [SUMMARY, empty(4, 15, 19)])


def unread(stage: Stage) -> None:
    alice, bob = stage.register("alice"), stage.register("bob")
    room_id = alice.create_room(room_version="11", preset="trusted_private_chat", members=[bob])
    since = look(bob, only())
    root = alice.send(room_id, "hello")
    alice.put(
        f"/rooms/{room_id}/send/m.room.message/mention",
        {"body": "bob!", "msgtype": "m.text", "m.mentions": {"user_ids": [bob.user_id]}},
    )
    alice.put(
        f"/rooms/{room_id}/send/m.room.message/thread",
        {"body": "inside", "msgtype": "m.text", "m.relates_to": {"rel_type": "m.thread", "event_id": root}},
    )
    look(bob, only(timeline={**MESSAGES, "limit": 1}), since=since)
    look(bob, only(timeline={**MESSAGES, "limit": 1, "unread_thread_notifications": True}), since=since)
    bob.post(f"/rooms/{room_id}/receipt/m.read/{root}", {"thread_id": "main"})
    look(bob, only(timeline={**MESSAGES, "limit": 1, "unread_thread_notifications": True}))
    bob.post(f"/rooms/{room_id}/receipt/m.read.private/{root}", {"thread_id": root})
    look(bob, only(timeline={**MESSAGES, "limit": 2, "unread_thread_notifications": True}))
    bob.send(room_id, "answered")
    look(bob, only(timeline={**MESSAGES, "limit": 3}))


def test_unread(servers: Mapping[str, str]) -> None:
    deliberate = [
        SUMMARY,
        empty(3),
        Deliberate(
            "Who answers has read: an own message ends what was unread (docs/decisions/0019)",
            "14 GET */sync* 200 *.unread_notifications.*",
        ),
    ]
    compare(unread, servers, deliberate)


def kept_filters(stage: Stage) -> None:
    alice, bob = stage.register("alice"), stage.register("bob")
    room_id = alice.create_room(room_version="11")
    alice.send(room_id, "hello")
    own = f"/user/{alice.user_id}/filter"
    number = alice.post(own, only(timeline=MESSAGES))["filter_id"]
    alice.get(f"{own}/{number}")
    alice.get("/sync", filter=number, timeout=1)
    bob.get(f"{own}/{number}")
    bob.post(own, {})
    alice.post(own, {"room": {"timeline": {"limit": "many"}}})
    alice.post(own, {"room": {"rooms": "all"}})
    alice.get("/sync", filter="{", timeout=1)
    alice.get("/sync", timeout="long")
    alice.get("/sync", since="nonsense", timeout=1)
    alice.get("/sync", set_presence="nonsense", timeout=1)
    stage.anonymous.get("/sync")


def test_kept_filters(servers: Mapping[str, str]) -> None:
    deliberate = [
        SUMMARY,
        Deliberate(
            "400: the body is not what it must be, which is no fault of the server",
            "8 POST */filter ?00 *",
        ),
        Deliberate(CODES, "9 POST */filter 400 .errcode", "* GET */sync[?]* 400 .errcode"),
    ]
    compare(kept_filters, servers, deliberate)
