"""Runs the server until SIGTERM or SIGINT end it; a second one ends it at once.

On SIGHUP it reads the TLS certificate again and opens its log files anew."""

import argparse
import logging
import os
import signal
from types import FrameType
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from config import Config, ConfigError
from homeserver.app import Server, Surroundings, build
from homeserver.cli.installation import prepare
from homeserver.cli.settings import declare_settings, load_settings
from homeserver.http.tls import CertificateError
from homeserver.runtime.interpreter import tune_interpreter
from homeserver.runtime.logs import set_up_logs, take_over_twisted_logs
from homeserver.runtime.randomness import Randomness
from homeserver.runtime.threads import ThreadGroup

log = logging.getLogger(__name__)

# The best one of the platform. Its type is an interface of Zope's, which says nothing to mypy.
reactor: Any = _reactor

_ENDING = (signal.SIGTERM, signal.SIGINT)


def declare(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "examples:\n"
        "  folkmoot serve --data-dir /var/lib/folkmoot\n"
        "  folkmoot serve -c homeserver.yaml -o log_level=debug"
    )
    declare_settings(parser)


def run(arguments: argparse.Namespace) -> int:
    loaded = load_settings(arguments)
    config = loaded.config
    set_up_logs(config.logging)
    for warning in loaded.warnings:
        log.warning("%s", warning)
    engine, key = prepare(config)
    take_over_twisted_logs()
    around = Surroundings(reactor, lambda name, size: ThreadGroup(reactor, name, size), Randomness())
    Life(build(config, engine, key, around), config, reactor).live()
    return 0


class Life:
    """One run of the server, from its start to the signal that ends it."""

    def __init__(self, server: Server, config: Config, reactor: Any) -> None:
        self._server = server
        self._config = config
        self._reactor = reactor
        self._pid_file = config.server.pid_file
        self._end: Deferred[None] = Deferred()
        self._failure: Failure | None = None

    def live(self) -> None:
        """Returns after the server was ended; raises what kept it from starting."""
        self._reactor.callWhenRunning(self._begin)
        self._reactor.run()
        if self._failure is not None:
            self._failure.raiseException()

    def _begin(self) -> None:
        # Now, because the reactor has set its own before.
        for number in _ENDING:
            signal.signal(number, self._on_end)
        signal.signal(signal.SIGHUP, self._on_hang_up)
        running = Deferred.fromCoroutine(self._run())
        running.addErrback(self._failed)
        running.addBoth(lambda _: self._reactor.stop())

    async def _run(self) -> None:
        try:
            await self._server.start()
            self._server.listen()
            tune_interpreter()
            if self._pid_file is not None:
                self._pid_file.write_text(f"{os.getpid()}\n")
            print(_greeting(self._config.server.server_name, self._server.listeners.urls), flush=True)
            await self._end
            log.info("stopping")
        finally:
            await self._server.stop()
            if self._pid_file is not None:
                self._pid_file.unlink(missing_ok=True)

    def _failed(self, failure: Failure) -> None:
        self._failure = failure

    def _on_end(self, _number: int, _frame: FrameType | None) -> None:
        for number in _ENDING:
            signal.signal(number, signal.SIG_DFL)
        self._reactor.callFromThread(self._end.callback, None)

    def _on_hang_up(self, _number: int, _frame: FrameType | None) -> None:
        self._reactor.callFromThread(self._renew)

    def _renew(self) -> None:
        for renew in (lambda: set_up_logs(self._config.logging), self._server.listeners.renew_certificate):
            try:
                renew()
            except (ConfigError, CertificateError) as error:
                log.error("%s", error)
        self._server.renew()
        log.info("read the TLS certificate, the log configuration and the registrations of services again")


def _greeting(server_name: str, urls: list[str]) -> str:
    where = f": {', '.join(urls)}" if urls else ""
    return f"Folkmoot is ready{where} (server name {server_name})"
