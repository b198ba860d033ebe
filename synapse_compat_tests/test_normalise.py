from synapse_compat_tests.normalise import Placeholders, in_order, leaves

EVENT, OTHER_EVENT = (
    "$Nhl3rsgHMjk-DjMJANawr9HHAhLg4GcoTYrSiYYGqEE",
    "$26RqwJMLw-yds1GAH_QxjHRC1Da9oasK0e5VLnck_45",
)


def test_ids_are_named_in_the_order_in_which_they_come() -> None:
    names = Placeholders()
    answer = {"event_id": EVENT, "redacts": OTHER_EVENT, "unsigned": {"replaces_state": EVENT}}
    expected = {"event_id": "<event 1>", "redacts": "<event 2>", "unsigned": {"replaces_state": "<event 1>"}}
    assert names.in_json(answer) == expected
    assert names.in_json({"text": f"see {OTHER_EVENT}!"}) == {"text": "see <event 2>!"}


def test_the_name_of_the_server_in_a_room_id_counts() -> None:
    answer = {"!jEsUZKDJdhlrceRyVU:example.org": {"type": "m"}}
    assert Placeholders().in_json(answer) == {"<room 1>:example.org": {"type": "m"}}


def test_what_only_servers_understand_is_named_by_its_key() -> None:
    answer = {"access_token": "syt_abc", "device_id": "ABC", "user_id": "@alice:example.org"}
    expected = {
        "access_token": "<access token 1>",
        "device_id": "<device 1>",
        "user_id": "@alice:example.org",
    }
    assert Placeholders().in_json(answer) == expected


def test_moments_and_texts_for_people_are_not_compared() -> None:
    assert Placeholders().in_json({"age": 7, "error": "No!", "errcode": "M_X"}) == {
        "age": "<moment>",
        "errcode": "M_X",
        "error": "<text>",
    }


def test_what_is_empty_is_as_good_as_absent() -> None:
    assert Placeholders().in_json({"rooms": {"join": {}, "leave": []}, "count": 0}) == {"count": 0}


def test_targets_name_what_came_in_answers() -> None:
    names = Placeholders()
    names.in_json({"next_batch": "s7_1", "device_id": "ABC", "event_id": EVENT})
    assert names.in_target("/sync?since=s7_1&timeout=0") == "/sync?since=<position>&timeout=0"
    assert names.in_target("/devices/ABC") == "/devices/<device 1>"
    assert names.in_target(f"/redact/{EVENT}/txn1") == "/redact/<event 1>/txn1"


def test_lists_without_an_order_get_one_that_does_not_depend_on_ids() -> None:
    one = {"state": {"events": [{"type": "b", "event_id": EVENT}, {"type": "a", "event_id": OTHER_EVENT}]}}
    other = {"state": {"events": [{"type": "a", "event_id": EVENT}, {"type": "b", "event_id": OTHER_EVENT}]}}
    assert Placeholders().in_json(in_order(one)) == Placeholders().in_json(in_order(other))


def test_a_timeline_keeps_its_order() -> None:
    timeline = {"timeline": {"events": [{"type": "b"}, {"type": "a"}]}, "chunk": [2, 1]}
    assert in_order(timeline) == timeline


def test_leaves_have_their_path() -> None:
    assert list(leaves({"a": [1, {"b": {}}], "c": None})) == [(".a.0", 1), (".a.1.b", {}), (".c", None)]
    assert list(leaves({})) == [("", {})]


def test_neither_keys_nor_ids_decide_which_comes_first() -> None:
    one = {"redacts": EVENT, "event_id": OTHER_EVENT}
    other = {"event_id": EVENT, "redacts": OTHER_EVENT}
    assert Placeholders().in_json(one) == Placeholders().in_json(other)
    rooms = [
        {"!zzzzzzzzzzzzzzzz:a": 1, "!yyyyyyyyyyyyyyyy:a": 2},
        {"!bbbbbbbbbbbbbbbb:a": 1, "!cccccccccccccccc:a": 2},
    ]
    assert Placeholders().in_json(rooms[0]) == Placeholders().in_json(rooms[1])
