"""Synapse's functions, as a process of Synapse's environment answers for them."""

import json
import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

from homeserver.protocol.event import Event, Slot
from homeserver.protocol.identifiers import EventID
from homeserver.protocol.json import JsonObject, JsonValue
from homeserver.protocol.room_versions import RoomVersion
from homeserver.protocol.signing import EventSigner
from homeserver.protocol.unpadded_base64 import encode_base64
from scripts.synapse_environment import synapse_python

_PROJECT = Path(__file__).resolve().parent.parent.parent

State: TypeAlias = Mapping[Slot, EventID]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one of Synapse's functions returned, or the exception that it raised."""

    value: JsonValue = None
    raised: str | None = None


@dataclass(frozen=True, slots=True)
class AuthCase:
    """An event as it is received, and the state of the room before it."""

    pdu: JsonObject
    state: Collection[EventID]


class SynapseSide:
    """A program that answers calls by JSON lines, in Synapse's environment.

    Started with the first call; as a context manager it is gone afterwards.
    """

    def __init__(self, program: str = "synapse_compat_tests.differential.synapse_side") -> None:
        """`program` is the name of a module."""
        self._program = program
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def call(self, name: str, **arguments: JsonValue) -> JsonValue:
        """What the function of that name returns. Raises AssertionError where it raises."""
        if self._process is None:
            self._process = self._start()
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        # Not homeserver.protocol.json: what it refuses must arrive, so that Synapse can refuse it, too.
        process.stdin.write(json.dumps({"call": name, "arguments": arguments}) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        assert line, "Synapse's side ended; its standard error says why"
        answer = json.loads(line)
        assert "raised" not in answer, f"{name}: {answer['raised']}"
        return answer["value"]

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(synapse_python()), "-m", self._program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_PROJECT,
            # Ctrl-C is for the one who asks.
            start_new_session=True,
        )


class SynapseFunctions:
    """Synapse's functions about events, in our types. Many are asked about at once, as each call takes a while."""

    def __init__(self, side: SynapseSide) -> None:
        self._side = side

    def room_versions(self) -> list[str]:
        versions: list[str] = self._side.call("room_versions")
        return versions

    def canonical_json(self, values: Sequence[JsonValue]) -> list[Outcome]:
        return self._outcomes("canonical_json", values=values)

    def redact(self, version: RoomVersion, pdus: Sequence[JsonObject]) -> list[Outcome]:
        return self._outcomes("redact", room_version=version.identifier, pdus=pdus)

    def event_ids(self, version: RoomVersion, pdus: Sequence[JsonObject]) -> list[Outcome]:
        return self._outcomes("event_ids", room_version=version.identifier, pdus=pdus)

    def content_hashes(self, pdus: Sequence[JsonObject]) -> list[Outcome]:
        return self._outcomes("content_hashes", pdus=pdus)

    def signatures(
        self, version: RoomVersion, pdus: Sequence[JsonObject], signer: EventSigner
    ) -> list[Outcome]:
        """The `signatures` of each event, with one of `signer` more."""
        return self._outcomes(
            "signatures",
            room_version=version.identifier,
            pdus=pdus,
            server_name=signer.server_name,
            key_version=signer.key.version,
            seed=encode_base64(signer.key.seed),
        )

    def verify(self, version: RoomVersion, pdus: Sequence[JsonObject], signer: EventSigner) -> list[Outcome]:
        """Raised where there is no valid signature of `signer`."""
        return self._outcomes(
            "verify",
            room_version=version.identifier,
            pdus=pdus,
            server_name=signer.server_name,
            key_id=signer.key.key_id,
            public_key=encode_base64(signer.key.public_key),
        )

    def auth(
        self,
        version: RoomVersion,
        events: Iterable[Event],
        rejected: Collection[EventID],
        cases: Iterable[AuthCase],
    ) -> list[Outcome]:
        """Raised where an event is not accepted. `events` are those of the states, with all their auth chains."""
        return self._outcomes(
            "auth",
            room_version=version.identifier,
            events=[event.pdu() for event in events],
            rejected=list(rejected),
            cases=[{"pdu": case.pdu, "state": list(case.state)} for case in cases],
        )

    def resolve(
        self,
        version: RoomVersion,
        events: Mapping[EventID, Event],
        rejected: Collection[EventID],
        forks: Iterable[Sequence[State]],
    ) -> list[Outcome]:
        """The resolved state (dict[Slot, EventID]) of each fork. `events` have the auth chains of all."""
        outcomes = self._outcomes(
            "resolve",
            room_version=version.identifier,
            events=[event.pdu() for event in events.values()],
            rejected=list(rejected),
            forks=[[list(state.values()) for state in fork] for fork in forks],
        )
        return [
            outcome
            if outcome.raised is not None
            else Outcome({events[event_id].slot: event_id for event_id in outcome.value})
            for outcome in outcomes
        ]

    def _outcomes(self, call: str, **arguments: JsonValue) -> list[Outcome]:
        return [Outcome(**answer) for answer in self._side.call(call, **arguments)]
