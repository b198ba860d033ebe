"""A real Synapse, from the Python Package Index, in an environment of its own: ./.venv-synapse."""

import fcntl
import hashlib
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

_PROJECT = Path(__file__).resolve().parent.parent
_ENVIRONMENT = _PROJECT / ".venv-synapse"
_LOCKED = _PROJECT / "requirements/synapse.txt"


@cache
def synapse_python() -> Path:
    """The interpreter that has Synapse: FOLKMOOT_SYNAPSE_PYTHON, or ./.venv-synapse's, made on first use.

    Raises subprocess.CalledProcessError where it cannot be installed.
    """
    given = os.environ.get("FOLKMOOT_SYNAPSE_PYTHON")
    if given:
        return Path(given)
    # The programs in an environment know where it is.
    wanted = hashlib.sha256(_LOCKED.read_bytes() + bytes(_ENVIRONMENT)).hexdigest()
    stamp = _ENVIRONMENT / "stamp"
    # Two who start at once may both find that it is missing. The lock is on a file that is there anyway.
    with _LOCKED.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            _install()
            stamp.write_text(wanted)
    return _ENVIRONMENT / "bin/python"


def _install() -> None:
    print(f"Installing Synapse into {_ENVIRONMENT}", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", _ENVIRONMENT], check=True)
    pip = [str(_ENVIRONMENT / "bin/python"), "-m", "pip", "--quiet", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--require-hashes", "--requirement", str(_LOCKED)], check=True)
