"""Where registration files are: those that the configuration names, and those in a directory of their own."""

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from appservices.registration import Registration, RegistrationError, read_registration, read_registrations


class ServiceFiles:
    """Every `*.yaml` of `directory`, which need not exist, counts as if the configuration named it."""

    def __init__(self, files: Sequence[Path], directory: Path) -> None:
        self._files = files
        self._directory = directory

    def read(self) -> list[Registration]:
        """Raises RegistrationError."""
        return read_registrations([*self._files, *self._added()])

    def add(self, source: Path) -> Path:
        """Copies a file into the directory, where it replaces one for the same service.

        Raises RegistrationError where it is none, or cannot stand beside the others.
        """
        registration = read_registration(source)
        target = self._directory / f"{quote(registration.id, safe='')}.yaml"
        others = [path for path in (*self._files, *self._added()) if path != target]
        read_registrations([*others, source])
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _replace(target, source.read_bytes())
        return target

    def remove(self, service_id: str) -> Path:
        """Deletes the service's file from the directory. Raises RegistrationError where it is elsewhere, or nowhere."""
        for path in self._added():
            if read_registration(path).id == service_id:
                path.unlink()
                return path
        for path in self._files:
            if read_registration(path).id == service_id:
                raise RegistrationError(f"{path} is named by app_service_config_files; remove it there")
        raise RegistrationError(
            f"No application service is called {service_id}; `folkmoot appservice list` tells"
        )

    def _added(self) -> list[Path]:
        return sorted(self._directory.glob("*.yaml"))


def _replace(path: Path, content: bytes) -> None:
    """Whole or not at all, and for the owner's eyes only: there are secrets in it."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(path)
