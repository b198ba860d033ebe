"""Settings of the Python interpreter that suit a server with one busy thread and a few that wait for a database."""

import gc
import sys

_SWITCH_SECONDS = 0.0005
_ALLOCATIONS_BETWEEN_COLLECTIONS = 20_000


def tune_interpreter() -> None:
    """To be called once everything that lives as long as the server has been made."""
    # The writer gives the interpreter lock away with every statement. Waiting the usual 5 ms to get it back from
    # a busy reactor made each group commit take tens of milliseconds.
    sys.setswitchinterval(_SWITCH_SECONDS)
    # Modules and services never become garbage, so the collector need not walk through them again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS_BETWEEN_COLLECTIONS, 20, 20)
