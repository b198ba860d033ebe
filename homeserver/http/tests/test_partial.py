import pytest

from homeserver.http.partial import Part, Wish, part_of

WHOLE = Part(200, 0, 100)
TAG = '"abc"'


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ("bytes=0-9", Part(206, 0, 10)),
        ("bytes=90-", Part(206, 90, 10)),
        ("bytes=-10", Part(206, 90, 10)),
        ("bytes=-1000", Part(206, 0, 100)),
        ("bytes=50-1000", Part(206, 50, 50)),
        ("BYTES=99-99", Part(206, 99, 1)),
        ("bytes=100-", Part(416, 0, 0)),
        ("bytes=-0", Part(416, 0, 0)),
        # What is no range, or several, is as if it had not been asked for.
        ("bytes=9-1", WHOLE),
        ("bytes=0-1,5-6", WHOLE),
        ("bytes=-", WHOLE),
        ("bytes=a-b", WHOLE),
        ("bytes=" + "9" * 5000 + "-", WHOLE),
        ("lines=0-9", WHOLE),
        ("", WHOLE),
    ],
)
def test_ranges(wanted: str, part: Part) -> None:
    assert part_of(Wish(range=wanted), 100, TAG) == part


def test_nothing_of_an_empty_file_can_be_asked_for() -> None:
    assert part_of(Wish(range="bytes=0-"), 0, TAG) == Part(416, 0, 0)
    assert part_of(Wish(range="bytes=-5"), 0, TAG) == Part(416, 0, 0)
    assert part_of(Wish(), 0, TAG) == Part(200, 0, 0)


@pytest.mark.parametrize(("tags", "is_known"), [
    (TAG, True), (f"W/{TAG}", True), (f'"x", {TAG}', True), ("*", True), ('"x"', False), ("abc", False), ("", False),
])  # fmt: skip
def test_what_the_client_has_already(tags: str, is_known: bool) -> None:
    assert part_of(Wish(if_none_match=tags), 100, TAG) == (Part(304, 0, 0) if is_known else WHOLE)


@pytest.mark.parametrize("validator", ['"other"', f"W/{TAG}", "Tue, 15 Nov 1994 12:45:26 GMT"])
def test_a_part_of_another_file_is_of_no_use(validator: str) -> None:
    assert part_of(Wish("bytes=0-9", if_range=validator), 100, TAG) == WHOLE
    assert part_of(Wish("bytes=0-9", if_range=TAG), 100, TAG).status == 206
