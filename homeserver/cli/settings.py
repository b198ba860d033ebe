"""Where every command takes its configuration from."""

import argparse
import os
from pathlib import Path

from config import Loaded, load

DEFAULT_DATA_DIR = Path("data")
CONFIG_NAME = "homeserver.yaml"


def declare_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help=f"configuration file, may be repeated; {CONFIG_NAME} in the data directory if none is given",
    )
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        type=Path,
        default=DEFAULT_DATA_DIR,
        help="where the server keeps what it makes (default: ./%(default)s)",
    )
    parser.add_argument(
        "-o",
        "--option",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="a setting over those of file and environment, such as log_level=debug; may be repeated",
    )


def load_settings(arguments: argparse.Namespace) -> Loaded:
    """Raises ConfigError."""
    usual = arguments.data_dir / CONFIG_NAME
    files = arguments.config or ([usual] if usual.is_file() else [])
    return load(files, data_dir=arguments.data_dir, environ=os.environ, overrides=arguments.option)
