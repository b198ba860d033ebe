"""Loading settings from what a test writes down."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from config import ConfigError, Loaded, load

Configure = Callable[..., Loaded]
Mistakes = Callable[..., list[str]]


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    """Loads a file with `server_name: example.org` and the given text; the data directory is `tmp_path`."""

    def configure(
        text: str = "", *, environ: Mapping[str, str] | None = None, overrides: Sequence[str] = ()
    ) -> Loaded:
        file = tmp_path / "homeserver.yaml"
        file.write_text("server_name: example.org\n" + text, encoding="utf-8")
        return load([file], data_dir=tmp_path, environ=environ or {}, overrides=overrides)

    return configure


@pytest.fixture
def mistakes(configure: Configure, tmp_path: Path) -> Mistakes:
    """The problems in such a file, with paths relative to `tmp_path`."""

    def mistakes(
        text: str = "", *, environ: Mapping[str, str] | None = None, overrides: Sequence[str] = ()
    ) -> list[str]:
        with pytest.raises(ConfigError) as refusal:
            configure(text, environ=environ, overrides=overrides)
        return str(refusal.value).replace(f"{tmp_path}/", "").splitlines()

    return mistakes
