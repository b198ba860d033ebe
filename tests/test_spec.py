from pathlib import Path
from unittest import SkipTest

import pytest

from tests import spec
from tests.spec import SpecViolation, check_answer, find_operation

CLIENT = "/_matrix/client/v3"


@pytest.fixture(autouse=True)
def _specification() -> None:
    spec.spec_directory()


@pytest.mark.parametrize(
    ("method", "path", "described"),
    [
        ("GET", "/_matrix/client/versions", "/_matrix/client/versions"),
        ("GET", "/.well-known/matrix/client", "/.well-known/matrix/client"),
        ("GET", f"{CLIENT}/sync?timeout=0", f"{CLIENT}/sync"),
        ("GET", "/_matrix/client/r0/sync", f"{CLIENT}/sync"),
        ("GET", "/_matrix/client/v1/rooms/!a:b/messages", f"{CLIENT}/rooms/{{roomId}}/messages"),
        ("GET", f"{CLIENT}/rooms/!a/state", f"{CLIENT}/rooms/{{roomId}}/state"),
        ("PUT", f"{CLIENT}/directory/room/%23a%2Fb:c", f"{CLIENT}/directory/room/{{roomAlias}}"),
        ("GET", "/_matrix/key/v2/server", "/_matrix/key/v2/server"),
    ],
)
def test_requests_find_their_description(method: str, path: str, described: str) -> None:
    operation = find_operation(method, path)
    assert operation is not None
    assert operation.path == described


@pytest.mark.parametrize("ending", ["", "/", "/key"])
def test_an_empty_state_key_may_be_left_away(ending: str) -> None:
    operation = find_operation("GET", f"{CLIENT}/rooms/!a/state/m.room.name{ending}")
    assert operation is not None
    assert operation.key == "/rooms/{roomId}/state/{eventType}/{stateKey}"


def test_what_is_described_for_two_kinds_of_body_counts_once() -> None:
    fitting = [each for each in spec.operations() if each.fits("POST", f"{CLIENT}/rooms/!a/invite")]
    assert len(fitting) == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", f"{CLIENT}/nonsense"), ("PATCH", f"{CLIENT}/sync"), ("GET", f"{CLIENT}/rooms/!a/event")],
)
def test_what_is_not_described_is_a_violation(method: str, path: str) -> None:
    assert find_operation(method, path) is None
    with pytest.raises(SpecViolation, match="the specification has no"):
        check_answer(method, path, 404, {"errcode": "M_UNRECOGNIZED"})


def test_a_right_answer_passes() -> None:
    check_answer("POST", f"{CLIENT}/createRoom", 200, {"room_id": "!a:b"})


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({}, "'room_id' is a required property"),
        ({"room_id": 1}, "1 is not of type 'string'"),
        ({"room_id": "#a:b"}, "'#a:b' is not a 'mx-room-id'"),
    ],
)
def test_a_wrong_answer_is_named(answer: spec.Json, problem: str) -> None:
    with pytest.raises(SpecViolation, match=r"createRoom 200 in create_room\.yaml") as raised:
        check_answer("POST", f"{CLIENT}/createRoom", 200, answer)
    assert problem in str(raised.value)


def test_descriptions_in_other_files_count() -> None:
    event = {
        "type": "m.room.message",
        "sender": "@a:b",
        "event_id": "$c",
        "origin_server_ts": 1,
        "content": {},
    }
    timeline = {"events": [event], "limited": False, "prev_batch": "s"}
    answer = {"next_batch": "s1", "rooms": {"join": {"!a:b": {"timeline": timeline}}}}
    check_answer("GET", f"{CLIENT}/sync", 200, answer)
    event["origin_server_ts"] = "yesterday"
    with pytest.raises(SpecViolation, match="'yesterday' is not of type 'integer'"):
        check_answer("GET", f"{CLIENT}/sync", 200, answer)


def test_any_operation_may_fail_in_the_standard_way() -> None:
    check_answer("GET", f"{CLIENT}/sync", 401, {"errcode": "M_UNKNOWN_TOKEN", "error": "Who are you?"})
    with pytest.raises(SpecViolation, match="'errcode' is a required property"):
        check_answer("GET", f"{CLIENT}/sync", 401, {"error": "Who are you?"})


def test_no_operation_succeeds_in_an_undescribed_way() -> None:
    with pytest.raises(SpecViolation, match="does not answer with 201"):
        check_answer("GET", f"{CLIENT}/sync", 201, {})


def test_files_are_not_judged_as_json() -> None:
    check_answer("GET", "/_matrix/client/v1/media/download/example.org/abc", 200, None)


def test_a_missing_specification_is_a_reason_to_skip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MATRIX_SPEC_DIR", str(tmp_path))
    spec.spec_directory.cache_clear()
    try:
        with pytest.raises(SkipTest, match=f"no Matrix specification in {tmp_path}"):
            spec.spec_directory()
    finally:
        spec.spec_directory.cache_clear()
