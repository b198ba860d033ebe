"""Some stories; `scripts/simulate --seeds 1000` plays more."""

import os
import subprocess
import sys
from pathlib import Path

SIMULATE = Path(__file__).resolve().parents[2] / "scripts/simulate"
SEEDS = os.environ.get("FOLKMOOT_TEST_SEEDS", "15")
_MOST_SECONDS = 900


def test_stories() -> None:
    """In a process of their own, because the order of sets is part of a story."""
    command = [sys.executable, str(SIMULATE), "--seeds", SEEDS]
    played = subprocess.run(command, capture_output=True, text=True, timeout=_MOST_SECONDS, check=False)
    assert played.returncode == 0, played.stdout + played.stderr
    assert f"{SEEDS} of {SEEDS} stories ended well" in played.stdout
