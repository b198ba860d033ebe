"""Compares our rules with Synapse's on as many random rooms as wanted:

python -m synapse_compat_tests.differential --graphs 5000 --seed 1
"""

import argparse
import sys
import time
import traceback
from collections.abc import Iterator, Sequence

from homeserver.protocol.room_versions import ROOM_VERSIONS
from synapse_compat_tests.differential.comparison import disagreements, explanation, judged_trials
from synapse_compat_tests.differential.synapse_process import SynapseFunctions, SynapseSide

_PROGRESS_SECONDS = 2.0


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    started = told = time.monotonic()
    with SynapseSide() as side:
        for done in range(options.graphs):
            version = options.versions[done % len(options.versions)]
            seed = options.seed + done // len(options.versions)
            if not _agree(version, seed, SynapseFunctions(side)):
                return 1
            if time.monotonic() - told > _PROGRESS_SECONDS:
                told = time.monotonic()
                print(f"{done + 1} of {options.graphs} agree", file=sys.stderr)
    print(f"All {options.graphs} agree, after {time.monotonic() - started:.0f} s")
    return 0


def _agree(version: str, seed: int, synapse: SynapseFunctions) -> bool:
    try:
        found = list(_surprises(version, seed, synapse))
    except Exception:
        found = [traceback.format_exc()]
    if found:
        print(*found, sep="\n")
        print(f"Again: python -m {__package__} --graphs 1 --versions {version} --seed {seed}")
    return not found


def _surprises(version: str, seed: int, synapse: SynapseFunctions) -> Iterator[str]:
    yield from disagreements(ROOM_VERSIONS[version], seed, synapse)
    for judged in judged_trials(ROOM_VERSIONS[version], seed, synapse):
        if not judged.is_agreed and isinstance(reason := explanation(judged), str):
            yield reason


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}", description=__doc__)
    parser.add_argument(
        "--graphs", type=int, default=1_000, metavar="N", help="how many rooms (default: 1000)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the first room (default: 1)")
    parser.add_argument(
        "--versions",
        nargs="+",
        choices=list(ROOM_VERSIONS),
        default=list(ROOM_VERSIONS),
        metavar="VERSION",
        help="room versions, in turn (default: all)",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
