"""Processes that make thumbnails, and an end to those that take too long."""

import json
import logging
import socket
import subprocess
import sys
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

from homeserver.media.pictures.jobs import Job, Made
from homeserver.runtime.threads import Threads

log = logging.getLogger(__name__)

# -I: neither the environment nor the current directory has a say in what it runs. It imports Pillow, so we need not.
_PYTHON = (sys.executable, "-I", "-c")
_PROGRAM = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from homeserver.media.pictures.child import main
main(*map(int, sys.argv[1:]))
"""
_SECONDS = 20.0
_LONGEST_ANSWER = 4096
# What is there before a picture is, and for each of its pixels: a decoded one, a copy, and what decoders remember.
_MEMORY = 192 * 1024 * 1024
_MEMORY_OF_PIXEL = 12


class PictureTooLarge(Exception):
    """It has more pixels than are looked at."""


class NoPicture(Exception):
    """No thumbnail can be made of it; the text says why, in words for a log."""


class Workers:
    """As many processes as `threads`, each of which waits for one. They start when they are needed."""

    def __init__(self, threads: Threads, max_pixels: int, seconds: float = _SECONDS) -> None:
        self._threads = threads
        self._max_pixels = max_pixels
        self._seconds = seconds
        self._lock = Lock()
        self._idle: list[Worker] = []
        self._stopped = False

    async def make(self, source: BinaryIO, target: BinaryIO, job: Job) -> Made:
        """Writes the thumbnail of a picture into a file.

        Both files are real ones. Raises PictureTooLarge, NoPicture.
        """
        return await self._threads.run(self._make, source, target, job)

    async def stop(self) -> None:
        """Waits for the work under way."""
        self._threads.stop()
        with self._lock:
            self._stopped = True
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.end()

    def _make(self, source: BinaryIO, target: BinaryIO, job: Job) -> Made:
        worker = self._free_worker()
        try:
            answer = worker.ask(source, target, job, self._seconds)
        except OSError as error:
            worker.end()
            raise NoPicture("it took more memory or time than it may") from error
        self._release(worker)
        if "too_large" in answer:
            raise PictureTooLarge
        if "failed" in answer:
            raise NoPicture(answer["failed"])
        return Made(**answer)

    def _free_worker(self) -> "Worker":
        with self._lock:
            worker = self._idle.pop() if self._idle else None
        if worker is None:
            return Worker(self._max_pixels)
        if worker.has_ended:
            worker.end()
            return self._free_worker()
        return worker

    def _release(self, worker: "Worker") -> None:
        with self._lock:
            if not self._stopped:
                self._idle.append(worker)
                return
        worker.end()


class Worker:
    """One process."""

    def __init__(self, max_pixels: int) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        memory = _MEMORY + _MEMORY_OF_PIXEL * max_pixels
        with theirs:
            self._process = subprocess.Popen(
                [*_PYTHON, _PROGRAM, str(memory), str(max_pixels), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={},
            )
        self._socket = ours

    @property
    def has_ended(self) -> bool:
        """Somebody else ended it, such as a system that was short of memory."""
        return self._process.poll() is not None

    def ask(self, source: BinaryIO, target: BinaryIO, job: Job, seconds: float) -> dict[str, Any]:
        """Raises OSError where it does not answer, in time or at all; it is of no use after that."""
        self._socket.settimeout(seconds)
        socket.send_fds(
            self._socket, [json.dumps(job._asdict()).encode()], [source.fileno(), target.fileno()]
        )
        answer = self._socket.recv(_LONGEST_ANSWER)
        if not answer:
            raise ConnectionResetError("the process has ended")
        decoded: dict[str, Any] = json.loads(answer)
        return decoded

    def end(self) -> None:
        self._socket.close()
        self._process.kill()
        self._process.wait()
