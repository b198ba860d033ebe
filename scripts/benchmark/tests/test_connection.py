import asyncio

import pytest

from scripts.benchmark.connection import Answer, AnswerReader, Connection, ProtocolError

WITH_LENGTH = b"HTTP/1.1 201 Created\r\nServer: x\r\nCONTENT-LENGTH:  4\r\n\r\nbody"
IN_CHUNKS = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3;note=1\r\nbod\r\n"
    b"B\r\ny\r\n0\r\n\r\n123\r\n"
    b"0\r\n\r\n"
)


@pytest.mark.parametrize(
    ("wire", "answer"),
    [(WITH_LENGTH, Answer(201, b"body")), (IN_CHUNKS, Answer(200, b"body\r\n0\r\n\r\n123"))],
)
@pytest.mark.parametrize("piece", [1, 2, 7, 1000])
def test_an_answer_is_whole_when_its_last_byte_is_in(wire: bytes, answer: Answer, piece: int) -> None:
    reader = AnswerReader()
    results = [reader.feed(wire[start : start + piece]) for start in range(0, len(wire), piece)]
    assert results[-1] == answer
    assert not any(results[:-1])


def test_an_empty_body_is_an_answer() -> None:
    assert AnswerReader().feed(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") == Answer(200, b"")


@pytest.mark.parametrize("head", [b"SSH-2.0-OpenSSH_9\r\n\r\n", b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n"])
def test_what_is_not_an_answer_is_refused(head: bytes) -> None:
    with pytest.raises(ProtocolError):
        AnswerReader().feed(head)


class ScriptedServer(asyncio.Protocol):
    """Gives the answers of the script, one for every request, and closes the connection after "close"."""

    requests: list[bytes]

    def __init__(self, script: list[bytes]) -> None:
        self._script = script
        self.requests = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self.requests.append(data)
        answer = self._script.pop(0)
        self._transport.write(answer.removesuffix(b"close"))
        if answer.endswith(b"close"):
            self._transport.close()


async def ask(script: list[bytes], times: int) -> tuple[list[Answer], list[bytes]]:
    """The answers to as many requests on one connection, and what the server received."""
    scripted = ScriptedServer(script)
    server = await asyncio.get_running_loop().create_server(lambda: scripted, "127.0.0.1", 0)
    connection = Connection(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", "secret")
    try:
        answers = []
        for _ in range(times):
            answers.append(await connection.request("PUT", "/path?a=b", b"{}"))
            await asyncio.sleep(0.01)  # for the server's closing to arrive
    finally:
        connection.close()
        server.close()
    return answers, scripted.requests


def test_requests_carry_token_and_length_and_outlive_a_closed_connection() -> None:
    answers, requests = asyncio.run(ask([WITH_LENGTH, IN_CHUNKS + b"close", WITH_LENGTH], 3))
    assert [answer.status for answer in answers] == [201, 200, 201]
    head, _, body = requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"PUT /path?a=b HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nAuthorization: Bearer secret\r\n" in head
    assert head.endswith(b"\r\nContent-Length: 2")
    assert body == b"{}"


@pytest.mark.parametrize(
    "broken", [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalfclose", b"nonsense\r\n\r\n"]
)
def test_a_connection_that_breaks_says_so(broken: bytes) -> None:
    with pytest.raises(ProtocolError):
        asyncio.run(ask([broken], 1))
