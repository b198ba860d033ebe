"""What a log line is about, through coroutines and threads."""

import logging

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from homeserver.runtime.log_context import (
    LogContextFilter,
    add_to_log_context,
    current_log_context,
    log_context,
)
from homeserver.runtime.threads import ThreadGroup


def test_blocks_nest() -> None:
    with log_context(request="GET-1"):
        with log_context(user="@a:test"):
            assert current_log_context() == {"request": "GET-1", "user": "@a:test"}
        assert current_log_context() == {"request": "GET-1"}
    assert current_log_context() == {}


def test_what_is_added_ends_with_the_block() -> None:
    with log_context(request="GET-1"):
        add_to_log_context(user="@a:test")
        assert current_log_context() == {"request": "GET-1", "user": "@a:test"}
    assert current_log_context() == {}


def test_an_error_ends_the_block_too() -> None:
    try:
        with log_context(request="GET-1"):
            raise ValueError
    except ValueError:
        assert current_log_context() == {}


def test_coroutines_that_take_turns_keep_their_own() -> None:
    seen: list[tuple[str, str]] = []
    turns: dict[str, Deferred[None]] = {"one": Deferred(), "two": Deferred()}

    async def work(name: str) -> None:
        with log_context(request=name):
            await turns[name]
            seen.append((name, current_log_context()["request"]))

    for name in turns:
        Deferred.fromCoroutine(work(name))
    assert current_log_context() == {}
    with log_context(request="whoever fires it"):
        turns["two"].callback(None)
        turns["one"].callback(None)
    assert seen == [("two", "two"), ("one", "one")]


def test_filter_puts_the_context_on_the_record() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "", (), None)
    with log_context(request="GET-1"):
        assert LogContextFilter().filter(record)
    assert vars(record)["context"] == {"request": "GET-1"}


class ThreadTests(TestCase):
    async def test_threads_know_it_and_forget_it(self) -> None:
        threads = ThreadGroup(reactor, "test", 1)
        self.addCleanup(threads.stop)
        with log_context(request="GET-1"):
            inside = await threads.run(lambda: dict(current_log_context()))
        self.assertEqual(inside, {"request": "GET-1"})
        self.assertEqual(await threads.run(lambda: dict(current_log_context())), {})
