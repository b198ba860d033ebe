"""Synapse's own functions for whoever speaks JSON lines: a request on each line in, its answer on each line out.

A request is `{"call": NAME, "arguments": {...}}`, an answer `{"value": ...}`, or `{"raised": TEXT}` where the function
raised. This program runs in Synapse's environment and imports nothing of Folkmoot; SynapseSide starts it.
"""

# Synapse is in an environment of its own, where these are checked by being run.
# mypy: disable-error-code="import-not-found"

import json
import sys
from collections.abc import Callable, Collection, Coroutine, Iterable
from hashlib import sha256
from typing import Any, TypeAlias

from canonicaljson import encode_canonical_json
from signedjson.key import decode_signing_key_base64, decode_verify_key_bytes
from signedjson.sign import verify_signed_json
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS, StateResolutionVersions
from synapse.crypto.event_signing import compute_content_hash, compute_event_signature
from synapse.event_auth import (
    check_state_dependent_auth_rules,
    check_state_independent_auth_rules,
    validate_event_for_room_version,
)
from synapse.events import make_event_from_dict
from synapse.federation.federation_base import event_from_pdu_json
from synapse.state import v1, v2
from synapse.synapse_rust.events import redact_event_dict
from unpaddedbase64 import decode_base64, encode_base64

from synapse_compat_tests.differential.synapse_chains import ChainCover

Json: TypeAlias = Any
State: TypeAlias = dict[tuple[str, str], str]
chains = ChainCover()


def room_versions() -> list[str]:
    return list(KNOWN_ROOM_VERSIONS)


def canonical_json(values: list[Json]) -> list[Json]:
    return [_outcome(lambda value: encode_canonical_json(value).decode(), value) for value in values]


def redact(room_version: str, pdus: list[Json]) -> list[Json]:
    version = KNOWN_ROOM_VERSIONS[room_version]
    return [_outcome(lambda pdu: redact_event_dict(version, pdu), pdu) for pdu in pdus]


def event_ids(room_version: str, pdus: list[Json]) -> list[Json]:
    version = KNOWN_ROOM_VERSIONS[room_version]
    return [_outcome(lambda pdu: make_event_from_dict(pdu, version).event_id, pdu) for pdu in pdus]


def content_hashes(pdus: list[Json]) -> list[Json]:
    return [_outcome(lambda pdu: encode_base64(compute_content_hash(pdu, sha256)[1]), pdu) for pdu in pdus]


def signatures(
    room_version: str, pdus: list[Json], server_name: str, key_version: str, seed: str
) -> list[Json]:
    """The `signatures` of each with one more."""
    version = KNOWN_ROOM_VERSIONS[room_version]
    key = decode_signing_key_base64("ed25519", key_version, seed)
    return [
        _outcome(lambda pdu: compute_event_signature(version, pdu, server_name, key), pdu) for pdu in pdus
    ]


def verify(room_version: str, pdus: list[Json], server_name: str, key_id: str, public_key: str) -> list[Json]:
    version = KNOWN_ROOM_VERSIONS[room_version]
    key = decode_verify_key_bytes(key_id, decode_base64(public_key))
    return [
        _outcome(lambda pdu: verify_signed_json(redact_event_dict(version, pdu), server_name, key), pdu)
        for pdu in pdus
    ]


def auth(room_version: str, events: list[Json], rejected: list[str], cases: list[Json]) -> list[Json]:
    """What becomes of each `case["pdu"]` on receipt, in the state that `case["state"]` lists."""
    store = LoadedEvents(room_version, events, rejected)
    return [_outcome(store.check, case) for case in cases]


def resolve(room_version: str, events: list[Json], rejected: list[str], forks: list[Json]) -> list[Json]:
    """The events of the resolved state of each fork, which is a list of states, which are lists of event IDs."""
    store = LoadedEvents(room_version, events, rejected)
    chains.index(store.events.values())
    return [_outcome(lambda fork: store.resolved(store.states(fork)), fork) for fork in forks]


class LoadedEvents:
    """The events of one room, as state resolution and the authorisation rules ask the store for them."""

    def __init__(self, room_version: str, pdus: list[Json], rejected: Collection[str]) -> None:
        self.version = KNOWN_ROOM_VERSIONS[room_version]
        self.events: dict[str, Any] = {}
        for pdu in pdus:
            event = make_event_from_dict(pdu, self.version)
            if event.event_id in rejected:
                event = make_event_from_dict(pdu, self.version, rejected_reason="said so")
            self.events[event.event_id] = event
        self.room_id = next(iter(self.events.values())).room_id

    async def get_events(
        self, event_ids: Iterable[str], redact_behaviour: object = None, allow_rejected: bool = False
    ) -> dict[str, Any]:
        found = {event_id: self.events[event_id] for event_id in event_ids}
        return {i: event for i, event in found.items() if allow_rejected or event.rejected_reason is None}

    async def get_auth_chain_difference(self, *arguments: Any) -> Any:
        return chains.difference(*arguments)

    def check(self, case: Json) -> None:
        event = event_from_pdu_json(case["pdu"], self.version)
        validate_event_for_room_version(event)
        self.check_auth(event, [self.events[event_id] for event_id in case["state"]])

    def check_auth(self, event: Any, state: Iterable[Any]) -> None:
        _finished(check_state_independent_auth_rules(self, event))
        check_state_dependent_auth_rules(event, self.auth_events(event))
        check_state_dependent_auth_rules(event, state)

    def auth_events(self, event: Any) -> list[Any]:
        return [self.events[event_id] for event_id in event.auth_event_ids()]

    def states(self, fork: list[list[str]]) -> list[State]:
        return [{self._slot(event_id): event_id for event_id in state} for state in fork]

    def resolved(self, states: list[State]) -> list[str]:
        return list(_finished(self._resolve(states)).values())

    def _resolve(self, states: list[State]) -> Coroutine[Any, Any, Any]:
        room = self.room_id, self.version, states
        if self.version.state_res == StateResolutionVersions.V1:
            resolving: Coroutine[Any, Any, Any] = v1.resolve_events_with_store(*room, None, self.get_events)
        else:
            resolving = v2.resolve_events_with_store(_Clock(), *room, None, self)
        return resolving

    def _slot(self, event_id: str) -> tuple[str, str]:
        event = self.events[event_id]
        return event.type, event.state_key


class _Clock:
    async def sleep(self, duration: object) -> None:
        """Nobody else wants the thread."""


def _finished(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise RuntimeError("It waits for something")


def _outcome(function: Callable[[Json], Json], argument: Json) -> Json:
    try:
        return {"value": function(argument)}
    except Exception as error:
        # The Rust parts add a backtrace.
        return {"raised": f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"}


def serve(*calls: Callable[..., Json]) -> None:
    """Answers until there are no more requests."""
    by_name = {call.__name__: call for call in calls}

    def answer(request: Json) -> Json:
        return by_name[request["call"]](**request["arguments"])

    for line in sys.stdin:
        print(json.dumps(_outcome(answer, json.loads(line))), flush=True)


if __name__ == "__main__":
    serve(
        room_versions,
        canonical_json,
        redact,
        event_ids,
        content_hashes,
        signatures,
        verify,
        auth,
        resolve,
    )
