"""Every numbered authorisation rule of every room version lets something pass and rejects something.

`auth_rules.txt` says which case is for which rule. Whether it has all rules is compared with the text of the
specification, where that is at hand: MATRIX_SPEC_DIR is `data/api` in a copy of its repository.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from homeserver.protocol.event import Event
from homeserver.protocol.event_auth import AuthRejected, check_auth, check_auth_events
from homeserver.protocol.room_versions import ROOM_VERSIONS, RoomVersion
from homeserver.protocol.tests import auth_rule_cases, membership_rule_cases
from homeserver.protocol.tests.auth_rule_cases import Case
from homeserver.protocol.tests.rooms import ALICE, BOB, Room, every_version

CASES = {case.name: case for case in (*auth_rule_cases.CASES, *membership_rule_cases.CASES)}

Numbers = dict[str, list[tuple[str, str]]]
"""By room version, rule numbers with the names of cases."""


def read_numbers() -> Numbers:
    text = Path(__file__).with_name("auth_rules.txt").read_text()
    (_, *columns), *rows = (line.split() for line in text.splitlines() if not line.startswith("#"))
    numbers: Numbers = {}
    for place, column in enumerate(columns):
        first, _, last = column.partition("-")
        rules = [(cells[place], name) for name, *cells in rows if cells[place] != "-"]
        numbers |= {str(version): rules for version in range(int(first), int(last or first) + 1)}
    return numbers


NUMBERS = read_numbers()
each_rule = pytest.mark.parametrize(
    ("version", "number", "case"),
    [
        pytest.param(ROOM_VERSIONS[version], number, CASES[name], id=f"{version}-{number}-{name}")
        for version, rules in NUMBERS.items()
        for number, name in rules
    ],
)


def reason_against(room: Room, event: Event) -> str | None:
    """What the rules say against the event; None where they allow it."""
    cited = [room.known[event_id] for event_id in event.auth_events]
    try:
        check_auth_events(event, cited, room.rejected)
        check_auth(event, room.state)
    except AuthRejected as error:
        return str(error)
    return None


@each_rule
def test_rule(version: RoomVersion, number: str, case: Case) -> None:
    room = Room.with_members(version, ALICE, BOB)
    assert reason_against(room, case.build(room, True)) is None
    room = Room.with_members(version, ALICE, BOB)
    assert case.reason in str(reason_against(room, case.build(room, False)))


def test_every_case_is_of_a_rule() -> None:
    assert {name for rules in NUMBERS.values() for _, name in rules} == CASES.keys()
    assert NUMBERS.keys() == ROOM_VERSIONS.keys()


@every_version
def test_every_rule_of_the_specification_is_listed(version: RoomVersion) -> None:
    api = os.environ.get("MATRIX_SPEC_DIR")
    directory = Path(api or "", "../../content/rooms")
    if not api or not directory.exists():
        pytest.skip("no text of the Matrix specification beside MATRIX_SPEC_DIR")
    written = set(rules_that_decide(directory, version.identifier))
    assert len(written) > 50
    assert {number for number, _ in NUMBERS[version.identifier]} == written


def rules_that_decide(directory: Path, version: str) -> set[str]:
    """The numbers of the rules that have no others below them."""
    text = (directory / f"v{version}.md").read_text()
    fragment = re.search(r'rver-fragment name="(v\d+-auth-rules)"', text)
    if fragment is not None:
        text = (directory / f"fragments/{fragment[1]}.md").read_text()
    _, rules = re.split(r"^The .*rules.* as follows:$", text, flags=re.MULTILINE)
    numbers = set(numbered(rules.partition("{{% boxes/note %}}")[0]))
    return numbers - {number.rpartition(".")[0] for number in numbers}


def numbered(markdown: str) -> Iterator[str]:
    """The places of the items of nested lists, which is what is shown; what is written there does not count."""
    counts: list[tuple[int, int]] = []
    for item in re.finditer(r"^( *)\d+\. ", markdown, flags=re.MULTILINE):
        indent = len(item[1])
        while counts and counts[-1][0] > indent:
            counts.pop()
        count = counts.pop()[1] if counts and counts[-1][0] == indent else 0
        counts.append((indent, count + 1))
        yield ".".join(str(count) for _, count in counts)
