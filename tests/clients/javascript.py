"""Scripts of matrix-js-sdk, run against a server."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

DIRECTORY = Path(__file__).parent / "js"
_INSTALLED = DIRECTORY / "node_modules"
_INSTALL_SECONDS = 300
_RUN_SECONDS = 240


def run_script(name: str, url: str) -> list[str]:
    """Runs a script, which is given the server's URL, to its end; the names of the checks that passed.

    Fails with the first check that did not, and what the library said.
    """
    process = subprocess.run(
        [_node(), DIRECTORY / name, url],
        cwd=DIRECTORY,
        capture_output=True,
        text=True,
        timeout=_RUN_SECONDS,
        check=False,
    )
    reports: list[dict[str, Any]] = [json.loads(line) for line in process.stdout.splitlines()]
    for report in reports:
        if "failed" in report:
            pytest.fail(f"{report['check']}: {report['failed']}\n\n{_end_of(process.stderr)}", pytrace=False)
    if process.returncode:
        pytest.fail(f"{name} ended with {process.returncode}\n\n{_end_of(process.stderr)}", pytrace=False)
    return [report["check"] for report in reports]


def _end_of(text: str) -> str:
    return "\n".join(text.splitlines()[-60:])


def _node() -> Path:
    """A Node.js that is new enough for the library comes with the packages, as Debian's is not."""
    _install()
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(os.uname().machine, "none")
    node = _INSTALLED / f"node-linux-{machine}" / "bin" / "node"
    if not node.is_file():
        pytest.skip(f"there is no Node.js in npm's packages for {os.uname().machine}")
    return node


def _install() -> None:
    """Once for each lock file."""
    lock, stamp = DIRECTORY / "package-lock.json", _INSTALLED / ".lock"
    if stamp.is_file() and stamp.read_bytes() == lock.read_bytes():
        return
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed, which fetches matrix-js-sdk (Debian: apt install npm)")
    installed = subprocess.run(
        [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=DIRECTORY,
        capture_output=True,
        text=True,
        timeout=_INSTALL_SECONDS,
        check=False,
    )
    if installed.returncode:
        pytest.skip(f"npm cannot fetch matrix-js-sdk: {_end_of(installed.stderr)}")
    stamp.write_bytes(lock.read_bytes())
