"""Texts for people, from Jinja templates: those of this package, or the operator's own of the same names."""

from pathlib import Path

from jinja2 import (
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PackageLoader,
    StrictUndefined,
    select_autoescape,
)


class Templates:
    """Fills templates in. What goes into HTML is escaped; a name that a template asks for and nobody gives is an
    error."""

    def __init__(self, directory: Path | None, server_name: str) -> None:
        """`directory` holds the operator's own templates, if any."""
        own = [] if directory is None else [FileSystemLoader(directory)]
        self._environment = Environment(
            loader=ChoiceLoader([*own, PackageLoader("homeserver.templates", "files")]),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals["server_name"] = server_name

    def render(self, name: str, **values: object) -> str:
        return self._environment.get_template(name).render(**values)
