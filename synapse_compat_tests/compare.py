"""One scenario on two servers: the same requests must have the same answers."""

import difflib
import itertools
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from synapse_compat_tests import client
from synapse_compat_tests.client import HttpClient
from synapse_compat_tests.normalise import Placeholders, in_order, leaves
from tests.client import Answer, Json, Request

_performances = itertools.count(1)

answered: set[tuple[str, str]] = set()
"""Method and target of every request of a scenario in this run that was no failure, on one server at least."""


@dataclass(frozen=True)
class Line:
    """One value in one answer, such as `3 POST /_matrix/client/v3/createRoom 200 .room_id = "<room 1>"`."""

    where: str
    value: str

    def __str__(self) -> str:
        return f"{self.where} = {self.value}"


class Deliberate:
    """A difference that is meant to be."""

    def __init__(self, because: str, *patterns: str) -> None:
        """`because` quotes the specification or gives another reason. One of the `patterns`, which are like a
        shell's, fits each line that may differ, up to its equals sign; each of them must be needed."""
        self.because = because
        self.patterns = patterns

    def excuses(self, line: Line) -> bool:
        return any(fnmatchcase(line.where, pattern) for pattern in self.patterns)

    def unneeded(self, differing: Collection[Line]) -> list[str]:
        where = [line.where for line in differing]
        return [each for each in self.patterns if not any(fnmatchcase(text, each) for text in where)]


class Stage:
    """One of the servers, for one performance of a scenario. All that its clients are answered is recorded."""

    def __init__(self, url: str, number: int) -> None:
        self.url = url
        self.number = number
        self._exchanges: list[tuple[Request, Answer]] = []

    @property
    def anonymous(self) -> HttpClient:
        return self.recorded(HttpClient(self.url))

    def register(self, username: str, *, admin: bool = False) -> HttpClient:
        """A new user, who is new in each performance; that it was registered is not recorded."""
        user = client.register(HttpClient(self.url), f"{username}{self.number}", admin=admin)
        return self.recorded(user)

    def log_in(self, user: HttpClient, device_id: str | None = None) -> HttpClient:
        """The user on one more device; this is not recorded either."""
        return self.recorded(client.log_in(HttpClient(self.url), user, device_id))

    def observed(self, what: str, value: Json) -> None:
        """Records something that must be the same beside the answers."""
        self._exchanges.append(
            (Request("SEEN", f"/{what}", {}, b""), Answer(200, {}, json.dumps(value).encode()))
        )

    def lines(self) -> Iterator[Line]:
        """The record, without what a server may choose as it likes."""
        placeholders = Placeholders()
        for number, (request, answer) in enumerate(self._exchanges, 1):
            target = placeholders.in_target(request.target)
            heading = f"{number} {request.method} {target} {answer.status}"
            yield Line(f"{heading} content-type", answer.headers.get("content-type", "none"))
            for path, value in leaves(placeholders.in_json(in_order(answer.json))):
                yield Line(f"{heading} {path}", json.dumps(value, ensure_ascii=False))

    def recorded(self, user: HttpClient) -> HttpClient:
        """All that the client is answered is recorded."""
        return _Recorded(self._exchanges, user)


class _Recorded(HttpClient):
    def __init__(self, exchanges: list[tuple[Request, Answer]], user: HttpClient) -> None:
        super().__init__(user.url, user.user_id, user.access_token, user.device_id)
        self._user = user
        self._exchanges = exchanges

    def compose(self, method: str, path: str, body: Json = None, **options: Any) -> Request:
        return self._user.compose(method, path, body, **options)

    def answer_to(self, request: Request) -> Answer:
        answer = self._user.answer_to(request)
        if answer.status < 400:
            answered.add((request.method, request.target))
        self._exchanges.append((request, answer))
        return answer


Scenario = Callable[[Stage], None]


def compare(scenario: Scenario, urls: Mapping[str, str], deliberate: Sequence[Deliberate] = ()) -> None:
    """Performs the scenario on the servers, two names with their addresses, and raises AssertionError where their
    answers differ otherwise than deliberately, or where a deliberate difference is no longer there."""
    number = next(_performances)
    (one_name, one), (other_name, other) = (
        (name, _perform(scenario, url, number)) for name, url in urls.items()
    )
    differing = set(one) ^ set(other)
    unneeded = [pattern for each in deliberate for pattern in each.unneeded(differing)]
    assert not unneeded, f"the servers do not differ in {unneeded}"
    found = difflib.unified_diff(
        _unexcused(one, deliberate), _unexcused(other, deliberate), one_name, other_name, n=2, lineterm=""
    )
    assert not (text := "\n".join(found)), text


def _perform(scenario: Scenario, url: str, number: int) -> list[Line]:
    stage = Stage(url, number)
    scenario(stage)
    return list(stage.lines())


def _unexcused(record: Sequence[Line], deliberate: Sequence[Deliberate]) -> list[str]:
    return [str(line) for line in record if not any(each.excuses(line) for each in deliberate)]
