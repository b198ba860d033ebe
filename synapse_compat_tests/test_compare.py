"""The comparison itself, between servers that have one answer each."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from synapse_compat_tests.compare import Deliberate, Stage, compare
from tests.client import Json


@contextmanager
def serving(answer: Json) -> Iterator[str]:
    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def ask(stage: Stage) -> None:
    stage.anonymous.get("/answer")


def compare_answers(one: Json, other: Json, *deliberate: Deliberate) -> None:
    with serving(one) as first, serving(other) as second:
        compare(ask, {"first": first, "second": second}, deliberate)


def test_servers_choose_their_own_ids() -> None:
    compare_answers({"room_id": "!jEsUZKDJdhlrceRyVU:a"}, {"room_id": "!sEjUZKDJdhlrceRyVU:a"})


def test_a_difference_is_shown_where_it_is() -> None:
    with pytest.raises(AssertionError) as raised:
        compare_answers({"same": 1, "list": [1, 2]}, {"same": 1, "list": [1, 3]})
    shown = str(raised.value).splitlines()
    assert shown[:2] == ["--- first", "+++ second"]
    assert "-1 GET /_matrix/client/v3/answer 200 .list.1 = 2" in shown
    assert "+1 GET /_matrix/client/v3/answer 200 .list.1 = 3" in shown


def test_a_deliberate_difference_passes_and_others_do_not() -> None:
    deliberate = Deliberate("It is the second", "*.list.1")
    compare_answers({"list": [1, 2]}, {"list": [1, 3]}, deliberate)
    with pytest.raises(AssertionError, match=r"\.list\.0 = 4"):
        compare_answers({"list": [1, 2]}, {"list": [4, 3]}, deliberate)


def test_a_deliberate_difference_must_be_one() -> None:
    with pytest.raises(AssertionError, match=r"do not differ in \['\*\.other'\]"):
        compare_answers({"list": [1]}, {"list": [2]}, Deliberate("Old", "*.list.0", "*.other"))
