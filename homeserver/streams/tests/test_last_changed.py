"""It may say yes too often, but never no to what changed."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from homeserver.streams.last_changed import LastChanged


def test_knows_what_it_was_told() -> None:
    changed: LastChanged[str] = LastChanged()
    changed.record("a", 5)
    assert changed.after("a", 4)
    assert not changed.after("a", 5)
    assert not changed.after("b", 0)


def test_knows_nothing_of_what_was_before_the_start() -> None:
    changed: LastChanged[str] = LastChanged()
    changed.start_at(100)
    assert changed.after("a", 99)
    assert not changed.after("a", 100)
    changed.record("a", 101)
    assert changed.after("a", 100)
    assert not changed.after("a", 101)


def test_starting_again_does_not_go_back() -> None:
    changed: LastChanged[str] = LastChanged(floor=100)
    changed.start_at(50)
    assert changed.after("a", 99)


def test_forgets_the_key_that_changed_longest_ago() -> None:
    changed: LastChanged[str] = LastChanged(capacity=2)
    for position, key in enumerate("abac", start=1):
        changed.record(key, position)
    assert changed.after("b", 1), "it was forgotten, so it may have changed"
    assert not changed.after("a", 3)
    assert changed.after("a", 2)
    assert not changed.after("z", 2), "who was never known cannot have changed since what was forgotten"


_CHANGES = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 3)), max_size=30)


@given(_CHANGES, st.integers(1, 4), st.integers(0, 40))
def test_never_wrongly_no(changes: Sequence[tuple[int, int]], capacity: int, start: int) -> None:
    changed: LastChanged[int] = LastChanged(capacity=capacity)
    # Those before the start happened in an earlier process.
    newest: dict[int, int] = {}
    position = 0
    started = False
    for key, step in changes:
        position += step
        if not started and position > start:
            changed.start_at(start)
            started = True
        if started:
            changed.record(key, position)
        newest[key] = position
    if not started:
        changed.start_at(start)
    for key, at in newest.items():
        for asked in range(at):
            assert changed.after(key, asked), (key, asked)


@given(_CHANGES)
def test_with_room_for_all_it_is_exact(changes: Sequence[tuple[int, int]]) -> None:
    changed: LastChanged[int] = LastChanged(capacity=6)
    newest: dict[int, int] = {}
    position = 0
    for key, step in changes:
        position += step
        changed.record(key, position)
        newest[key] = position
    for key in range(6):
        for asked in range(position + 1):
            assert changed.after(key, asked) == (newest.get(key, 0) > asked)
