"""Invitations to rooms elsewhere, found in the order in which they came."""

from homeserver.storage.upgrade import run_sql

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    run_sql(
        """
        CREATE INDEX room_elsewhere_invited ON room_elsewhere (position) WHERE membership = 'invite';
        """
    )
