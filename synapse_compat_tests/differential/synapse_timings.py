"""How long Synapse's functions take on events that it has in memory already. Runs in Synapse's environment.

All times are CPU seconds, the least of several runs.
"""

# Synapse is in an environment of its own, where these are checked by being run.
# mypy: disable-error-code="import-not-found"

import copy
import time
from collections.abc import Callable
from typing import Any

from signedjson.key import decode_signing_key_base64, get_verify_key
from signedjson.sign import verify_signed_json
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
from synapse.crypto.event_signing import add_hashes_and_signatures, check_event_content_hash
from synapse.events import make_event_from_dict
from synapse.synapse_rust.events import redact_event_dict

from synapse_compat_tests.differential.synapse_side import Json, LoadedEvents, chains, serve


class _DifferenceForNothing(LoadedEvents):
    """Computes an auth difference once, and then answers with it."""

    answer: Any = None

    async def get_auth_chain_difference(self, *arguments: Any) -> Any:
        if self.answer is None:
            self.answer = await super().get_auth_chain_difference(*arguments)
        # Synapse adds to it.
        return copy.copy(self.answer)


def resolve(room_version: str, events: list[Json], fork: list[list[str]], runs: int) -> Json:
    """The resolved state, the seconds it takes, and those it takes with the auth difference for nothing."""
    store = LoadedEvents(room_version, events, ())
    generous = _DifferenceForNothing(room_version, events, ())
    chains.index(store.events.values())
    states = store.states(fork)
    return {
        "resolved": store.resolved(states),
        "seconds": _least(lambda: store.resolved(states), runs),
        "seconds_without_difference": _least(lambda: generous.resolved(states), runs),
    }


def auth(room_version: str, events: list[Json], runs: int) -> float:
    """Seconds for all events, each checked as on receipt, in the state that its auth events make."""
    store = LoadedEvents(room_version, events, ())

    def check_all() -> None:
        for event in store.events.values():
            store.check_auth(event, store.auth_events(event))

    return _least(check_all, runs)


def sign(room_version: str, pdus: list[Json], server_name: str, seed: str, runs: int) -> float:
    """Seconds for hashing and signing all of `pdus`, which have no hashes and no signatures."""
    version = KNOWN_ROOM_VERSIONS[room_version]
    key = decode_signing_key_base64("ed25519", "1", seed)

    def sign_all() -> None:
        for pdu in pdus:
            add_hashes_and_signatures(version, dict(pdu), server_name, key)

    return _least(sign_all, runs)


def verify(room_version: str, pdus: list[Json], server_name: str, seed: str, runs: int) -> float:
    """Seconds for verifying the hash and the signature of each."""
    version = KNOWN_ROOM_VERSIONS[room_version]
    key = get_verify_key(decode_signing_key_base64("ed25519", "1", seed))
    events = [(pdu, make_event_from_dict(pdu, version)) for pdu in pdus]

    def verify_all() -> None:
        for pdu, event in events:
            verify_signed_json(redact_event_dict(version, pdu), server_name, key)
            assert check_event_content_hash(event)

    return _least(verify_all, runs)


def _least(run: Callable[[], object], runs: int) -> float:
    return min(_seconds(run) for _ in range(runs))


def _seconds(run: Callable[[], object]) -> float:
    started = time.process_time()
    run()
    return time.process_time() - started


if __name__ == "__main__":
    serve(resolve, auth, sign, verify)
