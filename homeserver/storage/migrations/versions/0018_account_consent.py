"""Passwords from Synapse, users' own rate limits, when they proved who they are, refresh tokens that were used up."""

from homeserver.storage.upgrade import run_sql

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    run_sql(
        """
        -- Accounts whose users have not logged in since they came from Synapse; then they get another hash.
        CREATE INDEX account_imported_hash ON account (user_nid) WHERE substr(password_hash, 1, 2) = '$2';

        -- How fast the user may send events, where an administrator said so: NULL is as all others, 0 without limit.
        ALTER TABLE account ADD COLUMN messages_per_second BIGINT;
        ALTER TABLE account ADD COLUMN messages_burst BIGINT;

        -- When the user last showed who they are on this device, in milliseconds since the epoch.
        ALTER TABLE account_device ADD COLUMN proven_at BIGINT NOT NULL DEFAULT 0;

        -- The SHA-256 of what all refresh tokens of the session have in common; NULL where it has none.
        ALTER TABLE account_device ADD COLUMN refresh_hash BYTEA;
        CREATE INDEX account_device_refresh ON account_device (refresh_hash) WHERE refresh_hash IS NOT NULL;
        """
    )
