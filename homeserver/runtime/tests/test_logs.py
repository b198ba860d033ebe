"""What operators read in the log, by default and with a configuration of their own."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import ConfigError
from config.observability import Logging
from homeserver.runtime.log_context import log_context
from homeserver.runtime.logs import set_up_logs

log = logging.getLogger("homeserver.test_logs")


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Logging is one for the whole process, and pytest has its own use for it."""
    root = logging.getLogger()
    before = (logging.getLogRecordFactory(), root.handlers[:], root.level, logging.getLogger("twisted").level)
    root.handlers = []
    yield
    logging.setLogRecordFactory(before[0])
    root.handlers, root.level = before[1], before[2]
    logging.getLogger("twisted").setLevel(before[3])


def test_line_says_when_where_and_about_what(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(Logging())
    with log_context(request="GET-7", user="@alice:localhost"):
        log.warning("so %s", "it is")
    date, time, *rest = capsys.readouterr().err.split(" ", 2)
    assert (len(date), len(time)) == (10, 12)
    assert rest == ["WARNING homeserver.test_logs [GET-7 @alice:localhost] so it is\n"]


def test_json_lines_carry_the_context_and_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(Logging(format="json"))
    with log_context(request="GET-7"):
        try:
            raise ValueError("oh")
        except ValueError:
            log.exception("bad")
    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["message"], line["request"]) == ("ERROR", "bad", "GET-7")
    assert line["time"].endswith("+00:00")
    assert line["exception"].endswith("ValueError: oh")


def test_level_is_obeyed_and_twisted_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(Logging(level="warning"))
    log.info("hidden")
    set_up_logs(Logging(level="debug"))
    log.debug("shown")
    logging.getLogger("twisted").info("Site starting on 8008")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("shown")


@pytest.mark.parametrize(
    "text",
    [
        "GET /sync?access_token=S3cret&since=1",
        "{'Authorization': 'Bearer S3cret'}",
        '{"password": "S3cret", "user": "a"}',
        "connecting to postgresql://folkmoot:S3cret@db/folkmoot",
    ],
)
def test_secrets_are_hidden(capsys: pytest.CaptureFixture[str], text: str) -> None:
    set_up_logs(Logging())
    log.warning("%s", text)
    assert text.replace("S3cret", "<hidden>") in capsys.readouterr().err


def test_addresses_are_no_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(Logging())
    log.warning("http://localhost:8008/ @alice:example.org")
    assert "http://localhost:8008/ @alice:example.org" in capsys.readouterr().err


SYNAPSE_STYLE = """
version: 1
formatters:
  precise: {format: '%(asctime)s - %(name)s - %(lineno)d - %(levelname)s - %(request)s - %(message)s'}
filters:
  context: {(): synapse.logging.context.LoggingContextFilter, request: ""}
handlers:
  file: {class: logging.FileHandler, formatter: precise, filters: [context], filename: FILE}
  buffer: {class: synapse.logging.handlers.PeriodicallyFlushingHandler, target: file, capacity: 10, period: 5}
root: {level: INFO, handlers: [buffer]}
"""


def test_log_configuration_of_synapse_is_understood(tmp_path: Path) -> None:
    config, file = tmp_path / "log.yaml", tmp_path / "server.log"
    config.write_text(SYNAPSE_STYLE.replace("FILE", str(file)))
    set_up_logs(Logging(config=config))
    with log_context(request="PUT-3"):
        log.info("hello")
    assert file.read_text().endswith("- INFO - PUT-3 - hello\n")


def test_set_up_again_opens_rotated_files_anew(tmp_path: Path) -> None:
    config, file = tmp_path / "log.yaml", tmp_path / "server.log"
    config.write_text(SYNAPSE_STYLE.replace("FILE", str(file)))
    set_up_logs(Logging(config=config))
    log.info("before")
    file.rename(tmp_path / "server.log.1")
    set_up_logs(Logging(config=config))
    log.info("after")
    assert file.read_text().count("\n") == 1
    assert "after" in file.read_text()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "cannot be read"),
        ("a: [", "cannot be read"),
        ("- 1", "no mapping"),
        ("{}", "version"),
        ("version: 1\nhandlers: {x: {class: no.such.Class}}", "no.such"),
        ("version: 1\nroot: {level: LOUD}", "LOUD"),
    ],
)
def test_useless_log_configuration_is_refused(tmp_path: Path, text: str | None, reason: str) -> None:
    config = tmp_path / "log.yaml"
    if text is not None:
        config.write_text(text)
    with pytest.raises(ConfigError, match=reason) as caught:
        set_up_logs(Logging(config=config))
    assert str(config) in str(caught.value)
