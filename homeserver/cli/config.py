"""Checks and shows the configuration, and documents every setting."""

import argparse
import sys

from config.rendering import render_docs, render_effective
from homeserver.cli.settings import declare_settings, load_settings


def declare(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "examples:\n"
        "  folkmoot config check -c homeserver.yaml\n"
        "  folkmoot config show -o server_name=example.org\n"
        "  folkmoot config docs > settings.md"
    )
    actions = parser.add_subparsers(
        dest="action", metavar="ACTION", required=True, parser_class=argparse.ArgumentParser
    )
    check = actions.add_parser("check", help="say what is wrong; settings without effect are errors too")
    declare_settings(check)
    show = actions.add_parser("show", help="print all settings with their values, secrets hidden")
    declare_settings(show)
    actions.add_parser("docs", help="print a reference of all settings in Markdown")


def run(arguments: argparse.Namespace) -> int:
    if arguments.action == "docs":
        print(render_docs(), end="")
        return 0
    loaded = load_settings(arguments)
    if arguments.action == "show":
        print(render_effective(loaded.config), end="")
        return 0
    for warning in loaded.warnings:
        print(f"folkmoot: {warning}", file=sys.stderr)
    if loaded.warnings:
        return 2
    print("The configuration is good.")
    return 0
