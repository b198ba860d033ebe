from collections.abc import Sequence
from datetime import timedelta

from homeserver.accounts.interactive_auth import (
    AuthenticationRequired,
    Flow,
    InteractiveAuth,
    Operation,
)
from homeserver.accounts.tests.serving import AccountsTestCase
from homeserver.protocol.errors import BadJson, Forbidden, LimitExceeded, Unknown
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import JsonObject, JsonValue


class Riddle:
    """A stage whose answer is its name; remembers who was asked."""

    def __init__(self, name: str, **params: JsonValue) -> None:
        self.type = name
        self._params = params
        self.attempts = 0

    def params(self) -> JsonObject:
        return self._params

    async def attempt(self, auth: JsonObject, user_id: UserID | None) -> JsonValue:
        self.attempts += 1
        if auth.get("answer") == "too fast":
            raise LimitExceeded("Too many requests", retry_after_ms=1)
        if auth.get("answer") != self.type:
            raise Forbidden("Wrong answer")
        return user_id


ALICE = UserID("@alice:test")
OPERATION = Operation("POST /something", {"x": 1}, ALICE)


class InteractiveAuthTests(AccountsTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.first, self.second, self.other = Riddle("first"), Riddle("second", hint="2"), Riddle("other")
        self.flows: Sequence[Flow] = [[self.first, self.second], [self.first, self.other]]

    def ask(self, auth: JsonObject | None = None, operation: Operation = OPERATION) -> JsonObject:
        """What the client is told."""
        required = self.failure_of(
            self.interactive_auth.require(operation, self.flows, auth), AuthenticationRequired
        )
        self.assertEqual(required.status, 401)
        body: JsonObject = required.body()
        return body

    def done(self, auth: JsonObject) -> JsonObject:
        return self.result_of(self.interactive_auth.require(OPERATION, self.flows, auth))

    def answer(self, session: str, stage: str) -> JsonObject:
        return {"session": session, "type": stage, "answer": stage}

    def test_what_a_client_is_told_first(self) -> None:
        told = self.ask()
        self.assertEqual(
            told,
            {
                "session": told["session"],
                "flows": [{"stages": ["first", "second"]}, {"stages": ["first", "other"]}],
                "params": {"second": {"hint": "2"}},
            },
        )

    def test_through_each_flow(self) -> None:
        for last in ("second", "other"):
            session = self.ask()["session"]
            told = self.ask(self.answer(session, "first"))
            self.assertEqual((told["session"], told["completed"]), (session, ["first"]))
            self.assertNotIn("errcode", told)
            self.assertEqual(self.done(self.answer(session, last)), {"first": ALICE, last: ALICE})

    def test_first_stage_without_a_session(self) -> None:
        told = self.ask({"type": "first", "answer": "first"})
        self.assertEqual(told["completed"], ["first"])
        self.done(self.answer(told["session"], "second"))

    def test_wrong_answer_can_be_tried_again(self) -> None:
        session = self.ask()["session"]
        told = self.ask({"session": session, "type": "first", "answer": "?"})
        self.assertEqual(
            (told["errcode"], told["error"], told["session"]), ("M_FORBIDDEN", "Wrong answer", session)
        )
        self.assertNotIn("completed", told)
        self.assertEqual(self.ask(self.answer(session, "first"))["completed"], ["first"])

    def test_stages_come_in_order(self) -> None:
        session = self.ask()["session"]
        told = self.ask(self.answer(session, "second"))
        self.assertEqual(told["errcode"], "M_FORBIDDEN")
        self.assertEqual(self.second.attempts, 0)
        self.ask(self.answer(session, "first"))
        self.done(self.answer(session, "second"))

    def test_unknown_stage(self) -> None:
        self.assertEqual(self.ask({"type": "nonsense"})["errcode"], "M_FORBIDDEN")

    def test_completed_stage_is_not_attempted_again(self) -> None:
        session = self.ask()["session"]
        for _ in range(2):
            self.assertEqual(self.ask(self.answer(session, "first"))["completed"], ["first"])
        self.assertEqual(self.first.attempts, 1)

    def test_how_far_it_is_can_be_asked(self) -> None:
        session = self.ask()["session"]
        self.ask(self.answer(session, "first"))
        self.assertEqual(self.ask({"session": session})["completed"], ["first"])

    def test_completed_session_serves_a_repeated_request(self) -> None:
        session = self.ask()["session"]
        self.ask(self.answer(session, "first"))
        for _ in range(2):
            self.done(self.answer(session, "second"))
        self.assertEqual(self.second.attempts, 1)

    def test_operation_may_not_change(self) -> None:
        session = self.ask()["session"]
        for operation in (
            Operation("POST /else", {"x": 1}, ALICE),
            Operation("POST /something", {"x": 2}, ALICE),
            Operation("POST /something", {"x": 1}, UserID("@mallory:test")),
            Operation("POST /something", {"x": 1}, None),
        ):
            attempt = self.interactive_auth.require(operation, self.flows, self.answer(session, "first"))
            self.failure_of(attempt, Forbidden)
        self.assertEqual(self.first.attempts, 0)

    def test_too_fast_is_no_wrong_answer(self) -> None:
        auth = {"type": "first", "answer": "too fast"}
        self.failure_of(self.interactive_auth.require(OPERATION, self.flows, auth), LimitExceeded)

    def test_any_process_can_go_on(self) -> None:
        session = self.ask()["session"]
        self.ask(self.answer(session, "first"))
        self.interactive_auth = InteractiveAuth(self.db, self.clock, self.randomness)
        self.done(self.answer(session, "second"))

    def test_odd_auth(self) -> None:
        odd: list[JsonObject] = [{"type": 1}, {"session": {}}]
        for auth in odd:
            self.failure_of(self.interactive_auth.require(OPERATION, self.flows, auth), BadJson)
        self.failure_of(self.interactive_auth.require(OPERATION, self.flows, {"session": "\0"}), Unknown)

    def test_sessions_expire_and_are_deleted(self) -> None:
        session = self.ask()["session"]
        self.result_of(self.interactive_auth.forget_expired())
        self.assertEqual(self.count("account_interactive_auth"), 1)
        self.reactor.advance(timedelta(days=1).total_seconds())
        attempt = self.interactive_auth.require(OPERATION, self.flows, self.answer(session, "first"))
        self.failure_of(attempt, Unknown)
        self.result_of(self.interactive_auth.forget_expired())
        self.assertEqual(self.count("account_interactive_auth"), 0)
