"""Signing keys of other servers."""

from homeserver.storage.upgrade import run_sql

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    run_sql(
        """
        -- A row per key that a server published, with the newest answer in which it did, as that server signed
        -- it; notaries repeat it. Times are in milliseconds. valid_until is never more than a week after
        -- fetched_at; for an old key, which signs nothing any more, it is 0 and expired_at says since when.
        -- A row ends a year after it was last fetched (task).
        CREATE TABLE federation_key (
            server_name TEXT NOT NULL,
            key_id TEXT NOT NULL,
            public_key BYTEA NOT NULL,
            valid_until BIGINT NOT NULL,
            expired_at BIGINT,
            fetched_at BIGINT NOT NULL,
            answer BYTEA NOT NULL,
            PRIMARY KEY (server_name, key_id)
        );
        CREATE INDEX federation_key_age ON federation_key (fetched_at);
        """
    )
