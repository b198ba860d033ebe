"""User-interactive authentication: proving oneself in stages before a request is done.

https://spec.matrix.org/v1.19/client-server-api/#user-interactive-authentication-api
"""

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Protocol

import msgspec

from homeserver.accounts.store.interactive_auth import (
    StoredSession,
    complete_stage,
    delete_expired_sessions,
    insert_interactive_session,
    session_by_hash,
)
from homeserver.protocol.errors import (
    BadJson,
    CaptchaInvalid,
    CaptchaNeeded,
    Forbidden,
    MatrixError,
    Unauthorized,
    Unknown,
)
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import JsonObject, JsonValue, canonical_json
from homeserver.runtime.clock import Clock
from homeserver.runtime.randomness import Randomness
from homeserver.storage.database import Database

_LIFETIME = timedelta(days=1)
_SESSION_ID_LENGTH = 32
_NO_SESSION = "There is no such session of interactive authentication; begin a new one"


class Stage(Protocol):
    """One way to prove something, such as knowing a password."""

    type: str

    def params(self) -> JsonObject:
        """What a client must know to go through the stage; empty for most."""

    async def attempt(self, auth: JsonObject, user_id: UserID | None) -> JsonValue:
        """Checks what the client sent and returns what is to be remembered of it.

        `user_id` is who must be proven to act, None where that is not known yet. Raises Forbidden, Unauthorized,
        CaptchaInvalid or CaptchaNeeded where the proof fails, after which the client may try again; any other
        MatrixError is the answer to the request.
        """


Flow = Sequence[Stage]
_FAILURES = (Forbidden, Unauthorized, CaptchaInvalid, CaptchaNeeded)


@dataclass(frozen=True, slots=True)
class Operation:
    """What is to be done once the user is authenticated; a session is good for this alone.

    `name` tells the endpoint and what its path names. `body` is the request without `auth`.
    """

    name: str
    body: JsonObject
    user_id: UserID | None

    @classmethod
    def of(cls, name: str, body: msgspec.Struct, user_id: UserID | None) -> "Operation":
        fields: JsonObject = msgspec.to_builtins(body)
        fields.pop("auth", None)
        return cls(name, fields, user_id)


class AuthenticationRequired(MatrixError):
    """Tells the client which stages there are and which are done; with an error where one failed just now."""

    status = 401

    def __init__(self, failure: MatrixError | None, **fields: JsonValue) -> None:
        super().__init__("More authentication is needed", **fields)
        self._failure = failure

    def body(self) -> JsonObject:
        return self.fields if self._failure is None else {**self._failure.body(), **self.fields}


def session_hash(session_id: str) -> bytes:
    """By this a session is found in its table."""
    return sha256(session_id.encode(errors="replace")).digest()


@dataclass(slots=True)
class _Session:
    """`stored` is false as long as only this request knows of the session."""

    session_id: str
    completed: JsonObject
    stored: bool

    @property
    def hash(self) -> bytes:
        return session_hash(self.session_id)


class InteractiveAuth:
    """Leads clients through stages. Sessions are in the database, so that any process can go on with them."""

    def __init__(self, db: Database, clock: Clock, randomness: Randomness) -> None:
        self._db = db
        self._clock = clock
        self._randomness = randomness

    async def require(
        self, operation: Operation, flows: Sequence[Flow], auth: JsonObject | None
    ) -> JsonObject:
        """Returns the results of the stages by their types once all of one flow are completed.

        Until then raises AuthenticationRequired. Raises Unknown for a session that does not exist (any more),
        Forbidden for one that was begun for another operation, BadJson where `auth` makes no sense.
        """
        auth = auth or {}
        session = await self._session(operation, auth)
        failure = None
        stage_type = _text(auth, "type")
        if stage_type is not None and stage_type not in session.completed:
            failure = await self._attempt(session, operation, flows, auth)
        if any(_missing(flow, session) == [] for flow in flows):
            return session.completed
        if not session.stored:
            await self._store(session, operation)
        raise AuthenticationRequired(failure, **_progress(session, flows))

    async def complete(self, session_id: str, stage: Stage, auth: JsonObject) -> None:
        """Lets the user go through a stage on a page of ours, for clients that cannot.

        The client learns of it when it asks again with the session alone. Raises Unknown for a session that does
        not exist, and what the stage does where the proof fails.
        """
        session = _Session(session_id, {}, stored=True)
        await self.check_session(session_id)
        result = await stage.attempt(auth, None)
        await self._db.write(complete_stage, session.hash, stage.type, result)

    async def check_session(self, session_id: str) -> None:
        """Raises Unknown."""
        session = _Session(session_id, {}, stored=True)
        if await self._db.read(session_by_hash, session.hash, self._clock.now_ms()) is None:
            raise Unknown(_NO_SESSION)

    async def forget_expired(self) -> None:
        """For an hourly task."""
        await self._db.write(delete_expired_sessions, self._clock.now_ms())

    async def _session(self, operation: Operation, auth: JsonObject) -> _Session:
        session_id = _text(auth, "session")
        if session_id is None:
            return _Session(self._randomness.token(_SESSION_ID_LENGTH), {}, stored=False)
        session = _Session(session_id, {}, stored=True)
        stored = await self._db.read(session_by_hash, session.hash, self._clock.now_ms())
        if stored is None:
            raise Unknown(_NO_SESSION)
        if not hmac.compare_digest(stored.request_mac, _request_mac(session_id, operation)):
            raise Forbidden("The request changed during its interactive authentication")
        session.completed = stored.completed
        return session

    async def _attempt(
        self, session: _Session, operation: Operation, flows: Sequence[Flow], auth: JsonObject
    ) -> MatrixError | None:
        stage = next((stage for stage in _next_stages(session, flows) if stage.type == auth["type"]), None)
        if stage is None:
            return Forbidden("This stage is not the next of any flow")
        try:
            result = await stage.attempt(auth, operation.user_id)
        except _FAILURES as failure:
            return failure
        if session.stored:
            session.completed = await self._db.write(complete_stage, session.hash, stage.type, result)
        else:
            session.completed[stage.type] = result
        return None

    async def _store(self, session: _Session, operation: Operation) -> None:
        stored = StoredSession(_request_mac(session.session_id, operation), session.completed)
        expires_at = self._clock.now_ms() + _LIFETIME // timedelta(milliseconds=1)
        await self._db.write(insert_interactive_session, session.hash, stored, expires_at)


def _next_stages(session: _Session, flows: Sequence[Flow]) -> Iterable[Stage]:
    """The stages that may come now: those of a flow are completed in its order."""
    for flow in flows:
        missing = _missing(flow, session)
        if missing:
            yield missing[0]


def _missing(flow: Flow, session: _Session) -> list[Stage] | None:
    """What is left of a flow; None where something was completed that does not belong to it."""
    if not session.completed.keys() <= {stage.type for stage in flow}:
        return None
    return [stage for stage in flow if stage.type not in session.completed]


def _progress(session: _Session, flows: Sequence[Flow]) -> JsonObject:
    stages = [stage for flow in flows for stage in flow]
    fields: JsonObject = {
        "session": session.session_id,
        "flows": [{"stages": [stage.type for stage in flow]} for flow in flows],
        "params": {stage.type: stage.params() for stage in stages if stage.params()},
    }
    if session.completed:
        fields["completed"] = list(session.completed)
    return fields


def _request_mac(session_id: str, operation: Operation) -> bytes:
    request = canonical_json([operation.name, operation.body, operation.user_id])
    return hmac.digest(session_id.encode(errors="replace"), request, "sha256")


def _text(auth: JsonObject, key: str) -> str | None:
    value = auth.get(key)
    if value is not None and not isinstance(value, str):
        raise BadJson(f"auth.{key} must be a string")
    return value
