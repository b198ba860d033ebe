"""The command line of scripts/simulate."""

import argparse
import time
from collections.abc import Sequence

from tests.simulation.play import DEEDS, play

_MOST_SHOWN = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 when nothing was wrong after any story, otherwise 1."""
    options = _parse(arguments)
    failed = 0
    for seed in range(options.first, options.first + options.seeds):
        started = time.perf_counter()
        wrong = play(str(seed), options.deeds)
        failed += bool(wrong)
        verdict = "good" if not wrong else f"{len(wrong)} things are wrong"
        print(f"seed {seed}: {verdict} ({time.perf_counter() - started:.1f} s)", flush=True)
        for line in wrong[:_MOST_SHOWN]:
            print(f"  {line}")
        if wrong:
            print(f"  again: scripts/simulate --from {seed} --seeds 1 --deeds {options.deeds}", flush=True)
    print(f"{options.seeds - failed} of {options.seeds} stories ended well")
    return 1 if failed else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/simulate",
        description="Plays stories: several servers in one process, on a virtual clock and a network that delays, "
        "loses and doubles messages, parts servers, and lets them crash. The same seed makes the same story.",
    )
    parser.add_argument("--seeds", type=int, default=20, help="how many stories (default: 20)")
    parser.add_argument("--from", type=int, default=1, dest="first", help="the first seed (default: 1)")
    parser.add_argument(
        "--deeds", type=int, default=DEEDS, help=f"how much happens in each (default: {DEEDS})"
    )
    return parser.parse_args(arguments)
