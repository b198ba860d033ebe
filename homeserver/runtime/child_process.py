"""Work that leaves nothing behind in this process, neither modules nor memory."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection


def run_apart(work: Callable[[], object]) -> None:
    """Runs `work` in a child process and waits for it; raises what it raised.

    The child is a copy of this process, so this is only for a time before there are threads.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_tell, args=(work, sender))
    child.start()
    sender.close()
    failure = _received(receiver)
    child.join()
    if failure is not None:
        raise failure
    if child.exitcode != 0:
        raise ChildProcessError(f"The child process ended with exit code {child.exitcode}")


def _tell(work: Callable[[], object], sender: Connection) -> None:
    try:
        work()
    except Exception as error:
        sender.send(error)


def _received(receiver: Connection) -> Exception | None:
    try:
        failure: Exception = receiver.recv()
    except EOFError:
        return None
    return failure
