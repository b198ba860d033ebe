"""Bots and bridges that act for many users."""

from dataclasses import dataclass

from config.kinds import FilePath
from config.option import option


@dataclass(frozen=True, slots=True, kw_only=True)
class AppServices:
    """Application services."""

    files: tuple[FilePath, ...] = option(
        (),
        "Registration files of bots and bridges, which these programs write. The files are read again on SIGHUP.",
        key="app_service_config_files",
    )
    legacy_authorization: bool = option(
        False,
        "Whether services are sent their token in the query of the URL, too: for those from before 2023, and at the"
        " risk that it turns up in logs.",
        key="use_appservice_legacy_authorization",
    )
